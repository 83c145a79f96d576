/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What a program can turn in the runtime; most of it is for tests. */
#ifndef MHCA_SHIM_CONTROL_H
#define MHCA_SHIM_CONTROL_H

#include <linux/types.h>

/*
 * Fail the @nth allocation from now (1: the next), in any thread, once; 0: none.
 * shim_allocations(): how many there were since.
 */
void shim_fail_nth(u64 nth);
u64 shim_allocations(void);
bool shim_failed(void);			/* the failure was delivered */
/* Take the @nth Ethernet send WQE from now for broken; 0: none. */
void shim_fail_send(u64 nth);

/* Called at each allocation that may wait (NULL: no more). At a test's end: NULL. */
void shim_watch_allocations(void (*watch)(void));

/* A clock that moves only when told; it goes on from the real one's value. */
void shim_clock_fake(bool on);
void shim_clock_advance(u64 ns);
/* Each look at that clock takes so long; 0 again at a test's end. */
void shim_clock_step(u64 ns);

/*
 * Messages of the kernel's log go to @sink, one call each; NULL: to stderr, if at all.
 * While no other thread runs.
 */
void shim_log_sink(void (*sink)(const char *line, void *arg), void *arg);

/* What waits for readers has been freed when it returns. Outside of any reader. */
void shim_quiesce(void);
/* Nodes of all XArrays, those that wait for readers included. */
u64 shim_xa_nodes(void);

/* WARN(): to the log and abort (a test's default), or to the log alone. */
void shim_warn_aborts(bool on);

#endif /* MHCA_SHIM_CONTROL_H */
