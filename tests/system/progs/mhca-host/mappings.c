// SPDX-License-Identifier: GPL-2.0-only
/*
 * mappings UUID: what a process can do with mappings of doorbell pages: how many it gets,
 * and what is behind one that it keeps when it closes the device. Prints what it saw as
 * JSON.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#include <linux/vfio.h>
#include "host.h"

#define TRIES		200
#define MARK		0x5ec7e7ULL
#define UAR_LAST	511	/* nobody allocates so many */

static sigjmp_buf fault;

static void on_fault(int sig)
{
	siglongjmp(fault, sig);
}

/* Read a word. 0, or the signal that came instead. */
static int peek(const volatile u64 *at, u64 *value)
{
	struct sigaction act = { .sa_handler = on_fault }, old;
	int sig;

	sigaction(SIGBUS, &act, &old);
	sig = sigsetjmp(fault, 1);
	if (!sig)
		*value = *at;
	sigaction(SIGBUS, &old, NULL);
	return sig;
}

static u64 *map_uar(int device, u32 index, u32 pages)
{
	struct vfio_region_info info = { .argsz = sizeof(info),
					 .index = VFIO_PCI_BAR0_REGION_INDEX };
	void *at;

	if (ioctl(device, VFIO_DEVICE_GET_REGION_INFO, &info))
		return NULL;
	at = mmap(NULL, (size_t)pages * CLIENT_PAGE, PROT_READ | PROT_WRITE, MAP_SHARED,
		  device, (off_t)(info.offset + (u64)index * CLIENT_PAGE));
	return at == MAP_FAILED ? NULL : at;
}

/* ---- How many ------------------------------------------------------------------ */

/* Map a page until that is refused, at most TRIES times; how often. */
static int map_many(int fd, u8 **page)
{
	int n;

	for (n = 0; n < TRIES; n++) {
		page[n] = (u8 *)map_uar(fd, UAR_LAST, 1);
		if (!page[n])
			break;
	}
	return n;
}

/* What a child has of a mapping that it inherits after all. 0: nothing; -1: an error. */
static int inherited(u64 *page)
{
	int status = 0;
	pid_t child;
	u64 value;

	if (madvise(page, CLIENT_PAGE, MADV_DOFORK))
		return complain("MADV_DOFORK: %s", strerror(errno));
	child = fork();
	if (!child) {
		/* Its page tables may be a copy. */
		if (madvise(page, CLIENT_PAGE, MADV_DONTNEED))
			_exit(2);
		_exit(peek(page, &value) == SIGBUS ? 0 : 1);
	}
	if (child < 0 || waitpid(child, &status, 0) != child || !WIFEXITED(status))
		return complain("a child: %s, status %x", strerror(errno), status);
	return WEXITSTATUS(status);
}

/*
 * At the limit: a mapping that is moved is still one, however often, and none goes with
 * its last page table.
 */
static int moved(int fd, u8 **page)
{
	u64 value;
	u8 *next;
	int i;

	for (i = 0; i < 8; i++) {
		next = mmap(NULL, CLIENT_PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (next == MAP_FAILED ||
		    mremap(*page, CLIENT_PAGE, CLIENT_PAGE, MREMAP_MAYMOVE | MREMAP_FIXED,
			   next) != next)
			return complain("mremap: %s", strerror(errno));
		*page = next;
		if (map_uar(fd, UAR_LAST, 1))
			return complain("%d moves make room for a mapping", i + 1);
		if (madvise(next, CLIENT_PAGE, MADV_DONTNEED) ||
		    peek((u64 *)next, &value) != SIGBUS)
			return complain("a mapping that was moved at the limit is mapped");
	}
	return 0;
}

/* As many as it gets, and not one more by splitting, moving or inheritance. */
static int count_mappings(struct node *n, int *count)
{
	int fd = client_vfio_fd(n->vfio), error, i;
	u8 *page[TRIES], *whole;

	whole = (u8 *)map_uar(fd, UAR_LAST - 3, 3);
	*count = whole ? map_many(fd, page) : 0;
	error = errno;
	if (!whole || !*count || *count == TRIES || error != ENOSPC)
		return complain("%d mappings, then %s", *count, strerror(error));
	if (!munmap(whole + CLIENT_PAGE, CLIENT_PAGE))
		return complain("a mapping is split beyond the limit");
	if (inherited((u64 *)page[0]))
		return complain("a child has a mapping beyond the limit");
	if (moved(fd, &page[0]))
		return -1;
	for (i = 0; i < *count; i++)
		munmap(page[i], CLIENT_PAGE);
	/* Nor is one that was refused missing from the count. */
	if (map_many(fd, page) != *count)
		return complain("not as many as before");
	for (i = 0; i < *count; i++)
		munmap(page[i], CLIENT_PAGE);
	if (munmap(whole + CLIENT_PAGE, CLIENT_PAGE))
		return complain("a mapping cannot be split: %s", strerror(errno));
	munmap(whole, 3 * CLIENT_PAGE);
	return 0;
}

/* ---- Kept ------------------------------------------------------------------------ */

#define UAR_FIRST	16
#define KEPT		((UAR_LAST + 1 - UAR_FIRST) * (size_t)CLIENT_PAGE)

static u64 *kept_uar(u8 *kept, u32 index)
{
	return (u64 *)(kept + (size_t)(index - UAR_FIRST) * CLIENT_PAGE);
}

/* The device was closed, and what it showed is still mapped. Opens it again. */
static int look_behind(struct node *n, const char *uuid, u8 *kept, const char **what)
{
	struct client_vfio *next = client_vfio_open(uuid);
	u64 *scratch, value = 0;

	if (!next) {
		if (errno != EBUSY)
			return complain("open: %s", strerror(errno));
		*what = "the device";
		munmap(kept, KEPT);
		return node_open(n, uuid);
	}
	client_vfio_ops.close(next);
	*what = "nothing";
	if (node_open(n, uuid))
		return -1;
	scratch = map_uar(client_vfio_fd(n->vfio), UAR_LAST, 1);
	if (!scratch || peek(scratch, &value) || value)
		return complain("who opens the device next reads %llx",
				(unsigned long long)value);
	munmap(scratch, CLIENT_PAGE);
	if (peek(kept_uar(kept, n->c.uar), &value) != SIGBUS ||
	    peek(kept_uar(kept, UAR_LAST), &value) != SIGBUS)
		return complain("a mapping shows the device of who opened it next");
	munmap(kept, KEPT);
	return 0;
}

int mappings_main(int argc, char **argv)
{
	const char *what = "";
	struct node n;
	int count;
	u8 *kept;

	if (node_open(&n, argv[0]) || count_mappings(&n, &count) || node_transfer(&n, &n))
		return -1;
	kept = (u8 *)map_uar(client_vfio_fd(n.vfio), UAR_FIRST, UAR_LAST + 1 - UAR_FIRST);
	if (!kept)
		return complain("mmap: %s", strerror(errno));
	*kept_uar(kept, UAR_LAST) = MARK;
	node_close(&n);
	if (look_behind(&n, argv[0], kept, &what) || node_transfer(&n, &n))
		return -1;
	node_close(&n);
	printf("{\"mappings\": %d, \"kept\": \"%s\"}\n", count, what);
	return 0;
}
