// SPDX-License-Identifier: GPL-2.0-only
/*
 * Work requests that no honest library builds. Each one must end in an error
 * completion for its sender, within bounded time, and change no byte.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include "hostile.h"

#define S(name)	(1U << MLX5_CQE_SYNDROME_##name)
#define ANY_LOCAL (S(LOCAL_LENGTH_ERR) | S(LOCAL_QP_OP_ERR) | S(LOCAL_PROT_ERR))
#define REMOTE (S(REMOTE_ACCESS_ERR) | S(REMOTE_INVAL_REQ_ERR))

enum key { OWN, UNKNOWN, OTHER_PD, OTHER_INSTANCE, READ_ONLY, DESTROYED, WRONG_VARIANT };

/**
 * struct wqe_case - a request on a connection
 * @name: name
 * @type: MLX5_QP_ST_*
 * @opcode: of the request
 * @key: local key
 * @rkey: remote key
 * @local: added to the local address
 * @remote: added to the remote address
 * @len: of each entry; 0: 64
 * @n: entries; 0: 1
 * @want: CQE syndromes, as a mask
 */
struct wqe_case {
	const char *name;
	u8 type;
	u8 opcode;
	enum key key;
	enum key rkey;
	u64 local;
	u64 remote;
	u32 len;
	u32 n;
	u32 want;
};

#define WRITE	.opcode = MLX5_OPCODE_RDMA_WRITE
#define READ	.opcode = MLX5_OPCODE_RDMA_READ
#define SEND	.opcode = MLX5_OPCODE_SEND
#define ADD	.opcode = MLX5_OPCODE_ATOMIC_FA

static const struct wqe_case requests[] = {
	{ "opcode_7f", .opcode = 0x7f, .want = ANY_LOCAL },
	{ "opcode_umr", .opcode = MLX5_OPCODE_UMR, .want = ANY_LOCAL },
	{ "opcode_tso", .opcode = MLX5_OPCODE_LSO, .want = ANY_LOCAL },
	{ "opcode_psv", .opcode = MLX5_OPCODE_SET_PSV, .want = ANY_LOCAL },
	{ "opcode_masked_atomic", .opcode = MLX5_OPCODE_ATOMIC_MASKED_CS, .want = ANY_LOCAL },
	{ "uc_read", .type = MLX5_QP_ST_UC, READ, .want = ANY_LOCAL },
	{ "uc_atomic", .type = MLX5_QP_ST_UC, ADD, .want = ANY_LOCAL },
	{ "local_unknown", WRITE, .key = UNKNOWN, .want = S(LOCAL_PROT_ERR) },
	{ "local_other_pd", WRITE, .key = OTHER_PD, .want = S(LOCAL_PROT_ERR) },
	{ "local_other_instance", WRITE, .key = OTHER_INSTANCE, .want = S(LOCAL_PROT_ERR) },
	{ "local_destroyed", WRITE, .key = DESTROYED, .want = S(LOCAL_PROT_ERR) },
	{ "local_variant", WRITE, .key = WRONG_VARIANT, .want = S(LOCAL_PROT_ERR) },
	{ "local_read_only", READ, .key = READ_ONLY, .want = S(LOCAL_PROT_ERR) },
	{ "local_before", WRITE, .local = -1ULL - 1024, .want = S(LOCAL_PROT_ERR) },
	{ "local_behind", WRITE, .local = NODE_MEM - 1024 - 63, .want = S(LOCAL_PROT_ERR) },
	{ "local_wrap", WRITE, .local = 0xffffffff00000000ULL, .len = 0x7fffffff,
	  .want = ANY_LOCAL },
	{ "local_sum_32_bit", WRITE, .len = 0x7fffffff, .n = 3, .want = ANY_LOCAL },
	{ "local_sum_wraps", WRITE, .len = 0x40000000, .n = 4, .want = ANY_LOCAL },
	{ "remote_unknown", WRITE, .rkey = UNKNOWN, .want = S(REMOTE_ACCESS_ERR) },
	{ "remote_other_pd", WRITE, .rkey = OTHER_PD, .want = S(REMOTE_ACCESS_ERR) },
	{ "remote_read_only", WRITE, .rkey = READ_ONLY, .want = S(REMOTE_ACCESS_ERR) },
	{ "remote_destroyed", READ, .rkey = DESTROYED, .want = S(REMOTE_ACCESS_ERR) },
	{ "remote_variant", READ, .rkey = WRONG_VARIANT, .want = S(REMOTE_ACCESS_ERR) },
	{ "remote_before", WRITE, .remote = -1ULL - 2048, .want = S(REMOTE_ACCESS_ERR) },
	{ "remote_behind", WRITE, .remote = NODE_MEM - 2048 - 63,
	  .want = S(REMOTE_ACCESS_ERR) },
	{ "remote_wrap", READ, .remote = 0xffff000000000000ULL, .want = S(REMOTE_ACCESS_ERR) },
	{ "remote_read_behind", READ, .len = 1 << 20, .remote = NODE_MEM - 2048 - 4096,
	  .want = S(REMOTE_ACCESS_ERR) },
	{ "remote_atomic_misaligned", ADD, .remote = 4, .len = 8,
	  .want = S(REMOTE_INVAL_REQ_ERR) },
	{ "remote_atomic_behind", ADD, .remote = NODE_MEM - 2048, .len = 8,
	  .want = S(REMOTE_ACCESS_ERR) },
};

#define REQUESTS	(sizeof(requests) / sizeof(*requests))

static int key_of(struct node *n, struct node *other, enum key which, u32 *key)
{
	u32 pd;
	int ret;

	*key = n->key;
	switch (which) {
	case OWN:
		return 0;
	case UNKNOWN:
		*key = 0xabcdef00 | (n->key & 0xff);
		return 0;
	case WRONG_VARIANT:
		*key = n->key ^ 1;
		return 0;
	case OTHER_PD:
		ret = client_alloc_pd(&n->c, &pd);
		return ret ? ret : client_reg_mr(&n->c, pd, n->mem.va, NODE_MEM,
						 CLIENT_ALL_ACCESS, key);
	case READ_ONLY:
		return client_reg_mr(&n->c, n->pd, n->mem.va, NODE_MEM, CLIENT_REMOTE_READ, key);
	case DESTROYED:
		ret = client_reg_mr(&n->c, n->pd, n->mem.va, NODE_MEM, CLIENT_ALL_ACCESS, key);
		return ret ? ret : client_destroy_mkey(&n->c, *key);
	case OTHER_INSTANCE:
		/* A number that only the other one has. */
		for (int i = 0; i < 5; i++)
			if (client_reg_mr(&other->c, other->pd, other->mem.va, NODE_MEM,
					  CLIENT_ALL_ACCESS, key))
				return -1;
		return 0;
	}
	return -1;
}

/* Both memories as they were, in the first 64 KiB and at the end. */
static void paint(struct node *n)
{
	memset(n->mem.va, 0x3c, 65536);
	memset(n->mem.va + NODE_MEM - 65536, 0x3c, 65536);
}

static int check_paint(struct node *n)
{
	for (u32 i = 0; i < 65536; i++)
		if (n->mem.va[i] != 0x3c || n->mem.va[NODE_MEM - 1 - i] != 0x3c)
			return complain("memory was changed");
	return 0;
}

/* The bad request, then a good one that must be flushed. */
static int run_request(struct node *a, struct node *b, const void *arg)
{
	const struct wqe_case *w = arg;
	struct client_sge sge[4];
	struct client_send wr = { .wr_id = 1, .opcode = w->opcode, .sge = sge,
				  .n_sge = w->n ? w->n : 1, .swap_add = 1 };
	struct client_qp qa, qb;
	struct client_wc wc;
	u32 key, rkey;

	if (node_connect_type(a, &qa, b, &qb, w->type) || key_of(a, b, w->key, &key) ||
	    key_of(b, a, w->rkey, &rkey))
		return complain("set-up: status %x", a->c.status);
	paint(a);
	paint(b);
	for (u32 i = 0; i < wr.n_sge; i++)
		sge[i] = (struct client_sge){ .addr = (uintptr_t)a->mem.va + 1024 + w->local,
					      .len = w->len ? w->len : 64, .lkey = key };
	wr.remote_addr = (uintptr_t)b->mem.va + 2048 + w->remote;
	wr.rkey = rkey;
	if (node_send(a, &qa, &wr, &wc))
		return -1;
	if (!(w->want >> wc.status & 1) || wc.wr_id != 1)
		return complain("syndrome %x, wr_id %llu", wc.status,
				(unsigned long long)wc.wr_id);
	/* UC goes to SQER, where the next one is flushed as well. */
	sge[0] = (struct client_sge){ .addr = (uintptr_t)a->mem.va, .len = 64, .lkey = a->key };
	wr = (struct client_send){ .wr_id = 2, .opcode = MLX5_OPCODE_RDMA_WRITE, .sge = sge,
				   .n_sge = 1, .rkey = b->key,
				   .remote_addr = (uintptr_t)b->mem.va };
	if (node_send(a, &qa, &wr, &wc))
		return -1;
	if (wc.status != MLX5_CQE_SYNDROME_WR_FLUSH_ERR)
		return complain("the next one was not flushed: syndrome %x", wc.status);
	return check_paint(a) || check_paint(b) || client_destroy_qp(&qa) ||
	       client_destroy_qp(&qb) ? -1 : 0;
}

/* ---- WQEs that do not parse ------------------------------------------------ */

/**
 * struct raw_case - a WQE given word by word
 * @name: name
 * @ds: 16-byte segments that the control segment claims
 * @posted: segments that are really in the ring
 * @qpn: added to the QP number
 * @opcode: opcode
 * @word: what follows the control segment; zeroes from there on
 */
struct raw_case {
	const char *name;
	u32 ds;
	u32 posted;
	u32 qpn;
	u8 opcode;
	u32 word[8];
};

static const struct raw_case raws[] = {
	{ "raw_no_segments", .ds = 0, .posted = 1, .opcode = MLX5_OPCODE_SEND },
	{ "raw_write_without_address", .ds = 1, .posted = 1,
	  .opcode = MLX5_OPCODE_RDMA_WRITE },
	{ "raw_atomic_without_operands", .ds = 2, .posted = 2,
	  .opcode = MLX5_OPCODE_ATOMIC_CS },
	{ "raw_atomic_without_result", .ds = 3, .posted = 3, .opcode = MLX5_OPCODE_ATOMIC_CS },
	{ "raw_longer_than_posted", .ds = 63, .posted = 1, .opcode = MLX5_OPCODE_SEND },
	{ "raw_inline_longer_than_wqe", .ds = 2, .posted = 2, .opcode = MLX5_OPCODE_SEND,
	  .word = { 0x800003ff } },
	{ "raw_inline_length_31_bits", .ds = 2, .posted = 2, .opcode = MLX5_OPCODE_SEND,
	  .word = { 0xffffffff } },
	{ "raw_segment_of_2_gib", .ds = 2, .posted = 2, .opcode = MLX5_OPCODE_SEND,
	  .word = { 0x7fffffff, 0xabcdef00 } },
	{ "raw_other_qpn", .ds = 1, .posted = 1, .qpn = 1, .opcode = MLX5_OPCODE_RDMA_WRITE },
};

#define RAWS	(sizeof(raws) / sizeof(*raws))

static int run_raw(struct node *a, struct node *b, const void *arg)
{
	const struct raw_case *r = arg;
	u8 wqe[64] = { 0 };
	struct mlx5_wqe_ctrl_seg *ctrl = (void *)wqe;
	struct client_qp qa, qb;
	struct client_wc wc;

	if (node_connect(a, &qa, b, &qb))
		return -1;
	paint(a);
	paint(b);
	ctrl->opmod_idx_opcode = cpu_to_be32(r->opcode);
	ctrl->qpn_ds = cpu_to_be32((qa.qpn + r->qpn) << 8 | r->ds);
	ctrl->fm_ce_se = MLX5_WQE_CTRL_CQ_UPDATE;
	for (u32 i = 0; i < 8; i++)
		((__be32 *)(ctrl + 1))[i] = cpu_to_be32(r->word[i]);
	if (client_post_raw(&qa, 1, wqe, r->posted))
		return complain("post");
	if (node_poll(a, &wc, 20000))
		return complain("no completion");
	if (!(ANY_LOCAL >> wc.status & 1))
		return complain("syndrome %x", wc.status);
	return check_paint(a) || check_paint(b) || client_destroy_qp(&qa) ||
	       client_destroy_qp(&qb) ? -1 : 0;
}

static u8 state_of(struct client_qp *qp)
{
	u8 qpc[MLX5_ST_SZ_BYTES(qpc)] = { 0 };

	return client_query_qp(qp, qpc) ? 0xff : MLX5_GET(qpc, qpc, state);
}

/*
 * A producer index far ahead of what the ring can hold: what is there is worth
 * nothing, so the QP ends in ERR, with or without a completion for some of it.
 */
static int run_producer_ahead(struct node *a, struct node *b, const void *arg)
{
	u64 end = now_ns() + 20000000000ULL;
	struct client_qp qa, qb;
	struct client_wc wc;

	if (node_connect(a, &qa, b, &qb))
		return -1;
	qa.sq.head = 0x7fff;
	client_ring_send(&qa);
	while (state_of(&qa) != MLX5_QP_STATE_ERR)
		if (now_ns() > end)
			return complain("the QP is in state %u", state_of(&qa));
	while (!node_poll(a, &wc, 10))
		if (!wc.status)
			return complain("an empty ring was executed");
	return client_destroy_qp(&qa) || client_destroy_qp(&qb) ? -1 : 0;
}

/* Doorbells of QPs that do not exist, and words that mean nothing. */
static int run_doorbells(struct node *a, struct node *b, const void *arg)
{
	u64 rng = 88172645463325252ULL;

	for (int i = 0; i < 3000; i++) {
		u32 offset = pick(&rng, 512) * 8;
		u64 word = (u64)pick(&rng, ~0U) << 32 | pick(&rng, ~0U);

		a->c.ops->uar_write64(a->c.backend, a->c.uar, offset, cpu_to_be64(word));
	}
	for (u32 qpn = 0; qpn < 0x1000; qpn++)
		a->c.ops->uar_write64(a->c.backend, a->c.uar, MLX5_BF_OFFSET,
				      cpu_to_be64((u64)qpn << 8 | 1));
	return 0;
}

/* Receive WQEs: unknown key, and a scatter list longer than its memory. */
static int run_receive(struct node *a, struct node *b, const void *arg)
{
	struct client_sge bad = { .addr = (uintptr_t)a->mem.va, .len = 64,
				  .lkey = 0xabcdef00 };
	struct client_sge sge = { .addr = (uintptr_t)b->mem.va, .len = 64, .lkey = b->key };
	struct client_send wr = { .opcode = MLX5_OPCODE_SEND, .sge = &sge, .n_sge = 1 };
	struct client_qp qa, qb;
	struct client_wc wc;

	if (node_connect(a, &qa, b, &qb) || client_post_recv(&qa, 5, &bad, 1))
		return complain("set-up");
	if (node_send(b, &qb, &wr, &wc))
		return -1;
	if (wc.status != MLX5_CQE_SYNDROME_REMOTE_OP_ERR)
		return complain("sender's syndrome %x", wc.status);
	if (node_poll(a, &wc, 20000) || wc.status != MLX5_CQE_SYNDROME_LOCAL_PROT_ERR)
		return complain("receiver's syndrome %x", wc.status);
	return client_destroy_qp(&qa) || client_destroy_qp(&qb) ? -1 : 0;
}

/* An SRQ whose free list runs in a circle or out of the ring. */
static int run_srq_list(struct node *a, struct node *b, const void *arg)
{
	u16 next = (u16)(uintptr_t)arg;
	struct client_srq_attr attr = { .type = CLIENT_RMP, .pd = a->pd, .log_size = 4,
					.max_sge = 1 };
	struct client_sge in = { .addr = (uintptr_t)a->mem.va, .len = 64, .lkey = a->key };
	struct client_sge out = { .addr = (uintptr_t)b->mem.va, .len = 64, .lkey = b->key };
	struct client_send wr = { .opcode = MLX5_OPCODE_SEND, .sge = &out, .n_sge = 1 };
	struct client_qp qa, qb, unused;
	struct client_qp_attr qp_attr;
	struct client_modify m;
	struct client_srq srq;
	struct client_wc wc;

	if (client_create_srq(&a->c, &attr, &srq))
		return complain("SRQ: status %x", a->c.status);
	client_qp_attr_init(&qp_attr, MLX5_QP_ST_RC, a->pd, &a->cq);
	qp_attr.srq = &srq;
	if (client_create_qp(&a->c, &qp_attr, &qa) || node_connect(b, &qb, a, &unused))
		return complain("QP: status %x", a->c.status);
	/* qb was connected to another QP: connect it to the one with the SRQ. */
	client_modify_init(&m);
	m.remote_qpn = qb.qpn;
	m.path.dlid = b->c.lid;
	if (client_connect_qp(&qa, &m) ||
	    client_modify_qp(&qb, MLX5_CMD_OP_2RST_QP, &m))
		return complain("connect: status %x", a->c.status);
	m.remote_qpn = qa.qpn;
	m.path.dlid = a->c.lid;
	m.rnr_retry = 1;
	if (client_connect_qp(&qb, &m))
		return complain("connect: status %x", b->c.status);
	for (int i = 0; i < 8; i++)
		if (client_post_srq(&srq, (u64)i, &in, 1))
			return complain("post");
	for (u32 i = 0; i < 16; i++)
		((struct mlx5_wqe_srq_next_seg *)(srq.mem.va + ((size_t)i << srq.log_stride)))
			->next_wqe_index = cpu_to_be16(next);
	/* Any answer is right that ends, for the sender: the list is the owner's. */
	for (int i = 0; i < 20; i++) {
		if (node_send(b, &qb, &wr, &wc))
			return complain("the sender got no answer");
		if (wc.status)
			break;
	}
	while (!node_poll(a, &wc, 50))
		;
	return client_destroy_qp(&qa) || client_destroy_qp(&qb) ||
	       client_destroy_qp(&unused) || client_destroy_srq(&srq) ? -1 : 0;
}

static const struct hostile_case others[] = {
	{ "producer_ahead", run_producer_ahead, NULL, 0 },
	{ "doorbells", run_doorbells, NULL, 0 },
	{ "receive_unknown_key", run_receive, NULL, 0 },
	{ "srq_list_circle", run_srq_list, (void *)0, 0 },
	{ "srq_list_outside", run_srq_list, (void *)0xffff, 0 },
};

#define OTHERS	(sizeof(others) / sizeof(*others))

static u32 count(void)
{
	return REQUESTS + RAWS + OTHERS;
}

static void get(u32 i, struct hostile_case *c, char *name, size_t size)
{
	const char *own;

	if (i < REQUESTS) {
		*c = (struct hostile_case){ .run = run_request, .arg = &requests[i] };
		own = requests[i].name;
	} else if (i < REQUESTS + RAWS) {
		*c = (struct hostile_case){ .run = run_raw, .arg = &raws[i - REQUESTS] };
		own = raws[i - REQUESTS].name;
	} else {
		*c = others[i - REQUESTS - RAWS];
		own = c->name;
	}
	snprintf(name, size, "wqe_%s", own);
	c->name = name;
}

const struct hostile_group wqe_group = { "wqe", count, get };
