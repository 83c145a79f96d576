// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Memory that a device may reach: see dma.h. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>
#include <linux/vfio.h>
#include "dma.h"

#define IOVA_START	0x100000000ULL	/* above 4 GiB: truncated addresses show */
#define PAGEMAP_PRESENT	(1ULL << 63)
#define PAGEMAP_PFN	((1ULL << 55) - 1)

/* ---- Device addresses ------------------------------------------------- */

/* @iova of [@va, @va + @len), whole pages, in the container. */
static int container_map(struct dma *dma, void *va, size_t len, u64 *iova)
{
	struct vfio_iommu_type1_dma_map map = {
		.argsz = sizeof(map),
		.flags = VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE,
		.vaddr = (uintptr_t)va,
		.iova = dma->next_iova,
		.size = len,
	};

	if (ioctl(dma->container, VFIO_IOMMU_MAP_DMA, &map))
		return -errno;
	*iova = map.iova;
	dma->next_iova += ((len + DMA_CHUNK - 1) & ~(DMA_CHUNK - 1)) + DMA_CHUNK;
	return 0;
}

static void container_unmap(struct dma *dma, u64 iova, size_t len)
{
	struct vfio_iommu_type1_dma_unmap unmap = {
		.argsz = sizeof(unmap),
		.iova = iova,
		.size = len,
	};

	ioctl(dma->container, VFIO_IOMMU_UNMAP_DMA, &unmap);
}

/* Physical address of each huge page from @va on; needs CAP_SYS_ADMIN. */
static int physical_addresses(const u8 *va, size_t len, u64 *iova)
{
	int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	size_t at;
	int ret = fd < 0 ? -errno : 0;

	for (at = 0; !ret && at < len; at += DMA_CHUNK) {
		u64 entry = 0;

		if (pread(fd, &entry, sizeof(entry),
			  (off_t)(((uintptr_t)va + at) / CLIENT_PAGE * sizeof(entry))) !=
		    sizeof(entry))
			ret = -EIO;
		else if (!(entry & PAGEMAP_PRESENT) || !(entry & PAGEMAP_PFN))
			ret = -EPERM;
		iova[at / DMA_CHUNK] = (entry & PAGEMAP_PFN) * CLIENT_PAGE;
	}
	if (fd >= 0)
		close(fd);
	return ret;
}

/* ---- Chunks ------------------------------------------------------------ */

static u32 chunk_units(size_t len)
{
	return (u32)((len + DMA_CHUNK - 1) / DMA_CHUNK);
}

static int chunk_memory(struct dma *dma, struct dma_chunk *chunk)
{
	bool huge = dma->container < 0;
	int ret;

	chunk->va = mmap(NULL, chunk->len, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | (huge ? MAP_HUGETLB | MAP_POPULATE : 0),
			 -1, 0);
	if (chunk->va == MAP_FAILED)
		return -ENOMEM;
	if (huge) {
		/* A child's copy on write must not take the page away. */
		madvise(chunk->va, chunk->len, MADV_DONTFORK);
		memset(chunk->va, 0, chunk->len);
		ret = physical_addresses(chunk->va, chunk->len, chunk->iova);
	} else {
		ret = container_map(dma, chunk->va, chunk->len, chunk->iova);
	}
	if (ret)
		munmap(chunk->va, chunk->len);
	return ret;
}

static struct dma_chunk *chunk_new(struct dma *dma, size_t len, bool shared)
{
	struct dma_chunk *chunk;
	int ret;

	if (dma->n_chunks == DMA_MAX_CHUNKS) {
		errno = ENOMEM;
		return NULL;
	}
	chunk = calloc(1, sizeof(*chunk));
	if (!chunk)
		return NULL;
	chunk->linear = dma->container >= 0;
	chunk->shared = shared;
	chunk->len = chunk->linear ? len : (size_t)chunk_units(len) * DMA_CHUNK;
	chunk->iova = calloc(chunk_units(len), sizeof(*chunk->iova));
	ret = chunk->iova ? chunk_memory(dma, chunk) : -ENOMEM;
	if (ret) {
		free(chunk->iova);
		free(chunk);
		errno = -ret;
		return NULL;
	}
	dma->chunk[dma->n_chunks++] = chunk;
	return chunk;
}

static void chunk_delete(struct dma *dma, u32 i)
{
	struct dma_chunk *chunk = dma->chunk[i];

	if (dma->container >= 0)
		container_unmap(dma, chunk->iova[0], chunk->len);
	if (!chunk->foreign)
		munmap(chunk->va, chunk->len);
	free(chunk->iova);
	free(chunk);
	dma->chunk[i] = dma->chunk[--dma->n_chunks];
}

static bool run_is_free(const struct dma_chunk *chunk, u32 first, u32 pages)
{
	u32 i;

	for (i = first; i < first + pages; i++)
		if (chunk->used[i / 64] >> i % 64 & 1)
			return false;
	return true;
}

static void run_mark(struct dma_chunk *chunk, u32 first, u32 pages, bool used)
{
	u32 i;

	for (i = first; i < first + pages; i++) {
		if (used)
			chunk->used[i / 64] |= 1ULL << i % 64;
		else
			chunk->used[i / 64] &= ~(1ULL << i % 64);
	}
}

static void *chunk_take(struct dma_chunk *chunk, u32 pages)
{
	u32 first;

	for (first = 0; first + pages <= DMA_CHUNK / CLIENT_PAGE; first++) {
		if (!run_is_free(chunk, first, pages))
			continue;
		run_mark(chunk, first, pages, true);
		return memset(chunk->va + (size_t)first * CLIENT_PAGE, 0,
			      (size_t)pages * CLIENT_PAGE);
	}
	return NULL;
}

/* The chunk of ours that @va lies in: the program's own memory is not looked at. */
static struct dma_chunk *chunk_find(struct dma *dma, const void *va, u32 *index)
{
	u32 i;

	for (i = 0; i < dma->n_chunks; i++) {
		struct dma_chunk *chunk = dma->chunk[i];

		if (!chunk->foreign && (uintptr_t)va - (uintptr_t)chunk->va < chunk->len) {
			if (index)
				*index = i;
			return chunk;
		}
	}
	return NULL;
}

/* ---- Interface ---------------------------------------------------------- */

void dma_init(struct dma *dma, int container)
{
	memset(dma, 0, sizeof(*dma));
	pthread_mutex_init(&dma->lock, NULL);
	dma->container = container;
	dma->next_iova = IOVA_START;
}

void dma_fini(struct dma *dma)
{
	while (dma->n_chunks)
		chunk_delete(dma, dma->n_chunks - 1);
	pthread_mutex_destroy(&dma->lock);
}

void *dma_alloc(struct dma *dma, size_t len)
{
	struct dma_chunk *chunk;
	void *va = NULL;
	u32 i;

	pthread_mutex_lock(&dma->lock);
	if (len > DMA_CHUNK / 2) {
		chunk = chunk_new(dma, len, false);
		va = chunk ? chunk->va : NULL;
		goto out;
	}
	for (i = 0; i < dma->n_chunks && !va; i++)
		if (dma->chunk[i]->shared)
			va = chunk_take(dma->chunk[i], (u32)(len / CLIENT_PAGE));
	if (!va) {
		chunk = chunk_new(dma, DMA_CHUNK, true);
		va = chunk ? chunk_take(chunk, (u32)(len / CLIENT_PAGE)) : NULL;
	}
out:
	pthread_mutex_unlock(&dma->lock);
	return va;
}

void dma_free(struct dma *dma, void *va, size_t len)
{
	struct dma_chunk *chunk;
	u32 i;

	pthread_mutex_lock(&dma->lock);
	chunk = chunk_find(dma, va, &i);
	if (chunk && chunk->shared)
		run_mark(chunk, (u32)((size_t)((u8 *)va - chunk->va) / CLIENT_PAGE),
			 (u32)(len / CLIENT_PAGE), false);
	else if (chunk)
		chunk_delete(dma, i);
	pthread_mutex_unlock(&dma->lock);
}

u64 dma_iova(struct dma *dma, const void *va)
{
	struct dma_chunk *chunk;
	u64 iova = ~0ULL;
	size_t at;

	pthread_mutex_lock(&dma->lock);
	chunk = chunk_find(dma, va, NULL);
	if (chunk) {
		at = (uintptr_t)va - (uintptr_t)chunk->va;
		iova = chunk->linear ? chunk->iova[0] + at :
		       chunk->iova[at / DMA_CHUNK] + at % DMA_CHUNK;
	}
	pthread_mutex_unlock(&dma->lock);
	return iova;
}

int dma_map(struct dma *dma, void *va, size_t len, u64 *iova)
{
	struct dma_chunk *chunk;
	int ret;

	if (dma->container < 0)
		return -EOPNOTSUPP;
	chunk = calloc(1, sizeof(*chunk));
	if (chunk)
		chunk->iova = calloc(1, sizeof(*chunk->iova));
	if (!chunk || !chunk->iova) {
		free(chunk);
		return -ENOMEM;
	}
	chunk->va = va;
	chunk->len = len;
	chunk->linear = true;
	chunk->foreign = true;
	pthread_mutex_lock(&dma->lock);
	ret = dma->n_chunks == DMA_MAX_CHUNKS ? -ENOMEM :
	      container_map(dma, va, len, chunk->iova);
	if (!ret) {
		dma->chunk[dma->n_chunks++] = chunk;
		*iova = chunk->iova[0];
	}
	pthread_mutex_unlock(&dma->lock);
	if (ret) {
		free(chunk->iova);
		free(chunk);
	}
	return ret;
}

void dma_unmap(struct dma *dma, u64 iova, size_t len)
{
	u32 i;

	(void)len;
	pthread_mutex_lock(&dma->lock);
	for (i = 0; i < dma->n_chunks; i++) {
		if (dma->chunk[i]->foreign && dma->chunk[i]->iova[0] == iova) {
			chunk_delete(dma, i);
			break;
		}
	}
	pthread_mutex_unlock(&dma->lock);
}
