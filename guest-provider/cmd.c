// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The command queue: entries, mailbox chains, completion by polling or event. */
#include <errno.h>
#include <stdlib.h>
#include <time.h>
#include "client.h"

#define SLOT_SIZE	1024	/* a mailbox block's place */
#define CHAIN_BLOCKS	64	/* 32 KiB; longer chains grow on demand */

static u32 blocks_for(u32 len)
{
	return len > 16 ? (len - 16 + MLX5_CMD_DATA_BLOCK_SIZE - 1) / MLX5_CMD_DATA_BLOCK_SIZE : 0;
}

static u64 now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (u64)t.tv_sec * 1000 + (u64)t.tv_nsec / 1000000;
}

static int chain_reserve(struct client *c, struct client_mem *chain, u32 blocks)
{
	if (chain->len >= (size_t)blocks * SLOT_SIZE)
		return 0;
	client_mem_free(c, chain);
	return client_mem_alloc(c, (size_t)blocks * SLOT_SIZE, chain);
}

static struct mlx5_cmd_prot_block *block_at(struct client_mem *chain, u32 i)
{
	return (struct mlx5_cmd_prot_block *)(chain->va + (size_t)i * SLOT_SIZE);
}

/* Link @blocks blocks; returns the first one's address. */
static u64 chain_link(struct client *c, struct client_mem *chain, u32 blocks, u8 token)
{
	u32 i;

	for (i = 0; i < blocks; i++) {
		struct mlx5_cmd_prot_block *block = block_at(chain, i);

		memset(block, 0, sizeof(*block));
		block->block_num = cpu_to_be32(i);
		block->token = token;
		if (i + 1 < blocks)
			block->next = cpu_to_be64(client_iova(c, block_at(chain, i + 1)));
	}
	return blocks ? client_iova(c, chain->va) : 0;
}

struct mlx5_cmd_layout *client_cmd_entry(struct client *c, u32 slot)
{
	return (struct mlx5_cmd_layout *)(c->cmdq.page.va + (slot << c->cmdq.log_stride));
}

int client_cmd_fill(struct client *c, u32 slot, const void *in, u32 inlen, u32 outlen)
{
	struct mlx5_cmd_layout *entry = client_cmd_entry(c, slot);
	u32 in_blocks = blocks_for(inlen);
	u32 out_blocks = blocks_for(outlen);
	u32 i;
	int ret;

	ret = chain_reserve(c, &c->cmdq.in, in_blocks);
	if (!ret)
		ret = chain_reserve(c, &c->cmdq.out, out_blocks);
	if (ret)
		return ret;
	if (!++c->cmdq.token)
		c->cmdq.token = 1;
	memset(entry, 0, sizeof(*entry));
	entry->type = MLX5_PCI_CMD_XPORT;
	entry->inlen = cpu_to_be32(inlen);
	entry->outlen = cpu_to_be32(outlen);
	entry->token = c->cmdq.token;
	memcpy(entry->in, in, inlen < sizeof(entry->in) ? inlen : sizeof(entry->in));
	entry->in_ptr = cpu_to_be64(chain_link(c, &c->cmdq.in, in_blocks, entry->token));
	entry->out_ptr = cpu_to_be64(chain_link(c, &c->cmdq.out, out_blocks, entry->token));
	for (i = 0; i < in_blocks; i++) {
		u32 at = 16 + i * MLX5_CMD_DATA_BLOCK_SIZE;
		u32 len = inlen - at;

		memcpy(block_at(&c->cmdq.in, i)->data, (const u8 *)in + at,
		       len < MLX5_CMD_DATA_BLOCK_SIZE ? len : MLX5_CMD_DATA_BLOCK_SIZE);
	}
	__atomic_store_n(&entry->status_own, CMD_OWNER_HW, __ATOMIC_RELEASE);
	return 0;
}

void client_cmd_ring(struct client *c, u32 mask)
{
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	c->ops->iseg_write(c->backend, offsetof(struct mlx5_init_seg, cmd_dbell), mask);
}

/* Completed slots that the command EQ announced. */
static u32 event_slots(struct client *c, int timeout_ms)
{
	struct mlx5_eqe eqe;

	if (client_wait_eq(&c->cmd_eq, &eqe, timeout_ms))
		return 0;
	if (eqe.type != MLX5_EVENT_TYPE_CMD)
		return 0;
	return be32_to_cpu(eqe.data.cmd.vector);
}

int client_cmd_wait(struct client *c, u32 slot, int timeout_ms)
{
	struct mlx5_cmd_layout *entry = client_cmd_entry(c, slot);
	u64 deadline = now_ms() + (u64)timeout_ms;
	bool announced = !c->cmdq.events;

	for (;;) {
		u8 own;

		if (!announced)
			announced = event_slots(c, timeout_ms) & 1U << slot;
		own = __atomic_load_n(&entry->status_own, __ATOMIC_ACQUIRE);
		if (announced && !(own & CMD_OWNER_HW))
			return own >> 1;
		if (now_ms() > deadline)
			return -ETIMEDOUT;
		c->ops->progress(c->backend);
	}
}

void client_cmd_output(struct client *c, u32 slot, void *out, u32 outlen)
{
	struct mlx5_cmd_layout *entry = client_cmd_entry(c, slot);
	u32 i;

	memcpy(out, entry->out, outlen < sizeof(entry->out) ? outlen : sizeof(entry->out));
	for (i = 0; i < blocks_for(outlen); i++) {
		u32 at = 16 + i * MLX5_CMD_DATA_BLOCK_SIZE;
		u32 len = outlen - at;

		memcpy((u8 *)out + at, block_at(&c->cmdq.out, i)->data,
		       len < MLX5_CMD_DATA_BLOCK_SIZE ? len : MLX5_CMD_DATA_BLOCK_SIZE);
	}
}

int client_status_errno(u8 status)
{
	switch (status) {
	case MLX5_CMD_STAT_OK: return 0;
	case MLX5_CMD_STAT_RES_BUSY: return -EBUSY;
	case MLX5_CMD_STAT_NO_RES_ERR: return -EAGAIN;
	case MLX5_CMD_STAT_LIM_ERR: return -ENOMEM;
	case MLX5_CMD_STAT_INT_ERR:
	case MLX5_CMD_STAT_BAD_SYS_STATE_ERR:
	case MLX5_CMD_STAT_BAD_INP_LEN_ERR:
	case MLX5_CMD_STAT_BAD_OUTP_LEN_ERR: return -EIO;
	default: return -EINVAL;
	}
}

int client_exec(struct client *c, const void *in, u32 inlen, void *out, u32 outlen)
{
	void (*before)(struct client *c, const void *in, u32 inlen, u32 outlen) = c->before;
	int ret;

	if (before) {
		c->before = NULL;
		before(c, in, inlen, outlen);
		c->before = before;
	}
	pthread_mutex_lock(&c->cmdq.lock);
	c->status = 0xff;
	c->syndrome = 0;
	ret = client_cmd_fill(c, 0, in, inlen, outlen);
	if (!ret) {
		client_cmd_ring(c, 1);
		ret = client_cmd_wait(c, 0, c->timeout_ms);
	}
	if (ret > 0)
		ret = -EIO;	/* delivery status: the queue itself is at fault */
	if (!ret) {
		client_cmd_output(c, 0, out, outlen);
		c->status = MLX5_GET(alloc_pd_out, out, status);
		c->syndrome = MLX5_GET(alloc_pd_out, out, syndrome);
		ret = client_status_errno(c->status);
	}
	pthread_mutex_unlock(&c->cmdq.lock);
	return ret;
}

int client_cmdq_init(struct client *c)
{
	u32 word;
	u64 iova;
	int ret;

	pthread_mutex_init(&c->cmdq.lock, NULL);
	word = c->ops->iseg_read(c->backend, offsetof(struct mlx5_init_seg, cmdif_rev_fw_sub));
	if (word >> 16 != 5)
		return -EPROTO;
	word = c->ops->iseg_read(c->backend, offsetof(struct mlx5_init_seg, cmdq_addr_l_sz));
	c->cmdq.log_size = word >> 4 & 15;
	c->cmdq.log_stride = word & 15;
	if (c->cmdq.log_size > 5 || c->cmdq.log_stride < 6 ||
	    c->cmdq.log_size + c->cmdq.log_stride > CLIENT_PAGE_SHIFT)
		return -EPROTO;
	ret = client_mem_alloc(c, CLIENT_PAGE, &c->cmdq.page);
	if (!ret)
		ret = chain_reserve(c, &c->cmdq.in, CHAIN_BLOCKS);
	if (!ret)
		ret = chain_reserve(c, &c->cmdq.out, CHAIN_BLOCKS);
	if (ret)
		return ret;
	iova = client_iova(c, c->cmdq.page.va);
	c->ops->iseg_write(c->backend, offsetof(struct mlx5_init_seg, cmdq_addr_h), iova >> 32);
	c->ops->iseg_write(c->backend, offsetof(struct mlx5_init_seg, cmdq_addr_l_sz), (u32)iova);
	return 0;
}

void client_cmdq_fini(struct client *c)
{
	client_mem_free(c, &c->cmdq.in);
	client_mem_free(c, &c->cmdq.out);
	client_mem_free(c, &c->cmdq.page);
	pthread_mutex_destroy(&c->cmdq.lock);
}
