/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * libmhca: verbs on an mHCA instance without a kernel driver for it.
 *
 * Objects are those of <infiniband/verbs.h>. Its inline functions work on them:
 * ibv_post_send(), ibv_post_recv(), ibv_post_srq_recv(), ibv_poll_cq() and
 * ibv_req_notify_cq(). Every other verb is the mhca_*() function below that has the
 * name, the arguments and the conventions of its ibv_*() twin. libibverbs itself is
 * not needed and must not be given these objects.
 *
 * See libmhca(7).
 */
#ifndef LIBMHCA_H
#define LIBMHCA_H

#include <infiniband/verbs.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * The instances that this machine could open, as names for mhca_open(): UUIDs of
 * mdevs, addresses of PCI functions. NULL-terminated; NULL and errno on failure.
 */
char **mhca_get_device_list(int *num_devices);
void mhca_free_device_list(char **list);

/*
 * Open an instance. @name is
 *	a UUID			an mdev of this host, through VFIO
 *	0000:01:00.0		a PCI function: through VFIO when vfio-pci holds it,
 *				through its resource file when nobody does
 * NULL and errno on failure. The instance belongs to this process until mhca_close().
 */
struct ibv_context *mhca_open(const char *name);
int mhca_close(struct ibv_context *context);

int mhca_query_device(struct ibv_context *context, struct ibv_device_attr *device_attr);
int mhca_query_port(struct ibv_context *context, uint8_t port_num,
		    struct ibv_port_attr *port_attr);
int mhca_query_gid(struct ibv_context *context, uint8_t port_num, int index,
		   union ibv_gid *gid);
int mhca_query_pkey(struct ibv_context *context, uint8_t port_num, int index, __be16 *pkey);

struct ibv_pd *mhca_alloc_pd(struct ibv_context *context);
int mhca_dealloc_pd(struct ibv_pd *pd);

/*
 * Memory that any instance can reach however it was opened: zeroed, whole pages. An
 * instance opened without VFIO's IOMMU part can register nothing else.
 */
void *mhca_alloc_memory(struct ibv_context *context, size_t length);
void mhca_free_memory(struct ibv_context *context, void *addr, size_t length);

struct ibv_mr *mhca_reg_mr(struct ibv_pd *pd, void *addr, size_t length, int access);
int mhca_dereg_mr(struct ibv_mr *mr);

struct ibv_comp_channel *mhca_create_comp_channel(struct ibv_context *context);
int mhca_destroy_comp_channel(struct ibv_comp_channel *channel);
struct ibv_cq *mhca_create_cq(struct ibv_context *context, int cqe, void *cq_context,
			      struct ibv_comp_channel *channel, int comp_vector);
int mhca_resize_cq(struct ibv_cq *cq, int cqe);
int mhca_destroy_cq(struct ibv_cq *cq);
int mhca_get_cq_event(struct ibv_comp_channel *channel, struct ibv_cq **cq,
		      void **cq_context);
void mhca_ack_cq_events(struct ibv_cq *cq, unsigned int nevents);

struct ibv_srq *mhca_create_srq(struct ibv_pd *pd, struct ibv_srq_init_attr *attr);
int mhca_modify_srq(struct ibv_srq *srq, struct ibv_srq_attr *attr, int attr_mask);
int mhca_query_srq(struct ibv_srq *srq, struct ibv_srq_attr *attr);
int mhca_destroy_srq(struct ibv_srq *srq);

struct ibv_qp *mhca_create_qp(struct ibv_pd *pd, struct ibv_qp_init_attr *attr);
int mhca_modify_qp(struct ibv_qp *qp, struct ibv_qp_attr *attr, int attr_mask);
int mhca_query_qp(struct ibv_qp *qp, struct ibv_qp_attr *attr, int attr_mask,
		  struct ibv_qp_init_attr *init_attr);
int mhca_destroy_qp(struct ibv_qp *qp);
int mhca_attach_mcast(struct ibv_qp *qp, const union ibv_gid *gid, uint16_t lid);
int mhca_detach_mcast(struct ibv_qp *qp, const union ibv_gid *gid, uint16_t lid);

struct ibv_ah *mhca_create_ah(struct ibv_pd *pd, struct ibv_ah_attr *attr);
int mhca_destroy_ah(struct ibv_ah *ah);

/* context->async_fd is readable when there is one; -1: the instance has no interrupts. */
int mhca_get_async_event(struct ibv_context *context, struct ibv_async_event *event);
void mhca_ack_async_event(struct ibv_async_event *event);

const char *mhca_wc_status_str(enum ibv_wc_status status);

#ifdef __cplusplus
}
#endif

#endif /* LIBMHCA_H */
