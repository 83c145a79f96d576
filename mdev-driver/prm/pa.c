// SPDX-License-Identifier: GPL-2.0-only
/*
 * Pages of PA keys. A key in PA mode names any address of the guest's memory, so
 * its pages are pinned when the engine first meets them, and kept in a bounded
 * cache.
 *
 * The engine looks up without sleeping and leaves a request behind; the worker
 * pins, for reading or for writing, as the access is: what a guest mapped through an
 * IOMMU of its own may be read-only. An entry of the cache is the page's host address,
 * with what is known about writing in its low bits, or a value: the page cannot be pinned
 * (for writing), or it waits to be unpinned until a fence has ended.
 *
 * Keys that UMR fills name pages in the same way. All that they name may be more than the
 * instance can pin: then other pages of the cache have to go.
 */
#include "core.h"

/* Bits of a page's entry; the two lowest are the XArray's. */
#define MHCA_PA_WRITABLE	4UL	/* pinned for writing */
#define MHCA_PA_READ_ONLY	8UL	/* cannot be pinned for writing */
#define MHCA_PA_FLAGS		(MHCA_PA_WRITABLE | MHCA_PA_READ_ONLY)
/* Values. */
#define MHCA_PA_FAILED		xa_mk_value(0)	/* cannot be pinned */
#define MHCA_PA_NO_WRITE	xa_mk_value(1)	/* cannot be pinned for writing */
#define MHCA_PA_LEAVING		xa_mk_value(2)	/* being unpinned */
#define MHCA_PA_RETIRED		3		/* and the number of the fence */

/* Addresses that a page table could hold. */
#define MHCA_PA_BITS		52
/* Entries looked at when room is needed. */
#define MHCA_PA_EVICT		(MHCA_PA_CACHE_PAGES / 8)
/* Evictions for one page: the first may find the hand at the cache's end. */
#define MHCA_PA_TRIES		2
/* Rounds of requests served before others get their turn. */
#define MHCA_PA_ROUNDS		16

/* ---- Entries ----------------------------------------------------------------- */

static void *mhca_pa_entry(void *kva, unsigned long flags)
{
	return (void *)((unsigned long)kva | flags);
}

static bool mhca_pa_is_page(const void *entry)
{
	return entry && !xa_is_value(entry);
}

static void *mhca_pa_kva(const void *entry)
{
	return (void *)((unsigned long)entry & ~MHCA_PA_FLAGS);
}

static bool mhca_pa_has(const void *entry, unsigned long flag)
{
	return mhca_pa_is_page(entry) && (unsigned long)entry & flag;
}

/* Pinned, though nobody finds it any more. */
static bool mhca_pa_is_retired(const void *entry)
{
	return entry == MHCA_PA_LEAVING ||
	       (xa_is_value(entry) && xa_to_value(entry) >= MHCA_PA_RETIRED);
}

/* Does an entry say that something did not go? It is forgotten with each tick. */
static bool mhca_pa_is_failure(const void *entry)
{
	return entry == MHCA_PA_FAILED || entry == MHCA_PA_NO_WRITE ||
	       mhca_pa_has(entry, MHCA_PA_READ_ONLY);
}

/* Is a page there for this access? */
static bool mhca_pa_serves(const void *entry, bool write)
{
	return mhca_pa_is_page(entry) && (!write || mhca_pa_has(entry, MHCA_PA_WRITABLE));
}

/* Is it known not to be there? */
static bool mhca_pa_refuses(const void *entry, bool write)
{
	return entry == MHCA_PA_FAILED ||
	       (write && (entry == MHCA_PA_NO_WRITE || mhca_pa_has(entry, MHCA_PA_READ_ONLY)));
}

/* Put another entry in the place of @old; needs memory only if there was none. */
static bool mhca_pa_store(struct mhca_gmem *gmem, unsigned long page, void *old, void *entry)
{
	lockdep_assert_held(&gmem->lock);
	if (xa_is_err(xa_store(&gmem->pa, page, entry, GFP_KERNEL_ACCOUNT)))
		return false;
	gmem->pa_count += !old;
	gmem->pa_failures += mhca_pa_is_failure(entry) - mhca_pa_is_failure(old);
	return true;
}

static void mhca_pa_erase(struct mhca_gmem *gmem, unsigned long page, void *old)
{
	lockdep_assert_held(&gmem->lock);
	xa_erase(&gmem->pa, page);
	gmem->pa_count--;
	gmem->pa_failures -= mhca_pa_is_failure(old);
}

/* Let nobody find a page any more: after the next fence it may be unpinned. */
static void mhca_pa_retire_page(struct mhca_gmem *gmem, unsigned long page, void *old)
{
	/* Replaces an entry, so it needs no memory. */
	mhca_pa_store(gmem, page, old, xa_mk_value(MHCA_PA_RETIRED + gmem->fences + 1));
	if (!gmem->pa_retired++) {
		gmem->pa_first = page;
		gmem->pa_last = page;
	}
	gmem->pa_first = min(gmem->pa_first, page);
	gmem->pa_last = max(gmem->pa_last, page);
}

/* ---- Lookup ------------------------------------------------------------------- */

static void mhca_pa_request(struct mhca_instance *inst, u64 page, bool write)
{
	struct mhca_gmem *gmem = &inst->gmem;
	u64 request = page << 1 | write;
	unsigned long flags;
	u32 i;

	spin_lock_irqsave(&gmem->pa_lock, flags);
	for (i = 0; i < gmem->pa_n; i++)
		if (gmem->pa_requests[i] == request)
			break;
	if (i == gmem->pa_n && i < ARRAY_SIZE(gmem->pa_requests))
		gmem->pa_requests[gmem->pa_n++] = request;
	spin_unlock_irqrestore(&gmem->pa_lock, flags);

	inst->vmm_ops->kick(inst->vmm);
}

/**
 * mhca_pa_lookup() - host address of guest-physical bytes
 * @inst: whose memory
 * @iova: guest-physical address
 * @want: bytes wanted, > 0
 * @write: to write there; else only to read
 * @kva: out: host address of the first one
 * @len: out: how many of them lie there, one behind the other: up to the end of a page;
 *	also of the page that an error is about
 *
 * Never sleeps; inside the engine's SRCU section. Return: 0; -EAGAIN: the first page is
 * being pinned; -EFAULT: it is no guest memory, or not for writing.
 */
int mhca_pa_lookup(struct mhca_instance *inst, u64 iova, u32 want, bool write, void **kva,
		   u32 *len)
{
	XA_STATE(xas, &inst->gmem.pa, iova >> MHCA_PAGE_SHIFT);
	u32 in_page = iova & (MHCA_PAGE_SIZE - 1);
	u32 run = MHCA_PAGE_SIZE - in_page;
	u32 most = min_t(u32, want, MHCA_PA_RUN);
	void *entry, *next;
	bool there;

	*len = min(want, run);
	if (unlikely(iova >> MHCA_PA_BITS))
		return -EFAULT;
	rcu_read_lock();
	do
		entry = xas_load(&xas);
	while (xas_retry(&xas, entry));
	there = mhca_pa_serves(entry, write);
	*kva = (u8 *)mhca_pa_kva(entry) + in_page;
	while (there && run < most) {
		next = xas_next(&xas);
		/* Whatever else stands there has other low bits than a page. */
		if (!mhca_pa_serves(next, write) || mhca_pa_kva(next) != (u8 *)*kva + run)
			break;
		run += MHCA_PAGE_SIZE;
	}
	rcu_read_unlock();
	if (likely(there)) {
		*len = min(want, run);
		return 0;
	}
	if (mhca_pa_refuses(entry, write))
		return -EFAULT;
	mhca_pa_request(inst, iova >> MHCA_PAGE_SHIFT, write);
	return -EAGAIN;
}
EXPORT_SYMBOL_GPL(mhca_pa_lookup);

/* ---- Unpinning ------------------------------------------------------------------ */

/**
 * mhca_pa_retire() - let nobody find cached pages any more
 * @inst: instance
 * @first: first page number
 * @last: last page number
 *
 * gmem.lock held. After the next fence mhca_pa_release() unpins them. What did not go in
 * that range may go with what comes there.
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
		cond_resched();
		if (mhca_pa_is_page(entry)) {
			mhca_pa_retire_page(gmem, page, entry);
			hit = true;
		} else if (mhca_pa_is_retired(entry)) {
			hit = true;
		} else {
			mhca_pa_erase(gmem, page, entry);
		}
	}
	return hit;
}

/**
 * mhca_pa_release() - unpin retired pages that nobody uses any more
 * @inst: instance
 *
 * Process context; holds no lock while it unpins.
 */
void mhca_pa_release(struct mhca_instance *inst)
{
	struct mhca_gmem *gmem = &inst->gmem;
	unsigned long page;
	void *entry;

	mutex_lock(&gmem->lock);
	if (gmem->pa_retired)
		xa_for_each_range(&gmem->pa, page, entry, gmem->pa_first, gmem->pa_last) {
			if (!mhca_pa_is_retired(entry) || entry == MHCA_PA_LEAVING ||
			    xa_to_value(entry) - MHCA_PA_RETIRED > gmem->fenced)
				continue;
			/* It stands there until it is unpinned: dma_unmap looks for it. */
			mhca_pa_store(gmem, page, entry, MHCA_PA_LEAVING);
			mutex_unlock(&gmem->lock);

			mhca_gmem_uncharge(inst, 1);
			inst->vmm_ops->unpin(inst->vmm, (u64)page << MHCA_PAGE_SHIFT, 1);
			cond_resched();

			mutex_lock(&gmem->lock);
			mhca_pa_erase(gmem, page, MHCA_PA_LEAVING);
			gmem->pa_retired--;
			atomic64_inc(&gmem->moved);
		}
	mutex_unlock(&gmem->lock);
}

/**
 * mhca_pa_leaving() - is a page in a range still pinned that nobody finds any more?
 * @inst: instance, gmem.lock held
 * @first: first page number
 * @last: last page number
 */
bool mhca_pa_leaving(struct mhca_instance *inst, u64 first, u64 last)
{
	struct mhca_gmem *gmem = &inst->gmem;
	unsigned long page;
	void *entry;

	lockdep_assert_held(&gmem->lock);
	if (!gmem->pa_retired)
		return false;
	first = max_t(u64, first, gmem->pa_first);
	last = min_t(u64, last, gmem->pa_last);
	if (first > last)
		return false;
	xa_for_each_range(&gmem->pa, page, entry, first, last) {
		cond_resched();
		if (mhca_pa_is_retired(entry))
			return true;
	}
	return false;
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
	unsigned long page;
	void *entry;
	u32 n = 0;

	mutex_lock(&gmem->lock);
	xa_for_each_start(&gmem->pa, page, entry, gmem->pa_hand) {
		gmem->pa_hand = page + 1;
		if (mhca_pa_is_page(entry))
			mhca_pa_retire_page(gmem, page, entry);
		else if (!mhca_pa_is_retired(entry))
			mhca_pa_erase(gmem, page, entry);
		if (++n == MHCA_PA_EVICT)
			break;
	}
	if (n < MHCA_PA_EVICT)
		gmem->pa_hand = 0;
	mutex_unlock(&gmem->lock);

	mhca_gmem_fence(inst);
	mhca_pa_release(inst);
}

/* ---- Pinning -------------------------------------------------------------------- */

static int mhca_pa_pin(struct mhca_instance *inst, u64 page, bool write, void **kva)
{
	int err;

	if (!mhca_gmem_charge(inst, 1))
		return -EDQUOT;
	err = inst->vmm_ops->pin(inst->vmm, page << MHCA_PAGE_SHIFT, 1, write, kva);
	if (err)
		mhca_gmem_uncharge(inst, 1);
	return err;
}

static void mhca_pa_unpin(struct mhca_instance *inst, u64 page)
{
	mhca_gmem_uncharge(inst, 1);
	inst->vmm_ops->unpin(inst->vmm, page << MHCA_PAGE_SHIFT, 1);
}

/*
 * gmem.lock held: a page was pinned. Return: true: it has one pin too many. That is the
 * new one when nothing could be made of it or its range was closed since the pin began,
 * or the one for reading that it had before.
 */
static bool mhca_pa_pinned(struct mhca_gmem *gmem, u64 page, bool write, void *kva)
{
	void *old = xa_load(&gmem->pa, page);
	void *entry = mhca_pa_entry(kva, write ? MHCA_PA_WRITABLE : 0);

	if (gmem->pin_lost || mhca_pa_is_retired(old))
		return true;
	if (!mhca_pa_is_page(old))
		return !mhca_pa_store(gmem, page, old, entry);
	if (mhca_pa_kva(old) == kva)
		mhca_pa_store(gmem, page, old, entry);
	else	/* Another page than before, behind the back of whoever holds the old one. */
		mhca_pa_retire_page(gmem, page, old);
	return true;
}

/* gmem.lock held: remember that a page could not be pinned. */
static void mhca_pa_failed(struct mhca_gmem *gmem, u64 page, bool write, int err)
{
	void *old = xa_load(&gmem->pa, page);
	void *entry = write && err == -EPERM ? MHCA_PA_NO_WRITE : MHCA_PA_FAILED;

	if (gmem->pin_lost || mhca_pa_is_retired(old))
		return;
	if (mhca_pa_is_page(old))
		entry = mhca_pa_entry(old, MHCA_PA_READ_ONLY);
	mhca_pa_store(gmem, page, old, entry);
}

/*
 * Try to pin one page that the engine asked for. Return: -EDQUOT: a limit stands against
 * it, which is the answer to the engine only when this was the @last try; -EAGAIN: the page
 * is being taken away.
 */
static int mhca_pa_try(struct mhca_instance *inst, u64 page, bool write, bool last)
{
	u64 iova = page << MHCA_PAGE_SHIFT, end = iova + (MHCA_PAGE_SIZE - 1);
	struct mhca_gmem *gmem = &inst->gmem;
	bool surplus = false, retired;
	void *entry, *kva;
	int err = 0;

	mutex_lock(&gmem->lock);
	entry = xa_load(&gmem->pa, page);
	if (mhca_closed_find(gmem, iova, end) || mhca_pa_is_retired(entry))
		err = -EAGAIN;
	if (err || mhca_pa_serves(entry, write) || mhca_pa_refuses(entry, write)) {
		mutex_unlock(&gmem->lock);
		return err;
	}
	mhca_gmem_begin(gmem, iova, end);
	mutex_unlock(&gmem->lock);

	err = mhca_pa_pin(inst, page, write, &kva);
	mutex_lock(&gmem->lock);
	if (!err)
		surplus = mhca_pa_pinned(gmem, page, write, kva);
	else if (last || err != -EDQUOT)
		mhca_pa_failed(gmem, page, write, err);
	mutex_unlock(&gmem->lock);
	if (surplus)
		mhca_pa_unpin(inst, page);
	mutex_lock(&gmem->lock);
	mhca_gmem_end(gmem);
	retired = mhca_pa_is_retired(xa_load(&gmem->pa, page));
	mutex_unlock(&gmem->lock);
	/* Nobody else may come and look for a page that was exchanged. */
	if (retired) {
		mhca_gmem_fence(inst);
		mhca_pa_release(inst);
	}
	return err;
}

/*
 * Pin it: beyond a limit in exchange for other pages of the cache, if there are any.
 * Return: false: it has to be tried again later.
 */
static bool mhca_pa_fill(struct mhca_instance *inst, u64 page, bool write)
{
	int err;
	u32 i;

	for (i = 0; i < MHCA_PA_TRIES; i++) {
		err = mhca_pa_try(inst, page, write, false);
		if (err != -EDQUOT)
			return err != -EAGAIN;
		mhca_pa_evict(inst);
	}
	return mhca_pa_try(inst, page, write, true) != -EAGAIN;
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
			cond_resched();
			if (!mhca_pa_is_failure(entry))
				continue;
			if (mhca_pa_is_page(entry))
				mhca_pa_store(gmem, page, entry,
					      mhca_pa_entry(mhca_pa_kva(entry), 0));
			else
				mhca_pa_erase(gmem, page, entry);
		}
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
	bool done;

	for (round = 0; round < MHCA_PA_ROUNDS; round++) {
		n = mhca_pa_take(gmem, requests);
		if (!n)
			return;
		/* These need no memory of the guest's, so they are counted by themselves. */
		if (gmem->pa_failures + n > MHCA_PA_CACHE_PAGES)
			mhca_pa_forget_failures(inst);
		if (gmem->pa_count + n > mhca_pa_room(inst))
			mhca_pa_evict(inst);
		done = true;
		for (i = 0; i < n; i++)
			done &= mhca_pa_fill(inst, requests[i] >> 1, requests[i] & 1);
		/* Who asked for a page that is being taken away asks again at once. */
		if (!done)
			usleep_range(500, 1000);
		inst->hca->ops->memory_ready(inst);
		cond_resched();
	}
	inst->vmm_ops->kick(inst->vmm);
}

/* Is a page in the hands of mhca_instance_unpin(), or waits for a fence of dma_unmap? */
static bool mhca_pa_busy(struct mhca_gmem *gmem)
{
	bool busy;

	mutex_lock(&gmem->lock);
	busy = gmem->pa_retired;
	mutex_unlock(&gmem->lock);
	return busy;
}

/**
 * mhca_pa_flush() - empty the cache
 * @inst: instance whose worker is not running
 *
 * On return none of its pages is pinned.
 */
void mhca_pa_flush(struct mhca_instance *inst)
{
	struct mhca_gmem *gmem = &inst->gmem;
	u64 requests[ARRAY_SIZE(((struct mhca_gmem *)0)->pa_requests)];

	mhca_pa_take(gmem, requests);
	mutex_lock(&gmem->lock);
	mhca_pa_retire(inst, 0, ULONG_MAX);
	gmem->pa_hand = 0;
	mutex_unlock(&gmem->lock);
	if (!mhca_pa_busy(gmem))
		return;
	mhca_gmem_fence(inst);
	mhca_pa_release(inst);
	/* Only what is in other hands, who unpin it or fence for it. */
	while (mhca_pa_busy(gmem)) {
		usleep_range(50, 100);
		mhca_pa_release(inst);
	}
}

/**
 * mhca_pa_init() - an empty cache
 * @inst: instance
 */
void mhca_pa_init(struct mhca_instance *inst)
{
	xa_init_flags(&inst->gmem.pa, XA_FLAGS_ACCOUNT);
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
