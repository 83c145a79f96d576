// SPDX-License-Identifier: GPL-2.0-only
/* QP transitions from the wrong state, and objects destroyed while in use. */
#include <errno.h>
#include <stdio.h>
#include "hostile.h"

enum state { RST, INIT, RTR, RTS, ERR, STATES };

static const char *const state_name[STATES] = { "RST", "INIT", "RTR", "RTS", "ERR" };

static const struct {
	const char *name;
	u16 opcode;
	u32 from;		/* states in which it is allowed */
} transitions[] = {
	{ "RST2INIT", MLX5_CMD_OP_RST2INIT_QP, 1 << RST },
	{ "INIT2INIT", MLX5_CMD_OP_INIT2INIT_QP, 1 << INIT },
	{ "INIT2RTR", MLX5_CMD_OP_INIT2RTR_QP, 1 << INIT },
	{ "RTR2RTS", MLX5_CMD_OP_RTR2RTS_QP, 1 << RTR },
	{ "RTS2RTS", MLX5_CMD_OP_RTS2RTS_QP, 1 << RTS },
	{ "SQERR2RTS", MLX5_CMD_OP_SQERR2RTS_QP, 0 },
};

#define TRANSITIONS	(sizeof(transitions) / sizeof(*transitions))

static int new_qp(struct node *n, struct client_qp *qp)
{
	struct client_qp_attr attr;

	client_qp_attr_init(&attr, MLX5_QP_ST_RC, n->pd, &n->cq);
	return client_create_qp(&n->c, &attr, qp);
}

static int bring_to(struct client_qp *qp, enum state state, struct client_modify *m)
{
	static const u16 path[] = { 0, MLX5_CMD_OP_RST2INIT_QP, MLX5_CMD_OP_INIT2RTR_QP,
				    MLX5_CMD_OP_RTR2RTS_QP, MLX5_CMD_OP_2ERR_QP };
	int ret = 0;

	for (int s = INIT; s <= (int)state && !ret; s++)
		ret = client_modify_qp(qp, path[s], m);
	return ret;
}

static int run_transition(struct node *a, struct node *b, const void *arg)
{
	u32 i = (u32)(uintptr_t)arg, state = i / TRANSITIONS;
	struct client_modify m;
	struct client_qp qp;
	u64 objects;
	int ret;

	client_modify_init(&m);
	if (new_qp(a, &qp))
		return complain("no QP");
	m.remote_qpn = qp.qpn;
	m.path.dlid = a->c.lid;
	if (bring_to(&qp, state, &m))
		return complain("to %s: status %x", state_name[state], a->c.status);
	objects = node_objects(a);
	ret = client_modify_qp(&qp, transitions[i % TRANSITIONS].opcode, &m);
	return must_fail(a, ret, objects, "transition") || client_destroy_qp(&qp) ? -1 : 0;
}

/* Destroying what is referenced is refused as busy, and changes nothing. */
static int run_in_use(struct node *a, struct node *b, const void *arg)
{
	struct client_qp qp;
	u64 objects;

	if (new_qp(a, &qp))
		return complain("no QP");
	objects = node_objects(a);
	if (must_fail(a, client_dealloc_pd(&a->c, a->pd), objects, "PD of a QP") ||
	    must_fail(a, client_destroy_cq(&a->cq), objects, "CQ of a QP") ||
	    must_fail(a, client_dealloc_uar(&a->c, a->c.uar), objects, "UAR of a QP"))
		return -1;
	return client_destroy_qp(&qp);
}

/* Created with references that only another instance has. */
static int run_foreign_references(struct node *a, struct node *b, const void *arg)
{
	struct client_cq cq = a->cq;
	struct client_qp_attr attr;
	struct client_qp qp;
	u64 objects;
	u32 pd = 0, uar = 0, key;

	for (int i = 0; i < 6; i++) {
		struct client_cq_attr cq_attr;
		static struct client_cq other[6];

		client_cq_attr_init(&cq_attr, 4);
		if (client_alloc_pd(&b->c, &pd) || client_alloc_uar(&b->c, &uar) ||
		    client_create_cq(&b->c, &cq_attr, &other[i]))
			return complain("bystander: status %x", b->c.status);
		cq.cqn = other[i].cqn;
	}
	objects = node_objects(a);
	client_qp_attr_init(&attr, MLX5_QP_ST_RC, pd, &a->cq);
	if (must_fail(a, client_create_qp(&a->c, &attr, &qp), objects, "QP in a foreign PD"))
		return -1;
	client_qp_attr_init(&attr, MLX5_QP_ST_RC, a->pd, &cq);
	if (must_fail(a, client_create_qp(&a->c, &attr, &qp), objects, "QP with a foreign CQ"))
		return -1;
	client_qp_attr_init(&attr, MLX5_QP_ST_RC, a->pd, &a->cq);
	attr.uar = uar;
	if (must_fail(a, client_create_qp(&a->c, &attr, &qp), objects, "QP on a foreign UAR"))
		return -1;
	return must_fail(a, client_reg_mr(&a->c, pd, a->mem.va, 4096, 0, &key), objects,
			 "key in a foreign PD");
}

static u32 count(void)
{
	u32 n = 0;

	for (u32 i = 0; i < STATES * TRANSITIONS; i++)
		n += !(transitions[i % TRANSITIONS].from >> (i / TRANSITIONS) & 1);
	return n + 2;
}

static void get(u32 i, struct hostile_case *c, char *name, size_t size)
{
	c->name = name;
	if (i < 2) {
		snprintf(name, size, i ? "state_foreign_references" : "state_destroy_in_use");
		c->run = i ? run_foreign_references : run_in_use;
		return;
	}
	i -= 2;
	for (u32 k = 0; k < STATES * TRANSITIONS; k++) {
		if (transitions[k % TRANSITIONS].from >> (k / TRANSITIONS) & 1 || i--)
			continue;
		snprintf(name, size, "state_%s_in_%s", transitions[k % TRANSITIONS].name,
			 state_name[k / TRANSITIONS]);
		c->run = run_transition;
		c->arg = (const void *)(uintptr_t)k;
		return;
	}
}

const struct hostile_group state_group = { "state", count, get };
