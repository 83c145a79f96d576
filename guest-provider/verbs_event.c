// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Completion channels and asynchronous events. A channel is an EQ with an interrupt
 * vector of its own, and its file descriptor is that vector's eventfd: no thread and
 * no copy stands between the device and poll(2).
 */
#include <fcntl.h>
#include <poll.h>
#include <unistd.h>
#include "provider.h"

#define CHANNEL_LOG	11	/* entries of a channel's EQ */
#define FIRST_VECTOR	3	/* 0 … 2: commands, asynchronous events, CQs without channel */

void mhca_wait_acked(pthread_mutex_t *mutex, pthread_cond_t *cond, const u32 *delivered,
		     const u32 *acked)
{
	pthread_mutex_lock(mutex);
	while (*delivered != *acked)
		pthread_cond_wait(cond, mutex);
	pthread_mutex_unlock(mutex);
}

/* ---- Waiting for an EQ ---------------------------------------------------- */

static bool more(struct client_eq *eq)
{
	struct client_eq peek = *eq;
	struct mlx5_eqe eqe;

	return client_poll_eq(&peek, &eqe);
}

/*
 * The eventfd stays readable while the EQ has entries: only when it was seen empty its
 * count is taken, and an entry that came meanwhile puts it back.
 */
static void settle_fd(struct client_eq *eq, int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	u64 count;

	client_arm_eq(eq);
	if (more(eq) || poll(&p, 1, 0) <= 0)
		return;
	if (read(fd, &count, sizeof(count)) != sizeof(count))
		return;
	count = 1;
	if (more(eq) && write(fd, &count, sizeof(count)) < 0)
		return;
}

/* The next entry, if there is one. The caller holds the EQ's lock. */
static bool take_eqe(struct client_eq *eq, int fd, struct mlx5_eqe *eqe)
{
	bool found = client_poll_eq(eq, eqe);

	settle_fd(eq, fd);
	return found || client_poll_eq(eq, eqe);
}

/* Until there may be one; no lock is held meanwhile. */
static int wait_fd(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	if (fcntl(fd, F_GETFL) & O_NONBLOCK)
		return -EAGAIN;
	return poll(&p, 1, -1) < 0 ? -errno : 0;
}

/* ---- Completion channels -------------------------------------------------- */

struct ibv_comp_channel *mhca_create_comp_channel(struct ibv_context *context)
{
	struct mhca_context *ctx = to_ctx(context);
	const struct client_ops *ops = ctx->c.ops;
	struct mhca_channel *channel;
	u32 count = ops->irq_count(ctx->c.backend);
	u32 vector = FIRST_VECTOR;
	int ret = -ENOSPC;

	if (!ops->irq_fd || !count)
		return mhca_null(-EOPNOTSUPP);
	channel = calloc(1, sizeof(*channel));
	if (!channel)
		return NULL;
	pthread_mutex_lock(&ctx->lock);
	while (vector < count && vector < 64 && ctx->vectors >> vector & 1)
		vector++;
	if (vector < count && vector < 64)
		ret = client_create_eq(&ctx->c, CHANNEL_LOG, vector, 0, &channel->eq);
	if (!ret)
		ctx->vectors |= 1ULL << vector;
	pthread_mutex_unlock(&ctx->lock);
	if (ret) {
		free(channel);
		return mhca_null(ret);
	}
	pthread_mutex_init(&channel->lock, NULL);
	channel->ibv.context = context;
	channel->ibv.fd = ops->irq_fd(ctx->c.backend, vector);
	return &channel->ibv;
}

int mhca_destroy_comp_channel(struct ibv_comp_channel *ibchannel)
{
	struct mhca_context *ctx = to_ctx(ibchannel->context);
	struct mhca_channel *channel = mhca_to(channel, ibv, ibchannel);
	struct pollfd p = { .fd = ibchannel->fd, .events = POLLIN };
	u64 count;
	int ret = -EBUSY;

	pthread_mutex_lock(&ctx->lock);
	if (!ibchannel->refcnt)
		ret = client_destroy_eq(&channel->eq);
	if (!ret) {
		ctx->vectors &= ~(1ULL << channel->eq.vector);
		/* The vector's next user finds nothing old. */
		if (poll(&p, 1, 0) > 0 && read(p.fd, &count, sizeof(count)) < 0)
			ret = -errno;
	}
	pthread_mutex_unlock(&ctx->lock);
	if (ret)
		return -ret;
	pthread_mutex_destroy(&channel->lock);
	free(channel);
	return 0;
}

static void count_event(struct mhca_cq *cq)
{
	pthread_mutex_lock(&cq->lock);
	cq->raw.arm_sn++;
	pthread_mutex_unlock(&cq->lock);
	pthread_mutex_lock(&cq->ibv.mutex);
	cq->events++;
	pthread_mutex_unlock(&cq->ibv.mutex);
}

int mhca_get_cq_event(struct ibv_comp_channel *ibchannel, struct ibv_cq **ibcq,
		      void **cq_context)
{
	struct mhca_context *ctx = to_ctx(ibchannel->context);
	struct mhca_channel *channel = mhca_to(channel, ibv, ibchannel);
	struct mhca_cq *cq = NULL;
	struct mlx5_eqe eqe;
	bool found;
	int ret = 0;

	do {
		pthread_mutex_lock(&channel->lock);
		found = take_eqe(&channel->eq, ibchannel->fd, &eqe);
		if (found && eqe.type == MLX5_EVENT_TYPE_COMP)
			cq = client_table_get(&ctx->cqs,
					      be32_to_cpu(eqe.data.comp.cqn) & 0xffffff);
		if (cq)
			count_event(cq);
		pthread_mutex_unlock(&channel->lock);
		if (!found)
			ret = wait_fd(ibchannel->fd);
	} while (!cq && !ret);
	if (!cq) {
		errno = -ret;
		return -1;
	}
	*ibcq = &cq->ibv;
	*cq_context = cq->ibv.cq_context;
	return 0;
}

static void acknowledge(pthread_mutex_t *mutex, pthread_cond_t *cond, u32 *acked, u32 n)
{
	pthread_mutex_lock(mutex);
	*acked += n;
	pthread_cond_broadcast(cond);
	pthread_mutex_unlock(mutex);
}

void mhca_ack_cq_events(struct ibv_cq *cq, unsigned int nevents)
{
	acknowledge(&cq->mutex, &cq->cond, &cq->comp_events_completed, nevents);
}

/* ---- Asynchronous events --------------------------------------------------- */

static const struct {
	u8 type;
	enum ibv_event_type event;
} async_types[] = {
	{ MLX5_EVENT_TYPE_COMM_EST, IBV_EVENT_COMM_EST },
	{ MLX5_EVENT_TYPE_SQ_DRAINED, IBV_EVENT_SQ_DRAINED },
	{ MLX5_EVENT_TYPE_SRQ_LAST_WQE, IBV_EVENT_QP_LAST_WQE_REACHED },
	{ MLX5_EVENT_TYPE_PATH_MIG, IBV_EVENT_PATH_MIG },
	{ MLX5_EVENT_TYPE_WQ_CATAS_ERROR, IBV_EVENT_QP_FATAL },
	{ MLX5_EVENT_TYPE_WQ_INVAL_REQ_ERROR, IBV_EVENT_QP_REQ_ERR },
	{ MLX5_EVENT_TYPE_WQ_ACCESS_ERROR, IBV_EVENT_QP_ACCESS_ERR },
	{ MLX5_EVENT_TYPE_SRQ_RQ_LIMIT, IBV_EVENT_SRQ_LIMIT_REACHED },
	{ MLX5_EVENT_TYPE_SRQ_CATAS_ERROR, IBV_EVENT_SRQ_ERR },
	{ MLX5_EVENT_TYPE_CQ_ERROR, IBV_EVENT_CQ_ERR },
};

/* The element that an event is about. false: it is gone, or the type is unknown. */
static bool find_element(struct mhca_context *ctx, const struct mlx5_eqe *eqe,
			 struct ibv_async_event *event)
{
	u32 number = be32_to_cpu(eqe->data.qp_srq.qp_srq_n) & 0xffffff;
	struct client_srq *srq;
	struct client_qp *qp;
	struct mhca_cq *cq;

	switch (event->event_type) {
	case IBV_EVENT_CQ_ERR:
		cq = client_table_get(&ctx->cqs, be32_to_cpu(eqe->data.cq_err.cqn) & 0xffffff);
		if (!cq)
			return false;
		event->element.cq = &cq->ibv;
		return true;
	case IBV_EVENT_SRQ_LIMIT_REACHED:
	case IBV_EVENT_SRQ_ERR:
		srq = client_table_get(&ctx->c.srqs, number);
		if (!srq)
			return false;
		event->element.srq = &mhca_to(srq, raw, srq)->ibv;
		mhca_to(srq, raw, srq)->events++;
		return true;
	default:
		qp = client_table_get(&ctx->c.qps, number);
		if (!qp)
			return false;
		event->element.qp = &mhca_to(qp, raw, qp)->ibv;
		mhca_to(qp, raw, qp)->events++;
		return true;
	}
}

static bool translate(struct mhca_context *ctx, const struct mlx5_eqe *eqe,
		      struct ibv_async_event *event)
{
	u32 i;

	if (eqe->type == MLX5_EVENT_TYPE_PORT_CHANGE) {
		event->event_type = eqe->sub_type == MLX5_PORT_CHANGE_SUBTYPE_ACTIVE ?
				    IBV_EVENT_PORT_ACTIVE : IBV_EVENT_PORT_ERR;
		event->element.port_num = 1;
		return true;
	}
	for (i = 0; i < sizeof(async_types) / sizeof(async_types[0]); i++) {
		if (async_types[i].type == eqe->type) {
			event->event_type = async_types[i].event;
			return find_element(ctx, eqe, event);
		}
	}
	return false;
}

int mhca_get_async_event(struct ibv_context *context, struct ibv_async_event *event)
{
	struct mhca_context *ctx = to_ctx(context);
	struct mlx5_eqe eqe;
	bool done = false;
	bool found;
	int ret = 0;

	while (!done && !ret) {
		/* Nothing may be destroyed between look-up and count. */
		pthread_mutex_lock(&ctx->lock);
		if (context->async_fd >= 0) {
			found = take_eqe(&ctx->c.async_eq, context->async_fd, &eqe);
		} else {
			found = client_poll_eq(&ctx->c.async_eq, &eqe);
			client_update_eq(&ctx->c.async_eq);
		}
		done = found && translate(ctx, &eqe, event);
		pthread_mutex_unlock(&ctx->lock);
		if (!found)
			ret = context->async_fd < 0 ? -EAGAIN : wait_fd(context->async_fd);
	}
	if (done)
		return 0;
	errno = -ret;
	return -1;
}

void mhca_ack_async_event(struct ibv_async_event *event)
{
	switch (event->event_type) {
	case IBV_EVENT_CQ_ERR:
		/* Not counted: a CQ in error can be destroyed at any time. */
	case IBV_EVENT_PORT_ACTIVE:
	case IBV_EVENT_PORT_ERR:
		break;
	case IBV_EVENT_SRQ_LIMIT_REACHED:
	case IBV_EVENT_SRQ_ERR: {
		struct ibv_srq *srq = event->element.srq;

		acknowledge(&srq->mutex, &srq->cond, &srq->events_completed, 1);
		break;
	}
	default: {
		struct ibv_qp *qp = event->element.qp;

		acknowledge(&qp->mutex, &qp->cond, &qp->events_completed, 1);
	}
	}
}
