/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the fuzz targets share: two instances on one software HCA, built anew for
 * each input, and the checks that hold whatever an input did.
 *
 * Node 0 belongs to the input. Node 1 is the other tenant: its memory and its own
 * traffic must be as if node 0 did not exist, unless a target gives node 0 a way to
 * it. Everything is driven by the target, the clock included, and every address is
 * the same in each run, so an input says it all.
 */
#ifndef FUZZ_H
#define FUZZ_H

#include <mhca/kernel.h>
#include <shim/control.h>
#include "command.h"
#include "hca.h"
#include "vmm_user.h"

#define FUZZ_NODES	2
#define FUZZ_MEM	(64U << 10)	/* a node's data memory */
#define FUZZ_VA		0x10000U	/* where keys say it begins */
#define FUZZ_QKEY	0x11111111U
#define FUZZ_TURNS	100000U		/* lanes are quiet after so many */

/* ---- Input ------------------------------------------------------------ */

/**
 * struct fuzz_input - what is left of an input; past its end everything is 0
 * @p: next byte
 * @left: bytes from there
 */
struct fuzz_input {
	const u8 *p;
	size_t left;
};

u64 fuzz_take(struct fuzz_input *in, u32 bytes);	/* little endian */
void fuzz_take_bytes(struct fuzz_input *in, void *to, size_t len);

static inline u8 fuzz_take8(struct fuzz_input *in)
{
	return (u8)fuzz_take(in, 1);
}

static inline u16 fuzz_take16(struct fuzz_input *in)
{
	return (u16)fuzz_take(in, 2);
}

/* The same in the other direction, for seeds. */
struct fuzz_output {
	u8 *p;
	size_t len;
	size_t room;
};

void fuzz_put(struct fuzz_output *out, u64 value, u32 bytes);
void fuzz_put_bytes(struct fuzz_output *out, const void *from, size_t len);

/* ---- Nodes ------------------------------------------------------------ */

/**
 * struct fuzz_node - an instance and its driver
 * @vmm: front end
 * @c: client
 * @pd: PD
 * @cq: CQ of 64 entries
 * @mem: FUZZ_MEM of data
 * @key: all of it from FUZZ_VA on, all access
 * @gid: its first, of a RoCE port; zero of another
 * @before: @mem at the last fuzz_remember()
 */
struct fuzz_node {
	struct vmm_user *vmm;
	struct client c;
	u32 pd;
	struct client_cq cq;
	struct client_mem mem;
	u32 key;
	u8 gid[16];
	u8 before[FUZZ_MEM];
};

struct fuzz_world {
	struct soft_hca hca;
	bool roce;			/* ports are Ethernet, and the connections RoCE's */
	struct fuzz_node n[FUZZ_NODES];
	struct client_qp own[2];	/* node 1's own connection */
	u32 own_count;
};

/* Ends the program the way a sanitizer does. */
#define fuzz_check(cond, ...)							\
	do {									\
		if (!(cond))							\
			fuzz_fail(__FILE__, __LINE__, #cond, __VA_ARGS__);	\
	} while (0)

void fuzz_fail(const char *file, int line, const char *what, const char *format, ...)
	__attribute__((noreturn, format(printf, 4, 5)));

struct fuzz_world *fuzz_world_create(bool roce);
/* Node 1 is well, node 0 leaves nothing behind after its reset. */
void fuzz_world_finish(struct fuzz_world *w);

/* Inlen, outlen and bytes into slot @slot of the command queue; true: it can be rung. */
bool fuzz_take_command(struct fuzz_node *n, struct fuzz_input *in, u32 slot);

/* A key over part of a node's memory, with FUZZ_VA-based addresses. */
u32 fuzz_key(struct fuzz_node *n, u32 offset, u32 len, u32 access);
/* Of @m only the rest; who is reached by which address is filled in. */
void fuzz_connect(struct fuzz_node *a, struct client_qp *qa, struct fuzz_node *b,
		  struct client_qp *qb, const struct client_modify *m);

/* Commands and lanes until nothing moves; that is soon, whatever the input did. */
void fuzz_settle(struct fuzz_world *w);
/* At most @turns of each. */
void fuzz_run(struct fuzz_world *w, u32 turns);
void fuzz_elapse(struct fuzz_world *w, u64 ns);

void fuzz_remember(struct fuzz_node *n);
/* Data of @n outside [@from, @to) is what it was. */
void fuzz_unchanged(const struct fuzz_node *n, u32 from, u32 to);

/* ---- Targets ---------------------------------------------------------- */

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);
/* Calls @add for each seed the target can make by itself. */
void fuzz_seeds(void (*add)(const void *data, size_t size));

#endif /* FUZZ_H */
