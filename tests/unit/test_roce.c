// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* RoCE between two instances: who is reached by MAC, GID, VLAN and segment. */
#include <mhca/policy.h>
#include "fixture.h"
#include "hca.h"

#define TO	(BUF_BYTES / 2)
#define GRH	40U
#define QKEY	0x11223344U
#define VLAN	100

static const u8 group4[16] = { [10] = 0xff, 0xff, 239, 1, 2, 3 };
static const u8 group4_mac[6] = { 0x01, 0x00, 0x5e, 0x01, 0x02, 0x03 };

static const u8 *mac_of(struct guest *g)
{
	return g->vmm->inst->id.mac;
}

/* An entry with the guest's own MAC. */
static int set_address(struct guest *g, u32 index, const u8 gid[16], int vlan,
		       enum client_roce kind)
{
	return client_set_roce_address(&g->c, index, gid, mac_of(g), vlan, kind);
}

/* ::ffff:10.0.0.@last */
static void ipv4_gid(u8 last, u8 gid[16])
{
	memset(gid, 0, 16);
	gid[10] = 0xff;
	gid[11] = 0xff;
	gid[12] = 10;
	gid[15] = last;
}

/* ---- Connections ----------------------------------------------------- */

static void connect_rc(struct world *w, struct pair *p, const struct client_path *to1)
{
	struct client_modify m;
	u32 i;

	pair_create(p, MLX5_QP_ST_RC, &w->g[0], &w->g[1]);
	for (i = 0; i < 2; i++) {
		pair_modify(p, i, &m);
		if (!i && to1)
			m.path = *to1;
		else
			roce_path(p->g[!i], !i + 1, &m.path);
		m.retry = 1;
		m.ack_timeout = 8;
		assert_ok(client_connect_qp(&p->qp[i], &m));
	}
}

static void send_one(struct pair *p, u32 side, u32 len)
{
	struct client_sge sge = sge_of(p->g[side], 0, len);
	struct client_send wr = {
		.opcode = MLX5_OPCODE_SEND, .wr_id = 1, .flags = CLIENT_SIGNALED, .sge = &sge,
		.n_sge = 1,
	};

	assert_ok(client_post_send(&p->qp[side], &wr));
}

/* A message of 0 to 1 gets there, or ends in a time-out. */
static void try_rc(struct world *w, const struct client_path *to1, bool reached)
{
	struct pair p;

	connect_rc(w, &p, to1);
	fill(w->g[0].buf.va, 3000, 5);
	recv_one(&p, 1, 7, TO, 3000);
	send_one(&p, 0, 3000);
	if (reached) {
		expect_wc(w, &w->g[1].cq, 7, 0);
		expect_wc(w, &w->g[0].cq, 1, 0);
		assert_filled(w->g[1].buf.va + TO, 3000, 5);
	} else {
		expect_no_wc(w, &w->g[1].cq);
		elapse(w, 100 * NSEC_PER_MSEC);
		expect_wc(w, &w->g[0].cq, 1, MLX5_CQE_SYNDROME_TRANSPORT_RETRY_EXC_ERR);
	}
	pair_close(&p);
}

static void both_ways(void **state)
{
	struct world *w = *state;
	struct pair p;
	u32 side;

	connect_rc(w, &p, NULL);
	for (side = 0; side < 2; side++) {
		fill(w->g[side].buf.va, 5000, side);
		recv_one(&p, !side, 7, TO, 5000);
		send_one(&p, side, 5000);
		expect_wc(w, &w->g[!side].cq, 7, 0);
		expect_wc(w, &w->g[side].cq, 1, 0);
		assert_filled(w->g[!side].buf.va + TO, 5000, side);
	}
	pair_close(&p);
}

static void set_mtu(struct guest *g, u32 mtu)
{
	u32 in[MLX5_ST_SZ_DW(modify_nic_vport_context_in)] = { 0 };
	u32 out[MLX5_ST_SZ_DW(modify_nic_vport_context_out)];

	MLX5_SET(modify_nic_vport_context_in, in, opcode, MLX5_CMD_OP_MODIFY_NIC_VPORT_CONTEXT);
	MLX5_SET(modify_nic_vport_context_in, in, field_select.mtu, 1);
	MLX5_SET(modify_nic_vport_context_in, in, nic_vport_context.mtu, mtu + 22);
	assert_ok(client_exec(&g->c, in, sizeof(in), out, sizeof(out)));
}

/* A connection's packets fit into frames of the port, all headers included. */
static void path_mtu_fits_the_port(void **state)
{
	static const struct {
		u32 port;
		u8 greatest;
	} rows[] = {
		{ 300, 0 }, { 352, IB_MTU_256 }, { 1500, IB_MTU_1024 }, { 2143, IB_MTU_1024 },
		{ 2144, IB_MTU_2048 }, { 4191, IB_MTU_2048 }, { 4192, IB_MTU_4096 },
		{ 9000, IB_MTU_4096 },
	};
	static const u8 types[] = { MLX5_QP_ST_RC, MLX5_QP_ST_UC };
	struct world *w = *state;
	struct client_modify m;
	struct pair p;
	u32 i, t;
	u8 mtu;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		set_mtu(&w->g[0], rows[i].port);
		for (t = 0; t < ARRAY_SIZE(types); t++) {
			for (mtu = IB_MTU_256; mtu <= IB_MTU_4096; mtu++) {
				pair_create(&p, types[t], &w->g[0], &w->g[1]);
				pair_modify(&p, 0, &m);
				roce_path(p.g[1], 1, &m.path);
				m.mtu = mtu;
				assert_int_equal(client_connect_qp(&p.qp[0], &m),
						 mtu <= rows[i].greatest ? 0 : -EINVAL);
				pair_close(&p);
			}
		}
	}
}

static void wrong_addresses(void **state)
{
	static const u8 foreign[6] = { 2, 9, 9, 9, 9, 9 };
	struct world *w = *state;
	struct client_path path;
	u8 gid[16];

	try_rc(w, NULL, true);
	roce_path(&w->g[1], 2, &path);
	path.dmac[5] ^= 1;
	try_rc(w, &path, false);

	/* A GID that the peer does not have, one that it has but not for this QP */
	roce_path(&w->g[1], 3, &path);
	try_rc(w, &path, false);
	roce_gid(3, gid);
	assert_ok(set_address(&w->g[1], 5, gid, -1, CLIENT_ROCE_V2_IPV6));
	try_rc(w, &path, false);

	/* A source that is not in the table; one with somebody else's MAC */
	roce_path(&w->g[1], 2, &path);
	path.sgid_index = 9;
	try_rc(w, &path, false);
	roce_gid(1, gid);
	assert_ok(client_set_roce_address(&w->g[0].c, 9, gid, foreign, -1, CLIENT_ROCE_V2_IPV6));
	assert_int_equal(counter_of(&w->g[0].vmm->inst->counters.drop_spoof), 0);
	try_rc(w, &path, false);
	assert_true(counter_of(&w->g[0].vmm->inst->counters.drop_spoof) > 0);
	path.sgid_index = 0;
	try_rc(w, &path, true);
}

/* What an administrator sets. */
static void set_policy(struct guest *g, enum mhca_policy_id id, u64 value)
{
	struct mhca_policy policy = g->vmm->inst->policy;

	policy.value[id] = value;
	mhca_policy_apply(g->vmm->inst, &policy);
}

static void segments_and_ports(void **state)
{
	struct world *w = *state;
	struct guest *g = &w->g[1];

	set_policy(g, MHCA_POLICY_SEGMENT, 7);
	try_rc(w, NULL, false);
	set_policy(g, MHCA_POLICY_SEGMENT, 0);
	try_rc(w, NULL, true);
	set_policy(g, MHCA_POLICY_LINK, false);
	try_rc(w, NULL, false);
	set_policy(g, MHCA_POLICY_LINK, true);
	try_rc(w, NULL, true);
}

/* Policy's list of IP addresses counts for GIDs, too, at once. */
static void addresses_of_policy(void **state)
{
	struct world *w = *state;
	struct mhca_instance *inst = w->g[0].vmm->inst;
	struct mhca_policy policy = inst->policy;
	char reason[MHCA_REASON_MAX];

	assert_ok(mhca_policy_parse(&policy, MHCA_POLICY_ADDRESSES, "192.0.2.1", reason));
	mhca_policy_apply(inst, &policy);
	try_rc(w, NULL, false);
	assert_true(counter_of(&inst->counters.drop_spoof) > 0);
	assert_int_equal(soft_instance(inst)->port->said, BIT(SOFT_DROP_ADDRESS));
	assert_ok(mhca_policy_parse(&policy, MHCA_POLICY_ADDRESSES, "fe80::/10", reason));
	mhca_policy_apply(inst, &policy);
	try_rc(w, NULL, true);
}

static void vlans_are_apart(void **state)
{
	struct world *w = *state;
	struct client_path path;
	u8 gid[16];

	roce_gid(1, gid);
	assert_ok(set_address(&w->g[0], 0, gid, VLAN, CLIENT_ROCE_V2_IPV6));
	try_rc(w, NULL, false);
	roce_gid(2, gid);
	assert_ok(set_address(&w->g[1], 0, gid, VLAN, CLIENT_ROCE_V2_IPV6));
	try_rc(w, NULL, true);
	assert_ok(set_address(&w->g[1], 0, gid, VLAN + 1, CLIENT_ROCE_V2_IPV6));
	roce_path(&w->g[1], 2, &path);
	try_rc(w, &path, false);
}

static void versions_are_apart(void **state)
{
	struct world *w = *state;
	struct client_path path;
	u8 gid[2][16];
	u32 i;

	for (i = 0; i < 2; i++) {
		roce_gid(i + 1, gid[i]);
		assert_ok(set_address(&w->g[i], 1, gid[i], -1, CLIENT_ROCE_V1));
	}
	try_rc(w, NULL, true);
	/* The peer expects its packets over UDP. */
	roce_path(&w->g[1], 2, &path);
	path.sgid_index = 1;
	try_rc(w, &path, false);
	for (i = 0; i < 2; i++)
		assert_ok(set_address(&w->g[i], 0, gid[i], -1, CLIENT_ROCE_V1));
	try_rc(w, NULL, true);
	/* The same GID of the other version is not enough. */
	assert_ok(set_address(&w->g[1], 1, gid[1], -1, CLIENT_ROCE_V2_IPV6));
	assert_ok(set_address(&w->g[1], 0, gid[0], -1, CLIENT_ROCE_V1));
	roce_path(&w->g[1], 2, &path);
	try_rc(w, &path, false);
}

/* An address that is gone ends what used it. */
static void address_goes(void **state)
{
	static const u8 none[16];
	struct world *w = *state;
	struct pair p;

	connect_rc(w, &p, NULL);
	recv_one(&p, 1, 7, TO, 100);
	recv_one(&p, 1, 8, TO, 100);
	send_one(&p, 0, 100);
	expect_wc(w, &w->g[1].cq, 7, 0);
	expect_wc(w, &w->g[0].cq, 1, 0);
	assert_ok(set_address(&w->g[1], 0, none, -1, CLIENT_ROCE_V2_IPV6));
	send_one(&p, 0, 100);
	elapse(w, 100 * NSEC_PER_MSEC);
	expect_wc(w, &w->g[0].cq, 1, MLX5_CQE_SYNDROME_TRANSPORT_RETRY_EXC_ERR);
	expect_no_wc(w, &w->g[1].cq);
	pair_close(&p);
}

/* ---- Datagrams ------------------------------------------------------- */

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

static void post_ud(struct guest *from, struct client_qp *qp, const struct client_path *path,
		    u32 dqpn, u32 len)
{
	struct client_sge sge = sge_of(from, 0, len);
	struct client_send wr = {
		.opcode = MLX5_OPCODE_SEND, .wr_id = 1, .flags = CLIENT_SIGNALED, .sge = &sge,
		.n_sge = 1, .path = path, .dqpn = dqpn, .qkey = QKEY,
	};

	assert_ok(client_post_send(qp, &wr));
}

static void recv_ud(struct guest *g, struct client_qp *qp)
{
	struct client_sge sge = sge_of(g, TO, 5000);

	assert_ok(client_post_recv(qp, 7, &sge, 1));
}

static u16 ipv4_sum(const u8 *header)
{
	u32 i;
	u32 sum = 0;

	for (i = 0; i < 20; i += 2)
		sum += header[i] << 8 | header[i + 1];
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (u16)sum;
}

/* The header in front, and what the CQE says about it. */
static void headers(void **state)
{
	struct world *w = *state;
	struct client_path path;
	struct client_qp qp[2];
	struct client_wc wc;
	u8 *at = w->g[1].buf.va + TO;
	u8 gid[2][16];
	u32 i;

	for (i = 0; i < 2; i++) {
		open_ud(&w->g[i], &qp[i]);
		ipv4_gid(i + 1, gid[i]);
		assert_ok(set_address(&w->g[i], 1, gid[i], -1, CLIENT_ROCE_V2_IPV4));
	}
	roce_path(&w->g[1], 2, &path);
	path.tclass = 0x2a;
	recv_ud(&w->g[1], &qp[1]);
	fill(w->g[0].buf.va, 100, 1);
	post_ud(&w->g[0], &qp[0], &path, qp[1].qpn, 100);
	wc = expect_wc(w, &w->g[1].cq, 7, 0);
	expect_wc(w, &w->g[0].cq, 1, 0);
	assert_true(wc.grh);
	assert_int_equal(wc.sl & 3, 1);		/* IPv6 */
	assert_int_equal(wc.slid, 0);
	assert_int_equal(wc.src_qpn, qp[0].qpn);
	assert_int_equal(wc.bytes, GRH + 100);
	assert_int_equal(at[0] >> 4, 6);
	assert_int_equal(at[6], 17);
	assert_int_equal(at[8 + 15], 1);
	assert_int_equal(at[24 + 15], 2);
	assert_filled(at + GRH, 100, 1);

	memcpy(path.dgid, gid[1], sizeof(path.dgid));
	path.sgid_index = 1;
	recv_ud(&w->g[1], &qp[1]);
	post_ud(&w->g[0], &qp[0], &path, qp[1].qpn, 100);
	wc = expect_wc(w, &w->g[1].cq, 7, 0);
	expect_wc(w, &w->g[0].cq, 1, 0);
	assert_true(wc.grh);
	assert_int_equal(wc.sl & 3, 2);		/* IPv4 */
	assert_int_equal(at[20], 0x45);
	assert_int_equal(at[21], 0x2a);
	assert_int_equal(at[29], 17);
	assert_int_equal(ipv4_sum(at + 20), 0xffff);
	assert_memory_equal(at + 32, gid[0] + 12, 4);
	assert_memory_equal(at + 36, gid[1] + 12, 4);

	for (i = 0; i < 2; i++)
		assert_ok(set_address(&w->g[i], 1, gid[i], -1, CLIENT_ROCE_V1));
	recv_ud(&w->g[1], &qp[1]);
	post_ud(&w->g[0], &qp[0], &path, qp[1].qpn, 100);
	wc = expect_wc(w, &w->g[1].cq, 7, 0);
	expect_wc(w, &w->g[0].cq, 1, 0);
	assert_true(wc.grh);
	assert_int_equal(wc.sl & 3, 0);		/* GRH */
	assert_int_equal(at[0] >> 4, 6);
	assert_int_equal(at[6], 0x1b);
	assert_memory_equal(at + 8, gid[0], 16);
	assert_memory_equal(at + 24, gid[1], 16);
	assert_filled(at + GRH, 100, 1);
	for (i = 0; i < 2; i++)
		assert_ok(client_destroy_qp(&qp[i]));
}

static void group_path(struct client_path *path)
{
	memset(path, 0, sizeof(*path));
	path->grh = true;
	path->hop_limit = 1;
	path->sgid_index = 1;
	memcpy(path->dgid, group4, sizeof(group4));
	memcpy(path->dmac, group4_mac, sizeof(group4_mac));
}

static void try_group(struct world *w, struct client_qp *qp, bool reached)
{
	struct client_path path;

	group_path(&path);
	post_ud(&w->g[0], &qp[0], &path, 0xffffff, 100);
	expect_wc(w, &w->g[0].cq, 1, 0);
	if (reached)
		expect_wc(w, &w->g[1].cq, 7, 0);
	else
		expect_no_wc(w, &w->g[1].cq);
	if (reached)
		recv_ud(&w->g[1], &qp[1]);
}

static void groups(void **state)
{
	struct world *w = *state;
	struct client_qp qp[2];
	u8 gid[16];
	u32 i;

	for (i = 0; i < 2; i++) {
		open_ud(&w->g[i], &qp[i]);
		ipv4_gid(i + 1, gid);
		assert_ok(set_address(&w->g[i], 1, gid, -1, CLIENT_ROCE_V2_IPV4));
	}
	assert_ok(client_attach_mcast(&qp[1], group4));
	assert_int_equal(client_attach_mcast(&qp[1], gid), -EINVAL);
	recv_ud(&w->g[1], &qp[1]);
	try_group(w, qp, true);
	/* Who moves takes his groups along. */
	for (i = 0; i < 2; i++) {
		set_policy(&w->g[1], MHCA_POLICY_SEGMENT, 3 * !i);
		try_group(w, qp, i);
	}
	for (i = 0; i < 2; i++) {
		set_policy(&w->g[i], MHCA_POLICY_SEGMENT, 3);
		try_group(w, qp, i);
	}
	ipv4_gid(1, gid);
	assert_ok(set_address(&w->g[0], 1, gid, VLAN, CLIENT_ROCE_V2_IPV4));
	try_group(w, qp, false);
	assert_ok(client_detach_mcast(&qp[1], group4));
	for (i = 0; i < 2; i++)
		assert_ok(client_destroy_qp(&qp[i]));
}

/* An InfiniBand instance and a RoCE one hear nothing of each other. */
static void personalities_are_apart(void **state)
{
	struct world *w = *state;
	struct client_modify m;
	struct pair p;

	world_close_guest(w, 0);
	w->roce = false;
	world_open_guest(w, 0);
	pair_create(&p, MLX5_QP_ST_RC, &w->g[0], &w->g[1]);
	pair_modify(&p, 0, &m);
	m.path.dlid = w->g[1].vmm->inst->port.lid;
	m.retry = 1;
	m.ack_timeout = 8;
	assert_ok(client_connect_qp(&p.qp[0], &m));
	pair_modify(&p, 1, &m);
	roce_path(&w->g[0], 1, &m.path);
	m.path.dlid = w->g[0].c.lid;
	assert_ok(client_connect_qp(&p.qp[1], &m));
	recv_one(&p, 1, 7, TO, 100);
	send_one(&p, 0, 100);
	elapse(w, 100 * NSEC_PER_MSEC);
	expect_wc(w, &w->g[0].cq, 1, MLX5_CQE_SYNDROME_TRANSPORT_RETRY_EXC_ERR);
	expect_no_wc(w, &w->g[1].cq);
	pair_close(&p);
}

/* ---- Commands -------------------------------------------------------- */

static void address_table(void **state)
{
	struct world *w = *state;
	struct guest *g = &w->g[0];
	u8 in[MLX5_ST_SZ_BYTES(query_roce_address_in)] = { 0 };
	u8 out[MLX5_ST_SZ_BYTES(query_roce_address_out)];
	const void *addr = MLX5_ADDR_OF(query_roce_address_out, out, roce_address);
	u8 gid[16];

	ipv4_gid(5, gid);
	assert_ok(set_address(g, MHCA_ROCE_ADDRESSES - 1, gid, VLAN, CLIENT_ROCE_V2_IPV4));
	assert_int_equal(set_address(g, MHCA_ROCE_ADDRESSES, gid, VLAN, CLIENT_ROCE_V2_IPV4),
			 -EINVAL);
	assert_int_equal(set_address(g, 3, gid, 4095, CLIENT_ROCE_V2_IPV4), -EINVAL);
	assert_int_equal(set_address(g, 3, gid, VLAN, CLIENT_ROCE_UNKNOWN), -EINVAL);
	MLX5_SET(query_roce_address_in, in, opcode, MLX5_CMD_OP_QUERY_ROCE_ADDRESS);
	MLX5_SET(query_roce_address_in, in, roce_address_index, MHCA_ROCE_ADDRESSES - 1);
	assert_ok(client_exec(&g->c, in, sizeof(in), out, sizeof(out)));
	assert_memory_equal(MLX5_ADDR_OF(roce_addr_layout, addr, source_l3_address), gid, 16);
	assert_memory_equal((const u8 *)addr + MLX5_BYTE_OFF(roce_addr_layout, source_mac_31_0) - 2,
			    mac_of(g), 6);
	assert_int_equal(MLX5_GET(roce_addr_layout, addr, vlan_id), VLAN);
	assert_int_equal(MLX5_GET(roce_addr_layout, addr, roce_l3_type), 0);
	MLX5_SET(query_roce_address_in, in, roce_address_index, MHCA_ROCE_ADDRESSES);
	assert_int_equal(client_exec(&g->c, in, sizeof(in), out, sizeof(out)), -EINVAL);
}

#define world_test(fn) cmocka_unit_test_setup_teardown(fn, world_setup_roce, world_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		world_test(both_ways),
		world_test(path_mtu_fits_the_port),
		world_test(wrong_addresses),
		world_test(segments_and_ports),
		world_test(addresses_of_policy),
		world_test(vlans_are_apart),
		world_test(versions_are_apart),
		world_test(address_goes),
		world_test(headers),
		world_test(groups),
		world_test(personalities_are_apart),
		world_test(address_table),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
