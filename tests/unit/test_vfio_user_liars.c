// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Clients of mhcad that lie: they harm nobody but themselves. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/vfio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "vfio_user_rig.h"

/* A counter that is full makes writers wait: nobody here does. Nor for what is no eventfd. */
static void full_eventfd_holds_nobody_up(void **state)
{
	struct node *n = &((struct rig *)*state)->node[0];
	const u64 full = ~1ULL;
	int ends[2];
	u32 i;

	vu_open(&n->vu, vu_connect(&n->inst), MEMORY);
	assert_int_equal(write(n->vu.irq[5], &full, sizeof(full)), sizeof(full));
	assert_ok(pipe(ends));
	assert_ok(set_irqs(n, VFIO_IRQ_SET_DATA_EVENTFD, 6, 1, &ends[1], 1));
	for (i = 0; i < 20000; i++) {
		mhcad_irq_raise(n->inst.dev, 5);
		mhcad_irq_raise(n->inst.dev, 6);
	}
	mhcad_irq_raise(n->inst.dev, 7);
	assert_int_equal(vu_client_ops.irq_wait(&n->vu, 7, 1000), 1);
	close(ends[0]);
	close(ends[1]);
	node_vanish(n);
	vu_close(&n->vu);
}

/* The file shrinks under the server: that client is cut off, and nobody else. */
static void truncated_memory_ends_its_client(void **state)
{
	struct rig *rig = *state;
	struct node *a = &rig->node[0], *b = &rig->node[1];
	u32 tries;

	/* cmocka has put its own handler there. */
	mhcad_fault_init();
	open_pair(rig);
	message(a, b, 4096, 1);
	assert_ok(ftruncate(a->vu.mem_fd, 0));
	assert_ok(ftruncate(a->vu.mem_fd, MEMORY));
	assert_ok(ftruncate(a->vu.mem_fd, 0));
	for (tries = 0; tries < 5000 && !READ_ONCE(a->inst.dev->dead); tries++) {
		vu_client_ops.iseg_write(&a->vu, 0x18, ~0U);
		usleep(100);
	}
	assert_true(tries < 5000);
	vu_disconnect(&a->inst);
	vu_close(&a->vu);

	node_open(a);
	client_destroy_qp(&b->qp);
	connect_nodes(rig);
	message(a, b, 4096, 2);
	close_pair(rig);
}

/* ---- Clients that lie ------------------------------------------------------------------ */

static u64 seed = 88172645463325252ULL;

static u32 below(u32 n)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (u32)(seed >> 32) % n;
}

/* A message of a kind that there is, with numbers near those that mean something. */
static u32 make_message(u8 *msg, u32 size, bool versed)
{
	static const u32 near[] = {
		0, 1, 2, 3, 4, 7, 8, 9, 16, 20, 24, 32, 33, 64, 4095, 4096, 0x3000, 0x10000,
		MHCA_BAR_SIZE, MHCA_BAR_SIZE - 4, MHCAD_MAX_XFER, 0x7fffffff, 0xfffff000, ~0U,
	};
	struct vfio_user_header header = {
		.id = (u16)below(65536),
		.command = versed ? (u16)below(VFIO_USER_COMMANDS + 4) : VFIO_USER_VERSION,
		.flags = below(8) ? 0 : below(64),
	};
	u32 words = below(16), i;
	u32 len = sizeof(header) + words * 4;

	if (!versed) {
		memset(msg, 0, sizeof(header) + 4);
		header.size = sizeof(header) + 4;
		memcpy(msg, &header, sizeof(header));
		return header.size;
	}
	for (i = 0; i < words; i++) {
		u32 word = below(4) ? near[below(ARRAY_SIZE(near))] : below(~0U);

		memcpy(msg + sizeof(header) + i * 4, &word, 4);
	}
	header.size = below(32) ? len : near[below(ARRAY_SIZE(near))];
	memcpy(msg, &header, sizeof(header));
	return min(len, size);
}

static void send_with_fds(int socket, const void *msg, size_t len, const int *fds, u32 n)
{
	struct iovec iov = { (void *)msg, len };
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(40 * sizeof(int))];
	} control = { };
	struct msghdr mh = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct cmsghdr *c;

	if (n) {
		mh.msg_control = &control;
		mh.msg_controllen = CMSG_SPACE(n * sizeof(int));
		c = CMSG_FIRSTHDR(&mh);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(n * sizeof(int));
		memcpy(CMSG_DATA(c), fds, n * sizeof(int));
	}
	/* It may have been cut off by now. */
	sendmsg(socket, &mh, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static void drain(int socket)
{
	u8 waste[4096];

	while (recv(socket, waste, sizeof(waste), MSG_DONTWAIT) > 0)
		;
}

static u32 open_files(void)
{
	u32 n = 0;
	int fd;

	for (fd = 0; fd < 1024; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

static void one_liar(struct node *n, const int *fds)
{
	int socket = vu_connect(&n->inst);
	u32 messages = below(200), i, len;
	u8 msg[128];

	for (i = 0; i <= messages; i++) {
		len = make_message(msg, sizeof(msg), i);
		/* Some with files, some cut anywhere, some that hang in the middle. */
		send_with_fds(socket, msg, below(100) ? len : below(len) + 1, fds,
			      i && !below(4) ? below(20) : 0);
		drain(socket);
	}
	/* A second thought: what it has not read is thrown away with it. */
	close(socket);
	vu_disconnect(&n->inst);
}

static void liars_harm_nobody(void **state)
{
	const char *rounds = getenv("MHCA_LIARS");
	struct rig *rig = *state;
	struct node third;
	int fds[40];
	u32 i, n, files;

	vu_instance_create(&rig->server, &third.inst, "ib-small", 99, "");
	open_pair(rig);
	for (i = 0; i < ARRAY_SIZE(fds); i++)
		fds[i] = i & 1 ? rig->node[0].vu.mem_fd : rig->node[0].vu.irq[i % 33];
	one_liar(&third, fds);
	files = open_files();
	n = rounds ? (u32)atoi(rounds) : 100;
	for (i = 0; i < n; i++) {
		one_liar(&third, fds);
		if (i % 10 == 0)
			message(&rig->node[i & 1], &rig->node[!(i & 1)], 3000, (u8)i + 1);
	}
	assert_int_equal(open_files(), files);
	assert_int_equal(atomic64_read(&third.inst.dev->inst->gmem.pinned), 0);
	node_open(&third);
	node_close(&third);
	close_pair(rig);
	vu_instance_destroy(&third.inst);
}

/* More files than a message may have; files with every byte of it. */
static void too_many_files_end_it(void **state)
{
	struct node *n = &((struct rig *)*state)->node[0];
	struct vfio_user_header header = {
		.command = VFIO_USER_VERSION, .size = sizeof(header) + 4,
	};
	u8 msg[sizeof(header) + 4] = { 0 };
	u32 files, round, i;
	int fds[40];
	u8 byte;

	memcpy(msg, &header, sizeof(header));
	memset(fds, 0, sizeof(fds));
	files = open_files();
	for (round = 0; round < 2; round++) {
		int socket = vu_connect(&n->inst);

		if (round) {
			send_with_fds(socket, msg, sizeof(msg), fds, 40);
		} else {
			for (i = 0; i < sizeof(msg); i++)
				send_with_fds(socket, msg + i, 1, fds, 1);
		}
		/* It is cut off without an answer. */
		assert_true(recv(socket, &byte, 1, 0) <= 0);
		vu_disconnect(&n->inst);
		close(socket);
		assert_int_equal(open_files(), files);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		rig_test(full_eventfd_holds_nobody_up),
		rig_test(truncated_memory_ends_its_client),
		rig_test(liars_harm_nobody),
		rig_test(too_many_files_end_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
