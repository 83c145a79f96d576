/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * mhca-host: instances of this host driven through VFIO, without guests.
 *
 *   main.c      command line
 *   node.c      an open instance with memory, CQ and connections
 *   counters.c  its counters (tests/unit/hostile_user.c has others)
 *   traffic.c   verified traffic in a ring of instances
 *   busy.c      one busy QP among many
 *   limits.c    how many objects and how much memory an instance allows
 *   flow.c      how much each of several instances moves
 *   ethernet.c  queues of an Ethernet port (ethernet.h)
 *   load.c      an honest tenant, measured (load.h)
 *   storm.c     neighbours that are no honest tenants
 *   unmap.c     memory that comes and goes under traffic
 *   idle.c      open instances that do nothing
 *   mappings.c  doorbell pages, mapped too often or for too long
 *   stream.c    VFIO's migration protocol
 *   move.c      a guest that moves, with messages under way
 *   arcs.c      states of a move that are asked for in any order; images that are none
 *   stuck.c     a monitor whose memory does not answer
 *   sweep.c     a life at an instance in which one allocation fails (sequence.h)
 *   fuzz.c      spoiled commands and WQEs by the million
 *   hostile.c   walk through the hostile cases; h_*.c: the cases
 */
#ifndef HOST_H
#define HOST_H

#include "client.h"

#define NODE_MEM	(4UL << 20)

/**
 * struct node - an instance that this process drives
 * @c: client
 * @vfio: its backend
 * @uuid: name
 * @pd: protection domain
 * @mem: memory
 * @key: key of all of it, everything allowed
 * @cq: for everything
 * @mac: of an Ethernet port
 * @gid: its GID 0, for RoCE
 */
struct node {
	struct client c;
	struct client_vfio *vfio;
	const char *uuid;
	u32 pd;
	struct client_mem mem;
	u32 key;
	struct client_cq cq;
	u8 mac[6];
	u8 gid[16];
};

u64 now_ns(void);
/* Print to standard error and return -1. */
int complain(const char *format, ...) __attribute__((format(printf, 1, 2)));
u32 pick(u64 *rng, u32 below);

/* @ops: &client_vfio_ops or a variant; @flags: enum client_open_flags. */
int node_open_with(struct node *n, const char *uuid, const struct client_ops *ops,
		   u32 flags);
/* The same with a backend that is open, or NULL: then errno says why not. */
int node_open_on(struct node *n, const char *uuid, struct client_vfio *vfio,
		 const struct client_ops *ops, u32 flags);
int node_open(struct node *n, const char *uuid);
void node_close(struct node *n);
/* The same for a function that may not answer any more; leaves memory behind. */
void node_abandon(struct node *n);
bool node_is_ethernet(const struct node *n);
/* Where @to is: its LID, or its RoCE address. */
void node_path(const struct node *to, struct client_path *path);
/* The same for a multicast group. */
void node_path_group(const struct node *n, const u8 mgid[16], struct client_path *path);
/* An RC QP of @from and one of @to, connected. */
int node_connect(struct node *from, struct client_qp *a, struct node *to,
		 struct client_qp *b);
int node_connect_type(struct node *from, struct client_qp *a, struct node *to,
		      struct client_qp *b, u8 type);
/* Post @wr on @qp and wait for its completion. 0, or -1 when there is none. */
int node_send(struct node *n, struct client_qp *qp, struct client_send *wr,
	      struct client_wc *wc);
int node_poll(struct node *n, struct client_wc *wc, int timeout_ms);
/* A counter of the instance, from sysfs; ~0: there is none. */
u64 node_counter(const struct node *n, const char *name);
/* The sum of its objects_* counters. */
u64 node_objects(const struct node *n);
/* Verified WRITE and READ over a new connection. */
int node_transfer(struct node *from, struct node *to);

int traffic_main(int argc, char **argv);
int busy_main(int argc, char **argv);
int limits_main(int argc, char **argv);
int flow_main(int argc, char **argv);
int idle_main(int argc, char **argv);
int mappings_main(int argc, char **argv);
int move_main(int argc, char **argv);
int arcs_main(int argc, char **argv);
int images_main(int argc, char **argv);
int stuck_main(int argc, char **argv);
int sweep_main(int argc, char **argv);
int steady_main(int argc, char **argv);
int storm_main(int argc, char **argv);
int unmap_main(int argc, char **argv);
int fuzz_main(int argc, char **argv);
int hostile_main(int argc, char **argv);

#endif /* HOST_H */
