/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* mhca-perf: perf.c has options, set-up and rows, perf_run.c the messages. */
#ifndef EXAMPLES_PERF_H
#define EXAMPLES_PERF_H

#include "common.h"

#define PERF_MAX_QPS	256U
#define PERF_MAX_SIZE	(8UL << 20)
#define PERF_PSN	0x123456U

/**
 * struct perf_op - what is measured
 * @name: on the command line
 * @opcode: of the messages
 * @latency: one at a time, timed each
 * @access: what the peer's key must allow
 */
struct perf_op {
	const char *name;
	enum ibv_wr_opcode opcode;
	bool latency;
	int access;
};

extern const struct perf_op perf_ops[];

/* The command line; see usage(). */
struct perf_options {
	const struct perf_op *op;
	const char *name;
	const char *host;
	int service;
	int port;
	size_t size;
	bool all;
	uint32_t iters;
	uint32_t qps;
	uint32_t depth;
	enum ibv_mtu mtu;
	bool verify;
	bool json;
};

/**
 * struct perf - one end
 * @o: options
 * @ctx: instance
 * @pd: PD
 * @send_cq: of requests
 * @recv_cq: of receives
 * @qp: QPs
 * @mem: two slots: the first is sent from or read into, the second written by the peer
 * @bytes: of @mem
 * @slot: bytes of a slot
 * @mr: all of @mem
 * @lid: own port
 * @remote: peer's @mem, @rkey: its key
 * @rkey: see @remote
 * @in: text from the peer, @out: to it
 * @out: see @in
 * @now: message bytes of this row
 * @receiving: receives are posted
 * @time: ns of each message, for latency
 */
struct perf {
	struct perf_options o;
	struct ibv_context *ctx;
	struct ibv_pd *pd;
	struct ibv_cq *send_cq;
	struct ibv_cq *recv_cq;
	struct ibv_qp *qp[PERF_MAX_QPS];
	uint8_t *mem;
	size_t bytes;
	size_t slot;
	struct ibv_mr *mr;
	uint16_t lid;
	uint64_t remote;
	uint32_t rkey;
	FILE *in;
	FILE *out;
	size_t now;
	bool receiving;
	uint64_t *time;
};

static inline bool perf_is_atomic(const struct perf_options *o)
{
	return o->op->opcode == IBV_WR_ATOMIC_FETCH_AND_ADD;
}

/* Latency by an answer of the same kind, as READs and atomics have by themselves. */
static inline bool perf_is_echo(const struct perf_options *o)
{
	return o->op->latency &&
	       (o->op->opcode == IBV_WR_SEND || o->op->opcode == IBV_WR_RDMA_WRITE);
}

/* Both ends say @word and wait for the other's. 0, or -1: it went away. */
int perf_meet(struct perf *p, const char *word);
int perf_bandwidth(struct perf *p, uint64_t *ns);
int perf_latency(struct perf *p);

#endif /* EXAMPLES_PERF_H */
