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
#include "lane.h"

#define SOFT_LANE_SLICE_NS	(100 * NSEC_PER_USEC)
#define SOFT_SLEEP_SLACK_NS	(50 * NSEC_PER_USEC)
#define SOFT_SPIN_TURNS		32	/* empty turns before a contended CPU is left */

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
 * A sleeper that used little is put in front when its timer fires; one that yields is
 * not.
 */
static void soft_lane_pause(struct soft_lane *lane)
{
	ktime_t expires = ns_to_ktime(lane->params.pause_ns);

	set_current_state(TASK_INTERRUPTIBLE | TASK_FREEZABLE);
	if (!atomic_read(&lane->wake) && !kthread_should_stop())
		schedule_hrtimeout_range(&expires, lane->params.pause_ns, HRTIMER_MODE_REL);
	__set_current_state(TASK_RUNNING);
}

/*
 * Polling in vain on a CPU that somebody else wants, as a rule a vCPU that waits for
 * this very lane: each would spin until the other's time slice ends. On a CPU of its
 * own a lane spins longer, but not for ever either: its load would keep two vCPUs that
 * wait for each other on one CPU, where a message takes a time slice.
 */
static bool soft_lane_spins_in_vain(const struct soft_lane *lane, u32 empty, u64 since)
{
	if (empty < SOFT_SPIN_TURNS)
		return false;
	return !single_task_running() || ktime_get_ns() - since >= lane->params.spin_ns;
}

/* Nothing was done in @empty turns in a row, the first of them ended at @since. */
static void soft_lane_rest(struct soft_lane *lane, u32 empty, u64 since)
{
	u64 deadline;

	if (soft_lane_may_sleep(lane, &deadline))
		soft_lane_sleep(lane, deadline);
	else if (soft_lane_spins_in_vain(lane, empty, since))
		soft_lane_pause(lane);
	else
		cond_resched_tasks_rcu_qs();
}

/*
 * A short slice lets the lane in when it wakes, in the middle of a vCPU's longer one
 * (kernels from 6.12 on; older ones look at who has had less). The weight of a vCPU,
 * so that the balancer does not give a lane that polls a CPU and its guests another.
 */
static void soft_lane_schedule(void)
{
	struct sched_attr attr = {
		.size = sizeof(attr),
		.sched_policy = SCHED_NORMAL,
		.sched_nice = 0,
		.sched_runtime = SOFT_LANE_SLICE_NS,
	};

	/* It works without, only slower. */
	if (sched_setattr_nocheck(current, &attr))
		pr_debug("mhca_soft: lane keeps the default time slice\n");
}

static int soft_lane_loop(void *data)
{
	struct soft_lane *lane = data;
	u64 since = 0;
	u32 empty = 0;

	set_freezable();
	soft_lane_schedule();
	while (!kthread_should_stop()) {
		try_to_freeze();
		/* Before the turn: what happens during it wakes again. */
		atomic_xchg(&lane->wake, 0);
		if (soft_lane_turn(lane)) {
			empty = 0;
			/* It may go on for ever, and preemption tells Tasks RCU nothing. */
			cond_resched_tasks_rcu_qs();
		} else {
			if (!empty++)
				since = ktime_get_ns();
			soft_lane_rest(lane, empty, since);
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

