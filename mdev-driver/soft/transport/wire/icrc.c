// SPDX-License-Identifier: GPL-2.0-only
/*
 * The invariant CRC of a RoCE packet: CRC-32 over what no switch or router changes
 * (IB specification 7.8.1, A16.4.1, A17.3.3). Registers are kept as crc32_le() has them:
 * neither inverted before nor after.
 */
#include "wire.h"

/* The register after eight bytes of ones, which stand for the LRH that RoCE has not. */
#define WIRE_ICRC_SEED		0xdebb20e3U
#define WIRE_CRC_POLYNOMIAL	0xedb88320U

/* Where the masked bytes are, from the header's beginning. */
static void wire_mask_ipv4(u8 *ip)
{
	ip[1] = 0xff;			/* TOS */
	ip[8] = 0xff;			/* TTL */
	memset(ip + 10, 0xff, 2);	/* checksum */
}

static void wire_mask_ipv6(u8 *ip)
{
	ip[0] |= 0x0f;			/* traffic class, flow label */
	memset(ip + 1, 0xff, 3);
	ip[7] = 0xff;			/* hop limit */
}

/**
 * wire_icrc_head() - register after a packet's headers
 * @packet: parsed, or as it was built
 * @frame: the frame's headers
 * @head_len: bytes from the Ethernet header to the last extended header, at most
 *            WIRE_HEAD_MAX: what wire_build() returned, or &struct wire_packet.payload_at
 *
 * Payload and pad come next: wire_icrc_more().
 */
u32 wire_icrc_head(const struct wire_packet *packet, const u8 *frame, u32 head_len)
{
	u32 l3 = packet->vlan_valid ? 18 : 14, bytes = head_len - l3, at;
	u8 masked[WIRE_HEAD_MAX];

	memcpy(masked, frame + l3, bytes);
	if (packet->l3 == WIRE_V2_IPV4) {
		wire_mask_ipv4(masked);
		at = 20;
	} else {
		wire_mask_ipv6(masked);
		at = 40;
	}
	if (packet->l3 != WIRE_V1) {
		memset(masked + at + 6, 0xff, 2);	/* UDP's checksum */
		at += 8;
	}
	masked[at + 4] = 0xff;				/* FECN, BECN, reserved */
	return crc32_le(WIRE_ICRC_SEED, masked, bytes);
}

/**
 * wire_icrc_more() - register after more bytes
 * @crc: register before them
 * @data: bytes
 * @len: how many
 */
u32 wire_icrc_more(u32 crc, const void *data, u32 len)
{
	return crc32_le(crc, data, len);
}

/* a * b modulo the polynomial; bit 31 is x^0, as in the register. */
static u32 wire_crc_multiply(u32 a, u32 b)
{
	u32 product = 0;
	int i;

	for (i = 31; i >= 0; i--) {
		if (a & BIT(i))
			product ^= b;
		b = b & 1 ? b >> 1 ^ WIRE_CRC_POLYNOMIAL : b >> 1;
	}
	return product;
}

/**
 * wire_crc_shift() - register after zeros
 * @crc: register before them
 * @len: how many bytes of zeros
 *
 * crc * x^(8 * len): one multiplication for each bit of @len that is set, and one to
 * square for each bit.
 */
u32 wire_crc_shift(u32 crc, u32 len)
{
	u32 power = BIT(31 - 8);	/* x^8 */

	for (; len; len >>= 1) {
		if (len & 1)
			crc = wire_crc_multiply(power, crc);
		if (len > 1)
			power = wire_crc_multiply(power, power);
	}
	return crc;
}
