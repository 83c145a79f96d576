// SPDX-License-Identifier: GPL-2.0-only
/* The function itself: command queue, set-up, reset, interrupts, BAR, config. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>
#include <linux/vfio.h>
#include "hostile.h"

#define ISEG(field)	((u32)offsetof(struct mlx5_init_seg, field))

static void iseg_write(struct node *n, u32 offset, u32 value)
{
	n->c.ops->iseg_write(n->c.backend, offset, value);
}

static int simple(struct node *n, u16 opcode)
{
	u32 in[MLX5_ST_SZ_DW(teardown_hca_in)] = { 0 }, out[MLX5_ST_SZ_DW(teardown_hca_out)];

	MLX5_SET(teardown_hca_in, in, opcode, opcode);
	return client_exec(&n->c, in, sizeof(in), out, sizeof(out));
}

static int query_issi(struct node *n)
{
	u32 in[MLX5_ST_SZ_DW(query_issi_in)] = { 0 }, out[MLX5_ST_SZ_DW(query_issi_out)];

	MLX5_SET(query_issi_in, in, opcode, MLX5_CMD_OP_QUERY_ISSI);
	return client_exec(&n->c, in, sizeof(in), out, sizeof(out));
}

static int adapter_answers(struct node *n)
{
	return query_issi(n) ? complain("the command queue is dead: status %x", n->c.status) : 0;
}

static void set_cmdq(struct node *n, u64 iova)
{
	iseg_write(n, ISEG(cmdq_addr_h), iova >> 32);
	iseg_write(n, ISEG(cmdq_addr_l_sz), (u32)iova);
}

/* ---- Command queue -------------------------------------------------------------- */

static int run_cmdq_address(struct node *a, struct node *b, const void *arg)
{
	static const u64 bad[] = { HOLE, 0, ~0ULL & ~4095ULL, 1ULL << 63 };

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		set_cmdq(a, bad[i]);
		for (int k = 0; k < 100; k++)
			client_cmd_ring(&a->c, ~0U);
	}
	set_cmdq(a, client_iova(&a->c, a->c.cmdq.page.va));
	return adapter_answers(a);
}

/* Entries full of noise, all rung at once: no crash, and the queue lives on. */
static int run_cmdq_noise(struct node *a, struct node *b, const void *arg)
{
	u64 rng = 0x2545f4914f6cdd1dULL;
	u8 *page = a->c.cmdq.page.va;

	for (int round = 0; round < 50; round++) {
		for (u32 i = 0; i < 4096; i++)
			page[i] = (u8)pick(&rng, 256);
		/* Half of them look like commands with chains. */
		for (u32 slot = 0; slot < 32; slot += 2) {
			struct mlx5_cmd_layout *e = client_cmd_entry(&a->c, slot);

			e->type = MLX5_PCI_CMD_XPORT;
			e->inlen = cpu_to_be32(pick(&rng, 5000));
			e->outlen = cpu_to_be32(pick(&rng, 5000));
			e->status_own = CMD_OWNER_HW;
			if (pick(&rng, 2))
				e->in_ptr = cpu_to_be64(client_iova(&a->c, a->c.cmdq.in.va));
		}
		client_cmd_ring(&a->c, ~0U);
	}
	memset(page, 0, 4096);
	/*
	 * The noise fills the command EQ, and its last completions may still be
	 * written over the first honest entries.
	 */
	a->c.cmdq.events = false;
	for (int i = 0; i < 100; i++)
		if (!query_issi(a))
			return 0;
	return adapter_answers(a);
}

enum chain { NEXT_IN_HOLE, CIRCLE, WRONG_TOKEN, WRONG_NUMBER, MISALIGNED, NO_CHAIN, OUT_IN_HOLE };

/* SET_HCA_CAP has an input of nine blocks; one of them is broken. */
static int run_chain(struct node *a, struct node *b, const void *arg)
{
	static u8 in[MLX5_ST_SZ_BYTES(set_hca_cap_in)];
	struct mlx5_cmd_layout *entry = client_cmd_entry(&a->c, 0);
	struct mlx5_cmd_prot_block *block = (void *)a->c.cmdq.in.va;
	u64 objects = node_objects(a);
	u8 out[16];
	int ret;

	MLX5_SET(set_hca_cap_in, in, opcode, MLX5_CMD_OP_SET_HCA_CAP);
	if (client_cmd_fill(&a->c, 0, in, sizeof(in), 16 + 600))
		return complain("no memory");
	switch ((enum chain)(uintptr_t)arg) {
	case NEXT_IN_HOLE:
		block->next = cpu_to_be64(HOLE);
		break;
	case CIRCLE:
		block->next = entry->in_ptr;
		break;
	case WRONG_TOKEN:
		block->token ^= 0x55;
		break;
	case WRONG_NUMBER:
		block->block_num = cpu_to_be32(5);
		break;
	case MISALIGNED:
		entry->in_ptr = cpu_to_be64(be64_to_cpu(entry->in_ptr) + 4);
		break;
	case NO_CHAIN:
		entry->in_ptr = 0;
		break;
	case OUT_IN_HOLE:
		entry->out_ptr = cpu_to_be64(HOLE);
		break;
	}
	client_cmd_ring(&a->c, 1);
	ret = client_cmd_wait(&a->c, 0, CLIENT_CMD_TIMEOUT_MS);
	if (!ret) {
		client_cmd_output(&a->c, 0, out, sizeof(out));
		ret = MLX5_GET(alloc_pd_out, out, status);
	}
	return must_fail(a, ret, objects, "broken chain") || adapter_answers(a) ? -1 : 0;
}

/* ---- Set-up ----------------------------------------------------------------------- */

static int run_double_setup(struct node *a, struct node *b, const void *arg)
{
	u64 objects = node_objects(a);

	if (must_fail(a, simple(a, MLX5_CMD_OP_INIT_HCA), objects, "second INIT_HCA"))
		return -1;
	a->c.cmdq.events = false;	/* the command EQ may go with everything else */
	if (simple(a, MLX5_CMD_OP_ENABLE_HCA)) {
		/* Refused: then everything is as it was. */
		return node_objects(a) == objects ? 0 : complain("objects were lost");
	}
	/* Or taken as a reset by a driver that lost its predecessor: all is gone. */
	return node_objects(a) ? complain("second ENABLE_HCA left objects") : 0;
}

static int run_after_teardown(struct node *a, struct node *b, const void *arg)
{
	u32 pd;

	a->c.cmdq.events = false;
	if (simple(a, MLX5_CMD_OP_TEARDOWN_HCA))
		return complain("TEARDOWN_HCA: status %x", a->c.status);
	if (node_objects(a))
		return complain("TEARDOWN_HCA left objects");
	return must_fail(a, client_alloc_pd(&a->c, &pd), 0, "ALLOC_PD after TEARDOWN_HCA");
}

static int run_reset_in_traffic(struct node *a, struct node *b, const void *arg)
{
	struct client_sge sge = { .addr = (uintptr_t)a->mem.va, .len = 1 << 20,
				  .lkey = a->key };
	struct client_send wr = { .opcode = MLX5_OPCODE_RDMA_WRITE, .sge = &sge, .n_sge = 1,
				  .flags = CLIENT_SIGNALED, .rkey = b->key,
				  .remote_addr = (uintptr_t)b->mem.va };
	struct client_qp qa, qb;

	if (node_connect(a, &qa, b, &qb))
		return -1;
	for (int i = 0; i < 100; i++)
		if (client_post_send(&qa, &wr))
			return complain("post");
	if (a->c.ops->reset(a->c.backend))
		return complain("reset: %s", strerror(errno));
	if (node_objects(a) || node_counter(a, "pinned_pages"))
		return complain("reset left %llu objects, %llu pages",
				(unsigned long long)node_objects(a),
				(unsigned long long)node_counter(a, "pinned_pages"));
	/* Completions of before must not appear afterwards. */
	memset(a->cq.mem.va, 0xee, a->cq.mem.len);
	for (int i = 0; i < 1000; i++)
		a->c.ops->uar_write64(a->c.backend, a->c.uar, MLX5_BF_OFFSET,
				      cpu_to_be64((u64)qa.qpn << 8 | 1));
	for (size_t i = 0; i < a->cq.mem.len; i++)
		if (a->cq.mem.va[i] != 0xee)
			return complain("a completion was written after reset");
	return 0;
}

/* ---- Interrupts --------------------------------------------------------------------- */

static int set_irq(struct node *n, u32 vector, int fd)
{
	union {
		struct vfio_irq_set set;
		u8 raw[sizeof(struct vfio_irq_set) + sizeof(int)];
	} irq = { .set = { .index = VFIO_PCI_MSIX_IRQ_INDEX, .argsz = sizeof(struct vfio_irq_set),
			   .flags = VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_TRIGGER } };

	if (fd >= 0) {
		irq.set.argsz = sizeof(irq);
		irq.set.flags = VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER;
		irq.set.start = vector;
		irq.set.count = 1;
		memcpy(irq.set.data, &fd, sizeof(fd));
	}
	return ioctl(client_vfio_fd(n->vfio), VFIO_DEVICE_SET_IRQS, &irq) ? -errno : 0;
}

/* An interrupt while the vector has no eventfd comes when it has one again. */
static int run_masked(struct node *a, struct node *b, const void *arg)
{
	struct pollfd fd = { .events = POLLIN };
	struct client_sge sge = { .addr = (uintptr_t)a->mem.va, .len = 8, .lkey = a->key };
	struct client_send wr = { .opcode = MLX5_OPCODE_RDMA_WRITE, .sge = &sge, .n_sge = 1,
				  .remote_addr = (uintptr_t)b->mem.va, .rkey = b->key };
	struct client_qp qa, qb;
	struct client_wc wc;

	fd.fd = eventfd(0, EFD_NONBLOCK);
	if (fd.fd < 0 || node_connect(a, &qa, b, &qb) || set_irq(a, 0, -1))
		return complain("set-up: %s", strerror(errno));
	client_arm_cq(&a->cq, false);
	if (node_send(a, &qa, &wr, &wc) || wc.status)
		return complain("syndrome %x", wc.status);
	if (set_irq(a, a->c.comp_eq.vector, fd.fd))
		return complain("SET_IRQS: %s", strerror(errno));
	if (poll(&fd, 1, 5000) != 1)
		return complain("the interrupt is lost");
	return client_destroy_qp(&qa) || client_destroy_qp(&qb) ? -1 : 0;
}

static int run_irq_arguments(struct node *a, struct node *b, const void *arg)
{
	static const struct vfio_irq_set bad[] = {
		{ .index = VFIO_PCI_MSIX_IRQ_INDEX, .start = 0xffffffff, .count = 2,
		  .flags = VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_TRIGGER },
		{ .index = VFIO_PCI_MSIX_IRQ_INDEX, .start = 0, .count = 0xffffffff,
		  .flags = VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER },
		{ .index = VFIO_PCI_MSIX_IRQ_INDEX, .start = 40, .count = 1,
		  .flags = VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_TRIGGER },
		{ .index = VFIO_PCI_INTX_IRQ_INDEX, .count = 1,
		  .flags = VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_UNMASK },
		{ .index = 77, .count = 1,
		  .flags = VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_TRIGGER },
		{ .index = VFIO_PCI_MSIX_IRQ_INDEX, .count = 1, .flags = ~0U },
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		struct vfio_irq_set set = bad[i];

		set.argsz = sizeof(set);
		if (!ioctl(client_vfio_fd(a->vfio), VFIO_DEVICE_SET_IRQS, &set))
			return complain("SET_IRQS %zu was accepted", i);
	}
	return 0;
}

/* ---- BAR and configuration space ------------------------------------------------------ */

static struct vfio_region_info region(struct node *n, u32 index)
{
	struct vfio_region_info info = { .argsz = sizeof(info), .index = index };

	ioctl(client_vfio_fd(n->vfio), VFIO_DEVICE_GET_REGION_INFO, &info);
	return info;
}

/* Any offset, any length up to 16, read and write; at the end it stops. */
static int run_accesses(struct node *a, struct node *b, const void *arg)
{
	struct vfio_region_info info = region(a, (u32)(uintptr_t)arg);
	int fd = client_vfio_fd(a->vfio);
	u64 rng = 88172645463325252ULL;
	u8 buf[16];

	for (int i = 0; i < 20000; i++) {
		u64 at = pick(&rng, 3) ? pick(&rng, 0x3100) : pick(&rng, ~0U) % info.size;
		size_t len = 1 + pick(&rng, 16);
		ssize_t got;

		at %= info.size;
		for (size_t k = 0; k < len; k++)
			buf[k] = (u8)pick(&rng, 256);
		got = pick(&rng, 2) ? pread(fd, buf, len, (off_t)(info.offset + at)) :
				      pwrite(fd, buf, len, (off_t)(info.offset + at));
		if (got > (ssize_t)(info.size - at))
			return complain("%zd bytes at the region's end", got);
	}
	if (pread(fd, buf, 4, (off_t)(info.offset + info.size)) > 0 ||
	    pwrite(fd, buf, 4, (off_t)(info.offset + info.size)) > 0)
		return complain("access behind the region");
	return 0;
}

static int run_mmap(struct node *a, struct node *b, const void *arg)
{
	struct vfio_region_info bar = region(a, VFIO_PCI_BAR0_REGION_INDEX);
	struct vfio_region_info config = region(a, VFIO_PCI_CONFIG_REGION_INDEX);
	const struct {
		u64 at;
		size_t len;
		int flags;
		const char *what;
	} bad[] = {
		{ bar.offset, 4096, MAP_SHARED, "initialization segment" },
		{ bar.offset + 0x3000, 4096, MAP_SHARED, "MSI-X table" },
		{ bar.offset, bar.size, MAP_SHARED, "whole BAR" },
		{ bar.offset + bar.size - 4096, 8192, MAP_SHARED, "behind the BAR" },
		{ bar.offset + bar.size, 4096, MAP_SHARED, "after the BAR" },
		{ bar.offset + bar.size - 4096, 4096, MAP_PRIVATE, "private mapping" },
		{ config.offset, 4096, MAP_SHARED, "configuration space" },
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		if (mmap(NULL, bad[i].len, PROT_READ | PROT_WRITE, bad[i].flags,
			 client_vfio_fd(a->vfio), (off_t)bad[i].at) != MAP_FAILED)
			return complain("%s can be mapped", bad[i].what);
	return 0;
}

/* Doorbell pages that nobody allocated may be touched, and do nothing. */
static int run_unallocated_uars(struct node *a, struct node *b, const void *arg)
{
	u64 objects = node_objects(a);
	u32 end = region(a, VFIO_PCI_BAR0_REGION_INDEX).size / CLIENT_PAGE;

	for (u32 i = 16; i < (end ? end : 512); i += 7)
		a->c.ops->uar_write64(a->c.backend, i, MLX5_BF_OFFSET, cpu_to_be64(~0ULL));
	return node_objects(a) == objects ? 0 : complain("objects have changed");
}

#define CHAIN(name, kind)	{ "chain_" name, run_chain, (void *)kind, 0 }

static const struct hostile_case cases[] = {
	{ "command_queue_in_hole", run_cmdq_address, NULL, 0 },
	{ "command_queue_noise", run_cmdq_noise, NULL, CASE_LOST },
	CHAIN("next_in_hole", NEXT_IN_HOLE),
	CHAIN("circle", CIRCLE),
	CHAIN("wrong_token", WRONG_TOKEN),
	CHAIN("wrong_number", WRONG_NUMBER),
	CHAIN("misaligned", MISALIGNED),
	CHAIN("missing", NO_CHAIN),
	CHAIN("output_in_hole", OUT_IN_HOLE),
	{ "double_setup", run_double_setup, NULL, CASE_LOST },
	{ "after_teardown", run_after_teardown, NULL, CASE_LOST },
	{ "reset_in_traffic", run_reset_in_traffic, NULL, CASE_LOST },
	{ "interrupt_while_masked", run_masked, NULL, 0 },
	{ "interrupt_arguments", run_irq_arguments, NULL, 0 },
	{ "bar_accesses", run_accesses, (void *)VFIO_PCI_BAR0_REGION_INDEX, CASE_LOST },
	{ "config_accesses", run_accesses, (void *)VFIO_PCI_CONFIG_REGION_INDEX, CASE_LOST },
	{ "forbidden_mappings", run_mmap, NULL, 0 },
	{ "unallocated_doorbells", run_unallocated_uars, NULL, 0 },
};

static u32 count(void)
{
	return sizeof(cases) / sizeof(*cases);
}

static void get(u32 i, struct hostile_case *c, char *name, size_t size)
{
	*c = cases[i];
	snprintf(name, size, "function_%s", cases[i].name);
	c->name = name;
}

const struct hostile_group function_group = { "function", count, get };
