// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Messages of a vfio-user client. An input is a row of them: command, flags, files, length
 * and the body. After it the client goes: then nothing is pinned, no file is left open, and
 * the next client finds the function as new.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/vfio.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fuzz.h"
#include "server.h"

#define GUEST_BYTES	(1UL << 20)
#define FILES		4

static struct soft_hca hca;
static struct mhcad_instance_config conf;
static struct mhcad_device *dev;
static int files[FILES];

static void prepare(void)
{
	static const struct soft_lane_params params = {
		.idle_us = 1000, .idle_polls = 100, .wqe_budget = 16, .byte_budget = 65536,
		.qp_polls = 8, .sweep = 8, .error_poll_ms = 1,
	};

	fuzz_check(!mhcad_irq_check(), "no asynchronous I/O");
	fuzz_check(!soft_hca_init(&hca, 1, &params), "no HCA");
	hca.hca.max_instances = 1;
	strscpy(conf.uuid, "6d484341-0000-4000-8000-000000000001", sizeof(conf.uuid));
	conf.type = &mhca_types[0];
	dev = mhcad_device_create(&hca.hca, &conf);
	fuzz_check(!IS_ERR(dev), "no device");
	files[0] = memfd_create("guest", MFD_CLOEXEC);
	fuzz_check(files[0] >= 0 && !ftruncate(files[0], GUEST_BYTES), "no memory");
	files[1] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	files[2] = open("/dev/null", O_RDWR | O_CLOEXEC);
	files[3] = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
}

static u32 open_files(void)
{
	u32 n = 0;
	int fd;

	for (fd = 0; fd < 256; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

static void one_message(struct fuzz_input *in)
{
	struct mhcad_message *msg = &dev->msg;
	u8 how, i;
	int ret;

	msg->header = (struct vfio_user_header){ .id = 1, .command = fuzz_take8(in) & 31 };
	how = fuzz_take8(in);
	msg->n_fds = 0;
	for (i = 0; i < (how & 15); i++)
		msg->fds[msg->n_fds++] = dup(files[(how >> 4) % FILES]);
	msg->length = fuzz_take8(in);
	fuzz_take_bytes(in, msg->body, msg->length);
	ret = mhcad_client_message(dev);
	fuzz_check(ret <= 0 && ret > -MAX_ERRNO, "answer %d", ret);
	fuzz_check(dev->reply.length <= sizeof(dev->reply.body), "reply of %u bytes",
		   dev->reply.length);
	lanes_turn(&hca);
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	struct fuzz_input in = { data, size };
	u8 vendor[2] = { 0 };
	u32 before;

	if (!dev)
		prepare();
	before = open_files();
	mhcad_device_open(dev);
	while (in.left)
		one_message(&in);
	mhcad_device_close(dev);
	lanes_turn(&hca);
	fuzz_check(!atomic64_read(&dev->inst->gmem.pinned), "pages are pinned");
	fuzz_check(!dev->memory.n, "memory is mapped");
	fuzz_check(open_files() == before, "files are open");
	mhcad_device_open(dev);
	fuzz_check(!mhcad_region_access(dev, VFIO_PCI_CONFIG_REGION_INDEX, 0, vendor, 2, false),
		   "no configuration space");
	fuzz_check(vendor[0] == 0xb3 && vendor[1] == 0x15, "another vendor");
	mhcad_device_close(dev);
	return 0;
}

/* ---- Seeds ------------------------------------------------------------------- */

static void put(struct fuzz_output *out, u8 command, u8 how, const void *body, u8 len)
{
	fuzz_put(out, command, 1);
	fuzz_put(out, how, 1);
	fuzz_put(out, len, 1);
	fuzz_put_bytes(out, body, len);
}

static void put_access(struct fuzz_output *out, u8 command, u32 region, u64 offset, u32 value)
{
	struct {
		struct vfio_user_access access;
		u32 value;
	} msg = { { offset, region, sizeof(value) }, value };

	put(out, command, 0, &msg, command == VFIO_USER_REGION_WRITE ? 20 : 16);
}

/* What a monitor and a driver begin with. */
void fuzz_seeds(void (*add)(const void *data, size_t size))
{
	static u8 bytes[2048];
	struct fuzz_output out = { bytes, 0, sizeof(bytes) };
	const u32 version = 0;
	const u32 info[4] = { sizeof(info) };
	const struct vfio_region_info region = { .argsz = 64 };
	const struct vfio_irq_info irq = { .argsz = sizeof(irq), .index = VFIO_PCI_MSIX_IRQ_INDEX };
	const struct vfio_user_dma_map map = {
		.argsz = sizeof(map), .flags = 3, .iova = 0x10000, .size = GUEST_BYTES,
	};
	const struct vfio_user_dma_unmap unmap = {
		.argsz = sizeof(unmap), .iova = 0x10000, .size = GUEST_BYTES,
	};
	const struct vfio_irq_set set = {
		.argsz = sizeof(set), .index = VFIO_PCI_MSIX_IRQ_INDEX, .start = 0, .count = 3,
		.flags = VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER,
	};

	put(&out, VFIO_USER_VERSION, 0, &version, sizeof(version));
	put(&out, VFIO_USER_DEVICE_GET_INFO, 0, info, sizeof(info));
	put(&out, VFIO_USER_DEVICE_GET_REGION_INFO, 0, &region, sizeof(region));
	put(&out, VFIO_USER_DEVICE_GET_IRQ_INFO, 0, &irq, sizeof(irq));
	put(&out, VFIO_USER_DMA_MAP, 1, &map, sizeof(map));
	put(&out, VFIO_USER_DEVICE_SET_IRQS, 3 | 1 << 4, &set, sizeof(set));
	put_access(&out, VFIO_USER_REGION_READ, VFIO_PCI_CONFIG_REGION_INDEX, 0, 0);
	put_access(&out, VFIO_USER_REGION_WRITE, VFIO_PCI_CONFIG_REGION_INDEX, 4, 6);
	put_access(&out, VFIO_USER_REGION_READ, VFIO_PCI_BAR0_REGION_INDEX, 4, 0);
	/* Command queue at 0x10000, and its first doorbell. */
	put_access(&out, VFIO_USER_REGION_WRITE, VFIO_PCI_BAR0_REGION_INDEX, 0x10, 0);
	put_access(&out, VFIO_USER_REGION_WRITE, VFIO_PCI_BAR0_REGION_INDEX, 0x14, 0x00000100);
	put_access(&out, VFIO_USER_REGION_WRITE, VFIO_PCI_BAR0_REGION_INDEX, 0x18, 0x01000000);
	put(&out, VFIO_USER_DMA_UNMAP, 0, &unmap, sizeof(unmap));
	put(&out, VFIO_USER_DEVICE_RESET, 0, "", 0);
	add(bytes, out.len);
}
