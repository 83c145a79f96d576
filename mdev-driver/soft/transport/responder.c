// SPDX-License-Identifier: GPL-2.0-only
/*
 * The responder half of connected QPs: RC, UC and XRC messages are delivered
 * directly, from the sender's pages to the receiver's or back, on the sender's lane
 * under the receiver's rsp.lock. No packets exist, but both ends count PSNs as if
 * MTU-sized packets had been sent, so that a connection can change to and from the
 * wire at any message boundary.
 *
 * A long message is moved in chunks. Between two of them the receiver may change or
 * die; so everything but the receive WQE that it holds (rsp.busy) is looked at again.
 *
 * What may refuse a message, and how: accept.c.
 */
#include <mhca/kernel.h>
#include "accept.h"

#define SOFT_PSN_MASK	0xffffffU

/* Everything that can refuse a message, before its first byte moves. */
static enum soft_result soft_resp_begin(struct soft_message *msg, struct soft_qp *peer,
					const struct soft_action *action)
{
	enum soft_result result = SOFT_OK;

	*msg->done = 0;
	if (action->access)
		result = soft_resp_check_remote(&msg->req, peer, action->access);
	if (result == SOFT_OK && action->recv)
		result = soft_resp_hold(&msg->req, peer);
	if (result == SOFT_OK && action->recv && !action->access)
		result = soft_resp_check_recv(&msg->req, peer);
	return result;
}

/* May the next chunk follow? Or did the receiver lose the message meanwhile? */
static bool soft_resp_goes_on(const struct soft_message *msg, struct soft_qp *peer,
			      const struct soft_action *action)
{
	struct soft_srq *srq;

	if (!*msg->done)
		return false;
	if (action->access && !(peer->rsp.access & action->access))
		return false;
	if (!action->recv)
		return true;
	/* After a migration it may hold what no check of this message has seen. */
	return soft_resp_srq(&msg->req, peer, &srq) && peer->rsp.busy &&
	       peer->rsp.recv.srq == srq &&
	       (action->access || msg->wqe->sgl.len <= peer->rsp.recv.sgl.len);
}

/* ---- Moving bytes -------------------------------------------------------- */

/* Both ends of the message; @one is the range that a remote address names. */
static void soft_resp_ends(const struct soft_message *msg, struct soft_qp *peer, u8 access,
			   struct soft_cursor *local, struct soft_cursor *remote,
			   struct soft_seg *one)
{
	const struct soft_wqe *wqe = msg->wqe;
	struct soft_qp *qp = msg->qp;

	local->inst = qp->base.obj.inst;
	local->pd = qp->pd;
	local->qpn = qp->base.obj.num;
	local->access = access == SOFT_REMOTE_READ || access == SOFT_REMOTE_ATOMIC ?
			SOFT_LOCAL_WRITE : SOFT_LOCAL_READ;
	local->remote = false;
	local->segs = wqe->sgl.seg;
	local->n_segs = wqe->sgl.n;
	soft_cursor_seek(local, *msg->done);

	remote->inst = peer->base.obj.inst;
	remote->qpn = peer->base.obj.num;
	if (access) {
		one->inline_data = NULL;
		one->addr = wqe->remote_addr;
		one->lkey = wqe->rkey;
		one->len = wqe->sgl.len;
		/* An SRQ that went since the message began leaves a PD no key has. */
		if (!soft_resp_pd(&msg->req, peer, &remote->pd))
			remote->pd = U32_MAX;
		remote->access = access;
		remote->remote = true;
		remote->segs = one;
		remote->n_segs = 1;
	} else {
		remote->pd = soft_recv_pd(peer, &peer->rsp.recv);
		remote->access = SOFT_LOCAL_WRITE;
		remote->remote = false;
		remote->segs = peer->rsp.recv.sgl.seg;
		remote->n_segs = peer->rsp.recv.sgl.n;
	}
	soft_cursor_seek(remote, *msg->done);
	if (peer->base.si != qp->base.si)
		remote->toil = &peer->base.si->toil;
}

/* A copy failed at one end: whose fault is it? */
static enum soft_result soft_resp_copy_error(struct soft_qp *peer, enum soft_result result,
					     bool sender)
{
	if (result == SOFT_AGAIN || sender)
		return result;
	if (result == SOFT_SLOW)
		return SOFT_AGAIN;
	if (result == SOFT_REMOTE_ACCESS)
		return soft_resp_nak(peer, SOFT_REMOTE_ACCESS);
	return soft_resp_nak_recv(peer, MLX5_CQE_SYNDROME_LOCAL_PROT_ERR, SOFT_REMOTE_OP);
}

/* What both ends' pieces cost the sender: a receiver whose are too many has its toil. */
static u64 soft_resp_cost(const struct soft_cursor *local, const struct soft_cursor *remote)
{
	return soft_cursor_cost(local) + soft_cursor_cost(remote);
}

static enum soft_result soft_resp_move(struct soft_message *msg, struct soft_qp *peer,
				       u8 access)
{
	struct soft_cursor local, remote, *failed;
	enum soft_result result;
	struct soft_seg one;
	u64 left = msg->wqe->sgl.len - *msg->done;
	u64 moved;

	if (!left)
		return SOFT_OK;
	soft_resp_ends(msg, peer, access, &local, &remote, &one);
	left = min(left, *msg->budget);
	local.resumes = true;
	remote.resumes = true;
	local.follows = clamp_t(u64, *msg->budget / SOFT_FOLLOW_BYTES / 2, 1, SOFT_FOLLOW_TURN);
	remote.follows = local.follows;
	if (access == SOFT_REMOTE_READ)
		result = soft_copy(&local, &remote, left, &moved, &failed);
	else
		result = soft_copy(&remote, &local, left, &moved, &failed);
	*msg->done += moved;
	*msg->budget -= min(*msg->budget, moved + soft_resp_cost(&local, &remote));
	mhca_count_add(msg->qp->base.obj.inst, bytes, moved);
	mhca_count_add(access == SOFT_REMOTE_READ ? peer->base.obj.inst : msg->qp->base.obj.inst,
		       tx_bytes, moved);
	mhca_count_add(access == SOFT_REMOTE_READ ? msg->qp->base.obj.inst : peer->base.obj.inst,
		       rx_bytes, moved);
	msg->own = failed == &local;
	if (unlikely(result != SOFT_OK && result != SOFT_MORE))
		return soft_resp_copy_error(peer, result, failed == &local);
	return *msg->done < msg->wqe->sgl.len ? SOFT_MORE : SOFT_OK;
}

/**
 * struct soft_piece_of_word - where bytes of an atomic's result go
 * @ptr: host address
 * @len: bytes
 * @mkey: key that they lie under, held
 * @target: key that this one names there, held, or NULL
 */
struct soft_piece_of_word {
	void *ptr;
	u32 len;
	struct soft_mkey *mkey;
	struct soft_mkey *target;
};

/* Find the places of all bytes of the result; @n: how many have a key held. */
static enum soft_result soft_resp_atomic_result(struct soft_cursor *local,
						struct soft_piece_of_word *to, u32 *n)
{
	enum soft_result result = SOFT_OK;
	u32 got = 0;

	while (got < sizeof(u64) && result == SOFT_OK) {
		result = soft_cursor_run(local, sizeof(u64) - got, &to[*n].ptr, &to[*n].len);
		if (result != SOFT_OK)
			break;
		to[*n].mkey = local->mkey;
		soft_mkey_hold_more(local->mkey);
		to[*n].target = local->target;
		if (local->target)
			soft_mkey_hold_more(local->target);
		soft_cursor_advance(local, to[*n].len);
		got += to[*n].len;
		++*n;
	}
	soft_cursor_release(local);
	return result;
}

/*
 * Operands and memory are in host order (atomic_req_8B_endianness_mode 1), and so is
 * the result. Its place is known before the operation: there is no second try.
 */
static enum soft_result soft_resp_atomic(struct soft_message *msg, struct soft_qp *peer)
{
	struct soft_piece_of_word to[sizeof(u64)];
	struct soft_cursor local, remote;
	enum soft_result result;
	u32 i, n = 0, got = 0;
	struct soft_seg one;
	void *word;
	u64 old;

	soft_resp_ends(msg, peer, SOFT_REMOTE_ATOMIC, &local, &remote, &one);
	result = soft_resp_atomic_result(&local, to, &n);
	msg->own = result != SOFT_OK;
	if (result != SOFT_OK)
		goto release;
	result = soft_cursor_run(&remote, sizeof(old), &word, &got);
	/* An aligned address may name bytes that are not, or not in one piece (KLM). */
	if (result == SOFT_OK && (got < sizeof(old) || !IS_ALIGNED((uintptr_t)word, sizeof(old))))
		result = SOFT_REMOTE_ACCESS;
	if (result != SOFT_OK) {
		result = soft_resp_copy_error(peer, result, false);
		goto release;
	}
	old = soft_resp_operate(&msg->req, word);
	msg->req.value = old;
	mhca_guest_dirty(peer->base.obj.inst, word, sizeof(old));
	for (i = 0, got = 0; i < n; got += to[i++].len)
		mhca_guest_write(msg->qp->base.obj.inst, to[i].ptr, (u8 *)&old + got, to[i].len);
	*msg->done = sizeof(old);
	mhca_count_add(msg->qp->base.obj.inst, bytes, sizeof(old));
	mhca_count_add(msg->qp->base.obj.inst, rx_bytes, sizeof(old));
	mhca_count_add(peer->base.obj.inst, tx_bytes, sizeof(old));
release:
	soft_cursor_release(&remote);
	*msg->budget -= min(*msg->budget, soft_resp_cost(&local, &remote));
	while (n--) {
		if (to[n].target)
			soft_mkey_release(to[n].target);
		soft_mkey_release(to[n].mkey);
	}
	return result;
}

/* ---- The message --------------------------------------------------------- */

static void soft_resp_count_psn(const struct soft_message *msg, const struct soft_qp *peer)
{
	u32 ahead = (msg->req.psn - peer->rsp.psn) & SOFT_PSN_MASK;

	if (ahead <= SOFT_PSN_MASK / 2)
		soft_q_count(&peer->base, out_of_sequence);
	else
		soft_q_count(&peer->base, duplicate_request);
}

static enum soft_result soft_resp_execute(struct soft_message *msg, struct soft_qp *peer)
{
	const struct soft_action *action = soft_action(msg->wqe->opcode);
	enum soft_result result;

	lockdep_assert_held(&peer->rsp.lock);
	if (!soft_qp_receives(peer) || !soft_peer_is_connected(peer, msg->qp))
		return SOFT_NO_PEER;
	/* UC takes up with whatever comes; a reliable peer would see lost packets. */
	if (soft_resp_is_reliable(peer) && unlikely(peer->rsp.psn != msg->req.psn)) {
		soft_resp_count_psn(msg, peer);
		return SOFT_NO_PEER;
	}
	if (!soft_resp_goes_on(msg, peer, action)) {
		result = soft_resp_begin(msg, peer, action);
		if (unlikely(result != SOFT_OK))
			return result;
	}
	if (action->access == SOFT_REMOTE_ATOMIC)
		result = soft_resp_atomic(msg, peer);
	else
		result = soft_resp_move(msg, peer, action->access);
	/* All is delivered; from the completion on the key is of no use to anybody. */
	if (result == SOFT_OK && msg->wqe->opcode == MLX5_OPCODE_SEND_INVAL)
		result = soft_resp_invalidate(&msg->req, peer, true);
	if (result == SOFT_OK)
		soft_resp_complete(&msg->req, peer);
	return result;
}

/* What a UC sender learns: nothing but its own mistakes. */
static enum soft_result soft_resp_unreliable(struct soft_message *msg,
					     enum soft_result result)
{
	switch (result) {
	case SOFT_NO_PEER:
		mhca_count(msg->qp->base.obj.inst, drop_no_peer);
		return SOFT_OK;
	case SOFT_RNR:
	case SOFT_REMOTE_INVALID:
	case SOFT_REMOTE_ACCESS:
	case SOFT_REMOTE_OP:
		return SOFT_OK;
	default:
		return result;
	}
}

/**
 * soft_respond() - deliver a connected message, or the next chunk of one
 * @msg: message; its sender's lane lock held, no rsp.lock, inside srcu
 *
 * Return: SOFT_OK: all of it is delivered (UC: or lost); SOFT_MORE: the budget is
 * used up; SOFT_AGAIN, SOFT_RNR, SOFT_NO_PEER, SOFT_AWAY: later; others: the sender's error.
 */
enum soft_result soft_respond(struct soft_message *msg)
{
	enum soft_result result;
	struct soft_qp *peer;

	lockdep_assert_held(&msg->qp->base.si->lane->lock);
	if (unlikely(!soft_action(msg->wqe->opcode)))
		return SOFT_LOCAL_QP_OP;
	peer = soft_peer_find(msg->qp, &result);
	if (likely(peer)) {
		mutex_lock(&peer->rsp.lock);
		result = soft_resp_execute(msg, peer);
		mutex_unlock(&peer->rsp.lock);
	}
	if (unlikely(msg->qp->type == MLX5_QP_ST_UC))
		return soft_resp_unreliable(msg, result);
	return result;
}
