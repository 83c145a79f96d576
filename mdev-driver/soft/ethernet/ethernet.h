/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The door of what receives Ethernet: receive queues (rq.c), who of them gets a frame (tir.c: TIR,
 * RQT, TIS; flow.c, flow_entry.c, flow_match.c: flow tables), a frame's headers (frame.c), packets
 * (packet.c), and what an image says of them (save.c).
 *
 * Locks: rq->lock (spinlock) stands where srq->lock stands. What MODIFY_TIR and
 * MODIFY_RQT change is replaced as a whole: readers inside srcu see the old or the new.
 */
#ifndef SOFT_ETHERNET_ETHERNET_H
#define SOFT_ETHERNET_ETHERNET_H

#include "queue/queue.h"

/* States of SQ and RQ (sqc.state, rqc.state). */
enum soft_wq_state {
	SOFT_WQ_RST = MLX5_SQC_STATE_RST,
	SOFT_WQ_RDY = MLX5_SQC_STATE_RDY,
	SOFT_WQ_ERR = MLX5_SQC_STATE_ERR,
};
static_assert((u32)MLX5_SQC_STATE_RST == MLX5_RQC_STATE_RST &&
	      (u32)MLX5_SQC_STATE_RDY == MLX5_RQC_STATE_RDY &&
	      (u32)MLX5_SQC_STATE_ERR == MLX5_RQC_STATE_ERR);

static inline bool soft_wq_state_ok(u8 state)
{
	return state == SOFT_WQ_RST || state == SOFT_WQ_RDY || state == SOFT_WQ_ERR;
}

/* A queue without PD: no key is its. */
#define SOFT_NO_PD		U32_MAX

/**
 * struct soft_rq - Ethernet receive queue
 * @obj: record = {receive counter, -}
 * @si: its instance
 * @cq: where it completes
 * @pd: PD number of its keys
 * @user_index: for CQE version 1
 * @counter_set: Q counter that counts out_of_buffer, 0: none
 * @lock: protects all below
 * @state: enum soft_wq_state
 * @ring: receive WQEs: linear (wq_type CYCLIC) or a list of next indices (@linked),
 *        as in an SRQ
 * @linked: see @ring
 * @vlan_strip: tags go into the CQE
 * @consumer: 16-bit counter of the next WQE
 * @next: index of the next WQE when @linked
 * @recv: scatter list of the WQE that is looked at
 */
struct soft_rq {
	struct mhca_object obj;
	struct soft_instance *si;
	struct soft_cq *cq;
	u32 pd;
	u32 user_index;
	u8 counter_set;
	spinlock_t lock;		/* the consumer side */
	u8 state;
	struct soft_ring ring;
	bool linked;
	bool vlan_strip;
	u16 consumer;
	u16 next;
	struct soft_sgl recv;
};

/* ---- Dispatch ------------------------------------------------------------- */

/**
 * struct soft_rqs - the RQs of an RQT, never changed once it is found
 * @n: how many, at least 1
 * @rq: RQs; entry (hash % @n) takes a frame
 */
struct soft_rqs {
	u32 n;
	struct soft_rq *rq[];
};

/**
 * struct soft_rqt - RQ table
 * @obj: object
 * @max: entries it may have
 * @rqs: the current list; WRITE_ONCE under the command lock, READ_ONCE inside srcu
 */
struct soft_rqt {
	struct mhca_object obj;
	u32 max;
	struct soft_rqs *rqs;
};

enum soft_hash_fn {
	SOFT_HASH_NONE		= MLX5_RX_HASH_FN_NONE,
	SOFT_HASH_XOR8		= MLX5_RX_HASH_FN_INVERTED_XOR8,
	SOFT_HASH_TOEPLITZ	= MLX5_RX_HASH_FN_TOEPLITZ,
};

/* rx_hash_field_select.selected_fields */
enum soft_hash_field {
	SOFT_HASH_SRC_IP	= 1 << MLX5_RX_HASH_FIELD_SELECT_SELECTED_FIELDS_SRC_IP,
	SOFT_HASH_DST_IP	= 1 << MLX5_RX_HASH_FIELD_SELECT_SELECTED_FIELDS_DST_IP,
	SOFT_HASH_L4_SPORT	= 1 << MLX5_RX_HASH_FIELD_SELECT_SELECTED_FIELDS_L4_SPORT,
	SOFT_HASH_L4_DPORT	= 1 << MLX5_RX_HASH_FIELD_SELECT_SELECTED_FIELDS_L4_DPORT,
	SOFT_HASH_IPSEC_SPI	= 1 << MLX5_RX_HASH_FIELD_SELECT_SELECTED_FIELDS_IPSEC_SPI,
};

/**
 * struct soft_tir_attr - what a TIR does, never changed once it is found
 * @rq: direct: the RQ; or NULL
 * @rqt: indirect: the RQT; or NULL
 * @hash: enum soft_hash_fn
 * @symmetric: source and destination are exchangeable
 * @l3_ipv6: hash fields are those of IPv6 (rx_hash_field_select.l3_prot_type)
 * @l4_udp: … of UDP, else of TCP (l4_prot_type)
 * @fields: enum soft_hash_field
 * @key: Toeplitz key in its byte order
 * @own_unicast: unicast frames that this instance sent to itself, too (self_lb_block);
 *               group frames never come back
 */
struct soft_tir_attr {
	struct soft_rq *rq;
	struct soft_rqt *rqt;
	u8 hash;
	bool symmetric;
	bool l3_ipv6;
	bool l4_udp;
	u32 fields;
	u8 key[40];
	bool own_unicast;
};

/**
 * struct soft_tir - transport interface receive
 * @obj: object; references the RQ or RQT
 * @attr: WRITE_ONCE under the command lock, READ_ONCE inside srcu
 */
struct soft_tir {
	struct mhca_object obj;
	struct soft_tir_attr *attr;
};

/* ---- Frames ---------------------------------------------------------------- */

/**
 * struct soft_frame - a frame's headers, parsed once by soft_frame_parse()
 * @head: its first @head_len bytes, contiguous; offsets below are into them
 * @head_len: bytes at @head; at least the whole frame or all headers up to L4
 * @len: of the frame, no FCS
 * @n_vlan: VLAN tags in @head (0, 1, 2)
 * @vlan_svlan: the first tag's type is 802.1ad
 * @vlan_tci: of the first tag, host order
 * @ethertype: behind the tags, host order
 * @ip_version: 4, 6; 0: no IP (or a malformed header)
 * @ip_protocol: the L4 protocol, behind IPv6 extension headers
 * @fragment: an IP fragment (of which the first has L4 all the same)
 * @hidden: IPv6: ICMPv6, or more extension headers, may follow beyond @head, or behind more
 *	of these than are looked at; never of a later fragment
 * @l3: offset of the IP header; 0: none
 * @l4: offset of the L4 header, TCP's or UDP's; 0: none, or a later fragment
 * @icmp6: offset of the ICMPv6 header; 0: none, or a later fragment
 * @sport: TCP and UDP, host order
 * @dport: see @sport
 * @tcp_flags: 9 bits
 */
struct soft_frame {
	const u8 *head;
	u32 head_len;
	u32 len;
	u8 n_vlan;
	bool vlan_svlan;
	u16 vlan_tci;
	u16 ethertype;
	u8 ip_version;
	u8 ip_protocol;
	bool fragment;
	bool hidden;
	u16 l3;
	u16 l4;
	u16 icmp6;
	u16 sport;
	u16 dport;
	u16 tcp_flags;
};

/* frame.c: false: too short to be a frame. */
bool soft_frame_parse(struct soft_frame *frame, const void *head, u32 head_len, u32 len);

/* ---- Flow tables ------------------------------------------------------------- */

#define SOFT_FLOW_RESULTS	8
#define SOFT_FLOW_LOOKUPS	256U	/* groups, and entries of a bucket, for one frame */

/**
 * struct soft_steering - what the flow tables say about a frame
 * @tir: who gets it, each once
 * @n: how many; 0: it is dropped
 * @lookups: what that took, of SOFT_FLOW_LOOKUPS
 * @cut: the tables name more, which a bound has cut off
 * @tag: flow tag of the entry that said so: the low 24 bits of the CQE's sop_drop_qpn
 *       (a netdev driver takes them for a mark; there is no RQ number in it)
 */
struct soft_steering {
	const struct soft_tir_attr *tir[SOFT_FLOW_RESULTS];
	u32 n;
	u32 lookups;
	bool cut;
	u32 tag;
};

/*
 * flow_match.c: walk @si's tables from the root, each at most once. Inside srcu, any
 * lane. Bounded: levels only rise, and there is a budget.
 */
void soft_flow_walk(struct soft_instance *si, const struct soft_frame *frame,
		    struct soft_steering *result);

/* flow_entry.c */
int soft_flow_init(struct soft_instance *si);
void soft_flow_fini(struct soft_instance *si);
enum mhca_syndrome soft_flow_set_root(struct mhca_instance *inst, struct mhca_object *table);

extern const struct mhca_object_ops soft_rq_ops;
extern const struct mhca_object_ops soft_rqt_ops;
extern const struct mhca_object_ops soft_tir_ops;
extern const struct mhca_object_ops soft_tis_ops;
extern const struct mhca_object_ops soft_flow_table_ops;
extern const struct mhca_object_ops soft_flow_group_ops;

/* save.c: &struct mhca_object_ops of RQs and TIRs */
void soft_rq_update(struct mhca_object *obj);
void soft_rq_save(struct mhca_object *obj, struct mhca_image *image);
enum mhca_syndrome soft_rq_load(struct mhca_object *obj, struct mhca_reader *in);
void soft_tir_update(struct mhca_object *obj);

/* rq.c: is this change of an SQ's or RQ's state a right one? */
enum mhca_syndrome soft_wq_transition(u8 now, u8 from, u8 to);

#endif /* SOFT_ETHERNET_ETHERNET_H */
