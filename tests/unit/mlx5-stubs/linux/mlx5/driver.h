/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Stands for the kernel's driver.h, which describes Linux's own driver: only
 * what the layout headers need to be parsed, and its enums (driver_enums.h is
 * taken out of the installed driver.h by mlx5-headers.sh).
 */
#ifndef MLX5_DRIVER_H
#define MLX5_DRIVER_H

#include <linux/types.h>
#include <linux/mlx5/device.h>
#include <linux/mlx5/driver_enums.h>

#define MLX5_BF_OFFSET		0x800
#define MLX5_CQ_DOORBELL	0x20

struct mlx5_eq_comp;
struct mlx5_rsc_debug;
struct mlx5_uars_page;
struct mlx5_td;

struct mlx5_hca_cap {
	u32 cur[0x400];
	u32 max[0x400];
};

struct mlx5_core_dev {
	struct {
		struct mlx5_hca_cap *hca[64];
	} caps;
};

struct mlx5_core_rsc_common {
	u32 res;
};

#ifndef wmb
#define wmb()			__atomic_thread_fence(__ATOMIC_RELEASE)
#endif

#ifndef KERN_WARNING
#define KERN_WARNING		""
#endif
enum { DUMP_PREFIX_OFFSET = 2 };

static inline void print_hex_dump(const char *level, const char *prefix, int type,
				  int row, int group, const void *buf, size_t len,
				  bool ascii)
{
	(void)level, (void)prefix, (void)type, (void)row, (void)group;
	(void)buf, (void)len, (void)ascii;
}

static inline void mlx5_write64(__be32 val[2], void *dest)
{
	u64 word;

	memcpy(&word, val, sizeof(word));
	__atomic_store_n((u64 *)dest, word, __ATOMIC_RELAXED);
}

static inline u8 mlx5_get_roce_state(struct mlx5_core_dev *dev)
{
	(void)dev;
	return 0;
}

#endif /* MLX5_DRIVER_H */
