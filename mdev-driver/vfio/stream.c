// SPDX-License-Identifier: GPL-2.0-only
/*
 * The image of an instance as a file: read at the source, written at the target.
 *
 * The file may outlive what it is a stream of, even the device: then it is dead, and says
 * -ENODEV. What the user does at the other end (page faults of his own buffer) is waited
 * for under the file's lock alone. What arrives is loaded by the opening's thread, since
 * it pins memory of the monitor, and whoever waits for the monitor can be interrupted there.
 */
#include <linux/anon_inodes.h>
#include <linux/fs.h>
#include <linux/memcontrol.h>
#include <linux/module.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include <mhca/arc.h>
#include <mhca/migrate.h>

#include "compat.h"
#include "frontend.h"

#define MHCA_STREAM_BYTES	(128U << 10)	/* copied at once */

#ifndef VFIO_MIG_GET_PRECOPY_INFO
#define VFIO_MIG_GET_PRECOPY_INFO _IO(VFIO_TYPE, VFIO_BASE + 21)

/* As in later kernels' <linux/vfio.h>. */
struct vfio_precopy_info {
	__u32 argsz;
	__u32 flags;
	__aligned_u64 initial_bytes;
	__aligned_u64 dirty_bytes;
};
#endif

/**
 * struct mhca_stream - a stream
 * @ref: held by the file, and by the device while it is not dead
 * @v: device; its memory is referenced
 * @lock: one who reads or writes at a time: the order of bytes. Outside of v->lock
 * @buf: MHCA_STREAM_BYTES on their way; @lock
 * @broken: bytes were lost on their way to the user; @lock
 * @save: what is read; NULL: nothing, or dead; v->lock
 * @load: what is written to; NULL: nothing, or dead; v->lock
 * @work: loads @len bytes of @buf; queued and waited for under v->lock
 * @memcg: who pays for what is loaded, while @work runs
 * @len: for @work
 * @ret: of @work
 */
struct mhca_stream {
	struct kref ref;
	struct mhca_vdev *v;
	struct mutex lock;
	void *buf;
	bool broken;
	struct mhca_save *save;
	struct mhca_load *load;
	struct kthread_work work;
	struct mem_cgroup *memcg;
	size_t len;
	ssize_t ret;
};

static void mhca_stream_free(struct kref *ref)
{
	struct mhca_stream *stream = container_of(ref, struct mhca_stream, ref);

	put_device(&stream->v->vdev.device);
	mutex_destroy(&stream->lock);
	kvfree(stream->buf);
	kfree(stream);
}

/* ---- The source ------------------------------------------------------------------- */

static ssize_t mhca_stream_take(struct mhca_stream *stream, size_t len)
{
	struct mhca_vdev *v = stream->v;
	ssize_t ret;

	if (mutex_lock_killable(&v->lock))
		return -EINTR;
	ret = stream->save ? mhca_save_read(stream->save, stream->buf, len) : -ENODEV;
	mutex_unlock(&v->lock);
	return ret;
}

static ssize_t mhca_stream_read(struct file *file, char __user *buf, size_t count, loff_t *ppos)
{
	struct mhca_stream *stream = file->private_data;
	size_t done = 0;
	ssize_t ret = 0;

	if (ppos)
		return -ESPIPE;
	if (mutex_lock_killable(&stream->lock))
		return -EINTR;
	if (stream->broken)
		ret = -EIO;
	while (!stream->broken && done < count) {
		ret = mhca_stream_take(stream, min_t(size_t, count - done, MHCA_STREAM_BYTES));
		if (ret <= 0)
			break;
		if (copy_to_user(buf + done, stream->buf, ret)) {
			/* Nobody knows how much of it arrived: it cannot go on. */
			stream->broken = true;
			ret = -EFAULT;
			break;
		}
		done += ret;
		cond_resched();
	}
	mutex_unlock(&stream->lock);
	return done && !stream->broken ? done : ret;
}

static long mhca_stream_precopy_info(struct mhca_stream *stream, unsigned long arg)
{
	unsigned long minsz = offsetofend(struct vfio_precopy_info, dirty_bytes);
	struct mhca_vdev *v = stream->v;
	struct vfio_precopy_info info;
	u64 initial, dirty, stop;
	int ret = 0;

	if (copy_from_user(&info, (void __user *)arg, minsz))
		return -EFAULT;
	if (info.argsz < minsz)
		return -EINVAL;
	if (mutex_lock_killable(&v->lock))
		return -EINTR;
	if (!stream->save)
		ret = -ENODEV;
	else if (v->migration != MHCA_MIG_PRE_COPY && v->migration != MHCA_MIG_PRE_COPY_P2P)
		ret = -EINVAL;
	else
		mhca_save_sizes(stream->save, &initial, &dirty, &stop);
	mutex_unlock(&v->lock);
	if (ret)
		return ret;
	info.flags = 0;
	info.initial_bytes = initial;
	info.dirty_bytes = dirty;
	return copy_to_user((void __user *)arg, &info, minsz) ? -EFAULT : 0;
}

static long mhca_stream_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	if (cmd != VFIO_MIG_GET_PRECOPY_INFO)
		return -ENOTTY;
	return mhca_stream_precopy_info(file->private_data, arg);
}

/* ---- The target ------------------------------------------------------------------- */

static void mhca_stream_work(struct kthread_work *work)
{
	struct mhca_stream *stream = container_of(work, struct mhca_stream, work);
	struct mem_cgroup *old = set_active_memcg(stream->memcg);

	allow_kernel_signal(SIGKILL);
	stream->ret = mhca_load_write(stream->load, stream->buf, stream->len);
	set_active_memcg(old);
}

/* Have the opening's thread load what is in the buffer. */
static ssize_t mhca_stream_put(struct mhca_stream *stream, size_t len)
{
	struct mhca_vdev *v = stream->v;
	ssize_t ret = -ENODEV;

	if (mutex_lock_killable(&v->lock))
		return -EINTR;
	if (stream->load) {
		stream->len = len;
		stream->memcg = v->open->memcg;
		kthread_queue_work(v->open->worker, &stream->work);
		kthread_flush_work(&stream->work);
		ret = stream->ret;
		if (ret < 0)
			mhca_warn(v->inst, "cannot be loaded: %s\n", mhca_load_why(stream->load));
	}
	mutex_unlock(&v->lock);
	return ret;
}

static ssize_t mhca_stream_write(struct file *file, const char __user *buf, size_t count,
				 loff_t *ppos)
{
	struct mhca_stream *stream = file->private_data;
	size_t run, done = 0;
	ssize_t ret = 0;

	if (ppos)
		return -ESPIPE;
	if (mutex_lock_killable(&stream->lock))
		return -EINTR;
	while (done < count) {
		run = min_t(size_t, count - done, MHCA_STREAM_BYTES);
		ret = copy_from_user(stream->buf, buf + done, run) ? -EFAULT :
			mhca_stream_put(stream, run);
		if (ret < 0)
			break;
		done += run;
	}
	mutex_unlock(&stream->lock);
	/* What was refused is refused again by the next call. */
	return done ? done : ret;
}

/* ---- Life cycle ------------------------------------------------------------------- */

static int mhca_stream_release(struct inode *inode, struct file *file)
{
	struct mhca_stream *stream = file->private_data;

	kref_put(&stream->ref, mhca_stream_free);
	return 0;
}

static const struct file_operations mhca_save_fops = {
	.owner = THIS_MODULE,
	.read = mhca_stream_read,
	.unlocked_ioctl = mhca_stream_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.release = mhca_stream_release,
};

static const struct file_operations mhca_load_fops = {
	.owner = THIS_MODULE,
	.write = mhca_stream_write,
	.release = mhca_stream_release,
};

/* A stream without content. Its file has the only reference. */
static struct file *mhca_stream_create(struct mhca_vdev *v, bool load)
{
	struct mhca_stream *stream = kzalloc(sizeof(*stream), GFP_KERNEL_ACCOUNT);
	struct file *file;

	if (!stream)
		return ERR_PTR(-ENOMEM);
	kref_init(&stream->ref);
	mutex_init(&stream->lock);
	kthread_init_work(&stream->work, mhca_stream_work);
	stream->v = v;
	get_device(&v->vdev.device);
	stream->buf = kvmalloc(MHCA_STREAM_BYTES, GFP_KERNEL_ACCOUNT);
	file = ERR_PTR(-ENOMEM);
	if (stream->buf)
		file = anon_inode_getfile(load ? "[mhca-load]" : "[mhca-save]",
					  load ? &mhca_load_fops : &mhca_save_fops, stream,
					  load ? O_WRONLY : O_RDONLY);
	if (IS_ERR(file)) {
		kref_put(&stream->ref, mhca_stream_free);
		return file;
	}
	stream_open(file->f_inode, file);
	return file;
}

/* It has content: the device's stream now. */
static void mhca_stream_begin(struct mhca_vdev *v, struct file *file)
{
	struct mhca_stream *stream = file->private_data;

	kref_get(&stream->ref);
	v->stream = stream;
}

/**
 * mhca_stream_end() - the device's stream, if there is one, is dead
 * @v: device, v->lock held
 */
void mhca_stream_end(struct mhca_vdev *v)
{
	struct mhca_stream *stream = v->stream;

	lockdep_assert_held(&v->lock);
	if (!stream)
		return;
	v->stream = NULL;
	if (stream->save)
		mhca_save_end(stream->save);
	if (stream->load)
		mhca_load_end(stream->load);
	stream->save = NULL;
	stream->load = NULL;
	kref_put(&stream->ref, mhca_stream_free);
}

/**
 * mhca_stream_save() - begin an image
 * @v: device without a stream, v->lock held
 * @all: its instance stands still: all of it, not only what can be read early
 *
 * Return: a file, or an ERR_PTR().
 */
struct file *mhca_stream_save(struct mhca_vdev *v, bool all)
{
	struct file *file = mhca_stream_create(v, false);
	struct mhca_stream *stream;
	struct mhca_save *save;
	int err;

	if (IS_ERR(file))
		return file;
	stream = file->private_data;
	save = mhca_save_begin(v->inst);
	err = PTR_ERR_OR_ZERO(save);
	if (!err && all) {
		err = mhca_save_stop(save);
		if (err)
			mhca_save_end(save);
	}
	if (err) {
		fput(file);
		return ERR_PTR(err);
	}
	stream->save = save;
	mhca_stream_begin(v, file);
	return file;
}

/**
 * mhca_stream_rest() - the instance stands still: the rest of its image
 * @v: device with a stream that was begun while it ran, v->lock held
 *
 * Return: 0 or -errno, see mhca_save_stop().
 */
int mhca_stream_rest(struct mhca_vdev *v)
{
	return mhca_save_stop(v->stream->save);
}

/**
 * mhca_stream_load() - begin to load an instance, which is reset
 * @v: device without a stream, stopped, v->lock held
 *
 * Return: a file, or an ERR_PTR().
 */
struct file *mhca_stream_load(struct mhca_vdev *v)
{
	struct file *file = mhca_stream_create(v, true);
	struct mhca_stream *stream;
	struct mhca_load *load;

	if (IS_ERR(file))
		return file;
	stream = file->private_data;
	mhca_work_stop(v);
	mhca_instance_reset(v->inst);
	mhca_work_start(v);
	load = mhca_load_begin(v->inst);
	if (IS_ERR(load)) {
		fput(file);
		return ERR_CAST(load);
	}
	stream->load = load;
	mhca_stream_begin(v, file);
	return file;
}

/**
 * mhca_stream_finish() - what was loaded has to be complete; the end of its stream
 * @v: device with a stream, v->lock held
 *
 * Return: 0 or -errno: the instance is half of one.
 */
int mhca_stream_finish(struct mhca_vdev *v)
{
	struct mhca_load *load = v->stream->load;
	bool known = *mhca_load_why(load);
	int err = mhca_load_finish(load);

	if (err && !known)
		mhca_warn(v->inst, "cannot be loaded: %s\n", mhca_load_why(load));
	mhca_stream_end(v);
	return err;
}

/**
 * mhca_stream_left() - bytes that an image still has
 * @v: device, v->lock held
 *
 * Return: of the stream that is being read, or of one that were begun now; an estimate.
 */
u64 mhca_stream_left(struct mhca_vdev *v)
{
	struct mhca_stream *stream = v->stream;
	u64 initial, dirty, stop;

	if (!stream || !stream->save)
		return mhca_save_estimate(v->inst);
	mhca_save_sizes(stream->save, &initial, &dirty, &stop);
	return initial + dirty + stop;
}
