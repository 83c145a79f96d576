/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef ETHERNET_H
#define ETHERNET_H

#include "host.h"

/**
 * struct ethernet - the queues of a node's Ethernet port
 * @n: node
 * @cq: of both queues
 * @port: the queues; the receive queue is kept full
 * @sent: frames completed
 * @received: frames that came
 */
struct ethernet {
	struct node *n;
	struct client_cq cq;
	struct client_port port;
	u32 sent;
	u64 received;
};

/* 0 or -1: also when the instance has no Ethernet port. */
int ethernet_open(struct ethernet *e, struct node *n);
/* Take completions, give the buffers back. 0 or -1. */
int ethernet_serve(struct ethernet *e);
/* The same, and fill the send queue with frames: to everybody, or whom ethernet_to() says. */
int ethernet_flood(struct ethernet *e);
/* The same with large sends to everybody. */
int ethernet_flood_large(struct ethernet *e);
void ethernet_to(struct ethernet *e, const u8 mac[6]);
/* Flow tables that cost every frame all that it may cost, and want none. 0 or -1. */
int ethernet_deepen(struct ethernet *e);

#endif /* ETHERNET_H */
