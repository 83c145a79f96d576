// SPDX-License-Identifier: GPL-2.0-only
/*
 * Guest memory that an instance holds.
 *
 * Who pins or unpins holds no lock (the VMM's locks stand above ours), so both
 * go in batches: a batch is pinned or unpinned outside of gmem.lock, and what is
 * held is written down under it. dma_unmap takes over from wherever a pin, a
 * put or nobody stands: it marks the pages dead, waits for the engine, unpins
 * what is held, and then waits for the one batch that may be on its way.
 *
 * A range is unpinned as it was pinned, because iommufd knows pins by their ranges:
 * so batches begin at the same pages in both directions.
 */
#include "core.h"

/* Pages pinned or unpinned without looking at what others want. */
#define MHCA_PIN_BATCH		512
/* How long dma_unmap waits for a batch, ms. */
#define MHCA_UNMAP_WAIT_MS	200

/**
 * mhca_gmem_charge() - account for pages about to be pinned
 * @inst: instance
 * @npages: how many
 *
 * Return: false when the instance's limit does not allow them.
 */
bool mhca_gmem_charge(struct mhca_instance *inst, u64 npages)
{
	struct mhca_gmem *gmem = &inst->gmem;
	s64 now, peak;

	if (npages > gmem->limit)
		return false;
	now = atomic64_add_return(npages, &gmem->pinned);
	if ((u64)now > gmem->limit) {
		atomic64_sub(npages, &gmem->pinned);
		return false;
	}
	peak = atomic64_read(&gmem->peak);
	while (now > peak && !atomic64_try_cmpxchg(&gmem->peak, &peak, now))
		;
	return true;
}

/**
 * mhca_gmem_uncharge() - the opposite
 * @inst: instance
 * @npages: how many are not pinned any more
 */
void mhca_gmem_uncharge(struct mhca_instance *inst, u64 npages)
{
	atomic64_sub(npages, &inst->gmem.pinned);
}

/* ---- Page lists ----------------------------------------------------------- */

/* Guest-physical address of the @i-th pinned page. */
static u64 mhca_pages_iova(const struct mhca_pages *pages, u64 i)
{
	u8 order = pages->shift - MHCA_PAGE_SHIFT;
	u64 page = pages->first + i;

	return pages->iova[page >> order] +
	       ((page & ((1ULL << order) - 1)) << MHCA_PAGE_SHIFT);
}

/* How many of @n pages from the @i-th on are neighbours in the guest's memory. */
static u64 mhca_pages_run(const struct mhca_pages *pages, u64 i, u64 n)
{
	u64 iova = mhca_pages_iova(pages, i);
	u64 run = 1;

	while (run < n &&
	       mhca_pages_iova(pages, i + run) == iova + (run << MHCA_PAGE_SHIFT))
		run++;
	return run;
}

static void mhca_pages_unpin_batch(struct mhca_pages *pages, u64 i, u64 n)
{
	struct mhca_instance *inst = pages->inst;
	u64 end = i + n;

	mhca_gmem_uncharge(inst, n);
	while (i < end) {
		u64 run = mhca_pages_run(pages, i, end - i);

		inst->vmm_ops->unpin(inst->vmm, mhca_pages_iova(pages, i), run);
		i += run;
	}
}

/* The last batch of what is held is held no longer: its first page, and @n of them. */
static u64 mhca_pages_take_batch(struct mhca_pages *pages, u64 *n)
{
	u64 start = round_down(pages->held - 1, (u64)MHCA_PIN_BATCH);

	lockdep_assert_held(&pages->inst->gmem.lock);
	*n = pages->held - start;
	pages->held = start;
	return start;
}

static int mhca_pages_pin_batch(struct mhca_pages *pages, u64 i, u64 n)
{
	struct mhca_instance *inst = pages->inst;
	u64 done = 0;
	int err;

	if (!mhca_gmem_charge(inst, n))
		return -EBUSY;
	while (done < n) {
		u64 run = mhca_pages_run(pages, i + done, n - done);

		err = inst->vmm_ops->pin(inst->vmm, mhca_pages_iova(pages, i + done), run,
					 pages->writable, pages->kva + i + done);
		if (err) {
			mhca_gmem_uncharge(inst, n - done);
			mhca_pages_unpin_batch(pages, i, done);
			return err;
		}
		done += run;
	}
	return 0;
}

/* Pin all of a list that is on gmem->list, unless somebody marks it dead meanwhile. */
static int mhca_pages_pin_all(struct mhca_pages *pages)
{
	struct mhca_gmem *gmem = &pages->inst->gmem;
	u64 batch, done;
	int err = 0;
	bool dead;

	for (done = 0; done < pages->n && !err; done += batch) {
		batch = min_t(u64, pages->n - done, MHCA_PIN_BATCH);

		atomic_inc(&gmem->unpinning);
		err = mhca_pages_pin_batch(pages, done, batch);
		mutex_lock(&gmem->lock);
		dead = pages->dead;
		if (!err && !dead)
			pages->held += batch;
		mutex_unlock(&gmem->lock);
		if (!err && dead) {
			mhca_pages_unpin_batch(pages, done, batch);
			err = -EFAULT;
		}
		atomic_dec(&gmem->unpinning);
		cond_resched();
	}
	return err;
}

static void mhca_pages_free(struct mhca_pages *pages)
{
	kvfree(pages->kva);
	kvfree(pages->iova);
	kfree(pages);
}

static struct mhca_pages *mhca_pages_alloc(struct mhca_instance *inst, u32 entries, u64 n)
{
	struct mhca_pages *pages;

	pages = kzalloc(sizeof(*pages), GFP_KERNEL);
	if (!pages)
		return NULL;
	pages->inst = inst;
	INIT_LIST_HEAD(&pages->node);
	pages->entries = entries;
	pages->n = n;
	pages->iova = kvmalloc_array(entries, sizeof(*pages->iova), GFP_KERNEL | __GFP_NOWARN);
	pages->kva = kvcalloc(n, sizeof(*pages->kva), GFP_KERNEL | __GFP_NOWARN);
	if (!pages->iova || !pages->kva) {
		mhca_pages_free(pages);
		return NULL;
	}
	return pages;
}

/* Copy the list; entries have to be aligned to their size, low flag bits aside. */
static bool mhca_pages_fill(struct mhca_pages *pages, const __be64 *pas)
{
	u64 mask = (1ULL << pages->shift) - 1;
	u32 i;

	for (i = 0; i < pages->entries; i++) {
		u64 iova = be64_to_cpu(pas[i]) & ~(u64)(MHCA_PAGE_SIZE - 1);

		if (iova & mask)
			return false;
		pages->iova[i] = iova;
	}
	return true;
}

/**
 * mhca_pages_pin() - pin a range of a list of guest pages
 * @inst: instance
 * @pas: the list as it stands in a command
 * @entries: its length
 * @shift: log2 of a page's size
 * @from: first byte, counted from the list's start
 * @len: bytes, > 0
 * @writable: for writing
 * @out: the pinned pages
 *
 * All or nothing. Sleeps. Return: MHCA_SYN_NONE, or why not.
 */
enum mhca_syndrome mhca_pages_pin(struct mhca_instance *inst, const __be64 *pas,
				  u32 entries, u8 shift, u64 from, u64 len,
				  bool writable, struct mhca_pages **out)
{
	struct mhca_gmem *gmem = &inst->gmem;
	struct mhca_pages *pages;
	u64 first, n, bytes;
	int err;

	if (shift < MHCA_PAGE_SHIFT || shift > MHCA_PAGE_SHIFT_MAX)
		return MHCA_SYN_PAGE_SIZE;
	bytes = (u64)entries << shift;
	if (!len || from > bytes || len > bytes - from)
		return MHCA_SYN_PAGE_LIST;
	first = from >> MHCA_PAGE_SHIFT;
	n = ((from + len - 1) >> MHCA_PAGE_SHIFT) - first + 1;
	/* Before anything is allocated; pinning charges page by page. */
	if (n > gmem->limit || n > gmem->limit - min_t(u64, gmem->limit,
						       atomic64_read(&gmem->pinned)))
		return MHCA_SYN_PINNED_LIMIT;

	pages = mhca_pages_alloc(inst, entries, n);
	if (!pages)
		return MHCA_SYN_NO_MEMORY;
	pages->shift = shift;
	pages->bytes = bytes;
	pages->first = first;
	pages->writable = writable;
	if (!mhca_pages_fill(pages, pas)) {
		mhca_pages_free(pages);
		return MHCA_SYN_ALIGNMENT;
	}

	mutex_lock(&gmem->lock);
	list_add_tail(&pages->node, &gmem->list);
	mutex_unlock(&gmem->lock);
	err = mhca_pages_pin_all(pages);
	if (err) {
		mhca_pages_put(pages);
		return err == -EBUSY ? MHCA_SYN_PINNED_LIMIT : mhca_syndrome_from_errno(err);
	}
	*out = pages;
	return MHCA_SYN_NONE;
}
EXPORT_SYMBOL_GPL(mhca_pages_pin);

/**
 * mhca_pages_pin_record() - pin a few bytes inside one page
 * @inst: instance
 * @iova: guest-physical address
 * @bytes: how many
 * @out: the page
 *
 * Return: MHCA_SYN_NONE, or why not.
 */
enum mhca_syndrome mhca_pages_pin_record(struct mhca_instance *inst, u64 iova,
					 u32 bytes, struct mhca_pages **out)
{
	u32 in_page = iova & (MHCA_PAGE_SIZE - 1);
	__be64 page = cpu_to_be64(iova - in_page);

	if (iova & (sizeof(u64) - 1) || bytes > MHCA_PAGE_SIZE - in_page)
		return MHCA_SYN_ALIGNMENT;
	return mhca_pages_pin(inst, &page, 1, MHCA_PAGE_SHIFT, 0, MHCA_PAGE_SIZE, true, out);
}
EXPORT_SYMBOL_GPL(mhca_pages_pin_record);

/**
 * mhca_pages_put() - unpin and free
 * @pages: pages that no engine uses any more, or NULL
 */
void mhca_pages_put(struct mhca_pages *pages)
{
	struct mhca_gmem *gmem;
	u64 batch, start;

	if (!pages)
		return;
	gmem = &pages->inst->gmem;
	mutex_lock(&gmem->lock);
	WRITE_ONCE(pages->dead, true);
	while (pages->held) {
		start = mhca_pages_take_batch(pages, &batch);
		atomic_inc(&gmem->unpinning);
		mutex_unlock(&gmem->lock);

		mhca_pages_unpin_batch(pages, start, batch);
		atomic_dec(&gmem->unpinning);
		cond_resched();
		mutex_lock(&gmem->lock);
	}
	list_del(&pages->node);
	mutex_unlock(&gmem->lock);
	mhca_pages_free(pages);
}
EXPORT_SYMBOL_GPL(mhca_pages_put);

/* ---- Access ---------------------------------------------------------------- */

/**
 * mhca_pages_read() - copy out of pinned pages
 * @pages: pages
 * @offset: from here
 * @to: destination
 * @len: bytes
 *
 * Return: 0, or -EFAULT when they are not (all) there any more.
 */
int mhca_pages_read(const struct mhca_pages *pages, u64 offset, void *to, u32 len)
{
	u32 run;
	void *at;

	while (len) {
		at = mhca_pages_at(pages, offset, &run);
		if (!at)
			return -EFAULT;
		run = min(run, len);
		memcpy(to, at, run);
		to = (u8 *)to + run;
		offset += run;
		len -= run;
	}
	return 0;
}
EXPORT_SYMBOL_GPL(mhca_pages_read);

/**
 * mhca_pages_write() - copy into pinned pages
 * @pages: pages
 * @offset: to here
 * @from: source
 * @len: bytes
 *
 * Return: 0, or -EFAULT when they are not (all) there any more.
 */
int mhca_pages_write(struct mhca_pages *pages, u64 offset, const void *from, u32 len)
{
	u32 run;
	void *at;

	while (len) {
		at = mhca_pages_at(pages, offset, &run);
		if (!at)
			return -EFAULT;
		run = min(run, len);
		mhca_guest_write(pages->inst, at, from, run);
		from = (const u8 *)from + run;
		offset += run;
		len -= run;
	}
	return 0;
}
EXPORT_SYMBOL_GPL(mhca_pages_write);

/**
 * mhca_guest_write() - change guest memory
 * @inst: whose memory
 * @to: host address
 * @from: source
 * @len: bytes
 */
void mhca_guest_write(struct mhca_instance *inst, void *to, const void *from, u32 len)
{
	unsigned long distance = (unsigned long)to - (unsigned long)from;

	/* A guest that sends to itself may name overlapping ranges. */
	if (unlikely(distance < len || -distance < len))
		memmove(to, from, len);
	else
		memcpy(to, from, len);
	mhca_guest_dirty(inst, to, len);
}
EXPORT_SYMBOL_GPL(mhca_guest_write);

/**
 * mhca_guest_dirty() - guest memory was changed in place
 * @inst: whose memory
 * @ptr: host address
 * @len: bytes
 *
 * The place where a dirty log listens. No instance can migrate in this version,
 * so there is no log to tell.
 */
void mhca_guest_dirty(struct mhca_instance *inst, const void *ptr, u32 len)
{
}
EXPORT_SYMBOL_GPL(mhca_guest_dirty);

/* ---- dma_unmap -------------------------------------------------------------- */

/* Does a pinned page lie in [@iova, @last]? */
static bool mhca_pages_overlap(const struct mhca_pages *pages, u64 iova, u64 last)
{
	u64 end = pages->first + pages->n;
	u64 page = pages->first;
	u8 order = pages->shift - MHCA_PAGE_SHIFT;

	while (page < end) {
		u64 next = min(((page >> order) + 1) << order, end);
		u64 start = mhca_pages_iova(pages, page - pages->first);
		u64 bytes = (next - page) << MHCA_PAGE_SHIFT;

		if (start <= last && start + (bytes - 1) >= iova)
			return true;
		page = next;
	}
	return false;
}

/* Mark what overlaps; true: there is something to unpin. */
static bool mhca_gmem_mark(struct mhca_instance *inst, u64 iova, u64 last)
{
	struct mhca_gmem *gmem = &inst->gmem;
	struct mhca_pages *pages;
	bool hit;

	lockdep_assert_held(&gmem->lock);
	hit = mhca_pa_retire(inst, iova >> MHCA_PAGE_SHIFT, last >> MHCA_PAGE_SHIFT);
	list_for_each_entry(pages, &gmem->list, node) {
		if ((pages->dead && !pages->held) || !mhca_pages_overlap(pages, iova, last))
			continue;
		if (!pages->dead)
			mhca_count(inst, pins_lost);
		WRITE_ONCE(pages->dead, true);
		hit = true;
	}
	return hit;
}

static void mhca_gmem_unpin_marked(struct mhca_instance *inst, u64 iova, u64 last)
{
	struct mhca_gmem *gmem = &inst->gmem;
	struct mhca_pages *pages;
	u64 start, n;

	lockdep_assert_held(&gmem->lock);
	mhca_pa_unpin_retired(inst, iova >> MHCA_PAGE_SHIFT, last >> MHCA_PAGE_SHIFT);
	list_for_each_entry(pages, &gmem->list, node) {
		if (!pages->dead || !mhca_pages_overlap(pages, iova, last))
			continue;
		while (pages->held) {
			start = mhca_pages_take_batch(pages, &n);
			mhca_pages_unpin_batch(pages, start, n);
		}
	}
}

/**
 * mhca_instance_dma_unmap() - the VMM takes guest memory away
 * @inst: instance
 * @iova: first byte
 * @len: bytes
 *
 * On return no page in the range is pinned, and nobody uses one.
 */
void mhca_instance_dma_unmap(struct mhca_instance *inst, u64 iova, u64 len)
{
	struct mhca_gmem *gmem = &inst->gmem;
	u64 last = iova + (len - 1);
	int ms;

	if (!len)
		return;
	if (last < iova)
		last = U64_MAX;

	mutex_lock(&gmem->lock);
	gmem->generation++;
	if (mhca_gmem_mark(inst, iova, last)) {
		inst->hca->ops->fence(inst->hca);
		mhca_eq_fence(inst);
		mhca_gmem_unpin_marked(inst, iova, last);
	}
	mutex_unlock(&gmem->lock);

	for (ms = 0; atomic_read(&gmem->unpinning) && ms < MHCA_UNMAP_WAIT_MS; ms++)
		usleep_range(1000, 2000);
}
EXPORT_SYMBOL_GPL(mhca_instance_dma_unmap);

/**
 * mhca_gmem_init() - an instance that holds nothing
 * @inst: instance
 */
void mhca_gmem_init(struct mhca_instance *inst)
{
	struct mhca_gmem *gmem = &inst->gmem;

	mutex_init(&gmem->lock);
	INIT_LIST_HEAD(&gmem->list);
	gmem->limit = MHCA_MAX_PINNED_PAGES;
	mhca_pa_init(inst);
}

/**
 * mhca_gmem_fini() - free what mhca_gmem_init() made
 * @inst: instance that was reset
 */
void mhca_gmem_fini(struct mhca_instance *inst)
{
	mhca_pa_fini(inst);
	mutex_destroy(&inst->gmem.lock);
}
