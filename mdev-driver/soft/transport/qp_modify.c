// SPDX-License-Identifier: GPL-2.0-only
/*
 * QP state transitions. Two tables say everything: which words of the QP context
 * belong to an attribute, and which transition of which service takes which
 * attributes. Drivers send the whole context each time with zeros in all other
 * places, so nothing is ever copied wholesale.
 */
#include <mhca/kernel.h>
#include "transport.h"

/* Values of qpc.mtu and the greatest qpc.atomic_mode without wider atomics. */
#define SOFT_MTU_256		1
#define SOFT_MTU_4096		5
#define SOFT_ATOMIC_MODE_8B	3
/*
 * What drivers subtract from an Ethernet MTU for the path MTU (iboe_get_mtu()): GRH, UDP,
 * BTH, XRC and atomic headers, ICRC.
 */
#define SOFT_ROCE_HEADERS	(40U + 8U + 12U + 4U + 28U + 4U)

/* ---- Attributes -------------------------------------------------------- */

enum soft_attr {
	SOFT_ATTR_PM_STATE,
	SOFT_ATTR_COUNTER,
	SOFT_ATTR_DETH_SQPN,
	SOFT_ATTR_QKEY,
	SOFT_ATTR_RRE,
	SOFT_ATTR_RWE,
	SOFT_ATTR_RAE,
	SOFT_ATTR_PKEY,
	SOFT_ATTR_PORT,
	SOFT_ATTR_PATH,
	SOFT_ATTR_ACK_TIMEOUT,
	SOFT_ATTR_MTU,
	SOFT_ATTR_REMOTE_QPN,
	SOFT_ATTR_RCV_PSN,
	SOFT_ATTR_RRA_MAX,
	SOFT_ATTR_RNR_NAK,
	SOFT_ATTR_SEND_PSN,
	SOFT_ATTR_SRA_MAX,
	SOFT_ATTR_RETRY,
	SOFT_ATTR_RNR_RETRY,
};

#define A(name)		BIT(SOFT_ATTR_##name)

/**
 * struct soft_attr_word - bits of one context word that belong to an attribute
 * @attr: attribute
 * @dw: index of the 32-bit word in the QP context
 * @mask: bits, host order
 */
struct soft_attr_word {
	u8 attr;
	u8 dw;
	u32 mask;
};

#define QPC(name, field)							\
	{ SOFT_ATTR_##name, __mlx5_dw_off(qpc, field), __mlx5_dw_mask(qpc, field) }
#define PATH_DW		__mlx5_dw_off(qpc, primary_address_path)
#define PATH(at, other)	{ SOFT_ATTR_PATH, PATH_DW + (at), ~(u32)(other) }

static const struct soft_attr_word soft_attr_words[] = {
	QPC(PM_STATE, pm_state),
	QPC(COUNTER, counter_set_id),
	QPC(DETH_SQPN, deth_sqpn),
	QPC(QKEY, q_key),
	QPC(RRE, rre),
	QPC(RWE, rwe),
	QPC(RAE, rae),
	QPC(RAE, atomic_mode),
	QPC(PKEY, primary_address_path.pkey_index),
	QPC(PORT, primary_address_path.vhca_port_num),
	QPC(ACK_TIMEOUT, primary_address_path.ack_timeout),
	QPC(MTU, mtu),
	QPC(MTU, log_msg_max),
	QPC(REMOTE_QPN, remote_qpn),
	QPC(RCV_PSN, next_rcv_psn),
	QPC(RRA_MAX, log_rra_max),
	QPC(RNR_NAK, min_rnr_nak),
	QPC(SEND_PSN, next_send_psn),
	QPC(SRA_MAX, log_sra_max),
	QPC(RETRY, retry_count),
	QPC(RNR_RETRY, rnr_retry),
	/* The address path without the three attributes that live inside it. */
	PATH(0, __mlx5_dw_mask(ads, pkey_index)),
	PATH(1, 0),
	PATH(2, __mlx5_dw_mask(ads, ack_timeout)),
	PATH(3, 0),
	PATH(4, 0),
	PATH(5, 0),
	PATH(6, 0),
	PATH(7, 0),
	PATH(8, 0),
	PATH(9, __mlx5_dw_mask(ads, vhca_port_num)),
	PATH(10, 0),
};

/* Optional parameters (opt_param_mask) and the attributes they bring. */
static const struct {
	u32 opt;
	u32 attrs;
} soft_optional[] = {
	{ MLX5_QP_OPTPAR_RRE, A(RRE) },
	{ MLX5_QP_OPTPAR_RAE, A(RAE) },
	{ MLX5_QP_OPTPAR_RWE, A(RWE) },
	{ MLX5_QP_OPTPAR_PKEY_INDEX, A(PKEY) },
	{ MLX5_QP_OPTPAR_Q_KEY, A(QKEY) },
	{ MLX5_QP_OPTPAR_RNR_TIMEOUT, A(RNR_NAK) },
	{ MLX5_QP_OPTPAR_PM_STATE, A(PM_STATE) },
	{ MLX5_QP_OPTPAR_PRI_PORT, A(PORT) },
	{ MLX5_QP_OPTPAR_COUNTER_SET_ID, A(COUNTER) },
};

/* ---- Transitions ------------------------------------------------------- */

#define ST(name)	BIT(MLX5_QP_ST_##name)
#define ST_RELIABLE	(ST(RC) | ST(XRC))
#define ST_UNRELIABLE	ST(UC)
#define ST_DATAGRAM	(ST(UD) | ST(QP0) | ST(QP1))
#define ST_UMR		ST(REG_UMR)

#define OPT(name)	MLX5_QP_OPTPAR_##name
#define OPT_REMOTE	(OPT(RRE) | OPT(RAE) | OPT(RWE))

/**
 * struct soft_transition - one edge of the state diagram for some services
 * @opcode: command
 * @types: bit mask of service types
 * @from: state the QP must be in
 * @to: state it is in afterwards
 * @required: attributes that are always taken
 * @optional: optional parameters that may be asked for
 */
struct soft_transition {
	u16 opcode;
	u16 types;
	u8 from;
	u8 to;
	u32 required;
	u32 optional;
};

#define EDGE(op, types, from, to, required, optional)				\
	{ MLX5_CMD_OP_##op, (types), MLX5_QP_STATE_##from, MLX5_QP_STATE_##to,	\
	  (required), (optional) }

#define INIT_ALWAYS	(A(PM_STATE) | A(PKEY) | A(PORT) | A(COUNTER) | A(DETH_SQPN))
#define RTR_CONNECTED	(A(PATH) | A(MTU) | A(REMOTE_QPN) | A(RCV_PSN))

static const struct soft_transition soft_transitions[] = {
	EDGE(RST2INIT_QP, ST_RELIABLE, RST, INIT,
	     INIT_ALWAYS | A(RRE) | A(RWE) | A(RAE), 0),
	EDGE(RST2INIT_QP, ST_UNRELIABLE, RST, INIT, INIT_ALWAYS | A(RWE), 0),
	EDGE(RST2INIT_QP, ST_DATAGRAM, RST, INIT, INIT_ALWAYS | A(QKEY), 0),
	EDGE(RST2INIT_QP, ST_UMR, RST, INIT, INIT_ALWAYS, 0),

	EDGE(INIT2INIT_QP, ST_RELIABLE, INIT, INIT, 0,
	     OPT_REMOTE | OPT(PKEY_INDEX) | OPT(PRI_PORT)),
	EDGE(INIT2INIT_QP, ST_UNRELIABLE, INIT, INIT, 0,
	     OPT(RWE) | OPT(PKEY_INDEX) | OPT(PRI_PORT)),
	EDGE(INIT2INIT_QP, ST_DATAGRAM, INIT, INIT, 0,
	     OPT(PKEY_INDEX) | OPT(Q_KEY) | OPT(PRI_PORT)),

	EDGE(INIT2RTR_QP, ST_RELIABLE, INIT, RTR, RTR_CONNECTED | A(RRA_MAX) | A(RNR_NAK),
	     OPT_REMOTE | OPT(PKEY_INDEX)),
	EDGE(INIT2RTR_QP, ST_UNRELIABLE, INIT, RTR, RTR_CONNECTED,
	     OPT(RWE) | OPT(PKEY_INDEX)),
	EDGE(INIT2RTR_QP, ST_DATAGRAM, INIT, RTR, A(MTU), OPT(PKEY_INDEX) | OPT(Q_KEY)),
	EDGE(INIT2RTR_QP, ST_UMR, INIT, RTR, A(MTU), 0),

	EDGE(RTR2RTS_QP, ST_RELIABLE, RTR, RTS,
	     A(SEND_PSN) | A(SRA_MAX) | A(ACK_TIMEOUT) | A(RETRY) | A(RNR_RETRY),
	     OPT_REMOTE | OPT(PM_STATE) | OPT(RNR_TIMEOUT)),
	EDGE(RTR2RTS_QP, ST_UNRELIABLE, RTR, RTS, A(SEND_PSN), OPT(RWE) | OPT(PM_STATE)),
	EDGE(RTR2RTS_QP, ST_DATAGRAM, RTR, RTS, A(SEND_PSN), OPT(Q_KEY)),
	EDGE(RTR2RTS_QP, ST_UMR, RTR, RTS, 0, 0),

	EDGE(RTS2RTS_QP, ST_RELIABLE, RTS, RTS, 0,
	     OPT_REMOTE | OPT(PM_STATE) | OPT(RNR_TIMEOUT) | OPT(COUNTER_SET_ID)),
	EDGE(RTS2RTS_QP, ST_UNRELIABLE, RTS, RTS, 0,
	     OPT(RWE) | OPT(PM_STATE) | OPT(COUNTER_SET_ID)),
	EDGE(RTS2RTS_QP, ST_DATAGRAM, RTS, RTS, 0, OPT(Q_KEY) | OPT(COUNTER_SET_ID)),
	EDGE(RTS2RTS_QP, ST_UMR, RTS, RTS, 0, 0),

	EDGE(SQERR2RTS_QP, ST_UNRELIABLE, SQER, RTS, 0, OPT(RWE)),
	EDGE(SQERR2RTS_QP, ST_DATAGRAM | ST_UMR, SQER, RTS, 0, OPT(Q_KEY)),
};

static const struct soft_transition *soft_transition_find(u16 opcode, u8 type, u8 from)
{
	u32 i;

	for (i = 0; i < ARRAY_SIZE(soft_transitions); i++) {
		const struct soft_transition *edge = &soft_transitions[i];

		if (edge->opcode == opcode && edge->types & BIT(type) && edge->from == from)
			return edge;
	}
	return NULL;
}

/* ---- Taking attributes ------------------------------------------------- */

static u32 soft_optional_attrs(u32 opt)
{
	u32 i, attrs = 0;

	for (i = 0; i < ARRAY_SIZE(soft_optional); i++)
		if (opt & soft_optional[i].opt)
			attrs |= soft_optional[i].attrs;
	return attrs;
}

/* Take @attrs of the context @from into @to. */
static void soft_attrs_take(__be32 *to, const __be32 *from, u32 attrs)
{
	u32 i;

	for (i = 0; i < ARRAY_SIZE(soft_attr_words); i++) {
		const struct soft_attr_word *word = &soft_attr_words[i];
		__be32 mask = cpu_to_be32(word->mask);

		if (attrs & BIT(word->attr))
			to[word->dw] = (to[word->dw] & ~mask) | (from[word->dw] & mask);
	}
}

static enum mhca_syndrome soft_attrs_check_path(const struct soft_qp *qp, const void *qpc)
{
	const void *ads = MLX5_ADDR_OF(qpc, qpc, primary_address_path);

	if (qp->base.obj.inst->personality == MHCA_ROCE)
		return MLX5_GET(ads, ads, src_addr_index) < MHCA_ROCE_ADDRESSES ?
		       MHCA_SYN_NONE : MHCA_SYN_INDEX;
	/* Connections are between two ports. */
	if (MLX5_GET(ads, ads, rlid) > MHCA_LID_LAST)
		return MHCA_SYN_QP_ATTR;
	if (MLX5_GET(ads, ads, grh) &&
	    MLX5_GET(ads, ads, src_addr_index) >= MHCA_GID_TABLE)
		return MHCA_SYN_INDEX;
	return MHCA_SYN_NONE;
}

/*
 * Does a packet of the path's MTU fit into a frame of the port? On InfiniBand every one
 * does. Drivers give every datagram QP the greatest MTU; there each message is measured.
 * Asked when the path is chosen: the port's MTU may change later.
 */
static bool soft_path_mtu_ok(const struct soft_qp *qp, u32 mtu)
{
	if (qp->base.obj.inst->personality != MHCA_ROCE ||
	    !(BIT(qp->type) & (ST_RELIABLE | ST_UNRELIABLE)))
		return true;
	return (128U << mtu) + SOFT_ROCE_HEADERS <= qp->base.obj.inst->vport->mtu;
}

/* Check what of @attrs now stands in @qpc. */
static enum mhca_syndrome soft_attrs_check(const struct soft_qp *qp, const void *qpc,
					   u32 attrs)
{
	const void *ads = MLX5_ADDR_OF(qpc, qpc, primary_address_path);
	u32 mtu = MLX5_GET(qpc, qpc, mtu);

	if (attrs & A(PM_STATE) && MLX5_GET(qpc, qpc, pm_state) != MLX5_QP_PM_MIGRATED)
		return MHCA_SYN_QP_ATTR;
	/* Nobody shows another's source QPN: set_deth_sqpn is no capability. */
	if (attrs & A(DETH_SQPN) &&
	    MLX5_GET(qpc, qpc, deth_sqpn) > (qp->type == MLX5_QP_ST_QP1))
		return MHCA_SYN_QP_ATTR;
	if (attrs & A(RAE) && MLX5_GET(qpc, qpc, atomic_mode) > SOFT_ATOMIC_MODE_8B)
		return MHCA_SYN_QP_ATTR;
	if (attrs & A(PKEY) && MLX5_GET(ads, ads, pkey_index) >= MHCA_PKEY_TABLE)
		return MHCA_SYN_INDEX;
	if (attrs & A(PORT) && MLX5_GET(ads, ads, vhca_port_num) > 1)
		return MHCA_SYN_PORT;
	if (attrs & A(MTU) && (mtu < SOFT_MTU_256 || mtu > SOFT_MTU_4096 ||
			       MLX5_GET(qpc, qpc, log_msg_max) > MHCA_LOG_MAX_MSG))
		return MHCA_SYN_QP_ATTR;
	if (attrs & A(RRA_MAX) && MLX5_GET(qpc, qpc, log_rra_max) > MHCA_LOG_MAX_RA)
		return MHCA_SYN_QP_ATTR;
	if (attrs & A(SRA_MAX) && MLX5_GET(qpc, qpc, log_sra_max) > MHCA_LOG_MAX_RA)
		return MHCA_SYN_QP_ATTR;
	if (attrs & A(PATH))
		return soft_attrs_check_path(qp, qpc);
	return MHCA_SYN_NONE;
}

/* ---- The data path's copies ------------------------------------------- */

static void soft_av_refresh(struct soft_qp *qp)
{
	const void *ads = MLX5_ADDR_OF(qpc, qp->attr, primary_address_path);
	struct soft_av *av = &qp->av;

	av->dlid = MLX5_GET(ads, ads, rlid);
	av->slid = qp->base.si->lid;
	av->sl = MLX5_GET(ads, ads, sl);
	/* On Ethernet every packet has one. */
	av->grh = MLX5_GET(ads, ads, grh) || qp->base.obj.inst->personality == MHCA_ROCE;
	av->sgid_index = MLX5_GET(ads, ads, src_addr_index);
	/* Two fields, but six bytes in a row. */
	memcpy(av->dmac, (const u8 *)ads + MLX5_BYTE_OFF(ads, rmac_31_0) - 2, sizeof(av->dmac));
	memcpy(av->dgid, MLX5_ADDR_OF(ads, ads, rgid_rip), sizeof(av->dgid));
	av->tclass = MLX5_GET(ads, ads, tclass);
	av->hop_limit = MLX5_GET(ads, ads, hop_limit);
	av->flow = MLX5_GET(ads, ads, flow_label);
}

/* The QPN that receivers of its datagrams see. */
static u32 soft_source_qpn(const struct soft_qp *qp)
{
	if (qp->type == MLX5_QP_ST_QP0)
		return 0;
	if (qp->type == MLX5_QP_ST_QP1)
		return 1;
	return qp->base.obj.num;
}

static u8 soft_remote_access(const void *qpc)
{
	u8 access = 0;

	if (MLX5_GET(qpc, qpc, rre))
		access |= SOFT_REMOTE_READ;
	if (MLX5_GET(qpc, qpc, rwe))
		access |= SOFT_REMOTE_WRITE;
	if (MLX5_GET(qpc, qpc, rae))
		access |= SOFT_REMOTE_ATOMIC;
	return access;
}

/**
 * soft_qp_refresh() - bring the data path's copies up to @qp->attr
 * @qp: QP; its lane's lock and rsp.lock are held
 *
 * PSNs and counters run on by themselves and are not touched.
 */
void soft_qp_refresh(struct soft_qp *qp)
{
	const void *qpc = qp->attr;

	lockdep_assert_held(&qp->base.si->lane->lock);
	lockdep_assert_held(&qp->rsp.lock);

	qp->remote_qpn = MLX5_GET(qpc, qpc, remote_qpn);
	qp->qkey = MLX5_GET(qpc, qpc, q_key);
	qp->mtu = 128U << MLX5_GET(qpc, qpc, mtu);
	WRITE_ONCE(qp->base.counter_set, MLX5_GET(qpc, qpc, counter_set_id));
	qp->deth_sqpn = soft_source_qpn(qp);
	qp->req.ack_timeout = MLX5_GET(qpc, qpc, primary_address_path.ack_timeout);
	qp->req.retry_count = MLX5_GET(qpc, qpc, retry_count);
	qp->req.rnr_retry = MLX5_GET(qpc, qpc, rnr_retry);
	qp->rsp.access = soft_remote_access(qpc);
	qp->rsp.min_rnr = MLX5_GET(qpc, qpc, min_rnr_nak);
	soft_av_refresh(qp);
}

/* ---- Commands ---------------------------------------------------------- */

/* Both locks held: the QP takes the edge with attributes that were checked. */
static void soft_qp_take_edge(struct soft_qp *qp, const struct soft_transition *edge,
			      const void *attr, u32 attrs)
{
	memcpy(qp->attr, attr, sizeof(qp->attr));
	if (attrs & A(SEND_PSN))
		qp->req.psn = MLX5_GET(qpc, attr, next_send_psn);
	if (attrs & A(RCV_PSN))
		qp->rsp.psn = MLX5_GET(qpc, attr, next_rcv_psn);
	soft_qp_refresh(qp);
	soft_qp_set_state(qp, edge->to);
}

static enum mhca_syndrome soft_qp_transition(struct mhca_cmd *cmd)
{
	/* All transitions have the layout of this one. */
	const void *qpc = MLX5_ADDR_OF(init2rtr_qp_in, cmd->in, qpc);
	u32 opt = MLX5_GET(init2rtr_qp_in, cmd->in, opt_param_mask);
	struct soft_qp *qp = (struct soft_qp *)cmd->obj;
	__be32 attr[MLX5_ST_SZ_DW(qpc)];
	struct soft_lane *lane = qp->base.si->lane;
	const struct soft_transition *edge;
	enum mhca_syndrome syndrome;
	u32 attrs;

	mutex_lock(&lane->lock);
	edge = soft_transition_find(cmd->opcode, qp->type, qp->state);
	if (!edge) {
		syndrome = MHCA_SYN_QP_STATE;
		goto unlock;
	}
	if (opt & ~edge->optional) {
		syndrome = MHCA_SYN_QP_ATTR;
		goto unlock;
	}
	attrs = edge->required | soft_optional_attrs(opt);
	memcpy(attr, qp->attr, sizeof(attr));
	soft_attrs_take(attr, qpc, attrs);
	syndrome = soft_attrs_check(qp, attr, attrs);
	if (!syndrome && attrs & A(MTU) && !soft_path_mtu_ok(qp, MLX5_GET(qpc, attr, mtu)))
		syndrome = MHCA_SYN_MTU;
	if (syndrome)
		goto unlock;

	mutex_lock(&qp->rsp.lock);
	soft_qp_take_edge(qp, edge, attr, attrs);
	mutex_unlock(&qp->rsp.lock);
	/* Something may have been posted before it was allowed to run. */
	if (edge->to == MLX5_QP_STATE_RTS && edge->from != MLX5_QP_STATE_RTS && !qp->req.none)
		soft_lane_activate(lane, &qp->base);
unlock:
	mutex_unlock(&lane->lock);
	if (!syndrome)
		soft_lane_wake(lane);
	return syndrome;
}

/* Attributes that a QP has in @state, when it came there from RST. false: it cannot. */
static bool soft_attrs_of_state(const struct soft_qp *qp, u8 state, u32 *attrs)
{
	static const u16 way[] = {
		MLX5_CMD_OP_RST2INIT_QP, MLX5_CMD_OP_INIT2RTR_QP, MLX5_CMD_OP_RTR2RTS_QP,
	};
	const struct soft_transition *edge;
	u8 at = MLX5_QP_STATE_RST;
	u32 i;

	*attrs = 0;
	for (i = 0; at != state && i < ARRAY_SIZE(way); i++) {
		edge = soft_transition_find(way[i], qp->type, at);
		if (!edge)
			return false;
		*attrs |= edge->required | soft_optional_attrs(edge->optional);
		at = edge->to;
	}
	return at == state;
}

/**
 * soft_qp_restore() - give a fresh QP the state that an image says
 * @qp: QP in RST; its lane's lock and rsp.lock are held
 * @state: MLX5_QP_STATE_*
 * @attr: its attributes, from anybody
 *
 * They are checked as those of the transitions are by which a guest gets there. How far it
 * was when it failed is not known: one in ERR gets the attributes of the last state that
 * they make sense in.
 *
 * Return: MHCA_SYN_NONE; or why not, and then nothing has changed.
 */
enum mhca_syndrome soft_qp_restore(struct soft_qp *qp, u8 state, const __be32 *attr)
{
	static const u8 lives[] = {
		MLX5_QP_STATE_RTS, MLX5_QP_STATE_RTR, MLX5_QP_STATE_INIT, MLX5_QP_STATE_RST,
	};
	enum mhca_syndrome syndrome = MHCA_SYN_QP_STATE;
	__be32 mine[MLX5_ST_SZ_DW(qpc)];
	u32 i, attrs;
	u8 life;

	for (i = 0; syndrome && i < ARRAY_SIZE(lives); i++) {
		life = state == MLX5_QP_STATE_SQER ? MLX5_QP_STATE_RTS : state;
		if (state == MLX5_QP_STATE_ERR)
			life = lives[i];
		if (!soft_attrs_of_state(qp, life, &attrs))
			continue;
		memcpy(mine, qp->attr, sizeof(mine));
		soft_attrs_take(mine, attr, attrs);
		syndrome = soft_attrs_check(qp, mine, attrs);
	}
	if (syndrome)
		return syndrome;
	memcpy(qp->attr, mine, sizeof(qp->attr));
	soft_qp_refresh(qp);
	soft_qp_set_state(qp, state);
	return MHCA_SYN_NONE;
}

static enum mhca_syndrome soft_qp_fail(struct soft_qp *qp)
{
	struct soft_lane *lane = qp->base.si->lane;
	struct srcu_struct *srcu = &qp->base.si->hca->srcu;
	int idx;

	mutex_lock(&lane->lock);
	idx = srcu_read_lock(srcu);
	soft_qp_to_error(qp);
	srcu_read_unlock(srcu, idx);
	mutex_unlock(&lane->lock);
	soft_lane_wake(lane);
	return MHCA_SYN_NONE;
}

/**
 * soft_qp_reset() - discard everything, silently
 * @qp: QP in any state
 *
 * CQEs of its sends are written under its lane's lock and those of its receives
 * under rsp.lock: when this returns, none will follow.
 */
void soft_qp_reset(struct soft_qp *qp)
{
	struct soft_lane *lane = qp->base.si->lane;

	mutex_lock(&lane->lock);
	mutex_lock(&qp->rsp.lock);
	soft_qp_set_state(qp, MLX5_QP_STATE_RST);
	/* Who condemns it holds one of the two locks: none does after this. */
	soft_lane_forget_qp(lane, &qp->base);
	qp->base.idle_polls = 0;
	qp->req.consumer = 0;
	qp->req.psn = 0;
	qp->req.retries = 0;
	qp->req.rnr_retries = 0;
	qp->req.waiting = false;
	qp->req.busy = false;
	qp->req.done = 0;
	qp->req.packets = 0;
	memset(&qp->req.wire, 0, sizeof(qp->req.wire));
	qp->rsp.consumer = 0;
	qp->rsp.psn = 0;
	qp->rsp.dead = false;
	qp->rsp.established = false;
	qp->rsp.last_due = false;
	qp->rsp.busy = false;
	memset(&qp->rsp.wire, 0, sizeof(qp->rsp.wire));
	qp->rsp.recv.srq = NULL;
	mutex_unlock(&qp->rsp.lock);
	mutex_unlock(&lane->lock);
}

/**
 * soft_qp_modify() - a QP transition
 * @cmd: any of the transition opcodes
 *
 * Return: 0 or why not; the QP is then unchanged.
 */
enum mhca_syndrome soft_qp_modify(struct mhca_cmd *cmd)
{
	struct soft_qp *qp = (struct soft_qp *)cmd->obj;

	switch (cmd->opcode) {
	case MLX5_CMD_OP_2ERR_QP:
		return soft_qp_fail(qp);
	case MLX5_CMD_OP_2RST_QP:
		soft_qp_reset(qp);
		return MHCA_SYN_NONE;
	default:
		return soft_qp_transition(cmd);
	}
}
