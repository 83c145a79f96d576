/* SPDX-License-Identifier: GPL-2.0-only */
/* The host's side of segments, as main.c sees it. */
#ifndef SOFT_UPLINK_H
#define SOFT_UPLINK_H

struct soft_hca;

int soft_uplink_init(struct soft_hca *hca);
void soft_uplink_exit(void);

#endif /* SOFT_UPLINK_H */
