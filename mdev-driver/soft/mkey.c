// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memory keys: MTT keys over pinned pages and PA keys over all of the guest's
 * memory. Everything is decided at creation; a key never changes.
 */
#include <mhca/kernel.h>
#include "soft.h"

#define SOFT_MKC_ANY_QP		0xffffffU

static u8 soft_mkey_access(const void *mkc)
{
	u8 access = 0;

	if (MLX5_GET(mkc, mkc, lr))
		access |= SOFT_LOCAL_READ;
	if (MLX5_GET(mkc, mkc, lw))
		access |= SOFT_LOCAL_WRITE;
	if (MLX5_GET(mkc, mkc, rr))
		access |= SOFT_REMOTE_READ;
	if (MLX5_GET(mkc, mkc, rw))
		access |= SOFT_REMOTE_WRITE;
	if (MLX5_GET(mkc, mkc, a))
		access |= SOFT_REMOTE_ATOMIC;
	return access;
}

/*
 * An MTT key names [start, start + len); the page list starts with the page that
 * start lies in.
 */
static enum mhca_syndrome soft_mkey_check_mtt(const struct soft_mkey *mkey)
{
	const struct mhca_pages *pages = mkey->obj.buffer;
	u64 offset;

	if (mkey->length64)
		return MHCA_SYN_KEY_RANGE;
	if (!mkey->len)
		return MHCA_SYN_NONE;
	if (mkey->len - 1 > U64_MAX - mkey->start)
		return MHCA_SYN_KEY_RANGE;
	if (!pages || pages->shift != mkey->shift)
		return MHCA_SYN_PAGE_LIST;
	offset = mkey->start & ((1ULL << mkey->shift) - 1);
	if (offset > pages->bytes || mkey->len > pages->bytes - offset)
		return MHCA_SYN_KEY_RANGE;
	if ((mkey->access & ~(SOFT_LOCAL_READ | SOFT_REMOTE_READ)) && !pages->writable)
		return MHCA_SYN_ACCESS_MODE;
	return MHCA_SYN_NONE;
}

static enum mhca_syndrome soft_mkey_check_pa(const struct soft_mkey *mkey)
{
	if (!mkey->length64 && mkey->len && mkey->len - 1 > U64_MAX - mkey->start)
		return MHCA_SYN_KEY_RANGE;
	return MHCA_SYN_NONE;
}

static enum mhca_syndrome soft_mkey_create(struct mhca_cmd *cmd)
{
	const void *mkc = MLX5_ADDR_OF(create_mkey_in, cmd->in, memory_key_mkey_entry);
	struct soft_mkey *mkey = (struct soft_mkey *)cmd->obj;
	enum mhca_syndrome syndrome;

	if (!cmd->ref[0])
		return MHCA_SYN_NO_OBJECT;
	/* Without UMR nothing could ever fill a free key or invalidate one. */
	if (MLX5_GET(mkc, mkc, free) || MLX5_GET(mkc, mkc, bsf_en) ||
	    MLX5_GET(mkc, mkc, en_rinval) || MLX5_GET(mkc, mkc, access_mode_4_2))
		return MHCA_SYN_ACCESS_MODE;

	mkey->pd = cmd->ref[0]->num;
	mkey->qpn = MLX5_GET(mkc, mkc, qpn);
	mkey->access = soft_mkey_access(mkc);
	mkey->length64 = MLX5_GET(mkc, mkc, length64);
	mkey->start = MLX5_GET64(mkc, mkc, start_addr);
	mkey->len = MLX5_GET64(mkc, mkc, len);

	switch (MLX5_GET(mkc, mkc, access_mode_1_0)) {
	case MLX5_MKC_ACCESS_MODE_PA:
		mkey->pa = true;
		mkey->shift = MHCA_PAGE_SHIFT;
		syndrome = soft_mkey_check_pa(mkey);
		break;
	case MLX5_MKC_ACCESS_MODE_MTT:
		mkey->shift = MLX5_GET(mkc, mkc, log_page_size);
		syndrome = soft_mkey_check_mtt(mkey);
		break;
	default:
		syndrome = MHCA_SYN_ACCESS_MODE;
	}
	if (syndrome)
		return syndrome;

	syndrome = mhca_object_number(&mkey->obj, MHCA_MKEY_FIRST, MHCA_NUMBER_MAX);
	if (syndrome)
		return syndrome;
	mkey->key = mkey->obj.num << 8 | MLX5_GET(mkc, mkc, mkey_7_0);
	return MHCA_SYN_NONE;
}

static enum mhca_syndrome soft_mkey_query(struct mhca_cmd *cmd)
{
	const struct soft_mkey *mkey = (struct soft_mkey *)cmd->obj;
	void *mkc = MLX5_ADDR_OF(query_mkey_out, cmd->out, memory_key_mkey_entry);
	u32 octwords = mkey->obj.buffer ? DIV_ROUND_UP(mkey->obj.buffer->entries, 2) : 0;

	MLX5_SET(mkc, mkc, access_mode_1_0,
		 mkey->pa ? MLX5_MKC_ACCESS_MODE_PA : MLX5_MKC_ACCESS_MODE_MTT);
	MLX5_SET(mkc, mkc, lr, !!(mkey->access & SOFT_LOCAL_READ));
	MLX5_SET(mkc, mkc, lw, !!(mkey->access & SOFT_LOCAL_WRITE));
	MLX5_SET(mkc, mkc, rr, !!(mkey->access & SOFT_REMOTE_READ));
	MLX5_SET(mkc, mkc, rw, !!(mkey->access & SOFT_REMOTE_WRITE));
	MLX5_SET(mkc, mkc, a, !!(mkey->access & SOFT_REMOTE_ATOMIC));
	MLX5_SET(mkc, mkc, qpn, mkey->qpn);
	MLX5_SET(mkc, mkc, mkey_7_0, mkey->key & 0xff);
	MLX5_SET(mkc, mkc, length64, mkey->length64);
	MLX5_SET(mkc, mkc, pd, mkey->pd);
	MLX5_SET64(mkc, mkc, start_addr, mkey->start);
	MLX5_SET64(mkc, mkc, len, mkey->len);
	MLX5_SET(mkc, mkc, translations_octword_size, octwords);
	MLX5_SET(mkc, mkc, log_page_size, mkey->pa ? 0 : mkey->shift);
	return MHCA_SYN_NONE;
}

/**
 * soft_mkey_find() - the key with exactly these 32 bits
 * @inst: whose key
 * @key: index << 8 | variant
 *
 * Inside srcu. Return: the key, or NULL.
 */
struct soft_mkey *soft_mkey_find(struct mhca_instance *inst, u32 key)
{
	struct soft_mkey *mkey;

	mkey = (struct soft_mkey *)mhca_object_find(inst, MHCA_MKEY, key >> 8);
	return mkey && mkey->key == key ? mkey : NULL;
}

/*
 * Copies look a key up for each run, inside srcu: when the engine's sections that
 * began before are over, nobody moves bytes through it.
 */
const struct mhca_object_ops soft_mkey_ops = {
	.size = sizeof(struct soft_mkey),
	.create = soft_mkey_create,
	.query = soft_mkey_query,
	.describe = soft_mkey_describe,
	.fenced = true,
};
