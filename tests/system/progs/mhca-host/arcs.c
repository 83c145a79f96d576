// SPDX-License-Identifier: GPL-2.0-only
/*
 * arcs UUID UUID: from each state of a move each other one is asked for, and numbers that
 * are none; a reset in each; files that outlive their stream, their state, their device.
 *
 * images SEED COUNT UUID UUID: an image of the first instance, cut at the end of each of its
 * records, with bytes that are others, of bytes that are none, into the second: it refuses
 * or runs, and after a reset it is as new. And the whole one, with the n-th allocation or
 * pin of the kernel modules failing, for every n.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "stream.h"

#define PARAMETER	"/sys/module/mhca/parameters/fail_nth"

/* Ways from RUNNING, and what each state may be left for. */
static const struct {
	enum mig way[3];
	u32 next;
} states[MIG_STATES] = {
#define TO(state)	(1U << MIG_##state)
#define STANDS		(TO(STOP) | TO(RUNNING) | TO(RUNNING_P2P) | TO(STOP_COPY) | TO(RESUMING))
#define COPIES		(TO(PRE_COPY) | TO(PRE_COPY_P2P))
	[MIG_STOP] = { { MIG_STOP }, STANDS | COPIES },
	[MIG_RUNNING] = { { MIG_RUNNING }, STANDS | COPIES },
	[MIG_STOP_COPY] = { { MIG_STOP_COPY }, STANDS },
	/* What was loaded is nothing: it does not get out of there. */
	[MIG_RESUMING] = { { MIG_RESUMING }, TO(RESUMING) },
	[MIG_RUNNING_P2P] = { { MIG_RUNNING_P2P }, STANDS | COPIES },
	[MIG_PRE_COPY] = { { MIG_PRE_COPY }, STANDS | COPIES },
	[MIG_PRE_COPY_P2P] = { { MIG_PRE_COPY_P2P }, STANDS | COPIES },
	[MIG_ERROR] = { { MIG_RESUMING, MIG_STOP }, 0 },
};

/* Into a state, with its stream in *@fd if it has one. */
static int enter(struct client_vfio *v, u32 state, int *fd)
{
	int ret = 0;

	*fd = -1;
	for (int i = 0; i < 3 && states[state].way[i]; i++)
		ret = mig_set(v, states[state].way[i], fd);
	if (state == MIG_ERROR)
		ret = ret ? 0 : -EPROTO;
	return ret || mig_get(v) != (int)state ? complain("state %u: %d, %d", state, ret,
							  mig_get(v)) : 0;
}

static int reset(struct client_vfio *v)
{
	if (client_vfio_ops.reset(v) || mig_get(v) != MIG_RUNNING)
		return complain("reset: state %d", mig_get(v));
	return 0;
}

static void put(int fd)
{
	if (fd >= 0)
		close(fd);
}

/* A file whose stream is over: it says so, whatever is done with it. */
static int dead(int fd)
{
	char c = 0;

	if (fd < 0)
		return 0;
	if (read(fd, &c, 1) >= 0 || (errno != ENODEV && errno != EBADF && errno != EINVAL))
		return complain("a dead file is read: %s", strerror(errno));
	if (write(fd, &c, 1) >= 0 || (errno != ENODEV && errno != EBADF && errno != EINVAL))
		return complain("a dead file is written: %s", strerror(errno));
	return 0;
}

static int one_arc(struct client_vfio *v, u32 from, u32 to)
{
	bool may = to < MIG_STATES && (states[from].next & (1U << to));
	int fd, next = -1, ret;

	if (enter(v, from, &fd))
		return -1;
	ret = mig_set(v, to, &next);
	if (from == to && to != MIG_ERROR)
		may = true;
	if (may != !ret && !(from == MIG_ERROR && to == MIG_ERROR))
		return complain("%u to %u: %d", from, to, ret);
	if (!ret && mig_get(v) != (int)to)
		return complain("%u to %u: state %d", from, to, mig_get(v));
	if (reset(v) || dead(fd) || dead(next))
		return -1;
	put(fd);
	put(next);
	return 0;
}

/* One who reads into nothing loses the stream, and nobody else anything. */
static int bad_reader(struct client_vfio *v)
{
	void *nothing = mmap(NULL, CLIENT_PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char c;
	int fd, ret = enter(v, MIG_STOP_COPY, &fd);

	if (ret)
		return ret;
	if (read(fd, nothing, CLIENT_PAGE) >= 0 || errno != EFAULT)
		return complain("read into nothing: %s", strerror(errno));
	if (read(fd, &c, 1) >= 0 || errno != EIO)
		return complain("read after that: %s", strerror(errno));
	if (pread(fd, &c, 1, 0) >= 0 || write(fd, &c, 1) >= 0)
		return complain("the file can be written to, or has places");
	munmap(nothing, CLIENT_PAGE);
	put(fd);
	return reset(v);
}

/* Its file is open when the device is closed and opened again. */
static int outlives(const char *uuid, u32 state)
{
	struct client_vfio *v = client_vfio_open(uuid);
	int fd, ret;

	if (!v)
		return complain("%s: %s", uuid, strerror(errno));
	ret = enter(v, state, &fd);
	client_vfio_ops.close(v);
	if (ret || dead(fd))
		return -1;
	v = client_vfio_open(uuid);
	if (!v)
		return complain("%s: %s", uuid, strerror(errno));
	ret = mig_get(v) == MIG_RUNNING ? dead(fd) : complain("opened in state %d", mig_get(v));
	client_vfio_ops.close(v);
	put(fd);
	return ret;
}

int arcs_main(int argc, char **argv)
{
	struct node n, peer;
	u32 from, to;
	int ret = 0;

	if (node_open(&n, argv[0]) || node_open(&peer, argv[1]) || node_transfer(&n, &peer))
		return -1;
	if (mig_size(n.vfio) < 1000)
		return complain("size: %lld", mig_size(n.vfio));
	for (from = 0; from < MIG_STATES && !ret; from++)
		for (to = 0; to <= MIG_STATES && !ret; to++)
			ret = one_arc(n.vfio, from, to);
	ret = ret || bad_reader(n.vfio) || mig_set(n.vfio, ~0U, NULL) != -EINVAL;
	node_abandon(&n);
	for (from = MIG_STOP; from < MIG_STATES && !ret; from++)
		ret = outlives(argv[0], from);
	if (!ret)
		ret = node_open(&n, argv[0]) || node_transfer(&n, &peer);
	node_close(&peer);
	printf("{\"ok\": %s}\n", ret ? "false" : "true");
	return ret ? -1 : 0;
}

/* ---- Images that are none ------------------------------------------------------------ */

/**
 * struct victim - who is to load them
 * @n: whose image it is, which runs on
 * @to: the target, in the same container
 * @image: the image
 * @refused: how many were
 * @ran: how many were not
 */
struct victim {
	struct node n;
	struct client_vfio *to;
	struct image image;
	u32 refused;
	u32 ran;
};

static int nothing_left(const char *uuid)
{
	struct node n = { .uuid = uuid };

	if (node_objects(&n) || node_counter(&n, "pinned_pages"))
		return complain("%llu objects, %llu pages are left",
				(unsigned long long)node_objects(&n),
				(unsigned long long)node_counter(&n, "pinned_pages"));
	return 0;
}

/* @len bytes of it, whatever they say. What is half loaded does not run. */
static int feed(struct victim *v, const char *uuid, size_t len)
{
	int ret = image_load(v->to, &v->image, len);

	v->refused += !!ret;
	v->ran += !ret;
	if (ret && !mig_set(v->to, MIG_RUNNING, NULL))
		return complain("%zu bytes: refused with %d, and it runs", len, ret);
	/* Nobody has given the addresses away: the source stands no more. */
	if (!ret && mig_set(v->to, MIG_RUNNING, NULL) != -EADDRINUSE)
		return complain("%zu bytes: it takes the place of one that runs", len);
	return reset(v->to) || nothing_left(uuid) ? -1 : 0;
}

/* Records are {u16 tag, u16 flags, u32 length}. */
static int cut(struct victim *v, const char *uuid)
{
	size_t at = 0;
	u32 length;

	while (at < v->image.len) {
		if (feed(v, uuid, at) || feed(v, uuid, at + 5))
			return -1;
		memcpy(&length, v->image.data + at + 4, sizeof(length));
		at += 8 + length;
	}
	return v->ran ? complain("a part of an image was enough") : 0;
}

static int spoil(struct victim *v, const char *uuid, u64 *rng, u32 count)
{
	u32 i, at[3];
	u8 old[3];

	for (u32 n = 0; n < count; n++) {
		for (i = 0; i < 3; i++) {
			at[i] = pick(rng, (u32)v->image.len);
			old[i] = v->image.data[at[i]];
			v->image.data[at[i]] = (u8)pick(rng, 256);
		}
		if (feed(v, uuid, v->image.len))
			return -1;
		while (i--)
			v->image.data[at[i]] = old[i];
	}
	return 0;
}

static int fail_nth(u32 n)
{
	FILE *f = fopen(PARAMETER, "w");
	int ret = f ? fprintf(f, "%u\n", n) : -1;

	if (f && fclose(f))
		ret = -1;
	return ret < 0 ? complain("%s: %s", PARAMETER, strerror(errno)) : 0;
}

static u32 fail_left(void)
{
	FILE *f = fopen(PARAMETER, "r");
	u32 left = 0;

	if (f && fscanf(f, "%u", &left) != 1)
		left = 0;
	if (f)
		fclose(f);
	return left;
}

/* Save or load, the n-th allocation of which fails: an error, and the source runs on. */
static int fail_each(struct victim *v, const char *uuid, u32 *failures)
{
	u32 n, left;
	int ret;

	for (n = 1; ; n++) {
		if (fail_nth(n))
			return -1;
		ret = image_save(v->n.vfio, &v->image);
		if (!ret)
			ret = image_load(v->to, &v->image, v->image.len);
		left = fail_left();
		if (fail_nth(0))
			return -1;
		if (mig_set(v->n.vfio, MIG_RUNNING, NULL))
			return complain("failure %u: the source does not run on", n);
		if (reset(v->to) || nothing_left(uuid))
			return complain("failure %u", n);
		if (left)
			break;
		if (!ret)
			return complain("failure %u was not noticed", n);
	}
	*failures = n - 1;
	return ret ? complain("an error although nothing failed: %d", ret) : 0;
}

int images_main(int argc, char **argv)
{
	u64 rng = strtoull(argv[0], NULL, 0) | 1;
	struct victim v = { 0 };
	struct client_qp a, b;
	u32 failures = 0;
	int ret;

	if (image_init(&v.image) || node_open(&v.n, argv[2]))
		return -1;
	v.to = client_vfio_open_beside(argv[3], v.n.vfio);
	if (!v.to || node_connect(&v.n, &a, &v.n, &b))
		return complain("set-up: %s", strerror(errno));
	ret = image_save(v.n.vfio, &v.image) || mig_set(v.n.vfio, MIG_RUNNING, NULL);
	ret = ret || cut(&v, argv[3]) || spoil(&v, argv[3], &rng, (u32)atoi(argv[1]));
	ret = ret || fail_each(&v, argv[3], &failures) || node_transfer(&v.n, &v.n);
	printf("{\"image\": %zu, \"refused\": %u, \"ran\": %u, \"failures\": %u}\n",
	       v.image.len, v.refused, v.ran, failures);
	client_vfio_ops.close(v.to);
	node_close(&v.n);
	return ret ? -1 : 0;
}
