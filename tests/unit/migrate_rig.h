/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* For the tests of migration: images of instances, and guests that go on somewhere else. */
#ifndef MIGRATE_RIG_H
#define MIGRATE_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <mhca/migrate.h>
#include <mhca/policy.h>
#include "core.h"
#include "image_format.h"
#include "vmm_user.h"

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
/* Where the state of an object begins in @image, @len bytes, behind kind and number. */
u8 *state_of(u32 len, enum mhca_object_kind kind, u32 num);
/* @n bytes at @at of @image become others for one try, which has to be refused. */
void refused_with(struct vmm_user *vmm, u32 len, u8 *at, const void *other, u32 n);
/*
 * The guest goes on in a new instance. What was loaded is saved again before it runs, and
 * is the same to the last byte.
 */
void migrate_move(struct vmm_user *vmm);

#endif /* MIGRATE_RIG_H */
