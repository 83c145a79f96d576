// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Command mailboxes. An input is a list of records:
 *
 *   0 inlen outlen bytes     a command; lengths are 16 bit
 *   1 slot at value …        likewise, then a byte of its queue entry is replaced
 *   2 block at value …       likewise, a byte of its input mailbox block
 *   3 mask                   ring the command doorbell with any mask
 *   4 turns                  let lanes run
 *   5 ms                     let time pass
 *   6 page n                 the VMM takes pages away, and gives them back
 *   7 offset value           write to the initialization segment
 *
 * There are objects of each kind for it to name. Its commands must leave a function
 * that can be reset, and the other instance alone.
 */
#include "fuzz.h"

#define MAX_RECORDS	64

struct rig {
	struct fuzz_world *w;
	struct client_qp qp[3];
	struct client_srq srq[3];
	u32 xrcd;
	u32 key;
};

static struct fuzz_output seed;
static void (*add_seed)(const void *data, size_t size);

/* One of everything, so that numbers in inputs mean something. */
static void rig_open(struct rig *r)
{
	static const u8 types[] = { MLX5_QP_ST_RC, MLX5_QP_ST_UD, MLX5_QP_ST_XRC };
	struct fuzz_node *n = &r->w->n[0];
	struct client_qp_attr qp;
	struct client_modify m;
	int ret = client_alloc_xrcd(&n->c, &r->xrcd);
	u32 i;

	for (i = 0; i < 3; i++) {
		struct client_srq_attr srq = {
			.type = (enum client_srq_type)i, .pd = n->pd, .log_size = 4,
			.max_sge = 3, .xrcd = r->xrcd, .cqn = n->cq.cqn,
		};

		ret |= client_create_srq(&n->c, &srq, &r->srq[i]);
		client_qp_attr_init(&qp, types[i], n->pd, &n->cq);
		qp.xrcd = r->xrcd;
		if (types[i] == MLX5_QP_ST_XRC)
			qp.log_rq = CLIENT_NO_QUEUE;
		ret |= client_create_qp(&n->c, &qp, &r->qp[i]);
	}
	fuzz_check(!ret, "set-up");
	client_modify_init(&m);
	m.qkey = FUZZ_QKEY;
	fuzz_connect(n, &r->qp[0], n, &r->qp[0], &m);
	fuzz_connect(n, &r->qp[1], n, &r->qp[1], &m);
	r->key = fuzz_key(n, 0x1000, 0x2000, CLIENT_ALL_ACCESS);
}

static void rig_close(struct rig *r)
{
	u32 i;

	for (i = 0; i < 3; i++) {
		client_forget_qp(&r->qp[i]);
		client_forget_srq(&r->srq[i]);
	}
}

static void record(struct rig *r, struct fuzz_input *in)
{
	struct fuzz_node *n = &r->w->n[0];
	u8 kind = fuzz_take8(in) & 7;
	u32 slot = 0;
	u32 at;

	switch (kind) {
	case 0:
		if (fuzz_take_command(n, in, 0))
			client_cmd_ring(&n->c, 1);
		break;
	case 1:
		slot = fuzz_take8(in) & 31;
		at = fuzz_take8(in) & 63;
		if (fuzz_take_command(n, in, slot)) {
			((u8 *)client_cmd_entry(&n->c, slot))[at] = fuzz_take8(in);
			client_cmd_ring(&n->c, 1U << slot);
		}
		break;
	case 2:
		at = fuzz_take16(in) % (n->c.cmdq.in.len);
		if (fuzz_take_command(n, in, 0)) {
			n->c.cmdq.in.va[at % n->c.cmdq.in.len] = fuzz_take8(in);
			client_cmd_ring(&n->c, 1);
		}
		break;
	case 3:
		client_cmd_ring(&n->c, (u32)fuzz_take(in, 4));
		break;
	case 4:
		fuzz_run(r->w, fuzz_take8(in));
		break;
	case 5:
		fuzz_elapse(r->w, fuzz_take8(in) * NSEC_PER_MSEC);
		break;
	case 6: {
		u64 iova = VMM_USER_IOVA + (fuzz_take16(in) & 1023) * PAGE_SIZE;
		u64 len = (1 + (fuzz_take8(in) & 7)) * PAGE_SIZE;

		vmm_user_unmap(n->vmm, iova, len);
		vmm_user_map(n->vmm, iova, len);
		break;
	}
	case 7:
		at = fuzz_take16(in) & 0x2ffc;
		n->c.ops->iseg_write(n->vmm, at, (u32)fuzz_take(in, 4));
		break;
	}
	fuzz_settle(r->w);
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	struct fuzz_input in = { data, size };
	struct rig r = { .w = fuzz_world_create(false) };
	u32 i;

	rig_open(&r);
	fuzz_remember(&r.w->n[1]);
	for (i = 0; in.left && i < MAX_RECORDS; i++)
		record(&r, &in);
	fuzz_unchanged(&r.w->n[1], 0, 0);
	rig_close(&r);
	fuzz_world_finish(r.w);
	return 0;
}

/* ---- Seeds ------------------------------------------------------------ */

static void keep(struct client *c, const void *in, u32 inlen, u32 outlen)
{
	u8 room[1 << 16];

	seed = (struct fuzz_output){ .p = room, .room = sizeof(room) };
	fuzz_put(&seed, 0, 1);
	fuzz_put(&seed, inlen, 2);
	fuzz_put(&seed, outlen, 2);
	fuzz_put_bytes(&seed, in, inlen);
	add_seed(seed.p, seed.len);
}

/* Rows that no ordinary driver's life uses: their shortest form. */
static void every_row(struct client *c)
{
	u32 i;

	for (i = 0; i < mhca_n_commands; i++) {
		const struct mhca_command *row = &mhca_commands[i];
		u8 *in = calloc(1, row->in_min + 64);

		MLX5_SET(create_cq_in, in, opcode, row->opcode);
		if (row->number.bits && row->action != MHCA_ACT_CREATE)
			mhca_field_set(in, row->number, 0x40);
		keep(c, in, row->in_min, row->out_min);
		free(in);
	}
}

void fuzz_seeds(void (*add)(const void *data, size_t size))
{
	static const u8 mgid[16] = { 0xff, 0x12, [15] = 9 };
	struct rig r = { .w = fuzz_world_create(false) };
	struct client *c = &r.w->n[0].c;
	struct client_cq *cq = &r.w->n[0].cq;
	u8 qpc[MLX5_ST_SZ_BYTES(qpc)];
	u16 limit;
	int ret;
	u32 i;

	add_seed = add;
	c->before = keep;
	rig_open(&r);
	ret = client_resize_cq(cq, 7);
	ret |= client_modify_cq(cq, 10, 2);
	for (i = 0; i < 3; i++) {
		ret |= client_query_qp(&r.qp[i], qpc);
		ret |= client_query_srq(&r.srq[i], &limit);
		ret |= client_arm_srq(&r.srq[i], 1);
	}
	ret |= client_attach_mcast(&r.qp[1], mgid);
	ret |= client_detach_mcast(&r.qp[1], mgid);
	ret |= client_modify_qp(&r.qp[0], MLX5_CMD_OP_2ERR_QP, NULL);
	ret |= client_modify_qp(&r.qp[0], MLX5_CMD_OP_2RST_QP, NULL);
	fuzz_check(!ret, "seeds");
	ret = client_query_port(c);
	ret |= client_destroy_mkey(c, r.key);
	for (i = 0; i < 3; i++) {
		ret |= client_destroy_qp(&r.qp[i]);
		ret |= client_destroy_srq(&r.srq[i]);
	}
	ret |= client_dealloc_xrcd(c, r.xrcd);
	fuzz_check(!ret, "seeds");
	every_row(c);
	c->before = NULL;
	fuzz_world_finish(r.w);
}
