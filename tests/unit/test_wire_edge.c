// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Over packets: unreliable connections, packets of strangers and broken ones, connections
 * that change between the wire and direct delivery.
 */
#include <mhca/policy.h>
#include <mhca/migrate.h>
#include "wire_rig.h"

#define MTU	1024U

static u8 *memory(u32 side, u32 at)
{
	return (u8 *)rig.w->g[side].buf.va + at;
}

/* ---- Unreliable connections ------------------------------------------------------ */

static struct {
	u32 nth;
	u32 n;
} lose;

static bool lose_nth(struct rig *r, u32 from, const struct wire_packet *packet)
{
	(void)r;
	(void)packet;
	return from || ++lose.n != lose.nth;
}

/* A message that loses a packet is not there, and its receive WQE is the next one's. */
static void unreliable(void **state)
{
	struct pair p;
	u32 i;

	(void)state;
	rig_open(&p, MLX5_QP_ST_UC, NULL);
	rig.judge = lose_nth;
	recv_one(&p, 1, 7, RIG_TO, 5 * MTU);
	for (i = 1; i <= 5; i++) {
		lose.nth = i;
		lose.n = 0;
		fill(memory(0, 0), 5 * MTU, i);
		rig_post(&p, 0, MLX5_OPCODE_SEND, 5 * MTU, 1);
		rig_expect(0, 1, 0);
		rig_quiet(NSEC_PER_MSEC);
		lose.nth = 0;
		rig_post(&p, 0, MLX5_OPCODE_SEND_IMM, 5 * MTU - i, 2);
		rig_expect(0, 2, 0);
		rig_expect(1, 7, 0);
		assert_filled(memory(1, RIG_TO), 5 * MTU - i, i);
		recv_one(&p, 1, 7, RIG_TO, 5 * MTU);
	}
	rig_post(&p, 0, MLX5_OPCODE_RDMA_WRITE_IMM, 3 * MTU, 3);
	rig_expect(0, 3, 0);
	rig_expect(1, 7, 0);
	/* Nobody is there: the sender does not know. */
	rig_post(&p, 0, MLX5_OPCODE_SEND, 3 * MTU, 4);
	rig_expect(0, 4, 0);
	rig_quiet(NSEC_PER_MSEC);
	assert_int_equal(counter(&rig.w->g[1], drop_no_buffer), 1);
	assert_int_equal(rig.seen[1], 0);
	assert_int_equal(qp_state(&p.qp[1]), MLX5_QP_STATE_RTS);
	pair_close(&p);
}

/* ---- XRC ---------------------------------------------------------------------------- */

static void xrc_modify(struct client_qp *qp, u32 side, u32 remote_qpn)
{
	struct client_modify m;

	client_modify_init(&m);
	roce_path(&rig.w->g[!side], !side + 1, &m.path);
	m.remote_qpn = remote_qpn;
	assert_ok(client_connect_qp(qp, &m));
}

/* The SRQ that a message names, and its PD for keys; over packets, and some are lost. */
static void xrc(void **state)
{
	struct world *w = *state;
	struct client_srq_attr srq_attr = {
		.type = CLIENT_XRC_SRQ, .pd = w->g[1].pd, .log_size = 4, .max_sge = 3,
		.cqn = w->g[1].cq.cqn,
	};
	static const u8 opcodes[] = {
		MLX5_OPCODE_SEND_IMM, MLX5_OPCODE_RDMA_WRITE, MLX5_OPCODE_RDMA_READ,
		MLX5_OPCODE_RDMA_WRITE_IMM,
	};
	struct client_srq srq[2];
	struct client_qp_attr attr;
	struct client_qp tx, rx;
	struct client_sge sge;
	struct client_wc wc;
	u32 xrcd[2], i;

	for (i = 0; i < 2; i++)
		assert_ok(client_alloc_xrcd(&w->g[i].c, &xrcd[i]));
	srq_attr.xrcd = xrcd[1];
	for (i = 0; i < 2; i++)
		assert_ok(client_create_srq(&w->g[1].c, &srq_attr, &srq[i]));
	client_qp_attr_init(&attr, MLX5_QP_ST_XRC, w->g[0].pd, &w->g[0].cq);
	attr.log_rq = CLIENT_NO_QUEUE;
	attr.xrcd = xrcd[0];
	assert_ok(client_create_qp(&w->g[0].c, &attr, &tx));
	client_qp_attr_init(&attr, MLX5_QP_ST_XRC, w->g[1].pd, &w->g[1].cq);
	attr.log_sq = CLIENT_NO_QUEUE;
	attr.log_rq = CLIENT_NO_QUEUE;
	attr.xrcd = xrcd[1];
	assert_ok(client_create_qp(&w->g[1].c, &attr, &rx));
	xrc_modify(&tx, 0, rx.qpn);
	xrc_modify(&rx, 1, tx.qpn);
	rig.loss = 50;
	for (i = 0; i < 24; i++) {
		u8 opcode = opcodes[i % 4];
		struct client_send wr = {
			.opcode = opcode, .wr_id = i, .flags = CLIENT_SIGNALED, .sge = &sge,
			.n_sge = 1, .xrc_srqn = srq[i / 4 & 1].srqn, .rkey = w->g[1].key,
			.remote_addr = (uintptr_t)memory(1, RIG_TO),
		};

		sge = sge_of(&w->g[1], RIG_TO, 5000);
		if (opcode == MLX5_OPCODE_SEND_IMM || opcode == MLX5_OPCODE_RDMA_WRITE_IMM)
			assert_ok(client_post_srq(&srq[i / 4 & 1], 100 + i, &sge, 1));
		fill(opcode == MLX5_OPCODE_RDMA_READ ? memory(1, RIG_TO) : memory(0, 0), 5000, i);
		sge = sge_of(&w->g[0], 0, 5000);
		assert_ok(client_post_send(&tx, &wr));
		rig_expect(0, i, 0);
		if (opcode == MLX5_OPCODE_SEND_IMM || opcode == MLX5_OPCODE_RDMA_WRITE_IMM) {
			wc = rig_wc(1);
			assert_int_equal(wc.wr_id, 100 + i);
			assert_ptr_equal(wc.srq, &srq[i / 4 & 1]);
		}
		assert_filled(opcode == MLX5_OPCODE_RDMA_READ ? memory(0, 0) : memory(1, RIG_TO),
			      5000, i);
	}
	assert_ok(client_destroy_qp(&tx));
	assert_ok(client_destroy_qp(&rx));
	for (i = 0; i < 2; i++) {
		assert_ok(client_destroy_srq(&srq[i]));
		assert_ok(client_dealloc_xrcd(&w->g[i].c, xrcd[i]));
	}
}

/* ---- Memory --------------------------------------------------------------------------- */

/* Pages that nobody has pinned yet, at either end: a packet waits for them, and is not lost. */
static void unpinned(void **state)
{
	static const u8 opcodes[] = {
		MLX5_OPCODE_SEND, MLX5_OPCODE_RDMA_WRITE, MLX5_OPCODE_RDMA_READ,
		MLX5_OPCODE_ATOMIC_FA,
	};
	struct world *w = *state;
	struct client_sge sge, recv;
	u32 key[2], i, at, len;
	struct pair p;

	for (i = 0; i < 2; i++) {
		struct client_mkey_attr attr = {
			.pd = w->g[i].pd, .access = CLIENT_ALL_ACCESS, .pa = true,
			.length64 = true, .qpn = CLIENT_ANY_QP,
		};

		assert_ok(client_create_mkey(&w->g[i].c, &attr, &key[i]));
	}
	rig_open(&p, MLX5_QP_ST_RC, NULL);
	for (i = 0; i < 40; i++) {
		u8 opcode = opcodes[i % 4];
		struct client_send wr = {
			.opcode = opcode, .wr_id = i, .flags = CLIENT_SIGNALED, .sge = &sge,
			.n_sge = 1, .rkey = key[1], .swap_add = 1,
		};

		at = i * CLIENT_PAGE;
		len = opcode == MLX5_OPCODE_ATOMIC_FA ? 8 : 4000;
		sge = (struct client_sge){ client_iova(&w->g[0].c, memory(0, at)), len, key[0] };
		recv = (struct client_sge){ client_iova(&w->g[1].c, memory(1, at)), len, key[1] };
		wr.remote_addr = recv.addr;
		fill(memory(0, at), len, 2 * i);
		fill(memory(1, at), len, 2 * i + 1);
		if (opcode == MLX5_OPCODE_SEND)
			assert_ok(client_post_recv(&p.qp[1], 7, &recv, 1));
		assert_ok(client_post_send(&p.qp[0], &wr));
		rig_expect(0, i, 0);
		if (opcode == MLX5_OPCODE_SEND)
			rig_expect(1, 7, 0);
		if (opcode == MLX5_OPCODE_ATOMIC_FA)
			continue;
		assert_filled(memory(1, at), len, 2 * i + (opcode == MLX5_OPCODE_RDMA_READ));
		assert_memory_equal(memory(0, at), memory(1, at), len);
	}
	for (i = 0; i < 2; i++) {
		assert_int_equal(counter(&w->g[i], drop_memory), 0);
		assert_int_equal(counter(&w->g[i], retries), 0);
	}
	pair_close(&p);
	for (i = 0; i < 2; i++)
		assert_ok(client_destroy_mkey(&w->g[i].c, key[i]));
}

/* ---- Strangers ---------------------------------------------------------------------- */

/* A WRITE of four bytes, the next that side 1 waits for; @spoil makes it another one. */
static void try_packet(struct pair *p, void (*spoil)(struct wire_packet *packet), u32 dropped)
{
	u64 before = counter(p->g[1], drop_wire);
	u8 bytes[4] = { 1, 2, 3, 4 }, none[4] = { 0 };
	struct wire_packet packet;
	u32 psn = rig.seen[0];

	memset(memory(1, RIG_TO), 0, 4);
	rig_packet(p, 1, WIRE_RC | WIRE_WRITE_ONLY, 0xfffff0, &packet);
	packet.va = (uintptr_t)memory(1, RIG_TO);
	packet.rkey = p->g[1]->key;
	packet.length = 4;
	packet.payload = 4;
	if (spoil)
		spoil(&packet);
	rig_inject(1, &packet, bytes);
	rig_run(100000);
	assert_memory_equal(memory(1, RIG_TO), dropped ? none : bytes, 4);
	assert_int_equal(counter(p->g[1], drop_wire) - before, dropped);
	assert_int_equal(rig.seen[0], psn);
}

static void other_source(struct wire_packet *packet)
{
	packet->sgid[15] ^= 4;
}

static void other_qp(struct wire_packet *packet)
{
	packet->dest_qpn += 5;
}

static void other_service(struct wire_packet *packet)
{
	packet->opcode = WIRE_UC | WIRE_WRITE_ONLY;
}

static void other_pkey(struct wire_packet *packet)
{
	packet->pkey = 0x8001;
}

static void tagged(struct wire_packet *packet)
{
	packet->vlan_valid = true;
	packet->vlan_tci = 5;
}

static void to_group_qp(struct wire_packet *packet)
{
	packet->dest_qpn = WIRE_QPN_MULTICAST;
}

static void to_mads(struct wire_packet *packet)
{
	packet->dest_qpn = 0;
}

static void strangers(void **state)
{
	static void (*const spoils[])(struct wire_packet *) = {
		other_source, other_qp, other_service, other_pkey, to_group_qp, to_mads,
	};
	struct world *w = *state;
	struct wire_packet packet;
	struct pair p;
	u32 i;

	rig_open(&p, MLX5_QP_ST_RC, NULL);
	for (i = 0; i < ARRAY_SIZE(spoils); i++)
		try_packet(&p, spoils[i], 1);
	/* In another VLAN, or to another address, it is not RoCE's: it goes to the netdev. */
	rig_packet(&p, 1, WIRE_RC | WIRE_WRITE_ONLY, 0xfffff0, &packet);
	tagged(&packet);
	rig_inject(1, &packet, NULL);
	rig_packet(&p, 1, WIRE_RC | WIRE_WRITE_ONLY, 0xfffff0, &packet);
	packet.dgid[15] ^= 8;
	rig_inject(1, &packet, NULL);
	assert_int_equal(counter(&w->g[1], drop_wire), ARRAY_SIZE(spoils));
	assert_int_equal(counter(&w->g[1], drop_steering), 2);
	assert_int_equal(rig.seen[1], 0);
	/* And that was no fault of the packet's. */
	try_packet(&p, NULL, 0);
	assert_int_equal(rig.seen[1], 1);
	rig_quiet(NSEC_PER_MSEC);
	pair_close(&p);
}

/* Each byte of a frame that its ICRC or a check covers, changed: it is lost, no more. */
static void damaged(void **state)
{
	struct world *w = *state;
	struct wire_packet packet;
	u8 frame[200] = { 0 }, bad[200];
	struct pair p;
	u32 i, head, crc, len;

	rig_open(&p, MLX5_QP_ST_RC, NULL);
	rig_packet(&p, 1, WIRE_RC | WIRE_WRITE_ONLY, 0xfffff0, &packet);
	packet.va = (uintptr_t)memory(1, RIG_TO);
	packet.rkey = w->g[1].key;
	packet.length = 5;
	packet.payload = 5;
	head = wire_build(&packet, frame);
	memset(frame + head, 0x55, 5);
	crc = wire_icrc_more(wire_icrc_head(&packet, frame, head), frame + head, 8);
	wire_icrc_put(crc, frame + head + 8);
	len = head + 12;
	memset(memory(1, RIG_TO), 0, 5);
	for (i = 14 + 40; i < len; i++) {
		/* UDP's own checksum, and what routers may write into the BTH */
		if (i == 14 + 40 + 6 || i == 14 + 40 + 7 || i == 14 + 48 + 4)
			continue;
		memcpy(bad, frame, len);
		bad[i] ^= 1 << i % 8;
		host_port_send(&rig.host[1], bad, len);
		settle(w);
		assert_int_equal(*memory(1, RIG_TO), 0);
	}
	for (i = 14; i < len; i++) {
		host_port_send(&rig.host[1], frame, i);
		settle(w);
		assert_int_equal(*memory(1, RIG_TO), 0);
	}
	assert_int_equal(rig.seen[1], 0);
	host_port_send(&rig.host[1], frame, len);
	settle(w);
	assert_int_equal(*memory(1, RIG_TO), 0x55);
	assert_int_equal(rig.seen[1], 1);
	pair_close(&p);
}

/* Nobody looks at an inbox: it has a bound. What is lost there is sent again. */
static void full_inbox(void **state)
{
	struct world *w = *state;
	struct wire_packet packet;
	u8 frame[200] = { 0 };
	struct pair p;
	u32 i, head;

	rig_open(&p, MLX5_QP_ST_RC, NULL);
	rig_packet(&p, 1, WIRE_RC | WIRE_SEND_ONLY, 77, &packet);
	head = wire_build(&packet, frame);
	for (i = 0; i < 1500; i++)
		host_port_send(&rig.host[1], frame, head + WIRE_ICRC_BYTES);
	assert_int_equal(counter(&w->g[1], drop_wire), 1500 - 1024);
	settle(w);
	assert_int_equal(counter(&w->g[1], drop_wire), 1500);
	recv_one(&p, 1, 7, RIG_TO, 100);
	rig_post(&p, 0, MLX5_OPCODE_SEND, 100, 1);
	rig_expect(1, 7, 0);
	rig_expect(0, 1, 0);
	pair_close(&p);
}

/* ---- A responder's rules --------------------------------------------------------------- */

static struct wire_packet last_answer;
static u32 answers;

static bool keep_answer(struct rig *r, u32 from, const struct wire_packet *packet)
{
	(void)r;
	if (from) {
		last_answer = *packet;
		answers++;
	}
	return false;
}

static void inject_send(struct pair *p, u8 operation, u32 psn, u32 payload)
{
	static const u8 bytes[4096];
	struct wire_packet packet;

	rig_packet(p, 1, WIRE_RC | operation, psn, &packet);
	packet.payload = payload;
	rig_inject(1, &packet, bytes);
}

static void expect_answer(u8 syndrome, u32 psn, u32 msn)
{
	assert_int_equal(answers, 1);
	assert_int_equal(last_answer.opcode, WIRE_RC | WIRE_ACK);
	assert_int_equal(last_answer.syndrome, syndrome);
	assert_int_equal(last_answer.psn, psn);
	assert_int_equal(last_answer.msn, msn);
	answers = 0;
}

static void acknowledgements(void **state)
{
	struct pair p;

	(void)state;
	rig_open(&p, MLX5_QP_ST_RC, NULL);
	rig.judge = keep_answer;
	answers = 0;
	recv_one(&p, 1, 7, RIG_TO, 10000);
	inject_send(&p, WIRE_SEND_FIRST, 0xfffff0, MTU);
	expect_answer(0x1f, 0xfffff0, 0);
	/* One is missing: said once, until it comes. */
	inject_send(&p, WIRE_SEND_MIDDLE, 0xfffff2, MTU);
	expect_answer(0x60, 0xfffff1, 0);
	inject_send(&p, WIRE_SEND_MIDDLE, 0xfffff3, MTU);
	assert_int_equal(answers, 0);
	inject_send(&p, WIRE_SEND_MIDDLE, 0xfffff1, MTU);
	expect_answer(0x1f, 0xfffff1, 0);
	inject_send(&p, WIRE_SEND_LAST, 0xfffff3, 9);
	expect_answer(0x60, 0xfffff2, 0);
	inject_send(&p, WIRE_SEND_LAST, 0xfffff2, 9);
	expect_answer(0x1f, 0xfffff2, 1);
	rig_expect(1, 7, 0);
	/* What was taken is acknowledged again, and not done again. */
	inject_send(&p, WIRE_SEND_LAST, 0xfffff2, 9);
	expect_answer(0x1f, 0xfffff2, 1);
	/* There is nothing that it could begin or go on with. */
	inject_send(&p, WIRE_SEND_ONLY, 0xfffff3, 9);
	expect_answer(0x21, 0xfffff3, 1);
	inject_send(&p, WIRE_SEND_MIDDLE, 0xfffff3, MTU);
	expect_answer(0x61, 0xfffff3, 1);
	assert_int_equal(qp_state(&p.qp[1]), MLX5_QP_STATE_ERR);
	inject_send(&p, WIRE_SEND_ONLY, 0xfffff3, 9);
	assert_int_equal(answers, 0);
	pair_close(&p);
}

static void too_many_reads(struct pair *p)
{
	struct wire_packet packet;
	u8 frame[200] = { 0 };
	u32 i, head, crc;

	for (i = 0; i < 5; i++) {
		rig_packet(p, 1, WIRE_RC | WIRE_READ_REQUEST, 0xfffff5 + i, &packet);
		packet.va = (uintptr_t)memory(1, RIG_TO);
		packet.rkey = p->g[1]->key;
		packet.length = 8;
		head = wire_build(&packet, frame);
		crc = wire_icrc_head(&packet, frame, head);
		wire_icrc_put(crc, frame + head);
		host_port_send(&rig.host[1], frame, head + WIRE_ICRC_BYTES);
	}
	settle(rig.w);
	assert_int_equal(answers, 5);
	assert_int_equal(last_answer.opcode, WIRE_RC | WIRE_ACK);
	assert_int_equal(last_answer.syndrome, 0x61);
	assert_int_equal(last_answer.psn, 0xfffff9);
	assert_int_equal(qp_state(&p->qp[1]), MLX5_QP_STATE_ERR);
}

/* More READs at once than the QP takes are refused; an answer begins where it is asked for. */
static void reads(void **state)
{
	struct world *w = *state;
	struct wire_packet packet;
	struct pair p;

	rig_open(&p, MLX5_QP_ST_RC, NULL);
	rig.judge = keep_answer;
	answers = 0;
	rig_packet(&p, 1, WIRE_RC | WIRE_READ_REQUEST, 0xfffff0, &packet);
	packet.va = (uintptr_t)memory(1, RIG_TO);
	packet.rkey = w->g[1].key;
	packet.length = 4 * MTU + 1;
	rig_inject(1, &packet, NULL);
	rig_run(10000);
	assert_int_equal(answers, 5);
	assert_int_equal(last_answer.opcode, WIRE_RC | WIRE_READ_LAST);
	assert_int_equal(last_answer.psn, 0xfffff4);
	assert_int_equal(last_answer.msn, 1);
	/* The last two packets of it once more. */
	answers = 0;
	packet.psn += 3;
	packet.va += 3 * MTU;
	packet.length -= 3 * MTU;
	rig_inject(1, &packet, NULL);
	rig_run(10000);
	assert_int_equal(answers, 2);
	assert_int_equal(last_answer.opcode, WIRE_RC | WIRE_READ_LAST);
	assert_int_equal(last_answer.psn, 0xfffff4);
	/* Another end than it had: that is no duplicate. */
	answers = 0;
	packet.length++;
	rig_inject(1, &packet, NULL);
	rig_run(10000);
	assert_int_equal(answers, 0);
	assert_int_equal(qp_state(&p.qp[1]), MLX5_QP_STATE_RTS);
	/* Four at once, of which none has been answered, are what it takes. */
	too_many_reads(&p);
	pair_close(&p);
}

/* ---- Changes --------------------------------------------------------------------------- */

static void move(u32 segment)
{
	struct guest *g = &rig.w->g[1];
	struct mhca_policy policy = g->vmm->inst->policy;

	policy.value[MHCA_POLICY_SEGMENT] = segment;
	mhca_policy_apply(g->vmm->inst, &policy);
}

/* The peer comes to this network and goes away, while the wire loses what it can. */
static void to_and_fro(void **state)
{
	struct world *w = *state;
	u64 *word = (u64 *)memory(1, RIG_TO), *old = (u64 *)memory(0, 0);
	struct client_sge sge = sge_of(&w->g[0], 0, 8);
	struct client_send add = {
		.opcode = MLX5_OPCODE_ATOMIC_FA, .wr_id = 9, .flags = CLIENT_SIGNALED, .sge = &sge,
		.n_sge = 1, .remote_addr = (uintptr_t)word, .rkey = w->g[1].key, .swap_add = 1,
	};
	struct pair p;
	u32 i, seen, len;

	rig_open(&p, MLX5_QP_ST_RC, NULL);
	rig.loss = 50;
	*word = 0;
	for (i = 0; i < 40; i++) {
		move(i % 2 ? 10 : 11);
		seen = rig.seen[0];
		assert_ok(client_post_send(&p.qp[0], &add));
		rig_expect(0, 9, 0);
		assert_int_equal(*old, i);
		assert_int_equal(*word, i + 1);
		len = 100 + i * 300;
		fill(memory(0, 4096), len, i);
		recv_one(&p, 1, 7, RIG_TO + 4096, len);
		sge = sge_of(&w->g[0], 4096, len);
		assert_ok(client_post_send(&p.qp[0], &(struct client_send){
			.opcode = MLX5_OPCODE_SEND, .wr_id = 3, .flags = CLIENT_SIGNALED,
			.sge = &sge, .n_sge = 1 }));
		rig_expect(0, 3, 0);
		rig_expect(1, 7, 0);
		assert_filled(memory(1, RIG_TO + 4096), len, i);
		sge = sge_of(&w->g[0], 0, 8);
		assert_int_equal(rig.seen[0] > seen, !(i % 2));
	}
	pair_close(&p);
}

/* In the middle of a message: it ends as packets, which the switch takes to the peer. */
static void comes_in_the_middle(void **state)
{
	struct pair p;
	u32 seen;

	(void)state;
	rig_open(&p, MLX5_QP_ST_RC, NULL);
	fill(memory(0, 0), 400000, 4);
	rig_post(&p, 0, MLX5_OPCODE_RDMA_WRITE, 400000, 1);
	rig_run(10000);
	move(10);
	seen = rig.seen[0];
	assert_true(seen > 10 && seen < 390);
	rig_expect(0, 1, 0);
	assert_filled(memory(1, RIG_TO), 400000, 4);
	assert_int_equal(rig.seen[0], seen);
	pair_close(&p);
}

/* What was answered over packets is in no image: it is not saved, and goes on where it is. */
static void stays(void **state)
{
	struct mhca_instance *inst = rig.w->g[0].vmm->inst;
	struct mhca_save *save;
	struct pair p;

	(void)state;
	rig_open(&p, MLX5_QP_ST_RC, NULL);
	fill(memory(0, 0), 100000, 4);
	rig_post(&p, 0, MLX5_OPCODE_RDMA_WRITE, 100000, 1);
	rig_run(10000);
	save = mhca_save_begin(inst);
	assert_false(IS_ERR(save));
	assert_int_equal(mhca_instance_run(inst, MHCA_RUN_NONE), 0);
	assert_int_equal(mhca_save_stop(save), -EOPNOTSUPP);
	mhca_save_end(save);
	assert_int_equal(mhca_instance_run(inst, MHCA_RUN_ALL), 0);
	rig_expect(0, 1, 0);
	assert_filled(memory(1, RIG_TO), 100000, 4);
	pair_close(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		rig_test(unreliable),
		rig_test(xrc),
		rig_test(unpinned),
		rig_test(strangers),
		rig_test(damaged),
		rig_test(full_inbox),
		rig_test(acknowledgements),
		rig_test(reads),
		rig_test(to_and_fro),
		rig_test(comes_in_the_middle),
		rig_test(stays),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
