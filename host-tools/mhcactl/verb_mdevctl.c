// SPDX-License-Identifier: GPL-2.0-only
/*
 * mhcactl mdevctl: the call-out of mdevctl, for instances of our types.
 *
 *   pre  define, modify, start   wrong attributes are refused before they are
 *                                stored or a device is made
 *   get  attributes              the attributes of a running instance
 *   get  capabilities            what this call-out can do (mdevctl >= 1.3)
 *   live modify                  attributes of a running instance are changed,
 *                                all or none (mdevctl >= 1.3)
 *
 * Arguments and exit codes are mdevctl's: 0 good, 1 error, 2 not our type.
 */
#include <stdlib.h>
#include <string.h>

#include "output.h"
#include "policy.h"

enum { CALLOUT_OK = 0, CALLOUT_ERROR = 1, CALLOUT_NOT_OURS = 2 };

/**
 * struct call - what mdevctl wants
 * @type: mdev type
 * @event: pre, post, get, live, notify
 * @action: define, start, …
 * @uuid: instance
 */
struct call {
	const char *type;
	const char *event;
	const char *action;
	const char *uuid;
};

/* ---- The definition on standard input ------------------------------------------- */

#define DEFINITION_MAX	(1U << 20)

static json_object *read_definition(void)
{
	char *text = ctl_alloc(1, DEFINITION_MAX + 1);
	size_t len = fread(text, 1, DEFINITION_MAX, stdin);
	json_object *json;

	text[len] = '\0';
	json = json_tokener_parse(text);
	free(text);
	if (json_object_is_type(json, json_type_object))
		return json;
	json_object_put(json);
	ctl_error("the definition is no JSON object");
	return NULL;
}

static int read_settings(struct settings *settings)
{
	json_object *definition = read_definition();
	int ret;

	if (!definition)
		return CTL_REFUSED;
	ret = settings_from_json(settings, json_get(definition, "attrs"));
	json_object_put(definition);
	return ret;
}

/* ---- Events ------------------------------------------------------------------------ */

static int pre_check(const struct ctl *ctl, const struct call *call)
{
	struct settings settings = { 0 };
	int ret = read_settings(&settings);

	(void)ctl;
	(void)call;
	if (!ret)
		ret = settings_check(&settings);
	for (size_t i = 0; i < settings.count && !ret; i++) {
		if (policy_known(settings.item[i].name))
			continue;
		ctl_error("%s: no attribute of an mHCA instance", settings.item[i].name);
		ret = CTL_REFUSED;
	}
	settings_free(&settings);
	return ret;
}

static int live_modify(const struct ctl *ctl, const struct call *call)
{
	struct settings settings = { 0 };
	int ret = read_settings(&settings);

	if (!ret)
		ret = settings_check(&settings);
	if (!ret)
		ret = settings_apply(ctl, call->uuid, &settings);
	settings_free(&settings);
	return ret;
}

/* Those that a definition can hold: settable, and not the sum of the others. */
static int get_attributes(const struct ctl *ctl, const struct call *call)
{
	json_object *array = json_object_new_array();
	const struct instance *instance;
	struct host host;
	int ret = CTL_OK;

	host_load_any(ctl, &host, HOST_ATTRIBUTES);
	instance = host_find(&host, call->uuid, &ret);
	for (size_t i = 0; instance && i < instance->n_attributes; i++) {
		const struct attribute *attribute = &instance->attributes[i];
		json_object *item;

		if (!attribute->writable || !attribute->value || !*attribute->value ||
		    !policy_known(attribute->name) || !strcmp(attribute->name, "config"))
			continue;
		item = json_object_new_object();
		json_object_object_add(item, attribute->name,
				       json_object_new_string(attribute->value));
		json_object_array_add(array, item);
	}
	if (instance)
		output_json(ctl, array, true);
	else
		json_object_put(array);
	host_free(&host);
	return ret;
}

static int get_capabilities(const struct ctl *ctl, const struct call *call)
{
	(void)call;
	fputs("{\"supports\":{\"version\":2,"
	      "\"actions\":[\"start\",\"stop\",\"define\",\"undefine\",\"modify\","
	      "\"attributes\",\"capabilities\"],"
	      "\"events\":[\"pre\",\"post\",\"get\",\"live\"]}}\n", ctl->out);
	return CTL_OK;
}

/**
 * struct handler - a row of the table
 * @event: event
 * @action: action
 * @handle: does it; an exit code of ours
 */
struct handler {
	const char *event;
	const char *action;
	int (*handle)(const struct ctl *ctl, const struct call *call);
};

/* What is not here needs nothing of us. */
static const struct handler handlers[] = {
	{ "pre", "define", pre_check },
	{ "pre", "modify", pre_check },
	{ "pre", "start", pre_check },
	{ "live", "modify", live_modify },
	{ "get", "attributes", get_attributes },
	{ "get", "capabilities", get_capabilities },
};

static int dispatch(const struct ctl *ctl, const struct call *call)
{
	if (strncmp(call->type, TYPE_PREFIX, strlen(TYPE_PREFIX)))
		return CALLOUT_NOT_OURS;
	if (!uuid_valid(call->uuid)) {
		ctl_error("'%s' is no UUID", call->uuid);
		return CALLOUT_ERROR;
	}
	for (size_t i = 0; i < sizeof(handlers) / sizeof(*handlers); i++)
		if (!strcmp(call->event, handlers[i].event) &&
		    !strcmp(call->action, handlers[i].action))
			return handlers[i].handle(ctl, call) ? CALLOUT_ERROR : CALLOUT_OK;
	return CALLOUT_OK;
}

/* "-t TYPE -e EVENT -a ACTION -s STATE -u UUID -p PARENT" */
static int run(struct ctl *ctl, int argc, char **argv)
{
	static const struct option longs[] = {
		{ "help", no_argument, NULL, 'h' },
		{ "root", required_argument, NULL, 'r' },
		{ NULL, 0, NULL, 0 }
	};
	struct call call = { 0 };
	int opt;

	while ((opt = ctl_getopt(ctl, argc, argv, "t:e:a:s:u:p:hr:", longs)) != -1) {
		switch (opt) {
		case 't':
			call.type = optarg;
			break;
		case 'e':
			call.event = optarg;
			break;
		case 'a':
			call.action = optarg;
			break;
		case 'u':
			call.uuid = optarg;
			break;
		case 's':
		case 'p':
			break;
		default:
			/* Not 2, which says "not our type". */
			return ctl_usage(ctl, opt) ? CALLOUT_ERROR : CALLOUT_OK;
		}
	}
	if (!call.type || !call.event || !call.action || !call.uuid) {
		ctl_error("mdevctl: -t, -e, -a and -u are needed");
		return CALLOUT_ERROR;
	}
	return dispatch(ctl, &call);
}

const struct verb verb_mdevctl = {
	.name = "mdevctl",
	.args = "-t TYPE -e EVENT -a ACTION -s STATE -u UUID -p PARENT",
	.summary = "Call-out of mdevctl; the definition comes on standard input",
	.options = "",
	.run = run,
	.plumbing = true,
};
