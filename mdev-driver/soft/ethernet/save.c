// SPDX-License-Identifier: GPL-2.0-only
/*
 * What an image says of receive queues, TIRs and flow tables beyond the commands that
 * create them. What only changes how they work goes into those commands: update.
 *
 * Saved from an instance that stands still, and loaded into one that does not run yet:
 * guest memory is not looked at.
 *
 * Entries of a flow table belong to it, though they name groups, TIRs and other tables,
 * which are created later than it: a state is read when all objects are there.
 */
#include <mhca/image.h>
#include <mhca/kernel.h>
#include "flow.h"

/* ---- RQ ---------------------------------------------------------------------- */

void soft_rq_update(struct mhca_object *obj)
{
	void *rqc = MLX5_ADDR_OF(create_rq_in, obj->created, ctx);
	struct soft_rq *rq = (struct soft_rq *)obj;

	MLX5_SET(rqc, rqc, vsd, !rq->vlan_strip);
	MLX5_SET(rqc, rqc, counter_set_id, rq->counter_set);
}

void soft_rq_save(struct mhca_object *obj, struct mhca_image *image)
{
	struct soft_rq *rq = (struct soft_rq *)obj;

	spin_lock(&rq->lock);
	mhca_image_put_u8(image, rq->state);
	mhca_image_put_u16(image, rq->consumer);
	mhca_image_put_u16(image, rq->next);
	spin_unlock(&rq->lock);
}

/* An index beyond its ring is nothing new: a guest's list may name one. */
enum mhca_syndrome soft_rq_load(struct mhca_object *obj, struct mhca_reader *in)
{
	struct soft_rq *rq = (struct soft_rq *)obj;
	u8 state = mhca_reader_u8(in);

	if (!soft_wq_state_ok(state))
		return MHCA_SYN_OBJECT_STATE;
	spin_lock(&rq->lock);
	rq->state = state;
	rq->consumer = mhca_reader_u16(in);
	rq->next = mhca_reader_u16(in);
	spin_unlock(&rq->lock);
	return MHCA_SYN_NONE;
}

/* ---- TIR --------------------------------------------------------------------- */

void soft_tir_update(struct mhca_object *obj)
{
	const struct soft_tir_attr *attr = ((struct soft_tir *)obj)->attr;
	void *tirc = MLX5_ADDR_OF(create_tir_in, obj->created, ctx);
	void *fields = MLX5_ADDR_OF(tirc, tirc, rx_hash_field_selector_outer);

	MLX5_SET(tirc, tirc, rx_hash_fn, attr->hash);
	MLX5_SET(tirc, tirc, rx_hash_symmetric, attr->symmetric);
	MLX5_SET(rx_hash_field_select, fields, l3_prot_type, attr->l3_ipv6);
	MLX5_SET(rx_hash_field_select, fields, l4_prot_type, attr->l4_udp);
	MLX5_SET(rx_hash_field_select, fields, selected_fields, attr->fields);
	memcpy(MLX5_ADDR_OF(tirc, tirc, rx_hash_toeplitz_key), attr->key, sizeof(attr->key));
	MLX5_SET(tirc, tirc, self_lb_block,
		 attr->own_unicast ? MLX5_TIRC_SELF_LB_BLOCK_BLOCK_UNICAST : 0);
}

/* ---- Flow tables ------------------------------------------------------------- */

/* Where misses go may be created later than the table: that is in its state. */
void soft_flow_table_update(struct mhca_object *obj)
{
	MLX5_SET(create_flow_table_in, obj->created, flow_table_context.table_miss_action,
		 MLX5_FLOW_TABLE_MISS_ACTION_DEF);
}

static void soft_flow_entry_save(const struct soft_flow_entry *entry, struct mhca_image *image)
{
	const struct soft_flow_action *action = entry->action;
	const struct soft_flow_group *group = entry->group;
	struct soft_flow_key key = {};
	u32 i;

	mhca_image_put_u32(image, group->obj.num);
	mhca_image_put_u32(image, entry->index);
	for (i = 0; i < group->n_words; i++)
		key.word[group->word[i]] = entry->value[i];
	mhca_image_put(image, &key, sizeof(key));
	mhca_image_put_u32(image, action->tag);
	mhca_image_put_u8(image, action->n);
	for (i = 0; i < action->n; i++) {
		const struct soft_flow_dest *dest = &action->dest[i];

		mhca_image_put_u8(image, dest->tir ? MLX5_IFC_FLOW_DESTINATION_TYPE_TIR :
						     MLX5_IFC_FLOW_DESTINATION_TYPE_FLOW_TABLE);
		mhca_image_put_u32(image, dest->tir ? dest->tir->obj.num : dest->table->obj.num);
	}
}

void soft_flow_table_save(struct mhca_object *obj, struct mhca_image *image)
{
	struct soft_flow_table *table = (struct soft_flow_table *)obj;
	struct soft_flow_entry *entry;
	unsigned long index;

	mhca_image_put_u8(image, soft_instance(obj->inst)->flow->root == table);
	mhca_image_put_u32(image, table->miss ? table->miss_num : 0);
	xa_for_each(&table->entries, index, entry) {
		soft_flow_entry_save(entry, image);
		cond_resched();
	}
}

static enum mhca_syndrome soft_flow_action_load(const struct soft_flow_table *table,
						struct mhca_reader *in,
						struct soft_flow_action **out)
{
	u32 i, tag = mhca_reader_u32(in), n = mhca_reader_u8(in);
	enum mhca_syndrome syndrome = MHCA_SYN_NONE;
	struct soft_flow_action *action;

	if (n > BIT(MHCA_LOG_MAX_FLOW_DEST))
		return MHCA_SYN_FLOW;
	action = kzalloc(struct_size(action, dest, n), GFP_KERNEL);
	if (!action)
		return MHCA_SYN_NO_MEMORY;
	action->tag = tag;
	for (i = 0; i < n && !syndrome; i++) {
		u8 type = mhca_reader_u8(in);

		syndrome = soft_flow_dest_take(action, table, type, mhca_reader_u32(in));
	}
	if (syndrome)
		soft_flow_action_free(action);
	else
		*out = action;
	return syndrome;
}

static enum mhca_syndrome soft_flow_entry_load(struct soft_flow_table *table,
					       struct mhca_reader *in)
{
	u32 num = mhca_reader_u32(in), index = mhca_reader_u32(in);
	struct soft_flow_action *action;
	enum mhca_syndrome syndrome;
	struct soft_flow_group *group;
	struct soft_flow_key key;

	group = (struct soft_flow_group *)mhca_object_find(table->obj.inst, MHCA_FLOW_GROUP, num);
	if (!group || group->table != table)
		return MHCA_SYN_NO_OBJECT;
	mhca_reader_get(in, &key, sizeof(key));
	syndrome = soft_flow_action_load(table, in, &action);
	return syndrome ?: soft_flow_entry_insert(group, index, &key, action);
}

enum mhca_syndrome soft_flow_table_load(struct mhca_object *obj, struct mhca_reader *in)
{
	struct soft_flow_table *table = (struct soft_flow_table *)obj, *miss = NULL;
	enum mhca_syndrome syndrome = MHCA_SYN_NONE;
	bool root = mhca_reader_u8(in);
	u32 num = mhca_reader_u32(in);

	if (num)
		syndrome = soft_flow_above(obj->inst, num, table->level, &miss);
	if (syndrome)
		return syndrome;
	soft_flow_set_miss(table, miss);
	if (root)
		soft_flow_set_root(obj->inst, obj);
	while (in->left && !in->bad && !syndrome) {
		syndrome = soft_flow_entry_load(table, in);
		cond_resched();
	}
	return syndrome;
}
