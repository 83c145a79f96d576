// SPDX-License-Identifier: GPL-2.0-only
/*
 * mhcactl metrics: counters in the Prometheus text format, for node_exporter's
 * textfile collector. Values are numbers, always: what is none is left out and
 * counted in mhca_unreadable_counters.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sample.h"

/* ---- The text format --------------------------------------------------- */

/* A label's value: backslash, quote and line feed are escaped. */
static void print_label(FILE *out, const char *name, const char *value, bool first)
{
	fprintf(out, "%s%s=\"", first ? "{" : ",", name);
	for (; value && *value; value++) {
		if (*value == '\n') {
			fputs("\\n", out);
			continue;
		}
		if (*value == '\\' || *value == '"')
			fputc('\\', out);
		fputc(*value, out);
	}
	fputc('"', out);
}

static void print_family(FILE *out, const char *name, const char *type, const char *help)
{
	fprintf(out, "# HELP %s %s.\n# TYPE %s %s\n", name, help, name, type);
}

static void print_instance_labels(FILE *out, const char *family,
				  const struct instance *instance)
{
	fputs(family, out);
	print_label(out, "uuid", instance->uuid, true);
	print_label(out, "parent", instance->parent, false);
	print_label(out, "type", instance->type, false);
}

/* ---- Instances ---------------------------------------------------------- */

static void print_info(FILE *out, const struct host *host)
{
	print_family(out, "mhca_instance_info", "gauge", "An instance; always 1");
	for (size_t i = 0; i < host->n_instances; i++) {
		const struct instance *instance = &host->instances[i];
		const struct attribute *description =
			instance_attribute(instance, "description");

		print_instance_labels(out, "mhca_instance_info", instance);
		print_label(out, "description", description ? description->value : "", false);
		fputs("} 1\n", out);
	}

	print_family(out, "mhca_instance_open", "gauge", "1 while a VMM holds the instance");
	for (size_t i = 0; i < host->n_instances; i++) {
		print_instance_labels(out, "mhca_instance_open", &host->instances[i]);
		fprintf(out, "} %d\n", host->instances[i].open);
	}

	print_family(out, "mhca_unreadable_counters", "gauge",
		     "Counters of the driver that could not be read as a number");
	for (size_t i = 0; i < host->n_instances; i++) {
		print_instance_labels(out, "mhca_unreadable_counters", &host->instances[i]);
		fprintf(out, "} %u\n", host->instances[i].unreadable);
	}
}

/* Monotonic counters of any instance, each name once. */
static void counter_names(const struct host *host, struct names *names)
{
	*names = (struct names){ 0 };
	for (size_t i = 0; i < host->n_instances; i++) {
		const struct instance *instance = &host->instances[i];

		for (size_t k = 0; k < instance->n_counters; k++) {
			bool known = instance->counters[k].gauge;

			for (size_t n = 0; n < names->count && !known; n++)
				known = !strcmp(names->name[n], instance->counters[k].name);
			if (!known)
				names_add(names, instance->counters[k].name);
		}
	}
}

static void print_counter_family(FILE *out, const struct host *host, const char *name)
{
	char *family = ctl_format("mhca_%s_total", name);
	const char *help = counter_help(name);

	print_family(out, family, "counter", help ? help : "Counter of the driver");
	for (size_t i = 0; i < host->n_instances; i++) {
		const struct instance *instance = &host->instances[i];

		for (size_t k = 0; k < instance->n_counters; k++) {
			if (strcmp(instance->counters[k].name, name))
				continue;
			print_instance_labels(out, family, instance);
			fprintf(out, "} %" PRIu64 "\n", instance->counters[k].value);
		}
	}
	free(family);
}

static void print_pinned(FILE *out, const struct host *host, const char *family,
			 const char *counter, const char *help)
{
	print_family(out, family, "gauge", help);
	for (size_t i = 0; i < host->n_instances; i++) {
		print_instance_labels(out, family, &host->instances[i]);
		fprintf(out, "} %" PRIu64 "\n",
			instance_counter(&host->instances[i], counter) * PINNED_PAGE);
	}
}

static void print_objects(FILE *out, const struct host *host)
{
	static const char prefix[] = "objects_";

	print_family(out, "mhca_objects", "gauge", "Objects that the guest holds, by kind");
	for (size_t i = 0; i < host->n_instances; i++) {
		const struct instance *instance = &host->instances[i];

		for (size_t k = 0; k < instance->n_counters; k++) {
			const struct counter *counter = &instance->counters[k];

			if (strncmp(counter->name, prefix, sizeof(prefix) - 1))
				continue;
			print_instance_labels(out, "mhca_objects", instance);
			print_label(out, "kind", counter->name + sizeof(prefix) - 1, false);
			fprintf(out, "} %" PRIu64 "\n", counter->value);
		}
	}
}

/* Settings whose value is a number: limits, rates, weights. */
static void print_settings(FILE *out, const struct host *host)
{
	print_family(out, "mhca_setting", "gauge", "Numeric settings of an instance");
	for (size_t i = 0; i < host->n_instances; i++) {
		const struct instance *instance = &host->instances[i];

		for (size_t k = 0; k < instance->n_attributes; k++) {
			const struct attribute *attribute = &instance->attributes[k];
			uint64_t value;
			char *end;

			if (!attribute->writable || !attribute->value || !*attribute->value)
				continue;
			errno = 0;
			value = strtoull(attribute->value, &end, 10);
			if (*end || errno || *attribute->value == '-')
				continue;
			print_instance_labels(out, "mhca_setting", instance);
			print_label(out, "name", attribute->name, false);
			fprintf(out, "} %" PRIu64 "\n", value);
		}
	}
}

/* ---- The host ------------------------------------------------------------ */

static void print_host(FILE *out, const struct sample *sample)
{
	print_family(out, "mhca_up", "gauge", "1 when the driver has an HCA on this host");
	fprintf(out, "mhca_up %d\n", sample->host.parents.count != 0);

	print_family(out, "mhca_available_instances", "gauge",
		     "Instances of a type that can still be created");
	for (size_t i = 0; i < sample->host.n_types; i++) {
		const struct type *type = &sample->host.types[i];

		if (type->available < 0)
			continue;
		fputs("mhca_available_instances", out);
		print_label(out, "parent", type->parent, true);
		print_label(out, "type", type->name, false);
		fprintf(out, "} %" PRId64 "\n", type->available);
	}

	print_family(out, "mhca_lane_cpu_seconds_total", "counter",
		     "CPU time of a lane of the software HCA");
	for (size_t i = 0; i < sample->n_lanes; i++)
		fprintf(out, "mhca_lane_cpu_seconds_total{lane=\"%d\"} %.2f\n",
			sample->lanes[i].index, sample->lanes[i].seconds);
}

static void print_metrics(FILE *out, const struct sample *sample)
{
	const struct host *host = &sample->host;
	struct names names;

	print_host(out, sample);
	print_info(out, host);
	print_pinned(out, host, "mhca_pinned_bytes", "pinned_pages",
		     "Guest memory pinned for the instance");
	print_pinned(out, host, "mhca_pinned_peak_bytes", "pinned_peak_pages",
		     "Greatest value of mhca_pinned_bytes since the instance was created");
	print_objects(out, host);
	print_settings(out, host);
	counter_names(host, &names);
	for (size_t i = 0; i < names.count; i++)
		print_counter_family(out, host, names.name[i]);
	names_free(&names);
}

/* ---- The verb -------------------------------------------------------------- */

/* The collector must never see half a file: write beside it and rename. */
static int write_file(const char *path, const struct sample *sample)
{
	char *temporary = ctl_format("%s.XXXXXX", path);
	int fd = mkstemp(temporary);
	FILE *out = fd < 0 ? NULL : fdopen(fd, "w");
	bool bad = !out;

	if (out) {
		print_metrics(out, sample);
		bad = ferror(out);
		bad |= fchmod(fd, 0644) != 0;
		bad |= fclose(out) != 0;
		bad = bad || rename(temporary, path);
	}
	if (bad) {
		ctl_error("cannot write %s: %s", path, strerror(errno));
		if (fd >= 0)
			unlink(temporary);
	}
	free(temporary);
	return bad ? CTL_FAILED : CTL_OK;
}

static int run(struct ctl *ctl, int argc, char **argv)
{
	static const struct option longs[] = {
		{ "output", required_argument, NULL, 'o' },
		CTL_LONG
	};
	struct sample sample = { 0 };
	const char *path = NULL;
	int opt, ret;

	while ((opt = ctl_getopt(ctl, argc, argv, "o:" CTL_SHORT, longs)) != -1) {
		if (opt != 'o')
			return ctl_usage(ctl, opt);
		path = optarg;
	}
	ret = ctl_arguments(ctl, argc - optind, 0, 0);
	if (ret)
		return ret;
	/* A host without the driver is an answer too: mhca_up 0. */
	host_load_any(ctl, &sample.host, HOST_COUNTERS | HOST_ATTRIBUTES);
	sample.lanes = lanes_load(ctl, &sample.n_lanes);
	if (path)
		ret = write_file(path, &sample);
	else
		print_metrics(ctl->out, &sample);
	sample_free(&sample);
	return ret;
}

const struct verb verb_metrics = {
	.name = "metrics",
	.args = "[OPTION]...",
	.summary = "Print metrics in the Prometheus text format",
	.options =
	"  -o, --output=FILE      replace FILE at once, for the textfile collector\n",
	.run = run,
};
