// SPDX-License-Identifier: GPL-2.0-only
/*
 * A packet through the switch: one port after the other, each frame after the other,
 * within the budget of a turn. What is interrupted goes on where it stopped.
 *
 * A receiver without buffers is waited for, as pause frames would make the sender of
 * a real network wait: a short time, and once. One that let a sender wait in vain gets
 * no more patience until it takes a frame again; and all that others wait for it, and all
 * that one sender waits, is bounded to a part of the time, so slow or malicious ones slow
 * down nobody.
 */
#include <mhca/kernel.h>
#include "switch.h"

#define SOFT_WAIT_BUFFER_NS	(2 * 1000 * 1000ULL)
#define SOFT_WAIT_MEMORY_NS	(100 * 1000 * 1000ULL)
#define SOFT_WAIT_GROUP_NS	(10 * 1000 * 1000ULL)

static void soft_count_sent(const struct soft_packet *packet, u32 frames)
{
	struct mhca_instance *inst = packet->inst;
	u32 bytes = packet->body_len + frames * packet->head_len;

	if (packet->from->kind != SOFT_PORT_INSTANCE)
		return;
	if (!soft_mac_is_group(packet->head)) {
		mhca_count_add(inst, eth_tx_ucast, frames);
		mhca_count_add(inst, eth_tx_ucast_bytes, bytes);
	} else if (soft_mac_is_broadcast(packet->head)) {
		mhca_count_add(inst, eth_tx_bcast, frames);
		mhca_count_add(inst, eth_tx_bcast_bytes, bytes);
	} else {
		mhca_count_add(inst, eth_tx_mcast, frames);
		mhca_count_add(inst, eth_tx_mcast_bytes, bytes);
	}
}

static void soft_count_refused(const struct soft_packet *packet, enum soft_drop cause,
			       u32 frames)
{
	if (packet->from->kind != SOFT_PORT_INSTANCE)
		return;
	switch (cause) {
	case SOFT_DROP_MAC:
	case SOFT_DROP_VLAN:
	case SOFT_DROP_GID:
	case SOFT_DROP_SOURCE:
	case SOFT_DROP_ADDRESS:
		mhca_count_add(packet->inst, drop_spoof, frames);
		soft_port_say(packet->from, packet->inst, cause);
		break;
	case SOFT_DROP_FLOOD:
		mhca_count_add(packet->inst, drop_flood, frames);
		break;
	default:
		mhca_count_add(packet->inst, drop_no_peer, frames);
	}
}

/*
 * The source GID of a RoCE packet, in @gid; false: it is none. Where RoCE is off, its UDP
 * port is one like others: another implementation may run above the netdev.
 */
static bool soft_packet_gid(const struct soft_packet *packet, u8 gid[16])
{
	const struct soft_frame *frame = &packet->frame;
	u32 l3 = frame->l3;

	if (frame->ethertype == SOFT_TYPE_ROCE) {
		l3 = SOFT_ETH_BYTES + frame->n_vlan * SOFT_VLAN_BYTES;
		memset(gid, 0, 16);
		if (frame->head_len >= l3 + 24)
			memcpy(gid, frame->head + l3 + 8, 16);
		return true;
	}
	if (!frame->l4 || frame->ip_protocol != SOFT_PROTO_UDP ||
	    frame->dport != MHCA_ROCE_UDP_PORT || !READ_ONCE(packet->from->roce))
		return false;
	if (frame->ip_version == 6) {
		memcpy(gid, frame->head + l3 + 8, 16);
		return true;
	}
	memset(gid, 0, 10);
	memset(gid + 10, 0xff, 2);
	memcpy(gid + 12, frame->head + l3 + 12, 4);
	return true;
}

/*
 * A sender may change a WQE while its packet waits. What is not the packet that was let
 * in begins anew, and is paid for.
 */
static void soft_route_again(const struct soft_packet *packet, struct soft_progress *progress)
{
	bool group = soft_mac_is_group(packet->head);

	if (likely(!progress->begun))
		return;
	if (unlikely(progress->group != group || progress->mss != packet->mss ||
		     progress->body_len != packet->body_len))
		*progress = (struct soft_progress){};
}

static void soft_route_begun(const struct soft_packet *packet, struct soft_progress *progress,
			     u32 frames, u32 order)
{
	soft_count_sent(packet, frames);
	progress->begun = true;
	progress->group = soft_mac_is_group(packet->head);
	progress->mss = packet->mss;
	progress->body_len = packet->body_len;
	progress->order = order;
}

/* May it go, and where? */
static bool soft_route_begin(struct soft_hca *hca, const struct soft_packet *packet,
			     struct soft_progress *progress, struct soft_forward *forward)
{
	struct soft_source source = {
		.dmac = packet->head,
		.smac = packet->head + SOFT_MAC_BYTES,
		.vlan = packet->frame.n_vlan ? packet->frame.vlan_tci & 0xfff : 0,
		.frame = &packet->frame,
	};
	u32 frames = soft_packet_frames(packet);
	enum soft_drop cause;
	u8 gid[16];

	if (soft_packet_gid(packet, gid))
		source.gid = gid;
	cause = soft_forward_begin(hca->sw, packet->from, &source,
				   progress->begun ? 0 : frames, forward);
	if (unlikely(cause != SOFT_DROP_NONE)) {
		soft_count_refused(packet, cause, frames);
		return false;
	}
	if (!progress->begun)
		soft_route_begun(packet, progress, frames, forward->at);
	forward->at = progress->order;
	return true;
}

/*
 * A receiver could not take a frame. true: look again later; false: the frame is lost
 * to it.
 */
static bool soft_route_wait(struct soft_port *port, struct soft_port *from,
			    struct soft_progress *progress, enum soft_result result, bool group)
{
	u64 bound = result == SOFT_AGAIN ? SOFT_WAIT_MEMORY_NS : SOFT_WAIT_BUFFER_NS;

	if (group)
		bound = result == SOFT_AGAIN ? SOFT_WAIT_GROUP_NS : 0;
	if (!READ_ONCE(port->stalled) &&
	    soft_patience_wait(&port->patience, &from->held, &progress->wait, bound))
		return true;
	if (progress->wait.ns)
		WRITE_ONCE(port->stalled, true);
	progress->wait = (struct soft_wait){};
	return false;
}

/* To one instance. SOFT_OK: it has all that it will get. */
static enum soft_result soft_route_instance(struct soft_port *port,
					    const struct soft_packet *packet,
					    struct soft_progress *progress, u32 *frames)
{
	struct soft_instance *to = READ_ONCE(port->owner);
	bool group = soft_mac_is_group(packet->head);
	enum soft_result result;
	u32 before;
	bool own;

	do {
		before = progress->at;
		result = soft_eth_receive(to, packet, &progress->at, frames, &own);
		if (result == SOFT_OK || progress->at != before) {
			progress->wait = (struct soft_wait){};
			if (unlikely(READ_ONCE(port->stalled)))
				WRITE_ONCE(port->stalled, false);
		}
		/* A sender's own memory is nobody's fault, and no time of the receiver's. */
		if (unlikely(own))
			progress->wait.since = 0;
		if (own || (result != SOFT_RNR && result != SOFT_AGAIN))
			return result;
		if (soft_route_wait(port, packet->from, progress, result, group))
			return SOFT_AGAIN;
		soft_eth_lost(to, packet, &progress->at);
		*frames -= !!*frames;
	} while (progress->at < packet->body_len);
	return SOFT_OK;
}

/* To the host: a large send goes in parts, each a packet of the host's network stack. */
static enum soft_result soft_route_uplink(struct soft_hca *hca, struct soft_port *port,
					  const struct soft_packet *packet,
					  struct soft_progress *progress, u32 *frames)
{
	enum soft_result result;
	struct soft_piece piece;

	do {
		if (!*frames)
			return SOFT_MORE;
		result = soft_packet_part(packet, progress->at, &piece);
		if (result == SOFT_OK)
			result = hca->uplink_ops->xmit(port->owner, packet, &piece);
		if (result != SOFT_OK)
			return result;
		progress->at += piece.len;
		*frames -= min(*frames, 1 + piece.len / SOFT_FRAME_MAX);
	} while (progress->at < packet->body_len);
	return SOFT_OK;
}

/* To a port. It has a price in any case: one that takes nothing was looked at, too. */
static enum soft_result soft_route_port(struct soft_hca *hca, struct soft_port *port,
					const struct soft_packet *packet,
					struct soft_progress *progress, u32 *frames)
{
	enum soft_result result;
	u32 before = *frames;

	progress->taken = true;
	if (port->kind == SOFT_PORT_UPLINK)
		result = soft_route_uplink(hca, port, packet, progress, frames);
	else
		result = soft_route_instance(port, packet, progress, frames);
	if (*frames == before)
		*frames -= !!*frames;
	return result;
}

/**
 * soft_route_packet() - take a packet as far as it goes
 * @hca: HCA
 * @packet: parsed
 * @progress: how far it came; zeroed for a new one
 * @frames: in and out: how many frames may still be delivered in this turn
 *
 * Inside srcu, process context. Return: SOFT_OK: done, delivered or dropped and
 * counted; SOFT_MORE: @frames are used up; SOFT_AGAIN: look again soon; an error of
 * the sender's memory.
 */
enum soft_result soft_route_packet(struct soft_hca *hca, const struct soft_packet *packet,
				   struct soft_progress *progress, u32 *frames)
{
	struct soft_forward forward;
	enum soft_result result;
	struct soft_port *port;

	soft_route_again(packet, progress);
	if (!soft_route_begin(hca, packet, progress, &forward))
		return SOFT_OK;
	while ((port = soft_forward_next(&forward)) || forward.more) {
		result = SOFT_OK;
		if (likely(port))
			result = soft_route_port(hca, port, packet, progress, frames);
		else
			*frames -= !!*frames;
		if (result != SOFT_OK) {
			/* This port again. */
			progress->order = forward.to ? 1 : port->order;
			return result;
		}
		progress->order = forward.at;
		progress->at = 0;
		progress->wait = (struct soft_wait){};
		if (!*frames && !forward.to)
			return SOFT_MORE;
	}
	if (!progress->taken && !forward.to && !forward.group) {
		soft_port_drop_many(packet->from, SOFT_DROP_UNKNOWN, soft_packet_frames(packet));
		soft_count_refused(packet, SOFT_DROP_UNKNOWN, soft_packet_frames(packet));
	}
	return SOFT_OK;
}
