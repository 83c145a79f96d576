// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * A key changes on its owner's lane while a peer's lane copies through it: lanes and
 * commands on threads of their own, the real clock. Run under TSan as well.
 */
#include <unistd.h>

#include "umr_rig.h"

#define PAGES	128
#define LEN	(PAGES * PAGE_SIZE)
#define ROUNDS	40
#define WRITES	8
#define MARK	0xee

/* Returns at once when the completion is there: what moves after it has no other chance. */
static void umr_do(struct rig *r, struct umr *u)
{
	struct mlx5_wqe_ctrl_seg *ctrl = (void *)u->raw;
	struct client_wc wc;
	u32 tries = 0;

	ctrl->qpn_ds = cpu_to_be32(r->driver.qpn << 8 | u->ds);
	assert_ok(client_post_raw(&r->driver, 77, u->raw, u->ds));
	while (!client_poll_cq(&r->owner->cq, 1, &wc))
		assert_true(tries++ < 100000000);
	assert_int_equal(wc.wr_id, 77);
	assert_int_equal(wc.status, 0);
}

/* More than a turn's worth of bytes, from the peer's lane. */
static void start_writes(struct rig *r, u32 key)
{
	struct client_sge sge = sge_of(r->p.g[1], 0, LEN);
	struct client_send wr = {
		.opcode = MLX5_OPCODE_RDMA_WRITE, .wr_id = 5, .sge = &sge, .n_sge = 1,
		.remote_addr = IOVA, .rkey = key,
	};
	u32 i;

	for (i = 0; i < WRITES; i++)
		assert_ok(client_post_send(&r->p.qp[1], &wr));
}

static bool all_marked(const u8 *p)
{
	u32 i;

	for (i = 0; i < LEN; i++)
		if (p[i] != MARK)
			return false;
	return true;
}

/* From the completion of an invalidation on not a byte arrives any more. */
static void nothing_moves_after_an_invalidation(void **state)
{
	struct world *w = *state;
	struct umr u, end;
	u32 key, i, cut = 0;
	struct rig r;

	rig_open(&r, w, PAGES);
	assert_ptr_not_equal(soft_instance(w->g[0].vmm->inst)->lane,
			     soft_instance(w->g[1].vmm->inst)->lane);
	key = alloc_key(r.owner, PAGES / 2);
	memset(r.p.g[1]->buf.va, 0x11, LEN);
	umr_inv(&end, key);
	for (i = 0; i < ROUNDS; i++) {
		umr_reg(&r, &u, key, 0, PAGES, false);
		umr_do(&r, &u);
		start_writes(&r, key);
		usleep(i * 50);
		umr_do(&r, &end);
		memset(r.mem.va, MARK, LEN);
		usleep(1000);
		assert_true(all_marked(r.mem.va));
		cut += qp_state(&r.p.qp[1]) == MLX5_QP_STATE_ERR;
		reconnect(&r);
	}
	assert_true(cut > 0);
	rig_close(&r);
	assert_ok(client_destroy_mkey(&w->g[0].c, key));
}

/* Access changes back and forth under a stream of messages that it allows: none fails. */
static void changes_under_traffic(void **state)
{
	struct world *w = *state;
	struct client_sge sge;
	struct client_send wr = {
		.opcode = MLX5_OPCODE_RDMA_WRITE, .wr_id = 6, .flags = CLIENT_SIGNALED,
		.sge = &sge, .n_sge = 1, .remote_addr = IOVA,
	};
	u32 key, i;
	struct umr u;
	struct rig r;

	rig_open(&r, w, PAGES);
	key = alloc_key(r.owner, PAGES / 2);
	umr_reg(&r, &u, key, 0, PAGES, false);
	umr_do(&r, &u);
	sge = sge_of(r.p.g[1], 0, LEN);
	wr.rkey = key;
	for (i = 0; i < ROUNDS; i++) {
		start_writes(&r, key);
		assert_ok(client_post_send(&r.p.qp[1], &wr));
		umr_begin(&u, key, MLX5_UMR_CHECK_FREE | MLX5_UMR_INLINE, MLX5_MKEY_MASK_RR);
		umr_access(&u, i & 1 ? CLIENT_REMOTE_READ : 0);
		umr_do(&r, &u);
		expect_wc(w, &w->g[1].cq, 6, 0);
	}
	rig_close(&r);
	assert_ok(client_destroy_mkey(&w->g[0].c, key));
}

#define threaded_test(fn)	\
	cmocka_unit_test_setup_teardown(fn, world_setup_roce_threaded, world_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		threaded_test(nothing_moves_after_an_invalidation),
		threaded_test(changes_under_traffic),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
