// SPDX-License-Identifier: GPL-2.0-only
/*
 * Token buckets: the rate of commands here, the rate of data in the backend.
 */
#include <mhca/bucket.h>

/**
 * mhca_bucket_fill() - add what came since the last look
 * @bucket: bucket
 * @rate: tokens per second, 1 … MHCA_BUCKET_RATE_MAX
 * @burst: the level rises no higher
 * @now: ktime_get_ns()
 */
void mhca_bucket_fill(struct mhca_bucket *bucket, u64 rate, u64 burst, u64 now)
{
	u64 seconds, tokens;
	u32 ns;

	if (!bucket->stamp) {
		bucket->level = burst;
		bucket->stamp = now;
		return;
	}
	/* Neither product exceeds 64 bits; after so long the bucket is full anyway. */
	seconds = min_t(u64, div_u64_rem(now - bucket->stamp, NSEC_PER_SEC, &ns), U16_MAX);
	tokens = div_u64_rem(ns * rate + bucket->rest, NSEC_PER_SEC, &bucket->rest);
	bucket->stamp = now;
	bucket->level = min_t(s64, bucket->level + tokens + seconds * rate, burst);
}
EXPORT_SYMBOL_GPL(mhca_bucket_fill);

/**
 * mhca_bucket_wait() - how long until there are enough
 * @bucket: bucket, just filled
 * @rate: tokens per second, 1 … MHCA_BUCKET_RATE_MAX
 * @level: tokens wanted
 *
 * Return: ns, at most a second; 0: they are there.
 */
u64 mhca_bucket_wait(const struct mhca_bucket *bucket, u64 rate, s64 level)
{
	u64 missing;

	if (bucket->level >= level)
		return 0;
	missing = level - bucket->level;
	if (missing >= rate)
		return NSEC_PER_SEC;
	return div64_u64(missing * NSEC_PER_SEC, rate) + 1;
}
EXPORT_SYMBOL_GPL(mhca_bucket_wait);
