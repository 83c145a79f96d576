// SPDX-License-Identifier: GPL-2.0-only
/*
 * Who holds an instance open: a process with a file descriptor of the
 * instance's VFIO group (/dev/vfio/N) or device (/dev/vfio/devices/vfioN).
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "host.h"

/* Device nodes of the instance, as the links in /proc/PID/fd name them. */
static void device_nodes(const struct ctl *ctl, const struct instance *instance,
			 struct names *nodes)
{
	struct names devices;
	char *node;

	*nodes = (struct names){ 0 };
	if (instance->iommu_group >= 0) {
		node = ctl_format("/dev/vfio/%d", instance->iommu_group);
		names_add(nodes, node);
		free(node);
	}
	if (sys_list(ctl, &devices, MDEV_DEVICES "/%s/vfio-dev", instance->uuid))
		return;
	for (size_t i = 0; i < devices.count; i++) {
		node = ctl_format("/dev/vfio/devices/%s", devices.name[i]);
		names_add(nodes, node);
		free(node);
	}
	names_free(&devices);
}

static bool holds(const struct ctl *ctl, const char *pid, const struct names *nodes)
{
	struct names fds;
	bool found = false;

	if (sys_list(ctl, &fds, "/proc/%s/fd", pid))
		return false;
	for (size_t i = 0; i < fds.count && !found; i++) {
		char *target = sys_link(ctl, "/proc/%s/fd/%s", pid, fds.name[i]);

		for (size_t k = 0; target && k < nodes->count; k++)
			found |= !strcmp(target, nodes->name[k]);
		free(target);
	}
	names_free(&fds);
	return found;
}

struct user *instance_users(const struct ctl *ctl, const struct instance *instance,
			    size_t *count)
{
	struct user *users = NULL;
	struct names pids, nodes;

	*count = 0;
	if (!instance->open || sys_list(ctl, &pids, "/proc"))
		return NULL;
	device_nodes(ctl, instance, &nodes);
	for (size_t i = 0; i < pids.count; i++) {
		const char *pid = pids.name[i];

		if (!isdigit((unsigned char)*pid) || !holds(ctl, pid, &nodes))
			continue;
		users = ctl_grow(users, *count + 1, sizeof(*users));
		users[*count].pid = atoi(pid);
		users[*count].command = sys_read(ctl, "/proc/%s/comm", pid);
		++*count;
	}
	names_free(&nodes);
	names_free(&pids);
	return users;
}

void users_free(struct user *users, size_t count)
{
	for (size_t i = 0; i < count; i++)
		free(users[i].command);
	free(users);
}
