// SPDX-License-Identifier: GPL-2.0-only
/*
 * The command queue: a page of 64-byte entries in guest memory. An entry holds
 * the first 16 bytes of input and output; the rest lies in chains of 512-byte
 * mailboxes. Everything is copied in once and not looked at again.
 *
 * Two kinds of failure: an entry or a chain that cannot be understood gets a
 * delivery status, a command that is refused gets a status and syndrome in its
 * output.
 */
#include "command.h"

#define MHCA_CMD_INLINE		16U
/* Opcode and op_mod in, status and syndrome out. */
#define MHCA_CMD_HEADER		8U
#define MHCA_CMD_TYPE		MLX5_PCI_CMD_XPORT
#define MHCA_CMD_OWN_HW		1U
#define MHCA_MAILBOX_ALIGN	512U
/* Commands executed before the worker lets itself be stopped. */
#define MHCA_CMDQ_TURN		64
/* Longest sleep for cmd_rate: a reset and the pins of PA keys have to wait for it. */
#define MHCA_CMDQ_PAUSE_US	10000U

/* Delivery status, as the drivers know it. */
enum mhca_delivery {
	MHCA_DELIVERY_OK = 0x0,
	MHCA_DELIVERY_TOKEN = 0x2,
	MHCA_DELIVERY_BLOCK_NUM = 0x3,
	MHCA_DELIVERY_OUT_PTR = 0x4,
	MHCA_DELIVERY_IN_PTR = 0x5,
	MHCA_DELIVERY_FW = 0x6,
	MHCA_DELIVERY_IN_LENGTH = 0x7,
	MHCA_DELIVERY_OUT_LENGTH = 0x8,
	MHCA_DELIVERY_DESCRIPTOR = 0x10,
};

/**
 * struct mhca_slot - a command queue entry in execution
 * @cmd: the command
 * @addr: guest-physical address of the entry
 * @entry: private copy of it
 * @head: input that lies in the entry itself
 * @unmapped: a mailbox could not be read
 */
struct mhca_slot {
	struct mhca_cmd cmd;
	u64 addr;
	struct mlx5_cmd_layout entry;
	u8 head[MHCA_CMD_INLINE] __aligned(8);
	bool unmapped;
};

static int mhca_cmdq_read(struct mhca_instance *inst, u64 iova, void *buf, size_t len)
{
	return inst->vmm_ops->read(inst->vmm, iova, buf, len);
}

static int mhca_cmdq_write(struct mhca_instance *inst, u64 iova, const void *buf, size_t len)
{
	return inst->vmm_ops->write(inst->vmm, iova, buf, len);
}

/* ---- Mailboxes -------------------------------------------------------------- */

/* Copy in what follows the inline bytes; the chain may be longer than needed. */
static enum mhca_delivery mhca_cmdq_gather(struct mhca_slot *slot, u8 *to, u32 len)
{
	struct mhca_instance *inst = slot->cmd.inst;
	u64 at = be64_to_cpu(slot->entry.in_ptr);
	struct mlx5_cmd_prot_block block;
	u32 n = 0, run;

	while (len) {
		if (!at || at & (MHCA_MAILBOX_ALIGN - 1))
			return MHCA_DELIVERY_IN_PTR;
		if (mhca_cmdq_read(inst, at, &block, sizeof(block))) {
			slot->unmapped = true;
			return MHCA_DELIVERY_IN_PTR;
		}
		if (block.token != slot->entry.token)
			return MHCA_DELIVERY_TOKEN;
		if (be32_to_cpu(block.block_num) != n++)
			return MHCA_DELIVERY_BLOCK_NUM;
		run = min_t(u32, len, sizeof(block.data));
		memcpy(to, block.data, run);
		to += run;
		len -= run;
		at = be64_to_cpu(block.next);
		cond_resched();
	}
	return MHCA_DELIVERY_OK;
}

/* Copy out what follows the inline bytes; only the data of a mailbox is written. */
static enum mhca_delivery mhca_cmdq_scatter(struct mhca_slot *slot, const u8 *from, u32 len)
{
	struct mhca_instance *inst = slot->cmd.inst;
	u64 at = be64_to_cpu(slot->entry.out_ptr);
	__be64 next;
	u32 run;

	while (len) {
		run = min_t(u32, len, MLX5_CMD_DATA_BLOCK_SIZE);
		if (!at || at & (MHCA_MAILBOX_ALIGN - 1) ||
		    mhca_cmdq_write(inst, at, from, run))
			return MHCA_DELIVERY_OUT_PTR;
		from += run;
		len -= run;
		if (len && mhca_cmdq_read(inst, at + offsetof(struct mlx5_cmd_prot_block, next),
					  &next, sizeof(next)))
			return MHCA_DELIVERY_OUT_PTR;
		at = len ? be64_to_cpu(next) : 0;
	}
	return MHCA_DELIVERY_OK;
}

/* ---- One entry ----------------------------------------------------------------- */

/* Read the input and make room for the output. */
static enum mhca_syndrome mhca_cmdq_load(struct mhca_slot *slot, u8 **in, u8 **out,
					 enum mhca_delivery *delivery)
{
	struct mhca_cmd *cmd = &slot->cmd;
	u32 inlen = max(cmd->inlen, MHCA_CMD_INLINE);

	*in = kvmalloc(inlen, GFP_KERNEL_ACCOUNT | __GFP_NOWARN);
	*out = kvzalloc(max(cmd->outlen, MHCA_CMD_INLINE), GFP_KERNEL_ACCOUNT);
	if (!*in || !*out)
		return MHCA_SYN_NO_MEMORY;
	memcpy(*in, slot->head, MHCA_CMD_INLINE);
	cmd->copied = inlen - MHCA_CMD_INLINE;
	*delivery = mhca_cmdq_gather(slot, *in + MHCA_CMD_INLINE, cmd->copied);
	if (*delivery)
		return slot->unmapped ? MHCA_SYN_UNMAPPED : MHCA_SYN_MAILBOX;
	cmd->in = *in;
	cmd->out = *out;
	return MHCA_SYN_NONE;
}

static void mhca_cmdq_result(void *out, enum mhca_syndrome syndrome)
{
	MLX5_SET(cmd_out, out, status, mhca_syndrome_status(syndrome));
	MLX5_SET(cmd_out, out, syndrome, syndrome ? MHCA_SYNDROME_BASE + syndrome : 0);
}

/* Execute; the output goes into the entry and its mailboxes. */
static enum mhca_delivery mhca_cmdq_execute(struct mhca_slot *slot)
{
	struct mhca_cmd *cmd = &slot->cmd;
	enum mhca_delivery delivery = MHCA_DELIVERY_OK;
	enum mhca_syndrome syndrome;
	u64 start = ktime_get_ns();
	u8 *in = NULL, *out = NULL;

	cmd->in = slot->head;
	syndrome = mhca_command_admit(cmd);
	if (!syndrome)
		syndrome = mhca_cmdq_load(slot, &in, &out, &delivery);
	if (!syndrome)
		syndrome = mhca_command_execute(cmd);

	memset(slot->entry.out, 0, sizeof(slot->entry.out));
	if (syndrome) {
		/* Nothing of what a handler may have begun to say. */
		mhca_cmdq_result(slot->entry.out, syndrome);
	} else {
		mhca_cmdq_result(out, syndrome);
		memcpy(slot->entry.out, out, MHCA_CMD_INLINE);
		if (cmd->outlen > MHCA_CMD_INLINE)
			delivery = mhca_cmdq_scatter(slot, out + MHCA_CMD_INLINE,
						     cmd->outlen - MHCA_CMD_INLINE);
	}
	mhca_command_account(cmd, syndrome, ktime_get_ns() - start);
	kvfree(in);
	kvfree(out);
	return delivery;
}

static enum mhca_delivery mhca_cmdq_check_entry(struct mhca_slot *slot)
{
	if (slot->entry.type != MHCA_CMD_TYPE)
		return MHCA_DELIVERY_DESCRIPTOR;
	if (slot->cmd.inlen < MHCA_CMD_HEADER)
		return MHCA_DELIVERY_IN_LENGTH;
	if (slot->cmd.outlen < MHCA_CMD_HEADER)
		return MHCA_DELIVERY_OUT_LENGTH;
	return MHCA_DELIVERY_OK;
}

/* Give the entry back: output first, then the byte that says whose it is. */
static bool mhca_cmdq_complete(struct mhca_slot *slot, enum mhca_delivery delivery)
{
	struct mhca_instance *inst = slot->cmd.inst;
	u8 own = delivery << 1;
	int err;

	err = mhca_cmdq_write(inst, slot->addr + offsetof(struct mlx5_cmd_layout, out),
			      slot->entry.out, sizeof(slot->entry.out));
	smp_wmb(); /* output before ownership */
	if (!err)
		err = mhca_cmdq_write(inst, slot->addr +
				      offsetof(struct mlx5_cmd_layout, status_own),
				      &own, sizeof(own));
	return !err;
}

static void mhca_cmdq_entry(struct mhca_instance *inst, u64 queue, u32 index)
{
	bool events = mhca_eq_command_subscribed(inst);
	struct mhca_slot slot = {
		.cmd.inst = inst,
		.addr = queue + ((u64)index << MHCA_CMDQ_LOG_STRIDE),
	};
	enum mhca_delivery delivery;
	int err;

	err = mhca_cmdq_read(inst, slot.addr, &slot.entry, sizeof(slot.entry));
	if (err == -ECANCELED)
		return;
	if (err) {
		mhca_warn(inst, "command queue at 0x%llx is not in guest memory\n", queue);
		return;
	}
	/* A doorbell that rang twice, or for nothing. */
	if (!(slot.entry.status_own & MHCA_CMD_OWN_HW))
		return;
	memcpy(slot.head, slot.entry.in, sizeof(slot.head));
	slot.cmd.inlen = be32_to_cpu(slot.entry.inlen);
	slot.cmd.outlen = be32_to_cpu(slot.entry.outlen);

	delivery = mhca_cmdq_check_entry(&slot);
	if (!delivery)
		delivery = mhca_cmdq_execute(&slot);
	/* The command that makes the first EQ is still being polled for. */
	if (mhca_cmdq_complete(&slot, delivery) && events && mhca_eq_command_subscribed(inst))
		mhca_eq_post_command(inst, BIT(index));
}

/* Where the queue is; false: there is none. */
static bool mhca_cmdq_address(struct mhca_core *core, u64 *queue)
{
	bool set;

	spin_lock(&core->reg_lock);
	*queue = core->cmdq_addr;
	set = core->cmdq_set && core->nic_interface == MHCA_NIC_FULL;
	spin_unlock(&core->reg_lock);
	return set;
}

/* true: the guest has asked for more than its rate, and it slept a part of the wait. */
static bool mhca_cmdq_pause(struct mhca_instance *inst)
{
	u64 wait = mhca_command_wait(inst);
	u32 us;

	if (!wait)
		return false;
	us = min_t(u64, div_u64(wait, NSEC_PER_USEC) + 1, MHCA_CMDQ_PAUSE_US);
	mhca_count_add(inst, command_wait_us, us);
	usleep_range(us, us + us / 4);
	return true;
}

/**
 * mhca_cmdq_run() - execute the entries whose doorbell rang
 * @inst: instance; in its worker
 */
void mhca_cmdq_run(struct mhca_instance *inst)
{
	struct mhca_core *core = inst->core;
	u32 bits = 0, index, n;
	u64 queue;

	for (n = 0; n < MHCA_CMDQ_TURN && READ_ONCE(inst->begins); n++) {
		bits |= atomic_xchg(&core->doorbell, 0);
		if (!bits)
			return;
		if (!mhca_cmdq_address(core, &queue)) {
			mhca_warn(inst, "doorbell without a command queue\n");
			return;
		}
		if (mhca_cmdq_pause(inst))
			break;
		index = __ffs(bits);
		bits &= bits - 1;

		mutex_lock(&inst->cmd_lock);
		mhca_cmdq_entry(inst, queue, index);
		mutex_unlock(&inst->cmd_lock);
		mhca_pa_work(inst);
	}
	atomic_or(bits, &core->doorbell);
	inst->vmm_ops->kick(inst->vmm);
}
