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
 * brings the host down when it was too often. So a range stays closed for a little while
 * after the callback: until the VMM has looked whether it is free, which it does not
 * tell. That it asks about another range with the same task ends the while; that it asks
 * about the same one again makes it longer. All instances of its container are asked one
 * after the other, so the while does not begin before the task is through with them.
 */
#include "core.h"

/* How long dma_unmap waits for something to be unpinned, ms; after each it waits anew. */
#define MHCA_UNMAP_WAIT_MS	200
/*
 * After so many calls in vain there is no bound: the VMM's is not far (type 1 of VFIO gives up
 * at the twelfth), and who comes so far makes his own threads wait for each other.
 */
#define MHCA_UNMAP_STUCK	6
/* How long a range stays closed after the first call for it, ns, and the greatest doubling. */
#define MHCA_CLOSED_NS		(2 * NSEC_PER_MSEC)
#define MHCA_CLOSED_DOUBLE	5
/* How long calls for it are counted as one after the other, ns. */
#define MHCA_CLOSED_MEMORY_NS	(10 * NSEC_PER_SEC)

/* ---- Who takes memory away ----------------------------------------------------- */

/**
 * struct mhca_taker - a task that is in mhca_instance_dma_unmap(), of any instance
 * @node: on mhca_takers
 * @who: task
 */
struct mhca_taker {
	struct list_head node;
	const void *who;
};

/* A few: a task is there only as long as it waits for pages to be unpinned. */
static LIST_HEAD(mhca_takers);
static DEFINE_SPINLOCK(mhca_takers_lock);

static void mhca_taker_begin(struct mhca_taker *taker)
{
	taker->who = current;
	spin_lock(&mhca_takers_lock);
	list_add_tail(&taker->node, &mhca_takers);
	spin_unlock(&mhca_takers_lock);
}

static void mhca_taker_end(struct mhca_taker *taker)
{
	spin_lock(&mhca_takers_lock);
	list_del(&taker->node);
	spin_unlock(&mhca_takers_lock);
}

static bool mhca_taker_is_busy(const void *who)
{
	const struct mhca_taker *taker;
	bool busy = false;

	spin_lock(&mhca_takers_lock);
	list_for_each_entry(taker, &mhca_takers, node)
		busy |= taker->who == who;
	spin_unlock(&mhca_takers_lock);
	return busy;
}

/* ---- Closed ranges ----------------------------------------------------------- */

static u64 mhca_closed_linger(const struct mhca_closed *closed)
{
	u32 doubled = closed->rounds ? closed->rounds - 1 : 0;

	return (u64)MHCA_CLOSED_NS << min_t(u32, doubled, MHCA_CLOSED_DOUBLE);
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
	struct mhca_closed *closed;
	u64 now;
	u32 i;

	lockdep_assert_held(&gmem->lock);
	if (!gmem->n_closed)
		return false;
	now = ktime_get_ns();
	for (i = 0; i < gmem->n_closed; i++) {
		closed = &gmem->closed[i];
		if (closed->iova > last || closed->last < iova)
			continue;
		/* It asks another instance now: it looks after that. */
		if (!closed->active && mhca_taker_is_busy(closed->who))
			closed->until = now + mhca_closed_linger(closed);
		if (closed->active || now < closed->until)
			return true;
	}
	return false;
}

/* Drop ranges that were opened long ago, and those that their task has done with. */
static void mhca_closed_forget(struct mhca_gmem *gmem, u64 iova, u64 last, u64 now)
{
	u32 i = 0;

	while (i < gmem->n_closed) {
		struct mhca_closed *closed = &gmem->closed[i];
		bool same = closed->iova == iova && closed->last == last;

		if (!closed->active &&
		    (now >= closed->until + MHCA_CLOSED_MEMORY_NS ||
		     (!same && closed->who == current)))
			*closed = gmem->closed[--gmem->n_closed];
		else
			i++;
	}
}

/* The entry for exactly this range; a new one, or in want of room one that it is added to. */
static struct mhca_closed *mhca_closed_entry(struct mhca_gmem *gmem, u64 iova, u64 last, u64 now)
{
	struct mhca_closed *closed;
	u32 i;

	for (i = 0; i < gmem->n_closed; i++) {
		closed = &gmem->closed[i];
		if (closed->iova == iova && closed->last == last)
			return closed;
	}
	for (i = 0; i < gmem->n_closed && gmem->n_closed == MHCA_CLOSED_MAX; i++) {
		closed = &gmem->closed[i];
		if (!closed->active && now >= closed->until)
			*closed = gmem->closed[--gmem->n_closed];
	}
	if (gmem->n_closed == MHCA_CLOSED_MAX) {
		closed = &gmem->closed[MHCA_CLOSED_MAX - 1];
		closed->iova = min(closed->iova, iova);
		closed->last = max(closed->last, last);
		return closed;
	}
	closed = &gmem->closed[gmem->n_closed++];
	*closed = (struct mhca_closed){ .iova = iova, .last = last };
	return closed;
}

/* Close a range; returns how often that was asked for in vain, one time after the other. */
static u32 mhca_closed_begin(struct mhca_gmem *gmem, u64 iova, u64 last)
{
	u64 now = ktime_get_ns();
	struct mhca_closed *closed;

	lockdep_assert_held(&gmem->lock);
	mhca_closed_forget(gmem, iova, last, now);
	closed = mhca_closed_entry(gmem, iova, last, now);
	if (!closed->active && now >= closed->until + mhca_closed_linger(closed))
		closed->rounds = 0;
	closed->rounds++;
	closed->active++;
	closed->who = current;
	return closed->stuck;
}

static void mhca_closed_end(struct mhca_gmem *gmem, u64 iova, u64 last, bool done)
{
	struct mhca_closed *closed;
	u32 i;

	lockdep_assert_held(&gmem->lock);
	for (i = 0; i < gmem->n_closed; i++) {
		closed = &gmem->closed[i];
		if (!closed->active || closed->iova > iova || closed->last < last)
			continue;
		closed->active--;
		closed->stuck = done ? 0 : closed->stuck + 1;
		closed->until = ktime_get_ns() + mhca_closed_linger(closed);
		return;
	}
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
		gmem->unpinning++;
		mutex_unlock(&gmem->lock);

		mhca_pages_unpin_batch(pages, start, n);
		cond_resched();

		mutex_lock(&gmem->lock);
		/* The last look at it: its owner may be waiting to free it. */
		pages->unpinning--;
		gmem->unpinning--;
		gmem->unpinned++;
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

/*
 * Is something still pinned, or was the worker met in the middle of a pin, its
 * @begun-th? @moved changes whenever something was done about it.
 */
static bool mhca_unmap_pending(struct mhca_gmem *gmem, u64 begun, u64 *moved)
{
	bool pending;

	mutex_lock(&gmem->lock);
	pending = !list_empty(&gmem->doomed) || gmem->pa_retired || gmem->unpinning ||
		  gmem->ended < begun;
	*moved = gmem->unpinned + min(gmem->ended, begun);
	mutex_unlock(&gmem->lock);
	return pending;
}

/* Return: true: nothing is pinned any more. */
static bool mhca_unmap_wait(struct mhca_gmem *gmem, u64 begun, bool bounded)
{
	u64 start = ktime_get_ns(), seen = 0, moved;
	u32 us = 10;

	while (mhca_unmap_pending(gmem, begun, &moved)) {
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
 * On return nobody uses a page in the range, and no page in it is pinned, unless the VMM's
 * own locks kept everything from being unpinned for MHCA_UNMAP_WAIT_MS.
 */
void mhca_instance_dma_unmap(struct mhca_instance *inst, u64 iova, u64 len)
{
	struct mhca_gmem *gmem = &inst->gmem;
	u64 last = iova + (len - 1);
	struct mhca_taker taker;
	u64 begun;
	bool hit, done;
	u32 stuck;

	if (!len)
		return;
	if (last < iova)
		last = U64_MAX;

	mhca_taker_begin(&taker);
	mutex_lock(&gmem->lock);
	stuck = mhca_closed_begin(gmem, iova, last);
	hit = mhca_pages_doom(inst, iova, last);
	hit |= mhca_pa_retire(inst, iova >> MHCA_PAGE_SHIFT, last >> MHCA_PAGE_SHIFT);
	begun = gmem->begun;
	mutex_unlock(&gmem->lock);

	if (hit) {
		mhca_gmem_fence(inst);
		inst->vmm_ops->unpin_work(inst->vmm);
	}
	done = mhca_unmap_wait(gmem, begun, stuck < MHCA_UNMAP_STUCK);

	mutex_lock(&gmem->lock);
	mhca_closed_end(gmem, iova, last, done);
	mutex_unlock(&gmem->lock);
	mhca_taker_end(&taker);
}
EXPORT_SYMBOL_GPL(mhca_instance_dma_unmap);
