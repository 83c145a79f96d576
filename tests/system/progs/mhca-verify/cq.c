// SPDX-License-Identifier: GPL-2.0-only
/* Completion queues and events, waited for with a limit. */
#include "verify.h"

#include <errno.h>
#include <poll.h>
#include <string.h>

int cq_open(struct side *s, struct cq *cq, unsigned int depth)
{
	cq->channel = ibv_create_comp_channel(s->ctx);
	if (!cq->channel)
		return fail(s, "ibv_create_comp_channel: %m");
	cq->cq = ibv_create_cq(s->ctx, (int)depth, cq, cq->channel, 0);
	if (!cq->cq)
		return fail(s, "ibv_create_cq %u: %m", depth);
	return 0;
}

void cq_close(struct cq *cq)
{
	if (cq->cq && cq->unacked)
		ibv_ack_cq_events(cq->cq, cq->unacked);
	if (cq->cq)
		ibv_destroy_cq(cq->cq);
	if (cq->channel)
		ibv_destroy_comp_channel(cq->channel);
	memset(cq, 0, sizeof(*cq));
}

int cq_wait_event(struct side *s, struct cq *cq, int ms, bool *seen)
{
	struct pollfd pfd = { .fd = cq->channel->fd, .events = POLLIN };
	struct ibv_cq *from;
	void *context;
	int n;

	do {
		n = poll(&pfd, 1, ms);
	} while (n < 0 && errno == EINTR);
	*seen = n > 0;
	if (n <= 0)
		return n ? fail(s, "poll: %m") : 0;
	if (ibv_get_cq_event(cq->channel, &from, &context))
		return fail(s, "ibv_get_cq_event: %m");
	cq->unacked++;
	if (from != cq->cq || context != cq)
		return fail(s, "event of another CQ");
	return 0;
}

/* One round of waiting with events: arm, look again, sleep. */
static int cq_sleep(struct side *s, struct cq *cq, struct ibv_wc *wc, int ms)
{
	bool seen;
	int n;

	if (ibv_req_notify_cq(cq->cq, 0))
		return fail(s, "ibv_req_notify_cq: %m");
	n = ibv_poll_cq(cq->cq, 1, wc);
	if (n)
		return n;
	if (cq_wait_event(s, cq, ms, &seen))
		return -1;
	if (!seen && ibv_poll_cq(cq->cq, 1, wc))
		return fail(s, "a completion came without its event");
	return 0;
}

int cq_next(struct side *s, struct cq *cq, struct ibv_wc *wc)
{
	uint64_t end = now_ms() + s->opt->timeout * 1000ULL;
	int n;

	for (;;) {
		memset(wc, 0, sizeof(*wc));
		n = ibv_poll_cq(cq->cq, 1, wc);
		if (!n && s->opt->events)
			n = cq_sleep(s, cq, wc, (int)s->opt->timeout * 1000);
		if (n < 0)
			return fail(s, "ibv_poll_cq: %d", n);
		if (n)
			return 0;
		if (now_ms() >= end)
			return fail(s, "no completion within %u s", s->opt->timeout);
	}
}

int cq_flushed(struct side *s, struct cq *cq, uint64_t wr_id)
{
	struct ibv_wc wc;

	if (cq_next(s, cq, &wc))
		return -1;
	if (wc.status != IBV_WC_WR_FLUSH_ERR || wc.wr_id != wr_id)
		return fail(s, "wr_id %llu: %s, not wr_id %llu flushed",
			    (unsigned long long)wc.wr_id,
			    ibv_wc_status_str(wc.status), (unsigned long long)wr_id);
	return 0;
}

int cq_empty(struct side *s, struct cq *cq)
{
	struct ibv_wc wc;

	if (ibv_poll_cq(cq->cq, 1, &wc))
		return fail(s, "unexpected completion: wr_id %llu, %s",
			    (unsigned long long)wc.wr_id, ibv_wc_status_str(wc.status));
	return 0;
}

static const void *event_object(const struct ibv_async_event *e)
{
	switch (e->event_type) {
	case IBV_EVENT_CQ_ERR:
		return e->element.cq;
	case IBV_EVENT_SRQ_ERR:
	case IBV_EVENT_SRQ_LIMIT_REACHED:
		return e->element.srq;
	case IBV_EVENT_QP_FATAL:
	case IBV_EVENT_QP_REQ_ERR:
	case IBV_EVENT_QP_ACCESS_ERR:
	case IBV_EVENT_COMM_EST:
	case IBV_EVENT_SQ_DRAINED:
	case IBV_EVENT_QP_LAST_WQE_REACHED:
		return e->element.qp;
	default:
		return NULL;
	}
}

int async_wait(struct side *s, enum ibv_event_type type, const void *object)
{
	uint64_t now = now_ms(), end = now + s->opt->timeout * 1000ULL;
	struct pollfd pfd = { .fd = s->ctx->async_fd, .events = POLLIN };

	for (; now < end; now = now_ms()) {
		struct ibv_async_event e;
		bool found;

		if (poll(&pfd, 1, (int)(end - now)) <= 0)
			continue;
		if (ibv_get_async_event(s->ctx, &e))
			return fail(s, "ibv_get_async_event: %m");
		found = e.event_type == type && event_object(&e) == object;
		ibv_ack_async_event(&e);
		if (found)
			return 0;
	}
	return fail(s, "no event \"%s\" within %u s", ibv_event_type_str(type),
		    s->opt->timeout);
}
