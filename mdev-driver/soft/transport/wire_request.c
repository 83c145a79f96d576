// SPDX-License-Identifier: GPL-2.0-only
/*
 * The requester half of RC, XRC and UC QPs over packets (IB specification 9.7.5 to 9.7.6, 9.8):
 * one message at a time, as in direct delivery, so that every fence is kept and the end of
 * each is a place where the connection may change. Inside of it a window of bytes is under
 * way; what is lost is sent again from there on, read anew out of the WQE's memory.
 *
 * Losses are mostly told by the responder. What it cannot know, that the last packets or its
 * own words were lost, is tried out early and at no charge: the oldest packet is sent once
 * more. Only the QP's own timeout, which drivers set to many milliseconds, spends a retry.
 */
#include "wire_engine.h"

#define SOFT_WINDOW_FIRST	(64U << 10)
#define SOFT_WINDOW_MOST	(256U << 10)
#define SOFT_PROBE_NS		(1000 * 1000ULL)
#define SOFT_PROBE_MOST_NS	(1000 * 1000 * 1000ULL)
#define SOFT_TIMEOUT_NS(code)	(4096ULL << ((code) & 0x1f))

/* AETH syndromes: the upper three bits, and what a NAK is about (IB specification 9.7.5.2) */
enum { SOFT_AETH_ACK = 0, SOFT_AETH_RNR = 1, SOFT_AETH_NAK = 3 };
enum { SOFT_AETH_SEQUENCE, SOFT_AETH_INVALID, SOFT_AETH_ACCESS, SOFT_AETH_OPERATION };

static bool soft_wire_is_read(const struct soft_wqe *wqe)
{
	return wqe->opcode == MLX5_OPCODE_RDMA_READ;
}

/* Is it answered with data, which no acknowledgement stands for? */
static bool soft_wire_wants_data(const struct soft_wqe *wqe)
{
	return soft_wire_is_read(wqe) || wqe->opcode == MLX5_OPCODE_ATOMIC_CS ||
	       wqe->opcode == MLX5_OPCODE_ATOMIC_FA;
}

/* ---- Packets ------------------------------------------------------------------ */

/**
 * struct soft_wire_ops - packets of a message
 * @first: of several; the others are those of the same row
 * @middle: see @first
 * @last: see @first
 * @only: when there is one
 */
struct soft_wire_ops {
	u8 first;
	u8 middle;
	u8 last;
	u8 only;
};

static const struct soft_wire_ops soft_wire_ops[] = {
	[MLX5_OPCODE_SEND] = {
		WIRE_SEND_FIRST, WIRE_SEND_MIDDLE, WIRE_SEND_LAST, WIRE_SEND_ONLY },
	[MLX5_OPCODE_SEND_IMM] = {
		WIRE_SEND_FIRST, WIRE_SEND_MIDDLE, WIRE_SEND_LAST_IMM, WIRE_SEND_ONLY_IMM },
	[MLX5_OPCODE_SEND_INVAL] = {
		WIRE_SEND_FIRST, WIRE_SEND_MIDDLE, WIRE_SEND_LAST_INV, WIRE_SEND_ONLY_INV },
	[MLX5_OPCODE_RDMA_WRITE] = {
		WIRE_WRITE_FIRST, WIRE_WRITE_MIDDLE, WIRE_WRITE_LAST, WIRE_WRITE_ONLY },
	[MLX5_OPCODE_RDMA_WRITE_IMM] = {
		WIRE_WRITE_FIRST, WIRE_WRITE_MIDDLE, WIRE_WRITE_LAST_IMM, WIRE_WRITE_ONLY_IMM },
	[MLX5_OPCODE_RDMA_READ] = { .only = WIRE_READ_REQUEST },
	[MLX5_OPCODE_ATOMIC_CS] = { .only = WIRE_CMP_SWAP },
	[MLX5_OPCODE_ATOMIC_FA] = { .only = WIRE_FETCH_ADD },
};

static u8 soft_wire_operation(const struct soft_wqe *wqe, u32 at, u32 packets)
{
	const struct soft_wire_ops *ops = &soft_wire_ops[wqe->opcode];

	if (packets == 1 || soft_wire_wants_data(wqe))
		return ops->only;
	if (!at)
		return ops->first;
	return at + 1 < packets ? ops->middle : ops->last;
}

static void soft_wire_local(const struct soft_qp *qp, u8 access, u64 at,
			    struct soft_cursor *cursor)
{
	*cursor = (struct soft_cursor){
		.inst = qp->base.obj.inst,
		.pd = qp->pd,
		.qpn = qp->base.obj.num,
		.access = access,
		.segs = qp->req.wqe.sgl.seg,
		.n_segs = qp->req.wqe.sgl.n,
	};
	soft_cursor_seek(cursor, at);
}

/* Bytes of the WQE from @at on, for a packet: the key is looked at each time. */
static enum soft_result soft_wire_gather(struct soft_qp *qp, u64 at, u32 len, u64 *budget)
{
	u8 *body = qp->base.si->lane->wire->body;
	enum soft_result result = SOFT_OK;
	struct soft_cursor from;
	u32 n, done = 0;
	void *ptr;

	soft_wire_local(qp, SOFT_LOCAL_READ, at, &from);
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

/* Is this the last packet for now: of the message, of the window, or of half of it? */
static bool soft_wire_wants_ack(const struct soft_qp *qp, u32 at)
{
	u32 half = max(qp->req.wire.window / 2 / qp->mtu, 1U);

	return at + 1 == qp->req.packets || (at + 1) % half == 0;
}

/*
 * Packets that the answer to a request at @at has. No more than a window's are asked for at
 * once, because nothing else holds up who answers; and who asks again names the same end.
 */
static u32 soft_wire_asks(const struct soft_qp *qp, u32 at)
{
	const struct soft_wire_req *w = &qp->req.wire;

	if (!soft_wire_is_read(&qp->req.wqe))
		return 1;
	if (w->sent > at)
		return w->sent - at;
	return min(max(w->window / qp->mtu, 1U), qp->req.packets - at);
}

static void soft_wire_fill(struct soft_qp *qp, const struct soft_message *msg, u32 at,
			   struct wire_packet *packet)
{
	const struct soft_request *req = &msg->req;
	u32 skipped = soft_wire_is_read(msg->wqe) ? at * qp->mtu : 0;
	u64 left = req->len - skipped;

	packet->psn = req->psn + at;
	packet->va = req->va + skipped;
	packet->rkey = req->opcode == MLX5_OPCODE_SEND_INVAL ? be32_to_cpu(req->imm) : req->rkey;
	packet->length = soft_wire_is_read(msg->wqe) ?
			 min_t(u64, left, (u64)soft_wire_asks(qp, at) * qp->mtu) : left;
	packet->imm = req->imm;
	packet->srqn = req->srqn;
	packet->swap_add = req->swap_add;
	packet->compare = req->compare;
	packet->solicited = req->solicited && at + 1 == req->packets;
	packet->ack_req = qp->type != MLX5_QP_ST_UC &&
			  (soft_wire_wants_data(msg->wqe) || soft_wire_wants_ack(qp, at));
}

/* Packet @at of the message; of a READ, one that asks for soft_wire_asks() from there on. */
static enum soft_result soft_wire_send_packet(struct soft_message *msg, u32 at)
{
	struct soft_qp *qp = msg->qp;
	u64 from = (u64)at * qp->mtu;
	enum soft_result result = SOFT_OK;
	struct wire_packet *packet;
	u32 len = 0;

	if (!soft_wire_wants_data(msg->wqe))
		len = min_t(u64, msg->req.len - from, qp->mtu);
	if (len)
		result = soft_wire_gather(qp, from, len, msg->budget);
	msg->own = result == SOFT_AGAIN;
	if (result != SOFT_OK)
		return result;
	packet = soft_wire_connected(qp, soft_wire_operation(msg->wqe, at, msg->req.packets));
	soft_wire_fill(qp, msg, at, packet);
	packet->payload = len;
	result = soft_wire_emit(qp, &qp->av, packet);
	msg->own = true;
	if (result != SOFT_OK)
		return result;
	*msg->budget -= min_t(u64, *msg->budget, len + SOFT_WIRE_PACKET_COST);
	mhca_count_add(qp->base.obj.inst, tx_bytes, len);
	return SOFT_OK;
}

/* ---- Time ---------------------------------------------------------------------- */

static void soft_wire_start_timers(struct soft_qp *qp)
{
	struct soft_wire_req *w = &qp->req.wire;
	u64 now = ktime_get_ns();

	if (!w->deadline)
		w->deadline = qp->req.ack_timeout ?
			      now + SOFT_TIMEOUT_NS(qp->req.ack_timeout) : U64_MAX;
	if (!w->probe_at)
		w->probe_at = now + w->probe_ns;
}

static void soft_wire_stop_timers(struct soft_wire_req *w)
{
	w->deadline = 0;
	w->probe_at = 0;
}

/* From the oldest packet that is not acknowledged on, all again. */
static void soft_wire_go_back(struct soft_qp *qp)
{
	struct soft_wire_req *w = &qp->req.wire;

	w->next = w->acked;
	w->probe_at = 0;
}

/* Is what was sent so long ago that it counts as lost? */
static enum soft_result soft_wire_check_time(struct soft_qp *qp)
{
	struct soft_wire_req *w = &qp->req.wire;
	u64 now = ktime_get_ns();

	if (w->next == w->acked || !w->deadline)
		return SOFT_OK;
	if (now >= w->deadline) {
		soft_wire_go_back(qp);
		w->deadline = 0;
		w->window = qp->mtu;
		return SOFT_LATE;
	}
	if (now >= w->probe_at) {
		soft_wire_go_back(qp);
		w->window = qp->mtu;
		w->probe_ns = min(2 * w->probe_ns, SOFT_PROBE_MOST_NS);
	}
	return SOFT_OK;
}

/* ---- Sending ---------------------------------------------------------------------- */

static u32 soft_wire_room(const struct soft_qp *qp)
{
	const struct soft_wire_req *w = &qp->req.wire;
	u32 window = max(w->window / qp->mtu, 1U), under_way = w->next - w->acked;

	return under_way < window ? window - under_way : 0;
}

static enum soft_result soft_wire_send_more(struct soft_message *msg)
{
	struct soft_qp *qp = msg->qp;
	struct soft_wire_req *w = &qp->req.wire;
	bool data = soft_wire_wants_data(msg->wqe);
	enum soft_result result;

	while (w->next < msg->req.packets && *msg->budget) {
		if (data ? w->next != w->acked : !soft_wire_room(qp))
			break;
		result = soft_wire_send_packet(msg, w->next);
		if (result != SOFT_OK)
			return result;
		w->next += data ? soft_wire_asks(qp, w->next) : 1;
		w->sent = max(w->sent, w->next);
		soft_wire_start_timers(qp);
	}
	return SOFT_OK;
}

/* Nobody answers UC: a message is over when its last packet is gone. */
static enum soft_result soft_wire_send_unreliable(struct soft_message *msg)
{
	struct soft_wire_req *w = &msg->qp->req.wire;
	enum soft_result result;

	while (w->next < msg->req.packets) {
		if (!*msg->budget)
			return SOFT_MORE;
		result = soft_wire_send_packet(msg, w->next);
		if (result != SOFT_OK)
			return result;
		w->next++;
	}
	w->on = false;
	return SOFT_OK;
}

static void soft_wire_begin(struct soft_qp *qp)
{
	struct soft_wire_req *w = &qp->req.wire;

	w->on = true;
	w->acked = 0;
	w->next = 0;
	w->sent = 0;
	w->window = clamp(w->window, SOFT_WINDOW_FIRST, SOFT_WINDOW_MOST);
	w->probe_ns = SOFT_PROBE_NS;
	w->rest_until = 0;
	w->gap = false;
	w->rnr = false;
	w->failed = SOFT_OK;
	soft_wire_stop_timers(w);
}

/* The responder said that it has no receive WQE. */
static enum soft_result soft_wire_rnr(struct soft_message *msg)
{
	struct soft_wire_req *w = &msg->qp->req.wire;

	w->rnr = false;
	soft_wire_go_back(msg->qp);
	soft_wire_stop_timers(w);
	msg->req.min_rnr = w->rnr_code;
	return SOFT_RNR;
}

/**
 * soft_wire_wanted() - do a QP's messages go over the wire?
 * @qp: connected QP; its lane's lock held, inside srcu
 *
 * Asked between two messages, and for one of which nothing has been delivered.
 */
bool soft_wire_wanted(const struct soft_qp *qp)
{
	return soft_roce_is_beyond(qp, &qp->av);
}

/**
 * soft_wire_send() - send a message, or go on with it
 * @msg: message of a connected QP; its lane's lock held, inside srcu
 *
 * Return: SOFT_OK: all of it is acknowledged (UC: gone); SOFT_MORE: the budget is used up, or
 * it waits for an answer; SOFT_LATE: none came in the QP's timeout; SOFT_AGAIN, SOFT_RNR:
 * later; others: the error that ends it.
 */
enum soft_result soft_wire_send(struct soft_message *msg)
{
	struct soft_qp *qp = msg->qp;
	struct soft_wire_req *w = &qp->req.wire;
	enum soft_result result;

	if (msg->wqe->opcode >= ARRAY_SIZE(soft_wire_ops) || !soft_action(msg->wqe->opcode))
		return SOFT_LOCAL_QP_OP;
	if (!w->on)
		soft_wire_begin(qp);
	if (qp->type == MLX5_QP_ST_UC)
		return soft_wire_send_unreliable(msg);
	if (w->failed != SOFT_OK)
		return w->failed;
	if (w->rnr)
		return soft_wire_rnr(msg);
	if (w->acked == msg->req.packets) {
		w->on = false;
		mhca_count_add(qp->base.obj.inst, bytes, msg->req.len);
		return SOFT_OK;
	}
	if (ktime_get_ns() < w->rest_until) {
		soft_wire_wait(qp, w->rest_until);
		return SOFT_MORE;
	}
	result = soft_wire_check_time(qp);
	if (result == SOFT_OK)
		result = soft_wire_send_more(msg);
	if (result != SOFT_OK)
		return result;
	if (*msg->budget && w->next > w->acked)
		soft_wire_wait(qp, min(w->deadline, w->probe_at));
	return SOFT_MORE;
}

/* ---- What comes back ------------------------------------------------------------ */

/* @acked packets of the message are acknowledged. */
static void soft_wire_progress(struct soft_qp *qp, u32 acked)
{
	struct soft_wire_req *w = &qp->req.wire;

	if (acked <= w->acked)
		return;
	w->window = min(w->window + (acked - w->acked) * qp->mtu, SOFT_WINDOW_MOST);
	w->acked = acked;
	w->next = max(w->next, acked);
	w->gap = false;
	w->probe_ns = SOFT_PROBE_NS;
	qp->req.retries = 0;
	qp->req.rnr_retries = 0;
	soft_wire_stop_timers(w);
	if (w->next > w->acked)
		soft_wire_start_timers(qp);
}

static void soft_wire_lost(struct soft_qp *qp)
{
	struct soft_wire_req *w = &qp->req.wire;

	w->window = max(w->window / 2, qp->mtu);
	soft_wire_go_back(qp);
	mhca_count(qp->base.obj.inst, retries);
}

/* An answer is missing that one of a later PSN has overtaken: once for each gap. */
static void soft_wire_implied_nak(struct soft_qp *qp)
{
	struct soft_wire_req *w = &qp->req.wire;

	if (w->gap)
		return;
	w->gap = true;
	soft_q_count(&qp->base, implied_nak_seq_err);
	soft_wire_lost(qp);
}

/* NAK of packet @at: all before it is acknowledged, but what wants data. */
static void soft_wire_nakked(struct soft_qp *qp, u32 at, u8 syndrome)
{
	static const u8 results[] = {
		[SOFT_AETH_INVALID]	= SOFT_REMOTE_INVALID,
		[SOFT_AETH_ACCESS]	= SOFT_REMOTE_ACCESS,
		[SOFT_AETH_OPERATION]	= SOFT_REMOTE_OP,
	};
	u8 why = syndrome & 0x1f;

	if (!soft_wire_wants_data(&qp->req.wqe))
		soft_wire_progress(qp, at);
	if (why == SOFT_AETH_SEQUENCE) {
		soft_q_count(&qp->base, packet_seq_err);
		if (qp->req.wire.acked < qp->req.packets)
			soft_wire_lost(qp);
	} else if (why < ARRAY_SIZE(results) && at < qp->req.wire.sent) {
		qp->req.wire.failed = results[why];
	}
}

static void soft_wire_aeth_came(struct soft_qp *qp, u32 at, u8 syndrome)
{
	struct soft_wire_req *w = &qp->req.wire;

	switch (syndrome >> 5) {
	case SOFT_AETH_ACK:
		if (at >= w->sent || at < w->acked)
			break;
		if (soft_wire_wants_data(&qp->req.wqe))
			soft_wire_implied_nak(qp);
		else
			soft_wire_progress(qp, at + 1);
		break;
	case SOFT_AETH_RNR:
		if (at >= w->sent || at < w->acked)
			break;
		if (!soft_wire_wants_data(&qp->req.wqe))
			soft_wire_progress(qp, at);
		w->rnr = true;
		w->rnr_code = syndrome & 0x1f;
		break;
	case SOFT_AETH_NAK:
		/* In a rest after RNR some say this as well: the rest goes on. */
		if (at <= w->sent && at >= w->acked && !w->rnr &&
		    ktime_get_ns() >= w->rest_until)
			soft_wire_nakked(qp, at, syndrome);
		break;
	}
}

/* Bytes that were asked for, to where the WQE wants them. */
static enum soft_result soft_wire_scatter(struct soft_qp *qp, u64 at, const u8 *from, u32 len)
{
	struct soft_seg seg = { .inline_data = from, .len = len };
	struct soft_cursor to, source = { .segs = &seg, .n_segs = 1 };
	struct soft_cursor *failed;
	u64 moved;

	if (!len)
		return SOFT_OK;
	soft_cursor_seek(&source, 0);
	soft_wire_local(qp, SOFT_LOCAL_WRITE, at, &to);
	to.follows = len;
	return soft_copy(&to, &source, len, &moved, &failed);
}

/* Data came, which is packet @at of the answer. */
static enum soft_result soft_wire_data_came(struct soft_qp *qp, u32 at, const u8 *from, u32 len)
{
	struct soft_wire_req *w = &qp->req.wire;
	enum soft_result result = soft_wire_scatter(qp, (u64)at * qp->mtu, from, len);

	switch (result) {
	case SOFT_OK:
		mhca_count_add(qp->base.obj.inst, rx_bytes, len);
		soft_wire_progress(qp, at + 1);
		break;
	case SOFT_AGAIN:
		/* If that takes long it is lost, and asked for again. */
		return SOFT_AGAIN;
	default:
		w->failed = result;
	}
	return SOFT_OK;
}

/*
 * May a packet of this kind be response @at? Who repeats a part may begin it as a message
 * or go on as if nothing had happened; only the end has to be the end.
 */
static bool soft_wire_response_ok(const struct soft_qp *qp, const struct wire_packet *packet,
				  u32 at)
{
	u64 left = qp->req.wqe.sgl.len - (u64)at * qp->mtu;
	u8 place = wire_op(packet->opcode).place;

	if (at + 1 == qp->req.wire.sent)
		return (place == WIRE_LAST || place == WIRE_ONLY) &&
		       packet->payload == min_t(u64, left, qp->mtu);
	return (place == WIRE_FIRST || place == WIRE_MIDDLE) && packet->payload == qp->mtu;
}

static enum soft_result soft_wire_read_came(struct soft_qp *qp, u32 at,
					    const struct wire_packet *packet,
					    const u8 *payload)
{
	struct soft_wire_req *w = &qp->req.wire;

	if (at < w->acked || at >= w->sent || !soft_wire_is_read(&qp->req.wqe))
		return SOFT_OK;
	if (at > w->acked)
		soft_wire_implied_nak(qp);
	else if (soft_wire_response_ok(qp, packet, at))
		return soft_wire_data_came(qp, at, payload, packet->payload);
	else
		w->failed = SOFT_BAD_RESPONSE;
	return SOFT_OK;
}

static enum soft_result soft_wire_value_came(struct soft_qp *qp, u32 at,
					     const struct wire_packet *packet)
{
	struct soft_wire_req *w = &qp->req.wire;
	u64 value = packet->original;

	if (at != w->acked || at >= w->sent || !soft_wire_wants_data(&qp->req.wqe))
		return SOFT_OK;
	if (!soft_wire_is_read(&qp->req.wqe))
		return soft_wire_data_came(qp, at, (const u8 *)&value, sizeof(value));
	w->failed = SOFT_BAD_RESPONSE;
	return SOFT_OK;
}

/**
 * soft_wire_answered() - a packet of the responder
 * @qp: its requester, RC or XRC; its lane's lock held, inside srcu
 * @packet: parsed, ICRC good, from the peer's address
 * @payload: its payload, private
 *
 * What is not about the message under way is old, and ignored. Return: SOFT_OK: it was dealt
 * with; SOFT_AGAIN: the memory that data is for is not there yet.
 */
enum soft_result soft_wire_answered(struct soft_qp *qp, const struct wire_packet *packet,
				    const u8 *payload)
{
	enum soft_result result = SOFT_OK;
	u32 at = (packet->psn - qp->req.psn) & WIRE_PSN_MASK;

	lockdep_assert_held(&qp->base.si->lane->lock);
	if (qp->state != MLX5_QP_STATE_RTS || !qp->req.busy || !qp->req.wire.on ||
	    at > qp->req.packets)
		return SOFT_OK;
	switch (WIRE_OPERATION(packet->opcode)) {
	case WIRE_ACK:
		soft_wire_aeth_came(qp, at, packet->syndrome);
		break;
	case WIRE_ATOMIC_ACK:
		result = soft_wire_value_came(qp, at, packet);
		break;
	default:
		result = soft_wire_read_came(qp, at, packet, payload);
	}
	soft_wire_wake(qp);
	return result;
}
