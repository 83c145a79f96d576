/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What every front end's instances have in common beside vmm.h: their types, their
 * addresses, the configuration space of the PCI function that they are.
 */
#ifndef MHCA_FUNCTION_H
#define MHCA_FUNCTION_H

#include <mhca/policy.h>

#define MHCA_CONFIG_SIZE	4096
#define MHCA_UUID_BYTES		16
#define MHCA_TYPES		6

/**
 * struct mhca_type_desc - a type of instances, a row of type.c's table
 * @name: in configurations, and in sysfs after the driver's name
 * @pretty: human readable name
 * @port: what its port is called
 * @personality: what the guest sees
 * @class: PCI class code
 * @size: first value of each policy attribute, 0: the table's default
 */
struct mhca_type_desc {
	const char *name;
	const char *pretty;
	const char *port;
	enum mhca_personality personality;
	u32 class;
	const u32 *size;
};

/* type.c */
extern const struct mhca_type_desc mhca_types[MHCA_TYPES];
u32 mhca_type_value(const struct mhca_type_desc *desc, enum mhca_policy_id id);
void mhca_type_policy(const struct mhca_type_desc *desc, struct mhca_policy *policy);

/* identity.c */
void mhca_identity_from_uuid(struct mhca_identity *id, const u8 *uuid);

/**
 * struct mhca_pci_config - PCI configuration space
 * @bytes: little endian
 *
 * The front end's lock protects it.
 */
struct mhca_pci_config {
	u8 bytes[MHCA_CONFIG_SIZE];
};

/* pci_config.c */
void mhca_pci_config_reset(struct mhca_pci_config *config, u32 class);
bool mhca_pci_config_write(struct mhca_pci_config *config, u32 offset, const void *buf,
			   u32 len);
bool mhca_pci_config_master(const struct mhca_pci_config *config);
u64 mhca_pci_config_bar(const struct mhca_pci_config *config);

#endif /* MHCA_FUNCTION_H */
