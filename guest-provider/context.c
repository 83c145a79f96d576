// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The device and its port, protection domains, address handles. */
#include <stdio.h>
#include "provider.h"

u8 mhca_log2(u32 n)
{
	u8 log = 0;

	while (log < 31 && 1U << log < n)
		log++;
	return log;
}

/* ---- Opening ----------------------------------------------------------- */

struct ibv_context *mhca_open_backend(const char *name, const struct client_ops *ops,
				      void *backend)
{
	struct mhca_context *ctx = calloc(1, sizeof(*ctx));
	int ret;

	if (!ctx) {
		ops->close(backend);
		return mhca_null(-ENOMEM);
	}
	ret = client_open(&ctx->c, ops, backend, 0);
	if (ret) {
		free(ctx);
		return mhca_null(ret);
	}
	pthread_mutex_init(&ctx->lock, NULL);
	pthread_mutex_init(&ctx->ibv.mutex, NULL);
	ctx->device.node_type = IBV_NODE_CA;
	ctx->device.transport_type = IBV_TRANSPORT_IB;
	snprintf(ctx->device.name, sizeof(ctx->device.name), "%s", name);
	ctx->ibv.device = &ctx->device;
	ctx->ibv.ops.poll_cq = mhca_poll_cq;
	ctx->ibv.ops.req_notify_cq = mhca_req_notify_cq;
	ctx->ibv.ops.post_send = mhca_post_send;
	ctx->ibv.ops.post_recv = mhca_post_recv;
	ctx->ibv.ops.post_srq_recv = mhca_post_srq_recv;
	ctx->ibv.cmd_fd = -1;
	ctx->ibv.async_fd = ops->irq_fd ? ops->irq_fd(backend, ctx->c.async_eq.vector) : -1;
	ctx->ibv.num_comp_vectors = 1;
	return &ctx->ibv;
}

int mhca_close(struct ibv_context *context)
{
	struct mhca_context *ctx = to_ctx(context);

	client_close(&ctx->c);
	client_table_fini(&ctx->cqs);
	pthread_mutex_destroy(&ctx->lock);
	pthread_mutex_destroy(&ctx->ibv.mutex);
	free(ctx);
	return 0;
}

/* ---- Device ------------------------------------------------------------ */

#define CAP(ctx, field)		((int)MLX5_GET(cmd_hca_cap, (ctx)->c.caps, field))

int mhca_query_device(struct ibv_context *context, struct ibv_device_attr *attr)
{
	struct mhca_context *ctx = to_ctx(context);
	const u8 *caps = ctx->c.caps;
	u32 words[3];
	u32 i;

	memset(attr, 0, sizeof(*attr));
	for (i = 0; i < 3; i++)
		words[i] = ctx->c.ops->iseg_read(ctx->c.backend, i * 4);
	snprintf(attr->fw_ver, sizeof(attr->fw_ver), "%u.%u.%u", words[0] & 0xffff,
		 words[0] >> 16, words[1] & 0xffff);
	attr->node_guid = cpu_to_be64(ctx->c.port_guid);
	attr->sys_image_guid = attr->node_guid;
	attr->max_mr_size = ~0ULL;
	attr->page_size_cap = CLIENT_PAGE;
	attr->vendor_id = 0x15b3;
	attr->vendor_part_id = 0x101e;
	attr->max_qp = 1 << MLX5_GET(cmd_hca_cap, caps, log_max_qp);
	attr->max_qp_wr = 1 << MLX5_GET(cmd_hca_cap, caps, log_max_qp_sz);
	attr->max_sge = 30;
	attr->max_sge_rd = 30;
	attr->max_cq = 1 << MLX5_GET(cmd_hca_cap, caps, log_max_cq);
	attr->max_cqe = (1 << MLX5_GET(cmd_hca_cap, caps, log_max_cq_sz)) - 1;
	attr->max_mr = 1 << MLX5_GET(cmd_hca_cap, caps, log_max_mkey);
	attr->max_pd = 1 << MLX5_GET(cmd_hca_cap, caps, log_max_pd);
	attr->max_qp_rd_atom = 1 << MLX5_GET(cmd_hca_cap, caps, log_max_ra_req_qp);
	attr->max_qp_init_rd_atom = 1 << MLX5_GET(cmd_hca_cap, caps, log_max_ra_res_qp);
	attr->max_res_rd_atom = attr->max_qp_rd_atom * attr->max_qp;
	attr->atomic_cap = CAP(ctx, atomic) ? IBV_ATOMIC_HCA : IBV_ATOMIC_NONE;
	attr->max_mcast_grp = 1 << MLX5_GET(cmd_hca_cap, caps, log_max_mcg);
	attr->max_mcast_qp_attach = CAP(ctx, max_qp_mcg);
	attr->max_total_mcast_qp_attach = attr->max_mcast_grp * attr->max_mcast_qp_attach;
	attr->max_ah = INT32_MAX;
	attr->max_srq = 1 << MLX5_GET(cmd_hca_cap, caps, log_max_srq);
	attr->max_srq_wr = (1 << MLX5_GET(cmd_hca_cap, caps, log_max_srq_sz)) - 1;
	attr->max_srq_sge = 30;
	attr->max_pkeys = 1;
	attr->phys_port_cnt = 1;
	return 0;
}

/* ---- Port -------------------------------------------------------------- */

int mhca_query_port(struct ibv_context *context, uint8_t port_num, struct ibv_port_attr *attr)
{
	struct mhca_context *ctx = to_ctx(context);
	u32 in[MLX5_ST_SZ_DW(query_hca_vport_context_in)] = { 0 };
	u32 out[MLX5_ST_SZ_DW(query_hca_vport_context_out)];
	void *port = MLX5_ADDR_OF(query_hca_vport_context_out, out, hca_vport_context);
	int ret;

	if (port_num != 1)
		return EINVAL;
	MLX5_SET(query_hca_vport_context_in, in, opcode, MLX5_CMD_OP_QUERY_HCA_VPORT_CONTEXT);
	pthread_mutex_lock(&ctx->lock);
	ret = client_exec(&ctx->c, in, sizeof(in), out, sizeof(out));
	pthread_mutex_unlock(&ctx->lock);
	if (ret)
		return -ret;
	memset(attr, 0, sizeof(*attr));
	attr->state = (enum ibv_port_state)MLX5_GET(hca_vport_context, port, vport_state);
	attr->phys_state = (u8)MLX5_GET(hca_vport_context, port, port_physical_state);
	attr->lid = (u16)MLX5_GET(hca_vport_context, port, lid);
	attr->sm_lid = (u16)MLX5_GET(hca_vport_context, port, sm_lid);
	attr->sm_sl = (u8)MLX5_GET(hca_vport_context, port, sm_sl);
	attr->lmc = (u8)MLX5_GET(hca_vport_context, port, lmc);
	attr->port_cap_flags = MLX5_GET(hca_vport_context, port, cap_mask1);
	attr->max_mtu = IBV_MTU_4096;
	attr->active_mtu = IBV_MTU_4096;
	attr->gid_tbl_len = 1;
	attr->pkey_tbl_len = 1;
	attr->max_msg_sz = 1U << 30;
	attr->max_vl_num = 1;
	attr->active_width = 2;		/* 4x */
	attr->active_speed = 32;	/* EDR */
	attr->link_layer = IBV_LINK_LAYER_INFINIBAND;
	return 0;
}

int mhca_query_gid(struct ibv_context *context, uint8_t port_num, int index, union ibv_gid *gid)
{
	if (port_num != 1 || index) {
		errno = EINVAL;
		return -1;
	}
	memcpy(gid->raw, to_ctx(context)->c.gid, sizeof(gid->raw));
	return 0;
}

int mhca_query_pkey(struct ibv_context *context, uint8_t port_num, int index, __be16 *pkey)
{
	(void)context;
	if (port_num != 1 || index) {
		errno = EINVAL;
		return -1;
	}
	*pkey = cpu_to_be16(0xffff);
	return 0;
}

/* ---- PD, AH ------------------------------------------------------------ */

struct ibv_pd *mhca_alloc_pd(struct ibv_context *context)
{
	struct mhca_context *ctx = to_ctx(context);
	struct mhca_pd *pd = calloc(1, sizeof(*pd));
	int ret;

	if (!pd)
		return NULL;
	pd->ibv.context = context;
	pthread_mutex_lock(&ctx->lock);
	ret = client_alloc_pd(&ctx->c, &pd->number);
	pthread_mutex_unlock(&ctx->lock);
	pd->ibv.handle = pd->number;
	if (!ret)
		return &pd->ibv;
	free(pd);
	return mhca_null(ret);
}

int mhca_dealloc_pd(struct ibv_pd *ibpd)
{
	struct mhca_context *ctx = to_ctx(ibpd->context);
	struct mhca_pd *pd = to_pd(ibpd);
	int ret;

	pthread_mutex_lock(&ctx->lock);
	ret = client_dealloc_pd(&ctx->c, pd->number);
	pthread_mutex_unlock(&ctx->lock);
	if (!ret)
		free(pd);
	return -ret;
}

int mhca_path(const struct ibv_ah_attr *attr, struct client_path *path)
{
	if (attr->port_num != 1 || (attr->is_global && attr->grh.sgid_index))
		return -EINVAL;
	memset(path, 0, sizeof(*path));
	path->dlid = attr->dlid;
	path->sl = attr->sl;
	path->path_bits = attr->src_path_bits & 0x7f;
	path->grh = attr->is_global;
	if (attr->is_global) {
		memcpy(path->dgid, attr->grh.dgid.raw, sizeof(path->dgid));
		path->hop_limit = attr->grh.hop_limit;
		path->tclass = attr->grh.traffic_class;
		path->flow = attr->grh.flow_label & 0xfffff;
	}
	return 0;
}

struct ibv_ah *mhca_create_ah(struct ibv_pd *pd, struct ibv_ah_attr *attr)
{
	struct mhca_ah *ah = calloc(1, sizeof(*ah));
	int ret;

	if (!ah)
		return NULL;
	ret = mhca_path(attr, &ah->path);
	if (ret) {
		free(ah);
		return mhca_null(ret);
	}
	ah->ibv.context = pd->context;
	ah->ibv.pd = pd;
	return &ah->ibv;
}

int mhca_destroy_ah(struct ibv_ah *ah)
{
	free(mhca_to(ah, ibv, ah));
	return 0;
}
