/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a WQE asks for, once it is parsed (wqe.c).
 */
#ifndef SOFT_TRANSPORT_WQE_H
#define SOFT_TRANSPORT_WQE_H

#include "queue/queue.h"

struct soft_qp;

/**
 * struct soft_av - where a message goes, from the QP's ADS or a UD WQE's AV
 * @dlid: destination LID
 * @slid: source LID with path bits
 * @sl: service level
 * @grh: a global route is present
 * @sgid_index: source GID
 * @dmac: destination MAC (RoCE)
 * @dgid: destination GID
 * @tclass: traffic class
 * @hop_limit: hop limit
 * @flow: flow label
 */
struct soft_av {
	u16 dlid;
	u16 slid;
	u8 sl;
	bool grh;
	u8 sgid_index;
	u8 dmac[6];
	u8 dgid[16];
	u8 tclass;
	u8 hop_limit;
	u32 flow;
};

/**
 * struct soft_umr - what a UMR WQE does to a key
 * @flags: MLX5_UMR_*
 * @mask: MLX5_MKEY_MASK_*: which fields of @mkc the key gets
 * @mkc: key context inside the WQE snapshot
 * @offset: where in the key's table the translations go, bytes
 * @bytes: of translations; they lie in soft_wqe.sgl
 */
struct soft_umr {
	u8 flags;
	u64 mask;
	const void *mkc;
	u64 offset;
	u32 bytes;
};

/**
 * struct soft_wqe - a send WQE: copied out of the ring once, then parsed
 * @raw: the snapshot, @blocks * 64 bytes
 * @index: 16-bit counter of its first basic block
 * @blocks: basic blocks it takes
 * @opcode: MLX5_OPCODE_*
 * @opmod: opcode modifier
 * @fence: fm_ce_se[7:5]
 * @signalled: CQE wanted (or set by the QP)
 * @solicited: solicited event
 * @imm: immediate as in the WQE (network order), rkey to invalidate, or key of a UMR
 * @remote_addr: READ, WRITE, atomics
 * @rkey: their key
 * @swap_add: atomics, host order
 * @compare: CMP_SWP, host order
 * @xrc_srqn: XRC
 * @qkey: UD: Q_Key of the AV
 * @dqpn: UD: destination QPN
 * @av: UD: address
 * @umr: UMR: what to do
 * @sgl: local memory
 */
struct soft_wqe {
	u8 raw[MHCA_MAX_WQE_SQ];
	u16 index;
	u8 blocks;
	u8 opcode;
	u8 opmod;
	u8 fence;
	bool signalled;
	bool solicited;
	__be32 imm;
	u64 remote_addr;
	u32 rkey;
	u64 swap_add;
	u64 compare;
	u32 xrc_srqn;
	u32 qkey;
	u32 dqpn;
	struct soft_av av;
	struct soft_umr umr;
	struct soft_sgl sgl;
};

/**
 * struct soft_recv - a receive WQE taken from an RQ or SRQ
 * @counter: CQE.wqe_counter: RQ counter or SRQ index
 * @srq: where it came from, or NULL
 * @srqn: its number; an XRC SRQ may die while a QP holds the WQE, so @srq is
 *        compared with a fresh look-up before it is used in a later turn
 * @sgl: its memory
 */
struct soft_recv {
	u16 counter;
	struct soft_srq *srq;
	u32 srqn;
	struct soft_sgl sgl;
};

/*
 * Copy and parse the WQE at @qp's SQ consumer; @posted basic blocks are there. 0, or
 * the CQE syndrome (MLX5_CQE_SYNDROME_*) that ends the QP.
 */
u8 soft_wqe_fetch(struct soft_qp *qp, u32 posted, struct soft_wqe *wqe);
/* Only its size in basic blocks (0: cannot be read) and opcode: for the flush. */
u32 soft_wqe_peek(struct soft_qp *qp, u32 posted, u8 *opcode);

#endif /* SOFT_TRANSPORT_WQE_H */
