#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The fuzzers, each a million times or as often as fits into its seconds: nothing crashes, leaks, hangs, or is out of
# bounds. `make fuzz RUNS=1000000` does all of them whole.
# any-build: no
. "$(dirname "$0")/../support/e2e.sh"
command -v clang >/dev/null || { skip "fuzz" "clang is not installed (package clang)"; finish; }
cores=$(nproc)
kept=$BUILD/fuzz-short # what a failure leaves stays there
rm -rf "$kept"
fuzzers=()
for source in tests/fuzz/*_fuzz.c; do
    fuzzers+=("$(dirname "$BUILD")/fuzz/${source%.c}")
done
# `make test` builds them; a copy of the tree for another place (scripts/places.sh) is without them.
[ -e "$(dirname "$BUILD")/fuzz" ] || { skip "fuzz" "there is no build of the fuzzers beside this one"; finish; }
FUZZ_SECONDS=${MILLRACE_FUZZ_SECONDS:-$((cores > 1 ? 18 : 9))} scripts/fuzz.sh 1000000 "$kept" "${fuzzers[@]}" >"$WORK/out" 2>&1
status=$?
cat "$WORK/out"
for fuzzer in "${fuzzers[@]}"; do
    name=$(basename "$fuzzer")
    figure=$(sed -nE "s/^ok +$name +([0-9]+) .*/\1/p" "$WORK/out")
    check "$name: ${figure:-no} executions" test "${figure:-0}" -gt 0
done
check_equal "all" "$status" 0
finish
