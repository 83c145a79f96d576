/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* For the tests of Ethernet: guests with one queue of each kind, frames and their WQEs. */
#ifndef ETH_RIG_H
#define ETH_RIG_H

#include "engine.h"

#define RING		4	/* log2 of the queues */
#define WQ_RST		0
#define WQ_RDY		1
#define WQ_ERR		3
#define TAG		0x1234
#define BUF		2048	/* bytes of a receive buffer */

/**
 * struct eth_node - a guest with one queue of each kind
 * @vmm: its VMM
 * @c: its driver
 * @pd: PD
 * @td: transport domain
 * @tis: TIS
 * @tir: TIR
 * @scq: CQ of the SQ, @rcq: of the RQ
 * @rcq: see @scq
 * @sq: send queue
 * @rq: receive queue
 * @flow: everything goes to @tir
 * @mem: memory, of which the upper half is receive buffers
 * @key: of @mem
 */
struct eth_node {
	struct vmm_user *vmm;
	struct client c;
	u32 pd;
	u32 td;
	u32 tis;
	u32 tir;
	struct client_cq scq;
	struct client_cq rcq;
	struct client_wq sq;
	struct client_wq rq;
	struct client_flow flow;
	struct client_mem mem;
	u32 key;
};

#define NODES	3

/**
 * struct tx - a send WQE in the making
 * @raw: its bytes
 * @len: how many so far
 */
struct tx {
	u8 raw[1024];
	u32 len;
};

extern struct soft_hca hca;
extern struct eth_node node[NODES];

/* One more guest, and without it. */
void eth_node_up(struct eth_node *n, u64 guid, u32 segment);
void eth_node_down(struct eth_node *n);
void settle(void);
u8 *buffer(struct eth_node *n, u32 i);
struct client_sge sge(const struct eth_node *n, const void *at, u32 len);
void post_buffers(struct eth_node *n, u32 count);
void queues_up(struct eth_node *n, bool strip);
void queues_down(struct eth_node *n);
void tx_begin(struct tx *tx, u8 opcode);
struct mlx5_wqe_eth_seg *tx_eth(struct tx *tx, const void *head, u32 n);
void tx_data(struct tx *tx, u64 addr, u32 len, u32 key);
void tx_post(struct eth_node *n, struct tx *tx);
/* The WQE at block @at of the ring becomes another one; its control segment stays. */
void tx_rewrite(struct eth_node *n, u32 at, const struct tx *tx);
void mac_of(const struct eth_node *n, u8 *mac);
u8 *udp_frame(struct eth_node *from, const u8 *dmac, u32 len, u16 vlan);
void send_frame(struct eth_node *from, u32 len, u32 inline_bytes, u8 cs);
struct mlx5_cqe64 *cqe_next(struct client_cq *cq);
u32 sent(struct eth_node *n, u16 counter);
struct mlx5_cqe64 *received(struct eth_node *n, u8 **frame);
void nothing(struct eth_node *n);
void node_move(struct eth_node *n, u32 segment, bool up);
void eth_run(void);
int eth_setup(void **state);
int eth_teardown(void **state);
u64 eth_count(const struct eth_node *n, size_t offset);

#define COUNT(n, name)	eth_count(n, offsetof(struct mhca_counters, name))
#define TEST(name)	cmocka_unit_test_setup_teardown(test_##name, eth_setup, eth_teardown)

#endif /* ETH_RIG_H */
