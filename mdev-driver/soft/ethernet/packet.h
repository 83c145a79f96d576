/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A packet on its way through the switch: private headers, and a body that stays in
 * the sender's memory until it is copied into a receiver's.
 *
 *   transport/eth_tx.c   send WQE -> packet                    (an instance sends)
 *   switch/uplink.c      sk_buff  -> packet                    (the host sends)
 *   packet.c             packet -> pieces: segmentation, checksums
 *   switch/route.c       packet -> ports
 *   switch/eth_rx.c      piece -> receive WQE, CQE             (an instance receives)
 *   switch/uplink.c      packet -> sk_buff                     (the host receives)
 */
#ifndef SOFT_ETHERNET_PACKET_H
#define SOFT_ETHERNET_PACKET_H

#include "ethernet.h"

struct soft_port;

#define SOFT_MAC_BYTES		6
#define SOFT_ETH_BYTES		14U
#define SOFT_VLAN_BYTES		4U
#define SOFT_TYPE_IPV4		0x0800
#define SOFT_TYPE_IPV6		0x86dd
#define SOFT_TYPE_VLAN		0x8100
#define SOFT_TYPE_SVLAN		0x88a8
#define SOFT_TYPE_ROCE		0x8915
#define SOFT_PROTO_TCP		6
#define SOFT_PROTO_UDP		17
#define SOFT_PROTO_ICMP6	58

#define SOFT_HEAD_MAX		256U	/* private headers */
#define SOFT_HEAD_PULL		128U	/* bytes taken out of the body, to have them all */
/* Bytes in a frame of a large send: Linux sends no fewer (TCP_MIN_GSO_SIZE). */
#define SOFT_MSS_MIN		8U
/* Of a large send to the host so many frames and bytes, from the IP header on, are one. */
#define SOFT_PART_FRAMES	64U
#define SOFT_PART_BYTES		65535U
/* The longest frame: two tags more than the MTU says. */
#define SOFT_FRAME_MAX		(MHCA_MTU_MAX + SOFT_ETH_BYTES + 2 * SOFT_VLAN_BYTES)

/**
 * struct soft_packet - a frame, or many alike in one (a large send)
 * @frame: what @head says
 * @head: its first bytes, a private copy
 * @head_len: how many
 * @body: what follows: @body.len bytes, of which the first @body_at are in @head
 * @body_at: see @body
 * @body_len: bytes that follow @head
 * @inst: whose memory @body is; host memory has no key, so any
 * @pd: PD number of its keys
 * @pieces: pieces of other keys that @body lies in
 * @mss: bytes of @body in a frame; 0: all, there is one frame
 * @sum_l3: the IPv4 header's checksum is to be filled in
 * @sum_l4: that of TCP or UDP, too
 * @from: where it came from
 */
struct soft_packet {
	struct soft_frame frame;
	u8 head[SOFT_HEAD_MAX];
	u32 head_len;
	struct soft_sgl body;
	u32 body_at;
	u32 body_len;
	struct mhca_instance *inst;
	u32 pd;
	u32 pieces;
	u16 mss;
	bool sum_l3;
	bool sum_l4;
	struct soft_port *from;
};

/**
 * struct soft_piece - one frame of a packet, or several of a large send
 * @head: its headers, @head_len bytes of the packet's, made fit
 * @head_len: how many
 * @at: its bytes of the body begin here
 * @len: how many
 * @sum: sum of the IP packet, as CQEs have it; 0 without one
 * @l3_ok: the IP header is good
 * @l4_ok: the checksum of TCP or UDP is good
 * @large: several frames in one, whose sums are not made yet (soft_packet_part())
 */
struct soft_piece {
	u8 head[SOFT_HEAD_MAX];
	u32 head_len;
	u32 at;
	u32 len;
	u16 sum;
	bool l3_ok;
	bool l4_ok;
	bool large;
};

/* frame.c */
u32 soft_frame_hash(const struct soft_frame *frame, const struct soft_tir_attr *attr, u8 *type);

/* packet.c */
bool soft_packet_insert_vlan(struct soft_packet *packet, u16 type, u16 tci);
enum soft_result soft_packet_pull(struct soft_packet *packet);
bool soft_packet_parse(struct soft_packet *packet);
void soft_packet_cursor(const struct soft_packet *packet, u32 at, struct soft_cursor *cursor);
enum soft_result soft_packet_read(const struct soft_packet *packet, u32 at, void *to, u32 len);
enum soft_result soft_packet_piece(const struct soft_packet *packet, u32 at,
				   struct soft_piece *piece);
enum soft_result soft_packet_part(const struct soft_packet *packet, u32 at,
				  struct soft_piece *piece);

/* Frames that a packet is. */
static inline u32 soft_packet_frames(const struct soft_packet *packet)
{
	return packet->mss ? max(DIV_ROUND_UP(packet->body_len, (u32)packet->mss), 1U) : 1;
}

static inline bool soft_packet_fits(const struct soft_packet *packet)
{
	return packet->head_len + (packet->mss ? packet->mss : packet->body_len) <=
	       SOFT_FRAME_MAX;
}

static inline bool soft_mac_is_group(const u8 *mac)
{
	return mac[0] & 1;
}

static inline bool soft_mac_is_broadcast(const u8 *mac)
{
	return (mac[0] & mac[1] & mac[2] & mac[3] & mac[4] & mac[5]) == 0xff;
}

static inline u64 soft_mac_key(const u8 *mac)
{
	return (u64)mac[0] << 40 | (u64)mac[1] << 32 | (u64)mac[2] << 24 |
	       (u64)mac[3] << 16 | (u64)mac[4] << 8 | mac[5];
}

#endif /* SOFT_ETHERNET_PACKET_H */
