// SPDX-License-Identifier: GPL-2.0-only
/*
 * RoCE packets: fields to headers and back. What comes from the wire is a stranger's:
 * nothing is read beyond what is there, and every length in it has to agree with the
 * others (IB specification 5.2 to 5.4, 9.2 to 9.4, A16.4, A17.3).
 */
#include "wire.h"

#define WIRE_TYPE_IPV4		0x0800
#define WIRE_TYPE_VLAN		0x8100
#define WIRE_TYPE_IPV6		0x86dd
#define WIRE_TYPE_ROCE		0x8915
#define WIRE_IPV4_BYTES		20U
#define WIRE_IPV4_DF		0x4000
#define WIRE_IPV4_FRAGMENT	0x3fff	/* more fragments, or an offset */
#define WIRE_IPV6_BYTES		40U	/* a GRH's, too */
#define WIRE_UDP_BYTES		8U
#define WIRE_BTH_BYTES		12U
#define WIRE_PROTO_UDP		17
#define WIRE_PROTO_IBA		0x1b	/* next header of a GRH */
#define WIRE_CNP_OPCODE		0x81

/* ---- Opcodes ------------------------------------------------------------------- */

enum { SERVE_RC = 1, SERVE_UC = 2, SERVE_UD = 4, SERVE_XRC = 8 };
#define SERVE_RELIABLE	(SERVE_RC | SERVE_XRC)
#define SERVE_CONNECTED	(SERVE_RELIABLE | SERVE_UC)
#define SERVE_SENDERS	(SERVE_CONNECTED | SERVE_UD)

/**
 * struct wire_row - a row of the table of operations
 * @services: that have it
 * @place: where in its message
 * @response: of a responder
 * @data: has payload
 * @headers: that follow the BTH, but those that all packets of a service have
 */
struct wire_row {
	u8 services;
	u8 place;
	bool response;
	bool data;
	u16 headers;
};

#define REQUEST(op, services, place, data, headers) \
	[WIRE_##op] = { services, WIRE_##place, false, data, headers }
#define RESPONSE(op, place, data, headers) \
	[WIRE_##op] = { SERVE_RELIABLE, WIRE_##place, true, data, headers }

static const struct wire_row wire_rows[32] = {
	REQUEST(SEND_FIRST,	 SERVE_CONNECTED, FIRST,  true,	 0),
	REQUEST(SEND_MIDDLE,	 SERVE_CONNECTED, MIDDLE, true,	 0),
	REQUEST(SEND_LAST,	 SERVE_CONNECTED, LAST,	  true,	 0),
	REQUEST(SEND_LAST_IMM,	 SERVE_CONNECTED, LAST,	  true,	 WIRE_IMMDT),
	REQUEST(SEND_ONLY,	 SERVE_SENDERS,	  ONLY,	  true,	 0),
	REQUEST(SEND_ONLY_IMM,	 SERVE_SENDERS,	  ONLY,	  true,	 WIRE_IMMDT),
	REQUEST(WRITE_FIRST,	 SERVE_CONNECTED, FIRST,  true,	 WIRE_RETH),
	REQUEST(WRITE_MIDDLE,	 SERVE_CONNECTED, MIDDLE, true,	 0),
	REQUEST(WRITE_LAST,	 SERVE_CONNECTED, LAST,	  true,	 0),
	REQUEST(WRITE_LAST_IMM,	 SERVE_CONNECTED, LAST,	  true,	 WIRE_IMMDT),
	REQUEST(WRITE_ONLY,	 SERVE_CONNECTED, ONLY,	  true,	 WIRE_RETH),
	REQUEST(WRITE_ONLY_IMM,	 SERVE_CONNECTED, ONLY,	  true,	 WIRE_RETH | WIRE_IMMDT),
	REQUEST(READ_REQUEST,	 SERVE_RELIABLE,  ONLY,	  false, WIRE_RETH),
	REQUEST(CMP_SWAP,	 SERVE_RELIABLE,  ONLY,	  false, WIRE_ATOMICETH),
	REQUEST(FETCH_ADD,	 SERVE_RELIABLE,  ONLY,	  false, WIRE_ATOMICETH),
	REQUEST(SEND_LAST_INV,	 SERVE_RELIABLE,  LAST,	  true,	 WIRE_IETH),
	REQUEST(SEND_ONLY_INV,	 SERVE_RELIABLE,  ONLY,	  true,	 WIRE_IETH),
	RESPONSE(READ_FIRST,	 FIRST,	 true,	WIRE_AETH),
	RESPONSE(READ_MIDDLE,	 MIDDLE, true,	0),
	RESPONSE(READ_LAST,	 LAST,	 true,	WIRE_AETH),
	RESPONSE(READ_ONLY,	 ONLY,	 true,	WIRE_AETH),
	RESPONSE(ACK,		 ONLY,	 false,	WIRE_AETH),
	RESPONSE(ATOMIC_ACK,	 ONLY,	 false,	WIRE_AETH | WIRE_ATOMICACK),
};

static u8 wire_serve(u8 opcode)
{
	switch (WIRE_SERVICE(opcode)) {
	case WIRE_RC:
		return SERVE_RC;
	case WIRE_UC:
		return SERVE_UC;
	case WIRE_UD:
		return SERVE_UD;
	case WIRE_XRC:
		return SERVE_XRC;
	default:
		return 0;
	}
}

/**
 * wire_op() - what an opcode stands for
 * @opcode: bth.opcode
 *
 * FLUSH, ATOMIC WRITE, vendors' atomics and reliable datagrams are not valid here.
 */
struct wire_op wire_op(u8 opcode)
{
	const struct wire_row *row = &wire_rows[WIRE_OPERATION(opcode)];
	struct wire_op op = {
		.valid = row->services & wire_serve(opcode),
		.response = row->response,
		.data = row->data,
		.place = row->place,
		.headers = row->headers,
	};

	/* A congestion notification: 16 bytes of zeros, in nobody's message. */
	if (opcode == WIRE_CNP_OPCODE)
		return (struct wire_op){ .valid = true, .data = true, .place = WIRE_ONLY };
	if (WIRE_SERVICE(opcode) == WIRE_UD)
		op.headers |= WIRE_DETH;
	if (WIRE_SERVICE(opcode) == WIRE_XRC && !row->response)
		op.headers |= WIRE_XRCETH;
	return op;
}

static const u8 wire_header_bytes[] = { 8, 4, 16, 4, 28, 8, 4, 4 };

static u32 wire_extended_bytes(u16 headers)
{
	u32 i, bytes = 0;

	for (i = 0; i < ARRAY_SIZE(wire_header_bytes); i++)
		if (headers & BIT(i))
			bytes += wire_header_bytes[i];
	return bytes;
}

/* ---- Building ------------------------------------------------------------------ */

static u8 *wire_put_ethernet(u8 *to, const struct wire_packet *packet)
{
	static const u16 types[] = { WIRE_TYPE_ROCE, WIRE_TYPE_IPV4, WIRE_TYPE_IPV6 };

	memcpy(to, packet->dmac, 6);
	memcpy(to + 6, packet->smac, 6);
	to += 12;
	if (packet->vlan_valid) {
		put_unaligned_be16(WIRE_TYPE_VLAN, to);
		put_unaligned_be16(packet->vlan_tci, to + 2);
		to += 4;
	}
	put_unaligned_be16(types[packet->l3], to);
	return to + 2;
}

static u8 *wire_put_ipv4(u8 *to, const struct wire_packet *packet, u32 bytes)
{
	__sum16 sum;

	to[0] = 0x45;
	to[1] = packet->tclass;
	put_unaligned_be16(WIRE_IPV4_BYTES + bytes, to + 2);
	put_unaligned_be16(packet->ip_id, to + 4);
	put_unaligned_be16(WIRE_IPV4_DF, to + 6);
	to[8] = packet->hop_limit;
	to[9] = WIRE_PROTO_UDP;
	memset(to + 10, 0, 2);
	memcpy(to + 12, packet->sgid + 12, 4);
	memcpy(to + 16, packet->dgid + 12, 4);
	sum = csum_fold(csum_partial(to, WIRE_IPV4_BYTES, 0));
	memcpy(to + 10, &sum, 2);
	return to + WIRE_IPV4_BYTES;
}

/* IPv6's header, or a GRH. */
static u8 *wire_put_ipv6(u8 *to, const struct wire_packet *packet, u8 next, u32 bytes)
{
	put_unaligned_be32(6U << 28 | (u32)packet->tclass << 20 |
			   (packet->flow_label & 0xfffff), to);
	put_unaligned_be16(bytes, to + 4);
	to[6] = next;
	to[7] = packet->hop_limit;
	memcpy(to + 8, packet->sgid, 16);
	memcpy(to + 24, packet->dgid, 16);
	return to + WIRE_IPV6_BYTES;
}

static u8 *wire_put_udp(u8 *to, const struct wire_packet *packet, u32 bytes)
{
	put_unaligned_be16(packet->sport, to);
	put_unaligned_be16(WIRE_UDP_PORT, to + 2);
	put_unaligned_be16(bytes, to + 4);
	put_unaligned_be16(0, to + 6);		/* the ICRC says more */
	return to + WIRE_UDP_BYTES;
}

static u8 *wire_put_bth(u8 *to, const struct wire_packet *packet)
{
	to[0] = packet->opcode;
	to[1] = packet->solicited << 7 | packet->migrated << 6 | wire_pad(packet->payload) << 4;
	put_unaligned_be16(packet->pkey, to + 2);
	put_unaligned_be32(packet->dest_qpn & 0xffffff, to + 4);
	to[4] = packet->fecn << 7 | packet->becn << 6;
	put_unaligned_be32(packet->psn & WIRE_PSN_MASK, to + 8);
	to[8] = packet->ack_req << 7;
	return to + WIRE_BTH_BYTES;
}

static u8 *wire_put_extended(u8 *to, const struct wire_packet *packet, u16 headers)
{
	if (headers & WIRE_DETH) {
		put_unaligned_be32(packet->qkey, to);
		put_unaligned_be32(packet->src_qpn & 0xffffff, to + 4);
		to += 8;
	}
	if (headers & WIRE_XRCETH) {
		put_unaligned_be32(packet->srqn & 0xffffff, to);
		to += 4;
	}
	if (headers & WIRE_RETH) {
		put_unaligned_be64(packet->va, to);
		put_unaligned_be32(packet->rkey, to + 8);
		put_unaligned_be32(packet->length, to + 12);
		to += 16;
	}
	if (headers & WIRE_AETH) {
		put_unaligned_be32((u32)packet->syndrome << 24 | (packet->msn & 0xffffff), to);
		to += 4;
	}
	if (headers & WIRE_ATOMICETH) {
		put_unaligned_be64(packet->va, to);
		put_unaligned_be32(packet->rkey, to + 8);
		put_unaligned_be64(packet->swap_add, to + 12);
		put_unaligned_be64(packet->compare, to + 20);
		to += 28;
	}
	if (headers & WIRE_ATOMICACK) {
		put_unaligned_be64(packet->original, to);
		to += 8;
	}
	if (headers & WIRE_IMMDT) {
		memcpy(to, &packet->imm, 4);
		to += 4;
	}
	if (headers & WIRE_IETH) {
		put_unaligned_be32(packet->rkey, to);
		to += 4;
	}
	return to;
}

/**
 * wire_build() - the headers of a packet
 * @packet: its fields; @packet->payload bytes and their pad are to follow, then the ICRC
 * @head: out: Ethernet header up to the last extended header
 *
 * Return: bytes of @head; 0: no such opcode, or payload where there is none.
 */
u32 wire_build(const struct wire_packet *packet, u8 head[WIRE_HEAD_MAX])
{
	const struct wire_op op = wire_op(packet->opcode);
	u32 bytes = WIRE_BTH_BYTES + wire_extended_bytes(op.headers) + packet->payload +
		    wire_pad(packet->payload) + WIRE_ICRC_BYTES;
	u8 *to = head;

	if (!op.valid || (packet->payload && !op.data) ||
	    packet->payload > U16_MAX - WIRE_HEAD_MAX)
		return 0;
	to = wire_put_ethernet(to, packet);
	switch (packet->l3) {
	case WIRE_V1:
		to = wire_put_ipv6(to, packet, WIRE_PROTO_IBA, bytes);
		break;
	case WIRE_V2_IPV4:
		to = wire_put_ipv4(to, packet, WIRE_UDP_BYTES + bytes);
		to = wire_put_udp(to, packet, WIRE_UDP_BYTES + bytes);
		break;
	case WIRE_V2_IPV6:
		to = wire_put_ipv6(to, packet, WIRE_PROTO_UDP, WIRE_UDP_BYTES + bytes);
		to = wire_put_udp(to, packet, WIRE_UDP_BYTES + bytes);
		break;
	}
	to = wire_put_bth(to, packet);
	return wire_put_extended(to, packet, op.headers) - head;
}

/* ---- Parsing ------------------------------------------------------------------- */

/**
 * struct wire_cursor - what is left of a frame that is parsed
 * @at: next byte
 * @head_len: bytes of the frame that can be looked at
 * @left: bytes that the packet still has, as the headers so far say
 */
struct wire_cursor {
	u32 at;
	u32 head_len;
	u32 left;
};

/* The next @bytes; false: they are not there. */
static bool wire_take(struct wire_cursor *cursor, u32 bytes)
{
	if (bytes > cursor->left || bytes > cursor->head_len - cursor->at)
		return false;
	cursor->at += bytes;
	cursor->left -= bytes;
	return true;
}

static void wire_map_ipv4(u8 gid[16], const u8 *address)
{
	memset(gid, 0, 10);
	memset(gid + 10, 0xff, 2);
	memcpy(gid + 12, address, 4);
}

/* Is it a UDP datagram to RoCE's port? Only what can be seen says so. */
static bool wire_is_ours(const u8 *frame, const struct wire_cursor *cursor, u32 at)
{
	return at <= cursor->head_len && cursor->head_len - at >= 4 &&
	       get_unaligned_be16(frame + at + 2) == WIRE_UDP_PORT;
}

static enum wire_result wire_parse_ipv4(struct wire_packet *packet, const u8 *frame,
					struct wire_cursor *cursor)
{
	const u8 *ip = frame + cursor->at;
	u32 at = cursor->at, total;

	if (!wire_take(cursor, WIRE_IPV4_BYTES) || ip[0] >> 4 != 4 || ip[9] != WIRE_PROTO_UDP)
		return WIRE_NOT_ROCE;
	/* A later fragment has no ports. */
	if ((get_unaligned_be16(ip + 6) & 0x1fff) ||
	    !wire_is_ours(frame, cursor, at + 4 * (ip[0] & 0xf)))
		return WIRE_NOT_ROCE;
	if (ip[0] != 0x45 || (get_unaligned_be16(ip + 6) & WIRE_IPV4_FRAGMENT) ||
	    csum_fold(csum_partial(ip, WIRE_IPV4_BYTES, 0)))
		return WIRE_BAD_IP;
	total = get_unaligned_be16(ip + 2);
	if (total < WIRE_IPV4_BYTES || total - WIRE_IPV4_BYTES > cursor->left)
		return WIRE_BAD_LENGTH;
	cursor->left = total - WIRE_IPV4_BYTES;
	packet->tclass = ip[1];
	packet->ip_id = get_unaligned_be16(ip + 4);
	packet->hop_limit = ip[8];
	wire_map_ipv4(packet->sgid, ip + 12);
	wire_map_ipv4(packet->dgid, ip + 16);
	return WIRE_OK;
}

static enum wire_result wire_parse_ipv6(struct wire_packet *packet, const u8 *frame,
					struct wire_cursor *cursor)
{
	const u8 *ip = frame + cursor->at;
	bool v1 = packet->l3 == WIRE_V1;
	u32 bytes;

	if (!wire_take(cursor, WIRE_IPV6_BYTES))
		return v1 ? WIRE_BAD_LENGTH : WIRE_NOT_ROCE;
	if (v1 && (ip[0] >> 4 != 6 || ip[6] != WIRE_PROTO_IBA))
		return WIRE_BAD_IP;
	if (!v1 && (ip[0] >> 4 != 6 || ip[6] != WIRE_PROTO_UDP ||
		    !wire_is_ours(frame, cursor, cursor->at)))
		return WIRE_NOT_ROCE;
	bytes = get_unaligned_be16(ip + 4);
	if (bytes > cursor->left)
		return WIRE_BAD_LENGTH;
	cursor->left = bytes;
	packet->tclass = get_unaligned_be16(ip) >> 4;
	packet->flow_label = get_unaligned_be32(ip) & 0xfffff;
	packet->hop_limit = ip[7];
	memcpy(packet->sgid, ip + 8, 16);
	memcpy(packet->dgid, ip + 24, 16);
	return WIRE_OK;
}

/* Ethernet, a tag, what is below the BTH; then @cursor is at the BTH. */
static enum wire_result wire_parse_lower(struct wire_packet *packet, const u8 *frame,
					 struct wire_cursor *cursor)
{
	enum wire_result result;
	const u8 *udp;
	u16 type;

	if (!wire_take(cursor, 14))
		return WIRE_NOT_ROCE;
	memcpy(packet->dmac, frame, 6);
	memcpy(packet->smac, frame + 6, 6);
	type = get_unaligned_be16(frame + 12);
	if (type == WIRE_TYPE_VLAN) {
		if (!wire_take(cursor, 4))
			return WIRE_NOT_ROCE;
		packet->vlan_valid = true;
		packet->vlan_tci = get_unaligned_be16(frame + 14);
		type = get_unaligned_be16(frame + 16);
	}
	switch (type) {
	case WIRE_TYPE_ROCE:
		packet->l3 = WIRE_V1;
		return wire_parse_ipv6(packet, frame, cursor);
	case WIRE_TYPE_IPV4:
		packet->l3 = WIRE_V2_IPV4;
		result = wire_parse_ipv4(packet, frame, cursor);
		break;
	case WIRE_TYPE_IPV6:
		packet->l3 = WIRE_V2_IPV6;
		result = wire_parse_ipv6(packet, frame, cursor);
		break;
	default:
		return WIRE_NOT_ROCE;
	}
	if (result != WIRE_OK)
		return result;
	udp = frame + cursor->at;
	if (!wire_take(cursor, WIRE_UDP_BYTES) ||
	    get_unaligned_be16(udp + 4) != WIRE_UDP_BYTES + cursor->left)
		return WIRE_BAD_LENGTH;
	packet->sport = get_unaligned_be16(udp);
	return WIRE_OK;
}

static enum wire_result wire_parse_bth(struct wire_packet *packet, const u8 *frame,
				       struct wire_cursor *cursor)
{
	const u8 *bth = frame + cursor->at;

	if (!wire_take(cursor, WIRE_BTH_BYTES))
		return WIRE_BAD_LENGTH;
	packet->opcode = bth[0];
	packet->solicited = bth[1] >> 7;
	packet->migrated = bth[1] >> 6 & 1;
	packet->pad = bth[1] >> 4 & 3;
	packet->pkey = get_unaligned_be16(bth + 2);
	packet->fecn = bth[4] >> 7;
	packet->becn = bth[4] >> 6 & 1;
	packet->dest_qpn = get_unaligned_be32(bth + 4) & 0xffffff;
	packet->ack_req = bth[8] >> 7;
	packet->psn = get_unaligned_be32(bth + 8) & WIRE_PSN_MASK;
	return bth[1] & 0xf ? WIRE_BAD_VERSION : WIRE_OK;
}

static void wire_parse_extended(struct wire_packet *packet, const u8 *from, u16 headers)
{
	if (headers & WIRE_DETH) {
		packet->qkey = get_unaligned_be32(from);
		packet->src_qpn = get_unaligned_be32(from + 4) & 0xffffff;
		from += 8;
	}
	if (headers & WIRE_XRCETH) {
		packet->srqn = get_unaligned_be32(from) & 0xffffff;
		from += 4;
	}
	if (headers & WIRE_RETH) {
		packet->va = get_unaligned_be64(from);
		packet->rkey = get_unaligned_be32(from + 8);
		packet->length = get_unaligned_be32(from + 12);
		from += 16;
	}
	if (headers & WIRE_AETH) {
		packet->syndrome = from[0];
		packet->msn = get_unaligned_be32(from) & 0xffffff;
		from += 4;
	}
	if (headers & WIRE_ATOMICETH) {
		packet->va = get_unaligned_be64(from);
		packet->rkey = get_unaligned_be32(from + 8);
		packet->swap_add = get_unaligned_be64(from + 12);
		packet->compare = get_unaligned_be64(from + 20);
		from += 28;
	}
	if (headers & WIRE_ATOMICACK) {
		packet->original = get_unaligned_be64(from);
		from += 8;
	}
	if (headers & WIRE_IMMDT) {
		memcpy(&packet->imm, from, 4);
		from += 4;
	}
	if (headers & WIRE_IETH)
		packet->rkey = get_unaligned_be32(from);
}

/**
 * wire_parse() - the fields of a frame from the wire
 * @packet: out; with another result than %WIRE_OK not to be believed beyond what
 *          &enum wire_result says
 * @frame: its first bytes, which do not change meanwhile
 * @head_len: how many; WIRE_HEAD_MAX always are enough
 * @frame_len: bytes of the frame without FCS; Ethernet may have padded it
 *
 * The ICRC is not looked at: it follows @packet->payload and @packet->pad bytes behind
 * @packet->payload_at. What a message as a whole may be, and the path's MTU, are the
 * transport's (wire_length_ok()).
 */
enum wire_result wire_parse(struct wire_packet *packet, const u8 *frame, u32 head_len,
			    u32 frame_len)
{
	struct wire_cursor cursor = { .head_len = min(head_len, frame_len), .left = frame_len };
	enum wire_result result;
	struct wire_op op;
	const u8 *extended;
	u32 tail;

	memset(packet, 0, sizeof(*packet));
	result = wire_parse_lower(packet, frame, &cursor);
	if (result == WIRE_OK)
		result = wire_parse_bth(packet, frame, &cursor);
	if (result != WIRE_OK)
		return result;
	op = wire_op(packet->opcode);
	if (!op.valid)
		return WIRE_BAD_OPCODE;
	extended = frame + cursor.at;
	if (!wire_take(&cursor, wire_extended_bytes(op.headers)))
		return WIRE_BAD_LENGTH;
	wire_parse_extended(packet, extended, op.headers);
	tail = packet->pad + WIRE_ICRC_BYTES;
	if (cursor.left < tail)
		return WIRE_BAD_LENGTH;
	packet->payload_at = cursor.at;
	packet->payload = cursor.left - tail;
	if (packet->pad != wire_pad(packet->payload) || (packet->payload && !op.data))
		return WIRE_BAD_LENGTH;
	if (packet->opcode == WIRE_CNP_OPCODE && packet->payload != WIRE_CNP_BYTES)
		return WIRE_BAD_LENGTH;
	return WIRE_OK;
}

/**
 * wire_length_ok() - may a packet of this kind have so much payload?
 * @packet: that was parsed
 * @pmtu: path MTU, bytes
 *
 * IB specification 9.4.1 and 9.7.4.1.6: all but the last packet of a message are full. A
 * last one without payload is taken, as other implementations do.
 */
bool wire_length_ok(const struct wire_packet *packet, u32 pmtu)
{
	switch (wire_op(packet->opcode).place) {
	case WIRE_FIRST:
	case WIRE_MIDDLE:
		return packet->payload == pmtu;
	default:
		return packet->payload <= pmtu;
	}
}
