// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Datagrams between two guests and inside one: what engine-ud leaves open. */
#include "fixture.h"

#define TO	(BUF_BYTES / 2)
#define GRH	40U
#define QKEY	0x11223344U

static void open_ud(struct guest *g, u8 type, u32 qkey, struct client_srq *srq,
		    struct client_qp *qp)
{
	struct client_qp_attr attr;
	struct client_modify m;

	client_qp_attr_init(&attr, type, g->pd, &g->cq);
	attr.srq = srq;
	assert_ok(client_create_qp(&g->c, &attr, qp));
	client_modify_init(&m);
	m.qkey = qkey;
	assert_ok(client_connect_qp(qp, &m));
}

static void post(struct guest *from, struct client_qp *qp, u8 opcode, u16 dlid, u32 dqpn,
		 u32 qkey, u32 len)
{
	struct client_path path = { .dlid = dlid, .sl = 2 };
	struct client_sge sge = sge_of(from, 0, len);
	struct client_send wr = {
		.opcode = opcode, .wr_id = 1, .flags = CLIENT_SIGNALED, .sge = &sge, .n_sge = 1,
		.path = &path, .dqpn = dqpn, .qkey = qkey, .imm = cpu_to_be32(0xcafe0001),
	};

	assert_ok(client_post_send(qp, &wr));
}

static void recv(struct guest *g, struct client_qp *qp, u64 id)
{
	struct client_sge sge = sge_of(g, TO, 5000);

	assert_ok(client_post_recv(qp, id, &sge, 1));
}

static void immediate_data(void **state)
{
	struct world *w = *state;
	struct client_qp qp[2];
	struct client_wc wc;
	u32 len;
	u32 i;

	for (i = 0; i < 2; i++)
		open_ud(&w->g[i], MLX5_QP_ST_UD, QKEY, NULL, &qp[i]);
	for (len = 0; len <= 4096; len += 512) {
		fill(w->g[0].buf.va, len, len);
		recv(&w->g[1], &qp[1], 7);
		post(&w->g[0], &qp[0], len & 512 ? MLX5_OPCODE_SEND : MLX5_OPCODE_SEND_IMM,
		     w->g[1].c.lid, qp[1].qpn, QKEY, len);
		wc = expect_wc(w, &w->g[1].cq, 7, 0);
		assert_int_equal(wc.opcode, len & 512 ? MLX5_CQE_RESP_SEND :
				 MLX5_CQE_RESP_SEND_IMM);
		assert_int_equal(wc.bytes, GRH + len);
		assert_int_equal(wc.src_qpn, qp[0].qpn);
		assert_int_equal(wc.slid, w->g[0].c.lid);
		assert_int_equal(wc.sl, 2);
		assert_false(wc.grh);
		if (!(len & 512))
			assert_int_equal(be32_to_cpu(wc.imm), 0xcafe0001);
		assert_filled(w->g[1].buf.va + TO + GRH, len, len);
		expect_wc(w, &w->g[0].cq, 1, 0);
	}
	for (i = 0; i < 2; i++)
		assert_ok(client_destroy_qp(&qp[i]));
}

static void management_qps(void **state)
{
	static const u8 types[] = { MLX5_QP_ST_QP0, MLX5_QP_ST_QP1 };
	struct world *w = *state;
	struct client_qp qp[2];
	struct client_wc wc;
	u32 number;
	u32 i;

	for (number = 0; number < 2; number++) {
		for (i = 0; i < 2; i++)
			open_ud(&w->g[i], types[number], number ? 0x80010000U : 0, NULL, &qp[i]);
		recv(&w->g[1], &qp[1], 9);
		post(&w->g[0], &qp[0], MLX5_OPCODE_SEND, w->g[1].c.lid, number, 0x80010000U,
		     256);
		wc = expect_wc(w, &w->g[1].cq, 9, 0);
		assert_int_equal(wc.qpn, qp[1].qpn);
		assert_int_equal(wc.src_qpn, number);
		expect_wc(w, &w->g[0].cq, 1, 0);
		for (i = 0; i < 2; i++)
			assert_ok(client_destroy_qp(&qp[i]));
		/* Nobody is there any more. */
		open_ud(&w->g[0], types[number], 0x80010000U, NULL, &qp[0]);
		post(&w->g[0], &qp[0], MLX5_OPCODE_SEND, w->g[1].c.lid, number, 0x80010000U,
		     256);
		expect_wc(w, &w->g[0].cq, 1, 0);
		assert_ok(client_destroy_qp(&qp[0]));
	}
	assert_int_equal(counter(&w->g[0], drop_no_peer), 2);
}

/*
 * Any QP may talk to a GSI QP, under its own number, and none but an SMI QP to an SMI QP:
 * what says "I am QP 1" or "I manage this subnet" is the driver's, not a program's.
 */
static void management_is_the_drivers(void **state)
{
	struct world *w = *state;
	struct client_qp smi, gsi, ud;
	struct client_qp_attr attr;
	struct client_modify m;
	struct client_wc wc;

	open_ud(&w->g[1], MLX5_QP_ST_QP0, 0, NULL, &smi);
	open_ud(&w->g[1], MLX5_QP_ST_QP1, 0x80010000U, NULL, &gsi);
	recv(&w->g[1], &smi, 8);
	recv(&w->g[1], &gsi, 9);
	open_ud(&w->g[0], MLX5_QP_ST_UD, 0x80010000U, NULL, &ud);
	post(&w->g[0], &ud, MLX5_OPCODE_SEND, w->g[1].c.lid, 0, 0, 256);
	expect_wc(w, &w->g[0].cq, 1, 0);
	assert_int_equal(counter(&w->g[0], drop_no_peer), 1);
	post(&w->g[0], &ud, MLX5_OPCODE_SEND, w->g[1].c.lid, 1, 0x80010000U, 256);
	wc = expect_wc(w, &w->g[1].cq, 9, 0);
	assert_int_equal(wc.src_qpn, ud.qpn);
	expect_wc(w, &w->g[0].cq, 1, 0);
	expect_no_wc(w, &w->g[1].cq);
	assert_ok(client_destroy_qp(&ud));
	/* Nor can it say so itself. */
	client_qp_attr_init(&attr, MLX5_QP_ST_UD, w->g[0].pd, &w->g[0].cq);
	attr.deth_sqpn = 1;
	assert_ok(client_create_qp(&w->g[0].c, &attr, &ud));
	client_modify_init(&m);
	assert_int_equal(client_connect_qp(&ud, &m), -EINVAL);
	assert_ok(client_destroy_qp(&ud));
	assert_ok(client_destroy_qp(&smi));
	assert_ok(client_destroy_qp(&gsi));
}

static void from_an_srq(void **state)
{
	struct world *w = *state;
	struct client_srq_attr attr = {
		.type = CLIENT_RMP, .pd = w->g[1].pd, .log_size = 4, .max_sge = 1,
	};
	struct client_sge sge = sge_of(&w->g[1], TO, 1000);
	struct client_qp qp[2];
	struct client_srq srq;
	u32 i;

	assert_ok(client_create_srq(&w->g[1].c, &attr, &srq));
	open_ud(&w->g[0], MLX5_QP_ST_UD, QKEY, NULL, &qp[0]);
	open_ud(&w->g[1], MLX5_QP_ST_UD, QKEY, &srq, &qp[1]);
	for (i = 0; i < 40; i++) {
		assert_ok(client_post_srq(&srq, i, &sge, 1));
		/* Too long first: the WQE stays for the next one. */
		post(&w->g[0], &qp[0], MLX5_OPCODE_SEND, w->g[1].c.lid, qp[1].qpn, QKEY, 1000);
		expect_wc(w, &w->g[0].cq, 1, 0);
		expect_no_wc(w, &w->g[1].cq);
		post(&w->g[0], &qp[0], MLX5_OPCODE_SEND, w->g[1].c.lid, qp[1].qpn, QKEY, 900);
		assert_int_equal(expect_wc(w, &w->g[1].cq, i, 0).bytes, GRH + 900);
		expect_wc(w, &w->g[0].cq, 1, 0);
	}
	assert_int_equal(counter(&w->g[1], drop_length), 40);
	for (i = 0; i < 2; i++)
		assert_ok(client_destroy_qp(&qp[i]));
	assert_ok(client_destroy_srq(&srq));
}

/* Received before RTS: rdma_cm waits for that event. */
static void first_datagram_in_rtr(void **state)
{
	struct world *w = *state;
	struct client_qp_attr attr;
	struct client_modify m;
	struct client_qp qp[2];
	u32 i;

	open_ud(&w->g[0], MLX5_QP_ST_UD, QKEY, NULL, &qp[0]);
	client_qp_attr_init(&attr, MLX5_QP_ST_UD, w->g[1].pd, &w->g[1].cq);
	assert_ok(client_create_qp(&w->g[1].c, &attr, &qp[1]));
	client_modify_init(&m);
	m.qkey = QKEY;
	assert_ok(client_modify_qp(&qp[1], MLX5_CMD_OP_RST2INIT_QP, &m));
	recv(&w->g[1], &qp[1], 5);
	recv(&w->g[1], &qp[1], 6);
	post(&w->g[0], &qp[0], MLX5_OPCODE_SEND, w->g[1].c.lid, qp[1].qpn, QKEY, 10);
	expect_wc(w, &w->g[0].cq, 1, 0);
	expect_no_wc(w, &w->g[1].cq);
	assert_int_equal(counter(&w->g[1], drop_state), 1);
	assert_ok(client_modify_qp(&qp[1], MLX5_CMD_OP_INIT2RTR_QP, &m));
	for (i = 0; i < 2; i++) {
		post(&w->g[0], &qp[0], MLX5_OPCODE_SEND, w->g[1].c.lid, qp[1].qpn, QKEY, 10);
		expect_wc(w, &w->g[1].cq, 5 + i, 0);
		expect_wc(w, &w->g[0].cq, 1, 0);
	}
	expect_event(w, &w->g[1], MLX5_EVENT_TYPE_COMM_EST);
	expect_no_event(w, &w->g[1]);
	for (i = 0; i < 2; i++)
		assert_ok(client_destroy_qp(&qp[i]));
}

/* A receive queue that is broken, and the receiver's memory that is none of it. */
static void broken_receivers(void **state)
{
	struct world *w = *state;
	struct client_sge bad = sge_of(&w->g[1], TO, 1000);
	struct client_qp qp[2];
	u32 i;

	open_ud(&w->g[0], MLX5_QP_ST_UD, QKEY, NULL, &qp[0]);
	open_ud(&w->g[1], MLX5_QP_ST_UD, QKEY, NULL, &qp[1]);
	bad.lkey ^= 0x100;
	assert_ok(client_post_recv(&qp[1], 3, &bad, 1));
	post(&w->g[0], &qp[0], MLX5_OPCODE_SEND, w->g[1].c.lid, qp[1].qpn, QKEY, 10);
	expect_wc(w, &w->g[1].cq, 3, MLX5_CQE_SYNDROME_LOCAL_PROT_ERR);
	expect_wc(w, &w->g[0].cq, 1, 0);
	assert_int_equal(qp_state(&qp[1]), MLX5_QP_STATE_ERR);
	assert_int_equal(qp_state(&qp[0]), MLX5_QP_STATE_RTS);
	assert_ok(client_destroy_qp(&qp[1]));

	open_ud(&w->g[1], MLX5_QP_ST_UD, QKEY, NULL, &qp[1]);
	qp[1].record.word[0] = cpu_to_be32(0x9000);
	post(&w->g[0], &qp[0], MLX5_OPCODE_SEND, w->g[1].c.lid, qp[1].qpn, QKEY, 10);
	expect_event(w, &w->g[1], MLX5_EVENT_TYPE_WQ_CATAS_ERROR);
	expect_wc(w, &w->g[0].cq, 1, 0);
	assert_int_equal(qp_state(&qp[1]), MLX5_QP_STATE_ERR);
	for (i = 0; i < 2; i++)
		assert_ok(client_destroy_qp(&qp[i]));
}

static void multicast_to_nobody(void **state)
{
	static const u8 mgid[16] = { 0xff, 0x12, 0x40, 0x1b, [15] = 0x42 };
	struct world *w = *state;
	struct client_path path = { .dlid = 0xc001, .grh = true, .hop_limit = 1 };
	struct client_sge sge = sge_of(&w->g[0], 0, 10);
	struct client_send wr = {
		.opcode = MLX5_OPCODE_SEND, .wr_id = 1, .flags = CLIENT_SIGNALED, .sge = &sge,
		.n_sge = 1, .path = &path, .dqpn = 0xffffff, .qkey = QKEY,
	};
	struct client_qp qp[2];
	u32 i;

	memcpy(path.dgid, mgid, 16);
	for (i = 0; i < 2; i++)
		open_ud(&w->g[i], MLX5_QP_ST_UD, QKEY, NULL, &qp[i]);
	assert_ok(client_post_send(&qp[0], &wr));
	expect_wc(w, &w->g[0].cq, 1, 0);
	assert_int_equal(counter(&w->g[0], drop_no_peer), 1);
	/* Attached, detached, destroyed while attached: no more than that. */
	assert_ok(client_attach_mcast(&qp[1], mgid));
	assert_ok(client_detach_mcast(&qp[1], mgid));
	assert_int_not_equal(client_detach_mcast(&qp[1], mgid), 0);
	assert_ok(client_attach_mcast(&qp[1], mgid));
	assert_ok(client_destroy_qp(&qp[1]));
	assert_ok(client_post_send(&qp[0], &wr));
	expect_wc(w, &w->g[0].cq, 1, 0);
	assert_int_equal(counter(&w->g[0], drop_no_peer), 2);
	assert_ok(client_destroy_qp(&qp[0]));
}

#define world_test(fn) cmocka_unit_test_setup_teardown(fn, world_setup, world_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		world_test(immediate_data),
		world_test(management_qps),
		world_test(management_is_the_drivers),
		world_test(from_an_srq),
		world_test(first_datagram_in_rtr),
		world_test(broken_receivers),
		world_test(multicast_to_nobody),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
