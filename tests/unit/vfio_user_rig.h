/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Two instances of mhcad with a client each, as the tests of its socket begin. */
#ifndef VFIO_USER_RIG_H
#define VFIO_USER_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "vfio_user.h"

#define MEMORY		(32UL << 20)
#define NODES		2
#define BUF_BYTES	65536U

#define assert_ok(call)	assert_int_equal(call, 0)
#define rig_test(name)	cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)

/**
 * struct node - an instance, its client, and what a program has of it
 * @inst: instance
 * @vu: client
 * @c: the same, as libmhca knows it
 * @pd: PD
 * @cq: CQ
 * @buf: memory
 * @key: its key
 * @qp: QP towards the other node
 */
struct node {
	struct vu_instance inst;
	struct vu vu;
	struct client c;
	u32 pd;
	struct client_cq cq;
	struct client_mem buf;
	u32 key;
	struct client_qp qp;
};

struct rig {
	struct vu_server server;
	struct node node[NODES];
};

int rig_setup(void **state);
int rig_teardown(void **state);

/* A client comes, opens the function and makes what a program has. */
void node_open(struct node *n);
/* Its client is killed: nothing is said. */
void node_vanish(struct node *n);
void node_close(struct node *n);
/* QPs of the two nodes, towards each other. */
void connect_nodes(struct rig *rig);
void open_pair(struct rig *rig);
void close_pair(struct rig *rig);
struct client_wc next_wc(struct node *n);
/* @len bytes of @fill from one to the other. */
void message(struct node *from, struct node *to, u32 len, u8 fill);
/* SET_IRQS of MSI-X: the answer. */
int set_irqs(struct node *n, u32 flags, u32 start, u32 count, const int *fds, u32 n_fds);

#endif /* VFIO_USER_RIG_H */
