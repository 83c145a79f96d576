// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Ethernet queues that are reset and begin anew. */
#include "eth_rig.h"

static void sends(struct eth_node *n, u32 count)
{
	u32 i;
	u8 *f;

	for (i = 0; i < count; i++) {
		u16 at = n->sq.head;

		post_buffers(&node[1], 1);
		send_frame(n, 100, 0, 0);
		received(&node[1], &f);
		assert_memory_equal(f, n->mem.va, 100);
		assert_int_equal(sent(n, at), 0);
	}
}

/* The queue is ready and nothing of its life before comes again. */
static void quiet(struct eth_node *n)
{
	u8 state;

	settle();
	assert_int_equal(client_query_sq(&n->sq, &state), 0);
	assert_int_equal(state, WQ_RDY);
	assert_null(client_peek_cq(&n->scq));
	nothing(&node[1]);
}

/* mlx5e's recovery: RST, RDY, counters at 0, and the record says what it said. */
static void test_recovery(void **state)
{
	static const u32 lives[] = { 0, 1, 7, 15, 16, 40, 130 };
	struct eth_node *n = &node[0];
	struct client_wq second, first;
	struct tx nop;
	u8 mac[6];
	u32 i;

	(void)state;
	mac_of(&node[1], mac);
	udp_frame(n, mac, 100, 0);
	assert_int_equal(client_create_sq(&n->c, n->pd, n->tis, &n->scq, RING, &second), 0);
	assert_int_equal(client_modify_sq(&second, WQ_RST, WQ_RDY), 0);
	for (i = 0; i < ARRAY_SIZE(lives); i++) {
		u16 at;

		sends(n, lives[i]);
		at = n->sq.head;
		shim_fail_send(1);
		send_frame(n, 100, 0, 0);
		assert_int_equal(sent(n, at), MLX5_CQE_SYNDROME_LOCAL_QP_OP_ERR);
		assert_int_equal(client_modify_sq(&n->sq, WQ_ERR, WQ_RST), 0);
		assert_int_equal(client_modify_sq(&n->sq, WQ_RST, WQ_RDY), 0);
		quiet(n);
		/* A doorbell of another queue lets the lane look at this one's record. */
		first = n->sq;
		n->sq = second;
		tx_begin(&nop, MLX5_OPCODE_NOP);
		tx_post(n, &nop);
		assert_int_equal(sent(n, second.head), 0);
		second = n->sq;
		n->sq = first;
		quiet(n);
		/* Its own, hidden behind that one's: the record has changed, but for a life of 0. */
		if (lives[i]) {
			post_buffers(&node[1], 1);
			send_frame(n, 100, 0, 0);
			first = n->sq;
			n->sq = second;
			tx_begin(&nop, MLX5_OPCODE_NOP);
			((struct mlx5_wqe_ctrl_seg *)nop.raw)->fm_ce_se = 0;
			tx_post(n, &nop);
			second = n->sq;
			n->sq = first;
			assert_int_equal(sent(n, 0), 0);
			settle();
			assert_non_null(cqe_next(&node[1].rcq));
		}
	}
	sends(n, 40);
	assert_int_equal(client_destroy_wq(&second, MLX5_CMD_OP_DESTROY_SQ), 0);
}

/* A store of the life before that nobody has looked at yet is of the life before. */
static void test_old_doorbell(void **state)
{
	struct eth_node *n = &node[0];
	u8 mac[6];

	(void)state;
	mac_of(&node[1], mac);
	udp_frame(n, mac, 100, 0);
	sends(n, 3);
	post_buffers(&node[1], 4);
	send_frame(n, 100, 0, 0);
	assert_int_equal(client_modify_sq(&n->sq, WQ_RDY, WQ_RST), 0);
	n->c.ops->uar_write64(n->c.backend, n->c.uar, 0x800,
			      cpu_to_be64((u64)n->sq.number << 8));
	assert_int_equal(client_modify_sq(&n->sq, WQ_RST, WQ_RDY), 0);
	while (cqe_next(&n->scq))
		;
	while (cqe_next(&node[1].rcq))
		;
	quiet(n);
	/* In error it flushes nothing of that life either. */
	assert_int_equal(client_modify_sq(&n->sq, WQ_RDY, WQ_ERR), 0);
	settle();
	assert_null(client_peek_cq(&n->scq));
}

/* A receive queue has no doorbell: what its record says when it becomes ready is true. */
static void test_receive_queue_again(void **state)
{
	u32 i, lives;
	u8 mac[6], *f;

	(void)state;
	mac_of(&node[1], mac);
	udp_frame(&node[0], mac, 100, 0);
	for (lives = 0; lives < 4; lives++) {
		for (i = 0; i < 5 + lives; i++) {
			u16 at = node[0].sq.head;

			post_buffers(&node[1], 1);
			send_frame(&node[0], 100, 0, 0);
			assert_int_equal(be16_to_cpu(received(&node[1], &f)->wqe_counter), i);
			assert_int_equal(sent(&node[0], at), 0);
		}
		assert_int_equal(client_modify_rq(&node[1].rq, WQ_RDY, WQ_ERR), 0);
		assert_int_equal(client_modify_rq(&node[1].rq, WQ_ERR, WQ_RST), 0);
		post_buffers(&node[1], 1);
		assert_int_equal(client_modify_rq(&node[1].rq, WQ_RST, WQ_RDY), 0);
		send_frame(&node[0], 100, 0, 0);
		assert_int_equal(be16_to_cpu(received(&node[1], &f)->wqe_counter), 0);
		assert_int_equal(sent(&node[0], node[0].sq.head - 1), 0);
		assert_int_equal(client_modify_rq(&node[1].rq, WQ_RDY, WQ_RST), 0);
		assert_int_equal(client_modify_rq(&node[1].rq, WQ_RST, WQ_RDY), 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(recovery), TEST(old_doorbell), TEST(receive_queue_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
