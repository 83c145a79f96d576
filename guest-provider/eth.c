// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* An Ethernet port's objects: queues, RoCE addresses, dispatch, and the simplest flow table. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "client.h"

#define SQ_LOG_STRIDE	6
#define WQ_RST		MLX5_SQC_STATE_RST
#define WQ_RDY		MLX5_SQC_STATE_RDY
#define FLOW_ALLOW	MLX5_FLOW_CONTEXT_ACTION_FWD_DEST
#define FLOW_TO_TIR	MLX5_IFC_FLOW_DESTINATION_TYPE_TIR

int client_alloc_td(struct client *c, u32 *td)
{
	u32 in[MLX5_ST_SZ_DW(alloc_transport_domain_in)] = { 0 };
	u32 out[MLX5_ST_SZ_DW(alloc_transport_domain_out)];
	int ret;

	MLX5_SET(alloc_transport_domain_in, in, opcode, MLX5_CMD_OP_ALLOC_TRANSPORT_DOMAIN);
	ret = client_exec(c, in, sizeof(in), out, sizeof(out));
	*td = ret ? 0 : MLX5_GET(alloc_transport_domain_out, out, transport_domain);
	return ret;
}

/* Destroys of one kind look like those of another: opcode and number. */
int client_destroy_by_number(struct client *c, u16 opcode, u32 number)
{
	u32 in[MLX5_ST_SZ_DW(destroy_sq_in)] = { 0 };
	u32 out[MLX5_ST_SZ_DW(destroy_sq_out)];

	MLX5_SET(destroy_sq_in, in, opcode, opcode);
	MLX5_SET(destroy_sq_in, in, sqn, number);
	return client_exec(c, in, sizeof(in), out, sizeof(out));
}

/* ---- Queues ----------------------------------------------------------------- */

static int wq_alloc(struct client *c, struct client_wq *wq, u8 log_size, u8 log_stride)
{
	int ret;

	memset(wq, 0, sizeof(*wq));
	wq->c = c;
	wq->log_size = log_size;
	wq->log_stride = log_stride;
	ret = client_mem_alloc(c, (size_t)1 << (log_size + log_stride), &wq->mem);
	return ret ? ret : client_record_alloc(c, &wq->record);
}

void client_forget_wq(struct client_wq *wq)
{
	client_record_free(wq->c, &wq->record);
	client_mem_free(wq->c, &wq->mem);
}

/* @at: of the wq in the command; its page list ends the command. Input length. */
static u32 wq_fill(struct client_wq *wq, u8 *in, u32 at, u32 pd)
{
	void *ctx = in + at;
	u32 n;

	MLX5_SET(wq, ctx, wq_type, MLX5_WQ_TYPE_CYCLIC);
	MLX5_SET(wq, ctx, pd, pd);
	MLX5_SET(wq, ctx, uar_page, wq->c->uar);
	MLX5_SET64(wq, ctx, dbr_addr, client_iova(wq->c, wq->record.word));
	MLX5_SET(wq, ctx, log_wq_stride, wq->log_stride);
	MLX5_SET(wq, ctx, log_wq_sz, wq->log_size);
	at += MLX5_BYTE_OFF(wq, pas);
	n = client_page_list(wq->c, wq->mem.va, (size_t)1 << (wq->log_size + wq->log_stride),
			     (__be64 *)(in + at));
	return at + n * 8;
}

int client_create_sq(struct client *c, u32 pd, u32 tis, const struct client_cq *cq, u8 log_size,
		     struct client_wq *sq)
{
	u32 out[MLX5_ST_SZ_DW(create_sq_out)];
	u8 *in = calloc(1, MLX5_ST_SZ_BYTES(create_sq_in) + 4096);
	void *ctx = MLX5_ADDR_OF(create_sq_in, in, ctx);
	u32 len;
	int ret;

	if (!in)
		return -ENOMEM;
	ret = wq_alloc(c, sq, log_size, SQ_LOG_STRIDE);
	if (!ret) {
		MLX5_SET(create_sq_in, in, opcode, MLX5_CMD_OP_CREATE_SQ);
		MLX5_SET(sqc, ctx, cqn, cq->cqn);
		MLX5_SET(sqc, ctx, user_index, CLIENT_NO_INDEX);
		MLX5_SET(sqc, ctx, tis_lst_sz, !!tis);
		MLX5_SET(sqc, ctx, tis_num_0, tis);
		MLX5_SET(sqc, ctx, flush_in_error_en, 1);
		len = wq_fill(sq, in, MLX5_BYTE_OFF(create_sq_in, ctx.wq), pd);
		ret = client_exec(c, in, len, out, sizeof(out));
	}
	free(in);
	if (ret)
		client_forget_wq(sq);
	else
		sq->number = MLX5_GET(create_sq_out, out, sqn);
	return ret;
}

int client_modify_sq(struct client_wq *sq, u8 from, u8 to)
{
	u32 in[MLX5_ST_SZ_DW(modify_sq_in)] = { 0 };
	u32 out[MLX5_ST_SZ_DW(modify_sq_out)];
	int ret;

	MLX5_SET(modify_sq_in, in, opcode, MLX5_CMD_OP_MODIFY_SQ);
	MLX5_SET(modify_sq_in, in, sqn, sq->number);
	MLX5_SET(modify_sq_in, in, sq_state, from);
	MLX5_SET(modify_sq_in, in, ctx.state, to);
	ret = client_exec(sq->c, in, sizeof(in), out, sizeof(out));
	/* As the kernel's driver has it: the record keeps what it said. */
	if (!ret && to == WQ_RST)
		sq->head = 0;
	return ret;
}

int client_query_sq(struct client_wq *sq, u8 *state)
{
	u32 in[MLX5_ST_SZ_DW(query_sq_in)] = { 0 };
	u32 out[MLX5_ST_SZ_DW(query_sq_out)];
	int ret;

	MLX5_SET(query_sq_in, in, opcode, MLX5_CMD_OP_QUERY_SQ);
	MLX5_SET(query_sq_in, in, sqn, sq->number);
	ret = client_exec(sq->c, in, sizeof(in), out, sizeof(out));
	*state = MLX5_GET(query_sq_out, out, sq_context.state);
	return ret;
}

int client_create_rq(struct client *c, u32 pd, const struct client_cq *cq, u8 log_size,
		     u8 log_stride, bool strip, struct client_wq *rq)
{
	u32 out[MLX5_ST_SZ_DW(create_rq_out)];
	u8 *in = calloc(1, MLX5_ST_SZ_BYTES(create_rq_in) + 4096);
	void *ctx = MLX5_ADDR_OF(create_rq_in, in, ctx);
	u32 len;
	int ret;

	if (!in)
		return -ENOMEM;
	ret = wq_alloc(c, rq, log_size, log_stride);
	if (!ret) {
		MLX5_SET(create_rq_in, in, opcode, MLX5_CMD_OP_CREATE_RQ);
		MLX5_SET(rqc, ctx, cqn, cq->cqn);
		MLX5_SET(rqc, ctx, user_index, CLIENT_NO_INDEX);
		MLX5_SET(rqc, ctx, vsd, !strip);
		len = wq_fill(rq, in, MLX5_BYTE_OFF(create_rq_in, ctx.wq), pd);
		ret = client_exec(c, in, len, out, sizeof(out));
	}
	free(in);
	if (ret)
		client_forget_wq(rq);
	else
		rq->number = MLX5_GET(create_rq_out, out, rqn);
	return ret;
}

int client_modify_rq(struct client_wq *rq, u8 from, u8 to)
{
	u32 in[MLX5_ST_SZ_DW(modify_rq_in)] = { 0 };
	u32 out[MLX5_ST_SZ_DW(modify_rq_out)];
	int ret;

	MLX5_SET(modify_rq_in, in, opcode, MLX5_CMD_OP_MODIFY_RQ);
	MLX5_SET(modify_rq_in, in, rqn, rq->number);
	MLX5_SET(modify_rq_in, in, rq_state, from);
	MLX5_SET(modify_rq_in, in, ctx.state, to);
	ret = client_exec(rq->c, in, sizeof(in), out, sizeof(out));
	if (!ret && !to) {
		rq->head = 0;
		rq->record.word[0] = 0;
	}
	return ret;
}

int client_destroy_wq(struct client_wq *wq, u16 opcode)
{
	int ret = client_destroy_by_number(wq->c, opcode, wq->number);

	if (!ret)
		client_forget_wq(wq);
	return ret;
}

/* ---- Posting ------------------------------------------------------------------ */

void client_post_sq(struct client_wq *sq, const void *wqe, u32 bytes)
{
	u32 mask = (1U << sq->log_size) - 1, done, n;
	__be64 bell;

	memcpy(&bell, wqe, sizeof(bell));
	for (done = 0; done < bytes; done += n, sq->head++) {
		n = bytes - done < 64 ? bytes - done : 64;
		memcpy(sq->mem.va + ((size_t)(sq->head & mask) << SQ_LOG_STRIDE),
		       (const u8 *)wqe + done, n);
	}
	__atomic_store_n(&sq->record.word[1], cpu_to_be32(sq->head & 0xffff), __ATOMIC_RELEASE);
	sq->c->ops->uar_write64(sq->c->backend, sq->c->uar, 0x800, bell);
}

void client_post_rq(struct client_wq *rq, const struct client_sge *sge, u32 n)
{
	struct mlx5_wqe_data_seg *seg = (void *)(rq->mem.va +
		((size_t)(rq->head & ((1U << rq->log_size) - 1)) << rq->log_stride));
	u32 i, room = (1U << rq->log_stride) / sizeof(*seg);

	for (i = 0; i < n; i++) {
		seg[i].byte_count = cpu_to_be32(sge[i].len | MLX5_HW_START_PADDING);
		seg[i].lkey = cpu_to_be32(sge[i].lkey);
		seg[i].addr = cpu_to_be64(sge[i].addr);
	}
	if (n < room) {
		memset(&seg[n], 0, sizeof(*seg));
		seg[n].lkey = cpu_to_be32(CLIENT_LIST_END);
	}
	rq->head++;
	__atomic_store_n(&rq->record.word[0], cpu_to_be32(rq->head & 0xffff), __ATOMIC_RELEASE);
}

/* ---- RoCE ----------------------------------------------------------------------- */

int client_query_mac(struct client *c, u8 mac[6])
{
	u32 in[MLX5_ST_SZ_DW(query_nic_vport_context_in)] = { 0 };
	u8 *out = calloc(1, MLX5_ST_SZ_BYTES(query_nic_vport_context_out));
	void *ctx = MLX5_ADDR_OF(query_nic_vport_context_out, out, nic_vport_context);
	int ret;

	if (!out)
		return -ENOMEM;
	MLX5_SET(query_nic_vport_context_in, in, opcode, MLX5_CMD_OP_QUERY_NIC_VPORT_CONTEXT);
	ret = client_exec(c, in, sizeof(in), out, MLX5_ST_SZ_BYTES(query_nic_vport_context_out));
	memcpy(mac, (u8 *)MLX5_ADDR_OF(nic_vport_context, ctx, permanent_address) + 2, 6);
	free(out);
	return ret;
}

int client_enable_roce(struct client *c)
{
	u32 in[MLX5_ST_SZ_DW(modify_nic_vport_context_in)] = { 0 };
	u32 out[MLX5_ST_SZ_DW(modify_nic_vport_context_out)];

	MLX5_SET(modify_nic_vport_context_in, in, opcode, MLX5_CMD_OP_MODIFY_NIC_VPORT_CONTEXT);
	MLX5_SET(modify_nic_vport_context_in, in, field_select.roce_en, 1);
	MLX5_SET(modify_nic_vport_context_in, in, nic_vport_context.roce_en, 1);
	return client_exec(c, in, sizeof(in), out, sizeof(out));
}

int client_set_roce_address(struct client *c, u32 index, const u8 gid[16], const u8 mac[6],
			    int vlan, enum client_roce kind)
{
	u32 in[MLX5_ST_SZ_DW(set_roce_address_in)] = { 0 };
	u32 out[MLX5_ST_SZ_DW(set_roce_address_out)];
	u8 *addr = MLX5_ADDR_OF(set_roce_address_in, in, roce_address);

	MLX5_SET(set_roce_address_in, in, opcode, MLX5_CMD_OP_SET_ROCE_ADDRESS);
	MLX5_SET(set_roce_address_in, in, roce_address_index, index);
	memcpy(MLX5_ADDR_OF(roce_addr_layout, addr, source_l3_address), gid, 16);
	memcpy(addr + MLX5_BYTE_OFF(roce_addr_layout, source_mac_31_0) - 2, mac, 6);
	MLX5_SET(roce_addr_layout, addr, vlan_valid, vlan >= 0);
	if (vlan >= 0)
		MLX5_SET(roce_addr_layout, addr, vlan_id, vlan);
	MLX5_SET(roce_addr_layout, addr, roce_l3_type, kind != CLIENT_ROCE_V2_IPV4);
	MLX5_SET(roce_addr_layout, addr, roce_version,
		 kind == CLIENT_ROCE_V2_IPV4 ? CLIENT_ROCE_V2_IPV6 : kind);
	return client_exec(c, in, sizeof(in), out, sizeof(out));
}

/* ---- Dispatch ------------------------------------------------------------------ */

int client_create_tis(struct client *c, u32 td, u32 *tis)
{
	u32 in[MLX5_ST_SZ_DW(create_tis_in)] = { 0 };
	u32 out[MLX5_ST_SZ_DW(create_tis_out)];
	int ret;

	MLX5_SET(create_tis_in, in, opcode, MLX5_CMD_OP_CREATE_TIS);
	MLX5_SET(create_tis_in, in, ctx.transport_domain, td);
	ret = client_exec(c, in, sizeof(in), out, sizeof(out));
	*tis = ret ? 0 : MLX5_GET(create_tis_out, out, tisn);
	return ret;
}

int client_create_rqt(struct client *c, const u32 *rqn, u32 n, u32 *rqt)
{
	u32 len = MLX5_ST_SZ_BYTES(create_rqt_in) + n * MLX5_ST_SZ_BYTES(rq_num), i;
	u32 out[MLX5_ST_SZ_DW(create_rqt_out)];
	u8 *in = calloc(1, len);
	void *ctx = MLX5_ADDR_OF(create_rqt_in, in, rqt_context);
	int ret;

	if (!in)
		return -ENOMEM;
	MLX5_SET(create_rqt_in, in, opcode, MLX5_CMD_OP_CREATE_RQT);
	MLX5_SET(rqtc, ctx, rqt_max_size, n);
	MLX5_SET(rqtc, ctx, rqt_actual_size, n);
	for (i = 0; i < n; i++)
		MLX5_SET(rqtc, ctx, rq_num[i], rqn[i]);
	ret = client_exec(c, in, len, out, sizeof(out));
	free(in);
	*rqt = ret ? 0 : MLX5_GET(create_rqt_out, out, rqtn);
	return ret;
}

/* @number: RQ, or with @key RQT: then Toeplitz over addresses and ports of TCP. */
int client_create_tir(struct client *c, u32 td, u32 number, const u8 *key, u32 *tir)
{
	u32 in[MLX5_ST_SZ_DW(create_tir_in)] = { 0 };
	u32 out[MLX5_ST_SZ_DW(create_tir_out)];
	void *ctx = MLX5_ADDR_OF(create_tir_in, in, ctx);
	void *fields = MLX5_ADDR_OF(tirc, ctx, rx_hash_field_selector_outer);
	int ret;

	MLX5_SET(create_tir_in, in, opcode, MLX5_CMD_OP_CREATE_TIR);
	MLX5_SET(tirc, ctx, transport_domain, td);
	if (key) {
		MLX5_SET(tirc, ctx, disp_type, MLX5_TIRC_DISP_TYPE_INDIRECT);
		MLX5_SET(tirc, ctx, indirect_table, number);
		MLX5_SET(tirc, ctx, rx_hash_fn, MLX5_RX_HASH_FN_TOEPLITZ);
		memcpy(MLX5_ADDR_OF(tirc, ctx, rx_hash_toeplitz_key), key, 40);
		MLX5_SET(rx_hash_field_select, fields, selected_fields, 0xf);
	} else {
		MLX5_SET(tirc, ctx, disp_type, MLX5_TIRC_DISP_TYPE_DIRECT);
		MLX5_SET(tirc, ctx, inline_rqn, number);
	}
	ret = client_exec(c, in, sizeof(in), out, sizeof(out));
	*tir = ret ? 0 : MLX5_GET(create_tir_out, out, tirn);
	return ret;
}

/* ---- A flow table that gives every frame to the same TIRs ------------------------ */

static int flow_root(struct client *c, u32 table)
{
	u32 in[MLX5_ST_SZ_DW(set_flow_table_root_in)] = { 0 };
	u32 out[MLX5_ST_SZ_DW(set_flow_table_root_out)];

	MLX5_SET(set_flow_table_root_in, in, opcode, MLX5_CMD_OP_SET_FLOW_TABLE_ROOT);
	MLX5_SET(set_flow_table_root_in, in, table_id, table);
	return client_exec(c, in, sizeof(in), out, sizeof(out));
}

static int flow_table(struct client *c, u32 *table)
{
	u32 in[MLX5_ST_SZ_DW(create_flow_table_in)] = { 0 };
	u32 out[MLX5_ST_SZ_DW(create_flow_table_out)];
	int ret;

	MLX5_SET(create_flow_table_in, in, opcode, MLX5_CMD_OP_CREATE_FLOW_TABLE);
	MLX5_SET(create_flow_table_in, in, flow_table_context.log_size, 2);
	ret = client_exec(c, in, sizeof(in), out, sizeof(out));
	*table = ret ? 0 : MLX5_GET(create_flow_table_out, out, table_id);
	return ret;
}

static int flow_group(struct client *c, u32 table, u32 *group)
{
	u32 in[MLX5_ST_SZ_DW(create_flow_group_in)] = { 0 };
	u32 out[MLX5_ST_SZ_DW(create_flow_group_out)];
	int ret;

	MLX5_SET(create_flow_group_in, in, opcode, MLX5_CMD_OP_CREATE_FLOW_GROUP);
	MLX5_SET(create_flow_group_in, in, table_id, table);
	MLX5_SET(create_flow_group_in, in, end_flow_index, 3);
	ret = client_exec(c, in, sizeof(in), out, sizeof(out));
	*group = ret ? 0 : MLX5_GET(create_flow_group_out, out, group_id);
	return ret;
}

static int flow_entry(struct client *c, const struct client_flow *flow, const u32 *tir, u32 n,
		      u32 tag)
{
	u32 len = MLX5_ST_SZ_BYTES(set_fte_in) + n * MLX5_ST_SZ_BYTES(dest_format_struct), i;
	u32 out[MLX5_ST_SZ_DW(set_fte_out)];
	u8 *in = calloc(1, len), *dest;
	void *ctx = MLX5_ADDR_OF(set_fte_in, in, flow_context);
	int ret;

	if (!in)
		return -ENOMEM;
	MLX5_SET(set_fte_in, in, opcode, MLX5_CMD_OP_SET_FLOW_TABLE_ENTRY);
	MLX5_SET(set_fte_in, in, table_id, flow->table);
	MLX5_SET(flow_context, ctx, group_id, flow->group);
	MLX5_SET(flow_context, ctx, flow_tag, tag);
	MLX5_SET(flow_context, ctx, action, FLOW_ALLOW);
	MLX5_SET(flow_context, ctx, destination_list_size, n);
	dest = MLX5_ADDR_OF(flow_context, ctx, destination[0]);
	for (i = 0; i < n; i++, dest += MLX5_ST_SZ_BYTES(dest_format_struct)) {
		MLX5_SET(dest_format_struct, dest, destination_type, FLOW_TO_TIR);
		MLX5_SET(dest_format_struct, dest, destination_id, tir[i]);
	}
	ret = client_exec(c, in, len, out, sizeof(out));
	free(in);
	return ret;
}

int client_create_flow(struct client *c, const u32 *tir, u32 n, u32 tag,
		       struct client_flow *flow)
{
	int ret;

	flow->c = c;
	ret = flow_table(c, &flow->table);
	if (!ret)
		ret = flow_group(c, flow->table, &flow->group);
	if (!ret)
		ret = flow_entry(c, flow, tir, n, tag);
	return ret ? ret : flow_root(c, flow->table);
}

int client_destroy_flow(struct client_flow *flow)
{
	u32 in[MLX5_ST_SZ_DW(destroy_flow_group_in)] = { 0 };
	u32 entry[MLX5_ST_SZ_DW(delete_fte_in)] = { 0 };
	u32 table[MLX5_ST_SZ_DW(destroy_flow_table_in)] = { 0 };
	u32 out[MLX5_ST_SZ_DW(destroy_flow_group_out)];
	int ret;

	MLX5_SET(delete_fte_in, entry, opcode, MLX5_CMD_OP_DELETE_FLOW_TABLE_ENTRY);
	MLX5_SET(delete_fte_in, entry, table_id, flow->table);
	ret = client_exec(flow->c, entry, sizeof(entry), out, sizeof(out));
	MLX5_SET(destroy_flow_group_in, in, opcode, MLX5_CMD_OP_DESTROY_FLOW_GROUP);
	MLX5_SET(destroy_flow_group_in, in, table_id, flow->table);
	MLX5_SET(destroy_flow_group_in, in, group_id, flow->group);
	if (!ret)
		ret = client_exec(flow->c, in, sizeof(in), out, sizeof(out));
	MLX5_SET(destroy_flow_table_in, table, opcode, MLX5_CMD_OP_DESTROY_FLOW_TABLE);
	MLX5_SET(destroy_flow_table_in, table, table_id, flow->table);
	return ret ? ret : client_exec(flow->c, table, sizeof(table), out, sizeof(out));
}

int client_open_port(struct client *c, u32 pd, const struct client_cq *cq, u8 log_size,
		     u8 log_rq_stride, u32 tag, struct client_port *port)
{
	u32 td, tis, tir;
	int ret;

	ret = client_alloc_td(c, &td);
	if (!ret)
		ret = client_create_tis(c, td, &tis);
	if (!ret)
		ret = client_create_sq(c, pd, tis, cq, log_size, &port->sq);
	if (!ret)
		ret = client_modify_sq(&port->sq, WQ_RST, WQ_RDY);
	if (!ret)
		ret = client_create_rq(c, pd, cq, log_size, log_rq_stride, true, &port->rq);
	if (!ret)
		ret = client_modify_rq(&port->rq, WQ_RST, WQ_RDY);
	if (!ret)
		ret = client_create_tir(c, td, port->rq.number, NULL, &tir);
	return ret ? ret : client_create_flow(c, &tir, 1, tag, &port->flow);
}
