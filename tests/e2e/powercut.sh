#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Power cuts, the short form (`make powercut` is the long one): a cache that is killed under a file system with a
# journal on it. What was durable is there, and the next run ends as if nothing had happened.
# any-build: no
. "$(dirname "$0")/../support/e2e.sh"
"${PYTHON:-python3}" tests/faults/powercut.py "$BUILD" --cuts 5 --seed 7 --messages 150000 >"$WORK/out" 2>&1
status=$?
if grep -q '^skip - ' "$WORK/out"; then
    grep '^skip - ' "$WORK/out"
    finish
fi
check_equal "power cuts: every acknowledged position there, the same journal in the end" "$status" 0
check_match "power cuts: the figure" "$(tail -n 1 "$WORK/out")" \
    "^powercut: [0-9]+ cuts batch/record .* 0 of [1-9][0-9]* acknowledged positions missing; .* 0 journals differ"
check_match "power cuts: without syncs something is lost, so the cuts are some" "$(tail -n 1 "$WORK/out")" \
    "none: [1-9][0-9]* of [0-9]+ cuts lost"
[ $failures = 0 ] || cat "$WORK/out"
finish
