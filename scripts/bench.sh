#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Measures on this machine: `bench.sh BUILD_DIR`. The hop beside the bare cache line, the decoder and the
# book, and the trio from file to journal. What it prints is also kept, with the commit it belongs to, in
# bench/results. Figures of different machines, or of one machine on different days, do not compare: the
# ratios do.
set -euo pipefail
cd "$(dirname "$0")/.."
build=${1:?usage: bench.sh BUILD_DIR}
millrace=$build/millrace
mkdir -p bench/results out/bench
result=bench/results/$(date -u +%Y%m%dT%H%M%SZ).txt

# The trio: a session of five million messages, five runs; records per second of the whole run.
bench_trio() {
    local session=out/bench/session.itch rates=() run
    echo "a synthetic ITCH 5.0 session of 5,000,000 messages, file to order book to journal, three processes"
    "$millrace" gen itch --messages 5000000 --seed 1 --date 2026-01-05 --out $session >/dev/null
    for run in 1 2 3 4 5; do
        rates+=("$("$millrace" run pipelines/demo.yaml --json --set name=bench --set source.path=$session \
            --set sink.path=out/bench/journal 2>/dev/null |
            python3 -c 'import json, sys
run = json.load(sys.stdin)
assert run["balance"] is True, "the counts do not balance"
print(round(run["stages"]["producer"]["in"] / run["seconds"]))')")
    done
    printf '%s\n' "${rates[@]}" | sort -n |
        awk '{ rate[NR] = $1 / 1e6 }
             END { printf "  messages in, M/s: min %.2f, median %.2f, max %.2f\n", rate[1], rate[3], rate[5] }'
    rm -rf out/bench
}

{
    echo "commit $(git describe --always --dirty 2>/dev/null || echo unknown), $(date -u +%FT%TZ)"
    echo "governor $(cat /sys/devices/system/cpu/cpu0/cpufreq/scaling_governor 2>/dev/null || echo unknown)," \
        "load $(cut -d' ' -f1-3 /proc/loadavg)"
    "$build/bench/ring_hop"
    "$millrace" bench itch
    echo
    bench_trio
} | tee "$result"
echo "kept in $result"
