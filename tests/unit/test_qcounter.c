// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Q counter sets: what guests show as hw_counters, counted by whom it happens to. */
#include "fixture.h"

#define TO	(BUF_BYTES / 2)

static u32 sets[WORLD_GUESTS];

static u32 alloc_set(struct guest *g)
{
	u32 in[MLX5_ST_SZ_DW(alloc_q_counter_in)] = { 0 };
	u32 out[MLX5_ST_SZ_DW(alloc_q_counter_out)];

	MLX5_SET(alloc_q_counter_in, in, opcode, MLX5_CMD_OP_ALLOC_Q_COUNTER);
	assert_ok(client_exec(&g->c, in, sizeof(in), out, sizeof(out)));
	return MLX5_GET(alloc_q_counter_out, out, counter_set_id);
}

static void dealloc_set(struct guest *g, u32 set)
{
	u32 in[MLX5_ST_SZ_DW(dealloc_q_counter_in)] = { 0 };
	u32 out[MLX5_ST_SZ_DW(dealloc_q_counter_out)];

	MLX5_SET(dealloc_q_counter_in, in, opcode, MLX5_CMD_OP_DEALLOC_Q_COUNTER);
	MLX5_SET(dealloc_q_counter_in, in, counter_set_id, set);
	assert_ok(client_exec(&g->c, in, sizeof(in), out, sizeof(out)));
}

static const void *ask(struct guest *g, u32 set, bool clear)
{
	static u32 out[MLX5_ST_SZ_DW(query_q_counter_out)];
	u32 in[MLX5_ST_SZ_DW(query_q_counter_in)] = { 0 };

	MLX5_SET(query_q_counter_in, in, opcode, MLX5_CMD_OP_QUERY_Q_COUNTER);
	MLX5_SET(query_q_counter_in, in, clear, clear);
	MLX5_SET(query_q_counter_in, in, counter_set_id, set);
	assert_ok(client_exec(&g->c, in, sizeof(in), out, sizeof(out)));
	return out;
}

#define Q(w, i, name)	MLX5_GET(query_q_counter_out, ask(&(w)->g[i], sets[i], false), name)

static int setup(void **state)
{
	struct world *w;
	u32 i;

	world_setup(state);
	w = *state;
	for (i = 0; i < WORLD_GUESTS; i++)
		sets[i] = alloc_set(&w->g[i]);
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;
	u32 i;

	for (i = 0; i < WORLD_GUESTS; i++)
		if (sets[i])
			dealloc_set(&w->g[i], sets[i]);
	return world_teardown(state);
}

static void open_counted(struct world *w, struct pair *p, u32 rq_psn)
{
	struct client_modify m;
	u32 i;

	pair_create(p, MLX5_QP_ST_RC, &w->g[0], &w->g[1]);
	for (i = 0; i < 2; i++) {
		pair_modify(p, i, &m);
		m.counter_set = sets[i];
		m.retry = 1;
		m.ack_timeout = 8;
		if (i)
			m.rq_psn += rq_psn;
		assert_ok(client_connect_qp(&p->qp[i], &m));
	}
}

static void post(struct pair *p, u8 opcode, u32 len, u32 rkey)
{
	struct client_sge sge = sge_of(p->g[0], 0, len);
	struct client_send wr = {
		.opcode = opcode, .wr_id = 1, .flags = CLIENT_SIGNALED, .sge = &sge, .n_sge = 1,
		.remote_addr = (uintptr_t)p->g[1]->buf.va + TO, .rkey = rkey,
	};

	assert_ok(client_post_send(&p->qp[0], &wr));
}

static void requests(void **state)
{
	struct world *w = *state;
	struct pair p;
	u32 i;

	open_counted(w, &p, 0);
	for (i = 0; i < 6; i++) {
		post(&p, i < 3 ? MLX5_OPCODE_RDMA_WRITE : i < 5 ? MLX5_OPCODE_RDMA_READ :
		     MLX5_OPCODE_ATOMIC_FA, 8, w->g[1].key);
		expect_wc(w, &w->g[0].cq, 1, 0);
	}
	assert_int_equal(Q(w, 1, rx_write_requests), 3);
	assert_int_equal(Q(w, 1, rx_read_requests), 2);
	assert_int_equal(Q(w, 1, rx_atomic_requests), 1);
	assert_int_equal(Q(w, 0, rx_write_requests), 0);
	/* Read and cleared at once. */
	assert_int_equal(MLX5_GET(query_q_counter_out, ask(&w->g[1], sets[1], true),
				  rx_write_requests), 3);
	assert_int_equal(Q(w, 1, rx_write_requests), 0);
	pair_close(&p);
}

static void no_receive_wqe(void **state)
{
	struct world *w = *state;
	struct pair p;

	open_counted(w, &p, 0);
	post(&p, MLX5_OPCODE_SEND, 100, 0);
	settle(w);
	assert_int_equal(Q(w, 1, out_of_buffer), 1);
	assert_int_equal(Q(w, 0, rnr_nak_retry_err), 1);
	recv_one(&p, 1, 7, TO, 100);
	elapse(w, NSEC_PER_SEC);
	expect_wc(w, &w->g[1].cq, 7, 0);
	expect_wc(w, &w->g[0].cq, 1, 0);
	assert_int_equal(Q(w, 0, req_cqe_error), 0);
	assert_int_equal(Q(w, 1, resp_cqe_error), 0);
	pair_close(&p);
}

static void refused_and_flushed(void **state)
{
	struct world *w = *state;
	struct pair p;

	/* Too long for its receive WQE; two more are flushed at each end. */
	open_counted(w, &p, 0);
	recv_one(&p, 1, 7, TO, 50);
	recv_one(&p, 1, 8, TO, 50);
	post(&p, MLX5_OPCODE_SEND, 100, 0);
	post(&p, MLX5_OPCODE_SEND, 10, 0);
	expect_wc(w, &w->g[1].cq, 7, MLX5_CQE_SYNDROME_LOCAL_LENGTH_ERR);
	expect_wc(w, &w->g[1].cq, 8, MLX5_CQE_SYNDROME_WR_FLUSH_ERR);
	expect_wc(w, &w->g[0].cq, 1, MLX5_CQE_SYNDROME_REMOTE_INVAL_REQ_ERR);
	expect_wc(w, &w->g[0].cq, 1, MLX5_CQE_SYNDROME_WR_FLUSH_ERR);
	assert_int_equal(Q(w, 1, resp_local_length_error), 1);
	assert_int_equal(Q(w, 1, resp_cqe_error), 2);
	assert_int_equal(Q(w, 1, resp_cqe_flush_error), 1);
	assert_int_equal(Q(w, 0, req_remote_invalid_request), 1);
	assert_int_equal(Q(w, 0, req_cqe_error), 2);
	assert_int_equal(Q(w, 0, req_cqe_flush_error), 1);
	assert_int_equal(Q(w, 1, resp_remote_access_errors), 0);
	pair_close(&p);

	open_counted(w, &p, 0);
	post(&p, MLX5_OPCODE_RDMA_WRITE, 8, 0xdead00);
	expect_wc(w, &w->g[0].cq, 1, MLX5_CQE_SYNDROME_REMOTE_ACCESS_ERR);
	assert_int_equal(Q(w, 1, resp_remote_access_errors), 1);
	assert_int_equal(Q(w, 0, req_remote_access_errors), 1);
	assert_int_equal(Q(w, 1, rx_write_requests), 0);
	pair_close(&p);
}

/* Another PSN than is waited for: each try is seen at the responder, as lost packets would. */
static void out_of_step(void **state)
{
	struct world *w = *state;
	struct pair p;

	open_counted(w, &p, 0xffffff);	/* one less */
	post(&p, MLX5_OPCODE_RDMA_WRITE, 8, w->g[1].key);
	settle(w);
	assert_int_equal(Q(w, 1, out_of_sequence), 1);
	assert_int_equal(Q(w, 0, local_ack_timeout_err), 1);
	elapse(w, NSEC_PER_SEC);
	expect_wc(w, &w->g[0].cq, 1, MLX5_CQE_SYNDROME_TRANSPORT_RETRY_EXC_ERR);
	assert_int_equal(Q(w, 1, duplicate_request), 0);
	pair_close(&p);

	open_counted(w, &p, 1);
	post(&p, MLX5_OPCODE_RDMA_WRITE, 8, w->g[1].key);
	settle(w);
	assert_int_equal(Q(w, 1, duplicate_request), 1);
	elapse(w, NSEC_PER_SEC);
	expect_wc(w, &w->g[0].cq, 1, MLX5_CQE_SYNDROME_TRANSPORT_RETRY_EXC_ERR);
	pair_close(&p);
}

/* QPs may outlive the set that they name, and never count in another guest's. */
static void set_goes_first(void **state)
{
	struct world *w = *state;
	struct pair p;
	u32 i;

	open_counted(w, &p, 0);
	dealloc_set(&w->g[1], sets[1]);
	for (i = 0; i < 2; i++) {
		post(&p, MLX5_OPCODE_RDMA_WRITE, 8, w->g[1].key);
		expect_wc(w, &w->g[0].cq, 1, 0);
	}
	sets[1] = alloc_set(&w->g[1]);
	assert_int_equal(Q(w, 1, rx_write_requests), 0);
	assert_int_equal(Q(w, 0, rx_write_requests), 0);
	pair_close(&p);
}

/* What the capabilities name is there, on both kinds of port. */
static void capabilities(void **state)
{
	struct world *w = *state;
	const u8 *caps = w->g[0].c.caps;

	assert_int_equal(MLX5_GET(cmd_hca_cap, caps, max_qp_cnt), MHCA_MAX_QCOUNTER);
	assert_int_equal(MLX5_GET(cmd_hca_cap, caps, out_of_seq_cnt), 1);
	assert_int_equal(MLX5_GET(cmd_hca_cap, caps, retransmission_q_counters), 1);
	assert_int_equal(MLX5_GET(cmd_hca_cap, caps, enhanced_error_q_counters), 1);
}

#define set_test(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		set_test(requests),
		set_test(no_receive_wqe),
		set_test(refused_and_flushed),
		set_test(out_of_step),
		set_test(set_goes_first),
		set_test(capabilities),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
