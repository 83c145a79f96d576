// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Failure sweep: a sequence that succeeds (open, register, create, connect, send,
 * destroy) is run with the n-th allocation failing, then with the n-th pin failing,
 * for every n. After each: an error was reported, nothing is left, and the instance
 * is usable.
 */
#include "fixture.h"

/* A command needs a little memory to be read, even one that destroys: then again. */
#define undo(call)								\
	do {									\
		int undo_ret = (call);						\
										\
		assert_ok(undo_ret == -ENOMEM ? (call) : undo_ret);		\
	} while (0)

/* What a run has created and has to take down. */
struct run {
	struct world *w;
	struct vmm_user *vmm;
	struct client c;
	bool open;
	u32 pd;
	bool have_pd;
	struct client_cq cq;
	struct client_mem buf;
	u32 key;
	bool have_key;
	struct client_srq srq;
	struct client_qp qp[2];
	u32 xrcd;
	bool have_xrcd;
};

static int make_queues(struct run *r)
{
	struct client_srq_attr srq = { .type = CLIENT_RMP, .log_size = 7, .max_sge = 3 };
	struct client_qp_attr qp;
	struct client_cq_attr cq;
	int ret;
	u32 i;

	client_cq_attr_init(&cq, 8);
	ret = client_create_cq(&r->c, &cq, &r->cq);
	if (ret)
		return ret;
	ret = client_resize_cq(&r->cq, 9);
	if (ret)
		return ret;
	srq.pd = r->pd;
	ret = client_create_srq(&r->c, &srq, &r->srq);
	for (i = 0; !ret && i < 2; i++) {
		client_qp_attr_init(&qp, MLX5_QP_ST_RC, r->pd, &r->cq);
		qp.srq = i ? &r->srq : NULL;
		ret = client_create_qp(&r->c, &qp, &r->qp[i]);
	}
	return ret;
}

static int make_memory(struct run *r)
{
	int ret = client_alloc_pd(&r->c, &r->pd);

	if (ret)
		return ret;
	r->have_pd = true;
	ret = client_alloc_xrcd(&r->c, &r->xrcd);
	if (ret)
		return ret;
	r->have_xrcd = true;
	assert_ok(client_mem_alloc(&r->c, 32 * PAGE_SIZE, &r->buf));
	ret = client_reg_mr(&r->c, r->pd, r->buf.va, r->buf.len, CLIENT_ALL_ACCESS, &r->key);
	r->have_key = !ret;
	return ret;
}

static int talk(struct run *r)
{
	struct client_sge sge = { (uintptr_t)r->buf.va, 100, r->key };
	struct client_send wr = {
		.opcode = MLX5_OPCODE_SEND, .wr_id = 7, .flags = CLIENT_SIGNALED,
		.sge = &sge, .n_sge = 1,
	};
	static const u8 mgid[16] = { 0xff, 0x12, 0x40, 1, [15] = 9 };
	struct client_modify m;
	struct client_wc wc[2];
	struct client_qp ud;
	struct client_qp_attr attr;
	int ret;
	u32 i;

	for (i = 0; i < 2; i++) {
		client_modify_init(&m);
		m.remote_qpn = r->qp[!i].qpn;
		m.path.dlid = r->c.lid;
		ret = client_connect_qp(&r->qp[i], &m);
		if (ret)
			return ret;
	}
	assert_ok(client_post_srq(&r->srq, 8, &sge, 1));
	assert_ok(client_post_send(&r->qp[0], &wr));
	lanes_settle(&r->w->hca);
	/* The engine itself never allocates, so this part cannot fail. */
	assert_int_equal(client_poll_cq(&r->cq, 2, wc), 2);
	assert_int_equal(wc[0].status | wc[1].status, 0);
	client_qp_attr_init(&attr, MLX5_QP_ST_UD, r->pd, &r->cq);
	ret = client_create_qp(&r->c, &attr, &ud);
	if (ret)
		return ret;
	client_modify_init(&m);
	ret = client_connect_qp(&ud, &m);
	if (!ret)
		ret = client_attach_mcast(&ud, mgid);
	undo(client_destroy_qp(&ud));
	return ret;
}

/* Destroying must work whatever failed before. */
static void take_down(struct run *r)
{
	u32 i;

	for (i = 0; i < 2; i++)
		if (r->qp[i].qpn)
			undo(client_destroy_qp(&r->qp[i]));
	if (r->srq.srqn)
		undo(client_destroy_srq(&r->srq));
	if (r->cq.cqn)
		undo(client_destroy_cq(&r->cq));
	if (r->have_key)
		undo(client_destroy_mkey(&r->c, r->key));
	if (r->buf.va)
		client_mem_free(&r->c, &r->buf);
	if (r->have_xrcd)
		undo(client_dealloc_xrcd(&r->c, r->xrcd));
	if (r->have_pd)
		undo(client_dealloc_pd(&r->c, r->pd));
	client_close(&r->c);
}

/* Everything from opening on. 0 or the first error. */
static int run_once(struct world *w, struct vmm_user *vmm)
{
	struct run r = { .w = w, .vmm = vmm };
	int ret;

	ret = client_open(&r.c, &vmm_user_client_ops, vmm, 0);
	if (!ret) {
		ret = make_memory(&r);
		if (!ret)
			ret = make_queues(&r);
		if (!ret)
			ret = talk(&r);
		/* Destruction may meet the failure, too, and must not mind. */
		take_down(&r);
	}
	assert_int_equal(vmm->pinned, 0);
	return ret;
}

static void nothing_left(struct vmm_user *vmm)
{
	u32 kind;

	for (kind = 0; kind < MHCA_OBJECT_KINDS; kind++)
		assert_int_equal(vmm->inst->object_count[kind], 0);
	assert_int_equal(vmm->pinned, 0);
	assert_int_equal(atomic64_read(&vmm->inst->gmem.pinned), 0);
}

static void every_allocation_fails_once(void **state)
{
	struct world *w = *state;
	struct vmm_user *vmm = vmm_user_create(&w->hca, NULL, 0x77);
	u32 reported = 0;
	u64 n;

	for (n = 1; ; n++) {
		int ret;

		shim_fail_nth(n);
		ret = run_once(w, vmm);
		if (!shim_failed())
			break;
		reported += ret != 0;
		shim_fail_nth(0);
		nothing_left(vmm);
		assert_ok(run_once(w, vmm));
	}
	shim_fail_nth(0);
	print_message("           %llu allocations, %u failures reported\n",
		      (unsigned long long)n - 1, reported);
	assert_true(n > 50);
	assert_true(reported > 20);
	vmm_user_destroy(vmm);
}

static void every_pin_fails_once(void **state)
{
	struct world *w = *state;
	struct vmm_user *vmm = vmm_user_create(&w->hca, NULL, 0x78);
	u64 n;

	for (n = 1; ; n++) {
		u64 calls = vmm->pin_calls;
		int ret;

		vmm->pin_fail_at = calls + n;
		ret = run_once(w, vmm);
		if (vmm->pin_calls < vmm->pin_fail_at)
			break;
		assert_int_not_equal(ret, 0);
		vmm->pin_fail_at = 0;
		nothing_left(vmm);
		assert_ok(run_once(w, vmm));
	}
	vmm->pin_fail_at = 0;
	print_message("           %llu pins\n", (unsigned long long)n - 1);
	assert_true(n > 20);
	vmm_user_destroy(vmm);
}

/* The instance's own creation. */
static void creation_fails_cleanly(void **state)
{
	struct world *w = *state;
	struct vmm_user *vmm;
	u64 n;

	for (n = 1; ; n++) {
		shim_fail_nth(n);
		vmm = vmm_user_create(&w->hca, NULL, 0x79);
		shim_fail_nth(0);
		if (vmm)
			break;
	}
	assert_true(n > 1);
	assert_ok(run_once(w, vmm));
	vmm_user_destroy(vmm);
}

#define world_test(fn) cmocka_unit_test_setup_teardown(fn, world_setup, world_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		world_test(every_allocation_fails_once),
		world_test(every_pin_fails_once),
		world_test(creation_fails_cleanly),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
