// SPDX-License-Identifier: GPL-2.0-only
/*
 * Patience: how long senders wait, all of them together, for one receiver that cannot
 * take what they have for it yet. Each wait is bounded where it happens; this bounds
 * their sum to a part of the time, so that a slow or malicious receiver holds up
 * nobody for long.
 */
#include <mhca/kernel.h>
#include "patience.h"

/* ns of waiting, by second and at once */
#define SOFT_PATIENCE_RATE	(50 * 1000 * 1000ULL)
#define SOFT_PATIENCE_BURST	NSEC_PER_SEC

/**
 * soft_patience_init() - senders begin with all their patience
 * @patience: patience with one receiver
 */
void soft_patience_init(struct soft_patience *patience)
{
	memset(patience, 0, sizeof(*patience));
	spin_lock_init(&patience->lock);
}

/**
 * soft_patience_spend() - somebody waited for the receiver
 * @patience: patience with it
 * @now: ktime_get_ns()
 * @ns: how long, since the last look
 *
 * Return: true: there is more; false: the receiver has to do without what waits.
 */
bool soft_patience_spend(struct soft_patience *patience, u64 now, u64 ns)
{
	bool more;

	spin_lock(&patience->lock);
	mhca_bucket_fill(&patience->bucket, SOFT_PATIENCE_RATE, SOFT_PATIENCE_BURST, now);
	mhca_bucket_take(&patience->bucket, ns);
	more = patience->bucket.level > 0;
	spin_unlock(&patience->lock);
	return more;
}
