// SPDX-License-Identifier: GPL-2.0-only
/*
 * Types: what instances there are to choose from, in each front end.
 */
#include <mhca/function.h>
#include "core.h"

#define MHCA_CLASS_INFINIBAND	0x020700
#define MHCA_CLASS_ETHERNET	0x020000

/*
 * Sizes: what an instance of a type starts with; 0: the table of policy.c says it. The attributes of an instance can change all of it.
 */
enum mhca_size { MHCA_SMALL, MHCA_MEDIUM, MHCA_LARGE };

static const u32 mhca_sizes[][MHCA_POLICIES] = {
	[MHCA_SMALL] = {
		[MHCA_POLICY_MAX_QP] = 256,
		[MHCA_POLICY_MAX_CQ] = 256,
		[MHCA_POLICY_MAX_SRQ] = 64,
		[MHCA_POLICY_MAX_MKEY] = 4096,
		[MHCA_POLICY_MAX_PD] = 64,
		[MHCA_POLICY_MAX_PINNED_MB] = 1024,
		[MHCA_POLICY_MAX_MR_MB] = 1024,
		[MHCA_POLICY_WEIGHT] = 100,
	},
	[MHCA_MEDIUM] = {
		[MHCA_POLICY_MAX_QP] = 4096,
		[MHCA_POLICY_MAX_CQ] = 4096,
		[MHCA_POLICY_MAX_SRQ] = 1024,
		[MHCA_POLICY_MAX_MKEY] = 65536,
		[MHCA_POLICY_MAX_PD] = 1024,
		[MHCA_POLICY_MAX_PINNED_MB] = 8192,
		[MHCA_POLICY_MAX_MR_MB] = 8192,
		[MHCA_POLICY_WEIGHT] = 200,
	},
	[MHCA_LARGE] = {
		[MHCA_POLICY_WEIGHT] = 400,
	},
};

/* One personality in all sizes. */
#define MHCA_TYPE_SIZES(_name, _port, _personality, _class)				\
	MHCA_TYPE(_name "-small", _port " small", _port, _personality, _class, MHCA_SMALL), \
	MHCA_TYPE(_name "-medium", _port " medium", _port, _personality, _class, MHCA_MEDIUM), \
	MHCA_TYPE(_name "-large", _port " large", _port, _personality, _class, MHCA_LARGE)
#define MHCA_TYPE(_name, _pretty, _port, _personality, _class, _size) {		\
		.name = _name,							\
		.pretty = "mHCA " _pretty,					\
		.port = _port,							\
		.personality = _personality,					\
		.class = _class,						\
		.size = mhca_sizes[_size],					\
	}

const struct mhca_type_desc mhca_types[MHCA_TYPES] = {
	MHCA_TYPE_SIZES("ib", "InfiniBand", MHCA_IB, MHCA_CLASS_INFINIBAND),
	MHCA_TYPE_SIZES("roce", "RoCE", MHCA_ROCE, MHCA_CLASS_ETHERNET),
};

/**
 * mhca_type_value() - what an attribute of a type's instances is at first
 * @desc: type
 * @id: attribute that is a number
 *
 * Return: the size's number, or the default of all.
 */
u32 mhca_type_value(const struct mhca_type_desc *desc, enum mhca_policy_id id)
{
	return desc->size[id] ?: mhca_policy_rows[id].fallback;
}

/**
 * mhca_type_policy() - a type's numbers over the defaults
 * @desc: type
 * @policy: after mhca_policy_default()
 */
void mhca_type_policy(const struct mhca_type_desc *desc, struct mhca_policy *policy)
{
	int i;

	for (i = 0; i < MHCA_POLICIES; i++)
		if (desc->size[i])
			policy->value[i] = desc->size[i];
}
