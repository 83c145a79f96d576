/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Allocation: the C library's heap, so that ASan sees everything. */
#ifndef MHCA_SHIM_MEM_H
#define MHCA_SHIM_MEM_H

#include <shim/core.h>
#include <shim/lock.h>

#define GFP_KERNEL		1U
#define GFP_ATOMIC		2U
#define GFP_NOWAIT		4U
#define __GFP_ZERO		8U
#define __GFP_NOWARN		16U
#define __GFP_ACCOUNT		0U
#define __GFP_NORETRY		0U
#define __GFP_RETRY_MAYFAIL	0U
#define GFP_KERNEL_ACCOUNT	GFP_KERNEL
#define GFP_USER		GFP_KERNEL
#define KMALLOC_MAX_SIZE	(1UL << 22)

void *shim_alloc(size_t size, size_t align, gfp_t flags);
bool mhca_fail_send(void);		/* shim_fail_send() */
void shim_free(const void *p);
/* May be allocated so here? */
void shim_alloc_context(gfp_t flags);

#define kmalloc(size, flags)		shim_alloc(size, 0, flags)
#define kzalloc(size, flags)		shim_alloc(size, 0, (flags) | __GFP_ZERO)
#define kmalloc_array(n, size, flags)	shim_alloc(size_mul(n, size), 0, flags)
#define kcalloc(n, size, flags)		shim_alloc(size_mul(n, size), 0, (flags) | __GFP_ZERO)
#define kvmalloc(size, flags)		kmalloc(size, flags)
#define kvzalloc(size, flags)		kzalloc(size, flags)
#define kvmalloc_array(n, size, flags)	kmalloc_array(n, size, flags)
#define kvcalloc(n, size, flags)	kcalloc(n, size, flags)
#define vmalloc(size)			kmalloc(size, GFP_KERNEL)
#define vzalloc(size)			kzalloc(size, GFP_KERNEL)
#define kfree(p)			shim_free(p)
#define kvfree(p)			shim_free(p)
#define vfree(p)			shim_free(p)
#define kfree_sensitive(p)		shim_free(p)
#define kvfree_sensitive(p, n)		shim_free(p)
#define ZERO_SIZE_PTR			((void *)16)
#define ZERO_OR_NULL_PTR(p)		((unsigned long)(p) <= (unsigned long)ZERO_SIZE_PTR)

#define bitmap_zalloc(n, flags)		((unsigned long *)kcalloc(BITS_TO_LONGS(n), sizeof(long), flags))
#define bitmap_free(p)			kfree(p)

static inline void *kmemdup(const void *from, size_t size, gfp_t flags)
{
	void *p = kmalloc(size, flags);

	return p ? memcpy(p, from, size) : NULL;
}

static inline void *kvmemdup(const void *from, size_t size, gfp_t flags)
{
	return kmemdup(from, size, flags);
}

static inline unsigned long __get_free_page(gfp_t flags)
{
	return (unsigned long)shim_alloc(PAGE_SIZE, PAGE_SIZE, flags);
}

static inline unsigned long get_zeroed_page(gfp_t flags)
{
	return __get_free_page(flags | __GFP_ZERO);
}

static inline void free_page(unsigned long p)
{
	shim_free((void *)p);
}

#endif /* MHCA_SHIM_MEM_H */
