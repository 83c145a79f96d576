#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# mlx5-headers.sh OUTDIR [KERNEL]
#
# Makes OUTDIR an include directory with linux/mlx5/*.h of a kernel's headers,
# without the rest of the kernel's include directory, which would hide the C
# library's own linux/*.h.
# driver.h is not usable outside the kernel: only its enums are taken out of it.
# Prints the directory that was used.
#
# KERNEL is what KDIR is to Kbuild, or the source that it was made from. Without it:
# $KDIR, else the running kernel's, else the newest of those that are installed.
# MHCA_ROOT is looked in instead of / (for tests).
set -eu

out=$1
root=${MHCA_ROOT:-}

has() {
	[ -f "$1/include/linux/mlx5/mlx5_ifc.h" ]
}

# The headers of a build directory are not in it if its kernel was built outside of its
# source (Debian, Ubuntu and `make O=`). Its Makefile names the source, by a path that is
# right where the package is installed: in an image, it is the directory's neighbour.
headers_of() {
	if has "$1"; then
		(cd "$1" && pwd)
		return
	fi
	made=$(sed -n 's,^include  *\(.*\)/Makefile$,\1,p' "$1/Makefile" 2>/dev/null | tail -n 1)
	near=$(cd -P "$1" 2>/dev/null && pwd) || near=$1
	for source in "$1/source" "${made:+$root$made}" "${made:+${near%/*}/${made##*/}}" \
		"${1%/build}/source"; do
		if [ -n "$source" ] && has "$source"; then
			(cd -P "$source" && pwd)
			return
		fi
	done
}

# All that packages install, the newest last: by name, as versions are in it.
installed() {
	for dir in "$root"/lib/modules/*/build "$root"/usr/src/linux-headers-* \
		"$root"/usr/src/kernels/*; do
		found=$(headers_of "$dir")
		[ -z "$found" ] || echo "$found"
	done | sort -u | sort -V | tail -n 1
}

if [ -n "${2:-}" ]; then
	wanted=$2
	dir=$(headers_of "$2")
elif [ -n "${KDIR:-}" ]; then
	wanted=$KDIR
	dir=$(headers_of "$KDIR")
else
	wanted=
	dir=$(headers_of "$root/lib/modules/$(uname -r)/build")
	[ -n "$dir" ] || dir=$(installed)
fi
if [ -z "$dir" ]; then
	echo "no linux/mlx5/mlx5_ifc.h in ${wanted:-/lib/modules/*/build and /usr/src}:" \
		"install a kernel's headers (Debian: apt-get install linux-headers-amd64)," \
		"or name their directory, -Dkernel_headers=DIR" >&2
	exit 1
fi

src=$dir/include/linux/mlx5
mkdir -p "$out/linux/mlx5"
for header in mlx5_ifc.h mlx5_ifc_fpga.h device.h qp.h cq.h doorbell.h; do
	if [ -f "$src/$header" ]; then
		ln -sfn "$src/$header" "$out/linux/mlx5/$header"
	else
		rm -f "$out/linux/mlx5/$header"
	fi
done
awk '/^enum.*\{$/ { inside = 1 } inside { print } inside && /^\};$/ { inside = 0 }' \
	"$src/driver.h" >"$out/linux/mlx5/driver_enums.h.new"
mv "$out/linux/mlx5/driver_enums.h.new" "$out/linux/mlx5/driver_enums.h"
echo "$dir"
