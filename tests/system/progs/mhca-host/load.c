// SPDX-License-Identifier: GPL-2.0-only
/*
 * steady UUID UUID: an honest tenant of two instances, measured on request. The first
 * streams WRITEs to the second and, at the same time, waits for one small WRITE after
 * the other. Each line of standard input is a number of milliseconds; the answer is a
 * JSON line with bytes, messages, and the small WRITEs' times from post to completion.
 * What was written is compared afterwards.
 */
#include <stdio.h>
#include <stdlib.h>
#include "load.h"

#define PING_SOURCE	(NODE_MEM / 4 + NODE_MEM / 8)
#define PING_TARGET	(PING_SOURCE + NODE_MEM / 2)
#define MAX_PINGS	(1U << 18)
#define WARM_UP	10	/* part of the time before what counts */
#define DRAIN_NS	20000000000ULL

enum { STREAM, PING };

int load_open(struct load *l, struct node *from, struct node *to)
{
	memset(l, 0, sizeof(*l));
	l->from = from;
	l->to = to;
	l->ns = malloc(MAX_PINGS * sizeof(*l->ns));
	if (!l->ns)
		return complain("no memory");
	for (u32 i = 0; i < LOAD_FLIGHT * LOAD_SIZE; i++)
		from->mem.va[i] = (u8)(i * 13 + (i >> 8) * 7 + 1);
	return node_connect(from, &l->stream, to, &l->stream_peer) ||
	       node_connect(from, &l->ping, to, &l->ping_peer);
}

static int post(struct load *l, u32 kind, u32 source, u32 target, u32 len)
{
	struct client_sge sge = { .addr = (uintptr_t)l->from->mem.va + source, .len = len,
				  .lkey = l->from->key };
	struct client_send wr = { .wr_id = kind, .opcode = MLX5_OPCODE_RDMA_WRITE,
				  .flags = CLIENT_SIGNALED, .sge = &sge, .n_sge = 1,
				  .rkey = l->to->key,
				  .remote_addr = (uintptr_t)l->to->mem.va + target };

	return client_post_send(kind == PING ? &l->ping : &l->stream, &wr) ?
	       complain("post failed") : 0;
}

static int post_ping(struct load *l)
{
	u64 *source = (u64 *)(l->from->mem.va + PING_SOURCE);

	*source = ++l->pings;
	l->posted = now_ns();
	l->pinging = true;
	return post(l, PING, PING_SOURCE, PING_TARGET, sizeof(*source));
}

static int completed(struct load *l, const struct client_wc *wc)
{
	if (wc->status)
		return complain("%s: completion with syndrome %x", l->from->uuid, wc->status);
	if (wc->wr_id == STREAM) {
		l->flight--;
		l->bytes += LOAD_SIZE;
		return 0;
	}
	l->pinging = false;
	if (*(volatile u64 *)(l->to->mem.va + PING_TARGET) != l->pings)
		return complain("%s: a small WRITE brought wrong data", l->from->uuid);
	if (l->n < MAX_PINGS)
		l->ns[l->n++] = now_ns() - l->posted;
	return 0;
}

/* Completions taken, or -1. */
static int poll_once(struct load *l)
{
	struct client_wc wc[LOAD_FLIGHT + 1];
	int n = client_poll_cq(&l->from->cq, LOAD_FLIGHT + 1, wc);

	for (int i = 0; i < n; i++)
		if (completed(l, &wc[i]))
			return -1;
	return n;
}

int load_step(struct load *l)
{
	int n = poll_once(l);

	if (n < 0 || l->ending)
		return n;
	for (; l->flight < LOAD_FLIGHT; l->flight++, l->slot = (l->slot + 1) % LOAD_FLIGHT)
		if (post(l, STREAM, l->slot * LOAD_SIZE, NODE_MEM / 2 + l->slot * LOAD_SIZE,
			 LOAD_SIZE))
			return -1;
	return !l->pinging && post_ping(l) ? -1 : n;
}

int load_turn(struct load *l)
{
	int n = load_step(l);

	/* Sleeps a little: the lane may need this CPU. */
	if (!n)
		l->from->c.ops->progress(l->from->c.backend);
	return n < 0 ? -1 : 0;
}

int load_drain(struct load *l)
{
	u64 end = now_ns() + DRAIN_NS;

	l->ending = true;
	while (l->flight || l->pinging) {
		int n = poll_once(l);

		if (n < 0)
			return -1;
		if (!n)
			l->from->c.ops->progress(l->from->c.backend);
		if (now_ns() > end)
			return complain("%s: no completion", l->from->uuid);
	}
	return memcmp(l->from->mem.va, l->to->mem.va + NODE_MEM / 2, LOAD_FLIGHT * LOAD_SIZE) ?
	       complain("%s: wrong data written", l->from->uuid) : 0;
}

static int by_value(const void *a, const void *b)
{
	u64 x = *(const u64 *)a, y = *(const u64 *)b;

	return x < y ? -1 : x > y;
}

static int run_for(struct load *l, u64 ns, struct storm *neighbour)
{
	u64 end = now_ns() + ns;

	l->bytes = 0;
	l->n = 0;
	while (now_ns() < end)
		if ((neighbour && storm_step(neighbour)) || load_turn(l))
			return -1;
	return 0;
}

int load_measure(struct load *l, u64 ms, struct storm *neighbour, struct load_result *r)
{
	u64 start;

	memset(l->to->mem.va + NODE_MEM / 2, 0, LOAD_FLIGHT * LOAD_SIZE);
	l->ending = false;
	if (run_for(l, ms * 1000000 / WARM_UP, neighbour))
		return -1;
	start = now_ns();
	if (run_for(l, ms * 1000000, neighbour))
		return -1;
	r->ns = now_ns() - start;
	r->bytes = l->bytes;
	r->pings = l->n;
	if (!l->n || !l->bytes)
		return complain("%s: nothing moved", l->from->uuid);
	qsort(l->ns, l->n, sizeof(*l->ns), by_value);
	r->p50 = l->ns[l->n / 2];
	r->p99 = l->ns[l->n * 99ULL / 100];
	return load_drain(l);
}

static int answer(struct load *l, u64 ms)
{
	struct load_result r;

	if (load_measure(l, ms, NULL, &r))
		return -1;
	printf("{\"bytes\": %llu, \"ns\": %llu, \"pings\": %u, \"p50_ns\": %llu, "
	       "\"p99_ns\": %llu}\n", (unsigned long long)r.bytes, (unsigned long long)r.ns,
	       r.pings, (unsigned long long)r.p50, (unsigned long long)r.p99);
	fflush(stdout);
	return 0;
}

int steady_main(int argc, char **argv)
{
	struct node n[2];
	struct load l;
	char line[32];

	if (node_open(&n[0], argv[0]) || node_open(&n[1], argv[1]) || load_open(&l, &n[0], &n[1]))
		return complain("steady: set-up failed");
	puts("ready");
	fflush(stdout);
	while (fgets(line, sizeof(line), stdin))
		if (answer(&l, (u64)atoi(line)))
			return -1;
	node_close(&n[0]);
	node_close(&n[1]);
	return 0;
}
