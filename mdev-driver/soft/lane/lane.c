// SPDX-License-Identifier: GPL-2.0-only
/*
 * Lanes: what to do next. A turn looks at every mapped doorbell page of the lane's
 * instances, runs the QPs that may have work within their budgets, and looks after
 * timers, idle pages and QPs in error. Every part of a turn is bounded, so that the
 * lane's lock is never held for long. The pages themselves: doorbell.c.
 */
#include <mhca/kernel.h>
#include "lane.h"

#define SOFT_TURN_QPS		64	/* QPs of an instance run in a turn */
#define SOFT_TURN_NS		(100 * 1000U)	/* no QP is begun after so long */
#define SOFT_CROWD_NS		(10 * 1000U)	/* the same for all, if there are several */
#define SOFT_TURN_TIMERS	64	/* timers served in a turn */
#define SOFT_TURN_ERRORS	64	/* QPs in error looked at in a turn */
#define SOFT_ERROR_WAIT_MAX	(100 * 1000 * 1000ULL)

/**
 * soft_lane_init() - an empty lane without a thread
 * @lane: zeroed
 * @hca: HCA
 * @index: number
 * @params: copied
 */
void soft_lane_init(struct soft_lane *lane, struct soft_hca *hca, u32 index,
		    const struct soft_lane_params *params)
{
	lane->hca = hca;
	lane->index = index;
	lane->params = *params;
	mutex_init(&lane->lock);
	INIT_LIST_HEAD(&lane->polled);
	INIT_LIST_HEAD(&lane->active);
	INIT_LIST_HEAD(&lane->errors);
	INIT_LIST_HEAD(&lane->errors_left);
	INIT_LIST_HEAD(&lane->memory);
	INIT_LIST_HEAD(&lane->memory_due);
	atomic_set(&lane->pinned, 0);
	spin_lock_init(&lane->touch_lock);
	INIT_LIST_HEAD(&lane->touched);
	spin_lock_init(&lane->fail_lock);
	INIT_LIST_HEAD(&lane->failed);
	INIT_LIST_HEAD(&lane->called);
	INIT_LIST_HEAD(&lane->attention);
	atomic_set(&lane->wake, 0);
}

/* End a QP's wait, if it waits. */
static void soft_lane_resume(struct soft_lane *lane, struct soft_qp *qp)
{
	lockdep_assert_held(&lane->lock);
	list_del_init(&qp->base.memory_node);
	soft_timer_cancel(&lane->timers, &qp->base.timer);
	qp->req.waiting = false;
	soft_lane_activate(lane, &qp->base);
}

/*
 * ---- What others asked for ---------------------------------------------
 *
 * The first look at a list takes no lock. What it misses is seen in the next turn:
 * who adds to a list wakes the lane afterwards.
 */

static struct soft_qp *soft_next_failed(struct soft_lane *lane)
{
	struct soft_qp *qp;

	if (likely(list_empty(&lane->failed)))
		return NULL;
	spin_lock(&lane->fail_lock);
	qp = list_first_entry_or_null(&lane->failed, struct soft_qp, base.fail_node);
	if (qp) {
		list_del_init(&qp->base.fail_node);
		qp->base.fail_queued = false;
	}
	spin_unlock(&lane->fail_lock);
	return qp;
}

/* QPs that a responder or an overrun CQ condemned. A reset one starts a new life. */
static bool soft_take_failed(struct soft_lane *lane)
{
	struct soft_qp *qp;
	u32 n;

	for (n = 0; n < SOFT_TURN_REQUESTS; n++) {
		qp = soft_next_failed(lane);
		if (!qp)
			break;
		if (qp->state == MLX5_QP_STATE_RST || qp->state == MLX5_QP_STATE_ERR)
			continue;
		mhca_count(qp->base.obj.inst, qp_errors);
		soft_qp_to_error(qp);
		soft_share_meter(qp->base.si);
	}
	return n;
}

static struct soft_instance *soft_next_called(struct soft_lane *lane)
{
	struct soft_instance *si;

	if (likely(list_empty(&lane->called)))
		return NULL;
	spin_lock(&lane->fail_lock);
	si = list_first_entry_or_null(&lane->called, struct soft_instance, inbox.node);
	if (si) {
		list_del_init(&si->inbox.node);
		si->inbox.called = false;
	}
	spin_unlock(&lane->fail_lock);
	return si;
}

/* Instances with frames in their inbox: looked at when it is their time. */
static bool soft_take_called(struct soft_lane *lane)
{
	struct soft_instance *si;
	u32 n;

	for (n = 0; n < SOFT_TURN_REQUESTS; n++) {
		si = soft_next_called(lane);
		if (!si)
			break;
		/* Who was to look again may be gone. */
		si->inbox.held = false;
		soft_lane_activate_instance(lane, si);
	}
	return n;
}

static struct soft_cq *soft_next_attention(struct soft_lane *lane)
{
	struct soft_cq *cq;

	if (likely(list_empty(&lane->attention)))
		return NULL;
	spin_lock(&lane->fail_lock);
	cq = list_first_entry_or_null(&lane->attention, struct soft_cq, attention_node);
	if (cq) {
		list_del_init(&cq->attention_node);
		cq->attention_queued = false;
	}
	spin_unlock(&lane->fail_lock);
	return cq;
}

static bool soft_take_attention(struct soft_lane *lane)
{
	struct soft_cq *cq;
	u32 n = 0;

	while (n < SOFT_TURN_REQUESTS) {
		cq = soft_next_attention(lane);
		if (!cq)
			break;
		n += 1 + soft_cq_attend(cq);
		soft_share_meter(soft_instance(cq->obj.inst));
	}
	return n;
}

/* Pages were pinned, whoever's: QPs that waited for some look again. */
static bool soft_take_memory(struct soft_lane *lane)
{
	struct soft_qp *qp;
	u32 n;

	if (unlikely(atomic_read(&lane->pinned)) && atomic_xchg(&lane->pinned, 0))
		list_splice_tail_init(&lane->memory, &lane->memory_due);
	for (n = 0; n < SOFT_TURN_REQUESTS; n++) {
		qp = list_first_entry_or_null(&lane->memory_due, struct soft_qp, base.memory_node);
		if (likely(!qp))
			break;
		soft_lane_resume(lane, qp);
		soft_share_meter(qp->base.si);
	}
	return n;
}

/* ---- QPs, timers, errors ----------------------------------------------- */

/* QPs that wait, or had nothing to do for a while, leave the list. */
static bool soft_run_qp(struct soft_lane *lane, struct soft_qp *qp)
{
	if (soft_requester_run(qp)) {
		qp->base.idle_polls = 0;
		return true;
	}
	if (qp->req.waiting || ++qp->base.idle_polls > lane->params.qp_polls)
		list_del_init(&qp->base.active_node);
	return false;
}

/* Each QP once, within @slice ns. true: some had work, or did not have their turn. */
static bool soft_run_qps(struct soft_lane *lane, struct soft_instance *si, u64 slice)
{
	u64 start = ktime_get_ns(), spent = 0;
	LIST_HEAD(todo);
	struct soft_qp *qp;
	bool did = false;
	u32 n;

	list_splice_init(&si->active, &todo);
	for (n = 0; n < SOFT_TURN_QPS && spent < slice && !soft_share_spent(si); n++) {
		qp = list_first_entry_or_null(&todo, struct soft_qp, base.active_node);
		if (!qp)
			break;
		list_move_tail(&qp->base.active_node, &si->active);
		if (!soft_run_qp(lane, qp))
			continue;
		did = true;
		spent = ktime_get_ns() - start;
	}
	/* Those that had no turn are first in the next one. */
	did |= !list_empty(&todo);
	list_splice(&todo, &si->active);
	return did;
}

static bool soft_run_sq(struct soft_lane *lane, struct soft_sq *sq)
{
	if (soft_sq_run(sq)) {
		sq->idle_polls = 0;
		return true;
	}
	if (!sq->waiting && ++sq->idle_polls > lane->params.qp_polls)
		list_del_init(&sq->active_node);
	return false;
}

/* The same for Ethernet SQs: @slice ns for all of them. */
static bool soft_run_sqs(struct soft_lane *lane, struct soft_instance *si, u64 slice)
{
	u64 start = ktime_get_ns(), spent = 0;
	LIST_HEAD(todo);
	struct soft_sq *sq;
	bool did = false;
	u32 n;

	list_splice_init(&si->active_sqs, &todo);
	for (n = 0; n < SOFT_TURN_QPS && spent < slice && !soft_share_spent(si); n++) {
		sq = list_first_entry_or_null(&todo, struct soft_sq, active_node);
		if (!sq)
			break;
		list_move_tail(&sq->active_node, &si->active_sqs);
		if (!soft_run_sq(lane, sq))
			continue;
		did = true;
		spent = ktime_get_ns() - start;
	}
	did |= !list_empty(&todo);
	list_splice(&todo, &si->active_sqs);
	return did;
}

/*
 * Instances share the lane by time and weight, whatever the number of their QPs: one
 * that is ahead of a busy other waits for it.
 */
static bool soft_run_active(struct soft_lane *lane)
{
	u64 slice, weights = soft_share_weights(lane);
	bool alone = list_is_singular(&lane->active);
	struct soft_instance *si, *next;
	bool did = false;

	soft_share_begin(lane, ktime_get_ns());
	list_for_each_entry_safe(si, next, &lane->active, active_node) {
		/* Back with the first of its pages that is looked at (doorbell.c). */
		if (unlikely(!soft_may_dma(si))) {
			list_del_init(&si->active_node);
			continue;
		}
		if (!si->busy)
			soft_share_start(si);
		if (soft_share_ahead(si)) {
			did = true;
			continue;
		}
		if (!soft_share_admit(si))
			continue;
		slice = soft_share_slice(si, alone ? SOFT_TURN_NS : SOFT_CROWD_NS, weights);
		si->busy = unlikely(!list_empty(&si->inbox.letters)) && soft_wire_receive(si);
		si->busy |= soft_run_qps(lane, si, slice);
		if (unlikely(!list_empty(&si->active_sqs)))
			si->busy |= soft_run_sqs(lane, si, slice);
		soft_share_meter(si);
		did |= si->busy;
		soft_lane_rest_instance(si);
	}
	return did;
}

/* Whose timer it was. */
static struct soft_instance *soft_run_timer(struct soft_lane *lane, struct soft_timer *timer)
{
	struct soft_instance *si;
	struct soft_qp *qp;
	struct soft_cq *cq;

	switch (timer->kind) {
	case SOFT_TIMER_QP:
		qp = container_of(timer, struct soft_qp, base.timer);
		soft_lane_resume(lane, qp);
		return qp->base.si;
	case SOFT_TIMER_CQ:
		cq = container_of(timer, struct soft_cq, timer);
		soft_cq_timer(cq);
		return soft_instance(cq->obj.inst);
	default:
		si = container_of(timer, struct soft_instance, timer);
		soft_share_timer(si);
		return si;
	}
}

static bool soft_run_timers(struct soft_lane *lane, u64 now)
{
	struct soft_timer *timer;
	u32 n;

	for (n = 0; n < SOFT_TURN_TIMERS; n++) {
		timer = soft_timer_pop(&lane->timers, now);
		if (!timer)
			break;
		soft_share_meter(soft_run_timer(lane, timer));
	}
	return n;
}

/*
 * Posts to QPs in error, in rounds. While rounds find nothing they become rarer, so
 * that a QP that was left in ERR for ever costs little.
 */
static void soft_begin_round(struct soft_lane *lane, u64 now)
{
	u64 first = max_t(u64, lane->params.error_poll_ms, 1) * 1000 * 1000;

	list_splice_init(&lane->errors, &lane->errors_left);
	lane->error_wait = lane->error_wait ? 2 * lane->error_wait : first;
	lane->error_wait = min(lane->error_wait, max(first, SOFT_ERROR_WAIT_MAX));
	lane->error_at = now + lane->error_wait;
}

static bool soft_run_errors(struct soft_lane *lane, u64 now)
{
	struct soft_qp *qp;
	u32 n;

	if (list_empty(&lane->errors_left)) {
		if (list_empty(&lane->errors) || now < lane->error_at)
			return false;
		soft_begin_round(lane, now);
	}
	for (n = 0; n < SOFT_TURN_ERRORS; n++) {
		qp = list_first_entry_or_null(&lane->errors_left, struct soft_qp, base.err_node);
		if (!qp)
			break;
		if (qp->state != MLX5_QP_STATE_ERR && qp->state != MLX5_QP_STATE_SQER) {
			list_del_init(&qp->base.err_node);
			continue;
		}
		list_move_tail(&qp->base.err_node, &lane->errors);
		if (soft_qp_has_work(qp)) {
			lane->error_at = 0;
			lane->error_wait = 0;
			soft_lane_activate(lane, &qp->base);
		}
		soft_share_meter(qp->base.si);
	}
	return true;
}

/* ---- The turn ---------------------------------------------------------- */

/**
 * soft_lane_turn() - one bounded turn
 * @lane: lane; no lock held, may sleep
 *
 * Return: true when it did something or has more to do: call again at once.
 */
bool soft_lane_turn(struct soft_lane *lane)
{
	struct srcu_struct *srcu = &lane->hca->srcu;
	bool did;
	u64 now;
	int idx;

	mutex_lock(&lane->lock);
	idx = srcu_read_lock(srcu);
	now = ktime_get_ns();
	lane->turns++;
	soft_share_begin(lane, now);
	did = soft_doorbell_take(lane, now);
	did |= soft_take_failed(lane);
	did |= soft_take_called(lane);
	did |= soft_take_attention(lane);
	did |= soft_take_memory(lane);
	did |= soft_doorbell_poll(lane, now);
	did |= soft_run_timers(lane, now);
	lane->busy = soft_run_active(lane);
	did |= lane->busy;
	did |= soft_run_errors(lane, now);
	srcu_read_unlock(srcu, idx);
	mutex_unlock(&lane->lock);
	return did;
}

static bool soft_lane_is_asked(struct soft_lane *lane)
{
	bool asked;

	spin_lock(&lane->touch_lock);
	asked = !list_empty(&lane->touched);
	spin_unlock(&lane->touch_lock);
	spin_lock(&lane->fail_lock);
	asked |= !list_empty(&lane->failed) || !list_empty(&lane->called) ||
		 !list_empty(&lane->attention);
	spin_unlock(&lane->fail_lock);
	return asked || (atomic_read(&lane->pinned) && !list_empty(&lane->memory));
}

/**
 * soft_lane_may_sleep() - may the thread sleep after a turn that did nothing?
 * @lane: lane; no lock held
 * @deadline: out: ktime_get_ns() of the next thing to do, U64_MAX: none is known
 *
 * Return: true when nothing needs polling all the time: all pages are zapped or being
 * zapped, no QP is active.
 */
bool soft_lane_may_sleep(struct soft_lane *lane, u64 *deadline)
{
	bool may;

	*deadline = U64_MAX;
	mutex_lock(&lane->lock);
	may = soft_doorbell_quiet(lane, deadline) && list_empty(&lane->active) &&
	      list_empty(&lane->errors_left) && list_empty(&lane->memory_due) &&
	      !soft_lane_is_asked(lane);
	if (lane->timers.n)
		*deadline = min(*deadline, lane->timers.heap[0]->deadline);
	if (!list_empty(&lane->errors))
		*deadline = min(*deadline, lane->error_at);
	mutex_unlock(&lane->lock);
	return may;
}
