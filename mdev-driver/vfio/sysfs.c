// SPDX-License-Identifier: GPL-2.0-only
/*
 * What an instance does, below /sys/bus/mdev/devices/UUID/. What it may do is in
 * policy.c.
 */
#include <linux/sysfs.h>

#include "frontend.h"

static struct mhca_vdev *mhca_vdev_of(struct device *dev)
{
	return dev_get_drvdata(dev);
}

/* ---- State ----------------------------------------------------------- */

static ssize_t state_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	static const char * const names[] = {
		[MHCA_FN_RESET] = "reset",
		[MHCA_FN_ENABLED] = "enabled",
		[MHCA_FN_INITIALISED] = "initialised",
	};
	struct mhca_vdev *v = mhca_vdev_of(dev);
	enum mhca_mig migration = READ_ONCE(v->migration);
	bool open, revoked;

	spin_lock_irq(&v->state_lock);
	open = v->open;
	revoked = open && v->open->revoked;
	spin_unlock_irq(&v->state_lock);
	if (!open)
		return sysfs_emit(buf, "closed\n");
	if (revoked)
		return sysfs_emit(buf, "revoked\n");
	if (migration != MHCA_MIG_RUNNING)
		return sysfs_emit(buf, "%s\n", mhca_mig_names[migration]);
	return sysfs_emit(buf, "%s\n", names[READ_ONCE(v->inst->fn)]);
}
static DEVICE_ATTR_RO(state);

static ssize_t open_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%d\n", !!READ_ONCE(mhca_vdev_of(dev)->open));
}
static DEVICE_ATTR_RO(open);

static ssize_t lid_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%u\n", READ_ONCE(mhca_vdev_of(dev)->inst->port.lid));
}
static DEVICE_ATTR_RO(lid);

static struct attribute *mhca_instance_attrs[] = {
	&dev_attr_state.attr,
	&dev_attr_open.attr,
	&dev_attr_lid.attr,
	NULL
};

static const struct attribute_group mhca_instance_group = {
	.attrs = mhca_instance_attrs,
};

/* ---- Counters --------------------------------------------------------- */

/**
 * struct mhca_counter_attr - a number of an instance
 * @attr: attribute
 * @offset: of the number in &struct mhca_instance
 */
struct mhca_counter_attr {
	struct device_attribute attr;
	size_t offset;
};

static const void *mhca_counter_at(struct device *dev, struct device_attribute *attr)
{
	size_t offset = container_of(attr, struct mhca_counter_attr, attr)->offset;

	return (const u8 *)mhca_vdev_of(dev)->inst + offset;
}

static ssize_t mhca_counter_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	const atomic64_t *counter = mhca_counter_at(dev, attr);

	return sysfs_emit(buf, "%lld\n", (s64)atomic64_read(counter));
}

static ssize_t mhca_count_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	const u32 *count = mhca_counter_at(dev, attr);

	return sysfs_emit(buf, "%u\n", READ_ONCE(*count));
}

/* What has no X-macro of its own: attribute name, show function, field. */
#define MHCA_NUMBERS(X)									\
	X(pinned_pages, mhca_counter_show, gmem.pinned)					\
	X(pinned_peak_pages, mhca_counter_show, gmem.peak)				\
	X(objects_qp, mhca_count_show, object_count[MHCA_QP])				\
	X(objects_srq, mhca_count_show, object_count[MHCA_SRQ])				\
	X(objects_mkey, mhca_count_show, object_count[MHCA_MKEY])			\
	X(objects_cq, mhca_count_show, object_count[MHCA_CQ])				\
	X(objects_eq, mhca_count_show, object_count[MHCA_EQ])				\
	X(objects_qcounter, mhca_count_show, object_count[MHCA_QCOUNTER])		\
	X(objects_xrcd, mhca_count_show, object_count[MHCA_XRCD])			\
	X(objects_td, mhca_count_show, object_count[MHCA_TD])				\
	X(objects_pd, mhca_count_show, object_count[MHCA_PD])				\
	X(objects_uar, mhca_count_show, object_count[MHCA_UAR])

#define MHCA_NUMBER_ATTR(_name, _show, _field)						\
static struct mhca_counter_attr mhca_attr_##_name = {					\
	.attr = __ATTR(_name, 0444, _show, NULL),					\
	.offset = offsetof(struct mhca_instance, _field),				\
};

#define MHCA_COUNTER_ATTR(_name)							\
	MHCA_NUMBER_ATTR(_name, mhca_counter_show, counters._name)
#define MHCA_NUMBER_ENTRY(_name, _show, _field)	&mhca_attr_##_name.attr.attr,
#define MHCA_COUNTER_ENTRY(_name)		&mhca_attr_##_name.attr.attr,

MHCA_COUNTERS(MHCA_COUNTER_ATTR)
MHCA_NUMBERS(MHCA_NUMBER_ATTR)

static struct attribute *mhca_counter_attrs[] = {
	MHCA_COUNTERS(MHCA_COUNTER_ENTRY)
	MHCA_NUMBERS(MHCA_NUMBER_ENTRY)
	NULL
};

static const struct attribute_group mhca_counter_group = {
	.name = "counters",
	.attrs = mhca_counter_attrs,
};

const struct attribute_group *mhca_instance_groups[] = {
	&mhca_instance_group,
	&mhca_policy_group,
	&mhca_clamped_group,
	&mhca_visible_group,
	&mhca_counter_group,
	NULL
};
