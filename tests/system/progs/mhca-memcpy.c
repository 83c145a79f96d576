// SPDX-License-Identifier: GPL-2.0-only
/*
 * mhca-memcpy SIZE MIB: MiB/s of one thread's memcpy of SIZE bytes from one buffer to
 * another, again and again (as perftest's), until MIB MiB are copied.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

int main(int argc, char **argv)
{
	size_t size = argc > 1 ? strtoul(argv[1], NULL, 0) : 65536;
	size_t total = (argc > 2 ? strtoul(argv[2], NULL, 0) : 256) << 20;
	size_t room = (size + 4095) & ~(size_t)4095;
	char *from = aligned_alloc(4096, room), *to = aligned_alloc(4096, room);
	struct timespec a, b;
	size_t done;

	if (!from || !to || !size)
		return 2;
	memset(from, 1, size);
	memset(to, 2, size);
	clock_gettime(CLOCK_MONOTONIC, &a);
	for (done = 0; done < total; done += size) {
		memcpy(to, from, size);
		__asm__ volatile("" : : "r"(to) : "memory");
	}
	clock_gettime(CLOCK_MONOTONIC, &b);
	printf("%.1f\n", (double)done / 1048576 /
	       ((double)(b.tv_sec - a.tv_sec) + (double)(b.tv_nsec - a.tv_nsec) / 1e9));
	return 0;
}
