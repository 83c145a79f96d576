/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A whole life at an instance: open, register, create, connect, send, destroy. The
 * failure sweeps run it, here and in user space (tests/unit/test_sweep.c).
 */
#ifndef SEQUENCE_H
#define SEQUENCE_H

#include "client.h"

/**
 * struct sequence_result - of a run
 * @error: 0, or the first error of what was to be made
 * @broken: what was not to happen whatever failed, or NULL: a destruction that was
 *          refused twice, data that is not right
 */
struct sequence_result {
	int error;
	const char *broken;
};

/* @backend belongs to the run, which closes it. */
struct sequence_result sequence_run(const struct client_ops *ops, void *backend);

#endif /* SEQUENCE_H */
