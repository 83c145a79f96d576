// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The fixture of the data path's tests. */
#include "engine.h"

#define SETTLE_TURNS	100000

const struct soft_lane_params engine_params = {
	.idle_us = 1000,
	.idle_polls = 100,
	.wqe_budget = 16,
	.byte_budget = 65536,
	.qp_polls = 4,
	.sweep = 4,
	.error_poll_ms = 2,
};

/* One round of everything. true: something happened. */
static bool engine_round(struct engine *e)
{
	bool did = lanes_turn(&e->hca);
	u32 i;

	for (i = 0; i < ARRAY_SIZE(e->node); i++)
		if (e->node[i].vmm)
			did |= vmm_user_work(e->node[i].vmm);
	return did;
}

void engine_settle(struct engine *e)
{
	u32 n;

	for (n = 0; engine_round(e); n++)
		assert_true(n < SETTLE_TURNS);
}

void engine_pass(struct engine *e, u64 ns)
{
	u64 step = max_t(u64, ns / 64, 1);

	engine_settle(e);
	while (ns) {
		step = min(step, ns);
		shim_clock_advance(step);
		ns -= step;
		engine_settle(e);
	}
}

static void engine_node_create(struct engine *e, u32 i)
{
	struct engine_node *node = &e->node[i];
	struct client_cq_attr attr;

	node->vmm = vmm_user_create(&e->hca, NULL, 0x1000 + i * 0x100);
	assert_non_null(node->vmm);
	assert_int_equal(client_open(&node->c, &vmm_user_client_ops, node->vmm, 0), 0);
	assert_int_equal(client_alloc_pd(&node->c, &node->pd), 0);
	client_cq_attr_init(&attr, 8);
	assert_int_equal(client_create_cq(&node->c, &attr, &node->cq), 0);
	assert_int_equal(client_mem_alloc(&node->c, ENGINE_BYTES, &node->mem), 0);
	assert_int_equal(client_reg_mr(&node->c, node->pd, node->mem.va, node->mem.len,
				       CLIENT_ALL_ACCESS, &node->key), 0);
}

struct engine *engine_create(const struct soft_lane_params *params, u32 lanes)
{
	struct engine *e = calloc(1, sizeof(*e));
	u32 i;

	assert_non_null(e);
	shim_clock_fake(true);
	assert_int_equal(soft_hca_init(&e->hca, lanes, params), 0);
	for (i = 0; i < ARRAY_SIZE(e->node); i++)
		engine_node_create(e, i);
	return e;
}

void engine_destroy(struct engine *e)
{
	u32 i;

	for (i = 0; i < ARRAY_SIZE(e->node); i++) {
		struct engine_node *node = &e->node[i];

		assert_int_equal(client_destroy_mkey(&node->c, node->key), 0);
		client_mem_free(&node->c, &node->mem);
		assert_int_equal(client_destroy_cq(&node->cq), 0);
		assert_int_equal(client_dealloc_pd(&node->c, node->pd), 0);
		client_close(&node->c);
		vmm_user_destroy(node->vmm);
		node->vmm = NULL;
	}
	soft_hca_fini(&e->hca);
	shim_quiesce();
	shim_clock_fake(false);
	free(e);
}

int engine_setup(void **state)
{
	*state = engine_create(&engine_params, 2);
	return 0;
}

int engine_teardown(void **state)
{
	engine_destroy(*state);
	return 0;
}

struct client_wc engine_wc(struct engine *e, struct client_cq *cq)
{
	struct client_wc wc;
	u32 n;

	for (n = 0; !client_poll_cq(cq, 1, &wc); n++) {
		assert_true(n < SETTLE_TURNS);
		engine_round(e);
	}
	return wc;
}

void engine_no_wc(struct engine *e, struct client_cq *cq)
{
	struct client_wc wc;

	engine_settle(e);
	assert_int_equal(client_poll_cq(cq, 1, &wc), 0);
}

void engine_path(const struct engine_node *to, struct client_path *path)
{
	memset(path, 0, sizeof(*path));
	path->dlid = to->c.lid;
}

void engine_modify(const struct engine_node *to, u32 remote_qpn, struct client_modify *modify)
{
	client_modify_init(modify);
	engine_path(to, &modify->path);
	modify->remote_qpn = remote_qpn;
	modify->rq_psn = 0xfffff0;	/* wraps soon */
	modify->sq_psn = 0xfffff0;
	modify->qkey = ENGINE_QKEY;
}

void engine_connect(struct engine *e, u8 type, struct engine_pair *pair,
		    void (*tune)(struct client_qp_attr *attr, struct client_modify *modify,
				 u32 end))
{
	struct client_modify modify;
	struct client_qp_attr attr;
	u32 i;

	memset(pair, 0, sizeof(*pair));
	pair->e = e;
	for (i = 0; i < 2; i++) {
		client_qp_attr_init(&attr, type, e->node[i].pd, &e->node[i].cq);
		client_modify_init(&modify);
		if (tune)
			tune(&attr, &modify, i);
		assert_int_equal(client_create_qp(&e->node[i].c, &attr, &pair->qp[i]), 0);
	}
	for (i = 0; i < 2; i++) {
		engine_modify(&e->node[!i], pair->qp[!i].qpn, &modify);
		client_qp_attr_init(&attr, type, e->node[i].pd, &e->node[i].cq);
		if (tune)
			tune(&attr, &modify, i);
		assert_int_equal(client_connect_qp(&pair->qp[i], &modify), 0);
	}
}

void engine_disconnect(struct engine_pair *pair)
{
	assert_int_equal(client_destroy_qp(&pair->qp[0]), 0);
	assert_int_equal(client_destroy_qp(&pair->qp[1]), 0);
}

void engine_reconnect(struct engine_pair *pair)
{
	struct client_modify modify;
	struct client_wc wc;
	u32 i;

	for (i = 0; i < 2; i++) {
		assert_int_equal(client_modify_qp(&pair->qp[i], MLX5_CMD_OP_2RST_QP, NULL), 0);
		while (client_poll_cq(&pair->e->node[i].cq, 1, &wc))
			;
	}
	for (i = 0; i < 2; i++) {
		engine_modify(&pair->e->node[!i], pair->qp[!i].qpn, &modify);
		assert_int_equal(client_connect_qp(&pair->qp[i], &modify), 0);
	}
}

u8 engine_qp_state(struct client_qp *qp)
{
	u8 qpc[MLX5_ST_SZ_BYTES(qpc)];

	assert_int_equal(client_query_qp(qp, qpc), 0);
	return MLX5_GET(qpc, qpc, state);
}

u32 engine_psn(struct client_qp *qp, bool send)
{
	u8 qpc[MLX5_ST_SZ_BYTES(qpc)];

	assert_int_equal(client_query_qp(qp, qpc), 0);
	return send ? MLX5_GET(qpc, qpc, next_send_psn) : MLX5_GET(qpc, qpc, next_rcv_psn);
}

static u8 pattern(size_t at, u32 seed)
{
	u32 x = (u32)at * 2654435761U ^ seed * 40503U;

	return (u8)(x >> 13 ^ x >> 24);
}

void engine_fill(void *mem, size_t len, u32 seed)
{
	u8 *p = mem;
	size_t i;

	for (i = 0; i < len; i++)
		p[i] = pattern(i, seed);
}

bool engine_is(const void *mem, size_t len, u32 seed)
{
	const u8 *p = mem;
	size_t i;

	for (i = 0; i < len; i++)
		if (p[i] != pattern(i, seed))
			return false;
	return true;
}

struct client_sge engine_sge(const struct engine_node *node, u64 at, u32 len)
{
	struct client_sge sge = {
		.addr = (uintptr_t)node->mem.va + at,
		.len = len,
		.lkey = node->key,
	};

	return sge;
}

void engine_recv(struct client_qp *qp, const struct engine_node *node, u64 wr_id, u64 at,
		 u32 len)
{
	struct client_sge sge = engine_sge(node, at, len);

	assert_int_equal(client_post_recv(qp, wr_id, &sge, 1), 0);
}

struct client_send engine_send(u8 opcode, const struct client_sge *sge)
{
	struct client_send wr = {
		.wr_id = 1,
		.opcode = opcode,
		.flags = CLIENT_SIGNALED,
		.sge = sge,
		.n_sge = sge ? 1 : 0,
	};

	return wr;
}

void engine_post(struct client_qp *qp, const struct client_send *wr)
{
	assert_int_equal(client_post_send(qp, wr), 0);
}

void engine_event(struct engine *e, struct engine_node *node, u8 type, u32 number)
{
	struct mlx5_eqe eqe;
	u32 n;

	for (n = 0; ; n++) {
		assert_true(n < 1000);
		engine_round(e);
		if (!client_poll_eq(&node->c.async_eq, &eqe))
			continue;
		client_update_eq(&node->c.async_eq);
		if (eqe.type == type)
			break;
	}
	switch (type) {
	case MLX5_EVENT_TYPE_CQ_ERROR:
		assert_int_equal(be32_to_cpu(eqe.data.cq_err.cqn) & 0xffffff, number);
		break;
	default:
		assert_int_equal(be32_to_cpu(eqe.data.qp_srq.qp_srq_n) & 0xffffff, number);
	}
}

struct client_send engine_message(struct engine *e, u32 from, u8 opcode, struct client_sge *sge)
{
	struct client_send wr;

	*sge = engine_sge(&e->node[from], 0, opcode == MLX5_OPCODE_ATOMIC_FA ? 8 : 256);
	wr = engine_send(opcode, sge);
	wr.remote_addr = (uintptr_t)e->node[!from].mem.va + PAGE_SIZE;
	wr.rkey = e->node[!from].key;
	return wr;
}
