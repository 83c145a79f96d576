// SPDX-License-Identifier: GPL-2.0-only
/*
 * Shared receive queues. SRQ, XRC SRQ and RMP are the same thing made by three
 * commands: a linked list of WQEs in a ring, consumed by whoever receives.
 */
#include <mhca/kernel.h>
#include "transport.h"

#define SOFT_LOG_WQE_MIN	5	/* next segment and one data segment */
#define SOFT_LOG_WQE_MAX	9

/**
 * struct soft_srq_context - what the three contexts have in common
 * @log_size: log2 of WQEs
 * @log_stride: log2 of a WQE's bytes
 * @page_offset: in units of page_size / 64
 * @lwm: limit
 * @user_index: XRC
 * @unsupported: something is asked for that no capability offers
 */
struct soft_srq_context {
	u32 log_size;
	u32 log_stride;
	u32 page_offset;
	u16 lwm;
	u32 user_index;
	bool unsupported;
};

static void soft_srq_parse_basic(struct soft_srq_context *ctx, const void *in)
{
	const void *srqc = MLX5_ADDR_OF(create_srq_in, in, srq_context_entry);

	ctx->log_size = MLX5_GET(srqc, srqc, log_srq_size);
	ctx->log_stride = MLX5_GET(srqc, srqc, log_rq_stride) + 4;
	ctx->page_offset = MLX5_GET(srqc, srqc, page_offset);
	ctx->lwm = MLX5_GET(srqc, srqc, lwm);
	ctx->user_index = 0xffffff;
	ctx->unsupported = MLX5_GET(srqc, srqc, wq_signature) ||
			   MLX5_GET(srqc, srqc, cont_srq);
}

static void soft_srq_parse_xrc(struct soft_srq_context *ctx, const void *in)
{
	const void *srqc = MLX5_ADDR_OF(create_xrc_srq_in, in, xrc_srq_context_entry);

	ctx->log_size = MLX5_GET(xrc_srqc, srqc, log_xrc_srq_size);
	ctx->log_stride = MLX5_GET(xrc_srqc, srqc, log_rq_stride) + 4;
	ctx->page_offset = MLX5_GET(xrc_srqc, srqc, page_offset);
	ctx->lwm = MLX5_GET(xrc_srqc, srqc, lwm);
	ctx->user_index = MLX5_GET(xrc_srqc, srqc, user_index);
	ctx->unsupported = MLX5_GET(xrc_srqc, srqc, wq_signature) ||
			   MLX5_GET(xrc_srqc, srqc, cont_srq) ||
			   MLX5_GET(xrc_srqc, srqc, basic_cyclic_rcv_wqe);
}

static void soft_srq_parse_rmp(struct soft_srq_context *ctx, const void *in)
{
	const void *rmpc = MLX5_ADDR_OF(create_rmp_in, in, ctx);
	const void *wq = MLX5_ADDR_OF(rmpc, rmpc, wq);

	ctx->log_size = MLX5_GET(wq, wq, log_wq_sz);
	ctx->log_stride = MLX5_GET(wq, wq, log_wq_stride);
	ctx->page_offset = MLX5_GET(wq, wq, page_offset);
	ctx->lwm = MLX5_GET(wq, wq, lwm);
	ctx->user_index = 0xffffff;
	ctx->unsupported = MLX5_GET(wq, wq, wq_signature) ||
			   MLX5_GET(wq, wq, wq_type) != MLX5_WQ_TYPE_LINKED_LIST ||
			   MLX5_GET(rmpc, rmpc, basic_cyclic_rcv_wqe) ||
			   MLX5_GET(rmpc, rmpc, state) != MLX5_RMPC_STATE_RDY;
}

/* The three commands that make one. */
static const struct soft_srq_maker {
	u16 opcode;
	enum soft_srq_flavour flavour;
	void (*parse)(struct soft_srq_context *ctx, const void *in);
} soft_srq_makers[] = {
	{ MLX5_CMD_OP_CREATE_SRQ, SOFT_SRQ, soft_srq_parse_basic },
	{ MLX5_CMD_OP_CREATE_XRC_SRQ, SOFT_XRC_SRQ, soft_srq_parse_xrc },
	{ MLX5_CMD_OP_CREATE_RMP, SOFT_RMP, soft_srq_parse_rmp },
};

static const struct soft_srq_maker *soft_srq_maker(u16 opcode)
{
	u32 i;

	for (i = 0; i < ARRAY_SIZE(soft_srq_makers); i++)
		if (soft_srq_makers[i].opcode == opcode)
			return &soft_srq_makers[i];
	return NULL;
}

static enum mhca_syndrome soft_srq_ring(struct soft_ring *ring,
					const struct soft_srq_context *ctx,
					struct mhca_pages *pages)
{
	u64 bytes;

	if (ctx->log_size > MHCA_LOG_MAX_SRQ_SZ || ctx->log_stride < SOFT_LOG_WQE_MIN ||
	    ctx->log_stride > SOFT_LOG_WQE_MAX)
		return MHCA_SYN_QUEUE_SIZE;
	if (!pages)
		return MHCA_SYN_PAGE_LIST;
	ring->pages = pages;
	ring->log_size = ctx->log_size;
	ring->log_stride = ctx->log_stride;
	ring->offset = (u64)ctx->page_offset << (pages->shift - 6);
	bytes = 1ULL << (ring->log_size + ring->log_stride);
	if (ring->offset > pages->bytes || bytes > pages->bytes - ring->offset)
		return MHCA_SYN_PAGE_LIST;
	return MHCA_SYN_NONE;
}

static enum mhca_syndrome soft_srq_create(struct mhca_cmd *cmd)
{
	const struct soft_srq_maker *maker = soft_srq_maker(cmd->opcode);
	struct soft_srq *srq = (struct soft_srq *)cmd->obj;
	struct soft_srq_context ctx = {};
	enum mhca_syndrome syndrome;

	if (!maker)
		return MHCA_SYN_UNKNOWN_OPCODE;
	maker->parse(&ctx, cmd->in);
	if (ctx.unsupported || !srq->obj.record || !cmd->ref[0] ||
	    ctx.lwm > BIT(min_t(u32, ctx.log_size, MHCA_LOG_MAX_SRQ_SZ)))
		return MHCA_SYN_SRQ_ATTR;

	spin_lock_init(&srq->lock);
	srq->flavour = maker->flavour;
	srq->pd = cmd->ref[0]->num;
	srq->user_index = ctx.user_index;
	srq->limit = ctx.lwm;
	if (maker->flavour == SOFT_XRC_SRQ) {
		if (!cmd->ref[1] || !cmd->ref[2])
			return MHCA_SYN_SRQ_ATTR;
		srq->cq = (struct soft_cq *)cmd->ref[1];
		srq->xrcd = cmd->ref[2]->num;
	}
	syndrome = soft_srq_ring(&srq->ring, &ctx, srq->obj.buffer);
	if (syndrome)
		return syndrome;
	return mhca_object_number(&srq->obj, 1, MHCA_NUMBER_MAX);
}

/* WQEs posted and not taken: 16 bits of the running count are significant. */
static u16 soft_srq_free(const struct soft_srq *srq, const __be32 *record)
{
	return (u16)be32_to_cpu(READ_ONCE(record[0])) - srq->taken;
}

/* One event when fewer than the limit are free; then it is disarmed. srq->lock held. */
static void soft_srq_check_limit(struct soft_srq *srq, u16 free)
{
	lockdep_assert_held(&srq->lock);
	if (!srq->limit || free >= srq->limit)
		return;
	srq->limit = 0;
	mhca_event_srq(srq->obj.inst, MLX5_EVENT_TYPE_SRQ_RQ_LIMIT, srq->obj.num);
}

/* Nothing more can be received through it. srq->lock held. */
static enum soft_result soft_srq_fail(struct soft_srq *srq)
{
	lockdep_assert_held(&srq->lock);
	srq->failed = true;
	mhca_event_srq(srq->obj.inst, MLX5_EVENT_TYPE_SRQ_CATAS_ERROR, srq->obj.num);
	return SOFT_MEMORY_LOST;
}

static enum soft_result soft_srq_take_locked(struct soft_srq *srq, struct soft_recv *recv)
{
	const __be32 *record = mhca_object_record(&srq->obj);
	u32 bytes = BIT(srq->ring.log_stride);
	u8 raw[BIT(SOFT_LOG_WQE_MAX)] __aligned(8);
	const struct mlx5_wqe_srq_next_seg *head = (void *)raw;
	u16 free, next;

	if (srq->failed)
		return SOFT_MEMORY_LOST;
	if (!record)
		return soft_srq_fail(srq);
	free = soft_srq_free(srq, record);
	if (!free)
		return SOFT_RNR;
	if (free > BIT(srq->ring.log_size))
		return soft_srq_fail(srq);

	/* The WQE was written before the count that covers it. */
	smp_rmb();
	if (mhca_pages_read(srq->ring.pages,
			    srq->ring.offset + ((u64)srq->next << srq->ring.log_stride),
			    raw, bytes))
		return soft_srq_fail(srq);
	next = be16_to_cpu(head->next_wqe_index);
	if (next >= BIT(srq->ring.log_size))
		return soft_srq_fail(srq);

	recv->counter = srq->next;
	recv->srq = srq;
	recv->srqn = srq->obj.num;
	srq->next = next;
	srq->taken++;
	soft_srq_check_limit(srq, free - 1);

	if (!soft_recv_parse(raw + sizeof(*head), bytes - sizeof(*head), &recv->sgl)) {
		recv->sgl.n = 0;
		recv->sgl.len = 0;
		return SOFT_LOCAL_QP_OP;
	}
	return SOFT_OK;
}

/**
 * soft_srq_take() - take the next receive WQE
 * @srq: queue; inside srcu
 * @recv: out: the WQE
 *
 * Return: SOFT_OK; SOFT_RNR: none posted; SOFT_MEMORY_LOST: the queue is broken;
 * SOFT_LOCAL_QP_OP: taken, but its data segments are malformed.
 */
enum soft_result soft_srq_take(struct soft_srq *srq, struct soft_recv *recv)
{
	enum soft_result result;

	spin_lock(&srq->lock);
	result = soft_srq_take_locked(srq, recv);
	spin_unlock(&srq->lock);
	return result;
}

static enum mhca_syndrome soft_srq_arm(struct soft_srq *srq, u16 lwm)
{
	const __be32 *record;
	int idx;

	if (lwm > BIT(srq->ring.log_size))
		return MHCA_SYN_SRQ_ATTR;
	idx = soft_enter(srq->obj.inst);
	spin_lock(&srq->lock);
	srq->limit = lwm;
	record = mhca_object_record(&srq->obj);
	if (record)
		soft_srq_check_limit(srq, soft_srq_free(srq, record));
	spin_unlock(&srq->lock);
	soft_leave(srq->obj.inst, idx);
	return MHCA_SYN_NONE;
}

static enum mhca_syndrome soft_srq_modify_rmp(struct soft_srq *srq, const void *in)
{
	const void *rmpc = MLX5_ADDR_OF(modify_rmp_in, in, ctx);

	if (MLX5_GET(modify_rmp_in, in, rmp_state) != MLX5_RMPC_STATE_RDY ||
	    MLX5_GET(rmpc, rmpc, state) != MLX5_RMPC_STATE_RDY)
		return MHCA_SYN_OBJECT_STATE;
	if (!MLX5_GET(modify_rmp_in, in, bitmask.lwm))
		return MHCA_SYN_NONE;
	return soft_srq_arm(srq, MLX5_GET(rmpc, rmpc, wq.lwm));
}

static enum mhca_syndrome soft_srq_modify(struct mhca_cmd *cmd)
{
	struct soft_srq *srq = (struct soft_srq *)cmd->obj;

	switch (cmd->opcode) {
	case MLX5_CMD_OP_ARM_RQ:
		if (srq->flavour != SOFT_SRQ)
			return MHCA_SYN_OBJECT_TYPE;
		if (cmd->op_mod != MLX5_ARM_RQ_IN_OP_MOD_SRQ)
			return MHCA_SYN_OP_MOD;
		return soft_srq_arm(srq, MLX5_GET(arm_rq_in, cmd->in, lwm));
	case MLX5_CMD_OP_ARM_XRC_SRQ:
		if (srq->flavour != SOFT_XRC_SRQ)
			return MHCA_SYN_OBJECT_TYPE;
		if (cmd->op_mod != MLX5_ARM_XRC_SRQ_IN_OP_MOD_XRC_SRQ)
			return MHCA_SYN_OP_MOD;
		return soft_srq_arm(srq, MLX5_GET(arm_xrc_srq_in, cmd->in, lwm));
	case MLX5_CMD_OP_MODIFY_RMP:
		if (srq->flavour != SOFT_RMP)
			return MHCA_SYN_OBJECT_TYPE;
		return soft_srq_modify_rmp(srq, cmd->in);
	default:
		return MHCA_SYN_UNKNOWN_OPCODE;
	}
}

/**
 * struct soft_srq_view - an SRQ's state for QUERY, taken under its lock
 * @log_page: log2 of the page size - 12
 * @page_offset: in units of page_size / 64
 * @lwm: limit
 * @free: WQEs posted and not taken
 * @bad: the queue has failed
 */
struct soft_srq_view {
	u32 log_page;
	u32 page_offset;
	u16 lwm;
	u16 free;
	bool bad;
};

static void soft_srq_view(struct soft_srq *srq, struct soft_srq_view *view)
{
	int idx = soft_enter(srq->obj.inst);
	const __be32 *record = mhca_object_record(&srq->obj);
	u8 shift = srq->ring.pages->shift;

	spin_lock(&srq->lock);
	view->log_page = shift - MHCA_PAGE_SHIFT;
	view->page_offset = srq->ring.offset >> (shift - 6);
	view->lwm = srq->limit;
	view->free = record ? soft_srq_free(srq, record) : 0;
	view->bad = srq->failed;
	spin_unlock(&srq->lock);
	soft_leave(srq->obj.inst, idx);
}

static void soft_srq_query_basic(const struct soft_srq *srq,
				 const struct soft_srq_view *view, void *out)
{
	void *srqc = MLX5_ADDR_OF(query_srq_out, out, srq_context_entry);

	MLX5_SET(srqc, srqc, state, view->bad ? MLX5_SRQC_STATE_ERROR : MLX5_SRQC_STATE_GOOD);
	MLX5_SET(srqc, srqc, log_srq_size, srq->ring.log_size);
	MLX5_SET(srqc, srqc, log_rq_stride, srq->ring.log_stride - 4);
	MLX5_SET(srqc, srqc, page_offset, view->page_offset);
	MLX5_SET(srqc, srqc, log_page_size, view->log_page);
	MLX5_SET(srqc, srqc, pd, srq->pd);
	MLX5_SET(srqc, srqc, lwm, view->lwm);
	MLX5_SET(srqc, srqc, wqe_cnt, view->free);
}

static void soft_srq_query_xrc(const struct soft_srq *srq,
			       const struct soft_srq_view *view, void *out)
{
	void *srqc = MLX5_ADDR_OF(query_xrc_srq_out, out, xrc_srq_context_entry);

	MLX5_SET(xrc_srqc, srqc, state,
		 view->bad ? MLX5_XRC_SRQC_STATE_ERROR : MLX5_XRC_SRQC_STATE_GOOD);
	MLX5_SET(xrc_srqc, srqc, log_xrc_srq_size, srq->ring.log_size);
	MLX5_SET(xrc_srqc, srqc, log_rq_stride, srq->ring.log_stride - 4);
	MLX5_SET(xrc_srqc, srqc, page_offset, view->page_offset);
	MLX5_SET(xrc_srqc, srqc, log_page_size, view->log_page);
	MLX5_SET(xrc_srqc, srqc, pd, srq->pd);
	MLX5_SET(xrc_srqc, srqc, xrcd, srq->xrcd);
	MLX5_SET(xrc_srqc, srqc, cqn, srq->cq->obj.num);
	MLX5_SET(xrc_srqc, srqc, user_index, srq->user_index);
	MLX5_SET(xrc_srqc, srqc, lwm, view->lwm);
	MLX5_SET(xrc_srqc, srqc, wqe_cnt, view->free);
}

static void soft_srq_query_rmp(const struct soft_srq *srq,
			       const struct soft_srq_view *view, void *out)
{
	void *rmpc = MLX5_ADDR_OF(query_rmp_out, out, rmp_context);
	void *wq = MLX5_ADDR_OF(rmpc, rmpc, wq);

	MLX5_SET(rmpc, rmpc, state, view->bad ? MLX5_RMPC_STATE_ERR : MLX5_RMPC_STATE_RDY);
	MLX5_SET(wq, wq, wq_type, MLX5_WQ_TYPE_LINKED_LIST);
	MLX5_SET(wq, wq, log_wq_sz, srq->ring.log_size);
	MLX5_SET(wq, wq, log_wq_stride, srq->ring.log_stride);
	MLX5_SET(wq, wq, page_offset, view->page_offset);
	MLX5_SET(wq, wq, log_wq_pg_sz, view->log_page);
	MLX5_SET(wq, wq, pd, srq->pd);
	MLX5_SET(wq, wq, lwm, view->lwm);
}

/* The command must be the one for the SRQ's flavour: layouts differ. */
static const struct soft_srq_asker {
	u16 opcode;
	void (*fill)(const struct soft_srq *srq, const struct soft_srq_view *view, void *out);
} soft_srq_askers[] = {
	[SOFT_SRQ] = { MLX5_CMD_OP_QUERY_SRQ, soft_srq_query_basic },
	[SOFT_XRC_SRQ] = { MLX5_CMD_OP_QUERY_XRC_SRQ, soft_srq_query_xrc },
	[SOFT_RMP] = { MLX5_CMD_OP_QUERY_RMP, soft_srq_query_rmp },
};

static enum mhca_syndrome soft_srq_query(struct mhca_cmd *cmd)
{
	struct soft_srq *srq = (struct soft_srq *)cmd->obj;
	const struct soft_srq_asker *asker = &soft_srq_askers[srq->flavour];
	struct soft_srq_view view;

	if (cmd->opcode != asker->opcode)
		return MHCA_SYN_OBJECT_TYPE;
	soft_srq_view(srq, &view);
	asker->fill(srq, &view, cmd->out);
	return MHCA_SYN_NONE;
}

/*
 * QPs hold a reference to a basic SRQ or RMP, but an XRC SRQ is named by messages:
 * a responder may hold one of its WQEs for a message in progress. That message
 * has lost its receive.
 */
static void soft_srq_revoke(struct soft_srq *srq)
{
	struct mhca_instance *inst = srq->obj.inst;
	struct soft_qp *qp;
	unsigned long qpn;
	bool lost;

	xa_for_each(&inst->objects[MHCA_QP], qpn, qp) {
		if (qp->type != MLX5_QP_ST_XRC)
			continue;
		mutex_lock(&qp->rsp.lock);
		lost = qp->rsp.busy && qp->rsp.recv.srq == srq;
		if (lost) {
			qp->rsp.busy = false;
			qp->rsp.recv.srq = NULL;
			qp->rsp.dead = true;
		}
		mutex_unlock(&qp->rsp.lock);
		if (lost)
			soft_lane_fail(&qp->base);
	}
}

static void soft_srq_destroy(struct mhca_object *obj)
{
	struct soft_srq *srq = (struct soft_srq *)obj;
	struct srcu_struct *srcu = &soft_hca_of(obj->inst)->srcu;

	/* From here on no message finds it. */
	synchronize_srcu_expedited(srcu);
	if (srq->flavour == SOFT_XRC_SRQ)
		soft_srq_revoke(srq);
}

/* &struct mhca_object_ops.describe */
static int soft_srq_describe(const struct mhca_object *obj, char *buf, size_t size)
{
	const struct soft_srq *srq = container_of(obj, struct soft_srq, obj);
	u16 taken = READ_ONCE(srq->taken);

	return scnprintf(buf, size, " entries=%u posted=%u taken=%u limit=%u%s",
			 1U << srq->ring.log_size, (u16)soft_record_word(obj, 0, taken), taken,
			 READ_ONCE(srq->limit), READ_ONCE(srq->failed) ? " failed" : "");
}

const struct mhca_object_ops soft_srq_ops = {
	.size = sizeof(struct soft_srq),
	.create = soft_srq_create,
	.modify = soft_srq_modify,
	.query = soft_srq_query,
	.describe = soft_srq_describe,
	.save = soft_srq_save,
	.load = soft_srq_load,
	.destroy = soft_srq_destroy,
};
