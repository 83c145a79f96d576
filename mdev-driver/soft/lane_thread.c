// SPDX-License-Identifier: GPL-2.0-only
/*
 * A lane's thread: turns while there is work or a doorbell page to poll, sleep
 * otherwise. Only this file knows that a lane is a kthread.
 */
#include <linux/cpumask.h>
#include <linux/freezer.h>
#include <linux/hrtimer.h>
#include <linux/kthread.h>
#include <linux/sched/stat.h>
#include <uapi/linux/sched/types.h>

#include <mhca/kernel.h>
#include "soft.h"

#define SOFT_LANE_NICE		(-5)
#define SOFT_LANE_SLICE_NS	(100 * NSEC_PER_USEC)
#define SOFT_SLEEP_SLACK_NS	(50 * NSEC_PER_USEC)
#define SOFT_SPIN_TURNS		32	/* empty turns before a contended CPU is left */
#define SOFT_PAUSE_NS		(20 * NSEC_PER_USEC)
#define SOFT_PAUSE_SLACK_NS	(20 * NSEC_PER_USEC)

/*
 * Sleep until @deadline (ktime_get_ns(), U64_MAX: no end) or a wake. A wake that
 * came since the lane last looked is noticed here, because soft_lane_wake() sets
 * the flag first and this looks at it with the task's state already set.
 */
static void soft_lane_sleep(struct soft_lane *lane, u64 deadline)
{
	ktime_t expires = ns_to_ktime(deadline);

	set_current_state(TASK_INTERRUPTIBLE | TASK_FREEZABLE);
	if (!atomic_read(&lane->wake) && !kthread_should_stop()) {
		WRITE_ONCE(lane->asleep, true);
		trace_mhca_lane(lane->index, false);
		if (deadline == U64_MAX)
			schedule();
		else
			schedule_hrtimeout_range(&expires, SOFT_SLEEP_SLACK_NS,
						 HRTIMER_MODE_ABS);
		WRITE_ONCE(lane->asleep, false);
		trace_mhca_lane(lane->index, true);
	}
	__set_current_state(TASK_RUNNING);
}

/*
 * Polling in vain on a CPU that somebody else wants, as a rule a vCPU that waits for
 * this very lane: without this each would spin until the other's time slice ends. A
 * sleeper that used little is put in front when its timer fires; one that yields is
 * not.
 */
static void soft_lane_pause(struct soft_lane *lane)
{
	ktime_t expires = SOFT_PAUSE_NS;

	set_current_state(TASK_INTERRUPTIBLE | TASK_FREEZABLE);
	if (!atomic_read(&lane->wake) && !kthread_should_stop())
		schedule_hrtimeout_range(&expires, SOFT_PAUSE_SLACK_NS, HRTIMER_MODE_REL);
	__set_current_state(TASK_RUNNING);
}

/* Nothing was done in @empty turns in a row. */
static void soft_lane_rest(struct soft_lane *lane, u32 empty)
{
	u64 deadline;

	if (soft_lane_may_sleep(lane, &deadline))
		soft_lane_sleep(lane, deadline);
	else if (empty >= SOFT_SPIN_TURNS && !single_task_running())
		soft_lane_pause(lane);
	else
		cond_resched();
}

/*
 * A short slice lets the lane in when it wakes, in the middle of a vCPU's longer one
 * (kernels from 6.12 on; older ones look at who has had less). A little more weight
 * than a vCPU: a lane that is busy all the time gets a CPU, one that polls shares.
 */
static void soft_lane_schedule(void)
{
	struct sched_attr attr = {
		.size = sizeof(attr),
		.sched_policy = SCHED_NORMAL,
		.sched_nice = SOFT_LANE_NICE,
		.sched_runtime = SOFT_LANE_SLICE_NS,
	};

	/* It works without, only slower. */
	if (sched_setattr_nocheck(current, &attr))
		pr_debug("mhca_soft: lane keeps the default time slice\n");
}

static int soft_lane_loop(void *data)
{
	struct soft_lane *lane = data;
	u32 empty = 0;

	set_freezable();
	soft_lane_schedule();
	while (!kthread_should_stop()) {
		try_to_freeze();
		/* Before the turn: what happens during it wakes again. */
		atomic_xchg(&lane->wake, 0);
		if (soft_lane_turn(lane)) {
			empty = 0;
			cond_resched();
		} else {
			soft_lane_rest(lane, ++empty);
		}
	}
	return 0;
}

/**
 * soft_lane_start() - start the lane's thread
 * @lane: lane
 * @cpus: where it may run, or NULL
 *
 * Return: 0 or -errno.
 */
int soft_lane_start(struct soft_lane *lane, const struct cpumask *cpus)
{
	struct task_struct *task;
	int err;

	task = kthread_create(soft_lane_loop, lane, "mhca_lane/%u", lane->index);
	if (IS_ERR(task))
		return PTR_ERR(task);
	if (cpus) {
		err = set_cpus_allowed_ptr(task, cpus);
		if (err) {
			kthread_stop(task);
			return err;
		}
	}
	WRITE_ONCE(lane->thread, task);
	wake_up_process(task);
	return 0;
}

/**
 * soft_lane_stop() - stop the lane's thread; no instance is left
 * @lane: lane
 */
void soft_lane_stop(struct soft_lane *lane)
{
	struct task_struct *task = lane->thread;

	if (!task)
		return;
	kthread_stop(task);
	lane->thread = NULL;
}

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
