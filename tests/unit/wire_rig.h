/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Two guests on two networks: a segment each, whose uplinks a wire joins that loses, delays,
 * doubles, changes and reorders frames, by chance or as a program says.
 */
#ifndef WIRE_RIG_H
#define WIRE_RIG_H

#include "fixture.h"
#include "host_port.h"
#include "transport/wire/wire.h"

#define RIG_TO		(BUF_BYTES / 2)
#define RIG_FRAMES	4096
#define RIG_DELAY_NS	5000U

/**
 * struct rig_frame - on its way
 * @due: when it arrives
 * @to: side
 * @len: bytes
 * @data: frame
 */
struct rig_frame {
	u64 due;
	u32 to;
	u32 len;
	u8 data[4300];
};

/**
 * struct rig - the wire
 * @w: guests 0 and 1
 * @host: their uplinks
 * @frame: what is on it, @n of them
 * @n: see @frame
 * @seed: of chance
 * @loss: frames of 1000 that are lost, @twice: doubled, @damage: changed, @late: delayed
 * @twice: see @loss
 * @damage: see @loss
 * @late: see @loss
 * @seen: frames that came to the wire from each side
 * @judge: says of each whether it goes on, or NULL: all do. @packet is what it is
 */
struct rig {
	struct world *w;
	struct host_port host[2];
	struct rig_frame *frame;
	u32 n;
	u32 seed;
	u32 loss;
	u32 twice;
	u32 damage;
	u32 late;
	u32 seen[2];
	bool (*judge)(struct rig *rig, u32 from, const struct wire_packet *packet);
};

extern struct rig rig;

int rig_setup(void **state);
int rig_teardown(void **state);
/* A pair of this service over the wire; @tune may change what an end is told. */
void rig_open(struct pair *p, u8 type, void (*tune)(struct client_modify *m, u32 side));
void rig_post(struct pair *p, u32 side, u8 opcode, u32 len, u64 wr_id);
/* Run everything for @ns. */
void rig_run(u64 ns);
/* The next completion at a side, within a second of the rig's. */
struct client_wc rig_wc(u32 side);
void rig_expect(u32 side, u64 wr_id, u8 status);
/* None comes in @ns. */
void rig_quiet(u64 ns);
/* A frame made of @packet and @payload arrives at @side as it is; its ICRC is made. */
void rig_inject(u32 side, struct wire_packet *packet, const void *payload);
/* What packets to @side's QP have in common, as its peer would send them. */
void rig_packet(struct pair *p, u32 side, u8 opcode, u32 psn, struct wire_packet *packet);
u32 rig_random(u32 below);

#define rig_test(fn) cmocka_unit_test_setup_teardown(fn, rig_setup, rig_teardown)

#endif /* WIRE_RIG_H */
