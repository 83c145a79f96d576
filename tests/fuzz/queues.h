/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Connected queues of every service, for the targets that fuzz the data path. */
#ifndef FUZZ_QUEUES_H
#define FUZZ_QUEUES_H

#include "fuzz.h"

#define QUEUES		6U
#define OPEN_FROM	0x1000U	/* node 0: what its widest key covers */
#define OPEN_TO		0xf000U
#define WINDOW_FROM	0x4000U	/* node 1: what node 0 may write */
#define WINDOW_TO	0x6000U
#define INBOX_TO	0x8000U	/* and from the window's end on: its receive buffers */

/**
 * struct queues - what an input plays with
 * @w: world
 * @qp: RC to node 1; RC to the next; RC with SRQ; UC, UD and XRC to themselves
 * @peer: node 1's end of the first
 * @srq: basic and XRC
 * @xrcd: XRC domain
 * @key: wide; read-only, 256 bytes; narrow with odd ends
 * @window: node 1's key
 */
struct queues {
	struct fuzz_world *w;
	struct client_qp qp[QUEUES];
	struct client_qp peer;
	struct client_srq srq[2];
	u32 xrcd;
	u32 key[3];
	u32 window;
};

void queues_open(struct queues *q);
/* Memory outside of keys is as it was; then the end of the world. */
void queues_close(struct queues *q);
/* To the reset state and connected again, when the commands still get through. */
void queues_reconnect(struct queues *q, u32 i);
/* Keep node 1's receive queue filled and its completions polled. */
void queues_serve(struct queues *q);
/* A correct work request; @choice says which. */
void queues_post(struct queues *q, u32 i, u16 choice, u32 len);
void queues_recv(struct queues *q, u32 i, u32 len);
/* Records that both targets have; false: not one of them. */
bool queues_record(struct queues *q, u8 kind, struct fuzz_input *in);

enum queues_record {
	QUEUES_TURNS,		/* n */
	QUEUES_TIME,		/* quarter milliseconds */
	QUEUES_RECONNECT,	/* qp */
	QUEUES_POST,		/* qp, choice (2), length (2) */
	QUEUES_RECV,		/* qp, length (2) */
	QUEUES_POLL,		/* arm? */
	QUEUES_RECORDS,
};

#endif /* FUZZ_QUEUES_H */
