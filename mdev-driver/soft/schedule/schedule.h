/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The ground floor's door: who there is, who is to be run, and how much. Nothing here runs anything.
 */
#ifndef SOFT_SCHEDULE_SCHEDULE_H
#define SOFT_SCHEDULE_SCHEDULE_H

#include "instance.h"
#include "patience.h"
#include "ready.h"
#include "share.h"
#include "timer.h"
#include "toil.h"

#endif /* SOFT_SCHEDULE_SCHEDULE_H */
