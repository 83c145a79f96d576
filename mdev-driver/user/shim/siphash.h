/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* SipHash-2-4, and numbers that nobody guesses. */
#ifndef MHCA_SHIM_SIPHASH_H
#define MHCA_SHIM_SIPHASH_H

#include <sys/random.h>
#include <shim/core.h>

typedef struct {
	u64 key[2];
} siphash_key_t;

static inline u64 shim_rol64(u64 x, int n)
{
	return x << n | x >> (64 - n);
}

static inline void shim_sip_round(u64 v[4])
{
	v[0] += v[1];
	v[2] += v[3];
	v[1] = shim_rol64(v[1], 13) ^ v[0];
	v[3] = shim_rol64(v[3], 16) ^ v[2];
	v[0] = shim_rol64(v[0], 32);
	v[2] += v[1];
	v[0] += v[3];
	v[1] = shim_rol64(v[1], 17) ^ v[2];
	v[3] = shim_rol64(v[3], 21) ^ v[0];
	v[2] = shim_rol64(v[2], 32);
}

static inline u64 siphash(const void *data, size_t len, const siphash_key_t *key)
{
	u64 v[4] = {
		key->key[0] ^ 0x736f6d6570736575ULL, key->key[1] ^ 0x646f72616e646f6dULL,
		key->key[0] ^ 0x6c7967656e657261ULL, key->key[1] ^ 0x7465646279746573ULL,
	};
	const u8 *at = data;
	size_t left;
	u32 i;

	for (left = len;; left -= 8, at += 8) {
		u64 word = 0;

		memcpy(&word, at, min(left, (size_t)8));
		word = le64_to_cpu(word);
		if (left < 8)
			word |= (u64)len << 56;
		v[3] ^= word;
		shim_sip_round(v);
		shim_sip_round(v);
		v[0] ^= word;
		if (left < 8)
			break;
	}
	v[2] ^= 0xff;
	for (i = 0; i < 4; i++)
		shim_sip_round(v);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}

static inline u64 siphash_3u64(u64 a, u64 b, u64 c, const siphash_key_t *key)
{
	u64 word[3] = { cpu_to_le64(a), cpu_to_le64(b), cpu_to_le64(c) };

	return siphash(word, sizeof(word), key);
}

static inline void get_random_bytes(void *to, size_t n)
{
	if (getrandom(to, n, 0) != (ssize_t)n)
		abort();
}

#endif /* MHCA_SHIM_SIPHASH_H */
