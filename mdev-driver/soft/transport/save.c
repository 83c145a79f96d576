// SPDX-License-Identifier: GPL-2.0-only
/*
 * What an image says of QPs and SRQs beyond the commands that create them: how far their
 * queues have come, what they wait for, what their guest changed since.
 *
 * Saved from an instance that stands still, and loaded into one that does not run yet:
 * guest memory is not looked at.
 *
 * A send WQE that is under way is not saved: it begins anew, as after a lost packet. A
 * receive WQE that is held is: the guest does not post it again.
 */
#include <mhca/image.h>
#include <mhca/kernel.h>
#include "transport.h"

#define SOFT_PSN_MASK		0xffffffU
/* No wait of a QP is longer: the greatest acknowledgement timeout. */
#define SOFT_WAIT_MAX_NS	(4096ULL << 31)

/* ---- SRQ --------------------------------------------------------------------- */

void soft_srq_save(struct mhca_object *obj, struct mhca_image *image)
{
	struct soft_srq *srq = (struct soft_srq *)obj;

	spin_lock(&srq->lock);
	mhca_image_put_u16(image, srq->next);
	mhca_image_put_u16(image, srq->taken);
	mhca_image_put_u16(image, srq->limit);
	mhca_image_put_u8(image, srq->failed);
	spin_unlock(&srq->lock);
}

enum mhca_syndrome soft_srq_load(struct mhca_object *obj, struct mhca_reader *in)
{
	struct soft_srq *srq = (struct soft_srq *)obj;
	u16 next = mhca_reader_u16(in), taken = mhca_reader_u16(in);
	u16 limit = mhca_reader_u16(in);
	bool failed = mhca_reader_u8(in);

	if (next >= BIT(srq->ring.log_size))
		return MHCA_SYN_INDEX;
	if (limit > BIT(srq->ring.log_size))
		return MHCA_SYN_SRQ_ATTR;
	spin_lock(&srq->lock);
	srq->next = next;
	srq->taken = taken;
	srq->limit = limit;
	srq->failed = failed;
	spin_unlock(&srq->lock);
	return MHCA_SYN_NONE;
}

/* ---- QP ---------------------------------------------------------------------- */

static void soft_recv_save(const struct soft_recv *recv, struct mhca_image *image)
{
	u32 i;

	mhca_image_put_u16(image, recv->counter);
	mhca_image_put_u32(image, recv->srqn);
	mhca_image_put_u32(image, recv->sgl.n);
	for (i = 0; i < recv->sgl.n; i++) {
		mhca_image_put_u64(image, recv->sgl.seg[i].addr);
		mhca_image_put_u32(image, recv->sgl.seg[i].lkey);
		mhca_image_put_u32(image, recv->sgl.seg[i].len);
	}
}

static enum mhca_syndrome soft_recv_load(struct soft_qp *qp, struct mhca_reader *in)
{
	struct soft_recv *recv = &qp->rsp.recv;
	struct mhca_object *srq;
	u32 i, n;

	recv->counter = mhca_reader_u16(in);
	recv->srqn = mhca_reader_u32(in);
	n = mhca_reader_u32(in);
	if (n > SOFT_MAX_SEG)
		return MHCA_SYN_QUEUE_SIZE;
	srq = recv->srqn ? mhca_object_find(qp->base.obj.inst, MHCA_SRQ, recv->srqn) : NULL;
	recv->srq = (struct soft_srq *)srq;
	/* Of its own queue, its own SRQ, or an XRC SRQ of its domain. */
	if (!srq != !recv->srqn || (srq && qp->type == MLX5_QP_ST_XRC ?
				    recv->srq->flavour != SOFT_XRC_SRQ || recv->srq->xrcd != qp->xrcd :
				    recv->srq != qp->srq) || (!srq && qp->rsp.none))
		return MHCA_SYN_NO_OBJECT;
	recv->sgl.n = n;
	recv->sgl.len = 0;
	for (i = 0; i < n; i++) {
		struct soft_seg *seg = &recv->sgl.seg[i];

		seg->inline_data = NULL;
		seg->addr = mhca_reader_u64(in);
		seg->lkey = mhca_reader_u32(in);
		seg->len = mhca_reader_u32(in);
		recv->sgl.len += seg->len;
		/* Empty ones are dropped where WQEs are parsed: none is walked over. */
		if (!seg->len)
			return MHCA_SYN_QUEUE_SIZE;
	}
	return MHCA_SYN_NONE;
}

/*
 * Packets under way, and which READs and atomics were answered, are in no image: who asks
 * for one again must not have it executed twice. lane->lock and rsp.lock held.
 */
static bool soft_qp_is_beyond(const struct soft_qp *qp)
{
	bool beyond;
	int idx;

	switch (qp->type) {
	case MLX5_QP_ST_RC:
	case MLX5_QP_ST_UC:
	case MLX5_QP_ST_XRC:
		break;
	default:
		return false;
	}
	if (qp->state == MLX5_QP_STATE_RST || qp->state == MLX5_QP_STATE_INIT ||
	    qp->state == MLX5_QP_STATE_ERR)
		return false;
	idx = soft_enter(qp->base.obj.inst);
	beyond = soft_roce_is_beyond(qp, &qp->av);
	soft_leave(qp->base.obj.inst, idx);
	return beyond;
}

void soft_qp_save(struct mhca_object *obj, struct mhca_image *image)
{
	struct soft_qp *qp = (struct soft_qp *)obj;
	struct soft_lane *lane = qp->base.si->lane;

	mutex_lock(&lane->lock);
	mutex_lock(&qp->rsp.lock);
	if (soft_qp_is_beyond(qp)) {
		mhca_warn(obj->inst, "cannot be saved: QP 0x%x is connected to another host\n",
			  obj->num);
		mhca_image_refuse(image, -EOPNOTSUPP);
	}
	mhca_image_put_u8(image, qp->state);
	mhca_image_put(image, qp->attr, sizeof(qp->attr));
	mhca_image_put_u16(image, qp->req.consumer);
	mhca_image_put_u32(image, qp->req.psn);
	mhca_image_put_u8(image, qp->req.retries);
	mhca_image_put_u8(image, qp->req.rnr_retries);
	mhca_image_put_u64(image, qp->req.waiting && qp->base.timer.pos ?
			   soft_remaining(qp->base.timer.deadline) : 0);
	mhca_image_put_u16(image, qp->rsp.consumer);
	mhca_image_put_u32(image, qp->rsp.psn);
	mhca_image_put_u8(image, qp->rsp.dead);
	mhca_image_put_u8(image, qp->rsp.established);
	mhca_image_put_u8(image, qp->rsp.last_due);
	mhca_image_put_u8(image, qp->rsp.busy);
	if (qp->rsp.busy)
		soft_recv_save(&qp->rsp.recv, image);
	mutex_unlock(&qp->rsp.lock);
	mutex_unlock(&lane->lock);
	soft_mcast_save(qp, image);
}

static void soft_qp_load_requester(struct soft_qp *qp, struct mhca_reader *in)
{
	u64 wait;

	qp->req.consumer = mhca_reader_u16(in);
	qp->req.psn = mhca_reader_u32(in) & SOFT_PSN_MASK;
	qp->req.retries = mhca_reader_u8(in);
	qp->req.rnr_retries = mhca_reader_u8(in);
	wait = mhca_reader_u64(in);
	if (!wait || qp->state != MLX5_QP_STATE_RTS)
		return;
	qp->req.waiting = true;
	soft_timer_arm(&qp->base.si->lane->timers, &qp->base.timer,
		       ktime_get_ns() + min(wait, SOFT_WAIT_MAX_NS));
}

static enum mhca_syndrome soft_qp_load_responder(struct soft_qp *qp, struct mhca_reader *in)
{
	enum mhca_syndrome syndrome = MHCA_SYN_NONE;
	bool busy;

	qp->rsp.consumer = mhca_reader_u16(in);
	qp->rsp.psn = mhca_reader_u32(in) & SOFT_PSN_MASK;
	qp->rsp.dead = mhca_reader_u8(in);
	qp->rsp.established = mhca_reader_u8(in);
	qp->rsp.last_due = mhca_reader_u8(in) && qp->srq;
	busy = mhca_reader_u8(in);
	if (busy)
		syndrome = soft_recv_load(qp, in);
	if (!syndrome && !in->bad)
		qp->rsp.busy = busy;
	return syndrome;
}

static enum mhca_syndrome soft_qp_load_halves(struct soft_qp *qp, struct mhca_reader *in)
{
	__be32 attr[MLX5_ST_SZ_DW(qpc)];
	u8 state = mhca_reader_u8(in);
	enum mhca_syndrome syndrome;

	mhca_reader_get(in, attr, sizeof(attr));
	syndrome = soft_qp_restore(qp, state, attr);
	if (syndrome)
		return syndrome;
	soft_qp_load_requester(qp, in);
	return soft_qp_load_responder(qp, in);
}

enum mhca_syndrome soft_qp_load(struct mhca_object *obj, struct mhca_reader *in)
{
	struct soft_qp *qp = (struct soft_qp *)obj;
	struct soft_lane *lane = qp->base.si->lane;
	enum mhca_syndrome syndrome;

	/* A state that there is already would leave its timer and lists behind. */
	if (qp->state != MLX5_QP_STATE_RST)
		return MHCA_SYN_QP_STATE;
	mutex_lock(&lane->lock);
	mutex_lock(&qp->rsp.lock);
	syndrome = soft_qp_load_halves(qp, in);
	mutex_unlock(&qp->rsp.lock);
	if (!syndrome && qp->state == MLX5_QP_STATE_ERR)
		soft_qp_to_error(qp);
	else if (!syndrome && qp->state == MLX5_QP_STATE_SQER)
		soft_watch_error(qp);
	mutex_unlock(&lane->lock);
	if (syndrome || in->bad)
		return syndrome;
	/* Condemned, and not moved to ERR yet. */
	if (qp->rsp.dead && qp->state != MLX5_QP_STATE_ERR)
		soft_lane_fail(&qp->base);
	return soft_mcast_load(qp, in);
}
