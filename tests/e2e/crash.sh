#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# any-build: no
# A thousand SIGKILLs at random moments, of each stage, of all, of the supervisor and during recovery, on a real ITCH
# file looped with order book and bars on; and of the same in three files, by symbols, merged by time. The long form is
# `make crash KILLS=10000 SOURCES=n`, which judges the 99th percentile of the restarts, too; beside other work the median is what says something.
. "$(dirname "$0")/../support/e2e.sh"
need_sample itch/20200130-0400-premarket.itch || finish
killed() { # KILLS SOURCES
    "$BUILD/tests/faults/crash" --program "$MILLRACE" --sample "$SAMPLES/itch/20200130-0400-premarket.itch" \
        --kills "$1" --sources "$2" --seed "${SEED:-1}" --judge 50 >"$WORK/crash" 2>&1
    local status=$? line
    line=$(tail -n 1 "$WORK/crash")
    check_equal "$line" $status 0
    check_match "it has killed as often as it says" "$line" "^crash: [0-9]{${#1}} kills .* 0 lost, 0 repeated;.*seed"
}
killed 1000 1
killed 400 3
finish
