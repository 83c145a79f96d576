// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memory keys: MTT keys over pinned pages and PA keys over all of the guest's memory,
 * and keys with a table that UMR WQEs fill (umr.c): of pages, on a port that has fast
 * registration, or of pieces of other keys (memory windows).
 *
 * What UMR can change is looked at by who holds the key, on any lane, and changed by
 * who has claimed it. Nobody waits for either in place: a claim that finds the key held,
 * and a hold that finds it claimed, come again in a later turn. A claim that failed keeps
 * new holders away for a while, so that it succeeds when those that are there are done:
 * a hold lasts as long as a chunk of a message takes to be copied.
 */
#include <mhca/kernel.h>
#include "memory.h"

#define SOFT_WANTED_NS		(500 * 1000U)
#define SOFT_XLT_ALIGN		4U	/* octwords of a table come in fours */
#define SOFT_OCTWORD_ENTRIES	2U

/* ---- Holding and claiming -------------------------------------------------- */

/**
 * soft_mkey_hold() - begin to look at a key, or to move bytes through it
 * @mkey: key; inside srcu
 *
 * Return: false: it is being changed, come again.
 */
bool soft_mkey_hold(struct soft_mkey *mkey)
{
	u64 wanted;
	int holds;

	if (likely(!mkey->umr))
		return true;
	wanted = READ_ONCE(mkey->wanted);
	if (unlikely(wanted && ktime_get_ns() < wanted))
		return false;
	holds = atomic_read(&mkey->holds);
	do {
		if (unlikely(holds < 0))
			return false;
	} while (!atomic_try_cmpxchg(&mkey->holds, &holds, holds + 1));
	return true;
}

/**
 * soft_mkey_hold_more() - hold a key once more
 * @mkey: key that is held already
 */
void soft_mkey_hold_more(struct soft_mkey *mkey)
{
	if (mkey->umr)
		atomic_inc(&mkey->holds);
}

/**
 * soft_mkey_release() - end of a hold
 * @mkey: key
 */
void soft_mkey_release(struct soft_mkey *mkey)
{
	/* A full barrier: whoever claims it sees all bytes moved. */
	if (mkey->umr)
		atomic_dec_return(&mkey->holds);
}

/**
 * soft_mkey_claim() - begin to change a key
 * @mkey: key with UMR; inside srcu
 *
 * Return: false: somebody holds it, come again.
 */
bool soft_mkey_claim(struct soft_mkey *mkey)
{
	if (atomic_cmpxchg(&mkey->holds, 0, SOFT_MKEY_CLAIMED)) {
		WRITE_ONCE(mkey->wanted, ktime_get_ns() + SOFT_WANTED_NS);
		return false;
	}
	WRITE_ONCE(mkey->wanted, 0);
	return true;
}

/**
 * soft_mkey_yield() - end of a claim
 * @mkey: key
 */
void soft_mkey_yield(struct soft_mkey *mkey)
{
	atomic_set_release(&mkey->holds, 0);
}

/* ---- Creation --------------------------------------------------------------- */

/**
 * soft_mkey_access() - what a key context grants
 * @mkc: key context
 *
 * Return: enum soft_access bits.
 */
u8 soft_mkey_access(const void *mkc)
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
	if ((mkey->access & SOFT_WRITES) && !pages->writable)
		return MHCA_SYN_ACCESS_MODE;
	return MHCA_SYN_NONE;
}

static enum mhca_syndrome soft_mkey_check_pa(const struct soft_mkey *mkey)
{
	if (!mkey->length64 && mkey->len && mkey->len - 1 > U64_MAX - mkey->start)
		return MHCA_SYN_KEY_RANGE;
	return MHCA_SYN_NONE;
}

/**
 * soft_mkey_fits() - may a key with a table cover this range?
 * @mkey: key, claimed
 * @start: first address
 * @len: bytes
 * @shift: log2 of the page size
 *
 * How far the pieces of an indirect key reach is seen when they are used.
 */
bool soft_mkey_fits(const struct soft_mkey *mkey, u64 start, u64 len, u8 shift)
{
	u64 bytes, offset;

	if (mkey->indirect)
		return !len || len - 1 <= U64_MAX - start;
	if (shift < MHCA_PAGE_SHIFT || shift > MHCA_PAGE_SHIFT_MAX)
		return false;
	if (!len)
		return true;
	if (len - 1 > U64_MAX - start || len > READ_ONCE(mkey->obj.inst->quota.max_mr))
		return false;
	bytes = (u64)mkey->n_xlt << shift;
	offset = start & ((1ULL << shift) - 1);
	return offset <= bytes && len <= bytes - offset;
}

/* What the table takes, in translations: the sums of an indirect key's entries as well. */
static u32 soft_mkey_words(const struct soft_mkey *mkey)
{
	return mkey->n_xlt + (mkey->indirect ? soft_mkey_klms(mkey) : 0);
}

/**
 * soft_mkey_add_up() - entries of an indirect key have changed
 * @mkey: key, claimed
 * @first: the first one of them
 * @n: how many
 *
 * An entry of 0 bytes names nothing and is never found: drivers fill up a table's last
 * octwords with such, and one that was not filled yet has nothing else.
 *
 * Return: entries that were looked at: those and, if their sum has changed, all that follow.
 */
u32 soft_mkey_add_up(struct soft_mkey *mkey, u32 first, u32 n)
{
	const struct mlx5_klm *klm = (const struct mlx5_klm *)mkey->xlt;
	u64 end = first ? mkey->ends[first - 1] : 0;
	u32 i;

	for (i = first; i < soft_mkey_klms(mkey); i++) {
		end += be32_to_cpu(klm[i].bcount);
		if (i - first >= n && mkey->ends[i] == end)
			break;
		mkey->ends[i] = end;
	}
	return i - first;
}

/*
 * Entries of all tables that an instance may have. A driver rounds tables up and names a
 * page in more than one of them; who may pin little gets little, but some keys of any size.
 */
static u64 soft_mkey_tables(const struct mhca_instance *inst)
{
	u64 pages = READ_ONCE(inst->gmem.limit);

	return clamp_t(u64, 4 * pages, 2ULL << MHCA_LOG_MAX_KEY_XLT, MHCA_MAX_XLT);
}

/* A free key with an empty table. The command's checks have bounded its size. */
static enum mhca_syndrome soft_mkey_create_table(struct soft_mkey *mkey, const void *mkc)
{
	struct soft_instance *si = soft_instance(mkey->obj.inst);
	u32 octwords = MLX5_GET(mkc, mkc, translations_octword_size);
	u64 most;

	mkey->n_xlt = round_up(octwords, SOFT_XLT_ALIGN) * SOFT_OCTWORD_ENTRIES;
	most = soft_mkey_tables(mkey->obj.inst);
	if (si->xlt > most || soft_mkey_words(mkey) > most - si->xlt)
		return MHCA_SYN_MR_LIMIT;
	mkey->xlt = kvcalloc(soft_mkey_words(mkey), sizeof(*mkey->xlt),
			     GFP_KERNEL_ACCOUNT | __GFP_NOWARN);
	if (!mkey->xlt)
		return MHCA_SYN_NO_MEMORY;
	if (mkey->indirect)
		mkey->ends = (u64 *)(mkey->xlt + mkey->n_xlt);
	si->xlt += soft_mkey_words(mkey);
	return MHCA_SYN_NONE;
}

static void soft_mkey_destroy(struct mhca_object *obj)
{
	struct soft_mkey *mkey = (struct soft_mkey *)obj;

	if (!mkey->xlt)
		return;
	soft_instance(obj->inst)->xlt -= soft_mkey_words(mkey);
	kvfree(mkey->xlt);
}

static enum mhca_syndrome soft_mkey_create_mode(struct soft_mkey *mkey, const void *mkc)
{
	switch (MLX5_GET(mkc, mkc, access_mode_1_0)) {
	case MLX5_MKC_ACCESS_MODE_PA:
		mkey->pa = true;
		mkey->shift = MHCA_PAGE_SHIFT;
		mkey->umr = false;
		return mkey->free ? MHCA_SYN_ACCESS_MODE : soft_mkey_check_pa(mkey);
	case MLX5_MKC_ACCESS_MODE_KLMS:
		mkey->indirect = true;
		return soft_mkey_create_table(mkey, mkc);
	case MLX5_MKC_ACCESS_MODE_MTT:
		mkey->shift = MLX5_GET(mkc, mkc, log_page_size);
		return mkey->free ? soft_mkey_create_table(mkey, mkc) : soft_mkey_check_mtt(mkey);
	default:
		return MHCA_SYN_ACCESS_MODE;
	}
}

static enum mhca_syndrome soft_mkey_create(struct mhca_cmd *cmd)
{
	const void *mkc = MLX5_ADDR_OF(create_mkey_in, cmd->in, memory_key_mkey_entry);
	struct soft_mkey *mkey = (struct soft_mkey *)cmd->obj;
	enum mhca_syndrome syndrome;

	if (!cmd->ref[0])
		return MHCA_SYN_NO_OBJECT;
	if (MLX5_GET(mkc, mkc, bsf_en) || MLX5_GET(mkc, mkc, access_mode_4_2))
		return MHCA_SYN_ACCESS_MODE;

	mkey->umr = MLX5_GET(mkc, mkc, umr_en) &&
		    (cmd->inst->personality == MHCA_ROCE ||
		     MLX5_GET(mkc, mkc, access_mode_1_0) == MLX5_MKC_ACCESS_MODE_KLMS);
	mkey->pd = cmd->ref[0]->num;
	mkey->qpn = MLX5_GET(mkc, mkc, qpn);
	mkey->access = soft_mkey_access(mkc);
	mkey->length64 = MLX5_GET(mkc, mkc, length64);
	mkey->free = MLX5_GET(mkc, mkc, free);
	mkey->en_rinval = MLX5_GET(mkc, mkc, en_rinval);
	mkey->start = MLX5_GET64(mkc, mkc, start_addr);
	mkey->len = MLX5_GET64(mkc, mkc, len);
	syndrome = soft_mkey_create_mode(mkey, mkc);
	/* Only UMR makes a key valid again that was invalidated. */
	if (!syndrome && mkey->en_rinval && !mkey->umr)
		syndrome = MHCA_SYN_ACCESS_MODE;
	if (!syndrome)
		syndrome = mhca_object_number(&mkey->obj, MHCA_MKEY_FIRST, MHCA_NUMBER_MAX);
	if (syndrome) {
		soft_mkey_destroy(&mkey->obj);
		return syndrome;
	}
	mkey->key = mkey->obj.num << 8 | MLX5_GET(mkc, mkc, mkey_7_0);
	return MHCA_SYN_NONE;
}

static u8 soft_mkey_mode(const struct soft_mkey *mkey)
{
	if (mkey->pa)
		return MLX5_MKC_ACCESS_MODE_PA;
	return mkey->indirect ? MLX5_MKC_ACCESS_MODE_KLMS : MLX5_MKC_ACCESS_MODE_MTT;
}

static enum mhca_syndrome soft_mkey_query(struct mhca_cmd *cmd)
{
	const struct soft_mkey *mkey = (struct soft_mkey *)cmd->obj;
	void *mkc = MLX5_ADDR_OF(query_mkey_out, cmd->out, memory_key_mkey_entry);
	u32 entries = mkey->xlt ? mkey->n_xlt : mkey->obj.buffer ? mkey->obj.buffer->entries : 0;

	/* What a UMR WQE is changing at this moment may be a little old or new. */
	MLX5_SET(mkc, mkc, free, mkey->free);
	MLX5_SET(mkc, mkc, umr_en, mkey->umr);
	MLX5_SET(mkc, mkc, en_rinval, mkey->en_rinval);
	MLX5_SET(mkc, mkc, access_mode_1_0, soft_mkey_mode(mkey));
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
	MLX5_SET(mkc, mkc, translations_octword_size,
		 DIV_ROUND_UP(entries, SOFT_OCTWORD_ENTRIES));
	MLX5_SET(mkc, mkc, log_page_size, mkey->pa ? 0 : mkey->shift);
	return MHCA_SYN_NONE;
}

/* ---- Use -------------------------------------------------------------------- */

/**
 * soft_mkey_at() - the key of an index
 * @inst: whose key
 * @key: index << 8 | variant; the variant is not looked at
 *
 * Inside srcu. Return: the key, or NULL.
 */
struct soft_mkey *soft_mkey_at(struct mhca_instance *inst, u32 key)
{
	return (struct soft_mkey *)mhca_object_find(inst, MHCA_MKEY, key >> 8);
}

static bool soft_mkey_may_invalidate(const struct soft_mkey *mkey, u32 key, u32 pd, u32 qpn)
{
	return mkey->key == key && !mkey->free && mkey->en_rinval && mkey->pd == pd &&
	       (mkey->qpn == SOFT_ANY_QP || mkey->qpn == qpn);
}

/**
 * soft_mkey_invalidate() - a peer's SEND with invalidate
 * @inst: whose key
 * @key: all 32 bits
 * @pd: PD number of the QP that received it
 * @qpn: that QP
 * @really: do it; false: only say whether it would be allowed
 *
 * Inside srcu. Return: SOFT_OK: nobody uses the key any more (or could); SOFT_AGAIN;
 * SOFT_REMOTE_ACCESS.
 */
enum soft_result soft_mkey_invalidate(struct mhca_instance *inst, u32 key, u32 pd, u32 qpn,
				      bool really)
{
	struct soft_mkey *mkey = soft_mkey_at(inst, key);
	bool allowed;

	if (!mkey || !mkey->umr)
		return SOFT_REMOTE_ACCESS;
	if (!(really ? soft_mkey_claim(mkey) : soft_mkey_hold(mkey)))
		return SOFT_AGAIN;
	allowed = soft_mkey_may_invalidate(mkey, key, pd, qpn);
	if (really) {
		mkey->free |= allowed;
		soft_mkey_yield(mkey);
	} else {
		soft_mkey_release(mkey);
	}
	return allowed ? SOFT_OK : SOFT_REMOTE_ACCESS;
}

/* ---- Migration ---------------------------------------------------------------- */

/* Other keys never change. */
static void soft_mkey_save(struct mhca_object *obj, struct mhca_image *image)
{
	struct soft_mkey *mkey = (struct soft_mkey *)obj;
	u32 i;

	mhca_image_put_u8(image, mkey->umr);
	if (!mkey->umr)
		return;
	mhca_image_put_u8(image, mkey->key & 0xff);
	mhca_image_put_u32(image, mkey->pd);
	mhca_image_put_u32(image, mkey->qpn);
	mhca_image_put_u8(image, mkey->access);
	mhca_image_put_u8(image, mkey->length64);
	mhca_image_put_u8(image, mkey->free);
	mhca_image_put_u8(image, mkey->en_rinval);
	mhca_image_put_u64(image, mkey->start);
	mhca_image_put_u64(image, mkey->len);
	mhca_image_put_u8(image, mkey->shift);
	for (i = 0; mkey->xlt && i < mkey->n_xlt; i++)
		mhca_image_put(image, &mkey->xlt[i], sizeof(mkey->xlt[i]));
}

static enum mhca_syndrome soft_mkey_load_fields(struct soft_mkey *mkey, struct mhca_reader *in)
{
	u32 all = SOFT_LOCAL_READ | SOFT_WRITES | SOFT_REMOTE_READ;

	mkey->key = mkey->obj.num << 8 | mhca_reader_u8(in);
	mkey->pd = mhca_reader_u32(in);
	mkey->qpn = mhca_reader_u32(in);
	mkey->access = mhca_reader_u8(in);
	mkey->length64 &= mhca_reader_u8(in);
	mkey->free = mhca_reader_u8(in);
	mkey->en_rinval = mhca_reader_u8(in);
	mkey->start = mhca_reader_u64(in);
	mkey->len = mhca_reader_u64(in);
	mkey->shift = mhca_reader_u8(in);
	if (!mhca_object_find(mkey->obj.inst, MHCA_PD, mkey->pd))
		return MHCA_SYN_NO_OBJECT;
	if (mkey->access & ~all || mkey->qpn > SOFT_ANY_QP)
		return MHCA_SYN_ACCESS_MODE;
	if (mkey->xlt ? !soft_mkey_fits(mkey, mkey->start, mkey->len, mkey->shift) && !mkey->free :
	    mkey->access & SOFT_WRITES && !(mkey->obj.buffer && mkey->obj.buffer->writable))
		return MHCA_SYN_KEY_RANGE;
	if (!mkey->xlt && (!mkey->obj.buffer || mkey->shift != mkey->obj.buffer->shift))
		return MHCA_SYN_PAGE_SIZE;
	return MHCA_SYN_NONE;
}

static enum mhca_syndrome soft_mkey_load(struct mhca_object *obj, struct mhca_reader *in)
{
	struct soft_mkey *mkey = (struct soft_mkey *)obj;
	enum mhca_syndrome syndrome;

	if (mhca_reader_u8(in) != mkey->umr)
		return MHCA_SYN_ACCESS_MODE;
	if (!mkey->umr)
		return MHCA_SYN_NONE;
	syndrome = soft_mkey_load_fields(mkey, in);
	if (syndrome || !mkey->xlt)
		return syndrome;
	mhca_reader_get(in, mkey->xlt, mkey->n_xlt * sizeof(*mkey->xlt));
	if (mkey->indirect)
		soft_mkey_add_up(mkey, 0, soft_mkey_klms(mkey));
	return MHCA_SYN_NONE;
}

/*
 * Copies look a key up for each run, inside srcu: when the engine's sections that
 * began before are over, nobody moves bytes through it.
 */
static const char *soft_mkey_kind(const struct soft_mkey *key)
{
	if (key->pa)
		return "PA";
	if (key->indirect)
		return "KLM";
	return key->xlt ? "UMR" : "MTT";
}

/* &struct mhca_object_ops.describe */
static int soft_mkey_describe(const struct mhca_object *obj, char *buf, size_t size)
{
	const struct soft_mkey *key = container_of(obj, struct soft_mkey, obj);

	return scnprintf(buf, size,
			 " key=0x%08x pd=%u %s start=0x%llx len=0x%llx access=%s%s%s%s%s",
			 key->key, key->pd, soft_mkey_kind(key),
			 key->start, key->len,
			 key->access & SOFT_LOCAL_WRITE ? "w" : "-",
			 key->access & SOFT_REMOTE_READ ? "R" : "-",
			 key->access & SOFT_REMOTE_WRITE ? "W" : "-",
			 key->access & SOFT_REMOTE_ATOMIC ? "A" : "-",
			 key->free ? " free" : "");
}

const struct mhca_object_ops soft_mkey_ops = {
	.size = sizeof(struct soft_mkey),
	.create = soft_mkey_create,
	.query = soft_mkey_query,
	.describe = soft_mkey_describe,
	.save = soft_mkey_save,
	.load = soft_mkey_load,
	.destroy = soft_mkey_destroy,
	.fenced = true,
};
