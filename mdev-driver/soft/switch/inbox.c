// SPDX-License-Identifier: GPL-2.0-only
/*
 * RoCE frames for an instance: those to an address of its RoCE address table, while RoCE is
 * on. They are copied into its inbox, whoever forwards them, and wait there for its own lane,
 * which looks at them in the instance's share of its time (transport/wire_in.c). All others
 * are its netdev's, so that a guest that has RoCE off can run another implementation there.
 *
 * An inbox has a bound; beyond it frames are lost, as in any queue of a network.
 */
#include <mhca/kernel.h>
#include "switch.h"

#define SOFT_INBOX_FRAMES	1024U
#define SOFT_INBOX_BYTES	(1U << 20)

/* Is an entry of the address table where the packet goes? */
static bool soft_inbox_is_at(const struct mhca_roce_address *entry,
			     const struct soft_frame *frame)
{
	const u8 *ip = frame->head + frame->l3;

	if (!entry->valid || entry->version != MHCA_ROCE_V2 ||
	    entry->ipv4 != (frame->ip_version == 4) ||
	    entry->vlan_valid != !!frame->n_vlan ||
	    (entry->vlan_valid && entry->vlan != (frame->vlan_tci & 0xfff)))
		return false;
	return entry->ipv4 ? !memcmp(entry->gid + 12, ip + 16, 4) :
			     !memcmp(entry->gid, ip + 24, 16);
}

/**
 * soft_inbox_wants() - is a packet for an instance's RoCE?
 * @to: receiver
 * @packet: parsed
 *
 * Any lane or the uplink, inside srcu.
 */
bool soft_inbox_wants(const struct soft_instance *to, const struct soft_packet *packet)
{
	const struct soft_frame *frame = &packet->frame;
	const struct mhca_roce_address *table;
	u32 i;

	if (likely(!frame->l4 || frame->ip_protocol != SOFT_PROTO_UDP ||
		   frame->dport != MHCA_ROCE_UDP_PORT))
		return false;
	if (!READ_ONCE(to->roce) || frame->fragment || frame->n_vlan > 1 || frame->vlan_svlan ||
	    packet->from == to->port || soft_mac_is_group(packet->head))
		return false;
	table = to->gid[READ_ONCE(to->gid_table)];
	for (i = 0; i < MHCA_ROCE_ADDRESSES; i++)
		if (soft_inbox_is_at(&table[i], frame))
			return true;
	return false;
}

/* Room for a frame of @len bytes. NULL: there is none. */
static struct soft_letter *soft_inbox_room(struct soft_instance *to, u32 len)
{
	struct soft_letter *letter = NULL;
	bool room;

	spin_lock(&to->inbox.lock);
	room = to->inbox.n < SOFT_INBOX_FRAMES && (u64)to->inbox.bytes + len <= SOFT_INBOX_BYTES;
	if (room) {
		to->inbox.n++;
		to->inbox.bytes += len;
	}
	spin_unlock(&to->inbox.lock);
	if (room)
		letter = kmalloc(struct_size(letter, frame, len), GFP_NOWAIT | __GFP_NOWARN);
	if (room && !letter) {
		spin_lock(&to->inbox.lock);
		to->inbox.n--;
		to->inbox.bytes -= len;
		spin_unlock(&to->inbox.lock);
	}
	if (letter) {
		letter->len = len;
		letter->since = 0;
	}
	return letter;
}

static void soft_inbox_return(struct soft_instance *to, struct soft_letter *letter)
{
	spin_lock(&to->inbox.lock);
	to->inbox.n--;
	to->inbox.bytes -= letter->len;
	spin_unlock(&to->inbox.lock);
	kfree(letter);
}

/* One frame. SOFT_OK: it is there, or lost and counted; others: the sender's memory. */
static enum soft_result soft_inbox_put_one(struct soft_instance *to,
					   const struct soft_packet *packet,
					   const struct soft_piece *piece)
{
	u32 len = piece->head_len + piece->len;
	struct soft_letter *letter = soft_inbox_room(to, len);
	enum soft_result result;

	if (unlikely(!letter)) {
		mhca_count(to->inst, drop_wire);
		soft_port_drop(to->port, SOFT_DROP_BUFFER);
		return SOFT_OK;
	}
	memcpy(letter->frame, piece->head, piece->head_len);
	result = soft_packet_read(packet, piece->at, letter->frame + piece->head_len, piece->len);
	if (unlikely(result != SOFT_OK)) {
		soft_inbox_return(to, letter);
		return result;
	}
	spin_lock(&to->inbox.lock);
	list_add_tail(&letter->node, &to->inbox.letters);
	spin_unlock(&to->inbox.lock);
	return SOFT_OK;
}

/**
 * soft_inbox_put() - a packet for an instance's RoCE
 * @to: receiver
 * @packet: that soft_inbox_wants()
 * @at: in and out: bytes of the body that were put there already
 * @frames: in and out: how many frames may still be put there now
 * @own: out: SOFT_AGAIN is about the sender's memory
 *
 * A large send is many packets of RoCE: what its frames have to be for their ICRC is the
 * sender's business. Return: as soft_eth_receive().
 */
enum soft_result soft_inbox_put(struct soft_instance *to, const struct soft_packet *packet,
				u32 *at, u32 *frames, bool *own)
{
	enum soft_result result = SOFT_OK;
	struct soft_piece piece;

	do {
		if (!*frames) {
			result = SOFT_MORE;
			break;
		}
		result = soft_packet_piece(packet, *at, &piece);
		if (result == SOFT_OK)
			result = soft_inbox_put_one(to, packet, &piece);
		if (result != SOFT_OK) {
			*own = true;
			break;
		}
		*at += piece.len;
		--*frames;
	} while (*at < packet->body_len);
	soft_lane_call(to);
	return result;
}

/**
 * soft_inbox_take() - the oldest frame
 * @si: instance
 *
 * Return: it, the caller's to kfree(); NULL: there is none.
 */
struct soft_letter *soft_inbox_take(struct soft_instance *si)
{
	struct soft_letter *letter;

	if (list_empty(&si->inbox.letters))
		return NULL;
	spin_lock(&si->inbox.lock);
	letter = list_first_entry_or_null(&si->inbox.letters, struct soft_letter, node);
	if (letter) {
		list_del(&letter->node);
		si->inbox.n--;
		si->inbox.bytes -= letter->len;
	}
	spin_unlock(&si->inbox.lock);
	return letter;
}

/**
 * soft_inbox_put_back() - a frame is to be looked at again, before all others
 * @si: instance; its lane's lock held
 * @letter: that soft_inbox_take() gave
 */
void soft_inbox_put_back(struct soft_instance *si, struct soft_letter *letter)
{
	spin_lock(&si->inbox.lock);
	list_add(&letter->node, &si->inbox.letters);
	si->inbox.n++;
	si->inbox.bytes += letter->len;
	spin_unlock(&si->inbox.lock);
	si->inbox.held = true;
}

/**
 * soft_inbox_empty() - throw away what is in it
 * @si: instance that nobody sends to any more
 */
void soft_inbox_empty(struct soft_instance *si)
{
	struct soft_letter *letter;

	while ((letter = soft_inbox_take(si)))
		kfree(letter);
}
