// SPDX-License-Identifier: GPL-2.0-only
/*
 * Interrupts: MSI-X vectors, ERR and REQ as eventfds.
 *
 * The monitor owns the MSI-X table and changes eventfds one vector at a time,
 * also to mask. A vector raised while it has none is remembered and signalled
 * when one is installed, so that no interrupt is lost around a mask.
 */
#include <linux/rcupdate.h>
#include <linux/slab.h>

#include "compat.h"
#include "frontend.h"

static void mhca_trigger_free(struct rcu_head *rcu)
{
	struct mhca_trigger *trigger = container_of(rcu, struct mhca_trigger, rcu);

	eventfd_ctx_put(trigger->ctx);
	kfree(trigger);
}

static struct mhca_trigger *mhca_trigger_get(int fd)
{
	struct mhca_trigger *trigger = kzalloc(sizeof(*trigger), GFP_KERNEL_ACCOUNT);
	int ret;

	if (!trigger)
		return ERR_PTR(-ENOMEM);
	trigger->ctx = eventfd_ctx_fdget(fd);
	if (IS_ERR(trigger->ctx)) {
		ret = PTR_ERR(trigger->ctx);
		kfree(trigger);
		return ERR_PTR(ret);
	}
	return trigger;
}

/* Put @trigger (NULL: nothing) in place of what @slot has. */
static void mhca_trigger_set(struct mhca_irqs *irqs, struct mhca_trigger __rcu **slot,
			     struct mhca_trigger *trigger)
{
	struct mhca_trigger *old;

	old = rcu_replace_pointer(*slot, trigger, lockdep_is_held(&irqs->lock));
	if (old)
		call_rcu(&old->rcu, mhca_trigger_free);
}

static bool mhca_trigger_signal(struct mhca_trigger __rcu **slot)
{
	struct mhca_trigger *trigger;

	rcu_read_lock();
	trigger = rcu_dereference(*slot);
	if (trigger)
		mhca_eventfd_signal(trigger->ctx);
	rcu_read_unlock();
	return trigger;
}

/* Signal a vector that was raised while it had no eventfd. */
static void mhca_irq_deliver_pending(struct mhca_irqs *irqs, u32 vector)
{
	/* Pairs with the one in mhca_irq_raise(): one of the two sees both. */
	smp_mb();
	if (rcu_access_pointer(irqs->msix[vector]) &&
	    test_and_clear_bit(vector, irqs->pending))
		if (!mhca_trigger_signal(&irqs->msix[vector]))
			set_bit(vector, irqs->pending);
}

/**
 * mhca_irq_raise() - &struct mhca_vmm_ops.raise
 * @vmm: device
 * @vector: MSI-X vector
 *
 * Any context.
 */
void mhca_irq_raise(void *vmm, u32 vector)
{
	struct mhca_vdev *v = vmm;
	struct mhca_irqs *irqs = &v->irqs;

	if (WARN_ON_ONCE(vector >= MHCA_MSIX_VECTORS))
		return;
	trace_mhca_interrupt(v->inst->id.name, vector);
	if (mhca_trigger_signal(&irqs->msix[vector]))
		return;
	set_bit(vector, irqs->pending);
	mhca_irq_deliver_pending(irqs, vector);
}

/**
 * mhca_irq_request() - ask the monitor to release the device
 * @v: device
 *
 * Return: it has said where to ask.
 */
bool mhca_irq_request(struct mhca_vdev *v)
{
	return mhca_trigger_signal(&v->irqs.req);
}

/**
 * mhca_irq_forget() - a reset: nothing is pending any more
 * @v: device
 */
void mhca_irq_forget(struct mhca_vdev *v)
{
	bitmap_zero(v->irqs.pending, MHCA_MSIX_VECTORS);
}

/**
 * mhca_irq_init() - prepare
 * @v: device
 */
void mhca_irq_init(struct mhca_vdev *v)
{
	mutex_init(&v->irqs.lock);
}

/**
 * mhca_irq_disable() - remove all eventfds
 * @v: device
 */
void mhca_irq_disable(struct mhca_vdev *v)
{
	struct mhca_irqs *irqs = &v->irqs;
	u32 i;

	mutex_lock(&irqs->lock);
	for (i = 0; i < MHCA_MSIX_VECTORS; i++)
		mhca_trigger_set(irqs, &irqs->msix[i], NULL);
	mhca_trigger_set(irqs, &irqs->err, NULL);
	mhca_trigger_set(irqs, &irqs->req, NULL);
	mutex_unlock(&irqs->lock);
	mhca_irq_forget(v);
}

/**
 * mhca_irq_count() - how many interrupts an index has
 * @index: VFIO_PCI_*_IRQ_INDEX
 *
 * Return: the number; 0: the device has none of that kind.
 */
u32 mhca_irq_count(u32 index)
{
	switch (index) {
	case VFIO_PCI_MSIX_IRQ_INDEX:
		return MHCA_MSIX_VECTORS;
	case VFIO_PCI_ERR_IRQ_INDEX:
	case VFIO_PCI_REQ_IRQ_INDEX:
		return 1;
	default:
		return 0;
	}
}

/**
 * mhca_irq_info() - VFIO_DEVICE_GET_IRQ_INFO
 * @info: index in, the rest out
 *
 * Return: 0 or -EINVAL.
 */
int mhca_irq_info(struct vfio_irq_info *info)
{
	info->count = mhca_irq_count(info->index);
	if (!info->count)
		return -EINVAL;
	info->flags = VFIO_IRQ_INFO_EVENTFD;
	/* MSI-X without NORESIZE: vectors come and go one by one. */
	if (info->index != VFIO_PCI_MSIX_IRQ_INDEX)
		info->flags |= VFIO_IRQ_INFO_NORESIZE;
	return 0;
}

/* Install @count eventfds (-1: none) from slot[0] on; all or nothing. */
static int mhca_irq_install(struct mhca_irqs *irqs, struct mhca_trigger __rcu **slot,
			    const s32 *fds, u32 count)
{
	struct mhca_trigger **triggers;
	int ret = 0;
	u32 i;

	triggers = kcalloc(count, sizeof(*triggers), GFP_KERNEL);
	if (!triggers)
		return -ENOMEM;
	for (i = 0; i < count; i++) {
		if (fds[i] < 0)
			continue;
		triggers[i] = mhca_trigger_get(fds[i]);
		if (IS_ERR(triggers[i])) {
			ret = PTR_ERR(triggers[i]);
			triggers[i] = NULL;
			goto err_put;
		}
	}
	for (i = 0; i < count; i++)
		mhca_trigger_set(irqs, &slot[i], triggers[i]);
	kfree(triggers);
	return 0;

err_put:
	while (i--) {
		if (!triggers[i])
			continue;
		eventfd_ctx_put(triggers[i]->ctx);
		kfree(triggers[i]);
	}
	kfree(triggers);
	return ret;
}

/* Signal by hand: all of them, or those whose byte is not zero. */
static void mhca_irq_test(struct mhca_trigger __rcu **slot, const u8 *bools, u32 count)
{
	u32 i;

	for (i = 0; i < count; i++)
		if (!bools || bools[i])
			mhca_trigger_signal(&slot[i]);
}

static struct mhca_trigger __rcu **mhca_irq_slots(struct mhca_irqs *irqs, u32 index)
{
	switch (index) {
	case VFIO_PCI_MSIX_IRQ_INDEX:
		return irqs->msix;
	case VFIO_PCI_ERR_IRQ_INDEX:
		return &irqs->err;
	default:
		return &irqs->req;
	}
}

/**
 * mhca_irq_set() - VFIO_DEVICE_SET_IRQS
 * @v: device
 * @hdr: validated: the range is within mhca_irq_count()
 * @data: eventfds or bytes, or NULL
 *
 * Return: 0, -ENOTTY for an action that does not exist, or an eventfd's error.
 */
int mhca_irq_set(struct mhca_vdev *v, const struct vfio_irq_set *hdr, const void *data)
{
	struct mhca_irqs *irqs = &v->irqs;
	struct mhca_trigger __rcu **slot;
	int ret = 0;
	u32 i;

	if ((hdr->flags & VFIO_IRQ_SET_ACTION_TYPE_MASK) != VFIO_IRQ_SET_ACTION_TRIGGER)
		return -ENOTTY;

	mutex_lock(&irqs->lock);
	slot = mhca_irq_slots(irqs, hdr->index);
	switch (hdr->flags & VFIO_IRQ_SET_DATA_TYPE_MASK) {
	case VFIO_IRQ_SET_DATA_NONE:
		if (hdr->count)
			mhca_irq_test(slot + hdr->start, NULL, hdr->count);
		else
			for (i = 0; i < mhca_irq_count(hdr->index); i++)
				mhca_trigger_set(irqs, &slot[i], NULL);
		break;
	case VFIO_IRQ_SET_DATA_BOOL:
		mhca_irq_test(slot + hdr->start, data, hdr->count);
		break;
	case VFIO_IRQ_SET_DATA_EVENTFD:
		ret = mhca_irq_install(irqs, slot + hdr->start, data, hdr->count);
		break;
	default:
		ret = -EINVAL;
	}
	if (!ret && hdr->index == VFIO_PCI_MSIX_IRQ_INDEX)
		for (i = hdr->start; i < hdr->start + hdr->count; i++)
			mhca_irq_deliver_pending(irqs, i);
	mutex_unlock(&irqs->lock);
	return ret;
}
