// SPDX-License-Identifier: GPL-2.0-only
/*
 * Completions: 64-byte CQEs, ownership, arming, events, moderation, overrun.
 *
 * Any lane completes into any CQ, under cq->lock. What only the owner's lane may do
 * (timers, walking the CQ's QPs) is asked for by putting the CQ on that lane's
 * attention list.
 *
 * The arm word of the CQ's record is the truth about arming; the UAR register is a
 * hint to look at it. It holds SOFT_ARM_NONE from creation and after each event, so
 * that every arm of a driver, the all-zero first one included, is seen. Drivers count
 * the events in an arm's sequence number. Newer mlx5_core (Debian's 6.1.192, 6.12.117,
 * 7.2.13) stores an arm with number 2 in the record of a new CQ, which shall not be
 * taken for one.
 */
#include <mhca/kernel.h>
#include "queue.h"

#define SOFT_CI_MASK		0xffffffU
#define SOFT_CI_SHORT_BITS	16		/* of a poll-mode driver's consumer index */
#define SOFT_CI_AHEAD		0x800000U	/* half the range: "not behind" */
#define SOFT_ARM_SOLICITED	BIT(24)
#define SOFT_ARM_SN		GENMASK(29, 28)
#define SOFT_USER_INDEX_NONE	0xffffffU
#define SOFT_CQE_LOG_BYTES	6
#define SOFT_CQ_OVERRUN		1		/* CQ_ERROR event's syndrome */
#define SOFT_EQ_RETRY_NS	(1000 * 1000ULL)
/* flags_rqpn */
#define SOFT_CQE_GRH_SHIFT	28
#define SOFT_CQE_HAS_VLAN	BIT(0)
#define SOFT_CQE_SL_SHIFT	24
/* op_own */
#define SOFT_CQE_OPCODE_SHIFT	4
#define SOFT_CQE_SOLICITED	BIT(1)

static struct soft_lane *soft_cq_lane(const struct soft_cq *cq)
{
	return soft_instance(cq->obj.inst)->lane;
}

void soft_cq_call_lane(struct soft_cq *cq)
{
	struct soft_lane *lane = soft_cq_lane(cq);

	spin_lock(&lane->fail_lock);
	if (!cq->attention_queued) {
		cq->attention_queued = true;
		list_add_tail(&cq->attention_node, &lane->attention);
	}
	spin_unlock(&lane->fail_lock);
	soft_lane_wake(lane);
}

/* No CQE is written any more; the owner's lane moves the QPs to ERR. */
static void soft_cq_fail(struct soft_cq *cq)
{
	lockdep_assert_held(&cq->lock);
	cq->failed = true;
	mhca_event_cq_error(cq->obj.inst, cq->obj.num, SOFT_CQ_OVERRUN);
	soft_cq_call_lane(cq);
}

/* ---- The 64 bytes ------------------------------------------------------ */

/*
 * Word 0x20: a QP or SRQ with a user index has CQEs of version 1, which carry it;
 * version 0 has the SRQ's number or 0.
 */
static u32 soft_cqe_index(const struct soft_qp_base *qp, const struct soft_srq *srq)
{
	u32 index = srq && srq->flavour == SOFT_XRC_SRQ ? srq->user_index : qp->user_index;

	if (index != SOFT_USER_INDEX_NONE)
		return index;
	return srq ? srq->obj.num : 0;
}

static bool soft_cqe_is_error(const struct soft_cqe *cqe)
{
	return cqe->opcode == MLX5_CQE_REQ_ERR || cqe->opcode == MLX5_CQE_RESP_ERR;
}

static void soft_cqe_fill_good(struct mlx5_cqe64 *raw, const struct soft_cqe *cqe)
{
	u64 now = ktime_get_ns();

	raw->ml_path = cqe->path_bits;
	raw->slid = cpu_to_be16(cqe->slid);
	raw->flags_rqpn = cpu_to_be32((u32)cqe->grh << SOFT_CQE_GRH_SHIFT |
				      (u32)(cqe->sl & 0xf) << SOFT_CQE_SL_SHIFT |
				      (cqe->src_qpn & 0xffffff));
	if (cqe->vlan_valid) {
		raw->l4_l3_hdr_type = SOFT_CQE_HAS_VLAN;
		raw->vlan_info = cpu_to_be16(cqe->vlan);
	}
	if (cqe->opcode == MLX5_CQE_RESP_SEND && cqe->pkey)
		raw->pkey = cpu_to_be32(cqe->pkey);
	else
		raw->immediate = cqe->imm;
	raw->byte_cnt = cpu_to_be32(cqe->bytes);
	raw->timestamp_h = cpu_to_be32(now >> 32);
	raw->timestamp_l = cpu_to_be32((u32)now);
}

static void soft_cqe_fill_error(struct mlx5_err_cqe *raw, const struct soft_cqe *cqe)
{
	raw->vendor_err_synd = cqe->vendor;
	raw->syndrome = cqe->syndrome;
}

union soft_cqe_raw {
	struct mlx5_cqe64 good;
	struct mlx5_err_cqe error;
	u64 words[8];
};

static void soft_cqe_fill(union soft_cqe_raw *raw, const struct soft_cq *cq,
			  const struct soft_qp_base *qp, const struct soft_cqe *cqe)
{
	u8 owner = (cq->pi >> cq->ring.log_size) & 1;

	BUILD_BUG_ON(sizeof(*raw) != 1 << SOFT_CQE_LOG_BYTES);
	memset(raw, 0, sizeof(*raw));
	if (soft_cqe_is_error(cqe))
		soft_cqe_fill_error(&raw->error, cqe);
	else
		soft_cqe_fill_good(&raw->good, cqe);
	/* The rest lies at the same place in both. */
	raw->good.srqn = cpu_to_be32(soft_cqe_index(qp, cqe->srq));
	raw->good.sop_drop_qpn = cpu_to_be32((u32)cqe->wqe_opcode << 24 | qp->obj.num);
	raw->good.wqe_counter = cpu_to_be16(cqe->counter);
	raw->good.op_own = cqe->opcode << SOFT_CQE_OPCODE_SHIFT |
			   (cqe->solicited ? SOFT_CQE_SOLICITED : 0) | owner;
}

/* ---- Writing it -------------------------------------------------------- */

/* Where CQE @cq->pi goes, or NULL: memory gone. */
static void *soft_cq_cell(const struct soft_cq *cq)
{
	const struct soft_ring *ring = &cq->ring;
	u64 at = ring->offset + ((u64)(cq->pi & ((1U << ring->log_size) - 1)) <<
				 ring->log_stride);
	u32 run;

	/* In a 128-byte entry the CQE is the second half. */
	if (ring->log_stride > SOFT_CQE_LOG_BYTES)
		at += 1U << SOFT_CQE_LOG_BYTES;
	return mhca_pages_at(ring->pages, at, &run);
}

/*
 * The guest sees a CQE by its last byte: that word is stored last, in one piece.
 * Entries are aligned, so a CQE never crosses a page.
 */
static void soft_cqe_store(struct soft_cq *cq, u64 *cell, const union soft_cqe_raw *raw)
{
	memcpy(cell, raw->words, sizeof(raw->words) - sizeof(raw->words[0]));
	smp_wmb();	/* the rest before the last word */
	WRITE_ONCE(cell[7], raw->words[7]);
	mhca_guest_dirty(cq->obj.inst, cell, sizeof(*raw));
}

/**
 * soft_cq_used() - CQEs that the consumer has not taken, as its record says
 * @cq: CQ; its lock held
 * @record: its record
 *
 * Kernel and verbs drivers store a consumer index of 24 bits, poll-mode drivers one of
 * 16. The producer is never ahead by more than the CQ's size, so where that fits 16
 * bits are enough to tell every distance, and an overrun is met at exactly the size.
 *
 * Return: more than the size for an index from nowhere.
 */
u32 soft_cq_used(const struct soft_cq *cq, const __be32 *record)
{
	u32 mask = cq->ring.log_size < SOFT_CI_SHORT_BITS ? GENMASK(SOFT_CI_SHORT_BITS - 1, 0) :
							    SOFT_CI_MASK;

	lockdep_assert_held(&cq->lock);
	return (cq->pi - be32_to_cpu(READ_ONCE(record[0]))) & mask;
}

/* Room for one more? A consumer index from nowhere counts as an overrun, too. */
static bool soft_cq_has_room(struct soft_cq *cq, const __be32 *record)
{
	if (likely(soft_cq_used(cq, record) < 1U << cq->ring.log_size) || cq->ignore_overrun)
		return true;
	mhca_count(cq->obj.inst, cq_overruns);
	return false;
}

/* An error CQE's place among the counters of its QP. */
static void soft_cqe_count_error(const struct soft_qp_base *qp, const struct soft_cqe *cqe)
{
	bool flush = cqe->syndrome == MLX5_CQE_SYNDROME_WR_FLUSH_ERR;

	mhca_count(qp->obj.inst, error_cqes);
	if (cqe->opcode == MLX5_CQE_RESP_ERR) {
		soft_q_count(qp, resp_cqe_error);
		if (flush)
			soft_q_count(qp, resp_cqe_flush_error);
		else if (cqe->syndrome == MLX5_CQE_SYNDROME_LOCAL_LENGTH_ERR)
			soft_q_count(qp, resp_local_length_error);
		return;
	}
	soft_q_count(qp, req_cqe_error);
	if (flush)
		soft_q_count(qp, req_cqe_flush_error);
	else if (cqe->syndrome == MLX5_CQE_SYNDROME_REMOTE_INVAL_REQ_ERR)
		soft_q_count(qp, req_remote_invalid_request);
	else if (cqe->syndrome == MLX5_CQE_SYNDROME_REMOTE_ACCESS_ERR)
		soft_q_count(qp, req_remote_access_errors);
}

static bool soft_cq_write(struct soft_cq *cq, struct soft_qp_base *qp,
			  const struct soft_cqe *cqe, const __be32 *record)
{
	union soft_cqe_raw raw;
	void *cell = soft_cq_cell(cq);

	lockdep_assert_held(&cq->lock);
	if (unlikely(!cell || !record)) {
		mhca_count(cq->obj.inst, pins_lost);
		return false;
	}
	if (unlikely(!soft_cq_has_room(cq, record)))
		return false;
	soft_cqe_fill(&raw, cq, qp, cqe);
	soft_cqe_store(cq, cell, &raw);
	cq->pi++;
	mhca_count(cq->obj.inst, cqes);
	if (soft_cqe_is_error(cqe)) {
		soft_cqe_count_error(qp, cqe);
		trace_mhca_error_cqe(cq->obj.inst->id.name, qp->obj.num, cqe->opcode,
				     cqe->syndrome, cqe->vendor);
	}
	if (cqe->solicited || soft_cqe_is_error(cqe))
		cq->pi_solicited = cq->pi;
	return true;
}

/* ---- Events ------------------------------------------------------------ */

/**
 * soft_cq_armed() - is the word of a CQ's record an arm that was not answered?
 * @cq: CQ; its lock held
 * @word: as it stands there
 *
 * Return: true: an event is due when there are CQEs.
 */
bool soft_cq_armed(const struct soft_cq *cq, __be32 word)
{
	lockdep_assert_held(&cq->lock);
	return word != SOFT_ARM_NONE && (cq->fired || !(be32_to_cpu(word) & SOFT_ARM_SN));
}

/* CQEs that an arm word asks about and its writer has not seen. */
static u32 soft_cq_waiting(const struct soft_cq *cq, u32 arm)
{
	u32 pi = arm & SOFT_ARM_SOLICITED ? cq->pi_solicited : cq->pi;
	u32 n = (pi - arm) & SOFT_CI_MASK;

	return n < SOFT_CI_AHEAD ? n : 0;
}

static void soft_cq_owe(struct soft_cq *cq, u64 delay_ns)
{
	if (cq->event_due)
		return;
	cq->event_due = true;
	cq->deadline = ktime_get_ns() + delay_ns;
	soft_cq_call_lane(cq);
}

/* Is the event to wait for more CQEs? A period of 0 is over at once. */
static bool soft_cq_moderate(struct soft_cq *cq, u32 waiting)
{
	if (!cq->period_us || waiting >= max_t(u32, cq->max_count, 1))
		return false;
	soft_cq_owe(cq, cq->period_us * 1000ULL);
	return true;
}

/*
 * One event per arm: whoever takes the arm word out of the record sends it. When
 * the EQ is full the word goes back, unless the guest has armed again meanwhile.
 */
static void soft_cq_fire(struct soft_cq *cq, __be32 *record, __be32 arm)
{
	if (cmpxchg(&record[1], arm, SOFT_ARM_NONE) != arm) {
		soft_cq_owe(cq, 0);
		return;
	}
	if (unlikely(!mhca_eq_post_comp(cq->eq, cq->obj.num))) {
		(void)cmpxchg(&record[1], SOFT_ARM_NONE, arm);
		soft_cq_owe(cq, SOFT_EQ_RETRY_NS);
	} else {
		cq->fired = true;
	}
	mhca_guest_dirty(cq->obj.inst, &record[1], sizeof(record[1]));
}

/*
 * Fire if armed and CQEs wait. @late: the moderation period is over. The barrier
 * orders the CQE (or the guest's arm, on the other side) before the look at the
 * other's word: one of the two sees both.
 */
static void soft_cq_notify(struct soft_cq *cq, __be32 *record, bool late)
{
	__be32 arm;
	u32 waiting;

	lockdep_assert_held(&cq->lock);
	if (!cq->eq)
		return;
	smp_mb();	/* CQE or arm before the other one's word */
	arm = READ_ONCE(record[1]);
	if (!soft_cq_armed(cq, arm))
		return;
	waiting = soft_cq_waiting(cq, be32_to_cpu(arm));
	if (!waiting || (!late && soft_cq_moderate(cq, waiting)))
		return;
	soft_cq_fire(cq, record, arm);
}

/**
 * soft_complete() - write a CQE and the event it is due
 * @cq: where, or NULL: the completion is for nobody
 * @qp: whose completion
 * @cqe: what
 *
 * Any lane, inside srcu. A CQ that overruns fails: nothing is written to it any
 * more and its QPs go to ERR.
 */
void soft_complete(struct soft_cq *cq, struct soft_qp_base *qp, const struct soft_cqe *cqe)
{
	__be32 *record;

	if (!cq)
		return;
	spin_lock(&cq->lock);
	if (likely(!cq->failed)) {
		record = mhca_object_record(&cq->obj);
		if (likely(soft_cq_write(cq, qp, cqe, record)))
			soft_cq_notify(cq, record, false);
		else
			soft_cq_fail(cq);
	}
	spin_unlock(&cq->lock);
}

static bool soft_cq_write_raw(struct soft_cq *cq, struct mlx5_cqe64 *cqe, const __be32 *record)
{
	union soft_cqe_raw raw;
	void *cell = soft_cq_cell(cq);

	lockdep_assert_held(&cq->lock);
	if (unlikely(!cell || !record)) {
		mhca_count(cq->obj.inst, pins_lost);
		return false;
	}
	if (unlikely(!soft_cq_has_room(cq, record)))
		return false;
	raw.good = *cqe;
	raw.good.op_own |= (cq->pi >> cq->ring.log_size) & 1;
	soft_cqe_store(cq, cell, &raw);
	cq->pi++;
	mhca_count(cq->obj.inst, cqes);
	if (get_cqe_opcode(cqe) == MLX5_CQE_REQ_ERR) {
		mhca_count(cq->obj.inst, error_cqes);
		cq->pi_solicited = cq->pi;
	}
	return true;
}

/**
 * soft_complete_raw() - write a CQE that is complete but for its owner bit
 * @cq: where
 * @cqe: what, owner bit 0
 *
 * For queues that are no QPs. Any lane and the uplink, inside srcu; otherwise like
 * soft_complete().
 */
void soft_complete_raw(struct soft_cq *cq, struct mlx5_cqe64 *cqe)
{
	__be32 *record;

	spin_lock(&cq->lock);
	if (likely(!cq->failed)) {
		record = mhca_object_record(&cq->obj);
		if (likely(soft_cq_write_raw(cq, cqe, record)))
			soft_cq_notify(cq, record, false);
		else
			soft_cq_fail(cq);
	}
	spin_unlock(&cq->lock);
}

static void soft_cq_look(struct soft_cq *cq, bool late)
{
	__be32 *record;

	spin_lock(&cq->lock);
	if (late)
		cq->event_due = false;
	/* Otherwise all CQs are looked at again when it may. */
	record = soft_may_dma(soft_instance(cq->obj.inst)) ? mhca_object_record(&cq->obj) : NULL;
	if (record && !cq->failed)
		soft_cq_notify(cq, record, late);
	spin_unlock(&cq->lock);
}

/**
 * soft_cq_check_arm() - an arm was seen or may have been missed
 * @cq: CQ
 */
void soft_cq_check_arm(struct soft_cq *cq)
{
	soft_cq_look(cq, false);
}

/**
 * soft_cq_timer() - the period is over, or the EQ may have room again
 * @cq: CQ; its lane's lock held
 */
void soft_cq_timer(struct soft_cq *cq)
{
	lockdep_assert_held(&soft_cq_lane(cq)->lock);
	soft_cq_look(cq, true);
}

/* Condemn QPs of a CQ that has failed, at most @most of them: how many. */
static u32 soft_cq_tell(struct soft_cq *cq, u32 most)
{
	struct soft_qp_base *qp;
	u32 n;

	for (n = 0; n < most; n++) {
		qp = list_first_entry_or_null(&cq->attached_send, struct soft_qp_base, send_cq_node);
		if (qp) {
			list_move_tail(&qp->send_cq_node, &cq->told_send);
			soft_lane_fail(qp);
			continue;
		}
		qp = list_first_entry_or_null(&cq->attached_recv, struct soft_qp_base, recv_cq_node);
		if (!qp)
			break;
		list_move_tail(&qp->recv_cq_node, &cq->told_recv);
		soft_lane_fail(qp);
	}
	return n;
}

/**
 * soft_cq_attend() - the CQ was on its lane's attention list
 * @cq: CQ; its lane's lock held
 *
 * One with many QPs comes again. Return: how many QPs were condemned.
 */
u32 soft_cq_attend(struct soft_cq *cq)
{
	struct soft_lane *lane = soft_cq_lane(cq);
	bool failed, due;
	u64 deadline;
	u32 n;

	lockdep_assert_held(&lane->lock);
	spin_lock(&cq->lock);
	failed = cq->failed;
	due = cq->event_due;
	deadline = cq->deadline;
	spin_unlock(&cq->lock);

	if (!failed) {
		if (due)
			soft_timer_arm(&lane->timers, &cq->timer, deadline);
		return 0;
	}
	n = soft_cq_tell(cq, SOFT_TURN_REQUESTS);
	if (n == SOFT_TURN_REQUESTS)
		soft_cq_call_lane(cq);
	return n;
}
