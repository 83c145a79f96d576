// SPDX-License-Identifier: GPL-2.0-only
/*
 * MAD_IFC: management datagrams that the driver hands to the device. Drivers send it what
 * arrives at the GSI QP for classes that they do not serve themselves, and ask for a port's
 * counters that way.
 *
 * There is one agent: performance management (IBTA 16.1), the counters of the port. Whoever
 * asks for another one gets a MAD that says so, which ends the conversation sooner than a
 * time-out. A port of ours has no wire, so what counts a wire's errors is 0.
 */
#include "command.h"

#define MHCA_PORT		1
#define MHCA_MAD_SIZE		256

enum { MHCA_MAD_GET = 0x01, MHCA_MAD_SET = 0x02, MHCA_MAD_RESPONSE = 0x80 };

/* Common MAD header's status, host order */
enum {
	MHCA_MAD_OK		= 0,
	MHCA_MAD_BAD_VERSION	= 1 << 2,
	MHCA_MAD_BAD_METHOD	= 2 << 2,
	MHCA_MAD_BAD_ATTRIBUTE	= 3 << 2,	/* … or not with this method */
	MHCA_MAD_BAD_VALUE	= 7 << 2,
};

#define MHCA_CLASS_PERFORMANCE	0x04
#define MHCA_CLASS_VERSION	1

enum {
	MHCA_PMA_CLASS_PORT_INFO	= 0x0001,
	MHCA_PMA_COUNTERS		= 0x0012,
	MHCA_PMA_COUNTERS_EXT		= 0x001d,
};

#define MHCA_PMA_EXT_WIDTH	BIT(9)	/* ClassPortInfo: PORT_COUNTERS_EXT is there */
#define MHCA_PMA_RESPONSE_TIME	18	/* 4.096 us * 2^n: a second */

/**
 * struct mhca_mad - a performance management MAD
 * @base_version: 1
 * @mgmt_class: management class
 * @class_version: its version
 * @method: what to do
 * @status: of a response
 * @class_specific: not used
 * @tid: transaction, the asker's
 * @attr_id: of what
 * @reserved: not used
 * @attr_mod: which one of these
 * @reserved2: not used
 * @data: the attribute
 */
struct mhca_mad {
	u8 base_version;
	u8 mgmt_class;
	u8 class_version;
	u8 method;
	__be16 status;
	__be16 class_specific;
	__be64 tid;
	__be16 attr_id;
	__be16 reserved;
	__be32 attr_mod;
	u8 reserved2[40];
	u8 data[192];
};

/* ClassPortInfo, as far as anything stands in it */
struct mhca_pma_class_port_info {
	u8 base_version;
	u8 class_version;
	__be16 cap_mask;
	__be32 response_time;
};

/* What PortCounters and PortCountersExtended begin with */
struct mhca_pma_select {
	u8 reserved;
	u8 port;
	__be16 counters;
};

/* ---- Counters ------------------------------------------------------------------ */

enum mhca_pma_count {
	MHCA_PMA_XMIT_DATA,
	MHCA_PMA_RCV_DATA,
	MHCA_PMA_XMIT_PACKETS,
	MHCA_PMA_RCV_PACKETS,
	MHCA_PMA_XMIT_DISCARDS,
};

/**
 * struct mhca_pma_field - a counter in an attribute
 * @attr: attribute
 * @offset: in its data, bytes
 * @bytes: its width; it stays at its greatest value
 * @select: its bit in the attribute's CounterSelect
 * @count: what it counts
 */
struct mhca_pma_field {
	u16 attr;
	u8 offset;
	u8 bytes;
	u8 select;
	enum mhca_pma_count count;
};

static const struct mhca_pma_field mhca_pma_fields[] = {
	{ MHCA_PMA_COUNTERS, 14, 2, 6, MHCA_PMA_XMIT_DISCARDS },
	{ MHCA_PMA_COUNTERS, 24, 4, 12, MHCA_PMA_XMIT_DATA },
	{ MHCA_PMA_COUNTERS, 28, 4, 13, MHCA_PMA_RCV_DATA },
	{ MHCA_PMA_COUNTERS, 32, 4, 14, MHCA_PMA_XMIT_PACKETS },
	{ MHCA_PMA_COUNTERS, 36, 4, 15, MHCA_PMA_RCV_PACKETS },
	{ MHCA_PMA_COUNTERS_EXT, 8, 8, 0, MHCA_PMA_XMIT_DATA },
	{ MHCA_PMA_COUNTERS_EXT, 16, 8, 1, MHCA_PMA_RCV_DATA },
	{ MHCA_PMA_COUNTERS_EXT, 24, 8, 2, MHCA_PMA_XMIT_PACKETS },
	{ MHCA_PMA_COUNTERS_EXT, 32, 8, 3, MHCA_PMA_RCV_PACKETS },
	/* … of these, to one address: groups are not counted apart */
	{ MHCA_PMA_COUNTERS_EXT, 40, 8, 4, MHCA_PMA_XMIT_PACKETS },
	{ MHCA_PMA_COUNTERS_EXT, 48, 8, 5, MHCA_PMA_RCV_PACKETS },
};

static u64 mhca_pma_count(const struct mhca_counters *counters, enum mhca_pma_count count)
{
	switch (count) {
	/* Data is counted in units of four octets. */
	case MHCA_PMA_XMIT_DATA:
		return (u64)atomic64_read(&counters->tx_bytes) / 4;
	case MHCA_PMA_RCV_DATA:
		return (u64)atomic64_read(&counters->rx_bytes) / 4;
	/* A message is a packet of a network without an MTU. */
	case MHCA_PMA_XMIT_PACKETS:
		return atomic64_read(&counters->wqes);
	case MHCA_PMA_RCV_PACKETS:
		return atomic64_read(&counters->messages);
	case MHCA_PMA_XMIT_DISCARDS:
		return (u64)atomic64_read(&counters->drop_no_peer) +
		       (u64)atomic64_read(&counters->drop_length);
	}
	return 0;
}

static u64 mhca_pma_max(const struct mhca_pma_field *field)
{
	return U64_MAX >> (64 - 8 * field->bytes);
}

static u64 mhca_pma_get(const u8 *data, const struct mhca_pma_field *field)
{
	u64 value = 0;
	u32 i;

	for (i = 0; i < field->bytes; i++)
		value = value << 8 | data[field->offset + i];
	return value;
}

static void mhca_pma_put(u8 *data, const struct mhca_pma_field *field, u64 value)
{
	u32 i;

	for (i = field->bytes; i; i--, value >>= 8)
		data[field->offset + i - 1] = value;
}

/*
 * Set gives counters values to go on from. The instance's own counters are the host's and
 * only rise: what a guest sets is a distance from them.
 */
static void mhca_pma_set(struct mhca_instance *inst, u16 attr, const struct mhca_mad *mad)
{
	const struct mhca_pma_select *select = (const void *)mad->data;
	u32 i;

	for (i = 0; i < ARRAY_SIZE(mhca_pma_fields); i++) {
		const struct mhca_pma_field *field = &mhca_pma_fields[i];

		if (field->attr == attr && be16_to_cpu(select->counters) & BIT(field->select))
			inst->core->pma_base[i] = mhca_pma_count(&inst->counters, field->count) -
						  mhca_pma_get(mad->data, field);
	}
}

static void mhca_pma_read(const struct mhca_instance *inst, u16 attr, struct mhca_mad *mad)
{
	u64 value;
	u32 i;

	BUILD_BUG_ON(ARRAY_SIZE(mhca_pma_fields) != MHCA_PMA_FIELDS);
	for (i = 0; i < ARRAY_SIZE(mhca_pma_fields); i++) {
		const struct mhca_pma_field *field = &mhca_pma_fields[i];

		if (field->attr != attr)
			continue;
		value = mhca_pma_count(&inst->counters, field->count) - inst->core->pma_base[i];
		mhca_pma_put(mad->data, field, min(value, mhca_pma_max(field)));
	}
}

/* ---- Performance management ------------------------------------------------------ */

static u16 mhca_pma_class_port_info(struct mhca_mad *mad)
{
	struct mhca_pma_class_port_info *info = (void *)mad->data;

	if (mad->method != MHCA_MAD_GET)
		return MHCA_MAD_BAD_ATTRIBUTE;
	memset(mad->data, 0, sizeof(mad->data));
	info->base_version = 1;
	info->class_version = MHCA_CLASS_VERSION;
	info->cap_mask = cpu_to_be16(MHCA_PMA_EXT_WIDTH);
	info->response_time = cpu_to_be32(MHCA_PMA_RESPONSE_TIME);
	return MHCA_MAD_OK;
}

static u16 mhca_pma_counters(struct mhca_instance *inst, u16 attr, struct mhca_mad *mad)
{
	struct mhca_pma_select select;

	memcpy(&select, mad->data, sizeof(select));
	if (select.port != MHCA_PORT)
		return MHCA_MAD_BAD_VALUE;
	if (mad->method == MHCA_MAD_SET)
		mhca_pma_set(inst, attr, mad);
	memset(mad->data, 0, sizeof(mad->data));
	memcpy(mad->data, &select, sizeof(select));
	mhca_pma_read(inst, attr, mad);
	return MHCA_MAD_OK;
}

/* Make the response of the request in @mad. Return: its status. */
static u16 mhca_pma(struct mhca_instance *inst, struct mhca_mad *mad)
{
	u16 attr = be16_to_cpu(mad->attr_id);

	if (mad->base_version != 1 || mad->class_version != MHCA_CLASS_VERSION)
		return MHCA_MAD_BAD_VERSION;
	if (mad->method != MHCA_MAD_GET && mad->method != MHCA_MAD_SET)
		return MHCA_MAD_BAD_METHOD;
	switch (attr) {
	case MHCA_PMA_CLASS_PORT_INFO:
		return mhca_pma_class_port_info(mad);
	case MHCA_PMA_COUNTERS:
	case MHCA_PMA_COUNTERS_EXT:
		return mhca_pma_counters(inst, attr, mad);
	default:
		return MHCA_MAD_BAD_ATTRIBUTE;
	}
}

/* ---- The command ----------------------------------------------------------------- */

enum mhca_syndrome mhca_check_mad(const struct mhca_cmd *cmd)
{
	return MLX5_GET(mad_ifc_in, cmd->in, port) == MHCA_PORT ? MHCA_SYN_NONE :
								    MHCA_SYN_PORT;
}

enum mhca_syndrome mhca_cmd_mad_ifc(struct mhca_cmd *cmd)
{
	u16 status = MHCA_MAD_BAD_ATTRIBUTE;
	struct mhca_mad *mad;

	BUILD_BUG_ON(sizeof(*mad) != MHCA_MAD_SIZE);
	BUILD_BUG_ON(MLX5_FLD_SZ_BYTES(mad_ifc_in, mad) != MHCA_MAD_SIZE);
	mad = MLX5_ADDR_OF(mad_ifc_out, cmd->out, response_mad_packet);
	memcpy(mad, MLX5_ADDR_OF(mad_ifc_in, cmd->in, mad), sizeof(*mad));
	if (mad->mgmt_class == MHCA_CLASS_PERFORMANCE)
		status = mhca_pma(cmd->inst, mad);
	mad->method |= MHCA_MAD_RESPONSE;
	mad->status = cpu_to_be16(status);
	return MHCA_SYN_NONE;
}
