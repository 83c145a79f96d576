// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Completion queues: create, poll, arm, resize. */
#include <errno.h>
#include <stdlib.h>
#include "client.h"

static struct mlx5_cqe64 *cqe_at(const struct client_cq *cq, u32 i)
{
	return (struct mlx5_cqe64 *)cq->mem.va + (i & ((1U << cq->log_size) - 1));
}

static void cq_clear(struct client_cq *cq)
{
	u32 i;

	for (i = 0; i < 1U << cq->log_size; i++)
		cqe_at(cq, i)->op_own = MLX5_CQE_INVALID << 4;
}

void client_cq_attr_init(struct client_cq_attr *attr, u8 log_size)
{
	memset(attr, 0, sizeof(*attr));
	attr->log_size = log_size;
	attr->eqn = ~0U;
	attr->uar = ~0U;
}

int client_create_cq(struct client *c, const struct client_cq_attr *attr,
		     struct client_cq *cq)
{
	u32 out[MLX5_ST_SZ_DW(create_cq_out)];
	size_t bytes = sizeof(struct mlx5_cqe64) << attr->log_size;
	u32 pages = (bytes + CLIENT_PAGE - 1) >> CLIENT_PAGE_SHIFT;
	u32 inlen = MLX5_ST_SZ_BYTES(create_cq_in) + pages * 8;
	void *cqc;
	u32 *in;
	int ret;

	memset(cq, 0, sizeof(*cq));
	cq->c = c;
	cq->log_size = attr->log_size;
	cq->uar = attr->uar == ~0U ? c->uar : attr->uar;
	cq->kernel_style = attr->kernel_style;
	in = calloc(1, inlen);
	if (!in)
		return -ENOMEM;
	ret = client_mem_alloc(c, bytes, &cq->mem);
	if (!ret)
		ret = client_record_alloc(c, &cq->record);
	if (ret)
		goto err;
	cq_clear(cq);
	MLX5_SET(create_cq_in, in, opcode, MLX5_CMD_OP_CREATE_CQ);
	cqc = MLX5_ADDR_OF(create_cq_in, in, cq_context);
	MLX5_SET(cqc, cqc, log_cq_size, attr->log_size);
	MLX5_SET(cqc, cqc, uar_page, cq->uar);
	MLX5_SET(cqc, cqc, c_eqn_or_apu_element,
		 attr->eqn == ~0U ? c->comp_eq.eqn : attr->eqn);
	MLX5_SET(cqc, cqc, oi, attr->ignore_overrun);
	MLX5_SET(cqc, cqc, cqe_comp_en, attr->compressed);
	MLX5_SET(cqc, cqc, cq_period, attr->period);
	MLX5_SET(cqc, cqc, cq_max_count, attr->max_count);
	MLX5_SET(cqc, cqc, log_page_size, 0);
	MLX5_SET64(cqc, cqc, dbr_addr, client_iova(c, cq->record.word));
	client_page_list(c, cq->mem.va, bytes, MLX5_ADDR_OF(create_cq_in, in, pas));
	ret = client_exec(c, in, inlen, out, sizeof(out));
	if (ret)
		goto err;
	cq->cqn = MLX5_GET(create_cq_out, out, cqn);
	free(in);
	return 0;

err:
	free(in);
	client_record_free(c, &cq->record);
	client_mem_free(c, &cq->mem);
	return ret;
}

void client_forget_cq(struct client_cq *cq)
{
	client_record_free(cq->c, &cq->record);
	client_mem_free(cq->c, &cq->mem);
}

int client_destroy_cq(struct client_cq *cq)
{
	u32 in[MLX5_ST_SZ_DW(destroy_cq_in)] = { 0 };
	u32 out[MLX5_ST_SZ_DW(destroy_cq_out)];
	int ret;

	MLX5_SET(destroy_cq_in, in, opcode, MLX5_CMD_OP_DESTROY_CQ);
	MLX5_SET(destroy_cq_in, in, cqn, cq->cqn);
	ret = client_exec(cq->c, in, sizeof(in), out, sizeof(out));
	if (!ret)
		client_forget_cq(cq);
	return ret;
}

int client_modify_cq(struct client_cq *cq, u16 period, u16 max_count)
{
	u32 in[MLX5_ST_SZ_DW(modify_cq_in)] = { 0 };
	u32 out[MLX5_ST_SZ_DW(modify_cq_out)];
	void *cqc = MLX5_ADDR_OF(modify_cq_in, in, cq_context);

	MLX5_SET(modify_cq_in, in, opcode, MLX5_CMD_OP_MODIFY_CQ);
	MLX5_SET(modify_cq_in, in, cqn, cq->cqn);
	MLX5_SET(modify_cq_in, in, modify_field_select_resize_field_select
		 .modify_field_select.modify_field_select,
		 MLX5_CQ_MODIFY_PERIOD | MLX5_CQ_MODIFY_COUNT);
	MLX5_SET(cqc, cqc, cq_period, period);
	MLX5_SET(cqc, cqc, cq_max_count, max_count);
	return client_exec(cq->c, in, sizeof(in), out, sizeof(out));
}

static u8 cqe_opcode(const struct mlx5_cqe64 *cqe)
{
	return cqe->op_own >> 4;
}

static bool cqe_is_valid(const struct client_cq *cq, u32 i)
{
	u8 op_own = __atomic_load_n(&cqe_at(cq, i)->op_own, __ATOMIC_ACQUIRE);

	return op_own >> 4 != MLX5_CQE_INVALID && !((op_own ^ i >> cq->log_size) & 1);
}

struct mlx5_cqe64 *client_peek_cq(struct client_cq *cq)
{
	return cqe_is_valid(cq, cq->ci) ? cqe_at(cq, cq->ci) : NULL;
}

static void update_ci(struct client_cq *cq)
{
	__atomic_store_n(&cq->record.word[0], cpu_to_be32(cq->ci & 0xffffff), __ATOMIC_RELEASE);
}

/*
 * Copy what was not polled yet from the old buffer to the new one, up to the
 * RESIZE CQE that the device wrote last into the old one.
 */
static int move_cqes(struct client_cq *cq, struct client_cq *new)
{
	u32 i = cq->ci;

	for (;; i++) {
		struct mlx5_cqe64 *from = cqe_at(cq, i);
		struct mlx5_cqe64 *to = cqe_at(new, i + 1);
		u8 op_own = __atomic_load_n(&from->op_own, __ATOMIC_ACQUIRE);

		if (op_own >> 4 == MLX5_CQE_INVALID || ((op_own ^ i >> cq->log_size) & 1))
			return -EPROTO;
		if (cqe_opcode(from) == MLX5_CQE_RESIZE_CQ)
			break;
		memcpy(to, from, sizeof(*to));
		to->op_own = (u8)((op_own & ~1) | ((i + 1) >> new->log_size & 1));
	}
	cq->ci++;
	return 0;
}

int client_resize_cq(struct client_cq *cq, u8 log_size)
{
	u32 out[MLX5_ST_SZ_DW(modify_cq_out)];
	size_t bytes = sizeof(struct mlx5_cqe64) << log_size;
	u32 pages = (bytes + CLIENT_PAGE - 1) >> CLIENT_PAGE_SHIFT;
	u32 inlen = MLX5_ST_SZ_BYTES(modify_cq_in) + pages * 8;
	struct client_cq new = { .c = cq->c, .log_size = log_size };
	void *cqc;
	u32 *in;
	int ret;

	in = calloc(1, inlen);
	if (!in)
		return -ENOMEM;
	ret = client_mem_alloc(cq->c, bytes, &new.mem);
	if (ret)
		goto out;
	cq_clear(&new);
	MLX5_SET(modify_cq_in, in, opcode, MLX5_CMD_OP_MODIFY_CQ);
	MLX5_SET(modify_cq_in, in, op_mod, MLX5_CQ_OPMOD_RESIZE);
	MLX5_SET(modify_cq_in, in, cqn, cq->cqn);
	MLX5_SET(modify_cq_in, in, modify_field_select_resize_field_select
		 .resize_field_select.resize_field_select,
		 MLX5_MODIFY_CQ_MASK_LOG_SIZE | MLX5_MODIFY_CQ_MASK_PG_OFFSET |
		 MLX5_MODIFY_CQ_MASK_PG_SIZE);
	cqc = MLX5_ADDR_OF(modify_cq_in, in, cq_context);
	MLX5_SET(cqc, cqc, log_cq_size, log_size);
	MLX5_SET(cqc, cqc, log_page_size, 0);
	client_page_list(cq->c, new.mem.va, bytes, MLX5_ADDR_OF(modify_cq_in, in, pas));
	ret = client_exec(cq->c, in, inlen, out, sizeof(out));
	if (!ret)
		ret = move_cqes(cq, &new);
	if (ret) {
		client_mem_free(cq->c, &new.mem);
		goto out;
	}
	client_mem_free(cq->c, &cq->mem);
	cq->mem = new.mem;
	cq->log_size = log_size;
	update_ci(cq);
out:
	free(in);
	return ret;
}

/* A receive from an SRQ: give the WQE back to the SRQ's free list. */
static u64 srq_complete(struct client_srq *srq, u16 index)
{
	u32 i = index & ((1U << srq->log_size) - 1);
	struct mlx5_wqe_srq_next_seg *last;
	u64 wr_id;

	if (srq->lock)
		pthread_mutex_lock(srq->lock);
	last = (void *)(srq->mem.va + ((size_t)srq->tail << srq->log_stride));
	last->next_wqe_index = cpu_to_be16(i);
	srq->tail = i;
	srq->free++;
	wr_id = srq->wr_id[i];
	if (srq->lock)
		pthread_mutex_unlock(srq->lock);
	return wr_id;
}

/* The QP of a CQE; for receives from an SRQ also that. */
static void find_owner(struct client_cq *cq, struct client_wc *wc, u32 index)
{
	struct client *c = cq->c;

	wc->qp = client_table_get(&c->qps, wc->qpn);
	if (wc->opcode == MLX5_CQE_REQ || wc->opcode == MLX5_CQE_REQ_ERR)
		return;
	if (cq->kernel_style)
		wc->srq = index ? client_table_get(&c->srqs, index) : NULL;
	else if (wc->qp && wc->qp->user_index == index)
		wc->srq = wc->qp->srq;
	else
		wc->srq = client_table_get(&c->users, index);
}

static u64 requester_wr(struct client_qp *qp, u16 counter)
{
	u32 slot = counter & ((1U << qp->sq.log_size) - 1);

	u64 wr_id = qp->sq.wr_id[slot];

	__atomic_store_n(&qp->sq.tail, qp->sq.end[slot], __ATOMIC_RELEASE);
	return wr_id;
}

static void decode(struct client_cq *cq, const struct mlx5_cqe64 *cqe, struct client_wc *wc)
{
	u32 sop = be32_to_cpu(cqe->sop_drop_qpn);
	u32 flags = be32_to_cpu(cqe->flags_rqpn);

	memset(wc, 0, sizeof(*wc));
	wc->opcode = cqe_opcode(cqe);
	wc->solicited = cqe->op_own >> 1 & 1;
	wc->qpn = sop & 0xffffff;
	wc->counter = be16_to_cpu(cqe->wqe_counter);
	wc->bytes = be32_to_cpu(cqe->byte_cnt);
	wc->imm = cqe->immediate;
	wc->src_qpn = flags & 0xffffff;
	wc->sl = flags >> 24 & 15;
	wc->grh = (flags >> 28 & 3) != 0;
	wc->slid = be16_to_cpu(cqe->slid);
	wc->path_bits = cqe->ml_path & 0x7f;
	wc->pkey = be32_to_cpu(cqe->immediate) & 0xffff;
	if (wc->opcode == MLX5_CQE_REQ_ERR || wc->opcode == MLX5_CQE_RESP_ERR) {
		const struct mlx5_err_cqe *err = (const void *)cqe;

		wc->status = err->syndrome;
		wc->vendor = err->vendor_err_synd;
	}
	find_owner(cq, wc, be32_to_cpu(cqe->srqn) & 0xffffff);
	if (wc->opcode == MLX5_CQE_REQ || wc->opcode == MLX5_CQE_REQ_ERR) {
		wc->wqe_opcode = (u8)(sop >> 24);
		if (wc->qp)
			wc->wr_id = requester_wr(wc->qp, wc->counter);
	} else if (wc->srq) {
		/* A flushed QP with an SRQ has no receive WQE to give back. */
		wc->wr_id = srq_complete(wc->srq, wc->counter);
	} else if (wc->qp && wc->qp->rq.wr_id) {
		struct client_queue *rq = &wc->qp->rq;

		wc->wr_id = rq->wr_id[rq->tail & ((1U << rq->log_size) - 1)];
		__atomic_store_n(&rq->tail, rq->tail + 1, __ATOMIC_RELEASE);
	}
}

int client_poll_cq(struct client_cq *cq, int n, struct client_wc *wc)
{
	int got = 0;

	while (got < n) {
		const struct mlx5_cqe64 *cqe = client_peek_cq(cq);

		if (!cqe)
			break;
		cq->ci++;
		decode(cq, cqe, &wc[got++]);
	}
	if (got)
		update_ci(cq);
	return got;
}

void client_clean_cq(struct client_cq *cq, struct client_qp *qp)
{
	u32 end = cq->ci;
	u32 gone = 0;
	u32 i;

	while (end - cq->ci < 1U << cq->log_size && cqe_is_valid(cq, end))
		end++;
	/* Backwards: what stays moves up, over what goes. */
	for (i = end; i-- != cq->ci;) {
		struct mlx5_cqe64 *cqe = cqe_at(cq, i);
		struct mlx5_cqe64 *to = cqe_at(cq, i + gone);
		u8 opcode = cqe_opcode(cqe);
		u8 owner = to->op_own & 1;

		if ((be32_to_cpu(cqe->sop_drop_qpn) & 0xffffff) == qp->qpn) {
			if (qp->srq && opcode != MLX5_CQE_REQ && opcode != MLX5_CQE_REQ_ERR)
				srq_complete(qp->srq, be16_to_cpu(cqe->wqe_counter));
			gone++;
		} else if (gone) {
			memcpy(to, cqe, sizeof(*to));
			to->op_own = (u8)((to->op_own & ~1) | owner);
		}
	}
	cq->ci += gone;
	if (gone)
		update_ci(cq);
}

void client_arm_cq(struct client_cq *cq, bool solicited)
{
	u32 word = (cq->arm_sn & 3) << 28 | (solicited ? MLX5_CQ_DB_REQ_NOT_SOL : 0) |
		   (cq->ci & 0xffffff);

	__atomic_store_n(&cq->record.word[1], cpu_to_be32(word), __ATOMIC_RELEASE);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	cq->c->ops->uar_write64(cq->c->backend, cq->uar, MLX5_CQ_DOORBELL,
				cpu_to_be64((u64)word << 32 | cq->cqn));
}
