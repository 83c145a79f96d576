// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "flow_rig.h"

/* ---- Commands -------------------------------------------------------- */

static u32 number_of(struct guest *g, void *in, u32 inlen, u16 opcode)
{
	u32 out[4] = { 0 };

	MLX5_SET(create_rq_in, in, opcode, opcode);
	if (client_exec(&g->c, in, inlen, out, sizeof(out)))
		fail_msg("0x%x: status 0x%x syndrome 0x%x", opcode, g->c.status, g->c.syndrome);
	return MLX5_GET(create_rq_out, out, rqn);
}

static int run(struct guest *g, void *in, u32 inlen, u16 opcode)
{
	u32 out[4] = { 0 };

	MLX5_SET(create_rq_in, in, opcode, opcode);
	return client_exec(&g->c, in, inlen, out, sizeof(out));
}

static u32 rq_new(struct steering *s, u32 i)
{
	u8 in[MLX5_ST_SZ_BYTES(create_rq_in) + 8] = { 0 };
	void *rqc = MLX5_ADDR_OF(create_rq_in, in, ctx);
	void *wq = MLX5_ADDR_OF(rqc, rqc, wq);
	struct client *c = &s->g->c;

	assert_ok(client_mem_alloc(c, CLIENT_PAGE, &s->mem[i]));
	assert_ok(client_record_alloc(c, &s->record[i]));
	MLX5_SET(rqc, rqc, cqn, s->g->cq.cqn);
	MLX5_SET(wq, wq, wq_type, 1);
	MLX5_SET(wq, wq, pd, s->g->pd);
	MLX5_SET(wq, wq, log_wq_stride, 6);
	MLX5_SET(wq, wq, log_wq_sz, 4);
	MLX5_SET64(wq, wq, dbr_addr, client_iova(c, s->record[i].word));
	client_page_list(c, s->mem[i].va, CLIENT_PAGE, (__be64 *)MLX5_ADDR_OF(wq, wq, pas));
	return number_of(s->g, in, sizeof(in), MLX5_CMD_OP_CREATE_RQ);
}

static u32 tir_new(struct steering *s, u32 rqn)
{
	u8 in[MLX5_ST_SZ_BYTES(create_tir_in)] = { 0 };

	MLX5_SET(create_tir_in, in, ctx.inline_rqn, rqn);
	MLX5_SET(create_tir_in, in, ctx.transport_domain, s->td);
	return number_of(s->g, in, sizeof(in), MLX5_CMD_OP_CREATE_TIR);
}

int destroy(struct guest *g, u16 opcode, u32 number)
{
	u8 in[MLX5_ST_SZ_BYTES(destroy_tir_in)] = { 0 };

	MLX5_SET(destroy_tir_in, in, tirn, number);
	return run(g, in, sizeof(in), opcode);
}

void open_steering(struct steering *s, struct guest *g)
{
	u8 in[MLX5_ST_SZ_BYTES(alloc_transport_domain_in)] = { 0 };
	u32 i;

	s->g = g;
	s->td = number_of(g, in, sizeof(in), MLX5_CMD_OP_ALLOC_TRANSPORT_DOMAIN);
	for (i = 0; i < 3; i++) {
		s->rq[i] = rq_new(s, i);
		s->tir[i] = tir_new(s, s->rq[i]);
	}
}

void free_steering(struct steering *s)
{
	u32 i;

	for (i = 0; i < 3; i++) {
		client_mem_free(&s->g->c, &s->mem[i]);
		client_record_free(&s->g->c, &s->record[i]);
	}
}

void close_steering(struct steering *s)
{
	u32 i;

	for (i = 0; i < 3; i++) {
		assert_ok(destroy(s->g, MLX5_CMD_OP_DESTROY_TIR, s->tir[i]));
		assert_ok(destroy(s->g, MLX5_CMD_OP_DESTROY_RQ, s->rq[i]));
	}
	free_steering(s);
	assert_ok(destroy(s->g, MLX5_CMD_OP_DEALLOC_TRANSPORT_DOMAIN, s->td));
}

int table_try(struct guest *g, u8 level, u32 miss, u32 *table)
{
	u8 in[MLX5_ST_SZ_BYTES(create_flow_table_in)] = { 0 };
	u32 out[4] = { 0 };
	int ret;

	MLX5_SET(create_flow_table_in, in, opcode, MLX5_CMD_OP_CREATE_FLOW_TABLE);
	MLX5_SET(create_flow_table_in, in, flow_table_context.level, level);
	MLX5_SET(create_flow_table_in, in, flow_table_context.log_size, ilog2(GROUP_MAX));
	MLX5_SET(create_flow_table_in, in, flow_table_context.table_miss_action, !!miss);
	MLX5_SET(create_flow_table_in, in, flow_table_context.table_miss_id, miss);
	ret = client_exec(&g->c, in, sizeof(in), out, sizeof(out));
	*table = MLX5_GET(create_flow_table_out, out, table_id);
	return ret;
}

u32 table_new(struct guest *g, u8 level, u32 miss)
{
	u32 table;

	assert_ok(table_try(g, level, miss, &table));
	return table;
}

int table_destroy(struct guest *g, u32 table)
{
	u8 in[MLX5_ST_SZ_BYTES(destroy_flow_table_in)] = { 0 };

	MLX5_SET(destroy_flow_table_in, in, table_id, table);
	return run(g, in, sizeof(in), MLX5_CMD_OP_DESTROY_FLOW_TABLE);
}

void set_root(struct guest *g, u32 table)
{
	u8 in[MLX5_ST_SZ_BYTES(set_flow_table_root_in)] = { 0 };

	MLX5_SET(set_flow_table_root_in, in, table_id, table);
	MLX5_SET(set_flow_table_root_in, in, op_mod, !table);
	assert_ok(run(g, in, sizeof(in), MLX5_CMD_OP_SET_FLOW_TABLE_ROOT));
}

int group_try(struct guest *g, u32 table, u32 start, u32 end, const void *mask,
		     u32 *group)
{
	u8 in[MLX5_ST_SZ_BYTES(create_flow_group_in)] = { 0 };
	u32 out[4] = { 0 };
	int ret;

	MLX5_SET(create_flow_group_in, in, opcode, MLX5_CMD_OP_CREATE_FLOW_GROUP);
	MLX5_SET(create_flow_group_in, in, table_id, table);
	MLX5_SET(create_flow_group_in, in, start_flow_index, start);
	MLX5_SET(create_flow_group_in, in, end_flow_index, end);
	MLX5_SET(create_flow_group_in, in, match_criteria_enable, !!mask);
	if (mask)
		memcpy(MLX5_ADDR_OF(create_flow_group_in, in, match_criteria.outer_headers), mask,
		       MLX5_ST_SZ_BYTES(fte_match_set_lyr_2_4));
	ret = client_exec(&g->c, in, sizeof(in), out, sizeof(out));
	*group = MLX5_GET(create_flow_group_out, out, group_id);
	return ret;
}

u32 group_new(struct guest *g, u32 table, u32 start, u32 end, const void *mask)
{
	u32 group;

	assert_ok(group_try(g, table, start, end, mask, &group));
	return group;
}

int group_destroy(struct guest *g, u32 table, u32 group)
{
	u8 in[MLX5_ST_SZ_BYTES(destroy_flow_group_in)] = { 0 };

	MLX5_SET(destroy_flow_group_in, in, table_id, table);
	MLX5_SET(destroy_flow_group_in, in, group_id, group);
	return run(g, in, sizeof(in), MLX5_CMD_OP_DESTROY_FLOW_GROUP);
}

int entry_set(struct guest *g, const struct entry *e)
{
	u8 in[MLX5_ST_SZ_BYTES(set_fte_in) + 32 * 8] = { 0 };
	void *ctx = MLX5_ADDR_OF(set_fte_in, in, flow_context);
	u8 *dest = MLX5_ADDR_OF(flow_context, ctx, destination);
	u32 n = e->to_table ? 1 : e->n;
	u32 i;

	MLX5_SET(set_fte_in, in, op_mod, e->change);
	MLX5_SET(set_fte_in, in, modify_enable_mask, e->change ? 7 : 0);
	MLX5_SET(set_fte_in, in, table_id, e->table);
	MLX5_SET(set_fte_in, in, flow_index, e->index);
	MLX5_SET(flow_context, ctx, group_id, e->group);
	MLX5_SET(flow_context, ctx, flow_tag, e->tag);
	MLX5_SET(flow_context, ctx, action, n ? 4 : 2);
	MLX5_SET(flow_context, ctx, destination_list_size, n);
	if (e->value)
		memcpy(MLX5_ADDR_OF(flow_context, ctx, match_value.outer_headers), e->value,
		       MLX5_ST_SZ_BYTES(fte_match_set_lyr_2_4));
	for (i = 0; i < n && i < 32; i++, dest += 8) {
		MLX5_SET(dest_format_struct, dest, destination_type,
			 e->to_table || e->tables ? 1 : 2);
		MLX5_SET(dest_format_struct, dest, destination_id,
			 e->to_table ? e->to_table : e->tir[i]);
	}
	return run(g, in, MLX5_ST_SZ_BYTES(set_fte_in) + n * 8,
		   MLX5_CMD_OP_SET_FLOW_TABLE_ENTRY);
}

int entry_delete(struct guest *g, u32 table, u32 index)
{
	u8 in[MLX5_ST_SZ_BYTES(delete_fte_in)] = { 0 };

	MLX5_SET(delete_fte_in, in, table_id, table);
	MLX5_SET(delete_fte_in, in, flow_index, index);
	return run(g, in, sizeof(in), MLX5_CMD_OP_DELETE_FLOW_TABLE_ENTRY);
}

/* ---- Frames ---------------------------------------------------------- */

/* UDP over IPv4 from 10.0.0.1 to 10.0.0.2, to 02:00:00:00:00:@last. */
void udp_frame(struct soft_frame *frame, u8 head[64], u8 last, u16 dport)
{
	memset(head, 0, 64);
	head[0] = 2;
	head[5] = last;
	head[6] = 2;
	head[11] = 0xaa;
	head[12] = 8;
	head[14] = 0x45;
	head[15] = 0xb9;
	head[23] = 17;
	head[26] = 10;
	head[29] = 1;
	head[30] = 10;
	head[33] = 2;
	*frame = (struct soft_frame){
		.head = head, .head_len = 64, .len = 64, .ethertype = 0x800, .ip_version = 4,
		.ip_protocol = 17, .l3 = 14, .l4 = 34, .sport = 1000, .dport = dport,
	};
}

void walk(struct guest *g, const struct soft_frame *frame, struct soft_steering *result)
{
	struct soft_instance *si = soft_instance(g->vmm->inst);
	int idx = soft_enter(g->vmm->inst);

	soft_flow_walk(si, frame, result);
	soft_leave(g->vmm->inst, idx);
}

void goes_to(struct steering *s, const struct soft_frame *frame, int tir, u32 tag)
{
	struct soft_steering result;

	walk(s->g, frame, &result);
	assert_int_equal(result.n, tir >= 0);
	if (tir < 0)
		return;
	assert_int_equal(result.tir[0]->rq->obj.num, s->rq[tir]);
	assert_int_equal(result.tag, tag);
}
