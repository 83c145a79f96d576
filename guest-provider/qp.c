// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Queue pairs: creation, states, multicast. */
#include <errno.h>
#include <stdlib.h>
#include "client.h"

#define OPT_MASK_NONE	0

void client_qp_attr_init(struct client_qp_attr *attr, u8 type, u32 pd, struct client_cq *cq)
{
	memset(attr, 0, sizeof(*attr));
	attr->type = type;
	attr->pd = pd;
	attr->send_cq = cq;
	attr->recv_cq = cq;
	attr->log_sq = 6;
	attr->log_rq = 6;
	attr->recv_sge = 4;
	attr->uar = ~0U;
}

static int queue_init(struct client_queue *queue, u8 log_size, u8 log_stride, bool send)
{
	queue->log_size = log_size;
	queue->log_stride = log_stride;
	queue->wr_id = calloc((size_t)1 << log_size, sizeof(*queue->wr_id));
	queue->end = send ? calloc((size_t)1 << log_size, sizeof(*queue->end)) : NULL;
	return queue->wr_id && (queue->end || !send) ? 0 : -ENOMEM;
}

static void queue_fini(struct client_queue *queue)
{
	free(queue->wr_id);
	free(queue->end);
	queue->wr_id = NULL;
	queue->end = NULL;
}

static size_t queue_bytes(const struct client_queue *queue)
{
	return queue->wr_id ? (size_t)1 << (queue->log_size + queue->log_stride) : 0;
}

/* Both rings in one buffer, the receive queue first. */
static int buffer_init(struct client_qp *qp, const struct client_qp_attr *attr)
{
	size_t rq_bytes;
	u8 stride = 4;
	int ret = 0;

	while ((1U << stride) < 16U * attr->recv_sge)
		stride++;
	if (attr->log_rq != CLIENT_NO_QUEUE && !attr->srq)
		ret = queue_init(&qp->rq, attr->log_rq, stride, false);
	if (!ret && attr->log_sq != CLIENT_NO_QUEUE)
		ret = queue_init(&qp->sq, attr->log_sq, 6, true);
	if (ret)
		return ret;
	rq_bytes = queue_bytes(&qp->rq);
	if (rq_bytes && rq_bytes < 64)
		rq_bytes = 64;
	if (!(rq_bytes + queue_bytes(&qp->sq)))
		return 0;
	ret = client_mem_alloc(qp->c, rq_bytes + queue_bytes(&qp->sq), &qp->mem);
	if (ret)
		return ret;
	qp->rq.base = qp->mem.va;
	qp->sq.base = qp->mem.va + rq_bytes;
	return 0;
}

static void fill_qpc(const struct client_qp *qp, const struct client_qp_attr *attr, void *qpc)
{
	MLX5_SET(qpc, qpc, st, attr->type);
	MLX5_SET(qpc, qpc, pm_state, MLX5_QP_PM_MIGRATED);
	MLX5_SET(qpc, qpc, pd, attr->pd);
	MLX5_SET(qpc, qpc, uar_page, qp->uar);
	MLX5_SET(qpc, qpc, user_index, qp->user_index);
	MLX5_SET(qpc, qpc, cqn_snd, attr->send_cq ? attr->send_cq->cqn : 0);
	MLX5_SET(qpc, qpc, cqn_rcv, attr->recv_cq ? attr->recv_cq->cqn : 0);
	MLX5_SET(qpc, qpc, xrcd, attr->xrcd);
	MLX5_SET(qpc, qpc, deth_sqpn, attr->deth_sqpn);
	MLX5_SET(qpc, qpc, fre, attr->fast_reg);
	MLX5_SET(qpc, qpc, log_page_size, 0);
	MLX5_SET64(qpc, qpc, dbr_addr, client_iova(qp->c, qp->record.word));
	if (qp->sq.wr_id)
		MLX5_SET(qpc, qpc, log_sq_size, qp->sq.log_size);
	else
		MLX5_SET(qpc, qpc, no_sq, 1);
	if (attr->srq) {
		MLX5_SET(qpc, qpc, rq_type, 1);
		MLX5_SET(qpc, qpc, srqn_rmpn_xrqn, attr->srq->srqn);
	} else if (qp->rq.wr_id) {
		MLX5_SET(qpc, qpc, log_rq_size, qp->rq.log_size);
		MLX5_SET(qpc, qpc, log_rq_stride, qp->rq.log_stride - 4);
	} else {
		MLX5_SET(qpc, qpc, rq_type, 3);
	}
}

static void qp_free(struct client_qp *qp)
{
	client_record_free(qp->c, &qp->record);
	client_mem_free(qp->c, &qp->mem);
	queue_fini(&qp->rq);
	queue_fini(&qp->sq);
}

int client_create_qp(struct client *c, const struct client_qp_attr *attr,
		     struct client_qp *qp)
{
	u32 out[MLX5_ST_SZ_DW(create_qp_out)];
	u32 inlen = MLX5_ST_SZ_BYTES(create_qp_in);
	u8 *in = NULL;
	int ret;

	memset(qp, 0, sizeof(*qp));
	qp->c = c;
	qp->type = attr->type;
	qp->deth_sqpn = attr->deth_sqpn;
	qp->send_cq = attr->send_cq;
	qp->recv_cq = attr->recv_cq;
	qp->srq = attr->srq;
	qp->uar = attr->uar == ~0U ? c->uar : attr->uar;
	qp->user_index = attr->kernel_style ? CLIENT_NO_INDEX : c->next_user++;
	ret = buffer_init(qp, attr);
	if (!ret)
		ret = client_record_alloc(c, &qp->record);
	if (ret)
		goto err;
	inlen += (qp->mem.len >> CLIENT_PAGE_SHIFT) * 8;
	in = calloc(1, inlen);
	if (!in) {
		ret = -ENOMEM;
		goto err;
	}
	MLX5_SET(create_qp_in, in, opcode, MLX5_CMD_OP_CREATE_QP);
	fill_qpc(qp, attr, MLX5_ADDR_OF(create_qp_in, in, qpc));
	client_page_list(c, qp->mem.va, qp->mem.len, MLX5_ADDR_OF(create_qp_in, in, pas));
	ret = client_exec(c, in, inlen, out, sizeof(out));
	if (ret)
		goto err;
	qp->qpn = MLX5_GET(create_qp_out, out, qpn);
	ret = client_table_set(&c->qps, qp->qpn, qp);
	if (ret)
		goto err;
	free(in);
	return 0;

err:
	free(in);
	qp_free(qp);
	return ret;
}

/* Commands that name a QP and carry nothing else: 2ERR, 2RST, DESTROY. */
static int name_qp(struct client_qp *qp, u16 opcode)
{
	u32 in[MLX5_ST_SZ_DW(qp_2rst_in)] = { 0 };
	u32 out[MLX5_ST_SZ_DW(qp_2rst_out)];

	MLX5_SET(qp_2rst_in, in, opcode, opcode);
	MLX5_SET(qp_2rst_in, in, qpn, qp->qpn);
	return client_exec(qp->c, in, sizeof(in), out, sizeof(out));
}

void client_forget_qp(struct client_qp *qp)
{
	client_table_set(&qp->c->qps, qp->qpn, NULL);
	qp_free(qp);
}

int client_destroy_qp(struct client_qp *qp)
{
	int ret = name_qp(qp, MLX5_CMD_OP_DESTROY_QP);

	if (ret)
		return ret;
	client_forget_qp(qp);
	return 0;
}

void client_modify_init(struct client_modify *modify)
{
	memset(modify, 0, sizeof(*modify));
	modify->mtu = IB_MTU_1024;
	modify->access = CLIENT_ALL_ACCESS;
	modify->min_rnr = 1;
	modify->retry = 7;
	modify->rnr_retry = 7;
	modify->ack_timeout = 14;
	modify->log_rra = 2;
	modify->log_sra = 2;
}

static void fill_path(void *ads, const struct client_modify *modify)
{
	const struct client_path *path = &modify->path;

	MLX5_SET(ads, ads, pkey_index, modify->pkey_index);
	MLX5_SET(ads, ads, vhca_port_num, 1);
	MLX5_SET(ads, ads, rlid, path->dlid);
	MLX5_SET(ads, ads, mlid, path->path_bits);
	MLX5_SET(ads, ads, sl, path->sl);
	MLX5_SET(ads, ads, grh, path->grh);
	MLX5_SET(ads, ads, ack_timeout, modify->ack_timeout);
	if (path->grh) {
		MLX5_SET(ads, ads, src_addr_index, path->sgid_index);
		MLX5_SET(ads, ads, hop_limit, path->hop_limit);
		MLX5_SET(ads, ads, tclass, path->tclass);
		MLX5_SET(ads, ads, flow_label, path->flow);
		memcpy((u8 *)ads + MLX5_BYTE_OFF(ads, rmac_31_0) - 2, path->dmac, 6);
		memcpy(MLX5_ADDR_OF(ads, ads, rgid_rip), path->dgid, 16);
	}
}

/* Each transition carries its own fields and zeroes for the rest, like mlx5_ib. */
static void fill_modify(const struct client_qp *qp, u16 opcode, const struct client_modify *m,
			void *qpc)
{
	bool init = opcode == MLX5_CMD_OP_RST2INIT_QP || opcode == MLX5_CMD_OP_INIT2INIT_QP;
	bool rtr = opcode == MLX5_CMD_OP_INIT2RTR_QP;

	MLX5_SET(qpc, qpc, st, qp->type);
	MLX5_SET(qpc, qpc, pm_state, MLX5_QP_PM_MIGRATED);
	MLX5_SET(qpc, qpc, rre, !!(m->access & CLIENT_REMOTE_READ));
	MLX5_SET(qpc, qpc, rwe, !!(m->access & CLIENT_REMOTE_WRITE));
	MLX5_SET(qpc, qpc, rae, !!(m->access & CLIENT_REMOTE_ATOMIC));
	MLX5_SET(qpc, qpc, atomic_mode, m->access & CLIENT_REMOTE_ATOMIC ? 1 : 0);
	MLX5_SET(qpc, qpc, q_key, m->qkey);
	if (init) {
		MLX5_SET(qpc, qpc, deth_sqpn, qp->deth_sqpn);
		MLX5_SET(qpc, qpc, counter_set_id, m->counter_set);
		if (qp->send_cq)
			MLX5_SET(qpc, qpc, cqn_snd, qp->send_cq->cqn);
		if (qp->recv_cq)
			MLX5_SET(qpc, qpc, cqn_rcv, qp->recv_cq->cqn);
		MLX5_SET64(qpc, qpc, dbr_addr, client_iova(qp->c, qp->record.word));
		MLX5_SET(qpc, qpc, primary_address_path.pkey_index, m->pkey_index);
		MLX5_SET(qpc, qpc, primary_address_path.vhca_port_num, 1);
		return;
	}
	fill_path(MLX5_ADDR_OF(qpc, qpc, primary_address_path), m);
	if (rtr) {
		MLX5_SET(qpc, qpc, mtu, qp->type == MLX5_QP_ST_UD ? IB_MTU_4096 : m->mtu);
		MLX5_SET(qpc, qpc, log_msg_max, qp->type == MLX5_QP_ST_UD ? 12 : 30);
		MLX5_SET(qpc, qpc, remote_qpn, m->remote_qpn);
		MLX5_SET(qpc, qpc, next_rcv_psn, m->rq_psn);
		MLX5_SET(qpc, qpc, log_rra_max, m->log_rra);
		MLX5_SET(qpc, qpc, min_rnr_nak, m->min_rnr);
		return;
	}
	MLX5_SET(qpc, qpc, next_send_psn, m->sq_psn);
	MLX5_SET(qpc, qpc, log_sra_max, m->log_sra);
	MLX5_SET(qpc, qpc, retry_count, m->retry);
	MLX5_SET(qpc, qpc, rnr_retry, m->rnr_retry);
	MLX5_SET(qpc, qpc, min_rnr_nak, m->min_rnr);
}

void client_qp_reset(struct client_qp *qp)
{
	qp->rq.head = 0;
	qp->rq.tail = 0;
	qp->sq.head = 0;
	qp->sq.tail = 0;
	qp->record.word[0] = 0;
	qp->record.word[1] = 0;
}

int client_modify_qp(struct client_qp *qp, u16 opcode, const struct client_modify *modify)
{
	u32 out[MLX5_ST_SZ_DW(rst2init_qp_out)];
	u32 inlen = MLX5_ST_SZ_BYTES(rst2init_qp_in);
	u8 *in;
	int ret;

	if (opcode == MLX5_CMD_OP_2ERR_QP || opcode == MLX5_CMD_OP_DESTROY_QP)
		return name_qp(qp, opcode);
	if (opcode == MLX5_CMD_OP_2RST_QP) {
		ret = name_qp(qp, opcode);
		if (!ret)
			client_qp_reset(qp);
		return ret;
	}
	in = calloc(1, inlen);
	if (!in)
		return -ENOMEM;
	/* All transitions share one layout. */
	MLX5_SET(rst2init_qp_in, in, opcode, opcode);
	MLX5_SET(rst2init_qp_in, in, qpn, qp->qpn);
	MLX5_SET(rst2init_qp_in, in, opt_param_mask, modify->optional);
	fill_modify(qp, opcode, modify, MLX5_ADDR_OF(rst2init_qp_in, in, qpc));
	ret = client_exec(qp->c, in, inlen, out, sizeof(out));
	free(in);
	return ret;
}

int client_connect_qp(struct client_qp *qp, const struct client_modify *modify)
{
	int ret = client_modify_qp(qp, MLX5_CMD_OP_RST2INIT_QP, modify);

	if (!ret)
		ret = client_modify_qp(qp, MLX5_CMD_OP_INIT2RTR_QP, modify);
	return ret ? ret : client_modify_qp(qp, MLX5_CMD_OP_RTR2RTS_QP, modify);
}

int client_query_qp(struct client_qp *qp, void *qpc)
{
	u32 in[MLX5_ST_SZ_DW(query_qp_in)] = { 0 };
	u32 outlen = MLX5_ST_SZ_BYTES(query_qp_out);
	u8 *out = calloc(1, outlen);
	int ret;

	if (!out)
		return -ENOMEM;
	MLX5_SET(query_qp_in, in, opcode, MLX5_CMD_OP_QUERY_QP);
	MLX5_SET(query_qp_in, in, qpn, qp->qpn);
	ret = client_exec(qp->c, in, sizeof(in), out, outlen);
	if (!ret)
		memcpy(qpc, MLX5_ADDR_OF(query_qp_out, out, qpc), MLX5_ST_SZ_BYTES(qpc));
	free(out);
	return ret;
}

static int mcast(struct client_qp *qp, u16 opcode, const u8 gid[16])
{
	u32 in[MLX5_ST_SZ_DW(attach_to_mcg_in)] = { 0 };
	u32 out[MLX5_ST_SZ_DW(attach_to_mcg_out)];

	MLX5_SET(attach_to_mcg_in, in, opcode, opcode);
	MLX5_SET(attach_to_mcg_in, in, qpn, qp->qpn);
	memcpy(MLX5_ADDR_OF(attach_to_mcg_in, in, multicast_gid), gid, 16);
	return client_exec(qp->c, in, sizeof(in), out, sizeof(out));
}

int client_attach_mcast(struct client_qp *qp, const u8 gid[16])
{
	return mcast(qp, MLX5_CMD_OP_ATTACH_TO_MCG, gid);
}

int client_detach_mcast(struct client_qp *qp, const u8 gid[16])
{
	return mcast(qp, MLX5_CMD_OP_DETACH_FROM_MCG, gid);
}
