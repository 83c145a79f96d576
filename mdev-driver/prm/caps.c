// SPDX-License-Identifier: GPL-2.0-only
/*
 * Capabilities: what an instance says it can do. Every bit stands for something
 * that the backends implement; what is not listed is 0.
 *
 * MAX never changes. CUR is MAX, except where a driver may choose: the settable
 * rows say what, and up to which value.
 */
#include "command.h"

/**
 * struct mhca_cap - a capability field with a fixed value
 * @field: field
 * @value: value
 */
struct mhca_cap {
	struct mhca_field field;
	u32 value;
};

/**
 * struct mhca_cap_limit - a capability field that says a limit
 * @field: field
 * @kind: objects it limits
 * @count: the field holds the number itself, not its logarithm
 */
struct mhca_cap_limit {
	struct mhca_field field;
	enum mhca_object_kind kind;
	bool count;
};

/**
 * struct mhca_cap_settable - a field that a driver may change
 * @field: field
 * @max: greatest value it may set
 */
struct mhca_cap_settable {
	struct mhca_field field;
	u32 max;
};

#define GENERAL(field)		MHCA_FIELD(cmd_hca_cap, field)
#define ATOMIC(field)		MHCA_FIELD(atomic_caps, field)
#define ROCE(field)		MHCA_FIELD(roce_cap, field)
#define ETH(field)		MHCA_FIELD(per_protocol_networking_offload_caps, field)
#define FLOW(field)								\
	MHCA_FIELD(flow_table_nic_cap, flow_table_properties_nic_receive.field)
#define WHOLE(field)		FLOW(ft_field_support.field)
#define BITS(field)		FLOW(ft_field_bitmask_support.field)

#define MHCA_ATOMIC_CMP_SWAP	MLX5_ATOMIC_OPS_CMP_SWAP
#define MHCA_ATOMIC_FETCH_ADD	MLX5_ATOMIC_OPS_FETCH_ADD
#define MHCA_ATOMIC_8_BYTES	BIT(3)
#define MHCA_L3_IPV4		MLX5_ROCE_L3_TYPE_IPV4_CAP
#define MHCA_L3_IPV6		MLX5_ROCE_L3_TYPE_IPV6_CAP
#define MHCA_INLINE_NOT_NEEDED	2

/* General capabilities of every port. */
static const struct mhca_cap mhca_general_caps[] = {
	/* Port */
	{ GENERAL(num_ports), 1 },
	{ GENERAL(native_port_num), 1 },
	{ GENERAL(gid_table_size), 0 },		/* 8 << 0 */
	{ GENERAL(pkey_table_size), 0 },	/* 128 << 0 */
	{ GENERAL(qkv), 1 },			/* Q_Key violations are counted */
	{ GENERAL(max_qp_cnt), MHCA_MAX_QCOUNTER },
	{ GENERAL(out_of_seq_cnt), 1 },
	{ GENERAL(retransmission_q_counters), 1 },
	{ GENERAL(enhanced_error_q_counters), 1 },
	{ GENERAL(local_ca_ack_delay), 16 },
	/* Services */
	{ GENERAL(rc), 1 },
	{ GENERAL(uc), 1 },
	{ GENERAL(ud), 1 },
	{ GENERAL(xrc), 1 },
	{ GENERAL(atomic), 1 },
	{ GENERAL(log_max_msg), MHCA_LOG_MAX_MSG },
	{ GENERAL(log_max_ra_req_qp), MHCA_LOG_MAX_RA },
	{ GENERAL(log_max_ra_res_qp), MHCA_LOG_MAX_RA },
	{ GENERAL(max_qp_mcg), MHCA_MAX_QP_MCG },
	{ GENERAL(log_max_mcg), MHCA_LOG_MAX_MCG },
	/* Queues */
	{ GENERAL(log_max_qp_sz), MHCA_LOG_MAX_QP_SZ },
	{ GENERAL(log_max_srq_sz), MHCA_LOG_MAX_SRQ_SZ },
	{ GENERAL(log_max_cq_sz), MHCA_LOG_MAX_CQ_SZ },
	{ GENERAL(log_max_eq_sz), MHCA_LOG_MAX_EQ_SZ },
	{ GENERAL(max_wqe_sz_sq), MHCA_MAX_WQE_SQ },
	{ GENERAL(max_wqe_sz_rq), MHCA_MAX_WQE_RQ },
	{ GENERAL(cqe_version), 1 },
	{ GENERAL(cq_oi), 1 },
	{ GENERAL(cq_resize), 1 },
	{ GENERAL(cq_moderation), 1 },
#ifdef MHCA_HAVE_CQ_PERIOD_MODE_MODIFY	/* headers before 6.9 do not name it */
	{ GENERAL(cq_period_mode_modify), 1 },
#endif
	/* Asking for it is taken for an offer: CQEs are written whole, one by one. */
	{ GENERAL(cqe_compression), 1 },
	{ GENERAL(cqe_compression_max_num), 1 },
	/* Doorbell pages. log_bf_reg_size gives the registers' distance even without bf. */
	{ GENERAL(uar_sz), ilog2(MHCA_BAR_SIZE) - 20 },
	{ GENERAL(log_pg_sz), MHCA_PAGE_SHIFT },
	{ GENERAL(log_bf_reg_size), 9 },
	{ GENERAL(num_of_uars_per_page), 1 },
	/* The internal timer and CQE timestamps count nanoseconds. */
	{ GENERAL(device_frequency_mhz), 1000 },
	{ GENERAL(device_frequency_khz), 1000000 },
	/* Keys that name pieces of other keys: memory windows, and lists with gaps */
	{ GENERAL(imaicl), 1 },
	{ GENERAL(max_indirection), 1 },
	/*
	 * Headers before 6.6 do not name this bit (Kbuild asks them). Without it the
	 * driver makes an EQ for page requests, which never come.
	 */
#ifdef MHCA_HAVE_PAGE_REQUEST_DISABLE
	{ GENERAL(page_request_disable), 1 },
#endif
};

static const struct mhca_cap mhca_ib_caps[] = {
	{ GENERAL(port_type), MLX5_CAP_PORT_TYPE_IB },
	{ GENERAL(ib_virt), 1 },
	/* No UMR */
	{ GENERAL(umr_modify_entity_size_disabled), 1 },
	{ GENERAL(umr_modify_atomic_disabled), 1 },
};

static const struct mhca_cap mhca_roce_general_caps[] = {
	{ GENERAL(port_type), MLX5_CAP_PORT_TYPE_ETH },
	{ GENERAL(eth_net_offloads), 1 },
	{ GENERAL(nic_flow_table), 1 },
	{ GENERAL(roce), 1 },
	{ GENERAL(max_tc), 8 },
	{ GENERAL(log_max_rqt_size), MHCA_LOG_MAX_RQT_SIZE },
	{ GENERAL(log_max_wq_sz), MHCA_LOG_MAX_WQ_SZ },
	{ GENERAL(log_max_current_uc_list), MHCA_LOG_MAX_UC },
	{ GENERAL(log_max_current_mc_list), MHCA_LOG_MAX_MC },
	{ GENERAL(log_max_vlan_list), MHCA_LOG_MAX_VLAN },
	/* UMR: the bits that would disable it are 0 */
	{ GENERAL(log_max_klm_list_size), MHCA_LOG_MAX_KLM },
};

static const struct mhca_cap mhca_roce_caps[] = {
	{ ROCE(l3_type), MHCA_L3_IPV4 | MHCA_L3_IPV6 },
	{ ROCE(roce_version), BIT(MHCA_ROCE_V1) | BIT(MHCA_ROCE_V2) },
	{ ROCE(r_roce_dest_udp_port), MHCA_ROCE_UDP_PORT },
	{ ROCE(r_roce_max_src_udp_port), 0xffff },
	{ ROCE(r_roce_min_src_udp_port), 0xc000 },
	{ ROCE(roce_address_table_size), MHCA_ROCE_ADDRESSES },
};

static const struct mhca_cap mhca_eth_caps[] = {
	{ ETH(csum_cap), 1 },
	{ ETH(vlan_cap), 1 },
	{ ETH(wqe_vlan_insert), 1 },
	{ ETH(max_lso_cap), MHCA_LOG_MAX_LSO },
	{ ETH(rss_ind_tbl_cap), MHCA_LOG_MAX_RQT_SIZE },
	{ ETH(wqe_inline_mode), MHCA_INLINE_NOT_NEEDED },
	{ ETH(self_lb_en_modifiable), 1 },
};

/* Tables of received frames; what flow_match.c compares. */
static const struct mhca_cap mhca_flow_caps[] = {
	{ FLOW(ft_support), 1 },
	{ FLOW(flow_modify_en), 1 },
	{ FLOW(modify_root), 1 },
	{ FLOW(identified_miss_table_mode), 1 },
	{ FLOW(flow_table_modify), 1 },
	{ FLOW(log_max_ft_size), MHCA_LOG_MAX_FLOW_TABLE_SIZE },
	{ FLOW(max_ft_level), MHCA_MAX_FLOW_LEVEL },
	{ FLOW(log_max_ft_num), MHCA_LOG_MAX_FLOW_TABLE },
	{ FLOW(log_max_destination), MHCA_LOG_MAX_FLOW_DEST },
	{ FLOW(log_max_flow), ilog2(MHCA_MAX_FLOW_ENTRY) },
	{ WHOLE(outer_dmac), 1 },
	{ BITS(outer_dmac), 1 },
	{ WHOLE(outer_smac), 1 },
	{ BITS(outer_smac), 1 },
	{ WHOLE(outer_ether_type), 1 },
	{ BITS(outer_ether_type), 1 },
	{ WHOLE(outer_ip_version), 1 },
	{ BITS(outer_ip_version), 1 },
	{ WHOLE(outer_first_prio), 1 },
	{ BITS(outer_first_prio), 1 },
	{ WHOLE(outer_first_cfi), 1 },
	{ BITS(outer_first_cfi), 1 },
	{ WHOLE(outer_first_vid), 1 },
	{ BITS(outer_first_vid), 1 },
	{ WHOLE(outer_sip), 1 },
	{ BITS(outer_sip), 1 },
	{ WHOLE(outer_dip), 1 },
	{ BITS(outer_dip), 1 },
	{ WHOLE(outer_frag), 1 },
	{ BITS(outer_frag), 1 },
	{ WHOLE(outer_ip_protocol), 1 },
	{ BITS(outer_ip_protocol), 1 },
	{ WHOLE(outer_ip_ecn), 1 },
	{ BITS(outer_ip_ecn), 1 },
	{ WHOLE(outer_ip_dscp), 1 },
	{ BITS(outer_ip_dscp), 1 },
	{ WHOLE(outer_udp_sport), 1 },
	{ BITS(outer_udp_sport), 1 },
	{ WHOLE(outer_udp_dport), 1 },
	{ BITS(outer_udp_dport), 1 },
	{ WHOLE(outer_tcp_sport), 1 },
	{ BITS(outer_tcp_sport), 1 },
	{ WHOLE(outer_tcp_dport), 1 },
	{ BITS(outer_tcp_dport), 1 },
	{ WHOLE(outer_tcp_flags), 1 },
	{ BITS(outer_tcp_flags), 1 },
};

static const struct mhca_cap_limit mhca_general_limits[] = {
	{ GENERAL(log_max_qp), MHCA_QP },
	{ GENERAL(log_max_srq), MHCA_SRQ },
	{ GENERAL(log_max_rmp), MHCA_SRQ },
	{ GENERAL(log_max_cq), MHCA_CQ },
	{ GENERAL(log_max_mkey), MHCA_MKEY },
	{ GENERAL(log_max_pd), MHCA_PD },
	{ GENERAL(log_max_xrcd), MHCA_XRCD },
	{ GENERAL(log_max_transport_domain), MHCA_TD },
	{ GENERAL(log_max_eq), MHCA_EQ },
	{ GENERAL(max_num_eqs), MHCA_EQ, .count = true },
};

static const struct mhca_cap_limit mhca_roce_limits[] = {
	{ GENERAL(log_max_rq), MHCA_RQ },
	{ GENERAL(log_max_sq), MHCA_SQ },
	{ GENERAL(log_max_tir), MHCA_TIR },
	{ GENERAL(log_max_tis), MHCA_TIS },
	{ GENERAL(log_max_rqt), MHCA_RQT },
};

static const struct mhca_cap mhca_atomic_caps[] = {
	{ ATOMIC(supported_atomic_req_8B_endianness_mode_1), 1 },
	{ ATOMIC(atomic_operations), MHCA_ATOMIC_CMP_SWAP | MHCA_ATOMIC_FETCH_ADD },
	{ ATOMIC(atomic_size_qp), MHCA_ATOMIC_8_BYTES },
};

/* What mlx5_core writes back; everything else has to stay as it was read. */
static const struct mhca_cap_settable mhca_general_settable[] = {
	{ GENERAL(log_max_qp), MHCA_LOG_MAX_QP },
	{ GENERAL(pkey_table_size), 0 },
	{ GENERAL(cmdif_checksum), 0 },
	{ GENERAL(log_uar_page_sz), 0 },
	{ GENERAL(cache_line_128byte), 1 },	/* layout hint, no consequence */
};

static const struct mhca_cap_settable mhca_atomic_settable[] = {
	{ ATOMIC(atomic_req_8B_endianness_mode), 1 },
};

/* ---- Limits ------------------------------------------------------------------ */

/* What the host lets one instance have. */
static const u32 mhca_host_limits[MHCA_OBJECT_KINDS] = {
	[MHCA_FLOW_GROUP] = MHCA_MAX_FLOW_GROUP,
	[MHCA_FLOW_TABLE] = 1U << MHCA_LOG_MAX_FLOW_TABLE,
	[MHCA_FLOW_COUNTER] = MHCA_MAX_FLOW_COUNTER,
	[MHCA_TIR] = 1U << MHCA_LOG_MAX_TIR,
	[MHCA_RQT] = 1U << MHCA_LOG_MAX_RQT,
	[MHCA_RQ] = 1U << MHCA_LOG_MAX_RQ,
	[MHCA_SQ] = 1U << MHCA_LOG_MAX_SQ,
	[MHCA_TIS] = 1U << MHCA_LOG_MAX_TIS,
	[MHCA_QP] = 1U << MHCA_LOG_MAX_QP,
	[MHCA_SRQ] = 1U << MHCA_LOG_MAX_SRQ,
	[MHCA_MKEY] = 1U << MHCA_LOG_MAX_MKEY,
	[MHCA_CQ] = 1U << MHCA_LOG_MAX_CQ,
	[MHCA_EQ] = MHCA_MAX_EQ - 1,		/* number 0 is not used */
	[MHCA_QCOUNTER] = MHCA_MAX_QCOUNTER,
	[MHCA_XRCD] = 1U << MHCA_LOG_MAX_XRCD,
	[MHCA_TD] = 1U << MHCA_LOG_MAX_TD,
	[MHCA_PD] = 1U << MHCA_LOG_MAX_PD,
	[MHCA_UAR] = MHCA_MAX_UAR,
};

/**
 * mhca_limit() - the three views of a limit
 * @kind: objects
 * @configured: what the administrator asked for
 *
 * Return: what was configured, what is enforced, and what the guest is told.
 */
struct mhca_limit mhca_limit(enum mhca_object_kind kind, u32 configured)
{
	struct mhca_limit limit = { .configured = configured };

	if (kind >= MHCA_OBJECT_KINDS)
		return limit;
	limit.clamped = min(configured, mhca_host_limits[kind]);
	if (kind == MHCA_EQ || kind == MHCA_UAR || kind == MHCA_QCOUNTER || !limit.clamped)
		limit.visible = limit.clamped;
	else
		limit.visible = 1U << ilog2(limit.clamped);
	return limit;
}
EXPORT_SYMBOL_GPL(mhca_limit);

/* ---- Queries and changes ---------------------------------------------------------- */

static void mhca_caps_fill(void *caps, const struct mhca_cap *rows, u32 n)
{
	u32 i;

	for (i = 0; i < n; i++)
		mhca_field_set(caps, rows[i].field, rows[i].value);
}

static void mhca_caps_limits(const struct mhca_instance *inst, void *caps,
			     const struct mhca_cap_limit *rows, u32 n)
{
	u32 i, visible;

	for (i = 0; i < n; i++) {
		visible = mhca_limit(rows[i].kind, inst->quota.max[rows[i].kind]).visible;
		mhca_field_set(caps, rows[i].field,
			       rows[i].count || !visible ? visible : ilog2(visible));
	}
}

/* The greatest values: what MAX says and CUR begins with. */
static void mhca_caps_general(const struct mhca_instance *inst, void *caps)
{
	memset(caps, 0, MHCA_CAP_SIZE);
	mhca_caps_fill(caps, mhca_general_caps, ARRAY_SIZE(mhca_general_caps));
	mhca_caps_limits(inst, caps, mhca_general_limits, ARRAY_SIZE(mhca_general_limits));
	if (inst->personality == MHCA_IB) {
		mhca_caps_fill(caps, mhca_ib_caps, ARRAY_SIZE(mhca_ib_caps));
		return;
	}
	mhca_caps_fill(caps, mhca_roce_general_caps, ARRAY_SIZE(mhca_roce_general_caps));
	mhca_caps_limits(inst, caps, mhca_roce_limits, ARRAY_SIZE(mhca_roce_limits));
}

static void mhca_caps_atomic(void *caps)
{
	memset(caps, 0, MHCA_CAP_SIZE);
	mhca_caps_fill(caps, mhca_atomic_caps, ARRAY_SIZE(mhca_atomic_caps));
}

/**
 * struct mhca_cap_set - capabilities of an Ethernet port that nobody can change
 * @type: enum mlx5_cap_type
 * @rows: fields
 * @n: how many
 */
struct mhca_cap_set {
	u16 type;
	const struct mhca_cap *rows;
	u32 n;
};

static const struct mhca_cap_set mhca_cap_sets[] = {
	{ MLX5_CAP_ETHERNET_OFFLOADS, mhca_eth_caps, ARRAY_SIZE(mhca_eth_caps) },
	{ MLX5_CAP_ROCE, mhca_roce_caps, ARRAY_SIZE(mhca_roce_caps) },
	{ MLX5_CAP_FLOW_TABLE, mhca_flow_caps, ARRAY_SIZE(mhca_flow_caps) },
};

static enum mhca_syndrome mhca_caps_fixed(const struct mhca_instance *inst, u16 type, void *out)
{
	u32 i;

	if (inst->personality != MHCA_ROCE)
		return MHCA_SYN_CAPABILITY;
	for (i = 0; i < ARRAY_SIZE(mhca_cap_sets); i++) {
		if (mhca_cap_sets[i].type != type)
			continue;
		memset(out, 0, MHCA_CAP_SIZE);
		mhca_caps_fill(out, mhca_cap_sets[i].rows, mhca_cap_sets[i].n);
		return MHCA_SYN_NONE;
	}
	return MHCA_SYN_CAPABILITY;
}

/**
 * mhca_caps_each() - the capabilities that an Ethernet port has and nobody can change
 * @inst: instance
 * @i: which, from 0 on
 * @out: MHCA_CAP_SIZE bytes
 *
 * Return: enum mlx5_cap_type of them; negative: there are no more.
 */
int mhca_caps_each(const struct mhca_instance *inst, u32 i, void *out)
{
	if (i >= ARRAY_SIZE(mhca_cap_sets) ||
	    mhca_caps_fixed(inst, mhca_cap_sets[i].type, out))
		return -ENOENT;
	return mhca_cap_sets[i].type;
}

/**
 * mhca_caps_reset() - forget what the driver chose
 * @inst: instance
 */
void mhca_caps_reset(struct mhca_instance *inst)
{
	mhca_caps_general(inst, inst->core->general);
	mhca_caps_atomic(inst->core->atomic);
}

/**
 * mhca_caps_query() - QUERY_HCA_CAP
 * @inst: instance
 * @type: enum mlx5_cap_type
 * @cur: current values, not the greatest
 * @out: MHCA_CAP_SIZE bytes
 *
 * Return: MHCA_SYN_NONE, or CAPABILITY for a type there is nothing to say about.
 */
enum mhca_syndrome mhca_caps_query(struct mhca_instance *inst, u16 type, bool cur, void *out)
{
	switch (type) {
	case MLX5_CAP_GENERAL:
		if (cur)
			memcpy(out, inst->core->general, MHCA_CAP_SIZE);
		else
			mhca_caps_general(inst, out);
		return MHCA_SYN_NONE;
	case MLX5_CAP_ATOMIC:
		if (cur)
			memcpy(out, inst->core->atomic, MHCA_CAP_SIZE);
		else
			mhca_caps_atomic(out);
		return MHCA_SYN_NONE;
	default:
		return mhca_caps_fixed(inst, type, out);
	}
}

/*
 * Put acceptable changes into @caps. Whatever a driver cannot change has to be as it
 * read it, or all 0: drivers fill in only the field they mean.
 */
static enum mhca_syndrome mhca_caps_change(u8 *caps, const void *in,
					   const struct mhca_cap_settable *rows, u32 n)
{
	enum mhca_syndrome syndrome = MHCA_SYN_NONE;
	u8 *wanted, *rest;
	u32 i, value;

	wanted = kvmalloc(2 * MHCA_CAP_SIZE, GFP_KERNEL);
	if (!wanted)
		return MHCA_SYN_NO_MEMORY;
	rest = wanted + MHCA_CAP_SIZE;
	memcpy(wanted, caps, MHCA_CAP_SIZE);
	memcpy(rest, in, MHCA_CAP_SIZE);
	for (i = 0; i < n; i++) {
		value = mhca_field_get(in, rows[i].field);
		if (value != mhca_field_get(caps, rows[i].field) && value > rows[i].max)
			syndrome = MHCA_SYN_CAPABILITY;
		mhca_field_set(wanted, rows[i].field, value);
		mhca_field_set(rest, rows[i].field, 0);
	}
	if (memcmp(wanted, in, MHCA_CAP_SIZE) && memchr_inv(rest, 0, MHCA_CAP_SIZE))
		syndrome = MHCA_SYN_CAPABILITY;
	if (!syndrome)
		memcpy(caps, wanted, MHCA_CAP_SIZE);
	kvfree(wanted);
	return syndrome;
}

/**
 * mhca_caps_set() - SET_HCA_CAP
 * @inst: instance
 * @type: enum mlx5_cap_type
 * @in: MHCA_CAP_SIZE bytes, as the driver wants them
 *
 * Return: MHCA_SYN_NONE; CAPABILITY: nothing was changed.
 */
enum mhca_syndrome mhca_caps_set(struct mhca_instance *inst, u16 type, const void *in)
{
	switch (type) {
	case MLX5_CAP_GENERAL:
		return mhca_caps_change(inst->core->general, in, mhca_general_settable,
					ARRAY_SIZE(mhca_general_settable));
	case MLX5_CAP_ATOMIC:
		return mhca_caps_change(inst->core->atomic, in, mhca_atomic_settable,
					ARRAY_SIZE(mhca_atomic_settable));
	default:
		return MHCA_SYN_CAPABILITY;
	}
}
