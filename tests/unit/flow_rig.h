/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* For the tests of flow tables: commands that build them, and what a frame finds in them. */
#ifndef FLOW_RIG_H
#define FLOW_RIG_H

#include "fixture.h"
#include "hca.h"
#include "ethernet/flow.h"

#define GROUP_MAX	64U

enum { LEVEL_LOW = 10, LEVEL_HIGH = 20 };

/**
 * struct steering - a guest's TIRs, each of which is a receive queue of its own
 * @g: guest
 * @td: transport domain
 * @rq: receive queues, @mem and @record: theirs
 * @tir: TIRs
 */
struct steering {
	struct guest *g;
	u32 td;
	u32 rq[3];
	struct client_mem mem[3];
	struct client_record record[3];
	u32 tir[3];
};

/* What an entry is made of. @n destinations: TIRs (@tables: tables), or one table. */
struct entry {
	u32 table;
	u32 group;
	u32 index;
	const void *value;
	u32 n;
	const u32 *tir;
	u32 to_table;
	u32 tag;
	bool change;
	bool tables;
};

struct key {
	u8 bytes[MLX5_ST_SZ_BYTES(fte_match_set_lyr_2_4)] __aligned(8);
};

#define KEY(key, field, value) MLX5_SET(fte_match_set_lyr_2_4, (key)->bytes, field, value)

int destroy(struct guest *g, u16 opcode, u32 number);
void open_steering(struct steering *s, struct guest *g);
void free_steering(struct steering *s);
void close_steering(struct steering *s);
int table_try(struct guest *g, u8 level, u32 miss, u32 *table);
u32 table_new(struct guest *g, u8 level, u32 miss);
int table_destroy(struct guest *g, u32 table);
void set_root(struct guest *g, u32 table);
int group_try(struct guest *g, u32 table, u32 start, u32 end, const void *mask,
		     u32 *group);
u32 group_new(struct guest *g, u32 table, u32 start, u32 end, const void *mask);
int group_destroy(struct guest *g, u32 table, u32 group);
int entry_set(struct guest *g, const struct entry *e);
int entry_delete(struct guest *g, u32 table, u32 index);
void udp_frame(struct soft_frame *frame, u8 head[64], u8 last, u16 dport);
void walk(struct guest *g, const struct soft_frame *frame, struct soft_steering *result);
void goes_to(struct steering *s, const struct soft_frame *frame, int tir, u32 tag);

#endif /* FLOW_RIG_H */
