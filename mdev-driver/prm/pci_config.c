// SPDX-License-Identifier: GPL-2.0-only
/*
 * PCI configuration space as a guest sees it: one table of registers with reset values
 * and write masks. Front ends lock it and act on what a write changed: bus mastering,
 * function-level reset and D3hot are theirs to honour, BARs and MSI-X the monitor's.
 */
#include <mhca/function.h>
#include "core.h"

#define MHCA_PCI_DEVICE		0x101e	/* ConnectX Family mlx5Gen Virtual Function */
#define MHCA_PCI_SUBSYSTEM	0x6d48
#define MHCA_PCI_REVISION	0

#define MHCA_CAP_PM		0x40
#define MHCA_CAP_EXP		0x48
#define MHCA_CAP_MSIX		0x84

#define MHCA_COMMAND_WRITABLE	(PCI_COMMAND_IO | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER | \
				 PCI_COMMAND_PARITY | PCI_COMMAND_SERR | \
				 PCI_COMMAND_INTX_DISABLE)
#define MHCA_BAR_FLAGS		(PCI_BASE_ADDRESS_MEM_TYPE_64 | PCI_BASE_ADDRESS_MEM_PREFETCH)
#define MHCA_EXP_FLAGS		(2 | PCI_EXP_TYPE_ENDPOINT << 4)
#define MHCA_EXP_DEVCAP		(PCI_EXP_DEVCAP_FLR | PCI_EXP_DEVCAP_RBER | \
				 PCI_EXP_DEVCAP_EXT_TAG | 1)
#define MHCA_EXP_DEVCTL		(PCI_EXP_DEVCTL_RELAX_EN | PCI_EXP_DEVCTL_NOSNOOP_EN | \
				 PCI_EXP_DEVCTL_READRQ_512B)
#define MHCA_EXP_LINK		(PCI_EXP_LNKCAP_SLS_16_0GB | 16 << 4)

/**
 * struct mhca_config_reg - a register
 * @offset: in configuration space
 * @size: bytes, at most 4
 * @value: after reset
 * @writable: bits that a write changes
 */
struct mhca_config_reg {
	u16 offset;
	u8 size;
	u32 value;
	u32 writable;
};

/* What is not here reads as zero and ignores writes: ROM, INTx, other BARs. */
static const struct mhca_config_reg mhca_config_regs[] = {
	{ PCI_VENDOR_ID,		2, PCI_VENDOR_ID_MELLANOX, 0 },
	{ PCI_DEVICE_ID,		2, MHCA_PCI_DEVICE, 0 },
	{ PCI_COMMAND,			2, 0, MHCA_COMMAND_WRITABLE },
	{ PCI_STATUS,			2, PCI_STATUS_CAP_LIST, 0 },
	{ PCI_REVISION_ID,		1, MHCA_PCI_REVISION, 0 },
	{ PCI_CACHE_LINE_SIZE,		1, 0, 0xff },
	{ PCI_BASE_ADDRESS_0,		4, MHCA_BAR_FLAGS, ~(u32)(MHCA_BAR_SIZE - 1) },
	{ PCI_BASE_ADDRESS_1,		4, 0, ~0U },
	{ PCI_SUBSYSTEM_VENDOR_ID,	2, PCI_VENDOR_ID_MELLANOX, 0 },
	{ PCI_SUBSYSTEM_ID,		2, MHCA_PCI_SUBSYSTEM, 0 },
	{ PCI_CAPABILITY_LIST,		1, MHCA_CAP_PM, 0 },
	{ PCI_INTERRUPT_LINE,		1, 0, 0xff },

	{ MHCA_CAP_PM,			2, PCI_CAP_ID_PM | MHCA_CAP_EXP << 8, 0 },
	{ MHCA_CAP_PM + PCI_PM_PMC,	2, 3, 0 },
	{ MHCA_CAP_PM + PCI_PM_CTRL,	2, PCI_PM_CTRL_NO_SOFT_RESET, PCI_PM_CTRL_STATE_MASK },

	{ MHCA_CAP_EXP,			2, PCI_CAP_ID_EXP | MHCA_CAP_MSIX << 8, 0 },
	{ MHCA_CAP_EXP + PCI_EXP_FLAGS,	2, MHCA_EXP_FLAGS, 0 },
	{ MHCA_CAP_EXP + PCI_EXP_DEVCAP, 4, MHCA_EXP_DEVCAP, 0 },
	{ MHCA_CAP_EXP + PCI_EXP_DEVCTL, 2, MHCA_EXP_DEVCTL, 0x7fff },
	{ MHCA_CAP_EXP + PCI_EXP_LNKCAP, 4, MHCA_EXP_LINK, 0 },
	{ MHCA_CAP_EXP + PCI_EXP_LNKCTL, 2, 0, PCI_EXP_LNKCTL_RCB | PCI_EXP_LNKCTL_CCC },
	{ MHCA_CAP_EXP + PCI_EXP_LNKSTA, 2, MHCA_EXP_LINK, 0 },
	{ MHCA_CAP_EXP + PCI_EXP_LNKCTL2, 2, PCI_EXP_LNKCTL2_TLS_16_0GT, 0 },

	{ MHCA_CAP_MSIX,		2, PCI_CAP_ID_MSIX, 0 },
	{ MHCA_CAP_MSIX + PCI_MSIX_FLAGS, 2, MHCA_MSIX_VECTORS - 1,
	  PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL },
	{ MHCA_CAP_MSIX + PCI_MSIX_TABLE, 4, MHCA_BAR_MSIX_TABLE, 0 },
	{ MHCA_CAP_MSIX + PCI_MSIX_PBA,	4, MHCA_BAR_MSIX_PBA, 0 },
};

static u32 mhca_pci_get(const struct mhca_pci_config *config, u32 offset)
{
	return get_unaligned_le32(config->bytes + offset);
}

/**
 * mhca_pci_config_reset() - values after a function-level reset
 * @config: filled
 * @class: PCI class code
 */
void mhca_pci_config_reset(struct mhca_pci_config *config, u32 class)
{
	const struct mhca_config_reg *reg;
	u32 i;
	u8 k;

	memset(config->bytes, 0, sizeof(config->bytes));
	for (i = 0; i < ARRAY_SIZE(mhca_config_regs); i++) {
		reg = &mhca_config_regs[i];
		for (k = 0; k < reg->size; k++)
			config->bytes[reg->offset + k] = reg->value >> (8 * k);
	}
	config->bytes[PCI_CLASS_PROG] = class;
	config->bytes[PCI_CLASS_DEVICE] = class >> 8;
	config->bytes[PCI_CLASS_DEVICE + 1] = class >> 16;
}

static u8 mhca_config_writable(u32 offset)
{
	const struct mhca_config_reg *reg;
	u32 i;

	for (i = 0; i < ARRAY_SIZE(mhca_config_regs); i++) {
		reg = &mhca_config_regs[i];
		if (offset >= reg->offset && offset - reg->offset < reg->size)
			return reg->writable >> (8 * (offset - reg->offset));
	}
	return 0;
}

/**
 * mhca_pci_config_write() - write configuration space
 * @config: changed
 * @offset: @offset + @len is within MHCA_CONFIG_SIZE
 * @buf: where from
 * @len: bytes
 *
 * Return: true: a function-level reset was asked for; its bit always reads as zero.
 */
bool mhca_pci_config_write(struct mhca_pci_config *config, u32 offset, const void *buf, u32 len)
{
	const u32 flr = MHCA_CAP_EXP + PCI_EXP_DEVCTL + 1;
	const u8 *from = buf;
	u8 *byte;
	u8 mask;
	u32 i;

	for (i = 0; i < len; i++) {
		mask = mhca_config_writable(offset + i);
		byte = &config->bytes[offset + i];
		*byte = (*byte & ~mask) | (from[i] & mask);
	}
	return offset <= flr && flr - offset < len &&
	       from[flr - offset] & (PCI_EXP_DEVCTL_BCR_FLR >> 8);
}

/**
 * mhca_pci_config_master() - may the function access memory?
 * @config: configuration space
 *
 * Return: bus mastering is on, and the function is in D0.
 */
bool mhca_pci_config_master(const struct mhca_pci_config *config)
{
	return (mhca_pci_get(config, PCI_COMMAND) & PCI_COMMAND_MASTER) &&
	       !(mhca_pci_get(config, MHCA_CAP_PM + PCI_PM_CTRL) & PCI_PM_CTRL_STATE_MASK);
}

/**
 * mhca_pci_config_bar() - where BAR0 is
 * @config: configuration space
 *
 * Return: guest-physical address, ~0: nowhere.
 */
u64 mhca_pci_config_bar(const struct mhca_pci_config *config)
{
	if (!(mhca_pci_get(config, PCI_COMMAND) & PCI_COMMAND_MEMORY))
		return ~0ULL;
	return ((u64)mhca_pci_get(config, PCI_BASE_ADDRESS_1) << 32) |
	       (mhca_pci_get(config, PCI_BASE_ADDRESS_0) & PCI_BASE_ADDRESS_MEM_MASK);
}
