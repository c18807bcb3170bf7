#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The tests once more, built with the address and undefined-behaviour sanitizers, then the ring between
# two threads under ThreadSanitizer: `sanitize.sh BUILD_ROOT [WORD...]`, words as in test.sh. Shorter than
# `make test` where length is the point (stress records).
set -uo pipefail
cd "$(dirname "$0")/.."
root=${1:?usage: sanitize.sh BUILD_ROOT [WORD...]}
shift
export ASAN_OPTIONS=detect_leaks=1:abort_on_error=1:${ASAN_OPTIONS:-}
export UBSAN_OPTIONS=print_stacktrace=1:${UBSAN_OPTIONS:-}
export TSAN_OPTIONS=halt_on_error=1:${TSAN_OPTIONS:-}
export MILLRACE_STRESS_RECORDS=${MILLRACE_STRESS_RECORDS:-300000}
export MILLRACE_TEST_SECONDS_MAX=900

status=0
echo "== address and undefined-behaviour sanitizers"
scripts/test.sh "$root/asan" "$@" || status=1
echo "== thread sanitizer: the ring between two threads"
log=$root/tsan/ring_threads.log
if "$root/tsan/tests/stress/ring_threads" >"$log" 2>&1 && [ "$(tail -n 1 "$log")" = ok ]; then
    echo "ok       tests/stress/ring_threads"
else
    tail -n 60 "$log"
    echo "FAILED   tests/stress/ring_threads"
    status=1
fi
exit $status
