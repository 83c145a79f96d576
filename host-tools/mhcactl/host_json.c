// SPDX-License-Identifier: GPL-2.0-only
/*
 * Instances and types as JSON. docs/mhcactl-json.md describes every member:
 * members may be added, none is renamed or changes its type.
 */
#include <stdlib.h>
#include <string.h>

#include "host.h"

static json_object *text_or_null(const char *text)
{
	return text ? json_object_new_string(text) : NULL;
}

static json_object *number_or_null(int64_t number)
{
	return number >= 0 ? json_object_new_int64(number) : NULL;
}

static json_object *counters_to_json(const struct instance *instance)
{
	json_object *counters = json_object_new_object();

	for (size_t i = 0; i < instance->n_counters; i++) {
		const struct counter *counter = &instance->counters[i];

		if (!counter->gauge)
			json_object_object_add(counters, counter->name,
					       json_object_new_uint64(counter->value));
	}
	return counters;
}

static json_object *objects_to_json(const struct instance *instance)
{
	static const char prefix[] = "objects_";
	json_object *objects = json_object_new_object();

	for (size_t i = 0; i < instance->n_counters; i++) {
		const struct counter *counter = &instance->counters[i];

		if (!strncmp(counter->name, prefix, sizeof(prefix) - 1))
			json_object_object_add(objects, counter->name + sizeof(prefix) - 1,
					       json_object_new_uint64(counter->value));
	}
	return objects;
}

static json_object *attributes_to_json(const struct instance *instance)
{
	json_object *attributes = json_object_new_object();

	for (size_t i = 0; i < instance->n_attributes; i++)
		json_object_object_add(attributes, instance->attributes[i].name,
				       text_or_null(instance->attributes[i].value));
	return attributes;
}

json_object *instance_to_json(const struct instance *instance, unsigned int parts)
{
	json_object *json = json_object_new_object();

	json_object_object_add(json, "uuid", json_object_new_string(instance->uuid));
	json_object_object_add(json, "parent", json_object_new_string(instance->parent));
	json_object_object_add(json, "type", json_object_new_string(instance->type));
	json_object_object_add(json, "state", json_object_new_string(instance->state));
	json_object_object_add(json, "open", json_object_new_boolean(instance->open));
	json_object_object_add(json, "lid", number_or_null(instance->lid));
	json_object_object_add(json, "iommu_group", number_or_null(instance->iommu_group));
	if (parts & JSON_ATTRIBUTES)
		json_object_object_add(json, "attributes", attributes_to_json(instance));
	if (parts & JSON_COUNTERS) {
		uint64_t pinned = instance_counter(instance, "pinned_pages");
		uint64_t peak = instance_counter(instance, "pinned_peak_pages");

		json_object_object_add(json, "pinned_bytes",
				       json_object_new_uint64(pinned * PINNED_PAGE));
		json_object_object_add(json, "pinned_peak_bytes",
				       json_object_new_uint64(peak * PINNED_PAGE));
		json_object_object_add(json, "objects", objects_to_json(instance));
		json_object_object_add(json, "counters", counters_to_json(instance));
	}
	return json;
}

json_object *type_to_json(const struct type *type, const struct host *host)
{
	json_object *json = json_object_new_object();
	json_object *uuids = json_object_new_array();

	json_object_object_add(json, "parent", json_object_new_string(type->parent));
	json_object_object_add(json, "type", json_object_new_string(type->name));
	json_object_object_add(json, "name", text_or_null(type->pretty));
	json_object_object_add(json, "description", text_or_null(type->description));
	json_object_object_add(json, "device_api", text_or_null(type->device_api));
	json_object_object_add(json, "available_instances", number_or_null(type->available));
	for (size_t i = 0; i < host->n_instances; i++) {
		const struct instance *instance = &host->instances[i];

		if (!strcmp(instance->parent, type->parent) &&
		    !strcmp(instance->type, type->name))
			json_object_array_add(uuids, json_object_new_string(instance->uuid));
	}
	json_object_object_add(json, "instances", uuids);
	return json;
}
