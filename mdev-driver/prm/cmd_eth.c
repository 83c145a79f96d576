// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the contexts of an Ethernet port's objects may say, and where the memory of
 * its queues lies: SQ, RQ, RQT, TIR, TIS. The checks of cmd_check.c go on here.
 */
#include "command.h"

#define MHCA_PAGE_OFFSET_SHIFT	6	/* page_offset counts in 64ths of a page */
#define MHCA_WQ_CYCLIC		MLX5_WQ_TYPE_CYCLIC	/* wq_type; 0: linked list */
#define MHCA_LOG_SQ_BB		ilog2(MLX5_SEND_WQE_BB)
#define MHCA_MIN_LOG_RQ_STRIDE	4
#define MHCA_STATE_RST		MLX5_SQC_STATE_RST
#define MHCA_STATE_RDY		MLX5_SQC_STATE_RDY
#define MHCA_STATE_ERR		MLX5_SQC_STATE_ERR
#define MHCA_RQ_INLINE		MLX5_RQC_MEM_RQ_TYPE_MEMORY_RQ_INLINE	/* mem_rq_type: no RMP */
#define MHCA_LIST_Q_RQ		0	/* list_q_type */
#define MHCA_TIR_DIRECT		MLX5_TIRC_DISP_TYPE_DIRECT
#define MHCA_TIR_INDIRECT	MLX5_TIRC_DISP_TYPE_INDIRECT
#define MHCA_TOEPLITZ		MLX5_RX_HASH_FN_TOEPLITZ	/* rx_hash_fn */
#define MHCA_RQ_MODIFY		(BIT(1) | BIT(2) | BIT(3))	/* VSD, FCS, counter set */

static u64 mhca_wq_offset(const void *wq, u8 shift)
{
	return (u64)MLX5_GET(wq, wq, page_offset) << (shift - MHCA_PAGE_OFFSET_SHIFT);
}

static u64 mhca_wq_bytes(const void *wq)
{
	return 1ULL << (MLX5_GET(wq, wq, log_wq_sz) + MLX5_GET(wq, wq, log_wq_stride));
}

static bool mhca_wq_unsupported(const void *wq)
{
	return MLX5_GET(wq, wq, wq_signature) || MLX5_GET(wq, wq, dbr_umem_valid) ||
	       MLX5_GET(wq, wq, wq_umem_valid) || MLX5_GET(wq, wq, log2_hds_buf_size);
}

static bool mhca_wq_state(u32 state)
{
	return state == MHCA_STATE_RST || state == MHCA_STATE_RDY || state == MHCA_STATE_ERR;
}

/* ---- SQ -------------------------------------------------------------------------- */

static const void *mhca_sq_wq(const struct mhca_cmd *cmd)
{
	return MLX5_ADDR_OF(create_sq_in, cmd->in, ctx.wq);
}

static u64 mhca_sq_offset(const struct mhca_cmd *cmd, u8 shift)
{
	return mhca_wq_offset(mhca_sq_wq(cmd), shift);
}

static u64 mhca_sq_bytes(const struct mhca_cmd *cmd)
{
	return mhca_wq_bytes(mhca_sq_wq(cmd));
}

/* A queue for internal work (refilling, flushing) sends nothing and has no TIS. */
bool mhca_sq_has_tis(const struct mhca_cmd *cmd)
{
	return MLX5_GET(create_sq_in, cmd->in, ctx.tis_lst_sz);
}

enum mhca_syndrome mhca_check_sq(const struct mhca_cmd *cmd)
{
	const void *sqc = MLX5_ADDR_OF(create_sq_in, cmd->in, ctx);
	const void *wq = mhca_sq_wq(cmd);

	if (MLX5_GET(sqc, sqc, state) != MHCA_STATE_RST)
		return MHCA_SYN_OBJECT_STATE;
	if (MLX5_GET(sqc, sqc, hairpin) || MLX5_GET(sqc, sqc, reg_umr) ||
	    MLX5_GET(sqc, sqc, allow_multi_pkt_send_wqe) || MLX5_GET(sqc, sqc, allow_swp) ||
	    MLX5_GET(sqc, sqc, packet_pacing_rate_limit_index) ||
	    MLX5_GET(sqc, sqc, tis_lst_sz) > 1)
		return MHCA_SYN_RESERVED;
	if (MLX5_GET(wq, wq, wq_type) != MHCA_WQ_CYCLIC || mhca_wq_unsupported(wq))
		return MHCA_SYN_RESERVED;
	if (MLX5_GET(wq, wq, log_wq_sz) > MHCA_LOG_MAX_WQ_SZ ||
	    MLX5_GET(wq, wq, log_wq_stride) != MHCA_LOG_SQ_BB)
		return MHCA_SYN_QUEUE_SIZE;
	return MHCA_SYN_NONE;
}

const struct mhca_page_row mhca_sq_pages = {
	.pas = MLX5_BYTE_OFF(create_sq_in, ctx.wq.pas),
	.log_page_size = MHCA_FIELD(create_sq_in, ctx.wq.log_wq_pg_sz),
	.bias = MHCA_PAGE_SHIFT,
	.record = MHCA_FIELD(create_sq_in, ctx.wq.dbr_addr),
	.offset = mhca_sq_offset,
	.bytes = mhca_sq_bytes,
};

/* The state is all that can be changed: no rate limit, no queue group. */
enum mhca_syndrome mhca_check_sq_modify(const struct mhca_cmd *cmd)
{
	if (MLX5_GET64(modify_sq_in, cmd->in, modify_bitmask))
		return MHCA_SYN_RESERVED;
	if (!mhca_wq_state(MLX5_GET(modify_sq_in, cmd->in, ctx.state)))
		return MHCA_SYN_OBJECT_STATE;
	return MHCA_SYN_NONE;
}

/* ---- RQ -------------------------------------------------------------------------- */

static const void *mhca_rq_wq(const struct mhca_cmd *cmd)
{
	return MLX5_ADDR_OF(create_rq_in, cmd->in, ctx.wq);
}

static u64 mhca_rq_offset(const struct mhca_cmd *cmd, u8 shift)
{
	return mhca_wq_offset(mhca_rq_wq(cmd), shift);
}

static u64 mhca_rq_bytes(const struct mhca_cmd *cmd)
{
	return mhca_wq_bytes(mhca_rq_wq(cmd));
}

enum mhca_syndrome mhca_check_rq(const struct mhca_cmd *cmd)
{
	const void *rqc = MLX5_ADDR_OF(create_rq_in, cmd->in, ctx);
	const void *wq = mhca_rq_wq(cmd);
	u32 log_stride = MLX5_GET(wq, wq, log_wq_stride);

	if (MLX5_GET(rqc, rqc, state) != MHCA_STATE_RST)
		return MHCA_SYN_OBJECT_STATE;
	if (MLX5_GET(rqc, rqc, mem_rq_type) != MHCA_RQ_INLINE || MLX5_GET(rqc, rqc, hairpin) ||
	    MLX5_GET(rqc, rqc, scatter_fcs) || MLX5_GET(rqc, rqc, delay_drop_en))
		return MHCA_SYN_RESERVED;
	/* Linear, or a list of next indices; no strides. */
	if (MLX5_GET(wq, wq, wq_type) > MHCA_WQ_CYCLIC || mhca_wq_unsupported(wq))
		return MHCA_SYN_RESERVED;
	if (MLX5_GET(wq, wq, log_wq_sz) > MHCA_LOG_MAX_WQ_SZ ||
	    log_stride < MHCA_MIN_LOG_RQ_STRIDE || log_stride > ilog2(MHCA_MAX_WQE_RQ))
		return MHCA_SYN_QUEUE_SIZE;
	return MHCA_SYN_NONE;
}

const struct mhca_page_row mhca_rq_pages = {
	.pas = MLX5_BYTE_OFF(create_rq_in, ctx.wq.pas),
	.log_page_size = MHCA_FIELD(create_rq_in, ctx.wq.log_wq_pg_sz),
	.bias = MHCA_PAGE_SHIFT,
	.record = MHCA_FIELD(create_rq_in, ctx.wq.dbr_addr),
	.offset = mhca_rq_offset,
	.bytes = mhca_rq_bytes,
};

enum mhca_syndrome mhca_check_rq_modify(const struct mhca_cmd *cmd)
{
	u64 mask = MLX5_GET64(modify_rq_in, cmd->in, modify_bitmask);

	if (mask & ~(u64)MHCA_RQ_MODIFY || MLX5_GET(modify_rq_in, cmd->in, ctx.scatter_fcs))
		return MHCA_SYN_RESERVED;
	if (!mhca_wq_state(MLX5_GET(modify_rq_in, cmd->in, ctx.state)))
		return MHCA_SYN_OBJECT_STATE;
	return MHCA_SYN_NONE;
}

/* ---- RQT ------------------------------------------------------------------------- */

static enum mhca_syndrome mhca_check_rqtc(const void *rqtc, u32 list_bytes, u32 n)
{
	if (MLX5_GET(rqtc, rqtc, list_q_type) != MHCA_LIST_Q_RQ ||
	    MLX5_GET(rqtc, rqtc, rq_vhca_id_format))
		return MHCA_SYN_RESERVED;
	if (!n || n > BIT(MHCA_LOG_MAX_RQT_SIZE))
		return MHCA_SYN_QUEUE_SIZE;
	return n * MLX5_ST_SZ_BYTES(rq_num) > list_bytes ? MHCA_SYN_IN_LENGTH : MHCA_SYN_NONE;
}

enum mhca_syndrome mhca_check_rqt(const struct mhca_cmd *cmd)
{
	const void *rqtc = MLX5_ADDR_OF(create_rqt_in, cmd->in, rqt_context);
	u32 max = MLX5_GET(rqtc, rqtc, rqt_max_size);
	u32 n = MLX5_GET(rqtc, rqtc, rqt_actual_size);

	if (max > BIT(MHCA_LOG_MAX_RQT_SIZE) || n > max)
		return MHCA_SYN_QUEUE_SIZE;
	return mhca_check_rqtc(rqtc, cmd->inlen - MLX5_ST_SZ_BYTES(create_rqt_in), n);
}

enum mhca_syndrome mhca_check_rqt_modify(const struct mhca_cmd *cmd)
{
	const void *rqtc = MLX5_ADDR_OF(modify_rqt_in, cmd->in, ctx);

	if (!MLX5_GET(modify_rqt_in, cmd->in, bitmask.rqn_list))
		return MHCA_SYN_NONE;
	return mhca_check_rqtc(rqtc, cmd->inlen - MLX5_ST_SZ_BYTES(modify_rqt_in),
			       MLX5_GET(rqtc, rqtc, rqt_actual_size));
}

/* ---- TIR ------------------------------------------------------------------------- */

static const void *mhca_tirc(const struct mhca_cmd *cmd)
{
	return MLX5_ADDR_OF(create_tir_in, cmd->in, ctx);
}

bool mhca_tir_is_direct(const struct mhca_cmd *cmd)
{
	return MLX5_GET(tirc, mhca_tirc(cmd), disp_type) == MHCA_TIR_DIRECT;
}

bool mhca_tir_is_indirect(const struct mhca_cmd *cmd)
{
	return MLX5_GET(tirc, mhca_tirc(cmd), disp_type) == MHCA_TIR_INDIRECT;
}

static enum mhca_syndrome mhca_check_tirc(const void *tirc)
{
	if (MLX5_GET(tirc, tirc, disp_type) > MHCA_TIR_INDIRECT ||
	    MLX5_GET(tirc, tirc, tls_en) || MLX5_GET(tirc, tirc, tunneled_offload_en) ||
	    MLX5_GET(tirc, tirc, packet_merge_mask))
		return MHCA_SYN_RESERVED;
	return MLX5_GET(tirc, tirc, rx_hash_fn) > MHCA_TOEPLITZ ? MHCA_SYN_RESERVED :
								  MHCA_SYN_NONE;
}

enum mhca_syndrome mhca_check_tir(const struct mhca_cmd *cmd)
{
	return mhca_check_tirc(mhca_tirc(cmd));
}

enum mhca_syndrome mhca_check_tir_modify(const struct mhca_cmd *cmd)
{
	return mhca_check_tirc(MLX5_ADDR_OF(modify_tir_in, cmd->in, ctx));
}

/* ---- TIS ------------------------------------------------------------------------- */

enum mhca_syndrome mhca_check_tis(const struct mhca_cmd *cmd)
{
	const void *tisc = MLX5_ADDR_OF(create_tis_in, cmd->in, ctx);

	if (MLX5_GET(tisc, tisc, tls_en) || MLX5_GET(tisc, tisc, underlay_qpn))
		return MHCA_SYN_RESERVED;
	return MHCA_SYN_NONE;
}

/* Priority and LAG affinity are hints without consequence here. */
enum mhca_syndrome mhca_check_tis_modify(const struct mhca_cmd *cmd)
{
	const void *tisc = MLX5_ADDR_OF(modify_tis_in, cmd->in, ctx);

	return MLX5_GET(tisc, tisc, tls_en) ? MHCA_SYN_RESERVED : MHCA_SYN_NONE;
}
