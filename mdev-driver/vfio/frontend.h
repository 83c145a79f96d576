/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The VFIO front end's own types and who calls whom.
 *
 *   main.c     module, HCA registration, mdev types, creation and removal
 *   instances.c  list of all instances, and what each has claimed
 *   device.c   vfio_device_ops: open, close, reset, ioctls, request
 *   open.c     what belongs to one opening of a device, and goes with it
 *   config.c   PCI configuration space under the device's lock
 *   region.c   BAR0: traps, doorbell mappings and their page faults
 *   irq.c      MSI-X, ERR and REQ eventfds
 *   memory.c   guest memory: pins and copies
 *   work.c     the thread of commands and tick; how long it may wait for a monitor
 *   migration.c  states of a move, and the ways between them
 *   stream.c   an instance's image as a file
 *   policy.c   attributes that an administrator sets
 *   sysfs.c    attributes that say what an instance does
 *   debugfs.c  objects and commands as text
 *   fail.c     allocations and pins that fail on purpose
 *
 * Locks, in order (docs/locking.md):
 *   mhca_stream.lock -> mhca_vdev.lock -> mhca_vdev.policy_lock -> list of instances
 *   mhca_vdev.lock -> mhca_instance.cmd_lock -> … -> mhca_open.map_lock
 *   monitor's mmap_lock -> mhca_open.map_lock -> what ops->doorbell() takes
 * Nothing that pins, unpins or copies guest memory is called under map_lock.
 */
#ifndef MHCA_VFIO_FRONTEND_H
#define MHCA_VFIO_FRONTEND_H

#include <linux/bitmap.h>
#include <linux/device.h>
#include <linux/kref.h>
#include <linux/kthread.h>
#include <linux/mdev.h>
#include <linux/mutex.h>
#include <linux/spinlock.h>
#include <linux/uuid.h>
#include <linux/vfio.h>
#include <linux/workqueue.h>

#include <mhca/arc.h>
#include <mhca/function.h>
#include <mhca/vmm.h>

#define MHCA_REGION_SHIFT	40
#define MHCA_REGION_MASK	((1ULL << MHCA_REGION_SHIFT) - 1)
/* VMAs of one opening that map doorbell pages: a zap looks at each of them. */
#define MHCA_VMAS_MAX		64

/**
 * struct mhca_type - a type of one parent
 * @mtype: mdev's part
 * @desc: its row
 */
struct mhca_type {
	struct mdev_type mtype;
	const struct mhca_type_desc *desc;
};

/**
 * struct mhca_trigger - an installed eventfd; read under RCU, freed after it
 * @ctx: eventfd
 * @rcu: for call_rcu()
 */
struct mhca_trigger {
	struct eventfd_ctx *ctx;
	struct rcu_head rcu;
};

/**
 * struct mhca_irqs - interrupt routes of a device
 * @lock: serialises SET_IRQS
 * @msix: by vector; NULL: none. Written under @lock, read under RCU.
 * @pending: vectors raised while they had no eventfd
 * @err: error interrupt
 * @req: "please release the device"
 */
struct mhca_irqs {
	struct mutex lock;
	struct mhca_trigger __rcu *msix[MHCA_MSIX_VECTORS];
	DECLARE_BITMAP(pending, MHCA_MSIX_VECTORS);
	struct mhca_trigger __rcu *err;
	struct mhca_trigger __rcu *req;
};

struct mhca_parent;
struct mhca_stream;
struct mhca_vdev;

enum { MHCA_CLAIM_MAC, MHCA_CLAIM_NODE, MHCA_CLAIM_PORT, MHCA_CLAIM_ADDRESSES };

/**
 * struct mhca_claim - what an instance has and others cannot have
 * @address: MAC, node GUID, port GUID
 * @pinned_mb: MiB of the host's memory that it may pin
 */
struct mhca_claim {
	u64 address[MHCA_CLAIM_ADDRESSES];
	u64 pinned_mb;
};

/**
 * struct mhca_open - one opening of a device, from open_device to close_device
 * @ref: held by the opening and by @mapping_file, which a VMA that was not unmapped keeps
 *       beyond it
 * @map_lock: page faults, trapped accesses and zaps of doorbell pages against each
 *            other: after a zap no page looked up before it gets mapped
 * @v: device; NULL once it was closed, when nothing is mapped any more; @map_lock
 * @scratch: stands behind UAR indices that do not exist
 * @mapping_file: owner of the doorbell mappings (kernels without a device inode)
 * @vmas: VMAs that map doorbell pages, copies over MHCA_VMAS_MAX, which map none, too
 * @worker: thread of @work and @tick
 * @work: mhca_prm_work()
 * @tick: mhca_instance_tick()
 * @waiting: @worker touches memory that the monitor may keep from it
 * @since: jiffies when it began to
 * @interrupted: a signal was sent to end that
 * @revoked: dead until it is closed: reads as all ones, nothing runs
 * @cleared: and holds nothing any more
 * @opener: process that opened the device: its RLIMIT_MEMLOCK counts
 * @memlock_free: it had CAP_IPC_LOCK
 * @memcg: its memory cgroup: pays for what commands allocate
 *
 * All that a monitor can map is here, so that nothing of one reaches the next.
 * &struct mhca_vdev.state_lock protects @waiting to @cleared.
 */
struct mhca_open {
	struct kref ref;
	struct mutex map_lock;
	struct mhca_vdev *v;
	struct page *scratch;
	struct file *mapping_file;
	atomic_t vmas;
	struct kthread_worker *worker;
	struct kthread_work work;
	struct kthread_delayed_work tick;
	bool waiting;
	unsigned long since;
	bool interrupted;
	bool revoked;
	bool cleared;
	struct task_struct *opener;
	bool memlock_free;
	struct mem_cgroup *memcg;
};

/**
 * struct mhca_vdev - a mediated instance as VFIO sees it
 * @vdev: VFIO's part, first
 * @dev: the mdev device, for messages
 * @node: on instances.c's list of all instances
 * @claim: what it takes from others; instances.c's mutex
 * @hidden: not to be found on the list any more; instances.c's mutex
 * @parent: HCA it is carved from
 * @desc: type
 * @inst: the core's part; valid from creation to removal
 * @lock: open, close, reset and writes to @config
 * @policy_lock: the instance's policy. Nobody waits for the monitor while holding it
 * @open: between open_device and close_device, else NULL; written under @lock and
 *        @state_lock, whether there is one under @policy_lock, too; read under any of
 *        these, and by what the monitor's file or the running work calls
 * @config: PCI configuration space; written under @lock
 * @master: what mhca_instance_set_master() was told last; @lock
 * @migration: state of a move; written under @lock
 * @stream: of its image, or NULL; @lock
 * @bar: guest-physical address of BAR0, or ~0; written under @lock
 * @irqs: interrupts
 * @side: what must not stand behind a command: all that follows
 * @watch: looks whether a command waits too long
 * @revoke_work: the part of a revocation that takes its time
 * @unpin_work: mhca_instance_unpin()
 * @zap_work: unmaps what @zaps names
 * @zaps: UAR indices; atomic bits
 * @state_lock: protects @running and @kicked, and @open's pointer; any context
 * @running: work may be queued; cleared first thing in a reset, so pins read it too
 * @kicked: somebody wanted work while it was not @running
 * @debugfs: directory for people
 */
struct mhca_vdev {
	struct vfio_device vdev;
	struct device *dev;
	struct list_head node;
	struct mhca_claim claim;
	bool hidden;
	struct mhca_parent *parent;
	const struct mhca_type_desc *desc;
	struct mhca_instance *inst;
	struct mutex lock;
	struct mutex policy_lock;
	struct mhca_open *open;
	struct mhca_pci_config config;
	bool master;
	enum mhca_mig migration;
	struct mhca_stream *stream;
	u64 bar;
	struct mhca_irqs irqs;
	struct workqueue_struct *side;
	struct delayed_work watch;
	struct work_struct revoke_work;
	struct work_struct unpin_work;
	struct work_struct zap_work;
	DECLARE_BITMAP(zaps, MHCA_UAR_END);
	spinlock_t state_lock;
	bool running;
	bool kicked;
	struct dentry *debugfs;
};

/**
 * struct mhca_parent - an HCA in sysfs: /sys/class/mdev_bus/mhcaN
 * @dev: the device; its release frees this
 * @mdev: mdev's part
 * @hca: HCA
 * @owner: its module, held while an instance is open
 * @index: N
 * @instances: created now; under instances.c's mutex
 * @types: types
 * @type_list: the same, as mdev wants them
 * @n_types: how many
 */
struct mhca_parent {
	struct device dev;
	struct mdev_parent mdev;
	struct mhca_hca *hca;
	struct module *owner;
	int index;
	u32 instances;
	struct mhca_type *types;
	struct mdev_type **type_list;
	u32 n_types;
};

static inline struct mhca_vdev *to_mhca_vdev(struct vfio_device *vdev)
{
	return container_of(vdev, struct mhca_vdev, vdev);
}

/* instances.c */
int mhca_instance_claim(struct mhca_vdev *v, const struct mhca_policy *policy, char *reason);
int mhca_instance_reclaim(struct mhca_vdev *v, const struct mhca_policy *policy, char *reason);
void mhca_instance_hide(struct mhca_vdev *v);
void mhca_instance_disclaim(struct mhca_vdev *v);
unsigned int mhca_instances_available(const struct mhca_parent *parent, u32 each_mb);
int mhca_instance_revoke(const struct device *parent, const char *name);
int mhca_instance_run_as(struct mhca_vdev *v, enum mhca_run run);	/* v->lock */

/* device.c */
extern const struct vfio_device_ops mhca_device_ops;
extern const struct mhca_vmm_ops mhca_frontend_ops;
void mhca_device_reset(struct mhca_vdev *v);			/* v->lock */
bool mhca_device_revoke(struct mhca_vdev *v);
int mhca_device_revoke_wait(struct mhca_vdev *v);
void mhca_device_revoke_run(struct work_struct *work);

/* migration.c */
void mhca_migration_init(struct mhca_vdev *v);
void mhca_migration_reset(struct mhca_vdev *v);			/* v->lock */
int mhca_migration_feature(struct vfio_device *vdev, u32 flags, void __user *arg, size_t argsz);

/* stream.c; all with v->lock */
struct file *mhca_stream_save(struct mhca_vdev *v, bool all);
int mhca_stream_rest(struct mhca_vdev *v);
struct file *mhca_stream_load(struct mhca_vdev *v);
int mhca_stream_finish(struct mhca_vdev *v);
void mhca_stream_end(struct mhca_vdev *v);
u64 mhca_stream_left(struct mhca_vdev *v);

/* open.c */
struct mhca_open *mhca_open_create(struct mhca_vdev *v);
struct mhca_open *mhca_open_get(struct mhca_vdev *v);
void mhca_open_put(struct mhca_open *open);
void mhca_open_end(struct mhca_open *open);

/* config.c */
void mhca_config_reset(struct mhca_vdev *v);			/* v->lock */
void mhca_config_read(struct mhca_vdev *v, u32 offset, void *buf, u32 len);
void mhca_config_write(struct mhca_vdev *v, u32 offset, const void *buf, u32 len);

/* region.c */
ssize_t mhca_region_read(struct mhca_vdev *v, char __user *buf, size_t count, loff_t *ppos);
ssize_t mhca_region_write(struct mhca_vdev *v, const char __user *buf, size_t count,
			  loff_t *ppos);
int mhca_region_info(struct vfio_device *vdev, struct vfio_region_info *info,
		     struct vfio_info_cap *caps);
int mhca_region_mmap(struct mhca_vdev *v, struct vm_area_struct *vma);
void mhca_region_zap(void *vmm, u32 index);
void mhca_region_zap_async(void *vmm, u32 index);
void mhca_region_zap_run(struct work_struct *work);
void mhca_region_clear(struct mhca_vdev *v);			/* v->lock */
void mhca_region_retire(struct mhca_open *open);

/* irq.c */
void mhca_irq_init(struct mhca_vdev *v);
int mhca_irq_info(struct vfio_irq_info *info);
int mhca_irq_set(struct mhca_vdev *v, const struct vfio_irq_set *hdr, const void *data);
u32 mhca_irq_count(u32 index);
void mhca_irq_raise(void *vmm, u32 vector);
bool mhca_irq_request(struct mhca_vdev *v);
void mhca_irq_forget(struct mhca_vdev *v);
void mhca_irq_disable(struct mhca_vdev *v);

/* memory.c */
int mhca_memory_pin(void *vmm, u64 iova, u64 npages, bool write, void **kva);
void mhca_memory_unpin(void *vmm, u64 iova, u64 npages);
int mhca_memory_read(void *vmm, u64 iova, void *buf, size_t len);
int mhca_memory_write(void *vmm, u64 iova, const void *buf, size_t len);

/* work.c */
int mhca_work_init(struct mhca_vdev *v);
void mhca_work_fini(struct mhca_vdev *v);
void mhca_work_kick(void *vmm);
void mhca_work_unpin(void *vmm);
int mhca_work_at_return(void *vmm, struct mhca_return *ret);
int mhca_work_create(struct mhca_open *open);
void mhca_work_destroy(struct mhca_open *open);
void mhca_work_start(struct mhca_vdev *v);			/* v->lock */
void mhca_work_halt(struct mhca_vdev *v);			/* v->state_lock */
void mhca_work_stop(struct mhca_vdev *v);			/* v->lock */
int mhca_work_begin_wait(struct mhca_vdev *v);
void mhca_work_end_wait(struct mhca_vdev *v);

/* policy.c */
extern const struct attribute_group mhca_policy_group;
extern const struct attribute_group mhca_clamped_group;
extern const struct attribute_group mhca_visible_group;
void mhca_policy_files_init(void);

/* debugfs.c */
void mhca_debugfs_init(void);
void mhca_debugfs_exit(void);
void mhca_debugfs_add(struct mhca_vdev *v);
void mhca_debugfs_remove(struct mhca_vdev *v);

/* fail.c */
void mhca_fail_debugfs(struct dentry *root);

/* sysfs.c */
extern const struct attribute_group *mhca_instance_groups[];

#endif /* MHCA_VFIO_FRONTEND_H */
