// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Policy attributes: values, ranges, views, "config", and what a guest notices of them. */
#include <mhca/policy.h>
#include "fixture.h"

static struct mhca_policy fresh(void)
{
	const struct mhca_identity id = {
		.name = "test", .node_guid = 0x0200000000000001, .port_guid = 0x0200000000000002,
		.mac = { 2, 0, 0x5e, 0, 0, 1 },
	};
	struct mhca_policy policy;

	mhca_policy_default(&policy, &id);
	return policy;
}

static const char *show(const struct mhca_policy *policy, enum mhca_policy_id id)
{
	static char text[MHCA_VALUE_MAX];
	int len = mhca_policy_show(policy, id, text, sizeof(text));

	assert_int_equal(len, strlen(text));
	return text;
}

/* ---- Values ------------------------------------------------------------------- */

struct value_case {
	enum mhca_policy_id id;
	const char *text;
	int ret;
	const char *shown;
};

static const struct value_case value_cases[] = {
	{ MHCA_POLICY_MAC, "02:00:5E:ab:cd:ef", 0, "02:00:5e:ab:cd:ef" },
	{ MHCA_POLICY_MAC, "00:00:00:00:00:00", -ERANGE, NULL },
	{ MHCA_POLICY_MAC, "01:00:5e:00:00:01", -ERANGE, NULL },
	{ MHCA_POLICY_MAC, "02:00:5e:00:00", -EINVAL, NULL },
	{ MHCA_POLICY_MAC, "02:00:5e:00:00:01:", -EINVAL, NULL },
	{ MHCA_POLICY_MAC, "2:0:5e:0:0:1", -EINVAL, NULL },
	{ MHCA_POLICY_MAC, "", -EINVAL, NULL },
	{ MHCA_POLICY_NODE_GUID, "0200:5eff:fe00:0001", 0, "0200:5eff:fe00:0001" },
	{ MHCA_POLICY_NODE_GUID, "02:00:5e:ff:fe:00:00:01", 0, "0200:5eff:fe00:0001" },
	{ MHCA_POLICY_NODE_GUID, "0x2005efffe000001", 0, "0200:5eff:fe00:0001" },
	{ MHCA_POLICY_NODE_GUID, "0xffffffffffffffff", 0, "ffff:ffff:ffff:ffff" },
	{ MHCA_POLICY_NODE_GUID, "0x1ffffffffffffffff", -ERANGE, NULL },
	{ MHCA_POLICY_NODE_GUID, "0x", -EINVAL, NULL },
	{ MHCA_POLICY_PORT_GUID, "0000:0000:0000:0000", -ERANGE, NULL },
	{ MHCA_POLICY_PORT_GUID, "1", -EINVAL, NULL },
	{ MHCA_POLICY_SEGMENT, "4294967295", 0, "4294967295" },
	{ MHCA_POLICY_SEGMENT, "4294967296", -ERANGE, NULL },
	{ MHCA_POLICY_SEGMENT, "18446744073709551616", -ERANGE, NULL },
	{ MHCA_POLICY_SEGMENT, "-1", -EINVAL, NULL },
	{ MHCA_POLICY_SEGMENT, "+1", -EINVAL, NULL },
	{ MHCA_POLICY_SEGMENT, "010", -EINVAL, NULL },
	{ MHCA_POLICY_SEGMENT, "0x10", 0, "16" },
	{ MHCA_POLICY_SEGMENT, "1 2", -EINVAL, NULL },
	{ MHCA_POLICY_SEGMENT, "", -EINVAL, NULL },
	{ MHCA_POLICY_RATE_MBPS, "0", 0, "0" },
	{ MHCA_POLICY_RATE_MBPS, "100000", 0, "100000" },
	{ MHCA_POLICY_RATE_MBPS, "100001", -ERANGE, NULL },
	{ MHCA_POLICY_BURST_KB, "0", -ERANGE, NULL },
	{ MHCA_POLICY_BURST_KB, "15", -ERANGE, NULL },
	{ MHCA_POLICY_BURST_KB, "16", 0, "16" },
	{ MHCA_POLICY_CMD_RATE, "0", 0, "0" },
	{ MHCA_POLICY_CMD_RATE, "99", -ERANGE, NULL },
	{ MHCA_POLICY_CMD_RATE, "100", 0, "100" },
	{ MHCA_POLICY_WEIGHT, "0", -ERANGE, NULL },
	{ MHCA_POLICY_WEIGHT, "10000", 0, "10000" },
	{ MHCA_POLICY_MAX_QP, "0", -ERANGE, NULL },
	{ MHCA_POLICY_MAX_QP, "16777214", 0, "16777214" },
	{ MHCA_POLICY_MAX_QP, "16777215", -ERANGE, NULL },
	{ MHCA_POLICY_DOORBELL, "trap", 0, "trap" },
	{ MHCA_POLICY_DOORBELL, "map", 0, "map" },
	{ MHCA_POLICY_DOORBELL, "Trap", -EINVAL, NULL },
	{ MHCA_POLICY_DOORBELL, "", -EINVAL, NULL },
	{ MHCA_POLICY_SPOOF_CHECK, "off", 0, "off" },
	{ MHCA_POLICY_LINK, "down", 0, "down" },
	{ MHCA_POLICY_LINK, "auto", -EINVAL, NULL },
	{ MHCA_POLICY_ADDRESSES, "", 0, "" },
	{ MHCA_POLICY_ADDRESSES, "192.0.2.7", 0, "192.0.2.7" },
	{ MHCA_POLICY_ADDRESSES, "192.0.2.7/32,10.0.0.0/8", 0, "192.0.2.7,10.0.0.0/8" },
	{ MHCA_POLICY_ADDRESSES, "0.0.0.0/0,::/0", 0, "0.0.0.0/0,::/0" },
	{ MHCA_POLICY_ADDRESSES, "2001:DB8:0:0:1:0:0:1", 0, "2001:db8::1:0:0:1" },
	{ MHCA_POLICY_ADDRESSES, "2001:db8:0:1:2:3:4:5", 0, "2001:db8:0:1:2:3:4:5" },
	{ MHCA_POLICY_ADDRESSES, "1:2:3:4:5:6:7::,::1,1::8", 0, "1:2:3:4:5:6:7:0,::1,1::8" },
	{ MHCA_POLICY_ADDRESSES, "fe80::/10", 0, "fe80::/10" },
	{ MHCA_POLICY_ADDRESSES, "192.0.2.7,", -EINVAL, NULL },
	{ MHCA_POLICY_ADDRESSES, ",192.0.2.7", -EINVAL, NULL },
	{ MHCA_POLICY_ADDRESSES, "192.0.2.7 10.0.0.1", -EINVAL, NULL },
	{ MHCA_POLICY_ADDRESSES, "192.0.2", -EINVAL, NULL },
	{ MHCA_POLICY_ADDRESSES, "192.0.2.256", -EINVAL, NULL },
	{ MHCA_POLICY_ADDRESSES, "192.0.2.07", -EINVAL, NULL },
	{ MHCA_POLICY_ADDRESSES, "192.0.2.7/33", -EINVAL, NULL },
	{ MHCA_POLICY_ADDRESSES, "192.0.2.7/", -EINVAL, NULL },
	{ MHCA_POLICY_ADDRESSES, "192.0.2.7/24", -ERANGE, NULL },
	{ MHCA_POLICY_ADDRESSES, "192.0.2.0/24", 0, "192.0.2.0/24" },
	{ MHCA_POLICY_ADDRESSES, "224.0.0.1", -ERANGE, NULL },
	{ MHCA_POLICY_ADDRESSES, "0.0.0.0", -ERANGE, NULL },
	{ MHCA_POLICY_ADDRESSES, "::", -ERANGE, NULL },
	{ MHCA_POLICY_ADDRESSES, "::ffff:192.0.2.7", -EINVAL, NULL },
	{ MHCA_POLICY_ADDRESSES, "::ffff:c000:207", -ERANGE, NULL },
	{ MHCA_POLICY_ADDRESSES, "ff02::1", -ERANGE, NULL },
	{ MHCA_POLICY_ADDRESSES, "2001:db8::1/64", -ERANGE, NULL },
	{ MHCA_POLICY_ADDRESSES, "2001:db8::/129", -EINVAL, NULL },
	{ MHCA_POLICY_ADDRESSES, "1:2:3:4:5:6:7", -EINVAL, NULL },
	{ MHCA_POLICY_ADDRESSES, "1:2:3:4:5:6:7:8:9", -EINVAL, NULL },
	{ MHCA_POLICY_ADDRESSES, "1:2:3:4::5:6:7:8", -EINVAL, NULL },
	{ MHCA_POLICY_ADDRESSES, "1::2::3", -EINVAL, NULL },
	{ MHCA_POLICY_ADDRESSES, "1:::2", -EINVAL, NULL },
	{ MHCA_POLICY_ADDRESSES, ":1", -EINVAL, NULL },
	{ MHCA_POLICY_ADDRESSES, "1:", -EINVAL, NULL },
	{ MHCA_POLICY_ADDRESSES, "12345::", -EINVAL, NULL },
	{ MHCA_POLICY_ADDRESSES, "1,2,3,4,5,6,7", -EINVAL, NULL },
	{ MHCA_POLICY_ADDRESSES, "::1,::2,::3,::4,::5,::6,::7,::8,::9,::a,::b,::c,::d,::e,::f,::10", 0,
	  "::1,::2,::3,::4,::5,::6,::7,::8,::9,::a,::b,::c,::d,::e,::f,::10" },
	{ MHCA_POLICY_ADDRESSES,
	  "::1,::2,::3,::4,::5,::6,::7,::8,::9,::a,::b,::c,::d,::e,::f,::10,::11", -ERANGE, NULL },
	{ MHCA_POLICY_DESCRIPTION, "", 0, "" },
	{ MHCA_POLICY_DESCRIPTION, "tenant 7, \"blue\" \\ gr\xc3\xbcn", 0,
	  "tenant 7, \"blue\" \\ gr\xc3\xbcn" },
	{ MHCA_POLICY_DESCRIPTION, "two\nlines", -EINVAL, NULL },
	{ MHCA_POLICY_DESCRIPTION, "\x7f", -EINVAL, NULL },
};

static void test_values(void **state)
{
	char reason[MHCA_REASON_MAX];
	u32 i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(value_cases); i++) {
		const struct value_case *c = &value_cases[i];
		struct mhca_policy policy = fresh(), before = policy;
		int ret;

		memset(reason, 0, sizeof(reason));
		ret = mhca_policy_parse(&policy, c->id, c->text, reason);
		if (ret != c->ret)
			fail_msg("%s=%s: %d, expected %d", mhca_policy_rows[c->id].name, c->text,
				 ret, c->ret);
		if (!ret) {
			assert_string_equal(show(&policy, c->id), c->shown);
			continue;
		}
		assert_memory_equal(&policy, &before, sizeof(policy));
		if (strncmp(reason, mhca_policy_rows[c->id].name,
			    strlen(mhca_policy_rows[c->id].name)))
			fail_msg("the reason does not name the attribute: %s", reason);
	}
}

/* The reason says the whole range, with its unit. */
static void test_reasons(void **state)
{
	struct mhca_policy policy = fresh();
	char reason[MHCA_REASON_MAX];

	(void)state;
	mhca_policy_parse(&policy, MHCA_POLICY_RATE_MBPS, "x", reason);
	assert_string_equal(reason, "rate_mbps must be 0 (no bound) or 1..100000 Mbit/s");
	mhca_policy_parse(&policy, MHCA_POLICY_MAX_QP, "0", reason);
	assert_string_equal(reason, "max_qp must be 1..16777214");
	mhca_policy_parse(&policy, MHCA_POLICY_DOORBELL, "x", reason);
	assert_string_equal(reason, "doorbell must be 'map' or 'trap'");
}

static void test_description_length(void **state)
{
	char text[MHCA_DESCRIPTION_MAX + 2], reason[MHCA_REASON_MAX];
	struct mhca_policy policy = fresh();

	(void)state;
	memset(text, 'a', sizeof(text));
	text[sizeof(text) - 1] = 0;
	assert_int_equal(mhca_policy_parse(&policy, MHCA_POLICY_DESCRIPTION, text, reason),
			 -ERANGE);
	text[MHCA_DESCRIPTION_MAX] = 0;
	assert_ok(mhca_policy_parse(&policy, MHCA_POLICY_DESCRIPTION, text, reason));
	assert_string_equal(policy.description, text);
}

/* Every row: the bounds are in, their neighbours are out; what is shown can be set. */
static void test_rows(void **state)
{
	char text[MHCA_VALUE_MAX], reason[MHCA_REASON_MAX];
	u32 i;

	(void)state;
	for (i = 0; i < MHCA_POLICIES; i++) {
		const struct mhca_policy_row *row = &mhca_policy_rows[i];
		struct mhca_policy policy = fresh();

		assert_non_null(row->name);
		assert_int_equal(mhca_policy_find(row->name), i);
		mhca_policy_show(&policy, i, text, sizeof(text));
		assert_ok(mhca_policy_parse(&policy, i, text, reason));
		if (row->form != MHCA_FORM_NUMBER)
			continue;
		snprintf(text, sizeof(text), "%llu", (unsigned long long)row->max);
		assert_ok(mhca_policy_parse(&policy, i, text, reason));
		snprintf(text, sizeof(text), "%llu", (unsigned long long)row->max + 1);
		assert_int_equal(mhca_policy_parse(&policy, i, text, reason), -ERANGE);
		snprintf(text, sizeof(text), "%llu", (unsigned long long)row->min);
		assert_ok(mhca_policy_parse(&policy, i, text, reason));
		if (row->min <= (row->zero ? 1 : 0))
			continue;
		snprintf(text, sizeof(text), "%llu", (unsigned long long)row->min - 1);
		assert_int_equal(mhca_policy_parse(&policy, i, text, reason), -ERANGE);
	}
	assert_int_equal(mhca_policy_find("max_"), -ENOENT);
}

/* ---- Views ----------------------------------------------------------------------- */

static void test_views(void **state)
{
	struct mhca_policy policy = fresh();
	struct mhca_limit limit;

	(void)state;
	policy.value[MHCA_POLICY_MAX_QP] = 100;
	limit = mhca_policy_view(&policy, MHCA_POLICY_MAX_QP);
	assert_int_equal(limit.configured, 100);
	assert_int_equal(limit.clamped, 100);
	assert_int_equal(limit.visible, 64);
	policy.value[MHCA_POLICY_MAX_QP] = MHCA_NUMBER_MAX;
	limit = mhca_policy_view(&policy, MHCA_POLICY_MAX_QP);
	assert_int_equal(limit.configured, MHCA_NUMBER_MAX);
	assert_int_equal(limit.clamped, 1U << MHCA_LOG_MAX_QP);
	assert_int_equal(limit.visible, 1U << MHCA_LOG_MAX_QP);
	policy.value[MHCA_POLICY_MAX_PINNED_MB] = 70000;
	limit = mhca_policy_view(&policy, MHCA_POLICY_MAX_PINNED_MB);
	assert_int_equal(limit.configured, 70000);
	assert_int_equal(limit.clamped, MHCA_MAX_PINNED_MB);
	policy.value[MHCA_POLICY_MAX_PINNED_MB] = 10;
	assert_int_equal(mhca_policy_view(&policy, MHCA_POLICY_MAX_MR_MB).clamped, 10);
	assert_int_equal(mhca_policy_view(&policy, MHCA_POLICY_WEIGHT).clamped, 100);
}

static void test_change(void **state)
{
	struct mhca_policy from = fresh(), to = from;
	char reason[MHCA_REASON_MAX];
	u32 i;

	(void)state;
	for (i = 0; i < MHCA_POLICY_DESCRIPTION; i++) {
		to = from;
		to.value[i]++;
		assert_ok(mhca_policy_change(&from, &to, false, reason));
		assert_int_equal(mhca_policy_change(&from, &to, true, reason),
				 mhca_policy_rows[i].live ? 0 : -EBUSY);
	}
	to = from;
	strcpy(to.description, "x");
	assert_ok(mhca_policy_change(&from, &to, true, reason));
}

/* ---- config --------------------------------------------------------------------------- */

static void test_config_round_trip(void **state)
{
	char text[MHCA_CONFIG_MAX], again[MHCA_CONFIG_MAX], reason[MHCA_REASON_MAX];
	struct mhca_policy policy = fresh(), other = fresh();
	int len;
	u32 i;

	(void)state;
	memset(policy.description, '"', MHCA_DESCRIPTION_MAX);
	for (i = 0; i < MHCA_ADDRESSES_MAX; i++) {
		struct mhca_prefix *prefix = &policy.addresses.prefix[i];

		memset(prefix->address, 0xee - i, sizeof(prefix->address));
		prefix->address[15] = 0;
		prefix->bits = 120;
	}
	policy.addresses.n = i;
	policy.value[MHCA_POLICY_DOORBELL] = MHCA_DOORBELL_TRAP;
	policy.value[MHCA_POLICY_MAX_QP] = 12345;
	policy.value[MHCA_POLICY_NODE_GUID] = ~0ULL;
	len = mhca_policy_to_json(&policy, text, sizeof(text));
	assert_int_equal(len, strlen(text));
	assert_true(len < MHCA_CONFIG_MAX - 100);
	assert_ok(mhca_policy_from_json(&other, text, reason));
	assert_memory_equal(&policy, &other, sizeof(policy));
	mhca_policy_to_json(&other, again, sizeof(again));
	assert_string_equal(text, again);
}

struct config_case {
	const char *text;
	int ret;
	const char *reason;
};

static const struct config_case config_cases[] = {
	{ "{}", 0, NULL },
	{ " \n{ \"max_qp\" : 7 ,\t\"doorbell\":\"trap\" } \n", 0, NULL },
	{ "{\"max_qp\":\"7\"}", 0, NULL },
	{ "{\"description\":\"\\u0041\\u00e4\\u20ac\\ud83d\\ude00\\/\"}", 0, NULL },
	{ "", -EINVAL, "byte 0: no JSON object" },
	{ "[]", -EINVAL, "no JSON object" },
	{ "{", -EINVAL, "a string is expected" },
	{ "{\"max_qp\":7", -EINVAL, "no end" },
	{ "{\"max_qp\":7,}", -EINVAL, "a string is expected" },
	{ "{\"max_qp\" 7}", -EINVAL, "without ':'" },
	{ "{\"max_qp\":7} x", -EINVAL, "something follows" },
	{ "{\"max_qp\":7}{}", -EINVAL, "something follows" },
	{ "{\"max_qp\":-7}", -EINVAL, "neither a string" },
	{ "{\"max_qp\":7.5}", -EINVAL, "neither a string" },
	{ "{\"max_qp\":7e1}", -EINVAL, "neither a string" },
	{ "{\"max_qp\":007}", -EINVAL, "begins with 0" },
	{ "{\"max_qp\":true}", -EINVAL, "neither a string" },
	{ "{\"max_qp\":[7]}", -EINVAL, "neither a string" },
	{ "{\"max_qp\":{}}", -EINVAL, "neither a string" },
	{ "{\"max_qp\":7,\"max_qp\":8}", -EINVAL, "max_qp is given twice" },
	{ "{\"max_qp\":0}", -ERANGE, "max_qp must be 1..16777214" },
	{ "{\"max_qps\":7}", -ENOENT, "no attribute max_qps" },
	{ "{\"config\":\"\"}", -ENOENT, "no attribute config" },
	{ "{\"description\":\"a\nb\"}", -EINVAL, "no end" },
	{ "{\"description\":\"a", -EINVAL, "no end" },
	{ "{\"description\":\"a\\", -EINVAL, "escape" },
	{ "{\"description\":\"\\x41\"}", -EINVAL, "escape" },
	{ "{\"description\":\"\\u00\"}", -EINVAL, "hexadecimal" },
	{ "{\"description\":\"\\u0000\"}", -EINVAL, "no text" },
	{ "{\"description\":\"\\ud83d\"}", -EINVAL, "surrogate" },
	{ "{\"description\":\"\\ud83d\\u0041\"}", -EINVAL, "surrogate" },
	{ "{\"description\":\"\\ude00\"}", -EINVAL, "surrogate" },
	{ "{\"description\":\"\\n\"}", -EINVAL, "printable" },
	{ "{\"0123456789012345678901234567890123456789\":1}", -EINVAL, "too long" },
};

static void test_config_cases(void **state)
{
	char reason[MHCA_REASON_MAX];
	u32 i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(config_cases); i++) {
		const struct config_case *c = &config_cases[i];
		struct mhca_policy policy = fresh(), before = policy;
		char *text = strdup(c->text);	/* ASan watches its end */
		int ret;

		strcpy(reason, "");
		ret = mhca_policy_from_json(&policy, text, reason);
		free(text);
		if (ret != c->ret || (c->reason && !strstr(reason, c->reason)))
			fail_msg("%s: %d (%s), expected %d (%s)", c->text, ret, reason, c->ret,
				 c->reason ? c->reason : "");
		if (ret)
			assert_memory_equal(&policy, &before, sizeof(policy));
	}
}

static void test_config_values(void **state)
{
	struct mhca_policy policy = fresh();
	char reason[MHCA_REASON_MAX];

	(void)state;
	assert_ok(mhca_policy_from_json(&policy, config_cases[1].text, reason));
	assert_int_equal(policy.value[MHCA_POLICY_MAX_QP], 7);
	assert_int_equal(policy.value[MHCA_POLICY_DOORBELL], MHCA_DOORBELL_TRAP);
	assert_ok(mhca_policy_from_json(&policy, config_cases[3].text, reason));
	assert_string_equal(policy.description, "A\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80/");
}

static u64 next_random(u64 *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return *seed;
}

/*
 * Damaged texts of every kind: none is read beyond its end, none changes half of the
 * policy, and what is accepted is within the ranges.
 */
static void test_config_fuzz(void **state)
{
	static const char alphabet[] = "{}[]\":,\\u0019dDfFeE.- \n\"x";
	char text[MHCA_CONFIG_MAX], reason[MHCA_REASON_MAX];
	struct mhca_policy policy = fresh(), before;
	u64 seed = 0x6d4843416d484341ULL;
	u32 round, accepted = 0, i;
	char *copy;

	(void)state;
	for (round = 0; round < 40000; round++) {
		size_t len = (size_t)mhca_policy_to_json(&policy, text, sizeof(text));
		u32 damages = next_random(&seed) % 4 + 1;

		for (i = 0; i < damages; i++) {
			size_t at = next_random(&seed) % len;

			if (next_random(&seed) % 8 == 0)
				text[len = at + 1] = 0;
			else if (next_random(&seed) % 2)
				text[at] = alphabet[next_random(&seed) % (sizeof(alphabet) - 1)];
			else
				text[at] = (char)(next_random(&seed) % 255 + 1);
		}
		before = policy;
		copy = strdup(text);
		if (mhca_policy_from_json(&policy, copy, reason)) {
			assert_memory_equal(&policy, &before, sizeof(policy));
			assert_true(strlen(reason) < sizeof(reason));
		} else {
			accepted++;
		}
		free(copy);
		for (i = 0; i < MHCA_POLICIES; i++) {
			const struct mhca_policy_row *row = &mhca_policy_rows[i];

			assert_true(row->form != MHCA_FORM_NUMBER || policy.value[i] <= row->max);
		}
	}
	/* Some damage only the content of a string. */
	assert_true(accepted > 100 && accepted < 39000);
}

/* ---- Token buckets ----------------------------------------------------------------------- */

/* Whatever the steps, the sum over a long time is the rate. */
static void test_bucket_exact(void **state)
{
	static const u64 rates[] = { 1, 100, 12500000, 125000000, 12500000000ULL };
	static const u64 steps[] = { 1000, 777, 50000, 1000000, 999999999 };
	u32 r, s;

	(void)state;
	for (r = 0; r < ARRAY_SIZE(rates); r++) {
		for (s = 0; s < ARRAY_SIZE(steps); s++) {
			struct mhca_bucket bucket = { 0 };
			u64 now = 1000, n = 100000, taken = 0, i, expected;

			mhca_bucket_fill(&bucket, rates[r], 1, now);
			bucket.level = 0;
			for (i = 0; i < n; i++) {
				now += steps[s];
				mhca_bucket_fill(&bucket, rates[r], 1ULL << 60, now);
				taken += bucket.level;
				mhca_bucket_take(&bucket, bucket.level);
			}
			expected = (u64)((unsigned __int128)rates[r] * steps[s] * n / 1000000000);
			if (taken > expected + 1 || taken + 1 < expected)
				fail_msg("rate %llu, step %llu: %llu, expected %llu",
					 (unsigned long long)rates[r], (unsigned long long)steps[s],
					 (unsigned long long)taken, (unsigned long long)expected);
		}
	}
}

static void test_bucket_debt(void **state)
{
	struct mhca_bucket bucket = { 0 };

	(void)state;
	mhca_bucket_fill(&bucket, 1000, 100, 5000);
	assert_int_equal(bucket.level, 100);
	assert_int_equal(mhca_bucket_wait(&bucket, 1000, 1), 0);
	mhca_bucket_take(&bucket, 150);
	/* 51 tokens are missing: 51 ms. */
	assert_in_range(mhca_bucket_wait(&bucket, 1000, 1), 51000000, 51000001);
	mhca_bucket_fill(&bucket, 1000, 100, 5000 + 51000001);
	assert_int_equal(mhca_bucket_wait(&bucket, 1000, 1), 0);
	mhca_bucket_take(&bucket, 100000);
	assert_int_equal(mhca_bucket_wait(&bucket, 1000, 1), NSEC_PER_SEC);
}

/* ---- What a guest notices ------------------------------------------------------------------ */

static void configure(struct guest *g, enum mhca_policy_id id, const char *text)
{
	struct mhca_policy policy = g->vmm->inst->policy;
	char reason[MHCA_REASON_MAX];

	assert_ok(mhca_policy_parse(&policy, id, text, reason));
	mhca_policy_apply(g->vmm->inst, &policy);
}

/* Over its rate a guest is slowed to it, and none of its commands fails. */
static void test_command_rate(void **state)
{
	struct world *w = *state;
	struct guest *g = &w->g[0];
	u64 start, ns;
	u32 i;

	configure(g, MHCA_POLICY_CMD_RATE, "100");
	start = ktime_get_ns();
	for (i = 0; i < 600; i++)
		assert_ok(client_query_port(&g->c));
	ns = ktime_get_ns() - start;
	/* A second's worth at once, then 100 each second. */
	assert_in_range(ns, 4900 * (u64)NSEC_PER_MSEC, 5200 * (u64)NSEC_PER_MSEC);
	assert_in_range(counter(g, command_wait_us), 4900000, 5200000);
	configure(g, MHCA_POLICY_CMD_RATE, "0");
	start = ktime_get_ns();
	for (i = 0; i < 600; i++)
		assert_ok(client_query_port(&g->c));
	assert_int_equal(ktime_get_ns(), start);
}

/* Pinning costs more than a query. */
static void test_command_cost(void **state)
{
	struct world *w = *state;
	struct guest *g = &w->g[0];
	u64 start;
	u32 i, key;

	configure(g, MHCA_POLICY_CMD_RATE, "1000");
	start = ktime_get_ns();
	for (i = 0; i < 200; i++) {
		assert_ok(client_reg_mr(&g->c, g->pd, g->buf.va, 4096, CLIENT_ALL_ACCESS, &key));
		assert_ok(client_destroy_mkey(&g->c, key));
	}
	/* 200 pins and 200 unpins of 16 units each, the first 1000 units at once. */
	assert_in_range(ktime_get_ns() - start, 5300 * (u64)NSEC_PER_MSEC,
			5600 * (u64)NSEC_PER_MSEC);
	configure(g, MHCA_POLICY_CMD_RATE, "0");
}

/* A pin costs by its size: here 4,096 pages and their list are 16 units more. */
static void test_command_cost_of_size(void **state)
{
	struct world *w = *state;
	struct guest *g = &w->g[0];
	struct client_mem mem;
	u64 start;
	u32 i, key;

	assert_ok(client_mem_alloc(&g->c, 16 << 20, &mem));
	configure(g, MHCA_POLICY_CMD_RATE, "400");
	start = ktime_get_ns();
	for (i = 0; i < 20; i++) {
		assert_ok(client_reg_mr(&g->c, g->pd, mem.va, 16 << 20, CLIENT_ALL_ACCESS, &key));
		assert_ok(client_destroy_mkey(&g->c, key));
	}
	/* 20 times 16 + 16 and 16 units, the first 400 units at once. */
	assert_in_range(ktime_get_ns() - start, 1300 * (u64)NSEC_PER_MSEC,
			1500 * (u64)NSEC_PER_MSEC);
	configure(g, MHCA_POLICY_CMD_RATE, "0");
	client_mem_free(&g->c, &mem);
}

/* A list that no quota allows is refused before anything is allocated for it. */
static void test_long_lists_are_not_read(void **state)
{
	struct world *w = *state;
	struct guest *g = &w->g[0];
	static __be64 pas[4096];
	struct client_mkey_attr attr = {
		.pd = g->pd, .access = CLIENT_ALL_ACCESS, .len = 4096, .shift = 12, .pas = pas,
		.n_pas = ARRAY_SIZE(pas), .qpn = CLIENT_ANY_QP,
	};
	u32 key;

	/* As it is, the list is only longer than the region. */
	assert_int_not_equal(client_create_mkey(&g->c, &attr, &key), 0);
	assert_int_equal(g->c.syndrome, MHCA_SYNDROME_BASE + MHCA_SYN_PAGE_LIST);
	configure(g, MHCA_POLICY_MAX_MR_MB, "2");
	assert_int_not_equal(client_create_mkey(&g->c, &attr, &key), 0);
	assert_int_equal(g->c.syndrome, MHCA_SYNDROME_BASE + MHCA_SYN_MR_LIMIT);
	configure(g, MHCA_POLICY_MAX_PINNED_MB, "4");
	assert_int_not_equal(client_create_mkey(&g->c, &attr, &key), 0);
	assert_int_equal(g->c.syndrome, MHCA_SYNDROME_BASE + MHCA_SYN_PINNED_LIMIT);
}

/* The limit of a kind is met exactly, and what is destroyed can be made again. */
static void test_object_limit(void **state)
{
	struct world *w = *state;
	struct guest *g = &w->g[0];
	u32 have = g->vmm->inst->object_count[MHCA_PD];
	u32 pd[16], n, last;

	configure(g, MHCA_POLICY_MAX_PD, "9");
	for (n = 0; have + n < 9; n++)
		assert_ok(client_alloc_pd(&g->c, &pd[n]));
	assert_int_not_equal(client_alloc_pd(&g->c, &last), 0);
	assert_int_equal(g->c.syndrome, MHCA_SYNDROME_BASE + MHCA_SYN_QUOTA);
	assert_int_equal(g->c.status, MLX5_CMD_STAT_LIM_ERR);
	assert_ok(client_dealloc_pd(&g->c, pd[0]));
	assert_ok(client_alloc_pd(&g->c, &pd[0]));
	assert_int_not_equal(client_alloc_pd(&g->c, &last), 0);
	while (n--)
		assert_ok(client_dealloc_pd(&g->c, pd[n]));
}

static void test_memory_limits(void **state)
{
	struct world *w = *state;
	struct guest *g = &w->g[0];
	struct client_mem mem;
	u64 pinned;
	u32 key, more;

	assert_ok(client_mem_alloc(&g->c, 5 << 20, &mem));
	configure(g, MHCA_POLICY_MAX_MR_MB, "2");
	assert_ok(client_reg_mr(&g->c, g->pd, mem.va, 2 << 20, CLIENT_ALL_ACCESS, &key));
	assert_ok(client_destroy_mkey(&g->c, key));
	assert_int_not_equal(client_reg_mr(&g->c, g->pd, mem.va, (2 << 20) + 1,
					   CLIENT_ALL_ACCESS, &key), 0);
	assert_int_equal(g->c.syndrome, MHCA_SYNDROME_BASE + MHCA_SYN_MR_LIMIT);
	assert_int_equal(g->c.status, MLX5_CMD_STAT_LIM_ERR);

	/* What is pinned already counts: to the page. */
	configure(g, MHCA_POLICY_MAX_PINNED_MB, "4");
	configure(g, MHCA_POLICY_MAX_MR_MB, "4");
	pinned = (u64)atomic64_read(&g->vmm->inst->gmem.pinned);
	assert_true(pinned > 256 && pinned < 512);
	assert_ok(client_reg_mr(&g->c, g->pd, mem.va, (u32)(1024 - pinned) * 4096,
				CLIENT_ALL_ACCESS, &key));
	assert_int_equal(atomic64_read(&g->vmm->inst->gmem.pinned), 1024);
	assert_int_not_equal(client_reg_mr(&g->c, g->pd, mem.va, 1, CLIENT_ALL_ACCESS, &more), 0);
	assert_int_equal(g->c.syndrome, MHCA_SYNDROME_BASE + MHCA_SYN_PINNED_LIMIT);
	assert_int_equal(g->c.status, MLX5_CMD_STAT_LIM_ERR);
	assert_ok(client_destroy_mkey(&g->c, key));
	assert_int_equal(atomic64_read(&g->vmm->inst->gmem.pinned), pinned);
	client_mem_free(&g->c, &mem);
}

/* Ports of different segments are as if the other were not there. */
static void test_segments(void **state)
{
	struct world *w = *state;
	struct pair p;
	struct client_sge sge = sge_of(&w->g[0], 0, 64);
	struct client_send wr = { .wr_id = 7, .opcode = MLX5_OPCODE_SEND, .sge = &sge, .n_sge = 1,
				  .flags = CLIENT_SIGNALED };

	pair_open(&p, MLX5_QP_ST_RC, &w->g[0], &w->g[1]);
	configure(&w->g[1], MHCA_POLICY_SEGMENT, "5");
	recv_one(&p, 1, 1, 4096, 64);
	assert_ok(client_post_send(&p.qp[0], &wr));
	settle(w);
	expect_no_wc(w, &w->g[1].cq);
	configure(&w->g[0], MHCA_POLICY_SEGMENT, "5");
	elapse(w, 10 * (u64)NSEC_PER_SEC);
	expect_wc(w, &w->g[0].cq, 7, 0);
	expect_wc(w, &w->g[1].cq, 1, 0);
	pair_close(&p);
}

#define world_test(fn) cmocka_unit_test_setup_teardown(fn, world_setup, world_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_reasons),
		cmocka_unit_test(test_description_length),
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_views),
		cmocka_unit_test(test_change),
		cmocka_unit_test(test_config_round_trip),
		cmocka_unit_test(test_config_cases),
		cmocka_unit_test(test_config_values),
		cmocka_unit_test(test_config_fuzz),
		cmocka_unit_test(test_bucket_exact),
		cmocka_unit_test(test_bucket_debt),
		world_test(test_command_rate),
		world_test(test_command_cost),
		world_test(test_command_cost_of_size),
		world_test(test_long_lists_are_not_read),
		world_test(test_object_limit),
		world_test(test_memory_limits),
		world_test(test_segments),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
