/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The part of the XArray that the core uses: a radix tree of 64-way nodes.
 * Loads take no lock and may race with stores; nodes are freed by RCU.
 */
#ifndef MHCA_SHIM_XARRAY_H
#define MHCA_SHIM_XARRAY_H

#include <shim/lock.h>
#include <shim/mem.h>

struct shim_xa_node;

struct xarray {
	spinlock_t xa_lock;
	unsigned int flags;
	struct shim_xa_node *root;
};

struct xa_limit {
	u32 max;
	u32 min;
};

#define XA_FLAGS_LOCK_IRQ	1U
#define XA_FLAGS_LOCK_BH	2U
#define XA_FLAGS_ALLOC		4U
#define XA_FLAGS_ALLOC1		12U
#define XA_FLAGS_ACCOUNT	0U
#define XA_LIMIT(lo, hi)	((struct xa_limit){ .min = (lo), .max = (hi) })
#define xa_limit_32b		XA_LIMIT(0, U32_MAX)
#define xa_limit_31b		XA_LIMIT(0, INT_MAX)
#define xa_limit_16b		XA_LIMIT(0, 0xffff)

typedef unsigned int xa_mark_t;
#define XA_PRESENT		8U

#define XA_ZERO_ENTRY		((void *)1030)
#define XARRAY_INIT(name, f)	{ __SPIN_LOCK_UNLOCKED(name), f, NULL }
#define DEFINE_XARRAY_FLAGS(name, f) struct xarray name = XARRAY_INIT(name, f)
#define DEFINE_XARRAY(name)	DEFINE_XARRAY_FLAGS(name, 0)
#define DEFINE_XARRAY_ALLOC(name) DEFINE_XARRAY_FLAGS(name, XA_FLAGS_ALLOC)

static inline void *xa_mk_value(unsigned long v) { return (void *)((v << 1) | 1); }
static inline unsigned long xa_to_value(const void *entry) { return (unsigned long)entry >> 1; }
static inline bool xa_is_value(const void *entry) { return (unsigned long)entry & 1; }
static inline void *xa_tag_pointer(void *p, unsigned long tag) { return (void *)((unsigned long)p | tag); }
static inline void *xa_untag_pointer(void *entry) { return (void *)((unsigned long)entry & ~3UL); }
static inline unsigned int xa_pointer_tag(void *entry) { return (unsigned long)entry & 3UL; }
static inline bool xa_is_err(const void *entry) { return IS_ERR(entry); }
static inline int xa_err(void *entry) { return IS_ERR(entry) ? (int)PTR_ERR(entry) : 0; }
static inline bool xa_is_zero(const void *entry) { return entry == XA_ZERO_ENTRY; }

static inline void xa_init_flags(struct xarray *xa, unsigned int flags)
{
	spin_lock_init(&xa->xa_lock);
	xa->flags = flags;
	xa->root = NULL;
}

static inline void xa_init(struct xarray *xa)
{
	xa_init_flags(xa, 0);
}

void *xa_load(struct xarray *xa, unsigned long index);
void *xa_store(struct xarray *xa, unsigned long index, void *entry, gfp_t gfp);
void *xa_erase(struct xarray *xa, unsigned long index);
void *xa_cmpxchg(struct xarray *xa, unsigned long index, void *old, void *entry, gfp_t gfp);
int xa_insert(struct xarray *xa, unsigned long index, void *entry, gfp_t gfp);
int xa_reserve(struct xarray *xa, unsigned long index, gfp_t gfp);
int xa_alloc(struct xarray *xa, u32 *id, void *entry, struct xa_limit limit, gfp_t gfp);
int xa_alloc_cyclic(struct xarray *xa, u32 *id, void *entry, struct xa_limit limit,
		    u32 *next, gfp_t gfp);
void *xa_find(struct xarray *xa, unsigned long *index, unsigned long max, xa_mark_t filter);
void *xa_find_after(struct xarray *xa, unsigned long *index, unsigned long max,
		    xa_mark_t filter);
bool xa_empty(const struct xarray *xa);
void xa_destroy(struct xarray *xa);

/* An advanced state is an index here: each step looks it up from the root. */
struct xa_state {
	const struct xarray *xa;
	unsigned long xa_index;
};

#define XA_STATE(name, array, index)						\
	struct xa_state name = { .xa = (array), .xa_index = (index) }

void *xas_load(struct xa_state *xas);
void *xas_next(struct xa_state *xas);
/* No entry moves. */
static inline bool xas_retry(struct xa_state *xas, const void *entry)
{
	(void)xas;
	(void)entry;
	return false;
}

void *__xa_store(struct xarray *xa, unsigned long index, void *entry, gfp_t gfp);
void *__xa_erase(struct xarray *xa, unsigned long index);
void *__xa_cmpxchg(struct xarray *xa, unsigned long index, void *old, void *entry, gfp_t gfp);

#define xa_release(xa, index)	((void)xa_cmpxchg(xa, index, XA_ZERO_ENTRY, NULL, 0))
#define xa_lock(xa)		spin_lock(&(xa)->xa_lock)
#define xa_unlock(xa)		spin_unlock(&(xa)->xa_lock)
#define xa_trylock(xa)		spin_trylock(&(xa)->xa_lock)
#define xa_lock_irqsave(xa, f)	spin_lock_irqsave(&(xa)->xa_lock, f)
#define xa_unlock_irqrestore(xa, f) spin_unlock_irqrestore(&(xa)->xa_lock, f)
#define xa_store_bh(xa, i, e, g) xa_store(xa, i, e, g)
#define xa_erase_bh(xa, i)	xa_erase(xa, i)
#define xa_store_irq(xa, i, e, g) xa_store(xa, i, e, g)
#define xa_erase_irq(xa, i)	xa_erase(xa, i)

#define xa_for_each_range(xa, index, entry, start, last)			\
	for ((index) = (start),							\
	     (entry) = xa_find(xa, &(index), last, XA_PRESENT);			\
	     (entry);								\
	     (entry) = xa_find_after(xa, &(index), last, XA_PRESENT))
#define xa_for_each_start(xa, index, entry, start)				\
	xa_for_each_range(xa, index, entry, start, ULONG_MAX)
#define xa_for_each(xa, index, entry)						\
	xa_for_each_start(xa, index, entry, 0)

#endif /* MHCA_SHIM_XARRAY_H */
