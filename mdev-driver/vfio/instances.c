// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which instances there are, and what each has claimed: room on its HCA, addresses that no
 * other may have, its part of the host's memory.
 *
 * The list's lock is held for a walk over it and nothing else. What is done to one
 * instance (creation, policy, revocation, removal) happens outside of it, so that one
 * whose user does not answer is in nobody's way.
 */
#include <linux/list.h>
#include <linux/module.h>

#include <mhca/migrate.h>
#include <mhca/policy.h>

#include "frontend.h"

static uint memory_mb;
module_param(memory_mb, uint, 0644);
MODULE_PARM_DESC(memory_mb,
		 "MiB that all instances together may be allowed to pin, 0: no bound (0)");

/* Protects mhca_instances, each one's claim and every parent's count of instances. */
static DEFINE_MUTEX(mhca_instances_mutex);
static LIST_HEAD(mhca_instances);

static const enum mhca_policy_id mhca_claimed_ids[MHCA_CLAIM_ADDRESSES] = {
	[MHCA_CLAIM_MAC] = MHCA_POLICY_MAC,
	[MHCA_CLAIM_NODE] = MHCA_POLICY_NODE_GUID,
	[MHCA_CLAIM_PORT] = MHCA_POLICY_PORT_GUID,
};

static void mhca_claim_from(struct mhca_claim *claim, const struct mhca_policy *policy)
{
	u32 i;

	for (i = 0; i < MHCA_CLAIM_ADDRESSES; i++)
		claim->address[i] = policy->value[mhca_claimed_ids[i]];
	claim->pinned_mb = mhca_policy_view(policy, MHCA_POLICY_MAX_PINNED_MB).clamped;
}

/* MiB that other instances than @v may pin. */
static u64 mhca_memory_promised(const struct mhca_vdev *v)
{
	const struct mhca_vdev *other;
	u64 sum = 0;

	lockdep_assert_held(&mhca_instances_mutex);
	list_for_each_entry(other, &mhca_instances, node)
		if (other != v)
			sum += other->claim.pinned_mb;
	return sum;
}

/* The attribute of which @a and @b have the same value; NULL: none. */
static const char *mhca_claim_conflict(const struct mhca_claim *a, const struct mhca_claim *b)
{
	u32 i;

	for (i = 0; i < MHCA_CLAIM_ADDRESSES; i++)
		if (a->address[i] == b->address[i])
			return mhca_policy_rows[mhca_claimed_ids[i]].name;
	return NULL;
}

/* Does @claim of @v, on the list or not yet, fit beside the other instances? */
static int mhca_claim_fits(const struct mhca_vdev *v, const struct mhca_claim *claim,
			   char *reason)
{
	u64 promised = mhca_memory_promised(v);
	const struct mhca_vdev *other;
	const char *name;

	list_for_each_entry(other, &mhca_instances, node) {
		name = other == v ? NULL : mhca_claim_conflict(&other->claim, claim);
		if (!name)
			continue;
		scnprintf(reason, MHCA_REASON_MAX, "%s is that of %s", name,
			  dev_name(other->dev));
		return -EEXIST;
	}
	if (memory_mb && promised + claim->pinned_mb > memory_mb) {
		scnprintf(reason, MHCA_REASON_MAX,
			  "max_pinned_mb of %llu MiB: %llu of the %u MiB of memory_mb are taken",
			  claim->pinned_mb, promised, memory_mb);
		return -ENOSPC;
	}
	return 0;
}

/**
 * mhca_instance_claim() - a new instance takes its place
 * @v: instance to be
 * @policy: checked for itself
 * @reason: of MHCA_REASON_MAX bytes, filled when it does not fit
 *
 * Return: 0: it is on the list; -EEXIST: somebody has its addresses; -ENOSPC: the HCA or
 * the host has not so much to give.
 */
int mhca_instance_claim(struct mhca_vdev *v, const struct mhca_policy *policy, char *reason)
{
	struct mhca_parent *parent = v->parent;
	int ret;

	mhca_claim_from(&v->claim, policy);
	mutex_lock(&mhca_instances_mutex);
	if (parent->instances >= parent->hca->max_instances) {
		scnprintf(reason, MHCA_REASON_MAX, "all %u instances are in use",
			  parent->hca->max_instances);
		ret = -ENOSPC;
	} else {
		ret = mhca_claim_fits(v, &v->claim, reason);
	}
	if (!ret) {
		parent->instances++;
		list_add_tail(&v->node, &mhca_instances);
	}
	mutex_unlock(&mhca_instances_mutex);
	return ret;
}

/**
 * mhca_instance_reclaim() - an instance changes what it claims
 * @v: instance on the list
 * @policy: its policy to be, checked for itself
 * @reason: of MHCA_REASON_MAX bytes, filled when it does not fit
 *
 * Return: as mhca_instance_claim(); on error its claim is what it was.
 */
int mhca_instance_reclaim(struct mhca_vdev *v, const struct mhca_policy *policy, char *reason)
{
	struct mhca_claim claim;
	int ret;

	mhca_claim_from(&claim, policy);
	mutex_lock(&mhca_instances_mutex);
	ret = mhca_claim_fits(v, &claim, reason);
	if (!ret)
		v->claim = claim;
	mutex_unlock(&mhca_instances_mutex);
	return ret;
}

/**
 * mhca_instance_hide() - nobody finds an instance any more; its claim stands
 * @v: instance
 */
void mhca_instance_hide(struct mhca_vdev *v)
{
	mutex_lock(&mhca_instances_mutex);
	v->hidden = true;
	mutex_unlock(&mhca_instances_mutex);
}

/**
 * mhca_instance_disclaim() - an instance is gone, and what it claimed is free
 * @v: instance
 */
void mhca_instance_disclaim(struct mhca_vdev *v)
{
	mutex_lock(&mhca_instances_mutex);
	list_del(&v->node);
	v->parent->instances--;
	mutex_unlock(&mhca_instances_mutex);
}

/**
 * mhca_instances_available() - how many more may be created
 * @parent: HCA
 * @each_mb: MiB that each would be promised, > 0
 *
 * Return: what the HCA's room and memory_mb allow.
 */
unsigned int mhca_instances_available(const struct mhca_parent *parent, u32 each_mb)
{
	unsigned int available;
	u64 promised;

	mutex_lock(&mhca_instances_mutex);
	available = parent->hca->max_instances - parent->instances;
	promised = mhca_memory_promised(NULL);
	mutex_unlock(&mhca_instances_mutex);
	if (!memory_mb)
		return available;
	if (promised >= memory_mb)
		return 0;
	return min_t(u64, available, div_u64(memory_mb - promised, each_mb));
}

/**
 * mhca_instance_revoke() - take an instance away from its user
 * @parent: device that it was created from
 * @name: its UUID; white space may follow
 *
 * Waits until the instance holds nothing any more; a signal ends the wait, not what it
 * waits for. Return: 0; -ENOENT: there is none; -ENODEV: nobody has it open; -ERESTARTSYS.
 */
int mhca_instance_revoke(const struct device *parent, const char *name)
{
	struct mhca_vdev *v, *found = NULL;
	bool open = false;
	int ret;

	mutex_lock(&mhca_instances_mutex);
	list_for_each_entry(v, &mhca_instances, node) {
		if (v->hidden || v->parent->mdev.dev != parent ||
		    !sysfs_streq(name, dev_name(v->dev)))
			continue;
		found = v;
		get_device(&v->vdev.device);
		open = mhca_device_revoke(v);
		break;
	}
	mutex_unlock(&mhca_instances_mutex);
	if (!found)
		return -ENOENT;
	ret = open ? mhca_device_revoke_wait(found) : -ENODEV;
	put_device(&found->vdev.device);
	return ret;
}

/* ---- Moves ---------------------------------------------------------------------- */

/* The other instance that has claimed @id, with a reference; NULL: there is none. */
static struct mhca_vdev *mhca_instance_with(const struct mhca_vdev *v,
					    const struct mhca_identity *id)
{
	struct mhca_vdev *other, *found = NULL;

	mutex_lock(&mhca_instances_mutex);
	list_for_each_entry(other, &mhca_instances, node) {
		if (other == v || other->claim.address[MHCA_CLAIM_NODE] != id->node_guid)
			continue;
		found = other;
		get_device(&other->vdev.device);
		break;
	}
	mutex_unlock(&mhca_instances_mutex);
	return found;
}

/* Nobody else takes two: which one is first does not matter to others, but to each other. */
static void mhca_policy_lock_both(struct mhca_vdev *v, struct mhca_vdev *other)
{
	struct mhca_vdev *first = v < other ? v : other;

	mutex_lock(&first->policy_lock);
	mutex_lock_nested(first == v ? &other->policy_lock : &v->policy_lock,
			  SINGLE_DEPTH_NESTING);
}

/* What the core exchanged is exchanged in claims, too. */
static void mhca_instance_exchange(struct mhca_vdev *v, struct mhca_vdev *other)
{
	u32 i;

	mutex_lock(&mhca_instances_mutex);
	for (i = 0; i < MHCA_CLAIM_ADDRESSES; i++)
		swap(v->claim.address[i], other->claim.address[i]);
	mutex_unlock(&mhca_instances_mutex);
}

/**
 * mhca_instance_run_as() - mhca_instance_run(), which may make an instance another one
 * @v: instance, v->lock held
 * @run: what of it is to run
 *
 * One that was loaded takes the addresses of the one that it was. If that is on this host,
 * their policies and claims are exchanged. Return: see mhca_instance_run().
 */
int mhca_instance_run_as(struct mhca_vdev *v, enum mhca_run run)
{
	const struct mhca_identity *id = mhca_instance_becomes(v->inst);
	struct mhca_vdev *other = NULL;
	u64 old = v->inst->id.node_guid;
	int ret;

	if (id && run != MHCA_RUN_NONE && id->node_guid != old)
		other = mhca_instance_with(v, id);
	if (!other)
		return mhca_instance_run(v->inst, run);
	mhca_policy_lock_both(v, other);
	ret = mhca_instance_run(v->inst, run);
	if (v->inst->id.node_guid != old)
		mhca_instance_exchange(v, other);
	mutex_unlock(&v->policy_lock);
	mutex_unlock(&other->policy_lock);
	put_device(&other->vdev.device);
	return ret;
}
