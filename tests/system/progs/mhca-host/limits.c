// SPDX-License-Identifier: GPL-2.0-only
/*
 * limits UUID: how much of each kind an instance lets a guest have. Every kind is
 * made until it is refused, all are destroyed, and one more is made: a JSON line each
 * with the number, status and syndrome of the refusal.
 *
 * limits UUID MIB: the same for registered memory, in regions of 1 MiB and then of a
 * page; and one region of MIB MiB, which must be had, and one of a byte more.
 */
#include <stdio.h>
#include <stdlib.h>
#include "host.h"

#define MOST	8192
#define MIB	(1UL << 20)

/* An object of any kind. */
union thing {
	u32 number;
	struct client_cq cq;
	struct client_qp qp;
	struct client_srq srq;
};

/**
 * struct kind - a kind of object
 * @name: as in counters/objects_*
 * @make: make one
 * @destroy: destroy it
 */
struct kind {
	const char *name;
	int (*make)(struct node *n, union thing *t);
	int (*destroy)(struct node *n, union thing *t);
};

static int make_pd(struct node *n, union thing *t)
{
	return client_alloc_pd(&n->c, &t->number);
}

static int destroy_pd(struct node *n, union thing *t)
{
	return client_dealloc_pd(&n->c, t->number);
}

static int make_mkey(struct node *n, union thing *t)
{
	return client_reg_mr(&n->c, n->pd, n->mem.va, 4096, CLIENT_ALL_ACCESS, &t->number);
}

static int destroy_mkey(struct node *n, union thing *t)
{
	return client_destroy_mkey(&n->c, t->number);
}

static int make_cq(struct node *n, union thing *t)
{
	struct client_cq_attr attr;

	client_cq_attr_init(&attr, 2);
	return client_create_cq(&n->c, &attr, &t->cq);
}

static int destroy_cq(struct node *n, union thing *t)
{
	return client_destroy_cq(&t->cq);
}

static int make_qp(struct node *n, union thing *t)
{
	struct client_qp_attr attr;

	client_qp_attr_init(&attr, MLX5_QP_ST_RC, n->pd, &n->cq);
	attr.log_sq = 2;
	return client_create_qp(&n->c, &attr, &t->qp);
}

static int destroy_qp(struct node *n, union thing *t)
{
	return client_destroy_qp(&t->qp);
}

static int make_srq(struct node *n, union thing *t)
{
	struct client_srq_attr attr = { .log_size = 2, .max_sge = 1, .pd = n->pd };

	return client_create_srq(&n->c, &attr, &t->srq);
}

static int destroy_srq(struct node *n, union thing *t)
{
	return client_destroy_srq(&t->srq);
}

static const struct kind kinds[] = {
	{ "pd", make_pd, destroy_pd },
	{ "mkey", make_mkey, destroy_mkey },
	{ "cq", make_cq, destroy_cq },
	{ "qp", make_qp, destroy_qp },
	{ "srq", make_srq, destroy_srq },
};

static int one_kind(struct node *n, const struct kind *kind, union thing *t)
{
	char counter[32];
	u32 made = 0, status, syndrome, again;
	u64 before;

	snprintf(counter, sizeof(counter), "objects_%s", kind->name);
	before = node_counter(n, counter);
	while (made < MOST && !kind->make(n, &t[made]))
		made++;
	status = n->c.status;
	syndrome = n->c.syndrome;
	printf("{\"kind\": \"%s\", \"had\": %llu, \"made\": %u, \"status\": %u, "
	       "\"syndrome\": %u, ", kind->name, (unsigned long long)before, made, status,
	       syndrome);
	while (made)
		if (kind->destroy(n, &t[--made]))
			return complain("%s: cannot be destroyed", kind->name);
	again = !kind->make(n, t) && !kind->destroy(n, t);
	printf("\"left\": %llu, \"again\": %u}\n",
	       (unsigned long long)node_counter(n, counter), again);
	return 0;
}

/* Regions of @len bytes until one is refused; keys of @made are taken already. */
static u32 fill(struct node *n, void *va, size_t len, u32 *key, u32 made)
{
	while (made < MOST && !client_reg_mr(&n->c, n->pd, va, len, CLIENT_ALL_ACCESS, &key[made]))
		made++;
	return made;
}

static int memory(struct node *n, u64 mib)
{
	u32 key[MOST], one, made, ret;
	struct client_mem mem;
	u64 before;

	if (client_mem_alloc(&n->c, (mib + 1) * MIB, &mem))
		return complain("no memory");
	before = node_counter(n, "pinned_pages");
	if (client_reg_mr(&n->c, n->pd, mem.va, mib * MIB, CLIENT_ALL_ACCESS, &one) ||
	    client_destroy_mkey(&n->c, one))
		return complain("%llu MiB: status %x, syndrome %x", (unsigned long long)mib,
				n->c.status, n->c.syndrome);
	ret = client_reg_mr(&n->c, n->pd, mem.va, mib * MIB + 1, CLIENT_ALL_ACCESS, &one) != 0;
	printf("{\"too_long\": %u, \"status\": %u, \"syndrome\": %u}\n", ret, n->c.status,
	       n->c.syndrome);
	made = fill(n, mem.va, CLIENT_PAGE, key, fill(n, mem.va, MIB, key, 0));
	printf("{\"had\": %llu, \"made\": %u, \"status\": %u, \"syndrome\": %u, "
	       "\"pinned\": %llu, ", (unsigned long long)before, made, n->c.status,
	       n->c.syndrome, (unsigned long long)node_counter(n, "pinned_pages"));
	while (made)
		if (client_destroy_mkey(&n->c, key[--made]))
			return complain("a key cannot be destroyed");
	printf("\"left\": %llu}\n", (unsigned long long)node_counter(n, "pinned_pages"));
	return 0;
}

int limits_main(int argc, char **argv)
{
	union thing *t = calloc(MOST, sizeof(*t));
	struct node n;
	int ret = 0;
	u32 i;

	if (!t || node_open(&n, argv[0]))
		return complain("limits: set-up failed");
	if (argc > 1)
		ret = memory(&n, (u64)atoi(argv[1]));
	for (i = 0; argc == 1 && !ret && i < sizeof(kinds) / sizeof(kinds[0]); i++)
		ret = one_kind(&n, &kinds[i], t);
	node_close(&n);
	free(t);
	return ret;
}
