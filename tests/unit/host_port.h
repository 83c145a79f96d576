/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The host's port of a segment, in the program's hands: keeps what it gets, sends what it is told. */
#ifndef HOST_PORT_H
#define HOST_PORT_H

#include "hca.h"

/**
 * struct host_port - an uplink
 * @hca: HCA
 * @port: its port; sends without a check
 * @frame: the last packet that came
 * @seen: called for each, or NULL
 * @len: its bytes
 * @mss: of a large send; 0: it was one frame
 * @packets: how many came
 * @again: so many are put off before one is taken
 * @carrier: 0, 1; -1: nothing was said
 */
struct host_port {
	struct soft_hca *hca;
	struct soft_port port;
	u8 frame[70000];
	void (*seen)(struct host_port *host);
	u32 len;
	u32 mss;
	u32 packets;
	u32 again;
	int carrier;
};

/* 0 or a negative errno. */
int host_port_up(struct host_port *host, struct soft_hca *hca, u32 segment);
void host_port_down(struct host_port *host);
/*
 * Send a frame: how soft_route_packet() ended, SOFT_NO_PEER when it is no frame. The
 * clock moves on while it waits.
 */
enum soft_result host_port_send(struct host_port *host, const u8 *frame, u32 len);

#endif /* HOST_PORT_H */
