/* SPDX-License-Identifier: GPL-2.0-only */
/* A connected message as its responder sees it, however it comes. */
#ifndef SOFT_TRANSPORT_REQUEST_H
#define SOFT_TRANSPORT_REQUEST_H

#include <mhca/kernel.h>

/**
 * struct soft_request - what a responder is asked for
 * @opcode: MLX5_OPCODE_*
 * @solicited: solicited event
 * @imm: immediate (network order), or rkey to invalidate
 * @len: bytes of payload, of a READ's response
 * @va: READ, WRITE, atomics
 * @rkey: its key
 * @swap_add: atomics, host order
 * @compare: CMP_SWP, host order
 * @srqn: XRC
 * @psn: first PSN
 * @packets: PSNs it takes
 * @value: atomics, out: what was there before
 * @min_rnr: out with SOFT_RNR: the responder's RNR code
 */
struct soft_request {
	u8 opcode;
	bool solicited;
	__be32 imm;
	u64 len;
	u64 va;
	u32 rkey;
	u64 swap_add;
	u64 compare;
	u32 srqn;
	u32 psn;
	u32 packets;
	u64 value;
	u8 min_rnr;
};

#endif /* SOFT_TRANSPORT_REQUEST_H */
