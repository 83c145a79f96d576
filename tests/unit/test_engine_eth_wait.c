// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Senders that wait for receivers: whose time it is. */
#include "eth_rig.h"
#include "eth.h"

#define LOOK_NS		(100 * NSEC_PER_USEC)

static struct soft_instance *instance(const struct eth_node *n)
{
	return soft_instance(n->vmm->inst);
}

static void send_to(struct eth_node *from, const struct eth_node *to)
{
	u8 mac[6];

	mac_of(to, mac);
	udp_frame(from, mac, 100, 0);
	send_frame(from, 100, 18, 0);
}

/* An SQ that delivers and then waits has used the lane as one that goes on. */
static void test_waiting_is_charged(void **state)
{
	struct soft_instance *si = instance(&node[0]);
	u64 used;
	u32 i;

	(void)state;
	settle();
	post_buffers(&node[1], 7);
	for (i = 0; i < 8; i++)
		send_to(&node[0], &node[1]);
	/* Each look at the clock takes that long, also those of who waits for nothing. */
	shim_clock_step(NSEC_PER_USEC);
	used = si->used;
	for (i = 0; i < 4 && !cqe_next(&node[1].rcq); i++)
		soft_lane_turn(si->lane);
	assert_int_equal(COUNT(&node[1], eth_rx_ucast), 7);
	assert_true(si->used - used >= 7 * NSEC_PER_USEC);
	/* Looks in vain cost something as well. */
	used = si->used;
	shim_clock_step(0);
	shim_clock_advance(LOOK_NS);
	shim_clock_step(NSEC_PER_USEC);
	soft_lane_turn(si->lane);
	assert_true(si->used > used);
	shim_clock_step(0);
	settle();
	/* What has run up while nobody else wanted the lane is not held against it. */
	assert_true(instance(&node[1])->lane != si->lane ||
		    list_empty(&instance(&node[1])->active_node));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(waiting_is_charged),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
