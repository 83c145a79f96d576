// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Everything at once, with real threads: two lanes carry traffic in both directions
 * while QPs are broken, reset and destroyed and keys come and go under it. Run under
 * the address and the thread sanitizer. The guests' data is checked as far as it can
 * be: what a good completion speaks of has arrived.
 */
#include <stdlib.h>
#include <time.h>
#include "engine.h"

#define SECONDS_DEFAULT	2
#define LEN		3000
#define PIECES		16

struct actor {
	struct engine *e;
	u32 end;
	struct engine_pair *pair;
	struct client_cq cq[2];
	pthread_t thread;
	u64 good;
	u64 bad;
};

static int stop;
/* The client's record pages have no lock of their own. */
static pthread_mutex_t objects = PTHREAD_MUTEX_INITIALIZER;

static struct engine *threaded_create(void)
{
	struct soft_lane_params params = engine_params;
	static const struct vmm_user_params vmm = { .threaded = true };
	struct engine *e = calloc(1, sizeof(*e));
	u32 i;

	assert_non_null(e);
	params.idle_us = 200;	/* zap often */
	params.byte_budget = 8192;
	assert_int_equal(soft_hca_init(&e->hca, 2, &params), 0);
	assert_int_equal(lanes_start(&e->hca), 0);
	for (i = 0; i < 2; i++) {
		struct engine_node *node = &e->node[i];

		node->vmm = vmm_user_create(&e->hca, &vmm, 0x1000 + i * 0x100);
		assert_non_null(node->vmm);
		assert_int_equal(client_open(&node->c, &vmm_user_client_ops, node->vmm, 0), 0);
		assert_int_equal(client_alloc_pd(&node->c, &node->pd), 0);
		assert_int_equal(client_mem_alloc(&node->c, ENGINE_BYTES, &node->mem), 0);
		assert_int_equal(client_reg_mr(&node->c, node->pd, node->mem.va, node->mem.len,
					       CLIENT_ALL_ACCESS, &node->key), 0);
	}
	return e;
}

static void threaded_destroy(struct engine *e)
{
	u32 i;

	for (i = 0; i < 2; i++) {
		assert_int_equal(client_destroy_mkey(&e->node[i].c, e->node[i].key), 0);
		client_mem_free(&e->node[i].c, &e->node[i].mem);
		assert_int_equal(client_dealloc_pd(&e->node[i].c, e->node[i].pd), 0);
		client_close(&e->node[i].c);
		vmm_user_destroy(e->node[i].vmm);
	}
	lanes_stop(&e->hca);
	soft_hca_fini(&e->hca);
	shim_quiesce();
	free(e);
}

static void actor_connect(struct actor *actor)
{
	struct engine *e = actor->e;
	struct engine_pair *pair = actor->pair;
	struct client_modify modify;
	struct client_qp_attr attr;
	struct client_cq_attr cq_attr;
	u32 i;

	pthread_mutex_lock(&objects);
	client_cq_attr_init(&cq_attr, 9);
	for (i = 0; i < 2; i++) {
		struct engine_node *node = &e->node[actor->end ^ i];

		assert_int_equal(client_create_cq(&node->c, &cq_attr, &actor->cq[i]), 0);
		client_qp_attr_init(&attr, MLX5_QP_ST_RC, node->pd, &actor->cq[i]);
		assert_int_equal(client_create_qp(&node->c, &attr, &pair->qp[i]), 0);
	}
	for (i = 0; i < 2; i++) {
		engine_modify(&e->node[actor->end ^ !i], pair->qp[!i].qpn, &modify);
		assert_int_equal(client_connect_qp(&pair->qp[i], &modify), 0);
	}
	pthread_mutex_unlock(&objects);
}

static void actor_disconnect(struct actor *actor)
{
	u32 i;

	pthread_mutex_lock(&objects);
	for (i = 0; i < 2; i++) {
		assert_int_equal(client_destroy_qp(&actor->pair->qp[i]), 0);
		assert_int_equal(client_destroy_cq(&actor->cq[i]), 0);
	}
	pthread_mutex_unlock(&objects);
}

/* Messages until one fails; the last of them over a key that dies under it. */
static void actor_traffic(struct actor *actor, u32 n, unsigned int *seed)
{
	struct engine_node *from = &actor->e->node[actor->end];
	struct engine_node *to = &actor->e->node[!actor->end];
	u32 half = actor->end * (ENGINE_BYTES / 2);
	struct client_qp *qp = actor->pair->qp;
	struct client_wc wc[4];
	u32 i;
	int k;

	for (i = 0; i < n && !READ_ONCE(stop); i++) {
		u32 at = half + i % PIECES * LEN;
		struct client_sge sge = engine_sge(from, at, LEN);
		struct client_sge recv = engine_sge(to, at, LEN);
		struct client_send wr = engine_send(i & 1 ? MLX5_OPCODE_RDMA_WRITE_IMM :
						    MLX5_OPCODE_SEND, &sge);
		bool sent = false, received = false;

		wr.remote_addr = recv.addr;
		wr.rkey = to->key;
		memset((void *)(uintptr_t)sge.addr, (int)i, LEN);
		assert_int_equal(client_post_recv(&qp[1], i, &recv, 1), 0);
		engine_post(&qp[0], &wr);
		if (rand_r(seed) % 64 == 0)
			client_modify_qp(&qp[rand_r(seed) & 1], MLX5_CMD_OP_2ERR_QP, NULL);
		while (!sent || !received) {
			if (READ_ONCE(stop))
				return;
			k = client_poll_cq(&actor->cq[0], 1, wc);
			if (k && wc[0].status) {
				actor->bad++;
				return;
			}
			sent |= k;
			k = client_poll_cq(&actor->cq[1], 1, wc);
			if (k && wc[0].status) {
				actor->bad++;
				return;
			}
			received |= k;
			sched_yield();
		}
		assert_true(!memchr_inv((void *)(uintptr_t)recv.addr, (u8)i, LEN));
		actor->good++;
	}
}

static void *actor_run(void *arg)
{
	struct actor *actor = arg;
	unsigned int seed = actor->end + 1;

	while (!READ_ONCE(stop)) {
		actor_connect(actor);
		actor_traffic(actor, 1 + rand_r(&seed) % 200, &seed);
		actor_disconnect(actor);
	}
	return NULL;
}

/* Keys over the traffic's memory come and go. */
static void *key_run(void *arg)
{
	struct engine *e = arg;
	u32 i, key;

	for (i = 0; !READ_ONCE(stop); i++) {
		struct engine_node *node = &e->node[i & 1];

		assert_int_equal(client_reg_mr(&node->c, node->pd, node->mem.va, LEN * PIECES,
					       CLIENT_ALL_ACCESS, &key), 0);
		assert_int_equal(client_destroy_mkey(&node->c, key), 0);
	}
	return NULL;
}

static void test_stress(void **state)
{
	const char *seconds = getenv("MHCA_TEST_SECONDS");
	struct engine *e = threaded_create();
	struct engine_pair pair[2] = { { .e = e }, { .e = e } };
	struct actor actor[2] = { { 0 } };
	struct timespec wait = { .tv_sec = seconds ? atoi(seconds) : SECONDS_DEFAULT };
	pthread_t keys;
	u32 i;

	stop = 0;
	for (i = 0; i < 2; i++) {
		actor[i].e = e;
		actor[i].end = i;
		actor[i].pair = &pair[i];
		assert_int_equal(pthread_create(&actor[i].thread, NULL, actor_run, &actor[i]), 0);
	}
	assert_int_equal(pthread_create(&keys, NULL, key_run, e), 0);
	nanosleep(&wait, NULL);
	WRITE_ONCE(stop, 1);
	for (i = 0; i < 2; i++)
		pthread_join(actor[i].thread, NULL);
	pthread_join(keys, NULL);
	for (i = 0; i < 2; i++) {
		print_message("end %u: %llu good, %llu broken\n", i,
			      (unsigned long long)actor[i].good,
			      (unsigned long long)actor[i].bad);
		assert_true(actor[i].good > 0);
	}
	threaded_destroy(e);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_stress),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
