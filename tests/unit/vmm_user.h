/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A front end in user space: guest memory, interrupts and doorbell pages for an
 * instance of the core, and a client backend on top of it.
 *
 * Guest memory is seen twice. The guest (client) uses one mapping; what the core
 * gets from pin is another, whose pages are poisoned for ASan while they are not
 * pinned: any access of the core outside a pin is reported. Guest-physical pages
 * are scrambled: neighbours in the guest's view are not neighbours in IOVA.
 */
#ifndef VMM_USER_H
#define VMM_USER_H

#include <semaphore.h>
#include <mhca/kernel.h>
#include <mhca/vmm.h>
#include "hca.h"
#include "client.h"

#define VMM_USER_IOVA		0x100000000ULL	/* guest memory begins here */
#define VMM_USER_VECTORS	MHCA_MSIX_VECTORS

/**
 * struct vmm_user_params - how a front end is made
 * @memory: bytes of guest memory; 0: 64 MiB
 * @linear: do not scramble guest-physical addresses
 * @threaded: commands are executed by a thread, as a work queue does
 * @roce: personality; the MAC is 02:00 and the GUID's last four bytes
 */
struct vmm_user_params {
	size_t memory;
	bool linear;
	bool threaded;
	bool roce;
};

/**
 * struct vmm_user_pin - a range of pages that was pinned in one call
 * @npages: its length
 * @count: how often it is pinned
 * @next: another one with the same first page
 */
struct vmm_user_pin {
	u64 npages;
	u64 count;
	struct vmm_user_pin *next;
};

/**
 * struct vmm_user - the front end of one instance
 * @inst: the instance
 * @hca: the software HCA
 * @fd: guest memory
 * @guest: the guest's view, @host: the core's view
 * @host: see @guest
 * @pages: number of pages
 * @linear: see params
 * @hole: page (by IOVA) does not exist
 * @read_only: page (by IOVA) cannot be pinned for writing
 * @stuck: page (by IOVA) cannot be pinned
 * @pin_us: what a pin takes; the lock is held meanwhile, as type 1 of VFIO does it
 * @pins: pins by page (by IOVA)
 * @ranges: the ranges that were pinned, by their first page
 * @used: page (in the guest's view) is allocated by the client
 * @pinned: sum of @pins
 * @pin_limit: -EDQUOT beyond
 * @pin_calls: calls of pin so far; the one numbered @pin_fail_at fails
 * @pin_fail_at: see @pin_calls
 * @lock: protects all of the above
 * @raised: interrupts raised, by vector; @taken: consumed by the client
 * @taken: see @raised
 * @irq: eventfd by vector, only when @threaded
 * @uar_lock: makes a guest's store atomic against a zap
 * @uar_page: the page behind each mapped UAR, NULL: not mapped
 * @faults: page faults so far, @zaps: zaps so far
 * @zaps: see @faults
 * @zap_asked: by a lane, of each page; done by the worker, or vmm_user_zap_pending()
 * @zaps_held: only the test does them: a monitor that cannot be hurried
 * @work_pending: mhca_prm_work() was asked for
 * @threaded: see params
 * @work: semaphore of the worker
 * @worker: thread
 * @stop: worker's end
 * @unpin: semaphore of the thread that unpins
 * @unpinner: that thread
 * @unmap_calls: the most callbacks that an unmap needed
 * @idle: called while the client waits (runs lanes)
 * @slow: tests: the worker does not come to its work
 * @held_up: tests: nor does who unpins after an unmap
 * @no_return: tests: at_return fails
 * @pinning: tests: called by a pin that is done, before its caller hears of it
 */
struct vmm_user {
	struct mhca_instance *inst;
	struct soft_hca *hca;
	int fd;
	u8 *guest;
	u8 *host;
	u64 pages;
	bool linear;
	unsigned long *hole;
	unsigned long *read_only;
	unsigned long *stuck;
	u32 pin_us;
	u32 *pins;
	struct vmm_user_pin **ranges;
	unsigned long *used;
	u64 next_alloc;
	s64 pinned;
	s64 pin_limit;
	u64 pin_calls;
	u64 pin_fail_at;
	pthread_mutex_t lock;
	u64 raised[VMM_USER_VECTORS];
	u64 taken[VMM_USER_VECTORS];
	int irq[VMM_USER_VECTORS];
	spinlock_t uar_lock;
	void *uar_page[MHCA_UAR_END];
	u64 faults;
	u64 zaps;
	int zap_asked[MHCA_UAR_END];
	bool zaps_held;
	int work_pending;
	bool threaded;
	sem_t work;
	pthread_t worker;
	int stop;
	sem_t unpin;
	pthread_t unpinner;
	u32 unmap_calls;
	bool (*idle)(struct soft_hca *hca);
	bool slow;
	bool held_up;
	bool no_return;
	void (*pinning)(struct vmm_user *vmm, u64 iova);
};

struct vmm_user *vmm_user_create(struct soft_hca *hca, const struct vmm_user_params *params,
				 u64 guid);
/* Resets and destroys the instance; aborts when a pin or an object is left. */
void vmm_user_destroy(struct vmm_user *vmm);
/*
 * Where the instance may move to: a second one over the same guest memory, reset and at
 * MHCA_RUN_NONE. To be destroyed, or to be vmm_user_switch()'s: the guest goes on with it,
 * and the instance that it had is gone.
 */
struct mhca_instance *vmm_user_target(struct vmm_user *vmm, u64 guid);
void vmm_user_switch(struct vmm_user *vmm, struct mhca_instance *to);
/* Run pending commands here (not threaded). true: there were some. */
bool vmm_user_work(struct vmm_user *vmm);
/* Do the zaps that lanes asked for (zaps_held). */
void vmm_user_zap_pending(struct vmm_user *vmm);
/*
 * The VMM takes [@iova, @iova + @len) away; and gives it back. As type 1 of VFIO does it:
 * while a page is pinned the range is still there and the instances are asked, and when
 * that was in vain too often, it aborts. Instances of one container are asked in turn.
 */
void vmm_user_unmap(struct vmm_user *vmm, u64 iova, u64 len);
void vmm_user_unmap_all(struct vmm_user **vmms, u32 n, u64 iova, u64 len);
/* The calling thread leaves its system call (vmm_user_unmap() does at its end). */
void vmm_user_return(void);
void vmm_user_map(struct vmm_user *vmm, u64 iova, u64 len);
/* The guest's IOVA of a byte of its memory. */
u64 vmm_user_iova(struct vmm_user *vmm, const void *va);

/* The client's backend; its data is a struct vmm_user, closed by the owner. */
extern const struct client_ops vmm_user_client_ops;

/* ---- Lanes ----------------------------------------------------------- */

/* Turns of all lanes until none does anything; aborts if that takes too long. */
void lanes_settle(struct soft_hca *hca);
/* One turn of each lane. true: some lane did something. */
bool lanes_turn(struct soft_hca *hca);
int lanes_start(struct soft_hca *hca);	/* a thread for each */
void lanes_stop(struct soft_hca *hca);

#endif /* VMM_USER_H */
