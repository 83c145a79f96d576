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

static int run_case(const struct hostile_case *c, char **uuid)
{
	struct node a, b;
	int ret;

	if (node_open(&b, uuid[1]))
		return -1;
	if (node_open_with(&a, uuid[0], ops_of(c), c->flags & CASE_EARLY ? CLIENT_NO_INIT : 0)) {
		node_close(&b);
		return -1;
	}
	ret = c->run(&a, &b, c->arg);
	if (!ret && !(c->flags & (CASE_LOST | CASE_EARLY)))
		ret = node_transfer(&a, &a) || node_transfer(&a, &b);
	if (!ret)
		ret = node_transfer(&b, &b);
	if (ret || c->flags & (CASE_LOST | CASE_EARLY))
		node_abandon(&a);
	else
		node_close(&a);
	node_close(&b);
	if (!ret && c->flags & CASE_LOST)
		ret = reopen(uuid[0]);
	return ret ? -1 : 0;
}

static int each(int argc, char **argv, bool list)
{
	int failed = 0;

	for (size_t g = 0; g < sizeof(groups) / sizeof(*groups); g++) {
		for (u32 i = 0; i < groups[g]->count(); i++) {
			struct hostile_case c = { 0 };
			char name[128];
			bool wanted = list;
			int ret;

			groups[g]->get(i, &c, name, sizeof(name));
			for (int k = 2; k < argc; k++)
				wanted |= !fnmatch(argv[k], name, 0);
			if (!wanted)
				continue;
			if (list) {
				puts(name);
				continue;
			}
			fprintf(stderr, "# %s\n", name);
			ret = run_case(&c, argv);
			failed |= ret;
			printf("%s %s\n", ret ? "FAIL" : "ok", name);
			fflush(stdout);
		}
	}
	return failed;
}

int hostile_main(int argc, char **argv)
{
	if (!strcmp(argv[0], "-L"))
		return each(0, NULL, true);
	return argc < 3 ? complain("hostile: UUID UUID PATTERN…") : each(argc, argv, false);
}
