/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The interval tree's interface on a plain list: tests have few intervals, and what they
 * look for is who is in the tree and when. As in the kernel nodes come in the order of
 * their starts.
 */
#ifndef MHCA_SHIM_INTERVAL_TREE_H
#define MHCA_SHIM_INTERVAL_TREE_H

#include <shim/core.h>

struct interval_tree_node {
	unsigned long start;
	unsigned long last;
	struct interval_tree_node *next;
	struct interval_tree_node **prev;
};

struct rb_root_cached {
	struct interval_tree_node *first;
};

#define RB_ROOT_CACHED	((struct rb_root_cached){ NULL })

static inline void interval_tree_insert(struct interval_tree_node *node,
					struct rb_root_cached *root)
{
	struct interval_tree_node **at = &root->first;

	if (node->start > node->last)
		shim_warn(__FILE__, __LINE__, "interval that ends before it begins");
	while (*at && (*at)->start < node->start)
		at = &(*at)->next;
	node->next = *at;
	node->prev = at;
	if (node->next)
		node->next->prev = &node->next;
	*at = node;
}

static inline void interval_tree_remove(struct interval_tree_node *node,
					struct rb_root_cached *root)
{
	(void)root;
	if (!node->prev || *node->prev != node)
		shim_warn(__FILE__, __LINE__, "interval is not in the tree");
	*node->prev = node->next;
	if (node->next)
		node->next->prev = node->prev;
	node->prev = NULL;
}

static inline struct interval_tree_node *shim_interval_from(struct interval_tree_node *node,
							    unsigned long start,
							    unsigned long last)
{
	while (node && (node->start > last || node->last < start))
		node = node->next;
	return node;
}

static inline struct interval_tree_node *
interval_tree_iter_first(struct rb_root_cached *root, unsigned long start, unsigned long last)
{
	return shim_interval_from(root->first, start, last);
}

static inline struct interval_tree_node *
interval_tree_iter_next(struct interval_tree_node *node, unsigned long start, unsigned long last)
{
	return shim_interval_from(node->next, start, last);
}

#endif /* MHCA_SHIM_INTERVAL_TREE_H */
