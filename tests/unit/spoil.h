/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Spoiled copies of a command, one for each thing that its row of the command table
 * says is checked. All of them must be refused, with one of our syndromes, and leave
 * nothing behind.
 */
#ifndef SPOIL_H
#define SPOIL_H

#include "fixture.h"
#include "command.h"

#define MAX_ROWS	256
#define STALE		64

/* What the walk remembers, behind struct client.data. */
struct walk {
	struct guest *g;
	bool met[MAX_ROWS];
	u32 spoiled;
	u32 stale[MHCA_OBJECT_KINDS][STALE];	/* numbers that were live once */
	u32 n_stale[MHCA_OBJECT_KINDS];
	u8 *in;
	u8 *out;
};

/* client.before: tries them all. */
void spoil(struct client *c, const void *in, u32 inlen, u32 outlen);
/* Overwrite a field of the input, whatever was there. */
void put(void *in, struct mhca_field field, u64 value);
bool names_target(const struct mhca_command *row);
/* Rows of this type of port (MHCA_IB: and of all) that no command of the walk was for. */
u32 walk_missing(const struct walk *walk, enum mhca_personality personality);
void walk_begin(struct walk *walk, struct guest *g, struct guest *other);
void walk_end(struct walk *walk);

#endif /* SPOIL_H */
