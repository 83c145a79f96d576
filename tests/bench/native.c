// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The core on this machine, without a VM: two clients on two instances, the lane on
 * a thread of its own. Prints a line for people and a JSON line for each figure.
 * Ratios are taken within one run: against memcpy and against a cache line's round
 * trip between two threads.
 */
#define _GNU_SOURCE
#include <sched.h>
#include <unistd.h>

#include <shim/control.h>
#include "vmm_user.h"

#define BUF		(64UL << 20)	/* bigger than the caches */
#define RUN_NS		(400 * NSEC_PER_MSEC)
#define REPEATS		5
#define DEPTH		64

struct end {
	struct vmm_user *vmm;
	struct client c;
	u32 pd;
	struct client_cq cq;
	struct client_qp qp;
	struct client_mem buf;
	u32 key;
};

static struct soft_hca hca;
static struct end end[2];

/* ---- Figures --------------------------------------------------------- */

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a;
	double y = *(const double *)b;

	return x < y ? -1 : x > y;
}

/* Median of @REPEATS runs of @measure, printed with the spread. */
static double figure(const char *name, const char *unit, double (*measure)(u64 arg), u64 arg)
{
	double v[REPEATS];
	u32 i;

	for (i = 0; i < REPEATS; i++)
		v[i] = measure(arg);
	qsort(v, REPEATS, sizeof(v[0]), by_value);
	printf("%-44s %12.1f %-8s (%.1f ... %.1f)\n", name, v[REPEATS / 2], unit, v[0],
	       v[REPEATS - 1]);
	printf("{\"bench\":\"native\",\"name\":\"%s\",\"unit\":\"%s\",\"median\":%.3f,"
	       "\"min\":%.3f,\"max\":%.3f}\n", name, unit, v[REPEATS / 2], v[0],
	       v[REPEATS - 1]);
	fflush(stdout);
	return v[REPEATS / 2];
}

static void ratio(const char *name, double value, double reference)
{
	printf("%-44s %12.2f x\n", name, value / reference);
	printf("{\"bench\":\"native\",\"name\":\"%s\",\"unit\":\"ratio\",\"median\":%.3f}\n", name,
	       value / reference);
}

static void must(int ret, const char *what)
{
	if (!ret)
		return;
	fprintf(stderr, "%s failed: %d\n", what, ret);
	exit(1);
}

/*
 * Pin this thread, and those it creates from now on, to the first or the last CPU:
 * two spinning threads on one CPU would measure the scheduler.
 */
static cpu_set_t all_cpus;

static void pin(bool last)
{
	cpu_set_t one;
	int chosen = -1;
	int cpu;

	for (cpu = 0; cpu < CPU_SETSIZE; cpu++)
		if (CPU_ISSET(cpu, &all_cpus) && (last || chosen < 0))
			chosen = cpu;
	CPU_ZERO(&one);
	CPU_SET(chosen, &one);
	must(sched_setaffinity(0, sizeof(one), &one), "sched_setaffinity");
}

/* ---- References ------------------------------------------------------ */

static double memcpy_mib(u64 size)
{
	u64 start = ktime_get_ns();
	u64 bytes = 0;
	u64 at = 0;

	while (ktime_get_ns() - start < RUN_NS) {
		memcpy(end[1].buf.va + at, end[0].buf.va + at, size);
		at = at + 2 * size <= BUF ? at + size : 0;
		bytes += size;
	}
	return (double)bytes / 1048576 / ((double)(ktime_get_ns() - start) / 1e9);
}

static u64 ball __aligned(64);

static void *catcher(void *arg)
{
	u64 expect = 1;

	(void)arg;
	for (;;) {
		u64 now = __atomic_load_n(&ball, __ATOMIC_ACQUIRE);

		if (now == ~0ULL)
			return NULL;
		if (now == expect) {
			__atomic_store_n(&ball, expect + 1, __ATOMIC_RELEASE);
			expect += 2;
		} else {
			cpu_relax();
		}
	}
}

static double round_trip_ns(u64 arg)
{
	pthread_t thread;
	u64 start;
	u64 n;

	(void)arg;
	ball = 0;
	pin(true);
	must(pthread_create(&thread, NULL, catcher, NULL), "pthread_create");
	pin(false);
	start = ktime_get_ns();
	for (n = 1; n < 400000; n += 2) {
		__atomic_store_n(&ball, n, __ATOMIC_RELEASE);
		while (__atomic_load_n(&ball, __ATOMIC_ACQUIRE) == n)
			cpu_relax();
	}
	start = ktime_get_ns() - start;
	__atomic_store_n(&ball, ~0ULL, __ATOMIC_RELEASE);
	pthread_join(thread, NULL);
	return (double)start / 200000;
}

/* ---- The data path --------------------------------------------------- */

static struct client_send write_of(struct client_sge *sge, u64 at, u32 len)
{
	*sge = (struct client_sge){ (uintptr_t)end[0].buf.va + at, len, end[0].key };
	return (struct client_send){
		.opcode = MLX5_OPCODE_RDMA_WRITE, .flags = CLIENT_SIGNALED, .sge = sge,
		.n_sge = 1, .remote_addr = (uintptr_t)end[1].buf.va + at, .rkey = end[1].key,
	};
}

static void one_done(void)
{
	struct client_wc wc;

	while (!client_poll_cq(&end[0].cq, 1, &wc))
		cpu_relax();
	if (wc.status)
		must(wc.status, "a request");
}

static double latency_ns(u64 size)
{
	struct client_sge sge;
	struct client_send wr = write_of(&sge, 0, (u32)size);
	double *v;
	double median;
	u32 n = 20000;
	u32 i;

	v = calloc(n, sizeof(*v));
	for (i = 0; i < n; i++) {
		u64 start = ktime_get_ns();

		must(client_post_send(&end[0].qp, &wr), "post");
		one_done();
		v[i] = (double)(ktime_get_ns() - start);
	}
	qsort(v, n, sizeof(v[0]), by_value);
	median = v[n / 2];
	free(v);
	return median;
}

static double bandwidth_mib(u64 size)
{
	u64 start = ktime_get_ns();
	u64 bytes = 0;
	u64 at = 0;
	u32 out = 0;

	while (ktime_get_ns() - start < RUN_NS) {
		struct client_sge sge;
		struct client_send wr = write_of(&sge, at, (u32)size);

		if (out == 8) {
			one_done();
			out--;
		}
		must(client_post_send(&end[0].qp, &wr), "post");
		at = at + 2 * size <= BUF ? at + size : 0;
		bytes += size;
		out++;
	}
	while (out--)
		one_done();
	return (double)bytes / 1048576 / ((double)(ktime_get_ns() - start) / 1e9);
}

/* Small WRITEs, one completion for 16, two groups outstanding at least. */
static double million_per_second(u64 size)
{
	struct client_sge sge;
	struct client_send wr = write_of(&sge, 0, (u32)size);
	u64 start = ktime_get_ns();
	u64 n = 0;
	u32 groups = 0;
	u32 i;

	while (ktime_get_ns() - start < RUN_NS) {
		/* One doorbell for a group, as a driver does it for a list. */
		end[0].qp.no_doorbell = true;
		for (i = 0; i < 16; i++) {
			wr.flags = i == 15 ? CLIENT_SIGNALED : 0;
			end[0].qp.no_doorbell = i != 15;
			must(client_post_send(&end[0].qp, &wr), "post");
		}
		n += 16;
		if (++groups == DEPTH / 16) {
			one_done();
			groups--;
		}
	}
	while (groups--)
		one_done();
	return (double)n / ((double)(ktime_get_ns() - start) / 1e3);
}

/* ---- A lane's turn --------------------------------------------------- */

static struct client_qp *idle_qps;
static u32 n_idle;

/* Idle QPs in RTS, half of them on each instance. */
static void make_idle(u32 n)
{
	struct client_modify m;

	client_modify_init(&m);
	for (; n_idle < n; n_idle++) {
		struct end *e = &end[n_idle & 1];
		struct client_qp_attr attr;

		client_qp_attr_init(&attr, MLX5_QP_ST_RC, e->pd, &e->cq);
		attr.log_sq = 2;
		attr.log_rq = 2;
		must(client_create_qp(&e->c, &attr, &idle_qps[n_idle]), "create");
		m.path.dlid = e->c.lid;
		m.remote_qpn = idle_qps[n_idle].qpn;
		must(client_connect_qp(&idle_qps[n_idle], &m), "connect");
	}
}

static void destroy_idle(void)
{
	while (n_idle)
		must(client_destroy_qp(&idle_qps[--n_idle]), "destroy");
}

/* Turns that find nothing, while the doorbell pages are mapped. */
static double turn_ns(u64 arg)
{
	u32 n = 200000;
	u64 start;
	u32 i;

	(void)arg;
	start = ktime_get_ns();
	for (i = 0; i < n; i++)
		soft_lane_turn(&hca.lanes[0]);
	return (double)(ktime_get_ns() - start) / n;
}

/* A WRITE that this thread itself executes. */
static double write_turn_ns(u64 arg)
{
	struct client_sge sge;
	struct client_send wr = write_of(&sge, 0, 8);
	struct client_wc wc;
	u32 n = 50000;
	u64 start;
	u32 i;

	(void)arg;
	start = ktime_get_ns();
	for (i = 0; i < n; i++) {
		must(client_post_send(&end[0].qp, &wr), "post");
		while (!client_poll_cq(&end[0].cq, 1, &wc))
			soft_lane_turn(&hca.lanes[0]);
	}
	return (double)(ktime_get_ns() - start) / n;
}

/* Without the other CPU: what a WRITE costs when turns have more than one to do. */
static double grouped_ns(u64 size)
{
	struct client_sge sge;
	struct client_send wr = write_of(&sge, 0, (u32)size);
	struct client_wc wc;
	u32 n = 10000;
	u64 start;
	u32 i;
	u32 k;

	start = ktime_get_ns();
	for (i = 0; i < n; i++) {
		for (k = 0; k < 16; k++) {
			wr.flags = k == 15 ? CLIENT_SIGNALED : 0;
			end[0].qp.no_doorbell = k != 15;
			must(client_post_send(&end[0].qp, &wr), "post");
		}
		while (!client_poll_cq(&end[0].cq, 1, &wc))
			soft_lane_turn(&hca.lanes[0]);
	}
	return (double)(ktime_get_ns() - start) / (16.0 * n);
}

static double own_bandwidth_mib(u64 size)
{
	u64 start = ktime_get_ns();
	u64 bytes = 0;
	u64 at = 0;

	while (ktime_get_ns() - start < RUN_NS) {
		struct client_sge sge;
		struct client_send wr = write_of(&sge, at, (u32)size);
		struct client_wc wc;

		must(client_post_send(&end[0].qp, &wr), "post");
		while (!client_poll_cq(&end[0].cq, 1, &wc))
			soft_lane_turn(&hca.lanes[0]);
		at = at + 2 * size <= BUF ? at + size : 0;
		bytes += size;
	}
	return (double)bytes / 1048576 / ((double)(ktime_get_ns() - start) / 1e9);
}

/* One thread posts, executes and polls: figures that a busy machine does not spoil. */
static void without_lane_thread(void)
{
	static const u32 sizes[] = { 65536, 262144, 1048576 };
	char name[64];
	u32 i;

	figure("WRITE 8 B, own turns, groups of 16", "ns", grouped_ns, 8);
	figure("WRITE 4096 B, own turns, groups of 16", "ns", grouped_ns, 4096);
	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		double copy;
		double rdma;

		snprintf(name, sizeof(name), "memcpy %u KiB", sizes[i] >> 10);
		copy = figure(name, "MiB/s", memcpy_mib, sizes[i]);
		snprintf(name, sizeof(name), "WRITE %u KiB, own turns", sizes[i] >> 10);
		rdma = figure(name, "MiB/s", own_bandwidth_mib, sizes[i]);
		ratio("... / memcpy", rdma, copy);
	}
}

/* ---- Control verbs --------------------------------------------------- */

static double create_qp_us(u64 arg)
{
	struct client_qp_attr attr;
	struct client_qp qp;
	u64 start = ktime_get_ns();
	u32 i;

	(void)arg;
	for (i = 0; i < 300; i++) {
		client_qp_attr_init(&attr, MLX5_QP_ST_RC, end[0].pd, &end[0].cq);
		must(client_create_qp(&end[0].c, &attr, &qp), "create");
		must(client_destroy_qp(&qp), "destroy");
	}
	return (double)(ktime_get_ns() - start) / 300e3;
}

static double create_cq_us(u64 arg)
{
	struct client_cq_attr attr;
	struct client_cq cq;
	u64 start = ktime_get_ns();
	u32 i;

	(void)arg;
	for (i = 0; i < 300; i++) {
		client_cq_attr_init(&attr, 6);
		must(client_create_cq(&end[0].c, &attr, &cq), "create");
		must(client_destroy_cq(&cq), "destroy");
	}
	return (double)(ktime_get_ns() - start) / 300e3;
}

static double register_ms_per_gib(u64 arg)
{
	u64 start = ktime_get_ns();
	u32 key;

	(void)arg;
	must(client_reg_mr(&end[0].c, end[0].pd, end[0].buf.va, BUF, CLIENT_ALL_ACCESS, &key),
	     "register");
	must(client_destroy_mkey(&end[0].c, key), "deregister");
	return (double)(ktime_get_ns() - start) / 1e6 * (double)((1UL << 30) / BUF);
}

/* ---- Set-up ---------------------------------------------------------- */

static void open_end(struct end *e, u64 guid)
{
	struct vmm_user_params params = { .memory = 768UL << 20, .linear = true };
	struct client_qp_attr attr;
	struct client_cq_attr cq;

	e->vmm = vmm_user_create(&hca, &params, guid);
	must(!e->vmm, "instance");
	must(client_open(&e->c, &vmm_user_client_ops, e->vmm, 0), "open");
	must(client_alloc_pd(&e->c, &e->pd), "PD");
	client_cq_attr_init(&cq, 10);
	must(client_create_cq(&e->c, &cq, &e->cq), "CQ");
	must(client_mem_alloc(&e->c, BUF, &e->buf), "memory");
	memset(e->buf.va, 1, BUF);
	must(client_reg_mr(&e->c, e->pd, e->buf.va, BUF, CLIENT_ALL_ACCESS, &e->key), "MR");
	client_qp_attr_init(&attr, MLX5_QP_ST_RC, e->pd, &e->cq);
	attr.log_sq = 8;
	must(client_create_qp(&e->c, &attr, &e->qp), "QP");
}

static void connect_ends(void)
{
	struct client_modify m;
	u32 i;

	for (i = 0; i < 2; i++) {
		client_modify_init(&m);
		m.mtu = IB_MTU_4096;
		m.remote_qpn = end[!i].qp.qpn;
		m.path.dlid = end[!i].c.lid;
		must(client_connect_qp(&end[i].qp, &m), "connect");
	}
}

static void close_end(struct end *e)
{
	must(client_destroy_qp(&e->qp), "QP");
	must(client_destroy_mkey(&e->c, e->key), "MR");
	client_mem_free(&e->c, &e->buf);
	must(client_destroy_cq(&e->cq), "CQ");
	must(client_dealloc_pd(&e->c, e->pd), "PD");
	client_close(&e->c);
	vmm_user_destroy(e->vmm);
}

static void with_lane_thread(void)
{
	static const u32 sizes[] = { 65536, 262144, 1048576 };
	double trip = figure("cache line round trip", "ns", round_trip_ns, 0);
	double latency;
	char name[64];
	u32 i;

	pin(true);
	must(lanes_start(&hca), "lane");
	pin(false);
	latency = figure("WRITE 8 B, post to completion", "ns", latency_ns, 8);
	ratio("... / cache line round trip", latency, trip);
	figure("WRITE 8 B", "M/s", million_per_second, 8);
	figure("WRITE 256 B", "M/s", million_per_second, 256);
	figure("WRITE 4096 B", "M/s", million_per_second, 4096);
	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		double copy;
		double rdma;

		snprintf(name, sizeof(name), "memcpy %u KiB", sizes[i] >> 10);
		copy = figure(name, "MiB/s", memcpy_mib, sizes[i]);
		snprintf(name, sizeof(name), "WRITE %u KiB", sizes[i] >> 10);
		rdma = figure(name, "MiB/s", bandwidth_mib, sizes[i]);
		ratio("... / memcpy", rdma, copy);
	}
	lanes_stop(&hca);
}

static void poll_costs(void)
{
	static const u32 steps[] = { 0, 1, 1000, 100000 };
	double first_turn = 0;
	double first_write = 0;
	char name[64];
	u32 i;

	idle_qps = calloc(100000, sizeof(*idle_qps));
	for (i = 0; i < ARRAY_SIZE(steps); i++) {
		double turn;
		double write;

		make_idle(steps[i]);
		lanes_settle(&hca);
		snprintf(name, sizeof(name), "WRITE 8 B, own turn, %u idle QPs", steps[i]);
		write = figure(name, "ns", write_turn_ns, 0);
		snprintf(name, sizeof(name), "empty turn, %u idle QPs", steps[i]);
		turn = figure(name, "ns", turn_ns, 0);
		if (i == 1) {
			first_turn = turn;
			first_write = write;
		} else if (i > 1) {
			ratio("... turn / with one idle QP", turn, first_turn);
			ratio("... WRITE / with one idle QP", write, first_write);
		}
	}
	destroy_idle();
	free(idle_qps);
}

int main(void)
{
	static const struct soft_lane_params params = {
		.idle_us = 10000000, .idle_polls = 1000000000, .wqe_budget = 64,
		.byte_budget = 1 << 20, .qp_polls = 64, .sweep = 32, .error_poll_ms = 2,
	};

	must(sched_getaffinity(0, sizeof(all_cpus), &all_cpus), "sched_getaffinity");
	must(soft_hca_init(&hca, 1, &params), "HCA");
	open_end(&end[0], 0x1000);
	open_end(&end[1], 0x2000);
	connect_ends();
	without_lane_thread();
	with_lane_thread();
	figure("QP create + destroy", "us", create_qp_us, 0);
	figure("CQ create + destroy", "us", create_cq_us, 0);
	figure("register + deregister, per GiB", "ms", register_ms_per_gib, 0);
	poll_costs();
	close_end(&end[0]);
	close_end(&end[1]);
	soft_hca_fini(&hca);
	shim_quiesce();
	return 0;
}
