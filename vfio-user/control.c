// SPDX-License-Identifier: GPL-2.0-only
/*
 * The control socket: what an administrator asks and changes while it runs. Packets of
 * text (SOCK_SEQPACKET), a request each, and an answer each:
 *
 *   list                     the instances' UUIDs, a line each
 *   read UUID NAME           an attribute (attr.c)
 *   write UUID NAME VALUE    policy
 *   create WORDS             one more, as of the option -i
 *   remove UUID              one less; refused while it has a client
 *   remove UUID force        and the client is cut off
 *
 * An answer is "ok" and a line's end, then the text; or "error", the errno's number, why.
 * Who may connect is said by the socket's mode: whoever it is may change everything.
 */
#define _GNU_SOURCE
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "server.h"

#define MHCAD_REQUEST_MAX	(MHCA_CONFIG_MAX + 128)
#define MHCAD_CONTROLLERS	16

/**
 * struct mhcad_control - the control socket
 * @path: of the socket
 * @all: instances
 * @wake_fd: eventfd: the server ends
 * @fds: wake_fd, the listening socket, then who is connected; fd -1: nobody
 * @thread: serves all of them
 */
struct mhcad_control {
	const char *path;
	struct mhcad_instances *all;
	int wake_fd;
	struct pollfd fds[2 + MHCAD_CONTROLLERS];
	pthread_t thread;
};

enum { MHCAD_CONTROL_WAKE, MHCAD_CONTROL_LISTEN, MHCAD_CONTROL_FIRST };

/* ---- Requests ------------------------------------------------------------------- */

static int mhcad_control_list(const struct mhcad_instances *all, char *buf, int size)
{
	int at = 0;
	u32 i;

	for (i = 0; i < all->n; i++)
		at += scnprintf(buf + at, size - at, "%s\n", all->devices[i]->conf->uuid);
	return at;
}

static int mhcad_control_usage(char *buf, int size)
{
	scnprintf(buf, size, "list, read UUID NAME, write UUID NAME VALUE, create WORDS, "
		  "remove UUID [force]");
	return -EINVAL;
}

static int mhcad_control_create(struct mhcad_instances *all, const char *words, char *buf,
				int size)
{
	struct mhcad_instance_config conf;
	int ret = mhcad_config_words(&conf, words);

	if (!ret)
		ret = mhcad_instances_add(all, &conf);
	if (ret)
		scnprintf(buf, size, "it cannot be: mhcad's log says why");
	return ret;
}

static int mhcad_control_remove(struct mhcad_instances *all, struct mhcad_device *dev,
				const char *how, char *buf, int size)
{
	if (how && strcmp(how, "force"))
		return mhcad_control_usage(buf, size);
	/* Somebody may come this moment: he is cut off, as he would be by force. */
	if (!how && mhcad_device_has_client(dev)) {
		scnprintf(buf, size, "it has a client");
		return -EBUSY;
	}
	mhcad_instances_remove(all, dev);
	return 0;
}

/* Requests about one instance. */
static int mhcad_control_instance(struct mhcad_instances *all, const char *verb,
				  struct mhcad_device *dev, char *rest, char *buf, int size)
{
	char *name;
	int ret;

	if (!strcmp(verb, "remove"))
		return mhcad_control_remove(all, dev, rest, buf, size);
	name = strsep(&rest, " ");
	if (name && !strcmp(verb, "read") && !rest)
		ret = mhcad_attr_read(dev, name, buf, size);
	else if (name && !strcmp(verb, "write") && rest)
		ret = mhcad_attr_write(dev, name, rest, all->devices, all->n, buf);
	else
		return mhcad_control_usage(buf, size);
	if (ret == -ENOENT)
		scnprintf(buf, size, "there is no attribute %s", name);
	return ret;
}

/* The answer's text into @buf: its length, or a negative errno with a reason in @buf. */
static int mhcad_control_do(struct mhcad_instances *all, char *request, char *buf, int size)
{
	char *verb = strsep(&request, " "), *uuid;
	struct mhcad_device *dev;

	if (!strcmp(verb, "list") && !request)
		return mhcad_control_list(all, buf, size);
	if (!request)
		return mhcad_control_usage(buf, size);
	if (!strcmp(verb, "create"))
		return mhcad_control_create(all, request, buf, size);
	uuid = strsep(&request, " ");
	dev = mhcad_instances_find(all, uuid);
	if (!dev) {
		scnprintf(buf, size, "there is no such instance");
		return -ENODEV;
	}
	return mhcad_control_instance(all, verb, dev, request, buf, size);
}

/* One request. false: he is gone. */
static bool mhcad_control_serve(const struct mhcad_control *control, int fd)
{
	char request[MHCAD_REQUEST_MAX], text[MHCAD_ATTR_MAX], answer[MHCAD_ATTR_MAX + 64];
	ssize_t got = recv(fd, request, sizeof(request) - 1, MSG_DONTWAIT | MSG_TRUNC);
	int ret, len;

	if (got <= 0)
		return got < 0 && (errno == EAGAIN || errno == EINTR);
	text[0] = 0;
	if ((size_t)got >= sizeof(request)) {
		ret = -EMSGSIZE;
	} else {
		request[got] = 0;
		/* A 0 inside would end the text early. */
		ret = strlen(request) == (size_t)got ?
		      mhcad_control_do(control->all, request, text, sizeof(text)) : -EINVAL;
	}
	if (ret < 0)
		len = scnprintf(answer, sizeof(answer), "error %d %s\n", -ret,
				*text ? text : strerror(-ret));
	else
		len = scnprintf(answer, sizeof(answer), "ok\n%.*s", ret, text);
	/* Who asks and does not read gets no answer. */
	return send(fd, answer, (size_t)len, MSG_DONTWAIT | MSG_NOSIGNAL) == len;
}

/* ---- The socket ------------------------------------------------------------------- */

static void mhcad_control_accept(struct mhcad_control *control)
{
	int fd = accept4(control->fds[MHCAD_CONTROL_LISTEN].fd, NULL, NULL, SOCK_CLOEXEC);
	u32 i;

	if (fd < 0)
		return;
	for (i = MHCAD_CONTROL_FIRST; i < ARRAY_SIZE(control->fds); i++) {
		if (control->fds[i].fd >= 0)
			continue;
		control->fds[i].fd = fd;
		return;
	}
	close(fd);
}

static void *mhcad_control_loop(void *arg)
{
	struct mhcad_control *control = arg;
	struct pollfd *fds = control->fds;
	u32 i;

	for (;;) {
		if (poll(fds, ARRAY_SIZE(control->fds), -1) < 0)
			continue;
		if (fds[MHCAD_CONTROL_WAKE].revents)
			return NULL;
		for (i = MHCAD_CONTROL_FIRST; i < ARRAY_SIZE(control->fds); i++) {
			if (fds[i].fd < 0 || !fds[i].revents ||
			    mhcad_control_serve(control, fds[i].fd))
				continue;
			close(fds[i].fd);
			fds[i].fd = -1;
		}
		if (fds[MHCAD_CONTROL_LISTEN].revents)
			mhcad_control_accept(control);
	}
}

static void mhcad_control_close(struct mhcad_control *control)
{
	u32 i;

	for (i = 0; i < ARRAY_SIZE(control->fds); i++)
		if (control->fds[i].fd >= 0)
			close(control->fds[i].fd);
	free(control);
}

/**
 * mhcad_control_start() - listen
 * @path: of the socket, for as long as it is there
 * @all: instances, likewise
 *
 * Return: it, or an ERR_PTR().
 */
struct mhcad_control *mhcad_control_start(const char *path, struct mhcad_instances *all)
{
	struct mhcad_control *control = calloc(1, sizeof(*control));
	int ret;
	u32 i;

	if (!control)
		return ERR_PTR(-ENOMEM);
	control->path = path;
	control->all = all;
	for (i = 0; i < ARRAY_SIZE(control->fds); i++)
		control->fds[i] = (struct pollfd){ .fd = -1, .events = POLLIN };
	control->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	control->fds[MHCAD_CONTROL_WAKE].fd = control->wake_fd;
	ret = mhcad_listen(path, SOCK_SEQPACKET);
	if (ret >= 0) {
		control->fds[MHCAD_CONTROL_LISTEN].fd = ret;
		ret = chmod(path, 0600) ? -errno : 0;
	}
	if (!ret)
		ret = -pthread_create(&control->thread, NULL, mhcad_control_loop, control);
	if (!ret)
		return control;
	mhcad_control_close(control);
	return ERR_PTR(ret);
}

/**
 * mhcad_control_stop() - the opposite
 * @control: control socket
 */
void mhcad_control_stop(struct mhcad_control *control)
{
	u64 one = 1;

	if (write(control->wake_fd, &one, sizeof(one)) < 0)
		one = 0;	/* It is awake. */
	pthread_join(control->thread, NULL);
	unlink(control->path);
	mhcad_control_close(control);
}
