// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Datagrams over packets, IPv4 and IPv6, with and without a VLAN. */
#include "wire_rig.h"

#define QKEY	0x11223344U
#define GRH	40U

static void open_ud(struct guest *g, struct client_qp *qp)
{
	struct client_qp_attr attr;
	struct client_modify m;

	client_qp_attr_init(&attr, MLX5_QP_ST_UD, g->pd, &g->cq);
	assert_ok(client_create_qp(&g->c, &attr, qp));
	client_modify_init(&m);
	m.qkey = QKEY;
	m.mtu = IB_MTU_4096;
	assert_ok(client_connect_qp(qp, &m));
}

static void post(struct client_qp *qp, const struct client_path *path, u32 dqpn, u32 qkey,
		 u32 len, bool imm)
{
	struct client_sge sge = sge_of(&rig.w->g[0], 0, len);
	struct client_send wr = {
		.opcode = imm ? MLX5_OPCODE_SEND_IMM : MLX5_OPCODE_SEND, .wr_id = 1,
		.flags = CLIENT_SIGNALED, .sge = &sge, .n_sge = len ? 1 : 0, .path = path,
		.dqpn = dqpn, .qkey = qkey, .imm = cpu_to_be32(77),
	};

	assert_ok(client_post_send(qp, &wr));
	rig_expect(0, 1, 0);
}

static void receive(struct client_qp *qp, u32 len)
{
	struct client_sge sge = sge_of(&rig.w->g[1], RIG_TO, len);

	assert_ok(client_post_recv(qp, 7, &sge, 1));
}

static u16 sum_of(const u8 *header)
{
	u32 i, sum = 0;

	for (i = 0; i < 20; i += 2)
		sum += header[i] << 8 | header[i + 1];
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (u16)sum;
}

static void gid_of(u32 number, bool ipv4, u8 gid[16])
{
	roce_gid(number, gid);
	if (!ipv4)
		return;
	memset(gid, 0, 16);
	memset(gid + 10, 0xff, 2);
	gid[12] = 10;
	gid[15] = number;
}

static void path_of(bool ipv4, int vlan, struct client_path *path)
{
	u8 gid[16];
	u32 i;

	roce_path(&rig.w->g[1], 2, path);
	path->tclass = 0x6a;
	for (i = 0; i < 2; i++) {
		gid_of(i + 1, ipv4, gid);
		assert_ok(client_set_roce_address(&rig.w->g[i].c, 3, gid,
						  rig.w->g[i].vmm->inst->id.mac, vlan,
						  ipv4 ? CLIENT_ROCE_V2_IPV4 : CLIENT_ROCE_V2_IPV6));
	}
	memcpy(path->dgid, gid, sizeof(gid));
	path->sgid_index = 3;
}

static void try_one(struct client_qp *qp, bool ipv4, int vlan, u32 len)
{
	u8 *at = (u8 *)rig.w->g[1].buf.va + RIG_TO;
	struct client_path path;
	struct client_wc wc;
	bool imm = len & 1;

	path_of(ipv4, vlan, &path);
	memset(at, 0, GRH + len);
	fill(rig.w->g[0].buf.va, len, len);
	receive(&qp[1], 5000);
	post(&qp[0], &path, qp[1].qpn, QKEY, len, imm);
	wc = rig_wc(1);
	assert_int_equal(wc.status, 0);
	assert_int_equal(wc.wr_id, 7);
	assert_int_equal(wc.bytes, GRH + len);
	assert_int_equal(wc.src_qpn, qp[0].qpn);
	assert_true(wc.grh);
	assert_int_equal(wc.sl & 3, ipv4 ? 2 : 1);
	if (imm)
		assert_int_equal(be32_to_cpu(wc.imm), 77);
	assert_filled(at + GRH, len, len);
	if (ipv4) {
		assert_int_equal(at[20], 0x45);
		assert_int_equal(at[21], 0x6a);
		assert_int_equal(at[35], 1);
		assert_int_equal(at[39], 2);
		assert_int_equal(sum_of(at + 20), 0xffff);
	} else {
		assert_int_equal(at[0] >> 4, 6);
		assert_int_equal(at[6], 17);
		assert_int_equal(at[23], 1);
		assert_int_equal(at[39], 2);
	}
}

static void datagrams(void **state)
{
	struct world *w = *state;
	struct client_qp qp[2];
	u32 i;

	for (i = 0; i < 2; i++)
		open_ud(&w->g[i], &qp[i]);
	for (i = 0; i < 4; i++) {
		try_one(qp, i & 1, i & 2 ? 100 : -1, 0);
		try_one(qp, i & 1, i & 2 ? 100 : -1, 13);
		try_one(qp, i & 1, i & 2 ? 100 : -1, 1400);
	}
	assert_int_equal(rig.seen[0], 12);
	assert_int_equal(counter(&w->g[1], drop_wire), 0);
	for (i = 0; i < 2; i++)
		assert_ok(client_destroy_qp(&qp[i]));
}

/* What a receiver does not want, it counts; what is too long for the port is not sent. */
static void refused(void **state)
{
	struct world *w = *state;
	struct client_path path;
	struct client_qp qp[2];
	u32 i;

	for (i = 0; i < 2; i++)
		open_ud(&w->g[i], &qp[i]);
	path_of(false, -1, &path);
	receive(&qp[1], 500);
	post(&qp[0], &path, qp[1].qpn, QKEY + 1, 100, false);
	post(&qp[0], &path, qp[1].qpn, QKEY, 461, false);
	post(&qp[0], &path, qp[1].qpn + 1, QKEY, 100, false);
	post(&qp[0], &path, 0, QKEY, 100, false);
	rig_quiet(NSEC_PER_MSEC);
	assert_int_equal(counter(&w->g[1], drop_qkey), 1);
	assert_int_equal(counter(&w->g[1], drop_length), 1);
	assert_int_equal(counter(&w->g[1], drop_wire), 2);
	post(&qp[0], &path, qp[1].qpn, QKEY, 460, false);
	rig_expect(1, 7, 0);
	post(&qp[0], &path, qp[1].qpn, QKEY, 100, false);
	rig_run(NSEC_PER_MSEC);
	assert_int_equal(counter(&w->g[1], drop_no_buffer), 1);
	receive(&qp[1], 2000);
	post(&qp[0], &path, qp[1].qpn, QKEY, 1428, false);
	rig_expect(1, 7, 0);
	i = rig.seen[0];
	post(&qp[0], &path, qp[1].qpn, QKEY, 1429, false);
	assert_int_equal(rig.seen[0], i);
	assert_int_equal(counter(&w->g[0], drop_length), 1);
	for (i = 0; i < 2; i++)
		assert_ok(client_destroy_qp(&qp[i]));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		rig_test(datagrams),
		rig_test(refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
