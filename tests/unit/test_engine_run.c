// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The two steps in which an instance is stopped for migration: first it begins nothing,
 * then nothing of it moves, and what its peers send waits. Going back, all goes on.
 */
#include <mhca/migrate.h>
#include "engine.h"

static void run(struct engine_node *node, enum mhca_run run)
{
	assert_int_equal(mhca_instance_run(node->vmm->inst, run), 0);
}

static void hasty(struct client_qp_attr *attr, struct client_modify *modify, u32 end)
{
	modify->ack_timeout = 8;	/* 1 ms */
	modify->retry = 1;
}

/* In the first step nothing of its own begins, and peers are answered. */
static void test_responder_answers(void **state)
{
	struct engine *e = *state;
	struct engine_node *a = &e->node[0], *b = &e->node[1];
	struct engine_pair pair;
	struct client_send wr;
	struct client_sge sge;

	engine_connect(e, MLX5_QP_ST_RC, &pair, hasty);
	run(a, MHCA_RUN_RESPONDER);
	wr = engine_message(e, 0, MLX5_OPCODE_RDMA_WRITE, &sge);
	engine_fill(a->mem.va, 256, 1);
	engine_post(&pair.qp[0], &wr);
	engine_pass(e, 20 * NSEC_PER_MSEC);
	engine_no_wc(e, &a->cq);
	assert_false(engine_is(b->mem.va + PAGE_SIZE, 256, 1));

	engine_recv(&pair.qp[0], a, 7, 2 * PAGE_SIZE, 256);
	wr = engine_message(e, 1, MLX5_OPCODE_SEND, &sge);
	engine_fill(b->mem.va, 256, 2);
	engine_post(&pair.qp[1], &wr);
	assert_int_equal(engine_wc(e, &b->cq).status, 0);
	assert_int_equal(engine_wc(e, &a->cq).wr_id, 7);
	assert_true(engine_is(a->mem.va + 2 * PAGE_SIZE, 256, 2));

	run(a, MHCA_RUN_ALL);
	assert_int_equal(engine_wc(e, &a->cq).status, 0);
	engine_disconnect(&pair);
}

/* A message that is under way in the first step goes on to its end. */
static void test_message_ends(void **state)
{
	struct engine *e = *state;
	struct engine_node *a = &e->node[0], *b = &e->node[1];
	struct engine_pair pair;
	struct client_send wr;
	struct client_sge sge;
	u32 i;

	engine_connect(e, MLX5_QP_ST_RC, &pair, hasty);
	engine_fill(a->mem.va, 1 << 20, 3);
	wr = engine_message(e, 0, MLX5_OPCODE_RDMA_WRITE, &sge);
	sge.len = 1 << 20;
	engine_post(&pair.qp[0], &wr);
	for (i = 0; i < 4; i++)
		lanes_turn(&e->hca);
	assert_false(engine_is(b->mem.va + PAGE_SIZE, 1 << 20, 3));
	engine_post(&pair.qp[0], &wr);
	run(a, MHCA_RUN_RESPONDER);
	assert_int_equal(engine_wc(e, &a->cq).status, 0);
	assert_true(engine_is(b->mem.va + PAGE_SIZE, 1 << 20, 3));
	engine_no_wc(e, &a->cq);
	run(a, MHCA_RUN_ALL);
	assert_int_equal(engine_wc(e, &a->cq).status, 0);
	engine_disconnect(&pair);
}

/* A peer waits for as long as it may, and spends no retries: far longer than they last. */
static void test_peers_wait(void **state)
{
	static const u8 types[] = { MLX5_QP_ST_RC, MLX5_QP_ST_UC };
	static const u8 opcodes[] = {
		MLX5_OPCODE_RDMA_WRITE, MLX5_OPCODE_SEND, MLX5_OPCODE_RDMA_READ,
		MLX5_OPCODE_ATOMIC_FA,
	};
	struct engine *e = *state;
	struct engine_node *a = &e->node[0], *b = &e->node[1];
	struct engine_pair pair;
	struct client_send wr;
	struct client_sge sge;
	u32 t, i, n;

	for (t = 0; t < ARRAY_SIZE(types); t++) {
		n = types[t] == MLX5_QP_ST_RC ? ARRAY_SIZE(opcodes) : 2;
		engine_connect(e, types[t], &pair, types[t] == MLX5_QP_ST_RC ? hasty : NULL);
		for (i = 0; i < n; i++) {
			engine_fill(a->mem.va, 256, i);
			engine_recv(&pair.qp[1], b, 7, PAGE_SIZE, 256);
			wr = engine_message(e, 0, opcodes[i], &sge);
			run(b, MHCA_RUN_RESPONDER);
			run(b, MHCA_RUN_NONE);
			engine_post(&pair.qp[0], &wr);
			engine_pass(e, 2 * NSEC_PER_SEC);
			engine_no_wc(e, &a->cq);
			run(b, MHCA_RUN_RESPONDER);
			assert_int_equal(engine_wc(e, &a->cq).status, 0);
			if (opcodes[i] == MLX5_OPCODE_SEND)
				assert_int_equal(engine_wc(e, &b->cq).wr_id, 7);
			if (i < 2)
				assert_true(engine_is(b->mem.va + PAGE_SIZE, 256, i));
			run(b, MHCA_RUN_ALL);
		}
		engine_disconnect(&pair);
	}
}

/* … but not for ever: then it is as if nobody were there. */
static void test_peers_give_up(void **state)
{
	struct engine *e = *state;
	struct engine_node *a = &e->node[0], *b = &e->node[1];
	struct engine_pair pair;
	struct client_send wr;
	struct client_sge sge;

	engine_connect(e, MLX5_QP_ST_RC, &pair, hasty);
	wr = engine_message(e, 0, MLX5_OPCODE_RDMA_WRITE, &sge);
	run(b, MHCA_RUN_NONE);
	engine_post(&pair.qp[0], &wr);
	engine_pass(e, MHCA_AWAY_NS - NSEC_PER_SEC);
	engine_no_wc(e, &a->cq);
	engine_pass(e, 2 * NSEC_PER_SEC);
	assert_int_equal(engine_wc(e, &a->cq).status, MLX5_CQE_SYNDROME_TRANSPORT_RETRY_EXC_ERR);
	run(b, MHCA_RUN_ALL);
	engine_disconnect(&pair);
}

/* The command queue: what is rung while nothing begins is executed afterwards. */
static void test_commands_wait(void **state)
{
	struct engine *e = *state;
	struct engine_node *a = &e->node[0];
	u8 in[MLX5_ST_SZ_BYTES(alloc_pd_in)] = { 0 };
	u8 out[MLX5_ST_SZ_BYTES(alloc_pd_out)];
	static const enum mhca_run stops[] = { MHCA_RUN_RESPONDER, MHCA_RUN_NONE };
	u32 i, before;

	MLX5_SET(alloc_pd_in, in, opcode, MLX5_CMD_OP_ALLOC_PD);
	for (i = 0; i < ARRAY_SIZE(stops); i++) {
		before = a->vmm->inst->object_count[MHCA_PD];
		run(a, stops[i]);
		assert_int_equal(client_cmd_fill(&a->c, 0, in, sizeof(in), sizeof(out)), 0);
		client_cmd_ring(&a->c, 1);
		engine_pass(e, 20 * NSEC_PER_MSEC);
		assert_int_equal(a->vmm->inst->object_count[MHCA_PD], before);
		run(a, MHCA_RUN_ALL);
		assert_int_equal(client_cmd_wait(&a->c, 0, 1000), 0);
		client_cmd_output(&a->c, 0, out, sizeof(out));
		assert_int_equal(MLX5_GET(alloc_pd_out, out, status), 0);
		assert_int_equal(client_dealloc_pd(&a->c, MLX5_GET(alloc_pd_out, out, pd)), 0);
	}
}

/* Bus mastering and migration both have to allow it, in whatever order they come. */
static void test_both_gates(void **state)
{
	struct engine *e = *state;
	struct mhca_instance *inst = e->node[0].vmm->inst;

	run(&e->node[0], MHCA_RUN_NONE);
	mhca_instance_set_master(inst, false);
	run(&e->node[0], MHCA_RUN_ALL);
	assert_false(inst->dma || inst->begins);
	run(&e->node[0], MHCA_RUN_NONE);
	mhca_instance_set_master(inst, true);
	assert_false(inst->dma || inst->begins);
	run(&e->node[0], MHCA_RUN_RESPONDER);
	assert_true(inst->dma && !inst->begins);
	run(&e->node[0], MHCA_RUN_ALL);
	assert_true(inst->dma && inst->begins);
}

int main(void)
{
#define TEST(name)	cmocka_unit_test_setup_teardown(test_##name, engine_setup, engine_teardown)
	const struct CMUnitTest tests[] = {
		TEST(responder_answers),
		TEST(message_ends),
		TEST(peers_wait),
		TEST(peers_give_up),
		TEST(commands_wait),
		TEST(both_gates),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
