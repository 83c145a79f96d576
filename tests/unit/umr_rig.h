/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* For the tests of UMR: keys without content, WQEs that fill them, and who reaches for them. */
#ifndef UMR_RIG_H
#define UMR_RIG_H

#include "core.h"
#include "fixture.h"

#define MTT_OK		3U		/* read and write: what drivers set in a translation */
#define FRWR_MASK	(MLX5_MKEY_MASK_LEN | MLX5_MKEY_MASK_PAGE_SIZE |		\
			 MLX5_MKEY_MASK_START_ADDR | MLX5_MKEY_MASK_EN_RINVAL |		\
			 MLX5_MKEY_MASK_KEY | MLX5_MKEY_MASK_LR | MLX5_MKEY_MASK_LW |	\
			 MLX5_MKEY_MASK_RR | MLX5_MKEY_MASK_RW | MLX5_MKEY_MASK_A |	\
			 MLX5_MKEY_MASK_SMALL_FENCE | MLX5_MKEY_MASK_FREE)
#define PLACE_MASK	(MLX5_MKEY_MASK_LEN | MLX5_MKEY_MASK_PAGE_SIZE | MLX5_MKEY_MASK_START_ADDR)
#define BIND_MASK	(MLX5_MKEY_MASK_FREE | MLX5_MKEY_MASK_KEY | MLX5_MKEY_MASK_LEN |	\
			 MLX5_MKEY_MASK_START_ADDR | MLX5_MKEY_MASK_LW | MLX5_MKEY_MASK_RR |	\
			 MLX5_MKEY_MASK_RW | MLX5_MKEY_MASK_A)
#define PIECES		4U	/* of a window's key, as mlx5_ib makes it */
#define RW		(CLIENT_REMOTE_READ | CLIENT_REMOTE_WRITE | CLIENT_REMOTE_ATOMIC)
#define LIST_PAGE	8U	/* of rig.mem: lists of pieces lie from there on */
#define IOVA		0x7f1234567000ULL
#define BIND		MLX5_CQE_SYNDROME_MW_BIND_ERR
#define QP_OP		MLX5_CQE_SYNDROME_LOCAL_QP_OP_ERR
#define PROT		MLX5_CQE_SYNDROME_LOCAL_PROT_ERR
#define REMOTE		MLX5_CQE_SYNDROME_REMOTE_ACCESS_ERR
#define ACCESS		(CLIENT_LOCAL_WRITE | CLIENT_REMOTE_READ | CLIENT_REMOTE_WRITE | \
			 CLIENT_REMOTE_ATOMIC)

/**
 * struct rig - guest 0 owns keys, guest 1 reaches for them
 * @w: world
 * @owner: guest 0
 * @p: connected QPs that may post UMR WQEs
 * @driver: guest 0's REG_UMR QP, if there is one
 * @list: memory for translations
 * @list_key: PA key in the owner's PD
 * @mem: memory that is registered
 */
struct rig {
	struct world *w;
	struct guest *owner;
	struct pair p;
	struct client_qp driver;
	struct client_mem list;
	u32 list_key;
	struct client_mem mem;
};

/**
 * struct piece - of a key
 * @key: which
 * @addr: address under it
 * @len: bytes
 */
struct piece {
	u32 key;
	u64 addr;
	u32 len;
};

/**
 * struct window - a rig, a key over all of its memory and an indirect key
 * @r: rig
 * @mr: key of @r.mem
 * @key: indirect key
 */
struct window {
	struct rig r;
	u32 mr;
	u32 key;
};

/**
 * struct umr - a UMR WQE in the making
 * @raw: WQE
 * @ds: its length in 16-byte segments
 */
struct umr {
	u8 raw[1024] __aligned(8);
	u32 ds;
};

/* A key to create; zeroes: what mkc says by default. */
struct free_key {
	u32 pd;
	u32 octwords;
	u32 mode;
	bool umr_en;
	bool free;
	bool rinval;
	bool length64;
	u64 len;
	u32 n_pas;
	u32 actual;
};

static inline struct mlx5_wqe_umr_ctrl_seg *umr_ctrl(struct umr *u)
{
	return (void *)(u->raw + sizeof(struct mlx5_wqe_ctrl_seg));
}

static inline void *umr_mkc(struct umr *u)
{
	return umr_ctrl(u) + 1;
}

static inline struct soft_mkey *mkey_of(struct guest *g, u32 key)
{
	return soft_mkey_at(g->vmm->inst, key);
}

int create_key(struct guest *g, const struct free_key *attr, u32 *key);
u32 alloc_key(struct guest *g, u32 octwords);
void reconnect(struct rig *r);
void rig_open(struct rig *r, struct world *w, u32 pages);
void rig_open_user(struct rig *r, struct world *w, u8 st, u32 pages);
void rig_close(struct rig *r);
void umr_begin(struct umr *u, u32 key, u8 flags, u64 mask);
void umr_access(struct umr *u, u32 access);
void umr_place(struct umr *u, u32 key, u64 start, u64 len);
void umr_pointer(struct umr *u, u64 addr, u32 lkey, u32 bytes);
void umr_xlt(struct rig *r, struct umr *u, const u8 *va, u32 n, bool in_wqe);
void umr_reg(struct rig *r, struct umr *u, u32 key, u32 first, u32 n, bool in_wqe);
void umr_inv(struct umr *u, u32 key);
void umr_post(struct rig *r, struct client_qp *qp, struct umr *u, u8 status);
void reg(struct rig *r, u32 key, u32 first, u32 n, bool in_wqe);
void inv(struct rig *r, u32 key);
u32 alloc_indirect(struct guest *g, u32 pieces, bool rinval);
void window_open(struct window *m, struct world *w, u8 st, u32 pages);
void window_close(struct window *m);
void umr_pieces(struct umr *u, const struct piece *piece, u32 n);
struct piece piece_at(const struct window *m, u32 offset, u32 len);
u32 list_key(struct window *m, u32 n, u32 len);
void list_fill(struct window *m, u32 key, u32 n, u32 len);
void remote_write(struct rig *r, u32 key, u64 addr, u32 len, u32 seed, u8 status);
void remote_read(struct rig *r, u32 key, u64 addr, u32 len, u8 status);

#define roce_test(fn) cmocka_unit_test_setup_teardown(fn, world_setup_roce, world_teardown)

#endif /* UMR_RIG_H */
