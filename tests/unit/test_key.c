// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Key checks at every boundary, and creation of keys that must not exist. */
#include "fixture.h"

#define KEY_BYTES	(5 * PAGE_SIZE)

static enum soft_result check(struct guest *g, u32 key, u64 addr, u64 len, u8 access)
{
	struct srcu_struct *srcu = &g->vmm->hca->srcu;
	int idx = srcu_read_lock(srcu);
	enum soft_result result = soft_key_check(g->vmm->inst, key, g->pd, 1, addr, len, access,
						 true);

	srcu_read_unlock(srcu, idx);
	return result;
}

/* A key over @len bytes from @start on, whatever addresses those are. */
static int make_key(struct guest *g, u64 start, u64 len, u8 shift, u32 n_pas, u32 *key)
{
	__be64 pas[64];
	struct client_mkey_attr attr = {
		.pd = g->pd,
		.access = CLIENT_ALL_ACCESS,
		.start = start,
		.len = len,
		.shift = shift,
		.pas = pas,
		.n_pas = n_pas,
		.qpn = CLIENT_ANY_QP,
		.variant = 7,
	};

	client_page_list(&g->c, g->buf.va, (size_t)n_pas * PAGE_SIZE, pas);
	return client_create_mkey(&g->c, &attr, key);
}

static void boundaries(void **state)
{
	static const u64 starts[] = {
		0, 1, 0xfff, 0x1000, 0xfffff123, 0x100000000, 0x7fffffffffff8123,
		~0ULL - KEY_BYTES + 1, ~0ULL - KEY_BYTES + PAGE_SIZE - 123 + 1,
	};
	struct world *w = *state;
	struct guest *g = &w->g[0];
	u32 i;

	for (i = 0; i < ARRAY_SIZE(starts); i++) {
		u64 start = starts[i];
		u64 len = KEY_BYTES - (start & (PAGE_SIZE - 1));
		u64 last = start + (len - 1);
		u32 key;

		if (start + (len - 1) < start)
			len = -start, last = ~0ULL;
		assert_ok(make_key(g, start, len, PAGE_SHIFT, 5, &key));
		assert_int_equal(check(g, key, start, len, SOFT_REMOTE_READ), SOFT_OK);
		assert_int_equal(check(g, key, start, 1, SOFT_REMOTE_READ), SOFT_OK);
		assert_int_equal(check(g, key, last, 1, SOFT_REMOTE_READ), SOFT_OK);
		assert_int_not_equal(check(g, key, start, len + 1, SOFT_REMOTE_READ), SOFT_OK);
		assert_int_not_equal(check(g, key, start - 1, 1, SOFT_REMOTE_READ), SOFT_OK);
		assert_int_not_equal(check(g, key, start - 1, 2, SOFT_REMOTE_READ), SOFT_OK);
		assert_int_not_equal(check(g, key, last + 1, 1, SOFT_REMOTE_READ), SOFT_OK);
		assert_int_not_equal(check(g, key, last, 2, SOFT_REMOTE_READ), SOFT_OK);
		assert_int_not_equal(check(g, key, start + 1, len, SOFT_REMOTE_READ), SOFT_OK);
		assert_int_not_equal(check(g, key, start, ~0ULL, SOFT_REMOTE_READ), SOFT_OK);
		assert_int_not_equal(check(g, key, last, ~0ULL, SOFT_REMOTE_READ), SOFT_OK);
		if (start)	/* the end is 2^64 + 1 */
			assert_int_not_equal(check(g, key, start + 1, -start, SOFT_REMOTE_READ),
					     SOFT_OK);
		assert_int_not_equal(check(g, key ^ 1, start, 1, SOFT_REMOTE_READ), SOFT_OK);
		assert_int_not_equal(check(g, key ^ 0x100, start, 1, SOFT_REMOTE_READ), SOFT_OK);
		assert_ok(client_destroy_mkey(&g->c, key));
		assert_int_not_equal(check(g, key, start, 1, SOFT_REMOTE_READ), SOFT_OK);
	}
}

static void translation_starts_in_the_first_page(void **state)
{
	struct world *w = *state;
	struct guest *g = &w->g[0];
	struct soft_seg seg = { .addr = 0, .len = 0 };
	struct soft_cursor cursor = {
		.inst = g->vmm->inst, .pd = g->pd, .qpn = 1, .access = SOFT_LOCAL_READ,
		.segs = &seg, .n_segs = 1,
	};
	u64 start = 0x123456789abc;
	u64 at;
	u32 key;
	int idx;

	fill(g->buf.va, KEY_BYTES, 3);
	assert_ok(make_key(g, start, 4 * PAGE_SIZE, PAGE_SHIFT, 5, &key));
	seg.lkey = key;
	seg.addr = start;
	seg.len = 4 * PAGE_SIZE;
	idx = srcu_read_lock(&w->hca.srcu);
	for (at = 0; at < 4 * PAGE_SIZE; at += 61) {
		u8 *ptr;
		u32 len;

		soft_cursor_seek(&cursor, at);
		cursor.mkey = NULL;
		assert_int_equal(soft_cursor_run(&cursor, 1, (void **)&ptr, &len), SOFT_OK);
		assert_int_equal(*ptr, g->buf.va[(start & (PAGE_SIZE - 1)) + at]);
	}
	srcu_read_unlock(&w->hca.srcu, idx);
	assert_ok(client_destroy_mkey(&g->c, key));
}

static void keys_that_must_not_exist(void **state)
{
	struct world *w = *state;
	struct guest *g = &w->g[0];
	s64 pinned = g->vmm->pinned;
	u32 key;

	/* Longer than its page list, also by the offset in the first page. */
	assert_int_not_equal(make_key(g, 0, KEY_BYTES + 1, PAGE_SHIFT, 5, &key), 0);
	assert_int_not_equal(make_key(g, 1, KEY_BYTES, PAGE_SHIFT, 5, &key), 0);
	/* Wraps. */
	assert_int_not_equal(make_key(g, ~0ULL - 10, 12, PAGE_SHIFT, 5, &key), 0);
	assert_int_not_equal(make_key(g, ~0ULL, ~0ULL, PAGE_SHIFT, 5, &key), 0);
	assert_int_not_equal(make_key(g, 0, ~0ULL, PAGE_SHIFT, 5, &key), 0);
	/* Page sizes. */
	assert_int_not_equal(make_key(g, 0, 100, 11, 5, &key), 0);
	assert_int_not_equal(make_key(g, 0, 100, 0, 5, &key), 0);
	assert_int_not_equal(make_key(g, 0, 1ULL << 40, 63, 5, &key), 0);
	assert_int_not_equal(make_key(g, 0, 1ULL << 33, 31, 5, &key), 0);
	assert_int_equal(g->vmm->pinned, pinned);
	assert_int_equal(g->vmm->inst->object_count[MHCA_MKEY], 1);
}

/* A key names more pages than memory that exists: nothing of it is pinned. */
static void hole_in_the_page_list(void **state)
{
	struct world *w = *state;
	struct guest *g = &w->g[0];
	s64 pinned = g->vmm->pinned;
	__be64 pas[3];
	struct client_mkey_attr attr = {
		.pd = g->pd, .access = CLIENT_ALL_ACCESS, .start = 0, .len = 3 * PAGE_SIZE,
		.shift = PAGE_SHIFT, .pas = pas, .n_pas = 3, .qpn = CLIENT_ANY_QP,
	};
	u64 hole = VMM_USER_IOVA + g->vmm->pages / 2 * PAGE_SIZE;
	u64 bad[] = { hole, 0, VMM_USER_IOVA - PAGE_SIZE, ~0ULL - PAGE_SIZE + 1,
		      VMM_USER_IOVA + g->vmm->pages * PAGE_SIZE };
	u32 key;
	u32 i;
	u32 at;

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		for (at = 0; at < 3; at++) {
			client_page_list(&g->c, g->buf.va, 3 * PAGE_SIZE, pas);
			pas[at] = cpu_to_be64(bad[i]);
			assert_int_not_equal(client_create_mkey(&g->c, &attr, &key), 0);
			assert_int_equal(g->vmm->pinned, pinned);
		}
	}
}

static void variant_is_the_guests(void **state)
{
	struct world *w = *state;
	struct guest *g = &w->g[0];
	u32 first;
	u32 key;

	assert_ok(make_key(g, 0, 100, PAGE_SHIFT, 1, &first));
	assert_int_equal(first & 0xff, 7);
	assert_ok(client_destroy_mkey(&g->c, first));
	/* A number just freed does not come again at once. */
	assert_ok(make_key(g, 0, 100, PAGE_SHIFT, 1, &key));
	assert_int_not_equal(key >> 8, first >> 8);
	assert_ok(client_destroy_mkey(&g->c, key));
	assert_int_not_equal(client_destroy_mkey(&g->c, key), 0);
}

static void key_bound_to_a_qp(void **state)
{
	struct world *w = *state;
	struct guest *g = &w->g[0];
	__be64 pas[1];
	struct client_mkey_attr attr = {
		.pd = g->pd, .access = CLIENT_ALL_ACCESS, .start = 0, .len = 100,
		.shift = PAGE_SHIFT, .pas = pas, .n_pas = 1, .qpn = 1,
	};
	u32 key;

	client_page_list(&g->c, g->buf.va, PAGE_SIZE, pas);
	assert_ok(client_create_mkey(&g->c, &attr, &key));
	assert_int_equal(check(g, key, 0, 100, SOFT_REMOTE_READ), SOFT_OK);
	assert_ok(client_destroy_mkey(&g->c, key));
	attr.qpn = 2;
	assert_ok(client_create_mkey(&g->c, &attr, &key));
	assert_int_not_equal(check(g, key, 0, 100, SOFT_REMOTE_READ), SOFT_OK);
	assert_ok(client_destroy_mkey(&g->c, key));
}

#define world_test(fn) cmocka_unit_test_setup_teardown(fn, world_setup, world_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		world_test(boundaries),
		world_test(translation_starts_in_the_first_page),
		world_test(keys_that_must_not_exist),
		world_test(hole_in_the_page_list),
		world_test(variant_is_the_guests),
		world_test(key_bound_to_a_qp),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
