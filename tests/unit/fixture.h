/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What most tests start from: a software HCA and guests with an opened client each. */
#ifndef FIXTURE_H
#define FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <shim/control.h>
#include "vmm_user.h"

#define WORLD_GUESTS	2
#define BUF_BYTES	(1U << 20)

#define assert_ok(call)		assert_int_equal(call, 0)

/**
 * struct guest - one instance and its client
 * @vmm: front end
 * @c: client
 * @pd: a PD
 * @cq: a CQ of 1024 entries
 * @buf: 1 MiB of memory, registered
 * @key: its key, all access; addresses are the program's
 */
struct guest {
	struct vmm_user *vmm;
	struct client c;
	u32 pd;
	struct client_cq cq;
	struct client_mem buf;
	u32 key;
};

struct world {
	struct soft_hca hca;
	struct guest g[WORLD_GUESTS];
	struct soft_lane_params params;
	u32 lanes;
	bool threaded;
	bool roce;
	bool linear;	/* guest-physical neighbours are neighbours on the host */
};

/* Two connected QPs; both may be of the same guest. */
struct pair {
	struct guest *g[2];
	struct client_qp qp[2];
};

/* cmocka setup and teardown: fake clock, everything driven by the test. */
int world_setup(void **state);
int world_teardown(void **state);
/* The same with instances of the roce type, RoCE on; GID 0 of each is roce_gid(). */
int world_setup_roce(void **state);
/* fe80::, then the guest's number: from 1 */
void roce_gid(u32 number, u8 gid[16]);
/* Towards GID 0 of @to. */
void roce_path(struct guest *to, u32 number, struct client_path *path);
/* The same with threads for lanes and commands, and the real clock. */
int world_setup_threaded(void **state);
int world_setup_roce_threaded(void **state);
/* With guest-physical addresses that are in order. */
int world_setup_roce_linear(void **state);
void world_open_guest(struct world *w, u32 i);
void world_close_guest(struct world *w, u32 i);
/* Until nothing moves: commands, lanes. */
void settle(struct world *w);
/* Let time pass in small steps, with everything running. */
void elapse(struct world *w, u64 ns);

void pair_create(struct pair *p, u8 type, struct guest *a, struct guest *b);
/* As client_modify_init(), towards the other guest's LID. */
void pair_modify(struct pair *p, u32 side, struct client_modify *m);
void pair_connect(struct pair *p);
/* RC or UC between @a and @b, in RTS. */
void pair_open(struct pair *p, u8 type, struct guest *a, struct guest *b);
void pair_close(struct pair *p);

/* Exactly the next completion of @cq; settles first. */
struct client_wc next_wc(struct world *w, struct client_cq *cq);
void expect_no_wc(struct world *w, struct client_cq *cq);
/* The next completion, with this status and wr_id. */
struct client_wc expect_wc(struct world *w, struct client_cq *cq, u64 wr_id, u8 status);

struct client_sge sge_of(struct guest *g, u32 offset, u32 len);
void recv_one(struct pair *p, u32 side, u64 wr_id, u32 offset, u32 len);
void fill(void *to, u32 len, u32 seed);
void assert_filled(const void *p, u32 len, u32 seed);
u8 qp_state(struct client_qp *qp);
/* An asynchronous event of this type must come. */
struct mlx5_eqe expect_event(struct world *w, struct guest *g, u8 type);
void expect_no_event(struct world *w, struct guest *g);

static inline u64 counter_of(atomic64_t *c)
{
	return (u64)atomic64_read(c);
}

#define counter(g, name)	counter_of(&(g)->vmm->inst->counters.name)

#endif /* FIXTURE_H */
