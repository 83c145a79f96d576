// SPDX-License-Identifier: GPL-2.0-only
/* An instance's counters, from sysfs. */
#include <glob.h>
#include <stdio.h>
#include "host.h"

static u64 read_number(const char *path)
{
	unsigned long long value = ~0ULL;
	FILE *f = fopen(path, "r");

	if (!f)
		return ~0ULL;
	if (fscanf(f, "%llu", &value) != 1)
		value = ~0ULL;
	fclose(f);
	return value;
}

u64 node_counter(const struct node *n, const char *name)
{
	char path[256];

	snprintf(path, sizeof(path), "/sys/bus/mdev/devices/%s/counters/%s", n->uuid, name);
	return read_number(path);
}

u64 node_objects(const struct node *n)
{
	char pattern[256];
	u64 sum = 0;
	glob_t g;
	size_t i;

	snprintf(pattern, sizeof(pattern), "/sys/bus/mdev/devices/%s/counters/objects_*",
		 n->uuid);
	if (glob(pattern, 0, NULL, &g))
		return ~0ULL;
	for (i = 0; i < g.gl_pathc; i++)
		sum += read_number(g.gl_pathv[i]);
	globfree(&g);
	return sum;
}
