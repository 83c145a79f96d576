// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The user-space front end: memory, interrupts, doorbell pages, commands. */
#define _GNU_SOURCE
#include <poll.h>
#include <sched.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include <mhca/migrate.h>
#include "vmm_user.h"

/* gcc defines a macro, clang has a feature. */
#if defined(__has_feature) && !defined(__SANITIZE_ADDRESS__)
#if __has_feature(address_sanitizer)
#define __SANITIZE_ADDRESS__	1
#endif
#endif

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(p, n)		((void)(p), (void)(n))
#define ASAN_UNPOISON_MEMORY_REGION(p, n)	((void)(p), (void)(n))
#endif

/* ---- Addresses ------------------------------------------------------- */

/*
 * Guest page -> guest-physical page: the 64 pages of a group in another order, and
 * an involution, so that the same function goes both ways.
 */
static u64 scramble(const struct vmm_user *vmm, u64 page)
{
	u64 low = page & 63;

	if (vmm->linear)
		return page;
	low = (low & 1) << 5 | (low & 2) << 3 | (low & 4) << 1 | (low & 8) >> 1 |
	      (low & 16) >> 3 | (low & 32) >> 5;
	return (page & ~63ULL) | low;
}

u64 vmm_user_iova(struct vmm_user *vmm, const void *va)
{
	u64 at = (u64)((const u8 *)va - vmm->guest);

	if (at >= vmm->pages * PAGE_SIZE)
		return ~0ULL;
	return VMM_USER_IOVA + scramble(vmm, at >> PAGE_SHIFT) * PAGE_SIZE + offset_in_page(at);
}

/* Index of the page at @iova (by IOVA), or -1 when there is none. */
static s64 page_index(const struct vmm_user *vmm, u64 iova)
{
	u64 page = (iova - VMM_USER_IOVA) >> PAGE_SHIFT;

	if (iova < VMM_USER_IOVA || page >= vmm->pages || test_bit(page, vmm->hole))
		return -1;
	return (s64)page;
}

static u8 *host_page(const struct vmm_user *vmm, u64 index)
{
	return vmm->host + scramble(vmm, index) * PAGE_SIZE;
}

/* ---- mhca_vmm_ops ---------------------------------------------------- */

static void page_pin(struct vmm_user *vmm, u64 index)
{
	if (!vmm->pins[index]++)
		ASAN_UNPOISON_MEMORY_REGION(host_page(vmm, index), PAGE_SIZE);
	vmm->pinned++;
}

static void page_unpin(struct vmm_user *vmm, u64 index)
{
	if (!vmm->pins[index])
		shim_warn(__FILE__, __LINE__, "page unpinned more often than pinned");
	if (!--vmm->pins[index])
		ASAN_POISON_MEMORY_REGION(host_page(vmm, index), PAGE_SIZE);
	vmm->pinned--;
}

/*
 * Like iommufd, which knows pins by their ranges: what is unpinned together must have
 * been pinned together.
 */
static struct vmm_user_pin *range_find(struct vmm_user *vmm, u64 index, u64 npages)
{
	struct vmm_user_pin *pin = vmm->ranges[index];

	while (pin && pin->npages != npages)
		pin = pin->next;
	return pin;
}

static void range_pin(struct vmm_user *vmm, u64 index, u64 npages)
{
	struct vmm_user_pin *pin = range_find(vmm, index, npages);

	if (!pin) {
		pin = calloc(1, sizeof(*pin));
		pin->npages = npages;
		pin->next = vmm->ranges[index];
		vmm->ranges[index] = pin;
	}
	pin->count++;
}

static void range_unpin(struct vmm_user *vmm, u64 index, u64 npages)
{
	struct vmm_user_pin *pin = range_find(vmm, index, npages);

	if (!pin || !pin->count--)
		shim_warn(__FILE__, __LINE__, "unpin of a range that was not pinned as such");
}

static int user_pin(void *arg, u64 iova, u64 npages, bool write, void **kva)
{
	struct vmm_user *vmm = arg;
	int ret = 0;
	u64 i;

	might_sleep();
	if (iova & (PAGE_SIZE - 1))
		shim_warn(__FILE__, __LINE__, "pin of an unaligned address");
	pthread_mutex_lock(&vmm->lock);
	if (vmm->pin_us)
		usleep(vmm->pin_us);
	if (++vmm->pin_calls == vmm->pin_fail_at)
		ret = -ENOMEM;
	else if (vmm->pinned + (s64)npages > vmm->pin_limit)
		ret = -EDQUOT;
	for (i = 0; !ret && i < npages; i++) {
		s64 index = page_index(vmm, iova + i * PAGE_SIZE);

		if (index < 0)
			ret = -EINVAL;
		else if (write && test_bit((u64)index, vmm->read_only))
			ret = -EPERM;
		else if (test_bit((u64)index, vmm->stuck))
			ret = -EFAULT;
		if (ret)
			break;
		page_pin(vmm, (u64)index);
		kva[i] = host_page(vmm, (u64)index);
	}
	if (!ret && npages)
		range_pin(vmm, (u64)page_index(vmm, iova), npages);
	while (ret && i-- > 0)
		page_unpin(vmm, (u64)page_index(vmm, iova + i * PAGE_SIZE));
	pthread_mutex_unlock(&vmm->lock);
	if (vmm->pinning)
		vmm->pinning(vmm, iova);
	return ret;
}

static void user_unpin(void *arg, u64 iova, u64 npages)
{
	struct vmm_user *vmm = arg;
	u64 i;

	pthread_mutex_lock(&vmm->lock);
	for (i = 0; i < npages; i++) {
		u64 page = (iova - VMM_USER_IOVA) / PAGE_SIZE + i;

		if (iova < VMM_USER_IOVA || page >= vmm->pages)
			shim_warn(__FILE__, __LINE__, "unpin outside guest memory");
		page_unpin(vmm, page);
	}
	if (npages)
		range_unpin(vmm, (iova - VMM_USER_IOVA) / PAGE_SIZE, npages);
	pthread_mutex_unlock(&vmm->lock);
}

static int copy(struct vmm_user *vmm, u64 iova, void *buf, size_t len, bool write)
{
	might_sleep();
	while (len) {
		size_t run = min(len, PAGE_SIZE - offset_in_page(iova));
		s64 index = page_index(vmm, iova);
		u8 *at;

		if (index < 0)
			return -EFAULT;
		at = vmm->guest + scramble(vmm, (u64)index) * PAGE_SIZE + offset_in_page(iova);
		if (write)
			memcpy(at, buf, run);
		else
			memcpy(buf, at, run);
		buf = (u8 *)buf + run;
		iova += run;
		len -= run;
	}
	return 0;
}

static int user_read(void *arg, u64 iova, void *buf, size_t len)
{
	return copy(arg, iova, buf, len, false);
}

static int user_write(void *arg, u64 iova, const void *buf, size_t len)
{
	return copy(arg, iova, (void *)buf, len, true);
}

static void user_raise(void *arg, u32 vector)
{
	struct vmm_user *vmm = arg;
	u64 one = 1;

	if (vector >= VMM_USER_VECTORS)
		shim_warn(__FILE__, __LINE__, "vector %u does not exist", vector);
	__atomic_add_fetch(&vmm->raised[vector], 1, __ATOMIC_SEQ_CST);
	if (vmm->irq[vector] >= 0 && write(vmm->irq[vector], &one, sizeof(one)) < 0)
		shim_warn(__FILE__, __LINE__, "eventfd");
}

static void user_kick(void *arg)
{
	struct vmm_user *vmm = arg;

	if (!__atomic_exchange_n(&vmm->work_pending, 1, __ATOMIC_SEQ_CST) && vmm->threaded)
		sem_post(&vmm->work);
}

static void user_zap(void *arg, u32 index)
{
	struct vmm_user *vmm = arg;

	might_sleep();
	if (index >= MHCA_UAR_END)
		shim_warn(__FILE__, __LINE__, "zap of UAR %u", index);
	spin_lock(&vmm->uar_lock);
	vmm->uar_page[index] = NULL;
	__atomic_add_fetch(&vmm->zaps, 1, __ATOMIC_RELAXED);
	spin_unlock(&vmm->uar_lock);
}

/* Without threads at once: whoever waits for it would wait for ever. */
static void user_unpin_work(void *arg)
{
	struct vmm_user *vmm = arg;

	if (vmm->threaded)
		sem_post(&vmm->unpin);
	else if (!vmm->held_up)
		mhca_instance_unpin(vmm->inst);
}

/* What is to be done when a thread has left its system call. */
#define RETURNS	64
static __thread struct mhca_return *returns[RETURNS];
static __thread u32 n_returns;

static int user_at_return(void *arg, struct mhca_return *ret)
{
	struct vmm_user *vmm = arg;

	might_sleep();
	if (vmm->no_return)
		return -ENOMEM;
	if (n_returns == RETURNS)
		shim_warn(__FILE__, __LINE__, "a task waits for its return %u times", RETURNS);
	returns[n_returns++] = ret;
	return 0;
}

void vmm_user_return(void)
{
	while (n_returns) {
		struct mhca_return *ret = returns[--n_returns];

		ret->fn(ret);
	}
}

/* One page: unmapped, and said so under the lock that a fault takes, as in vfio/region.c. */
static void zap_run(struct vmm_user *vmm, u32 index)
{
	spin_lock(&vmm->uar_lock);
	vmm->uar_page[index] = NULL;
	__atomic_add_fetch(&vmm->zaps, 1, __ATOMIC_RELAXED);
	vmm->inst->hca->ops->doorbell_zapped(vmm->inst, index);
	spin_unlock(&vmm->uar_lock);
}

void vmm_user_zap_pending(struct vmm_user *vmm)
{
	u32 index;

	for (index = 0; index < MHCA_UAR_END; index++)
		if (__atomic_exchange_n(&vmm->zap_asked[index], 0, __ATOMIC_SEQ_CST))
			zap_run(vmm, index);
}

/* Not here and now, unless there is nobody else: the worker, or the test. */
static void user_zap_async(void *arg, u32 index)
{
	struct vmm_user *vmm = arg;

	if (index >= MHCA_UAR_END)
		shim_warn(__FILE__, __LINE__, "zap of UAR %u", index);
	if (!vmm->threaded && !vmm->zaps_held) {
		zap_run(vmm, index);
		return;
	}
	__atomic_store_n(&vmm->zap_asked[index], 1, __ATOMIC_SEQ_CST);
	if (vmm->threaded && !vmm->zaps_held)
		sem_post(&vmm->work);
}

static const struct mhca_vmm_ops user_ops = {
	.pin = user_pin,
	.unpin = user_unpin,
	.read = user_read,
	.write = user_write,
	.raise = user_raise,
	.kick = user_kick,
	.unpin_work = user_unpin_work,
	.at_return = user_at_return,
	.zap = user_zap,
	.zap_async = user_zap_async,
};

/* ---- Commands -------------------------------------------------------- */

bool vmm_user_work(struct vmm_user *vmm)
{
	if (vmm->slow || !__atomic_exchange_n(&vmm->work_pending, 0, __ATOMIC_SEQ_CST))
		return false;
	mhca_prm_work(vmm->inst);
	return true;
}

static void *worker(void *arg)
{
	struct vmm_user *vmm = arg;

	for (;;) {
		sem_wait(&vmm->work);
		if (__atomic_load_n(&vmm->stop, __ATOMIC_ACQUIRE))
			return NULL;
		if (!vmm->zaps_held)
			vmm_user_zap_pending(vmm);
		vmm_user_work(vmm);
	}
}

/* Lives as long as the instance: a reset may have to wait for it. */
static void *unpinner(void *arg)
{
	struct vmm_user *vmm = arg;

	for (;;) {
		sem_wait(&vmm->unpin);
		if (!vmm->inst)
			return NULL;
		mhca_instance_unpin(vmm->inst);
	}
}

static void unpinner_start(struct vmm_user *vmm)
{
	sem_init(&vmm->unpin, 0, 0);
	if (pthread_create(&vmm->unpinner, NULL, unpinner, vmm))
		shim_warn(__FILE__, __LINE__, "pthread_create");
}

static void unpinner_stop(struct vmm_user *vmm)
{
	struct mhca_instance *inst = vmm->inst;

	vmm->inst = NULL;
	sem_post(&vmm->unpin);
	pthread_join(vmm->unpinner, NULL);
	sem_destroy(&vmm->unpin);
	vmm->inst = inst;
}

static void worker_start(struct vmm_user *vmm)
{
	__atomic_store_n(&vmm->stop, 0, __ATOMIC_RELEASE);
	/* What was asked for before there was a worker has no post of its own. */
	sem_init(&vmm->work, 0, (unsigned int)__atomic_load_n(&vmm->work_pending,
							      __ATOMIC_SEQ_CST));
	if (pthread_create(&vmm->worker, NULL, worker, vmm))
		shim_warn(__FILE__, __LINE__, "pthread_create");
}

static void worker_stop(struct vmm_user *vmm)
{
	__atomic_store_n(&vmm->stop, 1, __ATOMIC_RELEASE);
	sem_post(&vmm->work);
	pthread_join(vmm->worker, NULL);
	sem_destroy(&vmm->work);
}

/* ---- Life ------------------------------------------------------------ */

static void memory_init(struct vmm_user *vmm, size_t bytes)
{
	u64 i;

	vmm->pages = bytes / PAGE_SIZE;
	vmm->fd = memfd_create("mhca-guest", MFD_CLOEXEC);
	if (vmm->fd < 0 || ftruncate(vmm->fd, (off_t)bytes))
		shim_warn(__FILE__, __LINE__, "guest memory");
	vmm->guest = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, vmm->fd, 0);
	vmm->host = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, vmm->fd, 0);
	if (vmm->guest == MAP_FAILED || vmm->host == MAP_FAILED)
		shim_warn(__FILE__, __LINE__, "guest memory");
	ASAN_POISON_MEMORY_REGION(vmm->host, bytes);
	vmm->hole = calloc(BITS_TO_LONGS(vmm->pages), sizeof(long));
	vmm->read_only = calloc(BITS_TO_LONGS(vmm->pages), sizeof(long));
	vmm->stuck = calloc(BITS_TO_LONGS(vmm->pages), sizeof(long));
	vmm->used = calloc(BITS_TO_LONGS(vmm->pages), sizeof(long));
	vmm->pins = calloc(vmm->pages, sizeof(*vmm->pins));
	vmm->ranges = calloc(vmm->pages, sizeof(*vmm->ranges));
	vmm->pin_limit = S64_MAX;
	/* A hole in the middle for tests to point at. */
	for (i = vmm->pages / 2; i < vmm->pages / 2 + 64; i++) {
		set_bit(i, vmm->hole);
		set_bit(i, vmm->used);
	}
}

static void memory_fini(struct vmm_user *vmm)
{
	u64 i;

	for (i = 0; i < vmm->pages; i++)
		while (vmm->ranges[i]) {
			struct vmm_user_pin *pin = vmm->ranges[i];

			vmm->ranges[i] = pin->next;
			free(pin);
		}
	free(vmm->ranges);
	ASAN_UNPOISON_MEMORY_REGION(vmm->host, vmm->pages * PAGE_SIZE);
	munmap(vmm->host, vmm->pages * PAGE_SIZE);
	munmap(vmm->guest, vmm->pages * PAGE_SIZE);
	close(vmm->fd);
	free(vmm->hole);
	free(vmm->read_only);
	free(vmm->stuck);
	free(vmm->used);
	free(vmm->pins);
}

struct vmm_user *vmm_user_create(struct soft_hca *hca, const struct vmm_user_params *params,
				 u64 guid)
{
	static const struct vmm_user_params defaults;
	struct mhca_identity id = { .node_guid = guid, .port_guid = guid + 1 };
	struct vmm_user *vmm = calloc(1, sizeof(*vmm));
	u32 i;

	params = params ? params : &defaults;
	snprintf(id.name, sizeof(id.name), "user-%llx", guid);
	id.mac[0] = 2;
	put_unaligned_be32(guid, &id.mac[2]);
	vmm->hca = hca;
	vmm->linear = params->linear;
	vmm->threaded = params->threaded;
	vmm->idle = lanes_turn;
	pthread_mutex_init(&vmm->lock, NULL);
	spin_lock_init(&vmm->uar_lock);
	memory_init(vmm, params->memory ? params->memory : 64UL << 20);
	for (i = 0; i < VMM_USER_VECTORS; i++)
		vmm->irq[i] = vmm->threaded ? eventfd(0, EFD_CLOEXEC) : -1;
	vmm->inst = mhca_instance_create(&hca->hca, params->roce ? MHCA_ROCE : MHCA_IB, &id,
					 &user_ops, vmm);
	if (IS_ERR_OR_NULL(vmm->inst)) {
		memory_fini(vmm);
		free(vmm);
		return NULL;
	}
	mhca_instance_set_master(vmm->inst, true);
	if (vmm->threaded) {
		unpinner_start(vmm);
		worker_start(vmm);
	}
	return vmm;
}

struct mhca_instance *vmm_user_target(struct vmm_user *vmm, u64 guid)
{
	struct mhca_identity id = { .node_guid = guid, .port_guid = guid + 1 };
	struct mhca_instance *inst;

	snprintf(id.name, sizeof(id.name), "target-%llx", guid);
	id.mac[0] = 2;
	put_unaligned_be32(guid, &id.mac[2]);
	inst = mhca_instance_create(&vmm->hca->hca, vmm->inst->personality, &id, &user_ops, vmm);
	if (IS_ERR_OR_NULL(inst) || mhca_instance_run(inst, MHCA_RUN_NONE))
		shim_warn(__FILE__, __LINE__, "no target");
	mhca_instance_set_master(inst, true);
	return inst;
}

void vmm_user_switch(struct vmm_user *vmm, struct mhca_instance *to)
{
	struct mhca_instance *from = vmm->inst;

	spin_lock(&vmm->uar_lock);
	memset(vmm->uar_page, 0, sizeof(vmm->uar_page));
	vmm->inst = to;
	spin_unlock(&vmm->uar_lock);
	__atomic_store_n(&vmm->work_pending, 1, __ATOMIC_SEQ_CST);
	mhca_instance_destroy(from);
}

static void user_reset(struct vmm_user *vmm)
{
	if (vmm->threaded)
		worker_stop(vmm);
	mhca_instance_reset(vmm->inst);
	__atomic_store_n(&vmm->work_pending, 0, __ATOMIC_SEQ_CST);
	if (vmm->threaded)
		worker_start(vmm);
}

static void check_nothing_left(struct vmm_user *vmm)
{
	u32 kind;
	u32 i;

	if (vmm->pinned)
		shim_warn(__FILE__, __LINE__, "%lld pages are still pinned",
			  (long long)vmm->pinned);
	if (atomic64_read(&vmm->inst->gmem.pinned))
		shim_warn(__FILE__, __LINE__, "the core counts %lld pinned pages",
			  (long long)atomic64_read(&vmm->inst->gmem.pinned));
	for (kind = 0; kind < MHCA_OBJECT_KINDS; kind++)
		if (vmm->inst->object_count[kind])
			shim_warn(__FILE__, __LINE__, "%u objects of kind %s are left",
				  vmm->inst->object_count[kind], mhca_object_name(kind));
	for (i = 0; i < MHCA_UAR_END; i++)
		if (vmm->uar_page[i])
			shim_warn(__FILE__, __LINE__, "UAR %u is still mapped", i);
}

void vmm_user_destroy(struct vmm_user *vmm)
{
	u32 i;

	if (!vmm)
		return;
	if (vmm->threaded)
		worker_stop(vmm);
	mhca_instance_reset(vmm->inst);
	check_nothing_left(vmm);
	if (vmm->threaded)
		unpinner_stop(vmm);
	mhca_instance_destroy(vmm->inst);
	/* A task may be later than the instance. */
	vmm_user_return();
	for (i = 0; i < VMM_USER_VECTORS; i++)
		if (vmm->irq[i] >= 0)
			close(vmm->irq[i]);
	memory_fini(vmm);
	pthread_mutex_destroy(&vmm->lock);
	free(vmm);
}

static void set_holes(struct vmm_user *vmm, u64 iova, u64 len, bool hole)
{
	u64 at;

	for (at = iova; at < iova + len; at += PAGE_SIZE) {
		u64 page = (at - VMM_USER_IOVA) >> PAGE_SHIFT;

		if (at < VMM_USER_IOVA || page >= vmm->pages)
			continue;
		if (hole)
			set_bit(page, vmm->hole);
		else
			clear_bit(page, vmm->hole);
	}
}

static bool is_pinned(const struct vmm_user *vmm, u64 iova, u64 len)
{
	u64 at;

	for (at = iova; at < iova + len; at += PAGE_SIZE) {
		u64 page = (at - VMM_USER_IOVA) >> PAGE_SHIFT;

		if (at >= VMM_USER_IOVA && page < vmm->pages && vmm->pins[page])
			return true;
	}
	return false;
}

/* Under the container's lock: take the range away, if nobody has a pin in it. */
static bool try_unmap(struct vmm_user **vmms, u32 n, u64 iova, u64 len)
{
	bool pinned = false;
	u32 i;

	for (i = 0; i < n; i++) {
		pthread_mutex_lock(&vmms[i]->lock);
		pinned |= is_pinned(vmms[i], iova, len);
	}
	for (i = n; i-- > 0;) {
		if (!pinned)
			set_holes(vmms[i], iova, len, true);
		pthread_mutex_unlock(&vmms[i]->lock);
	}
	return !pinned;
}

/* How often type 1 of VFIO asks before it gives up, and the host with it. */
#define UNMAP_CALLS	11

void vmm_user_unmap_all(struct vmm_user **vmms, u32 n, u64 iova, u64 len)
{
	u32 calls;
	u32 i;

	for (calls = 0; !try_unmap(vmms, n, iova, len); calls++) {
		if (calls == UNMAP_CALLS)
			shim_warn(__FILE__, __LINE__, "pages still pinned after %u calls", calls);
		for (i = 0; i < n; i++)
			mhca_instance_dma_unmap(vmms[i]->inst, iova, len);
	}
	vmms[0]->unmap_calls = max(vmms[0]->unmap_calls, calls);
	vmm_user_return();
}

void vmm_user_unmap(struct vmm_user *vmm, u64 iova, u64 len)
{
	vmm_user_unmap_all(&vmm, 1, iova, len);
}

void vmm_user_map(struct vmm_user *vmm, u64 iova, u64 len)
{
	pthread_mutex_lock(&vmm->lock);
	set_holes(vmm, iova, len, false);
	pthread_mutex_unlock(&vmm->lock);
}

/* ---- The client's side ----------------------------------------------- */

static void *client_alloc(void *backend, size_t len)
{
	struct vmm_user *vmm = backend;
	u64 n = len / PAGE_SIZE;
	u64 run = 0;
	u64 i;
	u64 seen;
	void *va = NULL;

	pthread_mutex_lock(&vmm->lock);
	for (seen = 0, i = vmm->next_alloc; seen < vmm->pages * 2 && n; seen++, i++) {
		if (i == vmm->pages) {
			i = 0;
			run = 0;
		}
		run = test_bit(i, vmm->used) ? 0 : run + 1;
		if (run < n)
			continue;
		vmm->next_alloc = (i + 1) % vmm->pages;
		va = vmm->guest + (i + 1 - n) * PAGE_SIZE;
		for (; run; run--, i--)
			set_bit(i, vmm->used);
		memset(va, 0, len);
		break;
	}
	pthread_mutex_unlock(&vmm->lock);
	return va;
}

static void client_free(void *backend, void *va, size_t len)
{
	struct vmm_user *vmm = backend;
	u64 first = (u64)((u8 *)va - vmm->guest) / PAGE_SIZE;
	u64 i;

	pthread_mutex_lock(&vmm->lock);
	for (i = first; i < first + len / PAGE_SIZE; i++)
		clear_bit(i, vmm->used);
	pthread_mutex_unlock(&vmm->lock);
}

static u64 ops_iova(void *backend, const void *va)
{
	return vmm_user_iova(backend, va);
}

static u32 iseg_read(void *backend, u32 offset)
{
	struct vmm_user *vmm = backend;
	__be32 word;

	mhca_iseg_read(vmm->inst, offset, &word, sizeof(word));
	return be32_to_cpu(word);
}

static void iseg_write(void *backend, u32 offset, u32 value)
{
	struct vmm_user *vmm = backend;
	__be32 word = cpu_to_be32(value);

	mhca_iseg_write(vmm->inst, offset, &word, sizeof(word));
}

/* What the page fault handler does. false: no such page (SIGBUS). */
static bool uar_fault(struct vmm_user *vmm, u32 index)
{
	const struct mhca_hca_ops *ops = vmm->inst->hca->ops;
	struct mhca_doorbell doorbell = { 0 };
	bool found;

	spin_lock(&vmm->uar_lock);
	found = ops->doorbell(vmm->inst, index, &doorbell);
	if (found) {
		ops->doorbell_touched(vmm->inst, index);
		vmm->uar_page[index] = doorbell.kva;
		__atomic_add_fetch(&vmm->faults, 1, __ATOMIC_RELAXED);
	}
	spin_unlock(&vmm->uar_lock);
	return found;
}

/* Returns with uar_lock held when the page is mapped. */
static void *uar_lock_mapped(struct vmm_user *vmm, u32 index)
{
	for (;;) {
		spin_lock(&vmm->uar_lock);
		if (vmm->uar_page[index])
			return vmm->uar_page[index];
		spin_unlock(&vmm->uar_lock);
		if (!uar_fault(vmm, index))
			return NULL;
	}
}

static void uar_write32(void *backend, u32 index, u32 offset, __be32 value)
{
	struct vmm_user *vmm = backend;
	u8 *page = uar_lock_mapped(vmm, index);

	if (!page)
		return;
	__atomic_store_n((__be32 *)(page + offset), value, __ATOMIC_RELEASE);
	spin_unlock(&vmm->uar_lock);
}

static void uar_write64(void *backend, u32 index, u32 offset, __be64 value)
{
	struct vmm_user *vmm = backend;
	u8 *page = uar_lock_mapped(vmm, index);

	if (!page)
		return;
	__atomic_store_n((__be64 *)(page + offset), value, __ATOMIC_RELEASE);
	spin_unlock(&vmm->uar_lock);
}

static void progress(void *backend)
{
	struct vmm_user *vmm = backend;

	if (vmm->threaded) {
		sched_yield();
		return;
	}
	vmm_user_work(vmm);
	vmm->idle(vmm->hca);
}

static int irq_wait(void *backend, u32 vector, int timeout_ms)
{
	struct vmm_user *vmm = backend;
	struct pollfd fd = { .fd = vmm->irq[vector], .events = POLLIN };
	u64 raised;
	u64 count;

	if (vmm->threaded) {
		if (poll(&fd, 1, timeout_ms) <= 0)
			return 0;
		return read(fd.fd, &count, sizeof(count)) == sizeof(count);
	}
	progress(backend);
	raised = __atomic_load_n(&vmm->raised[vector], __ATOMIC_ACQUIRE);
	if (raised == vmm->taken[vector])
		return 0;
	vmm->taken[vector] = raised;
	return 1;
}

static int irq_fd(void *backend, u32 vector)
{
	struct vmm_user *vmm = backend;

	return vector < VMM_USER_VECTORS ? vmm->irq[vector] : -1;
}

static u32 irq_count(void *backend)
{
	(void)backend;
	return VMM_USER_VECTORS;
}

static int reset(void *backend)
{
	user_reset(backend);
	return 0;
}

static void close_nothing(void *backend)
{
	(void)backend;
}

const struct client_ops vmm_user_client_ops = {
	.name = "user",
	.alloc = client_alloc,
	.free = client_free,
	.iova = ops_iova,
	.iseg_read = iseg_read,
	.iseg_write = iseg_write,
	.uar_write32 = uar_write32,
	.uar_write64 = uar_write64,
	.irq_wait = irq_wait,
	.irq_count = irq_count,
	.irq_fd = irq_fd,
	.progress = progress,
	.reset = reset,
	.close = close_nothing,
};
