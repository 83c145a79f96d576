// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Keys that name pieces of other keys: memory windows as libmlx5 binds them, and lists
 * with gaps as mlx5_ib registers them.
 */
#include "umr_rig.h"

#define CHECK_QPN	BIT(3)	/* mlx5dv.h MLX5_WQE_UMR_CTRL_FLAG_CHECK_QPN */

/* What libmlx5 posts for a bind: to variant @variant, for @qpn (type 2) or for any. */
static void umr_bind(struct umr *u, u32 key, u8 variant, u32 qpn, u32 access, u64 start,
		     const struct piece *piece)
{
	u64 mask = BIND_MASK | (qpn == CLIENT_ANY_QP ? 0 : MLX5_MKEY_MASK_QPN);

	umr_begin(u, key, MLX5_UMR_INLINE | MLX5_UMR_TRANSLATION_OFFSET_EN, mask);
	if (qpn != CLIENT_ANY_QP)
		umr_ctrl(u)->flags |= MLX5_UMR_CHECK_NOT_FREE;
	umr_access(u, access);
	umr_place(u, variant, start, piece->len);
	MLX5_SET(mkc, umr_mkc(u), qpn, qpn);
	umr_pieces(u, piece, 1);
}

/* … and for IBV_WR_LOCAL_INV. */
static void umr_unbind(struct umr *u, u32 key)
{
	umr_begin(u, key, MLX5_UMR_INLINE | MLX5_UMR_TRANSLATION_OFFSET_EN | CHECK_QPN,
		  MLX5_MKEY_MASK_FREE | MLX5_MKEY_MASK_KEY | MLX5_MKEY_MASK_QPN);
	MLX5_SET(mkc, umr_mkc(u), free, 1);
	MLX5_SET(mkc, umr_mkc(u), qpn, CLIENT_ANY_QP);
}

static void bind(struct window *m, u32 qpn, u32 access, u32 offset, u32 len)
{
	struct piece piece = piece_at(m, offset, len);
	struct umr u;

	umr_bind(&u, m->key, m->key + 1, qpn, access, piece.addr, &piece);
	umr_post(&m->r, &m->r.p.qp[0], &u, 0);
	m->key = (m->key & ~0xffU) | ((m->key + 1) & 0xff);
}

/* Type 1: any QP of the PD reaches exactly what is bound, and only while it is. */
static void type_1(void **state)
{
	struct window m;
	u64 at;
	u32 old;

	window_open(&m, *state, MLX5_QP_ST_RC, 8);
	at = (uintptr_t)m.r.mem.va;
	remote_write(&m.r, m.key, at, 8, 1, REMOTE);
	remote_write(&m.r, m.mr, at, 8, 1, REMOTE);
	bind(&m, CLIENT_ANY_QP, RW, 1000, 3 * PAGE_SIZE);
	remote_write(&m.r, m.key, at + 1000, 3 * PAGE_SIZE, 2, 0);
	assert_filled(m.r.mem.va + 1000, 3 * PAGE_SIZE, 2);
	remote_read(&m.r, m.key, at + 1100, PAGE_SIZE, 0);
	assert_memory_equal(m.r.p.g[1]->buf.va, m.r.mem.va + 1100, PAGE_SIZE);
	remote_write(&m.r, m.key, at + 999, 8, 1, REMOTE);
	remote_write(&m.r, m.key, at + 1000 + 3 * PAGE_SIZE - 7, 8, 1, REMOTE);
	/* Bound again: what was before is gone. */
	old = m.key;
	bind(&m, CLIENT_ANY_QP, CLIENT_REMOTE_READ, 0, 64);
	remote_read(&m.r, old, at, 8, REMOTE);
	remote_write(&m.r, m.key, at, 8, 1, REMOTE);
	remote_read(&m.r, m.key, at, 64, 0);
	window_close(&m);
}

/* Addresses from 0 on. */
static void zero_based(void **state)
{
	struct piece piece;
	struct window m;
	struct umr u;

	window_open(&m, *state, MLX5_QP_ST_RC, 4);
	piece = piece_at(&m, 100, PAGE_SIZE);
	umr_bind(&u, m.key, 0x77, CLIENT_ANY_QP, RW, 0, &piece);
	umr_post(&m.r, &m.r.p.qp[0], &u, 0);
	m.key = (m.key & ~0xffU) | 0x77;
	remote_write(&m.r, m.key, 0, PAGE_SIZE, 3, 0);
	assert_filled(m.r.mem.va + 100, PAGE_SIZE, 3);
	remote_write(&m.r, m.key, PAGE_SIZE, 1, 3, REMOTE);
	window_close(&m);
}

/* Type 2: free before it is bound, for one QP, invalidated here or by the peer. */
static void type_2(void **state)
{
	struct client_send wr = { .opcode = MLX5_OPCODE_SEND_INVAL, .wr_id = 3,
				  .flags = CLIENT_SIGNALED };
	struct client_qp *qp;
	struct piece piece;
	struct window m;
	struct umr u;
	u64 at;

	window_open(&m, *state, MLX5_QP_ST_RC, 4);
	qp = m.r.p.qp;
	at = (uintptr_t)m.r.mem.va;
	bind(&m, qp[0].qpn, RW, 0, PAGE_SIZE);
	remote_write(&m.r, m.key, at, PAGE_SIZE, 4, 0);
	piece = piece_at(&m, 0, 64);
	umr_bind(&u, m.key, 0x55, qp[0].qpn, RW, at, &piece);
	umr_post(&m.r, &qp[0], &u, BIND);
	reconnect(&m.r);
	umr_unbind(&u, m.key);
	umr_post(&m.r, &qp[0], &u, 0);
	remote_write(&m.r, m.key, at, 8, 1, REMOTE);
	umr_post(&m.r, &qp[0], &u, BIND);
	reconnect(&m.r);

	m.key &= ~0xffU;
	bind(&m, qp[0].qpn, RW, 0, PAGE_SIZE);
	wr.imm = cpu_to_be32(m.key);
	recv_one(&m.r.p, 0, 4, 0, 0);
	assert_ok(client_post_send(&qp[1], &wr));
	elapse(m.r.w, NSEC_PER_MSEC);
	expect_wc(m.r.w, &m.r.p.g[1]->cq, 3, 0);
	expect_wc(m.r.w, &m.r.owner->cq, 4, 0);
	remote_write(&m.r, m.key, at, 8, 1, REMOTE);
	bind(&m, qp[0].qpn, RW, 0, PAGE_SIZE);
	/* Another QP of the PD has nothing of it. */
	mkey_of(m.r.owner, m.key)->qpn = qp[0].qpn + 1;
	remote_write(&m.r, m.key, at, 8, 1, REMOTE);
	window_close(&m);
}

static void over_uc(void **state)
{
	struct window m;

	window_open(&m, *state, MLX5_QP_ST_UC, 2);
	bind(&m, CLIENT_ANY_QP, RW, 0, PAGE_SIZE);
	remote_write(&m.r, m.key, (uintptr_t)m.r.mem.va, PAGE_SIZE, 5, 0);
	elapse(m.r.w, NSEC_PER_MSEC);
	assert_filled(m.r.mem.va, PAGE_SIZE, 5);
	window_close(&m);
}

/* The registration behind a window decides with it, each time. */
static void registration_decides(void **state)
{
	struct window m;
	struct guest *g;
	u32 other_pd;
	u64 at;
	u32 mr;

	window_open(&m, *state, MLX5_QP_ST_RC, 4);
	g = m.r.owner;
	at = (uintptr_t)m.r.mem.va;
	/* Reading needs no local write. */
	mr = m.mr;
	assert_ok(client_reg_mr(&g->c, g->pd, m.r.mem.va, PAGE_SIZE, 0, &m.mr));
	bind(&m, CLIENT_ANY_QP, RW, 0, PAGE_SIZE);
	remote_read(&m.r, m.key, at, 8, 0);
	remote_write(&m.r, m.key, at, 8, 1, REMOTE);
	/* It ends before the window does. */
	bind(&m, CLIENT_ANY_QP, RW, 0, PAGE_SIZE + 1);
	remote_read(&m.r, m.key, at, PAGE_SIZE, 0);
	remote_read(&m.r, m.key, at, PAGE_SIZE + 1, REMOTE);
	/* It is gone. */
	assert_ok(client_destroy_mkey(&g->c, m.mr));
	remote_read(&m.r, m.key, at, 8, REMOTE);
	/* It is of another PD. */
	assert_ok(client_alloc_pd(&g->c, &other_pd));
	assert_ok(client_reg_mr(&g->c, other_pd, m.r.mem.va, PAGE_SIZE, CLIENT_LOCAL_WRITE, &m.mr));
	bind(&m, CLIENT_ANY_QP, RW, 0, PAGE_SIZE);
	remote_read(&m.r, m.key, at, 8, REMOTE);
	assert_ok(client_destroy_mkey(&g->c, m.mr));
	assert_ok(client_dealloc_pd(&g->c, other_pd));
	m.mr = mr;
	/* It is a window itself, or this one. */
	mr = m.mr;
	m.mr = m.key + 1;
	bind(&m, CLIENT_ANY_QP, RW, 0, PAGE_SIZE);
	remote_read(&m.r, m.key, at, 8, REMOTE);
	m.mr = mr;
	bind(&m, CLIENT_ANY_QP, RW, 0, PAGE_SIZE);
	remote_read(&m.r, m.key, at, 8, 0);
	window_close(&m);
}

/* A table of pieces is never taken for one of pages, whose entries these look like. */
static void no_pages(void **state)
{
	struct piece outer, inner;
	struct window m;
	struct umr u;
	u32 key;
	u64 at;

	window_open(&m, *state, MLX5_QP_ST_RC, 4);
	at = client_iova(&m.r.owner->c, m.r.mem.va);
	inner = (struct piece){ .key = (u32)at | MTT_OK, .len = at >> 32 };
	key = alloc_indirect(m.r.owner, PIECES, false);
	umr_bind(&u, key, key, CLIENT_ANY_QP, RW | CLIENT_LOCAL_WRITE, IOVA, &inner);
	umr_post(&m.r, &m.r.p.qp[0], &u, 0);
	remote_read(&m.r, key, IOVA, 1, REMOTE);
	outer = (struct piece){ key, IOVA, 8 };
	umr_bind(&u, m.key, m.key, CLIENT_ANY_QP, RW, 0, &outer);
	umr_post(&m.r, &m.r.p.qp[0], &u, 0);
	remote_read(&m.r, m.key, 0, 1, REMOTE);
	remote_write(&m.r, m.key, 0, 1, 1, REMOTE);
	assert_ok(client_destroy_mkey(&m.r.owner->c, key));
	window_close(&m);
}

/* A list of pieces with gaps and padding, as large as messages that cross all of them. */
static void list_with_gaps(void **state)
{
	struct piece piece[8];
	u32 i, total = 0, key;
	struct window m;
	struct umr u;

	window_open(&m, *state, MLX5_QP_ST_RC, 64);
	key = alloc_indirect(m.r.owner, 8, false);
	for (i = 0; i < 8; i++) {
		piece[i] = piece_at(&m, (7 - i) * 8 * PAGE_SIZE + 123 * i, 1000 + 2777 * i);
		if (i == 3)
			piece[i].len = 0;
		total += piece[i].len;
	}
	umr_begin(&u, key, MLX5_UMR_INLINE, BIND_MASK);
	umr_access(&u, RW | CLIENT_LOCAL_WRITE);
	umr_place(&u, key, IOVA + 77, total);
	umr_pieces(&u, piece, 8);
	umr_post(&m.r, &m.r.p.qp[0], &u, 0);
	remote_write(&m.r, key, IOVA + 77, total, 8, 0);
	memset(m.r.p.g[1]->buf.va, 0, total);
	remote_read(&m.r, key, IOVA + 77, total, 0);
	assert_filled(m.r.p.g[1]->buf.va, total, 8);
	for (i = 0, total = 0; i < 8; total += piece[i++].len)
		assert_memory_equal((void *)(uintptr_t)piece[i].addr, m.r.p.g[1]->buf.va + total,
				    piece[i].len);
	/* From the middle of one into the next; and behind the last. */
	remote_read(&m.r, key, IOVA + 77 + 1500, 4000, 0);
	assert_memory_equal(m.r.p.g[1]->buf.va, (void *)(uintptr_t)(piece[1].addr + 500),
			    piece[1].len - 500);
	umr_place(&u, key, IOVA, total + 1);
	umr_post(&m.r, &m.r.p.qp[0], &u, 0);
	remote_read(&m.r, key, IOVA, total, 0);
	remote_read(&m.r, key, IOVA, total + 1, REMOTE);
	assert_ok(client_destroy_mkey(&m.r.owner->c, key));
	window_close(&m);
}

/* Pieces of one byte cost what larger ones cost: a message crosses them in many turns. */
static void tiny_pieces(void **state)
{
	const u32 n = 1U << MHCA_LOG_MAX_KLM;
	struct client_sge sge;
	struct client_send wr = {
		.opcode = MLX5_OPCODE_RDMA_WRITE, .wr_id = 5, .flags = CLIENT_SIGNALED,
		.sge = &sge, .n_sge = 1,
	};
	struct mlx5_klm *list;
	u32 i, key, turns;
	struct window m;
	struct guest *g;
	struct umr u;
	u64 at;

	window_open(&m, *state, MLX5_QP_ST_RC, 40);
	key = alloc_indirect(m.r.owner, n, false);
	list = (void *)(m.r.mem.va + 8 * PAGE_SIZE);
	at = (uintptr_t)m.r.mem.va;
	for (i = 0; i < n; i++) {
		list[i].bcount = cpu_to_be32(1);
		list[i].key = cpu_to_be32(m.mr);
		list[i].va = cpu_to_be64(at + n - 1 - i);
	}
	umr_begin(&u, key, 0, BIND_MASK);
	umr_access(&u, RW);
	umr_place(&u, key, IOVA, n);
	umr_pointer(&u, (uintptr_t)list, m.mr, n * sizeof(*list));
	umr_post(&m.r, &m.r.p.qp[0], &u, 0);
	g = m.r.p.g[1];
	wr.remote_addr = IOVA;
	wr.rkey = key;
	sge = sge_of(g, 0, n);
	fill(g->buf.va, n, 6);
	memset(m.r.mem.va, 0, n);
	assert_ok(client_post_send(&m.r.p.qp[1], &wr));
	for (turns = 1; lanes_turn(&m.r.w->hca) && !client_peek_cq(&g->cq); turns++)
		;
	assert_true(turns >= 2048 / SOFT_FOLLOW_TURN);
	/* Its neighbour's lane has other things to do: that many small pieces take a while. */
	assert_null(client_peek_cq(&g->cq));
	elapse(m.r.w, 20 * NSEC_PER_MSEC);
	expect_wc(m.r.w, &g->cq, 5, 0);
	for (i = 0; i < n; i++)
		assert_int_equal(m.r.mem.va[n - 1 - i], g->buf.va[i]);
	assert_int_equal(atomic_read(&mkey_of(m.r.owner, key)->holds), 0);
	assert_ok(client_destroy_mkey(&m.r.owner->c, key));
	window_close(&m);
}

/* Entries of no bytes are no work, and not in the way, wherever they are. */
static void far_piece(void **state)
{
	const u32 n = 1U << MHCA_LOG_MAX_KLM, writes = 8;
	struct client_sge sge;
	struct client_send wr = {
		.opcode = MLX5_OPCODE_RDMA_WRITE, .sge = &sge, .n_sge = 1,
	};
	struct mlx5_klm *list;
	u32 i, key, turns;
	struct window m;
	struct guest *g;
	struct umr u;

	window_open(&m, *state, MLX5_QP_ST_RC, 40);
	key = alloc_indirect(m.r.owner, n, false);
	list = (void *)(m.r.mem.va + 8 * PAGE_SIZE);
	memset(list, 0, n * sizeof(*list));
	list[n - 1].bcount = cpu_to_be32(1);
	list[n - 1].key = cpu_to_be32(m.mr);
	list[n - 1].va = cpu_to_be64((uintptr_t)m.r.mem.va);
	umr_begin(&u, key, 0, BIND_MASK);
	umr_access(&u, RW);
	umr_place(&u, key, IOVA, 1);
	umr_pointer(&u, (uintptr_t)list, m.mr, n * sizeof(*list));
	umr_post(&m.r, &m.r.p.qp[0], &u, 0);
	g = m.r.p.g[1];
	wr.remote_addr = IOVA;
	wr.rkey = key;
	sge = sge_of(g, 0, 1);
	for (i = 1; i <= writes; i++) {
		wr.wr_id = i;
		wr.flags = i == writes ? CLIENT_SIGNALED : 0;
		assert_ok(client_post_send(&m.r.p.qp[1], &wr));
	}
	for (turns = 1; lanes_turn(&m.r.w->hca) && !client_peek_cq(&g->cq); turns++)
		;
	assert_true(turns <= 2);
	expect_wc(m.r.w, &g->cq, writes, 0);
	assert_ok(client_destroy_mkey(&m.r.owner->c, key));
	window_close(&m);
}

static void remote_add(struct rig *r, u32 key, u64 addr, u8 status)
{
	struct guest *g = r->p.g[1];
	struct client_sge sge = sge_of(g, 0, 8);
	struct client_send wr = {
		.opcode = MLX5_OPCODE_ATOMIC_FA, .wr_id = 9, .flags = CLIENT_SIGNALED,
		.sge = &sge, .n_sge = 1, .remote_addr = addr, .rkey = key, .swap_add = 1,
	};

	assert_ok(client_post_send(&r->p.qp[1], &wr));
	elapse(r->w, NSEC_PER_MSEC);
	expect_wc(r->w, &g->cq, 9, status);
	if (status)
		reconnect(r);
}

/* An aligned address of the key is no promise about the bytes behind it. */
static void atomics(void **state)
{
	struct piece piece[2];
	struct window m;
	struct umr u;
	u64 *word;

	window_open(&m, *state, MLX5_QP_ST_RC, 4);
	word = (u64 *)m.r.mem.va;
	bind(&m, CLIENT_ANY_QP, RW, 0, PAGE_SIZE);
	remote_add(&m.r, m.key, (uintptr_t)&word[3], 0);
	assert_int_equal(word[3], 1);
	/* Four bytes off; then across a page; then in two pieces. */
	piece[0] = piece_at(&m, 4, 64);
	umr_bind(&u, m.key, m.key, CLIENT_ANY_QP, RW, IOVA, piece);
	umr_post(&m.r, &m.r.p.qp[0], &u, 0);
	remote_add(&m.r, m.key, IOVA, REMOTE);
	piece[0] = piece_at(&m, PAGE_SIZE - 4, 64);
	umr_bind(&u, m.key, m.key, CLIENT_ANY_QP, RW, IOVA, piece);
	umr_post(&m.r, &m.r.p.qp[0], &u, 0);
	remote_add(&m.r, m.key, IOVA, REMOTE);
	piece[0] = piece_at(&m, 0, 4);
	piece[1] = piece_at(&m, 64, 64);
	umr_bind(&u, m.key, m.key, CLIENT_ANY_QP, RW, IOVA, piece);
	u.ds -= PIECES;
	umr_place(&u, m.key, IOVA, 68);
	umr_pieces(&u, piece, 2);
	umr_post(&m.r, &m.r.p.qp[0], &u, 0);
	remote_add(&m.r, m.key, IOVA, REMOTE);
	assert_int_equal(word[0], 0);
	assert_int_equal(word[8], 0);
	window_close(&m);
}

/* The result of an atomic goes to two pieces. */
static void atomic_result(void **state)
{
	struct client_sge sge = { .addr = IOVA, .len = 8 };
	struct client_send wr = {
		.opcode = MLX5_OPCODE_ATOMIC_FA, .wr_id = 9, .flags = CLIENT_SIGNALED,
		.sge = &sge, .n_sge = 1, .swap_add = 1,
	};
	const u64 before = 0x1122334455667788ULL;
	struct piece piece[2];
	struct window m;
	struct guest *g;
	struct umr u;

	window_open(&m, *state, MLX5_QP_ST_RC, 4);
	g = m.r.p.g[1];
	memcpy(g->buf.va, &before, sizeof(before));
	piece[0] = piece_at(&m, PAGE_SIZE - 3, 3);
	piece[1] = piece_at(&m, 64, 5);
	umr_begin(&u, m.key, MLX5_UMR_INLINE, BIND_MASK);
	umr_access(&u, CLIENT_LOCAL_WRITE);
	umr_place(&u, m.key, IOVA, 8);
	umr_pieces(&u, piece, 2);
	umr_post(&m.r, &m.r.p.qp[0], &u, 0);
	sge.lkey = m.key;
	wr.remote_addr = (uintptr_t)g->buf.va;
	wr.rkey = g->key;
	assert_ok(client_post_send(&m.r.p.qp[0], &wr));
	elapse(m.r.w, NSEC_PER_MSEC);
	expect_wc(m.r.w, &m.r.owner->cq, 9, 0);
	assert_memory_equal(m.r.mem.va + PAGE_SIZE - 3, &before, 3);
	assert_memory_equal(m.r.mem.va + 64, (const u8 *)&before + 3, 5);
	assert_int_equal(*(u64 *)g->buf.va, before + 1);
	assert_int_equal(atomic_read(&mkey_of(m.r.owner, m.key)->holds), 0);
	window_close(&m);
}

/* What a process posts that only a kernel may, or that names what is not its own. */
static void refused(void **state)
{
	struct client_qp *qp;
	struct piece piece;
	struct window m;
	struct guest *g;
	u32 key, pd;
	struct umr u;

	window_open(&m, *state, MLX5_QP_ST_RC, 4);
	g = m.r.owner;
	qp = &m.r.p.qp[0];
	piece = piece_at(&m, 0, 64);
	if (m.r.w->roce) {
		/* Pages: fill them, or only make them valid. */
		key = alloc_key(g, 4);
		umr_reg(&m.r, &u, key, 0, 1, true);
		umr_post(&m.r, qp, &u, QP_OP);
		reconnect(&m.r);
		umr_begin(&u, key, 0, MLX5_MKEY_MASK_FREE);
		umr_post(&m.r, qp, &u, QP_OP);
		reconnect(&m.r);
		assert_ok(client_destroy_mkey(&g->c, key));
	}
	/* Its own registration: what libmlx5's MR is. */
	umr_bind(&u, m.mr, 0, CLIENT_ANY_QP, RW, 0, &piece);
	umr_post(&m.r, qp, &u, m.r.w->roce ? QP_OP : BIND);
	reconnect(&m.r);
	/* A key of another PD. */
	assert_ok(client_alloc_pd(&g->c, &pd));
	swap(g->pd, pd);
	key = alloc_indirect(g, PIECES, false);
	swap(g->pd, pd);
	umr_bind(&u, key, 0, CLIENT_ANY_QP, RW, 0, &piece);
	umr_post(&m.r, qp, &u, BIND);
	reconnect(&m.r);
	assert_ok(client_destroy_mkey(&g->c, key));
	assert_ok(client_dealloc_pd(&g->c, pd));
	/* Another PD for a key; a range that wraps; more pieces than its table has. */
	umr_bind(&u, m.key, 0, CLIENT_ANY_QP, RW, 0, &piece);
	umr_ctrl(&u)->mkey_mask |= cpu_to_be64(MLX5_MKEY_MASK_PD);
	umr_post(&m.r, qp, &u, BIND);
	reconnect(&m.r);
	umr_bind(&u, m.key, 0, CLIENT_ANY_QP, RW, ~0ULL - 62, &piece);
	umr_post(&m.r, qp, &u, BIND);
	reconnect(&m.r);
	umr_bind(&u, m.key, 0, CLIENT_ANY_QP, RW, 0, &piece);
	umr_ctrl(&u)->xlt_octowords = cpu_to_be16(8);
	u.ds += 4;
	umr_post(&m.r, qp, &u, BIND);
	reconnect(&m.r);
	umr_bind(&u, m.key, 0, CLIENT_ANY_QP, RW, 0, &piece);
	umr_ctrl(&u)->xlt_offset = cpu_to_be16(1);
	umr_post(&m.r, qp, &u, BIND);
	reconnect(&m.r);
	/* Pieces that lie under a key that names pieces. */
	key = alloc_indirect(g, PIECES, false);
	umr_bind(&u, key, key, CLIENT_ANY_QP, RW, piece.addr, &piece);
	umr_post(&m.r, qp, &u, 0);
	umr_begin(&u, m.key, 0, BIND_MASK);
	umr_pointer(&u, piece.addr, key, 64);
	umr_post(&m.r, qp, &u, PROT);
	reconnect(&m.r);
	assert_ok(client_destroy_mkey(&g->c, key));
	window_close(&m);
}

/* QUERY_MKEY says what the key is. */
static void query(void **state)
{
	u32 in[MLX5_ST_SZ_DW(query_mkey_in)] = { 0 };
	u32 out[MLX5_ST_SZ_DW(query_mkey_out) + 64];
	struct window m;
	void *mkc;

	window_open(&m, *state, MLX5_QP_ST_RC, 2);
	bind(&m, CLIENT_ANY_QP, CLIENT_REMOTE_READ, 16, 100);
	MLX5_SET(query_mkey_in, in, opcode, MLX5_CMD_OP_QUERY_MKEY);
	MLX5_SET(query_mkey_in, in, mkey_index, m.key >> 8);
	assert_ok(client_exec(&m.r.owner->c, in, sizeof(in), out, sizeof(out)));
	mkc = MLX5_ADDR_OF(query_mkey_out, out, memory_key_mkey_entry);
	assert_int_equal(MLX5_GET(mkc, mkc, access_mode_1_0), MLX5_MKC_ACCESS_MODE_KLMS);
	assert_int_equal(MLX5_GET(mkc, mkc, translations_octword_size), PIECES);
	assert_int_equal(MLX5_GET64(mkc, mkc, len), 100);
	assert_int_equal(MLX5_GET(mkc, mkc, umr_en), 1);
	assert_int_equal(MLX5_GET(mkc, mkc, rr), 1);
	assert_int_equal(MLX5_GET(mkc, mkc, rw), 0);
	window_close(&m);
}

#define BOTH(fn) cmocka_unit_test_setup_teardown(fn, world_setup, world_teardown), roce_test(fn)

int main(void)
{
	const struct CMUnitTest tests[] = {
		BOTH(type_1), BOTH(zero_based), BOTH(type_2), BOTH(over_uc),
		BOTH(registration_decides), BOTH(no_pages), BOTH(list_with_gaps), BOTH(tiny_pieces), BOTH(far_piece),
		BOTH(atomics), BOTH(atomic_result),
		BOTH(refused), BOTH(query),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
