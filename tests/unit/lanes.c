// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Who runs the lanes: the test itself, turn by turn, or their threads. */
#include "vmm_user.h"

#define SETTLE_TURNS	2000000

bool lanes_turn(struct soft_hca *hca)
{
	bool did = false;
	u32 i;

	for (i = 0; i < hca->n_lanes; i++) {
		atomic_xchg(&hca->lanes[i].wake, 0);
		did |= soft_lane_turn(&hca->lanes[i]);
	}
	return did;
}

void lanes_settle(struct soft_hca *hca)
{
	u32 turns;

	for (turns = 0; lanes_turn(hca); turns++)
		if (turns > SETTLE_TURNS)
			shim_warn(__FILE__, __LINE__, "lanes never become quiet");
}

int lanes_start(struct soft_hca *hca)
{
	int err = 0;
	u32 i;

	for (i = 0; !err && i < hca->n_lanes; i++)
		err = soft_lane_start(&hca->lanes[i], NULL);
	return err;
}

void lanes_stop(struct soft_hca *hca)
{
	u32 i;

	for (i = 0; i < hca->n_lanes; i++)
		soft_lane_stop(&hca->lanes[i]);
}
