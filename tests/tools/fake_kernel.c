// SPDX-License-Identifier: GPL-2.0-only
/*
 * The kernel's side of a made-up sysfs tree, preloaded into mhcactl.
 *
 * A tree of files cannot refuse a write or make a device. Below the directory
 * in MHCA_FAKE_ROOT this library does what the kernel would, told by files:
 *
 *   .fake/errno/PATH   writing to PATH fails with the errno written there
 *   .fake/kmsg         line for /dev/kmsg when a write fails
 *   .fake/template/    an instance that "create" makes
 *   .fake/hold         while it exists "remove" waits; "revoke" deletes it
 *   .fake/trace/       an instance of tracefs that mkdir makes
 *   .fake/traced/      what was left of it at rmdir
 *   .fake/clock        seconds of the monotonic clock; then nanosleep() returns
 *                      at once and lays .fake/steps/N over the tree
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static const char *fake_root(void)
{
	const char *root = getenv("MHCA_FAKE_ROOT");

	return root && *root ? root : NULL;
}

__attribute__((format(printf, 2, 3)))
static void make_path(char *path, const char *fmt, ...)
{
	va_list args;
	int len;

	len = snprintf(path, PATH_MAX, "%s/", fake_root());
	va_start(args, fmt);
	vsnprintf(path + len, PATH_MAX - len, fmt, args);
	va_end(args);
}

static ssize_t real_write(int fd, const void *data, size_t size)
{
	return syscall(SYS_write, fd, data, size);
}

static int real_open(const char *path, int flags, mode_t mode)
{
	return (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
}

/* Content of a file of .fake/, "" when there is none. */
static int read_small(const char *path, char *text, size_t size)
{
	int fd = real_open(path, O_RDONLY, 0);
	ssize_t n = fd < 0 ? -1 : read(fd, text, size - 1);

	if (fd >= 0)
		close(fd);
	text[n > 0 ? n : 0] = '\0';
	text[strcspn(text, "\n")] = '\0';
	return n < 0 ? -1 : 0;
}

/* ---- Trees ------------------------------------------------------------ */

static void copy_file(const char *from, const char *to)
{
	char data[4096];
	struct stat st;
	ssize_t n;
	int in = real_open(from, O_RDONLY, 0);
	int out;

	if (in < 0 || fstat(in, &st))
		abort();
	unlink(to);
	out = real_open(to, O_WRONLY | O_CREAT | O_TRUNC, st.st_mode & 0777);
	if (out < 0)
		abort();
	while ((n = read(in, data, sizeof(data))) > 0)
		if (real_write(out, data, (size_t)n) != n)
			abort();
	close(in);
	close(out);
}

/* Lay the tree @from over @to. */
static void overlay(const char *from, const char *to)
{
	char a[PATH_MAX], b[PATH_MAX];
	struct dirent *entry;
	struct stat st;
	DIR *dir = opendir(from);

	if (!dir)
		return;
	syscall(SYS_mkdir, to, 0755);
	while ((entry = readdir(dir))) {
		if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
			continue;
		if (snprintf(a, sizeof(a), "%s/%s", from, entry->d_name) >= PATH_MAX ||
		    snprintf(b, sizeof(b), "%s/%s", to, entry->d_name) >= PATH_MAX ||
		    lstat(a, &st))
			abort();
		if (S_ISDIR(st.st_mode))
			overlay(a, b);
		else
			copy_file(a, b);
	}
	closedir(dir);
}

static int delete_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)ftw;
	return type == FTW_DP ? (int)syscall(SYS_rmdir, path) : unlink(path);
}

static void delete_tree(const char *path)
{
	nftw(path, delete_entry, 16, FTW_DEPTH | FTW_PHYS);
}

/* ---- What the driver does --------------------------------------------- */

/* PARENT and TYPE of sys/devices/virtual/mhca/PARENT/mdev_supported_types/TYPE/create */
static int driver_create(const char *path, const char *uuid)
{
	char parent[64], type[64], device[PATH_MAX], link[PATH_MAX], target[PATH_MAX];

	if (sscanf(path, "sys/devices/virtual/mhca/%63[^/]/mdev_supported_types/%63[^/]/create",
		   parent, type) != 2)
		return EINVAL;
	make_path(device, "sys/devices/virtual/mhca/%s/%.36s", parent, uuid);
	make_path(link, "sys/bus/mdev/devices/%.36s", uuid);
	if (!access(device, F_OK))
		return EEXIST;
	make_path(target, ".fake/template");
	overlay(target, device);
	snprintf(target, sizeof(target), "../../../devices/virtual/mhca/%s/%.36s", parent,
		 uuid);
	if (symlink(target, link))
		return errno;
	strncat(device, "/mdev_type", sizeof(device) - strlen(device) - 1);
	snprintf(target, sizeof(target), "../mdev_supported_types/%s", type);
	return symlink(target, device) ? errno : 0;
}

static int driver_remove(const char *path)
{
	char hold[PATH_MAX], device[PATH_MAX], link[PATH_MAX];
	char *slash;

	make_path(hold, ".fake/hold");
	for (int ms = 0; !access(hold, F_OK) && ms < 20000; ms += 10)
		usleep(10000);
	make_path(device, "%s", path);
	slash = strrchr(device, '/');
	*slash = '\0';
	make_path(link, "sys/bus/mdev/devices/%s", strrchr(device, '/') + 1);
	unlink(link);
	delete_tree(device);
	return 0;
}

static int driver_revoke(void)
{
	char hold[PATH_MAX];

	make_path(hold, ".fake/hold");
	return unlink(hold) ? errno : 0;
}

static void kernel_says(void)
{
	char path[PATH_MAX], line[1024];
	int fd;

	make_path(path, ".fake/kmsg");
	if (read_small(path, line, sizeof(line) - 1))
		return;
	strcat(line, "\n");
	make_path(path, "dev/kmsg");
	fd = real_open(path, O_WRONLY | O_APPEND, 0);
	if (fd < 0 || real_write(fd, line, strlen(line)) < 0)
		abort();
	close(fd);
}

/* 0: handled; -1: a plain file; otherwise an errno. */
static int driver_write(const char *path, const char *value)
{
	char errno_path[PATH_MAX], text[32];
	const char *name = strrchr(path, '/');

	name = name ? name + 1 : path;
	make_path(errno_path, ".fake/errno/%s", path);
	if (!read_small(errno_path, text, sizeof(text))) {
		kernel_says();
		return atoi(text);
	}
	if (!strcmp(name, "create"))
		return driver_create(path, value);
	if (!strcmp(name, "remove"))
		return driver_remove(path);
	if (!strcmp(name, "revoke"))
		return driver_revoke();
	return -1;
}

/* ---- Interposed functions ---------------------------------------------- */

/* Path of @fd below the root, NULL: elsewhere. */
static const char *path_below_root(int fd, char *buffer)
{
	const char *root = fake_root();
	char link[64];
	ssize_t n;

	if (!root)
		return NULL;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, buffer, PATH_MAX - 1);
	if (n < 0)
		return NULL;
	buffer[n] = '\0';
	n = (ssize_t)strlen(root);
	return !strncmp(buffer, root, (size_t)n) && buffer[n] == '/' ? buffer + n + 1 : NULL;
}

ssize_t write(int fd, const void *data, size_t size)
{
	char buffer[PATH_MAX], value[4096];
	const char *path = path_below_root(fd, buffer);
	int error;

	if (!path || size >= sizeof(value) ||
	    (strncmp(path, "sys/bus/", 8) && strncmp(path, "sys/devices/", 12)))
		return real_write(fd, data, size);
	if (!size)		/* sysfs does not tell the driver */
		return 0;
	memcpy(value, data, size);
	value[size] = '\0';
	error = driver_write(path, value);
	if (error > 0) {
		errno = error;
		return -1;
	}
	if (error < 0 && (ftruncate(fd, 0) || real_write(fd, data, size) < 0))
		return -1;
	return (ssize_t)size;
}

/* sysfs does not truncate: a refused write leaves the old value. */
static int open_below_root(const char *path, int flags, mode_t mode)
{
	const char *root = fake_root();

	if (root && !strncmp(path, root, strlen(root)) && strstr(path, "/sys/"))
		flags &= ~O_TRUNC;
	return real_open(path, flags, mode);
}

int open(const char *path, int flags, ...)
{
	va_list args;
	mode_t mode;

	va_start(args, flags);
	mode = flags & O_CREAT ? va_arg(args, mode_t) : 0;
	va_end(args);
	return open_below_root(path, flags, mode);
}

int open64(const char *path, int flags, ...)
{
	va_list args;
	mode_t mode;

	va_start(args, flags);
	mode = flags & O_CREAT ? va_arg(args, mode_t) : 0;
	va_end(args);
	return open_below_root(path, flags, mode);
}

int mkdir(const char *path, mode_t mode)
{
	char template[PATH_MAX];
	int ret = (int)syscall(SYS_mkdir, path, mode);

	if (!ret && fake_root() && strstr(path, "/tracing/instances/")) {
		make_path(template, ".fake/trace");
		overlay(template, path);
	}
	return ret;
}

int rmdir(const char *path)
{
	char traced[PATH_MAX];

	if (!fake_root() || !strstr(path, "/tracing/instances/"))
		return (int)syscall(SYS_rmdir, path);
	make_path(traced, ".fake/traced");
	overlay(path, traced);
	delete_tree(path);
	return 0;
}

int clock_gettime(clockid_t clock, struct timespec *ts)
{
	char path[PATH_MAX], text[64];
	double seconds;

	if (clock == CLOCK_MONOTONIC && fake_root()) {
		make_path(path, ".fake/clock");
		if (!read_small(path, text, sizeof(text))) {
			seconds = atof(text);
			ts->tv_sec = (time_t)seconds;
			ts->tv_nsec = (long)((seconds - (double)ts->tv_sec) * 1e9);
			return 0;
		}
	}
	return (int)syscall(SYS_clock_gettime, clock, ts);
}

int nanosleep(const struct timespec *request, struct timespec *left)
{
	static int step;
	char from[PATH_MAX];

	if (fake_root()) {
		make_path(from, ".fake/clock");
		if (!access(from, F_OK)) {
			make_path(from, ".fake/steps/%d", ++step);
			overlay(from, fake_root());
			return 0;
		}
	}
	return (int)syscall(SYS_nanosleep, request, left);
}
