// SPDX-License-Identifier: GPL-2.0-only
/*
 * traffic SECONDS UUID…: every instance writes to, reads from and adds to the
 * next one's memory at the same time; every byte is checked, for SECONDS or
 * until standard input ends. One thread for each instance.
 */
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "host.h"

#define SLOTS	8U
#define SLOT	65536U

/**
 * struct runner - one instance and its connection to the next
 * @node: instance
 * @next: the next one
 * @qp: QP that sends
 * @peer: the next one's end
 * @rng: random numbers
 * @messages: checked
 * @bytes: checked
 * @failed: something was wrong
 * @thread: thread
 */
struct runner {
	struct node node;
	struct runner *next;
	struct client_qp qp;
	struct client_qp peer;
	u64 rng;
	u64 messages;
	u64 bytes;
	bool failed;
	pthread_t thread;
};

static atomic_bool stop;

/* A runner's own quarter of memories: source, inbox of others, read-back, words. */
static u8 *area(struct node *n, u32 which)
{
	return n->mem.va + which * (NODE_MEM / 4);
}

static int expect_done(struct runner *r, u32 n)
{
	struct client_wc wc;

	while (n--) {
		if (node_poll(&r->node, &wc, 60000))
			return complain("%s: no completion", r->node.uuid);
		if (wc.status)
			return complain("%s: completion with syndrome %x", r->node.uuid,
					wc.status);
	}
	return 0;
}

static int post(struct runner *r, u8 opcode, u8 *local, u8 *remote, u32 len)
{
	struct client_sge sge = { .addr = (uintptr_t)local, .len = len,
				  .lkey = r->node.key };
	struct client_send wr = { .opcode = opcode, .flags = CLIENT_SIGNALED, .sge = &sge,
				  .n_sge = 1, .remote_addr = (uintptr_t)remote,
				  .rkey = r->next->node.key, .swap_add = 1 };

	return client_post_send(&r->qp, &wr) ? complain("post failed") : 0;
}

/* SLOTS messages written, then all of them read back, and one addition. */
static int one_round(struct runner *r, u64 round)
{
	u32 len[SLOTS], at[SLOTS];
	u64 *word = (u64 *)area(&r->next->node, 3);
	u32 i, k;

	for (i = 0; i < SLOTS; i++) {
		u8 *source = area(&r->node, 0) + i * SLOT;

		at[i] = pick(&r->rng, 64);
		len[i] = 1 + pick(&r->rng, pick(&r->rng, 4) ? 2000 : SLOT - 128);
		for (k = 0; k < len[i]; k++)
			source[k] = (u8)(round + i * 31 + k * 7 + (k >> 8));
		memset(area(&r->next->node, 1) + i * SLOT, 0xa5, at[i] + len[i] + 64);
		if (post(r, MLX5_OPCODE_RDMA_WRITE, source,
			 area(&r->next->node, 1) + i * SLOT + at[i], len[i]))
			return -1;
	}
	if (expect_done(r, SLOTS))
		return -1;
	for (i = 0; i < SLOTS; i++) {
		u8 *inbox = area(&r->next->node, 1) + i * SLOT;

		if (memcmp(inbox + at[i], area(&r->node, 0) + i * SLOT, len[i]) ||
		    (at[i] && inbox[at[i] - 1] != 0xa5) || inbox[at[i] + len[i]] != 0xa5)
			return complain("%s: round %llu: wrong data written", r->node.uuid,
					(unsigned long long)round);
		if (post(r, MLX5_OPCODE_RDMA_READ, area(&r->node, 2) + i * SLOT, inbox + at[i],
			 len[i]))
			return -1;
		r->messages += 2;
		r->bytes += 2 * len[i];
	}
	if (expect_done(r, SLOTS))
		return -1;
	for (i = 0; i < SLOTS; i++)
		if (memcmp(area(&r->node, 2) + i * SLOT, area(&r->node, 0) + i * SLOT, len[i]))
			return complain("%s: round %llu: wrong data read", r->node.uuid,
					(unsigned long long)round);
	if (post(r, MLX5_OPCODE_ATOMIC_FA, area(&r->node, 3) + 64, (u8 *)word, 8) ||
	    expect_done(r, 1))
		return -1;
	if (*word != round + 1)
		return complain("%s: sum is %llu, not %llu", r->node.uuid,
				(unsigned long long)*word, (unsigned long long)round + 1);
	return 0;
}

static void *run(void *arg)
{
	struct runner *r = arg;
	u64 round = 0;

	while (!atomic_load(&stop) && !r->failed)
		r->failed = one_round(r, round++) != 0;
	return NULL;
}

static void wait_for_end(int seconds)
{
	struct pollfd in = { .fd = 0, .events = POLLIN };
	u64 end = now_ns() + (u64)seconds * 1000000000ULL;
	char byte;

	while (now_ns() < end) {
		if (poll(&in, 1, 100) > 0 && read(0, &byte, 1) <= 0)
			return;
	}
}

int traffic_main(int argc, char **argv)
{
	int seconds = atoi(argv[0]), n = argc - 1, i, failed = 0;
	struct runner *r = calloc((size_t)n, sizeof(*r));
	u64 messages = 0, bytes = 0, least = ~0ULL;

	if (!r)
		return complain("no memory");
	for (i = 0; i < n; i++) {
		r[i].next = &r[(i + 1) % n];
		r[i].rng = 0x9e3779b97f4a7c15ULL * (u64)(i + 1);
		if (node_open(&r[i].node, argv[i + 1]))
			return -1;
	}
	for (i = 0; i < n; i++)
		if (node_connect(&r[i].node, &r[i].qp, &r[i].next->node, &r[i].peer))
			return -1;
	puts("running");
	fflush(stdout);
	for (i = 0; i < n; i++)
		if (pthread_create(&r[i].thread, NULL, run, &r[i]))
			return complain("no thread");
	wait_for_end(seconds);
	atomic_store(&stop, true);
	for (i = 0; i < n; i++) {
		pthread_join(r[i].thread, NULL);
		failed |= r[i].failed;
		messages += r[i].messages;
		bytes += r[i].bytes;
		if (r[i].messages < least)
			least = r[i].messages;
	}
	for (i = 0; i < n; i++)
		node_close(&r[i].node);
	printf("{\"instances\": %d, \"messages\": %llu, \"bytes\": %llu, "
	       "\"least_messages\": %llu, \"failed\": %d}\n", n,
	       (unsigned long long)messages, (unsigned long long)bytes,
	       (unsigned long long)least, failed);
	return failed ? -1 : 0;
}
