// SPDX-License-Identifier: GPL-2.0-only
/* See stream.h. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <linux/vfio.h>
#include "stream.h"

#define FEATURE_DATA_SIZE	9	/* VFIO_DEVICE_FEATURE_MIG_DATA_SIZE, since 6.2 */
#define READ_BYTES		(1UL << 20)

int image_init(struct image *image)
{
	memset(image, 0, sizeof(*image));
	image->data = malloc(IMAGE_MAX);
	return image->data ? 0 : complain("no memory");
}

int mig_set(const struct client_vfio *v, u32 state, int *fd)
{
	struct {
		struct vfio_device_feature feature;
		struct vfio_device_feature_mig_state mig;
	} arg = {
		.feature = {
			.argsz = sizeof(arg),
			.flags = VFIO_DEVICE_FEATURE_SET | VFIO_DEVICE_FEATURE_MIG_DEVICE_STATE,
		},
		.mig = { .device_state = state, .data_fd = -1 },
	};

	if (ioctl(client_vfio_fd(v), VFIO_DEVICE_FEATURE, &arg))
		return -errno;
	if (fd)
		*fd = arg.mig.data_fd;
	return 0;
}

int mig_get(const struct client_vfio *v)
{
	struct {
		struct vfio_device_feature feature;
		struct vfio_device_feature_mig_state mig;
	} arg = {
		.feature = {
			.argsz = sizeof(arg),
			.flags = VFIO_DEVICE_FEATURE_GET | VFIO_DEVICE_FEATURE_MIG_DEVICE_STATE,
		},
	};

	return ioctl(client_vfio_fd(v), VFIO_DEVICE_FEATURE, &arg) ? -errno :
		(int)arg.mig.device_state;
}

long long mig_size(const struct client_vfio *v)
{
	struct {
		struct vfio_device_feature feature;
		__aligned_u64 bytes;
	} arg = {
		.feature = {
			.argsz = sizeof(arg),
			.flags = VFIO_DEVICE_FEATURE_GET | FEATURE_DATA_SIZE,
		},
	};

	return ioctl(client_vfio_fd(v), VFIO_DEVICE_FEATURE, &arg) ? -errno :
		(long long)arg.bytes;
}

/* To the end of what there is now: 0: to the end; -ENOMSG: more later; or another -errno. */
static int drain(int fd, struct image *image)
{
	ssize_t got;

	do {
		if (image->len + READ_BYTES > IMAGE_MAX)
			return -EFBIG;
		got = read(fd, image->data + image->len, READ_BYTES);
		if (got > 0)
			image->len += (size_t)got;
	} while (got > 0);
	return got < 0 ? -errno : 0;
}

int image_save(const struct client_vfio *v, struct image *image)
{
	int fd = -1, none, ret;

	image->len = 0;
	ret = mig_set(v, MIG_PRE_COPY, &fd);
	if (ret)
		return ret;
	ret = drain(fd, image);
	ret = ret == -ENOMSG ? 0 : -EPROTO;
	image->early = image->len;
	if (!ret)
		ret = mig_set(v, MIG_STOP_COPY, &none);
	if (!ret)
		ret = drain(fd, image);
	if (!ret)
		ret = mig_set(v, MIG_STOP, NULL);
	close(fd);
	return ret;
}

int image_load(const struct client_vfio *v, const struct image *image, size_t len)
{
	size_t done = 0;
	int fd = -1, ret = mig_set(v, MIG_RESUMING, &fd);
	ssize_t put;

	while (!ret && done < len) {
		put = write(fd, image->data + done, len - done);
		if (put < 0)
			ret = -errno;
		else
			done += (size_t)put;
	}
	if (!ret)
		ret = mig_set(v, MIG_STOP, NULL);
	if (fd >= 0)
		close(fd);
	return ret;
}
