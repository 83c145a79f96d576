/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The core's own types and who calls whom.
 *
 *   iseg.c           initialization segment: registers, doorbell bits
 *   cmdq.c           command queue: entries and mailboxes in and out
 *   command.c        one command: find the row, check, execute, refuse
 *   command_table.c  the table: what a guest may do
 *   cmd_check.c  cmd_eth.c  cmd_flow.c     what contexts may say
 *   cmd_hca.c  cmd_port.c  cmd_mad.c  cmd_vport.c  cmd_register.c  cmd_object.c    handlers
 *   caps.c           capabilities and limits
 *   object.c         numbers, references, destruction
 *   gmem.c  pa.c     pinned guest memory; pages of PA keys
 *   unmap.c          guest memory that the VMM takes away
 *   eq.c             event queues
 *   image.c  save.c  load.c     an instance as a stream of records, and back
 *   instance.c       life of an instance
 *   type.c  identity.c  pci_config.c    what front ends share
 *
 * Locks, in order (docs/locking.md):
 *   cmd_lock -> gmem.lock; core->eq_lock, core->reg_lock, gmem.pa_lock: leaves
 */
#ifndef MHCA_CORE_H
#define MHCA_CORE_H

#include <mhca/vmm.h>

#define MHCA_FW_MAJOR		1
#define MHCA_FW_MINOR		0
#define MHCA_FW_SUBMINOR	0

/* Ethernet header, VLAN tag and FCS: drivers give an MTU as the length of a frame. */
#define MHCA_FRAME_OVERHEAD	22

#define MHCA_PMA_FIELDS		11	/* counters of a port that can be set */
#define MHCA_NODE_DESC_SIZE	64	/* bytes of a node description */

/* Event types that the core can post are all below this. */
#define MHCA_EVENT_TYPES	64
#define MHCA_PENDING_EVENTS	64

#define MHCA_ISSI_MAX		1
#define MHCA_LEASE_BYTES	16	/* of an image: as good as nobody guesses */

/*
 * Port capability bits that a guest's services announce about themselves:
 * communication management, SNMP tunnelling, device management, vendor class.
 */
#define MHCA_CAP_MASK1		(BIT(16) | BIT(17) | BIT(19) | BIT(20))

struct mhca_taken;

/* Size of every capability structure (the PRM's union of them). */
#define MHCA_CAP_SIZE		MLX5_UN_SZ_BYTES(hca_cap_union)

/**
 * struct mhca_event - an asynchronous event before it becomes an EQE
 * @type: enum mlx5_event
 * @sub_type: of the type
 * @num: object number
 * @detail: syndrome of a CQ error, queue type of a QP event
 */
struct mhca_event {
	u8 type;
	u8 sub_type;
	u8 detail;
	u32 num;
};

/**
 * struct mhca_eq - event queue; all but @obj protected by core->eq_lock
 * @obj: object; buffer: its EQEs
 * @offset: of the queue in the buffer, bytes
 * @log_size: log2 of its entries
 * @vector: interrupt vector
 * @uar: index of the UAR page whose register tells @ci
 * @mask: events it subscribed, bit n: type n
 * @pi: EQEs written, free running
 * @ci: lower bound of EQEs consumed (24 bits): the guest tells it through a
 *      register that EQs share, so values are lost but never invented
 * @raised: ktime_get_ns() of the last interrupt raised because it was full
 */
struct mhca_eq {
	struct mhca_object obj;
	u64 offset;
	u8 log_size;
	u32 vector;
	u32 uar;
	u64 mask;
	u32 pi;
	u32 ci;
	u64 raised;
};

/**
 * struct mhca_command_stats - what became of the commands of one opcode
 * @count: executed
 * @refused: of these, answered with an error
 * @ns: time that they took
 * @max_ns: of the longest
 *
 * Written by the worker alone; read at any time.
 */
struct mhca_command_stats {
	u64 count;
	u64 refused;
	u64 ns;
	u64 max_ns;
};

/**
 * struct mhca_core - the core's state of an instance
 * @reg_lock: protects the registers below
 * @cmdq_addr: guest-physical address of the command queue
 * @cmdq_set: the guest has written it
 * @nic_interface: state of the function's interface as the guest reads it
 * @nic_request: state the guest asked for and the worker has not reached
 * @doorbell: entries whose doorbell rang and that were not executed yet
 * @eq_lock: protects @eq, @subscriber, the pending events and all EQs' state
 * @eq: EQs by number
 * @subscriber: event type -> number of the EQ that takes it, 0: none
 * @pending: events that found their EQ full, oldest at @pending_head
 * @pending_head: see @pending
 * @pending_n: how many
 * @general: current general capabilities; cmd_lock
 * @atomic: current atomic capabilities; cmd_lock
 * @issi: interface step the driver chose; cmd_lock
 * @cap_mask1: port capability bits the driver set; cmd_lock
 * @eth_mtu: greatest frame the driver set on its Ethernet port, bytes with VLAN tag
 *           and FCS; cmd_lock
 * @pma_base: what a performance manager's counters begin at, by cmd_mad.c's table; cmd_lock
 * @node_desc: node description, as text that need not end with a 0; cmd_lock
 * @stats: by row of the command table
 * @leased: an image of it was made: it may have moved
 * @lease: what that image knows to prove that it is its; backend's lock of LIDs
 * @moved: another instance has taken its place: it does not run before it is reset
 * @taken: loaded: the identity that it takes over when it first runs, or NULL
 * @rate: cost units that commands may spend; only the worker and, while it is
 *        stopped, a reset
 */
struct mhca_core {
	spinlock_t reg_lock;		/* the registers below */
	u64 cmdq_addr;
	bool cmdq_set;
	u8 nic_interface;
	u8 nic_request;
	atomic_t doorbell;
	spinlock_t eq_lock;		/* EQs and pending events */
	struct mhca_eq *eq[MHCA_MAX_EQ];
	u8 subscriber[MHCA_EVENT_TYPES];
	struct mhca_event pending[MHCA_PENDING_EVENTS];
	u32 pending_head;
	u32 pending_n;
	u8 general[MHCA_CAP_SIZE] __aligned(8);
	u8 atomic[MHCA_CAP_SIZE] __aligned(8);
	u16 issi;
	u32 cap_mask1;
	u32 eth_mtu;
	u64 pma_base[MHCA_PMA_FIELDS];
	char node_desc[MHCA_NODE_DESC_SIZE];
	struct mhca_command_stats *stats;
	bool leased;
	u8 lease[MHCA_LEASE_BYTES];
	bool moved;
	struct mhca_taken *taken;
	struct mhca_bucket rate;
};

/* nic_interface values (initial_seg.nic_interface and the state the driver writes) */
enum mhca_nic_state {
	MHCA_NIC_FULL = 0,
	MHCA_NIC_DISABLED = 1,
	MHCA_NIC_SW_RESET = 7,
};

/* object.c */
const struct mhca_object_ops *mhca_object_ops(const struct mhca_instance *inst,
					      enum mhca_object_kind kind);
struct mhca_object *mhca_object_alloc(struct mhca_instance *inst, enum mhca_object_kind kind);
enum mhca_syndrome mhca_object_publish(struct mhca_object *obj);
void mhca_object_free(struct mhca_object *obj);		/* not published */
void mhca_object_remove(struct mhca_object *obj);	/* published */
void mhca_object_remove_all(struct mhca_instance *inst);

/* Does an image have a place for all that such an object is? */
static inline bool mhca_object_has_codec(const struct mhca_object_ops *ops)
{
	return ops->stateless || (ops->save && ops->load);
}

/* Pages pinned or unpinned without looking at what others want. */
#define MHCA_PIN_BATCH		512

/* gmem.c */
void mhca_gmem_init(struct mhca_instance *inst);
void mhca_gmem_fini(struct mhca_instance *inst);
bool mhca_gmem_charge(struct mhca_instance *inst, u64 npages);
void mhca_gmem_uncharge(struct mhca_instance *inst, u64 npages);
void mhca_gmem_begin(struct mhca_gmem *gmem, u64 iova, u64 last);	/* gmem.lock */
void mhca_gmem_end(struct mhca_gmem *gmem);				/* gmem.lock */
u64 mhca_pages_take_batch(struct mhca_pages *pages, u64 *n);		/* gmem.lock */
void mhca_pages_unpin_batch(struct mhca_pages *pages, u64 i, u64 n);
bool mhca_pages_doom(struct mhca_instance *inst, u64 iova, u64 last);	/* gmem.lock */
bool mhca_pages_doomed(struct mhca_instance *inst, u64 first, u64 last); /* gmem.lock */

/* unmap.c */
bool mhca_closed_find(struct mhca_gmem *gmem, u64 iova, u64 last);	/* gmem.lock */
void mhca_closed_reset(struct mhca_gmem *gmem);
void mhca_closed_fini(struct mhca_gmem *gmem);
u64 mhca_gmem_fence(struct mhca_instance *inst);

/* pa.c */
void mhca_pa_init(struct mhca_instance *inst);
void mhca_pa_fini(struct mhca_instance *inst);
void mhca_pa_work(struct mhca_instance *inst);
void mhca_pa_flush(struct mhca_instance *inst);
void mhca_pa_forget_failures(struct mhca_instance *inst);
bool mhca_pa_retire(struct mhca_instance *inst, u64 first, u64 last);	/* gmem.lock */
bool mhca_pa_leaving(struct mhca_instance *inst, u64 first, u64 last);	/* gmem.lock */
void mhca_pa_release(struct mhca_instance *inst);

/* eq.c */
extern const struct mhca_object_ops mhca_eq_ops;
bool mhca_eq_may_subscribe(const struct mhca_core *core, u32 eqn, u32 type);
bool mhca_eq_command_subscribed(struct mhca_instance *inst);
void mhca_eq_post_command(struct mhca_instance *inst, u32 entries);
void mhca_event_flush(struct mhca_instance *inst);
void mhca_eq_fence(struct mhca_instance *inst);
void mhca_eq_tick(struct mhca_instance *inst);
void mhca_eq_reset(struct mhca_instance *inst);

/* cmdq.c */
void mhca_cmdq_run(struct mhca_instance *inst);

/* caps.c */
void mhca_caps_reset(struct mhca_instance *inst);
int mhca_caps_each(const struct mhca_instance *inst, u32 i, void *out);
enum mhca_syndrome mhca_caps_query(struct mhca_instance *inst, u16 type, bool cur, void *out);
enum mhca_syndrome mhca_caps_set(struct mhca_instance *inst, u16 type, const void *in);

/* cmd_vport.c */
struct mhca_taken;
void mhca_vport_reset(struct mhca_instance *inst);
void mhca_vport_changed(struct mhca_instance *inst);
void mhca_vport_save(const struct mhca_instance *inst, struct mhca_image *image);
bool mhca_vport_load(struct mhca_taken *taken, struct mhca_reader *in);
void mhca_vport_take(struct mhca_instance *inst, const struct mhca_taken *taken);

/* instance.c */
void mhca_function_clear(struct mhca_instance *inst, enum mhca_function_state fn);

#endif /* MHCA_CORE_H */
