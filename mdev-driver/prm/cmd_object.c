// SPDX-License-Identifier: GPL-2.0-only
/*
 * Commands about objects: create, modify, query, destroy, for every kind alike.
 * The row has named the object and what it uses; the backend does the rest.
 */
#include "command.h"

/* What an image says of the object: all of the input but the list of its pages. */
static enum mhca_syndrome mhca_create_remember(struct mhca_cmd *cmd, struct mhca_object *obj)
{
	u32 len = cmd->inlen;

	if (cmd->row->pages)
		len = min(len, cmd->row->pages->pas);
	obj->created = kvmalloc(len, GFP_KERNEL_ACCOUNT);
	if (!obj->created)
		return MHCA_SYN_NO_MEMORY;
	memcpy(obj->created, cmd->in, len);
	obj->created_len = len;
	return MHCA_SYN_NONE;
}

/* Everything that the object under creation stands on. */
static enum mhca_syndrome mhca_create_prepare(struct mhca_cmd *cmd, struct mhca_object *obj)
{
	enum mhca_syndrome syndrome;
	u8 i;

	obj->created_by = cmd->opcode;
	obj->num = cmd->load_number;
	syndrome = mhca_create_remember(cmd, obj);
	if (syndrome)
		return syndrome;
	for (i = 0; i < cmd->row->n_refs; i++) {
		if (!cmd->ref[i])
			continue;
		syndrome = mhca_object_ref(obj, cmd->ref[i]);
		if (syndrome)
			return syndrome;
	}
	return mhca_command_pin(cmd, &obj->buffer, &obj->record, &obj->record_offset);
}

/**
 * mhca_cmd_create() - CREATE_*, ALLOC_*
 * @cmd: validated command
 *
 * Return: MHCA_SYN_NONE; or why not, and then nothing stays behind.
 */
enum mhca_syndrome mhca_cmd_create(struct mhca_cmd *cmd)
{
	const struct mhca_command *row = cmd->row;
	struct mhca_instance *inst = cmd->inst;
	const struct mhca_object_ops *ops = mhca_object_ops(inst, row->kind);
	enum mhca_syndrome syndrome;
	struct mhca_object *obj;

	if (!ops)
		return MHCA_SYN_UNKNOWN_OPCODE;
	if (inst->object_count[row->kind] >=
	    mhca_limit(row->kind, inst->quota.max[row->kind]).clamped)
		return MHCA_SYN_QUOTA;
	obj = mhca_object_alloc(inst, row->kind);
	if (!obj)
		return MHCA_SYN_NO_MEMORY;

	syndrome = mhca_create_prepare(cmd, obj);
	if (syndrome)
		goto err_free;
	cmd->obj = obj;
	syndrome = ops->create(cmd);
	if (syndrome)
		goto err_free;
	syndrome = mhca_object_publish(obj);
	if (syndrome)
		goto err_free;
	mhca_field_set(cmd->out, row->number, obj->num);
	return MHCA_SYN_NONE;

err_free:
	cmd->obj = NULL;
	mhca_object_free(obj);
	return syndrome;
}

/**
 * mhca_cmd_modify() - MODIFY_*, ARM_*, transitions of a QP
 * @cmd: validated command
 *
 * A list of pages that comes with it is pinned first: the backend takes it over
 * or leaves it. Return: MHCA_SYN_NONE, or why not.
 */
enum mhca_syndrome mhca_cmd_modify(struct mhca_cmd *cmd)
{
	const struct mhca_object_ops *ops = mhca_object_ops(cmd->inst, cmd->row->kind);
	struct mhca_pages *record = NULL;
	enum mhca_syndrome syndrome;
	u32 offset;

	if (!ops->modify)
		return MHCA_SYN_UNKNOWN_OPCODE;
	syndrome = mhca_command_pin(cmd, &cmd->new_buffer, &record, &offset);
	if (!syndrome)
		syndrome = ops->modify(cmd);
	mhca_pages_put(cmd->new_buffer);
	cmd->new_buffer = NULL;
	return syndrome;
}

/**
 * mhca_cmd_query() - QUERY_*
 * @cmd: validated command
 *
 * Return: MHCA_SYN_NONE, or why not.
 */
enum mhca_syndrome mhca_cmd_query(struct mhca_cmd *cmd)
{
	const struct mhca_object_ops *ops = mhca_object_ops(cmd->inst, cmd->row->kind);

	return ops->query ? ops->query(cmd) : MHCA_SYN_UNKNOWN_OPCODE;
}

/**
 * mhca_cmd_destroy() - DESTROY_*, DEALLOC_*
 * @cmd: validated command
 *
 * Return: MHCA_SYN_NONE: it is gone, with all its memory; OBJECT_BUSY: it is used.
 */
enum mhca_syndrome mhca_cmd_destroy(struct mhca_cmd *cmd)
{
	if (cmd->obj->users)
		return MHCA_SYN_OBJECT_BUSY;
	mhca_object_remove(cmd->obj);
	cmd->obj = NULL;
	return MHCA_SYN_NONE;
}

/**
 * mhca_cmd_attach_mcg() - ATTACH_TO_MCG
 * @cmd: validated command; obj: the QP
 *
 * Return: MHCA_SYN_NONE, or why not.
 */
enum mhca_syndrome mhca_cmd_attach_mcg(struct mhca_cmd *cmd)
{
	const u8 *gid = MLX5_ADDR_OF(attach_to_mcg_in, cmd->in, multicast_gid);
	const struct mhca_hca_ops *ops = cmd->inst->hca->ops;

	return ops->attach_mcg ? ops->attach_mcg(cmd->obj, gid) : MHCA_SYN_UNKNOWN_OPCODE;
}

/**
 * mhca_cmd_detach_mcg() - DETACH_FROM_MCG
 * @cmd: validated command; obj: the QP
 *
 * Return: MHCA_SYN_NONE, or why not.
 */
enum mhca_syndrome mhca_cmd_detach_mcg(struct mhca_cmd *cmd)
{
	const u8 *gid = MLX5_ADDR_OF(detach_from_mcg_in, cmd->in, multicast_gid);
	const struct mhca_hca_ops *ops = cmd->inst->hca->ops;

	return ops->detach_mcg ? ops->detach_mcg(cmd->obj, gid) : MHCA_SYN_UNKNOWN_OPCODE;
}

/**
 * mhca_cmd_flow_root() - SET_FLOW_TABLE_ROOT
 * @cmd: validated command; op_mod 0: walks begin at the table named, 1: nowhere
 *
 * Return: MHCA_SYN_NONE, or why not.
 */
enum mhca_syndrome mhca_cmd_flow_root(struct mhca_cmd *cmd)
{
	const struct mhca_hca_ops *ops = cmd->inst->hca->ops;
	struct mhca_object *table = NULL;

	if (!ops->flow_root)
		return MHCA_SYN_UNKNOWN_OPCODE;
	if (!cmd->op_mod) {
		table = mhca_object_find(cmd->inst, MHCA_FLOW_TABLE,
					 MLX5_GET(set_flow_table_root_in, cmd->in, table_id));
		if (!table)
			return MHCA_SYN_NO_OBJECT;
	}
	return ops->flow_root(cmd->inst, table);
}
