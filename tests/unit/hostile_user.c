// SPDX-License-Identifier: GPL-2.0-only
/*
 * The hostile cases of tests/system/progs/mhca-host, against the core in user
 * space: the same attempts in seconds and under sanitizers. Stands in for what
 * reaches a kernel instance: VFIO and sysfs.
 *
 *   test-hostile 'wqe_*' …
 *   test-hostile fuzz
 *   test-hostile storm NAME	(until the end of standard input)
 */
#include <stdio.h>
#include <stdlib.h>

#include "hostile_run.h"
#include "vmm_user.h"

#define MAX_ALLOCS	1024

/**
 * struct client_vfio - one instance
 * @vmm: its front end
 * @alloc: what the client has allocated
 * @n: how many
 */
struct client_vfio {
	struct vmm_user *vmm;
	struct client_mem alloc[MAX_ALLOCS];
	u32 n;
};

static struct soft_hca hca;
static struct client_vfio instances[2];
static bool ethernet;

static struct vmm_user *vmm(void *backend)
{
	return ((struct client_vfio *)backend)->vmm;
}

static void *user_alloc(void *backend, size_t len)
{
	struct client_vfio *v = backend;
	void *va = vmm_user_client_ops.alloc(v->vmm, len);

	if (va && v->n < MAX_ALLOCS)
		v->alloc[v->n++] = (struct client_mem){ .va = va, .len = len };
	return va;
}

/* @len 0: take the memory away from under the device; it stays allocated. */
static void user_free(void *backend, void *va, size_t len)
{
	struct client_vfio *v = backend;
	u32 i;
	size_t at;

	for (i = 0; i < v->n && v->alloc[i].va != va; i++)
		;
	if (i == v->n)
		return;
	if (len)
		vmm_user_client_ops.free(v->vmm, va, v->alloc[i].len);
	else
		for (at = 0; at < v->alloc[i].len; at += CLIENT_PAGE)
			vmm_user_unmap(v->vmm, vmm_user_iova(v->vmm, (u8 *)va + at),
				       CLIENT_PAGE);
	v->alloc[i] = v->alloc[--v->n];
}

static u64 user_iova(void *backend, const void *va)
{
	return vmm_user_client_ops.iova(vmm(backend), va);
}

static u32 user_iseg_read(void *backend, u32 offset)
{
	return vmm_user_client_ops.iseg_read(vmm(backend), offset);
}

static void user_iseg_write(void *backend, u32 offset, u32 value)
{
	vmm_user_client_ops.iseg_write(vmm(backend), offset, value);
}

static void user_uar_write32(void *backend, u32 index, u32 offset, __be32 value)
{
	vmm_user_client_ops.uar_write32(vmm(backend), index, offset, value);
}

static void user_uar_write64(void *backend, u32 index, u32 offset, __be64 value)
{
	vmm_user_client_ops.uar_write64(vmm(backend), index, offset, value);
}

static int user_irq_wait(void *backend, u32 vector, int timeout_ms)
{
	return vmm_user_client_ops.irq_wait(vmm(backend), vector, timeout_ms);
}

static u32 user_irq_count(void *backend)
{
	return vmm_user_client_ops.irq_count(vmm(backend));
}

static void user_progress(void *backend)
{
	vmm_user_client_ops.progress(vmm(backend));
}

static int user_reset(void *backend)
{
	return vmm_user_client_ops.reset(vmm(backend));
}

static void user_close(void *backend)
{
	struct client_vfio *v = backend;

	vmm_user_destroy(v->vmm);
	memset(v, 0, sizeof(*v));
}

const struct client_ops client_vfio_ops = {
	.name = "user",
	.alloc = user_alloc,
	.free = user_free,
	.iova = user_iova,
	.iseg_read = user_iseg_read,
	.iseg_write = user_iseg_write,
	.uar_write32 = user_uar_write32,
	.uar_write64 = user_uar_write64,
	.irq_wait = user_irq_wait,
	.irq_count = user_irq_count,
	.progress = user_progress,
	.reset = user_reset,
	.close = user_close,
};

static struct client_vfio *instance_of(const char *uuid)
{
	return &instances[uuid[0] - '0'];
}

struct client_vfio *client_vfio_open(const char *uuid)
{
	const struct vmm_user_params params = {
		.memory = 512UL << 20, .threaded = true, .roce = ethernet,
	};
	struct client_vfio *v = instance_of(uuid);

	v->vmm = vmm_user_create(&hca, &params, 0x100 + (u64)(uuid[0] - '0'));
	return v->vmm ? v : NULL;
}

int client_vfio_fd(const struct client_vfio *v)
{
	return -1;
}

u64 node_counter(const struct node *n, const char *name)
{
	struct mhca_instance *inst = instance_of(n->uuid)->vmm->inst;

	if (!strcmp(name, "pins_lost"))
		return (u64)atomic64_read(&inst->counters.pins_lost);
	if (!strcmp(name, "pinned_pages"))
		return (u64)atomic64_read(&inst->gmem.pinned);
	return ~0ULL;
}

u64 node_objects(const struct node *n)
{
	struct mhca_instance *inst = instance_of(n->uuid)->vmm->inst;
	u64 sum = 0;
	int kind;

	for (kind = 0; kind < MHCA_OBJECT_KINDS; kind++)
		sum += READ_ONCE(inst->object_count[kind]);
	return sum;
}

int main(int argc, char **argv)
{
	static const struct soft_lane_params params = {
		.idle_us = 1000, .idle_polls = 100, .wqe_budget = 16, .byte_budget = 65536,
		.qp_polls = 8, .sweep = 8, .error_poll_ms = 1,
	};
	int failed;

	if (soft_hca_init(&hca, 2, &params) || lanes_start(&hca))
		return 1;
	failed = hostile_run(argc, argv, &ethernet);
	lanes_stop(&hca);
	soft_hca_fini(&hca);
	return failed ? 1 : 0;
}
