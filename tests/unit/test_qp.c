// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Every transition from every state, for every service type; attributes; queries. */
#include "fixture.h"

enum state { RST, INIT, RTR, RTS, SQER, ERR, STATES };

static const u8 prm_state[STATES] = {
	[RST] = MLX5_QP_STATE_RST, [INIT] = MLX5_QP_STATE_INIT, [RTR] = MLX5_QP_STATE_RTR,
	[RTS] = MLX5_QP_STATE_RTS, [SQER] = MLX5_QP_STATE_SQER, [ERR] = MLX5_QP_STATE_ERR,
};

struct edge {
	u16 opcode;
	u32 from;	/* bit mask of states */
	enum state to;
};

#define ALL	((1U << STATES) - 1)

/* What the PRM allows; everything else has to be refused. */
static const struct edge edges[] = {
	{ MLX5_CMD_OP_RST2INIT_QP, 1 << RST, INIT },
	{ MLX5_CMD_OP_INIT2INIT_QP, 1 << INIT, INIT },
	{ MLX5_CMD_OP_INIT2RTR_QP, 1 << INIT, RTR },
	{ MLX5_CMD_OP_RTR2RTS_QP, 1 << RTR, RTS },
	{ MLX5_CMD_OP_RTS2RTS_QP, 1 << RTS, RTS },
	{ MLX5_CMD_OP_SQERR2RTS_QP, 1 << SQER, RTS },
	{ MLX5_CMD_OP_2ERR_QP, ALL, ERR },
	{ MLX5_CMD_OP_2RST_QP, ALL, RST },
	{ MLX5_CMD_OP_SQD_RTS_QP, 0, RTS },
};

static bool reliable(u8 type)
{
	return type == MLX5_QP_ST_RC || type == MLX5_QP_ST_XRC;
}

static int to_rts(struct client_qp *qp, struct client_modify *m)
{
	return client_connect_qp(qp, m);
}

/* A requester error of an unreliable service. */
static void to_sqer(struct world *w, struct client_qp *qp, struct client_modify *m)
{
	struct client_path path = { .dlid = 1 };
	struct client_sge sge = { 0, 8, 0xdead00 };
	struct client_send wr = {
		.opcode = MLX5_OPCODE_SEND, .sge = &sge, .n_sge = 1, .dqpn = 5, .path = &path,
	};
	struct client_wc wc;

	assert_ok(to_rts(qp, m));
	assert_ok(client_post_send(qp, &wr));
	settle(w);
	assert_int_equal(client_poll_cq(qp->send_cq, 1, &wc), 1);
	assert_int_equal(wc.status, MLX5_CQE_SYNDROME_LOCAL_PROT_ERR);
}

static void bring_to(struct world *w, struct client_qp *qp, enum state state,
		     struct client_modify *m)
{
	assert_ok(client_modify_qp(qp, MLX5_CMD_OP_2RST_QP, m));
	if (state == RST)
		return;
	if (state == SQER) {
		to_sqer(w, qp, m);
		return;
	}
	assert_ok(client_modify_qp(qp, MLX5_CMD_OP_RST2INIT_QP, m));
	if (state == ERR) {
		assert_ok(client_modify_qp(qp, MLX5_CMD_OP_2ERR_QP, m));
		return;
	}
	if (state >= RTR)
		assert_ok(client_modify_qp(qp, MLX5_CMD_OP_INIT2RTR_QP, m));
	if (state >= RTS)
		assert_ok(client_modify_qp(qp, MLX5_CMD_OP_RTR2RTS_QP, m));
}

static void all_pairs(struct world *w, u8 type)
{
	struct client_qp_attr attr;
	struct client_modify m;
	struct client_qp qp;
	u32 state;
	u32 e;

	client_qp_attr_init(&attr, type, w->g[0].pd, &w->g[0].cq);
	if (type == MLX5_QP_ST_XRC)
		attr.log_rq = CLIENT_NO_QUEUE;
	assert_ok(client_create_qp(&w->g[0].c, &attr, &qp));
	client_modify_init(&m);
	m.path.dlid = w->g[0].c.lid;
	m.remote_qpn = qp.qpn;
	for (state = 0; state < STATES; state++) {
		if (state == SQER && reliable(type))
			continue;
		for (e = 0; e < ARRAY_SIZE(edges); e++) {
			bool allowed = edges[e].from >> state & 1;
			int ret;

			bring_to(w, &qp, state, &m);
			assert_int_equal(qp_state(&qp), prm_state[state]);
			ret = client_modify_qp(&qp, edges[e].opcode, &m);
			if (allowed != !ret)
				fail_msg("type %u state %u opcode 0x%x: %d", type, state,
					 edges[e].opcode, ret);
			assert_int_equal(qp_state(&qp),
					 prm_state[allowed ? edges[e].to : state]);
		}
	}
	assert_ok(client_destroy_qp(&qp));
}

static void every_transition_pair(void **state)
{
	static const u8 types[] = { MLX5_QP_ST_RC, MLX5_QP_ST_UC, MLX5_QP_ST_UD };
	u32 i;

	for (i = 0; i < ARRAY_SIZE(types); i++)
		all_pairs(*state, types[i]);
}

static void attributes_come_back(void **state)
{
	struct world *w = *state;
	u8 qpc[MLX5_ST_SZ_BYTES(qpc)];
	struct client_modify m;
	struct pair p;

	pair_create(&p, MLX5_QP_ST_RC, &w->g[0], &w->g[1]);
	pair_modify(&p, 0, &m);
	m.path.sl = 3;
	m.path.grh = true;
	m.path.sgid_index = 0;
	m.path.hop_limit = 64;
	m.path.tclass = 0x12;
	m.path.flow = 0xabcde;
	memcpy(m.path.dgid, w->g[1].c.gid, 16);
	m.min_rnr = 17;
	m.retry = 5;
	m.rnr_retry = 4;
	m.ack_timeout = 19;
	m.mtu = IB_MTU_2048;
	assert_ok(client_connect_qp(&p.qp[0], &m));
	assert_ok(client_query_qp(&p.qp[0], qpc));
	assert_int_equal(MLX5_GET(qpc, qpc, state), MLX5_QP_STATE_RTS);
	assert_int_equal(MLX5_GET(qpc, qpc, st), MLX5_QP_ST_RC);
	assert_int_equal(MLX5_GET(qpc, qpc, mtu), IB_MTU_2048);
	assert_int_equal(MLX5_GET(qpc, qpc, remote_qpn), p.qp[1].qpn);
	assert_int_equal(MLX5_GET(qpc, qpc, next_rcv_psn), m.rq_psn);
	assert_int_equal(MLX5_GET(qpc, qpc, next_send_psn), m.sq_psn);
	assert_int_equal(MLX5_GET(qpc, qpc, min_rnr_nak), 17);
	assert_int_equal(MLX5_GET(qpc, qpc, retry_count), 5);
	assert_int_equal(MLX5_GET(qpc, qpc, rnr_retry), 4);
	assert_int_equal(MLX5_GET(qpc, qpc, rre), 1);
	assert_int_equal(MLX5_GET(qpc, qpc, rwe), 1);
	assert_int_equal(MLX5_GET(qpc, qpc, rae), 1);
	assert_int_equal(MLX5_GET(qpc, qpc, primary_address_path.ack_timeout), 19);
	assert_int_equal(MLX5_GET(qpc, qpc, primary_address_path.rlid), w->g[1].c.lid);
	assert_int_equal(MLX5_GET(qpc, qpc, primary_address_path.sl), 3);
	assert_int_equal(MLX5_GET(qpc, qpc, primary_address_path.grh), 1);
	assert_int_equal(MLX5_GET(qpc, qpc, primary_address_path.hop_limit), 64);
	assert_int_equal(MLX5_GET(qpc, qpc, primary_address_path.flow_label), 0xabcde);
	assert_memory_equal(MLX5_ADDR_OF(qpc, qpc, primary_address_path.rgid_rip),
			    w->g[1].c.gid, 16);
	pair_close(&p);
}

static void optional_attributes_only_on_request(void **state)
{
	struct world *w = *state;
	u8 qpc[MLX5_ST_SZ_BYTES(qpc)];
	struct client_modify m;
	struct pair p;

	pair_open(&p, MLX5_QP_ST_RC, &w->g[0], &w->g[1]);
	pair_modify(&p, 0, &m);
	m.access = CLIENT_REMOTE_READ;
	m.min_rnr = 30;
	assert_ok(client_modify_qp(&p.qp[0], MLX5_CMD_OP_RTS2RTS_QP, &m));
	assert_ok(client_query_qp(&p.qp[0], qpc));
	assert_int_equal(MLX5_GET(qpc, qpc, rwe), 1);
	assert_int_equal(MLX5_GET(qpc, qpc, min_rnr_nak), 1);
	m.optional = MLX5_QP_OPTPAR_RWE | MLX5_QP_OPTPAR_RNR_TIMEOUT;
	assert_ok(client_modify_qp(&p.qp[0], MLX5_CMD_OP_RTS2RTS_QP, &m));
	assert_ok(client_query_qp(&p.qp[0], qpc));
	assert_int_equal(MLX5_GET(qpc, qpc, rwe), 0);
	assert_int_equal(MLX5_GET(qpc, qpc, rre), 1);
	assert_int_equal(MLX5_GET(qpc, qpc, rae), 1);
	assert_int_equal(MLX5_GET(qpc, qpc, min_rnr_nak), 30);
	/* One that the transition does not know. */
	m.optional = MLX5_QP_OPTPAR_Q_KEY;
	assert_int_not_equal(client_modify_qp(&p.qp[0], MLX5_CMD_OP_RTS2RTS_QP, &m), 0);
	pair_close(&p);
}

static void bad_attributes_change_nothing(void **state)
{
	struct world *w = *state;
	struct client_modify good;
	struct client_modify m;
	struct pair p;

	pair_create(&p, MLX5_QP_ST_RC, &w->g[0], &w->g[1]);
	pair_modify(&p, 0, &good);
	assert_ok(client_modify_qp(&p.qp[0], MLX5_CMD_OP_RST2INIT_QP, &good));
	m = good;
	m.mtu = 0;
	assert_int_not_equal(client_modify_qp(&p.qp[0], MLX5_CMD_OP_INIT2RTR_QP, &m), 0);
	m.mtu = 6;
	assert_int_not_equal(client_modify_qp(&p.qp[0], MLX5_CMD_OP_INIT2RTR_QP, &m), 0);
	m = good;
	m.log_rra = 7;
	assert_int_not_equal(client_modify_qp(&p.qp[0], MLX5_CMD_OP_INIT2RTR_QP, &m), 0);
	m = good;
	m.path.dlid = 0xc001;
	assert_int_not_equal(client_modify_qp(&p.qp[0], MLX5_CMD_OP_INIT2RTR_QP, &m), 0);
	m = good;
	m.path.grh = true;
	m.path.sgid_index = 100;
	assert_int_not_equal(client_modify_qp(&p.qp[0], MLX5_CMD_OP_INIT2RTR_QP, &m), 0);
	assert_int_equal(qp_state(&p.qp[0]), MLX5_QP_STATE_INIT);
	assert_ok(client_modify_qp(&p.qp[0], MLX5_CMD_OP_INIT2RTR_QP, &good));
	pair_close(&p);
}

/* Posted before RTS: runs when it gets there. */
static void early_posts_wait(void **state)
{
	struct world *w = *state;
	struct client_sge sge = sge_of(&w->g[0], 0, 8);
	struct client_send wr = {
		.opcode = MLX5_OPCODE_SEND, .wr_id = 1, .flags = CLIENT_SIGNALED,
		.sge = &sge, .n_sge = 1,
	};
	struct client_modify m;
	struct pair p;

	pair_create(&p, MLX5_QP_ST_RC, &w->g[0], &w->g[1]);
	pair_modify(&p, 1, &m);
	assert_ok(client_modify_qp(&p.qp[1], MLX5_CMD_OP_RST2INIT_QP, &m));
	recv_one(&p, 1, 2, 0, 8);
	assert_ok(client_modify_qp(&p.qp[1], MLX5_CMD_OP_INIT2RTR_QP, &m));
	pair_modify(&p, 0, &m);
	assert_ok(client_modify_qp(&p.qp[0], MLX5_CMD_OP_RST2INIT_QP, &m));
	assert_ok(client_modify_qp(&p.qp[0], MLX5_CMD_OP_INIT2RTR_QP, &m));
	assert_ok(client_post_send(&p.qp[0], &wr));
	expect_no_wc(w, &w->g[0].cq);
	assert_ok(client_modify_qp(&p.qp[0], MLX5_CMD_OP_RTR2RTS_QP, &m));
	expect_wc(w, &w->g[0].cq, 1, 0);
	/* Received in RTR: the connection is told to be established. */
	expect_wc(w, &w->g[1].cq, 2, 0);
	expect_event(w, &w->g[1], MLX5_EVENT_TYPE_COMM_EST);
	pair_close(&p);
}

static void referenced_objects_stay(void **state)
{
	struct world *w = *state;
	struct guest *g = &w->g[0];
	struct pair p;

	pair_create(&p, MLX5_QP_ST_RC, g, g);
	assert_int_equal(client_destroy_cq(&g->cq), -EBUSY);
	assert_int_equal(client_dealloc_pd(&g->c, g->pd), -EBUSY);
	assert_int_equal(client_dealloc_uar(&g->c, g->c.uar), -EBUSY);
	assert_int_equal(client_destroy_eq(&g->c.comp_eq), -EBUSY);
	pair_close(&p);
}

/* Drivers of Linux 6.1 know of no extended context behind the QP's. */
static void query_of_an_older_driver(void **state)
{
	struct world *w = *state;
	u32 in[MLX5_ST_SZ_DW(query_qp_in)] = { 0 };
	u32 out[272 / 4];
	struct pair p;

	pair_open(&p, MLX5_QP_ST_RC, &w->g[0], &w->g[1]);
	MLX5_SET(query_qp_in, in, opcode, MLX5_CMD_OP_QUERY_QP);
	MLX5_SET(query_qp_in, in, qpn, p.qp[0].qpn);
	assert_ok(client_exec(&w->g[0].c, in, sizeof(in), out, sizeof(out)));
	assert_int_equal(MLX5_GET(query_qp_out, out, qpc.state), MLX5_QP_STATE_RTS);
	pair_close(&p);
}

#define world_test(fn) cmocka_unit_test_setup_teardown(fn, world_setup, world_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		world_test(every_transition_pair),
		world_test(attributes_come_back),
		world_test(optional_attributes_only_on_request),
		world_test(bad_attributes_change_nothing),
		world_test(early_posts_wait),
		world_test(referenced_objects_stay),
		world_test(query_of_an_older_driver),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
