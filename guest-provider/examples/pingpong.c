// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * mhca-pingpong: messages there and back, and how long that takes. Talks to itself and,
 * with the same service, to ibv_rc_pingpong, ibv_uc_pingpong and ibv_ud_pingpong: the
 * text that both ends exchange over TCP is theirs.
 */
#include <getopt.h>
#include <pthread.h>
#include <unistd.h>
#include "common.h"

#define GRH		40
#define FILLER		0x7b	/* what ibv_*_pingpong fill their buffers with */

enum { WR_RECV = 1, WR_SEND = 2 };

/**
 * struct options - the command line
 * @name: instance
 * @host: server's address; NULL: we are it
 * @service: enum ibv_qp_type
 * @port: TCP port
 * @size: message bytes
 * @iters: exchanges
 * @depth: receives to keep posted
 * @mtu: path MTU
 * @sl: service level
 * @events: sleep for completions
 * @check: compare what was received
 */
struct options {
	const char *name;
	const char *host;
	int service;
	int port;
	uint32_t size;
	uint32_t iters;
	uint32_t depth;
	enum ibv_mtu mtu;
	int sl;
	bool events;
	bool check;
};

struct pingpong {
	struct options o;
	struct ibv_context *ctx;
	struct ibv_pd *pd;
	struct ibv_comp_channel *channel;
	struct ibv_cq *cq;
	struct ibv_qp *qp;
	struct ibv_mr *mr;
	struct ibv_ah *ah;
	uint8_t *mem;
	size_t bytes;
	struct ex_peer self;
	struct ex_peer peer;
	uint32_t posted;
	uint32_t events;
};

static int usage(const char *program)
{
	return ex_fail("usage: %s [-t rc|uc|ud] [-p PORT] [-s SIZE] [-m MTU] [-r DEPTH] [-n N]\n"
		       "       [-l SL] [-e] [-c] INSTANCE [HOST]\n"
		       "INSTANCE is an mdev's UUID or a PCI address; without HOST: the server",
		       program);
}

static int parse_locked(int argc, char **argv, struct options *o)
{
	int c;

	*o = (struct options){ .service = IBV_QPT_RC, .port = 18515, .iters = 1000,
			       .depth = 500, .mtu = IBV_MTU_1024 };
	optind = 0;
	while ((c = getopt(argc, argv, "t:p:s:m:r:n:l:ec")) != -1) {
		switch (c) {
		case 't': o->service = ex_service(optarg); break;
		case 'p': o->port = atoi(optarg); break;
		case 's': o->size = (uint32_t)strtoul(optarg, NULL, 0); break;
		case 'm': o->mtu = ex_mtu(atoi(optarg)); break;
		case 'r': o->depth = (uint32_t)strtoul(optarg, NULL, 0); break;
		case 'n': o->iters = (uint32_t)strtoul(optarg, NULL, 0); break;
		case 'l': o->sl = atoi(optarg); break;
		case 'e': o->events = true; break;
		case 'c': o->check = true; break;
		default: return usage(argv[0]);
		}
	}
	if (o->service < 0 || !o->mtu || !o->depth || !o->iters || optind >= argc)
		return usage(argv[0]);
	o->name = argv[optind];
	o->host = argv[optind + 1];
	if (!o->size)
		o->size = o->service == IBV_QPT_UD ? 1024 : 4096;
	return 0;
}

/* getopt() has one state for the process; tests run both ends in one. */
static int parse(int argc, char **argv, struct options *o)
{
	static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	int ret;

	pthread_mutex_lock(&lock);
	ret = parse_locked(argc, argv, o);
	pthread_mutex_unlock(&lock);
	return ret;
}

static uint32_t grh(const struct pingpong *p)
{
	return p->o.service == IBV_QPT_UD ? GRH : 0;
}

static int set_up(struct pingpong *p)
{
	struct ibv_qp_init_attr init = {
		.qp_type = (enum ibv_qp_type)p->o.service,
		.cap = { .max_send_wr = 1, .max_recv_wr = p->o.depth, .max_send_sge = 1,
			 .max_recv_sge = 1 },
	};
	struct ibv_port_attr port;

	p->ctx = mhca_open(p->o.name);
	if (!p->ctx)
		return ex_fail("%s: cannot be opened: %s", p->o.name, strerror(errno));
	if (mhca_query_port(p->ctx, 1, &port))
		return ex_fail("query_port: %s", strerror(errno));
	p->bytes = 2 * (size_t)(p->o.size + GRH);
	p->pd = mhca_alloc_pd(p->ctx);
	p->mem = mhca_alloc_memory(p->ctx, p->bytes);
	if (p->o.events)
		p->channel = mhca_create_comp_channel(p->ctx);
	if (!p->pd || !p->mem || (p->o.events && !p->channel))
		return ex_fail("set-up: %s", strerror(errno));
	p->mr = mhca_reg_mr(p->pd, p->mem, p->bytes, IBV_ACCESS_LOCAL_WRITE);
	p->cq = mhca_create_cq(p->ctx, (int)p->o.depth + 1, NULL, p->channel, 0);
	if (!p->mr || !p->cq)
		return ex_fail("set-up: %s", strerror(errno));
	init.send_cq = p->cq;
	init.recv_cq = p->cq;
	p->qp = mhca_create_qp(p->pd, &init);
	if (!p->qp || ex_init_qp(p->qp, 0))
		return ex_fail("QP: %s", strerror(errno));
	p->self.lid = port.lid;
	p->self.qpn = p->qp->qp_num;
	p->self.psn = (uint32_t)(ex_now_ns() >> 7) & 0xffffff;
	return 0;
}

static void tear_down(struct pingpong *p)
{
	if (p->ah)
		mhca_destroy_ah(p->ah);
	if (p->qp)
		mhca_destroy_qp(p->qp);
	if (p->cq)
		mhca_destroy_cq(p->cq);
	if (p->channel)
		mhca_destroy_comp_channel(p->channel);
	if (p->mr)
		mhca_dereg_mr(p->mr);
	if (p->mem)
		mhca_free_memory(p->ctx, p->mem, p->bytes);
	if (p->pd)
		mhca_dealloc_pd(p->pd);
	if (p->ctx)
		mhca_close(p->ctx);
}

/* ---- The text both ends exchange -------------------------------------------- */

#define TEXT	sizeof("0000:000000:000000:00000000000000000000000000000000")

static int say(struct pingpong *p, int fd)
{
	char text[TEXT + 32];

	snprintf(text, sizeof(text), "%04x:%06x:%06x:%032x", p->self.lid, p->self.qpn,
		 p->self.psn, 0);
	return write(fd, text, TEXT) == (ssize_t)TEXT ? 0 : -1;
}

static int hear(struct pingpong *p, int fd)
{
	char text[TEXT];
	unsigned int lid;
	size_t at;
	ssize_t n;

	for (at = 0; at < TEXT; at += (size_t)n) {
		n = read(fd, text + at, TEXT - at);
		if (n <= 0)
			return -1;
	}
	text[TEXT - 1] = '\0';
	if (sscanf(text, "%x:%x:%x:", &lid, &p->peer.qpn, &p->peer.psn) != 3)
		return -1;
	p->peer.lid = (uint16_t)lid;
	return 0;
}

/* The server is ready to receive before it answers. */
static int ready(struct pingpong *p)
{
	const struct ex_how how = { .mtu = p->o.mtu, .psn = p->self.psn, .sl = p->o.sl,
				    .rd_atomic = 1 };
	struct ibv_ah_attr attr = { .dlid = p->peer.lid, .sl = (uint8_t)p->o.sl, .port_num = 1 };

	if (ex_connect_qp(p->qp, &p->peer, &how))
		return -1;
	if (p->o.service != IBV_QPT_UD)
		return 0;
	p->ah = mhca_create_ah(p->pd, &attr);
	return p->ah ? 0 : -1;
}

static int exchange(struct pingpong *p, int fd)
{
	char done[sizeof("done")] = "done";

	if (p->o.host)
		return say(p, fd) || hear(p, fd) || write(fd, done, sizeof(done)) < 0 || ready(p) ?
		       -1 : 0;
	return hear(p, fd) || ready(p) || say(p, fd) || read(fd, done, sizeof(done)) <= 0 ?
	       -1 : 0;
}

/* ---- Messages ------------------------------------------------------------------ */

static int post_recvs(struct pingpong *p)
{
	uint64_t at = (uintptr_t)p->mem + p->o.size + GRH;

	for (; p->posted < p->o.depth; p->posted++)
		if (ex_post_recv(p->qp, p->mr, WR_RECV, at, p->o.size + grh(p)))
			return -1;
	return 0;
}

static int post_send(struct pingpong *p)
{
	struct ibv_sge sge = { .addr = (uintptr_t)p->mem, .length = p->o.size,
			       .lkey = p->mr->lkey };
	struct ibv_send_wr *bad, wr = {
		.wr_id = WR_SEND, .sg_list = &sge, .num_sge = 1, .opcode = IBV_WR_SEND,
		.send_flags = IBV_SEND_SIGNALED,
	};

	if (p->o.service == IBV_QPT_UD) {
		wr.wr.ud.ah = p->ah;
		wr.wr.ud.remote_qpn = p->peer.qpn;
		wr.wr.ud.remote_qkey = EX_QKEY;
	}
	return ibv_post_send(p->qp, &wr, &bad);
}

static int wait_event(struct pingpong *p)
{
	struct ibv_cq *cq;
	void *context;

	if (mhca_get_cq_event(p->channel, &cq, &context))
		return -1;
	p->events++;
	return ibv_req_notify_cq(cq, 0);
}

/* With -c the stock programs fill their buffer so, and compare the zeros. */
static uint8_t byte_at(uint32_t i, long page)
{
	return i % page ? FILLER : 0;
}

static bool received_well(const struct pingpong *p)
{
	const uint8_t *at = p->mem + p->o.size + GRH + grh(p);
	long page = sysconf(_SC_PAGESIZE);
	uint32_t i;

	for (i = 0; i < p->o.size; i++)
		if (at[i] != byte_at(i, page))
			return false;
	memset((void *)at, 0xee, p->o.size);
	return true;
}

static void fill_buffer(struct pingpong *p)
{
	long page = sysconf(_SC_PAGESIZE);
	uint32_t i;

	for (i = 0; i < p->o.size; i++)
		p->mem[i] = p->o.check ? byte_at(i, page) : FILLER;
}

static int handle(struct pingpong *p, const struct ibv_wc *wc, uint32_t *sent, uint32_t *got)
{
	if (wc->status)
		return ex_fail("completion with error: %s (vendor 0x%x)",
			       mhca_wc_status_str(wc->status), wc->vendor_err);
	if (wc->wr_id == WR_SEND) {
		++*sent;
		return 0;
	}
	++*got;
	p->posted--;
	if (wc->byte_len != p->o.size + grh(p))
		return ex_fail("message of %u bytes, not %u", wc->byte_len, p->o.size + grh(p));
	if (p->o.check && !received_well(p))
		return ex_fail("wrong data in message %u", *got);
	return 0;
}

static int play(struct pingpong *p)
{
	/* The client serves; then each message received is answered by one. */
	uint32_t to_send = p->o.host ? 1 : 0;
	uint32_t sent = 0, got = 0, started = 0, idle = 0;
	struct ibv_wc wc[8];
	int i, n;

	while (sent < p->o.iters || got < p->o.iters) {
		if (started == sent && started < p->o.iters && started < to_send + got) {
			if (post_send(p))
				return ex_fail("post_send: %s", strerror(errno));
			started++;
		}
		n = ibv_poll_cq(p->cq, 8, wc);
		if (!n && p->o.events && wait_event(p))
			return ex_fail("get_cq_event: %s", strerror(errno));
		if (!n)
			ex_relax(&idle);
		for (i = 0; i < n; i++)
			if (handle(p, &wc[i], &sent, &got))
				return 1;
		if (p->posted <= p->o.depth / 2 && post_recvs(p))
			return ex_fail("post_recv: %s", strerror(errno));
	}
	return 0;
}

static int run(struct pingpong *p, int fd)
{
	uint64_t start;
	double seconds;
	int ret;

	fill_buffer(p);
	if (post_recvs(p))
		return ex_fail("post_recv: %s", strerror(errno));
	if (p->o.events && ibv_req_notify_cq(p->cq, 0))
		return ex_fail("req_notify_cq");
	if (exchange(p, fd))
		return ex_fail("the two ends do not agree: %s", strerror(errno));
	printf("  local address:  LID 0x%04x, QPN 0x%06x, PSN 0x%06x\n"
	       "  remote address: LID 0x%04x, QPN 0x%06x, PSN 0x%06x\n",
	       p->self.lid, p->self.qpn, p->self.psn, p->peer.lid, p->peer.qpn, p->peer.psn);
	start = ex_now_ns();
	ret = play(p);
	if (p->events)
		mhca_ack_cq_events(p->cq, p->events);
	if (ret)
		return ret;
	seconds = (double)(ex_now_ns() - start) / 1e9;
	printf("%llu bytes in %.2f seconds = %.2f Mbit/sec\n"
	       "%u iters in %.2f seconds = %.2f usec/iter\n",
	       2ULL * p->o.size * p->o.iters, seconds,
	       (double)p->o.size * p->o.iters * 16 / seconds / 1e6,
	       p->o.iters, seconds, seconds * 1e6 / p->o.iters);
	return 0;
}

int pingpong_main(int argc, char **argv)
{
	struct pingpong p = { .posted = 0 };
	int ret = parse(argc, argv, &p.o);
	int fd = -1;

	if (ret)
		return ret;
	ret = set_up(&p);
	if (!ret) {
		fd = ex_link(p.o.host, p.o.port);
		ret = fd < 0 ? ex_fail("no connection on TCP port %d: %s", p.o.port,
				       strerror(errno)) : run(&p, fd);
	}
	if (fd >= 0)
		close(fd);
	tear_down(&p);
	return ret;
}
