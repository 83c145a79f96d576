/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * libmhca's verbs: the objects of <infiniband/verbs.h> around those of client.h.
 *
 *   open.c           names, transports              context.c     device, port, PD, AH
 *   verbs_mr.c       memory                         verbs_cq.c    CQs, polling
 *   verbs_qp.c       QPs, states                    verbs_srq.c   SRQs
 *   verbs_post.c     work requests                  verbs_event.c channels, events
 *
 * Locks, outer to inner: context lock (every control verb; it also protects the
 * client's tables and its doorbell record pages), then CQ lock, then SRQ lock. A QP's
 * send and receive locks are taken alone.
 */
#ifndef MHCA_PROVIDER_H
#define MHCA_PROVIDER_H

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <infiniband/verbs.h>
#include "libmhca.h"
#include "client.h"

/**
 * struct mhca_context - an opened instance
 * @ibv: what the program holds
 * @device: @ibv.device
 * @c: client
 * @lock: control verbs, one at a time
 * @cqs: struct mhca_cq by CQN
 * @vectors: bit mask of interrupt vectors that channels use
 */
struct mhca_context {
	struct ibv_context ibv;
	struct ibv_device device;
	struct client c;
	pthread_mutex_t lock;
	struct client_table cqs;
	u64 vectors;
};

struct mhca_pd {
	struct ibv_pd ibv;
	u32 number;
};

/**
 * struct mhca_mr - a memory region
 * @ibv: what the program holds
 * @iova: device address of the program's own memory that was mapped for it
 * @span: bytes mapped there; 0: the memory is ours
 */
struct mhca_mr {
	struct ibv_mr ibv;
	u64 iova;
	size_t span;
};

/**
 * struct mhca_channel - a completion channel: an EQ with an interrupt of its own
 * @ibv: @ibv.fd is the interrupt's eventfd
 * @eq: event queue
 * @lock: protects @eq
 */
struct mhca_channel {
	struct ibv_comp_channel ibv;
	struct client_eq eq;
	pthread_mutex_t lock;
};

struct mhca_cq {
	struct ibv_cq ibv;
	struct client_cq raw;
	pthread_mutex_t lock;
	u32 events;		/* delivered; under the channel's lock */
};

struct mhca_srq {
	struct ibv_srq ibv;
	struct client_srq raw;
	pthread_mutex_t lock;
	u32 max_wr;
	u32 max_sge;
	u32 events;
};

/**
 * struct mhca_qp - a QP
 * @ibv: what the program holds
 * @raw: client's QP
 * @send_lock: protects the send queue
 * @recv_lock: protects the receive queue
 * @cap: what was granted
 * @modify: attributes, collected over the transitions
 * @sig_all: every send request completes
 * @events: asynchronous events delivered
 */
struct mhca_qp {
	struct ibv_qp ibv;
	struct client_qp raw;
	pthread_mutex_t send_lock;
	pthread_mutex_t recv_lock;
	struct ibv_qp_cap cap;
	struct client_modify modify;
	bool sig_all;
	u32 events;
};

struct mhca_ah {
	struct ibv_ah ibv;
	struct client_path path;
};

#define mhca_to(type, member, p)	container_of(p, struct mhca_##type, member)

static inline struct mhca_context *to_ctx(struct ibv_context *context)
{
	return mhca_to(context, ibv, context);
}

static inline struct mhca_pd *to_pd(struct ibv_pd *pd)
{
	return mhca_to(pd, ibv, pd);
}

static inline struct mhca_cq *to_cq(struct ibv_cq *cq)
{
	return mhca_to(cq, ibv, cq);
}

static inline struct mhca_srq *to_srq(struct ibv_srq *srq)
{
	return mhca_to(srq, ibv, srq);
}

static inline struct mhca_qp *to_qp(struct ibv_qp *qp)
{
	return mhca_to(qp, ibv, qp);
}

/* Verbs return a positive errno, or set it and return NULL. */
static inline void *mhca_null(int ret)
{
	errno = -ret;
	return NULL;
}

/* Open over any transport; takes @backend over, also when it fails. */
struct ibv_context *mhca_open_backend(const char *name, const struct client_ops *ops,
				      void *backend);
int mhca_path(const struct ibv_ah_attr *attr, struct client_path *path);
u8 mhca_log2(u32 n);
u32 mhca_access(int access);
/* Before an object goes away: until all of its events are acknowledged. */
void mhca_wait_acked(pthread_mutex_t *mutex, pthread_cond_t *cond, const u32 *delivered,
		     const u32 *acked);

int mhca_poll_cq(struct ibv_cq *cq, int n, struct ibv_wc *wc);
int mhca_req_notify_cq(struct ibv_cq *cq, int solicited_only);
int mhca_post_send(struct ibv_qp *qp, struct ibv_send_wr *wr, struct ibv_send_wr **bad);
int mhca_post_recv(struct ibv_qp *qp, struct ibv_recv_wr *wr, struct ibv_recv_wr **bad);
int mhca_post_srq_recv(struct ibv_srq *srq, struct ibv_recv_wr *wr, struct ibv_recv_wr **bad);

#endif /* MHCA_PROVIDER_H */
