// SPDX-License-Identifier: GPL-2.0-only
/*
 * Patience: how long senders wait, all of them together, for one receiver that cannot
 * take what they have for it yet. Each wait is bounded where it happens; this bounds
 * their sum to a part of the time, so that a slow or malicious receiver holds up
 * nobody for long.
 */
#include <mhca/kernel.h>
#include "patience.h"

#define SOFT_PATIENCE_RATE	(50 * 1000 * 1000ULL)	/* ns of waiting, by second */

/**
 * soft_patience_init() - senders begin with all their patience
 * @patience: patience with one receiver
 * @burst: ns that they may wait at once
 */
void soft_patience_init(struct soft_patience *patience, u64 burst)
{
	memset(patience, 0, sizeof(*patience));
	spin_lock_init(&patience->lock);
	patience->burst = burst;
}

static bool soft_patience_spend(struct soft_patience *patience, u64 now, u64 ns)
{
	bool more;

	spin_lock(&patience->lock);
	mhca_bucket_fill(&patience->bucket, SOFT_PATIENCE_RATE, patience->burst, now);
	mhca_bucket_take(&patience->bucket, ns);
	more = patience->bucket.level > 0;
	spin_unlock(&patience->lock);
	return more;
}

/**
 * soft_patience_wait() - a receiver still cannot take a packet
 * @patience: patience with it
 * @wait: the packet's wait
 * @bound: ns that it may wait in all
 *
 * Return: true: look again later; false: the receiver has to do without it.
 */
bool soft_patience_wait(struct soft_patience *patience, struct soft_wait *wait, u64 bound)
{
	u64 now = ktime_get_ns();
	u64 last = wait->since ? now - wait->since : 0;

	wait->since = now;
	wait->ns += last;
	return soft_patience_spend(patience, now, last) && wait->ns < bound;
}
