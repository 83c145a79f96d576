// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* UAR pages, and the small objects that are a number and nothing else. */
#include "client.h"

/* ALLOC_x and DEALLOC_x have one layout, that of ALLOC_PD, with other opcodes. */
static int alloc_number(struct client *c, u16 opcode, u32 *number)
{
	u32 in[MLX5_ST_SZ_DW(alloc_pd_in)] = { 0 };
	u32 out[MLX5_ST_SZ_DW(alloc_pd_out)];
	int ret;

	MLX5_SET(alloc_pd_in, in, opcode, opcode);
	ret = client_exec(c, in, sizeof(in), out, sizeof(out));
	if (!ret)
		*number = MLX5_GET(alloc_pd_out, out, pd);
	return ret;
}

static int dealloc_number(struct client *c, u16 opcode, u32 number)
{
	u32 in[MLX5_ST_SZ_DW(dealloc_pd_in)] = { 0 };
	u32 out[MLX5_ST_SZ_DW(dealloc_pd_out)];

	MLX5_SET(dealloc_pd_in, in, opcode, opcode);
	MLX5_SET(dealloc_pd_in, in, pd, number);
	return client_exec(c, in, sizeof(in), out, sizeof(out));
}

int client_alloc_uar(struct client *c, u32 *index)
{
	return alloc_number(c, MLX5_CMD_OP_ALLOC_UAR, index);
}

int client_dealloc_uar(struct client *c, u32 index)
{
	return dealloc_number(c, MLX5_CMD_OP_DEALLOC_UAR, index);
}

int client_alloc_pd(struct client *c, u32 *pd)
{
	return alloc_number(c, MLX5_CMD_OP_ALLOC_PD, pd);
}

int client_dealloc_pd(struct client *c, u32 pd)
{
	return dealloc_number(c, MLX5_CMD_OP_DEALLOC_PD, pd);
}

int client_alloc_xrcd(struct client *c, u32 *xrcd)
{
	return alloc_number(c, MLX5_CMD_OP_ALLOC_XRCD, xrcd);
}

int client_dealloc_xrcd(struct client *c, u32 xrcd)
{
	return dealloc_number(c, MLX5_CMD_OP_DEALLOC_XRCD, xrcd);
}
