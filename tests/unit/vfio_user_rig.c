// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Two instances of mhcad with a client each: see vfio_user_rig.h. */
#include <linux/vfio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "vfio_user_rig.h"

/* cmocka would catch these signals and say less about them than ASan; SIGBUS is the server's. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
	return "handle_segv=2:handle_sigbus=0:handle_sigfpe=2:handle_sigill=2";
}

/* A client that vanishes leaves its own behind; what the server leaks is found. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
	return "leak:client_\n";
}

/* What orders two messages is the program between them, which TSan does not follow. */
const char *__tsan_default_suppressions(void);
const char *__tsan_default_suppressions(void)
{
	return "race:mhca_guest_write\n";
}

int rig_setup(void **state)
{
	struct rig *rig = calloc(1, sizeof(*rig));
	u32 i;

	vu_server_start(&rig->server, 2);
	for (i = 0; i < NODES; i++)
		vu_instance_create(&rig->server, &rig->node[i].inst, "ib-small", i, "");
	*state = rig;
	return 0;
}

int rig_teardown(void **state)
{
	struct rig *rig = *state;
	u32 i;

	for (i = 0; i < NODES; i++)
		vu_instance_destroy(&rig->node[i].inst);
	vu_server_stop(&rig->server);
	free(rig);
	return 0;
}

void node_open(struct node *n)
{
	struct client_cq_attr cq;

	vu_open(&n->vu, vu_connect(&n->inst), MEMORY);
	assert_ok(client_open(&n->c, &vu_client_ops, &n->vu, 0));
	assert_ok(client_alloc_pd(&n->c, &n->pd));
	client_cq_attr_init(&cq, 8);
	assert_ok(client_create_cq(&n->c, &cq, &n->cq));
	assert_ok(client_mem_alloc(&n->c, BUF_BYTES, &n->buf));
	assert_ok(client_reg_mr(&n->c, n->pd, n->buf.va, BUF_BYTES, CLIENT_ALL_ACCESS, &n->key));
}

void node_vanish(struct node *n)
{
	shutdown(n->vu.fd, SHUT_RDWR);
	vu_disconnect(&n->inst);
}

void node_close(struct node *n)
{
	client_close(&n->c);
	node_vanish(n);
	vu_close(&n->vu);
}

void connect_nodes(struct rig *rig)
{
	struct client_qp_attr attr;
	struct client_modify m;
	struct node *n;
	u32 i;

	for (i = 0; i < NODES; i++) {
		n = &rig->node[i];
		client_qp_attr_init(&attr, MLX5_QP_ST_RC, n->pd, &n->cq);
		assert_ok(client_create_qp(&n->c, &attr, &n->qp));
	}
	for (i = 0; i < NODES; i++) {
		client_modify_init(&m);
		m.remote_qpn = rig->node[!i].qp.qpn;
		m.path.dlid = rig->node[!i].c.lid;
		assert_ok(client_connect_qp(&rig->node[i].qp, &m));
	}
}

struct client_wc next_wc(struct node *n)
{
	struct client_wc wc = { 0 };
	u32 tries;

	for (tries = 0; tries < 20000; tries++) {
		if (client_poll_cq(&n->cq, 1, &wc))
			return wc;
		usleep(100);
	}
	fail_msg("no completion came");
	return wc;
}

void message(struct node *from, struct node *to, u32 len, u8 fill)
{
	struct client_sge at = { (uintptr_t)to->buf.va, len, to->key };
	struct client_sge sge = { (uintptr_t)from->buf.va, len, from->key };
	struct client_send wr = {
		.opcode = MLX5_OPCODE_SEND, .wr_id = 7, .flags = CLIENT_SIGNALED,
		.sge = &sge, .n_sge = 1,
	};

	memset(from->buf.va, fill, len);
	memset(to->buf.va, 0, len);
	assert_ok(client_post_recv(&to->qp, 9, &at, 1));
	assert_ok(client_post_send(&from->qp, &wr));
	assert_int_equal(next_wc(from).status, 0);
	assert_int_equal(next_wc(to).wr_id, 9);
	assert_memory_equal(to->buf.va, from->buf.va, len);
}

void open_pair(struct rig *rig)
{
	u32 i;

	for (i = 0; i < NODES; i++)
		node_open(&rig->node[i]);
	connect_nodes(rig);
}

void close_pair(struct rig *rig)
{
	u32 i;

	for (i = 0; i < NODES; i++)
		node_close(&rig->node[i]);
}

int set_irqs(struct node *n, u32 flags, u32 start, u32 count, const int *fds, u32 n_fds)
{
	struct vfio_irq_set set = {
		.argsz = sizeof(set), .flags = flags | VFIO_IRQ_SET_ACTION_TRIGGER,
		.index = VFIO_PCI_MSIX_IRQ_INDEX, .start = start, .count = count,
	};

	return vu_call(&n->vu, VFIO_USER_DEVICE_SET_IRQS, &set, sizeof(set), fds, n_fds, NULL, 0,
		       NULL);
}
