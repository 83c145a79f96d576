// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <mhca/policy.h>
#include "eth_rig.h"
#include "hca.h"

struct soft_hca hca;
struct eth_node node[NODES];

void eth_run(void)
{
	bool did;
	u32 i, n = 0;

	do {
		assert_true(n++ < 100000);
		did = lanes_turn(&hca);
		for (i = 0; i < NODES; i++)
			if (node[i].vmm)
				did |= vmm_user_work(node[i].vmm);
	} while (did);
}

/* Until nothing happens though time passes. */
void settle(void)
{
	u32 i;

	eth_run();
	for (i = 0; i < 1000; i++) {
		shim_clock_advance(30 * 1000);
		eth_run();
	}
}

u8 *buffer(struct eth_node *n, u32 i)
{
	return n->mem.va + ENGINE_BYTES / 2 + i * BUF;
}

struct client_sge sge(const struct eth_node *n, const void *at, u32 len)
{
	return (struct client_sge){ (uintptr_t)at, len, n->key };
}

void post_buffers(struct eth_node *n, u32 count)
{
	struct client_sge entry;

	while (count--) {
		entry = sge(n, buffer(n, n->rq.head % (1 << RING)), BUF);
		client_post_rq(&n->rq, &entry, 1);
	}
}

void queues_up(struct eth_node *n, bool strip)
{
	assert_int_equal(client_create_sq(&n->c, n->pd, n->tis, &n->scq, RING, &n->sq), 0);
	assert_int_equal(client_modify_sq(&n->sq, WQ_RST, WQ_RDY), 0);
	assert_int_equal(client_create_rq(&n->c, n->pd, &n->rcq, RING, 6, strip, &n->rq), 0);
	assert_int_equal(client_modify_rq(&n->rq, WQ_RST, WQ_RDY), 0);
	assert_int_equal(client_create_tir(&n->c, n->td, n->rq.number, NULL, &n->tir), 0);
	assert_int_equal(client_create_flow(&n->c, &n->tir, 1, TAG, &n->flow), 0);
}

void eth_node_up(struct eth_node *n, u64 guid, u32 segment)
{
	struct vmm_user_params params = { .roce = true };
	struct client_cq_attr attr;

	n->vmm = vmm_user_create(&hca, &params, guid);
	assert_non_null(n->vmm);
	node_move(n, segment, true);
	assert_int_equal(client_open(&n->c, &vmm_user_client_ops, n->vmm, 0), 0);
	assert_int_equal(client_alloc_pd(&n->c, &n->pd), 0);
	assert_int_equal(client_alloc_td(&n->c, &n->td), 0);
	assert_int_equal(client_create_tis(&n->c, n->td, &n->tis), 0);
	client_cq_attr_init(&attr, 6);
	assert_int_equal(client_create_cq(&n->c, &attr, &n->scq), 0);
	assert_int_equal(client_create_cq(&n->c, &attr, &n->rcq), 0);
	assert_int_equal(client_mem_alloc(&n->c, ENGINE_BYTES, &n->mem), 0);
	assert_int_equal(client_reg_mr(&n->c, n->pd, n->mem.va, n->mem.len, CLIENT_ALL_ACCESS,
				       &n->key), 0);
	queues_up(n, true);
}

void queues_down(struct eth_node *n)
{
	assert_int_equal(client_destroy_flow(&n->flow), 0);
	assert_int_equal(client_destroy_by_number(&n->c, MLX5_CMD_OP_DESTROY_TIR, n->tir), 0);
	assert_int_equal(client_destroy_wq(&n->rq, MLX5_CMD_OP_DESTROY_RQ), 0);
	assert_int_equal(client_destroy_wq(&n->sq, MLX5_CMD_OP_DESTROY_SQ), 0);
}

void eth_node_down(struct eth_node *n)
{
	queues_down(n);
	assert_int_equal(client_destroy_mkey(&n->c, n->key), 0);
	client_mem_free(&n->c, &n->mem);
	assert_int_equal(client_destroy_cq(&n->scq), 0);
	assert_int_equal(client_destroy_cq(&n->rcq), 0);
	assert_int_equal(client_destroy_by_number(&n->c, MLX5_CMD_OP_DESTROY_TIS, n->tis), 0);
	assert_int_equal(client_destroy_by_number(&n->c, MLX5_CMD_OP_DEALLOC_TRANSPORT_DOMAIN,
						  n->td), 0);
	assert_int_equal(client_dealloc_pd(&n->c, n->pd), 0);
	client_close(&n->c);
	vmm_user_destroy(n->vmm);
	memset(n, 0, sizeof(*n));
}

int eth_setup(void **state)
{
	u32 i;

	(void)state;
	shim_clock_fake(true);
	memset(&hca, 0, sizeof(hca));
	assert_int_equal(soft_hca_init(&hca, 2, &engine_params), 0);
	for (i = 0; i < NODES; i++)
		eth_node_up(&node[i], 0x1000 + i, i == 2 ? 9 : 5);
	return 0;
}

int eth_teardown(void **state)
{
	u32 i;

	(void)state;
	for (i = 0; i < NODES; i++)
		eth_node_down(&node[i]);
	soft_hca_fini(&hca);
	shim_quiesce();
	shim_clock_fake(false);
	return 0;
}

/* ---- WQEs and frames ------------------------------------------------------------- */

void tx_begin(struct tx *tx, u8 opcode)
{
	struct mlx5_wqe_ctrl_seg *ctrl = (void *)tx->raw;

	memset(tx, 0, sizeof(*tx));
	ctrl->opmod_idx_opcode = cpu_to_be32(opcode);
	ctrl->fm_ce_se = MLX5_WQE_CTRL_CQ_UPDATE;
	tx->len = 16;
}

struct mlx5_wqe_eth_seg *tx_eth(struct tx *tx, const void *head, u32 n)
{
	struct mlx5_wqe_eth_seg *eth = (void *)(tx->raw + tx->len);

	eth->inline_hdr.sz = cpu_to_be16(n);
	if (n)
		memcpy(eth->inline_hdr.start, head, n);
	tx->len += n > 2 ? 16 + round_up(n - 2, 16) : 16;
	return eth;
}

void tx_data(struct tx *tx, u64 addr, u32 len, u32 key)
{
	struct mlx5_wqe_data_seg *data = (void *)(tx->raw + tx->len);

	data->addr = cpu_to_be64(addr);
	data->byte_count = cpu_to_be32(len);
	data->lkey = cpu_to_be32(key);
	tx->len += 16;
}

void tx_post(struct eth_node *n, struct tx *tx)
{
	struct mlx5_wqe_ctrl_seg *ctrl = (void *)tx->raw;

	ctrl->opmod_idx_opcode |= cpu_to_be32((n->sq.head & 0xffff) << 8);
	ctrl->qpn_ds = cpu_to_be32(n->sq.number << 8 | tx->len / 16);
	client_post_sq(&n->sq, tx->raw, tx->len);
}

void tx_rewrite(struct eth_node *n, u32 at, const struct tx *tx)
{
	u32 size = 64U << RING, from = at * 64 % size, first = min(tx->len, size - from);

	memcpy(n->sq.mem.va + from + 16, tx->raw + 16, first - 16);
	memcpy(n->sq.mem.va, tx->raw + first, tx->len - first);
}

void mac_of(const struct eth_node *n, u8 *mac)
{
	memcpy(mac, n->vmm->inst->id.mac, 6);
}

/* A frame of @n's memory at its beginning: headers of UDP over IPv4, @len bytes in all. */
u8 *udp_frame(struct eth_node *from, const u8 *dmac, u32 len, u16 vlan)
{
	u8 *f = from->mem.va, *ip;
	u32 l2 = vlan ? 18 : 14, i;

	memset(f, 0, 64);
	memcpy(f, dmac, 6);
	mac_of(from, f + 6);
	if (vlan)
		put_unaligned_be32(0x81000000 | vlan, f + 12);
	put_unaligned_be16(0x0800, f + l2 - 2);
	ip = f + l2;
	ip[0] = 0x45;
	put_unaligned_be16(len - l2, ip + 2);
	ip[8] = 64;
	ip[9] = 17;
	memcpy(ip + 12, (u8[]){ 10, 0, 0, 1, 10, 0, 0, 2 }, 8);
	put_unaligned_be16(1000, ip + 20);
	put_unaligned_be16(2000, ip + 22);
	put_unaligned_be16(len - l2 - 20, ip + 24);
	for (i = l2 + 28; i < len; i++)
		f[i] = i * 31 + len;
	return f;
}

/* Post a plain WQE for a frame at the beginning of the node's memory. */
void send_frame(struct eth_node *from, u32 len, u32 inline_bytes, u8 cs)
{
	struct tx tx;

	tx_begin(&tx, MLX5_OPCODE_SEND);
	tx_eth(&tx, from->mem.va, inline_bytes)->cs_flags = cs;
	if (len > inline_bytes)
		tx_data(&tx, (uintptr_t)from->mem.va + inline_bytes, len - inline_bytes,
			from->key);
	tx_post(from, &tx);
}

struct mlx5_cqe64 *cqe_next(struct client_cq *cq)
{
	struct mlx5_cqe64 *cqe = client_peek_cq(cq);

	if (!cqe)
		return NULL;
	cq->ci++;
	cq->record.word[0] = cpu_to_be32(cq->ci & 0xffffff);
	return cqe;
}

/* The next send completion; 0 or the syndrome. */
u32 sent(struct eth_node *n, u16 counter)
{
	struct mlx5_cqe64 *cqe;

	settle();
	cqe = cqe_next(&n->scq);
	assert_non_null(cqe);
	assert_int_equal(be16_to_cpu(cqe->wqe_counter), counter);
	assert_int_equal(be32_to_cpu(cqe->sop_drop_qpn) & 0xffffff, n->sq.number);
	if (get_cqe_opcode(cqe) == MLX5_CQE_REQ)
		return 0;
	assert_int_equal(get_cqe_opcode(cqe), MLX5_CQE_REQ_ERR);
	return ((struct mlx5_err_cqe *)cqe)->syndrome;
}

/* The next frame that arrived: its CQE and bytes. */
struct mlx5_cqe64 *received(struct eth_node *n, u8 **frame)
{
	struct mlx5_cqe64 *cqe;

	settle();
	cqe = cqe_next(&n->rcq);
	assert_non_null(cqe);
	assert_int_equal(get_cqe_opcode(cqe), MLX5_CQE_RESP_SEND);
	assert_int_equal(be32_to_cpu(cqe->sop_drop_qpn) & 0xffffff, TAG);
	assert_int_equal(be32_to_cpu(cqe->srqn), 0);
	*frame = buffer(n, be16_to_cpu(cqe->wqe_counter) % (1 << RING));
	return cqe;
}

void nothing(struct eth_node *n)
{
	settle();
	assert_null(client_peek_cq(&n->rcq));
}

u64 eth_count(const struct eth_node *n, size_t offset)
{
	return atomic64_read((const atomic64_t *)((const u8 *)&n->vmm->inst->counters + offset));
}


/* The port goes down and up, and moves to another segment. */
void node_move(struct eth_node *n, u32 segment, bool up)
{
	struct mhca_policy policy = n->vmm->inst->policy;

	policy.value[MHCA_POLICY_SEGMENT] = segment;
	policy.value[MHCA_POLICY_LINK] = up;
	mhca_policy_apply(n->vmm->inst, &policy);
}
