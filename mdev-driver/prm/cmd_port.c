// SPDX-License-Identifier: GPL-2.0-only
/*
 * Commands about the port: HCA vport context, GIDs, P_Keys, counters.
 *
 * The guest sees one InfiniBand port. There is no subnet manager behind it: the
 * host gives the LID, and the port is ACTIVE from the start.
 */
#include "command.h"

#define MHCA_PORT		1
#define MHCA_ALL		0xffff	/* index: the whole table */
#define MHCA_GID_PREFIX		0xfe80000000000000ULL
#define MHCA_PKEY_DEFAULT	0xffff
#define MHCA_PHYS_LINK_UP	5
#define MHCA_PHYS_DISABLED	3
#define MHCA_PORT_DOWN		1
#define MHCA_PORT_ACTIVE	4
#define MHCA_SUBNET_TIMEOUT	18

/* ---- Checks -------------------------------------------------------------------- */

/* All vport commands name the vport alike: only the guest's own exists. */
enum mhca_syndrome mhca_check_vport(const struct mhca_cmd *cmd)
{
	if (MLX5_GET(query_hca_vport_context_in, cmd->in, other_vport) ||
	    MLX5_GET(query_hca_vport_context_in, cmd->in, vport_number))
		return MHCA_SYN_FUNCTION_ID;
	if (MLX5_GET(query_hca_vport_context_in, cmd->in, port_num) > MHCA_PORT)
		return MHCA_SYN_PORT;
	return MHCA_SYN_NONE;
}

/* GUIDs, LID and state belong to the host; only announcements can be changed. */
enum mhca_syndrome mhca_check_vport_modify(const struct mhca_cmd *cmd)
{
	const void *ctx = MLX5_ADDR_OF(modify_hca_vport_context_in, cmd->in, hca_vport_context);
	u32 select = MLX5_GET(hca_vport_context, ctx, cap_mask1_field_select);

	if (MLX5_GET(hca_vport_context, ctx, field_select))
		return MHCA_SYN_RESERVED;
	if (select & ~(u32)MHCA_CAP_MASK1)
		return MHCA_SYN_RESERVED;
	return mhca_check_vport(cmd);
}

enum mhca_syndrome mhca_check_vport_gid(const struct mhca_cmd *cmd)
{
	u32 index = MLX5_GET(query_hca_vport_gid_in, cmd->in, gid_index);
	u32 n = index == MHCA_ALL ? MHCA_GID_TABLE : 1;

	if (index != MHCA_ALL && index >= MHCA_GID_TABLE)
		return MHCA_SYN_INDEX;
	if (cmd->outlen < MLX5_ST_SZ_BYTES(query_hca_vport_gid_out) +
			  n * MLX5_ST_SZ_BYTES(array128_auto))
		return MHCA_SYN_OUT_LENGTH;
	return mhca_check_vport(cmd);
}

enum mhca_syndrome mhca_check_vport_pkey(const struct mhca_cmd *cmd)
{
	u32 index = MLX5_GET(query_hca_vport_pkey_in, cmd->in, pkey_index);
	u32 n = index == MHCA_ALL ? MHCA_PKEY_TABLE : 1;

	if (index != MHCA_ALL && index >= MHCA_PKEY_TABLE)
		return MHCA_SYN_INDEX;
	if (cmd->outlen < MLX5_ST_SZ_BYTES(query_hca_vport_pkey_out) +
			  n * MLX5_ST_SZ_BYTES(pkey))
		return MHCA_SYN_OUT_LENGTH;
	return mhca_check_vport(cmd);
}

/* ---- HCA vport ------------------------------------------------------------------- */

enum mhca_syndrome mhca_cmd_query_vport_context(struct mhca_cmd *cmd)
{
	void *ctx = MLX5_ADDR_OF(query_hca_vport_context_out, cmd->out, hca_vport_context);
	struct mhca_instance *inst = cmd->inst;
	bool up = READ_ONCE(inst->port.up);
	u32 violations = atomic_read(&inst->port.qkey_violations);

	MLX5_SET(hca_vport_context, ctx, port_physical_state,
		 up ? MHCA_PHYS_LINK_UP : MHCA_PHYS_DISABLED);
	MLX5_SET(hca_vport_context, ctx, port_state, up ? MHCA_PORT_ACTIVE : MHCA_PORT_DOWN);
	MLX5_SET(hca_vport_context, ctx, vport_state, up ? MHCA_PORT_ACTIVE : MHCA_PORT_DOWN);
	MLX5_SET64(hca_vport_context, ctx, system_image_guid, inst->id.node_guid);
	MLX5_SET64(hca_vport_context, ctx, node_guid, inst->id.node_guid);
	MLX5_SET64(hca_vport_context, ctx, port_guid, inst->id.port_guid);
	MLX5_SET(hca_vport_context, ctx, cap_mask1, inst->core->cap_mask1);
	MLX5_SET(hca_vport_context, ctx, cap_mask1_field_select, MHCA_CAP_MASK1);
	MLX5_SET(hca_vport_context, ctx, lid, inst->port.lid);
	/* Nobody manages the subnet: questions for a manager come back to the asker. */
	MLX5_SET(hca_vport_context, ctx, sm_lid, inst->port.lid);
	MLX5_SET(hca_vport_context, ctx, subnet_timeout, MHCA_SUBNET_TIMEOUT);
	MLX5_SET(hca_vport_context, ctx, qkey_violation_counter, min_t(u32, violations, U16_MAX));
	return MHCA_SYN_NONE;
}

enum mhca_syndrome mhca_cmd_modify_vport_context(struct mhca_cmd *cmd)
{
	const void *ctx = MLX5_ADDR_OF(modify_hca_vport_context_in, cmd->in, hca_vport_context);
	struct mhca_core *core = cmd->inst->core;
	u32 select = MLX5_GET(hca_vport_context, ctx, cap_mask1_field_select);

	core->cap_mask1 = (core->cap_mask1 & ~select) |
			  (MLX5_GET(hca_vport_context, ctx, cap_mask1) & select);
	return MHCA_SYN_NONE;
}

/* GID 0 is the link-local one; nobody can set another. */
enum mhca_syndrome mhca_cmd_query_vport_gid(struct mhca_cmd *cmd)
{
	__be64 *gid = MLX5_ADDR_OF(query_hca_vport_gid_out, cmd->out, gid);
	u32 index = MLX5_GET(query_hca_vport_gid_in, cmd->in, gid_index);

	MLX5_SET(query_hca_vport_gid_out, cmd->out, gids_num,
		 index == MHCA_ALL ? MHCA_GID_TABLE : 1);
	if (!index || index == MHCA_ALL) {
		gid[0] = cpu_to_be64(MHCA_GID_PREFIX);
		gid[1] = cpu_to_be64(cmd->inst->id.port_guid);
	}
	return MHCA_SYN_NONE;
}

enum mhca_syndrome mhca_cmd_query_vport_pkey(struct mhca_cmd *cmd)
{
	void *pkey = MLX5_ADDR_OF(query_hca_vport_pkey_out, cmd->out, pkey);
	u32 index = MLX5_GET(query_hca_vport_pkey_in, cmd->in, pkey_index);

	if (!index || index == MHCA_ALL)
		MLX5_SET(pkey, pkey, pkey, MHCA_PKEY_DEFAULT);
	return MHCA_SYN_NONE;
}

#define MHCA_TRAFFIC(cmd, field, name)						\
	do {									\
		const struct mhca_counters *c = &(cmd)->inst->counters;		\
		void *t = MLX5_ADDR_OF(query_vport_counter_out, (cmd)->out, field); \
										\
		MLX5_SET64(traffic_counter, t, packets, atomic64_read(&c->name)); \
		MLX5_SET64(traffic_counter, t, octets, atomic64_read(&c->name##_bytes)); \
	} while (0)

enum mhca_syndrome mhca_cmd_query_vport_counter(struct mhca_cmd *cmd)
{
	const struct mhca_counters *counters = &cmd->inst->counters;
	void *tx = MLX5_ADDR_OF(query_vport_counter_out, cmd->out, transmitted_ib_unicast);
	void *rx = MLX5_ADDR_OF(query_vport_counter_out, cmd->out, received_ib_unicast);

	/* Counters of an instance are monotonic and the host's. */
	if (MLX5_GET(query_vport_counter_in, cmd->in, clear))
		return MHCA_SYN_RESERVED;
	/* A message is a packet of a network without an MTU. */
	MLX5_SET64(traffic_counter, tx, packets, atomic64_read(&counters->wqes));
	MLX5_SET64(traffic_counter, tx, octets, atomic64_read(&counters->tx_bytes));
	MLX5_SET64(traffic_counter, rx, packets, atomic64_read(&counters->messages));
	MLX5_SET64(traffic_counter, rx, octets, atomic64_read(&counters->rx_bytes));

	MHCA_TRAFFIC(cmd, transmitted_eth_unicast, eth_tx_ucast);
	MHCA_TRAFFIC(cmd, transmitted_eth_multicast, eth_tx_mcast);
	MHCA_TRAFFIC(cmd, transmitted_eth_broadcast, eth_tx_bcast);
	MHCA_TRAFFIC(cmd, received_eth_unicast, eth_rx_ucast);
	MHCA_TRAFFIC(cmd, received_eth_multicast, eth_rx_mcast);
	MHCA_TRAFFIC(cmd, received_eth_broadcast, eth_rx_bcast);
	return MHCA_SYN_NONE;
}
