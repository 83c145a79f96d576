// SPDX-License-Identifier: GPL-2.0-only
/*
 * mhcactl types: what can be created on this host.
 */
#include "host.h"
#include "output.h"

static const struct column columns[] = {
	{ "type", "TYPE", FORMAT_TEXT, false },
	{ "parent", "PARENT", FORMAT_TEXT, false },
	{ "available_instances", "AVAILABLE", FORMAT_NUMBER, false },
	{ "name", "NAME", FORMAT_TEXT, false },
	{ "description", "DESCRIPTION", FORMAT_TEXT, true },
	{ NULL, NULL, FORMAT_TEXT, false }
};

static int run(struct ctl *ctl, int argc, char **argv)
{
	static const struct option longs[] = {
		{ "quiet", no_argument, NULL, 'q' },
		CTL_LONG
	};
	struct host host = { 0 };
	json_object *rows;
	bool quiet = false;
	int opt, ret;

	while ((opt = ctl_getopt(ctl, argc, argv, "q" CTL_SHORT, longs)) != -1) {
		if (opt != 'q')
			return ctl_usage(ctl, opt);
		quiet = true;
	}
	ret = ctl_arguments(ctl, argc - optind, 0, 0);
	if (ret)
		return ret;
	ret = host_load(ctl, &host, 0);
	if (ret)
		goto out;
	rows = json_object_new_array();
	for (size_t i = 0; i < host.n_types; i++) {
		if (quiet)
			fprintf(ctl->out, "%s\n", host.types[i].name);
		else
			json_object_array_add(rows, type_to_json(&host.types[i], &host));
	}
	if (quiet)
		json_object_put(rows);
	else
		output_rows(ctl, "types", rows, columns);
out:
	host_free(&host);
	return ret;
}

const struct verb verb_types = {
	.name = "types",
	.args = "[OPTION]...",
	.summary = "List the types that can be created",
	.options =
	"  -q, --quiet            only names\n",
	.run = run,
};
