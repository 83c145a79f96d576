// SPDX-License-Identifier: GPL-2.0-only
/*
 * Plans of messages: where each one's bytes are, how it is sent, what both
 * arenas have to look like afterwards. Every byte of an arena has a value that
 * follows from its side and offset; a message changes exactly its destination.
 */
#include "verify.h"

#include <arpa/inet.h>
#include <string.h>

#define GAP	16U	/* untouched bytes after each piece, at least */

bool op_has_imm(enum ibv_wr_opcode op)
{
	return op == IBV_WR_SEND_WITH_IMM || op == IBV_WR_RDMA_WRITE_WITH_IMM;
}

static bool op_is_send(enum ibv_wr_opcode op)
{
	return op == IBV_WR_SEND || op == IBV_WR_SEND_WITH_IMM;
}

bool op_takes_recv(enum ibv_wr_opcode op)
{
	return op_is_send(op) || op == IBV_WR_RDMA_WRITE_WITH_IMM;
}

static uint64_t pattern_word(int side, uint64_t i)
{
	uint64_t x = (i + 1 + ((uint64_t)side << 32)) * 0x9e3779b97f4a7c15ULL;

	return x ^ (x >> 29);
}

void pattern_fill(int side, uint8_t *to, size_t off, size_t len)
{
	while (len) {
		uint64_t word = pattern_word(side, off / 8);
		size_t skip = off % 8, n = 8 - skip;

		if (n > len)
			n = len;
		memcpy(to, (uint8_t *)&word + skip, n);
		to += n;
		off += n;
		len -= n;
	}
}

void arena_reset(struct side *s, size_t len)
{
	pattern_fill(s->index, s->want, 0, len);
	memcpy(s->mem, s->want, len);
}

int arena_check(struct side *s, size_t len)
{
	size_t i = 0;

	if (!memcmp(s->mem, s->want, len))
		return 0;
	while (s->mem[i] == s->want[i])
		i++;
	return fail(s, "byte %zu of the arena is %02x, not %02x", i, s->mem[i],
		    s->want[i]);
}

/* ---- Where things are -------------------------------------------------- */

void plan_start(struct plan *p, int active)
{
	p->active = active;
	p->n = 0;
	p->used[0] = 64;
	p->used[1] = 64;
}

static struct piece place(struct plan *p, int side, uint32_t align, uint32_t len)
{
	/* The arena's first byte is at 72 modulo 4096; alignment is the address's. */
	size_t off = ((p->used[side] + 72 + 63) & ~63UL) - 72 + align % 64;

	p->used[side] = off + len + GAP;
	return (struct piece){ .off = (uint32_t)off, .len = len };
}

/* Cut @len bytes into at most @max uneven pieces, none of them empty. */
static uint32_t cut(struct side *s, struct plan *p, int side, uint32_t align,
		    uint32_t len, uint32_t max, struct piece *out)
{
	uint32_t n = max;

	if (n > len)
		n = len ? len : 1;
	for (uint32_t i = 0; i < n; i++) {
		uint32_t left = n - i, part = len;

		if (left > 1) {
			uint32_t limit = 2 * (len / left) - 1;

			part = 1 + pick(s, limit);
			if (part > len - (left - 1))
				part = len - (left - 1);
		}
		out[i] = place(p, side, align + i * 13, part);
		len -= part;
	}
	return n;
}

static size_t room(const struct xfer *x)
{
	return x->len + (x->local_sge + x->remote_sge + 2UL) * (128 + GAP) + GRH_SIZE;
}

int plan_add(struct side *s, struct link *l, struct plan *p, const struct xfer *add)
{
	int active = p->active, passive = !active;
	struct xfer *x;

	if (p->n == BATCH || p->used[0] + room(add) > ARENA_SIZE ||
	    p->used[1] + room(add) > ARENA_SIZE) {
		if (plan_run(s, l, p))
			return -1;
		plan_start(p, active);
	}
	x = &p->x[p->n++];
	*x = *add;
	x->imm = pick(s, 0x7fffffff);
	if (!x->local_sge)
		x->local_sge = 1;
	if (!x->remote_sge)
		x->remote_sge = 1;
	x->n_local = cut(s, p, active, x->local_align, x->len, x->local_sge, x->local);
	if (op_is_send(x->op)) {
		if (l->attr.transport == UD)
			x->grh = place(p, passive, x->remote_align, GRH_SIZE);
		x->n_remote = cut(s, p, passive, x->remote_align, x->len,
				  x->remote_sge, x->remote);
	} else {
		x->remote[0] = place(p, passive, x->remote_align, x->len);
		x->n_remote = 1;
	}
	return 0;
}

/* ---- What has to be in memory ------------------------------------------ */

/* Copy the bytes of @from (pieces of the other side) to our wanted @to. */
static void expect(struct side *s, const struct piece *from, const struct piece *to,
		   uint32_t n_to)
{
	uint32_t at = 0;

	for (uint32_t i = 0; i < n_to; i++) {
		uint32_t done = 0;

		while (done < to[i].len) {
			uint32_t n = to[i].len - done;

			if (n > from->len - at)
				n = from->len - at;
			pattern_fill(!s->index, s->want + to[i].off + done,
				     from->off + at, n);
			done += n;
			at += n;
			if (at == from->len) {
				from++;
				at = 0;
			}
		}
	}
}

static void expect_all(struct side *s, const struct plan *p)
{
	for (uint32_t i = 0; i < p->n; i++) {
		const struct xfer *x = &p->x[i];
		bool read = x->op == IBV_WR_RDMA_READ;

		s->messages++;
		s->bytes += x->len;
		if (read && s->index == p->active)
			expect(s, x->remote, x->local, x->n_local);
		if (!read && s->index != p->active)
			expect(s, x->local, x->remote, x->n_remote);
	}
}

/* ---- Passive side ------------------------------------------------------- */

static uint32_t sge_of(struct side *s, const struct piece *p, uint32_t n,
		       struct ibv_sge *sge)
{
	for (uint32_t i = 0; i < n; i++)
		sge[i] = (struct ibv_sge){ .addr = s->mine.addr + p[i].off,
					   .length = p[i].len,
					   .lkey = s->lkey[KEY_GOOD] };
	return n;
}

static int post_receives(struct side *s, struct link *l, const struct plan *p)
{
	struct ibv_sge sge[MAX_SGE + 1];

	for (uint32_t i = 0; i < p->n; i++) {
		const struct xfer *x = &p->x[i];
		struct ibv_recv_wr wr = { .wr_id = i, .sg_list = sge };

		if (!op_takes_recv(x->op))
			continue;
		if (l->attr.transport == UD)
			wr.num_sge = (int)sge_of(s, &x->grh, 1, sge);
		if (op_is_send(x->op))
			wr.num_sge += (int)sge_of(s, x->remote, x->n_remote,
						  sge + wr.num_sge);
		if (link_post_recv(s, l, &wr))
			return -1;
	}
	return 0;
}

/* A GRH is either not there, and its 40 bytes are anything, or it is right. */
static int check_grh(struct side *s, const struct xfer *x, const struct ibv_wc *wc)
{
	const uint8_t *grh = s->mem + x->grh.off;

	memcpy(s->want + x->grh.off, grh, GRH_SIZE);
	/* On Ethernet an IPv4 header may stand in its second half. */
	if (!(wc->wc_flags & IBV_WC_GRH) || s->port.link_layer == IBV_LINK_LAYER_ETHERNET)
		return 0;
	if (grh[0] >> 4 != 6 || memcmp(grh + 24, &s->gid, 16))
		return fail(s, "GRH version %u or destination is wrong", grh[0] >> 4);
	return 0;
}

static int check_receive(struct side *s, struct link *l, uint32_t i,
			 const struct xfer *x, const struct ibv_wc *wc)
{
	bool ud = l->attr.transport == UD, imm = op_has_imm(x->op);
	uint32_t len = x->len + (ud ? GRH_SIZE : 0);
	enum ibv_wc_opcode opcode = op_is_send(x->op) ? IBV_WC_RECV :
							 IBV_WC_RECV_RDMA_WITH_IMM;

	if (wc->status != IBV_WC_SUCCESS)
		return fail(s, "receive %u: %s", i, ibv_wc_status_str(wc->status));
	if (wc->wr_id != i || wc->opcode != opcode || wc->byte_len != len)
		return fail(s, "receive %u: wr_id %llu opcode %d bytes %u, not %d %u", i,
			    (unsigned long long)wc->wr_id, (int)wc->opcode,
			    wc->byte_len, (int)opcode, len);
	if (imm != !!(wc->wc_flags & IBV_WC_WITH_IMM) ||
	    (imm && ntohl(wc->imm_data) != x->imm))
		return fail(s, "receive %u: wrong immediate", i);
	if (ud && wc->src_qp != l->peer_qpn)
		return fail(s, "receive %u: from QP %x, not %x", i, wc->src_qp,
			    l->peer_qpn);
	return ud ? check_grh(s, x, wc) : 0;
}

static int reap_receives(struct side *s, struct link *l, const struct plan *p)
{
	struct ibv_wc wc;

	for (uint32_t i = 0; i < p->n; i++) {
		if (!op_takes_recv(p->x[i].op))
			continue;
		if (cq_next(s, &l->recv, &wc) ||
		    check_receive(s, l, i, &p->x[i], &wc))
			return -1;
	}
	return 0;
}

/* ---- Active side --------------------------------------------------------- */

static const enum ibv_wc_opcode sent_as[] = {
	[IBV_WR_RDMA_WRITE] = IBV_WC_RDMA_WRITE,
	[IBV_WR_RDMA_WRITE_WITH_IMM] = IBV_WC_RDMA_WRITE,
	[IBV_WR_SEND] = IBV_WC_SEND,
	[IBV_WR_SEND_WITH_IMM] = IBV_WC_SEND,
	[IBV_WR_RDMA_READ] = IBV_WC_RDMA_READ,
};

/* The last one is always signalled, or nobody would know the end. */
static bool signalled(const struct plan *p, uint32_t i)
{
	return i + 1 == p->n || (p->x[i].flags & IBV_SEND_SIGNALED);
}

/* Post in lists of one to four. */
static int post_sends(struct side *s, struct link *l, const struct plan *p)
{
	static const uint8_t burst[] = { 1, 4, 2, 3 };
	struct ibv_sge sge[4][MAX_SGE];
	struct ibv_send_wr wr[4];
	uint32_t i = 0, round = 0;

	while (i < p->n) {
		uint32_t n = burst[round++ % ARRAY_SIZE(burst)];

		if (n > p->n - i)
			n = p->n - i;
		for (uint32_t k = 0; k < n; k++, i++) {
			const struct xfer *x = &p->x[i];

			memset(&wr[k], 0, sizeof(wr[k]));
			wr[k].wr_id = i;
			wr[k].next = k + 1 < n ? &wr[k + 1] : NULL;
			wr[k].opcode = x->op;
			wr[k].send_flags = x->flags & ~(unsigned int)IBV_SEND_SIGNALED;
			if (signalled(p, i))
				wr[k].send_flags |= IBV_SEND_SIGNALED;
			wr[k].imm_data = htonl(x->imm);
			wr[k].sg_list = sge[k];
			wr[k].num_sge = (int)sge_of(s, x->local, x->n_local, sge[k]);
			link_address(l, &wr[k]);
			if (!op_is_send(x->op)) {
				wr[k].wr.rdma.remote_addr = s->peer.addr + x->remote[0].off;
				wr[k].wr.rdma.rkey = s->peer.rkey[KEY_GOOD];
			}
		}
		if (link_post_send(s, l, wr))
			return -1;
	}
	return 0;
}

static int reap_sends(struct side *s, struct link *l, const struct plan *p)
{
	struct ibv_wc wc;

	for (uint32_t i = 0; i < p->n; i++) {
		const struct xfer *x = &p->x[i];

		if (!signalled(p, i))
			continue;
		if (cq_next(s, &l->send, &wc))
			return -1;
		if (wc.status != IBV_WC_SUCCESS)
			return fail(s, "send %u (op %d, %u bytes): %s", i, x->op, x->len,
				    ibv_wc_status_str(wc.status));
		if (wc.wr_id != i || wc.opcode != sent_as[x->op] ||
		    wc.qp_num != l->qp->qp_num)
			return fail(s, "send %u: wr_id %llu opcode %d qp %x", i,
				    (unsigned long long)wc.wr_id, (int)wc.opcode,
				    wc.qp_num);
		if (x->op == IBV_WR_RDMA_READ && wc.byte_len != x->len)
			return fail(s, "read %u: %u bytes, not %u", i, wc.byte_len, x->len);
	}
	return cq_empty(s, &l->send);
}

int plan_run(struct side *s, struct link *l, struct plan *p)
{
	size_t len = p->used[s->index] + 4096;
	bool active = s->index == p->active;

	if (!p->n)
		return 0;
	if (len > ARENA_SIZE)
		len = ARENA_SIZE;
	arena_reset(s, len);
	if (!active && post_receives(s, l, p))
		return -1;
	if (meet(s))
		return -1;
	if (active ? post_sends(s, l, p) || reap_sends(s, l, p) :
		     reap_receives(s, l, p))
		return -1;
	if (meet(s))
		return -1;
	expect_all(s, p);
	return arena_check(s, len);
}
