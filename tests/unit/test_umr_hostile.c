// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* UMR WQEs as only an attacker posts them, and QPs that may not post any. */
#include "umr_rig.h"

enum spoil {
	SPOIL_NOTHING, SPOIL_NO_KEY, SPOIL_PEERS_KEY, SPOIL_OTHER_PD, SPOIL_PINNED, SPOIL_PA,
	SPOIL_STALE, SPOIL_VALID, SPOIL_FREE, SPOIL_BOTH_CHECKS, SPOIL_OFFSET, SPOIL_OFFSET_FAR,
	SPOIL_OFFSET_UNUSED, SPOIL_LONG, SPOIL_LEN, SPOIL_LEN_WRAPS, SPOIL_LENGTH64, SPOIL_START,
	SPOIL_SHIFT_SMALL, SPOIL_SHIFT_BIG, SPOIL_MASK, SPOIL_FLAG, SPOIL_PD, SPOIL_SHORT,
	SPOIL_SHORTER, SPOIL_INLINE_SHORT, SPOIL_POINTER_SHORT, SPOIL_POINTER_INLINE, SPOIL_SOURCE_KEY,
	SPOIL_SOURCE_SELF, SPOIL_SOURCE_ADDRESS, SPOIL_MR_LIMIT, SPOIL_QPN, SPOILS
};

static const u8 spoil_status[SPOILS] = {
	[SPOIL_NO_KEY] = BIND, [SPOIL_PEERS_KEY] = BIND, [SPOIL_OTHER_PD] = BIND,
	[SPOIL_PINNED] = BIND, [SPOIL_PA] = BIND, [SPOIL_STALE] = BIND, [SPOIL_VALID] = BIND,
	[SPOIL_FREE] = BIND, [SPOIL_BOTH_CHECKS] = BIND, [SPOIL_OFFSET] = BIND,
	[SPOIL_OFFSET_FAR] = BIND, [SPOIL_OFFSET_UNUSED] = QP_OP, [SPOIL_LONG] = BIND,
	[SPOIL_LEN] = BIND, [SPOIL_LEN_WRAPS] = BIND, [SPOIL_LENGTH64] = BIND,
	[SPOIL_START] = BIND, [SPOIL_SHIFT_SMALL] = BIND, [SPOIL_SHIFT_BIG] = BIND,
	[SPOIL_MASK] = QP_OP, [SPOIL_FLAG] = QP_OP, [SPOIL_PD] = BIND, [SPOIL_SHORT] = QP_OP,
	[SPOIL_SHORTER] = QP_OP, [SPOIL_INLINE_SHORT] = QP_OP, [SPOIL_POINTER_SHORT] = QP_OP,
	[SPOIL_POINTER_INLINE] = QP_OP, [SPOIL_SOURCE_KEY] = PROT, [SPOIL_SOURCE_SELF] = PROT,
	[SPOIL_SOURCE_ADDRESS] = PROT, [SPOIL_MR_LIMIT] = BIND, [SPOIL_QPN] = BIND,
};

/* A registration of 4 pages in a table of 8, with one thing wrong. */
static void spoil_wqe(struct rig *r, struct umr *u, u32 key, u32 other, enum spoil spoil)
{
	struct mlx5_wqe_ctrl_seg *ctrl = (void *)u->raw;
	struct mlx5_wqe_umr_ctrl_seg *umr = umr_ctrl(u);
	struct mlx5_wqe_data_seg *data = (void *)(u->raw + 8 * 16);
	void *mkc = umr_mkc(u);

	umr_reg(r, u, key, 0, 4, spoil == SPOIL_INLINE_SHORT);
	switch (spoil) {
	case SPOIL_NO_KEY:
		ctrl->imm = cpu_to_be32(0xfffffe11);
		break;
	case SPOIL_PEERS_KEY:
	case SPOIL_OTHER_PD:
		ctrl->imm = cpu_to_be32(other);
		break;
	case SPOIL_PINNED:
		ctrl->imm = cpu_to_be32(r->owner->key);
		umr->flags = 0;
		break;
	case SPOIL_PA:
		ctrl->imm = cpu_to_be32(r->list_key);
		umr->flags = 0;
		break;
	case SPOIL_STALE:
		umr_inv(u, key + 1);
		break;
	case SPOIL_FREE:
		umr->flags = MLX5_UMR_CHECK_FREE;
		break;
	case SPOIL_BOTH_CHECKS:
		umr->flags |= MLX5_UMR_CHECK_FREE | MLX5_UMR_CHECK_NOT_FREE;
		break;
	case SPOIL_OFFSET:
		umr->flags |= MLX5_UMR_TRANSLATION_OFFSET_EN;
		umr->xlt_offset = cpu_to_be16(1);
		break;
	case SPOIL_OFFSET_FAR:
		umr->flags |= MLX5_UMR_TRANSLATION_OFFSET_EN;
		umr->xlt_offset = cpu_to_be16(0xffff);
		umr->xlt_offset_47_16 = cpu_to_be32(~0U);
		break;
	case SPOIL_OFFSET_UNUSED:
		umr->xlt_offset = cpu_to_be16(1);
		break;
	case SPOIL_LONG:
		umr->xlt_octowords = cpu_to_be16(8);
		data->byte_count = cpu_to_be32(128);
		break;
	case SPOIL_LEN:
		MLX5_SET64(mkc, mkc, len, 8 * PAGE_SIZE + 1);
		break;
	case SPOIL_LEN_WRAPS:
		MLX5_SET64(mkc, mkc, start_addr, ~0ULL - PAGE_SIZE + 1);
		MLX5_SET64(mkc, mkc, len, 2 * PAGE_SIZE);
		break;
	case SPOIL_LENGTH64:
		MLX5_SET(mkc, mkc, length64, 1);
		break;
	case SPOIL_START:
		MLX5_SET64(mkc, mkc, start_addr, IOVA + 1);
		MLX5_SET64(mkc, mkc, len, 8 * PAGE_SIZE);
		break;
	case SPOIL_SHIFT_SMALL:
		MLX5_SET(mkc, mkc, log_page_size, 11);
		break;
	case SPOIL_SHIFT_BIG:
		MLX5_SET(mkc, mkc, log_page_size, 0x1f);
		MLX5_SET64(mkc, mkc, len, (8ULL << 31) + 1);
		break;
	case SPOIL_MASK:
		umr->mkey_mask |= cpu_to_be64(MLX5_MKEY_MASK_BSF_EN);
		break;
	case SPOIL_FLAG:
		umr->flags |= 1;
		break;
	case SPOIL_PD:
		umr->mkey_mask |= cpu_to_be64(MLX5_MKEY_MASK_PD);
		MLX5_SET(mkc, mkc, pd, r->owner->pd);
		break;
	case SPOIL_SHORT:
		u->ds = 8;
		break;
	case SPOIL_SHORTER:
		u->ds = 5;
		break;
	case SPOIL_INLINE_SHORT:
		u->ds = 11;
		break;
	case SPOIL_POINTER_SHORT:
		data->byte_count = cpu_to_be32(63);
		break;
	case SPOIL_POINTER_INLINE:
		data->byte_count = cpu_to_be32(MLX5_INLINE_SEG | 64);
		break;
	case SPOIL_SOURCE_KEY:
		data->lkey = cpu_to_be32(r->list_key ^ 1);
		break;
	case SPOIL_SOURCE_SELF:
		data->lkey = cpu_to_be32(key);
		break;
	case SPOIL_SOURCE_ADDRESS:
		data->addr = cpu_to_be64(0);
		break;
	case SPOIL_MR_LIMIT:
		r->owner->vmm->inst->quota.max_mr = 4 * PAGE_SIZE - 1;
		break;
	case SPOIL_QPN:
		umr->flags = 0;
		umr->mkey_mask |= cpu_to_be64(MLX5_MKEY_MASK_QPN);
		MLX5_SET(mkc, mkc, qpn, 1);
		break;
	default:
		break;
	}
}

static void hostile_wqes(void **state)
{
	struct world *w = *state;
	struct guest *g = &w->g[0];
	u64 max_mr = g->vmm->inst->quota.max_mr;
	struct free_key attr = {
		.octwords = 4, .mode = MLX5_MKC_ACCESS_MODE_MTT, .umr_en = true, .free = true,
	};
	u32 key, other, spoil;
	struct umr u;
	struct rig r;

	rig_open(&r, w, 16);
	assert_ok(client_alloc_pd(&g->c, &attr.pd));
	for (spoil = 0; spoil < SPOILS; spoil++) {
		key = alloc_key(g, 4);
		if (spoil == SPOIL_PEERS_KEY) {
			do {
				other = alloc_key(&w->g[1], 4);
				assert_ok(client_destroy_mkey(&w->g[1].c, other));
			} while (other >> 8 <= key >> 8);
			other = alloc_key(&w->g[1], 4);
		} else {
			assert_ok(create_key(g, &attr, &other));
		}
		if (spoil == SPOIL_VALID)
			reg(&r, key, 0, 4, true);
		spoil_wqe(&r, &u, key, other, spoil);
		if (spoil == SPOIL_QPN) {	/* the next one is not that QP's any more */
			umr_post(&r, &r.p.qp[0], &u, 0);
			umr_inv(&u, key);
		}
		umr_post(&r, &r.p.qp[0], &u, spoil_status[spoil]);
		g->vmm->inst->quota.max_mr = max_mr;
		if (spoil_status[spoil]) {
			assert_int_equal(qp_state(&r.p.qp[0]), MLX5_QP_STATE_ERR);
			reconnect(&r);
		}
		remote_read(&r, key, IOVA, 8, spoil == SPOIL_NOTHING || spoil == SPOIL_VALID ? 0 :
			    REMOTE);
		assert_ok(client_destroy_mkey(&g->c, key));
		assert_ok(client_destroy_mkey(spoil == SPOIL_PEERS_KEY ? &w->g[1].c : &g->c, other));
	}
	assert_ok(client_dealloc_pd(&g->c, attr.pd));
	rig_close(&r);
}

static u32 draw(u32 *seed, u32 n)
{
	*seed = *seed * 1664525 + 1013904223;
	return (*seed >> 8) % n;
}

static void drain(struct world *w)
{
	struct client_wc wc;
	u32 i;

	for (i = 0; i < WORLD_GUESTS; i++)
		while (client_poll_cq(&w->g[i].cq, 1, &wc))
			;
}

/* Valid WQEs with some bytes of them changed, and a peer that tries what they made. */
static void random_wqes(void **state)
{
	struct world *w = *state;
	u32 seed = 20261121, keys[4], i, n, made = 0;
	struct mlx5_wqe_ctrl_seg *ctrl;
	struct client_modify m;
	struct umr u;
	struct rig r;

	client_modify_init(&m);
	rig_open(&r, w, 32);
	for (i = 0; i < ARRAY_SIZE(keys); i++)
		keys[i] = alloc_key(r.owner, 16);
	for (i = 0; i < 4000; i++) {
		u32 *key = &keys[draw(&seed, ARRAY_SIZE(keys))];
		struct client_qp *qp = draw(&seed, 2) ? &r.driver : &r.p.qp[0];
		struct client_sge sge = sge_of(r.p.g[1], 0, draw(&seed, 40000));
		struct client_send wr = {
			.opcode = MLX5_OPCODE_RDMA_READ, .flags = CLIENT_SIGNALED, .sge = &sge,
			.n_sge = 1, .rkey = *key, .remote_addr = IOVA + draw(&seed, 4096),
		};

		if (draw(&seed, 3))
			umr_reg(&r, &u, *key, draw(&seed, 16), 1 + draw(&seed, 16),
				draw(&seed, 2));
		else
			umr_inv(&u, *key);
		ctrl = (void *)u.raw;
		ctrl->qpn_ds = cpu_to_be32(qp->qpn << 8 | u.ds);
		for (n = draw(&seed, 4); n; n--)
			u.raw[4 + draw(&seed, u.ds * 16 - 4)] ^= 1 << draw(&seed, 8);
		assert_ok(client_post_raw(qp, 1, u.raw, u.ds));
		elapse(w, 300 * NSEC_PER_USEC);
		made += !mkey_of(r.owner, *key)->free;
		assert_int_equal(atomic_read(&mkey_of(r.owner, *key)->holds), 0);
		*key = mkey_of(r.owner, *key)->key;
		assert_ok(client_post_send(&r.p.qp[1], &wr));
		elapse(w, 300 * NSEC_PER_USEC);
		drain(w);
		if (qp_state(&r.p.qp[0]) != MLX5_QP_STATE_RTS ||
		    qp_state(&r.p.qp[1]) != MLX5_QP_STATE_RTS)
			reconnect(&r);
		if (qp_state(&r.driver) == MLX5_QP_STATE_RTS)
			continue;
		assert_ok(client_modify_qp(&r.driver, MLX5_CMD_OP_2RST_QP, NULL));
		client_clean_cq(&r.owner->cq, &r.driver);
		assert_ok(client_connect_qp(&r.driver, &m));
	}
	assert_true(made > 500);
	for (i = 0; i < ARRAY_SIZE(keys); i++)
		assert_ok(client_destroy_mkey(&r.owner->c, keys[i]));
	rig_close(&r);
}

/* The driver's own QP survives a mistake: flush, reset, and it works again. */
static void driver_qp_recovers(void **state)
{
	struct world *w = *state;
	struct client_modify m;
	struct umr u;
	struct rig r;
	u32 key;

	rig_open(&r, w, 8);
	key = alloc_key(r.owner, 4);
	umr_reg(&r, &u, key, 0, 4, true);
	umr_ctrl(&u)->flags |= MLX5_UMR_CHECK_FREE;
	umr_post(&r, &r.driver, &u, BIND);
	umr_ctrl(&u)->flags &= ~MLX5_UMR_CHECK_FREE;
	umr_post(&r, &r.driver, &u, MLX5_CQE_SYNDROME_WR_FLUSH_ERR);
	assert_ok(client_modify_qp(&r.driver, MLX5_CMD_OP_2RST_QP, NULL));
	client_modify_init(&m);
	assert_ok(client_connect_qp(&r.driver, &m));
	umr_post(&r, &r.driver, &u, 0);
	remote_write(&r, key, IOVA, 8, 1, 0);
	rig_close(&r);
	assert_ok(client_destroy_mkey(&w->g[0].c, key));
}

/* QPs of processes, which their driver has not marked, cannot name memory by address. */
static void untrusted_qps(void **state)
{
	struct world *w = *state;
	struct client_qp_attr attr;
	struct client_modify m;
	struct client_qp trusted;
	struct umr u;
	struct rig r;
	u32 key;

	rig_open(&r, w, 8);
	key = alloc_key(r.owner, 4);
	trusted = r.p.qp[0];
	client_qp_attr_init(&attr, MLX5_QP_ST_RC, r.owner->pd, &r.owner->cq);
	assert_ok(client_create_qp(&r.owner->c, &attr, &r.p.qp[0]));
	pair_modify(&r.p, 0, &m);
	roce_path(&w->g[1], 2, &m.path);
	assert_ok(client_connect_qp(&r.p.qp[0], &m));
	umr_reg(&r, &u, key, 0, 4, true);
	umr_post(&r, &r.p.qp[0], &u, QP_OP);
	assert_ok(client_destroy_qp(&r.p.qp[0]));
	r.p.qp[0] = trusted;
	rig_close(&r);
	assert_ok(client_destroy_mkey(&w->g[0].c, key));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		roce_test(hostile_wqes),
		roce_test(random_wqes),
		roce_test(driver_qp_recovers),
		roce_test(untrusted_qps),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
