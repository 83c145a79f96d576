#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Lists the pure .c files: all of prm/, and soft/ without its threads, netdevs and module.
set -eu
cd "$1"
find prm soft -name '*.c' | LC_ALL=C sort | while read -r file; do
	case $file in
	soft/main.c | soft/lane_thread.c | soft/pci.c | soft/uplink.c) ;;
	*) echo "$PWD/$file" ;;
	esac
done
