#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# check-file.sh FILE.c...: compile kernel files against the user-space shim, for errors only.
set -eu
unit=$(cd "$(dirname "$0")" && pwd)
root=$unit/../..
inc=${TMPDIR:-/tmp}/mhca-mlx5-include.$(id -u)
"$unit/mlx5-headers.sh" "$inc" >/dev/null
for file; do
	gcc -std=gnu11 -Wall -fno-strict-aliasing -fwrapv -fsyntax-only \
		-I"$unit/../../mdev-driver/user" -I"$unit/mlx5-stubs" -isystem "$inc" \
		-I"$root/mdev-driver/include" -I"$root/mdev-driver/prm" \
		-I"$root/mdev-driver/soft" "$file"
done
