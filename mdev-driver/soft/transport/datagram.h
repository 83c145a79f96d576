/* SPDX-License-Identifier: GPL-2.0-only */
/* Datagrams, between their two halves: datagram.c or wire_datagram.c, and datagram_in.c. */
#ifndef SOFT_TRANSPORT_DATAGRAM_H
#define SOFT_TRANSPORT_DATAGRAM_H

#include "transport.h"

#define SOFT_GRH_BYTES	40

/**
 * struct soft_arrival - a datagram as its receivers see it
 * @qkey: Q_Key
 * @len: bytes of payload
 * @header: SOFT_GRH_BYTES that stand in front of it, or NULL
 * @has_imm: there is an immediate …
 * @imm: … which is this, as it is
 * @solicited: solicited event
 * @src_qpn: source QPN
 * @slid: source LID; RoCE: 0
 * @sl: service level; RoCE: enum soft_l3
 * @vlan_valid: there was a VLAN tag …
 * @vlan: … with this id
 * @sender: whose lane this is; NULL: it is from the wire
 * @source: over the payload, at its beginning
 * @cost: of pieces of the sender's own keys, as bytes of a turn's budget
 * @probing: nobody gets it yet, and nobody counts a drop
 * @waits: a receiver whose page is being pinned, or NULL; of several the last one
 * @result: an error of the sender's own memory, or SOFT_AGAIN: it is being pinned again
 */
struct soft_arrival {
	u32 qkey;
	u64 len;
	const void *header;
	bool has_imm;
	__be32 imm;
	bool solicited;
	u32 src_qpn;
	u16 slid;
	u8 sl;
	bool vlan_valid;
	u16 vlan;
	const struct soft_instance *sender;
	struct soft_cursor source;
	u64 cost;
	bool probing;
	struct soft_qp *waits;
	enum soft_result result;
};

#define soft_dgram_drop(in, to, counter)				\
	do {								\
		if (!(in)->probing)					\
			mhca_count((to)->base.obj.inst, counter);		\
	} while (0)

/* A cursor over the payload. */
static inline void soft_dgram_source(const struct soft_arrival *in, struct soft_cursor *from)
{
	*from = in->source;
	soft_cursor_seek(from, 0);
}

bool soft_dgram_prepare(struct soft_qp *to, struct soft_arrival *in);
void soft_dgram_deliver(struct soft_qp *to, struct soft_arrival *in);

/* wire_datagram.c */
enum soft_result soft_wire_datagram(struct soft_qp *qp, const struct soft_wqe *wqe,
				    const struct soft_arrival *in);

#endif /* SOFT_TRANSPORT_DATAGRAM_H */
