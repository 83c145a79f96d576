#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# mlx5-headers.sh OUTDIR [KERNEL-HEADERS-DIR]
#
# Makes OUTDIR an include directory with linux/mlx5/*.h of the newest installed
# kernel headers (linux-headers-*-common), without the rest of the kernel's
# include directory, which would hide the C library's own linux/*.h.
# driver.h is not usable outside the kernel: only its enums are taken out of it.
# Prints the directory that was used.
set -eu

out=$1
dir=${2:-}
if [ -z "$dir" ]; then
	for candidate in $(printf '%s\n' /usr/src/linux-headers-*-common | sort -V); do
		if [ -f "$candidate/include/linux/mlx5/mlx5_ifc.h" ]; then
			dir=$candidate
		fi
	done
fi
src=$dir/include/linux/mlx5
if [ -z "$dir" ] || [ ! -f "$src/mlx5_ifc.h" ]; then
	echo "mlx5-headers.sh: no linux-headers-*-common with linux/mlx5 found" >&2
	echo "install linux-headers-amd64 or give -Dkernel_headers=DIR" >&2
	exit 1
fi

mkdir -p "$out/linux/mlx5"
for header in mlx5_ifc.h mlx5_ifc_fpga.h device.h qp.h cq.h doorbell.h; do
	if [ -f "$src/$header" ]; then
		ln -sfn "$src/$header" "$out/linux/mlx5/$header"
	fi
done
awk '/^enum.*\{$/ { inside = 1 } inside { print } inside && /^\};$/ { inside = 0 }' \
	"$src/driver.h" >"$out/linux/mlx5/driver_enums.h.new"
mv "$out/linux/mlx5/driver_enums.h.new" "$out/linux/mlx5/driver_enums.h"
echo "$dir"
