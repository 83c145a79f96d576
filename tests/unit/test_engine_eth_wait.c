// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Senders that wait for receivers: whose time it is. */
#include "eth_rig.h"
#include "hca.h"

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

#define CROWD		6
#define STEP_NS		(400 * NSEC_PER_USEC)
#define CROWD_NS	(5 * NSEC_PER_SEC)

/*
 * Receivers that conspire, each within what senders wait for it: they take a frame when they
 * have let its sender wait for almost as long as it does. The sum is bounded for the sender.
 */
static void test_crowd_of_slow_receivers(void **state)
{
	static struct eth_node slow[CROWD];
	u64 begin, held_up = 0, got;
	struct eth_node *to;
	u32 i, steps;

	(void)state;
	for (i = 0; i < CROWD; i++)
		eth_node_up(&slow[i], 0x2000 + i, 5);
	settle();
	begin = ktime_get_ns();
	for (i = 0; ktime_get_ns() - begin < CROWD_NS; i++) {
		to = &slow[i % CROWD];
		got = COUNT(to, eth_rx_ucast);
		send_to(&node[0], to);
		for (steps = 0; eth_run(), !cqe_next(&node[0].scq); steps++) {
			assert_true(steps < 10);
			if (steps == 4)
				post_buffers(to, 1);
			shim_clock_advance(STEP_NS);
		}
		held_up += steps * STEP_NS;
		/* Who took nothing takes the next one at once, or nobody waits for it again. */
		if (COUNT(to, eth_rx_ucast) == got) {
			post_buffers(to, 1);
			send_to(&node[0], to);
			settle();
			assert_non_null(cqe_next(&node[0].scq));
		}
		while (cqe_next(&to->rcq))
			;
		shim_clock_advance(STEP_NS);
	}
	/* 0.4 s at once and a tenth of the time; of each wait the last step is not counted. */
	assert_in_range(held_up, 800 * NSEC_PER_MSEC, 1200 * NSEC_PER_MSEC);
	for (i = 0; i < CROWD; i++)
		eth_node_down(&slow[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(waiting_is_charged), TEST(crowd_of_slow_receivers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
