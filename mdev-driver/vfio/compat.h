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
#include <linux/mm.h>
#include <linux/shmem_fs.h>
#include <linux/vfio.h>

#ifndef VM_ALLOW_ANY_UNCACHED
#define VM_ALLOW_ANY_UNCACHED	0
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

/* Up to 6.1 the last line of .release; later the core does it. */
static inline void mhca_free_device(struct vfio_device *vdev)
{
#ifndef MHCA_HAVE_FREES_DEVICE
	vfio_free_device(vdev);
#endif
}

/*
 * What unmap_mapping_range() works on. A device has its own inode since 6.10.
 * Before that all VFIO files share the anonymous inode, so that mappings are
 * moved to a private file, which then has to keep the device alive itself.
 */
#ifdef MHCA_HAVE_DEVICE_INODE
#define MHCA_PRIVATE_MAPPING	0

static inline struct file *mhca_mapping_file(void)
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
#define MHCA_PRIVATE_MAPPING	1

static inline struct file *mhca_mapping_file(void)
{
	return shmem_file_setup("mhca-doorbells", 0, VM_NORESERVE);
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
