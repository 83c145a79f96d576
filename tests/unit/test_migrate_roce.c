// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * A guest's RoCE connections, groups and fast-registered keys go on in another instance, and
 * its peer notices nothing.
 */
#include "migrate_rig.h"
#include "umr_rig.h"

#define TO	(BUF_BYTES / 2)
#define GRH	40U
#define QKEY	0x11223344U
#define VLAN	100

static void move(struct guest *g)
{
	migrate_move(g->vmm);
}

static void ipv4_gid(u8 last, u8 gid[16])
{
	memset(gid, 0, 16);
	gid[10] = 0xff;
	gid[11] = 0xff;
	gid[12] = 10;
	gid[15] = last;
}

static void set_address(struct guest *g, u32 index, const u8 gid[16], int vlan,
			enum client_roce kind)
{
	assert_ok(client_set_roce_address(&g->c, index, gid, g->vmm->inst->id.mac, vlan, kind));
}

/* ---- Connections ---------------------------------------------------------------- */

/* Both ends by address @index of both: 0 is IPv6, 1 IPv4 in a VLAN. */
static void connect_pair(struct world *w, struct pair *p, u8 type, u32 index)
{
	struct client_modify m;
	u32 i;

	pair_create(p, type, &w->g[0], &w->g[1]);
	for (i = 0; i < 2; i++) {
		pair_modify(p, i, &m);
		roce_path(p->g[!i], !i + 1, &m.path);
		if (index)
			ipv4_gid(!i + 1, m.path.dgid);
		m.path.sgid_index = index;
		m.retry = 1;
		m.ack_timeout = 8;
		assert_ok(client_connect_qp(&p->qp[i], &m));
	}
}

static void give_addresses(struct world *w)
{
	u8 gid[16];
	u32 i;

	for (i = 0; i < 2; i++) {
		ipv4_gid(i + 1, gid);
		set_address(&w->g[i], 1, gid, VLAN, CLIENT_ROCE_V2_IPV4);
	}
}

static void post(struct pair *p, u32 side, u8 opcode, u32 len)
{
	struct client_sge sge = sge_of(p->g[side], 0, len);
	struct client_send wr = {
		.opcode = opcode, .wr_id = opcode, .flags = CLIENT_SIGNALED, .sge = &sge,
		.n_sge = 1, .rkey = p->g[!side]->key,
		.remote_addr = (uintptr_t)p->g[!side]->buf.va + TO,
	};

	assert_ok(client_post_send(&p->qp[side], &wr));
}

/* A SEND and a WRITE both ways, with somebody moving somewhere in between. */
static void traffic(struct world *w, struct pair *p, u32 round)
{
	u32 side, turns, len[2];

	for (side = 0; side < 2; side++) {
		len[side] = 1 + dice(20000);
		fill(p->g[side]->buf.va, len[side], round + side);
	}
	for (side = 0; side < 2; side++)
		recv_one(p, side, 7, TO + TO / 2, len[!side]);
	for (side = 0; side < 2; side++) {
		post(p, side, MLX5_OPCODE_RDMA_WRITE, len[side]);
		post(p, side, MLX5_OPCODE_SEND, len[side]);
	}
	for (turns = dice(20); turns; turns--)
		lanes_turn(&w->hca);
	move(p->g[dice(2)]);
	if (!dice(3))
		move(p->g[dice(2)]);
	settle(w);
	for (side = 0; side < 2; side++) {
		struct client_wc wc;
		u32 left;

		for (left = 3; left; left--) {
			wc = next_wc(w, &p->g[side]->cq);
			assert_int_equal(wc.status, 0);
		}
		expect_no_wc(w, &p->g[side]->cq);
		assert_filled(p->g[side]->buf.va + TO, len[!side], round + !side);
		assert_filled(p->g[side]->buf.va + TO + TO / 2, len[!side], round + !side);
	}
}

static void rc(void **state)
{
	struct world *w = *state;
	struct pair p;
	u32 index, round;

	give_addresses(w);
	for (index = 0; index < 2; index++) {
		connect_pair(w, &p, MLX5_QP_ST_RC, index);
		for (round = 0; round < 20; round++)
			traffic(w, &p, round);
		pair_close(&p);
		assert_int_equal(counter(&w->g[0], qp_errors), 0);
		assert_int_equal(counter(&w->g[1], qp_errors), 0);
	}
}

/* A peer's message waits for it, at each step of the move, and spends no retries. */
static void waited_for(void **state)
{
	struct world *w = *state;
	struct guest *g = &w->g[1];
	struct mhca_instance *to;
	struct pair p;
	u32 step, len;

	connect_pair(w, &p, MLX5_QP_ST_RC, 0);
	for (step = 0; step < 4; step++) {
		recv_one(&p, 1, 7, TO, 3000);
		fill(w->g[0].buf.va, 3000, step);
		to = target(g->vmm);
		stop(g->vmm->inst);
		len = save(g->vmm->inst);
		if (step == 0)
			post(&p, 0, MLX5_OPCODE_SEND, 3000);
		elapse(w, 400 * NSEC_PER_MSEC);
		assert_ok(load(to, image, len, NULL));
		if (step == 1)
			post(&p, 0, MLX5_OPCODE_SEND, 3000);
		elapse(w, 400 * NSEC_PER_MSEC);
		/* Nobody's guest runs yet, but it has its place: as if it were resumed slowly. */
		assert_ok(mhca_instance_run(to, MHCA_RUN_RESPONDER));
		assert_ok(mhca_instance_run(to, MHCA_RUN_NONE));
		if (step == 2)
			post(&p, 0, MLX5_OPCODE_SEND, 3000);
		elapse(w, 400 * NSEC_PER_MSEC);
		vmm_user_switch(g->vmm, to);
		elapse(w, 400 * NSEC_PER_MSEC);
		assert_ok(mhca_instance_run(to, MHCA_RUN_ALL));
		if (step == 3)
			post(&p, 0, MLX5_OPCODE_SEND, 3000);
		elapse(w, NSEC_PER_MSEC);
		expect_wc(w, &g->cq, 7, 0);
		expect_wc(w, &w->g[0].cq, MLX5_OPCODE_SEND, 0);
		assert_filled(g->buf.va + TO, 3000, step);
	}
	pair_close(&p);
}

/* The path's MTU was right once; the port's is another now. */
static void path_mtu(void **state)
{
	struct world *w = *state;
	u32 in[MLX5_ST_SZ_DW(modify_nic_vport_context_in)] = { 0 };
	u32 out[MLX5_ST_SZ_DW(modify_nic_vport_context_out)];
	struct pair p;
	u32 i;

	MLX5_SET(modify_nic_vport_context_in, in, opcode, MLX5_CMD_OP_MODIFY_NIC_VPORT_CONTEXT);
	MLX5_SET(modify_nic_vport_context_in, in, field_select.mtu, 1);
	for (i = 0; i < 2; i++) {
		MLX5_SET(modify_nic_vport_context_in, in, nic_vport_context.mtu,
			 (i ? 300 : 9000) + 22);
		assert_ok(client_exec(&w->g[0].c, in, sizeof(in), out, sizeof(out)));
		if (!i)
			connect_pair(w, &p, MLX5_QP_ST_RC, 0);
		move(&w->g[0]);
	}
	post(&p, 0, MLX5_OPCODE_RDMA_WRITE, 5000);
	expect_wc(w, &w->g[0].cq, MLX5_OPCODE_RDMA_WRITE, 0);
	pair_close(&p);
}

/* ---- Datagrams and groups ---------------------------------------------------------- */

static void open_ud(struct guest *g, struct client_qp *qp)
{
	struct client_qp_attr attr;
	struct client_modify m;

	client_qp_attr_init(&attr, MLX5_QP_ST_UD, g->pd, &g->cq);
	assert_ok(client_create_qp(&g->c, &attr, qp));
	client_modify_init(&m);
	m.qkey = QKEY;
	assert_ok(client_connect_qp(qp, &m));
}

/* A datagram to the other guest, by @path. */
static void datagram(struct world *w, struct client_qp *qp, const struct client_path *path,
		     u32 dqpn, u32 seed)
{
	struct client_sge from = sge_of(&w->g[0], 0, 100), to = sge_of(&w->g[1], TO, 100 + GRH);
	struct client_send wr = {
		.opcode = MLX5_OPCODE_SEND, .wr_id = 1, .flags = CLIENT_SIGNALED, .sge = &from,
		.n_sge = 1, .path = path, .dqpn = dqpn, .qkey = QKEY,
	};

	assert_ok(client_post_recv(&qp[1], 7, &to, 1));
	fill(w->g[0].buf.va, 100, seed);
	assert_ok(client_post_send(&qp[0], &wr));
	expect_wc(w, &w->g[0].cq, 1, 0);
	expect_wc(w, &w->g[1].cq, 7, 0);
	expect_no_wc(w, &w->g[1].cq);
	assert_filled(w->g[1].buf.va + TO + GRH, 100, seed);
}

static void ud_and_groups(void **state)
{
	static const u8 group4[16] = { [10] = 0xff, 0xff, 239, 1, 2, 3 };
	static const u8 group6[16] = { 0xff, 0x12, [15] = 9 };
	static const u8 mac4[6] = { 1, 0, 0x5e, 1, 2, 3 }, mac6[6] = { 0x33, 0x33, 0, 0, 0, 9 };
	struct world *w = *state;
	struct client_path path;
	struct client_qp qp[2];
	u32 i, round;

	give_addresses(w);
	for (i = 0; i < 2; i++)
		open_ud(&w->g[i], &qp[i]);
	assert_ok(client_attach_mcast(&qp[1], group4));
	assert_ok(client_attach_mcast(&qp[1], group6));
	for (round = 0; round < 10; round++) {
		roce_path(&w->g[1], 2, &path);
		datagram(w, qp, &path, qp[1].qpn, round);
		path.sgid_index = round & 1;
		memcpy(path.dgid, round & 1 ? group4 : group6, 16);
		memcpy(path.dmac, round & 1 ? mac4 : mac6, 6);
		datagram(w, qp, &path, 0xffffff, round + 100);
		move(&w->g[dice(2)]);
	}
	assert_ok(client_detach_mcast(&qp[1], group4));
	assert_ok(client_detach_mcast(&qp[1], group6));
	for (i = 0; i < 2; i++)
		assert_ok(client_destroy_qp(&qp[i]));
}

/* ---- Keys that WQEs fill -------------------------------------------------------------- */

/* Registered on one, used on the other, invalidated on a third. */
static void fast_registration(void **state)
{
	struct world *w = *state;
	struct rig r;
	u32 key;

	rig_open(&r, w, 64);
	key = alloc_key(r.owner, 16);
	move(r.owner);
	remote_write(&r, key, IOVA, 8, 1, REMOTE);
	reg(&r, key, 3, 5, true);
	move(r.owner);
	remote_write(&r, key, IOVA + 100, 4 * PAGE_SIZE, 5, 0);
	assert_filled(r.mem.va + 3 * PAGE_SIZE + 100, 4 * PAGE_SIZE, 5);
	remote_write(&r, key, IOVA + 5 * PAGE_SIZE - 4, 8, 5, REMOTE);
	move(&w->g[1]);
	inv(&r, key);
	move(r.owner);
	remote_write(&r, key, IOVA, 8, 1, REMOTE);
	reg(&r, key, 20, 3, false);
	remote_write(&r, key, IOVA, PAGE_SIZE, 6, 0);
	assert_filled(r.mem.va + 20 * PAGE_SIZE, PAGE_SIZE, 6);
	assert_ok(client_destroy_mkey(&r.owner->c, key));
	rig_close(&r);
}

/* Pieces of other keys: what was summed up of them is summed up again. */
static void pieces(void **state)
{
	struct window m;
	u32 key;

	window_open(&m, *state, MLX5_QP_ST_RC, LIST_PAGE + 1);
	key = list_key(&m, 50, 33);
	move(m.r.owner);
	remote_write(&m.r, key, IOVA + 5, 33 * 49, 2, 0);
	move(&m.r.w->g[1]);
	remote_read(&m.r, key, IOVA, 33 * 50, 0);
	remote_read(&m.r, key, IOVA + 1, 33 * 50, REMOTE);
	assert_ok(client_destroy_mkey(&m.r.owner->c, key));
	window_close(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		roce_test(rc),
		roce_test(waited_for),
		roce_test(path_mtu),
		roce_test(ud_and_groups),
		roce_test(fast_registration),
		roce_test(pieces),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
