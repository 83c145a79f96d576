// SPDX-License-Identifier: GPL-2.0-only
/*
 * What an image says of a CQ beyond the command that creates it: how far it has come, what
 * it owes, what its guest changed since.
 *
 * Saved from an instance that stands still, and loaded into one that does not run yet:
 * guest memory is not looked at.
 */
#include <mhca/image.h>
#include <mhca/kernel.h>
#include "queue.h"

#define SOFT_PERIOD_MAX_NS	(U16_MAX * 1000ULL)

/* A resize has given it another ring than the one it was created with. */
void soft_cq_update(struct mhca_object *obj)
{
	void *cqc = MLX5_ADDR_OF(create_cq_in, obj->created, cq_context);
	struct soft_cq *cq = (struct soft_cq *)obj;

	MLX5_SET(cqc, cqc, cqe_sz, cq->ring.log_stride == 7);
	MLX5_SET(cqc, cqc, log_cq_size, cq->ring.log_size);
	MLX5_SET(cqc, cqc, page_offset, cq->ring.offset >> (cq->ring.pages->shift - 6));
	MLX5_SET(cqc, cqc, log_page_size, cq->ring.pages->shift - MHCA_PAGE_SHIFT);
	MLX5_SET(cqc, cqc, oi, cq->ignore_overrun);
	MLX5_SET(cqc, cqc, cq_period, cq->period_us);
	MLX5_SET(cqc, cqc, cq_max_count, cq->max_count);
}

void soft_cq_save(struct mhca_object *obj, struct mhca_image *image)
{
	struct soft_cq *cq = (struct soft_cq *)obj;

	spin_lock(&cq->lock);
	mhca_image_put_u32(image, cq->pi);
	mhca_image_put_u32(image, cq->pi_solicited);
	mhca_image_put_u8(image, cq->fired);
	mhca_image_put_u8(image, cq->failed);
	mhca_image_put_u8(image, cq->event_due);
	mhca_image_put_u64(image, cq->event_due ? soft_remaining(cq->deadline) : 0);
	spin_unlock(&cq->lock);
}

enum mhca_syndrome soft_cq_load(struct mhca_object *obj, struct mhca_reader *in)
{
	struct soft_cq *cq = (struct soft_cq *)obj;
	u64 wait;

	spin_lock(&cq->lock);
	cq->pi = mhca_reader_u32(in);
	cq->pi_solicited = mhca_reader_u32(in);
	cq->fired = mhca_reader_u8(in);
	cq->failed = mhca_reader_u8(in);
	cq->event_due = mhca_reader_u8(in);
	wait = mhca_reader_u64(in);
	cq->deadline = ktime_get_ns() + min(wait, SOFT_PERIOD_MAX_NS);
	spin_unlock(&cq->lock);
	/* Its lane arms the timer, or has its QPs fail. */
	if (cq->event_due || cq->failed)
		soft_cq_call_lane(cq);
	return MHCA_SYN_NONE;
}
