// SPDX-License-Identifier: GPL-2.0-only
/*
 * The tracepoints' definitions (<mhca/trace.h> says what they are).
 */
#define CREATE_TRACE_POINTS
#include <mhca/trace.h>

EXPORT_TRACEPOINT_SYMBOL_GPL(mhca_doorbell_fault);
EXPORT_TRACEPOINT_SYMBOL_GPL(mhca_doorbell_zap);
EXPORT_TRACEPOINT_SYMBOL_GPL(mhca_lane);
EXPORT_TRACEPOINT_SYMBOL_GPL(mhca_qp_state);
EXPORT_TRACEPOINT_SYMBOL_GPL(mhca_error_cqe);
