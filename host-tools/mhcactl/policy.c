// SPDX-License-Identifier: GPL-2.0-only
/*
 * Settings of an instance: what their values look like, and writing them.
 */
#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "kmsg.h"
#include "policy.h"

#define DESCRIPTION_MAX	255

enum kind { KIND_MAC, KIND_GUID, KIND_NUMBER, KIND_TEXT, KIND_DOORBELL, KIND_SWITCH,
	    KIND_LINK, KIND_ADDRESSES, KIND_JSON };

/**
 * struct policy - a setting that this tool knows
 * @name: attribute
 * @kind: form of its value
 * @min: least number
 * @max: greatest number
 */
struct policy {
	const char *name;
	enum kind kind;
	uint64_t min;
	uint64_t max;
};

/* Bounds are those of the field; the driver knows the host's own, closer ones. */
static const struct policy policies[] = {
	{ "description",   KIND_TEXT,     0, 0 },
	{ "mac",           KIND_MAC,      0, 0 },
	{ "node_guid",     KIND_GUID,     0, 0 },
	{ "port_guid",     KIND_GUID,     0, 0 },
	{ "segment",       KIND_NUMBER,   0, UINT32_MAX },
	{ "rate_mbps",     KIND_NUMBER,   0, UINT32_MAX },
	{ "burst_kb",      KIND_NUMBER,   0, UINT32_MAX },
	{ "cmd_rate",      KIND_NUMBER,   0, UINT32_MAX },
	{ "weight",        KIND_NUMBER,   1, UINT32_MAX },
	{ "max_qp",        KIND_NUMBER,   1, UINT32_MAX },
	{ "max_cq",        KIND_NUMBER,   1, UINT32_MAX },
	{ "max_srq",       KIND_NUMBER,   1, UINT32_MAX },
	{ "max_mkey",      KIND_NUMBER,   1, UINT32_MAX },
	{ "max_pd",        KIND_NUMBER,   1, UINT32_MAX },
	{ "max_pinned_mb", KIND_NUMBER,   1, UINT32_MAX },
	{ "max_mr_mb",     KIND_NUMBER,   1, UINT32_MAX },
	{ "doorbell",      KIND_DOORBELL, 0, 0 },
	{ "spoof_check",   KIND_SWITCH,   0, 0 },
	{ "addresses",     KIND_ADDRESSES, 0, 0 },
	{ "link",          KIND_LINK,     0, 0 },
	{ "config",        KIND_JSON,     0, 0 },
};

#define N_POLICIES	((int)(sizeof(policies) / sizeof(*policies)))

int policy_rank(const char *name)
{
	int i;

	for (i = 0; i < N_POLICIES; i++)
		if (!strcmp(name, policies[i].name))
			break;
	return i;
}

bool policy_known(const char *name)
{
	return policy_rank(name) < N_POLICIES;
}

/* ---- Values ----------------------------------------------------------- */

/* @groups groups of @digits hexadecimal digits with ':' between; the value. */
static bool parse_groups(const char *text, int groups, int digits, uint64_t *value)
{
	*value = 0;
	for (int g = 0; g < groups; g++) {
		if (g && *text++ != ':')
			return false;
		for (int d = 0; d < digits; d++, text++) {
			if (!isxdigit((unsigned char)*text))
				return false;
			*value = *value << 4 |
				 (uint64_t)(isdigit((unsigned char)*text) ?
					    *text - '0' : tolower(*text) - 'a' + 10);
		}
	}
	return !*text;
}

static const char *check_mac(const char *text)
{
	uint64_t mac;

	if (!parse_groups(text, 6, 2, &mac))
		return "not a MAC address (02:00:5e:00:00:01)";
	if (mac >> 40 & 1)
		return "a multicast address";
	return mac ? NULL : "zero is no address";
}

static const char *check_guid(const char *text)
{
	uint64_t guid;
	char *end;

	if (!parse_groups(text, 4, 4, &guid) && !parse_groups(text, 8, 2, &guid)) {
		errno = 0;
		guid = strtoull(text, &end, 16);
		if (strncasecmp(text, "0x", 2) || errno || *end)
			return "not a GUID (0200:5eff:fe00:0001, or 0x and hexadecimal)";
	}
	return guid ? NULL : "zero is no GUID";
}

static const char *check_number(const struct policy *policy, const char *text)
{
	uint64_t number;
	char *end;

	errno = 0;
	number = strtoull(text, &end, 0);
	if (!isdigit((unsigned char)*text) || *end)
		return "not a number";
	if (errno || number > policy->max)
		return "number too large";
	return number < policy->min ? "must not be zero" : NULL;
}

static const char *check_choice(enum kind kind, const char *text)
{
	static const struct {
		const char *words[2];
		const char *reason;
	} choices[] = {
		[KIND_DOORBELL] = { { "map", "trap" }, "must be 'map' or 'trap'" },
		[KIND_SWITCH] = { { "on", "off" }, "must be 'on' or 'off'" },
		[KIND_LINK] = { { "up", "down" }, "must be 'up' or 'down'" },
	};

	return !strcmp(text, choices[kind].words[0]) || !strcmp(text, choices[kind].words[1]) ?
	       NULL : choices[kind].reason;
}

static const char *check_text(const char *text)
{
	if (strlen(text) > DESCRIPTION_MAX)
		return "longer than 255 bytes";
	for (; *text; text++)
		if (iscntrl((unsigned char)*text))
			return "contains a control character";
	return NULL;
}

/* An address, or a prefix; what it may be is the driver's to say. */
static bool is_prefix(char *text)
{
	char *slash = strchr(text, '/'), *end = NULL;
	struct in6_addr address;
	bool v6 = strchr(text, ':');

	if (slash) {
		*slash++ = 0;
		if (!isdigit((unsigned char)*slash) ||
		    strtoul(slash, &end, 10) > (v6 ? 128 : 32) || *end)
			return false;
	}
	return inet_pton(v6 ? AF_INET6 : AF_INET, text, &address) == 1;
}

static const char *check_addresses(const char *text)
{
	const char *why = NULL;
	char *copy = ctl_strdup(text), *rest = copy, *item;

	while (*text && !why && (item = strsep(&rest, ",")))
		if (!is_prefix(item))
			why = "not IP addresses or prefixes (192.0.2.7,2001:db8::/64)";
	free(copy);
	return why;
}

static const char *check_json(const char *text)
{
	json_object *json = json_tokener_parse(text);
	bool object = json_object_is_type(json, json_type_object);

	json_object_put(json);
	return object ? NULL : "not a JSON object";
}

const char *policy_check(const char *name, const char *value)
{
	int rank = policy_rank(name);

	if (rank == N_POLICIES)
		return NULL;
	switch (policies[rank].kind) {
	case KIND_MAC:
		return check_mac(value);
	case KIND_GUID:
		return check_guid(value);
	case KIND_NUMBER:
		return check_number(&policies[rank], value);
	case KIND_TEXT:
		return check_text(value);
	case KIND_DOORBELL:
	case KIND_SWITCH:
	case KIND_LINK:
		return check_choice(policies[rank].kind, value);
	case KIND_ADDRESSES:
		return check_addresses(value);
	case KIND_JSON:
		return check_json(value);
	}
	return NULL;
}

/* ---- Lists of settings ------------------------------------------------ */

void settings_add(struct settings *settings, const char *name, const char *value)
{
	struct setting *item;

	settings->item = ctl_grow(settings->item, settings->count + 1, sizeof(*item));
	item = &settings->item[settings->count++];
	item->name = ctl_strdup(name);
	item->value = ctl_strdup(value);
}

void settings_free(struct settings *settings)
{
	for (size_t i = 0; i < settings->count; i++) {
		free(settings->item[i].name);
		free(settings->item[i].value);
	}
	free(settings->item);
	*settings = (struct settings){ 0 };
}

/* An attribute's name becomes part of a path. */
static bool name_valid(const char *name)
{
	if (!islower((unsigned char)*name))
		return false;
	for (; *name; name++)
		if (!islower((unsigned char)*name) && !isdigit((unsigned char)*name) &&
		    *name != '_')
			return false;
	return true;
}

int settings_parse(struct settings *settings, const char *text)
{
	const struct ctl here = { .root = "" };
	const char *equals = strchr(text, '=');
	char *name, *value;

	if (!equals || equals == text) {
		ctl_error("%s: expected NAME=VALUE", text);
		return CTL_USAGE;
	}
	name = ctl_format("%.*s", (int)(equals - text), text);
	if (equals[1] == '@') {
		value = sys_read(&here, "%s", equals + 2);
		if (!value) {
			ctl_error("%s: %s", equals + 2, strerror(errno));
			free(name);
			return CTL_FAILED;
		}
	} else {
		value = ctl_strdup(equals + 1);
	}
	settings_add(settings, name, value);
	free(name);
	free(value);
	return CTL_OK;
}

int settings_from_json(struct settings *settings, json_object *attrs)
{
	if (attrs && !json_object_is_type(attrs, json_type_array)) {
		ctl_error("\"attrs\" is not an array");
		return CTL_REFUSED;
	}
	for (size_t i = 0; attrs && i < json_object_array_length(attrs); i++) {
		json_object *item = json_object_array_get_idx(attrs, i);

		if (!json_object_is_type(item, json_type_object)) {
			ctl_error("\"attrs\" contains something that is no object");
			return CTL_REFUSED;
		}
		json_object_object_foreach(item, name, value)
			settings_add(settings, name, json_object_get_string(value) ?: "");
	}
	return CTL_OK;
}

int settings_check(const struct settings *settings)
{
	int ret = CTL_OK;

	for (size_t i = 0; i < settings->count; i++) {
		const struct setting *item = &settings->item[i];
		const char *why = policy_check(item->name, item->value);

		if (!name_valid(item->name))
			why = "not the name of an attribute";
		if (!why)
			continue;
		ctl_error("%s=%s: %s", item->name, item->value, why);
		ret = CTL_REFUSED;
	}
	return ret;
}

/* ---- Writing ---------------------------------------------------------- */

static const struct reason write_reasons[] = {
	{ EBUSY, CTL_BUSY, "cannot be changed while the instance is in use" },
	{ EINVAL, CTL_REFUSED, "the driver refuses this value" },
	{ ERANGE, CTL_REFUSED, "out of the range that the driver allows" },
	{ EEXIST, CTL_REFUSED, "another instance has this value" },
	{ EOPNOTSUPP, CTL_REFUSED, "this backend does not support it" },
	{ ENOSPC, CTL_NO_CAPACITY, "more than the host has left" },
	{ ENOENT, CTL_NOT_FOUND, "the instance has disappeared" },
	{ 0, CTL_OK, NULL }
};

static int offered(const struct ctl *ctl, const char *uuid, const char *name)
{
	if (!sys_exists(ctl, MDEV_DEVICES "/%s/%s", uuid, name)) {
		ctl_error("%s: this driver does not offer the attribute%s", name,
			  policy_known(name) ? " (a newer one does)" : "");
		return CTL_REFUSED;
	}
	if (!sys_offers_write(ctl, MDEV_DEVICES "/%s/%s", uuid, name) ||
	    !strcmp(name, "remove") || !strcmp(name, "uevent") ||
	    !strcmp(name, "driver_override")) {
		ctl_error("%s: cannot be set", name);
		return CTL_REFUSED;
	}
	return CTL_OK;
}

/* sysfs takes no notice of a write of nothing: an empty value is a line. */
static int write_setting(const struct ctl *ctl, const char *uuid, const char *name,
			 const char *value)
{
	return sys_write(ctl, *value ? value : "\n", MDEV_DEVICES "/%s/%s", uuid, name);
}

/* Put the first @count settings back, last first. */
static void roll_back(const struct ctl *ctl, const char *uuid,
		      const struct settings *settings, char **old, size_t count)
{
	while (count--) {
		const char *name = settings->item[count].name;
		int error = old[count] ? write_setting(ctl, uuid, name, old[count]) : -ENODATA;

		if (error)
			ctl_note("%s keeps its new value: %s", name, strerror(-error));
	}
}

int settings_apply(const struct ctl *ctl, const char *uuid,
		   const struct settings *settings)
{
	char **old = ctl_alloc(settings->count, sizeof(*old));
	struct kmsg kmsg;
	int ret = CTL_OK;
	int error;

	for (size_t i = 0; i < settings->count && ret == CTL_OK; i++)
		ret = offered(ctl, uuid, settings->item[i].name);
	if (ret)
		goto out_free;

	kmsg_open(ctl, &kmsg);
	for (size_t i = 0; i < settings->count; i++) {
		const struct setting *item = &settings->item[i];

		old[i] = sys_read(ctl, MDEV_DEVICES "/%s/%s", uuid, item->name);
		error = write_setting(ctl, uuid, item->name, item->value);
		if (!error)
			continue;
		ret = ctl_explain(write_reasons, -error, "%s=%s", item->name, item->value);
		kmsg_print(&kmsg);
		roll_back(ctl, uuid, settings, old, i);
		break;
	}
	kmsg_close(&kmsg);
out_free:
	for (size_t i = 0; i < settings->count; i++)
		free(old[i]);
	free(old);
	return ret;
}
