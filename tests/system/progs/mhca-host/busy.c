// SPDX-License-Identifier: GPL-2.0-only
/*
 * busy QPS ROUNDS MS UUID UUID: throughput of one QP (4 KiB WRITEs, 16 in
 * flight) while its instance has no other QP, and while it has QPS of them in
 * RTS. Both are measured in turn, ROUNDS times, MS milliseconds each.
 */
#include <stdio.h>
#include <stdlib.h>
#include "host.h"

#define SIZE	4096U
#define FLIGHT	16U

struct extra {
	struct client_qp a;
	struct client_qp b;
};

static int post(struct node *from, struct client_qp *qp, struct node *to)
{
	struct client_sge sge = { .addr = (uintptr_t)from->mem.va, .len = SIZE,
				  .lkey = from->key };
	struct client_send wr = { .opcode = MLX5_OPCODE_RDMA_WRITE, .flags = CLIENT_SIGNALED,
				  .sge = &sge, .n_sge = 1, .rkey = to->key,
				  .remote_addr = (uintptr_t)to->mem.va };

	return client_post_send(qp, &wr) ? complain("post failed") : 0;
}

/* Messages per second; negative after an error. */
static double measure(struct node *from, struct client_qp *qp, struct node *to, u32 ms)
{
	u64 start = now_ns(), end = start + ms * 1000000ULL, done = 0, stopped = 0;
	u32 flight = 0;
	struct client_wc wc[FLIGHT];

	while (!stopped || flight) {
		int got;

		while (flight < FLIGHT && !stopped) {
			if (post(from, qp, to))
				return -1;
			flight++;
		}
		got = client_poll_cq(&from->cq, FLIGHT, wc);
		if (!got)
			from->c.ops->progress(from->c.backend);
		for (int i = 0; i < got; i++)
			if (wc[i].status)
				return complain("syndrome %x", wc[i].status);
		flight -= (u32)got;
		done += (u64)got;
		if (!stopped && now_ns() >= end)
			stopped = now_ns();
	}
	return (double)done * 1e9 / (double)(now_ns() - start);
}

static int create(struct node *n, struct extra *extra, u32 qps)
{
	for (u32 i = 0; i < qps; i++)
		if (node_connect(&n[0], &extra[i].a, &n[1], &extra[i].b))
			return -1;
	return 0;
}

static int destroy(struct extra *extra, u32 qps)
{
	for (u32 i = 0; i < qps; i++)
		if (client_destroy_qp(&extra[i].a) || client_destroy_qp(&extra[i].b))
			return complain("destroy failed");
	return 0;
}

int busy_main(int argc, char **argv)
{
	u32 qps = (u32)atoi(argv[0]), rounds = (u32)atoi(argv[1]), ms = (u32)atoi(argv[2]);
	struct extra *extra = calloc(qps, sizeof(*extra));
	struct node n[2];
	struct client_qp a, b;

	if (!extra || argc != 5 || node_open(&n[0], argv[3]) || node_open(&n[1], argv[4]) ||
	    node_connect(&n[0], &a, &n[1], &b))
		return complain("busy: set-up failed");
	measure(&n[0], &a, &n[1], ms);	/* pages, caches */
	for (u32 r = 0; r < rounds; r++) {
		double alone = measure(&n[0], &a, &n[1], ms), among;

		if (create(n, extra, qps))
			return -1;
		among = measure(&n[0], &a, &n[1], ms);
		if (destroy(extra, qps) || alone < 0 || among < 0)
			return -1;
		printf("{\"qps\": %u, \"alone\": %.0f, \"among\": %.0f}\n", qps, alone, among);
		fflush(stdout);
	}
	node_close(&n[0]);
	node_close(&n[1]);
	return 0;
}
