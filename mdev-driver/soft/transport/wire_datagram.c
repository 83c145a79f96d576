// SPDX-License-Identifier: GPL-2.0-only
/*
 * UD and GSI datagrams over packets (IB specification 9.8.3): one packet each. Groups are not
 * here: a datagram to one goes to the members on this host.
 */
#include "datagram.h"
#include "wire_engine.h"

/**
 * soft_wire_datagram() - send a datagram
 * @qp: sender; its lane's lock held, inside srcu
 * @wqe: its WQE: whom to, and where
 * @in: the same as receivers see it; its payload is there
 *
 * Return: SOFT_OK: it is gone, or lost; SOFT_AGAIN; an error of the sender's memory.
 */
enum soft_result soft_wire_datagram(struct soft_qp *qp, const struct soft_wqe *wqe,
				    const struct soft_arrival *in)
{
	u8 *body = qp->base.si->lane->wire->body;
	enum soft_result result = SOFT_OK;
	struct wire_packet *packet;
	struct soft_cursor from;
	u32 n, done = 0;
	void *ptr;

	soft_dgram_source(in, &from);
	while (done < in->len && result == SOFT_OK) {
		result = soft_cursor_run(&from, in->len - done, &ptr, &n);
		if (result != SOFT_OK)
			break;
		memcpy(body + done, ptr, n);
		soft_cursor_advance(&from, n);
		done += n;
	}
	soft_cursor_release(&from);
	if (result != SOFT_OK)
		return result;
	packet = soft_wire_packet(qp, &wqe->av,
				  WIRE_UD | (in->has_imm ? WIRE_SEND_ONLY_IMM : WIRE_SEND_ONLY),
				  wqe->dqpn);
	packet->psn = qp->req.psn;
	packet->qkey = in->qkey;
	packet->src_qpn = in->src_qpn;
	packet->imm = in->imm;
	packet->solicited = in->solicited;
	packet->payload = in->len;
	return soft_wire_emit(qp, &wqe->av, packet);
}

/* The 40 bytes in front of the payload: the IP header as it came, IPv4's in the last 20. */
static void soft_wire_header(const struct wire_packet *packet, const u8 *frame, u8 header[40])
{
	const u8 *ip = frame + SOFT_ETH_BYTES + (packet->vlan_valid ? SOFT_VLAN_BYTES : 0);

	if (packet->l3 == WIRE_V2_IPV4) {
		memset(header, 0, 20);
		memcpy(header + 20, ip, 20);
		return;
	}
	memcpy(header, ip, 40);
}

/**
 * soft_wire_datagram_came() - a datagram came
 * @qp: its receiver, UD or GSI; its lane's lock held, inside srcu
 * @packet: parsed, ICRC good
 * @frame: what it was parsed from
 *
 * Why it is not delivered is counted, as for those of this host's senders. Return: SOFT_OK, or
 * SOFT_AGAIN: its memory is not there yet.
 */
enum soft_result soft_wire_datagram_came(struct soft_qp *qp, const struct wire_packet *packet,
					 const u8 *frame)
{
	struct soft_wire *wire = qp->base.si->lane->wire;
	struct soft_seg payload = {
		.inline_data = frame + packet->payload_at, .len = packet->payload,
	};
	struct soft_arrival in = {
		.qkey = packet->qkey,
		.len = packet->payload,
		.header = wire->header,
		.has_imm = WIRE_OPERATION(packet->opcode) == WIRE_SEND_ONLY_IMM,
		.imm = packet->imm,
		.solicited = packet->solicited,
		.src_qpn = packet->src_qpn,
		.sl = packet->l3 == WIRE_V2_IPV4 ? SOFT_L3_IPV4 : SOFT_L3_IPV6,
		.vlan_valid = packet->vlan_valid,
		.vlan = packet->vlan_tci & 0xfff,
		.source = { .segs = &payload, .n_segs = 1 },
	};

	soft_wire_header(packet, frame, wire->header);
	mutex_lock(&qp->rsp.lock);
	soft_dgram_deliver(qp, &in);
	mutex_unlock(&qp->rsp.lock);
	return in.waits ? SOFT_AGAIN : SOFT_OK;
}
