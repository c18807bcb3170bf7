#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The three example programs as three processes on two rings: every record arrives, in order, converted.
. "$(dirname "$0")/../support/e2e.sh"
examples=$BUILD/examples
count=200000

# run ORDER...: starts the three in this order, waits for all, collects what they say.
run() {
    local who pids=()
    for who in "$@"; do
        case $who in
        producer) "$examples/producer" "$SHM/readings" "$count" >"$WORK/producer" 2>&1 & ;;
        transform) "$examples/transform" "$SHM/readings" "$SHM/converted" >"$WORK/transform" 2>&1 & ;;
        consumer) "$examples/consumer" "$SHM/converted" "$count" >"$WORK/consumer" 2>&1 & ;;
        esac
        pids+=($!)
        sleep 0.05
    done
    local status=0 pid
    for pid in "${pids[@]}"; do wait "$pid" || status=1; done
    return $status
}

# The records that the consumer prints, computed independently.
expected() {
    awk -v count="$count" 'BEGIN {
        for (n = 1; n <= count; n++) {
            c = 6000 + n % 2500; f = int(c * 9 / 5) + 3200
            printf "converted %d: sensor=boiler celsius=%d.%02d fahrenheit=%d.%02d\n",
                n, c / 100, c % 100, f / 100, f % 100
        }
    }'
}
expected >"$WORK/expected"

for order in "producer transform consumer" "consumer transform producer"; do
    check "they run ($order)" run $order
    check_equal "sent" "$(cat "$WORK/producer")" "producer: sent $count records"
    check_equal "converted" "$(cat "$WORK/transform")" "transform: converted $count records"
    check_match "received" "$(grep -a '^consumer: received' "$WORK/consumer")" "received $count records"
    check_match "latencies" "$(grep -a 'p50' "$WORK/consumer")" 'p50 [1-9][0-9]* ns, p99 [1-9][0-9]* ns'
    grep -a '^converted' "$WORK/consumer" >"$WORK/found"
    check "every record is right" cmp "$WORK/found" "$WORK/expected"
    check_equal "the rings are gone" "$(ls "$SHM")" ""
done

check_status "no arguments" 2 "$examples/producer"
check_status "a directory that is not there" 6 "$examples/producer" /nowhere/ring 5
echo "not a ring" >"$SHM/text"
check_status "a file that is no ring" 6 "$examples/consumer" "$SHM/text"
finish
