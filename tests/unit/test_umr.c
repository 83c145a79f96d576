// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * UMR: WQEs that fill, change and invalidate memory keys, on a port that has them, and
 * what a SEND with invalidate does.
 */
#include "umr_rig.h"

/* ---- Capabilities and creation ------------------------------------------ */

static void claimed_by_roce_only(void **state)
{
	struct world *w = *state;
	const u8 *caps = w->g[0].c.caps;
	bool ib = !w->roce;

	assert_int_equal(MLX5_GET(cmd_hca_cap, caps, umr_modify_entity_size_disabled), ib);
	assert_int_equal(MLX5_GET(cmd_hca_cap, caps, umr_modify_atomic_disabled), ib);
	assert_int_equal(MLX5_GET(cmd_hca_cap, caps, umr_indirect_mkey_disabled), 0);
	assert_int_equal(MLX5_GET(cmd_hca_cap, caps, imaicl), 1);
	assert_int_equal(MLX5_GET(cmd_hca_cap, caps, max_indirection), 1);
	assert_int_equal(MLX5_GET(cmd_hca_cap, caps, log_max_klm_list_size),
			 ib ? 0 : MHCA_LOG_MAX_KLM);
}

static void creation(void **state)
{
	struct world *w = *state;
	struct guest *g = &w->g[0];
	const struct free_key good = {
		.pd = g->pd, .octwords = 8, .mode = MLX5_MKC_ACCESS_MODE_MTT, .umr_en = true,
		.free = true,
	};
	struct free_key bad[15];
	u32 i, n = 0;
	u32 key;

	for (i = 0; i < ARRAY_SIZE(bad); i++)
		bad[i] = good;
	bad[n++].umr_en = false;
	bad[n++].octwords = 0;
	bad[n++].octwords = (1U << MHCA_LOG_MAX_KEY_XLT) / 2 + 1;
	bad[n++].octwords = ~0U;
	bad[n++].mode = MLX5_MKC_ACCESS_MODE_PA;
	bad[n].mode = MLX5_MKC_ACCESS_MODE_KLMS;
	bad[n++].umr_en = false;
	bad[n].mode = MLX5_MKC_ACCESS_MODE_KLMS;
	bad[n++].free = false;
	bad[n].mode = MLX5_MKC_ACCESS_MODE_KLMS;
	bad[n++].octwords = (1U << MHCA_LOG_MAX_KLM) + 1;
	bad[n++].mode = MLX5_MKC_ACCESS_MODE_KSM;
	bad[n++].n_pas = 4;
	bad[n++].actual = 1;
	bad[n++].pd = 0xfff123;
	bad[n++].len = ~0ULL;
	bad[n++].length64 = true;
	bad[n].free = false;
	bad[n].len = 1;
	bad[n++].rinval = false;
	for (i = 0; i < n; i++)
		if (!create_key(g, &bad[i], &key))
			fail_msg("row %u made a key", i);
	/* Only what can become valid again may be invalidated remotely. */
	bad[0] = good;
	bad[0].mode = MLX5_MKC_ACCESS_MODE_PA;
	bad[0].free = false;
	bad[0].rinval = true;
	assert_int_not_equal(create_key(g, &bad[0], &key), 0);

	if (!w->roce) {
		assert_int_not_equal(create_key(g, &good, &key), 0);
		return;
	}
	bad[0] = good;
	bad[0].octwords = (1U << MHCA_LOG_MAX_KEY_XLT) / 2;
	assert_ok(create_key(g, &bad[0], &key));
	assert_ok(client_destroy_mkey(&g->c, key));
	assert_int_equal(soft_instance(g->vmm->inst)->xlt, 0);
}

/* Who may pin little gets few tables, but two of the greatest. */
static void tables_follow_the_quota(void **state)
{
	struct world *w = *state;
	struct guest *g = &w->g[0];
	u64 limit = g->vmm->inst->gmem.limit;
	struct free_key attr = {
		.pd = g->pd, .octwords = (1U << MHCA_LOG_MAX_KEY_XLT) / 2, .umr_en = true,
		.mode = MLX5_MKC_ACCESS_MODE_MTT, .free = true,
	};
	u32 key[3], i;

	g->vmm->inst->gmem.limit = 1024;
	for (i = 0; i < 2; i++)
		assert_ok(create_key(g, &attr, &key[i]));
	assert_int_not_equal(create_key(g, &attr, &key[2]), 0);
	assert_int_equal(g->c.syndrome, MHCA_SYNDROME_BASE + MHCA_SYN_MR_LIMIT);
	g->vmm->inst->gmem.limit = limit;
	assert_ok(create_key(g, &attr, &key[2]));
	for (i = 0; i < 3; i++)
		assert_ok(client_destroy_mkey(&g->c, key[i]));
}

/* The tables of an instance's keys have a bound of their own. */
static void tables_are_bounded(void **state)
{
	struct world *w = *state;
	struct guest *g = &w->g[0];
	struct soft_instance *si = soft_instance(g->vmm->inst);
	struct free_key attr = {
		.pd = g->pd, .octwords = 8, .mode = MLX5_MKC_ACCESS_MODE_MTT, .umr_en = true,
		.free = true,
	};
	u32 key, other;

	key = alloc_key(g, 1);
	assert_int_equal(si->xlt, 8);
	si->xlt = MHCA_MAX_XLT - 15;
	assert_int_not_equal(create_key(g, &attr, &other), 0);
	si->xlt = MHCA_MAX_XLT - 16;
	assert_ok(create_key(g, &attr, &other));
	assert_ok(client_destroy_mkey(&g->c, other));
	si->xlt = 8;
	assert_ok(client_destroy_mkey(&g->c, key));
	assert_int_equal(si->xlt, 0);
}

/* ---- Fast registration ---------------------------------------------------- */

static void register_and_invalidate(void **state)
{
	struct world *w = *state;
	u32 key, old, round;
	struct rig r;

	rig_open(&r, w, 64);
	key = alloc_key(r.owner, 16);
	remote_write(&r, key, IOVA, 8, 1, REMOTE);
	for (round = 0; round < 8; round++) {
		u32 first = round * 7, len = 5 * PAGE_SIZE - 300;
		s64 pinned = r.owner->vmm->pinned;

		old = key;
		key = (key & ~0xffU) | ((key + 1) & 0xff);
		reg(&r, key, first, 5, round & 1);
		assert_true(r.owner->vmm->pinned <= pinned + 1);
		remote_write(&r, key, IOVA + 100, len, round, 0);
		assert_filled(r.mem.va + first * PAGE_SIZE + 100, len, round);
		remote_read(&r, key, IOVA + 100, len, 0);
		assert_filled(r.p.g[1]->buf.va, len, round);
		remote_write(&r, old, IOVA, 8, 1, REMOTE);
		remote_write(&r, key, IOVA + 5 * PAGE_SIZE - 7, 8, 1, REMOTE);
		remote_write(&r, key, IOVA - 1, 8, 1, REMOTE);
		inv(&r, key);
		remote_write(&r, key, IOVA, 8, 1, REMOTE);
		remote_read(&r, key, IOVA, 8, REMOTE);
	}
	assert_ok(client_destroy_mkey(&r.owner->c, key));
	rig_close(&r);
}

/* A key that UMR filled as local memory: of a gather list, of a receive, of an atomic. */
static void local_use(void **state)
{
	struct world *w = *state;
	struct client_sge sge;
	struct client_send wr = {
		.opcode = MLX5_OPCODE_SEND, .wr_id = 9, .flags = CLIENT_SIGNALED, .sge = &sge,
		.n_sge = 1,
	};
	struct rig r;
	u32 key;

	rig_open(&r, w, 16);
	key = alloc_key(r.owner, 8);
	reg(&r, key, 0, 9, false);
	fill(r.mem.va, 9 * PAGE_SIZE, 3);
	sge = (struct client_sge){ IOVA, 9 * PAGE_SIZE, key };
	recv_one(&r.p, 1, 4, 0, 9 * PAGE_SIZE);
	assert_ok(client_post_send(&r.p.qp[0], &wr));
	elapse(w, NSEC_PER_MSEC);
	expect_wc(w, &w->g[0].cq, 9, 0);
	expect_wc(w, &w->g[1].cq, 4, 0);
	assert_filled(w->g[1].buf.va, 9 * PAGE_SIZE, 3);

	sge.len = 1000;
	assert_ok(client_post_recv(&r.p.qp[0], 8, &sge, 1));
	fill(w->g[1].buf.va, 1000, 4);
	sge = sge_of(&w->g[1], 0, 1000);
	assert_ok(client_post_send(&r.p.qp[1], &wr));
	elapse(w, NSEC_PER_MSEC);
	expect_wc(w, &w->g[1].cq, 9, 0);
	expect_wc(w, &w->g[0].cq, 8, 0);
	assert_filled(r.mem.va, 1000, 4);

	/* An atomic whose operand and result lie under keys of this kind. */
	memset(r.mem.va, 0, 64);
	wr.opcode = MLX5_OPCODE_ATOMIC_FA;
	wr.swap_add = 5;
	wr.remote_addr = IOVA + 8;
	wr.rkey = key;
	sge = sge_of(&w->g[1], 0, 8);
	assert_ok(client_post_send(&r.p.qp[1], &wr));
	elapse(w, NSEC_PER_MSEC);
	expect_wc(w, &w->g[1].cq, 9, 0);
	assert_int_equal(r.mem.va[8], 5);
	inv(&r, key);
	sge = (struct client_sge){ IOVA, 100, key };
	wr.opcode = MLX5_OPCODE_SEND;
	assert_ok(client_post_send(&r.p.qp[0], &wr));
	expect_wc(w, &w->g[0].cq, 9, PROT);
	rig_close(&r);
	assert_ok(client_destroy_mkey(&w->g[0].c, key));
}

/* ---- Invalidation by a SEND -------------------------------------------------- */

static void send_inval(struct rig *r, u32 key, u32 len)
{
	struct client_sge sge = sge_of(r->p.g[1], 0, len);
	struct client_send wr = {
		.opcode = MLX5_OPCODE_SEND_INVAL, .wr_id = 3, .flags = CLIENT_SIGNALED,
		.sge = &sge, .n_sge = len ? 1 : 0, .imm = cpu_to_be32(key),
	};

	recv_one(&r->p, 0, 4, 0, len);
	assert_ok(client_post_send(&r->p.qp[1], &wr));
	elapse(r->w, NSEC_PER_MSEC);
}

static void send_with_invalidate(void **state)
{
	static const u32 lengths[] = { 0, 100, 200000 };
	struct world *w = *state;
	struct client_wc wc;
	struct rig r;
	u32 key, i;

	rig_open(&r, w, 8);
	key = alloc_key(r.owner, 8);
	for (i = 0; i < ARRAY_SIZE(lengths); i++) {
		reg(&r, key, 0, 4, false);
		remote_write(&r, key, IOVA, 8, 1, 0);
		fill(r.p.g[1]->buf.va, lengths[i], i);
		send_inval(&r, key, lengths[i]);
		wc = expect_wc(w, &r.owner->cq, 4, 0);
		assert_int_equal(wc.opcode, MLX5_CQE_RESP_SEND_INV);
		assert_int_equal(be32_to_cpu(wc.imm), key);
		assert_int_equal(wc.bytes, lengths[i]);
		assert_filled(r.owner->buf.va, lengths[i], i);
		expect_wc(w, &w->g[1].cq, 3, 0);
		remote_write(&r, key, IOVA, 8, 1, REMOTE);
	}
	rig_close(&r);
	assert_ok(client_destroy_mkey(&w->g[0].c, key));
}

static void refused_invalidate(struct rig *r, u32 key)
{
	send_inval(r, key, 50);
	expect_wc(r->w, &r->owner->cq, 4, BIND);
	expect_wc(r->w, &r->w->g[1].cq, 3, REMOTE);
	reconnect(r);
}

static void send_with_invalidate_refused(void **state)
{
	struct world *w = *state;
	struct free_key attr = {
		.octwords = 8, .mode = MLX5_MKC_ACCESS_MODE_MTT, .umr_en = true, .free = true,
		.rinval = true,
	};
	u32 key, other, foreign;
	struct umr u;
	struct rig r;

	rig_open(&r, w, 8);
	key = alloc_key(r.owner, 8);
	refused_invalidate(&r, key);			/* free */
	umr_reg(&r, &u, key, 0, 4, true);
	MLX5_SET(mkc, umr_mkc(&u), en_rinval, 0);
	umr_post(&r, &r.p.qp[0], &u, 0);
	refused_invalidate(&r, key);			/* not allowed */
	inv(&r, key);
	reg(&r, key, 0, 4, true);
	refused_invalidate(&r, key + 1);		/* another variant */
	refused_invalidate(&r, 0xffffff11);		/* no key */
	refused_invalidate(&r, r.owner->key);		/* not of this kind */
	refused_invalidate(&r, w->g[1].key);		/* a peer's number */
	remote_write(&r, key, IOVA, 8, 1, 0);

	/* Of another PD: filled by the driver's own QP. */
	assert_ok(client_alloc_pd(&r.owner->c, &attr.pd));
	assert_ok(create_key(r.owner, &attr, &other));
	umr_reg(&r, &u, other, 0, 4, true);
	umr_post(&r, &r.driver, &u, 0);
	refused_invalidate(&r, other);
	foreign = alloc_key(&w->g[1], 8);
	if (foreign >> 8 != key >> 8 && foreign >> 8 != other >> 8)
		refused_invalidate(&r, foreign);
	assert_ok(client_destroy_mkey(&w->g[1].c, foreign));
	assert_ok(client_destroy_mkey(&r.owner->c, other));
	assert_ok(client_dealloc_pd(&r.owner->c, attr.pd));
	rig_close(&r);
	assert_ok(client_destroy_mkey(&w->g[0].c, key));
}

/* ---- The driver's own QP -------------------------------------------------------- */

/* ibv_reg_mr of the driver: chunks into a free key, which the last one enables. */
static void chunks(void **state)
{
	struct world *w = *state;
	u32 i, n, pages = 1200, chunk = 504, key;
	struct client_mem mem;
	struct umr u;
	struct rig r;
	u32 pd;

	rig_open(&r, w, 1);
	assert_ok(client_mem_alloc(&r.owner->c, pages * PAGE_SIZE, &mem));
	pd = r.owner->pd;
	key = alloc_key(r.owner, pages / 2);
	for (i = 0; i < pages; i += n) {
		n = min(pages - i, chunk);
		umr_begin(&u, key, MLX5_UMR_CHECK_NOT_FREE, 0);
		if (i) {
			umr_ctrl(&u)->flags |= MLX5_UMR_TRANSLATION_OFFSET_EN;
			umr_ctrl(&u)->xlt_offset = cpu_to_be16(i / 2);
		}
		if (i + n == pages) {
			umr_ctrl(&u)->mkey_mask = cpu_to_be64(FRWR_MASK | MLX5_MKEY_MASK_PD);
			umr_access(&u, ACCESS);
			umr_place(&u, key, IOVA, pages * PAGE_SIZE);
			MLX5_SET(mkc, umr_mkc(&u), pd, pd);
		} else {
			remote_write(&r, key, IOVA, 8, 1, REMOTE);
		}
		umr_xlt(&r, &u, mem.va + i * PAGE_SIZE, n, false);
		umr_post(&r, &r.driver, &u, 0);
	}
	for (i = 0; i + 200 < pages; i += 200) {
		remote_write(&r, key, IOVA + i * PAGE_SIZE + 17, 200 * PAGE_SIZE, i, 0);
		assert_filled(mem.va + i * PAGE_SIZE + 17, 200 * PAGE_SIZE, i);
	}
	rig_close(&r);
	assert_ok(client_destroy_mkey(&w->g[0].c, key));
	client_mem_free(&w->g[0].c, &mem);
}

/* A list that is longer than the byte budget of a turn moves in pieces. */
static void list_beyond_a_budget(void **state)
{
	u32 octwords = 40000 / 2, key, source, i;
	struct world *w = *state;
	struct client_mem list;
	struct umr u;
	struct rig r;

	rig_open(&r, w, 1);
	key = alloc_key(r.owner, octwords);
	assert_ok(client_mem_alloc(&r.owner->c, octwords * 16, &list));
	for (i = 0; i < 2 * octwords; i++)
		((__be64 *)list.va)[i] = cpu_to_be64(client_iova(&r.owner->c, r.mem.va) | MTT_OK);
	assert_ok(client_reg_mr(&r.owner->c, r.owner->pd, list.va, octwords * 16, 0, &source));
	umr_begin(&u, key, MLX5_UMR_CHECK_NOT_FREE, FRWR_MASK);
	umr_access(&u, ACCESS);
	umr_place(&u, key, 0, octwords * 2 * PAGE_SIZE);
	umr_pointer(&u, (uintptr_t)list.va, source, octwords * 16);
	assert_true(octwords * 16 > 4 * w->params.byte_budget);
	umr_post(&r, &r.driver, &u, 0);
	remote_write(&r, key, 39999 * PAGE_SIZE + 5, 100, 6, 0);
	assert_filled(r.mem.va + 5, 100, 6);
	remote_write(&r, key, 40000 * PAGE_SIZE, 1, 6, REMOTE);
	rig_close(&r);
	assert_ok(client_destroy_mkey(&w->g[0].c, source));
	client_mem_free(&w->g[0].c, &list);
	assert_ok(client_destroy_mkey(&w->g[0].c, key));
}

/* ibv_rereg_mr and the end of a registration; also of a key whose pages are pinned. */
static void change_access(struct rig *r, u32 key, u64 addr)
{
	const u64 access = MLX5_MKEY_MASK_LR | MLX5_MKEY_MASK_LW | MLX5_MKEY_MASK_RR |
			   MLX5_MKEY_MASK_RW | MLX5_MKEY_MASK_A;
	u32 pd = r->owner->pd;
	struct umr u;
	u32 other;

	assert_ok(client_alloc_pd(&r->owner->c, &other));
	remote_write(r, key, addr, 8, 1, 0);
	umr_begin(&u, key, MLX5_UMR_CHECK_FREE | MLX5_UMR_INLINE, access | MLX5_MKEY_MASK_PD);
	umr_access(&u, CLIENT_REMOTE_READ);
	MLX5_SET(mkc, umr_mkc(&u), pd, pd);
	umr_post(r, &r->driver, &u, 0);
	remote_read(r, key, addr, 8, 0);
	remote_write(r, key, addr, 8, 1, REMOTE);
	umr_access(&u, ACCESS);
	MLX5_SET(mkc, umr_mkc(&u), pd, other);
	umr_post(r, &r->driver, &u, 0);
	remote_read(r, key, addr, 8, REMOTE);
	MLX5_SET(mkc, umr_mkc(&u), pd, pd);
	umr_post(r, &r->driver, &u, 0);
	remote_write(r, key, addr, 8, 1, 0);

	umr_begin(&u, key, MLX5_UMR_INLINE, MLX5_MKEY_MASK_FREE | MLX5_MKEY_MASK_PD);
	MLX5_SET(mkc, umr_mkc(&u), free, 1);
	MLX5_SET(mkc, umr_mkc(&u), pd, other);
	umr_post(r, &r->driver, &u, 0);
	remote_read(r, key, addr, 8, REMOTE);
	assert_ok(client_dealloc_pd(&r->owner->c, other));
}

static void rereg_and_revoke(void **state)
{
	struct world *w = *state;
	struct rig r;
	u32 key;

	rig_open(&r, w, 8);
	key = alloc_key(r.owner, 8);
	reg(&r, key, 0, 4, true);
	change_access(&r, key, IOVA);
	assert_ok(client_destroy_mkey(&r.owner->c, key));
	assert_ok(client_reg_mr(&r.owner->c, r.owner->pd, r.mem.va, 4 * PAGE_SIZE,
				CLIENT_ALL_ACCESS, &key));
	change_access(&r, key, (uintptr_t)r.mem.va);
	assert_ok(client_destroy_mkey(&r.owner->c, key));
	rig_close(&r);
}

/* ---- Memory behind a key ------------------------------------------------------------ */

/* Access bits of a translation, absent translations, and addresses that are no memory. */
static void translations_decide(void **state)
{
	struct world *w = *state;
	struct umr u;
	struct rig r;
	__be64 *xlt;
	u32 key;

	rig_open(&r, w, 8);
	key = alloc_key(r.owner, 4);
	umr_reg(&r, &u, key, 0, 8, true);
	xlt = (void *)(u.raw + 8 * 16);
	xlt[1] &= ~cpu_to_be64(2);
	xlt[2] = 0;
	xlt[3] = cpu_to_be64(~0ULL);
	xlt[4] = cpu_to_be64(MTT_OK);
	xlt[5] |= cpu_to_be64(0xffc);
	umr_post(&r, &r.p.qp[0], &u, 0);
	remote_write(&r, key, IOVA, 8, 1, 0);
	remote_read(&r, key, IOVA + PAGE_SIZE, 8, 0);
	remote_write(&r, key, IOVA + PAGE_SIZE, 8, 1, REMOTE);
	remote_read(&r, key, IOVA + 2 * PAGE_SIZE, 8, REMOTE);
	remote_read(&r, key, IOVA + 3 * PAGE_SIZE, 8, REMOTE);
	remote_read(&r, key, IOVA + 4 * PAGE_SIZE, 8, REMOTE);
	remote_write(&r, key, IOVA + 5 * PAGE_SIZE, 8, 9, 0);
	assert_filled(r.mem.va + 5 * PAGE_SIZE, 8, 9);
	/* The VMM takes the page away, and gives it back. */
	vmm_user_unmap(r.owner->vmm, client_iova(&r.owner->c, r.mem.va), PAGE_SIZE);
	remote_write(&r, key, IOVA, 8, 1, REMOTE);
	vmm_user_map(r.owner->vmm, client_iova(&r.owner->c, r.mem.va), PAGE_SIZE);
	mhca_pa_forget_failures(r.owner->vmm->inst);
	remote_write(&r, key, IOVA, 8, 7, 0);
	assert_filled(r.mem.va, 8, 7);
	rig_close(&r);
	assert_ok(client_destroy_mkey(&w->g[0].c, key));
}

/* Entries that name neighbours are used together, others are not, whatever lies there. */
static void neighbours_and_others(void **state)
{
	static const u8 order[16] = { 0, 1, 9, 3, 4, 5, 6, 6, 7, 2, 10, 11, 12, 13, 15, 14 };
	struct world *w = *state;
	u8 before[PAGE_SIZE];
	struct umr u;
	struct rig r;
	__be64 *xlt;
	u32 key, i;

	rig_open(&r, w, 16);
	key = alloc_key(r.owner, 8);
	umr_reg(&r, &u, key, 0, 16, true);
	xlt = (void *)(u.raw + 8 * 16);
	for (i = 0; i < ARRAY_SIZE(order); i++)
		xlt[i] = cpu_to_be64(client_iova(&r.owner->c, r.mem.va + order[i] * PAGE_SIZE) |
				     MTT_OK);
	/* Page 13 may be read only. */
	xlt[13] &= ~cpu_to_be64(2);
	umr_post(&r, &r.p.qp[0], &u, 0);
	remote_write(&r, key, IOVA, 13 * PAGE_SIZE, 3, 0);
	for (i = 0; i < 13; i++)
		if (i != 6)	/* Its page is the next entry's, too. */
			assert_memory_equal(r.mem.va + order[i] * PAGE_SIZE,
					    w->g[1].buf.va + i * PAGE_SIZE, PAGE_SIZE);
	fill(r.mem.va, 16 * PAGE_SIZE, 8);
	remote_read(&r, key, IOVA + 100, 16 * PAGE_SIZE - 100, 0);
	for (i = 1; i < ARRAY_SIZE(order); i++)
		assert_memory_equal(r.mem.va + order[i] * PAGE_SIZE,
				    w->g[1].buf.va + i * PAGE_SIZE - 100, PAGE_SIZE);
	memcpy(before, r.mem.va + 13 * PAGE_SIZE, PAGE_SIZE);
	remote_write(&r, key, IOVA + 12 * PAGE_SIZE, 2 * PAGE_SIZE, 1, REMOTE);
	assert_memory_equal(r.mem.va + 13 * PAGE_SIZE, before, PAGE_SIZE);
	rig_close(&r);
	assert_ok(client_destroy_mkey(&w->g[0].c, key));
}

/* More than may be pinned: pages of the cache are exchanged for others. */
static void beyond_the_pin_limit(void **state)
{
	struct world *w = *state;
	struct mhca_instance *inst;
	u32 i, key, pages = 200;
	struct umr u;
	struct rig r;
	u64 limit;

	rig_open(&r, w, pages);
	inst = r.owner->vmm->inst;
	key = alloc_key(r.owner, pages / 2);
	umr_reg(&r, &u, key, 0, pages, false);
	umr_post(&r, &r.driver, &u, 0);
	limit = inst->gmem.limit;
	inst->gmem.limit = atomic64_read(&inst->gmem.pinned) + 20;
	for (i = 0; i < 3; i++) {
		remote_write(&r, key, IOVA + 5, pages * PAGE_SIZE - 10, i, 0);
		assert_filled(r.mem.va + 5, pages * PAGE_SIZE - 10, i);
		assert_true((u64)atomic64_read(&inst->gmem.pinned) <= inst->gmem.limit);
	}
	inst->gmem.limit = limit;
	/* The host's own limit says the same. */
	r.owner->vmm->pin_limit = r.owner->vmm->pinned + 20;
	remote_write(&r, key, IOVA + 5, pages * PAGE_SIZE - 10, 9, 0);
	assert_filled(r.mem.va + 5, pages * PAGE_SIZE - 10, 9);
	r.owner->vmm->pin_limit = 0;
	rig_close(&r);
	assert_ok(client_destroy_mkey(&w->g[0].c, key));
}

/* ---- Two lanes and one key ------------------------------------------------------------ */

/* Who wants to change a key waits for those who use it, and keeps new ones away. */
static void holds_and_claims(void **state)
{
	struct world *w = *state;
	struct soft_mkey *mkey;
	struct umr u;
	struct rig r;
	u32 key;

	rig_open(&r, w, 8);
	key = alloc_key(r.owner, 4);
	reg(&r, key, 0, 4, true);
	mkey = mkey_of(r.owner, key);
	assert_true(soft_mkey_hold(mkey));
	umr_inv(&u, key);
	((struct mlx5_wqe_ctrl_seg *)u.raw)->qpn_ds = cpu_to_be32(r.p.qp[0].qpn << 8 | u.ds);
	assert_ok(client_post_raw(&r.p.qp[0], 77, u.raw, u.ds));
	elapse(w, NSEC_PER_MSEC);
	expect_no_wc(w, &r.owner->cq);
	assert_false(soft_mkey_hold(mkey));
	assert_false(mkey->free);
	soft_mkey_release(mkey);
	elapse(w, NSEC_PER_MSEC);
	expect_wc(w, &r.owner->cq, 77, 0);
	assert_true(mkey->free);
	assert_int_equal(atomic_read(&mkey->holds), 0);

	/* A claim keeps messages waiting, not failing; a wish that nobody repeats ends. */
	reg(&r, key, 0, 4, true);
	assert_true(soft_mkey_hold(mkey));
	assert_false(soft_mkey_claim(mkey));
	assert_false(soft_mkey_hold(mkey));
	soft_mkey_release(mkey);
	remote_write(&r, key, IOVA, 8, 2, 0);
	assert_filled(r.mem.va, 8, 2);
	rig_close(&r);
	assert_ok(client_destroy_mkey(&w->g[0].c, key));
}

/* A SEND with invalidate waits for another lane's copy as well, also an empty one. */
static void invalidate_waits(void **state)
{
	static const u32 lengths[] = { 0, 100 };
	struct world *w = *state;
	struct soft_mkey *mkey;
	struct rig r;
	u32 key, i;

	rig_open(&r, w, 8);
	key = alloc_key(r.owner, 4);
	mkey = mkey_of(r.owner, key);
	for (i = 0; i < ARRAY_SIZE(lengths); i++) {
		reg(&r, key, 0, 4, true);
		/* It must be a holder that the check at the beginning does not see wanted. */
		assert_true(soft_mkey_hold(mkey));
		send_inval(&r, key, lengths[i]);
		expect_no_wc(w, &r.owner->cq);
		assert_false(mkey->free);
		soft_mkey_release(mkey);
		elapse(w, 2 * NSEC_PER_MSEC);
		assert_int_equal(expect_wc(w, &r.owner->cq, 4, 0).opcode, MLX5_CQE_RESP_SEND_INV);
		expect_wc(w, &w->g[1].cq, 3, 0);
		assert_true(mkey->free);
	}
	rig_close(&r);
	assert_ok(client_destroy_mkey(&w->g[0].c, key));
}

#define linear_test(fn)								\
	cmocka_unit_test_setup_teardown(fn, world_setup_roce_linear, world_teardown)
#define ib_test(fn) cmocka_unit_test_setup_teardown(fn, world_setup, world_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		roce_test(claimed_by_roce_only),
		ib_test(claimed_by_roce_only),
		roce_test(creation),
		ib_test(creation),
		roce_test(tables_are_bounded),
		roce_test(tables_follow_the_quota),
		roce_test(register_and_invalidate),
		roce_test(local_use),
		roce_test(send_with_invalidate),
		roce_test(send_with_invalidate_refused),
		roce_test(chunks),
		roce_test(list_beyond_a_budget),
		roce_test(rereg_and_revoke),
		roce_test(translations_decide),
		linear_test(neighbours_and_others),
		roce_test(beyond_the_pin_limit),
		roce_test(holds_and_claims),
		roce_test(invalidate_waits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
