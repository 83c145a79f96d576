// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Datagrams: UD and GSI, unicast and multicast, and all the ways not to arrive. */
#include <mhca/policy.h>
#include "engine.h"

#define GRH	40

static struct client_qp qp[2];

static void ud_create(struct engine *e, u32 i, u8 type, u32 qkey, struct client_qp *out)
{
	struct client_modify modify;
	struct client_qp_attr attr;

	client_qp_attr_init(&attr, type, e->node[i].pd, &e->node[i].cq);
	assert_int_equal(client_create_qp(&e->node[i].c, &attr, out), 0);
	client_modify_init(&modify);
	modify.qkey = qkey;
	modify.mtu = type == MLX5_QP_ST_UD ? IB_MTU_4096 : IB_MTU_256;
	modify.sq_psn = 1;
	assert_int_equal(client_connect_qp(out, &modify), 0);
}

static void ud_pair(struct engine *e)
{
	u32 i;

	for (i = 0; i < 2; i++)
		ud_create(e, i, MLX5_QP_ST_UD, ENGINE_QKEY, &qp[i]);
}

static void ud_end(void)
{
	assert_int_equal(client_destroy_qp(&qp[0]), 0);
	assert_int_equal(client_destroy_qp(&qp[1]), 0);
}

static void ud_send(struct engine *e, struct client_qp *from, const struct client_path *path,
		    u32 dqpn, u32 qkey, u32 len)
{
	struct client_sge sge = engine_sge(&e->node[0], 0, len);
	struct client_send wr = engine_send(MLX5_OPCODE_SEND, &sge);

	wr.path = path;
	wr.dqpn = dqpn;
	wr.qkey = qkey;
	engine_post(from, &wr);
	assert_int_equal(engine_wc(e, &e->node[0].cq).status, 0);
}

static void test_ud(void **state)
{
	static const u32 sizes[] = { 0, 1, 255, 1000, 4095, 4096 };
	struct engine *e = *state;
	struct engine_node *a = &e->node[0], *b = &e->node[1];
	struct client_path path;
	u32 i;

	ud_pair(e);
	engine_path(b, &path);
	path.sl = 3;
	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		struct client_wc wc;

		engine_fill(a->mem.va, sizes[i], i);
		memset(b->mem.va, 0xee, 8192);
		engine_recv(&qp[1], b, i, 4, GRH + 4096);
		ud_send(e, &qp[0], &path, qp[1].qpn, ENGINE_QKEY, sizes[i]);
		wc = engine_wc(e, &b->cq);
		assert_int_equal(wc.status, 0);
		assert_int_equal(wc.opcode, MLX5_CQE_RESP_SEND);
		assert_int_equal(wc.bytes, GRH + sizes[i]);
		assert_int_equal(wc.src_qpn, qp[0].qpn);
		assert_int_equal(wc.slid, a->c.lid);
		assert_int_equal(wc.sl, 3);
		assert_false(wc.grh);
		/* The header's place is kept free, and left alone. */
		assert_true(!memchr_inv(b->mem.va, 0xee, 4 + GRH));
		assert_true(engine_is(b->mem.va + 4 + GRH, sizes[i], i));
		assert_int_equal(b->mem.va[4 + GRH + sizes[i]], 0xee);
	}
	ud_end();
}

static void test_grh(void **state)
{
	struct engine *e = *state;
	struct engine_node *a = &e->node[0], *b = &e->node[1];
	u8 *grh = b->mem.va;
	struct client_path path;
	struct client_wc wc;

	ud_pair(e);
	engine_path(b, &path);
	path.grh = true;
	path.hop_limit = 7;
	path.tclass = 0x5a;
	path.flow = 0x12345;
	memcpy(path.dgid, b->c.gid, sizeof(path.dgid));
	engine_fill(a->mem.va, 10, 1);
	engine_recv(&qp[1], b, 1, 0, GRH + 10);
	ud_send(e, &qp[0], &path, qp[1].qpn, ENGINE_QKEY, 10);
	wc = engine_wc(e, &b->cq);
	assert_true(wc.grh);
	assert_memory_equal(grh, "\x65\xa1\x23\x45", 4);
	assert_memory_equal(grh + 4, "\x00\x24\x1b\x07", 4);	/* 12 + 8 + 12 + 4 bytes */
	assert_memory_equal(grh + 8, a->c.gid, 16);
	assert_memory_equal(grh + 24, b->c.gid, 16);
	assert_true(engine_is(grh + GRH, 10, 1));
	ud_end();
}

/* Every drop is counted by who drops, and the sender never learns. */
static void test_drops(void **state)
{
	struct engine *e = *state;
	struct engine_node *b = &e->node[1];
	struct mhca_counters *sent = &e->node[0].vmm->inst->counters;
	struct mhca_counters *got = &b->vmm->inst->counters;
	struct client_path path;

	ud_pair(e);
	engine_path(b, &path);
	ud_send(e, &qp[0], &path, qp[1].qpn, ENGINE_QKEY, 10);
	assert_int_equal(atomic64_read(&got->drop_no_buffer), 1);
	engine_recv(&qp[1], b, 1, 0, GRH + 9);
	ud_send(e, &qp[0], &path, qp[1].qpn, ENGINE_QKEY, 10);
	assert_int_equal(atomic64_read(&got->drop_length), 1);
	ud_send(e, &qp[0], &path, qp[1].qpn, ENGINE_QKEY + 1, 9);
	assert_int_equal(atomic64_read(&got->drop_qkey), 1);
	assert_int_equal(atomic_read(&b->vmm->inst->port.qkey_violations), 1);
	ud_send(e, &qp[0], &path, qp[1].qpn ^ 0x100000, ENGINE_QKEY, 9);
	path.dlid = 0xbfff;
	ud_send(e, &qp[0], &path, qp[1].qpn, ENGINE_QKEY, 9);
	assert_int_equal(atomic64_read(&sent->drop_no_peer), 2);
	/* The buffer that was too small takes what fits. */
	engine_no_wc(e, &b->cq);
	path.dlid = b->c.lid;
	ud_send(e, &qp[0], &path, qp[1].qpn, ENGINE_QKEY, 9);
	assert_int_equal(engine_wc(e, &b->cq).bytes, GRH + 9);
	assert_int_equal(client_modify_qp(&qp[1], MLX5_CMD_OP_2ERR_QP, NULL), 0);
	ud_send(e, &qp[0], &path, qp[1].qpn, ENGINE_QKEY, 9);
	assert_int_equal(atomic64_read(&got->drop_state), 1);
	ud_end();
}

static void test_too_long(void **state)
{
	struct engine *e = *state;
	struct client_sge sge = engine_sge(&e->node[0], 0, 4097);
	struct client_send wr = engine_send(MLX5_OPCODE_SEND, &sge);
	struct client_path path;

	ud_pair(e);
	engine_path(&e->node[1], &path);
	wr.path = &path;
	wr.dqpn = qp[1].qpn;
	wr.qkey = ENGINE_QKEY;
	engine_post(&qp[0], &wr);
	assert_int_equal(engine_wc(e, &e->node[0].cq).status,
			 MLX5_CQE_SYNDROME_LOCAL_LENGTH_ERR);
	assert_int_equal(engine_qp_state(&qp[0]), MLX5_QP_STATE_SQER);
	ud_end();
}

/* MADs: QPN 1 is the GSI QP, whose Q_Key is well known; source and P_Key are shown. */
static void test_gsi(void **state)
{
	struct engine *e = *state;
	struct engine_node *b = &e->node[1];
	struct client_qp gsi, sender;
	struct client_path path;
	struct client_wc wc;

	ud_create(e, 1, MLX5_QP_ST_QP1, 0x80010000, &gsi);
	ud_create(e, 0, MLX5_QP_ST_QP1, 0x80010000, &sender);
	engine_path(b, &path);
	engine_recv(&gsi, b, 8, 0, GRH + 256);
	/* The Q_Key's top bit asks for the QP's own one. */
	ud_send(e, &sender, &path, 1, 0x80010000, 256);
	wc = engine_wc(e, &b->cq);
	assert_int_equal(wc.wr_id, 8);
	assert_int_equal(wc.src_qpn, 1);
	assert_int_equal(wc.pkey, 0xffff);
	assert_int_equal(wc.bytes, GRH + 256);
	ud_send(e, &sender, &path, 1, ENGINE_QKEY, 256);
	assert_int_equal(atomic64_read(&b->vmm->inst->counters.drop_qkey), 1);
	assert_int_equal(client_destroy_qp(&sender), 0);
	assert_int_equal(client_destroy_qp(&gsi), 0);
}

static void test_multicast(void **state)
{
	static const u8 gid[16] = { 0xff, 0x12, 0x40, 0x1b, [15] = 9 };
	struct engine *e = *state;
	struct engine_node *a = &e->node[0], *b = &e->node[1];
	struct client_path path = { .dlid = 0xc001, .grh = true };
	struct client_qp third;
	struct client_wc wc;
	u32 i;

	ud_pair(e);
	ud_create(e, 1, MLX5_QP_ST_UD, ENGINE_QKEY, &third);
	memcpy(path.dgid, gid, sizeof(gid));
	assert_int_equal(client_attach_mcast(&qp[0], gid), 0);
	assert_int_equal(client_attach_mcast(&qp[1], gid), 0);
	assert_int_equal(client_attach_mcast(&third, gid), 0);
	engine_fill(a->mem.va, 100, 7);
	engine_recv(&qp[0], a, 10, 8192, 200);
	engine_recv(&qp[1], b, 11, 0, 200);
	engine_recv(&third, b, 12, 4096, 200);
	ud_send(e, &qp[0], &path, 0xffffff, ENGINE_QKEY, 100);
	/* The sender's own copy came before its completion. */
	wc = engine_wc(e, &a->cq);
	assert_int_equal(wc.wr_id, 1);
	for (i = 0; i < 2; i++) {
		wc = engine_wc(e, &b->cq);
		assert_int_equal(wc.status, 0);
		assert_true(wc.grh);
		assert_true(engine_is(b->mem.va + (wc.wr_id == 12 ? 4096 : 0) + GRH, 100, 7));
	}
	engine_no_wc(e, &b->cq);
	assert_int_equal(client_detach_mcast(&third, gid), 0);
	ud_send(e, &qp[0], &path, 0xffffff, ENGINE_QKEY, 100);
	assert_int_equal(atomic64_read(&b->vmm->inst->counters.drop_no_buffer), 1);
	assert_int_equal(client_destroy_qp(&third), 0);
	ud_end();
}

/* A turn's work requests: as many members of a group cost as much. */
static void test_multicast_turn(void **state)
{
	static const u8 gid[16] = { 0xff, 0x12, 0x40, 0x1b, [15] = 3 };
	struct engine *e = *state;
	struct engine_node *a = &e->node[0];
	struct client_path path = { .dlid = 0xc001, .grh = true };
	struct client_sge sge = engine_sge(a, 0, 100);
	struct client_send wr = engine_send(MLX5_OPCODE_SEND, &sge);
	const atomic64_t *done = &a->vmm->inst->counters.wqes;
	struct client_qp member[8];
	u64 before, after;
	u32 i;

	ud_pair(e);
	memcpy(path.dgid, gid, sizeof(gid));
	for (i = 0; i < ARRAY_SIZE(member); i++) {
		ud_create(e, 1, MLX5_QP_ST_UD, ENGINE_QKEY, &member[i]);
		assert_int_equal(client_attach_mcast(&member[i], gid), 0);
	}
	wr.path = &path;
	wr.dqpn = 0xffffff;
	wr.qkey = ENGINE_QKEY;
	before = atomic64_read(done);
	for (i = 0; i < 16; i++)
		engine_post(&qp[0], &wr);
	lanes_turn(&e->hca);
	after = atomic64_read(done);
	/* Of the turn's 16 each takes one, and 4 for its receivers: the fourth is interrupted. */
	assert_int_equal(after - before, 3);
	for (i = 0; i < 16; i++)
		assert_int_equal(engine_wc(e, &a->cq).status, 0);
	for (i = 0; i < ARRAY_SIZE(member); i++)
		assert_int_equal(client_destroy_qp(&member[i]), 0);
	ud_end();
}

#define CROWD	100

/* A group of more members than a turn has time for: each gets it once, whoever comes and goes. */
static void test_multicast_crowd(void **state)
{
	static const u8 gid[16] = { 0xff, 0x12, 0x40, 0x1b, [15] = 4 };
	struct engine *e = *state;
	struct engine_node *a = &e->node[0], *b = &e->node[1];
	const atomic64_t *done = &a->vmm->inst->counters.wqes;
	const atomic64_t *got = &b->vmm->inst->counters.messages;
	struct client_path path = { .dlid = 0xc001, .grh = true };
	struct client_sge sge = engine_sge(a, 0, 100);
	struct client_send wr = engine_send(MLX5_OPCODE_SEND, &sge);
	struct client_qp *member = calloc(CROWD + 1, sizeof(*member));
	bool has[CROWD + 1] = { false };
	u64 before;
	u32 i, n;

	ud_pair(e);
	memcpy(path.dgid, gid, sizeof(gid));
	for (i = 0; i < CROWD + 1; i++) {
		ud_create(e, 1, MLX5_QP_ST_UD, ENGINE_QKEY, &member[i]);
		engine_recv(&member[i], b, i, 0, 200);
		engine_recv(&member[i], b, i, 0, 200);
		if (i < CROWD)
			assert_int_equal(client_attach_mcast(&member[i], gid), 0);
	}
	wr.path = &path;
	wr.dqpn = 0xffffff;
	wr.qkey = ENGINE_QKEY;
	before = atomic64_read(done);
	engine_post(&qp[0], &wr);
	for (n = 0; !atomic64_read(got) && n < 100; n++)
		lanes_turn(&e->hca);
	/* Some have it: the last ones to come. One of each kind leaves, and somebody comes. */
	assert_true(atomic64_read(got) < CROWD / 2);
	assert_int_equal(atomic64_read(done), before);
	assert_int_equal(soft_mcast_detach(mhca_object_find(b->vmm->inst, MHCA_QP, member[0].qpn),
					   gid), 0);
	assert_int_equal(soft_mcast_detach(mhca_object_find(b->vmm->inst, MHCA_QP,
							    member[CROWD - 1].qpn), gid), 0);
	assert_int_equal(soft_mcast_attach(mhca_object_find(b->vmm->inst, MHCA_QP,
							    member[CROWD].qpn), gid), 0);
	assert_int_equal(engine_wc(e, &a->cq).status, 0);
	for (i = 0; i < CROWD - 1; i++) {
		u64 id = engine_wc(e, &b->cq).wr_id;

		assert_true(id > 0 && id < CROWD && !has[id]);
		has[id] = true;
	}
	engine_no_wc(e, &b->cq);
	for (i = 0; i < CROWD + 1; i++)
		assert_int_equal(client_destroy_qp(&member[i]), 0);
	assert_int_equal(e->hca.mcast->n, 0);
	free(member);
	ud_end();
}

/* Members in another segment are nothing to a sender: neither visited nor paid for. */
static void test_multicast_elsewhere(void **state)
{
	static const u8 gid[16] = { 0xff, 0x12, 0x40, 0x1b, [15] = 5 };
	struct engine *e = *state;
	struct engine_node *a = &e->node[0], *b = &e->node[1];
	struct mhca_instance *inst = b->vmm->inst;
	struct mhca_policy policy;
	struct client_path path = { .dlid = 0xc001, .grh = true };
	struct client_sge sge = engine_sge(a, 0, 100);
	struct client_send wr = engine_send(MLX5_OPCODE_SEND, &sge);
	const atomic64_t *done = &a->vmm->inst->counters.wqes;
	struct client_qp member[20];
	u64 before;
	u32 i, round;

	ud_pair(e);
	memcpy(path.dgid, gid, sizeof(gid));
	for (i = 0; i < ARRAY_SIZE(member); i++) {
		ud_create(e, 1, MLX5_QP_ST_UD, ENGINE_QKEY, &member[i]);
		assert_int_equal(client_attach_mcast(&member[i], gid), 0);
	}
	wr.path = &path;
	wr.dqpn = 0xffffff;
	wr.qkey = ENGINE_QKEY;
	for (round = 0; round < 2; round++) {
		policy = inst->policy;
		policy.value[MHCA_POLICY_SEGMENT] = round ? 0 : 9;
		mhca_policy_apply(inst, &policy);
		before = atomic64_read(done);
		for (i = 0; i < 16; i++)
			engine_post(&qp[0], &wr);
		lanes_turn(&e->hca);
		assert_int_equal(atomic64_read(done) - before, round ? 1 : 16);
		for (i = 0; i < 16; i++)
			assert_int_equal(engine_wc(e, &a->cq).status, 0);
	}
	assert_int_equal(atomic64_read(&inst->counters.drop_no_buffer), 16 * ARRAY_SIZE(member));
	for (i = 0; i < ARRAY_SIZE(member); i++)
		assert_int_equal(client_destroy_qp(&member[i]), 0);
	ud_end();
}

/* Kernel drivers post PA keys on both sides; nothing is pinned at first. */
static void test_pa_memory(void **state)
{
	static const u8 gid[16] = { 0xff, 0x12, 0x40, 0x1b, [15] = 1 };
	struct engine *e = *state;
	struct engine_node *a = &e->node[0], *b = &e->node[1];
	struct client_mkey_attr attr = {
		.access = CLIENT_ALL_ACCESS, .pa = true, .length64 = true,
		.qpn = CLIENT_ANY_QP,
	};
	struct client_path path = { .dlid = 0xc001, .grh = true };
	struct client_sge sge[2] = { { 0 } };
	struct client_send wr = engine_send(MLX5_OPCODE_SEND, &sge[0]);
	u32 i;

	ud_pair(e);
	for (i = 0; i < 2; i++) {
		attr.pd = e->node[i].pd;
		assert_int_equal(client_create_mkey(&e->node[i].c, &attr, &sge[i].lkey), 0);
		sge[i].addr = client_iova(&e->node[i].c, e->node[i].mem.va);
		sge[i].len = i ? 200 : 100;
	}
	memcpy(path.dgid, gid, sizeof(gid));
	assert_int_equal(client_attach_mcast(&qp[1], gid), 0);
	wr.path = &path;
	wr.dqpn = 0xffffff;
	wr.qkey = ENGINE_QKEY;
	engine_fill(a->mem.va, 100, 2);
	assert_int_equal(client_post_recv(&qp[1], 5, &sge[1], 1), 0);
	engine_post(&qp[0], &wr);
	engine_pass(e, 1000000);
	assert_int_equal(engine_wc(e, &a->cq).status, 0);
	assert_int_equal(engine_wc(e, &b->cq).bytes, GRH + 100);
	engine_no_wc(e, &b->cq);
	assert_true(engine_is(b->mem.va + GRH, 100, 2));
	/* A receive buffer that is no memory is its owner's mistake alone. */
	sge[1].addr = 1ULL << 52;
	assert_int_equal(client_post_recv(&qp[1], 6, &sge[1], 1), 0);
	engine_post(&qp[0], &wr);
	engine_pass(e, 10000000);
	assert_int_equal(engine_wc(e, &a->cq).status, 0);
	assert_int_equal(engine_wc(e, &b->cq).status, MLX5_CQE_SYNDROME_LOCAL_PROT_ERR);
	ud_end();
	for (i = 0; i < 2; i++)
		assert_int_equal(client_destroy_mkey(&e->node[i].c, sge[i].lkey), 0);
}

#define SLOW_SENDS	10

/*
 * A receiver's pages are pinned late: its datagrams wait for them, but not for ever, and
 * all senders together wait for one receiver only a part of the time.
 */
static void test_late_memory(void **state)
{
	struct engine *e = *state;
	struct engine_node *a = &e->node[0], *b = &e->node[1];
	struct mhca_counters *drops = &b->vmm->inst->counters;
	struct client_mkey_attr attr = {
		.access = CLIENT_ALL_ACCESS, .pa = true, .length64 = true,
		.qpn = CLIENT_ANY_QP,
	};
	struct client_path path = { .dlid = b->c.lid };
	struct client_sge from = engine_sge(a, 0, 100), to = { .len = 200 };
	struct client_send wr = engine_send(MLX5_OPCODE_SEND, &from);
	u32 i;

	ud_pair(e);
	attr.pd = b->pd;
	assert_int_equal(client_create_mkey(&b->c, &attr, &to.lkey), 0);
	engine_fill(a->mem.va, 100, 3);
	wr.path = &path;
	wr.dqpn = qp[1].qpn;
	wr.qkey = ENGINE_QKEY;

	to.addr = client_iova(&b->c, b->mem.va);
	assert_int_equal(client_post_recv(&qp[1], 1, &to, 1), 0);
	b->vmm->slow = true;
	engine_post(&qp[0], &wr);
	engine_pass(e, 400 * NSEC_PER_MSEC);
	engine_no_wc(e, &a->cq);
	b->vmm->slow = false;
	engine_pass(e, NSEC_PER_MSEC);
	assert_int_equal(engine_wc(e, &a->cq).status, 0);
	assert_int_equal(engine_wc(e, &b->cq).bytes, GRH + 100);
	assert_true(engine_is(b->mem.va + GRH, 100, 3));
	assert_int_equal(atomic64_read(&drops->drop_memory), 0);

	engine_pass(e, 20 * NSEC_PER_SEC);
	to.addr = client_iova(&b->c, b->mem.va + PAGE_SIZE);
	assert_int_equal(client_post_recv(&qp[1], 2, &to, 1), 0);
	b->vmm->slow = true;
	for (i = 0; i < SLOW_SENDS; i++)
		engine_post(&qp[0], &wr);
	/* The first two of them use up all the patience that there is. */
	engine_pass(e, 800 * NSEC_PER_MSEC);
	assert_int_equal(atomic64_read(&drops->drop_memory), 1);
	engine_pass(e, 400 * NSEC_PER_MSEC);
	assert_int_equal(atomic64_read(&drops->drop_memory), SLOW_SENDS);
	for (i = 0; i < SLOW_SENDS; i++)
		assert_int_equal(engine_wc(e, &a->cq).status, 0);
	engine_no_wc(e, &b->cq);

	b->vmm->slow = false;
	engine_pass(e, NSEC_PER_MSEC);
	engine_post(&qp[0], &wr);
	engine_pass(e, NSEC_PER_MSEC);
	assert_int_equal(engine_wc(e, &a->cq).status, 0);
	assert_int_equal(engine_wc(e, &b->cq).wr_id, 2);
	ud_end();
	assert_int_equal(client_destroy_mkey(&b->c, to.lkey), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_ud, engine_setup, engine_teardown),
		cmocka_unit_test_setup_teardown(test_grh, engine_setup, engine_teardown),
		cmocka_unit_test_setup_teardown(test_drops, engine_setup, engine_teardown),
		cmocka_unit_test_setup_teardown(test_too_long, engine_setup, engine_teardown),
		cmocka_unit_test_setup_teardown(test_gsi, engine_setup, engine_teardown),
		cmocka_unit_test_setup_teardown(test_multicast, engine_setup, engine_teardown),
		cmocka_unit_test_setup_teardown(test_multicast_crowd, engine_setup,
						engine_teardown),
		cmocka_unit_test_setup_teardown(test_multicast_elsewhere, engine_setup,
						engine_teardown),
		cmocka_unit_test_setup_teardown(test_multicast_turn, engine_setup,
						engine_teardown),
		cmocka_unit_test_setup_teardown(test_pa_memory, engine_setup, engine_teardown),
		cmocka_unit_test_setup_teardown(test_late_memory, engine_setup, engine_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
