// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * RoCE packets against frames that other implementations made: fields, lengths, ICRC;
 * and what is cut off, changed, or not understood.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>

#include <mhca/kernel.h>
#include "transport/wire/wire.h"

#define FRAME_MAX	1024U
#define MACS		12U

/* 192.0.2.x, 2001:db8::x, fe80::2aa:ff:fe00:x */
#define V4(x)	{ [10] = 0xff, 0xff, 192, 0, 2, x }
#define V6(x)	{ 0x20, 0x01, 0x0d, 0xb8, [15] = x }
#define LL(x)	{ 0xfe, 0x80, [8] = 0x02, 0xaa, 0x00, 0xff, 0xfe, 0x00, 0x00, x }
#define LOWER(kind, address) \
	.l3 = kind, .sgid = address(1), .dgid = address(2), .pkey = WIRE_PKEY, \
	.dmac = { 2, [5] = 2 }, .smac = { 2, [5] = 1 }
#define IPV4	LOWER(WIRE_V2_IPV4, V4)
#define IPV6	LOWER(WIRE_V2_IPV6, V6)

/**
 * struct vector - a frame and what it says
 * @hex: from the ethertype on, ICRC included
 * @data: its payload
 * @packet: its fields, but @imm
 * @imm: immediate
 */
struct vector {
	const char *hex;
	const char *data;
	struct wire_packet packet;
	u32 imm;
};

static const struct vector vectors[] = {
	{ "080045000030123440004011a485c0000201c0000202c00012b7001c00000440ffff0000001180000100"
	  "6162636461fc2719", "abcd",
	  { IPV4, .hop_limit = 64, .sport = 0xc000, .ip_id = 0x1234, .opcode = 0x04, .ack_req = true,
	    .migrated = true, .dest_qpn = 0x11, .psn = 0x100 } },
	{ "080045020044123540004011a46ec0000201c0000202d00d12b7003000000a30ffff0000001180fffffe"
	  "1122334455667788000012340000000568656c6c6f000000ad4f1375", "hello",
	  { IPV4, .hop_limit = 64, .sport = 0xd00d, .ip_id = 0x1235, .tclass = 2, .opcode = 0x0a,
	    .ack_req = true, .dest_qpn = 0x11, .psn = 0xfffffe, .va = 0x1122334455667788,
	    .rkey = 0x1234, .length = 5 } },
	{ "080045000030000040004011b6b9c0000201c0000202c00012b7001c00001140ffff0000001200000100"
	  "1f0000014a3bc598", "",
	  { IPV4, .hop_limit = 64, .sport = 0xc000, .opcode = 0x11, .migrated = true,
	    .dest_qpn = 0x12, .psn = 0x100, .syndrome = 0x1f, .msn = 1 } },
	{ "080045000030000140004011b6b8c0000201c0000202c00012b7001c00001100ffff0000001200000101"
	  "60000001e4d28b12", "",
	  { IPV4, .hop_limit = 64, .sport = 0xc000, .ip_id = 1, .opcode = 0x11, .dest_qpn = 0x12,
	    .psn = 0x101, .syndrome = 0x60, .msn = 1 } },
	{ "080045000030000240004011b6b7c0000201c0000202c00012b7001c00001100ffff0000001200000101"
	  "2e00000111e1dbba", "",
	  { IPV4, .hop_limit = 64, .sport = 0xc000, .ip_id = 2, .opcode = 0x11, .dest_qpn = 0x12,
	    .psn = 0x101, .syndrome = 0x2e, .msn = 1 } },
	{ "080045000048000340004011b69ec0000201c0000202c00012b7003400001300ffff0000001180000102"
	  "000000000000100000005678aaaaaaaaaaaaaaaabbbbbbbbbbbbbbbbe38d0056", "",
	  { IPV4, .hop_limit = 64, .sport = 0xc000, .ip_id = 3, .opcode = 0x13, .ack_req = true,
	    .dest_qpn = 0x11, .psn = 0x102, .va = 0x1000, .rkey = 0x5678,
	    .swap_add = 0xaaaaaaaaaaaaaaaa, .compare = 0xbbbbbbbbbbbbbbbb } },
	{ "080045000038000440004011b6adc0000201c0000202c00012b7002400001200ffff0000001200000102"
	  "1f000002bbbbbbbbbbbbbbbb1f892eca", "",
	  { IPV4, .hop_limit = 64, .sport = 0xc000, .ip_id = 4, .opcode = 0x12, .dest_qpn = 0x12,
	    .psn = 0x102, .syndrome = 0x1f, .msn = 2, .original = 0xbbbbbbbbbbbbbbbb } },
	{ "86dd668123450028110120010db800000000000000000000000120010db8000000000000000000000002"
	  "c00012b7002800006510ffff00000001000000008001000000000001cafef00d78797a00ea557a64", "xyz",
	  { IPV6, .hop_limit = 1, .sport = 0xc000, .tclass = 0x68, .flow_label = 0x12345,
	    .opcode = 0x65, .dest_qpn = 1, .qkey = 0x80010000, .src_qpn = 1 },
	  0xcafef00d },
	{ "86dd600000000028114020010db800000000000000000000000120010db8000000000000000000000002"
	  "c00012b7002800000c00ffff0000001180000200000000000000200000009abc00002000f76e251b", "",
	  { IPV6, .hop_limit = 64, .sport = 0xc000, .opcode = 0x0c, .ack_req = true, .dest_qpn = 0x11,
	    .psn = 0x200, .va = 0x2000, .rkey = 0x9abc, .length = 8192 } },
	{ "080045000034000540004011b6b0c0000201c0000202c00012b700200000a400ffff0000001180000300"
	  "00000077616263644ecd60e4", "abcd",
	  { IPV4, .hop_limit = 64, .sport = 0xc000, .ip_id = 5, .opcode = 0xa4, .ack_req = true,
	    .dest_qpn = 0x11, .psn = 0x300, .srqn = 0x77 } },
	{ "080045000034000640004011b6afc0000201c0000202c00012b7002000001700ffff0000001180000400"
	  "0000123461626364fbbaa7a0", "abcd",
	  { IPV4, .hop_limit = 64, .sport = 0xc000, .ip_id = 6, .opcode = 0x17, .ack_req = true,
	    .dest_qpn = 0x11, .psn = 0x400, .rkey = 0x1234 } },
	{ "89156000000000141b40fe8000000000000002aa00fffe000001fe8000000000000002aa00fffe000002"
	  "1100ffff00000012000001001f0000015862747c", "",
	  { LOWER(WIRE_V1, LL), .hop_limit = 64, .opcode = 0x11, .dest_qpn = 0x12, .psn = 0x100,
	    .syndrome = 0x1f, .msn = 1 } },
	{ "080045c2003c000740004011b5e4c0000201c0000202c00012b7002800008100ffff4000011800000000"
	  "00000000000000000000000000000000eb757603", NULL,
	  { IPV4, .hop_limit = 64, .sport = 0xc000, .ip_id = 7, .tclass = 0xc2, .opcode = 0x81,
	    .becn = true, .dest_qpn = 0x118 } },
};

static u32 frame_of(const struct vector *vector, u8 frame[FRAME_MAX])
{
	u32 at = MACS;
	const char *hex;

	memcpy(frame, vector->packet.dmac, 6);
	memcpy(frame + 6, vector->packet.smac, 6);
	for (hex = vector->hex; *hex; hex += 2) {
		const char byte[3] = { hex[0], hex[1] };

		frame[at++] = strtoul(byte, NULL, 16);
	}
	return at;
}

static const u8 *data_of(const struct vector *vector, u32 *len)
{
	static const u8 zeros[WIRE_CNP_BYTES];

	*len = vector->data ? strlen(vector->data) : sizeof(zeros);
	return vector->data ? (const u8 *)vector->data : zeros;
}

/* Is the ICRC of a whole frame that was parsed good? */
static bool icrc_good(const struct wire_packet *packet, const u8 *frame)
{
	u32 crc = wire_icrc_head(packet, frame, packet->payload_at);
	u32 bytes = packet->payload + packet->pad;

	crc = wire_icrc_more(crc, frame + packet->payload_at, bytes);
	return wire_icrc_good(crc, frame + packet->payload_at + bytes);
}

/* A whole packet, as a sender makes it; its length. */
static u32 build(const struct wire_packet *packet, const u8 *data, u8 frame[FRAME_MAX])
{
	u32 at = wire_build(packet, frame), pad = wire_pad(packet->payload), crc;

	assert_true(at);
	crc = wire_icrc_head(packet, frame, at);
	memcpy(frame + at, data, packet->payload);
	memset(frame + at + packet->payload, 0, pad);
	crc = wire_icrc_more(crc, frame + at, packet->payload + pad);
	at += packet->payload + pad;
	wire_icrc_put(crc, frame + at);
	return at + WIRE_ICRC_BYTES;
}

static void test_vectors_built(void **state)
{
	u8 want[FRAME_MAX], frame[FRAME_MAX];
	u32 i, len, bytes;

	for (i = 0; i < ARRAY_SIZE(vectors); i++) {
		struct wire_packet packet = vectors[i].packet;
		const u8 *data = data_of(&vectors[i], &bytes);

		packet.payload = bytes;
		packet.imm = cpu_to_be32(vectors[i].imm);
		len = frame_of(&vectors[i], want);
		assert_int_equal(build(&packet, data, frame), len);
		assert_memory_equal(frame, want, len);
	}
}

static void test_vectors_parsed(void **state)
{
	struct wire_packet packet, want;
	u8 frame[FRAME_MAX];
	u32 i, len, bytes;

	for (i = 0; i < ARRAY_SIZE(vectors); i++) {
		const u8 *data = data_of(&vectors[i], &bytes);

		len = frame_of(&vectors[i], frame);
		assert_int_equal(wire_parse(&packet, frame, len, len), WIRE_OK);
		assert_int_equal(packet.payload, bytes);
		assert_memory_equal(frame + packet.payload_at, data, bytes);
		assert_true(icrc_good(&packet, frame));
		assert_int_equal(packet.pad, wire_pad(bytes));
		assert_int_equal(be32_to_cpu(packet.imm), vectors[i].imm);
		want = vectors[i].packet;
		assert_memory_equal(&packet.dmac, &want.dmac, 12);
		assert_memory_equal(packet.sgid, want.sgid, 32);
		assert_int_equal(packet.l3, want.l3);
		assert_int_equal(packet.tclass, want.tclass);
		assert_int_equal(packet.hop_limit, want.hop_limit);
		assert_int_equal(packet.flow_label, want.flow_label);
		assert_int_equal(packet.opcode, want.opcode);
		assert_int_equal(packet.migrated, want.migrated);
		assert_int_equal(packet.ack_req, want.ack_req);
		assert_int_equal(packet.becn, want.becn);
		assert_int_equal(packet.dest_qpn, want.dest_qpn);
		assert_int_equal(packet.psn, want.psn);
		assert_int_equal(packet.qkey, want.qkey);
		assert_int_equal(packet.src_qpn, want.src_qpn);
		assert_int_equal(packet.srqn, want.srqn);
		assert_int_equal(packet.va, want.va);
		assert_int_equal(packet.rkey, want.rkey);
		assert_int_equal(packet.length, want.length);
		assert_int_equal(packet.syndrome, want.syndrome);
		assert_int_equal(packet.msn, want.msn);
		assert_int_equal(packet.swap_add, want.swap_add);
		assert_int_equal(packet.compare, want.compare);
		assert_int_equal(packet.original, want.original);
	}
}

/* A message in three packets as a stack cuts it: ids and PSNs that wrap. */
static void test_segments(void **state)
{
	static const struct { u8 opcode; u32 len; u32 icrc4; u32 icrc6; } want[] = {
		{ 0x00, 256, 0x598f2677, 0x456123b1 },
		{ 0x01, 256, 0x266ec025, 0x8a6e9315 },
		{ 0x02, 100, 0xdb3a0b8e, 0x956ec2a8 },
	};
	static const struct wire_packet lower[] = { { IPV4 }, { IPV6 } };
	u8 data[612], frame[FRAME_MAX];
	u32 i, kind, len, body;

	for (i = 0; i < sizeof(data); i++)
		data[i] = i;
	for (kind = 0; kind < 2; kind++)
		for (i = 0; i < ARRAY_SIZE(want); i++) {
			struct wire_packet packet = lower[kind];

			packet.hop_limit = 64;
			packet.sport = 0xc000;
			packet.ip_id = 0xffff + i;
			packet.opcode = want[i].opcode;
			packet.migrated = true;
			packet.ack_req = i == 2;
			packet.dest_qpn = 0x11;
			packet.psn = 0xffffff + i;
			packet.payload = want[i].len;
			len = build(&packet, data + 256 * i, frame);
			assert_int_equal(get_unaligned_be32(frame + len - 4),
					 kind ? want[i].icrc6 : want[i].icrc4);
			/* The payload's CRC, made before its headers were known. */
			body = wire_icrc_more(0, data + 256 * i, want[i].len);
			wire_icrc_put(wire_icrc_join(wire_icrc_head(&packet, frame, len - 4 - want[i].len),
						     body, want[i].len), frame + len - 4);
			assert_int_equal(get_unaligned_be32(frame + len - 4),
					 kind ? want[i].icrc6 : want[i].icrc4);
		}
}

static void test_crc_shift(void **state)
{
	static const struct { u32 len, one, top; } want[] = {
		{ 256, 0xce3371cb, 0xec447f11 }, { 512, 0x1072db28, 0x8e7ea170 },
		{ 1024, 0xf891f16f, 0x6427800e }, { 2048, 0x88b6ba63, 0x4d47bae0 },
		{ 4096, 0x5ad8a92c, 0x09fe548f },
	};
	static const u8 zeros[77];
	u32 i;

	for (i = 0; i < ARRAY_SIZE(want); i++) {
		assert_int_equal(wire_crc_shift(1, want[i].len), want[i].one);
		assert_int_equal(wire_crc_shift(0x80000000, want[i].len), want[i].top);
	}
	for (i = 0; i <= sizeof(zeros); i++)
		assert_int_equal(wire_crc_shift(0x12345678, i), wire_icrc_more(0x12345678, zeros, i));
}

/* ---- Damage ---------------------------------------------------------------------- */

/* Bytes at their very end, so that the sanitizer sees who reads one more. */
static enum wire_result parse_exactly(struct wire_packet *packet, const u8 *frame, u32 head_len,
				      u32 len)
{
	u8 *copy = malloc(head_len ? head_len : 1);
	enum wire_result result;

	assert_non_null(copy);
	memcpy(copy, frame, head_len);
	result = wire_parse(packet, copy, head_len, len);
	free(copy);
	return result;
}

/* Cut anywhere, it is no packet; padded by Ethernet, it is the same one. */
static void test_cut_and_padded(void **state)
{
	struct wire_packet packet;
	u8 frame[FRAME_MAX] = "";
	u32 i, cut, len;

	for (i = 0; i < ARRAY_SIZE(vectors); i++) {
		len = frame_of(&vectors[i], frame);
		for (cut = 0; cut < len; cut++)
			assert_int_not_equal(parse_exactly(&packet, frame, cut, cut), WIRE_OK);
		assert_int_equal(parse_exactly(&packet, frame, len, len + 18), WIRE_OK);
		assert_true(icrc_good(&packet, frame));
		/* Only the headers can be looked at: they are enough. */
		cut = packet.payload_at;
		assert_int_equal(parse_exactly(&packet, frame, cut, len), WIRE_OK);
		assert_int_equal(parse_exactly(&packet, frame, cut - 1, len), WIRE_BAD_LENGTH);
	}
}

/* Which bytes of a frame may change on its way. */
static bool variant(const struct wire_packet *packet, u32 at)
{
	u32 l3 = 14, udp = l3 + (packet->l3 == WIRE_V2_IPV4 ? 20 : 40);
	u32 bth = packet->l3 == WIRE_V1 ? udp : udp + 8;

	if (at < 12)
		return true;
	if (packet->l3 == WIRE_V2_IPV4)
		return at == l3 + 1 || at == l3 + 8 || at == udp + 6 || at == udp + 7 || at == bth + 4;
	return at == l3 || (at > l3 && at < l3 + 4) || at == l3 + 7 || at == bth + 4 ||
	       (packet->l3 == WIRE_V2_IPV6 && (at == udp + 6 || at == udp + 7));
}

/* One bit changes: it is noticed, or it is one that may change. */
static void test_every_bit(void **state)
{
	struct wire_packet packet, good;
	u8 frame[FRAME_MAX];
	u32 i, bit, len, kept;

	for (i = 0; i < ARRAY_SIZE(vectors); i++) {
		len = frame_of(&vectors[i], frame);
		assert_int_equal(wire_parse(&good, frame, len, len), WIRE_OK);
		for (kept = 0, bit = 0; bit < 8 * len; bit++) {
			frame[bit / 8] ^= 1 << bit % 8;
			if (wire_parse(&packet, frame, len, len) == WIRE_OK &&
			    icrc_good(&packet, frame)) {
				assert_true(variant(&good, bit / 8));
				kept++;
			}
			frame[bit / 8] ^= 1 << bit % 8;
		}
		/* At least the addresses of the Ethernet header. */
		assert_true(kept >= 96);
	}
}

/* ---- What is nobody's ------------------------------------------------------------ */

static void test_opcodes(void **state)
{
	u32 opcode, valid[8] = { 0 }, i;
	static const u32 want[8] = { 23, 12, 0, 2, 1, 23, 0, 0 };
	struct wire_packet packet = vectors[0].packet;
	u8 head[WIRE_HEAD_MAX], frame[FRAME_MAX];
	u32 len;

	for (opcode = 0; opcode < 256; opcode++) {
		struct wire_op op = wire_op(opcode);

		packet.opcode = opcode;
		packet.payload = 0;
		valid[opcode / 32] += op.valid;
		assert_int_equal(!!wire_build(&packet, head), op.valid);
		packet.payload = 4;
		assert_int_equal(!!wire_build(&packet, head), op.valid && op.data);
		/* The one whose fields say so, but for its ICRC. */
		len = frame_of(&vectors[0], frame);
		frame[MACS + 2 + 20 + 8] = opcode;
		if (!op.valid)
			assert_int_equal(wire_parse(&packet, frame, len, len), WIRE_BAD_OPCODE);
	}
	for (i = 0; i < 8; i++)
		assert_int_equal(valid[i], want[i]);
}

/* Byte @at of vector A is @value: what is the frame? */
static void changed(u32 at, u8 value, bool sum, enum wire_result want)
{
	struct wire_packet packet;
	u8 frame[FRAME_MAX];
	u32 len = frame_of(&vectors[0], frame);
	__sum16 fold;

	frame[at] = value;
	if (sum) {
		memset(frame + 24, 0, 2);
		fold = csum_fold(csum_partial(frame + 14, 20, 0));
		memcpy(frame + 24, &fold, 2);
	}
	assert_int_equal(wire_parse(&packet, frame, len, len), want);
}

static void test_others(void **state)
{
	changed(13, 0x06, false, WIRE_NOT_ROCE);	/* ARP */
	changed(23, 6, true, WIRE_NOT_ROCE);		/* TCP */
	changed(37, 0xb8, false, WIRE_NOT_ROCE);	/* another port */
	changed(21, 1, true, WIRE_NOT_ROCE);		/* a later fragment */
	changed(20, 0x60, true, WIRE_BAD_IP);		/* a first one */
	changed(14, 0x65, false, WIRE_NOT_ROCE);	/* version 6 */
	changed(24, 0, false, WIRE_BAD_IP);		/* its checksum */
	changed(17, 0x31, true, WIRE_BAD_LENGTH);	/* longer than the frame */
	changed(17, 0x2f, true, WIRE_BAD_LENGTH);	/* shorter than UDP says */
	changed(17, 19, true, WIRE_BAD_LENGTH);		/* shorter than itself */
	changed(39, 0x1d, false, WIRE_BAD_LENGTH);	/* UDP's */
	changed(43, 0x41, false, WIRE_BAD_VERSION);	/* bth.tver */
	changed(43, 0x50, false, WIRE_OK);		/* three bytes and one of pad */
	changed(42, 0x11, false, WIRE_OK);		/* an ACK: its AETH is there */
	changed(42, 0x13, false, WIRE_BAD_LENGTH);	/* no room for its AtomicETH */
}

/* The lengths agree with each other, and the pad with none of them. */
static void test_wrong_pad(void **state)
{
	struct wire_packet packet = vectors[0].packet;
	u8 frame[FRAME_MAX];
	u32 len;

	packet.payload = 5;
	len = build(&packet, (const u8 *)"hello", frame);
	assert_int_equal(wire_parse(&packet, frame, len, len), WIRE_OK);
	put_unaligned_be16(get_unaligned_be16(frame + 16) - 1, frame + 16);
	put_unaligned_be16(get_unaligned_be16(frame + 38) - 1, frame + 38);
	put_unaligned_be16(get_unaligned_be16(frame + 24) + 1, frame + 24);
	assert_int_equal(wire_parse(&packet, frame, len - 1, len - 1), WIRE_BAD_LENGTH);
}

/* Options in the IP header: RoCE has none. */
static void test_ip_options(void **state)
{
	struct wire_packet packet;
	u8 frame[FRAME_MAX];
	u32 len = frame_of(&vectors[0], frame);
	__sum16 fold;

	memmove(frame + 38, frame + 34, len - 34);
	memset(frame + 34, 1, 4);
	frame[14] = 0x46;
	frame[17] += 4;
	memset(frame + 24, 0, 2);
	fold = csum_fold(csum_partial(frame + 14, 24, 0));
	memcpy(frame + 24, &fold, 2);
	assert_int_equal(wire_parse(&packet, frame, len + 4, len + 4), WIRE_BAD_IP);
}

static void test_vlan(void **state)
{
	struct wire_packet packet = vectors[0].packet, parsed;
	u8 frame[FRAME_MAX], plain[FRAME_MAX];
	u32 len;

	packet.payload = 4;
	packet.vlan_valid = true;
	packet.vlan_tci = 0x6123;
	len = build(&packet, (const u8 *)"abcd", frame);
	assert_int_equal(wire_parse(&parsed, frame, len, len), WIRE_OK);
	assert_true(parsed.vlan_valid && icrc_good(&parsed, frame));
	assert_int_equal(parsed.vlan_tci, 0x6123);
	/* The tag is no part of the ICRC. */
	assert_int_equal(frame_of(&vectors[0], plain), len - 4);
	assert_memory_equal(frame + len - 4, plain + len - 8, 4);
	/* Nobody sends two. */
	memmove(frame + 16, frame + 12, len - 12);
	assert_int_equal(wire_parse(&parsed, frame, len + 4, len + 4), WIRE_NOT_ROCE);
}

static void test_lengths(void **state)
{
	static const struct { u8 opcode; u32 payload; bool ok; } rows[] = {
		{ 0x00, 1024, true }, { 0x00, 1023, false }, { 0x00, 0, false }, { 0x07, 1028, false },
		{ 0x02, 1, true }, { 0x02, 1024, true }, { 0x02, 1025, false }, { 0x04, 0, true },
		{ 0x0e, 1024, true }, { 0x0e, 4, false }, { 0x10, 1024, true }, { 0x10, 1025, false },
		{ 0x64, 1024, true }, { 0x64, 1025, false },
	};
	u32 i;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		struct wire_packet packet = { .opcode = rows[i].opcode, .payload = rows[i].payload };

		assert_int_equal(wire_length_ok(&packet, 1024), rows[i].ok);
	}
}

static void test_psn_order(void **state)
{
	assert_true(wire_psn_before(0, 1));
	assert_true(wire_psn_before(0xffffff, 0));
	assert_true(wire_psn_before(0, 0x800000));
	assert_false(wire_psn_before(0, 0x800001));
	assert_false(wire_psn_before(7, 7));
	assert_false(wire_psn_before(1, 0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vectors_built),
		cmocka_unit_test(test_vectors_parsed),
		cmocka_unit_test(test_segments),
		cmocka_unit_test(test_crc_shift),
		cmocka_unit_test(test_cut_and_padded),
		cmocka_unit_test(test_every_bit),
		cmocka_unit_test(test_opcodes),
		cmocka_unit_test(test_others),
		cmocka_unit_test(test_wrong_pad),
		cmocka_unit_test(test_ip_options),
		cmocka_unit_test(test_vlan),
		cmocka_unit_test(test_lengths),
		cmocka_unit_test(test_psn_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
