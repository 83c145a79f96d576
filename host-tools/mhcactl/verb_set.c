// SPDX-License-Identifier: GPL-2.0-only
/*
 * mhcactl set: change settings of an instance, all of them or none.
 */
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "host.h"
#include "output.h"
#include "policy.h"

/* What the driver made of the values. */
static void print_result(const struct ctl *ctl, const char *uuid,
			 const struct settings *settings)
{
	json_object *result = json_object_new_object();
	json_object *values = json_object_new_object();
	json_object *document;

	for (size_t i = 0; i < settings->count; i++) {
		const char *name = settings->item[i].name;
		char *value = sys_read(ctl, MDEV_DEVICES "/%s/%s", uuid, name);

		json_object_object_add(values, name,
				       value ? json_object_new_string(value) : NULL);
		free(value);
	}
	json_object_object_add(result, "uuid", json_object_new_string(uuid));
	json_object_object_add(result, "attributes", values);
	document = output_document("set", result);
	output_json(ctl, document, false);
}

static int set(const struct ctl *ctl, const char *name, const struct settings *settings)
{
	const struct instance *instance;
	struct host host;
	int ret = host_load(ctl, &host, 0);

	if (ret)
		goto out;
	instance = host_find(&host, name, &ret);
	if (!instance)
		goto out;
	ret = settings_apply(ctl, instance->uuid, settings);
	if (!ret && ctl->json)
		print_result(ctl, instance->uuid, settings);
out:
	host_free(&host);
	return ret;
}

static int run(struct ctl *ctl, int argc, char **argv)
{
	static const struct option longs[] = { CTL_LONG };
	struct settings settings = { 0 };
	const char *uuid;
	int opt, ret;

	opt = ctl_getopt(ctl, argc, argv, CTL_SHORT, longs);
	if (opt != -1)
		return ctl_usage(ctl, opt);
	ret = ctl_arguments(ctl, argc - optind, 2, INT_MAX);
	if (ret)
		return ret;
	uuid = argv[optind++];
	for (; optind < argc && ret == CTL_OK; optind++)
		ret = settings_parse(&settings, argv[optind]);
	if (!ret)
		ret = settings_check(&settings);
	if (!ret)
		ret = set(ctl, uuid, &settings);
	settings_free(&settings);
	return ret;
}

const struct verb verb_set = {
	.name = "set",
	.args = "UUID NAME=VALUE...",
	.summary = "Change attributes of an instance",
	.options =
	"      NAME=VALUE         written in this order; NAME=@FILE reads the value\n",
	.run = run,
};
