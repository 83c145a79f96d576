// SPDX-License-Identifier: GPL-2.0-only
/*
 * mhca-setup: how long control verbs take, one JSON line for each repetition.
 *
 *   mhca-setup open N          ibv_open_device
 *   mhca-setup qp N            create, connect to itself, destroy an RC QP
 *   mhca-setup reg N MIB       ibv_reg_mr of MIB MiB of 4 KiB pages
 *   mhca-setup reghuge N MIB   the same of 2 MiB pages
 */
#include <infiniband/verbs.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000ULL + (uint64_t)t.tv_nsec;
}

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static struct ibv_context *open_first(void)
{
	struct ibv_device **list = ibv_get_device_list(NULL);
	struct ibv_context *ctx;

	if (!list || !list[0])
		die("no RDMA device");
	ctx = ibv_open_device(list[0]);
	if (!ctx)
		die("ibv_open_device");
	ibv_free_device_list(list);
	return ctx;
}

static void row(const char *what, uint64_t ns, unsigned long mib)
{
	printf("{\"what\": \"%s\", \"ns\": %llu, \"mib\": %lu}\n", what,
	       (unsigned long long)ns, mib);
}

static void time_open(int n)
{
	struct ibv_device **list = ibv_get_device_list(NULL);

	for (int i = 0; i < n; i++) {
		uint64_t t = now_ns();
		struct ibv_context *ctx = ibv_open_device(list[0]);

		if (!ctx)
			die("ibv_open_device");
		row("open", now_ns() - t, 0);
		ibv_close_device(ctx);
	}
	ibv_free_device_list(list);
}

/* By LID on an InfiniBand port, by the first GID on an Ethernet port. */
static void connect_to_itself(struct ibv_qp *qp, const struct ibv_port_attr *port,
			      const union ibv_gid *gid)
{
	struct ibv_qp_attr attr = {
		.qp_state = IBV_QPS_INIT, .port_num = 1, .path_mtu = IBV_MTU_1024,
		.dest_qp_num = qp->qp_num, .max_dest_rd_atomic = 1, .min_rnr_timer = 12,
		.ah_attr = { .dlid = port->lid, .port_num = 1, .grh.dgid = *gid,
			     .grh.hop_limit = 1,
			     .is_global = port->link_layer == IBV_LINK_LAYER_ETHERNET },
		.timeout = 14, .retry_cnt = 7, .rnr_retry = 7, .max_rd_atomic = 1,
	};

	if (ibv_modify_qp(qp, &attr, IBV_QP_STATE | IBV_QP_PKEY_INDEX | IBV_QP_PORT |
				     IBV_QP_ACCESS_FLAGS))
		die("INIT");
	attr.qp_state = IBV_QPS_RTR;
	if (ibv_modify_qp(qp, &attr, IBV_QP_STATE | IBV_QP_AV | IBV_QP_PATH_MTU |
				     IBV_QP_DEST_QPN | IBV_QP_RQ_PSN |
				     IBV_QP_MAX_DEST_RD_ATOMIC | IBV_QP_MIN_RNR_TIMER))
		die("RTR");
	attr.qp_state = IBV_QPS_RTS;
	if (ibv_modify_qp(qp, &attr, IBV_QP_STATE | IBV_QP_TIMEOUT | IBV_QP_RETRY_CNT |
				     IBV_QP_RNR_RETRY | IBV_QP_SQ_PSN |
				     IBV_QP_MAX_QP_RD_ATOMIC))
		die("RTS");
}

static void time_qp(int n)
{
	struct ibv_context *ctx = open_first();
	struct ibv_pd *pd = ibv_alloc_pd(ctx);
	struct ibv_cq *cq = ibv_create_cq(ctx, 64, NULL, NULL, 0);
	struct ibv_port_attr port;
	union ibv_gid gid;

	if (!pd || !cq || ibv_query_port(ctx, 1, &port) || ibv_query_gid(ctx, 1, 0, &gid))
		die("set-up");
	for (int i = 0; i < n; i++) {
		struct ibv_qp_init_attr init = {
			.send_cq = cq, .recv_cq = cq, .qp_type = IBV_QPT_RC,
			.cap = { .max_send_wr = 64, .max_recv_wr = 64, .max_send_sge = 1,
				 .max_recv_sge = 1 },
		};
		uint64_t t = now_ns();
		struct ibv_qp *qp = ibv_create_qp(pd, &init);

		if (!qp)
			die("ibv_create_qp");
		connect_to_itself(qp, &port, &gid);
		if (ibv_destroy_qp(qp))
			die("ibv_destroy_qp");
		row("qp", now_ns() - t, 0);
	}
}

static void time_reg(const char *what, int n, unsigned long mib, int flags)
{
	struct ibv_pd *pd = ibv_alloc_pd(open_first());
	size_t len = mib << 20;
	void *mem = mmap(NULL, len, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE | flags, -1, 0);

	if (!pd || mem == MAP_FAILED)
		die("memory");
	if (!flags)
		madvise(mem, len, MADV_NOHUGEPAGE);
	memset(mem, 1, len);
	for (int i = 0; i < n; i++) {
		uint64_t t = now_ns();
		struct ibv_mr *mr = ibv_reg_mr(pd, mem, len, IBV_ACCESS_LOCAL_WRITE |
							     IBV_ACCESS_REMOTE_WRITE);

		if (!mr)
			die("ibv_reg_mr");
		row(what, now_ns() - t, mib);
		if (ibv_dereg_mr(mr))
			die("ibv_dereg_mr");
	}
}

int main(int argc, char **argv)
{
	int n = argc > 2 ? atoi(argv[2]) : 0;
	unsigned long mib = argc > 3 ? strtoul(argv[3], NULL, 0) : 64;

	if (n && !strcmp(argv[1], "open"))
		time_open(n);
	else if (n && !strcmp(argv[1], "qp"))
		time_qp(n);
	else if (n && !strcmp(argv[1], "reg"))
		time_reg("reg", n, mib, 0);
	else if (n && !strcmp(argv[1], "reghuge"))
		time_reg("reghuge", n, mib, MAP_HUGETLB);
	else
		return 2;
	return 0;
}
