// SPDX-License-Identifier: GPL-2.0-only
/*
 * Who is at the other end of a QP: the instance that its messages reach, and the QP there.
 */
#include <mhca/kernel.h>
#include "transport.h"

/**
 * soft_qp_find() - who receives messages to a QPN
 * @inst: instance
 * @qpn: number; 0 and 1 name the SMI and GSI QP
 *
 * Inside srcu. Return: the QP or NULL.
 */
struct soft_qp *soft_qp_find(struct mhca_instance *inst, u32 qpn)
{
	switch (qpn) {
	case 0:
		return READ_ONCE(soft_instance(inst)->qp0);
	case 1:
		return READ_ONCE(soft_instance(inst)->qp1);
	default:
		return (struct soft_qp *)mhca_object_find(inst, MHCA_QP, qpn);
	}
}

/* Who has the address, and may be reached from here: whether it can answer is another question. */
static struct soft_instance *soft_route_any(const struct soft_qp *qp, const struct soft_av *av)
{
	struct soft_instance *si;

	if (qp->base.obj.inst->personality == MHCA_ROCE)
		return soft_roce_route(qp, av);
	si = soft_instance_by_lid(qp->base.si->hca, av->dlid);
	if (!si || si->inst->personality != MHCA_IB || !READ_ONCE(si->inst->port.up) ||
	    !READ_ONCE(qp->base.obj.inst->port.up) ||
	    READ_ONCE(si->inst->port.segment) != READ_ONCE(qp->base.obj.inst->port.segment))
		return NULL;
	return si;
}

/**
 * soft_route() - the instance at the other end
 * @qp: sender
 * @av: where to
 *
 * Inside srcu. Return: NULL when there is none, it is in another segment, it may not use
 * its memory, or one of the two ports is down.
 */
struct soft_instance *soft_route(const struct soft_qp *qp, const struct soft_av *av)
{
	struct soft_instance *si = soft_route_any(qp, av);

	return si && soft_may_dma(si) ? si : NULL;
}

/* Does it stand still, and not for too long? */
static bool soft_is_away(const struct soft_instance *si)
{
	u64 since = READ_ONCE(si->inst->away_since);

	return since && ktime_get_ns() - since < MHCA_AWAY_NS;
}

/**
 * soft_peer_find() - the QP at the other end of a connected one
 * @qp: sender; inside srcu
 * @result: out: what it means that there is none: SOFT_NO_PEER or SOFT_AWAY
 *
 * Return: it, whether or not it is connected to @qp; or NULL.
 */
struct soft_qp *soft_peer_find(const struct soft_qp *qp, enum soft_result *result)
{
	struct soft_instance *si = soft_route_any(qp, &qp->av);

	*result = SOFT_NO_PEER;
	if (likely(si && soft_may_dma(si)))
		return soft_qp_find(si->inst, qp->remote_qpn);
	if (si && soft_is_away(si))
		*result = SOFT_AWAY;
	return NULL;
}

/**
 * soft_peer_is_connected() - does the other end say the same?
 * @peer: QP that was found; rsp.lock held
 * @qp: sender
 */
bool soft_peer_is_connected(const struct soft_qp *peer, const struct soft_qp *qp)
{
	if (peer->type != qp->type || peer->remote_qpn != qp->base.obj.num)
		return false;
	if (qp->base.obj.inst->personality == MHCA_ROCE)
		return soft_roce_is_connected(peer, qp);
	return peer->av.dlid == qp->base.si->lid;
}
