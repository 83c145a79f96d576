// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Guest memory: what is pinned when, memory that the VMM takes away under traffic,
 * PA keys, resets. The front end poisons pages that are not pinned, so a stray access
 * of the core ends the test.
 */
#include "fixture.h"

#define TO	(BUF_BYTES / 2)

static struct client_send write_wr(struct pair *p, u64 wr_id, struct client_sge *sge)
{
	return (struct client_send){
		.opcode = MLX5_OPCODE_RDMA_WRITE, .wr_id = wr_id, .flags = CLIENT_SIGNALED,
		.sge = sge, .n_sge = 1, .rkey = p->g[1]->key,
		.remote_addr = (uintptr_t)p->g[1]->buf.va + TO,
	};
}

static void drain_cqs(struct world *w)
{
	struct client_wc wc;
	u32 i;

	settle(w);
	for (i = 0; i < WORLD_GUESTS; i++)
		while (client_poll_cq(&w->g[i].cq, 1, &wc))
			;
}

/* ---- Accounting ------------------------------------------------------ */

static void pins_are_what_is_registered(void **state)
{
	struct world *w = *state;
	struct guest *g = &w->g[0];
	s64 before = g->vmm->pinned;
	u32 key;

	assert_ok(client_reg_mr(&g->c, g->pd, g->buf.va + 100, 10 * PAGE_SIZE, 0, &key));
	assert_int_equal(g->vmm->pinned, before + 11);
	assert_int_equal(atomic64_read(&g->vmm->inst->gmem.pinned), g->vmm->pinned);
	assert_ok(client_destroy_mkey(&g->c, key));
	assert_int_equal(g->vmm->pinned, before);
	assert_true(atomic64_read(&g->vmm->inst->gmem.peak) >= before + 11);
}

/*
 * More pages than are pinned at once, and not a multiple of that: what is unpinned, by the
 * guest or by the VMM, are the ranges that were pinned. The front end aborts otherwise.
 */
static void ranges_are_unpinned_as_pinned(void **state)
{
	const struct vmm_user_params params = { .linear = true };
	const u32 bytes = 1300 * PAGE_SIZE;
	struct world *w = *state;
	struct vmm_user *vmm = vmm_user_create(&w->hca, &params, 55);
	struct client_mem mem;
	struct client c;
	u32 pd, key, i;
	s64 before;

	assert_ok(client_open(&c, &vmm_user_client_ops, vmm, 0));
	assert_ok(client_alloc_pd(&c, &pd));
	assert_ok(client_mem_alloc(&c, bytes, &mem));
	before = vmm->pinned;
	for (i = 0; i < 2; i++) {
		assert_ok(client_reg_mr(&c, pd, mem.va, bytes, CLIENT_ALL_ACCESS, &key));
		assert_int_equal(vmm->pinned, before + 1300);
		if (i)
			vmm_user_unmap(vmm, client_iova(&c, mem.va + 600 * PAGE_SIZE), PAGE_SIZE);
		assert_int_equal(vmm->pinned, i ? before : before + 1300);
		assert_ok(client_destroy_mkey(&c, key));
		assert_int_equal(vmm->pinned, before);
	}
	client_mem_free(&c, &mem);
	assert_ok(client_dealloc_pd(&c, pd));
	client_close(&c);
	vmm_user_destroy(vmm);
}

/* A key over few bytes of a long list pins what it names, not the list. */
static void big_pages(void **state)
{
	struct vmm_user_params params = { .linear = true };
	struct world *w = *state;
	struct vmm_user *vmm = vmm_user_create(&w->hca, &params, 55);
	struct client_mem mem;
	struct client c;
	u8 *aligned;
	__be64 pas[2];
	struct client_mkey_attr attr = {
		.access = CLIENT_ALL_ACCESS, .start = 0x1234, .len = 100000, .shift = 16,
		.pas = pas, .n_pas = 2, .qpn = CLIENT_ANY_QP,
	};
	s64 before;
	u32 key;

	assert_ok(client_open(&c, &vmm_user_client_ops, vmm, 0));
	assert_ok(client_alloc_pd(&c, &attr.pd));
	assert_ok(client_mem_alloc(&c, 256 << 10, &mem));
	aligned = mem.va + (-client_iova(&c, mem.va) & 0xffff);
	pas[0] = cpu_to_be64(client_iova(&c, aligned + 65536));
	pas[1] = cpu_to_be64(client_iova(&c, aligned));
	before = vmm->pinned;
	assert_ok(client_create_mkey(&c, &attr, &key));
	assert_int_equal(vmm->pinned - before, (0x1234 + 100000 - 1) / 4096 - 1 + 1);
	assert_ok(client_destroy_mkey(&c, key));
	/* A page address that is not aligned to the page's size. */
	pas[1] = cpu_to_be64(client_iova(&c, aligned) + 4096);
	assert_int_not_equal(client_create_mkey(&c, &attr, &key), 0);
	assert_int_equal(vmm->pinned, before);
	client_mem_free(&c, &mem);
	client_close(&c);
	vmm_user_destroy(vmm);
}

/* ---- Memory that goes away ------------------------------------------- */

/* Every piece of memory that an RC connection stands on, one at a time. */
enum piece {
	SENDER_BUFFER, RECEIVER_BUFFER, SEND_QUEUE, RECEIVE_QUEUE, SENDER_RECORD,
	RECEIVER_RECORD, SEND_CQ, RECEIVE_CQ, CQ_RECORD, COMP_EQ, ASYNC_EQ, PIECES,
};

static void *piece_of(struct world *w, struct pair *p, enum piece piece, u32 *side)
{
	*side = 0;
	switch (piece) {
	case SENDER_BUFFER: return w->g[0].buf.va;
	case RECEIVER_BUFFER: *side = 1; return w->g[1].buf.va + TO;
	case SEND_QUEUE: return p->qp[0].sq.base;
	case RECEIVE_QUEUE: *side = 1; return p->qp[1].rq.base;
	case SENDER_RECORD: return p->qp[0].record.word;
	case RECEIVER_RECORD: *side = 1; return p->qp[1].record.word;
	case SEND_CQ: return w->g[0].cq.mem.va;
	case RECEIVE_CQ: *side = 1; return w->g[1].cq.mem.va;
	case CQ_RECORD: return w->g[0].cq.record.word;
	case COMP_EQ: return w->g[0].c.comp_eq.mem.va;
	default: return w->g[0].c.async_eq.mem.va;
	}
}

static void post_both(struct world *w, struct pair *p, u32 n)
{
	struct client_sge sge = sge_of(&w->g[0], 0, 4096);
	struct client_send wr = write_wr(p, 0, &sge);
	u32 i;

	for (i = 0; i < n; i++) {
		recv_one(p, 1, i, TO, 4096);
		wr.opcode = i & 1 ? MLX5_OPCODE_SEND : MLX5_OPCODE_RDMA_WRITE;
		assert_ok(client_post_send(&p->qp[0], &wr));
	}
}

static void unmap_under_traffic(void **state)
{
	struct world *w;
	enum piece piece;

	(void)state;
	for (piece = 0; piece < PIECES; piece++) {
		struct pair p;
		u64 iova;
		u32 side;
		void *at;

		assert_ok(world_setup((void **)&w));
		pair_open(&p, MLX5_QP_ST_RC, &w->g[0], &w->g[1]);
		client_arm_cq(&w->g[0].cq, false);
		post_both(w, &p, 10);
		lanes_turn(&w->hca);
		print_message("           piece %u\n", piece);
		at = piece_of(w, &p, piece, &side);
		iova = vmm_user_iova(w->g[side].vmm, at) & ~(u64)(PAGE_SIZE - 1);
		vmm_user_unmap(w->g[side].vmm, iova, PAGE_SIZE);
		settle(w);
		post_both(w, &p, 5);
		elapse(w, 20 * NSEC_PER_SEC);
		assert_true(counter(&w->g[side], pins_lost) > 0);
		/* The page comes back empty: what was registered before stays lost. */
		vmm_user_map(w->g[side].vmm, iova, PAGE_SIZE);
		post_both(w, &p, 5);
		elapse(w, 20 * NSEC_PER_SEC);
		drain_cqs(w);
		assert_ok(client_modify_qp(&p.qp[0], MLX5_CMD_OP_2ERR_QP, NULL));
		pair_close(&p);
		assert_ok(world_teardown((void **)&w));
	}
}

/* All of memory at once, as when QEMU exits or resets its memory map. */
static void unmap_everything(void **state)
{
	struct world *w = *state;
	struct guest *g = &w->g[1];
	struct pair p;

	pair_open(&p, MLX5_QP_ST_RC, &w->g[0], &w->g[1]);
	post_both(w, &p, 10);
	lanes_turn(&w->hca);
	vmm_user_unmap(g->vmm, VMM_USER_IOVA, g->vmm->pages * PAGE_SIZE);
	assert_int_equal(g->vmm->pinned, 0);
	elapse(w, 20 * NSEC_PER_SEC);
	drain_cqs(w);
	vmm_user_map(g->vmm, VMM_USER_IOVA, g->vmm->pages * PAGE_SIZE);
	/* The command EQ is gone like everything; the command queue itself is not pinned. */
	g->c.cmdq.events = false;
	pair_close(&p);
}

static void unmap_of_nothing(void **state)
{
	struct world *w = *state;
	struct guest *g = &w->g[0];
	s64 pinned = g->vmm->pinned;

	mhca_instance_dma_unmap(g->vmm->inst, 0, VMM_USER_IOVA);
	mhca_instance_dma_unmap(g->vmm->inst, VMM_USER_IOVA, 0);
	mhca_instance_dma_unmap(g->vmm->inst, ~0ULL - 4095, 4096);
	mhca_instance_dma_unmap(g->vmm->inst, ~0ULL, ~0ULL);
	assert_int_equal(g->vmm->pinned, pinned);
	assert_ok(client_query_port(&g->c));
}

/* ---- PA keys --------------------------------------------------------- */

static u32 pa_key(struct guest *g)
{
	struct client_mkey_attr attr = {
		.pd = g->pd, .access = CLIENT_ALL_ACCESS, .pa = true, .length64 = true,
		.qpn = CLIENT_ANY_QP,
	};
	u32 key;

	assert_ok(client_create_mkey(&g->c, &attr, &key));
	return key;
}

/* Addresses of a PA key are guest-physical: a page at a time here. */
static void pa_keys_pin_on_demand(void **state)
{
	struct world *w = *state;
	struct guest *g = &w->g[0];
	u32 key = pa_key(g);
	u32 peer_key = pa_key(&w->g[1]);
	struct client_mem mem;
	struct client_mem peer;
	struct pair p;
	s64 before;
	u32 i;

	assert_ok(client_mem_alloc(&g->c, 64 * PAGE_SIZE, &mem));
	assert_ok(client_mem_alloc(&w->g[1].c, 64 * PAGE_SIZE, &peer));
	pair_open(&p, MLX5_QP_ST_RC, g, &w->g[1]);
	before = g->vmm->pinned;
	for (i = 0; i < 64; i++) {
		u8 *from = mem.va + i * PAGE_SIZE + 100;
		u8 *to = peer.va + i * PAGE_SIZE + 200;
		struct client_sge sge = { client_iova(&g->c, from), 1000, key };
		struct client_send wr = write_wr(&p, i, &sge);

		fill(from, 1000, i);
		wr.remote_addr = client_iova(&w->g[1].c, to);
		wr.rkey = peer_key;
		assert_ok(client_post_send(&p.qp[0], &wr));
		elapse(w, NSEC_PER_MSEC);
		expect_wc(w, &g->cq, i, 0);
		assert_filled(to, 1000, i);
	}
	assert_int_equal(g->vmm->pinned, before + 64);
	/* Pages of the cache are given back when the VMM takes them. */
	vmm_user_unmap(g->vmm, VMM_USER_IOVA, g->vmm->pages * PAGE_SIZE);
	assert_int_equal(g->vmm->pinned, 0);
	vmm_user_map(g->vmm, VMM_USER_IOVA, g->vmm->pages * PAGE_SIZE);
	g->c.cmdq.events = false;
	pair_close(&p);
	drain_cqs(w);
	client_mem_free(&g->c, &mem);
	client_mem_free(&w->g[1].c, &peer);
	assert_ok(client_destroy_mkey(&g->c, key));
	assert_ok(client_destroy_mkey(&w->g[1].c, peer_key));
}

static void pa_addresses_that_do_not_exist(void **state)
{
	u64 bad[] = { 0, VMM_USER_IOVA - 8, 0x7fffffffffff0000, ~0ULL - 100, 0 };
	struct world *w = *state;
	struct guest *g = &w->g[0];
	u32 key = pa_key(g);
	u32 i;

	bad[4] = VMM_USER_IOVA + g->vmm->pages / 2 * PAGE_SIZE;
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		struct client_sge sge = { bad[i], 64, key };
		struct client_send wr;
		struct pair p;

		pair_open(&p, MLX5_QP_ST_RC, g, &w->g[1]);
		wr = write_wr(&p, 7, &sge);
		assert_ok(client_post_send(&p.qp[0], &wr));
		elapse(w, 10 * NSEC_PER_MSEC);
		expect_wc(w, &g->cq, 7, MLX5_CQE_SYNDROME_LOCAL_PROT_ERR);
		pair_close(&p);
	}
	assert_ok(client_destroy_mkey(&g->c, key));
}

/* What lies one behind the other on the host is found at once, as far as it is pinned. */
static void pa_lookups_join_pages(void **state)
{
	struct vmm_user_params params = { .memory = 64UL << 20, .linear = true };
	struct guest g = { 0 };
	struct world *w = *state;
	struct client_mem mem;
	void *kva;
	u64 iova;
	u32 len;
	u32 i;

	g.vmm = vmm_user_create(&w->hca, &params, 0x123);
	assert_ok(client_open(&g.c, &vmm_user_client_ops, g.vmm, 0));
	assert_ok(client_mem_alloc(&g.c, 64 * PAGE_SIZE, &mem));
	iova = client_iova(&g.c, mem.va);
	assert_int_equal(iova % PAGE_SIZE, 0);
	fill(mem.va, 24 * PAGE_SIZE, 3);
	for (i = 0; i < 24; i++) {
		if (i == 20)
			continue;
		assert_int_equal(mhca_pa_lookup(g.vmm->inst, iova + i * PAGE_SIZE, U32_MAX, false,
						&kva, &len), -EAGAIN);
		assert_int_equal(len, PAGE_SIZE);
		assert_true(vmm_user_work(g.vmm));
	}
	assert_ok(mhca_pa_lookup(g.vmm->inst, iova + 100, 3 * PAGE_SIZE, false, &kva, &len));
	assert_int_equal(len, 3 * PAGE_SIZE);
	assert_memory_equal(kva, mem.va + 100, len);
	assert_ok(mhca_pa_lookup(g.vmm->inst, iova + 100, 1, false, &kva, &len));
	assert_int_equal(len, 1);
	/* To the page that is not there, and not beyond. */
	assert_ok(mhca_pa_lookup(g.vmm->inst, iova + 18 * PAGE_SIZE + 8, U32_MAX, false, &kva, &len));
	assert_int_equal(len, 2 * PAGE_SIZE - 8);
	assert_memory_equal(kva, mem.va + 18 * PAGE_SIZE + 8, len);
	/* Bounded, however much is asked for. */
	assert_ok(mhca_pa_lookup(g.vmm->inst, iova, U32_MAX, false, &kva, &len));
	assert_int_equal(len, 16 * PAGE_SIZE);
	client_mem_free(&g.c, &mem);
	client_close(&g.c);
	vmm_user_destroy(g.vmm);
}

/* Guest-physical neighbours that lie elsewhere on the host are not joined. */
static void pa_lookups_keep_pages_apart(void **state)
{
	struct world *w = *state;
	struct vmm_user *vmm = w->g[0].vmm;
	struct client_mem mem;
	const u8 *at;
	void *kva;
	u64 first;
	u64 iova;
	u32 len;
	u32 i;
	u32 k;

	assert_ok(client_mem_alloc(&w->g[0].c, 128 * PAGE_SIZE, &mem));
	fill(mem.va, 128 * PAGE_SIZE, 4);
	/* VMM_USER_IOVA + n pages is some page of the same 64. */
	first = round_up((u64)(mem.va - vmm->guest) / PAGE_SIZE, 64);
	for (i = 0; i < 64; i++) {
		iova = VMM_USER_IOVA + (first + i) * PAGE_SIZE;
		if (mhca_pa_lookup(vmm->inst, iova, 1, false, &kva, &len))
			assert_true(vmm_user_work(vmm));
	}
	for (i = 0; i < 60; i++) {
		iova = VMM_USER_IOVA + (first + i) * PAGE_SIZE;
		assert_ok(mhca_pa_lookup(vmm->inst, iova, 4 * PAGE_SIZE, false, &kva, &len));
		for (k = 0; k < len / PAGE_SIZE; k++) {
			/* The order of the pages is its own inverse. */
			at = vmm->guest + (first + i + k) * PAGE_SIZE;
			at = vmm->guest + (vmm_user_iova(vmm, at) - VMM_USER_IOVA);
			assert_memory_equal((u8 *)kva + k * PAGE_SIZE, at, PAGE_SIZE);
		}
	}
	client_mem_free(&w->g[0].c, &mem);
}

/* More pages than the cache holds: slower, not wrong, and bounded. */
static void pa_cache_is_bounded(void **state)
{
	struct vmm_user_params params = { .memory = (MHCA_PA_CACHE_PAGES + 2048ULL) * PAGE_SIZE };
	struct world *w = *state;
	struct guest *g = &w->g[0];
	struct client_qp_attr attr;
	struct client_cq_attr cq_attr;
	struct client_modify m;
	struct vmm_user *vmm;
	struct guest big = { 0 };
	struct client_qp qp;
	u64 page;
	u32 key;
	u32 i;

	(void)g;
	vmm = vmm_user_create(&w->hca, &params, 0x123);
	big.vmm = vmm;
	assert_ok(client_open(&big.c, &vmm_user_client_ops, vmm, 0));
	assert_ok(client_alloc_pd(&big.c, &big.pd));
	client_cq_attr_init(&cq_attr, 8);
	assert_ok(client_create_cq(&big.c, &cq_attr, &big.cq));
	key = pa_key(&big);
	client_qp_attr_init(&attr, MLX5_QP_ST_RC, big.pd, &big.cq);
	assert_ok(client_create_qp(&big.c, &attr, &qp));
	client_modify_init(&m);
	m.remote_qpn = qp.qpn;
	m.path.dlid = big.c.lid;
	assert_ok(client_connect_qp(&qp, &m));
	for (page = 0; page + 64 < vmm->pages; page += 32) {
		struct client_wc wc;

		if (test_bit(page, vmm->hole) || test_bit(page + 31, vmm->hole))
			continue;
		for (i = 0; i < 32; i++) {
			u64 at = VMM_USER_IOVA + (page + i) * PAGE_SIZE + 4000;
			struct client_sge sge = { at, 0, key };
			struct client_send wr = {
				.opcode = MLX5_OPCODE_RDMA_READ, .sge = &sge, .n_sge = 1,
				.remote_addr = at + 16, .rkey = key, .flags = CLIENT_SIGNALED,
			};

			/* Reads a word of the page into the same page, if it is not used. */
			sge.len = test_bit(page + i, vmm->used) ? 0 : 8;
			if (!sge.len)
				continue;
			assert_ok(client_post_send(&qp, &wr));
			do
				elapse(w, 200 * NSEC_PER_USEC);
			while (vmm_user_work(vmm));
			if (client_poll_cq(&big.cq, 1, &wc) != 1)
				fail_msg("page %llu: no completion, %u in the cache",
					 (unsigned long long)page + i, vmm->inst->gmem.pa_count);
			assert_int_equal(wc.status, 0);
		}
	}
	assert_true(vmm->inst->gmem.pa_count <= MHCA_PA_CACHE_PAGES);
	assert_ok(client_destroy_qp(&qp));
	assert_ok(client_destroy_mkey(&big.c, key));
	assert_ok(client_destroy_cq(&big.cq));
	client_close(&big.c);
	assert_int_equal(vmm->pinned, 0);
	vmm_user_destroy(vmm);
}

/* ---- Reset ----------------------------------------------------------- */

/* With queues full of work: nothing is left, nothing is written any more. */
static void reset_with_live_qps(void **state)
{
	struct world *w = *state;
	struct guest *g = &w->g[1];
	struct client_sge sge = sge_of(&w->g[0], 0, TO);
	struct client_send wr;
	struct pair p;
	u32 i;

	pair_open(&p, MLX5_QP_ST_RC, &w->g[0], g);
	wr = write_wr(&p, 1, &sge);
	wr.opcode = MLX5_OPCODE_SEND;
	for (i = 0; i < 8; i++) {
		recv_one(&p, 1, i, TO, TO);
		assert_ok(client_post_send(&p.qp[0], &wr));
	}
	lanes_turn(&w->hca);
	mhca_instance_reset(g->vmm->inst);
	assert_int_equal(g->vmm->pinned, 0);
	for (i = 0; i < MHCA_OBJECT_KINDS; i++)
		assert_int_equal(g->vmm->inst->object_count[i], 0);
	/* The peer's sender finds nobody. */
	assert_ok(client_modify_qp(&p.qp[0], MLX5_CMD_OP_2ERR_QP, NULL));
	drain_cqs(w);
	assert_ok(client_destroy_qp(&p.qp[0]));
	client_forget_qp(&p.qp[1]);
	client_forget_cq(&g->cq);
	client_mem_free(&g->c, &g->buf);
	g->c.timeout_ms = 1;
	client_close(&g->c);
	vmm_user_destroy(g->vmm);
	world_open_guest(w, 1);
	pair_open(&p, MLX5_QP_ST_RC, &w->g[0], &w->g[1]);
	post_both(w, &p, 3);
	settle(w);
	drain_cqs(w);
	pair_close(&p);
}

/* Bus mastering off: no DMA, no interrupt, no command. */
static void no_dma_without_bus_mastering(void **state)
{
	struct world *w = *state;
	struct guest *g = &w->g[0];
	u32 in[MLX5_ST_SZ_DW(query_issi_in)] = { 0 };
	u64 raised = g->vmm->raised[0];

	MLX5_SET(query_issi_in, in, opcode, MLX5_CMD_OP_QUERY_ISSI);
	mhca_instance_set_master(g->vmm->inst, false);
	assert_ok(client_cmd_fill(&g->c, 0, in, sizeof(in), MLX5_ST_SZ_BYTES(query_issi_out)));
	client_cmd_ring(&g->c, 1);
	settle(w);
	assert_int_equal(client_cmd_entry(&g->c, 0)->status_own & 1, 1);
	assert_int_equal(g->vmm->raised[0], raised);
	mhca_instance_set_master(g->vmm->inst, true);
	client_cmd_ring(&g->c, 1);
	settle(w);
	assert_int_equal(client_cmd_entry(&g->c, 0)->status_own & 1, 0);
	/* Its event is still to be taken. */
	assert_ok(client_cmd_wait(&g->c, 0, 100));
}

static void tick_raises_unread_vectors(void **state)
{
	struct world *w = *state;
	struct guest *g = &w->g[0];
	struct pair p;
	u64 raised;

	settle(w);
	raised = g->vmm->raised[1];
	pair_open(&p, MLX5_QP_ST_RC, g, g);
	mhca_event_qp(g->vmm->inst, MLX5_EVENT_TYPE_COMM_EST, p.qp[0].qpn);
	assert_int_equal(g->vmm->raised[1], raised + 1);
	mhca_instance_tick(g->vmm->inst);
	assert_int_equal(g->vmm->raised[1], raised + 2);
	expect_event(w, g, MLX5_EVENT_TYPE_COMM_EST);
	settle(w);
	mhca_instance_tick(g->vmm->inst);
	assert_int_equal(g->vmm->raised[1], raised + 2);
	pair_close(&p);
}

#define world_test(fn) cmocka_unit_test_setup_teardown(fn, world_setup, world_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		world_test(pins_are_what_is_registered),
		world_test(ranges_are_unpinned_as_pinned),
		world_test(big_pages),
		cmocka_unit_test(unmap_under_traffic),
		world_test(unmap_everything),
		world_test(unmap_of_nothing),
		world_test(pa_keys_pin_on_demand),
		world_test(pa_addresses_that_do_not_exist),
		world_test(pa_lookups_join_pages),
		world_test(pa_lookups_keep_pages_apart),
		world_test(pa_cache_is_bounded),
		world_test(reset_with_live_qps),
		world_test(no_dma_without_bus_mastering),
		world_test(tick_raises_unread_vectors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
