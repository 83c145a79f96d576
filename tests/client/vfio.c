// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * An instance of this host through VFIO: legacy group and type1 container, the
 * only ones that Debian's kernels have. No IOMMU is needed for an mdev.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>
#include <linux/vfio.h>
#include <linux/pci_regs.h>
#include "client.h"

#define MAX_IRQS	64
#define IOVA_START	0x100000000ULL	/* above 4 GiB: truncated addresses show */
#define CHUNK		(2UL << 20)
#define MAX_CHUNKS	4096

/* A mapped piece of memory; small allocations share one. */
struct chunk {
	u8 *va;
	u64 iova;
	size_t len;
	u64 used[CHUNK / CLIENT_PAGE / 64];	/* bit per page; unused for big ones */
	bool shared;
};

struct client_vfio {
	int container;
	int group;
	int device;
	u64 bar_offset;
	u64 bar_size;
	u64 config_offset;
	u8 *bar;		/* the mappable part of BAR 0 */
	u64 bar_start;
	u32 n_irqs;
	int irq[MAX_IRQS];
	u64 next_iova;
	struct chunk *chunk[MAX_CHUNKS];
	u32 n_chunks;
};

/* ---- Memory ---------------------------------------------------------- */

static struct chunk *chunk_new(struct client_vfio *v, size_t len, bool shared)
{
	struct vfio_iommu_type1_dma_map map = {
		.argsz = sizeof(map),
		.flags = VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE,
		.iova = v->next_iova,
		.size = len,
	};
	struct chunk *chunk;

	if (v->n_chunks == MAX_CHUNKS)
		return NULL;
	chunk = calloc(1, sizeof(*chunk));
	if (!chunk)
		return NULL;
	chunk->va = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (chunk->va == MAP_FAILED)
		goto err;
	map.vaddr = (uintptr_t)chunk->va;
	if (ioctl(v->container, VFIO_IOMMU_MAP_DMA, &map)) {
		munmap(chunk->va, len);
		goto err;
	}
	chunk->iova = map.iova;
	chunk->len = len;
	chunk->shared = shared;
	v->next_iova += len + CHUNK;	/* a hole behind each */
	v->chunk[v->n_chunks++] = chunk;
	return chunk;

err:
	free(chunk);
	return NULL;
}

static void chunk_delete(struct client_vfio *v, u32 i)
{
	struct chunk *chunk = v->chunk[i];
	struct vfio_iommu_type1_dma_unmap unmap = {
		.argsz = sizeof(unmap),
		.iova = chunk->iova,
		.size = chunk->len,
	};

	ioctl(v->container, VFIO_IOMMU_UNMAP_DMA, &unmap);
	munmap(chunk->va, chunk->len);
	free(chunk);
	v->chunk[i] = v->chunk[--v->n_chunks];
}

static bool run_is_free(const struct chunk *chunk, u32 first, u32 pages)
{
	u32 i;

	for (i = first; i < first + pages; i++)
		if (chunk->used[i / 64] >> i % 64 & 1)
			return false;
	return true;
}

static void run_mark(struct chunk *chunk, u32 first, u32 pages, bool used)
{
	u32 i;

	for (i = first; i < first + pages; i++) {
		if (used)
			chunk->used[i / 64] |= 1ULL << i % 64;
		else
			chunk->used[i / 64] &= ~(1ULL << i % 64);
	}
}

static void *chunk_take(struct chunk *chunk, u32 pages)
{
	u32 first;

	for (first = 0; first + pages <= CHUNK / CLIENT_PAGE; first++) {
		if (!run_is_free(chunk, first, pages))
			continue;
		run_mark(chunk, first, pages, true);
		return memset(chunk->va + (size_t)first * CLIENT_PAGE, 0,
			      (size_t)pages * CLIENT_PAGE);
	}
	return NULL;
}

static void *vfio_alloc(void *backend, size_t len)
{
	struct client_vfio *v = backend;
	struct chunk *chunk;
	void *va;
	u32 i;

	if (len > CHUNK / 2) {
		chunk = chunk_new(v, len, false);
		return chunk ? chunk->va : NULL;
	}
	for (i = 0; i < v->n_chunks; i++) {
		va = v->chunk[i]->shared ? chunk_take(v->chunk[i], len / CLIENT_PAGE) : NULL;
		if (va)
			return va;
	}
	chunk = chunk_new(v, CHUNK, true);
	return chunk ? chunk_take(chunk, len / CLIENT_PAGE) : NULL;
}

static struct chunk *chunk_find(struct client_vfio *v, const void *va, u32 *index)
{
	u32 i;

	for (i = 0; i < v->n_chunks; i++) {
		struct chunk *chunk = v->chunk[i];

		if ((uintptr_t)va - (uintptr_t)chunk->va < chunk->len) {
			if (index)
				*index = i;
			return chunk;
		}
	}
	return NULL;
}

static void vfio_free(void *backend, void *va, size_t len)
{
	struct client_vfio *v = backend;
	struct chunk *chunk;
	u32 i;

	chunk = chunk_find(v, va, &i);
	if (!chunk)
		return;
	if (chunk->shared)
		run_mark(chunk, ((u8 *)va - chunk->va) / CLIENT_PAGE, len / CLIENT_PAGE, false);
	else
		chunk_delete(v, i);
}

static u64 vfio_iova(void *backend, const void *va)
{
	struct chunk *chunk = chunk_find(backend, va, NULL);

	return chunk ? chunk->iova + ((uintptr_t)va - (uintptr_t)chunk->va) : ~0ULL;
}

/* ---- BAR 0 ----------------------------------------------------------- */

static u32 vfio_iseg_read(void *backend, u32 offset)
{
	struct client_vfio *v = backend;
	__be32 word = ~0U;

	if (pread(v->device, &word, sizeof(word), (off_t)(v->bar_offset + offset)) !=
	    sizeof(word))
		return ~0U;
	return be32_to_cpu(word);
}

static void bar_write(struct client_vfio *v, u64 offset, const void *word, size_t len)
{
	/* A failure shows as a command that times out. */
	if (pwrite(v->device, word, len, (off_t)(v->bar_offset + offset)) != (ssize_t)len)
		fprintf(stderr, "vfio: write of BAR 0 + 0x%llx: %s\n",
			(unsigned long long)offset, strerror(errno));
}

static void vfio_iseg_write(void *backend, u32 offset, u32 value)
{
	__be32 word = cpu_to_be32(value);

	bar_write(backend, offset, &word, sizeof(word));
}

static void *uar_at(struct client_vfio *v, u32 index, u32 offset)
{
	u64 at = (u64)index * CLIENT_PAGE + offset;

	return v->bar && at >= v->bar_start && at < v->bar_size ?
	       v->bar + (at - v->bar_start) : NULL;
}

static void vfio_uar_write32(void *backend, u32 index, u32 offset, __be32 value)
{
	__be32 *at = uar_at(backend, index, offset);

	if (at)
		__atomic_store_n(at, value, __ATOMIC_RELEASE);
	else
		bar_write(backend, (u64)index * CLIENT_PAGE + offset, &value, sizeof(value));
}

static void vfio_uar_write64(void *backend, u32 index, u32 offset, __be64 value)
{
	__be64 *at = uar_at(backend, index, offset);

	if (at)
		__atomic_store_n(at, value, __ATOMIC_RELEASE);
	else
		bar_write(backend, (u64)index * CLIENT_PAGE + offset, &value, sizeof(value));
}

/* The first mappable area, from the sparse mmap capability. */
static void bar_map(struct client_vfio *v)
{
	union {
		struct vfio_region_info info;
		u8 raw[4096];
	} region = { .info = { .argsz = sizeof(region), .index = VFIO_PCI_BAR0_REGION_INDEX } };
	struct vfio_region_info_cap_sparse_mmap *sparse;
	u64 start = 0;
	u64 size;

	if (ioctl(v->device, VFIO_DEVICE_GET_REGION_INFO, &region.info))
		return;
	v->bar_offset = region.info.offset;
	v->bar_size = region.info.size;
	size = region.info.size;
	if (!(region.info.flags & VFIO_REGION_INFO_FLAG_MMAP))
		return;
	if (region.info.flags & VFIO_REGION_INFO_FLAG_CAPS && region.info.cap_offset &&
	    region.info.cap_offset < sizeof(region.raw) - sizeof(*sparse)) {
		sparse = (void *)(region.raw + region.info.cap_offset);
		if (sparse->header.id == VFIO_REGION_INFO_CAP_SPARSE_MMAP && sparse->nr_areas) {
			start = sparse->areas[0].offset;
			size = sparse->areas[0].size;
		}
	}
	v->bar = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, v->device,
		      (off_t)(v->bar_offset + start));
	if (v->bar == MAP_FAILED)
		v->bar = NULL;
	v->bar_start = start;
}

/* ---- Interrupts ------------------------------------------------------ */

static int irqs_init(struct client_vfio *v)
{
	struct vfio_irq_info info = { .argsz = sizeof(info), .index = VFIO_PCI_MSIX_IRQ_INDEX };
	union {
		struct vfio_irq_set set;
		u8 raw[sizeof(struct vfio_irq_set) + MAX_IRQS * sizeof(int)];
	} irq = { .set = { 0 } };
	u32 i;

	if (ioctl(v->device, VFIO_DEVICE_GET_IRQ_INFO, &info))
		return -errno;
	v->n_irqs = info.count < MAX_IRQS ? info.count : MAX_IRQS;
	for (i = 0; i < v->n_irqs; i++) {
		v->irq[i] = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
		if (v->irq[i] < 0)
			return -errno;
	}
	irq.set.argsz = (u32)(sizeof(irq.set) + v->n_irqs * sizeof(int));
	irq.set.flags = VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER;
	irq.set.index = VFIO_PCI_MSIX_IRQ_INDEX;
	irq.set.count = v->n_irqs;
	memcpy(irq.set.data, v->irq, v->n_irqs * sizeof(int));
	return ioctl(v->device, VFIO_DEVICE_SET_IRQS, &irq.set) ? -errno : 0;
}

static int vfio_irq_wait(void *backend, u32 vector, int timeout_ms)
{
	struct client_vfio *v = backend;
	struct pollfd fd = { .events = POLLIN };
	u64 count;

	if (vector >= v->n_irqs)
		return 0;
	fd.fd = v->irq[vector];
	if (poll(&fd, 1, timeout_ms) <= 0)
		return 0;
	return read(fd.fd, &count, sizeof(count)) == sizeof(count);
}

static u32 vfio_irq_count(void *backend)
{
	return ((struct client_vfio *)backend)->n_irqs;
}

/* ---- Opening --------------------------------------------------------- */

static void vfio_progress(void *backend)
{
	(void)backend;
	usleep(1);
}

static int vfio_reset(void *backend)
{
	return ioctl(((struct client_vfio *)backend)->device, VFIO_DEVICE_RESET) ? -errno : 0;
}

static void vfio_close(void *backend)
{
	struct client_vfio *v = backend;
	u32 i;

	if (v->bar)
		munmap(v->bar, v->bar_size - v->bar_start);
	if (v->device >= 0)
		close(v->device);
	for (i = 0; i < v->n_irqs; i++)
		if (v->irq[i] >= 0)
			close(v->irq[i]);
	while (v->n_chunks)
		chunk_delete(v, v->n_chunks - 1);
	if (v->group >= 0)
		close(v->group);
	if (v->container >= 0)
		close(v->container);
	free(v);
}

/* /dev/vfio/N of the mdev @uuid, from its iommu_group link. */
static int open_group(const char *uuid)
{
	char link[256];
	char path[512];
	ssize_t len;

	snprintf(path, sizeof(path), "/sys/bus/mdev/devices/%s/iommu_group", uuid);
	len = readlink(path, link, sizeof(link) - 1);
	if (len < 0)
		return -1;
	link[len] = '\0';
	snprintf(path, sizeof(path), "/dev/vfio/%s", strrchr(link, '/') + 1);
	return open(path, O_RDWR | O_CLOEXEC);
}

static int bus_master(struct client_vfio *v)
{
	struct vfio_region_info info = { .argsz = sizeof(info),
					 .index = VFIO_PCI_CONFIG_REGION_INDEX };
	u16 command = cpu_to_le16(PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);

	if (ioctl(v->device, VFIO_DEVICE_GET_REGION_INFO, &info))
		return -errno;
	v->config_offset = info.offset;
	return pwrite(v->device, &command, sizeof(command),
		      (off_t)(info.offset + PCI_COMMAND)) == sizeof(command) ? 0 : -EIO;
}

struct client_vfio *client_vfio_open(const char *uuid)
{
	struct client_vfio *v = calloc(1, sizeof(*v));
	int error;
	u32 i;

	if (!v)
		return NULL;
	v->device = -1;
	v->next_iova = IOVA_START;
	for (i = 0; i < MAX_IRQS; i++)
		v->irq[i] = -1;
	v->container = open("/dev/vfio/vfio", O_RDWR | O_CLOEXEC);
	v->group = open_group(uuid);
	if (v->container < 0 || v->group < 0)
		goto err;
	if (ioctl(v->group, VFIO_GROUP_SET_CONTAINER, &v->container) ||
	    ioctl(v->container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU))
		goto err;
	v->device = ioctl(v->group, VFIO_GROUP_GET_DEVICE_FD, uuid);
	if (v->device < 0)
		goto err;
	bar_map(v);
	errno = -irqs_init(v);
	if (errno)
		goto err;
	errno = -bus_master(v);
	if (errno)
		goto err;
	return v;

err:
	error = errno;
	vfio_close(v);
	errno = error;
	return NULL;
}

int client_vfio_fd(const struct client_vfio *v)
{
	return v->device;
}

const struct client_ops client_vfio_ops = {
	.name = "vfio",
	.alloc = vfio_alloc,
	.free = vfio_free,
	.iova = vfio_iova,
	.iseg_read = vfio_iseg_read,
	.iseg_write = vfio_iseg_write,
	.uar_write32 = vfio_uar_write32,
	.uar_write64 = vfio_uar_write64,
	.irq_wait = vfio_irq_wait,
	.irq_count = vfio_irq_count,
	.progress = vfio_progress,
	.reset = vfio_reset,
	.close = vfio_close,
};
