/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How long all senders together wait for one receiver (patience.c).
 */
#ifndef SOFT_PATIENCE_H
#define SOFT_PATIENCE_H

#include <mhca/bucket.h>

/**
 * struct soft_patience - of senders with one receiver
 * @lock: spinlock for @bucket, a leaf
 * @bucket: ns that they may still wait
 */
struct soft_patience {
	spinlock_t lock;
	struct mhca_bucket bucket;
};

void soft_patience_init(struct soft_patience *patience);
/* @ns were waited up to @now. false: no more. */
bool soft_patience_spend(struct soft_patience *patience, u64 now, u64 ns);

#endif /* SOFT_PATIENCE_H */
