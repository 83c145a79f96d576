// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Who runs the lanes: the test itself, turn by turn, or one thread for each. */
#include <sched.h>
#include <semaphore.h>
#include <time.h>

#include "vmm_user.h"

#define SETTLE_TURNS	2000000

struct lane_thread {
	struct soft_lane *lane;
	pthread_t thread;
	sem_t wake;
	int stop;
};

void soft_lane_wake(struct soft_lane *lane)
{
	struct lane_thread *t = READ_ONCE(lane->thread);

	if (!atomic_xchg(&lane->wake, 1) && t)
		sem_post(&t->wake);
}

bool lanes_turn(struct soft_hca *hca)
{
	bool did = false;
	u32 i;

	for (i = 0; i < hca->n_lanes; i++) {
		atomic_xchg(&hca->lanes[i].wake, 0);
		did |= soft_lane_turn(&hca->lanes[i]);
	}
	return did;
}

void lanes_settle(struct soft_hca *hca)
{
	u32 turns;

	for (turns = 0; lanes_turn(hca); turns++)
		if (turns > SETTLE_TURNS)
			shim_warn(__FILE__, __LINE__, "lanes never become quiet");
}

/* Until woken or @deadline (ktime_get_ns()). */
static void lane_sleep(struct lane_thread *t, u64 deadline)
{
	struct timespec until;
	u64 now = ktime_get_ns();
	u64 ns = deadline > now ? deadline - now : 0;

	if (deadline == U64_MAX || ns > NSEC_PER_SEC)
		ns = NSEC_PER_SEC;
	clock_gettime(CLOCK_REALTIME, &until);
	ns += (u64)until.tv_nsec;
	until.tv_sec += (time_t)(ns / NSEC_PER_SEC);
	until.tv_nsec = (long)(ns % NSEC_PER_SEC);
	if (!atomic_read(&t->lane->wake))
		sem_timedwait(&t->wake, &until);
	while (!sem_trywait(&t->wake))
		;
}

static void *lane_loop(void *arg)
{
	struct lane_thread *t = arg;
	u64 deadline;

	while (!READ_ONCE(t->stop)) {
		atomic_xchg(&t->lane->wake, 0);
		if (soft_lane_turn(t->lane))
			continue;
		if (soft_lane_may_sleep(t->lane, &deadline))
			lane_sleep(t, deadline);
	}
	return NULL;
}

int lanes_start(struct soft_hca *hca)
{
	u32 i;

	for (i = 0; i < hca->n_lanes; i++) {
		struct lane_thread *t = calloc(1, sizeof(*t));

		if (!t)
			return -ENOMEM;
		t->lane = &hca->lanes[i];
		sem_init(&t->wake, 0, 0);
		WRITE_ONCE(hca->lanes[i].thread, (void *)t);
		if (pthread_create(&t->thread, NULL, lane_loop, t)) {
			hca->lanes[i].thread = NULL;
			free(t);
			return -EAGAIN;
		}
	}
	return 0;
}

void lanes_stop(struct soft_hca *hca)
{
	u32 i;

	for (i = 0; i < hca->n_lanes; i++) {
		struct lane_thread *t = hca->lanes[i].thread;

		if (!t)
			continue;
		WRITE_ONCE(t->stop, 1);
		sem_post(&t->wake);
		pthread_join(t->thread, NULL);
		WRITE_ONCE(hca->lanes[i].thread, NULL);
		sem_destroy(&t->wake);
		free(t);
	}
}
