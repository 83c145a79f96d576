// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Everything at once: lanes and command workers on threads of their own, the real
 * clock, doorbell pages that are zapped when idle. What these tests look for are lost
 * wake-ups, races (run them under TSan as well) and use after free.
 */
#include <sched.h>
#include <unistd.h>

#include "fixture.h"

#define TO		(BUF_BYTES / 2)
#define RUN_MS		400
#define WAIT_MS		5000

static u64 now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (u64)t.tv_sec * 1000 + (u64)t.tv_nsec / 1000000;
}

/* ---- Event-driven ping-pong ------------------------------------------ */

struct side {
	struct guest *g;
	struct client_qp *qp;
	u32 index;
	u32 rounds;
	u32 pause_every;
	u32 lost;
	pthread_t thread;
};

/* The next completion, sleeping on the completion vector. */
static bool wait_wc(struct guest *g, struct client_wc *wc)
{
	u64 deadline = now_ms() + WAIT_MS;
	struct mlx5_eqe eqe;

	for (;;) {
		if (client_poll_cq(&g->cq, 1, wc))
			return true;
		client_arm_cq(&g->cq, false);
		if (client_poll_cq(&g->cq, 1, wc))
			return true;
		g->c.ops->irq_wait(g->vmm, g->c.comp_eq.vector, WAIT_MS);
		while (client_poll_eq(&g->c.comp_eq, &eqe))
			g->cq.arm_sn++;
		client_arm_eq(&g->c.comp_eq);
		if (now_ms() > deadline)
			return client_poll_cq(&g->cq, 1, wc);
	}
}

static void post_recv(struct side *s, u64 id)
{
	struct client_sge sge = sge_of(s->g, TO, 64);

	client_post_recv(s->qp, id, &sge, 1);
}

static void post_send(struct side *s, u64 id)
{
	struct client_sge sge = sge_of(s->g, 0, 64);
	struct client_send wr = {
		.opcode = MLX5_OPCODE_SEND, .wr_id = id, .flags = CLIENT_SIGNALED,
		.sge = &sge, .n_sge = 1,
	};

	client_post_send(s->qp, &wr);
}

static void *ping_pong(void *arg)
{
	struct side *s = arg;
	u32 sent = 0;
	u32 got = 0;

	if (!s->index) {
		post_send(s, 1);
		sent++;
	}
	while (got < s->rounds) {
		struct client_wc wc;

		if (!wait_wc(s->g, &wc) || wc.status) {
			s->lost++;
			break;
		}
		if (wc.opcode == MLX5_CQE_REQ)
			continue;
		got++;
		post_recv(s, got);
		/* Long enough for the lane to zap the pages and sleep. */
		if (s->pause_every && got % s->pause_every == 0)
			usleep(5000);
		if (sent < s->rounds) {
			post_send(s, got);
			sent++;
		}
	}
	return NULL;
}

static void run_ping_pong(struct world *w, u32 rounds, u32 pause_every)
{
	struct side s[2];
	struct pair p;
	u32 i;

	pair_open(&p, MLX5_QP_ST_RC, &w->g[0], &w->g[1]);
	for (i = 0; i < 2; i++) {
		s[i] = (struct side){
			.g = &w->g[i], .qp = &p.qp[i], .index = i, .rounds = rounds,
			.pause_every = pause_every,
		};
		post_recv(&s[i], 0);
		post_recv(&s[i], 0);
	}
	for (i = 0; i < 2; i++)
		assert_ok(pthread_create(&s[i].thread, NULL, ping_pong, &s[i]));
	for (i = 0; i < 2; i++)
		pthread_join(s[i].thread, NULL);
	assert_int_equal(s[0].lost + s[1].lost, 0);
	assert_ok(client_modify_qp(&p.qp[0], MLX5_CMD_OP_2RST_QP, NULL));
	assert_ok(client_modify_qp(&p.qp[1], MLX5_CMD_OP_2RST_QP, NULL));
	pair_close(&p);
}

static void no_wake_up_is_lost(void **state)
{
	run_ping_pong(*state, 1500, 0);
}

static void sleeping_lanes_wake(void **state)
{
	struct world *w = *state;

	run_ping_pong(w, 150, 2);
	assert_true(READ_ONCE(w->g[0].vmm->zaps) > 0);
	assert_true(READ_ONCE(w->g[0].vmm->faults) > 1);
}

/* ---- Traffic and churn ----------------------------------------------- */

struct traffic {
	struct world *w;
	struct pair p;
	int stop;
	u64 done;
	u64 wrong;
	u64 errors;
	pthread_t thread;
};

/* RDMA writes of changing sizes, each verified by reading back. */
static void *write_and_verify(void *arg)
{
	struct traffic *t = arg;
	struct guest *g = t->p.g[0];
	u32 i;

	for (i = 0; !READ_ONCE(t->stop); i++) {
		u32 len = i % 7 ? 1 + i * 977 % 9000 : 200000;
		struct client_sge sge = sge_of(g, 0, len);
		struct client_send wr = {
			.opcode = MLX5_OPCODE_RDMA_WRITE, .wr_id = i, .flags = CLIENT_SIGNALED,
			.sge = &sge, .n_sge = 1, .rkey = t->p.g[1]->key,
			.remote_addr = (uintptr_t)t->p.g[1]->buf.va + TO,
		};
		struct client_wc wc;
		u64 deadline = now_ms() + WAIT_MS;

		fill(g->buf.va, min(len, 300U), i);
		if (client_post_send(&t->p.qp[0], &wr))
			break;
		while (!client_poll_cq(&g->cq, 1, &wc)) {
			if (now_ms() > deadline) {
				t->errors++;
				return NULL;
			}
			sched_yield();
		}
		if (wc.status) {
			t->errors++;
			return NULL;
		}
		t->wrong += memcmp(t->p.g[1]->buf.va + TO, g->buf.va, min(len, 300U)) != 0;
		t->done++;
	}
	return NULL;
}

static void start_traffic(struct world *w, struct traffic *t)
{
	memset(t, 0, sizeof(*t));
	t->w = w;
	pair_open(&t->p, MLX5_QP_ST_RC, &w->g[0], &w->g[1]);
	assert_ok(pthread_create(&t->thread, NULL, write_and_verify, t));
}

static void stop_traffic(struct traffic *t)
{
	WRITE_ONCE(t->stop, 1);
	pthread_join(t->thread, NULL);
}

/* Commands of every kind on the receiving instance, beside its traffic. */
static void churn_does_not_disturb(void **state)
{
	struct world *w = *state;
	struct guest *g = &w->g[1];
	struct client_cq_attr cq_attr;
	struct traffic t;
	u64 end;
	u32 n = 0;

	start_traffic(w, &t);
	end = now_ms() + RUN_MS;
	while (now_ms() < end) {
		struct client_cq cq;
		struct pair p;
		u32 key;

		pair_open(&p, MLX5_QP_ST_RC, g, g);
		assert_ok(client_reg_mr(&g->c, g->pd, g->buf.va, 64 * PAGE_SIZE, 15, &key));
		client_cq_attr_init(&cq_attr, 6);
		assert_ok(client_create_cq(&g->c, &cq_attr, &cq));
		assert_ok(client_resize_cq(&cq, 7));
		assert_ok(client_destroy_cq(&cq));
		assert_ok(client_modify_qp(&p.qp[0], MLX5_CMD_OP_2ERR_QP, NULL));
		assert_ok(client_destroy_mkey(&g->c, key));
		pair_close(&p);
		n++;
	}
	stop_traffic(&t);
	assert_int_equal(t.wrong, 0);
	assert_int_equal(t.errors, 0);
	assert_true(t.done > 10);
	assert_true(n > 3);
	pair_close(&t.p);
}

/* The receiver's key is destroyed in full flight: a clean error, no stray byte. */
static void keys_die_in_full_flight(void **state)
{
	struct world *w = *state;
	struct guest *g = &w->g[1];
	u64 end = now_ms() + RUN_MS;

	while (now_ms() < end) {
		struct client_sge sge = sge_of(&w->g[0], 0, TO);
		struct client_send wr = {
			.opcode = MLX5_OPCODE_RDMA_WRITE, .wr_id = 1, .flags = CLIENT_SIGNALED,
			.sge = &sge, .n_sge = 1,
			.remote_addr = (uintptr_t)g->buf.va + TO,
		};
		struct client_wc wc;
		struct pair p;
		u32 key;
		u32 i;

		pair_open(&p, MLX5_QP_ST_RC, &w->g[0], g);
		assert_ok(client_reg_mr(&g->c, g->pd, g->buf.va + TO, TO, 15, &key));
		wr.rkey = key;
		for (i = 0; i < 20; i++)
			assert_ok(client_post_send(&p.qp[0], &wr));
		usleep(300);
		assert_ok(client_destroy_mkey(&g->c, key));
		memset(g->buf.va + TO, 0x77, TO);
		usleep(2000);
		for (i = 0; i < TO; i++)
			assert_int_equal(g->buf.va[TO + i], 0x77);
		assert_ok(client_modify_qp(&p.qp[0], MLX5_CMD_OP_2RST_QP, NULL));
		while (client_poll_cq(&w->g[0].cq, 1, &wc))
			;
		pair_close(&p);
	}
}

/* The VMM takes a page of the target while it is written. */
static void unmap_in_full_flight(void **state)
{
	struct world *w = *state;
	struct guest *g = &w->g[1];
	u64 end = now_ms() + RUN_MS;

	while (now_ms() < end) {
		u64 iova = client_iova(&g->c, g->buf.va + TO + 10 * PAGE_SIZE);
		struct client_wc wc;
		struct traffic t;

		start_traffic(w, &t);
		usleep(1000);
		vmm_user_unmap(g->vmm, iova, PAGE_SIZE);
		stop_traffic(&t);
		assert_int_equal(t.wrong, 0);
		vmm_user_map(g->vmm, iova, PAGE_SIZE);
		assert_ok(client_modify_qp(&t.p.qp[0], MLX5_CMD_OP_2RST_QP, NULL));
		while (client_poll_cq(&w->g[0].cq, 1, &wc))
			;
		pair_close(&t.p);
		/* The key has lost its memory for good: a new one. */
		assert_ok(client_destroy_mkey(&g->c, g->key));
		assert_ok(client_reg_mr(&g->c, g->pd, g->buf.va, BUF_BYTES, CLIENT_ALL_ACCESS,
					&g->key));
	}
}

struct unmapper {
	struct vmm_user *vmm;
	u64 iova;
	u64 pages;
	int stop;
};

/* Takes pages away and gives them back; vmm_user_unmap() checks that no pin survives. */
static void *unmap_and_map(void *arg)
{
	struct unmapper *u = arg;
	u32 i;

	for (i = 0; !READ_ONCE(u->stop); i++) {
		u64 at = u->iova + i * 7 % u->pages * PAGE_SIZE;

		vmm_user_unmap(u->vmm, at, PAGE_SIZE);
		vmm_user_map(u->vmm, at, PAGE_SIZE);
		if (i % 16 == 0)
			usleep(100);
	}
	return NULL;
}

/* Memory is registered while it goes away: an error or a key that lost it, no stray pin. */
static void registration_races_unmap(void **state)
{
	struct world *w = *state;
	struct guest *g = &w->g[1];
	struct unmapper u = { .vmm = g->vmm, .pages = 64 };
	struct client_mem mem;
	u64 end = now_ms() + RUN_MS;
	pthread_t thread;
	u32 refused = 0;
	u32 done = 0;
	u32 key;

	/* Linear enough: 64 pages of one scramble group. */
	assert_ok(client_mem_alloc(&g->c, 128 * PAGE_SIZE, &mem));
	u.iova = client_iova(&g->c, mem.va) & ~(u64)(64 * PAGE_SIZE - 1);
	u.iova += 64 * PAGE_SIZE;
	assert_ok(pthread_create(&thread, NULL, unmap_and_map, &u));
	while (now_ms() < end) {
		if (client_reg_mr(&g->c, g->pd, mem.va, mem.len, CLIENT_ALL_ACCESS, &key)) {
			refused++;
			continue;
		}
		done++;
		assert_ok(client_destroy_mkey(&g->c, key));
	}
	WRITE_ONCE(u.stop, 1);
	pthread_join(thread, NULL);
	print_message("           %u registered, %u refused\n", done, refused);
	assert_ok(client_reg_mr(&g->c, g->pd, mem.va, mem.len, CLIENT_ALL_ACCESS, &key));
	assert_ok(client_destroy_mkey(&g->c, key));
	client_mem_free(&g->c, &mem);
}

/* The receiving function is reset under traffic, again and again. */
static void resets_in_full_flight(void **state)
{
	struct world *w = *state;
	u32 i;

	for (i = 0; i < 12; i++) {
		struct client_wc wc;
		struct traffic t;
		struct guest *g = &w->g[1];

		start_traffic(w, &t);
		usleep(2000);
		/* The client's own view is thrown away with it. */
		assert_ok(g->c.ops->reset(g->vmm));
		assert_int_equal(g->vmm->pinned, 0);
		WRITE_ONCE(t.stop, 1);
		assert_ok(client_modify_qp(&t.p.qp[0], MLX5_CMD_OP_2ERR_QP, NULL));
		pthread_join(t.thread, NULL);
		while (client_poll_cq(&w->g[0].cq, 1, &wc))
			;
		assert_ok(client_destroy_qp(&t.p.qp[0]));
		client_forget_qp(&t.p.qp[1]);
		client_forget_cq(&g->cq);
		client_mem_free(&g->c, &g->buf);
		g->c.timeout_ms = 1;
		client_close(&g->c);
		vmm_user_destroy(g->vmm);
		world_open_guest(w, 1);
	}
}

/* Both directions and both lanes at once: the locks of two QPs cross. */
static void both_directions(void **state)
{
	struct world *w = *state;
	struct traffic t[2];
	u32 i;

	start_traffic(w, &t[0]);
	memset(&t[1], 0, sizeof(t[1]));
	t[1].w = w;
	pair_open(&t[1].p, MLX5_QP_ST_RC, &w->g[1], &w->g[0]);
	/* Into another part of the buffer than the first one reads from. */
	assert_ok(pthread_create(&t[1].thread, NULL, write_and_verify, &t[1]));
	usleep(RUN_MS * 1000);
	for (i = 0; i < 2; i++)
		stop_traffic(&t[i]);
	for (i = 0; i < 2; i++) {
		assert_int_equal(t[i].errors, 0);
		assert_true(t[i].done > 10);
		pair_close(&t[i].p);
	}
}

#define world_test(fn) cmocka_unit_test_setup_teardown(fn, world_setup_threaded, world_teardown)

/* ---- Multicast -------------------------------------------------------- */

struct crier {
	struct guest *g;
	struct client_qp *qp;
	const u8 *gid;
	bool stop;
	u32 sent;
};

static void *cry(void *arg)
{
	struct crier *c = arg;
	struct client_path path = { .dlid = 0xc001, .grh = true, .hop_limit = 1 };
	struct client_sge sge = sge_of(c->g, 0, 10);
	struct client_send wr = {
		.opcode = MLX5_OPCODE_SEND, .wr_id = 1, .flags = CLIENT_SIGNALED, .sge = &sge,
		.n_sge = 1, .path = &path, .dqpn = 0xffffff, .qkey = 1,
	};
	struct client_wc wc;

	memcpy(path.dgid, c->gid, 16);
	while (!__atomic_load_n(&c->stop, __ATOMIC_RELAXED)) {
		if (!client_post_send(c->qp, &wr))
			c->sent++;
		while (client_poll_cq(&c->g->cq, 1, &wc))
			;
		sched_yield();
	}
	return NULL;
}

static void open_crier(struct guest *g, struct client_qp *qp)
{
	struct client_qp_attr attr;
	struct client_modify m;

	client_qp_attr_init(&attr, MLX5_QP_ST_UD, g->pd, &g->cq);
	assert_ok(client_create_qp(&g->c, &attr, qp));
	client_modify_init(&m);
	m.qkey = 1;
	assert_ok(client_connect_qp(qp, &m));
}

/* A sender follows groups, tables and members that go away at that moment. */
static void groups_come_and_go(void **state)
{
	struct world *w = *state;
	u8 gid[16] = { 0xff, 0x12 }, other[16] = { 0xff, 0x12, 1 };
	struct client_qp qp[4];
	struct crier crier = { .g = &w->g[0], .qp = &qp[0], .gid = gid };
	u64 end = now_ms() + RUN_MS;
	pthread_t thread;
	u32 i, n = 0;

	open_crier(&w->g[0], &qp[0]);
	for (i = 1; i < 4; i++)
		open_crier(&w->g[1], &qp[i]);
	assert_ok(client_attach_mcast(&qp[3], gid));
	pthread_create(&thread, NULL, cry, &crier);
	while (now_ms() < end || n < 300) {
		put_unaligned_be32(n / 150 & 1 ? 149 - n % 150 : n % 150, other + 12);
		if (n / 150 & 1)
			assert_ok(client_detach_mcast(&qp[1], other));
		else
			assert_ok(client_attach_mcast(&qp[1], other));
		assert_ok(n & 1 ? client_detach_mcast(&qp[2], gid) :
			  client_attach_mcast(&qp[2], gid));
		n++;
	}
	__atomic_store_n(&crier.stop, true, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
	assert_true(crier.sent > 0);
	for (i = 0; i < 4; i++)
		assert_ok(client_destroy_qp(&qp[i]));
	assert_int_equal(w->hca.mcast->n, 0);
	/* The one that was attached all the time. */
	assert_true(counter(&w->g[1], drop_no_buffer) > 0);
	assert_int_equal(counter(&w->g[0], drop_no_peer), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		world_test(no_wake_up_is_lost),
		world_test(sleeping_lanes_wake),
		world_test(churn_does_not_disturb),
		world_test(keys_die_in_full_flight),
		world_test(unmap_in_full_flight),
		world_test(registration_races_unmap),
		world_test(resets_in_full_flight),
		world_test(both_directions),
		world_test(groups_come_and_go),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
