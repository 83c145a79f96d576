// SPDX-License-Identifier: GPL-2.0-only
/*
 * Pages of PA keys. A key in PA mode names any address of the guest's memory, so
 * its pages are pinned when the engine first meets them, and kept in a bounded
 * cache.
 *
 * The engine looks up without sleeping and leaves a request behind; the worker
 * pins. An entry of the cache is the page's host address, or a value: the address
 * is no guest memory, or the page is about to be unpinned.
 *
 * Keys that UMR fills name pages in the same way. All that they name may be more than the
 * instance can pin: then other pages of the cache have to go.
 */
#include "core.h"

#define MHCA_PA_FAILED		xa_mk_value(0)
#define MHCA_PA_RETIRED		xa_mk_value(1)

/* Addresses that a page table could hold. */
#define MHCA_PA_BITS		52
/* Entries looked at when room is needed. */
#define MHCA_PA_EVICT		(MHCA_PA_CACHE_PAGES / 8)
/* Evictions for one page: the first may find the hand at the cache's end. */
#define MHCA_PA_TRIES		2
/* Rounds of requests served before others get their turn. */
#define MHCA_PA_ROUNDS		16

static void mhca_pa_request(struct mhca_instance *inst, u64 page)
{
	struct mhca_gmem *gmem = &inst->gmem;
	unsigned long flags;
	u32 i;

	spin_lock_irqsave(&gmem->pa_lock, flags);
	for (i = 0; i < gmem->pa_n; i++)
		if (gmem->pa_requests[i] == page)
			break;
	if (i == gmem->pa_n && i < ARRAY_SIZE(gmem->pa_requests))
		gmem->pa_requests[gmem->pa_n++] = page;
	spin_unlock_irqrestore(&gmem->pa_lock, flags);

	inst->vmm_ops->kick(inst->vmm);
}

/**
 * mhca_pa_lookup() - host address of guest-physical bytes
 * @inst: whose memory
 * @iova: guest-physical address
 * @want: bytes wanted, > 0
 * @kva: out: host address of the first one
 * @len: out: how many of them lie there, one behind the other: up to the end of a page;
 *	also of the page that an error is about
 *
 * Never sleeps; inside the engine's SRCU section. Return: 0; -EAGAIN: the first page is
 * being pinned; -EFAULT: it is no guest memory.
 */
int mhca_pa_lookup(struct mhca_instance *inst, u64 iova, u32 want, void **kva, u32 *len)
{
	XA_STATE(xas, &inst->gmem.pa, iova >> MHCA_PAGE_SHIFT);
	u32 in_page = iova & (MHCA_PAGE_SIZE - 1);
	u32 run = MHCA_PAGE_SIZE - in_page;
	u32 most = min_t(u32, want, MHCA_PA_RUN);
	void *entry;
	bool pinned;

	*len = min(want, run);
	if (unlikely(iova >> MHCA_PA_BITS))
		return -EFAULT;
	rcu_read_lock();
	do
		entry = xas_load(&xas);
	while (xas_retry(&xas, entry));
	pinned = entry && !xa_is_value(entry);
	while (pinned && run < most && xas_next(&xas) == (u8 *)entry + in_page + run)
		run += MHCA_PAGE_SIZE;
	rcu_read_unlock();
	if (likely(pinned)) {
		*kva = (u8 *)entry + in_page;
		*len = min(want, run);
		return 0;
	}
	if (entry == MHCA_PA_FAILED)
		return -EFAULT;
	mhca_pa_request(inst, iova >> MHCA_PAGE_SHIFT);
	return -EAGAIN;
}
EXPORT_SYMBOL_GPL(mhca_pa_lookup);

/**
 * mhca_pa_retire() - let nobody find cached pages any more
 * @inst: instance
 * @first: first page number
 * @last: last page number
 *
 * gmem.lock held. After a fence they can be unpinned.
 * Return: true when there are any.
 */
bool mhca_pa_retire(struct mhca_instance *inst, u64 first, u64 last)
{
	struct mhca_gmem *gmem = &inst->gmem;
	unsigned long page;
	bool hit = false;
	void *entry;

	lockdep_assert_held(&gmem->lock);
	xa_for_each_range(&gmem->pa, page, entry, first, last) {
		if (entry == MHCA_PA_FAILED)
			continue;
		hit = true;
		/* Replaces an entry, so it needs no memory. */
		if (entry != MHCA_PA_RETIRED)
			xa_store(&gmem->pa, page, MHCA_PA_RETIRED, GFP_KERNEL);
	}
	return hit;
}

/**
 * mhca_pa_unpin_retired() - unpin with gmem.lock held: for dma_unmap only
 * @inst: instance
 * @first: first page number
 * @last: last page number
 */
void mhca_pa_unpin_retired(struct mhca_instance *inst, u64 first, u64 last)
{
	struct mhca_gmem *gmem = &inst->gmem;
	unsigned long page;
	void *entry;

	lockdep_assert_held(&gmem->lock);
	xa_for_each_range(&gmem->pa, page, entry, first, last) {
		if (entry != MHCA_PA_RETIRED)
			continue;
		xa_erase(&gmem->pa, page);
		gmem->pa_count--;
		mhca_gmem_uncharge(inst, 1);
		inst->vmm_ops->unpin(inst->vmm, (u64)page << MHCA_PAGE_SHIFT, 1);
	}
}

/* Unpin retired pages of a range, without holding gmem.lock while doing so. */
static void mhca_pa_release(struct mhca_instance *inst, unsigned long first,
			    unsigned long last)
{
	struct mhca_gmem *gmem = &inst->gmem;
	unsigned long page;
	void *entry;

	mutex_lock(&gmem->lock);
	xa_for_each_range(&gmem->pa, page, entry, first, last) {
		if (entry != MHCA_PA_RETIRED)
			continue;
		xa_erase(&gmem->pa, page);
		gmem->pa_count--;
		mhca_gmem_uncharge(inst, 1);
		atomic_inc(&gmem->unpinning);
		mutex_unlock(&gmem->lock);

		inst->vmm_ops->unpin(inst->vmm, (u64)page << MHCA_PAGE_SHIFT, 1);
		atomic_dec(&gmem->unpinning);
		mutex_lock(&gmem->lock);
	}
	mutex_unlock(&gmem->lock);
}

/* Entries that the cache may have. */
static u32 mhca_pa_room(const struct mhca_instance *inst)
{
	return inst->personality == MHCA_ROCE ? MHCA_PA_CACHE_UMR : MHCA_PA_CACHE_PAGES;
}

/* Make room: a clock hand walks over the cache. */
static void mhca_pa_evict(struct mhca_instance *inst)
{
	struct mhca_gmem *gmem = &inst->gmem;
	unsigned long first, page;
	void *entry;
	u32 n = 0;

	mutex_lock(&gmem->lock);
	first = gmem->pa_hand;
	xa_for_each_start(&gmem->pa, page, entry, first) {
		gmem->pa_hand = page + 1;
		if (entry == MHCA_PA_FAILED) {
			xa_erase(&gmem->pa, page);
			gmem->pa_count--;
			gmem->pa_failures--;
		} else if (entry != MHCA_PA_RETIRED) {
			xa_store(&gmem->pa, page, MHCA_PA_RETIRED, GFP_KERNEL);
		}
		if (++n == MHCA_PA_EVICT)
			break;
	}
	if (n < MHCA_PA_EVICT)
		gmem->pa_hand = 0;
	mutex_unlock(&gmem->lock);

	inst->hca->ops->fence(inst->hca);
	mhca_pa_release(inst, first, ULONG_MAX);
}

/* gmem.lock held: remember @entry; false: no memory for it. */
static bool mhca_pa_remember(struct mhca_gmem *gmem, u64 page, void *entry)
{
	void *old;

	lockdep_assert_held(&gmem->lock);
	old = xa_store(&gmem->pa, page, entry, GFP_KERNEL);
	if (xa_is_err(old))
		return false;
	if (!old)
		gmem->pa_count++;
	if (entry == MHCA_PA_FAILED)
		gmem->pa_failures++;
	return true;
}

static int mhca_pa_pin(struct mhca_instance *inst, u64 page, void **kva)
{
	int err;

	if (!mhca_gmem_charge(inst, 1))
		return -EDQUOT;
	err = inst->vmm_ops->pin(inst->vmm, page << MHCA_PAGE_SHIFT, 1, true, kva);
	if (err)
		mhca_gmem_uncharge(inst, 1);
	return err;
}

/*
 * Try to pin one page that the engine asked for. Return: -EDQUOT: a limit stands against
 * it, which is the answer to the engine only when this was the @last try.
 */
static int mhca_pa_try(struct mhca_instance *inst, u64 page, bool last)
{
	struct mhca_gmem *gmem = &inst->gmem;
	u64 generation;
	bool kept;
	void *kva;
	int err;

	mutex_lock(&gmem->lock);
	generation = gmem->generation;
	kept = xa_load(&gmem->pa, page);
	mutex_unlock(&gmem->lock);
	if (kept)
		return 0;

	atomic_inc(&gmem->unpinning);
	err = mhca_pa_pin(inst, page, &kva);
	mutex_lock(&gmem->lock);
	if (!err)
		kept = generation == gmem->generation && mhca_pa_remember(gmem, page, kva);
	else if (last || err != -EDQUOT)
		mhca_pa_remember(gmem, page, MHCA_PA_FAILED);
	mutex_unlock(&gmem->lock);
	if (!err && !kept) {
		mhca_gmem_uncharge(inst, 1);
		inst->vmm_ops->unpin(inst->vmm, page << MHCA_PAGE_SHIFT, 1);
	}
	atomic_dec(&gmem->unpinning);
	return err;
}

/* Pin it: beyond a limit in exchange for other pages of the cache, if there are any. */
static void mhca_pa_fill(struct mhca_instance *inst, u64 page)
{
	u32 i;

	for (i = 0; i < MHCA_PA_TRIES; i++) {
		if (mhca_pa_try(inst, page, false) != -EDQUOT)
			return;
		mhca_pa_evict(inst);
	}
	mhca_pa_try(inst, page, true);
}

/* Take the requests; returns how many. */
static u32 mhca_pa_take(struct mhca_gmem *gmem, u64 *requests)
{
	unsigned long flags;
	u32 n;

	spin_lock_irqsave(&gmem->pa_lock, flags);
	n = gmem->pa_n;
	memcpy(requests, gmem->pa_requests, n * sizeof(*requests));
	gmem->pa_n = 0;
	spin_unlock_irqrestore(&gmem->pa_lock, flags);
	return n;
}

/**
 * mhca_pa_forget_failures() - memory may have been added since
 * @inst: instance
 */
void mhca_pa_forget_failures(struct mhca_instance *inst)
{
	struct mhca_gmem *gmem = &inst->gmem;
	unsigned long page;
	void *entry;

	mutex_lock(&gmem->lock);
	if (gmem->pa_failures)
		xa_for_each(&gmem->pa, page, entry) {
			if (entry != MHCA_PA_FAILED)
				continue;
			xa_erase(&gmem->pa, page);
			gmem->pa_count--;
		}
	gmem->pa_failures = 0;
	mutex_unlock(&gmem->lock);
}

/**
 * mhca_pa_work() - pin what the engine asked for
 * @inst: instance; in its worker
 */
void mhca_pa_work(struct mhca_instance *inst)
{
	u64 requests[ARRAY_SIZE(((struct mhca_gmem *)0)->pa_requests)];
	struct mhca_gmem *gmem = &inst->gmem;
	u32 i, n, round;

	for (round = 0; round < MHCA_PA_ROUNDS; round++) {
		n = mhca_pa_take(gmem, requests);
		if (!n)
			return;
		/* These need no memory of the guest's, so they are counted by themselves. */
		if (gmem->pa_failures + n > MHCA_PA_CACHE_PAGES)
			mhca_pa_forget_failures(inst);
		if (gmem->pa_count + n > mhca_pa_room(inst))
			mhca_pa_evict(inst);
		for (i = 0; i < n; i++)
			mhca_pa_fill(inst, requests[i]);
		inst->hca->ops->memory_ready(inst);
		cond_resched();
	}
	inst->vmm_ops->kick(inst->vmm);
}

/**
 * mhca_pa_flush() - empty the cache
 * @inst: instance whose worker is not running
 */
void mhca_pa_flush(struct mhca_instance *inst)
{
	struct mhca_gmem *gmem = &inst->gmem;
	u64 requests[ARRAY_SIZE(((struct mhca_gmem *)0)->pa_requests)];
	bool hit;

	mhca_pa_take(gmem, requests);
	mhca_pa_forget_failures(inst);
	mutex_lock(&gmem->lock);
	hit = mhca_pa_retire(inst, 0, ULONG_MAX);
	gmem->pa_hand = 0;
	mutex_unlock(&gmem->lock);
	if (!hit)
		return;
	inst->hca->ops->fence(inst->hca);
	mhca_pa_release(inst, 0, ULONG_MAX);
}

/**
 * mhca_pa_init() - an empty cache
 * @inst: instance
 */
void mhca_pa_init(struct mhca_instance *inst)
{
	xa_init(&inst->gmem.pa);
	spin_lock_init(&inst->gmem.pa_lock);
}

/**
 * mhca_pa_fini() - free an empty cache
 * @inst: instance
 */
void mhca_pa_fini(struct mhca_instance *inst)
{
	xa_destroy(&inst->gmem.pa);
}
