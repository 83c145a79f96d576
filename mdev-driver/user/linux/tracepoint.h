/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Tracepoints become empty functions: their arguments are still type-checked. */
#ifndef MHCA_SHIM_TRACEPOINT_H
#define MHCA_SHIM_TRACEPOINT_H

#include <linux/types.h>

#define TP_PROTO(...)		__VA_ARGS__
#define TP_ARGS(...)

#define TRACE_EVENT(name, proto, ...)						\
	static inline void trace_##name(proto) { }				\
	static inline bool trace_##name##_enabled(void) { return false; }
#define DECLARE_EVENT_CLASS(...)
#define DEFINE_EVENT(class, name, proto, ...)					\
	TRACE_EVENT(name, PARAMS(proto))
#define TRACE_EVENT_CONDITION(name, proto, ...)	TRACE_EVENT(name, PARAMS(proto))
#define PARAMS(...)		__VA_ARGS__
#define TRACE_DEFINE_ENUM(x)

#endif /* MHCA_SHIM_TRACEPOINT_H */
