// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Headers, hashes, segmentation and checksums, against plain models of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <mhca/kernel.h>
#include "hca.h"

#define TCP	6
#define UDP	17

/* A frame that is put together byte by byte. */
static u8 wire[(1 << MHCA_LOG_MAX_LSO) + 1000];
static u32 at, ip_at, l4_at;

static void put(const void *bytes, u32 n)
{
	memcpy(wire + at, bytes, n);
	at += n;
}

static void put16(u32 value)
{
	u8 be[2] = { value >> 8, value };

	put(be, 2);
}

static void put32(u32 value)
{
	put16(value >> 16);
	put16(value);
}

static void set16(u32 where, u32 value)
{
	wire[where] = value >> 8;
	wire[where + 1] = value;
}

static void eth(u32 type)
{
	at = 0;
	put("\x02\x00\x00\x00\x00\x01\x02\x00\x00\x00\x00\x02", 12);
	put16(type);
}

static void vlan(u32 tci, u32 type)
{
	put16(tci);
	put16(type);
}

static void ipv4(u32 proto, u32 options, u32 offset)
{
	ip_at = at;
	put("\x45\x00", 2);
	wire[ip_at] += options / 4;
	put16(0);			/* length: finish() */
	put16(0x1234);
	put16(offset);
	put("\x40", 1);
	wire[at++] = proto;
	put16(0);
	put("\xc0\xa8\x00\x01\xc0\xa8\x00\x02", 8);
	memset(wire + at, 1, options);
	at += options;
	l4_at = at;
}

static void ipv6(u32 next)
{
	ip_at = at;
	put32(0x60000000);
	put16(0);
	wire[at++] = next;
	wire[at++] = 64;
	put("\xfe\x80\0\0\0\0\0\0\0\0\0\0\0\0\0\1", 16);
	put("\xfe\x80\0\0\0\0\0\0\0\0\0\0\0\0\0\2", 16);
	l4_at = at;
}

static void tcp(u32 flags, u32 options)
{
	l4_at = at;
	put16(4000);
	put16(80);
	put32(0xfffffff0);		/* wraps in mid-packet */
	put32(77);
	put16((20 + options) / 4 << 12 | flags);
	put16(100);
	put16(0);
	put16(0);
	memset(wire + at, 1, options);
	at += options;
}

static void udp(void)
{
	l4_at = at;
	put16(5000);
	put16(53);
	put16(0);			/* finish() */
	put16(0);
}

static void payload(u32 n)
{
	u32 i;

	for (i = 0; i < n; i++)
		wire[at++] = (u8)(i * 7 + (i >> 8) * 13 + 1);
}

static void finish(bool is_udp)
{
	if (wire[ip_at] >> 4 == 4)
		set16(ip_at + 2, at - ip_at);
	else
		set16(ip_at + 4, at - ip_at - 40);
	if (is_udp)
		set16(l4_at + 4, at - l4_at);
}

/* RFC 1071, once more and differently: big-endian words. */
static u32 sum(const u8 *p, u32 n, u32 s)
{
	u32 i;

	for (i = 0; i < n; i++)
		s += i & 1 ? p[i] : p[i] << 8;
	while (s >> 16)
		s = (s & 0xffff) + (s >> 16);
	return s;
}

/* Is the checksum of TCP or UDP of the frame at @f right? */
static bool l4_right(const u8 *f, u32 ip, u32 l4, u32 end)
{
	bool v6 = f[ip] >> 4 == 6;
	u32 proto = f[v6 ? ip + 6 : ip + 9];
	u32 s = sum(f + ip + (v6 ? 8 : 12), v6 ? 32 : 8, proto + end - l4);

	return sum(f + l4, end - l4, s) == 0xffff;
}

static struct soft_frame frame;

static bool parse(u32 head)
{
	return soft_frame_parse(&frame, wire, min(head, at), at);
}

/* ---- Headers ------------------------------------------------------------------ */

static void test_ethernet(void **state)
{
	u32 n;

	(void)state;
	eth(0x0806);
	payload(28);
	for (n = 0; n < 14; n++)
		assert_false(parse(n));
	assert_true(parse(128));
	assert_int_equal(frame.ethertype, 0x0806);
	assert_int_equal(frame.n_vlan, 0);
	assert_int_equal(frame.ip_version, 0);
	assert_int_equal(frame.l3, 0);
	assert_int_equal(frame.len, 42);
}

static void test_vlan(void **state)
{
	(void)state;
	eth(0x8100);
	vlan(0x6123, 0x0800);
	ipv4(UDP, 0, 0);
	udp();
	finish(true);
	assert_true(parse(128));
	assert_int_equal(frame.n_vlan, 1);
	assert_int_equal(frame.vlan_tci, 0x6123);
	assert_false(frame.vlan_svlan);
	assert_int_equal(frame.l3, 18);
	assert_int_equal(frame.dport, 53);
	/* A tag that is cut off is none. */
	assert_true(parse(17));
	assert_int_equal(frame.n_vlan, 0);
	assert_int_equal(frame.ethertype, 0x8100);

	eth(0x88a8);
	vlan(7, 0x8100);
	vlan(8, 0x8100);
	vlan(9, 0x0800);
	assert_true(parse(128));
	assert_int_equal(frame.n_vlan, 2);
	assert_true(frame.vlan_svlan);
	assert_int_equal(frame.vlan_tci, 7);
	assert_int_equal(frame.ethertype, 0x8100);
	assert_int_equal(frame.ip_version, 0);
}

static void test_ipv4(void **state)
{
	u32 n;

	(void)state;
	eth(0x0800);
	ipv4(TCP, 8, 0x4000);
	tcp(0x1ff, 12);
	payload(50);
	finish(false);
	assert_true(parse(128));
	assert_int_equal(frame.ip_version, 4);
	assert_int_equal(frame.l3, 14);
	assert_int_equal(frame.l4, 42);
	assert_int_equal(frame.sport, 4000);
	assert_int_equal(frame.tcp_flags, 0x1ff);
	assert_false(frame.fragment);
	/* Wherever the head ends: nothing is read behind it (ASan), L4 only when whole. */
	for (n = 14; n < at; n++) {
		u8 *copy = malloc(n);

		memcpy(copy, wire, n);
		assert_true(soft_frame_parse(&frame, copy, n, at));
		assert_int_equal(frame.ip_version, n >= 42 ? 4 : 0);
		assert_int_equal(frame.l4, n >= 62 ? 42 : 0);
		free(copy);
	}
	/* Malformed: version, header length, total length. */
	wire[14] = 0x57;
	parse(128);
	assert_int_equal(frame.ip_version, 0);
	wire[14] = 0x44;
	parse(128);
	assert_int_equal(frame.ip_version, 0);
	wire[14] = 0x47;
	set16(16, at - 14 + 1);
	parse(128);
	assert_int_equal(frame.ip_version, 0);
	set16(16, 27);
	parse(128);
	assert_int_equal(frame.ip_version, 0);
	set16(16, 28);
	parse(128);
	assert_int_equal(frame.ip_version, 4);
}

static void test_fragments(void **state)
{
	(void)state;
	eth(0x0800);
	ipv4(UDP, 0, 0x2000);
	udp();
	payload(8);
	finish(true);
	parse(128);
	assert_true(frame.fragment);
	assert_int_equal(frame.l4, 34);
	set16(ip_at + 6, 1);
	parse(128);
	assert_true(frame.fragment);
	assert_int_equal(frame.l4, 0);
	assert_int_equal(frame.sport, 0);
	set16(ip_at + 6, 0x4000);
	parse(128);
	assert_false(frame.fragment);
	/* A TCP header that says it is shorter than it can be. */
	eth(0x0800);
	ipv4(TCP, 0, 0);
	tcp(0x10, 0);
	finish(false);
	wire[l4_at + 12] = 0x40;
	parse(128);
	assert_int_equal(frame.l4, 0);
}

static void test_ipv6(void **state)
{
	static const u8 ext[] = { 0, 43, 60 };
	u32 i, n;

	(void)state;
	for (n = 0; n < 10; n++) {
		eth(0x86dd);
		ipv6(n ? ext[0] : UDP);
		for (i = 0; i < n; i++) {
			put(i + 1 < n ? &ext[(i + 1) % 3] : (const u8[]){ UDP }, 1);
			put("\0\1\2\3\4\5\6", 7);
		}
		udp();
		payload(4);
		finish(true);
		parse(SOFT_HEAD_PULL);
		assert_int_equal(frame.ip_version, 6);
		/* More headers than anybody needs hide the rest. */
		assert_int_equal(frame.l4, n <= 8 && l4_at + 8 <= SOFT_HEAD_PULL ? l4_at : 0);
		if (frame.l4)
			assert_int_equal(frame.dport, 53);
	}
	eth(0x86dd);
	ipv6(44);
	put((const u8[]){ UDP, 0, 0, 1, 0, 0, 0, 9 }, 8);
	udp();
	finish(true);
	parse(128);
	assert_true(frame.fragment);
	assert_int_equal(frame.l4, l4_at);
	set16(ip_at + 42, 8);		/* offset 1: a later one */
	parse(128);
	assert_true(frame.fragment);
	assert_int_equal(frame.l4, 0);
	assert_int_equal(frame.ip_protocol, UDP);
	/* An extension that ends behind the head, one that is cut off. */
	eth(0x86dd);
	ipv6(0);
	put((const u8[]){ UDP, 31, 0, 0, 0, 0, 0, 0 }, 8);
	udp();
	finish(false);
	parse(128);
	assert_int_equal(frame.l4, 0);
	at = ip_at + 44;
	set16(ip_at + 4, 4);
	parse(128);
	assert_int_equal(frame.ip_version, 6);
	assert_int_equal(frame.l4, 0);
	set16(ip_at + 4, 5);		/* longer than the frame */
	parse(128);
	assert_int_equal(frame.ip_version, 0);
}

/* Any bytes: no crash, no read outside (ASan), offsets inside. */
static void test_noise(void **state)
{
	static const u16 types[] = { 0x0800, 0x86dd, 0x8100, 0x88a8 };
	u32 seed = 1, round, i;

	(void)state;
	for (round = 0; round < 200000; round++) {
		u32 n;
		u8 *copy;

		for (i = 0; i < 128; i++) {
			seed = seed * 1664525 + 1013904223;
			wire[i] = seed >> 24;
		}
		set16(12, types[seed >> 9 & 3]);
		set16(16, types[seed >> 11 & 3]);
		wire[14] = seed & 0x1000 ? 0x45 : 0x60;
		wire[20] = (const u8[]){ 0, 43, 44, 51, 60, 6, 17, 59 }[seed >> 13 & 7];
		wire[23] = seed & 0x10000 ? TCP : UDP;
		n = 14 + (seed >> 17) % 114;
		copy = malloc(n);
		memcpy(copy, wire, n);
		assert_true(soft_frame_parse(&frame, copy, n, n + (seed >> 24)));
		assert_true(frame.l3 + (frame.ip_version == 4 ? 20 : 0) <= n);
		if (frame.l4)
			assert_true(frame.l4 + (frame.ip_protocol == TCP ? 20 : 8) <= n);
		free(copy);
	}
}

/* ---- Hashes (Microsoft's verification suite for RSS) ------------------------------ */

static const u8 rss_key[40] = {
	0x6d, 0x5a, 0x56, 0xda, 0x25, 0x5b, 0x0e, 0xc2, 0x41, 0x67, 0x25, 0x3d, 0x43, 0xa3,
	0x8f, 0xb0, 0xd0, 0xca, 0x2b, 0xcb, 0xae, 0x7b, 0x30, 0xb4, 0x77, 0xcb, 0x2d, 0xa3,
	0x80, 0x30, 0xf2, 0x0c, 0x6a, 0x42, 0xb7, 0x3b, 0xbe, 0xac, 0x01, 0xfa,
};

#define BOTH_IPS	(SOFT_HASH_SRC_IP | SOFT_HASH_DST_IP)
#define BOTH_PORTS	(SOFT_HASH_L4_SPORT | SOFT_HASH_L4_DPORT)

static u32 hash(u32 fields, u8 *type)
{
	struct soft_tir_attr attr = { .hash = SOFT_HASH_TOEPLITZ, .fields = fields };

	memcpy(attr.key, rss_key, sizeof(rss_key));
	parse(128);
	return soft_frame_hash(&frame, &attr, type);
}

static void test_toeplitz(void **state)
{
	u8 type;

	(void)state;
	eth(0x0800);
	ipv4(TCP, 0, 0);
	tcp(0x10, 0);
	finish(false);
	memcpy(wire + ip_at + 12, (const u8[]){ 66, 9, 149, 187, 161, 142, 100, 80 }, 8);
	set16(l4_at, 2794);
	set16(l4_at + 2, 1766);
	assert_int_equal(hash(BOTH_IPS, &type), 0x323e8fc2);
	assert_int_equal(type, 0x04);
	assert_int_equal(hash(BOTH_IPS | BOTH_PORTS, &type), 0x51ccc178);
	assert_int_equal(type, 0x44);
	/* Fragments have no ports. */
	set16(ip_at + 6, 0x2000);
	assert_int_equal(hash(BOTH_IPS | BOTH_PORTS, &type), 0x323e8fc2);
	assert_int_equal(type, 0x04);

	eth(0x86dd);
	ipv6(UDP);
	udp();
	finish(true);
	memcpy(wire + ip_at + 8, "\x3f\xfe\x25\x01\x02\x00\x1f\xff\0\0\0\0\0\0\0\7", 16);
	memcpy(wire + ip_at + 24, "\x3f\xfe\x25\x01\x02\x00\x00\x03\0\0\0\0\0\0\0\1", 16);
	set16(l4_at, 2794);
	set16(l4_at + 2, 1766);
	assert_int_equal(hash(BOTH_IPS, &type), 0x2cc18cd5);
	assert_int_equal(type, 0x08);
	assert_int_equal(hash(BOTH_IPS | BOTH_PORTS, &type), 0x40207d3d);
	assert_int_equal(type, 0x88);

	eth(0x0806);
	payload(30);
	assert_int_equal(hash(BOTH_IPS | BOTH_PORTS, &type), 0);
	assert_int_equal(type, 0);
}

/* Symmetric: both directions of a flow have one hash. Otherwise not. */
static void test_symmetric(void **state)
{
	struct soft_tir_attr attr = { .fields = BOTH_IPS | BOTH_PORTS };
	u32 a, b, fn;
	u8 type;

	(void)state;
	memcpy(attr.key, rss_key, sizeof(rss_key));
	for (fn = SOFT_HASH_XOR8; fn <= SOFT_HASH_TOEPLITZ; fn++) {
		attr.hash = fn;
		for (attr.symmetric = 0; ; attr.symmetric = 1) {
			eth(0x0800);
			ipv4(UDP, 0, 0);
			udp();
			finish(true);
			parse(128);
			a = soft_frame_hash(&frame, &attr, &type);
			memcpy(wire + ip_at + 12, "\xc0\xa8\0\2\xc0\xa8\0\1", 8);
			set16(l4_at, 53);
			set16(l4_at + 2, 5000);
			parse(128);
			b = soft_frame_hash(&frame, &attr, &type);
			if (attr.symmetric || fn == SOFT_HASH_XOR8)
				assert_int_equal(a, b);
			else
				assert_int_not_equal(a, b);
			if (attr.symmetric)
				break;
		}
	}
	attr.hash = SOFT_HASH_NONE;
	assert_int_equal(soft_frame_hash(&frame, &attr, &type), 0);
	assert_int_equal(type, 0);
}

/* ---- Pieces --------------------------------------------------------------------- */

static struct soft_packet packet;
static u8 out[70000];

/* The frame as a packet: @head bytes private, the rest in segments of odd lengths. */
static void make(u32 head)
{
	u32 n, step = 1, left = at - head;
	const u8 *from = wire + head;

	memset(&packet, 0, sizeof(packet));
	memcpy(packet.head, wire, head);
	packet.head_len = head;
	packet.body_len = left;
	for (; left; left -= n, from += n) {
		struct soft_seg *seg = &packet.body.seg[packet.body.n++];

		assert_true(packet.body.n <= SOFT_MAX_SEG);
		n = packet.body.n == SOFT_MAX_SEG ? left : min(step, left);
		step = step * 2 + 1;
		seg->inline_data = from;
		seg->len = n;
		packet.body.len += n;
	}
}

static u32 piece_out(u32 from, struct soft_piece *piece)
{
	assert_int_equal(soft_packet_piece(&packet, from, piece), SOFT_OK);
	memcpy(out, piece->head, piece->head_len);
	assert_int_equal(soft_packet_read(&packet, piece->at, out + piece->head_len, piece->len),
			 SOFT_OK);
	return piece->head_len + piece->len;
}

/* CQE.check_sum: the sum of the IP packet, without padding. */
static void right_sum(const struct soft_piece *piece, u32 end)
{
	u16 native;
	u8 be[2];

	native = piece->sum;
	memcpy(be, &native, 2);
	assert_int_equal((be[0] << 8 | be[1]) % 0xffff,
			 sum(out + ip_at, end - ip_at, 0) % 0xffff);
}

static void build(u32 version, u32 proto, u32 n)
{
	eth(version == 4 ? 0x0800 : 0x86dd);
	if (version == 4)
		ipv4(proto, 0, 0x4000);
	else
		ipv6(proto);
	if (proto == TCP)
		tcp(0x18, 4);
	else
		udp();
	payload(n);
	finish(proto == UDP);
}

/* Every size around where head and body meet; offloaded, then taken as it is. */
static void test_checksum(void **state)
{
	static const u32 sizes[] = { 0, 1, 2, 3, 63, 64, 65, 100, 127, 128, 129, 1459, 1460 };
	struct soft_piece piece;
	u32 i, v, p, n, head, pad;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(sizes) * 2 * 2 * 3; i++) {
		v = i & 1 ? 6 : 4;
		p = i & 2 ? TCP : UDP;
		head = (const u32[]){ 18, 77, 131 }[i / 4 % 3];
		pad = i % 5;
		build(v, p, sizes[i / 12]);
		n = at;
		payload(pad);
		make(min(head, at));
		assert_int_equal(soft_packet_pull(&packet), SOFT_OK);
		assert_true(soft_packet_parse(&packet));
		assert_int_equal(packet.frame.l4, l4_at);
		packet.sum_l3 = true;
		packet.sum_l4 = true;
		assert_int_equal(piece_out(0, &piece), n + pad);
		assert_true(piece.l3_ok);
		assert_true(piece.l4_ok);
		assert_true(l4_right(out, ip_at, l4_at, n));
		if (v == 4)
			assert_int_equal(sum(out + ip_at, 20, 0), 0xffff);
		right_sum(&piece, n);
		assert_memory_equal(out + n, wire + n, pad);
		/* The same frame, already right: not touched, and found to be right. */
		memcpy(wire, out, n);
		make(min(head, at));
		soft_packet_pull(&packet);
		assert_true(soft_packet_parse(&packet));
		piece_out(0, &piece);
		assert_memory_equal(out, wire, at);
		assert_true(piece.l3_ok && piece.l4_ok);
		right_sum(&piece, n);
		/* One bit wrong, in the last byte. */
		wire[n - 1] ^= 1;
		make(min(head, at));
		soft_packet_pull(&packet);
		assert_true(soft_packet_parse(&packet));
		piece_out(0, &piece);
		assert_true(piece.l3_ok);
		assert_false(piece.l4_ok);
		right_sum(&piece, n);
	}
}

static void test_checksum_rules(void **state)
{
	struct soft_piece piece;

	(void)state;
	/* UDP over IPv4 without a checksum is good. */
	build(4, UDP, 40);
	make(60);
	assert_true(soft_packet_parse(&packet));
	piece_out(0, &piece);
	assert_true(piece.l4_ok);
	assert_false(piece.l3_ok);	/* ipv4() leaves it 0 */
	/* A sum of 0 is sent as 0xffff. */
	build(4, UDP, 2);
	set16(at - 2, 0);
	make(at);
	assert_true(soft_packet_parse(&packet));
	packet.sum_l4 = true;
	piece_out(0, &piece);
	set16(at - 2, out[l4_at + 6] << 8 | out[l4_at + 7]);
	make(at);
	assert_true(soft_packet_parse(&packet));
	packet.sum_l4 = true;
	piece_out(0, &piece);
	assert_int_equal(out[l4_at + 6] << 8 | out[l4_at + 7], 0xffff);
	assert_true(piece.l4_ok);
	/* A fragment has none that could be computed or checked. */
	build(4, UDP, 40);
	set16(ip_at + 6, 0x2000);
	make(60);
	assert_true(soft_packet_parse(&packet));
	packet.sum_l3 = true;
	packet.sum_l4 = true;
	piece_out(0, &piece);
	assert_memory_equal(out + l4_at, wire + l4_at, at - l4_at);
	assert_true(piece.l3_ok);
	assert_false(piece.l4_ok);
	right_sum(&piece, at);
	/* No IP: nothing is said. */
	eth(0x0806);
	payload(100);
	make(60);
	assert_true(soft_packet_parse(&packet));
	packet.sum_l3 = true;
	packet.sum_l4 = true;
	piece_out(0, &piece);
	assert_memory_equal(out, wire, at);
	assert_int_equal(piece.sum, 0);
	assert_false(piece.l3_ok || piece.l4_ok);
}

/* The IP length says less than there is of L4: no checksum behind its end. */
static void test_short_ip(void **state)
{
	struct soft_piece piece;
	u32 n;

	(void)state;
	for (n = 20; n < 60; n++) {
		build(4, TCP, 200);
		set16(ip_at + 2, n);
		make(128);
		assert_true(soft_packet_parse(&packet));
		packet.sum_l4 = true;
		piece_out(0, &piece);
		if (n < 40)
			assert_memory_equal(out + l4_at, wire + l4_at, at - l4_at);
		assert_int_equal(piece.l4_ok, n >= 40);
		right_sum(&piece, ip_at + n);
	}
}

static void test_large_send(void **state)
{
	static const u32 mss[] = { 1, 536, 1447, 1448, 8948 };
	struct soft_piece piece;
	u32 i, v, p, total, n, k, seq;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(mss) * 4; i++) {
		v = i & 1 ? 6 : 4;
		p = i & 2 ? TCP : UDP;
		total = mss[i / 4] == 1 ? 50 : 30001;
		build(v, p, total);
		if (p == TCP)
			wire[l4_at + 13] = 0x99;	/* CWR ACK PSH FIN */
		make(at - total);
		packet.mss = mss[i / 4];
		assert_true(soft_packet_parse(&packet));
		seq = 0xfffffff0;
		for (n = 0, k = 0; n < total; n += piece.len, k++) {
			u32 end = piece_out(n, &piece), len = end - packet.head_len;
			bool last = n + len == total;

			assert_int_equal(len, min(packet.mss, total - n));
			assert_memory_equal(out + packet.head_len, wire + packet.head_len + n, len);
			assert_true(l4_right(out, ip_at, l4_at, end));
			assert_true(piece.l3_ok && piece.l4_ok);
			right_sum(&piece, end);
			if (v == 4) {
				assert_int_equal(sum(out + ip_at, 20, 0), 0xffff);
				assert_int_equal(out[ip_at + 2] << 8 | out[ip_at + 3], end - ip_at);
				assert_int_equal(out[ip_at + 4] << 8 | out[ip_at + 5],
						 (0x1234 + k) & 0xffff);
			} else {
				assert_int_equal(out[ip_at + 4] << 8 | out[ip_at + 5],
						 end - ip_at - 40);
			}
			if (p == UDP) {
				assert_int_equal(out[l4_at + 4] << 8 | out[l4_at + 5],
						 end - l4_at);
				continue;
			}
			assert_int_equal(get_unaligned_be32(out + l4_at + 4), seq);
			seq += len;
			assert_int_equal(out[l4_at + 13],
					 0x10 | (n ? 0 : 0x80) | (last ? 0x09 : 0));
		}
	}
}

/*
 * To the host: parts of at most 64 frames and 64 KiB. Cut into frames, a part is the same as
 * the packet cut there.
 */
static void test_parts(void **state)
{
	static const u32 mss[] = { 8, 536, 1448, 8948, 40000 };
	static struct soft_piece part, frame;
	u32 i, v, p, total, n, k;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(mss) * 4; i++) {
		v = i & 1 ? 6 : 4;
		p = i & 2 ? TCP : UDP;
		total = mss[i / 4] == 8 ? 1000 : 1 << MHCA_LOG_MAX_LSO;
		build(v, p, total);
		set16(ip_at + (v == 4 ? 2 : 4), 0);	/* as BIG TCP has it */
		if (p == TCP)
			wire[l4_at + 13] = 0x99;
		make(at - total);
		packet.mss = mss[i / 4];
		assert_true(soft_packet_parse(&packet));
		for (n = 0, k = 0; n < total; n += part.len, k++) {
			u32 bytes;

			assert_int_equal(soft_packet_part(&packet, n, &part), SOFT_OK);
			bytes = part.head_len - ip_at + part.len;
			assert_true(part.len && bytes <= 65535);
			assert_true(part.len <= 64U * packet.mss);
			assert_int_equal(part.at, n);
			assert_int_equal(part.large, part.len > packet.mss);
			/* All but the last are full: of frames, and as long as they may be. */
			if (n + part.len < total)
				assert_true(part.len % packet.mss == 0 &&
					    (part.len / packet.mss == 64 ||
					     bytes + packet.mss > 65535));
			assert_int_equal(get_unaligned_be16(part.head + ip_at + (v == 4 ? 2 : 4)),
					 bytes - (v == 4 ? 0 : 40));
			/* Its first frame's numbers and flags, but for what ends the packet. */
			assert_int_equal(soft_packet_piece(&packet, n, &frame), SOFT_OK);
			if (v == 4)
				assert_memory_equal(part.head + ip_at + 4, frame.head + ip_at + 4, 2);
			if (p == TCP) {
				assert_memory_equal(part.head + l4_at + 4, frame.head + l4_at + 4, 4);
				assert_int_equal(part.head[l4_at + 13], 0x10 | (n ? 0 : 0x80) |
						 (n + part.len == total ? 0x09 : 0));
			} else {
				assert_int_equal(get_unaligned_be16(part.head + l4_at + 4),
						 8 + part.len);
			}
			if (!part.large)
				assert_memory_equal(part.head, frame.head, part.head_len);
		}
	}
}

/* The head of a large send is its headers and nothing else. */
static void test_large_send_head(void **state)
{
	u32 n, hdr;

	(void)state;
	build(4, TCP, 3000);
	hdr = at - 3000;
	for (n = 14; n < 128; n++) {
		make(n);
		packet.mss = 1000;
		assert_int_equal(soft_packet_parse(&packet), n == hdr);
	}
	build(4, TCP, 3000);
	set16(ip_at + 6, 0x2000);
	make(hdr);
	packet.mss = 1000;
	assert_false(soft_packet_parse(&packet));
	eth(0x0806);
	payload(3000);
	make(42);
	packet.mss = 1000;
	assert_false(soft_packet_parse(&packet));
}

static void test_insert(void **state)
{
	struct soft_piece piece;
	u8 before[2000];
	u32 n;

	(void)state;
	build(4, UDP, 1000);
	memcpy(before, wire, at);
	make(0);
	assert_false(soft_packet_insert_vlan(&packet, 0x8100, 5));
	assert_int_equal(soft_packet_pull(&packet), SOFT_OK);
	assert_int_equal(packet.head_len, SOFT_HEAD_PULL);
	assert_true(soft_packet_insert_vlan(&packet, 0x8100, 0x2005));
	assert_true(soft_packet_parse(&packet));
	assert_int_equal(packet.frame.vlan_tci, 0x2005);
	assert_int_equal(packet.frame.l3, ip_at + 4);
	n = piece_out(0, &piece);
	assert_int_equal(n, at + 4);
	assert_memory_equal(out, before, 12);
	assert_memory_equal(out + 12, "\x81\x00\x20\x05", 4);
	assert_memory_equal(out + 16, before + 12, at - 12);
	packet.head_len = SOFT_HEAD_MAX - 3;
	assert_false(soft_packet_insert_vlan(&packet, 0x8100, 5));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ethernet),
		cmocka_unit_test(test_vlan),
		cmocka_unit_test(test_ipv4),
		cmocka_unit_test(test_fragments),
		cmocka_unit_test(test_ipv6),
		cmocka_unit_test(test_noise),
		cmocka_unit_test(test_toeplitz),
		cmocka_unit_test(test_symmetric),
		cmocka_unit_test(test_checksum),
		cmocka_unit_test(test_checksum_rules),
		cmocka_unit_test(test_short_ip),
		cmocka_unit_test(test_large_send),
		cmocka_unit_test(test_parts),
		cmocka_unit_test(test_large_send_head),
		cmocka_unit_test(test_insert),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
