// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * A guest that does whatever it likes. Rounds of random posts, noise in queues and
 * records, spoiled commands, doorbells, unmapped memory and time, from a seed:
 *
 *   MHCA_SEED=n          where to begin (a failure names its round's seed)
 *   MHCA_TEST_SECONDS=n  how long each (2)
 *
 * Once with everything driven by this thread, so that a seed says it all, and once
 * with lanes and commands on threads of their own.
 *
 * After each round nothing of that guest may be left after a reset, and the other
 * guest's memory and traffic must be undisturbed. The sanitizers, the shim's checks
 * and the poisoned unpinned pages watch the rest.
 */
#include <signal.h>
#include <unistd.h>

#include "fixture.h"

#define TO		(BUF_BYTES / 2)
#define QPS		6
#define KEYS		4
#define RECORDED	128U
#define STEPS		400

struct recorded {
	u8 *in;
	u32 inlen;
	u32 outlen;
};

struct attacker {
	struct world *w;
	struct guest *g;
	struct client_cq cq[2];
	struct client_srq srq[2];
	struct client_qp qp[QPS];
	u32 key[KEYS];
	u32 xrcd;
	struct recorded rec[RECORDED];
	u32 n_rec;
	u8 *in;
	u8 *out;
};

static u64 seed;
static u64 state64;
/* What the attackers achieved: a test that does nothing would pass, too. */
static u64 commands, refused, wqes, error_cqes;

static u64 rnd(void)
{
	state64 += 0x9e3779b97f4a7c15ULL;
	u64 z = state64;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ z >> 27) * 0x94d049bb133111ebULL;
	return z ^ z >> 31;
}

static u32 below(u32 n)
{
	return (u32)(rnd() % n);
}

static bool chance(u32 percent)
{
	return below(100) < percent;
}

/* ---- What to say when it goes wrong ----------------------------------- */

static void tell_seed(void)
{
	char line[64];
	int n = snprintf(line, sizeof(line), "MHCA_SEED=%llu\n", (unsigned long long)seed);

	if (write(STDERR_FILENO, line, (size_t)n) < 0)
		return;
}

static void on_abort(int sig)
{
	(void)sig;
	tell_seed();
	signal(SIGABRT, SIG_DFL);
}

void __asan_on_error(void);
void __asan_on_error(void)
{
	tell_seed();
}

/* Let the other side run: it does so by itself when it has threads. */
static void run(struct attacker *a)
{
	if (a->w->threaded) {
		if (chance(20))
			usleep(below(200));
		return;
	}
	if (chance(70))
		lanes_turn(&a->w->hca);
	vmm_user_work(a->g->vmm);
}

/* ---- Values worth trying --------------------------------------------- */

static u32 some_key(struct attacker *a)
{
	switch (below(8)) {
	case 0: return (u32)rnd();
	case 1: return a->w->g[1].key;
	case 2: return a->key[below(KEYS)] ^ 1U << below(32);
	case 3: return CLIENT_LIST_END;
	default: return a->key[below(KEYS)];
	}
}

static u64 some_address(struct attacker *a)
{
	u64 base = (uintptr_t)a->g->buf.va;

	switch (below(10)) {
	case 0: return rnd();
	case 1: return ~0ULL - below(64);
	case 2: return below(64);
	case 3: return base + BUF_BYTES - below(5000);
	case 4: return base - below(64);
	case 5: return VMM_USER_IOVA + (rnd() & 0x3ffffff);
	case 6: return (uintptr_t)a->w->g[1].buf.va + below(BUF_BYTES);
	default: return base + below(BUF_BYTES);
	}
}

static u32 some_length(void)
{
	switch (below(8)) {
	case 0: return (u32)rnd();
	case 1: return 0;
	case 2: return 0x80000000U | below(2000);
	case 3: return below(300000);
	default: return below(5000);
	}
}

static u32 some_qpn(struct attacker *a)
{
	return chance(80) ? a->qp[below(QPS)].qpn : below(1U << (1 + below(24)));
}

/* ---- Objects --------------------------------------------------------- */

static void record(struct client *c, const void *in, u32 inlen, u32 outlen)
{
	struct attacker *a = c->data;
	struct recorded *r = &a->rec[a->n_rec++ % RECORDED];

	free(r->in);
	r->in = malloc(inlen);
	memcpy(r->in, in, inlen);
	r->inlen = inlen;
	r->outlen = outlen;
}

static void make_keys(struct attacker *a)
{
	struct client *c = &a->g->c;
	struct client_mkey_attr pa = {
		.pd = a->g->pd, .access = CLIENT_ALL_ACCESS, .pa = true, .length64 = true,
		.qpn = CLIENT_ANY_QP,
	};

	a->key[0] = a->g->key;
	a->key[1] = a->g->key;
	assert_ok(client_reg_mr(c, a->g->pd, a->g->buf.va + 777, 70000, (u32)rnd() & 15,
				&a->key[2]));
	assert_ok(client_create_mkey(c, &pa, &a->key[3]));
}

static void make_queues(struct attacker *a)
{
	static const u8 types[] = {
		MLX5_QP_ST_RC, MLX5_QP_ST_UC, MLX5_QP_ST_UD, MLX5_QP_ST_XRC, MLX5_QP_ST_RC,
		MLX5_QP_ST_QP1,
	};
	struct client *c = &a->g->c;
	struct client_cq_attr cq;
	u32 i;

	assert_ok(client_alloc_xrcd(c, &a->xrcd));
	for (i = 0; i < 2; i++) {
		struct client_srq_attr srq = {
			.type = i ? CLIENT_XRC_SRQ : CLIENT_RMP, .pd = a->g->pd,
			.log_size = (u8)(2 + below(4)), .max_sge = 3, .xrcd = a->xrcd,
			.limit = (u16)below(3),
		};

		client_cq_attr_init(&cq, (u8)below(9));
		cq.ignore_overrun = chance(50);
		cq.max_count = (u16)below(4);
		cq.period = (u16)below(100);
		assert_ok(client_create_cq(c, &cq, &a->cq[i]));
		srq.cqn = a->cq[i].cqn;
		assert_ok(client_create_srq(c, &srq, &a->srq[i]));
	}
	for (i = 0; i < QPS; i++) {
		struct client_qp_attr qp;

		client_qp_attr_init(&qp, types[i], a->g->pd, &a->cq[below(2)]);
		qp.recv_cq = &a->cq[below(2)];
		qp.log_sq = (u8)below(7);
		qp.log_rq = (u8)below(5);
		qp.xrcd = a->xrcd;
		if (types[i] == MLX5_QP_ST_XRC)
			qp.log_rq = CLIENT_NO_QUEUE;
		else if (i == 4)
			qp.srq = &a->srq[0];
		assert_ok(client_create_qp(c, &qp, &a->qp[i]));
	}
}

static int connect_one(struct attacker *a, u32 i)
{
	/* 0 and 4 with each other, others with themselves. */
	u32 to = i == 0 ? 4 : i == 4 ? 0 : i;
	struct client_modify m;

	client_modify_init(&m);
	m.remote_qpn = a->qp[to].qpn;
	m.path.dlid = chance(97) ? a->g->c.lid : a->w->g[1].c.lid;
	m.qkey = chance(80) ? 0x80010000U : 0x11;
	m.rnr_retry = (u8)below(8);
	m.retry = (u8)below(4);
	m.mtu = (u8)(1 + below(5));
	m.min_rnr = (u8)below(8);
	m.ack_timeout = (u8)below(10);
	return client_connect_qp(&a->qp[i], &m);
}

static void connect_queues(struct attacker *a)
{
	static const u8 mgid[16] = { 0xff, 0x12, 0x40, 1, [15] = 7 };
	u32 i;

	for (i = 0; i < QPS; i++)
		assert_ok(connect_one(a, i));
	assert_ok(client_attach_mcast(&a->qp[2], mgid));
}

/* QPs die all the time: a new life for two, if the commands still get through. */
static void reconnect(struct attacker *a)
{
	u32 i = below(QPS);
	u32 peer = i == 0 ? 4 : i == 4 ? 0 : i;

	a->g->c.timeout_ms = a->w->threaded ? 20 : 1;
	client_modify_qp(&a->qp[i], MLX5_CMD_OP_2RST_QP, NULL);
	client_modify_qp(&a->qp[peer], MLX5_CMD_OP_2RST_QP, NULL);
	connect_one(a, i);
	if (peer != i)
		connect_one(a, peer);
}

/* ---- Steps ----------------------------------------------------------- */

static void put_data(u8 *at, struct attacker *a)
{
	struct mlx5_wqe_data_seg *seg = (void *)at;

	seg->byte_count = cpu_to_be32(some_length());
	seg->lkey = cpu_to_be32(some_key(a));
	seg->addr = cpu_to_be64(some_address(a));
}

static void random_wqe(struct attacker *a)
{
	static const u8 opcodes[] = {
		MLX5_OPCODE_SEND, MLX5_OPCODE_SEND_IMM, MLX5_OPCODE_SEND_INVAL,
		MLX5_OPCODE_RDMA_WRITE, MLX5_OPCODE_RDMA_WRITE_IMM, MLX5_OPCODE_RDMA_READ,
		MLX5_OPCODE_ATOMIC_CS, MLX5_OPCODE_ATOMIC_FA, MLX5_OPCODE_NOP, MLX5_OPCODE_UMR,
	};
	struct client_qp *qp = &a->qp[below(QPS)];
	u8 opcode = chance(90) ? opcodes[below(ARRAY_SIZE(opcodes))] : (u8)rnd();
	u32 ds = 1 + below(chance(80) ? 6 : 63);
	u64 raw[128];
	struct mlx5_wqe_ctrl_seg *ctrl = (void *)raw;
	u8 *seg = (u8 *)raw + 16;
	u32 i;

	for (i = 0; i < 128; i++)
		raw[i] = rnd();
	ctrl->opmod_idx_opcode = cpu_to_be32(opcode);
	ctrl->qpn_ds = cpu_to_be32(qp->qpn << 8 | (chance(95) ? ds : below(64)));
	if (qp->type == MLX5_QP_ST_UD || qp->type == MLX5_QP_ST_QP1) {
		struct mlx5_av *av = (void *)seg;

		av->dqp_dct = cpu_to_be32(0x80000000U | some_qpn(a));
		av->rlid = cpu_to_be16(chance(80) ? a->g->c.lid : (u16)rnd());
		av->key.qkey.qkey = cpu_to_be32(chance(80) ? 0x80010000U : 0x11);
		seg += sizeof(*av);
	} else if (qp->type == MLX5_QP_ST_XRC && chance(90)) {
		*(__be32 *)seg = cpu_to_be32(chance(80) ? a->srq[1].srqn : below(100));
		seg += 16;
	}
	if (opcode >= MLX5_OPCODE_RDMA_WRITE && opcode != MLX5_OPCODE_SEND &&
	    opcode != MLX5_OPCODE_SEND_IMM) {
		((struct mlx5_wqe_raddr_seg *)seg)->raddr = cpu_to_be64(some_address(a));
		((struct mlx5_wqe_raddr_seg *)seg)->rkey = cpu_to_be32(some_key(a));
		seg += opcode >= MLX5_OPCODE_ATOMIC_CS ? 32 : 16;
	}
	for (; seg < (u8 *)raw + 1008; seg += 16)
		if (chance(90))
			put_data(seg, a);
	/* The client's own idea of what is free is not to stop anybody. */
	if (qp->sq.wr_id) {
		qp->sq.tail = qp->sq.head;
		client_post_raw(qp, 0, raw, ds);
	}
}

/* One that works, if the QP does: bad ones are bad in more interesting places then. */
static void good_wqe(struct attacker *a)
{
	static const u8 opcodes[] = {
		MLX5_OPCODE_SEND, MLX5_OPCODE_SEND_IMM, MLX5_OPCODE_RDMA_WRITE,
		MLX5_OPCODE_RDMA_WRITE_IMM, MLX5_OPCODE_RDMA_READ, MLX5_OPCODE_ATOMIC_FA,
	};
	struct client_qp *qp = &a->qp[below(QPS)];
	bool datagram = qp->type == MLX5_QP_ST_UD || qp->type == MLX5_QP_ST_QP1;
	struct client_path path = { .dlid = a->g->c.lid };
	struct client_sge sge[3];
	struct client_send wr = {
		.opcode = opcodes[below(datagram ? 2 : qp->type == MLX5_QP_ST_UC ? 4 : 6)],
		.flags = chance(50) ? CLIENT_SIGNALED : 0, .sge = sge, .n_sge = 1 + below(3),
		.rkey = a->key[0], .remote_addr = (uintptr_t)a->g->buf.va + below(TO / 8) * 8,
		.xrc_srqn = a->srq[1].srqn, .dqpn = chance(50) ? a->qp[2].qpn : 1,
		.qkey = 0x80010000U, .path = &path,
	};
	u32 i;

	for (i = 0; i < 3; i++)
		sge[i] = (struct client_sge){
			(uintptr_t)a->g->buf.va + below(TO),
			below(chance(90) ? 300 : datagram ? 1000 : 100000), a->key[0],
		};
	if (wr.opcode == MLX5_OPCODE_ATOMIC_FA) {
		wr.n_sge = 1;
		sge[0].len = 8;
	}
	if (!qp->sq.wr_id)
		return;
	qp->sq.tail = qp->sq.head;
	client_post_send(qp, &wr);
}

static void good_recv(struct attacker *a)
{
	struct client_sge sge = { (uintptr_t)a->g->buf.va + below(TO), 200000, a->key[0] };
	u32 i;

	for (i = 0; i < 4; i++) {
		struct client_qp *qp = &a->qp[below(QPS)];

		qp->rq.tail = qp->rq.head;
		client_post_recv(qp, 0, &sge, 1);
		a->srq[i & 1].free = 5;
		client_post_srq(&a->srq[i & 1], 0, &sge, 1);
	}
}

static void random_recv(struct attacker *a)
{
	struct client_sge sge[4];
	u32 n = below(4);
	u32 i;

	for (i = 0; i < n; i++)
		sge[i] = (struct client_sge){ some_address(a), some_length(), some_key(a) };
	if (chance(50)) {
		struct client_qp *qp = &a->qp[below(QPS)];

		qp->rq.tail = qp->rq.head;
		client_post_recv(qp, 0, sge, n);
	} else {
		struct client_srq *srq = &a->srq[below(2)];

		srq->free = 5;
		client_post_srq(srq, 0, sge, min(n, 3U));
	}
}

/* Some bytes somewhere in the guest's memory: queues and records, most likely. */
static void random_scribble(struct attacker *a)
{
	struct client_qp *qp = &a->qp[below(QPS)];
	u64 noise = rnd();
	u8 *at;

	switch (below(7)) {
	case 0: at = (u8 *)&qp->record.word[below(2)]; break;
	case 1: at = (u8 *)&a->cq[below(2)].record.word[below(2)]; break;
	case 2: at = (u8 *)&a->srq[below(2)].record.word[0]; break;
	case 3: at = a->srq[below(2)].mem.va + below(PAGE_SIZE - 8); break;
	case 4: at = qp->mem.va ? qp->mem.va + below((u32)qp->mem.len - 8) : a->g->buf.va; break;
	case 5: at = a->g->c.async_eq.mem.va + below(PAGE_SIZE - 8); break;
	default: at = a->cq[0].mem.va + below(PAGE_SIZE - 8); break;
	}
	if (chance(50))
		noise = cpu_to_be32(below(70));
	memcpy(at, &noise, chance(50) ? 4 : 1 + below(4));
}

static void random_doorbell(struct attacker *a)
{
	u32 uar = chance(90) ? a->g->c.uar : MHCA_UAR_FIRST + below(20);
	u64 value = chance(50) ? (u64)some_qpn(a) << 8 : rnd();

	if (chance(50))
		a->g->c.ops->uar_write64(a->g->vmm, uar, below(512) * 8, cpu_to_be64(value));
	else
		a->g->c.ops->uar_write32(a->g->vmm, uar, below(1024) * 4,
					 cpu_to_be32((u32)value));
}

/* A recorded command with a few bits changed. */
static void random_command(struct attacker *a)
{
	struct client *c = &a->g->c;
	struct recorded *r = &a->rec[below(min(a->n_rec, RECORDED))];
	u32 inlen = r->inlen;
	u32 outlen = r->outlen;
	u16 opcode = MLX5_GET(create_cq_in, r->in, opcode);
	u32 flips = below(5);
	u32 slot = below(32);

	/* These end the round: not too often. */
	if ((opcode == MLX5_CMD_OP_ENABLE_HCA || opcode == MLX5_CMD_OP_TEARDOWN_HCA ||
	     opcode == MLX5_CMD_OP_DISABLE_HCA) && !chance(2))
		return;
	memset(a->in, 0, inlen + 64);
	memcpy(a->in, r->in, inlen);
	while (flips--) {
		u32 at = chance(70) ? below(min(inlen, 0x140U)) : below(inlen);

		a->in[at] = chance(50) ? a->in[at] ^ (u8)(1 << below(8)) : (u8)rnd();
	}
	if (chance(10))
		inlen = chance(50) ? below(inlen + 64) : inlen + 8 * below(8);
	if (chance(5))
		outlen = below(outlen + 64);
	if (client_cmd_fill(c, slot, a->in, max(inlen, 16U), max(outlen, 16U)))
		return;
	if (chance(3)) {
		u8 *entry = (u8 *)client_cmd_entry(c, slot);

		entry[below(60)] ^= (u8)rnd();
	}
	client_cmd_ring(c, chance(95) ? 1U << slot : (u32)rnd());
}

static void random_memory(struct attacker *a)
{
	struct vmm_user *vmm = a->g->vmm;
	u64 iova = VMM_USER_IOVA + below(600) * PAGE_SIZE;
	u64 len = (1 + below(3)) * PAGE_SIZE;

	vmm_user_unmap(vmm, iova, len);
	if (chance(80))
		vmm_user_map(vmm, iova, len);
}

static void step(struct attacker *a)
{
	switch (below(40)) {
	case 0 ... 1: random_wqe(a); break;
	case 2: random_recv(a); break;
	case 3: random_scribble(a); break;
	case 16 ... 29: good_wqe(a); break;
	case 30 ... 35: good_recv(a); break;
	case 36 ... 38: reconnect(a); break;
	case 4 ... 8: break;
	case 9: random_doorbell(a); break;
	case 10 ... 12: random_command(a); break;
	case 13: shim_clock_advance(below(3000000)); break;
	case 14:
		if (chance(10))
			random_memory(a);
		break;
	default:
		if (chance(5)) {
			mhca_instance_set_master(a->g->vmm->inst, false);
			run(a);
			mhca_instance_set_master(a->g->vmm->inst, true);
		}
		mhca_instance_tick(a->g->vmm->inst);
		break;
	}
	run(a);
}

/* ---- Rounds ---------------------------------------------------------- */

static void victim_is_well(struct world *w, struct pair *p)
{
	struct guest *g = &w->g[1];
	struct client_sge sge = sge_of(g, 0, 5000);
	struct client_send wr = {
		.opcode = MLX5_OPCODE_RDMA_WRITE, .wr_id = seed, .flags = CLIENT_SIGNALED,
		.sge = &sge, .n_sge = 1, .rkey = g->key,
		.remote_addr = (uintptr_t)g->buf.va + 10000,
	};
	struct client_wc wc;
	u32 tries;

	fill(g->buf.va, 5000, (u32)seed);
	assert_ok(client_post_send(&p->qp[0], &wr));
	for (tries = 0; tries < 100000 && !client_peek_cq(&g->cq); tries++) {
		if (w->threaded)
			usleep(50);
		else
			lanes_turn(&w->hca);
	}
	assert_int_equal(client_poll_cq(&g->cq, 1, &wc), 1);
	assert_int_equal(wc.status, 0);
	assert_int_equal(wc.wr_id, seed);
	assert_filled(g->buf.va + 10000, 5000, (u32)seed);
	assert_filled(g->buf.va + TO, TO, 4711);
	expect_no_event(w, g);
}

static void end_round(struct attacker *a)
{
	struct guest *g = a->g;
	u32 i;

	g->c.before = NULL;
	commands += counter(g, commands);
	refused += counter(g, commands_refused);
	wqes += counter(g, wqes);
	error_cqes += counter(g, error_cqes);
	assert_ok(g->c.ops->reset(g->vmm));
	assert_int_equal(g->vmm->pinned, 0);
	for (i = 0; i < QPS; i++)
		client_forget_qp(&a->qp[i]);
	for (i = 0; i < 2; i++) {
		client_forget_srq(&a->srq[i]);
		client_forget_cq(&a->cq[i]);
	}
	client_forget_cq(&g->cq);
	client_mem_free(&g->c, &g->buf);
	for (i = 0; i < RECORDED; i++)
		free(a->rec[i].in);
	free(a->in);
	free(a->out);
	g->c.timeout_ms = 0;
	client_close(&g->c);
	vmm_user_destroy(g->vmm);
	g->vmm = NULL;
}

static void one_round(struct world *w)
{
	struct attacker a = { .w = w, .g = &w->g[0] };
	u32 i;

	state64 = seed;
	a.in = calloc(1, 1 << 20);
	a.out = calloc(1, 1 << 20);
	world_open_guest(w, 0);
	a.g->c.data = &a;
	a.g->c.before = record;
	make_keys(&a);
	make_queues(&a);
	connect_queues(&a);
	a.g->c.before = NULL;
	for (i = 0; i < STEPS; i++)
		step(&a);
	end_round(&a);
}

static void rounds(void **state)
{
	const char *from = getenv("MHCA_SEED");
	const char *seconds = getenv("MHCA_TEST_SECONDS");
	u64 limit = (seconds ? strtoull(seconds, NULL, 0) : 2) * 1000;
	struct world *w = *state;
	struct timespec start;
	struct timespec now;
	struct pair p;
	u64 n = 0;

	signal(SIGABRT, on_abort);
	seed = from ? strtoull(from, NULL, 0) : 1;
	clock_gettime(CLOCK_MONOTONIC, &start);
	world_close_guest(w, 0);
	fill(w->g[1].buf.va + TO, TO, 4711);
	pair_open(&p, MLX5_QP_ST_RC, &w->g[1], &w->g[1]);
	do {
		one_round(w);
		victim_is_well(w, &p);
		seed++;
		n++;
		clock_gettime(CLOCK_MONOTONIC, &now);
	} while ((u64)(now.tv_sec - start.tv_sec) * 1000 < limit);
	print_message("           %llu rounds, %llu commands, %llu of them refused, %llu WQEs "
		      "done, %llu error CQEs\n", (unsigned long long)n,
		      (unsigned long long)commands, (unsigned long long)refused,
		      (unsigned long long)wqes, (unsigned long long)error_cqes);
	pair_close(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(rounds, world_setup, world_teardown),
		cmocka_unit_test_setup_teardown(rounds, world_setup_threaded, world_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
