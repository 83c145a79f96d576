// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Doorbell records and registers, over rings that are full of correct WQEs. An
 * input is a list of records: those of queues.h, and
 *
 *   6 qp word value        a QP's record: receive or send counter
 *   7 word value           the CQ's record: consumer index or arm word
 *   8 srq value            an SRQ's record
 *   9 page offset value    a 64-bit store to a UAR page
 *  10 page offset value    a 32-bit one
 *  11 qp delta             move a send counter on by so many blocks, and ring
 *  12 eqn                  an EQ's consumer index, with a store to its register
 *
 * The same checks as for WQEs.
 */
#include "queues.h"

#define MAX_RECORDS	128

enum {
	BELL_QP = QUEUES_RECORDS, BELL_CQ, BELL_SRQ, BELL_UAR64, BELL_UAR32, BELL_MOVE, BELL_EQ,
	BELL_RECORDS
};

/* Something to find in every slot, and behind it. */
static void fill_rings(struct queues *q)
{
	u32 i;
	u32 k;

	for (i = 0; i < QUEUES; i++) {
		q->qp[i].no_doorbell = true;
		for (k = 0; k < 4; k++) {
			queues_post(q, i, (u16)(k * 0x111 + i), 40 * k);
			queues_recv(q, i, 500 * k);
		}
		q->qp[i].no_doorbell = false;
	}
}

static u32 some_page(struct queues *q, struct fuzz_input *in)
{
	u8 page = fuzz_take8(in);

	return page < 0xf0 ? q->w->n[0].c.uar : (u32)MHCA_UAR_FIRST + (page & 15);
}

static void bell_record(struct queues *q, u8 kind, struct fuzz_input *in)
{
	struct client *c = &q->w->n[0].c;
	struct client_qp *qp;
	u32 page;
	u32 at;

	switch (kind) {
	case BELL_QP:
		qp = &q->qp[fuzz_take8(in) % QUEUES];
		at = fuzz_take8(in) & 1;
		WRITE_ONCE(qp->record.word[at], cpu_to_be32((u32)fuzz_take(in, 4)));
		break;
	case BELL_CQ:
		at = fuzz_take8(in) & 1;
		WRITE_ONCE(q->w->n[0].cq.record.word[at], cpu_to_be32((u32)fuzz_take(in, 4)));
		break;
	case BELL_SRQ:
		at = fuzz_take8(in) & 1;
		WRITE_ONCE(q->srq[at].record.word[0], cpu_to_be32((u32)fuzz_take(in, 4)));
		break;
	case BELL_UAR64:
		page = some_page(q, in);
		at = fuzz_take16(in) & 0xff8;
		c->ops->uar_write64(c->backend, page, at, cpu_to_be64(fuzz_take(in, 8)));
		break;
	case BELL_UAR32:
		page = some_page(q, in);
		at = fuzz_take16(in) & 0xffc;
		c->ops->uar_write32(c->backend, page, at, cpu_to_be32((u32)fuzz_take(in, 4)));
		break;
	case BELL_MOVE:
		qp = &q->qp[fuzz_take8(in) % QUEUES];
		qp->sq.head += fuzz_take8(in);
		client_ring_send(qp);
		break;
	default:
		c->comp_eq.ci = (u32)fuzz_take(in, 4);
		client_update_eq(&c->comp_eq);
		break;
	}
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	struct fuzz_input in = { data, size };
	struct queues q = { .w = fuzz_world_create(false) };
	u32 i;

	queues_open(&q);
	fill_rings(&q);
	for (i = 0; in.left && i < MAX_RECORDS; i++) {
		u8 kind = fuzz_take8(&in) % BELL_RECORDS;

		if (!queues_record(&q, kind, &in))
			bell_record(&q, kind, &in);
		fuzz_run(q.w, 4);
		queues_serve(&q);
	}
	queues_close(&q);
	return 0;
}

void fuzz_seeds(void (*add)(const void *data, size_t size))
{
	u8 room[256];
	u32 kind;
	u32 i;

	for (kind = QUEUES_RECORDS; kind < BELL_RECORDS; kind++) {
		struct fuzz_output out = { .p = room, .room = sizeof(room) };

		for (i = 0; i < QUEUES; i++) {
			fuzz_put(&out, kind | i << 8 | 4 << 16, 4);
			fuzz_put(&out, QUEUES_TURNS | 10 << 8, 2);
		}
		add(out.p, out.len);
	}
}
