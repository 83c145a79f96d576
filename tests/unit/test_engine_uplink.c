// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Frames between guests and an uplink that keeps what it gets. */
#include "eth_rig.h"
#include "eth.h"
#include "packet.h"

static struct soft_port uplink;
static u8 host_frame[70000];
static u32 host_len, host_mss, host_packets, host_again;
static int host_carrier = -1;

static enum soft_result host_take(void *owner, const struct soft_packet *packet)
{
	assert_ptr_equal(owner, &uplink);
	if (host_again && host_again--)
		return SOFT_AGAIN;
	memcpy(host_frame, packet->head, packet->head_len);
	assert_int_equal(soft_packet_read(packet, 0, host_frame + packet->head_len,
					  packet->body_len), SOFT_OK);
	host_len = packet->head_len + packet->body_len;
	host_mss = packet->mss;
	host_packets++;
	return SOFT_OK;
}

static void host_carrier_set(void *owner, bool on)
{
	assert_ptr_equal(owner, &uplink);
	host_carrier = on;
}

static const struct soft_uplink_ops host_ops = {
	.xmit = host_take,
	.carrier = host_carrier_set,
};

static void uplink_up(u32 segment)
{
	memset(&uplink, 0, sizeof(uplink));
	hca.uplink_ops = &host_ops;
	host_packets = 0;
	host_again = 0;
	host_carrier = -1;
	soft_port_init(&uplink, SOFT_PORT_UPLINK, &uplink);
	uplink.up = true;
	assert_int_equal(soft_port_attach(&hca.sw, &uplink, segment), 0);
	soft_switch_carrier(&hca, segment);
}

static void uplink_down(void)
{
	soft_port_detach(&hca.sw, &uplink);
	soft_port_fini(&uplink);
}

/* The host sends @len bytes at @frame: how soft_route_packet() ended, in the end. */
static enum soft_result host_send(const u8 *frame, u32 len)
{
	static struct soft_packet packet;
	struct soft_progress progress = { 0 };
	enum soft_result result;
	u32 frames, idx;

	memset(&packet, 0, sizeof(packet));
	packet.from = &uplink;
	packet.head_len = min(len, SOFT_HEAD_PULL);
	memcpy(packet.head, frame, packet.head_len);
	packet.body.n = 1;
	packet.body.seg[0].inline_data = frame;
	packet.body.seg[0].len = len;
	packet.body.len = len;
	packet.body_at = packet.head_len;
	packet.body_len = len - packet.head_len;
	packet.sum_l4 = true;
	assert_true(soft_packet_parse(&packet));
	do {
		frames = 4;
		idx = srcu_read_lock(&hca.srcu);
		result = soft_route_packet(&hca, &packet, &progress, &frames);
		srcu_read_unlock(&hca.srcu, idx);
		shim_clock_advance(30000);
	} while (result == SOFT_MORE || result == SOFT_AGAIN);
	return result;
}

static void test_to_uplink(void **state)
{
	u8 nobody[6] = { 2, 9, 9, 9, 9, 9 }, all[6] = { 255, 255, 255, 255, 255, 255 }, mac[6];
	struct mlx5_wqe_eth_seg *eth;
	struct tx tx;
	u8 head[54], *f;

	(void)state;
	uplink_up(5);
	post_buffers(&node[1], 8);
	udp_frame(&node[0], nobody, 900, 0);
	send_frame(&node[0], 900, 20, 0);
	assert_int_equal(sent(&node[0], 0), 0);
	assert_int_equal(host_packets, 1);
	assert_int_equal(host_len, 900);
	assert_memory_equal(host_frame, node[0].mem.va, 900);
	/* What an instance has is not the host's business; a group is everybody's. */
	mac_of(&node[1], mac);
	udp_frame(&node[0], mac, 100, 0);
	send_frame(&node[0], 100, 0, 0);
	received(&node[1], &f);
	assert_int_equal(host_packets, 1);
	udp_frame(&node[0], all, 100, 0);
	host_again = 3;
	send_frame(&node[0], 100, 0, 0);
	received(&node[1], &f);
	assert_int_equal(host_packets, 2);
	nothing(&node[1]);
	/* Waited for, but charged once. */
	assert_int_equal(soft_instance(node[0].vmm->inst)->port->flood.level,
			 SOFT_FLOOD_BURST - 1);
	/* Forged: not to the host either. */
	node[0].mem.va[6] ^= 4;
	send_frame(&node[0], 100, 0, 0);
	settle();
	assert_int_equal(host_packets, 2);
	/* A large send stays one packet. */
	udp_frame(&node[0], nobody, 54, 0);
	memcpy(head, node[0].mem.va, 54);
	head[23] = 6;
	put_unaligned_be16(0x5018, head + 46);
	tx_begin(&tx, MLX5_OPCODE_LSO);
	eth = tx_eth(&tx, head, 54);
	eth->mss = cpu_to_be16(1000);
	tx_data(&tx, (uintptr_t)node[0].mem.va, 65536, node[0].key);
	tx_post(&node[0], &tx);
	settle();
	assert_int_equal(host_packets, 3);
	assert_int_equal(host_len, 54 + 65536);
	assert_int_equal(host_mss, 1000);
	assert_memory_equal(host_frame + 54, node[0].mem.va, 65536);
	/* Another segment's instance does not reach it. */
	udp_frame(&node[2], all, 100, 0);
	send_frame(&node[2], 100, 0, 0);
	settle();
	assert_int_equal(host_packets, 3);
	uplink_down();
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
	assert_int_equal(host_send(frame, 1400), SOFT_OK);
	cqe = received(&node[1], &f);
	assert_int_equal(be32_to_cpu(cqe->byte_cnt), 1400);
	assert_int_equal(cqe->hds_ip_ext & 7, CQE_L2_OK | CQE_L4_OK);
	assert_memory_equal(f + 42, frame + 42, 1400 - 42);
	nothing(&node[0]);
	memcpy(frame, all, 6);
	assert_int_equal(host_send(frame, 1400), SOFT_OK);
	received(&node[0], &f);
	received(&node[1], &f);
	nothing(&node[2]);
	assert_int_equal(host_packets, 0);		/* no loop */
	/* Nobody has it: nobody gets it. */
	memcpy(frame, "\2\7\7\7\7\7", 6);
	assert_int_equal(host_send(frame, 1400), SOFT_OK);
	nothing(&node[0]);
	nothing(&node[1]);
	assert_int_equal(soft_port_dropped(&uplink, SOFT_DROP_UNKNOWN), 1);
	/* A receiver without buffers is waited for, then the frame is lost. */
	memcpy(frame, mac, 6);
	assert_int_equal(host_send(frame, 1400), SOFT_OK);
	received(&node[1], &f);
	assert_int_equal(host_send(frame, 1400), SOFT_OK);
	nothing(&node[1]);
	assert_int_equal(COUNT(&node[1], drop_rx_buffer), 1);
	uplink_down();
}

static void test_carrier(void **state)
{
	(void)state;
	uplink_up(5);
	assert_int_equal(host_carrier, 1);
	node_move(&node[0], 5, false);
	assert_int_equal(host_carrier, 1);
	node_move(&node[1], 5, false);
	assert_int_equal(host_carrier, 0);
	node_move(&node[1], 5, true);
	assert_int_equal(host_carrier, 1);
	node_move(&node[1], 9, true);
	assert_int_equal(host_carrier, 0);
	node_move(&node[2], 5, true);
	assert_int_equal(host_carrier, 1);
	uplink_down();
	uplink_up(4);
	assert_int_equal(host_carrier, 0);
	uplink_down();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(to_uplink), TEST(from_uplink), TEST(carrier),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
