// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which IP addresses a port may say are its own: the policy attribute "addresses". An
 * instance that has a list sends from these addresses only, as the source of an IP packet
 * and of a RoCE message and as the sender in ARP and neighbour discovery. Single
 * addresses of lists are nobody else's behind the uplink either.
 *
 * What cannot be looked into is dropped: a header that is cut off, a chain of extension
 * headers that is too long, a third VLAN tag. Frames that are neither ARP nor IP nor RoCE
 * are not its business.
 */
#include <mhca/kernel.h>
#include "packet.h"

#define SOFT_TYPE_ARP		0x0806
#define SOFT_ARP_BYTES		28U	/* of IPv4 over Ethernet */
#define SOFT_ARP_SENDER_MAC	8
#define SOFT_ARP_SENDER_IP	14
#define SOFT_ARP_TARGET_IP	24
#define SOFT_GRH_BYTES		40U
#define SOFT_DHCP_CLIENT	68
#define SOFT_DHCP_SERVER	67
#define SOFT_ND_BYTES		24U	/* up to the end of the target */
#define SOFT_ND_TARGET		8

enum {
	SOFT_MLD_REPORT = 131,
	SOFT_ND_ROUTER_SOLICITATION = 133,
	SOFT_ND_ROUTER_ADVERTISEMENT = 134,
	SOFT_ND_SOLICITATION = 135,
	SOFT_ND_ADVERTISEMENT = 136,
	SOFT_ND_REDIRECT = 137,
	SOFT_MLD_REPORT_2 = 143,
};

/* ---- Addresses ------------------------------------------------------------------ */

static void soft_ipv4_mapped(const u8 ipv4[4], u8 address[16])
{
	memcpy(address, mhca_ipv4_prefix, sizeof(mhca_ipv4_prefix));
	memcpy(address + sizeof(mhca_ipv4_prefix), ipv4, 4);
}

static bool soft_is_zero(const u8 *bytes, u32 n)
{
	return !memchr_inv(bytes, 0, n);
}

static bool soft_prefix_has(const struct mhca_prefix *prefix, const u8 address[16])
{
	bool ipv4 = !memcmp(address, mhca_ipv4_prefix, sizeof(mhca_ipv4_prefix));
	u32 bytes = prefix->bits / 8, rest = prefix->bits % 8;

	if (ipv4 != prefix->ipv4 || memcmp(prefix->address, address, bytes))
		return false;
	return !rest || !((prefix->address[bytes] ^ address[bytes]) >> (8 - rest));
}

static bool soft_allowed_has(const struct soft_allowed *allowed, const u8 address[16])
{
	u32 i;

	for (i = 0; i < allowed->n; i++)
		if (soft_prefix_has(&allowed->prefix[i], address))
			return true;
	return false;
}

static bool soft_allowed_has_ipv4(const struct soft_allowed *allowed, const u8 ipv4[4])
{
	u8 address[16];

	soft_ipv4_mapped(ipv4, address);
	return soft_allowed_has(allowed, address);
}

/* The link-local address that follows from a MAC (EUI-64). */
static void soft_link_local(const u8 *mac, struct mhca_prefix *prefix)
{
	*prefix = (struct mhca_prefix){
		.address = { 0xfe, 0x80, [8] = mac[0] ^ 2, mac[1], mac[2], 0xff, 0xfe, mac[3],
			     mac[4], mac[5] },
		.bits = 128,
	};
}

/**
 * soft_port_set_addresses() - the addresses that a port may use
 * @sw: switch
 * @port: port
 * @addresses: list; empty: all
 * @mac: its own, whose link-local address goes with a list
 *
 * Replaces what was there; waits for a grace period when that was another list.
 * Return: 0 or -ENOMEM.
 */
int soft_port_set_addresses(struct soft_switch *sw, struct soft_port *port,
			    const struct mhca_addresses *addresses, const u8 *mac)
{
	struct soft_allowed *new = NULL, *old;
	bool same;

	if (addresses->n) {
		new = kzalloc(sizeof(*new), GFP_KERNEL);
		if (!new)
			return -ENOMEM;
		memcpy(new->prefix, addresses->prefix, sizeof(addresses->prefix));
		soft_link_local(mac, &new->prefix[addresses->n]);
		new->n = addresses->n + 1;
	}
	mutex_lock(&sw->lock);
	old = port->allowed;
	same = new && old && !memcmp(new, old, sizeof(*new));
	if (!same)
		soft_publish(&port->allowed, new);
	mutex_unlock(&sw->lock);
	if (same) {
		kfree(new);
	} else if (old) {
		synchronize_srcu_expedited(sw->srcu);
		kfree(old);
	}
	return 0;
}

/**
 * soft_port_may_use() - may a port be the source of an address?
 * @port: port
 * @gid: IPv6 address, or an IPv4-mapped one
 *
 * Inside srcu.
 */
bool soft_port_may_use(const struct soft_port *port, const u8 gid[16])
{
	const struct soft_allowed *allowed = soft_follow(&port->allowed);

	return !allowed || soft_allowed_has(allowed, gid);
}

/* ---- Frames ----------------------------------------------------------------------- */

/* What follows the Ethernet header and its tags, @bytes of it at least, or NULL. */
static const u8 *soft_frame_payload(const struct soft_frame *frame, u32 bytes)
{
	u32 at = SOFT_ETH_BYTES + frame->n_vlan * SOFT_VLAN_BYTES;

	return frame->head_len >= at + bytes ? frame->head + at : NULL;
}

/* An ARP packet of IPv4 over Ethernet, or NULL. */
static const u8 *soft_frame_arp(const struct soft_frame *frame)
{
	static const u8 begins[6] = { 0, 1, 0x08, 0x00, 6, 4 };
	const u8 *arp = soft_frame_payload(frame, SOFT_ARP_BYTES);

	return arp && !memcmp(arp, begins, sizeof(begins)) ? arp : NULL;
}

/*
 * A probe names no sender, but the address that it asks for, and who has that gives it up
 * (RFC 5227, 2.1.1). The MAC that it gives others is where it comes from.
 */
static bool soft_allows_arp(const struct soft_allowed *allowed, const struct soft_frame *frame)
{
	const u8 *arp = soft_frame_arp(frame);

	if (!arp || memcmp(arp + SOFT_ARP_SENDER_MAC, frame->head + SOFT_MAC_BYTES,
			   SOFT_MAC_BYTES))
		return false;
	if (soft_is_zero(arp + SOFT_ARP_SENDER_IP, 4))
		return soft_allowed_has_ipv4(allowed, arp + SOFT_ARP_TARGET_IP);
	return soft_allowed_has_ipv4(allowed, arp + SOFT_ARP_SENDER_IP);
}

/* Who has no address yet may ask for one. */
static bool soft_allows_ipv4(const struct soft_allowed *allowed, const struct soft_frame *frame)
{
	const u8 *source = frame->head + frame->l3 + 12;

	if (frame->ip_version != 4)
		return false;
	if (soft_allowed_has_ipv4(allowed, source))
		return true;
	return soft_is_zero(source, 4) && frame->l4 && frame->ip_protocol == SOFT_PROTO_UDP &&
	       !frame->fragment && frame->sport == SOFT_DHCP_CLIENT &&
	       frame->dport == SOFT_DHCP_SERVER;
}

/* Is what follows the IPv6 headers something that we would see if it were ICMPv6? */
static bool soft_sees_icmp6(const struct soft_frame *frame)
{
	if (frame->ip_protocol == SOFT_PROTO_ICMP6)
		return frame->icmp6 || frame->fragment;
	return !soft_is_extension(frame->ip_protocol);
}

/* Neighbour discovery: who claims an address names it as the target. */
static bool soft_allows_nd(const struct soft_allowed *allowed, const struct soft_frame *frame,
			   bool unspecified)
{
	const u8 *nd = frame->head + frame->icmp6;
	bool claims = nd[0] == SOFT_ND_ADVERTISEMENT ||
		      (nd[0] == SOFT_ND_SOLICITATION && unspecified);

	if (nd[0] < SOFT_ND_ROUTER_SOLICITATION || nd[0] > SOFT_ND_REDIRECT)
		return true;
	if (frame->fragment || nd[0] == SOFT_ND_ROUTER_ADVERTISEMENT || nd[0] == SOFT_ND_REDIRECT)
		return false;
	if (!claims)
		return true;
	return frame->head_len - frame->icmp6 >= SOFT_ND_BYTES &&
	       soft_allowed_has(allowed, nd + SOFT_ND_TARGET);
}

/* What is sent before there is an address: its search for duplicates, groups, routers. */
static bool soft_needs_no_source(const struct soft_frame *frame)
{
	switch (frame->icmp6 ? frame->head[frame->icmp6] : 0) {
	case SOFT_MLD_REPORT:
	case SOFT_MLD_REPORT_2:
	case SOFT_ND_ROUTER_SOLICITATION:
	case SOFT_ND_SOLICITATION:
		return true;
	default:
		return false;
	}
}

static bool soft_allows_ipv6(const struct soft_allowed *allowed, const struct soft_frame *frame)
{
	const u8 *source = frame->head + frame->l3 + 8;
	bool unspecified;

	if (frame->ip_version != 6 || !soft_sees_icmp6(frame))
		return false;
	unspecified = soft_is_zero(source, 16);
	if (unspecified ? !soft_needs_no_source(frame) : !soft_allowed_has(allowed, source))
		return false;
	return !frame->icmp6 || soft_allows_nd(allowed, frame, unspecified);
}

static bool soft_allows(const struct soft_allowed *allowed, const struct soft_frame *frame)
{
	const u8 *grh;

	switch (frame->ethertype) {
	case SOFT_TYPE_ARP:
		return soft_allows_arp(allowed, frame);
	case SOFT_TYPE_IPV4:
		return soft_allows_ipv4(allowed, frame);
	case SOFT_TYPE_IPV6:
		return soft_allows_ipv6(allowed, frame);
	case SOFT_TYPE_ROCE:
		grh = soft_frame_payload(frame, SOFT_GRH_BYTES);
		return grh && soft_allowed_has(allowed, grh + 8);
	case SOFT_TYPE_VLAN:
	case SOFT_TYPE_SVLAN:
		return false;
	default:
		return true;
	}
}

/* ---- From the uplink --------------------------------------------------------------- */

/* The address that a frame claims for its sender, in ARP or neighbour discovery. */
static bool soft_frame_claims(const struct soft_frame *frame, u8 address[16])
{
	const u8 *arp, *nd;

	if (frame->ethertype == SOFT_TYPE_ARP) {
		arp = soft_frame_arp(frame);
		if (!arp)
			return false;
		soft_ipv4_mapped(arp + SOFT_ARP_SENDER_IP, address);
		return true;
	}
	if (!frame->icmp6 || frame->head_len - frame->icmp6 < SOFT_ND_BYTES)
		return false;
	nd = frame->head + frame->icmp6;
	if (nd[0] != SOFT_ND_ADVERTISEMENT &&
	    (nd[0] != SOFT_ND_SOLICITATION || !soft_is_zero(frame->head + frame->l3 + 8, 16)))
		return false;
	memcpy(address, nd + SOFT_ND_TARGET, 16);
	return true;
}

/* Does an instance of the segment have just this address? */
static bool soft_segment_has(const struct soft_segment *segment, const u8 address[16])
{
	const struct soft_port *port = soft_follow(&segment->ports);
	const struct soft_allowed *allowed;
	u32 i;

	for (; port; port = soft_follow(&port->next)) {
		allowed = soft_follow(&port->allowed);
		for (i = 0; allowed && i < allowed->n; i++)
			if (allowed->prefix[i].bits == 128 &&
			    !memcmp(allowed->prefix[i].address, address, 16))
				return true;
	}
	return false;
}

/**
 * soft_guard_passes() - may a port send a frame, by the IP addresses that it says?
 * @from: sender
 * @segment: its segment
 * @frame: parsed
 *
 * Inside srcu. What the uplink's ARP and neighbour discovery cost, the host pays.
 */
bool soft_guard_passes(const struct soft_port *from, const struct soft_segment *segment,
		       const struct soft_frame *frame)
{
	const struct soft_allowed *allowed = soft_follow(&from->allowed);
	u8 address[16];

	if (from->kind == SOFT_PORT_UPLINK)
		return !soft_frame_claims(frame, address) || !soft_segment_has(segment, address);
	return likely(!allowed) || soft_allows(allowed, frame);
}
