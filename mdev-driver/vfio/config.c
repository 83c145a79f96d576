// SPDX-License-Identifier: GPL-2.0-only
/*
 * PCI configuration space (prm/pci_config.c) under the device's lock. The monitor emulates
 * BARs and MSI-X for the guest and forwards every write; bus mastering, function-level
 * reset and D3hot are ours to honour.
 */
#include "compat.h"
#include "frontend.h"

/* Act on what a write to the command or power register changed. */
static void mhca_config_apply(struct mhca_vdev *v)
{
	bool master = mhca_pci_config_master(&v->config);

	lockdep_assert_held(&v->lock);

	WRITE_ONCE(v->bar, mhca_pci_config_bar(&v->config));
	if (master == v->master)
		return;
	v->master = master;
	mhca_instance_set_master(v->inst, master);
}

/**
 * mhca_config_reset() - values after a function-level reset
 * @v: device, v->lock held
 */
void mhca_config_reset(struct mhca_vdev *v)
{
	lockdep_assert_held(&v->lock);

	mhca_pci_config_reset(&v->config, v->desc->class);
	mhca_config_apply(v);
}

/**
 * mhca_config_read() - read configuration space
 * @v: device
 * @offset: @offset + @len is within MHCA_CONFIG_SIZE
 * @buf: where to
 * @len: bytes
 */
void mhca_config_read(struct mhca_vdev *v, u32 offset, void *buf, u32 len)
{
	mutex_lock(&v->lock);
	memcpy(buf, v->config.bytes + offset, len);
	mutex_unlock(&v->lock);
}

/**
 * mhca_config_write() - write configuration space
 * @v: device
 * @offset: @offset + @len is within MHCA_CONFIG_SIZE
 * @buf: where from
 * @len: bytes
 */
void mhca_config_write(struct mhca_vdev *v, u32 offset, const void *buf, u32 len)
{
	bool reset;

	mutex_lock(&v->lock);
	reset = mhca_pci_config_write(&v->config, offset, buf, len);
	mhca_config_apply(v);
	if (reset)
		mhca_device_reset(v);
	mutex_unlock(&v->lock);
}
