// SPDX-License-Identifier: GPL-2.0-only
/*
 * Timers of a lane: a binary min-heap of soft_timer, least deadline first.
 * Everything runs under the lane's lock. Room is reserved when a QP or CQ is
 * created, so that arming one can never fail.
 */
#include <mhca/kernel.h>
#include "schedule.h"

#define SOFT_TIMERS_MIN		64

static void soft_timer_place(struct soft_timers *timers, u32 at, struct soft_timer *timer)
{
	timers->heap[at] = timer;
	timer->pos = at + 1;
}

/* Move @timer from the hole at @at towards the root. */
static void soft_timer_up(struct soft_timers *timers, u32 at, struct soft_timer *timer)
{
	while (at) {
		u32 parent = (at - 1) / 2;

		if (timers->heap[parent]->deadline <= timer->deadline)
			break;
		soft_timer_place(timers, at, timers->heap[parent]);
		at = parent;
	}
	soft_timer_place(timers, at, timer);
}

/* Move @timer from the hole at @at towards the leaves. */
static void soft_timer_down(struct soft_timers *timers, u32 at, struct soft_timer *timer)
{
	for (;;) {
		u32 child = 2 * at + 1;

		if (child >= timers->n)
			break;
		if (child + 1 < timers->n &&
		    timers->heap[child + 1]->deadline < timers->heap[child]->deadline)
			child++;
		if (timers->heap[child]->deadline >= timer->deadline)
			break;
		soft_timer_place(timers, at, timers->heap[child]);
		at = child;
	}
	soft_timer_place(timers, at, timer);
}

/* Take @heap of @size into use when it is bigger; the smaller of the two is given back. */
static void soft_timers_grow(struct soft_timers *timers, struct soft_timer ***heap, u32 size)
{
	if (size <= timers->size)
		return;
	if (timers->n)
		memcpy(*heap, timers->heap, timers->n * sizeof(**heap));
	swap(*heap, timers->heap);
	timers->size = size;
}

/**
 * soft_timers_reserve() - make room for one more timer
 * @timers: heap
 * @lock: what protects it; not held, nothing is allocated under it
 *
 * Return: 0 or -ENOMEM.
 */
int soft_timers_reserve(struct soft_timers *timers, struct mutex *lock)
{
	struct soft_timer **heap = NULL;
	u32 size = 0;
	bool room;

	for (;;) {
		mutex_lock(lock);
		soft_timers_grow(timers, &heap, size);
		room = timers->reserved < timers->size;
		timers->reserved += room;
		size = max_t(u32, 2 * timers->size, SOFT_TIMERS_MIN);
		mutex_unlock(lock);

		kvfree(heap);
		if (room)
			return 0;
		heap = kvcalloc(size, sizeof(*heap), GFP_KERNEL);
		if (!heap)
			return -ENOMEM;
	}
}

/**
 * soft_timers_release() - give back what soft_timers_reserve() made
 * @timers: heap; its lock held
 */
void soft_timers_release(struct soft_timers *timers)
{
	timers->reserved--;
}

/**
 * soft_timers_free() - free the heap; nothing is armed any more
 * @timers: heap
 */
void soft_timers_free(struct soft_timers *timers)
{
	kvfree(timers->heap);
	memset(timers, 0, sizeof(*timers));
}

/**
 * soft_timer_arm() - arm, or move an armed timer
 * @timers: heap
 * @timer: timer
 * @deadline: ktime_get_ns() at which it is due
 */
void soft_timer_arm(struct soft_timers *timers, struct soft_timer *timer, u64 deadline)
{
	soft_timer_cancel(timers, timer);
	if (WARN_ON_ONCE(timers->n >= timers->size))
		return;
	timer->deadline = deadline;
	soft_timer_up(timers, timers->n++, timer);
}

/**
 * soft_timer_cancel() - disarm; nothing happens when it is not armed
 * @timers: heap
 * @timer: timer
 */
void soft_timer_cancel(struct soft_timers *timers, struct soft_timer *timer)
{
	struct soft_timer *last;
	u32 at;

	if (!timer->pos)
		return;
	at = timer->pos - 1;
	timer->pos = 0;
	last = timers->heap[--timers->n];
	if (last == timer)
		return;
	if (at && timers->heap[(at - 1) / 2]->deadline > last->deadline)
		soft_timer_up(timers, at, last);
	else
		soft_timer_down(timers, at, last);
}

/**
 * soft_timer_pop() - take the timer that is due longest
 * @timers: heap
 * @now: ktime_get_ns()
 *
 * Return: the timer, disarmed, or NULL when none is due.
 */
struct soft_timer *soft_timer_pop(struct soft_timers *timers, u64 now)
{
	struct soft_timer *timer;

	if (!timers->n)
		return NULL;
	timer = timers->heap[0];
	if (timer->deadline > now)
		return NULL;
	soft_timer_cancel(timers, timer);
	return timer;
}
