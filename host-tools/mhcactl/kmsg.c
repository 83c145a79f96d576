// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the kernel said meanwhile.
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kmsg.h"
#include "sysfs.h"

/* A record of /dev/kmsg is read whole; longer ones fail with EINVAL. */
#define RECORD_MAX	8192
/* More lines than a refusal causes: the rest is in the log. */
#define LINES_MAX	8

void kmsg_open(const struct ctl *ctl, struct kmsg *kmsg)
{
	char *path = sys_path(ctl, "/dev/kmsg");

	kmsg->fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	free(path);
	if (kmsg->fd >= 0 && lseek(kmsg->fd, 0, SEEK_END) < 0)
		kmsg_close(kmsg);
}

void kmsg_close(struct kmsg *kmsg)
{
	if (kmsg->fd >= 0)
		close(kmsg->fd);
	kmsg->fd = -1;
}

/* "6,1234,5678,-;message\n KEY=value\n…": the message, when it is the driver's. */
static bool print_record(char *record)
{
	char *message = strchr(record, ';');

	if (!message)
		return false;
	message++;
	message[strcspn(message, "\n")] = '\0';
	if (!strstr(message, "mhca"))
		return false;
	for (char *c = message; *c; c++)
		if (iscntrl((unsigned char)*c))
			*c = '?';
	fprintf(stderr, "kernel: %s\n", message);
	return true;
}

void kmsg_print(struct kmsg *kmsg)
{
	char record[RECORD_MAX + 1];
	int lines = 0;
	ssize_t n;

	if (kmsg->fd < 0)
		return;
	while (lines < LINES_MAX) {
		n = read(kmsg->fd, record, RECORD_MAX);
		if (n < 0 && (errno == EPIPE || errno == EINTR))
			continue;	/* records were overwritten: go on behind them */
		if (n <= 0)
			break;
		record[n] = '\0';
		lines += print_record(record);
	}
}
