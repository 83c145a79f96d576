/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The software HCA as a backend (hca.c).
 */
#ifndef SOFT_HCA_H
#define SOFT_HCA_H

#include "lane/lane.h"

int soft_hca_init(struct soft_hca *hca, u32 lanes, const struct soft_lane_params *params);
void soft_hca_fini(struct soft_hca *hca);
extern const struct mhca_hca_ops soft_hca_ops;

#endif /* SOFT_HCA_H */
