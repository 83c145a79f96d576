/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include <linux/types.h>

#ifndef FIELD_GET
#define FIELD_GET(mask, reg)	(((reg) & (mask)) >> __builtin_ctzll(mask))
#define FIELD_PREP(mask, val)	(((__typeof__(mask))(val) << __builtin_ctzll(mask)) & (mask))
#endif
