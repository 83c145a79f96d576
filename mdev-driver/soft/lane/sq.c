// SPDX-License-Identifier: GPL-2.0-only
/*
 * Ethernet send queues as objects: create, states, query, destroy. What their WQEs
 * do is eth_tx.c's.
 */
#include <mhca/kernel.h>
#include "lane.h"

static enum mhca_syndrome soft_sq_buffer(struct soft_sq *sq, const void *wq)
{
	struct mhca_pages *pages = sq->obj.buffer;
	struct soft_ring *ring = &sq->ring;
	u64 bytes;

	if (!pages || !sq->obj.record)
		return MHCA_SYN_PAGE_LIST;
	ring->pages = pages;
	ring->log_size = MLX5_GET(wq, wq, log_wq_sz);
	ring->log_stride = MLX5_GET(wq, wq, log_wq_stride);
	ring->offset = (u64)MLX5_GET(wq, wq, page_offset) << (pages->shift - 6);
	bytes = 1ULL << (ring->log_size + ring->log_stride);
	if (ring->offset > pages->bytes || bytes > pages->bytes - ring->offset)
		return MHCA_SYN_PAGE_LIST;
	return MHCA_SYN_NONE;
}

static enum mhca_syndrome soft_sq_create(struct mhca_cmd *cmd)
{
	const void *sqc = MLX5_ADDR_OF(create_sq_in, cmd->in, ctx);
	struct soft_sq *sq = (struct soft_sq *)cmd->obj;
	enum mhca_syndrome syndrome;
	struct soft_lane *lane;

	sq->si = soft_instance(cmd->inst);
	lane = sq->si->lane;
	INIT_LIST_HEAD(&sq->uar_node);
	INIT_LIST_HEAD(&sq->active_node);
	sq->state = SOFT_WQ_RST;
	sq->cq = (struct soft_cq *)cmd->ref[0];
	sq->uar = (struct soft_uar *)cmd->ref[1];
	sq->pd = cmd->ref[2] ? cmd->ref[2]->num : SOFT_NO_PD;
	sq->tis = cmd->ref[3] ? cmd->ref[3]->num : 0;
	sq->user_index = MLX5_GET(sqc, sqc, user_index);
	syndrome = soft_sq_buffer(sq, MLX5_ADDR_OF(sqc, sqc, wq));
	if (!syndrome)
		syndrome = mhca_object_number(&sq->obj, MHCA_SQN_FIRST, MHCA_NUMBER_MAX);
	if (syndrome)
		return syndrome;

	mutex_lock(&lane->lock);
	list_add_tail(&sq->uar_node, &sq->uar->sqs);
	sq->uar->n_sqs++;
	mutex_unlock(&lane->lock);
	return MHCA_SYN_NONE;
}

/* A ready queue waits for a doorbell; in error, what is posted is flushed. */
static void soft_sq_set_state(struct soft_sq *sq, u8 to)
{
	struct soft_lane *lane = sq->si->lane;

	soft_lane_forget_sq(lane, sq);
	switch (to) {
	case SOFT_WQ_RST:
		sq->consumer = 0;
		break;
	case SOFT_WQ_RDY:
		/* Of the life before; a store to come is of this one. */
		soft_doorbell_look(lane, sq->uar);
		soft_sq_begin(sq);
		break;
	default:
		soft_lane_activate_sq(lane, sq);
	}
	sq->state = to;
}

static enum mhca_syndrome soft_sq_modify(struct mhca_cmd *cmd)
{
	struct soft_sq *sq = (struct soft_sq *)cmd->obj;
	struct soft_lane *lane = sq->si->lane;
	u8 from = MLX5_GET(modify_sq_in, cmd->in, sq_state);
	u8 to = MLX5_GET(modify_sq_in, cmd->in, ctx.state);
	enum mhca_syndrome syndrome;
	int idx;

	mutex_lock(&lane->lock);
	idx = soft_enter(cmd->inst);
	syndrome = soft_wq_transition(sq->state, from, to);
	if (!syndrome && from != to)
		soft_sq_set_state(sq, to);
	soft_leave(cmd->inst, idx);
	mutex_unlock(&lane->lock);
	if (!syndrome && to != SOFT_WQ_RST)
		soft_lane_wake(lane);
	return syndrome;
}

static enum mhca_syndrome soft_sq_query(struct mhca_cmd *cmd)
{
	struct soft_sq *sq = (struct soft_sq *)cmd->obj;
	void *sqc = MLX5_ADDR_OF(query_sq_out, cmd->out, sq_context);
	void *wq = MLX5_ADDR_OF(sqc, sqc, wq);

	mutex_lock(&sq->si->lane->lock);
	MLX5_SET(sqc, sqc, state, sq->state);
	MLX5_SET(wq, wq, hw_counter, sq->consumer);
	mutex_unlock(&sq->si->lane->lock);
	MLX5_SET(sqc, sqc, user_index, sq->user_index);
	MLX5_SET(sqc, sqc, cqn, sq->cq->obj.num);
	MLX5_SET(sqc, sqc, tis_num_0, sq->tis);
	MLX5_SET(sqc, sqc, tis_lst_sz, !!sq->tis);
	MLX5_SET(wq, wq, wq_type, 1);
	MLX5_SET(wq, wq, pd, sq->pd == SOFT_NO_PD ? 0 : sq->pd);
	MLX5_SET(wq, wq, uar_page, sq->uar->obj.num);
	MLX5_SET(wq, wq, log_wq_sz, sq->ring.log_size);
	MLX5_SET(wq, wq, log_wq_stride, sq->ring.log_stride);
	return MHCA_SYN_NONE;
}

/* Nobody finds it by number any more; its lane's lists are what is left. */
static void soft_sq_destroy(struct mhca_object *obj)
{
	struct soft_sq *sq = (struct soft_sq *)obj;
	struct soft_lane *lane = sq->si->lane;
	struct soft_uar *uar = sq->uar;

	mutex_lock(&lane->lock);
	sq->state = SOFT_WQ_RST;
	soft_lane_forget_sq(lane, sq);
	list_del_init(&sq->uar_node);
	uar->n_sqs--;
	uar->sweep_sqs = min(uar->sweep_sqs, uar->n_sqs);
	mutex_unlock(&lane->lock);
	synchronize_srcu_expedited(&sq->si->hca->srcu);
}

/* ---- Migration --------------------------------------------------------------- */

/* A WQE that is under way begins anew on the target: of its frames some come twice. */
static void soft_sq_save(struct mhca_object *obj, struct mhca_image *image)
{
	struct soft_sq *sq = (struct soft_sq *)obj;

	mutex_lock(&sq->si->lane->lock);
	mhca_image_put_u8(image, sq->state);
	mhca_image_put_u16(image, sq->consumer);
	mhca_image_put_u8(image, sq->fresh);
	mhca_image_put_u16(image, sq->left);
	mutex_unlock(&sq->si->lane->lock);
}

/* All pages are looked at when it first runs: what was posted meanwhile is found then. */
static enum mhca_syndrome soft_sq_load(struct mhca_object *obj, struct mhca_reader *in)
{
	struct soft_sq *sq = (struct soft_sq *)obj;
	u8 state = mhca_reader_u8(in);

	if (!soft_wq_state_ok(state))
		return MHCA_SYN_OBJECT_STATE;
	mutex_lock(&sq->si->lane->lock);
	sq->state = state;
	sq->consumer = mhca_reader_u16(in);
	sq->fresh = mhca_reader_u8(in);
	sq->left = mhca_reader_u16(in);
	mutex_unlock(&sq->si->lane->lock);
	return MHCA_SYN_NONE;
}

const struct mhca_object_ops soft_sq_ops = {
	.size = sizeof(struct soft_sq),
	.create = soft_sq_create,
	.modify = soft_sq_modify,
	.query = soft_sq_query,
	.save = soft_sq_save,
	.load = soft_sq_load,
	.destroy = soft_sq_destroy,
};
