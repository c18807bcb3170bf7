#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The hardening mode as processes: every stage is filtered and cannot write what it reads, and the results are those of
# a run without it, for every kind of sink, with scripts, dead letters and connections, and after a kill. What it
# refuses: tests/unit/pipeline/harden.c, tests/unit/loader/restricted.c.
. "$(dirname "$0")/../support/e2e.sh"
emulated "harden" "does not filter system calls" && finish
cd "$WORK" || exit 1
export MILLRACE_SHM=$SHM
# A sanitizer that looks for leaks stops its process from another one, which the filter refuses.
export ASAN_OPTIONS="${ASAN_OPTIONS:-}:detect_leaks=0"
"$MILLRACE" gen itch --messages 200000 --out day.itch >/dev/null 2>&1

pipeline() { # NAME SINK TRANSFORM
    cat >"$1.yaml" <<END
name: $1
source: {type: itch_file, path: day.itch, date: 2020-01-30}
transform: $3
ring: {size: 1MiB}
sink: {$2}
harden: true
END
}
same_as_without() { # NAME OUTPUT
    rm -rf "$2" "$2.dead" plain
    "$MILLRACE" run "$1.yaml" --set harden=false >/dev/null 2>log || { not_ok "$1: without" "$(tail -n 2 log)"; return; }
    mv "$2" plain
    rm -rf "$2.dead"
    "$MILLRACE" run "$1.yaml" --json >final 2>log
    check_equal "$1: hardened: exit code, balance, refusals" \
        "$? $(jq .balance final) $(grep -v 'io_uring cannot be had' log | grep -c 'not permitted')" "0 true 0"
    check "$1: the same bytes" diff -r plain "$2"
}
cat >twice.lua <<'END'
fields = {twice = "f64"}
reads = {"shares"}
function apply(record, emit)
    record.twice = record.shares * 2
    emit(record)
end
END
pipeline journal "type: journal, path: out, existing: replace, segment_size: 4MiB" \
    '[order_book: {pass: true, orders_max: 100000}]'
same_as_without journal out
pipeline direct "type: journal, path: out, existing: replace, direct: true, segment_size: 4MiB" '[]'
same_as_without direct out
pipeline pwrite "type: journal, path: out, existing: replace, io: pwrite" '[]'
same_as_without pwrite out
pipeline script "type: ndjson, path: out.ndjson" '[script: {path: twice.lua}, filter: "locate > 0"]'
same_as_without script out.ndjson

# ---- what the kernel says of the processes, while lines come over a connection ------------------------
cat >tcp.yaml <<END
name: tcp
schemas: [{name: reading, fields: [{name: id, type: u32}, {name: value, type: f64}]}]
source: {type: lines, listen: 127.0.0.1:0, format: csv, schema: reading, header: false}
sink: {type: csv, path: tcp.csv}
harden: true
END
"$MILLRACE" run tcp.yaml --json >final 2>log &
run=$!
for i in $(seq 200); do
    address=$(grep -o 'listening on [0-9.]*:[0-9]*' log | awk '{ print $3 }')
    [ -n "$address" ] && [ "$("$MILLRACE" stat tcp --json 2>/dev/null | jq -r .phase)" = running ] && break
    sleep 0.05
done
check_match "a connection's address is of this host alone" "$address" '^127\.0\.0\.1:[0-9]+$'
exec 3<>"/dev/tcp/${address%:*}/${address#*:}"
for i in $(seq 1000); do printf '%d,%s\n' "$i" "$([ $((i % 10)) = 0 ] && echo bad || echo 0.5)"; done >&3
loaded() { [ "$("$MILLRACE" stat tcp --json | jq .stages.loader.out)" = 900 ]; }
for i in $(seq 100); do loaded && break; sleep 0.05; done
check "lines of a connection come through, and dead letters" loaded
for stage in producer transform loader; do
    pid=$("$MILLRACE" stat tcp --json | jq .stages.$stage.pid)
    check_equal "$stage: no new privileges, filtered" \
        "$(awk '/^NoNewPrivs|^Seccomp:/ { printf "%s ", $2 }' "/proc/$pid/status")" "1 2 "
    # Of what it reads it can write the page with the cursors; whose ring it is, all of it.
    case $stage in producer) ring=ingress way=00000000 ;; transform) ring=ingress way=00001000 ;; *) ring=egress way=00001000 ;; esac
    check_equal "$stage: what it can write of the $ring ring, from byte (hex)" \
        "$(awk -v ring="/$ring.ring" 'index($6, ring) && $2 ~ /w/ { print $3 }' "/proc/$pid/maps")" $way
done
exec 3>&-
kill -TERM $run
wait $run
check_equal "it drains" "$? $(jq -c '[.balance, .stages.producer.in, .stages.loader.out]' final) $(wc -l <tcp.csv)" \
    "0 [true,1000,900] 901"

# ---- killed ------------------------------------------------------------------------------------------
cp -r plain whole
rm -rf out.ndjson
"$MILLRACE" run script.yaml --json >final 2>log &
run=$!
for victim in loader transform; do
    while kill -0 $run 2>/dev/null; do
        pid=$("$MILLRACE" stat script --json 2>/dev/null | jq "select(.stages.loader.alive and .stages.loader.out > 3000) | .stages.$victim.pid")
        [ -n "$pid" ] && kill -9 "$pid" 2>/dev/null && break
        sleep 0.01
    done
done
wait $run
[ $? = 0 ] || "$MILLRACE" run script.yaml --json >final 2>>log
check "killed and started again: the same bytes" cmp whole out.ndjson
finish
