/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a QP keeps for packets (wire_*.c), and what direct delivery keeps up for it: a
 * connection may change between the two at the boundary of a message.
 */
#ifndef SOFT_TRANSPORT_WIRE_QP_H
#define SOFT_TRANSPORT_WIRE_QP_H

#include <mhca/kernel.h>
#include <mhca/limits.h>
#include "queue/queue.h"

/* READs and atomics that a responder remembers: as many as it takes at once, and one. */
#define SOFT_ASKED_MAX	((1U << MHCA_LOG_MAX_RA) + 1)

/**
 * struct soft_asked - a READ or an atomic that a responder has taken
 * @packets: PSNs of it; 0: the place is free
 * @psn: first PSN
 * @msn: message number once it was taken
 * @opcode: MLX5_OPCODE_*
 * @pending: its answer is to be sent, from packet @at on
 * @again: … and was asked for once more
 * @ack_before: what was taken before it is to be acknowledged first
 * @at: see @pending
 * @va: of a READ
 * @rkey: its key
 * @len: its bytes
 * @srqn: XRC: whose PD its key has
 * @value: what an atomic found: it is executed once, whoever asks again
 */
struct soft_asked {
	u32 packets;
	u32 psn;
	u32 msn;
	u8 opcode;
	bool pending;
	bool again;
	bool ack_before;
	u32 at;
	u64 va;
	u32 rkey;
	u32 len;
	u32 srqn;
	u64 value;
};

enum soft_wire_in { SOFT_IN_NOTHING, SOFT_IN_SEND, SOFT_IN_WRITE };

/**
 * struct soft_wire_rsp - responder half, rsp.lock; @asked and @msn are direct delivery's, too
 * @msn: messages taken, mod 2^24
 * @asked: the last READs and atomics
 * @n_asked: how many there were; the next one's place is @n_asked % SOFT_ASKED_MAX
 * @in: kind of the message that is under way
 * @done: bytes of it
 * @va: of a WRITE
 * @rkey: its key
 * @len: its bytes
 * @due: there is something to be sent: answers, @ack_due or @nak_due
 * @unacked: something was taken that no packet has acknowledged
 * @ack_due: an acknowledgement is wanted
 * @nak_due: a NAK is to be sent …
 * @nak: … with this syndrome …
 * @nak_psn: … and this PSN
 * @nakked: a NAK said which PSN is expected: no other before that comes
 * @last: with @nak_due: the QP is in error, and this is its last word
 */
struct soft_wire_rsp {
	u32 msn;
	struct soft_asked asked[SOFT_ASKED_MAX];
	u32 n_asked;
	u8 in;
	u64 done;
	u64 va;
	u32 rkey;
	u32 len;
	bool due;
	bool unacked;
	bool ack_due;
	bool nak_due;
	u8 nak;
	u32 nak_psn;
	bool nakked;
	bool last;
};

/**
 * struct soft_wire_req - requester half, lane->lock: the message of req.wqe
 * @on: it is on the wire, and ends there
 * @acked: packets of it that are acknowledged; of a READ, responses that are here
 * @next: packet to be sent next
 * @sent: packets of it that were sent at all
 * @window: bytes that may be under way
 * @deadline: ktime_get_ns() at which the acknowledgement is late, 0: nothing is under way
 * @probe_at: … at which the oldest packet is sent once more, at no charge
 * @probe_ns: time until that; doubles
 * @rest_until: no packet before that (RNR)
 * @gap: a response is missing, and was asked for again
 * @rnr: the responder is not ready …
 * @rnr_code: … and says for how long
 * @failed: enum soft_result that ends it, or SOFT_OK
 * @ip_id: of the next packet (IPv4)
 */
struct soft_wire_req {
	bool on;
	u32 acked;
	u32 next;
	u32 sent;
	u32 window;
	u64 deadline;
	u64 probe_at;
	u64 probe_ns;
	u64 rest_until;
	bool gap;
	bool rnr;
	u8 rnr_code;
	u8 failed;
	u16 ip_id;
};

#endif /* SOFT_TRANSPORT_WIRE_QP_H */
