// SPDX-License-Identifier: GPL-2.0-only
/*
 * The requester half of a QP: takes send WQEs in order, has them executed by
 * responder.c or datagram.c, waits where the InfiniBand rules say so, and completes
 * them.
 *
 * One WQE is executed to its end before the next one is looked at, in the order in
 * which they were posted. So every fence mode of a WQE is satisfied by construction,
 * and READ and atomic results are in place before anything that follows them.
 */
#include <mhca/kernel.h>
#include "transport.h"

#define SOFT_PSN_MASK		0xffffffU
#define SOFT_RNR_FOR_EVER	7
#define SOFT_MTU_MIN		256U
/* So many visits to a group's members cost a lane as much as a WQE; each has two. */
#define SOFT_VISITS_A_WQE	4U
#define SOFT_MEMORY_WAIT_NS	(50 * 1000ULL)
#define SOFT_PEER_MEMORY_NS	(100 * 1000 * 1000ULL)	/* pins may take so long at least */
#define SOFT_AWAY_LOOK_NS	(20 * 1000 * 1000ULL)	/* it is told when the peer is back */
#define SOFT_LOOK_AGAIN_NS	(1000 * 1000 * 1000ULL)	/* ack timeout 0: for ever */

/* RNR timer codes (IBTA 9.7.5.2.8) in units of 10 us. */
static const u32 soft_rnr_10us[32] = {
	65536, 1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512,
	768, 1024, 1536, 2048, 3072, 4096, 6144, 8192, 12288, 16384, 24576, 32768, 49152,
};

/* Results that end the WQE and the QP: the syndrome of the requester's CQE. */
static const u8 soft_syndromes[] = {
	[SOFT_LOCAL_LENGTH]	= MLX5_CQE_SYNDROME_LOCAL_LENGTH_ERR,
	[SOFT_LOCAL_QP_OP]	= MLX5_CQE_SYNDROME_LOCAL_QP_OP_ERR,
	[SOFT_LOCAL_PROT]	= MLX5_CQE_SYNDROME_LOCAL_PROT_ERR,
	[SOFT_REMOTE_INVALID]	= MLX5_CQE_SYNDROME_REMOTE_INVAL_REQ_ERR,
	[SOFT_REMOTE_ACCESS]	= MLX5_CQE_SYNDROME_REMOTE_ACCESS_ERR,
	[SOFT_REMOTE_OP]	= MLX5_CQE_SYNDROME_REMOTE_OP_ERR,
	[SOFT_BAD_RESPONSE]	= MLX5_CQE_SYNDROME_BAD_RESP_ERR,
	[SOFT_MEMORY_LOST]	= MLX5_CQE_SYNDROME_LOCAL_PROT_ERR,
	[SOFT_MW_BIND]		= MLX5_CQE_SYNDROME_MW_BIND_ERR,
};

static bool soft_is_datagram(const struct soft_qp *qp)
{
	return qp->type == MLX5_QP_ST_UD || qp->type == MLX5_QP_ST_QP0 ||
	       qp->type == MLX5_QP_ST_QP1;
}

static bool soft_is_reliable(const struct soft_qp *qp)
{
	return qp->type == MLX5_QP_ST_RC || qp->type == MLX5_QP_ST_XRC;
}

static bool soft_is_atomic(const struct soft_wqe *wqe)
{
	return wqe->opcode == MLX5_OPCODE_ATOMIC_CS || wqe->opcode == MLX5_OPCODE_ATOMIC_FA;
}

/* ---- Ends of a WQE ------------------------------------------------------ */

static void soft_req_error(struct soft_qp *qp, u8 syndrome)
{
	struct soft_cqe cqe = {
		.opcode = MLX5_CQE_REQ_ERR,
		.syndrome = syndrome,
		.wqe_opcode = qp->req.wqe.opcode,
		.counter = qp->req.wqe.index,
	};

	mhca_count(qp->base.obj.inst, qp_errors);
	soft_complete(qp->send_cq, &qp->base, &cqe);
	qp->req.consumer += qp->req.wqe.blocks;
	if (soft_is_reliable(qp))
		soft_qp_to_error(qp);
	else
		soft_qp_to_sq_error(qp);
}

/* The queue itself cannot be used: no WQE to report, an event instead. */
static void soft_req_catastrophe(struct soft_qp *qp)
{
	mhca_count(qp->base.obj.inst, qp_errors);
	mhca_event_qp(qp->base.obj.inst, MLX5_EVENT_TYPE_WQ_CATAS_ERROR, qp->base.obj.num);
	soft_qp_to_error(qp);
}

static void soft_req_complete(struct soft_qp *qp)
{
	const struct soft_wqe *wqe = &qp->req.wqe;
	struct soft_cqe cqe;

	if (wqe->signalled) {
		memset(&cqe, 0, sizeof(cqe));
		cqe.opcode = MLX5_CQE_REQ;
		cqe.wqe_opcode = wqe->opcode;
		cqe.counter = wqe->index;
		cqe.bytes = wqe->opcode == MLX5_OPCODE_UMR ? 0 : wqe->sgl.len;
		soft_complete(qp->send_cq, &qp->base, &cqe);
	}
	mhca_count(qp->base.obj.inst, wqes);
	qp->req.psn = (qp->req.psn + qp->req.packets) & SOFT_PSN_MASK;
	qp->req.consumer += wqe->blocks;
	qp->req.busy = false;
	qp->req.done = 0;
	qp->req.retries = 0;
	qp->req.rnr_retries = 0;
}

/* ---- Waiting ------------------------------------------------------------ */

static void soft_req_wait(struct soft_qp *qp, u64 ns)
{
	qp->req.waiting = true;
	soft_timer_arm(&qp->base.si->lane->timers, &qp->base.timer, ktime_get_ns() + ns);
}

/* soft_memory_ready() or the timer looks again. */
static void soft_req_wait_told(struct soft_qp *qp, u64 ns)
{
	struct soft_lane *lane = qp->base.si->lane;

	if (list_empty(&qp->base.memory_node))
		list_add_tail(&qp->base.memory_node, &lane->memory);
	soft_req_wait(qp, ns);
}

/* A page is being pinned. */
static void soft_req_wait_memory(struct soft_qp *qp)
{
	soft_req_wait_told(qp, SOFT_MEMORY_WAIT_NS);
}

/*
 * The peer stands still, and may go on elsewhere: no retry is spent, and the message
 * begins anew, so that all checks are made where it goes on.
 */
static void soft_req_away(struct soft_qp *qp)
{
	qp->req.done = 0;
	soft_req_wait_told(qp, SOFT_AWAY_LOOK_NS);
}

static void soft_req_rnr(struct soft_qp *qp, u8 code)
{
	if (qp->req.rnr_retry != SOFT_RNR_FOR_EVER) {
		if (qp->req.rnr_retries >= qp->req.rnr_retry) {
			soft_req_error(qp, MLX5_CQE_SYNDROME_RNR_RETRY_EXC_ERR);
			return;
		}
		qp->req.rnr_retries++;
	}
	mhca_count(qp->base.obj.inst, retries);
	soft_q_count(&qp->base, rnr_nak_retry_err);
	soft_req_wait(qp, soft_rnr_10us[code & 0x1f] * 10000ULL);
}

/*
 * Nobody answers: as if every packet were lost. The message begins anew after the
 * timeout; after the last retry there is one timeout more, in which an answer would
 * still be in time.
 */
static void soft_req_no_peer(struct soft_qp *qp)
{
	qp->req.done = 0;
	if (!qp->req.ack_timeout) {
		soft_req_wait(qp, SOFT_LOOK_AGAIN_NS);
		return;
	}
	if (qp->req.retries > qp->req.retry_count) {
		soft_req_error(qp, MLX5_CQE_SYNDROME_TRANSPORT_RETRY_EXC_ERR);
		return;
	}
	qp->req.retries++;
	mhca_count(qp->base.obj.inst, retries);
	soft_q_count(&qp->base, local_ack_timeout_err);
	soft_req_wait(qp, 4096ULL << (qp->req.ack_timeout & 0x1f));
}

/* Packets were sent, and no answer came in the timeout: they are sent again. */
static void soft_req_late(struct soft_qp *qp)
{
	soft_q_count(&qp->base, local_ack_timeout_err);
	if (qp->req.retries >= qp->req.retry_count) {
		soft_req_error(qp, MLX5_CQE_SYNDROME_TRANSPORT_RETRY_EXC_ERR);
		return;
	}
	qp->req.retries++;
	mhca_count(qp->base.obj.inst, retries);
}

/*
 * The peer's memory is not there for so long that a message would count as lost. true: a
 * message of an unreliable service is, and the next one may follow.
 */
static bool soft_req_wait_peer(struct soft_qp *qp)
{
	u64 bound = SOFT_PEER_MEMORY_NS, now = ktime_get_ns();
	struct soft_wait *wait = &qp->req.wait;

	if (soft_is_reliable(qp))
		bound = max(bound, 4096ULL << (qp->req.ack_timeout & 0x1f));
	if (!wait->since)
		wait->since = now;
	if (now - wait->since < bound || (soft_is_reliable(qp) && !qp->req.ack_timeout)) {
		soft_req_wait_memory(qp);
		return false;
	}
	*wait = (struct soft_wait){};
	if (soft_is_reliable(qp)) {
		soft_req_no_peer(qp);
		return false;
	}
	mhca_count(qp->base.obj.inst, drop_memory);
	soft_req_complete(qp);
	return true;
}

/* ---- One WQE ------------------------------------------------------------ */

/*
 * Basic blocks that are posted. More than the ring holds cannot be: the record is
 * broken, and what it says about WQEs is worth nothing.
 */
static u32 soft_req_posted(struct soft_qp *qp, bool *broken)
{
	const __be32 *record = mhca_object_record(&qp->base.obj);
	u16 posted;

	*broken = !record;
	if (unlikely(!record))
		return 0;
	posted = be32_to_cpu(READ_ONCE(record[MLX5_SND_DBR])) - qp->req.consumer;
	*broken = posted > 1U << qp->req.ring.log_size;
	smp_rmb();	/* record before WQEs */
	return *broken ? 0 : posted;
}

/**
 * soft_qp_has_work() - does a QP's record say that there is something to do?
 * @qp: QP; its lane's lock held
 *
 * Inside srcu. Return: true: send WQEs, or receive WQEs to be flushed.
 */
bool soft_qp_has_work(const struct soft_qp *qp)
{
	const __be32 *record;

	if (!soft_may_dma(qp->base.si))
		return false;
	if (qp->state == MLX5_QP_STATE_ERR &&
	    (READ_ONCE(qp->rsp.busy) || READ_ONCE(qp->rsp.last_due)))
		return true;
	record = mhca_object_record(&qp->base.obj);
	if (!record)
		return false;
	if (!qp->req.none &&
	    (u16)be32_to_cpu(READ_ONCE(record[MLX5_SND_DBR])) != qp->req.consumer)
		return true;
	return qp->state == MLX5_QP_STATE_ERR && !qp->rsp.none && !qp->srq &&
	       (u16)be32_to_cpu(READ_ONCE(record[MLX5_RCV_DBR])) != READ_ONCE(qp->rsp.consumer);
}

static u64 soft_max_message(const struct soft_qp *qp)
{
	u32 log = MLX5_GET(qpc, qp->attr, log_msg_max);

	/* Not set by services whose transitions do not carry it. */
	if (!log || log > MHCA_LOG_MAX_MSG)
		log = MHCA_LOG_MAX_MSG;
	return 1ULL << log;
}

/* All that can be said about a message before its first byte moves. */
static enum soft_result soft_req_check(struct soft_qp *qp, const struct soft_wqe *wqe)
{
	bool in = wqe->opcode == MLX5_OPCODE_RDMA_READ || soft_is_atomic(wqe);
	u32 i;

	/* umr.c looks at its WQEs itself. */
	if (wqe->opcode == MLX5_OPCODE_UMR)
		return SOFT_OK;
	if (wqe->sgl.len > soft_max_message(qp))
		return SOFT_LOCAL_LENGTH;
	if (soft_is_atomic(wqe) && wqe->sgl.len != sizeof(u64))
		return SOFT_LOCAL_LENGTH;
	/* Nothing can be read into the WQE. */
	for (i = 0; in && i < wqe->sgl.n; i++)
		if (wqe->sgl.seg[i].inline_data)
			return SOFT_LOCAL_QP_OP;
	return soft_sgl_check(qp->base.obj.inst, &wqe->sgl, wqe->sgl.len, qp->pd, qp->base.obj.num,
			      in ? SOFT_LOCAL_WRITE : SOFT_LOCAL_READ);
}

static u32 soft_req_packets(const struct soft_qp *qp, const struct soft_wqe *wqe)
{
	if (!wqe->sgl.len || soft_is_atomic(wqe) || soft_is_datagram(qp))
		return 1;
	return DIV_ROUND_UP((u32)wqe->sgl.len, max(qp->mtu, SOFT_MTU_MIN));
}

/* Begin the WQE at the consumer. false: the QP is in error now, or waits. */
static bool soft_req_begin(struct soft_qp *qp, u32 posted)
{
	struct soft_wqe *wqe = &qp->req.wqe;
	enum soft_result result;
	u8 syndrome;

	syndrome = soft_wqe_fetch(qp, posted, wqe);
	if (unlikely(syndrome)) {
		soft_req_error(qp, syndrome);
		return false;
	}
	result = soft_req_check(qp, wqe);
	if (unlikely(result == SOFT_AGAIN)) {
		soft_req_wait_memory(qp);
		return false;
	}
	if (unlikely(result != SOFT_OK)) {
		soft_req_error(qp, soft_syndromes[result]);
		return false;
	}
	qp->req.packets = soft_req_packets(qp, wqe);
	qp->req.busy = true;
	qp->req.done = 0;
	qp->req.wait = (struct soft_wait){};
	qp->req.group = (struct soft_mcast_at){};
	return true;
}

/**
 * struct soft_turn - what is left of a QP's turn
 * @wqes: work requests
 * @bytes: bytes
 * @copies: of those that are gone, bytes that the instance's rate does not count
 * @peer: out, with SOFT_AGAIN: it is the memory of a connected peer that is waited for
 */
struct soft_turn {
	u32 wqes;
	u64 bytes;
	u64 copies;
	bool peer;
};

/* Each member of a group is a copy and takes its time; on a wire it would be sent once. */
static enum soft_result soft_req_datagram(struct soft_qp *qp, struct soft_wqe *wqe,
					  struct soft_turn *turn)
{
	enum soft_result result;
	struct soft_sent sent = { .most = (turn->wqes + 1) * SOFT_VISITS_A_WQE };
	u64 len = wqe->sgl.len, bytes;

	result = soft_datagram_send(qp, wqe, &sent);
	bytes = min(len * sent.copies + sent.cost, turn->bytes);
	turn->bytes -= bytes;
	turn->copies += bytes - (result == SOFT_OK ? min(bytes, len) : 0);
	turn->wqes -= min(sent.visited / SOFT_VISITS_A_WQE, turn->wqes);
	return result;
}

static void soft_req_message(struct soft_qp *qp, struct soft_message *msg, u64 *budget)
{
	struct soft_wqe *wqe = &qp->req.wqe;

	msg->qp = qp;
	msg->wqe = wqe;
	msg->req = (struct soft_request){
		.opcode = wqe->opcode,
		.solicited = wqe->solicited,
		.imm = wqe->imm,
		.len = wqe->sgl.len,
		.va = wqe->remote_addr,
		.rkey = wqe->rkey,
		.swap_add = wqe->swap_add,
		.compare = wqe->compare,
		.srqn = wqe->xrc_srqn,
		.psn = qp->req.psn,
		.packets = qp->req.packets,
	};
	msg->done = &qp->req.done;
	msg->budget = budget;
	msg->own = false;
}

/*
 * To the peer on this host, or to the wire. A message ends where it began, but one of which
 * nothing has been delivered may change. Who is unreliable never learns that nobody is here.
 */
static enum soft_result soft_req_deliver(struct soft_message *msg)
{
	struct soft_qp *qp = msg->qp;
	enum soft_result result;

	if (qp->req.wire.on)
		return soft_wire_send(msg);
	if (unlikely(qp->type == MLX5_QP_ST_UC) && !qp->req.done && soft_wire_wanted(qp))
		return soft_wire_send(msg);
	result = soft_respond(msg);
	if (result == SOFT_NO_PEER && !qp->req.done && soft_wire_wanted(qp))
		return soft_wire_send(msg);
	return result;
}

static enum soft_result soft_req_execute(struct soft_qp *qp, struct soft_turn *turn)
{
	struct soft_wqe *wqe = &qp->req.wqe;
	struct soft_message msg;
	enum soft_result result;

	if (wqe->opcode == MLX5_OPCODE_NOP) {
		qp->req.packets = 0;
		return SOFT_OK;
	}
	if (wqe->opcode == MLX5_OPCODE_UMR) {
		qp->req.packets = 0;
		return soft_umr_execute(qp, wqe, &qp->req.done, &turn->bytes);
	}
	if (soft_is_datagram(qp))
		return soft_req_datagram(qp, wqe, turn);
	soft_req_message(qp, &msg, &turn->bytes);
	result = soft_req_deliver(&msg);
	turn->peer = !msg.own;
	if (unlikely(result == SOFT_RNR)) {
		soft_req_rnr(qp, msg.req.min_rnr);
		if (qp->req.waiting)
			qp->req.wire.rest_until = qp->base.timer.deadline;
	}
	return result;
}

/* Go on with the current WQE. true: it is complete, the next one may follow. */
static bool soft_req_step(struct soft_qp *qp, struct soft_turn *turn)
{
	u64 done = qp->req.done;
	enum soft_result result;

	turn->peer = false;
	result = soft_req_execute(qp, turn);
	if (result != SOFT_AGAIN || qp->req.done != done)
		qp->req.wait = (struct soft_wait){};
	switch (result) {
	case SOFT_OK:
		soft_req_complete(qp);
		return true;
	case SOFT_MORE:
	case SOFT_RNR:
		break;
	case SOFT_AGAIN:
		if (turn->peer)
			return soft_req_wait_peer(qp);
		soft_req_wait_memory(qp);
		break;
	case SOFT_NO_PEER:
		soft_req_no_peer(qp);
		break;
	case SOFT_LATE:
		soft_req_late(qp);
		break;
	case SOFT_AWAY:
		soft_req_away(qp);
		break;
	default:
		soft_req_error(qp, soft_syndromes[result]);
	}
	return false;
}

/**
 * soft_requester_run() - execute send WQEs within a turn's budget
 * @qp: QP; its lane's lock held, inside srcu
 *
 * Return: true when something was done; false: nothing to do, or it waits.
 */
bool soft_requester_run(struct soft_qp *qp)
{
	struct soft_lane *lane = qp->base.si->lane;
	u64 bytes = soft_share_bytes(qp->base.si, lane->params.byte_budget);
	struct soft_turn turn = {
		.wqes = soft_share_wqes(qp->base.si, lane->params.wqe_budget, 1), .bytes = bytes,
	};
	bool did, broken;
	u32 posted;

	lockdep_assert_held(&lane->lock);
	/* Answers first: two that ask each other would starve otherwise. */
	did = soft_wire_answer(qp, &turn.bytes);
	if (unlikely(qp->state != MLX5_QP_STATE_RTS))
		return soft_qp_flush(qp) || did;
	while (turn.wqes && turn.bytes && !qp->req.none && !qp->req.waiting) {
		turn.wqes--;
		if (!qp->req.busy) {
			if (unlikely(!soft_may_begin(qp->base.si)))
				break;
			posted = soft_req_posted(qp, &broken);
			if (unlikely(broken)) {
				soft_req_catastrophe(qp);
				did = true;
				break;
			}
			if (!posted)
				break;
			if (!soft_req_begin(qp, posted)) {
				did = true;
				break;
			}
		}
		did = true;
		if (!soft_req_step(qp, &turn))
			break;
	}
	soft_share_moved(qp->base.si, bytes - turn.bytes - turn.copies);
	return did;
}
