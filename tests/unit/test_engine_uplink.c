// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Frames between guests and an uplink that keeps what it gets. */
#include "eth_rig.h"
#include "host_port.h"

static struct host_port host;

static void uplink_up(u32 segment)
{
	assert_int_equal(host_port_up(&host, &hca, segment), 0);
}

static u8 whole[400000];
static u32 whole_at, whole_mss;

/* A part of a large TCP send: where its number says. */
static void keep_part(struct host_port *h)
{
	assert_int_equal(get_unaligned_be32(h->frame + 38), whole_at);
	assert_int_equal(get_unaligned_be16(h->frame + 16), h->len - 14);
	assert_true(whole_at + h->len - 54 <= sizeof(whole));
	memcpy(whole + whole_at, h->frame + 54, h->len - 54);
	whole_at += h->len - 54;
	assert_int_equal(h->mss, h->len - 54 > whole_mss ? whole_mss : 0);
}

/* Post a large TCP send of the node's memory from its beginning. */
static void post_large(struct eth_node *n, const u8 *dmac, u32 bytes, u32 mss)
{
	u8 head[54];
	struct tx tx;

	udp_frame(n, dmac, 54, 0);
	memcpy(head, n->mem.va, 54);
	head[23] = 6;
	put_unaligned_be16(0, head + 16);	/* as BIG TCP has it */
	put_unaligned_be32(0, head + 38);
	put_unaligned_be16(0x5018, head + 46);
	engine_fill(n->mem.va, bytes, mss);
	tx_begin(&tx, MLX5_OPCODE_LSO);
	tx_eth(&tx, head, 54)->mss = cpu_to_be16(mss);
	tx_data(&tx, (uintptr_t)n->mem.va, bytes, n->key);
	tx_post(n, &tx);
}

/* Large sends of any length reach the host whole, in parts that every kernel takes. */
static void test_large_to_uplink(void **state)
{
	static const u32 sizes[] = { 1400, 1401, 40000, 65536, 399000 };
	u8 nobody[6] = { 2, 9, 9, 9, 9, 9 };
	u32 i;

	(void)state;
	uplink_up(5);
	host.seen = keep_part;
	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		whole_at = 0;
		whole_mss = 1400;
		host.again = 2;
		post_large(&node[0], nobody, sizes[i], 1400);
		assert_int_equal(sent(&node[0], 2 * i), 0);
		assert_int_equal(whole_at, sizes[i]);
		assert_memory_equal(whole, node[0].mem.va, sizes[i]);
	}
	host_port_down(&host);
}

static void test_to_uplink(void **state)
{
	u8 nobody[6] = { 2, 9, 9, 9, 9, 9 }, all[6] = { 255, 255, 255, 255, 255, 255 }, mac[6];
	u8 *f;

	(void)state;
	uplink_up(5);
	post_buffers(&node[1], 8);
	udp_frame(&node[0], nobody, 900, 0);
	send_frame(&node[0], 900, 20, 0);
	assert_int_equal(sent(&node[0], 0), 0);
	assert_int_equal(host.packets, 1);
	assert_int_equal(host.len, 900);
	assert_memory_equal(host.frame, node[0].mem.va, 900);
	/* What an instance has is not the host's business; a group is everybody's. */
	mac_of(&node[1], mac);
	udp_frame(&node[0], mac, 100, 0);
	send_frame(&node[0], 100, 0, 0);
	received(&node[1], &f);
	assert_int_equal(host.packets, 1);
	udp_frame(&node[0], all, 100, 0);
	host.again = 3;
	send_frame(&node[0], 100, 0, 0);
	received(&node[1], &f);
	assert_int_equal(host.packets, 2);
	nothing(&node[1]);
	/* Waited for, but charged once. */
	assert_int_equal(soft_instance(node[0].vmm->inst)->port->flood.level,
			 SOFT_FLOOD_BURST - 1);
	/* Forged: not to the host either. */
	node[0].mem.va[6] ^= 4;
	send_frame(&node[0], 100, 0, 0);
	settle();
	assert_int_equal(host.packets, 2);
	/* A large send stays one packet, up to 64 frames. */
	post_large(&node[0], nobody, 64000, 1000);
	settle();
	assert_int_equal(host.packets, 3);
	assert_int_equal(host.len, 54 + 64000);
	assert_int_equal(host.mss, 1000);
	assert_memory_equal(host.frame + 54, node[0].mem.va, 64000);
	/* Another segment's instance does not reach it. */
	udp_frame(&node[2], all, 100, 0);
	send_frame(&node[2], 100, 0, 0);
	settle();
	assert_int_equal(host.packets, 3);
	host_port_down(&host);
}

static void test_from_uplink(void **state)
{
	u8 all[6] = { 255, 255, 255, 255, 255, 255 }, mac[6], *f;
	struct mlx5_cqe64 *cqe;
	u8 *frame;

	(void)state;
	uplink_up(5);
	post_buffers(&node[0], 2);
	post_buffers(&node[1], 3);
	post_buffers(&node[2], 1);
	mac_of(&node[1], mac);
	frame = udp_frame(&node[2], mac, 1400, 0);	/* any source is the host's */
	assert_int_equal(host_port_send(&host, frame, 1400), SOFT_OK);
	cqe = received(&node[1], &f);
	assert_int_equal(be32_to_cpu(cqe->byte_cnt), 1400);
	assert_int_equal(cqe->hds_ip_ext & 7, CQE_L2_OK | CQE_L4_OK);
	assert_memory_equal(f + 42, frame + 42, 1400 - 42);
	nothing(&node[0]);
	memcpy(frame, all, 6);
	assert_int_equal(host_port_send(&host, frame, 1400), SOFT_OK);
	received(&node[0], &f);
	received(&node[1], &f);
	nothing(&node[2]);
	assert_int_equal(host.packets, 0);		/* no loop */
	/* Nobody has it: nobody gets it. */
	memcpy(frame, "\2\7\7\7\7\7", 6);
	assert_int_equal(host_port_send(&host, frame, 1400), SOFT_OK);
	nothing(&node[0]);
	nothing(&node[1]);
	assert_int_equal(soft_port_dropped(&host.port, SOFT_DROP_UNKNOWN), 1);
	/* A receiver without buffers is waited for, then the frame is lost. */
	memcpy(frame, mac, 6);
	assert_int_equal(host_port_send(&host, frame, 1400), SOFT_OK);
	received(&node[1], &f);
	assert_int_equal(host_port_send(&host, frame, 1400), SOFT_OK);
	nothing(&node[1]);
	assert_int_equal(COUNT(&node[1], drop_rx_buffer), 1);
	host_port_down(&host);
}

static void test_carrier(void **state)
{
	(void)state;
	uplink_up(5);
	assert_int_equal(host.carrier, 1);
	node_move(&node[0], 5, false);
	assert_int_equal(host.carrier, 1);
	node_move(&node[1], 5, false);
	assert_int_equal(host.carrier, 0);
	node_move(&node[1], 5, true);
	assert_int_equal(host.carrier, 1);
	node_move(&node[1], 9, true);
	assert_int_equal(host.carrier, 0);
	node_move(&node[2], 5, true);
	assert_int_equal(host.carrier, 1);
	host_port_down(&host);
	uplink_up(4);
	assert_int_equal(host.carrier, 0);
	host_port_down(&host);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(to_uplink), TEST(large_to_uplink), TEST(from_uplink), TEST(carrier),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
