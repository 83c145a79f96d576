// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * What may be pinned, and how: read-only memory, memory that cannot be pinned, memory
 * that the VMM is taking away. The front end takes it as type 1 of VFIO does: it aborts
 * when it had to ask too often.
 */
#include <sched.h>
#include <unistd.h>

#include "core.h"
#include "fixture.h"

#define RUN_MS	400
#define PAGES	64

static u64 now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (u64)t.tv_sec * 1000 + (u64)t.tv_nsec / 1000000;
}

static void assert_syndrome(struct guest *g, enum mhca_syndrome syndrome)
{
	assert_string_equal(mhca_syndrome_text(g->c.syndrome - MHCA_SYNDROME_BASE),
			    mhca_syndrome_text(syndrome));
}

static u64 page_of(struct guest *g, u64 iova)
{
	assert_true(iova >= VMM_USER_IOVA);
	assert_true((iova - VMM_USER_IOVA) / PAGE_SIZE < g->vmm->pages);
	return (iova - VMM_USER_IOVA) / PAGE_SIZE;
}

static int look(struct guest *g, u64 iova, bool write)
{
	void *kva;
	u32 len;

	return mhca_pa_lookup(g->vmm->inst, iova, 1, write, &kva, &len);
}

/* ---- Read-only memory -------------------------------------------------- */

/* What a guest mapped for reading is read, and not pinned for more. */
static void pages_are_pinned_for_what_the_access_is(void **state)
{
	struct world *w = *state;
	struct guest *g = &w->g[0];
	struct client_mem mem;
	u64 iova;
	s64 before;

	assert_ok(client_mem_alloc(&g->c, 2 * PAGE_SIZE, &mem));
	iova = client_iova(&g->c, mem.va);
	before = g->vmm->pinned;
	set_bit(page_of(g, iova), g->vmm->read_only);
	assert_int_equal(look(g, iova, false), -EAGAIN);
	vmm_user_work(g->vmm);
	assert_ok(look(g, iova, false));
	/* To write is refused, not retried for ever; reading goes on. */
	assert_int_equal(look(g, iova, true), -EAGAIN);
	vmm_user_work(g->vmm);
	assert_int_equal(look(g, iova, true), -EFAULT);
	assert_ok(look(g, iova, false));
	assert_int_equal(g->vmm->pinned, before + 1);
	/* Nothing is held against it for ever. */
	clear_bit(page_of(g, iova), g->vmm->read_only);
	mhca_instance_tick(g->vmm->inst);
	assert_int_equal(look(g, iova, true), -EAGAIN);
	vmm_user_work(g->vmm);
	assert_ok(look(g, iova, true));
	assert_ok(look(g, iova, false));
	/* One pin, not two: the one for reading is given back. */
	assert_int_equal(g->vmm->pinned, before + 1);
	assert_int_equal(atomic64_read(&g->vmm->inst->gmem.pinned), g->vmm->pinned);
	client_mem_free(&g->c, &mem);
}

/* The first access is a write: it fails, and says nothing about reading. */
static void a_failed_write_does_not_hide_the_page(void **state)
{
	struct world *w = *state;
	struct guest *g = &w->g[0];
	struct client_mem mem;
	u64 iova;

	assert_ok(client_mem_alloc(&g->c, PAGE_SIZE, &mem));
	iova = client_iova(&g->c, mem.va);
	set_bit(page_of(g, iova), g->vmm->read_only);
	assert_int_equal(look(g, iova, true), -EAGAIN);
	vmm_user_work(g->vmm);
	assert_int_equal(look(g, iova, true), -EFAULT);
	assert_int_equal(look(g, iova, false), -EAGAIN);
	vmm_user_work(g->vmm);
	assert_ok(look(g, iova, false));
	clear_bit(page_of(g, iova), g->vmm->read_only);
	client_mem_free(&g->c, &mem);
}

/* A message out of memory that is mapped for reading, through a key for any address. */
static void read_only_memory_can_be_sent(void **state)
{
	struct client_mkey_attr attr = {
		.access = CLIENT_ALL_ACCESS, .pa = true, .length64 = true, .qpn = CLIENT_ANY_QP,
	};
	struct world *w = *state;
	struct guest *g = &w->g[0];
	struct client_mem mem;
	struct client_send wr = { .opcode = MLX5_OPCODE_RDMA_WRITE, .flags = CLIENT_SIGNALED };
	struct client_sge sge;
	struct pair p;
	u32 key;

	attr.pd = g->pd;
	assert_ok(client_create_mkey(&g->c, &attr, &key));
	assert_ok(client_mem_alloc(&g->c, PAGE_SIZE, &mem));
	sge = (struct client_sge){ client_iova(&g->c, mem.va), 1000, key };
	set_bit(page_of(g, sge.addr), g->vmm->read_only);
	fill(mem.va, 1000, 9);
	pair_open(&p, MLX5_QP_ST_RC, g, &w->g[1]);
	wr.sge = &sge;
	wr.n_sge = 1;
	wr.rkey = w->g[1].key;
	wr.remote_addr = (uintptr_t)w->g[1].buf.va;
	assert_ok(client_post_send(&p.qp[0], &wr));
	elapse(w, NSEC_PER_MSEC);
	expect_wc(w, &g->cq, 0, 0);
	assert_filled(w->g[1].buf.va, 1000, 9);
	/* Into it: an error of the requester's, whose memory it is. */
	wr.opcode = MLX5_OPCODE_RDMA_READ;
	wr.wr_id = 1;
	assert_ok(client_post_send(&p.qp[0], &wr));
	elapse(w, NSEC_PER_MSEC);
	expect_wc(w, &g->cq, 1, MLX5_CQE_SYNDROME_LOCAL_PROT_ERR);
	assert_filled(mem.va, 1000, 9);
	pair_close(&p);
	clear_bit(page_of(g, sge.addr), g->vmm->read_only);
	client_mem_free(&g->c, &mem);
	assert_ok(client_destroy_mkey(&g->c, key));
}

/* Each reason why memory cannot be pinned has words of its own. */
static void refusals_say_why(void **state)
{
	struct world *w = *state;
	struct guest *g = &w->g[0];
	struct client_mem mem;
	u64 page;
	u32 key;

	assert_ok(client_mem_alloc(&g->c, PAGE_SIZE, &mem));
	page = page_of(g, client_iova(&g->c, mem.va));
	set_bit(page, g->vmm->stuck);
	assert_int_not_equal(client_reg_mr(&g->c, g->pd, mem.va, PAGE_SIZE, 0, &key), 0);
	assert_syndrome(g, MHCA_SYN_UNPINNABLE);
	clear_bit(page, g->vmm->stuck);
	set_bit(page, g->vmm->read_only);
	assert_int_not_equal(client_reg_mr(&g->c, g->pd, mem.va, PAGE_SIZE, CLIENT_LOCAL_WRITE,
					   &key), 0);
	assert_syndrome(g, MHCA_SYN_READ_ONLY);
	assert_ok(client_reg_mr(&g->c, g->pd, mem.va, PAGE_SIZE, 0, &key));
	assert_ok(client_destroy_mkey(&g->c, key));
	clear_bit(page, g->vmm->read_only);
	set_bit(page, g->vmm->hole);
	assert_int_not_equal(client_reg_mr(&g->c, g->pd, mem.va, PAGE_SIZE, 0, &key), 0);
	assert_syndrome(g, MHCA_SYN_PIN);
	clear_bit(page, g->vmm->hole);
	client_mem_free(&g->c, &mem);
}

/* Only a CQ's record is written to by the device. */
static void records_are_pinned_for_reading(void **state)
{
	struct world *w = *state;
	struct guest *g = &w->g[0];
	u32 bytes = BITS_TO_LONGS(g->vmm->pages) * sizeof(long);
	struct client_cq_attr cq_attr;
	struct client_qp_attr attr;
	struct client_cq cq;
	struct client_qp qp;
	int err;

	memset(g->vmm->read_only, 0xff, bytes);
	client_qp_attr_init(&attr, MLX5_QP_ST_RC, g->pd, &g->cq);
	err = client_create_qp(&g->c, &attr, &qp);
	memset(g->vmm->read_only, 0, bytes);
	assert_ok(err);
	assert_ok(client_destroy_qp(&qp));
	memset(g->vmm->read_only, 0xff, bytes);
	client_cq_attr_init(&cq_attr, 6);
	err = client_create_cq(&g->c, &cq_attr, &cq);
	memset(g->vmm->read_only, 0, bytes);
	assert_int_not_equal(err, 0);
	assert_syndrome(g, MHCA_SYN_READ_ONLY);
}

/* ---- Ranges that are taken away ------------------------------------------ */

/* Is a page closed to pins? */
static bool is_closed(struct guest *g, u64 iova)
{
	struct mhca_gmem *gmem = &g->vmm->inst->gmem;
	bool closed;

	mutex_lock(&gmem->lock);
	closed = mhca_closed_find(gmem, iova, iova + PAGE_SIZE - 1);
	mutex_unlock(&gmem->lock);
	return closed;
}

static void ask_and_work(struct guest *g, u64 iova)
{
	assert_int_equal(look(g, iova, false), -EAGAIN);
	vmm_user_work(g->vmm);
}

static void assert_opens(struct guest *g, u64 iova)
{
	look(g, iova, false);
	vmm_user_work(g->vmm);
	assert_ok(look(g, iova, false));
}

static u64 last_page(const struct guest *g)
{
	return VMM_USER_IOVA + (g->vmm->pages - 1) * PAGE_SIZE;
}

/*
 * The VMM was told that nothing is pinned and has not looked yet, however long it takes:
 * what is asked for meanwhile is not pinned. When its task is back, it is.
 */
static void a_range_is_closed_until_its_task_is_back(void **state)
{
	struct world *w = *state;
	struct guest *g = &w->g[0];
	u64 iova = last_page(g);
	s64 before = g->vmm->pinned;
	u32 key;
	u32 i;

	assert_opens(g, iova);
	assert_int_equal(g->vmm->pinned, before + 1);
	assert_true(mhca_instance_dma_unmap(g->vmm->inst, iova, PAGE_SIZE));
	assert_int_equal(g->vmm->pinned, before);
	for (i = 0; i < 20; i++) {
		ask_and_work(g, iova);
		assert_int_equal(g->vmm->pinned, before);
		shim_clock_advance(NSEC_PER_SEC << i % 8);
	}
	/* It is through with a range when it goes on to another. */
	assert_true(is_closed(g, iova));
	mhca_instance_dma_unmap(g->vmm->inst, iova - 4 * PAGE_SIZE, PAGE_SIZE);
	assert_false(is_closed(g, iova));
	assert_true(is_closed(g, iova - 4 * PAGE_SIZE));
	vmm_user_return();
	assert_false(is_closed(g, iova - 4 * PAGE_SIZE));
	assert_opens(g, iova);
	assert_int_equal(g->vmm->pinned, before + 1);
	assert_ok(client_reg_mr(&g->c, g->pd, g->buf.va, PAGE_SIZE, 0, &key));
	assert_ok(client_destroy_mkey(&g->c, key));
}

/* All instances of a container are asked in one system call: all stay closed. */
static void two_instances_open_together(void **state)
{
	struct world *w = *state;
	u64 iova = last_page(&w->g[0]);
	u32 i, n;

	for (i = 0; i < 2; i++)
		assert_opens(&w->g[i], iova);
	for (n = 0; n < 3; n++)
		for (i = 0; i < 2; i++) {
			assert_true(mhca_instance_dma_unmap(w->g[i].vmm->inst, iova, PAGE_SIZE));
			shim_clock_advance(NSEC_PER_SEC);
			ask_and_work(&w->g[0], iova);
			assert_int_equal(look(&w->g[0], iova, false), -EAGAIN);
		}
	vmm_user_return();
	for (i = 0; i < 2; i++)
		assert_opens(&w->g[i], iova);
}

static void *unmap_in_thread(void *arg)
{
	struct guest *g = arg;

	mhca_instance_dma_unmap(g->vmm->inst, last_page(g), PAGE_SIZE);
	vmm_user_return();
	return NULL;
}

/* One task is back; another one that takes the same range is not. */
static void each_task_closes_for_itself(void **state)
{
	struct world *w = *state;
	struct guest *g = &w->g[0];
	pthread_t thread;

	mhca_instance_dma_unmap(g->vmm->inst, last_page(g) - PAGE_SIZE, 2 * PAGE_SIZE);
	assert_ok(pthread_create(&thread, NULL, unmap_in_thread, g));
	pthread_join(thread, NULL);
	assert_true(is_closed(g, last_page(g)));
	vmm_user_return();
	assert_false(is_closed(g, last_page(g)));
}

/* Nothing will tell when the task is back: more is closed, not less, until a reset. */
static void stays_closed(struct guest *g, void (*without)(struct guest *g, bool memory))
{
	u64 iova = last_page(g);

	without(g, false);
	assert_true(mhca_instance_dma_unmap(g->vmm->inst, iova, PAGE_SIZE));
	without(g, false);
	assert_true(mhca_instance_dma_unmap(g->vmm->inst, iova - 2 * PAGE_SIZE, PAGE_SIZE));
	without(g, true);
	vmm_user_return();
	shim_clock_advance(60 * (u64)NSEC_PER_SEC);
	assert_true(is_closed(g, iova));
	assert_true(is_closed(g, iova - PAGE_SIZE));
	assert_true(is_closed(g, iova - 2 * PAGE_SIZE));
	assert_false(is_closed(g, iova - 3 * PAGE_SIZE));
	mhca_instance_reset(g->vmm->inst);
	assert_false(is_closed(g, iova));
	/* What has a task that will be back is not the reset's to open. */
	assert_true(mhca_instance_dma_unmap(g->vmm->inst, iova, PAGE_SIZE));
	mhca_instance_reset(g->vmm->inst);
	assert_true(is_closed(g, iova));
	vmm_user_return();
	assert_false(is_closed(g, iova));
}

static void without_return(struct guest *g, bool memory)
{
	g->vmm->no_return = !memory;
}

static void without_entry(struct guest *g, bool memory)
{
	(void)g;
	shim_fail_nth(memory ? 0 : 1);
}

static void without_memory_it_stays_closed(void **state)
{
	struct world *w = *state;
	struct guest g = { .vmm = vmm_user_create(w->g[0].vmm->hca, NULL, 0x99) };

	assert_non_null(g.vmm);
	stays_closed(&g, without_return);
	stays_closed(&g, without_entry);
	vmm_user_destroy(g.vmm);
}

/* A monitor of many threads, none of which comes back: each has one range. */
static void closed_ranges_are_bounded(void **state)
{
	struct world *w = *state;
	struct guest *g = &w->g[0];
	struct list_head *closed = &g->vmm->inst->gmem.closed;
	u64 iova = VMM_USER_IOVA + 40 * PAGE_SIZE;
	u32 i;

	/* The command EQ goes with the rest; the command queue itself is not pinned. */
	g->c.cmdq.events = false;
	for (i = 0; i < 1000; i++) {
		mhca_instance_dma_unmap(g->vmm->inst, iova + i * PAGE_SIZE, PAGE_SIZE);
		assert_true(closed->next->next == closed);
		assert_false(i && is_closed(g, iova + (i - 1) * PAGE_SIZE));
	}
	vmm_user_return();
	assert_opens(g, iova);
	assert_true(list_empty(closed));
}

/* Whoever is to unpin waits for a lock that the VMM holds: the VMM gets its task back. */
static void an_unmap_waits_for_a_bounded_time(void **state)
{
	struct world *w = *state;
	struct guest *g = &w->g[0];
	u64 iova = last_page(g);
	s64 before = g->vmm->pinned;
	u32 i;

	assert_opens(g, iova);
	assert_int_equal(g->vmm->pinned, before + 1);
	g->vmm->held_up = true;
	for (i = 1; i <= 8; i++) {
		assert_false(mhca_instance_dma_unmap(g->vmm->inst, iova, PAGE_SIZE));
		assert_int_equal(g->vmm->pinned, before + 1);
		/* What happens elsewhere is not waited for, and hides nothing. */
		if (i == 4) {
			shim_clock_advance(60 * (u64)NSEC_PER_SEC);
			vmm_user_return();
			assert_true(mhca_instance_dma_unmap(g->vmm->inst, iova - 4 * PAGE_SIZE,
							    PAGE_SIZE));
		}
	}
	g->vmm->held_up = false;
	assert_true(mhca_instance_dma_unmap(g->vmm->inst, iova, PAGE_SIZE));
	assert_int_equal(g->vmm->pinned, before);
	vmm_user_return();
}

static void *wait_for_all(void *arg)
{
	struct guest *g = arg;
	u32 i;

	for (i = 0; i < 11; i++)
		if (mhca_instance_dma_unmap(g->vmm->inst, last_page(g), PAGE_SIZE))
			break;
	vmm_user_return();
	return (void *)(uintptr_t)i;
}

/* Type 1's eleventh call must not be in vain, whatever went on meanwhile. */
static void the_last_call_has_no_bound(void **state)
{
	struct world *w = *state;
	struct guest *g = &w->g[0];
	u64 iova = last_page(g);
	pthread_t thread;
	void *calls;
	u32 i;

	assert_opens(g, iova);
	g->vmm->held_up = true;
	assert_ok(pthread_create(&thread, NULL, wait_for_all, g));
	/* Twice as long as the bounded ones take; others come and go, time jumps. */
	for (i = 0; i < 40; i++) {
		usleep(90 * 1000);
		mhca_instance_dma_unmap(g->vmm->inst, iova - (4 + i) * PAGE_SIZE, PAGE_SIZE);
		vmm_user_return();
	}
	g->vmm->held_up = false;
	mhca_instance_unpin(g->vmm->inst);
	pthread_join(thread, &calls);
	assert_true((uintptr_t)calls < 11);
}

static struct guest *closer;

static void close_and_return(struct vmm_user *vmm, u64 iova)
{
	vmm->pinning = NULL;
	/* In vain: the pin that is under way is this thread's. */
	assert_false(mhca_instance_dma_unmap(vmm->inst, iova, PAGE_SIZE));
	vmm_user_return();
	assert_false(is_closed(closer, iova));
}

/* A range is closed and opens while a page in it is being pinned: it is not kept. */
static void a_pin_from_before_is_undone(void **state)
{
	struct world *w = *state;
	struct guest *g = &w->g[0];
	u64 iova = last_page(g);
	s64 before = g->vmm->pinned;

	closer = g;
	g->vmm->pinning = close_and_return;
	ask_and_work(g, iova);
	assert_null(g->vmm->pinning);
	assert_int_equal(g->vmm->pinned, before);
	assert_int_equal(look(g, iova, false), -EAGAIN);
	assert_opens(g, iova);
	assert_int_equal(g->vmm->pinned, before + 1);
}

/* ---- Storms --------------------------------------------------------------- */

/**
 * struct storm - one guest looks up pages all the time, one VMM takes them away
 * @g: guest
 * @iova: first page
 * @pages: how many
 * @stop: end
 * @found: lookups that found a page
 * @thread: thread
 */
struct storm {
	struct guest *g;
	u64 iova;
	u64 pages;
	int stop;
	u64 found;
	pthread_t thread;
};

static void *look_up(void *arg)
{
	struct storm *s = arg;
	u64 i;

	for (i = 0; !READ_ONCE(s->stop); i++) {
		if (!look(s->g, s->iova + i * 7 % s->pages * PAGE_SIZE, i & 1))
			WRITE_ONCE(s->found, s->found + 1);
		if (i % 32 == 0)
			sched_yield();
	}
	return NULL;
}

/* Both guests' memory lies at the same addresses, as in one container. */
static void unmap_under_storm(struct world *w, u32 n, u32 pin_us)
{
	struct vmm_user *vmms[] = { w->g[0].vmm, w->g[1].vmm };
	u64 iova = VMM_USER_IOVA + (w->g[0].vmm->pages - PAGES) * PAGE_SIZE;
	struct storm storm[2];
	u64 end = now_ms() + RUN_MS;
	u32 rounds = 0;
	u32 i;

	for (i = 0; i < n; i++) {
		vmms[i]->pin_us = pin_us;
		storm[i] = (struct storm){ .g = &w->g[i], .iova = iova, .pages = PAGES };
		assert_ok(pthread_create(&storm[i].thread, NULL, look_up, &storm[i]));
	}
	/* However slow the machine: until something was there to be taken, from each. */
	while (now_ms() < end || rounds < 4 || !READ_ONCE(storm[0].found) ||
	       !READ_ONCE(storm[n - 1].found)) {
		vmm_user_unmap_all(vmms, n, iova, PAGES * PAGE_SIZE);
		for (i = 0; i < n; i++)
			vmm_user_map(vmms[i], iova, PAGES * PAGE_SIZE);
		usleep(rounds++ % 4 * 3000);
	}
	for (i = 0; i < n; i++) {
		WRITE_ONCE(storm[i].stop, 1);
		pthread_join(storm[i].thread, NULL);
		vmms[i]->pin_us = 0;
	}
	print_message("           %u unmaps, at most %u calls for one\n", rounds,
		      vmms[0]->unmap_calls);
}

static void storm_of_lookups(void **state)
{
	unmap_under_storm(*state, 1, 0);
}

static void storm_of_two_in_a_container(void **state)
{
	unmap_under_storm(*state, 2, 0);
}

static void storm_on_slow_memory(void **state)
{
	unmap_under_storm(*state, 2, 2000);
}

struct registration {
	struct guest *g;
	struct client_mem mem;
	int err;
	pthread_t thread;
};

static void *register_all(void *arg)
{
	struct registration *r = arg;
	u32 key;

	r->err = client_reg_mr(&r->g->c, r->g->pd, r->mem.va, r->mem.len, CLIENT_ALL_ACCESS,
			       &key);
	if (!r->err)
		r->err = client_destroy_mkey(&r->g->c, key) ? 0 : -EEXIST;
	return NULL;
}

/* A list of many pieces in memory that is slow: it does not go on in what is taken away. */
static void a_slow_list_ends_early(void **state)
{
	struct world *w = *state;
	struct registration r = { .g = &w->g[1] };
	struct vmm_user *vmm = r.g->vmm;
	u64 calls;

	assert_ok(client_mem_alloc(&r.g->c, 500 * PAGE_SIZE, &r.mem));
	/* The command EQ goes with the rest; the command queue itself is not pinned. */
	r.g->c.cmdq.events = false;
	r.g->c.timeout_ms = 60000;
	calls = vmm->pin_calls;
	vmm->pin_us = 12000;
	assert_ok(pthread_create(&r.thread, NULL, register_all, &r));
	while (READ_ONCE(vmm->pin_calls) < calls + 10)
		usleep(1000);
	vmm_user_unmap(vmm, VMM_USER_IOVA, vmm->pages * PAGE_SIZE);
	calls = READ_ONCE(vmm->pin_calls);
	vmm->pin_us = 0;
	vmm_user_map(vmm, VMM_USER_IOVA, vmm->pages * PAGE_SIZE);
	pthread_join(r.thread, NULL);
	assert_int_not_equal(r.err, 0);
	assert_true(vmm->pin_calls <= calls + 1);
	client_mem_free(&r.g->c, &r.mem);
}

#define world_test(fn) cmocka_unit_test_setup_teardown(fn, world_setup, world_teardown)
#define thread_test(fn) cmocka_unit_test_setup_teardown(fn, world_setup_threaded, world_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		world_test(pages_are_pinned_for_what_the_access_is),
		world_test(a_failed_write_does_not_hide_the_page),
		world_test(read_only_memory_can_be_sent),
		world_test(refusals_say_why),
		world_test(records_are_pinned_for_reading),
		world_test(a_range_is_closed_until_its_task_is_back),
		world_test(two_instances_open_together),
		world_test(each_task_closes_for_itself),
		world_test(without_memory_it_stays_closed),
		world_test(closed_ranges_are_bounded),
		world_test(an_unmap_waits_for_a_bounded_time),
		world_test(the_last_call_has_no_bound),
		world_test(a_pin_from_before_is_undone),
		thread_test(storm_of_lookups),
		thread_test(storm_of_two_in_a_container),
		thread_test(storm_on_slow_memory),
		thread_test(a_slow_list_ends_early),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
