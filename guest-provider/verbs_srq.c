// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Shared receive queues. */
#include "provider.h"

struct ibv_srq *mhca_create_srq(struct ibv_pd *pd, struct ibv_srq_init_attr *init)
{
	struct mhca_context *ctx = to_ctx(pd->context);
	struct client_srq_attr attr = {
		.type = CLIENT_RMP, .pd = to_pd(pd)->number, .limit = (u16)init->attr.srq_limit,
	};
	struct mhca_srq *srq;
	int ret;

	if (!init->attr.max_wr || init->attr.max_sge > 31 ||
	    init->attr.max_wr >= 1U << MLX5_GET(cmd_hca_cap, ctx->c.caps, log_max_srq_sz))
		return mhca_null(-EINVAL);
	srq = calloc(1, sizeof(*srq));
	if (!srq)
		return NULL;
	/* One entry always stays free. */
	attr.log_size = mhca_log2(init->attr.max_wr + 1);
	attr.max_sge = (u8)(init->attr.max_sge ? init->attr.max_sge : 1);
	pthread_mutex_lock(&ctx->lock);
	ret = client_create_srq(&ctx->c, &attr, &srq->raw);
	pthread_mutex_unlock(&ctx->lock);
	if (ret) {
		free(srq);
		return mhca_null(ret);
	}
	pthread_mutex_init(&srq->lock, NULL);
	pthread_mutex_init(&srq->ibv.mutex, NULL);
	pthread_cond_init(&srq->ibv.cond, NULL);
	srq->raw.lock = &srq->lock;
	srq->max_wr = (1U << attr.log_size) - 1;
	srq->max_sge = (1U << (srq->raw.log_stride - 4)) - 1;
	srq->ibv.context = pd->context;
	srq->ibv.srq_context = init->srq_context;
	srq->ibv.pd = pd;
	srq->ibv.handle = srq->raw.srqn;
	init->attr.max_wr = srq->max_wr;
	init->attr.max_sge = srq->max_sge;
	return &srq->ibv;
}

int mhca_modify_srq(struct ibv_srq *ibsrq, struct ibv_srq_attr *attr, int attr_mask)
{
	struct mhca_context *ctx = to_ctx(ibsrq->context);
	int ret;

	if (attr_mask != IBV_SRQ_LIMIT || attr->srq_limit >= to_srq(ibsrq)->max_wr)
		return EINVAL;
	pthread_mutex_lock(&ctx->lock);
	ret = client_arm_srq(&to_srq(ibsrq)->raw, (u16)attr->srq_limit);
	pthread_mutex_unlock(&ctx->lock);
	return -ret;
}

int mhca_query_srq(struct ibv_srq *ibsrq, struct ibv_srq_attr *attr)
{
	struct mhca_context *ctx = to_ctx(ibsrq->context);
	struct mhca_srq *srq = to_srq(ibsrq);
	u16 limit = 0;
	int ret;

	pthread_mutex_lock(&ctx->lock);
	ret = client_query_srq(&srq->raw, &limit);
	pthread_mutex_unlock(&ctx->lock);
	attr->max_wr = srq->max_wr;
	attr->max_sge = srq->max_sge;
	attr->srq_limit = limit;
	return -ret;
}

int mhca_destroy_srq(struct ibv_srq *ibsrq)
{
	struct mhca_context *ctx = to_ctx(ibsrq->context);
	struct mhca_srq *srq = to_srq(ibsrq);
	int ret;

	pthread_mutex_lock(&ctx->lock);
	ret = client_destroy_srq(&srq->raw);
	pthread_mutex_unlock(&ctx->lock);
	if (ret)
		return -ret;
	mhca_wait_acked(&ibsrq->mutex, &ibsrq->cond, &srq->events, &ibsrq->events_completed);
	pthread_mutex_destroy(&srq->lock);
	pthread_mutex_destroy(&ibsrq->mutex);
	pthread_cond_destroy(&ibsrq->cond);
	free(srq);
	return 0;
}
