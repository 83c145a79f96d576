// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memory that is mapped into the container and taken out again, as fast as it goes, while
 * one or two instances of that container send from it and receive into it through keys
 * that name any address: each page is pinned when it is first met. VFIO's type 1 has a
 * bound for how often it asks to have a page back. With "idle" the thread that takes it
 * out runs only when nobody else wants to, which is long after the driver let it go.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include "host.h"

#define PAGES	256
#define DEPTH	16

/**
 * struct user - who uses the memory
 * @node: instance
 * @key: key of any address
 * @iova: where the memory is now, of all users
 * @stop: end
 * @good: messages that succeeded
 * @lost: that met memory that was gone
 * @failed: something else went wrong
 * @thread: thread
 */
struct user {
	struct node node;
	u32 key;
	const u64 *iova;
	int stop;
	u64 good;
	u64 lost;
	int failed;
	pthread_t thread;
};

static void nap(long us)
{
	struct timespec t = { us / 1000000, us % 1000000 * 1000 };

	nanosleep(&t, NULL);
}

static int post(struct user *u, struct client_qp *qp, u64 i)
{
	u64 page = i * 7 % PAGES;
	struct client_sge sge = {
		.addr = __atomic_load_n(u->iova, __ATOMIC_ACQUIRE) + page * CLIENT_PAGE,
		.len = 64, .lkey = u->key,
	};
	struct client_send wr = {
		.opcode = i & 1 ? MLX5_OPCODE_RDMA_READ : MLX5_OPCODE_RDMA_WRITE,
		.sge = &sge, .n_sge = 1, .flags = CLIENT_SIGNALED,
		.remote_addr = (uintptr_t)u->node.mem.va + page * 64, .rkey = u->node.key,
	};

	return client_post_send(qp, &wr);
}

/* Post until a message meets memory that is gone, or until the end. */
static int use(struct user *u, struct client_qp *qp)
{
	u64 posted = 0, done = 0;
	struct client_wc wc;

	while (!__atomic_load_n(&u->stop, __ATOMIC_RELAXED)) {
		while (posted - done < DEPTH)
			if (post(u, qp, posted++))
				return complain("post");
		if (node_poll(&u->node, &wc, 20000))
			return complain("no completion");
		done++;
		if (wc.status) {
			u->lost++;
			break;
		}
		__atomic_add_fetch(&u->good, 1, __ATOMIC_RELAXED);
	}
	while (done++ < posted)
		if (node_poll(&u->node, &wc, 20000))
			return complain("no completion at the end");
	return 0;
}

static void *user_run(void *arg)
{
	struct user *u = arg;
	struct client_qp a, b;

	while (!__atomic_load_n(&u->stop, __ATOMIC_RELAXED) && !u->failed)
		u->failed = node_connect(&u->node, &a, &u->node, &b) || use(u, &a) ||
			    client_destroy_qp(&a) || client_destroy_qp(&b);
	return NULL;
}

static int user_open(struct user *u, const char *uuid, struct user *beside, const u64 *iova)
{
	struct client_mkey_attr attr = {
		.access = CLIENT_ALL_ACCESS, .pa = true, .length64 = true, .qpn = CLIENT_ANY_QP,
	};

	struct client_vfio *vfio = beside ? client_vfio_open_beside(uuid, beside->node.vfio) :
					    client_vfio_open(uuid);

	u->iova = iova;
	if (node_open_on(&u->node, uuid, vfio, &client_vfio_ops, 0))
		return -1;
	attr.pd = u->node.pd;
	return client_create_mkey(&u->node.c, &attr, &u->key) ? complain("key") : 0;
}

static u64 messages(const struct user *users, int n)
{
	u64 sum = 0;

	while (n--)
		sum += __atomic_load_n(&users[n].good, __ATOMIC_RELAXED);
	return sum;
}

/* Take the memory and give it back until @end; how often. */
static u64 take_and_give(struct client *c, void *mem, u64 *iova, u64 end)
{
	u64 rounds;

	for (rounds = 0; now_ns() < end; rounds++) {
		u64 at = *iova;

		nap(rounds % 8 * 1000);
		c->ops->unmap(c->backend, at, PAGES * CLIENT_PAGE);
		if (c->ops->map(c->backend, mem, PAGES * CLIENT_PAGE, &at))
			break;
		__atomic_store_n(iova, at, __ATOMIC_RELEASE);
	}
	return rounds;
}

/* Of the calling thread; others that exist keep theirs. */
static int set_class(const char *name)
{
	struct sched_param param = { 0 };

	if (strcmp(name, "idle"))
		return 0;
	return sched_setscheduler(0, SCHED_IDLE, &param) ?
	       complain("SCHED_IDLE: %s", strerror(errno)) : 0;
}

/**
 * unmap_main() - mhca-host unmap SECONDS normal|idle UUID [UUID]
 * @argc: arguments
 * @argv: arguments
 *
 * Return: 0 when all went on as before in the end.
 */
int unmap_main(int argc, char **argv)
{
	int n = argc - 2 > 2 ? 2 : argc - 2, failed = 0, i;
	struct user *users = calloc(2, sizeof(*users));
	u64 iova, rounds = 0, good = 0, lost = 0;
	void *mem;

	mem = mmap(NULL, PAGES * CLIENT_PAGE, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	for (i = 0; i < n && !failed; i++)
		failed = user_open(&users[i], argv[2 + i], i ? &users[0] : NULL, &iova);
	if (!failed && users[0].node.c.ops->map(users[0].node.c.backend, mem,
						PAGES * CLIENT_PAGE, &iova))
		failed = complain("map");
	for (i = 0; i < n && !failed; i++)
		failed = pthread_create(&users[i].thread, NULL, user_run, &users[i]);
	if (failed || set_class(argv[1]))
		return -1;
	puts("ready");
	fflush(stdout);
	rounds = take_and_give(&users[0].node.c, mem, &iova,
			       now_ns() + strtoull(argv[0], NULL, 0) * 1000000000ULL);
	good = messages(users, n);
	for (i = 0; i < 1000 && messages(users, n) < good + 10; i++)
		nap(10000);
	if (i == 1000)
		failed = complain("nothing moves any more");
	for (i = 0; i < n; i++) {
		__atomic_store_n(&users[i].stop, 1, __ATOMIC_RELAXED);
		pthread_join(users[i].thread, NULL);
		failed |= users[i].failed;
		good = messages(users, n);
		lost += users[i].lost;
	}
	while (n--)
		node_close(&users[n].node);
	printf("{\"unmaps\": %llu, \"messages\": %llu, \"lost\": %llu, \"failed\": %d}\n",
	       (unsigned long long)rounds, (unsigned long long)good, (unsigned long long)lost,
	       failed);
	free(users);
	return failed;
}
