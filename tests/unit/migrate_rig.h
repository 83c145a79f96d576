/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* For the tests of migration: images of instances, and guests that go on somewhere else. */
#ifndef MIGRATE_RIG_H
#define MIGRATE_RIG_H

#include <mhca/migrate.h>
#include <mhca/policy.h>
#include "core.h"
#include "engine.h"
#include "image_format.h"

#define IMAGE_MAX	(1U << 20)

/* What was saved last. */
extern u8 image[IMAGE_MAX];

/* A number below @sides, the same in each run. */
u32 dice(u32 sides);
void stop(struct mhca_instance *inst);
/* The whole image, in pieces. Return: its bytes. */
u32 save(struct mhca_instance *inst);
/* An instance beside the guest's that it may move to: of the same policy, with other addresses. */
struct mhca_instance *target(struct vmm_user *vmm);
/* In pieces of any size: 0, or what the target said; @why: NULL, or 200 bytes. */
int load(struct mhca_instance *to, const void *from, u32 len, char *why);
/* The same with a target for each try, of which nothing may be left. */
int attempt(struct vmm_user *vmm, const void *from, u32 len, char *why);
/* Bytes of the body of the record at @at of @image. */
u32 body_of(u32 at);
/* The guest goes on in a new instance. */
void migrate_move(struct vmm_user *vmm);

#endif /* MIGRATE_RIG_H */
