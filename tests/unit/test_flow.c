// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Flow tables: what commands build, what a frame finds in them. */
#include "flow_rig.h"

static void first_group_decides(void **state)
{
	struct world *w = *state;
	struct guest *g = &w->g[0];
	struct key mask = { { 0 } }, value = { { 0 } };
	struct soft_frame frame;
	struct steering s;
	struct entry e;
	u8 head[64];
	u32 table;
	u32 group[2];

	open_steering(&s, g);
	udp_frame(&frame, head, 5, 53);
	goes_to(&s, &frame, -1, 0);
	table = table_new(g, LEVEL_LOW, 0);
	set_root(g, table);
	goes_to(&s, &frame, -1, 0);

	/* Everything, behind one address: made in the wrong order. */
	group[1] = group_new(g, table, 63, 63, NULL);
	e = (struct entry){ table, group[1], 63, NULL, 1, &s.tir[1], .tag = 9 };
	assert_ok(entry_set(g, &e));
	goes_to(&s, &frame, 1, 9);
	KEY(&mask, dmac_47_16, ~0);
	KEY(&mask, dmac_15_0, 0xffff);
	group[0] = group_new(g, table, 0, 62, &mask);
	KEY(&value, dmac_47_16, 0x02000000);
	KEY(&value, dmac_15_0, 5);
	e = (struct entry){ table, group[0], 7, &value, 1, &s.tir[0] };
	assert_ok(entry_set(g, &e));
	goes_to(&s, &frame, 0, 0);
	udp_frame(&frame, head, 6, 53);
	goes_to(&s, &frame, 1, 9);

	/* What is held cannot go; what is full or there already cannot come. */
	assert_int_equal(table_destroy(g, table), -EBUSY);
	assert_int_equal(group_destroy(g, table, group[0]), -EBUSY);
	assert_int_equal(destroy(g, MLX5_CMD_OP_DESTROY_TIR, s.tir[0]), -EBUSY);
	assert_int_equal(entry_set(g, &e), -EBUSY);
	assert_int_equal(entry_delete(g, table, 8), -EINVAL);
	assert_ok(entry_delete(g, table, 7));
	udp_frame(&frame, head, 5, 53);
	goes_to(&s, &frame, 1, 9);
	assert_ok(group_destroy(g, table, group[0]));
	assert_ok(entry_delete(g, table, 63));
	assert_ok(group_destroy(g, table, group[1]));
	assert_ok(table_destroy(g, table));
	goes_to(&s, &frame, -1, 0);
	close_steering(&s);
}

/* Each field of a frame, one after the other: as mask and value, and one bit off. */
static void every_field(void **state)
{
	static const struct {
		u32 offset;
		u32 bits;
		u32 value;
	} fields[] = {
#define FIELD(f, v) { __mlx5_bit_off(fte_match_set_lyr_2_4, f),		\
		      __mlx5_bit_sz(fte_match_set_lyr_2_4, f), v }
		FIELD(smac_47_16, 0x02000000), FIELD(smac_15_0, 0xaa),
		FIELD(dmac_47_16, 0x02000000), FIELD(dmac_15_0, 5),
		FIELD(ethertype, 0x800), FIELD(first_prio, 3), FIELD(first_cfi, 1),
		FIELD(first_vid, 0x123), FIELD(cvlan_tag, 1), FIELD(svlan_tag, 0),
		FIELD(frag, 1), FIELD(ip_version, 4), FIELD(ip_protocol, 17),
		FIELD(ip_dscp, 0x2e), FIELD(ip_ecn, 1), FIELD(udp_sport, 1000),
		FIELD(udp_dport, 53), FIELD(tcp_sport, 0), FIELD(tcp_flags, 0),
#undef FIELD
	};
	struct world *w = *state;
	struct guest *g = &w->g[0];
	struct soft_frame frame;
	struct steering s;
	u8 head[64];
	u32 table;
	u32 i;
	u32 off;

	open_steering(&s, g);
	table = table_new(g, LEVEL_LOW, 0);
	set_root(g, table);
	udp_frame(&frame, head, 5, 53);
	frame.n_vlan = 1;
	frame.vlan_tci = 3 << 13 | 1 << 12 | 0x123;
	frame.fragment = true;
	for (i = 0; i < ARRAY_SIZE(fields); i++) {
		for (off = 0; off < 2; off++) {
			u32 shift = 32 - fields[i].bits - fields[i].offset % 32;
			u32 ones = fields[i].bits == 32 ? ~0U : (1U << fields[i].bits) - 1;
			struct key mask = { { 0 } }, value = { { 0 } };
			__be32 *m = (__be32 *)mask.bytes + fields[i].offset / 32;
			__be32 *v = (__be32 *)value.bytes + fields[i].offset / 32;
			struct entry e = { .table = table, .value = &value, .n = 1, .tir = s.tir };

			*m = cpu_to_be32(ones << shift);
			*v = cpu_to_be32((fields[i].value ^ off) << shift);
			e.group = group_new(g, table, 0, 3, &mask);
			assert_ok(entry_set(g, &e));
			goes_to(&s, &frame, off ? -1 : 0, 0);
			assert_ok(entry_delete(g, table, 0));
			assert_ok(group_destroy(g, table, e.group));
		}
	}
	set_root(g, 0);
	assert_ok(table_destroy(g, table));
	close_steering(&s);
}

/* Misses and destinations lead upwards; a frame may have several receivers. */
static void tables_in_a_row(void **state)
{
	struct world *w = *state;
	struct guest *g = &w->g[0];
	struct soft_steering result;
	struct soft_frame frame;
	struct steering s;
	struct entry e;
	u8 head[64];
	u32 high;
	u32 low;
	u32 group[2];
	u32 bad;

	open_steering(&s, g);
	udp_frame(&frame, head, 5, 53);
	high = table_new(g, LEVEL_HIGH, 0);
	low = table_new(g, LEVEL_LOW, high);
	assert_int_equal(table_try(g, LEVEL_HIGH, low, &bad), -EINVAL);
	assert_int_equal(table_try(g, LEVEL_LOW, 999, &bad), -EINVAL);
	set_root(g, low);
	group[0] = group_new(g, high, 0, 0, NULL);
	e = (struct entry){ high, group[0], 0, NULL, 3, s.tir };
	assert_ok(entry_set(g, &e));
	walk(g, &frame, &result);
	assert_int_equal(result.n, 3);

	group[1] = group_new(g, low, 0, 0, NULL);
	e = (struct entry){ .table = low, .group = group[1], .to_table = low };
	assert_int_equal(entry_set(g, &e), -EINVAL);
	e.to_table = high;
	assert_ok(entry_set(g, &e));
	walk(g, &frame, &result);
	assert_int_equal(result.n, 3);
	e = (struct entry){ low, group[1], 0, NULL, 1, &s.tir[2], .tag = 3, .change = true };
	assert_ok(entry_set(g, &e));
	goes_to(&s, &frame, 2, 3);
	/* Dropped: no destination */
	e.n = 0;
	assert_ok(entry_set(g, &e));
	goes_to(&s, &frame, -1, 0);
	assert_int_equal(table_destroy(g, high), -EBUSY);
	/* The rest goes with the function, from the lowest number on: @high first. */
	mhca_instance_reset(g->vmm->inst);
	assert_int_equal(g->vmm->inst->object_count[MHCA_FLOW_TABLE], 0);
	assert_int_equal(g->vmm->inst->object_count[MHCA_RQ], 0);
	assert_int_equal(g->vmm->pinned, 0);
	walk(g, &frame, &result);
	assert_int_equal(result.n, 0);
	free_steering(&s);
	client_mem_free(&g->c, &g->buf);
	client_forget_cq(&g->cq);
	client_abandon(&g->c);
	vmm_user_destroy(g->vmm);
	g->vmm = NULL;
}

static void refused(void **state)
{
	struct world *w = *state;
	struct guest *g = &w->g[0];
	struct key mask = { { 0 } };
	struct steering s;
	struct entry e;
	u32 many[16];
	u32 table;
	u32 group;
	u32 i;

	open_steering(&s, g);
	table = table_new(g, LEVEL_LOW, 0);
	assert_int_equal(group_try(g, table, 0, GROUP_MAX, NULL, &group), -EINVAL);
	assert_int_equal(group_try(g, table, 5, 4, NULL, &group), -EINVAL);
	assert_int_equal(group_try(g, table + 99, 0, 4, NULL, &group), -EINVAL);
	KEY(&mask, ttl_hoplimit, 1);
	assert_int_equal(group_try(g, table, 0, 4, &mask, &group), -EINVAL);
	group = group_new(g, table, 0, 4, NULL);
	assert_int_equal(group_try(g, table, 4, 9, NULL, &i), -EINVAL);

	for (i = 0; i < ARRAY_SIZE(many); i++)
		many[i] = s.tir[0];
	e = (struct entry){ table, group, 5, NULL, 1, s.tir };
	assert_int_equal(entry_set(g, &e), -EINVAL);
	e.index = 0;
	e.tir = many;
	e.n = (1U << MHCA_LOG_MAX_FLOW_DEST) + 1;
	assert_int_equal(entry_set(g, &e), -EINVAL);
	many[0] = 0xabcdef;
	e.n = 2;
	assert_int_equal(entry_set(g, &e), -EINVAL);
	/* The second of two does not exist: the first is not held. */
	many[0] = s.tir[0];
	many[1] = 0xabcdef;
	assert_int_equal(entry_set(g, &e), -EINVAL);
	assert_int_equal(g->vmm->inst->object_count[MHCA_FLOW_GROUP], 1);
	assert_ok(group_destroy(g, table, group));
	assert_ok(table_destroy(g, table));
	close_steering(&s);
}

/* The bound on entries is the instance's; collisions of the hash are found all the same. */
static void many_entries(void **state)
{
	struct world *w = *state;
	struct guest *g = &w->g[0];
	struct key mask = { { 0 } }, value = { { 0 } };
	struct soft_frame frame;
	struct steering s;
	struct entry e;
	u8 head[64];
	u32 table;
	u32 group;
	u32 i;

	open_steering(&s, g);
	table = table_new(g, LEVEL_LOW, 0);
	set_root(g, table);
	KEY(&mask, udp_dport, 0xffff);
	group = group_new(g, table, 0, GROUP_MAX - 1, &mask);
	for (i = 0; i < GROUP_MAX; i++) {
		KEY(&value, udp_dport, 1000 + i);
		e = (struct entry){ table, group, i, &value, 1, &s.tir[i % 3], .tag = i };
		assert_ok(entry_set(g, &e));
	}
	for (i = 0; i < GROUP_MAX; i++) {
		udp_frame(&frame, head, 5, 1000 + i);
		goes_to(&s, &frame, i % 3, i);
	}
	udp_frame(&frame, head, 5, 1000 + GROUP_MAX);
	goes_to(&s, &frame, -1, 0);
	for (i = 0; i < GROUP_MAX; i++)
		assert_ok(entry_delete(g, table, i));
	assert_ok(group_destroy(g, table, group));
	assert_ok(table_destroy(g, table));
	close_steering(&s);
}

/* Groups of one index each that no frame matches; @n of them from index @from on. */
static void barren_groups(struct guest *g, u32 table, u32 from, u32 n)
{
	struct key mask = { { 0 } };
	u32 i;

	KEY(&mask, udp_sport, 0xffff);
	for (i = 0; i < n; i++)
		group_new(g, table, from + i, from + i, &mask);
}

/*
 * Tables that fan out: each is looked at once, a frame costs at most the budget, and those
 * that were found until then get it.
 */
static void bounded_walk(void **state)
{
	struct world *w = *state;
	struct guest *g = &w->g[0];
	u32 table[16], group, i, to[8];
	struct soft_steering result;
	struct soft_frame frame;
	struct steering s;
	struct entry e;
	u8 head[64];

	open_steering(&s, g);
	udp_frame(&frame, head, 5, 53);
	for (i = 0; i < 16; i++)
		table[i] = table_new(g, LEVEL_LOW + i, 0);
	set_root(g, table[0]);
	/* The root names the second table eight times. */
	group = group_new(g, table[0], 0, 0, NULL);
	for (i = 0; i < 8; i++)
		to[i] = table[1];
	e = (struct entry){ .table = table[0], .group = group, .n = 8, .tir = to,
			    .tables = true };
	assert_ok(entry_set(g, &e));
	barren_groups(g, table[1], 0, 20);
	group = group_new(g, table[1], 20, 20, NULL);
	e = (struct entry){ table[1], group, 20, NULL, 1, &s.tir[1], .tag = 4 };
	assert_ok(entry_set(g, &e));
	walk(g, &frame, &result);
	assert_int_equal(result.lookups, 1 + 21);
	assert_int_equal(result.n, 1);
	assert_int_equal(result.tag, 4);
	assert_false(result.cut);
	/* More than the budget, behind that: the last table that is named comes first. */
	to[0] = table[2];
	e = (struct entry){ .table = table[0], .group = group, .index = 0, .n = 8, .tir = to,
			    .tables = true, .change = true };
	e.group = 0;
	for (i = 2; i < 8; i++) {
		barren_groups(g, table[i], 0, GROUP_MAX);
		to[i - 2] = table[i];
	}
	to[6] = table[1];
	to[7] = table[1];
	assert_int_equal(entry_delete(g, table[0], 0), 0);
	group = group_new(g, table[0], 1, 1, NULL);
	e = (struct entry){ .table = table[0], .group = group, .index = 1, .n = 8, .tir = to,
			    .tables = true };
	assert_ok(entry_set(g, &e));
	walk(g, &frame, &result);
	assert_true(result.lookups > SOFT_FLOW_LOOKUPS);
	assert_true(result.lookups <= SOFT_FLOW_LOOKUPS + 1);
	assert_true(result.cut);
	assert_int_equal(result.n, 1);
	mhca_instance_reset(g->vmm->inst);
	free_steering(&s);
	client_mem_free(&g->c, &g->buf);
	client_forget_cq(&g->cq);
	client_abandon(&g->c);
	vmm_user_destroy(g->vmm);
	g->vmm = NULL;
}

#define world_test(fn) cmocka_unit_test_setup_teardown(fn, world_setup_roce, world_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		world_test(first_group_decides),
		world_test(every_field),
		world_test(tables_in_a_row),
		world_test(refused),
		world_test(many_entries),
		world_test(bounded_walk),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
