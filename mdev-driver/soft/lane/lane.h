/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The lanes' door: the turn that runs everything (lane.c), its thread (lane_thread.c), doorbell
 * pages (doorbell.c), and the objects that they stand for (uar.c, sq.c).
 */
#ifndef SOFT_LANE_LANE_H
#define SOFT_LANE_LANE_H

#include "transport/transport.h"

/* One turn: takes lane->lock and srcu. true: did something, call again at once. */
bool soft_lane_turn(struct soft_lane *lane);
/*
 * After a turn that did nothing: true when the lane may sleep (all UARs zapped,
 * no active QP); *deadline: ktime at which it must look again, U64_MAX: never.
 */
bool soft_lane_may_sleep(struct soft_lane *lane, u64 *deadline);
void soft_lane_init(struct soft_lane *lane, struct soft_hca *hca, u32 index,
		    const struct soft_lane_params *params);
/* The lane's thread (lane_thread.c): @cpus: where it may run, NULL: anywhere. */
struct cpumask;
int soft_lane_start(struct soft_lane *lane, const struct cpumask *cpus);
void soft_lane_stop(struct soft_lane *lane);

/* doorbell.c; lane->lock */
bool soft_doorbell_take(struct soft_lane *lane, u64 now);
bool soft_doorbell_poll(struct soft_lane *lane, u64 now);
void soft_doorbell_look(struct soft_lane *lane, struct soft_uar *uar);
void soft_doorbell_forget(struct soft_uar *uar);
/* May the lane sleep? Not past *deadline, which may move. */
bool soft_doorbell_quiet(const struct soft_lane *lane, u64 *deadline);

/* uar.c: is @uar mapped? The lane looks at it; touch_lock held. */
void soft_uar_tell(struct soft_uar *uar, bool mapped);
struct soft_uar *soft_uar_find(struct mhca_instance *inst, u32 index);	/* inside srcu */

extern const struct mhca_object_ops soft_uar_ops;
extern const struct mhca_object_ops soft_sq_ops;

#endif /* SOFT_LANE_LANE_H */
