/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The memory room's door: keys (mkey.c), lists of pieces under them, and cursors that copy (sgl.c).
 */
#ifndef SOFT_MEMORY_MEMORY_H
#define SOFT_MEMORY_MEMORY_H

#include "schedule/schedule.h"

/**
 * enum soft_result - how a step of the engine ended
 * @SOFT_OK: done
 * @SOFT_MORE: budget used up, go on in the next turn
 * @SOFT_AGAIN: guest memory not there yet (PA pin under way), or its key is being
 *              changed: again soon
 * @SOFT_RNR: responder has no receive WQE
 * @SOFT_NO_PEER: nobody answers: as if the packets were lost
 * @SOFT_AWAY: who would answer stands still for a while (MHCA_RUN_NONE)
 * @SOFT_LATE: a packet was not acknowledged in the QP's timeout
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
	SOFT_LATE,
	SOFT_SLOW,
	SOFT_LOCAL_LENGTH,
	SOFT_LOCAL_QP_OP,
	SOFT_LOCAL_PROT,
	SOFT_REMOTE_INVALID,
	SOFT_REMOTE_ACCESS,
	SOFT_REMOTE_OP,
	SOFT_BAD_RESPONSE,	/* a responder answered what was not asked for */
	SOFT_MEMORY_LOST,	/* a queue's own memory is unmapped */
	SOFT_MW_BIND,		/* a key that may not be changed like this */
};

/* ---- Keys ----------------------------------------------------------------- */

enum soft_access {
	SOFT_LOCAL_READ		= 1 << 0,	/* always granted by lr */
	SOFT_LOCAL_WRITE	= 1 << 1,
	SOFT_REMOTE_READ	= 1 << 2,
	SOFT_REMOTE_WRITE	= 1 << 3,
	SOFT_REMOTE_ATOMIC	= 1 << 4,
};

#define SOFT_WRITES	(SOFT_LOCAL_WRITE | SOFT_REMOTE_WRITE | SOFT_REMOTE_ATOMIC)
#define SOFT_ANY_QP	0xffffffU	/* soft_mkey.qpn */

/**
 * struct soft_mkey - a memory key; @obj.buffer dies when the VMM unmaps it
 * @umr: UMR WQEs may change it. Then what stands below @wanted may be looked at by
 *       who holds the key only, and changed by who has claimed it. Other keys never
 *       change.
 * @holds: who looks at it or moves bytes through it, SOFT_MKEY_CLAIMED: claimed
 * @wanted: ktime_get_ns() until which nobody new may hold it: a claim failed
 * @key: all 32 bits: index << 8 | variant
 * @pd: PD number
 * @qpn: QP it is bound to, 0xffffff: any
 * @access: enum soft_access bits
 * @pa: addresses are guest-physical (PA mode), no page list
 * @indirect: @xlt is a list of pieces of other, direct keys of its PD (struct mlx5_klm):
 *            a memory window, or a registration with gaps. Never changes.
 * @length64: no bounds
 * @free: grants nothing
 * @en_rinval: a peer's SEND with invalidate may free it
 * @start: first address
 * @len: bytes
 * @shift: log2 of the MTT's page size
 * @xlt: translations that UMR WQEs fill: guest-physical pages, whose host addresses
 *       are looked up at each use; NULL: @obj.buffer, or none
 * @n_xlt: entries of @xlt; of an @indirect key, two make one struct mlx5_klm
 * @ends: of an @indirect key, behind @xlt: where each of its entries ends, in bytes from @start. A piece
 *        lies between two of these, whatever the entry itself says at that moment
 */
struct soft_mkey {
	struct mhca_object obj;
	bool umr;
	atomic_t holds;
	u64 wanted;
	u32 key;
	u32 pd;
	u32 qpn;
	u8 access;
	bool pa;
	bool indirect;
	bool length64;
	bool free;
	bool en_rinval;
	u64 start;
	u64 len;
	u8 shift;
	__be64 *xlt;
	u32 n_xlt;
	u64 *ends;
};

#define SOFT_MKEY_CLAIMED	INT_MIN

/* Entries of an indirect key. */
static inline u32 soft_mkey_klms(const struct soft_mkey *mkey)
{
	return mkey->n_xlt / (sizeof(struct mlx5_klm) / sizeof(*mkey->xlt));
}

extern const struct mhca_object_ops soft_mkey_ops;
struct soft_mkey *soft_mkey_at(struct mhca_instance *inst, u32 key);	/* inside srcu */

/* mkey.c: looking at a key that UMR WQEs may change, and changing it. */
bool soft_mkey_hold(struct soft_mkey *mkey);
void soft_mkey_hold_more(struct soft_mkey *mkey);
void soft_mkey_release(struct soft_mkey *mkey);
bool soft_mkey_claim(struct soft_mkey *mkey);
void soft_mkey_yield(struct soft_mkey *mkey);
u32 soft_mkey_add_up(struct soft_mkey *mkey, u32 first, u32 n);
u8 soft_mkey_access(const void *mkc);
bool soft_mkey_fits(const struct soft_mkey *mkey, u64 start, u64 len, u8 shift);
enum soft_result soft_mkey_invalidate(struct mhca_instance *inst, u32 key, u32 pd, u32 qpn,
				      bool really);

/* ---- Pieces ---------------------------------------------------------------- */

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

#endif /* SOFT_MEMORY_MEMORY_H */
