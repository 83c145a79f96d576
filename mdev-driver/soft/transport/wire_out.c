// SPDX-License-Identifier: GPL-2.0-only
/*
 * Packets as frames: addresses are those of the QP's path, or a datagram's, and of the entry
 * of the address table that it names, never a packet's that came in; the switch checks them
 * like any frame's.
 */
#include "wire_engine.h"

#define SOFT_HOP_LIMIT	64	/* where the path says none */
#define SOFT_SPORT_MIN	0xc000	/* caps: r_roce_min_src_udp_port */

/*
 * UDP source port: the driver's, or made of the flow label or of both QPNs, so that it
 * stays the same as long as the connection does (rdma_flow_label_to_udp_sport() and
 * rdma_calc_flow_label() of the kernel, after annex A17.3.2).
 */
static u16 soft_wire_sport(const struct soft_qp *qp, const struct soft_av *av, u32 dest_qpn)
{
	const void *ads = MLX5_ADDR_OF(qpc, qp->attr, primary_address_path);
	u16 sport = av == &qp->av ? MLX5_GET(ads, ads, udp_sport) : 0;
	u64 fold = av->flow;

	if (sport >= SOFT_SPORT_MIN)
		return sport;
	if (!fold) {
		fold = (u64)qp->base.obj.num * dest_qpn;
		fold ^= fold >> 20;
		fold ^= fold >> 40;
		fold &= 0xfffff;
	}
	return ((fold & 0x3fff) ^ (fold >> 14)) | SOFT_SPORT_MIN;
}

/**
 * soft_wire_packet() - begin a packet
 * @qp: sender; its lane's lock held
 * @av: where to: the QP's path, or a datagram's address
 * @opcode: bth.opcode
 * @dest_qpn: to whom
 *
 * Return: the lane's packet, with what all packets to there have; its payload goes to
 * &struct soft_wire.body.
 */
struct wire_packet *soft_wire_packet(struct soft_qp *qp, const struct soft_av *av, u8 opcode,
				     u32 dest_qpn)
{
	struct wire_packet *packet = &qp->base.si->lane->wire->out;

	lockdep_assert_held(&qp->base.si->lane->lock);
	memset(packet, 0, sizeof(*packet));
	packet->opcode = opcode;
	packet->migrated = true;
	packet->pkey = WIRE_PKEY;
	packet->dest_qpn = dest_qpn;
	packet->tclass = av->tclass;
	packet->hop_limit = av->hop_limit ?: SOFT_HOP_LIMIT;
	packet->flow_label = av->flow;
	packet->sport = soft_wire_sport(qp, av, dest_qpn);
	memcpy(packet->dmac, av->dmac, sizeof(packet->dmac));
	memcpy(packet->dgid, av->dgid, sizeof(packet->dgid));
	return packet;
}

static u8 soft_wire_service(const struct soft_qp *qp)
{
	switch (qp->type) {
	case MLX5_QP_ST_UC:
		return WIRE_UC;
	case MLX5_QP_ST_XRC:
		return WIRE_XRC;
	default:
		return WIRE_RC;
	}
}

/* The same for a connected QP; @operation: enum wire_operation */
struct wire_packet *soft_wire_connected(struct soft_qp *qp, u8 operation)
{
	return soft_wire_packet(qp, &qp->av, soft_wire_service(qp) | operation, qp->remote_qpn);
}

/* A lane's scratch memory; NULL: none is left. */
struct soft_wire *soft_wire_alloc(void)
{
	return kzalloc(sizeof(struct soft_wire), GFP_KERNEL);
}

/* Where it comes from. false: the QP may send nothing from there. */
static bool soft_wire_source(struct soft_qp *qp, const struct soft_av *av,
			     struct wire_packet *packet)
{
	const struct mhca_roce_address *src = soft_roce_source(qp, av);
	const void *ads = MLX5_ADDR_OF(qpc, qp->attr, primary_address_path);

	if (!src || src->version != MHCA_ROCE_V2)
		return false;
	packet->l3 = src->ipv4 ? WIRE_V2_IPV4 : WIRE_V2_IPV6;
	memcpy(packet->smac, src->mac, sizeof(packet->smac));
	memcpy(packet->sgid, src->gid, sizeof(packet->sgid));
	packet->vlan_valid = src->vlan_valid;
	packet->vlan_tci = src->vlan;
	packet->vlan_tci |= (av == &qp->av ? MLX5_GET(ads, ads, eth_prio) : av->sl & 7) << 13;
	packet->ip_id = qp->req.wire.ip_id++;
	return true;
}

/* Frames longer than the port's MTU would be lost on their way, where nobody counts them. */
static bool soft_wire_fits(const struct soft_qp *qp, const struct soft_packet *frame)
{
	u32 l2 = SOFT_ETH_BYTES + frame->frame.n_vlan * SOFT_VLAN_BYTES;

	return frame->head_len + frame->body_len - l2 <=
	       READ_ONCE(qp->base.obj.inst->vport->mtu);
}

/**
 * soft_wire_emit() - send a packet
 * @qp: sender; its lane's lock held, inside srcu
 * @av: as for soft_wire_packet()
 * @packet: of soft_wire_packet(), complete
 *
 * Return: SOFT_OK: it is gone, or lost as packets are; SOFT_AGAIN: there is no room for it
 * on its way, and it was not sent.
 */
enum soft_result soft_wire_emit(struct soft_qp *qp, const struct soft_av *av,
				struct wire_packet *packet)
{
	struct soft_wire *wire = qp->base.si->lane->wire;
	u32 bytes = packet->payload + wire_pad(packet->payload), crc, frames = 1;
	struct soft_packet *frame = &wire->frame;
	struct soft_progress progress = { };
	enum soft_result result;

	if (!qp->base.si->port || !soft_wire_source(qp, av, packet))
		return SOFT_OK;
	memset(wire->body + packet->payload, 0, bytes - packet->payload);
	frame->head_len = wire_build(packet, frame->head);
	crc = wire_icrc_head(packet, frame->head, frame->head_len);
	wire_icrc_put(wire_icrc_more(crc, wire->body, bytes), wire->body + bytes);
	frame->body.seg[0] = (struct soft_seg){
		.inline_data = wire->body, .len = bytes + WIRE_ICRC_BYTES,
	};
	frame->body.n = 1;
	frame->body.len = bytes + WIRE_ICRC_BYTES;
	frame->body_len = frame->body.len;
	frame->body_at = 0;
	frame->inst = qp->base.obj.inst;
	frame->from = qp->base.si->port;
	if (!soft_packet_parse(frame) || !soft_wire_fits(qp, frame)) {
		mhca_count(qp->base.obj.inst, drop_length);
		return SOFT_OK;
	}
	result = soft_route_packet(qp->base.si->hca, frame, &progress, &frames);
	return result == SOFT_AGAIN ? SOFT_AGAIN : SOFT_OK;
}

/**
 * soft_wire_is_from_peer() - does a packet come from where a QP's peer is?
 * @qp: connected QP
 * @packet: packet for it
 *
 * Both addresses, VLAN and version; the source MAC may be a router's. Whoever knows the
 * QPN is not the peer for that.
 */
bool soft_wire_is_from_peer(const struct soft_qp *qp, const struct wire_packet *packet)
{
	const struct mhca_roce_address *mine = soft_roce_address(qp->base.si, qp->av.sgid_index);

	return mine && mine->version == MHCA_ROCE_V2 &&
	       packet->l3 == (mine->ipv4 ? WIRE_V2_IPV4 : WIRE_V2_IPV6) &&
	       packet->vlan_valid == mine->vlan_valid &&
	       (!mine->vlan_valid || (packet->vlan_tci & 0xfff) == mine->vlan) &&
	       !memcmp(packet->sgid, qp->av.dgid, sizeof(packet->sgid)) &&
	       !memcmp(packet->dgid, mine->gid, sizeof(packet->dgid));
}

/**
 * soft_wire_wait() - run a QP's requester at a time, if nothing comes before
 * @qp: QP; its lane's lock held
 * @deadline: ktime_get_ns()
 */
void soft_wire_wait(struct soft_qp *qp, u64 deadline)
{
	qp->req.waiting = true;
	soft_timer_arm(&qp->base.si->lane->timers, &qp->base.timer, deadline);
}

/**
 * soft_wire_wake() - a packet came that a QP has to look at
 * @qp: QP; its lane's lock held
 */
void soft_wire_wake(struct soft_qp *qp)
{
	struct soft_lane *lane = qp->base.si->lane;

	list_del_init(&qp->base.memory_node);
	soft_timer_cancel(&lane->timers, &qp->base.timer);
	qp->req.waiting = false;
	soft_lane_activate(lane, &qp->base);
}
