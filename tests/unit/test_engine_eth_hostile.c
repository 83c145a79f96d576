// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Ethernet queues of a guest that breaks the rules. */
#include "eth_rig.h"
#include "packet.h"

/* Every broken WQE: the syndrome of its error CQE, then flushes; recovery by RST, RDY. */
static void broken(struct tx *tx, u32 syndrome)
{
	struct eth_node *n = &node[0];
	u16 at = n->sq.head;
	u8 state;

	tx_post(n, tx);
	assert_int_equal(sent(n, at), syndrome);
	assert_int_equal(client_query_sq(&n->sq, &state), 0);
	assert_int_equal(state, WQ_ERR);
	at = n->sq.head;
	send_frame(n, 100, 0, 0);
	assert_int_equal(sent(n, at), MLX5_CQE_SYNDROME_WR_FLUSH_ERR);
	assert_int_equal(client_modify_sq(&n->sq, WQ_ERR, WQ_RST), 0);
	assert_int_equal(client_modify_sq(&n->sq, WQ_RST, WQ_RDY), 0);
	nothing(&node[1]);
}

static void test_broken_wqes(void **state)
{
	const u64 va = (uintptr_t)node[0].mem.va;
	struct mlx5_wqe_eth_seg *eth;
	u8 mac[6], head[64] = { 0 }, *f;
	struct tx tx;
	u32 i;

	(void)state;
	mac_of(&node[1], mac);
	post_buffers(&node[1], 16);
	udp_frame(&node[0], mac, 100, 0);
	/* Opcodes that an Ethernet SQ has not. */
	for (i = 0; i < 0x40; i++) {
		if (i == MLX5_OPCODE_NOP || i == MLX5_OPCODE_SEND || i == MLX5_OPCODE_LSO)
			continue;
		tx_begin(&tx, i);
		tx_eth(&tx, NULL, 0);
		tx_data(&tx, va, 100, node[0].key);
		broken(&tx, MLX5_CQE_SYNDROME_LOCAL_QP_OP_ERR);
	}
	/* Too short for its segments. */
	tx_begin(&tx, MLX5_OPCODE_SEND);
	broken(&tx, MLX5_CQE_SYNDROME_LOCAL_QP_OP_ERR);
	/* Inline headers longer than the WQE, and longer than any headers. */
	tx_begin(&tx, MLX5_OPCODE_SEND);
	eth = tx_eth(&tx, NULL, 0);
	eth->inline_hdr.sz = cpu_to_be16(100);
	tx_data(&tx, va, 100, node[0].key);
	broken(&tx, MLX5_CQE_SYNDROME_LOCAL_QP_OP_ERR);
	tx_begin(&tx, MLX5_OPCODE_SEND);
	tx_eth(&tx, node[0].mem.va, 253);
	broken(&tx, MLX5_CQE_SYNDROME_LOCAL_QP_OP_ERR);
	/* Keys: none, wrong variant, of another instance; ranges beyond it; sums that wrap. */
	for (i = 0; i < 6; i++) {
		tx_begin(&tx, MLX5_OPCODE_SEND);
		tx_eth(&tx, NULL, 0);
		tx_data(&tx, i == 3 ? va + ENGINE_BYTES - 99 : i == 4 ? va - 1 :
			i == 5 ? U64_MAX - 50 : va, 100,
			i == 0 ? 0x12345600 : i == 1 ? node[0].key ^ 1 :
			i == 2 ? node[1].key + 0x100000 : node[0].key);
		broken(&tx, MLX5_CQE_SYNDROME_LOCAL_PROT_ERR);
	}
	/* More bytes than a large send may have; lengths whose 32-bit sum is small. */
	for (i = 0; i < 2; i++) {
		tx_begin(&tx, MLX5_OPCODE_SEND);
		tx_eth(&tx, NULL, 0);
		tx_data(&tx, va, i ? 0x7fffffff : 65537, node[0].key);
		if (i) {
			tx_data(&tx, va, 0x7fffffff, node[0].key);
			tx_data(&tx, va, 66, node[0].key);
		}
		broken(&tx, MLX5_CQE_SYNDROME_LOCAL_LENGTH_ERR);
	}
	/* Large sends: no MSS, headers that are no headers, cut off, or none at all. */
	for (i = 0; i < 5; i++) {
		memcpy(head, node[0].mem.va, 42);
		tx_begin(&tx, MLX5_OPCODE_LSO);
		if (i == 1)
			head[13] = 6;
		eth = tx_eth(&tx, head, i == 2 ? 41 : i == 3 ? 43 : i == 4 ? 0 : 42);
		eth->mss = cpu_to_be16(i == 0 ? 0 : 100);
		tx_data(&tx, va, 1000, node[0].key);
		broken(&tx, MLX5_CQE_SYNDROME_LOCAL_QP_OP_ERR);
	}
	/* And still it sends. */
	send_frame(&node[0], 100, 0, 0);
	received(&node[1], &f);
	assert_memory_equal(f, node[0].mem.va, 100);
	assert_int_equal(sent(&node[0], 0), 0);
}

/* WQEs that are sound, frames that are not: dropped, counted, and the queue goes on. */
static void test_broken_frames(void **state)
{
	const u64 va = (uintptr_t)node[0].mem.va;
	u32 sizes[] = { 0, 1, 13, SOFT_FRAME_MAX + 1, 65536 }, i;
	u8 mac[6], *f;
	struct tx tx;

	(void)state;
	mac_of(&node[1], mac);
	post_buffers(&node[1], 16);
	udp_frame(&node[0], mac, 100, 0);
	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		tx_begin(&tx, MLX5_OPCODE_SEND);
		tx_eth(&tx, NULL, 0);
		if (sizes[i])
			tx_data(&tx, va, sizes[i], node[0].key);
		tx_post(&node[0], &tx);
		assert_int_equal(sent(&node[0], i), 0);
		assert_int_equal(COUNT(&node[0], drop_frame), i + 1);
	}
	nothing(&node[1]);
	send_frame(&node[0], 100, 0, 0);
	received(&node[1], &f);
}

/* A record that says more than the ring holds ends the queue; RST begins anew. */
static void test_record(void **state)
{
	u8 mac[6], *f, st;

	(void)state;
	mac_of(&node[1], mac);
	post_buffers(&node[1], 16);
	udp_frame(&node[0], mac, 100, 0);
	node[0].sq.head += 100;
	send_frame(&node[0], 100, 0, 0);
	settle();
	assert_null(client_peek_cq(&node[0].scq));
	assert_int_equal(client_query_sq(&node[0].sq, &st), 0);
	assert_int_equal(st, WQ_ERR);
	nothing(&node[1]);
	assert_int_equal(client_modify_sq(&node[0].sq, WQ_ERR, WQ_RST), 0);
	assert_int_equal(client_modify_sq(&node[0].sq, WQ_RST, WQ_RDY), 0);
	send_frame(&node[0], 100, 0, 0);
	received(&node[1], &f);
	assert_int_equal(sent(&node[0], 0), 0);
	/* A receiver's: no buffer, whatever lies in the ring. */
	node[1].rq.record.word[0] = cpu_to_be32(40000);
	send_frame(&node[0], 100, 0, 0);
	assert_int_equal(sent(&node[0], 1), 0);
	nothing(&node[1]);
	assert_int_equal(COUNT(&node[1], drop_rx_buffer), 1);
}

/* WQEs of every size at every place of the ring. */
static void test_wrap(void **state)
{
	u8 mac[6], *f;
	u32 i, k, n;

	(void)state;
	mac_of(&node[1], mac);
	post_buffers(&node[1], 16);
	for (i = 0; i < 300; i++) {
		struct tx tx;
		u16 at = node[0].sq.head;

		udp_frame(&node[0], mac, 200, 0);
		tx_begin(&tx, MLX5_OPCODE_SEND);
		n = i % 40;
		tx_eth(&tx, node[0].mem.va, 3 * n);
		for (k = 0; k < n && k < 19; k++)
			tx_data(&tx, (uintptr_t)node[0].mem.va + 3 * n + k, 1, node[0].key);
		tx_data(&tx, (uintptr_t)node[0].mem.va + 3 * n + k, 200 - 3 * n - k, node[0].key);
		tx_post(&node[0], &tx);
		received(&node[1], &f);
		assert_memory_equal(f, node[0].mem.va, 200);
		assert_int_equal(sent(&node[0], at), 0);
		post_buffers(&node[1], 1);
	}
}

/* Unsignalled WQEs and NOPs; one doorbell for several. */
static void test_nop(void **state)
{
	struct mlx5_wqe_ctrl_seg *ctrl;
	struct tx tx;
	u32 i;

	(void)state;
	for (i = 0; i < 6; i++) {
		tx_begin(&tx, MLX5_OPCODE_NOP);
		ctrl = (void *)tx.raw;
		ctrl->fm_ce_se = i == 5 ? MLX5_WQE_CTRL_CQ_UPDATE : 0;
		tx_post(&node[0], &tx);
	}
	assert_int_equal(sent(&node[0], 5), 0);
	assert_null(client_peek_cq(&node[0].scq));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(broken_wqes), TEST(broken_frames), TEST(record), TEST(wrap), TEST(nop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
