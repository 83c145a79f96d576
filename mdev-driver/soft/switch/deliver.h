/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Packets to ports: to instances (eth_rx.c), to the host (uplink.c), to all who want them
 * (route.c). Included by switch.h.
 */
#ifndef SOFT_SWITCH_DELIVER_H
#define SOFT_SWITCH_DELIVER_H

#include "switch.h"

/*
 * port.c: the instance that has @mac in @segment; NULL: nobody here. Inside srcu,
 * any lane, no lock.
 */
struct soft_instance *soft_switch_find(struct soft_hca *hca, u32 segment, const u8 mac[6]);
/* port.c: hooks of hca.c. The port of @si comes, goes, or changed (command lock). */
int soft_switch_join(struct soft_instance *si);
void soft_switch_leave(struct soft_instance *si);
void soft_switch_update(struct soft_instance *si);
void soft_switch_swap(struct soft_instance *a, struct soft_instance *b);
void soft_switch_announce(struct soft_instance *si);

/* port.c */
void soft_switch_carrier(struct soft_hca *hca, u32 segment);
void soft_port_say(struct soft_port *port, const struct mhca_instance *inst,
		   enum soft_drop cause);

/* eth_rx.c */
enum soft_result soft_eth_receive(struct soft_instance *to, const struct soft_packet *packet,
				  u32 *at, u32 *frames, bool *own);
void soft_eth_lost(struct soft_instance *to, const struct soft_packet *packet, u32 *at);

/* inbox.c: frames of RoCE */
bool soft_inbox_wants(const struct soft_instance *to, const struct soft_packet *packet);
enum soft_result soft_inbox_put(struct soft_instance *to, const struct soft_packet *packet,
				u32 *at, u32 *frames, bool *own);
struct soft_letter *soft_inbox_take(struct soft_instance *si);
void soft_inbox_put_back(struct soft_instance *si, struct soft_letter *letter);
void soft_inbox_empty(struct soft_instance *si);

/**
 * struct soft_progress - how far a packet has come; zeroed: it has not begun (route.c)
 * @begun: it was let in, paid for and counted as sent
 * @taken: there was a port that gets it
 * @group: what it was then: to a group, …
 * @mss: … with this MSS, …
 * @body_len: … and so many bytes behind its head
 * @order: of the port that comes next (soft_forward.at)
 * @at: bytes of the body that this port has
 * @wait: for a receiver that cannot take a frame
 */
struct soft_progress {
	bool begun;
	bool taken;
	bool group;
	u16 mss;
	u32 body_len;
	u32 order;
	u32 at;
	struct soft_wait wait;
};

/* ---- Routes (route.c) ------------------------------------------------------ */

/**
 * struct soft_uplink_ops - the host's side of a segment (uplink.c)
 * @xmit: a piece of a packet for the host; inside srcu, process context. SOFT_OK: taken,
 *        or dropped and counted; SOFT_AGAIN; an error of the sender's memory
 * @carrier: instances of the segment can be reached, or cannot; inside srcu
 */
struct soft_uplink_ops {
	enum soft_result (*xmit)(void *uplink, const struct soft_packet *packet,
				 const struct soft_piece *piece);
	void (*carrier)(void *uplink, bool on);
};

enum soft_result soft_route_packet(struct soft_hca *hca, const struct soft_packet *packet,
				   struct soft_progress *progress, u32 *frames);

#endif /* SOFT_SWITCH_DELIVER_H */
