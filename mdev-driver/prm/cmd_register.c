// SPDX-License-Identifier: GPL-2.0-only
/*
 * Access registers: what a port says about itself beyond the vport. Which there are
 * depends on the port's type.
 *
 * The guest can write what it sets on a port of its own: MTU and administrative
 * state. Speed, names and counters are the host's.
 */
#include "command.h"

#define MHCA_PORT		1
#define MHCA_WIDTH_4X		2
#define MHCA_SPEED_EDR		32
#define MHCA_IB_MTU		4096
#define MHCA_PROTO_100G_KR4	BIT(22)
#define MHCA_ADMIN_UP		1
#define MHCA_ADMIN_DOWN		2
#define MHCA_AN_COMPLETE	1
#define MHCA_READ		1	/* op_mod; 0 writes */

#define MHCA_REGISTER_DATA	MLX5_BYTE_OFF(access_register_in, register_data)

/* ---- Every port ---------------------------------------------------------------- */

static void mhca_register_node_desc(struct mhca_cmd *cmd, const void *in, void *out)
{
	memcpy(out, cmd->inst->core->node_desc, sizeof(cmd->inst->core->node_desc));
}

/* The guest's name for itself; nobody on the host reads it. */
static enum mhca_syndrome mhca_register_node_desc_write(struct mhca_cmd *cmd, const void *in)
{
	memcpy(cmd->inst->core->node_desc, in, sizeof(cmd->inst->core->node_desc));
	return MHCA_SYN_NONE;
}

/* ---- InfiniBand ------------------------------------------------------------------ */

static void mhca_register_ptys_ib(struct mhca_cmd *cmd, const void *in, void *out)
{
	MLX5_SET(ptys_reg, out, local_port, MHCA_PORT);
	MLX5_SET(ptys_reg, out, proto_mask, MLX5_GET(ptys_reg, in, proto_mask));
	MLX5_SET(ptys_reg, out, ib_link_width_capability, MHCA_WIDTH_4X);
	MLX5_SET(ptys_reg, out, ib_proto_capability, MHCA_SPEED_EDR);
	MLX5_SET(ptys_reg, out, ib_link_width_admin, MHCA_WIDTH_4X);
	MLX5_SET(ptys_reg, out, ib_proto_admin, MHCA_SPEED_EDR);
	MLX5_SET(ptys_reg, out, ib_link_width_oper, MHCA_WIDTH_4X);
	MLX5_SET(ptys_reg, out, ib_proto_oper, MHCA_SPEED_EDR);
}

static void mhca_register_pmtu_ib(struct mhca_cmd *cmd, const void *in, void *out)
{
	MLX5_SET(pmtu_reg, out, local_port, MHCA_PORT);
	MLX5_SET(pmtu_reg, out, max_mtu, MHCA_IB_MTU);
	MLX5_SET(pmtu_reg, out, admin_mtu, MHCA_IB_MTU);
	MLX5_SET(pmtu_reg, out, oper_mtu, MHCA_IB_MTU);
}

/* One virtual lane. */
static void mhca_register_pvlc(struct mhca_cmd *cmd, const void *in, void *out)
{
	MLX5_SET(pvlc_reg, out, local_port, MHCA_PORT);
	MLX5_SET(pvlc_reg, out, vl_hw_cap, 1);
	MLX5_SET(pvlc_reg, out, vl_admin, 1);
	MLX5_SET(pvlc_reg, out, vl_operational, 1);
}

/* There is no cable whose errors could be counted: those counters stay 0. */
static void mhca_ppcnt_ib(const struct mhca_counters *counters, void *group)
{
	u64 discards = atomic64_read(&counters->drop_no_peer) +
		       atomic64_read(&counters->drop_length);

	MLX5_SET(ib_port_cntrs_grp_data_layout, group, port_xmit_discards,
		 min_t(u64, discards, U16_MAX));
}

/* ---- Ethernet ---------------------------------------------------------------------- */

static void mhca_register_ptys_eth(struct mhca_cmd *cmd, const void *in, void *out)
{
	MLX5_SET(ptys_reg, out, local_port, MHCA_PORT);
	MLX5_SET(ptys_reg, out, proto_mask, MLX5_GET(ptys_reg, in, proto_mask));
	MLX5_SET(ptys_reg, out, eth_proto_capability, MHCA_PROTO_100G_KR4);
	MLX5_SET(ptys_reg, out, eth_proto_admin, MHCA_PROTO_100G_KR4);
	MLX5_SET(ptys_reg, out, eth_proto_oper, MHCA_PROTO_100G_KR4);
	MLX5_SET(ptys_reg, out, an_status, MHCA_AN_COMPLETE);
}

static void mhca_register_pmtu_eth(struct mhca_cmd *cmd, const void *in, void *out)
{
	MLX5_SET(pmtu_reg, out, local_port, MHCA_PORT);
	MLX5_SET(pmtu_reg, out, max_mtu, MHCA_MTU_MAX + MHCA_FRAME_OVERHEAD);
	MLX5_SET(pmtu_reg, out, admin_mtu, cmd->inst->core->eth_mtu);
	MLX5_SET(pmtu_reg, out, oper_mtu, cmd->inst->core->eth_mtu);
}

static enum mhca_syndrome mhca_register_pmtu_write(struct mhca_cmd *cmd, const void *in)
{
	u32 mtu = MLX5_GET(pmtu_reg, in, admin_mtu);

	if (mtu < MHCA_MTU_MIN + MHCA_FRAME_OVERHEAD || mtu > MHCA_MTU_MAX + MHCA_FRAME_OVERHEAD)
		return MHCA_SYN_MTU;
	cmd->inst->core->eth_mtu = mtu;
	return MHCA_SYN_NONE;
}

static void mhca_register_paos(struct mhca_cmd *cmd, const void *in, void *out)
{
	MLX5_SET(paos_reg, out, local_port, MHCA_PORT);
	MLX5_SET(paos_reg, out, admin_status,
		 cmd->inst->port.admin_down ? MHCA_ADMIN_DOWN : MHCA_ADMIN_UP);
	MLX5_SET(paos_reg, out, oper_status,
		 READ_ONCE(cmd->inst->port.up) ? MHCA_ADMIN_UP : MHCA_ADMIN_DOWN);
}

/*
 * The virtual function's own wish: like that of an SR-IOV function it does not take
 * down a link that others use. A driver that wants no frames has no queues. But its
 * address may then be another's, as in a bond whose other slave takes over.
 */
static enum mhca_syndrome mhca_register_paos_write(struct mhca_cmd *cmd, const void *in)
{
	u32 status = MLX5_GET(paos_reg, in, admin_status);

	if (status != MHCA_ADMIN_UP && status != MHCA_ADMIN_DOWN)
		return MHCA_SYN_REGISTER;
	mutex_lock(&cmd->inst->port_lock);
	cmd->inst->port.admin_down = status == MHCA_ADMIN_DOWN;
	mhca_vport_changed(cmd->inst);
	mutex_unlock(&cmd->inst->port_lock);
	return MHCA_SYN_NONE;
}

/* No pause frames, no priority flow control. */
static void mhca_register_pfcc(struct mhca_cmd *cmd, const void *in, void *out)
{
	MLX5_SET(pfcc_reg, out, local_port, MHCA_PORT);
}

/* ---- Port counters --------------------------------------------------------------- */

/* The counters' high word comes first; together they are one of 64 bits. */
#define MHCA_PPCNT(layout, group, name, value)						\
	do {										\
		u64 v = (value);							\
											\
		MLX5_SET(layout, group, name##_high, v >> 32);				\
		MLX5_SET(layout, group, name##_low, v);					\
	} while (0)

#define MHCA_READ_COUNTER(counters, name)	((u64)atomic64_read(&(counters)->name))

/**
 * struct mhca_eth_totals - an Ethernet port's counters as one cable's
 * @tx: frames sent
 * @rx: frames received
 * @tx_bytes: bytes sent
 * @rx_bytes: bytes received
 * @tx_group: of @tx, to a group
 * @rx_group: of @rx, to a group
 * @tx_bcast: of @tx, to everybody
 * @rx_bcast: of @rx, to everybody
 */
struct mhca_eth_totals {
	u64 tx, rx, tx_bytes, rx_bytes, tx_group, rx_group, tx_bcast, rx_bcast;
};

static void mhca_eth_sum(const struct mhca_counters *c, struct mhca_eth_totals *t)
{
	t->tx_group = MHCA_READ_COUNTER(c, eth_tx_mcast);
	t->rx_group = MHCA_READ_COUNTER(c, eth_rx_mcast);
	t->tx_bcast = MHCA_READ_COUNTER(c, eth_tx_bcast);
	t->rx_bcast = MHCA_READ_COUNTER(c, eth_rx_bcast);
	t->tx = MHCA_READ_COUNTER(c, eth_tx_ucast) + t->tx_group + t->tx_bcast;
	t->rx = MHCA_READ_COUNTER(c, eth_rx_ucast) + t->rx_group + t->rx_bcast;
	t->tx_bytes = MHCA_READ_COUNTER(c, eth_tx_ucast_bytes) +
		      MHCA_READ_COUNTER(c, eth_tx_mcast_bytes) +
		      MHCA_READ_COUNTER(c, eth_tx_bcast_bytes);
	t->rx_bytes = MHCA_READ_COUNTER(c, eth_rx_ucast_bytes) +
		      MHCA_READ_COUNTER(c, eth_rx_mcast_bytes) +
		      MHCA_READ_COUNTER(c, eth_rx_bcast_bytes);
}

static void mhca_ppcnt_802_3(const struct mhca_counters *counters, void *group)
{
	struct mhca_eth_totals t;

	mhca_eth_sum(counters, &t);
	MHCA_PPCNT(eth_802_3_cntrs_grp_data_layout, group, a_frames_transmitted_ok, t.tx);
	MHCA_PPCNT(eth_802_3_cntrs_grp_data_layout, group, a_frames_received_ok, t.rx);
	MHCA_PPCNT(eth_802_3_cntrs_grp_data_layout, group, a_octets_transmitted_ok, t.tx_bytes);
	MHCA_PPCNT(eth_802_3_cntrs_grp_data_layout, group, a_octets_received_ok, t.rx_bytes);
	MHCA_PPCNT(eth_802_3_cntrs_grp_data_layout, group, a_multicast_frames_xmitted_ok,
		   t.tx_group);
	MHCA_PPCNT(eth_802_3_cntrs_grp_data_layout, group, a_broadcast_frames_xmitted_ok,
		   t.tx_bcast);
	MHCA_PPCNT(eth_802_3_cntrs_grp_data_layout, group, a_multicast_frames_received_ok,
		   t.rx_group);
	MHCA_PPCNT(eth_802_3_cntrs_grp_data_layout, group, a_broadcast_frames_received_ok,
		   t.rx_bcast);
}

static void mhca_ppcnt_2863(const struct mhca_counters *counters, void *group)
{
	struct mhca_eth_totals t;
	u64 discards = MHCA_READ_COUNTER(counters, drop_frame) +
		       MHCA_READ_COUNTER(counters, drop_spoof) +
		       MHCA_READ_COUNTER(counters, drop_flood);

	mhca_eth_sum(counters, &t);
	MHCA_PPCNT(eth_2863_cntrs_grp_data_layout, group, if_in_octets, t.rx_bytes);
	MHCA_PPCNT(eth_2863_cntrs_grp_data_layout, group, if_out_octets, t.tx_bytes);
	MHCA_PPCNT(eth_2863_cntrs_grp_data_layout, group, if_in_ucast_pkts,
		   MHCA_READ_COUNTER(counters, eth_rx_ucast));
	MHCA_PPCNT(eth_2863_cntrs_grp_data_layout, group, if_out_ucast_pkts,
		   MHCA_READ_COUNTER(counters, eth_tx_ucast));
	MHCA_PPCNT(eth_2863_cntrs_grp_data_layout, group, if_in_multicast_pkts, t.rx_group);
	MHCA_PPCNT(eth_2863_cntrs_grp_data_layout, group, if_out_multicast_pkts, t.tx_group);
	MHCA_PPCNT(eth_2863_cntrs_grp_data_layout, group, if_in_broadcast_pkts, t.rx_bcast);
	MHCA_PPCNT(eth_2863_cntrs_grp_data_layout, group, if_out_broadcast_pkts, t.tx_bcast);
	MHCA_PPCNT(eth_2863_cntrs_grp_data_layout, group, if_out_discards, discards);
}

static void mhca_ppcnt_2819(const struct mhca_counters *counters, void *group)
{
	struct mhca_eth_totals t;

	mhca_eth_sum(counters, &t);
	MHCA_PPCNT(eth_2819_cntrs_grp_data_layout, group, ether_stats_octets, t.rx_bytes);
	MHCA_PPCNT(eth_2819_cntrs_grp_data_layout, group, ether_stats_pkts, t.rx);
	MHCA_PPCNT(eth_2819_cntrs_grp_data_layout, group, ether_stats_broadcast_pkts, t.rx_bcast);
	MHCA_PPCNT(eth_2819_cntrs_grp_data_layout, group, ether_stats_multicast_pkts, t.rx_group);
}

/* Everything is of one priority, the first; the index stands in prio_tc. */
static void mhca_ppcnt_nothing(const struct mhca_counters *counters, void *group)
{
}

/**
 * struct mhca_ppcnt_group - a group of port counters
 * @personality: BIT() of the port's type
 * @group: its number
 * @read: fill it, zeroed
 */
struct mhca_ppcnt_group {
	u8 personality;
	u8 group;
	void (*read)(const struct mhca_counters *counters, void *group);
};

static const struct mhca_ppcnt_group mhca_ppcnt_groups[] = {
	{ BIT(MHCA_IB), 0x20, mhca_ppcnt_ib },
	{ BIT(MHCA_ROCE), 0x00, mhca_ppcnt_802_3 },
	{ BIT(MHCA_ROCE), 0x01, mhca_ppcnt_2863 },
	{ BIT(MHCA_ROCE), 0x02, mhca_ppcnt_2819 },
	{ BIT(MHCA_ROCE), 0x03, mhca_ppcnt_nothing },	/* RFC 3635 */
	{ BIT(MHCA_ROCE), 0x05, mhca_ppcnt_nothing },	/* extended */
	{ BIT(MHCA_ROCE), 0x06, mhca_ppcnt_nothing },	/* discard */
	{ BIT(MHCA_ROCE), 0x10, mhca_ppcnt_nothing },	/* per priority */
	{ BIT(MHCA_ROCE), 0x12, mhca_ppcnt_nothing },	/* physical layer */
};

static const struct mhca_ppcnt_group *mhca_ppcnt_find(const struct mhca_cmd *cmd,
						      const void *data)
{
	u8 group = MLX5_GET(ppcnt_reg, data, grp);
	u32 i;

	for (i = 0; i < ARRAY_SIZE(mhca_ppcnt_groups); i++)
		if (mhca_ppcnt_groups[i].group == group &&
		    mhca_ppcnt_groups[i].personality & BIT(cmd->inst->personality))
			return &mhca_ppcnt_groups[i];
	return NULL;
}

static void mhca_register_ppcnt(struct mhca_cmd *cmd, const void *in, void *out)
{
	const struct mhca_ppcnt_group *group = mhca_ppcnt_find(cmd, in);

	MLX5_SET(ppcnt_reg, out, local_port, MHCA_PORT);
	MLX5_SET(ppcnt_reg, out, grp, group->group);
	MLX5_SET(ppcnt_reg, out, prio_tc, MLX5_GET(ppcnt_reg, in, prio_tc));
	group->read(&cmd->inst->counters, MLX5_ADDR_OF(ppcnt_reg, out, counter_set));
}

/* ---- The table ------------------------------------------------------------------- */

/**
 * struct mhca_register - a register
 * @id: number
 * @personality: BIT() of the ports that have it
 * @size: bytes of its data
 * @local_port: its data begins with a port number, as that of a PTYS does
 * @counters: it is a group of counters, PPCNT
 * @read: fill @out, zeroed; @in is what the guest asks with
 * @write: take @in over; NULL: the guest cannot write it
 */
struct mhca_register {
	u16 id;
	u8 personality;
	u32 size;
	bool local_port;
	bool counters;
	void (*read)(struct mhca_cmd *cmd, const void *in, void *out);
	enum mhca_syndrome (*write)(struct mhca_cmd *cmd, const void *in);
};

#define MHCA_ANY_PORT	(BIT(MHCA_IB) | BIT(MHCA_ROCE))

static const struct mhca_register mhca_registers[] = {
	{ 0x5003, BIT(MHCA_IB), MLX5_ST_SZ_BYTES(pmtu_reg), true, false,
	  mhca_register_pmtu_ib, NULL },
	{ 0x5003, BIT(MHCA_ROCE), MLX5_ST_SZ_BYTES(pmtu_reg), true, false,
	  mhca_register_pmtu_eth, mhca_register_pmtu_write },
	{ 0x5004, BIT(MHCA_IB), MLX5_ST_SZ_BYTES(ptys_reg), true, false,
	  mhca_register_ptys_ib, NULL },
	{ 0x5004, BIT(MHCA_ROCE), MLX5_ST_SZ_BYTES(ptys_reg), true, false,
	  mhca_register_ptys_eth, NULL },
	{ 0x5006, BIT(MHCA_ROCE), MLX5_ST_SZ_BYTES(paos_reg), true, false,
	  mhca_register_paos, mhca_register_paos_write },
	{ 0x5007, BIT(MHCA_ROCE), MLX5_ST_SZ_BYTES(pfcc_reg), true, false,
	  mhca_register_pfcc, NULL },
	{ 0x5008, MHCA_ANY_PORT, MLX5_ST_SZ_BYTES(ppcnt_reg), true, true,
	  mhca_register_ppcnt, NULL },
	{ 0x500f, BIT(MHCA_IB), MLX5_ST_SZ_BYTES(pvlc_reg), true, false,
	  mhca_register_pvlc, NULL },
	{ 0x6001, MHCA_ANY_PORT, MHCA_NODE_DESC_SIZE, false, false,
	  mhca_register_node_desc, mhca_register_node_desc_write },
};

static const struct mhca_register *mhca_register_find(const struct mhca_cmd *cmd)
{
	u16 id = MLX5_GET(access_register_in, cmd->in, register_id);
	u32 i;

	for (i = 0; i < ARRAY_SIZE(mhca_registers); i++)
		if (mhca_registers[i].id == id &&
		    mhca_registers[i].personality & BIT(cmd->inst->personality))
			return &mhca_registers[i];
	return NULL;
}

/* op_mod 1 reads, 0 writes. */
enum mhca_syndrome mhca_check_register(const struct mhca_cmd *cmd)
{
	const struct mhca_register *reg = mhca_register_find(cmd);
	const void *data = (const u8 *)cmd->in + MHCA_REGISTER_DATA;

	if (!reg || (cmd->op_mod != MHCA_READ && !reg->write))
		return MHCA_SYN_REGISTER;
	if (cmd->inlen < MHCA_REGISTER_DATA + reg->size)
		return MHCA_SYN_IN_LENGTH;
	if (cmd->outlen < MHCA_REGISTER_DATA + reg->size)
		return MHCA_SYN_OUT_LENGTH;
	if (reg->local_port && MLX5_GET(ptys_reg, data, local_port) > MHCA_PORT)
		return MHCA_SYN_PORT;
	if (reg->counters && !mhca_ppcnt_find(cmd, data))
		return MHCA_SYN_REGISTER;
	return MHCA_SYN_NONE;
}

enum mhca_syndrome mhca_cmd_access_register(struct mhca_cmd *cmd)
{
	const struct mhca_register *reg = mhca_register_find(cmd);
	const u8 *in = (const u8 *)cmd->in + MHCA_REGISTER_DATA;
	enum mhca_syndrome syndrome = MHCA_SYN_NONE;

	BUILD_BUG_ON(MLX5_BYTE_OFF(access_register_out, register_data) != MHCA_REGISTER_DATA);

	if (cmd->op_mod != MHCA_READ)
		syndrome = reg->write(cmd, in);
	if (!syndrome)
		reg->read(cmd, in, (u8 *)cmd->out + MHCA_REGISTER_DATA);
	return syndrome;
}
