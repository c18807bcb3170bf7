#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The fuzzers, each a million times: nothing crashes, leaks, hangs, or is out of bounds. Two cores take about seven
# minutes; a slower machine does as much as it can in ten, and says how much. `make fuzz RUNS=n` does all of it.
# any-build: no
# seconds: 700
. "$(dirname "$0")/../support/e2e.sh"
command -v clang >/dev/null || { skip "fuzz" "clang is not installed (package clang)"; finish; }
kept=$BUILD/fuzz-short # what a failure leaves stays there
rm -rf "$kept"
fuzzers=()
for source in tests/fuzz/*_fuzz.c; do
    fuzzers+=("$(dirname "$BUILD")/fuzz/${source%.c}")
done
# `make test` builds them; a copy of the tree for another place (scripts/places.sh) is without them.
[ -e "$(dirname "$BUILD")/fuzz" ] || { skip "fuzz" "there is no build of the fuzzers beside this one"; finish; }
FUZZ_SECONDS=${MILLRACE_FUZZ_SECONDS:-600} scripts/fuzz.sh 1000000 "$kept" "${fuzzers[@]}" >"$WORK/out" 2>&1
status=$?
cat "$WORK/out"
for fuzzer in "${fuzzers[@]}"; do
    name=$(basename "$fuzzer")
    figure=$(sed -nE "s/^ok +$name +([0-9]+) .*/\1/p" "$WORK/out")
    check "$name: ${figure:-no} executions" test "${figure:-0}" -gt 0
done
check_equal "all" "$status" 0
finish
