// SPDX-License-Identifier: GPL-2.0-only
/*
 * The walk through flow tables: a frame's fields in the PRM's layout, a masked
 * comparison per group, destinations. It knows no table: what a driver calls "TTC"
 * or "L2" is entries like any others.
 */
#include <mhca/kernel.h>
#include "flow.h"

#define SOFT_IPPROTO_TCP	6
#define SOFT_IPPROTO_UDP	17
/* Tables that one frame visits: levels rise, but an entry may fan out. */
#define SOFT_FLOW_STEPS		64
#define SOFT_FLOW_TODO		16

#define SOFT_KEY_SET(key, field, value)						\
	MLX5_SET(fte_match_set_lyr_2_4, (key)->word, field, value)

static void soft_flow_key_l2(const struct soft_frame *frame, struct soft_flow_key *key)
{
	u8 *l2 = (u8 *)key->word;

	/* Addresses stand in the layout as on the wire. */
	memcpy(l2 + MLX5_BYTE_OFF(fte_match_set_lyr_2_4, dmac_47_16), frame->head, 6);
	memcpy(l2 + MLX5_BYTE_OFF(fte_match_set_lyr_2_4, smac_47_16), frame->head + 6, 6);
	SOFT_KEY_SET(key, ethertype, frame->ethertype);
	if (!frame->n_vlan)
		return;
	SOFT_KEY_SET(key, first_prio, frame->vlan_tci >> 13);
	SOFT_KEY_SET(key, first_cfi, frame->vlan_tci >> 12 & 1);
	SOFT_KEY_SET(key, first_vid, frame->vlan_tci & 0xfff);
	SOFT_KEY_SET(key, cvlan_tag, !frame->vlan_svlan);
	SOFT_KEY_SET(key, svlan_tag, frame->vlan_svlan);
}

static void soft_flow_key_ip(const struct soft_frame *frame, struct soft_flow_key *key)
{
	u8 *src = MLX5_ADDR_OF(fte_match_set_lyr_2_4, key->word, src_ipv4_src_ipv6);
	u8 *dst = MLX5_ADDR_OF(fte_match_set_lyr_2_4, key->word, dst_ipv4_dst_ipv6);
	const u8 *ip = frame->head + frame->l3;
	u8 class;

	SOFT_KEY_SET(key, ip_version, frame->ip_version);
	SOFT_KEY_SET(key, ip_protocol, frame->ip_protocol);
	SOFT_KEY_SET(key, frag, frame->fragment);
	if (frame->ip_version == 4) {
		class = ip[1];
		memcpy(src + 12, ip + 12, 4);
		memcpy(dst + 12, ip + 16, 4);
	} else {
		class = (ip[0] & 0xf) << 4 | ip[1] >> 4;
		memcpy(src, ip + 8, 16);
		memcpy(dst, ip + 24, 16);
	}
	SOFT_KEY_SET(key, ip_dscp, class >> 2);
	SOFT_KEY_SET(key, ip_ecn, class & 3);
}

/**
 * soft_flow_key() - a frame's fields
 * @frame: parsed frame
 * @key: out
 */
void soft_flow_key(const struct soft_frame *frame, struct soft_flow_key *key)
{
	memset(key, 0, sizeof(*key));
	soft_flow_key_l2(frame, key);
	if (!frame->ip_version)
		return;
	soft_flow_key_ip(frame, key);
	if (!frame->l4)
		return;
	if (frame->ip_protocol == SOFT_IPPROTO_TCP) {
		SOFT_KEY_SET(key, tcp_sport, frame->sport);
		SOFT_KEY_SET(key, tcp_dport, frame->dport);
		SOFT_KEY_SET(key, tcp_flags, frame->tcp_flags);
	} else if (frame->ip_protocol == SOFT_IPPROTO_UDP) {
		SOFT_KEY_SET(key, udp_sport, frame->sport);
		SOFT_KEY_SET(key, udp_dport, frame->dport);
	}
}

/**
 * soft_flow_hash() - the bucket of a value
 * @group: group
 * @value: its words, masked
 * @seed: the instance's
 *
 * Multiply and fold, once for each word.
 */
u32 soft_flow_hash(const struct soft_flow_group *group, const u64 *value, u64 seed)
{
	u64 hash = seed;
	u32 i;

	for (i = 0; i < group->n_words; i++) {
		hash = (hash ^ value[i]) * 0x9e3779b97f4a7c15ULL;
		hash ^= hash >> 29;
	}
	return (hash >> 32) & (group->n_buckets - 1);
}

/**
 * struct soft_flow_step - a walk under way
 * @key: what the frame says
 * @seed: the instance's
 * @todo: tables to be looked at
 * @n: how many
 * @seen: tables that were put there, ever
 * @n_seen: how many
 * @left: lookups left; 0: the budget was not enough
 */
struct soft_flow_step {
	struct soft_flow_key key;
	u64 seed;
	struct soft_flow_table *todo[SOFT_FLOW_TODO];
	u32 n;
	const struct soft_flow_table *seen[SOFT_FLOW_STEPS];
	u32 n_seen;
	u32 left;
};

static struct soft_flow_entry *soft_flow_lookup(const struct soft_flow_group *group,
						struct soft_flow_step *step)
{
	struct soft_flow_entry *entry;
	u64 value[SOFT_FLOW_WORDS];
	u32 i;

	step->left--;
	for (i = 0; i < group->n_words; i++)
		value[i] = step->key.word[group->word[i]] & group->mask[i];
	entry = READ_ONCE(group->bucket[soft_flow_hash(group, value, step->seed)]);
	for (; entry; entry = READ_ONCE(entry->next)) {
		if (!memcmp(entry->value, value, group->n_words * sizeof(*value)))
			break;
		if (!step->left)
			return NULL;
		step->left--;
	}
	return entry;
}

/* The first group that has an entry for the frame decides. */
static const struct soft_flow_entry *soft_flow_find(const struct soft_flow_table *table,
						    struct soft_flow_step *step)
{
	const struct soft_flow_groups *groups = READ_ONCE(table->groups);
	struct soft_flow_entry *entry;
	u32 i;

	for (i = 0; groups && i < groups->n && step->left; i++) {
		entry = soft_flow_lookup(groups->group[i], step);
		if (entry)
			return entry;
	}
	return NULL;
}

static void soft_flow_add(struct soft_steering *result, struct soft_tir *tir, u32 tag)
{
	const struct soft_tir_attr *attr = READ_ONCE(tir->attr);
	u32 i;

	if (!attr)
		return;
	for (i = 0; i < result->n; i++)
		if (result->tir[i] == attr)
			return;
	if (result->n == SOFT_FLOW_RESULTS) {
		result->cut = true;
		return;
	}
	result->tir[result->n++] = attr;
	result->tag = tag;
}

/* A table that several entries name is looked at once. */
static void soft_flow_visit(struct soft_flow_step *step, struct soft_flow_table *table,
			    struct soft_steering *result)
{
	u32 i;

	for (i = 0; i < step->n_seen; i++)
		if (step->seen[i] == table)
			return;
	if (step->n == SOFT_FLOW_TODO || step->n_seen == SOFT_FLOW_STEPS) {
		result->cut = true;
		return;
	}
	step->seen[step->n_seen++] = table;
	step->todo[step->n++] = table;
}

static void soft_flow_take(struct soft_flow_step *step, const struct soft_flow_action *action,
			   struct soft_steering *result)
{
	u32 i;

	for (i = 0; i < action->n; i++) {
		if (action->dest[i].tir)
			soft_flow_add(result, action->dest[i].tir, action->tag);
		else
			soft_flow_visit(step, action->dest[i].table, result);
	}
}

/**
 * soft_flow_walk() - who gets a frame
 * @si: instance
 * @frame: parsed frame
 * @result: out
 *
 * A frame beyond the budget of lookups goes to those that were found. Inside srcu, any lane.
 */
void soft_flow_walk(struct soft_instance *si, const struct soft_frame *frame,
		    struct soft_steering *result)
{
	const struct soft_flow_entry *entry;
	struct soft_flow_table *table;
	struct soft_flow *flow = si->flow;
	struct soft_flow_step step;

	result->n = 0;
	result->tag = 0;
	result->cut = false;
	result->lookups = 0;
	table = flow ? READ_ONCE(flow->root) : NULL;
	if (!table)
		return;
	soft_flow_key(frame, &step.key);
	step.seed = flow->seed;
	step.left = SOFT_FLOW_LOOKUPS + 1;
	step.n = 0;
	step.n_seen = 0;
	soft_flow_visit(&step, table, result);
	while (step.n && step.left) {
		table = step.todo[--step.n];
		entry = soft_flow_find(table, &step);
		if (entry)
			soft_flow_take(&step, READ_ONCE(entry->action), result);
		else if (step.left && (table = READ_ONCE(table->miss)))
			soft_flow_visit(&step, table, result);
	}
	result->cut |= !step.left;
	result->lookups = SOFT_FLOW_LOOKUPS + 1 - step.left;
}
