// SPDX-License-Identifier: GPL-2.0-only
/*
 * The arcs of migration, and the way from any state to any other along them.
 *
 * Source: include/uapi/linux/vfio.h, "enum vfio_device_mig_state"; vfio_mig_get_next_state()
 * in drivers/vfio/vfio_main.c (6.12) for devices with PRE_COPY and P2P.
 */
#include <mhca/arc.h>

const char * const mhca_mig_names[MHCA_MIG_STATES] = {
	[MHCA_MIG_ERROR] = "error",
	[MHCA_MIG_STOP] = "stop",
	[MHCA_MIG_RUNNING] = "running",
	[MHCA_MIG_STOP_COPY] = "stop-copy",
	[MHCA_MIG_RESUMING] = "resuming",
	[MHCA_MIG_RUNNING_P2P] = "running-p2p",
	[MHCA_MIG_PRE_COPY] = "pre-copy",
	[MHCA_MIG_PRE_COPY_P2P] = "pre-copy-p2p",
};

#define ARC(from, to, run, act)							\
	{ MHCA_MIG_##from, MHCA_MIG_##to, MHCA_RUN_##run, MHCA_STREAM_##act }

static const struct mhca_arc mhca_arcs[] = {
	ARC(RUNNING,		RUNNING_P2P,	RESPONDER,	NONE),
	ARC(RUNNING_P2P,	RUNNING,	ALL,		NONE),
	ARC(RUNNING_P2P,	STOP,		NONE,		NONE),
	ARC(STOP,		RUNNING_P2P,	RESPONDER,	NONE),

	ARC(RUNNING,		PRE_COPY,	ALL,		SAVE),
	ARC(RUNNING_P2P,	PRE_COPY_P2P,	RESPONDER,	SAVE),
	ARC(PRE_COPY,		PRE_COPY_P2P,	RESPONDER,	NONE),
	ARC(PRE_COPY_P2P,	PRE_COPY,	ALL,		NONE),
	ARC(PRE_COPY,		RUNNING,	ALL,		END),
	ARC(PRE_COPY_P2P,	RUNNING_P2P,	RESPONDER,	END),
	ARC(PRE_COPY_P2P,	STOP_COPY,	NONE,		REST),
	ARC(STOP,		STOP_COPY,	NONE,		SAVE_ALL),
	ARC(STOP_COPY,		STOP,		NONE,		END),

	ARC(STOP,		RESUMING,	NONE,		LOAD),
	ARC(RESUMING,		STOP,		NONE,		FINISH),
};

#define VIA(from, to, next)	[MHCA_MIG_##from][MHCA_MIG_##to] = MHCA_MIG_##next

/* First step of ways that are longer than an arc; 0, that is ERROR: there is no way. */
static const u8 mhca_ways[MHCA_MIG_STATES][MHCA_MIG_STATES] = {
	VIA(STOP, RUNNING, RUNNING_P2P),
	VIA(STOP, PRE_COPY, RUNNING_P2P),
	VIA(STOP, PRE_COPY_P2P, RUNNING_P2P),

	VIA(RUNNING, STOP, RUNNING_P2P),
	VIA(RUNNING, PRE_COPY_P2P, RUNNING_P2P),
	VIA(RUNNING, STOP_COPY, RUNNING_P2P),
	VIA(RUNNING, RESUMING, RUNNING_P2P),

	VIA(RUNNING_P2P, PRE_COPY, RUNNING),
	VIA(RUNNING_P2P, STOP_COPY, STOP),
	VIA(RUNNING_P2P, RESUMING, STOP),

	VIA(PRE_COPY, STOP, RUNNING),
	VIA(PRE_COPY, RUNNING_P2P, RUNNING),
	VIA(PRE_COPY, STOP_COPY, PRE_COPY_P2P),
	VIA(PRE_COPY, RESUMING, RUNNING),

	VIA(PRE_COPY_P2P, STOP, RUNNING_P2P),
	VIA(PRE_COPY_P2P, RUNNING, RUNNING_P2P),
	VIA(PRE_COPY_P2P, RESUMING, RUNNING_P2P),

	VIA(STOP_COPY, RUNNING, STOP),
	VIA(STOP_COPY, RUNNING_P2P, STOP),
	VIA(STOP_COPY, RESUMING, STOP),

	VIA(RESUMING, RUNNING, STOP),
	VIA(RESUMING, RUNNING_P2P, STOP),
	VIA(RESUMING, PRE_COPY, STOP),
	VIA(RESUMING, PRE_COPY_P2P, STOP),
	VIA(RESUMING, STOP_COPY, STOP),
};

static const struct mhca_arc *mhca_arc_find(enum mhca_mig from, enum mhca_mig to)
{
	u32 i;

	for (i = 0; i < ARRAY_SIZE(mhca_arcs); i++)
		if (mhca_arcs[i].from == from && mhca_arcs[i].to == to)
			return &mhca_arcs[i];
	return NULL;
}

/**
 * mhca_arc_next() - the first step from one state to another
 * @from: state of the device
 * @to: what is asked for, any number
 *
 * Return: the arc; NULL: there is no such state, no way, or @from is @to.
 */
const struct mhca_arc *mhca_arc_next(enum mhca_mig from, u32 to)
{
	const struct mhca_arc *arc;

	if (to >= MHCA_MIG_STATES)
		return NULL;
	arc = mhca_arc_find(from, to);
	return arc ?: mhca_arc_find(from, mhca_ways[from][to]);
}
