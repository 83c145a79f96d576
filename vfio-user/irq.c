// SPDX-License-Identifier: GPL-2.0-only
/*
 * Interrupts: MSI-X vectors as eventfds of the client.
 *
 * A write to an eventfd whose counter is full waits, for as long as its owner likes, and
 * whether it does is his to say (O_NONBLOCK is the file's, not ours). A lane must not wait
 * for a client. What signals an eventfd without waiting is the completion of an
 * asynchronous read: of nothing, from /dev/null, which completes at once. It also refuses
 * what is no eventfd.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <linux/vfio.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "server.h"

#define MHCAD_AIO_EVENTS	16

static int null_fd = -1;
static pthread_key_t aio_key;
static __thread aio_context_t aio_context;
static __thread u32 aio_done;

static void mhcad_aio_end(void *context)
{
	syscall(SYS_io_destroy, (aio_context_t)context);
}

/* Signal @fd. 0 or a negative errno: it is no eventfd, or there is no memory. */
static int mhcad_signal(int fd)
{
	struct io_event events[MHCAD_AIO_EVENTS];
	struct iocb cb = {
		.aio_lio_opcode = IOCB_CMD_PREAD,
		.aio_fildes = (u32)null_fd,
		.aio_flags = IOCB_FLAG_RESFD,
		.aio_resfd = (u32)fd,
	};
	struct iocb *cbs = &cb;

	if (!aio_context) {
		if (syscall(SYS_io_setup, MHCAD_AIO_EVENTS, &aio_context))
			return -errno;
		pthread_setspecific(aio_key, (void *)aio_context);
	}
	if (syscall(SYS_io_submit, aio_context, 1, &cbs) != 1)
		return -errno;
	if (++aio_done == MHCAD_AIO_EVENTS) {
		aio_done = 0;
		syscall(SYS_io_getevents, aio_context, 0, MHCAD_AIO_EVENTS, events, NULL);
	}
	return 0;
}

/**
 * mhcad_irq_check() - can this kernel do it?
 *
 * Once, before anything else here. Return: 0 or a negative errno.
 */
int mhcad_irq_check(void)
{
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	u64 value = 0;
	int ret;

	if (fd < 0)
		return -errno;
	null_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	ret = null_fd < 0 ? -errno : -pthread_key_create(&aio_key, mhcad_aio_end);
	if (!ret)
		ret = mhcad_signal(fd);
	if (!ret && (read(fd, &value, sizeof(value)) != sizeof(value) || value != 1))
		ret = -EIO;
	close(fd);
	return ret;
}

/**
 * mhcad_irq_init() - prepare: no vector has an eventfd
 * @dev: device
 */
void mhcad_irq_init(struct mhcad_device *dev)
{
	u32 i;

	for (i = 0; i < MHCA_MSIX_VECTORS; i++)
		dev->irqs.msix[i] = -1;
}

/**
 * mhcad_irq_count() - how many interrupts an index has
 * @index: VFIO_PCI_*_IRQ_INDEX
 *
 * Return: the number.
 */
u32 mhcad_irq_count(u32 index)
{
	return index == VFIO_PCI_MSIX_IRQ_INDEX ? MHCA_MSIX_VECTORS : 0;
}

/* false: it has no eventfd. */
static bool mhcad_irq_signal(struct mhcad_device *dev, u32 vector)
{
	int fd;

	rcu_read_lock();
	fd = READ_ONCE(dev->irqs.msix[vector]);
	if (fd >= 0)
		mhcad_signal(fd);
	rcu_read_unlock();
	return fd >= 0;
}

static void mhcad_irq_deliver_pending(struct mhcad_device *dev, u32 vector)
{
	/* Pairs with the set_bit() of mhcad_irq_raise(): one of the two sees both. */
	smp_mb();
	if (READ_ONCE(dev->irqs.msix[vector]) >= 0 &&
	    test_and_clear_bit(vector, dev->irqs.pending) && !mhcad_irq_signal(dev, vector))
		set_bit(vector, dev->irqs.pending);
}

/**
 * mhcad_irq_raise() - &struct mhca_vmm_ops.raise
 * @vmm: device
 * @vector: MSI-X vector
 *
 * Any context, and never waits.
 */
void mhcad_irq_raise(void *vmm, u32 vector)
{
	struct mhcad_device *dev = vmm;

	if (WARN_ON_ONCE(vector >= MHCA_MSIX_VECTORS))
		return;
	if (mhcad_irq_signal(dev, vector))
		return;
	set_bit(vector, dev->irqs.pending);
	mhcad_irq_deliver_pending(dev, vector);
}

/**
 * mhcad_irq_set() - give a vector an eventfd
 * @dev: device; its thread
 * @vector: below MHCA_MSIX_VECTORS
 * @fd: taken over; -1: none. Signalled if the vector was raised meanwhile
 */
void mhcad_irq_set(struct mhcad_device *dev, u32 vector, int fd)
{
	int old = xchg(&dev->irqs.msix[vector], fd);

	if (old >= 0) {
		/* Somebody may be about to signal it. */
		synchronize_rcu();
		close(old);
	}
	mhcad_irq_deliver_pending(dev, vector);
}

/**
 * mhcad_irq_trigger() - signal by hand
 * @dev: device
 * @vector: below MHCA_MSIX_VECTORS; without an eventfd nothing happens
 */
void mhcad_irq_trigger(struct mhcad_device *dev, u32 vector)
{
	mhcad_irq_signal(dev, vector);
}

/**
 * mhcad_irq_forget() - a reset: nothing is pending any more
 * @dev: device
 */
void mhcad_irq_forget(struct mhcad_device *dev)
{
	memset(dev->irqs.pending, 0, sizeof(dev->irqs.pending));
}

/**
 * mhcad_irq_disable() - remove all eventfds
 * @dev: device; its thread
 */
void mhcad_irq_disable(struct mhcad_device *dev)
{
	u32 i;

	for (i = 0; i < MHCA_MSIX_VECTORS; i++)
		mhcad_irq_set(dev, i, -1);
	mhcad_irq_forget(dev);
}
