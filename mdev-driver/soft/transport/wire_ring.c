// SPDX-License-Identifier: GPL-2.0-only
/*
 * The READs and atomics that a responder has taken last. A requester that misses an answer
 * asks again, with the same PSN: a READ is then read anew, an atomic's result is the one
 * that is kept here, because it is executed once (IB specification 9.4.5, 9.7.5.1.2).
 */
#include "wire_engine.h"

/**
 * soft_asked_add() - remember a READ or an atomic
 * @qp: responder; rsp.lock held
 * @req: it; @req->value: an atomic's result
 *
 * The oldest one is forgotten. Return: its place; nothing of it is to be sent.
 */
struct soft_asked *soft_asked_add(struct soft_qp *qp, const struct soft_request *req)
{
	struct soft_wire_rsp *w = &qp->rsp.wire;
	struct soft_asked *asked = &w->asked[w->n_asked++ % SOFT_ASKED_MAX];

	lockdep_assert_held(&qp->rsp.lock);
	*asked = (struct soft_asked){
		.packets = req->packets,
		.psn = req->psn,
		.msn = w->msn,
		.opcode = req->opcode,
		.va = req->va,
		.rkey = req->rkey,
		.len = req->len,
		.srqn = req->srqn,
		.value = req->value,
	};
	return asked;
}

/**
 * soft_asked_find() - what a PSN belongs to
 * @qp: responder; rsp.lock held
 * @psn: PSN
 *
 * Return: the youngest READ or atomic that has it, or NULL.
 */
struct soft_asked *soft_asked_find(struct soft_qp *qp, u32 psn)
{
	struct soft_wire_rsp *w = &qp->rsp.wire;
	struct soft_asked *asked;
	u32 i;

	lockdep_assert_held(&qp->rsp.lock);
	for (i = 1; i <= SOFT_ASKED_MAX; i++) {
		asked = &w->asked[(w->n_asked + SOFT_ASKED_MAX - i) % SOFT_ASKED_MAX];
		if (((psn - asked->psn) & WIRE_PSN_MASK) < asked->packets)
			return asked;
	}
	return NULL;
}

/**
 * soft_asked_next() - the oldest one whose answer is to be sent
 * @qp: responder; rsp.lock held
 * @n: out: how many there are
 */
struct soft_asked *soft_asked_next(struct soft_qp *qp, u32 *n)
{
	struct soft_wire_rsp *w = &qp->rsp.wire;
	struct soft_asked *asked, *next = NULL;
	u32 i;

	lockdep_assert_held(&qp->rsp.lock);
	*n = 0;
	for (i = 0; i < SOFT_ASKED_MAX; i++) {
		asked = &w->asked[(w->n_asked + i) % SOFT_ASKED_MAX];
		if (!asked->pending)
			continue;
		if (!next)
			next = asked;
		++*n;
	}
	return next;
}
