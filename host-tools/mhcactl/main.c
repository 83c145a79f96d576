// SPDX-License-Identifier: GPL-2.0-only
/*
 * mhcactl: verbs, options, help.
 */
#include <errno.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>

#include "mhcactl.h"

#ifndef MHCA_VERSION
#define MHCA_VERSION	"unknown"
#endif

static const struct verb *const verbs[] = {
	&verb_list, &verb_show, &verb_types, &verb_create, &verb_remove, &verb_set,
	&verb_qemu, &verb_stats, &verb_top, &verb_events, &verb_trace, &verb_check,
	&verb_metrics, &verb_mdevctl,
};

#define N_VERBS	(sizeof(verbs) / sizeof(*verbs))

/* ---- Options ---------------------------------------------------------- */

int ctl_getopt(struct ctl *ctl, int argc, char **argv, const char *shorts,
	       const struct option *longs)
{
	int opt;

	while ((opt = getopt_long(argc, argv, shorts, longs, NULL)) != -1) {
		if (opt == 'j')
			ctl->json = true;
		else if (opt == 'r')
			ctl->root = optarg;
		else
			return opt;
	}
	return -1;
}

int ctl_usage(const struct ctl *ctl, int opt)
{
	const struct verb *verb = ctl->verb;

	if (opt != 'h') {
		fprintf(stderr, "Try 'mhcactl %s --help'.\n", verb->name);
		return CTL_USAGE;
	}
	fprintf(ctl->out, "Usage: mhcactl %s %s\n%s.\n\n%s", verb->name, verb->args,
		verb->summary, verb->options);
	fputs("  -j, --json             print JSON (docs/mhcactl-json.md)\n"
	      "  -r, --root=DIR         use DIR instead of / (also MHCA_SYSFS_ROOT)\n"
	      "  -h, --help             this text\n", ctl->out);
	return CTL_OK;
}

int ctl_arguments(const struct ctl *ctl, int count, int least, int most)
{
	if (count < least)
		ctl_error("%s: an argument is missing", ctl->verb->name);
	else if (count > most)
		ctl_error("%s: too many arguments", ctl->verb->name);
	else
		return CTL_OK;
	return ctl_usage(ctl, '?');
}

int ctl_number(const char *what, const char *text, double min, double max, double *out)
{
	char *end;

	errno = 0;
	*out = strtod(text, &end);
	if (end != text && !*end && !errno && *out >= min && *out <= max)
		return CTL_OK;
	ctl_error("%s: '%s' is not a number between %g and %g", what, text, min, max);
	return CTL_USAGE;
}

/* ---- Help and dispatch ------------------------------------------------ */

static void print_help(FILE *out)
{
	fputs("Usage: mhcactl [--root=DIR] [--json] VERB [OPTION]... [ARGUMENT]...\n"
	      "Run RDMA instances of mHCA on this host.\n\n", out);
	for (size_t i = 0; i < N_VERBS; i++)
		if (!verbs[i]->plumbing)
			fprintf(out, "  %-8s  %s\n", verbs[i]->name, verbs[i]->summary);
	fputs("\nAn instance is named by its UUID or a beginning of it that no other has.\n"
	      "'mhcactl VERB --help' tells the options of a verb, mhcactl(1) everything.\n",
	      out);
}

static const struct verb *find_verb(const char *name)
{
	for (size_t i = 0; i < N_VERBS; i++)
		if (!strcmp(verbs[i]->name, name))
			return verbs[i];
	return NULL;
}

/* Options before the verb. -1: go on; otherwise the exit code. */
static int global_options(struct ctl *ctl, int argc, char **argv)
{
	static const struct option longs[] = {
		{ "version", no_argument, NULL, 'V' },
		CTL_LONG
	};
	int opt = ctl_getopt(ctl, argc, argv, "+V" CTL_SHORT, longs);

	switch (opt) {
	case -1:
		return -1;
	case 'V':
		fputs("mhcactl " MHCA_VERSION "\n", ctl->out);
		return CTL_OK;
	case 'h':
		print_help(ctl->out);
		return CTL_OK;
	default:
		fputs("Try 'mhcactl --help'.\n", stderr);
		return CTL_USAGE;
	}
}

static int run_verb(struct ctl *ctl, int argc, char **argv)
{
	ctl->verb = find_verb(argv[0]);
	if (!ctl->verb) {
		ctl_error("'%s' is no verb; 'mhcactl --help' lists all", argv[0]);
		return CTL_USAGE;
	}
	/* getopt's messages begin with argv[0]; 0: scan a new vector. */
	argv[0] = (char[]){ "mhcactl" };
	optind = 0;
	return ctl->verb->run(ctl, argc, argv);
}

int main(int argc, char **argv)
{
	const char *root = getenv("MHCA_SYSFS_ROOT");
	struct ctl ctl = { .root = root ? root : "", .out = stdout };
	int ret;

	setlocale(LC_CTYPE, "");
	ret = global_options(&ctl, argc, argv);
	if (ret >= 0)
		goto out;
	if (optind == argc) {
		print_help(stderr);
		return CTL_USAGE;
	}
	ret = run_verb(&ctl, argc - optind, argv + optind);
out:
	if ((fflush(stdout) || ferror(stdout)) && ret == CTL_OK && errno != EPIPE) {
		ctl_error("cannot write the result: %s", strerror(errno));
		ret = CTL_FAILED;
	}
	return ret;
}
