// SPDX-License-Identifier: GPL-2.0-only
/*
 * BAR0: initialization segment and MSI-X page trap, UAR pages are mapped into
 * the guest by page fault.
 *
 * A fault looks the page up, tells the backend and maps it, all under map_lock;
 * a zap takes the same lock. So after a zap no mapping appears that the backend
 * does not know of, and a UAR page that is gone (first not findable any more, then
 * zapped, then freed) is in use by nobody.
 */
#include <linux/io.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "compat.h"
#include "frontend.h"

/* ---- UAR pages -------------------------------------------------------- */

/* map_lock held. false: no such UAR. */
static bool mhca_uar_lookup(struct mhca_open *open, u32 index, struct mhca_doorbell *doorbell)
{
	struct mhca_instance *inst = open->v->inst;

	lockdep_assert_held(&open->map_lock);
	return inst->hca->ops->doorbell(inst, index, doorbell);
}

static void mhca_uar_load(const void *from, void *to, u32 len)
{
	switch (len) {
	case 4:
		put_unaligned(READ_ONCE(*(const u32 *)from), (u32 *)to);
		break;
	case 8:
		put_unaligned(READ_ONCE(*(const u64 *)from), (u64 *)to);
		break;
	default:
		memcpy(to, from, len);
	}
}

/* A doorbell register is written at once or not at all. */
static void mhca_uar_store(void *to, const void *from, u32 len)
{
	switch (len) {
	case 4:
		WRITE_ONCE(*(u32 *)to, get_unaligned((const u32 *)from));
		break;
	case 8:
		WRITE_ONCE(*(u64 *)to, get_unaligned((const u64 *)from));
		break;
	default:
		memcpy(to, from, len);
	}
}

/* The adapter's page, for a trapped access (slow, but then it is a trap). */
static void mhca_uar_adapter(unsigned long pfn, u32 in_page, void *buf, u32 len, bool write)
{
	void __iomem *io = ioremap(PFN_PHYS(pfn), PAGE_SIZE);

	if (!io)
		return;
	if (!write)
		memcpy_fromio(buf, io + in_page, len);
	else if (len == 8)
		__raw_writeq(get_unaligned((u64 *)buf), io + in_page);
	else if (len == 4)
		__raw_writel(get_unaligned((u32 *)buf), io + in_page);
	else
		memcpy_toio(io + in_page, buf, len);
	iounmap(io);
}

/* A trapped access of 1, 2, 4 or 8 aligned bytes to the UAR range. */
static void mhca_uar_access(struct mhca_vdev *v, u32 offset, void *buf, u32 len, bool write)
{
	u32 index = offset >> MHCA_PAGE_SHIFT;
	u32 in_page = offset & (MHCA_PAGE_SIZE - 1);
	struct mhca_doorbell doorbell = { };
	struct mhca_open *open = v->open;

	mhca_count(v->inst, traps);
	mutex_lock(&open->map_lock);
	if (!mhca_uar_lookup(open, index, &doorbell)) {
		if (!write)
			memset(buf, 0, len);
	} else if (!doorbell.kva) {
		mhca_uar_adapter(doorbell.pfn, in_page, buf, len, write);
	} else if (write) {
		mhca_uar_store(doorbell.kva + in_page, buf, len);
		v->inst->hca->ops->doorbell_touched(v->inst, index);
	} else {
		mhca_uar_load(doorbell.kva + in_page, buf, len);
	}
	mutex_unlock(&open->map_lock);
}

/* ---- Trapped accesses ------------------------------------------------- */

static void mhca_bar_access(struct mhca_vdev *v, u32 offset, void *buf, u32 len, bool write)
{
	if (offset >= MHCA_BAR_UAR_START) {
		mhca_uar_access(v, offset, buf, len, write);
	} else if (offset < MHCA_ISEG_SIZE) {
		if (write)
			mhca_iseg_write(v->inst, offset, buf, len);
		else
			mhca_iseg_read(v->inst, offset, buf, len);
	} else if (!write) {
		/* MSI-X lives in the monitor, the rest is reserved. */
		memset(buf, 0, len);
	}
}

static u64 mhca_region_size(u32 index)
{
	switch (index) {
	case VFIO_PCI_BAR0_REGION_INDEX:
		return MHCA_BAR_SIZE;
	case VFIO_PCI_CONFIG_REGION_INDEX:
		return MHCA_CONFIG_SIZE;
	default:
		return 0;
	}
}

/* The longest naturally aligned access at @offset. */
static u32 mhca_access_size(u32 offset, size_t left)
{
	u32 size = 8;

	while (size > left || offset & (size - 1))
		size >>= 1;
	return size;
}

static void mhca_region_access(struct mhca_vdev *v, u32 region, u32 offset, void *buf,
			       u32 len, bool write)
{
	if (unlikely(READ_ONCE(v->open->revoked))) {
		if (!write)
			memset(buf, 0xff, len);
		return;
	}
	if (region == VFIO_PCI_BAR0_REGION_INDEX)
		mhca_bar_access(v, offset, buf, len, write);
	else if (write)
		mhca_config_write(v, offset, buf, len);
	else
		mhca_config_read(v, offset, buf, len);
}

/* Bounds of a read or write: 0 or -EINVAL. */
static int mhca_region_check(loff_t pos, size_t count, u32 *region, u32 *offset)
{
	u64 at = pos & MHCA_REGION_MASK;
	u64 size;

	if (pos < 0 || pos >> MHCA_REGION_SHIFT >= VFIO_PCI_NUM_REGIONS)
		return -EINVAL;
	*region = pos >> MHCA_REGION_SHIFT;
	size = mhca_region_size(*region);
	if (at >= size || count > size - at)
		return -EINVAL;
	*offset = at;
	return 0;
}

/**
 * mhca_region_read() - read(2) on the device
 * @v: device
 * @buf: where to
 * @count: bytes
 * @ppos: region and offset; advanced
 *
 * Return: @count or a negative errno.
 */
ssize_t mhca_region_read(struct mhca_vdev *v, char __user *buf, size_t count, loff_t *ppos)
{
	u32 region, offset, len;
	size_t done;
	u8 data[8];
	int ret;

	ret = mhca_region_check(*ppos, count, &region, &offset);
	if (ret)
		return ret;
	for (done = 0; done < count; done += len) {
		len = mhca_access_size(offset + done, count - done);
		mhca_region_access(v, region, offset + done, data, len, false);
		if (copy_to_user(buf + done, data, len))
			return -EFAULT;
		cond_resched();
	}
	*ppos += done;
	return done;
}

/**
 * mhca_region_write() - write(2) on the device
 * @v: device
 * @buf: where from
 * @count: bytes
 * @ppos: region and offset; advanced
 *
 * Return: @count or a negative errno.
 */
ssize_t mhca_region_write(struct mhca_vdev *v, const char __user *buf, size_t count,
			  loff_t *ppos)
{
	u32 region, offset, len;
	size_t done;
	u8 data[8];
	int ret;

	ret = mhca_region_check(*ppos, count, &region, &offset);
	if (ret)
		return ret;
	for (done = 0; done < count; done += len) {
		len = mhca_access_size(offset + done, count - done);
		if (copy_from_user(data, buf + done, len))
			return -EFAULT;
		mhca_region_access(v, region, offset + done, data, len, true);
		cond_resched();
	}
	*ppos += done;
	return done;
}

/* ---- Region info ------------------------------------------------------ */

/* Policy: every doorbell leaves the guest. It does not change while the device is open. */
static bool mhca_doorbells_trap(const struct mhca_vdev *v)
{
	return v->inst->policy.value[MHCA_POLICY_DOORBELL] == MHCA_DOORBELL_TRAP;
}

/**
 * mhca_region_info() - VFIO_DEVICE_GET_REGION_INFO
 * @vdev: device
 * @info: index in, the rest out
 * @caps: capability chain: where BAR0 may be mapped
 *
 * Return: 0 or a negative errno.
 */
int mhca_region_info(struct vfio_device *vdev, struct vfio_region_info *info,
		     struct vfio_info_cap *caps)
{
	struct {
		struct vfio_region_info_cap_sparse_mmap cap;
		struct vfio_region_sparse_mmap_area area;
	} sparse = {
		.cap.header.id = VFIO_REGION_INFO_CAP_SPARSE_MMAP,
		.cap.header.version = 1,
		.cap.nr_areas = 1,
		.area.offset = MHCA_BAR_UAR_START,
		.area.size = MHCA_BAR_SIZE - MHCA_BAR_UAR_START,
	};
	const struct mhca_vdev *v = to_mhca_vdev(vdev);

	if (info->index >= VFIO_PCI_NUM_REGIONS)
		return -EINVAL;
	info->offset = (u64)info->index << MHCA_REGION_SHIFT;
	info->size = mhca_region_size(info->index);
	info->flags = 0;
	if (info->size)
		info->flags = VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE;
	if (info->index != VFIO_PCI_BAR0_REGION_INDEX)
		return 0;
	if (mhca_doorbells_trap(v))
		return 0;
	info->flags |= VFIO_REGION_INFO_FLAG_MMAP;
	return vfio_info_add_capability(caps, &sparse.cap.header, sizeof(sparse));
}

/* ---- Mappings --------------------------------------------------------- */

static bool mhca_adapter_doorbells(const struct mhca_vdev *v)
{
	return v->inst->hca->ops->adapter_doorbells;
}

/* map_lock held. */
static vm_fault_t mhca_region_map(struct mhca_open *open, struct vm_fault *vmf, u32 index)
{
	struct mhca_doorbell doorbell = { };
	struct page *page = open->scratch;
	struct mhca_vdev *v = open->v;
	int ret;

	/* The VMA may be older than what has the device open now. */
	if (!v)
		return VM_FAULT_SIGBUS;
	if (mhca_uar_lookup(open, index, &doorbell)) {
		mhca_count(v->inst, doorbell_faults);
		trace_mhca_doorbell_fault(v->inst->id.name, index);
		v->inst->hca->ops->doorbell_touched(v->inst, index);
		if (doorbell.kva)
			page = virt_to_page(doorbell.kva);
	} else {
		doorbell.pfn = page_to_pfn(page);
	}
	if (mhca_adapter_doorbells(v))
		return vmf_insert_pfn(vmf->vma, vmf->address, doorbell.pfn);

	ret = vm_insert_page(vmf->vma, vmf->address & PAGE_MASK, page);
	/* -EBUSY: another vCPU was faster. */
	if (ret && ret != -EBUSY)
		return vmf_error(ret);
	return VM_FAULT_NOPAGE;
}

/*
 * All VMAs are counted, since a zap looks at each. A copy that fork() or mremap() makes
 * cannot be refused: over the limit it is marked, and faults for ever. The mark is in the
 * lowest bit of vm_private_data, beside the opening.
 */
#define MHCA_VMA_REFUSED	1UL

static struct mhca_open *mhca_vma_open(const struct vm_area_struct *vma)
{
	return (struct mhca_open *)((unsigned long)vma->vm_private_data & ~MHCA_VMA_REFUSED);
}

static bool mhca_vma_refused(const struct vm_area_struct *vma)
{
	return (unsigned long)vma->vm_private_data & MHCA_VMA_REFUSED;
}

/* Runs under the monitor's mmap_lock. */
static vm_fault_t mhca_region_fault(struct vm_fault *vmf)
{
	struct mhca_open *open = mhca_vma_open(vmf->vma);
	u64 index = vmf->pgoff & (MHCA_REGION_MASK >> PAGE_SHIFT);
	vm_fault_t ret;

	if (mhca_vma_refused(vmf->vma) || index < MHCA_UAR_FIRST || index >= MHCA_UAR_END)
		return VM_FAULT_SIGBUS;
	mutex_lock(&open->map_lock);
	ret = mhca_region_map(open, vmf, index);
	mutex_unlock(&open->map_lock);
	return ret;
}

static void mhca_region_vma_open(struct vm_area_struct *vma)
{
	struct mhca_open *open = mhca_vma_open(vma);
	unsigned long refused = 0;

	if (atomic_inc_return(&open->vmas) > MHCA_VMAS_MAX)
		refused = MHCA_VMA_REFUSED;
	vma->vm_private_data = (void *)((unsigned long)open | refused);
}

static void mhca_region_vma_close(struct vm_area_struct *vma)
{
	atomic_dec(&mhca_vma_open(vma)->vmas);
}

static int mhca_region_vma_split(struct vm_area_struct *vma, unsigned long addr)
{
	return atomic_read(&mhca_vma_open(vma)->vmas) < MHCA_VMAS_MAX ? 0 : -ENOSPC;
}

static const struct vm_operations_struct mhca_region_vm_ops = {
	.open = mhca_region_vma_open,
	.close = mhca_region_vma_close,
	.may_split = mhca_region_vma_split,
	.fault = mhca_region_fault,
};

/**
 * mhca_region_mmap() - mmap(2) on the device
 * @v: device
 * @vma: must lie in BAR0's UAR range and be shared; nothing when doorbells trap
 *
 * Return: 0, -EINVAL, or -ENOSPC: there are MHCA_VMAS_MAX of them.
 */
int mhca_region_mmap(struct mhca_vdev *v, struct vm_area_struct *vma)
{
	struct mhca_open *open = v->open;
	u64 first = vma->vm_pgoff & (MHCA_REGION_MASK >> PAGE_SHIFT);

	if (vma->vm_pgoff >> (MHCA_REGION_SHIFT - PAGE_SHIFT) != VFIO_PCI_BAR0_REGION_INDEX)
		return -EINVAL;
	if (!(vma->vm_flags & VM_SHARED) || mhca_doorbells_trap(v))
		return -EINVAL;
	if (first < MHCA_UAR_FIRST || first >= MHCA_UAR_END ||
	    vma_pages(vma) > MHCA_UAR_END - first)
		return -EINVAL;

	if (atomic_inc_return(&open->vmas) > MHCA_VMAS_MAX) {
		atomic_dec(&open->vmas);
		return -ENOSPC;
	}

	/* A child of the monitor has no use for it; its copy would be one more to zap. */
	mhca_vm_flags_set(vma, VM_DONTEXPAND | VM_DONTDUMP | VM_DONTCOPY);
	if (mhca_adapter_doorbells(v)) {
		mhca_vm_flags_set(vma, VM_IO | VM_PFNMAP | VM_ALLOW_ANY_UNCACHED);
		vma->vm_page_prot = pgprot_noncached(vma->vm_page_prot);
	} else {
		mhca_vm_flags_set(vma, VM_MIXEDMAP);
	}
	mhca_vma_set_file(vma, open->mapping_file);
	vma->vm_private_data = open;
	vma->vm_ops = &mhca_region_vm_ops;
	return 0;
}

/* map_lock held: on return nothing of the range is mapped. */
static void mhca_region_unmap(struct mhca_open *open, u64 offset, u64 len)
{
	lockdep_assert_held(&open->map_lock);
	unmap_mapping_range(mhca_mapping(&open->v->vdev, open->mapping_file), offset, len, true);
}

static void mhca_region_unmap_uar(struct mhca_open *open, u32 index)
{
	struct mhca_instance *inst = open->v->inst;

	mhca_count(inst, doorbell_zaps);
	trace_mhca_doorbell_zap(inst->id.name, index);
	mhca_region_unmap(open, (u64)index << MHCA_PAGE_SHIFT, PAGE_SIZE);
}

/**
 * mhca_region_zap() - &struct mhca_vmm_ops.zap
 * @vmm: device
 * @index: UAR index
 *
 * Sleeps. A store of the guest that is not visible on return will fault. Called by the
 * device's work, or under its lock.
 */
void mhca_region_zap(void *vmm, u32 index)
{
	struct mhca_vdev *v = vmm;
	struct mhca_open *open = v->open;

	/* Closing unmaps everything at once. */
	if (!open)
		return;
	mutex_lock(&open->map_lock);
	if (open->v)
		mhca_region_unmap_uar(open, index);
	mutex_unlock(&open->map_lock);
}

/**
 * mhca_region_zap_async() - &struct mhca_vmm_ops.zap_async
 * @vmm: device
 * @index: UAR index
 *
 * Any context. While the zap waits for its turn the page is what it was; a fault on it
 * changes nothing.
 */
void mhca_region_zap_async(void *vmm, u32 index)
{
	struct mhca_vdev *v = vmm;

	if (WARN_ON_ONCE(index >= MHCA_UAR_END))
		return;
	set_bit(index, v->zaps);
	queue_work(v->side, &v->zap_work);
}

/**
 * mhca_region_zap_run() - unmap what mhca_region_zap_async() was told
 * @work: of a device
 *
 * The backend is told under map_lock, which every fault takes: what it heard last is
 * how things are. Who closed the device has no mapping left, and no UAR.
 */
void mhca_region_zap_run(struct work_struct *work)
{
	struct mhca_vdev *v = container_of(work, struct mhca_vdev, zap_work);
	struct mhca_open *open = mhca_open_get(v);
	u32 index;

	for_each_set_bit(index, v->zaps, MHCA_UAR_END) {
		clear_bit(index, v->zaps);
		if (!open)
			continue;
		mutex_lock(&open->map_lock);
		if (open->v) {
			mhca_region_unmap_uar(open, index);
			v->inst->hca->ops->doorbell_zapped(v->inst, index);
		}
		mutex_unlock(&open->map_lock);
		cond_resched();
	}
	if (open)
		mhca_open_put(open);
}

/**
 * mhca_region_clear() - unmap all of BAR0 and forget what the guest stored
 * @v: device, v->lock held
 */
void mhca_region_clear(struct mhca_vdev *v)
{
	struct mhca_open *open = v->open;

	lockdep_assert_held(&v->lock);
	if (!open)
		return;
	mutex_lock(&open->map_lock);
	if (open->v) {
		mhca_region_unmap(open, MHCA_BAR_UAR_START, MHCA_BAR_SIZE - MHCA_BAR_UAR_START);
		clear_page(page_address(open->scratch));
	}
	mutex_unlock(&open->map_lock);
}

/**
 * mhca_region_retire() - no mapping of an opening shows anything from now on
 * @open: its device is being closed
 */
void mhca_region_retire(struct mhca_open *open)
{
	mutex_lock(&open->map_lock);
	mhca_region_unmap(open, MHCA_BAR_UAR_START, MHCA_BAR_SIZE - MHCA_BAR_UAR_START);
	open->v = NULL;
	mutex_unlock(&open->map_lock);
}
