// SPDX-License-Identifier: GPL-2.0-only
/* Completion events, solicited events, asynchronous events, CQ resize. */
#include "verify.h"

#include <errno.h>
#include <string.h>

static int post_recv(struct side *s, struct link *l, uint64_t id)
{
	struct ibv_sge sge = { .addr = s->mine.addr + 8192, .length = 64,
			       .lkey = s->lkey[KEY_GOOD] };
	struct ibv_recv_wr wr = { .wr_id = id, .sg_list = &sge, .num_sge = 1 };

	return link_post_recv(s, l, &wr);
}

static int post_sends(struct side *s, struct link *l, uint32_t n, unsigned int flags)
{
	for (uint32_t i = 0; i < n; i++) {
		struct ibv_sge sge = { .addr = s->mine.addr, .length = 64,
				       .lkey = s->lkey[KEY_GOOD] };
		struct ibv_send_wr wr = { .wr_id = i, .opcode = IBV_WR_SEND,
					  .sg_list = &sge, .num_sge = 1,
					  .send_flags = IBV_SEND_SIGNALED | flags };

		link_address(l, &wr);
		if (link_post_send(s, l, &wr))
			return -1;
	}
	return 0;
}

/* @n completions, in order and without error. */
static int reap(struct side *s, struct cq *cq, uint32_t n)
{
	struct ibv_wc wc;

	for (uint32_t i = 0; i < n; i++) {
		if (cq_next(s, cq, &wc))
			return -1;
		if (wc.status != IBV_WC_SUCCESS || wc.wr_id != i)
			return fail(s, "completion %u: wr_id %llu, %s", i,
				    (unsigned long long)wc.wr_id,
				    ibv_wc_status_str(wc.status));
	}
	return 0;
}

/* Send one message from side 0, which waits for its own completion. */
static int one_message(struct side *s, struct link *l, unsigned int flags)
{
	return post_sends(s, l, 1, flags) || reap(s, &l->send, 1) ? -1 : 0;
}

/*
 * Armed for solicited events only: a plain message raises none, though its
 * completion is there; a solicited one does.
 */
static int run_solicited(struct side *s, const void *arg)
{
	bool seen = false;
	struct link l;
	int err = link_open(s, &l, arg);

	if (!err && s->index == 1) {
		err = post_recv(s, &l, 0) || post_recv(s, &l, 1);
		if (!err && ibv_req_notify_cq(l.recv.cq, 1))
			err = fail(s, "ibv_req_notify_cq: %m");
	}
	err = err ? err : meet(s);
	if (!err && s->index == 0)
		err = one_message(s, &l, 0);
	err = err ? err : meet(s);
	if (!err && s->index == 1) {
		err = cq_wait_event(s, &l.recv, 100, &seen);
		if (!err && seen)
			err = fail(s, "event for an unsolicited message");
	}
	err = err ? err : meet(s);
	if (!err && s->index == 0)
		err = one_message(s, &l, IBV_SEND_SOLICITED);
	if (!err && s->index == 1) {
		err = cq_wait_event(s, &l.recv, (int)s->opt->timeout * 1000, &seen);
		if (!err && !seen)
			err = fail(s, "no event for a solicited message");
		err = err ? err : reap(s, &l.recv, 2);
	}
	link_close(s, &l);
	return err ? -1 : 0;
}

/* One arm, one event; an arm with a completion already there fires at once. */
static int run_arming(struct side *s, const void *arg)
{
	bool seen = false;
	struct link l;
	int err = link_open(s, &l, arg);

	for (uint32_t round = 0; round < 50 && !err; round++) {
		bool late = round & 1;

		if (s->index == 1) {
			err = post_recv(s, &l, 0);
			if (!err && !late && ibv_req_notify_cq(l.recv.cq, 0))
				err = fail(s, "ibv_req_notify_cq: %m");
		}
		err = err ? err : meet(s);
		if (!err && s->index == 0)
			err = one_message(s, &l, 0);
		err = err ? err : meet(s);
		if (err || s->index == 0)
			continue;
		if (late && ibv_req_notify_cq(l.recv.cq, 0))
			err = fail(s, "ibv_req_notify_cq: %m");
		err = err ? err : cq_wait_event(s, &l.recv,
						(int)s->opt->timeout * 1000, &seen);
		if (!err && !seen)
			err = fail(s, "round %u: no event (%s)", round,
				   late ? "armed late" : "armed before");
		err = err ? err : reap(s, &l.recv, 1);
	}
	link_close(s, &l);
	return err ? -1 : 0;
}

/* Moderation: the event may wait for more completions, but not for ever. */
static int run_moderation(struct side *s, const void *arg)
{
	struct ibv_modify_cq_attr attr = {
		.attr_mask = IBV_CQ_ATTR_MODERATE,
		.moderate = { .cq_count = 8, .cq_period = 2000 },
	};
	bool seen = false;
	struct link l;
	int err = link_open(s, &l, arg);

	if (!err && s->index == 1) {
		int rc = ibv_modify_cq(l.recv.cq, &attr);

		err = rc ? fail(s, "ibv_modify_cq: %s", strerror(rc)) : 0;
		for (uint32_t i = 0; i < 9 && !err; i++)
			err = post_recv(s, &l, i);
	}
	for (uint32_t n = 1; n <= 8 && !err; n += 7) {
		if (s->index == 1 && ibv_req_notify_cq(l.recv.cq, 0))
			err = fail(s, "ibv_req_notify_cq: %m");
		err = err ? err : meet(s);
		if (!err && s->index == 0)
			err = post_sends(s, &l, n, 0) || reap(s, &l.send, n);
		if (!err && s->index == 1) {
			err = cq_wait_event(s, &l.recv,
					    (int)s->opt->timeout * 1000, &seen);
			if (!err && !seen)
				err = fail(s, "no event for %u messages", n);
		}
		err = err ? -1 : meet(s);
	}
	if (!err && s->index == 1)
		err = reap(s, &l.recv, 9);
	link_close(s, &l);
	return err ? -1 : 0;
}

/* Grow and shrink a CQ with unread completions in it, and go on using it. */
static int run_resize(struct side *s, const void *arg)
{
	static const int depth[] = { 1024, 16, 300, 12 };
	struct link l;
	int err = link_open(s, &l, arg);

	for (uint32_t r = 0; r < 8 && !err; r++) {
		uint32_t n = 5 + r % 3;

		for (uint32_t i = 0; i < n && !err && s->index == 1; i++)
			err = post_recv(s, &l, i);
		err = err ? -1 : meet(s);
		if (!err && s->index == 0)
			err = post_sends(s, &l, n, 0);
		err = err ? -1 : meet(s);
		if (!err && s->index == 1 && r & 1) {
			/* All of them are there before the resize. */
			err = reap(s, &l.recv, n);
			for (uint32_t i = 0; i < n && !err; i++)
				err = post_recv(s, &l, i);
		}
		err = err ? -1 : meet(s);
		if (!err && s->index == 0) {
			int rc = ibv_resize_cq(l.send.cq, depth[r % ARRAY_SIZE(depth)]);

			err = rc ? fail(s, "ibv_resize_cq to %d: %s",
					depth[r % ARRAY_SIZE(depth)], strerror(rc)) :
				   reap(s, &l.send, n);
			if (!err && r & 1)
				err = post_sends(s, &l, n, 0) || reap(s, &l.send, n);
		}
		if (!err && s->index == 1)
			err = reap(s, &l.recv, n);
		s->messages += n;
	}
	link_close(s, &l);
	return err ? -1 : 0;
}

/* More completions than the CQ has room for: an event, and the QP is lost. */
static int run_overrun(struct side *s, const void *arg)
{
	struct link l;
	int err = link_open(s, &l, arg);

	if (!err && s->index == 0) {
		uint32_t n = (uint32_t)l.send.cq->cqe + 2;
		struct ibv_sge sge = { .addr = s->mine.addr, .length = 8,
				       .lkey = s->lkey[KEY_GOOD] };

		if (n > DEPTH)
			err = fail(s, "the CQ is larger than the send queue: %u", n);
		for (uint32_t i = 0; i < n && !err; i++) {
			struct ibv_send_wr wr = { .wr_id = i, .sg_list = &sge,
				.num_sge = 1, .opcode = IBV_WR_RDMA_WRITE,
				.send_flags = IBV_SEND_SIGNALED };

			wr.wr.rdma.remote_addr = s->peer.addr;
			wr.wr.rdma.rkey = s->peer.rkey[KEY_GOOD];
			err = link_post_send(s, &l, &wr);
		}
		err = err ? err : async_wait(s, IBV_EVENT_CQ_ERR, l.send.cq);
	}
	err = err ? err : meet(s);
	link_close(s, &l);
	return err ? -1 : 0;
}

static int run_srq_limit(struct side *s, const void *arg)
{
	struct ibv_srq_attr limit = { .srq_limit = 3 }, now;
	struct link l;
	int err = link_open(s, &l, arg);

	if (!err && s->index == 1) {
		for (uint32_t i = 0; i < 5 && !err; i++)
			err = post_recv(s, &l, i);
		if (!err && ibv_modify_srq(l.srq, &limit, IBV_SRQ_LIMIT))
			err = fail(s, "ibv_modify_srq: %m");
		if (!err && (ibv_query_srq(l.srq, &now) || now.srq_limit != 3))
			err = fail(s, "ibv_query_srq: limit %u", now.srq_limit);
	}
	err = err ? err : meet(s);
	if (!err && s->index == 0)
		err = post_sends(s, &l, 3, 0) || reap(s, &l.send, 3);
	if (!err && s->index == 1)
		err = reap(s, &l.recv, 3) ||
		      async_wait(s, IBV_EVENT_SRQ_LIMIT_REACHED, l.srq);
	link_close(s, &l);
	return err ? -1 : 0;
}

static int run_last_wqe(struct side *s, const void *arg)
{
	struct link l;
	int err = link_open(s, &l, arg);

	if (!err && s->index == 1)
		err = link_break(s, &l) ||
		      async_wait(s, IBV_EVENT_QP_LAST_WQE_REACHED, l.qp);
	err = err ? err : meet(s);
	link_close(s, &l);
	return err ? -1 : 0;
}

/* A peer that reaches where it may not: the owner's QP reports it. */
static int run_access_event(struct side *s, const void *arg)
{
	struct ibv_sge sge = { .addr = s->mine.addr, .length = 8,
			       .lkey = s->lkey[KEY_GOOD] };
	struct ibv_send_wr wr = { .opcode = IBV_WR_RDMA_WRITE, .sg_list = &sge,
				  .num_sge = 1, .send_flags = IBV_SEND_SIGNALED };
	struct ibv_wc wc;
	struct link l;
	int err = link_open(s, &l, arg);

	if (!err && s->index == 0) {
		wr.wr.rdma.remote_addr = s->peer.addr;
		wr.wr.rdma.rkey = s->peer.rkey[KEY_UNKNOWN];
		err = link_post_send(s, &l, &wr) || cq_next(s, &l.send, &wc);
	}
	if (!err && s->index == 1)
		err = async_wait(s, IBV_EVENT_QP_ACCESS_ERR, l.qp);
	link_close(s, &l);
	return err ? -1 : 0;
}

static const struct link_attr rc = { .transport = RC };
static const struct link_attr rc_srq = { .transport = RC, .srq = true };
static const struct link_attr xrc = { .transport = XRC };
static const struct link_attr small_cq = { .transport = RC, .cq_depth = 15 };

const struct test event_tests[] = {
	{ "solicited_rc", run_solicited, &rc },
	{ "solicited_xrc", run_solicited, &xrc },
	{ "cq_arming", run_arming, &rc },
	{ "cq_moderation", run_moderation, &rc },
	{ "cq_resize", run_resize, &rc },
	{ "cq_overrun", run_overrun, &small_cq },
	{ "srq_limit", run_srq_limit, &rc_srq },
	{ "srq_limit_xrc", run_srq_limit, &xrc },
	{ "srq_last_wqe", run_last_wqe, &rc_srq },
	{ "access_event", run_access_event, &rc },
};
const size_t n_event_tests = ARRAY_SIZE(event_tests);
