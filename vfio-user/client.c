// SPDX-License-Identifier: GPL-2.0-only
/*
 * A client's messages, one after the other. A row of the table says how long a body may be
 * and what file descriptors come with it; the handler checks the rest of its copy.
 */
#define _GNU_SOURCE
#include <linux/vfio.h>

#include "server.h"

/**
 * struct mhcad_command - a kind of message
 * @name: for the log
 * @min: least bytes of the body
 * @max: most
 * @fds: most file descriptors
 * @serve: 0 or a negative errno; its reply is in dev->reply
 */
struct mhcad_command {
	const char *name;
	u32 min;
	u32 max;
	u32 fds;
	int (*serve)(struct mhcad_device *dev);
};

/* The first @size bytes of the body, copied: it need not be aligned. */
#define mhcad_take(dev, to)	memcpy(to, (dev)->msg.body, sizeof(*(to)))

static void mhcad_answer(struct mhcad_device *dev, const void *body, u32 length)
{
	memcpy(dev->reply.body, body, length);
	dev->reply.length = length;
}

/* ---- Version ------------------------------------------------------------------- */

/* What the client can do does not matter: nothing is sent to it but replies. */
static int mhcad_serve_version(struct mhcad_device *dev)
{
	struct vfio_user_version *answer = (struct vfio_user_version *)dev->reply.body;
	char *text = (char *)(answer + 1);
	struct vfio_user_version version;

	mhcad_take(dev, &version);
	if (dev->versed || version.major != VFIO_USER_MAJOR)
		return -EINVAL;
	if (dev->msg.length > sizeof(version) && dev->msg.body[dev->msg.length - 1])
		return -EINVAL;
	answer->major = VFIO_USER_MAJOR;
	answer->minor = min_t(u16, version.minor, VFIO_USER_MINOR);
	dev->reply.length = (u32)(sizeof(*answer) + 1) +
		(u32)scnprintf(text, 256,
			       "{\"capabilities\":{\"max_msg_fds\":%u,\"max_data_xfer_size\":%u,"
			       "\"pgsizes\":%lu,\"max_dma_maps\":%u}}",
			       MHCAD_MAX_FDS, MHCAD_MAX_XFER, MHCA_PAGE_SIZE, MHCAD_MAX_MAPS);
	dev->versed = true;
	return 0;
}

/* ---- Memory -------------------------------------------------------------------- */

static int mhcad_serve_map(struct mhcad_device *dev)
{
	struct vfio_user_dma_map map;

	mhcad_take(dev, &map);
	if (map.argsz < sizeof(map))
		return -EINVAL;
	return mhcad_memory_map(dev, &map, dev->msg.n_fds ? dev->msg.fds[0] : -1);
}

static int mhcad_serve_unmap(struct mhcad_device *dev)
{
	struct vfio_user_dma_unmap unmap;
	int ret;

	mhcad_take(dev, &unmap);
	if (unmap.argsz < sizeof(unmap))
		return -EINVAL;
	if (unmap.flags == VFIO_DMA_UNMAP_FLAG_ALL && !unmap.iova && !unmap.size)
		unmap.size = U64_MAX;
	else if (unmap.flags)
		return -EINVAL;
	ret = mhcad_memory_unmap(dev, unmap.iova, unmap.size, &unmap.size);
	if (!ret)
		mhcad_answer(dev, &unmap, sizeof(unmap));
	return ret;
}

/* ---- The device ------------------------------------------------------------------- */

/* Up to num_irqs: what follows in the structure is of newer kernels. */
static int mhcad_serve_info(struct mhcad_device *dev)
{
	struct {
		u32 argsz;
		u32 flags;
		u32 num_regions;
		u32 num_irqs;
	} info;

	mhcad_take(dev, &info);
	if (info.argsz < sizeof(info))
		return -EINVAL;
	info.argsz = sizeof(info);
	info.flags = VFIO_DEVICE_FLAGS_PCI | VFIO_DEVICE_FLAGS_RESET;
	info.num_regions = VFIO_PCI_NUM_REGIONS;
	info.num_irqs = VFIO_PCI_NUM_IRQS;
	mhcad_answer(dev, &info, sizeof(info));
	return 0;
}

static int mhcad_serve_region_info(struct mhcad_device *dev)
{
	struct {
		struct vfio_region_info info;
		struct vfio_region_info_cap_sparse_mmap cap;
		struct vfio_region_sparse_mmap_area area;
	} answer = {
		.cap.header.id = VFIO_REGION_INFO_CAP_SPARSE_MMAP,
		.cap.header.version = 1,
		.cap.nr_areas = 1,
		.area.offset = MHCA_BAR_UAR_START,
		.area.size = MHCA_BAR_SIZE - MHCA_BAR_UAR_START,
	};
	struct vfio_region_info *info = &answer.info;
	bool mapped;
	u32 room;

	mhcad_take(dev, info);
	room = info->argsz;
	if (room < sizeof(*info) || info->index >= VFIO_PCI_NUM_REGIONS)
		return -EINVAL;
	mapped = info->index == VFIO_PCI_BAR0_REGION_INDEX && !dev->trap;
	info->argsz = mapped ? sizeof(answer) : sizeof(*info);
	info->cap_offset = 0;
	info->offset = 0;
	info->size = mhcad_region_size(info->index);
	info->flags = info->size ? VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE : 0;
	if (mapped)
		info->flags |= VFIO_REGION_INFO_FLAG_MMAP;
	/*
	 * Without room for where it may be mapped there is no use for the file; and QEMU
	 * takes the flag without the offset, which the kernel has then, for an error.
	 */
	if (mapped && room >= sizeof(answer)) {
		info->flags |= VFIO_REGION_INFO_FLAG_CAPS;
		info->cap_offset = sizeof(*info);
		dev->reply.fd = dev->bar_fd;
	}
	mhcad_answer(dev, &answer, info->cap_offset ? sizeof(answer) : sizeof(*info));
	return 0;
}

/* Doorbells are memory: there is nothing to be signalled by ioeventfds. */
static int mhcad_serve_region_fds(struct mhcad_device *dev)
{
	struct vfio_user_region_fds fds;

	mhcad_take(dev, &fds);
	if (fds.argsz < sizeof(fds) || fds.index >= VFIO_PCI_NUM_REGIONS)
		return -EINVAL;
	fds.argsz = sizeof(fds);
	fds.flags = 0;
	fds.count = 0;
	mhcad_answer(dev, &fds, sizeof(fds));
	return 0;
}

static int mhcad_serve_irq_info(struct mhcad_device *dev)
{
	struct vfio_irq_info info;

	mhcad_take(dev, &info);
	info.count = mhcad_irq_count(info.index);
	if (info.argsz < sizeof(info) || !info.count)
		return -EINVAL;
	info.argsz = sizeof(info);
	/* Without NORESIZE: vectors come and go one by one. */
	info.flags = VFIO_IRQ_INFO_EVENTFD;
	mhcad_answer(dev, &info, sizeof(info));
	return 0;
}

/* Vectors get the eventfds that came, or none of them has one any more. */
static int mhcad_irqs_install(struct mhcad_device *dev, const struct vfio_irq_set *set)
{
	struct mhcad_message *msg = &dev->msg;
	u32 i;

	if (msg->n_fds && msg->n_fds != set->count)
		return -EINVAL;
	for (i = 0; i < set->count; i++) {
		mhcad_irq_set(dev, set->start + i, msg->n_fds ? msg->fds[i] : -1);
		if (msg->n_fds)
			msg->fds[i] = -1;
	}
	return 0;
}

/* By hand: all of them, or those whose byte is not zero. */
static int mhcad_irqs_trigger(struct mhcad_device *dev, const struct vfio_irq_set *set,
			      const u8 *bools)
{
	u32 i;

	for (i = 0; i < set->count; i++)
		if (!bools || bools[i])
			mhcad_irq_trigger(dev, set->start + i);
	return 0;
}

static int mhcad_serve_set_irqs(struct mhcad_device *dev)
{
	const u8 *bools = dev->msg.body + sizeof(struct vfio_irq_set);
	struct vfio_irq_set set;
	u32 n, data, i;

	mhcad_take(dev, &set);
	n = mhcad_irq_count(set.index);
	if (!n || set.start > n || set.count > n - set.start ||
	    (set.flags & VFIO_IRQ_SET_ACTION_TYPE_MASK) != VFIO_IRQ_SET_ACTION_TRIGGER)
		return -EINVAL;
	data = set.flags & VFIO_IRQ_SET_DATA_TYPE_MASK;
	if (data != VFIO_IRQ_SET_DATA_EVENTFD && dev->msg.n_fds)
		return -EINVAL;
	switch (data) {
	case VFIO_IRQ_SET_DATA_NONE:
		if (set.count)
			return mhcad_irqs_trigger(dev, &set, NULL);
		for (i = 0; i < n; i++)
			mhcad_irq_set(dev, i, -1);
		return 0;
	case VFIO_IRQ_SET_DATA_BOOL:
		if (dev->msg.length - sizeof(set) < set.count)
			return -EINVAL;
		return mhcad_irqs_trigger(dev, &set, bools);
	case VFIO_IRQ_SET_DATA_EVENTFD:
		return mhcad_irqs_install(dev, &set);
	default:
		return -EINVAL;
	}
}

static int mhcad_serve_read(struct mhcad_device *dev)
{
	struct vfio_user_access access;
	int ret;

	mhcad_take(dev, &access);
	if (access.count > MHCAD_MAX_XFER)
		return -EINVAL;
	ret = mhcad_region_access(dev, access.region, access.offset,
				  dev->reply.body + sizeof(access), access.count, false);
	if (ret)
		return ret;
	mhcad_answer(dev, &access, sizeof(access));
	dev->reply.length += access.count;
	return 0;
}

static int mhcad_serve_write(struct mhcad_device *dev)
{
	struct vfio_user_access access;
	int ret;

	mhcad_take(dev, &access);
	if (access.count != dev->msg.length - sizeof(access))
		return -EINVAL;
	ret = mhcad_region_access(dev, access.region, access.offset,
				  dev->msg.body + sizeof(access), access.count, true);
	if (!ret)
		mhcad_answer(dev, &access, sizeof(access));
	return ret;
}

static int mhcad_serve_reset(struct mhcad_device *dev)
{
	mutex_lock(&dev->lock);
	mhcad_device_reset(dev);
	mutex_unlock(&dev->lock);
	return 0;
}

/* ---- The table ------------------------------------------------------------------------ */

#define MHCAD_VERSION_MAX	4096

static const struct mhcad_command mhcad_commands[VFIO_USER_COMMANDS] = {
	[VFIO_USER_VERSION] = {
		"VERSION", sizeof(struct vfio_user_version), MHCAD_VERSION_MAX, 0,
		mhcad_serve_version },
	[VFIO_USER_DMA_MAP] = {
		"DMA_MAP", sizeof(struct vfio_user_dma_map), sizeof(struct vfio_user_dma_map), 1,
		mhcad_serve_map },
	[VFIO_USER_DMA_UNMAP] = {
		"DMA_UNMAP", sizeof(struct vfio_user_dma_unmap),
		sizeof(struct vfio_user_dma_unmap), 0, mhcad_serve_unmap },
	[VFIO_USER_DEVICE_GET_INFO] = {
		"GET_INFO", 16, sizeof(struct vfio_device_info), 0, mhcad_serve_info },
	[VFIO_USER_DEVICE_GET_REGION_INFO] = {
		"GET_REGION_INFO", sizeof(struct vfio_region_info), MHCAD_MAX_BODY, 0,
		mhcad_serve_region_info },
	[VFIO_USER_DEVICE_GET_REGION_IO_FDS] = {
		"GET_REGION_IO_FDS", sizeof(struct vfio_user_region_fds), MHCAD_MAX_BODY, 0,
		mhcad_serve_region_fds },
	[VFIO_USER_DEVICE_GET_IRQ_INFO] = {
		"GET_IRQ_INFO", sizeof(struct vfio_irq_info), sizeof(struct vfio_irq_info), 0,
		mhcad_serve_irq_info },
	[VFIO_USER_DEVICE_SET_IRQS] = {
		"SET_IRQS", sizeof(struct vfio_irq_set),
		sizeof(struct vfio_irq_set) + MHCA_MSIX_VECTORS * sizeof(u32), MHCAD_MAX_FDS,
		mhcad_serve_set_irqs },
	[VFIO_USER_REGION_READ] = {
		"REGION_READ", sizeof(struct vfio_user_access), sizeof(struct vfio_user_access), 0,
		mhcad_serve_read },
	[VFIO_USER_REGION_WRITE] = {
		"REGION_WRITE", sizeof(struct vfio_user_access), MHCAD_MAX_BODY, 0,
		mhcad_serve_write },
	[VFIO_USER_DEVICE_RESET] = {
		"RESET", 0, 0, 0, mhcad_serve_reset },
};

static int mhcad_client_serve(struct mhcad_device *dev)
{
	const struct mhcad_message *msg = &dev->msg;
	const struct mhcad_command *command = NULL;

	if (msg->header.command < VFIO_USER_COMMANDS)
		command = &mhcad_commands[msg->header.command];
	if (!command || !command->serve)
		return -ENOTTY;
	if (msg->length < command->min || msg->length > command->max ||
	    msg->n_fds > command->fds)
		return -EINVAL;
	/* The version is the first, and the only one of its kind. */
	if (!dev->versed && msg->header.command != VFIO_USER_VERSION)
		return -EINVAL;
	return command->serve(dev);
}

/**
 * mhcad_client_message() - serve the message in dev->msg
 * @dev: device; its thread
 *
 * Its reply is in dev->reply, its file descriptors are gone. Return: 0 or a negative errno
 * for the client.
 */
int mhcad_client_message(struct mhcad_device *dev)
{
	int ret;

	dev->reply.length = 0;
	dev->reply.fd = -1;
	ret = mhcad_client_serve(dev);
	mhcad_work_return();
	mhcad_message_close(&dev->msg);
	return ret;
}
