/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The queues' door: rings of WQEs (segments.c), completion queues (cq.c) and what is written to
 * them (complete.c), shared receive queues as completions see them.
 */
#ifndef SOFT_QUEUE_QUEUE_H
#define SOFT_QUEUE_QUEUE_H

#include "memory/memory.h"

/**
 * struct soft_ring - a queue in guest memory
 * @pages: where
 * @offset: of the queue in @pages, bytes
 * @log_size: log2 of the number of entries
 * @log_stride: log2 of an entry's bytes
 */
struct soft_ring {
	struct mhca_pages *pages;
	u64 offset;
	u8 log_size;
	u8 log_stride;
};

#define SOFT_BB_SHIFT	ilog2(MLX5_SEND_WQE_BB)

/**
 * struct soft_reader - walks the snapshot of a WQE
 * @at: next segment
 * @left: bytes left
 */
struct soft_reader {
	const u8 *at;
	u32 left;
};

/* segments.c: the next bytes of a snapshot, NULL: not there; a piece, a list of them more. */
const void *soft_reader_take(struct soft_reader *reader, u32 bytes);
bool soft_sgl_add(struct soft_sgl *sgl, const u8 *inline_data, u64 addr, u32 lkey, u32 len);
bool soft_parse_data(struct soft_reader *reader, struct soft_sgl *sgl);
/* @blocks basic blocks of a ring of them, from counter @index on; 0 or -EFAULT. */
int soft_ring_read(const struct soft_ring *ring, u16 index, u32 blocks, void *to);
/* data segments of a send WQE (@bytes, a private copy) to @sgl. false: malformed. */
bool soft_send_parse(const void *segs, u32 bytes, struct soft_sgl *sgl);
/*
 * data segments of a receive WQE (@bytes, a private copy) to @sgl: up to the
 * end or the terminator key; zero lengths are skipped. false: malformed.
 */
bool soft_recv_parse(const void *segs, u32 bytes, struct soft_sgl *sgl);

/* What the device leaves in a CQ's arm record after it saw or fired an arm. */
#define SOFT_ARM_NONE		cpu_to_be32(~0U)

/**
 * struct soft_cq - completion queue
 * @obj: record = {consumer index, arm}
 * @eq: where completion events go
 * @uar: whose CQ register arms it
 * @uar_node: on uar->cqs, lane->lock
 * @lock: protects all below
 * @ring: CQEs
 * @pi: CQEs written, free running
 * @fired: an event was sent
 * @failed: overrun: no CQE will be written any more
 * @ignore_overrun: cqc.oi
 * @compress: the driver takes compressed CQEs as well; it never gets any
 * @mini_format: … of this format
 * @max_count: moderation: event after that many CQEs (0, 1: each)
 * @period_us: … or that long after the first
 * @pi_solicited: @pi after the last solicited or error CQE
 * @event_due: armed and owed an event at @deadline: by @timer, or on the way to it
 * @deadline: ktime_get_ns() of the owed event
 * @attention_queued: on the lane's attention list
 * @attention_node: on lane->attention (lane->fail_lock): any lane completes here,
 *                  but only the owner's may arm @timer and walk @attached_*
 * @timer: moderation period or EQ-full retry, on the owner's lane (lane->lock)
 * @attached_send: QPs that complete here (they go to ERR on overrun), lane->lock;
 *                 holds soft_qp.send_cq_node
 * @attached_recv: the same, soft_qp.recv_cq_node
 * @told_send: those of @attached_send that were told that it has failed
 * @told_recv: the same of @attached_recv
 */
struct soft_cq {
	struct mhca_object obj;
	struct mhca_object *eq;
	struct soft_uar *uar;
	struct list_head uar_node;
	spinlock_t lock;
	struct soft_ring ring;
	u32 pi;
	bool fired;
	bool failed;
	bool ignore_overrun;
	bool compress;
	u8 mini_format;
	u16 max_count;
	u16 period_us;
	u32 pi_solicited;
	bool event_due;
	u64 deadline;
	bool attention_queued;
	struct list_head attention_node;
	struct soft_timer timer;
	struct list_head attached_send;
	struct list_head attached_recv;
	struct list_head told_send;
	struct list_head told_recv;
};

extern const struct mhca_object_ops soft_cq_ops;
/* save.c: struct mhca_object_ops.update, .save, .load */
void soft_cq_update(struct mhca_object *obj);
void soft_cq_save(struct mhca_object *obj, struct mhca_image *image);
enum mhca_syndrome soft_cq_load(struct mhca_object *obj, struct mhca_reader *in);

enum soft_srq_flavour { SOFT_SRQ, SOFT_XRC_SRQ, SOFT_RMP };

/**
 * struct soft_srq - shared receive queue: basic, XRC, or RMP
 * @obj: record = {running count of posted WQEs, -}
 * @flavour: which of the three commands made it
 * @pd: PD number
 * @xrcd: XRC domain number
 * @cq: where an XRC SRQ's receives complete
 * @user_index: for CQE version 1
 * @lock: protects all below
 * @ring: WQEs: a linked list by next_wqe_index inside this ring
 * @next: index of the next WQE to take
 * @taken: WQEs taken, free running; free = posted count - @taken (16 bits)
 * @limit: event when fewer are free; 0: not armed
 * @failed: its memory is gone or its list is broken
 */
struct soft_srq {
	struct mhca_object obj;
	enum soft_srq_flavour flavour;
	u32 pd;
	u32 xrcd;
	struct soft_cq *cq;
	u32 user_index;
	spinlock_t lock;
	struct soft_ring ring;
	u16 next;
	u16 taken;
	u16 limit;
	bool failed;
};

/* ---- Completion (complete.c) ------------------------------------------ */

/**
 * struct soft_cqe - what a completion says; complete.c turns it into 64 bytes
 * @opcode: MLX5_CQE_REQ, MLX5_CQE_RESP_*, MLX5_CQE_REQ_ERR, MLX5_CQE_RESP_ERR
 * @syndrome: error CQEs
 * @vendor: vendor error syndrome
 * @wqe_opcode: requester: opcode of the WQE
 * @counter: wqe_counter
 * @bytes: byte count
 * @imm: immediate / invalidated rkey, network order
 * @solicited: solicited event bit
 * @grh: GRH present (UD)
 * @src_qpn: UD: source QPN
 * @slid: UD: source LID
 * @sl: UD: service level; RoCE: enum soft_l3
 * @vlan_valid: UD over RoCE: the packet had a VLAN tag …
 * @vlan: … which was this
 * @path_bits: UD: destination LID path bits
 * @pkey: GSI
 * @srq: SRQ of a receive, or NULL
 */
struct soft_cqe {
	u8 opcode;
	u8 syndrome;
	u8 vendor;
	u8 wqe_opcode;
	u16 counter;
	u32 bytes;
	__be32 imm;
	bool solicited;
	bool grh;
	u32 src_qpn;
	u16 slid;
	u8 sl;
	u8 path_bits;
	bool vlan_valid;
	u16 vlan;
	u16 pkey;
	struct soft_srq *srq;
};

/* What the header in front of a RoCE datagram is, in cqe.flags_rqpn's place of the SL. */
enum soft_l3 { SOFT_L3_GRH, SOFT_L3_IPV6, SOFT_L3_IPV4 };

/* Write a CQE for @qp into @cq (NULL: nothing to do) and the event if armed. */
void soft_complete(struct soft_cq *cq, struct soft_qp_base *qp, const struct soft_cqe *cqe);
/* The same for a CQE that is complete but for its owner bit (Ethernet). */
void soft_complete_raw(struct soft_cq *cq, struct mlx5_cqe64 *cqe);
/* CQEs that the record's consumer index leaves; more than the CQ's size: nonsense. cq->lock */
u32 soft_cq_used(const struct soft_cq *cq, const __be32 *record);
/* Is the word of a CQ's record an arm that was not answered? cq->lock */
bool soft_cq_armed(const struct soft_cq *cq, __be32 word);
/* An arm was seen or may have been missed: fire if CQEs are waiting. */
void soft_cq_check_arm(struct soft_cq *cq);
/* It owes an event, or has failed: have its lane see to that. Any lane. */
void soft_cq_call_lane(struct soft_cq *cq);
/* The CQ's timer is due (lane->lock held). */
void soft_cq_timer(struct soft_cq *cq);
/* The CQ was on lane->attention: arm its timer, or fail its QPs (lane->lock held): how many. */
u32 soft_cq_attend(struct soft_cq *cq);

#endif /* SOFT_QUEUE_QUEUE_H */
