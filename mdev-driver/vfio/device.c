// SPDX-License-Identifier: GPL-2.0-only
/*
 * The device as the monitor's VFIO file descriptor shows it.
 *
 * A reset (ioctl, FLR, open, close) stops the work, has the core drop everything
 * the guest made, and starts again from configuration defaults.
 */
#include <linux/capability.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "compat.h"
#include "frontend.h"

const struct mhca_vmm_ops mhca_frontend_ops = {
	.pin = mhca_memory_pin,
	.unpin = mhca_memory_unpin,
	.read = mhca_memory_read,
	.write = mhca_memory_write,
	.raise = mhca_irq_raise,
	.kick = mhca_work_kick,
	.unpin_work = mhca_work_unpin,
	.at_return = mhca_work_at_return,
	.zap = mhca_region_zap,
	.zap_async = mhca_region_zap_async,
};

/* ---- Life cycle ------------------------------------------------------- */

/* v->lock held, work stopped: back to power-on state. */
static void mhca_device_clear(struct mhca_vdev *v)
{
	lockdep_assert_held(&v->lock);

	mhca_instance_reset(v->inst);
	mhca_migration_reset(v);
	mhca_config_reset(v);
	mhca_region_clear(v);
	mhca_irq_forget(v);
}

/**
 * mhca_device_reset() - function-level reset of an open device
 * @v: device, v->lock held
 */
void mhca_device_reset(struct mhca_vdev *v)
{
	lockdep_assert_held(&v->lock);

	mhca_work_stop(v);
	mhca_device_clear(v);
	mhca_work_start(v);
}

static void mhca_device_set_open(struct mhca_vdev *v, struct mhca_open *open)
{
	lockdep_assert_held(&v->lock);

	/* What policy allows to change depends on it. */
	mutex_lock(&v->policy_lock);
	spin_lock_irq(&v->state_lock);
	WRITE_ONCE(v->open, open);
	spin_unlock_irq(&v->state_lock);
	mutex_unlock(&v->policy_lock);
}

/**
 * mhca_device_revoke() - begin to take the device away from its user
 * @v: device
 *
 * VFIO cannot take back a file descriptor, so the user keeps a dead device: it holds
 * no guest memory, executes nothing, and reads as all ones, as a function does that was
 * pulled out. When he closes it, it is as new.
 *
 * Waits for nothing: it is dead at once, and lets go of what it holds by and by.
 * Return: false: nobody has it open.
 */
bool mhca_device_revoke(struct mhca_vdev *v)
{
	bool open;

	spin_lock_irq(&v->state_lock);
	open = v->open;
	if (open) {
		WRITE_ONCE(v->open->revoked, true);
		mhca_work_halt(v);
	}
	spin_unlock_irq(&v->state_lock);
	if (open)
		queue_work(v->side, &v->revoke_work);
	return open;
}

/* Revoked, and holds something still. */
static bool mhca_device_dying(struct mhca_vdev *v)
{
	bool dying;

	spin_lock_irq(&v->state_lock);
	dying = v->open && v->open->revoked && !v->open->cleared;
	spin_unlock_irq(&v->state_lock);
	return dying;
}

/**
 * mhca_device_revoke_wait() - until a device that was revoked holds nothing
 * @v: device; referenced
 *
 * Return: 0, or -ERESTARTSYS: the caller is being killed.
 */
int mhca_device_revoke_wait(struct mhca_vdev *v)
{
	return wait_var_event_killable(&v->revoke_work, !mhca_device_dying(v));
}

/**
 * mhca_device_revoke_run() - the part of a revocation that takes its time
 * @work: of a device
 */
void mhca_device_revoke_run(struct work_struct *work)
{
	struct mhca_vdev *v = container_of(work, struct mhca_vdev, revoke_work);

	mutex_lock(&v->lock);
	/* It may have been closed meanwhile, and opened by somebody else. */
	if (mhca_device_dying(v)) {
		mhca_work_stop(v);
		mhca_device_clear(v);
		spin_lock_irq(&v->state_lock);
		v->open->cleared = true;
		spin_unlock_irq(&v->state_lock);
		dev_notice(v->dev, "revoked: its user has a dead device\n");
	}
	mutex_unlock(&v->lock);
	mhca_irq_request(v);
	wake_up_var(&v->revoke_work);
}

static int mhca_device_open(struct vfio_device *vdev)
{
	struct mhca_vdev *v = to_mhca_vdev(vdev);
	struct mhca_open *open;

	/* The backend must not go away under a guest: rmmod says "in use". */
	if (!try_module_get(v->parent->owner))
		return -ENODEV;
	open = mhca_open_create(v);
	if (IS_ERR(open)) {
		module_put(v->parent->owner);
		return PTR_ERR(open);
	}

	mutex_lock(&v->lock);
	/* First: what policy allows while it is open is no part of what a reset looks at. */
	mhca_device_set_open(v, open);
	mhca_device_clear(v);
	mhca_work_start(v);
	mutex_unlock(&v->lock);
	return 0;
}

static void mhca_device_close(struct vfio_device *vdev)
{
	struct mhca_vdev *v = to_mhca_vdev(vdev);
	struct mhca_open *open;

	mutex_lock(&v->lock);
	open = v->open;
	mhca_work_stop(v);
	mhca_region_retire(open);
	mhca_device_clear(v);
	mhca_irq_disable(v);
	WARN_ON(atomic64_read(&v->inst->gmem.pinned));
	mhca_device_set_open(v, NULL);
	mutex_unlock(&v->lock);
	mhca_open_end(open);
	module_put(v->parent->owner);
}

static int mhca_device_init(struct vfio_device *vdev)
{
	struct mhca_vdev *v = to_mhca_vdev(vdev);

	v->dev = vdev->dev;
	mutex_init(&v->lock);
	mutex_init(&v->policy_lock);
	mhca_irq_init(v);
	v->bar = ~0ULL;
	mhca_migration_init(v);
	return 0;
}

static void mhca_device_release(struct vfio_device *vdev)
{
	mhca_free_device(vdev);
}

static void mhca_device_request(struct vfio_device *vdev, unsigned int count)
{
	struct mhca_vdev *v = to_mhca_vdev(vdev);

	if (!mhca_irq_request(v) && !count)
		dev_notice(v->dev, "in use and its user takes no requests: waiting until it closes\n");
}

/*
 * Type 1 asks again when something is left, and has a lock of the container meanwhile.
 * iommufd holds nothing that an unpin takes, and forgets a pin that is left by a detach.
 */
static void mhca_device_dma_unmap(struct vfio_device *vdev, u64 iova, u64 len)
{
	bool done;

	do
		done = mhca_instance_dma_unmap(to_mhca_vdev(vdev)->inst, iova, len);
	while (!done && mhca_uses_iommufd(vdev));
}

/* ---- ioctls ----------------------------------------------------------- */

static long mhca_ioctl_info(unsigned long arg)
{
	unsigned long minsz = offsetofend(struct vfio_device_info, num_irqs);
	struct vfio_device_info info;

	if (copy_from_user(&info, (void __user *)arg, minsz))
		return -EFAULT;
	if (info.argsz < minsz)
		return -EINVAL;
	info.flags = VFIO_DEVICE_FLAGS_PCI | VFIO_DEVICE_FLAGS_RESET;
	info.num_regions = VFIO_PCI_NUM_REGIONS;
	info.num_irqs = VFIO_PCI_NUM_IRQS;
	return copy_to_user((void __user *)arg, &info, minsz) ? -EFAULT : 0;
}

#ifndef MHCA_HAVE_REGION_INFO_CAPS
/* Newer cores do this part and call mhca_region_info() themselves. */
static long mhca_ioctl_region_info(struct mhca_vdev *v, unsigned long arg)
{
	unsigned long minsz = offsetofend(struct vfio_region_info, offset);
	struct vfio_info_cap caps = { };
	struct vfio_region_info info = { };
	long ret;

	if (copy_from_user(&info, (void __user *)arg, minsz))
		return -EFAULT;
	if (info.argsz < minsz)
		return -EINVAL;
	info.cap_offset = 0;
	ret = mhca_region_info(&v->vdev, &info, &caps);
	if (ret)
		return ret;
	if (caps.size) {
		info.flags |= VFIO_REGION_INFO_FLAG_CAPS;
		if (info.argsz < sizeof(info) + caps.size) {
			info.argsz = sizeof(info) + caps.size;
		} else {
			vfio_info_cap_shift(&caps, sizeof(info));
			if (copy_to_user((void __user *)arg + sizeof(info), caps.buf, caps.size))
				ret = -EFAULT;
			info.cap_offset = sizeof(info);
		}
		kfree(caps.buf);
	}
	if (!ret && copy_to_user((void __user *)arg, &info, minsz))
		ret = -EFAULT;
	return ret;
}
#endif

static long mhca_ioctl_irq_info(unsigned long arg)
{
	unsigned long minsz = offsetofend(struct vfio_irq_info, count);
	struct vfio_irq_info info;
	int ret;

	if (copy_from_user(&info, (void __user *)arg, minsz))
		return -EFAULT;
	if (info.argsz < minsz)
		return -EINVAL;
	ret = mhca_irq_info(&info);
	if (ret)
		return ret;
	return copy_to_user((void __user *)arg, &info, minsz) ? -EFAULT : 0;
}

static long mhca_ioctl_set_irqs(struct mhca_vdev *v, unsigned long arg)
{
	unsigned long minsz = offsetofend(struct vfio_irq_set, count);
	struct vfio_irq_set hdr;
	void *data = NULL;
	size_t size;
	long ret;

	if (copy_from_user(&hdr, (void __user *)arg, minsz))
		return -EFAULT;
	ret = vfio_set_irqs_validate_and_prepare(&hdr, mhca_irq_count(hdr.index),
						 VFIO_PCI_NUM_IRQS, &size);
	if (ret)
		return ret;
	if (size) {
		data = memdup_user((void __user *)(arg + minsz), size);
		if (IS_ERR(data))
			return PTR_ERR(data);
	}
	ret = mhca_irq_set(v, &hdr, data);
	kfree(data);
	return ret;
}

static long mhca_device_ioctl(struct vfio_device *vdev, unsigned int cmd, unsigned long arg)
{
	struct mhca_vdev *v = to_mhca_vdev(vdev);
	long ret;

	switch (cmd) {
	case VFIO_DEVICE_GET_INFO:
		return mhca_ioctl_info(arg);
#ifndef MHCA_HAVE_REGION_INFO_CAPS
	case VFIO_DEVICE_GET_REGION_INFO:
		return mhca_ioctl_region_info(v, arg);
#endif
	case VFIO_DEVICE_GET_IRQ_INFO:
		return mhca_ioctl_irq_info(arg);
	case VFIO_DEVICE_SET_IRQS:
		return mhca_ioctl_set_irqs(v, arg);
	case VFIO_DEVICE_RESET:
		if (mutex_lock_killable(&v->lock))
			return -EINTR;
		ret = v->open->revoked ? -EIO : 0;
		if (!ret)
			mhca_device_reset(v);
		mutex_unlock(&v->lock);
		return ret;
	default:
		return -ENOTTY;
	}
}

/* ---- Regions ---------------------------------------------------------- */

static ssize_t mhca_device_read(struct vfio_device *vdev, char __user *buf, size_t count,
				loff_t *ppos)
{
	return mhca_region_read(to_mhca_vdev(vdev), buf, count, ppos);
}

static ssize_t mhca_device_write(struct vfio_device *vdev, const char __user *buf,
				 size_t count, loff_t *ppos)
{
	return mhca_region_write(to_mhca_vdev(vdev), buf, count, ppos);
}

static int mhca_device_mmap(struct vfio_device *vdev, struct vm_area_struct *vma)
{
	return mhca_region_mmap(to_mhca_vdev(vdev), vma);
}

const struct vfio_device_ops mhca_device_ops = {
	.name = "mhca",
	.init = mhca_device_init,
	.release = mhca_device_release,
#ifdef MHCA_HAVE_IOMMUFD_OPS
	.bind_iommufd = vfio_iommufd_emulated_bind,
	.unbind_iommufd = vfio_iommufd_emulated_unbind,
	.attach_ioas = vfio_iommufd_emulated_attach_ioas,
	.detach_ioas = vfio_iommufd_emulated_detach_ioas,
#endif
	.open_device = mhca_device_open,
	.close_device = mhca_device_close,
	.read = mhca_device_read,
	.write = mhca_device_write,
	.ioctl = mhca_device_ioctl,
#ifdef MHCA_HAVE_REGION_INFO_CAPS
	.get_region_info_caps = mhca_region_info,
#endif
	.mmap = mhca_device_mmap,
#ifndef MHCA_HAVE_MIG_DATA_SIZE
	.device_feature = mhca_migration_feature,
#endif
	.request = mhca_device_request,
	.dma_unmap = mhca_device_dma_unmap,
};
