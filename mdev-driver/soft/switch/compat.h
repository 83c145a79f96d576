/* SPDX-License-Identifier: GPL-2.0-only */
/* What differs between kernels in the networking API (features.mk asks the headers). */
#ifndef SOFT_COMPAT_H
#define SOFT_COMPAT_H

#include <net/rtnetlink.h>

/* Parameters of an rtnl_link_ops.newlink, and its IFLA_INFO_DATA among them. */
#ifdef MHCA_HAVE_NEWLINK_PARAMS
#define SOFT_NEWLINK_PARAMS							\
	struct net_device *dev, struct rtnl_newlink_params *params,		\
	struct netlink_ext_ack *extack
#define SOFT_NEWLINK_DATA	(params->data)
#else
#define SOFT_NEWLINK_PARAMS							\
	struct net *net, struct net_device *dev, struct nlattr *tb[],		\
	struct nlattr *data[], struct netlink_ext_ack *extack
#define SOFT_NEWLINK_DATA	data
#endif

#endif /* SOFT_COMPAT_H */
