// SPDX-License-Identifier: GPL-2.0-only
/*
 * The engine's objects as text, for people. Nothing is locked but the command lock:
 * what the engine is changing at this moment may be a little old or new.
 */
#include <mhca/kernel.h>
#include "soft.h"

static const char *soft_qp_type_name(u8 type)
{
	switch (type) {
	case MLX5_QP_ST_RC:
		return "RC";
	case MLX5_QP_ST_UC:
		return "UC";
	case MLX5_QP_ST_UD:
		return "UD";
	case MLX5_QP_ST_XRC:
		return "XRC";
	case MLX5_QP_ST_QP0:
		return "QP0";
	case MLX5_QP_ST_QP1:
		return "QP1";
	default:
		return "?";
	}
}

static const char *soft_qp_state_name(u8 state)
{
	static const char * const names[] = {
		[MLX5_QP_STATE_RST] = "RST",
		[MLX5_QP_STATE_INIT] = "INIT",
		[MLX5_QP_STATE_RTR] = "RTR",
		[MLX5_QP_STATE_RTS] = "RTS",
		[MLX5_QP_STATE_SQER] = "SQER",
		[MLX5_QP_STATE_SQD] = "SQD",
		[MLX5_QP_STATE_ERR] = "ERR",
	};

	return state < ARRAY_SIZE(names) && names[state] ? names[state] : "?";
}

/* A word of the doorbell record, or what the device has seen when it may not look. */
static u32 soft_record(const struct mhca_object *obj, u32 word, u32 seen)
{
	int idx = soft_enter(obj->inst);
	const __be32 *record = mhca_object_record(obj);

	if (record && soft_may_dma(soft_instance(obj->inst)))
		seen = be32_to_cpu(READ_ONCE(record[word]));
	soft_leave(obj->inst, idx);
	return seen;
}

/**
 * soft_qp_describe() - &struct mhca_object_ops.describe of a QP
 * @obj: QP
 * @buf: text
 * @size: of @buf
 *
 * Return: its length.
 */
int soft_qp_describe(const struct mhca_object *obj, char *buf, size_t size)
{
	const struct soft_qp *qp = container_of(obj, struct soft_qp, obj);
	u16 sent = READ_ONCE(qp->req.consumer), received = READ_ONCE(qp->rsp.consumer);

	return scnprintf(buf, size,
			 " %s %s peer=0x%06x dlid=%u sq=%u/%u rq=%u/%u psn=0x%06x/0x%06x retries=%u%s",
			 soft_qp_type_name(qp->type), soft_qp_state_name(READ_ONCE(qp->state)),
			 qp->remote_qpn, qp->av.dlid, sent,
			 qp->req.none ? sent : (u16)soft_record(obj, MLX5_SND_DBR, sent), received,
			 qp->rsp.none ? received : (u16)soft_record(obj, MLX5_RCV_DBR, received),
			 READ_ONCE(qp->req.psn), READ_ONCE(qp->rsp.psn),
			 READ_ONCE(qp->req.retries), READ_ONCE(qp->req.waiting) ? " waits" : "");
}

/**
 * soft_cq_describe() - the same for a CQ
 * @obj: CQ
 * @buf: text
 * @size: of @buf
 *
 * Return: its length.
 */
int soft_cq_describe(const struct mhca_object *obj, char *buf, size_t size)
{
	const struct soft_cq *cq = container_of(obj, struct soft_cq, obj);
	u32 pi = READ_ONCE(cq->pi);

	/* The arm word as the driver left it; all ones: its event was sent. */
	return scnprintf(buf, size, " entries=%u eq=%u pi=%u ci=%u arm=0x%08x%s%s",
			 1U << cq->ring.log_size, cq->eq ? cq->eq->num : 0, pi,
			 soft_record(obj, 0, pi), soft_record(obj, 1, U32_MAX),
			 READ_ONCE(cq->failed) ? " overrun" : "",
			 READ_ONCE(cq->event_due) ? " event due" : "");
}

static const char *soft_mkey_kind(const struct soft_mkey *key)
{
	if (key->pa)
		return "PA";
	if (key->indirect)
		return "KLM";
	return key->xlt ? "UMR" : "MTT";
}

/**
 * soft_mkey_describe() - the same for a memory key
 * @obj: key
 * @buf: text
 * @size: of @buf
 *
 * Return: its length.
 */
int soft_mkey_describe(const struct mhca_object *obj, char *buf, size_t size)
{
	const struct soft_mkey *key = container_of(obj, struct soft_mkey, obj);

	return scnprintf(buf, size,
			 " key=0x%08x pd=%u %s start=0x%llx len=0x%llx access=%s%s%s%s%s",
			 key->key, key->pd, soft_mkey_kind(key),
			 key->start, key->len,
			 key->access & SOFT_LOCAL_WRITE ? "w" : "-",
			 key->access & SOFT_REMOTE_READ ? "R" : "-",
			 key->access & SOFT_REMOTE_WRITE ? "W" : "-",
			 key->access & SOFT_REMOTE_ATOMIC ? "A" : "-",
			 key->free ? " free" : "");
}

/**
 * soft_srq_describe() - the same for an SRQ
 * @obj: SRQ
 * @buf: text
 * @size: of @buf
 *
 * Return: its length.
 */
int soft_srq_describe(const struct mhca_object *obj, char *buf, size_t size)
{
	const struct soft_srq *srq = container_of(obj, struct soft_srq, obj);
	u16 taken = READ_ONCE(srq->taken);

	return scnprintf(buf, size, " entries=%u posted=%u taken=%u limit=%u%s",
			 1U << srq->ring.log_size, (u16)soft_record(obj, 0, taken), taken,
			 READ_ONCE(srq->limit), READ_ONCE(srq->failed) ? " failed" : "");
}
