// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* mhcad through its socket: the protocol, and an instance behind it. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/vfio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "vfio_user_rig.h"

/* ---- The protocol ----------------------------------------------------------- */

static void version_comes_first(void **state)
{
	struct node *n = &((struct rig *)*state)->node[0];
	u32 info[4] = { sizeof(info) };
	u16 wrong[2] = { 1, 0 };
	char reply[512];

	vu_attach(&n->vu, vu_connect(&n->inst));
	assert_int_equal(vu_call(&n->vu, VFIO_USER_DEVICE_GET_INFO, info, sizeof(info), NULL, 0,
				 info, sizeof(info), NULL), -EINVAL);
	assert_int_equal(vu_call(&n->vu, VFIO_USER_VERSION, wrong, sizeof(wrong), NULL, 0, reply,
				 sizeof(reply), NULL), -EINVAL);
	assert_ok(vu_version(&n->vu));
	assert_int_equal(vu_version(&n->vu), -EINVAL);
	assert_int_equal(vu_call(&n->vu, VFIO_USER_DEVICE_GET_INFO, info, sizeof(info), NULL, 0,
				 info, sizeof(info), NULL), sizeof(info));
	assert_int_equal(info[1], VFIO_DEVICE_FLAGS_PCI | VFIO_DEVICE_FLAGS_RESET);
	assert_int_equal(info[2], VFIO_PCI_NUM_REGIONS);
	assert_int_equal(info[3], VFIO_PCI_NUM_IRQS);
	assert_int_equal(vu_call(&n->vu, 14, NULL, 0, NULL, 0, reply, sizeof(reply), NULL),
			 -ENOTTY);
	assert_int_equal(vu_call(&n->vu, 60000, NULL, 0, NULL, 0, reply, sizeof(reply), NULL),
			 -ENOTTY);
	node_vanish(n);
	vu_close(&n->vu);
}

static void function_is_mlx5s(void **state)
{
	struct node *n = &((struct rig *)*state)->node[0];
	struct vfio_region_info region = { .argsz = sizeof(region) };
	struct vfio_irq_info irq = { .argsz = sizeof(irq), .index = VFIO_PCI_MSIX_IRQ_INDEX };
	u32 bar = ~0U, word;
	u8 config[4096];
	int fd;

	vu_open(&n->vu, vu_connect(&n->inst), MEMORY);
	assert_ok(vu_read(&n->vu, VFIO_PCI_CONFIG_REGION_INDEX, 0, config, sizeof(config)));
	assert_int_equal(get_unaligned_le32(config), 0x101e15b3);
	assert_ok(vu_write(&n->vu, VFIO_PCI_CONFIG_REGION_INDEX, 0x10, &bar, 4));
	assert_ok(vu_read(&n->vu, VFIO_PCI_CONFIG_REGION_INDEX, 0x10, &bar, 4));
	assert_int_equal(bar, (u32)~(MHCA_BAR_SIZE - 1) | 0xc);
	assert_int_equal(vu_read(&n->vu, VFIO_PCI_CONFIG_REGION_INDEX, 4093, config, 4), -EINVAL);
	assert_int_equal(vu_read(&n->vu, VFIO_PCI_CONFIG_REGION_INDEX, ~0ULL, config, 4), -EINVAL);
	assert_int_equal(vu_read(&n->vu, VFIO_PCI_BAR1_REGION_INDEX, 0, config, 4), -EINVAL);
	assert_int_equal(vu_read(&n->vu, 4000, 0, config, 4), -EINVAL);

	/* Too short for where it may be mapped: how long it has to be, and no file. */
	assert_int_equal(vu_call(&n->vu, VFIO_USER_DEVICE_GET_REGION_INFO, &region,
				 sizeof(region), NULL, 0, &region, sizeof(region), &fd),
			 sizeof(region));
	assert_int_equal(region.argsz, sizeof(region) + 32);
	assert_int_equal(region.size, MHCA_BAR_SIZE);
	assert_int_equal(region.cap_offset, 0);
	assert_false(region.flags & VFIO_REGION_INFO_FLAG_CAPS);
	assert_int_equal(fd, -1);
	assert_int_equal(vu_call(&n->vu, VFIO_USER_DEVICE_GET_IRQ_INFO, &irq, sizeof(irq), NULL, 0,
				 &irq, sizeof(irq), NULL), sizeof(irq));
	assert_int_equal(irq.count, MHCA_MSIX_VECTORS);

	/* fw_rev and cmdif_rev of the initialization segment */
	assert_ok(vu_read(&n->vu, VFIO_PCI_BAR0_REGION_INDEX, 4, &word, 4));
	assert_int_equal(be32_to_cpu((__force __be32)word) >> 16, 5);
	node_vanish(n);
	vu_close(&n->vu);
}

static void doorbells_are_no_messages(void **state)
{
	struct rig *rig = *state;
	u64 calls[NODES];
	u32 i;

	open_pair(rig);
	for (i = 0; i < NODES; i++)
		calls[i] = rig->node[i].vu.calls;
	for (i = 0; i < 500; i++) {
		message(&rig->node[i & 1], &rig->node[!(i & 1)], 1 + i * 100, (u8)i + 1);
		/* Until the page is idle, and the lane looks at it now and then. */
		if (i % 100 == 99)
			usleep(20000);
	}
	for (i = 0; i < NODES; i++)
		assert_int_equal(rig->node[i].vu.calls, calls[i]);
	close_pair(rig);
}

/* A program that does not wait for its last message: the lane's next look may be far off. */
static void last_message_goes(void **state)
{
	struct rig *rig = *state;
	struct node *a = &rig->node[0], *b = &rig->node[1];
	struct client_sge at, sge;
	struct client_send wr = { .opcode = MLX5_OPCODE_SEND, .wr_id = 7, .sge = &sge, .n_sge = 1 };
	u32 i, round;

	for (i = 0; i < rig->server.hca.n_lanes; i++)
		rig->server.hca.lanes[i].params.look_ns = 10 * NSEC_PER_SEC;
	for (round = 0; round < 3; round++) {
		open_pair(rig);
		message(a, b, 64, 1);
		at = (struct client_sge){ (uintptr_t)b->buf.va, 64, b->key };
		sge = (struct client_sge){ (uintptr_t)a->buf.va, 64, a->key };
		assert_ok(client_post_recv(&b->qp, 9, &at, 1));
		usleep(200000);
		assert_ok(client_post_send(&a->qp, &wr));
		assert_ok(client_destroy_qp(&a->qp));
		assert_int_equal(next_wc(b).wr_id, 9);
		close_pair(rig);
	}
}

/* Policy: nothing is mapped, and it goes all the same. */
static void doorbells_may_be_messages(void **state)
{
	struct rig *rig = *state;
	u32 i;

	for (i = 0; i < NODES; i++) {
		vu_instance_destroy(&rig->node[i].inst);
		vu_instance_create(&rig->server, &rig->node[i].inst, "ib-small", 10 + i,
				   "{\"doorbell\":\"trap\"}");
	}
	open_pair(rig);
	assert_null(rig->node[0].vu.bar);
	for (i = 0; i < 20; i++) {
		message(&rig->node[i & 1], &rig->node[!(i & 1)], 100, (u8)i + 1);
		usleep(i % 5 ? 0 : 20000);
	}
	close_pair(rig);
}

static void client_finds_it_as_new(void **state)
{
	struct rig *rig = *state;
	u32 i;

	for (i = 0; i < 20; i++) {
		open_pair(rig);
		message(&rig->node[0], &rig->node[1], 5000, (u8)i + 1);
		/* One of the two just goes. */
		if (i & 1) {
			client_close(&rig->node[0].c);
			assert_ok(vu_client_ops.reset(&rig->node[0].vu));
		}
		node_vanish(&rig->node[i & 1]);
		assert_int_equal(atomic64_read(&rig->node[i & 1].inst.dev->inst->gmem.pinned), 0);
		node_vanish(&rig->node[!(i & 1)]);
		vu_close(&rig->node[0].vu);
		vu_close(&rig->node[1].vu);
	}
}

/* ---- Interrupts ------------------------------------------------------------------ */

static void masked_interrupt_comes_later(void **state)
{
	struct node *n = &((struct rig *)*state)->node[0];

	vu_open(&n->vu, vu_connect(&n->inst), MEMORY);
	assert_ok(set_irqs(n, VFIO_IRQ_SET_DATA_EVENTFD, 3, 1, NULL, 0));
	mhcad_irq_raise(n->inst.dev, 3);
	assert_int_equal(vu_client_ops.irq_wait(&n->vu, 3, 0), 0);
	assert_ok(set_irqs(n, VFIO_IRQ_SET_DATA_EVENTFD, 3, 1, &n->vu.irq[3], 1));
	assert_int_equal(vu_client_ops.irq_wait(&n->vu, 3, 1000), 1);
	assert_int_equal(vu_client_ops.irq_wait(&n->vu, 3, 0), 0);
	assert_ok(set_irqs(n, VFIO_IRQ_SET_DATA_NONE, 2, 3, NULL, 0));
	assert_int_equal(vu_client_ops.irq_wait(&n->vu, 4, 1000), 1);

	assert_int_equal(set_irqs(n, VFIO_IRQ_SET_DATA_EVENTFD, 33, 1, NULL, 0), -EINVAL);
	assert_int_equal(set_irqs(n, VFIO_IRQ_SET_DATA_EVENTFD, 1, ~0U, NULL, 0), -EINVAL);
	assert_int_equal(set_irqs(n, VFIO_IRQ_SET_DATA_EVENTFD, 0, 2, n->vu.irq, 1), -EINVAL);
	assert_int_equal(set_irqs(n, VFIO_IRQ_SET_DATA_BOOL, 0, 2, NULL, 0), -EINVAL);
	assert_int_equal(set_irqs(n, VFIO_IRQ_SET_DATA_NONE, 0, 1, n->vu.irq, 1), -EINVAL);
	node_vanish(n);
	vu_close(&n->vu);
}

/* ---- Memory --------------------------------------------------------------------------- */

static int map_memory(struct node *n, u64 iova, u64 size, u64 offset, int fd)
{
	struct vfio_user_dma_map map = {
		.argsz = sizeof(map), .flags = 3, .offset = offset, .iova = iova, .size = size,
	};

	return vu_call(&n->vu, VFIO_USER_DMA_MAP, &map, sizeof(map), &fd, fd >= 0, NULL, 0, NULL);
}

static int unmap_memory(struct node *n, u64 iova, u64 size, u32 flags)
{
	struct vfio_user_dma_unmap unmap = {
		.argsz = sizeof(unmap), .flags = flags, .iova = iova, .size = size,
	};
	int ret = vu_call(&n->vu, VFIO_USER_DMA_UNMAP, &unmap, sizeof(unmap), NULL, 0, &unmap,
			  sizeof(unmap), NULL);

	return ret < 0 ? ret : (int)(unmap.size / PAGE_SIZE);
}

static void memory_is_checked(void **state)
{
	struct node *n = &((struct rig *)*state)->node[0];
	int exe = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	u32 i;

	vu_open(&n->vu, vu_connect(&n->inst), MEMORY);
	assert_ok(map_memory(n, 0x10000, 0x4000, 0, n->vu.mem_fd));
	assert_int_equal(map_memory(n, 0x13000, 0x1000, 0, n->vu.mem_fd), -EEXIST);
	assert_int_equal(map_memory(n, 0xf000, 0x2000, 0, n->vu.mem_fd), -EEXIST);
	assert_int_equal(map_memory(n, 0, 0x100000, 0, n->vu.mem_fd), -EEXIST);
	assert_ok(map_memory(n, 0x14000, 0x1000, MEMORY - 0x1000, n->vu.mem_fd));
	assert_ok(map_memory(n, 0xf000, 0x1000, 0, n->vu.mem_fd));
	assert_int_equal(map_memory(n, 0x20000, 0x2000, MEMORY - 0x1000, n->vu.mem_fd), -ERANGE);
	assert_int_equal(map_memory(n, 0x20000, 0x1000, ~0xfffULL, n->vu.mem_fd), -ERANGE);
	assert_int_equal(map_memory(n, ~0xfffULL, 0x2000, 0, n->vu.mem_fd), -EINVAL);
	assert_int_equal(map_memory(n, 0x20000, 0, 0, n->vu.mem_fd), -EINVAL);
	assert_int_equal(map_memory(n, 0x20001, 0x1000, 0, n->vu.mem_fd), -EINVAL);
	assert_int_equal(map_memory(n, 0x20000, 0x1000, 0, n->vu.fd), -EINVAL);
	assert_int_equal(map_memory(n, 0x20000, 0x1000, 0, exe), -EINVAL);
	/* ROMs have no file; a guest's RAM has to. */
	assert_ok(map_memory(n, 0x20000, 0x40000, 0, -1));
	assert_int_equal(map_memory(n, 1ULL << 32, 1ULL << 30, 0, -1), -EINVAL);

	assert_int_equal(unmap_memory(n, 0x10000, 0x2000, 0), -EINVAL);
	assert_int_equal(unmap_memory(n, 0x12000, 0x10000, 0), -EINVAL);
	assert_int_equal(unmap_memory(n, 0x10000, 0x5000, 0), 5);
	assert_int_equal(unmap_memory(n, 0x10000, 0x5000, 0), 0);
	assert_int_equal(unmap_memory(n, 0, 0, 0), -EINVAL);
	assert_int_equal(unmap_memory(n, 0, 0, VFIO_DMA_UNMAP_FLAG_ALL), 0x41);
	for (i = 0; i < MHCAD_MAX_MAPS; i++)
		assert_ok(map_memory(n, (u64)i << 13, 0x1000, 0, n->vu.mem_fd));
	assert_int_equal(map_memory(n, 1ULL << 40, 0x1000, 0, n->vu.mem_fd), -ENOSPC);
	close(exe);
	node_vanish(n);
	vu_close(&n->vu);
}

/* What is unmapped is not touched any more, whatever was built on it. */
static void unmapped_memory_is_gone(void **state)
{
	struct rig *rig = *state;
	struct node *a = &rig->node[0], *b = &rig->node[1];
	struct client_sge sge;
	struct client_send wr = {
		.opcode = MLX5_OPCODE_SEND, .wr_id = 7, .flags = CLIENT_SIGNALED,
		.sge = &sge, .n_sge = 1,
	};

	open_pair(rig);
	message(a, b, 4096, 1);
	sge = (struct client_sge){ (uintptr_t)a->buf.va, 4096, a->key };
	vu_client_ops.free(&a->vu, a->buf.va, 0);
	assert_ok(client_post_send(&a->qp, &wr));
	assert_int_equal(next_wc(a).status, MLX5_CQE_SYNDROME_LOCAL_PROT_ERR);
	node_close(a);
	node_close(b);
}

/* ---- A socket in the file system ------------------------------------------------------- */

static int connect_to(const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	strscpy(addr.sun_path, path, sizeof(addr.sun_path));
	assert_ok(connect(fd, (struct sockaddr *)&addr, sizeof(addr)));
	return fd;
}

static void second_client_is_turned_away(void **state)
{
	struct rig *rig = *state;
	struct vu_instance inst;
	struct vu a, b;
	char byte;
	int fd;

	vu_instance_create(&rig->server, &inst, "roce-small", 50, "");
	snprintf(inst.conf.socket, sizeof(inst.conf.socket), "/tmp/mhcad-test-%d.sock", getpid());
	assert_ok(mhcad_device_start(inst.dev));
	vu_open(&a, connect_to(inst.conf.socket), MEMORY);
	fd = connect_to(inst.conf.socket);
	assert_true(recv(fd, &byte, 1, 0) <= 0);
	close(fd);
	/* The first one has not noticed, and when it goes there is room. */
	assert_ok(vu_read(&a, VFIO_PCI_CONFIG_REGION_INDEX, 0, &byte, 1));
	vu_close(&a);
	do {
		fd = connect_to(inst.conf.socket);
		vu_attach(&b, fd);
		if (!vu_version(&b))
			break;
		vu_close(&b);
	} while (true);
	/* The server ends while a client hangs in the middle of a message. */
	assert_int_equal(send(fd, &byte, 1, 0), 1);
	vu_instance_destroy(&inst);
	assert_true(recv(fd, &byte, 1, 0) <= 0);
	vu_close(&b);
	assert_int_equal(access(inst.conf.socket, F_OK), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		rig_test(version_comes_first),
		rig_test(function_is_mlx5s),
		rig_test(doorbells_are_no_messages),
		rig_test(last_message_goes),
		rig_test(doorbells_may_be_messages),
		rig_test(client_finds_it_as_new),
		rig_test(masked_interrupt_comes_later),
		rig_test(memory_is_checked),
		rig_test(unmapped_memory_is_gone),
		rig_test(second_client_is_turned_away),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
