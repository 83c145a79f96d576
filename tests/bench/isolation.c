// SPDX-License-Identifier: GPL-2.0-only
/*
 * Noisy neighbours without a VM: one thread posts for a victim and for its neighbour,
 * runs the lane and polls. The clock is the CPU time of lane turns, so that a busy
 * machine spoils little, and the neighbour posts before every turn: what is measured is
 * the lane's sharing and nothing else. Ratios are against a fair neighbour, one with
 * the victim's own load, in the same round (docs/isolation.md).
 *
 *   bench-isolation [-s] [MS]
 *
 * -s is for machines that do something else as well: only a share that is out of bounds
 * in every round counts, and no p99, which needs a quiet machine and longer rounds.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "../system/progs/mhca-host/ethernet.h"
#include "../system/progs/mhca-host/load.h"
#include "vmm_user.h"

#define ROUNDS		5
#define KINDS_MAX	32
#define INSTANCES	4
#define LEAST_SHARE	0.8	/* of what there is beside a fair neighbour */
#define MOST_P99	2.0

/**
 * struct client_vfio - what mhca-host's nodes open
 * @vmm: front end
 */
struct client_vfio {
	struct vmm_user *vmm;
};

/**
 * struct outcome - of one neighbour, by round
 * @rate: MB/s of the victim
 * @p50: us of its small WRITEs
 * @p99: the same
 * @turn: us of the longest turn
 */
struct outcome {
	double rate[ROUNDS];
	double p50[ROUNDS];
	double p99[ROUNDS];
	double turn[ROUNDS];
};

/**
 * struct tenant - the victim: two instances
 * @n: they
 * @port: their Ethernet, when they have it: frames to everybody are for them, too
 * @load: what they do
 */
struct tenant {
	struct node n[2];
	struct ethernet port[2];
	struct load load;
};

static struct soft_hca hca;
static struct client_vfio instances[INSTANCES];
static struct outcome outcomes[KINDS_MAX];
static u64 lane_ns, longest_ns;
static struct tenant *victim;	/* while it is measured */
static bool roce;		/* type of the instances */
static bool only_shares;	/* are judged */

/* ---- Clock and instances ------------------------------------------------ */

u64 __wrap_now_ns(void);

/* What load.c and storm.c measure with. */
u64 __wrap_now_ns(void)
{
	return lane_ns;
}

static void must(int failed, const char *what)
{
	if (!failed)
		return;
	fprintf(stderr, "%s failed\n", what);
	exit(1);
}

static u64 cpu_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (u64)t.tv_sec * NSEC_PER_SEC + (u64)t.tv_nsec;
}

static bool counted_turn(struct soft_hca *h)
{
	u64 start = cpu_ns(), ns;
	bool did = soft_lane_turn(&h->lanes[0]);

	ns = cpu_ns() - start;
	lane_ns += ns;
	longest_ns = max(longest_ns, ns);
	/* It has a CPU of its own, also while its neighbour waits for a command. */
	if (victim)
		must(load_step(&victim->load) < 0 || (roce && (ethernet_serve(&victim->port[0]) ||
							       ethernet_serve(&victim->port[1]))),
		     "victim");
	return did;
}

static struct vmm_user *vmm(void *backend)
{
	return ((struct client_vfio *)backend)->vmm;
}

#define FORWARD(_type, _name, _params, ...)					\
	static _type user_##_name _params					\
	{									\
		return vmm_user_client_ops._name(vmm(b), ##__VA_ARGS__);	\
	}

FORWARD(void *, alloc, (void *b, size_t len), len)
FORWARD(void, free, (void *b, void *va, size_t len), va, len)
FORWARD(u64, iova, (void *b, const void *va), va)
FORWARD(u32, iseg_read, (void *b, u32 offset), offset)
FORWARD(void, iseg_write, (void *b, u32 offset, u32 value), offset, value)
FORWARD(void, uar_write32, (void *b, u32 index, u32 offset, __be32 value), index, offset, value)
FORWARD(void, uar_write64, (void *b, u32 index, u32 offset, __be64 value), index, offset, value)
FORWARD(int, irq_wait, (void *b, u32 vector, int ms), vector, ms)
FORWARD(u32, irq_count, (void *b))
FORWARD(void, progress, (void *b))
FORWARD(int, reset, (void *b))

static void user_close(void *b)
{
	vmm_user_destroy(vmm(b));
	((struct client_vfio *)b)->vmm = NULL;
}

const struct client_ops client_vfio_ops = {
	.name = "user", .alloc = user_alloc, .free = user_free, .iova = user_iova,
	.iseg_read = user_iseg_read, .iseg_write = user_iseg_write,
	.uar_write32 = user_uar_write32, .uar_write64 = user_uar_write64,
	.irq_wait = user_irq_wait, .irq_count = user_irq_count, .progress = user_progress,
	.reset = user_reset, .close = user_close,
};

struct client_vfio *client_vfio_open(const char *uuid)
{
	const struct vmm_user_params params = { .memory = 256UL << 20, .roce = roce };
	u32 i = (u32)(uuid[0] - '0');

	instances[i].vmm = vmm_user_create(&hca, &params, 0x100 + i);
	if (!instances[i].vmm)
		return NULL;
	instances[i].vmm->idle = counted_turn;
	return &instances[i];
}

/* ---- Measuring ---------------------------------------------------------- */

static void tenant_open(struct tenant *t)
{
	u32 i;

	must(node_open(&t->n[0], "0") || node_open(&t->n[1], "1") ||
	     load_open(&t->load, &t->n[0], &t->n[1]), "victim");
	for (i = 0; roce && i < 2; i++)
		must(ethernet_open(&t->port[i], &t->n[i]), "victim's port");
}

static void tenant_close(struct tenant *t)
{
	node_close(&t->n[0]);
	node_close(&t->n[1]);
	free(t->load.ns);
}

static void measure(struct tenant *t, const char *name, u64 ms, u32 round, struct outcome *o)
{
	struct storm *s = NULL;
	struct load_result r;
	struct node n[2];

	if (name) {
		must(node_open(&n[0], "2") || node_open(&n[1], "3"), "neighbour");
		s = storm_start(name, &n[0],
				strcmp(name, "fair") && !storm_is_ethernet(name) ? &n[0] : &n[1]);
		must(!s, name);
	}
	longest_ns = 0;
	victim = t;
	must(load_measure(&t->load, ms, s, &r), name ?: "alone");
	victim = NULL;
	o->rate[round] = (double)r.bytes * 1e3 / (double)r.ns;
	o->p50[round] = (double)r.p50 / 1e3;
	o->p99[round] = (double)r.p99 / 1e3;
	o->turn[round] = (double)longest_ns / 1e3;
	if (!name)
		return;
	node_close(&n[0]);
	node_close(&n[1]);
	storm_free(s);
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

/* Median of @value, or of its ratios to @of; with @range least and greatest too. */
static double median(const double *value, const double *of, double *range)
{
	double v[ROUNDS];
	u32 i;

	for (i = 0; i < ROUNDS; i++)
		v[i] = of ? value[i] / of[i] : value[i];
	qsort(v, ROUNDS, sizeof(v[0]), by_value);
	if (range) {
		range[0] = v[0];
		range[1] = v[ROUNDS - 1];
	}
	return v[ROUNDS / 2];
}

/* true: as it should be. */
static bool print(const char *name, const struct outcome *o, const struct outcome *fair)
{
	double share[2], p99[2];
	double share_median = median(o->rate, fair->rate, share);
	double p99_median = median(o->p99, fair->p99, p99);

	printf("%-16s %7.0f MB/s  p50 %8.1f  p99 %8.1f us  turn %7.1f us   share %5.2f (%.2f ... %.2f)  p99 %5.2f (%.2f ... %.2f)\n",
	       name, median(o->rate, NULL, NULL), median(o->p50, NULL, NULL),
	       median(o->p99, NULL, NULL), median(o->turn, NULL, NULL), share_median, share[0],
	       share[1], p99_median, p99[0], p99[1]);
	printf("{\"bench\":\"isolation\",\"type\":\"%s\",\"neighbour\":\"%s\",\"mbps\":%.1f,\"p50_us\":%.2f,"
	       "\"p99_us\":%.2f,\"share\":[%.3f,%.3f,%.3f],\"p99\":[%.3f,%.3f,%.3f]}\n",
	       roce ? "roce" : "ib", name,
	       median(o->rate, NULL, NULL), median(o->p50, NULL, NULL),
	       median(o->p99, NULL, NULL), share_median, share[0], share[1], p99_median, p99[0],
	       p99[1]);
	if (only_shares)
		return share[1] >= LEAST_SHARE;
	return share_median >= LEAST_SHARE && p99_median <= MOST_P99;
}

/* All neighbours of one type of instances; true: all were as they should be. */
static bool run_type(u64 ms)
{
	struct tenant t;
	bool good = true;
	const char *name;
	u32 round, i;

	tenant_open(&t);
	for (round = 0; round < ROUNDS; round++) {
		measure(&t, NULL, ms, round, &outcomes[KINDS_MAX - 1]);
		for (i = 0; (name = storm_name(i)); i++)
			if (roce || !storm_is_ethernet(name))
				measure(&t, name, ms, round, &outcomes[i]);
	}
	printf("%s:\n", roce ? "roce" : "ib");
	print("alone", &outcomes[KINDS_MAX - 1], &outcomes[0]);
	for (i = 0; (name = storm_name(i)); i++)
		if (roce || !storm_is_ethernet(name))
			good &= print(name, &outcomes[i], &outcomes[0]);
	tenant_close(&t);
	return good;
}

int main(int argc, char **argv)
{
	/* The module's defaults. */
	static const struct soft_lane_params params = {
		.idle_us = 10000, .idle_polls = 1000, .wqe_budget = 64, .byte_budget = 1 << 20,
		.qp_polls = 64, .sweep = 32, .error_poll_ms = 2,
	};
	u64 ms = 200;
	bool good;
	int c;

	while ((c = getopt(argc, argv, "s")) != -1) {
		if (c != 's')
			return 2;
		only_shares = true;
	}
	if (optind < argc)
		ms = strtoul(argv[optind], NULL, 0);
	must(soft_hca_init(&hca, 1, &params), "HCA");
	good = run_type(ms);
	roce = true;
	good &= run_type(ms);
	soft_hca_fini(&hca);
	if (!good && only_shares)
		fprintf(stderr, "a share below %.1f in every round\n", LEAST_SHARE);
	else if (!good)
		fprintf(stderr, "a share below %.1f, or a p99 above %.1f\n", LEAST_SHARE, MOST_P99);
	return good ? 0 : 1;
}
