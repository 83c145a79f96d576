// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* A client of vfio-user, and mhcad's instances in this process: see vfio_user.h. */
#define _GNU_SOURCE
#include <linux/vfio.h>
#include <poll.h>
#include <sched.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <shim/control.h>
#include "lane/lane.h"
#include "vfio_user.h"

#define must(cond)	do { if (!(cond)) shim_warn(__FILE__, __LINE__, "%s", #cond); } while (0)

/* ---- Messages ------------------------------------------------------------- */

static int vu_send(struct vu *vu, u16 command, const void *body, u32 len, const int *fds,
		   u32 n_fds)
{
	struct vfio_user_header header = {
		.id = ++vu->id, .command = command, .size = (u32)sizeof(header) + len,
	};
	struct iovec iov[] = { { &header, sizeof(header) }, { (void *)body, len } };
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(64 * sizeof(int))];
	} control;
	struct msghdr mh = { .msg_iov = iov, .msg_iovlen = 2 };

	if (n_fds) {
		struct cmsghdr *c;

		mh.msg_control = &control;
		mh.msg_controllen = CMSG_SPACE(n_fds * sizeof(int));
		c = CMSG_FIRSTHDR(&mh);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(n_fds * sizeof(int));
		memcpy(CMSG_DATA(c), fds, n_fds * sizeof(int));
	}
	vu->calls++;
	return sendmsg(vu->fd, &mh, MSG_NOSIGNAL) == header.size ? 0 : -EPIPE;
}

static int vu_receive(struct vu *vu, void *reply, u32 size, int *reply_fd)
{
	struct vfio_user_header header;
	struct iovec iov = { &header, sizeof(header) };
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control;
	struct msghdr mh = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = &control, .msg_controllen = sizeof(control),
	};
	struct cmsghdr *c;
	int fd = -1;
	u32 len;

	if (recvmsg(vu->fd, &mh, MSG_WAITALL) != sizeof(header))
		return -EPIPE;
	c = CMSG_FIRSTHDR(&mh);
	if (c)
		memcpy(&fd, CMSG_DATA(c), sizeof(fd));
	if (reply_fd)
		*reply_fd = fd;
	else if (fd >= 0)
		close(fd);
	must(header.id == vu->id && (header.flags & VFIO_USER_TYPE_MASK) == VFIO_USER_REPLY);
	len = header.size - (u32)sizeof(header);
	must(len <= size || header.flags & VFIO_USER_ERROR);
	if (len && recv(vu->fd, reply, len, MSG_WAITALL) != len)
		return -EPIPE;
	return header.flags & VFIO_USER_ERROR ? -(int)header.error : (int)len;
}

int vu_call(struct vu *vu, u16 command, const void *body, u32 len, const int *fds, u32 n_fds,
	    void *reply, u32 size, int *reply_fd)
{
	int ret;

	pthread_mutex_lock(&vu->lock);
	ret = vu_send(vu, command, body, len, fds, n_fds);
	if (!ret)
		ret = vu_receive(vu, reply, size, reply_fd);
	pthread_mutex_unlock(&vu->lock);
	return ret;
}

int vu_read(struct vu *vu, u32 region, u64 offset, void *buf, u32 len)
{
	struct vfio_user_access access = { offset, region, len };
	struct {
		struct vfio_user_access access;
		u8 data[4096];
	} reply;
	int ret = vu_call(vu, VFIO_USER_REGION_READ, &access, sizeof(access), NULL, 0, &reply,
			  sizeof(reply), NULL);

	if (ret < 0)
		return ret;
	must((u32)ret == sizeof(access) + len && reply.access.count == len);
	memcpy(buf, reply.data, len);
	return 0;
}

int vu_write(struct vu *vu, u32 region, u64 offset, const void *buf, u32 len)
{
	struct {
		struct vfio_user_access access;
		u8 data[64];
	} msg = { .access = { offset, region, len } };
	struct vfio_user_access reply;
	int ret;

	must(len <= sizeof(msg.data));
	memcpy(msg.data, buf, len);
	ret = vu_call(vu, VFIO_USER_REGION_WRITE, &msg, (u32)sizeof(msg.access) + len, NULL, 0,
		      &reply, sizeof(reply), NULL);
	return min(ret, 0);
}

int vu_version(struct vu *vu)
{
	static const char caps[] = "\0\0\0\0{\"capabilities\":{\"max_msg_fds\":8}}";
	char reply[512];
	int ret = vu_call(vu, VFIO_USER_VERSION, caps, sizeof(caps), NULL, 0, reply,
			  sizeof(reply), NULL);

	return min(ret, 0);
}

/* ---- Memory ------------------------------------------------------------------- */

static u64 vu_iova(void *backend, const void *va)
{
	struct vu *vu = backend;

	return VU_IOVA + (u64)((const u8 *)va - vu->mem);
}

static int vu_dma_map(struct vu *vu, const void *va, size_t len)
{
	struct vfio_user_dma_map map = {
		.argsz = sizeof(map),
		.flags = VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE,
		.offset = vu_iova(vu, va) - VU_IOVA,
		.iova = vu_iova(vu, va),
		.size = len,
	};

	return vu_call(vu, VFIO_USER_DMA_MAP, &map, sizeof(map), &vu->mem_fd, 1, NULL, 0, NULL);
}

static int vu_dma_unmap(struct vu *vu, const void *va, size_t len)
{
	struct vfio_user_dma_unmap unmap = {
		.argsz = sizeof(unmap), .iova = vu_iova(vu, va), .size = len,
	};

	return vu_call(vu, VFIO_USER_DMA_UNMAP, &unmap, sizeof(unmap), NULL, 0, &unmap,
		       sizeof(unmap), NULL);
}

/* @n free pages in a row; lock held. NULL: there are none. */
static u8 *vu_take_pages(struct vu *vu, u64 n)
{
	u64 run = 0, seen, i = vu->next;

	for (seen = 0; seen < 2 * vu->pages; seen++, i++) {
		if (i == vu->pages)
			i = run = 0;
		run = vu->used[i] ? 0 : run + 1;
		if (run < n)
			continue;
		memset(vu->used + i + 1 - n, 1, n);
		vu->next = (i + 1) % vu->pages;
		return vu->mem + (i + 1 - n) * PAGE_SIZE;
	}
	return NULL;
}

static void *vu_alloc(void *backend, size_t len)
{
	struct vu *vu = backend;
	bool room;
	u8 *va;

	pthread_mutex_lock(&vu->lock);
	va = vu_take_pages(vu, len / PAGE_SIZE);
	room = va && vu->n_maps < ARRAY_SIZE(vu->maps);
	if (room)
		vu->maps[vu->n_maps++] = (struct vu_map){ va, len };
	pthread_mutex_unlock(&vu->lock);
	if (!room || vu_dma_map(vu, va, len) < 0)
		return NULL;
	memset(va, 0, len);
	return va;
}

/* @len 0: taken away from under the device; it stays allocated. */
static void vu_free(void *backend, void *va, size_t len)
{
	struct vu *vu = backend;
	struct vu_map map = { };
	u32 i;

	pthread_mutex_lock(&vu->lock);
	for (i = 0; i < vu->n_maps && vu->maps[i].va != va; i++)
		;
	if (i < vu->n_maps) {
		map = vu->maps[i];
		vu->maps[i] = vu->maps[--vu->n_maps];
	}
	pthread_mutex_unlock(&vu->lock);
	if (map.len)
		vu_dma_unmap(vu, va, map.len);
	if (!len)
		return;
	pthread_mutex_lock(&vu->lock);
	memset(vu->used + ((u8 *)va - vu->mem) / PAGE_SIZE, 0, len / PAGE_SIZE);
	pthread_mutex_unlock(&vu->lock);
}

/* ---- The rest of client_ops ------------------------------------------------------- */

static u32 vu_iseg_read(void *backend, u32 offset)
{
	__be32 word = 0;

	vu_read(backend, VFIO_PCI_BAR0_REGION_INDEX, offset, &word, sizeof(word));
	return be32_to_cpu(word);
}

static void vu_iseg_write(void *backend, u32 offset, u32 value)
{
	__be32 word = cpu_to_be32(value);

	vu_write(backend, VFIO_PCI_BAR0_REGION_INDEX, offset, &word, sizeof(word));
}

static void vu_uar_write32(void *backend, u32 index, u32 offset, __be32 value)
{
	u64 at = (u64)index * PAGE_SIZE + offset;
	struct vu *vu = backend;

	if (vu->bar)
		__atomic_store_n((__be32 *)(vu->bar + at), value, __ATOMIC_RELEASE);
	else
		vu_write(vu, VFIO_PCI_BAR0_REGION_INDEX, at, &value, sizeof(value));
}

static void vu_uar_write64(void *backend, u32 index, u32 offset, __be64 value)
{
	u64 at = (u64)index * PAGE_SIZE + offset;
	struct vu *vu = backend;

	if (vu->bar)
		__atomic_store_n((__be64 *)(vu->bar + at), value, __ATOMIC_RELEASE);
	else
		vu_write(vu, VFIO_PCI_BAR0_REGION_INDEX, at, &value, sizeof(value));
}

static int vu_irq_wait(void *backend, u32 vector, int timeout_ms)
{
	struct vu *vu = backend;
	struct pollfd fd = { .fd = vu->irq[vector], .events = POLLIN };
	u64 count;

	if (poll(&fd, 1, timeout_ms) <= 0)
		return 0;
	return read(fd.fd, &count, sizeof(count)) == sizeof(count);
}

static int vu_irq_fd(void *backend, u32 vector)
{
	return vector < MHCA_MSIX_VECTORS ? ((struct vu *)backend)->irq[vector] : -1;
}

static u32 vu_irq_count(void *backend)
{
	(void)backend;
	return MHCA_MSIX_VECTORS;
}

static void vu_progress(void *backend)
{
	(void)backend;
	sched_yield();
}

/* What a driver does: bus mastering, and a function that can reach memory. */
static void vu_enable(struct vu *vu)
{
	const u16 command = 6;		/* memory space, bus master */

	must(!vu_write(vu, VFIO_PCI_CONFIG_REGION_INDEX, 4, &command, sizeof(command)));
}

static int vu_reset(void *backend)
{
	struct vu *vu = backend;
	int ret = vu_call(vu, VFIO_USER_DEVICE_RESET, NULL, 0, NULL, 0, NULL, 0, NULL);

	if (!ret)
		vu_enable(vu);
	return ret;
}

static void vu_close_ops(void *backend)
{
	struct vu *vu = backend;

	if (vu->gone)
		vu->gone(vu);
}

const struct client_ops vu_client_ops = {
	.name = "vfio-user",
	.alloc = vu_alloc,
	.free = vu_free,
	.iova = vu_iova,
	.iseg_read = vu_iseg_read,
	.iseg_write = vu_iseg_write,
	.uar_write32 = vu_uar_write32,
	.uar_write64 = vu_uar_write64,
	.irq_wait = vu_irq_wait,
	.irq_count = vu_irq_count,
	.irq_fd = vu_irq_fd,
	.progress = vu_progress,
	.reset = vu_reset,
	.close = vu_close_ops,
};

/* ---- Opening ---------------------------------------------------------------------- */

static void vu_map_doorbells(struct vu *vu)
{
	struct {
		struct vfio_region_info info;
		struct vfio_region_info_cap_sparse_mmap cap;
		struct vfio_region_sparse_mmap_area area;
	} region = { .info = { .argsz = sizeof(region), .index = VFIO_PCI_BAR0_REGION_INDEX } };
	int fd = -1;

	must(vu_call(vu, VFIO_USER_DEVICE_GET_REGION_INFO, &region, sizeof(region.info), NULL, 0,
		     &region, sizeof(region), &fd) > 0);
	if (!(region.info.flags & VFIO_REGION_INFO_FLAG_MMAP))
		return;
	must(fd >= 0 && region.cap.nr_areas == 1 && region.area.offset == MHCA_BAR_UAR_START);
	vu->bar = mmap(NULL, region.info.size, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
		       (off_t)region.info.offset);
	must(vu->bar != MAP_FAILED);
	close(fd);
}

static void vu_install_irqs(struct vu *vu)
{
	struct vfio_irq_set set = {
		.argsz = sizeof(set),
		.flags = VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER,
		.index = VFIO_PCI_MSIX_IRQ_INDEX,
	};
	u32 i;

	for (i = 0; i < MHCA_MSIX_VECTORS; i++) {
		vu->irq[i] = eventfd(0, EFD_CLOEXEC);
		must(vu->irq[i] >= 0);
	}
	for (i = 0; i < MHCA_MSIX_VECTORS; i += set.count) {
		set.start = i;
		set.count = min(MHCA_MSIX_VECTORS - i, 8U);
		must(!vu_call(vu, VFIO_USER_DEVICE_SET_IRQS, &set, sizeof(set), vu->irq + i,
			      set.count, NULL, 0, NULL));
	}
}

void vu_attach(struct vu *vu, int fd)
{
	u32 i;

	memset(vu, 0, sizeof(*vu));
	pthread_mutex_init(&vu->lock, NULL);
	vu->fd = fd;
	vu->mem_fd = -1;
	for (i = 0; i < MHCA_MSIX_VECTORS; i++)
		vu->irq[i] = -1;
}

void vu_open(struct vu *vu, int fd, size_t memory)
{
	vu_attach(vu, fd);
	vu->pages = memory / PAGE_SIZE;
	vu->used = calloc(vu->pages, sizeof(*vu->used));
	vu->mem_fd = memfd_create("guest", MFD_CLOEXEC);
	must(vu->used && vu->mem_fd >= 0 && !ftruncate(vu->mem_fd, (off_t)memory));
	vu->mem = mmap(NULL, memory, PROT_READ | PROT_WRITE, MAP_SHARED, vu->mem_fd, 0);
	must(vu->mem != MAP_FAILED);
	must(!vu_version(vu));
	vu_map_doorbells(vu);
	vu_install_irqs(vu);
	vu_enable(vu);
}

void vu_close(struct vu *vu)
{
	u32 i;

	close(vu->fd);
	for (i = 0; i < MHCA_MSIX_VECTORS; i++)
		if (vu->irq[i] >= 0)
			close(vu->irq[i]);
	if (vu->bar)
		munmap(vu->bar, MHCA_BAR_SIZE);
	if (vu->mem)
		munmap(vu->mem, vu->pages * PAGE_SIZE);
	if (vu->mem_fd >= 0)
		close(vu->mem_fd);
	free(vu->used);
	pthread_mutex_destroy(&vu->lock);
}

/* ---- The server --------------------------------------------------------------------- */

void vu_server_start(struct vu_server *server, u32 lanes)
{
	static const struct soft_lane_params params = {
		.idle_us = 1000, .idle_polls = 100, .look_ns = 200 * NSEC_PER_USEC,
		.pause_ns = 20 * NSEC_PER_USEC, .wqe_budget = 16, .byte_budget = 65536,
		.qp_polls = 8, .sweep = 8, .error_poll_ms = 1,
	};
	u32 i;

	memset(server, 0, sizeof(*server));
	mhcad_fault_init();
	must(!mhcad_irq_check());
	must(!soft_hca_init(&server->hca, lanes, &params));
	server->hca.hca.max_instances = 64;
	for (i = 0; i < lanes; i++)
		must(!soft_lane_start(&server->hca.lanes[i], NULL));
}

void vu_server_stop(struct vu_server *server)
{
	u32 i;

	for (i = 0; i < server->hca.n_lanes; i++)
		soft_lane_stop(&server->hca.lanes[i]);
	soft_hca_fini(&server->hca);
	shim_quiesce();
}

void vu_instance_create(struct vu_server *server, struct vu_instance *inst, const char *type,
			u32 number, const char *policy)
{
	u32 i;

	memset(inst, 0, sizeof(*inst));
	snprintf(inst->conf.uuid, sizeof(inst->conf.uuid),
		 "6d484341-0000-4000-8000-%012x", number);
	strscpy(inst->conf.policy, policy, sizeof(inst->conf.policy));
	for (i = 0; i < MHCA_TYPES; i++)
		if (!strcmp(mhca_types[i].name, type))
			inst->conf.type = &mhca_types[i];
	inst->dev = mhcad_device_create(&server->hca.hca, &inst->conf);
	must(!IS_ERR(inst->dev));
}

void vu_instance_destroy(struct vu_instance *inst)
{
	mhcad_device_destroy(inst->dev);
}

static void *vu_serve(void *arg)
{
	struct vu_instance *inst = arg;

	mhcad_device_serve(inst->dev, inst->fd);
	return NULL;
}

int vu_connect(struct vu_instance *inst)
{
	int fds[2];

	must(!socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds));
	inst->fd = fds[1];
	must(!pthread_create(&inst->thread, NULL, vu_serve, inst));
	return fds[0];
}

void vu_disconnect(struct vu_instance *inst)
{
	pthread_join(inst->thread, NULL);
}
