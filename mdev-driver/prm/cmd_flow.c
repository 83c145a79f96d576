// SPDX-License-Identifier: GPL-2.0-only
/*
 * What commands about flow tables may say: tables, groups, entries.
 *
 * There is one kind of table, that of received frames; an entry passes frames to
 * TIRs and to tables of a higher level, or drops them. So no walk has a loop.
 */
#include "command.h"

#define MHCA_TABLE_NIC_RX	0
#define MHCA_CRITERIA_OUTER	MLX5_MATCH_OUTER_HEADERS
#define MHCA_ACTION_DROP	MLX5_FLOW_CONTEXT_ACTION_DROP
#define MHCA_ACTION_FWD		MLX5_FLOW_CONTEXT_ACTION_FWD_DEST
#define MHCA_MISS_DEFAULT	MLX5_FLOW_TABLE_MISS_ACTION_DEF
#define MHCA_MISS_FORWARD	MLX5_FLOW_TABLE_MISS_ACTION_FWD
#define MHCA_MODIFY_MISS	MLX5_MODIFY_FLOW_TABLE_MISS_TABLE_ID	/* modify_flow_table_in.modify_field_select */
#define MHCA_SET_MODIFY		1	/* op_mod of SET_FLOW_TABLE_ENTRY */
#define MHCA_MODIFY_FTE		(BIT(0) | BIT(1) | BIT(2) | BIT(3))

/* All of them name the vport and the type of the table at the same places. */
static enum mhca_syndrome mhca_check_table_type(const struct mhca_cmd *cmd)
{
	static_assert(__mlx5_bit_off(create_flow_table_in, table_type) ==
		      __mlx5_bit_off(set_fte_in, table_type));
	static_assert(__mlx5_bit_off(create_flow_table_in, table_type) ==
		      __mlx5_bit_off(create_flow_group_in, table_type));

	if (MLX5_GET(create_flow_table_in, cmd->in, table_type) != MHCA_TABLE_NIC_RX)
		return MHCA_SYN_FLOW;
	return mhca_check_own_vport(cmd);
}

static enum mhca_syndrome mhca_check_flow_context(const void *ctx)
{
	if (MLX5_GET(flow_table_context, ctx, reformat_en) ||
	    MLX5_GET(flow_table_context, ctx, decap_en) ||
	    MLX5_GET(flow_table_context, ctx, sw_owner) ||
	    MLX5_GET(flow_table_context, ctx, termination_table) ||
	    MLX5_GET(flow_table_context, ctx, table_miss_action) > MHCA_MISS_FORWARD)
		return MHCA_SYN_FLOW;
	return MHCA_SYN_NONE;
}

enum mhca_syndrome mhca_check_flow_table(const struct mhca_cmd *cmd)
{
	const void *ctx = MLX5_ADDR_OF(create_flow_table_in, cmd->in, flow_table_context);
	enum mhca_syndrome syndrome = mhca_check_table_type(cmd);

	if (!syndrome)
		syndrome = mhca_check_flow_context(ctx);
	if (syndrome)
		return syndrome;
	/* Drivers number levels beyond what the capability says. */
	if (MLX5_GET(flow_table_context, ctx, log_size) > MHCA_LOG_MAX_FLOW_TABLE_SIZE)
		return MHCA_SYN_QUEUE_SIZE;
	return MHCA_SYN_NONE;
}

enum mhca_syndrome mhca_check_flow_table_modify(const struct mhca_cmd *cmd)
{
	const void *ctx = MLX5_ADDR_OF(modify_flow_table_in, cmd->in, flow_table_context);
	enum mhca_syndrome syndrome = mhca_check_table_type(cmd);

	if (syndrome)
		return syndrome;
	if (MLX5_GET(modify_flow_table_in, cmd->in, modify_field_select) & ~MHCA_MODIFY_MISS)
		return MHCA_SYN_FLOW;
	return mhca_check_flow_context(ctx);
}

enum mhca_syndrome mhca_check_flow_root(const struct mhca_cmd *cmd)
{
	if (MLX5_GET(set_flow_table_root_in, cmd->in, table_of_other_vport) ||
	    MLX5_GET(set_flow_table_root_in, cmd->in, underlay_qpn) ||
	    MLX5_GET(set_flow_table_root_in, cmd->in, table_eswitch_owner_vhca_id_valid))
		return MHCA_SYN_FLOW;
	return mhca_check_table_type(cmd);
}

/* What only names a table, a group or an entry */
enum mhca_syndrome mhca_check_flow_target(const struct mhca_cmd *cmd)
{
	return mhca_check_table_type(cmd);
}

/* What the capabilities say of fields that can be matched (caps.c). */
#define MATCH(field)	MHCA_FIELD(fte_match_set_lyr_2_4, field)

static const struct mhca_field mhca_flow_fields[] = {
	MATCH(smac_47_16), MATCH(smac_15_0), MATCH(dmac_47_16), MATCH(dmac_15_0),
	MATCH(ethertype), MATCH(first_prio), MATCH(first_cfi), MATCH(first_vid),
	MATCH(cvlan_tag), MATCH(svlan_tag), MATCH(ip_version), MATCH(ip_protocol),
	MATCH(ip_dscp), MATCH(ip_ecn), MATCH(frag), MATCH(tcp_flags),
	MATCH(tcp_sport), MATCH(tcp_dport), MATCH(udp_sport), MATCH(udp_dport),
};

static bool mhca_flow_mask_known(const void *mask)
{
	u8 rest[MLX5_ST_SZ_BYTES(fte_match_set_lyr_2_4)] __aligned(8);
	u32 i;

	memcpy(rest, mask, sizeof(rest));
	for (i = 0; i < ARRAY_SIZE(mhca_flow_fields); i++)
		mhca_field_set(rest, mhca_flow_fields[i], 0);
	memset(MLX5_ADDR_OF(fte_match_set_lyr_2_4, rest, src_ipv4_src_ipv6), 0, 16);
	memset(MLX5_ADDR_OF(fte_match_set_lyr_2_4, rest, dst_ipv4_dst_ipv6), 0, 16);
	return !memchr_inv(rest, 0, sizeof(rest));
}

enum mhca_syndrome mhca_check_flow_group(const struct mhca_cmd *cmd)
{
	const void *match = MLX5_ADDR_OF(create_flow_group_in, cmd->in, match_criteria);
	u32 outer = MLX5_ST_SZ_BYTES(fte_match_set_lyr_2_4);
	u8 enable = MLX5_GET(create_flow_group_in, cmd->in, match_criteria_enable);

	BUILD_BUG_ON(MLX5_BYTE_OFF(fte_match_param, outer_headers));
	if (enable & ~MHCA_CRITERIA_OUTER)
		return MHCA_SYN_FLOW;
	if (memchr_inv((const u8 *)match + outer, 0, MLX5_ST_SZ_BYTES(fte_match_param) - outer))
		return MHCA_SYN_FLOW;
	if (enable ? !mhca_flow_mask_known(match) : !!memchr_inv(match, 0, outer))
		return MHCA_SYN_FLOW;
	if (MLX5_GET(create_flow_group_in, cmd->in, start_flow_index) >
	    MLX5_GET(create_flow_group_in, cmd->in, end_flow_index))
		return MHCA_SYN_INDEX;
	return mhca_check_table_type(cmd);
}

/* Actions as the capabilities name them; a list of what follows the context. */
enum mhca_syndrome mhca_check_flow_entry(const struct mhca_cmd *cmd)
{
	const void *ctx = MLX5_ADDR_OF(set_fte_in, cmd->in, flow_context);
	u32 action = MLX5_GET(flow_context, ctx, action);
	u32 n = MLX5_GET(flow_context, ctx, destination_list_size);
	u32 room = (cmd->inlen - MLX5_ST_SZ_BYTES(set_fte_in)) /
		   MLX5_ST_SZ_BYTES(dest_format_struct);

	if (action != MHCA_ACTION_DROP && action != MHCA_ACTION_FWD)
		return MHCA_SYN_FLOW;
	if (MLX5_GET(set_fte_in, cmd->in, ignore_flow_level) ||
	    MLX5_GET(flow_context, ctx, extended_destination) ||
	    MLX5_GET(flow_context, ctx, flow_counter_list_size))
		return MHCA_SYN_FLOW;
	if (n > BIT(MHCA_LOG_MAX_FLOW_DEST) || (n && action == MHCA_ACTION_DROP) ||
	    (!n && action == MHCA_ACTION_FWD))
		return MHCA_SYN_FLOW;
	if (n > room)
		return MHCA_SYN_IN_LENGTH;
	if (cmd->op_mod == MHCA_SET_MODIFY &&
	    MLX5_GET(set_fte_in, cmd->in, modify_enable_mask) & ~MHCA_MODIFY_FTE)
		return MHCA_SYN_FLOW;
	return mhca_check_table_type(cmd);
}
