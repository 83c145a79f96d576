// SPDX-License-Identifier: GPL-2.0-only
/*
 * Datagrams: UD, GSI and SMI SENDs, to one QP or to a multicast group.
 *
 * A sender never learns what became of a datagram: every reason not to deliver it is
 * a counter of the one who did not take it. Only guest memory that is being pinned
 * (keys in PA mode, which kernel drivers use for these services, and keys that UMR
 * filled) makes it wait, and for a receiver's memory only for a bounded time.
 *
 * How one is received: datagram_in.c.
 */
#include <mhca/kernel.h>
#include "datagram.h"

#define SOFT_QKEY_CONTROLLED	BIT(31)		/* the QP's own Q_Key is sent instead */
#define SOFT_LID_MULTICAST	0xc000U
#define SOFT_LID_PERMISSIVE	0xffffU
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
 * @in: as its receivers see it
 * @qp: sender
 * @wqe: its WQE
 * @source: RoCE: an entry of the sender's address table
 * @grh: its header; valid when wqe->av.grh
 * @flat: its bytes as one piece of lane->datagram, len 0: they are where the WQE says
 */
struct soft_datagram {
	struct soft_arrival in;
	struct soft_qp *qp;
	struct soft_wqe *wqe;
	const struct mhca_roce_address *source;
	struct soft_grh grh;
	struct soft_seg flat;
};

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

static enum soft_l3 soft_dgram_l3(const struct mhca_roce_address *source)
{
	if (source->version == MHCA_ROCE_V1)
		return SOFT_L3_GRH;
	return source->ipv4 ? SOFT_L3_IPV4 : SOFT_L3_IPV6;
}

/* What its receivers see of it. */
static void soft_dgram_fill_in(struct soft_datagram *pkt)
{
	const struct soft_wqe *wqe = pkt->wqe;
	const struct soft_qp *qp = pkt->qp;
	struct soft_arrival *in = &pkt->in;

	*in = (struct soft_arrival){
		.qkey = wqe->qkey & SOFT_QKEY_CONTROLLED ? qp->qkey : wqe->qkey,
		.len = wqe->sgl.len,
		.header = wqe->av.grh ? &pkt->grh : NULL,
		.has_imm = wqe->opcode == MLX5_OPCODE_SEND_IMM,
		.imm = wqe->imm,
		.solicited = wqe->solicited,
		.src_qpn = qp->deth_sqpn,
		.slid = qp->base.si->lid,
		.sl = wqe->av.sl,
		.sender = qp->base.si,
		.source = {
			.inst = qp->base.obj.inst,
			.pd = qp->pd,
			.qpn = qp->base.obj.num,
			.access = SOFT_LOCAL_READ,
			.segs = wqe->sgl.seg,
			.n_segs = wqe->sgl.n,
		},
	};
	if (!pkt->source)
		return;
	in->slid = 0;
	in->sl = soft_dgram_l3(pkt->source);
	in->vlan_valid = pkt->source->vlan_valid;
	in->vlan = pkt->source->vlan;
}

static void soft_dgram_fill(struct soft_datagram *pkt, struct soft_qp *qp, struct soft_wqe *wqe)
{
	pkt->qp = qp;
	pkt->wqe = wqe;
	pkt->flat = (struct soft_seg){};
	pkt->source = NULL;
	if (qp->base.obj.inst->personality == MHCA_ROCE)
		pkt->source = soft_roce_source(qp, &wqe->av);
	if (wqe->av.grh)
		soft_dgram_grh(pkt);
	soft_dgram_fill_in(pkt);
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

	soft_dgram_source(&pkt->in, &from);
	result = soft_cursor_probe(&from, len);
	pkt->in.cost += soft_cursor_cost(&from);
	if (likely(result != SOFT_OK || !from.followed))
		return result;
	soft_dgram_source(&pkt->in, &from);
	while (done < len) {
		result = soft_cursor_run(&from, len - done, &ptr, &n);
		if (result != SOFT_OK)
			break;
		memcpy(to + done, ptr, n);
		soft_cursor_advance(&from, n);
		done += n;
	}
	soft_cursor_release(&from);
	pkt->in.cost += soft_cursor_cost(&from);
	pkt->flat = (struct soft_seg){ .inline_data = to, .len = len };
	pkt->in.source.segs = &pkt->flat;
	pkt->in.source.n_segs = 1;
	return result;
}

/* May the sender wait once more for a receiver's memory, @bound ns in all? */
static bool soft_dgram_may_wait(const struct soft_datagram *pkt, u64 bound)
{
	return soft_patience_wait(&pkt->in.waits->base.si->patience, &pkt->qp->base.si->held,
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

	if (!to && pkt->qp->type != MLX5_QP_ST_QP0 && soft_roce_is_beyond(pkt->qp, &pkt->wqe->av))
		return soft_wire_datagram(pkt->qp, pkt->wqe, &pkt->in);
	if (!to) {
		mhca_count(pkt->qp->base.obj.inst, drop_no_peer);
		return SOFT_OK;
	}
	mutex_lock(&to->rsp.lock);
	soft_dgram_deliver(to, &pkt->in);
	mutex_unlock(&to->rsp.lock);
	if (unlikely(pkt->in.waits)) {
		if (soft_dgram_may_wait(pkt, SOFT_WAIT_MEMORY_NS))
			return SOFT_AGAIN;
		soft_dgram_drop(&pkt->in, to, drop_memory);
	}
	return pkt->in.result;
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
		soft_dgram_deliver(to, &pkt->in);
	else
		soft_dgram_prepare(to, &pkt->in);
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
	if (likely(!pkt->in.waits && pkt->in.result != SOFT_AGAIN))
		return;
	/* Others have it already: it is not sent once more. */
	soft_dgram_drop(&pkt->in, to, drop_memory);
	pkt->in.waits = NULL;
	pkt->in.result = SOFT_OK;
}

/* Visit members of the group, as many as may be; pkt->in.waits: one has to be waited for. */
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
		pkt->in.probing = true;
		all = soft_dgram_walk(pkt, sent, soft_dgram_prepare_each);
		if (unlikely(pkt->in.waits)) {
			if (soft_dgram_may_wait(pkt, SOFT_WAIT_GROUP_NS)) {
				*at = before;
				return SOFT_AGAIN;
			}
			pkt->in.waits = NULL;
		}
		if (!all)
			return SOFT_MORE;
		pkt->in.probing = false;
		*at = (struct soft_mcast_at){ .delivering = true };
	}
	visited = sent->visited;
	all = soft_dgram_walk(pkt, sent, soft_dgram_deliver_each);
	sent->copies = max(sent->visited - visited, 1U);
	if (pkt->in.result == SOFT_OK && !all)
		return SOFT_MORE;
	if (!at->reached)
		mhca_count(pkt->qp->base.obj.inst, drop_no_peer);
	return pkt->in.result;
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
	sent->cost = pkt.in.cost;
	if (result != SOFT_OK) {
		qp->req.wait.since = 0;	/* that is no receiver's fault */
		return result;
	}
	if (soft_dgram_is_multicast(qp, &wqe->av))
		result = soft_dgram_multicast(&pkt, sent);
	else
		result = soft_dgram_unicast(&pkt);
	sent->cost = pkt.in.cost;
	if (result == SOFT_OK) {
		mhca_count_add(qp->base.obj.inst, bytes, wqe->sgl.len);
		mhca_count_add(qp->base.obj.inst, tx_bytes, wqe->sgl.len);
	}
	return result;
}
