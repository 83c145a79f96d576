// SPDX-License-Identifier: GPL-2.0-only
/*
 * Threads beside the one of the socket: commands with the once-a-second tick, so that
 * neither runs twice or beside the other; and unpinning, which must not stand behind a
 * command.
 */
#define _GNU_SOURCE
#include <time.h>

#include "server.h"

#define MHCAD_TICK_S	1
#define MHCAD_RETURNS	16	/* an unmap needs one */

/* ---- Back in user mode --------------------------------------------------- */

/* What is to be done when a message has been served: in the kernel, at a task's return. */
static __thread struct mhca_return *returns[MHCAD_RETURNS];
static __thread u32 n_returns;

/**
 * mhcad_work_at_return() - &struct mhca_vmm_ops.at_return
 * @vmm: device
 * @ret: what to do
 *
 * Return: 0; -ENOMEM: it will not be done.
 */
int mhcad_work_at_return(void *vmm, struct mhca_return *ret)
{
	(void)vmm;
	if (n_returns == MHCAD_RETURNS)
		return -ENOMEM;
	returns[n_returns++] = ret;
	return 0;
}

/**
 * mhcad_work_return() - a message has been served
 */
void mhcad_work_return(void)
{
	struct mhca_return *ret;

	while (n_returns) {
		ret = returns[--n_returns];
		ret->fn(ret);
	}
}

/* ---- Asking --------------------------------------------------------------- */

/**
 * mhcad_work_kick() - &struct mhca_vmm_ops.kick
 * @vmm: device
 *
 * Any context. One that meets a stopped device is remembered.
 */
void mhcad_work_kick(void *vmm)
{
	struct mhcad_work *work = &((struct mhcad_device *)vmm)->work;

	pthread_mutex_lock(&work->lock);
	work->kicked = true;
	pthread_cond_signal(&work->wake);
	pthread_mutex_unlock(&work->lock);
}

/**
 * mhcad_work_unpin() - &struct mhca_vmm_ops.unpin_work
 * @vmm: device
 */
void mhcad_work_unpin(void *vmm)
{
	struct mhcad_work *work = &((struct mhcad_device *)vmm)->work;

	pthread_mutex_lock(&work->lock);
	work->unpin = true;
	pthread_cond_signal(&work->wanted);
	pthread_mutex_unlock(&work->lock);
}

/**
 * mhcad_work_zap() - have the zap of a page that is not mapped confirmed
 * @dev: device
 * @index: UAR index
 *
 * Any context.
 */
void mhcad_work_zap(struct mhcad_device *dev, u32 index)
{
	struct mhcad_work *work = &dev->work;

	pthread_mutex_lock(&work->lock);
	set_bit(index, work->zaps);
	work->zapped = true;
	pthread_cond_signal(&work->wake);
	pthread_mutex_unlock(&work->lock);
}

/* ---- The threads ------------------------------------------------------------ */

static void mhcad_tick_after(struct timespec *tick)
{
	clock_gettime(CLOCK_MONOTONIC, tick);
	tick->tv_sec += MHCAD_TICK_S;
}

/* work->lock, dropped meanwhile. */
static void mhcad_work_run(struct mhcad_device *dev, void (*fn)(struct mhca_instance *inst))
{
	struct mhcad_work *work = &dev->work;

	work->busy = true;
	pthread_mutex_unlock(&work->lock);
	fn(dev->inst);
	pthread_mutex_lock(&work->lock);
	work->busy = false;
	pthread_cond_signal(&work->idle);
}

/*
 * A lane looks at idle pages rarely, and a command may end what was rung a moment before: a
 * program posts, does not wait, and destroys its QP. So that is seen to first.
 */
static void mhcad_command_run(struct mhca_instance *inst)
{
	inst->hca->ops->look(inst);
	mhca_prm_work(inst);
}

static void *mhcad_command_loop(void *arg)
{
	struct mhcad_device *dev = arg;
	struct mhcad_work *work = &dev->work;
	struct timespec tick;
	int late;

	mhcad_tick_after(&tick);
	pthread_mutex_lock(&work->lock);
	while (!work->stop) {
		late = 0;
		if (work->zapped) {
			work->zapped = false;
			pthread_mutex_unlock(&work->lock);
			mhcad_region_zap_run(dev);
			pthread_mutex_lock(&work->lock);
		} else if (work->running && work->kicked) {
			work->kicked = false;
			mhcad_work_run(dev, mhcad_command_run);
		} else if (work->running) {
			late = pthread_cond_timedwait(&work->wake, &work->lock, &tick);
		} else {
			pthread_cond_wait(&work->wake, &work->lock);
		}
		if (late && work->running) {
			mhcad_work_run(dev, mhca_instance_tick);
			mhcad_tick_after(&tick);
		}
	}
	pthread_mutex_unlock(&work->lock);
	return NULL;
}

static void *mhcad_unpin_loop(void *arg)
{
	struct mhcad_device *dev = arg;
	struct mhcad_work *work = &dev->work;

	pthread_mutex_lock(&work->lock);
	while (!work->stop) {
		if (!work->unpin) {
			pthread_cond_wait(&work->wanted, &work->lock);
			continue;
		}
		work->unpin = false;
		pthread_mutex_unlock(&work->lock);
		mhca_instance_unpin(dev->inst);
		pthread_mutex_lock(&work->lock);
	}
	pthread_mutex_unlock(&work->lock);
	return NULL;
}

/* ---- Starting and stopping --------------------------------------------------- */

/**
 * mhcad_work_init() - start the threads; nothing is executed yet
 * @dev: device with its instance
 *
 * Return: 0 or a negative errno.
 */
int mhcad_work_init(struct mhcad_device *dev)
{
	struct mhcad_work *work = &dev->work;
	pthread_condattr_t attr;
	int ret;

	pthread_mutex_init(&work->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&work->wake, &attr);
	pthread_cond_init(&work->idle, &attr);
	pthread_cond_init(&work->wanted, &attr);
	pthread_condattr_destroy(&attr);
	ret = pthread_create(&work->command, NULL, mhcad_command_loop, dev);
	if (ret)
		return -ret;
	pthread_setname_np(work->command, "mhca-command");
	ret = pthread_create(&work->unpinner, NULL, mhcad_unpin_loop, dev);
	if (ret) {
		pthread_mutex_lock(&work->lock);
		work->stop = true;
		pthread_cond_signal(&work->wake);
		pthread_mutex_unlock(&work->lock);
		pthread_join(work->command, NULL);
		return -ret;
	}
	pthread_setname_np(work->unpinner, "mhca-unpin");
	return 0;
}

/**
 * mhcad_work_fini() - end the threads
 * @dev: device that is stopped and reset
 */
void mhcad_work_fini(struct mhcad_device *dev)
{
	struct mhcad_work *work = &dev->work;

	pthread_mutex_lock(&work->lock);
	work->stop = true;
	pthread_cond_signal(&work->wake);
	pthread_cond_signal(&work->wanted);
	pthread_mutex_unlock(&work->lock);
	pthread_join(work->command, NULL);
	pthread_join(work->unpinner, NULL);
	pthread_cond_destroy(&work->wanted);
	pthread_cond_destroy(&work->idle);
	pthread_cond_destroy(&work->wake);
	pthread_mutex_destroy(&work->lock);
}

/**
 * mhcad_work_start() - let commands be executed
 * @dev: device, dev->lock held
 */
void mhcad_work_start(struct mhcad_device *dev)
{
	struct mhcad_work *work = &dev->work;

	lockdep_assert_held(&dev->lock);
	pthread_mutex_lock(&work->lock);
	WRITE_ONCE(work->running, true);
	pthread_cond_signal(&work->wake);
	pthread_mutex_unlock(&work->lock);
}

/**
 * mhcad_work_stop() - on return nothing is executed and nothing will be
 * @dev: device, dev->lock held
 *
 * Waits for one command, which gets no more of the guest's memory.
 */
void mhcad_work_stop(struct mhcad_device *dev)
{
	struct mhcad_work *work = &dev->work;

	lockdep_assert_held(&dev->lock);
	pthread_mutex_lock(&work->lock);
	WRITE_ONCE(work->running, false);
	work->kicked = false;
	while (work->busy)
		pthread_cond_wait(&work->idle, &work->lock);
	pthread_mutex_unlock(&work->lock);
}
