// SPDX-License-Identifier: GPL-2.0-only
/*
 * An instance that stands still, as an image (image_format.h).
 *
 * An object is written as the command that a guest would create it with now, and what no
 * such command says as a state of its own. So whoever loads it needs no other checks than
 * those that every guest's command has to pass.
 */
#include <mhca/migrate.h>
#include "command.h"
#include "image_format.h"

/* Estimate of an object without its page list: command, state, two heads. */
#define MHCA_OBJECT_BYTES	768U

/**
 * struct mhca_save - a stream
 * @inst: instance
 * @image: records that were not read yet
 * @stopped: all of it was written
 */
struct mhca_save {
	struct mhca_instance *inst;
	struct mhca_image image;
	bool stopped;
};

/* ---- Records ----------------------------------------------------------------- */

static void mhca_save_header(struct mhca_save *save)
{
	struct mhca_image *image = &save->image;

	mhca_image_begin(image, MHCA_IMAGE_HEADER, 0);
	mhca_image_put_u64(image, MHCA_IMAGE_MAGIC);
	mhca_image_put_u32(image, MHCA_IMAGE_VERSION);
	mhca_image_put_u32(image, save->inst->personality);
	mhca_image_put_u32(image, READ_ONCE(save->inst->port.segment));
	mhca_image_end(image);
}

static void mhca_save_fixed_caps(struct mhca_save *save)
{
	struct mhca_image *image = &save->image;
	void *caps = kvmalloc(MHCA_CAP_SIZE, GFP_KERNEL_ACCOUNT);
	int type;
	u32 i;

	if (!caps)
		image->err = -ENOMEM;
	for (i = 0; caps && (type = mhca_caps_each(save->inst, i, caps)) >= 0; i++) {
		mhca_image_put_u32(image, type);
		mhca_image_put(image, caps, MHCA_CAP_SIZE);
	}
	kvfree(caps);
}

static void mhca_save_caps(struct mhca_save *save)
{
	struct mhca_instance *inst = save->inst;
	struct mhca_image *image = &save->image;
	int kind;

	mhca_image_begin(image, MHCA_IMAGE_CAPS, 0);
	mhca_image_put_u32(image, MHCA_OBJECT_KINDS);
	for (kind = 0; kind < MHCA_OBJECT_KINDS; kind++)
		mhca_image_put_u32(image, mhca_limit(kind, inst->quota.max[kind]).visible);
	mhca_image_put(image, inst->core->general, MHCA_CAP_SIZE);
	mhca_image_put(image, inst->core->atomic, MHCA_CAP_SIZE);
	mhca_save_fixed_caps(save);
	mhca_image_end(image);
}

static void mhca_save_core(struct mhca_save *save)
{
	struct mhca_core *core = save->inst->core;
	struct mhca_image *image = &save->image;
	u32 i;

	mhca_image_begin(image, MHCA_IMAGE_CORE, 0);
	mhca_image_put_u8(image, save->inst->fn);
	mhca_image_put_u16(image, core->issi);
	mhca_image_put_u32(image, core->cap_mask1);
	mhca_image_put_u32(image, core->eth_mtu);
	mhca_image_put(image, core->node_desc, sizeof(core->node_desc));
	mhca_image_put_u32(image, atomic_read(&save->inst->port.qkey_violations));
	spin_lock(&core->reg_lock);
	mhca_image_put_u64(image, core->cmdq_addr);
	mhca_image_put_u8(image, core->cmdq_set);
	mhca_image_put_u8(image, core->nic_interface);
	mhca_image_put_u8(image, core->nic_request);
	mhca_image_put_u32(image, atomic_read(&core->doorbell));
	spin_unlock(&core->reg_lock);
	for (i = 0; i < MHCA_PMA_FIELDS; i++)
		mhca_image_put_u64(image, core->pma_base[i]);
	for (i = 0; i < MHCA_OBJECT_KINDS; i++)
		mhca_image_put_u32(image, save->inst->next_number[i]);
	mhca_image_end(image);
}

/* Before the state of who uses them: who is created later may use who was before. */
static int mhca_save_object(struct mhca_save *save, struct mhca_object *obj)
{
	const struct mhca_object_ops *ops = mhca_object_ops(obj->inst, obj->kind);
	const struct mhca_pages *pages = obj->buffer;
	struct mhca_image *image = &save->image;
	__be64 page;
	u32 i;

	if ((pages && READ_ONCE(pages->dead)) || (obj->record && READ_ONCE(obj->record->dead))) {
		mhca_warn(obj->inst, "%s 0x%x cannot be saved: its memory was unmapped\n",
			  mhca_object_name(obj->kind), obj->num);
		return -EOPNOTSUPP;
	}
	if (ops->update)
		ops->update(obj);
	mhca_image_begin(image, MHCA_IMAGE_OBJECT, 0);
	mhca_image_put_u64(image, obj->num);
	mhca_image_put(image, obj->created, obj->created_len);
	for (i = 0; pages && i < pages->entries; i++) {
		page = cpu_to_be64(pages->iova[i]);
		mhca_image_put(image, &page, sizeof(page));
	}
	mhca_image_end(image);
	return 0;
}

static int mhca_save_state(struct mhca_save *save, struct mhca_object *obj)
{
	const struct mhca_object_ops *ops = mhca_object_ops(obj->inst, obj->kind);
	struct mhca_image *image = &save->image;

	if (!ops->save)
		return 0;
	mhca_image_begin(image, MHCA_IMAGE_STATE, 0);
	mhca_image_put_u32(image, obj->kind);
	mhca_image_put_u32(image, obj->num);
	ops->save(obj, image);
	mhca_image_end(image);
	return 0;
}

/* All objects, what they use before who uses it. */
static int mhca_save_each(struct mhca_save *save,
			  int (*one)(struct mhca_save *save, struct mhca_object *obj))
{
	struct mhca_object *obj;
	unsigned long num;
	int kind, err;

	for (kind = MHCA_OBJECT_KINDS - 1; kind >= 0; kind--) {
		xa_for_each(&save->inst->objects[kind], num, obj) {
			err = one(save, obj);
			if (err)
				return err;
			cond_resched();
		}
	}
	return 0;
}

static void mhca_save_events(struct mhca_save *save)
{
	struct mhca_core *core = save->inst->core;
	struct mhca_image *image = &save->image;
	u32 i;

	mhca_image_begin(image, MHCA_IMAGE_EVENTS, 0);
	mhca_image_put(image, core->subscriber, sizeof(core->subscriber));
	mhca_image_put_u32(image, core->pending_n);
	for (i = 0; i < core->pending_n; i++) {
		const struct mhca_event *event =
			&core->pending[(core->pending_head + i) % MHCA_PENDING_EVENTS];

		mhca_image_put_u8(image, event->type);
		mhca_image_put_u8(image, event->sub_type);
		mhca_image_put_u8(image, event->detail);
		mhca_image_put_u32(image, event->num);
	}
	mhca_image_end(image);
}

static void mhca_save_counters(struct mhca_save *save)
{
	struct mhca_counters *counters = &save->inst->counters;
	struct mhca_image *image = &save->image;

	mhca_image_begin(image, MHCA_IMAGE_COUNTERS, MHCA_IMAGE_OPTIONAL);
#define MHCA_COUNTER_PUT(name) mhca_image_put_u64(image, atomic64_read(&counters->name));
	MHCA_COUNTERS(MHCA_COUNTER_PUT)
#undef MHCA_COUNTER_PUT
	mhca_image_end(image);
}

/*
 * A new lease with each image: an older one is worth nothing any more. An instance that was
 * loaded and never ran passes on what it has to take over.
 */
static void mhca_save_identity(struct mhca_save *save)
{
	struct mhca_instance *inst = save->inst;
	const struct mhca_taken *taken = inst->core->taken;
	const struct mhca_identity *id = taken ? &taken->id : &inst->id;
	struct mhca_image *image = &save->image;

	if (!taken) {
		get_random_bytes(inst->core->lease, sizeof(inst->core->lease));
		inst->core->leased = true;
	}
	mhca_image_begin(image, MHCA_IMAGE_IDENTITY, 0);
	mhca_image_put_u16(image, taken ? taken->lid : inst->port.lid);
	mhca_image_put_u64(image, id->node_guid);
	mhca_image_put_u64(image, id->port_guid);
	mhca_image_put(image, id->mac, sizeof(id->mac));
	mhca_image_put(image, taken ? taken->lease : inst->core->lease, MHCA_LEASE_BYTES);
	mhca_image_end(image);
}

static void mhca_save_vport(struct mhca_save *save)
{
	if (save->inst->personality != MHCA_ROCE)
		return;
	mhca_image_begin(&save->image, MHCA_IMAGE_VPORT, 0);
	mhca_vport_save(save->inst, &save->image);
	mhca_image_end(&save->image);
}

/* ---- The stream -------------------------------------------------------------- */

/* Is there anything that has no place in an image? */
static int mhca_save_check(struct mhca_instance *inst)
{
	const struct mhca_object_ops *ops;
	int kind;

	for (kind = 0; kind < MHCA_OBJECT_KINDS; kind++) {
		ops = inst->object_count[kind] ? mhca_object_ops(inst, kind) : NULL;
		if (!ops || mhca_object_has_codec(ops))
			continue;
		mhca_warn(inst, "cannot be saved: it has objects of the kind %s\n",
			  mhca_object_name(kind));
		return -EOPNOTSUPP;
	}
	return inst->hca->ops->claim ? 0 : -EOPNOTSUPP;
}

/**
 * mhca_save_begin() - begin an image
 * @inst: instance, in any state
 *
 * Return: stream, or an ERR_PTR().
 */
struct mhca_save *mhca_save_begin(struct mhca_instance *inst)
{
	struct mhca_save *save = kzalloc(sizeof(*save), GFP_KERNEL_ACCOUNT);
	int err;

	if (!save)
		return ERR_PTR(-ENOMEM);
	save->inst = inst;
	mhca_image_init(&save->image);
	mutex_lock(&inst->cmd_lock);
	mhca_save_header(save);
	mhca_save_caps(save);
	mutex_unlock(&inst->cmd_lock);
	err = save->image.err;
	if (!err)
		return save;
	mhca_save_end(save);
	return ERR_PTR(err);
}
EXPORT_SYMBOL_GPL(mhca_save_begin);

/**
 * mhca_save_stop() - write the rest
 * @save: stream of an instance at MHCA_RUN_NONE
 *
 * Return: 0 or -errno, see migrate.h.
 */
int mhca_save_stop(struct mhca_save *save)
{
	struct mhca_instance *inst = save->inst;
	int err;

	if (inst->run != MHCA_RUN_NONE || save->stopped)
		return -EBUSY;
	mutex_lock(&inst->cmd_lock);
	err = mhca_save_check(inst);
	if (!err) {
		mhca_save_caps(save);
		mhca_save_core(save);
		err = mhca_save_each(save, mhca_save_object);
	}
	if (!err)
		err = mhca_save_each(save, mhca_save_state);
	if (!err) {
		mhca_save_events(save);
		mhca_save_counters(save);
		mhca_save_identity(save);
		mhca_save_vport(save);
		mhca_image_begin(&save->image, MHCA_IMAGE_END, 0);
		mhca_image_end(&save->image);
		err = save->image.err;
	}
	mutex_unlock(&inst->cmd_lock);
	if (err)
		mhca_image_free(&save->image);
	else
		save->stopped = true;
	return err;
}
EXPORT_SYMBOL_GPL(mhca_save_stop);

/**
 * mhca_save_read() - the next bytes
 * @save: stream
 * @buf: out
 * @len: how many at most
 *
 * Return: how many; 0: that was all; -ENOMSG: mhca_save_stop() first.
 */
ssize_t mhca_save_read(struct mhca_save *save, void *buf, size_t len)
{
	if (!save->image.bytes && !save->stopped)
		return -ENOMSG;
	return mhca_image_take(&save->image, buf, len);
}
EXPORT_SYMBOL_GPL(mhca_save_read);

/**
 * mhca_save_sizes() - what is still to be read
 * @save: stream
 * @initial: out: of the early part
 * @dirty: out: 0
 * @stop: out: of the rest
 */
void mhca_save_sizes(struct mhca_save *save, u64 *initial, u64 *dirty, u64 *stop)
{
	*initial = save->stopped ? 0 : save->image.bytes;
	*dirty = 0;
	*stop = save->stopped ? save->image.bytes : mhca_save_estimate(save->inst);
}
EXPORT_SYMBOL_GPL(mhca_save_sizes);

/**
 * mhca_save_estimate() - size of an image
 * @inst: instance
 *
 * Counts that change at this moment make it a little old. Return: bytes.
 */
u64 mhca_save_estimate(struct mhca_instance *inst)
{
	u64 bytes = 6 * MHCA_CAP_SIZE + sizeof(struct mhca_counters) + sizeof(struct mhca_vport);
	int kind;

	for (kind = 0; kind < MHCA_OBJECT_KINDS; kind++)
		bytes += (u64)READ_ONCE(inst->object_count[kind]) * MHCA_OBJECT_BYTES;
	return bytes + atomic64_read(&inst->gmem.pinned) * sizeof(__be64);
}
EXPORT_SYMBOL_GPL(mhca_save_estimate);

/**
 * mhca_save_end() - free a stream
 * @save: stream
 */
void mhca_save_end(struct mhca_save *save)
{
	mhca_image_free(&save->image);
	kfree(save);
}
EXPORT_SYMBOL_GPL(mhca_save_end);
