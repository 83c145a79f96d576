/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How long all senders together wait for one receiver, and one sender for all receivers
 * (patience.c).
 */
#ifndef SOFT_PATIENCE_H
#define SOFT_PATIENCE_H

#include <mhca/bucket.h>

/* ns that all senders may wait at once: for a port's buffers, for an instance's memory */
#define SOFT_PATIENCE_FRAMES_NS		(200 * 1000 * 1000ULL)
#define SOFT_PATIENCE_DATAGRAMS_NS	(1000 * 1000 * 1000ULL)
/* ns of waiting by second: of all for one receiver, of one sender for all receivers */
#define SOFT_PATIENCE_RECEIVER		(50 * 1000 * 1000ULL)
#define SOFT_PATIENCE_SENDER		(100 * 1000 * 1000ULL)

/**
 * struct soft_patience - of senders with one receiver, or of one sender
 * @lock: spinlock for @bucket, a leaf
 * @bucket: ns that may still be waited
 * @burst: ns at once
 * @rate: ns by second
 */
struct soft_patience {
	spinlock_t lock;
	struct mhca_bucket bucket;
	u64 burst;
	u64 rate;
};

/**
 * struct soft_wait - of one packet for one receiver; all 0: it has not waited
 * @since: ktime_get_ns() of the last look, 0: none
 * @ns: in all
 */
struct soft_wait {
	u64 since;
	u64 ns;
};

void soft_patience_init(struct soft_patience *patience, u64 rate, u64 burst);
/* It has waited since the last look. true: it may go on, at most @bound ns in all. */
bool soft_patience_wait(struct soft_patience *receiver, struct soft_patience *sender,
			struct soft_wait *wait, u64 bound);

#endif /* SOFT_PATIENCE_H */
