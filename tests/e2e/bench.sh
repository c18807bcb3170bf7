#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# `millrace bench`: that it measures what it says, checks every record, and leaves nothing behind. No figure
# is judged here.
. "$(dirname "$0")/../support/e2e.sh"
mkdir "$WORK/tmp"
export TMPDIR=$WORK/tmp MILLRACE_SHM=$SHM

# ---- trio
"$MILLRACE" bench trio --json --rate 20000,0 --seconds 0.5 --records 200000 --rounds 2 --hgrm "$WORK/hgrm" >"$WORK/trio"
check_match "trio: ends well, or says that this machine missed the rate" $? '^(0|12)$'
check_equal "trio: rates, then flat out, without and with syncs" \
    "$(jq -c '[.runs[] | [.rate, .durability, .rounds]]' "$WORK/trio")" '[[20000,"batch",2],[0,"none",2],[0,"batch",2]]'
check_equal "trio: every record was verified" \
    "$(jq -c '[.runs[] | .n, .verified]' "$WORK/trio")" '[20000,20000,400000,400000,400000,400000]'
emulated "trio: percentiles" "counts in microseconds" || check_equal "trio: percentiles are in order, the warm-up is not counted" "$(jq -c '[.runs[0].latency_ns[] |
    .p50 > 0 and .p50 <= .p90 and .p90 <= .p99 and .p99 <= .["p99.9"] and .["p99.9"] <= .max and .n < 20000] | unique' \
    "$WORK/trio")" '[true]'
check_equal "trio: one distribution a hop and way" "$(ls "$WORK/hgrm" | wc -l)" \
    "$(jq '[.runs[].latency_ns | length] | add' "$WORK/trio")"
if [ "$(nproc)" -gt 1 ]; then
    emulated "trio: the bare round trip" "counts in microseconds" || check "trio: the bare round trip of the same run" jq -e '.raw_rtt_ns > 0 and .runs[0].raw_rtt_ns > 0' "$WORK/trio"
fi
if jq -re .machine "$WORK/trio" | grep -q "[^0-9]2 cores allowed"; then # with fewer there is none, with more it is no limit
    "$MILLRACE" bench trio --json --rate 20000,1000000 --seconds 0.2 --durability none >"$WORK/relay"
    check "trio: the bare relay at a rate, into the page cache" \
        jq -e '[.runs[] | .raw_relay_ns > 0 and .raw_relay_p99_ns >= .raw_relay_ns] == [true, true]' "$WORK/relay"
    check "trio: not with syncs, nor flat out" jq -e '[.runs[].raw_relay_ns] == [null, null, null]' "$WORK/trio"
fi
"$MILLRACE" bench trio --json --compare --rate 20000 --seconds 0.2 --durability none --hgrm "$WORK/compared" >"$WORK/compare"
check_match "trio: compared, ends well, or missed the rate" $? '^(0|12)$'
check_equal "trio: each way of waiting, and auto placed" "$(jq -c '[.runs[] | [.wait, .placement]]' "$WORK/compare")" \
    '[["spin","none"],["yield","none"],["park","none"],["auto","none"],["auto","auto"]]'
check_equal "trio: compared, a distribution a hop and way" "$(ls "$WORK/compared" | wc -l)" \
    "$(jq '[.runs[].latency_ns | length] | add' "$WORK/compare")"
check_equal "trio: the placement in force" \
    "$("$MILLRACE" bench trio --json --rate 0 --records 10000 --no-raw-write --set placement=auto | jq -c '[.runs[].placement]') $(
        jq -c '[.runs[].placement]' "$WORK/trio")" '["auto","auto"] ["none","none","none"]'
check_status "trio: content that is not as expected is found" 8 \
    "$MILLRACE" bench trio --rate 0 --records 1000 --set source.seed=2
check_match "trio: and named" "$(cat "$WORK/out")" 'record 0 at position 0, byte [0-9]+: found [0-9]+, expected'
check_status "trio: a rate that cannot be reached fails the run" 12 \
    "$MILLRACE" bench trio --rate 1e9 --seconds 0.01
"$MILLRACE" bench trio --rate 0 --records 50000 --record-bytes 1000 --taps 2 --json >"$WORK/out" 2>"$WORK/log"
check_equal "trio: records of another size, taps beside" "$? $(tail -n 3 "$WORK/log" | grep -v 'writing with pwrite')" "0 "
check "trio: the taps saw records" jq -e '.runs[0].tapped > 0' "$WORK/out"
"$MILLRACE" bench trio --rate 0 --records 100003 --producers 3 --durability none --no-raw-write --json >"$WORK/out" 2>"$WORK/log"
check_equal "trio: three producers, every record verified" "$? $(jq -c '[.producers, .runs[0].verified]' "$WORK/out")" "0 [3,100003]"
check_status "trio: more producers than there can be" 2 "$MILLRACE" bench trio --producers 5
check_status "trio: a size that a record cannot have" 2 "$MILLRACE" bench trio --record-bytes 63
check_status "trio: a rate that is none" 2 "$MILLRACE" bench trio --rate fast
"$MILLRACE" bench trio --rate 1000 --seconds 60 >"$WORK/out" 2>&1 &
pid=$!
sleep 1
kill -INT $pid
wait $pid
check_equal "trio: an interrupt ends it" $? 9
check_equal "nothing is left behind" "$(ls -A "$TMPDIR" "$SHM" | grep millrace-bench)" ""

# ---- itch
itch() {
    "$MILLRACE" bench itch --json --messages 60000 --symbols 300 --live 5000 --rounds 2 "$@"
}
itch >"$WORK/itch"
check_equal "itch: ends well" $? 0
check_equal "itch: every message is of a type" "$(jq -c '[.n, (.by_type | add), (.by_type | length)]' "$WORK/itch")" '[60000,60000,23]'
check "itch: quotes, trades and live orders" jq -e '.quotes > 1000 and .trades > 500 and .orders_live > 2000' "$WORK/itch"
check "itch: figures and the limits of the same run" jq -e '(.rounds | length) == 2 and ([.rounds[], . |
    .decoded_per_second, .booked_per_second, .trio_per_second, .tuned_per_second, .raw_copied_per_second, .raw_line_ns, .decode_to_copy,
    .book_to_line, .trio_to_one_core] | all(. > 0)) and .decode_ns.p50 > 0 and .book_ns.p50 <= .book_ns.max' "$WORK/itch"
if [ "$(nproc)" -gt 1 ]; then
    emulated "itch: the bare round trip" "counts in microseconds" || check "itch: the bare round trip of the same run" jq -e '.raw_rtt_ns > 0' "$WORK/itch"
fi
check_equal "itch: the copy's bytes are those of the messages" \
    "$(jq '.raw_copied_bytes_per_second / (.raw_copied_per_second * .bytes / .n) * 1000 | round' "$WORK/itch")" 1000
check_equal "itch: the same session gives the same results" "$(itch --durability batch | jq .digest)" "$(jq .digest "$WORK/itch")"
check_equal "itch: another does not" "$(itch --seed 2 | jq --slurpfile one "$WORK/itch" '.digest != $one[0].digest')" true
check_status "itch: a word that is no durability" 2 itch --durability some
check_status "itch: more orders than the book takes" 2 itch --live 2000000
check_equal "itch: nothing is left behind" "$(ls -A "$TMPDIR" "$SHM" | grep millrace-bench)" ""

# ---- hiccup
"$MILLRACE" bench hiccup --json --seconds 0.2 --hgrm "$WORK/idle" >"$WORK/hiccup"
check_equal "hiccup: a call each microsecond on each allowed core" \
    "$(jq -c '[(.cores | length), ([.cores[].n >= 190000] | unique)]' "$WORK/hiccup")" "[$(nproc),[true]]"
check_equal "hiccup: a distribution for each" "$(ls "$WORK/idle" | wc -l)" "$(nproc)"

# ---- advice
"$MILLRACE" bench --advice --json >"$WORK/advice"
check_equal "advice: each piece has what, how much, and what to do" \
    "$(jq '[.advice[] | (.found != "" and .costs != "" and .mend != "")] | all' "$WORK/advice")" true
one_core=$(taskset -c "$(taskset -cp $$ | sed -E 's/.*: ([0-9]+).*/\1/')" "$MILLRACE" bench --advice)
check_match "advice: too few cores comes first" "$one_core" ' 1\. 1 core for three stages'
check_match "advice: the order is said" "$one_core" 'in the order of what it usually costs:'
check_match "advice: io_uring refused is found" "$(ASAN_OPTIONS="${ASAN_OPTIONS:-}:detect_leaks=0" strace -f -o /dev/null -e trace=io_uring_setup -e inject=io_uring_setup:error=EPERM \
    "$MILLRACE" bench --advice 2>/dev/null)" 'io_uring is refused'
# What is said about the huge pages of files on this mount; the words before the command run it.
pages_on() { # DIRECTORY [WORD ...]
    MILLRACE_SHM=$1 "${@:2}" "$MILLRACE" bench --advice --json | jq -r '.advice[] | select(.found | test("small pages")) | .mend'
}
# The same on a mount of its own, with this option.
pages_of() { # OPTION [WORD ...]
    (
        export -f pages_on
        export MILLRACE WORK
        unshare -m bash -c 'mkdir -p "$WORK/mount" && mount -t tmpfs -o "size=1m$1" none "$WORK/mount" && pages_on "$WORK/mount" "${@:2}"' - "$@"
    )
}
shmem_enabled=$(cat /sys/kernel/mm/transparent_hugepage/shmem_enabled 2>/dev/null)
if [[ $shmem_enabled =~ \[(deny|force)\] ]] || [ -z "$shmem_enabled" ] || ! unshare -m mount -t tmpfs -o huge=always none "$WORK" 2>"$WORK/out"; then
    skip "advice: huge pages" "no mount of one's own, or shmem_enabled is the same for all of them"
else
    asked='huge_pages: advise in the pipeline file'
    collapses=$(printf '%s\n' 6.1 "$(uname -r)" | sort -CV && echo true)
    [ -z "$collapses" ] || check_equal "advice: huge pages are the pipeline file's to ask for" "$(pages_of '')" "$asked"
    check_equal "advice: an older kernel's mount has to allow them" "$(pages_of '' setarch --uname-2.6)" \
        "mount -o remount,huge=advise $WORK/mount (from Linux 6.1 on there is no need for it); then $asked"
    check_equal "advice: and does" "$(pages_of ,huge=advise setarch --uname-2.6)" "$asked"
    check_equal "advice: nothing where they come by themselves" "$(pages_of ,huge=always)$(pages_of ,huge=within_size)" ""
fi
if [ "$(id -u)" = 0 ]; then
    check_match "advice: little lockable memory is found" "$(ulimit -l 64 &&
        setpriv --reuid 65534 --clear-groups "$MILLRACE" bench --advice)" 'RLIMIT_MEMLOCK is 64 KiB'
fi

# ---- which there are
check_status "an unknown benchmark" 2 "$MILLRACE" bench tro
check_match "the nearest is named" "$(cat "$WORK/out")" "did you mean 'trio'"
finish
