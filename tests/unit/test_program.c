// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Random but correct programs of two instances against each other, beside a model that
 * says what every byte and every completion has to be. Late receives, budgets that end
 * in mid-message, retries and idle pages happen on the way; the outcome must not depend
 * on them.   MHCA_SEED=n MHCA_TEST_SECONDS=n
 */
#include "fixture.h"

#define LINKS		6
#define REGION		(128U << 10)	/* of a guest's buffer, for each link */
#define TX		0U		/* 32 KiB that are sent from, never written */
#define DST		(32U << 10)	/* 32 KiB that the peer writes */
#define RESULT		(64U << 10)	/* 32 KiB for READ and atomic results */
#define SLOT		(96U << 10)	/* 16 receive buffers of 2 KiB */
#define SPAN		(32U << 10)
#define SLOTS		16U
#define SLOT_BYTES	2048U
#define MAX_OPS		256U

struct op {
	u8 opcode;
	u32 len;
	u32 from;
	u32 to;
	__be32 imm;
	u64 add;
	u64 compare;
	bool signalled;
};

/* One direction of traffic: qp[0] requests, qp[1] responds. */
struct link {
	struct pair p;
	u8 type;
	struct op op[MAX_OPS];
	u32 n_ops;
	u32 n_acked;		/* signalled ones whose completion was seen */
	u32 posted_recvs;
	u32 needed_recvs;	/* by the operations posted */
	u32 n_received;
	u8 dst[SPAN];		/* the model's memory */
	u8 result[SPAN];
	u8 slot[SLOTS][SLOT_BYTES];
};

static struct link links[LINKS];
static u64 now_seed;
static u64 rng;

static u32 below(u32 n)
{
	rng = rng * 6364136223846793005ULL + 1442695040888963407ULL;
	return (u32)(rng >> 33) % n;
}

static u8 *region(struct link *l, u32 side, u32 what)
{
	return l->p.g[side]->buf.va + (u32)(l - links) * REGION + what;
}

static bool takes_recv(u8 opcode)
{
	return opcode == MLX5_OPCODE_SEND || opcode == MLX5_OPCODE_SEND_IMM ||
	       opcode == MLX5_OPCODE_RDMA_WRITE_IMM;
}

/* ---- The program ----------------------------------------------------- */

static void post_recv(struct link *l)
{
	u32 slot = l->posted_recvs % SLOTS;
	struct client_sge sge = {
		(uintptr_t)region(l, 1, SLOT) + slot * SLOT_BYTES, SLOT_BYTES, l->p.g[1]->key,
	};

	/* A buffer is not posted again before its message was looked at. */
	if (l->posted_recvs - l->n_received >= SLOTS)
		return;
	assert_ok(client_post_recv(&l->p.qp[1], l->posted_recvs, &sge, 1));
	l->posted_recvs++;
}

static u32 some_length(u8 opcode)
{
	if (opcode == MLX5_OPCODE_ATOMIC_CS || opcode == MLX5_OPCODE_ATOMIC_FA)
		return 8;
	if (opcode == MLX5_OPCODE_SEND || opcode == MLX5_OPCODE_SEND_IMM)
		return below(4) ? below(200) : below(SLOT_BYTES + 1);
	return below(4) ? below(300) : below(20000);
}

static struct op random_op(struct link *l)
{
	static const u8 opcodes[] = {
		MLX5_OPCODE_SEND, MLX5_OPCODE_SEND_IMM, MLX5_OPCODE_RDMA_WRITE,
		MLX5_OPCODE_RDMA_WRITE_IMM, MLX5_OPCODE_RDMA_READ, MLX5_OPCODE_ATOMIC_CS,
		MLX5_OPCODE_ATOMIC_FA,
	};
	struct op op = { .opcode = opcodes[below(l->type == MLX5_QP_ST_UC ? 4 : 7)] };
	bool atomic = op.opcode >= MLX5_OPCODE_ATOMIC_CS;

	op.len = some_length(op.opcode);
	op.from = below(SPAN - op.len + 1) & (atomic ? ~7U : ~0U);
	op.to = below(SPAN - op.len + 1) & (atomic ? ~7U : ~0U);
	op.imm = cpu_to_be32(below(1U << 31));
	op.add = (u64)below(1U << 31) << 31 | below(1U << 31);
	op.compare = below(2) ? 0 : op.add;
	op.signalled = below(3) == 0 || l->n_ops % 8 == 7;
	return op;
}

/* READ and atomics: @to in the requester's results, @from in the peer's memory. */
static bool post_op(struct link *l, struct op op)
{
	bool in = op.opcode == MLX5_OPCODE_RDMA_READ || op.opcode >= MLX5_OPCODE_ATOMIC_CS;
	u8 *local = region(l, 0, in ? RESULT : TX) + (in ? op.to : op.from);
	u8 *remote = region(l, 1, DST) + (in ? op.from : op.to);
	u32 half = below(op.len + 1);
	struct client_sge sge[2] = {
		{ (uintptr_t)local, half, l->p.g[0]->key },
		{ (uintptr_t)local + half, op.len - half, l->p.g[0]->key },
	};
	struct client_send wr = {
		.opcode = op.opcode, .wr_id = l->n_ops,
		.flags = (op.signalled ? CLIENT_SIGNALED : 0) | (below(5) ? 0 : CLIENT_FENCE),
		.sge = sge, .n_sge = 2, .imm = op.imm, .swap_add = op.add,
		.compare = op.compare, .remote_addr = (uintptr_t)remote, .rkey = l->p.g[1]->key,
	};

	if (l->n_ops == MAX_OPS)
		return false;
	/* UC drops what meets no buffer: have one. */
	if (takes_recv(op.opcode) && l->type == MLX5_QP_ST_UC) {
		if (l->needed_recvs >= l->posted_recvs)
			post_recv(l);
		if (l->needed_recvs >= l->posted_recvs)
			return false;
	}
	if (!in && op.len < 200 && below(3) == 0)
		wr.flags |= CLIENT_INLINE;
	if (client_post_send(&l->p.qp[0], &wr))
		return false;		/* the ring is full */
	l->op[l->n_ops++] = op;
	l->needed_recvs += takes_recv(op.opcode);
	return true;
}

/* ---- Completions ----------------------------------------------------- */

static void check_requester(struct link *l, const struct client_wc *wc)
{
	struct op *op;

	while (!l->op[l->n_acked].signalled)
		l->n_acked++;
	op = &l->op[l->n_acked];
	assert_int_equal(wc->status, 0);
	assert_int_equal(wc->wr_id, l->n_acked);
	assert_int_equal(wc->wqe_opcode, op->opcode);
	if (op->opcode == MLX5_OPCODE_RDMA_READ || op->opcode >= MLX5_OPCODE_ATOMIC_CS)
		assert_int_equal(wc->bytes, op->len);
	l->n_acked++;
}

/* The @n-th operation that takes a receive. */
static struct op *nth_recv_op(struct link *l, u32 n)
{
	u32 i;

	for (i = 0; i < l->n_ops; i++)
		if (takes_recv(l->op[i].opcode) && !n--)
			return &l->op[i];
	fail_msg("a receive that nobody sent");
	return NULL;
}

static void check_responder(struct link *l, const struct client_wc *wc)
{
	struct op *op = nth_recv_op(l, l->n_received);

	assert_int_equal(wc->status, 0);
	assert_int_equal(wc->wr_id, l->n_received);
	assert_int_equal(wc->bytes, op->len);
	if (op->opcode != MLX5_OPCODE_SEND)
		assert_int_equal(wc->imm, op->imm);
	if (op->opcode != MLX5_OPCODE_RDMA_WRITE_IMM)
		assert_memory_equal(region(l, 1, SLOT) + l->n_received % SLOTS * SLOT_BYTES,
				    region(l, 0, TX) + op->from, op->len);
	l->n_received++;
}

static void poll_all(struct world *w)
{
	struct client_wc wc;
	u32 g;
	u32 i;

	for (g = 0; g < WORLD_GUESTS; g++) {
		while (client_poll_cq(&w->g[g].cq, 1, &wc)) {
			for (i = 0; i < LINKS; i++) {
				if (wc.qp == &links[i].p.qp[0])
					check_requester(&links[i], &wc);
				else if (wc.qp == &links[i].p.qp[1])
					check_responder(&links[i], &wc);
				else
					continue;
				break;
			}
			if (i == LINKS)
				fail_msg("completion of QP 0x%x, which nobody has", wc.qpn);
		}
	}
}

/* ---- The model ------------------------------------------------------- */

static void model_op(struct link *l, const struct op *op)
{
	u8 *tx = region(l, 0, TX);
	u64 old;
	u64 new;

	switch (op->opcode) {
	case MLX5_OPCODE_RDMA_WRITE:
	case MLX5_OPCODE_RDMA_WRITE_IMM:
		memcpy(l->dst + op->to, tx + op->from, op->len);
		break;
	case MLX5_OPCODE_RDMA_READ:
		memcpy(l->result + op->to, l->dst + op->from, op->len);
		break;
	case MLX5_OPCODE_ATOMIC_CS:
	case MLX5_OPCODE_ATOMIC_FA:
		memcpy(&old, l->dst + op->from, 8);
		new = op->opcode == MLX5_OPCODE_ATOMIC_FA ? old + op->add :
		      old == op->compare ? op->add : old;
		memcpy(l->dst + op->from, &new, 8);
		memcpy(l->result + op->to, &old, 8);
		break;
	}
}

static u32 psn(struct client_qp *qp, bool send)
{
	u8 qpc[MLX5_ST_SZ_BYTES(qpc)];

	assert_ok(client_query_qp(qp, qpc));
	return send ? MLX5_GET(qpc, qpc, next_send_psn) : MLX5_GET(qpc, qpc, next_rcv_psn);
}

static bool all_done(struct world *w)
{
	u32 i;

	poll_all(w);
	for (i = 0; i < LINKS; i++) {
		struct link *l = &links[i];
		u32 left = l->n_acked;

		while (left < l->n_ops && !l->op[left].signalled)
			left++;
		if (left < l->n_ops || l->n_received < l->needed_recvs)
			return false;
	}
	return true;
}

static void stuck(struct world *w)
{
	u32 i;

	(void)w;
	for (i = 0; i < LINKS; i++)
		print_message("link %u: %u operations, %u acknowledged, receives: %u posted, "
			      "%u needed, %u came; states %u %u\n", i, links[i].n_ops,
			      links[i].n_acked, links[i].posted_recvs, links[i].needed_recvs,
			      links[i].n_received, qp_state(&links[i].p.qp[0]),
			      qp_state(&links[i].p.qp[1]));
	fail_msg("never done");
}

/* Give every operation its receive, let it all end, and compare. */
static void finish(struct world *w)
{
	/* Its completion says that everything before it is done. */
	static const struct op last = { .opcode = MLX5_OPCODE_RDMA_WRITE, .signalled = true };
	bool sent[LINKS] = { false };
	bool all_sent = false;
	u32 tries;
	u32 i;
	u32 k;

	for (tries = 0; !all_done(w) || !all_sent; tries++) {
		if (tries == 500)
			stuck(w);
		all_sent = true;
		for (i = 0; i < LINKS; i++) {
			sent[i] = sent[i] || post_op(&links[i], last);
			all_sent &= sent[i];
		}
		for (i = 0; i < LINKS; i++)
			while (links[i].posted_recvs < links[i].needed_recvs &&
			       links[i].posted_recvs - links[i].n_received < SLOTS)
				post_recv(&links[i]);
		elapse(w, 100 * NSEC_PER_MSEC);
	}
	for (i = 0; i < LINKS; i++) {
		struct link *l = &links[i];

		for (k = 0; k < l->n_ops; k++)
			model_op(l, &l->op[k]);
		assert_memory_equal(region(l, 1, DST), l->dst, SPAN);
		assert_memory_equal(region(l, 0, RESULT), l->result, SPAN);
		assert_int_equal(psn(&l->p.qp[0], true), psn(&l->p.qp[1], false));
	}
}

/* ---- Rounds ---------------------------------------------------------- */

static void link_open(struct world *w, u32 i)
{
	static const struct {
		u8 type;
		u8 from;
		u8 to;
	} plan[LINKS] = {
		{ MLX5_QP_ST_RC, 0, 1 }, { MLX5_QP_ST_RC, 0, 1 }, { MLX5_QP_ST_RC, 1, 0 },
		{ MLX5_QP_ST_RC, 0, 0 }, { MLX5_QP_ST_UC, 0, 1 }, { MLX5_QP_ST_UC, 1, 1 },
	};
	struct link *l = &links[i];

	memset(l, 0, sizeof(*l));
	l->type = plan[i].type;
	pair_open(&l->p, l->type, &w->g[plan[i].from], &w->g[plan[i].to]);
	fill(region(l, 0, TX), SPAN, (u32)rng + i);
	memset(region(l, 1, DST), 0, SPAN);
	memset(region(l, 0, RESULT), 0, SPAN);
}

static void one_round(struct world *w)
{
	u32 steps = 50 + below(400);
	u32 i;

	for (i = 0; i < LINKS; i++)
		link_open(w, i);
	while (steps--) {
		struct link *l = &links[below(LINKS)];

		for (i = below(4); i; i--)
			post_recv(l);
		for (i = below(6); i; i--)
			if (l->n_ops < MAX_OPS - 1)
				post_op(l, random_op(l));
		for (i = below(4); i; i--)
			lanes_turn(&w->hca);
		if (!below(20))
			elapse(w, below(10) * NSEC_PER_MSEC);
		if (!below(3))
			poll_all(w);
	}
	finish(w);
	for (i = 0; i < LINKS; i++)
		pair_close(&links[i].p);
}

static void programs_do_what_the_model_says(void **state)
{
	const char *from = getenv("MHCA_SEED");
	const char *seconds = getenv("MHCA_TEST_SECONDS");
	u64 limit = seconds ? strtoull(seconds, NULL, 0) : 2;
	u64 seed = from ? strtoull(from, NULL, 0) : 1;
	struct world *w = *state;
	time_t end = time(NULL) + (time_t)limit;
	u64 n = 0;

	do {
		now_seed = seed++;
		rng = now_seed * 0x9e3779b97f4a7c15ULL;
		one_round(w);
		n++;
	} while (time(NULL) < end);
	print_message("           %llu programs, %llu messages\n", (unsigned long long)n,
		      (unsigned long long)(counter(&w->g[0], messages) +
					   counter(&w->g[1], messages)));
}

#define world_test(fn) cmocka_unit_test_setup_teardown(fn, world_setup, teardown)

/* Runs after a failure, too. */
static int teardown(void **state)
{
	print_message("           last program: MHCA_SEED=%llu\n", (unsigned long long)now_seed);
	return world_teardown(state);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		world_test(programs_do_what_the_model_says),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
