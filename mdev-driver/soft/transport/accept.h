/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Requests as their responder sees them: accept.c. All under the responder's rsp.lock, inside
 * srcu.
 */
#ifndef SOFT_TRANSPORT_ACCEPT_H
#define SOFT_TRANSPORT_ACCEPT_H

#include "transport.h"

/**
 * struct soft_action - what a message does to its responder
 * @known: there is such a message
 * @recv: it consumes a receive WQE
 * @access: enum soft_access bit that the QP and the rkey must grant, or 0
 * @cqe: opcode of the receive completion
 */
struct soft_action {
	bool known;
	bool recv;
	u8 access;
	u8 cqe;
};

const struct soft_action *soft_action(u8 opcode);
bool soft_resp_is_reliable(const struct soft_qp *peer);
/* Refusals: each says what becomes of the QP, and is what the requester is to be told. */
enum soft_result soft_resp_nak(struct soft_qp *peer, enum soft_result result);
enum soft_result soft_resp_nak_recv(struct soft_qp *peer, u8 syndrome,
				    enum soft_result result);
/* Where its receive WQEs come from, and the PD of its keys. false: no such XRC SRQ. */
bool soft_resp_srq(const struct soft_request *req, struct soft_qp *peer, struct soft_srq **srq);
bool soft_resp_pd(const struct soft_request *req, struct soft_qp *peer, u32 *pd);
/* Checks, in their order */
enum soft_result soft_resp_check_remote(const struct soft_request *req, struct soft_qp *peer,
					u8 access);
enum soft_result soft_resp_hold(struct soft_request *req, struct soft_qp *peer);
enum soft_result soft_resp_check_recv(const struct soft_request *req, struct soft_qp *peer);
enum soft_result soft_resp_invalidate(const struct soft_request *req, struct soft_qp *peer,
				      bool really);
/* The locked operation on guest memory. */
u64 soft_resp_operate(const struct soft_request *req, u64 *word);
/* It is there as a whole: PSN, MSN, counters, the receive WQE's completion. */
void soft_resp_complete(const struct soft_request *req, struct soft_qp *peer);

#endif /* SOFT_TRANSPORT_ACCEPT_H */
