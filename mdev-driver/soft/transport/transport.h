/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The transport's door: queue pairs and what they do with WQEs. Ethernet's senders: ethernet
 * queues in eth_tx.h.
 *
 * Locks, in order (docs/locking.md):
 *   instance cmd_lock -> lane->lock -> qp->rsp.lock -> srq->lock -> cq->lock
 * lane->lock (mutex) is held for a whole, bounded turn: it protects the requester half of
 * every QP of the lane's instances and all lane lists. qp->rsp.lock (mutex) protects the
 * responder half; any lane may take it, one at a time. srq->lock and cq->lock are spinlocks.
 * Every engine access to an object runs inside srcu (soft_hca.srcu); destroy unlinks under
 * the locks and then waits for srcu.
 */
#ifndef SOFT_TRANSPORT_TRANSPORT_H
#define SOFT_TRANSPORT_TRANSPORT_H

#include "eth_tx.h"
#include "mcast.h"
#include "request.h"
#include "switch/switch.h"
#include "wire_qp.h"
#include "wqe.h"

/**
 * struct soft_qp - queue pair
 * @base: what lower rooms know of it
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
 * @mtu: bytes
 * @av: primary path
 * @send_cq: CQ of the SQ or NULL
 * @recv_cq: CQ of the RQ or NULL
 * @srq: or NULL
 * @xrcd: XRC
 * @uar: SQ doorbell page
 * @uar_node: on uar->qps
 * @groups: its places in multicast groups, hca->mcast->lock
 * @sig_all: unused by mlx5 guests, kept 0
 * @req: requester half, lane->lock
 * @rsp: responder half, rsp.lock
 */
struct soft_qp {
	struct soft_qp_base base;
	u8 type;
	bool fast_reg;
	u8 state;
	u8 attr[MLX5_ST_SZ_BYTES(qpc)] __aligned(8);
	u32 pd;
	u32 remote_qpn;
	u32 qkey;
	u32 deth_sqpn;
	u32 mtu;
	struct soft_av av;
	struct soft_cq *send_cq;
	struct soft_cq *recv_cq;
	struct soft_srq *srq;
	u32 xrcd;
	struct soft_uar *uar;
	struct list_head uar_node;
	struct list_head groups;

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
	 * @req.wire: it, over packets
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
		struct soft_wire_req wire;
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
	 * @rsp.wire: messages and what was asked for, and packets
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
		struct soft_wire_rsp wire;
		struct soft_recv recv;
	} rsp;
};

extern const struct mhca_object_ops soft_qp_ops;
extern const struct mhca_object_ops soft_srq_ops;

/* peer.c; inside srcu: the QP that receives for a QPN; the one that @qp is connected to, if both say so. */
struct soft_qp *soft_qp_find(struct mhca_instance *inst, u32 qpn);
struct soft_qp *soft_peer_find(const struct soft_qp *qp, enum soft_result *result);
bool soft_peer_is_connected(const struct soft_qp *peer, const struct soft_qp *qp);

/*
 * requester.c: run @qp's SQ within the budget. lane->lock held, inside srcu.
 * true: something was done.
 */
bool soft_requester_run(struct soft_qp *qp);
bool soft_qp_has_work(const struct soft_qp *qp);

/* umr.c: the UMR WQE of @qp, or as much of it as @budget allows. */
enum soft_result soft_umr_execute(struct soft_qp *qp, const struct soft_wqe *wqe, u64 *done,
				  u64 *budget);

/**
 * struct soft_message - a connected message on its way to a responder
 * @qp: sender
 * @wqe: its WQE
 * @req: the same as its responder sees it
 * @done: in and out: bytes moved so far
 * @budget: in and out: bytes that may still be moved in this turn
 * @own: out with SOFT_AGAIN: it is the sender's memory that is waited for
 */
struct soft_message {
	struct soft_qp *qp;
	struct soft_wqe *wqe;
	struct soft_request req;
	u64 *done;
	u64 *budget;
	bool own;
};

/* peer.c: the instance that @qp's messages to @av reach, or NULL. Inside srcu. */
struct soft_instance *soft_route(const struct soft_qp *qp, const struct soft_av *av);
/* responder.c: deliver RC, UC, XRC messages directly: one copy, the peer's CQE. */
enum soft_result soft_respond(struct soft_message *msg);
/* wire_ring.c: a READ or an atomic that was taken, however it came; rsp.lock held */
struct soft_asked *soft_asked_add(struct soft_qp *qp, const struct soft_request *req);

/*
 * wire_*.c: over packets; lane->lock held, inside srcu. Do @qp's messages go there, one of them,
 * what its responder half owes, what came for an instance; a lane's scratch memory.
 */
bool soft_wire_wanted(const struct soft_qp *qp);
enum soft_result soft_wire_send(struct soft_message *msg);
bool soft_wire_answer(struct soft_qp *qp, u64 *budget);
bool soft_wire_receive(struct soft_instance *si);
struct soft_wire *soft_wire_alloc(void);

/* receive.c: take the next receive WQE of @qp or its SRQ (rsp.lock held). SOFT_RNR: none. */
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
	return from->base.si == to->base.si && MLX5_GET(qpc, to->attr, block_lb_mc);
}

/* roce.c; inside srcu, but for the first two, which want port locks. */
void soft_roce_update(struct soft_instance *si);
void soft_roce_move(struct soft_instance *to, struct soft_instance *from);
const struct mhca_roce_address *soft_roce_address(const struct soft_instance *si, u32 index);
const struct mhca_roce_address *soft_roce_source(const struct soft_qp *qp,
						 const struct soft_av *av);
struct soft_instance *soft_roce_route(const struct soft_qp *qp, const struct soft_av *av);
bool soft_roce_is_beyond(const struct soft_qp *qp, const struct soft_av *av);
bool soft_roce_hears(const struct soft_qp *qp, const struct soft_av *av,
		     const struct soft_instance *si);
bool soft_roce_is_connected(const struct soft_qp *peer, const struct soft_qp *qp);
void soft_roce_header(const struct mhca_roce_address *src, const struct soft_av *av,
		      u32 bytes, void *header);

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
/* The one place where a state changes; lane->lock and rsp.lock held */
void soft_qp_set_state(struct soft_qp *qp, u8 state);
/* qp_modify.c: the data path's copies of @qp->attr; lane->lock and rsp.lock held */
void soft_qp_refresh(struct soft_qp *qp);
/* qp_modify.c: a fresh QP gets a state and attributes that an image says; both locks held */
enum mhca_syndrome soft_qp_restore(struct soft_qp *qp, u8 state, const __be32 *attr);
/* flush.c: look at it at once, and then often, for a drain follows soon. lane->lock */
void soft_watch_error(struct soft_qp *qp);

/* save.c: struct mhca_object_ops.save, .load */
void soft_srq_save(struct mhca_object *obj, struct mhca_image *image);
enum mhca_syndrome soft_srq_load(struct mhca_object *obj, struct mhca_reader *in);
void soft_qp_save(struct mhca_object *obj, struct mhca_image *image);
enum mhca_syndrome soft_qp_load(struct mhca_object *obj, struct mhca_reader *in);

#endif /* SOFT_TRANSPORT_TRANSPORT_H */
