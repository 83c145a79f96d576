// SPDX-License-Identifier: GPL-2.0-only
/*
 * Guest memory that an instance holds.
 *
 * Who pins or unpins holds no lock (the VMM's locks stand above ours), so both go in
 * steps: a run of pages is pinned outside of gmem.lock, and what is held is written down
 * under it, unless dma_unmap (unmap.c) has marked the list dead meanwhile: then the run is
 * undone. A put and mhca_instance_unpin() take batches away under the lock and unpin them
 * outside of it, both at once if it so happens.
 *
 * A range is unpinned as it was pinned, because iommufd knows pins by their ranges:
 * so batches begin at the same pages in both directions.
 */
#include "core.h"

/* How long a list waits for ranges that are closed to pins, ms, all together. */
#define MHCA_CLOSED_WAIT_MS	200

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

/**
 * mhca_pages_unpin_batch() - unpin what was taken with mhca_pages_take_batch()
 * @pages: list
 * @i: first page
 * @n: pages
 */
void mhca_pages_unpin_batch(struct mhca_pages *pages, u64 i, u64 n)
{
	struct mhca_instance *inst = pages->inst;
	u64 end = i + n;

	mhca_gmem_uncharge(inst, n);
	while (i < end) {
		u64 run = mhca_pages_run(pages, i, end - i);

		inst->vmm_ops->unpin(inst->vmm, mhca_pages_iova(pages, i), run);
		atomic64_inc(&inst->gmem.moved);
		i += run;
	}
}

/**
 * mhca_pages_take_batch() - the last batch of what is held is held no longer
 * @pages: list that holds something, gmem.lock held
 * @n: out: how many pages
 *
 * Return: the first of them; the caller unpins them.
 */
u64 mhca_pages_take_batch(struct mhca_pages *pages, u64 *n)
{
	u64 start = round_down(pages->held - 1, (u64)MHCA_PIN_BATCH);

	lockdep_assert_held(&pages->inst->gmem.lock);
	*n = pages->held - start;
	pages->held = start;
	if (!start)
		list_del_init(&pages->node);
	return start;
}

/**
 * mhca_gmem_begin() - the instance's worker pins a range that is open
 * @gmem: guest memory, its lock held
 * @iova: first byte
 * @last: last byte
 *
 * &struct mhca_gmem.pin_lost says at the end whether it was closed since.
 */
void mhca_gmem_begin(struct mhca_gmem *gmem, u64 iova, u64 last)
{
	lockdep_assert_held(&gmem->lock);
	gmem->begun++;
	gmem->pin_iova = iova;
	gmem->pin_last = last;
	gmem->pin_lost = false;
}

/**
 * mhca_gmem_end() - and is through with it: dma_unmap may be waiting
 * @gmem: guest memory, its lock held
 */
void mhca_gmem_end(struct mhca_gmem *gmem)
{
	lockdep_assert_held(&gmem->lock);
	gmem->ended++;
	gmem->pin_lost = false;
	atomic64_inc(&gmem->moved);
}

/* Begin to pin a range: it is open, or was opened within @patience ms. */
static int mhca_pages_pin_begin(struct mhca_pages *pages, u64 iova, u64 last, u32 *patience)
{
	struct mhca_gmem *gmem = &pages->inst->gmem;
	bool dead, closed;

	for (;;) {
		mutex_lock(&gmem->lock);
		dead = pages->dead;
		closed = mhca_closed_find(gmem, iova, last);
		if (!dead && !closed)
			mhca_gmem_begin(gmem, iova, last);
		mutex_unlock(&gmem->lock);
		if (!dead && !closed)
			return 0;
		if (dead || !*patience)
			return -EINVAL;
		--*patience;
		usleep_range(1000, 1200);
	}
}

/* Pin neighbours in the guest's memory, the next pages of a list that is in the tree. */
static int mhca_pages_pin_run(struct mhca_pages *pages, u64 i, u64 n, u32 *patience)
{
	struct mhca_instance *inst = pages->inst;
	struct mhca_gmem *gmem = &inst->gmem;
	u64 iova = mhca_pages_iova(pages, i);
	int err;

	err = mhca_pages_pin_begin(pages, iova, iova + (n << MHCA_PAGE_SHIFT) - 1, patience);
	if (err)
		return err;
	if (mhca_gmem_charge(inst, n)) {
		err = inst->vmm_ops->pin(inst->vmm, iova, n, pages->writable, pages->kva + i);
		if (err)
			mhca_gmem_uncharge(inst, n);
	} else {
		err = -EBUSY;
	}

	mutex_lock(&gmem->lock);
	/* Whoever closed the range has marked the list. */
	if (!err && pages->dead) {
		mutex_unlock(&gmem->lock);
		mhca_gmem_uncharge(inst, n);
		inst->vmm_ops->unpin(inst->vmm, iova, n);
		err = -EINVAL;
		mutex_lock(&gmem->lock);
	}
	if (!err)
		pages->held += n;
	mhca_gmem_end(gmem);
	mutex_unlock(&gmem->lock);
	return err;
}

/* Pin all of a list that is in the tree, unless somebody marks it dead meanwhile. */
static int mhca_pages_pin_all(struct mhca_pages *pages)
{
	u32 patience = MHCA_CLOSED_WAIT_MS;
	u64 done = 0, batch, run;
	int err;

	while (done < pages->n) {
		/* A run ends with its batch, so that it can be unpinned with it. */
		batch = min(pages->n - done, MHCA_PIN_BATCH - done % MHCA_PIN_BATCH);
		run = mhca_pages_run(pages, done, batch);
		err = mhca_pages_pin_run(pages, done, run, &patience);
		if (err)
			return err;
		done += run;
		cond_resched();
	}
	return 0;
}

/* ---- Where the pages lie ------------------------------------------------------ */

static u64 mhca_pages_chunks(const struct mhca_pages *pages)
{
	return DIV_ROUND_UP_ULL(pages->n, MHCA_PIN_BATCH);
}

/* From page @i of a list to the end of its big page, at most @end: its range, in pages. */
static u64 mhca_pages_piece(const struct mhca_pages *pages, u64 i, u64 end, u64 *first,
			    u64 *last)
{
	u64 in_page = (1ULL << (pages->shift - MHCA_PAGE_SHIFT)) - 1;
	u64 n = min(in_page + 1 - ((pages->first + i) & in_page), end - i);

	*first = mhca_pages_iova(pages, i) >> MHCA_PAGE_SHIFT;
	*last = *first + (n - 1);
	return n;
}

static void mhca_pages_set_chunk(struct mhca_pages *pages, u64 index)
{
	struct mhca_pin_chunk *chunk = &pages->chunk[index];
	u64 end = min((index + 1) * MHCA_PIN_BATCH, pages->n);
	u64 i = index * MHCA_PIN_BATCH;
	u64 first, last;

	chunk->pages = pages;
	chunk->range.start = ULONG_MAX;
	chunk->range.last = 0;
	while (i < end) {
		i += mhca_pages_piece(pages, i, end, &first, &last);
		chunk->range.start = min_t(u64, chunk->range.start, first);
		chunk->range.last = max_t(u64, chunk->range.last, last);
	}
}

/* Put a list into the tree, before any of it is pinned. */
static void mhca_pages_link(struct mhca_pages *pages)
{
	struct mhca_gmem *gmem = &pages->inst->gmem;
	u64 i;

	for (i = 0; i < mhca_pages_chunks(pages); i++) {
		mhca_pages_set_chunk(pages, i);
		cond_resched();
	}
	mutex_lock(&gmem->lock);
	for (i = 0; i < mhca_pages_chunks(pages); i++) {
		interval_tree_insert(&pages->chunk[i].range, &gmem->tree);
		cond_resched();
	}
	mutex_unlock(&gmem->lock);
}

static void mhca_pages_unlink(struct mhca_pages *pages)
{
	struct mhca_gmem *gmem = &pages->inst->gmem;
	u64 i;

	lockdep_assert_held(&gmem->lock);
	for (i = 0; i < mhca_pages_chunks(pages); i++) {
		interval_tree_remove(&pages->chunk[i].range, &gmem->tree);
		cond_resched();
	}
}

/* Does a page of a chunk lie in these pages of the guest's memory? */
static bool mhca_chunk_overlaps(const struct mhca_pin_chunk *chunk, u64 first, u64 last)
{
	const struct mhca_pages *pages = chunk->pages;
	u64 i = (chunk - pages->chunk) * MHCA_PIN_BATCH;
	u64 end = min(i + MHCA_PIN_BATCH, pages->n);
	u64 from, to;

	while (i < end) {
		i += mhca_pages_piece(pages, i, end, &from, &to);
		if (from <= last && to >= first)
			return true;
	}
	return false;
}

/**
 * mhca_pages_doom() - mark all lists dead that have a page in a range
 * @inst: instance, gmem.lock held
 * @iova: first byte
 * @last: last byte
 *
 * What they hold is mhca_instance_unpin()'s to unpin, after the next fence.
 * Return: true when there is something of that kind.
 */
bool mhca_pages_doom(struct mhca_instance *inst, u64 iova, u64 last)
{
	u64 first_page = iova >> MHCA_PAGE_SHIFT, last_page = last >> MHCA_PAGE_SHIFT;
	struct mhca_gmem *gmem = &inst->gmem;
	struct interval_tree_node *node;
	bool hit = false;

	lockdep_assert_held(&gmem->lock);
	for (node = interval_tree_iter_first(&gmem->tree, first_page, last_page); node;
	     node = interval_tree_iter_next(node, first_page, last_page)) {
		struct mhca_pin_chunk *chunk = container_of(node, struct mhca_pin_chunk, range);
		struct mhca_pages *pages = chunk->pages;

		cond_resched();
		if (pages->dead && (!pages->held || !list_empty(&pages->node)))
			continue;
		if (!mhca_chunk_overlaps(chunk, first_page, last_page))
			continue;
		if (!pages->dead)
			mhca_count(inst, pins_lost);
		WRITE_ONCE(pages->dead, true);
		if (!pages->held)
			continue;
		pages->fence = gmem->fences + 1;
		list_add_tail(&pages->node, &gmem->doomed);
		hit = true;
	}
	return hit;
}

/**
 * mhca_pages_doomed() - is a page in a range still pinned that is on its way out?
 * @inst: instance, gmem.lock held
 * @first: first page number
 * @last: last page number
 *
 * Return: true: a list that is dead holds one, or somebody is unpinning a batch of it.
 */
bool mhca_pages_doomed(struct mhca_instance *inst, u64 first, u64 last)
{
	struct mhca_gmem *gmem = &inst->gmem;
	struct interval_tree_node *node;

	lockdep_assert_held(&gmem->lock);
	for (node = interval_tree_iter_first(&gmem->tree, first, last); node;
	     node = interval_tree_iter_next(node, first, last)) {
		struct mhca_pin_chunk *chunk = container_of(node, struct mhca_pin_chunk, range);
		struct mhca_pages *pages = chunk->pages;

		cond_resched();
		if (!pages->dead)
			continue;
		/* Batches go from the end. */
		if (!pages->unpinning &&
		    pages->held <= (chunk - pages->chunk) * MHCA_PIN_BATCH)
			continue;
		if (mhca_chunk_overlaps(chunk, first, last))
			return true;
	}
	return false;
}

/* ---- Pinning and unpinning ------------------------------------------------------ */

static void mhca_pages_free(struct mhca_pages *pages)
{
	kvfree(pages->chunk);
	kvfree(pages->kva);
	kvfree(pages->iova);
	kfree(pages);
}

static struct mhca_pages *mhca_pages_alloc(struct mhca_instance *inst, u32 entries, u64 n)
{
	const gfp_t flags = GFP_KERNEL_ACCOUNT | __GFP_NOWARN;
	struct mhca_pages *pages;

	pages = kzalloc(sizeof(*pages), GFP_KERNEL_ACCOUNT);
	if (!pages)
		return NULL;
	pages->inst = inst;
	INIT_LIST_HEAD(&pages->node);
	pages->entries = entries;
	pages->n = n;
	pages->iova = kvmalloc_array(entries, sizeof(*pages->iova), flags);
	pages->kva = kvcalloc(n, sizeof(*pages->kva), flags);
	pages->chunk = kvcalloc(mhca_pages_chunks(pages), sizeof(*pages->chunk), flags);
	if (!pages->iova || !pages->kva || !pages->chunk) {
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

	mhca_pages_link(pages);
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
 * @writable: for writing
 * @out: the page
 *
 * Return: MHCA_SYN_NONE, or why not.
 */
enum mhca_syndrome mhca_pages_pin_record(struct mhca_instance *inst, u64 iova,
					 u32 bytes, bool writable, struct mhca_pages **out)
{
	u32 in_page = iova & (MHCA_PAGE_SIZE - 1);
	__be64 page = cpu_to_be64(iova - in_page);

	if (iova & (sizeof(u64) - 1) || bytes > MHCA_PAGE_SIZE - in_page)
		return MHCA_SYN_ALIGNMENT;
	return mhca_pages_pin(inst, &page, 1, MHCA_PAGE_SHIFT, 0, MHCA_PAGE_SIZE, writable, out);
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
		pages->unpinning++;
		mutex_unlock(&gmem->lock);

		mhca_pages_unpin_batch(pages, start, batch);
		cond_resched();
		mutex_lock(&gmem->lock);
		pages->unpinning--;
	}
	/* The last batch may be in other hands. */
	while (pages->unpinning) {
		mutex_unlock(&gmem->lock);
		usleep_range(50, 100);
		mutex_lock(&gmem->lock);
	}
	mhca_pages_unlink(pages);
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

/* ---- Life -------------------------------------------------------------------- */

/**
 * mhca_gmem_init() - an instance that holds nothing
 * @inst: instance
 */
void mhca_gmem_init(struct mhca_instance *inst)
{
	struct mhca_gmem *gmem = &inst->gmem;

	mutex_init(&gmem->lock);
	gmem->tree = RB_ROOT_CACHED;
	INIT_LIST_HEAD(&gmem->doomed);
	INIT_LIST_HEAD(&gmem->closed);
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
	mhca_closed_fini(&inst->gmem);
	mutex_destroy(&inst->gmem.lock);
}
