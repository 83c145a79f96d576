/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Hostile cases: what a guest may try. A case has an attacker, freshly opened, and
 * a bystander that stays open, and returns 0 when the attacker got the defined
 * error; afterwards both must still transfer data.
 */
#ifndef HOSTILE_H
#define HOSTILE_H

#include "host.h"

enum case_flags {
	CASE_LOST	= 1 << 0,	/* the attacker's function is not usable afterwards */
	CASE_EARLY	= 1 << 1,	/* opened with a command queue only */
	CASE_MAPPINGS	= 1 << 2,	/* each allocation is a mapping that can be removed */
};

/**
 * struct hostile_case - one thing to try
 * @name: unique
 * @run: the attempt; the attacker and the bystander
 * @arg: for @run
 * @flags: enum case_flags
 */
struct hostile_case {
	const char *name;
	int (*run)(struct node *a, struct node *b, const void *arg);
	const void *arg;
	u32 flags;
};

/**
 * struct hostile_group - cases of one file
 * @name: prefix of their names
 * @count: how many
 * @get: the @i-th one; @name has room for its full name
 */
struct hostile_group {
	const char *name;
	u32 (*count)(void);
	void (*get)(u32 i, struct hostile_case *c, char *name, size_t size);
};

extern const struct hostile_group command_group, state_group, wqe_group, memory_group,
				  function_group;

/* A guest-physical address where nothing is. */
#define HOLE	0x00007f0000000000ULL

/* The command must be refused, and no object may come of it. */
int must_refuse(struct node *n, const void *in, u32 inlen, u32 outlen, const char *what);
/* The same for a function that ended with @ret. */
int must_fail(struct node *n, int ret, u64 objects, const char *what);

#endif /* HOSTILE_H */
