// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Event queues. */
#include <errno.h>
#include <stdlib.h>
#include <time.h>
#include "client.h"

static struct mlx5_eqe *eqe_at(struct client_eq *eq, u32 i)
{
	return (struct mlx5_eqe *)eq->mem.va + (i & ((1U << eq->log_size) - 1));
}

int client_create_eq(struct client *c, u8 log_size, u32 vector, u64 mask,
		     struct client_eq *eq)
{
	u32 out[MLX5_ST_SZ_DW(create_eq_out)] = { 0 };
	size_t bytes = sizeof(struct mlx5_eqe) << log_size;
	u32 pages = (bytes + CLIENT_PAGE - 1) >> CLIENT_PAGE_SHIFT;
	u32 inlen = MLX5_ST_SZ_BYTES(create_eq_in) + pages * 8;
	void *eqc;
	u32 *in;
	u32 i;
	int ret;

	memset(eq, 0, sizeof(*eq));
	eq->c = c;
	eq->vector = vector;
	eq->log_size = log_size;
	ret = client_mem_alloc(c, bytes, &eq->mem);
	if (ret)
		return ret;
	for (i = 0; i < 1U << log_size; i++)
		eqe_at(eq, i)->owner = 1;
	in = calloc(1, inlen);
	if (!in) {
		client_mem_free(c, &eq->mem);
		return -ENOMEM;
	}
	MLX5_SET(create_eq_in, in, opcode, MLX5_CMD_OP_CREATE_EQ);
	MLX5_SET64(create_eq_in, in, event_bitmask[0], mask);
	eqc = MLX5_ADDR_OF(create_eq_in, in, eq_context_entry);
	MLX5_SET(eqc, eqc, log_eq_size, log_size);
	MLX5_SET(eqc, eqc, uar_page, c->uar);
	MLX5_SET(eqc, eqc, intr, vector);
	MLX5_SET(eqc, eqc, log_page_size, 0);
	client_page_list(c, eq->mem.va, bytes, MLX5_ADDR_OF(create_eq_in, in, pas));
	ret = client_exec(c, in, inlen, out, sizeof(out));
	free(in);
	if (ret) {
		client_mem_free(c, &eq->mem);
		return ret;
	}
	eq->eqn = MLX5_GET(create_eq_out, out, eq_number);
	client_arm_eq(eq);
	return 0;
}

int client_destroy_eq(struct client_eq *eq)
{
	u32 in[MLX5_ST_SZ_DW(destroy_eq_in)] = { 0 };
	u32 out[MLX5_ST_SZ_DW(destroy_eq_out)];
	int ret;

	MLX5_SET(destroy_eq_in, in, opcode, MLX5_CMD_OP_DESTROY_EQ);
	MLX5_SET(destroy_eq_in, in, eq_number, eq->eqn);
	ret = client_exec(eq->c, in, sizeof(in), out, sizeof(out));
	if (!ret)
		client_mem_free(eq->c, &eq->mem);
	return ret;
}

bool client_poll_eq(struct client_eq *eq, struct mlx5_eqe *eqe)
{
	struct mlx5_eqe *next = eqe_at(eq, eq->ci);
	u8 owner = __atomic_load_n(&next->owner, __ATOMIC_ACQUIRE);

	if ((owner ^ eq->ci >> eq->log_size) & 1)
		return false;
	memcpy(eqe, next, sizeof(*eqe));
	eq->ci++;
	return true;
}

static void doorbell(struct client_eq *eq, u32 offset)
{
	__be32 word = cpu_to_be32(eq->eqn << 24 | (eq->ci & 0xffffff));

	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	eq->c->ops->uar_write32(eq->c->backend, eq->c->uar, offset, word);
}

void client_arm_eq(struct client_eq *eq)
{
	doorbell(eq, 0x40);
}

void client_update_eq(struct client_eq *eq)
{
	doorbell(eq, 0x48);
}

int client_wait_eq(struct client_eq *eq, struct mlx5_eqe *eqe, int timeout_ms)
{
	int waited = 0;

	for (;;) {
		if (client_poll_eq(eq, eqe)) {
			client_arm_eq(eq);
			return 0;
		}
		if (waited > timeout_ms)
			return -ETIMEDOUT;
		eq->c->ops->progress(eq->c->backend);
		/* Short steps: progress() may be what makes the event come. */
		if (!eq->c->ops->irq_wait(eq->c->backend, eq->vector, 2))
			waited += 2;
	}
}
