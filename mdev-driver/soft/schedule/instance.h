/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The software HCA and its instances: their places on the lists of lanes, what they may use of
 * a lane and of others' patience.
 */
#ifndef SOFT_SCHEDULE_INSTANCE_H
#define SOFT_SCHEDULE_INSTANCE_H

#include "lane.h"
#include "patience.h"
#include "toil.h"

struct soft_flow;
struct soft_hca;
struct soft_mcast;
struct soft_port;
struct soft_qp;
struct soft_switch;
struct soft_uplink_ops;

/**
 * struct soft_letter - a RoCE frame in an inbox
 * @node: on soft_inbox.letters
 * @len: bytes
 * @since: ktime_get_ns() since when it waits for memory, 0: it does not
 * @frame: from the Ethernet header on, without FCS
 */
struct soft_letter {
	struct list_head node;
	u32 len;
	u64 since;
	u8 frame[];
};

/**
 * struct soft_inbox - RoCE frames that wait for an instance's lane (switch/inbox.c)
 * @lock: spinlock, a leaf
 * @letters: the oldest first
 * @n: how many
 * @bytes: their bytes
 * @node: on lane->called, protected by lane->fail_lock
 * @called: on that list
 * @held: the oldest one waits for memory, and a QP's timer looks again. lane->lock
 */
struct soft_inbox {
	spinlock_t lock;
	struct list_head letters;
	u32 n;
	u32 bytes;
	struct list_head node;
	bool called;
	bool held;
};

/**
 * struct soft_instance - the backend's half of an instance (inst->backend)
 * @inst: the instance
 * @hca: the HCA
 * @lane: the lane that executes it; fixed while it exists
 * @lid: its unicast LID
 * @qp0: SMI QP, @qp1: GSI QP: where datagrams to QPN 0 and 1 go. Written under
 *       the command lock with WRITE_ONCE, read inside srcu.
 * @qp1: see @qp0
 * @attached: QP attachments to multicast groups, hca->mcast.lock
 * @groups: multicast groups with QPs of it, hca->mcast.lock
 * @n_groups: how many
 * @mcast_segment: the segment that they are in: its port's, port lock
 * @active: its QPs that may have work (soft_qp.active_node), lane->lock
 * @active_node: on lane->active while @active has entries, lane->lock
 * @active_sqs: its Ethernet SQs that may have work (soft_sq.active_node), lane->lock
 * @inbox: RoCE frames for it
 * @uars: its mapped UAR pages (soft_uar.node), lane->lock
 * @uars_node: on lane->polled while @uars has entries, lane->lock
 * @busy: they had work in the last turn, lane->lock
 * @xlt: entries of the translation tables of its keys, command lock
 * @roce: its guest has RoCE on
 * @gid_table: which of the tables in @gid is in use (roce.c)
 * @gid: RoCE address table, twice
 * @flow: flow tables of an Ethernet port (flow.c), or NULL
 * @port: place in the switch (port.c), or NULL. Another one when it is moved, which is while
 *        it does not run: WRITE_ONCE
 * @used: ns of lane time it had, by its weight: all that was done for one of its
 *        objects. One that begins to be busy starts at the least of the others, or at
 *        what it owes above that (soft_share_start()). lane->lock
 * @owed: ns that others' lanes spent on what is its own doing (soft_share_charge())
 * @rate: bytes that it may move (share.c), lane->lock
 * @throttled: these are used up: not on lane->active, @timer is armed. lane->lock
 * @throttled_at: ktime_get_ns() since when …
 * @throttled_until: … and until when
 * @late: bytes above the burst that @rate may hold: the lane was late. lane->lock
 * @timer: end of that
 * @patience: of senders of messages with its memory (datagram.c, requester.c)
 * @held: its own with others' memory
 * @toil: of senders with the pieces of its keys
 */
struct soft_instance {
	struct mhca_instance *inst;
	struct soft_hca *hca;
	struct soft_lane *lane;
	u16 lid;
	struct soft_qp *qp0;
	struct soft_qp *qp1;
	u32 attached;
	struct list_head groups;
	u32 n_groups;
	u32 mcast_segment;
	struct list_head active;
	struct list_head active_node;
	struct list_head active_sqs;
	struct soft_inbox inbox;
	struct list_head uars;
	struct list_head uars_node;
	bool busy;
	u64 xlt;
	bool roce;
	u8 gid_table;
	struct mhca_roce_address gid[2][MHCA_ROCE_ADDRESSES];
	struct soft_flow *flow;
	struct soft_port *port;
	u64 used;
	atomic64_t owed;
	struct mhca_bucket rate;
	bool throttled;
	u64 throttled_at;
	u64 throttled_until;
	u64 late;
	struct soft_timer timer;
	struct soft_patience patience;
	struct soft_patience held;
	struct soft_toil toil;
};

/**
 * struct soft_hca - the software HCA
 * @hca: as the core sees it
 * @lanes: @n_lanes of them
 * @n_lanes: fixed
 * @srcu: engine sections
 * @lock: protects @lids' writers and lane assignment
 * @lids: LID -> struct soft_instance
 * @next_lid: cyclic
 * @mcast: multicast groups (transport/mcast.c)
 * @sw: segments of Ethernet ports
 * @uplink_ops: the host's side of segments, set before the first port
 */
struct soft_hca {
	struct mhca_hca hca;
	struct soft_lane *lanes;
	u32 n_lanes;
	struct srcu_struct srcu;
	struct mutex lock;
	struct xarray lids;
	u32 next_lid;
	struct soft_mcast *mcast;
	struct soft_switch *sw;
	const struct soft_uplink_ops *uplink_ops;
};

static inline struct soft_instance *soft_instance(const struct mhca_instance *inst)
{
	return inst->backend;
}

static inline struct soft_hca *soft_hca_of(const struct mhca_instance *inst)
{
	return soft_instance(inst)->hca;
}

/*
 * An engine section: what is found inside stays, and guest memory that is not dead
 * stays pinned. Commands need one as well before they look at a record or a ring:
 * the VMM may take memory away at any time. Never wait for srcu inside.
 */
static inline int soft_enter(const struct mhca_instance *inst)
{
	return srcu_read_lock(&soft_hca_of(inst)->srcu);
}

static inline void soft_leave(const struct mhca_instance *inst, int idx)
{
	srcu_read_unlock(&soft_hca_of(inst)->srcu, idx);
}

/*
 * May the engine touch the instance's memory? Asked inside srcu, where the answer holds
 * until the end of the section if it is yes (hca.c, soft_dma_changed()).
 */
static inline bool soft_may_dma(const struct soft_instance *si)
{
	return READ_ONCE(si->inst->dma);
}

/* The same for work of its own: may a WQE be begun? */
static inline bool soft_may_begin(const struct soft_instance *si)
{
	return READ_ONCE(si->inst->begins);
}

/* Inside srcu: NULL when there is none. */
struct soft_instance *soft_instance_by_lid(struct soft_hca *hca, u16 lid);

#endif /* SOFT_SCHEDULE_INSTANCE_H */
