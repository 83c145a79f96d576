// SPDX-License-Identifier: GPL-2.0-only
/*
 * Guest memory that the VMM takes away.
 *
 * The VMM's callback may hold a lock that stands inside of the one that pins and unpins
 * take, so it does neither. It closes the range to pins, marks what is pinned in it dead,
 * waits until the engine does not use it any more, has mhca_instance_unpin() called on
 * another thread, and waits for that.
 *
 * A VMM may count how often it had to ask before all was unpinned, and type 1 of VFIO
 * brings the host down when it was too often. It does not tell when it has looked whether
 * the range is free, but it looks in the system call that asked. So a range stays closed
 * until the task that takes it away is back in user mode, whatever that takes. A task takes
 * one range at a time: when it asks about another, it is through with the first.
 */
#include "core.h"

/* How long dma_unmap waits for something to be unpinned, ms; after each it waits anew. */
#define MHCA_UNMAP_WAIT_MS	200
/*
 * So many calls of a task for one range may end in vain; the next one has no bound. Type 1
 * of VFIO asks eleven times, and the host is down when the eleventh was in vain. An instance
 * that came into the container meanwhile was asked less often: two are to spare.
 */
#define MHCA_UNMAP_BOUNDED	8

/* ---- Closed ranges ----------------------------------------------------------- */

/**
 * struct mhca_closed - guest memory that a task is taking away: nobody pins it
 * @back: has mhca_closed_back() called when the task is back in user mode
 * @node: on &struct mhca_gmem.closed
 * @refs: one of the list, one of @back, who may be the last
 * @open: the task is back; written by it, read under gmem.lock
 * @who: the task
 * @iova: first byte
 * @last: last byte
 * @calls: calls for this range
 * @inside: it is in such a call
 *
 * gmem.lock protects all that is not said to be otherwise. There is one for each task that
 * is in a system call, paid for by its memory cgroup.
 */
struct mhca_closed {
	struct mhca_return back;
	struct list_head node;
	atomic_t refs;
	bool open;
	const void *who;
	u64 iova;
	u64 last;
	u32 calls;
	bool inside;
};

static void mhca_closed_put(struct mhca_closed *closed)
{
	if (atomic_dec_and_test(&closed->refs))
		kfree(closed);
}

/* The instance may be gone by then. */
static void mhca_closed_back(struct mhca_return *back)
{
	struct mhca_closed *closed = container_of(back, struct mhca_closed, back);

	WRITE_ONCE(closed->open, true);
	mhca_closed_put(closed);
}

/* Drop what is open. A thread of the kernel may be "back" before it is through. */
static void mhca_closed_reap(struct mhca_gmem *gmem)
{
	struct mhca_closed *closed, *next;

	lockdep_assert_held(&gmem->lock);
	list_for_each_entry_safe(closed, next, &gmem->closed, node) {
		if (!READ_ONCE(closed->open) || closed->inside)
			continue;
		list_del(&closed->node);
		mhca_closed_put(closed);
	}
}

/**
 * mhca_closed_find() - is a part of a range closed to pins?
 * @gmem: guest memory, its lock held
 * @iova: first byte
 * @last: last byte
 *
 * Return: true when nobody may pin it now.
 */
bool mhca_closed_find(struct mhca_gmem *gmem, u64 iova, u64 last)
{
	const struct mhca_closed *closed;

	lockdep_assert_held(&gmem->lock);
	mhca_closed_reap(gmem);
	if (gmem->shut_calls && gmem->shut_iova <= last && gmem->shut_last >= iova)
		return true;
	list_for_each_entry(closed, &gmem->closed, node)
		if (closed->calls && closed->iova <= last && closed->last >= iova)
			return true;
	return false;
}

/**
 * mhca_closed_reset() - forget what is closed for want of memory
 * @gmem: guest memory of an instance that is being reset
 *
 * What a task is taking away stays closed: it is in the same system call as before.
 */
void mhca_closed_reset(struct mhca_gmem *gmem)
{
	mutex_lock(&gmem->lock);
	gmem->shut_calls = 0;
	mhca_closed_reap(gmem);
	mutex_unlock(&gmem->lock);
}

/**
 * mhca_closed_fini() - forget all of it
 * @gmem: guest memory of an instance that goes
 */
void mhca_closed_fini(struct mhca_gmem *gmem)
{
	struct mhca_closed *closed, *next;

	list_for_each_entry_safe(closed, next, &gmem->closed, node) {
		list_del(&closed->node);
		mhca_closed_put(closed);
	}
}

/* What current has closed; it alone can change that. */
static struct mhca_closed *mhca_closed_mine(struct mhca_gmem *gmem)
{
	struct mhca_closed *closed;

	lockdep_assert_held(&gmem->lock);
	list_for_each_entry(closed, &gmem->closed, node)
		if (closed->who == current)
			return closed;
	return NULL;
}

/* Current's, made when it comes for the first time in this system call. NULL: no memory. */
static struct mhca_closed *mhca_closed_get(struct mhca_instance *inst)
{
	struct mhca_gmem *gmem = &inst->gmem;
	struct mhca_closed *closed;

	mutex_lock(&gmem->lock);
	mhca_closed_reap(gmem);
	closed = mhca_closed_mine(gmem);
	if (closed)
		closed->inside = true;
	mutex_unlock(&gmem->lock);
	if (closed)
		return closed;
	closed = kzalloc(sizeof(*closed), GFP_KERNEL_ACCOUNT);
	if (!closed)
		return NULL;
	closed->back.fn = mhca_closed_back;
	closed->who = current;
	closed->inside = true;
	atomic_set(&closed->refs, 2);
	if (inst->vmm_ops->at_return(inst->vmm, &closed->back)) {
		kfree(closed);
		return NULL;
	}
	mutex_lock(&gmem->lock);
	list_add_tail(&closed->node, &gmem->closed);
	mutex_unlock(&gmem->lock);
	return closed;
}

/*
 * Nothing tells when the task is back: closed until a reset. More than its range, if there
 * was one before: never less.
 */
static u32 mhca_closed_shut(struct mhca_gmem *gmem, u64 iova, u64 last)
{
	if (!gmem->shut_calls) {
		gmem->shut_iova = iova;
		gmem->shut_last = last;
	}
	gmem->shut_iova = min(gmem->shut_iova, iova);
	gmem->shut_last = max(gmem->shut_last, last);
	if (gmem->shut_calls < U32_MAX)
		gmem->shut_calls++;
	return gmem->shut_calls;
}

/* Close a range; returns the how manieth call of the task for it this is. */
static u32 mhca_closed_begin(struct mhca_gmem *gmem, struct mhca_closed *closed, u64 iova,
			     u64 last)
{
	lockdep_assert_held(&gmem->lock);
	if (!closed)
		return mhca_closed_shut(gmem, iova, last);
	if (closed->iova != iova || closed->last != last)
		closed->calls = 0;
	closed->iova = iova;
	closed->last = last;
	return ++closed->calls;
}

/* ---- Fence ------------------------------------------------------------------- */

/**
 * mhca_gmem_fence() - wait until nobody uses what was marked dead before
 * @inst: instance
 *
 * What is marked under gmem.lock is used by nobody once gmem.fenced has reached what
 * gmem.fences + 1 was at that moment. Return: the number of this fence.
 */
u64 mhca_gmem_fence(struct mhca_instance *inst)
{
	struct mhca_gmem *gmem = &inst->gmem;
	u64 n;

	mutex_lock(&gmem->lock);
	n = ++gmem->fences;
	mutex_unlock(&gmem->lock);

	inst->hca->ops->fence(inst->hca);
	mhca_eq_fence(inst);

	mutex_lock(&gmem->lock);
	gmem->fenced = max(gmem->fenced, n);
	mutex_unlock(&gmem->lock);
	return n;
}

/* ---- Unpinning ---------------------------------------------------------------- */

/* A marked list that may be unpinned now, or NULL. */
static struct mhca_pages *mhca_doomed_next(struct mhca_gmem *gmem)
{
	struct mhca_pages *pages;

	lockdep_assert_held(&gmem->lock);
	list_for_each_entry(pages, &gmem->doomed, node)
		if (pages->held && pages->fence <= gmem->fenced)
			return pages;
	return NULL;
}

static void mhca_doomed_unpin(struct mhca_instance *inst)
{
	struct mhca_gmem *gmem = &inst->gmem;
	struct mhca_pages *pages;
	u64 start, n;

	mutex_lock(&gmem->lock);
	while ((pages = mhca_doomed_next(gmem))) {
		start = mhca_pages_take_batch(pages, &n);
		pages->unpinning++;
		mutex_unlock(&gmem->lock);

		mhca_pages_unpin_batch(pages, start, n);
		cond_resched();

		mutex_lock(&gmem->lock);
		/* The last look at it: its owner may be waiting to free it. */
		pages->unpinning--;
	}
	mutex_unlock(&gmem->lock);
}

/**
 * mhca_instance_unpin() - unpin what dma_unmap left to do
 * @inst: instance
 *
 * Process context, beside the worker; never twice at once. Holds no lock while it unpins.
 */
void mhca_instance_unpin(struct mhca_instance *inst)
{
	mhca_doomed_unpin(inst);
	mhca_pa_release(inst);
}
EXPORT_SYMBOL_GPL(mhca_instance_unpin);

/* ---- dma_unmap ----------------------------------------------------------------- */

/**
 * struct mhca_unmap - a call of mhca_instance_dma_unmap()
 * @iova: first byte
 * @last: last byte
 * @begun: the pin of the worker that it met in its range, or 0
 */
struct mhca_unmap {
	u64 iova;
	u64 last;
	u64 begun;
};

/*
 * Is something still pinned in the range, or is the pin that was met in it not over?
 * @moved changes whenever something was unpinned, wherever: who unpins takes one after
 * the other.
 */
static bool mhca_unmap_pending(struct mhca_instance *inst, const struct mhca_unmap *unmap,
			       u64 *moved)
{
	u64 first = unmap->iova >> MHCA_PAGE_SHIFT, last = unmap->last >> MHCA_PAGE_SHIFT;
	struct mhca_gmem *gmem = &inst->gmem;
	bool pending;

	mutex_lock(&gmem->lock);
	pending = gmem->ended < unmap->begun || mhca_pages_doomed(inst, first, last) ||
		  mhca_pa_leaving(inst, first, last);
	mutex_unlock(&gmem->lock);
	*moved = atomic64_read(&gmem->moved);
	return pending;
}

/* The worker is in the middle of a pin in the range: it has to undo it. Which one, or 0. */
static u64 mhca_unmap_met(struct mhca_gmem *gmem, u64 iova, u64 last)
{
	lockdep_assert_held(&gmem->lock);
	if (gmem->begun == gmem->ended || gmem->pin_iova > last || gmem->pin_last < iova)
		return 0;
	gmem->pin_lost = true;
	return gmem->begun;
}

/* Return: true: nothing is pinned any more. */
static bool mhca_unmap_wait(struct mhca_instance *inst, const struct mhca_unmap *unmap,
			    bool bounded)
{
	u64 start = ktime_get_ns(), seen = 0, moved;
	u32 us = 10;

	while (mhca_unmap_pending(inst, unmap, &moved)) {
		if (moved != seen) {
			seen = moved;
			start = ktime_get_ns();
		} else if (bounded &&
			   ktime_get_ns() - start > MHCA_UNMAP_WAIT_MS * NSEC_PER_MSEC) {
			return false;
		}
		usleep_range(us, 2 * us);
		us = min(2 * us, 1000U);
	}
	return true;
}

/**
 * mhca_instance_dma_unmap() - the VMM takes guest memory away
 * @inst: instance
 * @iova: first byte
 * @len: bytes
 *
 * On return nobody uses a page in the range, and nobody pins one before the calling task
 * is back in user mode.
 *
 * Return: true: no page in it is pinned. false: the VMM's own locks kept everything from
 * being unpinned for MHCA_UNMAP_WAIT_MS.
 */
bool mhca_instance_dma_unmap(struct mhca_instance *inst, u64 iova, u64 len)
{
	struct mhca_unmap unmap = { .iova = iova, .last = iova + (len - 1) };
	struct mhca_gmem *gmem = &inst->gmem;
	struct mhca_closed *closed;
	bool hit, done;
	u32 calls;

	if (!len)
		return true;
	if (unmap.last < iova)
		unmap.last = U64_MAX;

	closed = mhca_closed_get(inst);
	mutex_lock(&gmem->lock);
	calls = mhca_closed_begin(gmem, closed, iova, unmap.last);
	hit = mhca_pages_doom(inst, iova, unmap.last);
	hit |= mhca_pa_retire(inst, iova >> MHCA_PAGE_SHIFT, unmap.last >> MHCA_PAGE_SHIFT);
	unmap.begun = mhca_unmap_met(gmem, iova, unmap.last);
	mutex_unlock(&gmem->lock);

	if (hit) {
		mhca_gmem_fence(inst);
		inst->vmm_ops->unpin_work(inst->vmm);
	}
	done = mhca_unmap_wait(inst, &unmap, calls <= MHCA_UNMAP_BOUNDED);

	mutex_lock(&gmem->lock);
	if (closed)
		closed->inside = false;
	mutex_unlock(&gmem->lock);
	return done;
}
EXPORT_SYMBOL_GPL(mhca_instance_dma_unmap);
