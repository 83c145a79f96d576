/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The Internet checksum with the kernel's names (RFC 1071), in the plainest way. */
#ifndef MHCA_SHIM_CHECKSUM_H
#define MHCA_SHIM_CHECKSUM_H

#include <linux/types.h>
#include <string.h>

static inline __wsum csum_add(__wsum a, __wsum b)
{
	u64 sum = (u64)a + b;

	return (u32)sum + (u32)(sum >> 32);
}

static inline __wsum csum_partial(const void *data, int len, __wsum sum)
{
	const u8 *p = data;
	u16 word;

	for (; len > 1; len -= 2, p += 2) {
		memcpy(&word, p, sizeof(word));
		sum = csum_add(sum, word);
	}
	if (len) {
		word = 0;
		memcpy(&word, p, 1);
		sum = csum_add(sum, word);
	}
	return sum;
}

static inline __sum16 csum_fold(__wsum sum)
{
	u32 s = sum;

	s = (s & 0xffff) + (s >> 16);
	s = (s & 0xffff) + (s >> 16);
	return (__sum16)~s;
}

/* @part began at byte @offset of what @sum is about. */
static inline __wsum csum_block_add(__wsum sum, __wsum part, int offset)
{
	if (offset & 1)
		part = (u32)part >> 8 | (u32)part << 24;
	return csum_add(sum, part);
}

#endif /* MHCA_SHIM_CHECKSUM_H */
