/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A token bucket that may be overdrawn: who wants to do something first waits until
 * the level is above 0, does it, and then takes what it really cost. So nobody has to
 * know the cost beforehand, and the mean rate is exact.
 */
#ifndef MHCA_BUCKET_H
#define MHCA_BUCKET_H

#include <mhca/kernel.h>

/* Greatest rate: times a second in ns it still fits into 64 bits. */
#define MHCA_BUCKET_RATE_MAX	17179869184ULL

/**
 * struct mhca_bucket - state; all 0: full at the first look
 * @stamp: ktime_get_ns() up to which the level is accounted
 * @level: tokens; negative: overdrawn
 * @rest: what is less than a token, in billionths
 */
struct mhca_bucket {
	u64 stamp;
	s64 level;
	u32 rest;
};

/* Add what came since the last look: @rate tokens per second, at most @burst in all. */
void mhca_bucket_fill(struct mhca_bucket *bucket, u64 rate, u64 burst, u64 now);
/* ns until @level tokens are there; 0: they are. */
u64 mhca_bucket_wait(const struct mhca_bucket *bucket, u64 rate, s64 level);

static inline void mhca_bucket_take(struct mhca_bucket *bucket, u64 tokens)
{
	bucket->level -= tokens;
}

#endif /* MHCA_BUCKET_H */
