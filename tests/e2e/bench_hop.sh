#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# `millrace bench hop`: one JSON object with everything that was measured, and text for people. Small counts:
# what the figures are is no test's business, that they are there and fit together is.
. "$(dirname "$0")/../support/e2e.sh"
if [ "$(nproc)" -lt 2 ]; then
    check_status "one core is too few" 12 "$MILLRACE" bench hop --rounds 1
    finish
fi
small=(--rounds 3 --ms 5000 --round-trips 500 --records 2000)

hop=$("$MILLRACE" bench hop "${small[@]}" --json)
get() { jq -r "$1" <<<"$hop"; }
check_equal "what it is" "$(get '.bench + " " + (.record_bytes | tostring)')" "hop 64"
check_equal "two cores" "$(get '.cores | unique | length')" 2
check_equal "distributions' keys" "$(get '[.round_trip_ns, .one_way_ns] | map(keys_unsorted | join(" ")) | unique[]')" \
    "p50 p90 p99 p99.9 p99.99 max n"
emulated "percentiles rise" "counts in microseconds" || check_equal "percentiles rise" \
    "$(get '[.round_trip_ns, .one_way_ns][] | [.p50, .p90, .p99, ."p99.9", ."p99.99", .max] | . == sort and .[0] > 0')" \
    $'true\ntrue'
check_equal "500 round trips of each kept round" "$(get '.round_trip_ns.n == .rtt_kept * 500')" true
check "there is a kept round" test "$(get .round_trip_ns.n)" -gt 0
check_equal "half as many, two ways each, with both clocks" "$(get '.one_way_ns.n == .round_trip_ns.n')" true
emulated "the raw limits" "counts in microseconds" || check_equal "the raw limits" "$(get '.raw_rtt_ns > 0 and .copy_bytes_per_second > 0')" true
check_equal "one way is less than both ways" "$(get '.one_way_ns.p50 < .round_trip_ns.p50')" true
emulated "the ratio lies within its own bounds" "counts in microseconds" ||
    check_equal "the ratio lies within its own bounds" "$(get '.rtt_ratio >= .rtt_ratio_min and .rtt_ratio <= .rtt_ratio_max')" true
check_equal "one at a time" "$(get '.one_at_a_time | .records_per_second > 0 and .kept > 0')" true
check_equal "batches of every size" "$(get '[.batches[].record_bytes] | join(" ")')" "44 64 256 1024 4096"
check_equal "each size has rate and ratios" \
    "$(get '[.batches[] | .records_per_second > 0 and .copy_ratio > 0 and .limit_ratio > 0] | unique[]')" true
check_equal "no record went unchecked" \
    "$(get '.n == (.regime.measured / .rounds - 1) * .rounds * 2000 + .rounds * 500')" true
check_equal "what was kept" "$(get '.regime | .kept <= .measured and .moved == (.kept < .measured)')" true
check_equal "not more round trips kept than rounds" "$(get '.rtt_kept <= .rounds')" true
check_equal "fewer than five decide nothing" "$(get '.goals.rtt_ratio.judged == (.rtt_kept >= 5)')" true
check_equal "goals: the ratio's is met or not" "$(get '.goals.rtt_ratio.met == (.goals.rtt_ratio.judged and .rtt_ratio <= .goals.rtt_ratio.at_most)')" true
check_equal "goals: the copy's is met or not" "$(get '.goals.copy_ratio | .met == (.judged and .worst >= .at_least)')" true

text=$("$MILLRACE" bench hop "${small[@]}")
check_match "text: everything is there" "$text" \
    'round trip p50.*bare cache line.*ratio.*one way, one at a time.*p99\.99.*plain copy moves.*44 bytes.*4096 bytes.*checked'
check_status "no rounds" 2 "$MILLRACE" bench hop --rounds 0
check_status "too many rounds" 2 "$MILLRACE" bench hop --rounds 1000
check_status "no records" 2 "$MILLRACE" bench hop --records 0
check_status "one core is too few" 12 taskset -c 0 "$MILLRACE" bench hop "${small[@]}"
check_equal "nothing is left in shared memory" "$(find /dev/shm -maxdepth 1 -name 'millrace-bench.*' -newer "$WORK" | wc -l)" 0
finish
