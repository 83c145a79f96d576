// SPDX-License-Identifier: GPL-2.0-only
/* mhca-host: command line. */
#include <stdio.h>
#include "host.h"

static const struct {
	const char *name;
	int (*run)(int argc, char **argv);
	int least;
	const char *usage;
} commands[] = {
	{ "traffic", traffic_main, 2, "SECONDS UUID…" },
	{ "busy", busy_main, 5, "QPS ROUNDS MS UUID UUID" },
	{ "idle", idle_main, 1, "UUID…" },
	{ "limits", limits_main, 1, "UUID [MIB]" },
	{ "flow", flow_main, 3, "SIZE SECONDS UUID…" },
	{ "mappings", mappings_main, 1, "UUID" },
	{ "move", move_main, 4, "ROUNDS UUID UUID UUID" },
	{ "arcs", arcs_main, 2, "UUID UUID" },
	{ "images", images_main, 4, "SEED COUNT UUID UUID" },
	{ "stuck", stuck_main, 1, "UUID" },
	{ "sweep", sweep_main, 1, "UUID" },
	{ "steady", steady_main, 2, "UUID UUID" },
	{ "storm", storm_main, 1, "-L | NAME UUID [UUID]" },
	{ "unmap", unmap_main, 3, "SECONDS normal|idle UUID [UUID]" },
	{ "fuzz", fuzz_main, 4, "SEED COMMANDS WQES UUID" },
	{ "hostile", hostile_main, 1, "-L | UUID UUID CASE…" },
};

int main(int argc, char **argv)
{
	size_t i;

	for (i = 0; i < sizeof(commands) / sizeof(*commands); i++)
		if (argc > 1 && !strcmp(argv[1], commands[i].name) &&
		    argc - 2 >= commands[i].least)
			return commands[i].run(argc - 2, argv + 2) ? 1 : 0;
	for (i = 0; i < sizeof(commands) / sizeof(*commands); i++)
		fprintf(stderr, "mhca-host %s %s\n", commands[i].name, commands[i].usage);
	return 2;
}
