// SPDX-License-Identifier: GPL-2.0-only
/*
 * WQEs as bytes: basic blocks out of a ring, data segments into lists of pieces. No
 * length that the guest wrote is trusted; what a WQE means is its queue's matter.
 */
#include <mhca/kernel.h>
#include "queue.h"

#define SOFT_DS			MLX5_SEND_WQE_DS
#define SOFT_INLINE_LEN		MLX5_WQE_INLINE_SEG_BYTE_COUNT_MASK
#define SOFT_LKEY_END		0x100U	/* ends a scatter list */

/* The next @bytes (a multiple of 16), or NULL when the WQE is too short. */
const void *soft_reader_take(struct soft_reader *reader, u32 bytes)
{
	const u8 *at = reader->at;

	if (unlikely(bytes > reader->left))
		return NULL;
	reader->at += bytes;
	reader->left -= bytes;
	return at;
}

bool soft_sgl_add(struct soft_sgl *sgl, const u8 *inline_data, u64 addr,
			 u32 lkey, u32 len)
{
	struct soft_seg *seg;

	if (!len)
		return true;
	if (unlikely(sgl->n == SOFT_MAX_SEG))
		return false;
	seg = &sgl->seg[sgl->n++];
	seg->inline_data = inline_data;
	seg->addr = addr;
	seg->lkey = lkey;
	seg->len = len;
	sgl->len += len;
	return true;
}

static bool soft_add_pointer(struct soft_sgl *sgl, const struct mlx5_wqe_data_seg *data)
{
	return soft_sgl_add(sgl, NULL, be64_to_cpu(data->addr), be32_to_cpu(data->lkey),
			    be32_to_cpu(data->byte_count));
}

/* The rest of a send WQE: pointers and inline data in any order. */
bool soft_parse_data(struct soft_reader *reader, struct soft_sgl *sgl)
{
	const struct mlx5_wqe_data_seg *data;
	u32 count, len;

	sgl->n = 0;
	sgl->len = 0;
	while (reader->left) {
		data = (const struct mlx5_wqe_data_seg *)reader->at;
		count = be32_to_cpu(data->byte_count);
		if (!(count & MLX5_INLINE_SEG)) {
			reader->at += SOFT_DS;
			reader->left -= SOFT_DS;
			if (!soft_add_pointer(sgl, data))
				return false;
			continue;
		}
		len = count & SOFT_INLINE_LEN;
		if (!soft_reader_take(reader, round_up(sizeof(data->byte_count) + len, SOFT_DS)) ||
		    !soft_sgl_add(sgl, (const u8 *)data + sizeof(data->byte_count), 0, 0, len))
			return false;
	}
	return true;
}

/**
 * soft_send_parse() - the gather list of a send WQE
 * @segs: its data segments, a private copy
 * @bytes: of them, a multiple of 16
 * @sgl: out; inline data stays in @segs
 *
 * Return: false when they do not fit their own lengths.
 */
bool soft_send_parse(const void *segs, u32 bytes, struct soft_sgl *sgl)
{
	struct soft_reader reader = { .at = segs, .left = bytes };

	return soft_parse_data(&reader, sgl);
}

/**
 * soft_recv_parse() - the scatter list of a receive WQE
 * @segs: its data segments, a private copy
 * @bytes: of them
 * @sgl: out
 *
 * Drivers of the kernel post empty entries as they come, so those are skipped; the
 * terminator key ends the list early.
 *
 * Return: false when an entry cannot be a scatter entry.
 */
bool soft_recv_parse(const void *segs, u32 bytes, struct soft_sgl *sgl)
{
	const struct mlx5_wqe_data_seg *data = segs;
	u32 i;

	sgl->n = 0;
	sgl->len = 0;
	for (i = 0; i < bytes / SOFT_DS; i++, data++) {
		if (be32_to_cpu(data->lkey) == SOFT_LKEY_END)
			break;
		if (be32_to_cpu(data->byte_count) & MLX5_INLINE_SEG)
			return false;
		if (!soft_add_pointer(sgl, data))
			return false;
	}
	return true;
}

/**
 * soft_ring_read() - copy basic blocks out of a send queue
 * @ring: ring of basic blocks
 * @index: counter of the first
 * @blocks: how many
 * @to: private memory
 *
 * At most two pieces. Inside srcu. Return: 0 or -EFAULT.
 */
int soft_ring_read(const struct soft_ring *ring, u16 index, u32 blocks, void *to)
{
	u32 size = 1U << ring->log_size;
	u32 first = index & (size - 1);
	u32 n = min(blocks, size - first);
	int err;

	err = mhca_pages_read(ring->pages, ring->offset + ((u64)first << SOFT_BB_SHIFT),
			      to, n << SOFT_BB_SHIFT);
	if (err || n == blocks)
		return err;
	return mhca_pages_read(ring->pages, ring->offset, to + (n << SOFT_BB_SHIFT),
			       (blocks - n) << SOFT_BB_SHIFT);
}
