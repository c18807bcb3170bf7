#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Once it runs, the trio asks nothing of the system per record: no system call, no allocation, no memory. Each is
# counted over N and over 2 N records; what the second N cost is what counts.
. "$(dirname "$0")/../support/e2e.sh"
# A sanitizer's allocator is not to be counted, and its memory grows.
if [ "$(basename "$BUILD")" != release ]; then
    skip steady "counts allocations of the release build only"
    finish
fi
export TMPDIR=$WORK
python3 bench/report/steady.py "$BUILD" --records 1000000 --json >"$WORK/steady" 2>"$WORK/log"
check_match "steady: measured" "$?:$(tail -n 3 "$WORK/log")" '^[01]:$'
for stage in producer transform loader; do
    check "$stage: far below one system call a record" \
        jq -e ".stages.$stage | .calls > 0 and .calls_a_record < 0.02" "$WORK/steady"
    check "$stage: no allocation more for twice as many records" \
        jq -e ".stages.$stage | .allocations > 0 and .allocations_twice - .allocations < 100" "$WORK/steady"
    check "$stage: no memory more after the first quarter" \
        jq -e ".stages.$stage.memory | .after_quarter_kib > 0 and .more_kib < 1024" "$WORK/steady"
done
finish
