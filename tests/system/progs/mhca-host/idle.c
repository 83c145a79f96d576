// SPDX-License-Identifier: GPL-2.0-only
/* idle UUID…: open instances with queues and a connection, silent until EOF. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "host.h"

int idle_main(int argc, char **argv)
{
	struct node *n = calloc((size_t)argc, sizeof(*n));
	char byte;

	if (!n)
		return complain("no memory");
	for (int i = 0; i < argc; i++)
		if (node_open(&n[i], argv[i]))
			return -1;
	for (int i = 0; i < argc; i++)
		if (node_transfer(&n[i], &n[(i + 1) % argc]))
			return -1;
	puts("idle");
	fflush(stdout);
	while (read(0, &byte, 1) > 0)
		;
	for (int i = 0; i < argc; i++)
		if (node_transfer(&n[i], &n[(i + 1) % argc]))
			return -1;
	for (int i = 0; i < argc; i++)
		node_close(&n[i]);
	puts("awake");
	return 0;
}
