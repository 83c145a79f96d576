// SPDX-License-Identifier: GPL-2.0-only
/*
 * An instance sends: WQEs of an Ethernet SQ, each copied out of the ring, parsed into
 * a packet and taken through the switch. A WQE whose packet is interrupted is read
 * again in the next turn, so between turns there is nothing but how far it came.
 */
#include <mhca/kernel.h>
#include "transport.h"

#define SOFT_DS			MLX5_SEND_WQE_DS
#define SOFT_CTRL_CE_MASK	MLX5_WQE_CTRL_CQ_UPDATE_AND_EQE
#define SOFT_ETH_SEG		(sizeof(struct mlx5_wqe_ctrl_seg))
/* The newest headers have no names for these any more. */
#define SOFT_ETH_INSERT_VLAN	BIT(15)
#define SOFT_ETH_INSERT_SVLAN	BIT(0)
#define SOFT_ETH_INLINE		offsetof(struct mlx5_wqe_eth_seg, inline_hdr.start)
#define SOFT_USER_INDEX_NONE	0xffffffU
#define SOFT_LOOK_AGAIN_NS	(20 * 1000ULL)
#define SOFT_WQES_PER_FRAME	4U	/* a frame takes the time of so many WQEs */
#define SOFT_PIECES_PER_FRAME	8U	/* … and of so many pieces of other keys */

/* ---- Completions ----------------------------------------------------------- */

static void soft_sq_cqe(struct soft_sq *sq, u8 opcode, u8 wqe_opcode, u8 syndrome)
{
	union {
		struct mlx5_cqe64 good;
		struct mlx5_err_cqe error;
	} cqe;
	u64 now = ktime_get_ns();

	memset(&cqe, 0, sizeof(cqe));
	if (opcode == MLX5_CQE_REQ_ERR) {
		cqe.error.syndrome = syndrome;
	} else {
		cqe.good.timestamp_h = cpu_to_be32(now >> 32);
		cqe.good.timestamp_l = cpu_to_be32((u32)now);
	}
	if (sq->user_index != SOFT_USER_INDEX_NONE)
		cqe.good.srqn = cpu_to_be32(sq->user_index & 0xffffff);
	cqe.good.sop_drop_qpn = cpu_to_be32((u32)wqe_opcode << 24 | sq->obj.num);
	cqe.good.wqe_counter = cpu_to_be16(sq->consumer);
	cqe.good.op_own = opcode << 4;
	soft_complete_raw(sq->cq, &cqe.good);
}

static void soft_sq_advance(struct soft_sq *sq, u32 blocks)
{
	sq->consumer += blocks;
	sq->waiting = false;
	memset(&sq->progress, 0, sizeof(sq->progress));
}

/* The WQE at the consumer is broken, and with it the queue: the rest is flushed. */
static void soft_sq_error(struct soft_sq *sq, const struct soft_eth_wqe *wqe, u8 syndrome)
{
	mhca_count(sq->obj.inst, qp_errors);
	soft_sq_cqe(sq, MLX5_CQE_REQ_ERR, wqe->opcode, syndrome);
	soft_sq_advance(sq, wqe->blocks);
	sq->state = SOFT_WQ_ERR;
}

static void soft_sq_done(struct soft_sq *sq, const struct soft_eth_wqe *wqe)
{
	if (wqe->signalled)
		soft_sq_cqe(sq, MLX5_CQE_REQ, wqe->opcode, 0);
	mhca_count(sq->obj.inst, wqes);
	soft_sq_advance(sq, wqe->blocks);
}

/* ---- The WQE --------------------------------------------------------------- */

/*
 * Copy the WQE at the consumer. 0, or the syndrome of its error CQE; blocks and opcode
 * are valid in any case.
 */
static u8 soft_sq_fetch(struct soft_sq *sq, u32 posted, struct soft_eth_wqe *wqe)
{
	const struct mlx5_wqe_ctrl_seg *ctrl = (const void *)wqe->raw;
	u32 ds, blocks;

	wqe->blocks = 1;
	wqe->opcode = 0;
	wqe->signalled = true;
	if (soft_ring_read(&sq->ring, sq->consumer, 1, wqe->raw))
		return MLX5_CQE_SYNDROME_LOCAL_PROT_ERR;
	ds = be32_to_cpu(ctrl->qpn_ds) & MLX5_WQE_CTRL_DS_MASK;
	wqe->opcode = be32_to_cpu(ctrl->opmod_idx_opcode) & MLX5_WQE_CTRL_OPCODE_MASK;
	wqe->signalled = (ctrl->fm_ce_se & SOFT_CTRL_CE_MASK) == MLX5_WQE_CTRL_CQ_UPDATE;
	blocks = DIV_ROUND_UP(ds, MLX5_SEND_WQEBB_NUM_DS);
	wqe->blocks = clamp_t(u32, blocks, 1, posted);
	wqe->bytes = ds * SOFT_DS;
	if (!blocks || blocks > posted)
		return MLX5_CQE_SYNDROME_LOCAL_QP_OP_ERR;
	if (blocks > 1 && soft_ring_read(&sq->ring, sq->consumer + 1, blocks - 1,
					 wqe->raw + MLX5_SEND_WQE_BB))
		return MLX5_CQE_SYNDROME_LOCAL_PROT_ERR;
	return 0;
}

/* The Ethernet segment. @insert: what is said about a tag. Return: its bytes, 0: broken. */
static u32 soft_parse_eth(const struct soft_eth_wqe *wqe, struct soft_packet *packet,
			  u32 *insert)
{
	const struct mlx5_wqe_eth_seg *eth = (const void *)(wqe->raw + SOFT_ETH_SEG);
	u32 bytes = sizeof(*eth);
	u16 size;

	if (wqe->bytes < SOFT_ETH_SEG + sizeof(*eth))
		return 0;
	packet->sum_l3 = eth->cs_flags & MLX5_ETH_WQE_L3_CSUM;
	packet->sum_l4 = eth->cs_flags & MLX5_ETH_WQE_L4_CSUM;
	packet->mss = wqe->opcode == MLX5_OPCODE_LSO ? be16_to_cpu(eth->mss) : 0;
	if (wqe->opcode == MLX5_OPCODE_LSO && !packet->mss)
		return 0;
	*insert = 0;
	packet->head_len = 0;
	size = be16_to_cpu(eth->inline_hdr.sz);
	if (size & SOFT_ETH_INSERT_VLAN) {
		*insert = be32_to_cpu(eth->trailer);
		return bytes;
	}
	if (!size)
		return bytes;
	bytes = round_up(max_t(u32, SOFT_ETH_INLINE + size, sizeof(*eth)), SOFT_DS);
	if (bytes > wqe->bytes - SOFT_ETH_SEG)
		return 0;
	packet->head_len = size;
	if (size <= SOFT_HEAD_MAX - SOFT_VLAN_BYTES)
		memcpy(packet->head, wqe->raw + SOFT_ETH_SEG + SOFT_ETH_INLINE, size);
	return bytes;
}

/* What its data segments name must be the sender's, and there: all of it. */
static enum soft_result soft_packet_check(struct soft_packet *packet)
{
	enum soft_result result;
	struct soft_cursor cursor;

	soft_packet_cursor(packet, 0, &cursor);
	result = soft_cursor_probe(&cursor, packet->body.len);
	packet->pieces = cursor.followed;
	return result;
}

static bool soft_insert(struct soft_packet *packet, u32 insert)
{
	if (!insert)
		return true;
	return soft_packet_insert_vlan(packet, insert >> 16 & SOFT_ETH_INSERT_SVLAN ?
				       SOFT_TYPE_SVLAN : SOFT_TYPE_VLAN, insert & 0xffff);
}

/*
 * The packet of a WQE. SOFT_OK; SOFT_NO_PEER: it is no frame that can be sent, and
 * is dropped; SOFT_AGAIN; SOFT_LOCAL_*: what is wrong with the WQE. Users of a guest can
 * have its netdev make large sends with odd headers (extension headers of IPv6) and of few
 * bytes (UDP_SEGMENT), so these are no errors of the queue.
 */
static enum soft_result soft_sq_packet(struct soft_sq *sq, const struct soft_eth_wqe *wqe,
				       struct soft_packet *packet)
{
	enum soft_result result;
	u32 eth, insert;

	packet->from = sq->si->port;
	packet->inst = sq->obj.inst;
	packet->pd = sq->pd;
	packet->body_at = 0;
	packet->pieces = 0;
	eth = soft_parse_eth(wqe, packet, &insert);
	if (!eth || !soft_send_parse(wqe->raw + SOFT_ETH_SEG + eth,
				     wqe->bytes - SOFT_ETH_SEG - eth, &packet->body))
		return SOFT_LOCAL_QP_OP;
	if (packet->body.len > 1U << MHCA_LOG_MAX_LSO)
		return SOFT_LOCAL_LENGTH;
	packet->body_len = packet->body.len;
	/* In each turn: the WQE, or what its keys are, may be others than when it began. */
	result = soft_packet_check(packet);
	if (result != SOFT_OK)
		return result;
	if (packet->head_len > SOFT_HEAD_MAX - SOFT_VLAN_BYTES ||
	    (packet->mss && packet->mss < SOFT_MSS_MIN))
		return SOFT_NO_PEER;
	if (!packet->mss)
		result = soft_packet_pull(packet);
	if (result != SOFT_OK)
		return result;
	if (!soft_insert(packet, insert) || !soft_packet_parse(packet) ||
	    !soft_packet_fits(packet))
		return SOFT_NO_PEER;
	return SOFT_OK;
}

/* ---- The queue ------------------------------------------------------------- */

static u8 soft_sq_syndrome(enum soft_result result)
{
	switch (result) {
	case SOFT_LOCAL_LENGTH:
		return MLX5_CQE_SYNDROME_LOCAL_LENGTH_ERR;
	case SOFT_LOCAL_QP_OP:
		return MLX5_CQE_SYNDROME_LOCAL_QP_OP_ERR;
	default:
		return MLX5_CQE_SYNDROME_LOCAL_PROT_ERR;
	}
}

static enum soft_result soft_sq_send(struct soft_sq *sq, struct soft_eth_tx *tx, u32 *frames)
{
	enum soft_result result;

	if (tx->wqe.opcode == MLX5_OPCODE_NOP)
		return SOFT_OK;
	if (tx->wqe.opcode != MLX5_OPCODE_SEND && tx->wqe.opcode != MLX5_OPCODE_LSO)
		return SOFT_LOCAL_QP_OP;
	if (!sq->si->port)
		return SOFT_LOCAL_QP_OP;
	result = soft_sq_packet(sq, &tx->wqe, &tx->packet);
	/* What is left is enough for a frame. */
	*frames -= min(*frames - 1, tx->packet.pieces / SOFT_PIECES_PER_FRAME);
	if (result == SOFT_OK)
		return soft_route_packet(sq->si->hca, &tx->packet, &sq->progress, frames);
	/* No receiver is waited for meanwhile. */
	sq->progress.wait.since = 0;
	if (result != SOFT_NO_PEER)
		return result;
	mhca_count_add(sq->obj.inst, drop_frame, soft_packet_frames(&tx->packet));
	soft_port_drop_many(sq->si->port, SOFT_DROP_FRAME, soft_packet_frames(&tx->packet));
	return SOFT_OK;
}

/* One WQE, or a part of it. true: it is done, the next one may follow. */
static bool soft_sq_step(struct soft_sq *sq, struct soft_eth_tx *tx, u32 posted, u32 *frames)
{
	enum soft_result result;
	u8 syndrome;

	syndrome = soft_sq_fetch(sq, posted, &tx->wqe);
	if (unlikely(mhca_fail_send()))
		syndrome = MLX5_CQE_SYNDROME_LOCAL_QP_OP_ERR;
	if (unlikely(syndrome)) {
		soft_sq_error(sq, &tx->wqe, syndrome);
		return false;
	}
	result = soft_sq_send(sq, tx, frames);
	switch (result) {
	case SOFT_OK:
		soft_sq_done(sq, &tx->wqe);
		return true;
	case SOFT_MORE:
		return false;
	case SOFT_AGAIN:
		sq->waiting = true;
		sq->resume_at = ktime_get_ns() + SOFT_LOOK_AGAIN_NS;
		return false;
	default:
		soft_sq_error(sq, &tx->wqe, soft_sq_syndrome(result));
		return false;
	}
}

/**
 * soft_sq_begin() - a queue becomes ready, and begins at its next doorbell
 * @sq: SQ; its lane's lock held, inside srcu
 *
 * A driver that resets a queue begins to count at 0 and leaves the record as it was
 * (mlx5e does): the doorbell says that it has been written anew. Receive queues have no
 * doorbell, and drivers clear their records, as they do those of QPs and SRQs.
 */
void soft_sq_begin(struct soft_sq *sq)
{
	const __be32 *record = mhca_object_record(&sq->obj);

	lockdep_assert_held(&sq->si->lane->lock);
	sq->left = record ? be32_to_cpu(READ_ONCE(record[MLX5_SND_DBR])) : 0;
	sq->fresh = true;
}

/**
 * soft_sq_bell() - a doorbell named the queue
 * @sq: SQ; its lane's lock held
 *
 * One that another queue's store hides is not seen. Then the record is believed when it
 * has changed, which it has unless the driver posted as much as in all of its life before.
 */
void soft_sq_bell(struct soft_sq *sq)
{
	lockdep_assert_held(&sq->si->lane->lock);
	if (sq->state != SOFT_WQ_RST)
		sq->fresh = false;
}

/* What the record says, as far as it can be believed. */
static u16 soft_sq_producer(const struct soft_sq *sq, const __be32 *record)
{
	u16 producer = be32_to_cpu(READ_ONCE(record[MLX5_SND_DBR]));

	return sq->fresh && producer == sq->left ? sq->consumer : producer;
}

/* Posted basic blocks; a record that cannot be ends the queue. */
static u32 soft_sq_posted(struct soft_sq *sq)
{
	const __be32 *record = mhca_object_record(&sq->obj);
	u16 posted;

	if (unlikely(!record)) {
		sq->state = SOFT_WQ_ERR;
		return 0;
	}
	posted = soft_sq_producer(sq, record) - sq->consumer;
	smp_rmb();	/* record before WQEs */
	if (unlikely(sq->fresh && posted))
		sq->fresh = false;
	if (likely(posted <= 1U << sq->ring.log_size))
		return posted;
	if (sq->state != SOFT_WQ_ERR)
		mhca_count(sq->obj.inst, qp_errors);
	sq->state = SOFT_WQ_ERR;
	return 0;
}

/* In error: what is posted completes as flushed, in order. */
static bool soft_sq_flush(struct soft_sq *sq, struct soft_eth_tx *tx, u32 n)
{
	bool did = false;
	u32 posted;

	while (n-- && (posted = soft_sq_posted(sq))) {
		if (soft_sq_fetch(sq, posted, &tx->wqe) == MLX5_CQE_SYNDROME_LOCAL_PROT_ERR)
			break;
		soft_sq_cqe(sq, MLX5_CQE_REQ_ERR, tx->wqe.opcode,
			    MLX5_CQE_SYNDROME_WR_FLUSH_ERR);
		soft_sq_advance(sq, tx->wqe.blocks);
		did = true;
	}
	return did;
}

/**
 * soft_sq_has_work() - does its record say that there is something to do?
 * @sq: SQ; its lane's lock held, inside srcu
 */
bool soft_sq_has_work(const struct soft_sq *sq)
{
	const __be32 *record = mhca_object_record(&sq->obj);

	return record && sq->state != SOFT_WQ_RST &&
	       soft_sq_producer(sq, record) != sq->consumer;
}

/**
 * soft_sq_find() - an SQ by its number
 * @inst: instance
 * @sqn: number
 *
 * Inside srcu. Return: the SQ or NULL.
 */
struct soft_sq *soft_sq_find(struct mhca_instance *inst, u32 sqn)
{
	return (struct soft_sq *)mhca_object_find(inst, MHCA_SQ, sqn);
}

/**
 * soft_sq_run() - execute send WQEs within a turn's budget
 * @sq: SQ; its lane's lock held, inside srcu
 *
 * Return: true when something was done; false: nothing to do, or it waits.
 */
bool soft_sq_run(struct soft_sq *sq)
{
	struct soft_lane *lane = sq->si->lane;
	u64 budget = soft_share_bytes(sq->si, lane->params.byte_budget), moved = 0;
	u32 n = soft_share_wqes(sq->si, lane->params.wqe_budget, SOFT_WQES_PER_FRAME);
	u32 frames = n;
	bool did = false;
	u32 posted;

	lockdep_assert_held(&lane->lock);
	if (unlikely(sq->state != SOFT_WQ_RDY))
		return sq->state == SOFT_WQ_ERR && soft_sq_flush(sq, lane->tx, n);
	if (sq->waiting) {
		if (ktime_get_ns() < sq->resume_at)
			return false;
		sq->waiting = false;
	}
	while (n-- && frames && moved < budget) {
		if (unlikely(!sq->progress.begun && !soft_may_begin(sq->si)))
			break;
		posted = soft_sq_posted(sq);
		if (!posted || READ_ONCE(sq->cq->failed))
			break;
		did = true;
		lane->tx->packet.body_len = 0;
		lane->tx->packet.head_len = 0;
		if (!soft_sq_step(sq, lane->tx, posted, &frames))
			break;
		moved += lane->tx->packet.head_len + lane->tx->packet.body_len;
	}
	soft_share_moved(sq->si, moved);
	return did;
}

/* ---- On the lane ------------------------------------------------------------ */

/**
 * soft_lane_activate_sq() - an SQ may have work
 * @lane: its lane; lock held
 * @sq: SQ
 */
void soft_lane_activate_sq(struct soft_lane *lane, struct soft_sq *sq)
{
	lockdep_assert_held(&lane->lock);
	sq->idle_polls = 0;
	if (list_empty(&sq->active_node))
		list_add_tail(&sq->active_node, &sq->si->active_sqs);
	soft_lane_activate_instance(lane, sq->si);
}

/**
 * soft_lane_forget_sq() - an SQ goes, or begins anew
 * @lane: its lane; lock held
 * @sq: SQ
 */
void soft_lane_forget_sq(struct soft_lane *lane, struct soft_sq *sq)
{
	lockdep_assert_held(&lane->lock);
	list_del_init(&sq->active_node);
	soft_lane_rest_instance(sq->si);
	sq->waiting = false;
	memset(&sq->progress, 0, sizeof(sq->progress));
}
