// SPDX-License-Identifier: GPL-2.0-only
/*
 * The port of an instance in the switch: what policy and the guest want of it. Policy
 * decides who it is; with its checks on, the guest's own wishes (other addresses,
 * promiscuous mode) are not granted.
 */
#include <mhca/kernel.h>
#include "switch.h"

#define SOFT_TYPE_RARP		0x8035
#define SOFT_RARP_REQUEST	3
#define SOFT_FRAME_MIN		60U	/* without FCS */

/**
 * soft_switch_find() - which instance has an address?
 * @hca: HCA
 * @segment: id
 * @mac: address
 *
 * Inside srcu, any lane, no lock. Return: the instance, NULL: none here has it.
 */
struct soft_instance *soft_switch_find(struct soft_hca *hca, u32 segment, const u8 mac[6])
{
	const struct soft_fdb *entry = soft_fdb_find(hca->sw, segment, mac);

	if (!entry || entry->port->kind != SOFT_PORT_INSTANCE || !READ_ONCE(entry->port->up))
		return NULL;
	return READ_ONCE(entry->port->owner);
}

/**
 * soft_port_say() - say in the log why frames are dropped, once
 * @port: an instance's
 * @inst: the instance
 * @cause: why; a setting can be the reason, the guest's or its administrator's
 *
 * Once until policy changes. Any context.
 */
void soft_port_say(struct soft_port *port, const struct mhca_instance *inst,
		   enum soft_drop cause)
{
	if (likely(test_bit(cause, &port->said)) || test_and_set_bit(cause, &port->said))
		return;
	pr_notice("mhca_soft: %s: frames are dropped: %s\n", inst->id.name, soft_drop_text(cause));
}

/**
 * soft_switch_carrier() - tell a segment's uplink whether there is anybody
 * @hca: HCA
 * @segment: id
 *
 * Who comes last says what is true last: looking and telling are one step.
 */
void soft_switch_carrier(struct soft_hca *hca, u32 segment)
{
	const struct soft_port *port, *uplink = NULL;
	struct soft_switch *sw = hca->sw;
	struct soft_segment *where;
	bool on = false;

	mutex_lock(&sw->lock);
	where = xa_load(&sw->segments, segment);
	for (port = where ? where->ports : NULL; port; port = port->next) {
		if (port->kind == SOFT_PORT_UPLINK)
			uplink = port;
		else
			on |= READ_ONCE(port->up);
	}
	if (uplink)
		hca->uplink_ops->carrier(uplink->owner, on);
	mutex_unlock(&sw->lock);
}

/* Policy's address first. Of the others what nobody has a better claim to. */
static int soft_port_macs(struct soft_switch *sw, struct soft_port *port,
			  const struct mhca_instance *inst)
{
	const struct mhca_vport *vport = inst->port.spoof_check ? NULL : inst->vport;
	u32 i, n = 0, uc = vport ? min_t(u32, vport->n_uc, MHCA_MAX_UC) : 0;
	u8 (*macs)[SOFT_MAC_BYTES];
	int err;

	macs = kcalloc(SOFT_PORT_MACS, sizeof(*macs), GFP_KERNEL);
	if (!macs)
		return -ENOMEM;
	memcpy(macs[n++], inst->id.mac, sizeof(*macs));
	for (i = 0; i < uc; i++)
		if (memcmp(vport->uc[i], inst->id.mac, sizeof(*macs)))
			memcpy(macs[n++], vport->uc[i], sizeof(*macs));
	soft_port_keep_macs(sw, port, macs, n);
	err = soft_port_add_mac(sw, port, macs[0], SOFT_CLAIM_POLICY);
	for (i = 1; i < n; i++)
		soft_port_add_mac(sw, port, macs[i], SOFT_CLAIM_GUEST);
	kfree(macs);
	return err;
}

/* Those of the address table that the port may use: its own MAC belongs to them. */
static int soft_port_gids(struct soft_switch *sw, struct soft_port *port,
			  const struct mhca_instance *inst)
{
	const struct mhca_vport *vport = inst->vport;
	u8 (*gids)[16];
	u32 i, n = 0;
	int err;

	if (!vport)
		return 0;
	gids = kcalloc(MHCA_ROCE_ADDRESSES, sizeof(*gids), GFP_KERNEL);
	if (!gids)
		return -ENOMEM;
	for (i = 0; i < MHCA_ROCE_ADDRESSES; i++) {
		const struct mhca_roce_address *address = &vport->gid[i];

		if (!address->valid ||
		    memcmp(address->mac, inst->id.mac, sizeof(address->mac)))
			continue;
		memcpy(gids[n++], address->gid, sizeof(*gids));
	}
	err = soft_port_set_gids(sw, port, gids, n);
	kfree(gids);
	return err;
}

/* Out of its segment, whose uplink may be alone now. */
static void soft_port_leave(struct soft_hca *hca, struct soft_port *port)
{
	u32 segment;

	if (!port->segment)
		return;
	segment = port->segment->id;
	soft_port_detach(hca->sw, port);
	soft_switch_carrier(hca, segment);
}

/**
 * soft_switch_update() - policy or the guest changed what the port is
 * @si: instance; port lock held, which is all that changes where its port is
 */
void soft_switch_update(struct soft_instance *si)
{
	struct mhca_instance *inst = si->inst;
	struct soft_switch *sw = si->hca->sw;
	struct soft_port *port = si->port;
	int err;

	lockdep_assert_held(&inst->port_lock);
	if (!port)
		return;
	WRITE_ONCE(port->checks, inst->port.spoof_check ? SOFT_CHECK_ALL : 0);
	WRITE_ONCE(port->roce, inst->vport && inst->vport->roce);
	WRITE_ONCE(port->promisc, !inst->port.spoof_check && inst->vport &&
		   (inst->vport->promisc_uc || inst->vport->promisc_all));
	err = soft_port_set_addresses(sw, port, &inst->port.addresses, inst->id.mac);
	/* Without the list that policy wants it forwards nothing. */
	WRITE_ONCE(port->up, inst->port.up && !err);
	WRITE_ONCE(port->aside, !inst->port.up || inst->port.admin_down);
	if (!err && (!port->segment || port->segment->id != inst->port.segment)) {
		soft_port_leave(si->hca, port);
		err = soft_port_attach(sw, port, inst->port.segment);
	}
	if (!err)
		err = soft_port_macs(sw, port, inst);
	if (!err)
		err = soft_port_gids(sw, port, inst);
	if (err)
		mhca_warn(inst, "port in segment %u: error %d\n", inst->port.segment, err);
	soft_switch_carrier(si->hca, inst->port.segment);
}

/**
 * soft_switch_swap() - two instances of a segment take each other's place
 * @a: instance
 * @b: instance; both port locks held, none of the two sends or receives
 *
 * The ports stay where they are, with their addresses: at no moment are these nobody's.
 * What the port is for its new owner is said by soft_switch_update().
 */
void soft_switch_swap(struct soft_instance *a, struct soft_instance *b)
{
	struct soft_switch *sw = a->hca->sw;
	struct soft_port *port = a->port;

	lockdep_assert_held(&a->inst->port_lock);
	lockdep_assert_held(&b->inst->port_lock);
	mutex_lock(&sw->lock);
	WRITE_ONCE(a->port, b->port);
	WRITE_ONCE(b->port, port);
	WRITE_ONCE(a->port->owner, a);
	WRITE_ONCE(b->port->owner, b);
	mutex_unlock(&sw->lock);
	synchronize_srcu_expedited(sw->srcu);
}

/* "Who am I?", asked by @mac. Nobody answers; switches learn where it comes from. */
static bool soft_rarp(struct soft_packet *packet, const u8 *mac)
{
	u8 *arp = packet->head + SOFT_ETH_BYTES;

	memset(packet->head, 0xff, SOFT_MAC_BYTES);
	memcpy(packet->head + SOFT_MAC_BYTES, mac, SOFT_MAC_BYTES);
	put_unaligned_be16(SOFT_TYPE_RARP, packet->head + 2 * SOFT_MAC_BYTES);
	put_unaligned_be16(1, arp);			/* Ethernet … */
	put_unaligned_be16(SOFT_TYPE_IPV4, arp + 2);	/* … and IPv4: bytes of an address */
	arp[4] = SOFT_MAC_BYTES;
	arp[5] = 4;
	put_unaligned_be16(SOFT_RARP_REQUEST, arp + 6);
	memcpy(arp + 8, mac, SOFT_MAC_BYTES);
	memcpy(arp + 18, mac, SOFT_MAC_BYTES);
	packet->head_len = SOFT_FRAME_MIN;
	return soft_packet_parse(packet);
}

/**
 * soft_switch_announce() - an instance is here, and was on another host
 * @si: instance
 *
 * Switches outside go on forwarding to that host until they see a frame of it. Its guest
 * knows nothing of the move, so one goes to the uplink in its name.
 */
void soft_switch_announce(struct soft_instance *si)
{
	struct soft_packet *packet = kzalloc(sizeof(*packet), GFP_KERNEL);
	struct soft_hca *hca = si->hca;
	const struct soft_segment *segment;
	const struct soft_port *uplink;
	struct soft_piece piece;
	int idx;

	if (!packet)
		return;
	packet->from = si->port;
	packet->inst = si->inst;
	idx = srcu_read_lock(&hca->srcu);
	segment = READ_ONCE(si->port->segment);
	uplink = segment ? READ_ONCE(segment->uplink) : NULL;
	if (uplink && READ_ONCE(uplink->up) && READ_ONCE(si->port->up) &&
	    soft_rarp(packet, si->inst->id.mac) &&
	    soft_packet_part(packet, 0, &piece) == SOFT_OK)
		hca->uplink_ops->xmit(uplink->owner, packet, &piece);
	srcu_read_unlock(&hca->srcu, idx);
	kfree(packet);
}

/**
 * soft_switch_join() - an instance of the roce type gets a port
 * @si: instance
 *
 * Return: 0; -EADDRINUSE: another instance of the segment has its MAC; -ENOMEM,
 * -ENOSPC.
 */
int soft_switch_join(struct soft_instance *si)
{
	struct soft_switch *sw = si->hca->sw;
	struct mhca_instance *inst = si->inst;
	struct soft_port *port;
	int err;

	port = kzalloc(sizeof(*port), GFP_KERNEL);
	if (!port)
		return -ENOMEM;
	soft_port_init(port, SOFT_PORT_INSTANCE, si);
	err = soft_port_attach(sw, port, inst->port.segment);
	if (err)
		goto err_free;
	err = soft_port_add_mac(sw, port, inst->id.mac, SOFT_CLAIM_POLICY);
	if (err)
		goto err_detach;
	mutex_lock(&inst->port_lock);
	si->port = port;
	soft_switch_update(si);
	mutex_unlock(&inst->port_lock);
	return 0;

err_detach:
	soft_port_detach(sw, port);
err_free:
	kfree(port);
	return err;
}

/**
 * soft_switch_leave() - an instance goes
 * @si: instance
 *
 * When this returns nobody sends to it any more.
 */
void soft_switch_leave(struct soft_instance *si)
{
	struct soft_port *port = si->port;

	if (!port)
		return;
	soft_port_leave(si->hca, port);
	si->port = NULL;
	soft_port_fini(port);
	kfree(port);
}
