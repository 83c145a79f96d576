// SPDX-License-Identifier: GPL-2.0-only
/*
 * Records of an image: written into a growing list of chunks, read from one record's
 * private copy. Nothing here knows what a record says.
 */
#include <mhca/image.h>
#include "image_format.h"

#define MHCA_CHUNK_BYTES	(64U << 10)

/**
 * struct mhca_chunk - part of an image
 * @node: on &struct mhca_image.chunks
 * @from: bytes that were taken out
 * @to: bytes that were put in
 * @data: they
 */
struct mhca_chunk {
	struct list_head node;
	u32 from;
	u32 to;
	u8 data[MHCA_CHUNK_BYTES];
};

/**
 * mhca_image_init() - an empty image
 * @image: image
 */
void mhca_image_init(struct mhca_image *image)
{
	memset(image, 0, sizeof(*image));
	INIT_LIST_HEAD(&image->chunks);
}

static void mhca_chunk_free(struct mhca_chunk *chunk)
{
	list_del(&chunk->node);
	kvfree(chunk);
}

/**
 * mhca_image_free() - forget what was not taken out
 * @image: image
 */
void mhca_image_free(struct mhca_image *image)
{
	struct mhca_chunk *chunk, *next;

	list_for_each_entry_safe(chunk, next, &image->chunks, node)
		mhca_chunk_free(chunk);
	image->bytes = 0;
}

/* Room for @want bytes in a row in the last chunk; NULL: no memory. */
static struct mhca_chunk *mhca_image_room(struct mhca_image *image, u32 want)
{
	struct mhca_chunk *chunk = NULL;

	if (image->err)
		return NULL;
	if (!list_empty(&image->chunks))
		chunk = list_last_entry(&image->chunks, struct mhca_chunk, node);
	if (chunk && MHCA_CHUNK_BYTES - chunk->to >= want)
		return chunk;
	chunk = kvmalloc(sizeof(*chunk), GFP_KERNEL_ACCOUNT);
	if (!chunk) {
		image->err = -ENOMEM;
		return NULL;
	}
	chunk->from = 0;
	chunk->to = 0;
	list_add_tail(&chunk->node, &image->chunks);
	return chunk;
}

/**
 * mhca_image_refuse() - something has no place in an image
 * @image: image
 * @err: what mhca_save_stop() is to say
 */
void mhca_image_refuse(struct mhca_image *image, int err)
{
	image->err = image->err ?: err;
}
EXPORT_SYMBOL_GPL(mhca_image_refuse);

/**
 * mhca_image_put() - bytes of the current record
 * @image: image
 * @from: they
 * @len: how many
 */
void mhca_image_put(struct mhca_image *image, const void *from, u32 len)
{
	struct mhca_chunk *chunk;
	u32 run;

	while (len) {
		chunk = mhca_image_room(image, 1);
		if (!chunk)
			return;
		run = min(len, MHCA_CHUNK_BYTES - chunk->to);
		memcpy(chunk->data + chunk->to, from, run);
		chunk->to += run;
		image->bytes += run;
		image->record += run;
		from += run;
		len -= run;
	}
}
EXPORT_SYMBOL_GPL(mhca_image_put);

/* A record's head is filled in at its end, so it lies in one piece. */
void mhca_image_begin(struct mhca_image *image, u16 tag, u16 flags)
{
	struct mhca_record head = { .tag = cpu_to_le16(tag), .flags = cpu_to_le16(flags) };
	struct mhca_chunk *chunk = mhca_image_room(image, sizeof(head));

	if (!chunk)
		return;
	BUILD_BUG_ON(offsetof(struct mhca_record, length) % sizeof(u32));
	image->length = (__le32 *)(chunk->data + chunk->to + offsetof(struct mhca_record, length));
	mhca_image_put(image, &head, sizeof(head));
	image->record = 0;
}

void mhca_image_end(struct mhca_image *image)
{
	if (!image->err)
		put_unaligned_le32(image->record, image->length);
}

void mhca_image_put_u8(struct mhca_image *image, u8 value)
{
	mhca_image_put(image, &value, sizeof(value));
}
EXPORT_SYMBOL_GPL(mhca_image_put_u8);

void mhca_image_put_u16(struct mhca_image *image, u16 value)
{
	__le16 le = cpu_to_le16(value);

	mhca_image_put(image, &le, sizeof(le));
}
EXPORT_SYMBOL_GPL(mhca_image_put_u16);

void mhca_image_put_u32(struct mhca_image *image, u32 value)
{
	__le32 le = cpu_to_le32(value);

	mhca_image_put(image, &le, sizeof(le));
}
EXPORT_SYMBOL_GPL(mhca_image_put_u32);

void mhca_image_put_u64(struct mhca_image *image, u64 value)
{
	__le64 le = cpu_to_le64(value);

	mhca_image_put(image, &le, sizeof(le));
}
EXPORT_SYMBOL_GPL(mhca_image_put_u64);

/**
 * mhca_image_take() - the next bytes of the stream
 * @image: image, no record begun
 * @to: out
 * @len: how many at most
 *
 * Return: how many.
 */
size_t mhca_image_take(struct mhca_image *image, void *to, size_t len)
{
	struct mhca_chunk *chunk;
	size_t done = 0;
	u32 run;

	while (done < len && !list_empty(&image->chunks)) {
		chunk = list_first_entry(&image->chunks, struct mhca_chunk, node);
		run = min_t(size_t, len - done, chunk->to - chunk->from);
		memcpy(to + done, chunk->data + chunk->from, run);
		chunk->from += run;
		done += run;
		if (chunk->from == chunk->to)
			mhca_chunk_free(chunk);
	}
	image->bytes -= done;
	return done;
}

/* ---- Reading -------------------------------------------------------------- */

/**
 * mhca_reader_take() - the next bytes of a record, in place
 * @reader: reader
 * @len: how many
 *
 * Return: them; NULL: there are fewer, and the reader is bad.
 */
const void *mhca_reader_take(struct mhca_reader *reader, u32 len)
{
	const u8 *at = reader->at;

	if (reader->bad || len > reader->left) {
		reader->bad = true;
		return NULL;
	}
	reader->at += len;
	reader->left -= len;
	return at;
}
EXPORT_SYMBOL_GPL(mhca_reader_take);

void mhca_reader_get(struct mhca_reader *reader, void *to, u32 len)
{
	const void *from = mhca_reader_take(reader, len);

	if (from)
		memcpy(to, from, len);
	else
		memset(to, 0, len);
}
EXPORT_SYMBOL_GPL(mhca_reader_get);

u8 mhca_reader_u8(struct mhca_reader *reader)
{
	u8 value;

	mhca_reader_get(reader, &value, sizeof(value));
	return value;
}
EXPORT_SYMBOL_GPL(mhca_reader_u8);

u16 mhca_reader_u16(struct mhca_reader *reader)
{
	__le16 value;

	mhca_reader_get(reader, &value, sizeof(value));
	return le16_to_cpu(value);
}
EXPORT_SYMBOL_GPL(mhca_reader_u16);

u32 mhca_reader_u32(struct mhca_reader *reader)
{
	__le32 value;

	mhca_reader_get(reader, &value, sizeof(value));
	return le32_to_cpu(value);
}
EXPORT_SYMBOL_GPL(mhca_reader_u32);

u64 mhca_reader_u64(struct mhca_reader *reader)
{
	__le64 value;

	mhca_reader_get(reader, &value, sizeof(value));
	return le64_to_cpu(value);
}
EXPORT_SYMBOL_GPL(mhca_reader_u64);
