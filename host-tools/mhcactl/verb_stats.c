// SPDX-License-Identifier: GPL-2.0-only
/*
 * mhcactl stats: counters of instances, once or as rates again and again.
 */
#include <string.h>
#include <time.h>

#include "output.h"
#include "sample.h"

#define INTERVAL_MIN		0.1
#define INTERVAL_MAX		86400.0
#define COUNT_MAX		1e9

static const struct column total_columns[] = {
	{ "uuid", "UUID", FORMAT_TEXT, false },
	{ "state", "STATE", FORMAT_TEXT, false },
	{ "counters.messages", "MESSAGES", FORMAT_SHORT, false },
	{ "counters.bytes", "BYTES", FORMAT_BYTES, false },
	{ "counters.commands", "COMMANDS", FORMAT_SHORT, false },
	{ "counters.commands_refused", "REFUSED", FORMAT_SHORT, false },
	{ "counters.doorbell_faults", "FAULTS", FORMAT_SHORT, false },
	{ "counters.error_cqes", "ERRORS", FORMAT_SHORT, false },
	{ "counters.rnr_naks", "RNR", FORMAT_SHORT, false },
	{ "pinned_bytes", "PINNED", FORMAT_BYTES, false },
	{ "pinned_peak_bytes", "PEAK", FORMAT_BYTES, false },
	{ NULL, NULL, FORMAT_TEXT, false }
};

static const struct column rate_columns[] = {
	{ "uuid", "UUID", FORMAT_TEXT, false },
	{ "state", "STATE", FORMAT_TEXT, false },
	{ "rates.bytes", "RATE", FORMAT_BITS, false },
	{ "rates.messages", "MSG/s", FORMAT_SHORT, false },
	{ "rates.cqes", "CQE/s", FORMAT_SHORT, false },
	{ "rates.commands", "CMD/s", FORMAT_SHORT, false },
	{ "rates.commands_refused", "REFUSED/s", FORMAT_SHORT, false },
	{ "rates.doorbell_faults", "FAULT/s", FORMAT_SHORT, false },
	{ "rates.error_cqes", "ERR/s", FORMAT_SHORT, false },
	{ "pinned_bytes", "PINNED", FORMAT_BYTES, false },
	{ NULL, NULL, FORMAT_TEXT, false }
};

static const struct column counter_columns[] = {
	{ "counter", "COUNTER", FORMAT_TEXT, false },
	{ "value", "VALUE", FORMAT_NUMBER, false },
	{ "meaning", "MEANING", FORMAT_TEXT, true },
	{ NULL, NULL, FORMAT_TEXT, false }
};

/**
 * struct request - what to print
 * @watch: rates, again and again
 * @interval: seconds between two lines
 * @count: how often, 0: until interrupted
 * @uuids: instances; empty: all
 */
struct request {
	bool watch;
	double interval;
	double count;
	struct names uuids;
};

/* Every counter of one instance, with what it means. */
static void print_all_counters(FILE *out, const struct instance *instance)
{
	json_object *rows = json_object_new_array();

	for (size_t i = 0; i < instance->n_counters; i++) {
		const struct counter *counter = &instance->counters[i];
		const char *help = counter_help(counter->name);
		json_object *row = json_object_new_object();

		json_object_object_add(row, "counter", json_object_new_string(counter->name));
		json_object_object_add(row, "value", json_object_new_uint64(counter->value));
		json_object_object_add(row, "meaning",
				       help ? json_object_new_string(help) : NULL);
		json_object_array_add(rows, row);
	}
	output_table(out, rows, counter_columns);
	json_object_put(rows);
}

static json_object *stats_document(const struct sample *before, const struct sample *now,
				   json_object *rows)
{
	json_object *content = json_object_new_object();
	double interval = before ? now->time - before->time : 0;
	char text[32];

	snprintf(text, sizeof(text), "%.3f", interval);
	json_object_object_add(content, "interval", before ?
			       json_object_new_double_s(interval, text) : NULL);
	json_object_object_add(content, "instances", rows);
	json_object_object_add(content, "lanes", sample_lanes_to_json(before, now));
	return output_document("stats", content);
}

static void print_sample(const struct ctl *ctl, const struct request *request,
			 const struct sample *before, const struct sample *now)
{
	json_object *rows = sample_to_json(before, now, &request->uuids);

	if (ctl->json) {
		output_json(ctl, stats_document(before, now, rows), request->watch);
		return;
	}
	output_table(ctl->out, rows, before ? rate_columns : total_columns);
	fflush(ctl->out);
	json_object_put(rows);
}

static void wait_interval(double seconds)
{
	struct timespec ts = { .tv_sec = (time_t)seconds };

	ts.tv_nsec = (long)((seconds - (double)ts.tv_sec) * 1e9);
	nanosleep(&ts, NULL);
}

/* Interrupted by a signal the program just ends: there is nothing to undo. */
static int watch(const struct ctl *ctl, const struct request *request, struct sample *before)
{
	struct sample now;
	int ret = CTL_OK;

	for (double n = 0; !request->count || n < request->count; n++) {
		wait_interval(request->interval);
		ret = sample_take(ctl, &now, 0);
		if (ret) {
			sample_free(&now);
			break;
		}
		if (n && !ctl->json)
			fputc('\n', ctl->out);
		print_sample(ctl, request, before, &now);
		sample_free(before);
		*before = now;
	}
	return ret;
}

/* Replace what was typed by the UUIDs in full. */
static int resolve(const struct host *host, struct names *uuids, char **typed, int count)
{
	int ret = CTL_OK;

	for (int i = 0; i < count && ret == CTL_OK; i++) {
		const struct instance *instance = host_find(host, typed[i], &ret);

		if (instance)
			names_add(uuids, instance->uuid);
	}
	return ret;
}

static int stats(const struct ctl *ctl, struct request *request, char **typed, int count)
{
	struct sample sample;
	int ret = sample_take(ctl, &sample, 0);

	if (!ret)
		ret = resolve(&sample.host, &request->uuids, typed, count);
	if (ret)
		goto out;
	if (request->watch)
		ret = watch(ctl, request, &sample);
	else if (request->uuids.count == 1 && !ctl->json)
		print_all_counters(ctl->out, host_find(&sample.host, request->uuids.name[0],
						       &ret));
	else
		print_sample(ctl, request, NULL, &sample);
out:
	names_free(&request->uuids);
	sample_free(&sample);
	return ret;
}

static int run(struct ctl *ctl, int argc, char **argv)
{
	static const struct option longs[] = {
		{ "watch", optional_argument, NULL, 'w' },
		{ "count", required_argument, NULL, 'n' },
		CTL_LONG
	};
	struct request request = { .interval = 1 };
	int opt, ret;

	while ((opt = ctl_getopt(ctl, argc, argv, "w::n:" CTL_SHORT, longs)) != -1) {
		ret = CTL_OK;
		switch (opt) {
		case 'w':
			request.watch = true;
			if (optarg)
				ret = ctl_number("--watch", optarg, INTERVAL_MIN, INTERVAL_MAX,
						 &request.interval);
			break;
		case 'n':
			request.watch = true;
			ret = ctl_number("--count", optarg, 1, COUNT_MAX, &request.count);
			break;
		default:
			return ctl_usage(ctl, opt);
		}
		if (ret)
			return ret;
	}
	return stats(ctl, &request, argv + optind, argc - optind);
}

const struct verb verb_stats = {
	.name = "stats",
	.args = "[OPTION]... [UUID]...",
	.summary = "Print counters, or rates with --watch",
	.options =
	"  -w, --watch[=SECONDS]  rates, every second or every SECONDS\n"
	"  -n, --count=N          end after N times (implies --watch)\n",
	.run = run,
};
