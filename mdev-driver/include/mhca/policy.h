/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Policy: what the administrator decides about an instance. One table
 * (prm/policy.c) has name, range, unit and default of each attribute; sysfs, the
 * JSON of "config", messages and the limits that the core enforces come from it.
 */
#ifndef MHCA_POLICY_H
#define MHCA_POLICY_H

#include <mhca/prm.h>

/**
 * enum mhca_policy_form - what an attribute's value looks like
 * @MHCA_FORM_NUMBER: decimal, or 0x and hexadecimal
 * @MHCA_FORM_MAC: 02:00:5e:00:00:01
 * @MHCA_FORM_GUID: 0200:5eff:fe00:0001, or eight pairs, or 0x and hexadecimal
 * @MHCA_FORM_CHOICE: one of a list of words
 * @MHCA_FORM_TEXT: printable, up to MHCA_DESCRIPTION_MAX bytes
 * @MHCA_FORM_ADDRESSES: 192.0.2.7,2001:db8::/64: up to MHCA_ADDRESSES_MAX, or nothing
 */
enum mhca_policy_form {
	MHCA_FORM_NUMBER,
	MHCA_FORM_MAC,
	MHCA_FORM_GUID,
	MHCA_FORM_CHOICE,
	MHCA_FORM_TEXT,
	MHCA_FORM_ADDRESSES,
};

/**
 * struct mhca_policy_row - an attribute
 * @name: in sysfs and in "config"
 * @unit: of a number, for messages; empty: a plain number
 * @form: what its value looks like
 * @live: may change while the instance is open
 * @zero: 0 is allowed although it is below @min: no bound
 * @min: least number
 * @max: greatest number
 * @fallback: default
 * @kind: objects that it limits, or MHCA_NO_OBJECT
 * @words: of a choice, NULL at the end; the value is the index
 */
struct mhca_policy_row {
	const char *name;
	const char *unit;
	enum mhca_policy_form form;
	bool live;
	bool zero;
	u64 min;
	u64 max;
	u64 fallback;
	enum mhca_object_kind kind;
	const char * const *words;
};

extern const struct mhca_policy_row mhca_policy_rows[MHCA_POLICIES];

/* Longest reason of a refusal, with its 0. */
#define MHCA_REASON_MAX		160
/* Longest text of a value and of "config", with their 0. */
#define MHCA_VALUE_MAX		768
#define MHCA_CONFIG_MAX		3072

/* address.c: 0, -EINVAL or -ERANGE; the text's length. */
int mhca_addresses_parse(struct mhca_addresses *addresses, const char *text);
int mhca_addresses_show(const struct mhca_addresses *addresses, char *buf, size_t size);

void mhca_policy_default(struct mhca_policy *policy, const struct mhca_identity *id);
/* Index of the attribute of this name, or -ENOENT. */
int mhca_policy_find(const char *name);
/*
 * Put the value that @text says into @policy. 0; -EINVAL: not a value of this form;
 * -ERANGE: outside of its range. Then @reason names attribute and range, and @policy
 * is as it was.
 */
int mhca_policy_parse(struct mhca_policy *policy, enum mhca_policy_id id,
		      const char *text, char *reason);
/* The value as text, without a line's end; its length. */
int mhca_policy_show(const struct mhca_policy *policy, enum mhca_policy_id id,
		     char *buf, size_t size);
/*
 * May @from become @to? 0, or -EBUSY when @open and an attribute differs that is
 * fixed then; @reason names it.
 */
int mhca_policy_change(const struct mhca_policy *from, const struct mhca_policy *to,
		       bool open, char *reason);
/* The three views of a number: configured, enforced, visible to the guest (0: not). */
struct mhca_limit mhca_policy_view(const struct mhca_policy *policy, enum mhca_policy_id id);
/*
 * Make @policy that of @inst. Only live attributes may differ from what was applied
 * while the instance is open.
 */
void mhca_policy_apply(struct mhca_instance *inst, const struct mhca_policy *policy);
void mhca_policy_exchange(struct mhca_instance *inst, struct mhca_instance *other);

/*
 * All attributes as a JSON object. Parse: 0, or -EINVAL, -ERANGE, -ENOENT with
 * @reason; @policy is changed as a whole or not at all.
 */
int mhca_policy_from_json(struct mhca_policy *policy, const char *text, char *reason);
int mhca_policy_to_json(const struct mhca_policy *policy, char *buf, size_t size);

#endif /* MHCA_POLICY_H */
