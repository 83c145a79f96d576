// SPDX-License-Identifier: GPL-2.0-only
/*
 * Doorbell pages (UARs): which are polled, what was stored to them, when the guest
 * loses them.
 *
 * Doorbell records in guest memory are the truth; a value in a doorbell register only
 * says which record to look at first. Registers are shared by the objects of a page,
 * so a store can hide another: after each doorbell the records of all objects of that
 * page are looked at once, a few per turn ("sweep").
 */
#include <mhca/kernel.h>
#include <mhca/vmm.h>
#include "lane.h"

#define SOFT_TURN_PAGES		32	/* doorbell pages of an instance beside others */
#define SOFT_ZAP_LOOK_NS	(1000 * 1000ULL)	/* between looks at pages being zapped */
#define SOFT_LOOK_MIN_NS	(100 * 1000ULL)		/* at those that stay mapped */

/* ---- Pages that come back ------------------------------------------------ */

static struct soft_uar *soft_next_touched(struct soft_lane *lane)
{
	struct soft_uar *uar;

	/* What this misses is seen in the next turn: who adds wakes the lane. */
	if (likely(list_empty(&lane->touched)))
		return NULL;
	spin_lock(&lane->touch_lock);
	uar = list_first_entry_or_null(&lane->touched, struct soft_uar, touch_node);
	if (uar) {
		list_del_init(&uar->touch_node);
		uar->touch_queued = false;
	}
	spin_unlock(&lane->touch_lock);
	return uar;
}

static void soft_uar_poll(struct soft_lane *lane, struct soft_uar *uar)
{
	struct soft_instance *si = soft_instance(uar->obj.inst);

	if (list_empty(&uar->node)) {
		list_add_tail(&uar->node, &si->uars);
		lane->n_pages++;
	}
	if (list_empty(&si->uars_node))
		list_add_tail(&si->uars_node, &lane->polled);
}

static void soft_uar_set_zapping(struct soft_lane *lane, struct soft_uar *uar, bool on)
{
	lane->n_zapping += on - uar->zapping;
	uar->zapping = on;
}

/* Off the list of pages that are polled. */
static void soft_uar_drop(struct soft_lane *lane, struct soft_uar *uar)
{
	if (list_empty(&uar->node))
		return;
	soft_uar_set_zapping(lane, uar, false);
	list_del_init(&uar->node);
	lane->n_pages--;
}

/**
 * soft_doorbell_take() - UARs that the guest mapped again, or has lost
 * @lane: lane; lock held, inside srcu
 * @now: ktime_get_ns()
 *
 * They are polled from now on, or once more, and swept once. Return: true when there
 * were some.
 */
bool soft_doorbell_take(struct soft_lane *lane, u64 now)
{
	struct soft_uar *uar;
	u32 n;

	for (n = 0; n < SOFT_TURN_REQUESTS; n++) {
		uar = soft_next_touched(lane);
		if (!uar)
			break;
		soft_uar_poll(lane, uar);
		soft_lane_activate_instance(lane, soft_instance(uar->obj.inst));
		soft_uar_set_zapping(lane, uar, false);
		uar->quiet = 0;
		uar->quiet_since = now;
		uar->sweep_qps = uar->n_qps;
		uar->sweep_cqs = uar->n_cqs;
		uar->sweep_sqs = uar->n_sqs;
		soft_share_meter(soft_instance(uar->obj.inst));
	}
	return n;
}

/**
 * soft_doorbell_forget() - a UAR goes
 * @uar: UAR; its lane's lock held
 */
void soft_doorbell_forget(struct soft_uar *uar)
{
	struct soft_instance *si = soft_instance(uar->obj.inst);

	lockdep_assert_held(&si->lane->lock);
	soft_uar_drop(si->lane, uar);
	if (list_empty(&si->uars))
		list_del_init(&si->uars_node);
}

/* ---- What was stored ------------------------------------------------------- */

/* A doorbell of an Ethernet SQ: their register hides each other's stores, too. */
static void soft_eth_doorbell(struct soft_lane *lane, struct soft_uar *uar, u32 sqn)
{
	struct soft_sq *sq = soft_sq_find(uar->obj.inst, sqn);

	uar->sweep_sqs = uar->n_sqs;
	if (!sq || sq->uar != uar)
		return;
	if (uar->n_sqs == 1)
		uar->sweep_sqs = 0;
	soft_sq_bell(sq);
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
	soft_lane_activate(lane, &qp->base);
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
	mhca_eq_doorbell(uar->obj.inst, uar->obj.num, be32_to_cpu((__force __be32)value));
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

/**
 * soft_doorbell_look() - take what was stored to a page until now
 * @lane: its lane; lock held, inside srcu
 * @uar: page
 */
void soft_doorbell_look(struct soft_lane *lane, struct soft_uar *uar)
{
	lockdep_assert_held(&lane->lock);
	soft_poll_words(lane, uar);
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
		if (list_empty(&qp->base.active_node) && !qp->req.waiting && soft_qp_has_work(qp)) {
			soft_lane_activate(lane, &qp->base);
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
 * Have the page taken away from the guest, so that its next store faults and wakes the
 * lane. How long that takes is the monitor's affair: the page is polled until the front
 * end says that it is done (soft_doorbell_take()), and then once more.
 */
static void soft_uar_zap(struct soft_lane *lane, struct soft_uar *uar)
{
	struct mhca_instance *inst = uar->obj.inst;

	soft_uar_set_zapping(lane, uar, true);
	inst->vmm_ops->zap_async(inst->vmm, uar->obj.num);
}

static bool soft_poll_uar(struct soft_lane *lane, struct soft_uar *uar, u64 now)
{
	bool seen = soft_poll_words(lane, uar);

	if (soft_uar_sweeping(uar))
		seen |= soft_sweep(lane, uar);
	if (seen) {
		soft_uar_set_zapping(lane, uar, false);
		uar->quiet = 0;
		uar->quiet_since = now;
		return true;
	}
	uar->quiet++;
	if (soft_uar_sweeping(uar))
		return true;
	if (!READ_ONCE(uar->mapped)) {
		soft_uar_drop(lane, uar);
		return false;
	}
	if (uar->zapping || !soft_uar_is_idle(lane, uar, now))
		return false;
	soft_uar_zap(lane, uar);
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

/*
 * An instance that may not use its memory has no work to be found, whatever its guest
 * stores. All its pages are looked at when it may again.
 */
static bool soft_park_instance(struct soft_lane *lane, struct soft_instance *si)
{
	struct soft_uar *uar;
	u32 n;

	for (n = 0; n < SOFT_TURN_PAGES; n++) {
		uar = list_first_entry_or_null(&si->uars, struct soft_uar, node);
		if (!uar)
			break;
		soft_uar_drop(lane, uar);
	}
	if (list_empty(&si->uars))
		list_del_init(&si->uars_node);
	return true;
}

/**
 * soft_doorbell_poll() - look at the doorbell pages of a lane's instances
 * @lane: lane; lock held, inside srcu
 * @now: ktime_get_ns()
 *
 * Return: true when something was stored, or a page wants another look.
 */
bool soft_doorbell_poll(struct soft_lane *lane, u64 now)
{
	struct soft_instance *si, *next;
	bool did = false;

	lockdep_assert_held(&lane->lock);
	list_for_each_entry_safe(si, next, &lane->polled, uars_node) {
		did |= soft_may_dma(si) ? soft_poll_instance(lane, si, now) :
					  soft_park_instance(lane, si);
		soft_share_meter(si);
	}
	if (did)
		lane->rang_at = now;
	return did;
}

/*
 * The next look at pages that are being zapped. Of pages that stay, the longer nothing came
 * the later: who waits for it then waits for an eighth of that, and never over look_ns.
 */
static u64 soft_next_look(const struct soft_lane *lane)
{
	u64 now = ktime_get_ns(), wait = SOFT_ZAP_LOOK_NS;

	if (lane->params.look_ns)
		wait = clamp_t(u64, (now - lane->rang_at) / 8, SOFT_LOOK_MIN_NS,
			       lane->params.look_ns);
	return now + wait;
}

/**
 * soft_doorbell_quiet() - is there no page that has to be polled all the time?
 * @lane: lane; lock held
 * @deadline: ktime_get_ns() of the next thing to do: not later than the next look
 *
 * Pages whose zap takes long are looked at from time to time: their guests are idle, and
 * have a monitor that makes them wait if they are not, or one whose mappings stay.
 */
bool soft_doorbell_quiet(const struct soft_lane *lane, u64 *deadline)
{
	lockdep_assert_held(&lane->lock);
	if (lane->n_pages != lane->n_zapping)
		return false;
	if (lane->n_zapping)
		*deadline = min(*deadline, soft_next_look(lane));
	return true;
}
