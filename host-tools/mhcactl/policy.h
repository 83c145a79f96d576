/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Settings of an instance: what their values look like, and writing them.
 *
 * Which of them exist is the driver's business: only what sysfs offers is
 * shown and written. The table tells values that cannot be right before they
 * reach the driver (mdevctl's definitions are checked with no device there),
 * and gives the order in which settings are shown.
 */
#ifndef MHCACTL_POLICY_H
#define MHCACTL_POLICY_H

#include <json-c/json.h>

#include "host.h"

/**
 * struct setting - a name and its new value
 * @name: attribute
 * @value: text
 */
struct setting {
	char *name;
	char *value;
};

/**
 * struct settings - in the order in which they are to be written
 * @item: array
 * @count: its length
 */
struct settings {
	struct setting *item;
	size_t count;
};

/* Place in the table; behind all of it for an unknown one. */
int policy_rank(const char *name);
bool policy_known(const char *name);
/* Why @value cannot be right for @name (a static text), NULL when it may be. */
const char *policy_check(const char *name, const char *value);

/* Parse "name=value" ("name=@file": the file's content). Exit code. */
int settings_parse(struct settings *settings, const char *text);
/* Add from mdevctl's "attrs": an array of objects of one name each. Exit code. */
int settings_from_json(struct settings *settings, json_object *attrs);
void settings_add(struct settings *settings, const char *name, const char *value);
void settings_free(struct settings *settings);
/* Every value that cannot be right is reported. Exit code. */
int settings_check(const struct settings *settings);
/*
 * Write all of them, or put back what was there. Exit code.
 */
int settings_apply(const struct ctl *ctl, const char *uuid,
		   const struct settings *settings);

#endif /* MHCACTL_POLICY_H */
