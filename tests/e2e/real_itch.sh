#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Real exchange data from bytes to journal: every record is compared with a second reading of the bytes,
# and every count with a count over them (tests/model/itch_reader.py, book_model.py).
. "$(dirname "$0")/../support/e2e.sh"
export MILLRACE_SHM=$SHM
reader=tests/model/itch_reader.py

# agree NAME FILE TEXT COUNT [DATE]: TEXT says what the bytes of FILE say, COUNT records.
agree() {
    check_equal "$1" "$(python3 $reader compare "$2" "$3" ${5:+"$5"} 2>&1)" "$4 agree"
}
# counted KEY: what the independent count in $WORK/counts says.
counted() { awk -v key="$1" '$1 == key { print $2 }' "$WORK/counts"; }
# balanced NAME: the run whose object is in $WORK/run ended well and its counts add up.
balanced() {
    check_equal "$1: ends with 0, balanced" "$(jq -c '[.exit_code, .balance, .phase]' "$WORK/run")" '[0,true,"done"]'
    check_equal "$1: in = out + filtered + ... at every stage" "$(jq '[.stages[] | .in == .out + .filtered +
        .duplicate + .late + .rejected + .dropped + .in_flight] | all' "$WORK/run")" true
    check_equal "$1: what one emits the next takes in" "$(jq '.stages |
        .producer.emitted == .transform.in and .transform.emitted == .loader.in' "$WORK/run")" true
}

# ---- ITCH files, messages and book ---------------------------------------------------------------
itch() { # NAME FILE
    local name=$1 file=$2 schema count total
    "$MILLRACE" run pipelines/itch-book.yaml --json --set "source.path=$file" \
        --set "sink.path=$WORK/$name" >"$WORK/run" 2>"$WORK/log" || not_ok "$name: run" "$(cat "$WORK/log")"
    balanced "$name"
    python3 $reader counts "$file" >"$WORK/counts"
    check_equal "$name: messages by type" "$(jq -r '.stages.producer.schemas_out | to_entries[] |
        select(.value > 0) | "\(.key) \(.value)"' "$WORK/run" | sort)" "$(sed -n 's/^schema //p' "$WORK/counts" | sort)"
    total=$(awk '$1 == "schema" { n += $3 } END { print n }' "$WORK/counts")
    check_equal "$name: messages in" "$(jq .stages.producer.in "$WORK/run")" $total
    check_equal "$name: bytes" "$(jq '.stages.producer.counters."itch_file.bytes"' "$WORK/run")" "$(stat -Lc %s "$file")"
    python3 tests/model/book_model.py "$file" | sed -n 's/^count //p' | sort >"$WORK/book"
    check_equal "$name: the book's counters" "$(jq -r '.stages.transform.counters | to_entries[] |
        select(.key | startswith("order_book.")) | "\(.key[11:]) \(.value)"' "$WORK/run" |
        grep -vE '^(full|unknown_full) 0$' | sort)" "$(cat "$WORK/book")"
    check_equal "$name: the journal is whole" "$("$MILLRACE" verify "$WORK/$name" --json |
        jq -c '[.state, .records]')" "[\"whole\",$(jq .stages.loader.out "$WORK/run")]"
    for format in ndjson csv; do
        "$MILLRACE" cat "$WORK/$name" --format $format >"$WORK/text"
        check_equal "$name: cat $format prints every record" \
            "$(grep -vc ^schema, "$WORK/text")" "$(jq .stages.loader.out "$WORK/run")"
        agree "$name: cat $format is what the bytes say" "$file" "$WORK/text" $total
    done
}
premarket=itch/20200130-0400-premarket.itch
if need_sample $premarket; then
    itch premarket "$SAMPLES/$premarket"
    check_equal "premarket: the figures known of the file" "$(jq -c '.stages.producer | [.in, (.schemas_out |
        .order_add, .order_delete, .order_cancel, .order_replace, .order_executed, .trade)]' "$WORK/run")" \
        '[12932,6131,4263,2035,428,55,20]'
    check_equal "premarket: references that no message before announced" "$(jq -c '.stages.transform.counters |
        [."order_book.unknown_reference", ."order_book.unknown_orders"]' "$WORK/run")" \
        "[$(counted unknown_reference),$(counted unknown_orders)]"
    check_equal "premarket: as many as are known" "$(counted unknown_reference) $(counted unknown_orders)" "1114 758"
    check_equal "premarket: each has its alert" "$("$MILLRACE" cat "$WORK/premarket" --schema book_alert --format ndjson |
        jq -r .kind | sort | uniq -c | xargs)" \
        "$(awk '$1 == "unknown_reference" || $1 == "untracked_reference" { n += $2 } END { print n }' "$WORK/book") unknown_reference"
    "$MILLRACE" cat "$WORK/premarket" >"$WORK/text"
    check_equal "premarket: cat --symbol" "$("$MILLRACE" cat "$WORK/premarket" --symbol TSLA --format ndjson | wc -l)" \
        "$(awk -F, '$7 == "TSLA"' "$WORK/text" | wc -l)"
    between=(--from 2020-01-30T09:00:10Z --to 2020-01-30T09:00:20Z)
    within=$(awk -F, '$3 >= "2020-01-30T09:00:10" && $3 < "2020-01-30T09:00:20"' "$WORK/text" | wc -l)
    check_equal "premarket: cat --from --to" "$("$MILLRACE" cat "$WORK/premarket" "${between[@]}" --format ndjson | wc -l)" "$within"
    check_equal "premarket: cat --where" "$("$MILLRACE" cat "$WORK/premarket" --where 'price > 1000' --format ndjson | wc -l)" \
        "$("$MILLRACE" cat "$WORK/premarket" --format ndjson | jq -c 'select(.price > 1000)' | wc -l)"
    echo "{name: part, source: {type: itch_file, path: x}, sink: {type: ndjson, path: $WORK/part}}" >"$WORK/part.yaml"
    "$MILLRACE" replay "$WORK/premarket" "$WORK/part.yaml" "${between[@]}" >/dev/null 2>&1
    check_equal "premarket: replay --from --to" "$(wc -l <"$WORK/part")" "$within"
    "$MILLRACE" run pipelines/itch-book.yaml --set "source.path=$SAMPLES/$premarket" --set "sink.path=$WORK/small" \
        --set ring.size=64KiB --set sink.segment_size=128KiB >/dev/null 2>&1
    "$MILLRACE" cat "$WORK/small" >"$WORK/small.text"
    check "premarket: through small rings into many segments, the same records" cmp "$WORK/text" "$WORK/small.text"
    check "premarket: many segments" test "$(ls "$WORK/small" | wc -l)" -gt 5
    gzip -c "$SAMPLES/$premarket" >"$WORK/20200130.itch.gz"
    "$MILLRACE" run pipelines/itch-book.yaml --set "source.path=$WORK/20200130.itch.gz" --set "sink.path=$WORK/gz" >/dev/null 2>&1
    check "premarket: gzip makes the same journal" diff -r "$WORK/premarket" "$WORK/gz"
fi
opening=itch/20191230-0930-open.itch
if need_sample $opening; then
    itch opening "$SAMPLES/$opening"
    check_equal "opening: 1,000 messages of 11 types" "$(jq -c '.stages.producer |
        [.in, ([.schemas_out[] | select(. > 0)] | length)]' "$WORK/run")" '[1000,11]'
fi

# All 23 types; real files have no V W K h B O.
"$MILLRACE" gen itch --messages 20000 --out "$WORK/20200131-made.itch" >/dev/null 2>&1
itch made "$WORK/20200131-made.itch"
check_equal "made: all 23 types" "$(jq '[.stages.producer.schemas_out[] | select(. > 0)] | length' "$WORK/run")" 23

# ---- captures ------------------------------------------------------------------------------------
cat >"$WORK/capture.yaml" <<END
name: capture
source: {type: pcap, path: capture.pcap}
sink: {type: journal, path: $WORK/capture, existing: replace}
END
capture() { # NAME: below itch-pcap
    local file=$SAMPLES/itch-pcap/$1.pcap messages
    need_sample "itch-pcap/$1.pcap" || return
    "$MILLRACE" run "$WORK/capture.yaml" --json --set "source.path=$file" >"$WORK/run" 2>"$WORK/log" ||
        not_ok "$1: run" "$(cat "$WORK/log")"
    balanced "$1"
    python3 $reader packets "$file" >"$WORK/counts"
    check_equal "$1: packets and gaps" "$(jq -r '.stages.producer.counters | ("packets", "heartbeats",
        "sessions", "gaps", "gap_messages") as $key | "\($key) \(.["pcap." + $key])"' "$WORK/run")" "$(head -n 5 "$WORK/counts")"
    messages=$(($(counted messages) + $(counted gaps)))
    check_equal "$1: records" "$(jq .stages.loader.out "$WORK/run")" $messages
    for format in ndjson csv; do
        "$MILLRACE" cat "$WORK/capture" --format $format >"$WORK/text"
        agree "$1: cat $format is what the bytes say" "$file" "$WORK/text" $messages
    done
}
for name in AddOrderNoMpidAttributionMessage MarketParticipantPositionMessage NetOrderImbalanceIndicatorMessage \
    OrderDeleteMessage OrderExecutedMessage OrderReplaceMessage StockTradingActionMessage; do
    capture $name
done
capture Multiple.Packets
if [ -e "$SAMPLES/itch-pcap/Multiple.Packets.pcap" ]; then
    check_equal "Multiple.Packets: the packet of 38 messages" "$(counted largest)" 38
    "$MILLRACE" cat "$WORK/capture" --format ndjson >"$WORK/text"
    check_equal "Multiple.Packets: the jump is a record of its own" \
        "$(jq -c 'select(.schema == "gap") | [.from_sequence, .to_sequence, .lost]' "$WORK/text")" \
        '[14764497,19009116,4244620]'
    check_equal "Multiple.Packets: the record behind it says so" \
        "$(jq -c 'select(.flags == ["gap_before"]) | .sequence' "$WORK/text")" 19009117
fi
finish
