// SPDX-License-Identifier: GPL-2.0-only
/*
 * mhcactl list: the instances of this host, a line each.
 */
#include <string.h>

#include "host.h"
#include "output.h"

static const struct column columns[] = {
	{ "uuid", "UUID", FORMAT_TEXT, false },
	{ "parent", "PARENT", FORMAT_TEXT, false },
	{ "type", "TYPE", FORMAT_TEXT, false },
	{ "state", "STATE", FORMAT_TEXT, false },
	{ "lid", "LID", FORMAT_NUMBER, false },
	{ "iommu_group", "GROUP", FORMAT_NUMBER, false },
	{ "objects.qp", "QP", FORMAT_NUMBER, false },
	{ "pinned_bytes", "PINNED", FORMAT_BYTES, false },
	{ "attributes.description", "DESCRIPTION", FORMAT_TEXT, true },
	{ NULL, NULL, FORMAT_TEXT, false }
};

/**
 * struct filter - which instances are wanted; NULL: all
 * @parent: HCA
 * @type: with or without the driver's prefix
 * @state: state
 */
struct filter {
	const char *parent;
	const char *type;
	const char *state;
};

static bool matches(const struct filter *filter, const struct instance *instance)
{
	if (filter->parent && strcmp(filter->parent, instance->parent))
		return false;
	if (filter->state && strcmp(filter->state, instance->state))
		return false;
	return !filter->type || !strcmp(filter->type, instance->type) ||
	       !strcmp(filter->type, instance->type + strlen(TYPE_PREFIX));
}

static void print_instances(const struct ctl *ctl, const struct host *host,
			    const struct filter *filter, bool quiet)
{
	json_object *rows = json_object_new_array();

	for (size_t i = 0; i < host->n_instances; i++) {
		const struct instance *instance = &host->instances[i];

		if (!matches(filter, instance))
			continue;
		if (quiet)
			fprintf(ctl->out, "%s\n", instance->uuid);
		else
			json_object_array_add(rows, instance_to_json(instance,
						     JSON_COUNTERS | JSON_ATTRIBUTES));
	}
	if (quiet)
		json_object_put(rows);
	else
		output_rows(ctl, "instances", rows, columns);
}

static int run(struct ctl *ctl, int argc, char **argv)
{
	static const struct option longs[] = {
		{ "parent", required_argument, NULL, 'p' },
		{ "type", required_argument, NULL, 't' },
		{ "state", required_argument, NULL, 's' },
		{ "quiet", no_argument, NULL, 'q' },
		CTL_LONG
	};
	struct filter filter = { 0 };
	struct host host = { 0 };
	bool quiet = false;
	int opt, ret;

	while ((opt = ctl_getopt(ctl, argc, argv, "p:t:s:q" CTL_SHORT, longs)) != -1) {
		switch (opt) {
		case 'p':
			filter.parent = optarg;
			break;
		case 't':
			filter.type = optarg;
			break;
		case 's':
			filter.state = optarg;
			break;
		case 'q':
			quiet = true;
			break;
		default:
			return ctl_usage(ctl, opt);
		}
	}
	ret = ctl_arguments(ctl, argc - optind, 0, 0);
	if (ret)
		return ret;
	ret = host_load(ctl, &host, quiet ? 0 : HOST_COUNTERS | HOST_ATTRIBUTES);
	if (!ret)
		print_instances(ctl, &host, &filter, quiet);
	host_free(&host);
	return ret;
}

const struct verb verb_list = {
	.name = "list",
	.args = "[OPTION]...",
	.summary = "List the instances of this host",
	.options =
	"  -p, --parent=PARENT    only instances of this HCA\n"
	"  -t, --type=TYPE        only instances of this type\n"
	"  -s, --state=STATE      only instances in this state\n"
	"  -q, --quiet            only UUIDs\n",
	.run = run,
};
