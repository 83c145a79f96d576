// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Senders that wait for receivers: whose time it is, and how long a crowd may hold one up. */
#include "eth_rig.h"
#include "eth.h"

#define CROWD		8
#define LOOK_NS		(100 * NSEC_PER_USEC)

static struct eth_node crowd[CROWD];

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

/* Takes one frame, and lets the next one wait. */
static void entice(struct eth_node *n)
{
	if (n->rq.head - (u32)COUNT(n, eth_rx_ucast) < 1)
		post_buffers(n, 1);
}

/*
 * A sender talks to many, each of which lets it wait as long as one receiver may. All of
 * them together get no more of its time than one sender may wait.
 */
static void test_crowd(void **state)
{
	struct soft_sq *sq;
	u32 i, waited = 0, looks = 0, next = 0;
	u64 seconds;

	(void)state;
	for (i = 0; i < CROWD; i++)
		eth_node_up(&crowd[i], 0x2000 + i, 5);
	settle();
	sq = soft_sq_find(node[0].vmm->inst, node[0].sq.number);
	for (seconds = 0; seconds < 12 * NSEC_PER_SEC; seconds += LOOK_NS) {
		while (node[0].sq.head - sq->consumer < 4)
			send_to(&node[0], &crowd[next++ % CROWD]);
		while (cqe_next(&node[0].scq))
			;
		for (i = 0; i < CROWD; i++) {
			entice(&crowd[i]);
			while (cqe_next(&crowd[i].rcq))
				;
		}
		lanes_turn(&hca);
		/* The first seconds are the burst. */
		if (seconds > 6 * NSEC_PER_SEC) {
			looks++;
			waited += sq->waiting;
		}
		shim_clock_advance(LOOK_NS);
	}
	assert_true(COUNT(&node[0], eth_tx_ucast) > 1000);
	if (waited > looks * 15 / 100)
		fail_msg("the sender waited in %u of %u looks", waited, looks);
	for (i = 0; i < CROWD; i++)
		eth_node_down(&crowd[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(waiting_is_charged),
		TEST(crowd),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
