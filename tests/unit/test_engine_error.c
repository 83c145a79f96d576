// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * What goes wrong on purpose: each mistake ends in its own completion for its sender
 * only, moves no byte, and leaves the other QPs alone.
 */
#include "engine.h"

#define RECV_LEN	4096
#define GUARD		0xee
#define KEEP		0	/* the responder stays as it is */

/**
 * struct mistake - one wrong message
 * @name: for the log
 * @opcode: of the request
 * @spoil: what is wrong with it
 * @status: requester's completion
 * @recv: responder's receive completion, 0: none
 * @event: responder's event, 0: none
 * @state: responder's state afterwards
 */
struct mistake {
	const char *name;
	u8 opcode;
	void (*spoil)(struct engine *e, struct client_send *wr, struct client_sge *sge);
	u8 status;
	u8 recv;
	u8 event;
	u8 state;
};

static u32 other_key, other_pd, read_only_key;

static void rkey_variant(struct engine *e, struct client_send *wr, struct client_sge *sge)
{
	wr->rkey ^= 1;
}

static void rkey_unknown(struct engine *e, struct client_send *wr, struct client_sge *sge)
{
	wr->rkey ^= 0x40000000;
}

static void rkey_pd(struct engine *e, struct client_send *wr, struct client_sge *sge)
{
	wr->rkey = other_key;
}

static void rkey_access(struct engine *e, struct client_send *wr, struct client_sge *sge)
{
	wr->rkey = read_only_key;
}

static void remote_before(struct engine *e, struct client_send *wr, struct client_sge *sge)
{
	wr->remote_addr = (uintptr_t)e->node[1].mem.va - 1;
}

static void remote_behind(struct engine *e, struct client_send *wr, struct client_sge *sge)
{
	wr->remote_addr = (uintptr_t)e->node[1].mem.va + ENGINE_BYTES - sge->len + 1;
}

static void remote_wraps(struct engine *e, struct client_send *wr, struct client_sge *sge)
{
	wr->remote_addr = U64_MAX - sge->len / 2;
}

static void remote_misaligned(struct engine *e, struct client_send *wr,
			      struct client_sge *sge)
{
	wr->remote_addr += 4;
	sge->len = 8;
}

static void lkey_unknown(struct engine *e, struct client_send *wr, struct client_sge *sge)
{
	sge->lkey ^= 0x40000000;
}

static void lkey_variant(struct engine *e, struct client_send *wr, struct client_sge *sge)
{
	sge->lkey ^= 0x80;
}

static void local_behind(struct engine *e, struct client_send *wr, struct client_sge *sge)
{
	sge->addr = (uintptr_t)e->node[0].mem.va + ENGINE_BYTES - sge->len + 1;
}

static void local_wraps(struct engine *e, struct client_send *wr, struct client_sge *sge)
{
	sge->addr = U64_MAX - 3;
}

static void too_long(struct engine *e, struct client_send *wr, struct client_sge *sge)
{
	sge->len = RECV_LEN + 1;
}

static void longer_than_a_message(struct engine *e, struct client_send *wr,
				  struct client_sge *sge)
{
	sge->len = (1U << 30) + 1;
}

static void nothing(struct engine *e, struct client_send *wr, struct client_sge *sge)
{
}

static void atomic_length(struct engine *e, struct client_send *wr, struct client_sge *sge)
{
	sge->len = 16;
}

#define S(name)		MLX5_CQE_SYNDROME_##name
#define OP(name)	MLX5_OPCODE_##name
#define ERR		MLX5_QP_STATE_ERR
#define ACCESS		MLX5_EVENT_TYPE_WQ_ACCESS_ERROR
#define INVAL		MLX5_EVENT_TYPE_WQ_INVAL_REQ_ERROR

static const struct mistake mistakes[] = {
	{ "rkey of another variant", OP(RDMA_WRITE), rkey_variant, S(REMOTE_ACCESS_ERR),
	  0, ACCESS, ERR },
	{ "rkey of nothing", OP(RDMA_READ), rkey_unknown, S(REMOTE_ACCESS_ERR), 0, ACCESS, ERR },
	{ "rkey of another PD", OP(RDMA_WRITE), rkey_pd, S(REMOTE_ACCESS_ERR), 0, ACCESS, ERR },
	{ "rkey without write", OP(RDMA_WRITE), rkey_access, S(REMOTE_ACCESS_ERR), 0, ACCESS,
	  ERR },
	{ "rkey without atomics", OP(ATOMIC_FA), rkey_access, S(REMOTE_ACCESS_ERR), 0, ACCESS,
	  ERR },
	{ "before the key", OP(RDMA_WRITE), remote_before, S(REMOTE_ACCESS_ERR), 0, ACCESS, ERR },
	{ "behind the key", OP(RDMA_READ), remote_behind, S(REMOTE_ACCESS_ERR), 0, ACCESS, ERR },
	{ "address wraps", OP(RDMA_WRITE), remote_wraps, S(REMOTE_ACCESS_ERR), 0, ACCESS, ERR },
	{ "misaligned atomic", OP(ATOMIC_CS), remote_misaligned, S(REMOTE_INVAL_REQ_ERR), 0,
	  INVAL, ERR },
	{ "lkey of nothing", OP(SEND), lkey_unknown, S(LOCAL_PROT_ERR), 0, 0, KEEP },
	{ "lkey of another variant", OP(RDMA_WRITE), lkey_variant, S(LOCAL_PROT_ERR), 0, 0,
	  KEEP },
	{ "local end", OP(RDMA_READ), local_behind, S(LOCAL_PROT_ERR), 0, 0, KEEP },
	{ "local address wraps", OP(SEND), local_wraps, S(LOCAL_PROT_ERR), 0, 0, KEEP },
	{ "longer than the buffer", OP(SEND), too_long, S(REMOTE_INVAL_REQ_ERR),
	  S(LOCAL_LENGTH_ERR), 0, ERR },
	{ "longer than any message", OP(SEND), longer_than_a_message, S(LOCAL_LENGTH_ERR), 0, 0,
	  KEEP },
	{ "atomic of 16 bytes", OP(ATOMIC_FA), atomic_length, S(LOCAL_LENGTH_ERR), 0, 0, KEEP },
	{ "unknown opcode", OP(UMR), nothing, S(LOCAL_QP_OP_ERR), 0, 0, KEEP },
	{ "masked atomic", OP(ATOMIC_MASKED_CS), nothing, S(LOCAL_QP_OP_ERR), 0, 0, KEEP },
	{ "segmentation", OP(LSO), nothing, S(LOCAL_QP_OP_ERR), 0, 0, KEEP },
	{ "invalidates a key that cannot be", OP(SEND_INVAL), nothing, S(REMOTE_ACCESS_ERR),
	  S(MW_BIND_ERR), 0, ERR },
};

static void make_mistake(struct engine *e, struct engine_pair *pair, const struct mistake *m)
{
	struct engine_node *a = &e->node[0], *b = &e->node[1];
	bool atomic = m->opcode == OP(ATOMIC_FA) || m->opcode == OP(ATOMIC_CS);
	struct client_sge sge = engine_sge(a, 64, atomic ? 8 : 512);
	struct client_send wr = engine_send(m->opcode, &sge);
	struct client_wc wc;

	wr.remote_addr = (uintptr_t)b->mem.va + 8192;
	wr.rkey = b->key;
	m->spoil(e, &wr, &sge);
	memset(b->mem.va, GUARD, 16384);
	engine_recv(&pair->qp[1], b, 7, 0, RECV_LEN);
	/* Two behind it, one of them unsignalled: both are flushed. */
	engine_post(&pair->qp[0], &wr);
	wr.flags = 0;
	wr.wr_id = 2;
	engine_post(&pair->qp[0], &wr);
	wr.wr_id = 3;
	engine_post(&pair->qp[0], &wr);

	wc = engine_wc(e, &a->cq);
	assert_int_equal(wc.opcode, MLX5_CQE_REQ_ERR);
	assert_int_equal(wc.status, m->status);
	assert_int_equal(wc.wr_id, 1);
	assert_int_equal(wc.wqe_opcode, m->opcode);
	wc = engine_wc(e, &a->cq);
	assert_int_equal(wc.status, S(WR_FLUSH_ERR));
	assert_int_equal(wc.wr_id, 2);
	wc = engine_wc(e, &a->cq);
	assert_int_equal(wc.status, S(WR_FLUSH_ERR));
	assert_int_equal(wc.wr_id, 3);
	engine_no_wc(e, &a->cq);
	assert_int_equal(engine_qp_state(&pair->qp[0]), MLX5_QP_STATE_ERR);

	if (m->recv || m->state == ERR) {
		wc = engine_wc(e, &b->cq);
		assert_int_equal(wc.opcode, MLX5_CQE_RESP_ERR);
		assert_int_equal(wc.status, m->recv ? m->recv : S(WR_FLUSH_ERR));
		assert_int_equal(wc.wr_id, 7);
	}
	engine_no_wc(e, &b->cq);
	if (m->event)
		engine_event(e, b, m->event, pair->qp[1].qpn);
	assert_int_equal(engine_qp_state(&pair->qp[1]), m->state ? m->state : MLX5_QP_STATE_RTS);
	assert_true(!memchr_inv(b->mem.va, GUARD, 16384));
}

static void test_mistakes(void **state)
{
	struct engine *e = *state;
	struct engine_node *b = &e->node[1];
	struct engine_pair pair, witness;
	u32 i;

	assert_int_equal(client_alloc_pd(&b->c, &other_pd), 0);
	assert_int_equal(client_reg_mr(&b->c, other_pd, b->mem.va, b->mem.len,
				       CLIENT_ALL_ACCESS, &other_key), 0);
	assert_int_equal(client_reg_mr(&b->c, b->pd, b->mem.va, b->mem.len,
				       CLIENT_REMOTE_READ, &read_only_key), 0);
	engine_connect(e, MLX5_QP_ST_RC, &pair, NULL);
	engine_connect(e, MLX5_QP_ST_RC, &witness, NULL);
	for (i = 0; i < ARRAY_SIZE(mistakes); i++) {
		print_message("%s\n", mistakes[i].name);
		make_mistake(e, &pair, &mistakes[i]);
		engine_reconnect(&pair);
	}
	assert_int_equal(engine_qp_state(&witness.qp[0]), MLX5_QP_STATE_RTS);
	assert_int_equal(engine_qp_state(&witness.qp[1]), MLX5_QP_STATE_RTS);
	engine_disconnect(&pair);
	engine_disconnect(&witness);
	assert_int_equal(client_destroy_mkey(&b->c, other_key), 0);
	assert_int_equal(client_destroy_mkey(&b->c, read_only_key), 0);
	assert_int_equal(client_dealloc_pd(&b->c, other_pd), 0);
}

static void no_remote_access(struct client_qp_attr *attr, struct client_modify *modify, u32 end)
{
	modify->access = 0;
}

static void test_not_enabled(void **state)
{
	static const u8 opcodes[] = { OP(RDMA_WRITE), OP(RDMA_READ), OP(ATOMIC_FA) };
	struct engine *e = *state;
	struct engine_pair pair;
	u32 i;

	for (i = 0; i < ARRAY_SIZE(opcodes); i++) {
		struct client_sge sge = engine_sge(&e->node[0], 0, 8);
		struct client_send wr = engine_send(opcodes[i], &sge);

		engine_connect(e, MLX5_QP_ST_RC, &pair, no_remote_access);
		wr.remote_addr = (uintptr_t)e->node[1].mem.va;
		wr.rkey = e->node[1].key;
		engine_post(&pair.qp[0], &wr);
		assert_int_equal(engine_wc(e, &e->node[0].cq).status, S(REMOTE_INVAL_REQ_ERR));
		engine_event(e, &e->node[1], INVAL, pair.qp[1].qpn);
		engine_disconnect(&pair);
	}
}

/* The receive WQE names memory that its owner may not use. */
static void test_bad_receive(void **state)
{
	struct engine *e = *state;
	struct engine_node *a = &e->node[0], *b = &e->node[1];
	struct client_sge sge = engine_sge(a, 0, 100), to = engine_sge(b, 0, 100);
	struct client_send wr = engine_send(MLX5_OPCODE_SEND, &sge);
	struct engine_pair pair;
	struct client_wc wc;

	engine_connect(e, MLX5_QP_ST_RC, &pair, NULL);
	to.lkey ^= 0x10000000;
	assert_int_equal(client_post_recv(&pair.qp[1], 4, &to, 1), 0);
	engine_post(&pair.qp[0], &wr);
	assert_int_equal(engine_wc(e, &a->cq).status, S(REMOTE_OP_ERR));
	wc = engine_wc(e, &b->cq);
	assert_int_equal(wc.status, S(LOCAL_PROT_ERR));
	assert_int_equal(wc.wr_id, 4);
	assert_int_equal(engine_qp_state(&pair.qp[1]), ERR);
	engine_disconnect(&pair);
}

static void few_retries(struct client_qp_attr *attr, struct client_modify *modify, u32 end)
{
	modify->rnr_retry = 3;
	modify->retry = 2;
	modify->min_rnr = 14;		/* 1 ms */
	modify->ack_timeout = 10;	/* 4.2 ms */
}

static void test_rnr(void **state)
{
	struct engine *e = *state;
	struct engine_node *a = &e->node[0], *b = &e->node[1];
	struct client_sge sge = engine_sge(a, 0, 100);
	struct client_send wr = engine_send(MLX5_OPCODE_SEND, &sge);
	struct engine_pair pair;

	engine_connect(e, MLX5_QP_ST_RC, &pair, few_retries);
	/* In time. */
	engine_post(&pair.qp[0], &wr);
	engine_pass(e, 2000000);
	engine_no_wc(e, &a->cq);
	engine_recv(&pair.qp[1], b, 1, 0, 100);
	engine_pass(e, 2000000);
	assert_int_equal(engine_wc(e, &a->cq).status, 0);
	assert_int_equal(engine_wc(e, &b->cq).status, 0);
	/* Never. */
	engine_post(&pair.qp[0], &wr);
	engine_pass(e, 2800000);
	engine_no_wc(e, &a->cq);
	engine_pass(e, 2000000);
	assert_int_equal(engine_wc(e, &a->cq).status, S(RNR_RETRY_EXC_ERR));
	assert_int_equal(atomic64_read(&b->vmm->inst->counters.rnr_naks) >= 4, true);
	engine_disconnect(&pair);
}

static void rnr_for_ever(struct client_qp_attr *attr, struct client_modify *modify, u32 end)
{
	modify->rnr_retry = 7;
	modify->min_rnr = 1;
}

static void test_rnr_for_ever(void **state)
{
	struct engine *e = *state;
	struct engine_node *a = &e->node[0], *b = &e->node[1];
	struct client_sge sge = engine_sge(a, 0, 100);
	struct client_send wr = engine_send(MLX5_OPCODE_RDMA_WRITE_IMM, &sge);
	struct engine_pair pair;

	engine_connect(e, MLX5_QP_ST_RC, &pair, rnr_for_ever);
	wr.remote_addr = (uintptr_t)b->mem.va;
	wr.rkey = b->key;
	memset(b->mem.va, GUARD, 100);
	engine_post(&pair.qp[0], &wr);
	engine_pass(e, 3000000);
	engine_no_wc(e, &a->cq);
	/* Not a byte before there is a receive WQE for the end. */
	assert_true(!memchr_inv(b->mem.va, GUARD, 100));
	engine_recv(&pair.qp[1], b, 1, 0, 0);
	engine_pass(e, 1000000);
	assert_int_equal(engine_wc(e, &a->cq).status, 0);
	engine_disconnect(&pair);
}

/* Nobody there: the retries, each with its timeout, then the error. */
static void test_no_peer(void **state)
{
	struct engine *e = *state;
	struct client_sge sge = engine_sge(&e->node[0], 0, 100);
	struct client_send wr = engine_send(MLX5_OPCODE_SEND, &sge);
	struct engine_pair pair;

	engine_connect(e, MLX5_QP_ST_RC, &pair, few_retries);
	assert_int_equal(client_modify_qp(&pair.qp[1], MLX5_CMD_OP_2RST_QP, NULL), 0);
	engine_post(&pair.qp[0], &wr);
	engine_pass(e, 8000000);
	engine_no_wc(e, &e->node[0].cq);
	engine_pass(e, 8000000);
	assert_int_equal(engine_wc(e, &e->node[0].cq).status, S(TRANSPORT_RETRY_EXC_ERR));
	engine_disconnect(&pair);
}

static void wrong_psn(struct client_qp_attr *attr, struct client_modify *modify, u32 end)
{
	few_retries(attr, modify, end);
	modify->sq_psn += end ? 0 : 5;
}

static void test_wrong_psn(void **state)
{
	struct engine *e = *state;
	struct client_sge sge = engine_sge(&e->node[0], 0, 100);
	struct client_send wr = engine_send(MLX5_OPCODE_SEND, &sge);
	struct engine_pair pair;

	engine_connect(e, MLX5_QP_ST_RC, &pair, wrong_psn);
	engine_recv(&pair.qp[1], &e->node[1], 1, 0, 100);
	engine_post(&pair.qp[0], &wr);
	engine_pass(e, 20000000);
	assert_int_equal(engine_wc(e, &e->node[0].cq).status, S(TRANSPORT_RETRY_EXC_ERR));
	engine_no_wc(e, &e->node[1].cq);
	engine_disconnect(&pair);
}

/* A port that is down is a pulled cable: nothing comes, and then it goes on. */
static void test_port_down(void **state)
{
	struct engine *e = *state;
	struct client_sge sge = engine_sge(&e->node[0], 0, 100);
	struct client_send wr = engine_send(MLX5_OPCODE_SEND, &sge);
	struct engine_pair pair;

	engine_connect(e, MLX5_QP_ST_RC, &pair, NULL);
	engine_recv(&pair.qp[1], &e->node[1], 1, 0, 100);
	e->node[1].vmm->inst->port.up = false;
	engine_post(&pair.qp[0], &wr);
	engine_pass(e, 100000000);
	engine_no_wc(e, &e->node[0].cq);
	e->node[1].vmm->inst->port.up = true;
	engine_pass(e, 100000000);
	assert_int_equal(engine_wc(e, &e->node[0].cq).status, 0);
	engine_disconnect(&pair);
}

/* ib_drain_qp(): into ERR, then one more of each, and both must come back. */
static void test_drain(void **state)
{
	struct engine *e = *state;
	struct engine_node *a = &e->node[0];
	struct client_sge sge = engine_sge(a, 0, 8);
	struct client_send wr = engine_send(MLX5_OPCODE_RDMA_WRITE, &sge);
	struct engine_pair pair;
	struct client_wc wc;
	u32 i;

	engine_connect(e, MLX5_QP_ST_RC, &pair, NULL);
	for (i = 0; i < 64; i++)
		engine_recv(&pair.qp[0], a, i, 0, 8);
	assert_int_equal(client_modify_qp(&pair.qp[0], MLX5_CMD_OP_2ERR_QP, NULL), 0);
	for (i = 0; i < 64; i++) {
		wc = engine_wc(e, &a->cq);
		assert_int_equal(wc.opcode, MLX5_CQE_RESP_ERR);
		assert_int_equal(wc.status, S(WR_FLUSH_ERR));
		assert_int_equal(wc.wr_id, i);
	}
	/* Long after: the lane looks at it rarely by then, but it looks. */
	engine_pass(e, 3000000000ULL);
	for (i = 0; i < 3; i++) {
		engine_recv(&pair.qp[0], a, 1000 + i, 0, 8);
		engine_pass(e, 110000000);
		assert_int_equal(engine_wc(e, &a->cq).wr_id, 1000 + i);
		wr.wr_id = 2000 + i;
		engine_post(&pair.qp[0], &wr);
		engine_pass(e, 1000000);
		wc = engine_wc(e, &a->cq);
		assert_int_equal(wc.opcode, MLX5_CQE_REQ_ERR);
		assert_int_equal(wc.wr_id, 2000 + i);
	}
	/* Into ERR once more: a drain follows, which must not wait for the rare look. */
	for (i = 0; i < 5; i++) {
		engine_pass(e, 3000000000ULL + i * 7654321);
		engine_recv(&pair.qp[0], a, 3000 + i, 0, 8);
		assert_int_equal(client_modify_qp(&pair.qp[0], MLX5_CMD_OP_2ERR_QP, NULL), 0);
		assert_int_equal(engine_wc(e, &a->cq).wr_id, 3000 + i);
	}
	engine_disconnect(&pair);
}

/* UC: the send half stops, the receive half goes on, SQERR2RTS mends it. */
static void test_sq_error(void **state)
{
	struct engine *e = *state;
	struct engine_node *a = &e->node[0], *b = &e->node[1];
	struct client_sge sge = engine_sge(a, 0, 8), good = engine_sge(b, 0, 8);
	struct client_send wr = engine_send(MLX5_OPCODE_SEND, &sge);
	struct client_modify modify;
	struct engine_pair pair;

	engine_connect(e, MLX5_QP_ST_UC, &pair, NULL);
	sge.lkey ^= 1;
	engine_post(&pair.qp[0], &wr);
	assert_int_equal(engine_wc(e, &a->cq).status, S(LOCAL_PROT_ERR));
	assert_int_equal(engine_qp_state(&pair.qp[0]), MLX5_QP_STATE_SQER);
	engine_post(&pair.qp[0], &wr);
	assert_int_equal(engine_wc(e, &a->cq).status, S(WR_FLUSH_ERR));
	engine_recv(&pair.qp[0], a, 9, 64, 8);
	wr.sge = &good;
	engine_post(&pair.qp[1], &wr);
	assert_int_equal(engine_wc(e, &b->cq).status, 0);
	assert_int_equal(engine_wc(e, &a->cq).wr_id, 9);
	client_modify_init(&modify);
	assert_int_equal(client_modify_qp(&pair.qp[0], MLX5_CMD_OP_SQERR2RTS_QP, &modify), 0);
	sge.lkey ^= 1;
	wr.sge = &sge;
	engine_recv(&pair.qp[1], b, 10, 0, 8);
	engine_post(&pair.qp[0], &wr);
	assert_int_equal(engine_wc(e, &a->cq).status, 0);
	assert_int_equal(engine_wc(e, &b->cq).wr_id, 10);
	engine_disconnect(&pair);
}

/* A producer index that no queue can have. */
static void test_broken_record(void **state)
{
	struct engine *e = *state;
	struct engine_node *a = &e->node[0], *b = &e->node[1];
	struct client_sge sge = engine_sge(a, 0, 8);
	struct client_send wr = engine_send(MLX5_OPCODE_SEND, &sge);
	struct engine_pair pair;

	engine_connect(e, MLX5_QP_ST_RC, &pair, NULL);
	pair.qp[0].sq.head = 65;
	client_ring_send(&pair.qp[0]);
	engine_settle(e);
	engine_event(e, a, MLX5_EVENT_TYPE_WQ_CATAS_ERROR, pair.qp[0].qpn);
	assert_int_equal(engine_qp_state(&pair.qp[0]), ERR);
	engine_reconnect(&pair);
	pair.qp[1].record.word[0] = cpu_to_be32(65);
	engine_post(&pair.qp[0], &wr);
	assert_int_equal(engine_wc(e, &a->cq).status, S(REMOTE_OP_ERR));
	engine_event(e, b, MLX5_EVENT_TYPE_WQ_CATAS_ERROR, pair.qp[1].qpn);
	engine_disconnect(&pair);
}

static u32 random_seed = 12345;

static u32 random_next(void)
{
	random_seed = random_seed * 1103515245 + 12345;
	return random_seed >> 8;
}

static void random_bytes(u8 *to, u32 len)
{
	u32 i;

	for (i = 0; i < len; i++)
		to[i] = random_next() & BIT(20) ? random_next() : 0;
}

static void discard(struct engine *e)
{
	struct client_wc wc;
	u32 i;

	engine_settle(e);
	for (i = 0; i < 2; i++)
		while (client_poll_cq(&e->node[i].cq, 1, &wc))
			;
}

/* Any bytes at all as a WQE: one error completion or none, and nobody else is hurt. */
static void test_random_wqes(void **state)
{
	static const u8 types[] = { MLX5_QP_ST_RC, MLX5_QP_ST_UC, MLX5_QP_ST_UD };
	struct engine *e = *state;
	struct engine_pair pair;
	u32 i, k;

	for (k = 0; k < ARRAY_SIZE(types); k++) {
		engine_connect(e, types[k], &pair, NULL);
		for (i = 0; i < 1500; i++) {
			struct mlx5_wqe_ctrl_seg *ctrl;
			u8 raw[64 * 16] __aligned(16);
			u32 ds = 1 + random_next() % 63;

			random_bytes(raw, sizeof(raw));
			ctrl = (void *)raw;
			/* Half of them say the truth about their size, half a known opcode. */
			if (i & 1)
				ctrl->qpn_ds = cpu_to_be32(pair.qp[0].qpn << 8 | ds);
			if (i & 2)
				ctrl->opmod_idx_opcode = cpu_to_be32(8 + random_next() % 12);
			/* And an address vector that leads somewhere. */
			if (i & 4) {
				struct mlx5_av *av = (void *)(ctrl + 1);

				av->dqp_dct = cpu_to_be32(0x80000000U | pair.qp[1].qpn);
				av->rlid = cpu_to_be16(i & 8 ? e->node[1].c.lid : 0xc001);
				av->key.qkey.qkey = cpu_to_be32(ENGINE_QKEY);
			}
			assert_int_equal(client_post_raw(&pair.qp[0], i, raw, ds), 0);
			discard(e);
			engine_reconnect(&pair);
		}
		engine_disconnect(&pair);
	}
}

/* Any bytes at all as a receive WQE. */
static void test_random_receives(void **state)
{
	static const u8 types[] = { MLX5_QP_ST_RC, MLX5_QP_ST_UC, MLX5_QP_ST_UD };
	struct engine *e = *state;
	struct engine_node *b = &e->node[1];
	struct client_sge sge = engine_sge(&e->node[0], 0, 200);
	struct client_send wr = engine_send(MLX5_OPCODE_SEND, &sge);
	struct engine_pair pair;
	struct client_path path;
	u32 i, k;

	engine_path(b, &path);
	wr.path = &path;
	wr.qkey = ENGINE_QKEY;
	for (k = 0; k < ARRAY_SIZE(types); k++) {
		engine_connect(e, types[k], &pair, NULL);
		wr.dqpn = pair.qp[1].qpn;
		for (i = 0; i < 1000; i++) {
			struct client_queue *rq = &pair.qp[1].rq;
			struct mlx5_wqe_data_seg *seg = (void *)rq->base;

			random_bytes(rq->base, 1U << rq->log_stride);
			if (i & 1)
				seg->lkey = cpu_to_be32(b->key);
			if (i & 2)
				seg->addr = cpu_to_be64((uintptr_t)b->mem.va + ENGINE_BYTES -
							random_next() % 300);
			pair.qp[1].record.word[0] = cpu_to_be32(1);
			engine_post(&pair.qp[0], &wr);
			discard(e);
			engine_reconnect(&pair);
		}
		engine_disconnect(&pair);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_mistakes, engine_setup, engine_teardown),
		cmocka_unit_test_setup_teardown(test_not_enabled, engine_setup, engine_teardown),
		cmocka_unit_test_setup_teardown(test_bad_receive, engine_setup, engine_teardown),
		cmocka_unit_test_setup_teardown(test_rnr, engine_setup, engine_teardown),
		cmocka_unit_test_setup_teardown(test_rnr_for_ever, engine_setup, engine_teardown),
		cmocka_unit_test_setup_teardown(test_no_peer, engine_setup, engine_teardown),
		cmocka_unit_test_setup_teardown(test_wrong_psn, engine_setup, engine_teardown),
		cmocka_unit_test_setup_teardown(test_port_down, engine_setup, engine_teardown),
		cmocka_unit_test_setup_teardown(test_drain, engine_setup, engine_teardown),
		cmocka_unit_test_setup_teardown(test_sq_error, engine_setup, engine_teardown),
		cmocka_unit_test_setup_teardown(test_broken_record, engine_setup,
						engine_teardown),
		cmocka_unit_test_setup_teardown(test_random_wqes, engine_setup, engine_teardown),
		cmocka_unit_test_setup_teardown(test_random_receives, engine_setup,
						engine_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
