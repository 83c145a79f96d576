// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Keys that name pieces of other keys, and multicast groups. An input is a list of
 * records: those of queues.h, and
 *
 *   6 qp key flags mask(2) offset(2) start(2) len(2) access n entries   a UMR WQE; an entry
 *                      is key, address (2), bytes (2)
 *   7 qp op n remote(2) segs   a work request through such keys; a segment is key,
 *                      address (2), length
 *   8 qp n segs        a receive WQE of n data segments
 *   9 group            the datagram QP comes into a group, or leaves it
 *  10 group len        a datagram to a group
 *  11 qp at bytes      16 bytes of the WQE posted last, before anything has run
 *  12 qp at bytes n    the same by another thread, all the time while n turns run
 *
 * Memory outside of the direct keys must not change on either side, nobody holds a key
 * when all is quiet, and the sums of entries are what the entries say.
 */
#include <pthread.h>
#include "queues.h"

#define MAX_RECORDS	96
#define MAX_RACES	4
#define KLMS		4U
#define ENTRIES		16U	/* of a key; the last one has many more */
#define MANY		1024U
#define NAMES		(3 + KLMS + 4)
#define EDGE		(6 + KLMS)	/* name of a key that begins and ends inside a page: */
#define EDGE_FROM	(OPEN_TO + 0x101U)
#define EDGE_TO		(OPEN_TO + 0x6feU)

enum {
	KEYS_BIND = QUEUES_RECORDS, KEYS_USE, KEYS_RECV, KEYS_MEMBER, KEYS_CRY, KEYS_REWRITE,
	KEYS_RACE, KEYS_RECORDS
};

/**
 * struct keys - what an input plays with
 * @q: queues and direct keys
 * @klm: indirect keys
 * @edge: direct key of [EDGE_FROM, EDGE_TO)
 * @member: groups that the datagram QP is in
 * @races: records with a thread so far
 */
struct keys {
	struct queues q;
	u32 klm[KLMS];
	u32 edge;
	bool member[4];
	u32 races;
};

static struct fuzz_node *owner(struct keys *k)
{
	return &k->q.w->n[0];
}

static void klm_create(struct keys *k, u32 i)
{
	u8 in[MLX5_ST_SZ_BYTES(create_mkey_in)] = { 0 };
	void *mkc = MLX5_ADDR_OF(create_mkey_in, in, memory_key_mkey_entry);
	u32 out[MLX5_ST_SZ_DW(create_mkey_out)];
	int ret;

	MLX5_SET(create_mkey_in, in, opcode, MLX5_CMD_OP_CREATE_MKEY);
	MLX5_SET(mkc, mkc, free, 1);
	MLX5_SET(mkc, mkc, umr_en, 1);
	MLX5_SET(mkc, mkc, en_rinval, i & 1);
	MLX5_SET(mkc, mkc, access_mode_1_0, MLX5_MKC_ACCESS_MODE_KLMS);
	MLX5_SET(mkc, mkc, lr, 1);
	MLX5_SET(mkc, mkc, lw, 1);
	MLX5_SET(mkc, mkc, qpn, CLIENT_ANY_QP);
	MLX5_SET(mkc, mkc, mkey_7_0, 0x5a);
	MLX5_SET(mkc, mkc, pd, owner(k)->pd);
	MLX5_SET(mkc, mkc, translations_octword_size, i == KLMS - 1 ? MANY : ENTRIES);
	ret = client_exec(&owner(k)->c, in, sizeof(in), out, sizeof(out));
	fuzz_check(!ret, "key: %d", ret);
	k->klm[i] = MLX5_GET(create_mkey_out, out, mkey_index) << 8 | 0x5a;
}

/* Direct keys, indirect ones, the other node's, and what was never one. */
static u32 name(const struct keys *k, u8 choice)
{
	choice %= NAMES;
	if (choice == EDGE)
		return k->edge;
	if (choice < 3)
		return k->q.key[choice];
	if (choice < 3 + KLMS)
		return k->klm[choice - 3];
	return choice == 3 + KLMS ? k->q.window : choice == 4 + KLMS ? 0x12345600 : k->klm[0] ^ 1;
}

static bool is_klm(u8 choice)
{
	return choice % NAMES >= 3 && choice % NAMES < 3 + KLMS;
}

/* An address under a key: indirect ones begin at 0 as a rule. */
static u64 address(u8 choice, u16 at)
{
	return is_klm(choice) ? at & 0x3ff : FUZZ_VA + (u64)at;
}

static void post_raw(struct client_qp *qp, void *raw, u32 ds, bool ring)
{
	struct mlx5_wqe_ctrl_seg *ctrl = raw;

	ctrl->qpn_ds = cpu_to_be32(qp->qpn << 8 | ds);
	qp->sq.tail = qp->sq.head;
	qp->no_doorbell = !ring;
	client_post_raw(qp, 0, raw, ds);
	qp->no_doorbell = false;
}

static const u64 mask_bits[16] = {
	MLX5_MKEY_MASK_FREE, MLX5_MKEY_MASK_LEN, MLX5_MKEY_MASK_START_ADDR, MLX5_MKEY_MASK_KEY,
	MLX5_MKEY_MASK_LR, MLX5_MKEY_MASK_LW, MLX5_MKEY_MASK_RR, MLX5_MKEY_MASK_RW,
	MLX5_MKEY_MASK_A, MLX5_MKEY_MASK_QPN, MLX5_MKEY_MASK_EN_RINVAL, MLX5_MKEY_MASK_PD,
	MLX5_MKEY_MASK_SMALL_FENCE, MLX5_MKEY_MASK_PAGE_SIZE, MLX5_MKEY_MASK_BSF_EN, 0,
};

static void bind_fields(struct keys *k, struct mlx5_wqe_umr_ctrl_seg *umr, struct client_qp *qp,
			struct fuzz_input *in)
{
	u16 mask = fuzz_take16(in), offset = fuzz_take16(in);
	void *mkc = umr + 1;
	u64 bits = 0;
	u8 access;
	u32 i;

	for (i = 0; i < 16; i++)
		bits |= mask >> i & 1 ? mask_bits[i] : 0;
	umr->mkey_mask = cpu_to_be64(bits);
	umr->xlt_offset = cpu_to_be16(offset & 0x8000 ? offset : offset % (MANY + 8));
	MLX5_SET64(mkc, mkc, start_addr, fuzz_take16(in) & 0x103);
	MLX5_SET64(mkc, mkc, len, fuzz_take16(in));
	access = fuzz_take8(in);
	MLX5_SET(mkc, mkc, free, access >> 7);
	MLX5_SET(mkc, mkc, lr, access & 1);
	MLX5_SET(mkc, mkc, lw, access >> 1 & 1);
	MLX5_SET(mkc, mkc, rr, access >> 2 & 1);
	MLX5_SET(mkc, mkc, rw, access >> 3 & 1);
	MLX5_SET(mkc, mkc, a, access >> 4 & 1);
	MLX5_SET(mkc, mkc, en_rinval, access >> 5 & 1);
	MLX5_SET(mkc, mkc, qpn, access & 0x40 ? qp->qpn : CLIENT_ANY_QP);
	MLX5_SET(mkc, mkc, mkey_7_0, 0x5a);
	MLX5_SET(mkc, mkc, pd, owner(k)->pd);
}

static void bind_step(struct keys *k, struct fuzz_input *in)
{
	struct client_qp *qp = &k->q.qp[fuzz_take8(in) % QUEUES];
	u32 key = k->klm[fuzz_take8(in) % KLMS], n, i, ds;
	u8 raw[512] __aligned(8) = { 0 };
	struct mlx5_wqe_ctrl_seg *ctrl = (void *)raw;
	struct mlx5_wqe_umr_ctrl_seg *umr = (void *)(ctrl + 1);
	struct mlx5_klm *klm = (void *)((u8 *)(umr + 1) + MLX5_ST_SZ_BYTES(mkc));
	struct mlx5_wqe_data_seg *data = (void *)klm;
	u8 flags = fuzz_take8(in);

	ctrl->opmod_idx_opcode = cpu_to_be32(MLX5_OPCODE_UMR);
	ctrl->fm_ce_se = MLX5_WQE_CTRL_CQ_UPDATE;
	ctrl->imm = cpu_to_be32(key);
	umr->flags = flags & (MLX5_UMR_INLINE | MLX5_UMR_CHECK_FREE | MLX5_UMR_CHECK_NOT_FREE |
			      MLX5_UMR_TRANSLATION_OFFSET_EN);
	bind_fields(k, umr, qp, in);
	n = fuzz_take8(in) % 9;
	ds = 8 + n;
	umr->xlt_octowords = cpu_to_be16(n);
	if (!(flags & MLX5_UMR_INLINE) && n) {
		klm = (void *)(owner(k)->mem.va + 0xa000 + (flags & 8) * 16);
		data->byte_count = cpu_to_be32(n * sizeof(*klm));
		data->lkey = cpu_to_be32(name(k, flags >> 4));
		data->addr = cpu_to_be64(FUZZ_VA + 0xa000 + (flags & 8) * 16);
		ds = 9;
	}
	for (i = 0; i < n; i++) {
		u8 choice = fuzz_take8(in);

		klm[i].key = cpu_to_be32(name(k, choice));
		klm[i].va = cpu_to_be64(address(choice, fuzz_take16(in)));
		klm[i].bcount = cpu_to_be32(fuzz_take16(in) & 0x83ff);
	}
	post_raw(qp, raw, ds, true);
}

static u32 take_segs(struct keys *k, struct client_sge *sge, u32 n, struct fuzz_input *in)
{
	u32 i;

	for (i = 0; i < n; i++) {
		u8 choice = fuzz_take8(in);

		sge[i].lkey = name(k, choice);
		sge[i].addr = address(choice, fuzz_take16(in));
		sge[i].len = fuzz_take8(in) * (choice & 0x80 ? 8 : 1);
	}
	return n;
}

static void use_step(struct keys *k, struct fuzz_input *in)
{
	static const u8 opcodes[] = {
		MLX5_OPCODE_SEND, MLX5_OPCODE_RDMA_WRITE, MLX5_OPCODE_RDMA_READ,
		MLX5_OPCODE_ATOMIC_FA, MLX5_OPCODE_ATOMIC_CS, MLX5_OPCODE_SEND_INVAL,
		MLX5_OPCODE_RDMA_WRITE_IMM, MLX5_OPCODE_SEND_IMM,
	};
	u8 which = fuzz_take8(in) % QUEUES, op = fuzz_take8(in), segs = fuzz_take8(in);
	struct client_qp *qp = &k->q.qp[which];
	struct client_path path = { .dlid = owner(k)->c.lid, .hop_limit = 1 };
	struct client_sge sge[3];
	u16 at = fuzz_take16(in);
	struct client_send wr = {
		.opcode = opcodes[op & 7], .flags = CLIENT_SIGNALED, .sge = sge, .path = &path,
		.dqpn = k->q.qp[4].qpn, .qkey = FUZZ_QKEY, .swap_add = 1,
		.rkey = name(k, op >> 3), .remote_addr = address(op >> 3, at),
		.imm = cpu_to_be32(name(k, op >> 3)),
	};

	if (which == 4)
		wr.opcode = MLX5_OPCODE_SEND;
	wr.n_sge = take_segs(k, sge, segs % 4, in);
	qp->sq.tail = qp->sq.head;
	client_post_send(qp, &wr);
}

static void recv_step(struct keys *k, struct fuzz_input *in)
{
	struct client_qp *qp = &k->q.qp[fuzz_take8(in) % QUEUES];
	struct client_sge sge[3];
	u32 n = take_segs(k, sge, fuzz_take8(in) % 4, in);

	if (!qp->rq.wr_id)
		return;
	client_post_recv(qp, 0, sge, n);
}

static void group_gid(u8 choice, u8 gid[16])
{
	memset(gid, 0, 16);
	gid[0] = 0xff;
	gid[1] = 0x12;
	gid[15] = choice & 3;
}

static void member_step(struct keys *k, struct fuzz_input *in)
{
	u8 choice = fuzz_take8(in) & 3, gid[16];
	bool *member = &k->member[choice];
	int ret;

	group_gid(choice, gid);
	ret = *member ? client_detach_mcast(&k->q.qp[4], gid) :
			client_attach_mcast(&k->q.qp[4], gid);
	/* Commands work as long as the input leaves the command queue alone. */
	fuzz_check(!ret, "group: %d", ret);
	*member = !*member;
}

static void cry_step(struct keys *k, struct fuzz_input *in)
{
	struct client_path path = { .dlid = 0xc001, .grh = true, .hop_limit = 1 };
	struct client_sge sge[3];
	struct client_send wr = {
		.opcode = MLX5_OPCODE_SEND, .flags = CLIENT_SIGNALED, .sge = sge, .path = &path,
		.dqpn = 0xffffff, .qkey = FUZZ_QKEY,
	};

	group_gid(fuzz_take8(in), path.dgid);
	wr.n_sge = take_segs(k, sge, fuzz_take8(in) % 4, in);
	k->q.qp[4].sq.tail = k->q.qp[4].sq.head;
	client_post_send(&k->q.qp[4], &wr);
}

/* Where the WQE that was posted last lies; @at: which 16 bytes of it. */
static u8 *last_wqe(struct client_qp *qp, u8 at)
{
	u32 size = 64U << qp->sq.log_size;
	u32 offset = (qp->sq.head - 1U - (at >> 4)) * 64U + (at & 3) * 16U;

	return qp->sq.base + offset % size;
}

static void rewrite_step(struct keys *k, struct fuzz_input *in)
{
	struct client_qp *qp = &k->q.qp[fuzz_take8(in) % QUEUES];
	u8 *at = last_wqe(qp, fuzz_take8(in));

	fuzz_take_bytes(in, at, 16);
}

struct race {
	u64 *at;
	u64 value[2];
	bool stop;
};

static void *race_thread(void *arg)
{
	struct race *race = arg;
	u32 i;

	for (i = 0; !__atomic_load_n(&race->stop, __ATOMIC_RELAXED); i++)
		__atomic_store_n(race->at, race->value[i & 1], __ATOMIC_RELAXED);
	return NULL;
}

/* Another CPU of the guest: what is copied once is checked; what is read again is not. */
static void race_step(struct keys *k, struct fuzz_input *in)
{
	struct client_qp *qp = &k->q.qp[fuzz_take8(in) % QUEUES];
	struct race race = { .at = (u64 *)last_wqe(qp, fuzz_take8(in)) };
	pthread_t thread;

	race.value[0] = *race.at;
	fuzz_take_bytes(in, &race.value[1], 8);
	if (k->races++ >= MAX_RACES || pthread_create(&thread, NULL, race_thread, &race))
		return;
	fuzz_run(k->q.w, fuzz_take8(in) % 32);
	__atomic_store_n(&race.stop, true, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
}

/* What lies around the edge key is as it was; then what is under it, too. */
static void check_edge(struct keys *k)
{
	struct fuzz_node *n = owner(k);

	memcpy(n->mem.va + EDGE_FROM, n->before + EDGE_FROM, EDGE_TO - EDGE_FROM);
	fuzz_unchanged(n, OPEN_FROM, OPEN_TO);
}

/* When all is quiet: nobody holds a key, and where its entries end is what they say. */
static void check_keys(struct keys *k)
{
	const struct soft_mkey *mkey;
	const struct mlx5_klm *klm;
	u64 end;
	u32 i, n;

	fuzz_settle(k->q.w);
	for (i = 0; i < KLMS; i++) {
		mkey = soft_mkey_at(owner(k)->vmm->inst, k->klm[i]);
		fuzz_check(mkey && !atomic_read(&mkey->holds), "key %u is held", i);
		klm = (const struct mlx5_klm *)mkey->xlt;
		for (n = 0, end = 0; n < soft_mkey_klms(mkey); n++) {
			end += be32_to_cpu(klm[n].bcount);
			fuzz_check(mkey->ends[n] == end, "entry %u ends at 0x%llx, not 0x%llx", n,
				   (unsigned long long)mkey->ends[n], (unsigned long long)end);
		}
	}
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	static void (*const steps[])(struct keys *k, struct fuzz_input *in) = {
		bind_step, use_step, recv_step, member_step, cry_step, rewrite_step, race_step,
	};
	struct fuzz_input in = { data, size };
	struct keys k = { .q.w = fuzz_world_create(false) };
	u32 i;

	queues_open(&k.q);
	for (i = 0; i < KLMS; i++)
		klm_create(&k, i);
	k.edge = fuzz_key(owner(&k), EDGE_FROM, EDGE_TO - EDGE_FROM, CLIENT_ALL_ACCESS);
	for (i = 0; in.left && i < MAX_RECORDS; i++) {
		u8 kind = fuzz_take8(&in) % KEYS_RECORDS;

		if (!queues_record(&k.q, kind, &in))
			steps[kind - QUEUES_RECORDS](&k, &in);
		/* A rewrite is for what has not run yet. */
		if (kind != KEYS_BIND && kind != KEYS_USE && kind != KEYS_CRY)
			fuzz_run(k.q.w, 4);
		queues_serve(&k.q);
	}
	check_keys(&k);
	check_edge(&k);
	queues_close(&k.q);
	return 0;
}

/* ---- Seeds -------------------------------------------------------------------- */

static u32 rng;

static u32 below(u32 n)
{
	rng = rng * 1664525U + 1013904223U;
	return (rng >> 8) % n;
}

/* Valid entries of the wide key, all access, from 0 on. */
static void seed_bind(struct fuzz_output *out)
{
	u32 n = 1 + below(6), i, offset = below(3) ? 0 : below(ENTRIES - 6);

	fuzz_put(out, KEYS_BIND | below(3) << 8 | below(KLMS) << 16, 3);
	fuzz_put(out, 0x90, 1);			/* INLINE, with an offset */
	fuzz_put(out, 0x1f7 | (below(4) ? 0 : 8), 2);
	fuzz_put(out, offset, 2);
	fuzz_put(out, 0, 2);
	fuzz_put(out, 0x40 + below(0x400), 2);
	fuzz_put(out, 0x1f | (below(8) ? 0 : 0x80), 1);
	fuzz_put(out, n, 1);
	for (i = 0; i < n; i++) {
		bool edge = !below(3);

		fuzz_put(out, edge ? EDGE : below(8) ? 0 : below(NAMES), 1);
		if (edge)
			fuzz_put(out, (below(2) ? EDGE_FROM : EDGE_TO - 40) - 8 + below(40), 2);
		else
			fuzz_put(out, OPEN_FROM + below(0x4000), 2);
		fuzz_put(out, below(4) ? below(0x100) : 0, 2);
	}
}

static void seed_segs(struct fuzz_output *out, u32 n)
{
	while (n--) {
		u32 choice = below(2) ? 0 : 3 + below(KLMS);

		fuzz_put(out, choice, 1);
		fuzz_put(out, choice ? below(64) : OPEN_FROM + below(0x4000), 2);
		fuzz_put(out, 1 + below(60), 1);
	}
}

static void seed_step(struct fuzz_output *out)
{
	u32 n = 1 + below(3);

	switch (below(8)) {
	case 0 ... 1:
		seed_bind(out);
		if (below(3))
			fuzz_put(out, QUEUES_TURNS | 8 << 8, 2);
		break;
	case 2 ... 3:
		/* What went wrong before left it in error. */
		fuzz_put(out, QUEUES_RECONNECT | 1 << 8 | QUEUES_RECONNECT << 16 | 2 << 24, 4);
		fuzz_put(out, KEYS_USE | (below(3) ? 1 : 1 + below(4)) << 8, 2);
		if (below(2)) {
			/* Bytes of the wide key are written through an indirect one. */
			fuzz_put(out, 1 | (3 + below(KLMS)) << 3 | 1 << 8, 2);
			fuzz_put(out, below(64), 2);
			fuzz_put(out, 0 | (OPEN_FROM + below(0x4000)) << 8 | (1 + below(200)) << 24, 4);
			break;
		}
		fuzz_put(out, below(8) | (below(2) ? 0 : 3 + below(KLMS)) << 3 | n << 8, 2);
		fuzz_put(out, below(2) ? below(64) : OPEN_FROM + below(0x4000), 2);
		seed_segs(out, n);
		break;
	case 4:
		fuzz_put(out, KEYS_RECV | (1 + below(4)) << 8 | n << 16, 3);
		seed_segs(out, n);
		break;
	case 5:
		fuzz_put(out, KEYS_MEMBER | below(4) << 8, 2);
		break;
	case 6:
		fuzz_put(out, KEYS_CRY | below(4) << 8 | n << 16, 3);
		seed_segs(out, n);
		break;
	default:
		fuzz_put(out, (below(2) ? KEYS_REWRITE : KEYS_RACE) | below(5) << 8 |
			 below(4) << 16, 3);
		fuzz_put(out, (u64)below(1 << 24) << 24 | below(1 << 24), 8);
		fuzz_put(out, below(16), 1);
	}
}

void fuzz_seeds(void (*add)(const void *data, size_t size))
{
	u8 room[2048];
	u32 i, n;

	for (i = 0; i < 48; i++) {
		struct fuzz_output out = { .p = room, .room = sizeof(room) };

		rng = i;
		for (n = 0; n < 24; n++)
			seed_step(&out);
		fuzz_put(&out, QUEUES_POLL, 2);
		add(out.p, out.len);
	}
}
