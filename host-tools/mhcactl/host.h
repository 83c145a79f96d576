/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What this host has: HCAs (parents), types and instances, as sysfs shows them.
 */
#ifndef MHCACTL_HOST_H
#define MHCACTL_HOST_H

#include <json-c/json.h>

#include "sysfs.h"

#define MDEV_BUS	"/sys/class/mdev_bus"
#define MDEV_DEVICES	"/sys/bus/mdev/devices"
/* Type names are "<driver>-<type>"; this is how ours are told from others'. */
#define TYPE_PREFIX	"mhca-"
/* Unit of the driver's pinned_pages (MHCA_PAGE_SIZE). */
#define PINNED_PAGE	4096U

/**
 * struct counter - a number of counters/
 * @name: file name
 * @value: value
 * @gauge: may fall (pinned_*, objects_*); the others only grow
 */
struct counter {
	char *name;
	uint64_t value;
	bool gauge;
};

/**
 * struct attribute - a setting or property of an instance
 * @name: file name
 * @value: text, NULL when it cannot be read
 * @writable: the driver lets it be set
 */
struct attribute {
	char *name;
	char *value;
	bool writable;
};

/**
 * struct instance - an mdev of an mHCA type
 * @uuid: name
 * @parent: HCA it is carved from
 * @type: type, with the driver's prefix
 * @state: "closed", or the state of the guest's function
 * @open: a VMM holds it
 * @lid: -1: none
 * @iommu_group: -1: none
 * @counters: sorted by name; HOST_COUNTERS
 * @n_counters: length
 * @unreadable: counters that are no number or could not be read
 * @attributes: in the order of the policy table, others after; HOST_ATTRIBUTES
 * @n_attributes: length
 */
struct instance {
	char uuid[UUID_LEN + 1];
	char *parent;
	char *type;
	char *state;
	bool open;
	int lid;
	int iommu_group;
	struct counter *counters;
	size_t n_counters;
	unsigned int unreadable;
	struct attribute *attributes;
	size_t n_attributes;
};

/**
 * struct type - a type of a parent
 * @parent: HCA
 * @name: type, with the driver's prefix
 * @pretty: the driver's name for it, or NULL
 * @description: one line, or NULL
 * @device_api: "vfio-pci"
 * @available: how many more; -1: unknown
 */
struct type {
	char *parent;
	char *name;
	char *pretty;
	char *description;
	char *device_api;
	int64_t available;
};

/**
 * struct host - all of it
 * @parents: HCAs
 * @types: types, by parent and name
 * @n_types: length
 * @instances: by UUID
 * @n_instances: length
 */
struct host {
	struct names parents;
	struct type *types;
	size_t n_types;
	struct instance *instances;
	size_t n_instances;
};

#define HOST_COUNTERS	1U
#define HOST_ATTRIBUTES	2U

/*
 * An instance that disappears meanwhile is left out. Says what is wrong when
 * there is no driver or no HCA. An exit code; free @host in any case.
 */
int host_load(const struct ctl *ctl, struct host *host, unsigned int parts);
/* The same, but a host without driver is an empty one. */
int host_load_any(const struct ctl *ctl, struct host *host, unsigned int parts);
void host_free(struct host *host);

/* By UUID or a prefix that only one has; NULL: printed why, exit code in @exit. */
struct instance *host_find(const struct host *host, const char *uuid, int *exit);
/* Instance's counter, 0 when the driver has none of that name. */
uint64_t instance_counter(const struct instance *instance, const char *name);
/* What a counter counts; NULL: not one that this tool was built with. */
const char *counter_help(const char *name);
const struct attribute *instance_attribute(const struct instance *instance,
					   const char *name);
/* Read counters/ again. 0 or -errno when the instance is gone. */
int instance_load_counters(const struct ctl *ctl, struct instance *instance);
void instance_free_counters(struct instance *instance);

bool uuid_valid(const char *text);

/* ---- host_json.c ------------------------------------------------------ */

#define JSON_COUNTERS	1U
#define JSON_ATTRIBUTES	2U

json_object *instance_to_json(const struct instance *instance, unsigned int parts);
json_object *type_to_json(const struct type *type, const struct host *host);

/* ---- users.c ---------------------------------------------------------- */

/**
 * struct user - a process that holds an instance open
 * @pid: process
 * @command: its name
 */
struct user {
	int pid;
	char *command;
};

/* Needs root to see other users' processes; empty otherwise. */
struct user *instance_users(const struct ctl *ctl, const struct instance *instance,
			    size_t *count);
void users_free(struct user *users, size_t count);

/* ---- Made by prm_tables.awk from mhca/prm.h and linux/mlx5/mlx5_ifc.h ------ */

/**
 * struct prm_counter - a counter of the driver
 * @name: name
 * @help: what it counts
 */
struct prm_counter {
	const char *name;
	const char *help;
};

/**
 * struct prm_opcode - a command of the PRM
 * @opcode: number
 * @name: name
 */
struct prm_opcode {
	unsigned int opcode;
	const char *name;
};

extern const struct prm_opcode prm_opcodes[];		/* ends with .name = NULL */
extern const struct prm_counter prm_counters[];		/* ends with .name = NULL */
extern const char *const prm_syndromes[];		/* text by number */
extern const unsigned int prm_syndrome_count;
extern const unsigned int prm_syndrome_base;

#endif /* MHCACTL_HOST_H */
