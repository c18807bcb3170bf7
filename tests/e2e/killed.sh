#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Each stage killed in the middle of an exchange session, with order books as state and dead letters on the way: the
# next run, or the stage started again by hand, goes on, and journal and dead letters are those of an undisturbed run.
. "$(dirname "$0")/../support/bad_input.sh"
cd "$WORK" || exit 1
pipeline() { # NAME
    cat >"$1.yaml" <<END
name: $1
source: {type: itch_file, path: day.itch, date: 2020-01-30}
transform: [order_book: {pass: true, orders_max: 100000}]
ring: {size: 1MiB}
supervise: {restart: never}
sink: {type: journal, path: $1, existing: replace, segment_size: 16MiB}
END
}
# Every 10,000th message has a length that its type has not.
"$MILLRACE" gen itch --messages 600000 --out good.itch >/dev/null 2>&1
"${PYTHON:-python3}" - <<'END'
day, out, at, count = open('good.itch', 'rb').read(), bytearray(), 0, 0
while at < len(day):
    length = 2 + int.from_bytes(day[at:at + 2], 'big')
    out += day[at:at + length]
    at += length
    count += 1
    if count % 10000 == 0:
        out += b'\0\x1eA' + bytes(29)
open('day.itch', 'wb').write(out)
END
pipeline whole
run whole.yaml
finished "undisturbed" 600060 600000 60
expected=$(count loader.out)
check_equal "undisturbed: dead letters" "$(letters whole.dead/producer | wc -l)" 60

# reach NAME STAGE: its pid, once the loader has written some thousand records more than before.
reach() {
    local i pid floor=${3:-30000}
    for i in $(seq 400); do
        pid=$("$MILLRACE" stat "$1" --json 2>/dev/null |
            jq "select(.stages.loader.out > $floor and .stages.$2.alive) | .stages.$2.pid")
        [ -n "$pid" ] && echo "$pid" && return
        sleep 0.01
    done
    return 1
}

for victim in producer transform loader; do
    pipeline part
    rm -rf part part.dead
    "$MILLRACE" run part.yaml --json >final 2>log &
    run=$!
    kill -9 "$(reach part $victim)"
    wait $run
    check_equal "$victim: exit code, balance" "$? $(jq .balance final)" "9 true"
    check_match "$victim: it is named" "$(cat log)" "$victim \(pid [0-9]+\) was killed by signal 9"
    check_status "$victim: every record is accounted for" 0 "$MILLRACE" balance part
    # And once more in what is left.
    "$MILLRACE" run part.yaml --json >final 2>log &
    run=$!
    kill -9 "$(reach part $victim 150000)"
    wait $run
    check_equal "$victim: a second time" "$? $(jq .balance final)" "9 true"
    run part.yaml
    check_equal "$victim: the third run finishes it" "$status $(jq -c '[.balance, .stages.loader.out]' final)" \
        "0 [true,$expected]"
    check "$victim: the journal is that of an undisturbed run" diff -r whole part
    check "$victim: and so are the dead letters" diff -r whole.dead part.dead
done

# By hand: the one that died is started again, the others wait for it.
for victim in producer transform loader; do
    pipeline hand
    rm -rf hand hand.dead
    declare -A command=([producer]=produce [transform]=transform [loader]=load) pids=()
    for stage in producer transform loader; do
        "$MILLRACE" ${command[$stage]} hand.yaml >/dev/null 2>>log &
        pids[$stage]=$!
    done
    reach hand $victim >/dev/null
    kill -9 "${pids[$victim]}"
    wait "${pids[$victim]}" 2>/dev/null
    "$MILLRACE" ${command[$victim]} hand.yaml >/dev/null 2>>log &
    pids[$victim]=$!
    ended=
    for stage in producer transform loader; do
        wait "${pids[$stage]}"
        ended="$ended$? "
    done
    check_equal "$victim by hand: all three end well" "$ended" "0 0 0 "
    check "$victim by hand: the journal is that of an undisturbed run" diff -r whole hand
    "$MILLRACE" clean hand >/dev/null
done
finish
