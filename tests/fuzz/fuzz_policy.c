// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * What an administrator writes. The first byte of an input names an attribute, or "config"; the
 * rest is text. What is taken is shown and taken again, as the same; what is refused leaves
 * the policy as it was and a reason.
 */
#include <mhca/policy.h>
#include "fuzz.h"

#define TEXT_MAX	4096

static void same(const struct mhca_policy *a, const struct mhca_policy *b)
{
	fuzz_check(!memcmp(a, b, sizeof(*a)), "shown and read, the policy is another");
}

/* Either way of writing a policy down means just it. */
static void round_trip(const struct mhca_policy *policy, const struct mhca_policy *fresh)
{
	static char text[MHCA_CONFIG_MAX];
	char reason[MHCA_REASON_MAX];
	struct mhca_policy again = *fresh;
	int id, len;

	len = mhca_policy_to_json(policy, text, sizeof(text));
	fuzz_check(len < MHCA_CONFIG_MAX - 1, "config does not fit: %d", len);
	fuzz_check(!mhca_policy_from_json(&again, text, reason), "%s: %s", text, reason);
	same(&again, policy);
	again = *fresh;
	for (id = 0; id < MHCA_POLICIES; id++) {
		len = mhca_policy_show(policy, id, text, sizeof(text));
		fuzz_check(len < MHCA_VALUE_MAX - 1, "%s does not fit", mhca_policy_rows[id].name);
		fuzz_check(!mhca_policy_parse(&again, id, text, reason), "%s: %s", text, reason);
	}
	same(&again, policy);
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	static const struct mhca_identity id = { .mac = { 2, [5] = 1 }, .node_guid = 1, .port_guid = 2 };
	char text[TEXT_MAX + 1] = "", reason[MHCA_REASON_MAX] = "";
	struct fuzz_input in = { data, size };
	u32 kind = fuzz_take8(&in) % (MHCA_POLICIES + 1);
	struct mhca_policy policy, before;
	int ret;

	memset(&policy, 0, sizeof(policy));
	mhca_policy_default(&policy, &id);
	before = policy;
	fuzz_take_bytes(&in, text, min_t(size_t, in.left, TEXT_MAX));
	if (kind == MHCA_POLICIES)
		ret = mhca_policy_from_json(&policy, text, reason);
	else
		ret = mhca_policy_parse(&policy, kind, text, reason);
	if (ret) {
		fuzz_check(*reason, "refused without a reason: %d", ret);
		same(&policy, &before);
	} else {
		round_trip(&policy, &before);
	}
	return 0;
}

void fuzz_seeds(void (*add)(const void *data, size_t size))
{
	static const char *const texts[] = {
		"192.0.2.7,10.0.0.0/8", "2001:db8::1:0:0:1,fe80::/10,::1/128", "::/0,0.0.0.0/0",
		"1:2:3:4:5:6:7:8", "02:00:5e:00:00:01", "0200:5eff:fe00:0001", "0x10", "off",
		"{\"addresses\":\"192.0.2.7,2001:db8::\\u002f64\",\"weight\":7,\"mac\":\"02:00:5e:00:00:01\"}",
	};
	u8 seed[256];
	u32 i, id;

	for (i = 0; i < ARRAY_SIZE(texts); i++)
		for (id = 0; id <= MHCA_POLICIES; id++) {
			seed[0] = id;
			memcpy(seed + 1, texts[i], strlen(texts[i]));
			add(seed, 1 + strlen(texts[i]));
		}
}
