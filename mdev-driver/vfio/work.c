// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a device does beside its user's system calls.
 *
 * An opening has a thread for commands and the once-a-second tick, so that neither runs
 * twice or beside the other. It touches guest memory, that is memory of the monitor, which
 * may answer a page fault late or never (userfaultfd, FUSE), and VFIO holds a lock of the
 * container meanwhile. So each such wait is announced: who wants the thread to stop ends
 * it by a signal, and so does the watch when it lasts too long. A thread, since the
 * kernel's workers take no signals.
 *
 * The work queue ("side") is for what must not wait until a command is over.
 */
#include <linux/anon_inodes.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/memcontrol.h>
#include <linux/module.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>

#include "compat.h"
#include "frontend.h"

#define MHCA_TICK	HZ
/* Between two looks whether a command waits too long, and what that is. */
#define MHCA_WATCH	(5 * HZ)
#define MHCA_WAIT_MAX	(30 * HZ)

/* ---- The thread ---------------------------------------------------------------- */

static void mhca_work_run(struct kthread_work *work)
{
	struct mhca_open *open = container_of(work, struct mhca_open, work);
	struct mem_cgroup *old = set_active_memcg(open->memcg);

	/* Of ours alone: an administrator cannot kill it. */
	allow_kernel_signal(SIGKILL);
	mhca_prm_work(open->v->inst);
	set_active_memcg(old);
}

static void mhca_work_tick(struct kthread_work *work)
{
	struct mhca_open *open = container_of(work, struct mhca_open, tick.work);

	mhca_instance_tick(open->v->inst);
	kthread_queue_delayed_work(open->worker, &open->tick, MHCA_TICK);
}

/**
 * mhca_work_create() - make an opening's thread; it has nothing to do yet
 * @open: opening
 *
 * Return: 0 or a negative errno.
 */
int mhca_work_create(struct mhca_open *open)
{
	kthread_init_work(&open->work, mhca_work_run);
	kthread_init_delayed_work(&open->tick, mhca_work_tick);
	open->worker = kthread_run_worker(0, "mhca-%.10s", dev_name(open->v->dev));
	return PTR_ERR_OR_ZERO(open->worker);
}

/**
 * mhca_work_destroy() - the opposite
 * @open: opening that is stopped
 */
void mhca_work_destroy(struct mhca_open *open)
{
	kthread_destroy_worker(open->worker);
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

	spin_lock_irqsave(&v->state_lock, flags);
	if (v->running)
		kthread_queue_work(v->open->worker, &v->open->work);
	else
		v->kicked = true;
	spin_unlock_irqrestore(&v->state_lock, flags);
}

/* ---- Waiting for the monitor ---------------------------------------------------- */

/* state_lock held: whatever the thread waits for in the monitor's memory fails. */
static void mhca_work_interrupt(struct mhca_open *open)
{
	if (!open->waiting || open->interrupted)
		return;
	open->interrupted = true;
	send_sig(SIGKILL, open->worker->task, 1);
}

/**
 * mhca_work_begin_wait() - the work is about to touch memory of the monitor
 * @v: device; in its thread
 *
 * Return: 0; -ECANCELED: it is not to, because it is being stopped.
 */
int mhca_work_begin_wait(struct mhca_vdev *v)
{
	struct mhca_open *open = v->open;
	int ret = -ECANCELED;

	if (WARN_ON_ONCE(current != open->worker->task))
		return -EINVAL;
	spin_lock_irq(&v->state_lock);
	if (v->running) {
		open->since = jiffies;
		open->waiting = true;
		ret = 0;
	}
	spin_unlock_irq(&v->state_lock);
	return ret;
}

/**
 * mhca_work_end_wait() - it has
 * @v: device; in its thread
 */
void mhca_work_end_wait(struct mhca_vdev *v)
{
	struct mhca_open *open = v->open;
	bool interrupted;

	spin_lock_irq(&v->state_lock);
	open->waiting = false;
	interrupted = open->interrupted;
	open->interrupted = false;
	spin_unlock_irq(&v->state_lock);
	if (interrupted)
		flush_signals(current);
}

/*
 * Another device of the same container, whose close waits for the container's lock, gets
 * on by this alone.
 */
static void mhca_work_watch(struct work_struct *work)
{
	struct mhca_vdev *v = container_of(to_delayed_work(work), struct mhca_vdev, watch);
	struct mhca_open *open;
	bool late;

	spin_lock_irq(&v->state_lock);
	open = v->open;
	late = open && open->waiting && time_after(jiffies, open->since + MHCA_WAIT_MAX);
	if (late)
		mhca_work_interrupt(open);
	spin_unlock_irq(&v->state_lock);
	if (late)
		dev_notice(v->dev, "guest memory did not answer for %d s: its command fails\n",
			   MHCA_WAIT_MAX / HZ);
	queue_delayed_work(v->side, &v->watch, MHCA_WATCH);
}

/* ---- Beside commands -------------------------------------------------------------- */

static void mhca_work_unpin_run(struct work_struct *work)
{
	mhca_instance_unpin(container_of(work, struct mhca_vdev, unpin_work)->inst);
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

/* ---- When a task is back in user mode ---------------------------------------------- */

static int mhca_return_release(struct inode *inode, struct file *file)
{
	struct mhca_return *ret = file->private_data;

	ret->fn(ret);
	return 0;
}

static const struct file_operations mhca_return_fops = {
	.owner = THIS_MODULE,
	.release = mhca_return_release,
};

/**
 * mhca_work_at_return() - &struct mhca_vmm_ops.at_return
 * @vmm: device
 * @ret: what to do
 *
 * What a module can use of task_work: the last fput() of a task is done when it returns to
 * user mode, or ends; that of a kernel thread by a work item.
 * Return: 0 or a negative errno.
 */
int mhca_work_at_return(void *vmm, struct mhca_return *ret)
{
	struct file *file = anon_inode_getfile("[mhca-unmap]", &mhca_return_fops, ret, O_RDONLY);

	if (IS_ERR(file))
		return PTR_ERR(file);
	fput(file);
	return 0;
}

/* ---- Starting and stopping ------------------------------------------------------- */

/**
 * mhca_work_init() - prepare a device; nothing runs yet
 * @v: device
 *
 * Return: 0 or -ENOMEM.
 */
int mhca_work_init(struct mhca_vdev *v)
{
	spin_lock_init(&v->state_lock);
	INIT_DELAYED_WORK(&v->watch, mhca_work_watch);
	INIT_WORK(&v->revoke_work, mhca_device_revoke_run);
	INIT_WORK(&v->unpin_work, mhca_work_unpin_run);
	INIT_WORK(&v->zap_work, mhca_region_zap_run);
	/* Who needs memory may be waiting for pages to be unpinned. */
	v->side = alloc_workqueue("mhca-%.13s", WQ_UNBOUND | WQ_MEM_RECLAIM, 0,
				  dev_name(v->dev));
	return v->side ? 0 : -ENOMEM;
}

/**
 * mhca_work_fini() - free the work queue
 * @v: device that is closed: stopped, and no UAR is left to ask for a zap
 *
 * Before the instance goes.
 */
void mhca_work_fini(struct mhca_vdev *v)
{
	destroy_workqueue(v->side);
}

/**
 * mhca_work_start() - let commands be executed
 * @v: device, v->lock held
 *
 * Not those of a device that was revoked.
 */
void mhca_work_start(struct mhca_vdev *v)
{
	struct mhca_open *open = v->open;

	lockdep_assert_held(&v->lock);

	spin_lock_irq(&v->state_lock);
	if (!open->revoked) {
		WRITE_ONCE(v->running, true);
		if (v->kicked)
			kthread_queue_work(open->worker, &open->work);
		kthread_queue_delayed_work(open->worker, &open->tick, MHCA_TICK);
		queue_delayed_work(v->side, &v->watch, MHCA_WATCH);
	}
	v->kicked = false;
	spin_unlock_irq(&v->state_lock);
}

/**
 * mhca_work_halt() - nothing new begins, and the command that runs ends soon
 * @v: open device, v->state_lock held
 */
void mhca_work_halt(struct mhca_vdev *v)
{
	lockdep_assert_held(&v->state_lock);

	WRITE_ONCE(v->running, false);
	v->kicked = false;
	mhca_work_interrupt(v->open);
}

/**
 * mhca_work_stop() - on return nothing runs and nothing will
 * @v: open device, v->lock held
 *
 * Waits for one command, which gets no more of the monitor's memory.
 */
void mhca_work_stop(struct mhca_vdev *v)
{
	struct mhca_open *open = v->open;

	lockdep_assert_held(&v->lock);

	spin_lock_irq(&v->state_lock);
	mhca_work_halt(v);
	spin_unlock_irq(&v->state_lock);
	kthread_cancel_work_sync(&open->work);
	kthread_cancel_delayed_work_sync(&open->tick);
	cancel_delayed_work_sync(&v->watch);
}
