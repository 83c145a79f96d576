// SPDX-License-Identifier: GPL-2.0-only
/*
 * What there is to be: from a JSON file and from options, the same words in both. Nothing
 * is guessed: a name that is not known, and a value that cannot be, is an error that says
 * where.
 */
#define _GNU_SOURCE
#include <json-c/json.h>

#include "server.h"

#define MHCAD_LANES_MAX		64

/**
 * struct mhcad_number - a number of the configuration
 * @name: in the file
 * @offset: in struct mhcad_config
 * @min: least
 * @max: greatest
 * @fallback: default
 */
struct mhcad_number {
	const char *name;
	size_t offset;
	u32 min;
	u32 max;
	u32 fallback;
};

static const struct mhcad_number mhcad_numbers[] = {
	{ "lanes", offsetof(struct mhcad_config, lanes), 1, MHCAD_LANES_MAX, 1 },
	{ "look_us", offsetof(struct mhcad_config, look_us), 100, 1000000, 20000 },
	{ "idle_us", offsetof(struct mhcad_config, idle_us), 1, 1000000, 10000 },
	{ "spin_us", offsetof(struct mhcad_config, spin_us), 0, 1000000, 50 },
	{ "pause_us", offsetof(struct mhcad_config, pause_us), 1, 1000, 20 },
};

static u32 *mhcad_number_of(struct mhcad_config *config, const struct mhcad_number *number)
{
	return (u32 *)((u8 *)config + number->offset);
}

/**
 * mhcad_config_init() - defaults, and no instance
 * @config: filled
 */
void mhcad_config_init(struct mhcad_config *config)
{
	u32 i;

	memset(config, 0, sizeof(*config));
	for (i = 0; i < ARRAY_SIZE(mhcad_numbers); i++)
		*mhcad_number_of(config, &mhcad_numbers[i]) = mhcad_numbers[i].fallback;
}

/**
 * mhcad_config_free() - forget the instances
 * @config: configuration
 */
void mhcad_config_free(struct mhcad_config *config)
{
	free(config->instances);
	config->instances = NULL;
	config->n_instances = 0;
}

/* ---- Values --------------------------------------------------------------------- */

static const struct mhca_type_desc *mhcad_type_find(const char *name)
{
	u32 i;

	for (i = 0; i < MHCA_TYPES; i++)
		if (!strcmp(mhca_types[i].name, name))
			return &mhca_types[i];
	return NULL;
}

/**
 * mhcad_uuid_parse() - a UUID from its text
 * @text: 8-4-4-4-12 hexadecimal digits
 * @uuid: in the order of the kernel's guid_t
 *
 * Return: 0 or -EINVAL.
 */
int mhcad_uuid_parse(const char *text, u8 uuid[MHCA_UUID_BYTES])
{
	static const u8 place[MHCA_UUID_BYTES] = {
		3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15,
	};
	u32 at = 0, i;

	for (i = 0; i < MHCA_UUID_BYTES; i++) {
		u32 value = 0, digit, k;

		if ((i == 4 || i == 6 || i == 8 || i == 10) && text[at++] != '-')
			return -EINVAL;
		for (k = 0; k < 2; k++, at++) {
			char c = text[at];

			if (c >= '0' && c <= '9')
				digit = (u32)(c - '0');
			else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
				digit = (u32)((c | 0x20) - 'a') + 10;
			else
				return -EINVAL;
			value = value << 4 | digit;
		}
		uuid[place[i]] = (u8)value;
	}
	return text[at] ? -EINVAL : 0;
}

static bool mhcad_copy(char *to, size_t size, const char *text, const char *what)
{
	if (strlen(text) < size) {
		strcpy(to, text);
		return true;
	}
	pr_err("mhcad: %s is longer than %zu bytes\n", what, size - 1);
	return false;
}

/**
 * mhcad_config_cpus() - a list of CPUs
 * @text: "0,2-3"
 * @set: filled
 *
 * Return: 0 or -EINVAL.
 */
int mhcad_config_cpus(const char *text, cpu_set_t *set)
{
	unsigned int first, last;
	int n;

	CPU_ZERO(set);
	for (;;) {
		if (sscanf(text, "%u%n", &first, &n) != 1)
			return -EINVAL;
		text += n;
		last = first;
		if (*text == '-') {
			if (sscanf(text, "-%u%n", &last, &n) != 1)
				return -EINVAL;
			text += n;
		}
		if (first > last || last >= CPU_SETSIZE)
			return -EINVAL;
		for (; first <= last; first++)
			CPU_SET(first, set);
		if (!*text)
			return 0;
		if (*text++ != ',')
			return -EINVAL;
	}
}

/* ---- Instances ------------------------------------------------------------------- */

/* One more, all zero; NULL: there is no room for it. */
static struct mhcad_instance_config *mhcad_instance_add(struct mhcad_config *config)
{
	struct mhcad_instance_config *more = NULL;

	if (config->n_instances < MHCAD_INSTANCES_MAX)
		more = realloc(config->instances, (config->n_instances + 1) * sizeof(*more));
	if (!more) {
		pr_err("mhcad: no room for instance %u\n", config->n_instances);
		return NULL;
	}
	config->instances = more;
	more += config->n_instances++;
	memset(more, 0, sizeof(*more));
	return more;
}

/**
 * mhcad_config_check_instance() - is all of it there?
 * @conf: instance to be
 *
 * Return: 0 or -EINVAL; the log says why.
 */
int mhcad_config_check_instance(const struct mhcad_instance_config *conf)
{
	u8 uuid[MHCA_UUID_BYTES];

	if (mhcad_uuid_parse(conf->uuid, uuid)) {
		pr_err("mhcad: uuid \"%s\" is none\n", conf->uuid);
		return -EINVAL;
	}
	if (!conf->type) {
		pr_err("mhcad: %s: no type (ib-small, roce-small, …-medium, …-large)\n",
		       conf->uuid);
		return -EINVAL;
	}
	if (!conf->socket[0]) {
		pr_err("mhcad: %s: no socket\n", conf->uuid);
		return -EINVAL;
	}
	return 0;
}

/**
 * mhcad_config_check() - does it fit together?
 * @config: configuration
 *
 * Return: 0 or -EINVAL; the log says why.
 */
int mhcad_config_check(const struct mhcad_config *config)
{
	const struct mhcad_instance_config *a = config->instances, *b;
	cpu_set_t set;
	u32 i, k;
	int ret;

	if (config->cpus[0] && mhcad_config_cpus(config->cpus, &set)) {
		pr_err("mhcad: cpus \"%s\" is no list of CPUs\n", config->cpus);
		return -EINVAL;
	}
	for (i = 0; i < config->n_instances; i++) {
		ret = mhcad_config_check_instance(&a[i]);
		if (ret)
			return ret;
		for (k = 0, b = a; k < i; k++, b++)
			if (!strcasecmp(a[i].uuid, b->uuid) || !strcmp(a[i].socket, b->socket)) {
				pr_err("mhcad: %s: its uuid or socket is that of another one\n",
				       a[i].uuid);
				return -EINVAL;
			}
	}
	if (!config->n_instances && !config->control[0]) {
		pr_err("mhcad: no instance, and no control socket to make one by\n");
		return -EINVAL;
	}
	return 0;
}

static bool mhcad_instance_word(struct mhcad_instance_config *conf, const char *name,
				const char *value)
{
	if (!strcmp(name, "uuid"))
		return mhcad_copy(conf->uuid, sizeof(conf->uuid), value, "uuid");
	if (!strcmp(name, "socket"))
		return mhcad_copy(conf->socket, sizeof(conf->socket), value, "socket");
	if (!strcmp(name, "type")) {
		conf->type = mhcad_type_find(value);
		if (!conf->type)
			pr_err("mhcad: there is no type %s\n", value);
		return conf->type;
	}
	return false;
}

/* ---- Options ----------------------------------------------------------------------- */

/* A policy attribute as a member of the JSON object that conf->policy is. */
static bool mhcad_policy_word(struct mhcad_instance_config *conf, const char *name,
			      const char *value)
{
	struct json_object *policy, *text;
	bool fits;

	policy = conf->policy[0] ? json_tokener_parse(conf->policy) : json_object_new_object();
	text = json_object_new_string(value);
	json_object_object_add(policy, name, text);
	fits = mhcad_copy(conf->policy, sizeof(conf->policy),
			  json_object_to_json_string_ext(policy, JSON_C_TO_STRING_PLAIN |
							 JSON_C_TO_STRING_NOSLASHESCAPE),
			  "policy");
	json_object_put(policy);
	return fits;
}

/**
 * mhcad_config_words() - an instance as words
 * @conf: filled, from the beginning
 * @text: uuid=…,type=…,socket=…, and attributes of policy
 *
 * Return: 0 or -EINVAL; the log says why.
 */
int mhcad_config_words(struct mhcad_instance_config *conf, const char *text)
{
	char *copy = strdup(text), *rest = copy, *word, *value;
	int ret = copy ? 0 : -ENOMEM;

	memset(conf, 0, sizeof(*conf));
	while (!ret && (word = strsep(&rest, ","))) {
		value = strchr(word, '=');
		if (!value) {
			pr_err("mhcad: \"%s\" is not name=value\n", word);
			ret = -EINVAL;
			break;
		}
		*value++ = 0;
		if (!strcmp(word, "uuid") || !strcmp(word, "type") || !strcmp(word, "socket"))
			ret = mhcad_instance_word(conf, word, value) ? 0 : -EINVAL;
		else
			ret = mhcad_policy_word(conf, word, value) ? 0 : -EINVAL;
	}
	free(copy);
	return ret;
}

/**
 * mhcad_config_instance() - an instance as an option
 * @config: gets it
 * @text: as for mhcad_config_words()
 *
 * Return: 0 or -EINVAL; the log says why.
 */
int mhcad_config_instance(struct mhcad_config *config, const char *text)
{
	struct mhcad_instance_config *conf = mhcad_instance_add(config);

	return conf ? mhcad_config_words(conf, text) : -EINVAL;
}

/* ---- The file ----------------------------------------------------------------------- */

static int mhcad_file_instance(struct mhcad_config *config, struct json_object *from)
{
	struct mhcad_instance_config *conf = mhcad_instance_add(config);
	const char *text;

	if (!conf)
		return -EINVAL;
	if (!json_object_is_type(from, json_type_object)) {
		pr_err("mhcad: instance %u is no object\n", config->n_instances - 1);
		return -EINVAL;
	}
	json_object_object_foreach(from, name, value) {
		text = json_object_to_json_string_ext(value, JSON_C_TO_STRING_PLAIN |
						      JSON_C_TO_STRING_NOSLASHESCAPE);
		if (!strcmp(name, "policy") && json_object_is_type(value, json_type_object)) {
			if (!mhcad_copy(conf->policy, sizeof(conf->policy), text, "policy"))
				return -EINVAL;
		} else if (!json_object_is_type(value, json_type_string) ||
			   !mhcad_instance_word(conf, name, json_object_get_string(value))) {
			pr_err("mhcad: instance %u: \"%s\": %s cannot be\n",
			       config->n_instances - 1, name, text);
			return -EINVAL;
		}
	}
	return 0;
}

static int mhcad_file_instances(struct mhcad_config *config, struct json_object *from)
{
	size_t i;
	int ret = 0;

	if (!json_object_is_type(from, json_type_array)) {
		pr_err("mhcad: \"instances\" is no array\n");
		return -EINVAL;
	}
	for (i = 0; !ret && i < json_object_array_length(from); i++)
		ret = mhcad_file_instance(config, json_object_array_get_idx(from, i));
	return ret;
}

static bool mhcad_file_number(struct mhcad_config *config, const char *name,
			      struct json_object *value)
{
	s64 number;
	u32 i;

	for (i = 0; i < ARRAY_SIZE(mhcad_numbers); i++) {
		if (strcmp(mhcad_numbers[i].name, name))
			continue;
		number = json_object_get_int64(value);
		if (!json_object_is_type(value, json_type_int) ||
		    number < mhcad_numbers[i].min || number > mhcad_numbers[i].max) {
			pr_err("mhcad: \"%s\" is not in %u..%u\n", name, mhcad_numbers[i].min,
			       mhcad_numbers[i].max);
			return false;
		}
		*mhcad_number_of(config, &mhcad_numbers[i]) = (u32)number;
		return true;
	}
	pr_err("mhcad: there is no setting \"%s\"\n", name);
	return false;
}

static int mhcad_file_object(struct mhcad_config *config, struct json_object *from)
{
	bool good = true;

	json_object_object_foreach(from, name, value) {
		if (!strcmp(name, "instances"))
			good = !mhcad_file_instances(config, value);
		else if (!strcmp(name, "cpus") && json_object_is_type(value, json_type_string))
			good = mhcad_copy(config->cpus, sizeof(config->cpus),
					  json_object_get_string(value), "cpus");
		else if (!strcmp(name, "control") && json_object_is_type(value, json_type_string))
			good = mhcad_copy(config->control, sizeof(config->control),
					  json_object_get_string(value), "control");
		else
			good = mhcad_file_number(config, name, value);
		if (!good)
			break;
	}
	return good ? 0 : -EINVAL;
}

/**
 * mhcad_config_file() - add what a file says
 * @config: gets it
 * @path: file
 *
 * Return: 0 or -EINVAL; the log says why.
 */
int mhcad_config_file(struct mhcad_config *config, const char *path)
{
	struct json_object *from = json_object_from_file(path);
	int ret;

	if (!from || !json_object_is_type(from, json_type_object)) {
		pr_err("mhcad: %s: %s\n", path,
		       from ? "no JSON object" : json_util_get_last_err());
		json_object_put(from);
		return -EINVAL;
	}
	ret = mhcad_file_object(config, from);
	json_object_put(from);
	return ret;
}
