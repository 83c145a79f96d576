// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The arcs of migration: which ways there are, and that along each of them the stream
 * begins and ends where the protocol says (include/uapi/linux/vfio.h).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <mhca/arc.h>

/* First steps, by from and to, as the comment of enum vfio_device_mig_state has them. */
static const char *const steps[MHCA_MIG_STATES] = {
	/*			 E S R C L p P q */
	[MHCA_MIG_ERROR]	= "........",
	[MHCA_MIG_STOP]		= "..pCLppp",
	[MHCA_MIG_RUNNING]	= ".p.pppPp",
	[MHCA_MIG_STOP_COPY]	= ".SS.SS..",
	[MHCA_MIG_RESUMING]	= ".SSS.SSS",
	[MHCA_MIG_RUNNING_P2P]	= ".SRSS.Rq",
	[MHCA_MIG_PRE_COPY]	= ".RRqRR.q",
	[MHCA_MIG_PRE_COPY_P2P]	= ".ppCppP.",
};
static const char letters[MHCA_MIG_STATES + 1] = "ESRCLpPq";

/* What runs in a state, and whether it has a stream. */
static const struct {
	enum mhca_run run;
	bool stream;
} states[MHCA_MIG_STATES] = {
	[MHCA_MIG_STOP] = { MHCA_RUN_NONE, false },
	[MHCA_MIG_RUNNING] = { MHCA_RUN_ALL, false },
	[MHCA_MIG_STOP_COPY] = { MHCA_RUN_NONE, true },
	[MHCA_MIG_RESUMING] = { MHCA_RUN_NONE, true },
	[MHCA_MIG_RUNNING_P2P] = { MHCA_RUN_RESPONDER, false },
	[MHCA_MIG_PRE_COPY] = { MHCA_RUN_ALL, true },
	[MHCA_MIG_PRE_COPY_P2P] = { MHCA_RUN_RESPONDER, true },
};

static bool begins(enum mhca_stream_act act)
{
	return act == MHCA_STREAM_SAVE || act == MHCA_STREAM_SAVE_ALL || act == MHCA_STREAM_LOAD;
}

static bool ends(enum mhca_stream_act act)
{
	return act == MHCA_STREAM_END || act == MHCA_STREAM_FINISH;
}

static void check_arc(const struct mhca_arc *arc, enum mhca_mig from)
{
	assert_int_equal(arc->from, from);
	assert_int_equal(arc->run, states[arc->to].run);
	assert_int_equal(begins(arc->act), !states[from].stream && states[arc->to].stream);
	assert_int_equal(ends(arc->act), states[from].stream && !states[arc->to].stream);
	assert_int_equal(arc->act == MHCA_STREAM_FINISH, from == MHCA_MIG_RESUMING);
	/* The image is complete where it can be read to its end, and not before. */
	if (arc->to == MHCA_MIG_STOP_COPY)
		assert_int_equal(arc->act, states[from].stream ? MHCA_STREAM_REST :
								 MHCA_STREAM_SAVE_ALL);
	else
		assert_int_not_equal(arc->act, MHCA_STREAM_REST);
}

static void test_steps(void **state)
{
	const struct mhca_arc *arc;

	for (u32 from = 0; from < MHCA_MIG_STATES; from++) {
		for (u32 to = 0; to < MHCA_MIG_STATES; to++) {
			arc = mhca_arc_next(from, to);
			assert_int_equal(arc ? letters[arc->to] : '.', steps[from][to]);
			if (arc)
				check_arc(arc, from);
		}
	}
	assert_null(mhca_arc_next(MHCA_MIG_RUNNING, MHCA_MIG_STATES));
	assert_null(mhca_arc_next(MHCA_MIG_RUNNING, UINT32_MAX));
}

/* Each way ends, where it was to, and only its last step may begin a stream. */
static void test_ways(void **state)
{
	const struct mhca_arc *arc;
	enum mhca_mig at;

	for (u32 from = 0; from < MHCA_MIG_STATES; from++) {
		for (u32 to = 0; to < MHCA_MIG_STATES; to++) {
			if (!mhca_arc_next(from, to))
				continue;
			at = from;
			for (int n = 0; at != to; n++) {
				assert_true(n < 6);
				arc = mhca_arc_next(at, to);
				assert_non_null(arc);
				at = arc->to;
				assert_true(!begins(arc->act) || at == to);
			}
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_steps),
		cmocka_unit_test(test_ways),
	};

	return cmocka_run_group_tests_name("arc", tests, NULL, NULL);
}
