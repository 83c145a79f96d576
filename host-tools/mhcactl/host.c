// SPDX-License-Identifier: GPL-2.0-only
/*
 * What this host has, read from sysfs.
 */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "host.h"
#include "policy.h"

/* Files of an mdev that are no property: of the driver core, or shown apart. */
static const char *const no_attributes[] = {
	"driver_override", "lid", "modalias", "numa_node", "open", "remove", "state",
	"uevent", "waiting_for_supplier",
};

bool uuid_valid(const char *text)
{
	for (int i = 0; i < UUID_LEN; i++) {
		bool dash = i == 8 || i == 13 || i == 18 || i == 23;

		if (dash ? text[i] != '-' : !isxdigit((unsigned char)text[i]))
			return false;
	}
	return !text[UUID_LEN];
}

/* ---- Counters --------------------------------------------------------- */

static bool counter_is_gauge(const char *name)
{
	return !strncmp(name, "pinned_", strlen("pinned_")) ||
	       !strncmp(name, "objects_", strlen("objects_"));
}

void instance_free_counters(struct instance *instance)
{
	for (size_t i = 0; i < instance->n_counters; i++)
		free(instance->counters[i].name);
	free(instance->counters);
	instance->counters = NULL;
	instance->n_counters = 0;
	instance->unreadable = 0;
}

int instance_load_counters(const struct ctl *ctl, struct instance *instance)
{
	struct names names;
	int ret = sys_list(ctl, &names, MDEV_DEVICES "/%s/counters", instance->uuid);

	instance_free_counters(instance);
	if (ret)
		return ret;
	instance->counters = ctl_alloc(names.count, sizeof(*instance->counters));
	for (size_t i = 0; i < names.count; i++) {
		struct counter *counter = &instance->counters[instance->n_counters];

		if (sys_read_u64(ctl, &counter->value, MDEV_DEVICES "/%s/counters/%s",
				 instance->uuid, names.name[i])) {
			instance->unreadable++;
			continue;
		}
		counter->name = ctl_strdup(names.name[i]);
		counter->gauge = counter_is_gauge(counter->name);
		instance->n_counters++;
	}
	names_free(&names);
	return 0;
}

uint64_t instance_counter(const struct instance *instance, const char *name)
{
	for (size_t i = 0; i < instance->n_counters; i++)
		if (!strcmp(instance->counters[i].name, name))
			return instance->counters[i].value;
	return 0;
}

const char *counter_help(const char *name)
{
	if (!strcmp(name, "pinned_pages"))
		return "pages of 4 KiB of the guest that are pinned now";
	if (!strcmp(name, "pinned_peak_pages"))
		return "greatest number of pages pinned so far";
	if (!strncmp(name, "objects_", strlen("objects_")))
		return "objects of this kind that the guest holds now";
	for (const struct prm_counter *counter = prm_counters; counter->name; counter++)
		if (!strcmp(counter->name, name))
			return counter->help;
	return NULL;
}

/* ---- Attributes ------------------------------------------------------- */

static bool is_attribute(const struct ctl *ctl, const char *uuid, const char *name)
{
	char *path;
	struct stat st;
	bool file;

	for (size_t i = 0; i < sizeof(no_attributes) / sizeof(*no_attributes); i++)
		if (!strcmp(name, no_attributes[i]))
			return false;
	path = sys_path(ctl, MDEV_DEVICES "/%s/%s", uuid, name);
	file = !lstat(path, &st) && S_ISREG(st.st_mode);
	free(path);
	return file;
}

static int compare_attributes(const void *a, const void *b)
{
	const struct attribute *x = a, *y = b;
	int rank = policy_rank(x->name) - policy_rank(y->name);

	return rank ? rank : strcmp(x->name, y->name);
}

static void load_attributes(const struct ctl *ctl, struct instance *instance)
{
	struct names names;

	if (sys_list(ctl, &names, MDEV_DEVICES "/%s", instance->uuid))
		return;
	instance->attributes = ctl_alloc(names.count, sizeof(*instance->attributes));
	for (size_t i = 0; i < names.count; i++) {
		struct attribute *attribute = &instance->attributes[instance->n_attributes];
		const char *name = names.name[i];

		if (!is_attribute(ctl, instance->uuid, name))
			continue;
		attribute->name = ctl_strdup(name);
		attribute->value = sys_read(ctl, MDEV_DEVICES "/%s/%s", instance->uuid, name);
		attribute->writable = sys_offers_write(ctl, MDEV_DEVICES "/%s/%s",
						       instance->uuid, name);
		instance->n_attributes++;
	}
	names_free(&names);
	qsort(instance->attributes, instance->n_attributes, sizeof(*instance->attributes),
	      compare_attributes);
}

const struct attribute *instance_attribute(const struct instance *instance,
					   const char *name)
{
	for (size_t i = 0; i < instance->n_attributes; i++)
		if (!strcmp(instance->attributes[i].name, name))
			return &instance->attributes[i];
	return NULL;
}

/* ---- Instances -------------------------------------------------------- */

static void instance_free(struct instance *instance)
{
	instance_free_counters(instance);
	for (size_t i = 0; i < instance->n_attributes; i++) {
		free(instance->attributes[i].name);
		free(instance->attributes[i].value);
	}
	free(instance->attributes);
	free(instance->parent);
	free(instance->type);
	free(instance->state);
}

/* "../../../devices/virtual/mhca/mhca0/UUID" -> "mhca0" */
static char *parent_of(const struct ctl *ctl, const char *uuid)
{
	char *target = sys_link(ctl, MDEV_DEVICES "/%s", uuid);
	char *slash, *parent;

	if (!target)
		return NULL;
	slash = strrchr(target, '/');
	if (slash)
		*slash = '\0';
	parent = ctl_strdup(slash ? base_name(target) : "");
	free(target);
	return parent;
}

static int read_number(const struct ctl *ctl, const char *uuid, const char *name)
{
	uint64_t value;

	if (sys_read_u64(ctl, &value, MDEV_DEVICES "/%s/%s", uuid, name) || value > INT32_MAX)
		return -1;
	return (int)value;
}

/* false: not ours, or gone */
static bool instance_load(const struct ctl *ctl, struct instance *instance,
			  const char *uuid, unsigned int parts)
{
	char *type, *group;

	*instance = (struct instance){ .lid = -1, .iommu_group = -1 };
	type = sys_link(ctl, MDEV_DEVICES "/%s/mdev_type", uuid);
	if (!type)
		return false;
	if (strncmp(base_name(type), TYPE_PREFIX, strlen(TYPE_PREFIX))) {
		free(type);
		return false;
	}
	instance->type = ctl_strdup(base_name(type));
	free(type);

	snprintf(instance->uuid, sizeof(instance->uuid), "%s", uuid);
	instance->parent = parent_of(ctl, uuid);
	instance->state = sys_read(ctl, MDEV_DEVICES "/%s/state", uuid);
	if (!instance->parent || !instance->state) {
		instance_free(instance);
		return false;
	}
	if (sys_exists(ctl, MDEV_DEVICES "/%s/open", uuid))
		instance->open = read_number(ctl, uuid, "open") > 0;
	else
		instance->open = strcmp(instance->state, "closed") != 0;
	instance->lid = read_number(ctl, uuid, "lid");

	group = sys_link(ctl, MDEV_DEVICES "/%s/iommu_group", uuid);
	if (group)
		instance->iommu_group = atoi(base_name(group));
	free(group);

	if (parts & HOST_COUNTERS)
		instance_load_counters(ctl, instance);
	if (parts & HOST_ATTRIBUTES)
		load_attributes(ctl, instance);
	return true;
}

static void load_instances(const struct ctl *ctl, struct host *host, unsigned int parts)
{
	struct names names;

	if (sys_list(ctl, &names, MDEV_DEVICES))
		return;
	host->instances = ctl_alloc(names.count, sizeof(*host->instances));
	for (size_t i = 0; i < names.count; i++) {
		if (!uuid_valid(names.name[i]))
			continue;
		if (instance_load(ctl, &host->instances[host->n_instances], names.name[i],
				  parts))
			host->n_instances++;
	}
	names_free(&names);
}

struct instance *host_find(const struct host *host, const char *uuid, int *exit)
{
	struct instance *found = NULL;
	size_t len = strlen(uuid);

	*exit = CTL_NOT_FOUND;
	for (size_t i = 0; len && i < host->n_instances; i++) {
		if (strncasecmp(host->instances[i].uuid, uuid, len))
			continue;
		if (found) {
			ctl_error("%s: more than one instance begins like this", uuid);
			return NULL;
		}
		found = &host->instances[i];
	}
	if (found)
		*exit = CTL_OK;
	else
		ctl_error("%s: no such instance; 'mhcactl list' shows all", uuid);
	return found;
}

/* ---- Parents and types ------------------------------------------------ */

static void type_free(struct type *type)
{
	free(type->parent);
	free(type->name);
	free(type->pretty);
	free(type->description);
	free(type->device_api);
}

#define TYPE_DIR	MDEV_BUS "/%s/mdev_supported_types/%s"

static void type_load(const struct ctl *ctl, struct type *type, const char *parent,
		      const char *name)
{
	uint64_t available;

	*type = (struct type){
		.parent = ctl_strdup(parent),
		.name = ctl_strdup(name),
		.pretty = sys_read(ctl, TYPE_DIR "/name", parent, name),
		.description = sys_read(ctl, TYPE_DIR "/description", parent, name),
		.device_api = sys_read(ctl, TYPE_DIR "/device_api", parent, name),
		.available = -1,
	};
	if (!sys_read_u64(ctl, &available, TYPE_DIR "/available_instances", parent, name))
		type->available = (int64_t)available;
}

/* Types of ours below @parent; false: it has none, so it is somebody else's. */
static bool load_types(const struct ctl *ctl, struct host *host, const char *parent)
{
	struct names names;
	bool ours = false;

	if (sys_list(ctl, &names, MDEV_BUS "/%s/mdev_supported_types", parent))
		return false;
	for (size_t i = 0; i < names.count; i++) {
		if (strncmp(names.name[i], TYPE_PREFIX, strlen(TYPE_PREFIX)))
			continue;
		host->types = ctl_grow(host->types, host->n_types + 1, sizeof(*host->types));
		type_load(ctl, &host->types[host->n_types++], parent, names.name[i]);
		ours = true;
	}
	names_free(&names);
	return ours;
}

int host_load_any(const struct ctl *ctl, struct host *host, unsigned int parts)
{
	struct names parents;

	*host = (struct host){ 0 };
	if (!sys_list(ctl, &parents, MDEV_BUS)) {
		for (size_t i = 0; i < parents.count; i++)
			if (load_types(ctl, host, parents.name[i]))
				names_add(&host->parents, parents.name[i]);
		names_free(&parents);
	}
	load_instances(ctl, host, parts);
	return CTL_OK;
}

int host_load(const struct ctl *ctl, struct host *host, unsigned int parts)
{
	host_load_any(ctl, host, parts);
	if (host->parents.count || host->n_instances)
		return CTL_OK;
	if (!sys_exists(ctl, "/sys/module/mhca"))
		ctl_error("the driver mhca is not loaded: 'modprobe mhca_soft', "
			  "then 'mhcactl check'");
	else
		ctl_error("no HCA: the driver is loaded without a backend: "
			  "'modprobe mhca_soft', then 'mhcactl check'");
	return CTL_NO_DRIVER;
}

void host_free(struct host *host)
{
	for (size_t i = 0; i < host->n_instances; i++)
		instance_free(&host->instances[i]);
	free(host->instances);
	for (size_t i = 0; i < host->n_types; i++)
		type_free(&host->types[i]);
	free(host->types);
	names_free(&host->parents);
	*host = (struct host){ 0 };
}
