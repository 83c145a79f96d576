/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * mhca-verify: RDMA traffic whose every byte is checked.
 *
 * Two sides run the same tests in the same order and meet over a socket:
 * two processes connected by TCP, or two threads of one process. Both compute
 * the same plan from the same seed, so each knows what the other one does.
 */
#ifndef VERIFY_H
#define VERIFY_H

#include <infiniband/verbs.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))

#define MAX_SGE		30U
#define BATCH		64U	/* cases in flight at most */
#define DEPTH		128U	/* work requests of a queue */
#define ARENA_SIZE	(20UL << 20)
#define GRH_SIZE	40U

/**
 * struct options - the command line
 * @device: name of the RDMA device, or NULL: the first one
 * @port: port number
 * @gid_index: GID index, or -1: no global route (InfiniBand)
 * @events: wait with completion events instead of polling
 * @timeout: seconds after which a wait has failed
 * @seconds: how long the soak test lasts
 * @seed: of all plans
 * @tests: shell pattern of test names
 */
struct options {
	const char *device;
	uint8_t port;
	int gid_index;
	bool events;
	unsigned int timeout;
	unsigned int seconds;
	uint64_t seed;
	const char *tests;
};

/* Memory regions by what they permit; each side has one of each. */
enum key {
	KEY_GOOD,	/* everything */
	KEY_NONE,	/* local read only */
	KEY_NO_WRITE,	/* no remote write, no atomics */
	KEY_NO_READ,	/* no remote read, no atomics */
	KEY_ALIEN,	/* everything, but of another PD */
	KEY_STALE,	/* deregistered */
	KEY_UNKNOWN,	/* never existed */
	KEYS
};

/**
 * struct arena - the memory that tests work in, as the other side knows it
 * @addr: address
 * @rkey: of each region; all of them cover the whole arena
 */
struct arena {
	uint64_t addr;
	uint32_t rkey[KEYS];
};

/**
 * struct side - one of the two sides
 * @index: 0 or 1; side 0 reports
 * @fd: socket to the other side
 * @broken: the current test ended early, here or there
 * @why: cause of a failure
 * @opt: options
 * @ctx: device
 * @dev: its attributes
 * @port: its port
 * @gid: GID @opt.gid_index (or 0)
 * @pd: protection domain of everything but KEY_ALIEN
 * @alien_pd: the other one
 * @mr: regions; NULL for keys without one
 * @lkey: local keys
 * @mem: the arena
 * @want: what it has to look like
 * @mine: the arena as told to the other side
 * @peer: the other side's
 * @rng: state of the plan's random numbers; equal on both sides
 * @messages: messages whose data was checked
 * @bytes: their bytes
 */
struct side {
	int index;
	int fd;
	bool broken;
	char why[512];
	const struct options *opt;
	struct ibv_context *ctx;
	struct ibv_device_attr dev;
	struct ibv_port_attr port;
	union ibv_gid gid;
	struct ibv_pd *pd;
	struct ibv_pd *alien_pd;
	struct ibv_mr *mr[KEYS];
	uint32_t lkey[KEYS];
	uint8_t *mem;
	uint8_t *want;
	struct arena mine;
	struct arena peer;
	uint64_t rng;
	uint64_t messages;
	uint64_t bytes;
};

/* side.c */
int fail(struct side *s, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
int side_open(struct side *s);
void side_close(struct side *s);
/* Give @mine, get @theirs; fails if the other side failed. */
int swap(struct side *s, const void *mine, void *theirs, uint32_t len);
/* Meet the other side. */
int meet(struct side *s);
/* Tell the other side that this test ends here. */
void give_up(struct side *s);
uint64_t now_ms(void);
uint32_t pick(struct side *s, uint32_t below);

/* ---- link.c: a connection between the sides --------------------------- */

enum transport { RC, UC, UD, XRC, TRANSPORTS };

extern const char *const transport_name[TRANSPORTS];

/**
 * struct link_attr - what a test wants of a connection; zero is a good default
 * @transport: service
 * @srq: receive through an SRQ (XRC always does)
 * @access: what the other side may do; 0: everything
 * @rnr_retry: of 7 (for ever) minus this
 * @no_retry: give up early on a silent peer
 * @cq_depth: entries of a CQ; 0: enough
 */
struct link_attr {
	enum transport transport;
	bool srq;
	unsigned int access;
	uint8_t rnr_retry;
	bool no_retry;
	unsigned int cq_depth;
};

/**
 * struct cq - a CQ with its own channel
 * @cq: CQ
 * @channel: its events
 * @unacked: events not acknowledged yet
 */
struct cq {
	struct ibv_cq *cq;
	struct ibv_comp_channel *channel;
	unsigned int unacked;
};

/**
 * struct link - a connection; both directions can be used
 * @attr: as asked
 * @send: CQ of sends
 * @recv: CQ of receives
 * @qp: QP that sends; it receives too unless XRC
 * @xrc_qp: XRC: the QP that is the target
 * @xrcd: XRC domain
 * @srq: shared receive queue
 * @srqn: XRC: its number
 * @ah: UD: the other side
 * @peer_qpn: UD: the other side's QP
 * @peer_srqn: XRC: the other side's SRQ
 * @max_inline: bytes of inline data
 * @max_sge: entries of a gather or scatter list
 */
struct link {
	struct link_attr attr;
	struct cq send;
	struct cq recv;
	struct ibv_qp *qp;
	struct ibv_qp *xrc_qp;
	struct ibv_xrcd *xrcd;
	struct ibv_srq *srq;
	uint32_t srqn;
	struct ibv_ah *ah;
	uint32_t peer_qpn;
	uint32_t peer_srqn;
	uint32_t max_inline;
	uint32_t max_sge;
};

int link_open(struct side *s, struct link *l, const struct link_attr *attr);
void link_close(struct side *s, struct link *l);
/* Connect a QP in RESET to QP @qpn of this same side. */
int link_connect_qp(struct side *s, struct link *l, struct ibv_qp *qp, uint32_t qpn);
int link_post_recv(struct side *s, struct link *l, struct ibv_recv_wr *wr);
/* Fill in what the transport needs beside opcode and SGL. */
void link_address(struct link *l, struct ibv_send_wr *wr);
int link_post_send(struct side *s, struct link *l, struct ibv_send_wr *wr);
/* Move the receiving QP to ERR. */
int link_break(struct side *s, struct link *l);
enum ibv_qp_state link_state(struct ibv_qp *qp);
/* The next completion; fails when there is none in time. */
int cq_next(struct side *s, struct cq *cq, struct ibv_wc *wc);
/* The next completion must be a flushed @wr_id. */
int cq_flushed(struct side *s, struct cq *cq, uint64_t wr_id);
/* There must be none. */
int cq_empty(struct side *s, struct cq *cq);
/* Wait for a completion event; *@seen false: none within @ms. */
int cq_wait_event(struct side *s, struct cq *cq, int ms, bool *seen);
int cq_open(struct side *s, struct cq *cq, unsigned int depth);
void cq_close(struct cq *cq);
/* Wait for an asynchronous event of this type and object. */
int async_wait(struct side *s, enum ibv_event_type type, const void *object);

/* ---- data.c: plans, and checking them --------------------------------- */

/**
 * struct piece - a part of an arena
 * @off: offset
 * @len: bytes
 */
struct piece {
	uint32_t off;
	uint32_t len;
};

/**
 * struct xfer - one message
 * @op: operation
 * @len: bytes
 * @local_sge: pieces at the active side
 * @remote_sge: pieces of the receive
 * @local_align: address modulo 64 at the active side
 * @remote_align: … at the passive side
 * @flags: IBV_SEND_*
 * @imm: immediate
 * @local: where at the active side
 * @remote: where at the passive side
 * @n_local: entries of @local
 * @n_remote: entries of @remote
 * @grh: UD: where the receive's first 40 bytes go
 */
struct xfer {
	enum ibv_wr_opcode op;
	uint32_t len;
	uint32_t local_sge;
	uint32_t remote_sge;
	uint32_t local_align;
	uint32_t remote_align;
	unsigned int flags;
	uint32_t imm;
	struct piece local[MAX_SGE];
	struct piece remote[MAX_SGE];
	uint32_t n_local;
	uint32_t n_remote;
	struct piece grh;
};

/**
 * struct plan - messages that are in flight together
 * @active: index of the side that sends
 * @n: messages
 * @used: bytes of each side's arena
 * @x: messages
 */
struct plan {
	int active;
	uint32_t n;
	size_t used[2];
	struct xfer x[BATCH];
};

bool op_has_imm(enum ibv_wr_opcode op);
bool op_takes_recv(enum ibv_wr_opcode op);
void pattern_fill(int side, uint8_t *to, size_t off, size_t len);
/* Both arenas as they are before a test. */
void arena_reset(struct side *s, size_t len);
int arena_check(struct side *s, size_t len);
void plan_start(struct plan *p, int active);
/* Add a message; run what is there first if it does not fit. */
int plan_add(struct side *s, struct link *l, struct plan *p, const struct xfer *x);
int plan_run(struct side *s, struct link *l, struct plan *p);

/* ---- tests ------------------------------------------------------------ */

/**
 * struct test - one test
 * @name: unique
 * @run: 0, or -1 with side.why set
 * @arg: for @run
 */
struct test {
	const char *name;
	int (*run)(struct side *s, const void *arg);
	const void *arg;
};

extern const struct test traffic_tests[], atomic_tests[], error_tests[],
			 event_tests[], datagram_tests[], window_tests[];
extern const size_t n_traffic_tests, n_atomic_tests, n_error_tests,
		    n_event_tests, n_datagram_tests, n_window_tests;

#endif /* VERIFY_H */
