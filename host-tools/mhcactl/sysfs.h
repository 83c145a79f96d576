/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Files below the root prefix. Paths are printf formats and start with '/'.
 */
#ifndef MHCACTL_SYSFS_H
#define MHCACTL_SYSFS_H

#include "mhcactl.h"

/**
 * struct names - a sorted list of names
 * @name: array
 * @count: its length
 */
struct names {
	char **name;
	size_t count;
};

/* Root prefix and path; aborts nothing: too long paths end in ENAMETOOLONG later. */
char *sys_path(const struct ctl *ctl, const char *fmt, ...) CTL_PRINTF(2, 3);
bool sys_exists(const struct ctl *ctl, const char *fmt, ...) CTL_PRINTF(2, 3);
/* The file has a write bit: what the driver offers, not what the caller may. */
bool sys_offers_write(const struct ctl *ctl, const char *fmt, ...) CTL_PRINTF(2, 3);
/* Content without trailing white space, NULL and errno on failure. */
char *sys_read(const struct ctl *ctl, const char *fmt, ...) CTL_PRINTF(2, 3);
/* 0 or -errno; -ERANGE and -EINVAL when it is no number of that kind. */
int sys_read_u64(const struct ctl *ctl, uint64_t *value, const char *fmt, ...)
	CTL_PRINTF(3, 4);
/* One write(2) of the whole value, as sysfs wants it. 0 or -errno. */
int sys_write(const struct ctl *ctl, const char *value, const char *fmt, ...)
	CTL_PRINTF(3, 4);
/* Names in a directory, sorted, without "." and "..". 0 or -errno. */
int sys_list(const struct ctl *ctl, struct names *names, const char *fmt, ...)
	CTL_PRINTF(3, 4);
void names_free(struct names *names);
void names_add(struct names *names, const char *name);
/* Target of a symbolic link, as it stands there; NULL and errno. */
char *sys_link(const struct ctl *ctl, const char *fmt, ...) CTL_PRINTF(2, 3);
/* The last component of a path (a pointer into it). */
const char *base_name(const char *path);

#endif /* MHCACTL_SYSFS_H */
