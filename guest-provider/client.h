/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The inner layer of libmhca, and what tests use to say anything that a driver could
 * say: brings the function up through its initialization segment and command queue,
 * creates objects, posts and polls. The verbs on top of it are in provider.h.
 *
 *   client.h device.c   opening, bring-up, teardown       cmd.c   command queue
 *   mem.c               guest memory                      eq.c    event queues
 *   doorbell.c          UAR pages and doorbell records    mr.c    PD, memory keys
 *   cq.c  srq.c  qp.c   objects                           post.c  work requests
 *   eth.c               queues, RoCE addresses and steering of an Ethernet port
 *   open_vfio.c         an instance through VFIO          dma.c   memory for devices
 *   open_pci.c          through a PCI resource file
 *
 * What reaches the instance goes through struct client_ops, so that the same
 * code drives a kernel instance and the user-space core (tests/unit).
 * Functions return 0 or a negative errno; a refused command leaves its PRM
 * status and syndrome in struct client. Posting to one queue and polling one CQ
 * need a lock of the caller's; commands lock themselves.
 */
#ifndef CLIENT_H
#define CLIENT_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <linux/types.h>
#include <linux/mlx5/device.h>
#include <linux/mlx5/qp.h>
#include <linux/mlx5/cq.h>

#define CLIENT_PAGE_SHIFT	12
#define CLIENT_PAGE		(1U << CLIENT_PAGE_SHIFT)
#define CLIENT_CMD_SLOTS	32
#define CLIENT_ANY_QP		0xffffff
#define CLIENT_LIST_END		0x100	/* lkey that ends a scatter list; its name differs by kernel */
#define CLIENT_NO_INDEX		0xffffff	/* user_index of kernel-style objects */
#define CLIENT_CMD_TIMEOUT_MS	20000	/* default of struct client.timeout_ms */

struct client;

/**
 * struct client_ops - how a backend reaches its instance
 * @name: for messages
 * @alloc: map @len bytes (whole pages) of zeroed DMA memory
 * @free: undo
 * @iova: DMA address of an allocated byte; contiguous within a page only
 * @map: let the device reach pages of the program's own; NULL: it cannot
 * @unmap: undo
 * @iseg_read: 32-bit read of the initialization segment, host byte order
 * @iseg_write: 32-bit write
 * @uar_write32: store to a UAR page; @value is already big-endian
 * @uar_write64: the same
 * @irq_wait: wait for vector @vector, consume it: 1, or 0 after @timeout_ms
 * @irq_count: vectors to be had; 0: none, everything is polled
 * @irq_fd: eventfd of a vector, or -1; NULL: there are none
 * @progress: called in every wait loop: let the other side run
 * @reset: function-level reset
 * @close: release the instance
 */
struct client_ops {
	const char *name;
	void *(*alloc)(void *backend, size_t len);
	void (*free)(void *backend, void *va, size_t len);
	u64 (*iova)(void *backend, const void *va);
	int (*map)(void *backend, void *va, size_t len, u64 *iova);
	void (*unmap)(void *backend, u64 iova, size_t len);
	u32 (*iseg_read)(void *backend, u32 offset);
	void (*iseg_write)(void *backend, u32 offset, u32 value);
	void (*uar_write32)(void *backend, u32 index, u32 offset, __be32 value);
	void (*uar_write64)(void *backend, u32 index, u32 offset, __be64 value);
	int (*irq_wait)(void *backend, u32 vector, int timeout_ms);
	u32 (*irq_count)(void *backend);
	int (*irq_fd)(void *backend, u32 vector);
	void (*progress)(void *backend);
	int (*reset)(void *backend);
	void (*close)(void *backend);
};

/* ---- Memory (mem.c) -------------------------------------------------- */

/**
 * struct client_mem - DMA memory
 * @va: where the program sees it; page aligned unless it came from a small pool
 * @len: bytes
 */
struct client_mem {
	u8 *va;
	size_t len;
};

int client_mem_alloc(struct client *c, size_t len, struct client_mem *mem);
void client_mem_free(struct client *c, struct client_mem *mem);
u64 client_iova(struct client *c, const void *va);
/* The page list of @len bytes from @va on (a page border), big endian. */
u32 client_page_list(struct client *c, const void *va, size_t len, __be64 *pas);

/**
 * struct client_record - a doorbell record: two big-endian words
 * @word: the words
 * @page: the page it lies in
 * @slot: which of the page's records
 */
struct client_record {
	__be32 *word;
	struct client_record_page *page;
	u32 slot;
};

int client_record_alloc(struct client *c, struct client_record *record);
void client_record_free(struct client *c, struct client_record *record);

/* ---- Number tables --------------------------------------------------- */

/* 24-bit number -> pointer; readers need no lock. */
struct client_table {
	void **leaf[4096];
};

void *client_table_get(const struct client_table *table, u32 number);
int client_table_set(struct client_table *table, u32 number, void *p);
void client_table_fini(struct client_table *table);

/* ---- Commands (cmd.c) ------------------------------------------------ */

/**
 * struct client_cmdq - the command queue
 * @lock: one client_exec() at a time
 * @page: the queue itself
 * @in: mailbox chain for input, @in_blocks of 1 KiB slots
 * @out: mailbox chain for output, likewise
 * @log_size: log2 of the number of entries
 * @log_stride: log2 of an entry's bytes
 * @events: completions are announced by the command EQ
 * @token: of the last command
 */
struct client_cmdq {
	pthread_mutex_t lock;
	struct client_mem page;
	struct client_mem in;
	struct client_mem out;
	u8 log_size;
	u8 log_stride;
	bool events;
	u8 token;
};

struct mlx5_cmd_layout *client_cmd_entry(struct client *c, u32 slot);
/* Build entry @slot from @in; the chains are shared, so one long command at a time. */
int client_cmd_fill(struct client *c, u32 slot, const void *in, u32 inlen, u32 outlen);
void client_cmd_ring(struct client *c, u32 mask);
/* Wait until the device gave entry @slot back; its delivery status, or -ETIMEDOUT. */
int client_cmd_wait(struct client *c, u32 slot, int timeout_ms);
/* Copy the output out. */
void client_cmd_output(struct client *c, u32 slot, void *out, u32 outlen);
/* All of it, in slot 0: 0 or what status means as errno; @c->status, @c->syndrome. */
int client_exec(struct client *c, const void *in, u32 inlen, void *out, u32 outlen);
int client_status_errno(u8 status);
int client_cmdq_init(struct client *c);
void client_cmdq_fini(struct client *c);

/* ---- Event queues (eq.c) --------------------------------------------- */

/**
 * struct client_eq - an event queue
 * @c: client
 * @mem: EQEs
 * @eqn: number
 * @vector: MSI-X vector
 * @log_size: log2 of the entries
 * @ci: consumer index, free running
 */
struct client_eq {
	struct client *c;
	struct client_mem mem;
	u32 eqn;
	u32 vector;
	u8 log_size;
	u32 ci;
};

int client_create_eq(struct client *c, u8 log_size, u32 vector, u64 mask,
		     struct client_eq *eq);
int client_destroy_eq(struct client_eq *eq);
/* Copies the next EQE out: false: none. Does not tell the device. */
bool client_poll_eq(struct client_eq *eq, struct mlx5_eqe *eqe);
void client_arm_eq(struct client_eq *eq);
void client_update_eq(struct client_eq *eq);
/* Poll, waiting for the vector: 0 or -ETIMEDOUT. Arms. */
int client_wait_eq(struct client_eq *eq, struct mlx5_eqe *eqe, int timeout_ms);

/* ---- Device (device.c) ----------------------------------------------- */

/**
 * struct client - an opened instance
 * @ops: backend
 * @backend: its data
 * @cmdq: command queue
 * @status: PRM status of the last command
 * @syndrome: its syndrome
 * @caps: general capabilities, current
 * @uar: UAR page for everything of the client's own
 * @cmd_eq: command EQ, once there is one
 * @async_eq: asynchronous events
 * @comp_eq: completion events
 * @lid: port's LID, @gid: GID 0, @port_guid: port GUID
 * @gid: see @lid
 * @port_guid: see @lid
 * @records: pages of doorbell records
 * @qps: by QPN, @srqs by SRQN
 * @srqs: see @qps
 * @users: by user_index; @next_user: next free one
 * @next_user: see @users
 * @timeout_ms: for a command
 * @before: tests: called before each command of client_exec(), not inside itself
 * @data: for @before
 */
struct client {
	const struct client_ops *ops;
	void *backend;
	struct client_cmdq cmdq;
	u8 status;
	u32 syndrome;
	u8 caps[MLX5_UN_SZ_BYTES(hca_cap_union)];
	u32 uar;
	bool have_uar;
	struct client_eq cmd_eq;
	struct client_eq async_eq;
	struct client_eq comp_eq;
	u16 lid;
	u8 gid[16];
	u64 port_guid;
	struct client_record_page *records;
	struct client_table qps;
	struct client_table srqs;
	struct client_table users;
	u32 next_user;
	int timeout_ms;
	void (*before)(struct client *c, const void *in, u32 inlen, u32 outlen);
	void *data;
};

enum client_open_flags {
	CLIENT_POLLED	= 1 << 0,	/* no EQs: commands are polled for ever */
	CLIENT_NO_INIT	= 1 << 1,	/* command queue only */
};

int client_open(struct client *c, const struct client_ops *ops, void *backend, u32 flags);
/* Everything that is left is torn down by TEARDOWN_HCA and DISABLE_HCA. */
void client_close(struct client *c);
/* The same by a reset, without a command: for a function that may not answer. */
void client_abandon(struct client *c);
int client_bring_up(struct client *c, bool events);
int client_tear_down(struct client *c);
int client_query_port(struct client *c);
int client_query_caps(struct client *c, u16 type, bool current, void *caps);

/* ---- UAR, PD, keys (doorbell.c, mr.c) -------------------------------- */

int client_alloc_uar(struct client *c, u32 *index);
int client_dealloc_uar(struct client *c, u32 index);
int client_alloc_pd(struct client *c, u32 *pd);
int client_dealloc_pd(struct client *c, u32 pd);
int client_alloc_xrcd(struct client *c, u32 *xrcd);
int client_dealloc_xrcd(struct client *c, u32 xrcd);

enum client_access {
	CLIENT_LOCAL_WRITE	= 1 << 0,
	CLIENT_REMOTE_READ	= 1 << 1,
	CLIENT_REMOTE_WRITE	= 1 << 2,
	CLIENT_REMOTE_ATOMIC	= 1 << 3,
	CLIENT_ALL_ACCESS	= 15,
};

/**
 * struct client_mkey_attr - a memory key to create
 * @pd: PD
 * @access: enum client_access
 * @pa: guest-physical addresses (PA mode), no page list
 * @length64: no bounds
 * @start: first address
 * @len: bytes
 * @shift: log2 of the page size in the list
 * @pas: page list, big endian, or NULL
 * @n_pas: its length
 * @qpn: bound to this QP; CLIENT_ANY_QP
 * @variant: low byte of the key
 */
struct client_mkey_attr {
	u32 pd;
	u32 access;
	bool pa;
	bool length64;
	u64 start;
	u64 len;
	u8 shift;
	const __be64 *pas;
	u32 n_pas;
	u32 qpn;
	u8 variant;
};

int client_create_mkey(struct client *c, const struct client_mkey_attr *attr, u32 *key);
int client_destroy_mkey(struct client *c, u32 key);
/* Register program memory under its own addresses. */
int client_reg_mr(struct client *c, u32 pd, void *va, size_t len, u32 access, u32 *key);

/* ---- CQ (cq.c) ------------------------------------------------------- */

/**
 * struct client_cq - completion queue
 * @c: client
 * @mem: CQEs
 * @record: {consumer index, arm}
 * @cqn: number
 * @uar: arm doorbell
 * @log_size: log2 of the entries
 * @ci: consumer index, free running
 * @arm_sn: arm sequence, counts completion events
 * @kernel_style: CQEs carry SRQNs instead of user indices
 * @resize_mem: new buffer while resizing
 */
struct client_cq {
	struct client *c;
	struct client_mem mem;
	struct client_record record;
	u32 cqn;
	u32 uar;
	u8 log_size;
	u32 ci;
	u32 arm_sn;
	bool kernel_style;
};

struct client_cq_attr {
	u8 log_size;
	u32 eqn;		/* ~0: the client's completion EQ */
	u32 uar;		/* ~0: the client's */
	bool ignore_overrun;
	u16 period;
	u16 max_count;
	bool kernel_style;
	bool compressed;	/* takes compressed CQEs as well */
};

/**
 * struct client_wc - a work completion
 * @wr_id: of the request
 * @status: 0 or the CQE syndrome
 * @vendor: vendor syndrome
 * @opcode: MLX5_CQE_*
 * @wqe_opcode: requester: MLX5_OPCODE_*
 * @bytes: byte count
 * @imm: immediate data or invalidated key, as it came
 * @qpn: local QP
 * @src_qpn: datagrams: source QP
 * @slid: datagrams: source LID
 * @sl: service level
 * @path_bits: destination path bits
 * @pkey_index: GSI: P_Key
 * @grh: a GRH lies before the data
 * @solicited: solicited event bit
 * @counter: wqe_counter
 * @qp: the QP, or NULL
 * @srq: the SRQ of a receive, or NULL
 */
struct client_wc {
	u64 wr_id;
	u8 status;
	u8 vendor;
	u8 opcode;
	u8 wqe_opcode;
	u32 bytes;
	__be32 imm;
	u32 qpn;
	u32 src_qpn;
	u16 slid;
	u8 sl;
	u8 path_bits;
	u16 pkey;
	bool grh;
	bool solicited;
	u16 counter;
	struct client_qp *qp;
	struct client_srq *srq;
};

void client_cq_attr_init(struct client_cq_attr *attr, u8 log_size);
int client_create_cq(struct client *c, const struct client_cq_attr *attr,
		     struct client_cq *cq);
int client_destroy_cq(struct client_cq *cq);
/* Take the completions of @qp out: it was destroyed or reset. */
void client_clean_cq(struct client_cq *cq, struct client_qp *qp);
/* The function was reset: free the client's side only. */
void client_forget_cq(struct client_cq *cq);
int client_resize_cq(struct client_cq *cq, u8 log_size);
int client_modify_cq(struct client_cq *cq, u16 period, u16 max_count);
int client_poll_cq(struct client_cq *cq, int n, struct client_wc *wc);
/* The next CQE as it lies in memory, or NULL; does not consume it. */
struct mlx5_cqe64 *client_peek_cq(struct client_cq *cq);
void client_arm_cq(struct client_cq *cq, bool solicited);

/* ---- SRQ (srq.c) ----------------------------------------------------- */

enum client_srq_type { CLIENT_SRQ, CLIENT_XRC_SRQ, CLIENT_RMP };

struct client_srq {
	struct client *c;
	enum client_srq_type type;
	struct client_mem mem;
	struct client_record record;
	u32 srqn;
	u32 user_index;
	u8 log_size;
	u8 log_stride;
	u16 count;		/* posted, running */
	u32 head;		/* next free WQE */
	u32 tail;		/* last in the free list */
	u32 free;
	u64 *wr_id;
	pthread_mutex_t *lock;	/* taken by polling, around the free list; NULL: none */
};

struct client_srq_attr {
	enum client_srq_type type;
	u32 pd;
	u8 log_size;
	u8 max_sge;
	u32 xrcd;
	u32 cqn;
	u16 limit;
};

int client_create_srq(struct client *c, const struct client_srq_attr *attr,
		      struct client_srq *srq);
int client_destroy_srq(struct client_srq *srq);
void client_forget_srq(struct client_srq *srq);
int client_arm_srq(struct client_srq *srq, u16 limit);
int client_query_srq(struct client_srq *srq, u16 *limit);

/* ---- QP (qp.c) ------------------------------------------------------- */

/**
 * struct client_queue - one half of a QP
 * @base: where its ring begins
 * @log_size: log2 of the entries (send: 64-byte basic blocks)
 * @log_stride: log2 of an entry's bytes
 * @head: producer, free running
 * @tail: consumer, free running
 * @wr_id: by entry
 * @end: send: producer after the WQE that begins at an entry
 */
struct client_queue {
	u8 *base;
	u8 log_size;
	u8 log_stride;
	u32 head;
	u32 tail;
	u64 *wr_id;
	u32 *end;
};

struct client_qp {
	struct client *c;
	struct client_mem mem;
	struct client_record record;
	u32 qpn;
	u32 uar;
	u8 type;
	u32 user_index;
	struct client_queue sq;
	struct client_queue rq;
	struct client_cq *send_cq;
	struct client_cq *recv_cq;
	struct client_srq *srq;
	u32 sq_register;
	u32 deth_sqpn;		/* source QPN of datagrams, 0: its own */
	__be64 last;		/* what the last WQE's doorbell says */
	bool no_doorbell;	/* post without ringing: client_ring_send() */
};

struct client_qp_attr {
	u8 type;		/* MLX5_QP_ST_* */
	u32 pd;
	struct client_cq *send_cq;
	struct client_cq *recv_cq;
	struct client_srq *srq;
	u32 xrcd;
	u8 log_sq;		/* basic blocks; 0xff: no SQ */
	u8 log_rq;		/* 0xff: no RQ */
	u8 recv_sge;
	u32 uar;		/* ~0: the client's */
	u32 deth_sqpn;
	bool kernel_style;
	bool fast_reg;		/* may post UMR WQEs, as a kernel's QPs may */
};

#define CLIENT_NO_QUEUE		0xff

/* Where the other end is, and how to talk to it. */
struct client_path {
	u16 dlid;
	u8 sl;
	u8 path_bits;
	bool grh;
	u8 dmac[6];		/* RoCE */
	u8 dgid[16];
	u8 sgid_index;
	u8 hop_limit;
	u8 tclass;
	u32 flow;
};

struct client_modify {
	u32 optional;		/* opt_param_mask */
	u32 remote_qpn;
	struct client_path path;
	u8 mtu;			/* enum ib_mtu */
	u32 rq_psn;
	u32 sq_psn;
	u32 access;		/* enum client_access: what the peer may do */
	u8 min_rnr;
	u8 retry;
	u8 rnr_retry;
	u8 ack_timeout;
	u32 qkey;
	u16 pkey_index;
	u8 counter_set;
	u8 log_rra;
	u8 log_sra;
};

void client_qp_attr_init(struct client_qp_attr *attr, u8 type, u32 pd,
			 struct client_cq *cq);
int client_create_qp(struct client *c, const struct client_qp_attr *attr,
		     struct client_qp *qp);
int client_destroy_qp(struct client_qp *qp);
void client_forget_qp(struct client_qp *qp);
void client_modify_init(struct client_modify *modify);
/* @opcode: MLX5_CMD_OP_*_QP. DESTROY_QP leaves the client's side: client_forget_qp(). */
int client_modify_qp(struct client_qp *qp, u16 opcode, const struct client_modify *modify);
/* Both queues are empty again; for who has sent a 2RST_QP of its own. */
void client_qp_reset(struct client_qp *qp);
/* RST -> INIT -> RTR -> RTS. */
int client_connect_qp(struct client_qp *qp, const struct client_modify *modify);
int client_query_qp(struct client_qp *qp, void *qpc);
int client_attach_mcast(struct client_qp *qp, const u8 gid[16]);
int client_detach_mcast(struct client_qp *qp, const u8 gid[16]);

/* ---- Work requests (post.c) ------------------------------------------ */

struct client_sge {
	u64 addr;
	u32 len;
	u32 lkey;
};

enum client_send_flags {
	CLIENT_SIGNALED		= 1 << 0,
	CLIENT_SOLICITED	= 1 << 1,
	CLIENT_FENCE		= 1 << 2,
	CLIENT_INLINE		= 1 << 3,
};

struct client_send {
	u64 wr_id;
	u8 opcode;		/* MLX5_OPCODE_* */
	u32 flags;
	const struct client_sge *sge;
	u32 n_sge;
	__be32 imm;
	u64 remote_addr;
	u32 rkey;
	u64 swap_add;
	u64 compare;
	u32 xrc_srqn;
	u32 dqpn;
	u32 qkey;
	const struct client_path *path;
};

int client_post_send(struct client_qp *qp, const struct client_send *wr);
int client_post_recv(struct client_qp *qp, u64 wr_id, const struct client_sge *sge, u32 n);
int client_post_srq(struct client_srq *srq, u64 wr_id, const struct client_sge *sge, u32 n);
/* Any WQE image, @ds segments of 16 bytes; the control segment's index is filled in. */
int client_post_raw(struct client_qp *qp, u64 wr_id, void *wqe, u32 ds);
void client_ring_send(struct client_qp *qp);

/* ---- Ethernet (eth.c) ------------------------------------------------ */

/**
 * struct client_wq - Ethernet send or receive queue
 * @c: client
 * @mem: WQEs
 * @record: {receive counter, send counter}
 * @number: SQN or RQN
 * @log_size: log2 of the entries
 * @log_stride: log2 of an entry's bytes
 * @head: entries posted, free running
 */
struct client_wq {
	struct client *c;
	struct client_mem mem;
	struct client_record record;
	u32 number;
	u8 log_size;
	u8 log_stride;
	u32 head;
};

/**
 * struct client_flow - a root flow table with one entry that takes every frame
 * @c: client
 * @table: number
 * @group: number
 */
struct client_flow {
	struct client *c;
	u32 table;
	u32 group;
};

/**
 * struct client_port - one queue of each kind: what is sent, and every frame that comes
 * @sq: send queue
 * @rq: receive queue; VLAN tags go into the CQE
 * @flow: every frame goes to @rq
 */
struct client_port {
	struct client_wq sq;
	struct client_wq rq;
	struct client_flow flow;
};

/**
 * enum client_roce - what an entry of the RoCE address table says it is
 * @CLIENT_ROCE_V1: version 1
 * @CLIENT_ROCE_UNKNOWN: version 1.5, which nothing has
 * @CLIENT_ROCE_V2_IPV6: version 2, the GID is an IPv6 address
 * @CLIENT_ROCE_V2_IPV4: … an IPv4 address, mapped
 */
enum client_roce {
	CLIENT_ROCE_V1, CLIENT_ROCE_UNKNOWN, CLIENT_ROCE_V2_IPV6, CLIENT_ROCE_V2_IPV4
};

/* The port's own MAC. */
int client_query_mac(struct client *c, u8 mac[6]);
/* The vport's RoCE; without it there are no RoCE addresses. */
int client_enable_roce(struct client *c);
/* Entry @index of the RoCE address table; @vlan: -1 none. */
int client_set_roce_address(struct client *c, u32 index, const u8 gid[16], const u8 mac[6],
			    int vlan, enum client_roce kind);
int client_alloc_td(struct client *c, u32 *td);
/* Commands that destroy one number: DESTROY_TIR, DESTROY_RQT, DEALLOC_TRANSPORT_DOMAIN … */
int client_destroy_by_number(struct client *c, u16 opcode, u32 number);
int client_create_sq(struct client *c, u32 pd, u32 tis, const struct client_cq *cq, u8 log_size,
		     struct client_wq *sq);
int client_modify_sq(struct client_wq *sq, u8 from, u8 to);
int client_query_sq(struct client_wq *sq, u8 *state);
int client_create_rq(struct client *c, u32 pd, const struct client_cq *cq, u8 log_size,
		     u8 log_stride, bool strip, struct client_wq *rq);
int client_modify_rq(struct client_wq *rq, u8 from, u8 to);
int client_destroy_wq(struct client_wq *wq, u16 opcode);
/* Free what is ours; the instance has lost it, or will. */
void client_forget_wq(struct client_wq *wq);
/* A WQE image of @bytes, whose control segment is complete. */
void client_post_sq(struct client_wq *sq, const void *wqe, u32 bytes);
void client_post_rq(struct client_wq *rq, const struct client_sge *sge, u32 n);
int client_create_tis(struct client *c, u32 td, u32 *tis);
int client_create_rqt(struct client *c, const u32 *rqn, u32 n, u32 *rqt);
int client_create_tir(struct client *c, u32 td, u32 number, const u8 *key, u32 *tir);
/* All of it, ready, with @cq for both; @tag: of received frames. A reset frees what an error left. */
int client_open_port(struct client *c, u32 pd, const struct client_cq *cq, u8 log_size,
		     u8 log_rq_stride, u32 tag, struct client_port *port);
int client_create_flow(struct client *c, const u32 *tir, u32 n, u32 tag,
		       struct client_flow *flow);
int client_destroy_flow(struct client_flow *flow);

/* ---- Backends (open_vfio.c, open_pci.c) ------------------------------- */

struct client_vfio;

/* @uuid: of the mdev. NULL and errno when it cannot be opened. */
struct client_vfio *client_vfio_open(const char *uuid);
/* In the container of another one: each reaches what the other maps. */
struct client_vfio *client_vfio_open_beside(const char *uuid, const struct client_vfio *other);
/*
 * Of two in one container each gets the other's device; memory stays where it is. What a
 * monitor does when its guest has moved from one instance to another. 0 or a negative errno.
 */
int client_vfio_trade(struct client_vfio *v, struct client_vfio *other);
/* @address: of a PCI function that vfio-pci holds. */
struct client_vfio *client_vfio_open_pci(const char *address);
/* The VFIO device's descriptor, for what struct client_ops has no word for. */
int client_vfio_fd(const struct client_vfio *v);
extern const struct client_ops client_vfio_ops;

struct client_pci;

/* @address: of a PCI function that no driver holds. */
struct client_pci *client_pci_open(const char *address);
extern const struct client_ops client_pci_ops;

#endif /* CLIENT_H */
