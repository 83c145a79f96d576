// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Images of instances. Node 0 has objects of every kind its port knows, work under way, and
 * is saved; its image is changed and loaded into another instance, which goes on with its
 * guest. An input is the port's type, then a list of changes:
 *
 *   0 record at n bytes     n bytes of a record's body are others
 *   1 record                without it
 *   2 record where          a second time, in front of another one
 *   3 record len            its body is cut, or filled up with zeros
 *   4 record bytes          another head
 *
 * What was loaded is saved and loaded again: what is accepted once is accepted always. The
 * other node must not notice.
 */
#include <mhca/migrate.h>
#include "fuzz.h"
#include "image_format.h"

#define IMAGE_MAX	(1U << 20)
#define MAX_RECORDS	256U
#define MAX_CHANGES	32U
#define LOG_RING	3
#define TAG		7U
#define ROCE		0x01

enum { IMAGE_BYTES, IMAGE_DROP, IMAGE_TWICE, IMAGE_LENGTH, IMAGE_HEAD, IMAGE_CHANGES };

/**
 * struct record - of an image
 * @head: its head
 * @body: what follows
 * @len: bytes of it
 */
struct record {
	struct mhca_record head;
	u8 *body;
	u32 len;
};

/**
 * struct rig - node 0's objects, and its image
 * @w: world
 * @cq: of all of them
 * @qp: RC to itself; UD, with an SRQ and in a group
 * @srq: SRQ
 * @port: a queue of each kind, where there are such
 * @record: the image
 * @n: records of it
 */
struct rig {
	struct fuzz_world *w;
	struct client_cq cq;
	struct client_qp qp[2];
	struct client_srq srq;
	struct client_port port;
	struct record record[MAX_RECORDS];
	u32 n;
};

/* ---- What moves ------------------------------------------------------------- */

static const u8 group[16] = { 0xff, 0x12, [15] = 7 };

/* A key that a WQE may fill: a table of eight translations. */
static void free_key(struct fuzz_node *n)
{
	u8 in[MLX5_ST_SZ_BYTES(create_mkey_in)] = { 0 }, out[16];
	void *mkc = MLX5_ADDR_OF(create_mkey_in, in, memory_key_mkey_entry);

	MLX5_SET(create_mkey_in, in, opcode, MLX5_CMD_OP_CREATE_MKEY);
	MLX5_SET(mkc, mkc, access_mode_1_0, MLX5_MKC_ACCESS_MODE_MTT);
	MLX5_SET(mkc, mkc, umr_en, 1);
	MLX5_SET(mkc, mkc, free, 1);
	MLX5_SET(mkc, mkc, lr, 1);
	MLX5_SET(mkc, mkc, qpn, CLIENT_ANY_QP);
	MLX5_SET(mkc, mkc, pd, n->pd);
	MLX5_SET(mkc, mkc, translations_octword_size, 4);
	fuzz_check(!client_exec(&n->c, in, sizeof(in), out, sizeof(out)), "key");
}

static void open_port(struct rig *r)
{
	struct fuzz_node *n = &r->w->n[0];
	struct client_sge sge = { FUZZ_VA + 0x3000, 2048, n->key };
	u32 i, td, rqt, tir;
	u8 key[40] = { 1 };
	int ret;

	ret = client_open_port(&n->c, n->pd, &r->cq, LOG_RING, 6, TAG, &r->port);
	ret |= client_alloc_td(&n->c, &td);
	ret |= client_create_rqt(&n->c, &r->port.rq.number, 1, &rqt);
	ret |= client_create_tir(&n->c, td, rqt, key, &tir);
	fuzz_check(!ret, "port");
	for (i = 0; i < 3; i++)
		client_post_rq(&r->port.rq, &sge, 1);
	free_key(n);
}

static void post(struct rig *r)
{
	struct fuzz_node *n = &r->w->n[0];
	struct client_sge sge = { FUZZ_VA, 5000, n->key };
	struct client_send wr = {
		.opcode = MLX5_OPCODE_SEND, .flags = CLIENT_SIGNALED, .sge = &sge, .n_sge = 1,
	};
	u32 i;

	for (i = 0; i < 3; i++) {
		client_post_recv(&r->qp[0], i, &sge, 1);
		client_post_srq(&r->srq, i, &sge, 1);
		client_post_send(&r->qp[0], &wr);
	}
	fuzz_run(r->w, 2);
}

static void rig_open(struct rig *r)
{
	struct client_srq_attr srq = { .type = CLIENT_SRQ, .log_size = LOG_RING, .max_sge = 1 };
	struct fuzz_node *n = &r->w->n[0];
	struct client_qp_attr attr;
	struct client_cq_attr cq;
	struct client_modify m;
	int ret;

	srq.pd = n->pd;
	client_cq_attr_init(&cq, 6);
	ret = client_create_cq(&n->c, &cq, &r->cq);
	ret |= client_create_srq(&n->c, &srq, &r->srq);
	client_qp_attr_init(&attr, MLX5_QP_ST_RC, n->pd, &r->cq);
	ret |= client_create_qp(&n->c, &attr, &r->qp[0]);
	client_qp_attr_init(&attr, MLX5_QP_ST_UD, n->pd, &r->cq);
	attr.srq = &r->srq;
	attr.log_rq = CLIENT_NO_QUEUE;
	ret |= client_create_qp(&n->c, &attr, &r->qp[1]);
	client_modify_init(&m);
	fuzz_connect(n, &r->qp[0], n, &r->qp[0], &m);
	m.qkey = FUZZ_QKEY;
	ret |= client_connect_qp(&r->qp[1], &m);
	ret |= client_attach_mcast(&r->qp[1], group);
	fuzz_check(!ret, "set-up: %d", ret);
	if (r->w->roce)
		open_port(r);
	post(r);
}

static void rig_forget(struct rig *r)
{
	u32 i;

	for (i = 0; i < 2; i++)
		client_forget_qp(&r->qp[i]);
	client_forget_srq(&r->srq);
	client_forget_cq(&r->cq);
	if (r->w->roce) {
		client_forget_wq(&r->port.sq);
		client_forget_wq(&r->port.rq);
	}
	for (i = 0; i < r->n; i++)
		free(r->record[i].body);
}

/* ---- Images --------------------------------------------------------------------- */

static u32 save(struct mhca_instance *inst, u8 *image)
{
	struct mhca_save *s = mhca_save_begin(inst);
	ssize_t n;
	u32 len = 0;

	fuzz_check(!IS_ERR(s) && !mhca_save_stop(s), "not saved");
	while ((n = mhca_save_read(s, image + len, IMAGE_MAX - len)) > 0)
		len += n;
	fuzz_check(!n && len < IMAGE_MAX, "%u bytes", len);
	mhca_save_end(s);
	return len;
}

static int load(struct mhca_instance *to, const u8 *image, u32 len)
{
	struct mhca_load *l = mhca_load_begin(to);
	int err;

	fuzz_check(!IS_ERR(l), "no stream");
	err = min_t(ssize_t, mhca_load_write(l, image, len), 0);
	if (!err)
		err = mhca_load_finish(l);
	fuzz_check(!err == !*mhca_load_why(l), "%d: \"%s\"", err, mhca_load_why(l));
	mhca_load_end(l);
	return err;
}

static void take_apart(struct rig *r, const u8 *image, u32 len)
{
	struct record *record;
	u32 at = 0;

	while (at < len) {
		fuzz_check(r->n < MAX_RECORDS, "%u records", r->n);
		record = &r->record[r->n++];
		memcpy(&record->head, image + at, sizeof(record->head));
		record->len = le32_to_cpu(record->head.length);
		record->body = malloc(record->len + 1);
		at += sizeof(record->head);
		memcpy(record->body, image + at, record->len);
		at += record->len;
	}
}

static u32 put_together(const struct rig *r, u8 *image)
{
	u32 i, at = 0;

	for (i = 0; i < r->n; i++) {
		const struct record *record = &r->record[i];

		if (at + sizeof(record->head) + record->len > IMAGE_MAX)
			break;
		memcpy(image + at, &record->head, sizeof(record->head));
		memcpy(image + at + sizeof(record->head), record->body, record->len);
		at += sizeof(record->head) + record->len;
	}
	return at;
}

/* ---- Changes ---------------------------------------------------------------------- */

static void resize(struct record *record, u32 len)
{
	u8 *body = calloc(1, len + 1);

	memcpy(body, record->body, min(len, record->len));
	free(record->body);
	record->body = body;
	record->len = len;
	record->head.length = cpu_to_le32(len);
}

static void twice(struct rig *r, u32 i, u32 where)
{
	struct record copy = r->record[i];

	if (r->n == MAX_RECORDS)
		return;
	copy.body = malloc(copy.len + 1);
	memcpy(copy.body, r->record[i].body, copy.len);
	memmove(&r->record[where + 1], &r->record[where], (r->n - where) * sizeof(copy));
	r->record[where] = copy;
	r->n++;
}

static void change(struct rig *r, struct fuzz_input *in)
{
	u8 kind = fuzz_take8(in) % IMAGE_CHANGES;
	u32 i = fuzz_take8(in) % r->n, at, n;
	struct record *record = &r->record[i];

	switch (kind) {
	case IMAGE_BYTES:
		at = fuzz_take16(in);
		n = fuzz_take8(in);
		at = record->len ? at % record->len : 0;
		fuzz_take_bytes(in, record->body + at, min(n, record->len - at));
		break;
	case IMAGE_DROP:
		free(record->body);
		memmove(record, record + 1, (--r->n - i) * sizeof(*record));
		break;
	case IMAGE_TWICE:
		twice(r, i, fuzz_take8(in) % r->n);
		break;
	case IMAGE_LENGTH:
		resize(record, fuzz_take16(in));
		break;
	case IMAGE_HEAD:
		fuzz_take_bytes(in, &record->head, sizeof(record->head));
		break;
	}
}

/* ---- The move ------------------------------------------------------------------------ */

/* What @to has taken is in its own image, which nobody refuses. */
static void again(struct vmm_user *vmm, struct mhca_instance *to, u8 *image)
{
	struct mhca_instance *second = vmm_user_target(vmm, 0x9100);
	u32 len = save(to, image);
	int err = load(second, image, len);

	fuzz_check(!err, "it was taken once: %d", err);
	mhca_instance_destroy(second);
}

static void move(struct rig *r, struct fuzz_input *in)
{
	struct vmm_user *vmm = r->w->n[0].vmm;
	struct mhca_instance *to = vmm_user_target(vmm, 0x9000);
	u8 *image = malloc(IMAGE_MAX);
	u32 i;

	fuzz_check(!mhca_instance_run(vmm->inst, MHCA_RUN_NONE), "stop");
	take_apart(r, image, save(vmm->inst, image));
	for (i = 0; i < MAX_CHANGES && in->left && r->n; i++)
		change(r, in);
	if (!load(to, image, put_together(r, image))) {
		again(vmm, to, image);
		if (!mhca_instance_run(to, MHCA_RUN_RESPONDER)) {
			vmm_user_switch(vmm, to);
			to = NULL;
		}
	}
	if (to)
		mhca_instance_destroy(to);
	free(image);
	fuzz_check(!mhca_instance_run(vmm->inst, MHCA_RUN_ALL), "run");
	fuzz_settle(r->w);
	fuzz_elapse(r->w, 20 * NSEC_PER_MSEC);
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	struct fuzz_input in = { data, size };
	struct rig *r = calloc(1, sizeof(*r));

	fuzz_check(r, "memory");
	r->w = fuzz_world_create(fuzz_take8(&in) & ROCE);
	rig_open(r);
	move(r, &in);
	rig_forget(r);
	fuzz_world_finish(r->w);
	free(r);
	return 0;
}

/* ---- Seeds ------------------------------------------------------------------------------ */

/* Each record as it is, so that the search has its bytes; and each one missing. */
void fuzz_seeds(void (*add)(const void *data, size_t size))
{
	u8 room[512], *image = malloc(IMAGE_MAX);
	struct rig *r;
	u32 i, roce;

	for (roce = 0; roce < 2; roce++) {
		r = calloc(1, sizeof(*r));
		fuzz_check(r && image, "memory");
		r->w = fuzz_world_create(roce);
		rig_open(r);
		fuzz_check(!mhca_instance_run(r->w->n[0].vmm->inst, MHCA_RUN_NONE), "stop");
		take_apart(r, image, save(r->w->n[0].vmm->inst, image));
		for (i = 0; i < r->n; i++) {
			struct fuzz_output out = { .p = room, .room = sizeof(room) };
			u32 n = min(r->record[i].len, 255U);

			fuzz_put(&out, roce | IMAGE_BYTES << 8 | i << 16, 3);
			fuzz_put(&out, n << 16, 3);
			fuzz_put_bytes(&out, r->record[i].body, n);
			add(out.p, out.len);
			out.len = 0;
			fuzz_put(&out, roce | IMAGE_DROP << 8 | i << 16, 3);
			add(out.p, out.len);
		}
		fuzz_check(!mhca_instance_run(r->w->n[0].vmm->inst, MHCA_RUN_ALL), "run");
		rig_forget(r);
		fuzz_world_finish(r->w);
		free(r);
	}
	free(image);
}
