// SPDX-License-Identifier: GPL-2.0-only
/*
 * What an instance holds and was asked, for whoever looks for a fault:
 *
 *   /sys/kernel/debug/mhca/UUID/objects    one line for each object
 *   /sys/kernel/debug/mhca/UUID/commands   one line for each opcode that was used
 *   /sys/kernel/debug/mhca/fail/           fault injection (fail.c)
 *
 * Reading takes the command lock for a buffer's length at a time: it delays commands,
 * and what comes and goes meanwhile may be missed, but no line is half of anything.
 */
#include <linux/debugfs.h>
#include <linux/seq_file.h>

#include "frontend.h"

#define MHCA_DEBUG_LINE	200

static struct dentry *mhca_debug_root;

/* ---- Objects ------------------------------------------------------------------ */

/* A position is a kind and a number: kind << 32 | number. */
static struct mhca_object *mhca_debug_find(struct mhca_instance *inst, loff_t *pos)
{
	u32 kind = *pos >> 32;
	unsigned long number = *pos & U32_MAX;
	struct mhca_object *obj;

	for (; kind < MHCA_OBJECT_KINDS; kind++, number = 0) {
		obj = xa_find(&inst->objects[kind], &number, MHCA_NUMBER_MAX, XA_PRESENT);
		if (!obj)
			continue;
		*pos = (loff_t)kind << 32 | number;
		return obj;
	}
	*pos = (loff_t)MHCA_OBJECT_KINDS << 32;
	return NULL;
}

static void *mhca_objects_start(struct seq_file *seq, loff_t *pos)
{
	struct mhca_vdev *v = seq->private;

	/* A command may wait for its guest's memory. */
	if (mutex_lock_killable(&v->inst->cmd_lock))
		return ERR_PTR(-EINTR);
	return mhca_debug_find(v->inst, pos);
}

static void *mhca_objects_next(struct seq_file *seq, void *obj, loff_t *pos)
{
	struct mhca_vdev *v = seq->private;

	++*pos;
	return mhca_debug_find(v->inst, pos);
}

static void mhca_objects_stop(struct seq_file *seq, void *obj)
{
	struct mhca_vdev *v = seq->private;

	if (!IS_ERR(obj))
		mutex_unlock(&v->inst->cmd_lock);
}

static int mhca_objects_show(struct seq_file *seq, void *data)
{
	const struct mhca_object *obj = data;
	char line[MHCA_DEBUG_LINE];

	mhca_object_describe(obj, line, sizeof(line));
	seq_printf(seq, "%s\n", line);
	return 0;
}

static const struct seq_operations mhca_objects_sops = {
	.start = mhca_objects_start,
	.next = mhca_objects_next,
	.stop = mhca_objects_stop,
	.show = mhca_objects_show,
};

DEFINE_SEQ_ATTRIBUTE(mhca_objects);

/* ---- Commands ------------------------------------------------------------------ */

static int mhca_commands_show(struct seq_file *seq, void *data)
{
	struct mhca_vdev *v = seq->private;
	char line[MHCA_DEBUG_LINE];
	u32 i;

	seq_puts(seq, "command count refused mean_us max_us\n");
	for (i = 0; mhca_command_describe(v->inst, i, line, sizeof(line)); i++)
		if (*line)
			seq_printf(seq, "%s\n", line);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(mhca_commands);

/* ---- Directories ----------------------------------------------------------------- */

/**
 * mhca_debugfs_add() - an instance's directory
 * @v: device, fully made
 */
void mhca_debugfs_add(struct mhca_vdev *v)
{
	v->debugfs = debugfs_create_dir(dev_name(v->dev), mhca_debug_root);
	debugfs_create_file("objects", 0400, v->debugfs, v, &mhca_objects_fops);
	debugfs_create_file("commands", 0400, v->debugfs, v, &mhca_commands_fops);
}

/**
 * mhca_debugfs_remove() - on return nobody reads any more
 * @v: device
 */
void mhca_debugfs_remove(struct mhca_vdev *v)
{
	debugfs_remove_recursive(v->debugfs);
}

/**
 * mhca_debugfs_init() - the driver's directory
 */
void mhca_debugfs_init(void)
{
	mhca_debug_root = debugfs_create_dir("mhca", NULL);
	mhca_fail_debugfs(mhca_debug_root);
}

/**
 * mhca_debugfs_exit() - remove it
 */
void mhca_debugfs_exit(void)
{
	debugfs_remove_recursive(mhca_debug_root);
}
