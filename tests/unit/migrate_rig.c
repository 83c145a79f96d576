// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "migrate_rig.h"

u8 image[IMAGE_MAX];

u32 dice(u32 sides)
{
	static u32 seed = 0x13579bdf;

	seed ^= seed << 13;
	seed ^= seed >> 17;
	seed ^= seed << 5;
	return seed % sides;
}

void stop(struct mhca_instance *inst)
{
	assert_int_equal(mhca_instance_run(inst, MHCA_RUN_RESPONDER), 0);
	assert_int_equal(mhca_instance_run(inst, MHCA_RUN_NONE), 0);
}

u32 save(struct mhca_instance *inst)
{
	struct mhca_save *s = mhca_save_begin(inst);
	u64 initial, dirty, rest;
	ssize_t n;
	u32 at = 0;

	assert_false(IS_ERR(s));
	mhca_save_sizes(s, &initial, &dirty, &rest);
	assert_true(initial && !dirty && rest);
	while ((n = mhca_save_read(s, image + at, 1000)) > 0)
		at += n;
	assert_int_equal(n, -ENOMSG);
	assert_int_equal(at, initial);
	assert_int_equal(mhca_save_stop(s), 0);
	mhca_save_sizes(s, &initial, &dirty, &rest);
	assert_int_equal(initial, 0);
	while ((n = mhca_save_read(s, image + at, 1 + dice(5000))) > 0) {
		at += n;
		assert_true(at + 5000 < IMAGE_MAX);
	}
	assert_int_equal(n, 0);
	mhca_save_end(s);
	return at;
}

struct mhca_instance *target(struct vmm_user *vmm)
{
	static u64 guids = 0x9000;
	struct mhca_policy policy = vmm->inst->policy;
	struct mhca_instance *to = vmm_user_target(vmm, guids += 0x10);

	policy.value[MHCA_POLICY_MAC] = to->policy.value[MHCA_POLICY_MAC];
	policy.value[MHCA_POLICY_NODE_GUID] = to->policy.value[MHCA_POLICY_NODE_GUID];
	policy.value[MHCA_POLICY_PORT_GUID] = to->policy.value[MHCA_POLICY_PORT_GUID];
	mhca_policy_apply(to, &policy);
	return to;
}

int load(struct mhca_instance *to, const void *from, u32 len, char *why)
{
	struct mhca_load *l = mhca_load_begin(to);
	u32 at = 0, run;
	int err = 0;

	if (IS_ERR(l))
		return PTR_ERR(l);
	while (at < len && !err) {
		run = min_t(u32, len - at, 1 + dice(3000));
		err = min_t(ssize_t, mhca_load_write(l, (const u8 *)from + at, run), 0);
		at += run;
	}
	if (!err)
		err = mhca_load_finish(l);
	assert_int_equal(!!err, !!*mhca_load_why(l));
	if (why)
		strcpy(why, mhca_load_why(l));
	mhca_load_end(l);
	return err;
}

int attempt(struct vmm_user *vmm, const void *from, u32 len, char *why)
{
	struct mhca_instance *to = target(vmm);
	s64 pinned = vmm->pinned;
	int err = load(to, from, len, why);

	mhca_instance_destroy(to);
	assert_int_equal(vmm->pinned, pinned);
	return err;
}

u32 body_of(u32 at)
{
	struct mhca_record record;

	memcpy(&record, image + at, sizeof(record));
	return le32_to_cpu(record.length);
}

u8 *state_of(u32 len, enum mhca_object_kind kind, u32 num)
{
	const u32 record = sizeof(struct mhca_record);
	u32 at;

	for (at = 0; at < len; at += record + body_of(at))
		if (image[at] == MHCA_IMAGE_STATE &&
		    get_unaligned_le32(image + at + record) == kind &&
		    get_unaligned_le32(image + at + record + 4) == num)
			return image + at + record + 8;
	fail_msg("no state of %s 0x%x", mhca_object_name(kind), num);
	return NULL;
}

void refused_with(struct vmm_user *vmm, u32 len, u8 *at, const void *other, u32 n)
{
	u8 old[64];

	memcpy(old, at, n);
	memcpy(at, other, n);
	assert_int_equal(attempt(vmm, image, len, NULL), -EINVAL);
	memcpy(at, old, n);
}

void migrate_move(struct vmm_user *vmm)
{
	static u8 first[IMAGE_MAX];
	struct mhca_instance *to = target(vmm);
	u16 lid = vmm->inst->port.lid;
	char why[200];
	u32 len;
	int err;

	stop(vmm->inst);
	len = save(vmm->inst);
	err = load(to, image, len, why);
	if (err)
		fail_msg("load: %d: %s", err, why);
	memcpy(first, image, len);
	assert_int_equal(save(to), len);
	assert_memory_equal(first, image, len);
	assert_int_equal(mhca_instance_run(to, MHCA_RUN_RESPONDER), 0);
	/* The source has lost its place. */
	assert_int_equal(mhca_instance_run(vmm->inst, MHCA_RUN_ALL), -EADDRINUSE);
	vmm_user_switch(vmm, to);
	assert_int_equal(mhca_instance_run(to, MHCA_RUN_ALL), 0);
	assert_int_equal(to->port.lid, lid);
}
