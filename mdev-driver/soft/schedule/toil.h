/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a receiver's small pieces cost all senders together (toil.c).
 */
#ifndef SOFT_TOIL_H
#define SOFT_TOIL_H

#include <mhca/bucket.h>

#define SOFT_TOIL_LOT	8U	/* pieces that are counted at once */

/**
 * struct soft_toil - of senders with one receiver
 * @lock: spinlock for @bucket, a leaf
 * @bucket: pieces that they may still follow
 */
struct soft_toil {
	spinlock_t lock;
	struct mhca_bucket bucket;
};

void soft_toil_init(struct soft_toil *toil);
/* @pieces more. false: no more before some time has passed. */
bool soft_toil_spend(struct soft_toil *toil, u32 pieces);

#endif /* SOFT_TOIL_H */
