// SPDX-License-Identifier: GPL-2.0-only
/*
 * The hostile cases of tests/system/progs/mhca-host through mhcad's socket: the same
 * attempts by a client of vfio-user, under sanitizers.
 */
#include <stdlib.h>
#include <sys/socket.h>

#include "hostile_run.h"
#include "vfio_user.h"

#define MEMORY	(512UL << 20)

/**
 * struct client_vfio - one instance and its client
 * @vu: client; first: what struct client_ops gets
 * @inst: instance
 * @made: @inst is there
 */
struct client_vfio {
	struct vu vu;
	struct vu_instance inst;
	bool made;
};

static struct vu_server server;
static struct client_vfio instances[2];
static bool ethernet;

static struct client_vfio *instance_of(const char *uuid)
{
	return &instances[uuid[0] - '0'];
}

static void client_is_gone(struct vu *vu)
{
	struct client_vfio *v = container_of(vu, struct client_vfio, vu);

	shutdown(vu->fd, SHUT_RDWR);
	vu_disconnect(&v->inst);
	vu_close(vu);
}

struct client_vfio *client_vfio_open(const char *uuid)
{
	struct client_vfio *v = instance_of(uuid);

	if (!v->made)
		vu_instance_create(&server, &v->inst, ethernet ? "roce-large" : "ib-large",
				   (u32)(uuid[0] - '0'), "");
	v->made = true;
	vu_open(&v->vu, vu_connect(&v->inst), MEMORY);
	v->vu.gone = client_is_gone;
	return v;
}

int client_vfio_fd(const struct client_vfio *v)
{
	return -1;
}

u64 node_counter(const struct node *n, const char *name)
{
	struct mhca_instance *inst = instance_of(n->uuid)->inst.dev->inst;

	if (!strcmp(name, "pins_lost"))
		return (u64)atomic64_read(&inst->counters.pins_lost);
	if (!strcmp(name, "pinned_pages"))
		return (u64)atomic64_read(&inst->gmem.pinned);
	return ~0ULL;
}

u64 node_objects(const struct node *n)
{
	struct mhca_instance *inst = instance_of(n->uuid)->inst.dev->inst;
	u64 sum = 0;
	int kind;

	for (kind = 0; kind < MHCA_OBJECT_KINDS; kind++)
		sum += READ_ONCE(inst->object_count[kind]);
	return sum;
}

int main(int argc, char **argv)
{
	int failed;
	u32 i;

	vu_server_start(&server, 2);
	failed = hostile_run(argc, argv, &ethernet);
	for (i = 0; i < ARRAY_SIZE(instances); i++)
		if (instances[i].made)
			vu_instance_destroy(&instances[i].inst);
	vu_server_stop(&server);
	return failed ? 1 : 0;
}
