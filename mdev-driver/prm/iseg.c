// SPDX-License-Identifier: GPL-2.0-only
/*
 * The initialization segment: the first three pages of BAR0. Registers are
 * big-endian words; an access may have any offset and length inside it.
 */
#include "core.h"

/* The health counter has to move between two looks of the driver (1 s). */
#define MHCA_HEALTH_TICK_NS	(100 * NSEC_PER_MSEC)
#define MHCA_HEALTH_MASK	0xffffffU

/* cmdq_addr_l_sz */
#define MHCA_CMDQ_ADDR_MASK	0xfffff000U
#define MHCA_NIC_SHIFT		8
#define MHCA_NIC_MASK		0x7U

#define ISEG(field)		offsetof(struct mlx5_init_seg, field)

/* Only has to change; never zero, which a driver takes for "not there yet". */
static u32 mhca_iseg_health_counter(void)
{
	u32 ticks = div_u64(ktime_get_ns(), MHCA_HEALTH_TICK_NS);

	return ticks % MHCA_HEALTH_MASK + 1;
}

static u32 mhca_iseg_cmdq_low(const struct mhca_core *core)
{
	return lower_32_bits(core->cmdq_addr) | core->nic_interface << MHCA_NIC_SHIFT |
	       MHCA_CMDQ_LOG_SIZE << 4 | MHCA_CMDQ_LOG_STRIDE;
}

/* A register's value in host byte order; what is not listed reads 0. */
static u32 mhca_iseg_get(const struct mhca_core *core, u32 offset)
{
	switch (offset) {
	case ISEG(fw_rev):
		return MHCA_FW_MINOR << 16 | MHCA_FW_MAJOR;
	case ISEG(cmdif_rev_fw_sub):
		return 5 << 16 | MHCA_FW_SUBMINOR;
	case ISEG(cmdq_addr_h):
		return upper_32_bits(core->cmdq_addr);
	case ISEG(cmdq_addr_l_sz):
		return mhca_iseg_cmdq_low(core);
	case ISEG(health.fw_ver):
		return MHCA_FW_MAJOR << 24 | MHCA_FW_MINOR << 16 | MHCA_FW_SUBMINOR;
	case ISEG(health_counter):
		return mhca_iseg_health_counter();
	case ISEG(internal_timer_h):
		return upper_32_bits(ktime_get_ns());
	case ISEG(internal_timer_l):
		return lower_32_bits(ktime_get_ns());
	default:
		return 0;
	}
}

/**
 * mhca_iseg_read() - a trapped read
 * @inst: instance
 * @offset: in the segment
 * @buf: out: what the guest sees
 * @len: bytes
 */
void mhca_iseg_read(struct mhca_instance *inst, u32 offset, void *buf, u32 len)
{
	struct mhca_core *core = inst->core;
	u8 *to = buf;
	__be32 word;
	u32 at, run;

	mhca_count(inst, traps);
	while (len) {
		at = offset & 3;
		run = min(4 - at, len);
		spin_lock(&core->reg_lock);
		word = cpu_to_be32(mhca_iseg_get(core, offset - at));
		spin_unlock(&core->reg_lock);
		memcpy(to, (u8 *)&word + at, run);
		to += run;
		offset += run;
		len -= run;
	}
}
EXPORT_SYMBOL_GPL(mhca_iseg_read);

/*
 * The low word carries the address and, in bits that an address leaves free, the
 * state that the driver wants for its interface. reg_lock held. true: work to do.
 */
static bool mhca_iseg_set_cmdq_low(struct mhca_core *core, u32 value)
{
	u8 state = value >> MHCA_NIC_SHIFT & MHCA_NIC_MASK;

	core->cmdq_addr = (core->cmdq_addr & ~(u64)U32_MAX) | (value & MHCA_CMDQ_ADDR_MASK);
	core->cmdq_set = true;
	switch (state) {
	case MHCA_NIC_FULL:
		core->nic_interface = MHCA_NIC_FULL;
		core->nic_request = MHCA_NIC_FULL;
		return false;
	case MHCA_NIC_DISABLED:
	case MHCA_NIC_SW_RESET:
		/* The guest reads DISABLED when the worker is done. */
		core->nic_request = state;
		return true;
	default:
		return false;
	}
}

/* One register; bytes that were not written keep their value. true: kick. */
static bool mhca_iseg_set(struct mhca_core *core, u32 offset, u32 value, u32 mask)
{
	u32 merged;
	bool kick = false;

	spin_lock(&core->reg_lock);
	merged = (mhca_iseg_get(core, offset) & ~mask) | (value & mask);
	switch (offset) {
	case ISEG(cmdq_addr_h):
		core->cmdq_addr = (u64)merged << 32 | lower_32_bits(core->cmdq_addr);
		break;
	case ISEG(cmdq_addr_l_sz):
		kick = mhca_iseg_set_cmdq_low(core, merged);
		break;
	case ISEG(cmd_dbell):
		atomic_or(merged, &core->doorbell);
		kick = merged;
		break;
	}
	spin_unlock(&core->reg_lock);
	return kick;
}

/**
 * mhca_iseg_write() - a trapped write
 * @inst: instance
 * @offset: in the segment
 * @buf: what the guest wrote
 * @len: bytes
 *
 * Runs in a vCPU's context, so it only leaves work for the worker.
 */
void mhca_iseg_write(struct mhca_instance *inst, u32 offset, const void *buf, u32 len)
{
	struct mhca_core *core = inst->core;
	const u8 *from = buf;
	bool kick = false;
	u32 at, run;

	mhca_count(inst, traps);
	while (len) {
		__be32 value = 0, mask = 0;

		at = offset & 3;
		run = min(4 - at, len);
		memcpy((u8 *)&value + at, from, run);
		memset((u8 *)&mask + at, 0xff, run);
		kick |= mhca_iseg_set(core, offset - at, be32_to_cpu(value), be32_to_cpu(mask));
		from += run;
		offset += run;
		len -= run;
	}
	if (kick)
		inst->vmm_ops->kick(inst->vmm);
}
EXPORT_SYMBOL_GPL(mhca_iseg_write);
