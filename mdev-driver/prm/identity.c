// SPDX-License-Identifier: GPL-2.0-only
/*
 * Who an instance is: addresses computed from its UUID, the same on every host.
 */
#include <mhca/function.h>
#include "core.h"

/* Part of the guest-visible interface: another key means other addresses. */
static const siphash_key_t mhca_identity_key = {
	.key = { 0x6d4843412d696465ULL, 0x6e746974792d7631ULL },
};

enum { MHCA_ID_NODE, MHCA_ID_PORT, MHCA_ID_MAC };

static u64 mhca_identity_hash(const u8 *uuid, u8 what)
{
	u8 data[MHCA_UUID_BYTES + 1];

	memcpy(data, uuid, MHCA_UUID_BYTES);
	data[MHCA_UUID_BYTES] = what;
	return siphash(data, sizeof(data), &mhca_identity_key);
}

/* An EUI-64 that is locally administered and no group: never zero. */
static u64 mhca_identity_guid(const u8 *uuid, u8 what)
{
	u64 guid = mhca_identity_hash(uuid, what);

	return (guid & ~(3ULL << 56)) | (2ULL << 56);
}

/**
 * mhca_identity_from_uuid() - addresses of an instance
 * @id: filled, but for the name, which is the UUID as the front end writes it
 * @uuid: MHCA_UUID_BYTES in the order of the kernel's guid_t: the first three fields
 *        little endian
 */
void mhca_identity_from_uuid(struct mhca_identity *id, const u8 *uuid)
{
	u64 hash = mhca_identity_hash(uuid, MHCA_ID_MAC);

	id->node_guid = mhca_identity_guid(uuid, MHCA_ID_NODE);
	id->port_guid = mhca_identity_guid(uuid, MHCA_ID_PORT);
	put_unaligned_be16(hash >> 32, id->mac);
	put_unaligned_be32(hash, id->mac + 2);
	id->mac[0] = (id->mac[0] & ~1) | 2;
}
