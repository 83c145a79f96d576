// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The shim itself: what the core's tests stand on. */
#include <setjmp.h>
#include <stddef.h>
#include <stdarg.h>
#include <stdint.h>
#include <cmocka.h>

#include <mhca/kernel.h>
#include <shim/control.h>

static void xarray_holds_sparse_indices(void **state)
{
	static const unsigned long indices[] = {
		0, 1, 63, 64, 65, 4095, 4096, 0xfffffe, 0xffffff, 1UL << 40, (1UL << 52) - 1,
		ULONG_MAX,
	};
	struct xarray xa;
	unsigned long index;
	void *entry;
	size_t i;

	xa_init(&xa);
	assert_null(xa_load(&xa, 5));
	for (i = 0; i < ARRAY_SIZE(indices); i++)
		assert_null(xa_store(&xa, indices[i], xa_mk_value(i), GFP_KERNEL));
	for (i = 0; i < ARRAY_SIZE(indices); i++)
		assert_ptr_equal(xa_load(&xa, indices[i]), xa_mk_value(i));
	assert_null(xa_load(&xa, 2));
	assert_null(xa_load(&xa, 1UL << 41));
	i = 0;
	xa_for_each(&xa, index, entry) {
		assert_int_equal(index, indices[i]);
		assert_ptr_equal(entry, xa_mk_value(i));
		i++;
	}
	assert_int_equal(i, ARRAY_SIZE(indices));
	i = 0;
	xa_for_each_range(&xa, index, entry, 64, 4096)
		i++;
	assert_int_equal(i, 4);
	for (i = 0; i < ARRAY_SIZE(indices); i++)
		assert_ptr_equal(xa_erase(&xa, indices[i]), xa_mk_value(i));
	assert_true(xa_empty(&xa));
	xa_destroy(&xa);
	shim_quiesce();
}

static void xarray_allocates_cyclically(void **state)
{
	struct xarray xa;
	u32 next = 0;
	u32 id;
	u32 i;

	xa_init_flags(&xa, XA_FLAGS_ALLOC);
	for (i = 0; i < 100; i++) {
		assert_int_equal(xa_alloc_cyclic(&xa, &id, &xa, XA_LIMIT(10, 120), &next,
						 GFP_KERNEL), 0);
		assert_int_equal(id, 10 + i);
	}
	xa_erase(&xa, 20);
	assert_int_equal(xa_alloc_cyclic(&xa, &id, &xa, XA_LIMIT(10, 120), &next, GFP_KERNEL), 0);
	assert_int_equal(id, 110);
	for (i = 0; i < 10; i++)
		xa_alloc_cyclic(&xa, &id, &xa, XA_LIMIT(10, 120), &next, GFP_KERNEL);
	assert_int_equal(xa_alloc_cyclic(&xa, &id, &xa, XA_LIMIT(10, 120), &next, GFP_KERNEL), 1);
	assert_int_equal(id, 20);
	assert_int_equal(xa_alloc_cyclic(&xa, &id, &xa, XA_LIMIT(10, 120), &next, GFP_KERNEL),
			 -EBUSY);
	xa_destroy(&xa);
	shim_quiesce();
}

static void xarray_reserves(void **state)
{
	struct xarray xa;

	xa_init(&xa);
	assert_int_equal(xa_reserve(&xa, 7, GFP_KERNEL), 0);
	assert_null(xa_load(&xa, 7));
	assert_int_equal(xa_insert(&xa, 7, &xa, GFP_KERNEL), -EBUSY);
	assert_null(xa_store(&xa, 7, &xa, GFP_KERNEL));
	assert_ptr_equal(xa_load(&xa, 7), &xa);
	xa_destroy(&xa);
	shim_quiesce();
}

/* A guest that makes and destroys for ever must not fill the host's memory. */
static void xarray_frees_empty_nodes(void **state)
{
	struct xarray xa;
	u64 before, most = 0;
	u32 next = 0, id;
	u32 i;

	shim_quiesce();
	before = shim_xa_nodes();
	xa_init_flags(&xa, XA_FLAGS_ALLOC);
	for (i = 0; i < 1000000; i++) {
		assert_int_equal(xa_alloc_cyclic(&xa, &id, &xa, XA_LIMIT(1, 0xfffffe), &next,
						 GFP_KERNEL), 0);
		assert_ptr_equal(xa_load(&xa, id), &xa);
		assert_ptr_equal(xa_erase(&xa, id), &xa);
		if (i % 4096 == 0) {
			shim_quiesce();
			most = max(most, shim_xa_nodes() - before);
		}
	}
	assert_true(most < 64);
	assert_true(xa_empty(&xa));
	xa_destroy(&xa);
	shim_quiesce();
	assert_int_equal(shim_xa_nodes(), before);
}

static void warning_goes_on(void **state)
{
	shim_warn_aborts(false);
	assert_true(WARN_ON(1));
	shim_warn_aborts(true);
}

static void nth_allocation_fails(void **state)
{
	void *p;

	shim_fail_nth(2);
	p = kmalloc(8, GFP_KERNEL);
	assert_non_null(p);
	assert_null(kzalloc(8, GFP_KERNEL));
	assert_true(shim_failed());
	kfree(p);
	p = kvcalloc(3, 5, GFP_KERNEL);
	assert_non_null(p);
	kvfree(p);
	assert_null(kmalloc_array(SIZE_MAX, 2, GFP_KERNEL));
	shim_fail_nth(0);
}

static void clock_obeys(void **state)
{
	u64 start;

	shim_clock_fake(true);
	start = ktime_get_ns();
	assert_int_equal(ktime_get_ns(), start);
	shim_clock_advance(5000);
	assert_int_equal(ktime_get_ns(), start + 5000);
	msleep(2);
	assert_int_equal(ktime_get_ns(), start + 5000 + 2 * NSEC_PER_MSEC);
	shim_clock_fake(false);
	assert_true(ktime_get_ns() > 0);
}

static void locks_know_their_holder(void **state)
{
	DEFINE_SPINLOCK(spin);
	struct mutex mutex;

	mutex_init(&mutex);
	mutex_lock(&mutex);
	lockdep_assert_held(&mutex);
	assert_false(lockdep_is_held(&spin));
	spin_lock(&spin);
	lockdep_assert_held(&spin);
	assert_int_equal(shim_self.atomic, 1);
	spin_unlock(&spin);
	mutex_unlock(&mutex);
	lockdep_assert_not_held(&mutex);
	mutex_destroy(&mutex);
}

struct srcu_race {
	struct srcu_struct srcu;
	int *shared;
	int stop;
};

static void *srcu_reader(void *arg)
{
	struct srcu_race *race = arg;

	while (!READ_ONCE(race->stop)) {
		int idx = srcu_read_lock(&race->srcu);
		int *p = smp_load_acquire(&race->shared);

		assert_int_equal(*p, 42);
		srcu_read_unlock(&race->srcu, idx);
	}
	return NULL;
}

static void srcu_waits_for_readers(void **state)
{
	struct srcu_race race = { 0 };
	pthread_t thread;
	int i;

	init_srcu_struct(&race.srcu);
	race.shared = kmalloc(sizeof(int), GFP_KERNEL);
	*race.shared = 42;
	assert_int_equal(pthread_create(&thread, NULL, srcu_reader, &race), 0);
	for (i = 0; i < 2000; i++) {
		int *fresh = kmalloc(sizeof(int), GFP_KERNEL);
		int *old = race.shared;

		*fresh = 42;
		smp_store_release(&race.shared, fresh);
		synchronize_srcu(&race.srcu);
		*old = 0;
		kfree(old);
	}
	WRITE_ONCE(race.stop, 1);
	pthread_join(thread, NULL);
	kfree(race.shared);
	cleanup_srcu_struct(&race.srcu);
}

static void siphash_is_its_authors(void **state)
{
	const siphash_key_t key = { { 0x0706050403020100ULL, 0x0f0e0d0c0b0a0908ULL } };
	u8 bytes[15];
	u32 i;

	/* SipHash-2-4 of the bytes 0 to 23 by its authors. */
	assert_true(siphash_3u64(0x0706050403020100ULL, 0x0f0e0d0c0b0a0908ULL,
				 0x1716151413121110ULL, &key) == 0xb8ad50c6f649af94ULL);
	/* And of 0 to 14: the example of their paper. */
	for (i = 0; i < sizeof(bytes); i++)
		bytes[i] = i;
	assert_true(siphash(bytes, sizeof(bytes), &key) == 0xa129ca6149be45e5ULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(xarray_holds_sparse_indices),
		cmocka_unit_test(xarray_allocates_cyclically),
		cmocka_unit_test(xarray_reserves),
		cmocka_unit_test(xarray_frees_empty_nodes),
		cmocka_unit_test(warning_goes_on),
		cmocka_unit_test(nth_allocation_fails),
		cmocka_unit_test(clock_obeys),
		cmocka_unit_test(locks_know_their_holder),
		cmocka_unit_test(srcu_waits_for_readers),
		cmocka_unit_test(siphash_is_its_authors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
