/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What mhca-pingpong and mhca-perf share: the link by TCP, QPs, waiting. */
#ifndef EXAMPLES_COMMON_H
#define EXAMPLES_COMMON_H

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <libmhca.h>

#define EX_QKEY		0x11111111U

/* Prints and returns 1, what a program ends with. */
int ex_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));
uint64_t ex_now_ns(void);
/* In every polling loop: lets others have the CPU when nothing comes for long. */
void ex_relax(uint32_t *idle);

/* A connected socket: to @host, or of whoever comes when that is NULL. -1: none. */
int ex_link(const char *host, int port);

/* "rc", "uc", "ud"; -1: something else. */
int ex_service(const char *name);
/* 256 … 4096 bytes as enum ibv_mtu; 0: none of them. */
enum ibv_mtu ex_mtu(int bytes);

/**
 * struct ex_peer - the other end of a QP
 * @lid: port
 * @qpn: QP
 * @psn: its first
 */
struct ex_peer {
	uint16_t lid;
	uint32_t qpn;
	uint32_t psn;
};

/**
 * struct ex_how - how a QP is to be connected
 * @mtu: path MTU
 * @psn: our first
 * @sl: service level
 * @rd_atomic: outstanding READs and atomics
 */
struct ex_how {
	enum ibv_mtu mtu;
	uint32_t psn;
	int sl;
	int rd_atomic;
};

/* RESET to INIT; then to RTS, once the peer is known. 0 or an errno. */
int ex_init_qp(struct ibv_qp *qp, int access);
int ex_connect_qp(struct ibv_qp *qp, const struct ex_peer *peer, const struct ex_how *how);

int ex_post_recv(struct ibv_qp *qp, struct ibv_mr *mr, uint64_t wr_id, uint64_t at,
		 uint32_t len);

/* The programs; main.c calls one of them. */
int pingpong_main(int argc, char **argv);
int perf_main(int argc, char **argv);

#endif /* EXAMPLES_COMMON_H */
