// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* mhca-perf's messages. With --verify data is made for each row and compared after it. */
#include "perf.h"

static uint8_t byte_at(size_t i, size_t size, int side)
{
	return (uint8_t)(i * 131 + (i >> 8) + size + (size_t)side * 77);
}

static void fill(uint8_t *at, size_t size, int side)
{
	size_t i;

	for (i = 0; i < size; i++)
		at[i] = byte_at(i, size, side);
}

static int compare(const uint8_t *at, size_t size, int side, const char *what)
{
	size_t i;

	for (i = 0; i < size; i++)
		if (at[i] != byte_at(i, size, side))
			return ex_fail("%s: byte %zu of %zu is 0x%02x, not 0x%02x", what, i, size,
				       at[i], byte_at(i, size, side));
	return 0;
}

/* The client is side 0. */
static int side(const struct perf *p)
{
	return p->o.host ? 0 : 1;
}

static int post(struct perf *p, struct ibv_qp *qp)
{
	struct ibv_sge sge = { .addr = (uintptr_t)p->mem, .length = (uint32_t)p->now,
			       .lkey = p->mr->lkey };
	struct ibv_send_wr *bad, wr = {
		.sg_list = &sge, .num_sge = 1, .opcode = p->o.op->opcode,
		.send_flags = IBV_SEND_SIGNALED,
	};

	if (perf_is_atomic(&p->o)) {
		wr.wr.atomic.remote_addr = p->remote + p->slot;
		wr.wr.atomic.rkey = p->rkey;
		wr.wr.atomic.compare_add = 1;
	} else {
		wr.wr.rdma.remote_addr = p->remote + (p->o.op->opcode == IBV_WR_RDMA_READ ? 0 :
						      p->slot);
		wr.wr.rdma.rkey = p->rkey;
	}
	return ibv_post_send(qp, &wr, &bad);
}

static int post_recv(struct perf *p, uint32_t qp)
{
	return ex_post_recv(p->qp[qp], p->mr, qp, (uintptr_t)p->mem + p->slot, (uint32_t)p->slot);
}

/* Completions that are there; -1: one with error. */
static int reap(struct ibv_cq *cq, uint32_t *qp)
{
	struct ibv_wc wc;
	int n = ibv_poll_cq(cq, 1, &wc);

	if (n > 0 && wc.status) {
		ex_fail("completion with error: %s (vendor 0x%x)",
			mhca_wc_status_str(wc.status), wc.vendor_err);
		return -1;
	}
	if (n > 0 && qp)
		*qp = (uint32_t)wc.wr_id;
	return n;
}

/* Until @n more have come; @again: post the receives anew. */
static int await(struct perf *p, struct ibv_cq *cq, uint32_t n, bool again)
{
	uint32_t qp = 0, idle = 0;
	int got;

	while (n) {
		got = reap(cq, &qp);
		if (!got)
			ex_relax(&idle);
		if (got < 0 || (got && again && post_recv(p, qp)))
			return -1;
		n -= (uint32_t)got;
	}
	return 0;
}

/* ---- Data of a row ------------------------------------------------------------ */

static int begin_row(struct perf *p)
{
	if (p->o.verify || perf_is_atomic(&p->o)) {
		memset(p->mem, 0, p->bytes);
		fill(p->mem, p->now, side(p));
		if (perf_is_atomic(&p->o))
			memset(p->mem, 0, p->bytes);
	}
	return perf_meet(p, "begin");
}

static int check_row(struct perf *p)
{
	uint64_t word;

	if (!p->o.verify)
		return 0;
	if (perf_is_atomic(&p->o)) {
		memcpy(&word, p->mem + p->slot, sizeof(word));
		if (!p->o.host && word != (uint64_t)p->o.iters * p->o.qps)
			return ex_fail("the sum is %llu, not %llu", (unsigned long long)word,
				       (unsigned long long)p->o.iters * p->o.qps);
		return 0;
	}
	if (p->o.op->opcode == IBV_WR_RDMA_READ)
		return p->o.host ? compare(p->mem, p->now, 1, "READ") : 0;
	if (!p->o.host || perf_is_echo(&p->o))
		return compare(p->mem + p->slot, p->now, !side(p), "received");
	return 0;
}

static int end_row(struct perf *p, int ret)
{
	/* The peer's memory is not looked at before everything has arrived there. */
	if (ret || perf_meet(p, "end"))
		return 1;
	ret = check_row(p);
	return perf_meet(p, ret ? "wrong" : "right") || ret ? 1 : 0;
}

/* ---- Bandwidth ----------------------------------------------------------------- */

static int send_all(struct perf *p)
{
	uint64_t total = (uint64_t)p->o.iters * p->o.qps;
	uint64_t posted = 0, done = 0;
	uint32_t idle = 0;
	int n;

	while (done < total) {
		while (posted < total && posted - done < (uint64_t)p->o.depth * p->o.qps) {
			if (post(p, p->qp[posted % p->o.qps]))
				break;
			posted++;
		}
		n = reap(p->send_cq, NULL);
		if (n < 0)
			return 1;
		if (!n)
			ex_relax(&idle);
		done += (uint64_t)n;
	}
	return 0;
}

int perf_bandwidth(struct perf *p, uint64_t *ns)
{
	bool receives = !p->o.host && p->o.op->opcode == IBV_WR_SEND;
	uint64_t start;
	uint32_t i;
	int ret = 0;

	/* Each is posted anew when it was used, so they serve all rows. */
	for (i = 0; receives && !p->receiving && i < p->o.depth * p->o.qps; i++)
		if (post_recv(p, i % p->o.qps))
			return ex_fail("post_recv");
	p->receiving = receives;
	if (begin_row(p))
		return ex_fail("the other end went away");
	start = ex_now_ns();
	if (p->o.host)
		ret = send_all(p);
	else if (receives)
		ret = await(p, p->recv_cq, p->o.iters * p->o.qps, true);
	*ns = ex_now_ns() - start;
	return end_row(p, ret);
}

/* ---- Latency --------------------------------------------------------------------- */

/*
 * A WRITE announces itself by its last byte: each message carries another one there,
 * and it becomes visible last.
 */
static void await_byte(struct perf *p, uint8_t value)
{
	volatile uint8_t *last = p->mem + p->slot + p->now - 1;
	uint32_t idle = 0;

	while (*last != value)
		ex_relax(&idle);
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
}

static int receive_one(struct perf *p, uint8_t mark)
{
	if (p->o.op->opcode == IBV_WR_SEND)
		return await(p, p->recv_cq, 1, true);
	await_byte(p, mark);
	return 0;
}

static int send_one(struct perf *p, uint8_t mark)
{
	if (p->o.op->opcode == IBV_WR_RDMA_WRITE)
		p->mem[p->now - 1] = mark;
	return post(p, p->qp[0]) || await(p, p->send_cq, 1, false);
}

/* The last mark is what the pattern has there, so that the data can be compared. */
static uint8_t mark_of(const struct perf *p, uint32_t i, int from)
{
	uint8_t last = byte_at(p->now - 1, p->now, from);

	return i + 1 == p->o.iters ? last : (uint8_t)(last + 1 + i % 2);
}

int perf_latency(struct perf *p)
{
	bool echo = perf_is_echo(&p->o);
	uint64_t start;
	uint32_t i;
	int ret = 0;

	for (i = 0; echo && p->o.op->opcode == IBV_WR_SEND && !p->receiving && i < 4; i++)
		if (post_recv(p, 0))
			return ex_fail("post_recv");
	p->receiving = true;
	memset(p->mem, 0, p->bytes);
	fill(p->mem, p->now, side(p));
	/* Not the first mark, whatever that is. */
	p->mem[p->slot + p->now - 1] = (uint8_t)(mark_of(p, 0, !side(p)) + 100);
	if (perf_is_atomic(&p->o))
		memset(p->mem, 0, p->bytes);
	if (perf_meet(p, "begin"))
		return ex_fail("the other end went away");
	for (i = 0; !ret && i < p->o.iters && (p->o.host || echo); i++) {
		start = ex_now_ns();
		if (p->o.host)
			ret = send_one(p, mark_of(p, i, 0)) ||
			      (echo && receive_one(p, mark_of(p, i, 1)));
		else
			ret = receive_one(p, mark_of(p, i, 0)) || send_one(p, mark_of(p, i, 1));
		p->time[i] = ex_now_ns() - start;
	}
	return end_row(p, ret);
}
