// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Radix tree behind shim/xarray.h. A node covers 64 << shift indices. The tree
 * grows upwards by putting a new root over the old one, which stays valid, so a
 * reader that loaded the old root still finds everything below it. A node without
 * entries is taken out and freed when no reader has it any more.
 */
#include <mhca/kernel.h>
#include <shim/control.h>

#define XA_BITS		6
#define XA_SLOTS	(1U << XA_BITS)
#define XA_MASK		(XA_SLOTS - 1)
#define XA_DEPTH	DIV_ROUND_UP(BITS_PER_LONG, XA_BITS)

/**
 * struct shim_xa_node - 64 slots
 * @rcu: while it waits for its readers
 * @shift: log2 of the indices that a slot stands for
 * @count: slots that are not NULL; the array's lock
 * @slot: nodes, or entries where @shift is 0
 */
struct shim_xa_node {
	struct shim_rcu rcu;
	unsigned int shift;
	unsigned int count;
	void *slot[XA_SLOTS];
};

static u64 n_nodes;

u64 shim_xa_nodes(void)
{
	return __atomic_load_n(&n_nodes, __ATOMIC_RELAXED);
}

static void node_free(struct shim_rcu *rcu)
{
	__atomic_sub_fetch(&n_nodes, 1, __ATOMIC_RELAXED);
	kfree(container_of(rcu, struct shim_xa_node, rcu));
}

static bool covers(const struct shim_xa_node *node, unsigned long index)
{
	unsigned int top = node->shift + XA_BITS;

	return top >= BITS_PER_LONG || !(index >> top);
}

static void **slot_of(struct shim_xa_node *node, unsigned long index)
{
	return &node->slot[index >> node->shift & XA_MASK];
}

/* The entry's slot, or NULL where the tree does not reach. */
static void **find_slot(const struct xarray *xa, unsigned long index)
{
	struct shim_xa_node *node = __atomic_load_n(&xa->root, __ATOMIC_ACQUIRE);

	if (!node || !covers(node, index))
		return NULL;
	while (node->shift) {
		node = __atomic_load_n(slot_of(node, index), __ATOMIC_ACQUIRE);
		if (!node)
			return NULL;
	}
	return slot_of(node, index);
}

static struct shim_xa_node *new_node(unsigned int shift)
{
	/* xa_store() allocates with its lock dropped or atomically. */
	struct shim_xa_node *node = kzalloc(sizeof(*node), GFP_NOWAIT);

	if (!node)
		return NULL;
	node->shift = shift;
	__atomic_add_fetch(&n_nodes, 1, __ATOMIC_RELAXED);
	return node;
}

static unsigned int shift_for(unsigned long index)
{
	unsigned int shift = 0;

	while (shift + XA_BITS < BITS_PER_LONG && index >> (shift + XA_BITS))
		shift += XA_BITS;
	return shift;
}

/* The same, growing the tree. NULL: out of memory. */
static void **make_slot(struct xarray *xa, unsigned long index)
{
	struct shim_xa_node *node = xa->root;

	lockdep_assert_held(&xa->xa_lock);
	while (!node || !covers(node, index)) {
		/* The first one is as high as it has to be: below it is nothing yet. */
		struct shim_xa_node *top = new_node(node ? node->shift + XA_BITS : shift_for(index));

		if (!top)
			return NULL;
		top->slot[0] = node;
		top->count = !!node;
		__atomic_store_n(&xa->root, top, __ATOMIC_RELEASE);
		node = top;
	}
	while (node->shift) {
		void **slot = slot_of(node, index);

		if (!*slot) {
			struct shim_xa_node *child = new_node(node->shift - XA_BITS);

			if (!child)
				return NULL;
			node->count++;
			__atomic_store_n(slot, child, __ATOMIC_RELEASE);
		}
		node = *slot;
	}
	return slot_of(node, index);
}

/* Nodes on the way to @index that have become empty go, from below. */
static void prune(struct xarray *xa, unsigned long index)
{
	struct shim_xa_node *path[XA_DEPTH];
	struct shim_xa_node *node = xa->root;
	u32 depth = 0;

	lockdep_assert_held(&xa->xa_lock);
	if (!node || !covers(node, index))
		return;
	for (; node; node = *slot_of(node, index)) {
		path[depth++] = node;
		if (!node->shift)
			break;
	}
	while (depth-- && !path[depth]->count) {
		if (depth) {
			__atomic_store_n(slot_of(path[depth - 1], index), NULL, __ATOMIC_RELEASE);
			path[depth - 1]->count--;
		} else {
			__atomic_store_n(&xa->root, NULL, __ATOMIC_RELEASE);
		}
		shim_rcu_later(&path[depth]->rcu, node_free);
	}
}

/* The node that has @slot, which is one of 64. */
static struct shim_xa_node *leaf_of(const struct xarray *xa, unsigned long index)
{
	struct shim_xa_node *node = xa->root;

	while (node->shift)
		node = *slot_of(node, index);
	return node;
}

static void *visible(void *entry)
{
	return xa_is_zero(entry) ? NULL : entry;
}

void *xas_load(struct xa_state *xas)
{
	void *entry;
	void **slot;

	rcu_read_lock();
	slot = find_slot(xas->xa, xas->xa_index);
	entry = slot ? __atomic_load_n(slot, __ATOMIC_ACQUIRE) : NULL;
	rcu_read_unlock();
	return entry;
}

void *xas_next(struct xa_state *xas)
{
	xas->xa_index++;
	return xas_load(xas);
}

void *xa_load(struct xarray *xa, unsigned long index)
{
	XA_STATE(xas, xa, index);

	return visible(xas_load(&xas));
}

void *__xa_store(struct xarray *xa, unsigned long index, void *entry, gfp_t gfp)
{
	void **slot = entry ? make_slot(xa, index) : find_slot(xa, index);
	void *old;

	(void)gfp;
	lockdep_assert_held(&xa->xa_lock);
	if (!slot) {
		/* Some of the way may have been made. */
		prune(xa, index);
		return entry ? ERR_PTR(-ENOMEM) : NULL;
	}
	old = *slot;
	leaf_of(xa, index)->count += !!entry - !!old;
	__atomic_store_n(slot, entry, __ATOMIC_RELEASE);
	if (!entry)
		prune(xa, index);
	return visible(old);
}

void *__xa_erase(struct xarray *xa, unsigned long index)
{
	return __xa_store(xa, index, NULL, 0);
}

void *__xa_cmpxchg(struct xarray *xa, unsigned long index, void *old, void *entry, gfp_t gfp)
{
	void **slot = find_slot(xa, index);
	void *now = slot ? *slot : NULL;

	if (now != old)
		return visible(now);
	now = __xa_store(xa, index, entry, gfp);
	return xa_is_err(now) ? now : visible(old);
}

void *xa_store(struct xarray *xa, unsigned long index, void *entry, gfp_t gfp)
{
	void *old;

	shim_alloc_context(gfp);
	xa_lock(xa);
	old = __xa_store(xa, index, entry, gfp);
	xa_unlock(xa);
	return old;
}

void *xa_erase(struct xarray *xa, unsigned long index)
{
	return xa_store(xa, index, NULL, 0);
}

void *xa_cmpxchg(struct xarray *xa, unsigned long index, void *old, void *entry, gfp_t gfp)
{
	void *now;

	shim_alloc_context(gfp);
	xa_lock(xa);
	now = __xa_cmpxchg(xa, index, old, entry, gfp);
	xa_unlock(xa);
	return now;
}

int xa_insert(struct xarray *xa, unsigned long index, void *entry, gfp_t gfp)
{
	void **slot;
	int ret = 0;

	shim_alloc_context(gfp);
	xa_lock(xa);
	slot = find_slot(xa, index);
	if (slot && *slot)
		ret = -EBUSY;
	else
		ret = xa_err(__xa_store(xa, index, entry ? entry : XA_ZERO_ENTRY, gfp));
	xa_unlock(xa);
	return ret;
}

int xa_reserve(struct xarray *xa, unsigned long index, gfp_t gfp)
{
	int ret = xa_insert(xa, index, NULL, gfp);

	return ret == -EBUSY ? 0 : ret;
}

static int alloc_between(struct xarray *xa, u32 *id, void *entry, u64 min, u64 max, gfp_t gfp)
{
	u64 index;

	for (index = min; index <= max; index++) {
		void **slot = find_slot(xa, index);

		if (slot && *slot)
			continue;
		if (xa_err(__xa_store(xa, index, entry ? entry : XA_ZERO_ENTRY, gfp)))
			return -ENOMEM;
		*id = (u32)index;
		return 0;
	}
	return -EBUSY;
}

int xa_alloc(struct xarray *xa, u32 *id, void *entry, struct xa_limit limit, gfp_t gfp)
{
	int ret;

	shim_alloc_context(gfp);
	xa_lock(xa);
	ret = alloc_between(xa, id, entry, limit.min, limit.max, gfp);
	xa_unlock(xa);
	return ret;
}

int xa_alloc_cyclic(struct xarray *xa, u32 *id, void *entry, struct xa_limit limit,
		    u32 *next, gfp_t gfp)
{
	u32 start = max(*next, limit.min);
	int ret;

	shim_alloc_context(gfp);
	xa_lock(xa);
	ret = alloc_between(xa, id, entry, start, limit.max, gfp);
	if (ret == -EBUSY && start > limit.min) {
		ret = alloc_between(xa, id, entry, limit.min, start - 1, gfp);
		ret = ret ? ret : 1;
	}
	if (ret >= 0)
		*next = *id + 1;
	xa_unlock(xa);
	return ret;
}

/* The first entry in [@index, @max] below @node. */
static void *find_from(struct shim_xa_node *node, unsigned long *index, unsigned long max)
{
	unsigned long step = 1UL << node->shift;
	unsigned int i = *index >> node->shift & XA_MASK;

	for (; i < XA_SLOTS; i++) {
		void *entry = __atomic_load_n(&node->slot[i], __ATOMIC_ACQUIRE);
		unsigned long next;

		if (entry && node->shift)
			entry = find_from(entry, index, max);
		else
			entry = visible(entry);
		if (entry || *index > max)
			return entry;
		next = (*index & ~(step - 1)) + step;
		if (!next || next > max)
			return NULL;
		if (i + 1 < XA_SLOTS)
			*index = next;
	}
	return NULL;
}

void *xa_find(struct xarray *xa, unsigned long *index, unsigned long max, xa_mark_t filter)
{
	struct shim_xa_node *root;
	unsigned long at = *index;
	void *entry = NULL;

	(void)filter;
	rcu_read_lock();
	root = __atomic_load_n(&xa->root, __ATOMIC_ACQUIRE);
	if (root && at <= max && covers(root, at))
		entry = find_from(root, &at, max);
	rcu_read_unlock();
	if (!entry || at > max)
		return NULL;
	*index = at;
	return entry;
}

void *xa_find_after(struct xarray *xa, unsigned long *index, unsigned long max,
		    xa_mark_t filter)
{
	unsigned long next = *index + 1;
	void *entry = next ? xa_find(xa, &next, max, filter) : NULL;

	if (entry)
		*index = next;
	return entry;
}

bool xa_empty(const struct xarray *xa)
{
	return !__atomic_load_n(&xa->root, __ATOMIC_ACQUIRE);
}

static void retire(struct shim_xa_node *node)
{
	unsigned int i;

	if (node->shift)
		for (i = 0; i < XA_SLOTS; i++)
			if (node->slot[i])
				retire(node->slot[i]);
	shim_rcu_later(&node->rcu, node_free);
}

void xa_destroy(struct xarray *xa)
{
	struct shim_xa_node *root;

	xa_lock(xa);
	root = xa->root;
	__atomic_store_n(&xa->root, NULL, __ATOMIC_RELEASE);
	xa_unlock(xa);
	if (root)
		retire(root);
}
