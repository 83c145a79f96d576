// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * QP transitions, object by object and without a guest: every opcode from every
 * state for every service type against an independent statement of the rules
 * (PRM "QP state transitions"), and what each transition takes of the context.
 */
#include <setjmp.h>
#include <stddef.h>
#include <stdarg.h>
#include <stdint.h>
#include <cmocka.h>

#include <mhca/kernel.h>
#include <mhca/vmm.h>
#include <shim/control.h>
#include "hca.h"

#define IN_BYTES	MLX5_ST_SZ_BYTES(create_qp_in)

void soft_lane_wake(struct soft_lane *lane)
{
	atomic_set(&lane->wake, 1);
}

static void zap_nothing(void *vmm, u32 index)
{
}

static const struct mhca_vmm_ops no_vmm = { .zap = zap_nothing };

static const struct soft_lane_params params = {
	.idle_us = 1000, .idle_polls = 10, .wqe_budget = 16, .byte_budget = 65536,
	.qp_polls = 4, .sweep = 8, .error_poll_ms = 1,
};

/* One instance with a UAR, a CQ, a PD and an XRCD; one QP at a time. */
struct bench {
	struct soft_hca hca;
	struct mhca_instance inst;
	struct soft_uar uar;
	struct soft_cq cq;
	struct mhca_object pd;
	struct mhca_object xrcd;
	struct mhca_pages ring;
	struct mhca_pages record;
	void *ring_page[2];
	void *record_page[1];
	struct soft_qp *qp;
};

static void fake_pages(struct mhca_pages *pages, struct mhca_instance *inst, void **kva, u32 n)
{
	u32 i;

	for (i = 0; i < n; i++)
		kva[i] = (void *)get_zeroed_page(GFP_KERNEL);
	pages->inst = inst;
	pages->kva = kva;
	pages->entries = n;
	pages->n = n;
	pages->shift = MHCA_PAGE_SHIFT;
	pages->bytes = (u64)n << MHCA_PAGE_SHIFT;
	pages->writable = true;
}

static struct bench *bench_create(void)
{
	struct bench *b = kzalloc(sizeof(*b), GFP_KERNEL);

	assert_int_equal(soft_hca_init(&b->hca, 1, &params), 0);
	b->inst.hca = &b->hca.hca;
	b->inst.vmm_ops = &no_vmm;
	b->inst.dma = true;
	mutex_init(&b->inst.cmd_lock);
	xa_init_flags(&b->inst.objects[MHCA_QP], XA_FLAGS_ALLOC);
	assert_int_equal(soft_hca_ops.instance_init(&b->inst), 0);
	b->pd.inst = &b->inst;
	b->pd.num = 5;
	b->xrcd.inst = &b->inst;
	b->xrcd.num = 6;
	b->uar.obj.inst = &b->inst;
	INIT_LIST_HEAD(&b->uar.qps);
	b->cq.obj.inst = &b->inst;
	b->cq.obj.num = 9;
	spin_lock_init(&b->cq.lock);
	INIT_LIST_HEAD(&b->cq.attention_node);
	INIT_LIST_HEAD(&b->cq.attached_send);
	INIT_LIST_HEAD(&b->cq.attached_recv);
	fake_pages(&b->ring, &b->inst, b->ring_page, 2);
	fake_pages(&b->record, &b->inst, b->record_page, 1);
	return b;
}

static void bench_destroy(struct bench *b)
{
	free_page((unsigned long)b->ring_page[0]);
	free_page((unsigned long)b->ring_page[1]);
	free_page((unsigned long)b->record_page[0]);
	soft_hca_ops.instance_fini(&b->inst);
	soft_hca_fini(&b->hca);
	xa_destroy(&b->inst.objects[MHCA_QP]);
	kfree(b);
	shim_quiesce();
}

static enum mhca_syndrome qp_create(struct bench *b, u8 type, const u8 *in)
{
	struct mhca_cmd cmd = {
		.inst = &b->inst, .opcode = MLX5_CMD_OP_CREATE_QP, .in = in,
		.ref = { &b->pd, &b->cq.obj, &b->cq.obj, &b->uar.obj, NULL, &b->xrcd },
	};
	enum mhca_syndrome syndrome;

	b->qp = kzalloc(sizeof(*b->qp), GFP_KERNEL);
	b->qp->base.obj.inst = &b->inst;
	b->qp->base.obj.kind = MHCA_QP;
	b->qp->base.obj.buffer = &b->ring;
	b->qp->base.obj.record = &b->record;
	cmd.obj = &b->qp->base.obj;
	mutex_lock(&b->inst.cmd_lock);
	syndrome = soft_qp_ops.create(&cmd);
	mutex_unlock(&b->inst.cmd_lock);
	if (syndrome) {
		kfree(b->qp);
		b->qp = NULL;
	}
	return syndrome;
}

static enum mhca_syndrome qp_new(struct bench *b, u8 type)
{
	u8 in[IN_BYTES] __aligned(8) = { 0 };
	void *qpc = MLX5_ADDR_OF(create_qp_in, in, qpc);

	MLX5_SET(qpc, qpc, st, type);
	MLX5_SET(qpc, qpc, log_rq_size, 4);
	MLX5_SET(qpc, qpc, log_rq_stride, 1);
	MLX5_SET(qpc, qpc, log_sq_size, 4);
	MLX5_SET(qpc, qpc, user_index, 0xffffff);
	return qp_create(b, type, in);
}

static void qp_destroy(struct bench *b)
{
	mutex_lock(&b->inst.cmd_lock);
	xa_release(&b->inst.objects[MHCA_QP], b->qp->base.obj.num);
	soft_qp_ops.destroy(&b->qp->base.obj);
	mutex_unlock(&b->inst.cmd_lock);
	kfree(b->qp);
	b->qp = NULL;
}

static enum mhca_syndrome qp_modify(struct bench *b, u16 opcode, u32 opt, const void *qpc)
{
	u8 in[MLX5_ST_SZ_BYTES(init2rtr_qp_in)] __aligned(8) = { 0 };
	struct mhca_cmd cmd = {
		.inst = &b->inst, .opcode = opcode, .in = in, .inlen = sizeof(in),
		.obj = &b->qp->base.obj,
	};
	enum mhca_syndrome syndrome;

	MLX5_SET(init2rtr_qp_in, in, opt_param_mask, opt);
	if (qpc)
		memcpy(MLX5_ADDR_OF(init2rtr_qp_in, in, qpc), qpc, MLX5_ST_SZ_BYTES(qpc));
	mutex_lock(&b->inst.cmd_lock);
	syndrome = soft_qp_ops.modify(&cmd);
	mutex_unlock(&b->inst.cmd_lock);
	return syndrome;
}

/* A context that every transition of every service accepts. */
static void good_context(void *qpc)
{
	void *ads = MLX5_ADDR_OF(qpc, qpc, primary_address_path);

	memset(qpc, 0, MLX5_ST_SZ_BYTES(qpc));
	MLX5_SET(qpc, qpc, pm_state, MLX5_QP_PM_MIGRATED);
	MLX5_SET(qpc, qpc, mtu, 3);
	MLX5_SET(qpc, qpc, log_msg_max, 30);
	MLX5_SET(qpc, qpc, remote_qpn, 0x123456);
	MLX5_SET(qpc, qpc, next_rcv_psn, 0x111111);
	MLX5_SET(qpc, qpc, next_send_psn, 0x222222);
	MLX5_SET(qpc, qpc, log_rra_max, 2);
	MLX5_SET(qpc, qpc, log_sra_max, 3);
	MLX5_SET(qpc, qpc, min_rnr_nak, 12);
	MLX5_SET(qpc, qpc, retry_count, 7);
	MLX5_SET(qpc, qpc, rnr_retry, 6);
	MLX5_SET(qpc, qpc, rwe, 1);
	MLX5_SET(qpc, qpc, rre, 1);
	MLX5_SET(qpc, qpc, q_key, 0x11223344);
	MLX5_SET(ads, ads, rlid, 7);
	MLX5_SET(ads, ads, sl, 5);
	MLX5_SET(ads, ads, ack_timeout, 14);
	MLX5_SET(ads, ads, vhca_port_num, 1);
}

static const u16 opcodes[] = {
	MLX5_CMD_OP_RST2INIT_QP, MLX5_CMD_OP_INIT2RTR_QP, MLX5_CMD_OP_RTR2RTS_QP,
	MLX5_CMD_OP_RTS2RTS_QP, MLX5_CMD_OP_SQERR2RTS_QP, MLX5_CMD_OP_2ERR_QP,
	MLX5_CMD_OP_2RST_QP, MLX5_CMD_OP_INIT2INIT_QP,
};

static const u8 types[] = {
	MLX5_QP_ST_RC, MLX5_QP_ST_UC, MLX5_QP_ST_UD, MLX5_QP_ST_XRC, MLX5_QP_ST_QP0,
	MLX5_QP_ST_QP1, MLX5_QP_ST_REG_UMR,
};

static const u8 states[] = {
	MLX5_QP_STATE_RST, MLX5_QP_STATE_INIT, MLX5_QP_STATE_RTR, MLX5_QP_STATE_RTS,
	MLX5_QP_STATE_SQER, MLX5_QP_STATE_ERR,
};

/* The rules once more, in other words: state after @opcode in @state, or -1. */
static int expected(u16 opcode, u8 state, u8 type)
{
	bool reliable = type == MLX5_QP_ST_RC || type == MLX5_QP_ST_XRC;

	switch (opcode) {
	case MLX5_CMD_OP_2RST_QP:
		return MLX5_QP_STATE_RST;
	case MLX5_CMD_OP_2ERR_QP:
		return MLX5_QP_STATE_ERR;
	case MLX5_CMD_OP_RST2INIT_QP:
		return state == MLX5_QP_STATE_RST ? MLX5_QP_STATE_INIT : -1;
	case MLX5_CMD_OP_INIT2INIT_QP:
		return state == MLX5_QP_STATE_INIT && type != MLX5_QP_ST_REG_UMR ?
		       MLX5_QP_STATE_INIT : -1;
	case MLX5_CMD_OP_INIT2RTR_QP:
		return state == MLX5_QP_STATE_INIT ? MLX5_QP_STATE_RTR : -1;
	case MLX5_CMD_OP_RTR2RTS_QP:
		return state == MLX5_QP_STATE_RTR ? MLX5_QP_STATE_RTS : -1;
	case MLX5_CMD_OP_RTS2RTS_QP:
		return state == MLX5_QP_STATE_RTS ? MLX5_QP_STATE_RTS : -1;
	case MLX5_CMD_OP_SQERR2RTS_QP:
		return state == MLX5_QP_STATE_SQER && !reliable ? MLX5_QP_STATE_RTS : -1;
	default:
		return -1;
	}
}

/* Bring the QP to @state by the ordinary way. */
static void bring_to(struct bench *b, u8 state)
{
	static const u16 way[] = {
		MLX5_CMD_OP_RST2INIT_QP, MLX5_CMD_OP_INIT2RTR_QP, MLX5_CMD_OP_RTR2RTS_QP,
	};
	u8 qpc[MLX5_ST_SZ_BYTES(qpc)] __aligned(8);
	u32 i, steps = state == MLX5_QP_STATE_SQER ? 3 : state;

	if (state == MLX5_QP_STATE_ERR) {
		assert_int_equal(qp_modify(b, MLX5_CMD_OP_2ERR_QP, 0, NULL), 0);
		return;
	}
	good_context(qpc);
	for (i = 0; i < steps; i++)
		assert_int_equal(qp_modify(b, way[i], 0, qpc), MHCA_SYN_NONE);
	if (state == MLX5_QP_STATE_SQER) {
		mutex_lock(&b->qp->base.si->lane->lock);
		soft_qp_to_sq_error(b->qp);
		mutex_unlock(&b->qp->base.si->lane->lock);
	}
	assert_int_equal(b->qp->state, state);
}

static void one_edge(struct bench *b, u8 type, u8 state, u16 opcode)
{
	int to = expected(opcode, state, type);
	u8 qpc[MLX5_ST_SZ_BYTES(qpc)] __aligned(8);
	enum mhca_syndrome syndrome;

	assert_int_equal(qp_new(b, type), MHCA_SYN_NONE);
	bring_to(b, state);
	good_context(qpc);
	syndrome = qp_modify(b, opcode, 0, qpc);
	assert_int_equal(syndrome, to < 0 ? MHCA_SYN_QP_STATE : MHCA_SYN_NONE);
	assert_int_equal(b->qp->state, to < 0 ? state : to);
	qp_destroy(b);
}

static void every_edge_of_every_service(void **state)
{
	struct bench *b = bench_create();
	u32 t, s, o;

	for (t = 0; t < ARRAY_SIZE(types); t++)
		for (s = 0; s < ARRAY_SIZE(states); s++)
			for (o = 0; o < ARRAY_SIZE(opcodes); o++)
				one_edge(b, types[t], states[s], opcodes[o]);
	assert_int_equal(b->uar.n_qps, 0);
	assert_true(list_empty(&b->cq.attached_send));
	assert_true(list_empty(&b->cq.attached_recv));
	bench_destroy(b);
}

static void attributes_come_with_their_transition(void **state)
{
	struct bench *b = bench_create();
	u8 qpc[MLX5_ST_SZ_BYTES(qpc)] __aligned(8);
	u8 zero[MLX5_ST_SZ_BYTES(qpc)] __aligned(8) = { 0 };
	struct soft_qp *qp;

	qp_new(b, MLX5_QP_ST_RC);
	qp = b->qp;
	good_context(qpc);
	MLX5_SET(qpc, zero, pm_state, MLX5_QP_PM_MIGRATED);

	assert_int_equal(qp_modify(b, MLX5_CMD_OP_RST2INIT_QP, 0, qpc), 0);
	assert_int_equal(qp->rsp.access, SOFT_REMOTE_READ | SOFT_REMOTE_WRITE);
	assert_int_equal(qp->remote_qpn, 0);
	assert_int_equal(qp->av.dlid, 0);
	/* Without its bit in the mask nothing is taken, with it the zero is. */
	assert_int_equal(qp_modify(b, MLX5_CMD_OP_INIT2INIT_QP, 0, zero), 0);
	assert_int_equal(qp->rsp.access, SOFT_REMOTE_READ | SOFT_REMOTE_WRITE);
	assert_int_equal(qp_modify(b, MLX5_CMD_OP_INIT2INIT_QP, MLX5_QP_OPTPAR_RRE, zero), 0);
	assert_int_equal(qp->rsp.access, SOFT_REMOTE_WRITE);

	assert_int_equal(qp_modify(b, MLX5_CMD_OP_INIT2RTR_QP, 0, qpc), 0);
	assert_int_equal(qp->remote_qpn, 0x123456);
	assert_int_equal(qp->av.dlid, 7);
	assert_int_equal(qp->av.sl, 5);
	assert_int_equal(qp->mtu, 1024);
	assert_int_equal(qp->rsp.psn, 0x111111);
	assert_int_equal(qp->rsp.min_rnr, 12);
	assert_int_equal(qp->rsp.access, SOFT_REMOTE_WRITE);
	assert_int_equal(qp->req.psn, 0);
	assert_int_equal(qp->req.ack_timeout, 0);

	/* RTR2RTS carries no path: what came before stays. */
	MLX5_SET(qpc, qpc, primary_address_path.rlid, 0);
	MLX5_SET(qpc, qpc, mtu, 0);
	assert_int_equal(qp_modify(b, MLX5_CMD_OP_RTR2RTS_QP, 0, qpc), 0);
	assert_int_equal(qp->av.dlid, 7);
	assert_int_equal(qp->mtu, 1024);
	assert_int_equal(qp->req.psn, 0x222222);
	assert_int_equal(qp->req.ack_timeout, 14);
	assert_int_equal(qp->req.retry_count, 7);
	assert_int_equal(qp->req.rnr_retry, 6);

	assert_int_equal(qp_modify(b, MLX5_CMD_OP_RTS2RTS_QP, MLX5_QP_OPTPAR_RNR_TIMEOUT, zero),
			 0);
	assert_int_equal(qp->rsp.min_rnr, 0);
	qp_destroy(b);
	bench_destroy(b);
}

/* Change one thing of a good context; the transition refuses it and changes nothing. */
#define REFUSES(b, op, syn, typ, ptr, field, value) do {			\
	u8 before[MLX5_ST_SZ_BYTES(qpc)];					\
	u8 qpc[MLX5_ST_SZ_BYTES(qpc)] __aligned(8);				\
	void *ads = MLX5_ADDR_OF(qpc, qpc, primary_address_path);		\
	u8 was = (b)->qp->state;						\
										\
	(void)ads;								\
	good_context(qpc);							\
	MLX5_SET(typ, ptr, field, value);					\
	memcpy(before, (b)->qp->attr, sizeof(before));				\
	assert_int_equal(qp_modify(b, MLX5_CMD_OP_##op, 0, qpc), MHCA_SYN_##syn); \
	assert_int_equal((b)->qp->state, was);					\
	assert_memory_equal(before, (b)->qp->attr, sizeof(before));		\
} while (0)

static void bad_attributes_are_refused(void **state)
{
	struct bench *b = bench_create();

	qp_new(b, MLX5_QP_ST_RC);
	REFUSES(b, RST2INIT_QP, PORT, ads, ads, vhca_port_num, 2);
	REFUSES(b, RST2INIT_QP, INDEX, ads, ads, pkey_index, MHCA_PKEY_TABLE);
	REFUSES(b, RST2INIT_QP, QP_ATTR, qpc, qpc, pm_state, 0);
	REFUSES(b, RST2INIT_QP, QP_ATTR, qpc, qpc, deth_sqpn, 1);
	REFUSES(b, RST2INIT_QP, QP_ATTR, qpc, qpc, atomic_mode, 4);
	bring_to(b, MLX5_QP_STATE_INIT);
	REFUSES(b, INIT2RTR_QP, QP_ATTR, qpc, qpc, mtu, 0);
	REFUSES(b, INIT2RTR_QP, QP_ATTR, qpc, qpc, mtu, 6);
	REFUSES(b, INIT2RTR_QP, QP_ATTR, qpc, qpc, log_msg_max, 31);
	REFUSES(b, INIT2RTR_QP, QP_ATTR, qpc, qpc, log_rra_max, 7);
	REFUSES(b, INIT2RTR_QP, QP_ATTR, ads, ads, rlid, 0xc000);
	/* Parameters that this service or this edge does not have. */
	assert_int_equal(qp_modify(b, MLX5_CMD_OP_INIT2RTR_QP, MLX5_QP_OPTPAR_ALT_ADDR_PATH,
				   b->qp->attr), MHCA_SYN_QP_ATTR);
	assert_int_equal(qp_modify(b, MLX5_CMD_OP_INIT2RTR_QP, 1U << 31, b->qp->attr),
			 MHCA_SYN_QP_ATTR);
	qp_destroy(b);
	bench_destroy(b);
}

static void reset_forgets(void **state)
{
	struct bench *b = bench_create();
	__be32 *record = b->record_page[0];
	struct soft_qp *qp;

	qp_new(b, MLX5_QP_ST_RC);
	qp = b->qp;
	bring_to(b, MLX5_QP_STATE_RTS);
	record[0] = cpu_to_be32(3);
	qp->req.consumer = 8;
	qp->rsp.consumer = 2;
	qp->req.busy = true;
	qp->rsp.busy = true;
	assert_int_equal(qp_modify(b, MLX5_CMD_OP_2RST_QP, 0, NULL), 0);
	assert_int_equal(qp->req.consumer, 0);
	assert_int_equal(qp->rsp.consumer, 0);
	assert_int_equal(qp->req.psn, 0);
	assert_false(qp->req.busy || qp->rsp.busy || qp->rsp.dead || qp->req.waiting);
	assert_true(list_empty(&qp->base.active_node) && list_empty(&qp->base.err_node));
	/* Nothing was completed: the CQ's producer has not moved. */
	assert_int_equal(b->cq.pi, 0);
	qp_destroy(b);
	bench_destroy(b);
}

/* CREATE_QP's geometry: one change of a good input, one refusal. */
static void geometry_is_checked(void **state)
{
	static const struct {
		u8 log_rq, stride, log_sq, offset;
		enum mhca_syndrome syndrome;
	} rows[] = {
		{ 4, 1, 4, 0, MHCA_SYN_NONE },
		{ 4, 3, 6, 0, MHCA_SYN_NONE },		/* 2 KiB + 4 KiB */
		{ 6, 2, 6, 0, MHCA_SYN_NONE },		/* 4 KiB + 4 KiB: all of it */
		{ 6, 2, 6, 1, MHCA_SYN_PAGE_LIST },	/* 64 bytes too much */
		{ 6, 3, 6, 0, MHCA_SYN_PAGE_LIST },
		{ 15, 5, 4, 0, MHCA_SYN_PAGE_LIST },
		{ 4, 6, 4, 0, MHCA_SYN_QUEUE_SIZE },
		{ 4, 7, 4, 0, MHCA_SYN_QUEUE_SIZE },
		{ 4, 1, 15, 63, MHCA_SYN_PAGE_LIST },
	};
	struct bench *b = bench_create();
	u8 in[IN_BYTES] __aligned(8);
	void *qpc = MLX5_ADDR_OF(create_qp_in, in, qpc);
	u32 i;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		memset(in, 0, sizeof(in));
		MLX5_SET(qpc, qpc, st, MLX5_QP_ST_RC);
		MLX5_SET(qpc, qpc, log_rq_size, rows[i].log_rq);
		MLX5_SET(qpc, qpc, log_rq_stride, rows[i].stride);
		MLX5_SET(qpc, qpc, log_sq_size, rows[i].log_sq);
		MLX5_SET(qpc, qpc, page_offset, rows[i].offset);
		assert_int_equal(qp_create(b, MLX5_QP_ST_RC, in), rows[i].syndrome);
		if (b->qp)
			qp_destroy(b);
	}
	memset(in, 0, sizeof(in));
	MLX5_SET(qpc, qpc, st, MLX5_QP_ST_DCI);
	assert_int_equal(qp_create(b, MLX5_QP_ST_DCI, in), MHCA_SYN_QP_TYPE);
	MLX5_SET(qpc, qpc, st, 0xff);
	assert_int_equal(qp_create(b, 0xff, in), MHCA_SYN_QP_TYPE);
	bench_destroy(b);
}

static void timers_come_out_in_order(void **state)
{
	struct soft_timers timers = { 0 };
	struct mutex lock;
	struct soft_timer t[300] = { 0 };
	struct soft_timer *popped;
	u32 i, seed = 1, n = 0;
	u64 last = 0;

	mutex_init(&lock);
	for (i = 0; i < ARRAY_SIZE(t); i++)
		assert_int_equal(soft_timers_reserve(&timers, &lock), 0);
	for (i = 0; i < 3 * ARRAY_SIZE(t); i++) {
		seed = seed * 1103515245 + 12345;
		soft_timer_arm(&timers, &t[i % ARRAY_SIZE(t)], (seed >> 8) % 1000);
	}
	for (i = 0; i < ARRAY_SIZE(t); i += 3)
		soft_timer_cancel(&timers, &t[i]);
	assert_int_equal(timers.n, 200);
	for (i = 0; i < 2; i++) {
		u64 now = i ? U64_MAX : 500;

		while ((popped = soft_timer_pop(&timers, now))) {
			assert_true(popped->deadline >= last && popped->deadline <= now);
			assert_int_equal(popped->pos, 0);
			assert_true((popped - t) % 3);
			last = popped->deadline;
			n++;
		}
	}
	assert_int_equal(n, 200);
	assert_int_equal(timers.n, 0);
	for (i = 0; i < ARRAY_SIZE(t); i++)
		soft_timers_release(&timers);
	assert_int_equal(timers.reserved, 0);
	soft_timers_free(&timers);
	mutex_destroy(&lock);
}

static void count_one(struct soft_qp *to, void *arg)
{
	++*(u32 *)arg;
}

/* How many QPs a datagram to @gid gets to, @most at once. */
static u32 members(struct bench *b, const u8 gid[16], u32 most)
{
	struct soft_mcast_at at = { 0 };
	u32 n = 0, left;
	bool all;
	int idx;

	do {
		idx = srcu_read_lock(&b->hca.srcu);
		left = most;
		all = soft_mcast_walk(b->qp->base.si, gid, &at, &left, count_one, &n);
		srcu_read_unlock(&b->hca.srcu, idx);
	} while (!all);
	assert_int_equal(at.reached, !!n);
	return n;
}

static void groups_hold_who_attached(void **state)
{
	static const u8 gid[16] = { 0xff, 0x12, 1, 2, 3 }, other[16] = { 0xff, 0x12, 9 };
	struct bench *b = bench_create();
	struct soft_qp *first;

	qp_new(b, MLX5_QP_ST_RC);
	assert_int_equal(soft_mcast_attach(&b->qp->base.obj, gid), MHCA_SYN_QP_TYPE);
	qp_destroy(b);
	qp_new(b, MLX5_QP_ST_UD);
	assert_int_equal(soft_mcast_detach(&b->qp->base.obj, gid), MHCA_SYN_MCG);
	assert_int_equal(soft_mcast_attach(&b->qp->base.obj, gid), MHCA_SYN_NONE);
	assert_int_equal(soft_mcast_attach(&b->qp->base.obj, gid), MHCA_SYN_NONE);
	assert_int_equal(soft_mcast_attach(&b->qp->base.obj, other), MHCA_SYN_NONE);
	first = b->qp;
	qp_new(b, MLX5_QP_ST_UD);
	assert_int_equal(soft_mcast_attach(&b->qp->base.obj, gid), MHCA_SYN_NONE);
	assert_int_equal(members(b, gid, 10), 2);
	assert_int_equal(members(b, gid, 2), 2);
	assert_int_equal(members(b, gid, 1), 2);
	assert_int_equal(soft_mcast_detach(&b->qp->base.obj, gid), MHCA_SYN_NONE);
	assert_int_equal(members(b, gid, 1), 1);
	qp_destroy(b);
	b->qp = first;
	assert_int_equal(b->hca.mcast->n, 2);
	assert_int_equal(members(b, other, 1), 1);
	qp_destroy(b);
	assert_int_equal(b->hca.mcast->n, 0);
	bench_destroy(b);
}

/* As many groups as the guest is told, in a table that grows and shrinks. */
static void groups_are_bounded(void **state)
{
	const u32 most = 1U << MHCA_LOG_MAX_MCG;
	struct bench *b = bench_create();
	u8 gid[16] = { 0xff, 0x12 };
	u32 i;

	qp_new(b, MLX5_QP_ST_UD);
	for (i = 0; i < most; i++) {
		put_unaligned_be32(i, gid + 12);
		assert_int_equal(soft_mcast_attach(&b->qp->base.obj, gid), MHCA_SYN_NONE);
	}
	put_unaligned_be32(most, gid + 12);
	assert_int_equal(soft_mcast_attach(&b->qp->base.obj, gid), MHCA_SYN_QUOTA);
	assert_int_equal(b->hca.mcast->n, most);
	for (i = 0; i < most; i += 7) {
		put_unaligned_be32(i, gid + 12);
		assert_int_equal(members(b, gid, 1), 1);
		assert_int_equal(soft_mcast_detach(&b->qp->base.obj, gid), MHCA_SYN_NONE);
		assert_int_equal(members(b, gid, 1), 0);
	}
	for (i = 1; i < most - 3; i++) {
		put_unaligned_be32(i, gid + 12);
		assert_int_equal(members(b, gid, 1), !!(i % 7));
		assert_int_equal(soft_mcast_detach(&b->qp->base.obj, gid),
				 i % 7 ? MHCA_SYN_NONE : MHCA_SYN_MCG);
	}
	for (; i < most; i++) {
		put_unaligned_be32(i, gid + 12);
		assert_int_equal(members(b, gid, 1), !!(i % 7));
	}
	qp_destroy(b);
	assert_int_equal(b->hca.mcast->n, 0);
	bench_destroy(b);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_edge_of_every_service),
		cmocka_unit_test(attributes_come_with_their_transition),
		cmocka_unit_test(bad_attributes_are_refused),
		cmocka_unit_test(reset_forgets),
		cmocka_unit_test(geometry_is_checked),
		cmocka_unit_test(timers_come_out_in_order),
		cmocka_unit_test(groups_hold_who_attached),
		cmocka_unit_test(groups_are_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
