// SPDX-License-Identifier: GPL-2.0-only
/*
 * All instances of the server. They come from the configuration when it starts and by the
 * control socket later; one thread at a time has to do with the list: main()'s before and
 * after that of the control socket.
 */
#define _GNU_SOURCE
#include "server.h"

/**
 * mhcad_instances_init() - none yet
 * @all: instances
 * @hca: HCA that they are carved from
 */
void mhcad_instances_init(struct mhcad_instances *all, struct mhca_hca *hca)
{
	memset(all, 0, sizeof(*all));
	all->hca = hca;
}

/**
 * mhcad_instances_find() - an instance by its UUID
 * @all: instances
 * @uuid: as text
 *
 * Return: it, or NULL.
 */
struct mhcad_device *mhcad_instances_find(const struct mhcad_instances *all, const char *uuid)
{
	u32 i;

	for (i = 0; i < all->n; i++)
		if (!strcasecmp(all->devices[i]->conf->uuid, uuid))
			return all->devices[i];
	return NULL;
}

/* Has it what another one has? */
static int mhcad_instance_collides(const struct mhcad_instances *all,
				   const struct mhcad_device *dev)
{
	const char *same;
	u32 i;

	for (i = 0; i < all->n; i++) {
		const struct mhcad_device *other = all->devices[i];

		if (!strcmp(other->conf->socket, dev->conf->socket))
			same = "socket";
		else
			same = mhcad_attr_own(&other->inst->policy, &dev->inst->policy);
		if (!same)
			continue;
		pr_err("mhcad: %s: its %s is that of %s\n", dev->conf->uuid, same,
		       other->conf->uuid);
		return -EEXIST;
	}
	return 0;
}

static int mhcad_instance_start(const struct mhcad_instances *all, struct mhcad_device *dev)
{
	int ret = mhcad_instance_collides(all, dev);

	if (ret)
		return ret;
	ret = mhcad_device_start(dev);
	if (ret)
		pr_err("mhcad: %s: %s: %s\n", dev->conf->uuid, dev->conf->socket, strerror(-ret));
	return ret;
}

/**
 * mhcad_instances_add() - one more
 * @all: instances
 * @conf: what it is to be; copied
 *
 * Return: 0 or a negative errno; the log says why.
 */
int mhcad_instances_add(struct mhcad_instances *all, const struct mhcad_instance_config *conf)
{
	struct mhcad_instance_config *own;
	struct mhcad_device **more;
	struct mhcad_device *dev;
	int ret = mhcad_config_check_instance(conf);

	if (ret)
		return ret;
	if (mhcad_instances_find(all, conf->uuid)) {
		pr_err("mhcad: %s: it is there already\n", conf->uuid);
		return -EEXIST;
	}
	if (all->n == all->hca->max_instances) {
		pr_err("mhcad: %s: all %u instances are in use\n", conf->uuid, all->n);
		return -ENOSPC;
	}
	more = realloc(all->devices, (all->n + 1) * sizeof(*more));
	own = malloc(sizeof(*own));
	if (more)
		all->devices = more;
	if (!more || !own) {
		free(own);
		return -ENOMEM;
	}
	*own = *conf;
	dev = mhcad_device_create(all->hca, own);
	if (IS_ERR(dev)) {
		pr_err("mhcad: %s: no instance: %s\n", conf->uuid,
		       strerror((int)-PTR_ERR(dev)));
		free(own);
		return (int)PTR_ERR(dev);
	}
	ret = mhcad_instance_start(all, dev);
	if (ret) {
		mhcad_device_destroy(dev);
		free(own);
		return ret;
	}
	all->devices[all->n++] = dev;
	return 0;
}

/**
 * mhcad_instances_remove() - one less
 * @all: instances
 * @dev: one of them; its client, if there is one, is cut off
 */
void mhcad_instances_remove(struct mhcad_instances *all, struct mhcad_device *dev)
{
	struct mhcad_instance_config *own = (struct mhcad_instance_config *)dev->conf;
	u32 i;

	for (i = 0; all->devices[i] != dev; i++)
		;
	all->devices[i] = all->devices[--all->n];
	mhcad_device_destroy(dev);
	free(own);
}

/**
 * mhcad_instances_fini() - the end of all
 * @all: instances
 */
void mhcad_instances_fini(struct mhcad_instances *all)
{
	while (all->n)
		mhcad_instances_remove(all, all->devices[all->n - 1]);
	free(all->devices);
}
