// SPDX-License-Identifier: GPL-2.0-only
/*
 * Commands about the function as a whole: enabling, capabilities, pages.
 */
#include "command.h"

#define MHCA_ISSI_SUPPORTED	(BIT(0) | BIT(1))
#define MHCA_VENDOR_OUI		0x0002c9
#define MHCA_VENDOR_PCI		0x15b3
/* 16 bytes; the driver shows it as the board id. */
#define MHCA_PSID		"MHCA0000000001"

enum mhca_pages_op {
	MHCA_PAGES_CANT_GIVE = 0,
	MHCA_PAGES_GIVE = 1,
	MHCA_PAGES_TAKE = 2,
};

enum mhca_teardown {
	MHCA_TEARDOWN_GRACEFUL = 0,
};

/* ---- Checks ------------------------------------------------------------------ */

/* ENABLE_HCA, DISABLE_HCA, QUERY_PAGES: the function is the guest's own. */
enum mhca_syndrome mhca_check_function(const struct mhca_cmd *cmd)
{
	if (MLX5_GET(enable_hca_in, cmd->in, function_id) ||
	    MLX5_GET(enable_hca_in, cmd->in, embedded_cpu_function))
		return MHCA_SYN_FUNCTION_ID;
	return MHCA_SYN_NONE;
}

/* No page is ever asked for, so none can be given or taken. */
enum mhca_syndrome mhca_check_pages(const struct mhca_cmd *cmd)
{
	if (MLX5_GET(manage_pages_in, cmd->in, function_id) ||
	    MLX5_GET(manage_pages_in, cmd->in, embedded_cpu_function))
		return MHCA_SYN_FUNCTION_ID;
	if (cmd->op_mod == MHCA_PAGES_GIVE &&
	    MLX5_GET(manage_pages_in, cmd->in, input_num_entries))
		return MHCA_SYN_PAGE_LIST;
	return MHCA_SYN_NONE;
}

enum mhca_syndrome mhca_check_cap(const struct mhca_cmd *cmd)
{
	if (MLX5_GET(set_hca_cap_in, cmd->in, other_function) ||
	    MLX5_GET(set_hca_cap_in, cmd->in, function_id))
		return MHCA_SYN_FUNCTION_ID;
	return MHCA_SYN_NONE;
}

/* Fast and forced teardown are not among the capabilities. */
enum mhca_syndrome mhca_check_teardown(const struct mhca_cmd *cmd)
{
	if (MLX5_GET(teardown_hca_in, cmd->in, profile) != MHCA_TEARDOWN_GRACEFUL)
		return MHCA_SYN_RESERVED;
	return MHCA_SYN_NONE;
}

enum mhca_syndrome mhca_check_issi(const struct mhca_cmd *cmd)
{
	if (MLX5_GET(set_issi_in, cmd->in, current_issi) > MHCA_ISSI_MAX)
		return MHCA_SYN_RESERVED;
	return MHCA_SYN_NONE;
}

/* ---- Life of the function ------------------------------------------------------ */

/* A kernel that took over from a crashed one finds a clean function. */
enum mhca_syndrome mhca_cmd_enable_hca(struct mhca_cmd *cmd)
{
	mhca_function_clear(cmd->inst, MHCA_FN_RESET);
	cmd->inst->fn = MHCA_FN_ENABLED;
	return MHCA_SYN_NONE;
}

enum mhca_syndrome mhca_cmd_disable_hca(struct mhca_cmd *cmd)
{
	mhca_function_clear(cmd->inst, MHCA_FN_RESET);
	return MHCA_SYN_NONE;
}

enum mhca_syndrome mhca_cmd_init_hca(struct mhca_cmd *cmd)
{
	cmd->inst->fn = MHCA_FN_INITIALISED;
	return MHCA_SYN_NONE;
}

/* Whatever the driver has left goes with it. */
enum mhca_syndrome mhca_cmd_teardown_hca(struct mhca_cmd *cmd)
{
	mhca_function_clear(cmd->inst, MHCA_FN_ENABLED);
	return MHCA_SYN_NONE;
}

/* ---- Interface step --------------------------------------------------------------- */

enum mhca_syndrome mhca_cmd_query_issi(struct mhca_cmd *cmd)
{
	MLX5_SET(query_issi_out, cmd->out, current_issi, cmd->inst->core->issi);
	MLX5_SET(query_issi_out, cmd->out, supported_issi_dw0, MHCA_ISSI_SUPPORTED);
	return MHCA_SYN_NONE;
}

enum mhca_syndrome mhca_cmd_set_issi(struct mhca_cmd *cmd)
{
	cmd->inst->core->issi = MLX5_GET(set_issi_in, cmd->in, current_issi);
	return MHCA_SYN_NONE;
}

/* ---- Pages: a software function needs none ------------------------------------------ */

enum mhca_syndrome mhca_cmd_query_pages(struct mhca_cmd *cmd)
{
	MLX5_SET(query_pages_out, cmd->out, num_pages, 0);
	return MHCA_SYN_NONE;
}

enum mhca_syndrome mhca_cmd_manage_pages(struct mhca_cmd *cmd)
{
	MLX5_SET(manage_pages_out, cmd->out, output_num_entries, 0);
	return MHCA_SYN_NONE;
}

/* ---- Capabilities ---------------------------------------------------------------------- */

/* op_mod: type << 1 | mode; mode 0 asks for the greatest, 1 for the current values. */
enum mhca_syndrome mhca_cmd_query_hca_cap(struct mhca_cmd *cmd)
{
	return mhca_caps_query(cmd->inst, cmd->op_mod >> 1, cmd->op_mod & 1,
			       MLX5_ADDR_OF(query_hca_cap_out, cmd->out, capability));
}

enum mhca_syndrome mhca_cmd_set_hca_cap(struct mhca_cmd *cmd)
{
	if (cmd->op_mod & 1)
		return MHCA_SYN_OP_MOD;
	return mhca_caps_set(cmd->inst, cmd->op_mod >> 1,
			     MLX5_ADDR_OF(set_hca_cap_in, cmd->in, capability));
}

enum mhca_syndrome mhca_cmd_query_adapter(struct mhca_cmd *cmd)
{
	void *block = MLX5_ADDR_OF(query_adapter_out, cmd->out, query_adapter_struct);
	void *psid = MLX5_ADDR_OF(query_adapter_param_block, block, vsd_contd_psid);

	BUILD_BUG_ON(sizeof(MHCA_PSID) >
		     MLX5_FLD_SZ_BYTES(query_adapter_param_block, vsd_contd_psid));

	MLX5_SET(query_adapter_param_block, block, ieee_vendor_id, MHCA_VENDOR_OUI);
	MLX5_SET(query_adapter_param_block, block, vsd_vendor_id, MHCA_VENDOR_PCI);
	memcpy(psid, MHCA_PSID, sizeof(MHCA_PSID));
	return MHCA_SYN_NONE;
}
