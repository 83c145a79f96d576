// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Memory keys. */
#include <errno.h>
#include <stdlib.h>
#include "client.h"

int client_create_mkey(struct client *c, const struct client_mkey_attr *attr, u32 *key)
{
	u32 out[MLX5_ST_SZ_DW(create_mkey_out)];
	u32 octwords = (attr->n_pas + 1) / 2;
	u32 inlen = MLX5_ST_SZ_BYTES(create_mkey_in) + octwords * 16;
	void *mkc;
	u32 *in;
	int ret;

	in = calloc(1, inlen);
	if (!in)
		return -ENOMEM;
	MLX5_SET(create_mkey_in, in, opcode, MLX5_CMD_OP_CREATE_MKEY);
	MLX5_SET(create_mkey_in, in, translations_octword_actual_size, octwords);
	mkc = MLX5_ADDR_OF(create_mkey_in, in, memory_key_mkey_entry);
	MLX5_SET(mkc, mkc, access_mode_1_0,
		 attr->pa ? MLX5_MKC_ACCESS_MODE_PA : MLX5_MKC_ACCESS_MODE_MTT);
	MLX5_SET(mkc, mkc, umr_en, !attr->pa);
	MLX5_SET(mkc, mkc, lr, 1);
	MLX5_SET(mkc, mkc, lw, !!(attr->access & CLIENT_LOCAL_WRITE));
	MLX5_SET(mkc, mkc, rr, !!(attr->access & CLIENT_REMOTE_READ));
	MLX5_SET(mkc, mkc, rw, !!(attr->access & CLIENT_REMOTE_WRITE));
	MLX5_SET(mkc, mkc, a, !!(attr->access & CLIENT_REMOTE_ATOMIC));
	MLX5_SET(mkc, mkc, qpn, attr->qpn);
	MLX5_SET(mkc, mkc, mkey_7_0, attr->variant);
	MLX5_SET(mkc, mkc, length64, attr->length64);
	MLX5_SET(mkc, mkc, pd, attr->pd);
	MLX5_SET64(mkc, mkc, start_addr, attr->start);
	MLX5_SET64(mkc, mkc, len, attr->len);
	MLX5_SET(mkc, mkc, translations_octword_size, octwords);
	MLX5_SET(mkc, mkc, log_page_size, attr->shift);
	if (attr->n_pas)
		memcpy(MLX5_ADDR_OF(create_mkey_in, in, klm_pas_mtt), attr->pas,
		       attr->n_pas * sizeof(*attr->pas));
	ret = client_exec(c, in, inlen, out, sizeof(out));
	free(in);
	if (!ret)
		*key = MLX5_GET(create_mkey_out, out, mkey_index) << 8 | attr->variant;
	return ret;
}

int client_destroy_mkey(struct client *c, u32 key)
{
	u32 in[MLX5_ST_SZ_DW(destroy_mkey_in)] = { 0 };
	u32 out[MLX5_ST_SZ_DW(destroy_mkey_out)];

	MLX5_SET(destroy_mkey_in, in, opcode, MLX5_CMD_OP_DESTROY_MKEY);
	MLX5_SET(destroy_mkey_in, in, mkey_index, key >> 8);
	return client_exec(c, in, sizeof(in), out, sizeof(out));
}

int client_reg_mr(struct client *c, u32 pd, void *va, size_t len, u32 access, u32 *key)
{
	uintptr_t first = (uintptr_t)va & ~(uintptr_t)(CLIENT_PAGE - 1);
	size_t span = ((uintptr_t)va - first + len + CLIENT_PAGE - 1) & ~(size_t)(CLIENT_PAGE - 1);
	struct client_mkey_attr attr = {
		.pd = pd,
		.access = access,
		.start = (uintptr_t)va,
		.len = len,
		.shift = CLIENT_PAGE_SHIFT,
		.qpn = CLIENT_ANY_QP,
		.variant = 0x5a,
	};
	__be64 *pas;
	int ret;

	pas = calloc(span >> CLIENT_PAGE_SHIFT, sizeof(*pas));
	if (!pas)
		return -ENOMEM;
	attr.pas = pas;
	attr.n_pas = client_page_list(c, (void *)first, span, pas);
	ret = client_create_mkey(c, &attr, key);
	free(pas);
	return ret;
}
