#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# `millrace bench sink`: it says what it measured, checks what it wrote, and leaves nothing behind, however it ends.
. "$(dirname "$0")/../support/e2e.sh"
export MILLRACE_SHM=$SHM
disk=$WORK/disk

bench() { "$MILLRACE" bench sink --path "$disk" --mib 16 --ring 4 --rounds 1 "$@"; }
leftovers() { find "$disk" "$SHM" -mindepth 1 ! -name "millrace-$(id -u)"; }

for durability in none batch record; do
    check "durability $durability" bench --durability $durability
done
bench --json --durability none --record-bytes 200 >"$WORK/json"
check_equal "one JSON object with figure, limit and ratio" \
    "$(jq -r '[.bench, .mode, .n > 70000, .bytes > .n * 200, .bytes_per_second > 0, .raw_bytes_per_second > 0,
               .ratio > 0, .cpu_s_per_gb > 0, .latency_ns.max >= .latency_ns.p50] | map(tostring) | join(" ")' "$WORK/json")" \
    "sink none true true true true true true true"
check_equal "each way is measured fed, too" \
    "$(jq -c '[([.raw[] | select(.fed)] | length) * 2 == (.raw | length), .fed_ratio > 0, .fed_bytes_per_second > 0,
               ([.raw[] | .bytes_per_second > 0] | all)]' "$WORK/json")" '[true,true,true,true]'
check_equal "every record has its latency" "$(jq '.latency_ns.n == .n' "$WORK/json")" true
check_equal "percentiles are named as those of the other benchmarks" "$(jq -r '.latency_ns | keys_unsorted | join(" ")' "$WORK/json")" \
    "p50 p90 p99 p99.9 p99.99 max n"
check_equal "records a second are the bytes' share" \
    "$(jq '.records_per_second / (.bytes_per_second * .n / .bytes) * 1000 | round' "$WORK/json")" 1000
if [ "$(nproc)" -gt 1 ]; then
    emulated "the bare round trip" "counts in microseconds" || check "the bare round trip of the same run" jq -e '.raw_rtt_ns > 0' "$WORK/json"
fi
check "without io_uring" env MILLRACE_IO=pwrite "$MILLRACE" bench sink --path "$disk" --mib 16 --ring 4 --rounds 1
check_equal "nothing is left" "$(leftovers)" ""

for signal in INT TERM; do
    bench --rounds 31 --mib 256 >"$WORK/out" 2>&1 &
    for _ in $(seq 200); do
        [ -n "$(leftovers | grep -E 'journal/0|raw$')" ] && break
        sleep 0.01
    done
    # A background process of a script ignores SIGINT until it has its own handler: bench has.
    kill -$signal "$(pgrep -f "bench sink --path $disk" | head -n 1)"
    wait $!
    check_equal "$signal: it says so" "$? $(grep -c 'stopped by a signal' "$WORK/out")" "9 1"
    check_equal "$signal: nothing is left" "$(leftovers)" ""
done

check_status "a ring that is no power of two" 2 "$MILLRACE" bench sink --ring 3
check_status "rounds beyond the most" 2 "$MILLRACE" bench sink --rounds 32
check_status "an unknown durability" 2 "$MILLRACE" bench sink --durability most
touch "$WORK/file"
check_status "a path that is a file" 5 "$MILLRACE" bench sink --path "$WORK/file"
finish
