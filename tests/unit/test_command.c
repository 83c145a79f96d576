// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The command table, row by row. A client runs through everything that it can do;
 * before each of its commands, spoiled copies of that command are tried, one for each
 * thing that the row says is checked. All of them must be refused, with one of our
 * syndromes, and leave nothing behind. In the end every row must have been met.
 */
#include "spoil.h"

/* ---- What the client library has no function for --------------------- */

struct plain {
	u16 opcode;
	u16 op_mod;
	void (*fill)(void *in, struct guest *g);
	u32 extra_in;
	u32 extra_out;
};

static void fill_register(void *in, struct guest *g)
{
	(void)g;
	MLX5_SET(access_register_in, in, register_id, 0x6001);
}

static void fill_mad(void *in, struct guest *g)
{
	u8 *mad = MLX5_ADDR_OF(mad_ifc_in, in, mad);

	(void)g;
	MLX5_SET(mad_ifc_in, in, port, 1);
	mad[0] = 1;	/* base version */
	mad[1] = 4;	/* performance management */
	mad[2] = 1;
	mad[3] = 1;	/* Get */
	mad[17] = 1;	/* ClassPortInfo */
}

static void fill_vport_modify(void *in, struct guest *g)
{
	(void)g;
	MLX5_SET(modify_hca_vport_context_in, in, hca_vport_context.cap_mask1_field_select,
		 0x10000);
}

static void fill_mkey(void *in, struct guest *g)
{
	MLX5_SET(query_mkey_in, in, mkey_index, g->key >> 8);
}

static void fill_eq(void *in, struct guest *g)
{
	MLX5_SET(query_eq_in, in, eq_number, g->c.comp_eq.eqn);
}

static void fill_cq(void *in, struct guest *g)
{
	MLX5_SET(query_cq_in, in, cqn, g->cq.cqn);
}

static const struct plain plains[] = {
	{ MLX5_CMD_OP_QUERY_ADAPTER, 0, NULL, 0, 0 },
	{ MLX5_CMD_OP_MANAGE_PAGES, 2, NULL, 0, 0 },
	{ MLX5_CMD_OP_QUERY_HCA_VPORT_GID, 0, NULL, 0, 16 },
	{ MLX5_CMD_OP_QUERY_HCA_VPORT_PKEY, 0, NULL, 0, 4 },
	{ MLX5_CMD_OP_QUERY_VPORT_COUNTER, 0, NULL, 0, 0 },
	{ MLX5_CMD_OP_MODIFY_HCA_VPORT_CONTEXT, 0, fill_vport_modify, 0, 0 },
	{ MLX5_CMD_OP_ACCESS_REG, 1, fill_register, 64, 64 },
	{ MLX5_CMD_OP_MAD_IFC, 0, fill_mad, 0, 0 },
	{ MLX5_CMD_OP_QUERY_MKEY, 0, fill_mkey, 0, 0 },
	{ MLX5_CMD_OP_QUERY_EQ, 0, fill_eq, 0, 0 },
	{ MLX5_CMD_OP_QUERY_CQ, 0, fill_cq, 0, 0 },
};

static int run_plain(struct guest *g, const struct plain *plain, u32 *number)
{
	const struct mhca_command *row = mhca_command_find(MHCA_IB, plain->opcode);
	static u8 in[8192];
	static u8 out[8192];
	int ret;

	assert_non_null(row);
	memset(in, 0, sizeof(in));
	MLX5_SET(create_cq_in, in, opcode, plain->opcode);
	MLX5_SET(create_cq_in, in, op_mod, plain->op_mod);
	if (plain->fill)
		plain->fill(in, g);
	if (number && names_target(row))
		put(in, row->number, *number);
	ret = client_exec(&g->c, in, row->in_min + plain->extra_in, out,
			  row->out_min + plain->extra_out);
	if (number && row->action == MHCA_ACT_CREATE)
		*number = (u32)mhca_field_get(out, row->number);
	return ret;
}

static void run_plains(struct guest *g)
{
	static const struct plain alloc = { .opcode = MLX5_CMD_OP_ALLOC_TRANSPORT_DOMAIN };
	static const struct plain dealloc = { .opcode = MLX5_CMD_OP_DEALLOC_TRANSPORT_DOMAIN };
	static const struct plain alloc_set = { .opcode = MLX5_CMD_OP_ALLOC_Q_COUNTER };
	static const struct plain query_set = { .opcode = MLX5_CMD_OP_QUERY_Q_COUNTER };
	static const struct plain dealloc_set = { .opcode = MLX5_CMD_OP_DEALLOC_Q_COUNTER };
	u32 number;
	u32 i;

	for (i = 0; i < ARRAY_SIZE(plains); i++)
		if (run_plain(g, &plains[i], NULL))
			fail_msg("opcode 0x%x: status 0x%x syndrome 0x%x", plains[i].opcode,
				 g->c.status, g->c.syndrome);
	for (i = 0; i < 2; i++) {
		assert_ok(run_plain(g, &alloc, &number));
		assert_ok(run_plain(g, &dealloc, &number));
	}
	for (i = 0; i < 2; i++) {
		assert_ok(run_plain(g, &alloc_set, &number));
		assert_ok(run_plain(g, &query_set, &number));
		assert_ok(run_plain(g, &dealloc_set, &number));
	}
}

/* ---- The walk -------------------------------------------------------- */

static void walk_srqs(struct guest *g)
{
	static const enum client_srq_type types[] = { CLIENT_SRQ, CLIENT_XRC_SRQ, CLIENT_RMP };
	struct client_srq srq;
	u32 xrcd;
	u16 limit;
	u32 i;

	assert_ok(client_alloc_xrcd(&g->c, &xrcd));
	for (i = 0; i < 6; i++) {
		struct client_srq_attr attr = {
			.type = types[i % 3], .pd = g->pd, .log_size = 7, .max_sge = 3,
			.xrcd = xrcd, .cqn = g->cq.cqn,
		};

		assert_ok(client_create_srq(&g->c, &attr, &srq));
		assert_ok(client_arm_srq(&srq, 5));
		assert_ok(client_query_srq(&srq, &limit));
		assert_ok(client_destroy_srq(&srq));
	}
	assert_ok(client_dealloc_xrcd(&g->c, xrcd));
}

static void walk_sqer(struct world *w, struct guest *g)
{
	struct client_path path = { .dlid = g->c.lid };
	struct client_sge sge = { 0, 8, 0xdead00 };
	struct client_send wr = {
		.opcode = MLX5_OPCODE_SEND, .sge = &sge, .n_sge = 1, .path = &path,
	};
	static const u8 mgid[16] = { 0xff, 0x12, 1 };
	struct client_qp_attr attr;
	struct client_modify m;
	struct client_qp qp;
	struct client_wc wc;

	client_qp_attr_init(&attr, MLX5_QP_ST_UD, g->pd, &g->cq);
	assert_ok(client_create_qp(&g->c, &attr, &qp));
	client_modify_init(&m);
	assert_ok(client_connect_qp(&qp, &m));
	assert_ok(client_attach_mcast(&qp, mgid));
	assert_ok(client_detach_mcast(&qp, mgid));
	assert_ok(client_post_send(&qp, &wr));
	settle(w);
	assert_int_equal(client_poll_cq(&g->cq, 1, &wc), 1);
	assert_ok(client_modify_qp(&qp, MLX5_CMD_OP_SQERR2RTS_QP, &m));
	assert_ok(client_destroy_qp(&qp));
}

static void walk_rc(struct guest *g)
{
	struct client_modify m;
	u8 qpc[MLX5_ST_SZ_BYTES(qpc)];
	struct pair p;

	pair_create(&p, MLX5_QP_ST_RC, g, g);
	pair_modify(&p, 0, &m);
	assert_ok(client_modify_qp(&p.qp[0], MLX5_CMD_OP_RST2INIT_QP, &m));
	assert_ok(client_modify_qp(&p.qp[0], MLX5_CMD_OP_INIT2INIT_QP, &m));
	assert_ok(client_modify_qp(&p.qp[0], MLX5_CMD_OP_INIT2RTR_QP, &m));
	assert_ok(client_modify_qp(&p.qp[0], MLX5_CMD_OP_RTR2RTS_QP, &m));
	assert_ok(client_modify_qp(&p.qp[0], MLX5_CMD_OP_RTS2RTS_QP, &m));
	assert_ok(client_query_qp(&p.qp[0], qpc));
	assert_ok(client_modify_qp(&p.qp[0], MLX5_CMD_OP_2ERR_QP, &m));
	assert_ok(client_modify_qp(&p.qp[0], MLX5_CMD_OP_2RST_QP, &m));
	pair_close(&p);
}

static void walk_everything(struct world *w, struct guest *g)
{
	struct client_cq cq;
	struct client_cq_attr attr;

	if (client_bring_up(&g->c, true))
		fail_msg("bring-up: status 0x%x syndrome 0x%x", g->c.status, g->c.syndrome);
	assert_ok(client_alloc_pd(&g->c, &g->pd));
	client_cq_attr_init(&attr, 9);
	assert_ok(client_create_cq(&g->c, &attr, &g->cq));
	assert_ok(client_mem_alloc(&g->c, BUF_BYTES, &g->buf));
	assert_ok(client_reg_mr(&g->c, g->pd, g->buf.va, BUF_BYTES, CLIENT_ALL_ACCESS, &g->key));
	run_plains(g);
	assert_ok(client_create_cq(&g->c, &attr, &cq));
	assert_ok(client_resize_cq(&cq, 10));
	assert_ok(client_modify_cq(&cq, 5, 5));
	assert_ok(client_destroy_cq(&cq));
	walk_srqs(g);
	walk_rc(g);
	walk_rc(g);
	walk_sqer(w, g);
	assert_ok(client_destroy_mkey(&g->c, g->key));
	client_mem_free(&g->c, &g->buf);
	assert_ok(client_destroy_cq(&g->cq));
	assert_ok(client_dealloc_pd(&g->c, g->pd));
	if (client_tear_down(&g->c))
		fail_msg("teardown: status 0x%x syndrome 0x%x", g->c.status, g->c.syndrome);
}

static void every_row_is_checked(void **state)
{
	struct world *w = *state;
	struct guest *g = &w->g[0];
	struct walk walk = { };

	world_close_guest(w, 0);
	memset(g, 0, sizeof(*g));
	g->vmm = vmm_user_create(&w->hca, NULL, 77);
	assert_ok(client_open(&g->c, &vmm_user_client_ops, g->vmm, CLIENT_NO_INIT));
	walk_begin(&walk, g, &w->g[1]);
	walk_everything(w, g);
	walk_end(&walk);
	client_close(&g->c);
	vmm_user_destroy(g->vmm);
	g->vmm = NULL;
	assert_int_equal(walk_missing(&walk, MHCA_IB), 0);
}

static void unknown_opcodes(void **state)
{
	struct world *w = *state;
	struct client *c = &w->g[0].c;
	u32 in[64] = { 0 };
	u32 out[64];
	u32 opcode;

	for (opcode = 0; opcode < 0x10000; opcode += opcode < 0xc00 ? 1 : 0x3f1) {
		if (mhca_command_find(MHCA_IB, opcode))
			continue;
		MLX5_SET(create_cq_in, in, opcode, opcode);
		assert_int_equal(client_exec(c, in, sizeof(in), out, sizeof(out)), -EINVAL);
		assert_int_equal(c->status, MLX5_CMD_STAT_BAD_OP_ERR);
	}
}

static void opcodes_are_unique(void **state)
{
	u32 i;
	u32 j;

	(void)state;
	for (i = 0; i < mhca_n_commands; i++) {
		assert_non_null(mhca_commands[i].validate);
		assert_non_null(mhca_commands[i].handler);
		for (j = 0; j < i; j++)
			assert_int_not_equal(mhca_commands[i].opcode, mhca_commands[j].opcode);
	}
}

/* ---- The queue itself ------------------------------------------------ */

static void broken_entries(void **state)
{
	struct world *w = *state;
	struct client *c = &w->g[0].c;
	u64 hole = VMM_USER_IOVA + w->g[0].vmm->pages / 2 * PAGE_SIZE;
	u32 in[MLX5_ST_SZ_DW(query_hca_cap_in)] = { 0 };
	u32 big_in[1024] = { 0 };
	struct mlx5_cmd_layout *entry;
	u32 kind;

	MLX5_SET(query_hca_cap_in, in, opcode, MLX5_CMD_OP_QUERY_HCA_CAP);
	MLX5_SET(set_hca_cap_in, big_in, opcode, MLX5_CMD_OP_CREATE_MKEY);
	for (kind = 0; kind < 9; kind++) {
		if (kind < 5)
			client_cmd_fill(c, 0, in, sizeof(in), MLX5_ST_SZ_BYTES(query_hca_cap_out));
		else
			client_cmd_fill(c, 0, big_in, sizeof(big_in), 16);
		entry = client_cmd_entry(c, 0);
		switch (kind) {
		case 0: entry->out_ptr = cpu_to_be64(hole); break;
		case 1: entry->out_ptr = 0; break;
		case 2: entry->out_ptr |= cpu_to_be64(0x10); break;
		case 3: entry->inlen = cpu_to_be32(~0U); break;
		case 4: entry->outlen = cpu_to_be32(~0U); break;
		case 5: entry->in_ptr = cpu_to_be64(hole); break;
		case 6: entry->in_ptr = 0; break;
		case 7: entry->in_ptr |= cpu_to_be64(0x10); break;
		case 8: /* a chain that bites its tail */
			((struct mlx5_cmd_prot_block *)c->cmdq.in.va)->next = entry->in_ptr;
			break;
		}
		client_cmd_ring(c, 1);
		/* A defined end each time: delivery error or refusal, and on it goes. */
		assert_true(client_cmd_wait(c, 0, 1000) >= 0);
	}
	assert_ok(client_query_port(c));
}

static void doorbells_without_work(void **state)
{
	struct world *w = *state;
	struct client *c = &w->g[0].c;

	/* Entries that software owns: nothing may happen to them. */
	memset(c->cmdq.page.va, 0, CLIENT_PAGE);
	client_cmd_ring(c, ~0U);
	settle(w);
	client_cmd_ring(c, 0);
	settle(w);
	assert_ok(client_query_port(c));
}

static void several_commands_at_once(void **state)
{
	struct world *w = *state;
	struct client *c = &w->g[0].c;
	u32 in[MLX5_ST_SZ_DW(alloc_pd_in)] = { 0 };
	u32 out[MLX5_ST_SZ_DW(alloc_pd_out)];
	struct mlx5_eqe eqe;
	u32 done = 0;
	u32 slot;

	MLX5_SET(alloc_pd_in, in, opcode, MLX5_CMD_OP_ALLOC_PD);
	for (slot = 0; slot < 32; slot++)
		assert_ok(client_cmd_fill(c, slot, in, sizeof(in), sizeof(out)));
	client_cmd_ring(c, ~0U);
	while (done != ~0U) {
		assert_ok(client_wait_eq(&c->cmd_eq, &eqe, 1000));
		assert_int_equal(be32_to_cpu(eqe.data.cmd.vector) & done, 0);
		done |= be32_to_cpu(eqe.data.cmd.vector);
	}
	for (slot = 0; slot < 32; slot++) {
		client_cmd_output(c, slot, out, sizeof(out));
		assert_int_equal(MLX5_GET(alloc_pd_out, out, status), 0);
		assert_ok(client_dealloc_pd(c, MLX5_GET(alloc_pd_out, out, pd)));
	}
}

static void queue_in_a_hole(void **state)
{
	struct world *w = *state;
	struct vmm_user *vmm = w->g[0].vmm;
	struct client *c = &w->g[0].c;
	u64 hole = VMM_USER_IOVA + vmm->pages / 2 * PAGE_SIZE;
	u64 real = client_iova(c, c->cmdq.page.va);
	static const u32 h = offsetof(struct mlx5_init_seg, cmdq_addr_h);
	static const u32 l = offsetof(struct mlx5_init_seg, cmdq_addr_l_sz);

	c->ops->iseg_write(vmm, h, hole >> 32);
	c->ops->iseg_write(vmm, l, (u32)hole);
	client_cmd_ring(c, ~0U);
	settle(w);
	c->ops->iseg_write(vmm, h, real >> 32);
	c->ops->iseg_write(vmm, l, (u32)real);
	assert_ok(client_query_port(c));
	/* Size and stride can be read at all times, and the address, too. */
	assert_int_equal(c->ops->iseg_read(vmm, l) & 0xff, 0x56);
	assert_int_equal(c->ops->iseg_read(vmm, l) & 0xfffff000, (u32)real);
}

/* ---- Function states ------------------------------------------------- */

static void bring_up_and_down_again(void **state)
{
	struct world *w = *state;
	struct vmm_user *vmm = vmm_user_create(&w->hca, NULL, 99);
	struct client c;
	u32 i;

	for (i = 0; i < 5; i++) {
		assert_ok(client_open(&c, &vmm_user_client_ops, vmm, i & 1 ? CLIENT_POLLED : 0));
		assert_int_not_equal(c.lid, 0);
		assert_int_not_equal(c.port_guid, 0);
		client_close(&c);
		assert_int_equal(vmm->pinned, 0);
	}
	vmm_user_destroy(vmm);
}

/* A kernel that crashed leaves everything; the next one starts with ENABLE_HCA. */
static void enable_on_a_dirty_function(void **state)
{
	struct world *w = *state;
	struct guest *g = &w->g[0];
	struct client again;
	struct pair p;

	pair_open(&p, MLX5_QP_ST_RC, g, g);
	assert_ok(client_open(&again, &vmm_user_client_ops, g->vmm, CLIENT_POLLED));
	assert_int_equal(g->vmm->inst->object_count[MHCA_QP], 0);
	assert_int_equal(g->vmm->inst->object_count[MHCA_MKEY], 0);
	client_close(&again);
	assert_int_equal(g->vmm->pinned, 0);
	/* What the first client believes to have is gone. */
	client_mem_free(&g->c, &g->buf);
	client_forget_qp(&p.qp[0]);
	client_forget_qp(&p.qp[1]);
	client_forget_cq(&g->cq);
	client_table_fini(&g->c.qps);
	client_table_fini(&g->c.srqs);
	client_table_fini(&g->c.users);
	vmm_user_destroy(g->vmm);
	g->vmm = NULL;
}

static void health_and_registers(void **state)
{
	struct world *w = *state;
	struct vmm_user *vmm = w->g[0].vmm;
	u8 buf[MHCA_ISEG_SIZE];
	u32 before;
	u32 off;
	u32 len;

	before = vmm_user_client_ops.iseg_read(vmm, 0x1010);
	shim_clock_advance(NSEC_PER_SEC);
	assert_int_not_equal(vmm_user_client_ops.iseg_read(vmm, 0x1010), before);
	assert_int_equal(vmm_user_client_ops.iseg_read(vmm, 4) >> 16, 5);
	/* Any offset and length; writes anywhere but where registers are do nothing. */
	for (off = 0; off < MHCA_ISEG_SIZE; off += 13) {
		for (len = 1; len <= 16 && off + len <= MHCA_ISEG_SIZE; len++) {
			mhca_iseg_read(vmm->inst, off, buf, len);
			if (off > 0x1c)
				mhca_iseg_write(vmm->inst, off, buf, len);
		}
	}
	mhca_iseg_read(vmm->inst, 0, buf, sizeof(buf));
	assert_ok(client_query_port(&w->g[0].c));
}

/* Lines of the log that name an instance. */
struct log_lines {
	const char *name;
	u32 n;
};

static void count_line(const char *line, void *arg)
{
	struct log_lines *lines = arg;

	lines->n += !!strstr(line, lines->name);
}

static void refuse_one(struct guest *g)
{
	u32 in[4] = { cpu_to_be32(0x0fff0000) }, out[4];

	assert_int_not_equal(client_exec(&g->c, in, sizeof(in), out, sizeof(out)), 0);
}

/* However much one guest asks for in vain, another's first refusal is in the log. */
static void nobody_mutes_another(void **state)
{
	struct world *w = *state;
	struct log_lines lines = { .name = w->g[0].vmm->inst->id.name };
	u32 i;

	shim_log_sink(count_line, &lines);
	for (i = 0; i < 100; i++)
		refuse_one(&w->g[0]);
	assert_in_range(lines.n, 1, 99);
	lines.name = w->g[1].vmm->inst->id.name;
	lines.n = 0;
	refuse_one(&w->g[1]);
	shim_log_sink(NULL, NULL);
	assert_int_equal(lines.n, 1);
}

#define world_test(fn) cmocka_unit_test_setup_teardown(fn, world_setup, world_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		world_test(every_row_is_checked),
		world_test(unknown_opcodes),
		cmocka_unit_test(opcodes_are_unique),
		world_test(broken_entries),
		world_test(doorbells_without_work),
		world_test(several_commands_at_once),
		world_test(queue_in_a_hole),
		world_test(bring_up_and_down_again),
		world_test(enable_on_a_dirty_function),
		world_test(health_and_registers),
		world_test(nobody_mutes_another),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
