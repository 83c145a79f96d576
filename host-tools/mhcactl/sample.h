/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The host at a moment, and what happened between two of them.
 */
#ifndef MHCACTL_SAMPLE_H
#define MHCACTL_SAMPLE_H

#include "host.h"

/**
 * struct lane - a thread of the engine
 * @index: number of the lane
 * @pid: thread
 * @seconds: CPU time used so far
 */
struct lane {
	int index;
	int pid;
	double seconds;
};

/**
 * struct sample - a moment
 * @time: seconds of the monotonic clock
 * @host: instances with counters
 * @lanes: by index
 * @n_lanes: length
 */
struct sample {
	double time;
	struct host host;
	struct lane *lanes;
	size_t n_lanes;
};

/* lanes.c: an array to free(), NULL and 0 when there are none. */
struct lane *lanes_load(const struct ctl *ctl, size_t *count);

/* Exit code, as host_load(); @parts: HOST_COUNTERS is added. */
int sample_take(const struct ctl *ctl, struct sample *sample, unsigned int parts);
void sample_free(struct sample *sample);

/*
 * Per second between two samples. An instance that was not there before has
 * no rates: 0. A counter that fell belongs to a new instance of that UUID: 0.
 */
double sample_rate(const struct sample *before, const struct sample *now,
		   const struct instance *instance, const char *counter);
/* Per cent of a CPU; -1: the lane was not there before. */
double sample_lane_load(const struct sample *before, const struct sample *now,
			const struct lane *lane);

/*
 * {"uuid", …, "counters", "rates"} of each instance of @uuids (all when NULL);
 * @before NULL: without rates.
 */
json_object *sample_to_json(const struct sample *before, const struct sample *now,
			    const struct names *uuids);
json_object *sample_lanes_to_json(const struct sample *before, const struct sample *now);

#endif /* MHCACTL_SAMPLE_H */
