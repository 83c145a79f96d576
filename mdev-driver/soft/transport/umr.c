// SPDX-License-Identifier: GPL-2.0-only
/*
 * UMR: WQEs that change a memory key. With them a kernel driver registers and
 * invalidates memory without a command: fast registration on the QP of an upper layer,
 * and everything else on a QP of its own (REG_UMR).
 *
 * A WQE may fill a part of the key's table, change fields of the key, or both: the
 * fields change when all its translations are in place. Translations are the guest's
 * own addresses, or pieces of other keys. They are stored as they come and mean nothing
 * before one of them is looked up, so there is nothing to check in them. The key is
 * claimed for a bounded piece of this work at a time (mkey.c).
 */
#include <mhca/kernel.h>
#include "transport.h"

/* Of those that invalidate a memory window; rdma-core's mlx5dv.h has it, the kernel does not. */
#define SOFT_UMR_CHECK_QPN	BIT(3)
#define SOFT_UMR_FLAGS	(MLX5_UMR_INLINE | MLX5_UMR_CHECK_FREE | MLX5_UMR_CHECK_NOT_FREE | \
			 MLX5_UMR_TRANSLATION_OFFSET_EN | SOFT_UMR_CHECK_QPN)
/* Of a turn's budget, for an entry of an indirect key whose place has changed. */
#define SOFT_SUM_BYTES		8U
/* Fields that say where the memory is. */
#define SOFT_UMR_PLACE	(MLX5_MKEY_MASK_LEN | MLX5_MKEY_MASK_PAGE_SIZE | \
			 MLX5_MKEY_MASK_START_ADDR)
/* All that a WQE may set. WQEs are executed one by one: SMALL_FENCE asks for nothing more. */
#define SOFT_UMR_MASK	(SOFT_UMR_PLACE | MLX5_MKEY_MASK_PD | MLX5_MKEY_MASK_EN_RINVAL | \
			 MLX5_MKEY_MASK_KEY | MLX5_MKEY_MASK_QPN | MLX5_MKEY_MASK_LR | \
			 MLX5_MKEY_MASK_LW | MLX5_MKEY_MASK_RR | MLX5_MKEY_MASK_RW | \
			 MLX5_MKEY_MASK_A | MLX5_MKEY_MASK_SMALL_FENCE | MLX5_MKEY_MASK_FREE)

static const struct {
	u64 mask;
	u8 access;
} soft_umr_access[] = {
	{ MLX5_MKEY_MASK_LR, SOFT_LOCAL_READ },
	{ MLX5_MKEY_MASK_LW, SOFT_LOCAL_WRITE },
	{ MLX5_MKEY_MASK_RR, SOFT_REMOTE_READ },
	{ MLX5_MKEY_MASK_RW, SOFT_REMOTE_WRITE },
	{ MLX5_MKEY_MASK_A, SOFT_REMOTE_ATOMIC },
};

/* May this QP change this key at all? The driver's own QP may change every key. */
static bool soft_umr_owns(const struct soft_qp *qp, const struct soft_mkey *mkey, u64 mask)
{
	if (qp->type == MLX5_QP_ST_REG_UMR)
		return true;
	if (mkey->pd != qp->pd || mask & MLX5_MKEY_MASK_PD)
		return false;
	return mkey->qpn == SOFT_ANY_QP || mkey->qpn == qp->base.obj.num;
}

static bool soft_umr_state_is_right(const struct soft_qp *qp, const struct soft_mkey *mkey,
				    u8 flags)
{
	if (flags & SOFT_UMR_CHECK_QPN && mkey->qpn != qp->base.obj.num)
		return false;
	if (flags & MLX5_UMR_CHECK_FREE && mkey->free)
		return false;
	return !(flags & MLX5_UMR_CHECK_NOT_FREE) || mkey->free;
}

static bool soft_umr_in_table(const struct soft_mkey *mkey, const struct soft_umr *umr)
{
	u64 size = (u64)mkey->n_xlt * sizeof(*mkey->xlt);

	return umr->offset <= size && umr->bytes <= size - umr->offset;
}

/* All that can be refused before anything changes. The key is claimed. */
static enum soft_result soft_umr_check(const struct soft_qp *qp, const struct soft_wqe *wqe,
				       const struct soft_mkey *mkey)
{
	const struct soft_umr *umr = &wqe->umr;

	if (umr->mask & ~SOFT_UMR_MASK || umr->flags & ~SOFT_UMR_FLAGS)
		return SOFT_LOCAL_QP_OP;
	/* Pages are guest-physical: a kernel's matter. Pieces of other keys are anybody's. */
	if (!mkey->indirect && !qp->fast_reg)
		return SOFT_LOCAL_QP_OP;
	/* Without that flag the field counts words of a kind of table that no key has. */
	if (umr->offset && !(umr->flags & MLX5_UMR_TRANSLATION_OFFSET_EN))
		return SOFT_LOCAL_QP_OP;
	if (!soft_umr_owns(qp, mkey, umr->mask))
		return SOFT_MW_BIND;
	/* The WQE names the key by its new variant, if it gets one. */
	if (!(umr->mask & MLX5_MKEY_MASK_KEY) && mkey->key != be32_to_cpu(wqe->imm))
		return SOFT_MW_BIND;
	if (!soft_umr_state_is_right(qp, mkey, umr->flags))
		return SOFT_MW_BIND;
	if (umr->bytes && !soft_umr_in_table(mkey, umr))
		return SOFT_MW_BIND;
	/* Pages that came with the command stay what they are. */
	if (!mkey->xlt && umr->mask & SOFT_UMR_PLACE)
		return SOFT_MW_BIND;
	return SOFT_OK;
}

/*
 * PD that the translations' own key must have. The driver's QP gets none before its first
 * transition, and is trusted with every key.
 */
static u32 soft_umr_source_pd(const struct soft_qp *qp, const struct soft_wqe *wqe)
{
	struct soft_mkey *source = NULL;

	if (qp->type == MLX5_QP_ST_REG_UMR && !wqe->sgl.seg[0].inline_data)
		source = soft_mkey_at(qp->base.obj.inst, wqe->sgl.seg[0].lkey);
	return source ? READ_ONCE(source->pd) : qp->pd;
}

/*
 * Pieces of other keys are in the table from byte @at of the WQE's on: where they end. Who
 * changes one of many pays for all whose place it changes.
 */
static void soft_umr_add_up(const struct soft_wqe *wqe, struct soft_mkey *mkey, u64 at, u64 done,
			    u64 *budget)
{
	u32 first = (wqe->umr.offset + at) / sizeof(struct mlx5_klm);
	u32 end = DIV_ROUND_UP(wqe->umr.offset + done, sizeof(struct mlx5_klm));

	if (mkey->indirect && at < done)
		*budget -= min_t(u64, *budget, SOFT_SUM_BYTES *
				 (u64)soft_mkey_add_up(mkey, first, end - first));
}

/* Copy translations into the table: @done bytes are there. */
static enum soft_result soft_umr_fill(const struct soft_qp *qp, const struct soft_wqe *wqe,
				      struct soft_mkey *mkey, u64 *done, u64 *budget)
{
	struct soft_cursor from = {
		.inst = qp->base.obj.inst,
		.pd = soft_umr_source_pd(qp, wqe),
		.qpn = qp->base.obj.num,
		.access = SOFT_LOCAL_READ,
		.segs = wqe->sgl.seg,
		.n_segs = wqe->sgl.n,
	};
	u8 *table = (u8 *)mkey->xlt + wqe->umr.offset;
	enum soft_result result = SOFT_OK;
	u64 at = *done;
	void *ptr;
	u32 n;

	soft_cursor_seek(&from, at);
	while (*done < wqe->umr.bytes && *budget) {
		n = min_t(u64, wqe->umr.bytes - *done, *budget);
		result = soft_cursor_run(&from, n, &ptr, &n);
		if (result != SOFT_OK)
			break;
		memcpy(table + *done, ptr, n);
		soft_cursor_advance(&from, n);
		*done += n;
		*budget -= n;
	}
	soft_cursor_release(&from);
	soft_umr_add_up(wqe, mkey, at, *done, budget);
	if (result == SOFT_AGAIN)
		soft_cursor_ask(&from, wqe->umr.bytes - *done);
	if (result == SOFT_OK && *done < wqe->umr.bytes)
		return SOFT_MORE;
	return result;
}

static u8 soft_umr_new_access(const struct soft_mkey *mkey, const struct soft_umr *umr)
{
	u8 change = 0;
	u32 i;

	for (i = 0; i < ARRAY_SIZE(soft_umr_access); i++)
		if (umr->mask & soft_umr_access[i].mask)
			change |= soft_umr_access[i].access;
	return (mkey->access & ~change) | (soft_mkey_access(umr->mkc) & change);
}

/* What a key needs to be valid: a place in its table, or pages that may be written. */
static bool soft_umr_may_be_valid(const struct soft_mkey *mkey, u64 start, u64 len, u8 shift,
				  u8 access)
{
	if (mkey->xlt)
		return soft_mkey_fits(mkey, start, len, shift);
	return !(access & SOFT_WRITES) || (mkey->obj.buffer && mkey->obj.buffer->writable);
}

/* Set the fields, all of them or none. */
static enum soft_result soft_umr_apply(struct soft_mkey *mkey, const struct soft_umr *umr)
{
	const void *mkc = umr->mkc;
	u64 mask = umr->mask;
	bool free = mask & MLX5_MKEY_MASK_FREE ? MLX5_GET(mkc, mkc, free) : mkey->free;
	u64 start = mask & MLX5_MKEY_MASK_START_ADDR ? MLX5_GET64(mkc, mkc, start_addr) :
						       mkey->start;
	u64 len = mask & MLX5_MKEY_MASK_LEN ? MLX5_GET64(mkc, mkc, len) : mkey->len;
	u8 shift = mask & MLX5_MKEY_MASK_PAGE_SIZE ? MLX5_GET(mkc, mkc, log_page_size) :
						     mkey->shift;
	u32 pd = mask & MLX5_MKEY_MASK_PD ? MLX5_GET(mkc, mkc, pd) : mkey->pd;
	u8 access = soft_umr_new_access(mkey, umr);

	if (mask & MLX5_MKEY_MASK_LEN && MLX5_GET(mkc, mkc, length64))
		return SOFT_MW_BIND;
	if (pd != mkey->pd && !mhca_object_find(mkey->obj.inst, MHCA_PD, pd))
		return SOFT_MW_BIND;
	if (!free && !soft_umr_may_be_valid(mkey, start, len, shift, access))
		return SOFT_MW_BIND;

	mkey->free = free;
	mkey->start = start;
	mkey->len = len;
	mkey->shift = shift;
	WRITE_ONCE(mkey->pd, pd);	/* for soft_umr_source_pd() */
	mkey->access = access;
	if (mask & MLX5_MKEY_MASK_LEN)
		mkey->length64 = false;
	if (mask & MLX5_MKEY_MASK_KEY)
		mkey->key = mkey->obj.num << 8 | MLX5_GET(mkc, mkc, mkey_7_0);
	if (mask & MLX5_MKEY_MASK_QPN)
		mkey->qpn = MLX5_GET(mkc, mkc, qpn);
	if (mask & MLX5_MKEY_MASK_EN_RINVAL)
		mkey->en_rinval = MLX5_GET(mkc, mkc, en_rinval);
	return SOFT_OK;
}

/*
 * Translations that lie under the key that they are for could never be read. An indirect
 * key may name that one, so translations do not lie under any of those.
 */
static bool soft_umr_eats_itself(const struct soft_wqe *wqe, const struct soft_mkey *mkey)
{
	const struct soft_mkey *source;

	if (!wqe->sgl.n || wqe->sgl.seg[0].inline_data)
		return false;
	source = soft_mkey_at(mkey->obj.inst, wqe->sgl.seg[0].lkey);
	return source && (source == mkey || source->indirect);
}

/**
 * soft_umr_execute() - execute a UMR WQE
 * @qp: its QP; its lane's lock held, inside srcu
 * @wqe: WQE
 * @done: in and out: bytes of its translations that are in the table
 * @budget: in and out: bytes that may still be moved in this turn
 *
 * Return: SOFT_OK: the key is what the WQE says, and nobody uses what it was before;
 * SOFT_MORE, SOFT_AGAIN: later; others: the WQE's error, with the key's fields unchanged.
 */
enum soft_result soft_umr_execute(struct soft_qp *qp, const struct soft_wqe *wqe, u64 *done,
				  u64 *budget)
{
	struct soft_mkey *mkey = soft_mkey_at(qp->base.obj.inst, be32_to_cpu(wqe->imm));
	enum soft_result result;

	lockdep_assert_held(&qp->base.si->lane->lock);
	if (!mkey || !mkey->umr)
		return SOFT_MW_BIND;
	if (soft_umr_eats_itself(wqe, mkey))
		return SOFT_LOCAL_PROT;
	if (!soft_mkey_claim(mkey))
		return SOFT_AGAIN;
	result = soft_umr_check(qp, wqe, mkey);
	if (result == SOFT_OK && wqe->umr.bytes)
		result = soft_umr_fill(qp, wqe, mkey, done, budget);
	if (result == SOFT_OK)
		result = soft_umr_apply(mkey, &wqe->umr);
	soft_mkey_yield(mkey);
	return result;
}
