/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * libmhca under libibverbs' names, put before a program by -include: what is written
 * for verbs drives an instance by itself. Devices are instances, by the names that
 * mhca_open() takes. What libmhca has no twin of fails as verbs fail on an old kernel.
 */
#ifndef TWIN_H
#define TWIN_H

#define ibv_ack_async_event	mhca_ack_async_event
#define ibv_ack_cq_events	mhca_ack_cq_events
#define ibv_alloc_pd		mhca_alloc_pd
#define ibv_attach_mcast	mhca_attach_mcast
#define ibv_close_device	mhca_close
#define ibv_create_ah		mhca_create_ah
#define ibv_create_comp_channel	mhca_create_comp_channel
#define ibv_create_cq		mhca_create_cq
#define ibv_create_qp		mhca_create_qp
#define ibv_create_srq		mhca_create_srq
#define ibv_dealloc_pd		mhca_dealloc_pd
#define ibv_dereg_mr		mhca_dereg_mr
#define ibv_destroy_ah		mhca_destroy_ah
#define ibv_destroy_comp_channel	mhca_destroy_comp_channel
#define ibv_destroy_cq		mhca_destroy_cq
#define ibv_destroy_qp		mhca_destroy_qp
#define ibv_destroy_srq		mhca_destroy_srq
#define ibv_detach_mcast	mhca_detach_mcast
#define ibv_get_async_event	mhca_get_async_event
#define ibv_get_cq_event	mhca_get_cq_event
#define ibv_modify_qp		mhca_modify_qp
#define ibv_modify_srq		mhca_modify_srq
#define ibv_query_device	mhca_query_device
#define ibv_query_gid		mhca_query_gid
#define ibv_query_qp		mhca_query_qp
#define ibv_query_srq		mhca_query_srq
#define ibv_resize_cq		mhca_resize_cq
#define ibv_wc_status_str	mhca_wc_status_str

#include <stdlib.h>
#include <string.h>
#include <libmhca.h>

/* These are macros of their own in <infiniband/verbs.h>. */
#undef ibv_query_port
#define ibv_query_port		mhca_query_port
#undef ibv_reg_mr
#define ibv_reg_mr		mhca_reg_mr

/* A list of devices of which only the names are real. */
static inline struct ibv_device **twin_get_device_list(int *n)
{
	char **names = mhca_get_device_list(n);
	struct ibv_device **list = names ? calloc((size_t)*n + 1, sizeof(*list)) : NULL;
	int i;

	for (i = 0; list && i < *n; i++) {
		list[i] = calloc(1, sizeof(*list[i]));
		if (list[i])
			strncpy(list[i]->name, names[i], sizeof(list[i]->name) - 1);
	}
	if (names)
		mhca_free_device_list(names);
	return list;
}

static inline void twin_free_device_list(struct ibv_device **list)
{
	struct ibv_device **device;

	for (device = list; *device; device++)
		free(*device);
	free(list);
}

static inline const char *twin_get_device_name(struct ibv_device *device)
{
	return device->name;
}

static inline struct ibv_context *twin_open_device(struct ibv_device *device)
{
	return mhca_open(device->name);
}

#define ibv_get_device_list	twin_get_device_list
#define ibv_free_device_list	twin_free_device_list
#define ibv_get_device_name	twin_get_device_name
#define ibv_open_device		twin_open_device

#endif /* TWIN_H */
