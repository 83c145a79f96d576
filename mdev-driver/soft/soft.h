/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The software HCA's own types and who calls whom.
 *
 *   main.c (module), lane_thread.c (kthreads)          the impure part
 *   hca.c  uar.c  mkey.c  cq.c  srq.c  qp.c  qp_modify.c  mcast.c   objects: commands
 *   lane.c  share.c  timer.c  patience.c  toil.c       scheduling: what to do next
 *   wqe.c  sgl.c  umr.c                                WQEs to segments, copying, keys
 *   requester.c  responder.c  datagram.c  complete.c   transport
 *   flush.c                                            QPs in error
 *
 * Locks, in order (docs/locking.md):
 *   instance cmd_lock -> lane->lock -> qp->rsp.lock -> srq->lock -> cq->lock
 * lane->lock (mutex) is held for a whole, bounded turn: it protects the
 * requester half of every QP of the lane's instances and all lane lists.
 * qp->rsp.lock (mutex) protects the responder half; any lane may take it, one at
 * a time. srq->lock and cq->lock are spinlocks.
 * Every engine access to an object runs inside srcu (soft_hca.srcu); destroy
 * unlinks under the locks and then waits for srcu.
 */
#ifndef SOFT_H
#define SOFT_H

#include <mhca/hca.h>
#include "mcast.h"
#include "switch.h"
#include "toil.h"
#include "wqe.h"

struct soft_hca;
struct soft_lane;
struct soft_qp;
struct soft_cqe;
struct soft_flow;
struct soft_port;
struct soft_eth_tx;
struct soft_uplink_ops;

/* ---- Timers: a min-heap per lane (timer.c) ---------------------------- */

/**
 * struct soft_timer - something to look at later
 * @deadline: ktime_get_ns() at which it is due
 * @pos: position in the heap + 1, 0: not armed
 * @kind: what it is embedded in
 */
struct soft_timer {
	u64 deadline;
	u32 pos;
	enum { SOFT_TIMER_QP, SOFT_TIMER_CQ, SOFT_TIMER_INSTANCE } kind;
};

/**
 * struct soft_timers - heap; protected by the lane's lock
 * @heap: @n armed timers, least deadline first
 * @n: armed
 * @size: allocated; grown by soft_timers_reserve() when a QP or CQ is created
 *        so that arming never allocates
 * @reserved: QPs and CQs on the lane
 */
struct soft_timers {
	struct soft_timer **heap;
	u32 n;
	u32 size;
	u32 reserved;
};

int soft_timers_reserve(struct soft_timers *timers, struct mutex *lock);
void soft_timers_release(struct soft_timers *timers);
void soft_timer_arm(struct soft_timers *timers, struct soft_timer *timer, u64 deadline);
void soft_timer_cancel(struct soft_timers *timers, struct soft_timer *timer);
/* The due timer with the least deadline, disarmed; NULL: none due at @now. */
struct soft_timer *soft_timer_pop(struct soft_timers *timers, u64 now);
void soft_timers_free(struct soft_timers *timers);

/* ---- Objects ---------------------------------------------------------- */

/**
 * struct soft_instance - the backend's half of an instance (inst->backend)
 * @inst: the instance
 * @hca: the HCA
 * @lane: the lane that executes it; fixed while it exists
 * @lid: its unicast LID
 * @qp0: SMI QP, @qp1: GSI QP: where datagrams to QPN 0 and 1 go. Written under
 *       the command lock with WRITE_ONCE, read inside srcu.
 * @qp1: see @qp0
 * @attached: QP attachments to multicast groups, hca->mcast.lock
 * @groups: multicast groups with QPs of it, hca->mcast.lock
 * @n_groups: how many
 * @mcast_segment: the segment that they are in: its port's, port lock
 * @active: its QPs that may have work (soft_qp.active_node), lane->lock
 * @active_node: on lane->active while @active has entries, lane->lock
 * @active_sqs: its Ethernet SQs that may have work (soft_sq.active_node), lane->lock
 * @uars: its mapped UAR pages (soft_uar.node), lane->lock
 * @uars_node: on lane->polled while @uars has entries, lane->lock
 * @busy: they had work in the last turn, lane->lock
 * @xlt: entries of the translation tables of its keys, command lock
 * @roce: its guest has RoCE on
 * @gid_table: which of the tables in @gid is in use (roce.c)
 * @gid: RoCE address table, twice
 * @flow: flow tables of an Ethernet port (flow.c), or NULL
 * @port: place in the switch (port.c), or NULL
 * @used: ns of lane time it had, by its weight: all that was done for one of its
 *        objects. One that begins to be busy starts at the least of the others, or at
 *        what it owes above that (soft_share_start()). lane->lock
 * @owed: ns that others' lanes spent on what is its own doing (soft_share_charge())
 * @rate: bytes that it may move (share.c), lane->lock
 * @throttled: these are used up: not on lane->active, @timer is armed. lane->lock
 * @throttled_at: ktime_get_ns() since when …
 * @throttled_until: … and until when
 * @late: bytes above the burst that @rate may hold: the lane was late. lane->lock
 * @timer: end of that
 * @patience: of senders of messages with its memory (datagram.c, requester.c)
 * @held: its own with others' memory
 * @toil: of senders with the pieces of its keys
 */
struct soft_instance {
	struct mhca_instance *inst;
	struct soft_hca *hca;
	struct soft_lane *lane;
	u16 lid;
	struct soft_qp *qp0;
	struct soft_qp *qp1;
	u32 attached;
	struct list_head groups;
	u32 n_groups;
	u32 mcast_segment;
	struct list_head active;
	struct list_head active_node;
	struct list_head active_sqs;
	struct list_head uars;
	struct list_head uars_node;
	bool busy;
	u64 xlt;
	bool roce;
	u8 gid_table;
	struct mhca_roce_address gid[2][MHCA_ROCE_ADDRESSES];
	struct soft_flow *flow;
	struct soft_port *port;
	u64 used;
	atomic64_t owed;
	struct mhca_bucket rate;
	bool throttled;
	u64 throttled_at;
	u64 throttled_until;
	u64 late;
	struct soft_timer timer;
	struct soft_patience patience;
	struct soft_patience held;
	struct soft_toil toil;
};

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
/* What the device leaves in a CQ's arm record after it saw or fired an arm. */
#define SOFT_ARM_NONE		cpu_to_be32(~0U)

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

/* ---- QP --------------------------------------------------------------- */

/**
 * struct soft_qp - queue pair
 * @obj: record = {receive counter, send counter}
 * @si: its instance
 * @type: MLX5_QP_ST_*
 * @fast_reg: its owner is trusted with guest-physical addresses: UMR WQEs may fill and
 *            change every key of its PD, not only indirect ones (qpc.fre)
 * @state: enum mlx5_qp_state. Written under both lane->lock and rsp.lock; may
 *         be read under either.
 * @attr: attributes in QUERY_QP's layout: the qpc as the guest last set it, field
 *        by field (qp_modify.c's table says which transition takes which)
 * @pd: PD number (also in @attr; the data path's copies follow)
 * @remote_qpn: connected services
 * @qkey: UD
 * @deth_sqpn: source QPN shown to receivers of datagrams
 * @user_index: CQE version 1
 * @counter_set: number of the Q counter set that its events go to, 0: none. Read with
 *               READ_ONCE() by any lane
 * @mtu: bytes
 * @av: primary path
 * @send_cq: CQ of the SQ or NULL
 * @recv_cq: CQ of the RQ or NULL
 * @srq: or NULL
 * @xrcd: XRC
 * @uar: SQ doorbell page
 * @uar_node: on uar->qps
 * @send_cq_node: on send_cq->attached_send
 * @recv_cq_node: on recv_cq->attached_recv
 * @active_node: on si->active while there may be work
 * @idle_polls: turns in a row on that list without work
 * @err_node: on lane->errors while in ERR: records are polled for drains
 * @fail_node: on lane->failed, protected by lane->fail_lock: another lane found
 *             that this QP must go to ERR
 * @fail_queued: on that list
 * @memory_node: on lane->memory while it waits for the pin of a PA page (its own
 *               or its peer's); @timer is armed as well, as a fallback
 * @groups: its places in multicast groups, hca->mcast.lock
 * @timer: RNR, retry, or memory wait
 * @sig_all: unused by mlx5 guests, kept 0
 * @req: requester half, lane->lock
 * @rsp: responder half, rsp.lock
 */
struct soft_qp {
	struct mhca_object obj;
	struct soft_instance *si;
	u8 type;
	bool fast_reg;
	u8 state;
	u8 attr[MLX5_ST_SZ_BYTES(qpc)] __aligned(8);
	u32 pd;
	u32 remote_qpn;
	u32 qkey;
	u32 deth_sqpn;
	u32 user_index;
	u8 counter_set;
	u32 mtu;
	struct soft_av av;
	struct soft_cq *send_cq;
	struct soft_cq *recv_cq;
	struct soft_srq *srq;
	u32 xrcd;
	struct soft_uar *uar;
	struct list_head uar_node;
	struct list_head send_cq_node;
	struct list_head recv_cq_node;
	struct list_head active_node;
	u32 idle_polls;
	struct list_head err_node;
	struct list_head fail_node;
	bool fail_queued;
	struct list_head memory_node;
	struct list_head groups;
	struct soft_timer timer;

	/**
	 * @req.ring: SQ of 64-byte basic blocks; log_size may be absent (@req.none)
	 * @req.none: no SQ
	 * @req.consumer: 16-bit counter of the next basic block
	 * @req.psn: of the next packet
	 * @req.retry_count: configured, @req.rnr_retry: configured (7: for ever)
	 * @req.ack_timeout: 5-bit code, 0: for ever
	 * @req.retries: used up for the current WQE, @req.rnr_retries: likewise
	 * @req.waiting: not to be run before @timer fires
	 * @req.wait: of a message for its receiver's memory
	 * @req.busy: @req.wqe is fetched and not complete
	 * @req.done: bytes of it moved
	 * @req.group: whom of a multicast group it has reached
	 * @req.packets: PSNs that it takes
	 * @req.wqe: current WQE
	 */
	struct {
		struct soft_ring ring;
		bool none;
		u16 consumer;
		u32 psn;
		u8 retry_count;
		u8 rnr_retry;
		u8 ack_timeout;
		u8 retries;
		u8 rnr_retries;
		bool waiting;
		bool busy;
		struct soft_wait wait;
		u64 done;
		struct soft_mcast_at group;
		u32 packets;
		struct soft_wqe wqe;
	} req;

	/**
	 * @rsp.lock: mutex
	 * @rsp.ring: RQ; @rsp.none: no RQ of its own
	 * @rsp.consumer: 16-bit counter of the next receive WQE
	 * @rsp.psn: expected PSN
	 * @rsp.access: enum soft_access bits that remote operations may have
	 * @rsp.min_rnr: 5-bit code
	 * @rsp.dead: must go to ERR, takes nothing any more
	 * @rsp.established: the COMM_EST event of this life was sent
	 * @rsp.last_due: the SRQ_LAST_WQE event of this life is to be sent
	 * @rsp.busy: a receive WQE is held for a message in progress
	 * @rsp.recv: that WQE
	 */
	struct {
		struct mutex lock;
		struct soft_ring ring;
		bool none;
		u16 consumer;
		u32 psn;
		u8 access;
		u8 min_rnr;
		bool dead;
		bool established;
		bool last_due;
		bool busy;
		struct soft_recv recv;
	} rsp;
};

/*
 * An event of @qp for its Q counter set, if it has one. Inside srcu. Sets may be given back
 * while QPs name them; so they are found anew each time.
 */
static inline struct mhca_qcounter *soft_qcounter(const struct soft_qp *qp)
{
	u8 set = READ_ONCE(qp->counter_set);

	return set ? (struct mhca_qcounter *)mhca_object_find(qp->obj.inst, MHCA_QCOUNTER, set) :
		     NULL;
}

#define soft_q_count(qp, name)							\
	do {									\
		struct mhca_qcounter *__set = soft_qcounter(qp);		\
										\
		if (__set)							\
			atomic64_inc(&__set->name);				\
	} while (0)

/* ---- Lanes (lane.c, lane_thread.c) ------------------------------------ */

/**
 * struct soft_lane_params - module parameters, one set for all lanes
 * @idle_us: a UAR page is zapped when nothing was stored to it for so long …
 * @idle_polls: … and that many polls
 * @spin_ns: polling in vain before a lane pauses on a CPU of its own
 * @pause_ns: length of a pause; at most twice
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
 * @fail_lock: spinlock for @failed and @attention; innermost
 * @failed: QPs that another lane wants in ERR
 * @attention: CQs that owe an event or have failed (soft_cq.attention_node)
 * @wake: flag set by soft_lane_wake(), consumed by the thread
 * @asleep: the thread sleeps; written by it, a hint for everybody else
 * @thread: the kthread's handle (lane_thread.c)
 * @turns: turns taken
 * @busy: the last turn ran a QP that had work
 * @tx: scratch memory of the Ethernet engine (eth_tx.c), lane->lock
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
	struct list_head attention;
	atomic_t wake;
	bool asleep;
	void *thread;
	u64 turns;
	bool busy;
	struct soft_eth_tx *tx;
	u8 *datagram;
};

/* One turn: takes lane->lock and srcu. true: did something, call again at once. */
bool soft_lane_turn(struct soft_lane *lane);
/*
 * After a turn that did nothing: true when the lane may sleep (all UARs zapped,
 * no active QP); *deadline: ktime at which it must look again, U64_MAX: never.
 */
bool soft_lane_may_sleep(struct soft_lane *lane, u64 *deadline);
void soft_lane_init(struct soft_lane *lane, struct soft_hca *hca, u32 index,
		    const struct soft_lane_params *params);
/* A waiting QP may run again: off the timer heap and @memory, active. lane->lock */
void soft_lane_resume(struct soft_lane *lane, struct soft_qp *qp);
/* The lane's thread (lane_thread.c): @cpus: where it may run, NULL: anywhere. */
struct cpumask;
int soft_lane_start(struct soft_lane *lane, const struct cpumask *cpus);
void soft_lane_stop(struct soft_lane *lane);
/* Wake the lane's thread; any context (lane_thread.c; the unit tests have their own). */
void soft_lane_wake(struct soft_lane *lane);
/* Put a QP on the active list / let a QP's failure be handled by its lane. */
void soft_lane_activate(struct soft_lane *lane, struct soft_qp *qp);	/* lane->lock */
/* … an instance has entries on its lists / may have none any more (lane->lock). */
void soft_lane_activate_instance(struct soft_lane *lane, struct soft_instance *si);
void soft_lane_rest_instance(struct soft_instance *si);
void soft_lane_fail(struct soft_qp *qp);				/* any lane */
/*
 * A QP or CQ goes: off every list and timer of its lane (not uar_node and the
 * CQ's attached lists, which their creator keeps). lane->lock; after an srcu fence
 * that follows its unlinking, nobody can queue it again.
 */
void soft_lane_forget_qp(struct soft_lane *lane, struct soft_qp *qp);
void soft_lane_forget_cq(struct soft_lane *lane, struct soft_cq *cq);

/* doorbell.c; lane->lock */
#define SOFT_TURN_REQUESTS	64	/* entries of each hand-over list taken in a turn */
bool soft_doorbell_take(struct soft_lane *lane, u64 now);
bool soft_doorbell_poll(struct soft_lane *lane, u64 now);
void soft_doorbell_look(struct soft_lane *lane, struct soft_uar *uar);
void soft_doorbell_forget(struct soft_uar *uar);
/* May the lane sleep? Not past *deadline, which may move. */
bool soft_doorbell_quiet(const struct soft_lane *lane, u64 *deadline);

/* describe.c: struct mhca_object_ops.describe */
int soft_qp_describe(const struct mhca_object *obj, char *buf, size_t size);
int soft_cq_describe(const struct mhca_object *obj, char *buf, size_t size);
int soft_mkey_describe(const struct mhca_object *obj, char *buf, size_t size);
int soft_srq_describe(const struct mhca_object *obj, char *buf, size_t size);

/* share.c: weights and rates of instances; all under lane->lock but init and fini. */
int soft_share_init(struct soft_instance *si);
void soft_share_fini(struct soft_instance *si);
u64 soft_share_weights(struct soft_lane *lane);
u64 soft_share_slice(const struct soft_instance *si, u64 ns, u64 sum);
void soft_share_begin(struct soft_lane *lane, u64 now);
void soft_share_meter(struct soft_instance *si);
void soft_share_start(struct soft_instance *si);
bool soft_share_ahead(const struct soft_instance *si);
void soft_share_used(struct soft_instance *si, u64 ns);
void soft_share_charge(struct soft_instance *si, u64 ns);
bool soft_share_admit(struct soft_instance *si);
void soft_share_timer(struct soft_instance *si);
u64 soft_share_bytes(const struct soft_instance *si, u64 most);
u32 soft_share_wqes(const struct soft_instance *si, u32 most, u32 cost);
void soft_share_moved(struct soft_instance *si, u64 bytes);
bool soft_share_spent(const struct soft_instance *si);

/* uar.c: is @uar mapped? The lane looks at it; touch_lock held. */
void soft_uar_tell(struct soft_uar *uar, bool mapped);
struct soft_uar *soft_uar_find(struct mhca_instance *inst, u32 index);	/* inside srcu */

/* ---- HCA -------------------------------------------------------------- */

/**
 * struct soft_hca - the software HCA
 * @hca: as the core sees it
 * @lanes: @n_lanes of them
 * @n_lanes: fixed
 * @srcu: engine sections
 * @lock: protects @lids' writers and lane assignment
 * @lids: LID -> struct soft_instance
 * @next_lid: cyclic
 * @mcast: multicast groups (mcast.c)
 * @sw: segments of Ethernet ports
 * @uplink_ops: the host's side of segments, set before the first port
 */
struct soft_hca {
	struct mhca_hca hca;
	struct soft_lane *lanes;
	u32 n_lanes;
	struct srcu_struct srcu;
	struct mutex lock;
	struct xarray lids;
	u32 next_lid;
	struct soft_mcast mcast;
	struct soft_switch sw;
	const struct soft_uplink_ops *uplink_ops;
};

int soft_hca_init(struct soft_hca *hca, u32 lanes, const struct soft_lane_params *params);
void soft_hca_fini(struct soft_hca *hca);
extern const struct mhca_hca_ops soft_hca_ops;

extern const struct mhca_object_ops soft_uar_ops;
extern const struct mhca_object_ops soft_mkey_ops;
extern const struct mhca_object_ops soft_cq_ops;
extern const struct mhca_object_ops soft_srq_ops;
extern const struct mhca_object_ops soft_qp_ops;

static inline struct soft_instance *soft_instance(const struct mhca_instance *inst)
{
	return inst->backend;
}

static inline struct soft_hca *soft_hca_of(const struct mhca_instance *inst)
{
	return soft_instance(inst)->hca;
}

/*
 * An engine section: what is found inside stays, and guest memory that is not dead
 * stays pinned. Commands need one as well before they look at a record or a ring:
 * the VMM may take memory away at any time. Never wait for srcu inside.
 */
static inline int soft_enter(const struct mhca_instance *inst)
{
	return srcu_read_lock(&soft_hca_of(inst)->srcu);
}

static inline void soft_leave(const struct mhca_instance *inst, int idx)
{
	srcu_read_unlock(&soft_hca_of(inst)->srcu, idx);
}

/*
 * May the engine touch the instance's memory? Asked inside srcu, where the answer holds
 * until the end of the section if it is yes (hca.c, soft_dma_changed()).
 */
static inline bool soft_may_dma(const struct soft_instance *si)
{
	return READ_ONCE(si->inst->dma);
}

/* The same for work of its own: may a WQE be begun? */
static inline bool soft_may_begin(const struct soft_instance *si)
{
	return READ_ONCE(si->inst->begins);
}

/* Inside srcu: NULL when there is none. */
struct soft_instance *soft_instance_by_lid(struct soft_hca *hca, u16 lid);
struct soft_qp *soft_qp_find(struct mhca_instance *inst, u32 qpn);
struct soft_mkey *soft_mkey_at(struct mhca_instance *inst, u32 key);

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
/* umr.c: the UMR WQE of @qp, or as much of it as @budget allows. */
enum soft_result soft_umr_execute(struct soft_qp *qp, const struct soft_wqe *wqe, u64 *done,
				  u64 *budget);

/* ---- Transport -------------------------------------------------------- */

/*
 * requester.c: run @qp's SQ within the budget. lane->lock held, inside srcu.
 * true: something was done.
 */
bool soft_requester_run(struct soft_qp *qp);
bool soft_qp_has_work(const struct soft_qp *qp);

/**
 * struct soft_message - a connected message on its way to a responder
 * @qp: sender
 * @wqe: its WQE
 * @done: in and out: bytes moved so far
 * @budget: in and out: bytes that may still be moved in this turn
 * @psn: first PSN
 * @packets: PSNs it takes
 * @min_rnr: out with SOFT_RNR: the responder's RNR code
 * @own: out with SOFT_AGAIN: it is the sender's memory that is waited for
 */
struct soft_message {
	struct soft_qp *qp;
	struct soft_wqe *wqe;
	u64 *done;
	u64 *budget;
	u32 psn;
	u32 packets;
	u8 min_rnr;
	bool own;
};

/* responder.c: the instance that @qp's messages to @av reach, or NULL. Inside srcu. */
struct soft_instance *soft_route(const struct soft_qp *qp, const struct soft_av *av);
/* responder.c: deliver RC, UC, XRC messages directly: one copy, the peer's CQE. */
enum soft_result soft_respond(struct soft_message *msg);
/* Take the next receive WQE of @qp or its SRQ (rsp.lock held). SOFT_RNR: none. */
enum soft_result soft_recv_take(struct soft_qp *qp, struct soft_srq *srq, struct soft_recv *recv);
/* rsp.lock held: messages arrive in this state; PD of the WQE's keys; complete rsp.recv. */
bool soft_qp_receives(const struct soft_qp *qp);
u32 soft_recv_pd(const struct soft_qp *qp, const struct soft_recv *recv);
void soft_recv_complete(struct soft_qp *qp, struct soft_cqe *cqe);
/*
 * srq.c: the SRQ half of it: take the head of @srq's list, follow its next index,
 * fire the limit event. SOFT_OK; SOFT_RNR: empty; SOFT_MEMORY_LOST: ring gone or
 * list broken. A list that scatters badly is given back as an empty sgl with
 * SOFT_LOCAL_QP_OP: it is consumed.
 */
enum soft_result soft_srq_take(struct soft_srq *srq, struct soft_recv *recv);
/* wqe.c: @blocks basic blocks of a ring of them, from counter @index on; 0 or -EFAULT. */
int soft_ring_read(const struct soft_ring *ring, u16 index, u32 blocks, void *to);
/* wqe.c: data segments of a send WQE (@bytes, a private copy) to @sgl. false: malformed. */
bool soft_send_parse(const void *segs, u32 bytes, struct soft_sgl *sgl);
/*
 * wqe.c: data segments of a receive WQE (@bytes, a private copy) to @sgl: up to the
 * end or the terminator key; zero lengths are skipped. false: malformed.
 */
bool soft_recv_parse(const void *segs, u32 bytes, struct soft_sgl *sgl);

/* datagram.c: UD, GSI, SMI SEND, unicast and multicast. */
#define SOFT_UD_MTU_MAX	4096U

/**
 * struct soft_sent - what a datagram is as work
 * @most: in: members of a group that may be visited in this turn, > 0
 * @visited: out: … and were
 * @copies: out: how often it was delivered; 1 when there is no group
 * @cost: out: pieces of the sender's own keys, as bytes of a turn's budget
 */
struct soft_sent {
	u32 most;
	u32 visited;
	u32 copies;
	u64 cost;
};

enum soft_result soft_datagram_send(struct soft_qp *qp, struct soft_wqe *wqe,
				    struct soft_sent *sent);

/* qpc.block_lb_mc of the receiver: nothing that its own instance sent to the group. */
static inline bool soft_mcast_blocked(const struct soft_qp *from, const struct soft_qp *to)
{
	return from->si == to->si && MLX5_GET(qpc, to->attr, block_lb_mc);
}

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
void soft_complete(struct soft_cq *cq, struct soft_qp *qp, const struct soft_cqe *cqe);
/* The same for a CQE that is complete but for its owner bit (Ethernet). */
void soft_complete_raw(struct soft_cq *cq, struct mlx5_cqe64 *cqe);
/* CQEs that the record's consumer index leaves; more than the CQ's size: nonsense. cq->lock */
u32 soft_cq_used(const struct soft_cq *cq, const __be32 *record);
/* Is the word of a CQ's record an arm that was not answered? cq->lock */
bool soft_cq_armed(const struct soft_cq *cq, __be32 word);
/* An arm was seen or may have been missed: fire if CQEs are waiting. */
void soft_cq_check_arm(struct soft_cq *cq);
/* The CQ's timer is due (lane->lock held). */
void soft_cq_timer(struct soft_cq *cq);
/* The CQ was on lane->attention: arm its timer, or fail its QPs (lane->lock held): how many. */
u32 soft_cq_attend(struct soft_cq *cq);

/* ---- QP states (flush.c) ---------------------------------------------- */

/*
 * Move @qp to ERR: marks both halves (lane->lock held, rsp.lock not held), flushes,
 * LAST_WQE event, polls for drains from now on.
 */
void soft_qp_to_error(struct soft_qp *qp);
/* A requester error of UC or a datagram service: SQER, the RQ goes on. lane->lock */
void soft_qp_to_sq_error(struct soft_qp *qp);
/* Flush what was posted since: SQ and RQ records of a QP in ERR (or SQER: SQ only). */
bool soft_qp_flush(struct soft_qp *qp);
/*
 * qp_modify.c: all state of a QP back to RESET; discards queues silently (takes
 * both locks). A peer's message in progress loses its receive WQE: rsp.busy falls.
 */
void soft_qp_reset(struct soft_qp *qp);
/* qp_modify.c: MODIFY, all opcodes (soft_qp_ops.modify) */
enum mhca_syndrome soft_qp_modify(struct mhca_cmd *cmd);
/* qp_modify.c: the one place where a state changes; lane->lock and rsp.lock held */
void soft_qp_set_state(struct soft_qp *qp, u8 state);
/* qp_modify.c: the data path's copies of @qp->attr; lane->lock and rsp.lock held */
void soft_qp_refresh(struct soft_qp *qp);

#endif /* SOFT_H */
