// SPDX-License-Identifier: GPL-2.0-only
/*
 * Policy attributes: the table, their values as text, and what an instance makes of
 * them. Values come from an administrator, but a typing error must not do harm: each
 * is checked completely before anything changes.
 */
#include <mhca/policy.h>
#include "core.h"

static const char * const mhca_doorbell_words[] = { "map", "trap", NULL };
static const char * const mhca_switch_words[] = { "off", "on", NULL };
static const char * const mhca_link_words[] = { "down", "up", NULL };

#define NUMBER(_id, _name, _unit, _min, _max, _fallback, ...)			\
	[MHCA_POLICY_##_id] = {							\
		.name = _name, .unit = _unit, .form = MHCA_FORM_NUMBER,		\
		.min = _min, .max = _max, .fallback = _fallback,		\
		.kind = MHCA_NO_OBJECT, ##__VA_ARGS__				\
	}
#define OBJECTS(_kind, _name, _min, _fallback)					\
	[MHCA_POLICY_MAX_##_kind] = {						\
		.name = _name, .unit = "", .form = MHCA_FORM_NUMBER,		\
		.min = _min, .max = MHCA_NUMBER_MAX, .fallback = _fallback,	\
		.kind = MHCA_##_kind						\
	}
#define ADDRESS(_id, _name, _form)						\
	[MHCA_POLICY_##_id] = {							\
		.name = _name, .unit = "", .form = _form, .kind = MHCA_NO_OBJECT \
	}

const struct mhca_policy_row mhca_policy_rows[MHCA_POLICIES] = {
	ADDRESS(MAC, "mac", MHCA_FORM_MAC),
	ADDRESS(NODE_GUID, "node_guid", MHCA_FORM_GUID),
	ADDRESS(PORT_GUID, "port_guid", MHCA_FORM_GUID),
	NUMBER(SEGMENT, "segment", "", 0, U32_MAX, 0, .live = true),
	NUMBER(RATE_MBPS, "rate_mbps", "Mbit/s", 1, 100000, 0, .live = true, .zero = true),
	NUMBER(BURST_KB, "burst_kb", "KiB", 16, 1048576, 256, .live = true),
	NUMBER(CMD_RATE, "cmd_rate", "per second", 100, 1000000, 0, .live = true, .zero = true),
	NUMBER(WEIGHT, "weight", "", 1, 10000, 100, .live = true),
	OBJECTS(QP, "max_qp", 1, 1U << MHCA_LOG_MAX_QP),
	OBJECTS(CQ, "max_cq", 1, 1U << MHCA_LOG_MAX_CQ),
	OBJECTS(SRQ, "max_srq", 1, 1U << MHCA_LOG_MAX_SRQ),
	OBJECTS(MKEY, "max_mkey", 1, 1U << MHCA_LOG_MAX_MKEY),
	OBJECTS(PD, "max_pd", 1, 1U << MHCA_LOG_MAX_PD),
	NUMBER(MAX_PINNED_MB, "max_pinned_mb", "MiB", 1, 16777216, MHCA_MAX_PINNED_MB),
	NUMBER(MAX_MR_MB, "max_mr_mb", "MiB", 1, 16777216, MHCA_MAX_PINNED_MB),
	[MHCA_POLICY_DOORBELL] = {
		.name = "doorbell", .unit = "", .form = MHCA_FORM_CHOICE,
		.words = mhca_doorbell_words, .kind = MHCA_NO_OBJECT,
	},
	[MHCA_POLICY_SPOOF_CHECK] = {
		.name = "spoof_check", .unit = "", .form = MHCA_FORM_CHOICE, .live = true,
		.words = mhca_switch_words, .fallback = true, .kind = MHCA_NO_OBJECT,
	},
	[MHCA_POLICY_ADDRESSES] = {
		.name = "addresses", .unit = "", .form = MHCA_FORM_ADDRESSES,
		.kind = MHCA_NO_OBJECT, .live = true,
	},
	[MHCA_POLICY_LINK] = {
		.name = "link", .unit = "", .form = MHCA_FORM_CHOICE, .live = true,
		.words = mhca_link_words, .fallback = true, .kind = MHCA_NO_OBJECT,
	},
	[MHCA_POLICY_DESCRIPTION] = {
		.name = "description", .unit = "", .form = MHCA_FORM_TEXT,
		.kind = MHCA_NO_OBJECT, .live = true,
	},
};
EXPORT_SYMBOL_GPL(mhca_policy_rows);

/**
 * mhca_policy_default() - what nobody configured
 * @policy: filled
 * @id: addresses that come from the instance's UUID
 */
void mhca_policy_default(struct mhca_policy *policy, const struct mhca_identity *id)
{
	int i;

	memset(policy, 0, sizeof(*policy));
	for (i = 0; i < MHCA_POLICIES; i++)
		policy->value[i] = mhca_policy_rows[i].fallback;
	for (i = 0; i < 6; i++)
		policy->value[MHCA_POLICY_MAC] = policy->value[MHCA_POLICY_MAC] << 8 | id->mac[i];
	policy->value[MHCA_POLICY_NODE_GUID] = id->node_guid;
	policy->value[MHCA_POLICY_PORT_GUID] = id->port_guid;
}

/**
 * mhca_policy_find() - an attribute by its name
 * @name: name
 *
 * Return: its index, or -ENOENT.
 */
int mhca_policy_find(const char *name)
{
	int i;

	for (i = 0; i < MHCA_POLICIES; i++)
		if (!strcmp(name, mhca_policy_rows[i].name))
			return i;
	return -ENOENT;
}

/* ---- Values from text -------------------------------------------------------- */

static int mhca_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* All of @text as digits of @base. A number too large for 64 bits is -ERANGE. */
static int mhca_parse_digits(const char *text, u32 base, u64 *value)
{
	int digit;

	*value = 0;
	if (!*text)
		return -EINVAL;
	for (; *text; text++) {
		digit = mhca_digit(*text);
		if (digit < 0 || digit >= (int)base)
			return -EINVAL;
		if (*value > div_u64(U64_MAX - digit, base))
			return -ERANGE;
		*value = *value * base + digit;
	}
	return 0;
}

/* No octal: "010" is a mistake. */
static int mhca_parse_number(const char *text, u64 *value)
{
	if (text[0] == '0' && (text[1] == 'x' || text[1] == 'X'))
		return mhca_parse_digits(text + 2, 16, value);
	if (text[0] == '0' && text[1])
		return -EINVAL;
	return mhca_parse_digits(text, 10, value);
}

/* @groups groups of @digits hexadecimal digits, with ':' between. */
static int mhca_parse_groups(const char *text, int groups, int digits, u64 *value)
{
	int group, digit, next;

	*value = 0;
	for (group = 0; group < groups; group++) {
		if (group && *text++ != ':')
			return -EINVAL;
		for (digit = 0; digit < digits; digit++) {
			next = mhca_digit(*text++);
			if (next < 0)
				return -EINVAL;
			*value = *value << 4 | next;
		}
	}
	return *text ? -EINVAL : 0;
}

static int mhca_parse_mac(const char *text, u64 *value)
{
	int ret = mhca_parse_groups(text, 6, 2, value);

	/* Neither zero nor a group's address. */
	if (!ret && (!*value || *value >> 40 & 1))
		ret = -ERANGE;
	return ret;
}

static int mhca_parse_guid(const char *text, u64 *value)
{
	int ret = mhca_parse_groups(text, 4, 4, value);

	if (ret)
		ret = mhca_parse_groups(text, 8, 2, value);
	if (ret && text[0] == '0' && (text[1] == 'x' || text[1] == 'X'))
		ret = mhca_parse_digits(text + 2, 16, value);
	if (!ret && !*value)
		ret = -ERANGE;
	return ret;
}

static int mhca_parse_choice(const struct mhca_policy_row *row, const char *text, u64 *value)
{
	for (*value = 0; row->words[*value]; (*value)++)
		if (!strcmp(text, row->words[*value]))
			return 0;
	return -EINVAL;
}

static int mhca_parse_value(const struct mhca_policy_row *row, const char *text, u64 *value)
{
	int ret;

	switch (row->form) {
	case MHCA_FORM_MAC:
		return mhca_parse_mac(text, value);
	case MHCA_FORM_GUID:
		return mhca_parse_guid(text, value);
	case MHCA_FORM_CHOICE:
		return mhca_parse_choice(row, text, value);
	default:
		ret = mhca_parse_number(text, value);
		if (!ret && !(row->zero && !*value) &&
		    (*value < row->min || *value > row->max))
			ret = -ERANGE;
		return ret;
	}
}

/* What would have been right. */
static void mhca_policy_expected(const struct mhca_policy_row *row, char *reason)
{
	size_t at = scnprintf(reason, MHCA_REASON_MAX, "%s must be ", row->name);
	size_t left = MHCA_REASON_MAX - at;

	switch (row->form) {
	case MHCA_FORM_MAC:
		scnprintf(reason + at, left,
			  "an address like 02:00:5e:00:00:01, not zero and no group's");
		break;
	case MHCA_FORM_GUID:
		scnprintf(reason + at, left, "a GUID like 0200:5eff:fe00:0001, not zero");
		break;
	case MHCA_FORM_CHOICE:
		scnprintf(reason + at, left, "'%s' or '%s'", row->words[0], row->words[1]);
		break;
	case MHCA_FORM_TEXT:
		scnprintf(reason + at, left, "printable text of at most %d bytes",
			  MHCA_DESCRIPTION_MAX);
		break;
	case MHCA_FORM_ADDRESSES:
		scnprintf(reason + at, left,
			  "up to %d IP addresses or prefixes like 192.0.2.7,2001:db8::/64, no group's",
			  MHCA_ADDRESSES_MAX);
		break;
	default:
		scnprintf(reason + at, left, "%s%llu..%llu%s%s",
			  row->zero ? "0 (no bound) or " : "", row->min, row->max,
			  *row->unit ? " " : "", row->unit);
	}
}

static int mhca_parse_text(struct mhca_policy *policy, const char *text)
{
	size_t len = strlen(text), i;

	if (len > MHCA_DESCRIPTION_MAX)
		return -ERANGE;
	for (i = 0; i < len; i++)
		if ((u8)text[i] < ' ' || text[i] == 0x7f)
			return -EINVAL;
	memset(policy->description, 0, sizeof(policy->description));
	memcpy(policy->description, text, len);
	return 0;
}

/**
 * mhca_policy_parse() - a value from text
 * @policy: policy that takes it
 * @id: attribute
 * @text: without white space around it
 * @reason: of MHCA_REASON_MAX bytes, filled when it is refused
 *
 * Return: 0, -EINVAL or -ERANGE; then @policy is as it was.
 */
int mhca_policy_parse(struct mhca_policy *policy, enum mhca_policy_id id,
		      const char *text, char *reason)
{
	const struct mhca_policy_row *row = &mhca_policy_rows[id];
	u64 value = 0;
	int ret;

	switch (row->form) {
	case MHCA_FORM_TEXT:
		ret = mhca_parse_text(policy, text);
		break;
	case MHCA_FORM_ADDRESSES:
		ret = mhca_addresses_parse(&policy->addresses, text);
		break;
	default:
		ret = mhca_parse_value(row, text, &value);
		if (!ret)
			policy->value[id] = value;
	}
	if (ret)
		mhca_policy_expected(row, reason);
	return ret;
}

/* ---- Values as text ------------------------------------------------------------ */

static int mhca_show_groups(u64 value, int groups, int digits, char *buf, size_t size)
{
	int at = 0, shift;

	while (groups--) {
		shift = groups * digits * 4;
		at += scnprintf(buf + at, size - at, "%0*llx%s", digits,
				value >> shift & ((1ULL << digits * 4) - 1), groups ? ":" : "");
	}
	return at;
}

/**
 * mhca_policy_show() - a value as text
 * @policy: policy
 * @id: attribute
 * @buf: text, without a line's end
 * @size: of @buf
 *
 * Return: length of the text.
 */
int mhca_policy_show(const struct mhca_policy *policy, enum mhca_policy_id id,
		     char *buf, size_t size)
{
	const struct mhca_policy_row *row = &mhca_policy_rows[id];
	u64 value = policy->value[id];

	switch (row->form) {
	case MHCA_FORM_MAC:
		return mhca_show_groups(value, 6, 2, buf, size);
	case MHCA_FORM_GUID:
		return mhca_show_groups(value, 4, 4, buf, size);
	case MHCA_FORM_CHOICE:
		return scnprintf(buf, size, "%s", row->words[value]);
	case MHCA_FORM_TEXT:
		return scnprintf(buf, size, "%s", policy->description);
	case MHCA_FORM_ADDRESSES:
		return mhca_addresses_show(&policy->addresses, buf, size);
	default:
		return scnprintf(buf, size, "%llu", value);
	}
}

/* ---- What becomes of it ----------------------------------------------------------- */

/**
 * mhca_policy_change() - may an instance go from one policy to another?
 * @from: applied
 * @to: wanted
 * @open: a virtual machine monitor holds the instance
 * @reason: of MHCA_REASON_MAX bytes, filled when it may not
 *
 * Return: 0 or -EBUSY.
 */
int mhca_policy_change(const struct mhca_policy *from, const struct mhca_policy *to,
		       bool open, char *reason)
{
	int i;

	for (i = 0; open && i < MHCA_POLICIES; i++) {
		if (mhca_policy_rows[i].live || from->value[i] == to->value[i])
			continue;
		scnprintf(reason, MHCA_REASON_MAX, "%s cannot change while the instance is open",
			  mhca_policy_rows[i].name);
		return -EBUSY;
	}
	return 0;
}

/**
 * mhca_policy_view() - the three views of a number
 * @policy: policy
 * @id: attribute
 *
 * Return: what was configured, what is enforced, what the guest is told (0: nothing).
 */
struct mhca_limit mhca_policy_view(const struct mhca_policy *policy, enum mhca_policy_id id)
{
	u32 configured = policy->value[id];
	struct mhca_limit limit = { .configured = configured, .clamped = configured };

	if (mhca_policy_rows[id].kind != MHCA_NO_OBJECT)
		return mhca_limit(mhca_policy_rows[id].kind, configured);
	switch (id) {
	case MHCA_POLICY_MAX_PINNED_MB:
		limit.clamped = min(configured, MHCA_MAX_PINNED_MB);
		break;
	case MHCA_POLICY_MAX_MR_MB:
		/* A region is pinned as a whole. */
		limit.clamped = min3(configured, MHCA_MAX_PINNED_MB,
				     (u32)policy->value[MHCA_POLICY_MAX_PINNED_MB]);
		break;
	default:
		break;
	}
	return limit;
}

static u64 mhca_policy_mib(const struct mhca_policy *policy, enum mhca_policy_id id)
{
	return (u64)mhca_policy_view(policy, id).clamped << 20;
}

/* The guest's wishes about its port may be under way in a command. */
static void mhca_policy_apply_port(struct mhca_instance *inst, const struct mhca_policy *policy)
{
	bool up = policy->value[MHCA_POLICY_LINK], turned;
	int i;

	mutex_lock(&inst->port_lock);
	for (i = 0; i < 6; i++)
		inst->id.mac[i] = policy->value[MHCA_POLICY_MAC] >> (40 - 8 * i);
	WRITE_ONCE(inst->port.segment, policy->value[MHCA_POLICY_SEGMENT]);
	WRITE_ONCE(inst->port.spoof_check, policy->value[MHCA_POLICY_SPOOF_CHECK]);
	inst->port.addresses = policy->addresses;
	turned = up != inst->port.up;
	WRITE_ONCE(inst->port.up, up);
	if (inst->backend)
		inst->hca->ops->port_changed(inst);
	mutex_unlock(&inst->port_lock);
	/* A driver that has not started yet asks for the state when it does. */
	if (turned && READ_ONCE(inst->fn) == MHCA_FN_INITIALISED)
		mhca_event_port(inst, up ? MLX5_PORT_CHANGE_SUBTYPE_ACTIVE :
					   MLX5_PORT_CHANGE_SUBTYPE_DOWN);
}

/* What only a closed instance's policy can change; commands of an open one read it. */
#define MHCA_APPLY(field, value)					\
	do {								\
		if ((field) != (value))					\
			(field) = (value);				\
	} while (0)

/**
 * mhca_policy_apply() - make a policy an instance's own
 * @inst: instance
 * @policy: checked policy
 */
void mhca_policy_apply(struct mhca_instance *inst, const struct mhca_policy *policy)
{
	struct mhca_quota *quota = &inst->quota;
	int i;

	inst->policy = *policy;
	for (i = 0; i < MHCA_POLICIES; i++)
		if (mhca_policy_rows[i].kind != MHCA_NO_OBJECT)
			MHCA_APPLY(quota->max[mhca_policy_rows[i].kind], policy->value[i]);
	MHCA_APPLY(inst->id.node_guid, policy->value[MHCA_POLICY_NODE_GUID]);
	MHCA_APPLY(inst->id.port_guid, policy->value[MHCA_POLICY_PORT_GUID]);
	MHCA_APPLY(inst->gmem.limit,
		   mhca_policy_mib(policy, MHCA_POLICY_MAX_PINNED_MB) >> MHCA_PAGE_SHIFT);
	MHCA_APPLY(quota->max_mr, mhca_policy_mib(policy, MHCA_POLICY_MAX_MR_MB));
	/* These are read while the instance works. */
	WRITE_ONCE(quota->cmd_rate, policy->value[MHCA_POLICY_CMD_RATE]);
	WRITE_ONCE(quota->rate, policy->value[MHCA_POLICY_RATE_MBPS] * (1000 * 1000 / 8));
	WRITE_ONCE(quota->burst, policy->value[MHCA_POLICY_BURST_KB] << 10);
	WRITE_ONCE(quota->weight, policy->value[MHCA_POLICY_WEIGHT]);
	mhca_policy_apply_port(inst, policy);
}

/**
 * mhca_policy_exchange() - two instances have exchanged their addresses: so say policies
 * @inst: instance
 * @other: the other one
 */
void mhca_policy_exchange(struct mhca_instance *inst, struct mhca_instance *other)
{
	static const enum mhca_policy_id ids[] = {
		MHCA_POLICY_MAC, MHCA_POLICY_NODE_GUID, MHCA_POLICY_PORT_GUID,
	};
	u32 i;

	for (i = 0; i < ARRAY_SIZE(ids); i++)
		swap(inst->policy.value[ids[i]], other->policy.value[ids[i]]);
}
