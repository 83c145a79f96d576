// SPDX-License-Identifier: GPL-2.0-only
/*
 * Segments: which ports are in one, and who has which MAC there.
 *
 * A segment exists while it has ports. A port is in one segment or in none, so the
 * forwarding table need not say more than (segment, MAC) -> port for two segments to
 * have nothing in common.
 *
 * Several ports may claim an address: the slaves of a guest's bond do. All claims stand
 * in the table, and who looks takes the best one, so a port that goes or comes changes
 * nothing but itself.
 */
#include <mhca/kernel.h>
#include <mhca/limits.h>
#include "switch.h"

/**
 * soft_switch_init() - a switch without segments
 * @sw: zeroed
 * @srcu: sections in which frames are forwarded
 */
void soft_switch_init(struct soft_switch *sw, struct srcu_struct *srcu)
{
	mutex_init(&sw->lock);
	sw->srcu = srcu;
	get_random_bytes(&sw->key, sizeof(sw->key));
	xa_init(&sw->segments);
}

/**
 * soft_switch_fini() - free a switch; no port is left
 * @sw: switch
 */
void soft_switch_fini(struct soft_switch *sw)
{
	WARN_ON(!xa_empty(&sw->segments));
	xa_destroy(&sw->segments);
}

/**
 * soft_port_init() - a port in no segment, with all checks and all VLANs
 * @port: zeroed
 * @kind: what it is
 * @owner: whose
 */
void soft_port_init(struct soft_port *port, enum soft_port_kind kind, void *owner)
{
	port->kind = kind;
	port->owner = owner;
	/* The host is trusted: addresses behind the uplink are not ours to know. */
	port->checks = kind == SOFT_PORT_INSTANCE ? SOFT_CHECK_ALL : 0;
	port->rated = kind == SOFT_PORT_INSTANCE;
	memset(port->vlans, 0xff, sizeof(port->vlans));
	spin_lock_init(&port->flood_lock);
	soft_patience_init(&port->patience, SOFT_PATIENCE_RECEIVER, SOFT_PATIENCE_FRAMES_NS);
	soft_patience_init(&port->held, SOFT_PATIENCE_SENDER, 2 * SOFT_PATIENCE_FRAMES_NS);
}

/**
 * soft_port_fini() - free what a detached port holds
 * @port: port; in no segment since a grace period
 */
void soft_port_fini(struct soft_port *port)
{
	kfree(port->gids);
	port->gids = NULL;
	kfree(port->allowed);
	port->allowed = NULL;
}

/* ---- The forwarding table ----------------------------------------------- */

/* Guests without checks choose addresses, but not who shares a bucket with them. */
static u32 soft_fdb_bucket(const struct soft_switch *sw, u32 segment, const u8 *mac)
{
	return siphash_3u64(soft_mac_key(mac), segment, 0, &sw->key) >> 54;
}

static bool soft_fdb_is(const struct soft_fdb *entry, u32 segment, const u8 *mac)
{
	return entry->segment == segment && !memcmp(entry->mac, mac, SOFT_MAC_BYTES);
}

/* Nobody takes the place of an uplink that is down: the host is still the host. */
static bool soft_port_is_aside(const struct soft_port *port)
{
	return port->kind == SOFT_PORT_INSTANCE && READ_ONCE(port->aside);
}

/* Does @other, which is younger, give way to @entry? */
static bool soft_fdb_precedes(const struct soft_fdb *entry, const struct soft_fdb *other)
{
	bool aside = soft_port_is_aside(entry->port);

	if (aside != soft_port_is_aside(other->port))
		return !aside;
	return READ_ONCE(entry->claim) <= READ_ONCE(other->claim);
}

/**
 * soft_fdb_find() - who has an address
 * @sw: switch
 * @segment: id
 * @mac: address
 *
 * Inside srcu, or soft_switch.lock held. Return: the best claim, or NULL.
 */
struct soft_fdb *soft_fdb_find(struct soft_switch *sw, u32 segment, const u8 *mac)
{
	struct soft_fdb *entry, *best = NULL;

	BUILD_BUG_ON(SOFT_FDB_BUCKETS != 1U << (64 - 54));
	entry = soft_follow(&sw->fdb[soft_fdb_bucket(sw, segment, mac)]);
	for (; entry; entry = soft_follow(&entry->next))
		if (soft_fdb_is(entry, segment, mac) &&
		    (!best || soft_fdb_precedes(entry, best)))
			best = entry;
	return best;
}

/**
 * soft_fdb_of() - a port's claim to an address, whoever has it
 * @sw: switch
 * @port: port
 * @segment: id of the segment that it is in
 * @mac: address
 *
 * Inside srcu, or soft_switch.lock held. Return: the entry or NULL.
 */
struct soft_fdb *soft_fdb_of(struct soft_switch *sw, const struct soft_port *port, u32 segment,
			     const u8 *mac)
{
	struct soft_fdb *entry;

	entry = soft_follow(&sw->fdb[soft_fdb_bucket(sw, segment, mac)]);
	for (; entry; entry = soft_follow(&entry->next))
		if (entry->port == port && soft_fdb_is(entry, segment, mac))
			return entry;
	return NULL;
}

/* Guests' claims bar nobody. */
static bool soft_fdb_barred(struct soft_switch *sw, u32 segment, const u8 *mac,
			    enum soft_claim claim)
{
	struct soft_fdb *entry = sw->fdb[soft_fdb_bucket(sw, segment, mac)];

	lockdep_assert_held(&sw->lock);
	for (; entry && claim != SOFT_CLAIM_GUEST; entry = entry->next)
		if (soft_fdb_is(entry, segment, mac) && entry->claim <= claim)
			return true;
	return false;
}

/**
 * soft_port_add_mac() - frames to @mac come to a port
 * @sw: switch
 * @port: port; in a segment
 * @mac: unicast address
 * @claim: by what right
 *
 * They come unless another port has a better claim. It may send from @mac, too.
 *
 * Return: 0; -EADDRINUSE: policy gave it to another port of the segment, or the uplink
 * has it already; -EADDRNOTAVAIL: not a unicast address; -ENOSPC; -ENOMEM; -ENETDOWN: in
 * no segment.
 */
int soft_port_add_mac(struct soft_switch *sw, struct soft_port *port, const u8 *mac,
		      enum soft_claim claim)
{
	struct soft_fdb *entry;
	int err = 0;
	u32 bucket;

	if (soft_mac_is_group(mac) || !soft_mac_key(mac))
		return -EADDRNOTAVAIL;
	mutex_lock(&sw->lock);
	if (!port->segment) {
		err = -ENETDOWN;
		goto unlock;
	}
	entry = soft_fdb_of(sw, port, port->segment->id, mac);
	if (entry) {
		WRITE_ONCE(entry->claim, claim);
		goto unlock;
	}
	if (soft_fdb_barred(sw, port->segment->id, mac, claim)) {
		err = -EADDRINUSE;
		goto unlock;
	}
	if (port->n_macs >= SOFT_PORT_MACS) {
		err = -ENOSPC;
		goto unlock;
	}
	entry = kzalloc(sizeof(*entry), GFP_KERNEL);
	if (!entry) {
		err = -ENOMEM;
		goto unlock;
	}
	entry->port = port;
	entry->segment = port->segment->id;
	entry->claim = claim;
	memcpy(entry->mac, mac, SOFT_MAC_BYTES);
	bucket = soft_fdb_bucket(sw, entry->segment, mac);
	entry->next = sw->fdb[bucket];
	soft_publish(&sw->fdb[bucket], entry);
	port->n_macs++;
unlock:
	mutex_unlock(&sw->lock);
	return err;
}

static bool soft_mac_is_in(const u8 *mac, const u8 (*list)[SOFT_MAC_BYTES], u32 n)
{
	while (n--)
		if (!memcmp(mac, list[n], SOFT_MAC_BYTES))
			return true;
	return false;
}

/*
 * Take @port's entries, but those in @keep, out of a bucket and put them before @gone.
 * Who stands on one of them still finds the rest of the bucket.
 */
static struct soft_fdb *soft_fdb_unlink(struct soft_switch *sw, u32 bucket,
					struct soft_port *port,
					const u8 (*keep)[SOFT_MAC_BYTES], u32 n,
					struct soft_fdb *gone)
{
	struct soft_fdb **link = &sw->fdb[bucket];
	struct soft_fdb *entry;

	lockdep_assert_held(&sw->lock);
	while ((entry = *link)) {
		if (entry->port != port || soft_mac_is_in(entry->mac, keep, n)) {
			link = &entry->next;
			continue;
		}
		soft_publish(link, entry->next);
		port->n_macs--;
		entry->gone = gone;
		gone = entry;
	}
	return gone;
}

static void soft_fdb_free(struct soft_fdb *gone)
{
	struct soft_fdb *entry;

	while ((entry = gone)) {
		gone = entry->gone;
		kfree(entry);
	}
}

static struct soft_fdb *soft_fdb_unlink_all(struct soft_switch *sw, struct soft_port *port,
					    const u8 (*keep)[SOFT_MAC_BYTES], u32 n)
{
	struct soft_fdb *gone = NULL;
	u32 i;

	for (i = 0; i < SOFT_FDB_BUCKETS && port->n_macs; i++)
		gone = soft_fdb_unlink(sw, i, port, keep, n, gone);
	return gone;
}

/**
 * soft_port_keep_macs() - addresses that are not in a list are not the port's any more
 * @sw: switch
 * @port: port
 * @keep: the list
 * @n: its length
 *
 * Waits for a grace period when there were any.
 */
void soft_port_keep_macs(struct soft_switch *sw, struct soft_port *port,
			 const u8 (*keep)[SOFT_MAC_BYTES], u32 n)
{
	struct soft_fdb *gone;

	mutex_lock(&sw->lock);
	gone = soft_fdb_unlink_all(sw, port, keep, n);
	mutex_unlock(&sw->lock);
	if (!gone)
		return;
	synchronize_srcu_expedited(sw->srcu);
	soft_fdb_free(gone);
}

/**
 * soft_port_set_gids() - the GIDs that a port may be the source of
 * @sw: switch
 * @port: port
 * @gid: @n of them
 * @n: how many
 *
 * Replaces what was there; waits for a grace period. Return: 0 or -ENOMEM.
 */
int soft_port_set_gids(struct soft_switch *sw, struct soft_port *port, const u8 (*gid)[16],
		       u32 n)
{
	struct soft_gids *new = NULL, *old;

	if (n) {
		new = kzalloc(struct_size(new, gid, n), GFP_KERNEL);
		if (!new)
			return -ENOMEM;
		new->n = n;
		memcpy(new->gid, gid, n * sizeof(*gid));
	}
	mutex_lock(&sw->lock);
	old = port->gids;
	soft_publish(&port->gids, new);
	mutex_unlock(&sw->lock);
	if (old) {
		synchronize_srcu_expedited(sw->srcu);
		kfree(old);
	}
	return 0;
}

/**
 * soft_port_has_gid() - may a port be the source of a GID?
 * @port: port
 * @gid: GID
 *
 * Inside srcu.
 */
bool soft_port_has_gid(const struct soft_port *port, const u8 gid[16])
{
	const struct soft_gids *gids = soft_follow(&port->gids);
	u32 i;

	for (i = 0; gids && i < gids->n; i++)
		if (!memcmp(gids->gid[i], gid, sizeof(gids->gid[i])))
			return true;
	return false;
}

/* ---- Segments ------------------------------------------------------------ */

/* The segment, made when it is not there. */
static struct soft_segment *soft_segment_get(struct soft_switch *sw, u32 id)
{
	struct soft_segment *segment = xa_load(&sw->segments, id);
	int err;

	lockdep_assert_held(&sw->lock);
	if (segment)
		return segment;
	segment = kzalloc(sizeof(*segment), GFP_KERNEL);
	if (!segment)
		return ERR_PTR(-ENOMEM);
	segment->id = id;
	segment->next_order = 1;
	xa_init(&segment->by_order);
	err = xa_insert(&sw->segments, id, segment, GFP_KERNEL);
	if (err) {
		kfree(segment);
		return ERR_PTR(err);
	}
	return segment;
}

static void soft_segment_free(struct soft_segment *segment)
{
	if (!segment)
		return;
	xa_destroy(&segment->by_order);
	kfree(segment);
}

/* @port at the end: orders rise along the list. 0 or -ENOMEM. */
static int soft_segment_append(struct soft_segment *segment, struct soft_port *port)
{
	struct soft_port **link = &segment->ports;
	int err;

	err = xa_insert(&segment->by_order, segment->next_order, port, GFP_KERNEL);
	if (err)
		return err;
	while (*link)
		link = &(*link)->next;
	port->order = segment->next_order++;
	port->next = NULL;
	segment->n_ports++;
	if (port->kind == SOFT_PORT_UPLINK)
		WRITE_ONCE(segment->uplink, port);
	WRITE_ONCE(port->segment, segment);
	soft_publish(link, port);
	return 0;
}

/**
 * soft_port_attach() - put a port into a segment
 * @sw: switch
 * @port: port; in no segment
 * @segment: id
 *
 * Return: 0; -EBUSY: it is in one, or the segment has an uplink already; -ENOSPC:
 * the segment is full; -ENOMEM.
 */
int soft_port_attach(struct soft_switch *sw, struct soft_port *port, u32 segment)
{
	struct soft_segment *to;
	int err = 0;

	mutex_lock(&sw->lock);
	if (port->segment) {
		err = -EBUSY;
		goto unlock;
	}
	to = soft_segment_get(sw, segment);
	if (IS_ERR(to)) {
		err = PTR_ERR(to);
		goto unlock;
	}
	if (to->n_ports >= SOFT_SEGMENT_PORTS)
		err = -ENOSPC;
	else if (port->kind == SOFT_PORT_UPLINK && to->uplink)
		err = -EBUSY;
	else
		err = soft_segment_append(to, port);
	/* A new one, which nobody has seen, must not stay without a port. */
	if (!to->n_ports) {
		xa_erase(&sw->segments, to->id);
		soft_segment_free(to);
	}
unlock:
	mutex_unlock(&sw->lock);
	return err;
}

static void soft_segment_remove(struct soft_segment *segment, struct soft_port *port)
{
	struct soft_port **link = &segment->ports;

	while (*link != port)
		link = &(*link)->next;
	soft_publish(link, port->next);
	xa_erase(&segment->by_order, port->order);
	if (segment->uplink == port)
		WRITE_ONCE(segment->uplink, NULL);
	WRITE_ONCE(port->segment, NULL);
	segment->n_ports--;
}

/**
 * soft_port_detach() - take a port out of its segment
 * @sw: switch
 * @port: port
 *
 * Its addresses go with it. When this returns nobody forwards to or from it.
 */
void soft_port_detach(struct soft_switch *sw, struct soft_port *port)
{
	struct soft_segment *segment;
	struct soft_fdb *gone;

	mutex_lock(&sw->lock);
	segment = port->segment;
	if (!segment) {
		mutex_unlock(&sw->lock);
		return;
	}
	gone = soft_fdb_unlink_all(sw, port, NULL, 0);
	soft_segment_remove(segment, port);
	if (segment->n_ports)
		segment = NULL;
	else
		xa_erase(&sw->segments, segment->id);
	mutex_unlock(&sw->lock);

	synchronize_srcu_expedited(sw->srcu);
	soft_fdb_free(gone);
	soft_segment_free(segment);
}
