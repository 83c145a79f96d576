/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * mhcactl: the administrator's tool of mHCA.
 *
 *   main.c        verbs, options, help
 *   verb_*.c      one verb each
 *   sysfs.c       reading and writing below a root prefix
 *   host.c        what this host has: parents, types, instances
 *   host_json.c   the same as JSON
 *   users.c       who holds an instance open
 *   lanes.c       CPU time of the engine's threads
 *   sample.c      counters of two moments: rates
 *   policy.c      attributes of an instance: values, writing all or none
 *   output.c      tables and JSON, the only place that formats either
 *   kmsg.c        what the kernel said about a refusal
 *   report.c      errors and exit codes
 *
 * Every path goes through sysfs.c, so that each verb also works on a directory
 * tree made by a test (--root, MHCA_SYSFS_ROOT).
 */
#ifndef MHCACTL_H
#define MHCACTL_H

#include <getopt.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define UUID_LEN	36

/* Documented in mhcactl(1): never renumber. */
enum ctl_exit {
	CTL_OK = 0,
	CTL_FAILED = 1,		/* anything without a number of its own */
	CTL_USAGE = 2,		/* command line */
	CTL_NOT_FOUND = 3,	/* no such instance, type, parent */
	CTL_NO_DRIVER = 4,	/* mhca is not loaded, or has no HCA */
	CTL_BUSY = 5,		/* the instance is in use */
	CTL_NO_CAPACITY = 6,	/* no room for another instance */
	CTL_PERMISSION = 7,	/* needs root */
	CTL_REFUSED = 8,	/* value refused, or not offered by this driver */
	CTL_NOT_READY = 9,	/* check: this host is not ready */
	CTL_TIMEOUT = 10,	/* started, not finished in time */
};

struct verb;

/**
 * struct ctl - one run of the program
 * @root: prefix of every path, "" for the host itself
 * @json: print JSON
 * @out: where results go
 * @verb: the verb that runs
 */
struct ctl {
	const char *root;
	bool json;
	FILE *out;
	const struct verb *verb;
};

/**
 * struct verb - a row of main.c's table
 * @name: as typed
 * @args: synopsis of what follows
 * @summary: one line
 * @options: help text, a line each
 * @run: does it; argv[0] is the program's name; an exit code
 * @plumbing: for other programs, not listed by --help
 */
struct verb {
	const char *name;
	const char *args;
	const char *summary;
	const char *options;
	int (*run)(struct ctl *ctl, int argc, char **argv);
	bool plumbing;
};

extern const struct verb verb_list, verb_show, verb_types, verb_create, verb_remove, verb_set,
	verb_qemu, verb_stats, verb_top, verb_events, verb_trace, verb_check, verb_metrics,
	verb_mdevctl;

/* ---- Options (main.c) ------------------------------------------------- */

#define CTL_SHORT	"hjr:"
#define CTL_LONG							\
	{ "help", no_argument, NULL, 'h' },				\
	{ "json", no_argument, NULL, 'j' },				\
	{ "root", required_argument, NULL, 'r' },			\
	{ NULL, 0, NULL, 0 }

/* The next option of the verb; the common ones but 'h' are handled inside. */
int ctl_getopt(struct ctl *ctl, int argc, char **argv, const char *shorts,
	       const struct option *longs);
/* For a switch's default: prints help for 'h', a hint otherwise; exit code. */
int ctl_usage(const struct ctl *ctl, int opt);
/* More arguments than @most or fewer than @least: says so; exit code or 0. */
int ctl_arguments(const struct ctl *ctl, int count, int least, int most);
/* Parse a number in [@min, @max]; says what is wrong; exit code or 0. */
int ctl_number(const char *what, const char *text, double min, double max, double *out);

/* ---- Errors (report.c) ------------------------------------------------ */

#define CTL_PRINTF(fmt, first)	__attribute__((format(printf, fmt, first)))

void ctl_error(const char *fmt, ...) CTL_PRINTF(1, 2);
void ctl_note(const char *fmt, ...) CTL_PRINTF(1, 2);

/**
 * struct reason - what an errno means for one operation
 * @error: positive errno
 * @exit: exit code
 * @text: what it means and what to do
 */
struct reason {
	int error;
	enum ctl_exit exit;
	const char *text;
};

/*
 * Print "<what>: <meaning>" for @error (positive) by the table, which ends with
 * .error = 0; by strerror() when it is in neither it nor the common table.
 * Return: the exit code.
 */
int ctl_explain(const struct reason *table, int error, const char *fmt, ...)
	CTL_PRINTF(3, 4);

/* ---- Memory (report.c): never NULL, the program ends when there is none --- */

void *ctl_alloc(size_t count, size_t size);
void *ctl_grow(void *array, size_t count, size_t size);
char *ctl_strdup(const char *text);
char *ctl_format(const char *fmt, ...) CTL_PRINTF(1, 2);

#endif /* MHCACTL_H */
