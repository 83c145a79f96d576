// SPDX-License-Identifier: GPL-2.0-only
/*
 * move ROUNDS UUID UUID UUID: what a monitor does that moves its guest, as fast as it goes.
 * The guest has one of the first two instances, its peer the third. In each round messages
 * of every kind are under way when it moves; every byte and every completion is checked.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "stream.h"

#define TIMEOUT_MS	20000
#define BYTES		(600U << 10)
#define SLOT		(1U << 20)	/* of NODE_MEM: sent, received, read back, small */
#define KINDS		5

/**
 * struct mover - a guest that moves, and its peer
 * @a: the guest
 * @b: the peer
 * @spare: the instance that it moves to, in @a's container
 * @qp: of @a and @b
 * @image: of the last move
 * @stopped: ns that it stood still, summed
 */
struct mover {
	struct node a;
	struct node b;
	struct client_vfio *spare;
	struct client_qp qp[2];
	struct image image;
	u64 stopped;
};

static void fill(u8 *at, u32 len, u32 seed)
{
	for (u32 i = 0; i < len; i++)
		at[i] = (u8)((i * 31 + (i >> 9) + seed * 17) ^ seed);
}

static bool is(const u8 *at, u32 len, u32 seed)
{
	for (u32 i = 0; i < len; i++)
		if (at[i] != (u8)((i * 31 + (i >> 9) + seed * 17) ^ seed))
			return false;
	return true;
}

static int post(struct mover *m, u8 opcode, u8 *at, u32 len, u8 *remote)
{
	struct client_sge sge = { .addr = (uintptr_t)at, .len = len, .lkey = m->a.key };
	struct client_send wr = { .opcode = opcode, .sge = &sge, .n_sge = 1, .wr_id = opcode,
				  .flags = CLIENT_SIGNALED, .remote_addr = (uintptr_t)remote,
				  .rkey = m->b.key, .swap_add = 3 };

	return client_post_send(&m->qp[0], &wr);
}

/* WRITE, SEND, READ, WRITE with immediate, fetch and add: all of them under way. */
static int begin(struct mover *m, u32 round)
{
	u8 *a = m->a.mem.va, *b = m->b.mem.va;
	struct client_sge sge = { .addr = (uintptr_t)b + SLOT, .len = SLOT, .lkey = m->b.key };
	int ret;

	fill(a, BYTES, round);
	fill(b + 2 * SLOT, BYTES, round + 1);
	ret = client_post_recv(&m->qp[1], 1, &sge, 1);
	ret = ret ? ret : client_post_recv(&m->qp[1], 2, &sge, 1);
	ret = ret ? ret : post(m, MLX5_OPCODE_RDMA_WRITE, a, BYTES, b);
	ret = ret ? ret : post(m, MLX5_OPCODE_SEND, a, BYTES, NULL);
	ret = ret ? ret : post(m, MLX5_OPCODE_RDMA_READ, a + 2 * SLOT, BYTES, b + 2 * SLOT);
	ret = ret ? ret : post(m, MLX5_OPCODE_RDMA_WRITE_IMM, a, BYTES, b + 100);
	ret = ret ? ret : post(m, MLX5_OPCODE_ATOMIC_FA, a + 3 * SLOT, 8, b + 3 * SLOT);
	return ret ? complain("post: %s", strerror(-ret)) : 0;
}

static int end(struct mover *m, u32 round)
{
	static const u8 order[KINDS] = {
		MLX5_OPCODE_RDMA_WRITE, MLX5_OPCODE_SEND, MLX5_OPCODE_RDMA_READ,
		MLX5_OPCODE_RDMA_WRITE_IMM, MLX5_OPCODE_ATOMIC_FA,
	};
	u8 *a = m->a.mem.va, *b = m->b.mem.va;
	struct client_wc wc;
	u64 counter;

	for (int i = 0; i < KINDS; i++) {
		if (node_poll(&m->a, &wc, TIMEOUT_MS))
			return complain("round %u: no completion %d", round, i);
		if (wc.status || wc.wr_id != order[i])
			return complain("round %u: completion %d is that of %llu, status %x", round,
					i, (unsigned long long)wc.wr_id, wc.status);
	}
	for (u64 i = 1; i <= 2; i++) {
		if (node_poll(&m->b, &wc, TIMEOUT_MS))
			return complain("round %u: no receive %llu", round, (unsigned long long)i);
		if (wc.status || wc.wr_id != i)
			return complain("round %u: receive %llu is %llu, status %x", round,
					(unsigned long long)i, (unsigned long long)wc.wr_id, wc.status);
	}
	if (client_poll_cq(&m->a.cq, 1, &wc) == 1 || client_poll_cq(&m->b.cq, 1, &wc) == 1)
		return complain("round %u: a completion too many", round);
	memcpy(&counter, b + 3 * SLOT, sizeof(counter));
	if (!is(b, 100, round) || !is(b + 100, BYTES, round) || !is(b + SLOT, BYTES, round) ||
	    !is(a + 2 * SLOT, BYTES, round + 1))
		return complain("round %u: wrong data", round);
	if (counter != 3ULL * (round + 1))
		return complain("round %u: counted to %llu", round, (unsigned long long)counter);
	return 0;
}

static int move(struct mover *m)
{
	u64 since = now_ns();
	int ret = image_save(m->a.vfio, &m->image);

	if (ret)
		return complain("save: %s", strerror(-ret));
	ret = image_load(m->spare, &m->image, m->image.len);
	if (ret)
		return complain("load: %s", strerror(-ret));
	ret = mig_set(m->spare, MIG_RUNNING, NULL);
	if (ret)
		return complain("run: %s", strerror(-ret));
	m->stopped += now_ns() - since;
	ret = client_vfio_trade(m->a.vfio, m->spare);
	if (ret)
		return complain("bus mastering: %s", strerror(-ret));
	/* It has no place any more before it is reset. */
	if (mig_set(m->spare, MIG_RUNNING, NULL) != -EADDRINUSE)
		return complain("the source runs again");
	return client_vfio_ops.reset(m->spare) ? complain("reset") : 0;
}

int move_main(int argc, char **argv)
{
	u32 rounds = (u32)atoi(argv[0]), i;
	struct mover m = { 0 };
	int ret = 0;

	if (image_init(&m.image) || node_open(&m.a, argv[1]) || node_open(&m.b, argv[3]))
		return -1;
	m.spare = client_vfio_open_beside(argv[2], m.a.vfio);
	if (!m.spare)
		return complain("%s: %s", argv[2], strerror(errno));
	if (node_connect(&m.a, &m.qp[0], &m.b, &m.qp[1]))
		return -1;
	for (i = 0; i < rounds && !ret; i++)
		ret = begin(&m, i) || move(&m) || end(&m, i);
	printf("{\"moves\": %u, \"image\": %zu, \"early\": %zu, \"stopped_us\": %llu}\n", i,
	       m.image.len, m.image.early,
	       (unsigned long long)(m.stopped / 1000 / (i ? i : 1)));
	client_vfio_ops.close(m.spare);
	node_close(&m.a);
	node_close(&m.b);
	return ret ? -1 : 0;
}
