// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Programs of two instances against each other: every input byte string is a verbs
 * program (kind, node, then what the kind takes). Most are full of mistakes; the model
 * says which calls must succeed, which must be refused, which bytes may change, and
 * what completions there can be. See model.h; the invariants are design §9.
 */
#include "model.h"

#define MAX_STEPS	96

static void must(int ret, bool good, const char *what)
{
	fuzz_check(!ret == good, "%s: %d, should be %s", what, ret, good ? "accepted" : "refused");
}

/* A number of @what that names nothing of this node: deleted, or of the other one. */
static bool named(const struct m_node *node, enum mhca_object_kind kind, u32 number)
{
	return mhca_object_find(node->n->vmm->inst, kind, number) != NULL;
}

static void pd_step(struct model *m, struct m_node *node, struct fuzz_input *in)
{
	struct m_pd *pd = &node->pd[fuzz_take8(in) % M_PDS];
	struct client *c = &node->n->c;

	if (!pd->live && !(fuzz_take8(in) & 1)) {
		must(client_alloc_pd(c, &pd->number), true, "ALLOC_PD");
		pd->live = true;
		return;
	}
	if (!pd->live && named(node, MHCA_PD, pd->number))
		return;
	must(client_dealloc_pd(c, pd->number), pd->live && !pd->users, "DEALLOC_PD");
	pd->live = pd->live && pd->users;
	m->stamp++;
}

static void key_create(struct m_node *node, struct m_key *key, struct fuzz_input *in)
{
	struct m_pd *pd;
	__be64 pas[FUZZ_MEM / CLIENT_PAGE];
	struct client_mkey_attr attr = {
		.shift = CLIENT_PAGE_SHIFT, .qpn = CLIENT_ANY_QP, .variant = 0x33, .pas = pas,
	};
	u32 first;

	key->pd = fuzz_take8(in) % M_PDS;
	pd = &node->pd[key->pd];
	key->access = fuzz_take8(in) & 15;
	key->offset = fuzz_take16(in);
	key->len = fuzz_take16(in) + 1U;
	key->len = min(key->len, FUZZ_MEM - key->offset);
	/* As verbs have it: who lets others write may write himself. */
	if (key->access & (CLIENT_REMOTE_WRITE | CLIENT_REMOTE_ATOMIC))
		key->access |= CLIENT_LOCAL_WRITE;
	attr.access = key->access;
	attr.pd = pd->number;
	attr.start = FUZZ_VA + key->offset;
	attr.len = key->len;
	first = key->offset & ~(CLIENT_PAGE - 1);
	attr.n_pas = client_page_list(&node->n->c, node->n->mem.va + first,
				      key->offset + key->len - first, pas);
	if (!pd->live && named(node, MHCA_PD, pd->number))
		return;
	must(client_create_mkey(&node->n->c, &attr, &key->number), pd->live, "CREATE_MKEY");
	key->live = pd->live;
	pd->users += pd->live;
}

static void key_step(struct model *m, struct m_node *node, struct fuzz_input *in)
{
	struct m_key *key = &node->key[fuzz_take8(in) % M_KEYS];

	m->stamp++;
	if (!key->live) {
		key_create(node, key, in);
		return;
	}
	must(client_destroy_mkey(&node->n->c, key->number), true, "DESTROY_MKEY");
	key->live = false;
	node->pd[key->pd].users--;
	must(client_destroy_mkey(&node->n->c, key->number), false, "second DESTROY_MKEY");
}

static void cq_step(struct m_node *node, struct fuzz_input *in)
{
	struct m_cq *cq = &node->cq[fuzz_take8(in) % M_CQS];
	struct client_cq_attr attr;

	if (!cq->live) {
		client_cq_attr_init(&attr, 7);
		must(client_create_cq(&node->n->c, &attr, &cq->cq), true, "CREATE_CQ");
		cq->live = true;
	} else if (fuzz_take8(in) & 1) {
		must(client_resize_cq(&cq->cq, 7 + (fuzz_take8(in) & 1)), true, "resize");
	} else {
		must(client_destroy_cq(&cq->cq), !cq->users, "DESTROY_CQ");
		cq->live = cq->users;
	}
}

static void srq_step(struct m_node *node, struct fuzz_input *in)
{
	struct m_srq *srq = &node->srq[fuzz_take8(in) % M_SRQS];
	struct client_srq_attr attr = { .type = CLIENT_RMP, .log_size = 3, .max_sge = 1 };
	struct m_pd *pd;

	if (srq->live) {
		must(client_destroy_srq(&srq->srq), !srq->users, "DESTROY_RMP");
		srq->live = srq->users;
		node->pd[srq->pd].users -= !srq->live;
		return;
	}
	srq->pd = fuzz_take8(in) % M_PDS;
	pd = &node->pd[srq->pd];
	if (!pd->live && named(node, MHCA_PD, pd->number))
		return;
	attr.pd = pd->number;
	must(client_create_srq(&node->n->c, &attr, &srq->srq), pd->live, "CREATE_RMP");
	srq->live = pd->live;
	pd->users += pd->live;
	srq->n = 0;
}

static void qp_create(struct m_node *node, struct m_qp *qp, struct fuzz_input *in)
{
	static const u8 types[] = { MLX5_QP_ST_RC, MLX5_QP_ST_RC, MLX5_QP_ST_UC, MLX5_QP_ST_UD };
	struct client_qp_attr attr;
	u8 how = fuzz_take8(in);
	struct m_pd *pd;
	struct m_cq *cq;

	qp->type = types[how & 3];
	qp->cq = how >> 2 & 1;
	qp->pd = how >> 3 & 1;
	qp->srq = how & 0x10 && qp->type != MLX5_QP_ST_UC ? how >> 5 & 1 : -1;
	pd = &node->pd[qp->pd];
	cq = &node->cq[qp->cq];
	if (!cq->live || (qp->srq >= 0 && !node->srq[qp->srq].live))
		return;
	if (!pd->live && named(node, MHCA_PD, pd->number))
		return;
	client_qp_attr_init(&attr, qp->type, pd->number, &cq->cq);
	attr.log_sq = 3;
	attr.log_rq = 3;
	attr.recv_sge = 1;
	attr.srq = qp->srq >= 0 ? &node->srq[qp->srq].srq : NULL;
	must(client_create_qp(&node->n->c, &attr, &qp->qp), pd->live, "CREATE_QP");
	qp->live = pd->live;
	if (!qp->live)
		return;
	qp->peer_node = -1;
	qp->n_send = 0;
	qp->n_recv = 0;
	pd->users++;
	cq->users += 2;
	if (qp->srq >= 0)
		node->srq[qp->srq].users++;
}

static void qp_step(struct model *m, struct m_node *node, struct fuzz_input *in)
{
	struct m_qp *qp = &node->qp[fuzz_take8(in) % M_QPS];
	u32 number = qp->qp.qpn;

	m->stamp++;
	if (!qp->live) {
		qp_create(node, qp, in);
		return;
	}
	must(model_destroy_qp(m, node, qp), true, "DESTROY_QP");
	if (!named(node, MHCA_QP, number))
		must(model_destroy_qp(m, node, qp), false, "second DESTROY_QP");
}

/* The state a transition begins in; 2ERR and 2RST: any, but no ERR out of RST. */
static bool arc_good(u16 opcode, u8 state)
{
	switch (opcode) {
	case MLX5_CMD_OP_RST2INIT_QP: return state == MLX5_QP_STATE_RST;
	case MLX5_CMD_OP_INIT2RTR_QP: return state == MLX5_QP_STATE_INIT;
	case MLX5_CMD_OP_RTR2RTS_QP: return state == MLX5_QP_STATE_RTR;
	default: return true;
	}
}

static void modify(struct model *m, struct m_qp *qp, u16 opcode, u8 peer)
{
	u32 to = peer & 1;
	struct m_qp *other = &m->node[to].qp[peer >> 1 & 3];
	struct client_modify attr;
	u8 state;

	client_modify_init(&attr);
	attr.qkey = FUZZ_QKEY;
	attr.retry = 1;
	attr.rnr_retry = 1;
	attr.ack_timeout = 3;
	attr.remote_qpn = other->qp.qpn;
	attr.path.dlid = m->node[to].n->c.lid;
	fuzz_settle(m->w);
	state = model_state(qp);
	if (opcode == MLX5_CMD_OP_2ERR_QP && state == MLX5_QP_STATE_RST)
		return;
	model_poll(m, NULL);
	must(client_modify_qp(&qp->qp, opcode, &attr), arc_good(opcode, state), "transition");
	/* The client's counters begin anew: what is old must not be polled any more. */
	if (opcode == MLX5_CMD_OP_2RST_QP) {
		client_clean_cq(qp->qp.send_cq, &qp->qp);
		qp->n_send = 0;
		qp->n_recv = 0;
	}
	if (opcode == MLX5_CMD_OP_INIT2RTR_QP && arc_good(opcode, state)) {
		qp->peer_node = (s32)to;
		qp->peer = peer >> 1 & 3;
	}
}

static void modify_step(struct model *m, struct m_node *node, struct fuzz_input *in)
{
	static const u16 arcs[] = {
		MLX5_CMD_OP_RST2INIT_QP, MLX5_CMD_OP_INIT2RTR_QP, MLX5_CMD_OP_RTR2RTS_QP,
		MLX5_CMD_OP_2ERR_QP, MLX5_CMD_OP_2RST_QP,
	};
	u8 how = fuzz_take8(in);
	struct m_qp *qp = &node->qp[how % M_QPS];
	u8 peer = fuzz_take8(in);
	u32 i;

	m->stamp++;
	if (!qp->live)
		return;
	/* Half of the time straight to RTS, else one step of any kind. */
	if (how & 0x80) {
		modify(m, qp, MLX5_CMD_OP_2RST_QP, peer);
		for (i = 0; i < 3; i++)
			modify(m, qp, arcs[i], peer);
	} else {
		modify(m, qp, arcs[(how >> 2) % ARRAY_SIZE(arcs)], peer);
	}
}

static void judge(struct model *m, struct m_node *node, struct m_qp *qp, struct m_send *send,
		  const struct client_send *wr, const struct m_key *local,
		  const struct m_key *remote)
{
	bool in = wr->opcode == MLX5_OPCODE_RDMA_READ || wr->opcode == MLX5_OPCODE_ATOMIC_FA;
	u32 want = wr->opcode == MLX5_OPCODE_RDMA_WRITE ? CLIENT_REMOTE_WRITE :
		   wr->opcode == MLX5_OPCODE_RDMA_READ ? CLIENT_REMOTE_READ :
		   CLIENT_REMOTE_ATOMIC;

	send->local_ok = !wr->sge->len ||
			 model_allows(node, local, qp->pd, wr->sge->addr, wr->sge->len,
				      in ? CLIENT_LOCAL_WRITE : 0);
	send->remote_ok = true;
	/* A UC requester never hears of it. */
	if (qp->type != MLX5_QP_ST_RC || wr->opcode == MLX5_OPCODE_SEND || !wr->sge->len ||
	    qp->peer_node < 0)
		return;
	send->remote_ok = model_allows(&m->node[qp->peer_node], remote,
				       m->node[qp->peer_node].qp[qp->peer].pd,
				       wr->remote_addr, wr->sge->len, want);
}

static void send_step(struct model *m, struct m_node *node, struct fuzz_input *in)
{
	static const u8 opcodes[] = {
		MLX5_OPCODE_SEND, MLX5_OPCODE_RDMA_WRITE, MLX5_OPCODE_RDMA_READ,
		MLX5_OPCODE_ATOMIC_FA,
	};
	u8 how = fuzz_take8(in);
	u8 what = fuzz_take8(in);
	struct m_qp *qp = &node->qp[how % M_QPS];
	struct m_node *peer = &m->node[qp->peer_node < 0 ? 0 : qp->peer_node];
	struct m_key *local = &node->key[how >> 2 & 3];
	struct m_key *remote = &peer->key[how >> 4 & 3];
	struct client_path path = { .dlid = peer->n->c.lid };
	struct client_sge sge = { .lkey = local->number };
	struct client_send wr = {
		.opcode = opcodes[what & 3], .sge = &sge, .n_sge = 1, .rkey = remote->number,
		.flags = (what & 4 ? 0 : CLIENT_SIGNALED) | (what & 8 ? CLIENT_FENCE : 0),
		.path = &path, .dqpn = peer->qp[qp->peer].qp.qpn, .qkey = FUZZ_QKEY,
		.swap_add = 1,
	};
	struct m_send send = { .signalled = !(what & 4), .stamp = m->stamp };

	sge.addr = FUZZ_VA + local->offset + fuzz_take16(in);
	sge.len = fuzz_take16(in);
	wr.remote_addr = FUZZ_VA + remote->offset + fuzz_take16(in);
	if (!qp->live || model_state(qp) == MLX5_QP_STATE_RST || qp->n_send == M_SENDS)
		return;
	if (qp->type == MLX5_QP_ST_UD || (qp->type == MLX5_QP_ST_UC && what & 2))
		wr.opcode = MLX5_OPCODE_SEND;
	if (wr.opcode == MLX5_OPCODE_ATOMIC_FA) {
		wr.remote_addr &= ~7ULL;
		sge.len = 8;
	}
	send.wr_id = m->wr_id + 1;
	wr.wr_id = send.wr_id;
	judge(m, node, qp, &send, &wr, local, remote);
	if (client_post_send(&qp->qp, &wr))
		return;
	m->wr_id++;
	qp->send[qp->n_send++] = send;
}

static void recv_step(struct model *m, struct m_node *node, struct fuzz_input *in)
{
	u8 how = fuzz_take8(in);
	struct m_qp *qp = &node->qp[how % M_QPS];
	struct m_key *key = &node->key[how >> 2 & 3];
	struct client_sge sge = { .lkey = key->number };
	struct m_srq *srq = &node->srq[how >> 4 & 1];

	sge.addr = FUZZ_VA + key->offset + fuzz_take8(in) * 16;
	sge.len = fuzz_take16(in);
	if (how & 0x80) {
		if (srq->live && srq->n < 6 && !client_post_srq(&srq->srq, m->wr_id + 1, &sge, 1))
			srq->wr[srq->n++] = ++m->wr_id;
		return;
	}
	if (!qp->live || qp->srq >= 0 || qp->n_recv == M_RECVS ||
	    model_state(qp) == MLX5_QP_STATE_RST)
		return;
	if (!client_post_recv(&qp->qp, m->wr_id + 1, &sge, 1))
		qp->recv[qp->n_recv++] = ++m->wr_id;
}

/* A handle of the other instance: refused, unless this one has the same number. */
static void foreign_step(struct model *m, struct m_node *node, struct fuzz_input *in)
{
	struct m_node *other = &m->node[node == m->node];
	u8 how = fuzz_take8(in);
	struct m_pd *pd = &other->pd[how % M_PDS];
	struct m_key *key = &other->key[how % M_KEYS];

	if (pd->live && !named(node, MHCA_PD, pd->number))
		must(client_dealloc_pd(&node->n->c, pd->number), false, "foreign PD");
	if (key->live && !named(node, MHCA_MKEY, key->number >> 8))
		must(client_destroy_mkey(&node->n->c, key->number), false, "foreign key");
}

static void step(struct model *m, struct fuzz_input *in)
{
	u8 kind = fuzz_take8(in);
	struct m_node *node = &m->node[kind >> 7];

	switch (kind & 15) {
	case 0: pd_step(m, node, in); break;
	case 1: key_step(m, node, in); break;
	case 2: cq_step(node, in); break;
	case 3: srq_step(node, in); break;
	case 4: qp_step(m, node, in); break;
	case 5: modify_step(m, node, in); break;
	case 6 ... 8: send_step(m, node, in); break;
	case 9 ... 10: recv_step(m, node, in); break;
	case 11: fuzz_run(m->w, fuzz_take8(in)); break;
	case 12: fuzz_elapse(m->w, fuzz_take8(in) * 250000ULL); break;
	case 13: foreign_step(m, node, in); break;
	default: fuzz_settle(m->w); break;
	}
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	struct fuzz_input in = { data, size };
	struct model *m = calloc(1, sizeof(*m));
	u32 i;

	m->w = fuzz_world_create(false);
	model_open(m);
	for (i = 0; in.left && i < MAX_STEPS; i++) {
		model_before(m);
		step(m, &in);
		model_check(m);
	}
	model_close(m);
	fuzz_world_finish(m->w);
	free(m);
	return 0;
}

static u32 rng;

static u32 below(u32 n)
{
	rng = rng * 1664525U + 1013904223U;
	return (rng >> 8) % n;
}

/* Objects of each kind on both sides, in a random arrangement; connected QPs. */
static void seed_objects(struct fuzz_output *out)
{
	u32 node;
	u32 i;

	for (node = 0; node < 0x100; node += 0x80) {
		for (i = 0; i < 2; i++) {
			fuzz_put(out, node | i << 8, 3);		/* PD */
			fuzz_put(out, node | 2 | i << 8, 2);		/* CQ */
		}
		for (i = 0; i < 3; i++) {
			fuzz_put(out, node | 1 | i << 8 | below(2) << 16, 3);
			fuzz_put(out, below(4) ? 15 : below(16), 1);
			fuzz_put(out, below(0x6000) | below(0x4000) << 16, 4);
		}
		fuzz_put(out, node | 3 | below(2) << 16, 3);		/* SRQ 0 */
		for (i = 0; i < 3; i++)
			fuzz_put(out, node | 4 | i << 8 | below(32) << 16, 3);
	}
	for (i = 0; i < 6; i++)
		fuzz_put(out, 5 | (i & 1) << 7 | (0x80 | i >> 1) << 8 |
			 ((i & 1 ? 0 : 1) | (i & 6)) << 16, 3);
}

static void seed_step(struct fuzz_output *out)
{
	static const u8 kinds[] = { 6, 6, 6, 6, 7, 7, 9, 9, 9, 11, 14, 12, 1, 5, 4, 13, 2 };
	u8 kind = kinds[below(ARRAY_SIZE(kinds))];

	fuzz_put(out, kind | below(2) << 7, 1);
	switch (kind) {
	case 6 ... 7:
		fuzz_put(out, below(3) | below(3) << 2 | below(3) << 4 | below(16) << 8, 2);
		fuzz_put(out, below(0x400), 2);
		fuzz_put(out, below(4) ? below(0x100) : below(0x3000), 2);
		fuzz_put(out, below(0x400), 2);
		break;
	case 9:
		fuzz_put(out, below(3) | below(3) << 2 | (below(3) ? 0 : 0x80), 1);
		fuzz_put(out, below(4) | below(0x2000) << 8, 3);
		break;
	default:
		fuzz_put(out, below(4), 1);
		fuzz_put(out, below(256), 1);
	}
}

void fuzz_seeds(void (*add)(const void *data, size_t size))
{
	u8 room[1024];
	u32 i;
	u32 k;

	for (i = 0; i < 64; i++) {
		struct fuzz_output out = { .p = room, .room = sizeof(room) };

		rng = i;
		seed_objects(&out);
		for (k = 0; k < 40; k++)
			seed_step(&out);
		add(out.p, out.len);
	}
}
