// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * An instance moves to another one of the same HCA while its guest's connections carry
 * traffic: everything arrives once and whole, and the peer notices nothing. And images
 * that are not what they should be.
 */
#include "engine.h"
#include "migrate_rig.h"

static void move(struct engine_node *node)
{
	migrate_move(node->vmm);
}

/* ---- Traffic --------------------------------------------------------------------- */

#define SLOTS		4
#define SLOT_BYTES	(ENGINE_BYTES / 4 / SLOTS)

/* One message of each kind at once, both ways, on a QP each; then somebody moves. */
static void traffic(struct engine *e, struct engine_pair *pair, u32 round, u32 who)
{
	static const u8 opcodes[] = {
		MLX5_OPCODE_SEND, MLX5_OPCODE_RDMA_WRITE, MLX5_OPCODE_RDMA_WRITE_IMM,
		MLX5_OPCODE_RDMA_READ,
	};
	u32 lens[2][SLOTS], i, side, turns;
	struct client_send wr;
	struct client_sge sge;
	struct client_wc wc;
	u64 *counter[2], sum[2];

	for (side = 0; side < 2; side++) {
		struct engine_node *me = &e->node[side], *peer = &e->node[!side];
		u64 out = 0, in = ENGINE_BYTES / 2;

		/* Quarters: what is sent, what is read, what arrives, the counter. */
		counter[side] = (u64 *)(me->mem.va + ENGINE_BYTES * 3 / 4);
		sum[side] = *counter[side];
		for (i = 0; i < SLOTS; i++) {
			lens[side][i] = 1 + dice(SLOT_BYTES);
			engine_fill(me->mem.va + out + i * SLOT_BYTES, lens[side][i],
				    round * 16 + side * 8 + i);
			engine_recv(&pair->qp[side], me, 100 + i, in + (i == 2 ? 2 : 0) * SLOT_BYTES,
				    SLOT_BYTES);
			if (i == 1)
				break;
		}
		for (; i < SLOTS; i++) {
			lens[side][i] = 1 + dice(SLOT_BYTES);
			engine_fill(me->mem.va + out + i * SLOT_BYTES, lens[side][i],
				    round * 16 + side * 8 + i);
		}
		(void)peer;
	}
	for (side = 0; side < 2; side++) {
		struct engine_node *me = &e->node[side], *peer = &e->node[!side];
		u64 in = ENGINE_BYTES / 2;

		for (i = 0; i < SLOTS; i++) {
			sge = engine_sge(me, i * SLOT_BYTES, lens[side][i]);
			wr = engine_send(opcodes[i], &sge);
			wr.wr_id = 200 + i;
			wr.rkey = peer->key;
			wr.remote_addr = (uintptr_t)peer->mem.va + in + i * SLOT_BYTES;
			if (opcodes[i] == MLX5_OPCODE_RDMA_READ) {
				/* The peer's slot 3, into what nobody writes. */
				sge = engine_sge(me, ENGINE_BYTES / 4, lens[!side][i]);
				wr.remote_addr = (uintptr_t)peer->mem.va + i * SLOT_BYTES;
			}
			engine_post(&pair->qp[side], &wr);
		}
		sge = engine_sge(me, ENGINE_BYTES * 3 / 4 + 64, 8);
		wr = engine_send(MLX5_OPCODE_ATOMIC_FA, &sge);
		wr.wr_id = 200 + SLOTS;
		wr.rkey = peer->key;
		wr.remote_addr = (uintptr_t)peer->mem.va + ENGINE_BYTES * 3 / 4;
		wr.swap_add = 3 + side;
		engine_post(&pair->qp[side], &wr);
		client_arm_cq(&me->cq, false);
	}
	for (turns = dice(40); turns; turns--)
		lanes_turn(&e->hca);
	move(&e->node[who]);
	if (!dice(3))
		move(&e->node[!who]);

	for (side = 0; side < 2; side++) {
		u32 sent = 0, received = 0;

		while (sent <= SLOTS || received < 2) {
			wc = engine_wc(e, &e->node[side].cq);
			assert_int_equal(wc.status, 0);
			if (wc.wr_id >= 200)
				assert_int_equal(wc.wr_id, 200 + sent++);
			else
				assert_int_equal(wc.wr_id, 100 + received++);
		}
	}
	engine_settle(e);
	for (side = 0; side < 2; side++) {
		struct engine_node *me = &e->node[side];

		engine_no_wc(e, &me->cq);
		/* SEND, WRITE, WRITE_IMM of the peer; own READ; the peer's atomic, once. */
		for (i = 0; i < 3; i++)
			assert_true(engine_is(me->mem.va + ENGINE_BYTES / 2 + i * SLOT_BYTES,
					      lens[!side][i], round * 16 + !side * 8 + i));
		assert_true(engine_is(me->mem.va + ENGINE_BYTES / 4, lens[!side][3],
				      round * 16 + !side * 8 + 3));
		assert_int_equal(*counter[side], sum[side] + 3 + !side);
	}
}

static void test_rc(void **state)
{
	struct engine *e = *state;
	struct engine_pair pair;
	u32 round;

	engine_connect(e, MLX5_QP_ST_RC, &pair, NULL);
	for (round = 0; round < 60; round++)
		traffic(e, &pair, round, dice(2));
	assert_int_equal(atomic64_read(&e->node[0].vmm->inst->counters.qp_errors), 0);
	engine_disconnect(&pair);
}

/* The receiver moves in the middle of a SEND: it holds the receive WQE, wherever it is. */
static void test_held(void **state)
{
	struct engine *e = *state;
	struct engine_pair pair;
	struct client_send wr;
	struct client_sge sge;
	struct client_wc wc;
	u32 who, i;

	engine_connect(e, MLX5_QP_ST_RC, &pair, NULL);
	for (who = 0; who < 2; who++) {
		engine_recv(&pair.qp[1], &e->node[1], 7, 0, 1 << 20);
		engine_recv(&pair.qp[1], &e->node[1], 8, 1 << 20, 1 << 20);
		engine_fill(e->node[0].mem.va, 1 << 20, who);
		sge = engine_sge(&e->node[0], 0, 1 << 20);
		wr = engine_send(MLX5_OPCODE_SEND, &sge);
		engine_post(&pair.qp[0], &wr);
		engine_post(&pair.qp[0], &wr);
		for (i = 0; i < 4; i++)
			lanes_turn(&e->hca);
		assert_true(soft_qp_find(e->node[1].vmm->inst, pair.qp[1].qpn)->rsp.busy);
		move(&e->node[who]);
		for (i = 0; i < 2; i++) {
			wc = engine_wc(e, &e->node[1].cq);
			assert_int_equal(wc.status, 0);
			assert_int_equal(wc.wr_id, 7 + i);
			assert_true(engine_is(e->node[1].mem.va + (i << 20), 1 << 20, who));
			assert_int_equal(engine_wc(e, &e->node[0].cq).status, 0);
		}
	}
	engine_disconnect(&pair);
}

/* Armed and moved: the event comes, once. */
static void test_arm(void **state)
{
	struct engine *e = *state;
	struct engine_node *b = &e->node[1];
	struct engine_pair pair;
	struct client_send wr;
	struct client_sge sge;
	struct mlx5_eqe eqe;
	u32 i;

	engine_connect(e, MLX5_QP_ST_RC, &pair, NULL);
	for (i = 0; i < 4; i++) {
		engine_recv(&pair.qp[1], b, 7, 0, 64);
		/* The store to the doorbell page was seen, or it was not. */
		client_arm_cq(&b->cq, false);
		if (i & 1)
			engine_settle(e);
		move(b);
		sge = engine_sge(&e->node[0], 0, 64);
		wr = engine_send(MLX5_OPCODE_SEND, &sge);
		engine_post(&pair.qp[0], &wr);
		assert_int_equal(client_wait_eq(&b->c.comp_eq, &eqe, 1000), 0);
		assert_int_equal(be32_to_cpu(eqe.data.comp.cqn) & 0xffffff, b->cq.cqn);
		assert_int_equal(engine_wc(e, &b->cq).wr_id, 7);
		assert_int_equal(engine_wc(e, &e->node[0].cq).status, 0);
		engine_settle(e);
		assert_false(client_poll_eq(&b->c.comp_eq, &eqe));
	}
	engine_disconnect(&pair);
}

/* What was posted and not rung, and what is posted to a QP in error after the move. */
static void test_error_state(void **state)
{
	struct engine *e = *state;
	struct engine_node *a = &e->node[0];
	struct engine_pair pair;
	struct client_send wr;
	struct client_sge sge;

	engine_connect(e, MLX5_QP_ST_RC, &pair, NULL);
	assert_int_equal(client_modify_qp(&pair.qp[0], MLX5_CMD_OP_2ERR_QP, NULL), 0);
	move(a);
	assert_int_equal(engine_qp_state(&pair.qp[0]), MLX5_QP_STATE_ERR);
	/* A receive rings no doorbell, and after that no page is looked at for another reason. */
	engine_pass(e, 200 * NSEC_PER_MSEC);
	engine_recv(&pair.qp[0], a, 9, 0, 64);
	engine_pass(e, 200 * NSEC_PER_MSEC);
	assert_int_equal(engine_wc(e, &a->cq).status, MLX5_CQE_SYNDROME_WR_FLUSH_ERR);
	sge = engine_sge(a, 0, 64);
	wr = engine_send(MLX5_OPCODE_SEND, &sge);
	engine_post(&pair.qp[0], &wr);
	engine_pass(e, 200 * NSEC_PER_MSEC);
	assert_int_equal(engine_wc(e, &a->cq).status, MLX5_CQE_SYNDROME_WR_FLUSH_ERR);
	engine_reconnect(&pair);
	traffic(e, &pair, 1, 0);
	engine_disconnect(&pair);
}

/* UD, a multicast group, and receives through an SRQ whose limit is armed. */
static void test_ud_srq(void **state)
{
	struct engine *e = *state;
	struct engine_node *a = &e->node[0], *b = &e->node[1];
	u8 gid[16] = { 0xff, 0x12, [15] = 9 };
	struct client_srq_attr srq_attr = {
		.type = CLIENT_SRQ, .pd = b->pd, .log_size = 4, .max_sge = 1,
	};
	struct client_modify modify;
	struct client_qp_attr attr;
	struct client_path path;
	struct client_qp qp[2];
	struct client_send wr;
	struct client_srq srq;
	struct client_sge sge;
	struct client_wc wc;
	u32 i, n;

	assert_int_equal(client_create_srq(&b->c, &srq_attr, &srq), 0);
	for (i = 0; i < 2; i++) {
		client_qp_attr_init(&attr, MLX5_QP_ST_UD, e->node[i].pd, &e->node[i].cq);
		if (i) {
			attr.srq = &srq;
			attr.log_rq = CLIENT_NO_QUEUE;
		}
		assert_int_equal(client_create_qp(&e->node[i].c, &attr, &qp[i]), 0);
		engine_modify(&e->node[!i], 0, &modify);
		assert_int_equal(client_connect_qp(&qp[i], &modify), 0);
	}
	assert_int_equal(client_attach_mcast(&qp[1], gid), 0);
	for (n = 0; n < 20; n++) {
		sge = engine_sge(b, 0, 2048);
		for (i = 0; i < 2; i++)
			assert_int_equal(client_post_srq(&srq, n * 2 + i, &sge, 1), 0);
		if (n % 2)
			move(&e->node[n / 2 % 2]);
		engine_fill(a->mem.va, 1000, n);
		sge = engine_sge(a, 0, 1000);
		wr = engine_send(MLX5_OPCODE_SEND, &sge);
		engine_path(b, &path);
		wr.path = &path;
		wr.qkey = ENGINE_QKEY;
		wr.dqpn = qp[1].qpn;
		engine_post(&qp[0], &wr);
		assert_int_equal(engine_wc(e, &a->cq).status, 0);
		wc = engine_wc(e, &b->cq);
		assert_int_equal(wc.status, 0);
		assert_int_equal(wc.src_qpn, qp[0].qpn);
		assert_true(engine_is(b->mem.va + 40, 1000, n));

		path.grh = true;
		path.dlid = 0xc009;
		memcpy(path.dgid, gid, sizeof(gid));
		wr.dqpn = 0xffffff;
		engine_post(&qp[0], &wr);
		assert_int_equal(engine_wc(e, &a->cq).status, 0);
		assert_int_equal(engine_wc(e, &b->cq).status, 0);
	}
	for (i = 0; i < 2; i++)
		assert_int_equal(client_destroy_qp(&qp[i]), 0);
	assert_int_equal(client_destroy_srq(&srq), 0);
}

/* Numbers that were given, and those that come next. */
static void test_numbers(void **state)
{
	struct engine *e = *state;
	struct engine_node *a = &e->node[0];
	u32 pd[3], uar, xrcd, key, i;

	for (i = 0; i < 2; i++)
		assert_int_equal(client_alloc_pd(&a->c, &pd[i]), 0);
	assert_int_equal(client_alloc_uar(&a->c, &uar), 0);
	assert_int_equal(client_alloc_xrcd(&a->c, &xrcd), 0);
	assert_int_equal(client_reg_mr(&a->c, pd[1], a->mem.va, 3 * PAGE_SIZE,
				       CLIENT_ALL_ACCESS, &key), 0);
	assert_int_equal(client_dealloc_pd(&a->c, pd[0]), 0);
	for (i = 0; i < 2; i++) {
		move(a);
		assert_int_not_equal(client_dealloc_pd(&a->c, pd[0]), 0);
		assert_int_equal(client_alloc_pd(&a->c, &pd[2]), 0);
		assert_int_equal(pd[2], pd[1] + 1 + i);
		if (!i)
			assert_int_equal(client_dealloc_pd(&a->c, pd[2]), 0);
	}
	assert_int_not_equal(client_dealloc_pd(&a->c, pd[1]), 0);
	assert_int_equal(client_destroy_mkey(&a->c, key), 0);
	assert_int_equal(client_dealloc_pd(&a->c, pd[1]), 0);
	assert_int_equal(client_dealloc_pd(&a->c, pd[2]), 0);
	assert_int_equal(client_dealloc_uar(&a->c, uar), 0);
	assert_int_equal(client_dealloc_xrcd(&a->c, xrcd), 0);
}

/* ---- Kinds ----------------------------------------------------------------------- */

static void test_kinds(void **state)
{
	struct engine *e = *state;
	const struct mhca_object_ops *ops;
	u32 kind;

	for (kind = 0; kind < MHCA_OBJECT_KINDS; kind++) {
		ops = mhca_object_ops(e->node[0].vmm->inst, kind);
		if (ops && !mhca_object_has_codec(ops))
			fail_msg("%s", mhca_object_name(kind));
	}
}

/* Only what stands still. */
static void test_early(void **state)
{
	struct engine *e = *state;
	struct mhca_instance *inst = e->node[0].vmm->inst;
	struct mhca_save *s = mhca_save_begin(inst);

	assert_int_equal(mhca_save_stop(s), -EBUSY);
	assert_int_equal(mhca_instance_run(inst, MHCA_RUN_RESPONDER), 0);
	assert_int_equal(mhca_save_stop(s), -EBUSY);
	assert_int_equal(mhca_instance_run(inst, MHCA_RUN_NONE), 0);
	assert_int_equal(mhca_save_stop(s), 0);
	mhca_save_end(s);
	assert_int_equal(mhca_instance_run(inst, MHCA_RUN_ALL), 0);
}

/* ---- Images that are wrong ------------------------------------------------------------ */

static u32 image_of_pair(struct engine *e, struct engine_pair *pair)
{
	struct client_send wr;
	struct client_sge sge;
	u32 i;

	engine_connect(e, MLX5_QP_ST_RC, pair, NULL);
	engine_recv(&pair->qp[0], &e->node[0], 7, 0, 1 << 20);
	sge = engine_sge(&e->node[1], 0, 1 << 20);
	wr = engine_send(MLX5_OPCODE_SEND, &sge);
	engine_post(&pair->qp[1], &wr);
	for (i = 0; i < 4; i++)
		lanes_turn(&e->hca);
	stop(e->node[0].vmm->inst);
	return save(e->node[0].vmm->inst);
}

/* The source goes on after that as if nothing had been. */
static void abort_pair(struct engine *e, struct engine_pair *pair)
{
	assert_int_equal(mhca_instance_run(e->node[0].vmm->inst, MHCA_RUN_ALL), 0);
	assert_int_equal(engine_wc(e, &e->node[0].cq).wr_id, 7);
	assert_int_equal(engine_wc(e, &e->node[1].cq).status, 0);
	engine_disconnect(pair);
}

static void test_truncated(void **state)
{
	struct engine *e = *state;
	const u32 record = sizeof(struct mhca_record);
	struct engine_pair pair;
	u32 len, at, cut, body;

	len = image_of_pair(e, &pair);
	for (at = 0; at < len; at += record + body) {
		body = body_of(at);
		for (cut = 0; cut < record + body; cut += cut < 24 ? 1 : 1 + dice(200))
			assert_int_equal(attempt(e->node[0].vmm, image, at + cut, NULL), -EINVAL);
	}
	assert_int_equal(attempt(e->node[0].vmm, image, len, NULL), 0);
	abort_pair(e, &pair);
}

static void test_spoiled(void **state)
{
	struct engine *e = *state;
	struct mhca_instance *to;
	struct engine_pair pair;
	u32 len, at, refused = 0;
	u8 old;

	len = image_of_pair(e, &pair);
	for (at = 0; at < len; at += at < 64 ? 1 : 1 + dice(24)) {
		old = image[at];
		image[at] ^= 1 << dice(8);
		if (!dice(4))
			image[at] = dice(2) ? 0xff : 0;
		to = target(e->node[0].vmm);
		if (load(to, image, len, NULL))
			refused++;
		mhca_instance_destroy(to);
		image[at] = old;
	}
	assert_true(refused > 100);
	abort_pair(e, &pair);
}

static void test_wrong(void **state)
{
	struct engine *e = *state;
	struct engine_node *a = &e->node[0];
	struct mhca_instance *to;
	struct engine_pair pair;
	char why[200];
	u32 len, early;

	len = image_of_pair(e, &pair);
	image[sizeof(struct mhca_record) + 8]++;
	assert_int_equal(attempt(a->vmm, image, len, why), -EOPNOTSUPP);
	assert_non_null(strstr(why, "version"));
	image[sizeof(struct mhca_record) + 8]--;
	image[0] = MHCA_IMAGE_TAGS + 3;
	assert_int_equal(attempt(a->vmm, image, len, why), -EOPNOTSUPP);
	image[0] = MHCA_IMAGE_HEADER;

	/* Refused by what can be read before the source stops. */
	to = target(a->vmm);
	to->quota.max[MHCA_QP] = 16;
	early = sizeof(struct mhca_record) + body_of(0);
	early += sizeof(struct mhca_record) + body_of(early);
	assert_int_equal(load(to, image, early, why), -EINVAL);
	assert_non_null(strstr(why, "QP"));
	mhca_instance_destroy(to);
	to = target(a->vmm);
	to->port.segment = 77;
	assert_int_equal(load(to, image, len, why), -EINVAL);
	assert_non_null(strstr(why, "segment"));
	mhca_instance_destroy(to);
	/* Too little memory for what it has registered. */
	to = target(a->vmm);
	to->gmem.limit = 64;
	assert_int_equal(load(to, image, len, why), -EINVAL);
	assert_non_null(strstr(why, "0x"));
	mhca_instance_destroy(to);
	abort_pair(e, &pair);
}

/* Records that nobody knows are skipped if they say so. */
static void test_unknown(void **state)
{
	struct engine *e = *state;
	struct engine_pair pair;
	struct mhca_record odd = { .tag = cpu_to_le16(99), .length = cpu_to_le32(300) };
	u32 len, head;

	len = image_of_pair(e, &pair);
	head = sizeof(odd) + body_of(0);
	memmove(image + head + sizeof(odd) + 300, image + head, len - head);
	memcpy(image + head, &odd, sizeof(odd));
	len += sizeof(odd) + 300;
	assert_int_equal(attempt(e->node[0].vmm, image, len, NULL), -EOPNOTSUPP);
	odd.flags = cpu_to_le16(MHCA_IMAGE_OPTIONAL);
	memcpy(image + head, &odd, sizeof(odd));
	assert_int_equal(attempt(e->node[0].vmm, image, len, NULL), 0);
	abort_pair(e, &pair);
}

/* Nobody becomes an instance that has not given its image away, or that goes on. */
static void test_identity(void **state)
{
	struct engine *e = *state;
	struct engine_node *a = &e->node[0];
	u64 guid = a->vmm->inst->id.node_guid;
	struct mhca_instance *to, *second;
	struct engine_pair pair;
	u32 len;

	len = image_of_pair(e, &pair);
	to = target(a->vmm);
	second = target(a->vmm);
	assert_int_equal(load(to, image, len, NULL), 0);
	assert_int_equal(load(second, image, len, NULL), 0);
	/* The source was told to go on. */
	assert_int_equal(mhca_instance_run(a->vmm->inst, MHCA_RUN_RESPONDER), 0);
	assert_int_equal(mhca_instance_run(to, MHCA_RUN_RESPONDER), -EADDRINUSE);
	/* It stands still again, and its image is another one. */
	stop(a->vmm->inst);
	len = save(a->vmm->inst);
	assert_int_equal(mhca_instance_run(to, MHCA_RUN_RESPONDER), -EADDRINUSE);
	mhca_instance_destroy(to);
	mhca_instance_destroy(second);
	to = target(a->vmm);
	second = target(a->vmm);
	assert_int_equal(load(to, image, len, NULL), 0);
	assert_int_equal(load(second, image, len, NULL), 0);
	assert_int_equal(mhca_instance_run(to, MHCA_RUN_RESPONDER), 0);
	assert_int_equal(to->id.node_guid, guid);
	assert_int_not_equal(a->vmm->inst->id.node_guid, guid);
	assert_int_equal(mhca_instance_run(second, MHCA_RUN_RESPONDER), -EADDRINUSE);
	mhca_instance_destroy(second);
	vmm_user_switch(a->vmm, to);
	abort_pair(e, &pair);
}

/* Another weight is no other address: it keeps those that it came with. */
static void test_policy(void **state)
{
	struct engine *e = *state;
	struct engine_node *a = &e->node[0];
	u64 guid = a->vmm->inst->id.node_guid, port = a->vmm->inst->id.port_guid;
	struct mhca_policy policy;
	u8 mac[6];

	memcpy(mac, a->vmm->inst->id.mac, sizeof(mac));
	move(a);
	policy = a->vmm->inst->policy;
	policy.value[MHCA_POLICY_WEIGHT] = 50;
	mhca_policy_apply(a->vmm->inst, &policy);
	assert_int_equal(a->vmm->inst->quota.weight, 50);
	assert_int_equal(a->vmm->inst->id.node_guid, guid);
	assert_int_equal(a->vmm->inst->id.port_guid, port);
	assert_memory_equal(a->vmm->inst->id.mac, mac, sizeof(mac));
}

/* The device does not know how far a guest has read: of command events it may be far behind. */
static void test_eq_index(void **state)
{
	struct engine *e = *state;
	struct engine_node *a = &e->node[0];
	struct mhca_eq *eq;
	u32 eqn;

	for (eqn = 1; eqn < MHCA_MAX_EQ; eqn++) {
		eq = a->vmm->inst->core->eq[eqn];
		if (eq)
			eq->ci = (eq->pi - (5U << eq->log_size)) & 0xffffff;
	}
	move(a);
	for (eqn = 1; eqn < MHCA_MAX_EQ; eqn++) {
		eq = a->vmm->inst->core->eq[eqn];
		if (eq)
			assert_int_equal((eq->pi - eq->ci) & 0xffffff, 1U << eq->log_size);
	}
	assert_int_equal(client_query_mac(&a->c, (u8[6]){}) != -ETIMEDOUT, 1);
}

int main(void)
{
#define TEST(name)	cmocka_unit_test_setup_teardown(test_##name, engine_setup, engine_teardown)
	const struct CMUnitTest tests[] = {
		TEST(rc),
		TEST(held),
		TEST(arm),
		TEST(error_state),
		TEST(ud_srq),
		TEST(numbers),
		TEST(kinds),
		TEST(early),
		TEST(truncated),
		TEST(spoiled),
		TEST(wrong),
		TEST(unknown),
		TEST(identity),
		TEST(policy),
		TEST(eq_index),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
