/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A lane, and the doorbell pages that it polls: what others ask of it goes on its lists. Its
 * turn is not here, but above all rooms (lane/).
 */
#ifndef SOFT_SCHEDULE_LANE_H
#define SOFT_SCHEDULE_LANE_H

#include <mhca/hca.h>
#include "timer.h"

#define SOFT_TURN_REQUESTS	64	/* entries of each hand-over list taken in a turn */

struct soft_eth_tx;
struct soft_hca;
struct soft_wire;

/**
 * struct soft_lane_params - module parameters, one set for all lanes
 * @idle_us: a UAR page is zapped when nothing was stored to it for so long …
 * @idle_polls: … and that many polls
 * @spin_ns: polling in vain before a lane pauses on a CPU of its own
 * @pause_ns: length of a pause; at most twice
 * @look_ns: most between looks at idle pages that cannot be zapped; 0: they can be
 * @wqe_budget: WQEs per QP and turn
 * @byte_budget: bytes per QP and turn
 * @qp_polls: turns that a QP stays on the active list without work
 * @sweep: objects swept per UAR and turn, fewer while QPs have work
 * @error_poll_ms: how often records of QPs in ERR are read while idle
 */
struct soft_lane_params {
	u32 idle_us;
	u32 idle_polls;
	u64 spin_ns;
	u64 pause_ns;
	u64 look_ns;
	u32 wqe_budget;
	u32 byte_budget;
	u32 qp_polls;
	u32 sweep;
	u32 error_poll_ms;
};

/**
 * struct soft_lane - polls the doorbell pages of its instances and runs their QPs
 * @hca: HCA
 * @index: number
 * @params: parameters
 * @instances: instances assigned
 * @lock: held for a turn
 * @polled: instances with mapped UAR pages (soft_instance.uars_node)
 * @n_pages: of these, UAR pages
 * @n_zapping: of these pages, those with soft_uar.zapping
 * @active: instances with QPs that may have work (soft_instance.active_node)
 * @used: least soft_instance.used of those that are busy; of all the most when none was
 * @most: the most that one of its instances has used
 * @charged: ktime_get_ns() up to which the turn's time is somebody's (share.c)
 * @errors: QPs in ERR or SQER
 * @errors_left: of these, not yet looked at in the current round
 * @error_at: ktime_get_ns() of the next round
 * @error_wait: ns until the round after that: doubles while nothing is found
 * @memory: QPs that wait for the pin of a PA page (soft_qp.memory_node); taken
 *          off and activated when pages were pinned, or by the QP's timer
 * @memory_due: of these, who waited when pages were pinned: look again, some a turn
 * @pinned: pages were pinned: those on @memory are due
 * @timers: QPs and CQs that wait
 * @touch_lock: spinlock for @touched
 * @touched: UARs mapped again by a fault, or zapped: to be looked at
 * @fail_lock: spinlock for @failed, @called and @attention; innermost
 * @failed: QPs that another lane wants in ERR
 * @called: instances with frames in their inbox (soft_inbox.node)
 * @attention: CQs that owe an event or have failed (soft_cq.attention_node)
 * @wake: flag set by soft_lane_wake(), consumed by the thread
 * @asleep: the thread sleeps; written by it, a hint for everybody else
 * @thread: the kthread's handle (lane_thread.c)
 * @turns: turns taken
 * @busy: the last turn ran a QP that had work
 * @rang_at: ktime_get_ns() when a page last had something in it, lane->lock
 * @tx: scratch memory of the Ethernet engine (eth_tx.c), lane->lock
 * @wire: that of RoCE packets (transport/wire_engine.h), lane->lock
 * @datagram: bytes of a datagram that lie in many pieces (datagram.c), lane->lock
 */
struct soft_lane {
	struct soft_hca *hca;
	u32 index;
	struct soft_lane_params params;
	u32 instances;
	struct mutex lock;
	struct list_head polled;
	u32 n_pages;
	u32 n_zapping;
	struct list_head active;
	u64 used;
	u64 most;
	u64 charged;
	struct list_head errors;
	struct list_head errors_left;
	u64 error_at;
	u64 error_wait;
	struct list_head memory;
	struct list_head memory_due;
	atomic_t pinned;
	struct soft_timers timers;
	spinlock_t touch_lock;
	struct list_head touched;
	spinlock_t fail_lock;
	struct list_head failed;
	struct list_head called;
	struct list_head attention;
	atomic_t wake;
	bool asleep;
	void *thread;
	u64 turns;
	bool busy;
	u64 rang_at;
	struct soft_eth_tx *tx;
	struct soft_wire *wire;
	u8 *datagram;
};

/* Wake the lane's thread; any context (wake.c; the unit tests have their own). */
void soft_lane_wake(struct soft_lane *lane);

/**
 * struct soft_uar - a doorbell page
 * @obj: obj.num is the UAR index
 * @page: RAM page mapped into the guest. The lane exchanges doorbell words for
 *        SOFT_DOORBELL_NONE as it consumes them, so an equal store is seen.
 * @mapped: the guest may hold a mapping, as the front end said last; the lane polls
 *          these. Written under lane->touch_lock with WRITE_ONCE
 * @zapping: the front end was asked to unmap it and has not said that it did; nothing
 *           was stored since. It is polled, but the lane may sleep a little. lane->lock
 * @touch_node: on lane->touched, protected by lane->touch_lock
 * @touch_queued: on that list
 * @node: on si->uars, protected by lane->lock
 * @qps: QPs whose SQ doorbell is here (soft_qp.uar_node), lane->lock
 * @cqs: CQs armed here (soft_cq.uar_node), lane->lock
 * @sqs: Ethernet SQs whose doorbell is here (soft_sq.uar_node), lane->lock
 * @n_qps: length of @qps, @n_cqs: of @cqs, @n_sqs: of @sqs
 * @n_cqs: see @n_qps
 * @n_sqs: see @n_qps
 * @sweep_qps: QPs still to look at since the last doorbell seen: several objects
 *             share one register, so a store can overwrite another's. The named
 *             one is served at once, the rest a few per turn.
 * @sweep_cqs: the same for CQ arms
 * @sweep_sqs: the same for @sqs
 * @eager: QPs to sweep at full speed although the lane is busy: the sweep found
 *         work behind a hidden doorbell, and those come in bursts
 * @quiet: polls in a row that saw nothing
 * @quiet_since: ktime_get_ns() of the last doorbell seen
 */
struct soft_uar {
	struct mhca_object obj;
	void *page;
	bool mapped;
	bool zapping;
	struct list_head touch_node;
	bool touch_queued;
	struct list_head node;
	struct list_head qps;
	struct list_head cqs;
	struct list_head sqs;
	u32 n_qps;
	u32 n_cqs;
	u32 n_sqs;
	u32 sweep_qps;
	u32 sweep_cqs;
	u32 sweep_sqs;
	u32 eager;
	u32 quiet;
	u64 quiet_since;
};

/* Doorbell registers of a UAR page (K/uar.c, PRM "UAR page format"). */
#define SOFT_UAR_CQ_ARM		0x020
#define SOFT_UAR_EQ_ARM		0x040
#define SOFT_UAR_EQ_CI		0x048
#define SOFT_UAR_SQ		0x800	/* + k * 0x100, k = 0..7 */
#define SOFT_UAR_SQ_REGISTERS	8
/* No driver stores this: opcode 0xff, or CQ arm with cmd bits 0xff. */
#define SOFT_DOORBELL_NONE	(~0ULL)

#endif /* SOFT_SCHEDULE_LANE_H */
