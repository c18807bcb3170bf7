#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Real file systems that fill up while a run writes there, and one that hangs: `full_disk.sh TIMES`. A small tmpfs and a
# small ext4 are filled to the last byte and emptied again, so many times each, under a journal and under text, through
# io_uring and through plain writes. Meanwhile the status names the file system, everything waits, and nothing is lost;
# within a second of room it goes on. SIGTERM then, once and twice. The last line is the figure.
. "$(dirname "$0")/../support/bad_input.sh"
times=${1:?usage: full_disk.sh TIMES}
tests_root=$PWD
cd "$WORK" || exit 1
rate=4000
count=$((rate * (times + 2)))
longest_ms=0 refusals=0

now() { echo $((${EPOCHREALTIME/./} / 1000)); } # ms
wait_for() { # MILLISECONDS COMMAND...: until it succeeds
    local until=$(($(now) + $1))
    shift
    until "$@" >/dev/null 2>&1; do
        [ "$(now)" -lt $until ] || return 1
        sleep 0.03
    done
}
stat() { "$MILLRACE" stat "$1" --json 2>/dev/null; }
is() { stat "$1" | jq -e "$2"; } # NAME CONDITION
pipeline() { # NAME SINK
    cat >"$1.yaml" <<END
name: $1
source: {type: mock, clock: steps, count: $count, rate: $rate}
ring: {size: 64KiB}
sink: {$2}
END
}
fill() { head -c 1G /dev/zero >"$1/filler" 2>/dev/null; sync -f "$1"; }
# ext4 of so many MiB on a loop device, mounted on DIRECTORY; false, and a skip, where that cannot be had.
small_ext4() { # DIRECTORY MIB
    mkdir -p "$1"
    truncate -s "$2M" "$1.image" && mkfs.ext4 -q -m 0 "$1.image" 2>/dev/null && mount -o loop "$1.image" "$1" 2>/dev/null &&
        mounts="${mounts:-} $1" && return 0
    skip "ext4 on a loop device" "no right to mount one"
    return 1
}

# One turn of filling and emptying under the run that is on its way.
turn() { # NAME DIRECTORY LABEL
    local name=$1 directory=$2 out freed
    fill "$directory"
    if ! wait_for 10000 is "$name" .sink.device.no_room; then
        not_ok "$3: it is seen that there is no room" "$(stat "$name" | jq -c .sink.device)"
        rm -f "$directory/filler"
        return
    fi
    refusals=$((refusals + 1))
    out=$(stat "$name" | jq -r .sink.device.no_room_what)
    [[ $out == *"$WORK/$directory "* && $out == *"No space left on device"* ]] || not_ok "$3: the status names the file system" "$out"
    out=$(stat "$name" | jq .stages.loader.out)
    rm -f "$directory/filler"
    freed=$(now)
    if wait_for 5000 is "$name" ".sink.device.no_room == false and (.stages.loader.out > $out or .stages.producer.phase == \"done\")"; then
        freed=$(($(now) - freed))
        [ $freed -gt $longest_ms ] && longest_ms=$freed
    else
        not_ok "$3: with room again it goes on" "$(stat "$name" | jq -c .sink.device)"
    fi
}

filled() { # DIRECTORY LABEL IO SINK...
    local directory=$1 label=$2 io=$3 name=full-$1 turns
    pipeline "$name" "path: $directory/records, io: $io, $4"
    "$MILLRACE" run "$name.yaml" --json >"$name.final" 2>"$name.log" &
    local run=$!
    wait_for 10000 is "$name" '.stages.loader.alive and .stages.loader.out > 500' || not_ok "$label: records arrive"
    for ((turns = 0; turns < times; turns++)); do turn "$name" "$directory" "$label"; done
    wait $run
    check_equal "$label: filled and emptied $times times: exit code, balance, records" \
        "$? $(jq -c '[.balance, .stages.loader.out]' "$name.final")" "0 [true,$count]"
    check_match "$label: the log says so, and when it was over" "$(cat "$name.log")" 'waiting for room: .*room again after [0-9.]+ s'
    "$MILLRACE" run "$name.yaml" --set "sink.path=whole" --set name=whole >/dev/null 2>&1
    check "$label: byte for byte" diff -r whole "$directory/records"
    rm -rf "$directory/records" whole
}

journal='type: journal, segment_size: 64KiB, existing: replace'
file_systems=0
small_disk tmp 12m && file_systems=$((file_systems + 1)) && filled tmp "tmpfs, journal, io_uring" auto "$journal" &&
    filled tmp "tmpfs, ndjson, plain writes" pwrite "type: ndjson"
small_ext4 ext 24 && file_systems=$((file_systems + 1)) && filled ext "ext4, journal, plain writes" pwrite "$journal" &&
    filled ext "ext4, ndjson, io_uring" auto "type: ndjson"

# ---- told to end while there is no room --------------------------------------------------------------
if [ $file_systems -gt 0 ]; then
    directory=tmp
    mountpoint -q tmp || directory=ext
    pipeline term "path: $directory/records, $journal"
    for signals in 1 2; do
        "$MILLRACE" run term.yaml --json >term.final 2>term.log &
        run=$!
        wait_for 10000 is term '.stages.loader.alive and .stages.loader.out > 500'
        fill $directory
        wait_for 10000 is term '.waits.state == "pressed" and .stages.producer.waiting_for == "output"'
        kill -TERM $run
        wait_for 5000 grep -q "told to drain, and waits for room in .*/ingress.ring first; a second signal halts" term.log
        check_equal "SIGTERM: the log says that draining waits for room" $? 0
        check_match "SIGTERM: and why there is none" "$(cat term.log)" \
            'draining waits: the (producer|transform) waits .* for room in the .* no room for .*No space left on device.*; a second signal halts'
        check "SIGTERM: it does wait" kill -0 $run
        if [ $signals = 2 ]; then
            kill -TERM $run
            wait $run
            check_equal "SIGTERM twice: halted at once: exit code, balance" "$? $(jq -c .balance term.final)" "9 true"
            halted=$(jq .stages.producer.in term.final)
            rm -f $directory/filler
            "$MILLRACE" run term.yaml --json >term.final 2>>term.log
            check_equal "SIGTERM twice: the next run finishes all" "$? $(jq -c '[.balance, .stages.loader.out]' term.final)" "0 [true,$count]"
            check "SIGTERM twice: it went on from there, at $halted" test "$halted" -lt $count
        else
            rm -f $directory/filler
            wait $run
            check_equal "SIGTERM once: with room it drains: exit code, balance" "$? $(jq -c '[.balance, .phase]' term.final)" '0 [true,"done"]'
            check "SIGTERM once: the journal is whole" "$MILLRACE" verify $directory/records
        fi
        rm -rf $directory/records
    done
fi

# A run that is stopped notes so beside its journal, in a file that has its room already: nothing is made for that.
pipeline ends "path: $WORK/ends, type: journal, segment_size: 2MiB"
LD_PRELOAD=$tests_root/$BUILD/tests/faults/preload/no_room.so NO_ROOM_BELOW=$WORK/ends/.session.new NO_ROOM_AT=3 NO_ROOM_MS=60000 \
    "$MILLRACE" run ends.yaml --json >ends.final 2>ends.log &
run=$!
wait_for 10000 is ends '.stages.loader.alive and .stages.loader.out > 500'
kill -TERM $run
wait $run
check_equal "stopped where no file can be made any more: it ends" "$? $(jq -c '[.balance, .phase]' ends.final)" '0 [true,"done"]'

# ---- a disk that hangs ---------------------------------------------------------------------------------
hangs() { # IO WORDS STATE: frozen, so that neither write nor sync comes back
    local run
    pipeline hang "path: ext/records, io: $1, $journal"
    "$MILLRACE" run hang.yaml --json >hang.final 2>hang.log &
    run=$!
    wait_for 10000 is hang '.stages.loader.alive and .stages.loader.out > 500'
    fsfreeze -f ext
    sleep 2.5
    stat hang >hang.stat
    fsfreeze -u ext
    check_match "a disk that hangs, $1: the chain ends in it" "$(jq -r .waits.chain hang.stat)" "$2"
    check_equal "a disk that hangs, $1: it is no disk without room" "$(jq .sink.device.no_room hang.stat)" false
    kill -TERM $run
    wait $run
    check_equal "a disk that hangs, $1: thawed, it goes on" "$? $(jq -c .balance hang.final)" "0 true"
    rm -rf ext/records
}
if mountpoint -q ext && command -v fsfreeze >/dev/null; then
    hangs auto 'the loader .*(a sync has been running for|a (write|sync|reserve|change) has not returned for) [0-9.]+ s$'
    hangs pwrite 'the loader \(pid [0-9]+\) has shown no sign of life for .*device: a (write|sync|reserve|change) has not returned for [0-9.]+ s$'
else
    skip "a disk that hangs" "no file system that can be frozen"
fi
echo "$file_systems file systems filled and emptied, $refusals times in all: $failures failed; went on $longest_ms ms (longest) after there was room"
finish
