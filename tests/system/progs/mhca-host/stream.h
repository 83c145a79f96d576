/* SPDX-License-Identifier: GPL-2.0-only */
/* VFIO's migration protocol from a monitor's side, and an image in this process's memory. */
#ifndef STREAM_H
#define STREAM_H

#include "host.h"

/* enum vfio_device_mig_state; headers of 6.1 lack the last two. */
enum mig {
	MIG_ERROR, MIG_STOP, MIG_RUNNING, MIG_STOP_COPY, MIG_RESUMING, MIG_RUNNING_P2P,
	MIG_PRE_COPY, MIG_PRE_COPY_P2P, MIG_STATES
};

#define IMAGE_MAX	(64UL << 20)

/**
 * struct image - an instance as bytes
 * @data: IMAGE_MAX bytes of room
 * @early: how many could be read while it ran
 * @len: all
 */
struct image {
	u8 *data;
	size_t early;
	size_t len;
};

int image_init(struct image *image);
/* @fd: out: the stream's file, or -1; may be NULL. 0 or a negative errno. */
int mig_set(const struct client_vfio *v, u32 state, int *fd);
/* The state, or a negative errno. */
int mig_get(const struct client_vfio *v);
/* What VFIO_DEVICE_FEATURE_MIG_DATA_SIZE says, or a negative errno. */
long long mig_size(const struct client_vfio *v);
/* Source at RUNNING: through PRE_COPY to STOP, with its image. 0 or a negative errno. */
int image_save(const struct client_vfio *v, struct image *image);
/* Target at RUNNING: @len bytes of the image, then STOP. 0 or a negative errno. */
int image_load(const struct client_vfio *v, const struct image *image, size_t len);

#endif /* STREAM_H */
