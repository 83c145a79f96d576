// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* What the tests of UMR have in common. */
#include "umr_rig.h"

/* ---- Keys ------------------------------------------------------------- */

int create_key(struct guest *g, const struct free_key *attr, u32 *key)
{
	u8 in[MLX5_ST_SZ_BYTES(create_mkey_in) + 64] = { 0 };
	void *mkc = MLX5_ADDR_OF(create_mkey_in, in, memory_key_mkey_entry);
	u32 out[MLX5_ST_SZ_DW(create_mkey_out)];
	int ret;

	MLX5_SET(create_mkey_in, in, opcode, MLX5_CMD_OP_CREATE_MKEY);
	MLX5_SET(create_mkey_in, in, translations_octword_actual_size, attr->actual);
	MLX5_SET(mkc, mkc, free, attr->free);
	MLX5_SET(mkc, mkc, umr_en, attr->umr_en);
	MLX5_SET(mkc, mkc, en_rinval, attr->rinval);
	MLX5_SET(mkc, mkc, length64, attr->length64);
	MLX5_SET(mkc, mkc, access_mode_1_0, attr->mode & 3);
	MLX5_SET(mkc, mkc, access_mode_4_2, attr->mode >> 2);
	MLX5_SET(mkc, mkc, lr, 1);
	MLX5_SET(mkc, mkc, qpn, CLIENT_ANY_QP);
	MLX5_SET(mkc, mkc, mkey_7_0, 0x11);
	MLX5_SET(mkc, mkc, pd, attr->pd);
	MLX5_SET64(mkc, mkc, len, attr->len);
	MLX5_SET(mkc, mkc, translations_octword_size, attr->octwords);
	MLX5_SET(mkc, mkc, log_page_size, PAGE_SHIFT);
	ret = client_exec(&g->c, in, MLX5_ST_SZ_BYTES(create_mkey_in) + 8 * attr->n_pas, out,
			  sizeof(out));
	if (!ret)
		*key = MLX5_GET(create_mkey_out, out, mkey_index) << 8 | 0x11;
	return ret;
}

u32 alloc_key(struct guest *g, u32 octwords)
{
	struct free_key attr = {
		.pd = g->pd, .octwords = octwords, .mode = MLX5_MKC_ACCESS_MODE_MTT,
		.umr_en = true, .free = true,
	};
	u32 key;

	assert_ok(create_key(g, &attr, &key));
	return key;
}

/* ---- Rig --------------------------------------------------------------- */

static void connect_pair(struct rig *r)
{
	struct client_modify m;
	u32 i;

	for (i = 0; i < 2; i++) {
		pair_modify(&r->p, i, &m);
		if (r->w->roce)
			roce_path(r->p.g[!i], !i + 1, &m.path);
		assert_ok(client_connect_qp(&r->p.qp[i], &m));
	}
}

void reconnect(struct rig *r)
{
	u32 i;

	settle(r->w);
	for (i = 0; i < 2; i++) {
		assert_ok(client_modify_qp(&r->p.qp[i], MLX5_CMD_OP_2RST_QP, NULL));
		client_clean_cq(&r->w->g[i].cq, &r->p.qp[i]);
	}
	connect_pair(r);
}

static void create_qps(struct rig *r, u8 st, bool fast_reg)
{
	struct client_qp_attr attr;
	u32 i;

	for (i = 0; i < 2; i++) {
		client_qp_attr_init(&attr, st, r->p.g[i]->pd, &r->p.g[i]->cq);
		attr.fast_reg = fast_reg;
		assert_ok(client_create_qp(&r->p.g[i]->c, &attr, &r->p.qp[i]));
	}
	connect_pair(r);
}

static void create_driver(struct rig *r)
{
	struct client_qp_attr attr;
	struct client_modify m;

	client_qp_attr_init(&attr, MLX5_QP_ST_REG_UMR, 0, &r->owner->cq);
	attr.fast_reg = true;
	attr.log_rq = CLIENT_NO_QUEUE;
	assert_ok(client_create_qp(&r->owner->c, &attr, &r->driver));
	client_modify_init(&m);
	assert_ok(client_connect_qp(&r->driver, &m));
}

static void rig_memory(struct rig *r, struct world *w, u32 pages)
{
	struct client_mkey_attr attr = {
		.access = CLIENT_ALL_ACCESS, .pa = true, .length64 = true, .qpn = CLIENT_ANY_QP,
	};

	memset(r, 0, sizeof(*r));
	r->w = w;
	r->owner = &w->g[0];
	r->p.g[0] = &w->g[0];
	r->p.g[1] = &w->g[1];
	attr.pd = r->owner->pd;
	assert_ok(client_create_mkey(&r->owner->c, &attr, &r->list_key));
	assert_ok(client_mem_alloc(&r->owner->c, PAGE_SIZE, &r->list));
	assert_ok(client_mem_alloc(&r->owner->c, pages * PAGE_SIZE, &r->mem));
}

void rig_open(struct rig *r, struct world *w, u32 pages)
{
	rig_memory(r, w, pages);
	create_qps(r, MLX5_QP_ST_RC, true);
	create_driver(r);
}

/* Without a driver: QPs as a process has them. */
void rig_open_user(struct rig *r, struct world *w, u8 st, u32 pages)
{
	rig_memory(r, w, pages);
	create_qps(r, st, false);
}

void rig_close(struct rig *r)
{
	pair_close(&r->p);
	if (r->driver.qpn)
		assert_ok(client_destroy_qp(&r->driver));
	assert_ok(client_destroy_mkey(&r->owner->c, r->list_key));
	client_mem_free(&r->owner->c, &r->list);
	client_mem_free(&r->owner->c, &r->mem);
}

/* ---- WQEs ---------------------------------------------------------------- */

void umr_begin(struct umr *u, u32 key, u8 flags, u64 mask)
{
	struct mlx5_wqe_ctrl_seg *ctrl = (void *)u->raw;

	memset(u, 0, sizeof(*u));
	ctrl->opmod_idx_opcode = cpu_to_be32(MLX5_OPCODE_UMR);
	ctrl->fm_ce_se = MLX5_WQE_CTRL_CQ_UPDATE;
	ctrl->imm = cpu_to_be32(key);
	umr_ctrl(u)->flags = flags;
	umr_ctrl(u)->mkey_mask = cpu_to_be64(mask);
	u->ds = 8;
}

void umr_access(struct umr *u, u32 access)
{
	void *mkc = umr_mkc(u);

	MLX5_SET(mkc, mkc, lr, 1);
	MLX5_SET(mkc, mkc, lw, !!(access & CLIENT_LOCAL_WRITE));
	MLX5_SET(mkc, mkc, rr, !!(access & CLIENT_REMOTE_READ));
	MLX5_SET(mkc, mkc, rw, !!(access & CLIENT_REMOTE_WRITE));
	MLX5_SET(mkc, mkc, a, !!(access & CLIENT_REMOTE_ATOMIC));
}

void umr_place(struct umr *u, u32 key, u64 start, u64 len)
{
	void *mkc = umr_mkc(u);

	MLX5_SET(mkc, mkc, qpn, CLIENT_ANY_QP);
	MLX5_SET(mkc, mkc, mkey_7_0, key & 0xff);
	MLX5_SET64(mkc, mkc, start_addr, start);
	MLX5_SET64(mkc, mkc, len, len);
	MLX5_SET(mkc, mkc, log_page_size, PAGE_SHIFT);
}

static u32 translations(struct rig *r, __be64 *xlt, const u8 *va, u32 n)
{
	u32 i;

	for (i = 0; i < n; i++)
		xlt[i] = cpu_to_be64(client_iova(&r->owner->c, va + i * PAGE_SIZE) | MTT_OK);
	while (n & 7)
		xlt[n++] = 0;
	return n * sizeof(*xlt);
}

void umr_pointer(struct umr *u, u64 addr, u32 lkey, u32 bytes)
{
	struct mlx5_wqe_data_seg *data = (void *)(u->raw + u->ds * 16);

	data->byte_count = cpu_to_be32(bytes);
	data->lkey = cpu_to_be32(lkey);
	data->addr = cpu_to_be64(addr);
	umr_ctrl(u)->xlt_octowords = cpu_to_be16(bytes / 16);
	u->ds++;
}

/* Translations of @n pages from @va on, inside the WQE or where a pointer points. */
void umr_xlt(struct rig *r, struct umr *u, const u8 *va, u32 n, bool in_wqe)
{
	u32 bytes;

	if (!in_wqe) {
		bytes = translations(r, (__be64 *)r->list.va, va, n);
		umr_pointer(u, client_iova(&r->owner->c, r->list.va), r->list_key, bytes);
		return;
	}
	bytes = translations(r, (__be64 *)(u->raw + u->ds * 16), va, n);
	umr_ctrl(u)->flags |= MLX5_UMR_INLINE;
	umr_ctrl(u)->xlt_octowords = cpu_to_be16(bytes / 16);
	u->ds += bytes / 16;
}

/* What mlx5_ib posts for IB_WR_REG_MR: @n pages of rig.mem from page @first on. */
void umr_reg(struct rig *r, struct umr *u, u32 key, u32 first, u32 n, bool in_wqe)
{
	umr_begin(u, key, MLX5_UMR_CHECK_NOT_FREE, FRWR_MASK);
	umr_access(u, ACCESS);
	umr_place(u, key, IOVA, n * PAGE_SIZE);
	MLX5_SET(mkc, umr_mkc(u), en_rinval, 1);
	umr_xlt(r, u, r->mem.va + first * PAGE_SIZE, n, in_wqe);
}

/* … and for IB_WR_LOCAL_INV, with its padding. */
void umr_inv(struct umr *u, u32 key)
{
	umr_begin(u, key, MLX5_UMR_INLINE, MLX5_MKEY_MASK_FREE);
	MLX5_SET(mkc, umr_mkc(u), free, 1);
	u->ds += 3;
}

void umr_post(struct rig *r, struct client_qp *qp, struct umr *u, u8 status)
{
	struct mlx5_wqe_ctrl_seg *ctrl = (void *)u->raw;

	ctrl->qpn_ds = cpu_to_be32(qp->qpn << 8 | u->ds);
	assert_ok(client_post_raw(qp, 77, u->raw, u->ds));
	elapse(r->w, NSEC_PER_MSEC);
	expect_wc(r->w, &r->owner->cq, 77, status);
}

void reg(struct rig *r, u32 key, u32 first, u32 n, bool in_wqe)
{
	struct umr u;

	umr_reg(r, &u, key, first, n, in_wqe);
	umr_post(r, &r->p.qp[0], &u, 0);
}

void inv(struct rig *r, u32 key)
{
	struct umr u;

	umr_inv(&u, key);
	umr_post(r, &r->p.qp[0], &u, 0);
}

/* Guest 1 writes @len bytes of a pattern to @addr of @key. */
void remote_write(struct rig *r, u32 key, u64 addr, u32 len, u32 seed, u8 status)
{
	struct guest *g = r->p.g[1];
	struct client_sge sge = sge_of(g, 0, len);
	struct client_send wr = {
		.opcode = MLX5_OPCODE_RDMA_WRITE, .wr_id = 5, .flags = CLIENT_SIGNALED,
		.sge = &sge, .n_sge = 1, .remote_addr = addr, .rkey = key,
	};

	fill(g->buf.va, len, seed);
	assert_ok(client_post_send(&r->p.qp[1], &wr));
	elapse(r->w, NSEC_PER_MSEC);
	expect_wc(r->w, &g->cq, 5, status);
	if (status)
		reconnect(r);
}

void remote_read(struct rig *r, u32 key, u64 addr, u32 len, u8 status)
{
	struct guest *g = r->p.g[1];
	struct client_sge sge = sge_of(g, 0, len);
	struct client_send wr = {
		.opcode = MLX5_OPCODE_RDMA_READ, .wr_id = 6, .flags = CLIENT_SIGNALED,
		.sge = &sge, .n_sge = 1, .remote_addr = addr, .rkey = key,
	};

	memset(g->buf.va, 0, len);
	assert_ok(client_post_send(&r->p.qp[1], &wr));
	elapse(r->w, NSEC_PER_MSEC);
	expect_wc(r->w, &g->cq, 6, status);
	if (status)
		reconnect(r);
}

/* ---- Keys that name pieces of other keys --------------------------------------- */

u32 alloc_indirect(struct guest *g, u32 pieces, bool rinval)
{
	struct free_key attr = {
		.pd = g->pd, .octwords = pieces, .mode = MLX5_MKC_ACCESS_MODE_KLMS,
		.umr_en = true, .free = true, .rinval = rinval,
	};
	u32 key;

	assert_ok(create_key(g, &attr, &key));
	return key;
}

void window_open(struct window *m, struct world *w, u8 st, u32 pages)
{
	rig_open_user(&m->r, w, st, pages);
	assert_ok(client_reg_mr(&m->r.owner->c, m->r.owner->pd, m->r.mem.va, m->r.mem.len,
				CLIENT_LOCAL_WRITE, &m->mr));
	m->key = alloc_indirect(m->r.owner, PIECES, true);
}

void window_close(struct window *m)
{
	assert_ok(client_destroy_mkey(&m->r.owner->c, m->key));
	assert_ok(client_destroy_mkey(&m->r.owner->c, m->mr));
	assert_int_equal(soft_instance(m->r.owner->vmm->inst)->xlt, 0);
	rig_close(&m->r);
}

void umr_pieces(struct umr *u, const struct piece *piece, u32 n)
{
	struct mlx5_klm *klm = (void *)(u->raw + u->ds * 16);
	u32 i;

	for (i = 0; i < n; i++) {
		klm[i].bcount = cpu_to_be32(piece[i].len);
		klm[i].key = cpu_to_be32(piece[i].key);
		klm[i].va = cpu_to_be64(piece[i].addr);
	}
	n = round_up(n, PIECES);
	umr_ctrl(u)->xlt_octowords = cpu_to_be16(n);
	u->ds += n;
}

struct piece piece_at(const struct window *m, u32 offset, u32 len)
{
	return (struct piece){ m->mr, (uintptr_t)m->r.mem.va + offset, len };
}

/* @n pieces of @len bytes each of rig.mem, one after the other, behind @key from IOVA on. */
void list_fill(struct window *m, u32 key, u32 n, u32 len)
{
	struct mlx5_klm *list = (void *)(m->r.mem.va + LIST_PAGE * PAGE_SIZE);
	struct umr u;
	u32 i;

	for (i = 0; i < n; i++) {
		list[i].bcount = cpu_to_be32(len);
		list[i].key = cpu_to_be32(m->mr);
		list[i].va = cpu_to_be64((uintptr_t)m->r.mem.va + (u64)i * len % PAGE_SIZE);
	}
	umr_begin(&u, key, 0, BIND_MASK);
	umr_access(&u, ACCESS);
	umr_place(&u, key, IOVA, (u64)n * len);
	umr_pointer(&u, (uintptr_t)list, m->mr, n * sizeof(*list));
	umr_post(&m->r, &m->r.p.qp[0], &u, 0);
}

u32 list_key(struct window *m, u32 n, u32 len)
{
	u32 key = alloc_indirect(m->r.owner, n, false);

	list_fill(m, key, n, len);
	return key;
}
