// SPDX-License-Identifier: GPL-2.0-only
/*
 * RoCE: the port's address table as the engine sees it, and who is reached through a
 * MAC and a GID, where an InfiniBand port uses a LID.
 *
 * What a message would have on a wire decides: its source is an entry of the sender's
 * table (MAC, GID, VLAN, RoCE version), its destination MAC belongs to a port of the
 * same segment, and that port has the destination GID in the same VLAN and version.
 */
#include <mhca/kernel.h>
#include "transport.h"

/**
 * soft_roce_update() - take over the RoCE address table and whether RoCE is on
 * @si: instance; port lock held
 *
 * There are two tables. The one not in use is written, then readers change over;
 * that none is left in the old one makes it the next to be written.
 */
void soft_roce_update(struct soft_instance *si)
{
	const struct mhca_vport *vport = si->inst->vport;
	u8 next = !si->gid_table;

	lockdep_assert_held(&si->inst->port_lock);
	BUILD_BUG_ON(sizeof(si->gid[0]) != sizeof(vport->gid));
	memcpy(si->gid[next], vport->gid, sizeof(vport->gid));
	smp_store_release(&si->gid_table, next);	/* written before it is used */
	WRITE_ONCE(si->roce, vport->roce);
	synchronize_srcu_expedited(&si->hca->srcu);
}

/**
 * soft_roce_move() - an instance that was loaded takes the place of its source
 * @to: instance; both port locks held
 * @from: its source; none of the two runs
 *
 * Peers find one or the other, and a QP of a connection in both.
 */
void soft_roce_move(struct soft_instance *to, struct soft_instance *from)
{
	soft_roce_update(to);
	soft_switch_swap(to, from);
	WRITE_ONCE(from->roce, false);
}

/**
 * soft_roce_address() - an entry of the RoCE address table
 * @si: instance
 * @index: entry
 *
 * Inside srcu. Return: the entry, or NULL: there is none.
 */
const struct mhca_roce_address *soft_roce_address(const struct soft_instance *si, u32 index)
{
	const struct mhca_roce_address *entry;

	if (index >= MHCA_ROCE_ADDRESSES)
		return NULL;
	entry = &si->gid[READ_ONCE(si->gid_table)][index];
	return entry->valid ? entry : NULL;
}

/* Do frames from @a look like frames for @b: RoCE version and VLAN? */
static bool soft_roce_alike(const struct mhca_roce_address *a, const struct mhca_roce_address *b)
{
	return a->version == b->version && a->vlan_valid == b->vlan_valid &&
	       (!a->vlan_valid || a->vlan == b->vlan);
}

/* Does @si have @gid (NULL: any) where frames from @from arrive? */
static bool soft_roce_has(const struct soft_instance *si, const u8 *gid,
			  const struct mhca_roce_address *from)
{
	const struct mhca_roce_address *entry;
	u32 i;

	for (i = 0; i < MHCA_ROCE_ADDRESSES; i++) {
		entry = soft_roce_address(si, i);
		if (entry && soft_roce_alike(entry, from) &&
		    (!gid || !memcmp(entry->gid, gid, sizeof(entry->gid))))
			return true;
	}
	return false;
}

static bool soft_roce_on(const struct soft_instance *si)
{
	return READ_ONCE(si->roce) && READ_ONCE(si->inst->port.up);
}

/**
 * soft_roce_source() - what a sender's packets have as their source
 * @qp: sender
 * @av: address
 *
 * Inside srcu. Return: an entry of its table; NULL: it may send nothing with it.
 */
const struct mhca_roce_address *soft_roce_source(const struct soft_qp *qp,
						 const struct soft_av *av)
{
	const struct mhca_roce_address *src = soft_roce_address(qp->base.si, av->sgid_index);
	const struct mhca_instance *inst = qp->base.obj.inst;

	if (!src || !soft_roce_on(qp->base.si))
		return NULL;
	if (READ_ONCE(inst->port.spoof_check) &&
	    memcmp(src->mac, inst->id.mac, sizeof(src->mac))) {
		mhca_count(qp->base.obj.inst, drop_spoof);
		soft_port_say(qp->base.si->port, inst, SOFT_DROP_MAC);
		return NULL;
	}
	if (!soft_port_may_use(qp->base.si->port, src->gid)) {
		mhca_count(qp->base.obj.inst, drop_spoof);
		soft_port_say(qp->base.si->port, inst, SOFT_DROP_ADDRESS);
		return NULL;
	}
	return src;
}

/**
 * soft_roce_route() - the instance that a unicast message reaches
 * @qp: sender
 * @av: address
 *
 * Inside srcu. Return: the instance, or NULL: nobody on this host.
 */
struct soft_instance *soft_roce_route(const struct soft_qp *qp, const struct soft_av *av)
{
	const struct mhca_roce_address *src = soft_roce_source(qp, av);
	struct soft_instance *si;

	if (!src)
		return NULL;
	si = soft_switch_find(qp->base.si->hca, READ_ONCE(qp->base.obj.inst->port.segment), av->dmac);
	if (!si || !soft_roce_on(si) || !soft_roce_has(si, av->dgid, src))
		return NULL;
	return si;
}

/**
 * soft_roce_is_beyond() - is an address one that the segment's uplink leads to?
 * @qp: sender
 * @av: address
 *
 * No instance of the segment has its MAC, and there is an uplink; RoCE v2 only. Inside srcu.
 */
bool soft_roce_is_beyond(const struct soft_qp *qp, const struct soft_av *av)
{
	const struct soft_port *port = qp->base.si->port;
	const struct mhca_roce_address *src;
	const struct soft_segment *segment;
	const struct soft_fdb *entry;

	segment = port ? READ_ONCE(port->segment) : NULL;
	if (!segment || !READ_ONCE(segment->uplink) || soft_mac_is_group(av->dmac))
		return false;
	src = soft_roce_address(qp->base.si, av->sgid_index);
	if (!src || src->version != MHCA_ROCE_V2)
		return false;
	entry = soft_fdb_find(qp->base.si->hca->sw, segment->id, av->dmac);
	return !entry || entry->port->kind == SOFT_PORT_UPLINK;
}

/**
 * soft_roce_hears() - does a group's datagram get to an instance?
 * @qp: sender
 * @av: address
 * @si: instance that has a member of the group
 *
 * Inside srcu. Same segment, VLAN and RoCE version.
 */
bool soft_roce_hears(const struct soft_qp *qp, const struct soft_av *av,
		     const struct soft_instance *si)
{
	const struct mhca_roce_address *src = soft_roce_source(qp, av);

	return src && si->inst->personality == MHCA_ROCE && soft_roce_on(si) &&
	       READ_ONCE(si->inst->port.segment) == READ_ONCE(qp->base.obj.inst->port.segment) &&
	       soft_roce_has(si, NULL, src);
}

/**
 * soft_roce_is_connected() - would @peer take a packet of @qp for its connection's?
 * @peer: a QP of the instance that @qp's messages reach; its rsp.lock held
 * @qp: sender
 *
 * Each has the other's address. Inside srcu.
 */
bool soft_roce_is_connected(const struct soft_qp *peer, const struct soft_qp *qp)
{
	const struct mhca_roce_address *mine = soft_roce_address(qp->base.si, qp->av.sgid_index);
	const struct mhca_roce_address *its = soft_roce_address(peer->base.si, peer->av.sgid_index);

	return mine && its && !memcmp(peer->av.dgid, mine->gid, sizeof(mine->gid)) &&
	       !memcmp(peer->av.dmac, mine->mac, sizeof(mine->mac)) &&
	       !memcmp(qp->av.dgid, its->gid, sizeof(its->gid)) &&
	       soft_roce_alike(mine, its);
}

/* ---- The header in front of a datagram --------------------------------------- */

/* The IPv4 header that stands in the last 20 of the 40 bytes. */
struct soft_ipv4 {
	u8 unused[20];
	u8 version_ihl;
	u8 tos;
	__be16 total;
	__be16 id;
	__be16 fragment;
	u8 ttl;
	u8 protocol;
	__be16 check;
	u8 source[4];
	u8 dest[4];
} __packed;

struct soft_ipv6 {
	__be32 version_class_flow;
	__be16 payload;
	u8 next_header;
	u8 hop_limit;
	u8 source[16];
	u8 dest[16];
} __packed;

#define SOFT_IPPROTO_UDP	17
#define SOFT_IPV4_DF		0x4000

static void soft_roce_ipv4(struct soft_ipv4 *ip, const struct mhca_roce_address *src,
			   const struct soft_av *av, u32 udp_bytes)
{
	const __be16 *word = (const __be16 *)&ip->version_ihl;
	u32 i, sum = 0;

	memset(ip, 0, sizeof(*ip));
	ip->version_ihl = 0x45;
	ip->tos = av->tclass;
	ip->total = cpu_to_be16(20 + udp_bytes);
	ip->fragment = cpu_to_be16(SOFT_IPV4_DF);
	ip->ttl = av->hop_limit;
	ip->protocol = SOFT_IPPROTO_UDP;
	memcpy(ip->source, src->gid + 12, sizeof(ip->source));
	memcpy(ip->dest, av->dgid + 12, sizeof(ip->dest));
	for (i = 0; i < 10; i++)
		sum += be16_to_cpu(word[i]);
	sum = (sum & 0xffff) + (sum >> 16);
	sum += sum >> 16;
	ip->check = cpu_to_be16(~sum);
}

/**
 * soft_roce_header() - the 40 bytes that a receiver finds in front of a RoCE v2 datagram
 * @src: source
 * @av: destination
 * @bytes: of the IB transport's packet: headers, payload, ICRC
 * @header: out, 40 bytes
 */
void soft_roce_header(const struct mhca_roce_address *src, const struct soft_av *av,
		      u32 bytes, void *header)
{
	u32 udp_bytes = 8 + bytes;
	struct soft_ipv6 *ip;

	BUILD_BUG_ON(sizeof(struct soft_ipv4) != 40);
	BUILD_BUG_ON(sizeof(struct soft_ipv6) != 40);
	if (src->ipv4) {
		soft_roce_ipv4(header, src, av, udp_bytes);
		return;
	}
	ip = header;
	ip->version_class_flow = cpu_to_be32(6U << 28 | (u32)av->tclass << 20 | av->flow);
	ip->payload = cpu_to_be16(udp_bytes);
	ip->next_header = SOFT_IPPROTO_UDP;
	ip->hop_limit = av->hop_limit;
	memcpy(ip->source, src->gid, sizeof(ip->source));
	memcpy(ip->dest, av->dgid, sizeof(ip->dest));
}
