/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Migration states and what it takes to get from one to the next: VFIO's protocol, v2
 * (enum vfio_device_mig_state in include/uapi/linux/vfio.h). A table of our own, since
 * kernels before 6.2 have no PRE_COPY in theirs; a front end carries the arcs out.
 */
#ifndef MHCA_ARC_H
#define MHCA_ARC_H

#include <mhca/prm.h>

/* Numbers are VFIO's. */
enum mhca_mig {
	MHCA_MIG_ERROR,
	MHCA_MIG_STOP,
	MHCA_MIG_RUNNING,
	MHCA_MIG_STOP_COPY,
	MHCA_MIG_RESUMING,
	MHCA_MIG_RUNNING_P2P,
	MHCA_MIG_PRE_COPY,
	MHCA_MIG_PRE_COPY_P2P,
	MHCA_MIG_STATES
};

/* What an arc does to the stream. Who gets a new one returns it as a file. */
enum mhca_stream_act {
	MHCA_STREAM_NONE,
	MHCA_STREAM_SAVE,	/* a new one, of an instance that runs */
	MHCA_STREAM_REST,	/* the instance stands still: the rest of its image */
	MHCA_STREAM_SAVE_ALL,	/* both */
	MHCA_STREAM_LOAD,	/* a new one, into an instance that is reset first */
	MHCA_STREAM_FINISH,	/* what was loaded has to be complete; and the end */
	MHCA_STREAM_END,
};

/**
 * struct mhca_arc - one step between two states
 * @from: state
 * @to: state
 * @run: what of the instance runs in @to
 * @act: what becomes of the stream, after what stops has stopped and before what runs runs
 */
struct mhca_arc {
	enum mhca_mig from;
	enum mhca_mig to;
	enum mhca_run run;
	enum mhca_stream_act act;
};

extern const char * const mhca_mig_names[MHCA_MIG_STATES];

const struct mhca_arc *mhca_arc_next(enum mhca_mig from, u32 to);

#endif /* MHCA_ARC_H */
