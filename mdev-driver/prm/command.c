// SPDX-License-Identifier: GPL-2.0-only
/*
 * One command: find its row, check it against the row, execute it, and say why
 * when it is refused. Nothing here knows an opcode.
 */
#include "command.h"

/* ---- Fields --------------------------------------------------------------- */

/**
 * mhca_field_get() - a field of a mailbox
 * @mailbox: input or output
 * @field: field
 *
 * Return: its value.
 */
u64 mhca_field_get(const void *mailbox, struct mhca_field field)
{
	const __be32 *word = (const __be32 *)mailbox + field.offset / 32;
	u32 value;

	if (field.bits == 64)
		return (u64)be32_to_cpu(word[0]) << 32 | be32_to_cpu(word[1]);
	value = be32_to_cpu(*word) >> (32 - field.bits - field.offset % 32);
	return field.bits == 32 ? value : value & ((1U << field.bits) - 1);
}

/**
 * mhca_field_set() - set a field of a mailbox
 * @mailbox: output
 * @field: field of at most 32 bits
 * @value: its value
 */
void mhca_field_set(void *mailbox, struct mhca_field field, u32 value)
{
	__be32 *word = (__be32 *)mailbox + field.offset / 32;
	u8 shift = 32 - field.bits - field.offset % 32;
	u32 mask = (field.bits == 32 ? U32_MAX : (1U << field.bits) - 1) << shift;

	*word = cpu_to_be32((be32_to_cpu(*word) & ~mask) | (value << shift & mask));
}

/* ---- Admission: what the first 16 bytes tell -------------------------------- */

/**
 * mhca_command_find() - the row of an opcode
 * @personality: type of the port
 * @opcode: opcode
 *
 * Return: the row, or NULL: no such command.
 */
const struct mhca_command *mhca_command_find(enum mhca_personality personality, u16 opcode)
{
	const struct mhca_command *row;
	u32 i;

	for (i = 0; i < mhca_n_commands; i++) {
		row = &mhca_commands[i];
		if (row->opcode != opcode)
			continue;
		if (!row->personality || row->personality & BIT(personality))
			return row;
	}
	return NULL;
}

/**
 * mhca_command_wait() - how long the next command has to wait for cmd_rate
 * @inst: instance; in its worker
 *
 * A guest that asks for too much is slowed down, not refused: what its commands cost
 * is taken from a bucket that may be overdrawn by the last one.
 *
 * Return: ns; 0: not at all.
 */
u64 mhca_command_wait(struct mhca_instance *inst)
{
	u64 rate = READ_ONCE(inst->quota.cmd_rate);
	struct mhca_bucket *bucket = &inst->core->rate;

	if (!rate) {
		/* Full when a rate is set. */
		bucket->stamp = 0;
		return 0;
	}
	mhca_bucket_fill(bucket, rate, rate, ktime_get_ns());
	return mhca_bucket_wait(bucket, rate, 1);
}

/*
 * A list that could never be pinned is not even read: its length is what memory is
 * allocated for. A page of the list stands for MHCA_PAGE_SIZE bytes at least; a buffer
 * that begins and ends inside of pages has one more, and the list may be padded.
 */
static enum mhca_syndrome mhca_command_list_bound(const struct mhca_cmd *cmd)
{
	const struct mhca_page_row *pages = cmd->row->pages;
	u64 entries;

	if (!pages || cmd->inlen <= pages->pas)
		return MHCA_SYN_NONE;
	entries = (cmd->inlen - pages->pas) / sizeof(__be64);
	if (entries > READ_ONCE(cmd->inst->gmem.limit) + 2 + pages->spare)
		return MHCA_SYN_PINNED_LIMIT;
	if (pages->longest &&
	    entries > (pages->longest(cmd->inst) >> MHCA_PAGE_SHIFT) + 2 + pages->spare)
		return pages->too_long;
	return MHCA_SYN_NONE;
}

/**
 * mhca_command_admit() - everything that can be checked before the input is read
 * @cmd: inst, inlen, outlen and the first 16 bytes of in are set; sets opcode,
 *       op_mod and row
 *
 * Return: MHCA_SYN_NONE, or why it is refused.
 */
enum mhca_syndrome mhca_command_admit(struct mhca_cmd *cmd)
{
	const struct mhca_command *row;
	u32 in_max;

	/* Every input begins alike. */
	cmd->opcode = MLX5_GET(alloc_pd_in, cmd->in, opcode);
	cmd->op_mod = MLX5_GET(alloc_pd_in, cmd->in, op_mod);
	cmd->row = mhca_command_find(cmd->inst->personality, cmd->opcode);
	row = cmd->row;
	if (!row)
		return MHCA_SYN_UNKNOWN_OPCODE;
	if (!(row->states & BIT(cmd->inst->fn)))
		return MHCA_SYN_SYS_STATE;
	if (MLX5_GET(alloc_pd_in, cmd->in, uid))
		return MHCA_SYN_UID;
	if (cmd->op_mod > row->op_mod_max)
		return MHCA_SYN_OP_MOD;
	in_max = row->in_max ?: row->in_min;
	if (cmd->inlen < row->in_min)
		return MHCA_SYN_IN_LENGTH;
	if (cmd->inlen > in_max)
		return row->pages ? MHCA_SYN_PINNED_LIMIT : MHCA_SYN_IN_LENGTH;
	if (cmd->outlen < row->out_min || cmd->outlen > MHCA_CMD_OUT_MAX)
		return MHCA_SYN_OUT_LENGTH;
	return mhca_command_list_bound(cmd);
}

/* ---- Objects named by the input ----------------------------------------------- */

static enum mhca_syndrome mhca_command_target(struct mhca_cmd *cmd)
{
	const struct mhca_command *row = cmd->row;

	if (row->action == MHCA_ACT_NONE || row->action == MHCA_ACT_CREATE)
		return MHCA_SYN_NONE;
	cmd->obj = mhca_object_find(cmd->inst, row->kind,
				    mhca_field_get(cmd->in, row->number));
	if (!cmd->obj)
		return MHCA_SYN_NO_OBJECT;
	if (row->creator && cmd->obj->created_by != row->creator)
		return MHCA_SYN_OBJECT_TYPE;
	return MHCA_SYN_NONE;
}

static enum mhca_syndrome mhca_command_refs(struct mhca_cmd *cmd)
{
	const struct mhca_ref_row *ref;
	u64 num;
	u8 i;

	for (i = 0; i < cmd->row->n_refs; i++) {
		ref = &cmd->row->refs[i];
		if (ref->when && !ref->when(cmd))
			continue;
		num = mhca_field_get(cmd->in, ref->field);
		if (!num && ref->optional)
			continue;
		cmd->ref[i] = mhca_object_find(cmd->inst, ref->kind, num);
		if (!cmd->ref[i])
			return MHCA_SYN_NO_OBJECT;
	}
	return MHCA_SYN_NONE;
}

/* ---- Guest memory ----------------------------------------------------------------- */

/* A list that has to hold the buffer, and not much more than it. */
static enum mhca_syndrome mhca_command_list(const struct mhca_cmd *cmd, u8 *shift,
					    u32 *entries, u64 *from, u64 *len)
{
	const struct mhca_page_row *pages = cmd->row->pages;
	u64 end, needed;

	*shift = mhca_field_get(cmd->in, pages->log_page_size) + pages->bias;
	if (*shift < MHCA_PAGE_SHIFT || *shift > 31)
		return MHCA_SYN_PAGE_SIZE;
	*entries = (cmd->inlen - pages->pas) / sizeof(__be64);
	*len = pages->bytes(cmd);
	*from = pages->offset(cmd, *shift);
	if (check_add_overflow(*from, *len, &end) ||
	    check_add_overflow(end, (1ULL << *shift) - 1, &needed))
		return MHCA_SYN_KEY_RANGE;
	needed >>= *shift;
	if (needed > *entries || *entries - needed > pages->spare)
		return MHCA_SYN_PAGE_LIST;
	return MHCA_SYN_NONE;
}

/**
 * mhca_command_pin() - pin the memory that a command brings
 * @cmd: validated command
 * @buffer: out: pages of the list, or NULL when there are none
 * @record: out: the doorbell record's page, or NULL
 * @record_offset: out: where in that page
 *
 * Return: MHCA_SYN_NONE, or why not; then nothing is pinned.
 */
enum mhca_syndrome mhca_command_pin(struct mhca_cmd *cmd, struct mhca_pages **buffer,
				    struct mhca_pages **record, u32 *record_offset)
{
	const struct mhca_page_row *pages = cmd->row->pages;
	enum mhca_syndrome syndrome;
	u64 from, len, iova;
	u32 entries;
	bool write;
	u8 shift;

	if (!pages || (pages->when && !pages->when(cmd)))
		return MHCA_SYN_NONE;
	if (!pages->bytes(cmd))
		return cmd->inlen - pages->pas >= sizeof(__be64) ? MHCA_SYN_PAGE_LIST :
								   MHCA_SYN_NONE;
	syndrome = mhca_command_list(cmd, &shift, &entries, &from, &len);
	if (syndrome)
		return syndrome;
	write = pages->writes ? pages->writes(cmd) : pages->writable;
	cmd->pages = len >> MHCA_PAGE_SHIFT;
	syndrome = mhca_pages_pin(cmd->inst, (const __be64 *)((const u8 *)cmd->in + pages->pas),
				  entries, shift, from, len, write, buffer);
	if (syndrome || !pages->record.bits)
		return syndrome;

	iova = mhca_field_get(cmd->in, pages->record);
	syndrome = mhca_pages_pin_record(cmd->inst, iova, 2 * sizeof(__be32),
					 pages->record_writable, record);
	if (syndrome) {
		mhca_pages_put(*buffer);
		*buffer = NULL;
		return syndrome;
	}
	*record_offset = iova & (MHCA_PAGE_SIZE - 1);
	return MHCA_SYN_NONE;
}

/* ---- Execution ---------------------------------------------------------------------- */

/**
 * mhca_command_execute() - check the whole input and do what it says
 * @cmd: admitted command, in and out complete; command lock held
 *
 * Return: MHCA_SYN_NONE, or why it is refused.
 */
enum mhca_syndrome mhca_command_execute(struct mhca_cmd *cmd)
{
	enum mhca_syndrome syndrome;

	lockdep_assert_held(&cmd->inst->cmd_lock);

	syndrome = mhca_command_target(cmd);
	if (!syndrome)
		syndrome = mhca_command_refs(cmd);
	if (!syndrome)
		syndrome = cmd->row->validate(cmd);
	if (!syndrome)
		syndrome = cmd->row->handler(cmd);
	return syndrome;
}

static void mhca_command_stat(const struct mhca_cmd *cmd, bool refused, u64 ns)
{
	struct mhca_command_stats *stats;

	if (!cmd->row)
		return;
	stats = &cmd->inst->core->stats[cmd->row - mhca_commands];
	WRITE_ONCE(stats->count, stats->count + 1);
	WRITE_ONCE(stats->refused, stats->refused + refused);
	WRITE_ONCE(stats->ns, stats->ns + ns);
	WRITE_ONCE(stats->max_ns, max(stats->max_ns, ns));
}

/*
 * What a command took: its class, and more for what it had copied and pinned. That is
 * bounded, because drivers give a command up after a minute, and as many as the queue
 * holds may have to wait for each other.
 */
static u64 mhca_command_cost(const struct mhca_cmd *cmd)
{
	u64 most = READ_ONCE(cmd->inst->quota.cmd_rate);
	u64 size = cmd->pages / MHCA_COST_PAGES + cmd->copied / MHCA_COST_BYTES;

	if (!cmd->row)
		return MHCA_COST_QUERY;
	return cmd->row->cost + min(size, most);
}

/**
 * mhca_command_account() - count and trace a command, and say why it was refused
 * @cmd: command
 * @syndrome: its result
 * @ns: how long it took
 */
void mhca_command_account(const struct mhca_cmd *cmd, enum mhca_syndrome syndrome, u64 ns)
{
	struct mhca_instance *inst = cmd->inst;
	const char *name = cmd->row ? cmd->row->name : "command";

	mhca_count(inst, commands);
	mhca_command_stat(cmd, syndrome, ns);
	mhca_bucket_take(&inst->core->rate, mhca_command_cost(cmd));
	trace_mhca_command(inst->id.name, cmd->opcode, cmd->op_mod,
			   mhca_syndrome_status(syndrome),
			   syndrome ? MHCA_SYNDROME_BASE + syndrome : 0, ns);
	if (!syndrome)
		return;
	mhca_count(inst, commands_refused);
	mhca_warn(inst, "%s (0x%x, op_mod 0x%x) refused: %s\n", name, cmd->opcode, cmd->op_mod,
		  mhca_syndrome_text(syndrome));
}
