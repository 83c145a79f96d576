// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Shared receive queues of all three flavours, and XRC. */
#include "fixture.h"

#define TO	(BUF_BYTES / 2)

/* Senders on guest 0, receivers with one SRQ on guest 1. */
struct fan {
	struct client_srq srq;
	struct client_qp tx[3];
	struct client_qp rx[3];
};

static void make_srq(struct guest *g, enum client_srq_type type, u8 log_size, u32 xrcd,
		     struct client_srq *srq)
{
	struct client_srq_attr attr = {
		.type = type, .pd = g->pd, .log_size = log_size, .max_sge = 3,
		.xrcd = xrcd, .cqn = g->cq.cqn,
	};

	assert_ok(client_create_srq(&g->c, &attr, srq));
}

static void connect_pair(struct guest *a, struct client_qp *qa, struct guest *b,
			 struct client_qp *qb)
{
	struct client_modify m;

	client_modify_init(&m);
	m.remote_qpn = qb->qpn;
	m.path.dlid = b->c.lid;
	assert_ok(client_connect_qp(qa, &m));
	m.remote_qpn = qa->qpn;
	m.path.dlid = a->c.lid;
	assert_ok(client_connect_qp(qb, &m));
}

static void fan_open(struct world *w, struct fan *f, enum client_srq_type type)
{
	struct client_qp_attr attr;
	u32 i;

	make_srq(&w->g[1], type, 4, 0, &f->srq);
	for (i = 0; i < 3; i++) {
		client_qp_attr_init(&attr, MLX5_QP_ST_RC, w->g[0].pd, &w->g[0].cq);
		assert_ok(client_create_qp(&w->g[0].c, &attr, &f->tx[i]));
		client_qp_attr_init(&attr, MLX5_QP_ST_RC, w->g[1].pd, &w->g[1].cq);
		attr.srq = &f->srq;
		assert_ok(client_create_qp(&w->g[1].c, &attr, &f->rx[i]));
		connect_pair(&w->g[0], &f->tx[i], &w->g[1], &f->rx[i]);
	}
}

static void fan_close(struct fan *f)
{
	u32 i;

	for (i = 0; i < 3; i++) {
		assert_ok(client_destroy_qp(&f->tx[i]));
		assert_ok(client_destroy_qp(&f->rx[i]));
	}
	assert_ok(client_destroy_srq(&f->srq));
}

static void post_srq(struct guest *g, struct client_srq *srq, u64 wr_id, u32 offset, u32 len)
{
	struct client_sge sge = sge_of(g, offset, len);

	assert_ok(client_post_srq(srq, wr_id, &sge, 1));
}

static void send_one(struct world *w, struct client_qp *qp, u64 wr_id, u32 len, u32 srqn)
{
	struct client_sge sge = sge_of(&w->g[0], 0, len);
	struct client_send wr = {
		.opcode = MLX5_OPCODE_SEND, .wr_id = wr_id, .flags = CLIENT_SIGNALED,
		.sge = &sge, .n_sge = 1, .xrc_srqn = srqn,
	};

	assert_ok(client_post_send(qp, &wr));
}

/* Three QPs share the queue; it is consumed in the order in which it was posted. */
static void order_case(struct world *w, enum client_srq_type type)
{
	struct client_wc wc;
	struct fan f;
	u32 i;

	fan_open(w, &f, type);
	for (i = 0; i < 100; i++) {
		post_srq(&w->g[1], &f.srq, 1000 + i, TO + (i % 16) * 64, 64);
		fill(w->g[0].buf.va, 64, i);
		send_one(w, &f.tx[i % 3], i, 64, 0);
		wc = expect_wc(w, &w->g[1].cq, 1000 + i, 0);
		assert_int_equal(wc.qpn, f.rx[i % 3].qpn);
		assert_int_equal(wc.bytes, 64);
		expect_wc(w, &w->g[0].cq, i, 0);
		assert_filled(w->g[1].buf.va + TO + (i % 16) * 64, 64, i);
	}
	fan_close(&f);
}

static void wqes_are_taken_in_order(void **state)
{
	order_case(*state, CLIENT_SRQ);
	order_case(*state, CLIENT_RMP);
}

/* Completed out of order by software: the list is then no longer ascending. */
static void list_follows_next_indices(void **state)
{
	struct world *w = *state;
	struct client_wc wc;
	struct fan f;
	u32 round;
	u32 i;

	fan_open(w, &f, CLIENT_RMP);
	for (round = 0; round < 20; round++) {
		for (i = 0; i < 12; i++)
			post_srq(&w->g[1], &f.srq, round * 100 + i, TO + i * 64, 64);
		for (i = 0; i < 12; i++)
			send_one(w, &f.tx[i % 3], i, 8, 0);
		settle(w);
		/* Poll order is SRQ order only per QP; every WQE comes exactly once. */
		for (i = 0; i < 12; i++) {
			wc = next_wc(w, &w->g[1].cq);
			assert_int_equal(wc.status, 0);
			assert_true(wc.wr_id >= round * 100 && wc.wr_id < round * 100 + 12);
		}
		for (i = 0; i < 12; i++)
			next_wc(w, &w->g[0].cq);
	}
	fan_close(&f);
}

static void limit_fires_once(struct world *w, enum client_srq_type type)
{
	struct mlx5_eqe eqe;
	struct fan f;
	u16 limit;
	u32 i;

	fan_open(w, &f, type);
	for (i = 0; i < 10; i++)
		post_srq(&w->g[1], &f.srq, i, TO, 64);
	assert_ok(client_arm_srq(&f.srq, 8));
	assert_ok(client_query_srq(&f.srq, &limit));
	assert_int_equal(limit, 8);
	expect_no_event(w, &w->g[1]);
	for (i = 0; i < 2; i++) {
		send_one(w, &f.tx[0], i, 8, 0);
		expect_wc(w, &w->g[0].cq, i, 0);
		expect_wc(w, &w->g[1].cq, i, 0);
	}
	expect_no_event(w, &w->g[1]);
	send_one(w, &f.tx[0], 2, 8, 0);
	eqe = expect_event(w, &w->g[1], MLX5_EVENT_TYPE_SRQ_RQ_LIMIT);
	assert_int_equal(be32_to_cpu(eqe.data.qp_srq.qp_srq_n) & 0xffffff, f.srq.srqn);
	expect_wc(w, &w->g[0].cq, 2, 0);
	expect_wc(w, &w->g[1].cq, 2, 0);
	send_one(w, &f.tx[0], 3, 8, 0);
	expect_wc(w, &w->g[0].cq, 3, 0);
	expect_wc(w, &w->g[1].cq, 3, 0);
	expect_no_event(w, &w->g[1]);
	assert_ok(client_query_srq(&f.srq, &limit));
	assert_int_equal(limit, 0);
	/* Armed when it is already below: at once. */
	assert_ok(client_arm_srq(&f.srq, 9));
	expect_event(w, &w->g[1], MLX5_EVENT_TYPE_SRQ_RQ_LIMIT);
	fan_close(&f);
}

static void limit_event(void **state)
{
	limit_fires_once(*state, CLIENT_SRQ);
	limit_fires_once(*state, CLIENT_RMP);
}

static void empty_srq_is_rnr(void **state)
{
	struct world *w = *state;
	struct fan f;

	fan_open(w, &f, CLIENT_RMP);
	send_one(w, &f.tx[0], 1, 8, 0);
	expect_no_wc(w, &w->g[0].cq);
	assert_true(counter(&w->g[1], rnr_naks) > 0);
	post_srq(&w->g[1], &f.srq, 5, TO, 64);
	elapse(w, NSEC_PER_SEC);
	expect_wc(w, &w->g[0].cq, 1, 0);
	expect_wc(w, &w->g[1].cq, 5, 0);
	fan_close(&f);
}

/* SRQ WQEs are not flushed; the event says that the QP takes no more. */
static void last_wqe_event(void **state)
{
	struct world *w = *state;
	struct mlx5_eqe eqe;
	struct fan f;

	fan_open(w, &f, CLIENT_RMP);
	post_srq(&w->g[1], &f.srq, 5, TO, 64);
	assert_ok(client_modify_qp(&f.rx[0], MLX5_CMD_OP_2ERR_QP, NULL));
	eqe = expect_event(w, &w->g[1], MLX5_EVENT_TYPE_SRQ_LAST_WQE);
	assert_int_equal(be32_to_cpu(eqe.data.qp_srq.qp_srq_n) & 0xffffff, f.rx[0].qpn);
	expect_no_wc(w, &w->g[1].cq);
	send_one(w, &f.tx[1], 1, 8, 0);
	expect_wc(w, &w->g[1].cq, 5, 0);
	expect_wc(w, &w->g[0].cq, 1, 0);
	fan_close(&f);
}

/* A next index outside the ring breaks this SRQ and nothing else. */
static void broken_list(void **state)
{
	struct world *w = *state;
	struct mlx5_wqe_srq_next_seg *next;
	struct fan f;
	u32 i;

	fan_open(w, &f, CLIENT_RMP);
	post_srq(&w->g[1], &f.srq, 5, TO, 64);
	for (i = 0; i < 16; i++) {
		next = (void *)(f.srq.mem.va + (i << f.srq.log_stride));
		next->next_wqe_index = cpu_to_be16(16 + i);
	}
	send_one(w, &f.tx[0], 1, 8, 0);
	expect_event(w, &w->g[1], MLX5_EVENT_TYPE_SRQ_CATAS_ERROR);
	expect_wc(w, &w->g[0].cq, 1, MLX5_CQE_SYNDROME_REMOTE_OP_ERR);
	expect_no_wc(w, &w->g[1].cq);
	fan_close(&f);
}

static void srq_in_use_stays(void **state)
{
	struct world *w = *state;
	struct fan f;

	fan_open(w, &f, CLIENT_SRQ);
	assert_int_equal(client_destroy_srq(&f.srq), -EBUSY);
	fan_close(&f);
}

/* ---- XRC ------------------------------------------------------------- */

struct xrc {
	u32 xrcd[2];
	struct client_qp tx;
	struct client_qp rx;
	struct client_srq srq[2];
};

static void xrc_open(struct world *w, struct xrc *x)
{
	struct client_qp_attr attr;
	u32 i;

	for (i = 0; i < 2; i++)
		assert_ok(client_alloc_xrcd(&w->g[i].c, &x->xrcd[i]));
	for (i = 0; i < 2; i++)
		make_srq(&w->g[1], CLIENT_XRC_SRQ, 4, x->xrcd[1], &x->srq[i]);
	client_qp_attr_init(&attr, MLX5_QP_ST_XRC, w->g[0].pd, &w->g[0].cq);
	attr.log_rq = CLIENT_NO_QUEUE;
	attr.xrcd = x->xrcd[0];
	assert_ok(client_create_qp(&w->g[0].c, &attr, &x->tx));
	client_qp_attr_init(&attr, MLX5_QP_ST_XRC, w->g[1].pd, &w->g[1].cq);
	attr.log_sq = CLIENT_NO_QUEUE;
	attr.log_rq = CLIENT_NO_QUEUE;
	attr.xrcd = x->xrcd[1];
	assert_ok(client_create_qp(&w->g[1].c, &attr, &x->rx));
	connect_pair(&w->g[0], &x->tx, &w->g[1], &x->rx);
}

static void xrc_close(struct world *w, struct xrc *x)
{
	u32 i;

	assert_ok(client_destroy_qp(&x->tx));
	assert_ok(client_destroy_qp(&x->rx));
	for (i = 0; i < 2; i++)
		if (x->srq[i].wr_id)
			assert_ok(client_destroy_srq(&x->srq[i]));
	for (i = 0; i < 2; i++)
		assert_ok(client_dealloc_xrcd(&w->g[i].c, x->xrcd[i]));
}

static void xrc_names_its_srq(void **state)
{
	struct world *w = *state;
	struct client_wc wc;
	struct xrc x;
	u32 i;

	xrc_open(w, &x);
	for (i = 0; i < 40; i++) {
		u32 which = i / 3 & 1;

		post_srq(&w->g[1], &x.srq[which], 100 + i, TO, 64);
		fill(w->g[0].buf.va, 40, i);
		send_one(w, &x.tx, i, 40, x.srq[which].srqn);
		wc = expect_wc(w, &w->g[1].cq, 100 + i, 0);
		assert_ptr_equal(wc.srq, &x.srq[which]);
		assert_int_equal(wc.qpn, x.rx.qpn);
		expect_wc(w, &w->g[0].cq, i, 0);
		assert_filled(w->g[1].buf.va + TO, 40, i);
	}
	xrc_close(w, &x);
}

static void xrc_moves_data_by_rdma(void **state)
{
	static const u8 opcodes[] = {
		MLX5_OPCODE_RDMA_WRITE, MLX5_OPCODE_RDMA_READ, MLX5_OPCODE_ATOMIC_FA,
		MLX5_OPCODE_ATOMIC_CS,
	};
	struct world *w = *state;
	struct client_sge sge = sge_of(&w->g[0], 0, 8);
	struct xrc x;
	u32 i;

	xrc_open(w, &x);
	for (i = 0; i < ARRAY_SIZE(opcodes); i++) {
		struct client_send wr = {
			.opcode = opcodes[i], .wr_id = i, .flags = CLIENT_SIGNALED,
			.sge = &sge, .n_sge = 1, .xrc_srqn = x.srq[0].srqn,
			.remote_addr = (uintptr_t)w->g[1].buf.va + TO, .rkey = w->g[1].key,
		};

		assert_ok(client_post_send(&x.tx, &wr));
		expect_wc(w, &w->g[0].cq, i, 0);
	}
	xrc_close(w, &x);
}

/* No such SRQ, one of another domain, one that is no XRC SRQ. */
static void xrc_refuses_wrong_srqs(void **state)
{
	struct world *w = *state;
	struct client_srq basic;
	struct client_srq foreign;
	u32 other_xrcd;
	struct xrc x;
	u32 numbers[3];
	u32 i;

	assert_ok(client_alloc_xrcd(&w->g[1].c, &other_xrcd));
	make_srq(&w->g[1], CLIENT_XRC_SRQ, 4, other_xrcd, &foreign);
	make_srq(&w->g[1], CLIENT_RMP, 4, 0, &basic);
	numbers[0] = 0xfffff0;
	numbers[1] = foreign.srqn;
	numbers[2] = basic.srqn;
	for (i = 0; i < 3; i++) {
		xrc_open(w, &x);
		send_one(w, &x.tx, 7, 8, numbers[i]);
		expect_wc(w, &w->g[0].cq, 7, MLX5_CQE_SYNDROME_REMOTE_INVAL_REQ_ERR);
		expect_event(w, &w->g[1], MLX5_EVENT_TYPE_WQ_INVAL_REQ_ERROR);
		xrc_close(w, &x);
	}
	assert_ok(client_destroy_srq(&foreign));
	assert_ok(client_destroy_srq(&basic));
	assert_ok(client_dealloc_xrcd(&w->g[1].c, other_xrcd));
}

/* An XRC SRQ may go while a QP receives a long message into one of its WQEs. */
static void xrc_srq_dies_in_mid_message(void **state)
{
	struct world *w = *state;
	struct client_wc wc;
	struct xrc x;

	xrc_open(w, &x);
	post_srq(&w->g[1], &x.srq[0], 1, TO, TO);
	send_one(w, &x.tx, 7, TO, x.srq[0].srqn);
	lanes_turn(&w->hca);
	lanes_turn(&w->hca);
	assert_ok(client_destroy_srq(&x.srq[0]));
	elapse(w, 20 * NSEC_PER_SEC);
	wc = next_wc(w, &w->g[0].cq);
	assert_int_not_equal(wc.status, 0);
	xrc_close(w, &x);
}

#define world_test(fn) cmocka_unit_test_setup_teardown(fn, world_setup, world_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		world_test(wqes_are_taken_in_order),
		world_test(list_follows_next_indices),
		world_test(limit_event),
		world_test(empty_srq_is_rnr),
		world_test(last_wqe_event),
		world_test(broken_list),
		world_test(srq_in_use_stays),
		world_test(xrc_names_its_srq),
		world_test(xrc_moves_data_by_rdma),
		world_test(xrc_refuses_wrong_srqs),
		world_test(xrc_srq_dies_in_mid_message),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
