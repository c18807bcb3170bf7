#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Sinks that cannot be written, vanish, or fill their disk: exit code 5 (or waiting for room), and what was accepted is
# written by the next run, once, as if nothing had happened.
. "$(dirname "$0")/../support/bad_input.sh"
cd "$WORK" || exit 1
cat >p.yaml <<END
name: bad
source: {type: mock, clock: steps, count: 3000, rate: 1500}
ring: {size: 1MiB}
sink: {type: journal, path: d/records, existing: replace}
END
: >text

# ---- refused -------------------------------------------------------------------------------------
for type in journal ndjson csv; do
    refused "$type: below a file" 5 'text' p.yaml --set sink.type=$type --set sink.path=text/records
    refused "$type: below what cannot be made" 5 '/proc/' p.yaml --set sink.type=$type --set sink.path=/proc/none/records
done
refused "journal: a file in its place" 5 'text: found a file, expected a directory' p.yaml --set sink.path=text
refused "ndjson: a directory in its place" 5 'cannot open: Is a directory' \
    p.yaml --set sink.type=ndjson --set sink.path="$WORK"
if [ "$(id -u)" = 0 ]; then
    skip "a directory that is not writable" "root may write everywhere"
else
    mkdir -m 555 closed
    refused "a directory that is not writable" 5 'closed.*Permission denied' p.yaml --set sink.path=closed/records
fi
echo kept >kept # an empty one counts as none
refused "ndjson: a file that is to be kept" 5 'kept: found a file of 5 bytes, expected none \(sink.existing is refuse\)' \
    p.yaml --set sink.type=ndjson --set sink.path=kept --set sink.existing=refuse

# ---- in use --------------------------------------------------------------------------------------
records_at_least() { # COUNT of them written by the run under way
    local i
    for i in $(seq 200); do
        "$MILLRACE" stat bad --json 2>/dev/null | jq -e ".stages.loader.alive and .stages.loader.out > $1" >/dev/null && return
        sleep 0.02
    done
    return 1
}
mkdir "$SHM/other"
"$MILLRACE" run p.yaml --set source.count=60000 >/dev/null 2>&1 &
first=$!
check "a run" records_at_least 500
run p.yaml --set sink.path=elsewhere
check_equal "the same pipeline at once" "$status" 7
check_match "it names the first one" "$(cat log)" "pipeline .bad. is running already, pid $first"
MILLRACE_SHM=$SHM/other refused "another one that writes to the same place" 7 \
    'd/records.*locked by (another )?process' p.yaml
for stage in produce transform load; do
    check_status "a second $stage" 7 timeout -k 3 20 "$MILLRACE" $stage p.yaml
    check_match "a second $stage: it says so" "$(cat "$WORK/out")" 'of bad is running already.*held by another process'
done
kill -TERM $first
wait $first
check_equal "the first is not disturbed" "$?" 0
rm -rf d

# ---- vanishes ------------------------------------------------------------------------------------
for type in journal ndjson; do
    rm -rf d whole away
    run p.yaml --set sink.type=$type
    finished "$type: undisturbed" 3000 3000 0
    mv d/records whole
    rm -rf d
    "$MILLRACE" run p.yaml --set sink.type=$type --json >final 2>log &
    run=$!
    records_at_least 500
    mv d away
    wait $run
    status=$?
    check_equal "$type: its directory vanishes: exit code, balance" "$status $(jq -c .balance final)" "5 true"
    check_match "$type: it says so" "$(cat log)" 'd/records.*was removed or replaced while it was being written'
    run p.yaml --set sink.type=$type
    check_equal "$type: still away" "$status" 5
    check_match "$type: it says what to do" "$(cat log)" 'd/records.*millrace clean'
    rm -rf d
    mv away d
    run p.yaml --set sink.type=$type
    check_equal "$type: back again: the next run finishes it" "$status $(jq -c '[.balance, .stages.loader.out]' final)" "0 [true,3000]"
    check "$type: byte for byte" diff -r whole d/records
done

# ---- full ----------------------------------------------------------------------------------------
rm -rf d whole
small_disk d 8m || finish
flat_out=(--set source.rate=0 --set source.count=300000)
small_segments=(--set sink.segment_size=2MiB)
run p.yaml "${flat_out[@]}" "${small_segments[@]}" --set sink.path=whole
finished "journal: undisturbed" 300000 300000 0
timeout -k 3 30 "$MILLRACE" run p.yaml "${flat_out[@]}" "${small_segments[@]}" --json >final 2>log &
run=$!
for i in $(seq 200); do grep -q 'waiting for room' log && break; sleep 0.02; done
check_match "journal: a full disk is waited for" "$(cat log)" 'waiting for room: d/records: cannot preallocate a segment: wants [0-9]+ bytes, found [0-9]+ free'
check_equal "journal: top and stat say for what" "$("$MILLRACE" stat bad --json | jq -r .stages.loader.waiting_for)" device
mount -o remount,size=64m "$WORK/d"
wait $run
check_equal "journal: with room again it goes on" "$? $(jq -c '[.balance, .stages.loader.out]' final)" "0 [true,300000]"
check "journal: byte for byte" diff -r whole d/records
flat_out+=(--set source.count=700000)
for type in ndjson csv; do
    rm -rf d/records whole
    mount -o remount,size=8m "$WORK/d"
    run p.yaml "${flat_out[@]}" --set sink.type=$type --set sink.path=whole
    finished "$type: undisturbed" 700000 700000 0
    timeout -k 3 30 "$MILLRACE" run p.yaml "${flat_out[@]}" --set sink.type=$type --json >final 2>log &
    run=$!
    for i in $(seq 200); do grep -q 'waiting for room' log && break; sleep 0.02; done
    check_match "$type: a full disk is waited for, at a byte" "$(cat log)" 'waiting for room: .*d/records: cannot write [0-9]+ bytes at byte [0-9]+: No space left'
    mount -o remount,size=64m "$WORK/d"
    wait $run
    check_equal "$type: with room again it goes on" "$? $(jq -c '[.balance, .stages.loader.out]' final)" "0 [true,700000]"
    check "$type: byte for byte" cmp whole d/records
done
finish
