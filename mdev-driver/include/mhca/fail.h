/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Allocations and pins that fail on purpose (vfio/fail.c): the debug parameter fail_nth
 * of mhca.ko. Included last by mhca/kernel.h, so that what both modules allocate goes
 * through here; the user-space build has its own (mdev-driver/user).
 *
 * xa_store() is left out: where it replaces an entry it cannot fail, and its callers
 * rely on that.
 */
#ifndef MHCA_FAIL_H
#define MHCA_FAIL_H

#include <linux/slab.h>
#include <linux/xarray.h>

/* Is it this one's turn to fail? Any context. The second: a send WQE's (fail_send). */
bool mhca_fail_now(void);
bool mhca_fail_send(void);

/* The two shapes of an allocation: @name(size, flags) and @name(n, size, flags). */
#define MHCA_ALLOC(name)						\
static inline void *mhca_##name(size_t size, gfp_t flags)		\
{									\
	return mhca_fail_now() ? NULL : name(size, flags);		\
}

#define MHCA_ALLOC_ARRAY(name)						\
static inline void *mhca_##name(size_t n, size_t size, gfp_t flags)	\
{									\
	return mhca_fail_now() ? NULL : name(n, size, flags);		\
}

MHCA_ALLOC(kzalloc)
MHCA_ALLOC(kmalloc)
MHCA_ALLOC(kvmalloc)
MHCA_ALLOC(kvzalloc)
MHCA_ALLOC_ARRAY(kcalloc)
MHCA_ALLOC_ARRAY(kvmalloc_array)
MHCA_ALLOC_ARRAY(kvcalloc)

#undef MHCA_ALLOC
#undef MHCA_ALLOC_ARRAY

static inline void *mhca_kmemdup(const void *src, size_t len, gfp_t flags)
{
	return mhca_fail_now() ? NULL : kmemdup(src, len, flags);
}

static inline int mhca_xa_insert(struct xarray *xa, unsigned long index, void *entry,
				 gfp_t flags)
{
	return mhca_fail_now() ? -ENOMEM : xa_insert(xa, index, entry, flags);
}

static inline int mhca_xa_alloc_cyclic(struct xarray *xa, u32 *id, void *entry,
				       struct xa_limit limit, u32 *next, gfp_t flags)
{
	return mhca_fail_now() ? -ENOMEM : xa_alloc_cyclic(xa, id, entry, limit, next, flags);
}

/* Functions in some kernels, macros in others; the above have caught them either way. */
#undef kzalloc
#undef kmalloc
#undef kcalloc
#undef kmemdup
#undef kvmalloc
#undef kvzalloc
#undef kvmalloc_array
#undef kvcalloc
#define kzalloc		mhca_kzalloc
#define kmalloc		mhca_kmalloc
#define kcalloc		mhca_kcalloc
#define kmemdup		mhca_kmemdup
#define kvmalloc	mhca_kvmalloc
#define kvzalloc	mhca_kvzalloc
#define kvmalloc_array	mhca_kvmalloc_array
#define kvcalloc	mhca_kvcalloc
#define xa_insert	mhca_xa_insert
#define xa_alloc_cyclic	mhca_xa_alloc_cyclic

#endif /* MHCA_FAIL_H */
