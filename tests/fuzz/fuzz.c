// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Inputs, nodes and checks: see fuzz.h. */
#include <stdarg.h>

#include "fuzz.h"

#define GUEST_BYTES	(4UL << 20)
#define OWN_LEN		3000U

static const struct soft_lane_params lane_params = {
	.idle_us = 1000,
	.idle_polls = 50,
	.wqe_budget = 8,
	.byte_budget = 16384,
	.qp_polls = 4,
	.sweep = 4,
	.error_poll_ms = 1,
};

void fuzz_fail(const char *file, int line, const char *what, const char *format, ...)
{
	va_list ap;

	fprintf(stderr, "%s:%d: %s: ", file, line, what);
	va_start(ap, format);
	vfprintf(stderr, format, ap);
	va_end(ap);
	fputc('\n', stderr);
	abort();
}

/* ---- Input ------------------------------------------------------------ */

u64 fuzz_take(struct fuzz_input *in, u32 bytes)
{
	u64 value = 0;
	u32 i;

	for (i = 0; i < bytes && in->left; i++, in->left--)
		value |= (u64)*in->p++ << 8 * i;
	return value;
}

void fuzz_take_bytes(struct fuzz_input *in, void *to, size_t len)
{
	size_t have = min(len, in->left);

	memset(to, 0, len);
	if (have)
		memcpy(to, in->p, have);
	in->p += have;
	in->left -= have;
}

void fuzz_put_bytes(struct fuzz_output *out, const void *from, size_t len)
{
	fuzz_check(out->len + len <= out->room, "a seed of more than %zu bytes", out->room);
	memcpy(out->p + out->len, from, len);
	out->len += len;
}

void fuzz_put(struct fuzz_output *out, u64 value, u32 bytes)
{
	__le64 word = cpu_to_le64(value);

	fuzz_put_bytes(out, &word, bytes);
}

bool fuzz_take_command(struct fuzz_node *n, struct fuzz_input *in, u32 slot)
{
	u16 inlen = fuzz_take16(in);
	u16 outlen = fuzz_take16(in);
	u8 *bytes = calloc(1, inlen + 16U);
	int ret;

	fuzz_take_bytes(in, bytes, inlen);
	ret = client_cmd_fill(&n->c, slot, bytes, inlen, outlen & 0x7fff);
	free(bytes);
	return !ret;
}

/* ---- Running ---------------------------------------------------------- */

static bool round_of_all(struct fuzz_world *w)
{
	bool did = lanes_turn(&w->hca);
	u32 i;

	for (i = 0; i < FUZZ_NODES; i++)
		if (w->n[i].vmm)
			did |= vmm_user_work(w->n[i].vmm);
	return did;
}

void fuzz_run(struct fuzz_world *w, u32 turns)
{
	while (turns-- && round_of_all(w))
		;
}

void fuzz_settle(struct fuzz_world *w)
{
	u32 n;

	for (n = 0; round_of_all(w); n++)
		fuzz_check(n < FUZZ_TURNS, "still busy after %u turns", n);
}

void fuzz_elapse(struct fuzz_world *w, u64 ns)
{
	u32 i;

	for (i = 0; i < 4; i++) {
		shim_clock_advance(ns / 4 + 1);
		fuzz_settle(w);
		mhca_instance_tick(w->n[0].vmm->inst);
	}
}

/* ---- Nodes ------------------------------------------------------------ */

u32 fuzz_key(struct fuzz_node *n, u32 offset, u32 len, u32 access)
{
	u32 first = offset >> CLIENT_PAGE_SHIFT;
	__be64 pas[FUZZ_MEM / CLIENT_PAGE];
	struct client_mkey_attr attr = {
		.pd = n->pd, .access = access, .start = FUZZ_VA + offset, .len = len,
		.shift = CLIENT_PAGE_SHIFT, .qpn = CLIENT_ANY_QP, .variant = 0x5a, .pas = pas,
	};
	u32 key = 0;
	int ret;

	attr.n_pas = client_page_list(&n->c, n->mem.va + first * CLIENT_PAGE,
				      offset + len - first * CLIENT_PAGE, pas);
	ret = client_create_mkey(&n->c, &attr, &key);
	fuzz_check(!ret, "key: %d", ret);
	return key;
}

/* GID 0: link-local, ends in the node's number from 1 on. */
static int node_enable_roce(struct fuzz_node *n, u32 i)
{
	memset(n->gid, 0, sizeof(n->gid));
	n->gid[0] = 0xfe;
	n->gid[1] = 0x80;
	n->gid[15] = i + 1;
	return client_enable_roce(&n->c) |
	       client_set_roce_address(&n->c, 0, n->gid, n->vmm->inst->id.mac, -1,
				       CLIENT_ROCE_V2_IPV6);
}

static void node_open(struct fuzz_world *w, u32 i)
{
	const struct vmm_user_params params = { .memory = GUEST_BYTES, .roce = w->roce };
	struct fuzz_node *n = &w->n[i];
	struct client_cq_attr attr;
	int ret;

	n->vmm = vmm_user_create(&w->hca, &params, 0x0200000000000100ULL * (i + 1));
	fuzz_check(n->vmm, "no instance");
	ret = client_open(&n->c, &vmm_user_client_ops, n->vmm, 0);
	if (w->roce)
		ret |= node_enable_roce(n, i);
	client_cq_attr_init(&attr, 6);
	ret |= client_alloc_pd(&n->c, &n->pd);
	ret |= client_create_cq(&n->c, &attr, &n->cq);
	ret |= client_mem_alloc(&n->c, FUZZ_MEM, &n->mem);
	fuzz_check(!ret, "set-up");
	memset(n->mem.va, (int)(0xa0 + i), FUZZ_MEM);
	n->key = fuzz_key(n, 0, FUZZ_MEM, CLIENT_ALL_ACCESS);
	fuzz_remember(n);
}

/* Towards QP @qp of @n. */
static void fuzz_path(const struct fuzz_node *n, const struct client_qp *qp,
		      struct client_modify *m)
{
	m->remote_qpn = qp->qpn;
	m->path.dlid = n->c.lid;
	m->path.grh = n->gid[0];
	m->path.hop_limit = 64;
	memcpy(m->path.dgid, n->gid, sizeof(n->gid));
	memcpy(m->path.dmac, n->vmm->inst->id.mac, sizeof(m->path.dmac));
}

void fuzz_connect(struct fuzz_node *a, struct client_qp *qa, struct fuzz_node *b,
		  struct client_qp *qb, const struct client_modify *template)
{
	struct client_modify m = *template;
	int ret;

	fuzz_path(b, qb, &m);
	ret = client_connect_qp(qa, &m);
	fuzz_path(a, qa, &m);
	if (qa != qb)
		ret |= client_connect_qp(qb, &m);
	fuzz_check(!ret, "connect");
}

struct fuzz_world *fuzz_world_create(bool roce)
{
	struct fuzz_world *w = calloc(1, sizeof(*w));
	struct client_qp_attr attr;
	struct client_modify m;
	u32 i;

	shim_clock_fake(true);
	fuzz_check(w && !soft_hca_init(&w->hca, 1, &lane_params), "no HCA");
	w->roce = roce;
	for (i = 0; i < FUZZ_NODES; i++)
		node_open(w, i);
	client_qp_attr_init(&attr, MLX5_QP_ST_RC, w->n[1].pd, &w->n[1].cq);
	client_modify_init(&m);
	for (i = 0; i < 2; i++)
		fuzz_check(!client_create_qp(&w->n[1].c, &attr, &w->own[i]), "QP");
	fuzz_connect(&w->n[1], &w->own[0], &w->n[1], &w->own[1], &m);
	return w;
}

void fuzz_remember(struct fuzz_node *n)
{
	memcpy(n->before, n->mem.va, FUZZ_MEM);
}

void fuzz_unchanged(const struct fuzz_node *n, u32 from, u32 to)
{
	u32 i;

	if (!memcmp(n->before, n->mem.va, from) &&
	    !memcmp(n->before + to, n->mem.va + to, FUZZ_MEM - to))
		return;
	for (i = 0; i < FUZZ_MEM; i++)
		fuzz_check((i >= from && i < to) || n->before[i] == n->mem.va[i],
			   "byte 0x%x was 0x%02x, is 0x%02x", i, n->before[i], n->mem.va[i]);
}

/* Node 1's own traffic works, and the only completions it sees are its own. */
static void other_is_well(struct fuzz_world *w)
{
	struct fuzz_node *n = &w->n[1];
	struct client_sge sge = { FUZZ_VA + 5, OWN_LEN, n->key };
	struct client_send wr = {
		.opcode = MLX5_OPCODE_RDMA_WRITE, .wr_id = ++w->own_count,
		.flags = CLIENT_SIGNALED, .sge = &sge, .n_sge = 1, .rkey = n->key,
		.remote_addr = FUZZ_VA + 0x8000 + 3,
	};
	struct client_wc wc;

	memset(n->mem.va + 5, (int)w->own_count, OWN_LEN);
	fuzz_check(!client_post_send(&w->own[0], &wr), "post");
	fuzz_settle(w);
	do
		fuzz_check(client_poll_cq(&n->cq, 1, &wc) == 1, "no completion");
	while (wc.qp != &w->own[0]);
	fuzz_check(!wc.status && wc.wr_id == w->own_count, "status 0x%x, wr_id %llu", wc.status,
		   (unsigned long long)wc.wr_id);
	fuzz_check(!memcmp(n->mem.va + 5, n->mem.va + 0x8003, OWN_LEN), "wrong data");
}

static void node_close(struct fuzz_node *n)
{
	client_forget_cq(&n->cq);
	client_mem_free(&n->c, &n->mem);
	client_abandon(&n->c);
	vmm_user_destroy(n->vmm);
	n->vmm = NULL;
}

void fuzz_world_finish(struct fuzz_world *w)
{
	u32 kind;
	u32 i;

	fuzz_settle(w);
	other_is_well(w);
	w->n[0].c.ops->reset(w->n[0].vmm);
	fuzz_check(!w->n[0].vmm->pinned, "%lld pages are pinned after a reset",
		   (long long)w->n[0].vmm->pinned);
	for (kind = 0; kind < MHCA_OBJECT_KINDS; kind++)
		fuzz_check(!w->n[0].vmm->inst->object_count[kind],
			   "objects of kind %s are left after a reset", mhca_object_name(kind));
	other_is_well(w);
	for (i = 0; i < 2; i++)
		client_forget_qp(&w->own[i]);
	for (i = 0; i < FUZZ_NODES; i++)
		node_close(&w->n[i]);
	soft_hca_fini(&w->hca);
	shim_quiesce();
	shim_clock_fake(false);
	free(w);
}
