// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Opening an instance, and the bring-up that mlx5_core does. */
#include <errno.h>
#include <stdlib.h>
#include "client.h"

#define CAP_BYTES	MLX5_UN_SZ_BYTES(hca_cap_union)

enum { ISSI = 1 };

static int simple(struct client *c, u16 opcode, u16 op_mod)
{
	u32 in[MLX5_ST_SZ_DW(teardown_hca_in)] = { 0 };
	u32 out[MLX5_ST_SZ_DW(teardown_hca_out)];

	MLX5_SET(teardown_hca_in, in, opcode, opcode);
	MLX5_SET(teardown_hca_in, in, op_mod, op_mod);
	return client_exec(c, in, sizeof(in), out, sizeof(out));
}

static int set_issi(struct client *c)
{
	u32 query_in[MLX5_ST_SZ_DW(query_issi_in)] = { 0 };
	u32 query_out[MLX5_ST_SZ_DW(query_issi_out)];
	u32 in[MLX5_ST_SZ_DW(set_issi_in)] = { 0 };
	u32 out[MLX5_ST_SZ_DW(set_issi_out)];
	int ret;

	MLX5_SET(query_issi_in, query_in, opcode, MLX5_CMD_OP_QUERY_ISSI);
	ret = client_exec(c, query_in, sizeof(query_in), query_out, sizeof(query_out));
	if (ret)
		return ret;
	if (!(MLX5_GET(query_issi_out, query_out, supported_issi_dw0) & 1 << ISSI))
		return 0;
	MLX5_SET(set_issi_in, in, opcode, MLX5_CMD_OP_SET_ISSI);
	MLX5_SET(set_issi_in, in, current_issi, ISSI);
	return client_exec(c, in, sizeof(in), out, sizeof(out));
}

/* @when: 1 boot, 2 init. The instance asks for no pages; giving is not written. */
static int check_pages(struct client *c, u16 when)
{
	u32 in[MLX5_ST_SZ_DW(query_pages_in)] = { 0 };
	u32 out[MLX5_ST_SZ_DW(query_pages_out)];
	int ret;

	MLX5_SET(query_pages_in, in, opcode, MLX5_CMD_OP_QUERY_PAGES);
	MLX5_SET(query_pages_in, in, op_mod, when);
	ret = client_exec(c, in, sizeof(in), out, sizeof(out));
	if (!ret && MLX5_GET(query_pages_out, out, num_pages))
		ret = -ENOTSUP;
	return ret;
}

int client_query_caps(struct client *c, u16 type, bool current, void *caps)
{
	u32 in[MLX5_ST_SZ_DW(query_hca_cap_in)] = { 0 };
	u32 outlen = MLX5_ST_SZ_BYTES(query_hca_cap_out);
	u8 *out = calloc(1, outlen);
	int ret;

	if (!out)
		return -ENOMEM;
	MLX5_SET(query_hca_cap_in, in, opcode, MLX5_CMD_OP_QUERY_HCA_CAP);
	MLX5_SET(query_hca_cap_in, in, op_mod, type << 1 | (current ? 1 : 0));
	ret = client_exec(c, in, sizeof(in), out, outlen);
	if (!ret)
		memcpy(caps, MLX5_ADDR_OF(query_hca_cap_out, out, capability), CAP_BYTES);
	free(out);
	return ret;
}

static int set_caps(struct client *c, u16 type, const void *caps)
{
	u32 inlen = MLX5_ST_SZ_BYTES(set_hca_cap_in);
	u32 out[MLX5_ST_SZ_DW(set_hca_cap_out)];
	u8 *in = calloc(1, inlen);
	int ret;

	if (!in)
		return -ENOMEM;
	MLX5_SET(set_hca_cap_in, in, opcode, MLX5_CMD_OP_SET_HCA_CAP);
	MLX5_SET(set_hca_cap_in, in, op_mod, type << 1);
	memcpy(MLX5_ADDR_OF(set_hca_cap_in, in, capability), caps, CAP_BYTES);
	ret = client_exec(c, in, inlen, out, sizeof(out));
	free(in);
	return ret;
}

/* What mlx5_core changes in the general and atomic capabilities. */
static int negotiate(struct client *c)
{
	u8 caps[CAP_BYTES];
	int ret;

	ret = client_query_caps(c, MLX5_CAP_GENERAL, true, caps);
	if (ret)
		return ret;
	MLX5_SET(cmd_hca_cap, caps, pkey_table_size, 0);
	MLX5_SET(cmd_hca_cap, caps, cmdif_checksum, 0);
	MLX5_SET(cmd_hca_cap, caps, log_uar_page_sz, 0);
	ret = set_caps(c, MLX5_CAP_GENERAL, caps);
	if (ret || !MLX5_GET(cmd_hca_cap, caps, atomic))
		return ret;
	ret = client_query_caps(c, MLX5_CAP_ATOMIC, true, caps);
	if (ret || !MLX5_GET(atomic_caps, caps, supported_atomic_req_8B_endianness_mode_1))
		return ret;
	MLX5_SET(atomic_caps, caps, atomic_req_8B_endianness_mode, 1);
	return set_caps(c, MLX5_CAP_ATOMIC, caps);
}

int client_query_port(struct client *c)
{
	u32 in[MLX5_ST_SZ_DW(query_hca_vport_context_in)] = { 0 };
	u32 out[MLX5_ST_SZ_DW(query_hca_vport_context_out)];
	void *ctx = MLX5_ADDR_OF(query_hca_vport_context_out, out, hca_vport_context);
	int ret;

	MLX5_SET(query_hca_vport_context_in, in, opcode, MLX5_CMD_OP_QUERY_HCA_VPORT_CONTEXT);
	ret = client_exec(c, in, sizeof(in), out, sizeof(out));
	if (ret)
		return ret;
	c->lid = MLX5_GET(hca_vport_context, ctx, lid);
	c->port_guid = MLX5_GET64(hca_vport_context, ctx, port_guid);
	memset(c->gid, 0, sizeof(c->gid));
	c->gid[0] = 0xfe;
	c->gid[1] = 0x80;
	memcpy(&c->gid[8], MLX5_ADDR_OF(hca_vport_context, ctx, port_guid), 8);
	return 0;
}

static int create_eqs(struct client *c)
{
	u64 async = 1ULL << MLX5_EVENT_TYPE_PATH_MIG | 1ULL << MLX5_EVENT_TYPE_COMM_EST |
		    1ULL << MLX5_EVENT_TYPE_SQ_DRAINED | 1ULL << MLX5_EVENT_TYPE_CQ_ERROR |
		    1ULL << MLX5_EVENT_TYPE_WQ_CATAS_ERROR | 1ULL << MLX5_EVENT_TYPE_PORT_CHANGE |
		    1ULL << MLX5_EVENT_TYPE_WQ_INVAL_REQ_ERROR |
		    1ULL << MLX5_EVENT_TYPE_WQ_ACCESS_ERROR |
		    1ULL << MLX5_EVENT_TYPE_SRQ_CATAS_ERROR |
		    1ULL << MLX5_EVENT_TYPE_SRQ_LAST_WQE |
		    1ULL << MLX5_EVENT_TYPE_SRQ_RQ_LIMIT;
	u32 count = c->ops->irq_count(c->backend);
	u32 last = count ? count - 1 : 0;
	int ret;

	/* Without interrupts commands stay polled; CQs need an EQ to name all the same. */
	if (count) {
		ret = client_create_eq(c, 8, 0, 1ULL << MLX5_EVENT_TYPE_CMD, &c->cmd_eq);
		if (ret)
			return ret;
		c->cmdq.events = true;
	}
	ret = client_create_eq(c, 10, last < 1 ? last : 1, async, &c->async_eq);
	if (ret)
		return ret;
	return client_create_eq(c, 11, last < 2 ? last : 2, 0, &c->comp_eq);
}

int client_bring_up(struct client *c, bool events)
{
	u32 init_in[MLX5_ST_SZ_DW(init_hca_in)] = { 0 };
	u32 init_out[MLX5_ST_SZ_DW(init_hca_out)];
	int ret;

	ret = simple(c, MLX5_CMD_OP_ENABLE_HCA, 0);
	if (!ret)
		ret = set_issi(c);
	if (!ret)
		ret = check_pages(c, 1);
	if (!ret)
		ret = negotiate(c);
	if (!ret)
		ret = check_pages(c, 2);
	if (ret)
		return ret;
	MLX5_SET(init_hca_in, init_in, opcode, MLX5_CMD_OP_INIT_HCA);
	ret = client_exec(c, init_in, sizeof(init_in), init_out, sizeof(init_out));
	if (!ret)
		ret = client_query_caps(c, MLX5_CAP_GENERAL, true, c->caps);
	if (!ret)
		ret = client_alloc_uar(c, &c->uar);
	if (ret)
		return ret;
	c->have_uar = true;
	if (events)
		ret = create_eqs(c);
	/* An Ethernet port has no LID. */
	if (ret || MLX5_GET(cmd_hca_cap, c->caps, port_type))
		return ret;
	return client_query_port(c);
}

int client_tear_down(struct client *c)
{
	int ret = 0;

	if (c->comp_eq.mem.va)
		ret |= client_destroy_eq(&c->comp_eq);
	if (c->async_eq.mem.va)
		ret |= client_destroy_eq(&c->async_eq);
	/* The command EQ's own end cannot be announced on it. */
	c->cmdq.events = false;
	if (c->cmd_eq.mem.va)
		ret |= client_destroy_eq(&c->cmd_eq);
	if (c->have_uar)
		ret |= client_dealloc_uar(c, c->uar);
	c->have_uar = false;
	ret |= simple(c, MLX5_CMD_OP_TEARDOWN_HCA, 0);
	ret |= simple(c, MLX5_CMD_OP_DISABLE_HCA, 0);
	return ret ? -EIO : 0;
}

static int wait_initialised(struct client *c)
{
	int tries;

	for (tries = 0; tries < 100000; tries++) {
		u32 word = c->ops->iseg_read(c->backend,
					     offsetof(struct mlx5_init_seg, initializing));

		if (!(word >> 31))
			return 0;
		c->ops->progress(c->backend);
	}
	return -ETIMEDOUT;
}

static void release(struct client *c)
{
	client_mem_free(c, &c->comp_eq.mem);
	client_mem_free(c, &c->async_eq.mem);
	client_mem_free(c, &c->cmd_eq.mem);
	client_cmdq_fini(c);
	client_table_fini(&c->qps);
	client_table_fini(&c->srqs);
	client_table_fini(&c->users);
	c->ops->close(c->backend);
}

void client_abandon(struct client *c)
{
	c->ops->reset(c->backend);
	release(c);
}

int client_open(struct client *c, const struct client_ops *ops, void *backend, u32 flags)
{
	int ret;

	memset(c, 0, sizeof(*c));
	c->ops = ops;
	c->backend = backend;
	c->next_user = 1;
	c->timeout_ms = CLIENT_CMD_TIMEOUT_MS;
	ret = wait_initialised(c);
	if (!ret)
		ret = client_cmdq_init(c);
	if (!ret)
		ret = wait_initialised(c);
	if (!ret && !(flags & CLIENT_NO_INIT))
		ret = client_bring_up(c, !(flags & CLIENT_POLLED));
	if (ret) {
		/* The device must not write into memory that is given back. */
		client_abandon(c);
	}
	return ret;
}

void client_close(struct client *c)
{
	if (client_tear_down(c))
		c->ops->reset(c->backend);
	release(c);
}
