// SPDX-License-Identifier: GPL-2.0-only
/* A connection between the sides, in each of the four services. */
#include "verify.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#define QKEY	0x11223344U

const char *const transport_name[TRANSPORTS] = { "rc", "uc", "ud", "xrc" };

/**
 * struct address - what the sides tell each other to connect
 * @qpn: QP that the other side's sends go to
 * @sender_qpn: QP that sends (differs for XRC)
 * @srqn: XRC SRQ
 * @psn: first PSN that we send
 * @max_inline: bytes of inline data that our QP takes; both use the smaller
 * @lid: LID
 * @gid: GID
 */
struct address {
	uint32_t qpn;
	uint32_t sender_qpn;
	uint32_t srqn;
	uint32_t psn;
	uint32_t max_inline;
	uint16_t lid;
	union ibv_gid gid;
};

static int open_srq(struct side *s, struct link *l)
{
	struct ibv_srq_init_attr_ex attr = {
		.attr = { .max_wr = DEPTH, .max_sge = l->max_sge },
		.comp_mask = IBV_SRQ_INIT_ATTR_TYPE | IBV_SRQ_INIT_ATTR_PD,
		.srq_type = IBV_SRQT_BASIC,
		.pd = s->pd,
	};

	if (l->attr.transport == XRC) {
		struct ibv_xrcd_init_attr xrcd = {
			.comp_mask = IBV_XRCD_INIT_ATTR_FD | IBV_XRCD_INIT_ATTR_OFLAGS,
			.fd = -1, .oflags = O_CREAT,
		};

		l->xrcd = ibv_open_xrcd(s->ctx, &xrcd);
		if (!l->xrcd)
			return fail(s, "ibv_open_xrcd: %m");
		attr.srq_type = IBV_SRQT_XRC;
		attr.comp_mask |= IBV_SRQ_INIT_ATTR_XRCD | IBV_SRQ_INIT_ATTR_CQ;
		attr.xrcd = l->xrcd;
		attr.cq = l->recv.cq;
	}
	l->srq = ibv_create_srq_ex(s->ctx, &attr);
	if (!l->srq)
		return fail(s, "ibv_create_srq_ex: %m");
	if (l->xrcd && ibv_get_srq_num(l->srq, &l->srqn))
		return fail(s, "ibv_get_srq_num: %m");
	return 0;
}

static int open_qp(struct side *s, struct link *l)
{
	static const enum ibv_qp_type type[TRANSPORTS] = {
		IBV_QPT_RC, IBV_QPT_UC, IBV_QPT_UD, IBV_QPT_XRC_SEND,
	};
	struct ibv_qp_init_attr_ex attr = {
		.qp_type = type[l->attr.transport],
		.send_cq = l->send.cq, .recv_cq = l->recv.cq,
		.srq = l->xrcd ? NULL : l->srq,
		.cap = { .max_send_wr = DEPTH, .max_send_sge = l->max_sge,
			 .max_inline_data = 400 },
		.comp_mask = IBV_QP_INIT_ATTR_PD,
		.pd = s->pd,
	};

	if (!l->srq) {
		attr.cap.max_recv_wr = DEPTH;
		/* One entry more for the GRH of a datagram. */
		attr.cap.max_recv_sge = l->max_sge + 1;
	}
	l->qp = ibv_create_qp_ex(s->ctx, &attr);
	if (!l->qp)
		return fail(s, "ibv_create_qp_ex %s: %m",
			    transport_name[l->attr.transport]);
	l->max_inline = attr.cap.max_inline_data;
	if (l->xrcd) {
		struct ibv_qp_init_attr_ex target = {
			.qp_type = IBV_QPT_XRC_RECV,
			.comp_mask = IBV_QP_INIT_ATTR_XRCD,
			.xrcd = l->xrcd,
		};

		l->xrc_qp = ibv_create_qp_ex(s->ctx, &target);
		if (!l->xrc_qp)
			return fail(s, "ibv_create_qp_ex xrc target: %m");
	}
	return 0;
}

static struct ibv_ah_attr route(struct side *s, const struct address *to)
{
	struct ibv_ah_attr ah = { .dlid = to->lid, .port_num = s->opt->port };

	if (s->opt->gid_index >= 0) {
		ah.is_global = 1;
		ah.grh.dgid = to->gid;
		ah.grh.sgid_index = (uint8_t)s->opt->gid_index;
		ah.grh.hop_limit = 64;
	}
	return ah;
}

static int to_init(struct side *s, struct link *l, struct ibv_qp *qp)
{
	enum transport t = l->attr.transport;
	struct ibv_qp_attr attr = {
		.qp_state = IBV_QPS_INIT, .port_num = s->opt->port, .qkey = QKEY,
		.qp_access_flags = l->attr.access,
	};
	int mask = IBV_QP_STATE | IBV_QP_PKEY_INDEX | IBV_QP_PORT;

	mask |= t == UD ? IBV_QP_QKEY : IBV_QP_ACCESS_FLAGS;
	if (!attr.qp_access_flags)
		attr.qp_access_flags = t == UC ? IBV_ACCESS_REMOTE_WRITE :
				       IBV_ACCESS_REMOTE_WRITE |
				       IBV_ACCESS_REMOTE_READ | IBV_ACCESS_REMOTE_ATOMIC;
	if (ibv_modify_qp(qp, &attr, mask))
		return fail(s, "%s to INIT: %m", transport_name[t]);
	return 0;
}

static int to_rtr(struct side *s, struct link *l, struct ibv_qp *qp,
		  const struct address *to, uint32_t qpn)
{
	enum transport t = l->attr.transport;
	struct ibv_qp_attr attr = {
		.qp_state = IBV_QPS_RTR, .path_mtu = s->port.active_mtu,
		.dest_qp_num = qpn, .rq_psn = to->psn, .max_dest_rd_atomic = 8,
		.min_rnr_timer = 1, .ah_attr = route(s, to),
	};
	int mask = IBV_QP_STATE;

	if (t != UD)
		mask |= IBV_QP_AV | IBV_QP_PATH_MTU | IBV_QP_DEST_QPN | IBV_QP_RQ_PSN;
	if (t == RC || t == XRC)
		mask |= IBV_QP_MAX_DEST_RD_ATOMIC | IBV_QP_MIN_RNR_TIMER;
	if (ibv_modify_qp(qp, &attr, mask))
		return fail(s, "%s to RTR: %m", transport_name[t]);
	return 0;
}

static int to_rts(struct side *s, struct link *l, struct ibv_qp *qp, uint32_t psn)
{
	enum transport t = l->attr.transport;
	struct ibv_qp_attr attr = {
		.qp_state = IBV_QPS_RTS, .sq_psn = psn, .max_rd_atomic = 8,
		.timeout = l->attr.no_retry ? 10 : 18,
		.retry_cnt = l->attr.no_retry ? 1 : 7,
		.rnr_retry = (uint8_t)(7 - l->attr.rnr_retry),
	};
	int mask = IBV_QP_STATE | IBV_QP_SQ_PSN;

	if (t == RC || t == XRC)
		mask |= IBV_QP_TIMEOUT | IBV_QP_RETRY_CNT | IBV_QP_RNR_RETRY |
			IBV_QP_MAX_QP_RD_ATOMIC;
	if (ibv_modify_qp(qp, &attr, mask))
		return fail(s, "%s to RTS: %m", transport_name[t]);
	return 0;
}

static int connect_sides(struct side *s, struct link *l)
{
	struct ibv_qp *target = l->xrc_qp ? l->xrc_qp : l->qp;
	struct address mine = {
		.qpn = target->qp_num, .sender_qpn = l->qp->qp_num,
		.srqn = l->srqn, .psn = pick(s, 1 << 24), .max_inline = l->max_inline,
		.lid = s->port.lid, .gid = s->gid,
	}, to;

	/* The draws are the same on both sides; the PSNs shall differ. */
	mine.psn = (mine.psn + (uint32_t)s->index * 0xfff000) & 0xffffff;
	if (to_init(s, l, l->qp) || (l->xrc_qp && to_init(s, l, l->xrc_qp)) ||
	    swap(s, &mine, &to, sizeof(mine)))
		return -1;
	if (to_rtr(s, l, l->qp, &to, to.qpn) ||
	    (l->xrc_qp && to_rtr(s, l, l->xrc_qp, &to, to.sender_qpn)) ||
	    to_rts(s, l, l->qp, mine.psn) ||
	    (l->xrc_qp && to_rts(s, l, l->xrc_qp, mine.psn)))
		return -1;
	l->peer_qpn = to.qpn;
	l->peer_srqn = to.srqn;
	if (to.max_inline < l->max_inline)
		l->max_inline = to.max_inline;
	if (l->attr.transport == UD) {
		struct ibv_ah_attr attr = route(s, &to);

		l->ah = ibv_create_ah(s->pd, &attr);
		if (!l->ah)
			return fail(s, "ibv_create_ah: %m");
	}
	return meet(s);
}

int link_connect_qp(struct side *s, struct link *l, struct ibv_qp *qp, uint32_t qpn)
{
	struct address self = { .lid = s->port.lid, .gid = s->gid };

	if (to_init(s, l, qp) || to_rtr(s, l, qp, &self, qpn))
		return -1;
	return to_rts(s, l, qp, 0);
}

int link_open(struct side *s, struct link *l, const struct link_attr *attr)
{
	unsigned int depth = attr->cq_depth ? attr->cq_depth : 2 * DEPTH;

	memset(l, 0, sizeof(*l));
	l->attr = *attr;
	l->max_sge = s->dev.max_sge < (int)MAX_SGE ? (uint32_t)s->dev.max_sge : MAX_SGE;
	if (attr->srq && s->dev.max_srq_sge < (int)l->max_sge)
		l->max_sge = (uint32_t)s->dev.max_srq_sge;
	if (cq_open(s, &l->send, depth) || cq_open(s, &l->recv, depth))
		return -1;
	if ((attr->srq || attr->transport == XRC) && open_srq(s, l))
		return -1;
	if (open_qp(s, l))
		return -1;
	return connect_sides(s, l);
}

void link_close(struct side *s, struct link *l)
{
	int err = 0;

	if (l->ah)
		err |= ibv_destroy_ah(l->ah);
	if (l->qp)
		err |= ibv_destroy_qp(l->qp);
	if (l->xrc_qp)
		err |= ibv_destroy_qp(l->xrc_qp);
	if (l->srq)
		err |= ibv_destroy_srq(l->srq);
	if (l->xrcd)
		err |= ibv_close_xrcd(l->xrcd);
	cq_close(&l->send);
	cq_close(&l->recv);
	memset(l, 0, sizeof(*l));
	if (err)
		fail(s, "a connection's object could not be destroyed: %d", err);
}

int link_post_recv(struct side *s, struct link *l, struct ibv_recv_wr *wr)
{
	struct ibv_recv_wr *bad;
	int err = l->srq ? ibv_post_srq_recv(l->srq, wr, &bad) :
			   ibv_post_recv(l->qp, wr, &bad);

	return err ? fail(s, "post receive: %s", strerror(err)) : 0;
}

void link_address(struct link *l, struct ibv_send_wr *wr)
{
	if (l->attr.transport == UD) {
		wr->wr.ud.ah = l->ah;
		wr->wr.ud.remote_qpn = l->peer_qpn;
		wr->wr.ud.remote_qkey = QKEY;
	} else if (l->attr.transport == XRC) {
		wr->qp_type.xrc.remote_srqn = l->peer_srqn;
	}
}

int link_post_send(struct side *s, struct link *l, struct ibv_send_wr *wr)
{
	struct ibv_send_wr *bad;
	int err = ibv_post_send(l->qp, wr, &bad);

	return err ? fail(s, "post send: %s", strerror(err)) : 0;
}

int link_break(struct side *s, struct link *l)
{
	struct ibv_qp_attr attr = { .qp_state = IBV_QPS_ERR };

	if (ibv_modify_qp(l->qp, &attr, IBV_QP_STATE))
		return fail(s, "to ERR: %m");
	return 0;
}

enum ibv_qp_state link_state(struct ibv_qp *qp)
{
	struct ibv_qp_init_attr init;
	struct ibv_qp_attr attr;

	if (ibv_query_qp(qp, &attr, IBV_QP_STATE, &init))
		return IBV_QPS_UNKNOWN;
	return attr.qp_state;
}
