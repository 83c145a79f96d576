// SPDX-License-Identifier: GPL-2.0-only
/*
 * Queue pairs as objects: create, query, find, destroy. Transitions are in
 * qp_modify.c.
 */
#include <mhca/kernel.h>
#include "transport.h"

/* qpc.rq_type */
#define SOFT_RQ_OWN		MLX5_NON_ZERO_RQ
#define SOFT_RQ_SRQ		MLX5_SRQ_RQ
#define SOFT_RQ_NONE		MLX5_ZERO_LEN_RQ

#define SOFT_LOG_SQ_STRIDE	ilog2(MLX5_SEND_WQE_BB)	/* basic blocks */
#define SOFT_LOG_RQ_STRIDE_MIN	4
#define SOFT_LOG_RQ_STRIDE_MAX	9

#define SOFT_TYPE(st)		BIT(MLX5_QP_ST_##st)
#define SOFT_QP_TYPES		(SOFT_TYPE(RC) | SOFT_TYPE(UC) | SOFT_TYPE(UD) |	\
				 SOFT_TYPE(XRC) | SOFT_TYPE(QP0) | SOFT_TYPE(QP1) |	\
				 SOFT_TYPE(REG_UMR))

/* What no capability of ours offers. */
static bool soft_qp_unsupported(const void *qpc)
{
	return MLX5_GET(qpc, qpc, wq_signature) || MLX5_GET(qpc, qpc, offload_type) ||
	       MLX5_GET(qpc, qpc, cd_master) || MLX5_GET(qpc, qpc, cd_slave_send) ||
	       MLX5_GET(qpc, qpc, cd_slave_receive) ||
	       MLX5_GET(qpc, qpc, ulp_stateless_offload_mode);
}

static void soft_qp_init(struct soft_qp *qp)
{
	qp->base.si = soft_instance(qp->base.obj.inst);
	qp->state = MLX5_QP_STATE_RST;
	qp->base.timer.kind = SOFT_TIMER_QP;
	mutex_init(&qp->rsp.lock);
	INIT_LIST_HEAD(&qp->uar_node);
	INIT_LIST_HEAD(&qp->base.send_cq_node);
	INIT_LIST_HEAD(&qp->base.recv_cq_node);
	INIT_LIST_HEAD(&qp->base.active_node);
	INIT_LIST_HEAD(&qp->base.err_node);
	INIT_LIST_HEAD(&qp->base.fail_node);
	INIT_LIST_HEAD(&qp->base.memory_node);
	INIT_LIST_HEAD(&qp->groups);
}

/*
 * The queues' places in the buffer: the RQ at page_offset, the SQ right behind it.
 * page_offset counts 64ths of a page of the list.
 */
static enum mhca_syndrome soft_qp_geometry(struct soft_qp *qp, const void *qpc)
{
	struct mhca_pages *pages = qp->base.obj.buffer;
	struct soft_ring *rq = &qp->rsp.ring;
	struct soft_ring *sq = &qp->req.ring;
	u64 offset, rq_bytes = 0, sq_bytes = 0;

	if (!qp->rsp.none) {
		rq->log_size = MLX5_GET(qpc, qpc, log_rq_size);
		rq->log_stride = MLX5_GET(qpc, qpc, log_rq_stride) + SOFT_LOG_RQ_STRIDE_MIN;
		if (rq->log_size > MHCA_LOG_MAX_QP_SZ || rq->log_stride > SOFT_LOG_RQ_STRIDE_MAX)
			return MHCA_SYN_QUEUE_SIZE;
		rq_bytes = 1ULL << (rq->log_size + rq->log_stride);
	}
	if (!qp->req.none) {
		sq->log_size = MLX5_GET(qpc, qpc, log_sq_size);
		sq->log_stride = SOFT_LOG_SQ_STRIDE;
		if (sq->log_size > MHCA_LOG_MAX_QP_SZ)
			return MHCA_SYN_QUEUE_SIZE;
		sq_bytes = 1ULL << (sq->log_size + sq->log_stride);
	}
	if (qp->rsp.none && qp->req.none)
		return MHCA_SYN_NONE;
	if (!pages)
		return MHCA_SYN_PAGE_LIST;

	offset = (u64)MLX5_GET(qpc, qpc, page_offset) << (pages->shift - 6);
	if (offset > pages->bytes || rq_bytes + sq_bytes > pages->bytes - offset)
		return MHCA_SYN_PAGE_LIST;
	rq->pages = pages;
	rq->offset = offset;
	sq->pages = pages;
	sq->offset = offset + rq_bytes;
	return MHCA_SYN_NONE;
}

/*
 * What it receives through. XRC messages bring their SRQ's number along, so such a
 * QP has no receive queue, whatever default stands in its context.
 */
static enum mhca_syndrome soft_qp_receive_side(struct soft_qp *qp, struct mhca_cmd *cmd,
					       const void *qpc)
{
	u32 rq_type = MLX5_GET(qpc, qpc, rq_type);

	qp->rsp.none = rq_type != SOFT_RQ_OWN || qp->type == MLX5_QP_ST_XRC;
	if (qp->type == MLX5_QP_ST_XRC)
		return MHCA_SYN_NONE;

	switch (rq_type) {
	case SOFT_RQ_OWN:
		break;
	case SOFT_RQ_SRQ:
		qp->srq = (struct soft_srq *)cmd->ref[4];
		if (!qp->srq)
			return MHCA_SYN_NO_OBJECT;
		if (qp->srq->flavour == SOFT_XRC_SRQ)
			return MHCA_SYN_OBJECT_TYPE;
		break;
	case SOFT_RQ_NONE:
		return MHCA_SYN_NONE;
	default:
		return MHCA_SYN_QP_ATTR;
	}
	return qp->recv_cq ? MHCA_SYN_NONE : MHCA_SYN_NO_OBJECT;
}

static enum mhca_syndrome soft_qp_parse(struct soft_qp *qp, struct mhca_cmd *cmd)
{
	const void *qpc = MLX5_ADDR_OF(create_qp_in, cmd->in, qpc);
	u32 type = MLX5_GET(qpc, qpc, st);
	enum mhca_syndrome syndrome;

	if (type >= BITS_PER_LONG || !(SOFT_QP_TYPES & BIT(type)))
		return MHCA_SYN_QP_TYPE;
	if (soft_qp_unsupported(qpc))
		return MHCA_SYN_QP_ATTR;
	qp->type = type;
	qp->fast_reg = cmd->inst->personality == MHCA_ROCE && MLX5_GET(qpc, qpc, fre);
	/* The driver gives its UMR QP a PD by the first transition. */
	if (!cmd->ref[0] && type != MLX5_QP_ST_REG_UMR)
		return MHCA_SYN_NO_OBJECT;
	if (type == MLX5_QP_ST_XRC && !cmd->ref[5])
		return MHCA_SYN_NO_OBJECT;

	qp->pd = cmd->ref[0] ? cmd->ref[0]->num : U32_MAX;
	qp->send_cq = (struct soft_cq *)cmd->ref[1];
	qp->recv_cq = (struct soft_cq *)cmd->ref[2];
	qp->uar = (struct soft_uar *)cmd->ref[3];
	qp->xrcd = cmd->ref[5] ? cmd->ref[5]->num : U32_MAX;
	qp->base.user_index = MLX5_GET(qpc, qpc, user_index);
	qp->req.none = MLX5_GET(qpc, qpc, no_sq);
	if (!qp->req.none && (!qp->send_cq || !qp->uar))
		return MHCA_SYN_NO_OBJECT;

	syndrome = soft_qp_receive_side(qp, cmd, qpc);
	if (syndrome)
		return syndrome;
	if (!qp->base.obj.record && !(qp->req.none && qp->rsp.none))
		return MHCA_SYN_QP_ATTR;
	syndrome = soft_qp_geometry(qp, qpc);
	if (syndrome)
		return syndrome;

	memcpy(qp->attr, qpc, sizeof(qp->attr));
	MLX5_SET(qpc, qp->attr, state, MLX5_QP_STATE_RST);
	return MHCA_SYN_NONE;
}

/* Where datagrams to QPN 0 or 1 of an instance go; NULL for an ordinary QP. */
static struct soft_qp **soft_qp_special(struct soft_qp *qp)
{
	switch (qp->type) {
	case MLX5_QP_ST_QP0:
		return &qp->base.si->qp0;
	case MLX5_QP_ST_QP1:
		return &qp->base.si->qp1;
	default:
		return NULL;
	}
}

static void soft_qp_link(struct soft_qp *qp)
{
	struct soft_qp **special = soft_qp_special(qp);

	lockdep_assert_held(&qp->base.si->lane->lock);
	if (!qp->req.none) {
		list_add_tail(&qp->uar_node, &qp->uar->qps);
		qp->uar->n_qps++;
	}
	if (qp->send_cq)
		list_add_tail(&qp->base.send_cq_node, &qp->send_cq->attached_send);
	if (qp->recv_cq)
		list_add_tail(&qp->base.recv_cq_node, &qp->recv_cq->attached_recv);
	if (special)
		WRITE_ONCE(*special, qp);
}

static void soft_qp_unlink(struct soft_qp *qp)
{
	lockdep_assert_held(&qp->base.si->lane->lock);
	if (!qp->req.none) {
		struct soft_uar *uar = qp->uar;

		list_del_init(&qp->uar_node);
		uar->n_qps--;
		uar->sweep_qps = min(uar->sweep_qps, uar->n_qps);
	}
	list_del_init(&qp->base.send_cq_node);
	list_del_init(&qp->base.recv_cq_node);
}

static enum mhca_syndrome soft_qp_create(struct mhca_cmd *cmd)
{
	struct soft_qp *qp = (struct soft_qp *)cmd->obj;
	enum mhca_syndrome syndrome;
	struct soft_qp **special;
	struct soft_lane *lane;

	soft_qp_init(qp);
	lane = qp->base.si->lane;
	syndrome = soft_qp_parse(qp, cmd);
	if (syndrome)
		return syndrome;
	special = soft_qp_special(qp);
	if (special && *special)
		return MHCA_SYN_QUOTA;

	/* Nothing is allocated under the lane's lock. */
	if (soft_timers_reserve(&lane->timers, &lane->lock))
		return MHCA_SYN_NO_MEMORY;
	syndrome = mhca_object_number(&qp->base.obj, MHCA_QPN_FIRST, MHCA_SQN_FIRST - 1);

	mutex_lock(&lane->lock);
	if (!syndrome) {
		mutex_lock(&qp->rsp.lock);
		soft_qp_refresh(qp);
		mutex_unlock(&qp->rsp.lock);
		soft_qp_link(qp);
	} else {
		soft_timers_release(&lane->timers);
	}
	mutex_unlock(&lane->lock);
	return syndrome;
}

static enum mhca_syndrome soft_qp_query(struct mhca_cmd *cmd)
{
	struct soft_qp *qp = (struct soft_qp *)cmd->obj;
	struct soft_lane *lane = qp->base.si->lane;
	void *qpc = MLX5_ADDR_OF(query_qp_out, cmd->out, qpc);
	const __be32 *record;
	int idx;

	mutex_lock(&lane->lock);
	mutex_lock(&qp->rsp.lock);
	memcpy(qpc, qp->attr, sizeof(qp->attr));
	MLX5_SET(qpc, qpc, state, qp->state);
	MLX5_SET(qpc, qpc, next_send_psn, qp->req.psn);
	MLX5_SET(qpc, qpc, last_acked_psn, (qp->req.psn - 1) & 0xffffff);
	MLX5_SET(qpc, qpc, next_rcv_psn, qp->rsp.psn);
	MLX5_SET(qpc, qpc, cur_retry_count, qp->req.retries);
	MLX5_SET(qpc, qpc, cur_rnr_retry, qp->req.rnr_retries);
	MLX5_SET(qpc, qpc, hw_sq_wqebb_counter, qp->req.consumer);
	MLX5_SET(qpc, qpc, hw_rq_counter, qp->rsp.consumer);
	mutex_unlock(&qp->rsp.lock);
	mutex_unlock(&lane->lock);

	idx = soft_enter(cmd->inst);
	record = mhca_object_record(&qp->base.obj);
	if (record) {
		u32 received = be32_to_cpu(READ_ONCE(record[0]));
		u32 sent = be32_to_cpu(READ_ONCE(record[1]));

		MLX5_SET(qpc, qpc, sw_rq_counter, received);
		MLX5_SET(qpc, qpc, sw_sq_wqebb_counter, sent & 0xffff);
	}
	soft_leave(cmd->inst, idx);
	return MHCA_SYN_NONE;
}

/*
 * Nobody finds the QP by number any more. What holds it otherwise is a peer's
 * engine section, which the fence waits for, and the lists of its own lane.
 */
static void soft_qp_destroy(struct mhca_object *obj)
{
	struct soft_qp *qp = (struct soft_qp *)obj;
	struct soft_qp **special = soft_qp_special(qp);
	struct srcu_struct *srcu = &qp->base.si->hca->srcu;
	struct soft_lane *lane = qp->base.si->lane;

	if (special && *special == qp)
		WRITE_ONCE(*special, NULL);
	soft_mcast_forget(qp);
	soft_qp_reset(qp);
	synchronize_srcu_expedited(srcu);

	mutex_lock(&lane->lock);
	soft_qp_unlink(qp);
	soft_lane_forget_qp(lane, &qp->base);
	soft_timers_release(&lane->timers);
	mutex_unlock(&lane->lock);
}

static const char *soft_qp_type_name(u8 type)
{
	switch (type) {
	case MLX5_QP_ST_RC:
		return "RC";
	case MLX5_QP_ST_UC:
		return "UC";
	case MLX5_QP_ST_UD:
		return "UD";
	case MLX5_QP_ST_XRC:
		return "XRC";
	case MLX5_QP_ST_QP0:
		return "QP0";
	case MLX5_QP_ST_QP1:
		return "QP1";
	default:
		return "?";
	}
}

static const char *soft_qp_state_name(u8 state)
{
	static const char * const names[] = {
		[MLX5_QP_STATE_RST] = "RST",
		[MLX5_QP_STATE_INIT] = "INIT",
		[MLX5_QP_STATE_RTR] = "RTR",
		[MLX5_QP_STATE_RTS] = "RTS",
		[MLX5_QP_STATE_SQER] = "SQER",
		[MLX5_QP_STATE_SQD] = "SQD",
		[MLX5_QP_STATE_ERR] = "ERR",
	};

	return state < ARRAY_SIZE(names) && names[state] ? names[state] : "?";
}

/* &struct mhca_object_ops.describe; nothing is locked: it may be a little old or new. */
static int soft_qp_describe(const struct mhca_object *obj, char *buf, size_t size)
{
	const struct soft_qp *qp = container_of(obj, struct soft_qp, base.obj);
	u16 sent = READ_ONCE(qp->req.consumer), received = READ_ONCE(qp->rsp.consumer);

	return scnprintf(buf, size,
			 " %s %s peer=0x%06x dlid=%u sq=%u/%u rq=%u/%u psn=0x%06x/0x%06x retries=%u%s",
			 soft_qp_type_name(qp->type), soft_qp_state_name(READ_ONCE(qp->state)),
			 qp->remote_qpn, qp->av.dlid, sent,
			 qp->req.none ? sent : (u16)soft_record_word(obj, MLX5_SND_DBR, sent), received,
			 qp->rsp.none ? received : (u16)soft_record_word(obj, MLX5_RCV_DBR, received),
			 READ_ONCE(qp->req.psn), READ_ONCE(qp->rsp.psn),
			 READ_ONCE(qp->req.retries), READ_ONCE(qp->req.waiting) ? " waits" : "");
}

const struct mhca_object_ops soft_qp_ops = {
	.size = sizeof(struct soft_qp),
	.create = soft_qp_create,
	.modify = soft_qp_modify,
	.query = soft_qp_query,
	.describe = soft_qp_describe,
	.save = soft_qp_save,
	.load = soft_qp_load,
	.destroy = soft_qp_destroy,
};
