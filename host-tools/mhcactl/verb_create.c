// SPDX-License-Identifier: GPL-2.0-only
/*
 * mhcactl create: a new instance, with all of its settings or not at all.
 */
#include <errno.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>

#include "host.h"
#include "kmsg.h"
#include "output.h"
#include "policy.h"

static const struct reason create_reasons[] = {
	{ ENOSPC, CTL_NO_CAPACITY,
	  "the HCA has no room for another instance; 'mhcactl types' shows how many fit" },
	{ EUSERS, CTL_NO_CAPACITY,
	  "the HCA has no room for another instance; 'mhcactl types' shows how many fit" },
	{ EEXIST, CTL_REFUSED, "an instance with this UUID, or with its addresses, exists" },
	{ EINVAL, CTL_REFUSED, "the kernel refuses this UUID" },
	{ ENOENT, CTL_NO_DRIVER, "the type has disappeared: is the driver being removed?" },
	{ ENOMEM, CTL_NO_CAPACITY, "the host is out of memory" },
	{ 0, CTL_OK, NULL }
};

/**
 * struct request - what to create
 * @parent: HCA, NULL: any with room
 * @type: with or without the driver's prefix, NULL: the only one
 * @uuid: name
 * @settings: attributes to write
 */
struct request {
	const char *parent;
	const char *type;
	char uuid[UUID_LEN + 1];
	struct settings settings;
};

/* A random (version 4) UUID. */
static int make_uuid(char *uuid)
{
	static const char digits[] = "0123456789abcdef";
	unsigned char random[16];
	int at = 0;

	if (getrandom(random, sizeof(random), 0) != sizeof(random)) {
		ctl_error("no random numbers: %s", strerror(errno));
		return CTL_FAILED;
	}
	random[6] = (random[6] & 0x0f) | 0x40;
	random[8] = (random[8] & 0x3f) | 0x80;
	for (int i = 0; i < 16; i++) {
		if (i == 4 || i == 6 || i == 8 || i == 10)
			uuid[at++] = '-';
		uuid[at++] = digits[random[i] >> 4];
		uuid[at++] = digits[random[i] & 15];
	}
	uuid[at] = '\0';
	return CTL_OK;
}

static bool type_matches(const struct request *request, const struct type *type)
{
	if (request->parent && strcmp(request->parent, type->parent))
		return false;
	return !request->type || !strcmp(request->type, type->name) ||
	       !strcmp(request->type, type->name + strlen(TYPE_PREFIX));
}

/* The wanted type, on the parent with the most room. */
static const struct type *choose_type(const struct host *host, const struct request *request)
{
	const struct type *best = NULL;

	for (size_t i = 0; i < host->n_types; i++) {
		const struct type *type = &host->types[i];

		if (!type_matches(request, type))
			continue;
		if (best && strcmp(best->name, type->name)) {
			ctl_error("there are several types; choose one with --type "
				  "('mhcactl types' lists them)");
			return NULL;
		}
		if (!best || type->available > best->available)
			best = type;
	}
	if (!best)
		ctl_error("no type '%s'%s%s; 'mhcactl types' lists all",
			  request->type ? request->type : "any",
			  request->parent ? " on " : "",
			  request->parent ? request->parent : "");
	return best;
}

static void print_result(const struct ctl *ctl, const struct request *request,
			 const struct type *type)
{
	json_object *created;

	if (!ctl->json) {
		fprintf(ctl->out, "%s\n", request->uuid);
		return;
	}
	created = json_object_new_object();
	json_object_object_add(created, "uuid", json_object_new_string(request->uuid));
	json_object_object_add(created, "parent", json_object_new_string(type->parent));
	json_object_object_add(created, "type", json_object_new_string(type->name));
	output_json(ctl, output_document("created", created), false);
}

static int create(const struct ctl *ctl, const struct request *request,
		  const struct type *type)
{
	struct kmsg kmsg;
	int error, ret;

	kmsg_open(ctl, &kmsg);
	error = sys_write(ctl, request->uuid, MDEV_BUS "/%s/mdev_supported_types/%s/create",
			  type->parent, type->name);
	if (error) {
		ret = ctl_explain(create_reasons, -error, "cannot create %s on %s",
				  type->name, type->parent);
		kmsg_print(&kmsg);
		goto out;
	}
	if (!sys_exists(ctl, MDEV_DEVICES "/%s", request->uuid)) {
		ctl_error("the kernel accepted %s, but no instance appeared", request->uuid);
		ret = CTL_FAILED;
		goto out;
	}
	ret = settings_apply(ctl, request->uuid, &request->settings);
	if (ret) {
		error = sys_write(ctl, "1", MDEV_DEVICES "/%s/remove", request->uuid);
		if (error)
			ctl_note("%s was created and could not be removed again: %s",
				 request->uuid, strerror(-error));
	}
out:
	kmsg_close(&kmsg);
	return ret;
}

static int parse(struct ctl *ctl, int argc, char **argv, struct request *request)
{
	static const struct option longs[] = {
		{ "parent", required_argument, NULL, 'p' },
		{ "type", required_argument, NULL, 't' },
		{ "uuid", required_argument, NULL, 'u' },
		CTL_LONG
	};
	const char *uuid = NULL;
	int opt, ret;

	while ((opt = ctl_getopt(ctl, argc, argv, "p:t:u:" CTL_SHORT, longs)) != -1) {
		switch (opt) {
		case 'p':
			request->parent = optarg;
			break;
		case 't':
			request->type = optarg;
			break;
		case 'u':
			uuid = optarg;
			break;
		default:
			ret = ctl_usage(ctl, opt);
			return ret ? ret : -1;
		}
	}
	for (; optind < argc; optind++) {
		ret = settings_parse(&request->settings, argv[optind]);
		if (ret)
			return ret;
	}
	if (!uuid)
		return make_uuid(request->uuid);
	if (!uuid_valid(uuid)) {
		ctl_error("'%s' is no UUID", uuid);
		return CTL_USAGE;
	}
	for (int i = 0; i <= UUID_LEN; i++)
		request->uuid[i] = uuid[i] >= 'A' && uuid[i] <= 'F' ?
				   (char)(uuid[i] - 'A' + 'a') : uuid[i];
	return CTL_OK;
}

static int run(struct ctl *ctl, int argc, char **argv)
{
	struct request request = { 0 };
	const struct type *type;
	struct host host = { 0 };
	int ret = parse(ctl, argc, argv, &request);

	if (ret)
		goto out;
	ret = settings_check(&request.settings);
	if (ret)
		goto out;
	ret = host_load(ctl, &host, 0);
	if (ret)
		goto out;
	type = choose_type(&host, &request);
	if (!type) {
		ret = CTL_NOT_FOUND;
		goto out;
	}
	ret = create(ctl, &request, type);
	if (!ret)
		print_result(ctl, &request, type);
out:
	host_free(&host);
	settings_free(&request.settings);
	return ret < 0 ? CTL_OK : ret;	/* -1: help was printed */
}

const struct verb verb_create = {
	.name = "create",
	.args = "[OPTION]... [NAME=VALUE]...",
	.summary = "Create an instance and print its UUID",
	.options =
	"  -t, --type=TYPE        type; not needed when there is only one\n"
	"  -p, --parent=PARENT    HCA; default: the one with the most room\n"
	"  -u, --uuid=UUID        its UUID; default: a random one\n"
	"      NAME=VALUE         attributes to set; NAME=@FILE reads the value\n",
	.run = run,
};
