// SPDX-License-Identifier: GPL-2.0-only
/* SEND, WRITE and READ over the connected services: sizes, alignments, SGLs. */
#include "verify.h"

#include <string.h>

static const uint32_t sizes[] = {
	0, 1, 2, 3, 4, 7, 8, 9, 15, 16, 31, 32, 63, 64, 65, 127, 128, 255, 256, 257,
	511, 512, 1023, 1024, 1025, 4095, 4096, 4097, 8191, 8192, 8193, 16384,
	65535, 65536, 65537, 262144, 1048575, 1048576, 1048577, 4194304, 8388608,
};

static const enum ibv_wr_opcode ops[] = {
	IBV_WR_SEND, IBV_WR_SEND_WITH_IMM, IBV_WR_RDMA_WRITE,
	IBV_WR_RDMA_WRITE_WITH_IMM, IBV_WR_RDMA_READ,
};

/**
 * struct shape - what a traffic test varies
 * @link: connection
 * @add: adds the messages of one operation to the plan
 */
struct shape {
	struct link_attr link;
	int (*add)(struct side *s, struct link *l, struct plan *p,
		   enum ibv_wr_opcode op);
};

static int add_sizes(struct side *s, struct link *l, struct plan *p,
		     enum ibv_wr_opcode op)
{
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		struct xfer x = { .op = op, .len = sizes[i],
				  .local_align = pick(s, 64),
				  .remote_align = pick(s, 64),
				  .flags = i & 1 ? IBV_SEND_SIGNALED : 0 };

		if (plan_add(s, l, p, &x))
			return -1;
	}
	return 0;
}

/* Every alignment of one end, then of the other. */
static int add_alignments(struct side *s, struct link *l, struct plan *p,
			  enum ibv_wr_opcode op)
{
	for (uint32_t i = 0; i < 128; i++) {
		struct xfer x = { .op = op, .len = 61 + pick(s, 200),
				  .local_align = i < 64 ? i : pick(s, 64),
				  .remote_align = i < 64 ? pick(s, 64) : i - 64,
				  .flags = i % 5 ? 0 : IBV_SEND_SIGNALED };

		if (plan_add(s, l, p, &x))
			return -1;
	}
	return 0;
}

/* Lists of 1 to 30 entries at both ends, from bytes to many pages. */
static int add_lists(struct side *s, struct link *l, struct plan *p,
		     enum ibv_wr_opcode op)
{
	static const uint32_t unit[] = { 1, 7, 64, 700, 5000 };

	for (uint32_t i = 0; i < l->max_sge; i++) {
		struct xfer x = { .op = op, .local_sge = i + 1,
				  .remote_sge = 1 + pick(s, l->max_sge),
				  .local_align = pick(s, 64),
				  .remote_align = pick(s, 64),
				  .flags = i % 3 ? 0 : IBV_SEND_SIGNALED };

		x.len = (i + 1) * unit[i % ARRAY_SIZE(unit)] + pick(s, 40);
		if (plan_add(s, l, p, &x))
			return -1;
	}
	return 0;
}

static int add_inline(struct side *s, struct link *l, struct plan *p,
		      enum ibv_wr_opcode op)
{
	if (op == IBV_WR_RDMA_READ)
		return 0;
	for (uint32_t i = 0; i < 60; i++) {
		struct xfer x = { .op = op, .local_sge = 1 + pick(s, 8),
				  .len = i < 20 ? i : pick(s, l->max_inline + 1),
				  .local_align = pick(s, 64),
				  .remote_align = pick(s, 64),
				  .flags = IBV_SEND_INLINE |
					   (i % 4 ? 0 : IBV_SEND_SIGNALED) };

		if (i == 59)
			x.len = l->max_inline;
		if (plan_add(s, l, p, &x))
			return -1;
	}
	return 0;
}

static bool carries(enum transport t, enum ibv_wr_opcode op)
{
	return t != UC || op != IBV_WR_RDMA_READ;
}

static int run_shape(struct side *s, const void *arg)
{
	const struct shape *shape = arg;
	static __thread struct plan p;
	struct link l;
	int err = link_open(s, &l, &shape->link);

	for (int active = 0; active < 2 && !err; active++) {
		plan_start(&p, active);
		for (size_t i = 0; i < ARRAY_SIZE(ops) && !err; i++)
			if (carries(shape->link.transport, ops[i]))
				err = shape->add(s, &l, &p, ops[i]);
		if (!err)
			err = plan_run(s, &l, &p);
	}
	link_close(s, &l);
	return err;
}

static void draw(struct side *s, struct link *l, struct xfer *x)
{
	static const uint32_t scale[] = { 64, 300, 5000, 70000, 400000 };

	memset(x, 0, sizeof(*x));
	do {
		x->op = ops[pick(s, ARRAY_SIZE(ops))];
	} while (!carries(l->attr.transport, x->op));
	x->len = pick(s, scale[pick(s, ARRAY_SIZE(scale))]);
	x->local_sge = pick(s, 3) ? 1 : 1 + pick(s, l->max_sge);
	x->remote_sge = pick(s, 3) ? 1 : 1 + pick(s, l->max_sge);
	x->local_align = pick(s, 64);
	x->remote_align = pick(s, 64);
	if (!pick(s, 3))
		x->flags |= IBV_SEND_SIGNALED;
	if (x->op != IBV_WR_RDMA_READ && x->len <= l->max_inline && pick(s, 2))
		x->flags |= IBV_SEND_INLINE;
	/* A fence may stand on anything; fence_order checks that it orders. */
	if (l->attr.transport == RC && !pick(s, 8))
		x->flags |= IBV_SEND_FENCE;
	if (op_takes_recv(x->op) && !pick(s, 4))
		x->flags |= IBV_SEND_SOLICITED;
}

/* One full plan of random messages in each direction. */
static int mix_round(struct side *s, struct link *l, struct plan *p)
{
	for (int active = 0; active < 2; active++) {
		plan_start(p, active);
		for (uint32_t i = 0; i < BATCH; i++) {
			struct xfer x;

			draw(s, l, &x);
			if (plan_add(s, l, p, &x))
				return -1;
		}
		if (plan_run(s, l, p))
			return -1;
	}
	return 0;
}

static int run_mix(struct side *s, const void *arg)
{
	static __thread struct plan p;
	struct link l;
	int err = link_open(s, &l, arg);

	for (int i = 0; i < 3 && !err; i++)
		err = mix_round(s, &l, &p);
	link_close(s, &l);
	return err;
}

/* Random messages for as long as side 0 wants. */
static int run_soak(struct side *s, const void *arg)
{
	uint64_t end = now_ms() + s->opt->seconds * 1000ULL;
	uint32_t more[2] = { 1, 1 };
	static __thread struct plan p;
	struct link l;
	int err = link_open(s, &l, arg);

	while (!err) {
		more[0] = now_ms() < end;
		err = swap(s, &more[0], &more[1], sizeof(more[0]));
		if (err || !(s->index ? more[1] : more[0]))
			break;
		err = mix_round(s, &l, &p);
	}
	link_close(s, &l);
	return err;
}

/*
 * READ into a place, then a fenced WRITE from that place: what arrives must be
 * what was read, though the WRITE is posted before the READ has completed.
 */
static int fence_round(struct side *s, struct link *l, uint32_t i)
{
	uint32_t len = 1 + pick(s, 60000), at = i * 8;
	uint32_t from = 4096 + at, via = 131072 + at, to = 262144 + at;
	struct ibv_sge sge = { .addr = s->mine.addr + via, .length = len,
			       .lkey = s->lkey[KEY_GOOD] };
	struct ibv_send_wr write = { .wr_id = 2, .opcode = IBV_WR_RDMA_WRITE,
				     .send_flags = IBV_SEND_FENCE | IBV_SEND_SIGNALED,
				     .sg_list = &sge, .num_sge = 1 };
	struct ibv_send_wr read = { .wr_id = 1, .opcode = IBV_WR_RDMA_READ,
				    .next = &write, .sg_list = &sge, .num_sge = 1 };
	struct ibv_wc wc;

	write.wr.rdma.remote_addr = s->peer.addr + to;
	write.wr.rdma.rkey = s->peer.rkey[KEY_GOOD];
	read.wr.rdma.remote_addr = s->peer.addr + from;
	read.wr.rdma.rkey = s->peer.rkey[KEY_GOOD];
	arena_reset(s, 400000);
	if (meet(s))
		return -1;
	if (s->index == 0) {
		if (link_post_send(s, l, &read) || cq_next(s, &l->send, &wc))
			return -1;
		if (wc.status != IBV_WC_SUCCESS || wc.wr_id != 2)
			return fail(s, "fenced write: %s", ibv_wc_status_str(wc.status));
		pattern_fill(1, s->want + via, from, len);
	} else {
		pattern_fill(1, s->want + to, from, len);
	}
	if (meet(s))
		return -1;
	s->messages += 2;
	s->bytes += 2 * len;
	return arena_check(s, 400000);
}

static int run_fence(struct side *s, const void *arg)
{
	struct link l;
	int err = link_open(s, &l, arg);

	for (uint32_t i = 0; i < 24 && !err; i++)
		err = fence_round(s, &l, i);
	link_close(s, &l);
	return err;
}

#define SHAPES(name, ...)							\
	{ name "_sizes", run_shape,						\
	  &(const struct shape){ { __VA_ARGS__ }, add_sizes } },		\
	{ name "_alignments", run_shape,					\
	  &(const struct shape){ { __VA_ARGS__ }, add_alignments } },		\
	{ name "_lists", run_shape,						\
	  &(const struct shape){ { __VA_ARGS__ }, add_lists } },		\
	{ name "_inline", run_shape,						\
	  &(const struct shape){ { __VA_ARGS__ }, add_inline } },		\
	{ name "_mix", run_mix, &(const struct link_attr){ __VA_ARGS__ } }

const struct test traffic_tests[] = {
	SHAPES("rc", .transport = RC),
	SHAPES("uc", .transport = UC),
	SHAPES("xrc", .transport = XRC),
	{ "rc_srq_mix", run_mix, &(const struct link_attr){ .srq = true } },
	{ "rc_srq_lists", run_shape,
	  &(const struct shape){ { .srq = true }, add_lists } },
	{ "rc_fence_order", run_fence, &(const struct link_attr){ .transport = RC } },
	{ "soak", run_soak, &(const struct link_attr){ .transport = RC } },
};
const size_t n_traffic_tests = ARRAY_SIZE(traffic_tests);
