// SPDX-License-Identifier: GPL-2.0-only
/*
 * An image becomes an instance. It comes from another host, or from anybody who says so:
 * no length, number or reference in it is trusted. Objects are made by the commands of
 * the command table, with all the checks that a guest's have; what goes beyond that is
 * checked by who has the state.
 *
 * Guest memory is pinned here, and neither read nor written: it may still be on its way.
 */
#include <mhca/migrate.h>
#include "command.h"
#include "image_format.h"

#define MHCA_BODY_FIRST		4096U	/* a record's memory grows with what arrives of it */
#define MHCA_STATE_MAX		(4U << 20)
#define MHCA_WHY_BYTES		160

/**
 * struct mhca_load - a stream
 * @inst: instance
 * @head: of the current record
 * @have: bytes of it
 * @tag: its tag, @length: bytes of its body
 * @length: see @tag
 * @skip: nobody wants the body
 * @body: what arrived of it, @size: allocated
 * @size: see @body
 * @got: bytes of the body that arrived
 * @seen: BIT() of each enum mhca_image_tag that there was
 * @err: it has failed
 * @why: why
 */
struct mhca_load {
	struct mhca_instance *inst;
	struct mhca_record head;
	u32 have;
	u16 tag;
	u32 length;
	bool skip;
	u8 *body;
	u32 size;
	u32 got;
	u32 seen;
	int err;
	char why[MHCA_WHY_BYTES];
};

__printf(3, 4)
static int mhca_load_fail(struct mhca_load *load, int err, const char *fmt, ...)
{
	va_list args;

	if (load->err)
		return load->err;
	va_start(args, fmt);
	vsnprintf(load->why, sizeof(load->why), fmt, args);
	va_end(args);
	load->err = err;
	return err;
}

static int mhca_load_syndrome(struct mhca_load *load, enum mhca_syndrome syndrome,
			      enum mhca_object_kind kind, u32 num)
{
	if (!syndrome)
		return 0;
	return mhca_load_fail(load, syndrome == MHCA_SYN_NO_MEMORY ? -ENOMEM : -EINVAL,
			      "%s 0x%x: %s", mhca_object_name(kind), num,
			      mhca_syndrome_text(syndrome));
}

/* ---- Records ------------------------------------------------------------------- */

static int mhca_load_header(struct mhca_load *load, struct mhca_reader *in)
{
	u64 magic = mhca_reader_u64(in);
	u32 version = mhca_reader_u32(in), personality = mhca_reader_u32(in);
	u32 segment = mhca_reader_u32(in);

	if (magic != MHCA_IMAGE_MAGIC)
		return mhca_load_fail(load, -EINVAL, "not an image of an instance");
	if (version != MHCA_IMAGE_VERSION)
		return mhca_load_fail(load, -EOPNOTSUPP, "version %u, and only %u is known",
				      version, MHCA_IMAGE_VERSION);
	if (personality != load->inst->personality)
		return mhca_load_fail(load, -EINVAL, "the port is of another type");
	if (segment != READ_ONCE(load->inst->port.segment))
		return mhca_load_fail(load, -EINVAL, "segment %u, and not %u", segment,
				      READ_ONCE(load->inst->port.segment));
	return 0;
}

static int mhca_load_fixed_caps(struct mhca_load *load, struct mhca_reader *in)
{
	void *ours = kvmalloc(MHCA_CAP_SIZE, GFP_KERNEL_ACCOUNT);
	const void *its;
	int type, err = 0;
	u32 i;

	if (!ours)
		return mhca_load_fail(load, -ENOMEM, "no memory");
	for (i = 0; !err && (type = mhca_caps_each(load->inst, i, ours)) >= 0; i++) {
		u32 its_type = mhca_reader_u32(in);

		its = mhca_reader_take(in, MHCA_CAP_SIZE);
		if (its && (its_type != type || memcmp(its, ours, MHCA_CAP_SIZE)))
			err = mhca_load_fail(load, -EINVAL, "its port's capabilities are not ours");
	}
	kvfree(ours);
	return err;
}

/* What the guest read once has to stay true. */
static int mhca_load_caps(struct mhca_load *load, struct mhca_reader *in)
{
	struct mhca_instance *inst = load->inst;
	const void *general, *atomic;
	enum mhca_syndrome syndrome;
	u32 kind, there, here;

	if (mhca_reader_u32(in) != MHCA_OBJECT_KINDS)
		return mhca_load_fail(load, -EOPNOTSUPP, "other kinds of objects");
	for (kind = 0; kind < MHCA_OBJECT_KINDS; kind++) {
		there = mhca_reader_u32(in);
		here = mhca_limit(kind, inst->quota.max[kind]).visible;
		if (!in->bad && here < there)
			return mhca_load_fail(load, -EINVAL, "limit of %ss is %u, and it had %u",
					      mhca_object_name(kind), here, there);
	}
	general = mhca_reader_take(in, MHCA_CAP_SIZE);
	atomic = mhca_reader_take(in, MHCA_CAP_SIZE);
	if (in->bad)
		return 0;
	mhca_caps_reset(inst);
	syndrome = mhca_caps_set(inst, MLX5_CAP_GENERAL, general);
	if (!syndrome)
		syndrome = mhca_caps_set(inst, MLX5_CAP_ATOMIC, atomic);
	if (syndrome == MHCA_SYN_NO_MEMORY)
		return mhca_load_fail(load, -ENOMEM, "no memory");
	if (syndrome)
		return mhca_load_fail(load, -EINVAL, "its capabilities are not ours");
	return mhca_load_fixed_caps(load, in);
}

static void mhca_load_cmdq(struct mhca_core *core, struct mhca_reader *in)
{
	spin_lock(&core->reg_lock);
	core->cmdq_addr = mhca_reader_u64(in) & ~(u64)(MHCA_PAGE_SIZE - 1);
	core->cmdq_set = mhca_reader_u8(in);
	core->nic_interface = mhca_reader_u8(in);
	core->nic_request = mhca_reader_u8(in);
	atomic_set(&core->doorbell, mhca_reader_u32(in));
	spin_unlock(&core->reg_lock);
}

static bool mhca_nic_state_ok(u8 state)
{
	return state == MHCA_NIC_FULL || state == MHCA_NIC_DISABLED || state == MHCA_NIC_SW_RESET;
}

static int mhca_load_core(struct mhca_load *load, struct mhca_reader *in)
{
	struct mhca_instance *inst = load->inst;
	struct mhca_core *core = inst->core;
	u8 fn = mhca_reader_u8(in);
	u32 i;

	core->issi = mhca_reader_u16(in);
	core->cap_mask1 = mhca_reader_u32(in);
	core->eth_mtu = mhca_reader_u32(in);
	mhca_reader_get(in, core->node_desc, sizeof(core->node_desc));
	atomic_set(&inst->port.qkey_violations, mhca_reader_u32(in));
	mhca_load_cmdq(core, in);
	for (i = 0; i < MHCA_PMA_FIELDS; i++)
		core->pma_base[i] = mhca_reader_u64(in);
	for (i = 0; i < MHCA_OBJECT_KINDS; i++)
		inst->next_number[i] = min_t(u32, mhca_reader_u32(in), MHCA_NUMBER_MAX);
	if (fn > MHCA_FN_INITIALISED || core->issi > MHCA_ISSI_MAX ||
	    core->cap_mask1 & ~(u32)MHCA_CAP_MASK1 ||
	    core->eth_mtu > MHCA_MTU_MAX + MHCA_FRAME_OVERHEAD ||
	    !mhca_nic_state_ok(core->nic_interface) || !mhca_nic_state_ok(core->nic_request))
		return mhca_load_fail(load, -EINVAL, "state of the function is none");
	inst->fn = fn;
	return 0;
}

/* A command as a guest's, but for the number, and that nobody gets its output. */
static int mhca_load_object(struct mhca_load *load, struct mhca_reader *in)
{
	struct mhca_instance *inst = load->inst;
	u64 num = mhca_reader_u64(in);
	u8 out[MLX5_ST_SZ_BYTES(create_qp_out)] __aligned(8) = {};
	struct mhca_cmd cmd = {
		.inst = inst, .in = in->at, .inlen = in->left, .out = out, .outlen = sizeof(out),
		.load_number = num,
	};
	enum mhca_syndrome syndrome;

	if (in->bad || in->left < MLX5_ST_SZ_BYTES(cmd_in) || !num || num > MHCA_NUMBER_MAX)
		return mhca_load_fail(load, -EINVAL, "object without a command");
	syndrome = mhca_command_admit(&cmd);
	if (!syndrome && (cmd.row->action != MHCA_ACT_CREATE ||
			  cmd.row->out_min > sizeof(out)))
		syndrome = MHCA_SYN_UNKNOWN_OPCODE;
	if (!syndrome)
		syndrome = mhca_command_execute(&cmd);
	mhca_reader_take(in, in->left);
	return mhca_load_syndrome(load, syndrome, cmd.row ? cmd.row->kind : MHCA_NO_OBJECT, num);
}

static int mhca_load_state(struct mhca_load *load, struct mhca_reader *in)
{
	u32 kind = mhca_reader_u32(in), num = mhca_reader_u32(in);
	enum mhca_syndrome syndrome = MHCA_SYN_NO_OBJECT;
	const struct mhca_object_ops *ops;
	struct mhca_object *obj;

	obj = kind < MHCA_OBJECT_KINDS ? mhca_object_find(load->inst, kind, num) : NULL;
	ops = obj ? mhca_object_ops(load->inst, kind) : NULL;
	if (ops && ops->load)
		syndrome = ops->load(obj, in);
	return in->bad ? 0 : mhca_load_syndrome(load, syndrome, min_t(u32, kind, MHCA_NO_OBJECT),
						num);
}

static int mhca_load_events(struct mhca_load *load, struct mhca_reader *in)
{
	struct mhca_core *core = load->inst->core;
	u8 subscriber[MHCA_EVENT_TYPES];
	struct mhca_event *event;
	u32 i, n;

	mhca_reader_get(in, subscriber, sizeof(subscriber));
	n = mhca_reader_u32(in);
	if (n > MHCA_PENDING_EVENTS)
		return mhca_load_fail(load, -EINVAL, "%u events wait", n);
	for (i = 0; i < MHCA_EVENT_TYPES; i++)
		if (!mhca_eq_may_subscribe(core, subscriber[i], i))
			return mhca_load_fail(load, -EINVAL, "event 0x%x has no EQ", i);
	memcpy(core->subscriber, subscriber, sizeof(subscriber));
	for (i = 0; i < n; i++) {
		event = &core->pending[i];
		event->type = mhca_reader_u8(in);
		event->sub_type = mhca_reader_u8(in);
		event->detail = mhca_reader_u8(in);
		event->num = mhca_reader_u32(in);
		if (event->type >= MHCA_EVENT_TYPES)
			return mhca_load_fail(load, -EINVAL, "event 0x%x is none", event->type);
	}
	core->pending_head = 0;
	core->pending_n = n;
	return 0;
}

/* Another version may count other things. */
static int mhca_load_counters(struct mhca_load *load, struct mhca_reader *in)
{
	struct mhca_counters *counters = &load->inst->counters;

	if (in->left != sizeof(*counters)) {
		mhca_reader_take(in, in->left);
		return 0;
	}
#define MHCA_COUNTER_GET(name) atomic64_set(&counters->name, mhca_reader_u64(in));
	MHCA_COUNTERS(MHCA_COUNTER_GET)
#undef MHCA_COUNTER_GET
	return 0;
}

static int mhca_load_identity(struct mhca_load *load, struct mhca_reader *in)
{
	struct mhca_taken *taken;

	taken = kvzalloc(sizeof(*taken), GFP_KERNEL_ACCOUNT);
	if (!taken)
		return mhca_load_fail(load, -ENOMEM, "no memory");
	taken->lid = mhca_reader_u16(in);
	taken->id = load->inst->id;
	taken->id.node_guid = mhca_reader_u64(in);
	taken->id.port_guid = mhca_reader_u64(in);
	mhca_reader_get(in, taken->id.mac, sizeof(taken->id.mac));
	mhca_reader_get(in, taken->lease, sizeof(taken->lease));
	load->inst->core->taken = taken;
	if (taken->lid < MHCA_LID_FIRST || taken->lid > MHCA_LID_LAST || !taken->id.node_guid ||
	    !taken->id.port_guid)
		return mhca_load_fail(load, -EINVAL, "its identity is none");
	return 0;
}

#define SEEN(name)	BIT(MHCA_IMAGE_##name)

static int mhca_load_vport(struct mhca_load *load, struct mhca_reader *in)
{
	if (load->inst->personality != MHCA_ROCE)
		return mhca_load_fail(load, -EINVAL, "it has no Ethernet port");
	if (!mhca_vport_load(load->inst->core->taken, in))
		return mhca_load_fail(load, -EINVAL, "its port cannot be what it is");
	return 0;
}

static int mhca_load_ended(struct mhca_load *load, struct mhca_reader *in)
{
	if (load->inst->personality == MHCA_ROCE && !(load->seen & SEEN(VPORT)))
		return mhca_load_fail(load, -EINVAL, "its port is missing");
	return 0;
}

/**
 * struct mhca_load_row - what is done with a record
 * @max: longest body
 * @after: there must have been all of these, …
 * @before: … and none of these
 * @load: takes it. 0, or -errno with load->why
 */
struct mhca_load_row {
	u32 max;
	u32 after;
	u32 before;
	int (*load)(struct mhca_load *load, struct mhca_reader *in);
};

#define ONCE(name, most, needs, fn)						\
	[MHCA_IMAGE_##name] = { most, needs, SEEN(name) | SEEN(END), fn }

/* A page list is as long as a guest's may be: mhca_load_max(). */
static const struct mhca_load_row mhca_load_rows[MHCA_IMAGE_TAGS] = {
	ONCE(HEADER, 64, 0, mhca_load_header),
	[MHCA_IMAGE_CAPS] = { 6 * MHCA_CAP_SIZE, SEEN(HEADER), SEEN(CORE), mhca_load_caps },
	ONCE(CORE, 1024, SEEN(CAPS), mhca_load_core),
	[MHCA_IMAGE_OBJECT] = { MHCA_CMD_IN_MAX, SEEN(CORE), SEEN(STATE) | SEEN(EVENTS) | SEEN(END),
				mhca_load_object },
	[MHCA_IMAGE_STATE] = { MHCA_STATE_MAX, SEEN(CORE), SEEN(EVENTS) | SEEN(END),
			       mhca_load_state },
	ONCE(EVENTS, 1024, SEEN(CORE), mhca_load_events),
	ONCE(COUNTERS, 4096, SEEN(CORE), mhca_load_counters),
	ONCE(IDENTITY, 128, SEEN(CORE), mhca_load_identity),
	ONCE(VPORT, 8192, SEEN(IDENTITY), mhca_load_vport),
	ONCE(END, 0, SEEN(EVENTS) | SEEN(IDENTITY), mhca_load_ended),
};

static u64 mhca_load_max(const struct mhca_load *load)
{
	u64 list = MHCA_CMD_OUT_MAX + sizeof(__be64) * (READ_ONCE(load->inst->gmem.limit) + 4);

	return load->tag == MHCA_IMAGE_OBJECT ? min_t(u64, list, MHCA_CMD_IN_MAX) :
						mhca_load_rows[load->tag].max;
}

/* ---- The stream ------------------------------------------------------------------ */

static int mhca_load_head(struct mhca_load *load)
{
	const struct mhca_load_row *row;

	load->tag = le16_to_cpu(load->head.tag);
	load->length = le32_to_cpu(load->head.length);
	load->got = 0;
	load->skip = false;
	row = load->tag < MHCA_IMAGE_TAGS ? &mhca_load_rows[load->tag] : NULL;
	if (!row || !row->load) {
		load->skip = load->head.flags & cpu_to_le16(MHCA_IMAGE_OPTIONAL);
		if (!load->skip || !(load->seen & SEEN(HEADER)))
			return mhca_load_fail(load, -EOPNOTSUPP, "record %u is not known",
					      load->tag);
		return 0;
	}
	if ((load->seen & row->after) != row->after || load->seen & row->before)
		return mhca_load_fail(load, -EINVAL, "record %u at the wrong place", load->tag);
	if (load->length > mhca_load_max(load))
		return mhca_load_fail(load, -EINVAL, "record %u of %u bytes", load->tag,
				      load->length);
	return 0;
}

/* Room for as many bytes as arrived, not for as many as are promised. */
static int mhca_load_room(struct mhca_load *load, u32 want)
{
	u32 size = max(2 * load->size, MHCA_BODY_FIRST);
	u8 *body;

	if (want <= load->size)
		return 0;
	body = kvmalloc(max(size, want), GFP_KERNEL_ACCOUNT | __GFP_NOWARN);
	if (!body)
		return mhca_load_fail(load, -ENOMEM, "no memory");
	if (load->got)
		memcpy(body, load->body, load->got);
	kvfree(load->body);
	load->body = body;
	load->size = max(size, want);
	return 0;
}

/* A big one is not kept. */
static void mhca_load_forget(struct mhca_load *load)
{
	kvfree(load->body);
	load->body = NULL;
	load->size = 0;
}

static int mhca_load_record(struct mhca_load *load)
{
	struct mhca_reader in = { .at = load->body, .left = load->length };
	int err;

	load->have = 0;
	if (load->skip)
		return 0;
	mutex_lock(&load->inst->cmd_lock);
	err = mhca_load_rows[load->tag].load(load, &in);
	mutex_unlock(&load->inst->cmd_lock);
	if (!err && !mhca_reader_ended(&in))
		err = mhca_load_fail(load, -EINVAL, "record %u of %u bytes", load->tag,
				     load->length);
	load->seen |= BIT(load->tag);
	if (load->size > MHCA_STATE_MAX)
		mhca_load_forget(load);
	return err;
}

/* Some of @len bytes. Return: how many, or -errno. */
static ssize_t mhca_load_some(struct mhca_load *load, const u8 *from, size_t len)
{
	u32 run;
	int err;

	if (load->have < sizeof(load->head)) {
		run = min_t(size_t, len, sizeof(load->head) - load->have);
		memcpy((u8 *)&load->head + load->have, from, run);
		load->have += run;
		err = load->have == sizeof(load->head) ? mhca_load_head(load) : 0;
	} else {
		run = min_t(size_t, len, load->length - load->got);
		err = load->skip ? 0 : mhca_load_room(load, load->got + run);
		if (!err && !load->skip)
			memcpy(load->body + load->got, from, run);
		load->got += run;
	}
	if (!err && load->have == sizeof(load->head) && load->got == load->length)
		err = mhca_load_record(load);
	return err ?: run;
}

/**
 * mhca_load_begin() - begin to load an instance
 * @inst: instance, reset and at MHCA_RUN_NONE
 *
 * Return: stream, or an ERR_PTR().
 */
struct mhca_load *mhca_load_begin(struct mhca_instance *inst)
{
	struct mhca_load *load;

	if (inst->run != MHCA_RUN_NONE || inst->fn != MHCA_FN_RESET)
		return ERR_PTR(-EBUSY);
	load = kzalloc(sizeof(*load), GFP_KERNEL_ACCOUNT);
	if (!load)
		return ERR_PTR(-ENOMEM);
	load->inst = inst;
	return load;
}
EXPORT_SYMBOL_GPL(mhca_load_begin);

/**
 * mhca_load_write() - the next bytes
 * @load: stream
 * @buf: they
 * @len: how many
 *
 * Return: @len or -errno, see migrate.h.
 */
ssize_t mhca_load_write(struct mhca_load *load, const void *buf, size_t len)
{
	size_t done = 0;
	ssize_t run;

	while (!load->err && done < len) {
		run = mhca_load_some(load, buf + done, len - done);
		if (run < 0)
			break;
		done += run;
		cond_resched();
	}
	return load->err ?: (ssize_t)len;
}
EXPORT_SYMBOL_GPL(mhca_load_write);

/**
 * mhca_load_finish() - the stream is complete
 * @load: stream
 *
 * Return: 0 or -errno, see migrate.h.
 */
int mhca_load_finish(struct mhca_load *load)
{
	if (!load->err && (!(load->seen & SEEN(END)) || load->have))
		mhca_load_fail(load, -EINVAL, "it ends too early");
	return load->err;
}
EXPORT_SYMBOL_GPL(mhca_load_finish);

/**
 * mhca_load_why() - why it failed
 * @load: stream
 *
 * Return: text, or "".
 */
const char *mhca_load_why(const struct mhca_load *load)
{
	return load->why;
}
EXPORT_SYMBOL_GPL(mhca_load_why);

/**
 * mhca_load_end() - free a stream
 * @load: stream
 */
void mhca_load_end(struct mhca_load *load)
{
	kvfree(load->body);
	kfree(load);
}
EXPORT_SYMBOL_GPL(mhca_load_end);
