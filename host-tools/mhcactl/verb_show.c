// SPDX-License-Identifier: GPL-2.0-only
/*
 * mhcactl show: everything about an instance.
 */
#include <limits.h>
#include <string.h>

#include "host.h"
#include "output.h"

static json_object *users_to_json(const struct ctl *ctl, const struct instance *instance)
{
	json_object *array = json_object_new_array();
	struct user *users;
	size_t count;

	users = instance_users(ctl, instance, &count);
	for (size_t i = 0; i < count; i++) {
		json_object *user = json_object_new_object();

		json_object_object_add(user, "pid", json_object_new_int(users[i].pid));
		json_object_object_add(user, "command", users[i].command ?
				       json_object_new_string(users[i].command) : NULL);
		json_object_array_add(array, user);
	}
	users_free(users, count);
	return array;
}

static void print_line(FILE *out, json_object *json, const char *key, const char *title,
		       enum format format)
{
	char text[FORMAT_MAX];

	format_value(text, sizeof(text), format, json_get(json, key));
	fprintf(out, "  %-18s %s\n", title, text);
}

static void print_users(FILE *out, json_object *users)
{
	for (size_t i = 0; i < json_object_array_length(users); i++) {
		json_object *user = json_object_array_get_idx(users, i);
		char command[FORMAT_MAX];

		format_value(command, sizeof(command), FORMAT_TEXT, json_get(user, "command"));
		fprintf(out, "  %-18s %s (pid %d)\n", i ? "" : "used by", command,
			json_object_get_int(json_get(user, "pid")));
	}
}

static void print_instance(FILE *out, json_object *json)
{
	fprintf(out, "%s\n", json_object_get_string(json_get(json, "uuid")));
	print_line(out, json, "parent", "parent", FORMAT_TEXT);
	print_line(out, json, "type", "type", FORMAT_TEXT);
	print_line(out, json, "state", "state", FORMAT_TEXT);
	print_users(out, json_get(json, "users"));
	print_line(out, json, "lid", "lid", FORMAT_TEXT);
	print_line(out, json, "iommu_group", "iommu group", FORMAT_TEXT);
	print_line(out, json, "pinned_bytes", "pinned", FORMAT_BYTES);
	print_line(out, json, "pinned_peak_bytes", "pinned, peak", FORMAT_BYTES);
	output_members(out, "attributes", json_get(json, "attributes"), true);
	output_members(out, "objects", json_get(json, "objects"), false);
	output_members(out, "counters", json_get(json, "counters"), false);
}

static json_object *instance_document(const struct ctl *ctl, const struct instance *instance)
{
	json_object *json = instance_to_json(instance, JSON_COUNTERS | JSON_ATTRIBUTES);

	json_object_object_add(json, "users", users_to_json(ctl, instance));
	return json;
}

static int show(const struct ctl *ctl, const struct host *host, char **uuids, int count)
{
	json_object *rows = json_object_new_array();
	int ret = CTL_OK;

	for (int i = 0; i < count && ret == CTL_OK; i++) {
		const struct instance *instance = host_find(host, uuids[i], &ret);

		if (instance)
			json_object_array_add(rows, instance_document(ctl, instance));
	}
	if (ret) {
		json_object_put(rows);
		return ret;
	}
	if (ctl->json) {
		output_json(ctl, output_document("instances", rows), false);
		return CTL_OK;
	}
	for (size_t i = 0; i < json_object_array_length(rows); i++)
		print_instance(ctl->out, json_object_array_get_idx(rows, i));
	json_object_put(rows);
	return CTL_OK;
}

static int run(struct ctl *ctl, int argc, char **argv)
{
	static const struct option longs[] = { CTL_LONG };
	struct host host = { 0 };
	int opt, ret;

	opt = ctl_getopt(ctl, argc, argv, CTL_SHORT, longs);
	if (opt != -1)
		return ctl_usage(ctl, opt);
	ret = ctl_arguments(ctl, argc - optind, 1, INT_MAX);
	if (ret)
		return ret;
	ret = host_load(ctl, &host, HOST_COUNTERS | HOST_ATTRIBUTES);
	if (!ret)
		ret = show(ctl, &host, argv + optind, argc - optind);
	host_free(&host);
	return ret;
}

const struct verb verb_show = {
	.name = "show",
	.args = "UUID...",
	.summary = "Show everything about instances",
	.options = "",
	.run = run,
};
