/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Where threads run. */
#ifndef MHCA_SHIM_THREADS_H
#define MHCA_SHIM_THREADS_H

#include <sched.h>

/**
 * struct cpumask - CPUs
 * @set: the C library's
 */
struct cpumask {
	cpu_set_t set;
};

#endif /* MHCA_SHIM_THREADS_H */
