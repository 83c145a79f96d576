// SPDX-License-Identifier: GPL-2.0-only
/*
 * mhcad: options, lanes, and the end.
 */
#define _GNU_SOURCE
#include <getopt.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include <shim/control.h>
#include <shim/threads.h>

#include "hca.h"
#include "server.h"

static const char mhcad_usage[] =
	"usage: mhcad [-c FILE] [-i uuid=UUID,type=TYPE,socket=PATH[,ATTRIBUTE=VALUE]...]...\n"
	"\n"
	"Offers mHCA instances to virtual machine monitors that speak vfio-user.\n"
	"\n"
	"  -c, --config FILE     instances and settings, as JSON\n"
	"  -i, --instance WORDS  an instance; attributes are those of policy\n"
	"  -l, --lanes N         threads that poll doorbells and move data\n"
	"  -s, --control PATH    control socket\n"
	"  -h, --help            this text\n"
	"\n"
	"TYPE: ib-small, ib-medium, ib-large, roce-small, roce-medium, roce-large\n"
	"QEMU: -device '{\"driver\":\"vfio-user-pci\",\"socket\":{\"type\":\"unix\",\"path\":\"PATH\"}}'\n";

static void mhcad_to_stderr(const char *line, void *arg)
{
	(void)arg;
	fputs(line, stderr);
}

static int mhcad_number(const char *text, u32 *value)
{
	char *end;
	unsigned long n = strtoul(text, &end, 10);

	if (*end || !n || n > 64) {
		pr_err("mhcad: \"%s\" is not in 1..64\n", text);
		return -EINVAL;
	}
	*value = (u32)n;
	return 0;
}

static int mhcad_options(struct mhcad_config *config, int argc, char **argv)
{
	static const struct option options[] = {
		{ "config", required_argument, NULL, 'c' },
		{ "instance", required_argument, NULL, 'i' },
		{ "lanes", required_argument, NULL, 'l' },
		{ "control", required_argument, NULL, 's' },
		{ "help", no_argument, NULL, 'h' },
		{ }
	};
	int ret = 0, c;

	while (!ret && (c = getopt_long(argc, argv, "c:i:l:s:h", options, NULL)) != -1) {
		switch (c) {
		case 'c':
			ret = mhcad_config_file(config, optarg);
			break;
		case 'i':
			ret = mhcad_config_instance(config, optarg);
			break;
		case 'l':
			ret = mhcad_number(optarg, &config->lanes);
			break;
		case 's':
			if (strlen(optarg) >= sizeof(config->control))
				ret = -ENAMETOOLONG;
			else
				strcpy(config->control, optarg);
			break;
		case 'h':
			fputs(mhcad_usage, stdout);
			exit(0);
		default:
			ret = -EINVAL;
		}
	}
	if (!ret && optind < argc) {
		pr_err("mhcad: \"%s\" is too much\n", argv[optind]);
		ret = -EINVAL;
	}
	return ret ?: mhcad_config_check(config);
}

/* ---- Lanes ---------------------------------------------------------------------- */

static void mhcad_lanes_stop(struct soft_hca *hca)
{
	u32 i;

	for (i = 0; i < hca->n_lanes; i++)
		soft_lane_stop(&hca->lanes[i]);
}

/* Lane i on the i-th CPU of the list, round robin; anywhere without a list. */
static int mhcad_lanes_start(struct soft_hca *hca, const char *cpus)
{
	struct cpumask one;
	cpu_set_t all;
	u32 i, cpu = 0;
	int ret = 0;

	if (*cpus && mhcad_config_cpus(cpus, &all))
		return -EINVAL;
	for (i = 0; !ret && i < hca->n_lanes; i++, cpu++) {
		if (*cpus) {
			for (cpu %= CPU_SETSIZE; !CPU_ISSET(cpu, &all); cpu = (cpu + 1) % CPU_SETSIZE)
				;
			CPU_ZERO(&one.set);
			CPU_SET(cpu, &one.set);
		}
		ret = soft_lane_start(&hca->lanes[i], *cpus ? &one : NULL);
	}
	if (ret)
		mhcad_lanes_stop(hca);
	return ret;
}

/* ---- The process -------------------------------------------------------------------- */

/* Until a signal says that it is the end. */
static int mhcad_wait(struct mhcad_instances *all, const struct mhcad_config *config,
		      const sigset_t *ends)
{
	struct mhcad_control *control = NULL;
	int sig;

	if (config->control[0]) {
		control = mhcad_control_start(config->control, all);
		if (IS_ERR(control)) {
			pr_err("mhcad: %s: %s\n", config->control,
			       strerror((int)-PTR_ERR(control)));
			return (int)PTR_ERR(control);
		}
	}
	pr_notice("mhcad: %u instances, %u lanes\n", all->n, config->lanes);
	sigwait(ends, &sig);
	if (control)
		mhcad_control_stop(control);
	return 0;
}

static int mhcad_serve(struct soft_hca *hca, const struct mhcad_config *config,
		       const sigset_t *ends)
{
	struct mhcad_instances all;
	int ret;
	u32 i;

	ret = mhcad_lanes_start(hca, config->cpus);
	if (ret) {
		pr_err("mhcad: lanes: %s\n", strerror(-ret));
		return ret;
	}
	mhcad_instances_init(&all, &hca->hca);
	for (i = 0; !ret && i < config->n_instances; i++)
		ret = mhcad_instances_add(&all, &config->instances[i]);
	if (!ret)
		ret = mhcad_wait(&all, config, ends);
	mhcad_instances_fini(&all);
	mhcad_lanes_stop(hca);
	return ret;
}

static int mhcad_run(const struct mhcad_config *config, const sigset_t *ends)
{
	const struct soft_lane_params params = {
		.idle_us = config->idle_us,
		.idle_polls = 100,
		.spin_ns = (u64)config->spin_us * NSEC_PER_USEC,
		.pause_ns = (u64)config->pause_us * NSEC_PER_USEC,
		.look_ns = (u64)config->look_us * NSEC_PER_USEC,
		.wqe_budget = 64,
		.byte_budget = 1 << 20,
		.qp_polls = 64,
		.sweep = 32,
		.error_poll_ms = 2,
	};
	struct soft_hca hca = { };
	int ret = mhcad_irq_check();

	if (ret) {
		pr_err("mhcad: this kernel has no asynchronous I/O to signal eventfds by: %s\n",
		       strerror(-ret));
		return ret;
	}
	ret = soft_hca_init(&hca, config->lanes, &params);
	if (ret) {
		pr_err("mhcad: %s\n", strerror(-ret));
		return ret;
	}
	hca.hca.max_instances = MHCAD_INSTANCES_MAX;
	ret = mhcad_serve(&hca, config, ends);
	soft_hca_fini(&hca);
	shim_quiesce();
	return ret;
}

/* Each instance has files of its own, each vector of a client another one. */
static void mhcad_limits(void)
{
	struct rlimit files;

	if (!getrlimit(RLIMIT_NOFILE, &files)) {
		files.rlim_cur = files.rlim_max;
		setrlimit(RLIMIT_NOFILE, &files);
	}
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}

int main(int argc, char **argv)
{
	struct mhcad_config config;
	sigset_t ends;
	int ret;

	setvbuf(stderr, NULL, _IOLBF, 0);
	shim_log_sink(mhcad_to_stderr, NULL);
	shim_warn_aborts(false);
	mhcad_limits();
	/* Before there is another thread. */
	sigemptyset(&ends);
	sigaddset(&ends, SIGINT);
	sigaddset(&ends, SIGTERM);
	sigprocmask(SIG_BLOCK, &ends, NULL);
	mhcad_fault_init();

	mhcad_config_init(&config);
	ret = mhcad_options(&config, argc, argv);
	if (!ret)
		ret = mhcad_run(&config, &ends);
	mhcad_config_free(&config);
	return ret ? 1 : 0;
}
