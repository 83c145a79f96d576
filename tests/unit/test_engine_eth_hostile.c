// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Ethernet queues of a guest that breaks the rules. */
#include <mhca/policy.h>
#include "eth_rig.h"
#include "hca.h"

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
	u8 mac[6], head[64], *f;
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
		tx_data(&tx, va, i ? 0x7fffffff : (1 << MHCA_LOG_MAX_LSO) + 1,
			node[0].key);
		if (i) {
			tx_data(&tx, va, 0x7fffffff, node[0].key);
			tx_data(&tx, va, 66, node[0].key);
		}
		broken(&tx, MLX5_CQE_SYNDROME_LOCAL_LENGTH_ERR);
	}
	/* A large send without MSS. */
	memcpy(head, node[0].mem.va, 42);
	tx_begin(&tx, MLX5_OPCODE_LSO);
	tx_eth(&tx, head, 42);
	tx_data(&tx, va, 1000, node[0].key);
	broken(&tx, MLX5_CQE_SYNDROME_LOCAL_QP_OP_ERR);
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

/* ---- Memory in pieces ------------------------------------------------------ */

#define PIECES	4096U

/* A QP that is connected to nobody: enough for UMR. */
static void lone_qp(struct eth_node *n, struct client_cq *cq, struct client_qp *qp)
{
	struct client_cq_attr cq_attr;
	struct client_qp_attr attr;
	struct client_modify m;

	client_cq_attr_init(&cq_attr, 4);
	assert_int_equal(client_create_cq(&n->c, &cq_attr, cq), 0);
	client_qp_attr_init(&attr, MLX5_QP_ST_RC, n->pd, cq);
	assert_int_equal(client_create_qp(&n->c, &attr, qp), 0);
	client_modify_init(&m);
	m.remote_qpn = 5;
	m.path.grh = true;
	assert_int_equal(client_connect_qp(qp, &m), 0);
}

/* A key of PIECES bytes from 0 on, each in an entry of its own: those of @n->mem from @at on. */
static u32 pieces_key(struct eth_node *n, u32 at)
{
	u8 in[MLX5_ST_SZ_BYTES(create_mkey_in)] = { 0 }, raw[256] __aligned(8) = { 0 };
	void *mkc = MLX5_ADDR_OF(create_mkey_in, in, memory_key_mkey_entry);
	struct mlx5_wqe_ctrl_seg *ctrl = (void *)raw;
	struct mlx5_wqe_umr_ctrl_seg *umr = (void *)(ctrl + 1);
	struct mlx5_wqe_data_seg *data = (void *)((u8 *)(umr + 1) + MLX5_ST_SZ_BYTES(mkc));
	struct mlx5_klm *list = (void *)(n->mem.va + ENGINE_BYTES / 4);
	u32 out[MLX5_ST_SZ_DW(create_mkey_out)], key, i;
	struct client_cq cq;
	struct client_qp qp;
	struct client_wc wc;

	MLX5_SET(create_mkey_in, in, opcode, MLX5_CMD_OP_CREATE_MKEY);
	MLX5_SET(mkc, mkc, free, 1);
	MLX5_SET(mkc, mkc, umr_en, 1);
	MLX5_SET(mkc, mkc, access_mode_1_0, MLX5_MKC_ACCESS_MODE_KLMS);
	MLX5_SET(mkc, mkc, lr, 1);
	MLX5_SET(mkc, mkc, lw, 1);
	MLX5_SET(mkc, mkc, qpn, CLIENT_ANY_QP);
	MLX5_SET(mkc, mkc, pd, n->pd);
	MLX5_SET64(mkc, mkc, len, PIECES);
	MLX5_SET(mkc, mkc, translations_octword_size, PIECES);
	assert_int_equal(client_exec(&n->c, in, sizeof(in), out, sizeof(out)), 0);
	key = MLX5_GET(create_mkey_out, out, mkey_index) << 8;

	for (i = 0; i < PIECES; i++) {
		list[i].bcount = cpu_to_be32(1);
		list[i].key = cpu_to_be32(n->key);
		list[i].va = cpu_to_be64((uintptr_t)n->mem.va + at + i);
	}
	lone_qp(n, &cq, &qp);
	ctrl->opmod_idx_opcode = cpu_to_be32(MLX5_OPCODE_UMR);
	ctrl->qpn_ds = cpu_to_be32(qp.qpn << 8 | 9);
	ctrl->fm_ce_se = MLX5_WQE_CTRL_CQ_UPDATE;
	ctrl->imm = cpu_to_be32(key);
	umr->mkey_mask = cpu_to_be64(MLX5_MKEY_MASK_FREE);
	umr->xlt_octowords = cpu_to_be16(PIECES);
	data->byte_count = cpu_to_be32(PIECES * sizeof(*list));
	data->lkey = cpu_to_be32(n->key);
	data->addr = cpu_to_be64((uintptr_t)list);
	assert_int_equal(client_post_raw(&qp, 1, raw, 9), 0);
	settle();
	assert_int_equal(client_poll_cq(&cq, 1, &wc), 1);
	assert_int_equal(wc.status, 0);
	assert_int_equal(client_destroy_qp(&qp), 0);
	assert_int_equal(client_destroy_cq(&cq), 0);
	return key;
}

/* A sender's pieces are work as frames are: fewer of those fit into a turn. */
static void test_sender_in_pieces(void **state)
{
	const u32 n = 8, len = 18 + 60;
	u32 key, turns, i;
	u8 mac[6], *f;
	struct tx tx;

	(void)state;
	mac_of(&node[1], mac);
	post_buffers(&node[1], 16);
	key = pieces_key(&node[0], 18);
	f = udp_frame(&node[0], mac, len, 0);
	hca.lanes[0].params.wqe_budget = n;
	hca.lanes[1].params.wqe_budget = n;
	for (i = 0; i < n; i++) {
		tx_begin(&tx, MLX5_OPCODE_SEND);
		tx_eth(&tx, f, 18);
		tx_data(&tx, 0, len - 18, key);
		tx_post(&node[0], &tx);
	}
	for (turns = 0; COUNT(&node[1], eth_rx_ucast) < n; turns++)
		assert_true(lanes_turn(&hca));
	assert_true(turns >= n / 2);
	for (i = 0; i < n; i++) {
		received(&node[1], &f);
		assert_memory_equal(f, node[0].mem.va, len);
	}
	assert_int_equal(client_destroy_mkey(&node[0].c, key), 0);
}

/* Also those of a WQE that was another one when its packet began. */
static void test_pieces_by_rewriting(void **state)
{
	struct soft_lane *lane = soft_instance(node[0].vmm->inst)->lane;
	u8 mac[6], head[42];
	struct tx tx;
	u32 key, i;

	(void)state;
	mac_of(&node[1], mac);
	post_buffers(&node[1], 16);
	key = pieces_key(&node[0], 0);
	settle();
	udp_frame(&node[0], mac, 42, 0);
	memcpy(head, node[0].mem.va, 42);
	lane->params.wqe_budget = 4;
	tx_begin(&tx, MLX5_OPCODE_LSO);
	tx_eth(&tx, head, 42)->mss = cpu_to_be16(8);
	tx_data(&tx, (uintptr_t)node[0].mem.va, 60, node[0].key);
	tx_post(&node[0], &tx);
	for (i = 0; !COUNT(&node[1], eth_rx_ucast); i++) {
		assert_true(i < 100);
		soft_lane_turn(lane);
	}
	assert_int_equal(COUNT(&node[1], eth_rx_ucast), 4);
	tx_begin(&tx, MLX5_OPCODE_LSO);
	tx_eth(&tx, head, 42)->mss = cpu_to_be16(8);
	tx_data(&tx, 0, 60, key);
	tx_rewrite(&node[0], 0, &tx);
	soft_lane_turn(lane);
	assert_int_equal(COUNT(&node[1], eth_rx_ucast), 5);
	assert_int_equal(sent(&node[0], 0), 0);
	assert_int_equal(COUNT(&node[1], eth_rx_ucast), 8);
	assert_int_equal(client_destroy_mkey(&node[0].c, key), 0);
}

/* A sender whose own pages are not there waits at nobody's expense. */
static void test_own_memory(void **state)
{
	struct client_mkey_attr attr = {
		.pd = node[0].pd, .access = CLIENT_ALL_ACCESS, .pa = true, .length64 = true,
		.qpn = CLIENT_ANY_QP,
	};
	struct soft_port *port = soft_instance(node[1].vmm->inst)->port;
	u8 mac[6], head[42], *f;
	struct tx tx;
	u32 key, i;

	(void)state;
	mac_of(&node[1], mac);
	assert_int_equal(client_create_mkey(&node[0].c, &attr, &key), 0);
	f = udp_frame(&node[0], mac, 42, 0);
	memcpy(head, f, 42);
	/* No buffer: it waits, and is another one then, whose pages nobody pins. */
	tx_begin(&tx, MLX5_OPCODE_LSO);
	tx_eth(&tx, head, 42)->mss = cpu_to_be16(200);
	tx_data(&tx, (uintptr_t)f, 200, node[0].key);
	tx_post(&node[0], &tx);
	eth_run();
	node[0].vmm->slow = true;
	tx_begin(&tx, MLX5_OPCODE_LSO);
	tx_eth(&tx, head, 42)->mss = cpu_to_be16(200);
	tx_data(&tx, client_iova(&node[0].c, f), 200, key);
	tx_rewrite(&node[0], 0, &tx);
	post_buffers(&node[1], 1);
	for (i = 0; i < 20; i++)
		settle();
	assert_false(port->stalled);
	assert_int_equal(COUNT(&node[1], drop_rx_buffer), 0);
	assert_int_equal(COUNT(&node[1], eth_rx_ucast), 0);
	node[0].vmm->slow = false;
	received(&node[1], &f);
	assert_int_equal(sent(&node[0], 0), 0);
	assert_int_equal(client_destroy_mkey(&node[0].c, key), 0);
}

/* A receiver's are its own loss. */
static void test_receiver_in_pieces(void **state)
{
	struct client_sge to = { .len = 64 };
	const u32 n = 100;
	u64 got = 0, lost;
	u8 mac[6];
	u32 i;

	(void)state;
	mac_of(&node[1], mac);
	to.lkey = pieces_key(&node[1], 0);
	udp_frame(&node[0], mac, 62, 0);
	for (i = 0; i < n; i++) {
		if (node[1].rq.head == (u16)got)
			client_post_rq(&node[1].rq, &to, 1);
		send_frame(&node[0], 62, 0, 0);
		eth_run();
		while (cqe_next(&node[0].scq) || cqe_next(&node[1].rcq))
			;
		got = COUNT(&node[1], eth_rx_ucast);
	}
	lost = COUNT(&node[1], drop_rx_buffer);
	assert_true(got > 0 && lost > 0);
	assert_int_equal(got + lost, n);
	assert_int_equal(COUNT(&node[0], wqes), n);
	assert_int_equal(client_destroy_mkey(&node[1].c, to.lkey), 0);
}

/* Receive WQEs that name gigabytes: what is asked for ahead of a short frame is what it needs. */
static void test_huge_receivers(void **state)
{
	struct client_mkey_attr attr = {
		.pd = node[1].pd, .access = CLIENT_ALL_ACCESS, .pa = true, .length64 = true,
		.qpn = CLIENT_ANY_QP,
	};
	struct client_sge to = { .len = 0x7fffffff };
	u8 mac[6];
	u64 before;
	u32 i;

	(void)state;
	assert_int_equal(client_create_mkey(&node[1].c, &attr, &to.lkey), 0);
	to.addr = client_iova(&node[1].c, node[1].mem.va);
	mac_of(&node[1], mac);
	udp_frame(&node[0], mac, 62, 0);
	for (i = 0; i < 8; i++)
		client_post_rq(&node[1].rq, &to, 1);
	before = node[1].vmm->pinned;
	send_frame(&node[0], 62, 0, 0);
	for (i = 0; i < 4; i++)
		settle();
	assert_int_equal(COUNT(&node[1], eth_rx_ucast), 1);
	assert_in_range(node[1].vmm->pinned - before, 0, 8);
	queues_down(&node[1]);
	assert_int_equal(client_destroy_mkey(&node[1].c, to.lkey), 0);
	queues_up(&node[1], true);
}

/* ---- Addresses ------------------------------------------------------------------ */

/* Whatever there is no memory for: no port forwards without the list that policy wants. */
static void test_no_port_without_its_list(void **state)
{
	struct mhca_instance *inst = node[0].vmm->inst;
	const struct soft_port *port = soft_instance(inst)->port;
	struct mhca_policy with = inst->policy, without = inst->policy;
	bool failed = true;
	u32 n;

	(void)state;
	assert_int_equal(mhca_addresses_parse(&with.addresses, "192.0.2.7"), 0);
	for (n = 1; failed; n++) {
		assert_true(n < 100);
		shim_fail_nth(n);
		mhca_policy_apply(inst, &with);
		failed = shim_failed();
		shim_fail_nth(0);
		assert_true(port->allowed || !port->up);
		mhca_policy_apply(inst, &with);
		assert_true(port->allowed && port->up);
		mhca_policy_apply(inst, &without);
		assert_true(!port->allowed && port->up);
	}
	assert_true(n > 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(broken_wqes), TEST(broken_frames), TEST(record), TEST(wrap), TEST(nop),
		TEST(sender_in_pieces), TEST(receiver_in_pieces), TEST(huge_receivers),
		TEST(no_port_without_its_list), TEST(own_memory), TEST(pieces_by_rewriting),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
