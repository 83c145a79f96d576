// SPDX-License-Identifier: GPL-2.0-only
/*
 * What flow tables are made of: the instance's root, where misses go, entries and what
 * they do. Commands (flow.c) and images (save.c) say which.
 */
#include <mhca/kernel.h>
#include "flow.h"

/* The instance's tables. */
struct soft_flow *soft_flow_of(const struct mhca_instance *inst)
{
	return soft_instance(inst)->flow;
}

/* ---- The instance's tables --------------------------------------------------- */

/**
 * soft_flow_init() - an instance without tables
 * @si: instance
 *
 * Return: 0 or -ENOMEM.
 */
int soft_flow_init(struct soft_instance *si)
{
	si->flow = kzalloc(sizeof(*si->flow), GFP_KERNEL);
	if (!si->flow)
		return -ENOMEM;
	si->flow->seed = ktime_get_ns() ^ (unsigned long)si->flow;
	return 0;
}

/**
 * soft_flow_fini() - the instance goes, its tables are gone
 * @si: instance
 */
void soft_flow_fini(struct soft_instance *si)
{
	kfree(si->flow);
	si->flow = NULL;
}

/**
 * soft_flow_set_root() - SET_FLOW_TABLE_ROOT
 * @inst: instance
 * @obj: table, or NULL
 *
 * Return: MHCA_SYN_NONE.
 */
enum mhca_syndrome soft_flow_set_root(struct mhca_instance *inst, struct mhca_object *obj)
{
	/* A walk that finds the table finds what is in it. */
	smp_store_release(&soft_flow_of(inst)->root, (struct soft_flow_table *)obj);
	return MHCA_SYN_NONE;
}

/* NULL: the instance has no such table. */
struct soft_flow_table *soft_flow_table_find(struct mhca_instance *inst, u32 num)
{
	return (struct soft_flow_table *)mhca_object_find(inst, MHCA_FLOW_TABLE, num);
}

/**
 * soft_flow_above() - a table that frames may go to
 * @inst: instance
 * @num: number of the table
 * @level: of the table that they come from
 * @table: out
 *
 * Return: MHCA_SYN_NONE; NO_OBJECT; FLOW: it is on no higher level.
 */
enum mhca_syndrome soft_flow_above(struct mhca_instance *inst, u32 num, u8 level,
				   struct soft_flow_table **table)
{
	*table = soft_flow_table_find(inst, num);
	if (!*table)
		return MHCA_SYN_NO_OBJECT;
	return (*table)->level > level ? MHCA_SYN_NONE : MHCA_SYN_FLOW;
}

/**
 * soft_flow_set_miss() - frames that no entry takes go elsewhere
 * @table: table
 * @miss: where to, of a higher level; NULL: nowhere
 */
void soft_flow_set_miss(struct soft_flow_table *table, struct soft_flow_table *miss)
{
	struct soft_flow_table *old = table->miss;

	if (miss) {
		table->miss_num = miss->obj.num;
		mhca_object_hold(&miss->obj);
	}
	smp_store_release(&table->miss, miss);	/* as with the root */
	if (old)
		mhca_object_drop(&old->obj);
}

/* ---- Actions ----------------------------------------------------------------- */

/**
 * soft_flow_action_free() - an action that no entry has, or that nobody follows any more
 * @action: action; its destinations are dropped
 */
void soft_flow_action_free(struct soft_flow_action *action)
{
	u32 i;

	for (i = 0; i < action->n; i++)
		mhca_object_drop(action->dest[i].tir ? &action->dest[i].tir->obj :
						       &action->dest[i].table->obj);
	kfree(action);
}

/**
 * soft_flow_dest_take() - a destination more
 * @action: of an entry, with room for it
 * @from: the entry's table
 * @type: MLX5_IFC_FLOW_DESTINATION_TYPE_*
 * @id: number
 *
 * Return: MHCA_SYN_NONE: it is held; or why not.
 */
enum mhca_syndrome soft_flow_dest_take(struct soft_flow_action *action,
				       const struct soft_flow_table *from, u8 type, u32 id)
{
	struct soft_flow_dest *dest = &action->dest[action->n];
	struct mhca_instance *inst = from->obj.inst;
	enum mhca_syndrome syndrome;

	switch (type) {
	case MLX5_IFC_FLOW_DESTINATION_TYPE_TIR:
		dest->tir = (struct soft_tir *)mhca_object_find(inst, MHCA_TIR, id);
		if (!dest->tir)
			return MHCA_SYN_NO_OBJECT;
		mhca_object_hold(&dest->tir->obj);
		break;
	case MLX5_IFC_FLOW_DESTINATION_TYPE_FLOW_TABLE:
		syndrome = soft_flow_above(inst, id, from->level, &dest->table);
		if (syndrome)
			return syndrome;
		mhca_object_hold(&dest->table->obj);
		break;
	default:
		return MHCA_SYN_FLOW;
	}
	action->n++;
	return MHCA_SYN_NONE;
}

/* ---- Entries ----------------------------------------------------------------- */

static void soft_flow_entry_link(struct soft_flow_entry *entry, u64 seed)
{
	struct soft_flow_group *group = entry->group;
	struct soft_flow_entry **link;

	link = &group->bucket[soft_flow_hash(group, entry->value, seed)];
	while (*link && (*link)->index < entry->index)
		link = &(*link)->next;
	entry->next = *link;
	smp_store_release(link, entry);	/* filled before it is found */
	mhca_object_hold(&group->obj);
}

/**
 * soft_flow_entry_insert() - a new entry
 * @group: its group
 * @index: its place in the table
 * @key: what its frames say
 * @action: what it does: the entry's, or freed on error
 *
 * Return: MHCA_SYN_NONE; INDEX: none of the group's; OBJECT_BUSY: there is one; QUOTA,
 * NO_MEMORY.
 */
enum mhca_syndrome soft_flow_entry_insert(struct soft_flow_group *group, u32 index,
					  const struct soft_flow_key *key,
					  struct soft_flow_action *action)
{
	struct soft_flow *flow = soft_flow_of(group->obj.inst);
	enum mhca_syndrome syndrome = MHCA_SYN_INDEX;
	struct soft_flow_entry *entry = NULL;
	u32 i;

	if (index < group->start || index > group->end)
		goto err;
	syndrome = MHCA_SYN_QUOTA;
	if (flow->n_entries >= MHCA_MAX_FLOW_ENTRY)
		goto err;
	syndrome = MHCA_SYN_NO_MEMORY;
	entry = kzalloc(sizeof(*entry), GFP_KERNEL);
	if (!entry)
		goto err;
	entry->group = group;
	entry->index = index;
	entry->action = action;
	for (i = 0; i < group->n_words; i++)
		entry->value[i] = key->word[group->word[i]] & group->mask[i];
	switch (xa_insert(&group->table->entries, index, entry, GFP_KERNEL)) {
	case 0:
		flow->n_entries++;
		soft_flow_entry_link(entry, flow->seed);
		return MHCA_SYN_NONE;
	case -EBUSY:
		syndrome = MHCA_SYN_OBJECT_BUSY;
		break;
	}
err:
	kfree(entry);
	soft_flow_action_free(action);
	return syndrome;
}

/**
 * soft_flow_entry_unlink() - no walk finds an entry any more
 * @entry: entry, which is not in its table's list of entries
 */
void soft_flow_entry_unlink(struct soft_flow_entry *entry)
{
	struct soft_flow_group *group = entry->group;
	struct soft_flow_entry **link;

	link = &group->bucket[soft_flow_hash(group, entry->value,
					     soft_flow_of(group->obj.inst)->seed)];
	while (*link != entry)
		link = &(*link)->next;
	WRITE_ONCE(*link, entry->next);
	mhca_object_drop(&group->obj);
}

/**
 * soft_flow_entry_free() - end of an entry
 * @entry: entry that no walk is at
 */
void soft_flow_entry_free(struct soft_flow_entry *entry)
{
	struct soft_flow *flow = soft_flow_of(entry->group->obj.inst);

	flow->n_entries--;
	soft_flow_action_free(entry->action);
	kfree(entry);
}
