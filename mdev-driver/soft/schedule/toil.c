// SPDX-License-Identifier: GPL-2.0-only
/*
 * Toil: memory that is in pieces of other keys has each piece looked up and held, on the
 * lane of who sends. A sender's own pieces are a part of its turn. Those of a receiver
 * are not the sender's choice: small ones are counted here, and a receiver that has had a
 * part of the lanes' time with them gets nothing into such memory until it has earned
 * some again. What an honest receiver has is not small, or few.
 */
#include <mhca/kernel.h>
#include "toil.h"

/* Pieces by second, some 50 ns each: a part of a lane's time as of its patience. */
#define SOFT_TOIL_RATE	500000ULL
#define SOFT_TOIL_BURST	2048ULL

/**
 * soft_toil_init() - a receiver that was no toil yet
 * @toil: toil with it
 */
void soft_toil_init(struct soft_toil *toil)
{
	memset(toil, 0, sizeof(*toil));
	spin_lock_init(&toil->lock);
}

/**
 * soft_toil_spend() - small pieces of a receiver's memory are followed
 * @toil: toil with it
 * @pieces: how many
 *
 * Any context. Return: false: senders had toil enough, these are not followed.
 */
bool soft_toil_spend(struct soft_toil *toil, u32 pieces)
{
	bool may;

	spin_lock(&toil->lock);
	mhca_bucket_fill(&toil->bucket, SOFT_TOIL_RATE, SOFT_TOIL_BURST, ktime_get_ns());
	may = toil->bucket.level > 0;
	if (may)
		mhca_bucket_take(&toil->bucket, pieces);
	spin_unlock(&toil->lock);
	return may;
}
