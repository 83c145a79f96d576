/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * mhcad: instances for virtual machine monitors that speak vfio-user, without a kernel
 * module. The second front end of the core; what vfio/ is in the kernel.
 *
 *   main.c       options, lanes, start and end
 *   config.c     which instances, from a file or the command line
 *   instances.c  all of them
 *   device.c     an instance with its socket: opening, reset, closing
 *   client.c     a client's messages, one after the other
 *   attr.c  control.c   attributes of an instance, by a control socket
 *   message.c    a message off the socket, and a reply onto it
 *   region.c     configuration space and BAR0; doorbell pages
 *   irq.c        interrupts as eventfds
 *   memory.c     guest memory as the client has passed it
 *   fault.c      guest memory that its owner has cut off (SIGBUS)
 *   work.c       threads of commands and of unpinning
 *
 * An instance has three threads: one serves its socket, one executes commands, one unpins.
 * A client is hostile; all that it can hold up is its own three.
 *
 * Locks, in order:
 *   mhcad_device.client_lock -> core
 *   mhcad_device.lock -> core -> mhcad_memory.lock
 *   mhcad_device.map_lock -> what ops->doorbell() takes
 *   mhcad_work.lock: a leaf
 */
#ifndef MHCAD_SERVER_H
#define MHCAD_SERVER_H

#include <pthread.h>

#include <mhca/kernel.h>
#include <mhca/vmm.h>

#include "config.h"
#include "message.h"

#define MHCAD_MAX_MAPS		2048U	/* ranges of guest memory */
#define MHCAD_ATTR_MAX		16384	/* the longest text of an attribute */

/**
 * struct mhcad_map - a range of guest memory
 * @iova: guest-physical address
 * @size: bytes
 * @va: where it is in this process; NULL: the client has passed no file for it
 * @write: may be written
 * @base: what was mapped: whole pages of the file
 * @length: bytes of it
 * @watch: fault.c's
 */
struct mhcad_map {
	u64 iova;
	u64 size;
	u8 *va;
	bool write;
	void *base;
	size_t length;
	u32 watch;
};

/**
 * struct mhcad_memory - guest memory of a client
 * @lock: held for writing while @map changes, for reading while one is used
 * @map: by address; MHCAD_MAX_MAPS
 * @n: entries
 */
struct mhcad_memory {
	pthread_rwlock_t lock;
	struct mhcad_map *map;
	u32 n;
};

/**
 * struct mhcad_irqs - interrupts
 * @msix: eventfd by vector, -1: none. Written by the device's thread, read under RCU
 * @pending: vectors raised while they had none
 */
struct mhcad_irqs {
	int msix[MHCA_MSIX_VECTORS];
	DECLARE_BITMAP(pending, MHCA_MSIX_VECTORS);
};

/**
 * struct mhcad_work - the threads beside the one of the socket
 * @lock: protects all of it but @running's readers
 * @wake: of the thread of commands
 * @idle: no command is executed any more
 * @wanted: of the thread that unpins
 * @running: commands may be executed; also read without the lock
 * @busy: one is
 * @kicked: mhca_prm_work() is wanted
 * @zaps: UAR indices whose zap is to be confirmed (policy: doorbells trap); atomic bits
 * @zapped: there are some
 * @unpin: mhca_instance_unpin() is wanted
 * @stop: the threads are to end
 * @command: thread of commands and tick
 * @unpinner: thread that unpins
 */
struct mhcad_work {
	pthread_mutex_t lock;
	pthread_cond_t wake;
	pthread_cond_t idle;
	pthread_cond_t wanted;
	bool running;
	bool busy;
	bool kicked;
	DECLARE_BITMAP(zaps, MHCA_UAR_END);
	bool zapped;
	bool unpin;
	bool stop;
	pthread_t command;
	pthread_t unpinner;
};

/**
 * struct mhcad_device - an instance and its socket
 * @inst: the core's part
 * @conf: what it is
 * @messages: how many lines of the log its client may still cause
 * @lock: reset and writes to @config
 * @config: PCI configuration space; @lock
 * @master: what mhca_instance_set_master() was told last; @lock
 * @trap: policy: every doorbell is a message, nothing is mapped
 * @bar_fd: memory behind BAR0: doorbell pages, of which the client gets this file
 * @bar: the same, mapped
 * @map_lock: trapped doorbells against the confirmation of zaps
 * @irqs: interrupts
 * @memory: guest memory
 * @work: threads
 * @listen_fd: socket
 * @wake_fd: eventfd: @dead or @stop was set
 * @dead: the client has done what cannot be served (SIGBUS); set in a signal handler
 * @stop: the server ends
 * @client_lock: protects @client_fd; while it is held nobody comes or goes, so that
 *               policy may change
 * @client_fd: who is being served, -1: nobody
 * @thread: of the socket
 * @versed: the client has said its version
 * @msg: message being served; the device's thread
 * @reply: its reply
 */
struct mhcad_device {
	struct mhca_instance *inst;
	const struct mhcad_instance_config *conf;
	struct ratelimit_state messages;
	struct mutex lock;
	struct mhca_pci_config config;
	bool master;
	bool trap;
	int bar_fd;
	u8 *bar;
	struct mutex map_lock;
	struct mhcad_irqs irqs;
	struct mhcad_memory memory;
	struct mhcad_work work;
	int listen_fd;
	int wake_fd;
	bool dead;
	bool stop;
	pthread_mutex_t client_lock;
	int client_fd;
	pthread_t thread;
	bool versed;
	struct mhcad_message msg;
	struct mhcad_reply reply;
};

/**
 * struct mhcad_instances - all that there are
 * @hca: HCA
 * @devices: allocated
 * @n: how many
 */
struct mhcad_instances {
	struct mhca_hca *hca;
	struct mhcad_device **devices;
	u32 n;
};

/* instances.c */
void mhcad_instances_init(struct mhcad_instances *all, struct mhca_hca *hca);
void mhcad_instances_fini(struct mhcad_instances *all);
int mhcad_instances_add(struct mhcad_instances *all, const struct mhcad_instance_config *conf);
void mhcad_instances_remove(struct mhcad_instances *all, struct mhcad_device *dev);
struct mhcad_device *mhcad_instances_find(const struct mhcad_instances *all, const char *uuid);

/* device.c */
struct mhcad_device *mhcad_device_create(struct mhca_hca *hca,
					 const struct mhcad_instance_config *conf);
int mhcad_device_start(struct mhcad_device *dev);
void mhcad_device_destroy(struct mhcad_device *dev);
void mhcad_device_open(struct mhcad_device *dev);
void mhcad_device_close(struct mhcad_device *dev);
void mhcad_device_reset(struct mhcad_device *dev);		/* dev->lock */
void mhcad_device_serve(struct mhcad_device *dev, int fd);
bool mhcad_device_has_client(struct mhcad_device *dev);

int mhcad_listen(const char *path, int type);

/* attr.c */
int mhcad_attr_read(struct mhcad_device *dev, const char *name, char *buf, int size);
int mhcad_attr_write(struct mhcad_device *dev, const char *name, const char *text,
		     struct mhcad_device *const *others, u32 n, char *reason);
const char *mhcad_attr_own(const struct mhca_policy *a, const struct mhca_policy *b);

/* control.c */
struct mhcad_control;
struct mhcad_control *mhcad_control_start(const char *path, struct mhcad_instances *all);
void mhcad_control_stop(struct mhcad_control *control);

/* client.c */
int mhcad_client_message(struct mhcad_device *dev);

/* region.c */
int mhcad_region_init(struct mhcad_device *dev);
void mhcad_region_fini(struct mhcad_device *dev);
u64 mhcad_region_size(u32 index);
int mhcad_region_access(struct mhcad_device *dev, u32 region, u64 offset, u8 *data, u32 count,
			bool write);
void mhcad_config_reset(struct mhcad_device *dev);		/* dev->lock */
void *mhcad_region_doorbell(void *vmm, u32 index);
void mhcad_region_zap(void *vmm, u32 index);
void mhcad_region_zap_async(void *vmm, u32 index);
void mhcad_region_zap_run(struct mhcad_device *dev);

/* irq.c */
int mhcad_irq_check(void);
void mhcad_irq_init(struct mhcad_device *dev);
u32 mhcad_irq_count(u32 index);
void mhcad_irq_raise(void *vmm, u32 vector);
void mhcad_irq_set(struct mhcad_device *dev, u32 vector, int fd);
void mhcad_irq_trigger(struct mhcad_device *dev, u32 vector);
void mhcad_irq_forget(struct mhcad_device *dev);
void mhcad_irq_disable(struct mhcad_device *dev);

/* memory.c */
int mhcad_memory_init(struct mhcad_device *dev);
void mhcad_memory_fini(struct mhcad_device *dev);
int mhcad_memory_map(struct mhcad_device *dev, const struct vfio_user_dma_map *map, int fd);
int mhcad_memory_unmap(struct mhcad_device *dev, u64 iova, u64 size, u64 *unmapped);
void mhcad_memory_clear(struct mhcad_device *dev);
int mhcad_memory_pin(void *vmm, u64 iova, u64 npages, bool write, void **kva);
void mhcad_memory_unpin(void *vmm, u64 iova, u64 npages);
int mhcad_memory_read(void *vmm, u64 iova, void *buf, size_t len);
int mhcad_memory_write(void *vmm, u64 iova, const void *buf, size_t len);

/* fault.c */
void mhcad_fault_init(void);
int mhcad_fault_watch(struct mhcad_device *dev, void *base, size_t length, u32 *watch);
void mhcad_fault_forget(u32 watch);

/* work.c */
int mhcad_work_init(struct mhcad_device *dev);
void mhcad_work_fini(struct mhcad_device *dev);
void mhcad_work_start(struct mhcad_device *dev);		/* dev->lock */
void mhcad_work_stop(struct mhcad_device *dev);			/* dev->lock */
void mhcad_work_kick(void *vmm);
void mhcad_work_unpin(void *vmm);
void mhcad_work_zap(struct mhcad_device *dev, u32 index);
int mhcad_work_at_return(void *vmm, struct mhca_return *ret);
void mhcad_work_return(void);

#define mhcad_log(dev, fmt, ...)						\
	do {									\
		if (__ratelimit(&(dev)->messages))				\
			pr_notice("mhcad: %s: " fmt, (dev)->conf->uuid, ##__VA_ARGS__); \
	} while (0)

#endif /* MHCAD_SERVER_H */
