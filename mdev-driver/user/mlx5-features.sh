#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# mlx5-features.sh FEATURES.MK DIR: a -DMHCA_HAVE_NAME for each line of the table about
# mlx5's headers whose new form DIR/linux/mlx5 has, as Kbuild has it.
set -eu
sed -n 's/^[[:space:]]*\([A-Z0-9_]*@linux\/mlx5\/.*\)$/\1/p' "$1" | sed 's/ *\\$//' |
while IFS=@ read -r name file _ new _; do
	if grep -qE "$new" "$2/$file"; then
		echo "-DMHCA_HAVE_$name"
	fi
done
