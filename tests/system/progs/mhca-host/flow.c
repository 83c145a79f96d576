// SPDX-License-Identifier: GPL-2.0-only
/*
 * flow SIZE SECONDS UUID…: every instance writes SIZE bytes to itself again and again,
 * as fast as it is let. One JSON line each at the end: bytes that were completed and
 * the time they took, both from its first to its last completion.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "host.h"

#define FLIGHT	32U

/**
 * struct flow - an instance that writes
 * @node: instance
 * @qp: sends
 * @peer: other end
 * @bytes: completed after the first completion
 * @first: time of the first completion
 * @last: of the last
 * @failed: something was wrong
 * @thread: thread
 */
struct flow {
	struct node node;
	struct client_qp qp;
	struct client_qp peer;
	u64 bytes;
	u64 first;
	u64 last;
	bool failed;
	pthread_t thread;
};

static atomic_bool stop;
static u32 size;

static int post(struct flow *f)
{
	struct client_sge sge = { .addr = (uintptr_t)f->node.mem.va, .len = size,
				  .lkey = f->node.key };
	struct client_send wr = { .opcode = MLX5_OPCODE_RDMA_WRITE, .flags = CLIENT_SIGNALED,
				  .sge = &sge, .n_sge = 1, .rkey = f->node.key,
				  .remote_addr = (uintptr_t)f->node.mem.va + NODE_MEM / 2 };

	return client_post_send(&f->qp, &wr);
}

static void completed(struct flow *f, const struct client_wc *wc, int n)
{
	for (int i = 0; i < n; i++)
		f->failed |= wc[i].status != 0;
	f->last = now_ns();
	if (f->first)
		f->bytes += (u64)n * size;
	else
		f->first = f->last;
}

/* Polls rarely: the lane is to have the CPU. */
static void *run(void *arg)
{
	struct client_wc wc[FLIGHT];
	struct flow *f = arg;
	u32 flight = 0;

	while ((!atomic_load(&stop) || flight) && !f->failed) {
		int n;

		for (; !atomic_load(&stop) && flight < FLIGHT; flight++)
			if (post(f))
				f->failed = true;
		n = client_poll_cq(&f->node.cq, FLIGHT, wc);
		if (n)
			completed(f, wc, n);
		else
			usleep(50);
		flight -= (u32)n;
	}
	return NULL;
}

int flow_main(int argc, char **argv)
{
	int seconds = atoi(argv[1]), n = argc - 2, i, failed = 0;
	struct flow *f = calloc((size_t)n, sizeof(*f));

	size = (u32)atoi(argv[0]);
	if (!f || !size || size > NODE_MEM / 2)
		return complain("flow: no memory, or a size above %lu", NODE_MEM / 2);
	for (i = 0; i < n; i++)
		if (node_open(&f[i].node, argv[i + 2]) ||
		    node_connect(&f[i].node, &f[i].qp, &f[i].node, &f[i].peer))
			return complain("flow: set-up failed");
	puts("running");
	fflush(stdout);
	for (i = 0; i < n; i++)
		if (pthread_create(&f[i].thread, NULL, run, &f[i]))
			return complain("no thread");
	sleep((unsigned int)seconds);
	atomic_store(&stop, true);
	for (i = 0; i < n; i++) {
		pthread_join(f[i].thread, NULL);
		failed |= f[i].failed;
		printf("{\"uuid\": \"%s\", \"bytes\": %llu, \"ns\": %llu}\n", f[i].node.uuid,
		       (unsigned long long)f[i].bytes,
		       (unsigned long long)(f[i].last - f[i].first));
		node_close(&f[i].node);
	}
	return failed ? complain("flow: a completion with error") : 0;
}
