// SPDX-License-Identifier: GPL-2.0-only
/*
 * The host at a moment, and what happened between two of them.
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "sample.h"

int sample_take(const struct ctl *ctl, struct sample *sample, unsigned int parts)
{
	struct timespec ts;
	int ret;

	*sample = (struct sample){ 0 };
	clock_gettime(CLOCK_MONOTONIC, &ts);
	sample->time = (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
	ret = host_load(ctl, &sample->host, parts | HOST_COUNTERS);
	if (!ret)
		sample->lanes = lanes_load(ctl, &sample->n_lanes);
	return ret;
}

void sample_free(struct sample *sample)
{
	host_free(&sample->host);
	free(sample->lanes);
	*sample = (struct sample){ 0 };
}

static const struct instance *same_instance(const struct sample *sample, const char *uuid)
{
	for (size_t i = 0; i < sample->host.n_instances; i++)
		if (!strcmp(sample->host.instances[i].uuid, uuid))
			return &sample->host.instances[i];
	return NULL;
}

double sample_rate(const struct sample *before, const struct sample *now,
		   const struct instance *instance, const char *counter)
{
	const struct instance *then = same_instance(before, instance->uuid);
	double seconds = now->time - before->time;
	uint64_t from, to;

	if (!then || seconds <= 0)
		return 0;
	from = instance_counter(then, counter);
	to = instance_counter(instance, counter);
	return to > from ? (double)(to - from) / seconds : 0;
}

double sample_lane_load(const struct sample *before, const struct sample *now,
			const struct lane *lane)
{
	double seconds = now->time - before->time;

	for (size_t i = 0; seconds > 0 && i < before->n_lanes; i++)
		if (before->lanes[i].pid == lane->pid)
			return 100 * (lane->seconds - before->lanes[i].seconds) / seconds;
	return -1;
}

/* ---- JSON ------------------------------------------------------------- */

/* Rates with one digit: more would be noise. */
static json_object *rate_to_json(double rate)
{
	char text[32];

	snprintf(text, sizeof(text), "%.1f", rate);
	return json_object_new_double_s(rate, text);
}

static json_object *rates_to_json(const struct sample *before, const struct sample *now,
				  const struct instance *instance)
{
	json_object *rates = json_object_new_object();

	for (size_t i = 0; i < instance->n_counters; i++) {
		const struct counter *counter = &instance->counters[i];

		if (!counter->gauge)
			json_object_object_add(rates, counter->name,
					       rate_to_json(sample_rate(before, now, instance,
									counter->name)));
	}
	return rates;
}

static bool wanted(const struct names *uuids, const char *uuid)
{
	for (size_t i = 0; uuids && i < uuids->count; i++)
		if (!strcmp(uuids->name[i], uuid))
			return true;
	return !uuids || !uuids->count;
}

json_object *sample_to_json(const struct sample *before, const struct sample *now,
			    const struct names *uuids)
{
	json_object *rows = json_object_new_array();

	for (size_t i = 0; i < now->host.n_instances; i++) {
		const struct instance *instance = &now->host.instances[i];
		json_object *row;

		if (!wanted(uuids, instance->uuid))
			continue;
		row = instance_to_json(instance, JSON_COUNTERS);
		if (before)
			json_object_object_add(row, "rates",
					       rates_to_json(before, now, instance));
		json_object_array_add(rows, row);
	}
	return rows;
}

json_object *sample_lanes_to_json(const struct sample *before, const struct sample *now)
{
	json_object *rows = json_object_new_array();

	for (size_t i = 0; i < now->n_lanes; i++) {
		const struct lane *lane = &now->lanes[i];
		json_object *row = json_object_new_object();
		double load = before ? sample_lane_load(before, now, lane) : -1;
		char seconds[32];

		snprintf(seconds, sizeof(seconds), "%.2f", lane->seconds);
		json_object_object_add(row, "lane", json_object_new_int(lane->index));
		json_object_object_add(row, "pid", json_object_new_int(lane->pid));
		json_object_object_add(row, "cpu_seconds",
				       json_object_new_double_s(lane->seconds, seconds));
		json_object_object_add(row, "cpu_percent",
				       load < 0 ? NULL : rate_to_json(load));
		json_object_array_add(rows, row);
	}
	return rows;
}
