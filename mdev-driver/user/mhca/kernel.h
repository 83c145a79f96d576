/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * User-space replacement of mdev-driver/include/mhca/kernel.h: the same names,
 * so that prm/ and the pure part of soft/ compile unchanged. shim/control.h
 * has what tests may turn: allocation failures, the clock, checks.
 */
#ifndef MHCA_KERNEL_H
#define MHCA_KERNEL_H

#include <errno.h>

#include <linux/pci_ids.h>
#include <linux/pci_regs.h>
#include <linux/types.h>
#include <shim/core.h>
#include <shim/atomic.h>
#include <shim/checksum.h>
#include <shim/crc32.h>
#include <shim/interval_tree.h>
#include <shim/list.h>
#include <shim/lock.h>
#include <shim/mem.h>
#include <shim/siphash.h>
#include <shim/xarray.h>

#include <linux/mlx5/device.h>
#include <linux/mlx5/qp.h>
#include <linux/mlx5/cq.h>

#include <mhca/trace.h>

#endif /* MHCA_KERNEL_H */
