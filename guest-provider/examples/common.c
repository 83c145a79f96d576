// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <netdb.h>
#include <sched.h>
#include <stdarg.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include "common.h"

#define CONNECT_TRIES	100
#define IDLE_POLLS	256

int ex_fail(const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vfprintf(stderr, format, ap);
	va_end(ap);
	fputc('\n', stderr);
	return 1;
}

uint64_t ex_now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000ULL + (uint64_t)t.tv_nsec;
}

void ex_relax(uint32_t *idle)
{
	if (++*idle % IDLE_POLLS == 0)
		sched_yield();
}

static int try_link(const struct addrinfo *at, bool serve)
{
	int fd = socket(at->ai_family, at->ai_socktype | SOCK_CLOEXEC, at->ai_protocol);
	int one = 1;
	int peer;

	if (fd < 0)
		return -1;
	if (!serve) {
		if (!connect(fd, at->ai_addr, at->ai_addrlen))
			return fd;
		close(fd);
		return -1;
	}
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fd, at->ai_addr, at->ai_addrlen) || listen(fd, 1)) {
		close(fd);
		return -1;
	}
	peer = accept(fd, NULL, NULL);
	close(fd);
	return peer;
}

int ex_link(const char *host, int port)
{
	struct addrinfo hints = {
		.ai_family = AF_INET, .ai_socktype = SOCK_STREAM,
		.ai_flags = host ? 0 : AI_PASSIVE,
	};
	struct addrinfo *list, *at;
	char service[16];
	int fd = -1;
	int tries;

	snprintf(service, sizeof(service), "%d", port);
	if (getaddrinfo(host, service, &hints, &list))
		return -1;
	/* The server may not listen yet. */
	for (tries = 0; fd < 0 && tries < (host ? CONNECT_TRIES : 1); tries++) {
		if (tries)
			usleep(100000);
		for (at = list; at && fd < 0; at = at->ai_next)
			fd = try_link(at, !host);
	}
	freeaddrinfo(list);
	return fd;
}

int ex_service(const char *name)
{
	if (!strcasecmp(name, "rc"))
		return IBV_QPT_RC;
	if (!strcasecmp(name, "uc"))
		return IBV_QPT_UC;
	return strcasecmp(name, "ud") ? -1 : IBV_QPT_UD;
}

enum ibv_mtu ex_mtu(int bytes)
{
	int mtu;

	for (mtu = IBV_MTU_256; mtu <= IBV_MTU_4096; mtu++)
		if (bytes == 128 << mtu)
			return (enum ibv_mtu)mtu;
	return (enum ibv_mtu)0;
}

int ex_init_qp(struct ibv_qp *qp, int access)
{
	struct ibv_qp_attr attr = {
		.qp_state = IBV_QPS_INIT, .port_num = 1, .qkey = EX_QKEY,
		.qp_access_flags = (unsigned int)access,
	};

	return mhca_modify_qp(qp, &attr, IBV_QP_STATE | IBV_QP_PKEY_INDEX | IBV_QP_PORT |
			      (qp->qp_type == IBV_QPT_UD ? IBV_QP_QKEY : IBV_QP_ACCESS_FLAGS));
}

int ex_connect_qp(struct ibv_qp *qp, const struct ex_peer *peer, const struct ex_how *how)
{
	struct ibv_qp_attr attr = {
		.qp_state = IBV_QPS_RTR, .path_mtu = how->mtu, .dest_qp_num = peer->qpn,
		.rq_psn = peer->psn, .sq_psn = how->psn,
		.max_dest_rd_atomic = (uint8_t)how->rd_atomic,
		.max_rd_atomic = (uint8_t)how->rd_atomic,
		.min_rnr_timer = 12, .timeout = 14, .retry_cnt = 7, .rnr_retry = 7,
		.ah_attr = { .dlid = peer->lid, .sl = (uint8_t)how->sl, .port_num = 1 },
	};
	int rtr = IBV_QP_STATE;
	int rts = IBV_QP_STATE | IBV_QP_SQ_PSN;
	int ret;

	if (qp->qp_type != IBV_QPT_UD)
		rtr |= IBV_QP_AV | IBV_QP_PATH_MTU | IBV_QP_DEST_QPN | IBV_QP_RQ_PSN;
	if (qp->qp_type == IBV_QPT_RC) {
		rtr |= IBV_QP_MAX_DEST_RD_ATOMIC | IBV_QP_MIN_RNR_TIMER;
		rts |= IBV_QP_TIMEOUT | IBV_QP_RETRY_CNT | IBV_QP_RNR_RETRY |
		       IBV_QP_MAX_QP_RD_ATOMIC;
	}
	ret = mhca_modify_qp(qp, &attr, rtr);
	attr.qp_state = IBV_QPS_RTS;
	return ret ? ret : mhca_modify_qp(qp, &attr, rts);
}

int ex_post_recv(struct ibv_qp *qp, struct ibv_mr *mr, uint64_t wr_id, uint64_t at, uint32_t len)
{
	struct ibv_sge sge = { .addr = at, .length = len, .lkey = mr->lkey };
	struct ibv_recv_wr wr = { .wr_id = wr_id, .sg_list = &sge, .num_sge = 1 };
	struct ibv_recv_wr *bad;

	return ibv_post_recv(qp, &wr, &bad);
}
