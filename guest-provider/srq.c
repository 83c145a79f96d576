// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Shared receive queues: basic, XRC, and RMP (what ISSI 1 uses for basic ones). */
#include <errno.h>
#include <stdlib.h>
#include "client.h"

/* Enough for the longest of the three create commands before its page list. */
#define SRQ_IN_MAX	0x110

static u32 fill_srqc(const struct client_srq *srq, const struct client_srq_attr *attr, u8 *in)
{
	void *ctx = MLX5_ADDR_OF(create_srq_in, in, srq_context_entry);

	MLX5_SET(create_srq_in, in, opcode, MLX5_CMD_OP_CREATE_SRQ);
	MLX5_SET(srqc, ctx, log_srq_size, srq->log_size);
	MLX5_SET(srqc, ctx, log_rq_stride, srq->log_stride - 4);
	MLX5_SET(srqc, ctx, log_page_size, 0);
	MLX5_SET(srqc, ctx, pd, attr->pd);
	MLX5_SET(srqc, ctx, lwm, attr->limit);
	MLX5_SET64(srqc, ctx, dbr_addr, client_iova(srq->c, srq->record.word));
	return MLX5_BYTE_OFF(create_srq_in, pas);
}

static u32 fill_xrc_srqc(const struct client_srq *srq, const struct client_srq_attr *attr,
			 u8 *in)
{
	void *ctx = MLX5_ADDR_OF(create_xrc_srq_in, in, xrc_srq_context_entry);

	MLX5_SET(create_xrc_srq_in, in, opcode, MLX5_CMD_OP_CREATE_XRC_SRQ);
	MLX5_SET(xrc_srqc, ctx, log_xrc_srq_size, srq->log_size);
	MLX5_SET(xrc_srqc, ctx, log_rq_stride, srq->log_stride - 4);
	MLX5_SET(xrc_srqc, ctx, log_page_size, 0);
	MLX5_SET(xrc_srqc, ctx, pd, attr->pd);
	MLX5_SET(xrc_srqc, ctx, lwm, attr->limit);
	MLX5_SET(xrc_srqc, ctx, xrcd, attr->xrcd);
	MLX5_SET(xrc_srqc, ctx, cqn, attr->cqn);
	MLX5_SET(xrc_srqc, ctx, user_index, srq->user_index);
	MLX5_SET(xrc_srqc, ctx, db_record_addr_h,
		 client_iova(srq->c, srq->record.word) >> 32);
	MLX5_SET(xrc_srqc, ctx, db_record_addr_l,
		 (u32)client_iova(srq->c, srq->record.word) >> 2);
	return MLX5_BYTE_OFF(create_xrc_srq_in, pas);
}

static u32 fill_rmpc(const struct client_srq *srq, const struct client_srq_attr *attr, u8 *in)
{
	void *ctx = MLX5_ADDR_OF(create_rmp_in, in, ctx);
	void *wq = MLX5_ADDR_OF(rmpc, ctx, wq);

	MLX5_SET(create_rmp_in, in, opcode, MLX5_CMD_OP_CREATE_RMP);
	MLX5_SET(rmpc, ctx, state, MLX5_RMPC_STATE_RDY);
	MLX5_SET(wq, wq, wq_type, MLX5_WQ_TYPE_LINKED_LIST);
	MLX5_SET(wq, wq, log_wq_sz, srq->log_size);
	MLX5_SET(wq, wq, log_wq_stride, srq->log_stride);
	MLX5_SET(wq, wq, log_wq_pg_sz, 0);
	MLX5_SET(wq, wq, pd, attr->pd);
	MLX5_SET(wq, wq, lwm, attr->limit);
	MLX5_SET64(wq, wq, dbr_addr, client_iova(srq->c, srq->record.word));
	return MLX5_BYTE_OFF(create_rmp_in, ctx) + MLX5_BYTE_OFF(rmpc, wq) +
	       MLX5_BYTE_OFF(wq, pas);
}

static u32 (*const fill[])(const struct client_srq *srq, const struct client_srq_attr *attr,
			   u8 *in) = {
	[CLIENT_SRQ] = fill_srqc,
	[CLIENT_XRC_SRQ] = fill_xrc_srqc,
	[CLIENT_RMP] = fill_rmpc,
};

static void link_wqes(struct client_srq *srq)
{
	u32 n = 1U << srq->log_size;
	u32 i;

	for (i = 0; i < n; i++) {
		struct mlx5_wqe_srq_next_seg *next;

		next = (void *)(srq->mem.va + ((size_t)i << srq->log_stride));
		next->next_wqe_index = cpu_to_be16((i + 1) & (n - 1));
	}
	srq->head = 0;
	srq->tail = n - 1;
	srq->free = n;
}

static void srq_free(struct client_srq *srq)
{
	client_record_free(srq->c, &srq->record);
	client_mem_free(srq->c, &srq->mem);
	free(srq->wr_id);
	srq->wr_id = NULL;
}

int client_create_srq(struct client *c, const struct client_srq_attr *attr,
		      struct client_srq *srq)
{
	u32 out[MLX5_ST_SZ_DW(create_srq_out)];
	size_t bytes;
	u32 at;
	u8 *in;
	int ret;

	memset(srq, 0, sizeof(*srq));
	srq->c = c;
	srq->type = attr->type;
	srq->log_size = attr->log_size;
	srq->user_index = c->next_user++;
	for (srq->log_stride = 5; (1U << srq->log_stride) < 16U * (1U + attr->max_sge);)
		srq->log_stride++;
	bytes = (size_t)1 << (srq->log_size + srq->log_stride);
	in = calloc(1, SRQ_IN_MAX * 2 + (bytes / CLIENT_PAGE + 1) * 8);
	srq->wr_id = calloc((size_t)1 << srq->log_size, sizeof(*srq->wr_id));
	ret = in && srq->wr_id ? client_mem_alloc(c, bytes, &srq->mem) : -ENOMEM;
	if (!ret)
		ret = client_record_alloc(c, &srq->record);
	if (ret)
		goto err;
	link_wqes(srq);
	at = fill[attr->type](srq, attr, in);
	at += client_page_list(c, srq->mem.va, bytes, (__be64 *)(in + at)) * 8;
	ret = client_exec(c, in, at, out, sizeof(out));
	if (ret)
		goto err;
	srq->srqn = MLX5_GET(create_srq_out, out, srqn);
	ret = client_table_set(&c->srqs, srq->srqn, srq);
	if (!ret)
		ret = client_table_set(&c->users, srq->user_index, srq);
	if (ret)
		goto err;
	free(in);
	return 0;

err:
	free(in);
	srq_free(srq);
	return ret;
}

void client_forget_srq(struct client_srq *srq)
{
	client_table_set(&srq->c->srqs, srq->srqn, NULL);
	client_table_set(&srq->c->users, srq->user_index, NULL);
	srq_free(srq);
}

int client_destroy_srq(struct client_srq *srq)
{
	static const u16 opcode[] = {
		[CLIENT_SRQ] = MLX5_CMD_OP_DESTROY_SRQ,
		[CLIENT_XRC_SRQ] = MLX5_CMD_OP_DESTROY_XRC_SRQ,
		[CLIENT_RMP] = MLX5_CMD_OP_DESTROY_RMP,
	};
	u32 in[MLX5_ST_SZ_DW(destroy_srq_in)] = { 0 };
	u32 out[MLX5_ST_SZ_DW(destroy_srq_out)];
	int ret;

	MLX5_SET(destroy_srq_in, in, opcode, opcode[srq->type]);
	MLX5_SET(destroy_srq_in, in, srqn, srq->srqn);
	ret = client_exec(srq->c, in, sizeof(in), out, sizeof(out));
	if (ret)
		return ret;
	client_forget_srq(srq);
	return 0;
}

static int modify_rmp(struct client_srq *srq, u16 limit)
{
	u32 out[MLX5_ST_SZ_DW(modify_rmp_out)];
	u32 inlen = MLX5_ST_SZ_BYTES(modify_rmp_in);
	u8 *in = calloc(1, inlen);
	void *ctx;
	int ret;

	if (!in)
		return -ENOMEM;
	ctx = MLX5_ADDR_OF(modify_rmp_in, in, ctx);
	MLX5_SET(modify_rmp_in, in, opcode, MLX5_CMD_OP_MODIFY_RMP);
	MLX5_SET(modify_rmp_in, in, rmp_state, MLX5_RMPC_STATE_RDY);
	MLX5_SET(modify_rmp_in, in, rmpn, srq->srqn);
	MLX5_SET(modify_rmp_in, in, bitmask.lwm, 1);
	MLX5_SET(rmpc, ctx, state, MLX5_RMPC_STATE_RDY);
	MLX5_SET(rmpc, ctx, wq.lwm, limit);
	ret = client_exec(srq->c, in, inlen, out, sizeof(out));
	free(in);
	return ret;
}

int client_arm_srq(struct client_srq *srq, u16 limit)
{
	u32 in[MLX5_ST_SZ_DW(arm_rq_in)] = { 0 };
	u32 out[MLX5_ST_SZ_DW(arm_rq_out)];

	if (srq->type == CLIENT_RMP)
		return modify_rmp(srq, limit);
	MLX5_SET(arm_rq_in, in, opcode, srq->type == CLIENT_XRC_SRQ ?
		 MLX5_CMD_OP_ARM_XRC_SRQ : MLX5_CMD_OP_ARM_RQ);
	MLX5_SET(arm_rq_in, in, op_mod, MLX5_ARM_RQ_IN_OP_MOD_SRQ);
	MLX5_SET(arm_rq_in, in, srq_number, srq->srqn);
	MLX5_SET(arm_rq_in, in, lwm, limit);
	return client_exec(srq->c, in, sizeof(in), out, sizeof(out));
}

int client_query_srq(struct client_srq *srq, u16 *limit)
{
	static const u16 opcode[] = {
		[CLIENT_SRQ] = MLX5_CMD_OP_QUERY_SRQ,
		[CLIENT_XRC_SRQ] = MLX5_CMD_OP_QUERY_XRC_SRQ,
		[CLIENT_RMP] = MLX5_CMD_OP_QUERY_RMP,
	};
	u32 in[MLX5_ST_SZ_DW(query_srq_in)] = { 0 };
	u32 outlen = srq->type == CLIENT_RMP ? MLX5_ST_SZ_BYTES(query_rmp_out) :
		     srq->type == CLIENT_XRC_SRQ ? MLX5_ST_SZ_BYTES(query_xrc_srq_out) :
		     MLX5_ST_SZ_BYTES(query_srq_out);
	u8 *out = calloc(1, outlen);
	int ret;

	if (!out)
		return -ENOMEM;
	MLX5_SET(query_srq_in, in, opcode, opcode[srq->type]);
	MLX5_SET(query_srq_in, in, srqn, srq->srqn);
	ret = client_exec(srq->c, in, sizeof(in), out, outlen);
	if (!ret && srq->type == CLIENT_RMP)
		*limit = MLX5_GET(query_rmp_out, out, rmp_context.wq.lwm);
	else if (!ret && srq->type == CLIENT_XRC_SRQ)
		*limit = MLX5_GET(query_xrc_srq_out, out, xrc_srq_context_entry.lwm);
	else if (!ret)
		*limit = MLX5_GET(query_srq_out, out, srq_context_entry.lwm);
	free(out);
	return ret;
}
