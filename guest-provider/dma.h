/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Memory that a device may reach: chunks out of which pages are handed out. How a
 * chunk gets its device addresses depends on what stands between: a VFIO container
 * (dma_container) or nothing at all (dma_physical: huge pages, whose physical
 * addresses /proc/self/pagemap tells and nothing moves).
 */
#ifndef MHCA_DMA_H
#define MHCA_DMA_H

#include "client.h"

#define DMA_CHUNK	(2UL << 20)	/* also the size of a huge page */
#define DMA_MAX_CHUNKS	4096

/**
 * struct dma_chunk - a piece of memory with device addresses
 * @va: where it is
 * @len: bytes, whole DMA_CHUNK unless it is one of a kind
 * @iova: device address of each DMA_CHUNK of it; @iova[0] + offset when @linear
 * @linear: one run of device addresses
 * @shared: pages of it are handed out one by one
 * @foreign: the program's own memory, only mapped by us
 * @used: bit per page of a shared chunk
 */
struct dma_chunk {
	u8 *va;
	size_t len;
	u64 *iova;
	bool linear;
	bool shared;
	bool foreign;
	u64 used[DMA_CHUNK / CLIENT_PAGE / 64];
};

/**
 * struct dma - a device's memory
 * @lock: protects the rest
 * @container: VFIO container, or -1: physical addresses
 * @next_iova: where the next mapping goes
 * @chunk: chunks
 * @n_chunks: how many
 */
struct dma {
	pthread_mutex_t lock;
	int container;
	u64 next_iova;
	struct dma_chunk *chunk[DMA_MAX_CHUNKS];
	u32 n_chunks;
};

void dma_init(struct dma *dma, int container);
void dma_fini(struct dma *dma);
void *dma_alloc(struct dma *dma, size_t len);
void dma_free(struct dma *dma, void *va, size_t len);
u64 dma_iova(struct dma *dma, const void *va);
/*
 * Let the device reach memory of the program's own; whole pages around it. Returns 0,
 * -EOPNOTSUPP where only dma_alloc() memory can be reached.
 */
int dma_map(struct dma *dma, void *va, size_t len, u64 *iova);
void dma_unmap(struct dma *dma, u64 iova, size_t len);

#endif /* MHCA_DMA_H */
