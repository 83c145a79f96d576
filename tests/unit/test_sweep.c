// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Failure sweep: a sequence that succeeds (open, register, create, connect, send,
 * destroy) is run with the n-th allocation failing, then with the n-th pin failing,
 * for every n. After each: an error was reported, nothing is left, and the instance
 * is usable.
 */
#include "fixture.h"
#include "sequence.h"

/* Everything from opening on. 0 or the first error. */
static int run_once(struct vmm_user *vmm)
{
	struct sequence_result result = sequence_run(&vmm_user_client_ops, vmm);

	if (result.broken)
		fail_msg("%s", result.broken);
	assert_int_equal(vmm->pinned, 0);
	return result.error;
}

static void nothing_left(struct vmm_user *vmm)
{
	u32 kind;

	for (kind = 0; kind < MHCA_OBJECT_KINDS; kind++)
		assert_int_equal(vmm->inst->object_count[kind], 0);
	assert_int_equal(vmm->pinned, 0);
	assert_int_equal(atomic64_read(&vmm->inst->gmem.pinned), 0);
}

static void every_allocation_fails_once(void **state)
{
	struct world *w = *state;
	struct vmm_user *vmm = vmm_user_create(&w->hca, NULL, 0x77);
	u32 reported = 0;
	u64 n;

	for (n = 1; ; n++) {
		int ret;

		shim_fail_nth(n);
		ret = run_once(vmm);
		if (!shim_failed())
			break;
		reported += ret != 0;
		shim_fail_nth(0);
		nothing_left(vmm);
		assert_ok(run_once(vmm));
	}
	shim_fail_nth(0);
	print_message("           %llu allocations, %u failures reported\n",
		      (unsigned long long)n - 1, reported);
	assert_true(n > 50);
	assert_true(reported > 20);
	vmm_user_destroy(vmm);
}

static void every_pin_fails_once(void **state)
{
	struct world *w = *state;
	struct vmm_user *vmm = vmm_user_create(&w->hca, NULL, 0x78);
	u64 n;

	for (n = 1; ; n++) {
		u64 calls = vmm->pin_calls;
		int ret;

		vmm->pin_fail_at = calls + n;
		ret = run_once(vmm);
		if (vmm->pin_calls < vmm->pin_fail_at)
			break;
		assert_int_not_equal(ret, 0);
		vmm->pin_fail_at = 0;
		nothing_left(vmm);
		assert_ok(run_once(vmm));
	}
	vmm->pin_fail_at = 0;
	print_message("           %llu pins\n", (unsigned long long)n - 1);
	assert_true(n > 20);
	vmm_user_destroy(vmm);
}

/* The instance's own creation. */
static void creation_fails_cleanly(void **state)
{
	struct world *w = *state;
	struct vmm_user *vmm;
	u64 n;

	for (n = 1; ; n++) {
		shim_fail_nth(n);
		vmm = vmm_user_create(&w->hca, NULL, 0x79);
		shim_fail_nth(0);
		if (vmm)
			break;
	}
	assert_true(n > 1);
	assert_ok(run_once(vmm));
	vmm_user_destroy(vmm);
}

#define world_test(fn) cmocka_unit_test_setup_teardown(fn, world_setup, world_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		world_test(every_allocation_fails_once),
		world_test(every_pin_fails_once),
		world_test(creation_fails_cleanly),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
