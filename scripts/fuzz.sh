#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# `fuzz.sh RUNS CORPUS FUZZER...`: each fuzzer so many times; ends in one line with the figure.
set -uo pipefail
runs=$1 corpus=$2
shift 2
failed=0
for fuzzer in "$@"; do
    name=$(basename "$fuzzer")
    mkdir -p "$corpus/$name"
    log=$corpus/$name.log
    if "$fuzzer" -runs="$runs" -max_len=65536 -rss_limit_mb=4096 -timeout=20 -artifact_prefix="$corpus/$name." \
        "$corpus/$name" >"$log" 2>&1; then
        printf 'ok      %-24s %s\n' "$name" "$(grep -a '^Done' "$log" | tail -n 1)"
    else
        printf 'FAILED  %s\n' "$name"
        tail -n 40 "$log"
        failed=$((failed + 1))
    fi
done
echo "$# fuzzers, $runs executions each, $failed failed"
[ "$failed" = 0 ]
