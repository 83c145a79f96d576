/* SPDX-License-Identifier: GPL-2.0-only */
/* What the programs of hostile cases have in common: hostile_user.c, hostile_vfio_user.c. */
#ifndef HOSTILE_RUN_H
#define HOSTILE_RUN_H

#include "../system/progs/mhca-host/load.h"

/*
 * The cases that @argv names, "fuzz", "storm NAME", or -L. Instances are "0" and "1";
 * @ethernet is set first if they are to have Ethernet ports. Return: how many failed.
 */
int hostile_run(int argc, char **argv, bool *ethernet);

#endif /* HOSTILE_RUN_H */
