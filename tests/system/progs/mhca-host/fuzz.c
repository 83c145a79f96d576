// SPDX-License-Identifier: GPL-2.0-only
/*
 * fuzz SEED COMMANDS WQES UUID: spoiled commands and WQEs against a kernel instance.
 * The commands are those that a driver needs to set everything up, with bits changed;
 * so are the WQEs. After each lap the function is reset and has to come up again.
 * Prints what it did as JSON.
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "host.h"

#define RECORDED	64U
#define LAP		5000U	/* attempts between resets */
#define QPS		16U
#define TYPES		4U
#define BATCH		64U	/* WQEs that are posted at once */
#define BATCH_NS	2000000U	/* … and have this time */
#define MARK		1U	/* wr_id; all others are 0 */
#define REVIVE		4U	/* commands that bring a QP back: RST, INIT, RTR, RTS */
#define SPIN		1000U	/* looks at queue entries before sleeping between them */
#define TRIES		201000U	/* … and before their commands count as lost: 10 s */

struct recorded {
	u8 *in;
	u32 inlen;
	u32 outlen;
};

/**
 * struct fuzz - a run
 * @node: the instance
 * @qp: connected to themselves: RC, UC, UD, RC with SRQ, and again
 * @dead: these had an error
 * @revive: commands that bring each of them back
 * @srq: SRQ
 * @in: mailboxes of each slot of the command queue, @out: likewise
 * @out: see @in
 * @rec: commands of the set-up
 * @n_rec: how many
 * @rng: random numbers
 * @commands: executed, @refused of these, @lost: never answered
 * @refused: see @commands
 * @lost: see @commands
 * @wqes: posted
 * @completions: polled
 */
struct fuzz {
	struct node node;
	struct client_qp qp[QPS];
	bool dead[QPS];
	struct recorded revive[QPS][REVIVE];
	struct client_srq srq;
	struct client_mem in[CLIENT_CMD_SLOTS];
	struct client_mem out[CLIENT_CMD_SLOTS];
	struct recorded rec[RECORDED];
	u32 n_rec;
	u64 rng;
	u64 commands;
	u64 refused;
	u64 lost;
	u64 wqes;
	u64 completions;
};

static int keep(struct recorded *r, const void *in, u32 inlen, u32 outlen)
{
	r->in = malloc(inlen + 64);
	if (!r->in)
		return -1;
	memcpy(r->in, in, inlen);
	memset(r->in + inlen, 0, 64);
	r->inlen = inlen;
	r->outlen = outlen;
	return 0;
}

static void record(struct client *c, const void *in, u32 inlen, u32 outlen)
{
	struct fuzz *f = c->data;

	if (f->n_rec < RECORDED && inlen <= 4096 && !keep(&f->rec[f->n_rec], in, inlen, outlen))
		f->n_rec++;
}

static void forget(struct recorded *r)
{
	free(r->in);
	r->in = NULL;
}

static void forget_records(struct fuzz *f)
{
	u32 i;

	while (f->n_rec)
		forget(&f->rec[--f->n_rec]);
	for (i = 0; i < QPS * REVIVE; i++)
		forget(&f->revive[i / REVIVE][i % REVIVE]);
}

/* Have the QP's life recorded: the commands are sent again when it has died. */
static int connect_recorded(struct fuzz *f, u32 i)
{
	struct client *c = &f->node.c;
	struct client_modify m;
	u32 first, k;
	int ret;

	client_modify_init(&m);
	m.remote_qpn = f->qp[i].qpn;
	m.path.dlid = c->lid;
	m.qkey = 0x11111111;
	m.retry = 1;
	m.rnr_retry = 1;
	m.ack_timeout = 4;
	c->before = record;
	first = f->n_rec;
	ret = client_modify_qp(&f->qp[i], MLX5_CMD_OP_2RST_QP, NULL);
	if (!ret)
		ret = client_connect_qp(&f->qp[i], &m);
	if (!ret && f->n_rec - first != REVIVE)
		ret = -1;
	for (k = 0; !ret && k < REVIVE; k++) {
		const struct recorded *r = &f->rec[first + k];

		ret = keep(&f->revive[i][k], r->in, r->inlen, r->outlen);
	}
	/* One QP of each type is enough for the fuzzed commands. */
	while (i >= TYPES && f->n_rec > first)
		forget(&f->rec[--f->n_rec]);
	f->dead[i] = false;
	return ret;
}

static int set_up(struct fuzz *f)
{
	static const u8 types[TYPES] = {
		MLX5_QP_ST_RC, MLX5_QP_ST_UC, MLX5_QP_ST_UD, MLX5_QP_ST_RC,
	};
	struct client *c = &f->node.c;
	struct client_srq_attr srq = { .type = CLIENT_RMP, .pd = f->node.pd, .log_size = 5,
				       .max_sge = 2 };
	u8 qpc[MLX5_ST_SZ_BYTES(qpc)];
	u32 key;
	u32 i;
	int ret;

	c->data = f;
	c->before = record;
	/* A spoiled command may take the command EQ away: look at the entry instead. */
	c->cmdq.events = false;
	ret = client_create_srq(c, &srq, &f->srq);
	for (i = 0; i < QPS && !ret; i++) {
		struct client_qp_attr attr;

		c->before = i < TYPES ? record : NULL;
		client_qp_attr_init(&attr, types[i % TYPES], f->node.pd, &f->node.cq);
		attr.srq = i % TYPES == 3 ? &f->srq : NULL;
		ret = client_create_qp(c, &attr, &f->qp[i]);
		if (!ret)
			ret = connect_recorded(f, i);
	}
	c->before = record;
	if (!ret)
		ret = client_reg_mr(c, f->node.pd, f->node.mem.va, 9000, 15, &key);
	if (!ret)
		ret = client_query_qp(&f->qp[0], qpc) | client_destroy_mkey(c, key) |
		      client_resize_cq(&f->node.cq, 11) | client_arm_srq(&f->srq, 1) |
		      client_query_port(c);
	c->before = NULL;
	return ret;
}

static u32 below(struct fuzz *f, u32 n)
{
	return pick(&f->rng, n);
}

/* ---- Commands -------------------------------------------------------------- */

/* Not these: they end a lap, or wait for pages of the program's. */
static bool left_alone(u16 opcode)
{
	return opcode == MLX5_CMD_OP_TEARDOWN_HCA || opcode == MLX5_CMD_OP_DISABLE_HCA;
}

/* Like client_cmd_fill(), with mailboxes of the slot's own: many wait at once. */
static int fill_slot(struct fuzz *f, u32 slot, const void *in, u32 inlen, u32 outlen)
{
	struct client *c = &f->node.c;
	struct client_mem own_in = c->cmdq.in, own_out = c->cmdq.out;
	int ret;

	c->cmdq.in = f->in[slot];
	c->cmdq.out = f->out[slot];
	ret = client_cmd_fill(c, slot, in, inlen, outlen);
	f->in[slot] = c->cmdq.in;
	f->out[slot] = c->cmdq.out;
	c->cmdq.in = own_in;
	c->cmdq.out = own_out;
	return ret;
}

static bool answered(struct client *c, u32 slots)
{
	u32 slot;

	for (slot = 0; slot < slots; slot++)
		if (__atomic_load_n(&client_cmd_entry(c, slot)->status_own, __ATOMIC_ACQUIRE) &
		    CMD_OWNER_HW)
			return false;
	return true;
}

/* Execute the commands in the first @slots; counts those without an answer. */
static void ring(struct fuzz *f, u32 slots)
{
	struct client *c = &f->node.c;
	u32 slot, tries;

	client_cmd_ring(c, (u32)((1ULL << slots) - 1));
	for (tries = 0; tries < TRIES && !answered(c, slots); tries++) {
		c->ops->progress(c->backend);
		if (tries > SPIN)
			usleep(50);
	}
	for (slot = 0; tries == TRIES && slot < slots; slot++)
		f->lost += !!(client_cmd_entry(c, slot)->status_own & CMD_OWNER_HW);
}

/* A spoiled command for @slot; false: not this one. */
static bool spoil(struct fuzz *f, u32 slot)
{
	struct recorded *r = &f->rec[below(f, f->n_rec)];
	u8 in[4096 + 64];
	u32 inlen = r->inlen;
	u32 flips = below(f, 5);

	memcpy(in, r->in, inlen + 64);
	while (flips--) {
		u32 at = below(f, below(f, 10) < 7 && inlen > 0x140 ? 0x140 : inlen);

		in[at] = below(f, 2) ? in[at] ^ (u8)(1 << below(f, 8)) : (u8)below(f, 256);
	}
	if (left_alone(MLX5_GET(create_cq_in, in, opcode)))
		return false;
	if (!below(f, 16))
		inlen = 16 + below(f, inlen + 48);
	return !fill_slot(f, slot, in, inlen, r->outlen);
}

/* As many as the command queue has slots for. */
static u32 some_commands(struct fuzz *f)
{
	struct client *c = &f->node.c;
	u32 slot, n = 1 + below(f, CLIENT_CMD_SLOTS - 1);

	for (slot = 0; slot < n; slot += spoil(f, slot))
		;
	ring(f, n);
	for (slot = 0; slot < n; slot++)
		f->refused += !!MLX5_GET(alloc_pd_out, client_cmd_entry(c, slot)->out, status);
	f->commands += n;
	return n;
}

/* ---- WQEs ------------------------------------------------------------------- */

static u64 some_address(struct fuzz *f)
{
	u64 base = (uintptr_t)f->node.mem.va;

	switch (below(f, 8)) {
	case 0: return (u64)below(f, ~0U) << 32 | below(f, ~0U);
	case 1: return base + NODE_MEM - below(f, 5000);
	case 2: return ~0ULL - below(f, 64);
	default: return base + below(f, NODE_MEM);
	}
}

static void data_seg(struct fuzz *f, u8 *at)
{
	struct mlx5_wqe_data_seg *seg = (void *)at;

	seg->byte_count = cpu_to_be32(below(f, 8) ? below(f, 3000) : below(f, ~0U));
	seg->lkey = cpu_to_be32(below(f, 16) ? f->node.key : below(f, ~0U));
	seg->addr = cpu_to_be64(some_address(f));
}

static void one_wqe(struct fuzz *f)
{
	static const u8 opcodes[] = {
		MLX5_OPCODE_SEND, MLX5_OPCODE_SEND_IMM, MLX5_OPCODE_RDMA_WRITE,
		MLX5_OPCODE_RDMA_WRITE_IMM, MLX5_OPCODE_RDMA_READ, MLX5_OPCODE_ATOMIC_CS,
		MLX5_OPCODE_ATOMIC_FA, MLX5_OPCODE_NOP,
	};
	struct client_qp *qp = &f->qp[below(f, QPS)];
	u8 opcode = below(f, 16) ? opcodes[below(f, sizeof(opcodes))] : (u8)below(f, 256);
	u32 ds = 2 + below(f, 5);
	u64 raw[128] = { 0 };
	struct mlx5_wqe_ctrl_seg *ctrl = (void *)raw;
	u8 *seg = (u8 *)raw + 16;

	ctrl->opmod_idx_opcode = cpu_to_be32(opcode);
	ctrl->qpn_ds = cpu_to_be32(qp->qpn << 8 | (below(f, 32) ? ds : below(f, 64)));
	ctrl->fm_ce_se = (u8)below(f, 256);
	if (qp->type == MLX5_QP_ST_UD) {
		struct mlx5_av *av = (void *)seg;

		av->dqp_dct = cpu_to_be32(0x80000000U | qp->qpn);
		av->rlid = cpu_to_be16(f->node.c.lid);
		av->key.qkey.qkey = cpu_to_be32(0x11111111);
		seg += sizeof(*av);
	} else if (opcode >= MLX5_OPCODE_RDMA_WRITE && opcode != MLX5_OPCODE_SEND &&
		   opcode != MLX5_OPCODE_SEND_IMM) {
		((struct mlx5_wqe_raddr_seg *)seg)->raddr = cpu_to_be64(some_address(f));
		((struct mlx5_wqe_raddr_seg *)seg)->rkey = cpu_to_be32(f->node.key);
		seg += opcode >= MLX5_OPCODE_ATOMIC_CS ? 32 : 16;
	}
	for (; seg < (u8 *)raw + ds * 16; seg += 16)
		data_seg(f, seg);
	/* Noise: now and then a byte anywhere. */
	if (!below(f, 4))
		((u8 *)raw)[below(f, ds * 16)] = (u8)below(f, 256);
	qp->sq.tail = qp->sq.head;
	client_post_raw(qp, 0, raw, ds);
	f->wqes++;
}

static void one_recv(struct fuzz *f)
{
	struct client_sge sge = { some_address(f), below(f, 5000), f->node.key };
	struct client_qp *qp = &f->qp[below(f, QPS - 1)];

	qp->rq.tail = qp->rq.head;
	client_post_recv(qp, 0, &sge, 1);
	f->srq.free = 5;
	client_post_srq(&f->srq, 0, &sge, 1);
}

/* Commands @from … @to of the dead QPs' lives, with as few rings of the doorbell as can be. */
static void relive(struct fuzz *f, u32 from, u32 to)
{
	u32 i, k, slot = 0;

	for (i = 0; i < QPS; i++) {
		for (k = from; f->dead[i] && k < to; k++) {
			const struct recorded *r = &f->revive[i][k];

			slot += !fill_slot(f, slot, r->in, r->inlen, r->outlen);
		}
		if (slot + REVIVE >= CLIENT_CMD_SLOTS) {
			ring(f, slot);
			slot = 0;
		}
	}
	if (slot)
		ring(f, slot);
}

/* Bring the dead ones back. */
static void revive(struct fuzz *f)
{
	u32 i;

	relive(f, 0, 1);
	for (i = 0; i < QPS; i++)
		if (f->dead[i])
			client_qp_reset(&f->qp[i]);
	relive(f, 1, REVIVE);
	memset(f->dead, 0, sizeof(f->dead));
}

/* The last one of a batch on each QP: a NOP that is told of. */
static void post_marks(struct fuzz *f)
{
	u64 raw[8] = { 0 };
	struct mlx5_wqe_ctrl_seg *ctrl = (void *)raw;
	u32 i;

	for (i = 0; i < QPS; i++) {
		ctrl->opmod_idx_opcode = cpu_to_be32(MLX5_OPCODE_NOP);
		ctrl->qpn_ds = cpu_to_be32(f->qp[i].qpn << 8 | 1);
		ctrl->fm_ce_se = MLX5_WQE_CTRL_CQ_UPDATE;
		f->qp[i].sq.tail = f->qp[i].sq.head;
		client_post_raw(&f->qp[i], MARK, raw, 1);
	}
}

/* QPs that have come to their mark, or died. */
static u32 take_completions(struct fuzz *f, bool *marked)
{
	struct client_wc wc;
	u32 i, n = 0;

	while (client_poll_cq(&f->node.cq, 1, &wc)) {
		f->completions++;
		for (i = 0; i < QPS; i++) {
			if (f->qp[i].qpn != wc.qpn)
				continue;
			f->dead[i] |= wc.status != 0;
			marked[i] |= wc.wr_id == MARK;
		}
	}
	for (i = 0; i < QPS; i++)
		n += f->dead[i] || marked[i];
	return n;
}

/* WQEs, until each QP has executed them or died of one; what waits too long dies as well. */
static void wqe_batch(struct fuzz *f)
{
	u64 deadline;
	bool marked[QPS] = { false };
	u32 i;

	for (i = 0; i < BATCH; i++) {
		one_wqe(f);
		if (!(i & 3))
			one_recv(f);
	}
	post_marks(f);
	deadline = now_ns() + BATCH_NS;
	while (take_completions(f, marked) < QPS && now_ns() < deadline)
		f->node.c.ops->progress(f->node.c.backend);
	for (i = 0; i < QPS; i++)
		f->dead[i] |= !marked[i];
	revive(f);
}

/* ---- Laps ---------------------------------------------------------------------- */

static int lap(struct fuzz *f, const char *uuid, bool commands, u64 n)
{
	u64 i;

	forget_records(f);
	if (node_open(&f->node, uuid))
		return -1;
	if (set_up(f))
		return complain("set-up: status %x, syndrome %x", f->node.c.status,
				f->node.c.syndrome);
	memset(f->in, 0, sizeof(f->in));
	memset(f->out, 0, sizeof(f->out));
	for (i = 0; i < n && !f->lost; i += commands ? some_commands(f) : BATCH)
		if (!commands)
			wqe_batch(f);
	node_abandon(&f->node);
	return 0;
}

int fuzz_main(int argc, char **argv)
{
	u64 commands = strtoull(argv[1], NULL, 0), wqes = strtoull(argv[2], NULL, 0);
	struct fuzz *f = calloc(1, sizeof(*f));
	int ret = 0;

	if (!f)
		return complain("no memory");
	f->rng = strtoull(argv[0], NULL, 0) * 0x9e3779b97f4a7c15ULL + 1;
	while (!ret && f->commands < commands)
		ret = lap(f, argv[3], true, LAP);
	while (!ret && f->wqes < wqes)
		ret = lap(f, argv[3], false, LAP * 4);
	forget_records(f);
	if (!ret && f->lost)
		ret = complain("%llu commands were never answered", (unsigned long long)f->lost);
	if (!ret)
		ret = node_open(&f->node, argv[3]);
	if (!ret) {
		ret = node_transfer(&f->node, &f->node);
		node_close(&f->node);
	}
	printf("{\"commands\": %llu, \"refused\": %llu, \"lost\": %llu, \"wqes\": %llu, "
	       "\"completions\": %llu, \"failed\": %d}\n", (unsigned long long)f->commands,
	       (unsigned long long)f->refused, (unsigned long long)f->lost,
	       (unsigned long long)f->wqes, (unsigned long long)f->completions, ret);
	free(f);
	return ret;
}
