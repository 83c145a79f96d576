// SPDX-License-Identifier: GPL-2.0-only
/*
 * Scatter/gather: key checks, cursors over one end of a copy, and the copy.
 * Here, and in complete.c, is every place where the engine reaches guest memory
 * by an address that a guest chose.
 */
#include <mhca/kernel.h>
#include "memory.h"

/* What is asked for at once when a copy meets pages that are not there. */
#define SOFT_ASK_BYTES	(32 * MHCA_PAGE_SIZE)

/* Access bits of a translation. */
#define SOFT_XLT_READ	BIT(0)
#define SOFT_XLT_WRITE	BIT(1)

/* Does @mkey cover [@addr, @addr + @len)? Subtraction form: nothing can wrap. */
static bool soft_mkey_covers(const struct soft_mkey *mkey, u64 addr, u64 len)
{
	if (mkey->length64)
		return !len || len - 1 <= U64_MAX - addr;
	return addr >= mkey->start && len <= mkey->len &&
	       addr - mkey->start <= mkey->len - len;
}

/*
 * The key, held, if it grants @access to that PD and QP. Inside srcu. SOFT_OK,
 * SOFT_AGAIN: it is being changed, or SOFT_LOCAL_PROT.
 */
static enum soft_result soft_mkey_grant(struct mhca_instance *inst, u32 key, u32 pd, u32 qpn,
					u8 access, struct soft_mkey **held)
{
	struct soft_mkey *mkey = soft_mkey_at(inst, key);

	if (unlikely(!mkey))
		return SOFT_LOCAL_PROT;
	if (unlikely(!soft_mkey_hold(mkey)))
		return SOFT_AGAIN;
	if (unlikely(mkey->key != key || mkey->free || mkey->pd != pd ||
		     (mkey->access & access) != access ||
		     (mkey->qpn != SOFT_ANY_QP && mkey->qpn != qpn))) {
		soft_mkey_release(mkey);
		return SOFT_LOCAL_PROT;
	}
	*held = mkey;
	return SOFT_OK;
}

/* Is there something that bytes can be moved to and from? */
static bool soft_mkey_is_live(const struct soft_mkey *mkey)
{
	return mkey->pa || mkey->xlt ||
	       (mkey->obj.buffer && !READ_ONCE(mkey->obj.buffer->dead));
}

static enum soft_result soft_mkey_allows(struct mhca_instance *inst, u32 key, u32 pd, u32 qpn,
					 u64 addr, u64 len, u8 access)
{
	struct soft_mkey *mkey;
	enum soft_result result;

	result = soft_mkey_grant(inst, key, pd, qpn, access, &mkey);
	if (unlikely(result != SOFT_OK))
		return result;
	if (unlikely(!soft_mkey_covers(mkey, addr, len) || (len && !soft_mkey_is_live(mkey))))
		result = SOFT_LOCAL_PROT;
	soft_mkey_release(mkey);
	return result;
}

static enum soft_result soft_key_error(bool remote)
{
	return remote ? SOFT_REMOTE_ACCESS : SOFT_LOCAL_PROT;
}

/**
 * soft_key_check() - may all of a range be used?
 * @inst: whose key
 * @key: all 32 bits
 * @pd: PD number it must have
 * @qpn: on whose behalf
 * @addr: first address
 * @len: bytes
 * @access: enum soft_access bits it must grant
 * @remote: it is an rkey of a message
 *
 * Inside srcu. Return: SOFT_OK, SOFT_AGAIN, SOFT_REMOTE_ACCESS or SOFT_LOCAL_PROT.
 */
enum soft_result soft_key_check(struct mhca_instance *inst, u32 key, u32 pd, u32 qpn,
				u64 addr, u64 len, u8 access, bool remote)
{
	enum soft_result result = soft_mkey_allows(inst, key, pd, qpn, addr, len, access);

	return result == SOFT_LOCAL_PROT ? soft_key_error(remote) : result;
}

/**
 * soft_sgl_check() - may the local memory of a message be used?
 * @inst: whose keys
 * @sgl: segments
 * @len: bytes of them that will be used
 * @pd: PD number
 * @qpn: on whose behalf
 * @access: enum soft_access bits
 *
 * Return: SOFT_OK, SOFT_AGAIN or SOFT_LOCAL_PROT.
 */
enum soft_result soft_sgl_check(struct mhca_instance *inst, const struct soft_sgl *sgl,
				u64 len, u32 pd, u32 qpn, u8 access)
{
	enum soft_result result;
	u32 i;

	for (i = 0; i < sgl->n && len; i++) {
		const struct soft_seg *seg = &sgl->seg[i];
		u32 use = min_t(u64, len, seg->len);

		if (!seg->inline_data) {
			result = soft_mkey_allows(inst, seg->lkey, pd, qpn, seg->addr, use, access);
			if (result != SOFT_OK)
				return result;
		}
		len -= use;
	}
	return len ? SOFT_LOCAL_PROT : SOFT_OK;
}

/**
 * soft_cursor_seek() - put a cursor at a byte
 * @cursor: cursor
 * @at: bytes from the beginning; past the end: at the end
 */
void soft_cursor_seek(struct soft_cursor *cursor, u64 at)
{
	cursor->seg = 0;
	cursor->offset = 0;
	cursor->mkey = NULL;
	cursor->target = NULL;
	cursor->klm = 0;
	cursor->followed = 0;
	cursor->follows = SOFT_FOLLOW_MAX;
	cursor->resumes = false;
	cursor->small = 0;
	cursor->toil = NULL;
	while (cursor->seg < cursor->n_segs && at >= cursor->segs[cursor->seg].len) {
		at -= cursor->segs[cursor->seg].len;
		cursor->seg++;
	}
	if (cursor->seg < cursor->n_segs)
		cursor->offset = at;
}

/**
 * soft_cursor_release() - end of the use of what soft_cursor_run() gave
 * @cursor: cursor; it may be run again, which looks its key up anew
 */
void soft_cursor_release(struct soft_cursor *cursor)
{
	if (cursor->target)
		soft_mkey_release(cursor->target);
	if (cursor->mkey)
		soft_mkey_release(cursor->mkey);
	cursor->target = NULL;
	cursor->mkey = NULL;
	cursor->klm = 0;
}

/**
 * soft_cursor_advance() - move on inside the current segment, or to the next one
 * @cursor: cursor
 * @len: bytes, at most what soft_cursor_run() said
 */
void soft_cursor_advance(struct soft_cursor *cursor, u32 len)
{
	cursor->offset += len;
	if (cursor->offset == cursor->segs[cursor->seg].len) {
		cursor->seg++;
		cursor->offset = 0;
		soft_cursor_release(cursor);
	}
}

/* Bytes at @addr of an MTT key; pages that lie next to each other become one run. */
static enum soft_result soft_run_mtt(const struct soft_mkey *mkey, u64 addr, u32 want,
				     void **ptr, u32 *len)
{
	const struct mhca_pages *pages = mkey->obj.buffer;
	/* soft_mkey_covers() has seen that addr >= start */
	u64 offset = addr - (mkey->start & ~((1ULL << mkey->shift) - 1));
	u64 page;
	u32 run;

	*ptr = pages ? mhca_pages_at(pages, offset, &run) : NULL;
	if (unlikely(!*ptr))
		return SOFT_LOCAL_PROT;
	page = (offset >> MHCA_PAGE_SHIFT) - pages->first;
	while (run < want && page + 1 < pages->n &&
	       (u8 *)pages->kva[page + 1] == (u8 *)pages->kva[page] + MHCA_PAGE_SIZE) {
		run += MHCA_PAGE_SIZE;
		page++;
	}
	*len = min(run, want);
	return SOFT_OK;
}

/* Bytes at guest-physical @addr. */
static enum soft_result soft_run_pa(struct mhca_instance *inst, u64 addr, u32 want,
				    bool writes, void **ptr, u32 *len)
{
	int err = mhca_pa_lookup(inst, addr, want, writes, ptr, len);

	if (likely(!err))
		return SOFT_OK;
	return err == -EAGAIN ? SOFT_AGAIN : SOFT_LOCAL_PROT;
}

/*
 * Bytes at @addr of a key with a table: the two low bits of an entry are its access.
 * Entries that name guest-physical neighbours become one run.
 */
static enum soft_result soft_run_xlt(const struct soft_mkey *mkey, u64 addr, u32 want,
				     bool writes, void **ptr, u32 *len)
{
	u64 page = 1ULL << mkey->shift, mask = page - 1;
	/* soft_mkey_covers() has seen that addr >= start */
	u64 index = (addr - (mkey->start & ~mask)) >> mkey->shift;
	u64 run = page - (addr & mask);
	u64 entry, next;

	if (unlikely(index >= mkey->n_xlt))
		return SOFT_LOCAL_PROT;
	entry = be64_to_cpu(mkey->xlt[index]);
	if (unlikely(!(entry & (writes ? SOFT_XLT_WRITE : SOFT_XLT_READ))))
		return SOFT_LOCAL_PROT;
	want = min_t(u32, want, MHCA_PA_RUN);
	for (next = entry + page; run < want && ++index < mkey->n_xlt &&
	     mkey->xlt[index] == cpu_to_be64(next); next += page)
		run += page;
	return soft_run_pa(mkey->obj.inst, (entry & ~mask) | (addr & mask), min_t(u64, want, run),
			   writes, ptr, len);
}

/* The entry of @mkey that byte @offset of it lies in, none before @from; their number: none. */
static u32 soft_find_klm(const struct soft_mkey *mkey, u32 from, u64 offset)
{
	u32 low = from, high = soft_mkey_klms(mkey), mid;

	/* As a rule it is the next one. */
	if (low < high && mkey->ends[low] > offset)
		return low;
	while (low < high) {
		mid = low + (high - low) / 2;
		if (mkey->ends[mid] > offset)
			high = mid;
		else
			low = mid + 1;
	}
	return low;
}

/*
 * A piece more. It is looked up and held, whether it is a byte or a page, so how many
 * there may be is bounded; and small ones of a receiver are counted to it.
 */
static enum soft_result soft_cursor_count(struct soft_cursor *cursor, u64 piece)
{
	if (unlikely(cursor->followed >= cursor->follows))
		return cursor->resumes ? SOFT_MORE : SOFT_LOCAL_PROT;
	cursor->followed++;
	if (likely(!cursor->toil || piece >= SOFT_FOLLOW_BYTES))
		return SOFT_OK;
	/* In lots: a receiver's few pieces are of no matter. */
	if (++cursor->small % SOFT_TOIL_LOT || soft_toil_spend(cursor->toil, SOFT_TOIL_LOT))
		return SOFT_OK;
	return SOFT_SLOW;
}

/* Hold the key that the entry at byte @offset of the held, indirect key names. */
static enum soft_result soft_cursor_turn_to(struct soft_cursor *cursor, u64 offset, u32 want)
{
	const struct soft_mkey *mkey = cursor->mkey;
	const struct mlx5_klm *klm = (const struct mlx5_klm *)mkey->xlt;
	enum soft_result result;
	u32 i;

	i = soft_find_klm(mkey, cursor->klm, offset);
	if (unlikely(i == soft_mkey_klms(mkey)))
		return SOFT_LOCAL_PROT;
	result = soft_cursor_count(cursor, min_t(u64, want, mkey->ends[i] - offset));
	if (unlikely(result != SOFT_OK))
		return result;
	cursor->klm = i;
	return soft_mkey_grant(cursor->inst, be32_to_cpu(klm[i].key), mkey->pd, cursor->qpn,
			       cursor->access & SOFT_WRITES ? SOFT_LOCAL_WRITE : SOFT_LOCAL_READ,
			       &cursor->target);
}

/*
 * From an address under an indirect key to the one under the key that its entry names:
 * a key of its PD that grants what the access is on this side of it. One step only: that
 * key must be a direct one.
 */
static enum soft_result soft_cursor_follow(struct soft_cursor *cursor, u64 *addr, u32 *want)
{
	const struct soft_mkey *mkey = cursor->mkey;
	const struct mlx5_klm *klm;
	enum soft_result result;
	u64 offset;

	/* soft_mkey_covers() has seen that addr >= start */
	offset = *addr - mkey->start;
	if (cursor->target && offset >= mkey->ends[cursor->klm]) {
		soft_mkey_release(cursor->target);
		cursor->target = NULL;
		cursor->klm++;
	}
	if (!cursor->target) {
		result = soft_cursor_turn_to(cursor, offset, *want);
		if (result != SOFT_OK)
			return result;
	}
	klm = (const struct mlx5_klm *)mkey->xlt + cursor->klm;
	*want = min_t(u64, *want, mkey->ends[cursor->klm] - offset);
	*addr = be64_to_cpu(klm->va) + offset - (cursor->klm ? mkey->ends[cursor->klm - 1] : 0);
	return cursor->target->indirect || !soft_mkey_covers(cursor->target, *addr, *want) ?
		       SOFT_LOCAL_PROT : SOFT_OK;
}

/* Bytes at @addr of a held, direct key that covers them. */
static enum soft_result soft_run_key(const struct soft_cursor *cursor,
				     const struct soft_mkey *mkey, u64 addr, u32 want,
				     void **ptr, u32 *len)
{
	bool writes = cursor->access & SOFT_WRITES;

	if (mkey->pa)
		return soft_run_pa(cursor->inst, addr, want, writes, ptr, len);
	if (mkey->xlt)
		return soft_run_xlt(mkey, addr, want, writes, ptr, len);
	return soft_run_mtt(mkey, addr, want, ptr, len);
}

/**
 * soft_cursor_run() - what lies at a cursor
 * @cursor: cursor; it does not move, but holds its key until soft_cursor_release()
 * @want: bytes wanted, > 0
 * @ptr: out: host address
 * @len: out: bytes there, 1 … @want
 *
 * Return: SOFT_OK; SOFT_AGAIN: a page of @len bytes is being pinned, or the key of those
 * bytes changed; SOFT_MORE: enough for this turn, if @cursor->resumes; SOFT_SLOW: enough
 * for a while, if @cursor->toil; SOFT_LOCAL_PROT or SOFT_REMOTE_ACCESS: nothing there that
 * may be used, too many pieces, or the end.
 */
enum soft_result soft_cursor_run(struct soft_cursor *cursor, u32 want, void **ptr, u32 *len)
{
	const struct soft_seg *seg;
	enum soft_result result;
	u64 addr;

	if (unlikely(cursor->seg >= cursor->n_segs))
		return soft_key_error(cursor->remote);
	seg = &cursor->segs[cursor->seg];
	want = min(want, seg->len - cursor->offset);
	*len = want;
	if (seg->inline_data) {
		*ptr = (void *)(seg->inline_data + cursor->offset);
		return SOFT_OK;
	}
	if (!cursor->mkey) {
		result = soft_mkey_grant(cursor->inst, seg->lkey, cursor->pd, cursor->qpn,
					 cursor->access, &cursor->mkey);
		if (unlikely(result != SOFT_OK))
			return result == SOFT_AGAIN ? result : soft_key_error(cursor->remote);
	}
	addr = seg->addr + cursor->offset;
	if (unlikely(!soft_mkey_covers(cursor->mkey, addr, want)))
		return soft_key_error(cursor->remote);
	result = SOFT_OK;
	if (unlikely(cursor->mkey->indirect))
		result = soft_cursor_follow(cursor, &addr, &want);
	if (likely(result == SOFT_OK))
		result = soft_run_key(cursor, cursor->target ?: cursor->mkey, addr, want, ptr, len);
	if (unlikely(result == SOFT_LOCAL_PROT))
		return soft_key_error(cursor->remote);
	return result;
}

/**
 * soft_cursor_probe() - ask for every page of a range, touch nothing
 * @cursor: cursor; moves to the end of the range
 * @len: bytes
 *
 * Asks for all missing pages before it says so, which saves waiting for them one
 * by one. Return: as soft_cursor_run().
 */
enum soft_result soft_cursor_probe(struct soft_cursor *cursor, u64 len)
{
	enum soft_result result = SOFT_OK, all = SOFT_OK;
	void *ptr;
	u32 n;

	while (len) {
		n = min_t(u64, len, MHCA_PAGE_SIZE);
		result = soft_cursor_run(cursor, n, &ptr, &n);
		if (result == SOFT_AGAIN)
			all = SOFT_AGAIN;
		else if (result != SOFT_OK)
			break;
		result = SOFT_OK;
		soft_cursor_advance(cursor, n);
		len -= n;
	}
	soft_cursor_release(cursor);
	return result == SOFT_OK ? all : result;
}

/**
 * soft_cursor_ask() - ask for the pages that follow: one wait is enough for all of them
 * @at: cursor, released
 * @len: bytes
 */
void soft_cursor_ask(const struct soft_cursor *at, u64 len)
{
	struct soft_cursor ahead = *at;

	soft_cursor_probe(&ahead, min_t(u64, len, SOFT_ASK_BYTES));
}

/**
 * soft_copy() - copy from one end of a message to the other
 * @to: guest memory
 * @from: guest memory or bytes of a WQE
 * @len: how many
 * @done: out: how many were copied
 * @failed: out: the end that a result other than SOFT_OK is about
 *
 * Both cursors advance by what was copied, and are released. Inside srcu. Return: as
 * soft_cursor_run().
 */
enum soft_result soft_copy(struct soft_cursor *to, struct soft_cursor *from, u64 len,
			   u64 *done, struct soft_cursor **failed)
{
	enum soft_result result = SOFT_OK;
	void *src, *dst;
	u32 n;

	*done = 0;
	while (*done < len) {
		n = min_t(u64, len - *done, U32_MAX);
		*failed = from;
		result = soft_cursor_run(from, n, &src, &n);
		if (unlikely(result != SOFT_OK))
			break;
		*failed = to;
		result = soft_cursor_run(to, n, &dst, &n);
		if (unlikely(result != SOFT_OK))
			break;
		mhca_guest_write(to->inst, dst, src, n);
		soft_cursor_advance(from, n);
		soft_cursor_advance(to, n);
		*done += n;
	}
	if (likely(result == SOFT_OK))
		*failed = NULL;
	soft_cursor_release(from);
	soft_cursor_release(to);
	if (unlikely(result == SOFT_AGAIN)) {
		soft_cursor_ask(from, len - *done);
		soft_cursor_ask(to, len - *done);
	}
	return result;
}
