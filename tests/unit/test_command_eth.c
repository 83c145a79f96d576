// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The command table's rows of an Ethernet port: each command that a netdev driver uses,
 * spoiled in every way that its row checks, and what the port's commands answer.
 */
#include "spoil.h"

#define OVERHEAD	22

static u8 in[16384] __aligned(8);
static u8 out[16384] __aligned(8);

/* The command in @in, with the least lengths of its row and @more of input. */
static int exec(struct guest *g, u16 opcode, u32 more)
{
	const struct mhca_command *row = mhca_command_find(MHCA_ROCE, opcode);
	int ret;

	assert_non_null(row);
	MLX5_SET(create_cq_in, in, opcode, opcode);
	ret = client_exec(&g->c, in, row->in_min + more, out, max(row->out_min, 64U) + more);
	memset(in, 0, sizeof(in));
	return ret;
}

/* ---- The walk -------------------------------------------------------- */

static void walk_vport(struct guest *g)
{
	u8 gid[16];

	MLX5_SET(modify_nic_vport_context_in, in, field_select.promisc, 1);
	MLX5_SET(modify_nic_vport_context_in, in, nic_vport_context.promisc_mc, 1);
	assert_ok(exec(g, MLX5_CMD_OP_MODIFY_NIC_VPORT_CONTEXT, 0));
	assert_ok(exec(g, MLX5_CMD_OP_QUERY_NIC_VPORT_CONTEXT, 0));
	assert_ok(exec(g, MLX5_CMD_OP_QUERY_VPORT_STATE, 0));
	roce_gid(1, gid);
	assert_ok(client_set_roce_address(&g->c, 1, gid, g->vmm->inst->id.mac, 5,
					  CLIENT_ROCE_V2_IPV6));
	assert_ok(exec(g, MLX5_CMD_OP_QUERY_ROCE_ADDRESS, 0));
}

static void walk_counter(struct guest *g)
{
	u32 set;
	u32 i;

	for (i = 0; i < 2; i++) {
		assert_ok(exec(g, MLX5_CMD_OP_ALLOC_Q_COUNTER, 0));
		set = MLX5_GET(alloc_q_counter_out, out, counter_set_id);
		MLX5_SET(query_q_counter_in, in, counter_set_id, set);
		assert_ok(exec(g, MLX5_CMD_OP_QUERY_Q_COUNTER, 0));
		MLX5_SET(dealloc_q_counter_in, in, counter_set_id, set);
		assert_ok(exec(g, MLX5_CMD_OP_DEALLOC_Q_COUNTER, 0));
	}
}

static void walk_dispatch(struct guest *g, u32 td, const struct client_wq *rq)
{
	static const u8 key[40] = { 1, 2, 3 };
	struct client_flow flow;
	u32 tir[2];
	u32 rqt;

	assert_ok(client_create_rqt(&g->c, &rq->number, 1, &rqt));
	MLX5_SET(modify_rqt_in, in, rqtn, rqt);
	MLX5_SET(modify_rqt_in, in, bitmask.rqn_list, 1);
	MLX5_SET(modify_rqt_in, in, ctx.rqt_actual_size, 1);
	MLX5_SET(modify_rqt_in, in, ctx.rq_num[0], rq->number);
	assert_ok(exec(g, MLX5_CMD_OP_MODIFY_RQT, 4));
	assert_ok(client_create_tir(&g->c, td, rqt, key, &tir[0]));
	assert_ok(client_create_tir(&g->c, td, rq->number, NULL, &tir[1]));
	MLX5_SET(modify_tir_in, in, tirn, tir[0]);
	MLX5_SET(modify_tir_in, in, bitmask.self_lb_en, 1);
	MLX5_SET(modify_tir_in, in, ctx.self_lb_block, 3);
	assert_ok(exec(g, MLX5_CMD_OP_MODIFY_TIR, 0));

	assert_ok(client_create_flow(&g->c, tir, 2, 0, &flow));
	MLX5_SET(modify_flow_table_in, in, table_id, flow.table);
	assert_ok(exec(g, MLX5_CMD_OP_MODIFY_FLOW_TABLE, 0));
	MLX5_SET(set_flow_table_root_in, in, op_mod, 1);
	assert_ok(exec(g, MLX5_CMD_OP_SET_FLOW_TABLE_ROOT, 0));
	assert_ok(client_destroy_flow(&flow));
	assert_ok(client_destroy_by_number(&g->c, MLX5_CMD_OP_DESTROY_TIR, tir[0]));
	assert_ok(client_destroy_by_number(&g->c, MLX5_CMD_OP_DESTROY_TIR, tir[1]));
	assert_ok(client_destroy_by_number(&g->c, MLX5_CMD_OP_DESTROY_RQT, rqt));
}

static void walk_queues(struct guest *g)
{
	struct client_wq sq;
	struct client_wq rq;
	u32 tis;
	u32 td;
	u8 state;

	assert_ok(client_alloc_td(&g->c, &td));
	assert_ok(client_create_tis(&g->c, td, &tis));
	MLX5_SET(modify_tis_in, in, tisn, tis);
	assert_ok(exec(g, MLX5_CMD_OP_MODIFY_TIS, 0));
	assert_ok(client_create_sq(&g->c, g->pd, tis, &g->cq, 6, &sq));
	assert_ok(client_modify_sq(&sq, 0, 1));
	assert_ok(client_query_sq(&sq, &state));
	assert_int_equal(state, 1);
	assert_ok(client_create_rq(&g->c, g->pd, &g->cq, 6, 6, true, &rq));
	assert_ok(client_modify_rq(&rq, 0, 1));
	MLX5_SET(query_rq_in, in, rqn, rq.number);
	assert_ok(exec(g, MLX5_CMD_OP_QUERY_RQ, 0));
	walk_dispatch(g, td, &rq);
	assert_ok(client_destroy_wq(&sq, MLX5_CMD_OP_DESTROY_SQ));
	assert_ok(client_destroy_wq(&rq, MLX5_CMD_OP_DESTROY_RQ));
	assert_ok(client_destroy_by_number(&g->c, MLX5_CMD_OP_DESTROY_TIS, tis));
	assert_ok(client_destroy_by_number(&g->c, MLX5_CMD_OP_DEALLOC_TRANSPORT_DOMAIN, td));
}

static void every_row_is_checked(void **state)
{
	struct world *w = *state;
	struct guest *g = &w->g[0];
	struct walk walk = { };
	u32 i;

	walk_begin(&walk, g, &w->g[1]);
	for (i = 0; i < 2; i++) {
		walk_vport(g);
		walk_counter(g);
		walk_queues(g);
	}
	walk_end(&walk);
	assert_int_equal(walk_missing(&walk, MHCA_ROCE), 0);
}

/* ---- What the port answers ------------------------------------------- */

static void other_ports_commands(void **state)
{
	static const u16 ib[] = {
		MLX5_CMD_OP_QUERY_HCA_VPORT_CONTEXT, MLX5_CMD_OP_MODIFY_HCA_VPORT_CONTEXT,
		MLX5_CMD_OP_QUERY_HCA_VPORT_GID,
	};
	struct world *w = *state;
	u32 words[64] = { 0 };
	u32 i;

	for (i = 0; i < ARRAY_SIZE(ib); i++) {
		assert_null(mhca_command_find(MHCA_ROCE, ib[i]));
		assert_non_null(mhca_command_find(MHCA_IB, ib[i]));
	}
	assert_null(mhca_command_find(MHCA_IB, MLX5_CMD_OP_CREATE_SQ));
	MLX5_SET(create_cq_in, words, opcode, MLX5_CMD_OP_QUERY_HCA_VPORT_CONTEXT);
	assert_int_equal(client_exec(&w->g[0].c, words, sizeof(words), out, 64), -EINVAL);
	assert_int_equal(w->g[0].c.status, MLX5_CMD_STAT_BAD_OP_ERR);
}

static int set_mtu(struct guest *g, u32 mtu)
{
	MLX5_SET(modify_nic_vport_context_in, in, field_select.mtu, 1);
	MLX5_SET(modify_nic_vport_context_in, in, nic_vport_context.mtu, mtu);
	return exec(g, MLX5_CMD_OP_MODIFY_NIC_VPORT_CONTEXT, 0);
}

static void vport_context(void **state)
{
	struct world *w = *state;
	struct guest *g = &w->g[0];
	struct mhca_vport *vport = g->vmm->inst->vport;
	void *ctx = MLX5_ADDR_OF(query_nic_vport_context_out, out, nic_vport_context);
	u8 *list = in + MLX5_ST_SZ_BYTES(modify_nic_vport_context_in);
	u32 i;

	assert_ok(exec(g, MLX5_CMD_OP_QUERY_NIC_VPORT_CONTEXT, 0));
	assert_memory_equal((u8 *)MLX5_ADDR_OF(nic_vport_context, ctx, permanent_address) + 2,
			    g->vmm->inst->id.mac, 6);
	assert_int_equal(MLX5_GET(nic_vport_context, ctx, mtu), 1500 + OVERHEAD);
	assert_int_equal(MLX5_GET(nic_vport_context, ctx, roce_en), 1);

	assert_ok(set_mtu(g, 9000 + OVERHEAD));
	assert_int_equal(vport->mtu, 9000);
	assert_int_equal(set_mtu(g, MHCA_MTU_MAX + OVERHEAD + 1), -EINVAL);
	assert_int_equal(set_mtu(g, MHCA_MTU_MIN + OVERHEAD - 1), -EINVAL);
	assert_int_equal(vport->mtu, 9000);

	MLX5_SET(modify_nic_vport_context_in, in, field_select.permanent_address, 1);
	assert_int_equal(exec(g, MLX5_CMD_OP_MODIFY_NIC_VPORT_CONTEXT, 0), -EINVAL);

	MLX5_SET(modify_nic_vport_context_in, in, field_select.addresses_list, 1);
	MLX5_SET(modify_nic_vport_context_in, in, nic_vport_context.allowed_list_type, 1);
	MLX5_SET(modify_nic_vport_context_in, in, nic_vport_context.allowed_list_size, 3);
	for (i = 0; i < 3; i++)
		memset(list + i * 8 + 2, 0x31 + i, 6);
	assert_ok(exec(g, MLX5_CMD_OP_MODIFY_NIC_VPORT_CONTEXT, 24));
	assert_int_equal(vport->n_mc, 3);
	assert_int_equal(vport->mc[2][5], 0x33);
	MLX5_SET(query_nic_vport_context_in, in, allowed_list_type, 1);
	assert_ok(exec(g, MLX5_CMD_OP_QUERY_NIC_VPORT_CONTEXT, 0));
	/* No room for a list */
	assert_int_equal(MLX5_GET(nic_vport_context, ctx, allowed_list_size), 0);
	/* More than the input holds, more than is allowed, an unknown list */
	MLX5_SET(modify_nic_vport_context_in, in, field_select.addresses_list, 1);
	MLX5_SET(modify_nic_vport_context_in, in, nic_vport_context.allowed_list_size, 3);
	assert_int_equal(exec(g, MLX5_CMD_OP_MODIFY_NIC_VPORT_CONTEXT, 16), -EIO);
	MLX5_SET(modify_nic_vport_context_in, in, field_select.addresses_list, 1);
	MLX5_SET(modify_nic_vport_context_in, in, nic_vport_context.allowed_list_size,
		 MHCA_MAX_UC + 1);
	assert_int_equal(exec(g, MLX5_CMD_OP_MODIFY_NIC_VPORT_CONTEXT, (MHCA_MAX_UC + 1) * 8),
			 -EINVAL);
	MLX5_SET(query_nic_vport_context_in, in, allowed_list_type, 3);
	assert_int_equal(exec(g, MLX5_CMD_OP_QUERY_NIC_VPORT_CONTEXT, 0), -EINVAL);
	assert_int_equal(vport->n_uc, 0);

	mhca_instance_reset(g->vmm->inst);
	assert_int_equal(vport->mtu, 1500);
	assert_false(vport->roce);
	assert_int_equal(vport->n_mc, 0);
	/* The client is not told; its guest is opened anew. */
	client_mem_free(&g->c, &g->buf);
	client_forget_cq(&g->cq);
	client_abandon(&g->c);
	vmm_user_destroy(g->vmm);
	g->vmm = NULL;
}

/* Each of the three lists is taken, kept apart from the others and given back. */
static void vport_lists(void **state)
{
	struct world *w = *state;
	struct guest *g = &w->g[0];
	struct mhca_vport *vport = g->vmm->inst->vport;
	u8 *given = in + MLX5_ST_SZ_BYTES(modify_nic_vport_context_in);
	u8 *got = out + MLX5_ST_SZ_BYTES(query_nic_vport_context_out);
	void *ctx = MLX5_ADDR_OF(query_nic_vport_context_out, out, nic_vport_context);
	u8 entries[3][24] = { };
	u32 type, i;

	for (type = 0; type < 3; type++) {
		for (i = 0; i <= type; i++)
			if (type < 2)
				memset(&entries[type][i * 8 + 2], 0x20 + 0x10 * type + 2 * i, 6);
			else
				MLX5_SET(vlan_layout, &entries[type][i * 8], vlan, 100 + i);
		memcpy(given, entries[type], sizeof(entries[type]));
		MLX5_SET(modify_nic_vport_context_in, in, field_select.addresses_list, 1);
		MLX5_SET(modify_nic_vport_context_in, in, nic_vport_context.allowed_list_type, type);
		MLX5_SET(modify_nic_vport_context_in, in, nic_vport_context.allowed_list_size,
			 type + 1);
		assert_ok(exec(g, MLX5_CMD_OP_MODIFY_NIC_VPORT_CONTEXT, 24));
	}
	assert_int_equal(vport->n_uc, 1);
	assert_int_equal(vport->n_mc, 2);
	assert_int_equal(vport->n_vlan, 3);
	assert_int_equal(vport->vlan[2], 102);
	for (type = 0; type < 3; type++) {
		MLX5_SET(query_nic_vport_context_in, in, opcode,
			 MLX5_CMD_OP_QUERY_NIC_VPORT_CONTEXT);
		MLX5_SET(query_nic_vport_context_in, in, allowed_list_type, type);
		assert_ok(client_exec(&g->c, in, MLX5_ST_SZ_BYTES(query_nic_vport_context_in), out,
				      MLX5_ST_SZ_BYTES(query_nic_vport_context_out) + 24));
		assert_int_equal(MLX5_GET(nic_vport_context, ctx, allowed_list_type), type);
		assert_int_equal(MLX5_GET(nic_vport_context, ctx, allowed_list_size), type + 1);
		assert_memory_equal(got, entries[type], (type + 1) * 8);
	}
}

static int reg(struct guest *g, u16 id, bool write)
{
	MLX5_SET(access_register_in, in, register_id, id);
	MLX5_SET(access_register_in, in, op_mod, !write);
	return exec(g, MLX5_CMD_OP_ACCESS_REG, 512);
}

#define REG_IN	((void *)(in + MLX5_BYTE_OFF(access_register_in, register_data)))
#define REG_OUT	((void *)(out + MLX5_BYTE_OFF(access_register_out, register_data)))

static void registers(void **state)
{
	struct world *w = *state;
	struct guest *g = &w->g[0];
	void *set;

	assert_ok(reg(g, 0x5004, false));
	assert_int_equal(MLX5_GET(ptys_reg, REG_OUT, eth_proto_oper), 1 << 22);
	assert_int_equal(reg(g, 0x5004, true), -EINVAL);

	MLX5_SET(pmtu_reg, REG_IN, admin_mtu, 9000 + OVERHEAD);
	assert_ok(reg(g, 0x5003, true));
	assert_ok(reg(g, 0x5003, false));
	assert_int_equal(MLX5_GET(pmtu_reg, REG_OUT, oper_mtu), 9000 + OVERHEAD);
	assert_int_equal(MLX5_GET(pmtu_reg, REG_OUT, max_mtu), MHCA_MTU_MAX + OVERHEAD);
	MLX5_SET(pmtu_reg, REG_IN, admin_mtu, 65000);
	assert_int_equal(reg(g, 0x5003, true), -EINVAL);

	MLX5_SET(paos_reg, REG_IN, admin_status, 2);
	assert_ok(reg(g, 0x5006, true));
	assert_ok(reg(g, 0x5006, false));
	assert_int_equal(MLX5_GET(paos_reg, REG_OUT, admin_status), 2);
	assert_int_equal(MLX5_GET(paos_reg, REG_OUT, oper_status), 1);
	assert_int_equal(reg(g, 0x5006, true), -EINVAL);

	mhca_count_add(g->vmm->inst, eth_rx_ucast, 5);
	mhca_count_add(g->vmm->inst, eth_rx_bcast, 2);
	mhca_count_add(g->vmm->inst, eth_rx_bcast_bytes, 128);
	assert_ok(reg(g, 0x5008, false));
	set = MLX5_ADDR_OF(ppcnt_reg, REG_OUT, counter_set);
	assert_int_equal(MLX5_GET(eth_802_3_cntrs_grp_data_layout, set, a_frames_received_ok_low),
			 7);
	assert_int_equal(MLX5_GET(eth_802_3_cntrs_grp_data_layout, set,
				  a_octets_received_ok_low), 128);
	MLX5_SET(ppcnt_reg, REG_IN, grp, 0x20);
	assert_int_equal(reg(g, 0x5008, false), -EINVAL);
	assert_ok(reg(g, 0x5007, false));
	assert_int_equal(MLX5_GET(pfcc_reg, REG_OUT, local_port), 1);
	/* Virtual lanes are InfiniBand's, modules are nobody's. */
	assert_int_equal(reg(g, 0x500f, false), -EINVAL);
	assert_int_equal(reg(g, 0x9014, false), -EINVAL);
}

static void *port_counters(struct guest *g, u8 group)
{
	MLX5_SET(ppcnt_reg, REG_IN, grp, group);
	MLX5_SET(ppcnt_reg, REG_IN, prio_tc, 3);
	assert_ok(reg(g, 0x5008, false));
	assert_int_equal(MLX5_GET(ppcnt_reg, REG_OUT, grp), group);
	assert_int_equal(MLX5_GET(ppcnt_reg, REG_OUT, prio_tc), 3);
	return MLX5_ADDR_OF(ppcnt_reg, REG_OUT, counter_set);
}

#define RFC2863(name)	MLX5_GET64(eth_2863_cntrs_grp_data_layout, set, name##_high)
#define RFC2819(name)	MLX5_GET64(eth_2819_cntrs_grp_data_layout, set, name##_high)

/* ethtool's groups of counters, from the same counters of the instance. */
static void port_counter_groups(void **state)
{
	static const u8 empty[] = { 0x03, 0x05, 0x06, 0x10, 0x12 };
	static const u8 zero[MLX5_ST_SZ_BYTES(eth_2863_cntrs_grp_data_layout)];
	struct world *w = *state;
	struct guest *g = &w->g[0];
	struct mhca_instance *inst = g->vmm->inst;
	void *set;
	u32 i;

	mhca_count_add(inst, eth_rx_ucast, 5);
	mhca_count_add(inst, eth_rx_ucast_bytes, 5ULL << 32);
	mhca_count_add(inst, eth_rx_mcast, 3);
	mhca_count_add(inst, eth_rx_bcast, 2);
	mhca_count_add(inst, eth_tx_ucast, 11);
	mhca_count_add(inst, eth_tx_mcast, 7);
	mhca_count_add(inst, eth_tx_bcast, 13);
	mhca_count_add(inst, eth_tx_bcast_bytes, 900);
	mhca_count_add(inst, drop_frame, 1);
	mhca_count_add(inst, drop_spoof, 20);
	mhca_count_add(inst, drop_flood, 300);

	set = port_counters(g, 0x01);
	assert_int_equal(RFC2863(if_in_octets), 5ULL << 32);
	assert_int_equal(RFC2863(if_out_octets), 900);
	assert_int_equal(RFC2863(if_in_ucast_pkts), 5);
	assert_int_equal(RFC2863(if_in_multicast_pkts), 3);
	assert_int_equal(RFC2863(if_in_broadcast_pkts), 2);
	assert_int_equal(RFC2863(if_out_ucast_pkts), 11);
	assert_int_equal(RFC2863(if_out_multicast_pkts), 7);
	assert_int_equal(RFC2863(if_out_broadcast_pkts), 13);
	assert_int_equal(RFC2863(if_out_discards), 321);

	set = port_counters(g, 0x02);
	assert_int_equal(RFC2819(ether_stats_octets), 5ULL << 32);
	assert_int_equal(RFC2819(ether_stats_pkts), 10);
	assert_int_equal(RFC2819(ether_stats_broadcast_pkts), 2);
	assert_int_equal(RFC2819(ether_stats_multicast_pkts), 3);

	for (i = 0; i < ARRAY_SIZE(empty); i++)
		assert_memory_equal(port_counters(g, empty[i]), zero, sizeof(zero));
}

static void capabilities(void **state)
{
	struct world *w = *state;
	u8 caps[MLX5_UN_SZ_BYTES(hca_cap_union)];
	struct client *c = &w->g[0].c;

	assert_ok(client_query_caps(c, MLX5_CAP_GENERAL, false, caps));
	assert_int_equal(MLX5_GET(cmd_hca_cap, caps, port_type), MLX5_CAP_PORT_TYPE_ETH);
	assert_int_equal(MLX5_GET(cmd_hca_cap, caps, ib_virt), 0);
	assert_int_equal(MLX5_GET(cmd_hca_cap, caps, log_max_sq), MHCA_LOG_MAX_SQ);
	assert_ok(client_query_caps(c, MLX5_CAP_ROCE, true, caps));
	assert_int_equal(MLX5_GET(roce_cap, caps, l3_type), 6);
	assert_int_equal(MLX5_GET(roce_cap, caps, roce_version), 5);
	assert_ok(client_query_caps(c, MLX5_CAP_ETHERNET_OFFLOADS, true, caps));
	assert_true(MLX5_GET(per_protocol_networking_offload_caps, caps, csum_cap));
	assert_ok(client_query_caps(c, MLX5_CAP_FLOW_TABLE, true, caps));
	assert_int_equal(client_query_caps(c, MLX5_CAP_ESWITCH, true, caps), -EINVAL);
}

#define world_test(fn) cmocka_unit_test_setup_teardown(fn, world_setup_roce, world_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		world_test(every_row_is_checked),
		world_test(other_ports_commands),
		world_test(vport_context),
		world_test(vport_lists),
		world_test(registers),
		world_test(port_counter_groups),
		world_test(capabilities),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
