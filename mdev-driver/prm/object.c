// SPDX-License-Identifier: GPL-2.0-only
/*
 * Objects: numbers, references, and the order in which they go.
 *
 * Tables are written under the command lock and read without it by the engine,
 * which is why a backend's destroy() waits for the engine before memory is freed.
 */
#include "core.h"

/* Objects of a kind that go together, so that they share a fence. */
#define MHCA_REAP_BATCH		64

static const char * const mhca_object_names[MHCA_OBJECT_KINDS] = {
	[MHCA_FLOW_GROUP] = "flow group",
	[MHCA_FLOW_TABLE] = "flow table",
	[MHCA_FLOW_COUNTER] = "flow counter",
	[MHCA_TIR] = "TIR",
	[MHCA_RQT] = "RQT",
	[MHCA_RQ] = "RQ",
	[MHCA_SQ] = "SQ",
	[MHCA_TIS] = "TIS",
	[MHCA_QP] = "QP",
	[MHCA_SRQ] = "SRQ",
	[MHCA_MKEY] = "MKEY",
	[MHCA_CQ] = "CQ",
	[MHCA_EQ] = "EQ",
	[MHCA_QCOUNTER] = "Q counter",
	[MHCA_XRCD] = "XRCD",
	[MHCA_TD] = "transport domain",
	[MHCA_PD] = "PD",
	[MHCA_UAR] = "UAR",
};

/**
 * mhca_object_name() - name of a kind of object
 * @kind: kind
 *
 * Return: for messages.
 */
const char *mhca_object_name(enum mhca_object_kind kind)
{
	return kind < MHCA_OBJECT_KINDS ? mhca_object_names[kind] : "object";
}
EXPORT_SYMBOL_GPL(mhca_object_name);

/* ---- Kinds that are nothing but a number -------------------------------- */

static enum mhca_syndrome mhca_plain_create(struct mhca_cmd *cmd)
{
	return mhca_object_number(cmd->obj, 1, MHCA_NUMBER_MAX);
}

static enum mhca_syndrome mhca_qcounter_create(struct mhca_cmd *cmd)
{
	return mhca_object_number(cmd->obj, 1, U8_MAX);
}

static enum mhca_syndrome mhca_uar_create(struct mhca_cmd *cmd)
{
	return mhca_object_number(cmd->obj, MHCA_UAR_FIRST, MHCA_UAR_END - 1);
}

static void mhca_uar_destroy(struct mhca_object *obj)
{
	obj->inst->vmm_ops->zap(obj->inst->vmm, obj->num);
}

static void mhca_qcounter_save(struct mhca_object *obj, struct mhca_image *image)
{
	struct mhca_qcounter *q = (struct mhca_qcounter *)obj;

#define MHCA_Q_COUNTER_PUT(name) mhca_image_put_u64(image, atomic64_read(&q->name));
	MHCA_Q_COUNTERS(MHCA_Q_COUNTER_PUT)
#undef MHCA_Q_COUNTER_PUT
}

static enum mhca_syndrome mhca_qcounter_load(struct mhca_object *obj, struct mhca_reader *in)
{
	struct mhca_qcounter *q = (struct mhca_qcounter *)obj;

#define MHCA_Q_COUNTER_GET(name) atomic64_set(&q->name, mhca_reader_u64(in));
	MHCA_Q_COUNTERS(MHCA_Q_COUNTER_GET)
#undef MHCA_Q_COUNTER_GET
	return MHCA_SYN_NONE;
}

static const struct mhca_object_ops mhca_plain_ops = {
	.size = sizeof(struct mhca_object),
	.create = mhca_plain_create,
	.stateless = true,
};

/* The engine finds it by its number. */
static const struct mhca_object_ops mhca_qcounter_ops = {
	.size = sizeof(struct mhca_qcounter),
	.create = mhca_qcounter_create,
	.save = mhca_qcounter_save,
	.load = mhca_qcounter_load,
	.fenced = true,
};

static const struct mhca_object_ops mhca_uar_ops = {
	.size = sizeof(struct mhca_object),
	.create = mhca_uar_create,
	.stateless = true,
	.destroy = mhca_uar_destroy,
};

/* What the core does itself when the backend has no operations of its own. */
static const struct mhca_object_ops * const mhca_core_objects[MHCA_OBJECT_KINDS] = {
	[MHCA_QCOUNTER] = &mhca_qcounter_ops,
	[MHCA_XRCD] = &mhca_plain_ops,
	[MHCA_TD] = &mhca_plain_ops,
	[MHCA_PD] = &mhca_plain_ops,
	[MHCA_UAR] = &mhca_uar_ops,
};

/**
 * mhca_object_ops() - who handles a kind of object
 * @inst: instance
 * @kind: kind
 *
 * Return: operations, or NULL when nobody does.
 */
const struct mhca_object_ops *mhca_object_ops(const struct mhca_instance *inst,
					      enum mhca_object_kind kind)
{
	if (kind == MHCA_EQ)
		return &mhca_eq_ops;
	return inst->hca->ops->object[kind] ?: mhca_core_objects[kind];
}

/* ---- Numbers -------------------------------------------------------------- */

/**
 * mhca_object_number() - reserve a free number for an object under creation
 * @obj: object; its num is set
 * @min: least number
 * @max: greatest number
 *
 * Cyclic: a number freed just before is the last to come again. An object that comes from
 * an image has its number already. Under the command lock.
 *
 * Return: MHCA_SYN_NONE, QUOTA, NO_MEMORY, or INDEX for a number that cannot be.
 */
enum mhca_syndrome mhca_object_number(struct mhca_object *obj, u32 min, u32 max)
{
	struct mhca_instance *inst = obj->inst;
	u32 num;
	int err;

	lockdep_assert_held(&inst->cmd_lock);

	if (obj->num) {
		if (obj->num < min || obj->num > max)
			return MHCA_SYN_INDEX;
		err = xa_insert(&inst->objects[obj->kind], obj->num, NULL, GFP_KERNEL_ACCOUNT);
		return err == -EBUSY ? MHCA_SYN_INDEX : mhca_syndrome_from_errno(err);
	}
	err = xa_alloc_cyclic(&inst->objects[obj->kind], &num, NULL, XA_LIMIT(min, max),
			      &inst->next_number[obj->kind], GFP_KERNEL_ACCOUNT);
	if (err < 0)
		return mhca_syndrome_from_errno(err);
	obj->num = num;
	return MHCA_SYN_NONE;
}
EXPORT_SYMBOL_GPL(mhca_object_number);

/**
 * mhca_object_find() - an object by its number
 * @inst: instance
 * @kind: kind
 * @num: number
 *
 * Under the command lock, or inside the engine's SRCU section.
 * Return: the object, or NULL when this instance has none of that number.
 */
struct mhca_object *mhca_object_find(struct mhca_instance *inst,
				     enum mhca_object_kind kind, u32 num)
{
	return xa_load(&inst->objects[kind], num);
}
EXPORT_SYMBOL_GPL(mhca_object_find);

/* ---- References ----------------------------------------------------------- */

/**
 * mhca_object_ref() - let an object reference another one
 * @obj: object
 * @to: what it uses from now on; cannot be destroyed meanwhile
 *
 * Return: MHCA_SYN_NONE, or why not.
 */
enum mhca_syndrome mhca_object_ref(struct mhca_object *obj, struct mhca_object *to)
{
	lockdep_assert_held(&obj->inst->cmd_lock);

	if (to->inst != obj->inst)
		return MHCA_SYN_NO_OBJECT;
	if (obj->n_refs == MHCA_OBJECT_REFS)
		return MHCA_SYN_OBJECT_BUSY;
	obj->refs[obj->n_refs++] = to;
	to->users++;
	return MHCA_SYN_NONE;
}
EXPORT_SYMBOL_GPL(mhca_object_ref);

/**
 * mhca_object_unref() - end of a reference
 * @obj: object
 * @to: what it does not use any more
 */
void mhca_object_unref(struct mhca_object *obj, struct mhca_object *to)
{
	u8 i;

	lockdep_assert_held(&obj->inst->cmd_lock);

	for (i = 0; i < obj->n_refs; i++) {
		if (obj->refs[i] != to)
			continue;
		obj->refs[i] = obj->refs[--obj->n_refs];
		obj->refs[obj->n_refs] = NULL;
		to->users--;
		return;
	}
}
EXPORT_SYMBOL_GPL(mhca_object_unref);

/**
 * mhca_object_hold() - one user more
 * @obj: object; cannot be destroyed until the user drops it
 */
void mhca_object_hold(struct mhca_object *obj)
{
	lockdep_assert_held(&obj->inst->cmd_lock);
	obj->users++;
}
EXPORT_SYMBOL_GPL(mhca_object_hold);

/**
 * mhca_object_drop() - one user less
 * @obj: object that was held
 */
void mhca_object_drop(struct mhca_object *obj)
{
	lockdep_assert_held(&obj->inst->cmd_lock);
	obj->users--;
}
EXPORT_SYMBOL_GPL(mhca_object_drop);

/* ---- Life ----------------------------------------------------------------- */

/**
 * mhca_object_alloc() - a zeroed object of a kind
 * @inst: owner
 * @kind: kind, for which there are operations
 *
 * Return: the object, or NULL without memory.
 */
struct mhca_object *mhca_object_alloc(struct mhca_instance *inst, enum mhca_object_kind kind)
{
	const struct mhca_object_ops *ops = mhca_object_ops(inst, kind);
	struct mhca_object *obj;

	obj = kvzalloc(max(ops->size, sizeof(*obj)), GFP_KERNEL_ACCOUNT);
	if (!obj)
		return NULL;
	obj->inst = inst;
	obj->kind = kind;
	return obj;
}

/**
 * mhca_object_publish() - make a created object findable
 * @obj: object with its number
 *
 * Return: MHCA_SYN_NONE, or NO_MEMORY: then the backend has destroyed it.
 */
enum mhca_syndrome mhca_object_publish(struct mhca_object *obj)
{
	struct mhca_instance *inst = obj->inst;
	const struct mhca_object_ops *ops = mhca_object_ops(inst, obj->kind);

	lockdep_assert_held(&inst->cmd_lock);

	if (xa_is_err(xa_store(&inst->objects[obj->kind], obj->num, obj, GFP_KERNEL))) {
		if (ops->fenced)
			inst->hca->ops->fence(inst->hca);
		if (ops->destroy)
			ops->destroy(obj);
		return MHCA_SYN_NO_MEMORY;
	}
	inst->object_count[obj->kind]++;
	return MHCA_SYN_NONE;
}

/**
 * mhca_object_free() - free an object that nobody can find
 * @obj: object; its references, its memory and a reserved number go too
 */
void mhca_object_free(struct mhca_object *obj)
{
	struct mhca_instance *inst = obj->inst;

	xa_release(&inst->objects[obj->kind], obj->num);
	while (obj->n_refs)
		mhca_object_unref(obj, obj->refs[obj->n_refs - 1]);
	mhca_pages_put(obj->buffer);
	mhca_pages_put(obj->record);
	kvfree(obj->created);
	kvfree(obj);
}

/* Nobody finds them any more: destroy what was found before, and free. */
static void mhca_object_reap(struct mhca_object **objs, u32 n)
{
	struct mhca_instance *inst = objs[0]->inst;
	const struct mhca_object_ops *ops = mhca_object_ops(inst, objs[0]->kind);
	u32 i;

	if (ops->fenced)
		inst->hca->ops->fence(inst->hca);
	for (i = 0; i < n; i++) {
		if (ops->destroy)
			ops->destroy(objs[i]);
		mhca_object_free(objs[i]);
	}
}

static void mhca_object_hide(struct mhca_object *obj)
{
	struct mhca_instance *inst = obj->inst;

	lockdep_assert_held(&inst->cmd_lock);
	xa_erase(&inst->objects[obj->kind], obj->num);
	inst->object_count[obj->kind]--;
}

/**
 * mhca_object_remove() - destroy an object
 * @obj: published object without users
 */
void mhca_object_remove(struct mhca_object *obj)
{
	mhca_object_hide(obj);
	mhca_object_reap(&obj, 1);
}

static void mhca_object_remove_kind(struct mhca_instance *inst, enum mhca_object_kind kind)
{
	struct mhca_object *objs[MHCA_REAP_BATCH], *obj;
	unsigned long num;
	u32 n = 0;

	xa_for_each(&inst->objects[kind], num, obj) {
		mhca_object_hide(obj);
		objs[n++] = obj;
		if (n < MHCA_REAP_BATCH)
			continue;
		mhca_object_reap(objs, n);
		n = 0;
		cond_resched();
	}
	if (n)
		mhca_object_reap(objs, n);
}

/**
 * mhca_object_remove_all() - destroy whatever the guest has left
 * @inst: instance
 *
 * Kind by kind, users before what they use.
 */
void mhca_object_remove_all(struct mhca_instance *inst)
{
	int kind;

	lockdep_assert_held(&inst->cmd_lock);

	for (kind = 0; kind < MHCA_OBJECT_KINDS; kind++)
		mhca_object_remove_kind(inst, kind);
}
