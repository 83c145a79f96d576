/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What a program of two instances may see: its objects, what they refer to, what is
 * posted and not completed, which bytes may change. model.c holds the instances
 * against it.
 */
#ifndef FUZZ_MODEL_H
#define FUZZ_MODEL_H

#include "fuzz.h"

#define M_PDS		2
#define M_KEYS		4
#define M_CQS		2
#define M_SRQS		2
#define M_QPS		4
#define M_SENDS		8U	/* basic blocks of a send queue */
#define M_RECVS		8U

struct m_pd {
	bool live;
	u32 number;
	u32 users;
};

struct m_key {
	bool live;
	u32 number;
	u32 pd;		/* index */
	u32 offset;
	u32 len;
	u32 access;
};

struct m_cq {
	bool live;
	struct client_cq cq;
	u32 users;
};

struct m_srq {
	bool live;
	struct client_srq srq;
	u32 pd;
	u32 users;
	u64 wr[16];
	u32 n;
};

/**
 * struct m_send - a posted send request
 * @wr_id: unique
 * @signalled: it must complete by itself
 * @stamp: &struct model.stamp when it was posted
 * @local_ok: its local keys allow it, @remote_ok: its remote key does
 * @remote_ok: see @local_ok
 */
struct m_send {
	u64 wr_id;
	bool signalled;
	u32 stamp;
	bool local_ok;
	bool remote_ok;
};

struct m_qp {
	bool live;
	struct client_qp qp;
	u8 type;
	u32 pd;
	u32 cq;
	s32 srq;	/* index or -1 */
	s32 peer_node;	/* whom INIT2RTR named; -1: nobody yet */
	u32 peer;
	struct m_send send[M_SENDS];
	u32 n_send;
	u64 recv[M_RECVS];
	u32 n_recv;
};

struct m_node {
	struct fuzz_node *n;
	struct m_pd pd[M_PDS];
	struct m_key key[M_KEYS];
	struct m_cq cq[M_CQS];
	struct m_srq srq[M_SRQS];
	struct m_qp qp[M_QPS];
	u32 base[MHCA_OBJECT_KINDS];	/* objects that are not the program's */
	bool may_change[FUZZ_MEM];
};

/**
 * struct model - both instances
 * @w: world
 * @node: their objects
 * @wr_id: last one used
 * @stamp: counts changes of keys and connections
 */
struct model {
	struct fuzz_world *w;
	struct m_node node[FUZZ_NODES];
	u64 wr_id;
	u32 stamp;
};

void model_open(struct model *m);
/* Every QP to ERR: what is posted comes back; then everything is destroyed. */
void model_close(struct model *m);
/* Before a step: which bytes it may change. After it: the invariants. */
void model_before(struct model *m);
void model_check(struct model *m);
/* Polls all CQs; @dying: completions of this QP are of no account any more. */
void model_poll(struct model *m, struct m_qp *dying);
/* Does a key of @node allow this access? */
bool model_allows(const struct m_node *node, const struct m_key *key, u32 pd, u64 addr,
		  u32 len, u32 access);
u8 model_state(struct m_qp *qp);
/* DESTROY_QP without forgetting the client's side. */
int model_destroy_qp(struct model *m, struct m_node *node, struct m_qp *qp);

#endif /* FUZZ_MODEL_H */
