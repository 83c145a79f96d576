// SPDX-License-Identifier: GPL-2.0-only
/*
 * The software HCA as a backend: its instances, their LIDs and lanes.
 */
#include <mhca/kernel.h>
#include "hca.h"

static void soft_free_lanes(struct soft_hca *hca)
{
	u32 i;

	for (i = 0; i < hca->n_lanes; i++) {
		kfree(hca->lanes[i].tx);
		kfree(hca->lanes[i].datagram);
		kfree(hca->lanes[i].wire);
	}
	kfree(hca->lanes);
	hca->lanes = NULL;
}

/**
 * soft_hca_init() - an HCA without instances
 * @hca: zeroed
 * @lanes: how many lanes
 * @params: their parameters
 *
 * The lanes' threads are started by the caller. Return: 0 or -errno.
 */
int soft_hca_init(struct soft_hca *hca, u32 lanes, const struct soft_lane_params *params)
{
	u32 i;
	int err;

	hca->lanes = kcalloc(lanes, sizeof(*hca->lanes), GFP_KERNEL);
	if (!hca->lanes)
		return -ENOMEM;
	hca->n_lanes = lanes;
	for (i = 0; i < lanes; i++) {
		hca->lanes[i].tx = kzalloc(sizeof(*hca->lanes[i].tx), GFP_KERNEL);
		hca->lanes[i].datagram = kmalloc(SOFT_UD_MTU_MAX, GFP_KERNEL);
		hca->lanes[i].wire = soft_wire_alloc();
		if (!hca->lanes[i].tx || !hca->lanes[i].datagram || !hca->lanes[i].wire) {
			soft_free_lanes(hca);
			return -ENOMEM;
		}
	}
	hca->sw = kzalloc(sizeof(*hca->sw), GFP_KERNEL);
	err = hca->sw ? soft_mcast_init(hca) : -ENOMEM;
	if (!err)
		err = init_srcu_struct(&hca->srcu);
	if (err) {
		soft_mcast_fini(hca);
		kfree(hca->sw);
		soft_free_lanes(hca);
		return err;
	}
	soft_switch_init(hca->sw, &hca->srcu);
	mutex_init(&hca->lock);
	xa_init_flags(&hca->lids, XA_FLAGS_ALLOC);
	hca->next_lid = MHCA_LID_FIRST;
	for (i = 0; i < lanes; i++)
		soft_lane_init(&hca->lanes[i], hca, i, params);
	hca->hca.ops = &soft_hca_ops;
	hca->hca.personalities = BIT(MHCA_IB) | BIT(MHCA_ROCE);
	hca->hca.backend = hca;
	return 0;
}

/**
 * soft_hca_fini() - free an HCA: no instance, no thread is left
 * @hca: HCA
 */
void soft_hca_fini(struct soft_hca *hca)
{
	u32 i;

	for (i = 0; i < hca->n_lanes; i++)
		soft_timers_free(&hca->lanes[i].timers);
	xa_destroy(&hca->lids);
	soft_switch_fini(hca->sw);
	cleanup_srcu_struct(&hca->srcu);
	soft_mcast_fini(hca);
	kfree(hca->sw);
	soft_free_lanes(hca);
}

/* hca->lock held */
static struct soft_lane *soft_least_loaded(struct soft_hca *hca)
{
	struct soft_lane *lane = &hca->lanes[0];
	u32 i;

	lockdep_assert_held(&hca->lock);
	for (i = 1; i < hca->n_lanes; i++)
		if (hca->lanes[i].instances < lane->instances)
			lane = &hca->lanes[i];
	return lane;
}

/* Nobody finds it by its LID any more. */
static void soft_instance_unlist(struct soft_instance *si)
{
	struct soft_hca *hca = si->hca;

	mutex_lock(&hca->lock);
	xa_erase(&hca->lids, si->lid);
	si->lane->instances--;
	mutex_unlock(&hca->lock);

	/* A sender may have found it. */
	synchronize_srcu_expedited(&hca->srcu);
}

static int soft_instance_init(struct mhca_instance *inst)
{
	struct soft_hca *hca = inst->hca->backend;
	struct soft_instance *si;
	u32 lid;
	int err;

	si = kzalloc(sizeof(*si), GFP_KERNEL);
	if (!si)
		return -ENOMEM;
	si->inst = inst;
	si->hca = hca;
	INIT_LIST_HEAD(&si->groups);
	si->mcast_segment = inst->port.segment;
	INIT_LIST_HEAD(&si->active);
	INIT_LIST_HEAD(&si->active_node);
	INIT_LIST_HEAD(&si->active_sqs);
	spin_lock_init(&si->inbox.lock);
	INIT_LIST_HEAD(&si->inbox.letters);
	INIT_LIST_HEAD(&si->inbox.node);
	INIT_LIST_HEAD(&si->uars);
	INIT_LIST_HEAD(&si->uars_node);
	soft_patience_init(&si->patience, SOFT_PATIENCE_RECEIVER, SOFT_PATIENCE_DATAGRAMS_NS);
	soft_patience_init(&si->held, SOFT_PATIENCE_SENDER, 2 * SOFT_PATIENCE_DATAGRAMS_NS);
	soft_toil_init(&si->toil);

	if (inst->personality == MHCA_ROCE && soft_flow_init(si)) {
		kfree(si);
		return -ENOMEM;
	}

	mutex_lock(&hca->lock);
	err = xa_alloc_cyclic(&hca->lids, &lid, si,
			      XA_LIMIT(MHCA_LID_FIRST, MHCA_LID_LAST),
			      &hca->next_lid, GFP_KERNEL);
	if (err >= 0) {
		si->lid = lid;
		si->lane = soft_least_loaded(hca);
		si->lane->instances++;
		inst->backend = si;
		inst->port.lid = lid;
	}
	mutex_unlock(&hca->lock);

	if (err < 0)
		goto err_free;
	err = soft_share_init(si);
	if (err)
		goto err_lid;
	err = inst->personality == MHCA_ROCE ? soft_switch_join(si) : 0;
	if (err)
		goto err_share;
	return 0;

err_share:
	soft_share_fini(si);
err_lid:
	soft_instance_unlist(si);
	inst->backend = NULL;
err_free:
	soft_flow_fini(si);
	kfree(si);
	return err;
}

static void soft_instance_fini(struct mhca_instance *inst)
{
	struct soft_instance *si = soft_instance(inst);

	/* First: who finds it may take its port. */
	soft_instance_unlist(si);
	soft_switch_leave(si);
	soft_inbox_empty(si);
	soft_lane_forget_inbox(si);
	soft_share_fini(si);
	inst->backend = NULL;
	soft_flow_fini(si);
	kfree(si);
}

/*
 * Page faults and zaps run in threads of the monitor, which has a say in when they go on.
 * Inside touch_lock nobody takes the CPU from them, or (on PREEMPT_RT) not for long: so
 * what is inside srcu with them there does not wait for the monitor either.
 */
static bool soft_doorbell(struct mhca_instance *inst, u32 index,
			  struct mhca_doorbell *doorbell)
{
	struct soft_lane *lane = soft_instance(inst)->lane;
	struct soft_uar *uar;
	int idx;

	spin_lock(&lane->touch_lock);
	idx = soft_enter(inst);
	uar = soft_uar_find(inst, index);
	if (uar) {
		doorbell->kva = uar->page;
		doorbell->pfn = 0;
	}
	soft_leave(inst, idx);
	spin_unlock(&lane->touch_lock);
	return uar;
}

static void soft_doorbell_tell(struct mhca_instance *inst, u32 index, bool mapped)
{
	struct soft_lane *lane = soft_instance(inst)->lane;
	struct soft_uar *uar;
	int idx;

	spin_lock(&lane->touch_lock);
	idx = soft_enter(inst);
	uar = soft_uar_find(inst, index);
	if (uar)
		soft_uar_tell(uar, mapped);
	soft_leave(inst, idx);
	spin_unlock(&lane->touch_lock);

	if (!uar)
		return;
	if (mapped && READ_ONCE(lane->asleep))
		mhca_count(inst, lane_wakes);
	soft_lane_wake(lane);
}

static void soft_doorbell_touched(struct mhca_instance *inst, u32 index)
{
	soft_doorbell_tell(inst, index, true);
}

/* What was stored before is still to be seen: one more look, and a whole sweep. */
static void soft_doorbell_zapped(struct mhca_instance *inst, u32 index)
{
	soft_doorbell_tell(inst, index, false);
}

/* All pages again: what was stored to them was not looked at, nor what they stand for. */
static void soft_look_at_all(struct mhca_instance *inst)
{
	struct soft_lane *lane = soft_instance(inst)->lane;
	struct mhca_object *obj;
	unsigned long index;
	int idx;

	spin_lock(&lane->touch_lock);
	idx = soft_enter(inst);
	xa_for_each(&inst->objects[MHCA_UAR], index, obj) {
		struct soft_uar *uar = container_of(obj, struct soft_uar, obj);

		soft_uar_tell(uar, uar->mapped);
	}
	soft_leave(inst, idx);
	spin_unlock(&lane->touch_lock);
	soft_lane_wake(lane);
}

/* Whoever takes a turn: nobody has to wait for the lane's thread to be given a CPU. */
static void soft_look(struct mhca_instance *inst)
{
	soft_look_at_all(inst);
	soft_lane_turn(soft_instance(inst)->lane);
}

static void soft_fence(struct mhca_hca *hca)
{
	struct soft_hca *soft = hca->backend;

	synchronize_srcu_expedited(&soft->srcu);
}

/*
 * Pages of @inst were pinned. Who waits for them may be a peer on any lane: each looks
 * at those who wait in its own time (soft_take_memory()).
 */
static void soft_memory_ready(struct mhca_instance *inst)
{
	struct soft_hca *hca = soft_hca_of(inst);
	u32 i;

	for (i = 0; i < hca->n_lanes; i++) {
		struct soft_lane *lane = &hca->lanes[i];

		/* One that begins to wait just now has a next turn, which sees the flag. */
		atomic_xchg(&lane->pinned, 1);
		if (!list_empty(&lane->memory))
			soft_lane_wake(lane);
	}
}

static void soft_dma_changed(struct mhca_instance *inst)
{
	if (READ_ONCE(inst->dma)) {
		soft_look_at_all(inst);
		/* Peers that waited for it do so where they would for its memory. */
		soft_memory_ready(inst);
	}
	if (!READ_ONCE(inst->begins))
		synchronize_srcu_expedited(&soft_hca_of(inst)->srcu);
}

/* A port that came up again: what waited for it need not wait for its timers. */
static void soft_port_changed(struct mhca_instance *inst)
{
	soft_switch_update(soft_instance(inst));
	soft_mcast_update(soft_instance(inst));
	if (soft_instance(inst)->port)
		WRITE_ONCE(soft_instance(inst)->port->said, 0);
	soft_lane_wake(soft_instance(inst)->lane);
}

static void soft_vport_changed(struct mhca_instance *inst)
{
	soft_roce_update(soft_instance(inst));
	soft_switch_update(soft_instance(inst));
}

static void soft_set_lid(struct soft_instance *si, u16 lid)
{
	WRITE_ONCE(si->lid, lid);
	WRITE_ONCE(si->inst->port.lid, lid);
}

/*
 * The place of @from, if it has given it away: LID, port, and whom RoCE finds. None of the
 * two runs. Who takes the port locks of two holds the HCA's lock.
 */
static bool soft_claim_from(struct soft_instance *si, struct soft_instance *from,
			    const u8 *lease)
{
	struct soft_hca *hca = si->hca;
	u16 old = si->lid;
	bool may;

	lockdep_assert_held(&hca->lock);
	mutex_lock(&si->inst->port_lock);
	mutex_lock_nested(&from->inst->port_lock, SINGLE_DEPTH_NESTING);
	may = mhca_lease_swap(si->inst, from->inst, lease);
	if (may) {
		/* Both places are there: nothing is allocated. */
		xa_store(&hca->lids, from->lid, si, GFP_KERNEL);
		xa_store(&hca->lids, old, from, GFP_KERNEL);
		soft_set_lid(si, from->lid);
		soft_set_lid(from, old);
		if (si->port)
			soft_roce_move(si, from);
	}
	mutex_unlock(&from->inst->port_lock);
	mutex_unlock(&si->inst->port_lock);
	return may;
}

/**
 * soft_instance_claim() - an instance that was loaded takes its place
 * @inst: instance, not running
 * @lid: LID that it had
 * @lease: what its image says to prove that it is the source's
 * @own: all else in its identity is @inst's own
 *
 * The source is another instance of this HCA, which stands still and gets what @inst had;
 * or it is on another host: then the identity has to be @inst's own, and nobody has the
 * LID, by which nobody knows an Ethernet port.
 *
 * Return: 0; -EADDRINUSE: it may not; -ENOMEM.
 */
static int soft_instance_claim(struct mhca_instance *inst, u16 lid, const u8 *lease, bool own)
{
	struct soft_instance *si = soft_instance(inst), *from;
	struct soft_hca *hca = si->hca;
	int err = 0;

	mutex_lock(&hca->lock);
	from = xa_load(&hca->lids, lid);
	if (from && from != si && soft_claim_from(si, from, lease)) {
		mutex_unlock(&hca->lock);
		return 0;
	}
	if (!own || (from && from != si && inst->personality == MHCA_IB)) {
		err = -EADDRINUSE;
	} else if (!from && inst->personality == MHCA_IB) {
		err = xa_err(xa_store(&hca->lids, lid, si, GFP_KERNEL));
		if (!err) {
			xa_erase(&hca->lids, si->lid);
			soft_set_lid(si, lid);
		}
	}
	mutex_unlock(&hca->lock);
	if (!err && si->port)
		soft_switch_announce(si);
	return err;
}

const struct mhca_hca_ops soft_hca_ops = {
	.name = "soft",
	.object = {
		[MHCA_QP] = &soft_qp_ops,
		[MHCA_SRQ] = &soft_srq_ops,
		[MHCA_MKEY] = &soft_mkey_ops,
		[MHCA_CQ] = &soft_cq_ops,
		[MHCA_UAR] = &soft_uar_ops,
		[MHCA_SQ] = &soft_sq_ops,
		[MHCA_RQ] = &soft_rq_ops,
		[MHCA_RQT] = &soft_rqt_ops,
		[MHCA_TIR] = &soft_tir_ops,
		[MHCA_TIS] = &soft_tis_ops,
		[MHCA_FLOW_TABLE] = &soft_flow_table_ops,
		[MHCA_FLOW_GROUP] = &soft_flow_group_ops,
	},
	.instance_init = soft_instance_init,
	.instance_fini = soft_instance_fini,
	.doorbell = soft_doorbell,
	.doorbell_touched = soft_doorbell_touched,
	.doorbell_zapped = soft_doorbell_zapped,
	.look = soft_look,
	.dma_changed = soft_dma_changed,
	.fence = soft_fence,
	.memory_ready = soft_memory_ready,
	.attach_mcg = soft_mcast_attach,
	.detach_mcg = soft_mcast_detach,
	.flow_root = soft_flow_set_root,
	.claim = soft_instance_claim,
	.port_changed = soft_port_changed,
	.vport_changed = soft_vport_changed,
};
