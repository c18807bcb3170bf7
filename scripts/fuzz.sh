#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# `fuzz.sh RUNS CORPUS FUZZER...`: each fuzzer so many times, as many at a time as there are cores; ends in one line
# with the figure. FUZZ_SECONDS: the most that each may take; who has not done RUNS by then says how many it has
# done. Leaks are looked for once, at the end: to look after each execution takes longer than most of them. Each
# starts from its seeds (tests/fuzz/corpus/NAME) and what it kept before in CORPUS/NAME.
set -uo pipefail
cd "$(dirname "$0")/.."
export runs=$1 corpus=$2 seconds=${FUZZ_SECONDS:-0}
shift 2
mkdir -p "$corpus"
TMPDIR=$(mktemp -d)
export TMPDIR
trap 'rm -rf "$TMPDIR"' EXIT

one() { # FUZZER
    local name seeds log status
    name=$(basename "$1") seeds=tests/fuzz/corpus/$(basename "$1") log=$corpus/$(basename "$1").log
    mkdir -p "$corpus/$name"
    [ -d "$seeds" ] || seeds=
    "$1" -runs="$runs" -max_total_time="$seconds" -max_len=65536 -rss_limit_mb=4096 -timeout=20 -detect_leaks=0 \
        -artifact_prefix="$corpus/$name." -print_final_stats=1 "$corpus/$name" $seeds >"$log" 2>&1 </dev/null
    status=$?
    if [ $status = 0 ] && grep -aq '^Done' "$log"; then
        awk -v name="$name" '/^stat::number_of_executed_units/ { done = $2 } /^stat::average_exec_per_sec/ { rate = $2 }
            END { printf "ok      %-22s %9d executions %8d/s\n", name, done, rate }' "$log"
    else
        printf 'FAILED  %s (status %d); again: %s %s\n' "$name" $status "$1" "$(ls -t "$corpus/$name".*-* 2>/dev/null | head -n 1)"
        tail -n 40 "$log"
    fi
}
export -f one

printf '%s\n' "$@" | xargs -P "$(nproc)" -I{} bash -c 'one {}' | tee "$corpus/figures"
awk -v fuzzers=$# -v runs="$runs" '
    /^ok / { good++; sum += $3; if ($3 < runs) { few++; if (!least || $3 < least) least = $3 } }
    END {
        printf "%d fuzzers, %d executions", fuzzers, sum
        if (few) printf " (%d of them fewer than %d, %d at least: their time was up)", few, runs, least
        printf "; %d failed\n", fuzzers - good
        exit good < fuzzers
    }' "$corpus/figures"
