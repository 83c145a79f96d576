// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Lanes: hidden doorbells, idle pages, budgets, messages whose end is cut off. */
#include "engine.h"

#define MANY	40

static void write_to(struct engine *e, struct client_qp *qp, u32 at, u32 len)
{
	struct client_sge sge = engine_sge(&e->node[0], at, len);
	struct client_send wr = engine_send(MLX5_OPCODE_RDMA_WRITE, &sge);

	wr.remote_addr = (uintptr_t)e->node[1].mem.va + at;
	wr.rkey = e->node[1].key;
	engine_post(qp, &wr);
}

/* All QPs ring the same register before anyone looks: one store is seen, all are served. */
static void test_hidden_doorbells(void **state)
{
	struct engine *e = *state;
	struct engine_pair pair[MANY];
	u32 i;

	for (i = 0; i < MANY; i++)
		engine_connect(e, MLX5_QP_ST_RC, &pair[i], NULL);
	/* Until none of them is looked at any more for its own sake. */
	engine_pass(e, 500000);
	for (i = 0; i < MANY; i++)
		write_to(e, &pair[i].qp[0], i * 8, 8);
	for (i = 0; i < MANY; i++)
		assert_int_equal(engine_wc(e, &e->node[0].cq).status, 0);
	for (i = 0; i < MANY; i++)
		engine_disconnect(&pair[i]);
}

/* A record without any doorbell is found when the next one on its page rings. */
static void test_no_doorbell(void **state)
{
	struct engine *e = *state;
	struct engine_pair silent, loud;

	engine_connect(e, MLX5_QP_ST_RC, &silent, NULL);
	engine_connect(e, MLX5_QP_ST_RC, &loud, NULL);
	engine_pass(e, 500000);
	silent.qp[0].no_doorbell = true;
	write_to(e, &silent.qp[0], 0, 8);
	write_to(e, &loud.qp[0], 8, 8);
	assert_int_equal(engine_wc(e, &e->node[0].cq).status, 0);
	assert_int_equal(engine_wc(e, &e->node[0].cq).status, 0);
	engine_disconnect(&silent);
	engine_disconnect(&loud);
}

/* Quiet pages are taken away, lanes may sleep, and the next store brings all back. */
static void test_idle(void **state)
{
	struct engine *e = *state;
	struct vmm_user *vmm = e->node[0].vmm;
	struct engine_pair pair;
	u64 deadline, zaps, faults;
	u32 round, i, k;

	engine_connect(e, MLX5_QP_ST_RC, &pair, NULL);
	for (round = 0; round < 5; round++) {
		write_to(e, &pair.qp[0], 0, 64);
		assert_int_equal(engine_wc(e, &e->node[0].cq).status, 0);
		zaps = vmm->zaps;
		for (i = 0; i < 300; i++) {
			lanes_turn(&e->hca);
			shim_clock_advance(1000);
		}
		/* Polls alone are not enough, and neither is time. */
		assert_int_equal(vmm->zaps, zaps);
		shim_clock_advance(2000000);
		engine_settle(e);
		assert_true(vmm->zaps > zaps);
		for (k = 0; k < e->hca.n_lanes; k++)
			assert_true(soft_lane_may_sleep(&e->hca.lanes[k], &deadline));
		faults = vmm->faults;
		write_to(e, &pair.qp[0], 0, 64);
		assert_int_equal(vmm->faults, faults + 1);
		assert_int_equal(engine_wc(e, &e->node[0].cq).status, 0);
	}
	engine_disconnect(&pair);
}

/* A store that hits the page in the very turn that takes it away. */
static void (*zap_hook)(struct engine *e);
static struct engine *zap_engine;
static const struct mhca_vmm_ops *real_ops;
static struct engine_pair zap_pair;

static void hooked_zap(void *vmm, u32 index)
{
	if (zap_hook) {
		void (*hook)(struct engine *e) = zap_hook;

		zap_hook = NULL;
		hook(zap_engine);
	}
	real_ops->zap_async(vmm, index);
}

static void store_before_zap(struct engine *e)
{
	write_to(e, &zap_pair.qp[0], 0, 32);
}

static void test_zap_race(void **state)
{
	struct engine *e = *state;
	struct mhca_instance *inst = e->node[0].vmm->inst;
	struct mhca_vmm_ops ops = *inst->vmm_ops;
	u64 deadline;
	u32 i;

	real_ops = inst->vmm_ops;
	ops.zap_async = hooked_zap;
	inst->vmm_ops = &ops;
	zap_engine = e;
	engine_connect(e, MLX5_QP_ST_RC, &zap_pair, NULL);
	write_to(e, &zap_pair.qp[0], 0, 32);
	assert_int_equal(engine_wc(e, &e->node[0].cq).status, 0);
	zap_hook = store_before_zap;
	for (i = 0; i < 200; i++)
		lanes_turn(&e->hca);
	shim_clock_advance(2000000);
	engine_settle(e);
	assert_null(zap_hook);
	/* Lanes sleep with nothing left undone. */
	for (i = 0; i < 100; i++)
		lanes_turn(&e->hca);
	for (i = 0; i < e->hca.n_lanes; i++)
		assert_true(soft_lane_may_sleep(&e->hca.lanes[i], &deadline));
	assert_int_equal(engine_wc(e, &e->node[0].cq).status, 0);
	engine_disconnect(&zap_pair);
	inst->vmm_ops = real_ops;
}

static void idle_turns(struct engine *e)
{
	u32 i;

	for (i = 0; i < 200; i++)
		lanes_turn(&e->hca);
	shim_clock_advance(2000000);
	engine_settle(e);
}

/* Is a zap asked for that nobody has done? */
static bool zap_waits(struct engine_node *n)
{
	return n->vmm->zap_asked[n->c.uar];
}

/*
 * A monitor that does not let its pages be unmapped: the lane asks and goes on. Nobody
 * waits, no store is lost: not those while it takes, and not the last one before it is
 * done.
 */
static void test_zap_takes_for_ever(void **state)
{
	struct engine *e = engine_create(&engine_params, 1);
	struct engine_node *n = &e->node[0];
	struct soft_lane *lane = &e->hca.lanes[0];
	struct engine_pair pair, back;
	u64 faults, zaps, deadline;
	struct client_sge sge = engine_sge(&e->node[1], 0, 64);
	struct client_send wr = engine_send(MLX5_OPCODE_RDMA_WRITE, &sge);
	u32 i;

	(void)state;
	engine_connect(e, MLX5_QP_ST_RC, &pair, NULL);
	engine_connect(e, MLX5_QP_ST_RC, &back, NULL);
	wr.remote_addr = (uintptr_t)n->mem.va;
	wr.rkey = n->key;
	write_to(e, &pair.qp[0], 0, 64);
	assert_int_equal(engine_wc(e, &n->cq).status, 0);
	n->vmm->zaps_held = true;
	for (i = 0; i < 3; i++) {
		zaps = n->vmm->zaps;
		faults = n->vmm->faults;
		idle_turns(e);
		assert_true(zap_waits(n));
		assert_int_equal(n->vmm->zaps, zaps);
		/* The lane sleeps, but looks at the page now and then. */
		assert_true(soft_lane_may_sleep(lane, &deadline));
		assert_true(deadline != U64_MAX);
		/* Others go on, and so do fences. */
		engine_post(&back.qp[1], &wr);
		assert_int_equal(engine_wc(e, &e->node[1].cq).status, 0);
		e->hca.hca.ops->fence(&e->hca.hca);
		/* It is mapped, so a store does not fault; it is seen, and then others are. */
		write_to(e, &pair.qp[0], 0, 64);
		assert_int_equal(n->vmm->faults, faults);
		assert_int_equal(engine_wc(e, &n->cq).status, 0);
		assert_false(soft_lane_may_sleep(lane, &deadline));
	}
	idle_turns(e);
	/* A store that comes just before the page goes. */
	write_to(e, &pair.qp[0], 0, 64);
	vmm_user_zap_pending(n->vmm);
	assert_int_equal(n->vmm->zaps, zaps + 1);
	assert_int_equal(engine_wc(e, &n->cq).status, 0);
	engine_settle(e);
	faults = n->vmm->faults;
	write_to(e, &pair.qp[0], 0, 64);
	assert_int_equal(n->vmm->faults, faults + 1);
	assert_int_equal(engine_wc(e, &n->cq).status, 0);
	n->vmm->zaps_held = false;
	vmm_user_zap_pending(n->vmm);
	idle_turns(e);
	assert_true(soft_lane_may_sleep(lane, &deadline));
	assert_int_equal(lane->n_pages, 0);
	assert_int_equal(lane->n_zapping, 0);
	engine_disconnect(&pair);
	engine_disconnect(&back);
	engine_destroy(e);
}

/* A long message of one QP does not hold up a short one of another for long. */
static void test_budget(void **state)
{
	struct engine *e = *state;
	struct engine_pair big, small;
	struct client_wc wc;
	u32 turns;

	engine_connect(e, MLX5_QP_ST_RC, &big, NULL);
	engine_connect(e, MLX5_QP_ST_RC, &small, NULL);
	write_to(e, &big.qp[0], 0, 1 << 20);
	write_to(e, &small.qp[0], 1 << 20, 8);
	for (turns = 0; !client_poll_cq(&e->node[0].cq, 1, &wc); turns++)
		lanes_turn(&e->hca);
	assert_int_equal(wc.qpn, small.qp[0].qpn);
	assert_true(turns < 8);
	assert_int_equal(engine_wc(e, &e->node[0].cq).qpn, big.qp[0].qpn);
	engine_disconnect(&big);
	engine_disconnect(&small);
}

/* Keep @n QPs of node @end busy, each with one long write at a time. */
static u64 keep_busy(struct engine *e, u32 end, struct engine_pair *pair, u32 n)
{
	struct engine_node *from = &e->node[end], *to = &e->node[!end];
	struct client_sge sge = engine_sge(from, 0, 32768);
	struct client_send wr = engine_send(MLX5_OPCODE_RDMA_WRITE, &sge);
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
		done++;
	}
	return done;
}

/* A guest with many busy QPs gets no more of a lane than one with a single one. */
static void test_fair_share(void **state)
{
	struct soft_lane_params params = engine_params;
	struct engine_pair pair[12];
	u64 done[2] = { 0 };
	struct engine *e;
	u32 i;

	e = engine_create(&params, 1);
	for (i = 0; i < ARRAY_SIZE(pair); i++)
		engine_connect(e, MLX5_QP_ST_RC, &pair[i], NULL);
	/* Each run of a QP takes as long as another: they all have the same to do. */
	shim_clock_step(20 * NSEC_PER_USEC);
	for (i = 0; i < 300; i++) {
		done[0] += keep_busy(e, 0, pair, ARRAY_SIZE(pair));
		done[1] += keep_busy(e, 1, pair, 1);
		lanes_turn(&e->hca);
	}
	shim_clock_step(0);
	print_message("%llu by many, %llu by one\n", (unsigned long long)done[0],
		      (unsigned long long)done[1]);
	assert_true(done[0] < 2 * done[1]);
	assert_true(done[1] < 2 * done[0]);
	for (i = 0; i < ARRAY_SIZE(pair); i++)
		engine_disconnect(&pair[i]);
	engine_destroy(e);
}

#define PAGES	100

/* Doorbells that say nothing on many pages cost a turn no more than those on some. */
static void test_many_pages(void **state)
{
	struct engine *e = engine_create(&engine_params, 1);
	struct client *c = &e->node[0].c, *other = &e->node[1].c;
	u64 *word[PAGES], seen, turns;
	struct engine_pair pair;
	u32 uar[PAGES], i;

	(void)state;
	engine_connect(e, MLX5_QP_ST_RC, &pair, NULL);
	for (i = 0; i < PAGES; i++)
		assert_int_equal(client_alloc_uar(c, &uar[i]), 0);
	/* The other instance has a page of its own that is polled. */
	other->ops->uar_write64(other->backend, other->uar, MLX5_BF_OFFSET, 0);
	for (i = 0; i < PAGES; i++) {
		c->ops->uar_write64(c->backend, uar[i], MLX5_BF_OFFSET, 0);
		word[i] = e->node[0].vmm->uar_page[uar[i]] + MLX5_BF_OFFSET;
	}
	for (turns = 0, seen = 0; seen < PAGES; turns++) {
		u64 before = seen;

		assert_in_range(turns, 0, PAGES);
		lanes_turn(&e->hca);
		for (i = 0, seen = 0; i < PAGES; i++)
			seen += *word[i] == SOFT_DOORBELL_NONE;
		assert_in_range(seen - before, 0, PAGES / 2);
	}
	for (i = 0; i < PAGES; i++)
		assert_int_equal(client_dealloc_uar(c, uar[i]), 0);
	engine_disconnect(&pair);
	engine_destroy(e);
}

static void short_timeout(struct client_qp_attr *attr, struct client_modify *modify, u32 end)
{
	modify->ack_timeout = 8;	/* 1 ms */
	modify->retry = 1;
}

/* The receiver dies in the middle of a message; the sender learns it like from a wire. */
static void test_receiver_dies(void **state)
{
	static const u16 how[] = { MLX5_CMD_OP_2RST_QP, MLX5_CMD_OP_2ERR_QP };
	struct engine *e = *state;
	struct engine_node *a = &e->node[0], *b = &e->node[1];
	struct client_sge sge = engine_sge(a, 0, 1 << 20);
	struct client_send wr = engine_send(MLX5_OPCODE_SEND, &sge);
	struct engine_pair pair;
	struct client_wc wc;
	u32 i;

	for (i = 0; i < ARRAY_SIZE(how); i++) {
		engine_connect(e, MLX5_QP_ST_RC, &pair, short_timeout);
		engine_recv(&pair.qp[1], b, 3, 0, 1 << 20);
		engine_post(&pair.qp[0], &wr);
		lanes_turn(&e->hca);
		lanes_turn(&e->hca);
		assert_int_equal(client_modify_qp(&pair.qp[1], how[i], NULL), 0);
		engine_pass(e, 10000000);
		wc = engine_wc(e, &a->cq);
		assert_int_equal(wc.status, MLX5_CQE_SYNDROME_TRANSPORT_RETRY_EXC_ERR);
		if (how[i] == MLX5_CMD_OP_2ERR_QP) {
			/* The WQE that it had begun to fill is flushed like the rest. */
			wc = engine_wc(e, &b->cq);
			assert_int_equal(wc.status, MLX5_CQE_SYNDROME_WR_FLUSH_ERR);
			assert_int_equal(wc.wr_id, 3);
		}
		engine_no_wc(e, &b->cq);
		engine_disconnect(&pair);
	}
}

/* The key goes in the middle of a message. */
static void test_key_dies(void **state)
{
	struct engine *e = *state;
	struct engine_node *a = &e->node[0], *b = &e->node[1];
	struct client_sge sge = engine_sge(a, 0, 1 << 20);
	struct client_send wr = engine_send(MLX5_OPCODE_RDMA_WRITE, &sge);
	struct engine_pair pair;
	struct client_wc wc;
	u32 key;

	assert_int_equal(client_reg_mr(&b->c, b->pd, b->mem.va, 1 << 20, CLIENT_ALL_ACCESS,
				       &key), 0);
	engine_connect(e, MLX5_QP_ST_RC, &pair, NULL);
	wr.remote_addr = (uintptr_t)b->mem.va;
	wr.rkey = key;
	engine_fill(a->mem.va, 1 << 20, 5);
	memset(b->mem.va, 0, 1 << 20);
	engine_post(&pair.qp[0], &wr);
	lanes_turn(&e->hca);
	lanes_turn(&e->hca);
	assert_int_equal(client_destroy_mkey(&b->c, key), 0);
	engine_settle(e);
	wc = engine_wc(e, &a->cq);
	assert_int_equal(wc.status, MLX5_CQE_SYNDROME_REMOTE_ACCESS_ERR);
	assert_int_equal(b->mem.va[(1 << 20) - 1], 0);
	engine_disconnect(&pair);
}

/* The VMM takes the memory away: queues and keys end, nothing else does. */
static void test_unmap(void **state)
{
	struct engine *e = *state;
	struct engine_node *a = &e->node[0], *b = &e->node[1];
	struct client_sge sge = engine_sge(a, 0, 4096);
	struct client_send wr = engine_send(MLX5_OPCODE_RDMA_WRITE, &sge);
	struct engine_pair pair, other;
	struct client_mem lone;
	u64 iova;
	u32 key;

	assert_int_equal(client_mem_alloc(&b->c, 4096, &lone), 0);
	assert_int_equal(client_reg_mr(&b->c, b->pd, lone.va, 4096, CLIENT_ALL_ACCESS, &key), 0);
	engine_connect(e, MLX5_QP_ST_RC, &pair, NULL);
	engine_connect(e, MLX5_QP_ST_RC, &other, NULL);
	wr.remote_addr = (uintptr_t)lone.va;
	wr.rkey = key;
	engine_post(&pair.qp[0], &wr);
	assert_int_equal(engine_wc(e, &a->cq).status, 0);
	iova = client_iova(&b->c, lone.va);
	vmm_user_unmap(b->vmm, iova, 4096);
	engine_post(&pair.qp[0], &wr);
	assert_int_equal(engine_wc(e, &a->cq).status, MLX5_CQE_SYNDROME_REMOTE_ACCESS_ERR);
	vmm_user_map(b->vmm, iova, 4096);
	wr.remote_addr = (uintptr_t)b->mem.va;
	wr.rkey = b->key;
	engine_post(&other.qp[0], &wr);
	assert_int_equal(engine_wc(e, &a->cq).status, 0);
	engine_disconnect(&pair);
	engine_disconnect(&other);
	assert_int_equal(client_destroy_mkey(&b->c, key), 0);
	client_mem_free(&b->c, &lone);
}

/* Until the lane looks again at pages that stay mapped. */
static u64 until_look(struct soft_lane *lane)
{
	u64 deadline;

	assert_true(soft_lane_may_sleep(lane, &deadline));
	return deadline - ktime_get_ns();
}

/*
 * Pages that cannot be taken away: the longer nothing comes the rarer they are looked at,
 * up to a bound, and what comes is seen at that look.
 */
static void test_looks_become_rare(void **state)
{
	struct engine *e = engine_create(&engine_params, 1);
	struct engine_node *n = &e->node[0];
	struct soft_lane *lane = &e->hca.lanes[0];
	struct engine_pair pair;
	u64 wait, before;
	u32 round, i;

	(void)state;
	lane->params.look_ns = 5 * NSEC_PER_MSEC;
	engine_connect(e, MLX5_QP_ST_RC, &pair, NULL);
	n->vmm->zaps_held = true;
	e->node[1].vmm->zaps_held = true;
	for (round = 0; round < 3; round++) {
		write_to(e, &pair.qp[0], 0, 64);
		assert_int_equal(engine_wc(e, &n->cq).status, 0);
		idle_turns(e);
		assert_true(zap_waits(n));
		before = until_look(lane);
		assert_true(before >= 100 * NSEC_PER_USEC && before < NSEC_PER_MSEC);
		for (i = 0; i < 8; i++) {
			shim_clock_advance(10 * NSEC_PER_MSEC);
			lanes_turn(&e->hca);
			wait = until_look(lane);
			assert_true(wait >= before && wait <= 5 * NSEC_PER_MSEC);
			before = wait;
		}
		assert_int_equal(wait, 5 * NSEC_PER_MSEC);
	}
	engine_disconnect(&pair);
	n->vmm->zaps_held = false;
	e->node[1].vmm->zaps_held = false;
	vmm_user_zap_pending(n->vmm);
	vmm_user_zap_pending(e->node[1].vmm);
	engine_destroy(e);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_hidden_doorbells, engine_setup,
						engine_teardown),
		cmocka_unit_test_setup_teardown(test_no_doorbell, engine_setup, engine_teardown),
		cmocka_unit_test_setup_teardown(test_idle, engine_setup, engine_teardown),
		cmocka_unit_test_setup_teardown(test_zap_race, engine_setup, engine_teardown),
		cmocka_unit_test(test_zap_takes_for_ever),
		cmocka_unit_test(test_looks_become_rare),
		cmocka_unit_test_setup_teardown(test_budget, engine_setup, engine_teardown),
		cmocka_unit_test(test_fair_share),
		cmocka_unit_test(test_many_pages),
		cmocka_unit_test_setup_teardown(test_receiver_dies, engine_setup,
						engine_teardown),
		cmocka_unit_test_setup_teardown(test_key_dies, engine_setup, engine_teardown),
		cmocka_unit_test_setup_teardown(test_unmap, engine_setup, engine_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
