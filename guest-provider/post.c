// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Work requests: building WQEs, posting them, ringing doorbells. */
#include <errno.h>
#include "client.h"

#define WQE_MAX		(63 * 16)
#define BLOCK		64U

/* Where a WQE is put together before it goes into the ring. */
struct build {
	u8 raw[WQE_MAX + 16];
	u32 at;
};

static void *take(struct build *b, u32 bytes)
{
	u8 *p = b->raw + b->at;

	if (b->at + bytes > WQE_MAX)
		return NULL;
	memset(p, 0, bytes);
	b->at += bytes;
	return p;
}

static int put_data(struct build *b, const struct client_sge *sge, u32 n)
{
	u32 i;

	for (i = 0; i < n; i++) {
		struct mlx5_wqe_data_seg *seg;

		if (!sge[i].len)
			continue;
		seg = take(b, sizeof(*seg));
		if (!seg)
			return -EINVAL;
		seg->byte_count = cpu_to_be32(sge[i].len);
		seg->lkey = cpu_to_be32(sge[i].lkey);
		seg->addr = cpu_to_be64(sge[i].addr);
	}
	return 0;
}

/* The sge's addresses are the program's own here. */
static int put_inline(struct build *b, const struct client_sge *sge, u32 n)
{
	u32 start = b->at;
	__be32 head;
	u32 len = 0;
	u32 i;

	if (!take(b, sizeof(head)))
		return -EINVAL;
	for (i = 0; i < n; i++) {
		void *to = take(b, sge[i].len);

		if (!to)
			return -EINVAL;
		memcpy(to, (const void *)(uintptr_t)sge[i].addr, sge[i].len);
		len += sge[i].len;
	}
	head = cpu_to_be32(0x80000000U | len);
	memcpy(b->raw + start, &head, sizeof(head));
	return take(b, (16 - (b->at & 15)) & 15) ? 0 : -EINVAL;
}

static int put_av(struct build *b, const struct client_send *wr)
{
	const struct client_path *path = wr->path;
	struct mlx5_av *av = take(b, sizeof(*av));

	if (!av || !path)
		return -EINVAL;
	av->key.qkey.qkey = cpu_to_be32(wr->qkey);
	av->dqp_dct = cpu_to_be32(0x80000000U | wr->dqpn);
	av->stat_rate_sl = path->sl;
	av->fl_mlid = path->path_bits;
	av->rlid = cpu_to_be16(path->dlid);
	av->tclass = path->tclass;
	av->hop_limit = path->hop_limit;
	if (path->grh) {
		av->grh_gid_fl = cpu_to_be32(1U << 30 | (u32)path->sgid_index << 20 | path->flow);
		memcpy(av->rmac, path->dmac, sizeof(av->rmac));
		memcpy(av->rgid, path->dgid, sizeof(av->rgid));
	}
	return 0;
}

static int put_remote(struct build *b, const struct client_send *wr)
{
	struct mlx5_wqe_raddr_seg *raddr = take(b, sizeof(*raddr));

	if (!raddr)
		return -EINVAL;
	raddr->raddr = cpu_to_be64(wr->remote_addr);
	raddr->rkey = cpu_to_be32(wr->rkey);
	return 0;
}

static int put_atomic(struct build *b, const struct client_send *wr)
{
	struct mlx5_wqe_atomic_seg *atomic = take(b, sizeof(*atomic));

	if (!atomic)
		return -EINVAL;
	atomic->swap_add = cpu_to_be64(wr->swap_add);
	atomic->compare = cpu_to_be64(wr->compare);
	return 0;
}

static bool is_datagram(const struct client_qp *qp)
{
	return qp->type == MLX5_QP_ST_UD || qp->type == MLX5_QP_ST_QP0 ||
	       qp->type == MLX5_QP_ST_QP1;
}

/* The segments between the control segment and the data. */
static int put_transport(struct build *b, const struct client_qp *qp,
			 const struct client_send *wr)
{
	int ret = 0;

	if (wr->opcode == MLX5_OPCODE_NOP)
		return 0;
	if (is_datagram(qp))
		return put_av(b, wr);
	if (qp->type == MLX5_QP_ST_XRC) {
		__be32 *xrc = take(b, 16);

		if (!xrc)
			return -EINVAL;
		*xrc = cpu_to_be32(wr->xrc_srqn);
	}
	switch (wr->opcode) {
	case MLX5_OPCODE_RDMA_WRITE:
	case MLX5_OPCODE_RDMA_WRITE_IMM:
	case MLX5_OPCODE_RDMA_READ:
		ret = put_remote(b, wr);
		break;
	case MLX5_OPCODE_ATOMIC_CS:
	case MLX5_OPCODE_ATOMIC_FA:
		ret = put_remote(b, wr);
		if (!ret)
			ret = put_atomic(b, wr);
		break;
	}
	return ret;
}

/* Copy into the ring, which may end in the middle of the WQE. */
static void ring_copy(struct client_queue *sq, u32 index, const u8 *from, u32 bytes)
{
	u32 size = BLOCK << sq->log_size;
	u32 at = index * BLOCK & (size - 1);
	u32 first = size - at < bytes ? size - at : bytes;

	memcpy(sq->base + at, from, first);
	memcpy(sq->base, from + first, bytes - first);
}

static void ring(struct client_qp *qp)
{
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	qp->c->ops->uar_write64(qp->c->backend, qp->uar, MLX5_BF_OFFSET + qp->sq_register,
				qp->last);
	qp->sq_register ^= 0x100;
}

void client_ring_send(struct client_qp *qp)
{
	__atomic_store_n(&qp->record.word[1], cpu_to_be32(qp->sq.head & 0xffff),
			 __ATOMIC_RELEASE);
	if (!qp->no_doorbell)
		ring(qp);
}

static int post(struct client_qp *qp, u64 wr_id, u8 *raw, u32 ds, bool own_ctrl)
{
	struct client_queue *sq = &qp->sq;
	u32 blocks = (ds * 16 + BLOCK - 1) / BLOCK;
	u32 slot = sq->head & ((1U << sq->log_size) - 1);
	struct mlx5_wqe_ctrl_seg *ctrl = (void *)raw;

	if (!sq->wr_id)
		return -EINVAL;
	if (sq->head - __atomic_load_n(&sq->tail, __ATOMIC_ACQUIRE) + blocks > 1U << sq->log_size)
		return -ENOMEM;
	if (own_ctrl) {
		u32 word = be32_to_cpu(ctrl->opmod_idx_opcode);

		ctrl->opmod_idx_opcode =
			cpu_to_be32((word & 0xff0000ff) | (sq->head & 0xffff) << 8);
	}
	ring_copy(sq, sq->head, raw, ds * 16);
	sq->wr_id[slot] = wr_id;
	sq->head += blocks;
	sq->end[slot] = sq->head;
	/* The doorbell carries the control segment of the last WQE. */
	__atomic_store_n(&qp->record.word[1], cpu_to_be32(sq->head & 0xffff), __ATOMIC_RELEASE);
	memcpy(&qp->last, raw, sizeof(qp->last));
	if (!qp->no_doorbell)
		ring(qp);
	return 0;
}

int client_post_raw(struct client_qp *qp, u64 wr_id, void *wqe, u32 ds)
{
	return post(qp, wr_id, wqe, ds, true);
}

int client_post_send(struct client_qp *qp, const struct client_send *wr)
{
	struct mlx5_wqe_ctrl_seg *ctrl;
	struct build b;
	int ret;

	b.at = 0;
	ctrl = take(&b, sizeof(*ctrl));
	ret = put_transport(&b, qp, wr);
	if (!ret)
		ret = wr->flags & CLIENT_INLINE ? put_inline(&b, wr->sge, wr->n_sge) :
		      put_data(&b, wr->sge, wr->n_sge);
	if (ret)
		return ret;
	ctrl->opmod_idx_opcode = cpu_to_be32(wr->opcode);
	ctrl->qpn_ds = cpu_to_be32(qp->qpn << 8 | b.at / 16);
	ctrl->fm_ce_se = (wr->flags & CLIENT_SIGNALED ? MLX5_WQE_CTRL_CQ_UPDATE : 0) |
			 (wr->flags & CLIENT_SOLICITED ? MLX5_WQE_CTRL_SOLICITED : 0) |
			 (wr->flags & CLIENT_FENCE ? MLX5_FENCE_MODE_FENCE : 0);
	ctrl->imm = wr->imm;
	return post(qp, wr->wr_id, b.raw, b.at / 16, true);
}

/* Scatter list of a receive WQE, ended by the invalid key when there is room. */
static int put_scatter(struct mlx5_wqe_data_seg *seg, u32 room, const struct client_sge *sge,
		       u32 n)
{
	u32 used = 0;
	u32 i;

	for (i = 0; i < n; i++) {
		if (!sge[i].len)
			continue;
		if (used == room)
			return -EINVAL;
		seg[used].byte_count = cpu_to_be32(sge[i].len);
		seg[used].lkey = cpu_to_be32(sge[i].lkey);
		seg[used++].addr = cpu_to_be64(sge[i].addr);
	}
	if (used < room) {
		seg[used].byte_count = 0;
		seg[used].lkey = cpu_to_be32(CLIENT_LIST_END);
		seg[used].addr = 0;
	}
	return 0;
}

int client_post_recv(struct client_qp *qp, u64 wr_id, const struct client_sge *sge, u32 n)
{
	struct client_queue *rq = &qp->rq;
	u32 slot = rq->head & ((1U << rq->log_size) - 1);
	int ret;

	if (!rq->wr_id)
		return -EINVAL;
	if (rq->head - __atomic_load_n(&rq->tail, __ATOMIC_ACQUIRE) == 1U << rq->log_size)
		return -ENOMEM;
	ret = put_scatter((void *)(rq->base + ((size_t)slot << rq->log_stride)),
			  1U << (rq->log_stride - 4), sge, n);
	if (ret)
		return ret;
	rq->wr_id[slot] = wr_id;
	rq->head++;
	__atomic_store_n(&qp->record.word[0], cpu_to_be32(rq->head & 0xffff), __ATOMIC_RELEASE);
	return 0;
}

int client_post_srq(struct client_srq *srq, u64 wr_id, const struct client_sge *sge, u32 n)
{
	u8 *wqe = srq->mem.va + ((size_t)srq->head << srq->log_stride);
	struct mlx5_wqe_srq_next_seg *next = (void *)wqe;
	int ret;

	/* One stays free: the list's end must not meet its beginning. */
	if (srq->free <= 1)
		return -ENOMEM;
	ret = put_scatter((void *)(next + 1), (1U << (srq->log_stride - 4)) - 1, sge, n);
	if (ret)
		return ret;
	srq->wr_id[srq->head] = wr_id;
	srq->head = be16_to_cpu(next->next_wqe_index) & ((1U << srq->log_size) - 1);
	srq->free--;
	srq->count++;
	__atomic_store_n(&srq->record.word[0], cpu_to_be32(srq->count), __ATOMIC_RELEASE);
	return 0;
}
