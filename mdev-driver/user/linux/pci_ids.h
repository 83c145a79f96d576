/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The one number of the kernel's list that the core uses. */
#ifndef MHCA_SHIM_PCI_IDS_H
#define MHCA_SHIM_PCI_IDS_H

#define PCI_VENDOR_ID_MELLANOX	0x15b3

#endif /* MHCA_SHIM_PCI_IDS_H */
