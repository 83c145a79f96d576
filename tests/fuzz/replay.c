// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * A main() for fuzz targets where there is no libFuzzer:
 *
 *   fuzz-X FILE…              run inputs: single ones, or packs of them (X.pack)
 *   fuzz-X --seeds DIR        write the seeds that the target makes by itself
 *   fuzz-X --unpack PACK DIR  the inputs of a pack as files, for libFuzzer
 *   fuzz-X --pack PACK FILE…  and back
 *
 * A pack is MAGIC, then for each input its length (32 bit, little endian) and bytes.
 */
#include <errno.h>

#include "fuzz.h"

static const char magic[8] = "MHCAFUZ1";
static const char *seed_dir;
static const char *prefix = "";
static u32 seed_count;

static void fail(const char *what, const char *name)
{
	fprintf(stderr, "%s %s: %s\n", what, name, strerror(errno));
	exit(1);
}

static u8 *slurp(const char *name, size_t *size)
{
	FILE *f = fopen(name, "rb");
	u8 *data = NULL;

	for (*size = 0; f && !feof(f) && !ferror(f);) {
		data = realloc(data, *size + 65536);
		if (!data)
			fail("cannot read", name);
		*size += fread(data + *size, 1, 65536, f);
	}
	if (!f || ferror(f))
		fail("cannot read", name);
	fclose(f);
	return data;
}

static void spill(const char *dir, u32 number, const void *data, size_t size)
{
	char name[4096];
	FILE *f;

	snprintf(name, sizeof(name), "%s/%s%04u", dir, prefix, number);
	f = fopen(name, "wb");
	if (!f || fwrite(data, 1, size, f) != size || fclose(f))
		fail("cannot write", name);
}

static void run_input(const void *data, size_t size)
{
	/* In memory of just its size, so that ASan sees a read beyond it. */
	u8 *copy = malloc(size ? size : 1);

	if (!copy)
		abort();
	memcpy(copy, data, size);
	LLVMFuzzerTestOneInput(copy, size);
	free(copy);
}

/* Calls @use for each input in @name; their number. */
static u32 each_input(const char *name, void (*use)(const void *data, size_t size))
{
	size_t size;
	u8 *data = slurp(name, &size);
	size_t at = sizeof(magic);
	u32 n = 0;

	if (size < sizeof(magic) || memcmp(data, magic, sizeof(magic))) {
		use(data, size);
		free(data);
		return 1;
	}
	while (at + 4 <= size) {
		u32 len = data[at] | data[at + 1] << 8 | data[at + 2] << 16 |
			  (u32)data[at + 3] << 24;

		at += 4;
		if (len > size - at)
			break;
		use(data + at, len);
		at += len;
		n++;
	}
	free(data);
	if (at != size) {
		errno = EINVAL;
		fail("broken pack", name);
	}
	return n;
}

static void add_seed(const void *data, size_t size)
{
	spill(seed_dir, seed_count++, data, size);
}

static void pack(const char *name, int n, char **files)
{
	FILE *f = fopen(name, "wb");
	int i;

	if (!f || fwrite(magic, 1, sizeof(magic), f) != sizeof(magic))
		fail("cannot write", name);
	for (i = 0; i < n; i++) {
		size_t size;
		u8 *data = slurp(files[i], &size);
		u8 len[4] = { (u8)size, (u8)(size >> 8), (u8)(size >> 16), (u8)(size >> 24) };

		if (fwrite(len, 1, 4, f) != 4 || fwrite(data, 1, size, f) != size)
			fail("cannot write", name);
		free(data);
	}
	if (fclose(f))
		fail("cannot write", name);
}

int main(int argc, char **argv)
{
	u32 n = 0;
	int i;

	if (argc == 3 && !strcmp(argv[1], "--seeds")) {
		seed_dir = argv[2];
		prefix = "seed-";
		fuzz_seeds(add_seed);
		return 0;
	}
	if (argc == 4 && !strcmp(argv[1], "--unpack")) {
		seed_dir = argv[3];
		each_input(argv[2], add_seed);
		return 0;
	}
	if (argc >= 3 && !strcmp(argv[1], "--pack")) {
		pack(argv[2], argc - 3, argv + 3);
		return 0;
	}
	for (i = 1; i < argc; i++)
		n += each_input(argv[i], run_input);
	printf("%u inputs\n", n);
	return n ? 0 : 1;
}
