// SPDX-License-Identifier: GPL-2.0-only
/* An instance's Ethernet port: its address, a queue of each kind, floods of frames. */
#include <stdio.h>
#include <string.h>
#include "ethernet.h"

#define LOG_RING	7
#define RING		(1U << LOG_RING)
#define LOG_RQ_STRIDE	4
#define FRAME		256U
#define BUFFER		2048U
/* A large send: two basic blocks, UDP in 125 frames. */
#define LARGE_BLOCKS	2U
#define LARGE_HEAD	42U
#define LARGE_MSS	64U
#define LARGE_BYTES	8000U
/* Tables that one entry names: 448 groups behind it. */
#define DEEP_TABLES	7U
#define DEEP_LOG	6U
/* Where frames lie in the node's memory: at its end, which nobody else of ours uses. */
#define FRAMES_AT	(NODE_MEM - (RING + 1) * BUFFER)

static int queues_open(struct ethernet *e)
{
	struct client *c = &e->n->c;
	struct client_cq_attr cq;
	int ret;

	client_cq_attr_init(&cq, LOG_RING + 2);
	ret = client_create_cq(c, &cq, &e->cq);
	return ret ? ret : client_open_port(c, e->n->pd, &e->cq, LOG_RING, LOG_RQ_STRIDE, 0,
					    &e->port);
}

static void post_buffer(struct ethernet *e)
{
	struct client_sge sge = {
		.addr = (uintptr_t)e->n->mem.va + FRAMES_AT + e->port.rq.head % RING * BUFFER,
		.len = BUFFER, .lkey = e->n->key,
	};

	client_post_rq(&e->port.rq, &sge, 1);
}

int ethernet_open(struct ethernet *e, struct node *n)
{
	u8 *frame = n->mem.va + FRAMES_AT + RING * BUFFER;
	u32 i;

	memset(e, 0, sizeof(*e));
	e->n = n;
	if (!node_is_ethernet(n))
		return complain("%s: no Ethernet port", n->uuid);
	if (queues_open(e))
		return complain("%s: queues: status %x, syndrome %x", n->uuid, n->c.status,
				n->c.syndrome);
	for (i = 0; i < RING; i++)
		post_buffer(e);
	/* To everybody, of a type for local experiments. */
	memset(frame, 0xff, 6);
	memcpy(frame + 6, n->mac, 6);
	frame[12] = 0x88;
	frame[13] = 0xb5;
	return 0;
}

static void post_frame(struct ethernet *e)
{
	struct {
		struct mlx5_wqe_ctrl_seg ctrl;
		struct mlx5_wqe_eth_seg eth;
		struct mlx5_wqe_data_seg data;
	} wqe;

	memset(&wqe, 0, sizeof(wqe));
	wqe.ctrl.opmod_idx_opcode = cpu_to_be32((e->port.sq.head & 0xffff) << 8 | MLX5_OPCODE_SEND);
	wqe.ctrl.qpn_ds = cpu_to_be32(e->port.sq.number << 8 | sizeof(wqe) / 16);
	wqe.ctrl.fm_ce_se = MLX5_WQE_CTRL_CQ_UPDATE;
	wqe.data.addr = cpu_to_be64((uintptr_t)e->n->mem.va + FRAMES_AT + RING * BUFFER);
	wqe.data.byte_count = cpu_to_be32(FRAME);
	wqe.data.lkey = cpu_to_be32(e->n->key);
	client_post_sq(&e->port.sq, &wqe, sizeof(wqe));
}

int ethernet_serve(struct ethernet *e)
{
	struct mlx5_cqe64 *cqe;

	while ((cqe = client_peek_cq(&e->cq))) {
		switch (get_cqe_opcode(cqe)) {
		case MLX5_CQE_REQ:
			e->sent++;
			break;
		case MLX5_CQE_RESP_SEND:
			e->received++;
			post_buffer(e);
			break;
		default:
			return complain("%s: a frame's completion has an error", e->n->uuid);
		}
		e->cq.ci++;
		__atomic_store_n(&e->cq.record.word[0], cpu_to_be32(e->cq.ci & 0xffffff),
				 __ATOMIC_RELEASE);
	}
	return 0;
}

int ethernet_flood(struct ethernet *e)
{
	while (e->port.sq.head - e->sent < RING)
		post_frame(e);
	return ethernet_serve(e);
}

void ethernet_to(struct ethernet *e, const u8 mac[6])
{
	memcpy(e->n->mem.va + FRAMES_AT + RING * BUFFER, mac, 6);
}

/* ---- Large sends --------------------------------------------------------------- */

static void post_large(struct ethernet *e)
{
	u8 wqe[LARGE_BLOCKS * 64] = { 0 }, *head;
	struct mlx5_wqe_ctrl_seg *ctrl = (void *)wqe;
	struct mlx5_wqe_eth_seg *eth = (void *)(ctrl + 1);
	struct mlx5_wqe_data_seg *data = (void *)(wqe + 80);

	ctrl->opmod_idx_opcode = cpu_to_be32((e->port.sq.head & 0xffff) << 8 | MLX5_OPCODE_LSO);
	ctrl->qpn_ds = cpu_to_be32(e->port.sq.number << 8 | 96 / 16);
	ctrl->fm_ce_se = MLX5_WQE_CTRL_CQ_UPDATE;
	eth->mss = cpu_to_be16(LARGE_MSS);
	eth->inline_hdr.sz = cpu_to_be16(LARGE_HEAD);
	/* UDP over IPv4. */
	head = (u8 *)eth + offsetof(struct mlx5_wqe_eth_seg, inline_hdr.start);
	memset(head, 0xff, 6);
	memcpy(head + 6, e->n->mac, 6);
	head[12] = 8;
	head[14] = 0x45;
	head[22] = 64;
	head[23] = 17;
	data->addr = cpu_to_be64((uintptr_t)e->n->mem.va + FRAMES_AT);
	data->byte_count = cpu_to_be32(LARGE_BYTES);
	data->lkey = cpu_to_be32(e->n->key);
	client_post_sq(&e->port.sq, wqe, 96);
}

int ethernet_flood_large(struct ethernet *e)
{
	while (e->port.sq.head - LARGE_BLOCKS * e->sent < RING)
		post_large(e);
	return ethernet_serve(e);
}

/* ---- Flow tables ----------------------------------------------------------------- */

static int flow_number(struct client *c, u16 opcode, void *in, u32 inlen, u32 *number)
{
	u32 out[MLX5_ST_SZ_DW(create_flow_table_out)];
	int ret;

	MLX5_SET(create_flow_table_in, in, opcode, opcode);
	ret = client_exec(c, in, inlen, out, sizeof(out));
	if (!ret && number)
		*number = MLX5_GET(create_flow_table_out, out, table_id);
	return ret;
}

static int new_table(struct client *c, u32 level, u32 log_size, u32 *table)
{
	u32 in[MLX5_ST_SZ_DW(create_flow_table_in)] = { 0 };

	MLX5_SET(create_flow_table_in, in, flow_table_context.level, level);
	MLX5_SET(create_flow_table_in, in, flow_table_context.log_size, log_size);
	return flow_number(c, MLX5_CMD_OP_CREATE_FLOW_TABLE, in, sizeof(in), table);
}

/* A group of one entry at @index; @barren: that no frame can have, for it has no entry. */
static int new_group(struct client *c, u32 table, u32 index, bool barren, u32 *group)
{
	u32 in[MLX5_ST_SZ_DW(create_flow_group_in)] = { 0 };

	MLX5_SET(create_flow_group_in, in, table_id, table);
	MLX5_SET(create_flow_group_in, in, start_flow_index, index);
	MLX5_SET(create_flow_group_in, in, end_flow_index, index);
	if (barren) {
		MLX5_SET(create_flow_group_in, in, match_criteria_enable,
			 MLX5_MATCH_OUTER_HEADERS);
		MLX5_SET(create_flow_group_in, in, match_criteria.outer_headers.ethertype, 0xffff);
	}
	return flow_number(c, MLX5_CMD_OP_CREATE_FLOW_GROUP, in, sizeof(in), group);
}

static int name_tables(struct client *c, u32 root, u32 group, const u32 *table)
{
	u8 in[MLX5_ST_SZ_BYTES(set_fte_in) +
	      DEEP_TABLES * MLX5_ST_SZ_BYTES(dest_format_struct)] = { 0 };
	void *ctx = MLX5_ADDR_OF(set_fte_in, in, flow_context);
	u8 *dest = MLX5_ADDR_OF(flow_context, ctx, destination[0]);
	u32 i;

	MLX5_SET(set_fte_in, in, table_id, root);
	MLX5_SET(flow_context, ctx, group_id, group);
	MLX5_SET(flow_context, ctx, action, MLX5_FLOW_CONTEXT_ACTION_FWD_DEST);
	MLX5_SET(flow_context, ctx, destination_list_size, DEEP_TABLES);
	for (i = 0; i < DEEP_TABLES; i++, dest += MLX5_ST_SZ_BYTES(dest_format_struct)) {
		MLX5_SET(dest_format_struct, dest, destination_type,
			 MLX5_IFC_FLOW_DESTINATION_TYPE_FLOW_TABLE);
		MLX5_SET(dest_format_struct, dest, destination_id, table[i]);
	}
	return flow_number(c, MLX5_CMD_OP_SET_FLOW_TABLE_ENTRY, in, sizeof(in), NULL);
}

int ethernet_deepen(struct ethernet *e)
{
	u32 in[MLX5_ST_SZ_DW(set_flow_table_root_in)] = { 0 };
	u32 root, group, table[DEEP_TABLES], i, k;
	struct client *c = &e->n->c;
	int ret;

	ret = new_table(c, 0, 0, &root);
	if (!ret)
		ret = new_group(c, root, 0, false, &group);
	for (i = 0; !ret && i < DEEP_TABLES; i++) {
		ret = new_table(c, 1, DEEP_LOG, &table[i]);
		for (k = 0; !ret && k < 1U << DEEP_LOG; k++)
			ret = new_group(c, table[i], k, true, NULL);
	}
	if (!ret)
		ret = name_tables(c, root, group, table);
	MLX5_SET(set_flow_table_root_in, in, table_id, root);
	if (!ret)
		ret = flow_number(c, MLX5_CMD_OP_SET_FLOW_TABLE_ROOT, in, sizeof(in), NULL);
	return ret ? complain("%s: flow tables: status %x, syndrome %x", e->n->uuid, c->status,
			      c->syndrome) : 0;
}
