// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * A guest moves again and again while lanes run on threads and others reach for it: a
 * connection by RoCE, frames to it and to everybody, policy. What this looks for are races
 * (run it under TSan as well), messages that are lost or come twice, and locks in the wrong
 * order.
 */
#include <sched.h>
#include <unistd.h>

#include "eth_rig.h"
#include "migrate_rig.h"

#define MOVES	300U

/**
 * struct storm - threads beside the moves
 * @stop: they are to end
 * @cq: of the connection's ends
 * @qp: its ends: node 0 is the requester
 * @failed: status of a completion that was none
 * @sums: fetch-and-adds that were completed
 * @frames: frames that were sent
 * @lock: protects @inst
 * @inst: source and target, while they are there
 * @flips: changes of policy
 */
struct storm {
	int stop;
	struct client_cq cq[2];
	struct client_qp qp[2];
	int failed;
	u64 sums;
	u64 frames;
	pthread_mutex_t lock;
	struct mhca_instance *inst[2];
	u64 flips;
};

static bool going(struct storm *s)
{
	return !__atomic_load_n(&s->stop, __ATOMIC_ACQUIRE);
}

/* RC: an add of one to a word of node 1, and a WRITE beside it. */
static void *connection(void *arg)
{
	u64 at = (uintptr_t)node[1].mem.va + ENGINE_BYTES / 4;
	struct client_sge from = sge(&node[0], node[0].mem.va + ENGINE_BYTES / 4, 3000);
	struct client_sge word = sge(&node[0], node[0].mem.va, 8);
	struct client_send wr = { .flags = CLIENT_SIGNALED, .n_sge = 1, .rkey = node[1].key };
	struct storm *s = arg;
	struct client_wc wc;
	u32 i;

	while (going(s) && !s->failed) {
		wr.opcode = MLX5_OPCODE_RDMA_WRITE;
		wr.sge = &from;
		wr.remote_addr = at + 64;
		client_post_send(&s->qp[0], &wr);
		wr.opcode = MLX5_OPCODE_ATOMIC_FA;
		wr.sge = &word;
		wr.remote_addr = at;
		wr.swap_add = 1;
		client_post_send(&s->qp[0], &wr);
		for (i = 0; i < 2; i++) {
			while (!client_poll_cq(&s->cq[0], 1, &wc))
				sched_yield();
			if (wc.status)
				__atomic_store_n(&s->failed, wc.status, __ATOMIC_RELAXED);
		}
		__atomic_add_fetch(&s->sums, 1, __ATOMIC_RELAXED);
	}
	return NULL;
}

/* Frames to whoever has the address of node 1, and to everybody. */
static void *sender(void *arg)
{
	struct storm *s = arg;
	u8 mac[6];

	mac_of(&node[1], mac);
	while (going(s)) {
		udp_frame(&node[2], mac, 200, 0);
		if (s->frames & 1)
			memset(node[2].mem.va, 0xff, 6);
		send_frame(&node[2], 200, 0, 0);
		while (!cqe_next(&node[2].scq))
			sched_yield();
		s->frames++;
	}
	return NULL;
}

static void *administrator(void *arg)
{
	struct storm *s = arg;
	struct mhca_policy policy;
	u32 i;

	while (going(s)) {
		pthread_mutex_lock(&s->lock);
		for (i = 0; i < 2; i++) {
			if (!s->inst[i])
				continue;
			policy = s->inst[i]->policy;
			policy.value[MHCA_POLICY_SPOOF_CHECK] = s->flips & 1;
			mhca_policy_apply(s->inst[i], &policy);
			s->flips++;
		}
		pthread_mutex_unlock(&s->lock);
		sched_yield();
	}
	return NULL;
}

static void watch(struct storm *s, struct mhca_instance *a, struct mhca_instance *b)
{
	pthread_mutex_lock(&s->lock);
	s->inst[0] = a;
	s->inst[1] = b;
	pthread_mutex_unlock(&s->lock);
}

static void connect_nodes(struct storm *s)
{
	u8 gid[2][16] = { { 0xfe, 0x80, [15] = 1 }, { 0xfe, 0x80, [15] = 2 } };
	struct client_cq_attr cq_attr;
	struct client_qp_attr attr;
	struct client_modify m;
	u32 i;

	client_cq_attr_init(&cq_attr, 4);
	for (i = 0; i < 2; i++) {
		assert_int_equal(client_enable_roce(&node[i].c), 0);
		assert_int_equal(client_set_roce_address(&node[i].c, 0, gid[i],
							 node[i].vmm->inst->id.mac, -1,
							 CLIENT_ROCE_V2_IPV6), 0);
		assert_int_equal(client_create_cq(&node[i].c, &cq_attr, &s->cq[i]), 0);
		client_qp_attr_init(&attr, MLX5_QP_ST_RC, node[i].pd, &s->cq[i]);
		assert_int_equal(client_create_qp(&node[i].c, &attr, &s->qp[i]), 0);
	}
	for (i = 0; i < 2; i++) {
		client_modify_init(&m);
		m.remote_qpn = s->qp[!i].qpn;
		m.path.grh = true;
		m.path.hop_limit = 64;
		memcpy(m.path.dgid, gid[!i], 16);
		mac_of(&node[!i], m.path.dmac);
		assert_int_equal(client_connect_qp(&s->qp[i], &m), 0);
	}
}

static void disconnect_nodes(struct storm *s)
{
	u32 i;

	for (i = 0; i < 2; i++) {
		assert_int_equal(client_destroy_qp(&s->qp[i]), 0);
		assert_int_equal(client_destroy_cq(&s->cq[i]), 0);
	}
}

/* migrate_move(), with policy changing beside each of its steps. */
static void move_watched(struct storm *s)
{
	struct vmm_user *vmm = node[1].vmm;
	struct mhca_instance *from = vmm->inst, *to;
	char why[200];
	u32 len;

	watch(s, NULL, NULL);
	to = target(vmm);
	watch(s, from, to);
	stop(from);
	len = save(from);
	if (load(to, image, len, why))
		fail_msg("load: %s", why);
	/* As the front end has it: no policy changes while addresses are exchanged. */
	pthread_mutex_lock(&s->lock);
	assert_int_equal(mhca_instance_run(to, MHCA_RUN_RESPONDER), 0);
	pthread_mutex_unlock(&s->lock);
	watch(s, to, NULL);
	vmm_user_switch(vmm, to);
	assert_int_equal(mhca_instance_run(to, MHCA_RUN_ALL), 0);
	while (cqe_next(&node[1].rcq))
		;
	post_buffers(&node[1], (1 << RING) - (node[1].rq.head - node[1].rcq.ci) % (1 << RING) - 1);
}

static void test_storm(void **state)
{
	u64 *word = (u64 *)(node[1].mem.va + ENGINE_BYTES / 4), sums;
	void *(*const loops[])(void *) = { connection, sender, administrator };
	struct storm s = { .lock = PTHREAD_MUTEX_INITIALIZER };
	pthread_t thread[ARRAY_SIZE(loops)];
	u32 i;

	node_move(&node[2], 5, true);
	connect_nodes(&s);
	shim_clock_fake(false);
	assert_int_equal(lanes_start(&hca), 0);
	for (i = 0; i < ARRAY_SIZE(loops); i++)
		assert_int_equal(pthread_create(&thread[i], NULL, loops[i], &s), 0);
	for (i = 0; i < MOVES; i++) {
		sums = __atomic_load_n(&s.sums, __ATOMIC_RELAXED);
		move_watched(&s);
		/* It is reached again. */
		while (__atomic_load_n(&s.sums, __ATOMIC_RELAXED) == sums)
			usleep(100);
		assert_int_equal(__atomic_load_n(&s.failed, __ATOMIC_RELAXED), 0);
	}
	watch(&s, NULL, NULL);
	__atomic_store_n(&s.stop, 1, __ATOMIC_RELEASE);
	for (i = 0; i < ARRAY_SIZE(loops); i++)
		pthread_join(thread[i], NULL);
	lanes_stop(&hca);
	shim_clock_fake(true);
	assert_int_equal(*word, s.sums);
	assert_true(s.sums >= MOVES && s.frames && s.flips);
	assert_int_equal(COUNT(&node[0], retries), 0);
	assert_int_equal(COUNT(&node[0], qp_errors), 0);
	disconnect_nodes(&s);
	node_move(&node[2], 9, true);
	while (cqe_next(&node[1].rcq))
		;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(storm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
