// SPDX-License-Identifier: GPL-2.0-only
/*
 * One opening of a device: what its monitor can map, who opened it.
 *
 * A VMA can outlive the opening on kernels whose VFIO devices have no inode of their own
 * (compat.h). It keeps the opening's object, not the device: its faults find that the
 * device was closed, whoever has it open by then.
 */
#include <linux/capability.h>
#include <linux/memcontrol.h>
#include <linux/module.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <linux/slab.h>

#include "compat.h"
#include "frontend.h"

static void mhca_open_free(struct kref *ref)
{
	struct mhca_open *open = container_of(ref, struct mhca_open, ref);

	mem_cgroup_put(open->memcg);
	put_task_struct(open->opener);
	__free_page(open->scratch);
	mutex_destroy(&open->map_lock);
	kfree(open);
}

/* The last VMA is gone, and the opening does not hold the file either. */
static int mhca_open_file_release(struct inode *inode, struct file *file)
{
	struct mhca_open *open = file->private_data;

	kref_put(&open->ref, mhca_open_free);
	return 0;
}

static const struct file_operations mhca_open_fops = {
	.owner = THIS_MODULE,
	.release = mhca_open_file_release,
};

/**
 * mhca_open_create() - current opens a device
 * @v: device
 *
 * Return: the opening, or an ERR_PTR().
 */
struct mhca_open *mhca_open_create(struct mhca_vdev *v)
{
	struct mhca_open *open = kzalloc(sizeof(*open), GFP_KERNEL_ACCOUNT);
	struct file *file;
	int ret;

	if (!open)
		return ERR_PTR(-ENOMEM);
	open->scratch = alloc_page(GFP_KERNEL_ACCOUNT | __GFP_ZERO);
	if (!open->scratch) {
		kfree(open);
		return ERR_PTR(-ENOMEM);
	}
	kref_init(&open->ref);
	mutex_init(&open->map_lock);
	open->v = v;
	open->opener = get_task_struct(current->group_leader);
	open->memlock_free = capable(CAP_IPC_LOCK);
	open->memcg = get_mem_cgroup_from_mm(current->mm);
	ret = mhca_work_create(open);
	if (ret)
		goto err_put;
	file = mhca_mapping_file(&mhca_open_fops, open);
	if (IS_ERR(file)) {
		ret = PTR_ERR(file);
		goto err_work;
	}
	if (file)
		kref_get(&open->ref);
	open->mapping_file = file;
	return open;

err_work:
	mhca_work_destroy(open);
err_put:
	mhca_open_put(open);
	return ERR_PTR(ret);
}

/**
 * mhca_open_get() - whoever has a device open
 * @v: device
 *
 * Any context. Return: the opening, with a reference; NULL: nobody.
 */
struct mhca_open *mhca_open_get(struct mhca_vdev *v)
{
	struct mhca_open *open;
	unsigned long flags;

	spin_lock_irqsave(&v->state_lock, flags);
	open = v->open;
	if (open)
		kref_get(&open->ref);
	spin_unlock_irqrestore(&v->state_lock, flags);
	return open;
}

/**
 * mhca_open_put() - drop mhca_open_get()'s reference
 * @open: opening
 */
void mhca_open_put(struct mhca_open *open)
{
	kref_put(&open->ref, mhca_open_free);
}

/**
 * mhca_open_end() - the device is closed
 * @open: opening after mhca_region_retire(), which nobody gets any more
 */
void mhca_open_end(struct mhca_open *open)
{
	mhca_work_destroy(open);
	if (open->mapping_file)
		fput(open->mapping_file);
	mhca_open_put(open);
}
