// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * WQE rings. An input is a list of records: those of queues.h, and
 *
 *   6 qp ds bytes     a send WQE of ds * 16 bytes; QP number and index are filled in
 *   7 qp ds bytes     likewise, just as it is
 *   8 qp n bytes      a receive WQE of n data segments
 *   9 srq n bytes     of a shared receive queue, with its link
 *  10 qp at bytes     8 bytes anywhere in a QP's rings
 *
 * Memory outside of the keys must not change on either side.
 */
#include "queues.h"

#define MAX_RECORDS	128

enum { WQE_SEND = QUEUES_RECORDS, WQE_RAW, WQE_RECV, WQE_SRQ, WQE_SCRIBBLE, WQE_RECORDS };

static void send_wqe(struct queues *q, struct fuzz_input *in, bool as_it_is)
{
	struct client_qp *qp = &q->qp[fuzz_take8(in) % QUEUES];
	u32 ds = 1 + fuzz_take8(in) % 63;
	u64 raw[126];
	struct mlx5_wqe_ctrl_seg *ctrl = (void *)raw;

	fuzz_take_bytes(in, raw, ds * 16);
	if (!as_it_is)
		ctrl->qpn_ds = cpu_to_be32(qp->qpn << 8 | ds);
	qp->sq.tail = qp->sq.head;
	client_post_raw(qp, 0, raw, ds);
}

static void recv_wqe(struct queues *q, struct fuzz_input *in)
{
	struct client_qp *qp = &q->qp[fuzz_take8(in) % QUEUES];
	u32 bytes = (fuzz_take8(in) & 3) * 16;
	u8 raw[64];
	u32 slot;

	fuzz_take_bytes(in, raw, bytes);
	if (!qp->rq.wr_id)
		return;
	slot = qp->rq.head & ((1U << qp->rq.log_size) - 1);
	memcpy(qp->rq.base + ((size_t)slot << qp->rq.log_stride), raw, bytes);
	qp->rq.head++;
	WRITE_ONCE(qp->record.word[0], cpu_to_be32(qp->rq.head & 0xffff));
}

static void srq_wqe(struct queues *q, struct fuzz_input *in)
{
	struct client_srq *srq = &q->srq[fuzz_take8(in) & 1];
	u8 *wqe = srq->mem.va + ((size_t)srq->head << srq->log_stride);
	u32 bytes = (fuzz_take8(in) & 3) * 16 + 16;

	fuzz_take_bytes(in, wqe, bytes);
	srq->head = (srq->head + 1) & ((1U << srq->log_size) - 1);
	WRITE_ONCE(srq->record.word[0], cpu_to_be32(++srq->count));
}

static void scribble(struct queues *q, struct fuzz_input *in)
{
	struct client_qp *qp = &q->qp[fuzz_take8(in) % QUEUES];
	u32 at = fuzz_take16(in) % (u32)(qp->mem.len - 8);

	fuzz_take_bytes(in, qp->mem.va + at, 8);
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	struct fuzz_input in = { data, size };
	struct queues q = { .w = fuzz_world_create(false) };
	u32 i;

	queues_open(&q);
	for (i = 0; in.left && i < MAX_RECORDS; i++) {
		u8 kind = fuzz_take8(&in) % WQE_RECORDS;

		if (!queues_record(&q, kind, &in)) {
			switch (kind) {
			case WQE_SEND: send_wqe(&q, &in, false); break;
			case WQE_RAW: send_wqe(&q, &in, true); break;
			case WQE_RECV: recv_wqe(&q, &in); break;
			case WQE_SRQ: srq_wqe(&q, &in); break;
			default: scribble(&q, &in); break;
			}
		}
		fuzz_run(q.w, 4);
		queues_serve(&q);
	}
	queues_close(&q);
	return 0;
}

/* Correct work requests of every kind, taken out of the rings. */
void fuzz_seeds(void (*add)(const void *data, size_t size))
{
	struct queues q = { .w = fuzz_world_create(false) };
	u8 room[2048];
	u32 choice;
	u32 i;

	queues_open(&q);
	for (i = 0; i < QUEUES; i++) {
		struct client_qp *qp = &q.qp[i];

		qp->no_doorbell = true;
		for (choice = 0; choice < 8; choice++) {
			struct fuzz_output out = { .p = room, .room = sizeof(room) };
			struct mlx5_wqe_ctrl_seg *ctrl = (void *)qp->sq.base;
			u32 ds;

			queues_reconnect(&q, i);
			queues_post(&q, i, (u16)(choice | 0x100), 300);
			ds = be32_to_cpu(ctrl->qpn_ds) & 63;
			fuzz_put(&out, QUEUES_RECV | i << 8 | 2000 << 16, 4);
			fuzz_put(&out, WQE_SEND | i << 8 | (ds - 1) << 16, 3);
			fuzz_put_bytes(&out, ctrl, ds * 16);
			fuzz_put(&out, QUEUES_POLL | 1 << 8, 2);
			add(out.p, out.len);
		}
	}
	queues_close(&q);
}
