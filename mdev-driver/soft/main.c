// SPDX-License-Identifier: GPL-2.0-only
/*
 * mhca_soft.ko: the software HCA, one per host.
 */
#include <linux/cpumask.h>
#include <linux/module.h>

#include <mhca/kernel.h>
#include "pci.h"
#include "hca.h"
#include "switch/uplink.h"

#define SOFT_MAX_LANES		256U
#define SOFT_MAX_INSTANCES	4096U

static uint lanes = 1;
module_param(lanes, uint, 0444);
MODULE_PARM_DESC(lanes, "threads that poll doorbell pages and move data (1)");

static char *cpus = "";
module_param(cpus, charp, 0444);
MODULE_PARM_DESC(cpus, "list of CPUs that lanes run on, round robin (all, unbound)");

static uint idle_us = 10000;
module_param(idle_us, uint, 0444);
MODULE_PARM_DESC(idle_us, "quiet microseconds after which a doorbell page is unmapped (10000)");

static uint idle_polls = 1000;
module_param(idle_polls, uint, 0444);
MODULE_PARM_DESC(idle_polls, "... and polls that saw nothing (1000)");

static uint spin_us = 50;
module_param(spin_us, uint, 0444);
MODULE_PARM_DESC(spin_us, "microseconds of polling in vain before a lane pauses on a CPU of its own (50)");

static uint pause_us = 20;
module_param(pause_us, uint, 0444);
MODULE_PARM_DESC(pause_us, "microseconds that such a pause lasts at least (20)");

static uint wqe_budget = 64;
module_param(wqe_budget, uint, 0444);
MODULE_PARM_DESC(wqe_budget, "work requests of one QP in a turn (64)");

static uint byte_budget = 1 << 20;
module_param(byte_budget, uint, 0444);
MODULE_PARM_DESC(byte_budget, "bytes of one QP in a turn (1048576)");

static uint qp_polls = 64;
module_param(qp_polls, uint, 0444);
MODULE_PARM_DESC(qp_polls, "turns that a QP without work is still looked at (64)");

static uint sweep = 32;
module_param(sweep, uint, 0444);
MODULE_PARM_DESC(sweep, "QPs and CQs of a doorbell page looked at in a turn (32)");

static uint error_poll_ms = 2;
module_param(error_poll_ms, uint, 0444);
MODULE_PARM_DESC(error_poll_ms, "milliseconds between looks at QPs in error (2)");

static uint max_instances = 64;
module_param(max_instances, uint, 0444);
MODULE_PARM_DESC(max_instances, "mediated instances at once (64)");

static bool pci;
module_param(pci, bool, 0444);
MODULE_PARM_DESC(pci, "parent of instances is a PCI function, which libvirt's node devices want (N)");

static struct soft_hca soft_hca;

/**
 * struct soft_limit - a module parameter and its range
 * @name: its name
 * @value: its value
 * @min: least
 * @max: greatest
 */
struct soft_limit {
	const char *name;
	uint *value;
	uint min;
	uint max;
};

static const struct soft_limit soft_limits[] = {
	{ "lanes", &lanes, 1, SOFT_MAX_LANES },
	{ "idle_us", &idle_us, 1, USEC_PER_SEC },
	{ "idle_polls", &idle_polls, 1, 1000000 },
	{ "spin_us", &spin_us, 0, 1000000 },
	{ "pause_us", &pause_us, 1, 1000 },
	{ "wqe_budget", &wqe_budget, 1, 65536 },
	{ "byte_budget", &byte_budget, 4096, 1 << 30 },
	{ "qp_polls", &qp_polls, 1, 1000000 },
	{ "sweep", &sweep, 1, 65536 },
	{ "error_poll_ms", &error_poll_ms, 1, 1000 },
	{ "max_instances", &max_instances, 1, SOFT_MAX_INSTANCES },
};

static int soft_check_params(void)
{
	u32 i;

	for (i = 0; i < ARRAY_SIZE(soft_limits); i++) {
		const struct soft_limit *limit = &soft_limits[i];

		if (*limit->value >= limit->min && *limit->value <= limit->max)
			continue;
		pr_err("mhca_soft: %s=%u is not in %u..%u\n", limit->name, *limit->value,
		       limit->min, limit->max);
		return -EINVAL;
	}
	return 0;
}

static void soft_stop_lanes(void)
{
	u32 i;

	for (i = 0; i < soft_hca.n_lanes; i++)
		soft_lane_stop(&soft_hca.lanes[i]);
}

/* Lane i on the i-th CPU of the list; unbound without a list. */
static int soft_start_lanes(void)
{
	cpumask_var_t mask;
	int cpu = -1, err = 0;
	u32 i;

	if (!zalloc_cpumask_var(&mask, GFP_KERNEL))
		return -ENOMEM;
	if (*cpus)
		err = cpulist_parse(cpus, mask);
	if (!err && *cpus && cpumask_empty(mask))
		err = -EINVAL;
	if (err)
		pr_err("mhca_soft: cpus=%s is not a list of CPUs\n", cpus);
	for (i = 0; !err && i < soft_hca.n_lanes; i++) {
		const struct cpumask *where = NULL;

		if (*cpus) {
			cpu = cpumask_next(cpu, mask);
			if (cpu >= nr_cpu_ids)
				cpu = cpumask_first(mask);
			where = cpumask_of(cpu);
		}
		err = soft_lane_start(&soft_hca.lanes[i], where);
	}
	free_cpumask_var(mask);
	if (err)
		soft_stop_lanes();
	return err;
}

static int soft_announce(void)
{
	int err;

	if (!pci)
		return mhca_hca_register(&soft_hca.hca, THIS_MODULE, NULL);
	err = soft_pci_init(&soft_hca.hca);
	if (err)
		pr_err("mhca_soft: pci=1: no PCI function (%d)\n", err);
	return err;
}

static void soft_withdraw(void)
{
	if (pci)
		soft_pci_exit();
	else
		mhca_hca_unregister(&soft_hca.hca);
}

static int __init soft_module_init(void)
{
	struct soft_lane_params params;
	int err;

	err = soft_check_params();
	if (err)
		return err;
	params = (struct soft_lane_params) {
		.idle_us = idle_us,
		.idle_polls = idle_polls,
		.spin_ns = (u64)spin_us * NSEC_PER_USEC,
		.pause_ns = (u64)pause_us * NSEC_PER_USEC,
		.wqe_budget = wqe_budget,
		.byte_budget = byte_budget,
		.qp_polls = qp_polls,
		.sweep = sweep,
		.error_poll_ms = error_poll_ms,
	};
	err = soft_hca_init(&soft_hca, lanes, &params);
	if (err)
		return err;
	soft_hca.hca.max_instances = max_instances;
	err = soft_uplink_init(&soft_hca);
	if (err)
		goto err_hca;
	err = soft_start_lanes();
	if (err)
		goto err_uplink;
	err = soft_announce();
	if (err)
		goto err_lanes;
	return 0;

err_lanes:
	soft_stop_lanes();
err_uplink:
	soft_uplink_exit();
err_hca:
	soft_hca_fini(&soft_hca);
	return err;
}

static void __exit soft_module_exit(void)
{
	soft_withdraw();
	soft_stop_lanes();
	soft_uplink_exit();
	soft_hca_fini(&soft_hca);
}

module_init(soft_module_init);
module_exit(soft_module_exit);

MODULE_DESCRIPTION("mHCA: software HCA");
MODULE_AUTHOR("mHCA maintainers");
MODULE_LICENSE("GPL");
