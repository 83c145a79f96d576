/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The only door to the kernel for pure code (prm/ and the pure part of soft/).
 *
 * The user-space build puts a header of the same name before this one on its
 * include path (mdev-driver/user/mhca/kernel.h) and compiles the same .c files.
 * Whatever is added here has to be added there: keep the list short.
 */
#ifndef MHCA_KERNEL_H
#define MHCA_KERNEL_H

#include <linux/atomic.h>
#include <linux/bitops.h>
#include <linux/build_bug.h>
#include <linux/crc32.h>
#include <linux/delay.h>
#include <linux/errno.h>
#include <linux/export.h>
#include <linux/interval_tree.h>
#include <linux/kernel.h>
#include <linux/ktime.h>
#include <linux/list.h>
#include <linux/lockdep.h>
#include <linux/math64.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/overflow.h>
#include <linux/pci_ids.h>
#include <linux/pci_regs.h>
#include <linux/printk.h>
#include <linux/random.h>
#include <linux/ratelimit.h>
#include <linux/sched.h>
#include <linux/siphash.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/srcu.h>
#include <linux/string.h>
#include <linux/types.h>
#include <linux/xarray.h>

#ifdef MHCA_HAVE_LINUX_UNALIGNED
#include <linux/unaligned.h>
#else
#include <asm/unaligned.h>
#endif

#include <net/checksum.h>

#include <linux/mlx5/device.h>
#include <linux/mlx5/qp.h>
#include <linux/mlx5/cq.h>

#include <mhca/trace.h>

#include <mhca/fail.h>

#endif /* MHCA_KERNEL_H */
