// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Large sends that are odd, many, or another one meanwhile. */
#include <mhca/policy.h>
#include "eth_rig.h"
#include "hca.h"

/*
 * Large sends that a guest's user can have its netdev make are no errors: headers that are
 * no headers, cut off, none, or longer than any that are looked at; fewer bytes in a frame
 * than anybody sends. All of their frames count.
 */
static void test_odd_large_sends(void **state)
{
	static const struct { u32 head, mss, frames; u8 type; } odd[] = {
		{ 42, 100, 10, 6 }, { 41, 100, 10, 0 }, { 43, 100, 10, 0 }, { 0, 100, 10, 0 },
		{ 253, 100, 10, 0 }, { 700, 100, 10, 0 }, { 42, 1, 1000, 0 }, { 42, 7, 143, 0 },
	};
	u8 mac[6], head[700] = { 0 }, *f;
	u32 i, frames = 0;
	struct tx tx;

	(void)state;
	mac_of(&node[1], mac);
	post_buffers(&node[1], 16);
	udp_frame(&node[0], mac, 100, 0);
	for (i = 0; i < ARRAY_SIZE(odd); i++) {
		u16 at = node[0].sq.head;

		memcpy(head, node[0].mem.va, 42);
		head[13] = odd[i].type;
		tx_begin(&tx, MLX5_OPCODE_LSO);
		tx_eth(&tx, head, odd[i].head)->mss = cpu_to_be16(odd[i].mss);
		tx_data(&tx, (uintptr_t)node[0].mem.va, 1000, node[0].key);
		tx_post(&node[0], &tx);
		assert_int_equal(sent(&node[0], at), 0);
		frames += odd[i].frames;
		assert_int_equal(COUNT(&node[0], drop_frame), frames);
	}
	nothing(&node[1]);
	send_frame(&node[0], 100, 0, 0);
	received(&node[1], &f);
}

/* ---- Group frames --------------------------------------------------------------- */

static const u8 everybody[6] = { 255, 255, 255, 255, 255, 255 };

static s64 tokens(const struct eth_node *n)
{
	return soft_instance(n->vmm->inst)->port->flood.level;
}

/* Serve the receiver until nothing comes any more; frames that came. */
static u32 serve(struct eth_node *n)
{
	u32 i, frames = 0;

	for (i = 0; i < 20000; i++) {
		soft_lane_turn(&hca.lanes[0]);
		soft_lane_turn(&hca.lanes[1]);
		while (cqe_next(&n->rcq)) {
			frames++;
			post_buffers(n, 1);
		}
		if (!client_peek_cq(&n->rcq) && client_peek_cq(&node[0].scq))
			break;
	}
	return frames;
}

static void large_udp(struct tx *tx, struct eth_node *n, const u8 *dmac, u32 bytes, u32 mss)
{
	u8 head[42];

	udp_frame(n, dmac, 42, 0);
	memcpy(head, n->mem.va, 42);
	tx_begin(tx, MLX5_OPCODE_LSO);
	tx_eth(tx, head, 42)->mss = cpu_to_be16(mss);
	tx_data(tx, (uintptr_t)n->mem.va, bytes, n->key);
}

/* Each frame of a large send to everybody has its price, at once or not at all. */
static void test_large_flood(void **state)
{
	struct eth_node *n = &node[0];
	struct tx tx;

	(void)state;
	post_buffers(&node[1], 16);
	large_udp(&tx, n, everybody, 8 * 1500, 8);
	tx_post(n, &tx);
	assert_int_equal(serve(&node[1]), 1500);
	assert_int_equal(tokens(n), SOFT_FLOOD_BURST - 1500);
	assert_int_equal(sent(n, 0), 0);
	/* More than are left: none. */
	shim_clock_advance(NSEC_PER_SEC);
	large_udp(&tx, n, everybody, 8 * (SOFT_FLOOD_BURST + 1), 8);
	tx_post(n, &tx);
	assert_int_equal(sent(n, 2), 0);
	nothing(&node[1]);
	assert_int_equal(COUNT(n, drop_flood), SOFT_FLOOD_BURST + 1);
	assert_int_equal(soft_port_dropped(soft_instance(n->vmm->inst)->port, SOFT_DROP_FLOOD),
			 SOFT_FLOOD_BURST + 1);
}

/* A packet that was let in as one thing is not another one later, for nothing. */
static void test_flood_by_rewriting(void **state)
{
	struct eth_node *n = &node[0];
	struct tx tx;
	u8 mac[6];
	u32 i;

	(void)state;
	mac_of(&node[1], mac);
	/* To one, who has no buffer; then to all. */
	large_udp(&tx, n, mac, 8 * 1000, 8);
	tx_post(n, &tx);
	eth_run();
	assert_null(client_peek_cq(&n->scq));
	large_udp(&tx, n, everybody, 8 * 1000, 8);
	tx_rewrite(n, 0, &tx);
	post_buffers(&node[1], 16);
	shim_clock_advance(30000);
	assert_int_equal(serve(&node[1]), 1000);
	assert_int_equal(tokens(n), SOFT_FLOOD_BURST - 1000);
	assert_int_equal(sent(n, 0), 0);
	/* To all, cut finer and finer. */
	shim_clock_advance(NSEC_PER_SEC);
	large_udp(&tx, n, everybody, 1000 * 500, 500);
	tx_post(n, &tx);
	for (i = 0; COUNT(n, eth_tx_bcast) == 1000; i++) {
		assert_true(i < 1000);
		soft_lane_turn(&hca.lanes[0]);
		soft_lane_turn(&hca.lanes[1]);
	}
	large_udp(&tx, n, everybody, 8 * 1900, 8);
	tx_rewrite(n, 2, &tx);
	serve(&node[1]);
	settle();
	assert_int_equal(COUNT(n, drop_flood), 1900);
}

#define CROWD	40

/* Ports in the segment that take nothing: instances without flow tables. */
static void crowd(struct vmm_user **vmm)
{
	struct vmm_user_params params = { .roce = true, .memory = 1 << 20 };
	struct mhca_policy policy;
	u32 i;

	for (i = 0; i < CROWD; i++) {
		vmm[i] = vmm_user_create(&hca, &params, 0x2000 + i);
		assert_non_null(vmm[i]);
		policy = vmm[i]->inst->policy;
		policy.value[MHCA_POLICY_SEGMENT] = 5;
		mhca_policy_apply(vmm[i]->inst, &policy);
	}
}

static u64 looked_at(struct vmm_user **vmm)
{
	u64 n = 0;
	u32 i;

	for (i = 0; i < CROWD; i++)
		n += soft_port_dropped(soft_instance(vmm[i]->inst)->port, SOFT_DROP_STEER);
	return n;
}

/* A port that takes nothing is a part of a turn as well, for who sends to all. */
static void test_flood_of_deaf_ports(void **state)
{
	struct soft_lane *lane = soft_instance(node[0].vmm->inst)->lane;
	struct vmm_user *vmm[CROWD];
	u64 before, now = 0;
	u32 i;

	(void)state;
	crowd(vmm);
	settle();
	post_buffers(&node[1], 8);
	udp_frame(&node[0], everybody, 100, 0);
	for (i = 0; i < 8; i++)
		send_frame(&node[0], 100, 18, 0);
	for (i = 0; now < 8 * CROWD; i++) {
		assert_true(i < 1000);
		before = now;
		soft_lane_turn(lane);
		now = looked_at(vmm);
		assert_in_range(now - before, 0, lane->params.wqe_budget);
	}
	settle();
	assert_int_equal(COUNT(&node[1], eth_rx_bcast), 8);
	assert_int_equal(looked_at(vmm), 8 * CROWD);
	for (i = 0; i < CROWD; i++)
		vmm_user_destroy(vmm[i]);
}

/* What nobody wants: a look at each port for the one that might, in parts of a turn. */
static void test_unknown_in_a_crowd(void **state)
{
	static const u8 nobody[6] = { 2, 9, 9, 9, 9, 9 };
	struct soft_lane *lane = soft_instance(node[0].vmm->inst)->lane;
	struct vmm_user *vmm[CROWD];
	u32 i, turns;

	(void)state;
	crowd(vmm);
	settle();
	udp_frame(&node[0], nobody, 100, 0);
	lane->params.wqe_budget = 4;
	for (i = 0; i < 4; i++)
		send_frame(&node[0], 100, 18, 0);
	for (turns = 0; COUNT(&node[0], wqes) < 4; turns++) {
		assert_true(turns < 100);
		soft_lane_turn(lane);
	}
	/* 42 ports are two frames' worth. */
	assert_true(turns >= 2);
	settle();
	assert_int_equal(COUNT(&node[0], drop_no_peer), 4);
	for (i = 0; i < CROWD; i++)
		vmm_user_destroy(vmm[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(odd_large_sends), TEST(large_flood), TEST(flood_by_rewriting),
		TEST(flood_of_deaf_ports), TEST(unknown_in_a_crowd),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
