// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * A lane's thread in user space: turns while there is work or a doorbell page to poll,
 * pauses when that was in vain for a while, sleeps otherwise. What
 * soft/lane/lane_thread.c and soft/schedule/wake.c are in the kernel.
 *
 * A sleeper waits on lane->wake itself (a futex).
 */
#define _GNU_SOURCE
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <mhca/kernel.h>
#include <shim/threads.h>
#include "lane/lane.h"

#define LANE_SPIN_TURNS		32	/* empty turns before anything else is tried */
#define LANE_SLICE_NS		(100 * NSEC_PER_USEC)

/**
 * struct lane_thread - what lane->thread points to
 * @lane: lane
 * @thread: its thread
 * @stop: it is to end
 * @cpus: where it runs; @bound
 * @bound: @cpus counts
 */
struct lane_thread {
	struct soft_lane *lane;
	pthread_t thread;
	bool stop;
	struct cpumask cpus;
	bool bound;
};

static struct timespec timespec_of(u64 ns)
{
	return (struct timespec){ (time_t)(ns / NSEC_PER_SEC), (long)(ns % NSEC_PER_SEC) };
}

/**
 * soft_lane_wake() - have the lane look again
 * @lane: lane
 *
 * Any context. A system call only when the lane sleeps.
 */
void soft_lane_wake(struct soft_lane *lane)
{
	/* Pairs with the fence in lane_sleep(): one of the two sees the other. */
	if (!atomic_xchg(&lane->wake, 1) && READ_ONCE(lane->asleep))
		syscall(SYS_futex, &lane->wake.counter, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

/* Until a wake or @deadline (ktime_get_ns(), U64_MAX: no end). */
static void lane_sleep(struct soft_lane *lane, u64 deadline)
{
	struct timespec until = timespec_of(deadline);

	WRITE_ONCE(lane->asleep, true);
	smp_mb();
	syscall(SYS_futex, &lane->wake.counter, FUTEX_WAIT_BITSET_PRIVATE, 0,
		deadline == U64_MAX ? NULL : &until, NULL, FUTEX_BITSET_MATCH_ANY);
	WRITE_ONCE(lane->asleep, false);
}

/* Polling in vain: the CPU may be what the one that we wait for needs. */
static void lane_pause(const struct soft_lane *lane)
{
	struct timespec pause = timespec_of(lane->params.pause_ns);

	nanosleep(&pause, NULL);
}

/* Nothing was done in @empty turns in a row, the first of them ended at @since. */
static void lane_rest(struct soft_lane *lane, u32 empty, u64 since)
{
	u64 deadline;

	if (soft_lane_may_sleep(lane, &deadline))
		lane_sleep(lane, deadline);
	else if (empty >= LANE_SPIN_TURNS && ktime_get_ns() - since >= lane->params.spin_ns)
		lane_pause(lane);
	else
		cpu_relax();
}

/*
 * As in the kernel: a short slice lets the lane in when it wakes, in the middle of a vCPU's
 * longer one (kernels from 6.12 on). Without privileges; it works without it, too.
 */
static void lane_schedule(void)
{
	struct {
		u32 size;
		u32 policy;
		u64 flags;
		s32 nice;
		u32 priority;
		u64 runtime;
		u64 deadline;
		u64 period;
	} attr = {
		.size = sizeof(attr),
		.policy = SCHED_OTHER,
		.nice = getpriority(PRIO_PROCESS, 0),
		.runtime = LANE_SLICE_NS,
	};

	syscall(SYS_sched_setattr, 0, &attr, 0);
}

static void *lane_loop(void *arg)
{
	struct lane_thread *t = arg;
	struct soft_lane *lane = t->lane;
	u64 since = 0;
	u32 empty = 0;

	/* Pauses are short: the default slack would be most of them. */
	prctl(PR_SET_TIMERSLACK, 1000, 0, 0, 0);
	lane_schedule();
	while (!READ_ONCE(t->stop)) {
		/* Before the turn: what happens during it wakes again. */
		atomic_xchg(&lane->wake, 0);
		if (soft_lane_turn(lane)) {
			empty = 0;
			continue;
		}
		if (!empty++)
			since = ktime_get_ns();
		lane_rest(lane, empty, since);
	}
	return NULL;
}

static int lane_create(struct lane_thread *t)
{
	char name[16];
	pthread_attr_t attr;
	int err;

	pthread_attr_init(&attr);
	err = t->bound ? pthread_attr_setaffinity_np(&attr, sizeof(t->cpus.set), &t->cpus.set) : 0;
	if (!err)
		err = pthread_create(&t->thread, &attr, lane_loop, t);
	pthread_attr_destroy(&attr);
	if (err)
		return -err;
	snprintf(name, sizeof(name), "mhca_lane/%u", t->lane->index % 1000);
	pthread_setname_np(t->thread, name);
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
	struct lane_thread *t = calloc(1, sizeof(*t));
	int err;

	if (!t)
		return -ENOMEM;
	t->lane = lane;
	if (cpus) {
		t->cpus = *cpus;
		t->bound = true;
	}
	WRITE_ONCE(lane->thread, (void *)t);
	err = lane_create(t);
	if (err) {
		lane->thread = NULL;
		free(t);
	}
	return err;
}

/**
 * soft_lane_stop() - stop the lane's thread
 * @lane: lane
 */
void soft_lane_stop(struct soft_lane *lane)
{
	struct lane_thread *t = lane->thread;

	if (!t)
		return;
	WRITE_ONCE(t->stop, true);
	soft_lane_wake(lane);
	pthread_join(t->thread, NULL);
	WRITE_ONCE(lane->thread, NULL);
	free(t);
}
