// SPDX-License-Identifier: GPL-2.0-only
/*
 * Patience: how long senders wait for receivers that cannot take what they have for them
 * yet. Each wait is bounded where it happens. The sum of all waits for one receiver is
 * bounded to a part of the time, so that a slow or malicious one holds up nobody for long;
 * and so is the sum of all waits of one sender, or a crowd of receivers that conspire, each
 * within its bound, would hold it up for ever.
 */
#include <mhca/kernel.h>
#include "patience.h"

/**
 * soft_patience_init() - all patience is there
 * @patience: with one receiver, or of one sender
 * @rate: ns of waiting by second
 * @burst: ns of waiting at once
 */
void soft_patience_init(struct soft_patience *patience, u64 rate, u64 burst)
{
	memset(patience, 0, sizeof(*patience));
	spin_lock_init(&patience->lock);
	patience->rate = rate;
	patience->burst = burst;
}

static bool soft_patience_spend(struct soft_patience *patience, u64 now, u64 ns)
{
	bool more;

	spin_lock(&patience->lock);
	mhca_bucket_fill(&patience->bucket, patience->rate, patience->burst, now);
	mhca_bucket_take(&patience->bucket, ns);
	more = patience->bucket.level > 0;
	spin_unlock(&patience->lock);
	return more;
}

/**
 * soft_patience_wait() - a receiver still cannot take a packet
 * @receiver: patience with it
 * @sender: patience that the packet's sender has left
 * @wait: the packet's wait
 * @bound: ns that it may wait in all
 *
 * Return: true: look again later; false: the receiver has to do without it.
 */
bool soft_patience_wait(struct soft_patience *receiver, struct soft_patience *sender,
			struct soft_wait *wait, u64 bound)
{
	u64 now = ktime_get_ns();
	u64 last = wait->since ? now - wait->since : 0;
	bool may;

	wait->since = now;
	wait->ns += last;
	may = soft_patience_spend(receiver, now, last);
	may &= soft_patience_spend(sender, now, last);
	return may && wait->ns < bound;
}
