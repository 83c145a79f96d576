// SPDX-License-Identifier: GPL-2.0-only
/*
 * Who an instance is: addresses computed from its UUID, the same on every host.
 */
#include <linux/etherdevice.h>
#include <linux/siphash.h>

#include "frontend.h"

/* Part of the guest-visible interface: another key means other addresses. */
static const siphash_key_t mhca_identity_key = {
	.key = { 0x6d4843412d696465ULL, 0x6e746974792d7631ULL },
};

enum { MHCA_ID_NODE, MHCA_ID_PORT, MHCA_ID_MAC };

static u64 mhca_identity_hash(const guid_t *uuid, u8 what)
{
	u8 data[sizeof(*uuid) + 1];

	memcpy(data, uuid, sizeof(*uuid));
	data[sizeof(*uuid)] = what;
	return siphash(data, sizeof(data), &mhca_identity_key);
}

/* An EUI-64 that is locally administered and no group: never zero. */
static u64 mhca_identity_guid(const guid_t *uuid, u8 what)
{
	u64 guid = mhca_identity_hash(uuid, what);

	return (guid & ~(3ULL << 56)) | (2ULL << 56);
}

/**
 * mhca_identity_from_uuid() - name and addresses of an instance
 * @id: filled
 * @uuid: the mdev's UUID
 */
void mhca_identity_from_uuid(struct mhca_identity *id, const guid_t *uuid)
{
	u64 hash = mhca_identity_hash(uuid, MHCA_ID_MAC);

	snprintf(id->name, sizeof(id->name), "%pUl", uuid);
	id->node_guid = mhca_identity_guid(uuid, MHCA_ID_NODE);
	id->port_guid = mhca_identity_guid(uuid, MHCA_ID_PORT);
	u64_to_ether_addr(hash, id->mac);
	id->mac[0] = (id->mac[0] & ~1) | 2;
}
