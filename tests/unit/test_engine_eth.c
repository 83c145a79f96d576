// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The Ethernet engine, driven by hand-made WQEs through the whole core. */
#include "engine.h"
#include "eth.h"
#include "packet.h"

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

static struct soft_hca hca;
static struct eth_node node[NODES];

static void run(void)
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
static void settle(void)
{
	u32 i;

	run();
	for (i = 0; i < 1000; i++) {
		shim_clock_advance(30 * 1000);
		run();
	}
}

static u8 *buffer(struct eth_node *n, u32 i)
{
	return n->mem.va + ENGINE_BYTES / 2 + i * BUF;
}

static struct client_sge sge(const struct eth_node *n, const void *at, u32 len)
{
	return (struct client_sge){ (uintptr_t)at, len, n->key };
}

static void post_buffers(struct eth_node *n, u32 count)
{
	struct client_sge entry;

	while (count--) {
		entry = sge(n, buffer(n, n->rq.head % (1 << RING)), BUF);
		client_post_rq(&n->rq, &entry, 1);
	}
}

static void queues_up(struct eth_node *n, bool strip)
{
	assert_int_equal(client_create_sq(&n->c, n->pd, n->tis, &n->scq, RING, &n->sq), 0);
	assert_int_equal(client_modify_sq(&n->sq, WQ_RST, WQ_RDY), 0);
	assert_int_equal(client_create_rq(&n->c, n->pd, &n->rcq, RING, 6, strip, &n->rq), 0);
	assert_int_equal(client_modify_rq(&n->rq, WQ_RST, WQ_RDY), 0);
	assert_int_equal(client_create_tir(&n->c, n->td, n->rq.number, NULL, &n->tir), 0);
	assert_int_equal(client_create_flow(&n->c, &n->tir, 1, TAG, &n->flow), 0);
}

static void node_up(u32 i, u32 segment)
{
	struct vmm_user_params params = { .roce = true };
	struct eth_node *n = &node[i];
	struct client_cq_attr attr;

	n->vmm = vmm_user_create(&hca, &params, 0x1000 + i);
	assert_non_null(n->vmm);
	n->vmm->inst->port.segment = segment;
	n->vmm->inst->port.up = true;
	mutex_lock(&n->vmm->inst->cmd_lock);
	soft_switch_update(soft_instance(n->vmm->inst));
	mutex_unlock(&n->vmm->inst->cmd_lock);
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

static void queues_down(struct eth_node *n)
{
	assert_int_equal(client_destroy_flow(&n->flow), 0);
	assert_int_equal(client_destroy_by_number(&n->c, MLX5_CMD_OP_DESTROY_TIR, n->tir), 0);
	assert_int_equal(client_destroy_wq(&n->rq, MLX5_CMD_OP_DESTROY_RQ), 0);
	assert_int_equal(client_destroy_wq(&n->sq, MLX5_CMD_OP_DESTROY_SQ), 0);
}

static void node_down(struct eth_node *n)
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

static int setup(void **state)
{
	u32 i;

	(void)state;
	shim_clock_fake(true);
	memset(&hca, 0, sizeof(hca));
	assert_int_equal(soft_hca_init(&hca, 2, &engine_params), 0);
	for (i = 0; i < NODES; i++)
		node_up(i, i == 2 ? 9 : 5);
	return 0;
}

static int teardown(void **state)
{
	u32 i;

	(void)state;
	for (i = 0; i < NODES; i++)
		node_down(&node[i]);
	soft_hca_fini(&hca);
	shim_quiesce();
	shim_clock_fake(false);
	return 0;
}

/* ---- WQEs and frames ------------------------------------------------------------- */

/**
 * struct tx - a send WQE in the making
 * @raw: its bytes
 * @len: how many so far
 */
struct tx {
	u8 raw[1024];
	u32 len;
};

static void tx_begin(struct tx *tx, u8 opcode)
{
	struct mlx5_wqe_ctrl_seg *ctrl = (void *)tx->raw;

	memset(tx, 0, sizeof(*tx));
	ctrl->opmod_idx_opcode = cpu_to_be32(opcode);
	ctrl->fm_ce_se = MLX5_WQE_CTRL_CQ_UPDATE;
	tx->len = 16;
}

static struct mlx5_wqe_eth_seg *tx_eth(struct tx *tx, const void *head, u32 n)
{
	struct mlx5_wqe_eth_seg *eth = (void *)(tx->raw + tx->len);

	eth->inline_hdr.sz = cpu_to_be16(n);
	if (n)
		memcpy(eth->inline_hdr.start, head, n);
	tx->len += n > 2 ? 16 + round_up(n - 2, 16) : 16;
	return eth;
}

static void tx_data(struct tx *tx, u64 addr, u32 len, u32 key)
{
	struct mlx5_wqe_data_seg *data = (void *)(tx->raw + tx->len);

	data->addr = cpu_to_be64(addr);
	data->byte_count = cpu_to_be32(len);
	data->lkey = cpu_to_be32(key);
	tx->len += 16;
}

static void tx_post(struct eth_node *n, struct tx *tx)
{
	struct mlx5_wqe_ctrl_seg *ctrl = (void *)tx->raw;

	ctrl->opmod_idx_opcode |= cpu_to_be32((n->sq.head & 0xffff) << 8);
	ctrl->qpn_ds = cpu_to_be32(n->sq.number << 8 | tx->len / 16);
	client_post_sq(&n->sq, tx->raw, tx->len);
}

static void mac_of(const struct eth_node *n, u8 *mac)
{
	memcpy(mac, n->vmm->inst->id.mac, 6);
}

/* A frame of @n's memory at its beginning: headers of UDP over IPv4, @len bytes in all. */
static u8 *udp_frame(struct eth_node *from, const u8 *dmac, u32 len, u16 vlan)
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
static void send_frame(struct eth_node *from, u32 len, u32 inline_bytes, u8 cs)
{
	struct tx tx;

	tx_begin(&tx, MLX5_OPCODE_SEND);
	tx_eth(&tx, from->mem.va, inline_bytes)->cs_flags = cs;
	if (len > inline_bytes)
		tx_data(&tx, (uintptr_t)from->mem.va + inline_bytes, len - inline_bytes,
			from->key);
	tx_post(from, &tx);
}

static struct mlx5_cqe64 *cqe_next(struct client_cq *cq)
{
	struct mlx5_cqe64 *cqe = client_peek_cq(cq);

	if (!cqe)
		return NULL;
	cq->ci++;
	cq->record.word[0] = cpu_to_be32(cq->ci & 0xffffff);
	return cqe;
}

/* The next send completion; 0 or the syndrome. */
static u32 sent(struct eth_node *n, u16 counter)
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
static struct mlx5_cqe64 *received(struct eth_node *n, u8 **frame)
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

static void nothing(struct eth_node *n)
{
	settle();
	assert_null(client_peek_cq(&n->rcq));
}

static u64 count(struct eth_node *n, size_t offset)
{
	return atomic64_read((atomic64_t *)((u8 *)&n->vmm->inst->counters + offset));
}

#define COUNT(n, name)	count(n, offsetof(struct mhca_counters, name))

/* ---- Tests -------------------------------------------------------------------------- */

static void test_unicast(void **state)
{
	static const u32 sizes[] = { 14, 42, 60, 127, 128, 129, 1514, BUF };
	u32 i, k, inl;
	u8 mac[6], *f;

	(void)state;
	mac_of(&node[1], mac);
	post_buffers(&node[1], 16);
	for (i = 0; i < ARRAY_SIZE(sizes) * 3; i++) {
		u32 len = sizes[i / 3];
		struct mlx5_cqe64 *cqe;
		u16 at = node[0].sq.head;

		inl = (const u32[]){ 0, 14, 100 }[i % 3];
		udp_frame(&node[0], mac, len < 42 ? 42 : len, 0);
		memset(buffer(&node[1], i % 16), 0xee, BUF);
		send_frame(&node[0], len, min(inl, len), 0);
		cqe = received(&node[1], &f);
		assert_int_equal(be32_to_cpu(cqe->byte_cnt), len);
		assert_memory_equal(f, node[0].mem.va, len);
		for (k = len; k < BUF; k++)
			assert_int_equal(f[k], 0xee);
		assert_int_equal(sent(&node[0], at), 0);
		post_buffers(&node[1], 1);
	}
	nothing(&node[1]);
	assert_int_equal(COUNT(&node[0], eth_tx_ucast), i);
	assert_int_equal(COUNT(&node[1], eth_rx_ucast), i);
	assert_int_equal(COUNT(&node[1], eth_rx_ucast_bytes), COUNT(&node[0], eth_tx_ucast_bytes));
}

static void test_checksum(void **state)
{
	struct mlx5_cqe64 *cqe;
	u8 mac[6], *f;
	u16 be;
	u32 s;

	(void)state;
	mac_of(&node[1], mac);
	post_buffers(&node[1], 4);
	udp_frame(&node[0], mac, 1001, 0);
	send_frame(&node[0], 1001, 0, MLX5_ETH_WQE_L3_CSUM | MLX5_ETH_WQE_L4_CSUM);
	cqe = received(&node[1], &f);
	assert_int_equal(cqe->hds_ip_ext & 7, CQE_L2_OK | CQE_L3_OK | CQE_L4_OK);
	assert_int_equal((u16)~csum_fold(csum_partial(f + 14, 20, 0)), 0xffff);
	assert_int_not_equal(get_unaligned_be16(f + 40), 0);
	s = csum_partial(f + 14, 1001 - 14, 0);
	be = (u16)~csum_fold(s);
	assert_memory_equal(&cqe->check_sum, &be, 2);
	assert_int_equal(cqe->l4_l3_hdr_type >> 4 & 7, CQE_L4_HDR_TYPE_UDP);
	assert_int_equal(cqe->l4_l3_hdr_type >> 2 & 3, 2);
	/* Not asked for: untouched, and said to be wrong. */
	udp_frame(&node[0], mac, 500, 0);
	put_unaligned_be16(0x1111, node[0].mem.va + 40);
	send_frame(&node[0], 500, 0, 0);
	cqe = received(&node[1], &f);
	assert_int_equal(cqe->hds_ip_ext & 7, CQE_L2_OK);
	assert_memory_equal(f, node[0].mem.va, 500);
}

static void test_vlan(void **state)
{
	struct mlx5_wqe_eth_seg *eth;
	struct mlx5_cqe64 *cqe;
	u8 mac[6], *f;
	struct tx tx;
	u32 strip;

	(void)state;
	mac_of(&node[1], mac);
	for (strip = 1; ; strip = 0) {
		post_buffers(&node[1], 4);
		udp_frame(&node[0], mac, 800, 0x2064);
		send_frame(&node[0], 800, strip ? 0 : 18, 0);
		cqe = received(&node[1], &f);
		assert_int_equal(cqe->l4_l3_hdr_type & 1, strip);
		assert_int_equal(be32_to_cpu(cqe->byte_cnt), 800 - 4 * strip);
		assert_int_equal(be16_to_cpu(cqe->vlan_info), strip ? 0x2064 : 0);
		assert_memory_equal(f, node[0].mem.va, 12);
		assert_memory_equal(f + 12, node[0].mem.va + 12 + 4 * strip, 788 - 4 * strip);
		/* Inserted by the device. */
		udp_frame(&node[0], mac, 800, 0);
		tx_begin(&tx, MLX5_OPCODE_SEND);
		eth = tx_eth(&tx, NULL, 0);
		eth->insert.type = cpu_to_be16(0x8000);
		eth->insert.vlan_tci = cpu_to_be16(0x3005);
		tx_data(&tx, (uintptr_t)node[0].mem.va, 800, node[0].key);
		tx_post(&node[0], &tx);
		cqe = received(&node[1], &f);
		assert_int_equal(be32_to_cpu(cqe->byte_cnt), 804 - 4 * strip);
		if (strip)
			assert_int_equal(be16_to_cpu(cqe->vlan_info), 0x3005);
		else
			assert_memory_equal(f + 12, "\x81\x00\x30\x05", 4);
		assert_memory_equal(f + 16 - 4 * strip, node[0].mem.va + 12, 788);
		if (!strip)
			break;
		queues_down(&node[1]);
		queues_up(&node[1], false);
	}
}

/* Large send: frames of the MSS, across what one turn may send. */
static void test_large_send(void **state)
{
	u32 hdr = 54, total = 40000, mss = 1400, n, at, frames = 0;
	struct mlx5_cqe64 *cqe;
	struct tx tx;
	u8 head[54], mac[6], *f;

	(void)state;
	mac_of(&node[1], mac);
	udp_frame(&node[0], mac, hdr, 0);
	memcpy(head, node[0].mem.va, hdr);
	head[23] = 6;
	put_unaligned_be32(1000, head + 38);
	put_unaligned_be16(0x5018, head + 46);
	engine_fill(node[0].mem.va, total, 3);
	tx_begin(&tx, MLX5_OPCODE_LSO);
	tx_eth(&tx, head, hdr)->mss = cpu_to_be16(mss);
	for (at = 0; at < total; at += n) {
		n = min(total - at, at ? 9999U : 1U);
		tx_data(&tx, (uintptr_t)node[0].mem.va + at, n, node[0].key);
	}
	post_buffers(&node[1], 16);
	tx_post(&node[0], &tx);
	for (at = 0; at < total; at += n, frames++) {
		run();
		while (!client_peek_cq(&node[1].rcq)) {
			shim_clock_advance(30000);
			run();
		}
		cqe = cqe_next(&node[1].rcq);
		f = buffer(&node[1], be16_to_cpu(cqe->wqe_counter) % 16);
		n = min(mss, total - at);
		assert_int_equal(be32_to_cpu(cqe->byte_cnt), hdr + n);
		assert_int_equal(cqe->hds_ip_ext & 7, 7);
		assert_int_equal(get_unaligned_be32(f + 38), 1000 + at);
		assert_memory_equal(f + hdr, node[0].mem.va + at, n);
		post_buffers(&node[1], 1);
	}
	assert_int_equal(frames, 29);
	assert_int_equal(sent(&node[0], 0), 0);
	nothing(&node[1]);
	assert_int_equal(COUNT(&node[0], eth_tx_ucast), 29);
	assert_int_equal(COUNT(&node[0], eth_tx_ucast_bytes), total + 29 * hdr);
	assert_int_equal(COUNT(&node[1], drop_rx_buffer), 0);
}

static void test_broadcast(void **state)
{
	u8 all[6] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff }, *f;

	(void)state;
	post_buffers(&node[0], 2);
	post_buffers(&node[1], 2);
	post_buffers(&node[2], 2);
	udp_frame(&node[0], all, 300, 0);
	send_frame(&node[0], 300, 0, 0);
	received(&node[1], &f);
	assert_memory_equal(f, node[0].mem.va, 300);
	nothing(&node[0]);
	nothing(&node[2]);		/* another segment */
	assert_int_equal(COUNT(&node[0], eth_tx_bcast), 1);
	assert_int_equal(COUNT(&node[1], eth_rx_bcast), 1);
}

/* Nothing crosses segments, nothing forged passes, nothing comes back. */
static void test_isolation(void **state)
{
	u8 mac[6];

	(void)state;
	post_buffers(&node[0], 4);
	post_buffers(&node[1], 4);
	post_buffers(&node[2], 4);
	mac_of(&node[2], mac);
	udp_frame(&node[0], mac, 100, 0);
	send_frame(&node[0], 100, 0, 0);
	assert_int_equal(sent(&node[0], 0), 0);
	assert_int_equal(COUNT(&node[0], drop_no_peer), 1);
	mac_of(&node[1], mac);
	udp_frame(&node[0], mac, 100, 0);
	memcpy(node[0].mem.va + 6, mac, 6);	/* the neighbour's own */
	send_frame(&node[0], 100, 0, 0);
	assert_int_equal(sent(&node[0], 1), 0);
	assert_int_equal(COUNT(&node[0], drop_spoof), 1);
	node[0].mem.va[11] ^= 0x55;
	send_frame(&node[0], 100, 0, 0);
	assert_int_equal(sent(&node[0], 2), 0);
	assert_int_equal(COUNT(&node[0], drop_spoof), 2);
	mac_of(&node[0], mac);			/* to itself */
	udp_frame(&node[0], mac, 100, 0);
	send_frame(&node[0], 100, 0, 0);
	assert_int_equal(sent(&node[0], 3), 0);
	/* RoCE from a GID that it does not have. */
	mac_of(&node[1], mac);
	udp_frame(&node[0], mac, 100, 0);
	put_unaligned_be16(4791, node[0].mem.va + 36);
	send_frame(&node[0], 100, 0, 0);
	assert_int_equal(sent(&node[0], 4), 0);
	assert_int_equal(COUNT(&node[0], drop_spoof), 3);
	nothing(&node[0]);
	nothing(&node[1]);
	nothing(&node[2]);
	assert_int_equal(COUNT(&node[0], eth_tx_ucast), 1);
}

/* No buffer: lost after a wait, counted; later frames do not wait; then all is well. */
static void test_no_buffer(void **state)
{
	struct soft_port *port = soft_instance(node[1].vmm->inst)->port;
	u8 mac[6], *f;

	(void)state;
	mac_of(&node[1], mac);
	udp_frame(&node[0], mac, 100, 0);
	send_frame(&node[0], 100, 0, 0);
	run();
	assert_null(client_peek_cq(&node[0].scq));
	assert_int_equal(sent(&node[0], 0), 0);
	assert_int_equal(COUNT(&node[1], drop_rx_buffer), 1);
	assert_true(port->stalled);
	send_frame(&node[0], 100, 0, 0);
	run();
	assert_non_null(client_peek_cq(&node[0].scq));
	assert_int_equal(sent(&node[0], 1), 0);
	assert_int_equal(COUNT(&node[1], drop_rx_buffer), 2);
	post_buffers(&node[1], 2);
	send_frame(&node[0], 100, 0, 0);
	received(&node[1], &f);
	assert_false(port->stalled);
	assert_int_equal(sent(&node[0], 2), 0);
	/* One that comes in time. */
	send_frame(&node[0], 100, 0, 0);
	received(&node[1], &f);
	assert_int_equal(sent(&node[0], 3), 0);
	send_frame(&node[0], 100, 0, 0);
	run();
	post_buffers(&node[1], 1);
	received(&node[1], &f);
	assert_int_equal(sent(&node[0], 4), 0);
	assert_int_equal(COUNT(&node[1], drop_rx_buffer), 2);
}

/* A buffer that is too small stays, and is used by a frame that fits. */
static void test_small_buffer(void **state)
{
	struct client_sge entry[2];
	u8 mac[6];

	(void)state;
	mac_of(&node[1], mac);
	entry[0] = sge(&node[1], buffer(&node[1], 0), 60);
	entry[1] = sge(&node[1], buffer(&node[1], 1), 40);
	client_post_rq(&node[1].rq, entry, 2);
	udp_frame(&node[0], mac, 101, 0);
	send_frame(&node[0], 101, 0, 0);
	assert_int_equal(sent(&node[0], 0), 0);
	nothing(&node[1]);
	assert_int_equal(COUNT(&node[1], drop_length), 1);
	udp_frame(&node[0], mac, 100, 0);
	send_frame(&node[0], 100, 0, 0);
	settle();
	assert_non_null(cqe_next(&node[1].rcq));
	assert_memory_equal(buffer(&node[1], 0), node[0].mem.va, 60);
	assert_memory_equal(buffer(&node[1], 1), node[0].mem.va + 60, 40);
}

/* A receive WQE of a wrong key hurts its owner alone. */
static void test_bad_buffer(void **state)
{
	struct client_sge entry = sge(&node[1], buffer(&node[1], 0), BUF);
	u8 mac[6];

	(void)state;
	mac_of(&node[1], mac);
	entry.lkey ^= 0x100;
	client_post_rq(&node[1].rq, &entry, 1);
	udp_frame(&node[0], mac, 100, 0);
	send_frame(&node[0], 100, 0, 0);
	assert_int_equal(sent(&node[0], 0), 0);
	nothing(&node[1]);
	assert_int_equal(COUNT(&node[1], drop_rx_buffer), 1);
}

/* ---- Hostile send WQEs ---------------------------------------------------------------- */

/* Every broken WQE: the syndrome of its error CQE, then flushes; recovery by RST, RDY. */
static void broken(struct tx *tx, u32 syndrome)
{
	struct eth_node *n = &node[0];
	u16 at = n->sq.head;
	u8 state;

	tx_post(n, tx);
	assert_int_equal(sent(n, at), syndrome);
	assert_int_equal(client_query_sq(&n->sq, &state), 0);
	assert_int_equal(state, WQ_ERR);
	at = n->sq.head;
	send_frame(n, 100, 0, 0);
	assert_int_equal(sent(n, at), MLX5_CQE_SYNDROME_WR_FLUSH_ERR);
	assert_int_equal(client_modify_sq(&n->sq, WQ_ERR, WQ_RST), 0);
	assert_int_equal(client_modify_sq(&n->sq, WQ_RST, WQ_RDY), 0);
	nothing(&node[1]);
}

static void test_broken_wqes(void **state)
{
	const u64 va = (uintptr_t)node[0].mem.va;
	struct mlx5_wqe_eth_seg *eth;
	u8 mac[6], head[64] = { 0 }, *f;
	struct tx tx;
	u32 i;

	(void)state;
	mac_of(&node[1], mac);
	post_buffers(&node[1], 16);
	udp_frame(&node[0], mac, 100, 0);
	/* Opcodes that an Ethernet SQ has not. */
	for (i = 0; i < 0x40; i++) {
		if (i == MLX5_OPCODE_NOP || i == MLX5_OPCODE_SEND || i == MLX5_OPCODE_LSO)
			continue;
		tx_begin(&tx, i);
		tx_eth(&tx, NULL, 0);
		tx_data(&tx, va, 100, node[0].key);
		broken(&tx, MLX5_CQE_SYNDROME_LOCAL_QP_OP_ERR);
	}
	/* Too short for its segments. */
	tx_begin(&tx, MLX5_OPCODE_SEND);
	broken(&tx, MLX5_CQE_SYNDROME_LOCAL_QP_OP_ERR);
	/* Inline headers longer than the WQE, and longer than any headers. */
	tx_begin(&tx, MLX5_OPCODE_SEND);
	eth = tx_eth(&tx, NULL, 0);
	eth->inline_hdr.sz = cpu_to_be16(100);
	tx_data(&tx, va, 100, node[0].key);
	broken(&tx, MLX5_CQE_SYNDROME_LOCAL_QP_OP_ERR);
	tx_begin(&tx, MLX5_OPCODE_SEND);
	tx_eth(&tx, node[0].mem.va, 253);
	broken(&tx, MLX5_CQE_SYNDROME_LOCAL_QP_OP_ERR);
	/* Keys: none, wrong variant, of another instance; ranges beyond it; sums that wrap. */
	for (i = 0; i < 6; i++) {
		tx_begin(&tx, MLX5_OPCODE_SEND);
		tx_eth(&tx, NULL, 0);
		tx_data(&tx, i == 3 ? va + ENGINE_BYTES - 99 : i == 4 ? va - 1 :
			i == 5 ? U64_MAX - 50 : va, 100,
			i == 0 ? 0x12345600 : i == 1 ? node[0].key ^ 1 :
			i == 2 ? node[1].key + 0x100000 : node[0].key);
		broken(&tx, MLX5_CQE_SYNDROME_LOCAL_PROT_ERR);
	}
	/* More bytes than a large send may have; lengths whose 32-bit sum is small. */
	for (i = 0; i < 2; i++) {
		tx_begin(&tx, MLX5_OPCODE_SEND);
		tx_eth(&tx, NULL, 0);
		tx_data(&tx, va, i ? 0x7fffffff : 65537, node[0].key);
		if (i) {
			tx_data(&tx, va, 0x7fffffff, node[0].key);
			tx_data(&tx, va, 66, node[0].key);
		}
		broken(&tx, MLX5_CQE_SYNDROME_LOCAL_LENGTH_ERR);
	}
	/* Large sends: no MSS, headers that are no headers, cut off, or none at all. */
	for (i = 0; i < 5; i++) {
		memcpy(head, node[0].mem.va, 42);
		tx_begin(&tx, MLX5_OPCODE_LSO);
		if (i == 1)
			head[13] = 6;
		eth = tx_eth(&tx, head, i == 2 ? 41 : i == 3 ? 43 : i == 4 ? 0 : 42);
		eth->mss = cpu_to_be16(i == 0 ? 0 : 100);
		tx_data(&tx, va, 1000, node[0].key);
		broken(&tx, MLX5_CQE_SYNDROME_LOCAL_QP_OP_ERR);
	}
	/* And still it sends. */
	send_frame(&node[0], 100, 0, 0);
	received(&node[1], &f);
	assert_memory_equal(f, node[0].mem.va, 100);
	assert_int_equal(sent(&node[0], 0), 0);
}

/* WQEs that are sound, frames that are not: dropped, counted, and the queue goes on. */
static void test_broken_frames(void **state)
{
	const u64 va = (uintptr_t)node[0].mem.va;
	u32 sizes[] = { 0, 1, 13, SOFT_FRAME_MAX + 1, 65536 }, i;
	u8 mac[6], *f;
	struct tx tx;

	(void)state;
	mac_of(&node[1], mac);
	post_buffers(&node[1], 16);
	udp_frame(&node[0], mac, 100, 0);
	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		tx_begin(&tx, MLX5_OPCODE_SEND);
		tx_eth(&tx, NULL, 0);
		if (sizes[i])
			tx_data(&tx, va, sizes[i], node[0].key);
		tx_post(&node[0], &tx);
		assert_int_equal(sent(&node[0], i), 0);
		assert_int_equal(COUNT(&node[0], drop_frame), i + 1);
	}
	nothing(&node[1]);
	send_frame(&node[0], 100, 0, 0);
	received(&node[1], &f);
}

/* A record that says more than the ring holds ends the queue; RST begins anew. */
static void test_record(void **state)
{
	u8 mac[6], *f, st;

	(void)state;
	mac_of(&node[1], mac);
	post_buffers(&node[1], 16);
	udp_frame(&node[0], mac, 100, 0);
	node[0].sq.head += 100;
	send_frame(&node[0], 100, 0, 0);
	settle();
	assert_null(client_peek_cq(&node[0].scq));
	assert_int_equal(client_query_sq(&node[0].sq, &st), 0);
	assert_int_equal(st, WQ_ERR);
	nothing(&node[1]);
	assert_int_equal(client_modify_sq(&node[0].sq, WQ_ERR, WQ_RST), 0);
	assert_int_equal(client_modify_sq(&node[0].sq, WQ_RST, WQ_RDY), 0);
	send_frame(&node[0], 100, 0, 0);
	received(&node[1], &f);
	assert_int_equal(sent(&node[0], 0), 0);
	/* A receiver's: no buffer, whatever lies in the ring. */
	node[1].rq.record.word[0] = cpu_to_be32(40000);
	send_frame(&node[0], 100, 0, 0);
	assert_int_equal(sent(&node[0], 1), 0);
	nothing(&node[1]);
	assert_int_equal(COUNT(&node[1], drop_rx_buffer), 1);
}

/* WQEs of every size at every place of the ring. */
static void test_wrap(void **state)
{
	u8 mac[6], *f;
	u32 i, k, n;

	(void)state;
	mac_of(&node[1], mac);
	post_buffers(&node[1], 16);
	for (i = 0; i < 300; i++) {
		struct tx tx;
		u16 at = node[0].sq.head;

		udp_frame(&node[0], mac, 200, 0);
		tx_begin(&tx, MLX5_OPCODE_SEND);
		n = i % 40;
		tx_eth(&tx, node[0].mem.va, 3 * n);
		for (k = 0; k < n && k < 19; k++)
			tx_data(&tx, (uintptr_t)node[0].mem.va + 3 * n + k, 1, node[0].key);
		tx_data(&tx, (uintptr_t)node[0].mem.va + 3 * n + k, 200 - 3 * n - k, node[0].key);
		tx_post(&node[0], &tx);
		received(&node[1], &f);
		assert_memory_equal(f, node[0].mem.va, 200);
		assert_int_equal(sent(&node[0], at), 0);
		post_buffers(&node[1], 1);
	}
}

/* Unsignalled WQEs and NOPs; one doorbell for several. */
static void test_nop(void **state)
{
	struct mlx5_wqe_ctrl_seg *ctrl;
	struct tx tx;
	u32 i;

	(void)state;
	for (i = 0; i < 6; i++) {
		tx_begin(&tx, MLX5_OPCODE_NOP);
		ctrl = (void *)tx.raw;
		ctrl->fm_ce_se = i == 5 ? MLX5_WQE_CTRL_CQ_UPDATE : 0;
		tx_post(&node[0], &tx);
	}
	assert_int_equal(sent(&node[0], 5), 0);
	assert_null(client_peek_cq(&node[0].scq));
}

/* An idle port costs nothing; a doorbell wakes it. */
static void test_idle(void **state)
{
	u64 deadline;
	u8 mac[6], *f;
	u32 i;

	(void)state;
	mac_of(&node[1], mac);
	post_buffers(&node[1], 2);
	for (i = 0; i < 200; i++) {
		shim_clock_advance(NSEC_PER_MSEC);
		run();
	}
	for (i = 0; i < 2; i++)
		assert_true(soft_lane_may_sleep(&hca.lanes[i], &deadline));
	udp_frame(&node[0], mac, 100, 0);
	send_frame(&node[0], 100, 0, 0);
	received(&node[1], &f);
}

/* RSS: a flow stays on its queue, many flows use all queues. */
static void test_rss(void **state)
{
	static const u8 key[40] = { 0x6d, 0x5a, 0x56, 0xda, 0x25, 0x5b, 0x0e, 0xc2, 0x41, 0x67,
				    0x25, 0x3d, 0x43, 0xa3, 0x8f, 0xb0, 0xd0, 0xca, 0x2b, 0xcb };
	struct eth_node *to = &node[1];
	struct client_sge entry;
	struct client_wq rq[2];
	u32 rqn[2], rqt, tir, i, used[2] = { 0 };
	u8 mac[6];

	(void)state;
	mac_of(to, mac);
	assert_int_equal(client_destroy_flow(&to->flow), 0);
	for (i = 0; i < 2; i++) {
		assert_int_equal(client_create_rq(&to->c, to->pd, &to->rcq, 6, 6, true, &rq[i]), 0);
		assert_int_equal(client_modify_rq(&rq[i], WQ_RST, WQ_RDY), 0);
		rqn[i] = rq[i].number;
	}
	assert_int_equal(client_create_rqt(&to->c, rqn, 2, &rqt), 0);
	assert_int_equal(client_create_tir(&to->c, to->td, rqt, key, &tir), 0);
	assert_int_equal(client_create_flow(&to->c, &tir, 1, TAG, &to->flow), 0);
	for (i = 0; i < 32; i++) {
		u32 k, posted[2];
		u8 *f;

		for (k = 0; k < 2; k++) {
			entry = sge(to, buffer(to, k), BUF);
			client_post_rq(&rq[k], &entry, 1);
			memset(buffer(to, k), 0, BUF);
			posted[k] = rq[k].head;
		}
		f = udp_frame(&node[0], mac, 100, 0);
		put_unaligned_be16(3000 + i / 2, f + 34);
		send_frame(&node[0], 100, 0, 0);
		settle();
		assert_non_null(cqe_next(&to->rcq));
		assert_null(client_peek_cq(&to->rcq));
		for (k = 0; k < 2; k++)
			used[k] += buffer(to, k)[14] == 0x45;
		assert_int_equal(used[0] + used[1], i + 1);
		if (i & 1)
			assert_int_equal(used[0] % 2, 0);
		(void)posted;
		assert_int_equal(sent(&node[0], i), 0);
	}
	assert_true(used[0] > 4 && used[1] > 4);
	assert_int_equal(client_destroy_flow(&to->flow), 0);
	assert_int_equal(client_destroy_by_number(&to->c, MLX5_CMD_OP_DESTROY_TIR, tir), 0);
	assert_int_equal(client_destroy_by_number(&to->c, MLX5_CMD_OP_DESTROY_RQT, rqt), 0);
	for (i = 0; i < 2; i++)
		assert_int_equal(client_destroy_wq(&rq[i], MLX5_CMD_OP_DESTROY_RQ), 0);
	assert_int_equal(client_create_flow(&to->c, &to->tir, 1, TAG, &to->flow), 0);
}

/* Without a rule, and with a queue that is not ready. */
static void test_not_ready(void **state)
{
	u8 mac[6];

	(void)state;
	mac_of(&node[1], mac);
	post_buffers(&node[1], 4);
	udp_frame(&node[0], mac, 100, 0);
	assert_int_equal(client_destroy_flow(&node[1].flow), 0);
	send_frame(&node[0], 100, 0, 0);
	assert_int_equal(sent(&node[0], 0), 0);
	assert_int_equal(COUNT(&node[1], drop_steering), 1);
	assert_int_equal(client_create_flow(&node[1].c, &node[1].tir, 1, TAG, &node[1].flow), 0);
	assert_int_equal(client_modify_rq(&node[1].rq, WQ_RDY, WQ_ERR), 0);
	send_frame(&node[0], 100, 0, 0);
	assert_int_equal(sent(&node[0], 1), 0);
	nothing(&node[1]);
	assert_int_equal(COUNT(&node[1], drop_rx_buffer), 1);
}

/* The port goes down and up, and moves to another segment. */
static void move(struct eth_node *n, u32 segment, bool up)
{
	struct mhca_instance *inst = n->vmm->inst;

	mutex_lock(&inst->cmd_lock);
	inst->port.segment = segment;
	inst->port.up = up;
	soft_switch_update(soft_instance(inst));
	mutex_unlock(&inst->cmd_lock);
}

static void test_moves(void **state)
{
	u8 mac[6], *f;

	(void)state;
	mac_of(&node[1], mac);
	post_buffers(&node[1], 8);
	udp_frame(&node[0], mac, 100, 0);
	move(&node[1], 5, false);
	send_frame(&node[0], 100, 0, 0);
	assert_int_equal(sent(&node[0], 0), 0);
	nothing(&node[1]);
	move(&node[1], 5, true);
	send_frame(&node[0], 100, 0, 0);
	received(&node[1], &f);
	assert_int_equal(sent(&node[0], 1), 0);
	move(&node[1], 9, true);
	send_frame(&node[0], 100, 0, 0);
	assert_int_equal(sent(&node[0], 2), 0);
	nothing(&node[1]);
	udp_frame(&node[2], mac, 100, 0);
	send_frame(&node[2], 100, 0, 0);
	received(&node[1], &f);
	move(&node[0], 9, true);
	send_frame(&node[0], 100, 0, 0);
	received(&node[1], &f);
	assert_int_equal(sent(&node[0], 3), 0);
}

/* ---- An uplink that keeps what it gets ------------------------------------------------- */

static struct soft_port uplink;
static u8 host_frame[70000];
static u32 host_len, host_mss, host_packets, host_again;
static int host_carrier = -1;

static enum soft_result host_take(void *owner, const struct soft_packet *packet)
{
	assert_ptr_equal(owner, &uplink);
	if (host_again && host_again--)
		return SOFT_AGAIN;
	memcpy(host_frame, packet->head, packet->head_len);
	assert_int_equal(soft_packet_read(packet, 0, host_frame + packet->head_len,
					  packet->body_len), SOFT_OK);
	host_len = packet->head_len + packet->body_len;
	host_mss = packet->mss;
	host_packets++;
	return SOFT_OK;
}

static void host_carrier_set(void *owner, bool on)
{
	assert_ptr_equal(owner, &uplink);
	host_carrier = on;
}

static const struct soft_uplink_ops host_ops = {
	.xmit = host_take,
	.carrier = host_carrier_set,
};

static void uplink_up(u32 segment)
{
	memset(&uplink, 0, sizeof(uplink));
	hca.uplink_ops = &host_ops;
	host_packets = 0;
	host_again = 0;
	host_carrier = -1;
	soft_port_init(&uplink, SOFT_PORT_UPLINK, &uplink);
	uplink.up = true;
	assert_int_equal(soft_port_attach(&hca.sw, &uplink, segment), 0);
	soft_switch_carrier(&hca, segment);
}

static void uplink_down(void)
{
	soft_port_detach(&hca.sw, &uplink);
	soft_port_fini(&uplink);
}

/* The host sends @len bytes at @frame: how soft_route_packet() ended, in the end. */
static enum soft_result host_send(const u8 *frame, u32 len)
{
	static struct soft_packet packet;
	struct soft_progress progress = { 0 };
	enum soft_result result;
	u32 frames, idx;

	memset(&packet, 0, sizeof(packet));
	packet.from = &uplink;
	packet.head_len = min(len, SOFT_HEAD_PULL);
	memcpy(packet.head, frame, packet.head_len);
	packet.body.n = 1;
	packet.body.seg[0].inline_data = frame;
	packet.body.seg[0].len = len;
	packet.body.len = len;
	packet.body_at = packet.head_len;
	packet.body_len = len - packet.head_len;
	packet.sum_l4 = true;
	assert_true(soft_packet_parse(&packet));
	do {
		frames = 4;
		idx = srcu_read_lock(&hca.srcu);
		result = soft_route_packet(&hca, &packet, &progress, &frames);
		srcu_read_unlock(&hca.srcu, idx);
		shim_clock_advance(30000);
	} while (result == SOFT_MORE || result == SOFT_AGAIN);
	return result;
}

static void test_to_uplink(void **state)
{
	u8 nobody[6] = { 2, 9, 9, 9, 9, 9 }, all[6] = { 255, 255, 255, 255, 255, 255 }, mac[6];
	struct mlx5_wqe_eth_seg *eth;
	struct tx tx;
	u8 head[54], *f;

	(void)state;
	uplink_up(5);
	post_buffers(&node[1], 8);
	udp_frame(&node[0], nobody, 900, 0);
	send_frame(&node[0], 900, 20, 0);
	assert_int_equal(sent(&node[0], 0), 0);
	assert_int_equal(host_packets, 1);
	assert_int_equal(host_len, 900);
	assert_memory_equal(host_frame, node[0].mem.va, 900);
	/* What an instance has is not the host's business; a group is everybody's. */
	mac_of(&node[1], mac);
	udp_frame(&node[0], mac, 100, 0);
	send_frame(&node[0], 100, 0, 0);
	received(&node[1], &f);
	assert_int_equal(host_packets, 1);
	udp_frame(&node[0], all, 100, 0);
	host_again = 3;
	send_frame(&node[0], 100, 0, 0);
	received(&node[1], &f);
	assert_int_equal(host_packets, 2);
	nothing(&node[1]);
	/* Waited for, but charged once. */
	assert_int_equal(soft_instance(node[0].vmm->inst)->port->flood.level,
			 SOFT_FLOOD_BURST - 1);
	/* Forged: not to the host either. */
	node[0].mem.va[6] ^= 4;
	send_frame(&node[0], 100, 0, 0);
	settle();
	assert_int_equal(host_packets, 2);
	/* A large send stays one packet. */
	udp_frame(&node[0], nobody, 54, 0);
	memcpy(head, node[0].mem.va, 54);
	head[23] = 6;
	put_unaligned_be16(0x5018, head + 46);
	tx_begin(&tx, MLX5_OPCODE_LSO);
	eth = tx_eth(&tx, head, 54);
	eth->mss = cpu_to_be16(1000);
	tx_data(&tx, (uintptr_t)node[0].mem.va, 65536, node[0].key);
	tx_post(&node[0], &tx);
	settle();
	assert_int_equal(host_packets, 3);
	assert_int_equal(host_len, 54 + 65536);
	assert_int_equal(host_mss, 1000);
	assert_memory_equal(host_frame + 54, node[0].mem.va, 65536);
	/* Another segment's instance does not reach it. */
	udp_frame(&node[2], all, 100, 0);
	send_frame(&node[2], 100, 0, 0);
	settle();
	assert_int_equal(host_packets, 3);
	uplink_down();
}

/* A large send to a group: each receiver gets all of its frames. */
static void test_large_group(void **state)
{
	u8 all[6] = { 255, 255, 255, 255, 255, 255 }, head[42], *f;
	struct tx tx;
	u32 i, k;

	(void)state;
	move(&node[2], 5, true);
	post_buffers(&node[1], 8);
	post_buffers(&node[2], 8);
	udp_frame(&node[0], all, 42, 0);
	memcpy(head, node[0].mem.va, 42);
	engine_fill(node[0].mem.va, 5000, 9);
	tx_begin(&tx, MLX5_OPCODE_LSO);
	tx_eth(&tx, head, 42)->mss = cpu_to_be16(1000);
	tx_data(&tx, (uintptr_t)node[0].mem.va, 5000, node[0].key);
	tx_post(&node[0], &tx);
	for (i = 1; i < 3; i++) {
		for (k = 0; k < 5; k++) {
			received(&node[i], &f);
			assert_memory_equal(f + 42, node[0].mem.va + 1000 * k, 1000);
		}
		nothing(&node[i]);
	}
	assert_int_equal(sent(&node[0], 0), 0);
}

/* As a netdev has it: a PA key, WQEs of one entry, pages that are not pinned yet. */
static void test_pa_key(void **state)
{
	struct client_mkey_attr attr = { .pa = true, .length64 = true, .qpn = CLIENT_ANY_QP,
					 .access = CLIENT_LOCAL_WRITE };
	struct eth_node *to = &node[1];
	struct client_sge entry;
	struct client_wq rq;
	u32 key, i, tir;
	u8 mac[6];

	(void)state;
	mac_of(to, mac);
	attr.pd = to->pd;
	assert_int_equal(client_create_mkey(&to->c, &attr, &key), 0);
	assert_int_equal(client_destroy_flow(&to->flow), 0);
	assert_int_equal(client_create_rq(&to->c, to->pd, &to->rcq, 10, 4, true, &rq), 0);
	assert_int_equal(client_modify_rq(&rq, WQ_RST, WQ_RDY), 0);
	assert_int_equal(client_create_tir(&to->c, to->td, rq.number, NULL, &tir), 0);
	assert_int_equal(client_create_flow(&to->c, &tir, 1, TAG, &to->flow), 0);
	for (i = 0; i < 40; i++) {
		entry.addr = client_iova(&to->c, buffer(to, i * 2)) + 64;
		entry.len = 1536;
		entry.lkey = key;
		client_post_rq(&rq, &entry, 1);
	}
	for (i = 0; i < 40; i++) {
		udp_frame(&node[0], mac, 98 + i, 0);
		send_frame(&node[0], 98 + i, 0, 0);
		settle();
		assert_non_null(cqe_next(&to->rcq));
		assert_memory_equal(buffer(to, i * 2) + 64, node[0].mem.va, 98 + i);
		assert_int_equal(sent(&node[0], i), 0);
	}
	assert_int_equal(COUNT(to, drop_rx_buffer), 0);
	assert_int_equal(client_destroy_flow(&to->flow), 0);
	assert_int_equal(client_destroy_by_number(&to->c, MLX5_CMD_OP_DESTROY_TIR, tir), 0);
	assert_int_equal(client_destroy_wq(&rq, MLX5_CMD_OP_DESTROY_RQ), 0);
	assert_int_equal(client_destroy_mkey(&to->c, key), 0);
	assert_int_equal(client_create_flow(&to->c, &to->tir, 1, TAG, &to->flow), 0);
}

/* Two queues ring the same register: the later store hides the earlier one. */
static void test_hidden_doorbell(void **state)
{
	struct eth_node *n = &node[0];
	struct client_wq second;
	struct client_wq first;
	u8 mac[6], *f;
	u32 i;

	(void)state;
	mac_of(&node[1], mac);
	assert_int_equal(client_create_sq(&n->c, n->pd, n->tis, &n->scq, RING, &second), 0);
	assert_int_equal(client_modify_sq(&second, WQ_RST, WQ_RDY), 0);
	udp_frame(n, mac, 100, 0);
	for (i = 0; i < 20; i++) {
		post_buffers(&node[1], 2);
		settle();
		send_frame(n, 100, 0, 0);
		first = n->sq;
		n->sq = second;
		send_frame(n, 100, 0, 0);
		second = n->sq;
		n->sq = first;
		received(&node[1], &f);
		received(&node[1], &f);
		assert_non_null(cqe_next(&n->scq));
		assert_non_null(cqe_next(&n->scq));
	}
	assert_int_equal(client_destroy_wq(&second, MLX5_CMD_OP_DESTROY_SQ), 0);
}

static void test_from_uplink(void **state)
{
	u8 all[6] = { 255, 255, 255, 255, 255, 255 }, mac[6], *f;
	struct mlx5_cqe64 *cqe;
	u8 *frame;

	(void)state;
	uplink_up(5);
	post_buffers(&node[0], 2);
	post_buffers(&node[1], 3);
	post_buffers(&node[2], 1);
	mac_of(&node[1], mac);
	frame = udp_frame(&node[2], mac, 1400, 0);	/* any source is the host's */
	assert_int_equal(host_send(frame, 1400), SOFT_OK);
	cqe = received(&node[1], &f);
	assert_int_equal(be32_to_cpu(cqe->byte_cnt), 1400);
	assert_int_equal(cqe->hds_ip_ext & 7, CQE_L2_OK | CQE_L4_OK);
	assert_memory_equal(f + 42, frame + 42, 1400 - 42);
	nothing(&node[0]);
	memcpy(frame, all, 6);
	assert_int_equal(host_send(frame, 1400), SOFT_OK);
	received(&node[0], &f);
	received(&node[1], &f);
	nothing(&node[2]);
	assert_int_equal(host_packets, 0);		/* no loop */
	/* Nobody has it: nobody gets it. */
	memcpy(frame, "\2\7\7\7\7\7", 6);
	assert_int_equal(host_send(frame, 1400), SOFT_OK);
	nothing(&node[0]);
	nothing(&node[1]);
	assert_int_equal(soft_port_dropped(&uplink, SOFT_DROP_UNKNOWN), 1);
	/* A receiver without buffers is waited for, then the frame is lost. */
	memcpy(frame, mac, 6);
	assert_int_equal(host_send(frame, 1400), SOFT_OK);
	received(&node[1], &f);
	assert_int_equal(host_send(frame, 1400), SOFT_OK);
	nothing(&node[1]);
	assert_int_equal(COUNT(&node[1], drop_rx_buffer), 1);
	uplink_down();
}

static void test_carrier(void **state)
{
	(void)state;
	uplink_up(5);
	assert_int_equal(host_carrier, 1);
	move(&node[0], 5, false);
	assert_int_equal(host_carrier, 1);
	move(&node[1], 5, false);
	assert_int_equal(host_carrier, 0);
	move(&node[1], 5, true);
	assert_int_equal(host_carrier, 1);
	move(&node[1], 9, true);
	assert_int_equal(host_carrier, 0);
	move(&node[2], 5, true);
	assert_int_equal(host_carrier, 1);
	uplink_down();
	uplink_up(4);
	assert_int_equal(host_carrier, 0);
	uplink_down();
}

#define TEST(name) cmocka_unit_test_setup_teardown(test_##name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(unicast), TEST(checksum), TEST(vlan), TEST(large_send), TEST(broadcast),
		TEST(isolation), TEST(no_buffer), TEST(small_buffer), TEST(bad_buffer),
		TEST(broken_wqes), TEST(broken_frames), TEST(record), TEST(wrap), TEST(nop),
		TEST(idle), TEST(rss), TEST(not_ready), TEST(moves),
		TEST(large_group), TEST(hidden_doorbell), TEST(pa_key), TEST(to_uplink), TEST(from_uplink), TEST(carrier),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
