/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * RoCE packets as bytes: what stands in them and where, how long they may be, their
 * ICRC. Nothing here knows a queue pair or a guest's memory.
 *
 *   packet.c   fields <-> headers, lengths
 *   icrc.c     the invariant CRC, in one pass or joined from parts
 *
 * Source: IB specification volume 1, chapters 5 and 9, annexes A16 (RoCE) and A17
 * (RoCEv2).
 */
#ifndef SOFT_WIRE_H
#define SOFT_WIRE_H

#include <mhca/kernel.h>

#define WIRE_UDP_PORT		4791
#define WIRE_PKEY		0xffff		/* the only one on RoCE */
#define WIRE_QPN_MULTICAST	0xffffff
#define WIRE_PSN_MASK		0xffffff
#define WIRE_ICRC_BYTES		4U
#define WIRE_CNP_BYTES		16U

/* Longest headers: Ethernet, VLAN tag, IPv6, UDP, BTH, XRCETH, AtomicETH. */
#define WIRE_HEAD_MAX		(14U + 4U + 40U + 8U + 12U + 4U + 28U)

/* What is below the BTH. */
enum wire_l3 { WIRE_V1, WIRE_V2_IPV4, WIRE_V2_IPV6 };

/* bth.opcode: the upper three bits */
enum wire_service {
	WIRE_RC	 = 0x00,
	WIRE_UC	 = 0x20,
	WIRE_UD	 = 0x60,
	WIRE_CNP = 0x80,
	WIRE_XRC = 0xa0,
};

#define WIRE_SERVICE(opcode)	((opcode) & 0xe0)
#define WIRE_OPERATION(opcode)	((opcode) & 0x1f)

/* … and the lower five */
enum wire_operation {
	WIRE_SEND_FIRST,
	WIRE_SEND_MIDDLE,
	WIRE_SEND_LAST,
	WIRE_SEND_LAST_IMM,
	WIRE_SEND_ONLY,
	WIRE_SEND_ONLY_IMM,
	WIRE_WRITE_FIRST,
	WIRE_WRITE_MIDDLE,
	WIRE_WRITE_LAST,
	WIRE_WRITE_LAST_IMM,
	WIRE_WRITE_ONLY,
	WIRE_WRITE_ONLY_IMM,
	WIRE_READ_REQUEST,
	WIRE_READ_FIRST,
	WIRE_READ_MIDDLE,
	WIRE_READ_LAST,
	WIRE_READ_ONLY,
	WIRE_ACK,
	WIRE_ATOMIC_ACK,
	WIRE_CMP_SWAP,
	WIRE_FETCH_ADD,
	WIRE_SEND_LAST_INV = 0x16,
	WIRE_SEND_ONLY_INV,
};

/* Where in its message a packet stands. */
enum wire_place { WIRE_FIRST, WIRE_MIDDLE, WIRE_LAST, WIRE_ONLY };

/* Extended headers, in the order in which they follow the BTH. */
enum wire_header {
	WIRE_DETH	= BIT(0),
	WIRE_XRCETH	= BIT(1),
	WIRE_RETH	= BIT(2),
	WIRE_AETH	= BIT(3),
	WIRE_ATOMICETH	= BIT(4),
	WIRE_ATOMICACK	= BIT(5),
	WIRE_IMMDT	= BIT(6),
	WIRE_IETH	= BIT(7),
};

/**
 * struct wire_op - what an opcode stands for
 * @valid: it is one that an engine of ours sends and takes
 * @response: of a responder; else a request
 * @data: has payload
 * @place: where in its message
 * @headers: enum wire_header bits
 */
struct wire_op {
	bool valid;
	bool response;
	bool data;
	enum wire_place place;
	u16 headers;
};

/**
 * struct wire_packet - a packet's fields, host byte order unless said
 * @l3: what is below the BTH
 * @dmac: destination
 * @smac: source
 * @vlan_valid: there is a C-tag …
 * @vlan_tci: … which is this
 * @sgid: source GID: an IPv6 address, or an IPv4-mapped one
 * @dgid: destination GID
 * @tclass: IPv4's TOS, traffic class: DSCP and ECN
 * @hop_limit: or TTL
 * @flow_label: 20 bits; not in IPv4
 * @ip_id: IPv4's identification; part of the ICRC
 * @sport: UDP source port
 * @opcode: bth.opcode
 * @solicited: bth.se
 * @migrated: bth.m: one, in what adapters send
 * @pad: bth.padcnt, of a packet that was parsed
 * @pkey: bth.p_key
 * @fecn: bth.f
 * @becn: bth.b
 * @dest_qpn: bth.dest_qp
 * @ack_req: bth.a
 * @psn: bth.psn
 * @qkey: deth.q_key
 * @src_qpn: deth.source_qp
 * @srqn: xrceth.srq
 * @va: reth.va, atomiceth.va
 * @rkey: reth.r_key, atomiceth.r_key, ieth.r_key
 * @length: reth.dmalen: of the message
 * @syndrome: aeth.syndrome
 * @msn: aeth.msn
 * @swap_add: atomiceth.swap_or_add
 * @compare: atomiceth.compare
 * @original: atomicacketh.original
 * @imm: immdt, as it is
 * @payload_at: of a packet that was parsed: where its payload begins in the frame
 * @payload: bytes of payload, without pad
 */
struct wire_packet {
	enum wire_l3 l3;
	u8 dmac[6];
	u8 smac[6];
	bool vlan_valid;
	u16 vlan_tci;
	u8 sgid[16];
	u8 dgid[16];
	u8 tclass;
	u8 hop_limit;
	u32 flow_label;
	u16 ip_id;
	u16 sport;
	u8 opcode;
	bool solicited;
	bool migrated;
	u8 pad;
	u16 pkey;
	bool fecn;
	bool becn;
	u32 dest_qpn;
	bool ack_req;
	u32 psn;
	u32 qkey;
	u32 src_qpn;
	u32 srqn;
	u64 va;
	u32 rkey;
	u32 length;
	u8 syndrome;
	u32 msn;
	u64 swap_add;
	u64 compare;
	u64 original;
	__be32 imm;
	u32 payload_at;
	u32 payload;
};

/**
 * enum wire_result - what a frame is
 * @WIRE_OK: a packet, of which the lengths are right
 * @WIRE_NOT_ROCE: something else: it is the netdev's
 * @WIRE_BAD_IP: options, a fragment, a wrong header checksum
 * @WIRE_BAD_LENGTH: the lengths of the headers do not agree, or it is cut off
 * @WIRE_BAD_VERSION: bth.tver is not 0
 * @WIRE_BAD_OPCODE: no packet that is understood; all fields up to the BTH are filled in
 */
enum wire_result {
	WIRE_OK,
	WIRE_NOT_ROCE,
	WIRE_BAD_IP,
	WIRE_BAD_LENGTH,
	WIRE_BAD_VERSION,
	WIRE_BAD_OPCODE,
};

/* packet.c */
struct wire_op wire_op(u8 opcode);
u32 wire_build(const struct wire_packet *packet, u8 head[WIRE_HEAD_MAX]);
enum wire_result wire_parse(struct wire_packet *packet, const u8 *frame, u32 head_len,
			    u32 frame_len);
bool wire_length_ok(const struct wire_packet *packet, u32 pmtu);

/* Pad bytes behind so much payload. */
static inline u32 wire_pad(u32 payload)
{
	return -payload & 3;
}

/* Is @a before @b? PSNs are compared modulo 2^24. */
static inline bool wire_psn_before(u32 a, u32 b)
{
	u32 distance = (b - a) & WIRE_PSN_MASK;

	return distance && distance <= (WIRE_PSN_MASK + 1) / 2;
}

/* icrc.c */
u32 wire_icrc_head(const struct wire_packet *packet, const u8 *frame, u32 head_len);
u32 wire_icrc_more(u32 crc, const void *data, u32 len);
u32 wire_crc_shift(u32 crc, u32 len);

/**
 * wire_icrc_join() - append a part whose CRC was made before
 * @crc: register of what comes before it
 * @part: wire_icrc_more(0, part, len)
 * @len: bytes of the part
 *
 * So a payload's CRC can be made while it is copied, before its PSN and its receiver are
 * known, and kept for a retransmission.
 */
static inline u32 wire_icrc_join(u32 crc, u32 part, u32 len)
{
	return wire_crc_shift(crc, len) ^ part;
}

/* The four bytes that end a packet. */
static inline void wire_icrc_put(u32 crc, u8 to[WIRE_ICRC_BYTES])
{
	put_unaligned_le32(~crc, to);
}

static inline bool wire_icrc_good(u32 crc, const u8 stored[WIRE_ICRC_BYTES])
{
	return get_unaligned_le32(stored) == ~crc;
}

#endif /* SOFT_WIRE_H */
