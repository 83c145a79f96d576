#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Lists the pure .c files: all of prm/, and soft/ without its threads, netdevs and module.
set -eu
cd "$1"
find prm soft -name '*.c' | LC_ALL=C sort | while read -r file; do
	case $file in
	soft/main.c | soft/pci.c | soft/schedule/wake.c | soft/switch/uplink.c | soft/lane/lane_thread.c) ;;
	*) echo "$PWD/$file" ;;
	esac
done
