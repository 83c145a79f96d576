// SPDX-License-Identifier: GPL-2.0-only
/*
 * Forwarding: may a port send this frame, and which ports get it?
 *
 * Unicast goes to who has the address. What nobody has goes to the uplink, because the
 * host knows more addresses than we do, and to ports that asked for it. Nothing is
 * learned from source addresses, so nobody can take another's traffic. Group frames go
 * to all other ports of the segment; how many a port may send is bounded, and so is
 * the number of ports. No frame goes back to where it came from, but one that an instance
 * sends to itself: nobody else sees it, so its source is not checked, and whether it is
 * wanted is the receiver's business.
 */
#include <mhca/kernel.h>
#include <mhca/limits.h>
#include "switch.h"

static const char *const soft_drop_names[] = {
#define SOFT_DROP_NAME(name, label, text)					\
	[SOFT_DROP_##name] = label,
	SOFT_DROPS(SOFT_DROP_NAME)
#undef SOFT_DROP_NAME
};

static const char *const soft_drop_texts[] = {
#define SOFT_DROP_TEXT(name, label, text)					\
	[SOFT_DROP_##name] = text,
	SOFT_DROPS(SOFT_DROP_TEXT)
#undef SOFT_DROP_TEXT
};

/**
 * soft_drop_name() - a cause as the name of a counter
 * @cause: cause
 */
const char *soft_drop_name(enum soft_drop cause)
{
	return soft_drop_names[cause];
}

/**
 * soft_drop_text() - a cause in words
 * @cause: cause
 */
const char *soft_drop_text(enum soft_drop cause)
{
	return soft_drop_texts[cause];
}

/**
 * soft_port_drop_many() - count frames that went nowhere
 * @port: whose
 * @cause: why
 * @frames: how many
 */
void soft_port_drop_many(struct soft_port *port, enum soft_drop cause, u32 frames)
{
	atomic64_add(frames, &port->drops[cause]);
}

/**
 * soft_port_dropped() - read that counter
 * @port: whose
 * @cause: why
 */
u64 soft_port_dropped(const struct soft_port *port, enum soft_drop cause)
{
	return atomic64_read(&port->drops[cause]);
}

/* ---- Who may send what -------------------------------------------------- */

static bool soft_port_owns(struct soft_switch *sw, const struct soft_port *port,
			   const struct soft_segment *segment, const u8 *mac)
{
	return soft_fdb_of(sw, port, segment->id, mac);
}

static enum soft_drop soft_port_check(struct soft_switch *sw, const struct soft_port *from,
				      const struct soft_segment *segment,
				      const struct soft_source *source)
{
	u8 checks = READ_ONCE(from->checks);

	if ((checks & SOFT_CHECK_MAC) && !soft_port_owns(sw, from, segment, source->smac))
		return SOFT_DROP_MAC;
	if ((checks & SOFT_CHECK_VLAN) && !test_bit(source->vlan, from->vlans))
		return SOFT_DROP_VLAN;
	if ((checks & SOFT_CHECK_GID) && source->gid && !soft_port_has_gid(from, source->gid))
		return SOFT_DROP_GID;
	if (!soft_guard_passes(from, segment, source->frame))
		return SOFT_DROP_ADDRESS;
	return SOFT_DROP_NONE;
}

/* So many group frames more? A large send's go together or not at all. */
static bool soft_port_may_flood(struct soft_port *port, u32 frames)
{
	bool may;

	spin_lock(&port->flood_lock);
	mhca_bucket_fill(&port->flood, SOFT_FLOOD_RATE, SOFT_FLOOD_BURST, ktime_get_ns());
	may = port->flood.level >= (s64)frames;
	mhca_bucket_take(&port->flood, may ? frames : 0);
	spin_unlock(&port->flood_lock);
	return may;
}

/* ---- Where it goes ------------------------------------------------------- */

static enum soft_drop soft_forward_look(struct soft_switch *sw, struct soft_port *from,
					const struct soft_source *source, u32 charge,
					struct soft_forward *forward)
{
	struct soft_segment *segment = READ_ONCE(from->segment);
	const struct soft_fdb *entry = NULL;
	enum soft_drop cause;

	if (unlikely(!segment || !READ_ONCE(from->up)))
		return SOFT_DROP_DOWN;
	if (soft_mac_is_group(source->smac))
		return SOFT_DROP_SOURCE;
	forward->from = from;
	forward->segment = segment;
	forward->group = soft_mac_is_group(source->dmac);
	forward->vlan = source->vlan;
	forward->at = 1;
	forward->last = NULL;
	forward->looks = 0;
	forward->more = false;
	if (!forward->group)
		entry = soft_fdb_find(sw, segment->id, source->dmac);
	forward->to = entry ? entry->port : NULL;
	if (unlikely(forward->to == from))
		return from->kind == SOFT_PORT_INSTANCE ? SOFT_DROP_NONE : SOFT_DROP_SELF;

	cause = soft_port_check(sw, from, segment, source);
	if (unlikely(cause != SOFT_DROP_NONE))
		return cause;
	if (forward->group && charge && READ_ONCE(from->rated) &&
	    !soft_port_may_flood(from, charge))
		return SOFT_DROP_FLOOD;
	return SOFT_DROP_NONE;
}

/**
 * soft_forward_begin() - may this be sent, and where does it go?
 * @sw: switch
 * @from: sender
 * @source: what the frame says
 * @charge: frames that it is, if it goes to a group: each costs a token, and is counted
 *	when it is dropped; 0 when it is looked at again
 * @forward: out: for soft_forward_next()
 *
 * Inside srcu. Return: SOFT_DROP_NONE or the cause, counted with the sender.
 */
enum soft_drop soft_forward_begin(struct soft_switch *sw, struct soft_port *from,
				  const struct soft_source *source, u32 charge,
				  struct soft_forward *forward)
{
	enum soft_drop cause = soft_forward_look(sw, from, source, charge, forward);

	if (unlikely(cause != SOFT_DROP_NONE))
		soft_port_drop_many(from, cause, max(charge, 1U));
	return cause;
}

/* Does a port that is not the one address get it? */
static bool soft_port_wants(const struct soft_port *port, const struct soft_forward *forward)
{
	if (port == forward->from)
		return false;
	return forward->group || port->kind == SOFT_PORT_UPLINK || READ_ONCE(port->promisc);
}

/* Can a port get it at all? */
static bool soft_port_takes(const struct soft_port *port, const struct soft_forward *forward)
{
	if (!READ_ONCE(port->up))
		return false;
	return !(READ_ONCE(port->checks) & SOFT_CHECK_VLAN) ||
	       test_bit(forward->vlan, port->vlans);
}

/* The first port that is still to be looked at. */
static struct soft_port *soft_forward_first(const struct soft_forward *forward)
{
	unsigned long order = forward->at;

	if (likely(order <= 1))
		return soft_follow(&forward->segment->ports);
	return xa_find(&forward->segment->by_order, &order, U32_MAX, XA_PRESENT);
}

/**
 * soft_forward_next() - the next port that gets a frame
 * @forward: begun with soft_forward_begin() in the same srcu section
 *
 * A sender that has to stop between two receivers goes on later: begin again (without
 * charge) and set @forward->at to the order of the port that comes next. Each port is
 * looked at once.
 *
 * Return: the port; NULL: there is no more, or, with @forward->more, none among so many
 * that the look at them has a price: it is paid and the call made again, now or later.
 */
struct soft_port *soft_forward_next(struct soft_forward *forward)
{
	struct soft_port *port = forward->to;
	u32 looks = 0;

	if (port) {
		if (forward->at > 1)
			return NULL;
		forward->at = U32_MAX;
		if (likely(soft_port_takes(port, forward)))
			return port;
		soft_port_drop(port, READ_ONCE(port->up) ? SOFT_DROP_VLAN : SOFT_DROP_DOWN);
		return NULL;
	}
	port = forward->last ? soft_follow(&forward->last->next) : soft_forward_first(forward);
	for (; port; port = soft_follow(&port->next)) {
		forward->more = looks++ == SOFT_FORWARD_LOOKS;
		if (forward->more)
			return NULL;
		forward->looks++;
		forward->last = port;
		forward->at = port->order + 1;
		if (soft_port_wants(port, forward) && soft_port_takes(port, forward))
			return port;
	}
	forward->more = false;
	return NULL;
}
