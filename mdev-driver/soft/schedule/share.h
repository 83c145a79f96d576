/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Weights and rates of instances (share.c).
 */
#ifndef SOFT_SCHEDULE_SHARE_H
#define SOFT_SCHEDULE_SHARE_H

#include "instance.h"

/* All under lane->lock but init and fini. */
int soft_share_init(struct soft_instance *si);
void soft_share_fini(struct soft_instance *si);
u64 soft_share_weights(struct soft_lane *lane);
u64 soft_share_slice(const struct soft_instance *si, u64 ns, u64 sum);
void soft_share_begin(struct soft_lane *lane, u64 now);
void soft_share_meter(struct soft_instance *si);
void soft_share_start(struct soft_instance *si);
bool soft_share_ahead(const struct soft_instance *si);
void soft_share_used(struct soft_instance *si, u64 ns);
void soft_share_charge(struct soft_instance *si, u64 ns);
bool soft_share_admit(struct soft_instance *si);
void soft_share_timer(struct soft_instance *si);
u64 soft_share_bytes(const struct soft_instance *si, u64 most);
u32 soft_share_wqes(const struct soft_instance *si, u32 most, u32 cost);
void soft_share_moved(struct soft_instance *si, u64 bytes);
bool soft_share_spent(const struct soft_instance *si);

#endif /* SOFT_SCHEDULE_SHARE_H */
