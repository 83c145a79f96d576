// SPDX-License-Identifier: GPL-2.0-only
/*
 * The command table: everything that a guest may say through the command queue.
 *
 * This file is the trust boundary. An opcode that has no row is refused. For each
 * row, before its handler runs: the function is in one of its states; uid is 0; the
 * modifier and both lengths are in range; every object named is one of this
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
#define REGISTER_MAX	(MLX5_BYTE_OFF(access_register_in, register_data) + 0x400)
/* Drivers differ in how much of INIT_HCA they know. */
#define INIT_HCA_MAX	0x40

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
	    RUNNING, IN(query_hca_vport_context_in), OUT(query_hca_vport_context_out)),
	ROW(MODIFY_HCA_VPORT_CONTEXT, mhca_check_vport_modify, mhca_cmd_modify_vport_context,
	    QUERY, RUNNING, IN(modify_hca_vport_context_in), HEADER_OUT),
	ROW(QUERY_HCA_VPORT_GID, mhca_check_vport_gid, mhca_cmd_query_vport_gid, QUERY,
	    RUNNING, IN(query_hca_vport_gid_in), OUT(query_hca_vport_gid_out)),
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
	    IN(query_qp_in), OUT(query_qp_out), QUERIES(MHCA_QP, query_qp_in, qpn)),
	ROW(DESTROY_QP, mhca_check_nothing, mhca_cmd_destroy, OBJECT, RUNNING,
	    IN(destroy_qp_in), HEADER_OUT, DESTROYS(MHCA_QP, destroy_qp_in, qpn)),

	/* Multicast */
	ROW(ATTACH_TO_MCG, mhca_check_mcg, mhca_cmd_attach_mcg, OBJECT, RUNNING,
	    IN(attach_to_mcg_in), HEADER_OUT, MODIFIES(MHCA_QP, attach_to_mcg_in, qpn)),
	ROW(DETACH_FROM_MCG, mhca_check_mcg, mhca_cmd_detach_mcg, OBJECT, RUNNING,
	    IN(detach_from_mcg_in), HEADER_OUT, MODIFIES(MHCA_QP, detach_from_mcg_in, qpn)),
};

const u32 mhca_n_commands = ARRAY_SIZE(mhca_commands);
