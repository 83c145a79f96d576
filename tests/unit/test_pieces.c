// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * What memory in many pieces of other keys costs, and whom: keys of thousands of entries,
 * of which each may be one byte. Nothing here looks at a clock: how much is done in a turn
 * is what counts.
 */
#include "umr_rig.h"

#define MANY	(1U << MHCA_LOG_MAX_KLM)
#define QKEY	0x11223344U
#define GRH	40U
#define BUDGET	(32U << 10)	/* bytes of a turn */
#define TO	(BUF_BYTES / 2)

/**
 * struct pieces - a window, and a datagram QP at both ends
 * @m: window; guest 0 has the keys
 * @ud: of each guest
 */
struct pieces {
	struct window m;
	struct client_qp ud[2];
};

static void open_ud(struct guest *g, struct client_qp *qp)
{
	struct client_qp_attr attr;
	struct client_modify m;

	client_qp_attr_init(&attr, MLX5_QP_ST_UD, g->pd, &g->cq);
	attr.log_sq = 8;
	attr.log_rq = 8;
	assert_ok(client_create_qp(&g->c, &attr, qp));
	client_modify_init(&m);
	m.qkey = QKEY;
	assert_ok(client_connect_qp(qp, &m));
}

static void open_all(struct pieces *p, struct world *w)
{
	u32 i;

	memset(p, 0, sizeof(*p));
	window_open(&p->m, w, MLX5_QP_ST_RC, 48);
	for (i = 0; i < w->lanes; i++)
		w->hca.lanes[i].params.byte_budget = BUDGET;
	for (i = 0; !w->roce && i < 2; i++)
		open_ud(&w->g[i], &p->ud[i]);
}

static void close_all(struct pieces *p)
{
	u32 i;

	for (i = 0; i < 2; i++)
		if (p->ud[i].qpn)
			assert_ok(client_destroy_qp(&p->ud[i]));
	window_close(&p->m);
}

/* A datagram of guest @from to the other. */
static void post_ud(struct pieces *p, u32 from, const struct client_sge *sge, u32 n, u32 flags)
{
	struct client_path path = { .dlid = p->m.r.w->g[!from].c.lid };
	struct client_send wr = {
		.opcode = MLX5_OPCODE_SEND, .wr_id = 1, .flags = flags, .sge = sge, .n_sge = n,
		.path = &path, .dqpn = p->ud[!from].qpn, .qkey = QKEY,
	};

	assert_ok(client_post_send(&p->ud[from], &wr));
}

/* Turns until @cq has something. */
static u32 turns_until(struct world *w, struct client_cq *cq)
{
	u32 n;

	for (n = 0; !client_peek_cq(cq); n++)
		assert_true(lanes_turn(&w->hca));
	return n;
}

/* Many SGEs in far pieces: each piece that is followed is a part of the sender's turn. */
static void datagrams(void **state)
{
	const u32 sends = 16, sges = 40;
	struct client_sge sge[40];
	struct world *w = *state;
	struct pieces p;
	u32 i, key;

	open_all(&p, w);
	key = list_key(&p.m, MANY, 1);
	for (i = 0; i < sges; i++)
		sge[i] = (struct client_sge){ IOVA + MANY - 1 - i, 1, key };
	for (i = 1; i <= sends; i++)
		post_ud(&p, 0, sge, sges, i == sends ? CLIENT_SIGNALED : 0);
	assert_true(turns_until(w, &w->g[0].cq) >= sends * sges * SOFT_FOLLOW_BYTES / BUDGET);
	expect_wc(w, &w->g[0].cq, 1, 0);
	assert_ok(client_destroy_mkey(&w->g[0].c, key));
	close_all(&p);
}

/* A datagram's bytes may lie in so many pieces, and arrive as they are. */
static void longest(void **state)
{
	struct world *w = *state;
	struct client_sge sge, to;
	struct pieces p;
	u32 i, key;

	open_all(&p, w);
	key = list_key(&p.m, MANY, 1);
	fill(p.m.r.mem.va, PAGE_SIZE, 3);
	for (i = 0; i < 2; i++) {
		sge = (struct client_sge){ IOVA + 5, SOFT_FOLLOW_MAX + i, key };
		to = sge_of(&w->g[1], TO, 1000);
		assert_ok(client_post_recv(&p.ud[1], 2, &to, 1));
		post_ud(&p, 0, &sge, 1, CLIENT_SIGNALED);
		expect_wc(w, &w->g[0].cq, 1, i ? PROT : 0);
	}
	assert_int_equal(expect_wc(w, &w->g[1].cq, 2, 0).bytes, GRH + SOFT_FOLLOW_MAX);
	assert_memory_equal(w->g[1].buf.va + TO + GRH, p.m.r.mem.va + 5, SOFT_FOLLOW_MAX);
	expect_no_wc(w, &w->g[1].cq);
	assert_int_equal(atomic_read(&mkey_of(&w->g[0], key)->holds), 0);
	assert_ok(client_destroy_mkey(&w->g[0].c, key));
	close_all(&p);
}

/* A sender's own receive queue is its own toil, too. */
static void to_oneself(void **state)
{
	const u32 sends = 16;
	struct world *w = *state;
	struct client_path path = { .dlid = w->g[0].c.lid };
	struct client_sge sge = sge_of(&w->g[0], 0, 20);
	struct client_send wr = {
		.opcode = MLX5_OPCODE_SEND, .wr_id = 1, .sge = &sge, .n_sge = 1, .path = &path,
		.qkey = QKEY,
	};
	struct client_sge to;
	struct pieces p;
	u32 i, key;

	open_all(&p, w);
	key = list_key(&p.m, MANY, 1);
	to = (struct client_sge){ IOVA, GRH + sge.len, key };
	wr.dqpn = p.ud[0].qpn;
	for (i = 1; i <= sends; i++) {
		assert_ok(client_post_recv(&p.ud[0], 2, &to, 1));
		wr.flags = i == sends ? CLIENT_SIGNALED : 0;
		assert_ok(client_post_send(&p.ud[0], &wr));
	}
	for (i = 0; counter(&w->g[0], messages) < sends; i++)
		assert_true(lanes_turn(&w->hca));
	assert_true(i >= sends * to.len * SOFT_FOLLOW_BYTES / BUDGET);
	for (i = 0; i < sends; i++)
		expect_wc(w, &w->g[0].cq, 2, 0);
	expect_wc(w, &w->g[0].cq, 1, 0);
	assert_ok(client_destroy_mkey(&w->g[0].c, key));
	close_all(&p);
}

/* Receivers: what is followed for them is bounded in time, and nobody waits for it. */
static void receivers(void **state)
{
	const u32 n = 100;
	struct world *w = *state;
	struct client_sge sge = sge_of(&w->g[1], 0, 8), to;
	u64 dropped, before;
	struct pieces p;
	u32 i, key;

	open_all(&p, w);
	key = list_key(&p.m, MANY, 1);
	to = (struct client_sge){ IOVA, GRH + sge.len, key };
	fill(w->g[1].buf.va, sge.len, 4);
	before = counter(&w->g[0], messages);
	for (i = 0; i < n; i++) {
		assert_ok(client_post_recv(&p.ud[0], 2, &to, 1));
		post_ud(&p, 1, &sge, 1, CLIENT_SIGNALED);
		expect_wc(w, &w->g[1].cq, 1, 0);
	}
	dropped = counter(&w->g[0], drop_memory);
	assert_true(dropped > 0 && dropped < n);
	assert_int_equal(counter(&w->g[0], messages) - before + dropped, n);
	/* What it could not take stays posted. */
	elapse(w, NSEC_PER_SEC);
	post_ud(&p, 1, &sge, 1, CLIENT_SIGNALED);
	expect_wc(w, &w->g[1].cq, 1, 0);
	assert_int_equal(counter(&w->g[0], drop_memory), dropped);
	assert_filled(p.m.r.mem.va + GRH, sge.len, 4);
	for (i = 0; i < n - dropped + 1; i++)
		expect_wc(w, &w->g[0].cq, 2, 0);
	assert_ok(client_destroy_mkey(&w->g[0].c, key));
	close_all(&p);
}

/* Few or large pieces are nobody's toil. */
static void honest_receivers(void **state)
{
	const u32 n = 2000;
	struct world *w = *state;
	struct client_sge sge[2] = { sge_of(&w->g[1], 0, 5), sge_of(&w->g[1], 0, 3000) }, to;
	struct pieces p;
	u32 i, key[2];

	open_all(&p, w);
	key[0] = list_key(&p.m, 8, 20);
	key[1] = list_key(&p.m, MANY, 512);
	for (i = 0; i < n; i++) {
		to = (struct client_sge){ IOVA, i & 1 ? 4096 : 100, key[i & 1] };
		assert_ok(client_post_recv(&p.ud[0], 2, &to, 1));
		post_ud(&p, 1, &sge[i & 1], 1, CLIENT_SIGNALED);
		expect_wc(w, &w->g[1].cq, 1, 0);
		expect_wc(w, &w->g[0].cq, 2, 0);
	}
	assert_int_equal(counter(&w->g[0], drop_memory), 0);
	for (i = 0; i < 2; i++)
		assert_ok(client_destroy_mkey(&w->g[0].c, key[i]));
	close_all(&p);
}

/* The result of an atomic operation may go to eight places. */
static void atomics(void **state)
{
	const u32 n = 32;
	struct client_sge sge = { .addr = IOVA, .len = 8 };
	struct client_send wr = {
		.opcode = MLX5_OPCODE_ATOMIC_FA, .wr_id = 9, .sge = &sge, .n_sge = 1, .swap_add = 1,
	};
	struct world *w = *state;
	struct pieces p;
	u32 i;

	open_all(&p, w);
	sge.lkey = list_key(&p.m, MANY, 1);
	wr.remote_addr = (uintptr_t)w->g[1].buf.va;
	wr.rkey = w->g[1].key;
	memset(w->g[1].buf.va, 0, 8);
	for (i = 1; i <= n; i++) {
		wr.flags = i == n ? CLIENT_SIGNALED : 0;
		assert_ok(client_post_send(&p.m.r.p.qp[0], &wr));
	}
	assert_true(turns_until(w, &w->g[0].cq) >= n * 8 * SOFT_FOLLOW_BYTES / BUDGET);
	expect_wc(w, &w->g[0].cq, 9, 0);
	assert_int_equal(*(u64 *)w->g[1].buf.va, n);
	assert_int_equal(*(u64 *)p.m.r.mem.va, n - 1);
	assert_ok(client_destroy_mkey(&w->g[0].c, sge.lkey));
	close_all(&p);
}

/* Who changes the first entry of many changes the place of all. */
static void binds(void **state)
{
	const u32 n = 16;
	struct piece piece[PIECES];
	struct world *w = *state;
	struct umr u[2];
	struct pieces p;
	u32 i, k, key;

	open_all(&p, w);
	key = list_key(&p.m, MANY, 1);
	for (k = 0; k < 2; k++) {
		for (i = 0; i < PIECES; i++)
			piece[i] = piece_at(&p.m, i, i ? 1 : 1 + k);
		umr_begin(&u[k], key, MLX5_UMR_INLINE, 0);
		umr_pieces(&u[k], piece, PIECES);
	}
	for (i = 0; i < n; i++) {
		struct umr *next = &u[i & 1];
		struct mlx5_wqe_ctrl_seg *ctrl = (void *)next->raw;

		ctrl->qpn_ds = cpu_to_be32(p.m.r.p.qp[0].qpn << 8 | next->ds);
		ctrl->fm_ce_se = i == n - 1 ? MLX5_WQE_CTRL_CQ_UPDATE : 0;
		assert_ok(client_post_raw(&p.m.r.p.qp[0], 3, next->raw, next->ds));
	}
	/* Each is more than a turn's bytes. */
	assert_true(turns_until(w, &w->g[0].cq) >= n - 1);
	expect_wc(w, &w->g[0].cq, 3, 0);
	/* Entries that change nothing but a key or an address cost themselves. */
	for (i = 0; i < n; i++) {
		struct mlx5_wqe_ctrl_seg *ctrl = (void *)u[1].raw;

		ctrl->fm_ce_se = i == n - 1 ? MLX5_WQE_CTRL_CQ_UPDATE : 0;
		ctrl->qpn_ds = cpu_to_be32(p.m.r.p.qp[0].qpn << 8 | u[1].ds);
		assert_ok(client_post_raw(&p.m.r.p.qp[0], 3, u[1].raw, u[1].ds));
	}
	assert_true(turns_until(w, &w->g[0].cq) <= 2);
	expect_wc(w, &w->g[0].cq, 3, 0);
	assert_ok(client_destroy_mkey(&w->g[0].c, key));
	close_all(&p);
}

/* An entry changes its length: what lies behind it moves, and is found where it is now. */
static void moved(void **state)
{
	struct world *w = *state;
	struct piece piece[PIECES];
	struct pieces p;
	struct umr u;
	u32 i, key;
	u8 *mem;

	open_all(&p, w);
	mem = p.m.r.mem.va;
	key = list_key(&p.m, 64, 16);
	/* The second four: 16, 100, 0 and 7 bytes. */
	for (i = 0; i < PIECES; i++)
		piece[i] = piece_at(&p.m, 2 * PAGE_SIZE + 1000 * i, (u32[]){ 16, 100, 0, 7 }[i]);
	umr_begin(&u, key, MLX5_UMR_INLINE | MLX5_UMR_TRANSLATION_OFFSET_EN, MLX5_MKEY_MASK_LEN);
	umr_ctrl(&u)->xlt_offset = cpu_to_be16(4);
	MLX5_SET64(mkc, umr_mkc(&u), len, 60 * 16 + 123);
	umr_pieces(&u, piece, PIECES);
	umr_post(&p.m.r, &p.m.r.p.qp[0], &u, 0);
	fill(mem, 4 * PAGE_SIZE, 8);
	/* From byte 60 on: 4 of entry 3, 16, 100, 7 of the changed ones, 13 of what follows. */
	remote_read(&p.m.r, key, IOVA + 60, 140, 0);
	assert_memory_equal(w->g[1].buf.va, mem + 60, 4);
	assert_memory_equal(w->g[1].buf.va + 4, mem + 2 * PAGE_SIZE, 16);
	assert_memory_equal(w->g[1].buf.va + 20, mem + 2 * PAGE_SIZE + 1000, 100);
	assert_memory_equal(w->g[1].buf.va + 120, mem + 2 * PAGE_SIZE + 3000, 7);
	assert_memory_equal(w->g[1].buf.va + 127, mem + 8 * 16, 13);
	/* To the last byte, and not beyond. */
	remote_read(&p.m.r, key, IOVA, 60 * 16 + 123, 0);
	assert_memory_equal(w->g[1].buf.va + 4 * 16 + 123, mem + 8 * 16, 56 * 16);
	remote_read(&p.m.r, key, IOVA + 1, 60 * 16 + 123, REMOTE);
	assert_ok(client_destroy_mkey(&w->g[0].c, key));
	close_all(&p);
}

#define IB(fn) cmocka_unit_test_setup_teardown(fn, world_setup, world_teardown)
#define BOTH(fn) IB(fn), roce_test(fn)

int main(void)
{
	const struct CMUnitTest tests[] = {
		IB(datagrams), IB(longest), IB(to_oneself), IB(receivers), IB(honest_receivers),
		BOTH(atomics), BOTH(binds), BOTH(moved),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
