// SPDX-License-Identifier: GPL-2.0-only
/*
 * The life of an instance: creation, reset, bus mastering, work, removal.
 */
#include <mhca/migrate.h>
#include <mhca/policy.h>
#include "command.h"
#include "image_format.h"

/* Kinds that no attribute limits get what the host allows. */
static void mhca_instance_default_policy(struct mhca_instance *inst)
{
	struct mhca_policy policy;
	int kind;

	for (kind = 0; kind < MHCA_OBJECT_KINDS; kind++)
		inst->quota.max[kind] = mhca_limit(kind, U32_MAX).clamped;
	mhca_policy_default(&policy, &inst->id);
	mhca_policy_apply(inst, &policy);
}

static void mhca_instance_free(struct mhca_instance *inst)
{
	int kind;

	for (kind = 0; kind < MHCA_OBJECT_KINDS; kind++)
		xa_destroy(&inst->objects[kind]);
	mhca_gmem_fini(inst);
	mutex_destroy(&inst->port_lock);
	mutex_destroy(&inst->cmd_lock);
	kvfree(inst->vport);
	kvfree(inst->core->stats);
	kvfree(inst->core);
	kfree(inst);
}

/* What is too big for struct mhca_instance. */
static int mhca_instance_alloc_parts(struct mhca_instance *inst)
{
	inst->core = kvzalloc(sizeof(*inst->core), GFP_KERNEL);
	if (!inst->core)
		return -ENOMEM;
	inst->vport = kvzalloc(sizeof(*inst->vport), GFP_KERNEL);
	inst->core->stats = kvcalloc(mhca_n_commands, sizeof(*inst->core->stats), GFP_KERNEL);
	if (inst->vport && inst->core->stats)
		return 0;
	kvfree(inst->core->stats);
	kvfree(inst->vport);
	kvfree(inst->core);
	return -ENOMEM;
}

static struct mhca_instance *mhca_instance_alloc(void)
{
	struct mhca_instance *inst;
	int kind;

	inst = kzalloc(sizeof(*inst), GFP_KERNEL);
	if (!inst)
		return NULL;
	if (mhca_instance_alloc_parts(inst)) {
		kfree(inst);
		return NULL;
	}
	mutex_init(&inst->cmd_lock);
	mutex_init(&inst->port_lock);
	spin_lock_init(&inst->core->reg_lock);
	spin_lock_init(&inst->core->eq_lock);
	ratelimit_state_init(&inst->warnings, DEFAULT_RATELIMIT_INTERVAL,
			     DEFAULT_RATELIMIT_BURST);
	for (kind = 0; kind < MHCA_OBJECT_KINDS; kind++)
		xa_init_flags(&inst->objects[kind], XA_FLAGS_ALLOC | XA_FLAGS_ACCOUNT);
	mhca_gmem_init(inst);
	return inst;
}

/**
 * mhca_instance_create() - carve an instance from an HCA
 * @hca: HCA
 * @personality: what the guest sees
 * @id: who it is
 * @vmm_ops: front end
 * @vmm: the front end's private data
 *
 * Return: the instance, reset, or an ERR_PTR().
 */
struct mhca_instance *mhca_instance_create(struct mhca_hca *hca,
					   enum mhca_personality personality,
					   const struct mhca_identity *id,
					   const struct mhca_vmm_ops *vmm_ops,
					   void *vmm)
{
	struct mhca_instance *inst;
	int err;

	inst = mhca_instance_alloc();
	if (!inst)
		return ERR_PTR(-ENOMEM);
	inst->hca = hca;
	inst->personality = personality;
	inst->id = *id;
	inst->vmm_ops = vmm_ops;
	inst->vmm = vmm;
	mhca_instance_default_policy(inst);

	err = hca->ops->instance_init(inst);
	if (err) {
		mhca_instance_free(inst);
		return ERR_PTR(err);
	}
	mutex_lock(&inst->cmd_lock);
	mhca_function_clear(inst, MHCA_FN_RESET);
	mutex_unlock(&inst->cmd_lock);
	return inst;
}
EXPORT_SYMBOL_GPL(mhca_instance_create);

/**
 * mhca_instance_destroy() - give an instance back
 * @inst: instance; nothing of the front end calls into it any more
 */
void mhca_instance_destroy(struct mhca_instance *inst)
{
	mhca_instance_reset(inst);
	inst->hca->ops->instance_fini(inst);
	mhca_instance_free(inst);
}
EXPORT_SYMBOL_GPL(mhca_instance_destroy);

/**
 * mhca_function_clear() - destroy what the guest made, and set the state
 * @inst: instance, command lock held
 * @fn: state
 */
void mhca_function_clear(struct mhca_instance *inst, enum mhca_function_state fn)
{
	lockdep_assert_held(&inst->cmd_lock);

	inst->fn = fn;
	mhca_object_remove_all(inst);
	mhca_eq_reset(inst);
	mhca_pa_flush(inst);
	if (fn == MHCA_FN_RESET) {
		mhca_closed_reset(&inst->gmem);
		inst->core->issi = 0;
		inst->core->cap_mask1 = 0;
		inst->core->eth_mtu = MHCA_MTU_DEFAULT + MHCA_FRAME_OVERHEAD;
		memset(inst->core->pma_base, 0, sizeof(inst->core->pma_base));
		memset(inst->core->node_desc, 0, sizeof(inst->core->node_desc));
		scnprintf(inst->core->node_desc, sizeof(inst->core->node_desc), "mHCA %s",
			  inst->id.name);
		mhca_vport_reset(inst);
		mhca_caps_reset(inst);
	}
}

/**
 * mhca_instance_reset() - function-level reset
 * @inst: instance; the front end has stopped its worker
 */
void mhca_instance_reset(struct mhca_instance *inst)
{
	struct mhca_core *core = inst->core;

	mutex_lock(&inst->cmd_lock);
	/*
	 * Before the port is reset, which waits for who takes its place at this moment: then
	 * the reset is that of the instance that it has become.
	 */
	WRITE_ONCE(core->leased, false);
	mhca_function_clear(inst, MHCA_FN_RESET);

	spin_lock(&core->reg_lock);
	core->cmdq_addr = 0;
	core->cmdq_set = false;
	core->nic_interface = MHCA_NIC_FULL;
	core->nic_request = MHCA_NIC_FULL;
	atomic_set(&core->doorbell, 0);
	spin_unlock(&core->reg_lock);

	core->moved = false;
	kvfree(core->taken);
	core->taken = NULL;
	atomic_set(&inst->port.qkey_violations, 0);
	memset(&core->rate, 0, sizeof(core->rate));
	mutex_unlock(&inst->cmd_lock);
}
EXPORT_SYMBOL_GPL(mhca_instance_reset);

/*
 * What the instance may do follows from two things that the front end says. What comes on
 * is looked at: commands that were rung meanwhile, events that waited, the engine's work.
 * What goes off has ended on return, unless the caller is killed: -EINTR.
 */
static int mhca_instance_gate(struct mhca_instance *inst, const bool *master,
			      const enum mhca_run *run)
{
	struct mhca_core *core = inst->core;
	bool away;

	spin_lock(&core->eq_lock);
	/* What the caller does not say stays, whoever else says it at this moment. */
	inst->master = master ? *master : inst->master;
	inst->run = run ? *run : inst->run;
	away = inst->run == MHCA_RUN_NONE;
	if (away != !!inst->away_since)
		WRITE_ONCE(inst->away_since, away ? ktime_get_ns() : 0);
	WRITE_ONCE(inst->begins, inst->master && inst->run == MHCA_RUN_ALL);
	WRITE_ONCE(inst->dma, inst->master && !away);
	if (inst->dma)
		mhca_event_flush(inst);
	spin_unlock(&core->eq_lock);
	inst->hca->ops->dma_changed(inst);
	if (inst->dma)
		inst->vmm_ops->kick(inst->vmm);
	if (inst->begins)
		return 0;
	if (mutex_lock_killable(&inst->cmd_lock))
		return -EINTR;
	mutex_unlock(&inst->cmd_lock);
	return 0;
}

/**
 * mhca_instance_set_master() - PCI bus mastering went on or off
 * @inst: instance
 * @on: may the function access guest memory and interrupt?
 *
 * When it comes on, commands that were rung meanwhile are executed, events that waited
 * are sent, and the engine looks for work. Off: all of that has ended on return.
 */
void mhca_instance_set_master(struct mhca_instance *inst, bool on)
{
	mhca_instance_gate(inst, &on, NULL);
}
EXPORT_SYMBOL_GPL(mhca_instance_set_master);

/**
 * mhca_lease_swap() - may an instance take the place of another?
 * @inst: instance, not running
 * @from: the other one
 * @lease: what proves it
 *
 * Who moves a connection's other end knows the lease from the image; nobody else can
 * become an instance that merely stands still. Backend's lock of LIDs, both port locks.
 *
 * Return: true: they have exchanged GUIDs and MAC, also in their policies, which the front
 * end keeps from changing meanwhile; @inst has its port, and @from may not run.
 */
bool mhca_lease_swap(struct mhca_instance *inst, struct mhca_instance *from, const u8 *lease)
{
	struct mhca_core *core = from->core;
	u32 i;

	lockdep_assert_held(&inst->port_lock);
	lockdep_assert_held(&from->port_lock);
	if (!READ_ONCE(core->leased) || READ_ONCE(from->run) != MHCA_RUN_NONE ||
	    from->personality != inst->personality ||
	    READ_ONCE(from->port.segment) != READ_ONCE(inst->port.segment) ||
	    memcmp(core->lease, lease, sizeof(core->lease)))
		return false;
	WRITE_ONCE(core->leased, false);
	core->moved = true;
	swap(inst->id.node_guid, from->id.node_guid);
	swap(inst->id.port_guid, from->id.port_guid);
	for (i = 0; i < sizeof(inst->id.mac); i++)
		swap(inst->id.mac[i], from->id.mac[i]);
	mhca_policy_exchange(inst, from);
	mhca_vport_take(inst, inst->core->taken);
	return true;
}
EXPORT_SYMBOL_GPL(mhca_lease_swap);

const struct mhca_identity *mhca_instance_becomes(const struct mhca_instance *inst)
{
	return inst->core->taken ? &inst->core->taken->id : NULL;
}
EXPORT_SYMBOL_GPL(mhca_instance_becomes);

/* Is it on another host, and nobody's place here has to be taken? */
static bool mhca_instance_is_itself(const struct mhca_instance *inst)
{
	const struct mhca_identity *id = &inst->core->taken->id;

	return id->node_guid == inst->id.node_guid && id->port_guid == inst->id.port_guid &&
	       (inst->personality == MHCA_IB || !memcmp(id->mac, inst->id.mac, sizeof(id->mac)));
}

/* It is about to run again: as whom? */
static int mhca_instance_appear(struct mhca_instance *inst)
{
	struct mhca_taken *taken = inst->core->taken;
	int err;

	if (inst->core->moved)
		return -EADDRINUSE;
	if (!taken)
		return 0;
	mutex_lock(&inst->cmd_lock);
	err = inst->hca->ops->claim(inst, taken->lid, taken->lease, mhca_instance_is_itself(inst));
	if (!err) {
		mutex_lock(&inst->port_lock);
		mhca_vport_take(inst, taken);
		mhca_vport_changed(inst);
		mutex_unlock(&inst->port_lock);
		inst->core->taken = NULL;
		kvfree(taken);
	}
	mutex_unlock(&inst->cmd_lock);
	return err;
}

/**
 * mhca_instance_run() - have an instance run, or stop it
 * @inst: instance
 * @run: what of it is to run
 *
 * Return: see migrate.h.
 */
int mhca_instance_run(struct mhca_instance *inst, enum mhca_run run)
{
	bool loaded = inst->core->taken;
	int err;

	if (run != MHCA_RUN_NONE) {
		err = mhca_instance_appear(inst);
		if (err)
			return err;
	}
	err = mhca_instance_gate(inst, NULL, &run);
	/* What its guest was not told before it moved. */
	if (loaded && run != MHCA_RUN_NONE)
		mhca_eq_tick(inst);
	return err;
}
EXPORT_SYMBOL_GPL(mhca_instance_run);

/* The driver asked for its interface to go down (a fast way to stop all DMA). */
static void mhca_instance_nic_request(struct mhca_instance *inst)
{
	struct mhca_core *core = inst->core;
	u8 request;

	spin_lock(&core->reg_lock);
	request = core->nic_request;
	spin_unlock(&core->reg_lock);
	if (request == MHCA_NIC_FULL)
		return;

	mutex_lock(&inst->cmd_lock);
	mhca_function_clear(inst, MHCA_FN_RESET);
	mutex_unlock(&inst->cmd_lock);

	spin_lock(&core->reg_lock);
	if (core->nic_request == request) {
		core->nic_interface = MHCA_NIC_DISABLED;
		core->nic_request = MHCA_NIC_FULL;
	}
	spin_unlock(&core->reg_lock);
}

/**
 * mhca_prm_work() - do what was queued
 * @inst: instance
 *
 * Process context, never twice at once.
 */
void mhca_prm_work(struct mhca_instance *inst)
{
	if (!READ_ONCE(inst->dma))
		return;
	if (READ_ONCE(inst->begins))
		mhca_instance_nic_request(inst);
	mhca_pa_work(inst);
	if (READ_ONCE(inst->begins))
		mhca_cmdq_run(inst);
}
EXPORT_SYMBOL_GPL(mhca_prm_work);

/**
 * mhca_instance_tick() - about once a second
 * @inst: instance
 */
void mhca_instance_tick(struct mhca_instance *inst)
{
	mhca_eq_tick(inst);
	mhca_pa_forget_failures(inst);
}
EXPORT_SYMBOL_GPL(mhca_instance_tick);
