// SPDX-License-Identifier: GPL-2.0-only
/* hostile UUID UUID PATTERN…: run hostile cases, one line for each. */
#include <errno.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include "hostile.h"

static const struct hostile_group *const groups[] = {
	&command_group, &state_group, &wqe_group, &memory_group, &function_group,
};

int must_fail(struct node *n, int ret, u64 objects, const char *what)
{
	u64 now = node_objects(n);

	if (!ret)
		return complain("%s: succeeded", what);
	if (ret == -ETIMEDOUT)
		return complain("%s: no answer", what);
	if (now != objects)
		return complain("%s: refused, but objects went from %llu to %llu", what,
				(unsigned long long)objects, (unsigned long long)now);
	return 0;
}

int must_refuse(struct node *n, const void *in, u32 inlen, u32 outlen, const char *what)
{
	u64 objects = node_objects(n);
	u8 *out = calloc(1, outlen + 16);
	int ret;

	if (!out)
		return complain("no memory");
	ret = client_exec(&n->c, in, inlen, out, outlen);
	free(out);
	return must_fail(n, ret, objects, what);
}

/* Each allocation gets a mapping of its own: freeing it unmaps it. */
static void *own_mapping(void *backend, size_t len)
{
	return client_vfio_ops.alloc(backend, len + (2UL << 20));
}

static const struct client_ops *ops_of(const struct hostile_case *c)
{
	static struct client_ops own;

	own = client_vfio_ops;
	own.alloc = own_mapping;
	return c->flags & CASE_MAPPINGS ? &own : &client_vfio_ops;
}

/* The instance that was attacked from is as good as new after it is closed. */
static int reopen(const char *uuid)
{
	struct node n;
	int ret;

	if (node_open(&n, uuid))
		return complain("cannot be opened again");
	ret = node_transfer(&n, &n);
	node_close(&n);
	return ret;
}

static int run_case(const struct hostile_case *c, const char *uuid, struct node *b)
{
	struct node a;
	int ret;

	if (node_open_with(&a, uuid, ops_of(c), c->flags & CASE_EARLY ? CLIENT_NO_INIT : 0))
		return -1;
	ret = c->run(&a, b, c->arg);
	if (!ret && !(c->flags & (CASE_LOST | CASE_EARLY)))
		ret = node_transfer(&a, &a) || node_transfer(&a, b);
	if (!ret)
		ret = node_transfer(b, b);
	if (ret || c->flags & (CASE_LOST | CASE_EARLY))
		node_abandon(&a);
	else
		node_close(&a);
	if (!ret && c->flags & CASE_LOST)
		ret = reopen(uuid);
	return ret ? -1 : 0;
}

static bool wanted(const char *name, int n, char **patterns)
{
	for (int i = 0; i < n; i++)
		if (!fnmatch(patterns[i], name, 0))
			return true;
	return false;
}

/* Call @fn for each case; the number of calls that failed. */
static int each(int (*fn)(const struct hostile_case *c, void *arg), void *arg)
{
	int failed = 0;

	for (size_t g = 0; g < sizeof(groups) / sizeof(*groups); g++) {
		for (u32 i = 0; i < groups[g]->count(); i++) {
			struct hostile_case c = { 0 };
			char name[128];

			groups[g]->get(i, &c, name, sizeof(name));
			failed += !!fn(&c, arg);
		}
	}
	return failed;
}

static int print_name(const struct hostile_case *c, void *arg)
{
	return puts(c->name) < 0;
}

/**
 * struct attack - a run through the cases
 * @argc: patterns
 * @argv: the two instances, then the patterns
 * @b: the bystander, open all the time
 */
struct attack {
	int argc;
	char **argv;
	struct node b;
};

static int try_case(const struct hostile_case *c, void *arg)
{
	struct attack *attack = arg;
	int ret;

	if (!wanted(c->name, attack->argc - 2, attack->argv + 2))
		return 0;
	fprintf(stderr, "# %s\n", c->name);
	ret = run_case(c, attack->argv[0], &attack->b);
	printf("%s %s\n", ret ? "FAIL" : "ok", c->name);
	fflush(stdout);
	return ret;
}

int hostile_main(int argc, char **argv)
{
	struct attack attack = { .argc = argc, .argv = argv };
	int failed;

	if (!strcmp(argv[0], "-L"))
		return each(print_name, NULL);
	if (argc < 3)
		return complain("hostile: UUID UUID PATTERN…");
	if (node_open(&attack.b, argv[1]))
		return -1;
	failed = each(try_case, &attack);
	node_close(&attack.b);
	return failed ? -1 : 0;
}
