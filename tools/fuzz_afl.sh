#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Fuzz one target of test/fuzz with AFL++ (Debian package afl++). The targets are libFuzzer's; AFL++ has a driver for them.
# Usage: tools/fuzz_afl.sh TARGET SECONDS     e.g. tools/fuzz_afl.sh rpc 3600
# Findings lie in build-afl/out/TARGET/default/crashes; status 1 if there are any.
set -eu
cd "$(dirname "$0")/.."

build="build-afl"
target=${1:?target: a file of test/fuzz without _fuzz.c}
seconds=${2:?seconds}

command -v afl-fuzz > /dev/null || { echo "fuzz_afl.sh: install the package afl++" >&2; exit 2; }
export AFL_SKIP_CPUFREQ=1 AFL_I_DONT_CARE_ABOUT_MISSING_CRASHES=1 AFL_NO_UI=1 AFL_QUIET=1

if [ ! -e "$build/build.ninja" ]; then
	CC=afl-clang-fast CXX=afl-clang-fast++ meson setup "$build" -Dfuzz=true -Db_lundef=false > /dev/null
fi
ninja -C "$build" "test/fuzz/${target}_fuzz"

options=()
[ ! -e "test/fuzz/$target.dict" ] || options=(-x "test/fuzz/$target.dict")
out=$build/out/$target
mkdir -p "$out"
afl-fuzz -V "$seconds" -t 2000+ -i "test/fuzz/corpus/$target" -o "$out" "${options[@]}" -- "$build/test/fuzz/${target}_fuzz"

grep -E '^(run_time|execs_done|edges_found|saved_crashes|saved_hangs)' "$out/default/fuzzer_stats"
if [ -n "$(find "$out/default/crashes" -name 'id:*' -print -quit)" ]; then
	echo "fuzz_afl.sh: there are crashes in $out/default/crashes" >&2
	exit 1
fi
