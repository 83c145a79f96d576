/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The real list of tracepoints, as empty functions (linux/tracepoint.h). */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-parameter"
#include_next <mhca/trace.h>
#pragma GCC diagnostic pop
