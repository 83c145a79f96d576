// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* A guest's flow tables move with it; images with rules that cannot be. */
#include "flow_rig.h"
#include "migrate_rig.h"

/* In an image, behind what is said of the table: its entries. */
#define ENTRY_AT	5U
#define ENTRY_KEY	8U
#define ENTRY_DESTS	(ENTRY_KEY + MLX5_ST_SZ_BYTES(fte_match_set_lyr_2_4) + 4U)

/**
 * struct rules - tables with an entry of each kind
 * @s: TIRs
 * @low: the root; its misses go to @high, which is newer
 * @high: takes everything
 * @group: of @low, by destination address; of @high
 */
struct rules {
	struct steering s;
	u32 low;
	u32 high;
	u32 group[2];
};

static void table_misses(struct guest *g, u32 table, u32 miss)
{
	u8 in[MLX5_ST_SZ_BYTES(modify_flow_table_in)] = { 0 };
	u32 out[4] = { 0 };

	MLX5_SET(modify_flow_table_in, in, opcode, MLX5_CMD_OP_MODIFY_FLOW_TABLE);
	MLX5_SET(modify_flow_table_in, in, table_id, table);
	MLX5_SET(modify_flow_table_in, in, modify_field_select, 1);
	MLX5_SET(modify_flow_table_in, in, flow_table_context.table_miss_action, !!miss);
	MLX5_SET(modify_flow_table_in, in, flow_table_context.table_miss_id, miss);
	assert_ok(client_exec(&g->c, in, sizeof(in), out, sizeof(out)));
}

/* For an address that ends in @last, at the index of that number. */
static void rule(struct rules *r, u8 last, struct entry e)
{
	struct key value = { { 0 } };

	KEY(&value, dmac_47_16, 0x02000000);
	KEY(&value, dmac_15_0, last);
	e.table = r->low;
	e.group = r->group[0];
	e.index = last;
	e.value = &value;
	assert_ok(entry_set(r->s.g, &e));
}

static void rules_open(struct rules *r, struct guest *g)
{
	struct key mask = { { 0 } };
	struct entry all;
	u32 gone;

	open_steering(&r->s, g);
	gone = table_new(g, LEVEL_LOW, 0);
	r->low = table_new(g, LEVEL_LOW, 0);
	r->high = table_new(g, LEVEL_HIGH, 0);
	assert_ok(table_destroy(g, gone));
	table_misses(g, r->low, r->high);
	set_root(g, r->low);
	KEY(&mask, dmac_47_16, ~0);
	KEY(&mask, dmac_15_0, 0xffff);
	r->group[1] = group_new(g, r->high, 3, 9, NULL);
	r->group[0] = group_new(g, r->low, 1, 20, &mask);
	rule(r, 5, (struct entry){ .n = 1, .tir = &r->s.tir[0], .tag = 7 });
	rule(r, 6, (struct entry){ .to_table = r->high });
	rule(r, 7, (struct entry){ .n = 3, .tir = r->s.tir });
	rule(r, 8, (struct entry){ .tag = 1 });
	/* Made one way, and changed. */
	rule(r, 9, (struct entry){ .n = 1, .tir = &r->s.tir[0], .tag = 2 });
	rule(r, 9, (struct entry){ .n = 1, .tir = &r->s.tir[1], .tag = 0xffffff, .change = true });
	all = (struct entry){ r->high, r->group[1], 4, NULL, 1, &r->s.tir[2], .tag = 9 };
	assert_ok(entry_set(g, &all));
}

static void rules_hold(struct rules *r)
{
	struct soft_steering result;
	struct soft_frame frame;
	u8 head[64];
	u8 last;

	for (last = 1; last < 12; last++) {
		udp_frame(&frame, head, last, 53);
		switch (last) {
		case 5:
			goes_to(&r->s, &frame, 0, 7);
			break;
		case 7:
			walk(r->s.g, &frame, &result);
			assert_int_equal(result.n, 3);
			break;
		case 8:
			goes_to(&r->s, &frame, -1, 0);
			break;
		case 9:
			goes_to(&r->s, &frame, 1, 0xffffff);
			break;
		default:
			goes_to(&r->s, &frame, 2, 9);
			break;
		}
	}
}

static void rules_close(struct rules *r)
{
	struct guest *g = r->s.g;
	u32 i;

	assert_int_equal(table_destroy(g, r->high), -EBUSY);
	assert_int_equal(group_destroy(g, r->low, r->group[0]), -EBUSY);
	for (i = 0; i < 3; i++)
		assert_int_equal(destroy(g, MLX5_CMD_OP_DESTROY_TIR, r->s.tir[i]), -EBUSY);
	for (i = 5; i < 10; i++)
		assert_ok(entry_delete(g, r->low, i));
	assert_ok(entry_delete(g, r->high, 4));
	for (i = 0; i < 2; i++)
		assert_ok(group_destroy(g, i ? r->high : r->low, r->group[i]));
	assert_int_equal(table_destroy(g, r->high), -EBUSY);
	assert_ok(table_destroy(g, r->low));
	assert_ok(table_destroy(g, r->high));
	close_steering(&r->s);
}

static void rules_move(void **state)
{
	struct world *w = *state;
	struct guest *g = &w->g[0];
	struct soft_frame frame;
	struct rules r;
	u8 head[64];
	u32 i;

	rules_open(&r, g);
	for (i = 0; i < 3; i++) {
		rules_hold(&r);
		migrate_move(g->vmm);
	}
	rules_hold(&r);
	/* What can be changed can be after a move, too, and the change moves. */
	table_misses(g, r.low, 0);
	migrate_move(g->vmm);
	udp_frame(&frame, head, 2, 53);
	goes_to(&r.s, &frame, -1, 0);
	udp_frame(&frame, head, 6, 53);
	goes_to(&r.s, &frame, 2, 9);
	table_misses(g, r.low, r.high);
	rules_hold(&r);
	set_root(g, 0);
	migrate_move(g->vmm);
	udp_frame(&frame, head, 5, 53);
	goes_to(&r.s, &frame, -1, 0);
	set_root(g, r.high);
	migrate_move(g->vmm);
	goes_to(&r.s, &frame, 2, 9);
	rules_close(&r);
}

/* As many as an instance may have, in one group, most of them in a few buckets. */
static void many_rules(void **state)
{
	struct world *w = *state;
	struct guest *g = &w->g[0];
	struct key mask = { { 0 } }, value = { { 0 } };
	struct soft_frame frame;
	struct steering s;
	u32 table, group, i;
	struct entry e;
	u8 head[64];

	open_steering(&s, g);
	table = table_new(g, LEVEL_LOW, 0);
	set_root(g, table);
	KEY(&mask, udp_dport, 0xffff);
	group = group_new(g, table, 0, GROUP_MAX - 1, &mask);
	for (i = 0; i < GROUP_MAX; i++) {
		KEY(&value, udp_dport, 1000 + i / 2);
		e = (struct entry){ table, group, GROUP_MAX - 1 - i, &value, 1, &s.tir[i % 3],
				    .tag = i };
		assert_ok(entry_set(g, &e));
	}
	migrate_move(g->vmm);
	/* Of two for the same frames the one of the lower index, as ever. */
	for (i = 1; i < GROUP_MAX; i += 2) {
		udp_frame(&frame, head, 5, 1000 + i / 2);
		goes_to(&s, &frame, i % 3, i);
	}
	for (i = 0; i < GROUP_MAX; i++)
		assert_ok(entry_delete(g, table, i));
	assert_ok(group_destroy(g, table, group));
	assert_ok(table_destroy(g, table));
	close_steering(&s);
}

/* Rules that no command would have made. */
static void wrong_rules(void **state)
{
	static const u8 few[4] = { 0 }, many[4] = { 200, 200, 200 };
	static const u8 counts[] = { 9, 100, 255 }, kinds[] = { 0, 3, 4, 255 };
	struct world *w = *state;
	struct guest *g = &w->g[0];
	struct rules r;
	__le32 num;
	u32 len, i;
	u8 *at;

	rules_open(&r, g);
	stop(g->vmm->inst);
	len = save(g->vmm->inst);
	assert_int_equal(attempt(g->vmm, image, len, NULL), 0);
	at = state_of(len, MHCA_FLOW_TABLE, r.low);
	/* Misses go to nobody, to the table itself. */
	refused_with(g->vmm, len, at + 1, many, 4);
	num = cpu_to_le32(r.low);
	refused_with(g->vmm, len, at + 1, &num, 4);
	/* The entry's group is none, or another table's; its index is not the group's, or taken. */
	refused_with(g->vmm, len, at + ENTRY_AT, few, 4);
	num = cpu_to_le32(r.group[1]);
	refused_with(g->vmm, len, at + ENTRY_AT, &num, 4);
	num = cpu_to_le32(0);
	refused_with(g->vmm, len, at + ENTRY_AT + 4, &num, 4);
	num = cpu_to_le32(21);
	refused_with(g->vmm, len, at + ENTRY_AT + 4, &num, 4);
	num = cpu_to_le32(6);
	refused_with(g->vmm, len, at + ENTRY_AT + 4, &num, 4);
	/* Destinations: too many, of no kind, none, not above it. */
	for (i = 0; i < ARRAY_SIZE(counts); i++)
		refused_with(g->vmm, len, at + ENTRY_AT + ENTRY_DESTS, &counts[i], 1);
	for (i = 0; i < ARRAY_SIZE(kinds); i++)
		refused_with(g->vmm, len, at + ENTRY_AT + ENTRY_DESTS + 1, &kinds[i], 1);
	refused_with(g->vmm, len, at + ENTRY_AT + ENTRY_DESTS + 2, many, 4);
	at += ENTRY_AT + ENTRY_DESTS + 1 + 5;	/* the second one, to a table */
	num = cpu_to_le32(r.low);
	refused_with(g->vmm, len, at + ENTRY_DESTS + 2, &num, 4);
	assert_int_equal(attempt(g->vmm, image, len, NULL), 0);
	assert_ok(mhca_instance_run(g->vmm->inst, MHCA_RUN_ALL));
	rules_hold(&r);
	rules_close(&r);
}

#define world_test(fn) cmocka_unit_test_setup_teardown(fn, world_setup_roce, world_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		world_test(rules_move),
		world_test(many_rules),
		world_test(wrong_rules),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
