/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Ethernet send queues (eth_tx.c; as objects: lane/sq.c).
 */
#ifndef SOFT_TRANSPORT_ETH_TX_H
#define SOFT_TRANSPORT_ETH_TX_H

#include "switch/switch.h"

/**
 * struct soft_sq - Ethernet send queue
 * @obj: record = {-, send counter}; obj.num >= MHCA_SQN_FIRST
 * @si: its instance
 * @state: enum soft_wq_state, lane->lock
 * @cq: where it completes
 * @uar: its doorbell page
 * @tis: TIS number, 0: none
 * @uar_node: on uar->sqs, lane->lock
 * @active_node: on si->active_sqs while there may be work, lane->lock
 * @idle_polls: turns in a row on that list without work
 * @ring: basic blocks of 64 bytes
 * @user_index: for CQE version 1
 * @pd: PD number of its keys
 * @consumer: 16-bit counter of the next basic block
 * @fresh: made ready, and neither a doorbell nor a change of the record since: what the
 *	record says is of a time before, for drivers do not clear it, lane->lock
 * @left: what it said then
 * @progress: how far the packet of the WQE there has come, lane->lock
 * @waiting: memory or a receiver is not ready; @resume_at says when to look again
 * @resume_at: ktime_get_ns(), lane->lock
 */
struct soft_sq {
	struct mhca_object obj;
	struct soft_instance *si;
	u8 state;
	struct soft_cq *cq;
	struct soft_uar *uar;
	u32 tis;
	struct list_head uar_node;
	struct list_head active_node;
	u32 idle_polls;
	struct soft_ring ring;
	u32 user_index;
	u32 pd;
	u16 consumer;
	bool fresh;
	u16 left;
	struct soft_progress progress;
	bool waiting;
	u64 resume_at;
};

/**
 * struct soft_eth_wqe - a send WQE: copied out of the ring once
 * @raw: the snapshot
 * @bytes: of it, as the WQE says
 * @blocks: basic blocks it takes
 * @opcode: MLX5_OPCODE_*
 * @signalled: CQE wanted
 */
struct soft_eth_wqe {
	u8 raw[MHCA_MAX_WQE_SQ] __aligned(8);
	u32 bytes;
	u8 blocks;
	u8 opcode;
	bool signalled;
};

/**
 * struct soft_eth_tx - a lane's scratch memory; nothing in it outlives a step
 * @wqe: WQE
 * @packet: its packet
 */
struct soft_eth_tx {
	struct soft_eth_wqe wqe;
	struct soft_packet packet;
};

/*
 * eth_tx.c / lane.c, lane->lock held: an SQ may have work; it becomes ready; a doorbell
 * named it; it goes (destroyed, reset or in error): off every list of its lane.
 */
bool soft_sq_run(struct soft_sq *sq);
bool soft_sq_has_work(const struct soft_sq *sq);
void soft_sq_begin(struct soft_sq *sq);
void soft_sq_bell(struct soft_sq *sq);
void soft_lane_activate_sq(struct soft_lane *lane, struct soft_sq *sq);
void soft_lane_forget_sq(struct soft_lane *lane, struct soft_sq *sq);
struct soft_sq *soft_sq_find(struct mhca_instance *inst, u32 sqn);	/* inside srcu */

#endif /* SOFT_TRANSPORT_ETH_TX_H */
