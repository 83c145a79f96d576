// SPDX-License-Identifier: GPL-2.0-only
/*
 * UARs: doorbell pages. A page of RAM that the guest maps and a lane polls.
 */
#include <mhca/kernel.h>
#include <mhca/vmm.h>
#include "lane.h"

static void soft_uar_free_page(struct soft_uar *uar)
{
	if (!uar->obj.inst->vmm_ops->doorbell)
		free_page((unsigned long)uar->page);
	uar->page = NULL;
}

/* Nobody will fault: it is polled from the beginning. */
static void soft_uar_mapped(struct soft_uar *uar)
{
	struct soft_lane *lane = soft_instance(uar->obj.inst)->lane;

	spin_lock(&lane->touch_lock);
	soft_uar_tell(uar, true);
	spin_unlock(&lane->touch_lock);
	soft_lane_wake(lane);
}

static enum mhca_syndrome soft_uar_create(struct mhca_cmd *cmd)
{
	const struct mhca_vmm_ops *vmm_ops = cmd->inst->vmm_ops;
	struct soft_uar *uar = (struct soft_uar *)cmd->obj;
	enum mhca_syndrome syndrome;

	if (!vmm_ops->doorbell) {
		uar->page = (void *)__get_free_page(GFP_KERNEL);
		if (!uar->page)
			return MHCA_SYN_NO_MEMORY;
	}

	INIT_LIST_HEAD(&uar->touch_node);
	INIT_LIST_HEAD(&uar->node);
	INIT_LIST_HEAD(&uar->qps);
	INIT_LIST_HEAD(&uar->cqs);
	INIT_LIST_HEAD(&uar->sqs);
	uar->mapped = false;

	syndrome = mhca_object_number(&uar->obj, MHCA_UAR_FIRST, MHCA_UAR_END - 1);
	if (syndrome) {
		soft_uar_free_page(uar);
		return syndrome;
	}
	if (vmm_ops->doorbell)
		uar->page = vmm_ops->doorbell(cmd->inst->vmm, uar->obj.num);
	/* Every register holds SOFT_DOORBELL_NONE. */
	memset(uar->page, 0xff, MHCA_PAGE_SIZE);
	/* A guest that touched the index before it existed has something else mapped. */
	vmm_ops->zap(cmd->inst->vmm, uar->obj.num);
	if (vmm_ops->doorbell)
		soft_uar_mapped(uar);
	return MHCA_SYN_NONE;
}

static void soft_uar_destroy(struct mhca_object *obj)
{
	struct soft_uar *uar = (struct soft_uar *)obj;
	struct mhca_instance *inst = obj->inst;
	struct soft_hca *hca = soft_hca_of(inst);
	struct soft_lane *lane = soft_instance(inst)->lane;

	/* Nobody finds it any more, so nobody queues it after this. */
	synchronize_srcu_expedited(&hca->srcu);

	mutex_lock(&lane->lock);
	spin_lock(&lane->touch_lock);
	if (uar->touch_queued) {
		list_del_init(&uar->touch_node);
		uar->touch_queued = false;
	}
	spin_unlock(&lane->touch_lock);
	soft_doorbell_forget(uar);
	mutex_unlock(&lane->lock);

	inst->vmm_ops->zap(inst->vmm, obj->num);
	soft_uar_free_page(uar);
}

/**
 * soft_uar_find() - a UAR by its number
 * @inst: instance
 * @index: number
 *
 * Inside srcu. Return: the UAR or NULL.
 */
struct soft_uar *soft_uar_find(struct mhca_instance *inst, u32 index)
{
	return (struct soft_uar *)mhca_object_find(inst, MHCA_UAR, index);
}

/**
 * soft_uar_tell() - have the lane look at a UAR
 * @uar: UAR; inside srcu, its lane's touch_lock held
 * @mapped: the guest has or gets it mapped, or stored to it by trap; false: it lost it
 *
 * The caller wakes the lane. No more than stores: the page fault handler calls it.
 */
void soft_uar_tell(struct soft_uar *uar, bool mapped)
{
	struct soft_lane *lane = soft_instance(uar->obj.inst)->lane;

	lockdep_assert_held(&lane->touch_lock);
	WRITE_ONCE(uar->mapped, mapped);
	if (!uar->touch_queued) {
		uar->touch_queued = true;
		list_add_tail(&uar->touch_node, &lane->touched);
	}
}

/* What was stored until now goes into the state of EQs, which are saved later. */
static void soft_uar_save(struct mhca_object *obj, struct mhca_image *image)
{
	struct soft_lane *lane = soft_instance(obj->inst)->lane;
	int idx;

	mutex_lock(&lane->lock);
	idx = soft_enter(obj->inst);
	soft_doorbell_look(lane, (struct soft_uar *)obj);
	soft_leave(obj->inst, idx);
	mutex_unlock(&lane->lock);
}

static enum mhca_syndrome soft_uar_load(struct mhca_object *obj, struct mhca_reader *in)
{
	return MHCA_SYN_NONE;
}

const struct mhca_object_ops soft_uar_ops = {
	.size = sizeof(struct soft_uar),
	.create = soft_uar_create,
	.save = soft_uar_save,
	.load = soft_uar_load,
	.destroy = soft_uar_destroy,
};
