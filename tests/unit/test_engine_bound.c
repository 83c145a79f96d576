// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* What a turn may do at most, and what nobody may do while he holds a lane's lock. */
#include "engine.h"

#define MANY		200
#define MOST		64	/* SOFT_TURN_REQUESTS */

static struct soft_lane *lane_of(struct engine_node *n)
{
	return soft_instance(n->vmm->inst)->lane;
}

static u32 length(const struct list_head *list)
{
	const struct list_head *at;
	u32 n = 0;

	list_for_each(at, list)
		n++;
	return n;
}

static struct soft_qp *qp_of(struct engine_node *n, const struct client_qp *qp)
{
	return soft_qp_find(n->vmm->inst, qp->qpn);
}

/* ---- Allocations ------------------------------------------------------- */

static struct engine *watched;
static u32 allocations;

static void watch(void)
{
	u32 i;

	allocations++;
	for (i = 0; i < watched->hca.n_lanes; i++)
		lockdep_assert_not_held(&watched->hca.lanes[i].lock);
}

/* Memory is waited for while others may run. Growing the timers' heap is part of it. */
static void test_allocations(void **state)
{
	struct engine *e = *state;
	struct engine_node *n = &e->node[0];
	struct engine_pair pair[MANY / 2];
	struct client_cq cq[MANY / 2];
	struct client_cq_attr attr;
	u32 i;

	watched = e;
	shim_watch_allocations(watch);
	for (i = 0; i < MANY / 2; i++) {
		engine_connect(e, MLX5_QP_ST_RC, &pair[i], NULL);
		client_cq_attr_init(&attr, 4);
		assert_int_equal(client_create_cq(&n->c, &attr, &cq[i]), 0);
	}
	shim_watch_allocations(NULL);
	assert_true(allocations > MANY);
	for (i = 0; i < MANY / 2; i++) {
		engine_disconnect(&pair[i]);
		assert_int_equal(client_destroy_cq(&cq[i]), 0);
	}
	assert_int_equal(lane_of(n)->timers.n, 0);
}

/* ---- A CQ with many QPs -------------------------------------------------- */

static void test_overrun_of_many(void **state)
{
	struct engine *e = *state;
	struct engine_node *a = &e->node[0];
	struct client_cq whole = a->cq, small;
	struct client_qp qp[MANY], other[MANY];
	struct engine_pair pair;
	struct client_cq_attr attr;
	struct soft_lane *lane = lane_of(a);
	struct client_sge sge = engine_sge(a, 0, 8);
	struct client_send wr = engine_send(MLX5_OPCODE_RDMA_WRITE, &sge);
	u32 i, most = 0, turns;

	client_cq_attr_init(&attr, 1);
	assert_int_equal(client_create_cq(&a->c, &attr, &small), 0);
	a->cq = small;
	for (i = 0; i < MANY; i++) {
		engine_connect(e, MLX5_QP_ST_RC, &pair, NULL);
		qp[i] = pair.qp[0];
		other[i] = pair.qp[1];
	}
	wr.remote_addr = (uintptr_t)e->node[1].mem.va;
	wr.rkey = e->node[1].key;
	for (i = 0; i < 4; i++)
		engine_post(&qp[0], &wr);
	for (turns = 0; turns < 1000; turns++) {
		soft_lane_turn(lane);
		most = max(most, length(&lane->failed));
	}
	/* Condemned a part at a time, and in the end all of them. */
	assert_in_range(most, 1, 2 * MOST);
	for (i = 0; i < MANY; i++) {
		assert_int_equal(qp_of(a, &qp[i])->state, MLX5_QP_STATE_ERR);
		assert_int_equal(client_destroy_qp(&qp[i]), 0);
		assert_int_equal(client_destroy_qp(&other[i]), 0);
	}
	a->cq = whole;
	assert_int_equal(client_destroy_cq(&small), 0);
}

/* ---- Many that wait for memory ------------------------------------------- */

static void test_memory_of_many(void **state)
{
	struct engine *e = *state;
	struct engine_node *a = &e->node[0];
	struct soft_lane *lane = lane_of(a);
	struct engine_pair pair[MANY];
	u32 i, waiting, next, turns = 0;
	u64 deadline;

	for (i = 0; i < MANY; i++)
		engine_connect(e, MLX5_QP_ST_RC, &pair[i], NULL);
	engine_settle(e);
	mutex_lock(&lane->lock);
	for (i = 0; i < MANY; i++) {
		struct soft_qp *qp = qp_of(a, &pair[i].qp[0]);

		qp->req.waiting = true;
		list_add_tail(&qp->base.memory_node, &lane->memory);
	}
	/* The worker that pinned waits for no lane. */
	e->hca.hca.ops->memory_ready(a->vmm->inst);
	mutex_unlock(&lane->lock);
	assert_false(soft_lane_may_sleep(lane, &deadline));
	for (waiting = MANY; waiting; waiting = next) {
		soft_lane_turn(lane);
		for (i = 0, next = 0; i < MANY; i++)
			next += qp_of(a, &pair[i].qp[0])->req.waiting;
		assert_in_range(waiting - next, 1, MOST);
		turns++;
	}
	assert_true(turns > 1);
	for (i = 0; i < MANY; i++)
		engine_disconnect(&pair[i]);
}

/* ---- Condemned while it is reset ------------------------------------------- */

static void *reset_qp(void *arg)
{
	soft_qp_reset(arg);
	return NULL;
}

/* A QP that a peer condemns in the middle of 2RST lives on after it. */
static void test_condemned_in_reset(void **state)
{
	struct engine *e = *state;
	struct engine_node *a = &e->node[0];
	struct soft_lane *lane = lane_of(a);
	struct client_modify modify;
	struct engine_pair pair;
	pthread_t thread;
	struct soft_qp *qp;

	engine_connect(e, MLX5_QP_ST_RC, &pair, NULL);
	qp = qp_of(a, &pair.qp[0]);
	mutex_lock(&qp->rsp.lock);
	assert_int_equal(pthread_create(&thread, NULL, reset_qp, qp), 0);
	/* It holds the lane's lock and comes to rsp.lock. */
	while (!mutex_is_locked(&lane->lock))
		sched_yield();
	usleep_range(20000, 20000);
	qp->rsp.dead = true;
	soft_lane_fail(&qp->base);
	mutex_unlock(&qp->rsp.lock);
	pthread_join(thread, NULL);
	engine_modify(&e->node[1], pair.qp[1].qpn, &modify);
	assert_int_equal(client_modify_qp(&pair.qp[0], MLX5_CMD_OP_RST2INIT_QP, &modify), 0);
	engine_settle(e);
	assert_int_equal(engine_qp_state(&pair.qp[0]), MLX5_QP_STATE_INIT);
	engine_disconnect(&pair);
}

int main(void)
{
#define TEST(name)	cmocka_unit_test_setup_teardown(test_##name, engine_setup, engine_teardown)
	const struct CMUnitTest tests[] = {
		TEST(allocations),
		TEST(overrun_of_many),
		TEST(memory_of_many),
		TEST(condemned_in_reset),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
