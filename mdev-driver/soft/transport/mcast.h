/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Multicast groups of datagram QPs (mcast.c).
 */
#ifndef SOFT_TRANSPORT_MCAST_H
#define SOFT_TRANSPORT_MCAST_H

#include "schedule/schedule.h"

struct soft_mcast_table;

/**
 * struct soft_mcast - the groups of an HCA's instances
 * @lock: mutex of who attaches and detaches; the data path never takes it
 * @table: followed inside srcu, changed under @lock
 * @key: of the hash: guests choose addresses, but not who shares a bucket
 * @ids: the last id given to a group or a member
 * @n: groups in @table
 * @resizing: an old table may still be followed
 */
struct soft_mcast {
	struct mutex lock;
	struct soft_mcast_table *table;
	siphash_key_t key;
	u64 ids;
	u32 n;
	bool resizing;
};

/**
 * struct soft_mcast_at - how far a datagram came in its group; all 0: nowhere
 * @delivering: all members were looked at, and now they get it
 * @reached: there is a member
 * @group: id of the group of the last member that was visited: newer ones come first
 * @member: id of that member
 */
struct soft_mcast_at {
	bool delivering;
	bool reached;
	u64 group;
	u64 member;
};

int soft_mcast_init(struct soft_hca *hca);
void soft_mcast_fini(struct soft_hca *hca);
/*
 * Members of @gid in the segment and on the kind of port of @from, at most *@most more of
 * them, behind @at. Inside srcu. true: that was all.
 */
bool soft_mcast_walk(const struct soft_instance *from, const u8 gid[16],
		     struct soft_mcast_at *at, u32 *most,
		     void (*visit)(struct soft_qp *to, void *arg), void *arg);
/* The segment of an instance's port may have changed: its port lock held, not inside srcu. */
void soft_mcast_update(struct soft_instance *si);
enum mhca_syndrome soft_mcast_attach(struct mhca_object *qp, const u8 gid[16]);
enum mhca_syndrome soft_mcast_detach(struct mhca_object *qp, const u8 gid[16]);
/* A QP's groups in an image, which may come from anybody. */
void soft_mcast_save(struct soft_qp *qp, struct mhca_image *image);
enum mhca_syndrome soft_mcast_load(struct soft_qp *qp, struct mhca_reader *in);
void soft_mcast_forget(struct soft_qp *qp);	/* QP destroyed */

#endif /* SOFT_TRANSPORT_MCAST_H */
