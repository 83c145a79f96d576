/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the guest's driver sees, as data: instances, objects, commands, guest
 * memory and event queues. Backends (soft/, mlx5/) work on these types and may
 * call what is declared here; the front end (vfio/) uses vmm.h.
 */
#ifndef MHCA_PRM_H
#define MHCA_PRM_H

#include <mhca/bucket.h>
#include <mhca/kernel.h>
#include <mhca/limits.h>

struct mhca_hca;
struct mhca_instance;
struct mhca_cmd;
struct mhca_object;

/* ---- Syndromes ------------------------------------------------------- */

/*
 * Every refusal of a command: name, PRM command status (device.h
 * MLX5_CMD_STAT_*), text. The number goes into the command's syndrome field,
 * where the guest driver prints it. Append only: the numbers are documented.
 */
#define MHCA_SYNDROMES(X)							\
	X(NONE,		  OK,		   "success")				\
	X(UNKNOWN_OPCODE, BAD_OP_ERR,	   "opcode is not implemented")		\
	X(IN_LENGTH,	  BAD_INP_LEN_ERR, "input length does not fit the opcode") \
	X(OUT_LENGTH,	  BAD_OUTP_LEN_ERR, "output length does not fit the opcode") \
	X(MAILBOX,	  BAD_INP_LEN_ERR, "mailbox chain is broken")		\
	X(MEMORY_ACCESS,  BAD_RES_ERR,	   "guest memory cannot be accessed")	\
	X(SYS_STATE,	  BAD_SYS_STATE_ERR, "function is not in the state for this command") \
	X(UID,		  BAD_PARAM_ERR,   "uid is not zero")			\
	X(OP_MOD,	  BAD_PARAM_ERR,   "op_mod is not known")		\
	X(RESERVED,	  BAD_PARAM_ERR,   "reserved field or value")		\
	X(FUNCTION_ID,	  BAD_PARAM_ERR,   "other function or vport")		\
	X(NO_OBJECT,	  BAD_RES_ERR,	   "no such object in this instance")	\
	X(OBJECT_TYPE,	  BAD_RES_ERR,	   "object is of another type")		\
	X(OBJECT_STATE,	  BAD_RES_STATE_ERR, "object is not in the state for this command") \
	X(OBJECT_BUSY,	  RES_BUSY,	   "object is still referenced")	\
	X(QUOTA,	  LIM_ERR,	   "instance's limit for this object reached") \
	X(NO_MEMORY,	  LIM_ERR,	   "host is out of memory")		\
	X(PINNED_LIMIT,	  LIM_ERR,	   "instance's limit of pinned memory reached") \
	X(MEMLOCK,	  LIM_ERR,	   "RLIMIT_MEMLOCK of the virtual machine monitor hit") \
	X(PIN,		  BAD_PARAM_ERR,   "page is not guest memory, or not mapped for the device") \
	X(PAGE_LIST,	  BAD_PARAM_ERR,   "page list does not fit the buffer")	\
	X(PAGE_SIZE,	  BAD_PARAM_ERR,   "page size out of range")		\
	X(ALIGNMENT,	  BAD_PARAM_ERR,   "address is not aligned")		\
	X(QUEUE_SIZE,	  BAD_PARAM_ERR,   "queue size out of range")		\
	X(ACCESS_MODE,	  BAD_PARAM_ERR,   "access mode is not supported")	\
	X(KEY_RANGE,	  BAD_PARAM_ERR,   "key range wraps or exceeds its page list") \
	X(VECTOR,	  BAD_PARAM_ERR,   "interrupt vector out of range")	\
	X(QP_TYPE,	  BAD_PARAM_ERR,   "service type is not supported")	\
	X(QP_STATE,	  BAD_QP_STATE_ERR, "QP is not in the state for this transition") \
	X(QP_ATTR,	  BAD_PARAM_ERR,   "QP attribute out of range")		\
	X(CQ_ATTR,	  BAD_PARAM_ERR,   "CQ attribute out of range")		\
	X(SRQ_ATTR,	  BAD_PARAM_ERR,   "SRQ attribute out of range")	\
	X(CAPABILITY,	  BAD_PARAM_ERR,   "capability cannot be changed to this value") \
	X(REGISTER,	  BAD_PARAM_ERR,   "register or its method is not supported") \
	X(PORT,		  BAD_PARAM_ERR,   "no such port")			\
	X(INDEX,	  BAD_PARAM_ERR,   "table index out of range")		\
	X(MCG,		  BAD_PARAM_ERR,   "not a multicast GID, or not attached") \
	X(OUTSTANDING_CQES, BAD_SIZE_OUTS_CQES_ERR, "new CQ is smaller than its outstanding CQEs") \
	X(BACKEND,	  INT_ERR,	   "backend failed")			\
	X(RATE,		  NO_RES_ERR,	   "control verb rate exceeded")		\
	X(MR_LIMIT,	  LIM_ERR,	   "instance's limit for a region's length reached") \
	X(MTU,		  BAD_PARAM_ERR,   "MTU out of range")			\
	X(FLOW,		  BAD_PARAM_ERR,   "flow table, group or entry is not supported") \
	X(UNPINNABLE,	  BAD_PARAM_ERR,   "guest memory cannot be pinned: memfd, tmpfs and hugetlbfs can, files of a disk cannot") \
	X(READ_ONLY,	  BAD_PARAM_ERR,   "page is mapped read-only for the device") \
	X(UNMAPPED,	  BAD_RES_ERR,	   "mailbox is not mapped for the device: not guest memory, or the container is full (dma_entry_limit)")

/* Our syndromes stand apart from any firmware's. */
#define MHCA_SYNDROME_BASE	0x6d480000U

/**
 * enum mhca_syndrome - result of a command; 0 is success
 */
enum mhca_syndrome {
#define MHCA_SYNDROME_ENUM(name, status, text) MHCA_SYN_##name,
	MHCA_SYNDROMES(MHCA_SYNDROME_ENUM)
#undef MHCA_SYNDROME_ENUM
	MHCA_SYNDROME_COUNT
};

u8 mhca_syndrome_status(enum mhca_syndrome syndrome);
const char *mhca_syndrome_text(enum mhca_syndrome syndrome);
/* -ENOMEM, -EFAULT … of a pin or copy to the syndrome that tells the guest. */
enum mhca_syndrome mhca_syndrome_from_errno(int error);

/* ---- Counters -------------------------------------------------------- */

/* Per instance, monotonic unless said otherwise; shown in sysfs counters/. */
#define MHCA_COUNTERS(X)							\
	X(commands)		/* commands executed */				\
	X(commands_refused)	/* of these, answered with an error */		\
	X(command_wait_us)	/* microseconds that commands waited for cmd_rate */ \
	X(traps)		/* BAR0 reads and writes that left the guest */	\
	X(doorbell_faults)	/* first touch of an unmapped doorbell page */	\
	X(doorbell_zaps)	/* idle doorbell pages unmapped */		\
	X(lane_wakes)		/* sleeping lane woken by this instance */	\
	X(wqes)			/* send WQEs executed */			\
	X(messages)		/* messages delivered */			\
	X(bytes)		/* payload bytes moved as requester */		\
	X(tx_bytes)		/* payload bytes that left its memory */	\
	X(rx_bytes)		/* payload bytes that arrived in its memory */	\
	X(cqes)			/* CQEs written */				\
	X(error_cqes)		/* of these, with error (flushes included) */	\
	X(rate_wait_us)		/* microseconds that data waited for rate_mbps */ \
	X(eqes)			/* EQEs written */				\
	X(events_lost)		/* events dropped: no EQ or EQ full */		\
	X(interrupts)		/* vectors raised */				\
	X(rnr_naks)		/* messages that met an empty receive queue */	\
	X(retries)		/* repeated for RNR or a missing peer */	\
	X(qp_errors)		/* QPs moved to ERR by the engine */		\
	X(cq_overruns)		/* CQs overrun */				\
	X(drop_no_peer)		/* datagram to nobody */			\
	X(drop_no_buffer)	/* datagram or UC message without receive WQE */ \
	X(drop_qkey)		/* datagram with a wrong Q_Key */		\
	X(drop_memory)		/* datagram whose buffer was not pinned in time */ \
	X(drop_length)		/* datagram longer than its buffer or the MTU */ \
	X(drop_state)		/* message to a QP that is not ready */		\
	X(eth_tx_ucast)		/* Ethernet frames sent to one address */	\
	X(eth_tx_ucast_bytes)	/* their bytes, headers included */		\
	X(eth_tx_mcast)		/* Ethernet frames sent to a group */		\
	X(eth_tx_mcast_bytes)	/* their bytes */				\
	X(eth_tx_bcast)		/* Ethernet frames sent to everybody */		\
	X(eth_tx_bcast_bytes)	/* their bytes */				\
	X(eth_rx_ucast)		/* Ethernet frames received, unicast */		\
	X(eth_rx_ucast_bytes)	/* their bytes, headers included */		\
	X(eth_rx_mcast)		/* Ethernet frames received, multicast */	\
	X(eth_rx_mcast_bytes)	/* their bytes */				\
	X(eth_rx_bcast)		/* Ethernet frames received, broadcast */	\
	X(eth_rx_bcast_bytes)	/* their bytes */				\
	X(drop_spoof)		/* sent with a source that is not the instance's */ \
	X(drop_frame)		/* malformed, or longer than the MTU */		\
	X(drop_flood)		/* broadcast and multicast beyond the bound */	\
	X(drop_steering)	/* frame that no flow rule takes */		\
	X(drop_rx_buffer)	/* frame that met an empty receive queue */	\
	X(drop_wire)		/* RoCE frame: damaged, for nobody, or no room */ \
	X(pins_lost)		/* keys and queues whose memory was unmapped */

struct mhca_counters {
#define MHCA_COUNTER_FIELD(name) atomic64_t name;
	MHCA_COUNTERS(MHCA_COUNTER_FIELD)
#undef MHCA_COUNTER_FIELD
};

#define mhca_count(inst, name)		atomic64_inc(&(inst)->counters.name)
#define mhca_count_add(inst, name, n)	atomic64_add((n), &(inst)->counters.name)

/* ---- Guest memory ---------------------------------------------------- */

/**
 * struct mhca_pin_chunk - where some pages of a list lie, to be found by address
 * @range: least and greatest guest-physical page number of them; in &struct mhca_gmem.tree
 * @pages: the list
 *
 * The range may contain pages of others: who finds it looks at the pages themselves.
 */
struct mhca_pin_chunk {
	struct interval_tree_node range;
	struct mhca_pages *pages;
};

/**
 * struct mhca_pages - a list of guest pages, of which one range is pinned
 * @inst: the instance whose memory it is
 * @chunk: its parts of MHCA_PIN_BATCH pages; in the tree while the list lives
 * @node: on &struct mhca_gmem.doomed, or empty
 * @fence: when it was marked @dead: the fence after which it may be unpinned
 * @unpinning: batches of it that mhca_instance_unpin() is unpinning: it is not freed
 *             before that is over
 * @iova: guest-physical address of each entry; host byte order, masked
 * @entries: number of entries of @iova
 * @shift: log2 of an entry's size, >= MHCA_PAGE_SHIFT
 * @kva: host address of each pinned page of MHCA_PAGE_SIZE, from page @first on:
 *       use mhca_pages_at(). A big page may reach far beyond the registered
 *       range (and over holes of guest memory), so only that range is pinned.
 * @first: first pinned page of MHCA_PAGE_SIZE, counted from the list's start
 * @n: how many are pinned in a live list
 * @held: how many of @kva are pinned now
 * @bytes: entries << shift
 * @writable: pinned for writing
 * @dead: the pages are unpinned or about to be; nobody may start using @kva.
 *        Set once, under &struct mhca_gmem.lock; read with READ_ONCE() by the
 *        engine inside its SRCU section, which is what the fence waits for.
 *
 * &struct mhca_gmem.lock protects @chunk, @node, @fence, @unpinning and @held.
 */
struct mhca_pages {
	struct mhca_instance *inst;
	struct mhca_pin_chunk *chunk;
	struct list_head node;
	u64 fence;
	u32 unpinning;
	u64 *iova;
	u32 entries;
	u8 shift;
	void **kva;
	u64 first;
	u64 n;
	u64 held;
	u64 bytes;
	bool writable;
	bool dead;
};

/*
 * Pin what lies in [@from, @from + @len) of a list of @entries pages of
 * 1 << @shift bytes. All of it or nothing. Sleeps; the caller holds no lock but
 * the command lock. 0 or a syndrome.
 */
enum mhca_syndrome mhca_pages_pin(struct mhca_instance *inst, const __be64 *pas,
				  u32 entries, u8 shift, u64 from, u64 len,
				  bool writable, struct mhca_pages **out);
/* The same for a guest-physical range inside one page (a doorbell record). */
enum mhca_syndrome mhca_pages_pin_record(struct mhca_instance *inst, u64 iova,
					 u32 bytes, bool writable, struct mhca_pages **out);
/* Unpin and free. The caller has made sure that no engine uses @pages. */
void mhca_pages_put(struct mhca_pages *pages);

/**
 * mhca_pages_at() - host address of a byte
 * @pages: pinned pages
 * @offset: byte offset in the list
 * @run: out: bytes that follow contiguously in host memory, at least 1, at most
 *       up to the end of the page (callers merge neighbours themselves)
 *
 * Return: the address, or NULL when the pages are dead or @offset is outside of
 * what is pinned.
 */
static inline void *mhca_pages_at(const struct mhca_pages *pages, u64 offset,
				  u32 *run)
{
	u64 page = (offset >> MHCA_PAGE_SHIFT) - pages->first;
	u32 in_page = offset & (MHCA_PAGE_SIZE - 1);

	if (unlikely(READ_ONCE(pages->dead) || page >= pages->n))
		return NULL;
	*run = MHCA_PAGE_SIZE - in_page;
	return (u8 *)pages->kva[page] + in_page;
}

/* Copy out of / into pinned pages, across page borders. 0 or -EFAULT. */
int mhca_pages_read(const struct mhca_pages *pages, u64 offset, void *to, u32 len);
int mhca_pages_write(struct mhca_pages *pages, u64 offset, const void *from, u32 len);

/*
 * The one function through which the engine writes guest memory by address:
 * every byte an instance's guest can see changed goes through it, so that a
 * dirty log has one place to listen.
 */
void mhca_guest_write(struct mhca_instance *inst, void *to, const void *from, u32 len);
/*
 * The same listener for what cannot go through a copy (atomic operations, the
 * last word of a completion): call it after the bytes at @ptr were changed.
 */
void mhca_guest_dirty(struct mhca_instance *inst, const void *ptr, u32 len);

/* Looked at in one lookup: enough that a copy of it takes longer than the next lookup. */
#define MHCA_PA_RUN	(16 * MHCA_PAGE_SIZE)

/*
 * PA-mode keys name guest-physical addresses of any page. Lookups never sleep;
 * a miss asks the instance's worker to pin the page, for writing when @write, and says
 * -EAGAIN; an address that is no guest memory, or none that may be written to, says
 * -EFAULT. When the worker is done it calls &struct mhca_hca_ops.memory_ready. Call
 * inside the engine's SRCU section. @kva is the host address of @len bytes; as long as
 * the section lasts they are there.
 */
int mhca_pa_lookup(struct mhca_instance *inst, u64 iova, u32 want, bool write, void **kva,
		   u32 *len);

/**
 * struct mhca_gmem - guest memory that an instance holds
 * @lock: protects what is below, but @moved, @pinned, @peak, @limit and what @pa_lock protects
 * @tree: where the pages of all lists lie (struct mhca_pin_chunk), by page number
 * @doomed: lists that dma_unmap marked and mhca_instance_unpin() has to unpin
 * @closed: ranges that nobody may pin now (unmap.c)
 * @shut_iova: first byte of one that is closed until a reset
 * @shut_last: its last byte
 * @shut_calls: calls that it was closed for; 0: there is none
 * @begun: pins that the instance's worker has begun, one at a time
 * @ended: of these, ended; dma_unmap waits for the one that it met
 * @pin_iova: first byte of the one begun last
 * @pin_last: its last byte
 * @pin_lost: a part of it was closed since: it has to be undone
 * @moved: changes with everything that is unpinned, and with @ended; atomic
 * @fences: fences that were begun: what is marked dead now waits for the next one
 * @fenced: the last one that ended
 * @pinned: pages pinned now (PA cache included)
 * @peak: greatest value of @pinned since the instance was created
 * @limit: bound of @pinned
 * @pa: IOVA page number -> host page or failure (pa.c); PA cache
 * @pa_count: entries of @pa
 * @pa_failures: of these, failures; forgotten by each tick
 * @pa_retired: of these, pages that wait to be unpinned
 * @pa_first: no retired page has a smaller number
 * @pa_last: none has a greater one
 * @pa_hand: where the next eviction goes on
 * @pa_requests: IOVA pages asked for and not yet pinned, as pa.c packs them
 * @pa_n: entries of @pa_requests
 * @pa_lock: spinlock for @pa_requests and @pa_n
 */
struct mhca_gmem {
	struct mutex lock;
	struct rb_root_cached tree;
	struct list_head doomed;
	struct list_head closed;
	u64 shut_iova;
	u64 shut_last;
	u32 shut_calls;
	u64 begun;
	u64 ended;
	u64 pin_iova;
	u64 pin_last;
	bool pin_lost;
	atomic64_t moved;
	u64 fences;
	u64 fenced;
	atomic64_t pinned;
	atomic64_t peak;
	u64 limit;
	struct xarray pa;
	u32 pa_count;
	u32 pa_failures;
	u32 pa_retired;
	unsigned long pa_first;
	unsigned long pa_last;
	unsigned long pa_hand;
	u64 pa_requests[64];
	u32 pa_n;
	spinlock_t pa_lock;
};

/* ---- Objects --------------------------------------------------------- */

/* In the order in which a reset destroys them: users before what they use. */
enum mhca_object_kind {
	MHCA_FLOW_GROUP,
	MHCA_FLOW_TABLE,	/* its entries go with it, and what they reference */
	MHCA_FLOW_COUNTER,
	MHCA_TIR,
	MHCA_RQT,
	MHCA_RQ,		/* Ethernet receive queue */
	MHCA_SQ,		/* Ethernet send queue */
	MHCA_TIS,
	MHCA_QP,
	MHCA_SRQ,		/* SRQ, XRC SRQ and RMP: one number space */
	MHCA_MKEY,
	MHCA_CQ,
	MHCA_EQ,
	MHCA_QCOUNTER,
	MHCA_XRCD,
	MHCA_TD,		/* transport domain */
	MHCA_PD,
	MHCA_UAR,
	MHCA_OBJECT_KINDS,
	MHCA_NO_OBJECT = MHCA_OBJECT_KINDS
};

const char *mhca_object_name(enum mhca_object_kind kind);

#define MHCA_OBJECT_REFS	6

/**
 * struct mhca_object - what a guest created and names by a 24-bit number
 * @inst: owner
 * @kind: kind
 * @created_by: opcode of the command that made it: SRQ, XRC SRQ and RMP share
 *              one number space, but no command takes one for another
 * @num: number; comes from the backend (a real adapter's own numbers stand in
 *       WQEs that nobody rewrites)
 * @users: objects that reference this one; destroying needs 0. Protected by
 *         the instance's command lock.
 * @refs: the objects that this one references; released with it
 * @n_refs: how many
 * @buffer: pinned queue memory or MTT pages, or NULL
 * @record: pinned doorbell record (8 bytes at @record_offset), or NULL
 * @record_offset: of the record in its page
 * @created: input of the command that made it, without its page list (that is @buffer's)
 * @created_len: bytes of it
 *
 * Embedded at offset 0 of the backend's object. Found through
 * mhca_object_find() inside the engine's SRCU section or under the command
 * lock; freed only after &struct mhca_object_ops.destroy has fenced.
 */
struct mhca_object {
	struct mhca_instance *inst;
	enum mhca_object_kind kind;
	u16 created_by;
	u32 num;
	u32 users;
	struct mhca_object *refs[MHCA_OBJECT_REFS];
	u8 n_refs;
	struct mhca_pages *buffer;
	struct mhca_pages *record;
	u32 record_offset;
	void *created;
	u32 created_len;
};

/*
 * Reserve a free number in [@min, @max], cyclic, never one freed just before. One that an
 * image names (obj->num) is taken as it is.
 */
enum mhca_syndrome mhca_object_number(struct mhca_object *obj, u32 min, u32 max);
/* NULL when this instance has no such object. */
struct mhca_object *mhca_object_find(struct mhca_instance *inst,
				     enum mhca_object_kind kind, u32 num);
/* Doorbell record as two big-endian words in guest memory; NULL when unmapped. */
static inline __be32 *mhca_object_record(const struct mhca_object *obj)
{
	if (!obj->record || unlikely(READ_ONCE(obj->record->dead)))
		return NULL;
	return (__be32 *)((u8 *)obj->record->kva[0] + obj->record_offset);
}

/* Take or drop a reference to an object outside create/destroy (MODIFY). */
enum mhca_syndrome mhca_object_ref(struct mhca_object *obj, struct mhca_object *to);
void mhca_object_unref(struct mhca_object *obj, struct mhca_object *to);
/*
 * The same for users that are no objects, or that have more references than fit
 * into one (entries of flow tables and RQTs): whoever holds keeps the book.
 */
void mhca_object_hold(struct mhca_object *obj);
void mhca_object_drop(struct mhca_object *obj);

/*
 * What a Q counter set counts; the names are the PRM's (query_q_counter_out). Only a wire
 * loses packets: packet_seq_err and implied_nak_seq_err count there.
 */
#define MHCA_Q_COUNTERS(X)							\
	X(rx_write_requests)		/* requests that arrived */		\
	X(rx_read_requests)							\
	X(rx_atomic_requests)							\
	X(out_of_buffer)		/* messages and frames that met no receive WQE */ \
	X(out_of_sequence)		/* messages with a PSN that is to come yet */ \
	X(duplicate_request)		/* messages with a PSN that was there already */ \
	X(rnr_nak_retry_err)		/* RNR NAKs that a requester got */	\
	X(local_ack_timeout_err)	/* times that nobody answered it */	\
	X(resp_local_length_error)	/* receive WQEs that were too short */	\
	X(resp_cqe_error)		/* CQEs with error of a receive queue … */ \
	X(resp_cqe_flush_error)		/* … of these, flushes */		\
	X(req_cqe_error)		/* CQEs with error of a send queue … */	\
	X(req_cqe_flush_error)		/* … of these, flushes */		\
	X(req_remote_invalid_request)	/* … of these, by such a NAK */		\
	X(req_remote_access_errors)	/* … of these, by such a NAK */		\
	X(resp_remote_access_errors)	/* requests answered by such a NAK */	\
	X(packet_seq_err)		/* NAKs that a requester got: a PSN is missing */ \
	X(implied_nak_seq_err)		/* answers that another one has overtaken */

/**
 * struct mhca_qcounter - a Q counter set (ALLOC_Q_COUNTER)
 * @obj: obj.num is what qpc and rqc name as counter_set_id
 *
 * The others are MHCA_Q_COUNTERS. The engine finds it with
 * mhca_object_find(inst, MHCA_QCOUNTER, id) inside its section.
 */
struct mhca_qcounter {
	struct mhca_object obj;
#define MHCA_Q_COUNTER_FIELD(name) atomic64_t name;
	MHCA_Q_COUNTERS(MHCA_Q_COUNTER_FIELD)
#undef MHCA_Q_COUNTER_FIELD
};

/* ---- Commands -------------------------------------------------------- */

/**
 * struct mhca_cmd - one command in execution: input copied in once, validated
 * @inst: instance
 * @load_number: it comes from an image, and creates the object of this number; 0: it is
 *               the guest's
 * @row: its row of the command table
 * @opcode: PRM opcode
 * @op_mod: opcode modifier
 * @in: input mailbox, @inlen bytes, private copy
 * @out: output mailbox, @outlen bytes, zeroed
 * @inlen: bytes of @in
 * @outlen: bytes of @out
 * @obj: the object that the command creates, modifies, queries or destroys
 * @ref: objects named by the row's reference fields, in the row's order; NULL
 *       where the row allows none
 * @pages: guest pages that it had pinned, for its cost
 * @copied: bytes of input beyond the entry that were copied, the same
 * @new_buffer: pinned pages of a command that replaces @obj's buffer (CQ resize).
 *              The backend takes them by setting this to NULL; what it leaves
 *              the core puts.
 */
struct mhca_cmd {
	struct mhca_instance *inst;
	u32 load_number;
	const struct mhca_command *row;
	u16 opcode;
	u16 op_mod;
	const void *in;
	void *out;
	u32 inlen;
	u32 outlen;
	u64 pages;
	u32 copied;
	struct mhca_object *obj;
	struct mhca_object *ref[MHCA_OBJECT_REFS];
	struct mhca_pages *new_buffer;
};

/* ---- Event queues ---------------------------------------------------- */

/*
 * EQs belong to the core (both backends post command and port events into
 * them). All of these may be called from the engine; none sleeps.
 *
 * mhca_eq_post_comp(): a completion event for CQ @cqn. false: the EQ is full
 * as far as its consumer index is known; its vector was raised again, the
 * caller keeps its CQ armed and tries later.
 */
bool mhca_eq_post_comp(struct mhca_object *eq, u32 cqn);
/* An asynchronous event (enum mlx5_event) to the EQ that subscribed it. */
void mhca_event_qp(struct mhca_instance *inst, u8 type, u32 qpn);
void mhca_event_srq(struct mhca_instance *inst, u8 type, u32 srqn);
void mhca_event_cq_error(struct mhca_instance *inst, u32 cqn, u8 syndrome);
void mhca_event_port(struct mhca_instance *inst, u8 subtype);
/* EQ doorbell seen on UAR page @uar: @word = eqn << 24 | consumer index. */
void mhca_eq_doorbell(struct mhca_instance *inst, u32 uar, u32 word);

/* ---- Instances ------------------------------------------------------- */

#define MHCA_ADDRESSES_MAX	16

/* What an IPv4-mapped IPv6 address begins with. */
static const u8 mhca_ipv4_prefix[12] = { [10] = 0xff, 0xff };

/**
 * struct mhca_prefix - IP addresses that begin alike
 * @address: IPv6, or IPv4-mapped; what follows @bits is zero
 * @bits: how many of its 128 bits count; 128: it is one address
 * @ipv4: @address is an IPv4 address (and @bits at least 96)
 */
struct mhca_prefix {
	u8 address[16];
	u8 bits;
	bool ipv4;
};

/**
 * struct mhca_addresses - IP addresses that an instance may use
 * @n: how many; 0: any
 * @prefix: they
 */
struct mhca_addresses {
	u32 n;
	struct mhca_prefix prefix[MHCA_ADDRESSES_MAX];
};

enum mhca_personality { MHCA_IB, MHCA_ROCE };

enum mhca_function_state {
	MHCA_FN_RESET,		/* nothing but ENABLE_HCA */
	MHCA_FN_ENABLED,	/* capabilities, pages */
	MHCA_FN_INITIALISED,	/* everything */
};

/* What of an instance runs; migration takes it away in two steps (migrate.h). */
enum mhca_run {
	MHCA_RUN_ALL,		/* everything */
	MHCA_RUN_RESPONDER,	/* no new WQE is fetched, no command begins; peers are answered */
	MHCA_RUN_NONE,		/* no DMA, no interrupt; trapped registers may still be accessed */
};

/* Peers of an instance that stands still for longer than that take it for gone. */
#define MHCA_AWAY_NS		(10 * NSEC_PER_SEC)

/**
 * struct mhca_identity - who an instance is; never zero, set before it opens
 * @name: its UUID as text, for messages
 * @node_guid: host byte order
 * @port_guid: host byte order
 * @mac: Ethernet address
 */
struct mhca_identity {
	char name[40];
	u64 node_guid;
	u64 port_guid;
	u8 mac[6];
};

/**
 * struct mhca_port - the port's addresses, set by backend and policy
 * @lid: unicast LID given by the backend
 * @segment: isolated network that the port belongs to: ports of different segments do
 *           not reach each other. Policy; may change at any time.
 *           A change is told by &struct mhca_hca_ops.port_changed.
 * @up: PORT_ACTIVE; else PORT_DOWN, and nothing reaches it or comes from it. Policy;
 *      may change at any time, with an event for the guest
 * @spoof_check: frames and messages may only have the instance's own source
 *               addresses
 * @addresses: IP addresses that it may say are its own
 * @admin_down: the guest's driver has taken its port down. No frame is dropped for it,
 *              but its addresses may be used by another port
 * @qkey_violations: datagrams refused for their Q_Key
 *
 * Policy and commands change it, and tell the backend, under
 * &struct mhca_instance.port_lock; the engine reads with READ_ONCE().
 */
struct mhca_port {
	u16 lid;
	u32 segment;
	bool up;
	bool spoof_check;
	struct mhca_addresses addresses;
	bool admin_down;
	atomic_t qkey_violations;
};

/* roce_addr_layout.roce_version: GRH right behind the Ethernet header, or IP and UDP */
enum mhca_roce_version { MHCA_ROCE_V1 = 0, MHCA_ROCE_V2 = 2 };

/**
 * struct mhca_roce_address - an entry of the RoCE address table (SET_ROCE_ADDRESS)
 * @valid: there is one
 * @gid: GID: an IPv6 address, or an IPv4-mapped one; not all zero
 * @mac: source MAC
 * @vlan_valid: frames carry @vlan
 * @vlan: VLAN id
 * @version: enum mhca_roce_version
 * @ipv4: RoCE v2 over IPv4
 */
struct mhca_roce_address {
	bool valid;
	u8 gid[16];
	u8 mac[6];
	bool vlan_valid;
	u16 vlan;
	u8 version;
	bool ipv4;
};

/**
 * struct mhca_vport - the NIC vport context: what a guest asked its port to be
 * @mac: current unicast address; &struct mhca_identity.mac after a reset
 * @mtu: greatest IP packet the driver asked for, bytes
 * @roce: RoCE is enabled
 * @promisc_uc: all unicast frames of the segment are wanted
 * @promisc_mc: all multicast frames are wanted
 * @promisc_all: all frames are wanted
 * @n_uc: entries of @uc
 * @n_mc: entries of @mc
 * @n_vlan: entries of @vlan
 * @uc: further unicast addresses that are wanted, at most MHCA_MAX_UC
 * @mc: multicast addresses that are wanted, at most MHCA_MAX_MC
 * @vlan: VLAN ids that are wanted, at most MHCA_MAX_VLAN
 * @gid: RoCE address table
 *
 * Written under the command lock and the port lock, read under either. After a change
 * the core calls &struct mhca_hca_ops.vport_changed, where the backend takes what it
 * needs.
 */
struct mhca_vport {
	u8 mac[6];
	u16 mtu;
	bool roce;
	bool promisc_uc;
	bool promisc_mc;
	bool promisc_all;
	u32 n_uc;
	u32 n_mc;
	u32 n_vlan;
	u8 uc[MHCA_MAX_UC][6];
	u8 mc[MHCA_MAX_MC][6];
	u16 vlan[MHCA_MAX_VLAN];
	struct mhca_roce_address gid[MHCA_ROCE_ADDRESSES];
};

/**
 * struct mhca_quota - what the guest may hold and ask, as policy says
 * @max: objects by kind
 * @max_mr: bytes of one memory region
 * @cmd_rate: control verbs per second, weighted by their cost class; 0: no bound
 * @rate: payload bytes per second that it may move as requester; 0: no bound
 * @burst: of these at once, bytes
 * @weight: share of a busy lane, relative to others'
 *
 * All from @cmd_rate on may change at any time: read them with READ_ONCE().
 */
struct mhca_quota {
	u32 max[MHCA_OBJECT_KINDS];
	u64 max_mr;
	u32 cmd_rate;
	u64 rate;
	u64 burst;
	u32 weight;
};

/* ---- Policy ---------------------------------------------------------- */

/* Attributes that an administrator sets, in the order of policy.c's table. */
enum mhca_policy_id {
	MHCA_POLICY_MAC,
	MHCA_POLICY_NODE_GUID,
	MHCA_POLICY_PORT_GUID,
	MHCA_POLICY_SEGMENT,
	MHCA_POLICY_RATE_MBPS,
	MHCA_POLICY_BURST_KB,
	MHCA_POLICY_CMD_RATE,
	MHCA_POLICY_WEIGHT,
	MHCA_POLICY_MAX_QP,
	MHCA_POLICY_MAX_CQ,
	MHCA_POLICY_MAX_SRQ,
	MHCA_POLICY_MAX_MKEY,
	MHCA_POLICY_MAX_PD,
	MHCA_POLICY_MAX_PINNED_MB,
	MHCA_POLICY_MAX_MR_MB,
	MHCA_POLICY_DOORBELL,
	MHCA_POLICY_SPOOF_CHECK,
	MHCA_POLICY_ADDRESSES,
	MHCA_POLICY_LINK,
	MHCA_POLICY_DESCRIPTION,
	MHCA_POLICIES
};

enum mhca_doorbell_mode { MHCA_DOORBELL_MAP, MHCA_DOORBELL_TRAP };

#define MHCA_DESCRIPTION_MAX	255

/**
 * struct mhca_policy - an instance's attributes as configured (policy.h)
 * @value: numbers, MAC and GUIDs, index of a choice
 * @addresses: IP addresses
 * @description: text, ends with a 0
 */
struct mhca_policy {
	u64 value[MHCA_POLICIES];
	struct mhca_addresses addresses;
	char description[MHCA_DESCRIPTION_MAX + 1];
};

/**
 * struct mhca_limit - the three views of a limit
 * @configured: what was asked for
 * @clamped: what the host enforces
 * @visible: what the guest's capabilities say: a power of two, or a count for EQs
 */
struct mhca_limit {
	u32 configured;
	u32 clamped;
	u32 visible;
};

/* The one function that computes them (caps.c). */
struct mhca_limit mhca_limit(enum mhca_object_kind kind, u32 configured);

/**
 * struct mhca_instance - one mediated instance
 * @hca: the HCA it is carved from
 * @backend: the backend's private data
 * @vmm_ops: the front end
 * @vmm: the front end's private data
 * @personality: ib or roce
 * @id: identity
 * @port: port state
 * @vport: NIC vport context (roce)
 * @policy: as configured; changed under the front end's lock
 * @quota: limits that follow from it
 * @cmd_lock: serialises commands, reset, open and close; outermost lock
 * @port_lock: mutex inside @cmd_lock: what policy and commands make of @port and
 *             @vport, and the backend's taking it over. Never held across a pin or a
 *             copy of guest memory, so policy does not wait for a tenant
 * @fn: function state, protected by @cmd_lock
 * @objects: number -> object by kind; written under @cmd_lock
 * @next_number: hint of the cyclic allocator, by kind
 * @object_count: live objects by kind; written under @cmd_lock
 * @master: bus mastering is on, and power, as the front end says
 * @run: what of it runs, as the front end says
 * @dma: it may read and write guest memory and interrupt: @master, and not MHCA_RUN_NONE.
 *       Changed with WRITE_ONCE, under the EQ lock; who sees false inside an engine section
 *       touches none of the guest's memory
 * @begins: it may begin work of its own, too: WQEs and commands. Changed with @dma
 * @away_since: ktime_get_ns() since when it has been at MHCA_RUN_NONE, 0: it is not;
 *              changed with @dma. To its peers it is there, but not now
 * @gmem: guest memory
 * @counters: counters
 * @core: the core's own state (command queue, EQ subscriptions, capabilities)
 * @warnings: how many lines of the log it may still cause (mhca_warn())
 */
struct mhca_instance {
	struct mhca_hca *hca;
	void *backend;
	const struct mhca_vmm_ops *vmm_ops;
	void *vmm;
	enum mhca_personality personality;
	struct mhca_identity id;
	struct mhca_port port;
	struct mhca_vport *vport;
	struct mhca_policy policy;
	struct mhca_quota quota;
	struct mutex cmd_lock;
	struct mutex port_lock;
	enum mhca_function_state fn;
	struct xarray objects[MHCA_OBJECT_KINDS];
	u32 next_number[MHCA_OBJECT_KINDS];
	u32 object_count[MHCA_OBJECT_KINDS];
	bool master;
	enum mhca_run run;
	bool dma;
	bool begins;
	u64 away_since;
	struct mhca_gmem gmem;
	struct mhca_counters counters;
	struct mhca_core *core;
	struct ratelimit_state warnings;
};

/* A multicast group's address; on an Ethernet port an IPv4 group, mapped, is one, too. */
static inline bool mhca_gid_is_group(const struct mhca_instance *inst, const u8 gid[16])
{
	if (gid[0] == 0xff)
		return true;
	return inst->personality == MHCA_ROCE &&
	       !memcmp(gid, mhca_ipv4_prefix, sizeof(mhca_ipv4_prefix)) && gid[12] >> 4 == 0xe;
}

/*
 * A line about what a guest or its monitor did. Each instance has a rate of its own: none
 * keeps another's lines out of the log. Any context.
 */
#define mhca_warn(inst, fmt, ...)						\
	do {									\
		struct mhca_instance *__inst = (inst);				\
										\
		if (__ratelimit(&__inst->warnings))				\
			pr_warn("mhca: %s: " fmt, __inst->id.name, ##__VA_ARGS__); \
	} while (0)

#endif /* MHCA_PRM_H */
