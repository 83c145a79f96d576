// SPDX-License-Identifier: GPL-2.0-only
/*
 * An instance's work queue: commands and the once-a-second tick. It is ordered,
 * so that neither runs twice or beside the other.
 */
#include <linux/memcontrol.h>
#include <linux/sched/mm.h>

#include "frontend.h"

#define MHCA_TICK	HZ

static void mhca_work_run(struct work_struct *work)
{
	struct mhca_vdev *v = container_of(work, struct mhca_vdev, work);
	struct mem_cgroup *old = set_active_memcg(v->memcg);

	mhca_prm_work(v->inst);
	set_active_memcg(old);
}

static void mhca_work_tick(struct work_struct *work)
{
	struct mhca_vdev *v = container_of(to_delayed_work(work), struct mhca_vdev, tick);

	mhca_instance_tick(v->inst);
	queue_delayed_work(v->wq, &v->tick, MHCA_TICK);
}

static void mhca_work_unpin_run(struct work_struct *work)
{
	mhca_instance_unpin(container_of(work, struct mhca_vdev, unpin_work)->inst);
}

/**
 * mhca_work_init() - prepare a device's work queue; nothing runs yet
 * @v: device
 *
 * Return: 0 or -ENOMEM.
 */
int mhca_work_init(struct mhca_vdev *v)
{
	spin_lock_init(&v->kick_lock);
	INIT_WORK(&v->work, mhca_work_run);
	INIT_DELAYED_WORK(&v->tick, mhca_work_tick);
	INIT_WORK(&v->unpin_work, mhca_work_unpin_run);
	v->side = alloc_workqueue("mhcas-%.13s", WQ_UNBOUND, 0, dev_name(v->dev));
	if (!v->side)
		return -ENOMEM;
	v->wq = alloc_ordered_workqueue("mhca-%.13s", 0, dev_name(v->dev));
	if (v->wq)
		return 0;
	destroy_workqueue(v->side);
	return -ENOMEM;
}

/**
 * mhca_work_fini() - free the work queue; it has been stopped
 * @v: device
 */
void mhca_work_fini(struct mhca_vdev *v)
{
	destroy_workqueue(v->side);
	destroy_workqueue(v->wq);
}

/**
 * mhca_work_unpin() - &struct mhca_vmm_ops.unpin_work
 * @vmm: device
 *
 * Not behind a command: that may be waiting for the monitor, which waits for this.
 */
void mhca_work_unpin(void *vmm)
{
	struct mhca_vdev *v = vmm;

	queue_work(v->side, &v->unpin_work);
}

/**
 * mhca_work_kick() - &struct mhca_vmm_ops.kick
 * @vmm: device
 *
 * Any context. A kick that meets a stopped device is remembered.
 */
void mhca_work_kick(void *vmm)
{
	struct mhca_vdev *v = vmm;
	unsigned long flags;

	spin_lock_irqsave(&v->kick_lock, flags);
	if (v->running)
		queue_work(v->wq, &v->work);
	else
		v->kicked = true;
	spin_unlock_irqrestore(&v->kick_lock, flags);
}

/**
 * mhca_work_start() - let commands be executed
 * @v: device, v->lock held
 */
void mhca_work_start(struct mhca_vdev *v)
{
	unsigned long flags;

	lockdep_assert_held(&v->lock);

	spin_lock_irqsave(&v->kick_lock, flags);
	WRITE_ONCE(v->running, true);
	if (v->kicked)
		queue_work(v->wq, &v->work);
	v->kicked = false;
	spin_unlock_irqrestore(&v->kick_lock, flags);
	queue_delayed_work(v->wq, &v->tick, MHCA_TICK);
}

/**
 * mhca_work_stop() - on return nothing runs and nothing will
 * @v: device, v->lock held
 */
void mhca_work_stop(struct mhca_vdev *v)
{
	unsigned long flags;

	lockdep_assert_held(&v->lock);

	spin_lock_irqsave(&v->kick_lock, flags);
	WRITE_ONCE(v->running, false);
	v->kicked = false;
	spin_unlock_irqrestore(&v->kick_lock, flags);
	cancel_work_sync(&v->work);
	cancel_delayed_work_sync(&v->tick);
}
