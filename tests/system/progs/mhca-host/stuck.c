// SPDX-License-Identifier: GPL-2.0-only
/*
 * stuck UUID: a monitor whose guest memory does not answer. The command queue lies in
 * memory whose page faults nobody serves, so that the driver waits in the middle of a
 * command. Says "stuck" when it does. A line on standard input: resets the device and says
 * "reset"; its end: closes everything.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <linux/userfaultfd.h>
#include "host.h"

#define TIMEOUT_MS	20000
#define ISEG(field)	((u32)offsetof(struct mlx5_init_seg, field))

/* Before the device is opened: the kernel closes the last file first. */
static int open_faults(void)
{
	struct uffdio_api api = { .api = UFFD_API };
	int fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);

	if (fd < 0 || ioctl(fd, UFFDIO_API, &api))
		return complain("userfaultfd: %s", strerror(errno));
	return fd;
}

static void *silent_memory(int faults)
{
	void *va = mmap(NULL, CLIENT_PAGE, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct uffdio_register range = { .range = { .start = (uintptr_t)va,
						    .len = CLIENT_PAGE },
					 .mode = UFFDIO_REGISTER_MODE_MISSING };

	if (va == MAP_FAILED || ioctl(faults, UFFDIO_REGISTER, &range)) {
		complain("memory: %s", strerror(errno));
		return NULL;
	}
	return va;
}

/* Ring a command in @iova and wait until the driver asks for that page. */
static int get_stuck(struct node *n, int faults, u64 iova)
{
	struct pollfd fd = { .fd = faults, .events = POLLIN };

	n->c.ops->iseg_write(n->c.backend, ISEG(cmdq_addr_h), iova >> 32);
	n->c.ops->iseg_write(n->c.backend, ISEG(cmdq_addr_l_sz), (u32)iova);
	client_cmd_ring(&n->c, 1);
	if (poll(&fd, 1, TIMEOUT_MS) != 1)
		return complain("the driver does not read the command queue");
	puts("stuck");
	fflush(stdout);
	return 0;
}

int stuck_main(int argc, char **argv)
{
	int faults = open_faults();
	char line[80];
	struct node n;
	void *va;
	u64 iova;

	if (faults < 0 || node_open(&n, argv[0]))
		return -1;
	va = silent_memory(faults);
	if (!va || n.c.ops->map(n.c.backend, va, CLIENT_PAGE, &iova))
		return complain("map: %s", strerror(errno));
	if (get_stuck(&n, faults, iova))
		return -1;
	while (fgets(line, sizeof(line), stdin)) {
		if (n.c.ops->reset(n.c.backend))
			return complain("reset: %s", strerror(errno));
		puts("reset");
		fflush(stdout);
	}
	return 0;
}
