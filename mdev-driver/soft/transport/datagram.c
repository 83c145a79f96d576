// SPDX-License-Identifier: GPL-2.0-only
/*
 * Datagrams: UD, GSI and SMI SENDs, to one QP or to a multicast group.
 *
 * A sender never learns what became of a datagram: every reason not to deliver it is
 * a counter of the one who did not take it. Only guest memory that is being pinned
 * (keys in PA mode, which kernel drivers use for these services, and keys that UMR
 * filled) makes it wait, and for a receiver's memory only for a bounded time.
 *
 * A receive WQE that was taken and turned out not to do stays with its QP (rsp.busy)
 * for the next datagram.
 */
#include <mhca/kernel.h>
#include "transport.h"

#define SOFT_GRH_BYTES		40
#define SOFT_GSI_QKEY		0x80010000U
#define SOFT_QKEY_CONTROLLED	BIT(31)		/* the QP's own Q_Key is sent instead */
#define SOFT_LID_MULTICAST	0xc000U
#define SOFT_LID_PERMISSIVE	0xffffU
#define SOFT_DEFAULT_PKEY	0xffffU
/* At most so long for a receiver's memory, and for that of a group's */
#define SOFT_WAIT_MEMORY_NS	(500 * 1000 * 1000ULL)
#define SOFT_WAIT_GROUP_NS	(100 * 1000 * 1000ULL)

/* IBTA 8.3: the global route header, as it lies in front of the payload. */
struct soft_grh {
	__be32 version_class_flow;
	__be16 payload;
	u8 next_header;
	u8 hop_limit;
	u8 sgid[16];
	u8 dgid[16];
} __packed;

/**
 * struct soft_datagram - a datagram on its way
 * @qp: sender
 * @wqe: its WQE
 * @qkey: Q_Key
 * @source: RoCE: an entry of the sender's address table
 * @grh: its header; valid when wqe->av.grh
 * @flat: its bytes as one piece of lane->datagram, len 0: they are where the WQE says
 * @cost: of pieces of the sender's own keys, as bytes of a turn's budget
 * @probing: nobody gets it yet, and nobody counts a drop
 * @waits: a receiver whose page is being pinned, or NULL; of several the last one
 * @result: an error of the sender's own memory, or SOFT_AGAIN: it is being pinned again
 */
struct soft_datagram {
	struct soft_qp *qp;
	struct soft_wqe *wqe;
	u32 qkey;
	const struct mhca_roce_address *source;
	struct soft_grh grh;
	struct soft_seg flat;
	u64 cost;
	bool probing;
	struct soft_qp *waits;
	enum soft_result result;
};

#define soft_dgram_drop(pkt, to, counter)				\
	do {								\
		if (!(pkt)->probing)					\
			mhca_count((to)->base.obj.inst, counter);		\
	} while (0)

/* ---- The packet ----------------------------------------------------------- */

static void soft_dgram_grh(struct soft_datagram *pkt)
{
	const struct soft_av *av = &pkt->wqe->av;
	struct soft_grh *grh = &pkt->grh;
	__be64 part;
	/* BTH, DETH, payload padded to 4, ICRC */
	u32 payload = 12 + 8 + round_up((u32)pkt->wqe->sgl.len, 4) + 4;

	BUILD_BUG_ON(sizeof(*grh) != SOFT_GRH_BYTES);
	if (pkt->wqe->opcode == MLX5_OPCODE_SEND_IMM)
		payload += 4;
	grh->version_class_flow = cpu_to_be32(6U << 28 | (u32)av->tclass << 20 | av->flow);
	grh->payload = cpu_to_be16(payload);
	grh->next_header = 0x1b;
	grh->hop_limit = av->hop_limit;
	if (pkt->source && pkt->source->version == MHCA_ROCE_V2) {
		soft_roce_header(pkt->source, av, payload, grh);
		return;
	}
	memcpy(grh->dgid, av->dgid, sizeof(grh->dgid));
	if (pkt->source) {
		memcpy(grh->sgid, pkt->source->gid, sizeof(grh->sgid));
		return;
	}
	/* The link-local GID: the only one that ports of an IB fabric have. */
	part = cpu_to_be64(0xfe80ULL << 48);
	memcpy(grh->sgid, &part, sizeof(part));
	part = cpu_to_be64(pkt->qp->base.obj.inst->id.port_guid);
	memcpy(grh->sgid + sizeof(part), &part, sizeof(part));
}

static void soft_dgram_fill(struct soft_datagram *pkt, struct soft_qp *qp, struct soft_wqe *wqe)
{
	pkt->qp = qp;
	pkt->wqe = wqe;
	pkt->qkey = wqe->qkey & SOFT_QKEY_CONTROLLED ? qp->qkey : wqe->qkey;
	pkt->flat = (struct soft_seg){};
	pkt->cost = 0;
	pkt->probing = false;
	pkt->waits = NULL;
	pkt->result = SOFT_OK;
	pkt->source = NULL;
	if (qp->base.obj.inst->personality == MHCA_ROCE)
		pkt->source = soft_roce_source(qp, &wqe->av);
	if (wqe->av.grh)
		soft_dgram_grh(pkt);
}

static void soft_dgram_source_cursor(const struct soft_datagram *pkt, struct soft_cursor *from)
{
	const struct soft_qp *qp = pkt->qp;

	from->inst = qp->base.obj.inst;
	from->pd = qp->pd;
	from->qpn = qp->base.obj.num;
	from->access = SOFT_LOCAL_READ;
	from->remote = false;
	from->segs = pkt->flat.len ? &pkt->flat : pkt->wqe->sgl.seg;
	from->n_segs = pkt->flat.len ? 1 : pkt->wqe->sgl.n;
	soft_cursor_seek(from, 0);
}

/*
 * Are the sender's bytes there? Those that lie in pieces of other keys are fetched, so
 * that no receiver of a group has the toil again.
 */
static enum soft_result soft_dgram_fetch(struct soft_datagram *pkt)
{
	u64 len = pkt->wqe->sgl.len;
	u8 *to = pkt->qp->base.si->lane->datagram;
	enum soft_result result;
	struct soft_cursor from;
	u32 n, done = 0;
	void *ptr;

	soft_dgram_source_cursor(pkt, &from);
	result = soft_cursor_probe(&from, len);
	pkt->cost += soft_cursor_cost(&from);
	if (likely(result != SOFT_OK || !from.followed))
		return result;
	soft_dgram_source_cursor(pkt, &from);
	while (done < len) {
		result = soft_cursor_run(&from, len - done, &ptr, &n);
		if (result != SOFT_OK)
			break;
		memcpy(to + done, ptr, n);
		soft_cursor_advance(&from, n);
		done += n;
	}
	soft_cursor_release(&from);
	pkt->cost += soft_cursor_cost(&from);
	pkt->flat = (struct soft_seg){ .inline_data = to, .len = len };
	return result;
}

/* ---- Receivers ------------------------------------------------------------ */

static void soft_dgram_recv_cursor(struct soft_qp *to, const struct soft_datagram *pkt,
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
	if (to->base.si != pkt->qp->base.si)
		cursor->toil = &to->base.si->toil;
}

/* A walk over a receiver's memory is over: if it is the sender's own, its turn pays. */
static void soft_dgram_charge(struct soft_datagram *pkt, const struct soft_cursor *cursor)
{
	if (!cursor->toil)
		pkt->cost += soft_cursor_cost(cursor);
}

static bool soft_dgram_qkey_ok(const struct soft_qp *to, const struct soft_datagram *pkt)
{
	switch (to->type) {
	case MLX5_QP_ST_QP0:
		return true;
	case MLX5_QP_ST_QP1:
		return pkt->qkey == SOFT_GSI_QKEY;
	default:
		return pkt->qkey == to->qkey;
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
static bool soft_dgram_hold(struct soft_qp *to, const struct soft_datagram *pkt)
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
		soft_dgram_drop(pkt, to, drop_no_buffer);
		if (!pkt->probing)
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

/* Does @to take the datagram, and is its memory there? Notes in @pkt if not yet. */
static bool soft_dgram_prepare(struct soft_qp *to, struct soft_datagram *pkt)
{
	u64 len = SOFT_GRH_BYTES + pkt->wqe->sgl.len;
	struct soft_cursor cursor;
	enum soft_result result;

	lockdep_assert_held(&to->rsp.lock);
	if (!soft_qp_receives(to)) {
		soft_dgram_drop(pkt, to, drop_state);
		return false;
	}
	if (!soft_dgram_qkey_ok(to, pkt)) {
		soft_dgram_drop(pkt, to, drop_qkey);
		if (!pkt->probing)
			atomic_inc(&to->base.obj.inst->port.qkey_violations);
		return false;
	}
	if (!soft_dgram_hold(to, pkt))
		return false;
	if (len > to->rsp.recv.sgl.len) {
		soft_dgram_drop(pkt, to, drop_length);
		return false;
	}
	soft_dgram_recv_cursor(to, pkt, &cursor, 0);
	result = soft_cursor_probe(&cursor, len);
	soft_dgram_charge(pkt, &cursor);
	if (result == SOFT_AGAIN)
		pkt->waits = to;
	else if (result == SOFT_SLOW)
		soft_dgram_drop(pkt, to, drop_memory);
	else if (result != SOFT_OK)
		soft_dgram_recv_error(to, MLX5_CQE_SYNDROME_LOCAL_PROT_ERR);
	return result == SOFT_OK;
}

/* The first 40 bytes are the header's place, whether there is one or not. */
static enum soft_result soft_dgram_copy(struct soft_qp *to, struct soft_datagram *pkt,
					struct soft_cursor **failed, struct soft_cursor *from)
{
	struct soft_seg header = {
		.inline_data = (const u8 *)&pkt->grh,
		.len = SOFT_GRH_BYTES,
	};
	struct soft_cursor grh = { .segs = &header, .n_segs = 1 };
	struct soft_cursor cursor;
	enum soft_result result;
	u64 done;

	soft_dgram_recv_cursor(to, pkt, &cursor, 0);
	if (pkt->wqe->av.grh) {
		result = soft_copy(&cursor, &grh, SOFT_GRH_BYTES, &done, failed);
		if (result != SOFT_OK)
			return result;
	} else {
		soft_cursor_seek(&cursor, SOFT_GRH_BYTES);
	}
	soft_dgram_source_cursor(pkt, from);
	result = soft_copy(&cursor, from, pkt->wqe->sgl.len, &done, failed);
	soft_dgram_charge(pkt, &cursor);
	return result;
}

static enum soft_l3 soft_dgram_l3(const struct mhca_roce_address *source)
{
	if (source->version == MHCA_ROCE_V1)
		return SOFT_L3_GRH;
	return source->ipv4 ? SOFT_L3_IPV4 : SOFT_L3_IPV6;
}

static void soft_dgram_complete(struct soft_qp *to, const struct soft_datagram *pkt)
{
	const struct soft_wqe *wqe = pkt->wqe;
	struct soft_cqe cqe = {
		.opcode = MLX5_CQE_RESP_SEND,
		.bytes = SOFT_GRH_BYTES + wqe->sgl.len,
		.solicited = wqe->solicited,
		.grh = wqe->av.grh,
		.src_qpn = pkt->qp->deth_sqpn,
		.slid = pkt->qp->base.si->lid,
		.sl = wqe->av.sl,
	};

	if (pkt->source) {
		cqe.slid = 0;
		cqe.sl = soft_dgram_l3(pkt->source);
		cqe.vlan_valid = pkt->source->vlan_valid;
		cqe.vlan = pkt->source->vlan;
	}
	if (wqe->opcode == MLX5_OPCODE_SEND_IMM) {
		cqe.opcode = MLX5_CQE_RESP_SEND_IMM;
		cqe.imm = wqe->imm;
	} else if (to->type == MLX5_QP_ST_QP1) {
		cqe.pkey = SOFT_DEFAULT_PKEY;
	}
	soft_recv_complete(to, &cqe);
	mhca_count(to->base.obj.inst, messages);
	mhca_count_add(to->base.obj.inst, rx_bytes, wqe->sgl.len);
}

/* Deliver to one QP; rsp.lock held. */
static void soft_dgram_deliver(struct soft_qp *to, struct soft_datagram *pkt)
{
	struct soft_cursor *failed, from;
	enum soft_result result;

	if (!soft_dgram_prepare(to, pkt))
		return;
	result = soft_dgram_copy(to, pkt, &failed, &from);
	if (result == SOFT_OK) {
		if (unlikely(to->state == MLX5_QP_STATE_RTR && !to->rsp.established)) {
			to->rsp.established = true;
			mhca_event_qp(to->base.obj.inst, MLX5_EVENT_TYPE_COMM_EST, to->base.obj.num);
		}
		soft_dgram_complete(to, pkt);
	} else if (failed == &from) {
		pkt->result = result;
	} else if (result == SOFT_AGAIN) {
		pkt->waits = to;
	} else if (result == SOFT_SLOW) {
		soft_dgram_drop(pkt, to, drop_memory);
	} else {
		soft_dgram_recv_error(to, MLX5_CQE_SYNDROME_LOCAL_PROT_ERR);
	}
}

/* May the sender wait once more for a receiver's memory, @bound ns in all? */
static bool soft_dgram_may_wait(const struct soft_datagram *pkt, u64 bound)
{
	return soft_patience_wait(&pkt->waits->base.si->patience, &pkt->qp->base.si->held,
				  &pkt->qp->req.wait, bound);
}

/* ---- Unicast --------------------------------------------------------------- */

static struct soft_qp *soft_dgram_find(const struct soft_datagram *pkt)
{
	struct soft_instance *si = soft_route(pkt->qp, &pkt->wqe->av);
	struct soft_qp *to;

	if (!si)
		return NULL;
	switch (pkt->wqe->dqpn) {
	case 0:
		/* Subnet management has a lane of its own, which only an SMI QP sends on. */
		return pkt->qp->type == MLX5_QP_ST_QP0 ? READ_ONCE(si->qp0) : NULL;
	case 1:
		return READ_ONCE(si->qp1);
	default:
		to = soft_qp_find(si->inst, pkt->wqe->dqpn);
		return to && to->type == MLX5_QP_ST_UD ? to : NULL;
	}
}

static enum soft_result soft_dgram_unicast(struct soft_datagram *pkt)
{
	struct soft_qp *to = soft_dgram_find(pkt);

	if (!to) {
		mhca_count(pkt->qp->base.obj.inst, drop_no_peer);
		return SOFT_OK;
	}
	mutex_lock(&to->rsp.lock);
	soft_dgram_deliver(to, pkt);
	mutex_unlock(&to->rsp.lock);
	if (unlikely(pkt->waits)) {
		if (soft_dgram_may_wait(pkt, SOFT_WAIT_MEMORY_NS))
			return SOFT_AGAIN;
		soft_dgram_drop(pkt, to, drop_memory);
	}
	return pkt->result;
}

/* ---- Multicast ------------------------------------------------------------- */

/* Is the port of @to one that the group's datagrams get to? */
static bool soft_dgram_heard(const struct soft_datagram *pkt, const struct soft_qp *to)
{
	const struct mhca_instance *from = pkt->qp->base.obj.inst;

	if (!soft_may_dma(to->base.si))
		return false;
	if (from->personality == MHCA_ROCE)
		return soft_roce_hears(pkt->qp, &pkt->wqe->av, to->base.si);
	return to->base.obj.inst->personality == MHCA_IB && READ_ONCE(from->port.up) &&
	       READ_ONCE(to->base.obj.inst->port.up) &&
	       READ_ONCE(to->base.obj.inst->port.segment) == READ_ONCE(from->port.segment);
}

static void soft_dgram_each(struct soft_qp *to, struct soft_datagram *pkt, bool deliver)
{
	if (to->type != MLX5_QP_ST_UD || soft_mcast_blocked(pkt->qp, to) ||
	    !soft_dgram_heard(pkt, to))
		return;
	mutex_lock(&to->rsp.lock);
	if (deliver)
		soft_dgram_deliver(to, pkt);
	else
		soft_dgram_prepare(to, pkt);
	mutex_unlock(&to->rsp.lock);
}

static void soft_dgram_prepare_each(struct soft_qp *to, void *pkt)
{
	soft_dgram_each(to, pkt, false);
}

static void soft_dgram_deliver_each(struct soft_qp *to, void *arg)
{
	struct soft_datagram *pkt = arg;

	soft_dgram_each(to, pkt, true);
	if (likely(!pkt->waits && pkt->result != SOFT_AGAIN))
		return;
	/* Others have it already: it is not sent once more. */
	soft_dgram_drop(pkt, to, drop_memory);
	pkt->waits = NULL;
	pkt->result = SOFT_OK;
}

/* Visit members of the group, as many as may be; pkt->waits: one of them has to be waited for. */
static bool soft_dgram_walk(struct soft_datagram *pkt, struct soft_sent *sent,
			    void (*visit)(struct soft_qp *to, void *pkt))
{
	u32 left = sent->most - sent->visited, n = left;
	bool all;

	all = soft_mcast_walk(pkt->qp->base.si, pkt->wqe->av.dgid, &pkt->qp->req.group, &left, visit,
			      pkt);
	sent->visited += n - left;
	return all;
}

/*
 * Nobody gets it twice: whether a receiver's memory has to be waited for is found out
 * before the first one gets it. Both walks go on in a later turn where they stopped; one
 * that has to wait looks again at those that it has looked at in this turn.
 */
static enum soft_result soft_dgram_multicast(struct soft_datagram *pkt, struct soft_sent *sent)
{
	struct soft_mcast_at *at = &pkt->qp->req.group, before = *at;
	u32 visited;
	bool all;

	if (!at->delivering) {
		pkt->probing = true;
		all = soft_dgram_walk(pkt, sent, soft_dgram_prepare_each);
		if (unlikely(pkt->waits)) {
			if (soft_dgram_may_wait(pkt, SOFT_WAIT_GROUP_NS)) {
				*at = before;
				return SOFT_AGAIN;
			}
			pkt->waits = NULL;
		}
		if (!all)
			return SOFT_MORE;
		pkt->probing = false;
		*at = (struct soft_mcast_at){ .delivering = true };
	}
	visited = sent->visited;
	all = soft_dgram_walk(pkt, sent, soft_dgram_deliver_each);
	sent->copies = max(sent->visited - visited, 1U);
	if (pkt->result == SOFT_OK && !all)
		return SOFT_MORE;
	if (!at->reached)
		mhca_count(pkt->qp->base.obj.inst, drop_no_peer);
	return pkt->result;
}

static bool soft_dgram_is_multicast(const struct soft_qp *qp, const struct soft_av *av)
{
	if (qp->base.obj.inst->personality == MHCA_ROCE)
		return av->dmac[0] & 1;
	if (av->grh && av->dgid[0] == 0xff)
		return true;
	return av->dlid >= SOFT_LID_MULTICAST && av->dlid != SOFT_LID_PERMISSIVE;
}

/**
 * soft_datagram_send() - execute a SEND of a UD, GSI or SMI QP
 * @qp: sender; its lane's lock held, no rsp.lock, inside srcu
 * @wqe: its WQE, local keys checked
 * @sent: in and out: how much work it may be, and was
 *
 * Return: SOFT_OK: it is gone; SOFT_MORE: not all of a group have it yet; SOFT_AGAIN:
 * later; others: the sender's error.
 */
enum soft_result soft_datagram_send(struct soft_qp *qp, struct soft_wqe *wqe,
				    struct soft_sent *sent)
{
	struct soft_datagram pkt;
	enum soft_result result;

	lockdep_assert_held(&qp->base.si->lane->lock);
	sent->visited = 0;
	sent->copies = 1;
	sent->cost = 0;
	if (wqe->sgl.len > min(qp->mtu, SOFT_UD_MTU_MAX))
		return SOFT_LOCAL_LENGTH;
	soft_dgram_fill(&pkt, qp, wqe);
	result = soft_dgram_fetch(&pkt);
	sent->cost = pkt.cost;
	if (result != SOFT_OK) {
		qp->req.wait.since = 0;	/* that is no receiver's fault */
		return result;
	}
	if (soft_dgram_is_multicast(qp, &wqe->av))
		result = soft_dgram_multicast(&pkt, sent);
	else
		result = soft_dgram_unicast(&pkt);
	sent->cost = pkt.cost;
	if (result == SOFT_OK) {
		mhca_count_add(qp->base.obj.inst, bytes, wqe->sgl.len);
		mhca_count_add(qp->base.obj.inst, tx_bytes, wqe->sgl.len);
	}
	return result;
}
