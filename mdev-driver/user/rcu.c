// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * RCU on liburcu, in the flavour that needs no registration of threads. A file of its own:
 * the library's headers have the kernel's names.
 *
 * ThreadSanitizer does not see what orders the library's readers and updaters. Under it
 * nothing is freed before shim_quiesce(), which is called when there are no readers.
 */
#include <stdlib.h>

struct shim_rcu;
void shim_rcu_enter(void);
void shim_rcu_leave(void);
void shim_rcu_later(struct shim_rcu *rcu, void (*free)(struct shim_rcu *rcu));
void synchronize_rcu(void);
void shim_quiesce(void);

#ifndef __SANITIZE_THREAD__

#define URCU_API_MAP
#include <urcu/urcu-bp.h>
#undef synchronize_rcu

void shim_rcu_enter(void)
{
	urcu_bp_read_lock();
}

void shim_rcu_leave(void)
{
	urcu_bp_read_unlock();
}

void synchronize_rcu(void)
{
	urcu_bp_synchronize_rcu();
}

_Static_assert(sizeof(struct rcu_head) <= 2 * sizeof(void *), "struct shim_rcu is too small");

void shim_rcu_later(struct shim_rcu *rcu, void (*free)(struct shim_rcu *rcu))
{
	urcu_bp_call_rcu((struct rcu_head *)rcu, (void (*)(struct rcu_head *))free);
}

void shim_quiesce(void)
{
	urcu_bp_barrier();
}

#else

#include <pthread.h>

struct garbage {
	struct garbage *next;
	void (*free)(struct shim_rcu *rcu);
};

static pthread_mutex_t garbage_lock = PTHREAD_MUTEX_INITIALIZER;
static struct garbage *garbage;

void shim_rcu_enter(void)
{
}

void shim_rcu_leave(void)
{
}

void synchronize_rcu(void)
{
}

void shim_rcu_later(struct shim_rcu *rcu, void (*free)(struct shim_rcu *rcu))
{
	struct garbage *g = (struct garbage *)rcu;

	g->free = free;
	pthread_mutex_lock(&garbage_lock);
	g->next = garbage;
	garbage = g;
	pthread_mutex_unlock(&garbage_lock);
}

void shim_quiesce(void)
{
	struct garbage *g, *next;

	pthread_mutex_lock(&garbage_lock);
	g = garbage;
	garbage = NULL;
	pthread_mutex_unlock(&garbage_lock);
	for (; g; g = next) {
		next = g->next;
		g->free((struct shim_rcu *)g);
	}
}

#endif
