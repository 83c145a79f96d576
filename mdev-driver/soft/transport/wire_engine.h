/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * QPs over packets.
 *
 *   wire_in.c       frame -> packet -> QP
 *   wire_respond.c  request packets -> memory, completions; what is to be answered
 *   wire_answer.c   answers -> packets
 *   wire_request.c  send WQEs -> packets; answers -> memory, what is acknowledged
 *   wire_datagram.c UD and GSI, both ways
 *   wire_ring.c     the READs and atomics that a responder remembers
 *   wire_out.c      packet -> frame -> switch
 *
 * Everything happens on the lane of the QP's instance, under its lock: frames wait for it in
 * the instance's inbox (switch/inbox.c). wire/ knows what a packet is, and nothing of QPs.
 */
#ifndef SOFT_TRANSPORT_WIRE_ENGINE_H
#define SOFT_TRANSPORT_WIRE_ENGINE_H

#include "accept.h"
#include "wire/wire.h"

#define SOFT_WIRE_MTU_MAX	4096U
/* What a packet costs beside its payload, as bytes of a turn's budget. */
#define SOFT_WIRE_PACKET_COST	256U
#define SOFT_WIRE_LOOK_NS	(50 * 1000ULL)	/* memory, or an uplink that is full */

/**
 * struct soft_wire - a lane's scratch memory, lane->lock
 * @in: packet that is looked at
 * @out: packet that is made
 * @body: its payload, pad and ICRC
 * @header: what stands in front of a datagram that came
 * @frame: the same on its way
 */
struct soft_wire {
	struct wire_packet in;
	struct wire_packet out;
	u8 body[SOFT_WIRE_MTU_MAX + 3 + WIRE_ICRC_BYTES];
	u8 header[40] __aligned(8);
	struct soft_packet frame;
};

/* AETH syndromes (IB specification 9.7.5.2) */
#define SOFT_ACK		0x1f	/* with no limit of credits */
#define SOFT_NAK_RNR		0x20
#define SOFT_NAK_SEQUENCE	0x60
#define SOFT_NAK_INVALID	0x61
#define SOFT_NAK_ACCESS		0x62
#define SOFT_NAK_OPERATION	0x63

/* wire_ring.c */
struct soft_asked *soft_asked_find(struct soft_qp *qp, u32 psn);
struct soft_asked *soft_asked_next(struct soft_qp *qp, u32 *n);

/* wire_out.c */
struct wire_packet *soft_wire_packet(struct soft_qp *qp, const struct soft_av *av, u8 opcode,
				     u32 dest_qpn);
struct wire_packet *soft_wire_connected(struct soft_qp *qp, u8 operation);
enum soft_result soft_wire_emit(struct soft_qp *qp, const struct soft_av *av,
				struct wire_packet *packet);
bool soft_wire_is_from_peer(const struct soft_qp *qp, const struct wire_packet *packet);
void soft_wire_wait(struct soft_qp *qp, u64 deadline);
void soft_wire_wake(struct soft_qp *qp);

/* wire_datagram.c: a datagram for @qp, which lies in @frame. lane->lock */
enum soft_result soft_wire_datagram_came(struct soft_qp *qp, const struct wire_packet *packet,
					 const u8 *frame);

/*
 * wire_respond.c, wire_request.c: a packet for @qp and its payload. lane->lock. SOFT_AGAIN:
 * memory of the instance is being pinned, and nothing was done; unless it may wait no longer.
 */
void soft_wire_nak(struct soft_qp *qp, u8 syndrome, u32 psn);
enum soft_result soft_wire_respond(struct soft_qp *qp, const struct wire_packet *packet,
				   const u8 *payload, bool may_wait);
enum soft_result soft_wire_answered(struct soft_qp *qp, const struct wire_packet *packet,
				    const u8 *payload);

#endif /* SOFT_TRANSPORT_WIRE_ENGINE_H */
