// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Completion queues: ownership, resize, arming, moderation, overrun; and EQs. */
#include "fixture.h"

/* A loop-back QP whose completions go to a CQ of the test's own. */
struct loop {
	struct guest *g;
	struct client_cq cq;
	struct client_qp qp[2];
};

static void loop_open(struct world *w, struct loop *l, const struct client_cq_attr *cq)
{
	struct client_qp_attr attr;
	struct client_modify m;
	u32 i;

	l->g = &w->g[0];
	assert_ok(client_create_cq(&l->g->c, cq, &l->cq));
	client_qp_attr_init(&attr, MLX5_QP_ST_RC, l->g->pd, &l->cq);
	for (i = 0; i < 2; i++) {
		attr.send_cq = i ? &l->g->cq : &l->cq;
		attr.recv_cq = attr.send_cq;
		attr.log_sq = 8;
		assert_ok(client_create_qp(&l->g->c, &attr, &l->qp[i]));
	}
	for (i = 0; i < 2; i++) {
		client_modify_init(&m);
		m.remote_qpn = l->qp[!i].qpn;
		m.path.dlid = l->g->c.lid;
		assert_ok(client_connect_qp(&l->qp[i], &m));
	}
}

static void loop_open_log(struct world *w, struct loop *l, u8 log_size)
{
	struct client_cq_attr cq;

	client_cq_attr_init(&cq, log_size);
	loop_open(w, l, &cq);
}

static void loop_close(struct loop *l)
{
	assert_ok(client_destroy_qp(&l->qp[0]));
	assert_ok(client_destroy_qp(&l->qp[1]));
	assert_ok(client_destroy_cq(&l->cq));
}

/* @n signalled NOPs: @n completions. */
static void complete_n(struct world *w, struct loop *l, u32 first, u32 n)
{
	struct client_send wr = { .opcode = MLX5_OPCODE_NOP, .flags = CLIENT_SIGNALED };
	u32 i;

	for (i = 0; i < n; i++) {
		wr.wr_id = first + i;
		assert_ok(client_post_send(&l->qp[0], &wr));
	}
	settle(w);
}

static void expect_n(struct world *w, struct loop *l, u32 first, u32 n)
{
	u32 i;

	for (i = 0; i < n; i++)
		expect_wc(w, &l->cq, first + i, 0);
}

/* Every size, more than three laps: each CQE is seen once, none too early. */
static void ownership_over_three_laps(void **state)
{
	struct world *w = *state;
	u8 log_size;

	for (log_size = 0; log_size <= 6; log_size++) {
		u32 size = 1U << log_size;
		struct loop l;
		u32 at;

		loop_open_log(w, &l, log_size);
		for (at = 0; at < 7 * size + 1; at++) {
			u32 n = at % size + 1;

			complete_n(w, &l, at * 100, n);
			expect_n(w, &l, at * 100, n);
			assert_null(client_peek_cq(&l.cq));
		}
		loop_close(&l);
	}
}

/* A cell gets its owner bit only together with its content. */
static void cells_are_never_half_written(void **state)
{
	struct world *w = *state;
	struct mlx5_cqe64 *cqe;
	struct loop l;
	u32 i;

	loop_open_log(w, &l, 4);
	for (i = 0; i < 40; i++) {
		memset(l.cq.mem.va + (i & 15) * 64, 0xee, 63);
		complete_n(w, &l, i, 1);
		cqe = client_peek_cq(&l.cq);
		assert_non_null(cqe);
		assert_int_equal(be16_to_cpu(cqe->wqe_counter), i);
		assert_int_equal(be32_to_cpu(cqe->sop_drop_qpn) & 0xffffff, l.qp[0].qpn);
		assert_int_equal(be32_to_cpu(cqe->srqn), l.qp[0].user_index);
		expect_n(w, &l, i, 1);
	}
	loop_close(&l);
}

static void kernel_style_cqes(void **state)
{
	struct world *w = *state;
	struct client_qp_attr attr;
	struct client_cq_attr cq_attr;
	struct client_modify m;
	struct client_send wr = { .opcode = MLX5_OPCODE_NOP, .flags = CLIENT_SIGNALED };
	struct client_cq cq;
	struct client_qp qp;

	client_cq_attr_init(&cq_attr, 4);
	cq_attr.kernel_style = true;
	assert_ok(client_create_cq(&w->g[0].c, &cq_attr, &cq));
	client_qp_attr_init(&attr, MLX5_QP_ST_RC, w->g[0].pd, &cq);
	attr.kernel_style = true;
	assert_ok(client_create_qp(&w->g[0].c, &attr, &qp));
	client_modify_init(&m);
	m.path.dlid = w->g[0].c.lid;
	m.remote_qpn = qp.qpn;
	assert_ok(client_connect_qp(&qp, &m));
	assert_ok(client_post_send(&qp, &wr));
	settle(w);
	assert_non_null(client_peek_cq(&cq));
	assert_int_equal(client_peek_cq(&cq)->srqn, 0);
	assert_ok(client_destroy_qp(&qp));
	assert_ok(client_destroy_cq(&cq));
}

/* ---- Resize ---------------------------------------------------------- */

static void resize_keeps_completions(void **state)
{
	static const struct {
		u8 from;
		u8 to;
		u32 waiting;
		u32 before;	/* completions consumed before, to move the counters */
	} cases[] = {
		{ 3, 6, 0, 0 }, { 3, 6, 5, 0 }, { 6, 3, 5, 0 }, { 3, 3, 4, 3 },
		{ 4, 5, 15, 13 }, { 5, 4, 14, 31 }, { 2, 7, 3, 6 }, { 7, 2, 3, 250 },
	};
	struct world *w = *state;
	u32 i;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		struct loop l;
		u32 at;

		loop_open_log(w, &l, cases[i].from);
		for (at = 0; at < cases[i].before; at++) {
			complete_n(w, &l, at, 1);
			expect_n(w, &l, at, 1);
		}
		complete_n(w, &l, 1000, cases[i].waiting);
		assert_ok(client_resize_cq(&l.cq, cases[i].to));
		complete_n(w, &l, 1000 + cases[i].waiting,
			   (1U << cases[i].to) - cases[i].waiting - 1);
		expect_n(w, &l, 1000, (1U << cases[i].to) - 1);
		/* And on, for two laps. */
		for (at = 0; at < 2U << cases[i].to; at++) {
			complete_n(w, &l, 5000 + at, 1);
			expect_n(w, &l, 5000 + at, 1);
		}
		loop_close(&l);
	}
}

static void resize_too_small_is_refused(void **state)
{
	struct world *w = *state;
	struct loop l;

	loop_open_log(w, &l, 5);
	complete_n(w, &l, 0, 10);
	assert_int_not_equal(client_resize_cq(&l.cq, 3), 0);
	expect_n(w, &l, 0, 10);
	complete_n(w, &l, 10, 20);
	expect_n(w, &l, 10, 20);
	loop_close(&l);
}

/* ---- Arming ---------------------------------------------------------- */

static bool comp_event(struct world *w, struct guest *g, u32 cqn)
{
	struct mlx5_eqe eqe;

	settle(w);
	if (!client_poll_eq(&g->c.comp_eq, &eqe))
		return false;
	client_arm_eq(&g->c.comp_eq);
	assert_int_equal(eqe.type, MLX5_EVENT_TYPE_COMP);
	assert_int_equal(be32_to_cpu(eqe.data.comp.cqn) & 0xffffff, cqn);
	return true;
}

static void one_event_per_arm(void **state)
{
	struct world *w = *state;
	struct loop l;
	u32 i;

	loop_open_log(w, &l, 6);
	complete_n(w, &l, 0, 2);
	assert_false(comp_event(w, l.g, l.cq.cqn));	/* never armed */
	expect_n(w, &l, 0, 2);
	for (i = 0; i < 50; i++) {
		client_arm_cq(&l.cq, false);
		assert_false(comp_event(w, l.g, l.cq.cqn));
		complete_n(w, &l, 10 * i, 3);
		assert_true(comp_event(w, l.g, l.cq.cqn));
		l.cq.arm_sn++;
		assert_false(comp_event(w, l.g, l.cq.cqn));
		expect_n(w, &l, 10 * i, 3);
	}
	loop_close(&l);
}

/* The first arm is all zeroes over zeroes: it must not get lost. */
static void very_first_arm_counts(void **state)
{
	struct world *w = *state;
	struct loop l;

	loop_open_log(w, &l, 6);
	client_arm_cq(&l.cq, false);
	settle(w);
	complete_n(w, &l, 1, 1);
	assert_true(comp_event(w, l.g, l.cq.cqn));
	expect_n(w, &l, 1, 1);
	loop_close(&l);
}

/* What newer kernels store in the record of a new CQ is no arm. */
static void initial_word_is_no_arm(void **state)
{
	struct world *w = *state;
	struct loop l;

	loop_open_log(w, &l, 6);
	l.cq.record.word[1] = cpu_to_be32(2U << 28);
	complete_n(w, &l, 1, 1);
	assert_false(comp_event(w, l.g, l.cq.cqn));
	client_arm_cq(&l.cq, false);
	assert_true(comp_event(w, l.g, l.cq.cqn));
	expect_n(w, &l, 1, 1);
	/* After events an arm has that number in earnest. */
	l.cq.arm_sn = 2;
	client_arm_cq(&l.cq, false);
	complete_n(w, &l, 2, 1);
	assert_true(comp_event(w, l.g, l.cq.cqn));
	expect_n(w, &l, 2, 1);
	loop_close(&l);
}

/* Armed after the completion came, with the old consumer index: fires at once. */
static void late_arm_fires(void **state)
{
	struct world *w = *state;
	struct loop l;

	loop_open_log(w, &l, 6);
	complete_n(w, &l, 1, 1);
	client_arm_cq(&l.cq, false);
	assert_true(comp_event(w, l.g, l.cq.cqn));
	l.cq.arm_sn++;
	expect_n(w, &l, 1, 1);
	client_arm_cq(&l.cq, false);
	assert_false(comp_event(w, l.g, l.cq.cqn));
	loop_close(&l);
}

static void solicited_arm(void **state)
{
	struct world *w = *state;
	struct client_send wr = { .opcode = MLX5_OPCODE_SEND, .flags = CLIENT_SIGNALED };
	struct client_sge sge = sge_of(&w->g[0], 0, 8);
	struct loop l;
	u32 i;

	loop_open_log(w, &l, 6);
	for (i = 0; i < 4; i++)
		assert_ok(client_post_recv(&l.qp[0], i, &sge, 1));
	client_arm_cq(&l.cq, true);
	assert_ok(client_post_send(&l.qp[1], &wr));
	assert_false(comp_event(w, l.g, l.cq.cqn));
	wr.flags |= CLIENT_SOLICITED;
	assert_ok(client_post_send(&l.qp[1], &wr));
	assert_true(comp_event(w, l.g, l.cq.cqn));
	l.cq.arm_sn++;
	expect_n(w, &l, 0, 2);
	/* An error counts as solicited. */
	client_arm_cq(&l.cq, true);
	assert_false(comp_event(w, l.g, l.cq.cqn));
	assert_ok(client_modify_qp(&l.qp[0], MLX5_CMD_OP_2ERR_QP, NULL));
	assert_true(comp_event(w, l.g, l.cq.cqn));
	expect_wc(w, &l.cq, 2, MLX5_CQE_SYNDROME_WR_FLUSH_ERR);
	expect_wc(w, &l.cq, 3, MLX5_CQE_SYNDROME_WR_FLUSH_ERR);
	expect_wc(w, &w->g[0].cq, 0, 0);
	expect_wc(w, &w->g[0].cq, 0, 0);
	loop_close(&l);
}

/* Two CQs share the register: the second arm overwrites the first one there. */
static void overwritten_arms_are_found(void **state)
{
	struct world *w = *state;
	struct loop l[2];
	struct client_send wr = { .opcode = MLX5_OPCODE_NOP, .flags = CLIENT_SIGNALED };
	struct mlx5_eqe eqe;
	u32 seen = 0;

	loop_open_log(w, &l[0], 4);
	loop_open_log(w, &l[1], 4);
	complete_n(w, &l[0], 1, 1);
	complete_n(w, &l[1], 1, 1);
	client_arm_cq(&l[0].cq, false);
	client_arm_cq(&l[1].cq, false);
	settle(w);
	while (client_poll_eq(&w->g[0].c.comp_eq, &eqe))
		seen++;
	assert_int_equal(seen, 2);
	(void)wr;
	expect_n(w, &l[0], 1, 1);
	expect_n(w, &l[1], 1, 1);
	loop_close(&l[0]);
	loop_close(&l[1]);
}

static void moderation_counts_and_waits(void **state)
{
	struct world *w = *state;
	struct client_cq_attr attr;
	struct loop l;

	client_cq_attr_init(&attr, 6);
	attr.max_count = 4;
	attr.period = 1000;	/* us */
	loop_open(w, &l, &attr);
	client_arm_cq(&l.cq, false);
	complete_n(w, &l, 0, 3);
	assert_false(comp_event(w, l.g, l.cq.cqn));
	complete_n(w, &l, 3, 1);
	assert_true(comp_event(w, l.g, l.cq.cqn));
	l.cq.arm_sn++;
	expect_n(w, &l, 0, 4);
	/* Fewer than that: after the period. */
	client_arm_cq(&l.cq, false);
	complete_n(w, &l, 4, 1);
	assert_false(comp_event(w, l.g, l.cq.cqn));
	shim_clock_advance(900 * NSEC_PER_USEC);
	assert_false(comp_event(w, l.g, l.cq.cqn));
	elapse(w, 300 * NSEC_PER_USEC);
	assert_true(comp_event(w, l.g, l.cq.cqn));
	l.cq.arm_sn++;
	expect_n(w, &l, 4, 1);
	/* Turned off by MODIFY_CQ: no count, or no time to wait for it. */
	assert_ok(client_modify_cq(&l.cq, 0, 0));
	client_arm_cq(&l.cq, false);
	complete_n(w, &l, 5, 1);
	assert_true(comp_event(w, l.g, l.cq.cqn));
	l.cq.arm_sn++;
	expect_n(w, &l, 5, 1);
	assert_ok(client_modify_cq(&l.cq, 0, 4));
	client_arm_cq(&l.cq, false);
	complete_n(w, &l, 6, 1);
	assert_true(comp_event(w, l.g, l.cq.cqn));
	expect_n(w, &l, 6, 1);
	loop_close(&l);
}

/* ---- Overrun --------------------------------------------------------- */

static void overrun_fails_the_cq(void **state)
{
	struct world *w = *state;
	struct mlx5_eqe eqe;
	struct client_wc wc;
	struct loop l;
	u32 n = 0;

	loop_open_log(w, &l, 3);
	complete_n(w, &l, 0, 9);
	eqe = expect_event(w, l.g, MLX5_EVENT_TYPE_CQ_ERROR);
	assert_int_equal(be32_to_cpu(eqe.data.cq_err.cqn) & 0xffffff, l.cq.cqn);
	assert_int_equal(eqe.data.cq_err.syndrome, 1);
	assert_int_equal(counter(l.g, cq_overruns), 1);
	assert_int_equal(qp_state(&l.qp[0]), MLX5_QP_STATE_ERR);
	while (client_poll_cq(&l.cq, 1, &wc)) {
		assert_int_equal(wc.wr_id, n);
		assert_int_equal(wc.status, 0);
		n++;
	}
	assert_int_equal(n, 8);
	/* Nothing is written to it any more. */
	settle(w);
	assert_null(client_peek_cq(&l.cq));
	loop_close(&l);
}

static void overrun_may_be_ignored(void **state)
{
	struct world *w = *state;
	struct client_cq_attr attr;
	struct loop l;

	client_cq_attr_init(&attr, 3);
	attr.ignore_overrun = true;
	loop_open(w, &l, &attr);
	complete_n(w, &l, 0, 50);
	assert_int_equal(counter(l.g, cq_overruns), 0);
	assert_int_equal(qp_state(&l.qp[0]), MLX5_QP_STATE_RTS);
	loop_close(&l);
}

/* A consumer index from nowhere harms nobody but its CQ. */
static void absurd_consumer_index(void **state)
{
	struct world *w = *state;
	struct loop l;
	struct loop other;

	loop_open_log(w, &l, 3);
	loop_open_log(w, &other, 3);
	l.cq.record.word[0] = cpu_to_be32(0x7fffff);
	complete_n(w, &l, 0, 1);
	complete_n(w, &other, 0, 5);
	expect_n(w, &other, 0, 5);
	loop_close(&l);
	loop_close(&other);
}

/* What a poll-mode driver stores: a consumer index of 16 bits. */
static void store_short_index(struct loop *l)
{
	l->cq.record.word[0] = cpu_to_be32(l->cq.ci & 0xffff);
}

/* Well past the place where such an index begins anew, from every distance. */
static void consumer_index_of_16_bits(void **state)
{
	struct world *w = *state;
	struct mlx5_eqe eqe;
	struct loop l;
	u32 at, n;

	loop_open_log(w, &l, 7);
	for (at = 0; at < 70000; at += n) {
		n = 1 + at % 128;
		complete_n(w, &l, at, n);
		expect_n(w, &l, at, n);
		store_short_index(&l);
	}
	assert_int_equal(counter(l.g, cq_overruns), 0);
	assert_int_equal(qp_state(&l.qp[0]), MLX5_QP_STATE_RTS);
	/* A full CQ is none too many; one more is. */
	complete_n(w, &l, at, 128);
	assert_int_equal(counter(l.g, cq_overruns), 0);
	complete_n(w, &l, at + 128, 1);
	eqe = expect_event(w, l.g, MLX5_EVENT_TYPE_CQ_ERROR);
	assert_int_equal(be32_to_cpu(eqe.data.cq_err.cqn) & 0xffffff, l.cq.cqn);
	assert_int_equal(counter(l.g, cq_overruns), 1);
	loop_close(&l);
}

/*
 * The greatest CQ whose distances 16 bits can tell, and one that needs all 24: filled by
 * holding the record's index back.
 */
static void full_and_overrun_of_big_cqs(void **state)
{
	struct world *w = *state;
	u32 at, n, overruns = 0;
	struct loop l;
	u8 log_size;

	for (log_size = 15; log_size <= 16; log_size++) {
		loop_open_log(w, &l, log_size);
		for (at = 0; at < 1000; at += 100) {
			complete_n(w, &l, at, 100);
			expect_n(w, &l, at, 100);
		}
		for (n = 0; n < 1U << log_size; n += 128) {
			complete_n(w, &l, at + n, 128);
			expect_n(w, &l, at + n, 128);
			l.cq.record.word[0] = cpu_to_be32(at);
		}
		assert_int_equal(counter(l.g, cq_overruns), overruns);
		assert_int_equal(qp_state(&l.qp[0]), MLX5_QP_STATE_RTS);
		complete_n(w, &l, at + n, 1);
		expect_event(w, l.g, MLX5_EVENT_TYPE_CQ_ERROR);
		assert_int_equal(counter(l.g, cq_overruns), ++overruns);
		loop_close(&l);
	}
}

/* ---- Compression, moderation by mode ----------------------------------- */

/* Who takes compressed CQEs gets others, each one by itself. */
static void compression_is_an_offer(void **state)
{
	u32 in[MLX5_ST_SZ_DW(query_cq_in)] = { 0 };
	u32 out[MLX5_ST_SZ_DW(query_cq_out)];
	struct world *w = *state;
	struct client_cq_attr attr;
	struct mlx5_cqe64 *cqe;
	struct loop l;
	u32 i;

	client_cq_attr_init(&attr, 5);
	attr.compressed = true;
	loop_open(w, &l, &attr);
	assert_int_equal(MLX5_GET(cmd_hca_cap, l.g->c.caps, cqe_compression), 1);
	MLX5_SET(query_cq_in, in, opcode, MLX5_CMD_OP_QUERY_CQ);
	MLX5_SET(query_cq_in, in, cqn, l.cq.cqn);
	assert_ok(client_exec(&l.g->c, in, sizeof(in), out, sizeof(out)));
	assert_int_equal(MLX5_GET(query_cq_out, out, cq_context.cqe_comp_en), 1);
	complete_n(w, &l, 0, 20);
	for (i = 0; i < 20; i++) {
		cqe = client_peek_cq(&l.cq);
		assert_non_null(cqe);
		assert_int_not_equal(mlx5_get_cqe_format(cqe), MLX5_COMPRESSED);
		expect_n(w, &l, i, 1);
	}
	loop_close(&l);
}

static int modify(struct client_cq *cq, u32 select, u8 mode)
{
	u32 in[MLX5_ST_SZ_DW(modify_cq_in)] = { 0 };
	u32 out[MLX5_ST_SZ_DW(modify_cq_out)];

	MLX5_SET(modify_cq_in, in, opcode, MLX5_CMD_OP_MODIFY_CQ);
	MLX5_SET(modify_cq_in, in, cqn, cq->cqn);
	MLX5_SET(modify_cq_in, in, modify_field_select_resize_field_select
		 .modify_field_select.modify_field_select, select);
	MLX5_SET(modify_cq_in, in, cq_context.cq_period_mode, mode);
	MLX5_SET(modify_cq_in, in, cq_context.cq_period, 8);
	MLX5_SET(modify_cq_in, in, cq_context.cq_max_count, 4);
	return client_exec(cq->c, in, sizeof(in), out, sizeof(out));
}

/* Drivers name the mode along with period and count; periods that start with a CQE are none. */
static void period_mode(void **state)
{
	const u32 both = MLX5_CQ_MODIFY_PERIOD | MLX5_CQ_MODIFY_COUNT;
	struct world *w = *state;
	struct loop l;

	loop_open_log(w, &l, 4);
	assert_ok(modify(&l.cq, both | BIT(4), MLX5_CQ_PERIOD_MODE_START_FROM_EQE));
	assert_int_equal(modify(&l.cq, both | BIT(4), MLX5_CQ_PERIOD_MODE_START_FROM_CQE),
			 -EINVAL);
	assert_int_equal(modify(&l.cq, both | BIT(3), 0), -EINVAL);
	loop_close(&l);
}

/* ---- Event queues ---------------------------------------------------- */

static void eq_ownership_over_three_laps(void **state)
{
	struct world *w = *state;
	struct guest *g = &w->g[0];
	struct client_cq_attr attr;
	struct client_eq eq;
	struct mlx5_eqe eqe;
	struct loop l;
	u32 i;

	assert_ok(client_create_eq(&g->c, 3, 5, 0, &eq));
	client_cq_attr_init(&attr, 4);
	attr.eqn = eq.eqn;
	loop_open(w, &l, &attr);
	for (i = 0; i < 3 * 8 + 3; i++) {
		u64 raised = g->vmm->raised[5];

		client_arm_cq(&l.cq, false);
		assert_false(client_poll_eq(&eq, &eqe));
		complete_n(w, &l, i, 1);
		assert_true(g->vmm->raised[5] > raised);
		assert_true(client_poll_eq(&eq, &eqe));
		assert_false(client_poll_eq(&eq, &eqe));
		client_arm_eq(&eq);
		l.cq.arm_sn++;
		expect_n(w, &l, i, 1);
	}
	loop_close(&l);
	assert_ok(client_destroy_eq(&eq));
}

/* A full EQ loses nothing: CQs stay armed until there is room. */
static void full_eq_delays_events(void **state)
{
	struct world *w = *state;
	struct guest *g = &w->g[0];
	struct client_cq_attr attr;
	struct client_eq eq;
	struct mlx5_eqe eqe;
	struct loop l[6];
	u32 seen = 0;
	u32 i;

	assert_ok(client_create_eq(&g->c, 2, 5, 0, &eq));
	client_cq_attr_init(&attr, 4);
	attr.eqn = eq.eqn;
	for (i = 0; i < 6; i++) {
		loop_open(w, &l[i], &attr);
		client_arm_cq(&l[i].cq, false);
		complete_n(w, &l[i], i, 1);
	}
	while (client_poll_eq(&eq, &eqe))
		seen++;
	assert_int_equal(seen, 4);
	client_arm_eq(&eq);
	elapse(w, 10 * NSEC_PER_MSEC);
	while (client_poll_eq(&eq, &eqe))
		seen++;
	assert_int_equal(seen, 6);
	for (i = 0; i < 6; i++) {
		expect_n(w, &l[i], i, 1);
		loop_close(&l[i]);
	}
	assert_ok(client_destroy_eq(&eq));
}

#define world_test(fn) cmocka_unit_test_setup_teardown(fn, world_setup, world_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		world_test(ownership_over_three_laps),
		world_test(cells_are_never_half_written),
		world_test(kernel_style_cqes),
		world_test(resize_keeps_completions),
		world_test(resize_too_small_is_refused),
		world_test(one_event_per_arm),
		world_test(very_first_arm_counts),
		world_test(initial_word_is_no_arm),
		world_test(late_arm_fires),
		world_test(solicited_arm),
		world_test(overwritten_arms_are_found),
		world_test(moderation_counts_and_waits),
		world_test(overrun_fails_the_cq),
		world_test(overrun_may_be_ignored),
		world_test(absurd_consumer_index),
		world_test(consumer_index_of_16_bits),
		world_test(full_and_overrun_of_big_cqs),
		world_test(compression_is_an_offer),
		world_test(period_mode),
		world_test(eq_ownership_over_three_laps),
		world_test(full_eq_delays_events),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
