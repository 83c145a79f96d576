// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Send and receive WQEs: every size at every place of the ring, so that every segment
 * meets the ring's end once; sizes and segments that lie.
 */
#include "fixture.h"

#define TO		(BUF_BYTES / 2)
#define LOG_SQ		5
#define BLOCKS		(1U << LOG_SQ)

static void open_ring(struct world *w, struct pair *p, u8 log_sq)
{
	struct client_qp_attr attr;
	u32 i;

	memset(p, 0, sizeof(*p));
	for (i = 0; i < 2; i++) {
		p->g[i] = &w->g[i];
		client_qp_attr_init(&attr, MLX5_QP_ST_RC, w->g[i].pd, &w->g[i].cq);
		attr.log_sq = log_sq;
		assert_ok(client_create_qp(&w->g[i].c, &attr, &p->qp[i]));
	}
	pair_connect(p);
}

/* NOPs until the next WQE begins at block @at. */
static void move_to(struct world *w, struct pair *p, u32 at)
{
	struct client_send nop = { .opcode = MLX5_OPCODE_NOP, .flags = CLIENT_SIGNALED };

	while ((p->qp[0].sq.head & (BLOCKS - 1)) != at) {
		assert_ok(client_post_send(&p->qp[0], &nop));
		expect_wc(w, &p->g[0]->cq, 0, 0);
	}
}

/* A WRITE of @ds segments: one inline segment that fills as much as can be, then pointers. */
static u32 build(struct pair *p, u64 *raw, u32 ds, u32 seed)
{
	struct mlx5_wqe_ctrl_seg *ctrl = (void *)raw;
	struct mlx5_wqe_raddr_seg *raddr = (void *)((u8 *)raw + 16);
	u8 *seg = (u8 *)raw + 32;
	u32 inline_ds = (ds - 2) / 2;
	u32 total = 0;
	u32 i;

	memset(raw, 0, ds * 16);
	ctrl->opmod_idx_opcode = cpu_to_be32(MLX5_OPCODE_RDMA_WRITE);
	ctrl->qpn_ds = cpu_to_be32(p->qp[0].qpn << 8 | ds);
	ctrl->fm_ce_se = MLX5_WQE_CTRL_CQ_UPDATE;
	raddr->raddr = cpu_to_be64((uintptr_t)p->g[1]->buf.va + TO);
	raddr->rkey = cpu_to_be32(p->g[1]->key);
	fill(p->g[0]->buf.va, 4096, seed);
	if (inline_ds) {
		total = inline_ds * 16 - 4 - seed % 12;
		*(__be32 *)seg = cpu_to_be32(0x80000000U | total);
		memcpy(seg + 4, p->g[0]->buf.va, total);
		seg += inline_ds * 16;
	}
	for (i = 2 + inline_ds; i < ds; i++, seg += 16) {
		struct mlx5_wqe_data_seg *data = (void *)seg;
		u32 len = 1 + (seed + i) % 9;

		data->byte_count = cpu_to_be32(len);
		data->lkey = cpu_to_be32(p->g[0]->key);
		data->addr = cpu_to_be64((uintptr_t)p->g[0]->buf.va + total);
		total += len;
	}
	return total;
}

static void every_size_at_every_place(void **state)
{
	struct world *w = *state;
	u64 raw[128];
	struct pair p;
	u32 at;
	u32 ds;

	open_ring(w, &p, LOG_SQ);
	for (at = 0; at < BLOCKS; at++) {
		for (ds = 2; ds <= 63; ds++) {
			u32 total;

			move_to(w, &p, at);
			total = build(&p, raw, ds, at * 64 + ds);
			memset(p.g[1]->buf.va + TO, 0xee, total + 8);
			assert_ok(client_post_raw(&p.qp[0], ds, raw, ds));
			expect_wc(w, &p.g[0]->cq, ds, 0);
			assert_filled(p.g[1]->buf.va + TO, total, at * 64 + ds);
			assert_int_equal(p.g[1]->buf.va[TO + total], 0xee);
		}
	}
	pair_close(&p);
}

/* The 16-bit counters go round: more than 65536 basic blocks. */
static void counters_wrap(void **state)
{
	struct world *w = *state;
	struct client_send nop = { .opcode = MLX5_OPCODE_NOP };
	struct client_wc wc;
	struct pair p;
	u32 i;

	open_ring(w, &p, 8);
	for (i = 0; i < 66000; i++) {
		nop.wr_id = i;
		nop.flags = i % 200 == 199 || i > 65990 ? CLIENT_SIGNALED : 0;
		assert_ok(client_post_send(&p.qp[0], &nop));
		if (nop.flags) {
			wc = expect_wc(w, &p.g[0]->cq, i, 0);
			assert_int_equal(wc.counter, i & 0xffff);
		}
	}
	pair_close(&p);
}

/* ---- Lies ------------------------------------------------------------ */

static void ds_0(u8 *raw) { ((__be32 *)raw)[1] &= cpu_to_be32(~0x3fU); }
static void ds_1(u8 *raw) { ds_0(raw); ((__be32 *)raw)[1] |= cpu_to_be32(1); }
static void ds_63(u8 *raw) { ((__be32 *)raw)[1] |= cpu_to_be32(63); }

static void inline_beyond(u8 *raw)
{
	*(__be32 *)(raw + 32) = cpu_to_be32(0x80000000U | 900);
}

static void inline_enormous(u8 *raw)
{
	*(__be32 *)(raw + 32) = cpu_to_be32(0xffffffffU);
}

static void length_of_4_gib(u8 *raw)
{
	u32 i;

	for (i = 0; i < 3; i++)
		*(__be32 *)(raw + 32 + i * 16) = cpu_to_be32(0x7fffffff);
}

static void signature(u8 *raw) { raw[8] = 0x55; }

/* The control segment's QP number is not how the QP is found. */
static void foreign_qpn(u8 *raw) { ((__be32 *)raw)[1] |= cpu_to_be32(0xffff00U << 8); }

static const struct {
	const char *what;
	void (*lie)(u8 *raw);
	int status;	/* -1: works, or any error */
} lies[] = {
	{ "ds 0", ds_0, MLX5_CQE_SYNDROME_LOCAL_QP_OP_ERR },
	{ "ds 1", ds_1, MLX5_CQE_SYNDROME_LOCAL_QP_OP_ERR },
	{ "ds beyond what is posted", ds_63, MLX5_CQE_SYNDROME_LOCAL_QP_OP_ERR },
	{ "inline beyond the WQE", inline_beyond, MLX5_CQE_SYNDROME_LOCAL_QP_OP_ERR },
	{ "inline of 2 GiB", inline_enormous, MLX5_CQE_SYNDROME_LOCAL_QP_OP_ERR },
	{ "6 GiB", length_of_4_gib, MLX5_CQE_SYNDROME_LOCAL_LENGTH_ERR },
	{ "a signature that nobody asked for", signature, 0 },
	{ "another QP's number", foreign_qpn, -1 },
};

static void lies_end_in_errors(void **state)
{
	struct world *w = *state;
	u32 i;

	for (i = 0; i < ARRAY_SIZE(lies); i++) {
		struct client_wc wc;
		u64 raw[128];
		struct pair p;
		u32 k;

		open_ring(w, &p, LOG_SQ);
		build(&p, raw, 5, i);
		for (k = 2; k < 5; k++) {
			struct mlx5_wqe_data_seg *data = (void *)((u8 *)raw + k * 16);

			data->byte_count = cpu_to_be32(8);
			data->lkey = cpu_to_be32(p.g[0]->key);
			data->addr = cpu_to_be64((uintptr_t)p.g[0]->buf.va);
		}
		lies[i].lie((u8 *)raw);
		assert_ok(client_post_raw(&p.qp[0], 1, raw, 5));
		wc = next_wc(w, &p.g[0]->cq);
		if (lies[i].status >= 0 && wc.status != lies[i].status)
			fail_msg("%s: status 0x%x", lies[i].what, wc.status);
		/* A WQE is one WQE, however long it claims to be. */
		settle(w);
		while (client_poll_cq(&p.g[0]->cq, 1, &wc))
			;
		pair_close(&p);
	}
}

/* ---- Receive WQEs ---------------------------------------------------- */

/* Kernels post zero-length segments; the list ends at the invalid key. */
static void receive_lists(void **state)
{
	struct world *w = *state;
	struct client_sge sge = sge_of(&w->g[0], 0, 24);
	struct client_send wr = {
		.opcode = MLX5_OPCODE_SEND, .wr_id = 1, .flags = CLIENT_SIGNALED,
		.sge = &sge, .n_sge = 1,
	};
	struct mlx5_wqe_data_seg *seg;
	struct pair p;
	u32 i;

	pair_open(&p, MLX5_QP_ST_RC, &w->g[0], &w->g[1]);
	fill(w->g[0].buf.va, 24, 5);
	for (i = 0; i < 70; i++) {
		memset(w->g[1].buf.va + TO, 0, 64);
		seg = (void *)(p.qp[1].rq.base + (i % 64) * 64);
		recv_one(&p, 1, i, TO, 8);
		seg[1].byte_count = 0;
		seg[1].lkey = cpu_to_be32(w->g[1].key);
		seg[2].byte_count = cpu_to_be32(16);
		seg[2].lkey = cpu_to_be32(w->g[1].key);
		seg[2].addr = cpu_to_be64((uintptr_t)w->g[1].buf.va + TO + 8);
		seg[3].byte_count = 0;
		seg[3].lkey = cpu_to_be32(CLIENT_LIST_END);
		assert_ok(client_post_send(&p.qp[0], &wr));
		assert_int_equal(expect_wc(w, &w->g[1].cq, i, 0).bytes, 24);
		expect_wc(w, &w->g[0].cq, 1, 0);
		assert_filled(w->g[1].buf.va + TO, 24, 5);
	}
	pair_close(&p);
}

/* A producer index that says more receive WQEs than the ring has. */
static void impossible_receive_index(void **state)
{
	struct world *w = *state;
	struct client_sge sge = sge_of(&w->g[0], 0, 24);
	struct client_send wr = {
		.opcode = MLX5_OPCODE_SEND, .wr_id = 1, .flags = CLIENT_SIGNALED,
		.sge = &sge, .n_sge = 1,
	};
	struct pair p;

	pair_open(&p, MLX5_QP_ST_RC, &w->g[0], &w->g[1]);
	p.qp[1].record.word[0] = cpu_to_be32(0x8000);
	assert_ok(client_post_send(&p.qp[0], &wr));
	expect_event(w, &w->g[1], MLX5_EVENT_TYPE_WQ_CATAS_ERROR);
	expect_wc(w, &w->g[0].cq, 1, MLX5_CQE_SYNDROME_REMOTE_OP_ERR);
	assert_int_equal(qp_state(&p.qp[1]), MLX5_QP_STATE_ERR);
	expect_no_wc(w, &w->g[1].cq);
	pair_close(&p);
}

#define world_test(fn) cmocka_unit_test_setup_teardown(fn, world_setup, world_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		world_test(every_size_at_every_place),
		world_test(counters_wrap),
		world_test(lies_end_in_errors),
		world_test(receive_lists),
		world_test(impossible_receive_index),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
