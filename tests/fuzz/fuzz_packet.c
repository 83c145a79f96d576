// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Frames from the wire. The first two bytes of an input say how many bytes of the frame cannot
 * be looked at, and how many Ethernet has padded. What is a packet lies within its frame, and
 * written again it is the same packet; its ICRC, made in one pass or joined, is one.
 */
#include "fuzz.h"
#include "transport/wire/wire.h"

#define FRAME_MAX	2048U

static void whole(const struct wire_packet *packet, const u8 *frame, u32 head_len, u32 len)
{
	u32 bytes = packet->payload + packet->pad, head = packet->payload_at;
	struct wire_packet again;
	u8 built[WIRE_HEAD_MAX];
	u32 crc, body;

	fuzz_check(head <= head_len && head <= WIRE_HEAD_MAX, "headers end at %u", head);
	fuzz_check(head + bytes + WIRE_ICRC_BYTES <= len, "%u bytes behind %u of %u", bytes, head, len);
	fuzz_check(wire_build(packet, built) == head, "built, the headers are longer or shorter");
	fuzz_check(wire_parse(&again, built, head, head + bytes + WIRE_ICRC_BYTES) == WIRE_OK,
		   "what was built is no packet");
	again.payload_at = packet->payload_at;
	fuzz_check(!memcmp(&again, packet, sizeof(again)), "built and parsed, it is another");
	crc = wire_icrc_head(packet, frame, head);
	if (head + bytes > head_len)
		return;
	body = wire_icrc_more(0, frame + head, bytes);
	fuzz_check(wire_icrc_more(crc, frame + head, bytes) == wire_icrc_join(crc, body, bytes),
		   "joined, the ICRC is another");
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	struct fuzz_input in = { data, size };
	u32 hidden = fuzz_take8(&in), padded = fuzz_take8(&in) % 64, len, head_len;
	struct wire_packet packet;
	u8 *frame;

	len = min_t(size_t, in.left, FRAME_MAX);
	head_len = len - min(hidden, len);
	frame = malloc(head_len ? head_len : 1);
	fuzz_check(frame, "no memory");
	fuzz_take_bytes(&in, frame, head_len);
	if (wire_parse(&packet, frame, head_len, len + padded) == WIRE_OK)
		whole(&packet, frame, head_len, len + padded);
	free(frame);
	return 0;
}

void fuzz_seeds(void (*add)(const void *data, size_t size))
{
	static const struct wire_packet plain = {
		.pkey = WIRE_PKEY, .hop_limit = 64, .sport = 0xc000, .dest_qpn = 0x11, .psn = 0x100,
		.sgid = { [10] = 0xff, 0xff, 192, 0, 2, 1 }, .dgid = { [10] = 0xff, 0xff, 192, 0, 2, 2 },
	};
	u32 opcode, l3, head;
	u8 seed[512];

	for (l3 = WIRE_V1; l3 <= WIRE_V2_IPV6; l3++)
		for (opcode = 0; opcode < 256; opcode++) {
			struct wire_packet packet = plain;

			packet.l3 = l3;
			packet.opcode = opcode;
			packet.vlan_valid = opcode & 1;
			packet.payload = !wire_op(opcode).data ? 0 : opcode == 0x81 ? WIRE_CNP_BYTES : opcode % 8;
			memset(seed, 0, sizeof(seed));
			head = wire_build(&packet, seed + 2);
			if (head)
				add(seed, 2 + head + ALIGN(packet.payload, 4) + WIRE_ICRC_BYTES);
		}
}
