// SPDX-License-Identifier: GPL-2.0-only
/*
 * Live migration as VFIO has it (v2: STOP_COPY, PRE_COPY, P2P): the device's state, which
 * changes along the arcs of prm/arc.c, and the stream of its image as a file (stream.c).
 *
 * Dirty pages are type 1's to know: all that the engine writes is pinned, and type 1
 * reports every page that was pinned since the last look. What commands write goes
 * through vfio_dma_rw(), which marks it.
 */
#include <linux/fs.h>

#include <mhca/arc.h>
#include <mhca/migrate.h>

#include "compat.h"
#include "frontend.h"

#include <mhca/trace.h>

#define MHCA_MIG_IS(ours, theirs)						\
	static_assert((int)MHCA_MIG_##ours == (int)VFIO_DEVICE_STATE_##theirs)

MHCA_MIG_IS(ERROR, ERROR);
MHCA_MIG_IS(STOP, STOP);
MHCA_MIG_IS(RUNNING, RUNNING);
MHCA_MIG_IS(STOP_COPY, STOP_COPY);
MHCA_MIG_IS(RESUMING, RESUMING);
MHCA_MIG_IS(RUNNING_P2P, RUNNING_P2P);

/* Since 6.2 in the user interface; the core of 6.1 passes them on unseen. */
#ifndef VFIO_MIGRATION_PRE_COPY
#define VFIO_MIGRATION_PRE_COPY		BIT(2)
#else
MHCA_MIG_IS(PRE_COPY, PRE_COPY);
MHCA_MIG_IS(PRE_COPY_P2P, PRE_COPY_P2P);
#endif

/* What an arc does to the stream. A new one is *@file. Return: 0 or -errno. */
static int mhca_migration_act(struct mhca_vdev *v, enum mhca_stream_act act, struct file **file)
{
	switch (act) {
	case MHCA_STREAM_NONE:
		return 0;
	case MHCA_STREAM_SAVE:
		*file = mhca_stream_save(v, false);
		return PTR_ERR_OR_ZERO(*file);
	case MHCA_STREAM_SAVE_ALL:
		*file = mhca_stream_save(v, true);
		return PTR_ERR_OR_ZERO(*file);
	case MHCA_STREAM_REST:
		return mhca_stream_rest(v);
	case MHCA_STREAM_LOAD:
		*file = mhca_stream_load(v);
		return PTR_ERR_OR_ZERO(*file);
	case MHCA_STREAM_FINISH:
		return mhca_stream_finish(v);
	case MHCA_STREAM_END:
		mhca_stream_end(v);
		return 0;
	}
	return -EINVAL;
}

/* One step. What it began is undone if it fails. */
static int mhca_migration_step(struct mhca_vdev *v, const struct mhca_arc *arc,
			       struct file **file)
{
	enum mhca_run run = v->inst->run;
	u64 since = ktime_get_ns();
	int killed = 0, err;

	if (arc->run != run) {
		err = mhca_instance_run_as(v, arc->run);
		if (err && err != -EINTR)
			return err;
		killed = err;
	}
	err = killed ?: mhca_migration_act(v, arc->act, file);
	if (err && arc->run != run)
		mhca_instance_run(v->inst, run);
	/* Half of an instance: nothing but a reset gets it out of there. */
	if (err && arc->act == MHCA_STREAM_FINISH)
		WRITE_ONCE(v->migration, MHCA_MIG_ERROR);
	else if (!err)
		WRITE_ONCE(v->migration, arc->to);
	trace_mhca_migration(dev_name(v->dev), mhca_mig_names[arc->from],
			     mhca_mig_names[v->migration], ktime_get_ns() - since);
	return err;
}

static int mhca_migration_go(struct mhca_vdev *v, u32 to, struct file **file)
{
	const struct mhca_arc *arc;
	int err;

	lockdep_assert_held(&v->lock);
	if (v->open->revoked)
		return -EIO;
	while (v->migration != to) {
		arc = mhca_arc_next(v->migration, to);
		if (!arc)
			return -EINVAL;
		err = mhca_migration_step(v, arc, file);
		if (err)
			return err;
		/* Only the last arc of a way makes a stream. */
		if (WARN_ON_ONCE(*file && v->migration != to))
			return -EINVAL;
	}
	return 0;
}

static struct file *mhca_migration_set_state(struct vfio_device *vdev,
					     enum vfio_device_mig_state to)
{
	struct mhca_vdev *v = to_mhca_vdev(vdev);
	struct file *file = NULL;
	int err;

	if (mutex_lock_killable(&v->lock))
		return ERR_PTR(-EINTR);
	err = mhca_migration_go(v, to, &file);
	mutex_unlock(&v->lock);
	return err ? ERR_PTR(err) : file;
}

static int mhca_migration_get_state(struct vfio_device *vdev, enum vfio_device_mig_state *state)
{
	struct mhca_vdev *v = to_mhca_vdev(vdev);

	if (mutex_lock_killable(&v->lock))
		return -EINTR;
	*state = (enum vfio_device_mig_state)v->migration;
	mutex_unlock(&v->lock);
	return 0;
}

static int mhca_migration_data_size(struct vfio_device *vdev, unsigned long *bytes)
{
	struct mhca_vdev *v = to_mhca_vdev(vdev);

	if (mutex_lock_killable(&v->lock))
		return -EINTR;
	*bytes = mhca_stream_left(v);
	mutex_unlock(&v->lock);
	return 0;
}

#ifndef MHCA_HAVE_MIG_DATA_SIZE
#define VFIO_DEVICE_FEATURE_MIG_DATA_SIZE	9

/* struct vfio_device_feature_mig_data_size of later kernels */
struct mhca_feature_data_size {
	__aligned_u64 stop_copy_length;
};

/**
 * mhca_migration_feature() - &struct vfio_device_ops.device_feature
 * @vdev: device
 * @flags: what is asked, and of which feature
 * @arg: for the answer
 * @argsz: its size
 *
 * Return: 0 or -errno.
 */
int mhca_migration_feature(struct vfio_device *vdev, u32 flags, void __user *arg, size_t argsz)
{
	struct mhca_feature_data_size size = {};
	unsigned long bytes;
	int ret;

	if ((flags & VFIO_DEVICE_FEATURE_MASK) != VFIO_DEVICE_FEATURE_MIG_DATA_SIZE)
		return -ENOTTY;
	ret = vfio_check_feature(flags, argsz, VFIO_DEVICE_FEATURE_GET, sizeof(size));
	if (ret != 1)
		return ret;
	ret = mhca_migration_data_size(vdev, &bytes);
	if (ret)
		return ret;
	size.stop_copy_length = bytes;
	return copy_to_user(arg, &size, sizeof(size)) ? -EFAULT : 0;
}
#endif

static const struct vfio_migration_ops mhca_migration_ops = {
	.migration_set_state = mhca_migration_set_state,
	.migration_get_state = mhca_migration_get_state,
#ifdef MHCA_HAVE_MIG_DATA_SIZE
	.migration_get_data_size = mhca_migration_data_size,
#endif
};

/**
 * mhca_migration_init() - a device can be moved
 * @v: device, not registered yet
 */
void mhca_migration_init(struct mhca_vdev *v)
{
	WRITE_ONCE(v->migration, MHCA_MIG_RUNNING);
	v->vdev.migration_flags = VFIO_MIGRATION_STOP_COPY | VFIO_MIGRATION_P2P |
				  VFIO_MIGRATION_PRE_COPY;
	v->vdev.mig_ops = &mhca_migration_ops;
}

/**
 * mhca_migration_reset() - whatever its state was, it runs
 * @v: device whose instance was reset, v->lock held
 */
void mhca_migration_reset(struct mhca_vdev *v)
{
	lockdep_assert_held(&v->lock);

	mhca_stream_end(v);
	WRITE_ONCE(v->migration, MHCA_MIG_RUNNING);
	mhca_instance_run(v->inst, MHCA_RUN_ALL);
}
