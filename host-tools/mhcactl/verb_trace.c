// SPDX-License-Identifier: GPL-2.0-only
/*
 * mhcactl trace: the driver's tracepoints, in an instance of tracefs of its
 * own, so that nobody else's tracing is disturbed.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "host.h"
#include "output.h"

#define TIMEOUT_MAX	86400.0
#define COUNT_MAX	1e9
#define EVENT_PREFIX	"mhca_"

static const char *const tracefs_paths[] = { "/sys/kernel/tracing", "/sys/kernel/debug/tracing" };

/**
 * struct trace - a trace under way
 * @ctl: the run
 * @tracefs: where tracefs is mounted
 * @name: our instance below it
 * @events: events asked for, with prefix; empty: all
 * @uuid: only this instance, "" for all
 * @count: stop after so many lines; 0: never
 * @timeout: stop after so many seconds; 0: never
 * @seen: lines printed
 */
struct trace {
	const struct ctl *ctl;
	const char *tracefs;
	char name[32];
	struct names events;
	char uuid[UUID_LEN + 1];
	double count;
	double timeout;
	double seen;
};

static volatile sig_atomic_t stopped;

static void stop(int signal)
{
	(void)signal;
	stopped = 1;
}

/* ---- Setting up --------------------------------------------------------------- */

static int find_tracefs(struct trace *trace)
{
	for (size_t i = 0; i < sizeof(tracefs_paths) / sizeof(*tracefs_paths); i++) {
		if (!sys_exists(trace->ctl, "%s/events", tracefs_paths[i]))
			continue;
		trace->tracefs = tracefs_paths[i];
		if (sys_exists(trace->ctl, "%s/events/mhca", trace->tracefs))
			return CTL_OK;
		ctl_error("the driver mhca is not loaded: it has no tracepoints here");
		return CTL_NO_DRIVER;
	}
	if (sys_exists(trace->ctl, "/sys/kernel/tracing") && geteuid()) {
		ctl_error("tracefs may be read by root only");
		return CTL_PERMISSION;
	}
	ctl_error("tracefs is not mounted: 'mount -t tracefs nodev /sys/kernel/tracing'");
	return CTL_FAILED;
}

/* The names asked for, or all that the driver has. */
static int choose_events(struct trace *trace)
{
	bool everything = !trace->events.count;
	struct names all;
	int ret = sys_list(trace->ctl, &all, "%s/events/mhca", trace->tracefs);

	if (ret)
		return ctl_explain(NULL, -ret, "cannot list tracepoints");
	for (size_t i = 0; i < trace->events.count; i++) {
		bool found = false;

		for (size_t k = 0; k < all.count; k++)
			found |= !strcmp(all.name[k], trace->events.name[i]);
		if (found)
			continue;
		ctl_error("%s: no such tracepoint", trace->events.name[i]);
		names_free(&all);
		return CTL_NOT_FOUND;
	}
	for (size_t i = 0; everything && i < all.count; i++)
		if (!strncmp(all.name[i], EVENT_PREFIX, strlen(EVENT_PREFIX)))
			names_add(&trace->events, all.name[i]);
	names_free(&all);
	return CTL_OK;
}

/* Only events that say whose they are can be filtered by instance. */
static bool has_name(const struct trace *trace, const char *event)
{
	char *format = sys_read(trace->ctl, "%s/events/mhca/%s/format", trace->tracefs, event);
	bool found = format && strstr(format, " name[");

	free(format);
	return found;
}

static int enable_event(const struct trace *trace, const char *event)
{
	char *filter;
	int error;

	if (*trace->uuid) {
		if (!has_name(trace, event))
			return CTL_OK;
		filter = ctl_format("name == \"%s\"", trace->uuid);
		error = sys_write(trace->ctl, filter, "%s/instances/%s/events/mhca/%s/filter",
				  trace->tracefs, trace->name, event);
		free(filter);
		if (error)
			return ctl_explain(NULL, -error, "cannot filter %s", event);
	}
	error = sys_write(trace->ctl, "1", "%s/instances/%s/events/mhca/%s/enable",
			  trace->tracefs, trace->name, event);
	return error ? ctl_explain(NULL, -error, "cannot enable %s", event) : CTL_OK;
}

static int trace_start(struct trace *trace)
{
	char *path;
	int ret;

	snprintf(trace->name, sizeof(trace->name), "mhcactl-%d", (int)getpid());
	path = sys_path(trace->ctl, "%s/instances/%s", trace->tracefs, trace->name);
	ret = mkdir(path, 0700) ? ctl_explain(NULL, errno, "cannot start tracing") : CTL_OK;
	free(path);
	if (ret)
		trace->name[0] = '\0';
	for (size_t i = 0; i < trace->events.count && ret == CTL_OK; i++)
		ret = enable_event(trace, trace->events.name[i]);
	return ret;
}

static void trace_end(const struct trace *trace)
{
	char *path;

	if (!*trace->name)
		return;
	path = sys_path(trace->ctl, "%s/instances/%s", trace->tracefs, trace->name);
	if (rmdir(path))
		ctl_note("%s stays behind: %s", path, strerror(errno));
	free(path);
}

/* ---- Lines --------------------------------------------------------------------- */

static const char *syndrome_text(uint64_t syndrome)
{
	if (syndrome < prm_syndrome_base || syndrome - prm_syndrome_base >= prm_syndrome_count)
		return NULL;
	return prm_syndromes[syndrome - prm_syndrome_base];
}

static const char *opcode_name(uint64_t opcode)
{
	for (const struct prm_opcode *row = prm_opcodes; row->name; row++)
		if (row->opcode == opcode)
			return row->name;
	return NULL;
}

/* "NAME=NUMBER" of the event; anything else stays text. */
static void add_field(json_object *fields, char *token)
{
	char *equals = strchr(token, '=');
	char *end;
	uint64_t value;

	*equals = '\0';
	errno = 0;
	value = strtoull(equals + 1, &end, 0);
	if (end == equals + 1 || *end || errno)
		json_object_object_add(fields, token, json_object_new_string(equals + 1));
	else
		json_object_object_add(fields, token, json_object_new_uint64(value));
}

/*
 * "TASK-PID [CPU] FLAGS TIME: EVENT: UUID name=value …" to JSON; NULL: not an
 * event of ours. @line is cut into pieces.
 */
static json_object *parse_line(char *line)
{
	char *event = strstr(line, ": " EVENT_PREFIX);
	json_object *json, *fields;
	char *when, *rest, *token, *save = NULL;

	if (!event)
		return NULL;
	*event = '\0';
	event += 2;
	when = strrchr(line, ' ');
	rest = strchr(event, ':');
	if (!when || !rest)
		return NULL;
	*rest++ = '\0';

	json = json_object_new_object();
	fields = json_object_new_object();
	json_object_object_add(json, "time", json_object_new_double_s(atof(when + 1), when + 1));
	json_object_object_add(json, "event", json_object_new_string(event));
	json_object_object_add(json, "uuid", NULL);
	for (token = strtok_r(rest, " ", &save); token; token = strtok_r(NULL, " ", &save)) {
		if (strchr(token, '='))
			add_field(fields, token);
		else if (uuid_valid(token))
			json_object_object_add(json, "uuid", json_object_new_string(token));
	}
	json_object_object_add(json, "fields", fields);
	return json;
}

/* How a number of a field reads best. */
static void print_field(FILE *out, const char *name, uint64_t value)
{
	static const char *const hex[] = { "opcode", "op_mod", "qpn", "status", "syndrome",
					   "vendor" };
	static const char *const states[] = { "RST", "INIT", "RTR", "RTS", "SQER", "SQD",
					      "ERR" };
	bool state = !strcmp(name, "from") || !strcmp(name, "to");

	if (state && value < sizeof(states) / sizeof(*states)) {
		fprintf(out, " %s=%s", name, states[value]);
		return;
	}
	for (size_t i = 0; i < sizeof(hex) / sizeof(*hex); i++) {
		if (strcmp(name, hex[i]))
			continue;
		fprintf(out, " %s=0x%" PRIx64, name, value);
		return;
	}
	fprintf(out, " %s=%" PRIu64, name, value);
}

static void print_trace(FILE *out, json_object *json)
{
	json_object *command = json_get(json, "command");
	json_object *syndrome = json_get(json, "syndrome_text");
	json_object *uuid = json_get(json, "uuid");

	fprintf(out, "%s %-14s %s", json_object_get_string(json_get(json, "time")),
		json_object_get_string(json_get(json, "event")) + strlen(EVENT_PREFIX),
		uuid ? json_object_get_string(uuid) : "-");
	if (command)
		fprintf(out, " %s", json_object_get_string(command));
	json_object_object_foreach(json_get(json, "fields"), name, value) {
		if (json_object_is_type(value, json_type_int))
			print_field(out, name, json_object_get_uint64(value));
		else
			fprintf(out, " %s=%s", name, json_object_get_string(value));
	}
	if (syndrome)
		fprintf(out, " (%s)", json_object_get_string(syndrome));
	fputc('\n', out);
	fflush(out);
}

/* The name of the command and the text of its syndrome; null for other events. */
static void add_texts(json_object *json)
{
	bool command = !strcmp(json_object_get_string(json_get(json, "event")),
			       "mhca_command");
	json_object *opcode = command ? json_get(json, "fields.opcode") : NULL;
	json_object *syndrome = command ? json_get(json, "fields.syndrome") : NULL;
	const char *name = opcode ? opcode_name(json_object_get_uint64(opcode)) : NULL;
	const char *text = syndrome ? syndrome_text(json_object_get_uint64(syndrome)) : NULL;

	json_object_object_add(json, "command", name ? json_object_new_string(name) : NULL);
	json_object_object_add(json, "syndrome_text", text ? json_object_new_string(text) : NULL);
}

static void report(struct trace *trace, char *line)
{
	json_object *json = parse_line(line);

	if (!json)
		return;
	trace->seen++;
	add_texts(json);
	if (trace->ctl->json) {
		output_json(trace->ctl, output_document("trace", json), true);
		return;
	}
	print_trace(trace->ctl->out, json);
	json_object_put(json);
}

/* ---- Reading --------------------------------------------------------------------- */

static double clock_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static bool trace_done(const struct trace *trace)
{
	return stopped || (trace->count && trace->seen >= trace->count);
}

/* Report whole lines of @buffer; the bytes of the unfinished one at its end. */
static size_t report_lines(struct trace *trace, char *buffer, size_t len)
{
	char *line = buffer, *end;

	while ((end = memchr(line, '\n', len - (size_t)(line - buffer))) &&
	       !trace_done(trace)) {
		*end = '\0';
		report(trace, line);
		line = end + 1;
	}
	len -= (size_t)(line - buffer);
	memmove(buffer, line, len);
	return len;
}

static int read_pipe(struct trace *trace, int fd)
{
	struct pollfd poll_fd = { .fd = fd, .events = POLLIN };
	double end = clock_now() + trace->timeout;
	char buffer[16384];
	size_t len = 0;
	ssize_t n;

	while (!trace_done(trace)) {
		double left = end - clock_now();

		if (trace->timeout && left <= 0)
			break;
		if (poll(&poll_fd, 1, trace->timeout ? (int)(left * 1000) + 1 : -1) <= 0)
			continue;
		n = read(fd, buffer + len, sizeof(buffer) - len);
		if (n < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (n < 0)
			return ctl_explain(NULL, errno, "cannot read the trace");
		if (!n)
			break;	/* somebody switched tracing off */
		len = report_lines(trace, buffer, len + (size_t)n);
		if (len == sizeof(buffer))
			len = 0;	/* no line of ours is that long */
	}
	return CTL_OK;
}

static int trace_read(struct trace *trace)
{
	char *path = sys_path(trace->ctl, "%s/instances/%s/trace_pipe", trace->tracefs,
			      trace->name);
	int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	int ret;

	if (fd < 0)
		ret = ctl_explain(NULL, errno, "cannot open %s", path);
	else
		ret = read_pipe(trace, fd);
	free(path);
	if (fd >= 0)
		close(fd);
	return ret;
}

static int trace_run(struct trace *trace)
{
	struct sigaction action = { .sa_handler = stop };
	int ret = find_tracefs(trace);

	if (!ret)
		ret = choose_events(trace);
	if (ret)
		return ret;
	/* Whatever ends us, our instance of tracefs goes. */
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGHUP, &action, NULL);
	sigaction(SIGPIPE, &(struct sigaction){ .sa_handler = SIG_IGN }, NULL);
	ret = trace_start(trace);
	if (!ret)
		ret = trace_read(trace);
	trace_end(trace);
	return ret;
}

/* ---- The verb ----------------------------------------------------------------------- */

static int resolve(struct trace *trace, const char *typed)
{
	const struct instance *instance;
	struct host host;
	int ret = host_load(trace->ctl, &host, 0);

	if (!ret) {
		instance = host_find(&host, typed, &ret);
		if (instance)
			memcpy(trace->uuid, instance->uuid, sizeof(trace->uuid));
	}
	host_free(&host);
	return ret;
}

static void add_event(struct trace *trace, const char *name)
{
	bool full = !strncmp(name, EVENT_PREFIX, strlen(EVENT_PREFIX));
	char *event = ctl_format("%s%s", full ? "" : EVENT_PREFIX, name);

	names_add(&trace->events, event);
	free(event);
}

static int parse(struct ctl *ctl, struct trace *trace, int argc, char **argv, int *opt)
{
	static const struct option longs[] = {
		{ "event", required_argument, NULL, 'e' },
		{ "count", required_argument, NULL, 'n' },
		{ "timeout", required_argument, NULL, 't' },
		CTL_LONG
	};
	int ret = CTL_OK;

	while (!ret && (*opt = ctl_getopt(ctl, argc, argv, "e:n:t:" CTL_SHORT, longs)) != -1) {
		switch (*opt) {
		case 'e':
			add_event(trace, optarg);
			break;
		case 'n':
			ret = ctl_number("--count", optarg, 1, COUNT_MAX, &trace->count);
			break;
		case 't':
			ret = ctl_number("--timeout", optarg, 0.001, TIMEOUT_MAX,
					 &trace->timeout);
			break;
		default:
			return ctl_usage(ctl, *opt);
		}
	}
	return ret ? ret : ctl_arguments(ctl, argc - optind, 0, 1);
}

static int run(struct ctl *ctl, int argc, char **argv)
{
	struct trace trace = { .ctl = ctl };
	int opt = -1;
	int ret = parse(ctl, &trace, argc, argv, &opt);

	if (!ret && opt == -1 && optind < argc)
		ret = resolve(&trace, argv[optind]);
	if (!ret && opt == -1)
		ret = trace_run(&trace);
	names_free(&trace.events);
	return ret;
}

const struct verb verb_trace = {
	.name = "trace",
	.args = "[OPTION]... [UUID]",
	.summary = "Print the driver's trace events as they happen",
	.options =
	"  -e, --event=EVENT      only this event (command, doorbell_fault, …); repeatable\n"
	"  -n, --count=N          end after N events\n"
	"  -t, --timeout=SECONDS  end after SECONDS\n",
	.run = run,
};
