// SPDX-License-Identifier: GPL-2.0-only
/*
 * Multicast: which datagram QPs are attached to which MGID. One table for the
 * HCA, since groups span instances; its bounds hold per instance, so that none
 * can use up another's share.
 */
#include <mhca/kernel.h>
#include "soft.h"

/* Attachments (QP, group) that one instance may hold. */
#define SOFT_MAX_ATTACHED	65536U

/**
 * struct soft_group - a multicast group somebody is attached to
 * @node: in its bucket of hca->mcast
 * @gid: MGID
 * @members: struct soft_member
 */
struct soft_group {
	struct list_head node;
	u8 gid[16];
	struct list_head members;
};

/**
 * struct soft_member - a QP in a group
 * @node: on group->members
 * @qp: QP
 */
struct soft_member {
	struct list_head node;
	struct soft_qp *qp;
};

/* FNV-1a over the group's address. */
static struct list_head *soft_mcast_bucket(struct soft_hca *hca, const u8 gid[16])
{
	u32 i, hash = 2166136261U;

	for (i = 0; i < 16; i++)
		hash = (hash ^ gid[i]) * 16777619U;
	return &hca->mcast[hash % SOFT_MCAST_BUCKETS];
}

static struct soft_group *soft_group_find(struct soft_hca *hca, const u8 gid[16])
{
	struct soft_group *group;

	lockdep_assert_held(&hca->mcast_lock);
	list_for_each_entry(group, soft_mcast_bucket(hca, gid), node)
		if (!memcmp(group->gid, gid, sizeof(group->gid)))
			return group;
	return NULL;
}

static struct soft_group *soft_group_get(struct soft_hca *hca, const u8 gid[16])
{
	struct soft_group *group = soft_group_find(hca, gid);

	if (group)
		return group;
	group = kzalloc(sizeof(*group), GFP_KERNEL);
	if (!group)
		return NULL;
	memcpy(group->gid, gid, sizeof(group->gid));
	INIT_LIST_HEAD(&group->members);
	list_add_tail(&group->node, soft_mcast_bucket(hca, gid));
	hca->n_groups++;
	return group;
}

static void soft_group_put(struct soft_hca *hca, struct soft_group *group)
{
	if (!list_empty(&group->members))
		return;
	list_del(&group->node);
	hca->n_groups--;
	kfree(group);
}

static struct soft_member *soft_member_find(struct soft_group *group, const struct soft_qp *qp)
{
	struct soft_member *member;

	list_for_each_entry(member, &group->members, node)
		if (member->qp == qp)
			return member;
	return NULL;
}

static void soft_member_remove(struct soft_member *member)
{
	member->qp->groups--;
	member->qp->si->attached--;
	list_del(&member->node);
	kfree(member);
}

/* QPs of @si in @group. */
static u32 soft_group_count(const struct soft_group *group, const struct soft_instance *si)
{
	struct soft_member *member;
	u32 n = 0;

	list_for_each_entry(member, &group->members, node)
		n += member->qp->si == si;
	return n;
}

static enum mhca_syndrome soft_group_add(struct soft_group *group, struct soft_qp *qp)
{
	struct soft_member *member;

	if (soft_member_find(group, qp))
		return MHCA_SYN_NONE;
	if (qp->si->attached >= SOFT_MAX_ATTACHED ||
	    soft_group_count(group, qp->si) >= MHCA_MAX_QP_MCG)
		return MHCA_SYN_QUOTA;
	member = kzalloc(sizeof(*member), GFP_KERNEL);
	if (!member)
		return MHCA_SYN_NO_MEMORY;
	member->qp = qp;
	list_add_tail(&member->node, &group->members);
	qp->groups++;
	qp->si->attached++;
	return MHCA_SYN_NONE;
}

/**
 * soft_mcast_attach() - ATTACH_TO_MCG
 * @obj: QP
 * @gid: group
 *
 * Attaching twice is attaching once. Return: 0 or a syndrome.
 */
enum mhca_syndrome soft_mcast_attach(struct mhca_object *obj, const u8 gid[16])
{
	struct soft_qp *qp = (struct soft_qp *)obj;
	struct soft_hca *hca = qp->si->hca;
	enum mhca_syndrome syndrome = MHCA_SYN_NO_MEMORY;
	struct soft_group *group;

	if (qp->type != MLX5_QP_ST_UD)
		return MHCA_SYN_QP_TYPE;
	mutex_lock(&hca->mcast_lock);
	group = soft_group_get(hca, gid);
	if (group) {
		syndrome = soft_group_add(group, qp);
		soft_group_put(hca, group);
	}
	mutex_unlock(&hca->mcast_lock);
	return syndrome;
}

/**
 * soft_mcast_detach() - DETACH_FROM_MCG
 * @obj: QP
 * @gid: group
 *
 * Return: 0, or MHCA_SYN_MCG when it was not attached.
 */
enum mhca_syndrome soft_mcast_detach(struct mhca_object *obj, const u8 gid[16])
{
	struct soft_qp *qp = (struct soft_qp *)obj;
	struct soft_hca *hca = qp->si->hca;
	struct soft_member *member = NULL;
	struct soft_group *group;

	mutex_lock(&hca->mcast_lock);
	group = soft_group_find(hca, gid);
	if (group)
		member = soft_member_find(group, qp);
	if (member) {
		soft_member_remove(member);
		soft_group_put(hca, group);
	}
	mutex_unlock(&hca->mcast_lock);
	return member ? MHCA_SYN_NONE : MHCA_SYN_MCG;
}

/**
 * soft_mcast_forget() - a QP is destroyed: out of all groups
 * @qp: QP
 */
void soft_mcast_forget(struct soft_qp *qp)
{
	struct soft_hca *hca = qp->si->hca;
	struct soft_group *group, *next;
	struct soft_member *member;
	u32 i;

	mutex_lock(&hca->mcast_lock);
	for (i = 0; i < SOFT_MCAST_BUCKETS && qp->groups; i++) {
		list_for_each_entry_safe(group, next, &hca->mcast[i], node) {
			member = soft_member_find(group, qp);
			if (!member)
				continue;
			soft_member_remove(member);
			soft_group_put(hca, group);
		}
	}
	mutex_unlock(&hca->mcast_lock);
}

/**
 * soft_mcast_for_each() - deliver to a group
 * @hca: HCA
 * @gid: group
 * @deliver: called for each QP attached, with mcast_lock held: it may take
 *           rsp.lock and inner locks, but no lane's
 * @arg: for @deliver
 *
 * Inside srcu. Return: how many QPs.
 */
u32 soft_mcast_for_each(struct soft_hca *hca, const u8 gid[16],
			void (*deliver)(struct soft_qp *to, void *arg), void *arg)
{
	struct soft_member *member;
	struct soft_group *group;
	u32 n = 0;

	mutex_lock(&hca->mcast_lock);
	group = soft_group_find(hca, gid);
	if (group) {
		list_for_each_entry(member, &group->members, node) {
			deliver(member->qp, arg);
			n++;
		}
	}
	mutex_unlock(&hca->mcast_lock);
	return n;
}
