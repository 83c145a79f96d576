// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Posting work requests. */
#include "provider.h"

/* A list of struct ibv_sge is a list of struct client_sge. */
_Static_assert(sizeof(struct ibv_sge) == sizeof(struct client_sge) &&
	       offsetof(struct ibv_sge, length) == offsetof(struct client_sge, len) &&
	       offsetof(struct ibv_sge, lkey) == offsetof(struct client_sge, lkey), "sge");

static const struct client_sge *sges(const struct ibv_sge *sge)
{
	return (const struct client_sge *)sge;
}

static int opcode_of(enum ibv_wr_opcode opcode)
{
	static const u8 opcodes[] = {
		[IBV_WR_RDMA_WRITE] = MLX5_OPCODE_RDMA_WRITE,
		[IBV_WR_RDMA_WRITE_WITH_IMM] = MLX5_OPCODE_RDMA_WRITE_IMM,
		[IBV_WR_SEND] = MLX5_OPCODE_SEND,
		[IBV_WR_SEND_WITH_IMM] = MLX5_OPCODE_SEND_IMM,
		[IBV_WR_RDMA_READ] = MLX5_OPCODE_RDMA_READ,
		[IBV_WR_ATOMIC_CMP_AND_SWP] = MLX5_OPCODE_ATOMIC_CS,
		[IBV_WR_ATOMIC_FETCH_AND_ADD] = MLX5_OPCODE_ATOMIC_FA,
	};

	if ((u32)opcode >= sizeof(opcodes) || !opcodes[opcode])
		return -EINVAL;
	return opcodes[opcode];
}

/* Opcodes that the service knows. */
static bool knows(enum ibv_qp_type type, enum ibv_wr_opcode opcode)
{
	bool send = opcode == IBV_WR_SEND || opcode == IBV_WR_SEND_WITH_IMM;
	bool write = opcode == IBV_WR_RDMA_WRITE || opcode == IBV_WR_RDMA_WRITE_WITH_IMM;

	return type == IBV_QPT_RC || send || (type == IBV_QPT_UC && write);
}

static int fill(const struct mhca_qp *qp, const struct ibv_send_wr *wr, struct client_send *to)
{
	int opcode = opcode_of(wr->opcode);
	u32 inlined = 0;
	int i;

	if (opcode < 0 || !knows(qp->ibv.qp_type, wr->opcode) || wr->num_sge < 0)
		return -EINVAL;
	if (!(wr->send_flags & IBV_SEND_INLINE) && (u32)wr->num_sge > qp->cap.max_send_sge)
		return -EINVAL;
	for (i = 0; wr->send_flags & IBV_SEND_INLINE && i < wr->num_sge; i++)
		inlined += wr->sg_list[i].length;
	if (inlined > qp->cap.max_inline_data)
		return -EINVAL;
	memset(to, 0, sizeof(*to));
	to->wr_id = wr->wr_id;
	to->opcode = (u8)opcode;
	to->flags = (qp->sig_all || wr->send_flags & IBV_SEND_SIGNALED ? CLIENT_SIGNALED : 0) |
		    (wr->send_flags & IBV_SEND_SOLICITED ? CLIENT_SOLICITED : 0) |
		    (wr->send_flags & IBV_SEND_FENCE ? CLIENT_FENCE : 0) |
		    (wr->send_flags & IBV_SEND_INLINE ? CLIENT_INLINE : 0);
	to->sge = sges(wr->sg_list);
	to->n_sge = (u32)wr->num_sge;
	to->imm = wr->imm_data;
	if (qp->ibv.qp_type == IBV_QPT_UD) {
		to->dqpn = wr->wr.ud.remote_qpn;
		to->qkey = wr->wr.ud.remote_qkey;
		to->path = &mhca_to(ah, ibv, wr->wr.ud.ah)->path;
	} else if (wr->opcode == IBV_WR_ATOMIC_CMP_AND_SWP) {
		to->remote_addr = wr->wr.atomic.remote_addr;
		to->rkey = wr->wr.atomic.rkey;
		to->compare = wr->wr.atomic.compare_add;
		to->swap_add = wr->wr.atomic.swap;
	} else if (wr->opcode == IBV_WR_ATOMIC_FETCH_AND_ADD) {
		to->remote_addr = wr->wr.atomic.remote_addr;
		to->rkey = wr->wr.atomic.rkey;
		to->swap_add = wr->wr.atomic.compare_add;
	} else {
		to->remote_addr = wr->wr.rdma.remote_addr;
		to->rkey = wr->wr.rdma.rkey;
	}
	return 0;
}

int mhca_post_send(struct ibv_qp *ibqp, struct ibv_send_wr *wr, struct ibv_send_wr **bad)
{
	struct mhca_qp *qp = to_qp(ibqp);
	struct client_send to;
	u32 posted = 0;
	int ret = 0;

	pthread_mutex_lock(&qp->send_lock);
	if (ibqp->state == IBV_QPS_RESET)
		ret = -EINVAL;
	qp->raw.no_doorbell = true;
	for (; wr && !ret; wr = wr->next, posted++) {
		ret = fill(qp, wr, &to);
		if (!ret)
			ret = client_post_send(&qp->raw, &to);
		if (ret)
			break;
	}
	qp->raw.no_doorbell = false;
	if (posted)
		client_ring_send(&qp->raw);
	pthread_mutex_unlock(&qp->send_lock);
	if (ret)
		*bad = wr;
	return -ret;
}

int mhca_post_recv(struct ibv_qp *ibqp, struct ibv_recv_wr *wr, struct ibv_recv_wr **bad)
{
	struct mhca_qp *qp = to_qp(ibqp);
	int ret = 0;

	pthread_mutex_lock(&qp->recv_lock);
	if (ibqp->state == IBV_QPS_RESET || ibqp->srq)
		ret = -EINVAL;
	for (; wr && !ret; wr = wr->next) {
		ret = wr->num_sge < 0 || (u32)wr->num_sge > qp->cap.max_recv_sge ? -EINVAL :
		      client_post_recv(&qp->raw, wr->wr_id, sges(wr->sg_list),
				       (u32)wr->num_sge);
		if (ret)
			break;
	}
	pthread_mutex_unlock(&qp->recv_lock);
	if (ret)
		*bad = wr;
	return -ret;
}

int mhca_post_srq_recv(struct ibv_srq *ibsrq, struct ibv_recv_wr *wr, struct ibv_recv_wr **bad)
{
	struct mhca_srq *srq = to_srq(ibsrq);
	int ret = 0;

	pthread_mutex_lock(&srq->lock);
	for (; wr; wr = wr->next) {
		ret = wr->num_sge < 0 || (u32)wr->num_sge > srq->max_sge ? -EINVAL :
		      client_post_srq(&srq->raw, wr->wr_id, sges(wr->sg_list),
				      (u32)wr->num_sge);
		if (ret)
			break;
	}
	pthread_mutex_unlock(&srq->lock);
	if (ret)
		*bad = wr;
	return -ret;
}
