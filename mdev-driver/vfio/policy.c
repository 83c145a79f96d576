// SPDX-License-Identifier: GPL-2.0-only
/*
 * Policy attributes of an instance, below /sys/bus/mdev/devices/UUID/:
 *
 *   NAME           what was configured; 0644
 *   clamped/NAME   what the host enforces
 *   visible/NAME   what the guest's capabilities say
 *   config         all of them as JSON; a write changes those that it names, together
 *
 * Which there are is said by the table of prm/policy.c alone. A value that is refused
 * leaves a line in the kernel's log.
 */
#include <linux/string.h>
#include <linux/sysfs.h>

#include <mhca/policy.h>

#include "frontend.h"

#define MHCA_POLICY_CONFIG	(-1)

/**
 * struct mhca_policy_attr - a file
 * @attr: sysfs's part
 * @id: attribute of the table, or MHCA_POLICY_CONFIG
 */
struct mhca_policy_attr {
	struct device_attribute attr;
	int id;
};

static struct mhca_policy_attr mhca_policy_files[MHCA_POLICIES + 1];
static struct mhca_policy_attr mhca_clamped_files[MHCA_POLICIES];
static struct mhca_policy_attr mhca_visible_files[MHCA_POLICIES];
static struct attribute *mhca_policy_attrs[MHCA_POLICIES + 2];
static struct attribute *mhca_clamped_attrs[MHCA_POLICIES + 1];
static struct attribute *mhca_visible_attrs[MHCA_POLICIES + 1];

const struct attribute_group mhca_policy_group = {
	.attrs = mhca_policy_attrs,
};

const struct attribute_group mhca_clamped_group = {
	.name = "clamped",
	.attrs = mhca_clamped_attrs,
};

const struct attribute_group mhca_visible_group = {
	.name = "visible",
	.attrs = mhca_visible_attrs,
};

static int mhca_policy_id(const struct device_attribute *attr)
{
	return container_of(attr, struct mhca_policy_attr, attr)->id;
}

/* ---- Reading ------------------------------------------------------------------ */

static ssize_t mhca_policy_file_show(struct device *dev, struct device_attribute *attr,
				     char *buf)
{
	struct mhca_vdev *v = dev_get_drvdata(dev);
	int id = mhca_policy_id(attr);
	int len;

	mutex_lock(&v->policy_lock);
	if (id == MHCA_POLICY_CONFIG)
		len = mhca_policy_to_json(&v->inst->policy, buf, PAGE_SIZE - 1);
	else
		len = mhca_policy_show(&v->inst->policy, id, buf, PAGE_SIZE - 1);
	mutex_unlock(&v->policy_lock);
	buf[len++] = '\n';
	return len;
}

static struct mhca_limit mhca_policy_limit(struct device *dev, struct device_attribute *attr)
{
	struct mhca_vdev *v = dev_get_drvdata(dev);
	struct mhca_limit limit;

	mutex_lock(&v->policy_lock);
	limit = mhca_policy_view(&v->inst->policy, mhca_policy_id(attr));
	mutex_unlock(&v->policy_lock);
	return limit;
}

static ssize_t mhca_clamped_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%u\n", mhca_policy_limit(dev, attr).clamped);
}

static ssize_t mhca_visible_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%u\n", mhca_policy_limit(dev, attr).visible);
}

/* ---- Writing ------------------------------------------------------------------- */

/* Everything that can be said against it; what it claims is its own then. */
static int mhca_policy_try(struct mhca_vdev *v, int id, const char *text,
			   struct mhca_policy *policy, char *reason)
{
	int ret;

	lockdep_assert_held(&v->policy_lock);
	*policy = v->inst->policy;
	if (id == MHCA_POLICY_CONFIG)
		ret = mhca_policy_from_json(policy, text, reason);
	else
		ret = mhca_policy_parse(policy, id, text, reason);
	if (!ret)
		ret = mhca_policy_change(&v->inst->policy, policy, !!v->open, reason);
	if (!ret)
		ret = mhca_instance_reclaim(v, policy, reason);
	return ret;
}

static int mhca_policy_set(struct mhca_vdev *v, int id, const char *text)
{
	char reason[MHCA_REASON_MAX] = "";
	struct mhca_policy *policy;
	int ret;

	policy = kmalloc(sizeof(*policy), GFP_KERNEL);
	if (!policy)
		return -ENOMEM;
	mutex_lock(&v->policy_lock);
	ret = mhca_policy_try(v, id, text, policy, reason);
	if (!ret)
		mhca_policy_apply(v->inst, policy);
	mutex_unlock(&v->policy_lock);
	if (ret)
		dev_notice(v->dev, "refused: %s\n", reason);
	kfree(policy);
	return ret;
}

static ssize_t mhca_policy_file_store(struct device *dev, struct device_attribute *attr,
				      const char *buf, size_t count)
{
	char *text;
	int ret;

	/* A 0 inside would end the text early. */
	if (memchr(buf, 0, count))
		return -EINVAL;
	text = kstrndup(buf, count, GFP_KERNEL);
	if (!text)
		return -ENOMEM;
	ret = mhca_policy_set(dev_get_drvdata(dev), mhca_policy_id(attr), strim(text));
	kfree(text);
	return ret ?: count;
}

/* ---- Files ------------------------------------------------------------------------ */

static struct attribute *mhca_policy_file(struct mhca_policy_attr *file, int id, umode_t mode,
					  ssize_t (*show)(struct device *dev,
							  struct device_attribute *attr,
							  char *buf))
{
	sysfs_attr_init(&file->attr.attr);
	file->id = id;
	file->attr.attr.name = id == MHCA_POLICY_CONFIG ? "config" : mhca_policy_rows[id].name;
	file->attr.attr.mode = mode;
	file->attr.show = show;
	file->attr.store = mode & 0200 ? mhca_policy_file_store : NULL;
	return &file->attr.attr;
}

/**
 * mhca_policy_files_init() - make the files that the table asks for
 *
 * Before the driver is registered.
 */
void mhca_policy_files_init(void)
{
	const struct mhca_policy_row *row;
	int id, clamped = 0, visible = 0;

	for (id = 0; id < MHCA_POLICIES; id++) {
		row = &mhca_policy_rows[id];
		mhca_policy_attrs[id] = mhca_policy_file(&mhca_policy_files[id], id, 0644,
							 mhca_policy_file_show);
		if (row->form != MHCA_FORM_NUMBER)
			continue;
		mhca_clamped_attrs[clamped] = mhca_policy_file(&mhca_clamped_files[clamped], id,
							       0444, mhca_clamped_show);
		clamped++;
		if (row->kind == MHCA_NO_OBJECT)
			continue;
		mhca_visible_attrs[visible] = mhca_policy_file(&mhca_visible_files[visible], id,
							       0444, mhca_visible_show);
		visible++;
	}
	mhca_policy_attrs[id] = mhca_policy_file(&mhca_policy_files[id], MHCA_POLICY_CONFIG, 0644,
						 mhca_policy_file_show);
}
