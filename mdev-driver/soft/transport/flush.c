// SPDX-License-Identifier: GPL-2.0-only
/*
 * QPs in error: the transition, and the flush of what was and will be posted.
 *
 * A QP in ERR stays live: drivers drain a queue by posting one more WQE and waiting
 * for its flush completion, and a receive post rings no doorbell. So such QPs stand
 * on lane->errors, whose records are read from time to time. WQEs of an SRQ are not
 * flushed; the SRQ_LAST_WQE event says that the QP takes no more of them.
 */
#include <mhca/kernel.h>
#include "transport.h"

#define SOFT_FLUSH_BUDGET	32U	/* CQEs per call and queue */

static void soft_flush_cqe(struct soft_qp *qp, struct soft_cq *cq, u8 opcode, u8 wqe_opcode,
			   u16 counter, struct soft_srq *srq)
{
	struct soft_cqe cqe = {
		.opcode = opcode,
		.syndrome = MLX5_CQE_SYNDROME_WR_FLUSH_ERR,
		.wqe_opcode = wqe_opcode,
		.counter = counter,
		.srq = srq,
	};

	soft_complete(cq, &qp->base, &cqe);
}

/**
 * soft_qp_set_state() - the one place where a QP's state changes
 * @qp: QP; its lane's lock and rsp.lock are held
 * @state: MLX5_QP_STATE_*
 */
void soft_qp_set_state(struct soft_qp *qp, u8 state)
{
	lockdep_assert_held(&qp->base.si->lane->lock);
	lockdep_assert_held(&qp->rsp.lock);
	trace_mhca_qp_state(qp->base.obj.inst->id.name, qp->base.obj.num, qp->state, state);
	qp->state = state;
	MLX5_SET(qpc, qp->attr, state, state);
}

/*
 * WQEs between record and consumer. A count that no queue can have was checked
 * while the QP worked; here there is nothing left to punish, so it is skipped.
 */
static u32 soft_flush_posted(const struct soft_ring *ring, u32 word, u16 *consumer)
{
	u16 producer = word;
	u16 posted = producer - *consumer;

	if (likely(posted <= 1U << ring->log_size))
		return posted;
	*consumer = producer;
	return 0;
}

/* One error CQE per WQE, signalled or not, in order. true: there may be more. */
static bool soft_flush_sq(struct soft_qp *qp)
{
	const __be32 *record;
	u32 budget = SOFT_FLUSH_BUDGET;
	u32 posted, blocks;
	u8 opcode;

	lockdep_assert_held(&qp->base.si->lane->lock);
	if (qp->req.none)
		return false;
	record = mhca_object_record(&qp->base.obj);
	if (!record)
		return false;
	posted = soft_flush_posted(&qp->req.ring, be32_to_cpu(READ_ONCE(record[MLX5_SND_DBR])),
				   &qp->req.consumer);
	if (!posted)
		return false;
	smp_rmb();	/* record before WQEs */
	while (posted && budget) {
		blocks = soft_wqe_peek(qp, posted, &opcode);
		if (!blocks) {
			/* Unmapped: nobody can say which WQEs these were. */
			qp->req.consumer += posted;
			return false;
		}
		soft_flush_cqe(qp, qp->send_cq, MLX5_CQE_REQ_ERR, opcode,
			       qp->req.consumer, NULL);
		qp->req.consumer += blocks;
		posted -= blocks;
		budget--;
	}
	return true;
}

/* Is the SRQ of a receive WQE that was taken in an earlier turn still there? */
static struct soft_srq *soft_flush_srq(struct soft_qp *qp, const struct soft_recv *recv)
{
	if (recv->srq == qp->srq ||
	    (struct soft_srq *)mhca_object_find(qp->base.obj.inst, MHCA_SRQ, recv->srqn) == recv->srq)
		return recv->srq;
	return NULL;
}

/* The receive WQE of a message that will never end. */
static void soft_flush_held(struct soft_qp *qp)
{
	const struct soft_recv *recv = &qp->rsp.recv;
	struct soft_cq *cq = qp->recv_cq;
	struct soft_srq *srq = NULL;

	lockdep_assert_held(&qp->rsp.lock);
	if (!qp->rsp.busy)
		return;
	qp->rsp.busy = false;
	if (recv->srq) {
		srq = soft_flush_srq(qp, recv);
		if (!srq)
			return;
		if (srq->flavour == SOFT_XRC_SRQ)
			cq = srq->cq;
	}
	soft_flush_cqe(qp, cq, MLX5_CQE_RESP_ERR, 0, recv->counter, srq);
}

/* After the CQEs of all WQEs that the QP has taken: drivers look for those then. */
static void soft_flush_last(struct soft_qp *qp)
{
	lockdep_assert_held(&qp->rsp.lock);
	if (!qp->rsp.last_due)
		return;
	qp->rsp.last_due = false;
	mhca_event_qp(qp->base.obj.inst, MLX5_EVENT_TYPE_SRQ_LAST_WQE, qp->base.obj.num);
}

static bool soft_flush_rq(struct soft_qp *qp)
{
	const __be32 *record;
	u32 posted, n;

	lockdep_assert_held(&qp->rsp.lock);
	if (qp->rsp.none || qp->srq)
		return false;
	record = mhca_object_record(&qp->base.obj);
	if (!record)
		return false;
	posted = soft_flush_posted(&qp->rsp.ring, be32_to_cpu(READ_ONCE(record[MLX5_RCV_DBR])),
				   &qp->rsp.consumer);
	for (n = min(posted, SOFT_FLUSH_BUDGET); n; n--)
		soft_flush_cqe(qp, qp->recv_cq, MLX5_CQE_RESP_ERR, 0,
			       qp->rsp.consumer++, NULL);
	return posted;
}

/**
 * soft_qp_flush() - complete in error what is posted to a QP in ERR or SQER
 * @qp: QP; its lane's lock held
 *
 * A bounded number of CQEs. Return: true when it wrote some: call again.
 */
bool soft_qp_flush(struct soft_qp *qp)
{
	bool more;

	lockdep_assert_held(&qp->base.si->lane->lock);
	if (qp->state != MLX5_QP_STATE_ERR && qp->state != MLX5_QP_STATE_SQER)
		return false;
	/* It is looked at again (lane->errors) when it may. */
	if (!soft_may_dma(qp->base.si))
		return false;
	more = soft_flush_sq(qp);
	if (qp->state == MLX5_QP_STATE_ERR) {
		mutex_lock(&qp->rsp.lock);
		soft_flush_held(qp);
		soft_flush_last(qp);
		more |= soft_flush_rq(qp);
		mutex_unlock(&qp->rsp.lock);
	}
	return more;
}

/* The requester half stops where it is; its WQE, if any, is flushed like the rest. */
static void soft_stop_requester(struct soft_qp *qp)
{
	struct soft_lane *lane = qp->base.si->lane;

	list_del_init(&qp->base.memory_node);
	soft_timer_cancel(&lane->timers, &qp->base.timer);
	qp->req.waiting = false;
	qp->req.busy = false;
	qp->req.done = 0;
	qp->req.wire.on = false;
	qp->req.retries = 0;
	qp->req.rnr_retries = 0;
}

/* Look at it at once, and then often again: a drain follows soon. */
void soft_watch_error(struct soft_qp *qp)
{
	struct soft_lane *lane = qp->base.si->lane;

	if (list_empty(&qp->base.err_node))
		list_add_tail(&qp->base.err_node, &lane->errors);
	lane->error_at = 0;
	lane->error_wait = 0;
	soft_lane_activate(lane, &qp->base);
}

/**
 * soft_qp_to_sq_error() - a requester error that leaves the responder alone
 * @qp: UC or datagram QP; its lane's lock held, rsp.lock not
 */
void soft_qp_to_sq_error(struct soft_qp *qp)
{
	lockdep_assert_held(&qp->base.si->lane->lock);
	if (qp->state != MLX5_QP_STATE_RTS)
		return;
	mutex_lock(&qp->rsp.lock);
	soft_qp_set_state(qp, MLX5_QP_STATE_SQER);
	mutex_unlock(&qp->rsp.lock);
	soft_stop_requester(qp);
	soft_watch_error(qp);
}

/**
 * soft_qp_to_error() - move a QP to ERR and begin to flush it
 * @qp: QP in any state; its lane's lock held, rsp.lock not
 *
 * One that is in ERR for long is looked at rarely: asked again, its owner is about
 * to drain it.
 */
void soft_qp_to_error(struct soft_qp *qp)
{
	lockdep_assert_held(&qp->base.si->lane->lock);
	if (qp->state == MLX5_QP_STATE_ERR) {
		soft_watch_error(qp);
		return;
	}
	mutex_lock(&qp->rsp.lock);
	soft_qp_set_state(qp, MLX5_QP_STATE_ERR);
	qp->rsp.dead = true;
	qp->rsp.last_due = !!qp->srq;
	mutex_unlock(&qp->rsp.lock);

	soft_stop_requester(qp);
	soft_watch_error(qp);
	soft_qp_flush(qp);
}
