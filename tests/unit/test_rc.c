// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Connected services, delivered directly: every opcode, between guests and inside one. */
#include "fixture.h"

#define TO	(BUF_BYTES / 2)		/* where data arrives in a buffer */

/* Bigger than a turn's budget, an odd size, MTU borders, nothing. */
static const u32 sizes[] = {
	0, 1, 2, 7, 8, 63, 64, 65, 1023, 1024, 1025, 4095, 4096, 4097, 65536, 100001, 300000,
};

/* The peers of a case: two guests, and one guest with itself. */
struct peers {
	u32 a;
	u32 b;
};

static const struct peers all_peers[] = { { 0, 1 }, { 1, 0 }, { 0, 0 } };
static const u8 both_types[] = { MLX5_QP_ST_RC, MLX5_QP_ST_UC };

typedef void (*case_fn)(struct world *w, struct pair *p);

static void for_each_peers(struct world *w, const u8 *types, u32 n_types, case_fn fn)
{
	struct pair p;
	u32 i;
	u32 t;

	for (t = 0; t < n_types; t++) {
		for (i = 0; i < ARRAY_SIZE(all_peers); i++) {
			pair_open(&p, types[t], &w->g[all_peers[i].a], &w->g[all_peers[i].b]);
			fn(w, &p);
			expect_no_wc(w, &p.g[0]->cq);
			expect_no_wc(w, &p.g[1]->cq);
			pair_close(&p);
		}
	}
}

static struct client_send send_wr(u8 opcode, u64 wr_id, const struct client_sge *sge, u32 n)
{
	return (struct client_send){
		.opcode = opcode,
		.wr_id = wr_id,
		.flags = CLIENT_SIGNALED,
		.sge = sge,
		.n_sge = n,
	};
}

static void aim(struct client_send *wr, struct guest *g, u32 offset)
{
	wr->remote_addr = (uintptr_t)g->buf.va + offset;
	wr->rkey = g->key;
}

/* ---- SEND ------------------------------------------------------------ */

static void send_case(struct world *w, struct pair *p)
{
	u32 i;

	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		struct client_sge sge = sge_of(p->g[0], 3, sizes[i]);
		struct client_send wr = send_wr(MLX5_OPCODE_SEND, 100 + i, &sge, 1);
		struct client_wc wc;

		fill(p->g[0]->buf.va + 3, sizes[i], i);
		memset(p->g[1]->buf.va + TO, 0xee, sizes[i] + 8);
		recv_one(p, 1, 200 + i, TO + 1, sizes[i] + 4);
		assert_ok(client_post_send(&p->qp[0], &wr));
		/* With one CQ for both ends the receiver's completion is first. */
		wc = expect_wc(w, &p->g[1]->cq, 200 + i, 0);
		assert_int_equal(wc.opcode, MLX5_CQE_RESP_SEND);
		assert_int_equal(wc.bytes, sizes[i]);
		assert_int_equal(wc.qpn, p->qp[1].qpn);
		assert_false(wc.solicited);
		wc = expect_wc(w, &p->g[0]->cq, 100 + i, 0);
		assert_int_equal(wc.opcode, MLX5_CQE_REQ);
		assert_int_equal(wc.wqe_opcode, MLX5_OPCODE_SEND);
		assert_int_equal(wc.qpn, p->qp[0].qpn);
		assert_filled(p->g[1]->buf.va + TO + 1, sizes[i], i);
		assert_int_equal(p->g[1]->buf.va[TO], 0xee);
		assert_int_equal(p->g[1]->buf.va[TO + 1 + sizes[i]], 0xee);
	}
}

static void send_moves_every_size(void **state)
{
	for_each_peers(*state, both_types, 2, send_case);
}

static void send_imm_case(struct world *w, struct pair *p)
{
	struct client_sge sge = sge_of(p->g[0], 0, 10);
	struct client_send wr = send_wr(MLX5_OPCODE_SEND_IMM, 1, &sge, 1);
	struct client_wc wc;

	wr.imm = cpu_to_be32(0x11223344);
	wr.flags |= CLIENT_SOLICITED;
	recv_one(p, 1, 2, TO, 64);
	assert_ok(client_post_send(&p->qp[0], &wr));
	wc = expect_wc(w, &p->g[1]->cq, 2, 0);
	assert_int_equal(wc.opcode, MLX5_CQE_RESP_SEND_IMM);
	assert_int_equal(be32_to_cpu(wc.imm), 0x11223344);
	assert_true(wc.solicited);
	expect_wc(w, &p->g[0]->cq, 1, 0);
}

static void send_with_immediate(void **state)
{
	for_each_peers(*state, both_types, 2, send_imm_case);
}

static void scatter_gather_case(struct world *w, struct pair *p)
{
	struct client_sge from[5];
	struct client_sge to[4];
	struct client_send wr = send_wr(MLX5_OPCODE_SEND, 1, from, 5);
	static const u32 from_len[] = { 1, 4097, 0, 15, 5000 };
	static const u32 to_len[] = { 4095, 2, 3000, 10000 };
	u32 at = 0;
	u32 i;

	fill(p->g[0]->buf.va, 9113, 77);
	for (i = 0; i < 5; i++) {
		from[i] = sge_of(p->g[0], at, from_len[i]);
		at += from_len[i];
	}
	for (at = TO, i = 0; i < 4; i++) {
		to[i] = sge_of(p->g[1], at, to_len[i]);
		at += to_len[i];
	}
	assert_ok(client_post_recv(&p->qp[1], 2, to, 4));
	assert_ok(client_post_send(&p->qp[0], &wr));
	assert_int_equal(expect_wc(w, &p->g[1]->cq, 2, 0).bytes, 9113);
	expect_wc(w, &p->g[0]->cq, 1, 0);
	assert_filled(p->g[1]->buf.va + TO, 9113, 77);
}

static void lists_of_segments(void **state)
{
	for_each_peers(*state, both_types, 2, scatter_gather_case);
}

static void inline_case(struct world *w, struct pair *p)
{
	static const u32 lens[] = { 0, 1, 12, 13, 28, 44, 60, 61, 200, 900 };
	u8 data[900];
	u32 i;

	/* The ring has 64 blocks: with these lengths every wrap offset occurs. */
	for (i = 0; i < 200; i++) {
		u32 len = lens[i % ARRAY_SIZE(lens)];
		struct client_sge sge = { (uintptr_t)data, len, 0 };
		struct client_send wr = send_wr(MLX5_OPCODE_SEND, i, &sge, 1);

		fill(data, len, i);
		wr.flags |= CLIENT_INLINE;
		recv_one(p, 1, 1000 + i, TO, 1024);
		assert_ok(client_post_send(&p->qp[0], &wr));
		memset(data, 0, sizeof(data));
		assert_int_equal(expect_wc(w, &p->g[1]->cq, 1000 + i, 0).bytes, len);
		expect_wc(w, &p->g[0]->cq, i, 0);
		assert_filled(p->g[1]->buf.va + TO, len, i);
	}
}

static void inline_data_wraps(void **state)
{
	for_each_peers(*state, both_types, 2, inline_case);
}

static void send_invalidate(void **state)
{
	static const u8 rc = MLX5_QP_ST_RC;
	struct world *w = *state;
	struct client_send wr;
	struct client_wc wc;
	struct pair p;
	u32 key;

	(void)rc;
	pair_open(&p, MLX5_QP_ST_RC, &w->g[0], &w->g[1]);
	assert_ok(client_reg_mr(&w->g[1].c, w->g[1].pd, w->g[1].buf.va, 4096,
				CLIENT_ALL_ACCESS, &key));
	wr = send_wr(MLX5_OPCODE_SEND_INVAL, 1, NULL, 0);
	wr.imm = cpu_to_be32(key);
	recv_one(&p, 1, 2, TO, 64);
	assert_ok(client_post_send(&p.qp[0], &wr));
	wc = next_wc(w, &w->g[1].cq);
	/* Either it works, or it is refused; never half. */
	if (!wc.status) {
		assert_int_equal(wc.opcode, MLX5_CQE_RESP_SEND_INV);
		assert_int_equal(be32_to_cpu(wc.imm), key);
	}
	next_wc(w, &w->g[0].cq);
	assert_ok(client_destroy_mkey(&w->g[1].c, key));
	settle(w);
	while (client_poll_cq(&w->g[0].cq, 1, &wc))
		;
	pair_close(&p);
}

/* ---- RDMA ------------------------------------------------------------ */

static void write_case(struct world *w, struct pair *p)
{
	u32 i;

	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		struct client_sge sge = sge_of(p->g[0], 5, sizes[i]);
		struct client_send wr = send_wr(MLX5_OPCODE_RDMA_WRITE, i, &sge, 1);

		fill(p->g[0]->buf.va + 5, sizes[i], i + 1);
		memset(p->g[1]->buf.va + TO, 0xdd, sizes[i] + 20);
		aim(&wr, p->g[1], TO + 9);
		assert_ok(client_post_send(&p->qp[0], &wr));
		assert_int_equal(expect_wc(w, &p->g[0]->cq, i, 0).wqe_opcode,
				 MLX5_OPCODE_RDMA_WRITE);
		assert_filled(p->g[1]->buf.va + TO + 9, sizes[i], i + 1);
		assert_int_equal(p->g[1]->buf.va[TO + 8], 0xdd);
		assert_int_equal(p->g[1]->buf.va[TO + 9 + sizes[i]], 0xdd);
	}
}

static void write_moves_every_size(void **state)
{
	for_each_peers(*state, both_types, 2, write_case);
}

static void write_imm_case(struct world *w, struct pair *p)
{
	struct client_sge sge = sge_of(p->g[0], 0, 5000);
	struct client_send wr = send_wr(MLX5_OPCODE_RDMA_WRITE_IMM, 1, &sge, 1);
	struct client_wc wc;

	fill(p->g[0]->buf.va, 5000, 9);
	wr.imm = cpu_to_be32(0xa1b2c3d4);
	aim(&wr, p->g[1], TO);
	recv_one(p, 1, 2, 0, 0);
	assert_ok(client_post_send(&p->qp[0], &wr));
	wc = expect_wc(w, &p->g[1]->cq, 2, 0);
	assert_int_equal(wc.opcode, MLX5_CQE_RESP_WR_IMM);
	assert_int_equal(wc.bytes, 5000);
	assert_int_equal(be32_to_cpu(wc.imm), 0xa1b2c3d4);
	expect_wc(w, &p->g[0]->cq, 1, 0);
	assert_filled(p->g[1]->buf.va + TO, 5000, 9);
}

static void write_with_immediate(void **state)
{
	for_each_peers(*state, both_types, 2, write_imm_case);
}

static void read_case(struct world *w, struct pair *p)
{
	u32 i;

	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		struct client_sge sge = sge_of(p->g[0], TO + 3, sizes[i]);
		struct client_send wr = send_wr(MLX5_OPCODE_RDMA_READ, i, &sge, 1);
		struct client_wc wc;

		fill(p->g[1]->buf.va + 11, sizes[i], i + 2);
		memset(p->g[0]->buf.va + TO, 0xcc, sizes[i] + 20);
		aim(&wr, p->g[1], 11);
		assert_ok(client_post_send(&p->qp[0], &wr));
		wc = expect_wc(w, &p->g[0]->cq, i, 0);
		assert_int_equal(wc.bytes, sizes[i]);
		assert_filled(p->g[0]->buf.va + TO + 3, sizes[i], i + 2);
		assert_int_equal(p->g[0]->buf.va[TO + 2], 0xcc);
		assert_int_equal(p->g[0]->buf.va[TO + 3 + sizes[i]], 0xcc);
	}
}

static void read_moves_every_size(void **state)
{
	static const u8 rc[] = { MLX5_QP_ST_RC };

	for_each_peers(*state, rc, 1, read_case);
}

static void atomic_case(struct world *w, struct pair *p)
{
	u64 *mine = (u64 *)p->g[0]->buf.va;
	u64 *theirs = (u64 *)(p->g[1]->buf.va + TO);
	struct client_sge sge = sge_of(p->g[0], 0, 8);
	struct client_send wr = send_wr(MLX5_OPCODE_ATOMIC_FA, 1, &sge, 1);

	*theirs = 1000;
	aim(&wr, p->g[1], TO);
	wr.swap_add = 5;
	assert_ok(client_post_send(&p->qp[0], &wr));
	assert_int_equal(expect_wc(w, &p->g[0]->cq, 1, 0).bytes, 8);
	assert_int_equal(*mine, 1000);
	assert_int_equal(*theirs, 1005);

	wr.opcode = MLX5_OPCODE_ATOMIC_CS;
	wr.compare = 1004;
	wr.swap_add = 1;
	assert_ok(client_post_send(&p->qp[0], &wr));
	expect_wc(w, &p->g[0]->cq, 1, 0);
	assert_int_equal(*mine, 1005);
	assert_int_equal(*theirs, 1005);

	wr.compare = 1005;
	assert_ok(client_post_send(&p->qp[0], &wr));
	expect_wc(w, &p->g[0]->cq, 1, 0);
	assert_int_equal(*mine, 1005);
	assert_int_equal(*theirs, 1);
}

static void atomics(void **state)
{
	static const u8 rc[] = { MLX5_QP_ST_RC };

	for_each_peers(*state, rc, 1, atomic_case);
}

static void unaligned_atomic_is_refused(void **state)
{
	struct world *w = *state;
	struct client_sge sge = sge_of(&w->g[0], 0, 8);
	struct client_send wr = send_wr(MLX5_OPCODE_ATOMIC_FA, 1, &sge, 1);
	struct pair p;

	pair_open(&p, MLX5_QP_ST_RC, &w->g[0], &w->g[1]);
	aim(&wr, &w->g[1], TO + 4);
	assert_ok(client_post_send(&p.qp[0], &wr));
	expect_wc(w, &w->g[0].cq, 1, MLX5_CQE_SYNDROME_REMOTE_INVAL_REQ_ERR);
	assert_int_equal(qp_state(&p.qp[0]), MLX5_QP_STATE_ERR);
	pair_close(&p);
}

/* A guest that sends to itself: the ranges may overlap, in both ways. */
static void overlapping_ranges(void **state)
{
	static const s32 shifts[] = { 0, 1, -1, 100, -100, 4095, -4095 };
	struct world *w = *state;
	struct pair p;
	u32 i;

	pair_open(&p, MLX5_QP_ST_RC, &w->g[0], &w->g[0]);
	for (i = 0; i < ARRAY_SIZE(shifts); i++) {
		struct client_sge sge = sge_of(&w->g[0], TO, 30000);
		struct client_send wr = send_wr(MLX5_OPCODE_RDMA_WRITE, i, &sge, 1);

		fill(w->g[0].buf.va + TO, 30000, i);
		aim(&wr, &w->g[0], (u32)((s32)TO + shifts[i]));
		assert_ok(client_post_send(&p.qp[0], &wr));
		expect_wc(w, &w->g[0].cq, i, 0);
		/* Copied from its beginning to its end, in pieces: backwards it is exact. */
		if (shifts[i] <= 0)
			assert_filled(w->g[0].buf.va + TO + shifts[i], 30000, i);
	}
	pair_close(&p);
}

/* ---- Order, fences, unsignalled -------------------------------------- */

static void unsignalled_requests_complete_silently(void **state)
{
	struct world *w = *state;
	struct client_sge sge = sge_of(&w->g[0], 0, 8);
	struct client_send wr = send_wr(MLX5_OPCODE_RDMA_WRITE, 0, &sge, 1);
	struct client_wc wc;
	struct pair p;
	u32 i;

	pair_open(&p, MLX5_QP_ST_RC, &w->g[0], &w->g[1]);
	aim(&wr, &w->g[1], TO);
	for (i = 0; i < 1000; i++) {
		wr.wr_id = i;
		wr.flags = i % 32 == 31 ? CLIENT_SIGNALED : 0;
		assert_ok(client_post_send(&p.qp[0], &wr));
		if (i % 32 == 31) {
			wc = expect_wc(w, &w->g[0].cq, i, 0);
			assert_int_equal(wc.counter, i & 0xffff);
		}
	}
	expect_no_wc(w, &w->g[0].cq);
	assert_int_equal(counter(&w->g[0], wqes), 1000);
	pair_close(&p);
}

static void completions_keep_the_order(void **state)
{
	struct world *w = *state;
	struct client_send wr;
	struct client_sge sge;
	struct pair p;
	u32 i;

	pair_open(&p, MLX5_QP_ST_RC, &w->g[0], &w->g[1]);
	for (i = 0; i < 60; i++) {
		recv_one(&p, 1, 500 + i, TO + i * 64, 64);
		sge = sge_of(&w->g[0], i * 64, i % 2 ? 64 : 8);
		wr = send_wr(i % 3 ? MLX5_OPCODE_SEND : MLX5_OPCODE_RDMA_READ, i, &sge, 1);
		aim(&wr, &w->g[1], 0);
		wr.flags |= i % 5 ? 0 : CLIENT_FENCE;
		assert_ok(client_post_send(&p.qp[0], &wr));
	}
	for (i = 0; i < 60; i++)
		expect_wc(w, &w->g[0].cq, i, 0);
	for (i = 0; i < 40; i++)
		expect_wc(w, &w->g[1].cq, 500 + i, 0);
	expect_no_wc(w, &w->g[1].cq);
	pair_close(&p);
}

static void nop_completes(void **state)
{
	struct world *w = *state;
	struct client_send wr = send_wr(MLX5_OPCODE_NOP, 7, NULL, 0);
	struct pair p;

	pair_open(&p, MLX5_QP_ST_RC, &w->g[0], &w->g[1]);
	assert_ok(client_post_send(&p.qp[0], &wr));
	assert_int_equal(expect_wc(w, &w->g[0].cq, 7, 0).wqe_opcode, MLX5_OPCODE_NOP);
	pair_close(&p);
}

/* ---- PSN accounting -------------------------------------------------- */

static u32 psn_of(struct client_qp *qp, bool send)
{
	u8 qpc[MLX5_ST_SZ_BYTES(qpc)];

	assert_ok(client_query_qp(qp, qpc));
	return send ? MLX5_GET(qpc, qpc, next_send_psn) : MLX5_GET(qpc, qpc, next_rcv_psn);
}

/* PSNs advance as if packets of the path MTU (1024) had been sent. */
static void psns_count_packets(void **state)
{
	static const struct {
		u8 opcode;
		u32 len;
		u32 packets;
	} steps[] = {
		{ MLX5_OPCODE_RDMA_WRITE, 0, 1 }, { MLX5_OPCODE_RDMA_WRITE, 1, 1 },
		{ MLX5_OPCODE_RDMA_WRITE, 1024, 1 }, { MLX5_OPCODE_RDMA_WRITE, 1025, 2 },
		{ MLX5_OPCODE_RDMA_READ, 4096, 4 }, { MLX5_OPCODE_RDMA_READ, 0, 1 },
		{ MLX5_OPCODE_ATOMIC_FA, 8, 1 }, { MLX5_OPCODE_SEND, 3000, 3 },
		{ MLX5_OPCODE_RDMA_WRITE, 300000, 293 },
	};
	struct world *w = *state;
	struct pair p;
	u32 psn = 0xfffff0;
	u32 i;

	pair_open(&p, MLX5_QP_ST_RC, &w->g[0], &w->g[1]);
	for (i = 0; i < ARRAY_SIZE(steps); i++) {
		struct client_sge sge = sge_of(&w->g[0], 0, steps[i].len);
		struct client_send wr = send_wr(steps[i].opcode, i, &sge, 1);

		aim(&wr, &w->g[1], TO);
		if (steps[i].opcode == MLX5_OPCODE_SEND)
			recv_one(&p, 1, 0, TO, 4096);
		assert_ok(client_post_send(&p.qp[0], &wr));
		expect_wc(w, &w->g[0].cq, i, 0);
		if (steps[i].opcode == MLX5_OPCODE_SEND)
			expect_wc(w, &w->g[1].cq, 0, 0);
		psn = (psn + steps[i].packets) & 0xffffff;
		assert_int_equal(psn_of(&p.qp[0], true), psn);
		assert_int_equal(psn_of(&p.qp[1], false), psn);
	}
	pair_close(&p);
}

/* A sender whose PSN is not the one expected is not heard: retries, then an error. */
static void wrong_psn_is_not_accepted(void **state)
{
	struct world *w = *state;
	struct client_sge sge = sge_of(&w->g[0], 0, 8);
	struct client_send wr = send_wr(MLX5_OPCODE_RDMA_WRITE, 1, &sge, 1);
	struct client_modify m;
	struct pair p;

	pair_create(&p, MLX5_QP_ST_RC, &w->g[0], &w->g[1]);
	pair_modify(&p, 0, &m);
	m.sq_psn = 0x500;
	m.retry = 1;
	m.ack_timeout = 8;
	assert_ok(client_connect_qp(&p.qp[0], &m));
	pair_modify(&p, 1, &m);
	assert_ok(client_connect_qp(&p.qp[1], &m));
	memset(w->g[1].buf.va + TO, 0, 8);
	memset(w->g[0].buf.va, 0xff, 8);
	aim(&wr, &w->g[1], TO);
	assert_ok(client_post_send(&p.qp[0], &wr));
	elapse(w, 10 * NSEC_PER_SEC);
	expect_wc(w, &w->g[0].cq, 1, MLX5_CQE_SYNDROME_TRANSPORT_RETRY_EXC_ERR);
	assert_int_equal(w->g[1].buf.va[TO], 0);
	pair_close(&p);
}

#define world_test(fn) cmocka_unit_test_setup_teardown(fn, world_setup, world_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		world_test(send_moves_every_size),
		world_test(send_with_immediate),
		world_test(lists_of_segments),
		world_test(inline_data_wraps),
		world_test(send_invalidate),
		world_test(write_moves_every_size),
		world_test(write_with_immediate),
		world_test(read_moves_every_size),
		world_test(atomics),
		world_test(unaligned_atomic_is_refused),
		world_test(overlapping_ranges),
		world_test(unsignalled_requests_complete_silently),
		world_test(completions_keep_the_order),
		world_test(nop_completes),
		world_test(psns_count_packets),
		world_test(wrong_psn_is_not_accepted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
