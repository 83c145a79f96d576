// SPDX-License-Identifier: GPL-2.0-only
/*
 * mhcactl qemu: how to give an instance to a guest.
 *
 * The paths are those of the host, whatever root the tool looks at.
 */
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "host.h"
#include "output.h"

/* Chassis numbers of the root ports; small ones are what people use by hand. */
#define CHASSIS_FIRST	128
#define CHASSIS_LAST	255

enum part { PART_ALL, PART_ARGS, PART_QMP, PART_LIBVIRT };

static const char *const part_names[] = {
	[PART_ALL] = "all", [PART_ARGS] = "args", [PART_QMP] = "qmp", [PART_LIBVIRT] = "libvirt",
};

/**
 * struct request - what is asked for
 * @part: what to print
 * @root_port: machine is q35: a PCIe root port for each, so that it can be
 *             unplugged from the running guest
 */
struct request {
	enum part part;
	bool root_port;
};

/* ---- One instance ------------------------------------------------------ */

static void add_format(json_object *array, char *text)
{
	json_object_array_add(array, json_object_new_string(text));
	free(text);
}

static json_object *qemu_args(const char *uuid, int index, bool root_port)
{
	json_object *args = json_object_new_array();

	if (root_port) {
		json_object_array_add(args, json_object_new_string("-device"));
		add_format(args, ctl_format("pcie-root-port,id=mhca-port%d,chassis=%d", index,
					    CHASSIS_FIRST + index));
		json_object_array_add(args, json_object_new_string("-device"));
		add_format(args, ctl_format("vfio-pci,id=mhca-%s,bus=mhca-port%d,"
					    "sysfsdev=" MDEV_DEVICES "/%s", uuid, index, uuid));
		return args;
	}
	json_object_array_add(args, json_object_new_string("-device"));
	add_format(args, ctl_format("vfio-pci,id=mhca-%s,sysfsdev=" MDEV_DEVICES "/%s", uuid,
				    uuid));
	return args;
}

static void add_text(json_object *object, const char *name, char *text)
{
	json_object_object_add(object, name, json_object_new_string(text));
	free(text);
}

/* The same into a guest that runs. */
static json_object *qmp_command(const char *uuid, int index, bool root_port)
{
	json_object *arguments = json_object_new_object();
	json_object *command = json_object_new_object();

	json_object_object_add(arguments, "driver", json_object_new_string("vfio-pci"));
	add_text(arguments, "id", ctl_format("mhca-%s", uuid));
	if (root_port)
		add_text(arguments, "bus", ctl_format("mhca-port%d", index));
	add_text(arguments, "sysfsdev", ctl_format(MDEV_DEVICES "/%s", uuid));
	json_object_object_add(command, "execute", json_object_new_string("device_add"));
	json_object_object_add(command, "arguments", arguments);
	return command;
}

static char *libvirt_xml(const char *uuid)
{
	return ctl_format("<hostdev mode='subsystem' type='mdev' managed='no' model='vfio-pci'>\n"
			  "  <source>\n"
			  "    <address uuid='%s'/>\n"
			  "  </source>\n"
			  "</hostdev>\n", uuid);
}

static json_object *device_to_json(const char *uuid, int index, bool root_port)
{
	json_object *json = json_object_new_object();

	json_object_object_add(json, "uuid", json_object_new_string(uuid));
	json_object_object_add(json, "qemu_args", qemu_args(uuid, index, root_port));
	json_object_object_add(json, "qmp", qmp_command(uuid, index, root_port));
	add_text(json, "libvirt_xml", libvirt_xml(uuid));
	return json;
}

/* ---- Printing ---------------------------------------------------------- */

/* Option and value on one line, so that the text can be pasted. */
static void print_args(FILE *out, json_object *args, const char *separator)
{
	size_t count = json_object_array_length(args);

	for (size_t i = 0; i < count; i++)
		fprintf(out, "%s%s", json_object_get_string(json_object_array_get_idx(args, i)),
			i % 2 ? i + 1 < count ? separator : "\n" : " ");
}

static void print_device(FILE *out, json_object *device, enum part part)
{
	json_object *qmp = json_get(device, "qmp");

	switch (part) {
	case PART_ARGS:
		print_args(out, json_get(device, "qemu_args"), " ");
		break;
	case PART_QMP:
		fprintf(out, "%s\n", json_object_to_json_string_ext(qmp,
				JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
		break;
	case PART_LIBVIRT:
		fputs(json_object_get_string(json_get(device, "libvirt_xml")), out);
		break;
	case PART_ALL:
		fputs("# Options of qemu-system-x86_64\n", out);
		print_args(out, json_get(device, "qemu_args"), " \\\n");
		fputs("\n# Hot-plug into a running guest (QMP)\n", out);
		print_device(out, device, PART_QMP);
		fputs("\n# libvirt: below <devices> of the domain, or virsh attach-device\n", out);
		print_device(out, device, PART_LIBVIRT);
		break;
	}
}

static void print_devices(const struct ctl *ctl, json_object *devices, enum part part)
{
	for (size_t i = 0; i < json_object_array_length(devices); i++) {
		json_object *device = json_object_array_get_idx(devices, i);

		if (part == PART_ALL)
			fprintf(ctl->out, "%s# Instance %s\n\n", i ? "\n" : "",
				json_object_get_string(json_get(device, "uuid")));
		print_device(ctl->out, device, part);
	}
	if (part == PART_ALL)
		fputs("\n# QEMU must be allowed to lock as much memory as the guest registers\n"
		      "# ('ulimit -l', LimitMEMLOCK=); 'mhcactl check' shows the limit here.\n"
		      "# Its memory must be of a kind that can be pinned: the default, memfd, tmpfs or\n"
		      "# hugetlbfs; not memory-backend-file on a disk's file system.\n",
		      ctl->out);
}

/* ---- The verb ---------------------------------------------------------- */

static int qemu(const struct ctl *ctl, const struct host *host, char **uuids, int count,
		const struct request *request)
{
	json_object *devices;
	int ret = CTL_OK;

	if (request->root_port && count > CHASSIS_LAST - CHASSIS_FIRST + 1) {
		ctl_error("too many instances for one guest");
		return CTL_USAGE;
	}
	devices = json_object_new_array();
	for (int i = 0; i < count && ret == CTL_OK; i++) {
		const struct instance *instance = host_find(host, uuids[i], &ret);

		if (instance)
			json_object_array_add(devices, device_to_json(instance->uuid, i,
								      request->root_port));
	}
	if (ret) {
		json_object_put(devices);
	} else if (ctl->json) {
		output_json(ctl, output_document("devices", devices), false);
	} else {
		print_devices(ctl, devices, request->part);
		json_object_put(devices);
	}
	return ret;
}

static int parse_part(const char *name, enum part *part)
{
	for (size_t i = 0; i < sizeof(part_names) / sizeof(*part_names); i++) {
		if (!strcmp(name, part_names[i])) {
			*part = (enum part)i;
			return CTL_OK;
		}
	}
	ctl_error("--format: '%s' is none of all, args, qmp, libvirt", name);
	return CTL_USAGE;
}

static int parse_machine(const char *name, bool *root_port)
{
	*root_port = !strcmp(name, "q35");
	if (*root_port || !strcmp(name, "i440fx") || !strcmp(name, "pc"))
		return CTL_OK;
	ctl_error("--machine: '%s' is neither q35 nor i440fx", name);
	return CTL_USAGE;
}

static int run(struct ctl *ctl, int argc, char **argv)
{
	static const struct option longs[] = {
		{ "format", required_argument, NULL, 'f' },
		{ "machine", required_argument, NULL, 'M' },
		CTL_LONG
	};
	struct request request = { .part = PART_ALL, .root_port = true };
	struct host host = { 0 };
	int opt, ret;

	while ((opt = ctl_getopt(ctl, argc, argv, "f:M:" CTL_SHORT, longs)) != -1) {
		switch (opt) {
		case 'f':
			ret = parse_part(optarg, &request.part);
			break;
		case 'M':
			ret = parse_machine(optarg, &request.root_port);
			break;
		default:
			return ctl_usage(ctl, opt);
		}
		if (ret)
			return ret;
	}
	ret = ctl_arguments(ctl, argc - optind, 1, INT_MAX);
	if (ret)
		return ret;
	ret = host_load(ctl, &host, 0);
	if (!ret)
		ret = qemu(ctl, &host, argv + optind, argc - optind, &request);
	host_free(&host);
	return ret;
}

const struct verb verb_qemu = {
	.name = "qemu",
	.args = "[OPTION]... UUID...",
	.summary = "Print QEMU's options and libvirt's XML for instances",
	.options =
	"  -M, --machine=TYPE     q35 (default) or i440fx\n"
	"  -f, --format=FORMAT    only args, qmp or libvirt\n",
	.run = run,
};
