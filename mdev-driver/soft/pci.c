// SPDX-License-Identifier: GPL-2.0-only
/*
 * The software HCA as a PCI function, for programs that know no other parent of mediated
 * devices: libvirt's node devices on x86 (udevGetDeviceType() in its
 * node_device_udev.c), through which OpenStack Nova looks.
 *
 * The function is alone behind a host bridge, in a PCI domain of its own above those
 * that firmware can have, as Intel's VMD makes them (drivers/pci/controller/vmd.c). It
 * has a configuration space to be read and nothing else: no BAR, no interrupt, no DMA.
 */
#include <linux/module.h>
#include <linux/pci.h>

#include <mhca/hca.h>
#include <mhca/kernel.h>
#include "pci.h"

/*
 * 1af4:10f0 to 1af4:10ff may be used for experiments without registration (QEMU's
 * docs/specs/pci-ids.rst); virtio_pci, which is asked first, wants 1af4:1000 to 107f.
 * A distribution that ships this gets an id of its own there.
 */
#define SOFT_PCI_VENDOR		PCI_VENDOR_ID_REDHAT_QUMRANET
#define SOFT_PCI_DEVICE		0x10f0
#define SOFT_PCI_CLASS		PCI_CLASS_NETWORK_OTHER
/* _SEG of an ACPI host bridge has 16 bits. */
#define SOFT_PCI_DOMAINS	0x10000

/* As it is read; written only where soft_pci_write() says so. */
static u8 soft_pci_config[PCI_CFG_SPACE_SIZE];

static struct mhca_hca *soft_pci_hca;
static struct pci_bus *soft_pci_bus;
static struct pci_sysdata soft_pci_sysdata = { .node = NUMA_NO_NODE };

static struct resource soft_pci_busn = {
	.name = "mhca_soft",
	.flags = IORESOURCE_BUS | IORESOURCE_PCI_FIXED,
};

static bool soft_pci_inside(unsigned int devfn, int where, int size)
{
	return !devfn && where >= 0 && where <= (int)sizeof(soft_pci_config) - size;
}

static int soft_pci_read(struct pci_bus *bus, unsigned int devfn, int where, int size,
			 u32 *value)
{
	int i;

	if (!soft_pci_inside(devfn, where, size)) {
		PCI_SET_ERROR_RESPONSE(value);
		return PCIBIOS_DEVICE_NOT_FOUND;
	}
	*value = 0;
	for (i = 0; i < size; i++)
		*value |= (u32)soft_pci_config[where + i] << (8 * i);
	return PCIBIOS_SUCCESSFUL;
}

/* What software keeps there is kept; everything else, BARs too, stays 0. */
static int soft_pci_write(struct pci_bus *bus, unsigned int devfn, int where, int size,
			  u32 value)
{
	if (!soft_pci_inside(devfn, where, size))
		return PCIBIOS_DEVICE_NOT_FOUND;
	if (where == PCI_INTERRUPT_LINE || where == PCI_CACHE_LINE_SIZE)
		soft_pci_config[where] = value;
	return PCIBIOS_SUCCESSFUL;
}

static struct pci_ops soft_pci_ops = {
	.read = soft_pci_read,
	.write = soft_pci_write,
};

static void soft_pci_fill(void)
{
	u8 *c = soft_pci_config;

	memset(c, 0, sizeof(soft_pci_config));
	put_unaligned_le16(SOFT_PCI_VENDOR, c + PCI_VENDOR_ID);
	put_unaligned_le16(SOFT_PCI_DEVICE, c + PCI_DEVICE_ID);
	put_unaligned_le16(SOFT_PCI_CLASS, c + PCI_CLASS_DEVICE);
	put_unaligned_le16(SOFT_PCI_VENDOR, c + PCI_SUBSYSTEM_VENDOR_ID);
	put_unaligned_le16(SOFT_PCI_DEVICE, c + PCI_SUBSYSTEM_ID);
}

/* ---- The driver of the function ------------------------------------------------- */

static int soft_pci_probe(struct pci_dev *pdev, const struct pci_device_id *id)
{
	return mhca_hca_register(soft_pci_hca, THIS_MODULE, &pdev->dev);
}

/* Also when somebody removes the function by sysfs; waits until no instance is open. */
static void soft_pci_remove(struct pci_dev *pdev)
{
	mhca_hca_unregister(soft_pci_hca);
}

static const struct pci_device_id soft_pci_ids[] = {
	{ PCI_DEVICE(SOFT_PCI_VENDOR, SOFT_PCI_DEVICE) },
	{ }
};

/* The names of mdev types begin with that of the driver. */
static struct pci_driver soft_pci_driver = {
	.name = "mhca",
	.id_table = soft_pci_ids,
	.probe = soft_pci_probe,
	.remove = soft_pci_remove,
	.driver = {
		.probe_type = PROBE_FORCE_SYNCHRONOUS,
		.suppress_bind_attrs = true,
	},
};

/* ---- The host bridge ------------------------------------------------------------- */

static int soft_pci_free_domain(void)
{
	int domain = SOFT_PCI_DOMAINS - 1;
	struct pci_bus *bus = NULL;

	while ((bus = pci_find_next_bus(bus)))
		domain = max(domain, pci_domain_nr(bus));
	return domain + 1;
}

static int soft_pci_add_bus(void)
{
	LIST_HEAD(resources);

	soft_pci_sysdata.domain = soft_pci_free_domain();
	pci_add_resource(&resources, &soft_pci_busn);
	soft_pci_bus = pci_create_root_bus(NULL, 0, &soft_pci_ops, &soft_pci_sysdata,
					   &resources);
	if (!soft_pci_bus) {
		pci_free_resource_list(&resources);
		return -ENOMEM;
	}
	pci_lock_rescan_remove();
	pci_scan_child_bus(soft_pci_bus);
	pci_bus_add_devices(soft_pci_bus);
	pci_unlock_rescan_remove();
	return 0;
}

static void soft_pci_remove_bus(void)
{
	pci_lock_rescan_remove();
	pci_stop_root_bus(soft_pci_bus);
	pci_remove_root_bus(soft_pci_bus);
	pci_unlock_rescan_remove();
}

/**
 * soft_pci_init() - make the PCI function, and its driver register the HCA
 * @hca: HCA
 *
 * Return: 0 or a negative errno.
 */
int soft_pci_init(struct mhca_hca *hca)
{
	int err;

	soft_pci_hca = hca;
	soft_pci_fill();
	err = pci_register_driver(&soft_pci_driver);
	if (err)
		return err;
	err = soft_pci_add_bus();
	if (err)
		goto err_driver;
	if (!hca->frontend) {
		err = -ENODEV;		/* the probe failed and said why */
		goto err_bus;
	}
	return 0;

err_bus:
	soft_pci_remove_bus();
err_driver:
	pci_unregister_driver(&soft_pci_driver);
	return err;
}

/**
 * soft_pci_exit() - the function goes, and the HCA with it
 */
void soft_pci_exit(void)
{
	soft_pci_remove_bus();
	pci_unregister_driver(&soft_pci_driver);
}
