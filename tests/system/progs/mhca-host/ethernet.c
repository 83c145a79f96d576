// SPDX-License-Identifier: GPL-2.0-only
/* An instance's Ethernet port: its address, a queue of each kind, a flood of broadcasts. */
#include <stdio.h>
#include <string.h>
#include "ethernet.h"

#define LOG_RING	7
#define RING		(1U << LOG_RING)
#define LOG_RQ_STRIDE	4
#define FRAME		256U
#define BUFFER		2048U
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
