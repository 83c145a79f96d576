// SPDX-License-Identifier: GPL-2.0-only
/*
 * Event queues: rings of 64-byte entries (EQEs) in guest memory, an interrupt
 * vector each.
 *
 * One spinlock per instance protects all of them, because events come from the
 * engine, the command worker and policy alike; it is also what dma_unmap passes
 * through to know that nobody writes an EQE to pages it has marked dead.
 *
 * How far the guest has read is known from a doorbell register that all EQs of a
 * UAR share, so values get lost: eq->ci is a lower bound. An EQ that seems full
 * may only seem so. Raising its vector again makes the driver ring again.
 */
#include "core.h"

#define MHCA_EQ_INDEX_MASK	0xffffffU
#define MHCA_EQ_NUMBER_FIRST	1
/* An EQ that seems full is raised again after this time. */
#define MHCA_EQ_RAISE_NS	(1 * NSEC_PER_MSEC)

static struct mhca_eq *mhca_eq_of(struct mhca_object *obj)
{
	return (struct mhca_eq *)obj;
}

static void mhca_eq_raise(struct mhca_eq *eq)
{
	struct mhca_instance *inst = eq->obj.inst;

	mhca_count(inst, interrupts);
	inst->vmm_ops->raise(inst->vmm, eq->vector);
}

static u32 mhca_eq_unread(const struct mhca_eq *eq)
{
	return (eq->pi - eq->ci) & MHCA_EQ_INDEX_MASK;
}

static bool mhca_eq_full(struct mhca_eq *eq)
{
	u64 now;

	if (mhca_eq_unread(eq) < 1U << eq->log_size)
		return false;
	now = ktime_get_ns();
	if (now - eq->raised > MHCA_EQ_RAISE_NS) {
		eq->raised = now;
		mhca_eq_raise(eq);
	}
	return true;
}

/*
 * Write an EQE and raise the vector; eq_lock held. The owner byte goes last: it
 * hands the entry to the guest. false: the EQ's memory is gone.
 */
static bool mhca_eq_write(struct mhca_eq *eq, struct mlx5_eqe *eqe)
{
	struct mhca_instance *inst = eq->obj.inst;
	u32 index = eq->pi & ((1U << eq->log_size) - 1);
	struct mlx5_eqe *to;
	u32 run;

	BUILD_BUG_ON(offsetof(struct mlx5_eqe, owner) != sizeof(*eqe) - 1);

	to = mhca_pages_at(eq->obj.buffer, eq->offset + index * (u64)sizeof(*to), &run);
	if (!to || run < sizeof(*to))
		return false;
	mhca_guest_write(inst, to, eqe, offsetof(struct mlx5_eqe, owner));
	smp_wmb(); /* the entry before its owner */
	WRITE_ONCE(to->owner, (eq->pi >> eq->log_size) & 1);
	mhca_guest_dirty(inst, &to->owner, sizeof(to->owner));
	eq->pi++;
	mhca_count(inst, eqes);
	mhca_eq_raise(eq);
	return true;
}

/* ---- Completion and command events ------------------------------------------ */

/**
 * mhca_eq_post_comp() - tell the guest that a CQ has completions
 * @obj: EQ
 * @cqn: CQ
 *
 * Return: false when the EQ seems full, or the function may not write: try again later.
 */
bool mhca_eq_post_comp(struct mhca_object *obj, u32 cqn)
{
	struct mhca_core *core = obj->inst->core;
	struct mhca_eq *eq = mhca_eq_of(obj);
	struct mlx5_eqe eqe = {
		.type = MLX5_EVENT_TYPE_COMP,
		.data.comp.cqn = cpu_to_be32(cqn),
	};
	bool posted = false;

	spin_lock(&core->eq_lock);
	if (READ_ONCE(obj->buffer->dead)) {
		/* Nobody can read it: there is nothing to wait for. */
		mhca_count(obj->inst, events_lost);
		posted = true;
	} else if (obj->inst->dma && !mhca_eq_full(eq)) {
		posted = mhca_eq_write(eq, &eqe);
	}
	spin_unlock(&core->eq_lock);
	return posted;
}
EXPORT_SYMBOL_GPL(mhca_eq_post_comp);

/**
 * mhca_eq_command_subscribed() - does the guest wait for command events?
 * @inst: instance
 *
 * Return: false while it polls.
 */
bool mhca_eq_command_subscribed(struct mhca_instance *inst)
{
	struct mhca_core *core = inst->core;
	bool subscribed;

	spin_lock(&core->eq_lock);
	subscribed = core->subscriber[MLX5_EVENT_TYPE_CMD];
	spin_unlock(&core->eq_lock);
	return subscribed;
}

/**
 * mhca_eq_post_command() - tell the guest that commands are complete
 * @inst: instance
 * @entries: bit mask of command queue entries
 *
 * At most one is outstanding per entry, so the EQ a driver makes for them never
 * fills; one that is too small loses its own events.
 */
void mhca_eq_post_command(struct mhca_instance *inst, u32 entries)
{
	struct mhca_core *core = inst->core;
	struct mlx5_eqe eqe = {
		.type = MLX5_EVENT_TYPE_CMD,
		.data.cmd.vector = cpu_to_be32(entries),
	};
	struct mhca_eq *eq;

	spin_lock(&core->eq_lock);
	eq = core->eq[core->subscriber[MLX5_EVENT_TYPE_CMD]];
	if (eq && (!inst->dma || !mhca_eq_write(eq, &eqe)))
		mhca_count(inst, events_lost);
	spin_unlock(&core->eq_lock);
}

/* ---- Asynchronous events ------------------------------------------------------ */

static void mhca_event_fill(const struct mhca_event *event, struct mlx5_eqe *eqe)
{
	memset(eqe, 0, sizeof(*eqe));
	eqe->type = event->type;
	eqe->sub_type = event->sub_type;
	switch (event->type) {
	case MLX5_EVENT_TYPE_CQ_ERROR:
		eqe->data.cq_err.cqn = cpu_to_be32(event->num);
		eqe->data.cq_err.syndrome = event->detail;
		break;
	case MLX5_EVENT_TYPE_PORT_CHANGE:
		eqe->data.port.port = event->num << 4;
		break;
	default:
		eqe->data.qp_srq.qp_srq_n = cpu_to_be32(event->num);
		eqe->data.qp_srq.type = event->detail;
	}
}

/* eq_lock held; false: its EQ is full, or may not be written: the event has to wait. */
static bool mhca_event_deliver(struct mhca_instance *inst, const struct mhca_event *event)
{
	struct mhca_core *core = inst->core;
	struct mlx5_eqe eqe;
	struct mhca_eq *eq;

	lockdep_assert_held(&core->eq_lock);
	eq = core->eq[core->subscriber[event->type]];
	if (eq) {
		if (!inst->dma || mhca_eq_full(eq))
			return false;
		mhca_event_fill(event, &eqe);
		if (mhca_eq_write(eq, &eqe))
			return true;
	}
	mhca_count(inst, events_lost);
	return true;
}

/**
 * mhca_event_flush() - send events that wait, oldest first
 * @inst: instance; EQ lock held
 */
void mhca_event_flush(struct mhca_instance *inst)
{
	struct mhca_core *core = inst->core;

	lockdep_assert_held(&core->eq_lock);
	while (core->pending_n &&
	       mhca_event_deliver(inst, &core->pending[core->pending_head])) {
		core->pending_head = (core->pending_head + 1) % MHCA_PENDING_EVENTS;
		core->pending_n--;
	}
}

static void mhca_event_post(struct mhca_instance *inst, const struct mhca_event *event)
{
	struct mhca_core *core = inst->core;
	u32 tail;

	if (event->type >= MHCA_EVENT_TYPES)
		return;
	spin_lock(&core->eq_lock);
	mhca_event_flush(inst);
	if (core->pending_n == MHCA_PENDING_EVENTS) {
		mhca_count(inst, events_lost);
	} else if (core->pending_n || !mhca_event_deliver(inst, event)) {
		tail = (core->pending_head + core->pending_n++) % MHCA_PENDING_EVENTS;
		core->pending[tail] = *event;
	}
	spin_unlock(&core->eq_lock);
}

/**
 * mhca_event_qp() - an asynchronous event of a QP
 * @inst: instance
 * @type: enum mlx5_event
 * @qpn: QP
 */
void mhca_event_qp(struct mhca_instance *inst, u8 type, u32 qpn)
{
	mhca_event_post(inst, &(struct mhca_event){ .type = type, .num = qpn });
}
EXPORT_SYMBOL_GPL(mhca_event_qp);

/**
 * mhca_event_srq() - an asynchronous event of an SRQ
 * @inst: instance
 * @type: enum mlx5_event
 * @srqn: SRQ
 */
void mhca_event_srq(struct mhca_instance *inst, u8 type, u32 srqn)
{
	mhca_event_post(inst, &(struct mhca_event){ .type = type, .num = srqn });
}
EXPORT_SYMBOL_GPL(mhca_event_srq);

/**
 * mhca_event_cq_error() - a CQ has failed
 * @inst: instance
 * @cqn: CQ
 * @syndrome: PRM: 1 overrun
 */
void mhca_event_cq_error(struct mhca_instance *inst, u32 cqn, u8 syndrome)
{
	struct mhca_event event = {
		.type = MLX5_EVENT_TYPE_CQ_ERROR,
		.num = cqn,
		.detail = syndrome,
	};

	mhca_event_post(inst, &event);
}
EXPORT_SYMBOL_GPL(mhca_event_cq_error);

/**
 * mhca_event_port() - the port has changed
 * @inst: instance
 * @subtype: MLX5_PORT_CHANGE_SUBTYPE_*
 */
void mhca_event_port(struct mhca_instance *inst, u8 subtype)
{
	struct mhca_event event = {
		.type = MLX5_EVENT_TYPE_PORT_CHANGE,
		.sub_type = subtype,
		.num = 1,
	};

	mhca_event_post(inst, &event);
}
EXPORT_SYMBOL_GPL(mhca_event_port);

/* ---- The guest's side ---------------------------------------------------------- */

/**
 * mhca_eq_doorbell() - the guest has read EQEs
 * @inst: instance
 * @uar: index of the UAR page that it stored to
 * @word: eqn << 24 | consumer index, as stored in the page's EQ register
 *
 * Only the page that the EQ was created with moves its index: others may belong to
 * processes. An index that moves back or beyond what was written is a stale register
 * value.
 */
void mhca_eq_doorbell(struct mhca_instance *inst, u32 uar, u32 word)
{
	struct mhca_core *core = inst->core;
	u32 eqn = word >> 24;
	u32 ci = word & MHCA_EQ_INDEX_MASK;
	struct mhca_eq *eq;

	if (eqn >= MHCA_MAX_EQ)
		return;
	spin_lock(&core->eq_lock);
	eq = core->eq[eqn];
	if (eq && eq->uar == uar &&
	    ((eq->pi - ci) & MHCA_EQ_INDEX_MASK) <= mhca_eq_unread(eq)) {
		eq->ci = ci;
		mhca_event_flush(inst);
	}
	spin_unlock(&core->eq_lock);
}
EXPORT_SYMBOL_GPL(mhca_eq_doorbell);

/**
 * mhca_eq_fence() - on return nobody writes to pages that were marked dead before
 * @inst: instance
 */
void mhca_eq_fence(struct mhca_instance *inst)
{
	spin_lock(&inst->core->eq_lock);
	spin_unlock(&inst->core->eq_lock);
}

/**
 * mhca_eq_tick() - raise the vectors of EQs that have unread entries
 * @inst: instance
 *
 * An interrupt that got lost between guest and VMM costs a second, not a hang.
 */
void mhca_eq_tick(struct mhca_instance *inst)
{
	struct mhca_core *core = inst->core;
	u32 eqn;

	spin_lock(&core->eq_lock);
	mhca_event_flush(inst);
	for (eqn = 0; inst->dma && eqn < MHCA_MAX_EQ; eqn++)
		if (core->eq[eqn] && mhca_eq_unread(core->eq[eqn]))
			mhca_eq_raise(core->eq[eqn]);
	spin_unlock(&core->eq_lock);
}

/**
 * mhca_eq_reset() - forget events that wait
 * @inst: instance without EQs
 */
void mhca_eq_reset(struct mhca_instance *inst)
{
	struct mhca_core *core = inst->core;

	spin_lock(&core->eq_lock);
	core->pending_n = 0;
	core->pending_head = 0;
	spin_unlock(&core->eq_lock);
}

/* ---- Objects --------------------------------------------------------------------- */

static void mhca_eq_subscribe(struct mhca_core *core, struct mhca_eq *eq)
{
	u32 type;

	core->eq[eq->obj.num] = eq;
	for (type = 1; type < MHCA_EVENT_TYPES; type++)
		if (eq->mask >> type & 1)
			core->subscriber[type] = eq->obj.num;
}

static enum mhca_syndrome mhca_eq_create(struct mhca_cmd *cmd)
{
	const void *eqc = MLX5_ADDR_OF(create_eq_in, cmd->in, eq_context_entry);
	struct mhca_eq *eq = mhca_eq_of(cmd->obj);
	struct mhca_core *core = cmd->inst->core;
	enum mhca_syndrome syndrome;

	syndrome = mhca_object_number(&eq->obj, MHCA_EQ_NUMBER_FIRST, MHCA_MAX_EQ - 1);
	if (syndrome)
		return syndrome;
	eq->log_size = MLX5_GET(eqc, eqc, log_eq_size);
	eq->vector = MLX5_GET(eqc, eqc, intr);
	eq->uar = cmd->ref[0]->num;
	eq->offset = (u64)MLX5_GET(eqc, eqc, page_offset) << (eq->obj.buffer->shift - 6);
	eq->mask = MLX5_GET64(create_eq_in, cmd->in, event_bitmask[0]);

	spin_lock(&core->eq_lock);
	mhca_eq_subscribe(core, eq);
	spin_unlock(&core->eq_lock);
	return MHCA_SYN_NONE;
}

static enum mhca_syndrome mhca_eq_query(struct mhca_cmd *cmd)
{
	void *eqc = MLX5_ADDR_OF(query_eq_out, cmd->out, eq_context_entry);
	const struct mhca_eq *eq = mhca_eq_of(cmd->obj);
	struct mhca_core *core = cmd->inst->core;

	MLX5_SET(eqc, eqc, log_eq_size, eq->log_size);
	MLX5_SET(eqc, eqc, uar_page, eq->uar);
	MLX5_SET(eqc, eqc, intr, eq->vector);
	MLX5_SET(eqc, eqc, log_page_size, eq->obj.buffer->shift - MHCA_PAGE_SHIFT);
	MLX5_SET64(query_eq_out, cmd->out, event_bitmask, eq->mask);
	spin_lock(&core->eq_lock);
	MLX5_SET(eqc, eqc, consumer_counter, eq->ci);
	MLX5_SET(eqc, eqc, producer_counter, eq->pi);
	spin_unlock(&core->eq_lock);
	return MHCA_SYN_NONE;
}

static void mhca_eq_destroy(struct mhca_object *obj)
{
	struct mhca_core *core = obj->inst->core;
	u32 type;

	spin_lock(&core->eq_lock);
	core->eq[obj->num] = NULL;
	for (type = 0; type < MHCA_EVENT_TYPES; type++)
		if (core->subscriber[type] == obj->num)
			core->subscriber[type] = 0;
	spin_unlock(&core->eq_lock);
}

static void mhca_eq_save(struct mhca_object *obj, struct mhca_image *image)
{
	const struct mhca_eq *eq = mhca_eq_of(obj);
	u32 size = 1U << eq->log_size;

	mhca_image_put_u32(image, eq->pi);
	/* Of command events, which wait for no room, the lower bound may be an old one. */
	mhca_image_put_u32(image, mhca_eq_unread(eq) > size ?
			   (eq->pi - size) & MHCA_EQ_INDEX_MASK : eq->ci);
}

static enum mhca_syndrome mhca_eq_load(struct mhca_object *obj, struct mhca_reader *in)
{
	struct mhca_core *core = obj->inst->core;
	struct mhca_eq *eq = mhca_eq_of(obj);
	bool fits;

	spin_lock(&core->eq_lock);
	eq->pi = mhca_reader_u32(in);
	eq->ci = mhca_reader_u32(in) & MHCA_EQ_INDEX_MASK;
	fits = mhca_eq_unread(eq) <= 1U << eq->log_size;
	spin_unlock(&core->eq_lock);
	return fits ? MHCA_SYN_NONE : MHCA_SYN_INDEX;
}

/**
 * mhca_eq_may_subscribe() - can an EQ be the one that takes events of a type?
 * @core: core, command lock held
 * @eqn: EQ; 0: nobody takes them
 * @type: event
 */
bool mhca_eq_may_subscribe(const struct mhca_core *core, u32 eqn, u32 type)
{
	if (!eqn)
		return true;
	return eqn < MHCA_MAX_EQ && core->eq[eqn] && core->eq[eqn]->mask >> type & 1;
}

const struct mhca_object_ops mhca_eq_ops = {
	.size = sizeof(struct mhca_eq),
	.create = mhca_eq_create,
	.save = mhca_eq_save,
	.load = mhca_eq_load,
	.query = mhca_eq_query,
	.destroy = mhca_eq_destroy,
};
