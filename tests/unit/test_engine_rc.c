// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Connected services: what arrives, where, and what both ends are told. */
#include "engine.h"

static const u32 sizes[] = {
	0, 1, 7, 8, 63, 64, 255, 1023, 1024, 1025, 4095, 4096, 4097, 10000, 65536, 70000,
	1 << 20,
};

#define SECOND_HALF	(ENGINE_BYTES / 2)

/* Packets that a message of @len takes at the fixture's MTU. */
static u32 packets(u32 len)
{
	return len ? DIV_ROUND_UP(len, 1024U) : 1;
}

static void check_requester(struct engine *e, u8 opcode)
{
	struct client_wc wc = engine_wc(e, &e->node[0].cq);

	assert_int_equal(wc.status, 0);
	assert_int_equal(wc.opcode, MLX5_CQE_REQ);
	assert_int_equal(wc.wqe_opcode, opcode);
	assert_int_equal(wc.wr_id, 1);
}

static void test_send(void **state)
{
	struct engine *e = *state;
	struct engine_node *a = &e->node[0], *b = &e->node[1];
	struct engine_pair pair;
	u32 i, psn = 0xfffff0;

	engine_connect(e, MLX5_QP_ST_RC, &pair, NULL);
	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		struct client_sge sge = engine_sge(a, 3 + i, sizes[i]);
		struct client_send wr = engine_send(i & 1 ? MLX5_OPCODE_SEND_IMM :
						    MLX5_OPCODE_SEND, &sge);
		struct client_wc wc;

		wr.imm = cpu_to_be32(0xcafe0000 + i);
		wr.flags |= i & 2 ? CLIENT_SOLICITED : 0;
		engine_fill(a->mem.va + 3 + i, sizes[i], i);
		memset(b->mem.va, 0xee, sizes[i] + 64);
		engine_recv(&pair.qp[1], b, 100 + i, 5, sizes[i] + 8);
		engine_post(&pair.qp[0], &wr);
		check_requester(e, wr.opcode);
		wc = engine_wc(e, &b->cq);
		assert_int_equal(wc.status, 0);
		assert_int_equal(wc.opcode, i & 1 ? MLX5_CQE_RESP_SEND_IMM : MLX5_CQE_RESP_SEND);
		assert_int_equal(wc.bytes, sizes[i]);
		assert_int_equal(wc.wr_id, 100 + i);
		assert_int_equal(wc.solicited, !!(i & 2));
		if (i & 1)
			assert_int_equal(wc.imm, wr.imm);
		assert_true(engine_is(b->mem.va + 5, sizes[i], i));
		assert_int_equal(b->mem.va[4], 0xee);
		assert_int_equal(b->mem.va[5 + sizes[i]], 0xee);
		psn = (psn + packets(sizes[i])) & 0xffffff;
		assert_int_equal(engine_psn(&pair.qp[0], true), psn);
		assert_int_equal(engine_psn(&pair.qp[1], false), psn);
	}
	engine_disconnect(&pair);
}

static void test_write_read(void **state)
{
	static const u8 opcodes[] = {
		MLX5_OPCODE_RDMA_WRITE, MLX5_OPCODE_RDMA_WRITE_IMM, MLX5_OPCODE_RDMA_READ,
	};
	struct engine *e = *state;
	struct engine_node *a = &e->node[0], *b = &e->node[1];
	struct engine_pair pair;
	u32 i, k;

	engine_connect(e, MLX5_QP_ST_RC, &pair, NULL);
	for (i = 0; i < ARRAY_SIZE(sizes) * ARRAY_SIZE(opcodes); i++) {
		u32 len = sizes[i / ARRAY_SIZE(opcodes)];
		u8 opcode = opcodes[i % ARRAY_SIZE(opcodes)];
		bool read = opcode == MLX5_OPCODE_RDMA_READ;
		struct client_sge sge = engine_sge(a, 11, len);
		struct client_send wr = engine_send(opcode, &sge);
		u8 *from = read ? b->mem.va + 7 : a->mem.va + 11;
		u8 *to = read ? a->mem.va + 11 : b->mem.va + 7;

		engine_fill(from, len, i);
		memset(to - 1, 0xee, len + 2);
		wr.remote_addr = (uintptr_t)b->mem.va + 7;
		wr.rkey = b->key;
		wr.imm = cpu_to_be32(i);
		if (opcode == MLX5_OPCODE_RDMA_WRITE_IMM)
			engine_recv(&pair.qp[1], b, 77, 0, 0);
		engine_post(&pair.qp[0], &wr);
		check_requester(e, opcode);
		assert_true(engine_is(to, len, i));
		assert_int_equal(to[-1], 0xee);
		assert_int_equal(to[len], 0xee);
		if (opcode == MLX5_OPCODE_RDMA_WRITE_IMM) {
			struct client_wc wc = engine_wc(e, &b->cq);

			assert_int_equal(wc.opcode, MLX5_CQE_RESP_WR_IMM);
			assert_int_equal(wc.bytes, len);
			assert_int_equal(wc.imm, wr.imm);
		}
	}
	for (k = 0; k < 2; k++)
		assert_int_equal(engine_psn(&pair.qp[0], true), engine_psn(&pair.qp[1], false));
	engine_disconnect(&pair);
}

static void test_atomic(void **state)
{
	struct engine *e = *state;
	struct engine_node *a = &e->node[0], *b = &e->node[1];
	u64 *word = (u64 *)(b->mem.va + 4096 - 8);
	u64 *result = (u64 *)(a->mem.va + 32);
	struct client_sge sge = engine_sge(a, 32, 8);
	struct client_send wr = engine_send(MLX5_OPCODE_ATOMIC_FA, &sge);
	struct engine_pair pair;

	engine_connect(e, MLX5_QP_ST_RC, &pair, NULL);
	wr.remote_addr = (uintptr_t)word;
	wr.rkey = b->key;
	*word = 0x00000000ffffffffULL;
	wr.swap_add = 2;
	engine_post(&pair.qp[0], &wr);
	check_requester(e, MLX5_OPCODE_ATOMIC_FA);
	assert_int_equal(*word, 0x0000000100000001ULL);
	assert_int_equal(*result, 0x00000000ffffffffULL);

	wr.opcode = MLX5_OPCODE_ATOMIC_CS;
	wr.compare = 5;
	wr.swap_add = 0x1122334455667788ULL;
	engine_post(&pair.qp[0], &wr);
	check_requester(e, MLX5_OPCODE_ATOMIC_CS);
	assert_int_equal(*word, 0x0000000100000001ULL);
	assert_int_equal(*result, *word);

	wr.compare = *word;
	engine_post(&pair.qp[0], &wr);
	check_requester(e, MLX5_OPCODE_ATOMIC_CS);
	assert_int_equal(*word, 0x1122334455667788ULL);
	assert_int_equal(*result, 0x0000000100000001ULL);
	engine_disconnect(&pair);
}

/* The result of an atomic goes to a buffer that two scatter entries make up. */
static void test_atomic_split(void **state)
{
	struct engine *e = *state;
	struct engine_node *a = &e->node[0], *b = &e->node[1];
	struct client_sge sge[2] = { engine_sge(a, 4093, 3), engine_sge(a, 8190, 5) };
	struct client_send wr = engine_send(MLX5_OPCODE_ATOMIC_FA, sge);
	struct engine_pair pair;
	u64 *word = (u64 *)b->mem.va;
	u8 got[8];

	engine_connect(e, MLX5_QP_ST_RC, &pair, NULL);
	*word = 0x0807060504030201ULL;
	wr.n_sge = 2;
	wr.remote_addr = (uintptr_t)word;
	wr.rkey = b->key;
	wr.swap_add = 1;
	engine_post(&pair.qp[0], &wr);
	check_requester(e, MLX5_OPCODE_ATOMIC_FA);
	memcpy(got, a->mem.va + 4093, 3);
	memcpy(got + 3, a->mem.va + 8190, 5);
	assert_memory_equal(got, "\1\2\3\4\5\6\7\10", 8);
	engine_disconnect(&pair);
}

/* Random scatter and gather lists, inline data, the ring's end; unsignalled, too. */
static void test_shapes(void **state)
{
	struct engine *e = *state;
	struct engine_node *a = &e->node[0], *b = &e->node[1];
	struct engine_pair pair;
	u32 round, seed = 1;

	engine_connect(e, MLX5_QP_ST_RC, &pair, NULL);
	for (round = 0; round < 500; round++) {
		struct client_sge from[4], to[4];
		struct client_send wr = engine_send(MLX5_OPCODE_SEND, from);
		u32 i, at = 0, len = 0, room = 0;
		struct client_wc wc;
		u8 flat[8192];

		seed = seed * 1103515245 + 12345;
		wr.n_sge = 1 + (seed >> 16) % 4;
		if (seed & BIT(20))
			wr.flags |= CLIENT_INLINE;
		for (i = 0; i < wr.n_sge; i++) {
			u32 n = (seed >> (i * 3)) % (wr.flags & CLIENT_INLINE ? 60 : 1500);

			from[i] = engine_sge(a, at, n);
			at += n + 13;
			len += n;
		}
		engine_fill(a->mem.va, at, round);
		for (i = 0, at = 0; i < wr.n_sge; i++) {
			memcpy(flat + at, (void *)(uintptr_t)from[i].addr, from[i].len);
			at += from[i].len;
		}
		for (i = 0; i < 4; i++) {
			u32 n = i == 3 ? 8192 : (seed >> i) % 700;

			to[i] = engine_sge(b, room + i * 8, n);
			room += n;
		}
		assert_int_equal(client_post_recv(&pair.qp[1], round, to, 4), 0);
		engine_post(&pair.qp[0], &wr);
		check_requester(e, MLX5_OPCODE_SEND);
		wc = engine_wc(e, &b->cq);
		assert_int_equal(wc.status, 0);
		assert_int_equal(wc.bytes, len);
		assert_int_equal(wc.wr_id, round);
		for (i = 0, at = 0; i < 4 && at < len; i++) {
			u32 n = min(to[i].len, len - at);

			assert_memory_equal((void *)(uintptr_t)to[i].addr, flat + at, n);
			at += n;
		}
	}
	engine_disconnect(&pair);
}

/* An unsignalled request has no completion of its own; counters stay those of WQEs. */
static void test_unsignalled(void **state)
{
	struct engine *e = *state;
	struct engine_node *a = &e->node[0], *b = &e->node[1];
	struct client_sge sge = engine_sge(a, 0, 8);
	struct client_send wr = engine_send(MLX5_OPCODE_RDMA_WRITE, &sge);
	struct engine_pair pair;
	u32 i;

	engine_connect(e, MLX5_QP_ST_RC, &pair, NULL);
	wr.remote_addr = (uintptr_t)b->mem.va;
	wr.rkey = b->key;
	for (i = 0; i < 400; i++) {
		wr.flags = i % 20 == 19 ? CLIENT_SIGNALED : 0;
		memcpy(a->mem.va, &i, sizeof(i));
		engine_post(&pair.qp[0], &wr);
		if (!wr.flags)
			continue;
		check_requester(e, MLX5_OPCODE_RDMA_WRITE);
		assert_memory_equal(b->mem.va, &i, sizeof(i));
		engine_no_wc(e, &a->cq);
	}
	engine_disconnect(&pair);
}

/* A QP that is connected to itself. */
static void test_loopback(void **state)
{
	struct engine *e = *state;
	struct engine_node *a = &e->node[0];
	struct client_sge sge = engine_sge(a, 0, 5000);
	struct client_send wr = engine_send(MLX5_OPCODE_SEND, &sge);
	struct client_modify modify;
	struct client_qp_attr attr;
	struct client_wc wc[2];
	struct client_qp qp;

	client_qp_attr_init(&attr, MLX5_QP_ST_RC, a->pd, &a->cq);
	assert_int_equal(client_create_qp(&a->c, &attr, &qp), 0);
	engine_modify(a, qp.qpn, &modify);
	assert_int_equal(client_connect_qp(&qp, &modify), 0);
	engine_fill(a->mem.va, 5000, 9);
	engine_recv(&qp, a, 2, SECOND_HALF, 5000);
	engine_post(&qp, &wr);
	wc[0] = engine_wc(e, &a->cq);
	wc[1] = engine_wc(e, &a->cq);
	assert_int_equal(wc[0].status | wc[1].status, 0);
	assert_int_equal(wc[0].wr_id + wc[1].wr_id, 3);
	assert_true(engine_is(a->mem.va + SECOND_HALF, 5000, 9));
	assert_int_equal(client_destroy_qp(&qp), 0);
}

static void test_uc(void **state)
{
	struct engine *e = *state;
	struct engine_node *a = &e->node[0], *b = &e->node[1];
	struct client_sge sge = engine_sge(a, 0, 3000);
	struct client_send wr = engine_send(MLX5_OPCODE_SEND, &sge);
	struct mhca_counters *drops = &b->vmm->inst->counters;
	struct engine_pair pair;
	struct client_wc wc;

	engine_connect(e, MLX5_QP_ST_UC, &pair, NULL);
	/* No buffer, a buffer too small, then one that does: the small one is used. */
	engine_fill(a->mem.va, 3000, 1);
	engine_post(&pair.qp[0], &wr);
	check_requester(e, MLX5_OPCODE_SEND);
	assert_int_equal(atomic64_read(&drops->drop_no_buffer), 1);
	engine_recv(&pair.qp[1], b, 5, 0, 100);
	engine_post(&pair.qp[0], &wr);
	check_requester(e, MLX5_OPCODE_SEND);
	assert_int_equal(atomic64_read(&drops->drop_length), 1);
	engine_no_wc(e, &b->cq);
	sge.len = 100;
	engine_post(&pair.qp[0], &wr);
	check_requester(e, MLX5_OPCODE_SEND);
	wc = engine_wc(e, &b->cq);
	assert_int_equal(wc.status, 0);
	assert_int_equal(wc.wr_id, 5);
	assert_true(engine_is(b->mem.va, 100, 1));

	sge.len = 3000;
	wr.opcode = MLX5_OPCODE_RDMA_WRITE;
	wr.remote_addr = (uintptr_t)b->mem.va + 1;
	wr.rkey = b->key;
	engine_post(&pair.qp[0], &wr);
	check_requester(e, MLX5_OPCODE_RDMA_WRITE);
	assert_true(engine_is(b->mem.va + 1, 3000, 1));
	/* A wrong key is not the sender's business, nor the receiver's end. */
	wr.rkey ^= 1;
	engine_post(&pair.qp[0], &wr);
	check_requester(e, MLX5_OPCODE_RDMA_WRITE);
	assert_int_equal(engine_qp_state(&pair.qp[1]), MLX5_QP_STATE_RTS);
	engine_disconnect(&pair);
}

static void test_srq(void **state)
{
	struct engine *e = *state;
	struct engine_node *a = &e->node[0], *b = &e->node[1];
	struct client_sge sge = engine_sge(a, 0, 2000);
	struct client_send wr = engine_send(MLX5_OPCODE_SEND, &sge);
	struct client_srq_attr srq_attr = {
		.type = CLIENT_RMP, .pd = b->pd, .log_size = 4, .max_sge = 2,
	};
	struct client_qp_attr attr;
	struct client_modify modify;
	struct client_qp qp[2];
	struct client_srq srq;
	u32 i;

	assert_int_equal(client_create_srq(&b->c, &srq_attr, &srq), 0);
	client_qp_attr_init(&attr, MLX5_QP_ST_RC, a->pd, &a->cq);
	assert_int_equal(client_create_qp(&a->c, &attr, &qp[0]), 0);
	client_qp_attr_init(&attr, MLX5_QP_ST_RC, b->pd, &b->cq);
	attr.srq = &srq;
	attr.log_rq = CLIENT_NO_QUEUE;
	assert_int_equal(client_create_qp(&b->c, &attr, &qp[1]), 0);
	for (i = 0; i < 2; i++) {
		engine_modify(&e->node[!i], qp[!i].qpn, &modify);
		assert_int_equal(client_connect_qp(&qp[i], &modify), 0);
	}
	assert_int_equal(client_arm_srq(&srq, 2), 0);
	for (i = 0; i < 100; i++) {
		struct client_sge to = engine_sge(b, i * 16, 2000);
		struct client_wc wc;

		assert_int_equal(client_post_srq(&srq, i, &to, 1), 0);
		engine_fill(a->mem.va, 2000, i);
		engine_post(&qp[0], &wr);
		check_requester(e, MLX5_OPCODE_SEND);
		wc = engine_wc(e, &b->cq);
		assert_int_equal(wc.status, 0);
		assert_ptr_equal(wc.srq, &srq);
		assert_int_equal(wc.wr_id, i);
		assert_true(engine_is(b->mem.va + i * 16, 2000, i));
	}
	engine_event(e, b, MLX5_EVENT_TYPE_SRQ_RQ_LIMIT, srq.srqn);
	/* The QP goes to ERR: its SRQ's WQEs stay, the event says it takes no more. */
	assert_int_equal(client_modify_qp(&qp[1], MLX5_CMD_OP_2ERR_QP, NULL), 0);
	engine_event(e, b, MLX5_EVENT_TYPE_SRQ_LAST_WQE, qp[1].qpn);
	assert_int_equal(client_destroy_qp(&qp[0]), 0);
	assert_int_equal(client_destroy_qp(&qp[1]), 0);
	assert_int_equal(client_destroy_srq(&srq), 0);
}

static void test_xrc(void **state)
{
	struct engine *e = *state;
	struct engine_node *a = &e->node[0], *b = &e->node[1];
	struct client_sge sge = engine_sge(a, 0, 300);
	struct client_send wr = engine_send(MLX5_OPCODE_SEND, &sge);
	struct client_srq_attr srq_attr = {
		.type = CLIENT_XRC_SRQ, .pd = b->pd, .log_size = 4, .max_sge = 1,
		.cqn = b->cq.cqn,
	};
	struct client_modify modify;
	struct client_qp_attr attr;
	struct client_qp qp[2];
	struct client_srq srq;
	struct client_wc wc;
	u32 xrcd[2], i;

	for (i = 0; i < 2; i++)
		assert_int_equal(client_alloc_xrcd(&e->node[i].c, &xrcd[i]), 0);
	srq_attr.xrcd = xrcd[1];
	assert_int_equal(client_create_srq(&b->c, &srq_attr, &srq), 0);
	for (i = 0; i < 2; i++) {
		client_qp_attr_init(&attr, MLX5_QP_ST_XRC, e->node[i].pd, &e->node[i].cq);
		attr.xrcd = xrcd[i];
		attr.log_rq = CLIENT_NO_QUEUE;
		if (i)
			attr.log_sq = CLIENT_NO_QUEUE;
		assert_int_equal(client_create_qp(&e->node[i].c, &attr, &qp[i]), 0);
	}
	for (i = 0; i < 2; i++) {
		engine_modify(&e->node[!i], qp[!i].qpn, &modify);
		assert_int_equal(client_connect_qp(&qp[i], &modify), 0);
	}
	sge = engine_sge(b, 0, 300);
	assert_int_equal(client_post_srq(&srq, 42, &sge, 1), 0);
	sge = engine_sge(a, 0, 300);
	engine_fill(a->mem.va, 300, 3);
	wr.xrc_srqn = srq.srqn;
	engine_post(&qp[0], &wr);
	check_requester(e, MLX5_OPCODE_SEND);
	wc = engine_wc(e, &b->cq);
	assert_int_equal(wc.status, 0);
	assert_int_equal(wc.wr_id, 42);
	assert_ptr_equal(wc.srq, &srq);
	assert_true(engine_is(b->mem.va, 300, 3));
	/* Another number than an XRC SRQ's of that domain. */
	wr.xrc_srqn = srq.srqn ^ 0x800;
	engine_post(&qp[0], &wr);
	wc = engine_wc(e, &a->cq);
	assert_int_equal(wc.status, MLX5_CQE_SYNDROME_REMOTE_INVAL_REQ_ERR);
	for (i = 0; i < 2; i++)
		assert_int_equal(client_destroy_qp(&qp[i]), 0);
	assert_int_equal(client_destroy_srq(&srq), 0);
	for (i = 0; i < 2; i++)
		assert_int_equal(client_dealloc_xrcd(&e->node[i].c, xrcd[i]), 0);
}

/* A PA key names guest-physical pages that nobody has pinned yet. */
static void test_pa_key(void **state)
{
	struct engine *e = *state;
	struct engine_node *a = &e->node[0], *b = &e->node[1];
	struct client_mkey_attr attr = {
		.pd = a->pd, .access = CLIENT_ALL_ACCESS, .pa = true, .length64 = true,
		.qpn = CLIENT_ANY_QP,
	};
	struct client_sge sge = { .len = 1000 };
	struct client_send wr = engine_send(MLX5_OPCODE_RDMA_WRITE, &sge);
	struct engine_pair pair;
	struct client_wc wc;

	engine_connect(e, MLX5_QP_ST_RC, &pair, NULL);
	assert_int_equal(client_create_mkey(&a->c, &attr, &sge.lkey), 0);
	engine_fill(a->mem.va + 100, 1000, 4);
	sge.addr = client_iova(&a->c, a->mem.va) + 100;
	wr.remote_addr = (uintptr_t)b->mem.va;
	wr.rkey = b->key;
	engine_post(&pair.qp[0], &wr);
	engine_pass(e, 1000000);
	check_requester(e, MLX5_OPCODE_RDMA_WRITE);
	assert_true(engine_is(b->mem.va, 1000, 4));
	/* An address that is no memory. */
	sge.addr = 1ULL << 50;
	engine_post(&pair.qp[0], &wr);
	engine_pass(e, 1000000);
	wc = engine_wc(e, &a->cq);
	assert_int_equal(wc.status, MLX5_CQE_SYNDROME_LOCAL_PROT_ERR);
	engine_disconnect(&pair);
	assert_int_equal(client_destroy_mkey(&a->c, sge.lkey), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_send, engine_setup, engine_teardown),
		cmocka_unit_test_setup_teardown(test_write_read, engine_setup, engine_teardown),
		cmocka_unit_test_setup_teardown(test_atomic, engine_setup, engine_teardown),
		cmocka_unit_test_setup_teardown(test_atomic_split, engine_setup, engine_teardown),
		cmocka_unit_test_setup_teardown(test_shapes, engine_setup, engine_teardown),
		cmocka_unit_test_setup_teardown(test_unsignalled, engine_setup, engine_teardown),
		cmocka_unit_test_setup_teardown(test_loopback, engine_setup, engine_teardown),
		cmocka_unit_test_setup_teardown(test_uc, engine_setup, engine_teardown),
		cmocka_unit_test_setup_teardown(test_srq, engine_setup, engine_teardown),
		cmocka_unit_test_setup_teardown(test_xrc, engine_setup, engine_teardown),
		cmocka_unit_test_setup_teardown(test_pa_key, engine_setup, engine_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
