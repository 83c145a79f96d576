// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Frames from guest to guest, driven by hand-made WQEs through the whole core. */
#include <mhca/policy.h>
#include "eth_rig.h"

static void test_unicast(void **state)
{
	static const u32 sizes[] = { 14, 42, 60, 127, 128, 129, 1514, BUF };
	u32 i, k, inl;
	u8 mac[6], *f;

	(void)state;
	mac_of(&node[1], mac);
	post_buffers(&node[1], 16);
	for (i = 0; i < ARRAY_SIZE(sizes) * 3; i++) {
		u32 len = sizes[i / 3];
		struct mlx5_cqe64 *cqe;
		u16 at = node[0].sq.head;

		inl = (const u32[]){ 0, 14, 100 }[i % 3];
		udp_frame(&node[0], mac, len < 42 ? 42 : len, 0);
		memset(buffer(&node[1], i % 16), 0xee, BUF);
		send_frame(&node[0], len, min(inl, len), 0);
		cqe = received(&node[1], &f);
		assert_int_equal(be32_to_cpu(cqe->byte_cnt), len);
		assert_memory_equal(f, node[0].mem.va, len);
		for (k = len; k < BUF; k++)
			assert_int_equal(f[k], 0xee);
		assert_int_equal(sent(&node[0], at), 0);
		post_buffers(&node[1], 1);
	}
	nothing(&node[1]);
	assert_int_equal(COUNT(&node[0], eth_tx_ucast), i);
	assert_int_equal(COUNT(&node[1], eth_rx_ucast), i);
	assert_int_equal(COUNT(&node[1], eth_rx_ucast_bytes), COUNT(&node[0], eth_tx_ucast_bytes));
}

static void test_checksum(void **state)
{
	struct mlx5_cqe64 *cqe;
	u8 mac[6], *f;
	u16 be;
	u32 s;

	(void)state;
	mac_of(&node[1], mac);
	post_buffers(&node[1], 4);
	udp_frame(&node[0], mac, 1001, 0);
	send_frame(&node[0], 1001, 0, MLX5_ETH_WQE_L3_CSUM | MLX5_ETH_WQE_L4_CSUM);
	cqe = received(&node[1], &f);
	assert_int_equal(cqe->hds_ip_ext & 7, CQE_L2_OK | CQE_L3_OK | CQE_L4_OK);
	assert_int_equal((u16)~csum_fold(csum_partial(f + 14, 20, 0)), 0xffff);
	assert_int_not_equal(get_unaligned_be16(f + 40), 0);
	s = csum_partial(f + 14, 1001 - 14, 0);
	be = (u16)~csum_fold(s);
	assert_memory_equal(&cqe->check_sum, &be, 2);
	assert_int_equal(cqe->l4_l3_hdr_type >> 4 & 7, CQE_L4_HDR_TYPE_UDP);
	assert_int_equal(cqe->l4_l3_hdr_type >> 2 & 3, 2);
	/* Not asked for: untouched, and said to be wrong. */
	udp_frame(&node[0], mac, 500, 0);
	put_unaligned_be16(0x1111, node[0].mem.va + 40);
	send_frame(&node[0], 500, 0, 0);
	cqe = received(&node[1], &f);
	assert_int_equal(cqe->hds_ip_ext & 7, CQE_L2_OK);
	assert_memory_equal(f, node[0].mem.va, 500);
}

static void test_vlan(void **state)
{
	struct mlx5_wqe_eth_seg *eth;
	struct mlx5_cqe64 *cqe;
	u8 mac[6], *f;
	struct tx tx;
	u32 strip;

	(void)state;
	mac_of(&node[1], mac);
	for (strip = 1; ; strip = 0) {
		post_buffers(&node[1], 4);
		udp_frame(&node[0], mac, 800, 0x2064);
		send_frame(&node[0], 800, strip ? 0 : 18, 0);
		cqe = received(&node[1], &f);
		assert_int_equal(cqe->l4_l3_hdr_type & 1, strip);
		assert_int_equal(be32_to_cpu(cqe->byte_cnt), 800 - 4 * strip);
		assert_int_equal(be16_to_cpu(cqe->vlan_info), strip ? 0x2064 : 0);
		assert_memory_equal(f, node[0].mem.va, 12);
		assert_memory_equal(f + 12, node[0].mem.va + 12 + 4 * strip, 788 - 4 * strip);
		/* Inserted by the device. */
		udp_frame(&node[0], mac, 800, 0);
		tx_begin(&tx, MLX5_OPCODE_SEND);
		eth = tx_eth(&tx, NULL, 0);
		eth->insert.type = cpu_to_be16(MLX5_ETH_WQE_INSERT_VLAN);
		eth->insert.vlan_tci = cpu_to_be16(0x3005);
		tx_data(&tx, (uintptr_t)node[0].mem.va, 800, node[0].key);
		tx_post(&node[0], &tx);
		cqe = received(&node[1], &f);
		assert_int_equal(be32_to_cpu(cqe->byte_cnt), 804 - 4 * strip);
		if (strip)
			assert_int_equal(be16_to_cpu(cqe->vlan_info), 0x3005);
		else
			assert_memory_equal(f + 12, "\x81\x00\x30\x05", 4);
		assert_memory_equal(f + 16 - 4 * strip, node[0].mem.va + 12, 788);
		/* A service tag is one when it arrives, and stays in the frame. */
		eth->insert.type |= cpu_to_be16(MLX5_ETH_WQE_SVLAN);
		tx_post(&node[0], &tx);
		cqe = received(&node[1], &f);
		assert_int_equal(be32_to_cpu(cqe->byte_cnt), 804);
		assert_int_equal(cqe->l4_l3_hdr_type & 1, 0);
		assert_memory_equal(f + 12, "\x88\xa8\x30\x05", 4);
		assert_memory_equal(f + 16, node[0].mem.va + 12, 788);
		if (!strip)
			break;
		queues_down(&node[1]);
		queues_up(&node[1], false);
	}
}

/* Large send: frames of the MSS, across what one turn may send. */
static void test_large_send(void **state)
{
	u32 hdr = 54, total = 40000, mss = 1400, n, at, frames = 0;
	struct mlx5_cqe64 *cqe;
	struct tx tx;
	u8 head[54], mac[6], *f;

	(void)state;
	mac_of(&node[1], mac);
	udp_frame(&node[0], mac, hdr, 0);
	memcpy(head, node[0].mem.va, hdr);
	head[23] = 6;
	put_unaligned_be32(1000, head + 38);
	put_unaligned_be16(0x5018, head + 46);
	engine_fill(node[0].mem.va, total, 3);
	tx_begin(&tx, MLX5_OPCODE_LSO);
	tx_eth(&tx, head, hdr)->mss = cpu_to_be16(mss);
	for (at = 0; at < total; at += n) {
		n = min(total - at, at ? 9999U : 1U);
		tx_data(&tx, (uintptr_t)node[0].mem.va + at, n, node[0].key);
	}
	post_buffers(&node[1], 16);
	tx_post(&node[0], &tx);
	for (at = 0; at < total; at += n, frames++) {
		eth_run();
		while (!client_peek_cq(&node[1].rcq)) {
			shim_clock_advance(30000);
			eth_run();
		}
		cqe = cqe_next(&node[1].rcq);
		f = buffer(&node[1], be16_to_cpu(cqe->wqe_counter) % 16);
		n = min(mss, total - at);
		assert_int_equal(be32_to_cpu(cqe->byte_cnt), hdr + n);
		assert_int_equal(cqe->hds_ip_ext & 7, 7);
		assert_int_equal(get_unaligned_be32(f + 38), 1000 + at);
		assert_memory_equal(f + hdr, node[0].mem.va + at, n);
		post_buffers(&node[1], 1);
	}
	assert_int_equal(frames, 29);
	assert_int_equal(sent(&node[0], 0), 0);
	nothing(&node[1]);
	assert_int_equal(COUNT(&node[0], eth_tx_ucast), 29);
	assert_int_equal(COUNT(&node[0], eth_tx_ucast_bytes), total + 29 * hdr);
	assert_int_equal(COUNT(&node[1], drop_rx_buffer), 0);
}

/* BIG TCP: as long as a large send may be, with no length in its header. */
static void test_very_large_send(void **state)
{
	u32 total = 1 << MHCA_LOG_MAX_LSO, mss = 1440, v6, hdr, n, at;
	struct mlx5_cqe64 *cqe;
	struct tx tx;
	u8 head[74], mac[6], *f;

	(void)state;
	mac_of(&node[1], mac);
	post_buffers(&node[1], 16);
	for (v6 = 0; v6 < 2; v6++) {
		u16 first = node[0].sq.head;

		hdr = v6 ? 74 : 54;
		memset(head, 0, sizeof(head));
		memcpy(head, udp_frame(&node[0], mac, 54, 0), 34);
		head[v6 ? 20 : 23] = 6;
		head[14] = v6 ? 0x60 : 0x45;
		put_unaligned_be16(v6 ? 0x86dd : 0x800, head + 12);
		put_unaligned_be16(0, head + (v6 ? 18 : 16));
		put_unaligned_be16(0x5018, head + hdr - 8);
		engine_fill(node[0].mem.va, total, 7 + v6);
		tx_begin(&tx, MLX5_OPCODE_LSO);
		tx_eth(&tx, head, hdr)->mss = cpu_to_be16(mss);
		for (at = 0; at < total; at += n) {
			n = min(total - at, 32768U);
			tx_data(&tx, (uintptr_t)node[0].mem.va + at, n, node[0].key);
		}
		tx_post(&node[0], &tx);
		for (at = 0; at < total; at += n) {
			eth_run();
			while (!client_peek_cq(&node[1].rcq)) {
				shim_clock_advance(30000);
				eth_run();
			}
			cqe = cqe_next(&node[1].rcq);
			f = buffer(&node[1], be16_to_cpu(cqe->wqe_counter) % 16);
			n = min(mss, total - at);
			assert_int_equal(be32_to_cpu(cqe->byte_cnt), hdr + n);
			assert_int_equal(cqe->hds_ip_ext & 7, 7);
			assert_int_equal(get_unaligned_be16(f + (v6 ? 18 : 16)),
					 v6 ? 20 + n : 40 + n);
			assert_int_equal(get_unaligned_be32(f + hdr - 16), at);
			assert_memory_equal(f + hdr, node[0].mem.va + at, n);
			post_buffers(&node[1], 1);
		}
		assert_int_equal(sent(&node[0], first), 0);
		nothing(&node[1]);
	}
	assert_int_equal(COUNT(&node[1], drop_rx_buffer), 0);
}

/* A rule with several TIRs: each gets every frame, however many; what is lost is counted. */
static void test_large_send_to_several(void **state)
{
	u32 total = 200 * 100, mss = 100, tirs[2], got[2] = { 0 }, lost, round, i;
	struct eth_node *to = &node[1];
	struct client_wq rq;
	u8 mac[6], head[42];
	struct tx tx;

	(void)state;
	mac_of(to, mac);
	assert_int_equal(client_destroy_flow(&to->flow), 0);
	assert_int_equal(client_create_rq(&to->c, to->pd, &to->scq, RING, 6, true, &rq), 0);
	assert_int_equal(client_modify_rq(&rq, WQ_RST, WQ_RDY), 0);
	tirs[0] = to->tir;
	assert_int_equal(client_create_tir(&to->c, to->td, rq.number, NULL, &tirs[1]), 0);
	assert_int_equal(client_create_flow(&to->c, tirs, 2, TAG, &to->flow), 0);
	for (round = 0; round < 2; round++) {
		u16 at = node[0].sq.head;

		memcpy(head, udp_frame(&node[0], mac, 42, 0), 42);
		tx_begin(&tx, MLX5_OPCODE_LSO);
		tx_eth(&tx, head, 42)->mss = cpu_to_be16(mss);
		tx_data(&tx, (uintptr_t)node[0].mem.va, total, node[0].key);
		tx_post(&node[0], &tx);
		/* The second time one of them runs out of buffers. */
		for (i = 0; i < 2000; i++) {
			struct client_sge entry = sge(to, buffer(to, 20), BUF);

			while ((u16)(rq.head - got[1]) < 16 && (!round || rq.head < 250)) {
				client_post_rq(&rq, &entry, 1);
			}
			post_buffers(to, 16 - (u16)(to->rq.head - got[0]));
			soft_lane_turn(&hca.lanes[0]);
			soft_lane_turn(&hca.lanes[1]);
			while (cqe_next(&to->rcq))
				got[0]++;
			while (cqe_next(&to->scq))
				got[1]++;
		}
		assert_int_equal(sent(&node[0], at), 0);
		lost = COUNT(to, drop_rx_buffer);
		assert_int_equal(got[0] + got[1] + lost, 2 * 200 * (round + 1));
		assert_int_equal(got[0], 200 * (round + 1));
		assert_int_equal(lost, round ? 150 : 0);
	}
	assert_int_equal(client_destroy_flow(&to->flow), 0);
	assert_int_equal(client_destroy_by_number(&to->c, MLX5_CMD_OP_DESTROY_TIR, tirs[1]), 0);
	assert_int_equal(client_destroy_wq(&rq, MLX5_CMD_OP_DESTROY_RQ), 0);
	assert_int_equal(client_create_flow(&to->c, &to->tir, 1, TAG, &to->flow), 0);
}

static void test_broadcast(void **state)
{
	u8 all[6] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff }, *f;

	(void)state;
	post_buffers(&node[0], 2);
	post_buffers(&node[1], 2);
	post_buffers(&node[2], 2);
	udp_frame(&node[0], all, 300, 0);
	send_frame(&node[0], 300, 0, 0);
	received(&node[1], &f);
	assert_memory_equal(f, node[0].mem.va, 300);
	nothing(&node[0]);
	nothing(&node[2]);		/* another segment */
	assert_int_equal(COUNT(&node[0], eth_tx_bcast), 1);
	assert_int_equal(COUNT(&node[1], eth_rx_bcast), 1);
}

/* Nothing crosses segments, nothing forged passes, nothing comes back. */
static void test_isolation(void **state)
{
	u8 mac[6];

	(void)state;
	post_buffers(&node[0], 4);
	post_buffers(&node[1], 4);
	post_buffers(&node[2], 4);
	mac_of(&node[2], mac);
	udp_frame(&node[0], mac, 100, 0);
	send_frame(&node[0], 100, 0, 0);
	assert_int_equal(sent(&node[0], 0), 0);
	assert_int_equal(COUNT(&node[0], drop_no_peer), 1);
	mac_of(&node[1], mac);
	udp_frame(&node[0], mac, 100, 0);
	memcpy(node[0].mem.va + 6, mac, 6);	/* the neighbour's own */
	send_frame(&node[0], 100, 0, 0);
	assert_int_equal(sent(&node[0], 1), 0);
	assert_int_equal(COUNT(&node[0], drop_spoof), 1);
	node[0].mem.va[11] ^= 0x55;
	send_frame(&node[0], 100, 0, 0);
	assert_int_equal(sent(&node[0], 2), 0);
	assert_int_equal(COUNT(&node[0], drop_spoof), 2);
	nothing(&node[0]);
	nothing(&node[1]);
	nothing(&node[2]);
	assert_int_equal(COUNT(&node[0], eth_tx_ucast), 1);
}

/* With RoCE on, its UDP port is for GIDs of the table; off, it is one like others. */
static void test_roce_port(void **state)
{
	struct mhca_policy policy = node[0].vmm->inst->policy;
	struct soft_port *port = soft_instance(node[0].vmm->inst)->port;
	u8 mac[6], *f;

	(void)state;
	post_buffers(&node[1], 4);
	mac_of(&node[1], mac);
	udp_frame(&node[0], mac, 100, 0);
	put_unaligned_be16(4791, node[0].mem.va + 36);
	send_frame(&node[0], 100, 0, 0);
	received(&node[1], &f);
	assert_memory_equal(f, node[0].mem.va, 100);
	assert_int_equal(port->said, 0);
	assert_int_equal(client_enable_roce(&node[0].c), 0);
	send_frame(&node[0], 100, 0, 0);
	nothing(&node[1]);
	assert_int_equal(COUNT(&node[0], drop_spoof), 1);
	/* The log has a line, one until an administrator changes something. */
	assert_int_equal(port->said, BIT(SOFT_DROP_GID));
	mhca_policy_apply(node[0].vmm->inst, &policy);
	assert_int_equal(port->said, 0);
}

static int want_own(struct eth_node *n, u32 bits)
{
	u32 in[MLX5_ST_SZ_DW(modify_tir_in)] = { 0 }, out[MLX5_ST_SZ_DW(modify_tir_out)];

	MLX5_SET(modify_tir_in, in, opcode, MLX5_CMD_OP_MODIFY_TIR);
	MLX5_SET(modify_tir_in, in, tirn, n->tir);
	MLX5_SET(modify_tir_in, in, bitmask.self_lb_en, 1);
	MLX5_SET(modify_tir_in, in, ctx.self_lb_block, bits);
	return client_exec(&n->c, in, sizeof(in), out, sizeof(out));
}

/* A netdev's self-test: a frame to itself with source 0 comes back, when it is wanted. */
static void test_own_frames(void **state)
{
	struct soft_port *port = soft_instance(node[0].vmm->inst)->port;
	u8 mac[6], all[6] = { 255, 255, 255, 255, 255, 255 }, *f;

	(void)state;
	post_buffers(&node[0], 4);
	post_buffers(&node[1], 4);
	mac_of(&node[0], mac);
	udp_frame(&node[0], mac, 100, 0);
	memset(node[0].mem.va + 6, 0, 6);
	send_frame(&node[0], 100, 0, 0);
	nothing(&node[0]);
	assert_int_equal(soft_port_dropped(port, SOFT_DROP_SELF), 1);
	assert_int_equal(want_own(&node[0], 1), 0);
	send_frame(&node[0], 100, 0, 0);
	received(&node[0], &f);
	assert_memory_equal(f, node[0].mem.va, 100);
	assert_int_equal(soft_port_dropped(port, SOFT_DROP_MAC), 0);
	/* Group frames do not, and to others it is as forged as before. */
	memcpy(node[0].mem.va, all, 6);
	send_frame(&node[0], 100, 0, 0);
	assert_int_equal(soft_port_dropped(port, SOFT_DROP_MAC), 0);
	settle();
	assert_int_equal(soft_port_dropped(port, SOFT_DROP_MAC), 1);
	udp_frame(&node[0], all, 100, 0);
	send_frame(&node[0], 100, 0, 0);
	received(&node[1], &f);
	nothing(&node[0]);
	udp_frame(&node[0], mac, 100, 0);
	assert_int_equal(want_own(&node[0], 0), 0);
	send_frame(&node[0], 100, 0, 0);
	nothing(&node[0]);
	nothing(&node[1]);
	assert_int_equal(soft_port_dropped(port, SOFT_DROP_SELF), 2);
}

/* No buffer: lost after a wait, counted; later frames do not wait; then all is well. */
static void test_no_buffer(void **state)
{
	struct soft_port *port = soft_instance(node[1].vmm->inst)->port;
	u8 mac[6], *f;

	(void)state;
	mac_of(&node[1], mac);
	udp_frame(&node[0], mac, 100, 0);
	send_frame(&node[0], 100, 0, 0);
	eth_run();
	assert_null(client_peek_cq(&node[0].scq));
	assert_int_equal(sent(&node[0], 0), 0);
	assert_int_equal(COUNT(&node[1], drop_rx_buffer), 1);
	assert_true(port->stalled);
	send_frame(&node[0], 100, 0, 0);
	eth_run();
	assert_non_null(client_peek_cq(&node[0].scq));
	assert_int_equal(sent(&node[0], 1), 0);
	assert_int_equal(COUNT(&node[1], drop_rx_buffer), 2);
	post_buffers(&node[1], 2);
	send_frame(&node[0], 100, 0, 0);
	received(&node[1], &f);
	assert_false(port->stalled);
	assert_int_equal(sent(&node[0], 2), 0);
	/* One that comes in time. */
	send_frame(&node[0], 100, 0, 0);
	received(&node[1], &f);
	assert_int_equal(sent(&node[0], 3), 0);
	send_frame(&node[0], 100, 0, 0);
	eth_run();
	post_buffers(&node[1], 1);
	received(&node[1], &f);
	assert_int_equal(sent(&node[0], 4), 0);
	assert_int_equal(COUNT(&node[1], drop_rx_buffer), 2);
}

/* A buffer that is too small stays, and is used by a frame that fits. */
static void test_small_buffer(void **state)
{
	struct client_sge entry[2];
	u8 mac[6];

	(void)state;
	mac_of(&node[1], mac);
	entry[0] = sge(&node[1], buffer(&node[1], 0), 60);
	entry[1] = sge(&node[1], buffer(&node[1], 1), 40);
	client_post_rq(&node[1].rq, entry, 2);
	udp_frame(&node[0], mac, 101, 0);
	send_frame(&node[0], 101, 0, 0);
	assert_int_equal(sent(&node[0], 0), 0);
	nothing(&node[1]);
	assert_int_equal(COUNT(&node[1], drop_length), 1);
	udp_frame(&node[0], mac, 100, 0);
	send_frame(&node[0], 100, 0, 0);
	settle();
	assert_non_null(cqe_next(&node[1].rcq));
	assert_memory_equal(buffer(&node[1], 0), node[0].mem.va, 60);
	assert_memory_equal(buffer(&node[1], 1), node[0].mem.va + 60, 40);
}

/* A receive WQE of a wrong key hurts its owner alone. */
static void test_bad_buffer(void **state)
{
	struct client_sge entry = sge(&node[1], buffer(&node[1], 0), BUF);
	u8 mac[6];

	(void)state;
	mac_of(&node[1], mac);
	entry.lkey ^= 0x100;
	client_post_rq(&node[1].rq, &entry, 1);
	udp_frame(&node[0], mac, 100, 0);
	send_frame(&node[0], 100, 0, 0);
	assert_int_equal(sent(&node[0], 0), 0);
	nothing(&node[1]);
	assert_int_equal(COUNT(&node[1], drop_rx_buffer), 1);
}

/* An idle port costs nothing; a doorbell wakes it. */
static void test_idle(void **state)
{
	u64 deadline;
	u8 mac[6], *f;
	u32 i;

	(void)state;
	mac_of(&node[1], mac);
	post_buffers(&node[1], 2);
	for (i = 0; i < 200; i++) {
		shim_clock_advance(NSEC_PER_MSEC);
		eth_run();
	}
	for (i = 0; i < 2; i++)
		assert_true(soft_lane_may_sleep(&hca.lanes[i], &deadline));
	udp_frame(&node[0], mac, 100, 0);
	send_frame(&node[0], 100, 0, 0);
	received(&node[1], &f);
}

/* RSS: a flow stays on its queue, many flows use all queues. */
static void test_rss(void **state)
{
	static const u8 key[40] = { 0x6d, 0x5a, 0x56, 0xda, 0x25, 0x5b, 0x0e, 0xc2, 0x41, 0x67,
				    0x25, 0x3d, 0x43, 0xa3, 0x8f, 0xb0, 0xd0, 0xca, 0x2b, 0xcb };
	struct eth_node *to = &node[1];
	struct client_sge entry;
	struct client_wq rq[2];
	u32 rqn[2], rqt, tir, i, used[2] = { 0 };
	u8 mac[6];

	(void)state;
	mac_of(to, mac);
	assert_int_equal(client_destroy_flow(&to->flow), 0);
	for (i = 0; i < 2; i++) {
		assert_int_equal(client_create_rq(&to->c, to->pd, &to->rcq, 6, 6, true, &rq[i]), 0);
		assert_int_equal(client_modify_rq(&rq[i], WQ_RST, WQ_RDY), 0);
		rqn[i] = rq[i].number;
	}
	assert_int_equal(client_create_rqt(&to->c, rqn, 2, &rqt), 0);
	assert_int_equal(client_create_tir(&to->c, to->td, rqt, key, &tir), 0);
	assert_int_equal(client_create_flow(&to->c, &tir, 1, TAG, &to->flow), 0);
	for (i = 0; i < 32; i++) {
		u32 k, posted[2];
		u8 *f;

		for (k = 0; k < 2; k++) {
			entry = sge(to, buffer(to, k), BUF);
			client_post_rq(&rq[k], &entry, 1);
			memset(buffer(to, k), 0, BUF);
			posted[k] = rq[k].head;
		}
		f = udp_frame(&node[0], mac, 100, 0);
		put_unaligned_be16(3000 + i / 2, f + 34);
		send_frame(&node[0], 100, 0, 0);
		settle();
		assert_non_null(cqe_next(&to->rcq));
		assert_null(client_peek_cq(&to->rcq));
		for (k = 0; k < 2; k++)
			used[k] += buffer(to, k)[14] == 0x45;
		assert_int_equal(used[0] + used[1], i + 1);
		if (i & 1)
			assert_int_equal(used[0] % 2, 0);
		(void)posted;
		assert_int_equal(sent(&node[0], i), 0);
	}
	assert_true(used[0] > 4 && used[1] > 4);
	assert_int_equal(client_destroy_flow(&to->flow), 0);
	assert_int_equal(client_destroy_by_number(&to->c, MLX5_CMD_OP_DESTROY_TIR, tir), 0);
	assert_int_equal(client_destroy_by_number(&to->c, MLX5_CMD_OP_DESTROY_RQT, rqt), 0);
	for (i = 0; i < 2; i++)
		assert_int_equal(client_destroy_wq(&rq[i], MLX5_CMD_OP_DESTROY_RQ), 0);
	assert_int_equal(client_create_flow(&to->c, &to->tir, 1, TAG, &to->flow), 0);
}

/* Without a rule, and with a queue that is not ready. */
static void test_not_ready(void **state)
{
	u8 mac[6];

	(void)state;
	mac_of(&node[1], mac);
	post_buffers(&node[1], 4);
	udp_frame(&node[0], mac, 100, 0);
	assert_int_equal(client_destroy_flow(&node[1].flow), 0);
	send_frame(&node[0], 100, 0, 0);
	assert_int_equal(sent(&node[0], 0), 0);
	assert_int_equal(COUNT(&node[1], drop_steering), 1);
	assert_int_equal(client_create_flow(&node[1].c, &node[1].tir, 1, TAG, &node[1].flow), 0);
	assert_int_equal(client_modify_rq(&node[1].rq, WQ_RDY, WQ_ERR), 0);
	send_frame(&node[0], 100, 0, 0);
	assert_int_equal(sent(&node[0], 1), 0);
	nothing(&node[1]);
	assert_int_equal(COUNT(&node[1], drop_rx_buffer), 1);
}

/* The port goes down and up, and moves to another segment. */
static void test_moves(void **state)
{
	u8 mac[6], *f;

	(void)state;
	mac_of(&node[1], mac);
	post_buffers(&node[1], 8);
	udp_frame(&node[0], mac, 100, 0);
	node_move(&node[1], 5, false);
	send_frame(&node[0], 100, 0, 0);
	assert_int_equal(sent(&node[0], 0), 0);
	nothing(&node[1]);
	node_move(&node[1], 5, true);
	send_frame(&node[0], 100, 0, 0);
	received(&node[1], &f);
	assert_int_equal(sent(&node[0], 1), 0);
	node_move(&node[1], 9, true);
	send_frame(&node[0], 100, 0, 0);
	assert_int_equal(sent(&node[0], 2), 0);
	nothing(&node[1]);
	udp_frame(&node[2], mac, 100, 0);
	send_frame(&node[2], 100, 0, 0);
	received(&node[1], &f);
	node_move(&node[0], 9, true);
	send_frame(&node[0], 100, 0, 0);
	received(&node[1], &f);
	assert_int_equal(sent(&node[0], 3), 0);
}

/* A large send to a group: each receiver gets all of its frames. */
static void test_large_group(void **state)
{
	u8 all[6] = { 255, 255, 255, 255, 255, 255 }, head[42], *f;
	struct tx tx;
	u32 i, k;

	(void)state;
	node_move(&node[2], 5, true);
	post_buffers(&node[1], 8);
	post_buffers(&node[2], 8);
	udp_frame(&node[0], all, 42, 0);
	memcpy(head, node[0].mem.va, 42);
	engine_fill(node[0].mem.va, 5000, 9);
	tx_begin(&tx, MLX5_OPCODE_LSO);
	tx_eth(&tx, head, 42)->mss = cpu_to_be16(1000);
	tx_data(&tx, (uintptr_t)node[0].mem.va, 5000, node[0].key);
	tx_post(&node[0], &tx);
	for (i = 1; i < 3; i++) {
		for (k = 0; k < 5; k++) {
			received(&node[i], &f);
			assert_memory_equal(f + 42, node[0].mem.va + 1000 * k, 1000);
		}
		nothing(&node[i]);
	}
	assert_int_equal(sent(&node[0], 0), 0);
}

/* As a netdev has it: a PA key, WQEs of one entry, pages that are not pinned yet. */
static void test_pa_key(void **state)
{
	struct client_mkey_attr attr = { .pa = true, .length64 = true, .qpn = CLIENT_ANY_QP,
					 .access = CLIENT_LOCAL_WRITE };
	struct eth_node *to = &node[1];
	struct client_sge entry;
	struct client_wq rq;
	u32 key, i, tir;
	u8 mac[6];

	(void)state;
	mac_of(to, mac);
	attr.pd = to->pd;
	assert_int_equal(client_create_mkey(&to->c, &attr, &key), 0);
	assert_int_equal(client_destroy_flow(&to->flow), 0);
	assert_int_equal(client_create_rq(&to->c, to->pd, &to->rcq, 10, 4, true, &rq), 0);
	assert_int_equal(client_modify_rq(&rq, WQ_RST, WQ_RDY), 0);
	assert_int_equal(client_create_tir(&to->c, to->td, rq.number, NULL, &tir), 0);
	assert_int_equal(client_create_flow(&to->c, &tir, 1, TAG, &to->flow), 0);
	for (i = 0; i < 40; i++) {
		entry.addr = client_iova(&to->c, buffer(to, i * 2)) + 64;
		entry.len = 1536;
		entry.lkey = key;
		client_post_rq(&rq, &entry, 1);
	}
	for (i = 0; i < 40; i++) {
		udp_frame(&node[0], mac, 98 + i, 0);
		send_frame(&node[0], 98 + i, 0, 0);
		settle();
		assert_non_null(cqe_next(&to->rcq));
		assert_memory_equal(buffer(to, i * 2) + 64, node[0].mem.va, 98 + i);
		assert_int_equal(sent(&node[0], i), 0);
	}
	assert_int_equal(COUNT(to, drop_rx_buffer), 0);
	assert_int_equal(client_destroy_flow(&to->flow), 0);
	assert_int_equal(client_destroy_by_number(&to->c, MLX5_CMD_OP_DESTROY_TIR, tir), 0);
	assert_int_equal(client_destroy_wq(&rq, MLX5_CMD_OP_DESTROY_RQ), 0);
	assert_int_equal(client_destroy_mkey(&to->c, key), 0);
	assert_int_equal(client_create_flow(&to->c, &to->tir, 1, TAG, &to->flow), 0);
}

/* Two queues ring the same register: the later store hides the earlier one. */
static void test_hidden_doorbell(void **state)
{
	struct eth_node *n = &node[0];
	struct client_wq second;
	struct client_wq first;
	u8 mac[6], *f;
	u32 i;

	(void)state;
	mac_of(&node[1], mac);
	assert_int_equal(client_create_sq(&n->c, n->pd, n->tis, &n->scq, RING, &second), 0);
	assert_int_equal(client_modify_sq(&second, WQ_RST, WQ_RDY), 0);
	udp_frame(n, mac, 100, 0);
	for (i = 0; i < 20; i++) {
		post_buffers(&node[1], 2);
		settle();
		send_frame(n, 100, 0, 0);
		first = n->sq;
		n->sq = second;
		send_frame(n, 100, 0, 0);
		second = n->sq;
		n->sq = first;
		received(&node[1], &f);
		received(&node[1], &f);
		assert_non_null(cqe_next(&n->scq));
		assert_non_null(cqe_next(&n->scq));
	}
	assert_int_equal(client_destroy_wq(&second, MLX5_CMD_OP_DESTROY_SQ), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(unicast), TEST(checksum), TEST(vlan), TEST(large_send),
		TEST(very_large_send), TEST(large_send_to_several), TEST(broadcast),
		TEST(isolation), TEST(roce_port), TEST(own_frames),
		TEST(no_buffer), TEST(small_buffer), TEST(bad_buffer), TEST(idle),
		TEST(rss), TEST(not_ready), TEST(moves), TEST(large_group), TEST(pa_key),
		TEST(hidden_doorbell),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
