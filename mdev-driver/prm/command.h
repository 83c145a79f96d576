/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A row of the command table: what a guest may say with one opcode, and how it
 * is checked. command.c works on rows and knows no opcode.
 */
#ifndef MHCA_COMMAND_H
#define MHCA_COMMAND_H

#include "core.h"

/**
 * struct mhca_field - a big-endian bit field of a mailbox
 * @offset: of its first bit
 * @bits: width, 1 … 32 inside one word, or 64; 0: no such field
 */
struct mhca_field {
	u16 offset;
	u8 bits;
};

#define MHCA_FIELD(type, field)							\
	{ .offset = __mlx5_bit_off(type, field), .bits = __mlx5_bit_sz(type, field) }

u64 mhca_field_get(const void *mailbox, struct mhca_field field);
void mhca_field_set(void *mailbox, struct mhca_field field, u32 value);

/**
 * struct mhca_ref_row - a field that names an object the command uses
 * @kind: of the object
 * @field: its number
 * @when: does the field count in this command? NULL: always
 * @optional: number 0 names nothing
 */
struct mhca_ref_row {
	enum mhca_object_kind kind;
	struct mhca_field field;
	bool (*when)(const struct mhca_cmd *cmd);
	bool optional;
};

/**
 * struct mhca_page_row - the guest memory that a command brings
 * @pas: byte offset of the page list; it goes to the end of the input
 * @log_page_size: page size field
 * @bias: is added to it
 * @spare: entries that the list may be longer than its buffer
 * @record: address of the doorbell record; bits 0: none
 * @writable: the device writes to the buffer
 * @record_writable: and to the doorbell record
 * @when: does this command bring a list? NULL: always
 * @offset: where the buffer begins in the list, bytes; @shift: of a page
 * @bytes: its size; 0: it has none, and needs no list and no record
 * @writes: instead of @writable when it depends on the command
 * @longest: bytes of the longest buffer that the instance may have, NULL: no bound but
 *           that of pinned memory
 * @too_long: what is said to a list that is longer than that
 */
struct mhca_page_row {
	u32 pas;
	struct mhca_field log_page_size;
	u8 bias;
	u8 spare;
	struct mhca_field record;
	bool writable;
	bool record_writable;
	bool (*when)(const struct mhca_cmd *cmd);
	u64 (*offset)(const struct mhca_cmd *cmd, u8 shift);
	u64 (*bytes)(const struct mhca_cmd *cmd);
	bool (*writes)(const struct mhca_cmd *cmd);
	u64 (*longest)(const struct mhca_instance *inst);
	enum mhca_syndrome too_long;
};

/* What a command does to the object it is about. */
enum mhca_action {
	MHCA_ACT_NONE,
	MHCA_ACT_CREATE,
	MHCA_ACT_MODIFY,
	MHCA_ACT_QUERY,
	MHCA_ACT_DESTROY,
};

/* What it costs the host: weights for the control verb rate. */
enum mhca_cost {
	MHCA_COST_QUERY = 1,	/* answered from memory */
	MHCA_COST_OBJECT = 4,	/* allocates, fences */
	MHCA_COST_MEMORY = 16,	/* pins guest memory */
};

/* Pages pinned, and bytes of input copied, for one unit more. */
#define MHCA_COST_PAGES		512
#define MHCA_COST_BYTES		4096

/* Function states in which a command is allowed. */
#define MHCA_IN_RESET		BIT(MHCA_FN_RESET)
#define MHCA_IN_ENABLED		BIT(MHCA_FN_ENABLED)
#define MHCA_IN_INITIALISED	BIT(MHCA_FN_INITIALISED)

/**
 * struct mhca_command - a row of the command table
 * @opcode: MLX5_CMD_OP_*
 * @name: its name
 * @states: MHCA_IN_*
 * @personality: BIT() of the port types that have the command; 0: all
 * @op_mod_max: greatest opcode modifier
 * @cost: cost class
 * @in_min: least input length, bytes
 * @in_max: greatest; 0: exactly @in_min
 * @out_min: least output length; what a handler may write to
 * @action: what it does to ...
 * @kind: ... an object of this kind, ...
 * @number: ... which this field of the input names (of the output, for CREATE)
 * @creator: opcode that must have created it; 0: any
 * @refs: objects it uses
 * @n_refs: length of @refs
 * @pages: guest memory it brings, or NULL
 * @validate: checks whatever is not said above: reserved values, ranges, sizes.
 *            Every row has one; the table's macro does not compile without.
 * @handler: executes it
 */
struct mhca_command {
	u16 opcode;
	const char *name;
	u8 states;
	u8 personality;
	u16 op_mod_max;
	enum mhca_cost cost;
	u32 in_min;
	u32 in_max;
	u32 out_min;
	enum mhca_action action;
	enum mhca_object_kind kind;
	struct mhca_field number;
	u16 creator;
	const struct mhca_ref_row *refs;
	u8 n_refs;
	const struct mhca_page_row *pages;
	enum mhca_syndrome (*validate)(const struct mhca_cmd *cmd);
	enum mhca_syndrome (*handler)(struct mhca_cmd *cmd);
};

extern const struct mhca_command mhca_commands[];
extern const u32 mhca_n_commands;

/* command.c */
const struct mhca_command *mhca_command_find(enum mhca_personality personality, u16 opcode);
u64 mhca_command_wait(struct mhca_instance *inst);
enum mhca_syndrome mhca_command_admit(struct mhca_cmd *cmd);
enum mhca_syndrome mhca_command_execute(struct mhca_cmd *cmd);
void mhca_command_account(const struct mhca_cmd *cmd, enum mhca_syndrome syndrome, u64 ns);
enum mhca_syndrome mhca_command_pin(struct mhca_cmd *cmd, struct mhca_pages **buffer,
				    struct mhca_pages **record, u32 *record_offset);

/* cmd_hca.c */
enum mhca_syndrome mhca_check_function(const struct mhca_cmd *cmd);
enum mhca_syndrome mhca_check_pages(const struct mhca_cmd *cmd);
enum mhca_syndrome mhca_check_cap(const struct mhca_cmd *cmd);
enum mhca_syndrome mhca_check_teardown(const struct mhca_cmd *cmd);
enum mhca_syndrome mhca_check_issi(const struct mhca_cmd *cmd);
enum mhca_syndrome mhca_cmd_enable_hca(struct mhca_cmd *cmd);
enum mhca_syndrome mhca_cmd_disable_hca(struct mhca_cmd *cmd);
enum mhca_syndrome mhca_cmd_init_hca(struct mhca_cmd *cmd);
enum mhca_syndrome mhca_cmd_teardown_hca(struct mhca_cmd *cmd);
enum mhca_syndrome mhca_cmd_query_issi(struct mhca_cmd *cmd);
enum mhca_syndrome mhca_cmd_set_issi(struct mhca_cmd *cmd);
enum mhca_syndrome mhca_cmd_query_pages(struct mhca_cmd *cmd);
enum mhca_syndrome mhca_cmd_manage_pages(struct mhca_cmd *cmd);
enum mhca_syndrome mhca_cmd_query_hca_cap(struct mhca_cmd *cmd);
enum mhca_syndrome mhca_cmd_set_hca_cap(struct mhca_cmd *cmd);
enum mhca_syndrome mhca_cmd_query_adapter(struct mhca_cmd *cmd);

/* cmd_port.c */
enum mhca_syndrome mhca_check_vport(const struct mhca_cmd *cmd);
enum mhca_syndrome mhca_check_vport_modify(const struct mhca_cmd *cmd);
enum mhca_syndrome mhca_check_vport_gid(const struct mhca_cmd *cmd);
enum mhca_syndrome mhca_check_vport_pkey(const struct mhca_cmd *cmd);
enum mhca_syndrome mhca_check_mad(const struct mhca_cmd *cmd);
enum mhca_syndrome mhca_cmd_query_vport_context(struct mhca_cmd *cmd);
enum mhca_syndrome mhca_cmd_modify_vport_context(struct mhca_cmd *cmd);
enum mhca_syndrome mhca_cmd_query_vport_gid(struct mhca_cmd *cmd);
enum mhca_syndrome mhca_cmd_query_vport_pkey(struct mhca_cmd *cmd);
enum mhca_syndrome mhca_cmd_query_vport_counter(struct mhca_cmd *cmd);
enum mhca_syndrome mhca_cmd_mad_ifc(struct mhca_cmd *cmd);

/* cmd_register.c */
enum mhca_syndrome mhca_check_register(const struct mhca_cmd *cmd);
enum mhca_syndrome mhca_cmd_access_register(struct mhca_cmd *cmd);

/* cmd_vport.c */
enum mhca_syndrome mhca_check_own_vport(const struct mhca_cmd *cmd);
enum mhca_syndrome mhca_check_nic_vport(const struct mhca_cmd *cmd);
enum mhca_syndrome mhca_check_nic_vport_modify(const struct mhca_cmd *cmd);
enum mhca_syndrome mhca_check_vport_state(const struct mhca_cmd *cmd);
enum mhca_syndrome mhca_check_roce_address(const struct mhca_cmd *cmd);
enum mhca_syndrome mhca_check_roce_address_set(const struct mhca_cmd *cmd);
enum mhca_syndrome mhca_cmd_query_nic_vport(struct mhca_cmd *cmd);
enum mhca_syndrome mhca_cmd_modify_nic_vport(struct mhca_cmd *cmd);
enum mhca_syndrome mhca_cmd_query_vport_state(struct mhca_cmd *cmd);
enum mhca_syndrome mhca_cmd_set_roce_address(struct mhca_cmd *cmd);
enum mhca_syndrome mhca_cmd_query_roce_address(struct mhca_cmd *cmd);
enum mhca_syndrome mhca_cmd_query_q_counter(struct mhca_cmd *cmd);

/* cmd_eth.c */
enum mhca_syndrome mhca_check_sq(const struct mhca_cmd *cmd);
enum mhca_syndrome mhca_check_sq_modify(const struct mhca_cmd *cmd);
enum mhca_syndrome mhca_check_rq(const struct mhca_cmd *cmd);
enum mhca_syndrome mhca_check_rq_modify(const struct mhca_cmd *cmd);
enum mhca_syndrome mhca_check_rqt(const struct mhca_cmd *cmd);
enum mhca_syndrome mhca_check_rqt_modify(const struct mhca_cmd *cmd);
enum mhca_syndrome mhca_check_tir(const struct mhca_cmd *cmd);
enum mhca_syndrome mhca_check_tir_modify(const struct mhca_cmd *cmd);
enum mhca_syndrome mhca_check_tis(const struct mhca_cmd *cmd);
enum mhca_syndrome mhca_check_tis_modify(const struct mhca_cmd *cmd);
bool mhca_sq_has_tis(const struct mhca_cmd *cmd);
bool mhca_tir_is_direct(const struct mhca_cmd *cmd);
bool mhca_tir_is_indirect(const struct mhca_cmd *cmd);
extern const struct mhca_page_row mhca_sq_pages;
extern const struct mhca_page_row mhca_rq_pages;

/* cmd_flow.c */
enum mhca_syndrome mhca_check_flow_table(const struct mhca_cmd *cmd);
enum mhca_syndrome mhca_check_flow_table_modify(const struct mhca_cmd *cmd);
enum mhca_syndrome mhca_check_flow_root(const struct mhca_cmd *cmd);
enum mhca_syndrome mhca_check_flow_target(const struct mhca_cmd *cmd);
enum mhca_syndrome mhca_check_flow_group(const struct mhca_cmd *cmd);
enum mhca_syndrome mhca_check_flow_entry(const struct mhca_cmd *cmd);

/* cmd_object.c */
enum mhca_syndrome mhca_cmd_create(struct mhca_cmd *cmd);
enum mhca_syndrome mhca_cmd_modify(struct mhca_cmd *cmd);
enum mhca_syndrome mhca_cmd_query(struct mhca_cmd *cmd);
enum mhca_syndrome mhca_cmd_destroy(struct mhca_cmd *cmd);
enum mhca_syndrome mhca_cmd_attach_mcg(struct mhca_cmd *cmd);
enum mhca_syndrome mhca_cmd_detach_mcg(struct mhca_cmd *cmd);
enum mhca_syndrome mhca_cmd_flow_root(struct mhca_cmd *cmd);

/* cmd_check.c: what each object's context may say, and where its memory is */
enum mhca_syndrome mhca_check_nothing(const struct mhca_cmd *cmd);
enum mhca_syndrome mhca_check_eq(const struct mhca_cmd *cmd);
enum mhca_syndrome mhca_check_cq(const struct mhca_cmd *cmd);
enum mhca_syndrome mhca_check_cq_modify(const struct mhca_cmd *cmd);
enum mhca_syndrome mhca_check_mkey(const struct mhca_cmd *cmd);
enum mhca_syndrome mhca_check_srq(const struct mhca_cmd *cmd);
enum mhca_syndrome mhca_check_xrc_srq(const struct mhca_cmd *cmd);
enum mhca_syndrome mhca_check_rmp(const struct mhca_cmd *cmd);
enum mhca_syndrome mhca_check_arm(const struct mhca_cmd *cmd);
enum mhca_syndrome mhca_check_rmp_modify(const struct mhca_cmd *cmd);
enum mhca_syndrome mhca_check_qp(const struct mhca_cmd *cmd);
enum mhca_syndrome mhca_check_mcg(const struct mhca_cmd *cmd);
bool mhca_qp_has_pd(const struct mhca_cmd *cmd);
bool mhca_qp_has_sq(const struct mhca_cmd *cmd);
bool mhca_qp_has_uar(const struct mhca_cmd *cmd);
bool mhca_qp_has_srq(const struct mhca_cmd *cmd);
bool mhca_qp_is_xrc(const struct mhca_cmd *cmd);
extern const struct mhca_page_row mhca_eq_pages;
extern const struct mhca_page_row mhca_cq_pages;
extern const struct mhca_page_row mhca_cq_resize_pages;
extern const struct mhca_page_row mhca_mkey_pages;
extern const struct mhca_page_row mhca_srq_pages;
extern const struct mhca_page_row mhca_xrc_srq_pages;
extern const struct mhca_page_row mhca_rmp_pages;
extern const struct mhca_page_row mhca_qp_pages;

#endif /* MHCA_COMMAND_H */
