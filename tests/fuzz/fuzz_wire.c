// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * QPs whose peer is beyond the uplink: what it says is the input's. Queues of node 0: RC, UC,
 * UD. An input is a list of records:
 *
 *   0 n                      let lanes run
 *   1 n                      quarter milliseconds
 *   2 opcode ack psn va rkey length syndrome payload
 *                            a packet for the queue of the opcode's service, its ICRC right.
 *                            psn counts from what the queue waits for: of a request what was
 *                            taken, of an answer what was sent
 *   3 queue choice length    a work request
 *   4 queue length           a receive WQE
 *   5 queue                  2RST, and connected again
 *   6 len bytes              any frame of the host's
 *
 * No memory but the key's changes, what node 0 sends are whole packets with its own source,
 * and the other node's own connection must not notice.
 */
#include "fuzz.h"
#include "host_port.h"
#include "transport/wire/wire.h"

#define MAX_RECORDS	96
#define OPEN_FROM	0x1000U	/* what the key covers */
#define OPEN_TO		0xf000U
#define PSN		0xfffff0U
#define PEER_QPN	0x4711U
#define LONGEST		20000U

enum { RAW_TURNS, RAW_TIME, RAW_PACKET, RAW_POST, RAW_RECV, RAW_ANEW, RAW_FRAME, RAW_RECORDS };
enum { Q_RC, Q_UC, Q_UD, QUEUES };

static const u8 types[QUEUES] = { MLX5_QP_ST_RC, MLX5_QP_ST_UC, MLX5_QP_ST_UD };
static const u8 services[QUEUES] = { WIRE_RC, WIRE_UC, WIRE_UD };
static const u8 peer_mac[6] = { 2, 9, 9, 9, 9, 9 };
static const u8 peer_gid[16] = { 0xfe, 0x80, [15] = 0x99 };

struct rig {
	struct fuzz_world *w;
	struct fuzz_node *n;
	struct host_port host;
	struct client_qp qp[QUEUES];
	struct client_path path;
	u32 key;
	u32 sent;
};

static struct rig *the_rig;

/* ---- What goes out ----------------------------------------------------------- */

static void look(struct host_port *host)
{
	struct rig *r = the_rig;
	struct wire_packet packet;
	const u8 *frame = host->frame;
	u32 crc, bytes;

	fuzz_check(wire_parse(&packet, frame, min(host->len, WIRE_HEAD_MAX), host->len) == WIRE_OK,
		   "a frame of %u bytes that is no packet", host->len);
	bytes = packet.payload + packet.pad;
	crc = wire_icrc_more(wire_icrc_head(&packet, frame, packet.payload_at),
			     frame + packet.payload_at, bytes);
	fuzz_check(wire_icrc_good(crc, frame + packet.payload_at + bytes), "a wrong ICRC");
	fuzz_check(!memcmp(packet.smac, r->n->vmm->inst->id.mac, 6) &&
		   !memcmp(packet.sgid, r->n->gid, 16), "a forged source");
	fuzz_check(!memcmp(packet.dgid, peer_gid, 16), "to a stranger");
	if (WIRE_SERVICE(packet.opcode) == WIRE_RC && !wire_op(packet.opcode).response)
		r->sent = packet.psn;
}

/* ---- The world ---------------------------------------------------------------- */

static void connect_queue(struct rig *r, u32 i)
{
	struct client_modify m;

	client_modify_init(&m);
	m.path = r->path;
	m.remote_qpn = PEER_QPN;
	m.rq_psn = PSN;
	m.sq_psn = PSN;
	m.qkey = FUZZ_QKEY;
	m.mtu = i == Q_UD ? IB_MTU_4096 : IB_MTU_256;
	m.retry = 2;
	m.ack_timeout = 8;
	m.log_rra = 1;
	client_connect_qp(&r->qp[i], &m);
}

static void open_rig(struct rig *r)
{
	struct client_qp_attr attr;
	u32 i;

	memset(r, 0, sizeof(*r));
	the_rig = r;
	r->w = fuzz_world_create(true);
	r->n = &r->w->n[0];
	fuzz_check(!host_port_up(&r->host, &r->w->hca, r->n->vmm->inst->port.segment), "no uplink");
	r->host.seen = look;
	r->key = fuzz_key(r->n, OPEN_FROM, OPEN_TO - OPEN_FROM, CLIENT_ALL_ACCESS);
	r->path.grh = true;
	r->path.hop_limit = 3;
	memcpy(r->path.dmac, peer_mac, sizeof(peer_mac));
	memcpy(r->path.dgid, peer_gid, sizeof(peer_gid));
	for (i = 0; i < QUEUES; i++) {
		client_qp_attr_init(&attr, types[i], r->n->pd, &r->n->cq);
		attr.log_sq = 4;
		attr.log_rq = 3;
		fuzz_check(!client_create_qp(&r->n->c, &attr, &r->qp[i]), "QP %u", i);
		connect_queue(r, i);
	}
	r->sent = PSN;
	fuzz_remember(r->n);
}

static void close_rig(struct rig *r)
{
	u32 i;

	fuzz_settle(r->w);
	fuzz_unchanged(r->n, OPEN_FROM, OPEN_TO);
	for (i = 0; i < QUEUES; i++)
		client_forget_qp(&r->qp[i]);
	host_port_down(&r->host);
	fuzz_world_finish(r->w);
}

/* ---- Records -------------------------------------------------------------------- */

static u32 queue_of(u8 opcode)
{
	u32 i;

	for (i = 0; i < QUEUES; i++)
		if (services[i] == WIRE_SERVICE(opcode))
			return i;
	return Q_RC;
}

static u32 expected(struct rig *r, u32 queue, bool response)
{
	u8 qpc[MLX5_ST_SZ_BYTES(qpc)];

	if (response || client_query_qp(&r->qp[queue], qpc))
		return r->sent;
	return MLX5_GET(qpc, qpc, next_rcv_psn);
}

static void send_packet(struct rig *r, struct fuzz_input *in)
{
	u8 opcode = fuzz_take8(in), flags = fuzz_take8(in), frame[WIRE_HEAD_MAX + 4200] = { 0 };
	u32 queue = queue_of(opcode), head, bytes, i;
	struct wire_packet packet = {
		.l3 = WIRE_V2_IPV6, .hop_limit = 9, .sport = 0xc123, .pkey = WIRE_PKEY,
		.opcode = opcode, .ack_req = flags & 1, .solicited = flags & 2,
		.dest_qpn = r->qp[queue].qpn, .qkey = FUZZ_QKEY, .src_qpn = PEER_QPN,
		.swap_add = 3, .compare = 5, .original = 7,
	};

	memcpy(packet.dmac, r->n->vmm->inst->id.mac, 6);
	memcpy(packet.smac, peer_mac, 6);
	memcpy(packet.dgid, r->n->gid, 16);
	memcpy(packet.sgid, peer_gid, 16);
	packet.psn = expected(r, queue, wire_op(opcode).response) + (s8)fuzz_take8(in);
	packet.va = FUZZ_VA + fuzz_take16(in);
	packet.rkey = fuzz_take8(in) & 1 ? r->key ^ 1 : r->key;
	packet.length = fuzz_take16(in) % LONGEST;
	packet.syndrome = fuzz_take8(in);
	packet.payload = wire_op(opcode).data ? fuzz_take16(in) % 4097 : 0;
	packet.psn &= WIRE_PSN_MASK;
	head = wire_build(&packet, frame);
	if (!head)
		return;
	bytes = packet.payload + wire_pad(packet.payload);
	for (i = 0; i < packet.payload; i++)
		frame[head + i] = (u8)(i * 7);
	wire_icrc_put(wire_icrc_more(wire_icrc_head(&packet, frame, head), frame + head, bytes),
		      frame + head + bytes);
	host_port_send(&r->host, frame, head + bytes + WIRE_ICRC_BYTES);
}

static void post(struct rig *r, struct fuzz_input *in)
{
	static const u8 opcodes[] = {
		MLX5_OPCODE_SEND, MLX5_OPCODE_SEND_IMM, MLX5_OPCODE_RDMA_WRITE,
		MLX5_OPCODE_RDMA_WRITE_IMM, MLX5_OPCODE_RDMA_READ, MLX5_OPCODE_ATOMIC_FA,
		MLX5_OPCODE_ATOMIC_CS, MLX5_OPCODE_SEND_INVAL,
	};
	u32 queue = fuzz_take8(in) % QUEUES, choice = fuzz_take8(in), len;
	struct client_sge sge = { FUZZ_VA + OPEN_FROM + 3, 0, r->key };
	struct client_send wr = {
		.opcode = opcodes[choice % ARRAY_SIZE(opcodes)], .flags = CLIENT_SIGNALED,
		.sge = &sge, .n_sge = 1, .path = &r->path, .dqpn = PEER_QPN, .qkey = FUZZ_QKEY,
		.remote_addr = 0x1000, .rkey = 0x77,
	};

	len = fuzz_take16(in) % LONGEST;
	sge.len = choice & 0x80 ? 8 : len;
	client_post_send(&r->qp[queue], &wr);
}

static void receive(struct rig *r, struct fuzz_input *in)
{
	u32 queue = fuzz_take8(in) % QUEUES;
	struct client_sge sge = { FUZZ_VA + OPEN_FROM + 0x6001, 0, r->key };

	sge.len = fuzz_take16(in) % 0x8000;
	client_post_recv(&r->qp[queue], 1, &sge, 1);
}

static void anew(struct rig *r, struct fuzz_input *in)
{
	u32 queue = fuzz_take8(in) % QUEUES;

	if (client_modify_qp(&r->qp[queue], MLX5_CMD_OP_2RST_QP, NULL))
		return;
	connect_queue(r, queue);
	if (queue == Q_RC)
		r->sent = PSN;
}

static void any_frame(struct rig *r, struct fuzz_input *in)
{
	u8 frame[512];
	u32 len = fuzz_take16(in) % sizeof(frame);

	fuzz_take_bytes(in, frame, sizeof(frame) < in->left ? len : min_t(size_t, len, in->left));
	memcpy(frame, r->n->vmm->inst->id.mac, 6);
	if (len >= 14)
		host_port_send(&r->host, frame, len);
}

static void record(struct rig *r, struct fuzz_input *in)
{
	struct client_wc wc;

	switch (fuzz_take8(in) % RAW_RECORDS) {
	case RAW_TURNS:
		fuzz_run(r->w, fuzz_take8(in));
		break;
	case RAW_TIME:
		fuzz_elapse(r->w, fuzz_take8(in) * 250000ULL);
		break;
	case RAW_PACKET:
		send_packet(r, in);
		break;
	case RAW_POST:
		post(r, in);
		break;
	case RAW_RECV:
		receive(r, in);
		break;
	case RAW_ANEW:
		anew(r, in);
		break;
	case RAW_FRAME:
		any_frame(r, in);
		break;
	}
	while (client_poll_cq(&r->n->cq, 1, &wc))
		;
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	static struct rig rig;
	struct fuzz_input in = { data, size };
	u32 i;

	open_rig(&rig);
	for (i = 0; i < MAX_RECORDS && in.left; i++)
		record(&rig, &in);
	close_rig(&rig);
	return 0;
}

/* ---- Seeds ------------------------------------------------------------------------- */

static void put_packet(struct fuzz_output *out, u8 opcode, s8 psn, u16 length, u8 syndrome,
		       u16 payload)
{
	fuzz_put(out, RAW_PACKET, 1);
	fuzz_put(out, opcode, 1);
	fuzz_put(out, 1, 1);
	fuzz_put(out, (u8)psn, 1);
	fuzz_put(out, OPEN_FROM + 0x2000, 2);
	fuzz_put(out, 0, 1);
	fuzz_put(out, length, 2);
	fuzz_put(out, syndrome, 1);
	if (wire_op(opcode).data)
		fuzz_put(out, payload, 2);
}

static void put_run(struct fuzz_output *out)
{
	fuzz_put(out, RAW_TURNS, 1);
	fuzz_put(out, 50, 1);
}

/* Each packet alone, where there is a receive WQE, and as an answer to each request. */
static void seed_opcode(void (*add)(const void *data, size_t size), u8 opcode)
{
	u8 bytes[200];
	struct fuzz_output out = { .p = bytes, .room = sizeof(bytes) };
	u32 i;

	for (i = 0; i < QUEUES; i++) {
		fuzz_put(&out, RAW_RECV, 1);
		fuzz_put(&out, i, 1);
		fuzz_put(&out, 3000, 2);
	}
	fuzz_put(&out, RAW_POST, 1);
	fuzz_put(&out, opcode % QUEUES, 1);
	fuzz_put(&out, opcode / 3, 1);
	fuzz_put(&out, 900, 2);
	put_run(&out);
	for (i = 0; i < 3; i++) {
		put_packet(&out, opcode, i == 2 ? -1 : 0, 256 * (1 + opcode % 3), 0x1f + 0x41 * i, 256);
		put_run(&out);
	}
	fuzz_put(&out, RAW_TIME, 1);
	fuzz_put(&out, 40, 1);
	add(bytes, out.len);
}

void fuzz_seeds(void (*add)(const void *data, size_t size))
{
	u32 opcode;

	for (opcode = 0; opcode < 256; opcode++)
		if (wire_op(opcode).valid)
			seed_opcode(add, opcode);
}
