#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The ring beside its peers on this machine: `bench-peers.sh BUILD_DIR`. About two minutes, four at most; with
# QUICK=1 half a minute. What it prints is kept with its date in bench/results, as text and as JSON.
set -euo pipefail
cd "$(dirname "$0")/.."
build=${1:?usage: bench-peers.sh BUILD_DIR}
limits=(--rounds 5 --ms 100 --seconds 200)
[ -n "${QUICK:-}" ] && limits=(--rounds 5 --ms 20 --seconds 30)
mkdir -p bench/results
result=bench/results/peers-$(date -u +%Y%m%dT%H%M%SZ)
{
    echo "commit $(git describe --always --dirty 2>/dev/null || echo unknown), $(date -u +%FT%TZ)," \
        "load $(cut -d' ' -f1-3 /proc/loadavg)"
    "$build/bench/peers/peers" "${limits[@]}" --json "$result.json"
} | tee "$result.txt"
echo "kept in $result.txt and .json"
