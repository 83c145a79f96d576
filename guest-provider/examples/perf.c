// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * mhca-perf: bandwidth, message rate and latency of WRITE, READ, SEND and atomics, with
 * perftest's options and columns. Both ends are mhca-perf. The client measures; for
 * write_lat and send_lat the server answers each message with one of its own.
 */
#include <getopt.h>
#include <math.h>
#include <pthread.h>
#include <unistd.h>
#include "perf.h"

enum { OPT_VERIFY = 256, OPT_JSON };

const struct perf_op perf_ops[] = {
	{ "write_bw", IBV_WR_RDMA_WRITE, false, IBV_ACCESS_REMOTE_WRITE },
	{ "write_lat", IBV_WR_RDMA_WRITE, true, IBV_ACCESS_REMOTE_WRITE },
	{ "read_bw", IBV_WR_RDMA_READ, false, IBV_ACCESS_REMOTE_READ },
	{ "read_lat", IBV_WR_RDMA_READ, true, IBV_ACCESS_REMOTE_READ },
	{ "send_bw", IBV_WR_SEND, false, 0 },
	{ "send_lat", IBV_WR_SEND, true, 0 },
	{ "atomic_bw", IBV_WR_ATOMIC_FETCH_AND_ADD, false, IBV_ACCESS_REMOTE_ATOMIC },
	{ "atomic_lat", IBV_WR_ATOMIC_FETCH_AND_ADD, true, IBV_ACCESS_REMOTE_ATOMIC },
	{ NULL, IBV_WR_SEND, false, 0 },
};

/* ---- Command line ------------------------------------------------------------ */

static int usage(const char *program)
{
	const struct perf_op *op;

	ex_fail("usage: %s OPERATION [options] INSTANCE [HOST]\n"
		"  -c rc|uc    service (rc)          -p PORT    TCP port (18516)\n"
		"  -s SIZE     message bytes (65536; latency 8)\n"
		"  -a          all sizes from 2 bytes to 8 MiB\n"
		"  -n N        messages (1000)       -q N       QPs (1)\n"
		"  -t N        posted at once (128)  -m MTU     path MTU (4096)\n"
		"  --verify    compare every byte    --json     a JSON object for each row\n"
		"Both ends need the same operation and options; without HOST: the server.\n"
		"Operations:", program);
	for (op = perf_ops; op->name; op++)
		fprintf(stderr, " %s", op->name);
	fputc('\n', stderr);
	return 1;
}

static int parse_locked(int argc, char **argv, struct perf_options *o)
{
	static const struct option longs[] = {
		{ "verify", no_argument, NULL, OPT_VERIFY },
		{ "json", no_argument, NULL, OPT_JSON },
		{ NULL, 0, NULL, 0 },
	};
	int c;

	*o = (struct perf_options){ .service = IBV_QPT_RC, .port = 18516, .iters = 1000,
				    .qps = 1, .depth = 128, .mtu = IBV_MTU_4096 };
	optind = 0;
	while ((c = getopt_long(argc, argv, "c:p:s:an:q:t:m:", longs, NULL)) != -1) {
		switch (c) {
		case 'c': o->service = ex_service(optarg); break;
		case 'p': o->port = atoi(optarg); break;
		case 's': o->size = strtoul(optarg, NULL, 0); break;
		case 'a': o->all = true; break;
		case 'n': o->iters = (uint32_t)strtoul(optarg, NULL, 0); break;
		case 'q': o->qps = (uint32_t)strtoul(optarg, NULL, 0); break;
		case 't': o->depth = (uint32_t)strtoul(optarg, NULL, 0); break;
		case 'm': o->mtu = ex_mtu(atoi(optarg)); break;
		case OPT_VERIFY: o->verify = true; break;
		case OPT_JSON: o->json = true; break;
		default: return usage(argv[0]);
		}
	}
	if (argc - optind < 2 || argc - optind > 3)
		return usage(argv[0]);
	for (o->op = perf_ops; o->op->name && strcmp(o->op->name, argv[optind]); o->op++)
		;
	o->name = argv[optind + 1];
	o->host = argv[optind + 2];
	if (!o->op->name || !o->mtu || !o->iters || !o->qps || o->qps > PERF_MAX_QPS ||
	    !o->depth || o->depth > 4096 || o->size > PERF_MAX_SIZE ||
	    (o->service != IBV_QPT_RC && o->service != IBV_QPT_UC))
		return usage(argv[0]);
	if (perf_is_atomic(o)) {
		o->size = 8;
		o->all = false;
	}
	if (o->service == IBV_QPT_UC && (perf_is_atomic(o) || o->op->opcode == IBV_WR_RDMA_READ))
		return ex_fail("UC has neither READ nor atomics");
	if (o->op->latency)
		o->qps = 1;
	if (!o->size)
		o->size = o->op->latency ? 8 : 65536;
	return 0;
}

static int parse(int argc, char **argv, struct perf_options *o)
{
	static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	int ret;

	pthread_mutex_lock(&lock);
	ret = parse_locked(argc, argv, o);
	pthread_mutex_unlock(&lock);
	return ret;
}

/* ---- Set-up -------------------------------------------------------------------- */

static int create_qps(struct perf *p)
{
	struct ibv_qp_init_attr init = {
		.send_cq = p->send_cq, .recv_cq = p->recv_cq,
		.qp_type = (enum ibv_qp_type)p->o.service,
		.cap = { .max_send_wr = p->o.depth, .max_recv_wr = p->o.depth * 2,
			 .max_send_sge = 1, .max_recv_sge = 1 },
	};
	uint32_t i;

	for (i = 0; i < p->o.qps; i++) {
		p->qp[i] = mhca_create_qp(p->pd, &init);
		if (!p->qp[i])
			return -1;
		errno = ex_init_qp(p->qp[i], p->o.op->access);
		if (errno)
			return -1;
	}
	return 0;
}

static int set_up(struct perf *p)
{
	size_t slot = p->o.all ? PERF_MAX_SIZE : p->o.size;
	struct ibv_port_attr port;
	int depth = (int)(p->o.depth * p->o.qps);

	p->ctx = mhca_open(p->o.name);
	if (!p->ctx)
		return ex_fail("%s: cannot be opened: %s", p->o.name, strerror(errno));
	if (mhca_query_port(p->ctx, 1, &port))
		return ex_fail("query_port: %s", strerror(errno));
	p->lid = port.lid;
	p->slot = (slot + 63) & ~(size_t)63;
	p->bytes = 2 * p->slot;
	p->pd = mhca_alloc_pd(p->ctx);
	p->mem = mhca_alloc_memory(p->ctx, p->bytes);
	if (!p->pd || !p->mem)
		return ex_fail("set-up: %s", strerror(errno));
	p->mr = mhca_reg_mr(p->pd, p->mem, p->bytes, IBV_ACCESS_LOCAL_WRITE | p->o.op->access);
	p->send_cq = mhca_create_cq(p->ctx, depth + 1, NULL, NULL, 0);
	p->recv_cq = mhca_create_cq(p->ctx, 2 * depth + 1, NULL, NULL, 0);
	if (!p->mr || !p->send_cq || !p->recv_cq || create_qps(p))
		return ex_fail("set-up: %s", strerror(errno));
	p->time = calloc(p->o.iters, sizeof(*p->time));
	return p->time ? 0 : ex_fail("no memory");
}

static void tear_down(struct perf *p)
{
	uint32_t i;

	for (i = 0; i < p->o.qps; i++)
		if (p->qp[i])
			mhca_destroy_qp(p->qp[i]);
	if (p->send_cq)
		mhca_destroy_cq(p->send_cq);
	if (p->recv_cq)
		mhca_destroy_cq(p->recv_cq);
	if (p->mr)
		mhca_dereg_mr(p->mr);
	if (p->mem)
		mhca_free_memory(p->ctx, p->mem, p->bytes);
	if (p->pd)
		mhca_dealloc_pd(p->pd);
	if (p->ctx)
		mhca_close(p->ctx);
	free(p->time);
	if (p->in)
		fclose(p->in);
	if (p->out)
		fclose(p->out);
}

/* ---- The two ends --------------------------------------------------------------- */

/* A line each way: who we are, what is to be measured, our QPs. */
static int exchange(struct perf *p)
{
	const struct ex_how how = { .mtu = p->o.mtu, .psn = PERF_PSN, .rd_atomic = 16 };
	struct ex_peer peer = { .psn = PERF_PSN };
	unsigned long long addr, size;
	unsigned int lid, rkey, iters, qps;
	char op[32];
	uint32_t i;

	fprintf(p->out, "mhca-perf %s %llu %u %u %x %llx %x", p->o.op->name,
		(unsigned long long)p->o.size, p->o.iters, p->o.qps, p->lid,
		(unsigned long long)(uintptr_t)p->mem, p->mr->rkey);
	for (i = 0; i < p->o.qps; i++)
		fprintf(p->out, " %x", p->qp[i]->qp_num);
	fputc('\n', p->out);
	fflush(p->out);
	if (fscanf(p->in, "mhca-perf %31s %llu %u %u %x %llx %x", op, &size, &iters, &qps,
		   &lid, &addr, &rkey) != 7)
		return ex_fail("the other end is not mhca-perf");
	if (strcmp(op, p->o.op->name) || size != p->o.size || iters != p->o.iters ||
	    qps != p->o.qps)
		return ex_fail("the other end has other options: %s -s %llu -n %u -q %u", op,
			       size, iters, qps);
	peer.lid = (uint16_t)lid;
	p->remote = addr;
	p->rkey = rkey;
	for (i = 0; i < qps; i++) {
		if (fscanf(p->in, " %x", &peer.qpn) != 1)
			return ex_fail("the other end went away");
		errno = ex_connect_qp(p->qp[i], &peer, &how);
		if (errno)
			return ex_fail("modify_qp: %s", strerror(errno));
	}
	return perf_meet(p, "connected") ? ex_fail("the other end went away") : 0;
}

int perf_meet(struct perf *p, const char *word)
{
	char got[32];

	fprintf(p->out, " %s\n", word);
	fflush(p->out);
	return fscanf(p->in, " %31s", got) == 1 && !strcmp(got, word) ? 0 : -1;
}

/* ---- Rows ------------------------------------------------------------------------- */

static void print_head(const struct perf *p)
{
	if (p->o.host && !p->o.json && p->o.op->latency)
		puts(" #bytes #iterations    t_min[usec]    t_max[usec]  t_typical[usec]"
		     "    t_avg[usec]    t_stdev[usec]   99% percentile[usec]"
		     "   99.9% percentile[usec]");
	else if (p->o.host && !p->o.json)
		puts(" #bytes     #iterations    BW peak[MiB/sec]    BW average[MiB/sec]"
		     "   MsgRate[Mpps]");
}

static void print_bandwidth(const struct perf *p, size_t size, uint64_t ns)
{
	double messages = (double)p->o.iters * p->o.qps;
	double rate = messages * 1e3 / (double)ns;
	double mib = messages * (double)size / 1048576 / ((double)ns / 1e9);

	if (p->o.json)
		printf("{\"test\": \"%s\", \"bytes\": %zu, \"iterations\": %.0f, "
		       "\"bw_mib\": %.2f, \"mpps\": %.6f, \"verified\": %s}\n", p->o.op->name,
		       size, messages, mib, rate, p->o.verify ? "true" : "false");
	else
		printf(" %-10zu %-10.0f       %-10.2f         %-10.2f            %.6f\n", size,
		       messages, mib, mib, rate);
	fflush(stdout);
}

static int by_time(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static void print_latency(struct perf *p, size_t size)
{
	/* What goes there and back takes twice the time of one way. */
	double half = perf_is_echo(&p->o) ? 2000 : 1000;
	uint32_t n = p->o.iters;
	double sum = 0, square = 0, average, deviation;
	uint32_t i;

	qsort(p->time, n, sizeof(*p->time), by_time);
	for (i = 0; i < n; i++)
		sum += (double)p->time[i] / half;
	average = sum / n;
	for (i = 0; i < n; i++)
		square += ((double)p->time[i] / half - average) *
			  ((double)p->time[i] / half - average);
	deviation = sqrt(square / n);
	if (p->o.json)
		printf("{\"test\": \"%s\", \"bytes\": %zu, \"iterations\": %u, \"min_us\": %.3f, "
		       "\"median_us\": %.3f, \"avg_us\": %.3f, \"p99_us\": %.3f, "
		       "\"max_us\": %.3f, \"verified\": %s}\n", p->o.op->name, size, n,
		       (double)p->time[0] / half, (double)p->time[n / 2] / half, average,
		       (double)p->time[(uint64_t)n * 99 / 100] / half,
		       (double)p->time[n - 1] / half, p->o.verify ? "true" : "false");
	else
		printf(" %-7zu %-10u      %-7.2f        %-7.2f      %-7.2f \t       %-7.2f     \t"
		       "%-7.2f\t\t%-7.2f \t\t%-7.2f\n", size, n, (double)p->time[0] / half,
		       (double)p->time[n - 1] / half, (double)p->time[n / 2] / half, average,
		       deviation, (double)p->time[(uint64_t)n * 99 / 100] / half,
		       (double)p->time[(uint64_t)n * 999 / 1000] / half);
	fflush(stdout);
}

static int one_size(struct perf *p, size_t size)
{
	uint64_t ns = 0;

	p->now = size;
	if (p->o.op->latency ? perf_latency(p) : perf_bandwidth(p, &ns))
		return 1;
	if (p->o.host && p->o.op->latency)
		print_latency(p, size);
	else if (p->o.host)
		print_bandwidth(p, size, ns);
	return 0;
}

int perf_main(int argc, char **argv)
{
	struct perf *p = calloc(1, sizeof(*p));
	size_t size;
	int fd;
	int ret = p ? parse(argc, argv, &p->o) : 1;

	if (ret) {
		free(p);
		return ret;
	}
	ret = set_up(p);
	if (!ret) {
		fd = ex_link(p->o.host, p->o.port);
		p->in = fd < 0 ? NULL : fdopen(dup(fd), "r");
		p->out = fd < 0 ? NULL : fdopen(fd, "w");
		ret = p->in && p->out ? exchange(p) :
		      ex_fail("no connection on TCP port %d: %s", p->o.port, strerror(errno));
	}
	if (!ret)
		print_head(p);
	if (!ret && !p->o.all)
		ret = one_size(p, p->o.size);
	for (size = 2; !ret && p->o.all && size <= PERF_MAX_SIZE; size *= 2)
		ret = one_size(p, size);
	tear_down(p);
	free(p);
	return ret;
}
