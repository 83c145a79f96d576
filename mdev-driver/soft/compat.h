/* SPDX-License-Identifier: GPL-2.0-only */
/* What differs between kernels in the networking API (Kbuild asks the headers). */
#ifndef SOFT_COMPAT_H
#define SOFT_COMPAT_H

#include <net/rtnetlink.h>

/* An rtnl_link_ops.newlink called @name that calls @fn(dev, data, extack). */
#ifdef MHCA_HAVE_NEWLINK_PARAMS
#define SOFT_NEWLINK(name, fn)							\
static int name(struct net_device *dev, struct rtnl_newlink_params *params,	\
		struct netlink_ext_ack *extack)					\
{										\
	return fn(dev, params->data, extack);					\
}
#else
#define SOFT_NEWLINK(name, fn)							\
static int name(struct net *net, struct net_device *dev, struct nlattr *tb[],	\
		struct nlattr *data[], struct netlink_ext_ack *extack)		\
{										\
	return fn(dev, data, extack);						\
}
#endif

#endif /* SOFT_COMPAT_H */
