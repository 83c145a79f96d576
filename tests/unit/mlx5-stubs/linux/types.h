/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the kernel's mlx5 headers expect of <linux/types.h> and friends, in user
 * space. Includes the C library's own <linux/types.h> first.
 */
#ifndef MHCA_STUB_TYPES_H
#define MHCA_STUB_TYPES_H

#include_next <linux/types.h>

#include <endian.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/types.h>

typedef __u8 u8;
typedef __u16 u16;
typedef __u32 u32;
typedef __u64 u64;
typedef __s8 s8;
typedef __s16 s16;
typedef __s32 s32;
typedef __s64 s64;
typedef unsigned int gfp_t;
typedef u64 dma_addr_t;
typedef u64 phys_addr_t;

struct list_head {
	struct list_head *next, *prev;
};

#ifndef __force
#define __force
#define __iomem
#define __user
#define __rcu
#endif

#if !defined(__LITTLE_ENDIAN) || !defined(__BYTE_ORDER)
#error endian.h did not tell the byte order
#endif
/* The kernel defines only the one that holds, the C library both. */
#if __BYTE_ORDER == __LITTLE_ENDIAN
#undef __BIG_ENDIAN
#else
#undef __LITTLE_ENDIAN
#endif

#ifndef BITS_PER_LONG
#define BITS_PER_LONG		__SIZEOF_LONG__ * 8
#endif

#ifndef __packed
#define __packed		__attribute__((packed))
#endif
#ifndef PAGE_SIZE
#define PAGE_SHIFT		12
#define PAGE_SIZE		(1UL << PAGE_SHIFT)
#endif

#define DECLARE_FLEX_ARRAY(type, name)						\
	struct {								\
		struct { } __empty_##name;					\
		type name[];							\
	}

#define struct_group(name, ...)							\
	union {									\
		struct { __VA_ARGS__ };						\
		struct { __VA_ARGS__ } name;					\
	}

#define BIT(n)			(1UL << (n))
#define BIT_ULL(n)		(1ULL << (n))
#define GENMASK(h, l)		((~0UL << (l)) & (~0UL >> (8 * sizeof(long) - 1 - (h))))
#define GENMASK_ULL(h, l)	((~0ULL << (l)) & (~0ULL >> (63 - (h))))
#define BUILD_BUG_ON(cond)	_Static_assert(!(cond), "BUILD_BUG_ON: " #cond)

#ifndef container_of
#define container_of(ptr, type, member)						\
	((type *)((char *)(ptr) - offsetof(type, member)))
#endif

#define cpu_to_be16(x)		((__be16)htobe16(x))
#define cpu_to_be32(x)		((__be32)htobe32(x))
#define cpu_to_be64(x)		((__be64)htobe64(x))
#define be16_to_cpu(x)		((u16)be16toh(x))
#define be32_to_cpu(x)		((u32)be32toh(x))
#define be64_to_cpu(x)		((u64)be64toh(x))
#define cpu_to_le16(x)		((__le16)htole16(x))
#define cpu_to_le32(x)		((__le32)htole32(x))
#define cpu_to_le64(x)		((__le64)htole64(x))
#define le16_to_cpu(x)		((u16)le16toh(x))
#define le32_to_cpu(x)		((u32)le32toh(x))
#define le64_to_cpu(x)		((u64)le64toh(x))

/* For the static inline functions of cq.h, which nobody calls here. */
typedef struct refcount_struct {
	int refs;
} refcount_t;

struct completion {
	unsigned int done;
};

static inline void refcount_inc(refcount_t *r)
{
	__atomic_add_fetch(&r->refs, 1, __ATOMIC_RELAXED);
}

static inline bool refcount_dec_and_test(refcount_t *r)
{
	return __atomic_sub_fetch(&r->refs, 1, __ATOMIC_ACQ_REL) == 0;
}

static inline void complete(struct completion *c)
{
	__atomic_store_n(&c->done, 1, __ATOMIC_RELEASE);
}

#endif /* MHCA_STUB_TYPES_H */
