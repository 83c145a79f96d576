// SPDX-License-Identifier: GPL-2.0-only
/*
 * An instance receives: flow tables, hash and RQ of a packet, then each of its frames
 * copied from where it lies into the buffers of a receive WQE, and a CQE.
 *
 * A receive WQE is taken when the frame is in it, not before: whatever goes wrong
 * leaves it where it is.
 */
#include <mhca/kernel.h>
#include "switch.h"

#define SOFT_RECV_AHEAD		16U	/* WQEs whose pages are asked for together */
#define SOFT_FLOW_FREE		32U	/* lookups that a netdev's tables may take */
#define SOFT_LOOKUP_NS		30U	/* what another one costs */
#define SOFT_CQE_VLAN		BIT(0)
#define SOFT_CQE_L3_SHIFT	2
#define SOFT_CQE_L3_IPV6	1
#define SOFT_CQE_L3_IPV4	2
#define SOFT_CQE_L4_SHIFT	4
#define SOFT_TCP_ACK		0x10
#define SOFT_USER_INDEX_NONE	0xffffffU

/**
 * struct soft_delivery - where a packet goes in an instance
 * @rq: queue
 * @hash: and what the CQE says about it
 * @hash_type: see @hash
 * @tag: flow tag
 */
struct soft_delivery {
	struct soft_rq *rq;
	u32 hash;
	u8 hash_type;
	u32 tag;
};

static struct soft_rq *soft_tir_rq(const struct soft_tir_attr *attr, u32 hash)
{
	const struct soft_rqs *rqs;

	if (attr->rq)
		return attr->rq;
	rqs = attr->rqt ? soft_follow(&attr->rqt->rqs) : NULL;
	return rqs && rqs->n ? rqs->rq[hash % rqs->n] : NULL;
}

/* ---- The CQE -------------------------------------------------------------- */

static u8 soft_l4_type(const struct soft_frame *frame)
{
	if (!frame->l4)
		return CQE_L4_HDR_TYPE_NONE;
	if (frame->ip_protocol == SOFT_PROTO_UDP)
		return CQE_L4_HDR_TYPE_UDP;
	return frame->tcp_flags & SOFT_TCP_ACK ? CQE_L4_HDR_TYPE_TCP_ACK_AND_DATA :
						 CQE_L4_HDR_TYPE_TCP_NO_ACK;
}

static void soft_recv_cqe(const struct soft_packet *packet, const struct soft_piece *piece,
			  const struct soft_delivery *to, bool stripped, u32 bytes,
			  struct mlx5_cqe64 *cqe)
{
	const struct soft_frame *frame = &packet->frame;
	struct soft_rq *rq = to->rq;
	u64 now = ktime_get_ns();

	memset(cqe, 0, sizeof(*cqe));
	cqe->rss_hash_result = cpu_to_be32(to->hash);
	cqe->rss_hash_type = to->hash_type;
	cqe->check_sum = (__force __be16)piece->sum;
	cqe->hds_ip_ext = CQE_L2_OK | (piece->l3_ok ? CQE_L3_OK : 0) |
			  (piece->l4_ok ? CQE_L4_OK : 0);
	if (frame->ip_version)
		cqe->l4_l3_hdr_type = (frame->ip_version == 4 ? SOFT_CQE_L3_IPV4 :
				       SOFT_CQE_L3_IPV6) << SOFT_CQE_L3_SHIFT |
				      soft_l4_type(frame) << SOFT_CQE_L4_SHIFT;
	if (stripped) {
		cqe->l4_l3_hdr_type |= SOFT_CQE_VLAN;
		cqe->vlan_info = cpu_to_be16(frame->vlan_tci);
	}
	if (rq->user_index != SOFT_USER_INDEX_NONE)
		cqe->srqn = cpu_to_be32(rq->user_index & 0xffffff);
	cqe->byte_cnt = cpu_to_be32(bytes);
	cqe->timestamp_h = cpu_to_be32(now >> 32);
	cqe->timestamp_l = cpu_to_be32((u32)now);
	cqe->sop_drop_qpn = cpu_to_be32(to->tag & 0xffffff);
	cqe->wqe_counter = cpu_to_be16(rq->linked ? rq->next : rq->consumer);
	cqe->op_own = MLX5_CQE_RESP_SEND << 4;
}

/* ---- Receive WQEs ---------------------------------------------------------- */

/* Index of WQE number @ahead from the next one on, of a queue that is no list. */
static u16 soft_rq_index(const struct soft_rq *rq, u32 ahead)
{
	return rq->linked ? rq->next : (u16)(rq->consumer + ahead);
}

/*
 * The bit that elsewhere says "inline data" asks for padding in front of a frame
 * (MLX5_HW_START_PADDING), and netdev drivers set it. A hint: there is none to be had.
 */
static void soft_rq_clear_padding(void *list, u32 bytes)
{
	struct mlx5_wqe_data_seg *data = list;
	u32 i;

	for (i = 0; i < bytes / sizeof(*data); i++)
		data[i].byte_count &= ~cpu_to_be32(MLX5_HW_START_PADDING);
}

/* Its scatter list into rq->recv; @link: the next one of a list. */
static enum soft_result soft_rq_read(struct soft_rq *rq, u32 ahead, u16 *link)
{
	u8 raw[MHCA_MAX_WQE_RQ] __aligned(8);
	u32 bytes = 1U << rq->ring.log_stride, skip = 0;
	u32 index = soft_rq_index(rq, ahead) & ((1U << rq->ring.log_size) - 1);

	lockdep_assert_held(&rq->lock);
	if (bytes > sizeof(raw) ||
	    mhca_pages_read(rq->ring.pages, rq->ring.offset +
			    ((u64)index << rq->ring.log_stride), raw, bytes))
		return SOFT_MEMORY_LOST;
	*link = 0;
	if (rq->linked) {
		skip = sizeof(struct mlx5_wqe_srq_next_seg);
		if (bytes < skip)
			return SOFT_LOCAL_QP_OP;
		*link = get_unaligned_be16(raw + offsetof(struct mlx5_wqe_srq_next_seg,
							  next_wqe_index));
	}
	soft_rq_clear_padding(raw + skip, bytes - skip);
	if (!soft_recv_parse(raw + skip, bytes - skip, &rq->recv))
		return SOFT_LOCAL_QP_OP;
	return SOFT_OK;
}

static void soft_rq_cursor(struct soft_rq *rq, struct soft_cursor *cursor)
{
	cursor->inst = rq->obj.inst;
	cursor->pd = rq->pd;
	cursor->qpn = SOFT_ANY_QP;
	cursor->access = SOFT_LOCAL_WRITE;
	cursor->remote = false;
	cursor->segs = rq->recv.seg;
	cursor->n_segs = rq->recv.n;
	soft_cursor_seek(cursor, 0);
	cursor->toil = &soft_instance(rq->obj.inst)->toil;
}

/*
 * Ask for the pages that frames of @bytes need of the WQEs that follow: one wait is enough
 * for all of them. No more of a WQE: what it names may be 64 GiB.
 */
static void soft_rq_ask_ahead(struct soft_rq *rq, u32 bytes, u16 posted)
{
	struct soft_cursor cursor;
	u32 i, n = rq->linked ? 0 : min_t(u32, posted, SOFT_RECV_AHEAD);
	u16 link;

	for (i = 1; i < n && soft_rq_read(rq, i, &link) == SOFT_OK; i++) {
		soft_rq_cursor(rq, &cursor);
		soft_cursor_probe(&cursor, min_t(u64, rq->recv.len, bytes));
	}
}

static void soft_rq_count_empty(struct soft_rq *rq)
{
	struct mhca_object *obj = mhca_object_find(rq->obj.inst, MHCA_QCOUNTER,
						   rq->counter_set);

	if (obj)
		atomic64_inc(&container_of(obj, struct mhca_qcounter, obj)->out_of_buffer);
}

/* Posted WQEs; more than the ring holds cannot be. */
static u16 soft_rq_posted(const struct soft_rq *rq)
{
	const __be32 *record = mhca_object_record(&rq->obj);
	u16 posted;

	if (unlikely(!record))
		return 0;
	posted = be32_to_cpu(READ_ONCE(record[MLX5_RCV_DBR])) - rq->consumer;
	smp_rmb();	/* record before WQEs */
	return posted > 1U << rq->ring.log_size ? 0 : posted;
}

/*
 * The frame into the buffers of rq->recv: head without a tag that goes into the CQE.
 * @own: out: it is the sender's memory that failed.
 */
static enum soft_result soft_rq_copy(struct soft_rq *rq, const struct soft_packet *packet,
				     const struct soft_piece *piece, u32 strip, bool *own)
{
	const u32 macs = 2 * SOFT_MAC_BYTES;
	struct soft_seg head[2] = {
		{ .inline_data = piece->head, .len = strip ? macs : piece->head_len },
		{ .inline_data = piece->head + macs + strip,
		  .len = piece->head_len - macs - strip },
	};
	struct soft_cursor to, from = { .segs = head, .n_segs = strip ? 2 : 1 };
	struct soft_cursor *failed;
	enum soft_result result;
	u64 done;

	soft_rq_cursor(rq, &to);
	result = soft_copy(&to, &from, piece->head_len - strip, &done, &failed);
	if (result != SOFT_OK || !piece->len)
		return result;
	soft_packet_cursor(packet, piece->at, &from);
	result = soft_copy(&to, &from, piece->len, &done, &failed);
	*own = failed == &from;
	return result;
}

/* What a WQE must be before anything is written: long enough, and allowed. */
static enum soft_result soft_rq_check(struct soft_rq *rq, u32 bytes, u16 posted)
{
	enum soft_result result;
	struct soft_cursor cursor;

	if (rq->recv.len < bytes)
		return SOFT_LOCAL_LENGTH;
	soft_rq_cursor(rq, &cursor);
	result = soft_cursor_probe(&cursor, bytes);
	if (result == SOFT_AGAIN)
		soft_rq_ask_ahead(rq, bytes, posted);
	return result;
}

/* One frame into the next WQE. rq->lock held. @own: as soft_rq_copy(). */
static enum soft_result soft_rq_put(const struct soft_delivery *to,
				    const struct soft_packet *packet,
				    const struct soft_piece *piece, bool *own)
{
	struct soft_rq *rq = to->rq;
	bool tagged = packet->frame.n_vlan && !packet->frame.vlan_svlan;
	u32 strip = rq->vlan_strip && tagged ? SOFT_VLAN_BYTES : 0;
	u32 bytes = piece->head_len + piece->len - strip;
	enum soft_result result;
	struct mlx5_cqe64 cqe;
	u16 posted, link;

	lockdep_assert_held(&rq->lock);
	posted = soft_rq_posted(rq);
	if (!posted)
		return SOFT_RNR;
	result = soft_rq_read(rq, 0, &link);
	if (result == SOFT_OK)
		result = soft_rq_check(rq, bytes, posted);
	if (result == SOFT_OK)
		result = soft_rq_copy(rq, packet, piece, strip, own);
	if (result != SOFT_OK)
		return result;
	soft_recv_cqe(packet, piece, to, strip, bytes, &cqe);
	rq->consumer++;
	rq->next = link;
	soft_complete_raw(rq->cq, &cqe);
	return SOFT_OK;
}

static void soft_count_received(struct mhca_instance *inst, const struct soft_packet *packet,
				u32 bytes)
{
	if (likely(!soft_mac_is_group(packet->head))) {
		mhca_count(inst, eth_rx_ucast);
		mhca_count_add(inst, eth_rx_ucast_bytes, bytes);
	} else if (soft_mac_is_broadcast(packet->head)) {
		mhca_count(inst, eth_rx_bcast);
		mhca_count_add(inst, eth_rx_bcast_bytes, bytes);
	} else {
		mhca_count(inst, eth_rx_mcast);
		mhca_count_add(inst, eth_rx_mcast_bytes, bytes);
	}
}

/*
 * Deliver one frame to one queue. SOFT_OK: done, or dropped and counted; SOFT_AGAIN,
 * SOFT_RNR: not now; with @own whatever is wrong with the sender's memory.
 */
static enum soft_result soft_deliver(const struct soft_delivery *to,
				     const struct soft_packet *packet,
				     const struct soft_piece *piece, bool *own)
{
	struct mhca_instance *inst = to->rq->obj.inst;
	enum soft_result result = SOFT_LOCAL_QP_OP;

	*own = false;
	spin_lock(&to->rq->lock);
	if (to->rq->state == SOFT_WQ_RDY && !READ_ONCE(to->rq->cq->failed))
		result = soft_rq_put(to, packet, piece, own);
	spin_unlock(&to->rq->lock);
	if (unlikely(*own))
		return result;
	switch (result) {
	case SOFT_OK:
		soft_count_received(inst, packet, piece->head_len + piece->len);
		return SOFT_OK;
	case SOFT_AGAIN:
	case SOFT_RNR:
		return result;
	case SOFT_LOCAL_LENGTH:
		mhca_count(inst, drop_length);
		soft_port_drop(soft_instance(inst)->port, SOFT_DROP_FRAME);
		return SOFT_OK;
	default:
		mhca_count(inst, drop_rx_buffer);
		soft_port_drop(soft_instance(inst)->port, SOFT_DROP_BUFFER);
		return SOFT_OK;
	}
}

static void soft_count_lost(struct soft_instance *to, enum soft_drop cause, u32 frames)
{
	if (cause == SOFT_DROP_STEER)
		mhca_count_add(to->inst, drop_steering, frames);
	else
		mhca_count_add(to->inst, drop_rx_buffer, frames);
	soft_port_drop_many(READ_ONCE(to->port), cause, frames);
}

/**
 * soft_eth_lost() - a frame waited long enough for a buffer
 * @to: receiver
 * @packet: packet
 * @at: where its frame begins; out: the next one
 */
void soft_eth_lost(struct soft_instance *to, const struct soft_packet *packet, u32 *at)
{
	soft_count_lost(to, SOFT_DROP_BUFFER, 1);
	*at = packet->mss ? min(*at + packet->mss, packet->body_len) : packet->body_len;
}

/* ---- Dispatch ------------------------------------------------------------- */

static bool soft_choose(const struct soft_packet *packet, const struct soft_tir_attr *attr,
			struct soft_delivery *delivery)
{
	delivery->hash = soft_frame_hash(&packet->frame, attr, &delivery->hash_type);
	delivery->rq = soft_tir_rq(attr, delivery->hash);
	return delivery->rq;
}

/* All frames of @packet from @at on to one queue, at most @frames. */
static enum soft_result soft_deliver_all(const struct soft_delivery *to,
					 const struct soft_packet *packet, u32 *at, u32 *frames,
					 bool *own)
{
	enum soft_result result;
	struct soft_piece piece;

	do {
		if (!*frames)
			return SOFT_MORE;
		result = soft_packet_piece(packet, *at, &piece);
		*own = result != SOFT_OK;
		if (*own)
			return result;
		result = soft_deliver(to, packet, &piece, own);
		if (result != SOFT_OK)
			return result;
		*at += piece.len;
		--*frames;
	} while (*at < packet->body_len);
	return SOFT_OK;
}

/*
 * Tables that name several: each frame to all of them before the next one, and none is
 * waited for, so that no frame comes twice.
 */
static enum soft_result soft_receive_all(struct soft_instance *to,
					 const struct soft_packet *packet,
					 const struct soft_delivery *delivery, u32 n,
					 u32 *at, u32 *frames, bool *own)
{
	enum soft_result result;
	struct soft_piece piece;
	bool failed;
	u32 i;

	do {
		if (!*frames)
			return SOFT_MORE;
		result = soft_packet_piece(packet, *at, &piece);
		*own = result != SOFT_OK;
		if (*own)
			return result;
		for (i = 0; i < n; i++)
			if (soft_deliver(&delivery[i], packet, &piece, &failed) != SOFT_OK)
				soft_count_lost(to, SOFT_DROP_BUFFER, 1);
		*at += piece.len;
		*frames -= min(*frames, n);
	} while (*at < packet->body_len);
	return SOFT_OK;
}

/* The queues that get it; how many. */
static u32 soft_choose_all(const struct soft_packet *packet, const struct soft_steering *steering,
			   struct soft_delivery *delivery)
{
	u32 i, n = 0;

	for (i = 0; i < steering->n; i++) {
		delivery[n].tag = steering->tag;
		n += soft_choose(packet, steering->tir[i], &delivery[n]);
	}
	return n;
}

/* Nobody wants what is left of it, or not all who should have it got it. */
static void soft_eth_unwanted(struct soft_instance *to, const struct soft_packet *packet, u32 at)
{
	u32 frames = soft_packet_frames(packet);

	soft_count_lost(to, SOFT_DROP_STEER, packet->mss ? frames - at / packet->mss : frames);
}

/* What an instance sent to itself is for those TIRs that want it. */
static void soft_keep_own(struct soft_steering *steering)
{
	u32 i, n = 0;

	for (i = 0; i < steering->n; i++)
		if (steering->tir[i]->own_unicast)
			steering->tir[n++] = steering->tir[i];
	steering->n = n;
}

/**
 * soft_eth_receive() - a packet for an instance
 * @to: receiver
 * @packet: packet
 * @at: in and out: bytes of the body that it has already
 * @frames: in and out: how many frames may still be delivered now
 * @own: out: SOFT_AGAIN is about the sender's memory
 *
 * Any lane or the uplink, inside srcu. Return: SOFT_OK: done with it; SOFT_MORE:
 * @frames are used up; SOFT_RNR: no buffer; SOFT_AGAIN: memory is being pinned; an
 * error of the sender's memory.
 */
enum soft_result soft_eth_receive(struct soft_instance *to, const struct soft_packet *packet,
				  u32 *at, u32 *frames, bool *own)
{
	struct soft_delivery delivery[SOFT_FLOW_RESULTS];
	struct soft_steering steering;
	enum soft_result result;
	u32 n;

	*own = false;
	if (unlikely(!soft_may_dma(to))) {
		mhca_count(to->inst, drop_state);
		soft_port_drop(READ_ONCE(to->port), SOFT_DROP_BUFFER);
		return SOFT_OK;
	}
	if (unlikely(soft_inbox_wants(to, packet)))
		return soft_inbox_put(to, packet, at, frames, own);
	soft_flow_walk(to, &packet->frame, &steering);
	if (unlikely(steering.lookups > SOFT_FLOW_FREE))
		soft_share_charge(to, (steering.lookups - SOFT_FLOW_FREE) * SOFT_LOOKUP_NS);
	if (unlikely(packet->from == to->port)) {
		soft_keep_own(&steering);
		if (!steering.n) {
			soft_port_drop(to->port, SOFT_DROP_SELF);
			*frames -= !!*frames;
			return SOFT_OK;
		}
	}
	n = soft_choose_all(packet, &steering, delivery);
	if (unlikely(!n)) {
		soft_eth_unwanted(to, packet, *at);
		result = SOFT_OK;
	} else if (likely(n == 1)) {
		result = soft_deliver_all(delivery, packet, at, frames, own);
	} else {
		result = soft_receive_all(to, packet, delivery, n, at, frames, own);
	}
	/* A turn is no longer for that. */
	*frames -= min(*frames, steering.lookups / SOFT_FLOW_FREE);
	if (unlikely(result == SOFT_RNR))
		soft_rq_count_empty(delivery[0].rq);
	if (unlikely(steering.cut && result == SOFT_OK))
		soft_eth_unwanted(to, packet, 0);
	return result;
}
