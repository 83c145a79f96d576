// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* mhcad through its socket: the protocol, an instance behind it, and clients that lie. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <linux/vfio.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "vfio_user.h"

#define MEMORY		(32UL << 20)
#define NODES		2
#define BUF_BYTES	65536U

#define assert_ok(call)	assert_int_equal(call, 0)

/* cmocka would catch these signals and say less about them than ASan; SIGBUS is the server's. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
	return "handle_segv=2:handle_sigbus=0:handle_sigfpe=2:handle_sigill=2";
}

/* A client that vanishes leaves its own behind; what the server leaks is found. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
	return "leak:client_\n";
}

/**
 * struct node - an instance, its client, and what a program has of it
 * @inst: instance
 * @vu: client
 * @c: the same, as libmhca knows it
 * @pd: PD
 * @cq: CQ
 * @buf: memory
 * @key: its key
 * @qp: QP towards the other node
 */
struct node {
	struct vu_instance inst;
	struct vu vu;
	struct client c;
	u32 pd;
	struct client_cq cq;
	struct client_mem buf;
	u32 key;
	struct client_qp qp;
};

struct rig {
	struct vu_server server;
	struct node node[NODES];
};

static int setup(void **state)
{
	struct rig *rig = calloc(1, sizeof(*rig));
	u32 i;

	vu_server_start(&rig->server, 2);
	for (i = 0; i < NODES; i++)
		vu_instance_create(&rig->server, &rig->node[i].inst, "ib-small", i, "");
	*state = rig;
	return 0;
}

static int teardown(void **state)
{
	struct rig *rig = *state;
	u32 i;

	for (i = 0; i < NODES; i++)
		vu_instance_destroy(&rig->node[i].inst);
	vu_server_stop(&rig->server);
	free(rig);
	return 0;
}

static void node_open(struct node *n)
{
	struct client_cq_attr cq;

	vu_open(&n->vu, vu_connect(&n->inst), MEMORY);
	assert_ok(client_open(&n->c, &vu_client_ops, &n->vu, 0));
	assert_ok(client_alloc_pd(&n->c, &n->pd));
	client_cq_attr_init(&cq, 8);
	assert_ok(client_create_cq(&n->c, &cq, &n->cq));
	assert_ok(client_mem_alloc(&n->c, BUF_BYTES, &n->buf));
	assert_ok(client_reg_mr(&n->c, n->pd, n->buf.va, BUF_BYTES, CLIENT_ALL_ACCESS, &n->key));
}

/* It is killed: nothing is said. */
static void node_vanish(struct node *n)
{
	shutdown(n->vu.fd, SHUT_RDWR);
	vu_disconnect(&n->inst);
}

static void node_close(struct node *n)
{
	client_close(&n->c);
	node_vanish(n);
	vu_close(&n->vu);
}

static void connect_nodes(struct rig *rig)
{
	struct client_qp_attr attr;
	struct client_modify m;
	struct node *n;
	u32 i;

	for (i = 0; i < NODES; i++) {
		n = &rig->node[i];
		client_qp_attr_init(&attr, MLX5_QP_ST_RC, n->pd, &n->cq);
		assert_ok(client_create_qp(&n->c, &attr, &n->qp));
	}
	for (i = 0; i < NODES; i++) {
		client_modify_init(&m);
		m.remote_qpn = rig->node[!i].qp.qpn;
		m.path.dlid = rig->node[!i].c.lid;
		assert_ok(client_connect_qp(&rig->node[i].qp, &m));
	}
}

static struct client_wc next_wc(struct node *n)
{
	struct client_wc wc = { 0 };
	u32 tries;

	for (tries = 0; tries < 20000; tries++) {
		if (client_poll_cq(&n->cq, 1, &wc))
			return wc;
		usleep(100);
	}
	fail_msg("no completion came");
	return wc;
}

static void message(struct node *from, struct node *to, u32 len, u8 fill)
{
	struct client_sge at = { (uintptr_t)to->buf.va, len, to->key };
	struct client_sge sge = { (uintptr_t)from->buf.va, len, from->key };
	struct client_send wr = {
		.opcode = MLX5_OPCODE_SEND, .wr_id = 7, .flags = CLIENT_SIGNALED,
		.sge = &sge, .n_sge = 1,
	};

	memset(from->buf.va, fill, len);
	memset(to->buf.va, 0, len);
	assert_ok(client_post_recv(&to->qp, 9, &at, 1));
	assert_ok(client_post_send(&from->qp, &wr));
	assert_int_equal(next_wc(from).status, 0);
	assert_int_equal(next_wc(to).wr_id, 9);
	assert_memory_equal(to->buf.va, from->buf.va, len);
}

static void open_pair(struct rig *rig)
{
	u32 i;

	for (i = 0; i < NODES; i++)
		node_open(&rig->node[i]);
	connect_nodes(rig);
}

static void close_pair(struct rig *rig)
{
	u32 i;

	for (i = 0; i < NODES; i++)
		node_close(&rig->node[i]);
}

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

static int set_irqs(struct node *n, u32 flags, u32 start, u32 count, const int *fds, u32 n_fds)
{
	struct vfio_irq_set set = {
		.argsz = sizeof(set), .flags = flags | VFIO_IRQ_SET_ACTION_TRIGGER,
		.index = VFIO_PCI_MSIX_IRQ_INDEX, .start = start, .count = count,
	};

	return vu_call(&n->vu, VFIO_USER_DEVICE_SET_IRQS, &set, sizeof(set), fds, n_fds, NULL, 0,
		       NULL);
}

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

/* A counter that is full makes writers wait: nobody here does. Nor for what is no eventfd. */
static void full_eventfd_holds_nobody_up(void **state)
{
	struct node *n = &((struct rig *)*state)->node[0];
	const u64 full = ~1ULL;
	int ends[2];
	u32 i;

	vu_open(&n->vu, vu_connect(&n->inst), MEMORY);
	assert_int_equal(write(n->vu.irq[5], &full, sizeof(full)), sizeof(full));
	assert_ok(pipe(ends));
	assert_ok(set_irqs(n, VFIO_IRQ_SET_DATA_EVENTFD, 6, 1, &ends[1], 1));
	for (i = 0; i < 20000; i++) {
		mhcad_irq_raise(n->inst.dev, 5);
		mhcad_irq_raise(n->inst.dev, 6);
	}
	mhcad_irq_raise(n->inst.dev, 7);
	assert_int_equal(vu_client_ops.irq_wait(&n->vu, 7, 1000), 1);
	close(ends[0]);
	close(ends[1]);
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

/* The file shrinks under the server: that client is cut off, and nobody else. */
static void truncated_memory_ends_its_client(void **state)
{
	struct rig *rig = *state;
	struct node *a = &rig->node[0], *b = &rig->node[1];
	u32 tries;

	/* cmocka has put its own handler there. */
	mhcad_fault_init();
	open_pair(rig);
	message(a, b, 4096, 1);
	assert_ok(ftruncate(a->vu.mem_fd, 0));
	assert_ok(ftruncate(a->vu.mem_fd, MEMORY));
	assert_ok(ftruncate(a->vu.mem_fd, 0));
	for (tries = 0; tries < 5000 && !READ_ONCE(a->inst.dev->dead); tries++) {
		vu_client_ops.iseg_write(&a->vu, 0x18, ~0U);
		usleep(100);
	}
	assert_true(tries < 5000);
	vu_disconnect(&a->inst);
	vu_close(&a->vu);

	node_open(a);
	client_destroy_qp(&b->qp);
	connect_nodes(rig);
	message(a, b, 4096, 2);
	close_pair(rig);
}

/* ---- Clients that lie ------------------------------------------------------------------ */

static u64 seed = 88172645463325252ULL;

static u32 below(u32 n)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (u32)(seed >> 32) % n;
}

/* A message of a kind that there is, with numbers near those that mean something. */
static u32 make_message(u8 *msg, u32 size, bool versed)
{
	static const u32 near[] = {
		0, 1, 2, 3, 4, 7, 8, 9, 16, 20, 24, 32, 33, 64, 4095, 4096, 0x3000, 0x10000,
		MHCA_BAR_SIZE, MHCA_BAR_SIZE - 4, MHCAD_MAX_XFER, 0x7fffffff, 0xfffff000, ~0U,
	};
	struct vfio_user_header header = {
		.id = (u16)below(65536),
		.command = versed ? (u16)below(VFIO_USER_COMMANDS + 4) : VFIO_USER_VERSION,
		.flags = below(8) ? 0 : below(64),
	};
	u32 words = below(16), i;
	u32 len = sizeof(header) + words * 4;

	if (!versed) {
		memset(msg, 0, sizeof(header) + 4);
		header.size = sizeof(header) + 4;
		memcpy(msg, &header, sizeof(header));
		return header.size;
	}
	for (i = 0; i < words; i++) {
		u32 word = below(4) ? near[below(ARRAY_SIZE(near))] : below(~0U);

		memcpy(msg + sizeof(header) + i * 4, &word, 4);
	}
	header.size = below(32) ? len : near[below(ARRAY_SIZE(near))];
	memcpy(msg, &header, sizeof(header));
	return min(len, size);
}

static void send_with_fds(int socket, const void *msg, size_t len, const int *fds, u32 n)
{
	struct iovec iov = { (void *)msg, len };
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(40 * sizeof(int))];
	} control = { };
	struct msghdr mh = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct cmsghdr *c;

	if (n) {
		mh.msg_control = &control;
		mh.msg_controllen = CMSG_SPACE(n * sizeof(int));
		c = CMSG_FIRSTHDR(&mh);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(n * sizeof(int));
		memcpy(CMSG_DATA(c), fds, n * sizeof(int));
	}
	/* It may have been cut off by now. */
	sendmsg(socket, &mh, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static void drain(int socket)
{
	u8 waste[4096];

	while (recv(socket, waste, sizeof(waste), MSG_DONTWAIT) > 0)
		;
}

static u32 open_files(void)
{
	u32 n = 0;
	int fd;

	for (fd = 0; fd < 1024; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

static void one_liar(struct node *n, const int *fds)
{
	int socket = vu_connect(&n->inst);
	u32 messages = below(200), i, len;
	u8 msg[128];

	for (i = 0; i <= messages; i++) {
		len = make_message(msg, sizeof(msg), i);
		/* Some with files, some cut anywhere, some that hang in the middle. */
		send_with_fds(socket, msg, below(100) ? len : below(len) + 1, fds,
			      i && !below(4) ? below(20) : 0);
		drain(socket);
	}
	/* A second thought: what it has not read is thrown away with it. */
	close(socket);
	vu_disconnect(&n->inst);
}

static void liars_harm_nobody(void **state)
{
	const char *rounds = getenv("MHCA_LIARS");
	struct rig *rig = *state;
	struct node third;
	int fds[40];
	u32 i, n, files;

	vu_instance_create(&rig->server, &third.inst, "ib-small", 99, "");
	open_pair(rig);
	for (i = 0; i < ARRAY_SIZE(fds); i++)
		fds[i] = i & 1 ? rig->node[0].vu.mem_fd : rig->node[0].vu.irq[i % 33];
	one_liar(&third, fds);
	files = open_files();
	n = rounds ? (u32)atoi(rounds) : 100;
	for (i = 0; i < n; i++) {
		one_liar(&third, fds);
		if (i % 10 == 0)
			message(&rig->node[i & 1], &rig->node[!(i & 1)], 3000, (u8)i + 1);
	}
	assert_int_equal(open_files(), files);
	assert_int_equal(atomic64_read(&third.inst.dev->inst->gmem.pinned), 0);
	node_open(&third);
	node_close(&third);
	close_pair(rig);
	vu_instance_destroy(&third.inst);
}

/* More files than a message may have; files with every byte of it. */
static void too_many_files_end_it(void **state)
{
	struct node *n = &((struct rig *)*state)->node[0];
	struct vfio_user_header header = {
		.command = VFIO_USER_VERSION, .size = sizeof(header) + 4,
	};
	u8 msg[sizeof(header) + 4] = { 0 };
	u32 files, round, i;
	int fds[40];
	u8 byte;

	memcpy(msg, &header, sizeof(header));
	memset(fds, 0, sizeof(fds));
	files = open_files();
	for (round = 0; round < 2; round++) {
		int socket = vu_connect(&n->inst);

		if (round) {
			send_with_fds(socket, msg, sizeof(msg), fds, 40);
		} else {
			for (i = 0; i < sizeof(msg); i++)
				send_with_fds(socket, msg + i, 1, fds, 1);
		}
		/* It is cut off without an answer. */
		assert_true(recv(socket, &byte, 1, 0) <= 0);
		vu_disconnect(&n->inst);
		close(socket);
		assert_int_equal(open_files(), files);
	}
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

#define rig_test(name)	cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		rig_test(version_comes_first),
		rig_test(function_is_mlx5s),
		rig_test(doorbells_are_no_messages),
		rig_test(doorbells_may_be_messages),
		rig_test(client_finds_it_as_new),
		rig_test(masked_interrupt_comes_later),
		rig_test(full_eventfd_holds_nobody_up),
		rig_test(memory_is_checked),
		rig_test(unmapped_memory_is_gone),
		rig_test(truncated_memory_ends_its_client),
		rig_test(liars_harm_nobody),
		rig_test(too_many_files_end_it),
		rig_test(second_client_is_turned_away),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
