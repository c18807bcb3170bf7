#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The same input makes the same bytes: whatever the pace, the durability, the batches, the waiting and the
# I/O backend were, and with latency measured all the same. The ring's size is part of the bytes (records
# are padded to its end), so it is the same throughout, and small, so that it wraps and fills.
. "$(dirname "$0")/../support/e2e.sh"
export MILLRACE_SHM=$SHM

# journal NAME PIPELINE OPTION...
journal() {
    "$MILLRACE" run "$2" --json --set "sink.path=$WORK/$1" --set ring.size=256KiB "${@:3}" >"$WORK/run" 2>"$WORK/log" ||
        not_ok "$1: run" "$(cat "$WORK/log")"
    check_equal "$1: balanced, and latency was measured" "$(jq '.balance and .latency_ns.end_to_end.count > 0' "$WORK/run")" true
}
# same NAME PIPELINE: the journal of PIPELINE, made in every way, has the same bytes.
same() {
    local name=$1 way
    journal "$name" "$2"
    for way in "durability=none" "durability=record" "sync_bytes=64KiB sync_interval=1ms" "io=pwrite"; do
        journal "$name.again" "$2" $(printf -- '--set sink.%s ' $way) --set sink.existing=replace
        check "$name, sink.$way: the same bytes" diff -r "$WORK/$name" "$WORK/$name.again"
    done
    for way in "wait=park" "wait=spin" "batch=1KiB" "batch=64KiB"; do
        journal "$name.again" "$2" --set "$way" --set sink.existing=replace
        check "$name, $way: the same bytes" diff -r "$WORK/$name" "$WORK/$name.again"
    done
    echo "{name: again, source: {type: journal, path: $WORK/$name}, sink: {type: journal, path: $WORK/$name.replayed}}" \
        >"$WORK/replay.yaml"
    "$MILLRACE" run "$WORK/replay.yaml" --set ring.size=256KiB >/dev/null 2>"$WORK/log" || not_ok "$name: replay" "$(cat "$WORK/log")"
    "$MILLRACE" cat "$WORK/$name" >"$WORK/first"
    "$MILLRACE" cat "$WORK/$name.replayed" >"$WORK/second"
    check "$name: played back through an empty pipeline, the same records" cmp "$WORK/first" "$WORK/second"
    check "$name: there are records" test "$(wc -l <"$WORK/first")" -gt 1
}

premarket=itch/20200130-0400-premarket.itch
if need_sample $premarket; then
    printf 'name: book\nsource: {type: itch_file, path: "%s"}\ntransform: [{order_book: {pass: true}}]\n%s\n' \
        "$SAMPLES/$premarket" 'sink: {type: journal, path: out}' >"$WORK/book.yaml"
    same book "$WORK/book.yaml"
    journal book.paced "$WORK/book.yaml" --set source.pace=20x
    check "book, at 20 times its pace: the same bytes" diff -r "$WORK/book" "$WORK/book.paced"
    "$MILLRACE" run "$WORK/book.yaml" --set "sink.path=$WORK/messages" --set 'transform=[]' >/dev/null 2>&1
    "$MILLRACE" replay "$WORK/messages" "$WORK/book.yaml" --set "sink.path=$WORK/book.late" --set ring.size=256KiB >/dev/null 2>&1
    check "book, out of a journal of the messages: the same bytes" diff -r "$WORK/book" "$WORK/book.late"
fi
capture=itch-pcap/Multiple.Packets.pcap
if need_sample $capture; then
    printf 'name: capture\nsource: {type: pcap, path: "%s"}\nsink: {type: journal, path: out}\n' \
        "$SAMPLES/$capture" >"$WORK/capture.yaml"
    same capture "$WORK/capture.yaml"
fi
retail=ecommerce/online-retail-by-day.tar.gz
if need_sample $retail; then
    tar -xzf "$SAMPLES/$retail" -C "$WORK" retail_by_day/2010-12-01.csv retail_by_day/2011-07-21.csv
    sed "s|path: days/\*.csv.*|path: $WORK/retail_by_day/*.csv|; s|^sink: .*|sink: {type: journal, path: out}|" \
        pipelines/retail.yaml >"$WORK/retail.yaml"
    same retail "$WORK/retail.yaml"
fi
finish
