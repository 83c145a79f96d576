// SPDX-License-Identifier: GPL-2.0-only
/*
 * Commands: each one too short, too long, with too little room for its output,
 * before the function is initialised, and with handles that are another
 * instance's, stale, or never existed.
 */
#include <stdio.h>
#include <stdlib.h>
#include "hostile.h"

enum kind {
	NONE, PD, UAR, XRCD, TD, MKEY, CQ, EQ, QP, SRQ, XRC_SRQ, RMP,
};

/**
 * struct row - a command
 * @name: opcode's name
 * @opcode: PRM opcode
 * @op_mod: a valid op_mod
 * @inlen: size of its fixed input
 * @outlen: size of its output
 * @kind: what its handle names
 * @bit: where the handle is, in bits
 * @width: its bits
 * @early: allowed before INIT_HCA
 * @more: a page list may follow
 */
struct row {
	const char *name;
	u16 opcode;
	u16 op_mod;
	u32 inlen;
	u32 outlen;
	enum kind kind;
	u32 bit;
	u32 width;
	bool early;
	bool more;
};

#define SIZES(op, st)	.name = #op, .opcode = MLX5_CMD_OP_##op,		\
			.inlen = MLX5_ST_SZ_BYTES(st##_in),			\
			.outlen = MLX5_ST_SZ_BYTES(st##_out)
#define PLAIN(op, st, ...)	{ SIZES(op, st), ##__VA_ARGS__ }
#define NAMES(op, st, what, fld, ...)						\
	{ SIZES(op, st), .kind = what, .bit = __mlx5_bit_off(st##_in, fld),	\
	  .width = __mlx5_bit_sz(st##_in, fld), ##__VA_ARGS__ }

static const struct row rows[] = {
	PLAIN(ENABLE_HCA, enable_hca, .early = true),
	PLAIN(DISABLE_HCA, disable_hca, .early = true),
	PLAIN(INIT_HCA, init_hca, .early = true),
	PLAIN(TEARDOWN_HCA, teardown_hca, .early = true),
	PLAIN(QUERY_ISSI, query_issi, .early = true),
	PLAIN(SET_ISSI, set_issi, .early = true),
	PLAIN(QUERY_PAGES, query_pages, .early = true, .op_mod = 1),
	PLAIN(MANAGE_PAGES, manage_pages, .early = true, .more = true),
	PLAIN(QUERY_HCA_CAP, query_hca_cap, .early = true),
	PLAIN(SET_HCA_CAP, set_hca_cap, .early = true),
	PLAIN(QUERY_ADAPTER, query_adapter),
	PLAIN(ALLOC_UAR, alloc_uar),
	PLAIN(ALLOC_PD, alloc_pd),
	PLAIN(ALLOC_XRCD, alloc_xrcd),
	PLAIN(ALLOC_TRANSPORT_DOMAIN, alloc_transport_domain),
	PLAIN(ACCESS_REG, access_register, .op_mod = 1, .more = true),
	PLAIN(QUERY_HCA_VPORT_CONTEXT, query_hca_vport_context),
	PLAIN(MODIFY_HCA_VPORT_CONTEXT, modify_hca_vport_context),
	PLAIN(QUERY_VPORT_COUNTER, query_vport_counter),
	PLAIN(MAD_IFC, mad_ifc, .more = true),
	PLAIN(QUERY_HCA_VPORT_GID, query_hca_vport_gid),
	PLAIN(QUERY_HCA_VPORT_PKEY, query_hca_vport_pkey),
	PLAIN(CREATE_MKEY, create_mkey, .more = true),
	PLAIN(CREATE_EQ, create_eq, .more = true),
	PLAIN(CREATE_CQ, create_cq, .more = true),
	PLAIN(CREATE_QP, create_qp, .more = true),
	PLAIN(CREATE_SRQ, create_srq, .more = true),
	PLAIN(CREATE_XRC_SRQ, create_xrc_srq, .more = true),
	PLAIN(CREATE_RMP, create_rmp, .more = true),
	NAMES(DEALLOC_UAR, dealloc_uar, UAR, uar),
	NAMES(DEALLOC_PD, dealloc_pd, PD, pd),
	NAMES(DEALLOC_XRCD, dealloc_xrcd, XRCD, xrcd),
	NAMES(DEALLOC_TRANSPORT_DOMAIN, dealloc_transport_domain, TD, transport_domain),
	NAMES(DESTROY_MKEY, destroy_mkey, MKEY, mkey_index),
	NAMES(QUERY_MKEY, query_mkey, MKEY, mkey_index),
	NAMES(QUERY_EQ, query_eq, EQ, eq_number),
	NAMES(DESTROY_EQ, destroy_eq, EQ, eq_number),
	NAMES(DESTROY_CQ, destroy_cq, CQ, cqn),
	NAMES(QUERY_CQ, query_cq, CQ, cqn),
	NAMES(MODIFY_CQ, modify_cq, CQ, cqn, .more = true),
	NAMES(DESTROY_QP, destroy_qp, QP, qpn),
	NAMES(QUERY_QP, query_qp, QP, qpn),
	NAMES(RST2INIT_QP, rst2init_qp, QP, qpn),
	NAMES(INIT2INIT_QP, init2init_qp, QP, qpn),
	NAMES(INIT2RTR_QP, init2rtr_qp, QP, qpn),
	NAMES(RTR2RTS_QP, rtr2rts_qp, QP, qpn),
	NAMES(RTS2RTS_QP, rts2rts_qp, QP, qpn),
	NAMES(SQERR2RTS_QP, sqerr2rts_qp, QP, qpn),
	NAMES(2ERR_QP, qp_2err, QP, qpn),
	NAMES(2RST_QP, qp_2rst, QP, qpn),
	NAMES(ATTACH_TO_MCG, attach_to_mcg, QP, qpn),
	NAMES(DETACH_FROM_MCG, detach_from_mcg, QP, qpn),
	NAMES(DESTROY_SRQ, destroy_srq, SRQ, srqn),
	NAMES(QUERY_SRQ, query_srq, SRQ, srqn),
	NAMES(ARM_RQ, arm_rq, SRQ, srq_number, .op_mod = 1),
	NAMES(DESTROY_XRC_SRQ, destroy_xrc_srq, XRC_SRQ, xrc_srqn),
	NAMES(QUERY_XRC_SRQ, query_xrc_srq, XRC_SRQ, xrc_srqn),
	NAMES(ARM_XRC_SRQ, arm_xrc_srq, XRC_SRQ, xrc_srqn, .op_mod = 1),
	NAMES(DESTROY_RMP, destroy_rmp, RMP, rmpn),
	NAMES(QUERY_RMP, query_rmp, RMP, rmpn),
	NAMES(MODIFY_RMP, modify_rmp, RMP, rmpn),
};

#define ROWS	(sizeof(rows) / sizeof(*rows))

/* A field of at most 32 bits that does not cross a 32-bit word. */
static void set_bits(void *in, u32 bit, u32 width, u32 value)
{
	__be32 *word = (__be32 *)in + bit / 32;
	u32 shift = 32 - width - bit % 32;
	u32 mask = (width == 32 ? ~0U : (1U << width) - 1) << shift;

	*word = cpu_to_be32((be32_to_cpu(*word) & ~mask) | (value << shift & mask));
}

static void *input(const struct row *r)
{
	u8 *in = calloc(1, r->inlen + 8192);

	if (!in)
		abort();
	MLX5_SET(alloc_pd_in, in, opcode, r->opcode);
	MLX5_SET(alloc_pd_in, in, op_mod, r->op_mod);
	return in;
}

static int run_lengths(struct node *n, const struct row *r, const u32 *len, u32 count,
		       const char *what)
{
	void *in = input(r);
	int ret = 0;

	for (u32 i = 0; i < count && !ret; i++)
		ret = must_refuse(n, in, len[i], r->outlen, what);
	free(in);
	return ret;
}

static int run_short_in(struct node *a, struct node *b, const void *arg)
{
	const struct row *r = arg;
	const u32 len[] = { r->inlen - 4, r->inlen / 2, 8, 4, 0 };

	return run_lengths(a, r, len, 5, "input too short");
}

static int run_long_in(struct node *a, struct node *b, const void *arg)
{
	const struct row *r = arg;
	const u32 len[] = { r->inlen + 4, r->inlen + 512, r->inlen + 8192 };

	return run_lengths(a, r, len, 3, "input too long");
}

/* An input of gigabytes that is not there: refused in bounded time. */
static int run_huge_in(struct node *a, struct node *b, const void *arg)
{
	const struct row *r = arg;
	struct mlx5_cmd_layout *entry = client_cmd_entry(&a->c, 0);
	u64 objects = node_objects(a);
	void *in = input(r);
	int ret = client_cmd_fill(&a->c, 0, in, r->inlen, r->outlen);

	free(in);
	if (ret)
		return complain("no memory");
	entry->inlen = cpu_to_be32(0xfffffff0);
	client_cmd_ring(&a->c, 1);
	ret = client_cmd_wait(&a->c, 0, CLIENT_CMD_TIMEOUT_MS);
	if (!ret) {
		u8 out[16];

		client_cmd_output(&a->c, 0, out, sizeof(out));
		ret = MLX5_GET(alloc_pd_out, out, status);
	}
	return must_fail(a, ret, objects, "input of 4 GiB");
}

static int run_short_out(struct node *a, struct node *b, const void *arg)
{
	const struct row *r = arg;
	void *in = input(r);
	int ret = must_refuse(a, in, r->inlen, 8, "output without room for its header");

	if (!ret && r->outlen > 16 && !r->more)
		ret = must_refuse(a, in, r->inlen, r->outlen - 4, "output too short");
	free(in);
	return ret;
}

static int run_early(struct node *a, struct node *b, const void *arg)
{
	const struct row *r = arg;
	void *in = input(r);
	int ret = must_refuse(a, in, r->inlen, r->outlen, "before INIT_HCA");

	free(in);
	return ret;
}

/* ---- Objects of each kind ----------------------------------------------- */

static int make_simple(struct node *n, u16 opcode, u32 *number)
{
	u32 in[MLX5_ST_SZ_DW(alloc_pd_in)] = { 0 }, out[MLX5_ST_SZ_DW(alloc_pd_out)];
	int ret;

	MLX5_SET(alloc_pd_in, in, opcode, opcode);
	ret = client_exec(&n->c, in, sizeof(in), out, sizeof(out));
	*number = MLX5_GET(alloc_pd_out, out, pd);
	return ret;
}

static int make_srq(struct node *n, enum client_srq_type type, u32 *number)
{
	struct client_srq_attr attr = { .type = type, .pd = n->pd, .log_size = 4,
					.max_sge = 1, .cqn = n->cq.cqn };
	struct client_srq *srq = calloc(1, sizeof(*srq));
	int ret = srq ? client_alloc_xrcd(&n->c, &attr.xrcd) : -1;

	if (!ret)
		ret = client_create_srq(&n->c, &attr, srq);
	if (!ret)
		*number = srq->srqn;
	return ret;		/* the process is short; the SRQ's memory stays */
}

static int make_cq(struct node *n, u32 *number)
{
	struct client_cq *cq = calloc(1, sizeof(*cq));
	struct client_cq_attr attr;
	int ret;

	client_cq_attr_init(&attr, 4);
	ret = cq ? client_create_cq(&n->c, &attr, cq) : -1;
	if (!ret)
		*number = cq->cqn;
	return ret;
}

static int make_eq(struct node *n, u32 *number)
{
	struct client_eq *eq = calloc(1, sizeof(*eq));
	int ret = eq ? client_create_eq(&n->c, 6, 0, 0, eq) : -1;

	if (!ret)
		*number = eq->eqn;
	return ret;
}

static int make_qp(struct node *n, u32 *number)
{
	struct client_qp *qp = calloc(1, sizeof(*qp));
	struct client_qp_attr attr;
	int ret;

	client_qp_attr_init(&attr, MLX5_QP_ST_RC, n->pd, &n->cq);
	ret = qp ? client_create_qp(&n->c, &attr, qp) : -1;
	if (!ret)
		*number = qp->qpn;
	return ret;
}

static int make_mkey(struct node *n, u32 *number)
{
	int ret = client_reg_mr(&n->c, n->pd, n->mem.va, 4096, CLIENT_ALL_ACCESS, number);

	*number >>= 8;
	return ret;
}

static int make(struct node *n, enum kind kind, u32 *number)
{
	switch (kind) {
	case PD: return client_alloc_pd(&n->c, number);
	case UAR: return client_alloc_uar(&n->c, number);
	case XRCD: return client_alloc_xrcd(&n->c, number);
	case TD: return make_simple(n, MLX5_CMD_OP_ALLOC_TRANSPORT_DOMAIN, number);
	case MKEY: return make_mkey(n, number);
	case CQ: return make_cq(n, number);
	case EQ: return make_eq(n, number);
	case QP: return make_qp(n, number);
	case SRQ: return make_srq(n, CLIENT_SRQ, number);
	case XRC_SRQ: return make_srq(n, CLIENT_XRC_SRQ, number);
	case RMP: return make_srq(n, CLIENT_RMP, number);
	default: return -1;
	}
}

static int destroy(struct node *n, enum kind kind, u32 number)
{
	for (size_t i = 0; i < ROWS; i++) {
		const struct row *r = &rows[i];
		bool ends = !strncmp(r->name, "DE", 2) && strncmp(r->name, "DETACH", 6);

		if (r->kind == kind && ends) {
			void *in = input(r);
			u8 out[64];
			int ret;

			set_bits(in, r->bit, r->width, number);
			ret = client_exec(&n->c, in, r->inlen, out, r->outlen);
			free(in);
			return ret;
		}
	}
	return -1;
}

static int with_handle(struct node *n, const struct row *r, u32 number, const char *what)
{
	void *in = input(r);
	int ret;

	set_bits(in, r->bit, r->width, number);
	ret = must_refuse(n, in, r->inlen, r->outlen, what);
	free(in);
	return ret;
}

/* Numbers of both instances start alike: take one that only the other has. */
static int run_foreign(struct node *a, struct node *b, const void *arg)
{
	const struct row *r = arg;
	u32 number = 0;
	u64 objects;

	for (int i = 0; i < 6; i++)
		if (make(b, r->kind, &number))
			return complain("the bystander cannot create one: status %x",
					b->c.status);
	objects = node_objects(b);
	if (with_handle(a, r, number, "handle of another instance"))
		return -1;
	return node_objects(b) == objects ? 0 :
	       complain("the other instance's objects have changed");
}

static int run_stale(struct node *a, struct node *b, const void *arg)
{
	const struct row *r = arg;
	u32 number = 0;

	if (make(a, r->kind, &number) || destroy(a, r->kind, number))
		return complain("create and destroy: status %x", a->c.status);
	return with_handle(a, r, number, "stale handle");
}

static int run_unknown(struct node *a, struct node *b, const void *arg)
{
	const struct row *r = arg;

	return with_handle(a, r, 0xffffff, "handle ffffff") ||
	       with_handle(a, r, 0xabcdef, "handle abcdef") ? -1 : 0;
}

/* ---- The walk ------------------------------------------------------------- */

static bool always(const struct row *r) { return true; }
static bool fixed(const struct row *r) { return !r->more; }
static bool late(const struct row *r) { return !r->early; }
static bool names(const struct row *r) { return r->kind != NONE; }

static const struct {
	const char *name;
	int (*run)(struct node *a, struct node *b, const void *arg);
	bool (*applies)(const struct row *r);
	u32 flags;
} kinds[] = {
	{ "short_in", run_short_in, always, 0 },
	{ "long_in", run_long_in, fixed, 0 },
	{ "huge_in", run_huge_in, always, 0 },
	{ "short_out", run_short_out, always, 0 },
	{ "early", run_early, late, CASE_EARLY },
	{ "foreign", run_foreign, names, 0 },
	{ "stale", run_stale, names, 0 },
	{ "unknown", run_unknown, names, 0 },
};

static bool find(u32 i, size_t *kind, size_t *row)
{
	for (*kind = 0; *kind < sizeof(kinds) / sizeof(*kinds); ++*kind)
		for (*row = 0; *row < ROWS; ++*row)
			if (kinds[*kind].applies(&rows[*row]) && !i--)
				return true;
	return false;
}

static u32 count(void)
{
	size_t kind, row;
	u32 n = 0;

	while (find(n, &kind, &row))
		n++;
	return n;
}

static void get(u32 i, struct hostile_case *c, char *name, size_t size)
{
	size_t kind, row;

	find(i, &kind, &row);
	snprintf(name, size, "command_%s_%s", kinds[kind].name, rows[row].name);
	c->name = name;
	c->run = kinds[kind].run;
	c->arg = &rows[row];
	c->flags = kinds[kind].flags;
}

const struct hostile_group command_group = { "command", count, get };
