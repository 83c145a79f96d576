// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Memory regions: of memory from mhca_alloc_memory(), and of the program's own. */
#include "provider.h"

#define KEY_VARIANT	0x5a

u32 mhca_access(int access)
{
	return (access & IBV_ACCESS_LOCAL_WRITE ? CLIENT_LOCAL_WRITE : 0) |
	       (access & IBV_ACCESS_REMOTE_READ ? CLIENT_REMOTE_READ : 0) |
	       (access & IBV_ACCESS_REMOTE_WRITE ? CLIENT_REMOTE_WRITE : 0) |
	       (access & IBV_ACCESS_REMOTE_ATOMIC ? CLIENT_REMOTE_ATOMIC : 0);
}

void *mhca_alloc_memory(struct ibv_context *context, size_t length)
{
	struct mhca_context *ctx = to_ctx(context);
	struct client_mem mem;
	int ret;

	pthread_mutex_lock(&ctx->lock);
	ret = client_mem_alloc(&ctx->c, length, &mem);
	pthread_mutex_unlock(&ctx->lock);
	return ret ? mhca_null(ret) : mem.va;
}

void mhca_free_memory(struct ibv_context *context, void *addr, size_t length)
{
	struct mhca_context *ctx = to_ctx(context);
	struct client_mem mem = {
		.va = addr, .len = (length + CLIENT_PAGE - 1) & ~(size_t)(CLIENT_PAGE - 1),
	};

	if (!addr)
		return;
	pthread_mutex_lock(&ctx->lock);
	client_mem_free(&ctx->c, &mem);
	pthread_mutex_unlock(&ctx->lock);
}

/* Page list of the program's own memory, mapped at @mr->iova. */
static int foreign_key(struct mhca_context *ctx, struct mhca_mr *mr, u8 *first,
		       struct client_mkey_attr *attr)
{
	const struct client_ops *ops = ctx->c.ops;
	__be64 *pas;
	u32 i;
	int ret;

	if (!ops->map)
		return -EOPNOTSUPP;
	pas = calloc(mr->span >> CLIENT_PAGE_SHIFT, sizeof(*pas));
	if (!pas)
		return -ENOMEM;
	ret = ops->map(ctx->c.backend, first, mr->span, &mr->iova);
	if (ret)
		goto out;
	attr->n_pas = (u32)(mr->span >> CLIENT_PAGE_SHIFT);
	for (i = 0; i < attr->n_pas; i++)
		pas[i] = cpu_to_be64(mr->iova + (u64)i * CLIENT_PAGE);
	attr->pas = pas;
	ret = client_create_mkey(&ctx->c, attr, &mr->ibv.lkey);
	if (ret)
		ops->unmap(ctx->c.backend, mr->iova, mr->span);
out:
	free(pas);
	return ret;
}

struct ibv_mr *mhca_reg_mr(struct ibv_pd *pd, void *addr, size_t length, int access)
{
	const int known = IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_WRITE |
			  IBV_ACCESS_REMOTE_READ | IBV_ACCESS_REMOTE_ATOMIC |
			  IBV_ACCESS_RELAXED_ORDERING;
	struct mhca_context *ctx = to_ctx(pd->context);
	u8 *first = (u8 *)((uintptr_t)addr & ~(uintptr_t)(CLIENT_PAGE - 1));
	struct client_mkey_attr attr = {
		.pd = to_pd(pd)->number, .access = mhca_access(access),
		.start = (uintptr_t)addr, .len = length, .shift = CLIENT_PAGE_SHIFT,
		.qpn = CLIENT_ANY_QP, .variant = KEY_VARIANT,
	};
	struct mhca_mr *mr;
	int ret;

	/* Whom others may write to may write himself. */
	if (access & ~known || !length ||
	    (access & (IBV_ACCESS_REMOTE_WRITE | IBV_ACCESS_REMOTE_ATOMIC) &&
	     !(access & IBV_ACCESS_LOCAL_WRITE)))
		return mhca_null(-EINVAL);
	mr = calloc(1, sizeof(*mr));
	if (!mr)
		return NULL;
	pthread_mutex_lock(&ctx->lock);
	if (client_iova(&ctx->c, first) != ~0ULL) {
		ret = client_reg_mr(&ctx->c, attr.pd, addr, length, attr.access, &mr->ibv.lkey);
	} else {
		mr->span = ((u8 *)addr - first + length + CLIENT_PAGE - 1) &
			   ~(size_t)(CLIENT_PAGE - 1);
		ret = foreign_key(ctx, mr, first, &attr);
	}
	pthread_mutex_unlock(&ctx->lock);
	if (ret) {
		free(mr);
		return mhca_null(ret);
	}
	mr->ibv.context = pd->context;
	mr->ibv.pd = pd;
	mr->ibv.addr = addr;
	mr->ibv.length = length;
	mr->ibv.rkey = mr->ibv.lkey;
	return &mr->ibv;
}

int mhca_dereg_mr(struct ibv_mr *ibmr)
{
	struct mhca_context *ctx = to_ctx(ibmr->context);
	struct mhca_mr *mr = mhca_to(mr, ibv, ibmr);
	int ret;

	pthread_mutex_lock(&ctx->lock);
	ret = client_destroy_mkey(&ctx->c, ibmr->lkey);
	if (!ret && mr->span)
		ctx->c.ops->unmap(ctx->c.backend, mr->iova, mr->span);
	pthread_mutex_unlock(&ctx->lock);
	if (!ret)
		free(mr);
	return -ret;
}
