#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# verify --repair: it says what it would do, does it when told to, destroys nothing, keeps out where a loader lives, and
# killed at any of its system calls it is done again and ends the same. A run then appends.
. "$(dirname "$0")/../support/e2e.sh"
python=${PYTHON:-python3}
feed=$WORK/20200130-feed.itch
"$MILLRACE" gen itch --messages 8000 --out "$feed" >/dev/null 2>&1
cat >"$WORK/p.yaml" <<END
name: repair
shm: $SHM
source: {type: itch_file, path: $feed}
ring: {size: 64KiB}
sink: {type: journal, path: $WORK/whole, segment_size: 64KiB}
END
"$MILLRACE" run "$WORK/p.yaml" >/dev/null 2>&1
segment() { ls "$WORK/whole" | sed -n "$1p"; }
count=$(ls "$WORK/whole" | wc -l)
check "a journal of several segments" test "$count" -gt 4

field() { jq -r "$1" "$WORK/found.json"; }
verify() { # DIR OPTION...: sets status, leaves found.json
    "$MILLRACE" verify "$@" --json >"$WORK/found.json" 2>"$WORK/err"
    status=$?
}
damaged() { # NAME SEGMENT BYTE: a copy with one byte changed
    rm -rf "$WORK/$1" && cp -r "$WORK/whole" "$WORK/$1"
    "$python" - "$WORK/$1/$2" "$3" <<'END'
import sys
with open(sys.argv[1], "r+b") as file:
    file.seek(int(sys.argv[2]))
    byte = file.read(1)[0]
    file.seek(int(sys.argv[2]))
    file.write(bytes([byte ^ 0x10]))
END
}
verify "$WORK/whole"
records=$(field .records)
check_equal "8000 records" "$records" 8000
verify "$WORK/whole" --repair --yes
check_equal "whole: nothing to repair" "$status $(field '[.repaired, .state_after] | join(" ")')" "0 false whole"

# ---- what is said ------------------------------------------------------------------------------------
middle=$(segment 3)
damaged middle "$middle" 30000
verify "$WORK/middle"
check_equal "damage in the middle: exit code, state, kind" "$status $(field '.state + " " + .fault.kind')" "8 damaged record"
check_equal "damage in the middle: file" "$(basename "$(field .fault.path)")" "$middle"
check_match "damage in the middle: byte" "$(field .fault.byte)" '^(29[0-9]{3}|30000)$'
check_equal "damage in the middle: records before, behind, one lost" \
    "$(field '.fault.records_before + .fault.records_behind')" $((records - 1))
check_equal "damage in the middle: below the mark" "$(field .fault.below_durable_mark)" true
check_equal "damage in the middle: where it goes on" "$(basename "$(field .fault.behind_path)")" "$middle"
check_equal "cat --resync passes over it" \
    "$("$MILLRACE" cat --resync "$WORK/middle" --format ndjson 2>"$WORK/err" | wc -l)" $((records - 1))
check_match "cat --resync says what it passed over" "$(cat "$WORK/err")" "passed over positions [0-9]+ to [0-9]+: .*$middle"

before=$(cat "$WORK"/middle/* | cksum)
check_status "without --yes and a terminal nothing is done: still damaged" 8 "$MILLRACE" verify --repair "$WORK/middle"
check_match "it says what would be cut" "$(cat "$WORK/out")" "would be done.*moved aside.*$middle: bytes [0-9]+ to [0-9]+ \([0-9]+ bytes, [0-9]+ whole records\) are cut"
check_match "... and how to do it" "$(tail -n 1 "$WORK/out")" "nothing was changed; --yes does it"
check_equal "nothing was changed" "$(cat "$WORK"/middle/* | cksum)" "$before"
damaged last "$(segment "$count")" $(($(stat -c %s "$WORK/whole/$(segment "$count")") - 100))
check_status "damage that a run would append to is refused" 8 "$MILLRACE" run "$WORK/p.yaml" --set sink.path="$WORK/last"
check_match "... and it names the byte, and verify" "$(cat "$WORK/out")" "byte [0-9]+ .*was durable; .millrace verify $WORK/last. says more"
"$MILLRACE" clean repair >/dev/null 2>&1
answer() { # ANSWER: at a terminal
    printf '%s\n' "$1" | script -qec "$MILLRACE verify --repair $WORK/middle" /dev/null >"$WORK/out" 2>&1
}
answer no
check_equal "a terminal that says no: nothing was changed" "$(cat "$WORK"/middle/* | cksum)" "$before"
cp -r "$WORK/middle" "$WORK/asked"
answer yes
verify "$WORK/middle"
check_equal "a terminal that says yes: whole" "$status $(field .state)" "0 whole"
kept=$(field .records)
moved=0
for file in "$WORK"/middle/*.cut; do
    moved=$((moved + $("$MILLRACE" cat --resync "$file" --format ndjson 2>/dev/null | wc -l)))
done
check_equal "every record is kept or can be read where it was moved to" $((kept + moved)) $((records - 1))
check_equal "segments that stay have their bytes" "$(cat "$WORK/middle/$(segment 1)" "$WORK/middle/$(segment 2)" | cksum)" \
    "$(cat "$WORK/whole/$(segment 1)" "$WORK/whole/$(segment 2)" | cksum)"
check "a run appends" "$MILLRACE" run "$WORK/p.yaml" --set sink.path="$WORK/middle"
verify "$WORK/middle"
check_equal "... and the journal is whole" "$status $(field '[.state, .records] | join(" ")')" "0 whole $((kept + records))"

# ---- what is made again --------------------------------------------------------------------------------
for number in 1 3 "$count"; do
    name=$(segment "$number")
    damaged header "$name" 100
    verify "$WORK/header" --repair --yes
    check_equal "a header is made again, segment $number" "$status $(field '[.repair[0].action, .state_after, .records_after] | join(" ")')" \
        "0 header whole $records"
    rm "$WORK"/header/*.cut
    check "... with the same bytes" diff -r "$WORK/whole" "$WORK/header"
    bytes=$(od -An -tu4 -j12 -N4 "$WORK/whole/$name")
    damaged mark "$name" $((bytes - 12))
    check_equal "a damaged mark takes no record away" "$("$MILLRACE" cat "$WORK/mark" --format ndjson 2>/dev/null | wc -l)" "$records"
    verify "$WORK/mark" --repair --yes
    check_equal "a mark is made again, segment $number" "$status $(field '[.repair[0].action, .state_after] | join(" ")')" "0 mark whole"
    check "... with the same bytes" diff -r "$WORK/whole" "$WORK/mark"
done
cp -r "$WORK/whole" "$WORK/lost"
rm "$WORK/lost/$middle"
verify "$WORK/lost" --repair --yes
check_equal "a segment is missing: what follows is moved aside" "$status $(field '[.fault.kind, .state_after, (.repair | length)] | join(" ")')" \
    "0 chain whole $((count - 3))"

# ---- who else has it -----------------------------------------------------------------------------------
damaged held "$middle" 30000
flock "$WORK/held" sleep 20 &
holder=$!
sleep 0.3
check_status "a loader has it" 7 "$MILLRACE" verify --repair --yes "$WORK/held"
kill $holder
check_status "one file is no journal to repair" 4 "$MILLRACE" verify --repair "$WORK/whole/$middle"

# ---- killed --------------------------------------------------------------------------------------------
# At the k-th of each of the calls that change anything, for every k, until it comes to its end.
killed_everywhere() { # NAME: leaves how often it was killed
    local call k status kills=0
    for call in pwrite64 ftruncate rename unlink fsync fdatasync; do
        for k in $(seq 50); do
            rm -rf "$WORK/again" && cp -r "$WORK/$1" "$WORK/again"
            { ASAN_OPTIONS="${ASAN_OPTIONS:-}:detect_leaks=0" strace -qq -o /dev/null -e inject=$call:signal=KILL:when="$k" "$MILLRACE" verify --repair --yes "$WORK/again"; } >/dev/null 2>&1
            status=$?
            [ $status = 0 ] && break
            kills=$((kills + 1))
            "$MILLRACE" verify --repair --yes "$WORK/again" >"$WORK/out" 2>&1 || return 1
            diff -r "$WORK/repaired" "$WORK/again" || return 1
        done
        [ "$status" = 0 ] || return 1
    done
    echo $kills >"$WORK/kills"
}
if ! strace -qq -o /dev/null true 2>/dev/null; then
    skip "killed at every system call" "strace cannot trace here"
    finish
fi
damaged cut "$middle" 30000
damaged again-header "$middle" 100
for name in cut again-header; do
    rm -rf "$WORK/repaired" && cp -r "$WORK/$name" "$WORK/repaired"
    "$MILLRACE" verify --repair --yes "$WORK/repaired" >/dev/null
    check "$name: killed at every call, and done again: the same" killed_everywhere $name
    check_match "$name: killed at so many calls" "$(cat "$WORK/kills")" '^([4-9]|[1-9][0-9]+)$'
done
finish
