// SPDX-License-Identifier: GPL-2.0-only
/*
 * The NIC vport of an Ethernet port: addresses and modes that the guest's driver
 * chooses, the state of the link, and the RoCE address table.
 *
 * All of it is a wish. What a guest may send and receive is decided by the switch of
 * the backend, which is told about every change.
 */
#include "command.h"
#include "image_format.h"

#define MHCA_LIST_ENTRY		sizeof(__be64)
#define MHCA_VPORT_UP		MLX5_VPORT_ADMIN_STATE_UP
#define MHCA_VPORT_DOWN		MLX5_VPORT_ADMIN_STATE_DOWN
#define MHCA_ROCE_L3_IPV4	MLX5_ROCE_L3_TYPE_IPV4
#define MHCA_ROCE_L3_IPV6	MLX5_ROCE_L3_TYPE_IPV6
#define MHCA_VLAN_MAX		4094

enum mhca_list_type { MHCA_LIST_UC, MHCA_LIST_MC, MHCA_LIST_VLAN, MHCA_LIST_TYPES };

static const u32 mhca_list_max[MHCA_LIST_TYPES] = {
	[MHCA_LIST_UC] = MHCA_MAX_UC,
	[MHCA_LIST_MC] = MHCA_MAX_MC,
	[MHCA_LIST_VLAN] = MHCA_MAX_VLAN,
};

static_assert(MHCA_MAX_MC >= MHCA_MAX_UC && MHCA_MAX_MC >= MHCA_MAX_VLAN);

/**
 * mhca_vport_changed() - the backend is to take over what the vport says now
 * @inst: instance; command lock and port lock held
 */
void mhca_vport_changed(struct mhca_instance *inst)
{
	lockdep_assert_held(&inst->cmd_lock);
	lockdep_assert_held(&inst->port_lock);
	if (inst->personality == MHCA_ROCE && inst->hca->ops->vport_changed)
		inst->hca->ops->vport_changed(inst);
}

/**
 * mhca_vport_reset() - forget what the driver chose
 * @inst: instance; command lock held
 */
void mhca_vport_reset(struct mhca_instance *inst)
{
	mutex_lock(&inst->port_lock);
	inst->port.admin_down = false;
	memset(inst->vport, 0, sizeof(*inst->vport));
	memcpy(inst->vport->mac, inst->id.mac, sizeof(inst->vport->mac));
	inst->vport->mtu = MHCA_MTU_DEFAULT;
	mhca_vport_changed(inst);
	mutex_unlock(&inst->port_lock);
}

/* ---- Checks -------------------------------------------------------------------- */

/* Every command about a vport names it at the same place: only the own one exists. */
enum mhca_syndrome mhca_check_own_vport(const struct mhca_cmd *cmd)
{
	static_assert(__mlx5_bit_off(query_nic_vport_context_in, vport_number) ==
		      __mlx5_bit_off(query_vport_state_in, vport_number));
	static_assert(__mlx5_bit_off(query_nic_vport_context_in, vport_number) ==
		      __mlx5_bit_off(modify_nic_vport_context_in, vport_number));
	static_assert(__mlx5_bit_off(query_nic_vport_context_in, vport_number) ==
		      __mlx5_bit_off(create_flow_table_in, vport_number));

	if (MLX5_GET(query_nic_vport_context_in, cmd->in, other_vport) ||
	    MLX5_GET(query_nic_vport_context_in, cmd->in, vport_number))
		return MHCA_SYN_FUNCTION_ID;
	return MHCA_SYN_NONE;
}

enum mhca_syndrome mhca_check_nic_vport(const struct mhca_cmd *cmd)
{
	if (MLX5_GET(query_nic_vport_context_in, cmd->in, allowed_list_type) >= MHCA_LIST_TYPES)
		return MHCA_SYN_RESERVED;
	return mhca_check_own_vport(cmd);
}

static const void *mhca_nic_vport_ctx(const struct mhca_cmd *cmd)
{
	return MLX5_ADDR_OF(modify_nic_vport_context_in, cmd->in, nic_vport_context);
}

#define MHCA_SELECTS(cmd, field)						\
	MLX5_GET(modify_nic_vport_context_in, (cmd)->in, field_select.field)

static enum mhca_syndrome mhca_check_nic_list(const struct mhca_cmd *cmd)
{
	const void *ctx = mhca_nic_vport_ctx(cmd);
	u32 type = MLX5_GET(nic_vport_context, ctx, allowed_list_type);
	u32 n = MLX5_GET(nic_vport_context, ctx, allowed_list_size);

	if (type >= MHCA_LIST_TYPES)
		return MHCA_SYN_RESERVED;
	if (n > mhca_list_max[type])
		return MHCA_SYN_INDEX;
	if (n * MHCA_LIST_ENTRY > cmd->inlen - MLX5_ST_SZ_BYTES(modify_nic_vport_context_in))
		return MHCA_SYN_IN_LENGTH;
	return MHCA_SYN_NONE;
}

static bool mhca_mtu_ok(u32 hw_mtu)
{
	return hw_mtu >= MHCA_MTU_MIN + MHCA_FRAME_OVERHEAD &&
	       hw_mtu <= MHCA_MTU_MAX + MHCA_FRAME_OVERHEAD;
}

/* GUIDs, the permanent address and events of the port are the host's. */
enum mhca_syndrome mhca_check_nic_vport_modify(const struct mhca_cmd *cmd)
{
	const void *ctx = mhca_nic_vport_ctx(cmd);

	if (MHCA_SELECTS(cmd, affiliation) || MHCA_SELECTS(cmd, disable_uc_local_lb) ||
	    MHCA_SELECTS(cmd, disable_mc_local_lb) || MHCA_SELECTS(cmd, node_guid) ||
	    MHCA_SELECTS(cmd, port_guid) || MHCA_SELECTS(cmd, min_inline) ||
	    MHCA_SELECTS(cmd, change_event) || MHCA_SELECTS(cmd, permanent_address))
		return MHCA_SYN_RESERVED;
	if (MHCA_SELECTS(cmd, mtu) && !mhca_mtu_ok(MLX5_GET(nic_vport_context, ctx, mtu)))
		return MHCA_SYN_MTU;
	if (MHCA_SELECTS(cmd, addresses_list)) {
		enum mhca_syndrome syndrome = mhca_check_nic_list(cmd);

		if (syndrome)
			return syndrome;
	}
	return mhca_check_own_vport(cmd);
}

/* op_mod 0 is the NIC vport, 1 the one of an embedded switch. */
enum mhca_syndrome mhca_check_vport_state(const struct mhca_cmd *cmd)
{
	return cmd->op_mod ? MHCA_SYN_OP_MOD : mhca_check_own_vport(cmd);
}

/* ---- NIC vport context ----------------------------------------------------------- */

static void mhca_mac_get(const void *layout, u8 mac[6])
{
	memcpy(mac, (const u8 *)layout + 2, 6);
}

static void mhca_mac_set(void *layout, const u8 mac[6])
{
	BUILD_BUG_ON(MLX5_BYTE_OFF(mac_address_layout, mac_addr_31_0) != 4);
	memcpy((u8 *)layout + 2, mac, 6);
}

static u32 mhca_list_count(const struct mhca_vport *vport, u32 type)
{
	switch (type) {
	case MHCA_LIST_UC:
		return vport->n_uc;
	case MHCA_LIST_MC:
		return vport->n_mc;
	default:
		return vport->n_vlan;
	}
}

static void mhca_list_entry_out(const struct mhca_vport *vport, u32 type, u32 i, void *entry)
{
	switch (type) {
	case MHCA_LIST_UC:
		mhca_mac_set(entry, vport->uc[i]);
		break;
	case MHCA_LIST_MC:
		mhca_mac_set(entry, vport->mc[i]);
		break;
	default:
		MLX5_SET(vlan_layout, entry, vlan, vport->vlan[i]);
		break;
	}
}

static void mhca_list_take(struct mhca_vport *vport, const void *ctx)
{
	const u8 *entry = MLX5_ADDR_OF(nic_vport_context, ctx, current_uc_mac_address);
	u32 type = MLX5_GET(nic_vport_context, ctx, allowed_list_type);
	u32 i, n = MLX5_GET(nic_vport_context, ctx, allowed_list_size);

	for (i = 0; i < n; i++, entry += MHCA_LIST_ENTRY) {
		switch (type) {
		case MHCA_LIST_UC:
			mhca_mac_get(entry, vport->uc[i]);
			break;
		case MHCA_LIST_MC:
			mhca_mac_get(entry, vport->mc[i]);
			break;
		default:
			vport->vlan[i] = MLX5_GET(vlan_layout, entry, vlan);
			break;
		}
	}
	if (type == MHCA_LIST_UC)
		vport->n_uc = n;
	else if (type == MHCA_LIST_MC)
		vport->n_mc = n;
	else
		vport->n_vlan = n;
}

enum mhca_syndrome mhca_cmd_query_nic_vport(struct mhca_cmd *cmd)
{
	void *ctx = MLX5_ADDR_OF(query_nic_vport_context_out, cmd->out, nic_vport_context);
	u32 type = MLX5_GET(query_nic_vport_context_in, cmd->in, allowed_list_type);
	u32 room = (cmd->outlen - MLX5_ST_SZ_BYTES(query_nic_vport_context_out)) / MHCA_LIST_ENTRY;
	u8 *entry = MLX5_ADDR_OF(nic_vport_context, ctx, current_uc_mac_address);
	const struct mhca_instance *inst = cmd->inst;
	const struct mhca_vport *vport = inst->vport;
	u32 i, n = min(mhca_list_count(vport, type), room);

	MLX5_SET(nic_vport_context, ctx, roce_en, vport->roce);
	MLX5_SET(nic_vport_context, ctx, mtu, vport->mtu + MHCA_FRAME_OVERHEAD);
	MLX5_SET64(nic_vport_context, ctx, system_image_guid, inst->id.node_guid);
	MLX5_SET64(nic_vport_context, ctx, port_guid, inst->id.port_guid);
	MLX5_SET64(nic_vport_context, ctx, node_guid, inst->id.node_guid);
	MLX5_SET(nic_vport_context, ctx, qkey_violation_counter,
		 min_t(u32, atomic_read(&inst->port.qkey_violations), U16_MAX));
	MLX5_SET(nic_vport_context, ctx, promisc_uc, vport->promisc_uc);
	MLX5_SET(nic_vport_context, ctx, promisc_mc, vport->promisc_mc);
	MLX5_SET(nic_vport_context, ctx, promisc_all, vport->promisc_all);
	mhca_mac_set(MLX5_ADDR_OF(nic_vport_context, ctx, permanent_address), vport->mac);

	MLX5_SET(nic_vport_context, ctx, allowed_list_type, type);
	MLX5_SET(nic_vport_context, ctx, allowed_list_size, n);
	for (i = 0; i < n; i++, entry += MHCA_LIST_ENTRY)
		mhca_list_entry_out(vport, type, i, entry);
	return MHCA_SYN_NONE;
}

enum mhca_syndrome mhca_cmd_modify_nic_vport(struct mhca_cmd *cmd)
{
	struct mhca_vport *vport = cmd->inst->vport;
	const void *ctx = mhca_nic_vport_ctx(cmd);

	mutex_lock(&cmd->inst->port_lock);
	if (MHCA_SELECTS(cmd, roce_en))
		vport->roce = MLX5_GET(nic_vport_context, ctx, roce_en);
	if (MHCA_SELECTS(cmd, mtu))
		vport->mtu = MLX5_GET(nic_vport_context, ctx, mtu) - MHCA_FRAME_OVERHEAD;
	if (MHCA_SELECTS(cmd, promisc)) {
		vport->promisc_uc = MLX5_GET(nic_vport_context, ctx, promisc_uc);
		vport->promisc_mc = MLX5_GET(nic_vport_context, ctx, promisc_mc);
		vport->promisc_all = MLX5_GET(nic_vport_context, ctx, promisc_all);
	}
	if (MHCA_SELECTS(cmd, addresses_list))
		mhca_list_take(vport, ctx);
	mhca_vport_changed(cmd->inst);
	mutex_unlock(&cmd->inst->port_lock);
	return MHCA_SYN_NONE;
}

enum mhca_syndrome mhca_cmd_query_vport_state(struct mhca_cmd *cmd)
{
	MLX5_SET(query_vport_state_out, cmd->out, state,
		 READ_ONCE(cmd->inst->port.up) ? MHCA_VPORT_UP : MHCA_VPORT_DOWN);
	MLX5_SET(query_vport_state_out, cmd->out, admin_state, MHCA_VPORT_UP);
	return MHCA_SYN_NONE;
}

/* ---- RoCE address table ------------------------------------------------------------ */

enum mhca_syndrome mhca_check_roce_address(const struct mhca_cmd *cmd)
{
	static_assert(__mlx5_bit_off(set_roce_address_in, roce_address_index) ==
		      __mlx5_bit_off(query_roce_address_in, roce_address_index));

	if (MLX5_GET(set_roce_address_in, cmd->in, roce_address_index) >= MHCA_ROCE_ADDRESSES)
		return MHCA_SYN_INDEX;
	/* 0 where there is but one port */
	if (MLX5_GET(set_roce_address_in, cmd->in, vhca_port_num) > 1)
		return MHCA_SYN_PORT;
	return MHCA_SYN_NONE;
}

/*
 * May the table have it? What is an IPv4 address in packets is judged as a GID: it has to
 * look like one.
 */
static bool mhca_roce_address_ok(const struct mhca_roce_address *entry)
{
	return (entry->version == MHCA_ROCE_V1 || entry->version == MHCA_ROCE_V2) &&
	       memchr_inv(entry->gid, 0, sizeof(entry->gid)) && entry->vlan <= MHCA_VLAN_MAX &&
	       (!entry->ipv4 || (entry->version == MHCA_ROCE_V2 &&
				 !memcmp(entry->gid, mhca_ipv4_prefix, sizeof(mhca_ipv4_prefix))));
}

/* What SET_ROCE_ADDRESS says; a GID of zeros: there is none. */
static void mhca_roce_address_get(const struct mhca_cmd *cmd, struct mhca_roce_address *entry)
{
	const void *addr = MLX5_ADDR_OF(set_roce_address_in, cmd->in, roce_address);
	__be32 mac_low = cpu_to_be32(MLX5_GET(roce_addr_layout, addr, source_mac_31_0));
	__be16 mac_high = cpu_to_be16(MLX5_GET(roce_addr_layout, addr, source_mac_47_32));

	memset(entry, 0, sizeof(*entry));
	memcpy(entry->gid, MLX5_ADDR_OF(roce_addr_layout, addr, source_l3_address),
	       sizeof(entry->gid));
	entry->valid = memchr_inv(entry->gid, 0, sizeof(entry->gid));
	if (!entry->valid)
		return;
	memcpy(entry->mac, &mac_high, sizeof(mac_high));
	memcpy(entry->mac + sizeof(mac_high), &mac_low, sizeof(mac_low));
	entry->vlan_valid = MLX5_GET(roce_addr_layout, addr, vlan_valid);
	entry->vlan = MLX5_GET(roce_addr_layout, addr, vlan_id);
	entry->version = MLX5_GET(roce_addr_layout, addr, roce_version);
	entry->ipv4 = entry->version == MHCA_ROCE_V2 &&
		      MLX5_GET(roce_addr_layout, addr, roce_l3_type) == MHCA_ROCE_L3_IPV4;
}

enum mhca_syndrome mhca_check_roce_address_set(const struct mhca_cmd *cmd)
{
	const void *addr = MLX5_ADDR_OF(set_roce_address_in, cmd->in, roce_address);
	struct mhca_roce_address entry;

	mhca_roce_address_get(cmd, &entry);
	if (entry.valid && (!mhca_roce_address_ok(&entry) ||
			    MLX5_GET(roce_addr_layout, addr, roce_l3_type) > MHCA_ROCE_L3_IPV6))
		return MHCA_SYN_RESERVED;
	return mhca_check_roce_address(cmd);
}

enum mhca_syndrome mhca_cmd_set_roce_address(struct mhca_cmd *cmd)
{
	u32 index = MLX5_GET(set_roce_address_in, cmd->in, roce_address_index);

	mutex_lock(&cmd->inst->port_lock);
	mhca_roce_address_get(cmd, &cmd->inst->vport->gid[index]);
	mhca_vport_changed(cmd->inst);
	mutex_unlock(&cmd->inst->port_lock);
	return MHCA_SYN_NONE;
}

enum mhca_syndrome mhca_cmd_query_roce_address(struct mhca_cmd *cmd)
{
	void *addr = MLX5_ADDR_OF(query_roce_address_out, cmd->out, roce_address);
	u32 index = MLX5_GET(query_roce_address_in, cmd->in, roce_address_index);
	const struct mhca_roce_address *entry = &cmd->inst->vport->gid[index];
	__be32 mac_low;
	__be16 mac_high;

	memcpy(&mac_high, entry->mac, sizeof(mac_high));
	memcpy(&mac_low, entry->mac + sizeof(mac_high), sizeof(mac_low));
	memcpy(MLX5_ADDR_OF(roce_addr_layout, addr, source_l3_address), entry->gid,
	       sizeof(entry->gid));
	MLX5_SET(roce_addr_layout, addr, source_mac_47_32, be16_to_cpu(mac_high));
	MLX5_SET(roce_addr_layout, addr, source_mac_31_0, be32_to_cpu(mac_low));
	MLX5_SET(roce_addr_layout, addr, vlan_valid, entry->vlan_valid);
	MLX5_SET(roce_addr_layout, addr, vlan_id, entry->vlan);
	MLX5_SET(roce_addr_layout, addr, roce_version, entry->version);
	MLX5_SET(roce_addr_layout, addr, roce_l3_type,
		 entry->ipv4 ? MHCA_ROCE_L3_IPV4 : MHCA_ROCE_L3_IPV6);
	return MHCA_SYN_NONE;
}

/* ---- Counters -------------------------------------------------------------------- */

static u32 mhca_q_count(struct mhca_cmd *cmd, atomic64_t *counter)
{
	if (MLX5_GET(query_q_counter_in, cmd->in, clear))
		return atomic64_xchg(counter, 0);
	return atomic64_read(counter);
}

enum mhca_syndrome mhca_cmd_query_q_counter(struct mhca_cmd *cmd)
{
	struct mhca_qcounter *q = (struct mhca_qcounter *)cmd->obj;

#define MHCA_Q_COUNTER_SET(name)						\
	MLX5_SET(query_q_counter_out, cmd->out, name, mhca_q_count(cmd, &q->name));
	MHCA_Q_COUNTERS(MHCA_Q_COUNTER_SET)
#undef MHCA_Q_COUNTER_SET
	return MHCA_SYN_NONE;
}

/* ---- Migration ------------------------------------------------------------------- */

static void mhca_roce_addresses_save(const struct mhca_vport *vport, struct mhca_image *image)
{
	const struct mhca_roce_address *entry;
	u32 i;

	for (i = 0; i < MHCA_ROCE_ADDRESSES; i++) {
		entry = &vport->gid[i];
		mhca_image_put_u8(image, entry->valid);
		if (!entry->valid)
			continue;
		mhca_image_put(image, entry->gid, sizeof(entry->gid));
		mhca_image_put(image, entry->mac, sizeof(entry->mac));
		mhca_image_put_u8(image, entry->vlan_valid);
		mhca_image_put_u16(image, entry->vlan);
		mhca_image_put_u8(image, entry->version);
		mhca_image_put_u8(image, entry->ipv4);
	}
}

static bool mhca_roce_addresses_load(struct mhca_vport *vport, struct mhca_reader *in)
{
	struct mhca_roce_address *entry;
	u32 i;

	for (i = 0; i < MHCA_ROCE_ADDRESSES; i++) {
		entry = &vport->gid[i];
		entry->valid = mhca_reader_u8(in);
		if (!entry->valid)
			continue;
		mhca_reader_get(in, entry->gid, sizeof(entry->gid));
		mhca_reader_get(in, entry->mac, sizeof(entry->mac));
		entry->vlan_valid = mhca_reader_u8(in);
		entry->vlan = mhca_reader_u16(in);
		entry->version = mhca_reader_u8(in);
		entry->ipv4 = mhca_reader_u8(in);
		if (!mhca_roce_address_ok(entry))
			return false;
	}
	return true;
}

/**
 * mhca_vport_save() - put what the guest wants of its port into an image
 * @inst: instance; command lock held
 * @image: image, a record begun
 */
void mhca_vport_save(const struct mhca_instance *inst, struct mhca_image *image)
{
	const struct mhca_taken *taken = inst->core->taken;
	const struct mhca_vport *vport = taken ? &taken->vport : inst->vport;
	u32 i;

	mhca_image_put_u8(image, taken ? taken->admin_down : inst->port.admin_down);
	mhca_image_put_u8(image, vport->roce);
	mhca_image_put_u16(image, vport->mtu);
	mhca_image_put_u8(image, vport->promisc_uc);
	mhca_image_put_u8(image, vport->promisc_mc);
	mhca_image_put_u8(image, vport->promisc_all);
	mhca_image_put_u32(image, vport->n_uc);
	mhca_image_put(image, vport->uc, vport->n_uc * sizeof(vport->uc[0]));
	mhca_image_put_u32(image, vport->n_mc);
	mhca_image_put(image, vport->mc, vport->n_mc * sizeof(vport->mc[0]));
	mhca_image_put_u32(image, vport->n_vlan);
	for (i = 0; i < vport->n_vlan; i++)
		mhca_image_put_u16(image, vport->vlan[i]);
	mhca_roce_addresses_save(vport, image);
}

/**
 * mhca_vport_load() - get it out again
 * @taken: where it waits for the instance to take its place
 * @in: record, from anybody
 *
 * Return: false: no driver could have said that.
 */
bool mhca_vport_load(struct mhca_taken *taken, struct mhca_reader *in)
{
	struct mhca_vport *vport = &taken->vport;
	u32 i;

	taken->admin_down = mhca_reader_u8(in);
	vport->roce = mhca_reader_u8(in);
	vport->mtu = mhca_reader_u16(in);
	vport->promisc_uc = mhca_reader_u8(in);
	vport->promisc_mc = mhca_reader_u8(in);
	vport->promisc_all = mhca_reader_u8(in);
	vport->n_uc = mhca_reader_u32(in);
	if (!mhca_mtu_ok(vport->mtu + MHCA_FRAME_OVERHEAD) || vport->n_uc > MHCA_MAX_UC)
		return false;
	mhca_reader_get(in, vport->uc, vport->n_uc * sizeof(vport->uc[0]));
	vport->n_mc = mhca_reader_u32(in);
	if (vport->n_mc > MHCA_MAX_MC)
		return false;
	mhca_reader_get(in, vport->mc, vport->n_mc * sizeof(vport->mc[0]));
	vport->n_vlan = mhca_reader_u32(in);
	if (vport->n_vlan > MHCA_MAX_VLAN)
		return false;
	for (i = 0; i < vport->n_vlan; i++)
		vport->vlan[i] = mhca_reader_u16(in);
	return mhca_roce_addresses_load(vport, in);
}

/**
 * mhca_vport_take() - what an image said of the port is the instance's from now on
 * @inst: instance, which has its MAC already; port lock held
 * @taken: what the image said
 *
 * The backend takes it over by itself. The driver knows its MAC already.
 */
void mhca_vport_take(struct mhca_instance *inst, const struct mhca_taken *taken)
{
	lockdep_assert_held(&inst->port_lock);
	if (inst->personality != MHCA_ROCE)
		return;
	*inst->vport = taken->vport;
	memcpy(inst->vport->mac, inst->id.mac, sizeof(inst->vport->mac));
	inst->port.admin_down = taken->admin_down;
}
