/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Kernel differences between 6.1 and the newest, in one place. features.mk asks the
 * headers what they have (MHCA_HAVE_*).
 */
#ifndef MHCA_VFIO_COMPAT_H
#define MHCA_VFIO_COMPAT_H

#include <linux/err.h>
#include <linux/eventfd.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/kthread.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/shmem_fs.h>
#include <linux/vfio.h>

#ifndef VM_ALLOW_ANY_UNCACHED
#define VM_ALLOW_ANY_UNCACHED	0
#endif

/* Since 6.14 kthread_create_worker() leaves it to this to wake the thread. */
#ifndef kthread_run_worker
#define kthread_run_worker	kthread_create_worker
#endif

#ifdef MHCA_HAVE_EVENTFD_SIGNAL_1
#define mhca_eventfd_signal(ctx)	eventfd_signal(ctx)
#else
#define mhca_eventfd_signal(ctx)	eventfd_signal(ctx, 1)
#endif

static inline void mhca_vm_flags_set(struct vm_area_struct *vma, vm_flags_t flags)
{
#ifdef MHCA_HAVE_VM_FLAGS_SET
	vm_flags_set(vma, flags);
#else
	vma->vm_flags |= flags;
#endif
}

/* Pins go through iommufd, not through type 1. */
static inline bool mhca_uses_iommufd(const struct vfio_device *vdev)
{
#if IS_ENABLED(CONFIG_IOMMUFD) && defined(MHCA_HAVE_IOMMUFD_OPS)
	return vdev->iommufd_access;
#else
	return false;
#endif
}

/* Up to 6.1 the last line of .release; later the core does it. */
static inline void mhca_free_device(struct vfio_device *vdev)
{
#ifndef MHCA_HAVE_FREES_DEVICE
	vfio_free_device(vdev);
#endif
}

/*
 * What unmap_mapping_range() works on. A device has its own inode since 6.10, and a VMA
 * holds the device's file: it is gone when the device is closed. Before that all VFIO
 * files share the anonymous inode, so that mappings are moved to a private file, and a
 * VMA may stay when the device is closed. The file then holds what such a VMA uses: the
 * opening, and the module. Both are let go by the core's last fput().
 */
#ifdef MHCA_HAVE_DEVICE_INODE
static inline struct file *mhca_mapping_file(const struct file_operations *fops, void *data)
{
	return NULL;
}

static inline struct address_space *mhca_mapping(struct vfio_device *vdev,
						 struct file *file)
{
	return vdev->inode->i_mapping;
}

static inline void mhca_vma_set_file(struct vm_area_struct *vma, struct file *file)
{
}
#else
/* @fops has an owner, whose code is running. */
static inline struct file *mhca_mapping_file(const struct file_operations *fops, void *data)
{
	struct file *file = shmem_file_setup("mhca-doorbells", 0, VM_NORESERVE);

	if (IS_ERR(file))
		return file;
	__module_get(fops->owner);
	replace_fops(file, fops);
	file->private_data = data;
	return file;
}

static inline struct address_space *mhca_mapping(struct vfio_device *vdev,
						 struct file *file)
{
	return file->f_mapping;
}

static inline void mhca_vma_set_file(struct vm_area_struct *vma, struct file *file)
{
	vma_set_file(vma, file);
}
#endif

#endif /* MHCA_VFIO_COMPAT_H */
