// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * An instance in a guest that has no driver for it, nor VFIO: BAR 0 through the PCI
 * function's resource file, memory on huge pages. No interrupts: completions and
 * commands are polled. Needs root.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <linux/pci_regs.h>
#include "client.h"
#include "dma.h"

struct client_pci {
	char sysfs[128];
	u8 *bar;
	size_t bar_size;
	struct dma dma;
};

static void *pci_alloc(void *backend, size_t len)
{
	return dma_alloc(&((struct client_pci *)backend)->dma, len);
}

static void pci_free(void *backend, void *va, size_t len)
{
	dma_free(&((struct client_pci *)backend)->dma, va, len);
}

static u64 pci_iova(void *backend, const void *va)
{
	return dma_iova(&((struct client_pci *)backend)->dma, va);
}

static u32 pci_iseg_read(void *backend, u32 offset)
{
	struct client_pci *p = backend;

	return be32_to_cpu(*(volatile __be32 *)(p->bar + offset));
}

static void pci_iseg_write(void *backend, u32 offset, u32 value)
{
	struct client_pci *p = backend;

	*(volatile __be32 *)(p->bar + offset) = cpu_to_be32(value);
}

static void pci_uar_write32(void *backend, u32 index, u32 offset, __be32 value)
{
	struct client_pci *p = backend;

	*(volatile __be32 *)(p->bar + (size_t)index * CLIENT_PAGE + offset) = value;
}

static void pci_uar_write64(void *backend, u32 index, u32 offset, __be64 value)
{
	struct client_pci *p = backend;

	*(volatile __be64 *)(p->bar + (size_t)index * CLIENT_PAGE + offset) = value;
}

static int pci_irq_wait(void *backend, u32 vector, int timeout_ms)
{
	(void)backend;
	(void)vector;
	usleep((useconds_t)timeout_ms * 100);
	return 0;
}

static u32 pci_irq_count(void *backend)
{
	(void)backend;
	return 0;
}

static void pci_progress(void *backend)
{
	(void)backend;
	usleep(1);
}

static int write_file(const struct client_pci *p, const char *name, const char *text)
{
	char path[192];
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "%s/%s", p->sysfs, name);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	n = write(fd, text, strlen(text));
	n = n < 0 ? -errno : 0;
	close(fd);
	return (int)n;
}

/* Memory decoding and bus mastering on or off; 0 or a negative errno. */
static int pci_command(const struct client_pci *p, bool on)
{
	const u16 bits = PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER;
	char path[192];
	__le16 raw = 0;
	u16 word;
	int ret = 0;
	int fd;

	snprintf(path, sizeof(path), "%s/config", p->sysfs);
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (pread(fd, &raw, sizeof(raw), PCI_COMMAND) != sizeof(raw))
		ret = -EIO;
	word = le16_to_cpu(raw);
	raw = cpu_to_le16(on ? word | bits : word & ~PCI_COMMAND_MASTER);
	if (!ret && pwrite(fd, &raw, sizeof(raw), PCI_COMMAND) != sizeof(raw))
		ret = -EIO;
	close(fd);
	return ret;
}

static int pci_reset(void *backend)
{
	struct client_pci *p = backend;
	int ret = write_file(p, "reset", "1");

	/* Without a reset method the device is at least silenced. */
	if (ret)
		pci_command(p, false);
	return ret ? ret : pci_command(p, true);
}

static void pci_close(void *backend)
{
	struct client_pci *p = backend;

	if (p->bar) {
		pci_command(p, false);
		munmap(p->bar, p->bar_size);
		write_file(p, "enable", "0");
	}
	dma_fini(&p->dma);
	free(p);
}

static int map_bar(struct client_pci *p)
{
	char path[192];
	struct stat st;
	int ret = 0;
	int fd;

	snprintf(path, sizeof(path), "%s/resource0", p->sysfs);
	fd = open(path, O_RDWR | O_SYNC | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (fstat(fd, &st)) {
		ret = -errno;
	} else {
		p->bar_size = (size_t)st.st_size;
		p->bar = mmap(NULL, p->bar_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		if (p->bar == MAP_FAILED) {
			ret = -errno;
			p->bar = NULL;
		}
	}
	close(fd);
	return ret;
}

struct client_pci *client_pci_open(const char *address)
{
	struct client_pci *p = calloc(1, sizeof(*p));
	char path[192];
	int ret;

	if (!p)
		return NULL;
	snprintf(p->sysfs, sizeof(p->sysfs), "/sys/bus/pci/devices/%s", address);
	dma_init(&p->dma, -1);
	snprintf(path, sizeof(path), "%s/driver", p->sysfs);
	ret = access(path, F_OK) ? 0 : -EBUSY;
	if (!ret)
		ret = write_file(p, "enable", "1");
	if (!ret)
		ret = map_bar(p);
	if (!ret)
		ret = pci_reset(p);
	if (ret) {
		pci_close(p);
		errno = -ret;
		return NULL;
	}
	return p;
}

const struct client_ops client_pci_ops = {
	.name = "pci",
	.alloc = pci_alloc,
	.free = pci_free,
	.iova = pci_iova,
	.iseg_read = pci_iseg_read,
	.iseg_write = pci_iseg_write,
	.uar_write32 = pci_uar_write32,
	.uar_write64 = pci_uar_write64,
	.irq_wait = pci_irq_wait,
	.irq_count = pci_irq_count,
	.progress = pci_progress,
	.reset = pci_reset,
	.close = pci_close,
};
