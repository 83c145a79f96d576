// SPDX-License-Identifier: GPL-2.0-only
/*
 * CPU time of the engine's threads: kernel threads named mhca…lane…N.
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sample.h"

/* Index of the lane whose thread has this name, -1: no lane. */
static int lane_index(const char *comm)
{
	size_t digits = strlen(comm);

	if (strncmp(comm, "mhca", 4) || !strstr(comm, "lane"))
		return -1;
	while (digits && isdigit((unsigned char)comm[digits - 1]))
		digits--;
	return comm[digits] ? atoi(comm + digits) : -1;
}

/* utime + stime (fields 14 and 15; the name before them may contain anything). */
static double cpu_seconds(const char *stat)
{
	const char *rest = strrchr(stat, ')');
	unsigned long long utime, stime;

	if (!rest || sscanf(rest + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu",
			    &utime, &stime) != 2)
		return 0;
	return (double)(utime + stime) / (double)sysconf(_SC_CLK_TCK);
}

static int compare_lanes(const void *a, const void *b)
{
	return ((const struct lane *)a)->index - ((const struct lane *)b)->index;
}

struct lane *lanes_load(const struct ctl *ctl, size_t *count)
{
	struct lane *lanes = NULL;
	struct names pids;

	*count = 0;
	if (sys_list(ctl, &pids, "/proc"))
		return NULL;
	for (size_t i = 0; i < pids.count; i++) {
		const char *pid = pids.name[i];
		char *comm, *stat;
		int index;

		if (!isdigit((unsigned char)*pid))
			continue;
		comm = sys_read(ctl, "/proc/%s/comm", pid);
		index = comm ? lane_index(comm) : -1;
		free(comm);
		if (index < 0)
			continue;
		stat = sys_read(ctl, "/proc/%s/stat", pid);
		if (!stat)
			continue;
		lanes = ctl_grow(lanes, *count + 1, sizeof(*lanes));
		lanes[*count] = (struct lane){
			.index = index, .pid = atoi(pid), .seconds = cpu_seconds(stat),
		};
		++*count;
		free(stat);
	}
	names_free(&pids);
	if (lanes)
		qsort(lanes, *count, sizeof(*lanes), compare_lanes);
	return lanes;
}
