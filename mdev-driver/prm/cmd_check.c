// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the contexts of objects may say, and where their memory lies: the parts of
 * the command table that need code. Every function looks at one command's private
 * copy and changes nothing.
 */
#include "command.h"

/* A page_offset field counts in 64ths of a page. */
#define MHCA_PAGE_OFFSET_SHIFT	6

#define MHCA_ANY_QPN		0xffffff
#define MHCA_MIN_LOG_RQ_STRIDE	4	/* 16 bytes */
#define MHCA_MIN_LOG_SRQ_STRIDE	5	/* next segment and one data segment */
#define MHCA_CQE_64		0
#define MHCA_CQE_128		1
#define MHCA_CQ_RESIZE		MLX5_CQ_OPMOD_RESIZE	/* op_mod */
#define MHCA_CQ_PERIOD_MODE	BIT(4)	/* field select */
#define MHCA_CQ_MODERATE	(MLX5_CQ_MODIFY_PERIOD | MLX5_CQ_MODIFY_COUNT | MHCA_CQ_PERIOD_MODE)
#define MHCA_CQ_NEW_BUFFER	7	/* field select: size, offset and page size */
#define MHCA_ARM_SRQ		MLX5_ARM_RQ_IN_OP_MOD_SRQ	/* op_mod */
#define MHCA_RMP_READY		MLX5_RMPC_STATE_RDY
#define MHCA_WQ_LINKED_LIST	MLX5_WQ_TYPE_LINKED_LIST
#define MHCA_RQ_SIZED		MLX5_NON_ZERO_RQ	/* qpc.rq_type */
#define MHCA_RQ_SRQ		MLX5_SRQ_RQ
#define MHCA_RQ_NONE		MLX5_ZERO_LEN_RQ

enum mhca_syndrome mhca_check_nothing(const struct mhca_cmd *cmd)
{
	return MHCA_SYN_NONE;
}

/* ---- EQ ------------------------------------------------------------------------ */

static const void *mhca_eqc(const struct mhca_cmd *cmd)
{
	return MLX5_ADDR_OF(create_eq_in, cmd->in, eq_context_entry);
}

static u64 mhca_eq_offset(const struct mhca_cmd *cmd, u8 shift)
{
	return (u64)MLX5_GET(eqc, mhca_eqc(cmd), page_offset) << (shift - MHCA_PAGE_OFFSET_SHIFT);
}

static u64 mhca_eq_bytes(const struct mhca_cmd *cmd)
{
	return sizeof(struct mlx5_eqe) << MLX5_GET(eqc, mhca_eqc(cmd), log_eq_size);
}

enum mhca_syndrome mhca_check_eq(const struct mhca_cmd *cmd)
{
	if (MLX5_GET(eqc, mhca_eqc(cmd), log_eq_size) > MHCA_LOG_MAX_EQ_SZ)
		return MHCA_SYN_QUEUE_SIZE;
	if (MLX5_GET(eqc, mhca_eqc(cmd), intr) >= MHCA_MSIX_VECTORS)
		return MHCA_SYN_VECTOR;
	return MHCA_SYN_NONE;
}

const struct mhca_page_row mhca_eq_pages = {
	.pas = MLX5_BYTE_OFF(create_eq_in, pas),
	.log_page_size = MHCA_FIELD(create_eq_in, eq_context_entry.log_page_size),
	.bias = MHCA_PAGE_SHIFT,
	.writable = true,
	.offset = mhca_eq_offset,
	.bytes = mhca_eq_bytes,
};

/* ---- CQ ------------------------------------------------------------------------ */

/* CREATE_CQ and MODIFY_CQ have their context and page list at the same place. */
static const void *mhca_cqc(const struct mhca_cmd *cmd)
{
	static_assert(__mlx5_bit_off(create_cq_in, cq_context) ==
		      __mlx5_bit_off(modify_cq_in, cq_context));
	static_assert(__mlx5_bit_off(create_cq_in, pas) == __mlx5_bit_off(modify_cq_in, pas));

	return MLX5_ADDR_OF(create_cq_in, cmd->in, cq_context);
}

static u64 mhca_cq_offset(const struct mhca_cmd *cmd, u8 shift)
{
	return (u64)MLX5_GET(cqc, mhca_cqc(cmd), page_offset) << (shift - MHCA_PAGE_OFFSET_SHIFT);
}

static u64 mhca_cq_bytes(const struct mhca_cmd *cmd)
{
	u64 cqe = MLX5_GET(cqc, mhca_cqc(cmd), cqe_sz) == MHCA_CQE_128 ? 128 : 64;

	return cqe << MLX5_GET(cqc, mhca_cqc(cmd), log_cq_size);
}

static enum mhca_syndrome mhca_check_cq_geometry(const struct mhca_cmd *cmd)
{
	if (MLX5_GET(cqc, mhca_cqc(cmd), log_cq_size) > MHCA_LOG_MAX_CQ_SZ)
		return MHCA_SYN_QUEUE_SIZE;
	if (MLX5_GET(cqc, mhca_cqc(cmd), cqe_sz) > MHCA_CQE_128)
		return MHCA_SYN_CQ_ATTR;
	return MHCA_SYN_NONE;
}

enum mhca_syndrome mhca_check_cq(const struct mhca_cmd *cmd)
{
	const void *cqc = mhca_cqc(cmd);

	/*
	 * Who asks for compressed CQEs takes others as well, and gets no others. Their
	 * enhanced layout, umems and periods that start with a CQE are no capabilities.
	 */
	if (MLX5_GET(cqc, cqc, cqe_compression_layout) || MLX5_GET(cqc, cqc, cq_period_mode) ||
	    MLX5_GET(cqc, cqc, dbr_umem_valid) || MLX5_GET(cqc, cqc, apu_cq) ||
	    MLX5_GET(create_cq_in, cmd->in, cq_umem_valid))
		return MHCA_SYN_RESERVED;
	return mhca_check_cq_geometry(cmd);
}

static bool mhca_cq_is_resize(const struct mhca_cmd *cmd)
{
	return cmd->op_mod == MHCA_CQ_RESIZE;
}

enum mhca_syndrome mhca_check_cq_modify(const struct mhca_cmd *cmd)
{
	u32 select = MLX5_GET(modify_cq_in, cmd->in,
			      modify_field_select_resize_field_select.modify_field_select);

	if (MLX5_GET(modify_cq_in, cmd->in, cq_umem_valid))
		return MHCA_SYN_RESERVED;
	if (mhca_cq_is_resize(cmd))
		return select == MHCA_CQ_NEW_BUFFER ? mhca_check_cq_geometry(cmd) :
						      MHCA_SYN_RESERVED;
	/* The mode can be named, but there is only the one that starts with an EQE. */
	if (select & ~(u32)MHCA_CQ_MODERATE ||
	    (select & MHCA_CQ_PERIOD_MODE && MLX5_GET(cqc, mhca_cqc(cmd), cq_period_mode)) ||
	    cmd->inlen != MLX5_BYTE_OFF(modify_cq_in, pas))
		return MHCA_SYN_RESERVED;
	return MHCA_SYN_NONE;
}

const struct mhca_page_row mhca_cq_pages = {
	.pas = MLX5_BYTE_OFF(create_cq_in, pas),
	.log_page_size = MHCA_FIELD(create_cq_in, cq_context.log_page_size),
	.bias = MHCA_PAGE_SHIFT,
	.record = MHCA_FIELD(create_cq_in, cq_context.dbr_addr),
	.writable = true,
	.record_writable = true,
	.offset = mhca_cq_offset,
	.bytes = mhca_cq_bytes,
};

const struct mhca_page_row mhca_cq_resize_pages = {
	.pas = MLX5_BYTE_OFF(modify_cq_in, pas),
	.log_page_size = MHCA_FIELD(modify_cq_in, cq_context.log_page_size),
	.bias = MHCA_PAGE_SHIFT,
	.writable = true,
	.when = mhca_cq_is_resize,
	.offset = mhca_cq_offset,
	.bytes = mhca_cq_bytes,
};

/* ---- MKEY ------------------------------------------------------------------------ */

static const void *mhca_mkc(const struct mhca_cmd *cmd)
{
	return MLX5_ADDR_OF(create_mkey_in, cmd->in, memory_key_mkey_entry);
}

static u8 mhca_mkey_mode(const struct mhca_cmd *cmd)
{
	return MLX5_GET(mkc, mhca_mkc(cmd), access_mode_4_2) << 2 |
	       MLX5_GET(mkc, mhca_mkc(cmd), access_mode_1_0);
}

static bool mhca_mkey_is_free(const struct mhca_cmd *cmd)
{
	return MLX5_GET(mkc, mhca_mkc(cmd), free);
}

/* Its pages come with the command. */
static bool mhca_mkey_is_mtt(const struct mhca_cmd *cmd)
{
	return mhca_mkey_mode(cmd) == MLX5_MKC_ACCESS_MODE_MTT && !mhca_mkey_is_free(cmd);
}

static u64 mhca_mkey_offset(const struct mhca_cmd *cmd, u8 shift)
{
	return MLX5_GET64(mkc, mhca_mkc(cmd), start_addr) & ((1ULL << shift) - 1);
}

static u64 mhca_mkey_bytes(const struct mhca_cmd *cmd)
{
	return MLX5_GET64(mkc, mhca_mkc(cmd), len);
}

static bool mhca_mkey_writes(const struct mhca_cmd *cmd)
{
	const void *mkc = mhca_mkc(cmd);

	return MLX5_GET(mkc, mkc, lw) || MLX5_GET(mkc, mkc, rw) || MLX5_GET(mkc, mkc, a);
}

/* The list stands in 16-byte units, so its last entry may be padding. */
static enum mhca_syndrome mhca_check_mkey_mtt(const struct mhca_cmd *cmd)
{
	u64 octwords = MLX5_GET(create_mkey_in, cmd->in, translations_octword_actual_size);
	u32 list = cmd->inlen - MLX5_BYTE_OFF(create_mkey_in, klm_pas_mtt);

	if (MLX5_GET(mkc, mhca_mkc(cmd), length64))
		return MHCA_SYN_KEY_RANGE;
	if (octwords << 4 != list ||
	    octwords > MLX5_GET(mkc, mhca_mkc(cmd), translations_octword_size))
		return MHCA_SYN_PAGE_LIST;
	if (mhca_mkey_bytes(cmd) > cmd->inst->quota.max_mr)
		return MHCA_SYN_MR_LIMIT;
	return MHCA_SYN_NONE;
}

/* A table of pages: as many as one key may have, over memory of the quota. */
static enum mhca_syndrome mhca_check_mkey_table(const struct mhca_cmd *cmd)
{
	u64 entries = 2ULL * MLX5_GET(mkc, mhca_mkc(cmd), translations_octword_size);

	if (cmd->inst->personality != MHCA_ROCE)
		return MHCA_SYN_ACCESS_MODE;
	if (MLX5_GET(mkc, mhca_mkc(cmd), length64))
		return MHCA_SYN_KEY_RANGE;
	if (entries > 1U << MHCA_LOG_MAX_KEY_XLT ||
	    mhca_mkey_bytes(cmd) > cmd->inst->quota.max_mr)
		return MHCA_SYN_MR_LIMIT;
	return MHCA_SYN_NONE;
}

/* A table of pieces of other keys: those have passed the quota. */
static enum mhca_syndrome mhca_check_mkey_klm(const struct mhca_cmd *cmd)
{
	if (MLX5_GET(mkc, mhca_mkc(cmd), length64))
		return MHCA_SYN_KEY_RANGE;
	if (MLX5_GET(mkc, mhca_mkc(cmd), translations_octword_size) > 1U << MHCA_LOG_MAX_KLM)
		return MHCA_SYN_MR_LIMIT;
	return MHCA_SYN_NONE;
}

/*
 * A key that UMR WQEs fill: the command gives it nothing but a size, and sometimes the
 * length that it will have.
 */
static enum mhca_syndrome mhca_check_mkey_free(const struct mhca_cmd *cmd)
{
	const void *mkc = mhca_mkc(cmd);

	if (!MLX5_GET(mkc, mkc, umr_en))
		return MHCA_SYN_ACCESS_MODE;
	if (cmd->inlen != MLX5_BYTE_OFF(create_mkey_in, klm_pas_mtt) ||
	    !MLX5_GET(mkc, mkc, translations_octword_size) ||
	    MLX5_GET(create_mkey_in, cmd->in, translations_octword_actual_size))
		return MHCA_SYN_PAGE_LIST;
	switch (mhca_mkey_mode(cmd)) {
	case MLX5_MKC_ACCESS_MODE_MTT:
		return mhca_check_mkey_table(cmd);
	case MLX5_MKC_ACCESS_MODE_KLMS:
		return mhca_check_mkey_klm(cmd);
	default:
		return MHCA_SYN_ACCESS_MODE;
	}
}

static enum mhca_syndrome mhca_check_mkey_pa(const struct mhca_cmd *cmd)
{
	if (cmd->inlen != MLX5_BYTE_OFF(create_mkey_in, klm_pas_mtt))
		return MHCA_SYN_PAGE_LIST;
	return MHCA_SYN_NONE;
}

enum mhca_syndrome mhca_check_mkey(const struct mhca_cmd *cmd)
{
	const void *mkc = mhca_mkc(cmd);
	u64 start = MLX5_GET64(mkc, mkc, start_addr);
	u64 len = MLX5_GET64(mkc, mkc, len);

	if (MLX5_GET(mkc, mkc, bsf_en) ||
	    MLX5_GET(create_mkey_in, cmd->in, pg_access) ||
	    MLX5_GET(create_mkey_in, cmd->in, mkey_umem_valid))
		return MHCA_SYN_ACCESS_MODE;
	if (!MLX5_GET(mkc, mkc, length64) && len && start > U64_MAX - (len - 1))
		return MHCA_SYN_KEY_RANGE;
	if (mhca_mkey_is_free(cmd))
		return mhca_check_mkey_free(cmd);
	switch (mhca_mkey_mode(cmd)) {
	case MLX5_MKC_ACCESS_MODE_PA:
		return mhca_check_mkey_pa(cmd);
	case MLX5_MKC_ACCESS_MODE_MTT:
		return mhca_check_mkey_mtt(cmd);
	default:
		return MHCA_SYN_ACCESS_MODE;
	}
}

/* The list of the longest region that the quota allows. */
static u64 mhca_mkey_longest(const struct mhca_instance *inst)
{
	return inst->quota.max_mr;
}

const struct mhca_page_row mhca_mkey_pages = {
	.pas = MLX5_BYTE_OFF(create_mkey_in, klm_pas_mtt),
	.log_page_size = MHCA_FIELD(create_mkey_in, memory_key_mkey_entry.log_page_size),
	.spare = 1,
	.when = mhca_mkey_is_mtt,
	.offset = mhca_mkey_offset,
	.bytes = mhca_mkey_bytes,
	.writes = mhca_mkey_writes,
	.longest = mhca_mkey_longest,
	.too_long = MHCA_SYN_MR_LIMIT,
};

/* ---- SRQ, XRC SRQ, RMP -------------------------------------------------------------- */

static enum mhca_syndrome mhca_check_srq_geometry(u32 log_size, u32 log_stride)
{
	if (log_size > MHCA_LOG_MAX_SRQ_SZ)
		return MHCA_SYN_QUEUE_SIZE;
	if (log_stride < MHCA_MIN_LOG_SRQ_STRIDE || log_stride > ilog2(MHCA_MAX_WQE_RQ))
		return MHCA_SYN_SRQ_ATTR;
	return MHCA_SYN_NONE;
}

static const void *mhca_srqc(const struct mhca_cmd *cmd)
{
	return MLX5_ADDR_OF(create_srq_in, cmd->in, srq_context_entry);
}

static u64 mhca_srq_offset(const struct mhca_cmd *cmd, u8 shift)
{
	return (u64)MLX5_GET(srqc, mhca_srqc(cmd), page_offset) <<
	       (shift - MHCA_PAGE_OFFSET_SHIFT);
}

static u32 mhca_srq_log_stride(const struct mhca_cmd *cmd)
{
	return MLX5_GET(srqc, mhca_srqc(cmd), log_rq_stride) + MHCA_MIN_LOG_RQ_STRIDE;
}

static u64 mhca_srq_bytes(const struct mhca_cmd *cmd)
{
	return 1ULL << (MLX5_GET(srqc, mhca_srqc(cmd), log_srq_size) + mhca_srq_log_stride(cmd));
}

enum mhca_syndrome mhca_check_srq(const struct mhca_cmd *cmd)
{
	if (MLX5_GET(srqc, mhca_srqc(cmd), wq_signature))
		return MHCA_SYN_RESERVED;
	return mhca_check_srq_geometry(MLX5_GET(srqc, mhca_srqc(cmd), log_srq_size),
				       mhca_srq_log_stride(cmd));
}

const struct mhca_page_row mhca_srq_pages = {
	.pas = MLX5_BYTE_OFF(create_srq_in, pas),
	.log_page_size = MHCA_FIELD(create_srq_in, srq_context_entry.log_page_size),
	.bias = MHCA_PAGE_SHIFT,
	.record = MHCA_FIELD(create_srq_in, srq_context_entry.dbr_addr),
	.offset = mhca_srq_offset,
	.bytes = mhca_srq_bytes,
};

static const void *mhca_xrc_srqc(const struct mhca_cmd *cmd)
{
	return MLX5_ADDR_OF(create_xrc_srq_in, cmd->in, xrc_srq_context_entry);
}

static u64 mhca_xrc_srq_offset(const struct mhca_cmd *cmd, u8 shift)
{
	return (u64)MLX5_GET(xrc_srqc, mhca_xrc_srqc(cmd), page_offset) <<
	       (shift - MHCA_PAGE_OFFSET_SHIFT);
}

static u32 mhca_xrc_srq_log_stride(const struct mhca_cmd *cmd)
{
	return MLX5_GET(xrc_srqc, mhca_xrc_srqc(cmd), log_rq_stride) + MHCA_MIN_LOG_RQ_STRIDE;
}

static u64 mhca_xrc_srq_bytes(const struct mhca_cmd *cmd)
{
	return 1ULL << (MLX5_GET(xrc_srqc, mhca_xrc_srqc(cmd), log_xrc_srq_size) +
			mhca_xrc_srq_log_stride(cmd));
}

enum mhca_syndrome mhca_check_xrc_srq(const struct mhca_cmd *cmd)
{
	const void *srqc = mhca_xrc_srqc(cmd);

	if (MLX5_GET(xrc_srqc, srqc, wq_signature) || MLX5_GET(xrc_srqc, srqc, dbr_umem_valid) ||
	    MLX5_GET(create_xrc_srq_in, cmd->in, xrc_srq_umem_valid))
		return MHCA_SYN_RESERVED;
	return mhca_check_srq_geometry(MLX5_GET(xrc_srqc, srqc, log_xrc_srq_size),
				       mhca_xrc_srq_log_stride(cmd));
}

/* The record's address stands in two fields; together they are one of 64 bits. */
const struct mhca_page_row mhca_xrc_srq_pages = {
	.pas = MLX5_BYTE_OFF(create_xrc_srq_in, pas),
	.log_page_size = MHCA_FIELD(create_xrc_srq_in, xrc_srq_context_entry.log_page_size),
	.bias = MHCA_PAGE_SHIFT,
	.record = {
		.offset = __mlx5_bit_off(create_xrc_srq_in,
					 xrc_srq_context_entry.db_record_addr_h),
		.bits = 64,
	},
	.offset = mhca_xrc_srq_offset,
	.bytes = mhca_xrc_srq_bytes,
};

/* CREATE_RMP and MODIFY_RMP have their context at different places. */
static const void *mhca_rmp_wq(const struct mhca_cmd *cmd)
{
	return MLX5_ADDR_OF(create_rmp_in, cmd->in, ctx.wq);
}

static u64 mhca_rmp_offset(const struct mhca_cmd *cmd, u8 shift)
{
	return (u64)MLX5_GET(wq, mhca_rmp_wq(cmd), page_offset) << (shift - MHCA_PAGE_OFFSET_SHIFT);
}

static u64 mhca_rmp_bytes(const struct mhca_cmd *cmd)
{
	return 1ULL << (MLX5_GET(wq, mhca_rmp_wq(cmd), log_wq_sz) +
			MLX5_GET(wq, mhca_rmp_wq(cmd), log_wq_stride));
}

enum mhca_syndrome mhca_check_rmp(const struct mhca_cmd *cmd)
{
	const void *wq = mhca_rmp_wq(cmd);

	if (MLX5_GET(create_rmp_in, cmd->in, ctx.state) != MHCA_RMP_READY)
		return MHCA_SYN_OBJECT_STATE;
	if (MLX5_GET(wq, wq, wq_type) != MHCA_WQ_LINKED_LIST || MLX5_GET(wq, wq, wq_signature) ||
	    MLX5_GET(wq, wq, dbr_umem_valid) || MLX5_GET(wq, wq, wq_umem_valid))
		return MHCA_SYN_RESERVED;
	return mhca_check_srq_geometry(MLX5_GET(wq, wq, log_wq_sz),
				       MLX5_GET(wq, wq, log_wq_stride));
}

const struct mhca_page_row mhca_rmp_pages = {
	.pas = MLX5_BYTE_OFF(create_rmp_in, ctx.wq.pas),
	.log_page_size = MHCA_FIELD(create_rmp_in, ctx.wq.log_wq_pg_sz),
	.bias = MHCA_PAGE_SHIFT,
	.record = MHCA_FIELD(create_rmp_in, ctx.wq.dbr_addr),
	.offset = mhca_rmp_offset,
	.bytes = mhca_rmp_bytes,
};

/* ARM_RQ and ARM_XRC_SRQ: other kinds of receive queue have other modifiers. */
enum mhca_syndrome mhca_check_arm(const struct mhca_cmd *cmd)
{
	return cmd->op_mod == MHCA_ARM_SRQ ? MHCA_SYN_NONE : MHCA_SYN_OP_MOD;
}

/* The limit can be changed, the state cannot. */
enum mhca_syndrome mhca_check_rmp_modify(const struct mhca_cmd *cmd)
{
	if (MLX5_GET(modify_rmp_in, cmd->in, rmp_state) != MHCA_RMP_READY ||
	    MLX5_GET(modify_rmp_in, cmd->in, ctx.state) != MHCA_RMP_READY)
		return MHCA_SYN_OBJECT_STATE;
	return MHCA_SYN_NONE;
}

/* ---- QP -------------------------------------------------------------------------------- */

static const void *mhca_qpc(const struct mhca_cmd *cmd)
{
	return MLX5_ADDR_OF(create_qp_in, cmd->in, qpc);
}

/* The REG_UMR QP gets its PD with its first transition. */
bool mhca_qp_has_pd(const struct mhca_cmd *cmd)
{
	return MLX5_GET(qpc, mhca_qpc(cmd), st) != MLX5_QP_ST_REG_UMR;
}

bool mhca_qp_has_sq(const struct mhca_cmd *cmd)
{
	return !MLX5_GET(qpc, mhca_qpc(cmd), no_sq);
}

/* An XRC target has nothing to ring a doorbell for, and names no UAR. */
bool mhca_qp_has_uar(const struct mhca_cmd *cmd)
{
	return mhca_qp_has_sq(cmd) || MLX5_GET(qpc, mhca_qpc(cmd), uar_page);
}

/*
 * A driver puts the number of some SRQ into every QP; rq_type says whether it counts.
 * XRC QPs find their SRQ in each message.
 */
bool mhca_qp_has_srq(const struct mhca_cmd *cmd)
{
	return MLX5_GET(qpc, mhca_qpc(cmd), rq_type) == MHCA_RQ_SRQ && !mhca_qp_is_xrc(cmd);
}

bool mhca_qp_is_xrc(const struct mhca_cmd *cmd)
{
	return MLX5_GET(qpc, mhca_qpc(cmd), st) == MLX5_QP_ST_XRC;
}

static u64 mhca_qp_offset(const struct mhca_cmd *cmd, u8 shift)
{
	return (u64)MLX5_GET(qpc, mhca_qpc(cmd), page_offset) << (shift - MHCA_PAGE_OFFSET_SHIFT);
}

/* Receive queue first, send queue behind it. */
static u64 mhca_qp_bytes(const struct mhca_cmd *cmd)
{
	const void *qpc = mhca_qpc(cmd);
	u64 bytes = 0;

	if (MLX5_GET(qpc, qpc, rq_type) == MHCA_RQ_SIZED)
		bytes += 1ULL << (MLX5_GET(qpc, qpc, log_rq_size) +
				  MLX5_GET(qpc, qpc, log_rq_stride) + MHCA_MIN_LOG_RQ_STRIDE);
	if (mhca_qp_has_sq(cmd))
		bytes += (u64)MLX5_SEND_WQE_BB << MLX5_GET(qpc, qpc, log_sq_size);
	return bytes;
}

static bool mhca_qp_type_known(u32 st)
{
	switch (st) {
	case MLX5_QP_ST_RC:
	case MLX5_QP_ST_UC:
	case MLX5_QP_ST_UD:
	case MLX5_QP_ST_XRC:
	case MLX5_QP_ST_QP0:
	case MLX5_QP_ST_QP1:
	case MLX5_QP_ST_REG_UMR:
		return true;
	default:
		return false;
	}
}

static enum mhca_syndrome mhca_check_qp_queues(const struct mhca_cmd *cmd)
{
	const void *qpc = mhca_qpc(cmd);
	u32 log_stride = MLX5_GET(qpc, qpc, log_rq_stride) + MHCA_MIN_LOG_RQ_STRIDE;

	switch (MLX5_GET(qpc, qpc, rq_type)) {
	case MHCA_RQ_SIZED:
		if (mhca_qp_is_xrc(cmd))
			return MHCA_SYN_QP_ATTR;
		if (MLX5_GET(qpc, qpc, log_rq_size) > MHCA_LOG_MAX_QP_SZ ||
		    log_stride > ilog2(MHCA_MAX_WQE_RQ))
			return MHCA_SYN_QUEUE_SIZE;
		break;
	case MHCA_RQ_SRQ:
	case MHCA_RQ_NONE:
		break;
	default:
		return MHCA_SYN_QP_ATTR;
	}
	if (mhca_qp_has_sq(cmd) && MLX5_GET(qpc, qpc, log_sq_size) > MHCA_LOG_MAX_QP_SZ)
		return MHCA_SYN_QUEUE_SIZE;
	return MHCA_SYN_NONE;
}

enum mhca_syndrome mhca_check_qp(const struct mhca_cmd *cmd)
{
	const void *qpc = mhca_qpc(cmd);
	const struct mhca_object *srq = cmd->ref[4];

	if (!mhca_qp_type_known(MLX5_GET(qpc, qpc, st)))
		return MHCA_SYN_QP_TYPE;
	if (MLX5_GET(qpc, qpc, wq_signature) || MLX5_GET(qpc, qpc, dbr_umem_valid) ||
	    MLX5_GET(qpc, qpc, offload_type) || MLX5_GET(create_qp_in, cmd->in, wq_umem_valid) ||
	    MLX5_GET(create_qp_in, cmd->in, input_qpn))
		return MHCA_SYN_RESERVED;
	/* Only XRC messages name an XRC SRQ. */
	if (srq && srq->created_by == MLX5_CMD_OP_CREATE_XRC_SRQ)
		return MHCA_SYN_OBJECT_TYPE;
	return mhca_check_qp_queues(cmd);
}

const struct mhca_page_row mhca_qp_pages = {
	.pas = MLX5_BYTE_OFF(create_qp_in, pas),
	.log_page_size = MHCA_FIELD(create_qp_in, qpc.log_page_size),
	.bias = MHCA_PAGE_SHIFT,
	.record = MHCA_FIELD(create_qp_in, qpc.dbr_addr),
	.offset = mhca_qp_offset,
	.bytes = mhca_qp_bytes,
};

/* ---- Multicast ---------------------------------------------------------------------------- */

enum mhca_syndrome mhca_check_mcg(const struct mhca_cmd *cmd)
{
	const u8 *gid = MLX5_ADDR_OF(attach_to_mcg_in, cmd->in, multicast_gid);

	static_assert(__mlx5_bit_off(attach_to_mcg_in, multicast_gid) ==
		      __mlx5_bit_off(detach_from_mcg_in, multicast_gid));
	return mhca_gid_is_group(cmd->inst, gid) ? MHCA_SYN_NONE : MHCA_SYN_MCG;
}
