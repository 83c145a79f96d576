// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memory windows: side 1 binds one, side 0 reaches into it, and then it ends in one of
 * several ways. What lies beside it, and what reaches for it afterwards, is refused.
 */
#include "verify.h"

#include <string.h>

#define CHECKED	262144U	/* bytes of the arena that are looked at */
#define SOURCE	4096U	/* side 0: what it writes */
#define RESULT	131072U	/* side 0: where what it reads arrives */
#define WINDOW	65549U	/* side 1: where the window begins */
#define LENGTH	20003U
#define WORD	(65560U - WINDOW)	/* in the window: 8-byte aligned */

/* How a window ends, or what it never gave. */
enum end {
	END_REBIND,	/* bound to something else */
	END_UNBIND,	/* bound to nothing (type 1) */
	END_INV,	/* IBV_WR_LOCAL_INV (type 2) */
	END_SEND_INV,	/* the peer's SEND with invalidate (type 2) */
	END_DEALLOC,	/* ibv_dealloc_mw() */
	END_BEFORE,	/* one byte before its beginning */
	END_BEHIND,	/* one byte behind its end */
	END_READ_ONLY,	/* bound without remote write */
};

/**
 * struct window_case - one window
 * @type: IBV_MW_TYPE_*
 * @transport: service
 * @zero: its addresses begin at 0
 * @end: how it ends
 */
struct window_case {
	enum ibv_mw_type type;
	enum transport transport;
	bool zero;
	enum end end;
};

/**
 * struct window - as side 1 tells side 0
 * @addr: of its first byte
 * @rkey: key
 */
struct window {
	uint64_t addr;
	uint32_t rkey;
};

/* A zero-based window's aligned addresses are unaligned ones of the arena. */
static bool has_atomics(const struct window_case *c)
{
	return c->transport == RC && !c->zero;
}

static int done(struct side *s, struct link *l, enum ibv_wc_opcode opcode,
		enum ibv_wc_status status)
{
	struct ibv_wc wc;

	if (cq_next(s, &l->send, &wc))
		return -1;
	if (wc.status != status)
		return fail(s, "ended with \"%s\"", ibv_wc_status_str(wc.status));
	if (!wc.status && wc.opcode != opcode)
		return fail(s, "opcode %d, not %d", wc.opcode, opcode);
	return 0;
}

/* ---- Side 1 --------------------------------------------------------------------- */

static int bind_window(struct side *s, struct link *l, const struct window_case *c,
		       struct ibv_mw *mw, struct ibv_mr *mr, uint32_t length)
{
	struct ibv_mw_bind_info info = {
		.mr = length ? mr : NULL,
		.addr = length ? s->mine.addr + WINDOW : 0,
		.length = length,
		.mw_access_flags = IBV_ACCESS_REMOTE_READ,
	};
	struct ibv_mw_bind bind = { .send_flags = IBV_SEND_SIGNALED };
	struct ibv_send_wr wr = { .opcode = IBV_WR_BIND_MW, .send_flags = IBV_SEND_SIGNALED };

	if (c->end != END_READ_ONLY)
		info.mw_access_flags |= IBV_ACCESS_REMOTE_WRITE | IBV_ACCESS_REMOTE_ATOMIC;
	if (c->zero)
		info.mw_access_flags |= IBV_ACCESS_ZERO_BASED;
	if (c->type == IBV_MW_TYPE_1) {
		bind.bind_info = info;
		if (ibv_bind_mw(l->qp, mw, &bind))
			return fail(s, "ibv_bind_mw: %m");
		return done(s, l, IBV_WC_BIND_MW, IBV_WC_SUCCESS);
	}
	wr.bind_mw.mw = mw;
	wr.bind_mw.rkey = ibv_inc_rkey(mw->rkey);
	wr.bind_mw.bind_info = info;
	if (link_post_send(s, l, &wr) || done(s, l, IBV_WC_BIND_MW, IBV_WC_SUCCESS))
		return -1;
	mw->rkey = wr.bind_mw.rkey;
	return 0;
}

static int invalidate(struct side *s, struct link *l, const struct ibv_mw *mw)
{
	struct ibv_send_wr wr = { .opcode = IBV_WR_LOCAL_INV, .send_flags = IBV_SEND_SIGNALED,
				  .invalidate_rkey = mw->rkey };

	return link_post_send(s, l, &wr) || done(s, l, IBV_WC_LOCAL_INV, IBV_WC_SUCCESS) ? -1 : 0;
}

static int invalidated(struct side *s, struct link *l, const struct ibv_mw *mw)
{
	struct ibv_wc wc;

	if (cq_next(s, &l->recv, &wc))
		return -1;
	if (wc.status || !(wc.wc_flags & IBV_WC_WITH_INV) || wc.invalidated_rkey != mw->rkey)
		return fail(s, "receive: %s, flags 0x%x, key 0x%x", ibv_wc_status_str(wc.status),
			    wc.wc_flags, wc.invalidated_rkey);
	return 0;
}

static int end_window(struct side *s, struct link *l, const struct window_case *c,
		      struct ibv_mw **mw, struct ibv_mr *mr)
{
	int err;

	switch (c->end) {
	case END_REBIND:
		return bind_window(s, l, c, *mw, mr, 64);
	case END_UNBIND:
		return bind_window(s, l, c, *mw, mr, 0);
	case END_INV:
		return invalidate(s, l, *mw);
	case END_SEND_INV:
		return invalidated(s, l, *mw);
	case END_DEALLOC:
		err = ibv_dealloc_mw(*mw);
		*mw = NULL;
		return err ? fail(s, "ibv_dealloc_mw: %m") : 0;
	default:
		return 0;
	}
}

static int offer(struct side *s, struct link *l, const struct window_case *c,
		 struct ibv_mw **mw, struct ibv_mr *mr)
{
	struct ibv_recv_wr recv = { .wr_id = 1 };
	struct window mine = { 0 }, theirs;
	uint8_t word[8];
	uint64_t value;

	if (c->end == END_SEND_INV && link_post_recv(s, l, &recv))
		return -1;
	if (bind_window(s, l, c, *mw, mr, LENGTH))
		return -1;
	mine.addr = c->zero ? 0 : s->mine.addr + WINDOW;
	mine.rkey = (*mw)->rkey;
	if (swap(s, &mine, &theirs, sizeof(mine)) || meet(s) || end_window(s, l, c, mw, mr) ||
	    meet(s) || meet(s))
		return -1;
	if (c->end == END_READ_ONLY)
		return 0;
	pattern_fill(0, s->want + WINDOW, SOURCE, LENGTH);
	if (!has_atomics(c))
		return 0;
	memcpy(word, s->want + WINDOW + WORD, sizeof(word));
	memcpy(&value, word, sizeof(value));
	value++;
	memcpy(s->want + WINDOW + WORD, &value, sizeof(value));
	return 0;
}

/* ---- Side 0 --------------------------------------------------------------------- */

static int access_at(struct side *s, struct link *l, enum ibv_wr_opcode op,
		     uint64_t remote, uint32_t rkey, uint32_t local, uint32_t len)
{
	struct ibv_sge sge = { .addr = s->mine.addr + local, .length = len,
			       .lkey = s->lkey[KEY_GOOD] };
	struct ibv_send_wr wr = { .opcode = op, .sg_list = &sge, .num_sge = 1,
				  .send_flags = IBV_SEND_SIGNALED };

	if (op == IBV_WR_ATOMIC_FETCH_AND_ADD) {
		wr.wr.atomic.remote_addr = remote;
		wr.wr.atomic.rkey = rkey;
		wr.wr.atomic.compare_add = 1;
	} else {
		wr.wr.rdma.remote_addr = remote;
		wr.wr.rdma.rkey = rkey;
	}
	return link_post_send(s, l, &wr);
}

static int reach_rc(struct side *s, struct link *l, const struct window_case *c,
		    const struct window *w)
{
	if (access_at(s, l, IBV_WR_RDMA_READ, w->addr, w->rkey, RESULT, LENGTH) ||
	    done(s, l, IBV_WC_RDMA_READ, IBV_WC_SUCCESS))
		return -1;
	pattern_fill(0, s->want + RESULT, SOURCE, LENGTH);
	if (!has_atomics(c))
		return 0;
	if (access_at(s, l, IBV_WR_ATOMIC_FETCH_AND_ADD, w->addr + WORD, w->rkey,
		      RESULT + 65536, 8) ||
	    done(s, l, IBV_WC_FETCH_ADD, IBV_WC_SUCCESS))
		return -1;
	memcpy(s->want + RESULT + 65536, s->want + RESULT + WORD, 8);
	return 0;
}

/* All of the window: written, read back, and one word of it added to. */
static int reach(struct side *s, struct link *l, const struct window_case *c,
		 const struct window *w)
{
	if (c->end == END_READ_ONLY) {
		if (access_at(s, l, IBV_WR_RDMA_READ, w->addr, w->rkey, RESULT, LENGTH) ||
		    done(s, l, IBV_WC_RDMA_READ, IBV_WC_SUCCESS))
			return -1;
		pattern_fill(1, s->want + RESULT, WINDOW, LENGTH);
		return 0;
	}
	if (access_at(s, l, IBV_WR_RDMA_WRITE, w->addr, w->rkey, SOURCE, LENGTH) ||
	    done(s, l, IBV_WC_RDMA_WRITE, IBV_WC_SUCCESS))
		return -1;
	s->messages++;
	s->bytes += LENGTH;
	return c->transport == RC ? reach_rc(s, l, c, w) : 0;
}

static int reach_too_far(struct side *s, struct link *l, const struct window_case *c,
			 const struct window *w)
{
	uint64_t addr = w->addr;

	if (c->end == END_BEFORE)
		addr--;
	if (c->end == END_BEHIND)
		addr += LENGTH - 7;
	if (access_at(s, l, IBV_WR_RDMA_WRITE, addr, w->rkey, SOURCE, 8))
		return -1;
	/* Nobody answers an unreliable one. */
	return done(s, l, IBV_WC_RDMA_WRITE,
		    c->transport == UC ? IBV_WC_SUCCESS : IBV_WC_REM_ACCESS_ERR);
}

static int use(struct side *s, struct link *l, const struct window_case *c)
{
	struct ibv_send_wr inv = { .opcode = IBV_WR_SEND_WITH_INV,
				   .send_flags = IBV_SEND_SIGNALED };
	struct window none = { 0 }, w;

	if (swap(s, &none, &w, sizeof(w)) || reach(s, l, c, &w))
		return -1;
	inv.invalidate_rkey = w.rkey;
	if (c->end == END_SEND_INV &&
	    (link_post_send(s, l, &inv) || done(s, l, IBV_WC_SEND, IBV_WC_SUCCESS)))
		return -1;
	return meet(s) || meet(s) || reach_too_far(s, l, c, &w) || meet(s) ? -1 : 0;
}

/* ---- Both ----------------------------------------------------------------------- */

static int run_owner(struct side *s, struct link *l, const struct window_case *c)
{
	struct ibv_mr *mr = ibv_reg_mr(s->pd, s->mem, ARENA_SIZE,
				       IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_MW_BIND);
	struct ibv_mw *mw = ibv_alloc_mw(s->pd, c->type);
	int err;

	if (!mr || !mw)
		err = fail(s, "%s: %m", mr ? "ibv_alloc_mw" : "ibv_reg_mr");
	else
		err = offer(s, l, c, &mw, mr);
	if (mw && ibv_dealloc_mw(mw) && !err)
		err = fail(s, "ibv_dealloc_mw: %m");
	if (mr && ibv_dereg_mr(mr) && !err)
		err = fail(s, "ibv_dereg_mr: %m");
	return err;
}

static int run_window(struct side *s, const void *arg)
{
	const struct window_case *c = arg;
	const struct link_attr attr = { .transport = c->transport };
	struct link l;
	int err = link_open(s, &l, &attr);

	arena_reset(s, CHECKED);
	err = err || meet(s) || (s->index ? run_owner(s, &l, c) : use(s, &l, c)) || meet(s) ||
	      arena_check(s, CHECKED);
	link_close(s, &l);
	return err ? -1 : 0;
}

#define CASE(...) run_window, &(const struct window_case){ __VA_ARGS__ }

const struct test window_tests[] = {
	{ "mw_1_rebind", CASE(IBV_MW_TYPE_1, RC, false, END_REBIND) },
	{ "mw_1_unbind", CASE(IBV_MW_TYPE_1, RC, false, END_UNBIND) },
	{ "mw_1_before", CASE(IBV_MW_TYPE_1, RC, false, END_BEFORE) },
	{ "mw_1_behind", CASE(IBV_MW_TYPE_1, RC, false, END_BEHIND) },
	{ "mw_1_read_only", CASE(IBV_MW_TYPE_1, RC, false, END_READ_ONLY) },
	{ "mw_1_dealloc", CASE(IBV_MW_TYPE_1, RC, false, END_DEALLOC) },
	{ "mw_1_uc", CASE(IBV_MW_TYPE_1, UC, false, END_UNBIND) },
	{ "mw_2_zero_based", CASE(IBV_MW_TYPE_2, RC, true, END_BEHIND) },
	{ "mw_2_local_inv", CASE(IBV_MW_TYPE_2, RC, false, END_INV) },
	{ "mw_2_send_inv", CASE(IBV_MW_TYPE_2, RC, false, END_SEND_INV) },
	{ "mw_2_dealloc", CASE(IBV_MW_TYPE_2, RC, false, END_DEALLOC) },
	{ "mw_2_read_only", CASE(IBV_MW_TYPE_2, RC, false, END_READ_ONLY) },
};
const size_t n_window_tests = ARRAY_SIZE(window_tests);
