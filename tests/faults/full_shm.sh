#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Shared memory that is too small at every point: a tmpfs of each size at which one more of a run's segments does not
# fit, and of each number of files. `full_shm.sh`. Each such run is refused (exit code 6) by a sentence that names the
# segment, what it wants, what is free and what to change; nothing was accepted, nothing is left behind; with room the
# same run is as if nothing had happened. And a run that is gone on with needs no more than it has: every stage is
# killed, the rest of the memory is taken, and the next run finishes. The last line is the figure.
. "$(dirname "$0")/../support/bad_input.sh"
cd "$WORK" || exit 1
cat >p.yaml <<END
name: bad
source: {type: mock, clock: steps, count: 20000, rate: 10000}
transform: [dedupe: {key: id, within: 1ms, max: 1000}]
ring: {size: 64KiB}
dead_letter: {size: 64KiB}
sink: {type: journal, path: journal, existing: replace, segment_size: 1MiB}
END
small_disk shm 64m || finish
export MILLRACE_SHM=$WORK/shm
held() { find shm -type f -printf '%b\n' | awk '{ s += $1 / 2 } END { print s + 0 }'; } # KiB

# ---- how large each segment is, in the order in which they are made ------------------------------------
"$MILLRACE" run p.yaml --json >final 2>log &
run=$!
for i in $(seq 200); do "$MILLRACE" stat bad --json 2>/dev/null | jq -e '.stages.loader.alive and .stages.loader.out > 100' >/dev/null && break; sleep 0.02; done
find shm \( -name '*.ring' -o -name '*.stage' -o -name '*.state' \) -printf '%C@ %k %f\n' | sort -n >segments
wait $run
check_equal "undisturbed" "$? $(jq -c '[.balance, .stages.producer.in, .phase]' final)" '0 [true,20000,"done"]'
mv journal whole
check "it has rings, pages and state" test "$(wc -l <segments)" -ge 8
rm -rf shm/*

# ---- too small by a page for each of them ----------------------------------------------------------------
points=0 sum_k=0
too_small() { # NAME
    points=$((points + 1))
    refused "$1" 6 '/[a-z-]*\.(ring|stage|stage\.state): shared memory is full: wanted [0-9]+ bytes, [0-9]+ are free.*smaller or the file system larger|cannot (create|open|write|make)[^:]*.*No space left' \
        p.yaml --set source.rate=0
    check_equal "$1: nothing was accepted" "$(jq '.stages.producer.in // 0' final 2>/dev/null || echo 0)" 0
    check_match "$1: the object at the end says it, too" "$(jq -r .problem final)" 'No space left|shared memory (is full|has no room)|its log line says why' # where not even the sentence had room
    check_equal "$1: and no file half made" "$(find shm -name '*.new' | wc -l)" 0
}
while read -r _ kib name; do
    sum_k=$((sum_k + kib))
    mount -o remount,size=$((sum_k - 4))k shm
    too_small "$((sum_k - 4)) KiB, a page too little for $name"
    mount -o remount,size=64m shm
    rm -rf shm/*
done <segments

# ---- and too few files -------------------------------------------------------------------------------------
umount shm
for files in 3 4 5 6 8 10 12 14; do
    mount -t tmpfs -o "size=64m,nr_inodes=$files" none shm || break
    points=$((points + 1))
    run p.yaml --set source.rate=0
    check_match "room for $files files: refused, or done" "$status" '^[06]$'
    [ "$status" = 0 ] || check_equal "room for $files files: nothing is left" "$(find shm \( -name '*.ring*' -o -name '*.stage*' \) | wc -l)" 0
    mount -o remount,nr_inodes=1000 shm
    rm -rf journal
    run p.yaml --set source.rate=0
    check_equal "room for $files files: with room again" "$status $(jq -c '[.balance, .stages.producer.in, .phase]' final)" '0 [true,20000,"done"]'
    umount shm
done

# ---- with room the same run is as if nothing had happened ----------------------------------------------------
mount -t tmpfs -o size=$((sum_k + 512))k none shm
rm -rf journal
run p.yaml
check_equal "with room enough" "$status $(jq -c '[.balance, .stages.producer.in, .phase]' final)" '0 [true,20000,"done"]'
check "with room enough: byte for byte" diff -r whole journal

# ---- a run that is gone on with needs nothing more -------------------------------------------------------------
rm -rf journal
"$MILLRACE" run p.yaml --json >final 2>log &
run=$!
for i in $(seq 400); do "$MILLRACE" stat bad --json 2>/dev/null | jq -e '.stages.loader.alive and .stages.loader.out > 3000' >/dev/null && break; sleep 0.01; done
kill -9 $run $("$MILLRACE" stat bad --json | jq '.stages[].pid') # the supervisor too: nobody starts them again
wait $run 2>/dev/null
head -c 64M /dev/zero >shm/filler 2>/dev/null
check_equal "no byte is left" "$(stat -f -c %a shm)" 0
run p.yaml --set source.rate=10000
check_equal "the run is gone on with, without a byte of memory left" "$status $(jq -c '[.balance, .stages.producer.in, .phase]' final)" '0 [true,20000,"done"]'
check "gone on with: byte for byte" diff -r whole journal
echo "shared memory too small at $points points, and for a run that was gone on with: $failures failed"
finish
