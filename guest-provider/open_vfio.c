// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * An instance through VFIO: an mdev of this host, or in a guest the PCI function that
 * vfio-pci holds. Legacy group and type1 container, the only ones that Debian's
 * kernels have. An mdev needs no IOMMU; a guest without one has "noiommu" groups,
 * where device addresses are physical ones.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>
#include <linux/vfio.h>
#include <linux/pci_regs.h>
#include "client.h"
#include "dma.h"

#define MAX_IRQS	64

struct client_vfio {
	int container;
	int group;
	int device;
	u64 bar_offset;
	u64 bar_size;
	u64 config_offset;
	u8 *bar;		/* the mappable part of BAR 0 */
	u64 bar_start;
	u32 n_irqs;
	int irq[MAX_IRQS];
	struct dma dma;
};

/* ---- Memory ---------------------------------------------------------- */

static void *vfio_alloc(void *backend, size_t len)
{
	return dma_alloc(&((struct client_vfio *)backend)->dma, len);
}

static void vfio_free(void *backend, void *va, size_t len)
{
	dma_free(&((struct client_vfio *)backend)->dma, va, len);
}

static u64 vfio_iova(void *backend, const void *va)
{
	return dma_iova(&((struct client_vfio *)backend)->dma, va);
}

static int vfio_map(void *backend, void *va, size_t len, u64 *iova)
{
	return dma_map(&((struct client_vfio *)backend)->dma, va, len, iova);
}

static void vfio_unmap(void *backend, u64 iova, size_t len)
{
	dma_unmap(&((struct client_vfio *)backend)->dma, iova, len);
}

/* ---- BAR 0 ----------------------------------------------------------- */

static u32 vfio_iseg_read(void *backend, u32 offset)
{
	struct client_vfio *v = backend;
	__be32 word = ~0U;

	if (pread(v->device, &word, sizeof(word), (off_t)(v->bar_offset + offset)) !=
	    sizeof(word))
		return ~0U;
	return be32_to_cpu(word);
}

static void bar_write(struct client_vfio *v, u64 offset, const void *word, size_t len)
{
	/* A failure shows as a command that times out. */
	if (pwrite(v->device, word, len, (off_t)(v->bar_offset + offset)) != (ssize_t)len)
		fprintf(stderr, "vfio: write of BAR 0 + 0x%llx: %s\n",
			(unsigned long long)offset, strerror(errno));
}

static void vfio_iseg_write(void *backend, u32 offset, u32 value)
{
	__be32 word = cpu_to_be32(value);

	bar_write(backend, offset, &word, sizeof(word));
}

static void *uar_at(struct client_vfio *v, u32 index, u32 offset)
{
	u64 at = (u64)index * CLIENT_PAGE + offset;

	return v->bar && at >= v->bar_start && at < v->bar_size ?
	       v->bar + (at - v->bar_start) : NULL;
}

static void vfio_uar_write32(void *backend, u32 index, u32 offset, __be32 value)
{
	__be32 *at = uar_at(backend, index, offset);

	if (at)
		__atomic_store_n(at, value, __ATOMIC_RELEASE);
	else
		bar_write(backend, (u64)index * CLIENT_PAGE + offset, &value, sizeof(value));
}

static void vfio_uar_write64(void *backend, u32 index, u32 offset, __be64 value)
{
	__be64 *at = uar_at(backend, index, offset);

	if (at)
		__atomic_store_n(at, value, __ATOMIC_RELEASE);
	else
		bar_write(backend, (u64)index * CLIENT_PAGE + offset, &value, sizeof(value));
}

/* The first mappable area, from the sparse mmap capability. */
static void bar_map(struct client_vfio *v)
{
	union {
		struct vfio_region_info info;
		u8 raw[4096];
	} region = { .info = { .argsz = sizeof(region), .index = VFIO_PCI_BAR0_REGION_INDEX } };
	struct vfio_region_info_cap_sparse_mmap *sparse;
	u64 start = 0;
	u64 size;

	if (ioctl(v->device, VFIO_DEVICE_GET_REGION_INFO, &region.info))
		return;
	v->bar_offset = region.info.offset;
	v->bar_size = region.info.size;
	size = region.info.size;
	if (!(region.info.flags & VFIO_REGION_INFO_FLAG_MMAP))
		return;
	if (region.info.flags & VFIO_REGION_INFO_FLAG_CAPS && region.info.cap_offset &&
	    region.info.cap_offset < sizeof(region.raw) - sizeof(*sparse)) {
		sparse = (void *)(region.raw + region.info.cap_offset);
		if (sparse->header.id == VFIO_REGION_INFO_CAP_SPARSE_MMAP && sparse->nr_areas) {
			start = sparse->areas[0].offset;
			size = sparse->areas[0].size;
		}
	}
	v->bar = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, v->device,
		      (off_t)(v->bar_offset + start));
	if (v->bar == MAP_FAILED)
		v->bar = NULL;
	v->bar_start = start;
}

/* ---- Interrupts ------------------------------------------------------ */

static int irqs_init(struct client_vfio *v)
{
	struct vfio_irq_info info = { .argsz = sizeof(info), .index = VFIO_PCI_MSIX_IRQ_INDEX };
	union {
		struct vfio_irq_set set;
		u8 raw[sizeof(struct vfio_irq_set) + MAX_IRQS * sizeof(int)];
	} irq = { .set = { 0 } };
	u32 i;

	if (ioctl(v->device, VFIO_DEVICE_GET_IRQ_INFO, &info))
		return -errno;
	v->n_irqs = info.count < MAX_IRQS ? info.count : MAX_IRQS;
	for (i = 0; i < v->n_irqs; i++) {
		v->irq[i] = eventfd(0, EFD_CLOEXEC);
		if (v->irq[i] < 0)
			return -errno;
	}
	irq.set.argsz = (u32)(sizeof(irq.set) + v->n_irqs * sizeof(int));
	irq.set.flags = VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER;
	irq.set.index = VFIO_PCI_MSIX_IRQ_INDEX;
	irq.set.count = v->n_irqs;
	memcpy(irq.set.data, v->irq, v->n_irqs * sizeof(int));
	return ioctl(v->device, VFIO_DEVICE_SET_IRQS, &irq.set) ? -errno : 0;
}

static int vfio_irq_wait(void *backend, u32 vector, int timeout_ms)
{
	struct client_vfio *v = backend;
	struct pollfd fd = { .events = POLLIN };
	u64 count;

	if (vector >= v->n_irqs)
		return 0;
	fd.fd = v->irq[vector];
	if (poll(&fd, 1, timeout_ms) <= 0)
		return 0;
	return read(fd.fd, &count, sizeof(count)) == sizeof(count);
}

static int vfio_irq_fd(void *backend, u32 vector)
{
	struct client_vfio *v = backend;

	return vector < v->n_irqs ? v->irq[vector] : -1;
}

static u32 vfio_irq_count(void *backend)
{
	return ((struct client_vfio *)backend)->n_irqs;
}

/* ---- Opening --------------------------------------------------------- */

static void vfio_progress(void *backend)
{
	(void)backend;
	usleep(1);
}

static int vfio_reset(void *backend)
{
	return ioctl(((struct client_vfio *)backend)->device, VFIO_DEVICE_RESET) ? -errno : 0;
}

static void vfio_close(void *backend)
{
	struct client_vfio *v = backend;
	u32 i;

	if (v->bar)
		munmap(v->bar, v->bar_size - v->bar_start);
	if (v->device >= 0)
		close(v->device);
	for (i = 0; i < v->n_irqs; i++)
		if (v->irq[i] >= 0)
			close(v->irq[i]);
	dma_fini(&v->dma);
	if (v->group >= 0)
		close(v->group);
	if (v->container >= 0)
		close(v->container);
	free(v);
}

/* The group of a device, from its iommu_group link; @noiommu: it has no IOMMU. */
static int open_group(const char *sysfs, bool *noiommu)
{
	char link[256];
	char path[512];
	ssize_t len;
	int fd;

	snprintf(path, sizeof(path), "%s/iommu_group", sysfs);
	len = readlink(path, link, sizeof(link) - 1);
	if (len < 0)
		return -1;
	link[len] = '\0';
	snprintf(path, sizeof(path), "/dev/vfio/%s", strrchr(link, '/') + 1);
	fd = open(path, O_RDWR | O_CLOEXEC);
	*noiommu = fd < 0 && errno == ENOENT;
	if (!*noiommu)
		return fd;
	snprintf(path, sizeof(path), "/dev/vfio/noiommu-%s", strrchr(link, '/') + 1);
	return open(path, O_RDWR | O_CLOEXEC);
}

static int bus_master(struct client_vfio *v)
{
	struct vfio_region_info info = { .argsz = sizeof(info),
					 .index = VFIO_PCI_CONFIG_REGION_INDEX };
	u16 command = cpu_to_le16(PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);

	if (ioctl(v->device, VFIO_DEVICE_GET_REGION_INFO, &info))
		return -errno;
	v->config_offset = info.offset;
	return pwrite(v->device, &command, sizeof(command),
		      (off_t)(info.offset + PCI_COMMAND)) == sizeof(command) ? 0 : -EIO;
}

static void trade_irqs(struct client_vfio *v, struct client_vfio *other)
{
	u32 i, n = v->n_irqs;
	int fd;

	v->n_irqs = other->n_irqs;
	other->n_irqs = n;
	for (i = 0; i < MAX_IRQS; i++) {
		fd = v->irq[i];
		v->irq[i] = other->irq[i];
		other->irq[i] = fd;
	}
}

int client_vfio_trade(struct client_vfio *v, struct client_vfio *other)
{
	struct client_vfio old = *v;

	v->group = other->group;
	v->device = other->device;
	v->bar = other->bar;
	v->bar_start = other->bar_start;
	v->bar_offset = other->bar_offset;
	v->bar_size = other->bar_size;
	v->config_offset = other->config_offset;
	other->group = old.group;
	other->device = old.device;
	other->bar = old.bar;
	other->bar_start = old.bar_start;
	other->bar_offset = old.bar_offset;
	other->bar_size = old.bar_size;
	other->config_offset = old.config_offset;
	trade_irqs(v, other);
	/* Configuration space moves with the guest: the device may have been reset. */
	return bus_master(v);
}

/* Both of one container map memory: at addresses of their own. */
#define BESIDE_IOVA	(1ULL << 38)

/*
 * @name is what VFIO calls the device, @sysfs where its group link is, @beside whose
 * container it joins, or NULL.
 */
static struct client_vfio *vfio_open(const char *name, const char *sysfs,
				     const struct client_vfio *beside)
{
	struct client_vfio *v = calloc(1, sizeof(*v));
	bool noiommu = false;
	int error;
	u32 i;

	if (!v)
		return NULL;
	v->device = -1;
	for (i = 0; i < MAX_IRQS; i++)
		v->irq[i] = -1;
	v->container = beside ? fcntl(beside->container, F_DUPFD_CLOEXEC, 0) :
				open("/dev/vfio/vfio", O_RDWR | O_CLOEXEC);
	v->group = open_group(sysfs, &noiommu);
	error = errno;
	dma_init(&v->dma, noiommu ? -1 : v->container);
	errno = error;
	if (v->container < 0 || v->group < 0)
		goto err;
	if (beside)
		v->dma.next_iova += BESIDE_IOVA;
	if (ioctl(v->group, VFIO_GROUP_SET_CONTAINER, &v->container))
		goto err;
	if (!beside && ioctl(v->container, VFIO_SET_IOMMU,
			     noiommu ? VFIO_NOIOMMU_IOMMU : VFIO_TYPE1v2_IOMMU))
		goto err;
	v->device = ioctl(v->group, VFIO_GROUP_GET_DEVICE_FD, name);
	if (v->device < 0)
		goto err;
	/* vfio-pci enables memory decoding by itself, and bus mastering not. */
	errno = -bus_master(v);
	if (errno)
		goto err;
	bar_map(v);
	errno = -irqs_init(v);
	if (errno)
		goto err;
	return v;

err:
	error = errno;
	vfio_close(v);
	errno = error;
	return NULL;
}

struct client_vfio *client_vfio_open(const char *uuid)
{
	char sysfs[256];

	snprintf(sysfs, sizeof(sysfs), "/sys/bus/mdev/devices/%s", uuid);
	return vfio_open(uuid, sysfs, NULL);
}

struct client_vfio *client_vfio_open_beside(const char *uuid, const struct client_vfio *other)
{
	char sysfs[256];

	snprintf(sysfs, sizeof(sysfs), "/sys/bus/mdev/devices/%s", uuid);
	return vfio_open(uuid, sysfs, other);
}

struct client_vfio *client_vfio_open_pci(const char *address)
{
	char sysfs[256];

	snprintf(sysfs, sizeof(sysfs), "/sys/bus/pci/devices/%s", address);
	return vfio_open(address, sysfs, NULL);
}

int client_vfio_fd(const struct client_vfio *v)
{
	return v->device;
}

const struct client_ops client_vfio_ops = {
	.name = "vfio",
	.alloc = vfio_alloc,
	.free = vfio_free,
	.iova = vfio_iova,
	.map = vfio_map,
	.unmap = vfio_unmap,
	.iseg_read = vfio_iseg_read,
	.iseg_write = vfio_iseg_write,
	.uar_write32 = vfio_uar_write32,
	.uar_write64 = vfio_uar_write64,
	.irq_wait = vfio_irq_wait,
	.irq_count = vfio_irq_count,
	.irq_fd = vfio_irq_fd,
	.progress = vfio_progress,
	.reset = vfio_reset,
	.close = vfio_close,
};
