// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The port as drivers ask about it, its state, events that pile up, the interface state. */
#include <mhca/policy.h>
#include "fixture.h"

enum { REG_PMTU = 0x5003, REG_PTYS = 0x5004, REG_PPCNT = 0x5008, REG_PVLC = 0x500f,
       REG_NODE_DESC = 0x6001 };

static u8 reg_out[1024];

/* @fill changes the register's data before it is read. */
static int read_register(struct guest *g, u16 id, u32 size, u8 op_mod,
			 void (*change)(void *data))
{
	u32 at = MLX5_BYTE_OFF(access_register_in, register_data);
	u8 in[1024] = { 0 };

	MLX5_SET(access_register_in, in, opcode, MLX5_CMD_OP_ACCESS_REG);
	MLX5_SET(access_register_in, in, op_mod, op_mod);
	MLX5_SET(access_register_in, in, register_id, id);
	if (change)
		change(in + at);
	memset(reg_out, 0, sizeof(reg_out));
	return client_exec(&g->c, in, at + size, reg_out, at + size);
}

static void *reg_data(void)
{
	return MLX5_ADDR_OF(access_register_out, reg_out, register_data);
}

static void group_20(void *data)
{
	MLX5_SET(ppcnt_reg, data, grp, 0x20);
	MLX5_SET(ppcnt_reg, data, local_port, 1);
}

static void group_3(void *data)
{
	MLX5_SET(ppcnt_reg, data, grp, 3);
}

static void other_port(void *data)
{
	MLX5_SET(ptys_reg, data, local_port, 2);
}

static void registers(void **state)
{
	struct world *w = *state;
	struct guest *g = &w->g[0];

	assert_ok(read_register(g, REG_PMTU, MLX5_ST_SZ_BYTES(pmtu_reg), 1, NULL));
	assert_int_equal(MLX5_GET(pmtu_reg, reg_data(), max_mtu), 4096);
	assert_int_equal(MLX5_GET(pmtu_reg, reg_data(), oper_mtu), 4096);
	assert_ok(read_register(g, REG_PTYS, MLX5_ST_SZ_BYTES(ptys_reg), 1, NULL));
	assert_int_not_equal(MLX5_GET(ptys_reg, reg_data(), ib_proto_oper), 0);
	assert_int_not_equal(MLX5_GET(ptys_reg, reg_data(), ib_link_width_oper), 0);
	assert_ok(read_register(g, REG_PVLC, MLX5_ST_SZ_BYTES(pvlc_reg), 1, NULL));
	assert_int_equal(MLX5_GET(pvlc_reg, reg_data(), vl_hw_cap), 1);
	assert_ok(read_register(g, REG_NODE_DESC, 64, 1, NULL));
	assert_true(strnlen(reg_data(), 64) > 0 && strnlen(reg_data(), 64) < 64);
	assert_ok(read_register(g, REG_PPCNT, MLX5_ST_SZ_BYTES(ppcnt_reg), 1, group_20));
	/* What is not there, not ours, or not to be written. */
	assert_int_not_equal(read_register(g, REG_PPCNT, MLX5_ST_SZ_BYTES(ppcnt_reg), 1, group_3),
			     0);
	assert_int_not_equal(read_register(g, REG_PTYS, MLX5_ST_SZ_BYTES(ptys_reg), 1,
					   other_port), 0);
	assert_int_not_equal(read_register(g, REG_PTYS, MLX5_ST_SZ_BYTES(ptys_reg), 0, NULL), 0);
	assert_int_not_equal(read_register(g, REG_PTYS, MLX5_ST_SZ_BYTES(ptys_reg) - 4, 1, NULL),
			     0);
	assert_int_not_equal(read_register(g, 0x7004, 64, 1, NULL), 0);
}

static void a_description(void *data)
{
	memset(data, 'x', 64);
}

/* A guest's name for itself: 64 bytes, which need not end; gone with the function. */
static void node_description(void **state)
{
	struct world *w = *state;
	struct guest *g = &w->g[0];
	u8 before[64], x[64];

	assert_ok(read_register(g, REG_NODE_DESC, 64, 1, NULL));
	memcpy(before, reg_data(), sizeof(before));
	memset(x, 'x', sizeof(x));
	assert_ok(read_register(g, REG_NODE_DESC, 64, 0, a_description));
	assert_ok(read_register(g, REG_NODE_DESC, 64, 1, NULL));
	assert_memory_equal(reg_data(), x, sizeof(x));
	assert_ok(read_register(&w->g[1], REG_NODE_DESC, 64, 1, NULL));
	assert_memory_not_equal(reg_data(), x, sizeof(x));
	mhca_instance_reset(g->vmm->inst);
	client_forget_cq(&g->cq);
	client_mem_free(&g->c, &g->buf);
	g->c.timeout_ms = 1;
	client_close(&g->c);
	assert_ok(client_open(&g->c, &vmm_user_client_ops, g->vmm, 0));
	assert_ok(read_register(g, REG_NODE_DESC, 64, 1, NULL));
	assert_memory_equal(reg_data(), before, sizeof(before));
	client_close(&g->c);
	vmm_user_destroy(g->vmm);
	world_open_guest(w, 0);
}

/* ---- Performance management -------------------------------------------- */

enum { PMA_CLASS_PORT_INFO = 1, PMA_COUNTERS = 0x12, PMA_COUNTERS_EXT = 0x1d };
enum { GET = 1, SET = 2, BAD_VERSION = 4, BAD_METHOD = 8, BAD_ATTRIBUTE = 12, BAD_VALUE = 28 };

static u8 request[256], response[256];

static void pma_init(u8 method, u16 attr)
{
	u32 i;

	memset(request, 0, sizeof(request));
	request[0] = 1;
	request[1] = 4;
	request[2] = 1;
	request[3] = method;
	for (i = 8; i < 16; i++)
		request[i] = i;		/* transaction */
	put_unaligned_be16(attr, request + 16);
	request[65] = 1;		/* port */
}

/* Status of the answer to @request. */
static u16 pma_ask(struct guest *g)
{
	u32 in[MLX5_ST_SZ_DW(mad_ifc_in)] = { 0 };
	u32 out[MLX5_ST_SZ_DW(mad_ifc_out)];

	MLX5_SET(mad_ifc_in, in, opcode, MLX5_CMD_OP_MAD_IFC);
	MLX5_SET(mad_ifc_in, in, port, 1);
	memcpy(MLX5_ADDR_OF(mad_ifc_in, in, mad), request, sizeof(request));
	assert_ok(client_exec(&g->c, in, sizeof(in), out, sizeof(out)));
	memcpy(response, MLX5_ADDR_OF(mad_ifc_out, out, response_mad_packet), sizeof(response));
	/* What an asker finds its answer by */
	assert_memory_equal(response, request, 3);
	assert_int_equal(response[3], request[3] | 0x80);
	assert_memory_equal(response + 8, request + 8, 10);
	return get_unaligned_be16(response + 4);
}

static u64 pma_ext(struct guest *g, u32 offset)
{
	pma_init(GET, PMA_COUNTERS_EXT);
	assert_int_equal(pma_ask(g), 0);
	return get_unaligned_be64(response + 64 + offset);
}

/* What a fabric's manager asks a port, and what it gets without one. */
static void performance_counters(void **state)
{
	struct world *w = *state;
	struct guest *g = &w->g[0];
	struct client_sge sge = sge_of(g, 0, 4000);
	struct client_send wr = {
		.opcode = MLX5_OPCODE_RDMA_WRITE, .wr_id = 1, .flags = CLIENT_SIGNALED,
		.sge = &sge, .n_sge = 1, .rkey = w->g[1].key,
		.remote_addr = (uintptr_t)w->g[1].buf.va,
	};
	u64 sent = pma_ext(g, 8), got = pma_ext(&w->g[1], 16), packets = pma_ext(g, 24);
	struct pair p;

	/* Drivers with vport_counters make answers of their own, without a header. */
	assert_int_equal(MLX5_GET(cmd_hca_cap, g->c.caps, vport_counters), 0);
	pma_init(GET, PMA_CLASS_PORT_INFO);
	assert_int_equal(pma_ask(g), 0);
	assert_int_equal(response[64], 1);
	assert_int_equal(get_unaligned_be16(response + 66) & 0x200, 0x200);

	pair_open(&p, MLX5_QP_ST_RC, g, &w->g[1]);
	assert_ok(client_post_send(&p.qp[0], &wr));
	expect_wc(w, &g->cq, 1, 0);
	assert_int_equal(pma_ext(g, 8) - sent, 1000);
	assert_int_equal(pma_ext(g, 24) - packets, 1);
	assert_int_equal(pma_ext(&w->g[1], 16) - got, 1000);
	pma_init(GET, PMA_COUNTERS);
	assert_int_equal(pma_ask(g), 0);
	assert_int_equal(get_unaligned_be32(response + 64 + 24), sent + 1000);
	assert_int_equal(get_unaligned_be32(response + 64 + 32), packets + 1);
	pair_close(&p);
}

/* Set: the counters that were selected begin anew, for this guest alone. */
static void performance_counters_begin_anew(void **state)
{
	struct world *w = *state;
	struct guest *g = &w->g[0];
	u64 bytes;

	atomic64_set(&g->vmm->inst->counters.tx_bytes, 4000);
	atomic64_set(&g->vmm->inst->counters.wqes, 10);
	bytes = counter(g, tx_bytes);
	pma_init(SET, PMA_COUNTERS_EXT);
	put_unaligned_be16(1, request + 66);
	assert_int_equal(pma_ask(g), 0);
	assert_int_equal(get_unaligned_be64(response + 64 + 8), 0);
	assert_int_equal(get_unaligned_be64(response + 64 + 24), 10);
	put_unaligned_be64(77, request + 64 + 24);
	put_unaligned_be16(4, request + 66);
	assert_int_equal(pma_ask(g), 0);
	assert_int_equal(get_unaligned_be64(response + 64 + 24), 77);
	assert_int_equal(counter(g, tx_bytes), bytes);
	assert_int_equal(counter(g, wqes), 10);
	/* The short counters are others; they stay at their greatest value. */
	atomic64_set(&g->vmm->inst->counters.tx_bytes, 1LL << 40);
	pma_init(GET, PMA_COUNTERS);
	assert_int_equal(pma_ask(g), 0);
	assert_int_equal(get_unaligned_be32(response + 64 + 24), U32_MAX);
	assert_int_equal(get_unaligned_be32(response + 64 + 32), 10);
}

/* Any other request gets an answer as well, which says why not. */
static void bad_mads(void **state)
{
	struct world *w = *state;
	struct guest *g = &w->g[0];

	pma_init(GET, 0x7777);
	assert_int_equal(pma_ask(g), BAD_ATTRIBUTE);
	pma_init(7, PMA_COUNTERS);
	assert_int_equal(pma_ask(g), BAD_METHOD);
	pma_init(SET, PMA_CLASS_PORT_INFO);
	assert_int_equal(pma_ask(g), BAD_ATTRIBUTE);
	pma_init(GET, PMA_COUNTERS);
	request[2] = 9;
	assert_int_equal(pma_ask(g), BAD_VERSION);
	pma_init(GET, PMA_COUNTERS);
	request[65] = 0xff;
	assert_int_equal(pma_ask(g), BAD_VALUE);
	/* No agent for subnet management. */
	pma_init(GET, 0x11);
	request[1] = 1;
	assert_int_equal(pma_ask(g), BAD_ATTRIBUTE);
}

static void whole_tables(void **state)
{
	u32 in[MLX5_ST_SZ_DW(query_hca_vport_gid_in)] = { 0 };
	struct world *w = *state;
	struct client *c = &w->g[0].c;
	u8 out[2048];
	u32 i;

	MLX5_SET(query_hca_vport_gid_in, in, opcode, MLX5_CMD_OP_QUERY_HCA_VPORT_GID);
	MLX5_SET(query_hca_vport_gid_in, in, gid_index, 0xffff);
	assert_ok(client_exec(c, in, sizeof(in), out,
			      MLX5_ST_SZ_BYTES(query_hca_vport_gid_out) + 8 * 16));
	assert_memory_equal(MLX5_ADDR_OF(query_hca_vport_gid_out, out, gid), c->gid, 16);
	assert_int_not_equal(client_exec(c, in, sizeof(in), out, 32), 0);
	for (i = 0; i < 10; i++) {
		MLX5_SET(query_hca_vport_gid_in, in, gid_index, i);
		assert_int_equal(!client_exec(c, in, sizeof(in), out, 64), i < 8);
	}
	MLX5_SET(query_hca_vport_pkey_in, in, opcode, MLX5_CMD_OP_QUERY_HCA_VPORT_PKEY);
	MLX5_SET(query_hca_vport_pkey_in, in, pkey_index, 0);
	assert_ok(client_exec(c, in, MLX5_ST_SZ_BYTES(query_hca_vport_pkey_in), out, 20));
	assert_int_equal(be32_to_cpu(*(__be32 *)(out + 16)) & 0xffff, 0xffff);
	MLX5_SET(query_hca_vport_pkey_in, in, pkey_index, 0xffff);
	assert_ok(client_exec(c, in, MLX5_ST_SZ_BYTES(query_hca_vport_pkey_in), out,
			      16 + 128 * 4));
	MLX5_SET(query_hca_vport_pkey_in, in, pkey_index, 128);
	assert_int_not_equal(client_exec(c, in, MLX5_ST_SZ_BYTES(query_hca_vport_pkey_in), out,
					 64), 0);
}

/* What an administrator sets. */
static void set_link(struct guest *g, bool up)
{
	struct mhca_policy policy = g->vmm->inst->policy;

	policy.value[MHCA_POLICY_LINK] = up;
	mhca_policy_apply(g->vmm->inst, &policy);
}

static void port_goes_down_and_up(void **state)
{
	struct world *w = *state;
	struct guest *g = &w->g[1];
	struct client_sge sge = sge_of(&w->g[0], 0, 8);
	struct client_send wr = {
		.opcode = MLX5_OPCODE_RDMA_WRITE, .wr_id = 1, .flags = CLIENT_SIGNALED,
		.sge = &sge, .n_sge = 1, .rkey = g->key, .remote_addr = (uintptr_t)g->buf.va,
	};
	struct mlx5_eqe eqe;
	struct pair p;

	pair_open(&p, MLX5_QP_ST_RC, &w->g[0], g);
	set_link(g, false);
	eqe = expect_event(w, g, MLX5_EVENT_TYPE_PORT_CHANGE);
	assert_int_equal(eqe.sub_type, MLX5_PORT_CHANGE_SUBTYPE_DOWN);
	assert_int_equal(eqe.data.port.port, 1 << 4);
	assert_ok(client_post_send(&p.qp[0], &wr));
	expect_no_wc(w, &w->g[0].cq);
	/* Said twice it is no change. */
	set_link(g, true);
	set_link(g, true);
	eqe = expect_event(w, g, MLX5_EVENT_TYPE_PORT_CHANGE);
	assert_int_equal(eqe.sub_type, MLX5_PORT_CHANGE_SUBTYPE_ACTIVE);
	expect_no_event(w, g);
	elapse(w, NSEC_PER_SEC);
	expect_wc(w, &w->g[0].cq, 1, 0);
	pair_close(&p);
}

/* An EQ that nobody reads: events wait, the oldest first; only then are they lost. */
static void events_pile_up(void **state)
{
	struct world *w = *state;
	struct guest *g = &w->g[0];
	struct mhca_instance *inst = g->vmm->inst;
	u32 size = 1U << g->c.async_eq.log_size;
	u32 n = size + 64;
	struct mlx5_eqe eqe;
	u32 i;

	for (i = 0; i < n; i++)
		mhca_event_qp(inst, MLX5_EVENT_TYPE_COMM_EST, i);
	assert_int_equal(counter(g, events_lost), 0);
	mhca_event_qp(inst, MLX5_EVENT_TYPE_COMM_EST, n);
	assert_int_equal(counter(g, events_lost), 1);
	for (i = 0; i < n; i++) {
		u32 tries;

		for (tries = 0; !client_poll_eq(&g->c.async_eq, &eqe); tries++) {
			assert_true(tries < 10);
			client_arm_eq(&g->c.async_eq);
			settle(w);
		}
		assert_int_equal(be32_to_cpu(eqe.data.qp_srq.qp_srq_n), i);
	}
	assert_false(client_poll_eq(&g->c.async_eq, &eqe));
	client_arm_eq(&g->c.async_eq);
}

/* Stale and absurd consumer indices from the shared register. */
static void eq_doorbell_noise(void **state)
{
	struct world *w = *state;
	struct guest *g = &w->g[0];
	u32 eqn = g->c.async_eq.eqn;
	struct mlx5_eqe eqe;
	u32 i;

	for (i = 0; i < 100; i++) {
		mhca_event_qp(g->vmm->inst, MLX5_EVENT_TYPE_COMM_EST, i);
		mhca_eq_doorbell(g->vmm->inst, g->c.uar, eqn << 24 | (i * 7919 & 0xffffff));
		mhca_eq_doorbell(g->vmm->inst, g->c.uar, eqn << 24 | 0xffffff);
		mhca_eq_doorbell(g->vmm->inst, g->c.uar, 0xff000000U | i);
		mhca_eq_doorbell(g->vmm->inst, g->c.uar, i);
		assert_true(client_poll_eq(&g->c.async_eq, &eqe));
		assert_int_equal(be32_to_cpu(eqe.data.qp_srq.qp_srq_n), i);
		if (i % 7 == 0)
			client_arm_eq(&g->c.async_eq);
	}
	client_arm_eq(&g->c.async_eq);
	assert_ok(client_query_port(&g->c));
}

/* A process with a page of its own cannot say that the kernel has read its events. */
static void eq_doorbell_of_a_stranger(void **state)
{
	struct world *w = *state;
	struct guest *g = &w->g[0];
	u32 size = 1U << g->c.async_eq.log_size;
	u32 eqn = g->c.async_eq.eqn;
	struct mlx5_eqe eqe;
	u32 page, i;

	assert_ok(client_alloc_uar(&g->c, &page));
	for (i = 0; i < size; i++)
		mhca_event_qp(g->vmm->inst, MLX5_EVENT_TYPE_COMM_EST, i);
	g->c.ops->uar_write32(g->c.backend, page, 0x48,
			      cpu_to_be32(eqn << 24 | size));
	g->c.ops->uar_write32(g->c.backend, page, 0x40,
			      cpu_to_be32(eqn << 24 | size));
	settle(w);
	/* Were it believed, this one would take the place of the first. */
	mhca_event_qp(g->vmm->inst, MLX5_EVENT_TYPE_COMM_EST, size);
	for (i = 0; i <= size; i++) {
		if (!client_poll_eq(&g->c.async_eq, &eqe)) {
			client_arm_eq(&g->c.async_eq);
			settle(w);
			assert_true(client_poll_eq(&g->c.async_eq, &eqe));
		}
		assert_int_equal(be32_to_cpu(eqe.data.qp_srq.qp_srq_n), i);
	}
	client_arm_eq(&g->c.async_eq);
}

/* What mlx5_core does when it panics: everything stops at once. */
static void interface_can_be_disabled(void **state)
{
	struct world *w = *state;
	struct guest *g = &w->g[0];
	static const u32 at = offsetof(struct mlx5_init_seg, cmdq_addr_l_sz);
	u32 word = vmm_user_client_ops.iseg_read(g->vmm, at);
	u32 kind;

	vmm_user_client_ops.iseg_write(g->vmm, at, (word & 0xfffff000) | 1 << 8);
	settle(w);
	word = vmm_user_client_ops.iseg_read(g->vmm, at);
	assert_int_equal(word >> 8 & 7, 1);
	for (kind = 0; kind < MHCA_OBJECT_KINDS; kind++)
		assert_int_equal(g->vmm->inst->object_count[kind], 0);
	assert_int_equal(g->vmm->pinned, 0);
	client_forget_cq(&g->cq);
	client_mem_free(&g->c, &g->buf);
	g->c.timeout_ms = 0;
	client_close(&g->c);
	vmm_user_destroy(g->vmm);
	world_open_guest(w, 0);
}

/* The capabilities that the driver may change, and that it may not. */
static void capabilities(void **state)
{
	u32 inlen = MLX5_ST_SZ_BYTES(set_hca_cap_in);
	struct world *w = *state;
	struct vmm_user *vmm = vmm_user_create(&w->hca, NULL, 123);
	u8 caps[MLX5_UN_SZ_BYTES(hca_cap_union)];
	u32 out[MLX5_ST_SZ_DW(set_hca_cap_out)];
	u32 enable[MLX5_ST_SZ_DW(enable_hca_in)] = { 0 };
	struct client c;
	u8 *in = calloc(1, inlen);

	assert_ok(client_open(&c, &vmm_user_client_ops, vmm, CLIENT_NO_INIT));
	MLX5_SET(enable_hca_in, enable, opcode, MLX5_CMD_OP_ENABLE_HCA);
	assert_ok(client_exec(&c, enable, sizeof(enable), out, 16));
	assert_ok(client_query_caps(&c, MLX5_CAP_GENERAL, true, caps));
	MLX5_SET(set_hca_cap_in, in, opcode, MLX5_CMD_OP_SET_HCA_CAP);
	memcpy(MLX5_ADDR_OF(set_hca_cap_in, in, capability), caps, sizeof(caps));
	MLX5_SET(cmd_hca_cap, MLX5_ADDR_OF(set_hca_cap_in, in, capability), log_max_qp, 10);
	assert_ok(client_exec(&c, in, inlen, out, sizeof(out)));
	assert_ok(client_query_caps(&c, MLX5_CAP_GENERAL, true, caps));
	assert_int_equal(MLX5_GET(cmd_hca_cap, caps, log_max_qp), 10);
	assert_ok(client_query_caps(&c, MLX5_CAP_GENERAL, false, caps));
	assert_true(MLX5_GET(cmd_hca_cap, caps, log_max_qp) > 10);
	/* Capabilities that do not exist cannot be asked for. */
	MLX5_SET(cmd_hca_cap, MLX5_ADDR_OF(set_hca_cap_in, in, capability), dct, 1);
	assert_int_not_equal(client_exec(&c, in, inlen, out, sizeof(out)), 0);
	assert_int_not_equal(client_query_caps(&c, MLX5_CAP_TLS, true, caps), 0);
	assert_int_not_equal(client_query_caps(&c, 0x7fff, true, caps), 0);
	free(in);
	client_close(&c);
	vmm_user_destroy(vmm);
}

#define world_test(fn) cmocka_unit_test_setup_teardown(fn, world_setup, world_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		world_test(registers),
		world_test(node_description),
		world_test(performance_counters),
		world_test(performance_counters_begin_anew),
		world_test(bad_mads),
		world_test(whole_tables),
		world_test(port_goes_down_and_up),
		world_test(events_pile_up),
		world_test(eq_doorbell_noise),
		world_test(eq_doorbell_of_a_stranger),
		world_test(interface_can_be_disabled),
		world_test(capabilities),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
