// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Reliable connections over packets: every operation, every loss. */
#include "wire_rig.h"

#define MTU	1024U

/* ---- Operations ------------------------------------------------------------ */

static const u32 sizes[] = {
	0, 1, MTU - 1, MTU, MTU + 1, 2 * MTU, 2 * MTU + 3, 10 * MTU, 150000,
};

static void check_send(struct pair *p, u8 opcode, u32 len, u32 seed)
{
	struct client_wc wc;

	fill(p->g[0]->buf.va, len, seed);
	memset((u8 *)p->g[1]->buf.va + RIG_TO, 0, len + 8);
	recv_one(p, 1, 7, RIG_TO, 200000);
	rig_post(p, 0, opcode, len, 1);
	wc = rig_wc(1);
	assert_int_equal(wc.status, 0);
	assert_int_equal(wc.wr_id, 7);
	assert_int_equal(wc.bytes, len);
	if (opcode == MLX5_OPCODE_SEND_IMM)
		assert_int_equal(be32_to_cpu(wc.imm), 0xabcd);
	rig_expect(0, 1, 0);
	assert_filled((u8 *)p->g[1]->buf.va + RIG_TO, len, seed);
	assert_int_equal(((u8 *)p->g[1]->buf.va)[RIG_TO + len], 0);
}

static void sends(void **state)
{
	struct pair p;
	u32 i;

	(void)state;
	rig_open(&p, MLX5_QP_ST_RC, NULL);
	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		check_send(&p, MLX5_OPCODE_SEND, sizes[i], i);
		check_send(&p, MLX5_OPCODE_SEND_IMM, sizes[i], i + 100);
	}
	assert_true(rig.seen[0] > 300);
	pair_close(&p);
}

static void writes_and_reads(void **state)
{
	struct world *w = *state;
	struct client_wc wc;
	struct pair p;
	u32 i;

	rig_open(&p, MLX5_QP_ST_RC, NULL);
	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		fill(w->g[0].buf.va, sizes[i], i);
		rig_post(&p, 0, MLX5_OPCODE_RDMA_WRITE, sizes[i], 1);
		rig_expect(0, 1, 0);
		assert_filled((u8 *)w->g[1].buf.va + RIG_TO, sizes[i], i);

		recv_one(&p, 1, 7, 0, 0);
		fill(w->g[0].buf.va, sizes[i], i + 50);
		rig_post(&p, 0, MLX5_OPCODE_RDMA_WRITE_IMM, sizes[i], 2);
		wc = rig_wc(1);
		assert_int_equal(wc.status, 0);
		assert_int_equal(wc.bytes, sizes[i]);
		assert_int_equal(be32_to_cpu(wc.imm), 0xabcd);
		rig_expect(0, 2, 0);
		assert_filled((u8 *)w->g[1].buf.va + RIG_TO, sizes[i], i + 50);

		fill((u8 *)w->g[1].buf.va + RIG_TO, sizes[i], i + 70);
		rig_post(&p, 0, MLX5_OPCODE_RDMA_READ, sizes[i], 3);
		rig_expect(0, 3, 0);
		assert_filled(w->g[0].buf.va, sizes[i], i + 70);
	}
	pair_close(&p);
}

static void atomics(void **state)
{
	struct world *w = *state;
	u64 *word = (u64 *)((u8 *)w->g[1].buf.va + RIG_TO), *old = (u64 *)w->g[0].buf.va;
	struct client_sge sge = sge_of(&w->g[0], 0, 8);
	struct client_send wr = {
		.opcode = MLX5_OPCODE_ATOMIC_FA, .wr_id = 1, .flags = CLIENT_SIGNALED, .sge = &sge,
		.n_sge = 1, .remote_addr = (uintptr_t)word, .rkey = w->g[1].key, .swap_add = 5,
	};
	struct pair p;

	rig_open(&p, MLX5_QP_ST_RC, NULL);
	*word = 0x1122334455667788;
	assert_ok(client_post_send(&p.qp[0], &wr));
	rig_expect(0, 1, 0);
	assert_int_equal(*old, 0x1122334455667788);
	assert_int_equal(*word, 0x112233445566778d);
	wr.opcode = MLX5_OPCODE_ATOMIC_CS;
	wr.compare = *word;
	wr.swap_add = 42;
	assert_ok(client_post_send(&p.qp[0], &wr));
	rig_expect(0, 1, 0);
	assert_int_equal(*old, 0x112233445566778d);
	assert_int_equal(*word, 42);
	pair_close(&p);
}

/* ---- Losses, one at a time ---------------------------------------------------- */

static struct {
	u32 from;
	u32 nth;
	u32 n;
	u32 packets[2];
} lose;

static bool lose_nth(struct rig *r, u32 from, const struct wire_packet *packet)
{
	(void)r;
	(void)packet;
	lose.packets[from]++;
	return from != lose.from || lose.packets[from] < lose.nth ||
	       lose.packets[from] >= lose.nth + lose.n;
}

/* Each frame of each message is lost once, of either side: all is there, and nothing twice. */
static void each_loss(void **state)
{
	static const u8 opcodes[] = {
		MLX5_OPCODE_SEND, MLX5_OPCODE_RDMA_WRITE, MLX5_OPCODE_RDMA_WRITE_IMM,
		MLX5_OPCODE_RDMA_READ,
	};
	struct world *w = *state;
	struct pair p;
	u32 i, n;

	rig_open(&p, MLX5_QP_ST_RC, NULL);
	rig.judge = lose_nth;
	for (i = 0; i < ARRAY_SIZE(opcodes); i++) {
		bool read = opcodes[i] == MLX5_OPCODE_RDMA_READ;
		bool recv = opcodes[i] != MLX5_OPCODE_RDMA_WRITE && !read;

		for (n = 0; n < 18; n++) {
			memset(&lose, 0, sizeof(lose));
			lose.from = n % 2;
			lose.nth = n / 2 + 1;
			lose.n = 1 + n % 3;
			fill(read ? (u8 *)w->g[1].buf.va + RIG_TO : w->g[0].buf.va, 7 * MTU - 1, n);
			if (recv)
				recv_one(&p, 1, 7, RIG_TO, 8 * MTU);
			rig_post(&p, 0, opcodes[i], 7 * MTU - 1, n);
			rig_expect(0, n, 0);
			if (recv)
				rig_expect(1, 7, 0);
			assert_filled(read ? w->g[0].buf.va : (u8 *)w->g[1].buf.va + RIG_TO,
				      7 * MTU - 1, n);
			rig_quiet(20 * NSEC_PER_MSEC);
		}
	}
	assert_int_equal(qp_state(&p.qp[0]), MLX5_QP_STATE_RTS);
	pair_close(&p);
}

/* An atomic whose answer is lost is answered again, and not executed again. */
static void atomic_once(void **state)
{
	struct world *w = *state;
	u64 *word = (u64 *)((u8 *)w->g[1].buf.va + RIG_TO), *old = (u64 *)w->g[0].buf.va;
	struct client_sge sge = sge_of(&w->g[0], 0, 8);
	struct client_send wr = {
		.opcode = MLX5_OPCODE_ATOMIC_FA, .wr_id = 1, .flags = CLIENT_SIGNALED, .sge = &sge,
		.n_sge = 1, .remote_addr = (uintptr_t)word, .rkey = w->g[1].key, .swap_add = 1,
	};
	struct pair p;
	u32 i;

	rig_open(&p, MLX5_QP_ST_RC, NULL);
	rig.judge = lose_nth;
	*word = 0;
	for (i = 0; i < 40; i++) {
		memset(&lose, 0, sizeof(lose));
		lose.from = i % 2;
		lose.nth = 1;
		lose.n = 1 + i % 4;
		assert_ok(client_post_send(&p.qp[0], &wr));
		rig_expect(0, 1, 0);
		assert_int_equal(*old, i);
		assert_int_equal(*word, i + 1);
	}
	pair_close(&p);
}

static bool lose_all(struct rig *r, u32 from, const struct wire_packet *packet)
{
	(void)r;
	(void)packet;
	lose.packets[from]++;
	return false;
}

static void two_retries(struct client_modify *m, u32 side)
{
	(void)side;
	m->retry = 2;
	m->ack_timeout = 10;	/* 4.2 ms */
}

/* Nobody answers: so many timeouts and one, then the error. */
static void blackout(void **state)
{
	struct world *w = *state;
	struct pair p;

	rig_open(&p, MLX5_QP_ST_RC, two_retries);
	rig.judge = lose_all;
	fill(w->g[0].buf.va, 3000, 9);
	rig_post(&p, 0, MLX5_OPCODE_RDMA_WRITE, 3000, 1);
	rig_quiet(8 * NSEC_PER_MSEC);
	rig.judge = NULL;
	rig_expect(0, 1, 0);
	assert_filled((u8 *)w->g[1].buf.va + RIG_TO, 3000, 9);

	/* That gave its retries back. */
	rig.judge = lose_all;
	rig_post(&p, 0, MLX5_OPCODE_RDMA_WRITE, 3000, 1);
	rig_quiet(12 * NSEC_PER_MSEC);
	rig_run(2 * NSEC_PER_MSEC);
	rig_expect(0, 1, MLX5_CQE_SYNDROME_TRANSPORT_RETRY_EXC_ERR);
	assert_int_equal(qp_state(&p.qp[0]), MLX5_QP_STATE_ERR);
	pair_close(&p);
}

/* ---- Refusals --------------------------------------------------------------------- */

static void rnr_twice(struct client_modify *m, u32 side)
{
	(void)side;
	m->rnr_retry = 2;
	m->min_rnr = 14;	/* 1.28 ms */
}

static void receiver_not_ready(void **state)
{
	struct world *w = *state;
	struct pair p;

	rig_open(&p, MLX5_QP_ST_RC, rnr_twice);
	fill(w->g[0].buf.va, 5 * MTU, 3);
	rig_post(&p, 0, MLX5_OPCODE_SEND, 5 * MTU, 1);
	rig_quiet(2 * NSEC_PER_MSEC);
	assert_true(counter(&w->g[1], rnr_naks) >= 1);
	recv_one(&p, 1, 7, RIG_TO, 5 * MTU);
	rig_expect(1, 7, 0);
	rig_expect(0, 1, 0);
	assert_filled((u8 *)w->g[1].buf.va + RIG_TO, 5 * MTU, 3);

	rig_post(&p, 0, MLX5_OPCODE_RDMA_WRITE_IMM, 5 * MTU, 2);
	rig_quiet(2 * NSEC_PER_MSEC);
	rig_expect(0, 2, MLX5_CQE_SYNDROME_RNR_RETRY_EXC_ERR);
	assert_int_equal(qp_state(&p.qp[1]), MLX5_QP_STATE_RTS);
	pair_close(&p);
}

static void try_refused(u8 opcode, u32 len, u64 va_add, u32 key_xor, u8 status, u8 event)
{
	struct world *w = rig.w;
	struct client_sge sge = sge_of(&w->g[0], 0, len);
	struct client_send wr = {
		.opcode = opcode, .wr_id = 1, .flags = CLIENT_SIGNALED, .sge = &sge, .n_sge = 1,
		.remote_addr = (uintptr_t)w->g[1].buf.va + va_add,
		.rkey = w->g[1].key ^ key_xor,
	};
	struct pair p;

	rig_open(&p, MLX5_QP_ST_RC, NULL);
	assert_ok(client_post_send(&p.qp[0], &wr));
	rig_expect(0, 1, status);
	expect_event(w, &w->g[1], event);
	assert_int_equal(qp_state(&p.qp[0]), MLX5_QP_STATE_ERR);
	assert_int_equal(qp_state(&p.qp[1]), MLX5_QP_STATE_ERR);
	pair_close(&p);
}

static void refused(void **state)
{
	struct world *w = *state;
	struct pair p;

	try_refused(MLX5_OPCODE_RDMA_WRITE, 5000, 0, 0x100, MLX5_CQE_SYNDROME_REMOTE_ACCESS_ERR,
		    MLX5_EVENT_TYPE_WQ_ACCESS_ERROR);
	try_refused(MLX5_OPCODE_RDMA_READ, 5000, BUF_BYTES - 4999, 0,
		    MLX5_CQE_SYNDROME_REMOTE_ACCESS_ERR, MLX5_EVENT_TYPE_WQ_ACCESS_ERROR);
	try_refused(MLX5_OPCODE_ATOMIC_FA, 8, 4, 0, MLX5_CQE_SYNDROME_REMOTE_INVAL_REQ_ERR,
		    MLX5_EVENT_TYPE_WQ_INVAL_REQ_ERROR);

	/* Longer than the receive WQE: both ends see it in a completion. */
	rig_open(&p, MLX5_QP_ST_RC, NULL);
	recv_one(&p, 1, 7, RIG_TO, 2000);
	rig_post(&p, 0, MLX5_OPCODE_SEND, 3000, 1);
	rig_expect(1, 7, MLX5_CQE_SYNDROME_LOCAL_LENGTH_ERR);
	rig_expect(0, 1, MLX5_CQE_SYNDROME_REMOTE_INVAL_REQ_ERR);
	assert_int_equal(counter(&w->g[1], drop_wire), 0);
	pair_close(&p);
}

/* ---- By chance ---------------------------------------------------------------------- */

static void storm(u32 seed, u32 loss, u32 twice, u32 damage, u32 late, u32 messages)
{
	struct world *w = rig.w;
	struct client_sge sge = sge_of(&w->g[0], BUF_BYTES / 4, 8);
	u64 *word = (u64 *)((u8 *)w->g[1].buf.va + RIG_TO + 100000);
	u64 *old = (u64 *)((u8 *)w->g[0].buf.va + BUF_BYTES / 4), adds = 0;
	struct client_send add = {
		.opcode = MLX5_OPCODE_ATOMIC_FA, .wr_id = 9, .flags = CLIENT_SIGNALED, .sge = &sge,
		.n_sge = 1, .remote_addr = (uintptr_t)word, .rkey = w->g[1].key, .swap_add = 1,
	};
	struct pair p;
	u32 i, len;

	rig_open(&p, MLX5_QP_ST_RC, NULL);
	*word = 0;
	rig.seed = seed;
	for (i = 0; i < messages; i++) {
		rig.loss = loss;
		rig.twice = twice;
		rig.damage = damage;
		rig.late = late;
		len = rig_random(30000);
		switch (rig_random(4)) {
		case 0:
			check_send(&p, MLX5_OPCODE_SEND_IMM, len, i);
			break;
		case 1:
			fill(w->g[0].buf.va, len, i);
			rig_post(&p, 0, MLX5_OPCODE_RDMA_WRITE, len, i);
			rig_expect(0, i, 0);
			assert_filled((u8 *)w->g[1].buf.va + RIG_TO, len, i);
			break;
		case 2:
			fill((u8 *)w->g[1].buf.va + RIG_TO, len, i);
			rig_post(&p, 0, MLX5_OPCODE_RDMA_READ, len, i);
			rig_expect(0, i, 0);
			assert_filled(w->g[0].buf.va, len, i);
			break;
		default:
			assert_ok(client_post_send(&p.qp[0], &add));
			rig_expect(0, 9, 0);
			assert_int_equal(*old, adds++);
			assert_int_equal(*word, adds);
		}
	}
	rig.loss = 0;
	rig.twice = 0;
	rig.damage = 0;
	rig.late = 0;
	rig_quiet(NSEC_PER_MSEC);
	pair_close(&p);
}

#define PART	40000U
#define OPS	6

/* Both sides ask each other, many requests at once, each with a place of its own. */
static void crossfire(u32 seed, u32 chance)
{
	static const u8 opcodes[] = {
		MLX5_OPCODE_RDMA_WRITE, MLX5_OPCODE_RDMA_READ, MLX5_OPCODE_SEND,
	};
	u32 len[2][OPS], op[2][OPS], round, side, i;
	struct world *w = rig.w;
	struct pair p;

	rig_open(&p, MLX5_QP_ST_RC, NULL);
	rig.seed = seed;
	for (round = 0; round < 8; round++) {
		rig.loss = chance;
		rig.late = chance;
		rig.twice = chance;
		for (i = 0; i < 2 * OPS; i++) {
			side = i % 2;
			len[side][i / 2] = 1 + rig_random(PART - 1);
			op[side][i / 2] = opcodes[rig_random(3)];
		}
		/* A side's half: its own parts, then the parts that the other side writes. */
		for (side = 0; side < 2; side++)
			for (i = 0; i < 2 * OPS; i++)
				fill((u8 *)w->g[side].buf.va + i * PART, PART, 100 * side + i);
		for (side = 0; side < 2; side++) {
			for (i = 0; i < OPS; i++) {
				struct client_sge sge = sge_of(&w->g[side], i * PART, len[side][i]);
				struct client_send wr = {
					.opcode = op[side][i], .wr_id = i, .flags = CLIENT_SIGNALED,
					.sge = &sge, .n_sge = 1,
					.remote_addr = (uintptr_t)w->g[!side].buf.va + (OPS + i) * PART,
					.rkey = w->g[!side].key,
				};

				if (op[side][i] == MLX5_OPCODE_SEND)
					recv_one(&p, !side, 100 + i, (OPS + i) * PART, PART);
				assert_ok(client_post_send(&p.qp[side], &wr));
			}
		}
		rig_run(400 * NSEC_PER_MSEC);
		for (side = 0; side < 2; side++) {
			u32 sent = 0, got = 0;
			struct client_wc wc;

			while (client_poll_cq(&w->g[side].cq, 1, &wc)) {
				assert_int_equal(wc.status, 0);
				if (wc.wr_id < 100)
					assert_int_equal(wc.wr_id, sent++);
				else
					got++;
			}
			assert_int_equal(sent, OPS);
			for (i = 0; i < OPS; i++)
				got -= op[!side][i] == MLX5_OPCODE_SEND;
			assert_int_equal(got, 0);
		}
		for (side = 0; side < 2; side++) {
			for (i = 0; i < OPS; i++) {
				bool read = op[side][i] == MLX5_OPCODE_RDMA_READ;
				u32 n = len[side][i];
				u8 *mine = (u8 *)w->g[side].buf.va + i * PART;
				u8 *its = (u8 *)w->g[!side].buf.va + (OPS + i) * PART;

				if (read)
					assert_filled(mine, n, 100 * !side + OPS + i);
				else
					assert_filled(its, n, 100 * side + i);
			}
		}
	}
	rig.loss = 0;
	rig.late = 0;
	rig.twice = 0;
	rig_run(NSEC_PER_MSEC);
	pair_close(&p);
}

static void both_at_once(void **state)
{
	const char *seed = getenv("MHCA_SEED");

	(void)state;
	crossfire(seed ? strtoul(seed, NULL, 0) : 21, 0);
	crossfire(seed ? strtoul(seed, NULL, 0) + 1 : 22, 20);
	crossfire(seed ? strtoul(seed, NULL, 0) + 2 : 23, 80);
}

static void by_chance(void **state)
{
	(void)state;
	storm(11, 10, 10, 10, 0, 60);
	storm(12, 100, 0, 0, 0, 30);
	storm(13, 0, 500, 0, 0, 30);
	storm(14, 0, 0, 0, 300, 30);
	storm(15, 30, 30, 30, 100, 60);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		rig_test(sends),
		rig_test(writes_and_reads),
		rig_test(atomics),
		rig_test(each_loss),
		rig_test(atomic_once),
		rig_test(blackout),
		rig_test(receiver_not_ready),
		rig_test(refused),
		rig_test(by_chance),
		rig_test(both_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
