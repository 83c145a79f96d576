// SPDX-License-Identifier: GPL-2.0-only
/*
 * Lanes: what to do next. A turn looks at every mapped doorbell page of the lane's
 * instances, runs the QPs that may have work within their budgets, and looks after
 * timers, idle pages and QPs in error. Every part of a turn is bounded, so that the
 * lane's lock is never held for long.
 *
 * Doorbell records in guest memory are the truth; a value in a doorbell register only
 * says which record to look at first. Registers are shared by the objects of a page,
 * so a store can hide another: after each doorbell the records of all objects of that
 * page are looked at once, a few per turn ("sweep").
 */
#include <mhca/kernel.h>
#include <mhca/vmm.h>
#include "eth.h"

#define SOFT_TURN_QPS		64	/* QPs of an instance run in a turn */
#define SOFT_TURN_NS		(100 * 1000U)	/* no QP is begun after so long */
#define SOFT_CROWD_NS		(20 * 1000U)	/* the same for all, if there are several */
#define SOFT_LEAD_NS		(100 * 1000U)	/* of an instance before another */
#define SOFT_TURN_PAGES		32	/* doorbell pages of an instance beside others */
#define SOFT_TURN_TIMERS	64	/* timers served in a turn */
#define SOFT_TURN_ERRORS	64	/* QPs in error looked at in a turn */
#define SOFT_TURN_REQUESTS	64	/* failures and attentions taken in a turn */
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
	spin_lock_init(&lane->touch_lock);
	INIT_LIST_HEAD(&lane->touched);
	spin_lock_init(&lane->fail_lock);
	INIT_LIST_HEAD(&lane->failed);
	INIT_LIST_HEAD(&lane->attention);
	atomic_set(&lane->wake, 0);
}

/* ---- Who is to be run -------------------------------------------------- */

/**
 * soft_lane_activate_instance() - an instance has entries on its lists
 * @lane: its lane; lock held
 * @si: instance
 */
void soft_lane_activate_instance(struct soft_lane *lane, struct soft_instance *si)
{
	lockdep_assert_held(&lane->lock);
	if (list_empty(&si->active_node) && !si->throttled) {
		si->busy = false;
		list_add_tail(&si->active_node, &lane->active);
	}
}

/**
 * soft_lane_rest_instance() - an entry left one of an instance's lists
 * @si: instance; its lane's lock held
 */
void soft_lane_rest_instance(struct soft_instance *si)
{
	lockdep_assert_held(&si->lane->lock);
	if (list_empty(&si->active) && list_empty(&si->active_sqs))
		list_del_init(&si->active_node);
}

/**
 * soft_lane_activate() - a QP may have work
 * @lane: its lane; lock held
 * @qp: QP
 */
void soft_lane_activate(struct soft_lane *lane, struct soft_qp *qp)
{
	struct soft_instance *si = qp->si;

	lockdep_assert_held(&lane->lock);
	qp->idle_polls = 0;
	if (list_empty(&qp->active_node))
		list_add_tail(&qp->active_node, &si->active);
	soft_lane_activate_instance(lane, si);
}

/**
 * soft_lane_fail() - have a QP moved to ERR by its lane
 * @qp: QP; inside srcu, any lane
 */
void soft_lane_fail(struct soft_qp *qp)
{
	struct soft_lane *lane = qp->si->lane;

	spin_lock(&lane->fail_lock);
	if (!qp->fail_queued) {
		qp->fail_queued = true;
		list_add_tail(&qp->fail_node, &lane->failed);
	}
	spin_unlock(&lane->fail_lock);
	soft_lane_wake(lane);
}

/**
 * soft_lane_forget_qp() - a QP goes
 * @lane: its lane; lock held
 * @qp: QP
 */
void soft_lane_forget_qp(struct soft_lane *lane, struct soft_qp *qp)
{
	lockdep_assert_held(&lane->lock);
	list_del_init(&qp->active_node);
	soft_lane_rest_instance(qp->si);
	list_del_init(&qp->err_node);
	list_del_init(&qp->memory_node);
	soft_timer_cancel(&lane->timers, &qp->timer);

	spin_lock(&lane->fail_lock);
	if (qp->fail_queued) {
		list_del_init(&qp->fail_node);
		qp->fail_queued = false;
	}
	spin_unlock(&lane->fail_lock);
}

/**
 * soft_lane_forget_cq() - a CQ goes
 * @lane: its lane; lock held
 * @cq: CQ
 */
void soft_lane_forget_cq(struct soft_lane *lane, struct soft_cq *cq)
{
	lockdep_assert_held(&lane->lock);
	soft_timer_cancel(&lane->timers, &cq->timer);

	spin_lock(&lane->fail_lock);
	if (cq->attention_queued) {
		list_del_init(&cq->attention_node);
		cq->attention_queued = false;
	}
	spin_unlock(&lane->fail_lock);
}

/**
 * soft_lane_forget_uar() - a UAR goes
 * @uar: UAR; its lane's lock held
 */
void soft_lane_forget_uar(struct soft_uar *uar)
{
	struct soft_instance *si = soft_instance(uar->obj.inst);

	lockdep_assert_held(&si->lane->lock);
	list_del_init(&uar->node);
	if (list_empty(&si->uars))
		list_del_init(&si->uars_node);
}

/* ---- What others asked for --------------------------------------------- */

static struct soft_uar *soft_next_touched(struct soft_lane *lane)
{
	struct soft_uar *uar;

	spin_lock(&lane->touch_lock);
	uar = list_first_entry_or_null(&lane->touched, struct soft_uar, touch_node);
	if (uar) {
		list_del_init(&uar->touch_node);
		uar->touch_queued = false;
	}
	spin_unlock(&lane->touch_lock);
	return uar;
}

static void soft_lane_poll(struct soft_lane *lane, struct soft_uar *uar)
{
	struct soft_instance *si = soft_instance(uar->obj.inst);

	if (list_empty(&uar->node))
		list_add_tail(&uar->node, &si->uars);
	if (list_empty(&si->uars_node))
		list_add_tail(&si->uars_node, &lane->polled);
}

/* UARs that the guest mapped again: polled from now on, and swept once. */
static bool soft_take_touched(struct soft_lane *lane, u64 now)
{
	struct soft_uar *uar;
	u32 n;

	for (n = 0; n < SOFT_TURN_REQUESTS; n++) {
		uar = soft_next_touched(lane);
		if (!uar)
			break;
		soft_lane_poll(lane, uar);
		uar->quiet = 0;
		uar->quiet_since = now;
		uar->sweep_qps = uar->n_qps;
		uar->sweep_cqs = uar->n_cqs;
		uar->sweep_sqs = uar->n_sqs;
	}
	return n;
}

static struct soft_qp *soft_next_failed(struct soft_lane *lane)
{
	struct soft_qp *qp;

	spin_lock(&lane->fail_lock);
	qp = list_first_entry_or_null(&lane->failed, struct soft_qp, fail_node);
	if (qp) {
		list_del_init(&qp->fail_node);
		qp->fail_queued = false;
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
		mhca_count(qp->obj.inst, qp_errors);
		soft_qp_to_error(qp);
	}
	return n;
}

static struct soft_cq *soft_next_attention(struct soft_lane *lane)
{
	struct soft_cq *cq;

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
	u32 n;

	for (n = 0; n < SOFT_TURN_REQUESTS; n++) {
		cq = soft_next_attention(lane);
		if (!cq)
			break;
		soft_cq_attend(cq);
	}
	return n;
}

/* ---- Doorbell pages ---------------------------------------------------- */

/* Does @qp's record say that there is something to do? */
static bool soft_qp_has_work(const struct soft_qp *qp)
{
	const __be32 *record = mhca_object_record(&qp->obj);

	if (!record)
		return false;
	if (!qp->req.none &&
	    (u16)be32_to_cpu(READ_ONCE(record[MLX5_SND_DBR])) != qp->req.consumer)
		return true;
	return qp->state == MLX5_QP_STATE_ERR && !qp->rsp.none && !qp->srq &&
	       (u16)be32_to_cpu(READ_ONCE(record[MLX5_RCV_DBR])) != READ_ONCE(qp->rsp.consumer);
}

/* A doorbell of an Ethernet SQ: their register hides each other's stores, too. */
static void soft_eth_doorbell(struct soft_lane *lane, struct soft_uar *uar, u32 sqn)
{
	struct soft_sq *sq = soft_sq_find(uar->obj.inst, sqn);

	uar->sweep_sqs = uar->n_sqs;
	if (!sq || sq->uar != uar)
		return;
	if (uar->n_sqs == 1)
		uar->sweep_sqs = 0;
	soft_lane_activate_sq(lane, sq);
}

/* An SQ doorbell: the first 8 bytes of a WQE. It names the QP to look at first. */
static void soft_sq_doorbell(struct soft_lane *lane, struct soft_uar *uar, __be64 value)
{
	u32 qpn = (be64_to_cpu(value) & 0xffffffff) >> MLX5_WQE_CTRL_QPN_SHIFT;
	struct soft_qp *qp = soft_qp_find(uar->obj.inst, qpn);

	uar->sweep_qps = uar->n_qps;
	if (unlikely(uar->n_sqs))
		soft_eth_doorbell(lane, uar, qpn);
	if (!qp || qp->uar != uar)
		return;
	if (uar->n_qps == 1)
		uar->sweep_qps = 0;
	soft_lane_activate(lane, qp);
}

/* A CQ arm: arm word and CQ number. */
static void soft_cq_doorbell(struct soft_uar *uar, __be64 value)
{
	struct mhca_object *obj = mhca_object_find(uar->obj.inst, MHCA_CQ,
						   be64_to_cpu(value) & 0xffffff);
	struct soft_cq *cq = obj ? container_of(obj, struct soft_cq, obj) : NULL;

	uar->sweep_cqs = uar->n_cqs;
	if (!cq || cq->uar != uar)
		return;
	if (uar->n_cqs == 1)
		uar->sweep_cqs = 0;
	soft_cq_check_arm(cq);
}

/* Take what was stored to a 64-bit register since the last look. */
static bool soft_take_word(void *page, u32 offset, __be64 *value)
{
	u64 *word = page + offset;

	if (likely(READ_ONCE(*word) == SOFT_DOORBELL_NONE))
		return false;
	*value = (__force __be64)xchg(word, SOFT_DOORBELL_NONE);
	return true;
}

static bool soft_poll_eq(struct soft_uar *uar, u32 offset)
{
	u32 *word = uar->page + offset;
	u32 value;

	if (likely(READ_ONCE(*word) == U32_MAX))
		return false;
	value = xchg(word, U32_MAX);
	mhca_eq_doorbell(uar->obj.inst, be32_to_cpu((__force __be32)value));
	return true;
}

static bool soft_poll_words(struct soft_lane *lane, struct soft_uar *uar)
{
	bool seen = false;
	__be64 value;
	u32 i;

	for (i = 0; i < SOFT_UAR_SQ_REGISTERS; i++) {
		if (soft_take_word(uar->page, SOFT_UAR_SQ + i * 0x100, &value)) {
			soft_sq_doorbell(lane, uar, value);
			seen = true;
		}
	}
	if (soft_take_word(uar->page, SOFT_UAR_CQ_ARM, &value)) {
		soft_cq_doorbell(uar, value);
		seen = true;
	}
	seen |= soft_poll_eq(uar, SOFT_UAR_EQ_ARM);
	seen |= soft_poll_eq(uar, SOFT_UAR_EQ_CI);
	return seen;
}

static bool soft_sweep_qps(struct soft_lane *lane, struct soft_uar *uar, u32 n)
{
	bool found = false;
	struct soft_qp *qp;

	for (n = min(n, uar->sweep_qps); n; n--) {
		qp = list_first_entry_or_null(&uar->qps, struct soft_qp, uar_node);
		if (!qp)
			break;
		list_move_tail(&qp->uar_node, &uar->qps);
		uar->sweep_qps--;
		uar->eager -= !!uar->eager;
		if (list_empty(&qp->active_node) && !qp->req.waiting && soft_qp_has_work(qp)) {
			soft_lane_activate(lane, qp);
			found = true;
		}
	}
	if (found)
		uar->eager = uar->n_qps;
	/* What was destroyed meanwhile needs no look. */
	if (list_empty(&uar->qps))
		uar->sweep_qps = 0;
	return found;
}

static void soft_sweep_cqs(struct soft_uar *uar, u32 n)
{
	struct soft_cq *cq;

	for (n = min(n, uar->sweep_cqs); n; n--) {
		cq = list_first_entry_or_null(&uar->cqs, struct soft_cq, uar_node);
		if (!cq)
			break;
		list_move_tail(&cq->uar_node, &uar->cqs);
		uar->sweep_cqs--;
		soft_cq_check_arm(cq);
	}
	if (list_empty(&uar->cqs))
		uar->sweep_cqs = 0;
}

static bool soft_sweep_sqs(struct soft_lane *lane, struct soft_uar *uar, u32 n)
{
	bool found = false;
	struct soft_sq *sq;

	for (n = min(n, uar->sweep_sqs); n; n--) {
		sq = list_first_entry_or_null(&uar->sqs, struct soft_sq, uar_node);
		if (!sq)
			break;
		list_move_tail(&sq->uar_node, &uar->sqs);
		uar->sweep_sqs--;
		if (list_empty(&sq->active_node) && soft_sq_has_work(sq)) {
			soft_lane_activate_sq(lane, sq);
			found = true;
		}
	}
	if (list_empty(&uar->sqs))
		uar->sweep_sqs = 0;
	return found;
}

/*
 * A few objects of the page, round robin, until each was looked at once. Each look
 * is a cache miss, which a busy QP among a thousand idle ones should not pay for.
 */
static bool soft_sweep(struct soft_lane *lane, struct soft_uar *uar)
{
	u32 n = lane->busy && !uar->eager ? 1 : lane->params.sweep;
	bool found = false;

	soft_sweep_cqs(uar, n);
	if (unlikely(uar->sweep_sqs))
		found = soft_sweep_sqs(lane, uar, n);
	return soft_sweep_qps(lane, uar, n) || found;
}

static bool soft_uar_sweeping(const struct soft_uar *uar)
{
	return uar->sweep_qps | uar->sweep_cqs | uar->sweep_sqs;
}

static bool soft_uar_is_idle(const struct soft_lane *lane, const struct soft_uar *uar, u64 now)
{
	return uar->quiet >= lane->params.idle_polls &&
	       now - uar->quiet_since >= lane->params.idle_us * 1000ULL;
}

/*
 * Take the page away from the guest: its next store faults and wakes the lane. A
 * store may have come just before, so the page stays on the list for one more look
 * and a whole sweep.
 */
static void soft_uar_zap(struct soft_uar *uar)
{
	struct mhca_instance *inst = uar->obj.inst;

	atomic_set(&uar->mapped, 0);
	inst->vmm_ops->zap(inst->vmm, uar->obj.num);
	uar->sweep_qps = uar->n_qps;
	uar->sweep_cqs = uar->n_cqs;
	uar->sweep_sqs = uar->n_sqs;
}

static bool soft_poll_uar(struct soft_lane *lane, struct soft_uar *uar, u64 now)
{
	bool seen = soft_poll_words(lane, uar);

	if (soft_uar_sweeping(uar))
		seen |= soft_sweep(lane, uar);
	if (seen) {
		uar->quiet = 0;
		uar->quiet_since = now;
		return true;
	}
	uar->quiet++;
	if (soft_uar_sweeping(uar))
		return true;
	if (!atomic_read(&uar->mapped)) {
		list_del_init(&uar->node);
		return false;
	}
	if (!soft_uar_is_idle(lane, uar, now))
		return false;
	soft_uar_zap(uar);
	return true;
}

/*
 * The pages of an instance: all of them, but only some at a time while the lane has
 * work or others' pages, or one with many would have a bigger share of it.
 */
static bool soft_poll_instance(struct soft_lane *lane, struct soft_instance *si, u64 now)
{
	bool alone = !lane->busy && list_is_singular(&lane->polled);
	u32 n = alone ? U32_MAX : SOFT_TURN_PAGES;
	struct soft_uar *uar;
	LIST_HEAD(polled);
	bool did = false;

	for (; n; n--) {
		uar = list_first_entry_or_null(&si->uars, struct soft_uar, node);
		if (!uar)
			break;
		list_move_tail(&uar->node, &polled);
		did |= soft_poll_uar(lane, uar, now);
	}
	list_splice_tail_init(&polled, &si->uars);
	if (list_empty(&si->uars))
		list_del_init(&si->uars_node);
	return did;
}

static bool soft_poll_uars(struct soft_lane *lane, u64 now)
{
	struct soft_instance *si, *next;
	bool did = false;

	list_for_each_entry_safe(si, next, &lane->polled, uars_node)
		did |= soft_poll_instance(lane, si, now);
	return did;
}

/* ---- QPs, timers, errors ----------------------------------------------- */

/* QPs that wait, or had nothing to do for a while, leave the list. */
static bool soft_run_qp(struct soft_lane *lane, struct soft_qp *qp)
{
	if (soft_requester_run(qp)) {
		qp->idle_polls = 0;
		return true;
	}
	if (qp->req.waiting || ++qp->idle_polls > lane->params.qp_polls)
		list_del_init(&qp->active_node);
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
		qp = list_first_entry_or_null(&todo, struct soft_qp, active_node);
		if (!qp)
			break;
		list_move_tail(&qp->active_node, &si->active);
		if (!soft_run_qp(lane, qp))
			continue;
		did = true;
		spent = ktime_get_ns() - start;
	}
	/* Those that had no turn are first in the next one. */
	did |= !list_empty(&todo);
	list_splice(&todo, &si->active);
	soft_share_used(si, spent);
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
	soft_share_used(si, spent);
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

	list_for_each_entry_safe(si, next, &lane->active, active_node) {
		if (!si->busy) {
			si->used = max(si->used, lane->used);
		} else if (si->used - lane->used > SOFT_LEAD_NS) {
			did = true;
			continue;
		}
		if (!soft_share_admit(si))
			continue;
		slice = soft_share_slice(si, alone ? SOFT_TURN_NS : SOFT_CROWD_NS, weights);
		si->busy = soft_run_qps(lane, si, slice);
		if (unlikely(!list_empty(&si->active_sqs)))
			si->busy |= soft_run_sqs(lane, si, slice);
		did |= si->busy;
		soft_lane_rest_instance(si);
	}
	return did;
}

static bool soft_run_timers(struct soft_lane *lane, u64 now)
{
	struct soft_timer *timer;
	u32 n;

	for (n = 0; n < SOFT_TURN_TIMERS; n++) {
		timer = soft_timer_pop(&lane->timers, now);
		if (!timer)
			break;
		switch (timer->kind) {
		case SOFT_TIMER_QP:
			soft_lane_resume(lane, container_of(timer, struct soft_qp, timer));
			break;
		case SOFT_TIMER_CQ:
			soft_cq_timer(container_of(timer, struct soft_cq, timer));
			break;
		case SOFT_TIMER_INSTANCE:
			soft_share_timer(container_of(timer, struct soft_instance, timer));
			break;
		}
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
		qp = list_first_entry_or_null(&lane->errors_left, struct soft_qp, err_node);
		if (!qp)
			break;
		if (qp->state != MLX5_QP_STATE_ERR && qp->state != MLX5_QP_STATE_SQER) {
			list_del_init(&qp->err_node);
			continue;
		}
		list_move_tail(&qp->err_node, &lane->errors);
		if (!soft_qp_has_work(qp))
			continue;
		lane->error_at = 0;
		lane->error_wait = 0;
		soft_lane_activate(lane, qp);
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
	did = soft_take_touched(lane, now);
	did |= soft_take_failed(lane);
	did |= soft_take_attention(lane);
	did |= soft_poll_uars(lane, now);
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
	asked |= !list_empty(&lane->failed) || !list_empty(&lane->attention);
	spin_unlock(&lane->fail_lock);
	return asked;
}

/**
 * soft_lane_may_sleep() - may the thread sleep after a turn that did nothing?
 * @lane: lane; no lock held
 * @deadline: out: ktime_get_ns() of the next thing to do, U64_MAX: none is known
 *
 * Return: true when nothing needs polling: all pages are zapped, no QP is active.
 */
bool soft_lane_may_sleep(struct soft_lane *lane, u64 *deadline)
{
	bool may;

	*deadline = U64_MAX;
	mutex_lock(&lane->lock);
	may = list_empty(&lane->polled) && list_empty(&lane->active) &&
	      list_empty(&lane->errors_left) && !soft_lane_is_asked(lane);
	if (lane->timers.n)
		*deadline = lane->timers.heap[0]->deadline;
	if (!list_empty(&lane->errors))
		*deadline = min(*deadline, lane->error_at);
	mutex_unlock(&lane->lock);
	return may;
}
