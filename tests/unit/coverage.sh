#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# coverage.sh BUILD-DIR: run the unit tests with line counters; print executed lines per core file.
set -eu
root=$(cd "$(dirname "$0")/../.." && pwd)
build=$1
log=$build-setup.log
mkdir -p "$(dirname "$build")"
[ -f "$build/build.ninja" ] || meson setup "$build" "$root" -Db_coverage=true -Db_sanitize=none \
	-Dtests=enabled -Dhost_tools=enabled >"$log" || { cat "$log"; exit 1; }
ninja -C "$build" >"$log" || { cat "$log"; exit 1; }
find "$build" -name '*.gcda' -delete
meson test -C "$build" --no-suite full >"$build/coverage-tests.log" || { tail -30 "$build/coverage-tests.log"; exit 1; }
cd "$build"
for data in mdev-driver/user/libmhca-core.a.p/*.gcda; do
	gcov -n -o "${data%/*}" "$data" 2>/dev/null
done | awk -F"[':% ]+" '
	/^File/ { file = $2 }
	/^Lines executed/ && file ~ /mdev-driver\/(prm|soft)\/.*\.c$/ {
		sub(".*mdev-driver/", "", file)
		if (!(file in seen)) {
			seen[file] = 1
			lines += $5; hit += $5 * $3 / 100
			printf "%6.1f %%  %5d lines  %s\n", $3, $5, file | "sort -n"
		}
		file = ""
	}
	END { close("sort -n"); printf "%6.1f %%  %5d lines  together\n", 100 * hit / lines, lines }'
