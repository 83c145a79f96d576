/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The backend seam: what a software HCA (soft/) or an adapter (mlx5/) does for
 * the core. The core has validated every command against its table before any
 * of these is called: lengths, ownership, page ranges, quota.
 */
#ifndef MHCA_HCA_H
#define MHCA_HCA_H

#include <mhca/image.h>
#include <mhca/prm.h>

/**
 * struct mhca_object_ops - one kind of object in a backend
 * @size: bytes to allocate for an object, &struct mhca_object first
 * @create: fill the zeroed object from @cmd->in; @cmd->obj is it, its refs,
 *          buffer and record are set. Gives it a number with
 *          mhca_object_number() or the adapter's. On success the core makes it
 *          findable. On error nothing stays behind.
 * @modify: MODIFY, a QP transition, ARM; NULL: none
 * @query: fill @cmd->out; NULL: none
 * @destroy: no longer findable. Stop every use: when it returns there is no
 *           DMA and no completion for @obj any more, and the core unpins and
 *           frees it. Cannot fail. NULL: nothing to do.
 * @describe: the object's own state as text, for people; its length. NULL: none
 * @update: bring obj->created up to date: what a guest would say to create it as it is now;
 *          NULL: it says what was said once
 * @save: put what obj->created does not say into an image; the instance stands still
 * @load: the opposite, once for an object that was created a moment ago: the bytes come
 *        from anybody. Neither reads nor writes guest memory
 * @stateless: obj->created says it all: there is no @save
 * @fenced: the engine finds the object by its number for each use, so that
 *          &struct mhca_hca_ops.fence is all it takes to stop them. The core calls
 *          it before @destroy: once for many objects, when many go at once.
 *
 * All run under the instance's command lock and may sleep.
 */
struct mhca_object_ops {
	size_t size;
	enum mhca_syndrome (*create)(struct mhca_cmd *cmd);
	enum mhca_syndrome (*modify)(struct mhca_cmd *cmd);
	enum mhca_syndrome (*query)(struct mhca_cmd *cmd);
	void (*destroy)(struct mhca_object *obj);
	int (*describe)(const struct mhca_object *obj, char *buf, size_t size);
	void (*update)(struct mhca_object *obj);
	void (*save)(struct mhca_object *obj, struct mhca_image *image);
	enum mhca_syndrome (*load)(struct mhca_object *obj, struct mhca_reader *in);
	bool stateless;
	bool fenced;
};

/**
 * struct mhca_doorbell - what stands behind a UAR page
 * @kva: a RAM page the engine polls, or NULL
 * @pfn: the adapter's page when @kva is NULL
 */
struct mhca_doorbell {
	void *kva;
	unsigned long pfn;
};

/**
 * struct mhca_hca_ops - a backend
 * @name: for messages and the type's name
 * @adapter_doorbells: doorbell pages are an adapter's (pfn), not RAM (kva)
 * @object: operations by kind; NULL: the core alone handles the kind
 * @instance_init: an instance was created; set @inst->backend and port.lid
 * @instance_fini: it is removed; all its objects are gone
 * @doorbell: the page behind UAR @index, which exists as object; false: none.
 *            Called from a page fault: must not sleep on anything that pins.
 *            RAM is a single page of the page allocator. It stays what it is
 *            until the UAR is not findable any more and then was zapped.
 * @doorbell_touched: the guest faulted on UAR @index (its page is mapped when
 *                    this returns) or wrote it through the trap. Atomic context
 *                    allowed.
 * @doorbell_zapped: UAR @index, for which &struct mhca_vmm_ops.zap_async was called, is
 *                   not mapped in the guest. Calls of @doorbell_touched come in the
 *                   order of what happens: one after this call is for a mapping after
 *                   it, so that the last call says whether the page is mapped. What was
 *                   stored before the page went may not have been polled yet. The UAR
 *                   may be gone, or its number another's, of which it is as true.
 *                   Atomic context allowed. NULL: the backend never asks
 * @look: what the guest has rung until now is looked at, and begun. For front ends whose
 *        pages stay mapped, before commands; sleeps
 * @dma_changed: &struct mhca_instance.dma or .begins was changed. dma off: when this returns,
 *               no access to the guest's memory is going on, and none begins; doorbells,
 *               timers and failures wait. To its peers the instance is not there, or, while
 *               it is away for no longer than MHCA_AWAY_NS, they wait. begins off: no WQE is
 *               begun, those that were go on. On: what waited is looked at. In a thread of
 *               the monitor: takes none of the engine's mutexes
 * @fence: returns when no engine access that began before is still going on
 * @memory_ready: pages asked for through mhca_pa_lookup() were pinned (or not)
 * @attach_mcg: attach QP @qp to @gid
 * @detach_mcg: detach it
 * @flow_root: frames for @inst are looked up in @table from now on; NULL: in none.
 *             Command lock held
 * @claim: an instance that was loaded, and does not run, takes the LID that its source had,
 *         and what is bound to it; on an Ethernet port its place in the segment instead.
 *         @lease: what the image knows of the source; @own: the rest of the identity is the
 *         instance's own anyway, so that the source may be on another host. Command lock
 *         held, no port lock; @vport_changed follows. 0; -EADDRINUSE: it may not; -ENOMEM.
 *         NULL: no instance can be moved
 * @port_changed: the port's state, segment or checks changed by policy; port lock held;
 *                may sleep
 * @vport_changed: the guest changed its NIC vport context or RoCE address table, or
 *                 lost it by a reset: @inst->vport is what counts now. Command lock
 *                 and port lock held; may sleep. NULL: the backend has no Ethernet port.
 */
struct mhca_hca_ops {
	const char *name;
	bool adapter_doorbells;
	const struct mhca_object_ops *object[MHCA_OBJECT_KINDS];
	int (*instance_init)(struct mhca_instance *inst);
	void (*instance_fini)(struct mhca_instance *inst);
	bool (*doorbell)(struct mhca_instance *inst, u32 index,
			 struct mhca_doorbell *doorbell);
	void (*doorbell_touched)(struct mhca_instance *inst, u32 index);
	void (*doorbell_zapped)(struct mhca_instance *inst, u32 index);
	void (*look)(struct mhca_instance *inst);
	void (*dma_changed)(struct mhca_instance *inst);
	void (*fence)(struct mhca_hca *hca);
	void (*memory_ready)(struct mhca_instance *inst);
	enum mhca_syndrome (*attach_mcg)(struct mhca_object *qp, const u8 gid[16]);
	enum mhca_syndrome (*detach_mcg)(struct mhca_object *qp, const u8 gid[16]);
	enum mhca_syndrome (*flow_root)(struct mhca_instance *inst, struct mhca_object *table);
	int (*claim)(struct mhca_instance *inst, u16 lid, const u8 *lease, bool own);
	void (*port_changed)(struct mhca_instance *inst);
	void (*vport_changed)(struct mhca_instance *inst);
};

/**
 * struct mhca_hca - an HCA that instances are carved from
 * @ops: backend
 * @max_instances: how many at once
 * @personalities: BIT() of each enum mhca_personality that it offers
 * @backend: the backend's private data
 * @frontend: the front end's private data (parent device, mdev types)
 */
struct mhca_hca {
	const struct mhca_hca_ops *ops;
	u32 max_instances;
	u32 personalities;
	void *backend;
	void *frontend;
};

/*
 * For @claim, with the port locks of both: has @from, which stands still, given @lease away
 * with its image? Then the two have exchanged GUIDs and MAC, @inst->vport is what the image
 * says, and @from does not run before it is reset.
 */
bool mhca_lease_swap(struct mhca_instance *inst, struct mhca_instance *from, const u8 *lease);

struct device;
struct module;

/* Front end (vfio/): make @hca available; @device (NULL: one of our own) is the parent. */
int mhca_hca_register(struct mhca_hca *hca, struct module *owner, struct device *device);
/* Waits until every instance is closed. */
void mhca_hca_unregister(struct mhca_hca *hca);

#endif /* MHCA_HCA_H */
