// SPDX-License-Identifier: GPL-2.0-only
/*
 * Who gets how much of a lane: weights and rates of instances.
 *
 * Instances share a busy lane by time. What one has used counts divided by its weight,
 * and who is ahead of another waits for it (lane.c). An instance that has moved more
 * bytes than its rate allows leaves the lane's list until it has earned some again; its
 * QPs stay as they are.
 */
#include <mhca/kernel.h>
#include "schedule.h"

/* Weight at which a ns of lane time counts as one. */
#define SOFT_WEIGHT_ONE		100U
/*
 * Of what others spent on an instance while it did not run so much is charged, and so much
 * does one that begins to be busy still owe.
 */
#define SOFT_OWED_MAX		(10 * NSEC_PER_MSEC)
#define SOFT_LEAD_NS		(100 * 1000U)	/* of an instance before another */
/* A message goes on in pieces no smaller than this, however low the rate. */
#define SOFT_RATE_LEAST		4096U
/* An instance that waits for its rate comes back with so much of a second's bytes. */
#define SOFT_RATE_QUANTA	1000U
/* So much of a lane's being late is made up for. */
#define SOFT_RATE_LATE_NS	(100 * NSEC_PER_MSEC)
/* Bytes of a QP at once while another instance waits: some 10 us of copying. */
#define SOFT_CROWD_BYTES	(96 * 1024ULL)
/* … WQEs of a queue */
#define SOFT_CROWD_WQES		32U

static u32 soft_weight(const struct soft_instance *si)
{
	return READ_ONCE(si->inst->quota.weight) ?: SOFT_WEIGHT_ONE;
}

/**
 * soft_share_init() - an instance that has used nothing
 * @si: instance; on its lane
 *
 * Return: 0 or -ENOMEM.
 */
int soft_share_init(struct soft_instance *si)
{
	si->timer.kind = SOFT_TIMER_INSTANCE;
	return soft_timers_reserve(&si->lane->timers, &si->lane->lock);
}

/**
 * soft_share_fini() - the instance goes
 * @si: instance without objects
 */
void soft_share_fini(struct soft_instance *si)
{
	struct soft_lane *lane = si->lane;

	mutex_lock(&lane->lock);
	soft_timer_cancel(&lane->timers, &si->timer);
	soft_timers_release(&lane->timers);
	mutex_unlock(&lane->lock);
}

/* ---- Weights ------------------------------------------------------------------- */

/**
 * soft_share_weights() - sum of the weights of who is to be run
 * @lane: lane; lock held
 *
 * Also notes the least time that a busy one of them has used. When none was busy nobody
 * has waited, so nobody owes anything. Return: the sum.
 */
u64 soft_share_weights(struct soft_lane *lane)
{
	struct soft_instance *si;
	u64 least = U64_MAX;
	u64 sum = 0;

	lockdep_assert_held(&lane->lock);
	list_for_each_entry(si, &lane->active, active_node) {
		if (si->busy)
			least = min(least, si->used);
		sum += soft_weight(si);
	}
	lane->used = least != U64_MAX ? least : lane->most;
	return sum;
}

/**
 * soft_share_slice() - an instance's part of a turn
 * @si: instance
 * @ns: the turn
 * @sum: of all weights
 *
 * Return: ns.
 */
u64 soft_share_slice(const struct soft_instance *si, u64 ns, u64 sum)
{
	return div64_u64(ns * soft_weight(si), max(sum, 1ULL));
}

/**
 * soft_share_begin() - the time from now on is charged to somebody
 * @lane: lane; lock held
 * @now: ktime_get_ns()
 */
void soft_share_begin(struct soft_lane *lane, u64 now)
{
	lane->charged = now;
}

static void soft_share_add(struct soft_instance *si, u64 ns)
{
	si->used += div_u64(ns * SOFT_WEIGHT_ONE, soft_weight(si));
	si->lane->most = max(si->lane->most, si->used);
}

/**
 * soft_share_used() - an instance had lane time
 * @si: instance; its lane's lock held
 * @ns: how much; what others' lanes spent on it comes on top
 */
void soft_share_used(struct soft_instance *si, u64 ns)
{
	if (unlikely(atomic64_read(&si->owed)))
		ns += min_t(u64, atomic64_xchg(&si->owed, 0), SOFT_OWED_MAX);
	soft_share_add(si, ns);
}

/**
 * soft_share_meter() - what was done since the last call was for an instance
 * @si: instance; its lane's lock held
 */
void soft_share_meter(struct soft_instance *si)
{
	struct soft_lane *lane = si->lane;
	u64 now = ktime_get_ns();

	lockdep_assert_held(&lane->lock);
	/* A debt of one that is not busy waits until it is: soft_share_start(). */
	if (si->busy)
		soft_share_used(si, now - lane->charged);
	else
		soft_share_add(si, now - lane->charged);
	lane->charged = now;
}

/**
 * soft_share_start() - an instance that had nothing to do begins to be busy
 * @si: instance; its lane's lock held
 *
 * It has saved up nothing. What it had before the others it owes still, or a pause, a reset
 * or a wait for its rate would be worth lane time; what was done for it while nobody was
 * busy it does not (soft_share_weights()). What others' lanes spent on it comes on top.
 */
void soft_share_start(struct soft_instance *si)
{
	u64 least = si->lane->used;

	si->used = clamp(si->used, least, least + SOFT_OWED_MAX);
	soft_share_used(si, 0);
}

/**
 * soft_share_ahead() - does an instance have to wait for others?
 * @si: instance; its lane's lock held
 */
bool soft_share_ahead(const struct soft_instance *si)
{
	return si->used - si->lane->used > SOFT_LEAD_NS;
}

/**
 * soft_share_charge() - lane time that an instance cost another one
 * @si: who pays, at its next run on whatever lane; inside srcu
 * @ns: how much
 *
 * Who spent it pays as well: it is the one who can stop, and one that got it back could
 * have the lane for nothing, with a second instance that never runs.
 */
void soft_share_charge(struct soft_instance *si, u64 ns)
{
	atomic64_add(ns, &si->owed);
}

/* ---- Rates ----------------------------------------------------------------------- */

static u64 soft_burst(const struct soft_instance *si)
{
	return max_t(u64, READ_ONCE(si->inst->quota.burst), SOFT_RATE_LEAST);
}

/**
 * soft_share_admit() - may an instance move data now?
 * @si: instance on its lane's list; lock held
 *
 * Return: false: it has moved too much, left the list, and comes back by its timer.
 */
bool soft_share_admit(struct soft_instance *si)
{
	u64 rate = READ_ONCE(si->inst->quota.rate);
	struct soft_lane *lane = si->lane;
	u64 now, quantum;

	lockdep_assert_held(&lane->lock);
	if (likely(!rate)) {
		/* Full when a rate is set. */
		si->rate.stamp = 0;
		si->late = 0;
		return true;
	}
	now = ktime_get_ns();
	mhca_bucket_fill(&si->rate, rate, soft_burst(si) + si->late, now);
	si->late = max_t(s64, si->rate.level - (s64)soft_burst(si), 0);
	if (si->rate.level > 0)
		return true;
	quantum = clamp_t(u64, div_u64(rate, SOFT_RATE_QUANTA), 1, soft_burst(si));
	si->throttled = true;
	si->throttled_at = now;
	list_del_init(&si->active_node);
	si->throttled_until = now + mhca_bucket_wait(&si->rate, rate, quantum);
	soft_timer_arm(&lane->timers, &si->timer, si->throttled_until);
	return false;
}

/**
 * soft_share_timer() - an instance has waited long enough
 * @si: instance; its lane's lock held, its timer fired
 *
 * The burst is for what an instance did not send though it might have. What it could not
 * send since its timer was due, for the lane was late, is not lost to it.
 */
void soft_share_timer(struct soft_instance *si)
{
	u64 now = ktime_get_ns(), late = 0;

	lockdep_assert_held(&si->lane->lock);
	si->throttled = false;
	mhca_count_add(si->inst, rate_wait_us, div_u64(now - si->throttled_at, NSEC_PER_USEC));
	if (list_empty(&si->active) && list_empty(&si->active_sqs) &&
	    (list_empty(&si->inbox.letters) || si->inbox.held))
		return;
	if (now > si->throttled_until)
		late = min_t(u64, now - si->throttled_until, SOFT_RATE_LATE_NS);
	si->late = div_u64(READ_ONCE(si->inst->quota.rate) * late, NSEC_PER_SEC);
	soft_lane_activate_instance(si->lane, si);
}

/**
 * soft_share_bytes() - how much an instance may move at once
 * @si: instance; its lane's lock held
 * @most: not more than that
 *
 * Return: bytes, > 0.
 */
u64 soft_share_bytes(const struct soft_instance *si, u64 most)
{
	if (!list_is_singular(&si->lane->active))
		most = min(most, SOFT_CROWD_BYTES);
	if (likely(!READ_ONCE(si->inst->quota.rate)))
		return most;
	return min_t(u64, most, max_t(s64, si->rate.level, SOFT_RATE_LEAST));
}

/**
 * soft_share_wqes() - how many WQEs of a queue may be run at once
 * @si: instance; its lane's lock held
 * @most: not more than that
 * @cost: beside others each counts as so many
 *
 * Return: a number, > 0 when @most is.
 */
u32 soft_share_wqes(const struct soft_instance *si, u32 most, u32 cost)
{
	if (list_is_singular(&si->lane->active))
		return most;
	return DIV_ROUND_UP(min(most, SOFT_CROWD_WQES), cost);
}

/**
 * soft_share_moved() - an instance has moved bytes
 * @si: instance; its lane's lock held
 * @bytes: how many
 */
void soft_share_moved(struct soft_instance *si, u64 bytes)
{
	mhca_bucket_take(&si->rate, bytes);
}

/**
 * soft_share_spent() - is an instance's rate used up?
 * @si: instance; its lane's lock held
 *
 * Return: true: nothing of it is begun before the next soft_share_admit().
 */
bool soft_share_spent(const struct soft_instance *si)
{
	return READ_ONCE(si->inst->quota.rate) && si->rate.level <= 0;
}
