// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* From a name to an open instance, and the names that there are. */
#include <dirent.h>
#include <stdio.h>
#include <unistd.h>
#include "provider.h"

#define MDEV_DIR	"/sys/bus/mdev/devices"
#define PCI_DIR		"/sys/bus/pci/devices"
#define VENDOR		0x15b3
#define DEVICE		0x101e
#define SUBSYSTEM	0x6d48

static bool exists(const char *dir, const char *name)
{
	char path[512];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return !access(path, F_OK);
}

/* The last component of a link, or an empty string. */
static void link_name(const char *dir, const char *name, const char *link, char *to, size_t len)
{
	char path[512];
	char target[512];
	const char *slash;
	ssize_t n;

	snprintf(path, sizeof(path), "%s/%s/%s", dir, name, link);
	n = readlink(path, target, sizeof(target) - 1);
	target[n > 0 ? n : 0] = '\0';
	slash = strrchr(target, '/');
	slash = slash ? slash + 1 : target;
	snprintf(to, len, "%.*s", (int)len - 1, slash);
}

static struct ibv_context *open_with(const char *name, const struct client_ops *ops,
				     void *backend)
{
	return backend ? mhca_open_backend(name, ops, backend) : NULL;
}

struct ibv_context *mhca_open(const char *name)
{
	char driver[64];

	if (strchr(name, '/'))
		return mhca_null(-EINVAL);
	if (exists(MDEV_DIR, name))
		return open_with(name, &client_vfio_ops, client_vfio_open(name));
	if (!exists(PCI_DIR, name))
		return mhca_null(-ENODEV);
	link_name(PCI_DIR, name, "driver", driver, sizeof(driver));
	if (!strcmp(driver, "vfio-pci"))
		return open_with(name, &client_vfio_ops, client_vfio_open_pci(name));
	return open_with(name, &client_pci_ops, client_pci_open(name));
}

/* ---- The list ------------------------------------------------------------- */

static unsigned int number_in(const char *name, const char *attr)
{
	char path[512];
	unsigned int value = 0;
	FILE *f;

	snprintf(path, sizeof(path), PCI_DIR "/%s/%s", name, attr);
	f = fopen(path, "re");
	if (!f)
		return 0;
	if (fscanf(f, "%x", &value) != 1)
		value = 0;
	fclose(f);
	return value;
}

static bool is_function(const char *name)
{
	char driver[64];

	if (number_in(name, "vendor") != VENDOR || number_in(name, "device") != DEVICE ||
	    number_in(name, "subsystem_device") != SUBSYSTEM)
		return false;
	link_name(PCI_DIR, name, "driver", driver, sizeof(driver));
	return !driver[0] || !strcmp(driver, "vfio-pci");
}

/* An mdev of ours: its type's name begins with the driver's. */
static bool is_mdev(const char *name)
{
	char type[128];

	link_name(MDEV_DIR, name, "mdev_type", type, sizeof(type));
	return !strncmp(type, "mhca-", 5);
}

static int add(char ***list, int *n, const char *name)
{
	char **longer = realloc(*list, ((size_t)*n + 2) * sizeof(*longer));

	if (!longer)
		return -ENOMEM;
	*list = longer;
	longer[*n] = strdup(name);
	if (!longer[*n])
		return -ENOMEM;
	longer[++*n] = NULL;
	return 0;
}

static int add_all(char ***list, int *n, const char *dir, bool (*good)(const char *name))
{
	DIR *d = opendir(dir);
	struct dirent *entry;
	int ret = 0;

	while (d && !ret && (entry = readdir(d)))
		if (entry->d_name[0] != '.' && good(entry->d_name))
			ret = add(list, n, entry->d_name);
	if (d)
		closedir(d);
	return ret;
}

char **mhca_get_device_list(int *num_devices)
{
	char **list = calloc(1, sizeof(*list));
	int n = 0;
	int ret = list ? add_all(&list, &n, MDEV_DIR, is_mdev) : -ENOMEM;

	if (!ret)
		ret = add_all(&list, &n, PCI_DIR, is_function);
	if (ret) {
		mhca_free_device_list(list);
		return mhca_null(ret);
	}
	if (num_devices)
		*num_devices = n;
	return list;
}

void mhca_free_device_list(char **list)
{
	int i;

	for (i = 0; list && list[i]; i++)
		free(list[i]);
	free(list);
}
