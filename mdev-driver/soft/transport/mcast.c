// SPDX-License-Identifier: GPL-2.0-only
/*
 * Multicast: which datagram QPs are attached to which MGID.
 *
 * A group is what one instance has of it: the groups of several instances with the same
 * address, in the same segment and on the same kind of port, lie in the same bucket of one
 * table. What lies in others is not looked at: the hash has a key, and the table grows with
 * the groups in it. Who sends follows a bucket inside srcu and takes no lock of others.
 *
 * Buckets and lists of members have the newest in front, by ids that are never given twice.
 * So a datagram that was interrupted knows who had it, whoever came or went meanwhile.
 */
#include <mhca/kernel.h>
#include "transport.h"

/* Attachments (QP, group) that one instance may hold. */
#define SOFT_MAX_ATTACHED	65536U
/* log2 of a table's buckets */
#define SOFT_MCAST_LOG_MIN	6U
#define SOFT_MCAST_LOG_MAX	18U

/**
 * struct soft_mcast_table - groups by hash
 * @log: log2 of the buckets
 * @link: which of soft_group.next its lists use: the other one is for the table that
 *        takes its place, or had it
 * @bucket: lists of groups
 */
struct soft_mcast_table {
	u32 log;
	u32 link;
	struct soft_group *bucket[];
};

/**
 * struct soft_group - the QPs of one instance in a multicast group
 * @next: the next one of its bucket, by soft_mcast_table.link
 * @si: instance
 * @segment: its port's, fixed while @linked
 * @gid: MGID
 * @id: of its being in the table
 * @linked: it is
 * @members: list of them, never empty once it is in the table
 * @n: how many
 * @node: on si->groups
 */
struct soft_group {
	struct soft_group *next[2];
	struct soft_instance *si;
	u32 segment;
	u8 gid[16];
	u64 id;
	bool linked;
	struct soft_member *members;
	u32 n;
	struct list_head node;
};

/**
 * struct soft_member - a QP in a group
 * @next: next one of the group
 * @group: group
 * @qp: QP
 * @id: when it came
 * @node: on qp->groups
 */
struct soft_member {
	struct soft_member *next;
	struct soft_group *group;
	struct soft_qp *qp;
	u64 id;
	struct list_head node;
};

/* ---- The table ---------------------------------------------------------------- */

static u32 soft_mcast_bucket(const struct soft_mcast *mcast, const struct soft_mcast_table *table,
			     u8 personality, u32 segment, const u8 gid[16])
{
	u64 hash = siphash_3u64(get_unaligned_be64(gid), get_unaligned_be64(gid + 8),
				(u64)personality << 32 | segment, &mcast->key);

	return hash >> (64 - table->log);
}

static bool soft_group_is(const struct soft_group *group, u8 personality, u32 segment,
			  const u8 gid[16])
{
	return group->segment == segment && group->si->inst->personality == personality &&
	       !memcmp(group->gid, gid, sizeof(group->gid));
}

static struct soft_mcast_table *soft_mcast_alloc(u32 log, u32 link)
{
	struct soft_mcast_table *table;

	table = kvzalloc(struct_size(table, bucket, 1UL << log), GFP_KERNEL);
	if (table) {
		table->log = log;
		table->link = link;
	}
	return table;
}

/* Where @group belongs in its list: behind the newer ones. */
static struct soft_group **soft_group_place(struct soft_mcast *mcast,
					    struct soft_mcast_table *table,
					    const struct soft_group *group)
{
	struct soft_group **at = &table->bucket[soft_mcast_bucket(mcast, table,
								  group->si->inst->personality,
								  group->segment, group->gid)];

	while (*at && (*at)->id > group->id)
		at = &(*at)->next[table->link];
	return at;
}

static void soft_group_insert(struct soft_mcast *mcast, struct soft_mcast_table *table,
			      struct soft_group *group)
{
	struct soft_group **at = soft_group_place(mcast, table, group);

	group->next[table->link] = *at;
	smp_store_release(at, group);
}

/* Into the table, as the newest. */
static void soft_group_link(struct soft_mcast *mcast, struct soft_group *group)
{
	lockdep_assert_held(&mcast->lock);
	group->id = ++mcast->ids;
	group->segment = group->si->mcast_segment;
	group->linked = true;
	soft_group_insert(mcast, mcast->table, group);
	mcast->n++;
}

/* Out of it. Who follows it goes on from there; it is left as it is for a grace period. */
static void soft_group_unlink(struct soft_mcast *mcast, struct soft_group *group)
{
	struct soft_group **at;

	lockdep_assert_held(&mcast->lock);
	if (!group->linked)
		return;
	at = soft_group_place(mcast, mcast->table, group);
	WRITE_ONCE(*at, group->next[mcast->table->link]);
	group->linked = false;
	mcast->n--;
}

/* log2 of the buckets that it should have; many fewer than it has, or at least as many. */
static u32 soft_mcast_want(const struct soft_mcast *mcast)
{
	u32 log = mcast->table->log;

	if (mcast->n > 1U << log && log < SOFT_MCAST_LOG_MAX)
		return log + 1;
	if (mcast->n < (1U << log) / 8 && log > SOFT_MCAST_LOG_MIN)
		return log - 1;
	return log;
}

/* The groups of @old in @table as well, by their other links, and nobody finds @old any more. */
static void soft_mcast_switch(struct soft_mcast *mcast, struct soft_mcast_table *table)
{
	struct soft_mcast_table *old = mcast->table;
	struct soft_group *group;
	u32 i;

	for (i = 0; i < 1U << old->log; i++)
		for (group = old->bucket[i]; group; group = group->next[old->link])
			soft_group_insert(mcast, table, group);
	smp_store_release(&mcast->table, table);
	mcast->resizing = true;
}

/* After a change. Without memory the table stays as it is, and lists are longer. */
static void soft_mcast_resize(struct soft_hca *hca)
{
	struct soft_mcast *mcast = hca->mcast;
	struct soft_mcast_table *table = NULL, *old;
	u32 log, link;

	mutex_lock(&mcast->lock);
	log = soft_mcast_want(mcast);
	link = !mcast->table->link;
	if (mcast->resizing || log == mcast->table->log)
		log = 0;
	mutex_unlock(&mcast->lock);
	if (!log)
		return;
	table = soft_mcast_alloc(log, link);
	if (!table)
		return;

	mutex_lock(&mcast->lock);
	old = mcast->table;
	if (mcast->resizing || old->link == link || soft_mcast_want(mcast) != log) {
		mutex_unlock(&mcast->lock);
		kvfree(table);
		return;
	}
	soft_mcast_switch(mcast, table);
	mutex_unlock(&mcast->lock);
	synchronize_srcu_expedited(&hca->srcu);
	kvfree(old);
	mutex_lock(&mcast->lock);
	mcast->resizing = false;
	mutex_unlock(&mcast->lock);
}

/**
 * soft_mcast_init() - an HCA without groups
 * @hca: HCA
 *
 * Return: 0 or -ENOMEM.
 */
int soft_mcast_init(struct soft_hca *hca)
{
	struct soft_mcast *mcast = kzalloc(sizeof(*mcast), GFP_KERNEL);

	if (!mcast)
		return -ENOMEM;
	mutex_init(&mcast->lock);
	get_random_bytes(&mcast->key, sizeof(mcast->key));
	mcast->table = soft_mcast_alloc(SOFT_MCAST_LOG_MIN, 0);
	if (!mcast->table) {
		kfree(mcast);
		return -ENOMEM;
	}
	hca->mcast = mcast;
	return 0;
}

/**
 * soft_mcast_fini() - free the table; no group is left
 * @hca: HCA; soft_mcast_init() may have failed
 */
void soft_mcast_fini(struct soft_hca *hca)
{
	if (!hca->mcast)
		return;
	WARN_ON(hca->mcast->n);
	kvfree(hca->mcast->table);
	kfree(hca->mcast);
	hca->mcast = NULL;
}

/* ---- Attaching ------------------------------------------------------------------ */

static struct soft_group *soft_group_find(struct soft_mcast *mcast, struct soft_instance *si,
					  const u8 gid[16])
{
	const struct soft_mcast_table *table = mcast->table;
	u8 personality = si->inst->personality;
	u32 segment = si->mcast_segment;
	struct soft_group *group;

	lockdep_assert_held(&mcast->lock);
	group = table->bucket[soft_mcast_bucket(mcast, table, personality, segment, gid)];
	for (; group; group = group->next[table->link])
		if (group->si == si && soft_group_is(group, personality, segment, gid))
			return group;
	return NULL;
}

static struct soft_member *soft_member_find(struct soft_group *group, const struct soft_qp *qp)
{
	struct soft_member *member;

	for (member = group->members; member; member = member->next)
		if (member->qp == qp)
			return member;
	return NULL;
}

/* Into @group, or into @fresh if there is none. NULL or the one that was used: @fresh. */
static enum mhca_syndrome soft_mcast_add(struct soft_qp *qp, struct soft_group **fresh,
					 struct soft_member **member, const u8 gid[16])
{
	struct soft_instance *si = qp->base.si;
	struct soft_mcast *mcast = si->hca->mcast;
	struct soft_group *group = soft_group_find(mcast, si, gid);
	struct soft_member *new = *member;

	if (group && soft_member_find(group, qp))
		return MHCA_SYN_NONE;
	if (si->attached >= SOFT_MAX_ATTACHED || (group && group->n >= MHCA_MAX_QP_MCG) ||
	    (!group && si->n_groups >= 1U << MHCA_LOG_MAX_MCG))
		return MHCA_SYN_QUOTA;
	*member = NULL;
	new->qp = qp;
	new->id = ++mcast->ids;
	if (group) {
		new->group = group;
		new->next = group->members;
		smp_store_release(&group->members, new);
	} else {
		group = *fresh;
		*fresh = NULL;
		group->si = si;
		memcpy(group->gid, gid, sizeof(group->gid));
		group->members = new;
		new->group = group;
		list_add_tail(&group->node, &si->groups);
		si->n_groups++;
		soft_group_link(mcast, group);
	}
	group->n++;
	list_add_tail(&new->node, &qp->groups);
	si->attached++;
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
	struct soft_hca *hca = qp->base.si->hca;
	enum mhca_syndrome syndrome = MHCA_SYN_NO_MEMORY;
	struct soft_member *member;
	struct soft_group *group;

	if (qp->type != MLX5_QP_ST_UD)
		return MHCA_SYN_QP_TYPE;
	group = kzalloc(sizeof(*group), GFP_KERNEL);
	member = kzalloc(sizeof(*member), GFP_KERNEL);
	if (group && member) {
		mutex_lock(&obj->inst->port_lock);
		mutex_lock(&hca->mcast->lock);
		syndrome = soft_mcast_add(qp, &group, &member, gid);
		mutex_unlock(&hca->mcast->lock);
		mutex_unlock(&obj->inst->port_lock);
	}
	kfree(group);
	kfree(member);
	if (!syndrome)
		soft_mcast_resize(hca);
	return syndrome;
}

/**
 * soft_mcast_save() - put a QP's groups into an image
 * @qp: QP
 * @image: image
 */
void soft_mcast_save(struct soft_qp *qp, struct mhca_image *image)
{
	struct soft_mcast *mcast = qp->base.si->hca->mcast;
	struct soft_member *member;
	u32 n = 0;

	/* Only its own commands change the list, and they wait. */
	list_for_each_entry(member, &qp->groups, node)
		n++;
	mhca_image_put_u32(image, n);
	mutex_lock(&mcast->lock);
	list_for_each_entry(member, &qp->groups, node)
		mhca_image_put(image, member->group->gid, sizeof(member->group->gid));
	mutex_unlock(&mcast->lock);
}

/**
 * soft_mcast_load() - attach a QP to the groups that an image says
 * @qp: QP, created a moment ago
 * @in: image
 *
 * Return: 0 or a syndrome.
 */
enum mhca_syndrome soft_mcast_load(struct soft_qp *qp, struct mhca_reader *in)
{
	enum mhca_syndrome syndrome = MHCA_SYN_NONE;
	u32 n = mhca_reader_u32(in);
	const u8 *gid;

	while (n-- && !syndrome) {
		gid = mhca_reader_take(in, 16);
		if (!gid)
			break;
		syndrome = MHCA_SYN_MCG;
		if (mhca_gid_is_group(qp->base.obj.inst, gid))
			syndrome = soft_mcast_attach(&qp->base.obj, gid);
	}
	return syndrome;
}

/* Out of its group. Return: the group, if it was the last one: free it, after a grace period. */
static struct soft_group *soft_member_remove(struct soft_member *member)
{
	struct soft_group *group = member->group;
	struct soft_instance *si = group->si;
	struct soft_mcast *mcast = si->hca->mcast;
	struct soft_member **at = &group->members;

	lockdep_assert_held(&mcast->lock);
	list_del(&member->node);
	si->attached--;
	if (!--group->n) {
		/* Who follows it finds a member that is there for as long. */
		soft_group_unlink(mcast, group);
		list_del(&group->node);
		si->n_groups--;
		return group;
	}
	while (*at != member)
		at = &(*at)->next;
	WRITE_ONCE(*at, member->next);
	return NULL;
}

/**
 * soft_mcast_detach() - DETACH_FROM_MCG
 * @obj: QP
 * @gid: group
 *
 * When this returns the QP gets nothing for that group any more. Return: 0, or
 * MHCA_SYN_MCG when it was not attached.
 */
enum mhca_syndrome soft_mcast_detach(struct mhca_object *obj, const u8 gid[16])
{
	struct soft_qp *qp = (struct soft_qp *)obj;
	struct soft_hca *hca = qp->base.si->hca;
	struct soft_member *member = NULL;
	struct soft_group *group;

	mutex_lock(&obj->inst->port_lock);
	mutex_lock(&hca->mcast->lock);
	group = soft_group_find(hca->mcast, qp->base.si, gid);
	if (group)
		member = soft_member_find(group, qp);
	group = member ? soft_member_remove(member) : NULL;
	mutex_unlock(&hca->mcast->lock);
	mutex_unlock(&obj->inst->port_lock);
	if (!member)
		return MHCA_SYN_MCG;
	synchronize_srcu_expedited(&hca->srcu);
	kfree(member);
	kfree(group);
	soft_mcast_resize(hca);
	return MHCA_SYN_NONE;
}

static void soft_mcast_free(struct soft_hca *hca, struct list_head *members,
			    struct list_head *groups)
{
	struct soft_member *member, *next_member;
	struct soft_group *group, *next_group;

	if (list_empty(members))
		return;
	synchronize_srcu_expedited(&hca->srcu);
	list_for_each_entry_safe(member, next_member, members, node)
		kfree(member);
	list_for_each_entry_safe(group, next_group, groups, node)
		kfree(group);
	soft_mcast_resize(hca);
}

/**
 * soft_mcast_forget() - a QP is destroyed: out of all groups
 * @qp: QP; its command lock held
 *
 * Its instance's groups may be on their way to another segment: the port lock waits for it.
 */
void soft_mcast_forget(struct soft_qp *qp)
{
	struct soft_hca *hca = qp->base.si->hca;
	struct soft_member *member;
	struct soft_group *group;
	LIST_HEAD(members);
	LIST_HEAD(groups);

	mutex_lock(&qp->base.obj.inst->port_lock);
	while (!list_empty(&qp->groups)) {
		mutex_lock(&hca->mcast->lock);
		member = list_first_entry(&qp->groups, struct soft_member, node);
		group = soft_member_remove(member);
		mutex_unlock(&hca->mcast->lock);
		list_add(&member->node, &members);
		if (group)
			list_add(&group->node, &groups);
	}
	mutex_unlock(&qp->base.obj.inst->port_lock);
	soft_mcast_free(hca, &members, &groups);
}

/**
 * soft_mcast_update() - an instance's groups are those of the segment that it is in
 * @si: instance; port lock held, not inside srcu
 *
 * A group that is in the table never changes. So those of the instance leave it, and
 * while they are nowhere it gets nothing.
 */
void soft_mcast_update(struct soft_instance *si)
{
	u32 segment = READ_ONCE(si->inst->port.segment);
	struct soft_mcast *mcast = si->hca->mcast;
	struct soft_group *group;

	lockdep_assert_held(&si->inst->port_lock);
	if (si->mcast_segment == segment)
		return;
	mutex_lock(&mcast->lock);
	list_for_each_entry(group, &si->groups, node)
		soft_group_unlink(mcast, group);
	mutex_unlock(&mcast->lock);
	synchronize_srcu_expedited(&si->hca->srcu);
	mutex_lock(&mcast->lock);
	si->mcast_segment = segment;
	list_for_each_entry(group, &si->groups, node)
		soft_group_link(mcast, group);
	mutex_unlock(&mcast->lock);
}

/* ---- Who gets it ------------------------------------------------------------------ */

/* Members of @group that come behind @at. false: @most were visited, and there are more. */
static bool soft_group_walk(const struct soft_group *group, struct soft_mcast_at *at, u32 *most,
			    void (*visit)(struct soft_qp *to, void *arg), void *arg)
{
	const struct soft_member *member = soft_follow(&group->members);

	for (; member; member = soft_follow(&member->next)) {
		if (at->group == group->id && member->id >= at->member)
			continue;
		if (!*most)
			return false;
		--*most;
		at->group = group->id;
		at->member = member->id;
		at->reached = true;
		visit(member->qp, arg);
	}
	return true;
}

/**
 * soft_mcast_walk() - visit the members of a group
 * @from: the sender: members in its segment, on its kind of port
 * @gid: group
 * @at: in and out: those that were visited are not visited again
 * @most: in and out: so many more
 * @visit: called for each; it may take rsp.lock and inner locks, but no lane's
 * @arg: for @visit
 *
 * Inside srcu. Return: true: that was all.
 */
bool soft_mcast_walk(const struct soft_instance *from, const u8 gid[16],
		     struct soft_mcast_at *at, u32 *most,
		     void (*visit)(struct soft_qp *to, void *arg), void *arg)
{
	struct soft_mcast *mcast = from->hca->mcast;
	const struct soft_mcast_table *table = soft_follow(&mcast->table);
	u8 personality = from->inst->personality;
	u32 segment = READ_ONCE(from->inst->port.segment);
	const struct soft_group *group;

	group = soft_follow(&table->bucket[soft_mcast_bucket(mcast, table, personality, segment,
							     gid)]);
	for (; group; group = soft_follow(&group->next[table->link])) {
		if (!soft_group_is(group, personality, segment, gid) ||
		    (at->group && group->id > at->group))
			continue;
		if (!soft_group_walk(group, at, most, visit, arg))
			return false;
	}
	return true;
}
