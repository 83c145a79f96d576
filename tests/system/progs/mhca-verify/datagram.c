// SPDX-License-Identifier: GPL-2.0-only
/* UD: sizes up to the MTU, GRHs, wrong keys, multicast. */
#include "verify.h"

#include <errno.h>
#include <string.h>

static uint32_t mtu_bytes(const struct side *s)
{
	return 128U << s->port.active_mtu;
}

static int add_datagrams(struct side *s, struct link *l, struct plan *p)
{
	static const uint32_t sizes[] = { 0, 1, 2, 7, 8, 63, 64, 65, 255, 256, 1023,
					  1024, 2047, 2048, 4095, 4096 };

	for (uint32_t i = 0; i < 160; i++) {
		struct xfer x = { .op = i & 1 ? IBV_WR_SEND_WITH_IMM : IBV_WR_SEND,
				  .local_align = i % 64, .remote_align = pick(s, 64),
				  .flags = i % 3 ? 0 : IBV_SEND_SIGNALED };

		x.len = i / 2 < ARRAY_SIZE(sizes) ? sizes[i / 2] :
						     pick(s, mtu_bytes(s) + 1);
		if (x.len > mtu_bytes(s))
			x.len = mtu_bytes(s);
		if (i > 64) {
			x.local_sge = 1 + pick(s, l->max_sge);
			x.remote_sge = 1 + pick(s, l->max_sge);
		}
		if (x.len <= l->max_inline && i % 4 == 3)
			x.flags |= IBV_SEND_INLINE;
		if (plan_add(s, l, p, &x))
			return -1;
	}
	return 0;
}

static int both_ways(struct side *s, struct link *l)
{
	static __thread struct plan p;

	for (int active = 0; active < 2; active++) {
		plan_start(&p, active);
		if (add_datagrams(s, l, &p) || plan_run(s, l, &p))
			return -1;
	}
	return 0;
}

static int run_datagrams(struct side *s, const void *arg)
{
	struct link l;
	int err = link_open(s, &l, arg);

	if (!err)
		err = both_ways(s, &l);
	link_close(s, &l);
	return err;
}

/* Replace the link's address by one with a global route. */
static int add_grh(struct side *s, struct link *l, const union ibv_gid *dgid,
		   uint16_t dlid)
{
	struct ibv_ah_attr attr = {
		.dlid = dlid, .port_num = s->opt->port, .is_global = 1,
		.grh = { .dgid = *dgid, .hop_limit = 64, .traffic_class = 4,
			 .flow_label = 0x12345,
			 .sgid_index = (uint8_t)(s->opt->gid_index < 0 ? 0 :
						 s->opt->gid_index) },
	};
	struct ibv_ah *ah = ibv_create_ah(s->pd, &attr);

	if (!ah)
		return fail(s, "ibv_create_ah with a GRH: %m");
	ibv_destroy_ah(l->ah);
	l->ah = ah;
	return 0;
}

static int run_grh(struct side *s, const void *arg)
{
	struct { union ibv_gid gid; uint16_t lid; } mine, theirs;
	struct link l;
	int err = link_open(s, &l, arg);

	memset(&mine, 0, sizeof(mine));
	mine.gid = s->gid;
	mine.lid = s->port.lid;
	if (!err)
		err = swap(s, &mine, &theirs, sizeof(mine)) ||
		      add_grh(s, &l, &theirs.gid, theirs.lid) || meet(s);
	if (!err)
		err = both_ways(s, &l);
	link_close(s, &l);
	return err ? -1 : 0;
}

/* One datagram of 64 bytes from side 0, to @qpn under @qkey. */
static int send_one(struct side *s, struct link *l, uint32_t qpn, uint32_t qkey,
		    uint32_t off)
{
	struct ibv_sge sge = { .addr = s->mine.addr + off, .length = 64,
			       .lkey = s->lkey[KEY_GOOD] };
	struct ibv_send_wr wr = { .opcode = IBV_WR_SEND, .sg_list = &sge, .num_sge = 1,
				  .send_flags = IBV_SEND_SIGNALED };
	struct ibv_wc wc;

	link_address(l, &wr);
	if (qpn)
		wr.wr.ud.remote_qpn = qpn;
	if (qkey)
		wr.wr.ud.remote_qkey = qkey;
	if (link_post_send(s, l, &wr) || cq_next(s, &l->send, &wc))
		return -1;
	/* Nobody tells the sender of a datagram what became of it. */
	if (wc.status != IBV_WC_SUCCESS)
		return fail(s, "datagram: %s", ibv_wc_status_str(wc.status));
	return 0;
}

static int post_one(struct side *s, struct link *l, uint64_t id, uint32_t len)
{
	struct ibv_sge sge = { .addr = s->mine.addr + 8192 + id * 4096, .length = len,
			       .lkey = s->lkey[KEY_GOOD] };
	struct ibv_recv_wr wr = { .wr_id = id, .sg_list = &sge, .num_sge = 1 };

	return link_post_recv(s, l, &wr);
}

/* The only receive taken must be @id, with the bytes of side 0's @off. */
static int take_one(struct side *s, struct link *l, uint64_t id, uint32_t off)
{
	uint32_t at = (uint32_t)(8192 + id * 4096);
	struct ibv_wc wc;

	if (cq_next(s, &l->recv, &wc))
		return -1;
	if (wc.status != IBV_WC_SUCCESS || wc.wr_id != id || wc.byte_len != 64 + GRH_SIZE)
		return fail(s, "receive %llu: %s, %u bytes",
			    (unsigned long long)wc.wr_id, ibv_wc_status_str(wc.status),
			    wc.byte_len);
	memcpy(s->want + at, s->mem + at, GRH_SIZE);
	pattern_fill(0, s->want + at + GRH_SIZE, off, 64);
	s->messages++;
	s->bytes += 64;
	return cq_empty(s, &l->recv);
}

/* Wrong Q_Key, nobody there, buffer too short: dropped, and the next one comes. */
static int run_drops(struct side *s, const void *arg)
{
	struct link l;
	int err = link_open(s, &l, arg);

	arena_reset(s, 65536);
	if (!err && s->index == 1)
		err = post_one(s, &l, 0, 64 + GRH_SIZE);
	err = err ? err : meet(s);
	if (!err && s->index == 0)
		err = send_one(s, &l, 0, 0x55667788, 0) ||
		      send_one(s, &l, 0xfedcba, 0, 64) || send_one(s, &l, 0, 0, 128);
	if (!err && s->index == 1)
		err = take_one(s, &l, 0, 128);
	err = err ? err : meet(s);
	if (!err)
		err = arena_check(s, 65536);
	link_close(s, &l);
	return err ? -1 : 0;
}

static int run_multicast(struct side *s, const void *arg)
{
	union ibv_gid mgid = { .raw = { 0xff, 0x12, 0xa0, 0x1b, 0xfe, 0x80, 0, 0, 0, 0,
					0, 0, 0x4d, 0x48, 0x43, 0x41 } };
	const uint16_t mlid = 0xc005;
	struct link l;
	int err = link_open(s, &l, arg);

	arena_reset(s, 65536);
	if (!err && s->index == 0)
		err = add_grh(s, &l, &mgid, mlid);
	if (!err && s->index == 1) {
		err = ibv_attach_mcast(l.qp, &mgid, mlid);
		err = err ? fail(s, "ibv_attach_mcast: %s", strerror(err)) :
			    post_one(s, &l, 0, 4096) || post_one(s, &l, 1, 4096);
	}
	err = err ? err : meet(s);
	if (!err && s->index == 0)
		err = send_one(s, &l, 0xffffff, 0, 0) || send_one(s, &l, 0xffffff, 0, 64);
	if (!err && s->index == 1) {
		struct ibv_wc wc;

		/* Two for the group: look at each one's place only. */
		for (uint32_t i = 0; i < 2 && !err; i++) {
			uint32_t at = 8192 + i * 4096;

			err = cq_next(s, &l.recv, &wc);
			if (!err && (wc.status != IBV_WC_SUCCESS || wc.wr_id != i ||
				     !(wc.wc_flags & IBV_WC_GRH)))
				err = fail(s, "multicast %u: %s, flags %x", i,
					   ibv_wc_status_str(wc.status),
					   (unsigned int)wc.wc_flags);
			memcpy(s->want + at, s->mem + at, GRH_SIZE);
			pattern_fill(0, s->want + at + GRH_SIZE, i * 64, 64);
			s->messages++;
			s->bytes += 64;
		}
		if (ibv_detach_mcast(l.qp, &mgid, mlid))
			err = fail(s, "ibv_detach_mcast: %m");
	}
	err = err ? err : meet(s);
	if (!err && s->index == 0)
		err = send_one(s, &l, 0xffffff, 0, 128);
	err = err ? err : meet(s);
	if (!err)
		err = cq_empty(s, &l.recv) || arena_check(s, 65536);
	link_close(s, &l);
	return err ? -1 : 0;
}

#define UD_LINK	(&(const struct link_attr){ .transport = UD })
#define UD_SRQ	(&(const struct link_attr){ .transport = UD, .srq = true })

const struct test datagram_tests[] = {
	{ "ud_datagrams", run_datagrams, UD_LINK },
	{ "ud_grh", run_grh, UD_LINK },
	{ "ud_srq", run_datagrams, UD_SRQ },
	{ "ud_drops", run_drops, UD_LINK },
	{ "ud_multicast", run_multicast, UD_LINK },
};
const size_t n_datagram_tests = ARRAY_SIZE(datagram_tests);
