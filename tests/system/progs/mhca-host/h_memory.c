// SPDX-License-Identifier: GPL-2.0-only
/*
 * Queues, records and keys whose memory is not there, does not fit, or goes
 * away later.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include "hostile.h"

/* ---- Wrong from the beginning ------------------------------------------------ */

enum queue { CQ, QP, EQ, SRQ, QUEUES };

static const char *const queue_name[QUEUES] = { "cq", "qp", "eq", "srq" };

enum fault {
	PAGES_IN_HOLE, RECORD_IN_HOLE, RECORD_MISALIGNED, RECORD_AT_PAGE_END, TOO_FEW_PAGES,
	SIZE_TOO_BIG, PAGE_SIZE_TOO_BIG, FAULTS
};

static const char *const fault_name[FAULTS] = {
	"pages_in_hole", "record_in_hole", "record_misaligned", "record_at_page_end",
	"too_few_pages", "size_too_big", "page_size_too_big",
};

/**
 * struct layout - where things are in a CREATE command
 * @opcode: opcode
 * @inlen: without page list
 * @size: bit offset and width of the log of the queue's size
 * @page: … of the log of the page size
 * @pages: page list entries of an honest queue
 * @log_size: honest size
 */
struct layout {
	u16 opcode;
	u32 inlen;
	u32 size_bit;
	u32 size_width;
	u32 page_bit;
	u32 page_width;
	u32 pages;
	u32 log_size;
};

#define FIELD(name, typ, base, ctx, fld)					\
	.name##_bit = __mlx5_bit_off(typ, base) + __mlx5_bit_off(ctx, fld),	\
	.name##_width = __mlx5_bit_sz(ctx, fld)

static const struct layout layouts[QUEUES] = {
	[CQ] = { MLX5_CMD_OP_CREATE_CQ, MLX5_ST_SZ_BYTES(create_cq_in),
		 FIELD(size, create_cq_in, cq_context, cqc, log_cq_size),
		 FIELD(page, create_cq_in, cq_context, cqc, log_page_size), 4, 8 },
	[QP] = { MLX5_CMD_OP_CREATE_QP, MLX5_ST_SZ_BYTES(create_qp_in),
		 FIELD(size, create_qp_in, qpc, qpc, log_sq_size),
		 FIELD(page, create_qp_in, qpc, qpc, log_page_size), 4, 8 },
	[EQ] = { MLX5_CMD_OP_CREATE_EQ, MLX5_ST_SZ_BYTES(create_eq_in),
		 FIELD(size, create_eq_in, eq_context_entry, eqc, log_eq_size),
		 FIELD(page, create_eq_in, eq_context_entry, eqc, log_page_size), 4, 8 },
	[SRQ] = { MLX5_CMD_OP_CREATE_XRC_SRQ, MLX5_ST_SZ_BYTES(create_xrc_srq_in),
		  FIELD(size, create_xrc_srq_in, xrc_srq_context_entry, xrc_srqc, log_xrc_srq_size),
		  FIELD(page, create_xrc_srq_in, xrc_srq_context_entry, xrc_srqc, log_page_size),
		  4, 8 },
};

static void set_bits(u8 *in, u32 bit, u32 width, u32 value)
{
	__be32 *word = (__be32 *)in + bit / 32;
	u32 shift = 32 - width - bit % 32;
	u32 mask = ((1U << width) - 1) << shift;

	*word = cpu_to_be32((be32_to_cpu(*word) & ~mask) | (value << shift & mask));
}

/* An honest command; @record: the doorbell record's address. */
static void honest(struct node *n, enum queue q, u8 *in, u64 record, u32 xrcd)
{
	const struct layout *l = &layouts[q];
	void *ctx;

	MLX5_SET(create_cq_in, in, opcode, l->opcode);
	set_bits(in, l->size_bit, l->size_width, l->log_size);
	switch (q) {
	case CQ:
		ctx = MLX5_ADDR_OF(create_cq_in, in, cq_context);
		MLX5_SET(cqc, ctx, uar_page, n->c.uar);
		MLX5_SET(cqc, ctx, c_eqn_or_apu_element, n->c.comp_eq.eqn);
		MLX5_SET64(cqc, ctx, dbr_addr, record);
		break;
	case QP:
		ctx = MLX5_ADDR_OF(create_qp_in, in, qpc);
		MLX5_SET(qpc, ctx, st, MLX5_QP_ST_RC);
		MLX5_SET(qpc, ctx, pm_state, MLX5_QP_PM_MIGRATED);
		MLX5_SET(qpc, ctx, pd, n->pd);
		MLX5_SET(qpc, ctx, uar_page, n->c.uar);
		MLX5_SET(qpc, ctx, cqn_snd, n->cq.cqn);
		MLX5_SET(qpc, ctx, cqn_rcv, n->cq.cqn);
		MLX5_SET(qpc, ctx, rq_type, 3);
		MLX5_SET(qpc, ctx, user_index, 1);
		MLX5_SET64(qpc, ctx, dbr_addr, record);
		break;
	case EQ:
		ctx = MLX5_ADDR_OF(create_eq_in, in, eq_context_entry);
		MLX5_SET(eqc, ctx, uar_page, n->c.uar);
		break;
	default:
		ctx = MLX5_ADDR_OF(create_xrc_srq_in, in, xrc_srq_context_entry);
		MLX5_SET(xrc_srqc, ctx, xrcd, xrcd);
		MLX5_SET(xrc_srqc, ctx, pd, n->pd);
		MLX5_SET(xrc_srqc, ctx, cqn, n->cq.cqn);
		MLX5_SET(xrc_srqc, ctx, log_rq_stride, 2);
		MLX5_SET(xrc_srqc, ctx, user_index, 1);
		MLX5_SET(xrc_srqc, ctx, db_record_addr_h, record >> 32);
		MLX5_SET(xrc_srqc, ctx, db_record_addr_l, (u32)record >> 2);
	}
}

static u64 bad_record(enum fault fault, u64 record)
{
	switch (fault) {
	case RECORD_IN_HOLE:
		return HOLE;
	case RECORD_MISALIGNED:
		return record + 2;
	case RECORD_AT_PAGE_END:
		return record + 4096 - 4;
	default:
		return record;
	}
}

static int run_create(struct node *a, struct node *b, const void *arg)
{
	u32 i = (u32)(uintptr_t)arg;
	enum queue q = i / FAULTS;
	enum fault fault = i % FAULTS;
	const struct layout *l = &layouts[q];
	u32 inlen = l->inlen + l->pages * 8, xrcd = 0;
	u64 base = client_iova(&a->c, a->mem.va + NODE_MEM / 4);	/* unused by transfers */
	u8 *in = calloc(1, inlen), out[16];
	__be64 *pas = (__be64 *)(in + l->inlen);
	int ret;

	if (!in || client_alloc_xrcd(&a->c, &xrcd))
		return complain("set-up");
	for (u32 p = 0; p < l->pages; p++)
		pas[p] = cpu_to_be64(base + p * 4096ULL);
	/* Without the fault it works, so it is the fault that is refused. */
	honest(a, q, in, base + 65536, xrcd);
	if (client_exec(&a->c, in, inlen, out, sizeof(out)))
		return complain("without the fault: status %x, syndrome %x", a->c.status,
				a->c.syndrome);
	honest(a, q, in, bad_record(fault, base + 65536), xrcd);
	if (fault == PAGES_IN_HOLE)
		pas[l->pages - 1] = cpu_to_be64(HOLE);
	else if (fault == TOO_FEW_PAGES)
		inlen -= 8;
	else if (fault == SIZE_TOO_BIG)
		set_bits(in, l->size_bit, l->size_width, (1U << l->size_width) - 1);
	else if (fault == PAGE_SIZE_TOO_BIG)
		set_bits(in, l->page_bit, l->page_width, (1U << l->page_width) - 1);
	ret = must_refuse(a, in, inlen, 16, fault_name[fault]);
	free(in);
	return ret;
}

static bool applies(u32 i)
{
	bool has_record = i / FAULTS != EQ;
	bool any_bits = i / FAULTS != SRQ;	/* its record's address has no low bits */

	switch (i % FAULTS) {
	case RECORD_IN_HOLE:
		return has_record;
	case RECORD_MISALIGNED:
	case RECORD_AT_PAGE_END:
		return has_record && any_bits;
	default:
		return true;
	}
}

/* ---- Keys ---------------------------------------------------------------------- */

/**
 * struct key_case - a key that must not be
 * @name: name
 * @hole: the list's last page is not there
 * @start: first address
 * @len: bytes
 * @shift: log of the page size
 * @pages: entries of the list (one of them repeated)
 */
struct key_case {
	const char *name;
	bool hole;
	u64 start;
	u64 len;
	u8 shift;
	u32 pages;
};

static const struct key_case keys[] = {
	{ "key_pages_in_hole", .hole = true, .len = 8192, .shift = 12, .pages = 2 },
	{ "key_longer_than_list", .len = 8193, .shift = 12, .pages = 2 },
	{ "key_offset_longer_than_list", .start = 4095, .len = 8192, .shift = 12, .pages = 2 },
	{ "key_wraps", .start = ~0ULL - 4095, .len = 8192, .shift = 12, .pages = 4 },
	{ "key_length_2_63", .len = 1ULL << 63, .shift = 12, .pages = 2 },
	{ "key_page_size_0", .len = 4096, .shift = 0, .pages = 2 },
	{ "key_page_size_11", .len = 2048, .shift = 11, .pages = 2 },
	{ "key_page_size_63", .len = 4096, .shift = 63, .pages = 2 },
	{ "key_without_list", .len = 4096, .shift = 12, .pages = 0 },
};

#define KEYS	(sizeof(keys) / sizeof(*keys))

static int run_key(struct node *a, struct node *b, const void *arg)
{
	const struct key_case *k = arg;
	u64 base = client_iova(&a->c, a->mem.va), objects = node_objects(a);
	__be64 pas[4];
	struct client_mkey_attr attr = {
		.pd = a->pd, .access = CLIENT_ALL_ACCESS, .start = k->start, .len = k->len,
		.shift = k->shift, .pas = pas, .n_pas = k->pages, .qpn = CLIENT_ANY_QP,
	};
	u32 key;

	for (u32 i = 0; i < 4; i++)
		pas[i] = cpu_to_be64(base + i * 4096ULL);
	if (k->hole)
		pas[k->pages - 1] = cpu_to_be64(HOLE);
	return must_fail(a, client_create_mkey(&a->c, &attr, &key), objects, k->name);
}

/* A key over physical addresses without bounds: what is not there is an error. */
static int run_pa_hole(struct node *a, struct node *b, const void *arg)
{
	struct client_mkey_attr attr = { .pd = a->pd, .access = CLIENT_LOCAL_WRITE, .pa = true,
					 .length64 = true, .qpn = CLIENT_ANY_QP };
	u64 addr[] = { HOLE, ~0ULL - 63, 0x8000000000000000ULL };
	struct client_sge sge = { .len = 64 };
	struct client_send wr = { .opcode = MLX5_OPCODE_RDMA_WRITE, .sge = &sge, .n_sge = 1,
				  .remote_addr = (uintptr_t)b->mem.va, .rkey = b->key };

	if (client_create_mkey(&a->c, &attr, &sge.lkey))
		return complain("PA key: status %x", a->c.status);
	for (size_t i = 0; i < sizeof(addr) / sizeof(*addr); i++) {
		struct client_qp qa, qb;
		struct client_wc wc;

		if (node_connect(a, &qa, b, &qb))
			return -1;
		sge.addr = addr[i];
		if (node_send(a, &qa, &wr, &wc))
			return -1;
		if (wc.status != MLX5_CQE_SYNDROME_LOCAL_PROT_ERR)
			return complain("address %llx: syndrome %x",
					(unsigned long long)addr[i], wc.status);
		if (client_destroy_qp(&qa) || client_destroy_qp(&qb))
			return complain("destroy");
	}
	return 0;
}

/* ---- Gone later ------------------------------------------------------------------ */

static void unmap(struct node *n, void *va)
{
	n->c.ops->free(n->c.backend, va, 0);
}

/* To a quarter that transfers do not use: nobody waits for all of these. */
static struct client_send write_to(struct node *from, struct node *to, struct client_sge *sge)
{
	*sge = (struct client_sge){ .addr = (uintptr_t)from->mem.va, .len = 65536,
				    .lkey = from->key };
	return (struct client_send){ .opcode = MLX5_OPCODE_RDMA_WRITE, .sge = sge, .n_sge = 1,
				     .remote_addr = (uintptr_t)to->mem.va + NODE_MEM / 4,
				     .rkey = to->key };
}

static int lost(struct node *n)
{
	return node_counter(n, "pins_lost") ? 0 : complain("pins_lost is still zero");
}

static int run_source_gone(struct node *a, struct node *b, const void *arg)
{
	struct client_qp qa, qb;
	struct client_sge sge;
	struct client_send wr = write_to(a, b, &sge);
	struct client_wc wc;

	if (node_connect(a, &qa, b, &qb))
		return -1;
	unmap(a, a->mem.va);
	if (node_send(a, &qa, &wr, &wc))
		return -1;
	if (wc.status != MLX5_CQE_SYNDROME_LOCAL_PROT_ERR)
		return complain("syndrome %x", wc.status);
	return lost(a);
}

static int run_target_gone(struct node *a, struct node *b, const void *arg)
{
	struct client_qp qa, qb;
	struct client_sge sge;
	struct client_send wr = write_to(b, a, &sge);
	struct client_wc wc;

	if (node_connect(a, &qa, b, &qb))
		return -1;
	unmap(a, a->mem.va);
	if (node_send(b, &qb, &wr, &wc))
		return -1;
	if (wc.status != MLX5_CQE_SYNDROME_REMOTE_ACCESS_ERR &&
	    wc.status != MLX5_CQE_SYNDROME_REMOTE_OP_ERR)
		return complain("syndrome %x", wc.status);
	return lost(a);
}

/* The whole memory goes while 120 messages of 64 KiB are under way. */
static int run_gone_in_flight(struct node *a, struct node *b, const void *arg)
{
	struct client_qp qa, qb;
	struct client_sge sge;
	struct client_send wr = write_to(a, b, &sge);
	struct client_wc wc;

	if (node_connect(a, &qa, b, &qb))
		return -1;
	wr.flags = CLIENT_SIGNALED;
	for (u32 i = 0; i < 120; i++)
		if (client_post_send(&qa, &wr))
			return complain("post");
	unmap(a, a->mem.va);
	for (u32 i = 0; i < 120; i++)
		if (node_poll(a, &wc, 20000))
			return complain("message %u has no completion", i);
	return lost(a);
}

/* The rings themselves: no completion can come any more, and nothing else may. */
static int run_queue_gone(struct node *a, struct node *b, const void *arg)
{
	const char *what = arg;
	struct client_qp qa, qb;
	struct client_sge sge;
	struct client_send wr = write_to(a, b, &sge);
	struct client_wc wc;

	if (node_connect(a, &qa, b, &qb))
		return -1;
	if (!strcmp(what, "qp")) {
		qa.no_doorbell = true;
		if (client_post_send(&qa, &wr))
			return complain("post");
		unmap(a, qa.mem.va);
		qa.sq.base = a->mem.va;		/* the doorbell's word is taken from there */
		qa.no_doorbell = false;
		client_ring_send(&qa);
		/* An error completion may be written, or the QP just stops. */
		node_poll(a, &wc, 500);
	} else if (!strcmp(what, "cq")) {
		unmap(a, a->cq.mem.va);
		wr.flags = CLIENT_SIGNALED;
		if (client_post_send(&qa, &wr))
			return complain("post");
	} else {
		unmap(a, a->c.comp_eq.mem.va);
		client_arm_cq(&a->cq, false);
		if (node_send(a, &qa, &wr, &wc) || wc.status)
			return complain("syndrome %x", wc.status);
	}
	return lost(a) || node_transfer(b, b) ? -1 : 0;
}

/* The record's page: words are the program's own again, so only ring. */
static int run_record_gone(struct node *a, struct node *b, const void *arg)
{
	struct client_qp qa, qb;
	void *page;

	if (node_connect(a, &qa, b, &qb))
		return -1;
	page = (void *)((uintptr_t)qa.record.word & ~(uintptr_t)4095);
	unmap(a, page);
	for (u32 reg = 0; reg < 8; reg++)
		a->c.ops->uar_write64(a->c.backend, a->c.uar, MLX5_BF_OFFSET + reg * 0x100,
				      cpu_to_be64((u64)qa.qpn << 8 | 1));
	a->c.ops->uar_write64(a->c.backend, a->c.uar, MLX5_CQ_DOORBELL, cpu_to_be64(a->cq.cqn));
	return lost(a) || node_transfer(b, b) ? -1 : 0;
}

static const struct hostile_case gone[] = {
	{ "key_of_physical_hole", run_pa_hole, NULL, 0 },
	{ "source_gone", run_source_gone, NULL, CASE_MAPPINGS | CASE_LOST },
	{ "target_gone", run_target_gone, NULL, CASE_MAPPINGS | CASE_LOST },
	{ "gone_in_flight", run_gone_in_flight, NULL, CASE_MAPPINGS | CASE_LOST },
	{ "qp_gone", run_queue_gone, "qp", CASE_MAPPINGS | CASE_LOST },
	{ "cq_gone", run_queue_gone, "cq", CASE_MAPPINGS | CASE_LOST },
	{ "eq_gone", run_queue_gone, "eq", CASE_MAPPINGS | CASE_LOST },
	{ "record_gone", run_record_gone, NULL, CASE_MAPPINGS | CASE_LOST },
};

#define GONE	(sizeof(gone) / sizeof(*gone))

static u32 count(void)
{
	u32 n = 0;

	for (u32 i = 0; i < QUEUES * FAULTS; i++)
		n += applies(i);
	return n + KEYS + GONE;
}

static void get(u32 i, struct hostile_case *c, char *name, size_t size)
{
	if (i < GONE) {
		*c = gone[i];
		snprintf(name, size, "memory_%s", gone[i].name);
	} else if (i - GONE < KEYS) {
		*c = (struct hostile_case){ .run = run_key, .arg = &keys[i - GONE] };
		snprintf(name, size, "memory_%s", keys[i - GONE].name);
	} else {
		i -= GONE + KEYS;
		for (u32 k = 0; k < QUEUES * FAULTS; k++) {
			if (!applies(k) || i--)
				continue;
			*c = (struct hostile_case){ .run = run_create,
						    .arg = (void *)(uintptr_t)k };
			snprintf(name, size, "memory_%s_%s", queue_name[k / FAULTS],
				 fault_name[k % FAULTS]);
			break;
		}
	}
	c->name = name;
}

const struct hostile_group memory_group = { "memory", count, get };
