// SPDX-License-Identifier: GPL-2.0-only
/*
 * Attributes of an instance, by the names that the kernel's front end gives their files
 * below /sys/bus/mdev/devices/UUID/: NAME, config, clamped/NAME, visible/NAME,
 * counters/NAME; and counters, all of them at once. Policy can be changed.
 */
#define _GNU_SOURCE
#include "server.h"

/**
 * struct mhcad_counter - a number of an instance
 * @name: below counters/
 * @offset: in struct mhca_instance
 * @wide: an atomic64_t, not a u32
 */
struct mhcad_counter {
	const char *name;
	size_t offset;
	bool wide;
};

#define MHCAD_COUNTER(_name)							\
	{ #_name, offsetof(struct mhca_instance, counters._name), true },
#define MHCAD_OBJECTS(_name, _kind)						\
	{ "objects_" _name, offsetof(struct mhca_instance, object_count[_kind]), false }

static const struct mhcad_counter mhcad_counters[] = {
	MHCA_COUNTERS(MHCAD_COUNTER)
	{ "pinned_pages", offsetof(struct mhca_instance, gmem.pinned), true },
	{ "pinned_peak_pages", offsetof(struct mhca_instance, gmem.peak), true },
	MHCAD_OBJECTS("qp", MHCA_QP),
	MHCAD_OBJECTS("srq", MHCA_SRQ),
	MHCAD_OBJECTS("mkey", MHCA_MKEY),
	MHCAD_OBJECTS("cq", MHCA_CQ),
	MHCAD_OBJECTS("eq", MHCA_EQ),
	MHCAD_OBJECTS("qcounter", MHCA_QCOUNTER),
	MHCAD_OBJECTS("xrcd", MHCA_XRCD),
	MHCAD_OBJECTS("td", MHCA_TD),
	MHCAD_OBJECTS("pd", MHCA_PD),
	MHCAD_OBJECTS("uar", MHCA_UAR),
};

/* ---- Reading ------------------------------------------------------------------- */

static s64 mhcad_counter_value(const struct mhcad_device *dev, const struct mhcad_counter *c)
{
	const void *at = (const u8 *)dev->inst + c->offset;

	return c->wide ? atomic64_read((const atomic64_t *)at) : READ_ONCE(*(const u32 *)at);
}

/* @name: one of them; NULL: all, a line each. */
static int mhcad_counters_show(const struct mhcad_device *dev, const char *name, char *buf,
			       int size)
{
	const struct mhcad_counter *c;
	int at = 0;
	u32 i;

	for (i = 0; i < ARRAY_SIZE(mhcad_counters); i++) {
		c = &mhcad_counters[i];
		if (!name)
			at += scnprintf(buf + at, size - at, "%s %lld\n", c->name,
					(long long)mhcad_counter_value(dev, c));
		else if (!strcmp(name, c->name))
			return scnprintf(buf, size, "%lld\n",
					 (long long)mhcad_counter_value(dev, c));
	}
	return name ? -ENOENT : at;
}

static int mhcad_state_show(struct mhcad_device *dev, char *buf, int size)
{
	static const char * const names[] = {
		[MHCA_FN_RESET] = "reset",
		[MHCA_FN_ENABLED] = "enabled",
		[MHCA_FN_INITIALISED] = "initialised",
	};

	return scnprintf(buf, size, "%s\n", dev->client_fd < 0 ? "closed" :
			 names[READ_ONCE(dev->inst->fn)]);
}

/* What the host enforces, or the guest sees. */
static int mhcad_limit_show(const struct mhcad_device *dev, const char *name, bool visible,
			    char *buf, int size)
{
	int id = mhca_policy_find(name);
	struct mhca_limit limit;

	if (id < 0 || mhca_policy_rows[id].form != MHCA_FORM_NUMBER ||
	    (visible && mhca_policy_rows[id].kind == MHCA_NO_OBJECT))
		return -ENOENT;
	limit = mhca_policy_view(&dev->inst->policy, id);
	return scnprintf(buf, size, "%u\n", visible ? limit.visible : limit.clamped);
}

static int mhcad_policy_read(const struct mhcad_device *dev, const char *name, char *buf, int size)
{
	int id = mhca_policy_find(name);
	int len;

	if (!strcmp(name, "config"))
		len = mhca_policy_to_json(&dev->inst->policy, buf, size - 1);
	else if (id >= 0)
		len = mhca_policy_show(&dev->inst->policy, id, buf, size - 1);
	else
		return -ENOENT;
	buf[len++] = '\n';
	return len;
}

static const char *mhcad_below(const char *name, const char *group)
{
	size_t len = strlen(group);

	return !strncmp(name, group, len) && name[len] == '/' ? name + len + 1 : NULL;
}

static int mhcad_attr_find(struct mhcad_device *dev, const char *name, char *buf, int size)
{
	const char *rest;

	if (!strcmp(name, "state"))
		return mhcad_state_show(dev, buf, size);
	if (!strcmp(name, "open"))
		return scnprintf(buf, size, "%d\n", dev->client_fd >= 0);
	if (!strcmp(name, "lid"))
		return scnprintf(buf, size, "%u\n", READ_ONCE(dev->inst->port.lid));
	if (!strcmp(name, "type"))
		return scnprintf(buf, size, "%s\n", dev->conf->type->name);
	if (!strcmp(name, "socket"))
		return scnprintf(buf, size, "%s\n", dev->conf->socket);
	if (!strcmp(name, "counters"))
		return mhcad_counters_show(dev, NULL, buf, size);
	rest = mhcad_below(name, "counters");
	if (rest)
		return mhcad_counters_show(dev, rest, buf, size);
	rest = mhcad_below(name, "clamped");
	if (rest)
		return mhcad_limit_show(dev, rest, false, buf, size);
	rest = mhcad_below(name, "visible");
	if (rest)
		return mhcad_limit_show(dev, rest, true, buf, size);
	return mhcad_policy_read(dev, name, buf, size);
}

/**
 * mhcad_attr_read() - an attribute's text
 * @dev: device
 * @name: its name
 * @buf: text, with a line's end
 * @size: MHCAD_ATTR_MAX is enough
 *
 * Return: its length, or -ENOENT.
 */
int mhcad_attr_read(struct mhcad_device *dev, const char *name, char *buf, int size)
{
	int len;

	pthread_mutex_lock(&dev->client_lock);
	len = mhcad_attr_find(dev, name, buf, size);
	pthread_mutex_unlock(&dev->client_lock);
	return len;
}

/* ---- Writing --------------------------------------------------------------------- */

static const enum mhca_policy_id mhcad_own[] = {
	MHCA_POLICY_MAC, MHCA_POLICY_NODE_GUID, MHCA_POLICY_PORT_GUID,
};

/**
 * mhcad_attr_own() - what no two instances may have the same
 * @a: policy of one
 * @b: of another
 *
 * Return: the attribute in which they collide, or NULL.
 */
const char *mhcad_attr_own(const struct mhca_policy *a, const struct mhca_policy *b)
{
	u32 i;

	for (i = 0; i < ARRAY_SIZE(mhcad_own); i++)
		if (a->value[mhcad_own[i]] == b->value[mhcad_own[i]])
			return mhca_policy_rows[mhcad_own[i]].name;
	return NULL;
}

/* Everything that can be said against it. dev->client_lock: nobody comes or goes. */
static int mhcad_policy_try(struct mhcad_device *dev, const char *name, const char *text,
			    struct mhcad_device *const *others, u32 n,
			    struct mhca_policy *policy, char *reason)
{
	int id = mhca_policy_find(name), ret;
	const char *same;
	u32 i;

	*policy = dev->inst->policy;
	if (!strcmp(name, "config"))
		ret = mhca_policy_from_json(policy, text, reason);
	else if (id >= 0)
		ret = mhca_policy_parse(policy, id, text, reason);
	else
		return -ENOENT;
	if (!ret)
		ret = mhca_policy_change(&dev->inst->policy, policy, dev->client_fd >= 0, reason);
	for (i = 0; !ret && i < n; i++) {
		same = others[i] == dev ? NULL :
		       mhcad_attr_own(policy, &others[i]->inst->policy);
		if (!same)
			continue;
		scnprintf(reason, MHCA_REASON_MAX, "%s is that of %s", same,
			  others[i]->conf->uuid);
		ret = -EEXIST;
	}
	return ret;
}

/**
 * mhcad_attr_write() - change policy
 * @dev: device
 * @name: attribute, or "config"
 * @text: its value
 * @others: all devices, @dev may be one of them
 * @n: how many
 * @reason: of MHCA_REASON_MAX bytes, filled when it is refused
 *
 * Only the control thread does. Return: 0 or a negative errno.
 */
int mhcad_attr_write(struct mhcad_device *dev, const char *name, const char *text,
		     struct mhcad_device *const *others, u32 n, char *reason)
{
	struct mhca_policy policy;
	int ret;

	pthread_mutex_lock(&dev->client_lock);
	ret = mhcad_policy_try(dev, name, text, others, n, &policy, reason);
	if (!ret)
		mhca_policy_apply(dev->inst, &policy);
	pthread_mutex_unlock(&dev->client_lock);
	if (ret)
		mhcad_log(dev, "refused: %s\n", reason);
	return ret;
}
