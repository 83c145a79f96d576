/* SPDX-License-Identifier: GPL-2.0-only */
/* The software HCA as a PCI function (pci.c). */
#ifndef MHCA_SOFT_PCI_H
#define MHCA_SOFT_PCI_H

struct mhca_hca;

#if IS_ENABLED(CONFIG_PCI) && IS_ENABLED(CONFIG_X86_64)
int soft_pci_init(struct mhca_hca *hca);
void soft_pci_exit(void);
#else
static inline int soft_pci_init(struct mhca_hca *hca)
{
	return -EOPNOTSUPP;
}

static inline void soft_pci_exit(void)
{
}
#endif

#endif /* MHCA_SOFT_PCI_H */
