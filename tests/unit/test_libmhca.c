// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * libmhca's verbs over the core in user space, with lanes and commands on threads:
 * objects, states, every opcode through the inline functions of verbs.h, events.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <poll.h>

#include <shim/control.h>
#include "vmm_user.h"
#include "provider.h"

#define MEM	(1UL << 20)
#define QKEY	0x11111111U

struct side {
	struct vmm_user *vmm;
	struct ibv_context *ctx;
	struct ibv_pd *pd;
	struct ibv_comp_channel *channel;
	struct ibv_cq *cq;
	struct ibv_mr *mr;
	u8 *mem;
	u16 lid;
};

struct two {
	struct soft_hca hca;
	struct side s[2];
};

static const struct soft_lane_params params = {
	.idle_us = 1000, .idle_polls = 100, .wqe_budget = 16, .byte_budget = 65536,
	.qp_polls = 8, .sweep = 8, .error_poll_ms = 1,
};

static void open_side(struct two *t, u32 i)
{
	const struct vmm_user_params vmm = { .threaded = true, .memory = 16UL << 20 };
	struct side *s = &t->s[i];
	struct ibv_port_attr port;

	s->vmm = vmm_user_create(&t->hca, &vmm, 0x0200000000000100ULL * (i + 1));
	assert_non_null(s->vmm);
	s->ctx = mhca_open_backend("user", &vmm_user_client_ops, s->vmm);
	assert_non_null(s->ctx);
	assert_int_equal(mhca_query_port(s->ctx, 1, &port), 0);
	assert_int_equal(port.state, IBV_PORT_ACTIVE);
	s->lid = port.lid;
	s->pd = mhca_alloc_pd(s->ctx);
	s->channel = mhca_create_comp_channel(s->ctx);
	assert_non_null(s->channel);
	s->cq = mhca_create_cq(s->ctx, 100, s, s->channel, 0);
	assert_non_null(s->cq);
	assert_int_equal(s->cq->cqe, 127);
	s->mem = mhca_alloc_memory(s->ctx, MEM);
	s->mr = mhca_reg_mr(s->pd, s->mem, MEM, IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_READ |
			    IBV_ACCESS_REMOTE_WRITE | IBV_ACCESS_REMOTE_ATOMIC);
	assert_non_null(s->mr);
}

static int setup(void **state)
{
	struct two *t = calloc(1, sizeof(*t));

	assert_int_equal(soft_hca_init(&t->hca, 2, &params), 0);
	assert_int_equal(lanes_start(&t->hca), 0);
	open_side(t, 0);
	open_side(t, 1);
	*state = t;
	return 0;
}

static int teardown(void **state)
{
	struct two *t = *state;
	int ret = 0;
	u32 i;

	for (i = 0; i < 2; i++) {
		struct side *s = &t->s[i];

		ret |= mhca_dereg_mr(s->mr);
		mhca_free_memory(s->ctx, s->mem, MEM);
		ret |= mhca_destroy_cq(s->cq);
		ret |= mhca_destroy_comp_channel(s->channel);
		ret |= mhca_dealloc_pd(s->pd);
		ret |= mhca_close(s->ctx);
		vmm_user_destroy(s->vmm);
	}
	lanes_stop(&t->hca);
	soft_hca_fini(&t->hca);
	shim_quiesce();
	free(t);
	return ret;
}

/* ---- QPs ------------------------------------------------------------------ */

static struct ibv_qp *create_qp(struct side *s, enum ibv_qp_type type, struct ibv_srq *srq)
{
	struct ibv_qp_init_attr init = {
		.send_cq = s->cq, .recv_cq = s->cq, .srq = srq, .qp_type = type,
		.cap = { .max_send_wr = 20, .max_recv_wr = 20, .max_send_sge = 2,
			 .max_recv_sge = 2, .max_inline_data = 60 },
	};
	struct ibv_qp *qp = mhca_create_qp(s->pd, &init);

	assert_non_null(qp);
	assert_true(init.cap.max_send_wr >= 20 && init.cap.max_inline_data >= 60);
	return qp;
}

static int init_mask(enum ibv_qp_type type)
{
	return IBV_QP_STATE | IBV_QP_PKEY_INDEX | IBV_QP_PORT |
	       (type == IBV_QPT_UD ? IBV_QP_QKEY : IBV_QP_ACCESS_FLAGS);
}

static void connect_qp(struct ibv_qp *qp, u32 remote, u16 lid)
{
	struct ibv_qp_attr attr = {
		.qp_state = IBV_QPS_INIT, .port_num = 1, .qkey = QKEY,
		.qp_access_flags = IBV_ACCESS_REMOTE_READ | IBV_ACCESS_REMOTE_WRITE |
				   IBV_ACCESS_REMOTE_ATOMIC,
		.path_mtu = IBV_MTU_1024, .dest_qp_num = remote, .rq_psn = 77, .sq_psn = 77,
		.max_dest_rd_atomic = 4, .max_rd_atomic = 4, .min_rnr_timer = 1,
		.timeout = 14, .retry_cnt = 7, .rnr_retry = 7,
		.ah_attr = { .dlid = lid, .port_num = 1 },
	};
	bool rc = qp->qp_type == IBV_QPT_RC;
	bool ud = qp->qp_type == IBV_QPT_UD;

	assert_int_equal(mhca_modify_qp(qp, &attr, init_mask(qp->qp_type)), 0);
	attr.qp_state = IBV_QPS_RTR;
	assert_int_equal(mhca_modify_qp(qp, &attr, IBV_QP_STATE |
		(ud ? 0 : IBV_QP_AV | IBV_QP_PATH_MTU | IBV_QP_DEST_QPN | IBV_QP_RQ_PSN) |
		(rc ? IBV_QP_MAX_DEST_RD_ATOMIC | IBV_QP_MIN_RNR_TIMER : 0)), 0);
	attr.qp_state = IBV_QPS_RTS;
	assert_int_equal(mhca_modify_qp(qp, &attr, IBV_QP_STATE | IBV_QP_SQ_PSN |
		(rc ? IBV_QP_TIMEOUT | IBV_QP_RETRY_CNT | IBV_QP_RNR_RETRY |
		 IBV_QP_MAX_QP_RD_ATOMIC : 0)), 0);
}

static void open_pair(struct two *t, enum ibv_qp_type type, struct ibv_srq *srq,
		      struct ibv_qp *qp[2])
{
	qp[0] = create_qp(&t->s[0], type, NULL);
	qp[1] = create_qp(&t->s[1], type, srq);
	connect_qp(qp[0], qp[1]->qp_num, t->s[1].lid);
	connect_qp(qp[1], qp[0]->qp_num, t->s[0].lid);
}

static void close_pair(struct ibv_qp *qp[2])
{
	assert_int_equal(mhca_destroy_qp(qp[0]), 0);
	assert_int_equal(mhca_destroy_qp(qp[1]), 0);
}

static struct ibv_wc next_wc(struct ibv_cq *cq)
{
	struct ibv_wc wc;
	u32 tries;

	for (tries = 0; tries < 20000; tries++) {
		if (ibv_poll_cq(cq, 1, &wc) == 1)
			return wc;
		usleep_range(100, 100);
	}
	fail_msg("no completion");
	return wc;
}

static struct ibv_sge sge_of(struct side *s, u64 at, u32 len)
{
	return (struct ibv_sge){ (uintptr_t)s->mem + at, len, s->mr->lkey };
}

static void post_recv(struct side *s, struct ibv_qp *qp, u64 wr_id, u64 at, u32 len)
{
	struct ibv_sge sge = sge_of(s, at, len);
	struct ibv_recv_wr wr = { .wr_id = wr_id, .sg_list = &sge, .num_sge = 1 };
	struct ibv_recv_wr *bad;

	assert_int_equal(ibv_post_recv(qp, &wr, &bad), 0);
}

static void pattern(u8 *at, u32 len, u32 seed)
{
	u32 i;

	for (i = 0; i < len; i++)
		at[i] = (u8)(i * 31 + (i >> 8) + seed);
}

/* ---- Tests ----------------------------------------------------------------- */

static void test_questions(void **state)
{
	struct two *t = *state;
	struct ibv_device_attr attr;
	union ibv_gid gid, other;
	__be16 pkey;

	assert_int_equal(mhca_query_device(t->s[0].ctx, &attr), 0);
	assert_true(attr.max_qp >= 1024 && attr.max_cqe > 1000 && attr.phys_port_cnt == 1);
	assert_int_equal(attr.atomic_cap, IBV_ATOMIC_HCA);
	assert_int_equal(mhca_query_gid(t->s[0].ctx, 1, 0, &gid), 0);
	assert_int_equal(mhca_query_gid(t->s[1].ctx, 1, 0, &other), 0);
	assert_memory_not_equal(&gid, &other, sizeof(gid));
	assert_int_equal(mhca_query_gid(t->s[0].ctx, 2, 0, &gid), -1);
	assert_int_equal(mhca_query_pkey(t->s[0].ctx, 1, 0, &pkey), 0);
	assert_int_equal(pkey, 0xffff);
	assert_null(mhca_open("no-such-instance"));
	assert_int_equal(errno, ENODEV);
	assert_null(mhca_open("../x"));
	assert_int_equal(errno, EINVAL);
}

static void test_rc_opcodes(void **state)
{
	static const struct {
		enum ibv_wr_opcode wr;
		enum ibv_wc_opcode wc;
		bool recv;
		u32 flags;
	} ops[] = {
		{ IBV_WR_RDMA_WRITE, IBV_WC_RDMA_WRITE, false, 0 },
		{ IBV_WR_RDMA_WRITE, IBV_WC_RDMA_WRITE, false, IBV_SEND_INLINE },
		{ IBV_WR_RDMA_WRITE_WITH_IMM, IBV_WC_RDMA_WRITE, true, 0 },
		{ IBV_WR_SEND, IBV_WC_SEND, true, IBV_SEND_FENCE },
		{ IBV_WR_SEND_WITH_IMM, IBV_WC_SEND, true, IBV_SEND_INLINE },
		{ IBV_WR_RDMA_READ, IBV_WC_RDMA_READ, false, 0 },
		{ IBV_WR_ATOMIC_FETCH_AND_ADD, IBV_WC_FETCH_ADD, false, 0 },
		{ IBV_WR_ATOMIC_CMP_AND_SWP, IBV_WC_COMP_SWAP, false, 0 },
	};
	struct two *t = *state;
	struct side *a = &t->s[0], *b = &t->s[1];
	struct ibv_qp *qp[2];
	u32 i;

	open_pair(t, IBV_QPT_RC, NULL, qp);
	for (i = 0; i < ARRAY_SIZE(ops); i++) {
		u32 len = ops[i].flags & IBV_SEND_INLINE ? 50 : 5000;
		struct ibv_sge sge[2] = { sge_of(a, 0, 8), sge_of(a, 8, len - 8) };
		struct ibv_send_wr *bad, wr = {
			.wr_id = i, .sg_list = sge, .num_sge = 2, .opcode = ops[i].wr,
			.send_flags = IBV_SEND_SIGNALED | ops[i].flags, .imm_data = 0x1234,
		};
		struct ibv_wc wc;
		u64 old;

		pattern(a->mem, len, i);
		pattern(b->mem + 0x10000, 5000, 100 + i);
		memcpy(&old, b->mem + 0x10000, 8);
		if (ops[i].recv)
			post_recv(b, qp[1], 50 + i, 0x10000, 8000);
		if (ops[i].wr == IBV_WR_ATOMIC_FETCH_AND_ADD ||
		    ops[i].wr == IBV_WR_ATOMIC_CMP_AND_SWP) {
			wr.num_sge = 1;
			wr.wr.atomic.remote_addr = (uintptr_t)b->mem + 0x10000;
			wr.wr.atomic.rkey = b->mr->rkey;
			wr.wr.atomic.compare_add = ops[i].wr == IBV_WR_ATOMIC_CMP_AND_SWP ? old : 7;
			wr.wr.atomic.swap = 42;
		} else {
			wr.wr.rdma.remote_addr = (uintptr_t)b->mem + 0x10000;
			wr.wr.rdma.rkey = b->mr->rkey;
		}
		assert_int_equal(ibv_post_send(qp[0], &wr, &bad), 0);
		wc = next_wc(a->cq);
		assert_int_equal(wc.status, IBV_WC_SUCCESS);
		assert_int_equal(wc.wr_id, i);
		assert_int_equal(wc.opcode, ops[i].wc);
		assert_int_equal(wc.qp_num, qp[0]->qp_num);
		if (ops[i].recv) {
			wc = next_wc(b->cq);
			assert_int_equal(wc.wr_id, 50 + i);
			assert_int_equal(wc.byte_len, len);
			assert_int_equal(!!(wc.wc_flags & IBV_WC_WITH_IMM),
					 ops[i].wr != IBV_WR_SEND);
			if (wc.wc_flags & IBV_WC_WITH_IMM)
				assert_int_equal(wc.imm_data, 0x1234);
		}
		if (wr.num_sge == 2)
			assert_memory_equal(a->mem, b->mem + 0x10000, len);
		else
			assert_memory_equal(a->mem, &old, 8);
		if (ops[i].wr == IBV_WR_ATOMIC_FETCH_AND_ADD)
			assert_int_equal(*(u64 *)(b->mem + 0x10000), old + 7);
		if (ops[i].wr == IBV_WR_ATOMIC_CMP_AND_SWP)
			assert_int_equal(*(u64 *)(b->mem + 0x10000), 42);
	}
	close_pair(qp);
}

static void test_ud(void **state)
{
	struct two *t = *state;
	struct side *a = &t->s[0], *b = &t->s[1];
	struct ibv_ah_attr attr = { .dlid = b->lid, .port_num = 1 };
	struct ibv_ah *ah = mhca_create_ah(a->pd, &attr);
	struct ibv_sge sge = sge_of(a, 0, 1000);
	struct ibv_send_wr *bad, wr = {
		.sg_list = &sge, .num_sge = 1, .opcode = IBV_WR_SEND,
		.send_flags = IBV_SEND_SIGNALED,
	};
	struct ibv_qp *qp[2];
	struct ibv_wc wc;

	open_pair(t, IBV_QPT_UD, NULL, qp);
	pattern(a->mem, 1000, 9);
	post_recv(b, qp[1], 3, 0, 2000);
	wr.wr.ud.ah = ah;
	wr.wr.ud.remote_qpn = qp[1]->qp_num;
	wr.wr.ud.remote_qkey = QKEY;
	assert_int_equal(ibv_post_send(qp[0], &wr, &bad), 0);
	assert_int_equal(next_wc(a->cq).status, IBV_WC_SUCCESS);
	wc = next_wc(b->cq);
	assert_int_equal(wc.byte_len, 1040);
	assert_int_equal(wc.src_qp, qp[0]->qp_num);
	assert_int_equal(wc.slid, a->lid);
	assert_memory_equal(b->mem + 40, a->mem, 1000);
	wr.opcode = IBV_WR_RDMA_WRITE;
	assert_int_equal(ibv_post_send(qp[0], &wr, &bad), EINVAL);
	assert_ptr_equal(bad, &wr);
	assert_int_equal(mhca_destroy_ah(ah), 0);
	close_pair(qp);
}

static void test_lists_and_full_queues(void **state)
{
	struct two *t = *state;
	struct side *a = &t->s[0], *b = &t->s[1];
	struct ibv_sge sge = sge_of(a, 0, 8);
	struct ibv_send_wr wr[80] = { 0 }, *bad = NULL;
	struct ibv_qp *qp[2];
	u32 i;
	u32 posted;

	open_pair(t, IBV_QPT_UC, NULL, qp);
	for (i = 0; i < 80; i++) {
		wr[i].wr_id = i;
		wr[i].next = i < 79 ? &wr[i + 1] : NULL;
		wr[i].sg_list = &sge;
		wr[i].num_sge = 1;
		wr[i].opcode = IBV_WR_RDMA_WRITE;
		wr[i].send_flags = IBV_SEND_SIGNALED;
		wr[i].wr.rdma.remote_addr = (uintptr_t)b->mem;
		wr[i].wr.rdma.rkey = b->mr->rkey;
	}
	assert_int_equal(ibv_post_send(qp[0], wr, &bad), ENOMEM);
	assert_non_null(bad);
	posted = (u32)(bad - wr);
	assert_true(posted >= 20);
	for (i = 0; i < posted; i++)
		assert_int_equal(next_wc(a->cq).wr_id, i);
	/* Three at once with one doorbell. */
	wr[2].next = NULL;
	assert_int_equal(ibv_post_send(qp[0], wr, &bad), 0);
	for (i = 0; i < 3; i++)
		assert_int_equal(next_wc(a->cq).wr_id, i);
	wr[0].num_sge = 9;
	assert_int_equal(ibv_post_send(qp[0], wr, &bad), EINVAL);
	assert_ptr_equal(bad, &wr[0]);
	close_pair(qp);
}

static void test_completion_events(void **state)
{
	struct two *t = *state;
	struct side *a = &t->s[0], *b = &t->s[1];
	struct pollfd p = { .fd = b->channel->fd, .events = POLLIN };
	struct ibv_sge sge = sge_of(a, 0, 8);
	struct ibv_send_wr *bad, wr = { .sg_list = &sge, .num_sge = 1, .opcode = IBV_WR_SEND };
	struct ibv_qp *qp[2];
	struct ibv_cq *cq;
	void *context;
	u32 i;

	open_pair(t, IBV_QPT_RC, NULL, qp);
	for (i = 0; i < 20; i++) {
		post_recv(b, qp[1], i, 0, 8);
		assert_int_equal(ibv_req_notify_cq(b->cq, 0), 0);
		assert_int_equal(poll(&p, 1, 0), 0);
		assert_int_equal(ibv_post_send(qp[0], &wr, &bad), 0);
		assert_int_equal(poll(&p, 1, 5000), 1);
		assert_int_equal(mhca_get_cq_event(b->channel, &cq, &context), 0);
		assert_ptr_equal(cq, b->cq);
		assert_ptr_equal(context, b);
		mhca_ack_cq_events(cq, 1);
		assert_int_equal(next_wc(b->cq).wr_id, i);
	}
	/* Without an arm there is none. */
	fcntl(p.fd, F_SETFL, fcntl(p.fd, F_GETFL) | O_NONBLOCK);
	post_recv(b, qp[1], i, 0, 8);
	assert_int_equal(ibv_post_send(qp[0], &wr, &bad), 0);
	next_wc(b->cq);
	assert_int_equal(mhca_get_cq_event(b->channel, &cq, &context), -1);
	assert_int_equal(errno, EAGAIN);
	assert_int_equal(mhca_destroy_comp_channel(b->channel), EBUSY);
	close_pair(qp);
}

static void test_srq(void **state)
{
	struct two *t = *state;
	struct side *a = &t->s[0], *b = &t->s[1];
	struct ibv_srq_init_attr init = { .attr = { .max_wr = 10, .max_sge = 2 } };
	struct ibv_srq *srq = mhca_create_srq(b->pd, &init);
	struct ibv_srq_attr attr = { .srq_limit = 3 };
	struct ibv_sge from = sge_of(a, 0, 8), to = sge_of(b, 0, 64);
	struct ibv_send_wr *bad, wr = { .sg_list = &from, .num_sge = 1, .opcode = IBV_WR_SEND,
					.send_flags = IBV_SEND_SIGNALED };
	struct ibv_recv_wr *bad_recv, recv = { .sg_list = &to, .num_sge = 1 };
	struct ibv_async_event event;
	struct ibv_qp *qp[2];
	u32 lap;
	u32 i;

	assert_non_null(srq);
	assert_true(init.attr.max_wr >= 10);
	open_pair(t, IBV_QPT_RC, srq, qp);
	/* Laps of the free list. */
	for (lap = 0; lap < 5; lap++) {
		for (i = 0; i < init.attr.max_wr; i++) {
			recv.wr_id = lap * 100 + i;
			assert_int_equal(ibv_post_srq_recv(srq, &recv, &bad_recv), 0);
		}
		assert_int_equal(ibv_post_srq_recv(srq, &recv, &bad_recv), ENOMEM);
		for (i = 0; i < init.attr.max_wr; i++) {
			assert_int_equal(ibv_post_send(qp[0], &wr, &bad), 0);
			assert_int_equal(next_wc(b->cq).wr_id, lap * 100 + i);
			assert_int_equal(next_wc(a->cq).status, IBV_WC_SUCCESS);
		}
	}
	for (i = 0; i < 4; i++)
		assert_int_equal(ibv_post_srq_recv(srq, &recv, &bad_recv), 0);
	assert_int_equal(mhca_modify_srq(srq, &attr, IBV_SRQ_LIMIT), 0);
	for (i = 0; i < 2; i++)
		assert_int_equal(ibv_post_send(qp[0], &wr, &bad), 0);
	do {
		assert_int_equal(mhca_get_async_event(b->ctx, &event), 0);
		mhca_ack_async_event(&event);
	} while (event.event_type == IBV_EVENT_COMM_EST);
	assert_int_equal(event.event_type, IBV_EVENT_SRQ_LIMIT_REACHED);
	assert_ptr_equal(event.element.srq, srq);
	assert_int_equal(mhca_query_srq(srq, &attr), 0);
	assert_int_equal(attr.srq_limit, 0);
	assert_int_equal(mhca_destroy_srq(srq), EBUSY);
	/* Its completions go with the QP, and their entries back to the SRQ. */
	close_pair(qp);
	assert_int_equal(to_srq(srq)->raw.free, 16 - 2);
	assert_int_equal(mhca_destroy_srq(srq), 0);
}

/* After destroy and reset nothing of a QP is polled; others keep theirs, in order. */
static void test_no_completion_after_destroy(void **state)
{
	struct two *t = *state;
	struct side *b = &t->s[1];
	struct ibv_qp *keep = create_qp(b, IBV_QPT_RC, NULL);
	struct ibv_qp *gone = create_qp(b, IBV_QPT_RC, NULL);
	struct ibv_qp_attr attr = { .qp_state = IBV_QPS_ERR };
	struct ibv_wc wc;
	u32 i;

	connect_qp(keep, keep->qp_num, b->lid);
	connect_qp(gone, gone->qp_num, b->lid);
	for (i = 0; i < 10; i++) {
		post_recv(b, keep, i, 0, 8);
		post_recv(b, gone, 100 + i, 0, 8);
	}
	assert_int_equal(mhca_modify_qp(keep, &attr, IBV_QP_STATE), 0);
	for (i = 0; i < 10000 && !client_peek_cq(&to_cq(b->cq)->raw); i++)
		usleep_range(100, 100);
	assert_int_equal(mhca_modify_qp(gone, &attr, IBV_QP_STATE), 0);
	usleep_range(20000, 20000);
	assert_int_equal(mhca_destroy_qp(gone), 0);
	for (i = 0; i < 10; i++) {
		wc = next_wc(b->cq);
		assert_int_equal(wc.status, IBV_WC_WR_FLUSH_ERR);
		assert_int_equal(wc.wr_id, i);
	}
	assert_int_equal(ibv_poll_cq(b->cq, 1, &wc), 0);
	for (i = 0; i < 3; i++)
		post_recv(b, keep, i, 0, 8);
	usleep_range(150000, 150000);
	attr.qp_state = IBV_QPS_RESET;
	assert_int_equal(mhca_modify_qp(keep, &attr, IBV_QP_STATE), 0);
	assert_int_equal(ibv_poll_cq(b->cq, 1, &wc), 0);
	assert_int_equal(mhca_destroy_qp(keep), 0);
}

static void test_mistakes(void **state)
{
	struct two *t = *state;
	struct side *a = &t->s[0];
	struct ibv_qp_init_attr init = { .send_cq = a->cq, .recv_cq = a->cq,
					 .qp_type = IBV_QPT_RAW_PACKET };
	struct ibv_qp *qp = create_qp(a, IBV_QPT_RC, NULL);
	struct ibv_qp_attr attr = { .qp_state = IBV_QPS_INIT, .port_num = 1 };
	struct ibv_sge sge = sge_of(a, 0, 8);
	struct ibv_send_wr *bad, wr = { .sg_list = &sge, .num_sge = 1, .opcode = IBV_WR_SEND };
	u8 own[64];

	assert_null(mhca_create_qp(a->pd, &init));
	assert_int_equal(errno, EOPNOTSUPP);
	init.qp_type = IBV_QPT_RC;
	init.cap.max_send_wr = 1;
	init.cap.max_inline_data = 5000;
	assert_null(mhca_create_qp(a->pd, &init));
	assert_int_equal(errno, EINVAL);
	assert_null(mhca_reg_mr(a->pd, own, sizeof(own), IBV_ACCESS_LOCAL_WRITE));
	assert_int_equal(errno, EOPNOTSUPP);
	assert_null(mhca_reg_mr(a->pd, a->mem, 100, IBV_ACCESS_REMOTE_WRITE));
	assert_int_equal(errno, EINVAL);
	assert_null(mhca_create_cq(a->ctx, 0, NULL, NULL, 0));
	assert_int_equal(errno, EINVAL);
	assert_int_equal(mhca_dealloc_pd(a->pd), EBUSY);
	assert_int_equal(mhca_destroy_cq(a->cq), EBUSY);
	/* A transition that leaves out what it must say, and one there is not. */
	assert_int_equal(mhca_modify_qp(qp, &attr, IBV_QP_STATE | IBV_QP_PORT), EINVAL);
	attr.qp_state = IBV_QPS_RTS;
	assert_int_equal(mhca_modify_qp(qp, &attr, IBV_QP_STATE | IBV_QP_SQ_PSN), EINVAL);
	assert_int_equal(qp->state, IBV_QPS_RESET);
	assert_int_equal(ibv_post_send(qp, &wr, &bad), EINVAL);
	assert_int_equal(mhca_destroy_qp(qp), 0);
}

static void test_resize(void **state)
{
	struct two *t = *state;
	struct side *b = &t->s[1];
	struct ibv_qp *qp = create_qp(b, IBV_QPT_RC, NULL);
	struct ibv_qp_attr attr = { .qp_state = IBV_QPS_ERR };
	struct ibv_qp_init_attr init;
	u32 i;

	connect_qp(qp, qp->qp_num, b->lid);
	assert_int_equal(mhca_query_qp(qp, &attr, 0, &init), 0);
	assert_int_equal(attr.qp_state, IBV_QPS_RTS);
	assert_int_equal(attr.dest_qp_num, qp->qp_num);
	assert_int_equal(attr.sq_psn, 77);
	assert_int_equal(attr.timeout, 14);
	for (i = 0; i < 20; i++)
		post_recv(b, qp, i, 0, 8);
	attr.qp_state = IBV_QPS_ERR;
	assert_int_equal(mhca_modify_qp(qp, &attr, IBV_QP_STATE), 0);
	for (i = 0; i < 20; i++) {
		assert_int_equal(next_wc(b->cq).wr_id, i);
		if (i == 5) {
			assert_int_equal(mhca_resize_cq(b->cq, 1000), 0);
			assert_int_equal(b->cq->cqe, 1023);
		}
	}
	assert_int_equal(mhca_resize_cq(b->cq, 1 << 30), EINVAL);
	assert_int_equal(mhca_destroy_qp(qp), 0);
}

/* Two threads on one CQ and one QP: every completion reaches exactly one of them. */
struct poster {
	struct two *t;
	struct ibv_qp *qp;
	pthread_t thread;
	u64 sum;
	u32 got;
};

static u32 threads_done;

static void *post_and_poll(void *arg)
{
	struct poster *p = arg;
	struct side *a = &p->t->s[0], *b = &p->t->s[1];
	struct ibv_sge sge = sge_of(a, 0, 8);
	struct ibv_send_wr *bad, wr = {
		.sg_list = &sge, .num_sge = 1, .opcode = IBV_WR_RDMA_WRITE,
		.send_flags = IBV_SEND_SIGNALED,
		.wr.rdma = { (uintptr_t)b->mem, b->mr->rkey },
	};
	struct ibv_wc wc[4];
	u32 posted = 0;
	int n;

	while (__atomic_load_n(&threads_done, __ATOMIC_ACQUIRE) < 4000) {
		wr.wr_id = posted + 1;
		if (posted < 2000 && !ibv_post_send(p->qp, &wr, &bad))
			posted++;
		n = ibv_poll_cq(a->cq, 4, wc);
		while (n-- > 0) {
			assert_int_equal(wc[n].status, IBV_WC_SUCCESS);
			p->sum += wc[n].wr_id;
			p->got++;
			__atomic_add_fetch(&threads_done, 1, __ATOMIC_ACQ_REL);
		}
	}
	return NULL;
}

static void test_two_threads(void **state)
{
	struct two *t = *state;
	struct poster p[2] = { { .t = t }, { .t = t } };
	struct ibv_qp *qp[2];
	u32 i;

	open_pair(t, IBV_QPT_RC, NULL, qp);
	threads_done = 0;
	for (i = 0; i < 2; i++) {
		p[i].qp = qp[0];
		assert_int_equal(pthread_create(&p[i].thread, NULL, post_and_poll, &p[i]), 0);
	}
	for (i = 0; i < 2; i++)
		pthread_join(p[i].thread, NULL);
	assert_int_equal(p[0].got + p[1].got, 4000);
	assert_int_equal(p[0].sum + p[1].sum, 2000ULL * 2001);
	close_pair(qp);
}

#define two_test(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		two_test(test_questions),
		two_test(test_rc_opcodes),
		two_test(test_ud),
		two_test(test_lists_and_full_queues),
		two_test(test_completion_events),
		two_test(test_srq),
		two_test(test_no_completion_after_destroy),
		two_test(test_mistakes),
		two_test(test_resize),
		two_test(test_two_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
