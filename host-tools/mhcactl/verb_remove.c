// SPDX-License-Identifier: GPL-2.0-only
/*
 * mhcactl remove: end an instance, also one that is in use.
 *
 * The kernel's removal of a VFIO device asks its user to let go (QEMU then
 * unplugs it from the guest) and waits until he does. It cannot be called off,
 * and while it waits the instance has no attributes any more. So that nobody
 * runs into this by accident, an instance in use is removed only with --wait
 * or --force, and the write that waits is made by a process of its own.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "host.h"
#include "kmsg.h"
#include "output.h"

#define WAIT_DEFAULT	10.0
#define WAIT_MAX	86400.0

static const struct reason remove_reasons[] = {
	{ ENOENT, CTL_NOT_FOUND, "the instance has disappeared" },
	{ EBUSY, CTL_BUSY, "in use" },
	{ EAGAIN, CTL_BUSY, "its HCA is being removed" },
	{ 0, CTL_OK, NULL }
};

/**
 * struct request - how to remove
 * @all: every instance
 * @wait: asked for with --wait
 * @force: make the guest's device dead when the wait is over
 * @seconds: how long to wait
 */
struct request {
	bool all;
	bool wait;
	bool force;
	double seconds;
};

/**
 * struct removal - a removal under way
 * @pid: the process that writes
 * @fd: pipe on which it reports an errno, 0: done
 */
struct removal {
	pid_t pid;
	int fd;
};

/* ---- The process that writes ------------------------------------------- */

static void removal_child(const struct ctl *ctl, const char *uuid, int fd)
{
	int null = open("/dev/null", O_RDWR);
	int error;

	/* It may outlive us: keep no terminal and no caller's pipe busy. */
	setsid();
	for (int i = 0; null >= 0 && i <= STDERR_FILENO; i++)
		dup2(null, i);
	error = -sys_write(ctl, "1", MDEV_DEVICES "/%s/remove", uuid);
	if (write(fd, &error, sizeof(error)) != sizeof(error))
		_exit(CTL_FAILED);
	_exit(CTL_OK);
}

static int removal_start(const struct ctl *ctl, const char *uuid, struct removal *removal)
{
	int fds[2];

	if (pipe2(fds, O_CLOEXEC)) {
		ctl_error("cannot make a pipe: %s", strerror(errno));
		return CTL_FAILED;
	}
	fflush(NULL);
	removal->pid = fork();
	if (removal->pid < 0) {
		ctl_error("cannot start a process: %s", strerror(errno));
		close(fds[0]);
		close(fds[1]);
		return CTL_FAILED;
	}
	if (!removal->pid) {
		close(fds[0]);
		removal_child(ctl, uuid, fds[1]);
	}
	close(fds[1]);
	removal->fd = fds[0];
	return CTL_OK;
}

/* true: it ended, *@error is its errno or 0. */
static bool removal_wait(const struct removal *removal, double seconds, int *error)
{
	struct pollfd poll_fd = { .fd = removal->fd, .events = POLLIN };
	struct timespec start, now;
	double left = seconds;

	clock_gettime(CLOCK_MONOTONIC_RAW, &start);
	while (poll(&poll_fd, 1, (int)(left * 1000)) < 0 && errno == EINTR) {
		clock_gettime(CLOCK_MONOTONIC_RAW, &now);
		left = seconds - (double)(now.tv_sec - start.tv_sec);
		left = left < 0 ? 0 : left;
	}
	if (!poll_fd.revents)
		return false;
	if (read(removal->fd, error, sizeof(*error)) != sizeof(*error))
		*error = EIO;
	return true;
}

/* Collect the process when it has ended; it goes on by itself when it has not. */
static void removal_end(const struct removal *removal, bool ended)
{
	close(removal->fd);
	waitpid(removal->pid, NULL, ended ? 0 : WNOHANG);
}

/* ---- Policy ------------------------------------------------------------ */

static void print_users(const struct ctl *ctl, const struct instance *instance)
{
	struct user *users;
	size_t count;

	users = instance_users(ctl, instance, &count);
	for (size_t i = 0; i < count; i++)
		ctl_note("%s is held by %s (pid %d)", instance->uuid,
			 users[i].command ? users[i].command : "?", users[i].pid);
	users_free(users, count);
}

static int may_remove(const struct ctl *ctl, const struct instance *instance,
		      const struct request *request)
{
	if (request->force && !sys_exists(ctl, MDEV_BUS "/%s/revoke", instance->parent)) {
		ctl_error("this driver does not offer forced removal");
		return CTL_REFUSED;
	}
	if (!instance->open || request->wait || request->force)
		return CTL_OK;
	ctl_error("%s is in use; --wait=SECONDS asks its guest to let go, "
		  "--force makes the guest's device dead", instance->uuid);
	print_users(ctl, instance);
	return CTL_BUSY;
}

/* The guest did not let go in time: its device dies. */
static int revoke_device(const struct ctl *ctl, const struct instance *instance)
{
	int error = sys_write(ctl, instance->uuid, MDEV_BUS "/%s/revoke", instance->parent);

	/* It let go this very moment. */
	if (!error || error == -ENOENT || error == -ENODEV)
		return CTL_OK;
	return ctl_explain(NULL, -error, "cannot revoke %s", instance->uuid);
}

static int remove_one(const struct ctl *ctl, const struct instance *instance,
		      const struct request *request)
{
	struct removal removal;
	struct kmsg kmsg;
	int error = 0, ret;
	bool ended;

	ret = may_remove(ctl, instance, request);
	if (ret)
		return ret;
	kmsg_open(ctl, &kmsg);
	ret = removal_start(ctl, instance->uuid, &removal);
	if (ret)
		goto out;
	ended = removal_wait(&removal, request->seconds, &error);
	if (!ended && request->force) {
		ret = revoke_device(ctl, instance);
		ended = removal_wait(&removal, WAIT_DEFAULT, &error);
	}
	removal_end(&removal, ended);
	if (!ended) {
		ctl_error("%s: the removal has begun and ends when its user closes the device",
			  instance->uuid);
		print_users(ctl, instance);
		ret = ret ? ret : CTL_TIMEOUT;
	} else if (error) {
		ret = ctl_explain(remove_reasons, error, "cannot remove %s", instance->uuid);
		kmsg_print(&kmsg);
	}
out:
	kmsg_close(&kmsg);
	return ret;
}

/* ---- The verb ---------------------------------------------------------- */

/* The first error is the exit code; the others are tried all the same. */
static int remove_all(const struct ctl *ctl, const struct instance *const *instances,
		      size_t count, const struct request *request)
{
	json_object *removed = json_object_new_array();
	int first = CTL_OK;

	for (size_t i = 0; i < count; i++) {
		int ret = remove_one(ctl, instances[i], request);

		if (!ret)
			json_object_array_add(removed,
					      json_object_new_string(instances[i]->uuid));
		else if (!first)
			first = ret;
	}
	if (ctl->json)
		output_json(ctl, output_document("removed", removed), false);
	else
		json_object_put(removed);
	return first;
}

/* Every name must be right before the first instance goes. */
static int select_and_remove(const struct ctl *ctl, const struct host *host, char **uuids,
			     size_t count, const struct request *request)
{
	const struct instance **instances;
	int ret = CTL_OK;

	if (request->all)
		count = host->n_instances;
	instances = ctl_alloc(count, sizeof(*instances));
	for (size_t i = 0; i < count && ret == CTL_OK; i++)
		instances[i] = request->all ? &host->instances[i] :
			       host_find(host, uuids[i], &ret);
	if (!ret)
		ret = remove_all(ctl, instances, count, request);
	free(instances);
	return ret;
}

static int run(struct ctl *ctl, int argc, char **argv)
{
	static const struct option longs[] = {
		{ "all", no_argument, NULL, 'a' },
		{ "wait", optional_argument, NULL, 'w' },
		{ "force", no_argument, NULL, 'f' },
		CTL_LONG
	};
	struct request request = { .seconds = WAIT_DEFAULT };
	struct host host = { 0 };
	int opt, ret;

	while ((opt = ctl_getopt(ctl, argc, argv, "aw::f" CTL_SHORT, longs)) != -1) {
		switch (opt) {
		case 'a':
			request.all = true;
			break;
		case 'w':
			request.wait = true;
			if (optarg && ctl_number("--wait", optarg, 0, WAIT_MAX, &request.seconds))
				return CTL_USAGE;
			break;
		case 'f':
			request.force = true;
			break;
		default:
			return ctl_usage(ctl, opt);
		}
	}
	ret = ctl_arguments(ctl, argc - optind, !request.all, request.all ? 0 : INT_MAX);
	if (ret)
		return ret;
	ret = host_load(ctl, &host, 0);
	if (!ret)
		ret = select_and_remove(ctl, &host, argv + optind, (size_t)(argc - optind),
					&request);
	host_free(&host);
	return ret;
}

const struct verb verb_remove = {
	.name = "remove",
	.args = "[OPTION]... UUID...",
	.summary = "Remove instances",
	.options =
	"  -w, --wait[=SECONDS]   also one in use: ask its guest, wait (10 s)\n"
	"  -f, --force            after the wait the guest's device is made dead\n"
	"  -a, --all              every instance of this host\n",
	.run = run,
};
