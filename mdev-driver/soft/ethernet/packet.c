// SPDX-License-Identifier: GPL-2.0-only
/*
 * Packets to pieces: headers that are private and made fit, checksums, and where the
 * body lies. The body is read twice, for its sum and for the copy. A sender that
 * changes it between the two sends a wrong checksum, as it could anyway.
 */
#include <mhca/kernel.h>
#include "packet.h"

#define SOFT_TCP_CHECK		16	/* offsets in the headers */
#define SOFT_TCP_FLAGS		13
#define SOFT_TCP_SEQ		4
#define SOFT_UDP_LEN		4
#define SOFT_UDP_CHECK		6
#define SOFT_IPV4_LEN		2
#define SOFT_IPV4_ID		4
#define SOFT_IPV4_CHECK		10
#define SOFT_IPV6_LEN		4
#define SOFT_IPV6_BYTES		40U
#define SOFT_TCP_FIN_PSH	0x09	/* of the last segment alone */
#define SOFT_TCP_CWR		0x80	/* of the first */

/**
 * soft_packet_insert_vlan() - a tag behind the addresses
 * @packet: its head is there, not parsed yet
 * @type: 802.1Q or 802.1ad
 * @tci: tag
 *
 * Return: false when there is no room.
 */
bool soft_packet_insert_vlan(struct soft_packet *packet, u16 type, u16 tci)
{
	u8 *at = packet->head + 2 * SOFT_MAC_BYTES;

	if (packet->head_len < 2 * SOFT_MAC_BYTES ||
	    packet->head_len > SOFT_HEAD_MAX - SOFT_VLAN_BYTES)
		return false;
	memmove(at + SOFT_VLAN_BYTES, at, packet->head_len - 2 * SOFT_MAC_BYTES);
	put_unaligned_be16(type, at);
	put_unaligned_be16(tci, at + 2);
	packet->head_len += SOFT_VLAN_BYTES;
	return true;
}

/**
 * soft_packet_cursor() - a cursor over the body
 * @packet: packet
 * @at: byte behind the head
 * @cursor: out; inside srcu
 */
void soft_packet_cursor(const struct soft_packet *packet, u32 at, struct soft_cursor *cursor)
{
	cursor->inst = packet->inst;
	cursor->pd = packet->pd;
	cursor->qpn = SOFT_ANY_QP;
	cursor->access = SOFT_LOCAL_READ;
	cursor->remote = false;
	cursor->segs = packet->body.seg;
	cursor->n_segs = packet->body.n;
	soft_cursor_seek(cursor, (u64)packet->body_at + at);
}

/**
 * soft_packet_read() - copy bytes of the body
 * @packet: packet
 * @at: byte behind the head
 * @to: host memory
 * @len: bytes
 *
 * Inside srcu. Return: as soft_cursor_run().
 */
enum soft_result soft_packet_read(const struct soft_packet *packet, u32 at, void *to, u32 len)
{
	enum soft_result result = SOFT_OK;
	struct soft_cursor cursor;
	void *ptr;
	u32 n;

	soft_packet_cursor(packet, at, &cursor);
	while (len) {
		result = soft_cursor_run(&cursor, len, &ptr, &n);
		if (result != SOFT_OK)
			break;
		memcpy(to, ptr, n);
		soft_cursor_advance(&cursor, n);
		to += n;
		len -= n;
	}
	soft_cursor_release(&cursor);
	return result;
}

/**
 * soft_packet_pull() - take what may be headers out of the body
 * @packet: packet; @packet->head_len bytes are private already
 *
 * What is checked here is what is delivered: nobody reads those bytes of the body
 * again. Inside srcu. Return: as soft_cursor_run().
 */
enum soft_result soft_packet_pull(struct soft_packet *packet)
{
	enum soft_result result;
	u32 n;

	if (packet->head_len >= SOFT_HEAD_PULL)
		return SOFT_OK;
	n = min(SOFT_HEAD_PULL - packet->head_len, packet->body_len);
	result = soft_packet_read(packet, 0, packet->head + packet->head_len, n);
	if (result != SOFT_OK)
		return result;
	packet->head_len += n;
	packet->body_at += n;
	packet->body_len -= n;
	return SOFT_OK;
}

/* Where the L4 header ends, 0: there is none that can be segmented. */
static u32 soft_packet_l4_end(const struct soft_packet *packet)
{
	const struct soft_frame *frame = &packet->frame;

	if (!frame->l4 || frame->fragment)
		return 0;
	if (frame->ip_protocol == SOFT_PROTO_UDP)
		return frame->l4 + 8;
	return frame->l4 + (packet->head[frame->l4 + 12] >> 4) * 4U;
}

/**
 * soft_packet_parse() - the head is complete: what does it say?
 * @packet: packet
 *
 * Return: false: it is no frame, or a large send whose head is not just its headers.
 */
bool soft_packet_parse(struct soft_packet *packet)
{
	if (!soft_frame_parse(&packet->frame, packet->head, packet->head_len,
			      packet->head_len + packet->body_len))
		return false;
	return !packet->mss || soft_packet_l4_end(packet) == packet->head_len;
}

/* ---- Segmentation --------------------------------------------------------- */

static void soft_piece_l3(const struct soft_packet *packet, struct soft_piece *piece)
{
	const struct soft_frame *frame = &packet->frame;
	u8 *ip = piece->head + frame->l3;
	u32 bytes = piece->head_len - frame->l3 + piece->len;

	if (frame->ip_version == 6) {
		put_unaligned_be16(bytes - SOFT_IPV6_BYTES, ip + SOFT_IPV6_LEN);
		return;
	}
	put_unaligned_be16(bytes, ip + SOFT_IPV4_LEN);
	put_unaligned_be16(get_unaligned_be16(ip + SOFT_IPV4_ID) + piece->at / packet->mss,
			   ip + SOFT_IPV4_ID);
}

static void soft_piece_l4(const struct soft_packet *packet, struct soft_piece *piece)
{
	const struct soft_frame *frame = &packet->frame;
	u8 *l4 = piece->head + frame->l4;

	if (frame->ip_protocol == SOFT_PROTO_UDP) {
		put_unaligned_be16(8 + piece->len, l4 + SOFT_UDP_LEN);
		return;
	}
	put_unaligned_be32(get_unaligned_be32(l4 + SOFT_TCP_SEQ) + piece->at, l4 + SOFT_TCP_SEQ);
	if (piece->at)
		l4[SOFT_TCP_FLAGS] &= ~SOFT_TCP_CWR;
	if (piece->at + piece->len < packet->body_len)
		l4[SOFT_TCP_FLAGS] &= ~SOFT_TCP_FIN_PSH;
}

/* ---- Checksums ------------------------------------------------------------ */

/* A number as a part of a sum. */
static __wsum soft_sum16(u16 n)
{
	return (__force __wsum)(u32)(__force u16)cpu_to_be16(n);
}

static u16 soft_fold(__wsum sum)
{
	return (__force u16)~(__force u16)csum_fold(sum);
}

static enum soft_result soft_body_sum(const struct soft_packet *packet, u32 at, u32 len,
				      __wsum *sum)
{
	enum soft_result result = SOFT_OK;
	struct soft_cursor cursor;
	u32 n, done = 0;
	void *ptr;

	*sum = 0;
	soft_packet_cursor(packet, at, &cursor);
	while (done < len) {
		result = soft_cursor_run(&cursor, len - done, &ptr, &n);
		if (result != SOFT_OK)
			break;
		*sum = csum_block_add(*sum, csum_partial(ptr, n, 0), done);
		soft_cursor_advance(&cursor, n);
		done += n;
	}
	soft_cursor_release(&cursor);
	return result;
}

/* Bytes of the IP packet as its header says, at most those that are there. */
static u32 soft_ip_bytes(const struct soft_frame *frame, const u8 *ip, u32 there)
{
	u32 bytes;

	if (frame->ip_version == 6)
		bytes = SOFT_IPV6_BYTES + get_unaligned_be16(ip + SOFT_IPV6_LEN);
	else
		bytes = get_unaligned_be16(ip + SOFT_IPV4_LEN);
	return bytes ? min(bytes, there) : there;
}

static void soft_ipv4_sum(const struct soft_packet *packet, struct soft_piece *piece)
{
	u8 *ip = piece->head + packet->frame.l3;
	u32 bytes = (ip[0] & 0xf) * 4U;
	__sum16 check = 0;

	if (packet->sum_l3 || packet->mss) {
		memcpy(ip + SOFT_IPV4_CHECK, &check, sizeof(check));
		check = csum_fold(csum_partial(ip, bytes, 0));
		memcpy(ip + SOFT_IPV4_CHECK, &check, sizeof(check));
	}
	piece->l3_ok = !csum_fold(csum_partial(ip, bytes, 0));
}

static __wsum soft_pseudo_sum(const struct soft_frame *frame, const u8 *ip, u32 bytes)
{
	__wsum sum;

	if (frame->ip_version == 6)
		sum = csum_partial(ip + 8, 32, 0);
	else
		sum = csum_partial(ip + 12, 8, 0);
	return csum_add(sum, csum_add(soft_sum16(bytes), soft_sum16(frame->ip_protocol)));
}

/* @body: sum of what follows the head; @bytes: of the IP packet, @in_head: of these in it. */
static void soft_l4_sum(const struct soft_packet *packet, struct soft_piece *piece,
			__wsum body, u32 bytes, u32 in_head)
{
	const struct soft_frame *frame = &packet->frame;
	bool udp = frame->ip_protocol == SOFT_PROTO_UDP;
	u8 *l4 = piece->head + frame->l4;
	u8 *field = l4 + (udp ? SOFT_UDP_CHECK : SOFT_TCP_CHECK);
	u32 before = frame->l4 - frame->l3;
	__wsum rest;
	__sum16 check = 0;

	if (bytes < before + (udp ? 8 : 20) || in_head < before)
		return;
	rest = csum_add(body, soft_pseudo_sum(frame, piece->head + frame->l3, bytes - before));
	if (packet->sum_l4 || packet->mss) {
		memcpy(field, &check, sizeof(check));
		check = csum_fold(csum_add(csum_partial(l4, in_head - before, 0), rest));
		if (udp && !check)
			check = (__force __sum16)0xffff;
		memcpy(field, &check, sizeof(check));
	}
	memcpy(&check, field, sizeof(check));
	piece->l4_ok = (udp && !check) ||
		       !csum_fold(csum_add(csum_partial(l4, in_head - before, 0), rest));
}

static enum soft_result soft_piece_sum(const struct soft_packet *packet,
				       struct soft_piece *piece)
{
	const struct soft_frame *frame = &packet->frame;
	u8 *ip = piece->head + frame->l3;
	u32 bytes, in_head;
	enum soft_result result;
	__wsum body;

	piece->sum = 0;
	piece->l3_ok = false;
	piece->l4_ok = false;
	if (!frame->ip_version)
		return SOFT_OK;
	bytes = soft_ip_bytes(frame, ip, piece->head_len - frame->l3 + piece->len);
	in_head = min(bytes, piece->head_len - frame->l3);
	result = soft_body_sum(packet, piece->at, bytes - in_head, &body);
	if (result != SOFT_OK)
		return result;
	/* As the rest of a sum that begins at a byte of even number. */
	body = csum_block_add(0, body, in_head);

	if (frame->ip_version == 4)
		soft_ipv4_sum(packet, piece);
	else
		piece->l3_ok = true;
	if (frame->l4 && !frame->fragment)
		soft_l4_sum(packet, piece, body, bytes, in_head);
	piece->sum = soft_fold(csum_add(csum_partial(ip, in_head, 0), body));
	return SOFT_OK;
}

/**
 * soft_packet_piece() - the frame that begins at a byte of the body
 * @packet: parsed
 * @at: 0, or where the piece before ended
 * @piece: out
 *
 * Inside srcu. Return: SOFT_OK, or as soft_cursor_run().
 */
enum soft_result soft_packet_piece(const struct soft_packet *packet, u32 at,
				   struct soft_piece *piece)
{
	memcpy(piece->head, packet->head, packet->head_len);
	piece->head_len = packet->head_len;
	piece->at = at;
	piece->len = packet->body_len - at;
	piece->large = false;
	if (packet->mss) {
		piece->len = min_t(u32, piece->len, packet->mss);
		soft_piece_l3(packet, piece);
		soft_piece_l4(packet, piece);
	}
	return soft_piece_sum(packet, piece);
}

/**
 * soft_packet_part() - as much of a packet as the host's network stack takes for one
 * @packet: parsed
 * @at: 0, or where the part before ended
 * @piece: out: a frame, or if @piece->large several: lengths, numbers and flags are those of
 *	one packet that is segmented later
 *
 * A packet of IP has no more than 64 KiB on every kernel, however long a large send is; the
 * number of frames bounds what its segmentation costs. Inside srcu. Return: as
 * soft_packet_piece().
 */
enum soft_result soft_packet_part(const struct soft_packet *packet, u32 at,
				  struct soft_piece *piece)
{
	u32 left = packet->body_len - at, room, frames;

	if (left <= packet->mss || !packet->mss)
		return soft_packet_piece(packet, at, piece);
	room = SOFT_PART_BYTES - (packet->head_len - packet->frame.l3);
	frames = clamp(room / packet->mss, 1U, SOFT_PART_FRAMES);
	if (frames == 1)
		return soft_packet_piece(packet, at, piece);
	memcpy(piece->head, packet->head, packet->head_len);
	piece->head_len = packet->head_len;
	piece->at = at;
	piece->len = min(left, frames * packet->mss);
	piece->sum = 0;
	piece->l3_ok = false;
	piece->l4_ok = false;
	piece->large = true;
	soft_piece_l3(packet, piece);
	soft_piece_l4(packet, piece);
	return SOFT_OK;
}
