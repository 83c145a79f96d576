// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* "addresses": which frames an instance with a list may send, and the uplink beside it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <mhca/policy.h>
#include "shim/control.h"
#include "hca.h"

#define LIST	"192.0.2.7,198.51.100.0/24,2001:db8::7,2001:db8:1::/48"
#define MAC	0x02, 0x00, 0x5e, 0x00, 0x00, 0x01
#define OTHER	0x02, 0x00, 0x5e, 0x00, 0x00, 0x02
#define ALL	0xff, 0xff, 0xff, 0xff, 0xff, 0xff

enum { GUEST, UP, PORTS };

static const u8 mac[6] = { MAC }, peer[6] = { OTHER };
static struct srcu_struct srcu;
static struct soft_switch sw;
static struct soft_port port[PORTS];

static void set_list(const char *text)
{
	struct mhca_addresses list;

	assert_int_equal(mhca_addresses_parse(&list, text), 0);
	assert_int_equal(soft_port_set_addresses(&sw, &port[GUEST], &list, mac), 0);
}

static int setup(void **state)
{
	u32 i;

	(void)state;
	assert_int_equal(init_srcu_struct(&srcu), 0);
	memset(&sw, 0, sizeof(sw));
	memset(port, 0, sizeof(port));
	soft_switch_init(&sw, &srcu);
	for (i = 0; i < PORTS; i++) {
		soft_port_init(&port[i], i == UP ? SOFT_PORT_UPLINK : SOFT_PORT_INSTANCE, NULL);
		port[i].up = true;
		assert_int_equal(soft_port_attach(&sw, &port[i], 1), 0);
	}
	assert_int_equal(soft_port_add_mac(&sw, &port[GUEST], mac, SOFT_CLAIM_POLICY), 0);
	set_list(LIST);
	return 0;
}

static int teardown(void **state)
{
	u32 i;

	(void)state;
	for (i = 0; i < PORTS; i++) {
		soft_port_detach(&sw, &port[i]);
		soft_port_fini(&port[i]);
	}
	soft_switch_fini(&sw);
	cleanup_srcu_struct(&srcu);
	return 0;
}

/* ---- Frames ------------------------------------------------------------------------ */

static u8 frame[256];
static u32 len;

static void put(const void *bytes, u32 n)
{
	memcpy(frame + len, bytes, n);
	len += n;
}

#define PUT(...)	put((u8[]){ __VA_ARGS__ }, sizeof((u8[]){ __VA_ARGS__ }))

static void ethernet(const u8 *source, u16 type)
{
	memset(frame, 0, sizeof(frame));
	len = 0;
	PUT(ALL);
	put(source, 6);
	PUT(type >> 8, type & 0xff);
}

/* Insert a tag behind the addresses. */
static void tag(u16 type, u16 tci)
{
	memmove(frame + 16, frame + 12, len - 12);
	put_unaligned_be16(type, frame + 12);
	put_unaligned_be16(tci, frame + 14);
	len += 4;
}

static void tags(u32 n)
{
	while (n--)
		tag(0x8100, 5);
}

/* What follows the addresses becomes an 802.2 frame: a length, LLC and SNAP. */
static void snap(u8 sap, const u8 *oui)
{
	memmove(frame + 20, frame + 12, len - 12);
	len += 8;
	put_unaligned_be16(len - 14, frame + 12);
	memcpy(frame + 14, (u8[]){ sap, sap, 3, oui[0], oui[1], oui[2] }, 6);
}

static void ip6(const char *text, u8 *address)
{
	struct mhca_addresses list;

	memset(address, 0, 16);
	if (!strcmp(text, "::"))
		return;
	assert_int_equal(mhca_addresses_parse(&list, text), 0);
	memcpy(address, list.prefix[0].address, 16);
}

static void ip4(const char *text, u8 *address)
{
	u8 mapped[16] = { 0 };

	if (strcmp(text, "0.0.0.0"))
		ip6(text, mapped);
	memcpy(address, mapped + 12, 4);
}

static void arp(u16 op, const u8 *source, const u8 *sender, const char *ip)
{
	u8 address[4];

	ip4(ip, address);
	ethernet(source, 0x0806);
	PUT(0, 1, 8, 0, 6, 4, 0, op);
	put(sender, 6);
	put(address, 4);
	PUT(0, 0, 0, 0, 0, 0, 192, 0, 2, 1);
}

static void ipv4(const char *ip, u8 protocol, u16 sport, u16 dport)
{
	u8 address[4];

	ip4(ip, address);
	ethernet(mac, 0x0800);
	PUT(0x45, 0, 0, 36, 0, 0, 0, 0, 64, protocol, 0, 0);
	put(address, 4);
	PUT(192, 0, 2, 1, sport >> 8, sport & 0xff, dport >> 8, dport & 0xff, 0, 16, 0, 0,
	    0, 0, 0, 0, 0, 0, 0, 0);
}

/* The IPv6 header; what follows is put by who calls, and counted by ipv6_end(). */
static void ipv6(const char *ip, u8 next)
{
	u8 address[16];

	ip6(ip, address);
	ethernet(mac, 0x86dd);
	PUT(0x60, 0, 0, 0, 0, 0, next, 255);
	put(address, 16);
	PUT(0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1);
}

static void icmp6(u8 type, const char *target)
{
	u8 address[16];

	ip6(target, address);
	PUT(type, 0, 0, 0, 0, 0, 0, 0);
	put(address, 16);
}

static void nd(const char *ip, u8 type, const char *target)
{
	ipv6(ip, 58);
	icmp6(type, target);
}

/* The same behind @n headers of options of 8 bytes and one of @bytes. */
static void nd_behind(const char *ip, u32 n, u32 bytes, u8 type, const char *target)
{
	static const u8 zero[256];

	ipv6(ip, n || bytes ? 60 : 58);
	while (n--)
		PUT(n || bytes ? 60 : 58, 0, 1, 4, 0, 0, 0, 0);
	if (bytes) {
		PUT(58, bytes / 8 - 1, 1, bytes - 4);
		put(zero, bytes - 4);
	}
	icmp6(type, target);
}

static bool sends_of(u32 from, u32 head_len)
{
	struct soft_source source = { .dmac = frame, .smac = frame + 6 };
	struct soft_forward forward;
	struct soft_frame parsed;
	enum soft_drop cause;
	int idx;

	if (get_unaligned_be16(frame + 12) == 0x86dd)
		put_unaligned_be16(len - 54, frame + 18);
	assert_true(soft_frame_parse(&parsed, frame, min(len, head_len), len));
	source.frame = &parsed;
	idx = srcu_read_lock(&srcu);
	cause = soft_forward_begin(&sw, &port[from], &source, false, &forward);
	srcu_read_unlock(&srcu, idx);
	assert_true(cause == SOFT_DROP_NONE || cause == SOFT_DROP_ADDRESS);
	return cause == SOFT_DROP_NONE;
}

static bool sends(u32 from)
{
	return sends_of(from, SOFT_HEAD_PULL);
}

/* ---- What an instance sends --------------------------------------------------------- */

static void test_ipv4(void **state)
{
	static const struct { const char *ip; bool may; } cases[] = {
		{ "192.0.2.7", true }, { "192.0.2.8", false }, { "198.51.100.200", true },
		{ "198.51.101.1", false }, { "10.0.0.1", false }, { "0.0.0.0", false },
	};
	u32 i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		ipv4(cases[i].ip, 17, 1000, 2000);
		assert_int_equal(sends(GUEST), cases[i].may);
		tags(2);
		assert_int_equal(sends(GUEST), cases[i].may);
	}
	ipv4("192.0.2.7", 17, 1, 2);
	tags(3);
	assert_false(sends(GUEST));
	/* A request for an address; not an answer, not another protocol. */
	ipv4("0.0.0.0", 17, 68, 67);
	assert_true(sends(GUEST));
	ipv4("0.0.0.0", 17, 67, 68);
	assert_false(sends(GUEST));
	ipv4("0.0.0.0", 6, 68, 67);
	assert_false(sends(GUEST));
	/* Headers that are none. */
	ipv4("192.0.2.7", 17, 1, 2);
	frame[14] = 0x44;
	assert_false(sends(GUEST));
	len = 30;
	assert_false(sends(GUEST));
}

static void test_arp(void **state)
{
	(void)state;
	arp(1, mac, mac, "192.0.2.7");
	assert_true(sends(GUEST));
	tags(1);
	assert_true(sends(GUEST));
	arp(2, mac, mac, "198.51.100.3");
	assert_true(sends(GUEST));
	arp(1, mac, mac, "0.0.0.0");		/* a probe: for another's address, its own */
	assert_false(sends(GUEST));
	frame[len - 1] = 7;
	assert_true(sends(GUEST));
	arp(2, mac, mac, "192.0.2.1");
	assert_false(sends(GUEST));
	arp(1, mac, mac, "192.0.2.1");		/* gratuitous or not */
	assert_false(sends(GUEST));
	arp(2, mac, peer, "192.0.2.7");		/* to another's MAC */
	assert_false(sends(GUEST));
	arp(1, mac, mac, "192.0.2.7");
	frame[15] = 6;				/* of IEEE 802, which Linux takes as well */
	assert_true(sends(GUEST));
	frame[31] = 8;
	assert_false(sends(GUEST));
	arp(1, mac, mac, "192.0.2.7");
	frame[15] = 15;
	assert_false(sends(GUEST));
	arp(1, mac, mac, "192.0.2.1");
	tag(0x8100, 7 << 13);			/* a priority alone */
	assert_false(sends(GUEST));
	arp(1, mac, mac, "192.0.2.1");
	tag(0x88a8, 9);
	assert_false(sends(GUEST));
	arp(1, mac, mac, "192.0.2.7");
	frame[19] = 3;				/* address lengths that shift what follows */
	assert_false(sends(GUEST));
	arp(1, mac, mac, "192.0.2.7");
	len = 14 + 27;
	assert_false(sends(GUEST));
}

static void test_ipv6(void **state)
{
	static const struct { const char *ip; bool may; } cases[] = {
		{ "2001:db8::7", true }, { "2001:db8::8", false }, { "2001:db8:1:2::3", true },
		{ "2001:db8:2::1", false }, { "fe80::5eff:fe00:1", true },
		{ "fe80::5eff:fe00:2", false }, { "::", false },
	};
	u32 i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		ipv6(cases[i].ip, 17);
		PUT(0, 1, 0, 2, 0, 8, 0, 0);
		assert_int_equal(sends(GUEST), cases[i].may);
	}
	/* Another list's addresses are not IPv4's: ::ffff:192.0.2.7. */
	ipv6("::1", 17);
	memcpy(frame + 22, (u8[16]){ [10] = 0xff, 0xff, 192, 0, 2, 8 }, 16);
	PUT(0, 1, 0, 2, 0, 8, 0, 0);
	assert_false(sends(GUEST));
}

static void test_discovery(void **state)
{
	static const char own[] = "2001:db8::7", other[] = "2001:db8::8";

	(void)state;
	nd(own, 136, own);
	assert_true(sends(GUEST));
	nd(own, 136, other);			/* takes a neighbour's address */
	assert_false(sends(GUEST));
	nd(own, 135, other);			/* asks for him */
	assert_true(sends(GUEST));
	nd(other, 135, own);
	assert_false(sends(GUEST));
	nd("::", 135, own);			/* is it used? */
	assert_true(sends(GUEST));
	nd("::", 135, other);
	assert_false(sends(GUEST));
	nd("::", 136, own);
	assert_false(sends(GUEST));
	nd("::", 133, "::");
	assert_true(sends(GUEST));
	nd("::", 143, "::");
	assert_true(sends(GUEST));
	nd("::", 128, "::");
	assert_false(sends(GUEST));
	nd(own, 128, "::");
	assert_true(sends(GUEST));
	nd(own, 134, "::");			/* a router */
	assert_false(sends(GUEST));
	nd(own, 137, own);
	assert_false(sends(GUEST));
	nd(own, 136, own);			/* the target is cut off */
	len -= 1;
	assert_false(sends(GUEST));
	nd(own, 136, own);
	len = 54 + 7;
	assert_false(sends(GUEST));
}

/* Behind extension headers, in fragments, too far away. */
static void test_hidden_discovery(void **state)
{
	static const char own[] = "2001:db8::7", other[] = "2001:db8::8";
	u32 i;

	(void)state;
	ipv6(own, 0);
	PUT(60, 0, 1, 4, 0, 0, 0, 0, 58, 0, 1, 4, 0, 0, 0, 0);
	icmp6(136, own);
	assert_true(sends(GUEST));
	ipv6(own, 0);
	PUT(60, 0, 1, 4, 0, 0, 0, 0, 58, 0, 1, 4, 0, 0, 0, 0);
	icmp6(136, other);
	assert_false(sends(GUEST));
	ipv6(own, 44);
	PUT(58, 0, 0, 1, 0, 0, 0, 9);		/* first of several */
	icmp6(136, own);
	assert_false(sends(GUEST));
	ipv6(own, 44);
	PUT(58, 0, 0, 8, 0, 0, 0, 9);		/* the second */
	icmp6(136, own);
	assert_true(sends(GUEST));
	ipv6(own, 44);
	PUT(17, 0, 0, 1, 0, 0, 0, 9, 0, 1, 0, 2, 0, 50, 0, 0);
	assert_true(sends(GUEST));
	ipv6(own, 60);
	for (i = 0; i < 9; i++)
		PUT(i < 8 ? 60 : 58, 0, 1, 4, 0, 0, 0, 0);
	icmp6(136, other);
	assert_false(sends(GUEST));
	ipv6(own, 60);
	PUT(58, 30, 1, 4, 0, 0, 0, 0);		/* beyond what is there */
	assert_false(sends(GUEST));
	nd_behind(own, 0, 64, 136, own);	/* beyond the bytes that are looked at */
	assert_false(sends(GUEST));
	nd_behind(own, 0, 80, 136, own);
	assert_false(sends(GUEST));
	/* One fragment that is all of the packet, with options before what it is. */
	ipv6(own, 44);
	PUT(60, 0, 0, 0, 0, 0, 0, 9, 58, 8, 1, 4);
	len += 68;
	icmp6(136, other);
	assert_false(sends(GUEST));
	ipv6(own, 44);
	PUT(60, 0, 0, 1, 0, 0, 0, 9, 58, 1, 1, 4, 0, 0, 0, 0);	/* the rest is in the second */
	assert_false(sends(GUEST));
	/* Long headers before something else hide nothing. */
	ipv6(own, 43);
	PUT(17, 11, 4, 0);
	len += 92;
	PUT(0, 1, 0, 2, 0, 8, 0, 0);
	assert_true(sends(GUEST));
}

/* ARP and IP with a length in the place of a type; CDP and spanning trees are such frames. */
static void test_snap(void **state)
{
	static const u8 rfc1042[3] = { 0, 0, 0 }, bridge[3] = { 0, 0, 0xf8 };
	static const u8 cisco[3] = { 0, 0, 0x0c };

	(void)state;
	arp(1, mac, mac, "192.0.2.7");
	snap(0xaa, rfc1042);
	assert_false(sends(GUEST));
	assert_false(sends(UP));
	arp(1, mac, mac, "192.0.2.1");
	snap(0xaa, bridge);
	tags(1);
	assert_false(sends(GUEST));
	assert_false(sends(UP));
	nd("2001:db8::7", 136, "2001:db8::7");
	snap(0xaa, rfc1042);
	assert_false(sends(GUEST));
	assert_false(sends(UP));
	ethernet(mac, 0x2000);
	PUT(1, 180, 0, 0);
	snap(0xaa, cisco);
	assert_true(sends(GUEST));
	assert_true(sends(UP));
	ethernet(mac, 0x0000);
	PUT(0, 0, 0, 0);
	snap(0x42, rfc1042);
	assert_true(sends(GUEST));
	assert_true(sends(UP));
	/* Nobody has a list. */
	set_list("");
	arp(1, mac, mac, "192.0.2.7");
	snap(0xaa, rfc1042);
	assert_true(sends(GUEST));
	assert_true(sends(UP));
}

static void test_others(void **state)
{
	static const u8 gid[16] = { 0x20, 0x01, 0x0d, 0xb8, [15] = 7 };
	static const u8 foreign[16] = { 0x20, 0x01, 0x0d, 0xb8, [15] = 8 };
	u32 i;

	(void)state;
	ethernet(mac, 0x88cc);
	PUT(1, 2, 3, 4);
	assert_true(sends(GUEST));
	for (i = 0; i < 2; i++) {
		ethernet(mac, 0x8915);
		PUT(0x60, 0, 0, 0, 0, 0, 0x1b, 64);
		put(i ? foreign : gid, 16);
		PUT(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);
		/* RoCE over Ethernet: only what the guard says counts here. */
		WRITE_ONCE(port[GUEST].checks, SOFT_CHECK_MAC);
		assert_int_equal(sends(GUEST), !i);
	}
	len = 30;
	assert_false(sends(GUEST));
	assert_true(soft_port_may_use(&port[GUEST], gid));
	assert_false(soft_port_may_use(&port[GUEST], foreign));
	/* Without a list everything is as before. */
	set_list("");
	assert_true(soft_port_may_use(&port[GUEST], foreign));
	nd("2001:db8::7", 134, "::");
	assert_true(sends(GUEST));
	arp(2, mac, peer, "10.0.0.1");
	assert_true(sends(GUEST));
}

/* ---- What comes from the uplink ------------------------------------------------------ */

static void test_uplink(void **state)
{
	(void)state;
	arp(2, peer, peer, "192.0.2.7");		/* the instance's alone */
	assert_false(sends(UP));
	arp(1, peer, peer, "192.0.2.7");
	assert_false(sends(UP));
	arp(1, peer, peer, "192.0.2.1");
	assert_true(sends(UP));
	arp(1, peer, peer, "198.51.100.1");		/* of a prefix: perhaps the router's */
	assert_true(sends(UP));
	nd("2001:db8::1", 136, "2001:db8::7");
	assert_false(sends(UP));
	nd("::", 135, "2001:db8::7");
	assert_false(sends(UP));
	nd("2001:db8::1", 135, "2001:db8::7");		/* asks for it */
	assert_true(sends(UP));
	nd("fe80::5eff:fe00:1", 136, "fe80::5eff:fe00:1");
	assert_false(sends(UP));
	nd("fe80::1", 134, "::");
	assert_true(sends(UP));
	/* The host routes, so its packets' sources are anybody's. */
	ipv4("192.0.2.7", 17, 1, 2);
	assert_true(sends(UP));
	set_list("");
	arp(2, peer, peer, "192.0.2.7");
	assert_true(sends(UP));
}

/* ARP in every form that a receiver takes. */
static void test_uplink_arp(void **state)
{
	(void)state;
	arp(2, peer, peer, "192.0.2.7");
	frame[15] = 6;
	assert_false(sends(UP));
	arp(1, peer, peer, "0.0.0.0");			/* a probe, for 192.0.2.1, then for .7 */
	assert_true(sends(UP));
	frame[len - 1] = 7;
	assert_false(sends(UP));
	arp(2, peer, peer, "192.0.2.7");
	tag(0x8100, 7 << 13);
	assert_false(sends(UP));
	arp(2, peer, peer, "192.0.2.7");
	tag(0x8100, 5);
	tag(0x88a8, 9);
	assert_false(sends(UP));
	tags(1);
	assert_false(sends(UP));
	set_list("");
	assert_true(sends(UP));
}

/* So with neighbour discovery: who is named as the source, whatever is asked. */
static void test_uplink_discovery(void **state)
{
	static const char own[] = "2001:db8::7", other[] = "2001:db8::8";
	static const u8 types[] = { 133, 134, 135, 136, 137 };
	u32 i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(types); i++) {
		nd(own, types[i], other);
		PUT(1, 1, OTHER);
		assert_false(sends(UP));
		nd(other, types[i], other);
		PUT(1, 1, OTHER);
		assert_true(sends(UP));
	}
	nd(other, 137, own);				/* that way to him */
	assert_false(sends(UP));
	nd_behind(other, 8, 0, 136, own);
	assert_false(sends_of(UP, 256));
	for (i = 0; i < 80; i += 8) {
		nd_behind(other, 0, i, 136, own);
		assert_false(sends(UP));
	}
	nd_behind(other, 0, 56, 136, other);		/* the target is out of sight */
	assert_false(sends(UP));
	nd_behind(other, 0, 24, 136, other);
	assert_true(sends(UP));
	nd_behind(other, 9, 0, 136, other);
	assert_false(sends_of(UP, 256));
	/* In fragments: no neighbour discovery, and nothing that may be that. */
	ipv6(other, 44);
	PUT(58, 0, 0, 0, 0, 0, 0, 9);
	icmp6(136, other);
	assert_false(sends(UP));
	ipv6(other, 44);
	PUT(58, 0, 0, 1, 0, 0, 0, 9, 128, 0, 0, 0, 0, 0, 0, 0);
	assert_true(sends(UP));
	ipv6(other, 44);
	PUT(60, 0, 0, 1, 0, 0, 0, 9, 58, 1, 1, 4, 0, 0, 0, 0);
	assert_false(sends(UP));
	ipv6(other, 44);
	PUT(60, 0, 0, 8, 0, 0, 0, 9);
	icmp6(136, own);
	assert_true(sends(UP));
	/* Nobody has a list. */
	set_list("");
	nd(own, 135, other);
	PUT(1, 1, OTHER);
	assert_true(sends(UP));
	nd_behind(other, 0, 80, 136, own);
	assert_true(sends(UP));
}

/* The same list again is no change; another one takes effect, also for want of memory not. */
static void test_lists(void **state)
{
	struct mhca_addresses list;
	const struct soft_allowed *before = port[GUEST].allowed;

	(void)state;
	set_list(LIST);
	assert_ptr_equal(port[GUEST].allowed, before);
	set_list("10.0.0.1");
	ipv4("10.0.0.1", 17, 1, 2);
	assert_true(sends(GUEST));
	ipv4("192.0.2.7", 17, 1, 2);
	assert_false(sends(GUEST));
	assert_int_equal(mhca_addresses_parse(&list, LIST), 0);
	shim_fail_nth(1);
	assert_int_equal(soft_port_set_addresses(&sw, &port[GUEST], &list, mac), -ENOMEM);
	shim_fail_nth(0);
	assert_false(sends(GUEST));
}

#define TEST(name) cmocka_unit_test_setup_teardown(test_##name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(ipv4), TEST(arp), TEST(ipv6), TEST(discovery), TEST(hidden_discovery),
		TEST(others), TEST(snap), TEST(uplink), TEST(uplink_arp), TEST(uplink_discovery),
		TEST(lists),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
