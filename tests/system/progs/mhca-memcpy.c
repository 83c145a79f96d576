// SPDX-License-Identifier: GPL-2.0-only
/*
 * mhca-memcpy SIZE MIB: MiB/s of one thread's memcpy, SIZE bytes at a time, from
 * one buffer of 8 MiB to another, until MIB MiB are copied.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define BUFFER	(8UL << 20)

int main(int argc, char **argv)
{
	size_t size = argc > 1 ? strtoul(argv[1], NULL, 0) : 65536;
	size_t total = (argc > 2 ? strtoul(argv[2], NULL, 0) : 256) << 20;
	char *from = aligned_alloc(4096, BUFFER), *to = aligned_alloc(4096, BUFFER);
	struct timespec a, b;
	size_t at = 0, done;

	if (!from || !to || !size || size > BUFFER)
		return 2;
	memset(from, 1, BUFFER);
	memset(to, 2, BUFFER);
	clock_gettime(CLOCK_MONOTONIC, &a);
	for (done = 0; done < total; done += size) {
		if (at + size > BUFFER)
			at = 0;
		memcpy(to + at, from + at, size);
		__asm__ volatile("" : : "r"(to + at) : "memory");
		at += size;
	}
	clock_gettime(CLOCK_MONOTONIC, &b);
	printf("%.1f\n", (double)done / 1048576 /
	       ((double)(b.tv_sec - a.tv_sec) + (double)(b.tv_nsec - a.tv_nsec) / 1e9));
	return 0;
}
