/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The few types of <rdma/ib_verbs.h> that linux/mlx5/{device,qp}.h embed. */
#ifndef MHCA_STUB_IB_VERBS_H
#define MHCA_STUB_IB_VERBS_H

#include <linux/types.h>

union ib_gid {
	u8 raw[16];
	struct {
		__be64 subnet_prefix;
		__be64 interface_id;
	} global;
};

struct ib_grh {
	__be32 version_tclass_flow;
	__be16 paylen;
	u8 next_hdr;
	u8 hop_limit;
	union ib_gid sgid;
	union ib_gid dgid;
};

struct ib_ah {
	void *device;
};

enum ib_mtu {
	IB_MTU_256 = 1,
	IB_MTU_512,
	IB_MTU_1024,
	IB_MTU_2048,
	IB_MTU_4096,
};

#endif /* MHCA_STUB_IB_VERBS_H */
