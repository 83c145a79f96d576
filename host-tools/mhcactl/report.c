// SPDX-License-Identifier: GPL-2.0-only
/*
 * Errors: one line to standard error, an exit code that scripts can rely on.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "mhcactl.h"

/* ---- Memory ----------------------------------------------------------- */

static void *check(void *memory)
{
	if (memory)
		return memory;
	fputs("mhcactl: out of memory\n", stderr);
	exit(CTL_FAILED);
}

void *ctl_alloc(size_t count, size_t size)
{
	return check(calloc(count ? count : 1, size));
}

void *ctl_grow(void *array, size_t count, size_t size)
{
	return check(reallocarray(array, count ? count : 1, size));
}

char *ctl_strdup(const char *text)
{
	return check(strdup(text));
}

static char *format_args(const char *fmt, va_list args)
{
	char *text = NULL;
	int len = vasprintf(&text, fmt, args);

	return check(len < 0 ? NULL : text);
}

char *ctl_format(const char *fmt, ...)
{
	va_list args;
	char *text;

	va_start(args, fmt);
	text = format_args(fmt, args);
	va_end(args);
	return text;
}

/* ---- Errors ----------------------------------------------------------- */

/* What an errno means whatever was being done; a verb's own table goes first. */
static const struct reason common_reasons[] = {
	{ EACCES, CTL_PERMISSION, "permission denied; run it as root" },
	{ EPERM, CTL_PERMISSION, "permission denied; run it as root" },
	{ EROFS, CTL_PERMISSION, "sysfs is mounted read-only here (a container?)" },
	{ EBUSY, CTL_BUSY, "busy" },
	{ ENODEV, CTL_NO_DRIVER, "the driver is going away" },
	{ ENXIO, CTL_NO_DRIVER, "the driver is going away" },
	{ 0, CTL_FAILED, NULL }
};

static void print_line(const char *kind, const char *fmt, va_list args)
{
	fflush(stdout);
	fprintf(stderr, "mhcactl: %s", kind);
	vfprintf(stderr, fmt, args);
	fputc('\n', stderr);
}

void ctl_error(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	print_line("", fmt, args);
	va_end(args);
}

void ctl_note(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	print_line("note: ", fmt, args);
	va_end(args);
}

static const struct reason *find_reason(const struct reason *table, int error)
{
	for (; table && table->error; table++)
		if (table->error == error)
			return table;
	return NULL;
}

int ctl_explain(const struct reason *table, int error, const char *fmt, ...)
{
	const struct reason *reason = find_reason(table, error);
	va_list args;
	char *what;

	va_start(args, fmt);
	what = format_args(fmt, args);
	va_end(args);

	if (!reason)
		reason = find_reason(common_reasons, error);
	ctl_error("%s: %s", what, reason ? reason->text : strerror(error));
	free(what);
	return reason ? reason->exit : CTL_FAILED;
}
