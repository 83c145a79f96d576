/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The image's format (save.c writes, load.c reads): a stream of records,
 *
 *   HEADER CAPS | CAPS CORE OBJECT... STATE... EVENTS COUNTERS IDENTITY [VPORT] END
 *
 * Everything is little-endian, but what stands in an OBJECT behind its number: that is a
 * create command's input, word for word as a guest could send it. What is in front of | can
 * be read while the instance runs.
 */
#ifndef MHCA_IMAGE_FORMAT_H
#define MHCA_IMAGE_FORMAT_H

#include "core.h"

#define MHCA_IMAGE_MAGIC	0x31474d494143486dULL	/* "mHCAIMG1" */
#define MHCA_IMAGE_VERSION	1U

/* A reader that does not know such a record skips it; of others, it refuses the image. */
#define MHCA_IMAGE_OPTIONAL	BIT(0)

/* Append only. */
enum mhca_image_tag {
	MHCA_IMAGE_HEADER = 1,	/* u64 magic, u32 version, u32 personality, u32 segment */
	MHCA_IMAGE_CAPS,	/* limits by kind; capabilities as they are: general, atomic, and
				 * what an Ethernet port has (u32 type each)
				 */
	MHCA_IMAGE_CORE,	/* function state, command queue, port */
	MHCA_IMAGE_OBJECT,	/* u64 number, create command: dependencies first */
	MHCA_IMAGE_STATE,	/* u32 kind, u32 number, what its kind puts there */
	MHCA_IMAGE_EVENTS,	/* subscribers, events that wait */
	MHCA_IMAGE_COUNTERS,	/* optional: the instance's counters */
	MHCA_IMAGE_IDENTITY,	/* LID, GUIDs, MAC, lease */
	MHCA_IMAGE_END,
	MHCA_IMAGE_VPORT,	/* Ethernet port: what its driver wants it to be */
	MHCA_IMAGE_TAGS
};

/**
 * struct mhca_record - head of a record
 * @tag: enum mhca_image_tag
 * @flags: MHCA_IMAGE_OPTIONAL
 * @length: bytes that follow
 */
struct mhca_record {
	__le16 tag;
	__le16 flags;
	__le32 length;
};

/**
 * struct mhca_taken - an identity that an instance takes over when it first runs
 * @lid: LID
 * @id: GUIDs and MAC; its name stays the instance's own
 * @lease: what the source's image, and nobody else, knows (core->lease)
 * @vport: Ethernet port: what becomes &struct mhca_instance.vport then, but for its MAC
 * @admin_down: Ethernet port: becomes &struct mhca_port.admin_down
 */
struct mhca_taken {
	u16 lid;
	struct mhca_identity id;
	u8 lease[MHCA_LEASE_BYTES];
	struct mhca_vport vport;
	bool admin_down;
};

#endif /* MHCA_IMAGE_FORMAT_H */
