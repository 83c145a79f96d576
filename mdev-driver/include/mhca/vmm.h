/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The front end seam: what the virtual machine monitor's side (vfio/, or a
 * user-space process) does for the core, and the core's entry points for it.
 */
#ifndef MHCA_VMM_H
#define MHCA_VMM_H

#include <mhca/hca.h>

/**
 * struct mhca_return - something to be done when a task is back in user mode
 * @fn: called then, in process context, with no lock held
 */
struct mhca_return {
	void (*fn)(struct mhca_return *ret);
};

/**
 * struct mhca_vmm_ops - the front end as the core sees it
 * @pin: pin @npages consecutive pages of MHCA_PAGE_SIZE at @iova and give their
 *       host addresses. All or nothing. 0, -ENOMEM (memlock limit: -EDQUOT), -EINVAL
 *       (not guest memory), -EPERM (not for writing), -EFAULT (guest memory that cannot
 *       be pinned). Any @npages; batches by itself. May have to wait for the monitor.
 * @unpin: undo, for a range that one call of @pin pinned (iommufd wants it so)
 * @read: copy from guest memory; sleeps; 0, -EFAULT, or -ECANCELED: mhca_prm_work() is to
 *        come to an end
 * @write: copy to guest memory; the same
 * @raise: signal interrupt vector; any context; remembered while masked
 * @kick: have mhca_prm_work() called soon, in process context, never twice at
 *        once; any context
 * @unpin_work: have mhca_instance_unpin() called soon, in process context, beside
 *              mhca_prm_work(), never twice at once; any context that may sleep
 * @at_return: have @ret->fn called, once, when the current task is on its way back to user
 *             mode or ends; for a thread of the kernel: soon. The instance may be gone by
 *             then. 0 or a negative errno: it will not be called. Sleeps
 * @doorbell: the page of RAM that the guest has mapped behind UAR @index, for as long as
 *            the instance lives. The front end's mappings cannot be taken away: then @zap
 *            does nothing and @zap_async is never answered. NULL: pages are the
 *            backend's, and mapped by page fault
 * @zap: unmap UAR page @index from the guest: the next access faults. Sleeps, for as
 *       long as the monitor's mappings make it: only the instance's own work calls it
 * @zap_async: ask for the same and do not wait: &struct mhca_hca_ops.doorbell_zapped
 *             says when it is done. Until then the page may be mapped and stored to,
 *             so it is polled. Any context
 */
struct mhca_vmm_ops {
	int (*pin)(void *vmm, u64 iova, u64 npages, bool write, void **kva);
	void (*unpin)(void *vmm, u64 iova, u64 npages);
	int (*read)(void *vmm, u64 iova, void *buf, size_t len);
	int (*write)(void *vmm, u64 iova, const void *buf, size_t len);
	void (*raise)(void *vmm, u32 vector);
	void (*kick)(void *vmm);
	void (*unpin_work)(void *vmm);
	int (*at_return)(void *vmm, struct mhca_return *ret);
	void *(*doorbell)(void *vmm, u32 index);
	void (*zap)(void *vmm, u32 index);
	void (*zap_async)(void *vmm, u32 index);
};

/*
 * Create; @vmm_ops and @vmm stay valid until mhca_instance_destroy(). Return: the
 * instance, or an ERR_PTR().
 */
struct mhca_instance *mhca_instance_create(struct mhca_hca *hca,
					   enum mhca_personality personality,
					   const struct mhca_identity *id,
					   const struct mhca_vmm_ops *vmm_ops,
					   void *vmm);
void mhca_instance_destroy(struct mhca_instance *inst);

/*
 * Function-level reset: destroys all objects, unpins everything, forgets the
 * command queue. On open, close, VFIO reset, PCI FLR. The front end has made
 * sure that mhca_prm_work() is not running and will not be kicked meanwhile
 * (it may be kicked again afterwards).
 */
void mhca_instance_reset(struct mhca_instance *inst);

/* Execute what was queued: commands whose doorbell rang, PA pins. */
void mhca_prm_work(struct mhca_instance *inst);

/*
 * Initialization segment, [0, MHCA_ISEG_SIZE): any offset and length of a trapped
 * access. Reads fill @buf with what the guest sees; writes only queue work.
 */
void mhca_iseg_read(struct mhca_instance *inst, u32 offset, void *buf, u32 len);
void mhca_iseg_write(struct mhca_instance *inst, u32 offset, const void *buf, u32 len);

/*
 * Bus mastering (PCI command register) and D3hot: while false no DMA, no work. When it
 * returns from false, the one command that may have been under way is over, too (unless
 * the caller is killed), and all DMA. May sleep.
 */
void mhca_instance_set_master(struct mhca_instance *inst, bool on);

/*
 * The VMM removes [@iova, @iova + @len): users see their memory as unmapped, and nobody pins
 * in it before the current task is back in user mode. True: every pin in it is gone. False:
 * unpinning made no progress for MHCA_UNMAP_WAIT_MS: call again. Calls neither @pin nor
 * @unpin.
 */
bool mhca_instance_dma_unmap(struct mhca_instance *inst, u64 iova, u64 len);
/* Unpin what mhca_instance_dma_unmap() left to do; see @unpin_work. */
void mhca_instance_unpin(struct mhca_instance *inst);

/*
 * For people. An object as a line of text (command lock held); its length. A row of the
 * command table with what became of its commands: empty when there were none, false:
 * no such row.
 */
int mhca_object_describe(const struct mhca_object *obj, char *buf, size_t size);
bool mhca_command_describe(struct mhca_instance *inst, u32 index, char *buf, size_t size);

/* About once a second, in process context: raises vectors again whose EQ was not read. */
void mhca_instance_tick(struct mhca_instance *inst);

#endif /* MHCA_VMM_H */
