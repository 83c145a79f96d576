// SPDX-License-Identifier: GPL-2.0-only
/*
 * storm NAME UUID [UUID]: a neighbour that takes what it can get, until standard input
 * ends. All of it is allowed, which is the point: the lane and the command path have to
 * give others their share all the same. "fair" is an honest neighbour, for comparison.
 */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "ethernet.h"
#include "load.h"

#define QPS		8U	/* of a flood */
#define MANY_QPS	64U
#define PAGES		480U	/* doorbell pages */
#define RING		128U	/* WQEs that node_connect()'s rings hold */
#define HUGE_LEN	(32UL << 20)
#define PIECES		8192U	/* entries of a key that names pieces of another */
#define PIECES_SGES	20U	/* of a datagram: all of its 60 bytes are pieces of one */
#define GROUPS		1024U
#define LOOK_NS		20000000ULL	/* between looks at standard input */

/**
 * struct storm - a neighbour and its state
 * @kind: what it does
 * @n: instance that does it
 * @peer: instance at the other end, as a rule the same
 * @qp: its QPs
 * @to: their other ends
 * @mem: memory for big messages
 * @key: its key
 * @posted: on each QP
 * @path: where datagrams go
 * @group: to all QPs of a multicast group
 * @page: doorbell pages
 * @load: of the fair one
 * @port: Ethernet of @n
 * @taker: Ethernet of @peer, when that is another
 * @rounds: calls of &struct storm_kind.step
 * @done: completions without error
 * @errors: completions with error, events of broken CQs
 */
struct storm {
	const struct storm_kind *kind;
	struct node *n;
	struct node *peer;
	struct client_qp qp[MANY_QPS];
	struct client_qp to[MANY_QPS];
	struct client_mem mem;
	u32 key;
	u32 posted[MANY_QPS];
	struct client_path path;
	bool group;
	u32 page[PAGES];
	struct load load;
	struct ethernet port;
	struct ethernet taker;
	u64 rounds;
	u64 done;
	u64 errors;
};

/**
 * struct storm_kind - a way to be a nuisance
 * @name: name
 * @start: prepare
 * @step: some of it, at most some milliseconds; 0 or -1
 * @qps: QPs that connect_all() makes
 * @opcode: flood() posts this
 * @len: bytes of each message; 0: what @mem has
 * @every: one in so many is signaled
 * @bad_key: with a remote key that does not exist
 * @ethernet: only instances with an Ethernet port can
 */
struct storm_kind {
	const char *name;
	int (*start)(struct storm *s);
	int (*step)(struct storm *s);
	u32 qps;
	u8 opcode;
	u32 len;
	u32 every;
	bool bad_key;
	bool ethernet;
};

/* ---- Floods ------------------------------------------------------------ */

static int connect_type(struct storm *s, u8 type)
{
	for (u32 i = 0; i < s->kind->qps; i++)
		if (node_connect_type(s->n, &s->qp[i], s->peer, &s->to[i], type))
			return -1;
	return 0;
}

static int connect_all(struct storm *s)
{
	return connect_type(s, MLX5_QP_ST_RC);
}

/* To QPs without receive buffers, as those are that a flood of CM messages has filled. */
static int connect_datagram(struct storm *s)
{
	node_path(s->peer, &s->path);
	return connect_type(s, MLX5_QP_ST_UD);
}

/* The same, but each is for all of them. */
static int connect_group(struct storm *s)
{
	static const u8 group[16] = { 0xff, 0x12, 0x40, 0x1b, [15] = 1 };

	s->group = true;
	node_path_group(s->n, group, &s->path);
	if (connect_type(s, MLX5_QP_ST_UD))
		return -1;
	for (u32 i = 0; i < s->kind->qps; i++)
		if (client_attach_mcast(&s->to[i], group))
			return complain("multicast: status %x", s->n->c.status);
	return 0;
}

static int connect_big(struct storm *s)
{
	if (client_mem_alloc(&s->n->c, HUGE_LEN, &s->mem) ||
	    client_reg_mr(&s->n->c, s->n->pd, s->mem.va, HUGE_LEN, CLIENT_ALL_ACCESS, &s->key))
		return complain("no memory");
	return connect_all(s);
}

static void take_completions(struct storm *s)
{
	struct client_wc wc[64];
	int n;

	do {
		n = client_poll_cq(&s->n->cq, 64, wc);
		for (int i = 0; i < n; i++)
			if (wc[i].status)
				s->errors++;
			else
				s->done++;
	} while (n == 64);
}

/* Fill every ring, take what came. */
static int flood(struct storm *s)
{
	const struct storm_kind *kind = s->kind;
	u8 *base = kind->len ? s->n->mem.va : s->mem.va;
	u32 len = kind->len ?: HUGE_LEN / 2, key = kind->len ? s->n->key : s->key;
	struct client_sge sge = { .addr = (uintptr_t)base, .len = len, .lkey = key };
	struct client_send wr = { .opcode = kind->opcode, .sge = &sge, .n_sge = 1,
				  .rkey = kind->bad_key ? 0xdead00 : key, .swap_add = 1,
				  .path = &s->path, .remote_addr = (uintptr_t)base +
						     (kind->len ? NODE_MEM : HUGE_LEN) / 2 };

	for (u32 i = 0; i < kind->qps; i++) {
		wr.dqpn = s->group ? 0xffffff : s->to[i].qpn;
		do {
			wr.flags = ++s->posted[i] % kind->every ? 0 : CLIENT_SIGNALED;
		} while (!client_post_send(&s->qp[i], &wr));
	}
	take_completions(s);
	return 0;
}

/* ---- Commands ---------------------------------------------------------- */

static int step_register(struct storm *s)
{
	u32 key;

	if (client_reg_mr(&s->n->c, s->n->pd, s->n->mem.va, NODE_MEM, CLIENT_ALL_ACCESS, &key) ||
	    client_destroy_mkey(&s->n->c, key))
		return complain("register: status %x", s->n->c.status);
	s->done++;
	return 0;
}

static int step_qp(struct storm *s)
{
	if (node_connect(s->n, &s->qp[0], s->peer, &s->to[0]) || client_destroy_qp(&s->qp[0]) ||
	    client_destroy_qp(&s->to[0]))
		return complain("qp: status %x", s->n->c.status);
	s->done++;
	return 0;
}

/* ---- Memory in pieces, and groups ------------------------------------------ */

static int create_indirect(struct node *n, u32 *key)
{
	u8 in[MLX5_ST_SZ_BYTES(create_mkey_in)] = { 0 };
	void *mkc = MLX5_ADDR_OF(create_mkey_in, in, memory_key_mkey_entry);
	u32 out[MLX5_ST_SZ_DW(create_mkey_out)];

	MLX5_SET(create_mkey_in, in, opcode, MLX5_CMD_OP_CREATE_MKEY);
	MLX5_SET(mkc, mkc, free, 1);
	MLX5_SET(mkc, mkc, umr_en, 1);
	MLX5_SET(mkc, mkc, access_mode_1_0, MLX5_MKC_ACCESS_MODE_KLMS);
	MLX5_SET(mkc, mkc, lr, 1);
	MLX5_SET(mkc, mkc, lw, 1);
	MLX5_SET(mkc, mkc, qpn, CLIENT_ANY_QP);
	MLX5_SET(mkc, mkc, pd, n->pd);
	MLX5_SET64(mkc, mkc, len, PIECES);
	MLX5_SET(mkc, mkc, translations_octword_size, PIECES);
	if (client_exec(&n->c, in, sizeof(in), out, sizeof(out)))
		return complain("indirect key: status %x", n->c.status);
	*key = MLX5_GET(create_mkey_out, out, mkey_index) << 8;
	return 0;
}

/* A UMR WQE: entries of a byte each, which lie in the node's memory behind its middle. */
static int fill_indirect(struct node *n, struct client_qp *qp, u32 key)
{
	struct mlx5_klm *list = (void *)(n->mem.va + NODE_MEM / 2);
	u8 raw[9 * 16] __attribute__((aligned(8))) = { 0 };
	struct mlx5_wqe_ctrl_seg *ctrl = (void *)raw;
	struct mlx5_wqe_umr_ctrl_seg *umr = (void *)(ctrl + 1);
	struct mlx5_wqe_data_seg *data = (void *)(raw + sizeof(raw) - sizeof(*data));
	struct client_wc wc;

	for (u32 i = 0; i < PIECES; i++) {
		list[i].bcount = htobe32(1);
		list[i].key = htobe32(n->key);
		list[i].va = htobe64((uintptr_t)n->mem.va + i);
	}
	ctrl->opmod_idx_opcode = htobe32(MLX5_OPCODE_UMR);
	ctrl->qpn_ds = htobe32(qp->qpn << 8 | sizeof(raw) / 16);
	ctrl->fm_ce_se = MLX5_WQE_CTRL_CQ_UPDATE;
	ctrl->imm = htobe32(key);
	umr->mkey_mask = htobe64(MLX5_MKEY_MASK_FREE);
	umr->xlt_octowords = htobe16(PIECES);
	data->byte_count = htobe32(PIECES * sizeof(*list));
	data->lkey = htobe32(n->key);
	data->addr = htobe64((uintptr_t)list);
	if (client_post_raw(qp, 1, raw, sizeof(raw) / 16) || node_poll(n, &wc, 10000) || wc.status)
		return complain("UMR: no success");
	return 0;
}

/* Datagrams of many pieces into many pieces: at both ends each byte is one. */
static int start_pieces(struct storm *s)
{
	struct client_qp qp[2];

	if (create_indirect(s->n, &s->key) || node_connect(s->n, &qp[0], s->n, &qp[1]) ||
	    fill_indirect(s->n, &qp[0], s->key))
		return -1;
	if (client_destroy_qp(&qp[0]) || client_destroy_qp(&qp[1]))
		return complain("destroy: status %x", s->n->c.status);
	return connect_datagram(s);
}

static int step_pieces(struct storm *s)
{
	struct client_sge sge[PIECES_SGES], to = { .len = 40 + PIECES_SGES, .lkey = s->key };
	struct client_send wr = { .opcode = MLX5_OPCODE_SEND, .sge = sge, .n_sge = PIECES_SGES,
				  .path = &s->path };

	for (u32 i = 0; i < PIECES_SGES; i++)
		sge[i] = (struct client_sge){ .addr = PIECES - 1 - 7 * i, .len = 1, .lkey = s->key };
	for (u32 i = 0; i < s->kind->qps; i++) {
		while (!client_post_recv(&s->to[i], 0, &to, 1))
			;
		wr.dqpn = s->to[i].qpn;
		do {
			wr.flags = ++s->posted[i] % s->kind->every ? 0 : CLIENT_SIGNALED;
		} while (!client_post_send(&s->qp[i], &wr));
	}
	take_completions(s);
	return 0;
}

/* The bucket in which a plain FNV-1a of 256 would have them all. */
static u32 fnv(const u8 gid[16])
{
	u32 hash = 2166136261U;

	for (u32 i = 0; i < 16; i++)
		hash = (hash ^ gid[i]) * 16777619U;
	return hash % 256;
}

/* Datagrams to the first of many groups that a guest could guess to collide. */
static int start_groups(struct storm *s)
{
	u8 gid[16] = { 0xff, 0x12, 0x40, 0x1b, [15] = 1 };
	u32 n = 0, bucket = fnv(gid);

	s->group = true;
	node_path_group(s->n, gid, &s->path);
	if (connect_type(s, MLX5_QP_ST_UD))
		return -1;
	for (u32 i = 0; n < GROUPS; i++) {
		gid[8] = (u8)(i >> 16);
		gid[9] = (u8)(i >> 8);
		gid[10] = (u8)i;
		if (fnv(gid) != bucket)
			continue;
		if (client_attach_mcast(&s->to[n % s->kind->qps], gid))
			return complain("multicast: status %x", s->n->c.status);
		n++;
	}
	return 0;
}

/* ---- Doorbells --------------------------------------------------------- */

static int start_doorbell(struct storm *s)
{
	for (u32 i = 0; i < PAGES; i++)
		if (client_alloc_uar(&s->n->c, &s->page[i]))
			return complain("doorbell pages: status %x", s->n->c.status);
	return connect_all(s);
}

/* Every register that there is says that there is work, and there is none. */
static int step_doorbell(struct storm *s)
{
	const struct client_ops *ops = s->n->c.ops;

	for (u32 i = 0; i < PAGES; i++) {
		struct client_qp *qp = &s->qp[(s->rounds + i) % s->kind->qps];
		__be64 send = cpu_to_be64((u64)qp->qpn << 8);
		__be64 arm = cpu_to_be64((u64)s->n->cq.cqn);

		ops->uar_write64(s->n->c.backend, s->page[i], MLX5_BF_OFFSET, send);
		ops->uar_write64(s->n->c.backend, s->page[i], MLX5_BF_OFFSET + 0x100, send);
		ops->uar_write64(s->n->c.backend, s->page[i], MLX5_CQ_DOORBELL, arm);
		ops->uar_write64(s->n->c.backend, s->n->c.uar, MLX5_BF_OFFSET + (i & 1) * 0x100,
				 send);
	}
	s->done++;
	return 0;
}

/* ---- CQs that are too small -------------------------------------------- */

static int overrun(struct storm *s, struct client_cq *cq)
{
	struct client_sge sge = { .addr = (uintptr_t)s->n->mem.va, .len = 8, .lkey = s->n->key };
	struct client_send wr = { .opcode = MLX5_OPCODE_RDMA_WRITE, .flags = CLIENT_SIGNALED,
				  .sge = &sge, .n_sge = 1, .rkey = s->peer->key,
				  .remote_addr = (uintptr_t)s->peer->mem.va + NODE_MEM / 2 };
	struct mlx5_eqe eqe;

	while (!client_post_send(&s->qp[0], &wr))
		;
	do {
		if (client_wait_eq(&s->n->c.async_eq, &eqe, 10000))
			return complain("cq_overrun: no event");
	} while (eqe.type != MLX5_EVENT_TYPE_CQ_ERROR ||
		 (be32_to_cpu(eqe.data.cq_err.cqn) & 0xffffff) != cq->cqn);
	s->errors++;
	return 0;
}

static int step_cq_overrun(struct storm *s)
{
	struct client_cq_attr attr;
	struct client_cq whole = s->n->cq;
	struct client_cq small;
	int ret;

	client_cq_attr_init(&attr, 1);
	if (client_create_cq(&s->n->c, &attr, &small))
		return complain("cq_overrun: status %x", s->n->c.status);
	s->n->cq = small;
	ret = node_connect(s->n, &s->qp[0], s->peer, &s->to[0]) || overrun(s, &small);
	ret = ret || client_destroy_qp(&s->qp[0]) || client_destroy_qp(&s->to[0]);
	s->n->cq = whole;
	return ret || client_destroy_cq(&small) ? complain("cq_overrun: status %x",
							  s->n->c.status) : 0;
}

/* ---- Frames ------------------------------------------------------------ */

static int start_broadcast(struct storm *s)
{
	if (s->peer != s->n && ethernet_open(&s->taker, s->peer))
		return -1;
	return ethernet_open(&s->port, s->n);
}

static int step_broadcast(struct storm *s)
{
	s->done = s->port.sent;
	return ethernet_flood(&s->port) || (s->taker.n && ethernet_serve(&s->taker)) ? -1 : 0;
}

static int step_large_broadcast(struct storm *s)
{
	s->done = s->port.sent;
	return ethernet_flood_large(&s->port) ||
	       (s->taker.n && ethernet_serve(&s->taker)) ? -1 : 0;
}

/* To one whose flow tables are as deep as they may be. */
static int start_flow_tables(struct storm *s)
{
	if (s->peer == s->n)
		return complain("flow_tables: needs a second instance");
	if (start_broadcast(s) || ethernet_deepen(&s->taker))
		return -1;
	ethernet_to(&s->port, s->peer->mac);
	return 0;
}

/* ---- The honest one ---------------------------------------------------- */

static int start_fair(struct storm *s)
{
	return load_open(&s->load, s->n, s->peer);
}

static int step_fair(struct storm *s)
{
	int n = load_step(&s->load);

	s->done = s->load.pings;
	s->load.n = 0;
	return n < 0 ? -1 : 0;
}

static const struct storm_kind kinds[] = {
	{ "fair", start_fair, step_fair },
	{ "register", NULL, step_register },
	{ "qp", NULL, step_qp },
	{ "write_2_bytes", connect_all, flood, QPS, MLX5_OPCODE_RDMA_WRITE, 2, 8 },
	{ "atomic_one_word", connect_all, flood, QPS, MLX5_OPCODE_ATOMIC_FA, 8, 8 },
	{ "read_huge", connect_big, flood, QPS, MLX5_OPCODE_RDMA_READ, 0, 1 },
	{ "error_cqe", connect_all, flood, QPS, MLX5_OPCODE_RDMA_WRITE, 8, 1, .bad_key = true },
	{ "doorbell", start_doorbell, step_doorbell, MANY_QPS },
	{ "cq_overrun", NULL, step_cq_overrun },
	{ "rnr", connect_all, flood, MANY_QPS, MLX5_OPCODE_SEND, 8, 8 },
	{ "datagram", connect_datagram, flood, QPS, MLX5_OPCODE_SEND, 256, 8 },
	{ "multicast", connect_group, flood, MANY_QPS, MLX5_OPCODE_SEND, 256, 8 },
	{ "pieces", start_pieces, step_pieces, QPS, .every = 8 },
	{ "groups", start_groups, flood, QPS, MLX5_OPCODE_SEND, 256, 8 },
	{ "broadcast", start_broadcast, step_broadcast, .ethernet = true },
	{ "large_broadcast", start_broadcast, step_large_broadcast, .ethernet = true },
	{ "flow_tables", start_flow_tables, step_broadcast, .ethernet = true },
};

/* ---- Command line ------------------------------------------------------ */

const char *storm_name(u32 i)
{
	return i < sizeof(kinds) / sizeof(*kinds) ? kinds[i].name : NULL;
}

static const struct storm_kind *find(const char *name)
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++)
		if (!strcmp(kinds[i].name, name))
			return &kinds[i];
	return NULL;
}

bool storm_is_ethernet(const char *name)
{
	const struct storm_kind *kind = find(name);

	return kind && kind->ethernet;
}

struct storm *storm_start(const char *name, struct node *n, struct node *peer)
{
	const struct storm_kind *kind = find(name);
	struct storm *s = calloc(1, sizeof(*s));

	if (!s || !kind) {
		free(s);
		complain("%s: no such storm; -L lists all", name);
		return NULL;
	}
	s->kind = kind;
	s->n = n;
	s->peer = peer;
	if (kind->start && kind->start(s)) {
		storm_free(s);
		complain("%s: set-up failed", name);
		return NULL;
	}
	return s;
}

int storm_step(struct storm *s)
{
	s->rounds++;
	return s->kind->step(s);
}

void storm_free(struct storm *s)
{
	free(s->load.ns);
	free(s);
}

static bool input_ended(void)
{
	struct pollfd in = { .fd = 0, .events = POLLIN };
	char byte;

	return poll(&in, 1, 0) > 0 && read(0, &byte, 1) <= 0;
}

static int rage(struct storm *s)
{
	u64 look = now_ns() + LOOK_NS;

	for (;;) {
		if (storm_step(s) < 0)
			return -1;
		/* CPUs are shared by the host's scheduler; it is the device that is to suffer. */
		s->n->c.ops->progress(s->n->c.backend);
		if (now_ns() < look)
			continue;
		if (input_ended())
			return 0;
		look = now_ns() + LOOK_NS;
	}
}

static int list(void)
{
	for (u32 i = 0; storm_name(i); i++)
		puts(storm_name(i));
	return 0;
}

int storm_main(int argc, char **argv)
{
	struct node n[2];
	struct storm *s;
	int i;

	if (!strcmp(argv[0], "-L"))
		return list();
	if (argc < 2 || argc > 3)
		return complain("storm: NAME UUID [UUID]; -L lists names");
	for (i = 0; i < argc - 1; i++)
		if (node_open(&n[i], argv[i + 1]))
			return -1;
	s = storm_start(argv[0], &n[0], &n[argc - 2]);
	if (!s)
		return -1;
	puts("running");
	fflush(stdout);
	if (rage(s))
		return -1;
	for (i = 0; i < argc - 1; i++)
		node_close(&n[i]);
	printf("{\"storm\": \"%s\", \"rounds\": %llu, \"done\": %llu, \"errors\": %llu}\n",
	       s->kind->name, (unsigned long long)s->rounds, (unsigned long long)s->done,
	       (unsigned long long)s->errors);
	storm_free(s);
	return 0;
}
