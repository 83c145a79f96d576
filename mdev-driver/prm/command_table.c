// SPDX-License-Identifier: GPL-2.0-only
/*
 * The command table: everything that a guest may say through the command queue.
 *
 * This file is the trust boundary. An opcode that has no row is refused. For each
 * row, before its handler runs: the port is of its type; the function is in one of its
 * states; uid is 0; the modifier and both lengths are in range; every object named is one of this
 * instance, of the right kind (and made by the right command); the validator has
 * accepted the rest; the quota allows another object; guest memory that it brings
 * is guest memory, pinned as a whole, exactly what the object needs, and within the
 * instance's limit.
 *
 * A row has no default for its validator: without one it does not compile.
 */
#include "command.h"

#define IN(type)	.in_min = MLX5_ST_SZ_BYTES(type)
#define OUT(type)	.out_min = MLX5_ST_SZ_BYTES(type)
#define HEADER_OUT	.out_min = MLX5_ST_SZ_BYTES(cmd_out)

/* An input that ends in a list of at most @n pages beginning at @pas. */
#define LIST(type, field, n)							\
	.in_min = MLX5_BYTE_OFF(type, field),					\
	.in_max = MLX5_BYTE_OFF(type, field) + (n) * sizeof(__be64)

#define RUNNING		.states = MHCA_IN_INITIALISED
#define ONLY_IB		.personality = BIT(MHCA_IB)
#define ONLY_ROCE	.personality = BIT(MHCA_ROCE)
#define ENABLED		.states = MHCA_IN_ENABLED | MHCA_IN_INITIALISED

#define CREATES(what, type, field)						\
	.action = MHCA_ACT_CREATE, .kind = what, .number = MHCA_FIELD(type, field)
#define MODIFIES(what, type, field)						\
	.action = MHCA_ACT_MODIFY, .kind = what, .number = MHCA_FIELD(type, field)
#define QUERIES(what, type, field)						\
	.action = MHCA_ACT_QUERY, .kind = what, .number = MHCA_FIELD(type, field)
#define DESTROYS(what, type, field)						\
	.action = MHCA_ACT_DESTROY, .kind = what, .number = MHCA_FIELD(type, field)
#define MADE_BY(op)	.creator = MLX5_CMD_OP_##op
#define USES(rows)	.refs = rows, .n_refs = ARRAY_SIZE(rows)

/* The address of: neither nothing nor NULL has one. */
#define ROW(op, check, run, weight, ...)					\
	{									\
		.opcode = MLX5_CMD_OP_##op,					\
		.name = #op,							\
		.validate = &(check),						\
		.handler = &(run),						\
		.cost = MHCA_COST_##weight,					\
		__VA_ARGS__							\
	}

/* Greatest page lists, from the greatest queues at 4 KiB pages and an offset. */
#define EQ_PAGES	((1U << (MHCA_LOG_MAX_EQ_SZ + 6 - MHCA_PAGE_SHIFT)) + 1)
#define CQ_PAGES	((1U << (MHCA_LOG_MAX_CQ_SZ + 7 - MHCA_PAGE_SHIFT)) + 1)
#define SRQ_PAGES	((1U << (MHCA_LOG_MAX_SRQ_SZ + 9 - MHCA_PAGE_SHIFT)) + 1)
#define QP_PAGES	((1U << (MHCA_LOG_MAX_QP_SZ + 9 - MHCA_PAGE_SHIFT)) +	\
			 (1U << (MHCA_LOG_MAX_QP_SZ + 6 - MHCA_PAGE_SHIFT)) + 1)

/* The register that carries most data is the PPCNT one; so much a guest may send. */
#define WQ_PAGES	((1U << (MHCA_LOG_MAX_WQ_SZ + 9 - MHCA_PAGE_SHIFT)) + 1)

/* Lists that follow a context, of entries of 8 bytes (destinations) or 4 (RQs). */
#define FTE_MAX		(MLX5_ST_SZ_BYTES(set_fte_in) + 64 * MLX5_ST_SZ_BYTES(dest_format_struct))
#define RQT_LIST	(MLX5_ST_SZ_BYTES(rq_num) << MHCA_LOG_MAX_RQT_SIZE)
#define VPORT_LIST	(MHCA_MAX_MC * sizeof(__be64))

#define REGISTER_MAX	(MLX5_BYTE_OFF(access_register_in, register_data) + 0x400)
/* Drivers differ in how much of INIT_HCA they know. */
#define INIT_HCA_MAX	0x40
/* Up to the page list, before which newer headers have an extended context. */
#define QUERY_QP_OUT	(MLX5_BYTE_OFF(query_qp_out, qpc) + MLX5_ST_SZ_BYTES(qpc))

/* ---- Objects that objects use -------------------------------------------------- */

static const struct mhca_ref_row mhca_eq_refs[] = {
	{ MHCA_UAR, MHCA_FIELD(create_eq_in, eq_context_entry.uar_page) },
};

static const struct mhca_ref_row mhca_cq_refs[] = {
	{ MHCA_EQ, MHCA_FIELD(create_cq_in, cq_context.c_eqn_or_apu_element) },
	{ MHCA_UAR, MHCA_FIELD(create_cq_in, cq_context.uar_page) },
};

static const struct mhca_ref_row mhca_mkey_refs[] = {
	{ MHCA_PD, MHCA_FIELD(create_mkey_in, memory_key_mkey_entry.pd) },
};

static const struct mhca_ref_row mhca_srq_refs[] = {
	{ MHCA_PD, MHCA_FIELD(create_srq_in, srq_context_entry.pd) },
};

static const struct mhca_ref_row mhca_xrc_srq_refs[] = {
	{ MHCA_PD, MHCA_FIELD(create_xrc_srq_in, xrc_srq_context_entry.pd) },
	{ MHCA_CQ, MHCA_FIELD(create_xrc_srq_in, xrc_srq_context_entry.cqn) },
	{ MHCA_XRCD, MHCA_FIELD(create_xrc_srq_in, xrc_srq_context_entry.xrcd) },
};

static const struct mhca_ref_row mhca_rmp_refs[] = {
	{ MHCA_PD, MHCA_FIELD(create_rmp_in, ctx.wq.pd) },
};

static const struct mhca_ref_row mhca_qp_refs[] = {
	{ MHCA_PD, MHCA_FIELD(create_qp_in, qpc.pd), mhca_qp_has_pd },
	{ MHCA_CQ, MHCA_FIELD(create_qp_in, qpc.cqn_snd), mhca_qp_has_sq },
	{ MHCA_CQ, MHCA_FIELD(create_qp_in, qpc.cqn_rcv), NULL, .optional = true },
	{ MHCA_UAR, MHCA_FIELD(create_qp_in, qpc.uar_page), mhca_qp_has_uar },
	{ MHCA_SRQ, MHCA_FIELD(create_qp_in, qpc.srqn_rmpn_xrqn), mhca_qp_has_srq },
	{ MHCA_XRCD, MHCA_FIELD(create_qp_in, qpc.xrcd), mhca_qp_is_xrc },
};

/* RST2INIT says the PD: to a REG_UMR QP for the first time. */
static const struct mhca_ref_row mhca_rst2init_refs[] = {
	{ MHCA_PD, MHCA_FIELD(rst2init_qp_in, qpc.pd), NULL, .optional = true },
};

/* A queue that nothing is posted to (the driver's drop queue) names no PD. */
static const struct mhca_ref_row mhca_sq_refs[] = {
	{ MHCA_CQ, MHCA_FIELD(create_sq_in, ctx.cqn) },
	{ MHCA_UAR, MHCA_FIELD(create_sq_in, ctx.wq.uar_page) },
	{ MHCA_PD, MHCA_FIELD(create_sq_in, ctx.wq.pd), NULL, .optional = true },
	{ MHCA_TIS, MHCA_FIELD(create_sq_in, ctx.tis_num_0), mhca_sq_has_tis },
};

static const struct mhca_ref_row mhca_rq_refs[] = {
	{ MHCA_CQ, MHCA_FIELD(create_rq_in, ctx.cqn) },
	{ MHCA_PD, MHCA_FIELD(create_rq_in, ctx.wq.pd), NULL, .optional = true },
};

static const struct mhca_ref_row mhca_tir_refs[] = {
	{ MHCA_TD, MHCA_FIELD(create_tir_in, ctx.transport_domain) },
	{ MHCA_RQ, MHCA_FIELD(create_tir_in, ctx.inline_rqn), mhca_tir_is_direct },
	{ MHCA_RQT, MHCA_FIELD(create_tir_in, ctx.indirect_table), mhca_tir_is_indirect },
};

static const struct mhca_ref_row mhca_tis_refs[] = {
	{ MHCA_TD, MHCA_FIELD(create_tis_in, ctx.transport_domain) },
};

static const struct mhca_ref_row mhca_flow_group_refs[] = {
	{ MHCA_FLOW_TABLE, MHCA_FIELD(create_flow_group_in, table_id) },
};

/* The group that an entry is in; whether it is one of its table, the backend sees. */
static const struct mhca_ref_row mhca_flow_entry_refs[] = {
	{ MHCA_FLOW_GROUP, MHCA_FIELD(set_fte_in, flow_context.group_id) },
};

/* ---- The table -------------------------------------------------------------------- */

const struct mhca_command mhca_commands[] = {
	/* Function */
	ROW(ENABLE_HCA, mhca_check_function, mhca_cmd_enable_hca, OBJECT,
	    .states = MHCA_IN_RESET | MHCA_IN_ENABLED | MHCA_IN_INITIALISED,
	    IN(enable_hca_in), HEADER_OUT),
	ROW(DISABLE_HCA, mhca_check_function, mhca_cmd_disable_hca, OBJECT, ENABLED,
	    IN(disable_hca_in), HEADER_OUT),
	ROW(INIT_HCA, mhca_check_nothing, mhca_cmd_init_hca, OBJECT,
	    .states = MHCA_IN_ENABLED,
	    .in_min = MLX5_ST_SZ_BYTES(cmd_in), .in_max = INIT_HCA_MAX, HEADER_OUT),
	ROW(TEARDOWN_HCA, mhca_check_teardown, mhca_cmd_teardown_hca, OBJECT, ENABLED,
	    IN(teardown_hca_in), OUT(teardown_hca_out)),
	ROW(QUERY_ISSI, mhca_check_nothing, mhca_cmd_query_issi, QUERY, ENABLED,
	    IN(query_issi_in), OUT(query_issi_out)),
	ROW(SET_ISSI, mhca_check_issi, mhca_cmd_set_issi, QUERY, ENABLED,
	    IN(set_issi_in), HEADER_OUT),
	ROW(QUERY_PAGES, mhca_check_function, mhca_cmd_query_pages, QUERY, ENABLED,
	    .op_mod_max = 3, IN(query_pages_in), OUT(query_pages_out)),
	ROW(MANAGE_PAGES, mhca_check_pages, mhca_cmd_manage_pages, QUERY, ENABLED,
	    .op_mod_max = 2, IN(manage_pages_in), .out_min = MLX5_BYTE_OFF(manage_pages_out, pas)),
	ROW(QUERY_HCA_CAP, mhca_check_cap, mhca_cmd_query_hca_cap, QUERY, ENABLED,
	    .op_mod_max = U16_MAX, IN(query_hca_cap_in), OUT(query_hca_cap_out)),
	ROW(SET_HCA_CAP, mhca_check_cap, mhca_cmd_set_hca_cap, QUERY,
	    .states = MHCA_IN_ENABLED,
	    .op_mod_max = U16_MAX, IN(set_hca_cap_in), HEADER_OUT),
	ROW(QUERY_ADAPTER, mhca_check_nothing, mhca_cmd_query_adapter, QUERY, ENABLED,
	    IN(query_adapter_in), OUT(query_adapter_out)),

	/* Port */
	ROW(QUERY_HCA_VPORT_CONTEXT, mhca_check_vport, mhca_cmd_query_vport_context, QUERY,
	    RUNNING, ONLY_IB, IN(query_hca_vport_context_in), OUT(query_hca_vport_context_out)),
	ROW(MODIFY_HCA_VPORT_CONTEXT, mhca_check_vport_modify, mhca_cmd_modify_vport_context,
	    QUERY, RUNNING, ONLY_IB, IN(modify_hca_vport_context_in), HEADER_OUT),
	ROW(QUERY_HCA_VPORT_GID, mhca_check_vport_gid, mhca_cmd_query_vport_gid, QUERY,
	    RUNNING, ONLY_IB, IN(query_hca_vport_gid_in), OUT(query_hca_vport_gid_out)),
	ROW(QUERY_HCA_VPORT_PKEY, mhca_check_vport_pkey, mhca_cmd_query_vport_pkey, QUERY,
	    RUNNING, IN(query_hca_vport_pkey_in), OUT(query_hca_vport_pkey_out)),
	ROW(QUERY_VPORT_COUNTER, mhca_check_vport, mhca_cmd_query_vport_counter, QUERY,
	    RUNNING, IN(query_vport_counter_in), OUT(query_vport_counter_out)),
	ROW(ACCESS_REG, mhca_check_register, mhca_cmd_access_register, QUERY, RUNNING,
	    .op_mod_max = 1, .in_min = MLX5_BYTE_OFF(access_register_in, register_data),
	    .in_max = REGISTER_MAX,
	    .out_min = MLX5_BYTE_OFF(access_register_out, register_data)),
	ROW(MAD_IFC, mhca_check_mad, mhca_cmd_mad_ifc, QUERY, RUNNING,
	    .op_mod_max = 3, IN(mad_ifc_in), OUT(mad_ifc_out)),

	/* Numbers: doorbell pages, protection, XRC and transport domains */
	ROW(ALLOC_UAR, mhca_check_nothing, mhca_cmd_create, OBJECT, RUNNING,
	    IN(alloc_uar_in), OUT(alloc_uar_out), CREATES(MHCA_UAR, alloc_uar_out, uar)),
	ROW(DEALLOC_UAR, mhca_check_nothing, mhca_cmd_destroy, OBJECT, RUNNING,
	    IN(dealloc_uar_in), HEADER_OUT, DESTROYS(MHCA_UAR, dealloc_uar_in, uar)),
	ROW(ALLOC_PD, mhca_check_nothing, mhca_cmd_create, OBJECT, RUNNING,
	    IN(alloc_pd_in), OUT(alloc_pd_out), CREATES(MHCA_PD, alloc_pd_out, pd)),
	ROW(DEALLOC_PD, mhca_check_nothing, mhca_cmd_destroy, OBJECT, RUNNING,
	    IN(dealloc_pd_in), HEADER_OUT, DESTROYS(MHCA_PD, dealloc_pd_in, pd)),
	ROW(ALLOC_XRCD, mhca_check_nothing, mhca_cmd_create, OBJECT, RUNNING,
	    IN(alloc_xrcd_in), OUT(alloc_xrcd_out), CREATES(MHCA_XRCD, alloc_xrcd_out, xrcd)),
	ROW(DEALLOC_XRCD, mhca_check_nothing, mhca_cmd_destroy, OBJECT, RUNNING,
	    IN(dealloc_xrcd_in), HEADER_OUT, DESTROYS(MHCA_XRCD, dealloc_xrcd_in, xrcd)),
	ROW(ALLOC_TRANSPORT_DOMAIN, mhca_check_nothing, mhca_cmd_create, OBJECT, RUNNING,
	    IN(alloc_transport_domain_in), OUT(alloc_transport_domain_out),
	    CREATES(MHCA_TD, alloc_transport_domain_out, transport_domain)),
	ROW(DEALLOC_TRANSPORT_DOMAIN, mhca_check_nothing, mhca_cmd_destroy, OBJECT, RUNNING,
	    IN(dealloc_transport_domain_in), HEADER_OUT,
	    DESTROYS(MHCA_TD, dealloc_transport_domain_in, transport_domain)),

	/* Memory keys */
	ROW(CREATE_MKEY, mhca_check_mkey, mhca_cmd_create, MEMORY, RUNNING,
	    LIST(create_mkey_in, klm_pas_mtt, MHCA_MAX_MTT), OUT(create_mkey_out),
	    CREATES(MHCA_MKEY, create_mkey_out, mkey_index), USES(mhca_mkey_refs),
	    .pages = &mhca_mkey_pages),
	ROW(QUERY_MKEY, mhca_check_nothing, mhca_cmd_query, QUERY, RUNNING,
	    IN(query_mkey_in), OUT(query_mkey_out),
	    QUERIES(MHCA_MKEY, query_mkey_in, mkey_index)),
	ROW(DESTROY_MKEY, mhca_check_nothing, mhca_cmd_destroy, MEMORY, RUNNING,
	    IN(destroy_mkey_in), HEADER_OUT,
	    DESTROYS(MHCA_MKEY, destroy_mkey_in, mkey_index)),

	/* Event queues */
	ROW(CREATE_EQ, mhca_check_eq, mhca_cmd_create, MEMORY, RUNNING,
	    LIST(create_eq_in, pas, EQ_PAGES), OUT(create_eq_out),
	    CREATES(MHCA_EQ, create_eq_out, eq_number), USES(mhca_eq_refs),
	    .pages = &mhca_eq_pages),
	ROW(QUERY_EQ, mhca_check_nothing, mhca_cmd_query, QUERY, RUNNING,
	    IN(query_eq_in), OUT(query_eq_out), QUERIES(MHCA_EQ, query_eq_in, eq_number)),
	ROW(DESTROY_EQ, mhca_check_nothing, mhca_cmd_destroy, OBJECT, RUNNING,
	    IN(destroy_eq_in), HEADER_OUT, DESTROYS(MHCA_EQ, destroy_eq_in, eq_number)),

	/* Completion queues */
	ROW(CREATE_CQ, mhca_check_cq, mhca_cmd_create, MEMORY, RUNNING,
	    LIST(create_cq_in, pas, CQ_PAGES), OUT(create_cq_out),
	    CREATES(MHCA_CQ, create_cq_out, cqn), USES(mhca_cq_refs),
	    .pages = &mhca_cq_pages),
	ROW(MODIFY_CQ, mhca_check_cq_modify, mhca_cmd_modify, MEMORY, RUNNING,
	    .op_mod_max = 1, LIST(modify_cq_in, pas, CQ_PAGES), HEADER_OUT,
	    MODIFIES(MHCA_CQ, modify_cq_in, cqn), .pages = &mhca_cq_resize_pages),
	ROW(QUERY_CQ, mhca_check_nothing, mhca_cmd_query, QUERY, RUNNING,
	    IN(query_cq_in), OUT(query_cq_out), QUERIES(MHCA_CQ, query_cq_in, cqn)),
	ROW(DESTROY_CQ, mhca_check_nothing, mhca_cmd_destroy, OBJECT, RUNNING,
	    IN(destroy_cq_in), HEADER_OUT, DESTROYS(MHCA_CQ, destroy_cq_in, cqn)),

	/* Shared receive queues, as drivers of ISSI 0 make them */
	ROW(CREATE_SRQ, mhca_check_srq, mhca_cmd_create, MEMORY, RUNNING,
	    LIST(create_srq_in, pas, SRQ_PAGES), OUT(create_srq_out),
	    CREATES(MHCA_SRQ, create_srq_out, srqn), USES(mhca_srq_refs),
	    .pages = &mhca_srq_pages),
	ROW(QUERY_SRQ, mhca_check_nothing, mhca_cmd_query, QUERY, RUNNING,
	    IN(query_srq_in), OUT(query_srq_out), QUERIES(MHCA_SRQ, query_srq_in, srqn),
	    MADE_BY(CREATE_SRQ)),
	ROW(ARM_RQ, mhca_check_arm, mhca_cmd_modify, QUERY, RUNNING,
	    .op_mod_max = 1, IN(arm_rq_in), HEADER_OUT,
	    MODIFIES(MHCA_SRQ, arm_rq_in, srq_number), MADE_BY(CREATE_SRQ)),
	ROW(DESTROY_SRQ, mhca_check_nothing, mhca_cmd_destroy, OBJECT, RUNNING,
	    IN(destroy_srq_in), HEADER_OUT, DESTROYS(MHCA_SRQ, destroy_srq_in, srqn),
	    MADE_BY(CREATE_SRQ)),

	/* The same for ISSI 1 */
	ROW(CREATE_RMP, mhca_check_rmp, mhca_cmd_create, MEMORY, RUNNING,
	    LIST(create_rmp_in, ctx.wq.pas, SRQ_PAGES), OUT(create_rmp_out),
	    CREATES(MHCA_SRQ, create_rmp_out, rmpn), USES(mhca_rmp_refs),
	    .pages = &mhca_rmp_pages),
	ROW(QUERY_RMP, mhca_check_nothing, mhca_cmd_query, QUERY, RUNNING,
	    IN(query_rmp_in), OUT(query_rmp_out), QUERIES(MHCA_SRQ, query_rmp_in, rmpn),
	    MADE_BY(CREATE_RMP)),
	ROW(MODIFY_RMP, mhca_check_rmp_modify, mhca_cmd_modify, QUERY, RUNNING,
	    IN(modify_rmp_in), HEADER_OUT, MODIFIES(MHCA_SRQ, modify_rmp_in, rmpn),
	    MADE_BY(CREATE_RMP)),
	ROW(DESTROY_RMP, mhca_check_nothing, mhca_cmd_destroy, OBJECT, RUNNING,
	    IN(destroy_rmp_in), HEADER_OUT, DESTROYS(MHCA_SRQ, destroy_rmp_in, rmpn),
	    MADE_BY(CREATE_RMP)),

	/* XRC shared receive queues */
	ROW(CREATE_XRC_SRQ, mhca_check_xrc_srq, mhca_cmd_create, MEMORY, RUNNING,
	    LIST(create_xrc_srq_in, pas, SRQ_PAGES), OUT(create_xrc_srq_out),
	    CREATES(MHCA_SRQ, create_xrc_srq_out, xrc_srqn), USES(mhca_xrc_srq_refs),
	    .pages = &mhca_xrc_srq_pages),
	ROW(QUERY_XRC_SRQ, mhca_check_nothing, mhca_cmd_query, QUERY, RUNNING,
	    IN(query_xrc_srq_in), OUT(query_xrc_srq_out),
	    QUERIES(MHCA_SRQ, query_xrc_srq_in, xrc_srqn), MADE_BY(CREATE_XRC_SRQ)),
	ROW(ARM_XRC_SRQ, mhca_check_arm, mhca_cmd_modify, QUERY, RUNNING,
	    .op_mod_max = 1, IN(arm_xrc_srq_in), HEADER_OUT,
	    MODIFIES(MHCA_SRQ, arm_xrc_srq_in, xrc_srqn), MADE_BY(CREATE_XRC_SRQ)),
	ROW(DESTROY_XRC_SRQ, mhca_check_nothing, mhca_cmd_destroy, OBJECT, RUNNING,
	    IN(destroy_xrc_srq_in), HEADER_OUT,
	    DESTROYS(MHCA_SRQ, destroy_xrc_srq_in, xrc_srqn), MADE_BY(CREATE_XRC_SRQ)),

	/* Queue pairs. SQD is not among the states: its two transitions have no row. */
	ROW(CREATE_QP, mhca_check_qp, mhca_cmd_create, MEMORY, RUNNING,
	    LIST(create_qp_in, pas, QP_PAGES), OUT(create_qp_out),
	    CREATES(MHCA_QP, create_qp_out, qpn), USES(mhca_qp_refs),
	    .pages = &mhca_qp_pages),
	ROW(RST2INIT_QP, mhca_check_nothing, mhca_cmd_modify, OBJECT, RUNNING,
	    IN(rst2init_qp_in), HEADER_OUT, MODIFIES(MHCA_QP, rst2init_qp_in, qpn),
	    USES(mhca_rst2init_refs)),
	ROW(INIT2INIT_QP, mhca_check_nothing, mhca_cmd_modify, OBJECT, RUNNING,
	    IN(init2init_qp_in), HEADER_OUT, MODIFIES(MHCA_QP, init2init_qp_in, qpn)),
	ROW(INIT2RTR_QP, mhca_check_nothing, mhca_cmd_modify, OBJECT, RUNNING,
	    IN(init2rtr_qp_in), HEADER_OUT, MODIFIES(MHCA_QP, init2rtr_qp_in, qpn)),
	ROW(RTR2RTS_QP, mhca_check_nothing, mhca_cmd_modify, OBJECT, RUNNING,
	    IN(rtr2rts_qp_in), HEADER_OUT, MODIFIES(MHCA_QP, rtr2rts_qp_in, qpn)),
	ROW(RTS2RTS_QP, mhca_check_nothing, mhca_cmd_modify, OBJECT, RUNNING,
	    IN(rts2rts_qp_in), HEADER_OUT, MODIFIES(MHCA_QP, rts2rts_qp_in, qpn)),
	ROW(SQERR2RTS_QP, mhca_check_nothing, mhca_cmd_modify, OBJECT, RUNNING,
	    IN(sqerr2rts_qp_in), HEADER_OUT, MODIFIES(MHCA_QP, sqerr2rts_qp_in, qpn)),
	ROW(2ERR_QP, mhca_check_nothing, mhca_cmd_modify, OBJECT, RUNNING,
	    IN(qp_2err_in), HEADER_OUT, MODIFIES(MHCA_QP, qp_2err_in, qpn)),
	ROW(2RST_QP, mhca_check_nothing, mhca_cmd_modify, OBJECT, RUNNING,
	    IN(qp_2rst_in), HEADER_OUT, MODIFIES(MHCA_QP, qp_2rst_in, qpn)),
	ROW(QUERY_QP, mhca_check_nothing, mhca_cmd_query, QUERY, RUNNING,
	    IN(query_qp_in), .out_min = QUERY_QP_OUT, QUERIES(MHCA_QP, query_qp_in, qpn)),
	ROW(DESTROY_QP, mhca_check_nothing, mhca_cmd_destroy, OBJECT, RUNNING,
	    IN(destroy_qp_in), HEADER_OUT, DESTROYS(MHCA_QP, destroy_qp_in, qpn)),

	/* NIC vport and RoCE addresses */
	ROW(QUERY_NIC_VPORT_CONTEXT, mhca_check_nic_vport, mhca_cmd_query_nic_vport, QUERY,
	    RUNNING, ONLY_ROCE, IN(query_nic_vport_context_in),
	    OUT(query_nic_vport_context_out)),
	ROW(MODIFY_NIC_VPORT_CONTEXT, mhca_check_nic_vport_modify, mhca_cmd_modify_nic_vport,
	    OBJECT, RUNNING, ONLY_ROCE, IN(modify_nic_vport_context_in),
	    .in_max = MLX5_ST_SZ_BYTES(modify_nic_vport_context_in) + VPORT_LIST, HEADER_OUT),
	ROW(QUERY_VPORT_STATE, mhca_check_vport_state, mhca_cmd_query_vport_state, QUERY,
	    RUNNING, ONLY_ROCE, .op_mod_max = 2, IN(query_vport_state_in),
	    OUT(query_vport_state_out)),
	ROW(QUERY_ROCE_ADDRESS, mhca_check_roce_address, mhca_cmd_query_roce_address, QUERY,
	    RUNNING, ONLY_ROCE, IN(query_roce_address_in), OUT(query_roce_address_out)),
	ROW(SET_ROCE_ADDRESS, mhca_check_roce_address_set, mhca_cmd_set_roce_address, OBJECT,
	    RUNNING, ONLY_ROCE, IN(set_roce_address_in), HEADER_OUT),

	/* Q counters */
	ROW(ALLOC_Q_COUNTER, mhca_check_nothing, mhca_cmd_create, OBJECT, RUNNING,
	    IN(alloc_q_counter_in), OUT(alloc_q_counter_out),
	    CREATES(MHCA_QCOUNTER, alloc_q_counter_out, counter_set_id)),
	ROW(QUERY_Q_COUNTER, mhca_check_own_vport, mhca_cmd_query_q_counter, QUERY, RUNNING, IN(query_q_counter_in), OUT(query_q_counter_out),
	    QUERIES(MHCA_QCOUNTER, query_q_counter_in, counter_set_id)),
	ROW(DEALLOC_Q_COUNTER, mhca_check_nothing, mhca_cmd_destroy, OBJECT, RUNNING,
	    IN(dealloc_q_counter_in), HEADER_OUT,
	    DESTROYS(MHCA_QCOUNTER, dealloc_q_counter_in, counter_set_id)),

	/* Ethernet queues */
	ROW(CREATE_SQ, mhca_check_sq, mhca_cmd_create, MEMORY, RUNNING, ONLY_ROCE,
	    LIST(create_sq_in, ctx.wq.pas, WQ_PAGES), OUT(create_sq_out),
	    CREATES(MHCA_SQ, create_sq_out, sqn), USES(mhca_sq_refs), .pages = &mhca_sq_pages),
	ROW(MODIFY_SQ, mhca_check_sq_modify, mhca_cmd_modify, OBJECT, RUNNING, ONLY_ROCE,
	    IN(modify_sq_in), HEADER_OUT, MODIFIES(MHCA_SQ, modify_sq_in, sqn)),
	ROW(QUERY_SQ, mhca_check_nothing, mhca_cmd_query, QUERY, RUNNING, ONLY_ROCE,
	    IN(query_sq_in), OUT(query_sq_out), QUERIES(MHCA_SQ, query_sq_in, sqn)),
	ROW(DESTROY_SQ, mhca_check_nothing, mhca_cmd_destroy, OBJECT, RUNNING, ONLY_ROCE,
	    IN(destroy_sq_in), HEADER_OUT, DESTROYS(MHCA_SQ, destroy_sq_in, sqn)),
	ROW(CREATE_RQ, mhca_check_rq, mhca_cmd_create, MEMORY, RUNNING, ONLY_ROCE,
	    LIST(create_rq_in, ctx.wq.pas, WQ_PAGES), OUT(create_rq_out),
	    CREATES(MHCA_RQ, create_rq_out, rqn), USES(mhca_rq_refs), .pages = &mhca_rq_pages),
	ROW(MODIFY_RQ, mhca_check_rq_modify, mhca_cmd_modify, OBJECT, RUNNING, ONLY_ROCE,
	    IN(modify_rq_in), HEADER_OUT, MODIFIES(MHCA_RQ, modify_rq_in, rqn)),
	ROW(QUERY_RQ, mhca_check_nothing, mhca_cmd_query, QUERY, RUNNING, ONLY_ROCE,
	    IN(query_rq_in), OUT(query_rq_out), QUERIES(MHCA_RQ, query_rq_in, rqn)),
	ROW(DESTROY_RQ, mhca_check_nothing, mhca_cmd_destroy, OBJECT, RUNNING, ONLY_ROCE,
	    IN(destroy_rq_in), HEADER_OUT, DESTROYS(MHCA_RQ, destroy_rq_in, rqn)),

	/* Dispatch of frames to queues */
	ROW(CREATE_RQT, mhca_check_rqt, mhca_cmd_create, OBJECT, RUNNING, ONLY_ROCE,
	    IN(create_rqt_in), .in_max = MLX5_ST_SZ_BYTES(create_rqt_in) + RQT_LIST,
	    OUT(create_rqt_out), CREATES(MHCA_RQT, create_rqt_out, rqtn)),
	ROW(MODIFY_RQT, mhca_check_rqt_modify, mhca_cmd_modify, OBJECT, RUNNING, ONLY_ROCE,
	    IN(modify_rqt_in), .in_max = MLX5_ST_SZ_BYTES(modify_rqt_in) + RQT_LIST,
	    HEADER_OUT, MODIFIES(MHCA_RQT, modify_rqt_in, rqtn)),
	ROW(DESTROY_RQT, mhca_check_nothing, mhca_cmd_destroy, OBJECT, RUNNING, ONLY_ROCE,
	    IN(destroy_rqt_in), HEADER_OUT, DESTROYS(MHCA_RQT, destroy_rqt_in, rqtn)),
	ROW(CREATE_TIR, mhca_check_tir, mhca_cmd_create, OBJECT, RUNNING, ONLY_ROCE,
	    IN(create_tir_in), OUT(create_tir_out), CREATES(MHCA_TIR, create_tir_out, tirn),
	    USES(mhca_tir_refs)),
	ROW(MODIFY_TIR, mhca_check_tir_modify, mhca_cmd_modify, OBJECT, RUNNING, ONLY_ROCE,
	    IN(modify_tir_in), HEADER_OUT, MODIFIES(MHCA_TIR, modify_tir_in, tirn)),
	ROW(DESTROY_TIR, mhca_check_nothing, mhca_cmd_destroy, OBJECT, RUNNING, ONLY_ROCE,
	    IN(destroy_tir_in), HEADER_OUT, DESTROYS(MHCA_TIR, destroy_tir_in, tirn)),
	ROW(CREATE_TIS, mhca_check_tis, mhca_cmd_create, OBJECT, RUNNING, ONLY_ROCE,
	    IN(create_tis_in), OUT(create_tis_out), CREATES(MHCA_TIS, create_tis_out, tisn),
	    USES(mhca_tis_refs)),
	ROW(MODIFY_TIS, mhca_check_tis_modify, mhca_cmd_modify, OBJECT, RUNNING, ONLY_ROCE,
	    IN(modify_tis_in), HEADER_OUT, MODIFIES(MHCA_TIS, modify_tis_in, tisn)),
	ROW(DESTROY_TIS, mhca_check_nothing, mhca_cmd_destroy, OBJECT, RUNNING, ONLY_ROCE,
	    IN(destroy_tis_in), HEADER_OUT, DESTROYS(MHCA_TIS, destroy_tis_in, tisn)),

	/* Flow steering */
	ROW(CREATE_FLOW_TABLE, mhca_check_flow_table, mhca_cmd_create, OBJECT, RUNNING,
	    ONLY_ROCE, IN(create_flow_table_in), OUT(create_flow_table_out),
	    CREATES(MHCA_FLOW_TABLE, create_flow_table_out, table_id)),
	ROW(MODIFY_FLOW_TABLE, mhca_check_flow_table_modify, mhca_cmd_modify, OBJECT, RUNNING,
	    ONLY_ROCE, IN(modify_flow_table_in), HEADER_OUT,
	    MODIFIES(MHCA_FLOW_TABLE, modify_flow_table_in, table_id)),
	ROW(SET_FLOW_TABLE_ROOT, mhca_check_flow_root, mhca_cmd_flow_root, OBJECT, RUNNING,
	    ONLY_ROCE, .op_mod_max = 1, IN(set_flow_table_root_in), HEADER_OUT),
	ROW(DESTROY_FLOW_TABLE, mhca_check_flow_target, mhca_cmd_destroy, OBJECT, RUNNING,
	    ONLY_ROCE, IN(destroy_flow_table_in), HEADER_OUT,
	    DESTROYS(MHCA_FLOW_TABLE, destroy_flow_table_in, table_id)),
	ROW(CREATE_FLOW_GROUP, mhca_check_flow_group, mhca_cmd_create, OBJECT, RUNNING,
	    ONLY_ROCE, IN(create_flow_group_in), OUT(create_flow_group_out),
	    CREATES(MHCA_FLOW_GROUP, create_flow_group_out, group_id),
	    USES(mhca_flow_group_refs)),
	ROW(DESTROY_FLOW_GROUP, mhca_check_flow_target, mhca_cmd_destroy, OBJECT, RUNNING,
	    ONLY_ROCE, IN(destroy_flow_group_in), HEADER_OUT,
	    DESTROYS(MHCA_FLOW_GROUP, destroy_flow_group_in, group_id)),
	ROW(SET_FLOW_TABLE_ENTRY, mhca_check_flow_entry, mhca_cmd_modify, OBJECT, RUNNING,
	    ONLY_ROCE, .op_mod_max = 1, IN(set_fte_in), .in_max = FTE_MAX, HEADER_OUT,
	    MODIFIES(MHCA_FLOW_TABLE, set_fte_in, table_id), USES(mhca_flow_entry_refs)),
	ROW(DELETE_FLOW_TABLE_ENTRY, mhca_check_flow_target, mhca_cmd_modify, OBJECT, RUNNING,
	    ONLY_ROCE, IN(delete_fte_in), HEADER_OUT,
	    MODIFIES(MHCA_FLOW_TABLE, delete_fte_in, table_id)),

	/* Multicast */
	ROW(ATTACH_TO_MCG, mhca_check_mcg, mhca_cmd_attach_mcg, OBJECT, RUNNING,
	    IN(attach_to_mcg_in), HEADER_OUT, MODIFIES(MHCA_QP, attach_to_mcg_in, qpn)),
	ROW(DETACH_FROM_MCG, mhca_check_mcg, mhca_cmd_detach_mcg, OBJECT, RUNNING,
	    IN(detach_from_mcg_in), HEADER_OUT, MODIFIES(MHCA_QP, detach_from_mcg_in, qpn)),
};

const u32 mhca_n_commands = ARRAY_SIZE(mhca_commands);
