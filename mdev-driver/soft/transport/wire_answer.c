// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a responder sends: answers to READs and atomics in the order in which they were
 * asked for, then the acknowledgement or the NAK of what came last. A long answer is sent
 * in many turns.
 */
#include "wire_engine.h"

static enum soft_result soft_wire_aeth(struct soft_qp *qp, u8 syndrome, u32 psn, u32 msn)
{
	struct wire_packet *packet = soft_wire_connected(qp, WIRE_ACK);

	packet->psn = psn;
	packet->syndrome = syndrome;
	packet->msn = msn & WIRE_PSN_MASK;
	return soft_wire_emit(qp, &qp->av, packet);
}

/* The payload of an answer's packet, out of the memory that the READ names. */
static enum soft_result soft_wire_fetch(struct soft_qp *qp, const struct soft_asked *asked,
					u32 len, u64 *budget)
{
	u8 *body = qp->base.si->lane->wire->body;
	struct soft_seg one = { .addr = asked->va, .lkey = asked->rkey, .len = asked->len };
	struct soft_cursor from = {
		.inst = qp->base.obj.inst,
		.qpn = qp->base.obj.num,
		.access = SOFT_REMOTE_READ,
		.remote = true,
		.segs = &one,
		.n_segs = 1,
	};
	enum soft_result result = SOFT_OK;
	u32 n, done = 0;
	void *ptr;

	if (!soft_resp_pd(&(struct soft_request){ .srqn = asked->srqn }, qp, &from.pd))
		return SOFT_REMOTE_ACCESS;
	soft_cursor_seek(&from, (u64)asked->at * qp->mtu);
	from.follows = max(len, 1U);
	while (done < len) {
		result = soft_cursor_run(&from, len - done, &ptr, &n);
		if (result != SOFT_OK)
			break;
		memcpy(body + done, ptr, n);
		soft_cursor_advance(&from, n);
		done += n;
	}
	soft_cursor_release(&from);
	if (result == SOFT_AGAIN)
		soft_cursor_ask(&from, len - done);
	*budget -= min(*budget, soft_cursor_cost(&from));
	return result;
}

static u8 soft_wire_read_place(const struct soft_asked *asked)
{
	bool last = asked->at + 1 == asked->packets;

	/* The first packet of an answer begins it anew, wherever it does. */
	if (asked->at && !asked->again)
		return last ? WIRE_READ_LAST : WIRE_READ_MIDDLE;
	return last ? WIRE_READ_ONLY : WIRE_READ_FIRST;
}

/* The next packet of a READ's answer. */
static enum soft_result soft_wire_send_read(struct soft_qp *qp, struct soft_asked *asked,
					    u64 *budget)
{
	u32 done = asked->at * qp->mtu, len = min(asked->len - done, qp->mtu);
	enum soft_result result = soft_wire_fetch(qp, asked, len, budget);
	struct wire_packet *packet;

	if (result != SOFT_OK)
		return result;
	packet = soft_wire_connected(qp, soft_wire_read_place(asked));
	packet->psn = asked->psn + asked->at;
	packet->syndrome = SOFT_ACK;
	packet->msn = asked->msn;
	packet->payload = len;
	result = soft_wire_emit(qp, &qp->av, packet);
	if (result != SOFT_OK)
		return result;
	mhca_count_add(qp->base.obj.inst, tx_bytes, len);
	*budget -= min_t(u64, *budget, len + SOFT_WIRE_PACKET_COST);
	asked->again = false;
	asked->pending = ++asked->at < asked->packets;
	return SOFT_OK;
}

static enum soft_result soft_wire_send_value(struct soft_qp *qp, struct soft_asked *asked)
{
	struct wire_packet *packet = soft_wire_connected(qp, WIRE_ATOMIC_ACK);
	enum soft_result result;

	packet->psn = asked->psn;
	packet->syndrome = SOFT_ACK;
	packet->msn = asked->msn;
	packet->original = asked->value;
	result = soft_wire_emit(qp, &qp->av, packet);
	asked->pending = result != SOFT_OK;
	return result;
}

/* Some peers do not take an answer for the acknowledgement of what was before it. */
static enum soft_result soft_wire_ack_before(struct soft_qp *qp, struct soft_asked *asked)
{
	enum soft_result result;

	result = soft_wire_aeth(qp, SOFT_ACK, asked->psn - 1, asked->msn - 1);
	asked->ack_before = result != SOFT_OK;
	return result;
}

/* The memory of a READ is not there any more: so the first one who asked is told. */
static void soft_wire_read_failed(struct soft_qp *qp, struct soft_asked *asked)
{
	struct soft_wire_rsp *w = &qp->rsp.wire;
	u32 i;

	for (i = 0; i < SOFT_ASKED_MAX; i++)
		w->asked[i].pending = false;
	soft_resp_nak(qp, SOFT_REMOTE_ACCESS);
	soft_wire_nak(qp, SOFT_NAK_ACCESS, (asked->psn + asked->at) & WIRE_PSN_MASK);
}

static enum soft_result soft_wire_answer_one(struct soft_qp *qp, struct soft_asked *asked,
					     u64 *budget)
{
	enum soft_result result = SOFT_OK;

	if (asked->ack_before)
		result = soft_wire_ack_before(qp, asked);
	if (result != SOFT_OK)
		return result;
	if (asked->opcode != MLX5_OPCODE_RDMA_READ) {
		*budget -= min_t(u64, *budget, SOFT_WIRE_PACKET_COST);
		return soft_wire_send_value(qp, asked);
	}
	result = soft_wire_send_read(qp, asked, budget);
	if (result == SOFT_OK || result == SOFT_AGAIN || result == SOFT_MORE)
		return result;
	if (asked->again)
		asked->pending = false;
	else
		soft_wire_read_failed(qp, asked);
	return SOFT_OK;
}

static enum soft_result soft_wire_ack(struct soft_qp *qp)
{
	struct soft_wire_rsp *w = &qp->rsp.wire;
	enum soft_result result;

	if (w->ack_due) {
		result = soft_wire_aeth(qp, SOFT_ACK, qp->rsp.psn - 1, w->msn);
		if (result != SOFT_OK)
			return result;
		w->ack_due = false;
		w->unacked = false;
	}
	if (w->nak_due) {
		result = soft_wire_aeth(qp, w->nak, w->nak_psn, w->msn);
		if (result != SOFT_OK)
			return result;
		w->nak_due = false;
	}
	w->due = false;
	return SOFT_OK;
}

/* All that is due, as far as @budget goes. */
static enum soft_result soft_wire_answer_all(struct soft_qp *qp, u64 *budget)
{
	struct soft_wire_rsp *w = &qp->rsp.wire;
	enum soft_result result = SOFT_OK;
	struct soft_asked *asked;
	u32 n;

	if (!soft_qp_receives(qp) && !(w->nak_due && w->last)) {
		w->due = false;
		return SOFT_OK;
	}
	while (result == SOFT_OK && *budget) {
		asked = soft_asked_next(qp, &n);
		if (!asked)
			return soft_wire_ack(qp);
		result = soft_wire_answer_one(qp, asked, budget);
	}
	return result == SOFT_OK ? SOFT_MORE : result;
}

/**
 * soft_wire_answer() - send what a QP's responder half owes
 * @qp: QP in any state; its lane's lock held, no rsp.lock, inside srcu
 * @budget: in and out: bytes that may still be sent in this turn
 *
 * Return: true: something was due, and it does not wait for memory or for its way.
 */
bool soft_wire_answer(struct soft_qp *qp, u64 *budget)
{
	struct soft_lane *lane = qp->base.si->lane;
	enum soft_result result;

	if (likely(!READ_ONCE(qp->rsp.wire.due)))
		return false;
	mutex_lock(&qp->rsp.lock);
	result = soft_wire_answer_all(qp, budget);
	mutex_unlock(&qp->rsp.lock);
	if (result != SOFT_AGAIN)
		return true;
	if (list_empty(&qp->base.memory_node))
		list_add_tail(&qp->base.memory_node, &lane->memory);
	soft_wire_wait(qp, ktime_get_ns() + SOFT_WIRE_LOOK_NS);
	return false;
}
