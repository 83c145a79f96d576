// SPDX-License-Identifier: GPL-2.0-only
/* A side: its device, its memory, and how it meets the other one. */
#include "verify.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/* The arena begins here in its mapping: a region need not start on a page. */
#define ARENA_SKEW	(4096 + 72)
#define ARENA_MAP	(ARENA_SIZE + 4 * 4096)

static const int key_access[KEYS] = {
	[KEY_GOOD] = IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_WRITE |
		     IBV_ACCESS_REMOTE_READ | IBV_ACCESS_REMOTE_ATOMIC,
	[KEY_NONE] = 0,
	[KEY_NO_WRITE] = IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_READ,
	[KEY_NO_READ] = IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_WRITE,
	[KEY_ALIEN] = IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_WRITE |
		      IBV_ACCESS_REMOTE_READ | IBV_ACCESS_REMOTE_ATOMIC,
	[KEY_STALE] = IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_WRITE |
		      IBV_ACCESS_REMOTE_READ,
};

/* First word of every message on the socket. */
enum { SWAP_OK = 0x4f4b, SWAP_FAILED = 0x4e4f };

int fail(struct side *s, const char *format, ...)
{
	va_list ap;

	if (s->why[0])
		return -1;	/* the first cause is the one to tell */
	va_start(ap, format);
	vsnprintf(s->why, sizeof(s->why), format, ap);
	va_end(ap);
	return -1;
}

uint64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

uint32_t pick(struct side *s, uint32_t below)
{
	s->rng ^= s->rng << 13;
	s->rng ^= s->rng >> 7;
	s->rng ^= s->rng << 17;
	return (uint32_t)(s->rng >> 16) % below;
}

static int send_all(struct side *s, const void *buf, size_t len)
{
	const uint8_t *p = buf;

	while (len) {
		ssize_t n = send(s->fd, p, len, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return fail(s, "the other side is gone: %m");
		p += n;
		len -= (size_t)n;
	}
	return 0;
}

static int recv_all(struct side *s, void *buf, size_t len)
{
	uint8_t *p = buf;

	while (len) {
		ssize_t n = recv(s->fd, p, len, 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return fail(s, "the other side is gone: %s",
				    n ? strerror(errno) : "end of file");
		p += n;
		len -= (size_t)n;
	}
	return 0;
}

int swap(struct side *s, const void *mine, void *theirs, uint32_t len)
{
	uint32_t head[2] = { SWAP_OK, len };

	if (s->broken)
		return -1;
	if (send_all(s, head, sizeof(head)) || send_all(s, mine, len) ||
	    recv_all(s, head, sizeof(head))) {
		s->broken = true;
		return -1;
	}
	if (head[0] != SWAP_OK) {
		s->broken = true;
		return fail(s, "the other side failed");
	}
	if (head[1] != len) {
		s->broken = true;
		return fail(s, "the sides disagree: %u bytes, not %u", head[1], len);
	}
	return recv_all(s, theirs, len);
}

int meet(struct side *s)
{
	uint32_t mine = 1, theirs;

	return swap(s, &mine, &theirs, sizeof(mine));
}

void give_up(struct side *s)
{
	uint32_t head[2] = { SWAP_FAILED, 0 };
	uint8_t scratch[256];

	if (s->broken)
		return;
	s->broken = true;
	if (send_all(s, head, sizeof(head)) || recv_all(s, head, sizeof(head)))
		return;
	/* What the other side said in the same exchange is of no use now. */
	while (head[0] == SWAP_OK && head[1]) {
		uint32_t n = head[1] < sizeof(scratch) ? head[1] : sizeof(scratch);

		if (recv_all(s, scratch, n))
			return;
		head[1] -= n;
	}
}

static struct ibv_context *open_device(struct side *s)
{
	struct ibv_device **list;
	struct ibv_context *ctx = NULL;
	int n;

	list = ibv_get_device_list(&n);
	if (!list)
		return NULL;
	for (int i = 0; i < n && !ctx; i++) {
		if (s->opt->device &&
		    strcmp(s->opt->device, ibv_get_device_name(list[i])))
			continue;
		ctx = ibv_open_device(list[i]);
	}
	ibv_free_device_list(list);
	return ctx;
}

static int open_memory(struct side *s)
{
	for (int i = 0; i < 2; i++) {
		uint8_t *map = mmap(NULL, ARENA_MAP, PROT_READ | PROT_WRITE,
				    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		if (map == MAP_FAILED)
			return fail(s, "no memory for an arena: %m");
		*(i ? &s->want : &s->mem) = map + ARENA_SKEW;
	}
	for (enum key k = 0; k < KEY_UNKNOWN; k++) {
		struct ibv_pd *pd = k == KEY_ALIEN ? s->alien_pd : s->pd;

		s->mr[k] = ibv_reg_mr(pd, s->mem, ARENA_SIZE, key_access[k]);
		if (!s->mr[k])
			return fail(s, "ibv_reg_mr %d: %m", k);
		s->lkey[k] = s->mr[k]->lkey;
		s->mine.rkey[k] = s->mr[k]->rkey;
	}
	if (ibv_dereg_mr(s->mr[KEY_STALE]))
		return fail(s, "ibv_dereg_mr: %m");
	s->mr[KEY_STALE] = NULL;
	s->lkey[KEY_UNKNOWN] = 0x00fedc00 | (s->lkey[KEY_GOOD] & 0xff);
	s->mine.rkey[KEY_UNKNOWN] = s->lkey[KEY_UNKNOWN];
	s->mine.addr = (uintptr_t)s->mem;
	return 0;
}

int side_open(struct side *s)
{
	int gid_index = s->opt->gid_index < 0 ? 0 : s->opt->gid_index;

	s->ctx = open_device(s);
	if (!s->ctx)
		return fail(s, "no RDMA device");
	if (ibv_query_device(s->ctx, &s->dev))
		return fail(s, "ibv_query_device: %m");
	if (ibv_query_port(s->ctx, s->opt->port, &s->port))
		return fail(s, "ibv_query_port: %m");
	if (s->port.state != IBV_PORT_ACTIVE)
		return fail(s, "port is %s", ibv_port_state_str(s->port.state));
	if (ibv_query_gid(s->ctx, s->opt->port, gid_index, &s->gid))
		return fail(s, "ibv_query_gid: %m");
	s->pd = ibv_alloc_pd(s->ctx);
	s->alien_pd = ibv_alloc_pd(s->ctx);
	if (!s->pd || !s->alien_pd)
		return fail(s, "ibv_alloc_pd: %m");
	return open_memory(s);
}

void side_close(struct side *s)
{
	for (enum key k = 0; k < KEYS; k++)
		if (s->mr[k])
			ibv_dereg_mr(s->mr[k]);
	if (s->alien_pd)
		ibv_dealloc_pd(s->alien_pd);
	if (s->pd)
		ibv_dealloc_pd(s->pd);
	if (s->ctx)
		ibv_close_device(s->ctx);
	if (s->mem)
		munmap(s->mem - ARENA_SKEW, ARENA_MAP);
	if (s->want)
		munmap(s->want - ARENA_SKEW, ARENA_MAP);
	close(s->fd);
}
