// SPDX-License-Identifier: GPL-2.0-only
/*
 * Work queue elements: copied out of guest memory once, then parsed. Nothing here
 * trusts a length that the guest wrote; a WQE that does not fit its own size, its
 * opcode or its service type ends as LOCAL_QP_OP_ERR.
 */
#include <mhca/kernel.h>
#include "transport.h"

#define SOFT_BB			BIT(SOFT_BB_SHIFT)
#define SOFT_DS			MLX5_SEND_WQE_DS
#define SOFT_AV_EXT		MLX5_EXTENDED_UD_AV	/* the address vector has all 48 bytes */
#define SOFT_AV_GRH		BIT(30)
#define SOFT_CTRL_CE		MLX5_WQE_CTRL_CQ_UPDATE_AND_EQE
#define SOFT_CTRL_FENCE		0xe0

/* Service types as bits, and what an opcode needs behind its control segment. */
#define SOFT_ST(type)		BIT(MLX5_QP_ST_##type)
#define SOFT_ST_RELIABLE	(SOFT_ST(RC) | SOFT_ST(XRC))
#define SOFT_ST_CONNECTED	(SOFT_ST_RELIABLE | SOFT_ST(UC))
#define SOFT_ST_UMR		(SOFT_ST_CONNECTED | SOFT_ST(REG_UMR))
#define SOFT_ST_DATAGRAM	(SOFT_ST(UD) | SOFT_ST(QP0) | SOFT_ST(QP1))

/**
 * struct soft_opcode - what a send WQE of an opcode looks like
 * @services: service types (by bit) it is allowed on
 * @raddr: a remote address segment follows
 * @atomic: an atomic segment follows that
 */
struct soft_opcode {
	u16 services;
	bool raddr;
	bool atomic;
};

static const struct soft_opcode soft_opcodes[] = {
	[MLX5_OPCODE_NOP]		= { 0xffff },
	[MLX5_OPCODE_SEND]		= { SOFT_ST_CONNECTED | SOFT_ST_DATAGRAM },
	[MLX5_OPCODE_SEND_IMM]		= { SOFT_ST_CONNECTED | SOFT_ST_DATAGRAM },
	[MLX5_OPCODE_SEND_INVAL]	= { SOFT_ST_RELIABLE },
	[MLX5_OPCODE_RDMA_WRITE]	= { SOFT_ST_CONNECTED, true },
	[MLX5_OPCODE_RDMA_WRITE_IMM]	= { SOFT_ST_CONNECTED, true },
	[MLX5_OPCODE_RDMA_READ]		= { SOFT_ST_RELIABLE, true },
	[MLX5_OPCODE_ATOMIC_CS]		= { SOFT_ST_RELIABLE, true, true },
	[MLX5_OPCODE_ATOMIC_FA]		= { SOFT_ST_RELIABLE, true, true },
};

static bool soft_parse_av(struct soft_reader *reader, struct soft_qp *qp,
			  struct soft_wqe *wqe)
{
	const struct mlx5_av *av = soft_reader_take(reader, sizeof(*av));
	u32 dqpn, flow;

	if (!av)
		return false;
	dqpn = be32_to_cpu(av->dqp_dct);
	/* The short form needs a capability that is never set. */
	if (!(dqpn & SOFT_AV_EXT))
		return false;
	flow = be32_to_cpu(av->grh_gid_fl);
	wqe->qkey = be32_to_cpu(av->key.qkey.qkey);
	wqe->dqpn = dqpn & 0xffffff;
	wqe->av.dlid = be16_to_cpu(av->rlid);
	wqe->av.slid = qp->base.si->lid;
	wqe->av.sl = av->stat_rate_sl & 0xf;
	wqe->av.grh = flow & SOFT_AV_GRH || qp->base.obj.inst->personality == MHCA_ROCE;
	wqe->av.sgid_index = flow >> 20;
	wqe->av.flow = flow & 0xfffff;
	wqe->av.tclass = av->tclass;
	wqe->av.hop_limit = av->hop_limit;
	memcpy(wqe->av.dmac, av->rmac, sizeof(wqe->av.dmac));
	memcpy(wqe->av.dgid, av->rgid, sizeof(wqe->av.dgid));
	return true;
}

static bool soft_parse_raddr(struct soft_reader *reader, struct soft_wqe *wqe)
{
	const struct mlx5_wqe_raddr_seg *raddr = soft_reader_take(reader, sizeof(*raddr));

	if (!raddr)
		return false;
	wqe->remote_addr = be64_to_cpu(raddr->raddr);
	wqe->rkey = be32_to_cpu(raddr->rkey);
	return true;
}

static bool soft_parse_atomic(struct soft_reader *reader, struct soft_wqe *wqe)
{
	const struct mlx5_wqe_atomic_seg *atomic = soft_reader_take(reader, sizeof(*atomic));

	if (!atomic)
		return false;
	wqe->swap_add = be64_to_cpu(atomic->swap_add);
	wqe->compare = be64_to_cpu(atomic->compare);
	return true;
}

/* What the key gets, and its translations: inline, or where one pointer points. */
static bool soft_parse_umr(struct soft_reader *reader, struct soft_wqe *wqe)
{
	const struct mlx5_wqe_umr_ctrl_seg *ctrl = soft_reader_take(reader, sizeof(*ctrl));
	const struct mlx5_wqe_data_seg *data;
	struct soft_umr *umr = &wqe->umr;

	umr->mkc = ctrl ? soft_reader_take(reader, MLX5_ST_SZ_BYTES(mkc)) : NULL;
	if (!umr->mkc)
		return false;
	umr->flags = ctrl->flags;
	umr->mask = be64_to_cpu(ctrl->mkey_mask);
	umr->offset = ((u64)be32_to_cpu(ctrl->xlt_offset_47_16) << 16 |
		       be16_to_cpu(ctrl->xlt_offset)) * SOFT_DS;
	umr->bytes = be16_to_cpu(ctrl->xlt_octowords) * SOFT_DS;
	wqe->sgl.n = 0;
	wqe->sgl.len = 0;
	/* Without translations what follows is padding. */
	if (!umr->bytes)
		return true;
	data = soft_reader_take(reader, umr->flags & MLX5_UMR_INLINE ? umr->bytes : sizeof(*data));
	if (!data)
		return false;
	if (umr->flags & MLX5_UMR_INLINE)
		return soft_sgl_add(&wqe->sgl, (const u8 *)data, 0, 0, umr->bytes);
	return !(be32_to_cpu(data->byte_count) & MLX5_INLINE_SEG) &&
	       be32_to_cpu(data->byte_count) >= umr->bytes &&
	       soft_sgl_add(&wqe->sgl, NULL, be64_to_cpu(data->addr), be32_to_cpu(data->lkey),
			    umr->bytes);
}

static bool soft_parse_xrc(struct soft_reader *reader, struct soft_wqe *wqe)
{
	const struct mlx5_wqe_xrc_seg *xrc = soft_reader_take(reader, sizeof(*xrc));

	if (!xrc)
		return false;
	wqe->xrc_srqn = be32_to_cpu(xrc->xrc_srqn) & 0xffffff;
	return true;
}

/* The control segment: everything but the size, which the caller has used. */
static void soft_parse_ctrl(struct soft_qp *qp, struct soft_wqe *wqe)
{
	const struct mlx5_wqe_ctrl_seg *ctrl = (const void *)wqe->raw;
	u32 word = be32_to_cpu(ctrl->opmod_idx_opcode);

	wqe->index = qp->req.consumer;
	wqe->opcode = word & MLX5_WQE_CTRL_OPCODE_MASK;
	wqe->opmod = word >> 24;
	wqe->fence = ctrl->fm_ce_se & SOFT_CTRL_FENCE;
	wqe->signalled = (ctrl->fm_ce_se & SOFT_CTRL_CE) >= MLX5_WQE_CTRL_CQ_UPDATE;
	wqe->solicited = ctrl->fm_ce_se & MLX5_WQE_CTRL_SOLICITED;
	wqe->imm = ctrl->imm;
}

static bool soft_parse_send(struct soft_qp *qp, struct soft_wqe *wqe, u32 bytes)
{
	struct soft_reader reader = {
		.at = wqe->raw + sizeof(struct mlx5_wqe_ctrl_seg),
		.left = bytes - sizeof(struct mlx5_wqe_ctrl_seg),
	};
	const struct soft_opcode *op;

	if (wqe->opcode == MLX5_OPCODE_UMR)
		return (SOFT_ST_UMR & BIT(qp->type)) &&
		       (qp->type != MLX5_QP_ST_XRC || soft_parse_xrc(&reader, wqe)) &&
		       soft_parse_umr(&reader, wqe);
	if (wqe->opcode >= ARRAY_SIZE(soft_opcodes))
		return false;
	op = &soft_opcodes[wqe->opcode];
	if (!(op->services & BIT(qp->type)))
		return false;
	if (wqe->opcode == MLX5_OPCODE_NOP) {
		wqe->sgl.n = 0;
		wqe->sgl.len = 0;
		return true;
	}
	if (qp->type == MLX5_QP_ST_XRC && !soft_parse_xrc(&reader, wqe))
		return false;
	if ((SOFT_ST_DATAGRAM & BIT(qp->type)) && !soft_parse_av(&reader, qp, wqe))
		return false;
	if (op->raddr && !soft_parse_raddr(&reader, wqe))
		return false;
	if (op->atomic && !soft_parse_atomic(&reader, wqe))
		return false;
	return soft_parse_data(&reader, &wqe->sgl);
}

/**
 * soft_wqe_peek() - size and opcode of the WQE at the SQ's consumer
 * @qp: QP
 * @posted: basic blocks that are posted, > 0
 * @opcode: out
 *
 * For the flush, which must count WQEs and nothing else.
 *
 * Return: basic blocks, 1 … @posted; 0 when the ring cannot be read.
 */
u32 soft_wqe_peek(struct soft_qp *qp, u32 posted, u8 *opcode)
{
	struct mlx5_wqe_ctrl_seg ctrl;
	u32 size = 1U << qp->req.ring.log_size;
	u64 at = (u64)(qp->req.consumer & (size - 1)) << SOFT_BB_SHIFT;
	u32 blocks;

	if (mhca_pages_read(qp->req.ring.pages, qp->req.ring.offset + at, &ctrl, sizeof(ctrl)))
		return 0;
	*opcode = be32_to_cpu(ctrl.opmod_idx_opcode) & MLX5_WQE_CTRL_OPCODE_MASK;
	blocks = DIV_ROUND_UP(be32_to_cpu(ctrl.qpn_ds) & MLX5_WQE_CTRL_DS_MASK,
			      MLX5_SEND_WQEBB_NUM_DS);
	return clamp_t(u32, blocks, 1, posted);
}

/**
 * soft_wqe_fetch() - copy and parse the WQE at the SQ's consumer
 * @qp: QP; lane lock held
 * @posted: basic blocks that are posted, > 0
 * @wqe: out. After a syntax error index, opcode and blocks are still valid.
 *
 * Return: 0 or the CQE syndrome that ends the QP.
 */
u8 soft_wqe_fetch(struct soft_qp *qp, u32 posted, struct soft_wqe *wqe)
{
	const struct soft_ring *ring = &qp->req.ring;
	const struct mlx5_wqe_ctrl_seg *ctrl = (const void *)wqe->raw;
	u32 ds, blocks;

	lockdep_assert_held(&qp->base.si->lane->lock);
	if (soft_ring_read(ring, qp->req.consumer, 1, wqe->raw))
		goto lost;
	ds = be32_to_cpu(ctrl->qpn_ds) & MLX5_WQE_CTRL_DS_MASK;
	blocks = DIV_ROUND_UP(ds, MLX5_SEND_WQEBB_NUM_DS);
	wqe->blocks = clamp_t(u32, blocks, 1, posted);
	/* The size is decided: what the guest does to the first block is too late. */
	if (blocks > 1 && blocks <= posted &&
	    soft_ring_read(ring, qp->req.consumer + 1, blocks - 1, wqe->raw + SOFT_BB))
		goto lost;
	soft_parse_ctrl(qp, wqe);
	if (!blocks || blocks > posted || !soft_parse_send(qp, wqe, ds * SOFT_DS))
		return MLX5_CQE_SYNDROME_LOCAL_QP_OP_ERR;
	return 0;
lost:
	memset(wqe->raw, 0, sizeof(*ctrl));
	soft_parse_ctrl(qp, wqe);
	wqe->blocks = 1;
	return MLX5_CQE_SYNDROME_LOCAL_PROT_ERR;
}
