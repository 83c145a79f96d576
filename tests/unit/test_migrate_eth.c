// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * A guest with an Ethernet port goes on in another instance: its netdev's queues and rules,
 * its addresses, RoCE. And images of it that are not what they should be.
 */
#include "eth_rig.h"
#include "migrate_rig.h"

static void move(struct eth_node *n)
{
	migrate_move(n->vmm);
}

/* ---- Frames ------------------------------------------------------------------- */

/* A frame each way. */
static void frames(void)
{
	u8 mac[6], *frame;
	u32 i;

	for (i = 0; i < 2; i++) {
		post_buffers(&node[!i], 1);
		mac_of(&node[!i], mac);
		udp_frame(&node[i], mac, 200, 0);
		send_frame(&node[i], 200, 18, 0);
		assert_int_equal(sent(&node[i], node[i].sq.head - 1), 0);
		assert_int_equal(be32_to_cpu(received(&node[!i], &frame)->byte_cnt), 200);
		assert_memory_equal(frame, node[i].mem.va, 200);
	}
}

static void test_frames(void **state)
{
	u32 round;

	for (round = 0; round < 40; round++) {
		frames();
		move(&node[dice(2)]);
	}
	frames();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(frames),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
