/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Two instances on one software HCA, each with memory, a key and a CQ, for the tests
 * of the data path (test_engine_*.c). Lanes are run by the waiting test itself, and
 * the clock is the test's own.
 */
#ifndef TEST_ENGINE_H
#define TEST_ENGINE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <rdma/ib_verbs.h>

#include "vmm_user.h"
#include "shim/control.h"

#define ENGINE_BYTES	(2UL << 20)	/* memory of a node under one key */
#define ENGINE_QKEY	0x11223344

/**
 * struct engine_node - a guest
 * @vmm: its VMM
 * @c: its driver
 * @pd: PD
 * @cq: CQ for everything
 * @mem: ENGINE_BYTES of memory
 * @key: of @mem, all access
 */
struct engine_node {
	struct vmm_user *vmm;
	struct client c;
	u32 pd;
	struct client_cq cq;
	struct client_mem mem;
	u32 key;
};

/**
 * struct engine - the fixture
 * @hca: HCA
 * @node: two guests
 */
struct engine {
	struct soft_hca hca;
	struct engine_node node[2];
};

/**
 * struct engine_pair - a connection from node 0 to node 1
 * @e: fixture
 * @qp: both ends
 */
struct engine_pair {
	struct engine *e;
	struct client_qp qp[2];
};

extern const struct soft_lane_params engine_params;

struct engine *engine_create(const struct soft_lane_params *params, u32 lanes);
void engine_destroy(struct engine *e);
int engine_setup(void **state);
int engine_teardown(void **state);

/* Run everything that is due at the current (fake) time. */
void engine_settle(struct engine *e);
/* Settle, move the clock on, settle: in steps, so that no timer is skipped over. */
void engine_pass(struct engine *e, u64 ns);
/* The next completion of @cq, which must come without time passing. */
struct client_wc engine_wc(struct engine *e, struct client_cq *cq);
/* There is none. */
void engine_no_wc(struct engine *e, struct client_cq *cq);

void engine_path(const struct engine_node *to, struct client_path *path);
void engine_modify(const struct engine_node *to, u32 remote_qpn, struct client_modify *modify);
/* Create and connect both ends; @tune may change attributes before (NULL: none). */
void engine_connect(struct engine *e, u8 type, struct engine_pair *pair,
		    void (*tune)(struct client_qp_attr *attr, struct client_modify *modify,
				 u32 end));
void engine_disconnect(struct engine_pair *pair);
/* 2RST and connect again. */
void engine_reconnect(struct engine_pair *pair);
u8 engine_qp_state(struct client_qp *qp);
u32 engine_psn(struct client_qp *qp, bool send);

/* Pattern that depends on @seed and place. */
void engine_fill(void *mem, size_t len, u32 seed);
bool engine_is(const void *mem, size_t len, u32 seed);

struct client_sge engine_sge(const struct engine_node *node, u64 at, u32 len);
void engine_recv(struct client_qp *qp, const struct engine_node *node, u64 wr_id, u64 at,
		 u32 len);
/* A signalled work request of one entry; the caller changes what it likes. */
struct client_send engine_send(u8 opcode, const struct client_sge *sge);
void engine_post(struct client_qp *qp, const struct client_send *wr);
/* The next asynchronous event of @node of @type; fails when there is none. */
void engine_event(struct engine *e, struct engine_node *node, u8 type, u32 number);
/* A work request of node @from that reaches the other one's second page; *@sge is its memory. */
struct client_send engine_message(struct engine *e, u32 from, u8 opcode, struct client_sge *sge);

#endif /* TEST_ENGINE_H */
