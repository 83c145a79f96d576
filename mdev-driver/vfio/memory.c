// SPDX-License-Identifier: GPL-2.0-only
/*
 * Guest memory through VFIO: pins in batches, copies for the control path.
 *
 * All of these take the container's lock and the monitor's mmap_lock: they are
 * called in process context with no lock that the dma_unmap callback or the
 * page fault handler takes.
 */
#include <linux/capability.h>
#include <linux/iommu.h>
#include <linux/ratelimit.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

#include "frontend.h"

static_assert(PAGE_SIZE == MHCA_PAGE_SIZE,
	      "UAR pages and page lists are made of 4 KiB pages, the host's must be too");

#define MHCA_PIN_BATCH	(PAGE_SIZE / sizeof(struct page *))

/*
 * Sum and place of a range. BAR0 is mapped into the container as well, but is no
 * memory: a doorbell must not become the target of a message.
 */
static bool mhca_memory_valid(struct mhca_vdev *v, u64 iova, u64 bytes)
{
	u64 bar = READ_ONCE(v->bar);

	if (!bytes || iova > U64_MAX - (bytes - 1))
		return false;
	if (bar == ~0ULL)
		return true;
	if (iova < bar)
		return bytes <= bar - iova;
	return iova - bar >= MHCA_BAR_SIZE;
}

/* A failed pin: was it the limit of locked memory? */
static int mhca_memory_pin_error(struct mhca_vdev *v, u64 npages, int error)
{
	const struct mhca_open *open = v->open;
	unsigned long limit;
	u64 pinned;

	if (error != -ENOMEM || open->memlock_free)
		return error;
	limit = task_rlimit(open->opener, RLIMIT_MEMLOCK);
	if (limit == RLIM_INFINITY)
		return error;
	pinned = atomic64_read(&v->inst->gmem.pinned);
	mhca_warn(v->inst,
		  "RLIMIT_MEMLOCK of pid %d reached: asked for %llu bytes, holds %llu, limit %lu\n",
		  task_pid_nr(open->opener), npages << PAGE_SHIFT, pinned << PAGE_SHIFT, limit);
	return -EDQUOT;
}

static void mhca_memory_unpin_range(struct mhca_vdev *v, u64 iova, u64 npages)
{
	while (npages) {
		u64 n = min_t(u64, npages, MHCA_PIN_BATCH);

		vfio_unpin_pages(&v->vdev, iova, n);
		iova += n << PAGE_SHIFT;
		npages -= n;
		cond_resched();
	}
}

/**
 * mhca_memory_pin() - &struct mhca_vmm_ops.pin
 * @vmm: device
 * @iova: guest-physical address, a multiple of the page size
 * @npages: pages
 * @write: for writing as well
 * @kva: out: host address of each page
 *
 * Only work calls this. Return: 0; -EDQUOT: limit of locked memory; -ENOMEM;
 * -ECANCELED: the device is being reset; -EPERM: mapped read-only; -EFAULT: guest memory
 * that cannot be pinned (VFIO pins for long, which files of most file systems do not
 * allow); others: no guest memory.
 */
int mhca_memory_pin(void *vmm, u64 iova, u64 npages, bool write, void **kva)
{
	int prot = IOMMU_READ | (write ? IOMMU_WRITE : 0);
	struct mhca_vdev *v = vmm;
	struct page **pages;
	u64 done = 0;
	int ret = 0;
	int i;

	if (npages > U64_MAX >> PAGE_SHIFT || iova & ~PAGE_MASK ||
	    !mhca_memory_valid(v, iova, npages << PAGE_SHIFT))
		return -EINVAL;
	if (mhca_fail_now())
		return -ENOMEM;
	pages = (struct page **)__get_free_page(GFP_KERNEL);
	if (!pages)
		return -ENOMEM;

	while (done < npages) {
		int n = min_t(u64, npages - done, MHCA_PIN_BATCH);

		/* A reset or close waits for the command that this is part of. */
		ret = mhca_work_begin_wait(v);
		if (ret)
			break;
		ret = vfio_pin_pages(&v->vdev, iova + (done << PAGE_SHIFT), n, prot, pages);
		mhca_work_end_wait(v);
		if (ret <= 0)
			break;
		for (i = 0; i < ret; i++)
			kva[done + i] = page_address(pages[i]);
		done += ret;
		if (ret < n)
			break;
		cond_resched();
	}
	free_page((unsigned long)pages);
	if (done == npages)
		return 0;

	mhca_memory_unpin_range(v, iova, done);
	return ret < 0 ? mhca_memory_pin_error(v, npages, ret) : -EINVAL;
}

/**
 * mhca_memory_unpin() - &struct mhca_vmm_ops.unpin
 * @vmm: device
 * @iova: guest-physical address
 * @npages: pages
 */
void mhca_memory_unpin(void *vmm, u64 iova, u64 npages)
{
	mhca_memory_unpin_range(vmm, iova, npages);
}

static int mhca_memory_rw(struct mhca_vdev *v, u64 iova, void *buf, size_t len, bool write)
{
	int ret;

	if (!len)
		return 0;
	if (!mhca_memory_valid(v, iova, len))
		return -EFAULT;
	ret = mhca_work_begin_wait(v);
	if (ret)
		return ret;
	ret = vfio_dma_rw(&v->vdev, iova, buf, len, write);
	mhca_work_end_wait(v);
	return ret ? -EFAULT : 0;
}

/**
 * mhca_memory_read() - &struct mhca_vmm_ops.read
 * @vmm: device
 * @iova: guest-physical address
 * @buf: where to
 * @len: bytes
 *
 * Return: 0, -EFAULT, or -ECANCELED: the device is being reset.
 */
int mhca_memory_read(void *vmm, u64 iova, void *buf, size_t len)
{
	return mhca_memory_rw(vmm, iova, buf, len, false);
}

/**
 * mhca_memory_write() - &struct mhca_vmm_ops.write
 * @vmm: device
 * @iova: guest-physical address
 * @buf: where from
 * @len: bytes
 *
 * Return: 0, -EFAULT, or -ECANCELED: the device is being reset.
 */
int mhca_memory_write(void *vmm, u64 iova, const void *buf, size_t len)
{
	return mhca_memory_rw(vmm, iova, (void *)buf, len, true);
}
