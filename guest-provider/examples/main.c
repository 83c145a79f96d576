// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "common.h"

int main(int argc, char **argv)
{
	return EXAMPLE_MAIN(argc, argv);
}
