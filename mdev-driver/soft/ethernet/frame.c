// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a frame's headers say. They are parsed once, out of a private copy, and never
 * beyond what is there: a header that is cut off or malformed is none.
 */
#include <mhca/kernel.h>
#include "packet.h"

#define SOFT_IPV4_MIN		20U
#define SOFT_IPV4_MORE		0x2000
#define SOFT_IPV4_OFFSET	0x1fff
#define SOFT_IPV6_BYTES		40U
#define SOFT_IPV6_EXTENSIONS	8	/* headers looked at */
#define SOFT_TCP_MIN		20U
#define SOFT_UDP_BYTES		8U
#define SOFT_ICMP6_MIN		8U
/* rss_hash_type of a CQE: what was hashed (older headers have no names for it) */
#define SOFT_RSS_IPV4		BIT(2)
#define SOFT_RSS_IPV6		BIT(3)
#define SOFT_RSS_TCP		BIT(6)
#define SOFT_RSS_UDP		BIT(7)

enum {
	SOFT_IPV6_HOP = 0,
	SOFT_IPV6_ROUTING = 43,
	SOFT_IPV6_FRAGMENT = 44,
	SOFT_IPV6_AUTH = 51,
	SOFT_IPV6_OPTIONS = 60,
};

static u32 soft_parse_vlan(struct soft_frame *frame)
{
	u32 at = 2 * SOFT_MAC_BYTES;
	u16 type = get_unaligned_be16(frame->head + at);

	while (frame->n_vlan < 2 && (type == SOFT_TYPE_VLAN || type == SOFT_TYPE_SVLAN)) {
		if (frame->head_len < at + SOFT_VLAN_BYTES + 2)
			break;
		if (!frame->n_vlan) {
			frame->vlan_svlan = type == SOFT_TYPE_SVLAN;
			frame->vlan_tci = get_unaligned_be16(frame->head + at + 2);
		}
		frame->n_vlan++;
		at += SOFT_VLAN_BYTES;
		type = get_unaligned_be16(frame->head + at);
	}
	frame->ethertype = type;
	return at + 2;
}

static void soft_parse_l4(struct soft_frame *frame, u32 at)
{
	const u8 *l4 = frame->head + at;
	u32 left = frame->head_len - at;

	if (frame->ip_protocol == SOFT_PROTO_TCP) {
		if (left < SOFT_TCP_MIN || l4[12] >> 4 < SOFT_TCP_MIN / 4)
			return;
		frame->tcp_flags = get_unaligned_be16(l4 + 12) & 0x1ff;
	} else if (frame->ip_protocol == SOFT_PROTO_UDP) {
		if (left < SOFT_UDP_BYTES)
			return;
	} else {
		if (frame->ip_version == 6 && frame->ip_protocol == SOFT_PROTO_ICMP6 &&
		    left >= SOFT_ICMP6_MIN)
			frame->icmp6 = at;
		return;
	}
	frame->l4 = at;
	frame->sport = get_unaligned_be16(l4);
	frame->dport = get_unaligned_be16(l4 + 2);
}

static void soft_parse_ipv4(struct soft_frame *frame, u32 at)
{
	const u8 *ip = frame->head + at;
	u32 bytes, total;
	u16 offset;

	if (frame->head_len - at < SOFT_IPV4_MIN || ip[0] >> 4 != 4)
		return;
	bytes = (ip[0] & 0xf) * 4U;
	total = get_unaligned_be16(ip + 2);
	if (bytes < SOFT_IPV4_MIN || bytes > frame->head_len - at)
		return;
	/* A large send's length is the segments' business. */
	if (total && (total < bytes || total > frame->len - at))
		return;
	frame->ip_version = 4;
	frame->l3 = at;
	frame->ip_protocol = ip[9];
	offset = get_unaligned_be16(ip + 6);
	frame->fragment = offset & (SOFT_IPV4_MORE | SOFT_IPV4_OFFSET);
	if (!(offset & SOFT_IPV4_OFFSET))
		soft_parse_l4(frame, at + bytes);
}

/* Is it an IPv6 extension header, with more behind it? */
static bool soft_is_extension(u8 protocol)
{
	return protocol == SOFT_IPV6_HOP || protocol == SOFT_IPV6_ROUTING ||
	       protocol == SOFT_IPV6_FRAGMENT || protocol == SOFT_IPV6_AUTH ||
	       protocol == SOFT_IPV6_OPTIONS;
}

/* One extension header at @at: its bytes, 0: it is none, or is cut off. */
static u32 soft_parse_extension(struct soft_frame *frame, u32 at)
{
	const u8 *ext = frame->head + at;

	if (frame->head_len - at < 8)
		return 0;
	switch (frame->ip_protocol) {
	case SOFT_IPV6_HOP:
	case SOFT_IPV6_ROUTING:
	case SOFT_IPV6_OPTIONS:
		return (ext[1] + 1U) * 8;
	case SOFT_IPV6_AUTH:
		return (ext[1] + 2U) * 4;
	case SOFT_IPV6_FRAGMENT:
		frame->fragment = true;
		return 8;
	default:
		return 0;
	}
}

/* Extension headers from @at on, and what follows. */
static void soft_parse_chain(struct soft_frame *frame, u32 at)
{
	u32 i, bytes;
	bool later;

	for (i = 0; i < SOFT_IPV6_EXTENSIONS; i++) {
		bytes = soft_parse_extension(frame, at);
		if (!bytes)
			break;
		later = frame->ip_protocol == SOFT_IPV6_FRAGMENT &&
			get_unaligned_be16(frame->head + at + 2) >> 3;
		frame->ip_protocol = frame->head[at];
		/* Behind it is no header but the middle of a packet. */
		if (later)
			return;
		at = min(at + bytes, frame->head_len);
	}
	soft_parse_l4(frame, at);
	frame->hidden = soft_is_extension(frame->ip_protocol) ||
			(frame->ip_protocol == SOFT_PROTO_ICMP6 && !frame->icmp6);
}

static void soft_parse_ipv6(struct soft_frame *frame, u32 at)
{
	const u8 *ip = frame->head + at;

	if (frame->head_len - at < SOFT_IPV6_BYTES || ip[0] >> 4 != 6)
		return;
	if (get_unaligned_be16(ip + 4) > frame->len - at - SOFT_IPV6_BYTES)
		return;
	frame->ip_version = 6;
	frame->l3 = at;
	frame->ip_protocol = ip[6];
	soft_parse_chain(frame, at + SOFT_IPV6_BYTES);
}

/**
 * soft_frame_parse() - what do the headers say?
 * @frame: out
 * @head: the frame's first bytes, a private copy
 * @head_len: how many
 * @len: bytes of the frame, at least @head_len
 *
 * Return: false when it is too short to be a frame.
 */
bool soft_frame_parse(struct soft_frame *frame, const void *head, u32 head_len, u32 len)
{
	u32 at;

	memset(frame, 0, sizeof(*frame));
	frame->head = head;
	frame->head_len = head_len;
	frame->len = len;
	if (head_len < SOFT_ETH_BYTES)
		return false;
	at = soft_parse_vlan(frame);
	if (frame->ethertype == SOFT_TYPE_IPV4)
		soft_parse_ipv4(frame, at);
	else if (frame->ethertype == SOFT_TYPE_IPV6)
		soft_parse_ipv6(frame, at);
	return true;
}

/* ---- Receive side scaling ------------------------------------------------- */

static u32 soft_toeplitz(const u8 key[40], const u8 *input, u32 bytes)
{
	u64 window = get_unaligned_be64(key);
	u32 hash = 0, i, bit;

	for (i = 0; i < bytes; i++) {
		for (bit = 0x80; bit; bit >>= 1) {
			if (input[i] & bit)
				hash ^= window >> 32;
			window <<= 1;
		}
		window |= key[i + 8];
	}
	return hash;
}

static u32 soft_xor8(const u8 *input, u32 bytes)
{
	u8 x = 0;

	while (bytes--)
		x ^= *input++;
	return (u8)~x;
}

/* Put what is selected of a pair of source and destination behind each other. */
static u32 soft_hash_pair(const struct soft_tir_attr *attr, u32 src, u32 dst, u8 *to,
			  const u8 *from, u32 bytes)
{
	bool both = (attr->fields & src) && (attr->fields & dst);
	bool turn = both && attr->symmetric && memcmp(from, from + bytes, bytes) > 0;
	u32 n = 0;

	if (attr->fields & src) {
		memcpy(to, turn ? from + bytes : from, bytes);
		n += bytes;
	}
	if (attr->fields & dst) {
		memcpy(to + n, turn ? from : from + bytes, bytes);
		n += bytes;
	}
	return n;
}

/**
 * soft_frame_hash() - the hash that chooses a queue
 * @frame: parsed
 * @attr: which fields and function
 * @type: out: rss_hash_type of the CQE
 */
u32 soft_frame_hash(const struct soft_frame *frame, const struct soft_tir_attr *attr, u8 *type)
{
	u8 input[36];
	u32 n, ports;

	*type = 0;
	if (!frame->ip_version || attr->hash == SOFT_HASH_NONE)
		return 0;
	if (frame->ip_version == 4)
		n = soft_hash_pair(attr, SOFT_HASH_SRC_IP, SOFT_HASH_DST_IP, input,
				   frame->head + frame->l3 + 12, 4);
	else
		n = soft_hash_pair(attr, SOFT_HASH_SRC_IP, SOFT_HASH_DST_IP, input,
				   frame->head + frame->l3 + 8, 16);
	*type = frame->ip_version == 4 ? SOFT_RSS_IPV4 : SOFT_RSS_IPV6;
	/* Fragments of a packet belong to one queue, and only the first has ports. */
	if (frame->l4 && !frame->fragment) {
		ports = soft_hash_pair(attr, SOFT_HASH_L4_SPORT, SOFT_HASH_L4_DPORT, input + n,
				       frame->head + frame->l4, 2);
		if (ports)
			*type |= frame->ip_protocol == SOFT_PROTO_TCP ? SOFT_RSS_TCP :
									SOFT_RSS_UDP;
		n += ports;
	}
	if (attr->hash == SOFT_HASH_XOR8)
		return soft_xor8(input, n);
	return soft_toeplitz(attr->key, input, n);
}
