// SPDX-License-Identifier: GPL-2.0-only
/*
 * Configuration space, and BAR0: initialization segment and MSI-X page are messages, the
 * doorbell pages are memory that the client maps.
 *
 * That memory is one file for each instance, sealed: it can neither shrink nor grow under
 * us. A mapping of it cannot be taken back, so an index has the same page for ever; one
 * without a UAR is a page that nobody looks at.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/vfio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "server.h"

/**
 * mhcad_region_init() - make the memory behind BAR0
 * @dev: device
 *
 * Return: 0 or a negative errno.
 */
int mhcad_region_init(struct mhcad_device *dev)
{
	void *bar;

	dev->bar_fd = memfd_create("mhca-doorbells", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (dev->bar_fd < 0)
		return -errno;
	if (ftruncate(dev->bar_fd, MHCA_BAR_SIZE) ||
	    fcntl(dev->bar_fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL))
		goto err_close;
	bar = mmap(NULL, MHCA_BAR_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, dev->bar_fd, 0);
	if (bar == MAP_FAILED)
		goto err_close;
	dev->bar = bar;
	return 0;

err_close:
	close(dev->bar_fd);
	dev->bar_fd = -1;
	return -ENOMEM;
}

/**
 * mhcad_region_fini() - the opposite
 * @dev: device without an instance
 */
void mhcad_region_fini(struct mhcad_device *dev)
{
	if (dev->bar)
		munmap(dev->bar, MHCA_BAR_SIZE);
	if (dev->bar_fd >= 0)
		close(dev->bar_fd);
}

/* ---- Configuration space ------------------------------------------------------ */

/* Act on what a write to the command or power register changed. */
static void mhcad_config_apply(struct mhcad_device *dev)
{
	bool master = mhca_pci_config_master(&dev->config);

	lockdep_assert_held(&dev->lock);
	if (master == dev->master)
		return;
	dev->master = master;
	mhca_instance_set_master(dev->inst, master);
}

/**
 * mhcad_config_reset() - values after a function-level reset
 * @dev: device, dev->lock held
 */
void mhcad_config_reset(struct mhcad_device *dev)
{
	mhca_pci_config_reset(&dev->config, dev->conf->type->class);
	mhcad_config_apply(dev);
}

static void mhcad_config_access(struct mhcad_device *dev, u32 offset, u8 *data, u32 len,
				bool write)
{
	bool reset = false;

	mutex_lock(&dev->lock);
	if (write) {
		reset = mhca_pci_config_write(&dev->config, offset, data, len);
		mhcad_config_apply(dev);
	} else {
		memcpy(data, dev->config.bytes + offset, len);
	}
	if (reset)
		mhcad_device_reset(dev);
	mutex_unlock(&dev->lock);
}

/* ---- BAR0 ------------------------------------------------------------------------ */

/* A doorbell register is written at once or not at all. */
static void mhcad_uar_store(u8 *to, const u8 *from, u32 len)
{
	u64 eight;
	u32 four;

	if (len == sizeof(four)) {
		memcpy(&four, from, sizeof(four));
		WRITE_ONCE(*(u32 *)to, four);
	} else if (len == sizeof(eight)) {
		memcpy(&eight, from, sizeof(eight));
		WRITE_ONCE(*(u64 *)to, eight);
	} else {
		memcpy(to, from, len);
	}
}

/* 1, 2, 4 or 8 aligned bytes of the UAR range, from a client that has not mapped it. */
static void mhcad_uar_access(struct mhcad_device *dev, u32 offset, u8 *data, u32 len, bool write)
{
	const struct mhca_hca_ops *ops = dev->inst->hca->ops;
	u32 index = offset >> MHCA_PAGE_SHIFT;
	struct mhca_doorbell doorbell = { 0 };
	u8 *at;

	mhca_count(dev->inst, traps);
	mutex_lock(&dev->map_lock);
	at = ops->doorbell(dev->inst, index, &doorbell) ?
	     (u8 *)doorbell.kva + (offset & (MHCA_PAGE_SIZE - 1)) : NULL;
	if (!at && !write) {
		memset(data, 0, len);
	} else if (at && write) {
		mhcad_uar_store(at, data, len);
		ops->doorbell_touched(dev->inst, index);
	} else if (at) {
		memcpy(data, at, len);
	}
	mutex_unlock(&dev->map_lock);
}

static void mhcad_bar_access(struct mhcad_device *dev, u32 offset, u8 *data, u32 len, bool write)
{
	if (offset >= MHCA_BAR_UAR_START) {
		mhcad_uar_access(dev, offset, data, len, write);
	} else if (offset < MHCA_ISEG_SIZE) {
		if (write)
			mhca_iseg_write(dev->inst, offset, data, len);
		else
			mhca_iseg_read(dev->inst, offset, data, len);
	} else if (!write) {
		/* MSI-X lives in the monitor, the rest is reserved. */
		memset(data, 0, len);
	}
}

/**
 * mhcad_region_size() - how long a region is
 * @index: VFIO_PCI_*_REGION_INDEX
 *
 * Return: bytes; 0: there is none.
 */
u64 mhcad_region_size(u32 index)
{
	switch (index) {
	case VFIO_PCI_BAR0_REGION_INDEX:
		return MHCA_BAR_SIZE;
	case VFIO_PCI_CONFIG_REGION_INDEX:
		return MHCA_CONFIG_SIZE;
	default:
		return 0;
	}
}

/* The longest naturally aligned access at @offset. */
static u32 mhcad_access_size(u32 offset, u32 left)
{
	u32 size = 8;

	while (size > left || offset & (size - 1))
		size >>= 1;
	return size;
}

/**
 * mhcad_region_access() - REGION_READ, REGION_WRITE
 * @dev: device; its thread
 * @region: VFIO_PCI_*_REGION_INDEX
 * @offset: in it
 * @data: where from or to
 * @count: bytes
 * @write: from
 *
 * Return: 0 or -EINVAL.
 */
int mhcad_region_access(struct mhcad_device *dev, u32 region, u64 offset, u8 *data, u32 count,
			bool write)
{
	u64 size = mhcad_region_size(region);
	u32 done, len;

	if (offset >= size || count > size - offset)
		return -EINVAL;
	for (done = 0; done < count; done += len) {
		len = mhcad_access_size((u32)offset + done, count - done);
		if (region == VFIO_PCI_CONFIG_REGION_INDEX)
			mhcad_config_access(dev, (u32)offset + done, data + done, len, write);
		else
			mhcad_bar_access(dev, (u32)offset + done, data + done, len, write);
	}
	return 0;
}

/* ---- mhca_vmm_ops ------------------------------------------------------------------ */

/**
 * mhcad_region_doorbell() - &struct mhca_vmm_ops.doorbell
 * @vmm: device
 * @index: UAR index
 *
 * Return: its page.
 */
void *mhcad_region_doorbell(void *vmm, u32 index)
{
	struct mhcad_device *dev = vmm;

	return dev->bar + ((u64)index << MHCA_PAGE_SHIFT);
}

/**
 * mhcad_region_zap() - &struct mhca_vmm_ops.zap
 * @vmm: device
 * @index: UAR index
 *
 * A UAR that goes leaves its page to nobody; one that comes fills it anew.
 */
void mhcad_region_zap(void *vmm, u32 index)
{
	(void)vmm;
	(void)index;
}

/**
 * mhcad_region_zap_async() - &struct mhca_vmm_ops.zap_async
 * @vmm: device
 * @index: UAR index
 *
 * Never answered while the client may have the page mapped: the lane goes on looking at it
 * now and then. Where every doorbell is a message, there is no mapping.
 */
void mhcad_region_zap_async(void *vmm, u32 index)
{
	struct mhcad_device *dev = vmm;

	if (dev->trap && !WARN_ON_ONCE(index >= MHCA_UAR_END))
		mhcad_work_zap(dev, index);
}

/**
 * mhcad_region_zap_run() - confirm what mhcad_region_zap_async() was asked for
 * @dev: device
 *
 * A doorbell that comes after it says again that the page is in use.
 */
void mhcad_region_zap_run(struct mhcad_device *dev)
{
	u32 index;

	for (index = 0; index < MHCA_UAR_END; index++) {
		if (!test_and_clear_bit(index, dev->work.zaps))
			continue;
		mutex_lock(&dev->map_lock);
		dev->inst->hca->ops->doorbell_zapped(dev->inst, index);
		mutex_unlock(&dev->map_lock);
	}
}
