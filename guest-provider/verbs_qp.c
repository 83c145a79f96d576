// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Queue pairs: creation, states, multicast. */
#include "provider.h"

#define WQE_BYTES	(63U * 16)
#define BLOCK		64U
#define CTRL		16U
#define REMOTE		32U	/* remote address and atomic segments */
#define ADDRESS		48U	/* address vector */

/* ---- Creation -------------------------------------------------------------- */

static const struct {
	enum ibv_qp_type type;
	u8 st;
} services[] = {
	{ IBV_QPT_RC, MLX5_QP_ST_RC }, { IBV_QPT_UC, MLX5_QP_ST_UC },
	{ IBV_QPT_UD, MLX5_QP_ST_UD },
};

static int service_of(enum ibv_qp_type type)
{
	u32 i;

	for (i = 0; i < sizeof(services) / sizeof(services[0]); i++)
		if (services[i].type == type)
			return services[i].st;
	return -EOPNOTSUPP;
}

static int send_size(struct ibv_qp_init_attr *init, u32 log_max, struct client_qp_attr *attr)
{
	struct ibv_qp_cap *cap = &init->cap;
	u32 head = CTRL + (init->qp_type == IBV_QPT_UD ? ADDRESS : REMOTE);
	u32 data = cap->max_send_sge * 16;
	u32 inlined = (cap->max_inline_data + 4 + 15) & ~15U;
	u32 blocks;

	if (!cap->max_send_wr) {
		attr->log_sq = CLIENT_NO_QUEUE;
		return 0;
	}
	if (cap->max_send_sge > 30 || cap->max_inline_data > WQE_BYTES - head - 4 ||
	    cap->max_send_wr > 1U << log_max)
		return -EINVAL;
	if (cap->max_inline_data && inlined > data)
		data = inlined;
	blocks = (head + data + BLOCK - 1) / BLOCK;
	attr->log_sq = mhca_log2(blocks * cap->max_send_wr);
	if (attr->log_sq > log_max)
		return -EINVAL;
	cap->max_send_wr = (1U << attr->log_sq) / blocks;
	cap->max_send_sge = (blocks * BLOCK - head) / 16;
	cap->max_inline_data = blocks * BLOCK - head - 4;
	return 0;
}

static int recv_size(struct ibv_qp_init_attr *init, u32 log_max, struct client_qp_attr *attr)
{
	struct ibv_qp_cap *cap = &init->cap;
	u32 log_sge;

	if (init->srq || !cap->max_recv_wr) {
		attr->log_rq = CLIENT_NO_QUEUE;
		cap->max_recv_wr = 0;
		cap->max_recv_sge = 0;
		return 0;
	}
	if (cap->max_recv_sge > 32 || cap->max_recv_wr > 1U << log_max)
		return -EINVAL;
	log_sge = mhca_log2(cap->max_recv_sge ? cap->max_recv_sge : 1);
	attr->recv_sge = (u8)(1U << log_sge);
	attr->log_rq = mhca_log2(cap->max_recv_wr);
	cap->max_recv_wr = 1U << attr->log_rq;
	cap->max_recv_sge = attr->recv_sge;
	return 0;
}

struct ibv_qp *mhca_create_qp(struct ibv_pd *pd, struct ibv_qp_init_attr *init)
{
	struct mhca_context *ctx = to_ctx(pd->context);
	u32 log_max = MLX5_GET(cmd_hca_cap, ctx->c.caps, log_max_qp_sz);
	int service = service_of(init->qp_type);
	struct client_qp_attr attr;
	struct mhca_qp *qp;
	int ret;

	if (service < 0)
		return mhca_null(service);
	if (!init->send_cq || !init->recv_cq)
		return mhca_null(-EINVAL);
	client_qp_attr_init(&attr, (u8)service, to_pd(pd)->number, NULL);
	attr.send_cq = &to_cq(init->send_cq)->raw;
	attr.recv_cq = &to_cq(init->recv_cq)->raw;
	attr.srq = init->srq ? &to_srq(init->srq)->raw : NULL;
	ret = send_size(init, log_max, &attr);
	if (!ret)
		ret = recv_size(init, log_max, &attr);
	if (ret)
		return mhca_null(ret);
	qp = calloc(1, sizeof(*qp));
	if (!qp)
		return NULL;
	pthread_mutex_lock(&ctx->lock);
	ret = client_create_qp(&ctx->c, &attr, &qp->raw);
	pthread_mutex_unlock(&ctx->lock);
	if (ret) {
		free(qp);
		return mhca_null(ret);
	}
	pthread_mutex_init(&qp->send_lock, NULL);
	pthread_mutex_init(&qp->recv_lock, NULL);
	pthread_mutex_init(&qp->ibv.mutex, NULL);
	pthread_cond_init(&qp->ibv.cond, NULL);
	qp->cap = init->cap;
	qp->sig_all = init->sq_sig_all;
	qp->ibv.context = pd->context;
	qp->ibv.qp_context = init->qp_context;
	qp->ibv.pd = pd;
	qp->ibv.send_cq = init->send_cq;
	qp->ibv.recv_cq = init->recv_cq;
	qp->ibv.srq = init->srq;
	qp->ibv.handle = qp->raw.qpn;
	qp->ibv.qp_num = qp->raw.qpn;
	qp->ibv.qp_type = init->qp_type;
	return &qp->ibv;
}

/* Both CQ locks, in one order; the same CQ only once. */
static void lock_cqs(struct mhca_qp *qp, bool lock)
{
	struct mhca_cq *a = to_cq(qp->ibv.send_cq);
	struct mhca_cq *b = to_cq(qp->ibv.recv_cq);

	if (a > b) {
		struct mhca_cq *swap = a;

		a = b;
		b = swap;
	}
	if (lock) {
		pthread_mutex_lock(&a->lock);
		if (a != b)
			pthread_mutex_lock(&b->lock);
	} else {
		if (a != b)
			pthread_mutex_unlock(&b->lock);
		pthread_mutex_unlock(&a->lock);
	}
}

static void clean_cqs(struct mhca_qp *qp)
{
	client_clean_cq(qp->raw.send_cq, &qp->raw);
	if (qp->raw.recv_cq != qp->raw.send_cq)
		client_clean_cq(qp->raw.recv_cq, &qp->raw);
}

int mhca_destroy_qp(struct ibv_qp *ibqp)
{
	struct mhca_context *ctx = to_ctx(ibqp->context);
	struct mhca_qp *qp = to_qp(ibqp);
	int ret;

	pthread_mutex_lock(&ctx->lock);
	ret = client_modify_qp(&qp->raw, MLX5_CMD_OP_DESTROY_QP, NULL);
	if (!ret) {
		lock_cqs(qp, true);
		clean_cqs(qp);
		client_forget_qp(&qp->raw);
		lock_cqs(qp, false);
	}
	pthread_mutex_unlock(&ctx->lock);
	if (ret)
		return -ret;
	mhca_wait_acked(&ibqp->mutex, &ibqp->cond, &qp->events, &ibqp->events_completed);
	pthread_mutex_destroy(&qp->send_lock);
	pthread_mutex_destroy(&qp->recv_lock);
	pthread_mutex_destroy(&ibqp->mutex);
	pthread_cond_destroy(&ibqp->cond);
	free(qp);
	return 0;
}

/* ---- States ---------------------------------------------------------------- */

#define CONNECTED	(IBV_QP_AV | IBV_QP_PATH_MTU | IBV_QP_DEST_QPN | IBV_QP_RQ_PSN)
#define EXTRA		(IBV_QP_STATE | IBV_QP_CUR_STATE)

/* What a transition must be told, and may be told, by service. */
static const struct {
	enum ibv_qp_state from;
	enum ibv_qp_state to;
	u16 opcode;
	struct {
		int must;
		int may;
	} mask[3];	/* RC, UC, UD */
} arcs[] = {
	{ IBV_QPS_RESET, IBV_QPS_INIT, MLX5_CMD_OP_RST2INIT_QP, {
		{ IBV_QP_PKEY_INDEX | IBV_QP_PORT | IBV_QP_ACCESS_FLAGS, 0 },
		{ IBV_QP_PKEY_INDEX | IBV_QP_PORT | IBV_QP_ACCESS_FLAGS, 0 },
		{ IBV_QP_PKEY_INDEX | IBV_QP_PORT | IBV_QP_QKEY, 0 } } },
	{ IBV_QPS_INIT, IBV_QPS_INIT, MLX5_CMD_OP_INIT2INIT_QP, {
		{ 0, IBV_QP_PKEY_INDEX | IBV_QP_PORT | IBV_QP_ACCESS_FLAGS },
		{ 0, IBV_QP_PKEY_INDEX | IBV_QP_PORT | IBV_QP_ACCESS_FLAGS },
		{ 0, IBV_QP_PKEY_INDEX | IBV_QP_PORT | IBV_QP_QKEY } } },
	{ IBV_QPS_INIT, IBV_QPS_RTR, MLX5_CMD_OP_INIT2RTR_QP, {
		{ CONNECTED | IBV_QP_MAX_DEST_RD_ATOMIC | IBV_QP_MIN_RNR_TIMER,
		  IBV_QP_ACCESS_FLAGS | IBV_QP_PKEY_INDEX },
		{ CONNECTED, IBV_QP_ACCESS_FLAGS | IBV_QP_PKEY_INDEX },
		{ 0, IBV_QP_PKEY_INDEX | IBV_QP_QKEY } } },
	{ IBV_QPS_RTR, IBV_QPS_RTS, MLX5_CMD_OP_RTR2RTS_QP, {
		{ IBV_QP_SQ_PSN | IBV_QP_TIMEOUT | IBV_QP_RETRY_CNT | IBV_QP_RNR_RETRY |
		  IBV_QP_MAX_QP_RD_ATOMIC, IBV_QP_ACCESS_FLAGS | IBV_QP_MIN_RNR_TIMER },
		{ IBV_QP_SQ_PSN, IBV_QP_ACCESS_FLAGS },
		{ IBV_QP_SQ_PSN, IBV_QP_QKEY } } },
	{ IBV_QPS_RTS, IBV_QPS_RTS, MLX5_CMD_OP_RTS2RTS_QP, {
		{ 0, IBV_QP_ACCESS_FLAGS | IBV_QP_MIN_RNR_TIMER },
		{ 0, IBV_QP_ACCESS_FLAGS },
		{ 0, IBV_QP_QKEY } } },
	{ IBV_QPS_SQE, IBV_QPS_RTS, MLX5_CMD_OP_SQERR2RTS_QP, {
		{ -1, 0 },
		{ 0, IBV_QP_ACCESS_FLAGS },
		{ 0, IBV_QP_QKEY } } },
};

static const struct {
	int attr;
	u32 optional;
} optionals[] = {
	{ IBV_QP_PKEY_INDEX, MLX5_QP_OPTPAR_PKEY_INDEX },
	{ IBV_QP_QKEY, MLX5_QP_OPTPAR_Q_KEY },
	{ IBV_QP_MIN_RNR_TIMER, MLX5_QP_OPTPAR_RNR_TIMEOUT },
};

static u32 optional_mask(enum ibv_qp_type type, int mask)
{
	u32 optional = 0;
	u32 i;

	for (i = 0; i < sizeof(optionals) / sizeof(optionals[0]); i++)
		if (mask & optionals[i].attr)
			optional |= optionals[i].optional;
	if (mask & IBV_QP_ACCESS_FLAGS)
		optional |= type == IBV_QPT_UC ? MLX5_QP_OPTPAR_RWE :
			    MLX5_QP_OPTPAR_RRE | MLX5_QP_OPTPAR_RAE | MLX5_QP_OPTPAR_RWE;
	return optional;
}

/* Check @attr's values and put them into @m. */
static int collect(const struct ibv_qp_attr *attr, int mask, struct client_modify *m)
{
	if ((mask & IBV_QP_PORT && attr->port_num != 1) ||
	    (mask & IBV_QP_PKEY_INDEX && attr->pkey_index) ||
	    (mask & IBV_QP_PATH_MTU &&
	     (attr->path_mtu < IBV_MTU_256 || attr->path_mtu > IBV_MTU_4096)) ||
	    attr->timeout > 31 || (mask & IBV_QP_RETRY_CNT && attr->retry_cnt > 7) ||
	    (mask & IBV_QP_RNR_RETRY && attr->rnr_retry > 7) ||
	    (mask & IBV_QP_MIN_RNR_TIMER && attr->min_rnr_timer > 31) ||
	    (mask & IBV_QP_MAX_QP_RD_ATOMIC && attr->max_rd_atomic > 16) ||
	    (mask & IBV_QP_MAX_DEST_RD_ATOMIC && attr->max_dest_rd_atomic > 16))
		return -EINVAL;
	if (mask & IBV_QP_AV && mhca_path(&attr->ah_attr, &m->path))
		return -EINVAL;
	if (mask & IBV_QP_PATH_MTU)
		m->mtu = (u8)attr->path_mtu;
	if (mask & IBV_QP_DEST_QPN)
		m->remote_qpn = attr->dest_qp_num;
	if (mask & IBV_QP_RQ_PSN)
		m->rq_psn = attr->rq_psn & 0xffffff;
	if (mask & IBV_QP_SQ_PSN)
		m->sq_psn = attr->sq_psn & 0xffffff;
	if (mask & IBV_QP_ACCESS_FLAGS)
		m->access = mhca_access((int)attr->qp_access_flags);
	if (mask & IBV_QP_QKEY)
		m->qkey = attr->qkey;
	if (mask & IBV_QP_MIN_RNR_TIMER)
		m->min_rnr = attr->min_rnr_timer;
	if (mask & IBV_QP_TIMEOUT)
		m->ack_timeout = attr->timeout;
	if (mask & IBV_QP_RETRY_CNT)
		m->retry = attr->retry_cnt;
	if (mask & IBV_QP_RNR_RETRY)
		m->rnr_retry = attr->rnr_retry;
	if (mask & IBV_QP_MAX_DEST_RD_ATOMIC)
		m->log_rra = mhca_log2(attr->max_dest_rd_atomic);
	if (mask & IBV_QP_MAX_QP_RD_ATOMIC)
		m->log_sra = mhca_log2(attr->max_rd_atomic);
	return 0;
}

static int to_reset(struct mhca_qp *qp)
{
	int ret;

	pthread_mutex_lock(&qp->send_lock);
	pthread_mutex_lock(&qp->recv_lock);
	lock_cqs(qp, true);
	ret = client_modify_qp(&qp->raw, MLX5_CMD_OP_2RST_QP, NULL);
	if (!ret) {
		clean_cqs(qp);
		memset(&qp->modify, 0, sizeof(qp->modify));
	}
	lock_cqs(qp, false);
	pthread_mutex_unlock(&qp->recv_lock);
	pthread_mutex_unlock(&qp->send_lock);
	return ret;
}

static int to_state(struct mhca_qp *qp, enum ibv_qp_state from, enum ibv_qp_state to,
		    const struct ibv_qp_attr *attr, int mask)
{
	u32 service = qp->ibv.qp_type == IBV_QPT_RC ? 0 : qp->ibv.qp_type == IBV_QPT_UC ? 1 : 2;
	struct client_modify m = qp->modify;
	int may;
	u32 i;
	int ret;

	for (i = 0; i < sizeof(arcs) / sizeof(arcs[0]); i++)
		if (arcs[i].from == from && arcs[i].to == to)
			break;
	if (i == sizeof(arcs) / sizeof(arcs[0]))
		return -EINVAL;
	may = arcs[i].mask[service].may;
	if ((mask & arcs[i].mask[service].must) != arcs[i].mask[service].must ||
	    mask & ~(arcs[i].mask[service].must | may | EXTRA))
		return -EINVAL;
	ret = collect(attr, mask, &m);
	if (ret)
		return ret;
	m.optional = optional_mask(qp->ibv.qp_type, mask & may);
	ret = client_modify_qp(&qp->raw, arcs[i].opcode, &m);
	if (!ret)
		qp->modify = m;
	return ret;
}

int mhca_modify_qp(struct ibv_qp *ibqp, struct ibv_qp_attr *attr, int mask)
{
	struct mhca_context *ctx = to_ctx(ibqp->context);
	struct mhca_qp *qp = to_qp(ibqp);
	enum ibv_qp_state from = mask & IBV_QP_CUR_STATE ? attr->cur_qp_state : ibqp->state;
	enum ibv_qp_state to = mask & IBV_QP_STATE ? attr->qp_state : from;
	int ret;

	pthread_mutex_lock(&ctx->lock);
	if (to == IBV_QPS_RESET)
		ret = to_reset(qp);
	else if (to == IBV_QPS_ERR)
		ret = client_modify_qp(&qp->raw, MLX5_CMD_OP_2ERR_QP, NULL);
	else
		ret = to_state(qp, from, to, attr, mask);
	if (!ret)
		ibqp->state = to;
	pthread_mutex_unlock(&ctx->lock);
	return -ret;
}

/* ---- Questions -------------------------------------------------------------- */

static enum ibv_qp_state state_of(u32 state)
{
	switch (state) {
	case MLX5_QP_STATE_RST: return IBV_QPS_RESET;
	case MLX5_QP_STATE_INIT: return IBV_QPS_INIT;
	case MLX5_QP_STATE_RTR: return IBV_QPS_RTR;
	case MLX5_QP_STATE_RTS: return IBV_QPS_RTS;
	case MLX5_QP_STATE_SQER: return IBV_QPS_SQE;
	default: return IBV_QPS_ERR;
	}
}

int mhca_query_qp(struct ibv_qp *ibqp, struct ibv_qp_attr *attr, int attr_mask,
		  struct ibv_qp_init_attr *init)
{
	struct mhca_context *ctx = to_ctx(ibqp->context);
	struct mhca_qp *qp = to_qp(ibqp);
	u8 qpc[MLX5_ST_SZ_BYTES(qpc)];
	int ret;

	(void)attr_mask;
	pthread_mutex_lock(&ctx->lock);
	ret = client_query_qp(&qp->raw, qpc);
	pthread_mutex_unlock(&ctx->lock);
	if (ret)
		return -ret;
	memset(attr, 0, sizeof(*attr));
	memset(init, 0, sizeof(*init));
	attr->qp_state = state_of(MLX5_GET(qpc, qpc, state));
	attr->cur_qp_state = attr->qp_state;
	ibqp->state = attr->qp_state;
	attr->path_mtu = (enum ibv_mtu)MLX5_GET(qpc, qpc, mtu);
	attr->path_mig_state = IBV_MIG_MIGRATED;
	attr->qkey = MLX5_GET(qpc, qpc, q_key);
	attr->rq_psn = MLX5_GET(qpc, qpc, next_rcv_psn);
	attr->sq_psn = MLX5_GET(qpc, qpc, next_send_psn);
	attr->dest_qp_num = MLX5_GET(qpc, qpc, remote_qpn);
	attr->qp_access_flags = (MLX5_GET(qpc, qpc, rre) ? IBV_ACCESS_REMOTE_READ : 0) |
				(MLX5_GET(qpc, qpc, rwe) ? IBV_ACCESS_REMOTE_WRITE : 0) |
				(MLX5_GET(qpc, qpc, rae) ? IBV_ACCESS_REMOTE_ATOMIC : 0);
	attr->cap = qp->cap;
	attr->ah_attr.dlid = (u16)MLX5_GET(qpc, qpc, primary_address_path.rlid);
	attr->ah_attr.sl = (u8)MLX5_GET(qpc, qpc, primary_address_path.sl);
	attr->ah_attr.is_global = (u8)MLX5_GET(qpc, qpc, primary_address_path.grh);
	attr->ah_attr.port_num = 1;
	attr->port_num = 1;
	attr->max_rd_atomic = (u8)(1U << MLX5_GET(qpc, qpc, log_sra_max));
	attr->max_dest_rd_atomic = (u8)(1U << MLX5_GET(qpc, qpc, log_rra_max));
	attr->min_rnr_timer = (u8)MLX5_GET(qpc, qpc, min_rnr_nak);
	attr->timeout = (u8)MLX5_GET(qpc, qpc, primary_address_path.ack_timeout);
	attr->retry_cnt = (u8)MLX5_GET(qpc, qpc, retry_count);
	attr->rnr_retry = (u8)MLX5_GET(qpc, qpc, rnr_retry);
	init->qp_context = ibqp->qp_context;
	init->send_cq = ibqp->send_cq;
	init->recv_cq = ibqp->recv_cq;
	init->srq = ibqp->srq;
	init->cap = qp->cap;
	init->qp_type = ibqp->qp_type;
	init->sq_sig_all = qp->sig_all;
	return 0;
}

/* ---- Multicast -------------------------------------------------------------- */

static int mcast(struct ibv_qp *ibqp, const union ibv_gid *gid,
		 int (*call)(struct client_qp *qp, const u8 gid[16]))
{
	struct mhca_context *ctx = to_ctx(ibqp->context);
	int ret;

	if (ibqp->qp_type != IBV_QPT_UD)
		return EINVAL;
	pthread_mutex_lock(&ctx->lock);
	ret = call(&to_qp(ibqp)->raw, gid->raw);
	pthread_mutex_unlock(&ctx->lock);
	return -ret;
}

int mhca_attach_mcast(struct ibv_qp *qp, const union ibv_gid *gid, uint16_t lid)
{
	(void)lid;
	return mcast(qp, gid, client_attach_mcast);
}

int mhca_detach_mcast(struct ibv_qp *qp, const union ibv_gid *gid, uint16_t lid)
{
	(void)lid;
	return mcast(qp, gid, client_detach_mcast);
}
