// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which IP addresses a port may say are its own: the policy attribute "addresses". An
 * instance that has a list sends from these addresses only, as the source of an IP packet
 * and of a RoCE message and as the sender in ARP and neighbour discovery. Single
 * addresses of lists are nobody else's behind the uplink either: ARP and neighbour
 * discovery that come from there are looked at. IP packets are not: the host routes, and may
 * send back what an instance sent to it.
 *
 * What cannot be looked into is dropped, from the uplink where anybody has a list: a header
 * that is cut off, a chain of extension headers that is too long, a third VLAN tag, ARP and
 * IP behind LLC. Frames that are neither ARP nor IP nor RoCE are not its business.
 */
#include <mhca/kernel.h>
#include "switch.h"

#define SOFT_TYPE_ARP		0x0806
#define SOFT_TYPE_LEAST		0x0600	/* below it is a length */
#define SOFT_ARP_BYTES		28U	/* of IPv4 over Ethernet */
#define SOFT_ARP_SENDER_MAC	8
#define SOFT_ARP_SENDER_IP	14
#define SOFT_ARP_TARGET_IP	24
#define SOFT_GRH_BYTES		40U
#define SOFT_DHCP_CLIENT	68
#define SOFT_DHCP_SERVER	67
#define SOFT_ND_BYTES		24U	/* up to the end of the target */
#define SOFT_ND_TARGET		8
#define SOFT_SNAP_BYTES		8U
#define SOFT_SNAP_SAP		0xaa

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

/* An ARP packet of IPv4 over Ethernet or over IEEE 802 (the same to Linux), or NULL. */
static const u8 *soft_frame_arp(const struct soft_frame *frame)
{
	static const u8 begins[2][6] = { { 0, 1, 0x08, 0x00, 6, 4 }, { 0, 6, 0x08, 0x00, 6, 4 } };
	const u8 *arp = soft_frame_payload(frame, SOFT_ARP_BYTES);

	if (!arp || (memcmp(arp, begins[0], sizeof(begins[0])) &&
		     memcmp(arp, begins[1], sizeof(begins[1]))))
		return NULL;
	return arp;
}

/*
 * The IPv4 address that ARP claims. A probe names no sender, but the address that it asks
 * for, and who has that gives it up (RFC 5227, 2.1.1).
 */
static const u8 *soft_arp_claim(const u8 *arp)
{
	if (soft_is_zero(arp + SOFT_ARP_SENDER_IP, 4))
		return arp + SOFT_ARP_TARGET_IP;
	return arp + SOFT_ARP_SENDER_IP;
}

/* ARP or IP behind LLC and SNAP (RFC 1042), which some receivers take for the same. */
static bool soft_is_snap(const struct soft_frame *frame)
{
	const u8 *llc = soft_frame_payload(frame, SOFT_SNAP_BYTES);

	if (frame->ethertype >= SOFT_TYPE_LEAST || !llc || llc[0] != SOFT_SNAP_SAP)
		return false;
	switch (get_unaligned_be16(llc + 6)) {
	case SOFT_TYPE_ARP:
	case SOFT_TYPE_IPV4:
	case SOFT_TYPE_IPV6:
	case SOFT_TYPE_VLAN:
	case SOFT_TYPE_SVLAN:
		return true;
	default:
		return false;
	}
}

/* The MAC that ARP gives others is where it comes from. */
static bool soft_allows_arp(const struct soft_allowed *allowed, const struct soft_frame *frame)
{
	const u8 *arp = soft_frame_arp(frame);

	if (!arp || memcmp(arp + SOFT_ARP_SENDER_MAC, frame->head + SOFT_MAC_BYTES,
			   SOFT_MAC_BYTES))
		return false;
	return soft_allowed_has_ipv4(allowed, soft_arp_claim(arp));
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

static bool soft_is_nd(u8 type)
{
	return type >= SOFT_ND_ROUTER_SOLICITATION && type <= SOFT_ND_REDIRECT;
}

/* Neighbour discovery: who claims an address names it as the target. */
static bool soft_allows_nd(const struct soft_allowed *allowed, const struct soft_frame *frame,
			   bool unspecified)
{
	const u8 *nd = frame->head + frame->icmp6;
	bool claims = nd[0] == SOFT_ND_ADVERTISEMENT ||
		      (nd[0] == SOFT_ND_SOLICITATION && unspecified);

	if (!soft_is_nd(nd[0]))
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

	if (frame->ip_version != 6 || frame->hidden)
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
		return !soft_is_snap(frame);
	}
}

/* ---- From the uplink --------------------------------------------------------------- */

/**
 * struct soft_claims - addresses that ARP or neighbour discovery gives to its sender
 * @n: how many
 * @address: IPv6, or IPv4-mapped
 */
struct soft_claims {
	u32 n;
	u8 address[2][16];
};

static void soft_claim(struct soft_claims *claims, const u8 address[16])
{
	memcpy(claims->address[claims->n++], address, 16);
}

/*
 * A receiver may learn the source's link-layer address from an option of any message, and
 * that of the target, unless it is what is asked for. Neither is forwarded by any router.
 * None is taken out of fragments (RFC 6980).
 */
static bool soft_nd_claims(const struct soft_frame *frame, struct soft_claims *claims)
{
	const u8 *source = frame->head + frame->l3 + 8, *nd = frame->head + frame->icmp6;

	if (!frame->icmp6)
		return !frame->hidden;
	if (!soft_is_nd(nd[0]))
		return true;
	if (frame->fragment)
		return false;
	soft_claim(claims, source);
	if (nd[0] == SOFT_ND_ROUTER_SOLICITATION || nd[0] == SOFT_ND_ROUTER_ADVERTISEMENT)
		return true;
	if (frame->head_len - frame->icmp6 < SOFT_ND_BYTES)
		return false;
	if (nd[0] != SOFT_ND_SOLICITATION || soft_is_zero(source, 16))
		soft_claim(claims, nd + SOFT_ND_TARGET);
	return true;
}

/* What does it claim? false: that cannot be seen. */
static bool soft_frame_claims(const struct soft_frame *frame, struct soft_claims *claims)
{
	const u8 *arp;
	u8 address[16];

	claims->n = 0;
	switch (frame->ethertype) {
	case SOFT_TYPE_ARP:
		arp = soft_frame_arp(frame);
		if (!arp)
			return true;
		soft_ipv4_mapped(soft_arp_claim(arp), address);
		soft_claim(claims, address);
		return true;
	case SOFT_TYPE_IPV6:
		return soft_nd_claims(frame, claims);
	case SOFT_TYPE_VLAN:
	case SOFT_TYPE_SVLAN:
		return false;
	default:
		return !soft_is_snap(frame);
	}
}

/* Does an instance of the segment have just this address? NULL: any list at all? */
static bool soft_segment_has(const struct soft_segment *segment, const u8 *address)
{
	const struct soft_port *port = soft_follow(&segment->ports);
	const struct soft_allowed *allowed;
	u32 i;

	for (; port; port = soft_follow(&port->next)) {
		allowed = soft_follow(&port->allowed);
		if (allowed && !address)
			return true;
		for (i = 0; allowed && i < allowed->n; i++)
			if (allowed->prefix[i].bits == 128 &&
			    !memcmp(allowed->prefix[i].address, address, 16))
				return true;
	}
	return false;
}

static bool soft_allows_uplink(const struct soft_segment *segment,
			       const struct soft_frame *frame)
{
	struct soft_claims claims;
	u32 i;

	if (!soft_frame_claims(frame, &claims))
		return !soft_segment_has(segment, NULL);
	for (i = 0; i < claims.n; i++)
		if (soft_segment_has(segment, claims.address[i]))
			return false;
	return true;
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

	if (from->kind == SOFT_PORT_UPLINK)
		return soft_allows_uplink(segment, frame);
	return likely(!allowed) || soft_allows(allowed, frame);
}
