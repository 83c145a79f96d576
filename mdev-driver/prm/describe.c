// SPDX-License-Identifier: GPL-2.0-only
/*
 * Objects and commands of an instance as lines of text, for people.
 */
#include "command.h"

/**
 * mhca_object_describe() - an object as a line
 * @obj: object; command lock held
 * @buf: text, without a line's end
 * @size: of @buf
 *
 * Return: length of the text.
 */
int mhca_object_describe(const struct mhca_object *obj, char *buf, size_t size)
{
	const struct mhca_object_ops *ops = mhca_object_ops(obj->inst, obj->kind);
	int at;

	lockdep_assert_held(&obj->inst->cmd_lock);
	at = scnprintf(buf, size, "%s 0x%06x users=%u", mhca_object_name(obj->kind), obj->num,
		       obj->users);
	if (obj->buffer)
		at += scnprintf(buf + at, size - at, " pages=%llu%s",
				obj->buffer->n + (obj->record ? obj->record->n : 0),
				READ_ONCE(obj->buffer->dead) ? " unmapped" : "");
	if (ops && ops->describe)
		at += ops->describe(obj, buf + at, size - at);
	return at;
}
EXPORT_SYMBOL_GPL(mhca_object_describe);

/**
 * mhca_command_describe() - what became of the commands of one opcode
 * @inst: instance
 * @index: row of the command table
 * @buf: text, without a line's end; empty: there were none
 * @size: of @buf
 *
 * Return: false: no such row.
 */
bool mhca_command_describe(struct mhca_instance *inst, u32 index, char *buf, size_t size)
{
	const struct mhca_command_stats *stats;
	u64 count;

	if (index >= mhca_n_commands)
		return false;
	stats = &inst->core->stats[index];
	count = READ_ONCE(stats->count);
	*buf = 0;
	if (count)
		scnprintf(buf, size, "%s %llu %llu %llu %llu", mhca_commands[index].name, count,
			  READ_ONCE(stats->refused),
			  div64_u64(READ_ONCE(stats->ns), count * NSEC_PER_USEC),
			  div_u64(READ_ONCE(stats->max_ns), NSEC_PER_USEC));
	return true;
}
EXPORT_SYMBOL_GPL(mhca_command_describe);
