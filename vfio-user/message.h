/* SPDX-License-Identifier: GPL-2.0-only */
/* Messages and replies (message.c). */
#ifndef MHCAD_MESSAGE_H
#define MHCAD_MESSAGE_H

#include <mhca/kernel.h>

#include "protocol.h"

/* What a client may send at once; it is told so with the version. */
#define MHCAD_MAX_XFER		65536U
#define MHCAD_MAX_FDS		16U
#define MHCAD_MAX_BODY		(sizeof(struct vfio_user_access) + MHCAD_MAX_XFER)

/**
 * struct mhcad_message - one message of the client
 * @header: copied, checked
 * @body: what follows it
 * @length: bytes of it
 * @fds: passed with it; those that are taken over become -1
 * @n_fds: how many
 */
struct mhcad_message {
	struct vfio_user_header header;
	u8 body[MHCAD_MAX_BODY];
	u32 length;
	int fds[MHCAD_MAX_FDS];
	u32 n_fds;
};

/**
 * struct mhcad_reply - the answer
 * @body: what follows the header
 * @length: bytes of it
 * @fd: to pass, or -1; stays the server's
 */
struct mhcad_reply {
	u8 body[MHCAD_MAX_BODY];
	u32 length;
	int fd;
};

int mhcad_message_receive(int fd, struct mhcad_message *msg);
int mhcad_message_reply(int fd, const struct mhcad_message *msg, int error,
			const struct mhcad_reply *reply);
void mhcad_message_close(struct mhcad_message *msg);

#endif /* MHCAD_MESSAGE_H */
