// SPDX-License-Identifier: GPL-2.0-only
/*
 * Guest memory: files that the client passes, mapped here. A pin is an address in such a
 * mapping, which stays until the client unmaps it; the core has let go of all pins in a
 * range before the mapping goes.
 *
 * Files are memory (memfd, tmpfs, hugetlbfs): a lane that touches a page of any other file
 * system would wait for whoever serves that.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/vfio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "server.h"

/*
 * Memory without a file: ROMs, video memory and device memory are harmless, a guest has
 * no reason to name them. More than this is the guest's RAM.
 */
#define MHCAD_PRIVATE_MAX	(64ULL << 20)

/* ---- Finding ----------------------------------------------------------- */

/* Index of the first map that ends behind @iova; memory->lock. */
static u32 mhcad_map_after(const struct mhcad_memory *memory, u64 iova)
{
	u32 low = 0, high = memory->n, middle;

	while (low < high) {
		middle = (low + high) / 2;
		if (memory->map[middle].iova + (memory->map[middle].size - 1) < iova)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* The map of @iova, how much of it follows: memory->lock. NULL: none. */
static const struct mhcad_map *mhcad_map_at(struct mhcad_memory *memory, u64 iova, u64 *left)
{
	u32 i = mhcad_map_after(memory, iova);
	const struct mhcad_map *map = &memory->map[i];

	if (i == memory->n || iova < map->iova)
		return NULL;
	*left = map->size - (iova - map->iova);
	return map;
}

/* ---- Changing ---------------------------------------------------------- */

/* 0: @fd is memory, *@page the size of its pages. */
static int mhcad_file_check(int fd, u64 offset, u64 size, u64 *page)
{
	struct statfs fs;
	struct stat st;

	if (fstat(fd, &st) || fstatfs(fd, &fs))
		return -EBADF;
	if (!S_ISREG(st.st_mode) || (fs.f_type != TMPFS_MAGIC && fs.f_type != HUGETLBFS_MAGIC))
		return -EMEDIUMTYPE;
	if (offset > (u64)st.st_size || size > (u64)st.st_size - offset)
		return -ERANGE;
	*page = fs.f_type == HUGETLBFS_MAGIC ? (u64)fs.f_bsize : PAGE_SIZE;
	return is_power_of_2(*page) && *page >= PAGE_SIZE ? 0 : -EINVAL;
}

/* Whole pages of the file around the range; -errno. */
static int mhcad_file_map(struct mhcad_device *dev, struct mhcad_map *map, u64 offset, int fd)
{
	int prot = PROT_READ | (map->write ? PROT_WRITE : 0);
	u64 page, first;
	int ret;

	ret = mhcad_file_check(fd, offset, map->size, &page);
	if (ret)
		return ret;
	first = offset & ~(page - 1);
	map->length = ((offset + map->size + page - 1) & ~(page - 1)) - first;
	map->base = mmap(NULL, map->length, prot, MAP_SHARED | MAP_NORESERVE, fd, (off_t)first);
	if (map->base == MAP_FAILED)
		return -errno;
	/* Not into a core file, nor into a child. */
	madvise(map->base, map->length, MADV_DONTDUMP);
	madvise(map->base, map->length, MADV_DONTFORK);
	ret = mhcad_fault_watch(dev, map->base, map->length, &map->watch);
	if (ret) {
		munmap(map->base, map->length);
		return ret;
	}
	map->va = (u8 *)map->base + (offset - first);
	return 0;
}

static void mhcad_map_drop(struct mhcad_map *map)
{
	if (!map->va)
		return;
	mhcad_fault_forget(map->watch);
	munmap(map->base, map->length);
}

static int mhcad_map_refused(struct mhcad_device *dev, const struct vfio_user_dma_map *want,
			     int error)
{
	if (error == -EMEDIUMTYPE)
		mhcad_log(dev, "guest memory at 0x%llx is a file that is no memory: use "
			  "-object memory-backend-memfd,share=on (or a file on tmpfs or "
			  "hugetlbfs)\n", want->iova);
	else
		mhcad_log(dev, "guest memory at 0x%llx, 0x%llx bytes, cannot be mapped: %s\n",
			  want->iova, want->size, strerror(-error));
	return error == -EMEDIUMTYPE ? -EINVAL : error;
}

static int mhcad_map_private(struct mhcad_device *dev, const struct vfio_user_dma_map *want)
{
	if (want->size <= MHCAD_PRIVATE_MAX)
		return 0;
	mhcad_log(dev, "guest memory at 0x%llx is not shared: start QEMU with -object "
		  "memory-backend-memfd,id=mem,size=SIZE,share=on -machine memory-backend=mem\n",
		  want->iova);
	return -EINVAL;
}

/* memory->lock for writing */
static int mhcad_map_insert(struct mhcad_memory *memory, const struct mhcad_map *map)
{
	u32 i = mhcad_map_after(memory, map->iova);

	if (i < memory->n && memory->map[i].iova <= map->iova + (map->size - 1))
		return -EEXIST;
	if (memory->n == MHCAD_MAX_MAPS)
		return -ENOSPC;
	memmove(&memory->map[i + 1], &memory->map[i], (memory->n - i) * sizeof(*map));
	memory->map[i] = *map;
	memory->n++;
	return 0;
}

/**
 * mhcad_memory_map() - DMA_MAP
 * @dev: device; its thread
 * @want: what the client says
 * @fd: file, stays the caller's; -1: none
 *
 * Return: 0; -EINVAL; -EEXIST: some of it is mapped; -ENOSPC: too many; others: why the
 * file cannot be mapped.
 */
int mhcad_memory_map(struct mhcad_device *dev, const struct vfio_user_dma_map *want, int fd)
{
	struct mhcad_map map = {
		.iova = want->iova,
		.size = want->size,
		.write = want->flags & VFIO_DMA_MAP_FLAG_WRITE,
	};
	int ret;

	if (!want->size || (want->iova | want->size | want->offset) & (PAGE_SIZE - 1) ||
	    want->iova > U64_MAX - (want->size - 1) ||
	    want->flags & ~(VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE))
		return -EINVAL;
	if (fd < 0)
		ret = mhcad_map_private(dev, want);
	else
		ret = mhcad_file_map(dev, &map, want->offset, fd);
	if (ret)
		return fd < 0 ? ret : mhcad_map_refused(dev, want, ret);
	pthread_rwlock_wrlock(&dev->memory.lock);
	ret = mhcad_map_insert(&dev->memory, &map);
	pthread_rwlock_unlock(&dev->memory.lock);
	if (ret)
		mhcad_map_drop(&map);
	return ret;
}

/* Maps [*@first, *@last) lie in the range; -EINVAL: it cuts one. memory->lock. */
static int mhcad_map_range(const struct mhcad_memory *memory, u64 iova, u64 size, u32 *first,
			   u32 *last)
{
	u64 end = iova + (size - 1);
	const struct mhcad_map *map;
	u32 i;

	*first = i = mhcad_map_after(memory, iova);
	for (; i < memory->n && memory->map[i].iova <= end; i++) {
		map = &memory->map[i];
		if (map->iova < iova || map->iova + (map->size - 1) > end)
			return -EINVAL;
	}
	*last = i;
	return 0;
}

/**
 * mhcad_memory_unmap() - DMA_UNMAP
 * @dev: device; its thread
 * @iova: guest-physical address
 * @size: bytes; whole maps
 * @unmapped: bytes that there were
 *
 * On return nothing touches them. Return: 0 or -EINVAL.
 */
int mhcad_memory_unmap(struct mhcad_device *dev, u64 iova, u64 size, u64 *unmapped)
{
	struct mhcad_memory *memory = &dev->memory;
	u32 first, last, i;
	int ret;

	*unmapped = 0;
	if (!size || iova > U64_MAX - (size - 1))
		return -EINVAL;
	/* Only this thread changes them. */
	ret = mhcad_map_range(memory, iova, size, &first, &last);
	if (ret || first == last)
		return ret;
	while (!mhca_instance_dma_unmap(dev->inst, iova, size))
		;
	pthread_rwlock_wrlock(&memory->lock);
	for (i = first; i < last; i++) {
		*unmapped += memory->map[i].size;
		mhcad_map_drop(&memory->map[i]);
	}
	memmove(&memory->map[first], &memory->map[last],
		(memory->n - last) * sizeof(*memory->map));
	memory->n -= last - first;
	pthread_rwlock_unlock(&memory->lock);
	return 0;
}

/**
 * mhcad_memory_clear() - the client is gone
 * @dev: device whose instance has been reset: nothing is pinned
 */
void mhcad_memory_clear(struct mhcad_device *dev)
{
	struct mhcad_memory *memory = &dev->memory;
	u32 i;

	pthread_rwlock_wrlock(&memory->lock);
	for (i = 0; i < memory->n; i++)
		mhcad_map_drop(&memory->map[i]);
	memory->n = 0;
	pthread_rwlock_unlock(&memory->lock);
}

/**
 * mhcad_memory_init() - no memory yet
 * @dev: device
 *
 * Return: 0 or -ENOMEM.
 */
int mhcad_memory_init(struct mhcad_device *dev)
{
	dev->memory.map = calloc(MHCAD_MAX_MAPS, sizeof(*dev->memory.map));
	if (!dev->memory.map)
		return -ENOMEM;
	pthread_rwlock_init(&dev->memory.lock, NULL);
	return 0;
}

/**
 * mhcad_memory_fini() - the opposite
 * @dev: device without a client
 */
void mhcad_memory_fini(struct mhcad_device *dev)
{
	if (!dev->memory.map)
		return;
	pthread_rwlock_destroy(&dev->memory.lock);
	free(dev->memory.map);
}

/* ---- mhca_vmm_ops ------------------------------------------------------- */

/* What the guest names and nobody has passed. */
static int mhcad_memory_absent(struct mhcad_device *dev, u64 iova)
{
	mhcad_log(dev, "the guest uses memory at 0x%llx that is not shared: start QEMU with "
		  "-object memory-backend-memfd,id=mem,size=SIZE,share=on "
		  "-machine memory-backend=mem\n", iova);
	return -EFAULT;
}

/* The pages that one map has of the range; how many, or -errno. memory->lock. */
static s64 mhcad_pin_some(struct mhcad_device *dev, u64 iova, u64 npages, bool write, void **kva)
{
	const struct mhcad_map *map;
	u64 left, n, i;
	u8 *at;

	map = mhcad_map_at(&dev->memory, iova, &left);
	if (!map)
		return -EINVAL;
	if (!map->va)
		return mhcad_memory_absent(dev, iova);
	if (write && !map->write)
		return -EPERM;
	at = map->va + (iova - map->iova);
	n = min(npages, left >> PAGE_SHIFT);
	for (i = 0; i < n; i++)
		kva[i] = at + (i << PAGE_SHIFT);
	return (s64)n;
}

/**
 * mhcad_memory_pin() - &struct mhca_vmm_ops.pin
 * @vmm: device
 * @iova: guest-physical address, a multiple of the page size
 * @npages: pages
 * @write: for writing as well
 * @kva: out: host address of each page
 *
 * Return: 0; -EINVAL: no guest memory; -EPERM: mapped read-only; -EFAULT: not shared with
 * us.
 */
int mhcad_memory_pin(void *vmm, u64 iova, u64 npages, bool write, void **kva)
{
	struct mhcad_device *dev = vmm;
	u64 done;
	s64 n = 0;

	if (npages > U64_MAX >> PAGE_SHIFT || iova & ~PAGE_MASK || !npages ||
	    iova > U64_MAX - ((npages << PAGE_SHIFT) - 1))
		return -EINVAL;
	pthread_rwlock_rdlock(&dev->memory.lock);
	for (done = 0; done < npages; done += (u64)n) {
		n = mhcad_pin_some(dev, iova + (done << PAGE_SHIFT), npages - done, write,
				   kva + done);
		if (n < 0)
			break;
	}
	pthread_rwlock_unlock(&dev->memory.lock);
	return n < 0 ? (int)n : 0;
}

/**
 * mhcad_memory_unpin() - &struct mhca_vmm_ops.unpin
 * @vmm: device
 * @iova: guest-physical address
 * @npages: pages
 *
 * Mappings stay anyway: who takes them away has asked the core before.
 */
void mhcad_memory_unpin(void *vmm, u64 iova, u64 npages)
{
	(void)vmm;
	(void)iova;
	(void)npages;
}

static int mhcad_memory_copy(struct mhcad_device *dev, u64 iova, u8 *buf, size_t len, bool write)
{
	const struct mhcad_map *map;
	u64 left, n;
	int ret = 0;
	u8 *at;

	if (!len)
		return 0;
	if (iova > U64_MAX - (len - 1))
		return -EFAULT;
	if (!READ_ONCE(dev->work.running))
		return -ECANCELED;
	pthread_rwlock_rdlock(&dev->memory.lock);
	for (; len && !ret; len -= n, iova += n, buf += n) {
		map = mhcad_map_at(&dev->memory, iova, &left);
		if (!map || (write && !map->write))
			ret = -EFAULT;
		else if (!map->va)
			ret = mhcad_memory_absent(dev, iova);
		if (ret)
			break;
		at = map->va + (iova - map->iova);
		n = min((u64)len, left);
		if (write)
			memcpy(at, buf, n);
		else
			memcpy(buf, at, n);
	}
	pthread_rwlock_unlock(&dev->memory.lock);
	return ret;
}

/**
 * mhcad_memory_read() - &struct mhca_vmm_ops.read
 * @vmm: device
 * @iova: guest-physical address
 * @buf: where to
 * @len: bytes
 *
 * Return: 0, -EFAULT, or -ECANCELED: the device is being reset.
 */
int mhcad_memory_read(void *vmm, u64 iova, void *buf, size_t len)
{
	return mhcad_memory_copy(vmm, iova, buf, len, false);
}

/**
 * mhcad_memory_write() - &struct mhca_vmm_ops.write
 * @vmm: device
 * @iova: guest-physical address
 * @buf: where from
 * @len: bytes
 *
 * Return: 0, -EFAULT, or -ECANCELED: the device is being reset.
 */
int mhcad_memory_write(void *vmm, u64 iova, const void *buf, size_t len)
{
	return mhcad_memory_copy(vmm, iova, (u8 *)buf, len, true);
}
