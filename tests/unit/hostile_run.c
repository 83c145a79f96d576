// SPDX-License-Identifier: GPL-2.0-only
/* The command line of the hostile cases in user space. */
#include <string.h>

#include "hostile_run.h"

int hostile_run(int argc, char **argv, bool *ethernet)
{
	char *args[16] = { (char *)"0", (char *)"1" };
	int n;

	if (argc > 1 && !strcmp(argv[1], "-L"))
		return hostile_main(argc - 1, argv + 1);
	if (argc > 1 && !strcmp(argv[1], "fuzz")) {
		char *fuzz[] = { (char *)"1", (char *)"20000", (char *)"20000", args[0] };

		return fuzz_main(4, fuzz);
	}
	if (argc > 2 && !strcmp(argv[1], "storm")) {
		char *storm[] = { argv[2], args[0], args[1] };

		*ethernet = storm_is_ethernet(argv[2]);
		return storm_main(strcmp(argv[2], "fair") && !*ethernet ? 2 : 3, storm);
	}
	for (n = 2; n < 15 && n <= argc; n++)
		args[n] = argv[n - 1];
	return hostile_main(n, args);
}
