/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Who is to be run: what may have work, what failed, what goes (ready.c).
 */
#ifndef SOFT_SCHEDULE_READY_H
#define SOFT_SCHEDULE_READY_H

#include "instance.h"

/**
 * struct soft_qp_base - a QP, as far as rooms below the transport know it
 * @obj: record = {receive counter, send counter}
 * @si: its instance
 * @user_index: CQE version 1
 * @counter_set: number of the Q counter set that its events go to, 0: none. Read with
 *               READ_ONCE() by any lane
 * @send_cq_node: on send_cq->attached_send
 * @recv_cq_node: on recv_cq->attached_recv
 * @active_node: on si->active while there may be work
 * @idle_polls: turns in a row on that list without work
 * @err_node: on lane->errors while in ERR: records are polled for drains
 * @fail_node: on lane->failed, protected by lane->fail_lock: another lane found
 *             that this QP must go to ERR
 * @fail_queued: on that list
 * @memory_node: on lane->memory while it waits for the pin of a PA page (its own
 *               or its peer's); @timer is armed as well, as a fallback
 * @timer: RNR, retry, or memory wait
 */
struct soft_qp_base {
	struct mhca_object obj;
	struct soft_instance *si;
	u32 user_index;
	u8 counter_set;
	struct list_head send_cq_node;
	struct list_head recv_cq_node;
	struct list_head active_node;
	u32 idle_polls;
	struct list_head err_node;
	struct list_head fail_node;
	bool fail_queued;
	struct list_head memory_node;
	struct soft_timer timer;
};

/*
 * An event of @qp for its Q counter set, if it has one. Inside srcu. Sets may be given back
 * while QPs name them; so they are found anew each time.
 */
static inline struct mhca_qcounter *soft_qcounter(const struct soft_qp_base *qp)
{
	u8 set = READ_ONCE(qp->counter_set);

	return set ? (struct mhca_qcounter *)mhca_object_find(qp->obj.inst, MHCA_QCOUNTER, set) :
		     NULL;
}

#define soft_q_count(qp, name)							\
	do {									\
		struct mhca_qcounter *__set = soft_qcounter(qp);		\
										\
		if (__set)							\
			atomic64_inc(&__set->name);				\
	} while (0)

/* A QP may have work: on its instance's list. lane->lock */
void soft_lane_activate(struct soft_lane *lane, struct soft_qp_base *qp);
/* An instance has entries on its lists / may have none any more (lane->lock). */
void soft_lane_activate_instance(struct soft_lane *lane, struct soft_instance *si);
void soft_lane_rest_instance(struct soft_instance *si);
/* Frames for an instance are in its inbox; any lane. Nobody puts any there any more. */
void soft_lane_call(struct soft_instance *si);
void soft_lane_forget_inbox(struct soft_instance *si);
/* Let a QP's failure be handled by its lane; any lane. */
void soft_lane_fail(struct soft_qp_base *qp);
/*
 * A QP goes: off every list and timer of its lane (not uar_node and the CQs' attached
 * lists, which their creator keeps). lane->lock; after an srcu fence that follows its
 * unlinking, nobody can queue it again.
 */
void soft_lane_forget_qp(struct soft_lane *lane, struct soft_qp_base *qp);
u32 soft_record_word(const struct mhca_object *obj, u32 word, u32 seen);

#endif /* SOFT_SCHEDULE_READY_H */
