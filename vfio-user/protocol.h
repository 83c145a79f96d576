/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * vfio-user on the wire: messages over a UNIX stream socket, host byte order. What a body
 * has in common with an ioctl of VFIO (<linux/vfio.h>) has its layout, flags and numbers.
 */
#ifndef MHCAD_PROTOCOL_H
#define MHCAD_PROTOCOL_H

#include <linux/types.h>

#define VFIO_USER_MAJOR		0
#define VFIO_USER_MINOR		0

enum vfio_user_command {
	VFIO_USER_VERSION = 1,
	VFIO_USER_DMA_MAP = 2,
	VFIO_USER_DMA_UNMAP = 3,
	VFIO_USER_DEVICE_GET_INFO = 4,
	VFIO_USER_DEVICE_GET_REGION_INFO = 5,
	VFIO_USER_DEVICE_GET_REGION_IO_FDS = 6,
	VFIO_USER_DEVICE_GET_IRQ_INFO = 7,
	VFIO_USER_DEVICE_SET_IRQS = 8,
	VFIO_USER_REGION_READ = 9,
	VFIO_USER_REGION_WRITE = 10,
	VFIO_USER_DEVICE_RESET = 13,
	VFIO_USER_COMMANDS,
};

#define VFIO_USER_TYPE_MASK	0xfU
#define VFIO_USER_REQUEST	0x0U
#define VFIO_USER_REPLY		0x1U
#define VFIO_USER_NO_REPLY	0x10U
#define VFIO_USER_ERROR		0x20U

/**
 * struct vfio_user_header - begins each message
 * @id: the client's; the reply has the same
 * @command: enum vfio_user_command
 * @size: of the message with its header, bytes
 * @flags: type, VFIO_USER_NO_REPLY, VFIO_USER_ERROR
 * @error: errno of a reply with VFIO_USER_ERROR
 */
struct vfio_user_header {
	u16 id;
	u16 command;
	u32 size;
	u32 flags;
	u32 error;
};

/**
 * struct vfio_user_version - followed by capabilities as JSON with a 0 at its end
 * @major: both must have the same
 * @minor: the smaller one counts
 */
struct vfio_user_version {
	u16 major;
	u16 minor;
};

/**
 * struct vfio_user_dma_map - with at most one file descriptor
 * @argsz: size of this
 * @flags: VFIO_DMA_MAP_FLAG_READ, _WRITE
 * @offset: in the file
 * @iova: guest-physical address
 * @size: bytes
 */
struct vfio_user_dma_map {
	u32 argsz;
	u32 flags;
	u64 offset;
	u64 iova;
	u64 size;
};

struct vfio_user_dma_unmap {
	u32 argsz;
	u32 flags;
	u64 iova;
	u64 size;
};

struct vfio_user_region_fds {
	u32 argsz;
	u32 flags;
	u32 index;
	u32 count;
};

/**
 * struct vfio_user_access - REGION_READ and _WRITE; followed by data where there is some
 * @offset: in the region
 * @region: VFIO_PCI_*_REGION_INDEX
 * @count: bytes
 */
struct vfio_user_access {
	u64 offset;
	u32 region;
	u32 count;
};

#endif /* MHCAD_PROTOCOL_H */
