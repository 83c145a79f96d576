// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The invariants of two instances: see model.h. */
#include "model.h"

#define ACCESS_WRITE	(CLIENT_LOCAL_WRITE | CLIENT_REMOTE_WRITE | CLIENT_REMOTE_ATOMIC)

/* ---- Memory ------------------------------------------------------------- */

static void mark_writable(struct m_node *node)
{
	u32 i;

	for (i = 0; i < M_KEYS; i++)
		if (node->key[i].live && node->key[i].access & ACCESS_WRITE)
			memset(node->may_change + node->key[i].offset, 1, node->key[i].len);
}

void model_before(struct model *m)
{
	u32 i;

	for (i = 0; i < FUZZ_NODES; i++) {
		memset(m->node[i].may_change, 0, FUZZ_MEM);
		mark_writable(&m->node[i]);
	}
}

static void check_memory(struct m_node *node)
{
	const u8 *now = node->n->mem.va;
	u32 i;

	mark_writable(node);
	if (!memcmp(now, node->n->before, FUZZ_MEM))
		return;
	for (i = 0; i < FUZZ_MEM; i++)
		fuzz_check(now[i] == node->n->before[i] || node->may_change[i],
			   "byte 0x%x changed without a key", i);
	fuzz_remember(node->n);
}

bool model_allows(const struct m_node *node, const struct m_key *key, u32 pd, u64 addr,
		  u32 len, u32 access)
{
	u64 start = FUZZ_VA + key->offset;

	if (!key->live || key->pd != pd || (key->access & access) != access)
		return false;
	return addr >= start && addr - start <= key->len && len <= key->len - (addr - start);
}

/* ---- Completions ---------------------------------------------------------- */

/* Errors that a change of keys or connections between post and completion explains. */
static void check_status(const struct model *m, const struct m_send *send, u8 status)
{
	if (send->stamp != m->stamp)
		return;
	if (!status)
		fuzz_check(send->local_ok && send->remote_ok, "success for what no key allows");
	if (status == MLX5_CQE_SYNDROME_LOCAL_PROT_ERR)
		fuzz_check(!send->local_ok, "local protection error for good keys");
	if (status == MLX5_CQE_SYNDROME_REMOTE_ACCESS_ERR)
		fuzz_check(!send->remote_ok, "remote access error for a good key");
}

static void sent(struct model *m, struct m_qp *qp, const struct client_wc *wc)
{
	u32 i;

	for (i = 0; i < qp->n_send && qp->send[i].wr_id != wc->wr_id; i++)
		fuzz_check(!qp->send[i].signalled, "request %llu completes before %llu",
			   (unsigned long long)wc->wr_id,
			   (unsigned long long)qp->send[i].wr_id);
	fuzz_check(i < qp->n_send, "completion of request %llu, which is not posted",
		   (unsigned long long)wc->wr_id);
	check_status(m, &qp->send[i], wc->status);
	i++;
	qp->n_send -= i;
	memmove(qp->send, qp->send + i, qp->n_send * sizeof(qp->send[0]));
}

static void received(struct m_node *node, struct m_qp *qp, const struct client_wc *wc)
{
	struct m_srq *srq;
	u32 i;

	if (qp->srq < 0) {
		fuzz_check(qp->n_recv && qp->recv[0] == wc->wr_id,
			   "receive %llu out of order or not posted",
			   (unsigned long long)wc->wr_id);
		memmove(qp->recv, qp->recv + 1, --qp->n_recv * sizeof(qp->recv[0]));
		return;
	}
	srq = &node->srq[qp->srq];
	for (i = 0; i < srq->n && srq->wr[i] != wc->wr_id; i++)
		;
	fuzz_check(i < srq->n, "SRQ receive %llu is not posted", (unsigned long long)wc->wr_id);
	srq->wr[i] = srq->wr[--srq->n];
}

void model_poll(struct model *m, struct m_qp *dying)
{
	struct client_wc wc;
	u32 i;
	u32 k;
	u32 j;

	for (i = 0; i < FUZZ_NODES; i++) {
		struct m_node *node = &m->node[i];

		for (k = 0; k < M_CQS; k++) {
			while (node->cq[k].live && client_poll_cq(&node->cq[k].cq, 1, &wc)) {
				for (j = 0; j < M_QPS; j++)
					if (node->qp[j].live && wc.qp == &node->qp[j].qp)
						break;
				fuzz_check(j < M_QPS, "completion of dead QP 0x%x", wc.qpn);
				fuzz_check(node->qp[j].cq == k, "completion in a foreign CQ");
				if (wc.opcode == MLX5_CQE_REQ || wc.opcode == MLX5_CQE_REQ_ERR)
					sent(m, &node->qp[j], &wc);
				else
					received(node, &node->qp[j], &wc);
			}
		}
	}
	if (dying) {
		dying->n_send = 0;
		dying->n_recv = 0;
	}
}

/* ---- Objects --------------------------------------------------------------- */

static void check_counts(struct m_node *node)
{
	const struct mhca_instance *inst = node->n->vmm->inst;
	u32 want[MHCA_OBJECT_KINDS];
	u32 i;

	memcpy(want, node->base, sizeof(want));
	for (i = 0; i < M_PDS; i++)
		want[MHCA_PD] += node->pd[i].live;
	for (i = 0; i < M_KEYS; i++)
		want[MHCA_MKEY] += node->key[i].live;
	for (i = 0; i < M_CQS; i++)
		want[MHCA_CQ] += node->cq[i].live;
	for (i = 0; i < M_SRQS; i++)
		want[MHCA_SRQ] += node->srq[i].live;
	for (i = 0; i < M_QPS; i++)
		want[MHCA_QP] += node->qp[i].live;
	for (i = 0; i < MHCA_OBJECT_KINDS; i++)
		fuzz_check(inst->object_count[i] == want[i], "%u objects of kind %s, not %u",
			   inst->object_count[i], mhca_object_name(i), want[i]);
}

void model_check(struct model *m)
{
	u32 i;

	model_poll(m, NULL);
	for (i = 0; i < FUZZ_NODES; i++) {
		check_memory(&m->node[i]);
		check_counts(&m->node[i]);
	}
}

u8 model_state(struct m_qp *qp)
{
	u8 qpc[MLX5_ST_SZ_BYTES(qpc)];

	fuzz_check(!client_query_qp(&qp->qp, qpc), "query of a live QP");
	return MLX5_GET(qpc, qpc, state);
}

int model_destroy_qp(struct model *m, struct m_node *node, struct m_qp *qp)
{
	int ret = client_modify_qp(&qp->qp, MLX5_CMD_OP_DESTROY_QP, NULL);

	if (ret || !qp->live)
		return ret;
	/* What was written before the command's end is the last. */
	model_poll(m, qp);
	client_forget_qp(&qp->qp);
	qp->live = false;
	node->pd[qp->pd].users--;
	node->cq[qp->cq].users -= 2;
	if (qp->srq >= 0)
		node->srq[qp->srq].users--;
	m->stamp++;
	return 0;
}

/* ---- Life ------------------------------------------------------------------- */

void model_open(struct model *m)
{
	u32 i;

	for (i = 0; i < FUZZ_NODES; i++) {
		struct m_node *node = &m->node[i];
		u32 k;

		node->n = &m->w->n[i];
		for (k = 0; k < M_QPS; k++)
			node->qp[k].srq = -1;
		memcpy(node->base, node->n->vmm->inst->object_count, sizeof(node->base));
		for (k = 0; k < FUZZ_MEM; k++)
			node->n->mem.va[k] = (u8)(k * 167 + (k >> 8) + i * 80);
		fuzz_remember(node->n);
	}
}

static void close_qps(struct model *m, struct m_node *node)
{
	u32 i;

	for (i = 0; i < M_QPS; i++) {
		struct m_qp *qp = &node->qp[i];
		u32 k;

		if (!qp->live)
			continue;
		if (model_state(qp) != MLX5_QP_STATE_RST) {
			fuzz_check(!client_modify_qp(&qp->qp, MLX5_CMD_OP_2ERR_QP, NULL), "2ERR");
			fuzz_settle(m->w);
			fuzz_elapse(m->w, 10 * NSEC_PER_MSEC);
			model_poll(m, NULL);
			for (k = 0; k < qp->n_send; k++)
				fuzz_check(!qp->send[k].signalled, "request %llu never ends",
					   (unsigned long long)qp->send[k].wr_id);
			fuzz_check(!qp->n_recv, "%u receives never end", qp->n_recv);
		}
		fuzz_check(!model_destroy_qp(m, node, qp), "destroy");
	}
}

void model_close(struct model *m)
{
	u32 i;
	u32 k;

	for (i = 0; i < FUZZ_NODES; i++)
		close_qps(m, &m->node[i]);
	for (i = 0; i < FUZZ_NODES; i++) {
		struct m_node *node = &m->node[i];
		int ret = 0;

		for (k = 0; k < M_SRQS; k++)
			if (node->srq[k].live)
				ret |= client_destroy_srq(&node->srq[k].srq);
		for (k = 0; k < M_CQS; k++)
			if (node->cq[k].live)
				ret |= client_destroy_cq(&node->cq[k].cq);
		for (k = 0; k < M_KEYS; k++)
			if (node->key[k].live)
				ret |= client_destroy_mkey(&node->n->c, node->key[k].number);
		for (k = 0; k < M_PDS; k++)
			if (node->pd[k].live)
				ret |= client_dealloc_pd(&node->n->c, node->pd[k].number);
		fuzz_check(!ret, "destroy refused without a user");
	}
}
