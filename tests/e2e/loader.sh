#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The loader as a process: killed again and again, on both backends and for each sink, it leaves the very
# bytes of a run that was never disturbed; journals are appended to, replaced, refused, read, verified and
# replayed.
. "$(dirname "$0")/../support/loader_runs.sh"

# ---- an undisturbed run of each sink, and the same bytes however it is written ----------------------
pipeline journal "type: journal, path: $WORK/journal, segment_size: 2MiB"
check "journal: a run" run journal
check_equal "journal: each record's age at the hand-over and in the end" \
    "$(jq -c '[.latency_ns.hand_over, .latency_ns.end_to_end | .count]' "$WORK/journal.json")" "[$messages,$messages]"
check_equal "journal: handed over before it is durable" \
    "$(jq '.latency_ns | .hand_over.p50 > 0 and .hand_over.p50 <= .end_to_end.p50 and
        .hand_over.max <= .end_to_end.max' "$WORK/journal.json")" true
check "journal: verifies" "$MILLRACE" verify "$WORK/journal"
check_equal "journal: one record a message" \
    "$("$MILLRACE" verify "$WORK/journal" --json | sed -n 's/^  "records": \([0-9]*\),/\1/p')" $messages
check "journal: segments rolled" test "$(ls "$WORK/journal" | wc -l)" -gt 5
for durability in none record; do
    pipeline other "type: journal, path: $WORK/other, segment_size: 2MiB, durability: $durability, existing: replace"
    check "journal: durability $durability" run other
    check "journal: durability $durability, the same bytes" same "$WORK/journal" "$WORK/other"
done
pipeline other "type: journal, path: $WORK/other, segment_size: 2MiB, existing: replace"
check "journal: pwrite" env MILLRACE_IO=pwrite "$MILLRACE" run "$WORK/other.yaml"
check "journal: pwrite, the same bytes" same "$WORK/journal" "$WORK/other"
best=$(best_io)
emulated "journal: direct" "hides what the kernel says of direct writes" || for io in $best pwrite; do
    pipeline other "type: journal, path: $WORK/other, segment_size: 2MiB, existing: replace, direct: true"
    check "journal: direct, $io" env MILLRACE_IO=$io "$MILLRACE" run "$WORK/other.yaml"
    check "journal: direct, $io, the same bytes" same "$WORK/journal" "$WORK/other"
done
pipeline other "type: journal, path: $WORK/other, segment_size: 2MiB, existing: replace, io: pwrite"
run other
check_match "the status names the backend" "$(cat "$WORK/other.json")" '"pwrite"'
check_status "an unknown backend" 3 "$MILLRACE" run "$WORK/other.yaml" --set sink.io=quick

pipeline csv "type: csv, path: $WORK/csv/out.csv, envelope: true"
check "csv: a run" run csv
check_equal "csv: every record has a line" \
    "$(cat "$WORK"/csv/*.csv | grep -vc '^schema,')" $messages
pipeline ndjson "type: ndjson, path: $WORK/ndjson/out.ndjson"
check "ndjson: a run" run ndjson
check_equal "ndjson: each record's age at the hand-over" "$(jq .latency_ns.hand_over.count "$WORK/ndjson.json")" $messages
check_equal "ndjson: every record has a line" "$(wc -l <"$WORK/ndjson/out.ndjson")" $messages
"$MILLRACE" run "$WORK/ndjson.yaml" --set sink.path=- 2>/dev/null >"$WORK/stdout.ndjson"
check "ndjson: the same on standard output" cmp "$WORK/stdout.ndjson" "$WORK/ndjson/out.ndjson"
MILLRACE_IO=pwrite "$MILLRACE" run "$WORK/ndjson.yaml" --set sink.path=- 2>/dev/null | cat >"$WORK/stdout.ndjson"
check "ndjson: the same through a pipe" cmp "$WORK/stdout.ndjson" "$WORK/ndjson/out.ndjson"

# ---- killed ----------------------------------------------------------------------------------------
for io in $best pwrite; do
    export MILLRACE_IO=$io
    pipeline killed "type: journal, path: $WORK/killed, segment_size: 2MiB, existing: replace"
    check "journal, $io: killed, and taken up again" \
        run_killing killed 5 3 8 2 11 4 6
    check "journal, $io: the same bytes" same "$WORK/journal" "$WORK/killed"
    if ! emulated "journal, direct, $io: killed" "hides what the kernel says of direct writes"; then
        pipeline killed-direct \
            "type: journal, path: $WORK/killed-direct, segment_size: 2MiB, existing: replace, direct: true"
        check "journal, direct, $io: killed, and taken up again" \
            run_killing killed-direct 4 3 9 2 12 5 6
        check "journal, direct, $io: the same bytes" same "$WORK/journal" "$WORK/killed-direct"
    fi
    pipeline killed-csv "type: csv, path: $WORK/killed-csv/out.csv, envelope: true"
    check "csv, $io: killed, and taken up again" run_killing killed-csv 5 10 20 15 7 12
    check "csv, $io: the same bytes" same "$WORK/csv" "$WORK/killed-csv"
    pipeline killed-nd "type: ndjson, path: $WORK/killed-nd/out.ndjson"
    check "ndjson, $io: killed, and taken up again" run_killing killed-nd 5 10 20 15 7 12
    check "ndjson, $io: the same bytes" same "$WORK/ndjson" "$WORK/killed-nd"
done
unset MILLRACE_IO

# ---- what is there already ---------------------------------------------------------------------------
pipeline append "type: journal, path: $WORK/append"
run append && run append
check "append: a second run" run append
check_equal "append: all runs are there" \
    "$("$MILLRACE" verify "$WORK/append" --json | sed -n 's/^  "records": \([0-9]*\),/\1/p')" \
    $((3 * messages))
check "append: each run's records are the same" cmp \
    <("$MILLRACE" cat "$WORK/append" --format ndjson | head -n $messages) \
    <("$MILLRACE" cat "$WORK/append" --format ndjson | tail -n $messages)
check_status "refuse: a journal" 5 "$MILLRACE" run "$WORK/append.yaml" --set sink.existing=refuse
"$MILLRACE" clean append >/dev/null 2>&1
rm -rf "$SHM"/*
check_status "refuse: a file" 5 "$MILLRACE" run "$WORK/ndjson.yaml" --set sink.existing=refuse
rm -rf "$SHM"/*

# ---- damage ------------------------------------------------------------------------------------------
cp -r "$WORK/journal" "$WORK/damaged"
segment=$(ls "$WORK"/damaged/*.mrj | sed -n 3p)
printf '\377' | dd of="$segment" bs=1 seek=500000 conv=notrunc status=none
check_status "damage: verify" 8 "$MILLRACE" verify "$WORK/damaged"
check_match "damage: verify names the file and the byte" "$(cat "$WORK/out")" \
    "$(basename "$segment"): byte (499|500)[0-9]+"
check_status "damage: cat prints what stands before it" 8 "$MILLRACE" cat "$WORK/damaged"
cp -r "$WORK/journal" "$WORK/missing"
rm "$segment" "$(ls "$WORK"/missing/*.mrj | sed -n 3p)"
check_status "damage: a segment is missing" 8 "$MILLRACE" verify "$WORK/missing"
check_status "no journal" 4 "$MILLRACE" verify "$WORK/nothing"

# ---- reading and replaying -----------------------------------------------------------------------------
check_equal "cat: one line a record, and a header" "$("$MILLRACE" cat "$WORK/journal" | wc -l)" \
    $((messages + 1))
check_equal "cat: --limit" "$("$MILLRACE" cat "$WORK/journal" --limit 7 --format ndjson | wc -l)" 7
check_equal "cat: --fields" "$("$MILLRACE" cat "$WORK/journal" --fields symbol,price --limit 1 | head -n 1)" \
    symbol,price
adds=$(grep -c '"schema":"order_add"' "$WORK/ndjson/out.ndjson")
check_equal "cat: --schema" "$("$MILLRACE" cat "$WORK/journal" --schema order_add --format text | wc -l)" "$adds"
symbol=$(grep -m 1 -o '"symbol":"[^"]*"' "$WORK/ndjson/out.ndjson" | cut -d'"' -f4)
check_equal "cat: --symbol" \
    "$("$MILLRACE" cat "$WORK/journal" --symbol "$symbol" --format ndjson | wc -l)" \
    "$(grep -c "\"symbol\":\"$symbol\"" "$WORK/ndjson/out.ndjson")"
check_equal "cat: --where FIELD=VALUE" \
    "$("$MILLRACE" cat "$WORK/journal" --where side=B --format ndjson | wc -l)" \
    "$(grep -c '"side":"B"' "$WORK/ndjson/out.ndjson")"
check_equal "cat: --where EXPRESSION" \
    "$("$MILLRACE" cat "$WORK/journal" --where "side == 'B'" --format ndjson | wc -l)" \
    "$(grep -c '"side":"B"' "$WORK/ndjson/out.ndjson")"
middle=$("$MILLRACE" cat "$WORK/journal" --fields event_time | sed -n "$((messages / 2))p")
before=$("$MILLRACE" cat "$WORK/journal" --to "$middle" --format ndjson | wc -l)
after=$("$MILLRACE" cat "$WORK/journal" --from "$middle" --format ndjson | wc -l)
check_equal "cat: --from and --to share the records out" $((before + after)) $messages
check_status "cat: a field that nobody has" 2 "$MILLRACE" cat "$WORK/journal" --fields nonsense
check_status "cat: a condition that nobody can meet" 2 "$MILLRACE" cat "$WORK/journal" --where nonsense=1
check_status "cat: a schema that is not there" 2 "$MILLRACE" cat "$WORK/journal" --schema nonsense

pipeline replayed "type: journal, path: $WORK/replayed, segment_size: 2MiB"
check "replay" "$MILLRACE" replay "$WORK/journal" "$WORK/replayed.yaml"
check "replay: the same bytes" same "$WORK/journal" "$WORK/replayed"
check_status "replay: into itself" 3 "$MILLRACE" replay "$WORK/journal" "$WORK/journal.yaml"
rm -rf "$SHM"/*
"$MILLRACE" replay "$WORK/journal" "$WORK/replayed.yaml" --schemas order_add --json \
    --set sink.existing=replace >"$WORK/replay.json" 2>&1
check_equal "replay: some schemas" \
    "$("$MILLRACE" verify "$WORK/replayed" --json | sed -n 's/^  "records": \([0-9]*\),/\1/p')" "$adds"
check_match "replay: balance" "$(cat "$WORK/replay.json")" '"balance": true'

finish
