/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the kernel said meanwhile: the driver gives the reason of a refusal in
 * one line of its log, sysfs only an errno.
 */
#ifndef MHCACTL_KMSG_H
#define MHCACTL_KMSG_H

#include "mhcactl.h"

/**
 * struct kmsg - a place in the kernel's log
 * @fd: /dev/kmsg behind the last record, -1 when it may not be read
 */
struct kmsg {
	int fd;
};

/* Remember where the log ends now. */
void kmsg_open(const struct ctl *ctl, struct kmsg *kmsg);
/* Print the driver's lines since then to standard error. */
void kmsg_print(struct kmsg *kmsg);
void kmsg_close(struct kmsg *kmsg);

#endif /* MHCACTL_KMSG_H */
