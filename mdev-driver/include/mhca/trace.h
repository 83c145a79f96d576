/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Tracepoints: perf list 'mhca:*', trace-cmd record -e mhca.
 *
 * They live in mhca.ko (vfio/trace.c); those that a backend fires are exported.
 * Names are copied into fixed arrays: __assign_str() differs between kernels.
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM mhca

#if !defined(MHCA_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define MHCA_TRACE_H

#include <linux/string.h>
#include <linux/tracepoint.h>
#include <linux/types.h>

#define MHCA_TRACE_NAME	40
#define MHCA_TRACE_STATE	16

TRACE_EVENT(mhca_command,
	TP_PROTO(const char *name, u16 opcode, u16 op_mod, u8 status, u32 syndrome, u64 ns),
	TP_ARGS(name, opcode, op_mod, status, syndrome, ns),
	TP_STRUCT__entry(
		__array(char, name, MHCA_TRACE_NAME)
		__field(u16, opcode)
		__field(u16, op_mod)
		__field(u8, status)
		__field(u32, syndrome)
		__field(u64, ns)
	),
	TP_fast_assign(
		strscpy(__entry->name, name, MHCA_TRACE_NAME);
		__entry->opcode = opcode;
		__entry->op_mod = op_mod;
		__entry->status = status;
		__entry->syndrome = syndrome;
		__entry->ns = ns;
	),
	TP_printk("%s opcode=0x%x op_mod=0x%x status=0x%x syndrome=0x%x ns=%llu",
		  __entry->name, __entry->opcode, __entry->op_mod, __entry->status,
		  __entry->syndrome, __entry->ns)
);

DECLARE_EVENT_CLASS(mhca_doorbell,
	TP_PROTO(const char *name, u32 index),
	TP_ARGS(name, index),
	TP_STRUCT__entry(
		__array(char, name, MHCA_TRACE_NAME)
		__field(u32, index)
	),
	TP_fast_assign(
		strscpy(__entry->name, name, MHCA_TRACE_NAME);
		__entry->index = index;
	),
	TP_printk("%s uar=%u", __entry->name, __entry->index)
);

DEFINE_EVENT(mhca_doorbell, mhca_doorbell_fault,
	TP_PROTO(const char *name, u32 index),
	TP_ARGS(name, index)
);

DEFINE_EVENT(mhca_doorbell, mhca_doorbell_zap,
	TP_PROTO(const char *name, u32 index),
	TP_ARGS(name, index)
);

TRACE_EVENT(mhca_lane,
	TP_PROTO(u32 lane, bool awake),
	TP_ARGS(lane, awake),
	TP_STRUCT__entry(
		__field(u32, lane)
		__field(bool, awake)
	),
	TP_fast_assign(
		__entry->lane = lane;
		__entry->awake = awake;
	),
	TP_printk("lane=%u awake=%d", __entry->lane, __entry->awake)
);

TRACE_EVENT(mhca_qp_state,
	TP_PROTO(const char *name, u32 qpn, u8 from, u8 to),
	TP_ARGS(name, qpn, from, to),
	TP_STRUCT__entry(
		__array(char, name, MHCA_TRACE_NAME)
		__field(u32, qpn)
		__field(u8, from)
		__field(u8, to)
	),
	TP_fast_assign(
		strscpy(__entry->name, name, MHCA_TRACE_NAME);
		__entry->qpn = qpn;
		__entry->from = from;
		__entry->to = to;
	),
	TP_printk("%s qpn=0x%x from=%u to=%u", __entry->name, __entry->qpn,
		  __entry->from, __entry->to)
);

TRACE_EVENT(mhca_error_cqe,
	TP_PROTO(const char *name, u32 qpn, u8 opcode, u8 syndrome, u8 vendor),
	TP_ARGS(name, qpn, opcode, syndrome, vendor),
	TP_STRUCT__entry(
		__array(char, name, MHCA_TRACE_NAME)
		__field(u32, qpn)
		__field(u8, opcode)
		__field(u8, syndrome)
		__field(u8, vendor)
	),
	TP_fast_assign(
		strscpy(__entry->name, name, MHCA_TRACE_NAME);
		__entry->qpn = qpn;
		__entry->opcode = opcode;
		__entry->syndrome = syndrome;
		__entry->vendor = vendor;
	),
	TP_printk("%s qpn=0x%x opcode=0x%x syndrome=0x%x vendor=0x%x", __entry->name,
		  __entry->qpn, __entry->opcode, __entry->syndrome, __entry->vendor)
);

TRACE_EVENT(mhca_interrupt,
	TP_PROTO(const char *name, u32 vector),
	TP_ARGS(name, vector),
	TP_STRUCT__entry(
		__array(char, name, MHCA_TRACE_NAME)
		__field(u32, vector)
	),
	TP_fast_assign(
		strscpy(__entry->name, name, MHCA_TRACE_NAME);
		__entry->vector = vector;
	),
	TP_printk("%s vector=%u", __entry->name, __entry->vector)
);

TRACE_EVENT(mhca_migration,
	TP_PROTO(const char *name, const char *from, const char *to, u64 ns),
	TP_ARGS(name, from, to, ns),
	TP_STRUCT__entry(
		__array(char, name, MHCA_TRACE_NAME)
		__array(char, from, MHCA_TRACE_STATE)
		__array(char, to, MHCA_TRACE_STATE)
		__field(u64, ns)
	),
	TP_fast_assign(
		strscpy(__entry->name, name, MHCA_TRACE_NAME);
		strscpy(__entry->from, from, MHCA_TRACE_STATE);
		strscpy(__entry->to, to, MHCA_TRACE_STATE);
		__entry->ns = ns;
	),
	TP_printk("%s from=%s to=%s ns=%llu", __entry->name, __entry->from, __entry->to,
		  __entry->ns)
);

#endif /* MHCA_TRACE_H */

/* Found through the include path that Kbuild sets. */
#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH mhca
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
