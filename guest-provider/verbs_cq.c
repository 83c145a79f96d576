// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Completion queues: create, poll, arm, resize. */
#include "provider.h"

/* ---- Polling ------------------------------------------------------------ */

static const struct {
	u8 syndrome;
	enum ibv_wc_status status;
} statuses[] = {
	{ MLX5_CQE_SYNDROME_LOCAL_LENGTH_ERR, IBV_WC_LOC_LEN_ERR },
	{ MLX5_CQE_SYNDROME_LOCAL_QP_OP_ERR, IBV_WC_LOC_QP_OP_ERR },
	{ MLX5_CQE_SYNDROME_LOCAL_PROT_ERR, IBV_WC_LOC_PROT_ERR },
	{ MLX5_CQE_SYNDROME_WR_FLUSH_ERR, IBV_WC_WR_FLUSH_ERR },
	{ MLX5_CQE_SYNDROME_MW_BIND_ERR, IBV_WC_MW_BIND_ERR },
	{ MLX5_CQE_SYNDROME_BAD_RESP_ERR, IBV_WC_BAD_RESP_ERR },
	{ MLX5_CQE_SYNDROME_LOCAL_ACCESS_ERR, IBV_WC_LOC_ACCESS_ERR },
	{ MLX5_CQE_SYNDROME_REMOTE_INVAL_REQ_ERR, IBV_WC_REM_INV_REQ_ERR },
	{ MLX5_CQE_SYNDROME_REMOTE_ACCESS_ERR, IBV_WC_REM_ACCESS_ERR },
	{ MLX5_CQE_SYNDROME_REMOTE_OP_ERR, IBV_WC_REM_OP_ERR },
	{ MLX5_CQE_SYNDROME_TRANSPORT_RETRY_EXC_ERR, IBV_WC_RETRY_EXC_ERR },
	{ MLX5_CQE_SYNDROME_RNR_RETRY_EXC_ERR, IBV_WC_RNR_RETRY_EXC_ERR },
	{ MLX5_CQE_SYNDROME_REMOTE_ABORTED_ERR, IBV_WC_REM_ABORT_ERR },
};

static enum ibv_wc_status status_of(u8 syndrome)
{
	u32 i;

	for (i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++)
		if (statuses[i].syndrome == syndrome)
			return statuses[i].status;
	return IBV_WC_GENERAL_ERR;
}

const char *mhca_wc_status_str(enum ibv_wc_status status)
{
	static const char *const names[] = {
		[IBV_WC_SUCCESS] = "success",
		[IBV_WC_LOC_LEN_ERR] = "local length error",
		[IBV_WC_LOC_QP_OP_ERR] = "local QP operation error",
		[IBV_WC_LOC_PROT_ERR] = "local protection error",
		[IBV_WC_WR_FLUSH_ERR] = "request flushed",
		[IBV_WC_MW_BIND_ERR] = "memory window bind error",
		[IBV_WC_BAD_RESP_ERR] = "bad response",
		[IBV_WC_LOC_ACCESS_ERR] = "local access error",
		[IBV_WC_REM_INV_REQ_ERR] = "remote invalid request",
		[IBV_WC_REM_ACCESS_ERR] = "remote access error",
		[IBV_WC_REM_OP_ERR] = "remote operation error",
		[IBV_WC_RETRY_EXC_ERR] = "transport retries exceeded",
		[IBV_WC_RNR_RETRY_EXC_ERR] = "receiver-not-ready retries exceeded",
		[IBV_WC_REM_ABORT_ERR] = "remote abort",
		[IBV_WC_GENERAL_ERR] = "general error",
	};

	if ((unsigned int)status >= sizeof(names) / sizeof(names[0]) || !names[status])
		return "unknown";
	return names[status];
}

static void sent(const struct client_wc *from, struct ibv_wc *to)
{
	switch (from->wqe_opcode) {
	case MLX5_OPCODE_RDMA_WRITE:
	case MLX5_OPCODE_RDMA_WRITE_IMM:
		to->opcode = IBV_WC_RDMA_WRITE;
		break;
	case MLX5_OPCODE_RDMA_READ:
		to->opcode = IBV_WC_RDMA_READ;
		to->byte_len = from->bytes;
		break;
	case MLX5_OPCODE_ATOMIC_CS:
		to->opcode = IBV_WC_COMP_SWAP;
		to->byte_len = 8;
		break;
	case MLX5_OPCODE_ATOMIC_FA:
		to->opcode = IBV_WC_FETCH_ADD;
		to->byte_len = 8;
		break;
	default:
		to->opcode = IBV_WC_SEND;
	}
}

static void received(const struct client_wc *from, struct ibv_wc *to)
{
	to->opcode = from->opcode == MLX5_CQE_RESP_WR_IMM ? IBV_WC_RECV_RDMA_WITH_IMM :
		     IBV_WC_RECV;
	to->byte_len = from->bytes;
	to->src_qp = from->src_qpn;
	to->slid = from->slid;
	to->sl = from->sl;
	to->dlid_path_bits = from->path_bits;
	if (from->grh)
		to->wc_flags |= IBV_WC_GRH;
	if (from->opcode == MLX5_CQE_RESP_WR_IMM || from->opcode == MLX5_CQE_RESP_SEND_IMM) {
		to->wc_flags |= IBV_WC_WITH_IMM;
		to->imm_data = from->imm;
	}
}

static void convert(const struct client_wc *from, struct ibv_wc *to)
{
	memset(to, 0, sizeof(*to));
	to->wr_id = from->wr_id;
	to->qp_num = from->qpn;
	switch (from->opcode) {
	case MLX5_CQE_REQ:
		sent(from, to);
		break;
	case MLX5_CQE_REQ_ERR:
	case MLX5_CQE_RESP_ERR:
		to->status = status_of(from->status);
		to->vendor_err = from->vendor;
		break;
	default:
		received(from, to);
	}
}

int mhca_poll_cq(struct ibv_cq *ibcq, int n, struct ibv_wc *wc)
{
	struct mhca_cq *cq = to_cq(ibcq);
	struct client_wc from;
	int got = 0;

	if (!client_peek_cq(&cq->raw))
		return 0;
	pthread_mutex_lock(&cq->lock);
	while (got < n && client_poll_cq(&cq->raw, 1, &from))
		convert(&from, &wc[got++]);
	pthread_mutex_unlock(&cq->lock);
	return got;
}

int mhca_req_notify_cq(struct ibv_cq *ibcq, int solicited_only)
{
	struct mhca_cq *cq = to_cq(ibcq);

	pthread_mutex_lock(&cq->lock);
	client_arm_cq(&cq->raw, solicited_only);
	pthread_mutex_unlock(&cq->lock);
	return 0;
}

/* ---- Control -------------------------------------------------------------- */

static int log_of(struct mhca_context *ctx, int cqe, u8 *log)
{
	if (cqe < 1 || cqe >= 1 << MLX5_GET(cmd_hca_cap, ctx->c.caps, log_max_cq_sz))
		return -EINVAL;
	*log = mhca_log2((u32)cqe + 1);
	return 0;
}

struct ibv_cq *mhca_create_cq(struct ibv_context *context, int cqe, void *cq_context,
			      struct ibv_comp_channel *channel, int comp_vector)
{
	struct mhca_context *ctx = to_ctx(context);
	struct client_cq_attr attr;
	struct mhca_cq *cq;
	u8 log;
	int ret = log_of(ctx, cqe, &log);

	if (ret || comp_vector < 0 || comp_vector >= context->num_comp_vectors)
		return mhca_null(-EINVAL);
	cq = calloc(1, sizeof(*cq));
	if (!cq)
		return NULL;
	client_cq_attr_init(&attr, log);
	if (channel)
		attr.eqn = mhca_to(channel, ibv, channel)->eq.eqn;
	pthread_mutex_lock(&ctx->lock);
	ret = client_create_cq(&ctx->c, &attr, &cq->raw);
	if (!ret) {
		ret = client_table_set(&ctx->cqs, cq->raw.cqn, cq);
		if (ret)
			client_destroy_cq(&cq->raw);
	}
	if (!ret && channel)
		channel->refcnt++;
	pthread_mutex_unlock(&ctx->lock);
	if (ret) {
		free(cq);
		return mhca_null(ret);
	}
	pthread_mutex_init(&cq->lock, NULL);
	pthread_mutex_init(&cq->ibv.mutex, NULL);
	pthread_cond_init(&cq->ibv.cond, NULL);
	cq->ibv.context = context;
	cq->ibv.channel = channel;
	cq->ibv.cq_context = cq_context;
	cq->ibv.handle = cq->raw.cqn;
	cq->ibv.cqe = (1 << log) - 1;
	return &cq->ibv;
}

int mhca_resize_cq(struct ibv_cq *ibcq, int cqe)
{
	struct mhca_context *ctx = to_ctx(ibcq->context);
	struct mhca_cq *cq = to_cq(ibcq);
	u8 log;
	int ret = log_of(ctx, cqe, &log);

	if (ret)
		return EINVAL;
	pthread_mutex_lock(&ctx->lock);
	pthread_mutex_lock(&cq->lock);
	ret = client_resize_cq(&cq->raw, log);
	if (!ret)
		cq->ibv.cqe = (1 << log) - 1;
	pthread_mutex_unlock(&cq->lock);
	pthread_mutex_unlock(&ctx->lock);
	return -ret;
}

int mhca_destroy_cq(struct ibv_cq *ibcq)
{
	struct mhca_context *ctx = to_ctx(ibcq->context);
	struct mhca_cq *cq = to_cq(ibcq);
	struct mhca_channel *channel = NULL;
	int ret;

	if (ibcq->channel)
		channel = mhca_to(channel, ibv, ibcq->channel);
	pthread_mutex_lock(&ctx->lock);
	ret = client_destroy_cq(&cq->raw);
	if (!ret) {
		/* Events of it that nobody fetched find nothing. */
		if (channel)
			pthread_mutex_lock(&channel->lock);
		client_table_set(&ctx->cqs, cq->raw.cqn, NULL);
		if (channel) {
			channel->ibv.refcnt--;
			pthread_mutex_unlock(&channel->lock);
		}
	}
	pthread_mutex_unlock(&ctx->lock);
	if (ret)
		return -ret;
	mhca_wait_acked(&ibcq->mutex, &ibcq->cond, &cq->events, &ibcq->comp_events_completed);
	pthread_mutex_destroy(&cq->lock);
	pthread_mutex_destroy(&ibcq->mutex);
	pthread_cond_destroy(&ibcq->cond);
	free(cq);
	return 0;
}
