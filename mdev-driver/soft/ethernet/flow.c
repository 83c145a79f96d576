// SPDX-License-Identifier: GPL-2.0-only
/*
 * Flow tables as objects: what commands make of tables, groups and entries. flow_match.c
 * walks what is built here.
 */
#include <mhca/kernel.h>
#include "flow.h"

#define SOFT_FTE_MODIFY		1	/* op_mod of SET_FLOW_TABLE_ENTRY */
/* modify_enable_mask */
#define SOFT_FTE_TAG		BIT(MLX5_SET_FTE_MODIFY_ENABLE_MASK_FLOW_TAG)
#define SOFT_FTE_DEST		(BIT(MLX5_SET_FTE_MODIFY_ENABLE_MASK_ACTION) | \
				 BIT(MLX5_SET_FTE_MODIFY_ENABLE_MASK_DESTINATION_LIST))

/* ---- Tables ------------------------------------------------------------------ */

/* Where @ctx lets misses go. A table of @level is looked for, and a higher one found. */
static enum mhca_syndrome soft_flow_miss(struct mhca_instance *inst, const void *ctx, u8 level,
					 struct soft_flow_table **miss)
{
	*miss = NULL;
	if (MLX5_GET(flow_table_context, ctx, table_miss_action) != MLX5_FLOW_TABLE_MISS_ACTION_FWD)
		return MHCA_SYN_NONE;
	return soft_flow_above(inst, MLX5_GET(flow_table_context, ctx, table_miss_id), level, miss);
}

static enum mhca_syndrome soft_flow_table_create(struct mhca_cmd *cmd)
{
	const void *ctx = MLX5_ADDR_OF(create_flow_table_in, cmd->in, flow_table_context);
	struct soft_flow_table *table = (struct soft_flow_table *)cmd->obj;
	struct soft_flow_table *miss;
	enum mhca_syndrome syndrome;

	table->level = MLX5_GET(flow_table_context, ctx, level);
	table->size = 1U << MLX5_GET(flow_table_context, ctx, log_size);
	syndrome = soft_flow_miss(cmd->inst, ctx, table->level, &miss);
	if (syndrome)
		return syndrome;
	syndrome = mhca_object_number(&table->obj, 1, MHCA_NUMBER_MAX);
	if (syndrome)
		return syndrome;
	xa_init(&table->entries);
	soft_flow_set_miss(table, miss);
	return MHCA_SYN_NONE;
}

static enum mhca_syndrome soft_flow_table_change(struct mhca_cmd *cmd)
{
	const void *ctx = MLX5_ADDR_OF(modify_flow_table_in, cmd->in, flow_table_context);
	struct soft_flow_table *table = (struct soft_flow_table *)cmd->obj;
	enum mhca_syndrome syndrome;
	struct soft_flow_table *miss;

	if (!MLX5_GET(modify_flow_table_in, cmd->in, modify_field_select))
		return MHCA_SYN_NONE;
	syndrome = soft_flow_miss(cmd->inst, ctx, table->level, &miss);
	if (!syndrome)
		soft_flow_set_miss(table, miss);
	return syndrome;
}

/*
 * Its groups are gone. A driver destroys the last table without taking the root away
 * first. With users (other tables miss to it) it goes in a reset, which takes all of
 * them at once, in the order of their numbers: no walk may begin any more, and the
 * table that this one misses to may be gone already.
 */
static void soft_flow_table_destroy(struct mhca_object *obj)
{
	struct soft_flow_table *table = (struct soft_flow_table *)obj;
	struct soft_flow *flow = soft_flow_of(obj->inst);

	if (flow->root == table || obj->users)
		WRITE_ONCE(flow->root, NULL);
	synchronize_srcu_expedited(&soft_hca_of(obj->inst)->srcu);
	if (table->miss && soft_flow_table_find(obj->inst, table->miss_num) == table->miss)
		mhca_object_drop(&table->miss->obj);
	table->miss = NULL;
	kvfree(table->groups);
	table->groups = NULL;
	xa_destroy(&table->entries);
}

/* ---- Groups ------------------------------------------------------------------ */

static void soft_flow_group_mask(struct soft_flow_group *group, const void *criteria)
{
	struct soft_flow_key mask;
	u32 i;

	BUILD_BUG_ON(sizeof(mask) != MLX5_ST_SZ_BYTES(fte_match_set_lyr_2_4));
	memcpy(&mask, MLX5_ADDR_OF(fte_match_param, criteria, outer_headers), sizeof(mask));
	group->n_words = 0;
	for (i = 0; i < SOFT_FLOW_WORDS; i++) {
		if (!mask.word[i])
			continue;
		group->word[group->n_words] = i;
		group->mask[group->n_words++] = mask.word[i];
	}
}

/* A list like @old with @add in its place and without @del; NULL: no memory. */
static struct soft_flow_groups *soft_flow_groups_build(const struct soft_flow_groups *old,
						       struct soft_flow_group *add,
						       const struct soft_flow_group *del)
{
	u32 i, n = old ? old->n : 0;
	struct soft_flow_groups *new;

	new = kvzalloc(struct_size(new, group, n + 1), GFP_KERNEL);
	if (!new)
		return NULL;
	for (i = 0; i < n; i++) {
		if (add && add->start < old->group[i]->start) {
			new->group[new->n++] = add;
			add = NULL;
		}
		if (old->group[i] != del)
			new->group[new->n++] = old->group[i];
	}
	if (add)
		new->group[new->n++] = add;
	return new;
}

static bool soft_flow_group_overlaps(const struct soft_flow_table *table, u32 start, u32 end)
{
	const struct soft_flow_groups *groups = table->groups;
	u32 i;

	for (i = 0; groups && i < groups->n; i++)
		if (start <= groups->group[i]->end && groups->group[i]->start <= end)
			return true;
	return false;
}

static enum mhca_syndrome soft_flow_group_link(struct soft_flow_group *group)
{
	struct soft_flow_table *table = group->table;
	struct soft_flow_groups *new, *old = table->groups;

	new = soft_flow_groups_build(old, group, NULL);
	if (!new)
		return MHCA_SYN_NO_MEMORY;
	smp_store_release(&table->groups, new);	/* filled before it is found */
	if (old) {
		synchronize_srcu_expedited(&soft_hca_of(group->obj.inst)->srcu);
		kvfree(old);
	}
	return MHCA_SYN_NONE;
}

static enum mhca_syndrome soft_flow_group_create(struct mhca_cmd *cmd)
{
	struct soft_flow_group *group = (struct soft_flow_group *)cmd->obj;
	enum mhca_syndrome syndrome;
	u32 range;

	group->table = (struct soft_flow_table *)cmd->ref[0];
	group->start = MLX5_GET(create_flow_group_in, cmd->in, start_flow_index);
	group->end = MLX5_GET(create_flow_group_in, cmd->in, end_flow_index);
	if (group->end >= group->table->size)
		return MHCA_SYN_INDEX;
	if (soft_flow_group_overlaps(group->table, group->start, group->end))
		return MHCA_SYN_FLOW;
	soft_flow_group_mask(group, MLX5_ADDR_OF(create_flow_group_in, cmd->in, match_criteria));
	range = min(group->end - group->start + 1, SOFT_FLOW_MAX_BUCKETS);
	group->n_buckets = roundup_pow_of_two(range);
	group->bucket = kvcalloc(group->n_buckets, sizeof(*group->bucket), GFP_KERNEL);
	if (!group->bucket)
		return MHCA_SYN_NO_MEMORY;
	syndrome = mhca_object_number(&group->obj, 1, MHCA_NUMBER_MAX);
	if (!syndrome)
		syndrome = soft_flow_group_link(group);
	if (syndrome) {
		kvfree(group->bucket);
		group->bucket = NULL;
	}
	return syndrome;
}

/*
 * DESTROY_FLOW_GROUP finds it without entries; a reset does not. Walkers that found
 * it in the old list are waited for before anything is freed.
 */
static void soft_flow_group_destroy(struct mhca_object *obj)
{
	struct soft_flow_group *group = (struct soft_flow_group *)obj;
	struct soft_flow_groups *new, *old = group->table->groups;
	struct soft_flow_table *table = group->table;
	struct soft_flow_entry *entry, *next;
	u32 i;

	new = soft_flow_groups_build(old, NULL, group);
	/* Without memory the table loses its other groups as well: it passes nothing. */
	smp_store_release(&table->groups, new);	/* filled before it is found */
	synchronize_srcu_expedited(&soft_hca_of(obj->inst)->srcu);
	kvfree(old);
	for (i = 0; i < group->n_buckets; i++) {
		for (entry = group->bucket[i]; entry; entry = next) {
			next = entry->next;
			xa_erase(&table->entries, entry->index);
			soft_flow_entry_free(entry);
		}
	}
	kvfree(group->bucket);
	group->bucket = NULL;
}

const struct mhca_object_ops soft_flow_group_ops = {
	.size = sizeof(struct soft_flow_group),
	.create = soft_flow_group_create,
	.destroy = soft_flow_group_destroy,
	.stateless = true,
};

/* ---- Entries ----------------------------------------------------------------- */

/* The validator has seen that the list fits the input and the bound. */
static enum mhca_syndrome soft_flow_action_build(struct mhca_cmd *cmd,
						 struct soft_flow_action **out)
{
	const void *ctx = MLX5_ADDR_OF(set_fte_in, cmd->in, flow_context);
	const u8 *format = MLX5_ADDR_OF(flow_context, ctx, destination);
	u32 i, n = MLX5_GET(flow_context, ctx, destination_list_size);
	struct soft_flow_table *table = (struct soft_flow_table *)cmd->obj;
	struct soft_flow_action *action;
	enum mhca_syndrome syndrome;

	action = kzalloc(struct_size(action, dest, n), GFP_KERNEL);
	if (!action)
		return MHCA_SYN_NO_MEMORY;
	action->tag = MLX5_GET(flow_context, ctx, flow_tag);
	for (i = 0; i < n; i++, format += MLX5_ST_SZ_BYTES(dest_format_struct)) {
		syndrome = soft_flow_dest_take(action, table,
					       MLX5_GET(dest_format_struct, format,
							destination_type),
					       MLX5_GET(dest_format_struct, format,
							destination_id));
		if (syndrome) {
			soft_flow_action_free(action);
			return syndrome;
		}
	}
	*out = action;
	return MHCA_SYN_NONE;
}

static enum mhca_syndrome soft_flow_entry_add(struct mhca_cmd *cmd,
					      struct soft_flow_group *group, u32 index)
{
	const void *ctx = MLX5_ADDR_OF(set_fte_in, cmd->in, flow_context);
	const void *match = MLX5_ADDR_OF(flow_context, ctx, match_value);
	struct soft_flow_action *action;
	enum mhca_syndrome syndrome;
	struct soft_flow_key key;

	memcpy(&key, MLX5_ADDR_OF(fte_match_param, match, outer_headers), sizeof(key));
	syndrome = soft_flow_action_build(cmd, &action);
	return syndrome ?: soft_flow_entry_insert(group, index, &key, action);
}

/* Tag, or action with its destinations; the value stays. */
static enum mhca_syndrome soft_flow_entry_change(struct mhca_cmd *cmd,
						 struct soft_flow_entry *entry)
{
	u8 mask = MLX5_GET(set_fte_in, cmd->in, modify_enable_mask);
	struct soft_flow_action *action, *old = entry->action;
	enum mhca_syndrome syndrome;
	u32 i;

	if (!(mask & (SOFT_FTE_TAG | SOFT_FTE_DEST)))
		return MHCA_SYN_NONE;
	if (mask & SOFT_FTE_DEST) {
		syndrome = soft_flow_action_build(cmd, &action);
		if (syndrome)
			return syndrome;
		if (!(mask & SOFT_FTE_TAG))
			action->tag = old->tag;
	} else {
		action = kmemdup(old, struct_size(old, dest, old->n), GFP_KERNEL);
		if (!action)
			return MHCA_SYN_NO_MEMORY;
		for (i = 0; i < action->n; i++)
			mhca_object_hold(action->dest[i].tir ? &action->dest[i].tir->obj :
							       &action->dest[i].table->obj);
		action->tag = MLX5_GET(set_fte_in, cmd->in, flow_context.flow_tag);
	}
	smp_store_release(&entry->action, action);	/* filled before it is found */
	synchronize_srcu_expedited(&soft_hca_of(cmd->inst)->srcu);
	soft_flow_action_free(old);
	return MHCA_SYN_NONE;
}

static enum mhca_syndrome soft_flow_entry_set(struct mhca_cmd *cmd)
{
	struct soft_flow_group *group = (struct soft_flow_group *)cmd->ref[0];
	struct soft_flow_table *table = (struct soft_flow_table *)cmd->obj;
	u32 index = MLX5_GET(set_fte_in, cmd->in, flow_index);
	struct soft_flow_entry *entry;

	if (group->table != table)
		return MHCA_SYN_OBJECT_TYPE;
	if (index < group->start || index > group->end)
		return MHCA_SYN_INDEX;
	entry = xa_load(&table->entries, index);
	if (cmd->op_mod == SOFT_FTE_MODIFY)
		return entry ? soft_flow_entry_change(cmd, entry) : MHCA_SYN_NO_OBJECT;
	return entry ? MHCA_SYN_OBJECT_BUSY : soft_flow_entry_add(cmd, group, index);
}

static enum mhca_syndrome soft_flow_entry_delete(struct mhca_cmd *cmd)
{
	struct soft_flow_table *table = (struct soft_flow_table *)cmd->obj;
	u32 index = MLX5_GET(delete_fte_in, cmd->in, flow_index);
	struct soft_flow_entry *entry = xa_erase(&table->entries, index);

	if (!entry)
		return MHCA_SYN_NO_OBJECT;
	soft_flow_entry_unlink(entry);
	synchronize_srcu_expedited(&soft_hca_of(cmd->inst)->srcu);
	soft_flow_entry_free(entry);
	return MHCA_SYN_NONE;
}

static enum mhca_syndrome soft_flow_table_modify(struct mhca_cmd *cmd)
{
	switch (cmd->opcode) {
	case MLX5_CMD_OP_SET_FLOW_TABLE_ENTRY:
		return soft_flow_entry_set(cmd);
	case MLX5_CMD_OP_DELETE_FLOW_TABLE_ENTRY:
		return soft_flow_entry_delete(cmd);
	default:
		return soft_flow_table_change(cmd);
	}
}

const struct mhca_object_ops soft_flow_table_ops = {
	.size = sizeof(struct soft_flow_table),
	.create = soft_flow_table_create,
	.modify = soft_flow_table_modify,
	.update = soft_flow_table_update,
	.save = soft_flow_table_save,
	.load = soft_flow_table_load,
	.destroy = soft_flow_table_destroy,
};
