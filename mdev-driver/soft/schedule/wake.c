// SPDX-License-Identifier: GPL-2.0-only
/*
 * Waking a lane: the one thing that the ground floor knows of the lane's thread.
 */
#include <mhca/kernel.h>
#include "schedule.h"

/**
 * soft_lane_wake() - have the lane look again
 * @lane: lane
 *
 * Any context. Cheap while a wake is already on its way.
 */
void soft_lane_wake(struct soft_lane *lane)
{
	struct task_struct *task = READ_ONCE(lane->thread);

	/* The exchange orders what the caller made visible before the flag. */
	if (!atomic_xchg(&lane->wake, 1) && task)
		wake_up_process(task);
}
