// SPDX-License-Identifier: GPL-2.0-only
/*
 * What must not work. Each case is one bad request on a fresh connection, with
 * good ones behind it: the bad one completes with its status, the rest are
 * flushed, and no byte of either arena changes.
 */
#include "verify.h"

#include <stdio.h>
#include <string.h>

#define CHECKED	65536U	/* bytes of the arena that are looked at */
#define BEHIND	3U	/* good requests after the bad one */
#define RECVS	2U

/**
 * struct error_case - one mistake
 * @op: operation
 * @local_key: region of the sender's memory
 * @remote_key: region of the target's memory
 * @recv_key: region of the receive's memory
 * @local_off: offset of the sender's memory from its arena; 64-bit wrap allowed
 * @remote_off: … of the target's memory
 * @len: bytes (default 64)
 * @recv_len: bytes of the receive (default 64)
 * @access: of the target's QP; 0: all
 * @want: bit mask of statuses the sender may see
 * @recv_want: bit mask of statuses of the first receive; 0: it stays, or is
 *             flushed when the responder's QP broke
 * @transport: service
 */
struct error_case {
	enum ibv_wr_opcode op;
	enum key local_key;
	enum key remote_key;
	enum key recv_key;
	uint64_t local_off;
	uint64_t remote_off;
	uint32_t len;
	uint32_t recv_len;
	unsigned int access;
	unsigned int want;
	unsigned int recv_want;
	enum transport transport;
};

#define WC(status)	(1U << IBV_WC_##status)

static uint32_t length(const struct error_case *c)
{
	return c->len ? c->len : 64;
}

/* Unsigned, so that a table may name places before and far behind the arena. */
static void bad_request(struct side *s, struct link *l, const struct error_case *c,
			struct ibv_send_wr *wr, struct ibv_sge *sge)
{
	*sge = (struct ibv_sge){ .addr = s->mine.addr + 1024 + c->local_off,
				 .length = length(c), .lkey = s->lkey[c->local_key] };
	memset(wr, 0, sizeof(*wr));
	wr->opcode = c->op;
	wr->sg_list = sge;
	wr->num_sge = 1;
	link_address(l, wr);
	if (c->op == IBV_WR_ATOMIC_CMP_AND_SWP || c->op == IBV_WR_ATOMIC_FETCH_AND_ADD) {
		sge->length = 8;
		wr->wr.atomic.remote_addr = s->peer.addr + 2048 + c->remote_off;
		wr->wr.atomic.rkey = s->peer.rkey[c->remote_key];
		wr->wr.atomic.compare_add = 1;
	} else if (c->op == IBV_WR_SEND_WITH_INV) {
		wr->invalidate_rkey = s->peer.rkey[c->remote_key];
	} else {
		wr->wr.rdma.remote_addr = s->peer.addr + 2048 + c->remote_off;
		wr->wr.rdma.rkey = s->peer.rkey[c->remote_key];
	}
}

/* The bad one unsignalled: an error is reported all the same. */
static int send_bad(struct side *s, struct link *l, const struct error_case *c)
{
	struct ibv_sge sge[1 + BEHIND];
	struct ibv_send_wr wr[1 + BEHIND];
	const struct error_case good = { .op = IBV_WR_RDMA_WRITE, .len = 32 };
	struct ibv_wc wc;

	bad_request(s, l, c, &wr[0], &sge[0]);
	for (uint32_t i = 1; i <= BEHIND; i++) {
		bad_request(s, l, &good, &wr[i], &sge[i]);
		wr[i].wr_id = i;
		wr[i - 1].next = &wr[i];
		if (i & 1)
			wr[i].send_flags = IBV_SEND_SIGNALED;
	}
	if (link_post_send(s, l, wr) || cq_next(s, &l->send, &wc))
		return -1;
	if (wc.wr_id || !(c->want & (1U << wc.status)))
		return fail(s, "wr_id %llu ended with \"%s\"",
			    (unsigned long long)wc.wr_id, ibv_wc_status_str(wc.status));
	for (uint32_t i = 1; i <= BEHIND; i++)
		if (cq_flushed(s, &l->send, i))
			return -1;
	if (link_state(l->qp) != IBV_QPS_ERR)
		return fail(s, "QP is not in ERR after \"%s\"",
			    ibv_wc_status_str(wc.status));
	/* What is posted from now on is flushed as well. */
	bad_request(s, l, &good, &wr[0], &sge[0]);
	wr[0].wr_id = 77;
	return link_post_send(s, l, &wr[0]) || cq_flushed(s, &l->send, 77);
}

static int post_receives(struct side *s, struct link *l, const struct error_case *c)
{
	for (uint32_t i = 0; i < RECVS; i++) {
		struct ibv_sge sge = { .addr = s->mine.addr + 4096 + i * 4096,
				       .length = c->recv_len ? c->recv_len : 64,
				       .lkey = s->lkey[c->recv_key] };
		struct ibv_recv_wr wr = { .wr_id = i, .sg_list = &sge, .num_sge = 1 };

		if (link_post_recv(s, l, &wr))
			return -1;
	}
	return 0;
}

/* The receives: the guilty one with its status, all others flushed in the end. */
static int reap_receives(struct side *s, struct link *l, const struct error_case *c)
{
	struct ibv_wc wc;
	uint32_t i = 0;

	if (c->recv_want) {
		if (cq_next(s, &l->recv, &wc))
			return -1;
		if (wc.wr_id || !(c->recv_want & (1U << wc.status)))
			return fail(s, "receive %llu ended with \"%s\"",
				    (unsigned long long)wc.wr_id,
				    ibv_wc_status_str(wc.status));
		i = 1;
	}
	if (l->xrc_qp)
		return cq_empty(s, &l->recv);	/* an SRQ is not flushed */
	if (link_break(s, l))
		return -1;
	for (; i < RECVS; i++)
		if (cq_flushed(s, &l->recv, i))
			return -1;
	/* A drain: posted in ERR, seen without any doorbell. */
	return post_receives(s, l, c) || cq_flushed(s, &l->recv, 0) ||
	       cq_flushed(s, &l->recv, 1) ? -1 : 0;
}

static int run_error(struct side *s, const void *arg)
{
	const struct error_case *c = arg;
	struct link_attr attr = { .transport = c->transport,
				  .access = s->index ? c->access : 0 };
	struct link l;
	int err = link_open(s, &l, &attr);

	arena_reset(s, CHECKED);
	if (!err && s->index == 1)
		err = post_receives(s, &l, c);
	err = err ? err : meet(s);
	if (!err && s->index == 0)
		err = send_bad(s, &l, c);
	err = err ? err : meet(s);
	if (!err && s->index == 1)
		err = reap_receives(s, &l, c);
	if (!err)
		err = arena_check(s, CHECKED);
	link_close(s, &l);
	return err ? -1 : 0;
}

/* ---- Silence, and receivers that are not ready ------------------------- */

static int post_send(struct side *s, struct link *l, uint64_t id)
{
	struct ibv_sge sge = { .addr = s->mine.addr, .length = 64,
			       .lkey = s->lkey[KEY_GOOD] };
	struct ibv_send_wr wr = { .wr_id = id, .opcode = IBV_WR_SEND, .sg_list = &sge,
				  .num_sge = 1, .send_flags = IBV_SEND_SIGNALED };

	link_address(l, &wr);
	return link_post_send(s, l, &wr);
}

static int want_status(struct side *s, struct cq *cq, enum ibv_wc_status status)
{
	struct ibv_wc wc;

	if (cq_next(s, cq, &wc))
		return -1;
	return wc.status == status ? 0 :
	       fail(s, "wr_id %llu: \"%s\", not \"%s\"", (unsigned long long)wc.wr_id,
		    ibv_wc_status_str(wc.status), ibv_wc_status_str(status));
}

static int run_rnr_finite(struct side *s, const void *arg)
{
	struct link l;
	int err = link_open(s, &l, arg);

	if (!err && s->index == 0)
		err = post_send(s, &l, 1) ||
		      want_status(s, &l.send, IBV_WC_RNR_RETRY_EXC_ERR);
	err = err ? err : meet(s);
	link_close(s, &l);
	return err ? -1 : 0;
}

/* The receive comes after the message: it waits, and then it is delivered. */
static int run_rnr_late(struct side *s, const void *arg)
{
	const struct error_case receives = { .recv_len = 64 };
	struct link l;
	int err = link_open(s, &l, arg);

	arena_reset(s, CHECKED);
	if (!err && s->index == 0)
		err = post_send(s, &l, 1);
	err = err ? err : meet(s);
	if (!err && s->index == 0)
		err = cq_empty(s, &l.send);
	err = err ? err : meet(s);
	if (!err && s->index == 1) {
		err = post_receives(s, &l, &receives) ||
		      want_status(s, &l.recv, IBV_WC_SUCCESS);
		pattern_fill(0, s->want + 4096, 0, 64);
		s->messages++;
		s->bytes += 64;
	}
	if (!err && s->index == 0)
		err = want_status(s, &l.send, IBV_WC_SUCCESS);
	err = err ? err : meet(s);
	if (!err)
		err = arena_check(s, CHECKED);
	link_close(s, &l);
	return err ? -1 : 0;
}

/* The target's QP is gone: the sender gives up after its retries. */
static int run_dead_peer(struct side *s, const void *arg)
{
	struct link l;
	int err = link_open(s, &l, arg);

	if (!err && s->index == 1)
		link_close(s, &l);
	err = err ? err : meet(s);
	if (!err && s->index == 0)
		err = post_send(s, &l, 1) || post_send(s, &l, 2) ||
		      want_status(s, &l.send, IBV_WC_RETRY_EXC_ERR) ||
		      cq_flushed(s, &l.send, 2);
	err = err ? err : meet(s);
	link_close(s, &l);
	return err ? -1 : 0;
}

/* UC: a message nobody waits for is lost, silently; the next one arrives. */
static int run_uc_loss(struct side *s, const void *arg)
{
	const struct error_case receives = { .recv_len = 64 };
	struct link l;
	int err = link_open(s, &l, arg);

	arena_reset(s, CHECKED);
	if (!err && s->index == 0)
		err = post_send(s, &l, 1) || want_status(s, &l.send, IBV_WC_SUCCESS);
	err = err ? err : meet(s);
	if (!err && s->index == 1)
		err = cq_empty(s, &l.recv) || post_receives(s, &l, &receives);
	err = err ? err : meet(s);
	if (!err && s->index == 0)
		err = post_send(s, &l, 2) || want_status(s, &l.send, IBV_WC_SUCCESS);
	if (!err && s->index == 1) {
		err = want_status(s, &l.recv, IBV_WC_SUCCESS);
		pattern_fill(0, s->want + 4096, 0, 64);
	}
	err = err ? err : meet(s);
	if (!err)
		err = arena_check(s, CHECKED);
	link_close(s, &l);
	return err ? -1 : 0;
}

/* ---- The table ----------------------------------------------------------- */

/* From 1024 or 2048 bytes behind the arena's start to its end, but for @n. */
#define LOCAL_END(n)	(ARENA_SIZE - 1024 - (n))
#define REMOTE_END(n)	(ARENA_SIZE - 2048 - (n))

#define CASE(name, ...)	{ "error_" name, run_error, &(const struct error_case){ __VA_ARGS__ } }
#define WRITE_CASE(name, ...)	CASE(name, .op = IBV_WR_RDMA_WRITE, __VA_ARGS__)
#define READ_CASE(name, ...)	CASE(name, .op = IBV_WR_RDMA_READ, __VA_ARGS__)
#define SEND_CASE(name, ...)	CASE(name, .op = IBV_WR_SEND, __VA_ARGS__)
#define FADD_CASE(name, ...)	CASE(name, .op = IBV_WR_ATOMIC_FETCH_AND_ADD, __VA_ARGS__)

#define LOCAL	.want = WC(LOC_PROT_ERR)
#define REMOTE	.want = WC(REM_ACCESS_ERR)

const struct test error_tests[] = {
	SEND_CASE("send_unknown_lkey", .local_key = KEY_UNKNOWN, LOCAL),
	SEND_CASE("send_stale_lkey", .local_key = KEY_STALE, LOCAL),
	SEND_CASE("send_lkey_of_other_pd", .local_key = KEY_ALIEN, LOCAL),
	SEND_CASE("send_one_byte_outside", .local_off = LOCAL_END(63), LOCAL),
	SEND_CASE("send_before_region", .local_off = -1025ULL, LOCAL),
	SEND_CASE("send_length_too_big", .len = 0x40000000, LOCAL | WC(LOC_LEN_ERR)),
	WRITE_CASE("write_stale_lkey", .local_key = KEY_STALE, LOCAL),
	READ_CASE("read_into_readonly", .local_key = KEY_NONE, LOCAL),
	READ_CASE("read_into_other_pd", .local_key = KEY_ALIEN, LOCAL),
	FADD_CASE("atomic_into_readonly", .local_key = KEY_NONE, LOCAL),
	WRITE_CASE("write_unknown_rkey", .remote_key = KEY_UNKNOWN, REMOTE),
	WRITE_CASE("write_stale_rkey", .remote_key = KEY_STALE, REMOTE),
	WRITE_CASE("write_rkey_of_other_pd", .remote_key = KEY_ALIEN, REMOTE),
	WRITE_CASE("write_without_permission", .remote_key = KEY_NO_WRITE, REMOTE),
	WRITE_CASE("write_local_only_region", .remote_key = KEY_NONE, REMOTE),
	WRITE_CASE("write_one_byte_outside", .remote_off = REMOTE_END(63), REMOTE),
	WRITE_CASE("write_before_region", .remote_off = -2049ULL, REMOTE),
	WRITE_CASE("write_over_the_end", .len = 1 << 20, .remote_off = REMOTE_END(1000),
		   REMOTE),
	READ_CASE("read_without_permission", .remote_key = KEY_NO_READ, REMOTE),
	READ_CASE("read_unknown_rkey", .remote_key = KEY_UNKNOWN, REMOTE),
	READ_CASE("read_rkey_of_other_pd", .remote_key = KEY_ALIEN, REMOTE),
	READ_CASE("read_one_byte_outside", .remote_off = REMOTE_END(63), REMOTE),
	FADD_CASE("atomic_without_permission", .remote_key = KEY_NO_WRITE, REMOTE),
	FADD_CASE("atomic_outside", .remote_off = REMOTE_END(0), REMOTE),
	FADD_CASE("atomic_misaligned", .remote_off = 4, .want = WC(REM_INV_REQ_ERR)),
	CASE("write_imm_unknown_rkey", .op = IBV_WR_RDMA_WRITE_WITH_IMM,
	     .remote_key = KEY_UNKNOWN, REMOTE),
	WRITE_CASE("write_qp_forbids", .access = IBV_ACCESS_REMOTE_READ,
		   .want = WC(REM_INV_REQ_ERR) | WC(REM_ACCESS_ERR)),
	READ_CASE("read_qp_forbids", .access = IBV_ACCESS_REMOTE_WRITE,
		  .want = WC(REM_INV_REQ_ERR) | WC(REM_ACCESS_ERR)),
	FADD_CASE("atomic_qp_forbids", .access = IBV_ACCESS_REMOTE_WRITE,
		  .want = WC(REM_INV_REQ_ERR) | WC(REM_ACCESS_ERR)),
	SEND_CASE("send_longer_than_receive", .recv_len = 63,
		  .want = WC(REM_INV_REQ_ERR), .recv_want = WC(LOC_LEN_ERR)),
	SEND_CASE("receive_unknown_lkey", .recv_key = KEY_UNKNOWN,
		  .want = WC(REM_OP_ERR), .recv_want = WC(LOC_PROT_ERR)),
	SEND_CASE("receive_into_readonly", .recv_key = KEY_NONE,
		  .want = WC(REM_OP_ERR), .recv_want = WC(LOC_PROT_ERR)),
	SEND_CASE("receive_into_other_pd", .recv_key = KEY_ALIEN,
		  .want = WC(REM_OP_ERR), .recv_want = WC(LOC_PROT_ERR)),
	/* There are no memory windows, so no key that a peer may invalidate. */
	CASE("send_invalidate_region", .op = IBV_WR_SEND_WITH_INV, REMOTE,
	     .recv_want = WC(MW_BIND_ERR)),
	WRITE_CASE("xrc_write_unknown_rkey", .transport = XRC,
		   .remote_key = KEY_UNKNOWN, REMOTE),
	{ "rnr_finite", run_rnr_finite, &(const struct link_attr){ .rnr_retry = 6 } },
	{ "rnr_late_receive", run_rnr_late, &(const struct link_attr){ .transport = RC } },
	{ "rnr_late_srq", run_rnr_late, &(const struct link_attr){ .srq = true } },
	{ "dead_peer", run_dead_peer, &(const struct link_attr){ .no_retry = true } },
	{ "uc_loss", run_uc_loss, &(const struct link_attr){ .transport = UC } },
};
const size_t n_error_tests = ARRAY_SIZE(error_tests);
