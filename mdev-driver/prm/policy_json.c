// SPDX-License-Identifier: GPL-2.0-only
/*
 * The attribute "config": all policy attributes as one JSON object, so that several
 * change together or not at all.
 *
 * The parser knows what is needed here and nothing else: one flat object whose values
 * are strings or whole numbers. It is strict (RFC 8259 within that subset; a name
 * given twice is an error), needs no memory but the caller's, and stops at the end of
 * the text whatever stands there.
 */
#include <mhca/policy.h>
#include "core.h"

#define MHCA_NAME_MAX	32

/**
 * struct mhca_json - a position in a text
 * @at: next byte; the text ends with a 0
 * @reason: why it cannot be understood, or NULL
 */
struct mhca_json {
	const char *at;
	const char *reason;
};

static bool mhca_json_fail(struct mhca_json *json, const char *reason)
{
	if (!json->reason)
		json->reason = reason;
	return false;
}

static void mhca_json_space(struct mhca_json *json)
{
	while (*json->at == ' ' || *json->at == '\t' || *json->at == '\n' || *json->at == '\r')
		json->at++;
}

/* The next character, if it is @c. */
static bool mhca_json_take(struct mhca_json *json, char c)
{
	mhca_json_space(json);
	if (*json->at != c)
		return false;
	json->at++;
	return true;
}

/* ---- Strings ------------------------------------------------------------------- */

static bool mhca_json_hex4(struct mhca_json *json, u32 *code)
{
	int i;

	*code = 0;
	for (i = 0; i < 4; i++, json->at++) {
		char c = *json->at;

		if (c >= '0' && c <= '9')
			*code = *code << 4 | (c - '0');
		else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
			*code = *code << 4 | ((c | 0x20) - 'a' + 10);
		else
			return mhca_json_fail(json, "\\u needs four hexadecimal digits");
	}
	return true;
}

/* \uXXXX, or two of them that are one character; @at stands behind the 'u'. */
static bool mhca_json_unicode(struct mhca_json *json, u32 *code)
{
	u32 low;

	if (!mhca_json_hex4(json, code))
		return false;
	if (*code < 0xd800 || *code > 0xdfff)
		return *code || mhca_json_fail(json, "\\u0000 is no text");
	if (*code > 0xdbff || json->at[0] != '\\' || json->at[1] != 'u')
		return mhca_json_fail(json, "half of a surrogate pair");
	json->at += 2;
	if (!mhca_json_hex4(json, &low))
		return false;
	if (low < 0xdc00 || low > 0xdfff)
		return mhca_json_fail(json, "half of a surrogate pair");
	*code = 0x10000 + ((*code - 0xd800) << 10 | (low - 0xdc00));
	return true;
}

static bool mhca_json_escape(struct mhca_json *json, u32 *code)
{
	static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
	const char *found;
	char c = *json->at;

	found = c ? strchr(from, c) : NULL;
	if (!found && c != 'u')
		return mhca_json_fail(json, "unknown escape sequence");
	json->at++;
	if (c == 'u')
		return mhca_json_unicode(json, code);
	*code = to[found - from];
	return true;
}

/* UTF-8 of @code; its length. */
static u32 mhca_json_encode(u32 code, char *to)
{
	if (code < 0x80) {
		to[0] = code;
		return 1;
	}
	if (code < 0x800) {
		to[0] = 0xc0 | code >> 6;
		to[1] = 0x80 | (code & 0x3f);
		return 2;
	}
	if (code < 0x10000) {
		to[0] = 0xe0 | code >> 12;
		to[1] = 0x80 | (code >> 6 & 0x3f);
		to[2] = 0x80 | (code & 0x3f);
		return 3;
	}
	to[0] = 0xf0 | code >> 18;
	to[1] = 0x80 | (code >> 12 & 0x3f);
	to[2] = 0x80 | (code >> 6 & 0x3f);
	to[3] = 0x80 | (code & 0x3f);
	return 4;
}

/* A string into @to, which has room for @size bytes with the 0. */
static bool mhca_json_string(struct mhca_json *json, char *to, u32 size)
{
	u32 n = 0, run, code;
	char bytes[4];

	if (!mhca_json_take(json, '"'))
		return mhca_json_fail(json, "a string is expected");
	while (*json->at != '"') {
		if ((u8)*json->at < ' ')
			return mhca_json_fail(json, "a string has no end");
		bytes[0] = *json->at++;
		run = 1;
		if (bytes[0] == '\\') {
			if (!mhca_json_escape(json, &code))
				return false;
			run = mhca_json_encode(code, bytes);
		}
		if (run >= size - n)
			return mhca_json_fail(json, "a string is too long");
		memcpy(to + n, bytes, run);
		n += run;
	}
	json->at++;
	to[n] = 0;
	return true;
}

/* ---- Values ---------------------------------------------------------------------- */

/* A whole number, kept as its digits. */
static bool mhca_json_number(struct mhca_json *json, char *to, u32 size)
{
	u32 n = 0;

	while (*json->at >= '0' && *json->at <= '9') {
		if (n + 1 >= size)
			return mhca_json_fail(json, "a number is too long");
		to[n++] = *json->at++;
	}
	to[n] = 0;
	if (!n || *json->at == '.' || *json->at == 'e' || *json->at == 'E')
		return mhca_json_fail(json, "a value is neither a string nor a whole number");
	if (n > 1 && to[0] == '0')
		return mhca_json_fail(json, "a number begins with 0");
	return true;
}

static bool mhca_json_value(struct mhca_json *json, char *to, u32 size)
{
	mhca_json_space(json);
	return *json->at == '"' ? mhca_json_string(json, to, size) :
				  mhca_json_number(json, to, size);
}

/* ---- The object -------------------------------------------------------------------- */

/**
 * struct mhca_config - "config" while it is being parsed
 * @json: position
 * @policy: what was understood so far
 * @seen: attributes given, bit by id
 * @name: of the current member
 * @value: of the current member
 */
struct mhca_config {
	struct mhca_json json;
	struct mhca_policy policy;
	u32 seen;
	char name[MHCA_NAME_MAX];
	char value[MHCA_VALUE_MAX];
};

static int mhca_config_member(struct mhca_config *config, char *reason)
{
	struct mhca_json *json = &config->json;
	int id;

	if (!mhca_json_string(json, config->name, sizeof(config->name)))
		return -EINVAL;
	if (!mhca_json_take(json, ':')) {
		mhca_json_fail(json, "a name without ':'");
		return -EINVAL;
	}
	if (!mhca_json_value(json, config->value, sizeof(config->value)))
		return -EINVAL;
	id = mhca_policy_find(config->name);
	if (id < 0) {
		scnprintf(reason, MHCA_REASON_MAX, "there is no attribute %s", config->name);
		return -ENOENT;
	}
	if (config->seen & BIT(id)) {
		scnprintf(reason, MHCA_REASON_MAX, "%s is given twice", config->name);
		return -EINVAL;
	}
	config->seen |= BIT(id);
	return mhca_policy_parse(&config->policy, id, config->value, reason);
}

static int mhca_config_object(struct mhca_config *config, char *reason)
{
	struct mhca_json *json = &config->json;
	int ret;

	if (!mhca_json_take(json, '{')) {
		mhca_json_fail(json, "no JSON object");
		return -EINVAL;
	}
	if (!mhca_json_take(json, '}')) {
		do {
			ret = mhca_config_member(config, reason);
			if (ret)
				return ret;
		} while (mhca_json_take(json, ','));
		if (!mhca_json_take(json, '}')) {
			mhca_json_fail(json, "the object has no end");
			return -EINVAL;
		}
	}
	mhca_json_space(json);
	if (!*json->at)
		return 0;
	mhca_json_fail(json, "something follows the object");
	return -EINVAL;
}

/**
 * mhca_policy_from_json() - change what a JSON object names
 * @policy: changed as a whole or not at all
 * @text: ends with a 0
 * @reason: of MHCA_REASON_MAX bytes, filled when it is refused
 *
 * Return: 0; -EINVAL, -ERANGE: the text or a value; -ENOENT: no such attribute;
 * -ENOMEM.
 */
int mhca_policy_from_json(struct mhca_policy *policy, const char *text, char *reason)
{
	struct mhca_config *config = kzalloc(sizeof(*config), GFP_KERNEL);
	int ret;

	if (!config) {
		scnprintf(reason, MHCA_REASON_MAX, "the host is out of memory");
		return -ENOMEM;
	}
	config->json.at = text;
	config->policy = *policy;
	ret = mhca_config_object(config, reason);
	if (!ret)
		*policy = config->policy;
	else if (config->json.reason)
		scnprintf(reason, MHCA_REASON_MAX, "config: byte %u: %s",
			  (u32)(config->json.at - text), config->json.reason);
	kfree(config);
	return ret;
}

/* @text as a JSON string; what fits. */
static int mhca_json_quote(const char *text, char *buf, int size)
{
	int at = scnprintf(buf, size, "\"");

	for (; *text; text++)
		at += scnprintf(buf + at, size - at, "%s%c",
				*text == '"' || *text == '\\' ? "\\" : "", *text);
	return at + scnprintf(buf + at, size - at, "\"");
}

/**
 * mhca_policy_to_json() - all attributes as a JSON object
 * @policy: policy
 * @buf: text, without a line's end
 * @size: MHCA_CONFIG_MAX is enough
 *
 * Return: length of the text.
 */
int mhca_policy_to_json(const struct mhca_policy *policy, char *buf, size_t size)
{
	char value[MHCA_VALUE_MAX];
	int i, at = 0;

	for (i = 0; i < MHCA_POLICIES; i++) {
		mhca_policy_show(policy, i, value, sizeof(value));
		at += scnprintf(buf + at, size - at, "%s\"%s\":", i ? "," : "{",
				mhca_policy_rows[i].name);
		if (mhca_policy_rows[i].form == MHCA_FORM_NUMBER)
			at += scnprintf(buf + at, size - at, "%s", value);
		else
			at += mhca_json_quote(value, buf + at, size - at);
	}
	return at + scnprintf(buf + at, size - at, "}");
}
