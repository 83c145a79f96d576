// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * A guest with an Ethernet port goes on in another instance: frames, queues in each state,
 * who of them gets a frame. Its rules: test_migrate_flow.c; RoCE: test_migrate_roce.c; and
 * what its port is: test_migrate_port.c.
 */
#include "eth_rig.h"
#include "migrate_rig.h"

static void move(struct eth_node *n)
{
	migrate_move(n->vmm);
}

static int exec(struct eth_node *n, void *in, u32 len, u16 opcode)
{
	u32 out[4];

	MLX5_SET(create_rq_in, in, opcode, opcode);
	return client_exec(&n->c, in, len, out, sizeof(out));
}

/* ---- Frames ------------------------------------------------------------------- */

/* From one to the other, with a tag if @vlan is not 0. */
static void frame_to(u32 from, u32 to, u32 len, u16 vlan)
{
	u8 mac[6], *frame;

	post_buffers(&node[to], 1);
	mac_of(&node[to], mac);
	udp_frame(&node[from], mac, len, vlan);
	send_frame(&node[from], len, 18, 0);
	assert_int_equal(sent(&node[from], node[from].sq.head - 1), 0);
	assert_int_equal(be32_to_cpu(received(&node[to], &frame)->byte_cnt), len - (vlan ? 4 : 0));
	assert_memory_equal(frame, node[from].mem.va, 12);
	assert_memory_equal(frame + (vlan ? 14 : 18), node[from].mem.va + 18, len - 18);
}

static void test_frames(void **state)
{
	u32 round;

	for (round = 0; round < 40; round++) {
		frame_to(round & 1, !(round & 1), 64 + dice(1400), dice(2) * 5);
		move(&node[dice(2)]);
	}
	frame_to(0, 1, 100, 0);
	/* One that moves to a segment takes its address with it, and nothing stays behind. */
	node_move(&node[0], 9, true);
	frame_to(0, 2, 100, 0);
	move(&node[0]);
	frame_to(2, 0, 100, 0);
	nothing(&node[1]);
}

/* What was posted is sent once, wherever the guest was when the lane came to it. */
static void test_posted(void **state)
{
	u32 round, turns, i;
	u8 mac[6], *frame;

	mac_of(&node[1], mac);
	for (round = 0; round < 40; round++) {
		u16 at = node[0].sq.head;

		post_buffers(&node[1], 4);
		udp_frame(&node[0], mac, 500 + round, 0);
		for (i = 0; i < 4; i++)
			send_frame(&node[0], 500 + round, 18, 0);
		for (turns = dice(4); turns; turns--)
			lanes_turn(&hca);
		move(&node[0]);
		for (i = 0; i < 4; i++) {
			assert_int_equal(be32_to_cpu(received(&node[1], &frame)->byte_cnt),
					 500 + round);
			assert_memory_equal(frame, node[0].mem.va, 500 + round);
			assert_int_equal(sent(&node[0], at + i), 0);
		}
		nothing(&node[1]);
	}
}

/* A large send that is interrupted begins anew: frames come twice, and none is missing. */
static void test_large_send(void **state)
{
	u32 total = 20000, mss = 1000, hdr = 54, frames = 0, before = 0, at = 0;
	struct mlx5_cqe64 *cqe = NULL;
	u8 mac[6], head[54], *f;
	struct tx tx;

	mac_of(&node[1], mac);
	memcpy(head, udp_frame(&node[0], mac, 54, 0), 54);
	head[23] = 6;
	put_unaligned_be16(0x5018, head + 46);
	engine_fill(node[0].mem.va, total, 3);
	tx_begin(&tx, MLX5_OPCODE_LSO);
	tx_eth(&tx, head, hdr)->mss = cpu_to_be16(mss);
	tx_data(&tx, (uintptr_t)node[0].mem.va, total, node[0].key);
	tx_post(&node[0], &tx);
	post_buffers(&node[1], 5);
	while (!cqe || at < total) {
		if (!(cqe = cqe_next(&node[1].rcq))) {
			shim_clock_advance(30000);
			lanes_turn(&hca);
			continue;
		}
		f = buffer(&node[1], be16_to_cpu(cqe->wqe_counter) % 16);
		assert_int_equal(be32_to_cpu(cqe->byte_cnt), hdr + mss);
		at = get_unaligned_be32(f + 38) - get_unaligned_be32(head + 38);
		assert_memory_equal(f + hdr, node[0].mem.va + at, mss);
		at += mss;
		post_buffers(&node[1], 1);
		if (++frames == 3) {
			move(&node[0]);
			before = frames;
		}
	}
	assert_true(before && frames >= 20 + before);
	assert_int_equal(sent(&node[0], 0), 0);
	nothing(&node[1]);
}

/* ---- Queues --------------------------------------------------------------------- */

/* One that has failed flushes on; one that was made ready waits for its doorbell. */
static void test_send_queue(void **state)
{
	struct eth_node *n = &node[0];
	u8 state_now;
	u32 i;

	for (i = 0; i < 5; i++)
		frame_to(0, 1, 100, 0);
	shim_fail_send(1);
	send_frame(n, 100, 0, 0);
	assert_int_equal(sent(n, 5), MLX5_CQE_SYNDROME_LOCAL_QP_OP_ERR);
	move(n);
	assert_int_equal(client_query_sq(&n->sq, &state_now), 0);
	assert_int_equal(state_now, WQ_ERR);
	send_frame(n, 100, 0, 0);
	assert_int_equal(sent(n, 6), MLX5_CQE_SYNDROME_WR_FLUSH_ERR);

	/* The driver's recovery: the record says what it said. */
	assert_int_equal(client_modify_sq(&n->sq, WQ_ERR, WQ_RST), 0);
	move(n);
	assert_int_equal(client_modify_sq(&n->sq, WQ_RST, WQ_RDY), 0);
	for (i = 0; i < 2; i++) {
		settle();
		assert_null(client_peek_cq(&n->scq));
		nothing(&node[1]);
		move(n);
	}
	frame_to(0, 1, 100, 0);
	/* Rung before, and not looked at. */
	assert_int_equal(client_modify_sq(&n->sq, WQ_RDY, WQ_RST), 0);
	assert_int_equal(client_modify_sq(&n->sq, WQ_RST, WQ_RDY), 0);
	post_buffers(&node[1], 1);
	send_frame(n, 100, 0, 0);
	move(n);
	assert_int_equal(sent(n, 0), 0);
	settle();
	assert_non_null(cqe_next(&node[1].rcq));
}

static void strip(struct eth_node *n, bool on)
{
	u32 in[MLX5_ST_SZ_DW(modify_rq_in)] = { 0 };

	MLX5_SET(modify_rq_in, in, rqn, n->rq.number);
	MLX5_SET(modify_rq_in, in, rq_state, WQ_RDY);
	MLX5_SET64(modify_rq_in, in, modify_bitmask, MLX5_MODIFY_RQ_IN_MODIFY_BITMASK_VSD);
	MLX5_SET(modify_rq_in, in, ctx.state, WQ_RDY);
	MLX5_SET(modify_rq_in, in, ctx.vsd, !on);
	assert_int_equal(exec(n, in, sizeof(in), MLX5_CMD_OP_MODIFY_RQ), 0);
}

static void test_receive_queue(void **state)
{
	struct eth_node *n = &node[1];
	u8 mac[6], *frame;
	u32 i;

	/* Buffers that were posted before. */
	post_buffers(n, 3);
	move(n);
	for (i = 0; i < 20; i++) {
		frame_to(0, 1, 100, 5);
		if (i == 7)
			move(n);
	}
	/* Tags that are kept. */
	strip(n, false);
	move(n);
	mac_of(n, mac);
	udp_frame(&node[0], mac, 100, 5);
	send_frame(&node[0], 100, 18, 0);
	assert_int_equal(be32_to_cpu(received(n, &frame)->byte_cnt), 100);
	assert_memory_equal(frame, node[0].mem.va, 100);
	assert_int_equal(sent(&node[0], node[0].sq.head - 1), 0);
	/* One that is not ready takes nothing, and begins anew. */
	assert_int_equal(client_modify_rq(&n->rq, WQ_RDY, WQ_ERR), 0);
	move(n);
	send_frame(&node[0], 100, 18, 0);
	assert_int_equal(sent(&node[0], node[0].sq.head - 1), 0);
	nothing(n);
	assert_int_equal(client_modify_rq(&n->rq, WQ_ERR, WQ_RST), 0);
	move(n);
	assert_int_equal(client_modify_rq(&n->rq, WQ_RST, WQ_RDY), 0);
	frame_to(0, 1, 100, 0);
}

/* ---- Who gets it ------------------------------------------------------------------ */

static struct soft_rqs *rqs_of(struct eth_node *n, u32 rqt)
{
	return ((struct soft_rqt *)mhca_object_find(n->vmm->inst, MHCA_RQT, rqt))->rqs;
}

static struct soft_tir_attr *attr_of(struct eth_node *n, u32 tir)
{
	return ((struct soft_tir *)mhca_object_find(n->vmm->inst, MHCA_TIR, tir))->attr;
}

/* An RQT of at most 3, with one. */
static u32 rqt_new(struct eth_node *n, u32 rqn)
{
	u8 in[MLX5_ST_SZ_BYTES(create_rqt_in) + 4] = { 0 };
	u32 out[MLX5_ST_SZ_DW(create_rqt_out)];

	MLX5_SET(create_rqt_in, in, opcode, MLX5_CMD_OP_CREATE_RQT);
	MLX5_SET(create_rqt_in, in, rqt_context.rqt_max_size, 3);
	MLX5_SET(create_rqt_in, in, rqt_context.rqt_actual_size, 1);
	MLX5_SET(create_rqt_in, in, rqt_context.rq_num[0], rqn);
	assert_int_equal(client_exec(&n->c, in, sizeof(in), out, sizeof(out)), 0);
	return MLX5_GET(create_rqt_out, out, rqtn);
}

static void rqt_list(struct eth_node *n, u32 rqt, const u32 *rqn, u32 count)
{
	u8 in[MLX5_ST_SZ_BYTES(modify_rqt_in) + 12] = { 0 };
	u32 i;

	MLX5_SET(modify_rqt_in, in, rqtn, rqt);
	MLX5_SET(modify_rqt_in, in, bitmask.rqn_list, 1);
	MLX5_SET(modify_rqt_in, in, ctx.rqt_actual_size, count);
	for (i = 0; i < count; i++)
		MLX5_SET(modify_rqt_in, in, ctx.rq_num[i], rqn[i]);
	assert_int_equal(exec(n, in, MLX5_ST_SZ_BYTES(modify_rqt_in) + 4 * count,
			      MLX5_CMD_OP_MODIFY_RQT), 0);
}

/* The list that was made or changed last, also of queues that were not in the first one. */
static void test_rqt(void **state)
{
	struct eth_node *n = &node[1];
	struct client_wq rq[3];
	u32 rqn[3], rqt, i;

	for (i = 0; i < 3; i++) {
		assert_int_equal(client_create_rq(&n->c, n->pd, &n->rcq, RING, 6, true, &rq[i]), 0);
		rqn[i] = rq[i].number;
	}
	rqt = rqt_new(n, rqn[0]);
	move(n);
	assert_int_equal(rqs_of(n, rqt)->n, 1);
	rqt_list(n, rqt, rqn, 3);
	move(n);
	assert_int_equal(rqs_of(n, rqt)->n, 3);
	for (i = 0; i < 3; i++)
		assert_int_equal(rqs_of(n, rqt)->rq[i]->obj.num, rqn[i]);
	rqt_list(n, rqt, rqn + 1, 2);
	assert_int_equal(client_destroy_wq(&rq[0], MLX5_CMD_OP_DESTROY_RQ), 0);
	move(n);
	assert_int_equal(rqs_of(n, rqt)->n, 2);
	assert_int_equal(rqs_of(n, rqt)->rq[0]->obj.num, rqn[1]);
	assert_int_not_equal(client_destroy_wq(&rq[1], MLX5_CMD_OP_DESTROY_RQ), 0);
	assert_int_equal(client_destroy_by_number(&n->c, MLX5_CMD_OP_DESTROY_RQT, rqt), 0);
	for (i = 1; i < 3; i++)
		assert_int_equal(client_destroy_wq(&rq[i], MLX5_CMD_OP_DESTROY_RQ), 0);
}

static void test_tir(void **state)
{
	struct eth_node *n = &node[1];
	u32 in[MLX5_ST_SZ_DW(modify_tir_in)] = { 0 }, rqt, tir, i;
	void *fields = MLX5_ADDR_OF(modify_tir_in, in, ctx.rx_hash_field_selector_outer);
	struct soft_tir_attr before, *after;
	u8 key[40];

	for (i = 0; i < sizeof(key); i++)
		key[i] = i * 7;
	rqt = rqt_new(n, n->rq.number);
	assert_int_equal(client_create_tir(&n->c, n->td, rqt, key, &tir), 0);
	for (i = 0; i < 2; i++) {
		before = *attr_of(n, tir);
		move(n);
		after = attr_of(n, tir);
		assert_int_equal(after->rqt->obj.num, rqt);
		assert_null(after->rq);
		assert_int_equal(after->rqt->obj.users, 1);
		before.rqt = after->rqt;
		assert_memory_equal(&before, after, sizeof(before));
		MLX5_SET(modify_tir_in, in, tirn, tir);
		MLX5_SET(modify_tir_in, in, bitmask.hash, 1);
		MLX5_SET(modify_tir_in, in, bitmask.self_lb_en, 1);
		MLX5_SET(modify_tir_in, in, ctx.self_lb_block, 3);
		MLX5_SET(modify_tir_in, in, ctx.rx_hash_fn, MLX5_RX_HASH_FN_INVERTED_XOR8);
		MLX5_SET(modify_tir_in, in, ctx.rx_hash_symmetric, 1);
		memset(MLX5_ADDR_OF(modify_tir_in, in, ctx.rx_hash_toeplitz_key), 0x5a, 40);
		MLX5_SET(rx_hash_field_select, fields, l3_prot_type, 1);
		MLX5_SET(rx_hash_field_select, fields, l4_prot_type, 1);
		MLX5_SET(rx_hash_field_select, fields, selected_fields, 0x1f);
		assert_int_equal(exec(n, in, sizeof(in), MLX5_CMD_OP_MODIFY_TIR), 0);
		assert_true(attr_of(n, tir)->own_unicast);
	}
	assert_int_equal(client_destroy_by_number(&n->c, MLX5_CMD_OP_DESTROY_TIR, tir), 0);
	assert_int_equal(client_destroy_by_number(&n->c, MLX5_CMD_OP_DESTROY_RQT, rqt), 0);
}

/* ---- Images that are wrong --------------------------------------------------------- */

/**
 * struct more - what an image has beside the rig's objects
 * @rqt: RQT with the rig's queue
 * @tir: TIR of it
 * @counter: Q counter
 * @cq: of @qp
 * @qp: datagram QP in a group
 */
struct more {
	u32 rqt;
	u32 tir;
	u32 counter;
	struct client_cq cq;
	struct client_qp qp;
};

static void more_open(struct eth_node *n, struct more *more)
{
	u32 in[MLX5_ST_SZ_DW(alloc_q_counter_in)] = { 0 }, out[MLX5_ST_SZ_DW(alloc_q_counter_out)];
	static const u8 gid[16] = { 0xfe, 0x80, [15] = 1 }, group[16] = { 0xff, 0x12, [15] = 9 };
	u8 key[40] = { 7 }, mac[6];
	struct client_cq_attr cq;
	struct client_qp_attr qp;
	struct client_modify m;

	mac_of(n, mac);
	assert_int_equal(client_enable_roce(&n->c), 0);
	assert_int_equal(client_set_roce_address(&n->c, 3, gid, mac, 77, CLIENT_ROCE_V2_IPV6), 0);
	more->rqt = rqt_new(n, n->rq.number);
	assert_int_equal(client_create_tir(&n->c, n->td, more->rqt, key, &more->tir), 0);
	MLX5_SET(alloc_q_counter_in, in, opcode, MLX5_CMD_OP_ALLOC_Q_COUNTER);
	assert_int_equal(client_exec(&n->c, in, sizeof(in), out, sizeof(out)), 0);
	more->counter = MLX5_GET(alloc_q_counter_out, out, counter_set_id);
	client_cq_attr_init(&cq, 4);
	assert_int_equal(client_create_cq(&n->c, &cq, &more->cq), 0);
	client_qp_attr_init(&qp, MLX5_QP_ST_UD, n->pd, &more->cq);
	assert_int_equal(client_create_qp(&n->c, &qp, &more->qp), 0);
	client_modify_init(&m);
	assert_int_equal(client_connect_qp(&more->qp, &m), 0);
	assert_int_equal(client_attach_mcast(&more->qp, group), 0);
}

static void more_close(struct eth_node *n, struct more *more)
{
	u32 in[MLX5_ST_SZ_DW(dealloc_q_counter_in)] = { 0 };

	assert_int_equal(client_destroy_qp(&more->qp), 0);
	assert_int_equal(client_destroy_cq(&more->cq), 0);
	MLX5_SET(dealloc_q_counter_in, in, counter_set_id, more->counter);
	assert_int_equal(exec(n, in, sizeof(in), MLX5_CMD_OP_DEALLOC_Q_COUNTER), 0);
	assert_int_equal(client_destroy_by_number(&n->c, MLX5_CMD_OP_DESTROY_TIR, more->tir), 0);
	assert_int_equal(client_destroy_by_number(&n->c, MLX5_CMD_OP_DESTROY_RQT, more->rqt), 0);
}

static u32 image_of(struct eth_node *n, struct more *more)
{
	more_open(n, more);
	post_buffers(n, 3);
	settle();
	stop(n->vmm->inst);
	return save(n->vmm->inst);
}

/* The source goes on as if nothing had been. */
static void abort_move(struct more *more)
{
	u32 i;

	assert_int_equal(mhca_instance_run(node[0].vmm->inst, MHCA_RUN_ALL), 0);
	more_close(&node[0], more);
	for (i = 0; i < 5; i++)
		frame_to(1, 0, 100, 0);
	frame_to(0, 1, 100, 0);
}

static void test_truncated(void **state)
{
	const u32 record = sizeof(struct mhca_record);
	u32 len, at, cut, body;
	struct more more;

	len = image_of(&node[0], &more);
	for (at = 0; at < len; at += record + body) {
		body = body_of(at);
		for (cut = 0; cut < record + body; cut += cut < 24 ? 1 : 1 + dice(200))
			assert_int_equal(attempt(node[0].vmm, image, at + cut, NULL), -EINVAL);
	}
	assert_int_equal(attempt(node[0].vmm, image, len, NULL), 0);
	abort_move(&more);
}

/* Each byte of what is not capabilities; of these some. What is loaded may be saved again. */
static void test_spoiled(void **state)
{
	const u32 record = sizeof(struct mhca_record);
	u32 len, start, at, end, step, refused = 0;
	static u8 good[IMAGE_MAX];
	struct mhca_instance *to;
	struct more more;

	len = image_of(&node[0], &more);
	memcpy(good, image, len);
	for (start = 0; start < len; start = end) {
		memcpy(image, good, len);
		end = start + record + body_of(start);
		step = good[start] == MHCA_IMAGE_CAPS ? 200 : 1;
		for (at = start; at < end; at += 1 + dice(step)) {
			memcpy(image, good, len);
			image[at] ^= 1 << dice(8);
			if (!dice(4))
				image[at] = dice(2) ? 0xff : 0;
			to = target(node[0].vmm);
			if (load(to, image, len, NULL))
				refused++;
			else
				save(to);
			mhca_instance_destroy(to);
		}
	}
	assert_true(refused > 500);
	abort_move(&more);
}

/* States of queues that there are not, and objects that are not there. */
static void test_wrong(void **state)
{
	static const u8 states[] = { 2, 4, 0xff };
	struct mhca_record record;
	u32 len, at, i, body;
	struct more more;
	const u8 *what;

	len = image_of(&node[0], &more);
	for (i = 0; i < ARRAY_SIZE(states); i++) {
		refused_with(node[0].vmm, len, state_of(len, MHCA_RQ, node[0].rq.number),
			     &states[i], 1);
		refused_with(node[0].vmm, len, state_of(len, MHCA_SQ, node[0].sq.number),
			     &states[i], 1);
	}
	/* Without one object, whichever it is: nobody may name it then. One TIR has no user. */
	for (at = 0; at < len; at += sizeof(record) + body) {
		body = body_of(at);
		what = image + at + sizeof(record);
		if (image[at] != MHCA_IMAGE_OBJECT ||
		    (get_unaligned_be16(what + 8) == MLX5_CMD_OP_CREATE_TIR &&
		     get_unaligned_le32(what) == more.tir))
			continue;
		record = (struct mhca_record){
			.tag = cpu_to_le16(99), .flags = cpu_to_le16(MHCA_IMAGE_OPTIONAL),
			.length = cpu_to_le32(body),
		};
		refused_with(node[0].vmm, len, image + at, &record, sizeof(record));
	}
	abort_move(&more);
}

/* ---- Memory ------------------------------------------------------------------------- */

/* Each allocation fails once, in turn: of what is loaded, of what is saved, of the move. */
static void test_no_memory(void **state)
{
	struct vmm_user *vmm = node[0].vmm;
	s64 pinned = vmm->pinned;
	struct mhca_instance *to;
	struct mhca_save *stream;
	char why[200] = "";
	struct more more;
	u32 len, n;
	bool ended;
	int err;

	len = image_of(&node[0], &more);
	pinned = vmm->pinned;
	for (n = 1, ended = false; !ended; n++) {
		to = target(vmm);
		shim_fail_nth(n);
		err = load(to, image, len, why);
		ended = !shim_failed();
		shim_fail_nth(0);
		if (err != (ended ? 0 : -ENOMEM))
			fail_msg("allocation %u: %d: %s", n, err, why);
		mhca_instance_destroy(to);
		assert_int_equal(vmm->pinned, pinned);
	}
	assert_true(n > 50);
	for (n = 1, ended = false; !ended; n++) {
		shim_fail_nth(n);
		stream = mhca_save_begin(vmm->inst);
		err = IS_ERR(stream) ? PTR_ERR(stream) : mhca_save_stop(stream);
		ended = !shim_failed();
		shim_fail_nth(0);
		assert_true(ended ? !err : err == -ENOMEM);
		if (!IS_ERR(stream))
			mhca_save_end(stream);
	}
	/* Who has taken a place keeps it: what fails then is put right when policy is set. */
	len = save(vmm->inst);
	for (n = 1, ended = false; !ended; n++) {
		to = target(vmm);
		assert_int_equal(load(to, image, len, NULL), 0);
		shim_fail_nth(n);
		err = mhca_instance_run(to, MHCA_RUN_RESPONDER);
		ended = !shim_failed();
		shim_fail_nth(0);
		assert_int_equal(err, 0);
		mhca_policy_apply(to, &to->policy);
		vmm_user_switch(vmm, to);
		assert_int_equal(mhca_instance_run(to, MHCA_RUN_NONE), 0);
		len = save(to);
	}
	assert_true(n > 2);
	abort_move(&more);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(frames),
		TEST(posted),
		TEST(large_send),
		TEST(send_queue),
		TEST(receive_queue),
		TEST(rqt),
		TEST(tir),
		TEST(truncated),
		TEST(spoiled),
		TEST(wrong),
		TEST(no_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
