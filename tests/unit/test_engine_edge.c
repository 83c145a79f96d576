// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Corners: events, memory that goes while it is in use, what is held and then lost. */
#include "engine.h"

static void shot(struct engine *e, struct client_qp *qp, u8 opcode, u32 len)
{
	struct client_sge sge = engine_sge(&e->node[0], 0, len);
	struct client_send wr = engine_send(opcode, &sge);

	wr.remote_addr = (uintptr_t)e->node[1].mem.va;
	wr.rkey = e->node[1].key;
	engine_post(qp, &wr);
}

/* The first message to a QP in RTR says so, once in its life. */
static void test_comm_est(void **state)
{
	static const u8 types[] = { MLX5_QP_ST_RC, MLX5_QP_ST_UC };
	struct engine *e = *state;
	struct engine_node *b = &e->node[1];
	struct client_modify modify;
	struct engine_pair pair;
	struct mlx5_eqe eqe;
	u32 i, k;

	for (i = 0; i < ARRAY_SIZE(types); i++) {
		engine_connect(e, types[i], &pair, NULL);
		assert_int_equal(client_modify_qp(&pair.qp[1], MLX5_CMD_OP_2RST_QP, NULL), 0);
		engine_modify(&e->node[0], pair.qp[0].qpn, &modify);
		assert_int_equal(client_modify_qp(&pair.qp[1], MLX5_CMD_OP_RST2INIT_QP, &modify),
				 0);
		assert_int_equal(client_modify_qp(&pair.qp[1], MLX5_CMD_OP_INIT2RTR_QP, &modify),
				 0);
		for (k = 0; k < 2; k++) {
			engine_recv(&pair.qp[1], b, k, 0, 64);
			shot(e, &pair.qp[0], MLX5_OPCODE_SEND, 64);
			assert_int_equal(engine_wc(e, &e->node[0].cq).status, 0);
			assert_int_equal(engine_wc(e, &b->cq).status, 0);
		}
		engine_event(e, b, MLX5_EVENT_TYPE_COMM_EST, pair.qp[1].qpn);
		engine_settle(e);
		assert_false(client_poll_eq(&b->c.async_eq, &eqe));
		engine_disconnect(&pair);
	}
}

/* Ack timeout 0: looked at for ever, and found in the end. */
static void no_timeout(struct client_qp_attr *attr, struct client_modify *modify, u32 end)
{
	modify->ack_timeout = 0;
}

static void test_no_timeout(void **state)
{
	struct engine *e = *state;
	struct client_modify modify;
	struct engine_pair pair;

	engine_connect(e, MLX5_QP_ST_RC, &pair, no_timeout);
	assert_int_equal(client_modify_qp(&pair.qp[1], MLX5_CMD_OP_2RST_QP, NULL), 0);
	shot(e, &pair.qp[0], MLX5_OPCODE_RDMA_WRITE, 64);
	engine_pass(e, 3600 * 1000000000ULL);
	engine_no_wc(e, &e->node[0].cq);
	engine_modify(&e->node[0], pair.qp[0].qpn, &modify);
	assert_int_equal(client_connect_qp(&pair.qp[1], &modify), 0);
	engine_pass(e, 2000000000ULL);
	assert_int_equal(engine_wc(e, &e->node[0].cq).status, 0);
	engine_disconnect(&pair);
}

/* Nothing can be read into a WQE. */
static void test_inline_read(void **state)
{
	struct engine *e = *state;
	struct client_sge sge = engine_sge(&e->node[0], 0, 8);
	struct client_send wr = engine_send(MLX5_OPCODE_RDMA_READ, &sge);
	struct engine_pair pair;

	engine_connect(e, MLX5_QP_ST_RC, &pair, NULL);
	wr.flags |= CLIENT_INLINE;
	wr.remote_addr = (uintptr_t)e->node[1].mem.va;
	wr.rkey = e->node[1].key;
	engine_post(&pair.qp[0], &wr);
	assert_int_equal(engine_wc(e, &e->node[0].cq).status, MLX5_CQE_SYNDROME_LOCAL_QP_OP_ERR);
	engine_disconnect(&pair);
}

/* ---- Memory that goes ------------------------------------------------------ */

static void take_away(struct engine_node *node, void *va, u64 len)
{
	u64 at;

	for (at = 0; at < len; at += 4096)
		vmm_user_unmap(node->vmm, client_iova(&node->c, (u8 *)va + at), 4096);
}

static void give_back(struct engine_node *node, void *va, u64 len)
{
	u64 at;

	for (at = 0; at < len; at += 4096)
		vmm_user_map(node->vmm, client_iova(&node->c, (u8 *)va + at), 4096);
}

static void test_send_queue_goes(void **state)
{
	struct engine *e = *state;
	struct engine_node *a = &e->node[0];
	struct engine_pair pair;

	engine_connect(e, MLX5_QP_ST_RC, &pair, NULL);
	take_away(a, pair.qp[0].mem.va, pair.qp[0].mem.len);
	shot(e, &pair.qp[0], MLX5_OPCODE_RDMA_WRITE, 8);
	engine_pass(e, 10000000);
	assert_int_equal(engine_qp_state(&pair.qp[0]), MLX5_QP_STATE_ERR);
	/* A later post ends nowhere, but it ends. */
	shot(e, &pair.qp[0], MLX5_OPCODE_RDMA_WRITE, 8);
	engine_pass(e, 10000000);
	give_back(a, pair.qp[0].mem.va, pair.qp[0].mem.len);
	engine_disconnect(&pair);
	engine_settle(e);
}

static void test_receive_queue_goes(void **state)
{
	struct engine *e = *state;
	struct engine_node *b = &e->node[1];
	struct engine_pair pair;

	engine_connect(e, MLX5_QP_ST_RC, &pair, NULL);
	engine_recv(&pair.qp[1], b, 1, 0, 8);
	take_away(b, pair.qp[1].mem.va, pair.qp[1].mem.len);
	shot(e, &pair.qp[0], MLX5_OPCODE_SEND, 8);
	assert_int_equal(engine_wc(e, &e->node[0].cq).status, MLX5_CQE_SYNDROME_REMOTE_OP_ERR);
	engine_event(e, b, MLX5_EVENT_TYPE_WQ_CATAS_ERROR, pair.qp[1].qpn);
	give_back(b, pair.qp[1].mem.va, pair.qp[1].mem.len);
	engine_disconnect(&pair);
}

/* The page of doorbell records goes: every queue of the client with it. */
static void test_records_go(void **state)
{
	struct engine *e = *state;
	struct engine_node *a = &e->node[0];
	void *page = (void *)((uintptr_t)a->cq.record.word & ~4095UL);
	struct engine_pair pair;

	engine_connect(e, MLX5_QP_ST_RC, &pair, NULL);
	take_away(a, page, 4096);
	shot(e, &pair.qp[0], MLX5_OPCODE_RDMA_WRITE, 8);
	engine_pass(e, 10000000);
	assert_int_equal(engine_qp_state(&pair.qp[0]), MLX5_QP_STATE_ERR);
	assert_int_equal(engine_qp_state(&pair.qp[1]), MLX5_QP_STATE_RTS);
	give_back(a, page, 4096);
	engine_disconnect(&pair);
}

static void test_cq_goes(void **state)
{
	struct engine *e = *state;
	struct engine_node *a = &e->node[0];
	struct client_qp_attr attr;
	struct client_cq_attr cq_attr;
	struct client_modify modify;
	struct client_qp qp[2];
	struct client_cq cq;
	u32 i;

	client_cq_attr_init(&cq_attr, 6);
	assert_int_equal(client_create_cq(&a->c, &cq_attr, &cq), 0);
	for (i = 0; i < 2; i++) {
		client_qp_attr_init(&attr, MLX5_QP_ST_RC, e->node[i].pd,
				    i ? &e->node[i].cq : &cq);
		assert_int_equal(client_create_qp(&e->node[i].c, &attr, &qp[i]), 0);
	}
	for (i = 0; i < 2; i++) {
		engine_modify(&e->node[!i], qp[!i].qpn, &modify);
		assert_int_equal(client_connect_qp(&qp[i], &modify), 0);
	}
	take_away(a, cq.mem.va, cq.mem.len);
	shot(e, &qp[0], MLX5_OPCODE_RDMA_WRITE, 8);
	engine_event(e, a, MLX5_EVENT_TYPE_CQ_ERROR, cq.cqn);
	engine_settle(e);
	assert_int_equal(engine_qp_state(&qp[0]), MLX5_QP_STATE_ERR);
	give_back(a, cq.mem.va, cq.mem.len);
	for (i = 0; i < 2; i++)
		assert_int_equal(client_destroy_qp(&qp[i]), 0);
	assert_int_equal(client_destroy_cq(&cq), 0);
}

/* ---- Held and lost --------------------------------------------------------- */

/* A long message over an SRQ stops halfway: its WQE comes back by a flush. */
static void test_held_srq_wqe(void **state)
{
	struct engine *e = *state;
	struct engine_node *b = &e->node[1];
	struct client_srq_attr srq_attr = {
		.type = CLIENT_SRQ, .pd = b->pd, .log_size = 3, .max_sge = 1,
	};
	struct client_sge sge;
	struct client_modify modify;
	struct client_qp_attr attr;
	struct client_qp qp[2];
	struct client_srq srq;
	struct client_wc wc;
	u32 i;

	assert_int_equal(client_create_srq(&b->c, &srq_attr, &srq), 0);
	for (i = 0; i < 2; i++) {
		client_qp_attr_init(&attr, MLX5_QP_ST_RC, e->node[i].pd, &e->node[i].cq);
		if (i) {
			attr.srq = &srq;
			attr.log_rq = CLIENT_NO_QUEUE;
		}
		assert_int_equal(client_create_qp(&e->node[i].c, &attr, &qp[i]), 0);
	}
	for (i = 0; i < 2; i++) {
		engine_modify(&e->node[!i], qp[!i].qpn, &modify);
		assert_int_equal(client_connect_qp(&qp[i], &modify), 0);
	}
	sge = engine_sge(b, 0, 1 << 20);
	assert_int_equal(client_post_srq(&srq, 33, &sge, 1), 0);
	shot(e, &qp[0], MLX5_OPCODE_SEND, 1 << 20);
	lanes_turn(&e->hca);
	lanes_turn(&e->hca);
	assert_int_equal(client_modify_qp(&qp[1], MLX5_CMD_OP_2ERR_QP, NULL), 0);
	wc = engine_wc(e, &b->cq);
	assert_int_equal(wc.status, MLX5_CQE_SYNDROME_WR_FLUSH_ERR);
	assert_int_equal(wc.wr_id, 33);
	assert_ptr_equal(wc.srq, &srq);
	engine_event(e, b, MLX5_EVENT_TYPE_SRQ_LAST_WQE, qp[1].qpn);
	for (i = 0; i < 2; i++)
		assert_int_equal(client_destroy_qp(&qp[i]), 0);
	assert_int_equal(client_destroy_srq(&srq), 0);
}

/* RDMA through an XRC target uses the keys of the SRQ that the message names. */
static void test_xrc_write(void **state)
{
	struct engine *e = *state;
	struct engine_node *a = &e->node[0], *b = &e->node[1];
	struct client_sge sge = engine_sge(a, 0, 100000);
	struct client_send wr = engine_send(MLX5_OPCODE_RDMA_WRITE_IMM, &sge);
	struct client_srq_attr srq_attr = {
		.type = CLIENT_XRC_SRQ, .pd = b->pd, .log_size = 3, .max_sge = 1,
		.cqn = b->cq.cqn,
	};
	struct client_modify modify;
	struct client_qp_attr attr;
	struct client_qp qp[2];
	struct client_srq srq;
	u32 xrcd[2], i;

	for (i = 0; i < 2; i++)
		assert_int_equal(client_alloc_xrcd(&e->node[i].c, &xrcd[i]), 0);
	srq_attr.xrcd = xrcd[1];
	assert_int_equal(client_create_srq(&b->c, &srq_attr, &srq), 0);
	for (i = 0; i < 2; i++) {
		client_qp_attr_init(&attr, MLX5_QP_ST_XRC, e->node[i].pd, &e->node[i].cq);
		attr.xrcd = xrcd[i];
		attr.log_rq = CLIENT_NO_QUEUE;
		if (i)
			attr.log_sq = CLIENT_NO_QUEUE;
		assert_int_equal(client_create_qp(&e->node[i].c, &attr, &qp[i]), 0);
	}
	for (i = 0; i < 2; i++) {
		engine_modify(&e->node[!i], qp[!i].qpn, &modify);
		assert_int_equal(client_connect_qp(&qp[i], &modify), 0);
	}
	wr.xrc_srqn = srq.srqn;
	wr.remote_addr = (uintptr_t)b->mem.va;
	wr.rkey = b->key;
	wr.imm = cpu_to_be32(5);
	sge = engine_sge(b, 0, 0);
	assert_int_equal(client_post_srq(&srq, 1, &sge, 1), 0);
	sge = engine_sge(a, 0, 100000);
	engine_fill(a->mem.va, 100000, 8);
	engine_post(&qp[0], &wr);
	assert_int_equal(engine_wc(e, &a->cq).status, 0);
	assert_int_equal(engine_wc(e, &b->cq).bytes, 100000);
	assert_true(engine_is(b->mem.va, 100000, 8));
	wr.opcode = MLX5_OPCODE_RDMA_READ;
	memset(a->mem.va, 0, 100000);
	engine_post(&qp[0], &wr);
	assert_int_equal(engine_wc(e, &a->cq).status, 0);
	assert_true(engine_is(a->mem.va, 100000, 8));
	/* The SRQ goes in the middle of a message, before its receive is complete. */
	wr.opcode = MLX5_OPCODE_RDMA_WRITE_IMM;
	sge = engine_sge(b, 0, 0);
	assert_int_equal(client_post_srq(&srq, 2, &sge, 1), 0);
	sge = engine_sge(a, 0, 1 << 20);
	engine_post(&qp[0], &wr);
	lanes_turn(&e->hca);
	lanes_turn(&e->hca);
	assert_int_equal(client_destroy_srq(&srq), 0);
	/* The target that held its WQE is in error now and answers no more. */
	engine_pass(e, 1000000000);
	assert_int_equal(engine_wc(e, &a->cq).status, MLX5_CQE_SYNDROME_TRANSPORT_RETRY_EXC_ERR);
	assert_int_equal(engine_qp_state(&qp[1]), MLX5_QP_STATE_ERR);
	for (i = 0; i < 2; i++)
		assert_int_equal(client_destroy_qp(&qp[i]), 0);
	for (i = 0; i < 2; i++)
		assert_int_equal(client_dealloc_xrcd(&e->node[i].c, xrcd[i]), 0);
}

/* ---- A full event queue ---------------------------------------------------- */

static void test_full_eq(void **state)
{
	struct engine *e = *state;
	struct engine_node *a = &e->node[0];
	struct client_cq_attr cq_attr;
	struct client_qp_attr attr;
	struct client_modify modify;
	struct client_qp qp[2];
	struct client_cq cq;
	struct client_eq eq;
	struct mlx5_eqe eqe;
	u32 i, n = 0;

	assert_int_equal(client_create_eq(&a->c, 2, 3, 0, &eq), 0);
	client_cq_attr_init(&cq_attr, 8);
	cq_attr.eqn = eq.eqn;
	assert_int_equal(client_create_cq(&a->c, &cq_attr, &cq), 0);
	for (i = 0; i < 2; i++) {
		client_qp_attr_init(&attr, MLX5_QP_ST_RC, e->node[i].pd,
				    i ? &e->node[i].cq : &cq);
		assert_int_equal(client_create_qp(&e->node[i].c, &attr, &qp[i]), 0);
	}
	for (i = 0; i < 2; i++) {
		engine_modify(&e->node[!i], qp[!i].qpn, &modify);
		assert_int_equal(client_connect_qp(&qp[i], &modify), 0);
	}
	/* Armed and fired more often than the EQ has places; nobody reads it. */
	for (i = 0; i < 8; i++) {
		client_arm_cq(&cq, false);
		engine_settle(e);
		shot(e, &qp[0], MLX5_OPCODE_RDMA_WRITE, 8);
		assert_int_equal(engine_wc(e, &cq).status, 0);
		cq.arm_sn++;
	}
	engine_settle(e);
	while (client_poll_eq(&eq, &eqe))
		n++;
	assert_int_equal(n, 4);
	/* Room again: the event that is owed comes by itself. */
	shot(e, &qp[0], MLX5_OPCODE_RDMA_WRITE, 8);
	client_arm_eq(&eq);
	engine_pass(e, 5000000);
	assert_true(client_poll_eq(&eq, &eqe));
	assert_int_equal(be32_to_cpu(eqe.data.comp.cqn) & 0xffffff, cq.cqn);
	for (i = 0; i < 2; i++)
		assert_int_equal(client_destroy_qp(&qp[i]), 0);
	assert_int_equal(client_destroy_cq(&cq), 0);
	assert_int_equal(client_destroy_eq(&eq), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_comm_est, engine_setup, engine_teardown),
		cmocka_unit_test_setup_teardown(test_no_timeout, engine_setup, engine_teardown),
		cmocka_unit_test_setup_teardown(test_inline_read, engine_setup, engine_teardown),
		cmocka_unit_test_setup_teardown(test_send_queue_goes, engine_setup,
						engine_teardown),
		cmocka_unit_test_setup_teardown(test_receive_queue_goes, engine_setup,
						engine_teardown),
		cmocka_unit_test_setup_teardown(test_records_go, engine_setup, engine_teardown),
		cmocka_unit_test_setup_teardown(test_cq_goes, engine_setup, engine_teardown),
		cmocka_unit_test_setup_teardown(test_held_srq_wqe, engine_setup,
						engine_teardown),
		cmocka_unit_test_setup_teardown(test_xrc_write, engine_setup, engine_teardown),
		cmocka_unit_test_setup_teardown(test_full_eq, engine_setup, engine_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
