// SPDX-License-Identifier: GPL-2.0-only
/*
 * Files below the root prefix: sysfs, proc, tracefs and devices.
 */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sysfs.h"

/* No attribute is longer; /proc files that are read here neither, but config. */
#define READ_CHUNK	4096
#define READ_MAX	(4U << 20)

static int build_path(const struct ctl *ctl, char *path, const char *fmt, va_list args)
{
	int root = snprintf(path, PATH_MAX, "%s", ctl->root);
	int rest;

	if (root < 0 || root >= PATH_MAX)
		return -ENAMETOOLONG;
	rest = vsnprintf(path + root, PATH_MAX - root, fmt, args);
	if (rest < 0 || rest >= PATH_MAX - root)
		return -ENAMETOOLONG;
	return 0;
}

/* The variadic functions below all begin like this. */
#define BUILD_PATH(ret, ctl, path, fmt)				\
	do {							\
		va_list args_;					\
								\
		va_start(args_, fmt);				\
		(ret) = build_path(ctl, path, fmt, args_);	\
		va_end(args_);					\
	} while (0)

char *sys_path(const struct ctl *ctl, const char *fmt, ...)
{
	char path[PATH_MAX];
	int ret;

	BUILD_PATH(ret, ctl, path, fmt);
	if (ret)
		path[0] = '\0';
	return ctl_strdup(path);
}

bool sys_exists(const struct ctl *ctl, const char *fmt, ...)
{
	char path[PATH_MAX];
	struct stat st;
	int ret;

	BUILD_PATH(ret, ctl, path, fmt);
	return !ret && !stat(path, &st);
}

bool sys_offers_write(const struct ctl *ctl, const char *fmt, ...)
{
	char path[PATH_MAX];
	struct stat st;
	int ret;

	BUILD_PATH(ret, ctl, path, fmt);
	return !ret && !stat(path, &st) && S_ISREG(st.st_mode) && (st.st_mode & 0222);
}

static char *read_all(int fd)
{
	size_t len = 0, size = READ_CHUNK;
	char *text = ctl_alloc(1, size + 1);
	ssize_t n;

	while ((n = read(fd, text + len, size - len)) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 || len + (size_t)n > READ_MAX) {
			if (n >= 0)
				errno = EFBIG;
			free(text);
			return NULL;
		}
		len += (size_t)n;
		if (len == size) {
			size *= 2;
			text = ctl_grow(text, 1, size + 1);
		}
	}
	while (len && isspace((unsigned char)text[len - 1]))
		len--;
	text[len] = '\0';
	return text;
}

char *sys_read(const struct ctl *ctl, const char *fmt, ...)
{
	char path[PATH_MAX];
	char *text;
	int ret;
	int fd, error;

	BUILD_PATH(ret, ctl, path, fmt);
	if (ret) {
		errno = -ret;
		return NULL;
	}
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return NULL;
	text = read_all(fd);
	error = errno;
	close(fd);
	errno = error;
	return text;
}

int sys_read_u64(const struct ctl *ctl, uint64_t *value, const char *fmt, ...)
{
	char path[PATH_MAX], *text, *end;
	struct ctl bare = *ctl;
	int ret;

	BUILD_PATH(ret, ctl, path, fmt);
	if (ret)
		return ret;
	bare.root = "";
	text = sys_read(&bare, "%s", path);
	if (!text)
		return -errno;
	errno = 0;
	*value = strtoull(text, &end, 0);
	if (errno)
		ret = -errno;
	else if (end == text || *end || *text == '-')
		ret = -EINVAL;
	free(text);
	return ret;
}

int sys_write(const struct ctl *ctl, const char *value, const char *fmt, ...)
{
	char path[PATH_MAX];
	size_t len = strlen(value);
	int ret;
	ssize_t n;
	int fd;

	BUILD_PATH(ret, ctl, path, fmt);
	if (ret)
		return ret;
	fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	do {
		n = write(fd, value, len);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		ret = -errno;
	else if ((size_t)n != len)
		ret = -EIO;
	if (close(fd) && !ret)
		ret = -errno;
	return ret;
}

/* ---- Directories and links -------------------------------------------- */

void names_add(struct names *names, const char *name)
{
	names->name = ctl_grow(names->name, names->count + 1, sizeof(*names->name));
	names->name[names->count++] = ctl_strdup(name);
}

void names_free(struct names *names)
{
	for (size_t i = 0; i < names->count; i++)
		free(names->name[i]);
	free(names->name);
	*names = (struct names){ 0 };
}

/* mhca2 before mhca10. */
static int compare_names(const void *a, const void *b)
{
	return strverscmp(*(char *const *)a, *(char *const *)b);
}

int sys_list(const struct ctl *ctl, struct names *names, const char *fmt, ...)
{
	char path[PATH_MAX];
	struct dirent *entry;
	int ret;
	DIR *dir;

	BUILD_PATH(ret, ctl, path, fmt);
	*names = (struct names){ 0 };
	if (ret)
		return ret;
	dir = opendir(path);
	if (!dir)
		return -errno;
	for (;;) {
		errno = 0;
		entry = readdir(dir);
		if (!entry)
			break;
		if (strcmp(entry->d_name, ".") && strcmp(entry->d_name, ".."))
			names_add(names, entry->d_name);
	}
	ret = -errno;
	closedir(dir);
	if (ret) {
		names_free(names);
		return ret;
	}
	if (names->count)
		qsort(names->name, names->count, sizeof(*names->name), compare_names);
	return 0;
}

char *sys_link(const struct ctl *ctl, const char *fmt, ...)
{
	char path[PATH_MAX], target[PATH_MAX];
	int ret;
	ssize_t n;

	BUILD_PATH(ret, ctl, path, fmt);
	if (ret) {
		errno = -ret;
		return NULL;
	}
	n = readlink(path, target, sizeof(target) - 1);
	if (n < 0)
		return NULL;
	target[n] = '\0';
	return ctl_strdup(target);
}

const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}
