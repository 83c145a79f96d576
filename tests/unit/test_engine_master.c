// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Bus mastering off, or D3hot: the engine touches none of the instance's memory, for
 * itself or for peers, and goes on when it is on again. The engine's view of that memory
 * is taken away meanwhile, so that any access ends the test.
 */
#include <sys/mman.h>
#include "eth_rig.h"

static void master(struct vmm_user *vmm, bool on)
{
	size_t bytes = vmm->pages * PAGE_SIZE;

	if (on)
		assert_int_equal(mprotect(vmm->host, bytes, PROT_READ | PROT_WRITE), 0);
	mhca_instance_set_master(vmm->inst, on);
	if (!on)
		assert_int_equal(mprotect(vmm->host, bytes, PROT_NONE), 0);
}

static void patient(struct client_qp_attr *attr, struct client_modify *modify, u32 end)
{
	modify->ack_timeout = 8;	/* 1 ms */
	modify->retry = 7;
}

static void hasty(struct client_qp_attr *attr, struct client_modify *modify, u32 end)
{
	modify->ack_timeout = 8;
	modify->retry = 1;
}

/* What a peer sends waits like on a wire, and comes when the function is back in time. */
static void test_peers_wait(void **state)
{
	static const u8 opcodes[] = {
		MLX5_OPCODE_RDMA_WRITE, MLX5_OPCODE_RDMA_READ, MLX5_OPCODE_ATOMIC_FA,
		MLX5_OPCODE_SEND,
	};
	struct engine *e = *state;
	struct engine_node *a = &e->node[0], *b = &e->node[1];
	struct engine_pair pair;
	struct client_send wr;
	struct client_sge sge;
	u32 i;

	engine_connect(e, MLX5_QP_ST_RC, &pair, patient);
	for (i = 0; i < ARRAY_SIZE(opcodes); i++) {
		engine_fill(a->mem.va, 256, i);
		engine_recv(&pair.qp[1], b, 7, PAGE_SIZE, 256);
		wr = engine_message(e, 0, opcodes[i], &sge);
		engine_settle(e);
		master(b->vmm, false);
		engine_post(&pair.qp[0], &wr);
		engine_pass(e, 3 * NSEC_PER_MSEC);
		engine_no_wc(e, &a->cq);
		master(b->vmm, true);
		engine_pass(e, 3 * NSEC_PER_MSEC);
		assert_int_equal(engine_wc(e, &a->cq).status, 0);
		if (opcodes[i] == MLX5_OPCODE_SEND)
			assert_int_equal(engine_wc(e, &b->cq).wr_id, 7);
		if (opcodes[i] == MLX5_OPCODE_SEND || opcodes[i] == MLX5_OPCODE_RDMA_WRITE)
			assert_true(engine_is(b->mem.va + PAGE_SIZE, 256, i));
	}
	/* … and ends in the peer's error when it is not. */
	master(b->vmm, false);
	engine_post(&pair.qp[0], &wr);
	engine_pass(e, 30 * NSEC_PER_MSEC);
	assert_int_equal(engine_wc(e, &a->cq).status, MLX5_CQE_SYNDROME_TRANSPORT_RETRY_EXC_ERR);
	master(b->vmm, true);
	engine_disconnect(&pair);
}

/* In the middle of a long message of either side. */
static void test_long_message(void **state)
{
	struct engine *e = *state;
	struct engine_pair pair;
	struct client_send wr;
	struct client_sge sge;
	u32 off, i;

	engine_connect(e, MLX5_QP_ST_RC, &pair, patient);
	for (off = 0; off < 2; off++) {
		engine_fill(e->node[0].mem.va, 1 << 20, 5 + off);
		wr = engine_message(e, 0, MLX5_OPCODE_RDMA_WRITE, &sge);
		sge.len = 1 << 20;
		engine_post(&pair.qp[0], &wr);
		for (i = 0; i < 4; i++)
			lanes_turn(&e->hca);
		master(e->node[off].vmm, false);
		engine_pass(e, 2 * NSEC_PER_MSEC);
		master(e->node[off].vmm, true);
		engine_pass(e, 3 * NSEC_PER_MSEC);
		assert_int_equal(engine_wc(e, &e->node[0].cq).status, 0);
		assert_true(engine_is(e->node[1].mem.va + PAGE_SIZE, 1 << 20, 5 + off));
	}
	engine_disconnect(&pair);
}

/* Its own queues: doorbells, timers, flushes and completion events wait, none is lost. */
static void test_own_work_waits(void **state)
{
	struct engine *e = *state;
	struct engine_node *a = &e->node[0], *b = &e->node[1];
	struct engine_pair pair, broken;
	u64 deadline, raised;
	struct client_send wr;
	struct client_sge sge;
	struct client_wc wc;
	char text[256];
	u32 i;

	engine_connect(e, MLX5_QP_ST_RC, &pair, patient);
	engine_connect(e, MLX5_QP_ST_RC, &broken, hasty);
	engine_recv(&broken.qp[0], a, 9, 0, 64);
	/* A wait that ends meanwhile, and a failure that is found meanwhile. */
	assert_int_equal(client_modify_qp(&broken.qp[1], MLX5_CMD_OP_2RST_QP, NULL), 0);
	wr = engine_message(e, 0, MLX5_OPCODE_SEND, &sge);
	engine_post(&broken.qp[0], &wr);
	engine_settle(e);
	client_arm_cq(&a->cq, false);
	engine_settle(e);
	raised = a->vmm->raised[0] + a->vmm->raised[1];
	master(a->vmm, false);
	wr = engine_message(e, 0, MLX5_OPCODE_RDMA_WRITE, &sge);
	engine_fill(a->mem.va, 256, 3);
	memset(b->mem.va, 0, 2 * PAGE_SIZE);
	engine_post(&pair.qp[0], &wr);
	soft_lane_fail(&soft_qp_find(a->vmm->inst, broken.qp[0].qpn)->base);
	soft_lane_wake(soft_instance(a->vmm->inst)->lane);
	mhca_event_qp(a->vmm->inst, MLX5_EVENT_TYPE_COMM_EST, 77);
	engine_pass(e, 20 * NSEC_PER_MSEC);
	assert_int_equal(a->vmm->raised[0] + a->vmm->raised[1], raised);
	assert_int_equal(client_poll_cq(&a->cq, 1, &wc), 0);
	assert_int_equal(b->mem.va[PAGE_SIZE], 0);
	soft_qp_ops.describe(mhca_object_find(a->vmm->inst, MHCA_QP, pair.qp[0].qpn), text,
			     sizeof(text));
	/* It costs no CPU either, though its pages are mapped. */
	assert_ptr_not_equal(soft_instance(a->vmm->inst)->lane,
			     soft_instance(b->vmm->inst)->lane);
	assert_true(soft_lane_may_sleep(soft_instance(a->vmm->inst)->lane, &deadline));

	master(a->vmm, true);
	engine_pass(e, 200 * NSEC_PER_MSEC);
	engine_event(e, a, MLX5_EVENT_TYPE_COMM_EST, 77);
	for (i = 0; i < 3; i++) {
		wc = engine_wc(e, &a->cq);
		if (wc.qpn == pair.qp[0].qpn)
			assert_int_equal(wc.status, 0);
		else
			assert_int_equal(wc.status, MLX5_CQE_SYNDROME_WR_FLUSH_ERR);
	}
	assert_true(engine_is(b->mem.va + PAGE_SIZE, 256, 3));
	assert_true(a->vmm->raised[0] + a->vmm->raised[1] > raised);
	engine_disconnect(&pair);
	engine_disconnect(&broken);
}

/* A QP of an SRQ fails meanwhile: its last WQE is flushed, and the event comes after that. */
static void test_last_wqe(void **state)
{
	struct engine *e = *state;
	struct engine_node *b = &e->node[1];
	struct client_srq_attr srq_attr = {
		.type = CLIENT_SRQ, .pd = b->pd, .log_size = 3, .max_sge = 1,
	};
	struct client_sge sge = engine_sge(b, 0, 1 << 20);
	struct client_modify modify;
	struct client_qp_attr attr;
	struct client_qp qp[2];
	struct client_send wr;
	struct client_srq srq;
	struct mlx5_eqe eqe;
	struct client_wc wc;
	u32 i;

	assert_int_equal(client_create_srq(&b->c, &srq_attr, &srq), 0);
	for (i = 0; i < 2; i++) {
		client_qp_attr_init(&attr, MLX5_QP_ST_RC, e->node[i].pd, &e->node[i].cq);
		if (i) {
			attr.srq = &srq;
			attr.log_rq = CLIENT_NO_QUEUE;
		}
		assert_int_equal(client_create_qp(&e->node[i].c, &attr, &qp[i]), 0);
	}
	for (i = 0; i < 2; i++) {
		engine_modify(&e->node[!i], qp[!i].qpn, &modify);
		assert_int_equal(client_connect_qp(&qp[i], &modify), 0);
	}
	assert_int_equal(client_post_srq(&srq, 33, &sge, 1), 0);
	wr = engine_message(e, 0, MLX5_OPCODE_SEND, &sge);
	sge.len = 1 << 20;
	engine_post(&qp[0], &wr);
	lanes_turn(&e->hca);
	lanes_turn(&e->hca);
	master(b->vmm, false);
	soft_lane_fail(&soft_qp_find(b->vmm->inst, qp[1].qpn)->base);
	engine_pass(e, NSEC_PER_MSEC);
	master(b->vmm, true);
	while (client_poll_eq(&b->c.async_eq, &eqe))
		assert_int_not_equal(eqe.type, MLX5_EVENT_TYPE_SRQ_LAST_WQE);
	client_update_eq(&b->c.async_eq);
	wc = engine_wc(e, &b->cq);
	assert_int_equal(wc.status, MLX5_CQE_SYNDROME_WR_FLUSH_ERR);
	assert_int_equal(wc.wr_id, 33);
	engine_event(e, b, MLX5_EVENT_TYPE_SRQ_LAST_WQE, qp[1].qpn);
	for (i = 0; i < 2; i++)
		assert_int_equal(client_destroy_qp(&qp[i]), 0);
	assert_int_equal(client_destroy_srq(&srq), 0);
}

/* ---- Ethernet -------------------------------------------------------------- */

static void send_to(struct eth_node *from, const struct eth_node *to)
{
	u8 mac[6];

	mac_of(to, mac);
	udp_frame(from, mac, 100, 0);
	send_frame(from, 100, 18, 0);
}

static void test_frames(void **state)
{
	u8 *frame;

	(void)state;
	post_buffers(&node[1], 4);
	settle();
	master(node[1].vmm, false);
	send_to(&node[0], &node[1]);
	assert_int_equal(sent(&node[0], 0), 0);
	send_to(&node[1], &node[0]);
	post_buffers(&node[0], 2);
	nothing(&node[0]);
	assert_null(client_peek_cq(&node[1].scq));
	master(node[1].vmm, true);
	/* What came meanwhile is lost, what it had to send is not. */
	received(&node[0], &frame);
	assert_int_equal(sent(&node[1], 0), 0);
	nothing(&node[1]);
	send_to(&node[0], &node[1]);
	received(&node[1], &frame);
}

/* ---- Memory that never comes ------------------------------------------------- */

/* A peer's pages that are never pinned are a peer that does not answer. */
static void test_memory_never_comes(void **state)
{
	static const u8 types[] = { MLX5_QP_ST_RC, MLX5_QP_ST_UC };
	struct engine *e = *state;
	struct engine_node *a = &e->node[0], *b = &e->node[1];
	struct client_mkey_attr attr = {
		.access = CLIENT_ALL_ACCESS, .pa = true, .length64 = true,
		.qpn = CLIENT_ANY_QP, .pd = b->pd,
	};
	struct client_mem lone;
	struct engine_pair pair;
	struct client_send wr;
	struct client_sge sge;
	u32 i, key;

	assert_int_equal(client_mem_alloc(&b->c, 4 * PAGE_SIZE, &lone), 0);
	assert_int_equal(client_create_mkey(&b->c, &attr, &key), 0);
	for (i = 0; i < ARRAY_SIZE(types); i++) {
		engine_connect(e, types[i], &pair, types[i] == MLX5_QP_ST_RC ? hasty : NULL);
		wr = engine_message(e, 0, MLX5_OPCODE_RDMA_WRITE, &sge);
		wr.remote_addr = client_iova(&b->c, lone.va + i * PAGE_SIZE);
		wr.rkey = key;
		b->vmm->slow = true;
		engine_post(&pair.qp[0], &wr);
		engine_pass(e, 60 * NSEC_PER_MSEC);
		engine_no_wc(e, &a->cq);
		engine_pass(e, 2 * NSEC_PER_SEC);
		assert_int_equal(engine_wc(e, &a->cq).status, types[i] == MLX5_QP_ST_RC ?
				 MLX5_CQE_SYNDROME_TRANSPORT_RETRY_EXC_ERR : 0);
		b->vmm->slow = false;
		engine_disconnect(&pair);
	}
	assert_int_equal(client_destroy_mkey(&b->c, key), 0);
	client_mem_free(&b->c, &lone);
}

int main(void)
{
#define ENGINE(name)	cmocka_unit_test_setup_teardown(test_##name, engine_setup, engine_teardown)
	const struct CMUnitTest tests[] = {
		ENGINE(peers_wait),
		ENGINE(long_message),
		ENGINE(own_work_waits),
		ENGINE(last_wqe),
		TEST(frames),
		ENGINE(memory_never_comes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
