/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Flow tables: which receive queues get a frame. flow.c builds them by commands out of
 * what is in flow_entry.c, flow_match.c walks them.
 *
 * A table has groups, in the order of their indices. A group has a mask and entries
 * of one value under it each, found by a hash. An entry drops, or passes a copy to
 * each of its destinations: TIRs, and tables of a higher level.
 *
 * Walkers hold srcu and no lock. Lists of groups and actions of entries are replaced
 * as a whole; entries are linked and unlinked one pointer at a time. All writers hold
 * the command lock.
 */
#ifndef SOFT_ETHERNET_FLOW_H
#define SOFT_ETHERNET_FLOW_H

#include "ethernet.h"

/* The fields that can be matched: fte_match_set_lyr_2_4, in words of 64 bits. */
#define SOFT_FLOW_WORDS		(MLX5_ST_SZ_BYTES(fte_match_set_lyr_2_4) / sizeof(u64))
#define SOFT_FLOW_MAX_BUCKETS	256U

/**
 * struct soft_flow_key - what a frame says in each field, in the PRM's layout
 * @word: in guest byte order
 */
struct soft_flow_key {
	u64 word[SOFT_FLOW_WORDS];
};

/**
 * struct soft_flow_dest - where an entry passes a frame
 * @tir: a TIR, or NULL
 * @table: or a table
 */
struct soft_flow_dest {
	struct soft_tir *tir;
	struct soft_flow_table *table;
};

/**
 * struct soft_flow_action - what an entry does, never changed once it is found
 * @tag: flow tag
 * @n: destinations; 0: drop
 * @dest: destinations, each held
 */
struct soft_flow_action {
	u32 tag;
	u32 n;
	struct soft_flow_dest dest[];
};

/**
 * struct soft_flow_entry - an entry of a flow table
 * @next: in its bucket, by rising index
 * @group: group
 * @index: its place in the table
 * @value: of the group's words, masked
 * @action: what it does
 */
struct soft_flow_entry {
	struct soft_flow_entry *next;
	struct soft_flow_group *group;
	u32 index;
	u64 value[SOFT_FLOW_WORDS];
	struct soft_flow_action *action;
};

/**
 * struct soft_flow_group - a range of a table's entries that have a mask in common
 * @obj: references the table; its entries are its users
 * @table: table
 * @start: first index
 * @end: last index
 * @n_words: words that the mask is not 0 in
 * @word: which
 * @mask: of these words
 * @n_buckets: power of two
 * @bucket: entries by the hash of their value
 */
struct soft_flow_group {
	struct mhca_object obj;
	struct soft_flow_table *table;
	u32 start;
	u32 end;
	u32 n_words;
	u8 word[SOFT_FLOW_WORDS];
	u64 mask[SOFT_FLOW_WORDS];
	u32 n_buckets;
	struct soft_flow_entry **bucket;
};

/**
 * struct soft_flow_groups - a table's groups, by rising index
 * @n: how many
 * @group: groups
 */
struct soft_flow_groups {
	u32 n;
	struct soft_flow_group *group[];
};

/**
 * struct soft_flow_table - a flow table
 * @obj: its users: groups, entries that pass frames to it, tables that miss to it
 * @level: entries and misses lead only to tables of a higher level
 * @size: entries it may have
 * @miss: where a frame goes that no entry takes, held; NULL: it is dropped
 * @miss_num: its number
 * @groups: or NULL
 * @entries: index -> entry; for commands
 */
struct soft_flow_table {
	struct mhca_object obj;
	u8 level;
	u32 size;
	struct soft_flow_table *miss;
	u32 miss_num;
	struct soft_flow_groups *groups;
	struct xarray entries;
};

/**
 * struct soft_flow - the flow tables of an instance
 * @root: where walks begin, or NULL
 * @seed: of the hash, so that a guest cannot compute collisions
 * @n_entries: in all tables; command lock
 */
struct soft_flow {
	struct soft_flow_table *root;
	u64 seed;
	u32 n_entries;
};

/* flow_entry.c; command lock */
struct soft_flow *soft_flow_of(const struct mhca_instance *inst);
struct soft_flow_table *soft_flow_table_find(struct mhca_instance *inst, u32 num);
enum mhca_syndrome soft_flow_above(struct mhca_instance *inst, u32 num, u8 level,
				   struct soft_flow_table **table);
void soft_flow_set_miss(struct soft_flow_table *table, struct soft_flow_table *miss);
enum mhca_syndrome soft_flow_dest_take(struct soft_flow_action *action,
				       const struct soft_flow_table *from, u8 type, u32 id);
void soft_flow_action_free(struct soft_flow_action *action);
enum mhca_syndrome soft_flow_entry_insert(struct soft_flow_group *group, u32 index,
					  const struct soft_flow_key *key,
					  struct soft_flow_action *action);
void soft_flow_entry_unlink(struct soft_flow_entry *entry);
void soft_flow_entry_free(struct soft_flow_entry *entry);

/* save.c */
void soft_flow_table_update(struct mhca_object *obj);
void soft_flow_table_save(struct mhca_object *obj, struct mhca_image *image);
enum mhca_syndrome soft_flow_table_load(struct mhca_object *obj, struct mhca_reader *in);

/* flow_match.c */
void soft_flow_key(const struct soft_frame *frame, struct soft_flow_key *key);
u32 soft_flow_hash(const struct soft_flow_group *group, const u64 *value, u64 seed);

#endif /* SOFT_ETHERNET_FLOW_H */
