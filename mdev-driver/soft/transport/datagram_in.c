// SPDX-License-Identifier: GPL-2.0-only
/*
 * Datagrams as they are received: from a sender on this host (datagram.c), or from the wire
 * (wire_datagram.c).
 *
 * A receive WQE that was taken and turned out not to do stays with its QP (rsp.busy)
 * for the next datagram.
 */
#include <mhca/kernel.h>
#include "datagram.h"

#define SOFT_GSI_QKEY		0x80010000U
#define SOFT_DEFAULT_PKEY	0xffffU

static void soft_dgram_recv_cursor(struct soft_qp *to, const struct soft_arrival *in,
				   struct soft_cursor *cursor, u64 at)
{
	const struct soft_recv *recv = &to->rsp.recv;

	cursor->inst = to->base.obj.inst;
	cursor->pd = soft_recv_pd(to, recv);
	cursor->qpn = to->base.obj.num;
	cursor->access = SOFT_LOCAL_WRITE;
	cursor->remote = false;
	cursor->segs = recv->sgl.seg;
	cursor->n_segs = recv->sgl.n;
	soft_cursor_seek(cursor, at);
	if (to->base.si != in->sender)
		cursor->toil = &to->base.si->toil;
}

/* A walk over a receiver's memory is over: if it is the sender's own, its turn pays. */
static void soft_dgram_charge(struct soft_arrival *in, const struct soft_cursor *cursor)
{
	if (!cursor->toil)
		in->cost += soft_cursor_cost(cursor);
}

static bool soft_dgram_qkey_ok(const struct soft_qp *to, const struct soft_arrival *in)
{
	switch (to->type) {
	case MLX5_QP_ST_QP0:
		return true;
	case MLX5_QP_ST_QP1:
		return in->qkey == SOFT_GSI_QKEY;
	default:
		return in->qkey == to->qkey;
	}
}

/* The receive WQE held reports an error of its own, which ends the QP. */
static void soft_dgram_recv_error(struct soft_qp *to, u8 syndrome)
{
	struct soft_cqe cqe = {
		.opcode = MLX5_CQE_RESP_ERR,
		.syndrome = syndrome,
	};

	soft_recv_complete(to, &cqe);
	to->rsp.dead = true;
	soft_lane_fail(&to->base);
}

/* Have @to hold a receive WQE. */
static bool soft_dgram_hold(struct soft_qp *to, const struct soft_arrival *in)
{
	enum soft_result result;

	if (to->rsp.busy)
		return true;
	result = soft_recv_take(to, to->srq, &to->rsp.recv);
	switch (result) {
	case SOFT_OK:
		to->rsp.busy = true;
		return true;
	case SOFT_RNR:
		soft_dgram_drop(in, to, drop_no_buffer);
		if (!in->probing)
			soft_q_count(&to->base, out_of_buffer);
		return false;
	case SOFT_LOCAL_QP_OP:
		to->rsp.busy = true;
		soft_dgram_recv_error(to, MLX5_CQE_SYNDROME_LOCAL_QP_OP_ERR);
		return false;
	default:
		mhca_event_qp(to->base.obj.inst, MLX5_EVENT_TYPE_WQ_CATAS_ERROR, to->base.obj.num);
		to->rsp.dead = true;
		soft_lane_fail(&to->base);
		return false;
	}
}

/**
 * soft_dgram_prepare() - does a QP take a datagram, and is its memory there?
 * @to: QP; rsp.lock held
 * @in: datagram; @in->waits: the memory is not there yet
 */
bool soft_dgram_prepare(struct soft_qp *to, struct soft_arrival *in)
{
	u64 len = SOFT_GRH_BYTES + in->len;
	struct soft_cursor cursor;
	enum soft_result result;

	lockdep_assert_held(&to->rsp.lock);
	if (!soft_qp_receives(to)) {
		soft_dgram_drop(in, to, drop_state);
		return false;
	}
	if (!soft_dgram_qkey_ok(to, in)) {
		soft_dgram_drop(in, to, drop_qkey);
		if (!in->probing)
			atomic_inc(&to->base.obj.inst->port.qkey_violations);
		return false;
	}
	if (!soft_dgram_hold(to, in))
		return false;
	if (len > to->rsp.recv.sgl.len) {
		soft_dgram_drop(in, to, drop_length);
		return false;
	}
	soft_dgram_recv_cursor(to, in, &cursor, 0);
	result = soft_cursor_probe(&cursor, len);
	soft_dgram_charge(in, &cursor);
	if (result == SOFT_AGAIN)
		in->waits = to;
	else if (result == SOFT_SLOW)
		soft_dgram_drop(in, to, drop_memory);
	else if (result != SOFT_OK)
		soft_dgram_recv_error(to, MLX5_CQE_SYNDROME_LOCAL_PROT_ERR);
	return result == SOFT_OK;
}

/* The first 40 bytes are the header's place, whether there is one or not. */
static enum soft_result soft_dgram_copy(struct soft_qp *to, struct soft_arrival *in,
					struct soft_cursor **failed, struct soft_cursor *from)
{
	struct soft_seg header = {
		.inline_data = in->header,
		.len = SOFT_GRH_BYTES,
	};
	struct soft_cursor grh = { .segs = &header, .n_segs = 1 };
	struct soft_cursor cursor;
	enum soft_result result;
	u64 done;

	soft_dgram_recv_cursor(to, in, &cursor, 0);
	if (in->header) {
		result = soft_copy(&cursor, &grh, SOFT_GRH_BYTES, &done, failed);
		if (result != SOFT_OK)
			return result;
	} else {
		soft_cursor_seek(&cursor, SOFT_GRH_BYTES);
	}
	soft_dgram_source(in, from);
	result = soft_copy(&cursor, from, in->len, &done, failed);
	soft_dgram_charge(in, &cursor);
	return result;
}

static void soft_dgram_complete(struct soft_qp *to, const struct soft_arrival *in)
{
	struct soft_cqe cqe = {
		.opcode = in->has_imm ? MLX5_CQE_RESP_SEND_IMM : MLX5_CQE_RESP_SEND,
		.bytes = SOFT_GRH_BYTES + in->len,
		.solicited = in->solicited,
		.grh = in->header,
		.src_qpn = in->src_qpn,
		.slid = in->slid,
		.sl = in->sl,
		.vlan_valid = in->vlan_valid,
		.vlan = in->vlan,
	};

	if (in->has_imm)
		cqe.imm = in->imm;
	else if (to->type == MLX5_QP_ST_QP1)
		cqe.pkey = SOFT_DEFAULT_PKEY;
	soft_recv_complete(to, &cqe);
	mhca_count(to->base.obj.inst, messages);
	mhca_count_add(to->base.obj.inst, rx_bytes, in->len);
}

/**
 * soft_dgram_deliver() - deliver a datagram to one QP, or count why not
 * @to: QP; rsp.lock held
 * @in: datagram; @in->waits: its memory is not there yet; @in->result: the sender's is not
 */
void soft_dgram_deliver(struct soft_qp *to, struct soft_arrival *in)
{
	struct soft_cursor *failed, from;
	enum soft_result result;

	if (!soft_dgram_prepare(to, in))
		return;
	result = soft_dgram_copy(to, in, &failed, &from);
	if (result == SOFT_OK) {
		if (unlikely(to->state == MLX5_QP_STATE_RTR && !to->rsp.established)) {
			to->rsp.established = true;
			mhca_event_qp(to->base.obj.inst, MLX5_EVENT_TYPE_COMM_EST, to->base.obj.num);
		}
		soft_dgram_complete(to, in);
	} else if (failed == &from) {
		in->result = result;
	} else if (result == SOFT_AGAIN) {
		in->waits = to;
	} else if (result == SOFT_SLOW) {
		soft_dgram_drop(in, to, drop_memory);
	} else {
		soft_dgram_recv_error(to, MLX5_CQE_SYNDROME_LOCAL_PROT_ERR);
	}
}
