/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Timers: a min-heap per lane (timer.c).
 */
#ifndef SOFT_SCHEDULE_TIMER_H
#define SOFT_SCHEDULE_TIMER_H

#include <mhca/kernel.h>

/**
 * struct soft_timer - something to look at later
 * @deadline: ktime_get_ns() at which it is due
 * @pos: position in the heap + 1, 0: not armed
 * @kind: what it is embedded in
 */
struct soft_timer {
	u64 deadline;
	u32 pos;
	enum { SOFT_TIMER_QP, SOFT_TIMER_CQ, SOFT_TIMER_INSTANCE } kind;
};

/**
 * struct soft_timers - heap; protected by the lane's lock
 * @heap: @n armed timers, least deadline first
 * @n: armed
 * @size: allocated; grown by soft_timers_reserve() when a QP or CQ is created
 *        so that arming never allocates
 * @reserved: QPs and CQs on the lane
 */
struct soft_timers {
	struct soft_timer **heap;
	u32 n;
	u32 size;
	u32 reserved;
};

int soft_timers_reserve(struct soft_timers *timers, struct mutex *lock);
void soft_timers_release(struct soft_timers *timers);
void soft_timer_arm(struct soft_timers *timers, struct soft_timer *timer, u64 deadline);
void soft_timer_cancel(struct soft_timers *timers, struct soft_timer *timer);
/* The due timer with the least deadline, disarmed; NULL: none due at @now. */
struct soft_timer *soft_timer_pop(struct soft_timers *timers, u64 now);
void soft_timers_free(struct soft_timers *timers);

/* ns until a deadline, 0: it is over. */
static inline u64 soft_remaining(u64 deadline)
{
	u64 now = ktime_get_ns();

	return deadline > now ? deadline - now : 0;
}

#endif /* SOFT_SCHEDULE_TIMER_H */
