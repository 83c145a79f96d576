// SPDX-License-Identifier: GPL-2.0-only
/*
 * Frames of an instance's inbox to its QPs. They come from anybody in the segment or beyond:
 * each is checked from its lengths to its ICRC, and that it comes from the peer of the QP
 * that it names, before anything is done about it.
 */
#include "wire_engine.h"

#define SOFT_WIRE_TURN		64U	/* frames of an instance in a turn */
#define SOFT_WIRE_MEMORY_NS	(100 * 1000 * 1000ULL)
#define SOFT_PKEY_BITS		0x7fff	/* without the bit for full members */

/* Is it whole? */
static bool soft_wire_is_good(struct wire_packet *packet, const u8 *frame, u32 len)
{
	const u8 *tail;
	u32 crc, bytes;

	if (wire_parse(packet, frame, min(len, WIRE_HEAD_MAX), len) != WIRE_OK)
		return false;
	bytes = packet->payload + packet->pad;
	tail = frame + packet->payload_at + bytes;
	crc = wire_icrc_head(packet, frame, packet->payload_at);
	crc = wire_icrc_more(crc, frame + packet->payload_at, bytes);
	return wire_icrc_good(crc, tail) &&
	       (packet->pkey & SOFT_PKEY_BITS) == (WIRE_PKEY & SOFT_PKEY_BITS);
}

/* The QP that a packet is for; NULL: there is none of that service and number. */
static struct soft_qp *soft_wire_find(struct soft_instance *si, const struct wire_packet *packet)
{
	struct soft_qp *qp;

	/* Subnet management is no business of Ethernet's. */
	qp = packet->dest_qpn ? soft_qp_find(si->inst, packet->dest_qpn) : NULL;
	if (!qp)
		return NULL;
	switch (WIRE_SERVICE(packet->opcode)) {
	case WIRE_RC:
		return qp->type == MLX5_QP_ST_RC ? qp : NULL;
	case WIRE_XRC:
		return qp->type == MLX5_QP_ST_XRC ? qp : NULL;
	case WIRE_UC:
		return qp->type == MLX5_QP_ST_UC ? qp : NULL;
	case WIRE_UD:
		return qp->type == MLX5_QP_ST_UD || qp->type == MLX5_QP_ST_QP1 ? qp : NULL;
	default:
		return NULL;
	}
}

/* SOFT_OK; SOFT_NO_PEER: for nobody, or not from the peer; SOFT_AGAIN: @*qp waits for memory. */
static enum soft_result soft_wire_take_packet(struct soft_instance *si,
					      const struct wire_packet *packet, const u8 *frame,
					      bool may_wait, struct soft_qp **qp)
{
	const u8 *payload = frame + packet->payload_at;

	/* A notification of congestion is nobody's message. */
	if (WIRE_SERVICE(packet->opcode) == WIRE_CNP)
		return SOFT_OK;
	*qp = soft_wire_find(si, packet);
	if (*qp && WIRE_SERVICE(packet->opcode) == WIRE_UD)
		return soft_wire_datagram_came(*qp, packet, frame);
	if (!*qp || !soft_wire_is_from_peer(*qp, packet))
		return SOFT_NO_PEER;
	if (wire_op(packet->opcode).response)
		return soft_wire_answered(*qp, packet, payload);
	return soft_wire_respond(*qp, packet, payload, may_wait);
}

/* May a frame wait for memory once more? It is the instance's own, and so are those behind it. */
static bool soft_wire_may_wait(struct soft_letter *letter)
{
	u64 now = ktime_get_ns();

	if (!letter->since)
		letter->since = now;
	return now - letter->since < SOFT_WIRE_MEMORY_NS;
}

static void soft_wire_hold_back(struct soft_instance *si, struct soft_letter *letter,
				struct soft_qp *qp)
{
	soft_inbox_put_back(si, letter);
	if (list_empty(&qp->base.memory_node))
		list_add_tail(&qp->base.memory_node, &si->lane->memory);
	soft_wire_wait(qp, ktime_get_ns() + SOFT_WIRE_LOOK_NS);
}

/* A frame of the inbox. false: it waits there for memory. */
static bool soft_wire_open(struct soft_instance *si, struct soft_letter *letter)
{
	struct wire_packet *packet = &si->lane->wire->in;
	enum soft_result result = SOFT_NO_PEER;
	bool may_wait = soft_wire_may_wait(letter);
	struct soft_qp *qp = NULL;

	if (soft_wire_is_good(packet, letter->frame, letter->len))
		result = soft_wire_take_packet(si, packet, letter->frame, may_wait, &qp);
	if (unlikely(result == SOFT_AGAIN && may_wait)) {
		soft_wire_hold_back(si, letter, qp);
		return false;
	}
	if (result == SOFT_NO_PEER)
		mhca_count(si->inst, drop_wire);
	else if (result == SOFT_AGAIN)
		mhca_count(si->inst, drop_memory);
	kfree(letter);
	return true;
}

/**
 * soft_wire_receive() - look at what is in an instance's inbox
 * @si: instance; its lane's lock held, inside srcu
 *
 * A bounded number of frames; the instance pays for the time. Return: true: there were some.
 */
bool soft_wire_receive(struct soft_instance *si)
{
	struct soft_letter *letter;
	u32 n;

	lockdep_assert_held(&si->lane->lock);
	si->inbox.held = false;
	for (n = 0; n < SOFT_WIRE_TURN; n++) {
		letter = soft_inbox_take(si);
		if (!letter || !soft_wire_open(si, letter))
			break;
	}
	return n;
}
