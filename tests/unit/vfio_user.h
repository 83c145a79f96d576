/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A client of vfio-user, as a monitor is one, and instances of mhcad in this process for it:
 * what goes between them goes through a socket. Messages can also be made by hand.
 */
#ifndef VFIO_USER_H
#define VFIO_USER_H

#include "hca.h"
#include "client.h"
#include "server.h"

#define VU_IOVA		0x100000000ULL	/* guest memory begins here */

/**
 * struct vu_map - memory that the server was given
 * @va: of the client
 * @len: bytes
 */
struct vu_map {
	u8 *va;
	size_t len;
};

/**
 * struct vu - a client
 * @fd: socket
 * @id: of the next message
 * @calls: messages sent
 * @mem_fd: guest memory
 * @mem: the same, mapped
 * @pages: of it
 * @used: page is allocated
 * @next: where to look for free ones
 * @maps: what the server has, one for each allocation
 * @n_maps: how many
 * @bar: doorbell pages, mapped; NULL: doorbells are messages
 * @irq: eventfd by vector
 * @gone: called when libmhca has closed it; NULL: nothing
 * @lock: one message at a time, and all of the above
 */
struct vu {
	int fd;
	u16 id;
	u64 calls;
	int mem_fd;
	u8 *mem;
	u64 pages;
	bool *used;
	u64 next;
	struct vu_map maps[MHCAD_MAX_MAPS];
	u32 n_maps;
	u8 *bar;
	int irq[MHCA_MSIX_VECTORS];
	void (*gone)(struct vu *vu);
	pthread_mutex_t lock;
};

/* A message and its reply: bytes of the reply's body, or a negative errno. */
int vu_call(struct vu *vu, u16 command, const void *body, u32 len, const int *fds, u32 n_fds,
	    void *reply, u32 size, int *reply_fd);
int vu_read(struct vu *vu, u32 region, u64 offset, void *buf, u32 len);
int vu_write(struct vu *vu, u32 region, u64 offset, const void *buf, u32 len);
int vu_version(struct vu *vu);

/* On a connected socket, which it owns; as far as a driver has bound. Aborts on errors. */
void vu_open(struct vu *vu, int fd, size_t memory);
/* Only the socket: nothing is said yet. */
void vu_attach(struct vu *vu, int fd);
void vu_close(struct vu *vu);
extern const struct client_ops vu_client_ops;	/* its data is a struct vu */

/**
 * struct vu_server - mhcad's instances in this process
 * @hca: HCA
 */
struct vu_server {
	struct soft_hca hca;
};

/**
 * struct vu_instance - one of them
 * @conf: what it is
 * @dev: the device
 * @thread: serves the client that there is
 * @fd: its end of the socket
 */
struct vu_instance {
	struct mhcad_instance_config conf;
	struct mhcad_device *dev;
	pthread_t thread;
	int fd;
};

void vu_server_start(struct vu_server *server, u32 lanes);
void vu_server_stop(struct vu_server *server);
/* @number: part of its UUID; @policy: JSON or "" */
void vu_instance_create(struct vu_server *server, struct vu_instance *inst, const char *type,
			u32 number, const char *policy);
void vu_instance_destroy(struct vu_instance *inst);
/* A client comes: its socket. vu_disconnect(): it has gone, and all of it. */
int vu_connect(struct vu_instance *inst);
void vu_disconnect(struct vu_instance *inst);

#endif /* VFIO_USER_H */
