// SPDX-License-Identifier: GPL-2.0-only
/*
 * Completion queues as objects: create, moderation, resize, query, destroy.
 * Writing CQEs and firing events is complete.c's.
 */
#include <mhca/kernel.h>
#include "queue.h"

#define SOFT_CQE_SIZE_64	0
#define SOFT_CQE_SIZE_128_PAD	2
#define SOFT_LOG_CQE_64		6
#define SOFT_LOG_CQE_128	7

/* modify_cq_in.op_mod and its field select */
#define SOFT_CQ_MODIFY		0
#define SOFT_CQ_MODIFY_PERIOD_MODE	BIT(4)
#define SOFT_CQ_MODIFY_FIELDS	(MLX5_CQ_MODIFY_PERIOD | MLX5_CQ_MODIFY_COUNT |	\
				 MLX5_CQ_MODIFY_OVERRUN | SOFT_CQ_MODIFY_PERIOD_MODE)
#define SOFT_CQ_RESIZE_FIELDS	(MLX5_MODIFY_CQ_MASK_LOG_SIZE |			\
				 MLX5_MODIFY_CQ_MASK_PG_OFFSET |		\
				 MLX5_MODIFY_CQ_MASK_PG_SIZE)

/* QUERY_CQ's status and state (PRM "CQ context") */
#define SOFT_CQC_STATUS_OK	0x0
#define SOFT_CQC_STATUS_OVERFLOW	0x9
#define SOFT_CQC_ST_ARMED	0x9
#define SOFT_CQC_ST_FIRED	0xa

/* Where the CQEs are. A 128-byte CQE carries the 64 bytes in its second half. */
static enum mhca_syndrome soft_cq_ring(struct soft_ring *ring, const void *cqc,
				       struct mhca_pages *pages)
{
	u32 size = MLX5_GET(cqc, cqc, cqe_sz);
	u64 bytes;

	if (size > SOFT_CQE_SIZE_128_PAD)
		return MHCA_SYN_CQ_ATTR;
	ring->log_stride = size == SOFT_CQE_SIZE_64 ? SOFT_LOG_CQE_64 : SOFT_LOG_CQE_128;
	ring->log_size = MLX5_GET(cqc, cqc, log_cq_size);
	if (ring->log_size > MHCA_LOG_MAX_CQ_SZ)
		return MHCA_SYN_QUEUE_SIZE;
	if (!pages)
		return MHCA_SYN_PAGE_LIST;
	ring->pages = pages;
	ring->offset = (u64)MLX5_GET(cqc, cqc, page_offset) << (pages->shift - 6);
	bytes = 1ULL << (ring->log_size + ring->log_stride);
	if (ring->offset > pages->bytes || bytes > pages->bytes - ring->offset)
		return MHCA_SYN_PAGE_LIST;
	return MHCA_SYN_NONE;
}

/*
 * Drivers only write the arm word. With this in it, a first arm of all zeros is
 * seen as well (soft_cq_check_arm()).
 */
static void soft_cq_poison(struct soft_cq *cq)
{
	struct mhca_instance *inst = cq->obj.inst;
	__be32 none = SOFT_ARM_NONE;
	int idx = soft_enter(inst);
	__be32 *record = mhca_object_record(&cq->obj);

	if (record)
		mhca_guest_write(inst, &record[1], &none, sizeof(none));
	soft_leave(inst, idx);
}

static enum mhca_syndrome soft_cq_create(struct mhca_cmd *cmd)
{
	const void *cqc = MLX5_ADDR_OF(create_cq_in, cmd->in, cq_context);
	struct soft_cq *cq = (struct soft_cq *)cmd->obj;
	struct soft_lane *lane = soft_instance(cmd->inst)->lane;
	enum mhca_syndrome syndrome;

	if (!cmd->ref[0] || !cmd->ref[1] || !cq->obj.record)
		return MHCA_SYN_CQ_ATTR;

	cq->eq = cmd->ref[0];
	cq->uar = (struct soft_uar *)cmd->ref[1];
	spin_lock_init(&cq->lock);
	INIT_LIST_HEAD(&cq->uar_node);
	INIT_LIST_HEAD(&cq->attention_node);
	INIT_LIST_HEAD(&cq->attached_send);
	INIT_LIST_HEAD(&cq->attached_recv);
	INIT_LIST_HEAD(&cq->told_send);
	INIT_LIST_HEAD(&cq->told_recv);
	cq->timer.kind = SOFT_TIMER_CQ;
	cq->ignore_overrun = MLX5_GET(cqc, cqc, oi);
	cq->compress = MLX5_GET(cqc, cqc, cqe_comp_en);
	cq->mini_format = MLX5_GET(cqc, cqc, mini_cqe_res_format);
	cq->max_count = MLX5_GET(cqc, cqc, cq_max_count);
	cq->period_us = MLX5_GET(cqc, cqc, cq_period);

	syndrome = soft_cq_ring(&cq->ring, cqc, cq->obj.buffer);
	if (syndrome)
		return syndrome;

	/* Nothing is allocated under the lane's lock. */
	if (soft_timers_reserve(&lane->timers, &lane->lock))
		return MHCA_SYN_NO_MEMORY;
	syndrome = mhca_object_number(&cq->obj, 1, MHCA_NUMBER_MAX);
	/* An image's CQ has its arm in guest memory, which may still be on its way. */
	if (!syndrome && !cmd->load_number)
		soft_cq_poison(cq);

	mutex_lock(&lane->lock);
	if (!syndrome) {
		list_add_tail(&cq->uar_node, &cq->uar->cqs);
		cq->uar->n_cqs++;
	} else {
		soft_timers_release(&lane->timers);
	}
	mutex_unlock(&lane->lock);
	return syndrome;
}

/* Moderation and overrun handling; op_mod 0. */
static enum mhca_syndrome soft_cq_modify_fields(struct soft_cq *cq, u32 select,
						const void *cqc)
{
	struct soft_lane *lane = soft_instance(cq->obj.inst)->lane;
	int idx;

	if (select & ~SOFT_CQ_MODIFY_FIELDS)
		return MHCA_SYN_CQ_ATTR;

	spin_lock(&cq->lock);
	if (select & MLX5_CQ_MODIFY_PERIOD)
		cq->period_us = MLX5_GET(cqc, cqc, cq_period);
	if (select & MLX5_CQ_MODIFY_COUNT)
		cq->max_count = MLX5_GET(cqc, cqc, cq_max_count);
	if (select & MLX5_CQ_MODIFY_OVERRUN)
		cq->ignore_overrun = MLX5_GET(cqc, cqc, oi);
	spin_unlock(&cq->lock);

	/* What waited for the old count or period is looked at under the new one. */
	mutex_lock(&lane->lock);
	idx = soft_enter(cq->obj.inst);
	soft_cq_check_arm(cq);
	soft_leave(cq->obj.inst, idx);
	mutex_unlock(&lane->lock);
	soft_lane_wake(lane);
	return MHCA_SYN_NONE;
}

/*
 * The last CQE of the old ring. Software finds it there as soon as the command
 * has returned, moves what it has not consumed to the new ring, one place on,
 * and counts this one as consumed. cq->lock held.
 */
static int soft_cq_write_resize(struct soft_cq *cq)
{
	u32 index = cq->pi & (BIT(cq->ring.log_size) - 1);
	u64 offset = cq->ring.offset + ((u64)index << cq->ring.log_stride);
	struct mlx5_cqe64 cqe = {};
	int err;

	if (cq->ring.log_stride == SOFT_LOG_CQE_128)
		offset += BIT(SOFT_LOG_CQE_64);
	cqe.op_own = MLX5_CQE_RESIZE_CQ << 4 | ((cq->pi >> cq->ring.log_size) & 1);
	err = mhca_pages_write(cq->ring.pages, offset, &cqe, sizeof(cqe) - 1);
	if (err)
		return err;
	/* The ownership byte makes it visible: last, and as a byte of its own. */
	smp_wmb();
	err = mhca_pages_write(cq->ring.pages, offset + sizeof(cqe) - 1, &cqe.op_own, 1);
	if (err)
		return err;
	cq->pi++;
	return 0;
}

static enum mhca_syndrome soft_cq_swap_ring(struct soft_cq *cq, const struct soft_ring *ring)
{
	__be32 *record = mhca_object_record(&cq->obj);
	u32 used;

	lockdep_assert_held(&cq->lock);
	if (cq->failed || !record)
		return MHCA_SYN_OBJECT_STATE;
	/* The RESIZE CQE takes one place in the old ring and one in the new one. */
	used = soft_cq_used(cq, record);
	if (used >= BIT(cq->ring.log_size) || used >= BIT(ring->log_size))
		return MHCA_SYN_OUTSTANDING_CQES;
	if (soft_cq_write_resize(cq))
		return MHCA_SYN_OBJECT_STATE;
	cq->ring = *ring;
	return MHCA_SYN_NONE;
}

static enum mhca_syndrome soft_cq_resize(struct mhca_cmd *cmd, u32 select, const void *cqc)
{
	struct soft_cq *cq = (struct soft_cq *)cmd->obj;
	struct mhca_pages *old = cq->obj.buffer;
	struct soft_ring ring = {};
	enum mhca_syndrome syndrome;
	int idx;

	if (select != SOFT_CQ_RESIZE_FIELDS)
		return MHCA_SYN_CQ_ATTR;
	syndrome = soft_cq_ring(&ring, cqc, cmd->new_buffer);
	if (syndrome)
		return syndrome;

	idx = soft_enter(cmd->inst);
	spin_lock(&cq->lock);
	syndrome = soft_cq_swap_ring(cq, &ring);
	spin_unlock(&cq->lock);
	soft_leave(cmd->inst, idx);
	if (syndrome)
		return syndrome;

	cq->obj.buffer = cmd->new_buffer;
	cmd->new_buffer = NULL;
	synchronize_srcu_expedited(&soft_hca_of(cmd->inst)->srcu);
	mhca_pages_put(old);
	return MHCA_SYN_NONE;
}

static enum mhca_syndrome soft_cq_modify(struct mhca_cmd *cmd)
{
	const void *cqc = MLX5_ADDR_OF(modify_cq_in, cmd->in, cq_context);
	const void *selector = MLX5_ADDR_OF(modify_cq_in, cmd->in,
					    modify_field_select_resize_field_select);
	u32 select;

	/* Both readings of the union are the same 32 bits. */
	select = MLX5_GET(modify_field_select, selector, modify_field_select);
	switch (cmd->op_mod) {
	case SOFT_CQ_MODIFY:
		return soft_cq_modify_fields((struct soft_cq *)cmd->obj, select, cqc);
	case MLX5_CQ_OPMOD_RESIZE:
		return soft_cq_resize(cmd, select, cqc);
	default:
		return MHCA_SYN_OP_MOD;
	}
}

static enum mhca_syndrome soft_cq_query(struct mhca_cmd *cmd)
{
	struct soft_cq *cq = (struct soft_cq *)cmd->obj;
	void *cqc = MLX5_ADDR_OF(query_cq_out, cmd->out, cq_context);
	int idx = soft_enter(cmd->inst);
	__be32 *record = mhca_object_record(&cq->obj);
	bool armed;

	spin_lock(&cq->lock);
	armed = record && soft_cq_armed(cq, READ_ONCE(record[1]));
	MLX5_SET(cqc, cqc, cqe_sz, cq->ring.log_stride == SOFT_LOG_CQE_128);
	MLX5_SET(cqc, cqc, status, cq->failed ? SOFT_CQC_STATUS_OVERFLOW : SOFT_CQC_STATUS_OK);
	MLX5_SET(cqc, cqc, st, armed ? SOFT_CQC_ST_ARMED : SOFT_CQC_ST_FIRED);
	MLX5_SET(cqc, cqc, oi, cq->ignore_overrun);
	MLX5_SET(cqc, cqc, cqe_comp_en, cq->compress);
	MLX5_SET(cqc, cqc, mini_cqe_res_format, cq->mini_format);
	MLX5_SET(cqc, cqc, page_offset, cq->ring.offset >> (cq->ring.pages->shift - 6));
	MLX5_SET(cqc, cqc, log_cq_size, cq->ring.log_size);
	MLX5_SET(cqc, cqc, log_page_size, cq->ring.pages->shift - MHCA_PAGE_SHIFT);
	MLX5_SET(cqc, cqc, cq_period, cq->period_us);
	MLX5_SET(cqc, cqc, cq_max_count, cq->max_count);
	MLX5_SET(cqc, cqc, producer_counter, cq->pi & 0xffffff);
	spin_unlock(&cq->lock);

	MLX5_SET(cqc, cqc, uar_page, cq->uar->obj.num);
	MLX5_SET(cqc, cqc, c_eqn_or_apu_element, cq->eq->num);
	if (record) {
		u32 ci = be32_to_cpu(READ_ONCE(record[0]));

		MLX5_SET(cqc, cqc, consumer_counter, ci & 0xffffff);
	}
	soft_leave(cmd->inst, idx);
	return MHCA_SYN_NONE;
}

/* A CQ goes: off the lists and timers of its lane; lane->lock. */
static void soft_cq_forget(struct soft_lane *lane, struct soft_cq *cq)
{
	lockdep_assert_held(&lane->lock);
	soft_timer_cancel(&lane->timers, &cq->timer);

	spin_lock(&lane->fail_lock);
	if (cq->attention_queued) {
		list_del_init(&cq->attention_node);
		cq->attention_queued = false;
	}
	spin_unlock(&lane->fail_lock);
}

/*
 * The QPs and SRQs that completed here are gone, and the engine's sections that
 * used them with them: only the lane itself may still know the CQ.
 */
static void soft_cq_destroy(struct mhca_object *obj)
{
	struct soft_cq *cq = (struct soft_cq *)obj;
	struct soft_uar *uar = cq->uar;
	struct soft_lane *lane = soft_instance(obj->inst)->lane;

	mutex_lock(&lane->lock);
	list_del_init(&cq->uar_node);
	uar->n_cqs--;
	uar->sweep_cqs = min(uar->sweep_cqs, uar->n_cqs);
	soft_cq_forget(lane, cq);
	soft_timers_release(&lane->timers);
	mutex_unlock(&lane->lock);

	synchronize_srcu_expedited(&soft_hca_of(obj->inst)->srcu);
}

/* &struct mhca_object_ops.describe; nothing is locked: it may be a little old or new. */
static int soft_cq_describe(const struct mhca_object *obj, char *buf, size_t size)
{
	const struct soft_cq *cq = container_of(obj, struct soft_cq, obj);
	u32 pi = READ_ONCE(cq->pi);

	/* The arm word as the driver left it; all ones: its event was sent. */
	return scnprintf(buf, size, " entries=%u eq=%u pi=%u ci=%u arm=0x%08x%s%s",
			 1U << cq->ring.log_size, cq->eq ? cq->eq->num : 0, pi,
			 soft_record_word(obj, 0, pi), soft_record_word(obj, 1, U32_MAX),
			 READ_ONCE(cq->failed) ? " overrun" : "",
			 READ_ONCE(cq->event_due) ? " event due" : "");
}

const struct mhca_object_ops soft_cq_ops = {
	.size = sizeof(struct soft_cq),
	.create = soft_cq_create,
	.modify = soft_cq_modify,
	.query = soft_cq_query,
	.describe = soft_cq_describe,
	.update = soft_cq_update,
	.save = soft_cq_save,
	.load = soft_cq_load,
	.destroy = soft_cq_destroy,
};
