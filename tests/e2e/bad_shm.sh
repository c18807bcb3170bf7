#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Shared memory that is full, not writable, not there, or holds something else: exit code 6, nothing accepted, nothing
# left behind; leftovers of another pipeline file are refused and kept.
. "$(dirname "$0")/../support/bad_input.sh"
cd "$WORK" || exit 1
cat >p.yaml <<END
name: bad
source: {type: mock, clock: steps, count: 20000, rate: 10000}
sink: {type: journal, path: journal, existing: replace}
END
: >text
"$MILLRACE" gen itch --messages 2000 --out day.itch >/dev/null 2>&1
run p.yaml
finished "with room enough" 20000 20000 0
cp -r journal whole

# ---- full ----------------------------------------------------------------------------------------
# The rings are 16, 16, 4 and 4 MiB; each size leaves another segment without room.
for size in 1m 17m 24m 34m 40m; do
    small_disk "shm$size" $size || break
    export MILLRACE_SHM=$WORK/shm$size
    refused "shared memory of $size" 6 'shared memory is full: wanted [0-9]+ bytes, [0-9]+ are free; make .*ring.size' p.yaml
done
if small_disk shm_state 60m; then
    export MILLRACE_SHM=$WORK/shm_state
    refused "room for the rings, none for an order book" 6 'transform.stage.state: shared memory is full' \
        p.yaml --set 'transform=[order_book: {}]' --set 'source={type: itch_file, path: day.itch, date: 2020-01-30}'
fi
if small_disk shm_small 24m; then
    export MILLRACE_SHM=$WORK/shm_small
    run p.yaml --set source.rate=0 --set ring.size=1MiB --set dead_letter.size=1MiB
    finished "smaller rings fit" 20000 20000 0
fi
export MILLRACE_SHM=$SHM
(
    ulimit -f 8000 # blocks of 1 KiB
    refused "a limit on the size of files" 6 'File too large' p.yaml
    exit $failures
) || failures=$((failures + 1))

# ---- not there, not writable ---------------------------------------------------------------------
for root in /nowhere "$WORK/text"; do
    MILLRACE_SHM=$root refused "$root" 6 "$root/millrace-[0-9]+: cannot create the run directory" p.yaml
done
mkdir -m 555 closed
if [ "$(id -u)" = 0 ] && command -v setpriv >/dev/null; then
    chmod 755 . && mkdir -m 777 open
    as_nobody=(setpriv --reuid 65534 --regid 65534 --clear-groups env "MILLRACE_SHM=$WORK/closed")
    if "${as_nobody[@]}" "$MILLRACE" version >/dev/null 2>&1; then
        check_status "not writable" 6 "${as_nobody[@]}" "$MILLRACE" run "$WORK/p.yaml"
        check_match "it says so" "$(cat "$WORK/out")" "Permission denied"
    else
        skip "not writable" "the program cannot be run by another user"
    fi
elif [ "$(id -u)" != 0 ]; then
    MILLRACE_SHM=$WORK/closed refused "not writable" 6 'Permission denied' p.yaml
else
    skip "not writable" "no program setpriv"
fi
mkdir -p "$SHM/other/millrace-$(id -u)"
: >"$SHM/other/millrace-$(id -u)/bad"
MILLRACE_SHM=$SHM/other refused "a file in the place of the run directory" 6 'millrace-[0-9]+/bad: expected a directory' p.yaml
rm -r "$SHM/other"

# ---- what others left ----------------------------------------------------------------------------
rm -rf journal
# interrupt: a run whose loader is killed in its middle.
interrupt() {
    timeout -k 3 20 "$MILLRACE" run p.yaml --set supervise.restart=never "$@" >/dev/null 2>"$WORK/log" &
    local pid=$! page="$SHM/millrace-$(id -u)/bad/loader.stage" loader=0
    for i in $(seq 400); do
        loader=$("$MILLRACE" stat bad --json 2>/dev/null | jq 'select(.stages.loader.alive and .stages.loader.out > 1000) | .stages.loader.pid')
        [ -n "$loader" ] && break
        sleep 0.02
    done
    kill -9 "$loader"
    wait $pid
    status=$?
}
interrupt
check_equal "a loader is killed" "$status" 9
run p.yaml --set ring.size=1MiB
check_equal "leftovers of other ring sizes are refused" "$status" 6
check_match "it says what to do" "$(cat log)" 'left by an earlier run with other settings.*millrace clean bad'
# More than once: the stages that are not to blame are stopped at another moment each time.
for i in 1 2 3 4; do run p.yaml --set 'transform=[set: {twice: value * 2}]'; done
check_equal "leftovers of other operators are refused" "$status" 6
check_match "it says what to do about those" "$(cat log)" 'left by an earlier run with another `transform:`.*millrace clean bad'
run p.yaml
check_equal "their own pipeline file finishes them" "$status $(jq -c '[.balance, .stages.loader.out]' final)" "0 [true,20000]"
check "and the journal is as if nothing had happened" diff -r whole journal
interrupt
check_status "or they are given up" 0 "$MILLRACE" clean bad
run p.yaml --set ring.size=1MiB
finished "and another file begins anew" 20000 20000 0

# Bytes that are none of ours in the place of a ring.
interrupt
ring=$SHM/millrace-$(id -u)/bad/ingress.ring
head -c 4096 /dev/urandom | dd of="$ring" conv=notrunc status=none
run p.yaml
check_equal "a ring that was overwritten is refused" "$status" 6
check_match "with the byte, what was found and expected" "$(cat log)" 'ingress.ring: byte 0: found magic .*expected'
truncate -s 100 "$ring"
run p.yaml
check_equal "and one that was cut" "$status" 6
check_match "it says how long it is" "$(cat log)" 'ingress.ring: found 100 bytes'
"$MILLRACE" clean bad >/dev/null
run p.yaml --set source.rate=0
finished "after clean all is well" 20000 20000 0
finish
