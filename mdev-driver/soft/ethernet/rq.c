// SPDX-License-Identifier: GPL-2.0-only
/*
 * Ethernet receive queues as objects: create, states, query, destroy. How frames get
 * into them is eth_rx.c's.
 */
#include <mhca/kernel.h>
#include "ethernet.h"

/* RST -> RDY; RDY, RST -> ERR; anything -> RST: PRM "SQ state machine". */
static bool soft_wq_may_become(u8 from, u8 to)
{
	switch (to) {
	case SOFT_WQ_RST:
		return true;
	case SOFT_WQ_RDY:
		return from != SOFT_WQ_ERR;
	default:
		return from != SOFT_WQ_RST;
	}
}

/**
 * soft_wq_transition() - may an SQ or RQ change its state?
 * @now: its state
 * @from: what the command takes for its state
 * @to: state to come
 *
 * Return: MHCA_SYN_NONE or OBJECT_STATE.
 */
enum mhca_syndrome soft_wq_transition(u8 now, u8 from, u8 to)
{
	if (now != from || !soft_wq_may_become(from, to))
		return MHCA_SYN_OBJECT_STATE;
	return MHCA_SYN_NONE;
}

static enum mhca_syndrome soft_rq_ring(struct soft_rq *rq, const void *wq)
{
	struct mhca_pages *pages = rq->obj.buffer;
	struct soft_ring *ring = &rq->ring;
	u64 bytes;

	if (!pages || !rq->obj.record)
		return MHCA_SYN_PAGE_LIST;
	rq->linked = MLX5_GET(wq, wq, wq_type) == MLX5_WQ_TYPE_LINKED_LIST;
	ring->pages = pages;
	ring->log_size = MLX5_GET(wq, wq, log_wq_sz);
	ring->log_stride = MLX5_GET(wq, wq, log_wq_stride);
	ring->offset = (u64)MLX5_GET(wq, wq, page_offset) << (pages->shift - 6);
	bytes = 1ULL << (ring->log_size + ring->log_stride);
	if (ring->offset > pages->bytes || bytes > pages->bytes - ring->offset)
		return MHCA_SYN_PAGE_LIST;
	return MHCA_SYN_NONE;
}

static enum mhca_syndrome soft_rq_create(struct mhca_cmd *cmd)
{
	const void *rqc = MLX5_ADDR_OF(create_rq_in, cmd->in, ctx);
	struct soft_rq *rq = (struct soft_rq *)cmd->obj;
	enum mhca_syndrome syndrome;

	spin_lock_init(&rq->lock);
	rq->si = soft_instance(cmd->inst);
	rq->cq = (struct soft_cq *)cmd->ref[0];
	rq->pd = cmd->ref[1] ? cmd->ref[1]->num : SOFT_NO_PD;
	rq->user_index = MLX5_GET(rqc, rqc, user_index);
	rq->counter_set = MLX5_GET(rqc, rqc, counter_set_id);
	rq->vlan_strip = !MLX5_GET(rqc, rqc, vsd);
	rq->state = SOFT_WQ_RST;
	syndrome = soft_rq_ring(rq, MLX5_ADDR_OF(rqc, rqc, wq));
	if (syndrome)
		return syndrome;
	return mhca_object_number(&rq->obj, MHCA_QPN_FIRST, MHCA_SQN_FIRST - 1);
}

static enum mhca_syndrome soft_rq_modify(struct mhca_cmd *cmd)
{
	const void *rqc = MLX5_ADDR_OF(modify_rq_in, cmd->in, ctx);
	u64 mask = MLX5_GET64(modify_rq_in, cmd->in, modify_bitmask);
	u8 from = MLX5_GET(modify_rq_in, cmd->in, rq_state);
	u8 to = MLX5_GET(rqc, rqc, state);
	struct soft_rq *rq = (struct soft_rq *)cmd->obj;
	enum mhca_syndrome syndrome;

	spin_lock(&rq->lock);
	syndrome = soft_wq_transition(rq->state, from, to);
	if (!syndrome) {
		rq->state = to;
		if (mask & MLX5_MODIFY_RQ_IN_MODIFY_BITMASK_VSD)
			rq->vlan_strip = !MLX5_GET(rqc, rqc, vsd);
		if (mask & MLX5_MODIFY_RQ_IN_MODIFY_BITMASK_RQ_COUNTER_SET_ID)
			rq->counter_set = MLX5_GET(rqc, rqc, counter_set_id);
		if (to == SOFT_WQ_RST) {
			rq->consumer = 0;
			rq->next = 0;
		}
	}
	spin_unlock(&rq->lock);
	/* A frame that was on its way has arrived or not: none arrives later. */
	if (!syndrome && to != SOFT_WQ_RDY)
		synchronize_srcu_expedited(&rq->si->hca->srcu);
	return syndrome;
}

static enum mhca_syndrome soft_rq_query(struct mhca_cmd *cmd)
{
	struct soft_rq *rq = (struct soft_rq *)cmd->obj;
	void *rqc = MLX5_ADDR_OF(query_rq_out, cmd->out, rq_context);
	void *wq = MLX5_ADDR_OF(rqc, rqc, wq);

	spin_lock(&rq->lock);
	MLX5_SET(rqc, rqc, state, rq->state);
	MLX5_SET(rqc, rqc, vsd, !rq->vlan_strip);
	MLX5_SET(wq, wq, hw_counter, rq->consumer);
	spin_unlock(&rq->lock);
	MLX5_SET(rqc, rqc, user_index, rq->user_index);
	MLX5_SET(rqc, rqc, cqn, rq->cq->obj.num);
	MLX5_SET(rqc, rqc, counter_set_id, rq->counter_set);
	MLX5_SET(wq, wq, wq_type, rq->linked ? MLX5_WQ_TYPE_LINKED_LIST : MLX5_WQ_TYPE_CYCLIC);
	MLX5_SET(wq, wq, pd, rq->pd == SOFT_NO_PD ? 0 : rq->pd);
	MLX5_SET(wq, wq, log_wq_sz, rq->ring.log_size);
	MLX5_SET(wq, wq, log_wq_stride, rq->ring.log_stride);
	return MHCA_SYN_NONE;
}

/* TIRs and RQTs hold it as users, so nobody can find it: what has, is waited for. */
static void soft_rq_destroy(struct mhca_object *obj)
{
	struct soft_rq *rq = (struct soft_rq *)obj;

	spin_lock(&rq->lock);
	rq->state = SOFT_WQ_RST;
	spin_unlock(&rq->lock);
	synchronize_srcu_expedited(&rq->si->hca->srcu);
}

const struct mhca_object_ops soft_rq_ops = {
	.size = sizeof(struct soft_rq),
	.create = soft_rq_create,
	.modify = soft_rq_modify,
	.query = soft_rq_query,
	.update = soft_rq_update,
	.save = soft_rq_save,
	.load = soft_rq_load,
	.destroy = soft_rq_destroy,
};
