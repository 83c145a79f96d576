// SPDX-License-Identifier: GPL-2.0-only
/* CMP_SWP and FETCH_ADD: values, both ends' memory, and contention. */
#include "verify.h"

#include <stdlib.h>
#include <string.h>

#define TARGET	65536U	/* words that side 1 offers, 8-byte aligned addresses */
#define RESULT	131072U	/* where results arrive */
#define WORDS	32U
#define ROUNDS	2000U	/* contended additions of each side */

/* The arena begins at 72 modulo 4096: offsets that 8 divides are aligned. */
static void atomic_wr(struct side *s, struct ibv_send_wr *wr, struct ibv_sge *sge,
		      uint64_t remote, uint32_t rkey, uint32_t result)
{
	*sge = (struct ibv_sge){ .addr = s->mine.addr + result, .length = 8,
				 .lkey = s->lkey[KEY_GOOD] };
	memset(wr, 0, sizeof(*wr));
	wr->sg_list = sge;
	wr->num_sge = 1;
	wr->send_flags = IBV_SEND_SIGNALED;
	wr->wr.atomic.remote_addr = remote;
	wr->wr.atomic.rkey = rkey;
}

static uint64_t get64(const uint8_t *p)
{
	uint64_t v;

	memcpy(&v, p, 8);
	return v;
}

static void put64(uint8_t *p, uint64_t v)
{
	memcpy(p, &v, 8);
}

/* The value of word @i before, operands, and the value afterwards. */
static uint64_t apply(struct side *s, uint32_t i, struct ibv_send_wr *wr, uint64_t old)
{
	uint64_t a = ((uint64_t)pick(s, ~0U) << 32) | pick(s, ~0U);

	if (i % 3 == 0) {
		wr->opcode = IBV_WR_ATOMIC_FETCH_AND_ADD;
		wr->wr.atomic.compare_add = a;
		return old + a;
	}
	wr->opcode = IBV_WR_ATOMIC_CMP_AND_SWP;
	wr->wr.atomic.swap = a;
	/* Two of three compares match, or differ in a single bit. */
	wr->wr.atomic.compare_add = i % 3 == 1 ? old : old ^ (1ULL << (i % 64));
	return i % 3 == 1 ? a : old;
}

static int values(struct side *s, struct link *l)
{
	arena_reset(s, 262144);
	if (meet(s))
		return -1;
	for (uint32_t i = 0; i < WORDS; i++) {
		uint32_t target = TARGET + i * 24, result = RESULT + i * 31;
		struct ibv_send_wr wr;
		struct ibv_sge sge;
		struct ibv_wc wc;
		uint64_t old, new;
		uint8_t before[8];

		pattern_fill(1, before, target, 8);
		old = get64(before);
		atomic_wr(s, &wr, &sge, s->peer.addr + target,
			  s->peer.rkey[KEY_GOOD], result);
		new = apply(s, i, &wr, old);
		s->messages++;
		s->bytes += 8;
		if (s->index == 1) {
			put64(s->want + target, new);
			continue;
		}
		put64(s->want + result, old);
		link_address(l, &wr);
		if (link_post_send(s, l, &wr) || cq_next(s, &l->send, &wc))
			return -1;
		if (wc.status != IBV_WC_SUCCESS || wc.byte_len != 8)
			return fail(s, "atomic %u: %s, %u bytes", i,
				    ibv_wc_status_str(wc.status), wc.byte_len);
	}
	if (meet(s))
		return -1;
	return arena_check(s, 262144);
}

static int run_values(struct side *s, const void *arg)
{
	struct link l;
	int err = link_open(s, &l, arg);

	if (!err)
		err = values(s, &l);
	link_close(s, &l);
	return err;
}

static int by_value(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

/* All of this side's additions, sixteen in flight; @got: what they returned. */
static int add_ones(struct side *s, struct link *l, uint64_t remote, uint32_t rkey,
		    uint64_t *got)
{
	uint32_t posted = 0, done = 0;

	while (done < ROUNDS) {
		struct ibv_send_wr wr;
		struct ibv_sge sge;
		struct ibv_wc wc;

		if (posted < ROUNDS && posted - done < 16) {
			atomic_wr(s, &wr, &sge, remote, rkey,
				  RESULT + 8 * (posted % 16));
			wr.opcode = IBV_WR_ATOMIC_FETCH_AND_ADD;
			wr.wr.atomic.compare_add = 1;
			if (link_post_send(s, l, &wr))
				return -1;
			posted++;
			continue;
		}
		if (cq_next(s, &l->send, &wc))
			return -1;
		if (wc.status != IBV_WC_SUCCESS)
			return fail(s, "addition %u: %s", done, ibv_wc_status_str(wc.status));
		got[done] = get64(s->mem + RESULT + 8 * (done % 16));
		done++;
	}
	return 0;
}

/*
 * Both sides add to one word of side 1 at once, side 1 through a QP that is
 * connected to itself. The sum and the values returned must fit.
 */
static int contend(struct side *s, struct link *to_owner, struct link *local,
		   uint64_t *got, uint64_t *theirs)
{
	struct link *l = s->index ? local : to_owner;
	uint64_t remote = s->index ? s->mine.addr : s->peer.addr;
	uint32_t rkey = (s->index ? s->mine : s->peer).rkey[KEY_GOOD];

	put64(s->mem + TARGET, 0);
	if (meet(s) || add_ones(s, l, remote + TARGET, rkey, got) ||
	    swap(s, got, theirs, ROUNDS * sizeof(*got)))
		return -1;
	if (s->index && get64(s->mem + TARGET) != 2 * ROUNDS)
		return fail(s, "sum is %llu, not %u",
			    (unsigned long long)get64(s->mem + TARGET), 2 * ROUNDS);
	memcpy(got + ROUNDS, theirs, ROUNDS * sizeof(*got));
	qsort(got, 2 * ROUNDS, sizeof(*got), by_value);
	for (uint64_t i = 0; i < 2 * ROUNDS; i++)
		if (got[i] != i)
			return fail(s, "value %llu was returned twice or never",
				    (unsigned long long)i);
	s->messages += 2 * ROUNDS;
	return 0;
}

/* A connection of this side's QP to another QP of this side. */
static int self_connect(struct side *s, struct link *a, struct link *b)
{
	struct ibv_qp *qp[2] = { a->qp, b->qp };
	struct ibv_qp_attr reset = { .qp_state = IBV_QPS_RESET };

	for (int i = 0; i < 2; i++)
		if (ibv_modify_qp(qp[i], &reset, IBV_QP_STATE) ||
		    link_connect_qp(s, a, qp[i], qp[!i]->qp_num))
			return fail(s, "connection to itself: %m");
	return 0;
}

static int run_contention(struct side *s, const void *arg)
{
	uint64_t *got = calloc(3 * ROUNDS, sizeof(*got));
	struct link owner, a, b;
	int err = got ? 0 : fail(s, "no memory");

	memset(&owner, 0, sizeof(owner));
	memset(&a, 0, sizeof(a));
	memset(&b, 0, sizeof(b));
	err = err || link_open(s, &owner, arg) || link_open(s, &a, arg) ||
	      link_open(s, &b, arg) || self_connect(s, &a, &b) ||
	      contend(s, &owner, &a, got, got + 2 * ROUNDS);
	link_close(s, &b);
	link_close(s, &a);
	link_close(s, &owner);
	free(got);
	return err ? -1 : 0;
}

const struct test atomic_tests[] = {
	{ "rc_atomic_values", run_values, &(const struct link_attr){ .transport = RC } },
	{ "xrc_atomic_values", run_values, &(const struct link_attr){ .transport = XRC } },
	{ "rc_atomic_contention", run_contention,
	  &(const struct link_attr){ .transport = RC } },
};
const size_t n_atomic_tests = ARRAY_SIZE(atomic_tests);
