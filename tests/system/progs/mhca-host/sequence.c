// SPDX-License-Identifier: GPL-2.0-only
/* The sequence (sequence.h). */
#include <errno.h>
#include <string.h>
#include "sequence.h"

#define MEMORY		(32UL * 4096)
#define MESSAGE		100U
#define POLLS		20000000U	/* looks at a CQ; another lane needs its time */

/**
 * struct life - what a run has made and has to take down
 * @c: client
 * @pd: PD, 0: none
 * @xrcd: XRCD, @have_xrcd: it exists (0 is a number of one)
 * @have_xrcd: see @xrcd
 * @buf: memory
 * @key: its key, 0: none
 * @cq: CQ
 * @srq: SRQ
 * @qp: two RC QPs, the second receives through @srq
 * @ud: a UD QP
 * @broken: see &struct sequence_result
 */
struct life {
	struct client c;
	u32 pd;
	u32 xrcd;
	bool have_xrcd;
	struct client_mem buf;
	u32 key;
	struct client_cq cq;
	struct client_srq srq;
	struct client_qp qp[2];
	struct client_qp ud;
	const char *broken;
};

static int make_memory(struct life *l)
{
	int ret = client_alloc_pd(&l->c, &l->pd);

	if (!ret) {
		ret = client_alloc_xrcd(&l->c, &l->xrcd);
		l->have_xrcd = !ret;
	}
	if (!ret)
		ret = client_mem_alloc(&l->c, MEMORY, &l->buf);
	if (!ret)
		ret = client_reg_mr(&l->c, l->pd, l->buf.va, l->buf.len, CLIENT_ALL_ACCESS,
				    &l->key);
	return ret;
}

static int make_queues(struct life *l)
{
	struct client_srq_attr srq = { .type = CLIENT_RMP, .log_size = 7, .max_sge = 3 };
	struct client_qp_attr qp;
	struct client_cq_attr cq;
	u32 i;
	int ret;

	client_cq_attr_init(&cq, 8);
	ret = client_create_cq(&l->c, &cq, &l->cq);
	if (!ret)
		ret = client_resize_cq(&l->cq, 9);
	srq.pd = l->pd;
	if (!ret)
		ret = client_create_srq(&l->c, &srq, &l->srq);
	for (i = 0; !ret && i < 2; i++) {
		client_qp_attr_init(&qp, MLX5_QP_ST_RC, l->pd, &l->cq);
		qp.srq = i ? &l->srq : NULL;
		ret = client_create_qp(&l->c, &qp, &l->qp[i]);
	}
	client_qp_attr_init(&qp, MLX5_QP_ST_UD, l->pd, &l->cq);
	if (!ret)
		ret = client_create_qp(&l->c, &qp, &l->ud);
	return ret;
}

static int connect_all(struct life *l)
{
	static const u8 mgid[16] = { 0xff, 0x12, 0x40, 1, [15] = 9 };
	struct client_modify m;
	u32 i;
	int ret = 0;

	for (i = 0; !ret && i < 2; i++) {
		client_modify_init(&m);
		m.remote_qpn = l->qp[!i].qpn;
		m.path.dlid = l->c.lid;
		ret = client_connect_qp(&l->qp[i], &m);
	}
	client_modify_init(&m);
	if (!ret)
		ret = client_connect_qp(&l->ud, &m);
	if (!ret)
		ret = client_attach_mcast(&l->ud, mgid);
	return ret;
}

/* The engine itself never allocates, so a message cannot fail. */
static const char *talk(struct life *l)
{
	u8 *from = l->buf.va, *to = from + MEMORY / 2;
	struct client_sge out = { (uintptr_t)from, MESSAGE, l->key };
	struct client_sge in = { (uintptr_t)to, MESSAGE, l->key };
	struct client_send wr = {
		.opcode = MLX5_OPCODE_SEND, .wr_id = 7, .flags = CLIENT_SIGNALED,
		.sge = &out, .n_sge = 1,
	};
	struct client_wc wc;
	u32 polls, got = 0;

	memset(from, 0x5a, MESSAGE);
	memset(to, 0, MESSAGE);
	if (client_post_srq(&l->srq, 8, &in, 1) || client_post_send(&l->qp[0], &wr))
		return "nothing can be posted";
	for (polls = 0; got < 2 && polls < POLLS; polls++) {
		l->c.ops->progress(l->c.backend);
		if (!client_poll_cq(&l->cq, 1, &wc))
			continue;
		if (wc.status)
			return "a completion with an error";
		got++;
	}
	if (got < 2)
		return "no completion";
	return memcmp(from, to, MESSAGE) ? "wrong data" : NULL;
}

/* A command needs a little memory to be read, even one that destroys: then again. */
#define undo(l, call)							\
	do {								\
		int undo_ret = (call);					\
									\
		if (undo_ret == -ENOMEM)				\
			undo_ret = (call);				\
		if (undo_ret && !(l)->broken)				\
			(l)->broken = #call;				\
	} while (0)

static void take_down(struct life *l)
{
	u32 i;

	for (i = 0; i < 2; i++)
		if (l->qp[i].qpn)
			undo(l, client_destroy_qp(&l->qp[i]));
	if (l->ud.qpn)
		undo(l, client_destroy_qp(&l->ud));
	if (l->srq.srqn)
		undo(l, client_destroy_srq(&l->srq));
	if (l->cq.cqn)
		undo(l, client_destroy_cq(&l->cq));
	if (l->key)
		undo(l, client_destroy_mkey(&l->c, l->key));
	if (l->buf.va)
		client_mem_free(&l->c, &l->buf);
	if (l->have_xrcd)
		undo(l, client_dealloc_xrcd(&l->c, l->xrcd));
	if (l->pd)
		undo(l, client_dealloc_pd(&l->c, l->pd));
	client_close(&l->c);
}

struct sequence_result sequence_run(const struct client_ops *ops, void *backend)
{
	struct sequence_result result = { 0 };
	struct life l = { 0 };

	result.error = client_open(&l.c, ops, backend, 0);
	if (result.error)
		return result;		/* client_open() has closed it */
	result.error = make_memory(&l);
	if (!result.error)
		result.error = make_queues(&l);
	if (!result.error)
		result.error = connect_all(&l);
	if (!result.error)
		l.broken = talk(&l);
	take_down(&l);
	result.broken = l.broken;
	return result;
}
