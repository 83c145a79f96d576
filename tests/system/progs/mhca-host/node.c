// SPDX-License-Identifier: GPL-2.0-only
/* An instance with what every test needs of it. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include "host.h"

#define TIMEOUT_MS	20000
#define GROUP_LID	0xc001

u64 now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (u64)t.tv_sec * 1000000000ULL + (u64)t.tv_nsec;
}

int complain(const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vfprintf(stderr, format, ap);
	va_end(ap);
	fputc('\n', stderr);
	return -1;
}

u32 pick(u64 *rng, u32 below)
{
	*rng ^= *rng << 13;
	*rng ^= *rng >> 7;
	*rng ^= *rng << 17;
	return (u32)(*rng >> 16) % below;
}

bool node_is_ethernet(const struct node *n)
{
	return MLX5_GET(cmd_hca_cap, n->c.caps, port_type) == MLX5_CAP_PORT_TYPE_ETH;
}

/* RoCE with a link-local address: as a netdev's, but made of the MAC as it is. */
static int enable_roce(struct node *n)
{
	int ret = client_query_mac(&n->c, n->mac);

	n->gid[0] = 0xfe;
	n->gid[1] = 0x80;
	memcpy(n->gid + 10, n->mac, sizeof(n->mac));
	if (!ret)
		ret = client_enable_roce(&n->c);
	return ret ? ret : client_set_roce_address(&n->c, 0, n->gid, n->mac, -1,
						   CLIENT_ROCE_V2_IPV6);
}

void node_path(const struct node *to, struct client_path *path)
{
	memset(path, 0, sizeof(*path));
	path->dlid = to->c.lid;
	if (!node_is_ethernet(to))
		return;
	path->grh = true;
	path->hop_limit = 64;
	memcpy(path->dgid, to->gid, sizeof(to->gid));
	memcpy(path->dmac, to->mac, sizeof(to->mac));
}

void node_path_group(const struct node *n, const u8 mgid[16], struct client_path *path)
{
	memset(path, 0, sizeof(*path));
	path->grh = true;
	path->hop_limit = 64;
	memcpy(path->dgid, mgid, sizeof(path->dgid));
	if (!node_is_ethernet(n)) {
		path->dlid = GROUP_LID;
		return;
	}
	/* RFC 2464, 7 */
	memset(path->dmac, 0x33, 2);
	memcpy(path->dmac + 2, mgid + 12, 4);
}

static int fill(struct node *n)
{
	struct client_cq_attr attr;
	int ret = client_alloc_pd(&n->c, &n->pd);

	if (!ret && node_is_ethernet(n))
		ret = enable_roce(n);
	if (!ret)
		ret = client_mem_alloc(&n->c, NODE_MEM, &n->mem);
	if (!ret)
		ret = client_reg_mr(&n->c, n->pd, n->mem.va, NODE_MEM, CLIENT_ALL_ACCESS,
				    &n->key);
	client_cq_attr_init(&attr, 10);
	return ret ? ret : client_create_cq(&n->c, &attr, &n->cq);
}

int node_open_on(struct node *n, const char *uuid, struct client_vfio *vfio,
		 const struct client_ops *ops, u32 flags)
{
	int ret;

	memset(n, 0, sizeof(*n));
	n->uuid = uuid;
	n->vfio = vfio;
	if (!n->vfio)
		return complain("%s: cannot be opened: %s", uuid, strerror(errno));
	ret = client_open(&n->c, ops, n->vfio, flags);
	if (ret) {
		n->vfio = NULL;		/* client_open() has closed it */
		return complain("%s: bring-up: %s (status %x, syndrome %x)", uuid,
				strerror(-ret), n->c.status, n->c.syndrome);
	}
	if (flags & CLIENT_NO_INIT)
		return 0;
	ret = fill(n);
	if (!ret)
		return 0;
	complain("%s: set-up: %s (status %x, syndrome %x)", uuid, strerror(-ret),
		 n->c.status, n->c.syndrome);
	node_close(n);
	return -1;
}

int node_open_with(struct node *n, const char *uuid, const struct client_ops *ops,
		   u32 flags)
{
	return node_open_on(n, uuid, client_vfio_open(uuid), ops, flags);
}

int node_open(struct node *n, const char *uuid)
{
	return node_open_with(n, uuid, &client_vfio_ops, 0);
}

void node_close(struct node *n)
{
	if (n->vfio)
		client_close(&n->c);
	n->vfio = NULL;
}

void node_abandon(struct node *n)
{
	if (n->vfio) {
		n->c.ops->reset(n->c.backend);
		n->c.ops->close(n->c.backend);
	}
	n->vfio = NULL;
}

int node_connect_type(struct node *from, struct client_qp *a, struct node *to,
		      struct client_qp *b, u8 type)
{
	struct node *node[2] = { from, to };
	struct client_qp *qp[2] = { a, b };
	int ret = 0;
	int i;

	for (i = 0; i < 2 && !ret; i++) {
		struct client_qp_attr attr;

		client_qp_attr_init(&attr, type, node[i]->pd, &node[i]->cq);
		attr.log_sq = 7;
		ret = client_create_qp(&node[i]->c, &attr, qp[i]);
	}
	for (i = 0; i < 2 && !ret; i++) {
		struct client_modify modify;

		client_modify_init(&modify);
		modify.remote_qpn = qp[!i]->qpn;
		node_path(node[!i], &modify.path);
		modify.ack_timeout = 10;
		modify.retry = 2;
		ret = client_connect_qp(qp[i], &modify);
	}
	return ret ? complain("connection: %s (status %x, syndrome %x)", strerror(-ret),
			      from->c.status | to->c.status,
			      from->c.syndrome | to->c.syndrome) : 0;
}

int node_connect(struct node *from, struct client_qp *a, struct node *to,
		 struct client_qp *b)
{
	return node_connect_type(from, a, to, b, MLX5_QP_ST_RC);
}

int node_poll(struct node *n, struct client_wc *wc, int timeout_ms)
{
	u64 end = now_ns() + (u64)timeout_ms * 1000000ULL;

	do {
		if (client_poll_cq(&n->cq, 1, wc) == 1)
			return 0;
		n->c.ops->progress(n->c.backend);
	} while (now_ns() < end);
	return -1;
}

int node_send(struct node *n, struct client_qp *qp, struct client_send *wr,
	      struct client_wc *wc)
{
	int ret;

	wr->flags |= CLIENT_SIGNALED;
	ret = client_post_send(qp, wr);
	if (ret)
		return complain("post: %s", strerror(-ret));
	if (node_poll(n, wc, TIMEOUT_MS))
		return complain("no completion within %d ms", TIMEOUT_MS);
	return 0;
}

/* 64 KiB there and back again, at the ends of both memories. */
static int there_and_back(struct node *from, struct node *to, struct client_qp *a)
{
	const u32 len = 65536;
	u8 *source = from->mem.va + 100, *target = to->mem.va + NODE_MEM / 2 + 13;
	u8 *back = from->mem.va + NODE_MEM - len;
	struct client_sge sge = { .addr = (uintptr_t)source, .len = len, .lkey = from->key };
	struct client_send wr = { .opcode = MLX5_OPCODE_RDMA_WRITE, .sge = &sge, .n_sge = 1,
				  .remote_addr = (uintptr_t)target, .rkey = to->key };
	struct client_wc wc;
	u32 i;

	for (i = 0; i < len; i++)
		source[i] = (u8)(i * 7 + (i >> 8) + 1);
	memset(target, 0, len);
	memset(back, 0, len);
	if (node_send(from, a, &wr, &wc))
		return -1;
	if (wc.status || memcmp(source, target, len))
		return complain("WRITE: status %x or wrong data", wc.status);
	wr.opcode = MLX5_OPCODE_RDMA_READ;
	sge.addr = (uintptr_t)back;
	if (node_send(from, a, &wr, &wc))
		return -1;
	if (wc.status || memcmp(source, back, len))
		return complain("READ: status %x or wrong data", wc.status);
	return 0;
}

int node_transfer(struct node *from, struct node *to)
{
	struct client_qp a, b;

	if (node_connect(from, &a, to, &b) || there_and_back(from, to, &a))
		return -1;
	return client_destroy_qp(&a) || client_destroy_qp(&b) ?
	       complain("destroy: status %x", from->c.status) : 0;
}
