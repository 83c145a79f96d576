// SPDX-License-Identifier: GPL-2.0-only
/*
 * mhcactl events: instances and HCAs that come and go, as udev tells it.
 *
 * Two sources with one form, a list of properties: libudev's monitor, and text
 * as 'udevadm monitor --property' prints it (--from), which is also how the
 * tests feed it.
 */
#include <errno.h>
#include <libudev.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "host.h"
#include "output.h"

#define TIMEOUT_MAX	86400.0
#define COUNT_MAX	1e9

/**
 * struct event - properties of a uevent that matter here; NULL: not there
 * @action: add, remove, bind, unbind, change
 * @subsystem: mdev for an instance
 * @devpath: path below /sys
 * @mdev_state: of an HCA: registered, unregistered
 */
struct event {
	char *action;
	char *subsystem;
	char *devpath;
	char *mdev_state;
};

/**
 * struct request - when to stop
 * @count: after so many events; 0: never
 * @timeout: after so many seconds; 0: never
 * @seen: events printed
 * @from: file to read from, NULL: udev
 */
struct request {
	double count;
	double timeout;
	double seen;
	const char *from;
};

static void event_clear(struct event *event)
{
	free(event->action);
	free(event->subsystem);
	free(event->devpath);
	free(event->mdev_state);
	*event = (struct event){ 0 };
}

static void event_set(struct event *event, const char *name, const char *value)
{
	char **field = NULL;

	if (!strcmp(name, "ACTION"))
		field = &event->action;
	else if (!strcmp(name, "SUBSYSTEM"))
		field = &event->subsystem;
	else if (!strcmp(name, "DEVPATH"))
		field = &event->devpath;
	else if (!strcmp(name, "MDEV_STATE"))
		field = &event->mdev_state;
	if (!field || !value)
		return;
	free(*field);
	*field = ctl_strdup(value);
}

/* ---- What an event means --------------------------------------------------- */

/* Last but @back component of the path, or NULL. */
static char *path_component(const char *path, int back)
{
	char *copy = ctl_strdup(path);
	char *slash, *component;

	while (back--) {
		slash = strrchr(copy, '/');
		if (slash)
			*slash = '\0';
	}
	component = ctl_strdup(base_name(copy));
	free(copy);
	return component;
}

/* The type is only there while the instance is. */
static json_object *type_of(const struct ctl *ctl, const char *uuid)
{
	char *link = sys_link(ctl, MDEV_DEVICES "/%s/mdev_type", uuid);
	json_object *type = link ? json_object_new_string(base_name(link)) : NULL;

	free(link);
	return type;
}

/* NULL: an event of somebody else. */
static json_object *event_to_json(const struct ctl *ctl, const struct event *event)
{
	bool instance = event->subsystem && !strcmp(event->subsystem, "mdev");
	json_object *json;
	char *name, *parent;

	if (!event->action || !event->devpath)
		return NULL;
	name = path_component(event->devpath, 0);
	parent = path_component(event->devpath, instance ? 1 : 0);
	if (strncmp(parent, "mhca", 4) || (instance && !uuid_valid(name)) ||
	    (!instance && (!event->subsystem || strcmp(event->subsystem, "mhca")))) {
		free(name);
		free(parent);
		return NULL;
	}
	json = json_object_new_object();
	json_object_object_add(json, "action", json_object_new_string(event->action));
	json_object_object_add(json, "parent", json_object_new_string(parent));
	json_object_object_add(json, "uuid", instance ? json_object_new_string(name) : NULL);
	json_object_object_add(json, "type", instance ? type_of(ctl, name) : NULL);
	json_object_object_add(json, "mdev_state", event->mdev_state ?
			       json_object_new_string(event->mdev_state) : NULL);
	free(name);
	free(parent);
	return json;
}

static void print_event(FILE *out, json_object *json, const char *when)
{
	static const char *const keys[] = { "action", "parent", "uuid", "type", "mdev_state" };

	fputs(when, out);
	for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++) {
		json_object *value = json_get(json, keys[i]);

		if (value)
			fprintf(out, " %s", json_object_get_string(value));
	}
	fputc('\n', out);
	fflush(out);
}

/* true: that was the last one wanted. @live: it happens now. */
static bool report(const struct ctl *ctl, struct request *request,
		   const struct event *event, bool live)
{
	json_object *json = event_to_json(ctl, event);
	char when[40] = "-";
	time_t now = time(NULL);
	struct tm tm;

	if (!json)
		return false;
	if (live && localtime_r(&now, &tm))
		strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%S%z", &tm);
	if (ctl->json) {
		json_object_object_add(json, "time",
				       live ? json_object_new_string(when) : NULL);
		output_json(ctl, output_document("event", json), true);
	} else {
		print_event(ctl->out, json, when);
		json_object_put(json);
	}
	return ++request->seen == request->count;
}

/* ---- Text -------------------------------------------------------------------- */

/* Blocks of NAME=VALUE lines; an empty line ends a block, other lines are headings. */
static int read_text(const struct ctl *ctl, struct request *request)
{
	FILE *in = strcmp(request->from, "-") ? fopen(request->from, "re") : stdin;
	struct event event = { 0 };
	char *line = NULL;
	size_t size = 0;
	bool done = false;

	if (!in) {
		ctl_error("%s: %s", request->from, strerror(errno));
		return CTL_FAILED;
	}
	while (!done && getline(&line, &size, in) >= 0) {
		char *equals = strchr(line, '=');

		line[strcspn(line, "\n")] = '\0';
		if (!*line) {
			done = report(ctl, request, &event, false);
			event_clear(&event);
		} else if (equals) {
			*equals = '\0';
			event_set(&event, line, equals + 1);
		}
	}
	if (!done)
		report(ctl, request, &event, false);
	event_clear(&event);
	free(line);
	if (in != stdin)
		fclose(in);
	return CTL_OK;
}

/* ---- udev ---------------------------------------------------------------------- */

static bool receive(const struct ctl *ctl, struct request *request,
		    struct udev_monitor *monitor)
{
	static const char *const names[] = { "ACTION", "SUBSYSTEM", "DEVPATH", "MDEV_STATE" };
	struct udev_device *device = udev_monitor_receive_device(monitor);
	struct event event = { 0 };
	bool done;

	if (!device)
		return false;
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		event_set(&event, names[i], udev_device_get_property_value(device, names[i]));
	done = report(ctl, request, &event, true);
	event_clear(&event);
	udev_device_unref(device);
	return done;
}

static double clock_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static void monitor_loop(const struct ctl *ctl, struct request *request,
			 struct udev_monitor *monitor)
{
	struct pollfd poll_fd = { .fd = udev_monitor_get_fd(monitor), .events = POLLIN };
	double end = clock_now() + request->timeout;

	for (;;) {
		double left = end - clock_now();

		if (request->timeout && left <= 0)
			return;
		if (poll(&poll_fd, 1, request->timeout ? (int)(left * 1000) + 1 : -1) < 0 &&
		    errno != EINTR)
			return;
		if (poll_fd.revents && receive(ctl, request, monitor))
			return;
	}
}

static int read_udev(const struct ctl *ctl, struct request *request)
{
	struct udev *udev = udev_new();
	struct udev_monitor *monitor = udev ? udev_monitor_new_from_netlink(udev, "udev") : NULL;
	int ret = CTL_OK;

	/* Without udevd nobody sends: an administrator should know. */
	if (!sys_exists(ctl, "/run/udev/control"))
		ctl_note("udev does not run here: no events will come");
	if (!monitor ||
	    udev_monitor_filter_add_match_subsystem_devtype(monitor, "mdev", NULL) < 0 ||
	    udev_monitor_filter_add_match_subsystem_devtype(monitor, "mhca", NULL) < 0 ||
	    udev_monitor_enable_receiving(monitor) < 0) {
		ctl_error("cannot listen to udev: %s", strerror(errno));
		ret = CTL_FAILED;
	} else {
		monitor_loop(ctl, request, monitor);
	}
	udev_monitor_unref(monitor);
	udev_unref(udev);
	return ret;
}

static int run(struct ctl *ctl, int argc, char **argv)
{
	static const struct option longs[] = {
		{ "count", required_argument, NULL, 'n' },
		{ "timeout", required_argument, NULL, 't' },
		{ "from", required_argument, NULL, 'f' },
		CTL_LONG
	};
	struct request request = { 0 };
	int opt, ret;

	while ((opt = ctl_getopt(ctl, argc, argv, "n:t:f:" CTL_SHORT, longs)) != -1) {
		ret = CTL_OK;
		switch (opt) {
		case 'n':
			ret = ctl_number("--count", optarg, 1, COUNT_MAX, &request.count);
			break;
		case 't':
			ret = ctl_number("--timeout", optarg, 0.001, TIMEOUT_MAX,
					 &request.timeout);
			break;
		case 'f':
			request.from = optarg;
			break;
		default:
			return ctl_usage(ctl, opt);
		}
		if (ret)
			return ret;
	}
	ret = ctl_arguments(ctl, argc - optind, 0, 0);
	if (ret)
		return ret;
	return request.from ? read_text(ctl, &request) : read_udev(ctl, &request);
}

const struct verb verb_events = {
	.name = "events",
	.args = "[OPTION]...",
	.summary = "Print instances and HCAs that come and go",
	.options =
	"  -n, --count=N          end after N events\n"
	"  -t, --timeout=SECONDS  end after SECONDS\n"
	"  -f, --from=FILE        read 'udevadm monitor --property' output (- for stdin)\n",
	.run = run,
};
