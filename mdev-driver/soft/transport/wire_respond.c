// SPDX-License-Identifier: GPL-2.0-only
/*
 * The responder half of RC, XRC and UC QPs, packet by packet (IB specification 9.7.4 to 9.7.5,
 * 9.8): PSN, order of opcodes, what the request may do, then its bytes. Only what is taken
 * moves the expected PSN; a packet that finds memory that is not there yet waits (wire_in.c), and
 * is lost if that takes long.
 *
 * Nothing is sent here: what is to be answered is noted, and wire_answer.c sends it when
 * all packets of a turn were looked at. So many packets get one acknowledgement.
 */
#include "wire_engine.h"

/* What a message is in direct delivery, by enum wire_operation */
static const u8 soft_wire_opcodes[32] = {
	[WIRE_SEND_FIRST]	= MLX5_OPCODE_SEND,
	[WIRE_SEND_MIDDLE]	= MLX5_OPCODE_SEND,
	[WIRE_SEND_LAST]	= MLX5_OPCODE_SEND,
	[WIRE_SEND_LAST_IMM]	= MLX5_OPCODE_SEND_IMM,
	[WIRE_SEND_ONLY]	= MLX5_OPCODE_SEND,
	[WIRE_SEND_ONLY_IMM]	= MLX5_OPCODE_SEND_IMM,
	[WIRE_WRITE_FIRST]	= MLX5_OPCODE_RDMA_WRITE,
	[WIRE_WRITE_MIDDLE]	= MLX5_OPCODE_RDMA_WRITE,
	[WIRE_WRITE_LAST]	= MLX5_OPCODE_RDMA_WRITE,
	[WIRE_WRITE_LAST_IMM]	= MLX5_OPCODE_RDMA_WRITE_IMM,
	[WIRE_WRITE_ONLY]	= MLX5_OPCODE_RDMA_WRITE,
	[WIRE_WRITE_ONLY_IMM]	= MLX5_OPCODE_RDMA_WRITE_IMM,
	[WIRE_READ_REQUEST]	= MLX5_OPCODE_RDMA_READ,
	[WIRE_CMP_SWAP]		= MLX5_OPCODE_ATOMIC_CS,
	[WIRE_FETCH_ADD]	= MLX5_OPCODE_ATOMIC_FA,
	[WIRE_SEND_LAST_INV]	= MLX5_OPCODE_SEND_INVAL,
	[WIRE_SEND_ONLY_INV]	= MLX5_OPCODE_SEND_INVAL,
};

static bool soft_wire_begins(const struct wire_op *op)
{
	return op->place == WIRE_FIRST || op->place == WIRE_ONLY;
}

static bool soft_wire_ends(const struct wire_op *op)
{
	return op->place == WIRE_LAST || op->place == WIRE_ONLY;
}

static void soft_wire_ask_again(struct soft_asked *asked, u32 at)
{
	asked->pending = true;
	asked->again = true;
	asked->ack_before = false;
	asked->at = at;
}

/**
 * soft_wire_nak() - a NAK is to be sent, when what was asked for before is answered
 * @qp: responder; rsp.lock held
 * @syndrome: SOFT_NAK_*
 * @psn: of the packet that was refused; SOFT_NAK_SEQUENCE: that is missing
 */
void soft_wire_nak(struct soft_qp *qp, u8 syndrome, u32 psn)
{
	struct soft_wire_rsp *w = &qp->rsp.wire;

	if (!soft_resp_is_reliable(qp))
		return;
	w->due = true;
	w->nak_due = true;
	w->nak = syndrome;
	w->nak_psn = psn;
	w->nakked = true;
	w->last = syndrome > SOFT_NAK_SEQUENCE;
}

/* ---- What is not expected ------------------------------------------------ */

/* A READ that was taken, or the rest of it: the same end. */
static void soft_wire_read_again(struct soft_qp *qp, const struct wire_packet *packet)
{
	struct soft_asked *asked = soft_asked_find(qp, packet->psn);
	u32 at, skipped;

	if (!asked || asked->opcode != MLX5_OPCODE_RDMA_READ)
		return;
	at = (packet->psn - asked->psn) & WIRE_PSN_MASK;
	skipped = at * qp->mtu;
	if (packet->length != asked->len - skipped || packet->va != asked->va + skipped)
		return;
	asked->rkey = packet->rkey;
	soft_wire_ask_again(asked, at);
	qp->rsp.wire.due = true;
}

static void soft_wire_atomic_again(struct soft_qp *qp, const struct wire_packet *packet)
{
	struct soft_asked *asked = soft_asked_find(qp, packet->psn);

	if (!asked || asked->opcode != soft_wire_opcodes[WIRE_OPERATION(packet->opcode)])
		return;
	soft_wire_ask_again(asked, 0);
	qp->rsp.wire.due = true;
}

static void soft_wire_duplicate(struct soft_qp *qp, const struct wire_packet *packet)
{
	struct soft_wire_rsp *w = &qp->rsp.wire;

	soft_q_count(&qp->base, duplicate_request);
	switch (WIRE_OPERATION(packet->opcode)) {
	case WIRE_READ_REQUEST:
		soft_wire_read_again(qp, packet);
		break;
	case WIRE_CMP_SWAP:
	case WIRE_FETCH_ADD:
		soft_wire_atomic_again(qp, packet);
		break;
	default:
		w->ack_due |= packet->ack_req;
		w->due |= packet->ack_req;
	}
}

/* Is the packet the next one? Otherwise it has been dealt with. */
static bool soft_wire_is_next(struct soft_qp *qp, const struct wire_packet *packet,
			      const struct wire_op *op)
{
	struct soft_wire_rsp *w = &qp->rsp.wire;

	if (likely(packet->psn == qp->rsp.psn)) {
		w->nakked = false;
		return true;
	}
	if (!soft_resp_is_reliable(qp)) {
		/* The message under way is lost; its receive WQE is the next one's. */
		w->in = SOFT_IN_NOTHING;
		soft_q_count(&qp->base, out_of_sequence);
		qp->rsp.psn = packet->psn;
		return soft_wire_begins(op);
	}
	if (wire_psn_before(packet->psn, qp->rsp.psn)) {
		soft_wire_duplicate(qp, packet);
		return false;
	}
	soft_q_count(&qp->base, out_of_sequence);
	if (!w->nakked)
		soft_wire_nak(qp, SOFT_NAK_SEQUENCE, qp->rsp.psn);
	return false;
}

/* ---- Bytes ----------------------------------------------------------------- */

/* Payload to where the message's bytes from @w->done on belong. */
static enum soft_result soft_wire_put(struct soft_qp *qp, const struct soft_request *req,
				      const u8 *payload, u32 len, u8 access)
{
	const struct soft_recv *recv = &qp->rsp.recv;
	struct soft_wire_rsp *w = &qp->rsp.wire;
	struct soft_seg one = { .addr = w->va, .lkey = w->rkey, .len = w->len };
	struct soft_seg from_seg = { .inline_data = payload, .len = len };
	struct soft_cursor from = { .segs = &from_seg, .n_segs = 1 };
	struct soft_cursor to = {
		.inst = qp->base.obj.inst,
		.qpn = qp->base.obj.num,
		.access = access ?: SOFT_LOCAL_WRITE,
		.remote = access,
		.segs = access ? &one : recv->sgl.seg,
		.n_segs = access ? 1 : recv->sgl.n,
	};
	struct soft_cursor *failed;
	enum soft_result result;
	u64 moved;

	if (!len)
		return SOFT_OK;
	if (!access)
		to.pd = soft_recv_pd(qp, recv);
	else if (!soft_resp_pd(req, qp, &to.pd))
		return soft_resp_nak(qp, SOFT_REMOTE_INVALID);
	soft_cursor_seek(&from, 0);
	soft_cursor_seek(&to, w->done);
	to.follows = len;
	result = soft_copy(&to, &from, len, &moved, &failed);
	switch (result) {
	case SOFT_OK:
		mhca_count_add(qp->base.obj.inst, rx_bytes, len);
		return SOFT_OK;
	case SOFT_REMOTE_ACCESS:
		return soft_resp_nak(qp, result);
	case SOFT_LOCAL_PROT:
		return soft_resp_nak_recv(qp, MLX5_CQE_SYNDROME_LOCAL_PROT_ERR, SOFT_REMOTE_OP);
	default:
		return result;
	}
}

/* ---- Requests ----------------------------------------------------------------- */

/* @req has the packet's PSN: its last one is the message's. */
static void soft_wire_taken(struct soft_qp *qp, struct soft_request *req, bool ends, u8 in)
{
	struct soft_wire_rsp *w = &qp->rsp.wire;

	w->done = req->len;
	w->in = ends ? SOFT_IN_NOTHING : in;
	w->unacked = true;
	if (ends)
		soft_resp_complete(req, qp);
	else
		qp->rsp.psn = (qp->rsp.psn + 1) & WIRE_PSN_MASK;
}

/* Is the receive WQE that the message began with still there? XRC's may go with its SRQ. */
static bool soft_wire_holds(const struct soft_request *req, struct soft_qp *qp)
{
	struct soft_srq *srq;

	return qp->rsp.busy && soft_resp_srq(req, qp, &srq) && qp->rsp.recv.srq == srq;
}

static enum soft_result
soft_wire_take_send(struct soft_qp *qp, const struct wire_packet *packet,
		    const struct wire_op *op, const u8 *payload, struct soft_request *req)
{
	struct soft_wire_rsp *w = &qp->rsp.wire;
	enum soft_result result = SOFT_OK;

	if (soft_wire_begins(op)) {
		w->done = 0;
		result = soft_resp_hold(req, qp);
	} else if (!soft_wire_holds(req, qp)) {
		result = soft_resp_nak(qp, SOFT_REMOTE_INVALID);
	}
	if (result != SOFT_OK)
		return result;
	req->len = w->done + packet->payload;
	result = soft_resp_check_recv(req, qp);
	if (result == SOFT_OK)
		result = soft_wire_put(qp, req, payload, packet->payload, 0);
	if (result == SOFT_OK && req->opcode == MLX5_OPCODE_SEND_INVAL)
		result = soft_resp_invalidate(req, qp, true);
	if (result == SOFT_OK)
		soft_wire_taken(qp, req, soft_wire_ends(op), SOFT_IN_SEND);
	return result;
}

static enum soft_result
soft_wire_take_write(struct soft_qp *qp, const struct wire_packet *packet,
		    const struct wire_op *op, const u8 *payload, struct soft_request *req)
{
	struct soft_wire_rsp *w = &qp->rsp.wire;
	enum soft_result result;

	if (soft_wire_begins(op)) {
		w->done = 0;
		w->va = packet->va;
		w->rkey = packet->rkey;
		w->len = packet->length;
	}
	req->va = w->va;
	req->rkey = w->rkey;
	req->len = w->len;
	if (packet->payload > w->len - w->done ||
	    (soft_wire_ends(op) && packet->payload != w->len - w->done))
		return soft_resp_nak(qp, SOFT_REMOTE_INVALID);
	result = soft_resp_check_remote(req, qp, SOFT_REMOTE_WRITE);
	if (result == SOFT_OK && req->opcode == MLX5_OPCODE_RDMA_WRITE_IMM)
		result = soft_resp_hold(req, qp);
	if (result == SOFT_OK)
		result = soft_wire_put(qp, req, payload, packet->payload, SOFT_REMOTE_WRITE);
	if (result != SOFT_OK)
		return result;
	if (!soft_wire_ends(op))
		req->len = w->done + packet->payload;
	soft_wire_taken(qp, req, soft_wire_ends(op), SOFT_IN_WRITE);
	return SOFT_OK;
}

/* Is there room for one READ or atomic more, which the QP said it takes at once? */
static bool soft_wire_has_room(struct soft_qp *qp)
{
	u32 n;

	soft_asked_next(qp, &n);
	return n < min(1U << MLX5_GET(qpc, qp->attr, log_rra_max), SOFT_ASKED_MAX - 1);
}

/* It was taken: its answer follows those of older ones. */
static void soft_wire_ask(struct soft_qp *qp, const struct soft_request *req)
{
	struct soft_wire_rsp *w = &qp->rsp.wire;
	struct soft_asked *asked;

	soft_resp_complete(req, qp);
	asked = soft_asked_find(qp, req->psn);
	asked->pending = true;
	asked->ack_before = w->unacked;
	w->unacked = false;
	w->due = true;
}

static enum soft_result
soft_wire_take_read(struct soft_qp *qp, const struct wire_packet *packet,
		    struct soft_request *req)
{
	enum soft_result result;

	req->len = packet->length;
	if (req->len > 1ULL << MHCA_LOG_MAX_MSG || !soft_wire_has_room(qp))
		return soft_resp_nak(qp, SOFT_REMOTE_INVALID);
	req->packets = max(DIV_ROUND_UP(packet->length, qp->mtu), 1U);
	result = soft_resp_check_remote(req, qp, SOFT_REMOTE_READ);
	if (result == SOFT_OK)
		soft_wire_ask(qp, req);
	return result;
}

static enum soft_result soft_wire_operate(struct soft_qp *qp, struct soft_request *req)
{
	struct soft_seg one = { .addr = req->va, .lkey = req->rkey, .len = sizeof(u64) };
	struct soft_cursor at = {
		.inst = qp->base.obj.inst,
		.qpn = qp->base.obj.num,
		.access = SOFT_REMOTE_ATOMIC,
		.remote = true,
		.segs = &one,
		.n_segs = 1,
	};
	enum soft_result result;
	void *word;
	u32 got;

	if (!soft_resp_pd(req, qp, &at.pd))
		return soft_resp_nak(qp, SOFT_REMOTE_INVALID);
	soft_cursor_seek(&at, 0);
	result = soft_cursor_run(&at, sizeof(u64), &word, &got);
	/* An aligned address may name bytes that are not, or not in one piece (KLM). */
	if (result == SOFT_OK &&
	    (got < sizeof(u64) || !IS_ALIGNED((uintptr_t)word, sizeof(u64))))
		result = SOFT_REMOTE_ACCESS;
	if (result == SOFT_OK) {
		req->value = soft_resp_operate(req, word);
		mhca_guest_dirty(qp->base.obj.inst, word, sizeof(u64));
	}
	soft_cursor_release(&at);
	if (result == SOFT_AGAIN)
		soft_cursor_ask(&at, sizeof(u64));
	return result == SOFT_REMOTE_ACCESS ? soft_resp_nak(qp, result) : result;
}

static enum soft_result
soft_wire_take_atomic(struct soft_qp *qp, const struct wire_packet *packet,
		    struct soft_request *req)
{
	enum soft_result result;

	req->len = sizeof(u64);
	req->swap_add = packet->swap_add;
	req->compare = packet->compare;
	if (!soft_wire_has_room(qp))
		return soft_resp_nak(qp, SOFT_REMOTE_INVALID);
	result = soft_resp_check_remote(req, qp, SOFT_REMOTE_ATOMIC);
	if (result == SOFT_OK)
		result = soft_wire_operate(qp, req);
	if (result == SOFT_OK)
		soft_wire_ask(qp, req);
	return result;
}

/* May a packet of this kind come now? */
static bool soft_wire_follows(const struct soft_qp *qp, const struct wire_op *op, u8 kind)
{
	return soft_wire_begins(op) ? qp->rsp.wire.in == SOFT_IN_NOTHING : qp->rsp.wire.in == kind;
}

static u8 soft_wire_kind(u8 opcode)
{
	switch (opcode) {
	case MLX5_OPCODE_SEND:
	case MLX5_OPCODE_SEND_IMM:
	case MLX5_OPCODE_SEND_INVAL:
		return SOFT_IN_SEND;
	case MLX5_OPCODE_RDMA_WRITE:
	case MLX5_OPCODE_RDMA_WRITE_IMM:
		return SOFT_IN_WRITE;
	default:
		return SOFT_IN_NOTHING;
	}
}

static enum soft_result soft_wire_take(struct soft_qp *qp, const struct wire_packet *packet,
				       const struct wire_op *op, const u8 *payload,
				       struct soft_request *req)
{
	u8 kind = soft_wire_kind(req->opcode);

	if (!soft_wire_follows(qp, op, kind) || !wire_length_ok(packet, qp->mtu))
		return soft_resp_nak(qp, SOFT_REMOTE_INVALID);
	switch (kind) {
	case SOFT_IN_SEND:
		return soft_wire_take_send(qp, packet, op, payload, req);
	case SOFT_IN_WRITE:
		return soft_wire_take_write(qp, packet, op, payload, req);
	default:
		if (req->opcode == MLX5_OPCODE_RDMA_READ)
			return soft_wire_take_read(qp, packet, req);
		return soft_wire_take_atomic(qp, packet, req);
	}
}

/* What the requester is told about a packet that was not taken. */
static void soft_wire_refuse(struct soft_qp *qp, const struct wire_packet *packet,
			     enum soft_result result, u8 min_rnr)
{
	switch (result) {
	case SOFT_RNR:
		soft_wire_nak(qp, SOFT_NAK_RNR | (min_rnr & 0x1f), packet->psn);
		break;
	case SOFT_AGAIN:
	case SOFT_SLOW:
		mhca_count(qp->base.obj.inst, drop_memory);
		break;
	case SOFT_REMOTE_ACCESS:
		soft_wire_nak(qp, SOFT_NAK_ACCESS, packet->psn);
		break;
	case SOFT_REMOTE_INVALID:
		soft_wire_nak(qp, SOFT_NAK_INVALID, packet->psn);
		break;
	default:
		soft_wire_nak(qp, SOFT_NAK_OPERATION, packet->psn);
	}
	if (soft_resp_is_reliable(qp))
		return;
	/* Nobody sends it again. */
	qp->rsp.wire.in = SOFT_IN_NOTHING;
	qp->rsp.psn = (packet->psn + 1) & WIRE_PSN_MASK;
}

static enum soft_result
soft_wire_take_one(struct soft_qp *qp, const struct wire_packet *packet, const struct wire_op *op,
		   const u8 *payload, struct soft_request *req, bool may_wait)
{
	enum soft_result result = soft_wire_take(qp, packet, op, payload, req);

	if (unlikely(result == SOFT_AGAIN && may_wait))
		return result;
	if (unlikely(result != SOFT_OK)) {
		soft_wire_refuse(qp, packet, result, req->min_rnr);
	} else if (packet->ack_req && op->data && soft_resp_is_reliable(qp)) {
		/* What is answered with data needs no other acknowledgement. */
		qp->rsp.wire.ack_due = true;
		qp->rsp.wire.due = true;
	}
	return SOFT_OK;
}

/**
 * soft_wire_respond() - a request packet
 * @qp: its responder, RC, UC or XRC; its lane's lock held, inside srcu
 * @packet: parsed, ICRC good, from the peer's address
 * @payload: its payload, private
 * @may_wait: for memory that is not there yet
 *
 * Return: SOFT_OK: it was dealt with; SOFT_AGAIN, if @may_wait: it is to come again.
 */
enum soft_result soft_wire_respond(struct soft_qp *qp, const struct wire_packet *packet,
				   const u8 *payload, bool may_wait)
{
	const struct wire_op op = wire_op(packet->opcode);
	struct soft_request req = {
		.opcode = soft_wire_opcodes[WIRE_OPERATION(packet->opcode)],
		.solicited = packet->solicited,
		.imm = op.headers & WIRE_IETH ? cpu_to_be32(packet->rkey) : packet->imm,
		.va = packet->va,
		.rkey = packet->rkey,
		.srqn = packet->srqn,
		.psn = packet->psn,
		.packets = 1,
	};
	enum soft_result result = SOFT_OK;

	lockdep_assert_held(&qp->base.si->lane->lock);
	mutex_lock(&qp->rsp.lock);
	if (unlikely(!soft_qp_receives(qp)))
		mhca_count(qp->base.obj.inst, drop_state);
	else if (likely(soft_wire_is_next(qp, packet, &op)))
		result = soft_wire_take_one(qp, packet, &op, payload, &req, may_wait);
	if (qp->rsp.wire.due)
		soft_lane_activate(qp->base.si->lane, &qp->base);
	mutex_unlock(&qp->rsp.lock);
	return result;
}
