#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# run.sh SECONDS [TARGET…]: let libFuzzer search with each target for so long.
#
# Begins with the committed corpus and the target's own seeds; what is found is kept in
# build/fuzz/corpus/TARGET. MERGE=1 afterwards: minimise that into the committed pack.
# Ends with "N passed, N failed"; an input that fails stays in build/fuzz/crash/.
set -eu
root=$(cd "$(dirname "$0")/../.." && pwd)
build=${MHCA_FUZZ_BUILD:-$root/build/fuzz}
bin=$build/tests/fuzz
time=$1
shift
targets=${*:-command doorbell ethernet image keys packet policy program vfio-user wire wqe}

mkdir -p "$(dirname "$build")"
# Anew each time: files of the core come and go.
again=
[ ! -f "$build/build.ninja" ] || again=--reconfigure
# shellcheck disable=SC2086
meson setup $again --native-file "$root/tests/fuzz/clang.ini" "$build" "$root" -Dfuzz=true -Dhost_tools=disabled \
	"-Dkernel_headers=${KERNEL_HEADERS:-}" >"$build.log" || { cat "$build.log"; exit 1; }
# shellcheck disable=SC2046
ninja -C "$build" $(for t in $targets; do
	echo "tests/fuzz/libfuzzer-$t tests/fuzz/fuzz-$t"; done) tests/fuzz/fuzz-dict \
	>"$build.log" || { cat "$build.log"; exit 1; }
"$bin/fuzz-dict" >"$build/dict"
mkdir -p "$build/crash"

passed=0
failed=0
for t in $targets; do
	corpus=$build/corpus/$t
	mkdir -p "$corpus" "$build/seeds/$t"
	"$bin/fuzz-$t" --seeds "$build/seeds/$t"
	"$bin/fuzz-$t" --unpack "$root/tests/fuzz/corpus/$t.pack" "$build/seeds/$t"
	if "$bin/libfuzzer-$t" -dict="$build/dict" -max_total_time="$time" -max_len=2048 \
		-timeout=20 -rss_limit_mb=4096 -artifact_prefix="$build/crash/$t-" \
		"$corpus" "$build/seeds/$t" >"$build/$t.log" 2>&1; then
		passed=$((passed + 1))
		echo "$t: $(grep DONE "$build/$t.log")"
	else
		failed=$((failed + 1))
		echo "$t: FAILED, log $build/$t.log"
		grep -v -e NEW -e REDUCE -e pulse "$build/$t.log" | head -n 40
	fi
	if [ -n "${MERGE:-}" ]; then
		rm -rf "$build/merged"
		mkdir "$build/merged"
		"$bin/libfuzzer-$t" -merge=1 -max_len=2048 "$build/merged" "$corpus" \
			"$build/seeds/$t" >"$build/$t-merge.log" 2>&1
		"$bin/fuzz-$t" --pack "$root/tests/fuzz/corpus/$t.pack" "$build/merged"/*
		ls -l "$root/tests/fuzz/corpus/$t.pack"
	fi
done
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
