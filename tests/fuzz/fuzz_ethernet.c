// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Ethernet ports and RoCE. Both nodes and the host are ports of one segment. An input
 * is a list of records:
 *
 *   0 n                     let lanes run
 *   1 n                     quarter milliseconds
 *   2 how mss len bytes     a frame of node 0, in a correct WQE
 *   3 ds bytes              a send WQE of ds * 16 bytes; the SQ's number is filled in
 *   4 ds bytes              likewise, just as it is
 *   5 n bytes               a receive WQE of node 0, n data segments
 *   6 inlen outlen bytes    a command, as in fuzz_command.c
 *   7 len bytes             a frame of the host's
 *   8 queue value           a doorbell record
 *   9 ds bytes              a datagram's WQE; the QP's number is filled in
 *  10 how mss len           a large send of node 0: UDP over IPv4, in a correct WQE
 *  11 at n bytes            bytes of the send ring, whatever is on its way there
 *  12                       the SQ begins anew; its record stays as it is
 *
 * No memory but the key's and receive buffers may change, no frame of node 0 may come
 * with another's MAC, and the other node's own RoCE connection must not notice.
 */
#include "fuzz.h"
#include "host_port.h"

#define MAX_RECORDS	96
#define LOG_RING	3
#define LOG_RQ_STRIDE	6
#define TAG		7U		/* of frames, in CQEs */
#define OPEN_FROM	0x1000U		/* node 0: what its key covers */
#define OPEN_TO		0xf000U
#define FRAME_AT	0x1800U		/* where its frames are made */
#define INBOX		0xa000U		/* both: receive buffers, up to OPEN_TO */
#define INBOX_BUF	0xa00U
#define FRAME_MAX	0x800U

enum {
	ETH_TURNS, ETH_TIME, ETH_FRAME, ETH_WQE, ETH_RAW, ETH_RECV, ETH_COMMAND, ETH_HOST,
	ETH_BELL, ETH_DATAGRAM, ETH_LARGE, ETH_REWRITE, ETH_ANEW, ETH_RECORDS
};

/* What a record of kind ETH_FRAME wants */
#define HOW_FORGED	0x01		/* the source MAC stays as it is */
#define HOW_DMAC	0x02		/* … the destination */
#define HOW_GROUP	0x04		/* to everybody */
#define HOW_INLINE	0x08		/* the first 18 bytes in the WQE */
#define HOW_TAG		0x10		/* a VLAN tag is to be inserted */
#define HOW_SUMS	0xc0		/* checksums are to be filled in */

/**
 * struct station - a node's Ethernet
 * @n: node
 * @cq: of its queues
 * @port: a queue of each kind
 * @ud: a QP for datagrams
 */
struct station {
	struct fuzz_node *n;
	struct client_cq cq;
	struct client_port port;
	struct client_qp ud;
};

struct rig {
	struct fuzz_world *w;
	struct station s[FUZZ_NODES];
	struct host_port host;
	u32 key;
	bool others;		/* frames that are not node 0's are about */
};

/* ---- Node 1 receives ------------------------------------------------------ */

static struct client_sge inbox(const struct fuzz_node *n, u32 slot, u32 key)
{
	return (struct client_sge){ FUZZ_VA + INBOX + (slot & 7) * INBOX_BUF, INBOX_BUF, key };
}

static void check_frame(const struct rig *r, const struct mlx5_cqe64 *cqe)
{
	const struct station *s = &r->s[1];
	u32 len = be32_to_cpu(cqe->byte_cnt);
	u16 slot = be16_to_cpu(cqe->wqe_counter);
	const u8 *frame = s->n->mem.va + INBOX + (slot & 7) * INBOX_BUF;

	fuzz_check(len >= 14 && len <= INBOX_BUF, "a frame of %u bytes", len);
	fuzz_check(r->others || !memcmp(frame + 6, r->w->n[0].vmm->inst->id.mac, 6),
		   "a forged source: %02x:%02x:%02x:%02x:%02x:%02x", frame[6], frame[7], frame[8],
		   frame[9], frame[10], frame[11]);
}

/* Look at what came, and keep its receive queues filled. */
static void serve(struct rig *r)
{
	struct station *s = &r->s[1];
	struct mlx5_cqe64 *cqe;
	struct client_sge sge;

	while ((cqe = client_peek_cq(&s->cq))) {
		u8 opcode = get_cqe_opcode(cqe);

		fuzz_check(opcode == MLX5_CQE_RESP_SEND, "completion of opcode %u", opcode);
		if (be32_to_cpu(cqe->sop_drop_qpn) == TAG) {
			check_frame(r, cqe);
			sge = inbox(s->n, s->port.rq.head, s->n->key);
			client_post_rq(&s->port.rq, &sge, 1);
		} else {
			s->ud.rq.tail++;
		}
		s->cq.ci++;
		WRITE_ONCE(s->cq.record.word[0], cpu_to_be32(s->cq.ci & 0xffffff));
	}
	while (s->port.rq.head < 1U << LOG_RING) {
		sge = inbox(s->n, s->port.rq.head, s->n->key);
		client_post_rq(&s->port.rq, &sge, 1);
	}
	/* Into the last buffer, all of them: what is in it is not looked at. */
	sge = inbox(s->n, 7, s->n->key);
	while (s->ud.rq.head - s->ud.rq.tail < 1U << LOG_RING &&
	       !client_post_recv(&s->ud, 0, &sge, 1))
		;
}

/* ---- The world ---------------------------------------------------------- */

static void station_open(struct station *s, struct fuzz_node *n)
{
	struct client_qp_attr qp;
	struct client_cq_attr cq;
	struct client_modify m;
	int ret;

	s->n = n;
	client_cq_attr_init(&cq, 6);
	ret = client_create_cq(&n->c, &cq, &s->cq);
	ret |= client_open_port(&n->c, n->pd, &s->cq, LOG_RING, LOG_RQ_STRIDE, TAG, &s->port);
	client_qp_attr_init(&qp, MLX5_QP_ST_UD, n->pd, &s->cq);
	qp.log_sq = 4;
	qp.log_rq = LOG_RING;
	ret |= client_create_qp(&n->c, &qp, &s->ud);
	client_modify_init(&m);
	m.qkey = FUZZ_QKEY;
	ret |= client_connect_qp(&s->ud, &m);
	fuzz_check(!ret, "set-up: %d", ret);
}

static void station_forget(struct station *s)
{
	client_forget_qp(&s->ud);
	client_forget_wq(&s->port.sq);
	client_forget_wq(&s->port.rq);
	client_forget_cq(&s->cq);
}

static void rig_open(struct rig *r)
{
	u32 i;

	fuzz_check(!host_port_up(&r->host, &r->w->hca, r->w->n[0].vmm->inst->port.segment), "host");
	for (i = 0; i < FUZZ_NODES; i++)
		station_open(&r->s[i], &r->w->n[i]);
	fuzz_check(!client_destroy_mkey(&r->w->n[0].c, r->w->n[0].key), "key");
	r->key = fuzz_key(&r->w->n[0], OPEN_FROM, OPEN_TO - OPEN_FROM, CLIENT_ALL_ACCESS);
	serve(r);
	fuzz_remember(&r->w->n[0]);
	fuzz_remember(&r->w->n[1]);
}

static void rig_close(struct rig *r)
{
	u32 i;

	fuzz_settle(r->w);
	serve(r);
	fuzz_unchanged(&r->w->n[0], OPEN_FROM, OPEN_TO);
	fuzz_unchanged(&r->w->n[1], INBOX, OPEN_TO);
	for (i = 0; i < FUZZ_NODES; i++)
		station_forget(&r->s[i]);
	host_port_down(&r->host);
	fuzz_world_finish(r->w);
}

/* ---- Node 0's input --------------------------------------------------------- */

struct wqe {
	struct mlx5_wqe_ctrl_seg ctrl;
	struct mlx5_wqe_eth_seg eth;	/* its last two bytes are the frame's first */
	u8 rest[16];			/* … or the data segment, when nothing is inline */
	struct mlx5_wqe_data_seg data;
};

/* A frame at FRAME_AT: from the input, but for the addresses. */
static u32 make_frame(struct rig *r, struct fuzz_input *in, u8 how, u32 len)
{
	u8 *frame = r->w->n[0].mem.va + FRAME_AT;

	fuzz_take_bytes(in, frame, len);
	if (!(how & HOW_DMAC))
		memcpy(frame, r->w->n[1].vmm->inst->id.mac, 6);
	if (how & HOW_GROUP)
		memset(frame, 0xff, 6);
	if (!(how & HOW_FORGED))
		memcpy(frame + 6, r->w->n[0].vmm->inst->id.mac, 6);
	return len;
}

static void post_frame(struct rig *r, u8 how, u16 mss, u32 len)
{
	const u8 *frame = r->w->n[0].mem.va + FRAME_AT;
	struct station *s = &r->s[0];
	u32 head = how & HOW_INLINE ? 18 : 0, ds = head ? 4 : 3;
	struct wqe wqe = { 0 };
	struct mlx5_wqe_data_seg *data = head ? &wqe.data : (void *)wqe.rest;

	wqe.ctrl.opmod_idx_opcode = cpu_to_be32((s->port.sq.head & 0xffff) << 8 |
						(mss ? MLX5_OPCODE_LSO : MLX5_OPCODE_SEND));
	wqe.ctrl.fm_ce_se = MLX5_WQE_CTRL_CQ_UPDATE;
	wqe.eth.cs_flags = how & HOW_SUMS;
	wqe.eth.mss = cpu_to_be16(mss);
	if (head) {
		wqe.eth.inline_hdr.sz = cpu_to_be16(head);
		memcpy(wqe.eth.inline_hdr.start, frame, 2);
		memcpy(wqe.rest, frame + 2, 16);
	} else if (how & HOW_TAG) {
		wqe.eth.trailer = cpu_to_be32(0x80000000U | len);
	}
	data->addr = cpu_to_be64(FUZZ_VA + FRAME_AT + head);
	data->byte_count = cpu_to_be32(len - head);
	data->lkey = cpu_to_be32(r->key);
	wqe.ctrl.qpn_ds = cpu_to_be32(s->port.sq.number << 8 | ds);
	client_post_sq(&s->port.sq, &wqe, ds * 16);
}

static void frame_record(struct rig *r, struct fuzz_input *in)
{
	u8 how = fuzz_take8(in);
	u16 mss = fuzz_take16(in);
	u32 len = max_t(u32, fuzz_take16(in) % FRAME_MAX, 18);

	post_frame(r, how, mss, make_frame(r, in, how, len));
}

static void wqe_record(struct rig *r, struct fuzz_input *in, bool as_it_is)
{
	struct station *s = &r->s[0];
	u32 ds = 1 + fuzz_take8(in) % 32;
	u64 raw[64];
	struct mlx5_wqe_ctrl_seg *ctrl = (void *)raw;

	fuzz_take_bytes(in, raw, ds * 16);
	if (!as_it_is)
		ctrl->qpn_ds = cpu_to_be32(s->port.sq.number << 8 | ds);
	client_post_sq(&s->port.sq, raw, ds * 16);
}

static void recv_record(struct rig *r, struct fuzz_input *in)
{
	struct station *s = &r->s[0];
	u32 bytes = (fuzz_take8(in) & 3) * 16;
	u8 *wqe = s->port.rq.mem.va + ((s->port.rq.head & 7) << LOG_RQ_STRIDE);

	fuzz_take_bytes(in, wqe, bytes);
	WRITE_ONCE(s->port.rq.record.word[0], cpu_to_be32(++s->port.rq.head & 0xffff));
}

static void host_record(struct rig *r, struct fuzz_input *in)
{
	u32 len = fuzz_take16(in) % FRAME_MAX;
	u8 frame[FRAME_MAX];

	fuzz_take_bytes(in, frame, len);
	r->others = true;
	host_port_send(&r->host, frame, len);
}

static void bell_record(struct rig *r, struct fuzz_input *in)
{
	struct station *s = &r->s[0];
	__be32 *words[] = {
		&s->port.sq.record.word[1], &s->port.rq.record.word[0], &s->cq.record.word[0],
		&s->cq.record.word[1], &s->ud.record.word[0], &s->ud.record.word[1],
	};
	u8 which = fuzz_take8(in) % ARRAY_SIZE(words);

	WRITE_ONCE(*words[which], cpu_to_be32((u32)fuzz_take(in, 4)));
}

static void datagram_record(struct rig *r, struct fuzz_input *in)
{
	struct client_qp *qp = &r->s[0].ud;
	u32 ds = 1 + fuzz_take8(in) % 16;
	u64 raw[32];
	struct mlx5_wqe_ctrl_seg *ctrl = (void *)raw;

	fuzz_take_bytes(in, raw, ds * 16);
	ctrl->qpn_ds = cpu_to_be32(qp->qpn << 8 | ds);
	qp->sq.tail = qp->sq.head;
	client_post_raw(qp, 0, raw, ds);
}

static void large_record(struct rig *r, struct fuzz_input *in)
{
	u8 how = fuzz_take8(in), wqe[96] = { 0 }, *head;
	struct mlx5_wqe_ctrl_seg *ctrl = (void *)wqe;
	struct mlx5_wqe_eth_seg *eth = (void *)(ctrl + 1);
	struct mlx5_wqe_data_seg *data = (void *)(wqe + 80);
	struct station *s = &r->s[0];

	ctrl->opmod_idx_opcode = cpu_to_be32((s->port.sq.head & 0xffff) << 8 | MLX5_OPCODE_LSO);
	ctrl->qpn_ds = cpu_to_be32(s->port.sq.number << 8 | sizeof(wqe) / 16);
	ctrl->fm_ce_se = MLX5_WQE_CTRL_CQ_UPDATE;
	eth->cs_flags = how & HOW_SUMS;
	eth->mss = cpu_to_be16(fuzz_take16(in));
	eth->inline_hdr.sz = cpu_to_be16(42);
	head = wqe + sizeof(*ctrl) + offsetof(struct mlx5_wqe_eth_seg, inline_hdr.start);
	memcpy(head, r->w->n[1].vmm->inst->id.mac, 6);
	if (how & HOW_GROUP)
		memset(head, 0xff, 6);
	else if (how & HOW_DMAC)
		head[5] ^= 0x55;	/* nobody's: the host gets it */
	memcpy(head + 6, r->w->n[0].vmm->inst->id.mac, 6);
	head[12] = 8;
	head[14] = 0x45;
	head[23] = 17;
	data->addr = cpu_to_be64(FUZZ_VA + OPEN_FROM);
	data->byte_count = cpu_to_be32(fuzz_take16(in) % (OPEN_TO - OPEN_FROM));
	data->lkey = cpu_to_be32(r->key);
	client_post_sq(&s->port.sq, wqe, sizeof(wqe));
}

static void rewrite_record(struct rig *r, struct fuzz_input *in)
{
	u32 at = fuzz_take16(in) % (64U << LOG_RING), n = fuzz_take8(in);

	fuzz_take_bytes(in, r->s[0].port.sq.mem.va + at, min(n, (64U << LOG_RING) - at));
}

static void anew_record(struct rig *r)
{
	struct client_wq *sq = &r->s[0].port.sq;

	if (client_modify_sq(sq, MLX5_SQC_STATE_RDY, MLX5_SQC_STATE_RST))
		client_modify_sq(sq, MLX5_SQC_STATE_ERR, MLX5_SQC_STATE_RST);
	client_modify_sq(sq, MLX5_SQC_STATE_RST, MLX5_SQC_STATE_RDY);
}

static void record(struct rig *r, struct fuzz_input *in)
{
	switch (fuzz_take8(in) % ETH_RECORDS) {
	case ETH_TURNS: fuzz_run(r->w, fuzz_take8(in)); break;
	case ETH_TIME: fuzz_elapse(r->w, fuzz_take8(in) * 250000ULL); break;
	case ETH_FRAME: frame_record(r, in); break;
	case ETH_WQE: wqe_record(r, in, false); break;
	case ETH_RAW: wqe_record(r, in, true); break;
	case ETH_RECV: recv_record(r, in); break;
	case ETH_COMMAND:
		if (fuzz_take_command(&r->w->n[0], in, 0))
			client_cmd_ring(&r->w->n[0].c, 1);
		break;
	case ETH_HOST: host_record(r, in); break;
	case ETH_BELL: bell_record(r, in); break;
	case ETH_LARGE: large_record(r, in); break;
	case ETH_REWRITE: rewrite_record(r, in); break;
	case ETH_ANEW: anew_record(r); break;
	default: datagram_record(r, in); break;
	}
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	struct fuzz_input in = { data, size };
	struct rig *r = calloc(1, sizeof(*r));
	u32 i;

	fuzz_check(r, "memory");
	r->w = fuzz_world_create(true);
	rig_open(r);
	for (i = 0; in.left && i < MAX_RECORDS; i++) {
		record(r, &in);
		fuzz_run(r->w, 4);
		serve(r);
	}
	rig_close(r);
	free(r);
	return 0;
}

/* ---- Seeds ---------------------------------------------------------------- */

static void (*add_seed)(const void *data, size_t size);

static void keep_command(struct client *c, const void *in, u32 inlen, u32 outlen)
{
	u8 room[1 << 14];
	struct fuzz_output out = { .p = room, .room = sizeof(room) };

	(void)c;
	fuzz_put(&out, ETH_COMMAND | inlen << 8 | (u64)outlen << 24, 5);
	fuzz_put_bytes(&out, in, inlen);
	add_seed(out.p, out.len);
}

/* Headers of @protocol over IPv4 or IPv6, behind a tag or not; where they end. */
static u32 headers(u8 *f, bool six, bool tagged, u8 protocol, u32 payload)
{
	u32 at = 12, l4 = protocol == SOFT_PROTO_TCP ? 20 : 8;

	memset(f, 0, 128);
	if (tagged) {
		put_unaligned_be32(0x81000000U | 5, f + at);
		at += 4;
	}
	put_unaligned_be16(six ? 0x86dd : 0x0800, f + at);
	at += 2;
	if (six) {
		f[at] = 0x60;
		put_unaligned_be16(l4 + payload, f + at + 4);
		f[at + 6] = protocol;
		f[at + 7] = 64;
		at += 40;
	} else {
		f[at] = 0x45;
		put_unaligned_be16(20 + l4 + payload, f + at + 2);
		f[at + 8] = 64;
		f[at + 9] = protocol;
		at += 20;
	}
	put_unaligned_be16(1000, f + at);
	put_unaligned_be16(payload & 1 ? 4791 : 2000, f + at + 2);
	if (protocol == SOFT_PROTO_TCP)
		f[at + 12] = 0x50;
	else
		put_unaligned_be16(8 + payload, f + at + 4);
	return at + l4;
}

static void frame_seeds(void)
{
	u8 frame[FRAME_MAX], room[FRAME_MAX + 64];
	u32 i, head, len;

	for (i = 0; i < 64; i++) {
		struct fuzz_output out = { .p = room, .room = sizeof(room) };
		u8 how = (i & 1 ? HOW_INLINE : 0) | (i & 2 ? HOW_GROUP : 0) |
			 (i & 32 ? HOW_SUMS : 0);

		len = 40 + i;
		memset(frame, (int)i, sizeof(frame));
		head = headers(frame, i & 4, i & 8, i & 16 ? SOFT_PROTO_TCP : SOFT_PROTO_UDP, len);
		len += head;
		fuzz_put(&out, ETH_FRAME | how << 8 | (u64)len << 32, 6);
		fuzz_put_bytes(&out, frame, len);
		fuzz_put(&out, ETH_HOST | len << 8, 3);
		fuzz_put_bytes(&out, frame, len);
		add_seed(out.p, out.len);
	}
}

/* A large send: its headers have to be in the WQE, so it is made here. */
static void large_seed(struct rig *r, bool six, u8 protocol)
{
	struct fuzz_node *n = &r->w->n[0];
	u8 head[128], room[512];
	struct fuzz_output out = { .p = room, .room = sizeof(room) };
	u32 len = headers(head, six, false, protocol, 3000);
	u8 raw[256] = { 0 };
	struct mlx5_wqe_ctrl_seg *ctrl = (void *)raw;
	struct mlx5_wqe_eth_seg *eth = (void *)(raw + 16);
	u32 ds = 1 + DIV_ROUND_UP(14 + len, 16);
	struct mlx5_wqe_data_seg *data = (void *)(raw + ds * 16);

	memcpy(head, r->w->n[1].vmm->inst->id.mac, 6);
	memcpy(head + 6, n->vmm->inst->id.mac, 6);
	ctrl->opmod_idx_opcode = cpu_to_be32(MLX5_OPCODE_LSO);
	ctrl->fm_ce_se = MLX5_WQE_CTRL_CQ_UPDATE;
	eth->cs_flags = HOW_SUMS;
	eth->mss = cpu_to_be16(700);
	eth->inline_hdr.sz = cpu_to_be16(len);
	memcpy(eth->inline_hdr.start, head, len);
	data->addr = cpu_to_be64(FUZZ_VA + 0x2000);
	data->byte_count = cpu_to_be32(3000);
	data->lkey = cpu_to_be32(r->key);
	fuzz_put(&out, ETH_WQE | ds << 8, 2);
	fuzz_put_bytes(&out, raw, (ds + 1) * 16);
	fuzz_put(&out, ETH_TIME | 4 << 8, 2);
	add_seed(out.p, out.len);
}

/* A datagram to the other node, of @inline_len bytes in the WQE. */
static void datagram_seed(struct rig *r, u32 inline_len)
{
	struct fuzz_node *to = &r->w->n[1];
	struct client_qp *qp = &r->s[0].ud;
	struct client_path path = { .grh = true, .hop_limit = 64 };
	struct client_sge sge = { (uintptr_t)r->w->n[0].mem.va, inline_len, r->key };
	struct client_send wr = {
		.opcode = MLX5_OPCODE_SEND, .sge = &sge, .n_sge = 1, .path = &path,
		.flags = CLIENT_SIGNALED | CLIENT_INLINE, .dqpn = r->s[1].ud.qpn,
		.qkey = FUZZ_QKEY,
	};
	struct mlx5_wqe_ctrl_seg *ctrl = (void *)qp->sq.base;
	u8 room[512];
	struct fuzz_output out = { .p = room, .room = sizeof(room) };
	u32 ds;

	memcpy(path.dgid, to->gid, 16);
	memcpy(path.dmac, to->vmm->inst->id.mac, 6);
	qp->no_doorbell = true;
	fuzz_check(!client_post_send(qp, &wr), "post");
	ds = be32_to_cpu(ctrl->qpn_ds) & 63;
	fuzz_put(&out, ETH_DATAGRAM | (ds - 1) << 8, 2);
	fuzz_put_bytes(&out, ctrl, ds * 16);
	add_seed(out.p, out.len);
}

void fuzz_seeds(void (*add)(const void *data, size_t size))
{
	struct rig *r = calloc(1, sizeof(*r));

	fuzz_check(r, "memory");
	add_seed = add;
	r->w = fuzz_world_create(true);
	r->w->n[0].c.before = keep_command;
	rig_open(r);
	r->w->n[0].c.before = NULL;
	frame_seeds();
	large_seed(r, false, SOFT_PROTO_TCP);
	large_seed(r, true, SOFT_PROTO_TCP);
	large_seed(r, false, SOFT_PROTO_UDP);
	datagram_seed(r, 30);
	rig_close(r);
	free(r);
}
