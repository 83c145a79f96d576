/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a WQE asks for, once it is parsed (wqe.c), and the memory that it names: segments,
 * keys' checks, cursors that copy (sgl.c), changes of keys (umr.c).
 */
#ifndef SOFT_WQE_H
#define SOFT_WQE_H

#include <mhca/hca.h>

struct soft_toil;
struct soft_mkey;
struct soft_qp;
struct soft_srq;

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

#define SOFT_MAX_SEG	64

/**
 * struct soft_seg - one piece of a message
 * @inline_data: payload inside the WQE snapshot, or NULL
 * @addr: address under @lkey
 * @lkey: key
 * @len: bytes
 */
struct soft_seg {
	const u8 *inline_data;
	u64 addr;
	u32 lkey;
	u32 len;
};

/**
 * struct soft_sgl - a message's local memory
 * @seg: segments, zero-length ones dropped
 * @n: how many
 * @len: sum of lengths, 64 bits
 */
struct soft_sgl {
	struct soft_seg seg[SOFT_MAX_SEG];
	u32 n;
	u64 len;
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

/**
 * enum soft_result - how a step of the engine ended
 * @SOFT_OK: done
 * @SOFT_MORE: budget used up, go on in the next turn
 * @SOFT_AGAIN: guest memory not there yet (PA pin under way), or its key is being
 *              changed: again soon
 * @SOFT_RNR: responder has no receive WQE
 * @SOFT_NO_PEER: nobody answers: as if the packets were lost
 * @SOFT_AWAY: who would answer stands still for a while (MHCA_RUN_NONE)
 * @SOFT_SLOW: the receiver's memory is in many small pieces, and senders have had toil
 *             enough with those
 * @SOFT_LOCAL_LENGTH: … and below: errors, by the CQE syndrome they end in
 */
enum soft_result {
	SOFT_OK,
	SOFT_MORE,
	SOFT_AGAIN,
	SOFT_RNR,
	SOFT_NO_PEER,
	SOFT_AWAY,
	SOFT_SLOW,
	SOFT_LOCAL_LENGTH,
	SOFT_LOCAL_QP_OP,
	SOFT_LOCAL_PROT,
	SOFT_REMOTE_INVALID,
	SOFT_REMOTE_ACCESS,
	SOFT_REMOTE_OP,
	SOFT_MEMORY_LOST,	/* a queue's own memory is unmapped */
	SOFT_MW_BIND,		/* a key that may not be changed like this */
};

/*
 * A view of memory: one end of a copy. Either inline/host bytes or guest bytes
 * under keys. A cursor lives inside one srcu section; a message that goes on in a
 * later turn looks its keys up again, so a key that dies in mid-message stops it.
 * From soft_cursor_run() on it holds the key: who runs one releases it.
 */
/**
 * struct soft_cursor - position in one end of a copy
 * @inst: whose memory
 * @pd: PD number that keys must have
 * @qpn: QP on whose behalf (keys bound to a QP)
 * @access: access that the keys must grant
 * @remote: the key is an rkey of a message: all 32 bits must match
 * @segs: segments
 * @n_segs: how many
 * @seg: current segment
 * @offset: bytes consumed of it
 * @mkey: key of the current segment once it was found: held; NULL before
 * @target: @mkey is indirect: key that its current entry names: held; NULL before
 * @klm: that entry
 * @followed: entries of indirect keys that were followed: @follows at most
 * @follows: see @followed; soft_cursor_seek() sets SOFT_FOLLOW_MAX
 * @resumes: more of them is SOFT_MORE, with a new cursor in a later turn; otherwise it is
 *           an error
 * @small: of those, pieces of less than SOFT_FOLLOW_BYTES
 * @toil: of senders with the owner of the memory, to whom they are counted; NULL: the
 *        owner is the sender, whose turn pays (soft_cursor_cost())
 */
struct soft_cursor {
	struct mhca_instance *inst;
	u32 pd;
	u32 qpn;
	u8 access;
	bool remote;
	const struct soft_seg *segs;
	u32 n_segs;
	u32 seg;
	u32 offset;
	struct soft_mkey *mkey;
	struct soft_mkey *target;
	u32 klm;
	u32 followed;
	u32 follows;
	bool resumes;
	u32 small;
	struct soft_toil *toil;
};

/* Pieces that one end of a datagram, a frame or an atomic operation may lie in. */
#define SOFT_FOLLOW_MAX		64U
/* … and of a message that goes on in a later turn, in one turn. */
#define SOFT_FOLLOW_TURN	256U
/* Of a turn's budget, for a piece: it may be one byte. */
#define SOFT_FOLLOW_BYTES	512U

static inline u64 soft_cursor_cost(const struct soft_cursor *cursor)
{
	return (u64)cursor->followed * SOFT_FOLLOW_BYTES;
}

/* Put @cursor at byte @at of its segments. */
void soft_cursor_seek(struct soft_cursor *cursor, u64 at);
/*
 * Longest contiguous run at @cursor, at most @want bytes: host address in @ptr.
 * SOFT_OK, SOFT_AGAIN, SOFT_MORE if @cursor->resumes, SOFT_SLOW if @cursor->toil, or
 * *_PROT / REMOTE_ACCESS by @cursor->remote.
 */
enum soft_result soft_cursor_run(struct soft_cursor *cursor, u32 want, void **ptr, u32 *len);
/* Move past @len bytes of the current run. */
void soft_cursor_advance(struct soft_cursor *cursor, u32 len);
/* What soft_cursor_run() gave is not used any more. */
void soft_cursor_release(struct soft_cursor *cursor);
/* Is all of @len bytes from here on present? As soft_cursor_run(); moves @cursor. */
enum soft_result soft_cursor_probe(struct soft_cursor *cursor, u64 len);
/* Ask for missing pages from here on, a bounded number of them. */
void soft_cursor_ask(const struct soft_cursor *at, u64 len);
/* Copy @len bytes; *done says how far it came, *failed which end the result is about. */
enum soft_result soft_copy(struct soft_cursor *to, struct soft_cursor *from, u64 len,
			   u64 *done, struct soft_cursor **failed);
/* Check a whole range once, before the first byte moves: key, PD, access, bounds. */
enum soft_result soft_key_check(struct mhca_instance *inst, u32 key, u32 pd, u32 qpn,
				u64 addr, u64 len, u8 access, bool remote);
/* Check the segments that the first @len bytes of an sgl lie in (local keys). */
enum soft_result soft_sgl_check(struct mhca_instance *inst, const struct soft_sgl *sgl,
				u64 len, u32 pd, u32 qpn, u8 access);

#endif /* SOFT_WQE_H */
