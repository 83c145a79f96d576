// SPDX-License-Identifier: GPL-2.0-only
/*
 * A message off the socket: header first, checked before anything is read by what it says;
 * file descriptors wherever in the message they come. And a reply onto it.
 */
#define _GNU_SOURCE
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "message.h"

union mhcad_ancillary {
	struct cmsghdr align;
	char bytes[CMSG_SPACE(sizeof(int) * MHCAD_MAX_FDS)];
};

/* Takes over what came; -EPROTO: more than a message may have. */
static int mhcad_take_fds(struct mhcad_message *msg, struct msghdr *mh)
{
	int ret = mh->msg_flags & MSG_CTRUNC ? -EPROTO : 0;
	struct cmsghdr *c;
	size_t n, i;
	int fd;

	for (c = CMSG_FIRSTHDR(mh); c; c = CMSG_NXTHDR(mh, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (i = 0; i < n; i++) {
			memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(fd));
			if (msg->n_fds < MHCAD_MAX_FDS) {
				msg->fds[msg->n_fds++] = fd;
				continue;
			}
			close(fd);
			ret = -EPROTO;
		}
	}
	return ret;
}

/* Exactly @len bytes. -ECONNRESET: the client is gone; another error: it may be, now. */
static int mhcad_receive(int fd, struct mhcad_message *msg, void *buf, size_t len)
{
	union mhcad_ancillary control;
	ssize_t got;
	size_t done;
	int ret;

	for (done = 0; done < len; done += (size_t)got) {
		struct iovec iov = { (u8 *)buf + done, len - done };
		struct msghdr mh = {
			.msg_iov = &iov, .msg_iovlen = 1,
			.msg_control = &control, .msg_controllen = sizeof(control),
		};

		got = recvmsg(fd, &mh, MSG_CMSG_CLOEXEC);
		if (got < 0 && errno == EINTR) {
			got = 0;
			continue;
		}
		if (got <= 0)
			return got && errno != ECONNRESET ? -errno : -ECONNRESET;
		ret = mhcad_take_fds(msg, &mh);
		if (ret)
			return ret;
	}
	return 0;
}

/**
 * mhcad_message_receive() - wait for a message
 * @fd: socket
 * @msg: filled; its file descriptors are the caller's, on errors, too
 *
 * Return: 0; -ECONNRESET: the client is gone; -EPROTO: it sends what is no message.
 */
int mhcad_message_receive(int fd, struct mhcad_message *msg)
{
	int ret;

	msg->n_fds = 0;
	msg->length = 0;
	ret = mhcad_receive(fd, msg, &msg->header, sizeof(msg->header));
	if (ret)
		return ret;
	if (msg->header.size < sizeof(msg->header) ||
	    msg->header.size - sizeof(msg->header) > sizeof(msg->body) ||
	    (msg->header.flags & VFIO_USER_TYPE_MASK) != VFIO_USER_REQUEST)
		return -EPROTO;
	msg->length = msg->header.size - sizeof(msg->header);
	return mhcad_receive(fd, msg, msg->body, msg->length);
}

/**
 * mhcad_message_close() - close what nobody has taken over
 * @msg: message
 */
void mhcad_message_close(struct mhcad_message *msg)
{
	u32 i;

	for (i = 0; i < msg->n_fds; i++)
		if (msg->fds[i] >= 0)
			close(msg->fds[i]);
	msg->n_fds = 0;
}

static int mhcad_send(int fd, struct msghdr *mh)
{
	ssize_t sent;

	while (mh->msg_iovlen) {
		sent = sendmsg(fd, mh, MSG_NOSIGNAL);
		if (sent < 0 && errno == EINTR)
			continue;
		if (sent < 0)
			return -errno;
		/* File descriptors went with the first byte. */
		mh->msg_control = NULL;
		mh->msg_controllen = 0;
		while (mh->msg_iovlen && (size_t)sent >= mh->msg_iov->iov_len) {
			sent -= (ssize_t)mh->msg_iov->iov_len;
			mh->msg_iov++;
			mh->msg_iovlen--;
		}
		if (mh->msg_iovlen) {
			mh->msg_iov->iov_base = (u8 *)mh->msg_iov->iov_base + sent;
			mh->msg_iov->iov_len -= (size_t)sent;
		}
	}
	return 0;
}

/**
 * mhcad_message_reply() - answer a message
 * @fd: socket
 * @msg: message
 * @error: 0, or a negative errno: then nothing of @reply goes
 * @reply: answer
 *
 * Waits while the client does not read. Return: 0 or a negative errno.
 */
int mhcad_message_reply(int fd, const struct mhcad_message *msg, int error,
			const struct mhcad_reply *reply)
{
	struct vfio_user_header header = {
		.id = msg->header.id,
		.command = msg->header.command,
		.size = sizeof(header) + (error ? 0 : reply->length),
		.flags = VFIO_USER_REPLY | (error ? VFIO_USER_ERROR : 0),
		.error = (u32)-error,
	};
	struct iovec iov[] = {
		{ &header, sizeof(header) },
		{ (void *)reply->body, reply->length },
	};
	struct msghdr mh = { .msg_iov = iov, .msg_iovlen = error || !reply->length ? 1 : 2 };
	union mhcad_ancillary control;
	struct cmsghdr *c;

	if (!error && reply->fd >= 0) {
		mh.msg_control = &control;
		mh.msg_controllen = CMSG_SPACE(sizeof(int));
		c = CMSG_FIRSTHDR(&mh);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(c), &reply->fd, sizeof(int));
	}
	return mhcad_send(fd, &mh);
}
