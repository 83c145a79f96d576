// SPDX-License-Identifier: GPL-2.0-only
/*
 * Guest memory that its owner has cut off, or for which the host has no huge page: whoever
 * touches it gets SIGBUS. The handler puts pages of zeros in its place, so that the thread
 * goes on, and the device dies.
 *
 * The table is read in a signal handler: entries are written and found without a lock.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include "server.h"

#define MHCAD_WATCHES	65536U

/**
 * struct mhcad_watch - a mapping
 * @base: first byte; 0: the entry is free
 * @length: bytes
 * @dev: whose
 */
struct mhcad_watch {
	u64 base;
	u64 length;
	struct mhcad_device *dev;
};

static struct mhcad_watch watches[MHCAD_WATCHES];
static u32 n_watches;		/* greatest that was ever used */
static pthread_mutex_t watches_lock = PTHREAD_MUTEX_INITIALIZER;

static struct mhcad_watch *mhcad_fault_find(u64 addr)
{
	u32 n = READ_ONCE(n_watches);
	u64 base;
	u32 i;

	for (i = 0; i < n; i++) {
		base = smp_load_acquire(&watches[i].base);
		if (base && addr >= base && addr - base < READ_ONCE(watches[i].length))
			return &watches[i];
	}
	return NULL;
}

static void mhcad_fault(int sig, siginfo_t *info, void *context)
{
	struct mhcad_watch *watch = mhcad_fault_find((u64)info->si_addr);
	struct mhcad_device *dev;
	int saved = errno;
	u64 one = 1;

	(void)context;
	if (!watch ||
	    mmap((void *)watch->base, watch->length, PROT_READ | PROT_WRITE,
		 MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0) == MAP_FAILED) {
		/* Nothing of a client's: the next attempt ends the process. */
		signal(sig, SIG_DFL);
		return;
	}
	dev = watch->dev;
	WRITE_ONCE(dev->dead, true);
	if (write(dev->wake_fd, &one, sizeof(one)) < 0)
		one = 0;	/* It is awake. */
	errno = saved;
}

/**
 * mhcad_fault_init() - handle SIGBUS from now on
 */
void mhcad_fault_init(void)
{
	struct sigaction action = {
		.sa_sigaction = mhcad_fault,
		.sa_flags = SA_SIGINFO | SA_RESTART,
	};

	sigaction(SIGBUS, &action, NULL);
}

/**
 * mhcad_fault_watch() - a mapping that may fail
 * @dev: dies then
 * @base: first byte
 * @length: bytes
 * @watch: filled, for mhcad_fault_forget()
 *
 * Return: 0; -ENOSPC: too many of all clients.
 */
int mhcad_fault_watch(struct mhcad_device *dev, void *base, size_t length, u32 *watch)
{
	u32 i;

	pthread_mutex_lock(&watches_lock);
	for (i = 0; i < MHCAD_WATCHES && watches[i].base; i++)
		;
	if (i < MHCAD_WATCHES) {
		watches[i].dev = dev;
		WRITE_ONCE(watches[i].length, length);
		smp_store_release(&watches[i].base, (u64)base);
		if (i >= n_watches)
			WRITE_ONCE(n_watches, i + 1);
	}
	pthread_mutex_unlock(&watches_lock);
	*watch = i;
	return i < MHCAD_WATCHES ? 0 : -ENOSPC;
}

/**
 * mhcad_fault_forget() - a mapping that nobody touches any more, before it goes
 * @watch: from mhcad_fault_watch()
 */
void mhcad_fault_forget(u32 watch)
{
	pthread_mutex_lock(&watches_lock);
	smp_store_release(&watches[watch].base, 0);
	pthread_mutex_unlock(&watches_lock);
}
