// SPDX-License-Identifier: GPL-2.0-only
/*
 * Receive WQEs: taken from a QP's own queue or its SRQ, and completed.
 */
#include <mhca/kernel.h>
#include "transport.h"

/**
 * soft_qp_receives() - is a QP in a state in which messages arrive?
 * @qp: QP; rsp.lock held
 */
bool soft_qp_receives(const struct soft_qp *qp)
{
	lockdep_assert_held(&qp->rsp.lock);
	switch (qp->state) {
	case MLX5_QP_STATE_RTR:
	case MLX5_QP_STATE_RTS:
	case MLX5_QP_STATE_SQER:
	case MLX5_QP_STATE_SQD:
	case MLX5_QP_STATE_SQ_DRAINING:
		return !qp->rsp.dead;
	default:
		return false;
	}
}

static enum soft_result soft_rq_take(struct soft_qp *qp, struct soft_recv *recv)
{
	const struct soft_ring *ring = &qp->rsp.ring;
	const __be32 *record = mhca_object_record(&qp->base.obj);
	u32 stride = min_t(u32, 1U << ring->log_stride, MHCA_MAX_WQE_RQ);
	u32 size = 1U << ring->log_size;
	u8 raw[MHCA_MAX_WQE_RQ] __aligned(8);
	u16 posted;
	u64 at;

	if (unlikely(!record))
		return SOFT_MEMORY_LOST;
	posted = be32_to_cpu(READ_ONCE(record[MLX5_RCV_DBR])) - qp->rsp.consumer;
	if (!posted)
		return SOFT_RNR;
	if (unlikely(posted > size))
		return SOFT_MEMORY_LOST;
	smp_rmb();	/* record before WQE */
	at = ring->offset + ((u64)(qp->rsp.consumer & (size - 1)) << ring->log_stride);
	if (mhca_pages_read(ring->pages, at, raw, stride))
		return SOFT_MEMORY_LOST;
	recv->counter = qp->rsp.consumer++;
	if (unlikely(!soft_recv_parse(raw, stride, &recv->sgl)))
		return SOFT_LOCAL_QP_OP;
	return SOFT_OK;
}

/**
 * soft_recv_take() - take the next receive WQE
 * @qp: receiver; rsp.lock held
 * @srq: take it from there, or NULL: from the QP's own RQ
 * @recv: out
 *
 * Return: SOFT_OK; SOFT_RNR: none is posted; SOFT_LOCAL_QP_OP: taken, but malformed;
 * SOFT_MEMORY_LOST: the queue cannot be used any more.
 */
enum soft_result soft_recv_take(struct soft_qp *qp, struct soft_srq *srq,
				struct soft_recv *recv)
{
	lockdep_assert_held(&qp->rsp.lock);
	recv->srq = srq;
	recv->srqn = srq ? srq->obj.num : 0;
	if (srq)
		return soft_srq_take(srq, recv);
	if (qp->rsp.none)
		return SOFT_RNR;
	return soft_rq_take(qp, recv);
}

/**
 * soft_recv_pd() - PD number that the keys of a receive WQE must have
 * @qp: receiver
 * @recv: its WQE
 */
u32 soft_recv_pd(const struct soft_qp *qp, const struct soft_recv *recv)
{
	return recv->srq ? recv->srq->pd : qp->pd;
}

static struct soft_cq *soft_recv_cq(const struct soft_qp *qp, const struct soft_recv *recv)
{
	if (recv->srq && recv->srq->flavour == SOFT_XRC_SRQ)
		return recv->srq->cq;
	return qp->recv_cq;
}

/**
 * soft_recv_complete() - complete the receive WQE that a QP holds
 * @qp: receiver; rsp.lock held
 * @cqe: its completion; counter and SRQ are filled in here
 */
void soft_recv_complete(struct soft_qp *qp, struct soft_cqe *cqe)
{
	const struct soft_recv *recv = &qp->rsp.recv;

	lockdep_assert_held(&qp->rsp.lock);
	cqe->counter = recv->counter;
	cqe->srq = recv->srq;
	qp->rsp.busy = false;
	soft_complete(soft_recv_cq(qp, recv), &qp->base, cqe);
}
