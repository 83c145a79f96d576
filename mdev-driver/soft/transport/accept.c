// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a request has to satisfy, and what its responder does about one that does not: the
 * same whether it comes from an instance of this host (responder.c) or in packets
 * (wire_respond.c).
 *
 * Errors follow the IBTA classes. Reliable services: the responder's QP goes to ERR,
 * with an event when no receive WQE can report it, and the requester gets the NAK.
 * UC: the message is dropped and its receive WQE waits for the next one.
 */
#include <mhca/kernel.h>
#include "transport.h"
#include "accept.h"

#define SOFT_PSN_MASK	0xffffffU

static const struct soft_action soft_actions[] = {
	[MLX5_OPCODE_SEND]		= { true, true, 0, MLX5_CQE_RESP_SEND },
	[MLX5_OPCODE_SEND_IMM]		= { true, true, 0, MLX5_CQE_RESP_SEND_IMM },
	[MLX5_OPCODE_SEND_INVAL]	= { true, true, 0, MLX5_CQE_RESP_SEND_INV },
	[MLX5_OPCODE_RDMA_WRITE]	= { true, false, SOFT_REMOTE_WRITE },
	[MLX5_OPCODE_RDMA_WRITE_IMM]	= { true, true, SOFT_REMOTE_WRITE,
					    MLX5_CQE_RESP_WR_IMM },
	[MLX5_OPCODE_RDMA_READ]		= { true, false, SOFT_REMOTE_READ },
	[MLX5_OPCODE_ATOMIC_CS]		= { true, false, SOFT_REMOTE_ATOMIC },
	[MLX5_OPCODE_ATOMIC_FA]		= { true, false, SOFT_REMOTE_ATOMIC },
};

/**
 * soft_action() - what a message does to its responder
 * @opcode: MLX5_OPCODE_*
 *
 * Return: NULL: there is no such message.
 */
const struct soft_action *soft_action(u8 opcode)
{
	return opcode < ARRAY_SIZE(soft_actions) && soft_actions[opcode].known ?
	       &soft_actions[opcode] : NULL;
}

/* ---- Refusals ------------------------------------------------------------ */

bool soft_resp_is_reliable(const struct soft_qp *peer)
{
	return peer->type != MLX5_QP_ST_UC;
}

static void soft_resp_condemn(struct soft_qp *peer)
{
	lockdep_assert_held(&peer->rsp.lock);
	peer->rsp.dead = true;
	soft_lane_fail(&peer->base);
}

/* A NAK that no receive WQE reports: the event does. UC: nothing but a drop. */
enum soft_result soft_resp_nak(struct soft_qp *peer, enum soft_result result)
{
	if (!soft_resp_is_reliable(peer))
		return result;
	if (result == SOFT_REMOTE_ACCESS)
		soft_q_count(&peer->base, resp_remote_access_errors);
	mhca_event_qp(peer->base.obj.inst, result == SOFT_REMOTE_ACCESS ?
		      MLX5_EVENT_TYPE_WQ_ACCESS_ERROR : MLX5_EVENT_TYPE_WQ_INVAL_REQ_ERROR,
		      peer->base.obj.num);
	soft_resp_condemn(peer);
	return result;
}

/* A NAK whose cause lies in the receive WQE held, which reports it. */
enum soft_result soft_resp_nak_recv(struct soft_qp *peer, u8 syndrome,
				    enum soft_result result)
{
	struct soft_cqe cqe = {
		.opcode = MLX5_CQE_RESP_ERR,
		.syndrome = syndrome,
	};

	if (result == SOFT_REMOTE_ACCESS)
		soft_q_count(&peer->base, resp_remote_access_errors);
	soft_recv_complete(peer, &cqe);
	soft_resp_condemn(peer);
	return result;
}

static enum soft_result soft_resp_catastrophe(struct soft_qp *peer)
{
	mhca_event_qp(peer->base.obj.inst, MLX5_EVENT_TYPE_WQ_CATAS_ERROR, peer->base.obj.num);
	soft_resp_condemn(peer);
	return SOFT_REMOTE_OP;
}

/* ---- Beginning of a message ---------------------------------------------- */

/* Where receive WQEs of this message come from. false: no such XRC SRQ. */
bool soft_resp_srq(const struct soft_request *req, struct soft_qp *peer, struct soft_srq **srq)
{
	struct mhca_object *obj;

	*srq = peer->srq;
	if (peer->type != MLX5_QP_ST_XRC)
		return true;
	obj = mhca_object_find(peer->base.obj.inst, MHCA_SRQ, req->srqn);
	*srq = obj ? container_of(obj, struct soft_srq, obj) : NULL;
	return *srq && (*srq)->flavour == SOFT_XRC_SRQ && (*srq)->xrcd == peer->xrcd;
}

/*
 * PD number that an rkey must have. An XRC target belongs to no process: its keys are
 * those of the SRQ that the message names (IBTA A14). false: no such SRQ.
 */
bool soft_resp_pd(const struct soft_request *req, struct soft_qp *peer, u32 *pd)
{
	struct soft_srq *srq;

	*pd = peer->pd;
	if (peer->type != MLX5_QP_ST_XRC)
		return true;
	if (!soft_resp_srq(req, peer, &srq))
		return false;
	*pd = srq->pd;
	return true;
}

/*
 * Have @peer hold a receive WQE. One that is held already belongs to a message that
 * was begun and lost, by this requester or an earlier one.
 */
enum soft_result soft_resp_hold(struct soft_request *req, struct soft_qp *peer)
{
	enum soft_result result;
	struct soft_srq *srq;

	if (!soft_resp_srq(req, peer, &srq))
		return soft_resp_nak(peer, SOFT_REMOTE_INVALID);
	if (peer->rsp.busy && peer->rsp.recv.srq == srq)
		return SOFT_OK;
	result = soft_recv_take(peer, srq, &peer->rsp.recv);
	peer->rsp.busy = result == SOFT_OK || result == SOFT_LOCAL_QP_OP;
	switch (result) {
	case SOFT_OK:
		return SOFT_OK;
	case SOFT_RNR:
		req->min_rnr = peer->rsp.min_rnr;
		soft_q_count(&peer->base, out_of_buffer);
		if (soft_resp_is_reliable(peer))
			mhca_count(peer->base.obj.inst, rnr_naks);
		else
			mhca_count(peer->base.obj.inst, drop_no_buffer);
		return SOFT_RNR;
	case SOFT_LOCAL_QP_OP:
		return soft_resp_nak_recv(peer, MLX5_CQE_SYNDROME_LOCAL_QP_OP_ERR,
					  SOFT_REMOTE_OP);
	default:
		return soft_resp_catastrophe(peer);
	}
}

/* The key that a SEND invalidates: @really do it, or see whether it may be done. */
enum soft_result soft_resp_invalidate(const struct soft_request *req, struct soft_qp *peer,
				      bool really)
{
	enum soft_result result = SOFT_REMOTE_ACCESS;
	u32 pd;

	if (soft_resp_pd(req, peer, &pd))
		result = soft_mkey_invalidate(peer->base.obj.inst, be32_to_cpu(req->imm), pd,
					      peer->base.obj.num, really);
	if (result == SOFT_REMOTE_ACCESS)
		return soft_resp_nak_recv(peer, MLX5_CQE_SYNDROME_MW_BIND_ERR, result);
	return result;
}

/* A SEND's own conditions on the receive WQE held. */
enum soft_result soft_resp_check_recv(const struct soft_request *req, struct soft_qp *peer)
{
	const struct soft_recv *recv = &peer->rsp.recv;
	u64 len = req->len;
	enum soft_result result;

	if (req->opcode == MLX5_OPCODE_SEND_INVAL) {
		result = soft_resp_invalidate(req, peer, false);
		if (result != SOFT_OK)
			return result;
	}
	if (len > recv->sgl.len) {
		if (soft_resp_is_reliable(peer))
			return soft_resp_nak_recv(peer, MLX5_CQE_SYNDROME_LOCAL_LENGTH_ERR,
						  SOFT_REMOTE_INVALID);
		mhca_count(peer->base.obj.inst, drop_length);
		return SOFT_REMOTE_INVALID;
	}
	result = soft_sgl_check(peer->base.obj.inst, &recv->sgl, len, soft_recv_pd(peer, recv),
				peer->base.obj.num, SOFT_LOCAL_WRITE);
	if (result == SOFT_LOCAL_PROT)
		return soft_resp_nak_recv(peer, MLX5_CQE_SYNDROME_LOCAL_PROT_ERR,
					  SOFT_REMOTE_OP);
	return result;
}

enum soft_result soft_resp_check_remote(const struct soft_request *req, struct soft_qp *peer,
					u8 access)
{
	enum soft_result result = SOFT_OK;
	u32 pd;

	/* The operation is not enabled: an invalid request (IBTA 9.7.4.1.2). */
	if (!(peer->rsp.access & access))
		return soft_resp_nak(peer, SOFT_REMOTE_INVALID);
	if (access == SOFT_REMOTE_ATOMIC && !IS_ALIGNED(req->va, sizeof(u64)))
		return soft_resp_nak(peer, SOFT_REMOTE_INVALID);
	if (!soft_resp_pd(req, peer, &pd))
		return soft_resp_nak(peer, SOFT_REMOTE_INVALID);
	/* Without a payload the key is not looked at. */
	if (req->len)
		result = soft_key_check(peer->base.obj.inst, req->rkey, pd, peer->base.obj.num,
					req->va, req->len, access, true);
	return result == SOFT_REMOTE_ACCESS ? soft_resp_nak(peer, result) : result;
}

/* The locked operation on guest memory, which the guest's own CPUs use as well. */
u64 soft_resp_operate(const struct soft_request *req, u64 *word)
{
	if (req->opcode == MLX5_OPCODE_ATOMIC_CS)
		return cmpxchg(word, req->compare, req->swap_add);
	return atomic64_fetch_add(req->swap_add, (atomic64_t *)word);
}

/* Requests are counted when they are there as a whole. */
static void soft_resp_count_request(const struct soft_qp *peer, u8 access)
{
	switch (access) {
	case SOFT_REMOTE_WRITE:
		soft_q_count(&peer->base, rx_write_requests);
		break;
	case SOFT_REMOTE_READ:
		soft_q_count(&peer->base, rx_read_requests);
		break;
	case SOFT_REMOTE_ATOMIC:
		soft_q_count(&peer->base, rx_atomic_requests);
		break;
	}
}

void soft_resp_complete(const struct soft_request *req, struct soft_qp *peer)
{
	const struct soft_action *action = soft_action(req->opcode);
	struct soft_cqe cqe;

	peer->rsp.psn = (req->psn + req->packets) & SOFT_PSN_MASK;
	/* However it came: what a wire left behind is over. */
	peer->rsp.wire.in = SOFT_IN_NOTHING;
	peer->rsp.wire.nakked = false;
	peer->rsp.wire.msn = (peer->rsp.wire.msn + 1) & SOFT_PSN_MASK;
	if (action->access & (SOFT_REMOTE_READ | SOFT_REMOTE_ATOMIC))
		soft_asked_add(peer, req);
	mhca_count(peer->base.obj.inst, messages);
	soft_resp_count_request(peer, action->access);
	if (unlikely(peer->state == MLX5_QP_STATE_RTR && !peer->rsp.established)) {
		peer->rsp.established = true;
		mhca_event_qp(peer->base.obj.inst, MLX5_EVENT_TYPE_COMM_EST, peer->base.obj.num);
	}
	if (!action->recv)
		return;
	memset(&cqe, 0, sizeof(cqe));
	cqe.opcode = action->cqe;
	cqe.bytes = req->len;
	cqe.solicited = req->solicited;
	if (action->cqe != MLX5_CQE_RESP_SEND)
		cqe.imm = req->imm;
	soft_recv_complete(peer, &cqe);
}
