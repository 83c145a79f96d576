// SPDX-License-Identifier: GPL-2.0-only
/*
 * sweep UUID: the sequence (sequence.h) with the n-th allocation or pin of the kernel
 * modules failing, for every n. After each the instance has no object and no pinned
 * page, and the sequence succeeds. Prints what it saw as JSON.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "host.h"
#include "sequence.h"

#define PARAMETER	"/sys/module/mhca/parameters/fail_nth"

static int fail_nth(unsigned int n)
{
	FILE *f = fopen(PARAMETER, "w");
	int ret = f ? fprintf(f, "%u\n", n) : -1;

	if (f && fclose(f))
		ret = -1;
	return ret < 0 ? complain("%s: %s", PARAMETER, strerror(errno)) : 0;
}

/* How many were still to succeed; none fails any more. -1: unknown. */
static int fail_stop(void)
{
	FILE *f = fopen(PARAMETER, "r");
	int left = -1;

	if (f && fscanf(f, "%d", &left) != 1)
		left = -1;
	if (f)
		fclose(f);
	return fail_nth(0) ? -1 : left;
}

/* 0 or the first error; @broken: what was not to happen. */
static int run_once(const char *uuid, const char **broken)
{
	struct sequence_result result;
	struct client_vfio *vfio = client_vfio_open(uuid);

	if (!vfio)
		return errno ? -errno : -EIO;
	result = sequence_run(&client_vfio_ops, vfio);
	if (result.broken)
		*broken = result.broken;
	return result.error;
}

static const char *left_behind(const char *uuid)
{
	struct node n = { .uuid = uuid };

	if (node_objects(&n))
		return "objects are left";
	return node_counter(&n, "pinned_pages") ? "pages are left pinned" : NULL;
}

int sweep_main(int argc, char **argv)
{
	const char *uuid = argv[0], *broken = NULL;
	unsigned int n, reported = 0;
	int ret = 0;

	for (n = 1; !broken; n++) {
		int left;

		if (fail_nth(n))
			return -1;
		ret = run_once(uuid, &broken);
		left = fail_stop();
		if (left < 0)
			return -1;
		if (left)
			break;
		reported += ret != 0;
		if (!broken)
			broken = left_behind(uuid);
		if (!broken && run_once(uuid, &broken))
			broken = "the instance cannot be used any more";
	}
	if (!broken && ret)
		broken = "an error although nothing failed";
	printf("{\"failures\": %u, \"reported\": %u}\n", n - 1, reported);
	return broken ? complain("failure %u: %s", n - 1, broken) : 0;
}
