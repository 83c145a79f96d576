/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What an honest tenant does (load.c): the victim of storms, and its fair neighbour.
 * What others do (storm.c).
 */
#ifndef LOAD_H
#define LOAD_H

#include "host.h"

#define LOAD_SIZE	16384U
#define LOAD_FLIGHT	16U

/**
 * struct load - a stream of WRITEs and one small WRITE after the other
 * @from: instance that posts
 * @to: instance that is written to
 * @stream: QP of the stream
 * @stream_peer: its other end
 * @ping: QP of the small WRITEs
 * @ping_peer: its other end
 * @flight: WRITEs of the stream not completed yet
 * @slot: next part of the buffer
 * @pinging: a small WRITE is not completed yet
 * @posted: when it was posted
 * @pings: small WRITEs so far; also what the last one carries
 * @ending: nothing is posted any more
 * @bytes: of the stream since the measurement began
 * @ns: times of the small WRITEs, @n: how many
 * @n: see @ns
 */
struct load {
	struct node *from;
	struct node *to;
	struct client_qp stream;
	struct client_qp stream_peer;
	struct client_qp ping;
	struct client_qp ping_peer;
	u32 flight;
	u32 slot;
	bool pinging;
	u64 posted;
	u64 pings;
	bool ending;
	u64 bytes;
	u64 *ns;
	u32 n;
};

int load_open(struct load *l, struct node *from, struct node *to);
/* Take what is complete, post what may be posted: how many were complete, or -1. */
int load_step(struct load *l);
/* The same, and let others run when nothing was. 0 or -1. */
int load_turn(struct load *l);
/* Wait for what is in flight and compare. */
int load_drain(struct load *l);

/**
 * struct load_result - a measurement
 * @bytes: of the stream
 * @ns: in so long
 * @pings: small WRITEs
 * @p50: ns from post to completion of these, median
 * @p99: 99th percentile
 */
struct load_result {
	u64 bytes;
	u64 ns;
	u32 pings;
	u64 p50;
	u64 p99;
};

struct storm;

/* @neighbour: has a step of its own before each load_turn(), or NULL. */
int load_measure(struct load *l, u64 ms, struct storm *neighbour, struct load_result *r);

/* The @i-th name; NULL: there are no more. */
const char *storm_name(u32 i);
/* Does it want instances with an Ethernet port? */
bool storm_is_ethernet(const char *name);
/* @peer: the other end, may be @n. NULL: it could not be prepared. */
struct storm *storm_start(const char *name, struct node *n, struct node *peer);
int storm_step(struct storm *s);
void storm_free(struct storm *s);

#endif /* LOAD_H */
