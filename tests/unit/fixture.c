// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Worlds, guests, pairs: see fixture.h. */
#include "fixture.h"

/* cmocka would catch these signals and say less about them than ASan. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
	return "handle_segv=2:handle_sigbus=2:handle_sigfpe=2:handle_sigill=2";
}

static const struct soft_lane_params default_params = {
	.idle_us = 1000,
	.idle_polls = 100,
	.wqe_budget = 16,
	.byte_budget = 65536,
	.qp_polls = 8,
	.sweep = 8,
	.error_poll_ms = 1,
};

void world_open_guest(struct world *w, u32 i)
{
	struct vmm_user_params params = {
		.threaded = w->threaded, .roce = w->roce, .linear = w->linear,
	};
	struct guest *g = &w->g[i];
	struct client_cq_attr cq;

	memset(g, 0, sizeof(*g));
	g->vmm = vmm_user_create(&w->hca, &params, 0x0200000000000100ULL * (i + 1));
	assert_non_null(g->vmm);
	assert_ok(client_open(&g->c, &vmm_user_client_ops, g->vmm, 0));
	assert_ok(client_alloc_pd(&g->c, &g->pd));
	client_cq_attr_init(&cq, 10);
	assert_ok(client_create_cq(&g->c, &cq, &g->cq));
	assert_ok(client_mem_alloc(&g->c, BUF_BYTES, &g->buf));
	assert_ok(client_reg_mr(&g->c, g->pd, g->buf.va, BUF_BYTES, CLIENT_ALL_ACCESS, &g->key));
}

/*
 * Orderly: every command of the way back has to succeed, unless the test failed and
 * left something behind.
 */
static int close_guest(struct world *w, u32 i)
{
	struct guest *g = &w->g[i];
	int ret;

	if (!g->vmm)
		return 0;
	g->c.before = NULL;
	ret = client_destroy_mkey(&g->c, g->key);
	client_mem_free(&g->c, &g->buf);
	ret |= client_destroy_cq(&g->cq);
	ret |= client_dealloc_pd(&g->c, g->pd);
	client_close(&g->c);
	vmm_user_destroy(g->vmm);
	g->vmm = NULL;
	return ret;
}

void world_close_guest(struct world *w, u32 i)
{
	assert_ok(close_guest(w, i));
}

/* ---- RoCE ------------------------------------------------------------ */

void roce_gid(u32 number, u8 gid[16])
{
	memset(gid, 0, 16);
	gid[0] = 0xfe;
	gid[1] = 0x80;
	gid[15] = number;
}

void roce_path(struct guest *to, u32 number, struct client_path *path)
{
	memset(path, 0, sizeof(*path));
	path->grh = true;
	path->hop_limit = 64;
	roce_gid(number, path->dgid);
	memcpy(path->dmac, to->vmm->inst->id.mac, sizeof(path->dmac));
}

static void roce_on(struct guest *g, u32 number)
{
	u8 gid[16];

	assert_ok(client_enable_roce(&g->c));
	roce_gid(number, gid);
	assert_ok(client_set_roce_address(&g->c, 0, gid, g->vmm->inst->id.mac, -1,
					  CLIENT_ROCE_V2_IPV6));
}

static int setup(void **state, struct world kind)
{
	struct world *w = calloc(1, sizeof(*w));
	u32 i;

	*w = kind;
	w->params = default_params;
	w->lanes = 2;
	shim_clock_fake(!w->threaded);
	assert_ok(soft_hca_init(&w->hca, w->lanes, &w->params));
	if (w->threaded)
		assert_ok(lanes_start(&w->hca));
	for (i = 0; i < WORLD_GUESTS; i++)
		world_open_guest(w, i);
	for (i = 0; w->roce && i < WORLD_GUESTS; i++)
		roce_on(&w->g[i], i + 1);
	*state = w;
	return 0;
}

int world_setup(void **state)
{
	return setup(state, (struct world){ 0 });
}

int world_setup_roce(void **state)
{
	return setup(state, (struct world){ .roce = true });
}

int world_setup_threaded(void **state)
{
	return setup(state, (struct world){ .threaded = true });
}

int world_setup_roce_threaded(void **state)
{
	return setup(state, (struct world){ .threaded = true, .roce = true });
}

int world_setup_roce_linear(void **state)
{
	return setup(state, (struct world){ .roce = true, .linear = true });
}

int world_teardown(void **state)
{
	struct world *w = *state;
	int ret = 0;
	u32 i;

	for (i = 0; i < WORLD_GUESTS; i++)
		ret |= close_guest(w, i);
	if (w->threaded)
		lanes_stop(&w->hca);
	soft_hca_fini(&w->hca);
	shim_quiesce();
	shim_clock_fake(false);
	free(w);
	return ret;
}

void settle(struct world *w)
{
	bool more;
	u32 i;

	if (w->threaded) {
		usleep_range(2000, 2000);
		return;
	}
	do {
		more = false;
		lanes_settle(&w->hca);
		for (i = 0; i < WORLD_GUESTS; i++)
			more |= w->g[i].vmm && vmm_user_work(w->g[i].vmm);
	} while (more);
}

void elapse(struct world *w, u64 ns)
{
	u64 step = ns / 16 + 1;
	u64 at;

	for (at = 0; at < ns; at += step) {
		shim_clock_advance(step);
		settle(w);
	}
}

/* ---- Pairs ----------------------------------------------------------- */

void pair_create(struct pair *p, u8 type, struct guest *a, struct guest *b)
{
	struct client_qp_attr attr;
	u32 i;

	memset(p, 0, sizeof(*p));
	p->g[0] = a;
	p->g[1] = b;
	for (i = 0; i < 2; i++) {
		client_qp_attr_init(&attr, type, p->g[i]->pd, &p->g[i]->cq);
		assert_ok(client_create_qp(&p->g[i]->c, &attr, &p->qp[i]));
	}
}

void pair_modify(struct pair *p, u32 side, struct client_modify *m)
{
	client_modify_init(m);
	m->remote_qpn = p->qp[!side].qpn;
	m->path.dlid = p->g[!side]->c.lid;
	m->rq_psn = side ? 0xfffff0 : 0x123456;
	m->sq_psn = side ? 0x123456 : 0xfffff0;
}

void pair_connect(struct pair *p)
{
	struct client_modify m;
	u32 i;

	for (i = 0; i < 2; i++) {
		pair_modify(p, i, &m);
		assert_ok(client_connect_qp(&p->qp[i], &m));
	}
}

void pair_open(struct pair *p, u8 type, struct guest *a, struct guest *b)
{
	pair_create(p, type, a, b);
	pair_connect(p);
}

void pair_close(struct pair *p)
{
	assert_ok(client_destroy_qp(&p->qp[0]));
	assert_ok(client_destroy_qp(&p->qp[1]));
}

/* ---- Completions ----------------------------------------------------- */

struct client_wc next_wc(struct world *w, struct client_cq *cq)
{
	struct client_wc wc;
	u32 tries;

	for (tries = 0; tries < (w->threaded ? 2000 : 1); tries++) {
		settle(w);
		if (client_poll_cq(cq, 1, &wc))
			return wc;
	}
	fail_msg("no completion came");
	memset(&wc, 0, sizeof(wc));
	return wc;
}

void expect_no_wc(struct world *w, struct client_cq *cq)
{
	settle(w);
	assert_null(client_peek_cq(cq));
}

struct client_wc expect_wc(struct world *w, struct client_cq *cq, u64 wr_id, u8 status)
{
	struct client_wc wc = next_wc(w, cq);

	if (wc.status != status || wc.wr_id != wr_id)
		fail_msg("completion: wr_id 0x%llx status 0x%x vendor 0x%x opcode 0x%x, "
			 "expected wr_id 0x%llx status 0x%x", (unsigned long long)wc.wr_id,
			 wc.status, wc.vendor, wc.opcode, (unsigned long long)wr_id, status);
	return wc;
}

struct client_sge sge_of(struct guest *g, u32 offset, u32 len)
{
	return (struct client_sge){ (uintptr_t)g->buf.va + offset, len, g->key };
}

void recv_one(struct pair *p, u32 side, u64 wr_id, u32 offset, u32 len)
{
	struct client_sge sge = sge_of(p->g[side], offset, len);

	assert_ok(client_post_recv(&p->qp[side], wr_id, &sge, len ? 1 : 0));
}

static u8 byte_at(u32 i, u32 seed)
{
	u32 x = i * 2654435761U ^ seed * 40503U;

	return (u8)(x >> 24 ^ x >> 9);
}

void fill(void *to, u32 len, u32 seed)
{
	u32 i;

	for (i = 0; i < len; i++)
		((u8 *)to)[i] = byte_at(i, seed);
}

void assert_filled(const void *p, u32 len, u32 seed)
{
	u32 i;

	for (i = 0; i < len; i++)
		if (((const u8 *)p)[i] != byte_at(i, seed))
			fail_msg("byte %u of %u is 0x%02x, expected 0x%02x", i, len,
				 ((const u8 *)p)[i], byte_at(i, seed));
}

u8 qp_state(struct client_qp *qp)
{
	u8 qpc[MLX5_ST_SZ_BYTES(qpc)];

	assert_ok(client_query_qp(qp, qpc));
	return MLX5_GET(qpc, qpc, state);
}

struct mlx5_eqe expect_event(struct world *w, struct guest *g, u8 type)
{
	struct mlx5_eqe eqe = { 0 };

	settle(w);
	do {
		assert_ok(client_wait_eq(&g->c.async_eq, &eqe, 1000));
		/* The first message of a connection is told as well. */
	} while (eqe.type == MLX5_EVENT_TYPE_COMM_EST && type != eqe.type);
	assert_int_equal(eqe.type, type);
	return eqe;
}

void expect_no_event(struct world *w, struct guest *g)
{
	struct mlx5_eqe eqe;

	settle(w);
	while (client_poll_eq(&g->c.async_eq, &eqe))
		assert_int_equal(eqe.type, MLX5_EVENT_TYPE_COMM_EST);
	client_arm_eq(&g->c.async_eq);
}
