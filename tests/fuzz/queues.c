// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Connected queues of every service: see queues.h. */
#include "queues.h"

static const u8 types[QUEUES] = {
	MLX5_QP_ST_RC, MLX5_QP_ST_RC, MLX5_QP_ST_RC, MLX5_QP_ST_UC, MLX5_QP_ST_UD, MLX5_QP_ST_XRC,
};

static void modify_template(struct client_modify *m)
{
	client_modify_init(m);
	m->qkey = FUZZ_QKEY;
	m->retry = 1;
	m->rnr_retry = 1;
	m->ack_timeout = 3;
}

void queues_reconnect(struct queues *q, u32 i)
{
	struct client *c = &q->w->n[0].c;
	struct client_modify m;

	modify_template(&m);
	c->timeout_ms = 1;
	client_modify_qp(&q->qp[i], MLX5_CMD_OP_2RST_QP, NULL);
	m.remote_qpn = q->qp[i == 1 ? 2 : i == 2 ? 1 : i].qpn;
	m.path.dlid = c->lid;
	if (!i) {
		m.remote_qpn = q->peer.qpn;
		m.path.dlid = q->w->n[1].c.lid;
		fuzz_check(!client_modify_qp(&q->peer, MLX5_CMD_OP_2RST_QP, NULL), "2RST");
	}
	client_connect_qp(&q->qp[i], &m);
	if (!i) {
		m.remote_qpn = q->qp[0].qpn;
		m.path.dlid = c->lid;
		fuzz_check(!client_connect_qp(&q->peer, &m), "connect");
	}
}

void queues_open(struct queues *q)
{
	struct fuzz_node *n = &q->w->n[0];
	struct client_qp_attr attr;
	int ret = client_alloc_xrcd(&n->c, &q->xrcd);
	u32 i;

	for (i = 0; i < 2; i++) {
		struct client_srq_attr srq = {
			.type = i ? CLIENT_XRC_SRQ : CLIENT_RMP, .pd = n->pd, .log_size = 4,
			.max_sge = 3, .xrcd = q->xrcd, .cqn = n->cq.cqn,
		};

		ret |= client_create_srq(&n->c, &srq, &q->srq[i]);
	}
	for (i = 0; i < QUEUES; i++) {
		client_qp_attr_init(&attr, types[i], n->pd, &n->cq);
		attr.log_sq = 4;
		attr.log_rq = types[i] == MLX5_QP_ST_XRC ? CLIENT_NO_QUEUE : 3;
		attr.xrcd = q->xrcd;
		attr.srq = i == 2 ? &q->srq[0] : NULL;
		ret |= client_create_qp(&n->c, &attr, &q->qp[i]);
	}
	client_qp_attr_init(&attr, MLX5_QP_ST_RC, q->w->n[1].pd, &q->w->n[1].cq);
	ret |= client_create_qp(&q->w->n[1].c, &attr, &q->peer);
	fuzz_check(!ret, "set-up");
	for (i = 0; i < QUEUES; i++)
		queues_reconnect(q, i);
	fuzz_check(!client_destroy_mkey(&n->c, n->key), "key");
	q->key[0] = fuzz_key(n, OPEN_FROM, OPEN_TO - OPEN_FROM, CLIENT_ALL_ACCESS);
	q->key[1] = fuzz_key(n, 0x1000, 0x100, CLIENT_REMOTE_READ);
	q->key[2] = fuzz_key(n, 0x2001, 0xffd, CLIENT_ALL_ACCESS);
	q->window = fuzz_key(&q->w->n[1], WINDOW_FROM, WINDOW_TO - WINDOW_FROM,
			     CLIENT_ALL_ACCESS);
	queues_serve(q);
	fuzz_remember(&q->w->n[0]);
	fuzz_remember(&q->w->n[1]);
}

void queues_close(struct queues *q)
{
	u32 i;

	fuzz_settle(q->w);
	fuzz_unchanged(&q->w->n[0], OPEN_FROM, OPEN_TO);
	fuzz_unchanged(&q->w->n[1], WINDOW_FROM, INBOX_TO);
	for (i = 0; i < QUEUES; i++)
		client_forget_qp(&q->qp[i]);
	for (i = 0; i < 2; i++)
		client_forget_srq(&q->srq[i]);
	fuzz_check(!client_destroy_qp(&q->peer), "destroy");
	fuzz_world_finish(q->w);
}

void queues_serve(struct queues *q)
{
	struct fuzz_node *n = &q->w->n[1];
	struct client_sge sge = { FUZZ_VA + WINDOW_TO, INBOX_TO - WINDOW_TO, n->key };
	struct client_wc wc;

	while (client_poll_cq(&n->cq, 1, &wc))
		;
	while (q->peer.rq.head - q->peer.rq.tail < 8 &&
	       !client_post_recv(&q->peer, 0, &sge, 1))
		;
}

void queues_post(struct queues *q, u32 i, u16 choice, u32 len)
{
	static const u8 opcodes[] = {
		MLX5_OPCODE_SEND, MLX5_OPCODE_RDMA_WRITE, MLX5_OPCODE_RDMA_READ,
		MLX5_OPCODE_ATOMIC_FA, MLX5_OPCODE_ATOMIC_CS, MLX5_OPCODE_SEND_IMM,
		MLX5_OPCODE_RDMA_WRITE_IMM, MLX5_OPCODE_NOP,
	};
	struct client_qp *qp = &q->qp[i];
	struct client_path path = { .dlid = q->w->n[0].c.lid };
	struct client_sge sge[2] = {
		{ FUZZ_VA + OPEN_FROM + (choice >> 3 & 0xff), len % 4097, q->key[0] },
		{ FUZZ_VA + 0x2001, choice & 0x100 ? 61 : 0, q->key[2] },
	};
	struct client_send wr = {
		.opcode = opcodes[choice & 7], .sge = sge, .n_sge = 2, .wr_id = choice,
		.flags = (choice & 0x800 ? 0 : CLIENT_SIGNALED) |
			 (choice & 0x1000 ? CLIENT_FENCE : 0) |
			 (choice & 0x2000 ? CLIENT_SOLICITED : 0),
		.remote_addr = FUZZ_VA + (i ? 0x3000 : WINDOW_FROM) + (choice >> 8 & 0x38),
		.rkey = i ? q->key[0] : q->window, .compare = 1, .swap_add = 3,
		.xrc_srqn = q->srq[1].srqn, .dqpn = qp->qpn, .qkey = FUZZ_QKEY, .path = &path,
	};

	if (wr.opcode == MLX5_OPCODE_ATOMIC_FA || wr.opcode == MLX5_OPCODE_ATOMIC_CS) {
		sge[0].len = 8;
		wr.n_sge = 1;
	}
	/* Inline data comes from the program's own memory. */
	if (choice & 0x4000 && wr.opcode != MLX5_OPCODE_RDMA_READ && wr.n_sge == 2) {
		wr.flags |= CLIENT_INLINE;
		sge[0].addr = (uintptr_t)q->w->n[0].mem.va;
		sge[0].len %= 200;
		wr.n_sge = 1;
	}
	/* What the client thinks is free is not to stop anybody. */
	qp->sq.tail = qp->sq.head;
	client_post_send(qp, &wr);
}

void queues_recv(struct queues *q, u32 i, u32 len)
{
	struct client_sge sge = { FUZZ_VA + 0x8000, len % 0x7000, q->key[0] };

	if (i == 2 || i == 5) {
		q->srq[i == 5].free = 5;
		client_post_srq(&q->srq[i == 5], 0, &sge, 1);
		return;
	}
	q->qp[i].rq.tail = q->qp[i].rq.head;
	client_post_recv(&q->qp[i], 0, &sge, 1);
}

bool queues_record(struct queues *q, u8 kind, struct fuzz_input *in)
{
	struct fuzz_node *n = &q->w->n[0];
	struct client_wc wc;
	u32 i;
	u16 choice;

	switch ((enum queues_record)kind) {
	case QUEUES_TURNS:
		fuzz_run(q->w, fuzz_take8(in));
		return true;
	case QUEUES_TIME:
		fuzz_elapse(q->w, fuzz_take8(in) * 250000ULL);
		return true;
	case QUEUES_RECONNECT:
		queues_reconnect(q, fuzz_take8(in) % QUEUES);
		return true;
	case QUEUES_POST:
		i = fuzz_take8(in) % QUEUES;
		choice = fuzz_take16(in);
		queues_post(q, i, choice, fuzz_take16(in));
		return true;
	case QUEUES_RECV:
		i = fuzz_take8(in) % QUEUES;
		queues_recv(q, i, fuzz_take16(in));
		return true;
	case QUEUES_POLL:
		while (client_poll_cq(&n->cq, 1, &wc))
			;
		if (fuzz_take8(in) & 1)
			client_arm_cq(&n->cq, false);
		return true;
	default:
		return false;
	}
}
