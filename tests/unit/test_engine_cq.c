// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Completion queues: arming, events, moderation, overrun, resize under way. */
#include "engine.h"

static struct engine_pair pair;

static void write_once(struct engine *e, u32 flags)
{
	struct client_sge sge = engine_sge(&e->node[0], 0, 8);
	struct client_send wr = engine_send(MLX5_OPCODE_RDMA_WRITE, &sge);

	wr.flags = flags;
	wr.remote_addr = (uintptr_t)e->node[1].mem.va;
	wr.rkey = e->node[1].key;
	engine_post(&pair.qp[0], &wr);
	engine_settle(e);
}

static void send_once(struct engine *e, u32 flags)
{
	struct client_sge sge = engine_sge(&e->node[0], 0, 8);
	struct client_send wr = engine_send(MLX5_OPCODE_SEND, &sge);

	wr.flags |= flags;
	engine_recv(&pair.qp[1], &e->node[1], 1, 0, 8);
	engine_post(&pair.qp[0], &wr);
	engine_settle(e);
}

/* Completion events that came since, all for @cqn. */
static u32 events(struct engine *e, struct engine_node *node, u32 cqn)
{
	struct mlx5_eqe eqe;
	u32 n = 0;

	engine_settle(e);
	while (client_poll_eq(&node->c.comp_eq, &eqe)) {
		assert_int_equal(eqe.type, MLX5_EVENT_TYPE_COMP);
		assert_int_equal(be32_to_cpu(eqe.data.comp.cqn) & 0xffffff, cqn);
		n++;
	}
	client_arm_eq(&node->c.comp_eq);
	return n;
}

static void drain(struct engine *e, struct client_cq *cq)
{
	struct client_wc wc;

	engine_settle(e);
	while (client_poll_cq(cq, 1, &wc))
		assert_int_equal(wc.status, 0);
}

/* The driver counts an event before it arms again. */
static void rearm(struct engine *e, struct client_cq *cq, bool solicited)
{
	cq->arm_sn++;
	client_arm_cq(cq, solicited);
	engine_settle(e);
}

static void test_arm(void **state)
{
	struct engine *e = *state;
	struct engine_node *a = &e->node[0];

	engine_connect(e, MLX5_QP_ST_RC, &pair, NULL);
	/* Not armed: no event. */
	write_once(e, CLIENT_SIGNALED);
	assert_int_equal(events(e, a, a->cq.cqn), 0);
	drain(e, &a->cq);
	/* The first arm of a CQ is a word of zeros but for the index. */
	client_arm_cq(&a->cq, false);
	engine_settle(e);
	assert_int_equal(events(e, a, a->cq.cqn), 0);
	write_once(e, CLIENT_SIGNALED);
	assert_int_equal(events(e, a, a->cq.cqn), 1);
	/* One event for one arm. */
	write_once(e, CLIENT_SIGNALED);
	assert_int_equal(events(e, a, a->cq.cqn), 0);
	/* Armed while CQEs wait: at once. */
	rearm(e, &a->cq, false);
	assert_int_equal(events(e, a, a->cq.cqn), 1);
	drain(e, &a->cq);
	rearm(e, &a->cq, false);
	assert_int_equal(events(e, a, a->cq.cqn), 0);
	engine_disconnect(&pair);
}

/* The very first arm, before anything: all zeros over the record's zeros. */
static void test_first_arm(void **state)
{
	struct engine *e = *state;
	struct engine_node *a = &e->node[0];

	engine_connect(e, MLX5_QP_ST_RC, &pair, NULL);
	client_arm_cq(&a->cq, false);
	assert_int_equal(a->cq.record.word[1], 0);
	engine_settle(e);
	write_once(e, CLIENT_SIGNALED);
	assert_int_equal(events(e, a, a->cq.cqn), 1);
	engine_disconnect(&pair);
}

static void test_solicited(void **state)
{
	struct engine *e = *state;
	struct engine_node *b = &e->node[1];

	engine_connect(e, MLX5_QP_ST_RC, &pair, NULL);
	client_arm_cq(&b->cq, true);
	send_once(e, 0);
	assert_int_equal(events(e, b, b->cq.cqn), 0);
	send_once(e, CLIENT_SOLICITED);
	assert_int_equal(events(e, b, b->cq.cqn), 1);
	drain(e, &b->cq);
	/* Solicited ones that were seen do not count; one that waits does. */
	rearm(e, &b->cq, true);
	assert_int_equal(events(e, b, b->cq.cqn), 0);
	client_arm_cq(&b->cq, false);
	send_once(e, 0);
	assert_int_equal(events(e, b, b->cq.cqn), 1);
	/* An error is always solicited. */
	drain(e, &b->cq);
	rearm(e, &b->cq, true);
	engine_recv(&pair.qp[1], b, 1, 0, 8);
	assert_int_equal(client_modify_qp(&pair.qp[1], MLX5_CMD_OP_2ERR_QP, NULL), 0);
	assert_int_equal(events(e, b, b->cq.cqn), 1);
	engine_disconnect(&pair);
}

static void test_moderation(void **state)
{
	struct engine *e = *state;
	struct engine_node *a = &e->node[0];
	u32 i;

	engine_connect(e, MLX5_QP_ST_RC, &pair, NULL);
	assert_int_equal(client_modify_cq(&a->cq, 100, 4), 0);
	client_arm_cq(&a->cq, false);
	for (i = 0; i < 3; i++)
		write_once(e, CLIENT_SIGNALED);
	assert_int_equal(events(e, a, a->cq.cqn), 0);
	write_once(e, CLIENT_SIGNALED);
	assert_int_equal(events(e, a, a->cq.cqn), 1);
	drain(e, &a->cq);
	/* Fewer: when the period is over. */
	engine_pass(e, 1000000);
	rearm(e, &a->cq, false);
	write_once(e, CLIENT_SIGNALED);
	assert_int_equal(events(e, a, a->cq.cqn), 0);
	engine_pass(e, 90000);
	assert_int_equal(events(e, a, a->cq.cqn), 0);
	engine_pass(e, 20000);
	assert_int_equal(events(e, a, a->cq.cqn), 1);
	engine_disconnect(&pair);
}

/* Nobody polls: the CQ fails, says so, and takes its QPs with it. */
static void test_overrun(void **state)
{
	struct engine *e = *state;
	struct engine_node *a = &e->node[0];
	u32 i;

	engine_connect(e, MLX5_QP_ST_RC, &pair, NULL);
	for (i = 0; i < 257; i++) {
		/* Nothing is polled, so the test makes room in the send queue. */
		pair.qp[0].sq.tail = pair.qp[0].sq.head;
		write_once(e, CLIENT_SIGNALED);
	}
	engine_event(e, a, MLX5_EVENT_TYPE_CQ_ERROR, a->cq.cqn);
	engine_settle(e);
	assert_int_equal(engine_qp_state(&pair.qp[0]), MLX5_QP_STATE_ERR);
	assert_int_equal(atomic64_read(&a->vmm->inst->counters.cq_overruns), 1);
	/* What was in it is still right. */
	for (i = 0; i < 256; i++)
		assert_int_equal(engine_wc(e, &a->cq).status, 0);
	engine_no_wc(e, &a->cq);
	engine_disconnect(&pair);
}

static void test_resize(void **state)
{
	struct engine *e = *state;
	struct engine_node *a = &e->node[0];
	u32 round, i;

	engine_connect(e, MLX5_QP_ST_RC, &pair, NULL);
	for (round = 0; round < 20; round++) {
		for (i = 0; i < 13; i++)
			write_once(e, CLIENT_SIGNALED);
		assert_int_equal(client_resize_cq(&a->cq, 5 + round % 5), 0);
		for (i = 0; i < 5; i++)
			write_once(e, CLIENT_SIGNALED);
		for (i = 0; i < 18; i++)
			assert_int_equal(engine_wc(e, &a->cq).status, 0);
		engine_no_wc(e, &a->cq);
	}
	engine_disconnect(&pair);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_arm, engine_setup, engine_teardown),
		cmocka_unit_test_setup_teardown(test_first_arm, engine_setup, engine_teardown),
		cmocka_unit_test_setup_teardown(test_solicited, engine_setup, engine_teardown),
		cmocka_unit_test_setup_teardown(test_moderation, engine_setup, engine_teardown),
		cmocka_unit_test_setup_teardown(test_overrun, engine_setup, engine_teardown),
		cmocka_unit_test_setup_teardown(test_resize, engine_setup, engine_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
