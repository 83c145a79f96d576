/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The image of an instance as bytes: tagged records, little-endian. Whoever has state puts
 * it in and gets it out again with these; the order of records is prm/image_format.h's.
 */
#ifndef MHCA_IMAGE_H
#define MHCA_IMAGE_H

#include <mhca/kernel.h>

/**
 * struct mhca_image - records to be read once, as a stream
 * @chunks: memory, oldest first
 * @bytes: put in and not taken out
 * @length: of the record that is being written, where it stands
 * @record: bytes of that record so far
 * @err: -ENOMEM: something did not fit, or what mhca_image_refuse() was told, and all that
 *       follows is dropped; 0
 */
struct mhca_image {
	struct list_head chunks;
	u64 bytes;
	__le32 *length;
	u32 record;
	int err;
};

void mhca_image_init(struct mhca_image *image);
void mhca_image_free(struct mhca_image *image);
void mhca_image_begin(struct mhca_image *image, u16 tag, u16 flags);
void mhca_image_end(struct mhca_image *image);
void mhca_image_refuse(struct mhca_image *image, int err);
void mhca_image_put(struct mhca_image *image, const void *from, u32 len);
void mhca_image_put_u8(struct mhca_image *image, u8 value);
void mhca_image_put_u16(struct mhca_image *image, u16 value);
void mhca_image_put_u32(struct mhca_image *image, u32 value);
void mhca_image_put_u64(struct mhca_image *image, u64 value);
size_t mhca_image_take(struct mhca_image *image, void *to, size_t len);

/**
 * struct mhca_reader - walks the body of a record
 * @at: next byte
 * @left: bytes left
 * @bad: more was asked for than there is; whatever was read since is 0
 */
struct mhca_reader {
	const u8 *at;
	u32 left;
	bool bad;
};

const void *mhca_reader_take(struct mhca_reader *reader, u32 len);
void mhca_reader_get(struct mhca_reader *reader, void *to, u32 len);
u8 mhca_reader_u8(struct mhca_reader *reader);
u16 mhca_reader_u16(struct mhca_reader *reader);
u32 mhca_reader_u32(struct mhca_reader *reader);
u64 mhca_reader_u64(struct mhca_reader *reader);

/* Was everything there, and nothing more? */
static inline bool mhca_reader_ended(const struct mhca_reader *reader)
{
	return !reader->bad && !reader->left;
}

#endif /* MHCA_IMAGE_H */
