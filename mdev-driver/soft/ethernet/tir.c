// SPDX-License-Identifier: GPL-2.0-only
/*
 * Dispatch objects: RQT (a list of receive queues), TIR (how a frame is dealt to
 * one of them), TIS (what a send queue belongs to).
 *
 * The engine reads them without a lock. What a command changes is built anew and
 * exchanged; the old one is freed when nobody can be reading it any more.
 */
#include <mhca/kernel.h>
#include "ethernet.h"

/* ---- RQT ----------------------------------------------------------------- */

static void soft_rqs_free(struct soft_rqs *rqs)
{
	u32 i;

	for (i = 0; rqs && i < rqs->n; i++)
		mhca_object_drop(&rqs->rq[i]->obj);
	kvfree(rqs);
}

/* Looks up and holds each RQ of the list. */
static enum mhca_syndrome soft_rqs_build(struct mhca_instance *inst, const void *rqtc,
					 struct soft_rqs **out)
{
	u32 i, n = MLX5_GET(rqtc, rqtc, rqt_actual_size);
	const u8 *list = MLX5_ADDR_OF(rqtc, rqtc, rq_num);
	struct mhca_object *obj;
	struct soft_rqs *rqs;

	rqs = kvzalloc(struct_size(rqs, rq, n), GFP_KERNEL);
	if (!rqs)
		return MHCA_SYN_NO_MEMORY;
	for (i = 0; i < n; i++, list += MLX5_ST_SZ_BYTES(rq_num)) {
		obj = mhca_object_find(inst, MHCA_RQ, MLX5_GET(rq_num, list, rq_num));
		if (!obj) {
			soft_rqs_free(rqs);
			return MHCA_SYN_NO_OBJECT;
		}
		mhca_object_hold(obj);
		rqs->rq[i] = (struct soft_rq *)obj;
		rqs->n = i + 1;
	}
	*out = rqs;
	return MHCA_SYN_NONE;
}

static enum mhca_syndrome soft_rqt_create(struct mhca_cmd *cmd)
{
	const void *rqtc = MLX5_ADDR_OF(create_rqt_in, cmd->in, rqt_context);
	struct soft_rqt *rqt = (struct soft_rqt *)cmd->obj;
	struct soft_rqs *rqs = NULL;
	enum mhca_syndrome syndrome;

	rqt->max = MLX5_GET(rqtc, rqtc, rqt_max_size);
	syndrome = soft_rqs_build(cmd->inst, rqtc, &rqs);
	if (syndrome)
		return syndrome;
	syndrome = mhca_object_number(&rqt->obj, 1, MHCA_NUMBER_MAX);
	if (syndrome) {
		soft_rqs_free(rqs);
		return syndrome;
	}
	rqt->rqs = rqs;
	return MHCA_SYN_NONE;
}

/* The command that creates the table with the list that @rqtc says; NULL: no memory. */
static void *soft_rqt_created(const struct soft_rqt *rqt, const void *rqtc, u32 *len)
{
	u32 n = MLX5_GET(rqtc, rqtc, rqt_actual_size);
	u32 list = n * MLX5_ST_SZ_BYTES(rq_num);
	void *created, *ctx;

	*len = MLX5_ST_SZ_BYTES(create_rqt_in) + list;
	created = kvmalloc(*len, GFP_KERNEL_ACCOUNT);
	if (!created)
		return NULL;
	memcpy(created, rqt->obj.created, MLX5_ST_SZ_BYTES(create_rqt_in));
	ctx = MLX5_ADDR_OF(create_rqt_in, created, rqt_context);
	MLX5_SET(rqtc, ctx, rqt_actual_size, n);
	memcpy(MLX5_ADDR_OF(rqtc, ctx, rq_num), MLX5_ADDR_OF(rqtc, rqtc, rq_num), list);
	return created;
}

static enum mhca_syndrome soft_rqt_modify(struct mhca_cmd *cmd)
{
	const void *rqtc = MLX5_ADDR_OF(modify_rqt_in, cmd->in, ctx);
	struct soft_rqt *rqt = (struct soft_rqt *)cmd->obj;
	struct soft_rqs *rqs = NULL, *old = rqt->rqs;
	enum mhca_syndrome syndrome;
	void *created;
	u32 len;

	if (!MLX5_GET(modify_rqt_in, cmd->in, bitmask.rqn_list))
		return MHCA_SYN_NONE;
	if (MLX5_GET(rqtc, rqtc, rqt_actual_size) > rqt->max)
		return MHCA_SYN_QUEUE_SIZE;
	created = soft_rqt_created(rqt, rqtc, &len);
	syndrome = created ? soft_rqs_build(cmd->inst, rqtc, &rqs) : MHCA_SYN_NO_MEMORY;
	if (syndrome) {
		kvfree(created);
		return syndrome;
	}
	swap(rqt->obj.created, created);
	rqt->obj.created_len = len;
	kvfree(created);
	smp_store_release(&rqt->rqs, rqs);	/* filled before it is found */
	synchronize_srcu_expedited(&soft_hca_of(cmd->inst)->srcu);
	soft_rqs_free(old);
	return MHCA_SYN_NONE;
}

static void soft_rqt_destroy(struct mhca_object *obj)
{
	struct soft_rqt *rqt = (struct soft_rqt *)obj;

	soft_rqs_free(rqt->rqs);
	rqt->rqs = NULL;
}

const struct mhca_object_ops soft_rqt_ops = {
	.size = sizeof(struct soft_rqt),
	.create = soft_rqt_create,
	.modify = soft_rqt_modify,
	.destroy = soft_rqt_destroy,
	.stateless = true,
	.fenced = true,
};

/* ---- TIR ----------------------------------------------------------------- */

static void soft_tir_hash(struct soft_tir_attr *attr, const void *tirc)
{
	const void *fields = MLX5_ADDR_OF(tirc, tirc, rx_hash_field_selector_outer);

	attr->hash = MLX5_GET(tirc, tirc, rx_hash_fn);
	attr->symmetric = MLX5_GET(tirc, tirc, rx_hash_symmetric);
	attr->l3_ipv6 = MLX5_GET(rx_hash_field_select, fields, l3_prot_type);
	attr->l4_udp = MLX5_GET(rx_hash_field_select, fields, l4_prot_type);
	attr->fields = MLX5_GET(rx_hash_field_select, fields, selected_fields);
	memcpy(attr->key, MLX5_ADDR_OF(tirc, tirc, rx_hash_toeplitz_key), sizeof(attr->key));
}

static void soft_tir_loopback(struct soft_tir_attr *attr, const void *tirc)
{
	/*
	 * Its name misleads: drivers set the bit to get the unicast frames back that they
	 * send to themselves, and clear it to be spared (it was self_lb_en once).
	 */
	attr->own_unicast = MLX5_GET(tirc, tirc, self_lb_block) &
			    MLX5_TIRC_SELF_LB_BLOCK_BLOCK_UNICAST;
}

static enum mhca_syndrome soft_tir_create(struct mhca_cmd *cmd)
{
	const void *tirc = MLX5_ADDR_OF(create_tir_in, cmd->in, ctx);
	struct soft_tir *tir = (struct soft_tir *)cmd->obj;
	enum mhca_syndrome syndrome;
	struct soft_tir_attr *attr;

	BUILD_BUG_ON(sizeof(attr->key) != MLX5_FLD_SZ_BYTES(tirc, rx_hash_toeplitz_key));
	attr = kzalloc(sizeof(*attr), GFP_KERNEL);
	if (!attr)
		return MHCA_SYN_NO_MEMORY;
	attr->rq = (struct soft_rq *)cmd->ref[1];
	attr->rqt = (struct soft_rqt *)cmd->ref[2];
	soft_tir_hash(attr, tirc);
	soft_tir_loopback(attr, tirc);
	syndrome = mhca_object_number(&tir->obj, 1, MHCA_NUMBER_MAX);
	if (syndrome) {
		kfree(attr);
		return syndrome;
	}
	tir->attr = attr;
	return MHCA_SYN_NONE;
}

/* Where it deals to cannot be changed, how it deals can. */
static enum mhca_syndrome soft_tir_modify(struct mhca_cmd *cmd)
{
	const void *tirc = MLX5_ADDR_OF(modify_tir_in, cmd->in, ctx);
	struct soft_tir *tir = (struct soft_tir *)cmd->obj;
	struct soft_tir_attr *attr, *old = tir->attr;

	attr = kmalloc(sizeof(*attr), GFP_KERNEL);
	if (!attr)
		return MHCA_SYN_NO_MEMORY;
	memcpy(attr, old, sizeof(*attr));
	if (MLX5_GET(modify_tir_in, cmd->in, bitmask.hash))
		soft_tir_hash(attr, tirc);
	if (MLX5_GET(modify_tir_in, cmd->in, bitmask.self_lb_en))
		soft_tir_loopback(attr, tirc);
	smp_store_release(&tir->attr, attr);	/* filled before it is found */
	synchronize_srcu_expedited(&soft_hca_of(cmd->inst)->srcu);
	kfree(old);
	return MHCA_SYN_NONE;
}

static void soft_tir_destroy(struct mhca_object *obj)
{
	struct soft_tir *tir = (struct soft_tir *)obj;

	kfree(tir->attr);
	tir->attr = NULL;
}

const struct mhca_object_ops soft_tir_ops = {
	.size = sizeof(struct soft_tir),
	.create = soft_tir_create,
	.modify = soft_tir_modify,
	.update = soft_tir_update,
	.destroy = soft_tir_destroy,
	.stateless = true,
	.fenced = true,
};

/* ---- TIS ----------------------------------------------------------------- */

static enum mhca_syndrome soft_tis_create(struct mhca_cmd *cmd)
{
	return mhca_object_number(cmd->obj, 1, MHCA_NUMBER_MAX);
}

/* Its priority and port are hints that nothing here acts on. */
static enum mhca_syndrome soft_tis_modify(struct mhca_cmd *cmd)
{
	return MHCA_SYN_NONE;
}

const struct mhca_object_ops soft_tis_ops = {
	.size = sizeof(struct mhca_object),
	.create = soft_tis_create,
	.modify = soft_tis_modify,
	.stateless = true,
};
