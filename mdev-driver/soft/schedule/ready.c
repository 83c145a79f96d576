// SPDX-License-Identifier: GPL-2.0-only
/*
 * Who is to be run: QPs that may have work, those that failed, those that go; and who is
 * reached by a LID. The turn that runs them is above all rooms (lane/lane.c).
 */
#include <mhca/kernel.h>
#include "schedule.h"

static bool soft_instance_rests(const struct soft_instance *si)
{
	return list_empty(&si->active) && list_empty(&si->active_sqs) &&
	       (list_empty(&si->inbox.letters) || si->inbox.held);
}

/**
 * soft_lane_activate_instance() - an instance has entries on its lists
 * @lane: its lane; lock held
 * @si: instance
 */
void soft_lane_activate_instance(struct soft_lane *lane, struct soft_instance *si)
{
	lockdep_assert_held(&lane->lock);
	if (soft_instance_rests(si))
		return;
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
	if (soft_instance_rests(si))
		list_del_init(&si->active_node);
}

/**
 * soft_lane_activate() - a QP may have work
 * @lane: its lane; lock held
 * @qp: QP
 */
void soft_lane_activate(struct soft_lane *lane, struct soft_qp_base *qp)
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
void soft_lane_fail(struct soft_qp_base *qp)
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
 * soft_lane_call() - have an instance's inbox looked at by its lane
 * @si: instance; inside srcu, any lane
 */
void soft_lane_call(struct soft_instance *si)
{
	struct soft_lane *lane = si->lane;

	spin_lock(&lane->fail_lock);
	if (!si->inbox.called) {
		si->inbox.called = true;
		list_add_tail(&si->inbox.node, &lane->called);
	}
	spin_unlock(&lane->fail_lock);
	soft_lane_wake(lane);
}

/**
 * soft_lane_forget_inbox() - an instance goes
 * @si: instance whose inbox is empty and stays so
 */
void soft_lane_forget_inbox(struct soft_instance *si)
{
	struct soft_lane *lane = si->lane;

	mutex_lock(&lane->lock);
	spin_lock(&lane->fail_lock);
	if (si->inbox.called) {
		list_del_init(&si->inbox.node);
		si->inbox.called = false;
	}
	spin_unlock(&lane->fail_lock);
	soft_lane_rest_instance(si);
	mutex_unlock(&lane->lock);
}

/**
 * soft_lane_forget_qp() - a QP goes
 * @lane: its lane; lock held
 * @qp: QP
 */
void soft_lane_forget_qp(struct soft_lane *lane, struct soft_qp_base *qp)
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
 * soft_instance_by_lid() - who has a unicast LID
 * @hca: HCA
 * @lid: LID
 *
 * Inside srcu. Return: the instance or NULL.
 */
struct soft_instance *soft_instance_by_lid(struct soft_hca *hca, u16 lid)
{
	return xa_load(&hca->lids, lid);
}

/**
 * soft_record_word() - a word of an object's doorbell record, for people
 * @obj: object
 * @word: which
 * @seen: what the device has seen, when it may not look now
 */
u32 soft_record_word(const struct mhca_object *obj, u32 word, u32 seen)
{
	int idx = soft_enter(obj->inst);
	const __be32 *record = mhca_object_record(obj);

	if (record && soft_may_dma(soft_instance(obj->inst)))
		seen = be32_to_cpu(READ_ONCE(record[word]));
	soft_leave(obj->inst, idx);
	return seen;
}
