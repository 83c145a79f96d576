// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Weights and rates of instances, in virtual time: a look at the clock takes a while. */
#include <mhca/policy.h>
#include "engine.h"

#define SIZE	32768U
#define TURN_NS	50000U		/* between a lane's turns */

/* A completion takes so long, in test_weights(): looks at the clock take no time there. */
static u64 cqe_ns;

void __wrap_mhca_guest_dirty(struct mhca_instance *inst, const void *ptr, u32 len);
void __real_mhca_guest_dirty(struct mhca_instance *inst, const void *ptr, u32 len);

void __wrap_mhca_guest_dirty(struct mhca_instance *inst, const void *ptr, u32 len)
{
	shim_clock_advance(cqe_ns);
	__real_mhca_guest_dirty(inst, ptr, len);
}

static struct engine *share_create(void)
{
	struct engine *e = engine_create(&engine_params, 1);

	shim_clock_fake(true);
	return e;
}

static void share_destroy(struct engine *e)
{
	shim_clock_step(0);
	engine_settle(e);
	engine_destroy(e);
}

static void configure(struct engine *e, u32 end, enum mhca_policy_id id, u64 value)
{
	struct mhca_policy policy = e->node[end].vmm->inst->policy;

	policy.value[id] = value;
	mhca_policy_apply(e->node[end].vmm->inst, &policy);
}

/* Keep the QPs of node @end busy; bytes that were completed since the last time. */
static u64 keep_busy(struct engine *e, u32 end, struct engine_pair *pair, u32 n, u8 opcode,
		     u32 size)
{
	struct engine_node *from = &e->node[end], *to = &e->node[!end];
	struct client_sge sge = engine_sge(from, 0, size);
	struct client_send wr = engine_send(opcode, &sge);
	u64 done = 0;
	struct client_wc wc;
	u32 i;

	wr.remote_addr = (uintptr_t)to->mem.va;
	wr.rkey = to->key;
	for (i = 0; i < n; i++)
		while (pair[i].qp[end].sq.head - pair[i].qp[end].sq.tail < 16)
			engine_post(&pair[i].qp[end], &wr);
	while (client_poll_cq(&from->cq, 1, &wc)) {
		assert_int_equal(wc.status, 0);
		done += size;
	}
	return done;
}

static void drain(struct engine *e, u32 end)
{
	struct client_wc wc;
	u32 i;

	/* 16 messages of several QPs, whatever their rate. */
	configure(e, end, MHCA_POLICY_RATE_MBPS, 0);
	for (i = 0; i < 2000; i++) {
		shim_clock_advance(1000000);
		lanes_turn(&e->hca);
		while (client_poll_cq(&e->node[end].cq, 1, &wc))
			assert_int_equal(wc.status, 0);
	}
}

/* Shares of a saturated lane are as the weights, however many QPs each one uses. */
static void test_weights(void **state)
{
	static const u32 weights[] = { 100, 200, 400, 1000 };
	struct engine *e = share_create();
	struct engine_pair pair[9];
	u32 k, i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(pair); i++)
		engine_connect(e, MLX5_QP_ST_RC, &pair[i], NULL);
	for (k = 0; k < ARRAY_SIZE(weights); k++) {
		u64 done[2] = { 0 }, ratio;

		configure(e, 1, MHCA_POLICY_WEIGHT, weights[k]);
		configure(e, 0, MHCA_POLICY_WEIGHT, 100);
		cqe_ns = 2000;
		for (i = 0; i < 4000; i++) {
			u64 a = keep_busy(e, 0, pair, 8, MLX5_OPCODE_RDMA_WRITE, SIZE);
			u64 b = keep_busy(e, 1, pair + 8, 1, MLX5_OPCODE_RDMA_WRITE, SIZE);

			/* Once both are under way. */
			if (i > 100) {
				done[0] += a;
				done[1] += b;
			}
			lanes_turn(&e->hca);
		}
		cqe_ns = 0;
		ratio = done[1] * 100 / done[0];
		print_message("weights 100:%u, shares 100:%llu\n", weights[k],
			      (unsigned long long)ratio);
		assert_in_range(ratio, weights[k] * 9 / 10, weights[k] * 11 / 10);
		drain(e, 0);
		drain(e, 1);
	}
	for (i = 0; i < ARRAY_SIZE(pair); i++)
		engine_disconnect(&pair[i]);
	share_destroy(e);
}

static bool throttled(struct engine *e)
{
	return ((struct soft_instance *)e->node[0].vmm->inst->backend)->throttled;
}

static u64 rated_seconds(struct engine *e, struct engine_pair *pair, u64 seconds, u8 opcode,
			 u32 size, u64 late_ns)
{
	u64 end = ktime_get_ns() + seconds * NSEC_PER_SEC, bytes = 0;

	while (ktime_get_ns() < end) {
		bytes += keep_busy(e, 0, pair, 2, opcode, size);
		lanes_turn(&e->hca);
		shim_clock_advance(throttled(e) ? late_ns : TURN_NS);
	}
	return bytes;
}

/* @late_ns: that the lane sleeps when the instance has to wait, however little */
struct rate_case {
	u64 mbps;
	u8 opcode;
	u32 size;
	u64 seconds;
	u64 late_ns;
};

static const struct rate_case rate_cases[] = {
	{ 1, MLX5_OPCODE_RDMA_WRITE, SIZE, 20, TURN_NS },
	{ 100, MLX5_OPCODE_RDMA_WRITE, SIZE, 10, TURN_NS },
	{ 100, MLX5_OPCODE_RDMA_READ, SIZE, 10, TURN_NS },
	{ 100, MLX5_OPCODE_RDMA_WRITE, 64, 2, TURN_NS },
	{ 1000, MLX5_OPCODE_RDMA_WRITE, 2 * SIZE, 10, TURN_NS },
	/* The burst is worth 5 ms of it. */
	{ 100, MLX5_OPCODE_RDMA_WRITE, SIZE, 10, 20 * NSEC_PER_MSEC },
};

/* The rate is held for every opcode and size. */
static void test_rates(void **state)
{
	struct engine *e = share_create();
	struct engine_pair pair[2];
	u32 i, k;

	(void)state;
	for (i = 0; i < 2; i++)
		engine_connect(e, MLX5_QP_ST_RC, &pair[i], NULL);
	configure(e, 0, MHCA_POLICY_BURST_KB, 64);
	for (k = 0; k < ARRAY_SIZE(rate_cases); k++) {
		const struct rate_case *c = &rate_cases[k];
		u64 expected = c->mbps * 125000 * c->seconds, bytes;

		configure(e, 0, MHCA_POLICY_RATE_MBPS, c->mbps);
		/* What the burst allows does not count. */
		rated_seconds(e, pair, 1, c->opcode, c->size, c->late_ns);
		bytes = rated_seconds(e, pair, c->seconds, c->opcode, c->size, c->late_ns);
		print_message("%llu Mbit/s, %u bytes: %llu of %llu\n", (unsigned long long)c->mbps,
			      c->size, (unsigned long long)bytes, (unsigned long long)expected);
		if (c->size > 64)
			assert_in_range(bytes, expected * 97 / 100, expected * 103 / 100);
		else
			assert_true(bytes <= expected * 103 / 100);
		drain(e, 0);
	}
	assert_true(atomic64_read(&e->node[0].vmm->inst->counters.rate_wait_us) > 10000000);
	for (i = 0; i < 2; i++)
		engine_disconnect(&pair[i]);
	share_destroy(e);
}

/* While an instance waits for its rate the lane may sleep, and knows until when. */
static void test_throttled_sleep(void **state)
{
	struct engine *e = share_create();
	struct engine_pair pair;
	u64 deadline, start;
	u32 i;

	(void)state;
	engine_connect(e, MLX5_QP_ST_RC, &pair, NULL);
	configure(e, 0, MHCA_POLICY_RATE_MBPS, 1);
	configure(e, 0, MHCA_POLICY_BURST_KB, 16);
	keep_busy(e, 0, &pair, 1, MLX5_OPCODE_RDMA_WRITE, SIZE);
	for (i = 0; i < 500; i++)
		lanes_turn(&e->hca);
	start = ktime_get_ns();
	assert_true(e->node[0].vmm->inst->backend);
	assert_true(throttled(e));
	assert_true(list_empty(&e->hca.lanes[0].active));
	soft_lane_may_sleep(&e->hca.lanes[0], &deadline);
	assert_in_range(deadline, start, start + NSEC_PER_SEC);
	drain(e, 0);
	engine_disconnect(&pair);
	share_destroy(e);
}

/* QPs and the instance itself may go while they wait; a reset forgets the wait. */
static void test_throttled_end(void **state)
{
	struct engine *e = share_create();
	struct engine_pair pair;
	u32 i;

	(void)state;
	for (i = 0; i < 3; i++) {
		engine_connect(e, MLX5_QP_ST_RC, &pair, NULL);
		configure(e, 0, MHCA_POLICY_RATE_MBPS, 1);
		keep_busy(e, 0, &pair, 1, MLX5_OPCODE_RDMA_WRITE, SIZE);
		lanes_turn(&e->hca);
		lanes_turn(&e->hca);
		engine_disconnect(&pair);
		engine_pass(e, i * 300000000ULL);
	}
	share_destroy(e);
}

/* Turns until a WRITE of a MiB is complete, beside a busy neighbour or none. */
static u32 turns_of_a_mib(struct engine *e, struct engine_pair *pair, bool crowd)
{
	struct engine_node *from = &e->node[0], *to = &e->node[1];
	struct client_sge sge = engine_sge(from, 0, 1 << 20);
	struct client_send wr = engine_send(MLX5_OPCODE_RDMA_WRITE, &sge);
	struct client_wc wc;
	u32 turns;

	wr.remote_addr = (uintptr_t)to->mem.va;
	wr.rkey = to->key;
	if (crowd)
		keep_busy(e, 1, &pair[1], 1, MLX5_OPCODE_RDMA_WRITE, SIZE);
	lanes_turn(&e->hca);
	engine_post(&pair[0].qp[0], &wr);
	for (turns = 0; !client_poll_cq(&from->cq, 1, &wc); turns++) {
		assert_in_range(turns, 0, 1000);
		if (crowd)
			keep_busy(e, 1, &pair[1], 1, MLX5_OPCODE_RDMA_WRITE, SIZE);
		lanes_turn(&e->hca);
	}
	return turns;
}

/* A big message does not hold up others; without others it is moved at once. */
static void test_crowd(void **state)
{
	static const struct soft_lane_params params = {
		.idle_us = 1000, .idle_polls = 100, .wqe_budget = 16, .byte_budget = 1 << 20,
		.qp_polls = 4, .sweep = 4, .error_poll_ms = 2,
	};
	struct engine *e = engine_create(&params, 1);
	struct engine_pair pair[2];
	u32 i;

	(void)state;
	shim_clock_fake(true);
	for (i = 0; i < ARRAY_SIZE(pair); i++)
		engine_connect(e, MLX5_QP_ST_RC, &pair[i], NULL);
	assert_in_range(turns_of_a_mib(e, pair, false), 1, 2);
	assert_in_range(turns_of_a_mib(e, pair, true), 10, 100);
	drain(e, 1);
	for (i = 0; i < ARRAY_SIZE(pair); i++)
		engine_disconnect(&pair[i]);
	share_destroy(e);
}

/* What one's lane spends on another is the other's too, up to a bound; nothing is free. */
static void test_charge(void **state)
{
	struct engine *e = share_create();
	struct soft_instance *from = soft_instance(e->node[0].vmm->inst);
	struct soft_instance *to = soft_instance(e->node[1].vmm->inst);
	u64 before[2] = { from->used, to->used };

	(void)state;
	mutex_lock(&from->lane->lock);
	soft_share_charge(to, 1000);
	soft_share_charge(to, 500);
	soft_share_used(from, 5000);
	soft_share_used(to, 0);
	soft_share_used(to, 0);
	assert_int_equal(from->used - before[0], 5000);
	assert_int_equal(to->used - before[1], 1500);
	/* Nobody is locked out for long. */
	soft_share_charge(to, 60 * NSEC_PER_SEC);
	soft_share_used(to, 10);
	assert_int_equal(to->used - before[1], 1510 + 10 * NSEC_PER_MSEC);
	mutex_unlock(&from->lane->lock);
	share_destroy(e);
}

/* ns until a WRITE of node 0 is complete, beside a busy node 1. */
static u64 time_of_a_write(struct engine *e, struct engine_pair *pair)
{
	struct client_sge sge = engine_sge(&e->node[0], 0, 8);
	struct client_send wr = engine_send(MLX5_OPCODE_RDMA_WRITE, &sge);
	u64 begin = ktime_get_ns();
	struct client_wc wc;
	u32 i;

	wr.remote_addr = (uintptr_t)e->node[1].mem.va;
	wr.rkey = e->node[1].key;
	engine_post(&pair[0].qp[0], &wr);
	for (i = 0; !client_poll_cq(&e->node[0].cq, 1, &wc); i++) {
		assert_true(i < 100000);
		keep_busy(e, 1, &pair[1], 1, MLX5_OPCODE_RDMA_WRITE, SIZE);
		lanes_turn(&e->hca);
	}
	return ktime_get_ns() - begin;
}

static void owe(struct soft_instance *si)
{
	soft_share_charge(si, 8 * NSEC_PER_MSEC);
	mutex_lock(&si->lane->lock);
	soft_share_used(si, 0);
	mutex_unlock(&si->lane->lock);
}

/* What a reset does to the lane's lists. The command itself would let node 1 finish. */
static void forget(struct engine *e, struct engine_pair *pair)
{
	struct mhca_object *obj = mhca_object_find(e->node[0].vmm->inst, MHCA_QP,
						   pair->qp[0].qpn);
	struct soft_qp *qp = container_of(obj, struct soft_qp, base.obj);

	mutex_lock(&qp->base.si->lane->lock);
	soft_lane_forget_qp(qp->base.si->lane, &qp->base);
	mutex_unlock(&qp->base.si->lane->lock);
}

/* Who owes lane time owes it also after a reset of its queues, and a bounded time. */
static void test_debt(void **state)
{
	struct engine *e = share_create();
	struct soft_instance *si = soft_instance(e->node[0].vmm->inst);
	struct engine_pair pair[2];
	u32 i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(pair); i++)
		engine_connect(e, MLX5_QP_ST_RC, &pair[i], NULL);
	cqe_ns = 2000;
	for (i = 0; i < 100; i++) {
		keep_busy(e, 1, &pair[1], 1, MLX5_OPCODE_RDMA_WRITE, SIZE);
		lanes_turn(&e->hca);
	}
	assert_in_range(time_of_a_write(e, pair), 0, NSEC_PER_MSEC);
	/* A debt that comes while it is idle, … */
	soft_share_charge(si, 4 * NSEC_PER_MSEC);
	assert_in_range(time_of_a_write(e, pair), 3 * NSEC_PER_MSEC, 6 * NSEC_PER_MSEC);
	/* … and while its queue is there, which then goes. */
	owe(si);
	forget(e, &pair[0]);
	assert_in_range(time_of_a_write(e, pair), 6 * NSEC_PER_MSEC, 12 * NSEC_PER_MSEC);
	/* When nobody wants the lane nobody owes anything. */
	owe(si);
	drain(e, 1);
	forget(e, &pair[0]);
	assert_in_range(time_of_a_write(e, pair), 0, NSEC_PER_MSEC);
	cqe_ns = 0;
	drain(e, 1);
	for (i = 0; i < ARRAY_SIZE(pair); i++)
		engine_disconnect(&pair[i]);
	share_destroy(e);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_weights),
		cmocka_unit_test(test_crowd),
		cmocka_unit_test(test_rates),
		cmocka_unit_test(test_throttled_sleep),
		cmocka_unit_test(test_throttled_end),
		cmocka_unit_test(test_charge),
		cmocka_unit_test(test_debt),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
