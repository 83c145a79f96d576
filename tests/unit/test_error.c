// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* What goes wrong on connected services: RNR, retries, bad requests, flush, drain, reset. */
#include "fixture.h"

#define TO	(BUF_BYTES / 2)

static struct client_send request(struct pair *p, u8 opcode, u64 wr_id, struct client_sge *sge)
{
	return (struct client_send){
		.opcode = opcode,
		.wr_id = wr_id,
		.flags = CLIENT_SIGNALED,
		.sge = sge,
		.n_sge = 1,
		.remote_addr = (uintptr_t)p->g[1]->buf.va + TO,
		.rkey = p->g[1]->key,
	};
}

static void open_with(struct world *w, struct pair *p, u8 type,
		      void (*change)(struct client_modify *m, u32 side))
{
	struct client_modify m;
	u32 i;

	pair_create(p, type, &w->g[0], &w->g[1]);
	for (i = 0; i < 2; i++) {
		pair_modify(p, i, &m);
		change(&m, i);
		assert_ok(client_connect_qp(&p->qp[i], &m));
	}
}

static void drain_cqs(struct world *w)
{
	struct client_wc wc;
	u32 i;

	settle(w);
	for (i = 0; i < WORLD_GUESTS; i++)
		while (client_poll_cq(&w->g[i].cq, 1, &wc))
			;
}

/* ---- Receiver not ready ---------------------------------------------- */

static void rnr_waits_for_a_buffer(void **state)
{
	struct world *w = *state;
	struct client_sge sge = sge_of(&w->g[0], 0, 100);
	struct client_send wr;
	struct pair p;

	pair_open(&p, MLX5_QP_ST_RC, &w->g[0], &w->g[1]);
	wr = request(&p, MLX5_OPCODE_SEND, 1, &sge);
	assert_ok(client_post_send(&p.qp[0], &wr));
	expect_no_wc(w, &w->g[0].cq);
	elapse(w, NSEC_PER_SEC);
	expect_no_wc(w, &w->g[0].cq);
	assert_true(counter(&w->g[1], rnr_naks) > 1);
	assert_true(counter(&w->g[0], retries) > 1);
	recv_one(&p, 1, 2, TO, 100);
	elapse(w, NSEC_PER_SEC);
	expect_wc(w, &w->g[1].cq, 2, 0);
	expect_wc(w, &w->g[0].cq, 1, 0);
	pair_close(&p);
}

static void three_rnr_retries(struct client_modify *m, u32 side)
{
	(void)side;
	m->rnr_retry = 3;
	m->min_rnr = 12;
}

static void rnr_retries_run_out(void **state)
{
	struct world *w = *state;
	struct client_sge sge = sge_of(&w->g[0], 0, 100);
	struct client_send wr;
	struct pair p;

	open_with(w, &p, MLX5_QP_ST_RC, three_rnr_retries);
	wr = request(&p, MLX5_OPCODE_SEND, 1, &sge);
	assert_ok(client_post_send(&p.qp[0], &wr));
	elapse(w, NSEC_PER_SEC);
	expect_wc(w, &w->g[0].cq, 1, MLX5_CQE_SYNDROME_RNR_RETRY_EXC_ERR);
	/* The first attempt and three more. */
	assert_int_equal(counter(&w->g[1], rnr_naks), 4);
	assert_int_equal(qp_state(&p.qp[0]), MLX5_QP_STATE_ERR);
	assert_int_equal(qp_state(&p.qp[1]), MLX5_QP_STATE_RTS);
	pair_close(&p);
}

/* The timer is the receiver's: code 22 is 20.48 ms. */
static void rnr_timer_is_the_receivers(struct client_modify *m, u32 side)
{
	m->min_rnr = side ? 22 : 1;
}

static void rnr_timer_is_kept(void **state)
{
	struct world *w = *state;
	struct client_sge sge = sge_of(&w->g[0], 0, 100);
	struct client_send wr;
	struct pair p;

	open_with(w, &p, MLX5_QP_ST_RC, rnr_timer_is_the_receivers);
	wr = request(&p, MLX5_OPCODE_SEND, 1, &sge);
	assert_ok(client_post_send(&p.qp[0], &wr));
	settle(w);
	recv_one(&p, 1, 2, TO, 100);
	shim_clock_advance(20 * NSEC_PER_MSEC);
	expect_no_wc(w, &w->g[0].cq);
	shim_clock_advance(NSEC_PER_MSEC);
	expect_wc(w, &w->g[0].cq, 1, 0);
	expect_wc(w, &w->g[1].cq, 2, 0);
	pair_close(&p);
}

static void uc_without_a_buffer_is_dropped(void **state)
{
	struct world *w = *state;
	struct client_sge sge = sge_of(&w->g[0], 0, 100);
	struct client_send wr;
	struct pair p;

	pair_open(&p, MLX5_QP_ST_UC, &w->g[0], &w->g[1]);
	wr = request(&p, MLX5_OPCODE_SEND, 1, &sge);
	assert_ok(client_post_send(&p.qp[0], &wr));
	expect_wc(w, &w->g[0].cq, 1, 0);
	assert_int_equal(counter(&w->g[1], drop_no_buffer), 1);
	recv_one(&p, 1, 2, TO, 100);
	assert_ok(client_post_send(&p.qp[0], &wr));
	expect_wc(w, &w->g[1].cq, 2, 0);
	expect_wc(w, &w->g[0].cq, 1, 0);
	pair_close(&p);
}

/* ---- Nobody there ---------------------------------------------------- */

static void two_retries(struct client_modify *m, u32 side)
{
	(void)side;
	m->retry = 2;
	m->ack_timeout = 10;
}

static void retries_run_out(void **state)
{
	struct world *w = *state;
	struct client_sge sge = sge_of(&w->g[0], 0, 100);
	struct client_send wr;
	struct pair p;

	open_with(w, &p, MLX5_QP_ST_RC, two_retries);
	assert_ok(client_modify_qp(&p.qp[1], MLX5_CMD_OP_2RST_QP, NULL));
	wr = request(&p, MLX5_OPCODE_RDMA_WRITE, 1, &sge);
	assert_ok(client_post_send(&p.qp[0], &wr));
	expect_no_wc(w, &w->g[0].cq);
	elapse(w, NSEC_PER_SEC);
	expect_wc(w, &w->g[0].cq, 1, MLX5_CQE_SYNDROME_TRANSPORT_RETRY_EXC_ERR);
	assert_int_equal(qp_state(&p.qp[0]), MLX5_QP_STATE_ERR);
	pair_close(&p);
}

static void peer_that_comes_late_is_found(void **state)
{
	struct world *w = *state;
	struct client_sge sge = sge_of(&w->g[0], 0, 100);
	struct client_modify m;
	struct client_send wr;
	struct pair p;

	pair_create(&p, MLX5_QP_ST_RC, &w->g[0], &w->g[1]);
	pair_modify(&p, 0, &m);
	assert_ok(client_connect_qp(&p.qp[0], &m));
	wr = request(&p, MLX5_OPCODE_RDMA_WRITE, 1, &sge);
	assert_ok(client_post_send(&p.qp[0], &wr));
	expect_no_wc(w, &w->g[0].cq);
	pair_modify(&p, 1, &m);
	assert_ok(client_connect_qp(&p.qp[1], &m));
	elapse(w, NSEC_PER_SEC);
	expect_wc(w, &w->g[0].cq, 1, 0);
	pair_close(&p);
}

/* ---- Bad requests ---------------------------------------------------- */

struct bad {
	const char *what;
	u8 opcode;
	void (*spoil)(struct client_send *wr, struct client_sge *sge, struct guest *g[2]);
	u8 status;
	bool remote;	/* the responder's QP dies as well, with an event */
	u8 event;
};

static void bad_lkey(struct client_send *wr, struct client_sge *sge, struct guest *g[2])
{
	(void)wr, (void)g;
	sge->lkey ^= 0x100;
}

static void bad_lkey_variant(struct client_send *wr, struct client_sge *sge, struct guest *g[2])
{
	(void)wr, (void)g;
	sge->lkey ^= 1;
}

static void local_out_of_bounds(struct client_send *wr, struct client_sge *sge,
				struct guest *g[2])
{
	(void)wr;
	sge->addr = (uintptr_t)g[0]->buf.va + BUF_BYTES - 50;
}

static void local_wraps(struct client_send *wr, struct client_sge *sge, struct guest *g[2])
{
	(void)wr, (void)g;
	sge->addr = ~0ULL - 10;
}

static void bad_rkey(struct client_send *wr, struct client_sge *sge, struct guest *g[2])
{
	(void)sge, (void)g;
	wr->rkey ^= 0x100;
}

static void bad_rkey_variant(struct client_send *wr, struct client_sge *sge, struct guest *g[2])
{
	(void)sge, (void)g;
	wr->rkey ^= 1;
}

static void remote_out_of_bounds(struct client_send *wr, struct client_sge *sge,
				 struct guest *g[2])
{
	(void)sge;
	wr->remote_addr = (uintptr_t)g[1]->buf.va + BUF_BYTES - 50;
}

static void remote_before_start(struct client_send *wr, struct client_sge *sge,
				struct guest *g[2])
{
	(void)sge;
	wr->remote_addr = (uintptr_t)g[1]->buf.va - 1;
}

static void remote_wraps(struct client_send *wr, struct client_sge *sge, struct guest *g[2])
{
	(void)sge, (void)g;
	wr->remote_addr = ~0ULL - 10;
}

static void my_own_key_as_rkey(struct client_send *wr, struct client_sge *sge,
			       struct guest *g[2])
{
	(void)sge;
	/* Numbers of two instances may be equal: then the address tells. */
	wr->rkey = g[0]->key;
	wr->remote_addr = (uintptr_t)g[0]->buf.va;
}

static void unknown_opcode(struct client_send *wr, struct client_sge *sge, struct guest *g[2])
{
	(void)sge, (void)g;
	wr->opcode = 0x3e;
}

static void local_invalidate(struct client_send *wr, struct client_sge *sge, struct guest *g[2])
{
	(void)g;
	wr->opcode = MLX5_OPCODE_UMR;
	(void)sge;
}

static void short_atomic(struct client_send *wr, struct client_sge *sge, struct guest *g[2])
{
	(void)wr, (void)g;
	sge->len = 4;
}

#define PROT	MLX5_CQE_SYNDROME_LOCAL_PROT_ERR
#define ACCESS	MLX5_CQE_SYNDROME_REMOTE_ACCESS_ERR
#define QP_OP	MLX5_CQE_SYNDROME_LOCAL_QP_OP_ERR

static const struct bad bads[] = {
	{ "lkey", MLX5_OPCODE_RDMA_WRITE, bad_lkey, PROT, false, 0 },
	{ "lkey variant", MLX5_OPCODE_RDMA_WRITE, bad_lkey_variant, PROT, false, 0 },
	{ "lkey of a read", MLX5_OPCODE_RDMA_READ, bad_lkey, PROT, false, 0 },
	{ "lkey of an atomic", MLX5_OPCODE_ATOMIC_FA, bad_lkey, PROT, false, 0 },
	{ "local bounds", MLX5_OPCODE_RDMA_WRITE, local_out_of_bounds, PROT, false, 0 },
	{ "local bounds of a read", MLX5_OPCODE_RDMA_READ, local_out_of_bounds, PROT, false, 0 },
	{ "local wrap", MLX5_OPCODE_RDMA_WRITE, local_wraps, PROT, false, 0 },
	{ "rkey", MLX5_OPCODE_RDMA_WRITE, bad_rkey, ACCESS, true,
	  MLX5_EVENT_TYPE_WQ_ACCESS_ERROR },
	{ "rkey variant", MLX5_OPCODE_RDMA_READ, bad_rkey_variant, ACCESS, true,
	  MLX5_EVENT_TYPE_WQ_ACCESS_ERROR },
	{ "remote bounds", MLX5_OPCODE_RDMA_WRITE, remote_out_of_bounds, ACCESS, true,
	  MLX5_EVENT_TYPE_WQ_ACCESS_ERROR },
	{ "before the start", MLX5_OPCODE_RDMA_READ, remote_before_start, ACCESS, true,
	  MLX5_EVENT_TYPE_WQ_ACCESS_ERROR },
	{ "remote wrap", MLX5_OPCODE_RDMA_READ, remote_wraps, ACCESS, true,
	  MLX5_EVENT_TYPE_WQ_ACCESS_ERROR },
	{ "foreign rkey", MLX5_OPCODE_RDMA_WRITE, my_own_key_as_rkey, ACCESS, true,
	  MLX5_EVENT_TYPE_WQ_ACCESS_ERROR },
	{ "unknown opcode", MLX5_OPCODE_RDMA_WRITE, unknown_opcode, QP_OP, false, 0 },
	{ "UMR", MLX5_OPCODE_RDMA_WRITE, local_invalidate, QP_OP, false, 0 },
	{ "short atomic", MLX5_OPCODE_ATOMIC_FA, short_atomic,
	  MLX5_CQE_SYNDROME_LOCAL_LENGTH_ERR, false, 0 },
};

/* One bad request among good ones: its error, then flushes, and no byte moved. */
static void run_bad(struct world *w, const struct bad *bad)
{
	struct client_sge sge = sge_of(&w->g[0], 0, 100);
	struct client_sge good_sge = sge_of(&w->g[0], 0, 8);
	struct client_send good;
	struct client_send wr;
	struct pair p;

	print_message("           %s\n", bad->what);
	pair_open(&p, MLX5_QP_ST_RC, &w->g[0], &w->g[1]);
	memset(w->g[0].buf.va, 0x55, 4096);
	memset(w->g[1].buf.va + TO, 0xaa, 4096);
	good = request(&p, MLX5_OPCODE_RDMA_WRITE, 1, &good_sge);
	wr = request(&p, bad->opcode, 2, &sge);
	if (bad->opcode == MLX5_OPCODE_ATOMIC_FA)
		sge.len = 8;
	bad->spoil(&wr, &sge, p.g);
	assert_ok(client_post_send(&p.qp[0], &good));
	wr.flags = 0;	/* errors are reported although unsignalled */
	assert_ok(client_post_send(&p.qp[0], &wr));
	good.wr_id = 3;
	good.flags = 0;
	assert_ok(client_post_send(&p.qp[0], &good));
	expect_wc(w, &w->g[0].cq, 1, 0);
	expect_wc(w, &w->g[0].cq, 2, bad->status);
	expect_wc(w, &w->g[0].cq, 3, MLX5_CQE_SYNDROME_WR_FLUSH_ERR);
	expect_no_wc(w, &w->g[0].cq);
	assert_int_equal(qp_state(&p.qp[0]), MLX5_QP_STATE_ERR);
	assert_int_equal(qp_state(&p.qp[1]),
			 bad->remote ? MLX5_QP_STATE_ERR : MLX5_QP_STATE_RTS);
	if (bad->remote) {
		struct mlx5_eqe eqe = expect_event(w, &w->g[1], bad->event);

		assert_int_equal(be32_to_cpu(eqe.data.qp_srq.qp_srq_n) & 0xffffff, p.qp[1].qpn);
	}
	expect_no_event(w, &w->g[1]);
	assert_int_equal(w->g[1].buf.va[TO + 8], 0xaa);
	assert_int_equal(w->g[0].buf.va[8], 0x55);
	pair_close(&p);
}

static void bad_requests_end_in_their_error(void **state)
{
	u32 i;

	for (i = 0; i < ARRAY_SIZE(bads); i++)
		run_bad(*state, &bads[i]);
}

/* What the responder's QP does not allow. */
static void only_reads(struct client_modify *m, u32 side)
{
	(void)side;
	m->access = CLIENT_REMOTE_READ;
}

static void qp_access_bits_count(void **state)
{
	static const u8 refused[] = { MLX5_OPCODE_RDMA_WRITE, MLX5_OPCODE_ATOMIC_CS };
	struct world *w = *state;
	struct client_sge sge = sge_of(&w->g[0], 0, 8);
	struct client_send wr;
	struct pair p;
	u32 i;

	for (i = 0; i < ARRAY_SIZE(refused); i++) {
		open_with(w, &p, MLX5_QP_ST_RC, only_reads);
		wr = request(&p, MLX5_OPCODE_RDMA_READ, 1, &sge);
		assert_ok(client_post_send(&p.qp[0], &wr));
		expect_wc(w, &w->g[0].cq, 1, 0);
		wr = request(&p, refused[i], 2, &sge);
		assert_ok(client_post_send(&p.qp[0], &wr));
		expect_wc(w, &w->g[0].cq, 2, MLX5_CQE_SYNDROME_REMOTE_INVAL_REQ_ERR);
		expect_event(w, &w->g[1], MLX5_EVENT_TYPE_WQ_INVAL_REQ_ERROR);
		pair_close(&p);
	}
}

/* Each access bit of a key, one at a time. */
static void key_access_bits_count(void **state)
{
	static const struct {
		u8 opcode;
		u32 needs;
	} uses[] = {
		{ MLX5_OPCODE_RDMA_WRITE, CLIENT_REMOTE_WRITE },
		{ MLX5_OPCODE_RDMA_READ, CLIENT_REMOTE_READ },
		{ MLX5_OPCODE_ATOMIC_FA, CLIENT_REMOTE_ATOMIC },
	};
	struct world *w = *state;
	struct client_sge sge = sge_of(&w->g[0], 0, 8);
	u32 access;
	u32 i;

	for (access = 0; access <= CLIENT_ALL_ACCESS; access++) {
		u32 key;

		assert_ok(client_reg_mr(&w->g[1].c, w->g[1].pd, w->g[1].buf.va + TO, 4096,
					access, &key));
		for (i = 0; i < ARRAY_SIZE(uses); i++) {
			struct client_send wr;
			struct pair p;

			pair_open(&p, MLX5_QP_ST_RC, &w->g[0], &w->g[1]);
			wr = request(&p, uses[i].opcode, 1, &sge);
			wr.rkey = key;
			assert_ok(client_post_send(&p.qp[0], &wr));
			expect_wc(w, &w->g[0].cq, 1, access & uses[i].needs ? 0 : ACCESS);
			pair_close(&p);
		}
		assert_ok(client_destroy_mkey(&w->g[1].c, key));
	}
	drain_cqs(w);
	expect_event(w, &w->g[1], MLX5_EVENT_TYPE_WQ_ACCESS_ERROR);
}

static void key_of_another_pd_is_refused(void **state)
{
	struct world *w = *state;
	struct client_sge sge = sge_of(&w->g[0], 0, 8);
	struct client_send wr;
	struct pair p;
	u32 pd;
	u32 key;

	assert_ok(client_alloc_pd(&w->g[1].c, &pd));
	assert_ok(client_reg_mr(&w->g[1].c, pd, w->g[1].buf.va + TO, 4096, CLIENT_ALL_ACCESS,
				&key));
	pair_open(&p, MLX5_QP_ST_RC, &w->g[0], &w->g[1]);
	wr = request(&p, MLX5_OPCODE_RDMA_WRITE, 1, &sge);
	wr.rkey = key;
	assert_ok(client_post_send(&p.qp[0], &wr));
	expect_wc(w, &w->g[0].cq, 1, ACCESS);
	pair_close(&p);
	assert_ok(client_destroy_mkey(&w->g[1].c, key));
	assert_ok(client_dealloc_pd(&w->g[1].c, pd));
}

static void short_receive_buffer(void **state)
{
	struct world *w = *state;
	struct client_sge sge = sge_of(&w->g[0], 0, 101);
	struct client_send wr;
	struct pair p;

	pair_open(&p, MLX5_QP_ST_RC, &w->g[0], &w->g[1]);
	recv_one(&p, 1, 5, TO, 100);
	recv_one(&p, 1, 6, TO, 100);
	memset(w->g[1].buf.va + TO, 0xaa, 200);
	wr = request(&p, MLX5_OPCODE_SEND, 1, &sge);
	assert_ok(client_post_send(&p.qp[0], &wr));
	expect_wc(w, &w->g[1].cq, 5, MLX5_CQE_SYNDROME_LOCAL_LENGTH_ERR);
	expect_wc(w, &w->g[1].cq, 6, MLX5_CQE_SYNDROME_WR_FLUSH_ERR);
	expect_wc(w, &w->g[0].cq, 1, MLX5_CQE_SYNDROME_REMOTE_INVAL_REQ_ERR);
	assert_int_equal(w->g[1].buf.va[TO], 0xaa);
	pair_close(&p);
}

static void receive_buffer_with_a_bad_key(void **state)
{
	struct world *w = *state;
	struct client_sge sge = sge_of(&w->g[0], 0, 50);
	struct client_sge bad = sge_of(&w->g[1], TO, 100);
	struct client_send wr;
	struct pair p;

	pair_open(&p, MLX5_QP_ST_RC, &w->g[0], &w->g[1]);
	bad.lkey += 0x100;
	assert_ok(client_post_recv(&p.qp[1], 5, &bad, 1));
	wr = request(&p, MLX5_OPCODE_SEND, 1, &sge);
	assert_ok(client_post_send(&p.qp[0], &wr));
	expect_wc(w, &w->g[1].cq, 5, PROT);
	expect_wc(w, &w->g[0].cq, 1, MLX5_CQE_SYNDROME_REMOTE_OP_ERR);
	assert_int_equal(qp_state(&p.qp[1]), MLX5_QP_STATE_ERR);
	pair_close(&p);
}

/* ---- Flush, drain, reset --------------------------------------------- */

static void error_flushes_in_order(void **state)
{
	struct world *w = *state;
	struct client_sge sge = sge_of(&w->g[0], 0, 8);
	struct client_send wr;
	struct pair p;
	u32 i;

	pair_open(&p, MLX5_QP_ST_RC, &w->g[0], &w->g[1]);
	for (i = 0; i < 40; i++)
		recv_one(&p, 0, 100 + i, 0, 8);
	p.qp[0].no_doorbell = true;
	for (i = 0; i < 30; i++) {
		wr = request(&p, MLX5_OPCODE_RDMA_WRITE, i, &sge);
		wr.flags = i & 1 ? CLIENT_SIGNALED : 0;
		assert_ok(client_post_send(&p.qp[0], &wr));
	}
	assert_ok(client_modify_qp(&p.qp[0], MLX5_CMD_OP_2ERR_QP, NULL));
	for (i = 0; i < 30; i++)
		expect_wc(w, &w->g[0].cq, i, MLX5_CQE_SYNDROME_WR_FLUSH_ERR);
	for (i = 0; i < 40; i++)
		expect_wc(w, &w->g[0].cq, 100 + i, MLX5_CQE_SYNDROME_WR_FLUSH_ERR);
	expect_no_wc(w, &w->g[0].cq);
	pair_close(&p);
}

/* ib_drain_qp(): after 2ERR one more request each way has to be flushed. */
static void drain_after_error(void **state)
{
	struct world *w = *state;
	struct client_sge sge = sge_of(&w->g[0], 0, 8);
	struct client_send wr;
	struct pair p;
	u32 i;

	pair_open(&p, MLX5_QP_ST_RC, &w->g[0], &w->g[1]);
	assert_ok(client_modify_qp(&p.qp[0], MLX5_CMD_OP_2ERR_QP, NULL));
	expect_no_wc(w, &w->g[0].cq);
	elapse(w, NSEC_PER_SEC);
	for (i = 0; i < 3; i++) {
		wr = request(&p, MLX5_OPCODE_RDMA_WRITE, 10 + i, &sge);
		assert_ok(client_post_send(&p.qp[0], &wr));
		expect_wc(w, &w->g[0].cq, 10 + i, MLX5_CQE_SYNDROME_WR_FLUSH_ERR);
		/* Nothing rings for a receive: it is found by looking. */
		recv_one(&p, 0, 20 + i, 0, 8);
		elapse(w, NSEC_PER_SEC);
		expect_wc(w, &w->g[0].cq, 20 + i, MLX5_CQE_SYNDROME_WR_FLUSH_ERR);
		elapse(w, NSEC_PER_SEC);
	}
	pair_close(&p);
}

static void reset_discards_silently(void **state)
{
	struct world *w = *state;
	struct client_sge sge = sge_of(&w->g[0], 0, 8);
	struct client_modify m;
	struct client_send wr;
	struct pair p;
	u32 i;

	pair_open(&p, MLX5_QP_ST_RC, &w->g[0], &w->g[1]);
	for (i = 0; i < 20; i++)
		recv_one(&p, 0, i, 0, 8);
	wr = request(&p, MLX5_OPCODE_SEND, 1, &sge);	/* waits: RNR */
	assert_ok(client_post_send(&p.qp[0], &wr));
	settle(w);
	assert_ok(client_modify_qp(&p.qp[0], MLX5_CMD_OP_2RST_QP, NULL));
	assert_ok(client_modify_qp(&p.qp[1], MLX5_CMD_OP_2RST_QP, NULL));
	expect_no_wc(w, &w->g[0].cq);
	elapse(w, 10 * NSEC_PER_SEC);
	expect_no_wc(w, &w->g[0].cq);
	for (i = 0; i < 2; i++) {
		pair_modify(&p, i, &m);
		assert_ok(client_connect_qp(&p.qp[i], &m));
	}
	wr = request(&p, MLX5_OPCODE_RDMA_WRITE, 9, &sge);
	assert_ok(client_post_send(&p.qp[0], &wr));
	expect_wc(w, &w->g[0].cq, 9, 0);
	pair_close(&p);
}

/* A message of several turns whose receiver is destroyed in the middle. */
static void receiver_dies_in_mid_message(void **state)
{
	struct world *w = *state;
	struct client_sge sge = sge_of(&w->g[0], 0, TO);
	struct client_send wr;
	struct pair p;

	open_with(w, &p, MLX5_QP_ST_RC, two_retries);
	recv_one(&p, 1, 5, TO, TO);
	wr = request(&p, MLX5_OPCODE_SEND, 1, &sge);
	assert_ok(client_post_send(&p.qp[0], &wr));
	lanes_turn(&w->hca);
	lanes_turn(&w->hca);
	assert_null(client_peek_cq(&w->g[0].cq));
	assert_ok(client_destroy_qp(&p.qp[1]));
	elapse(w, NSEC_PER_SEC);
	expect_wc(w, &w->g[0].cq, 1, MLX5_CQE_SYNDROME_TRANSPORT_RETRY_EXC_ERR);
	expect_no_wc(w, &w->g[1].cq);
	assert_ok(client_destroy_qp(&p.qp[0]));
}

static void sender_dies_in_mid_message(void **state)
{
	struct world *w = *state;
	struct client_sge sge = sge_of(&w->g[0], 0, TO);
	struct client_send wr;
	struct pair p;

	pair_open(&p, MLX5_QP_ST_RC, &w->g[0], &w->g[1]);
	recv_one(&p, 1, 5, TO, TO);
	wr = request(&p, MLX5_OPCODE_SEND, 1, &sge);
	assert_ok(client_post_send(&p.qp[0], &wr));
	lanes_turn(&w->hca);
	lanes_turn(&w->hca);
	assert_ok(client_destroy_qp(&p.qp[0]));
	expect_no_wc(w, &w->g[1].cq);
	/* The receive WQE that was held is flushed, not lost. */
	assert_ok(client_modify_qp(&p.qp[1], MLX5_CMD_OP_2ERR_QP, NULL));
	expect_wc(w, &w->g[1].cq, 5, MLX5_CQE_SYNDROME_WR_FLUSH_ERR);
	assert_ok(client_destroy_qp(&p.qp[1]));
}

static void key_dies_in_mid_message(void **state)
{
	struct world *w = *state;
	struct client_sge sge = sge_of(&w->g[0], 0, TO);
	struct client_send wr;
	struct pair p;
	u32 key;

	assert_ok(client_reg_mr(&w->g[1].c, w->g[1].pd, w->g[1].buf.va + TO, TO,
				CLIENT_ALL_ACCESS, &key));
	pair_open(&p, MLX5_QP_ST_RC, &w->g[0], &w->g[1]);
	wr = request(&p, MLX5_OPCODE_RDMA_WRITE, 1, &sge);
	wr.rkey = key;
	assert_ok(client_post_send(&p.qp[0], &wr));
	lanes_turn(&w->hca);
	lanes_turn(&w->hca);
	assert_ok(client_destroy_mkey(&w->g[1].c, key));
	expect_wc(w, &w->g[0].cq, 1, ACCESS);
	pair_close(&p);
}

/* A producer index that says more than the ring holds. */
static void impossible_producer_index(void **state)
{
	struct world *w = *state;
	struct pair p;

	pair_open(&p, MLX5_QP_ST_RC, &w->g[0], &w->g[1]);
	p.qp[0].record.word[1] = cpu_to_be32(0x4000);
	w->g[0].c.ops->uar_write64(w->g[0].vmm, p.qp[0].uar, MLX5_BF_OFFSET,
				   cpu_to_be64((u64)p.qp[0].qpn << 8));
	expect_event(w, &w->g[0], MLX5_EVENT_TYPE_WQ_CATAS_ERROR);
	assert_int_equal(qp_state(&p.qp[0]), MLX5_QP_STATE_ERR);
	pair_close(&p);
	drain_cqs(w);
}

#define world_test(fn) cmocka_unit_test_setup_teardown(fn, world_setup, world_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		world_test(rnr_waits_for_a_buffer),
		world_test(rnr_retries_run_out),
		world_test(rnr_timer_is_kept),
		world_test(uc_without_a_buffer_is_dropped),
		world_test(retries_run_out),
		world_test(peer_that_comes_late_is_found),
		world_test(bad_requests_end_in_their_error),
		world_test(qp_access_bits_count),
		world_test(key_access_bits_count),
		world_test(key_of_another_pd_is_refused),
		world_test(short_receive_buffer),
		world_test(receive_buffer_with_a_bad_key),
		world_test(error_flushes_in_order),
		world_test(drain_after_error),
		world_test(reset_discards_silently),
		world_test(receiver_dies_in_mid_message),
		world_test(sender_dies_in_mid_message),
		world_test(key_dies_in_mid_message),
		world_test(impossible_producer_index),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
