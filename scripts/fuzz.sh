#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# `fuzz.sh RUNS CORPUS FUZZER...`: each fuzzer so many times, as many at a time as there are cores, the longest first;
# ends in one line with the figure. FUZZ_SECONDS: the most that all of them together may take; each has of it what it
# needs beside the others (tests/fuzz/seconds), and who has not done RUNS by then says how many it has done.
#
# FUZZ_LEDGER=FILE: what takes longer than one goes at it. Each goes a million at a time and notes it there
# ("NAME EXECUTIONS COMMIT DATE [plain]"); what stands there counts, so RUNS are those of all calls together, and an end
# at any moment costs the million that was under way. The shortest first then, and FUZZ_SECONDS says nothing. One
# million in twenty and the last run under the sanitizers, the others several times as fast without: what these keep
# because it is new, the sanitizers see when the next of their millions starts. A CORPUS in memory (tmpfs) is faster.
#
# Each starts from its seeds (tests/fuzz/corpus/NAME) and what it kept before in CORPUS/NAME, with the words of
# tests/fuzz/dict/NAME. Inputs are up to 4 KiB long, or as long as tests/fuzz/length says of NAME; behind the first
# million of a ledger up to its second number, where what takes the time is but more of the same in one input.
#
# What the sanitizers note for their reports alone, and how long they keep what was freed, takes as long as the rest:
# two frames (with one alone no leak is seen), 2 MiB. The command that shows a failure again has it all. Leaks are
# looked for once, at the end: to look after each execution takes longer than most of them.
set -uo pipefail
cd "$(dirname "$0")/.."
export runs=$1 corpus=$2
shift 2
mkdir -p "$corpus"
TMPDIR=$(mktemp -d)
export TMPDIR
trap 'rm -rf "$TMPDIR"' EXIT
way=one order=-rn
if [ -n "${FUZZ_LEDGER:-}" ]; then
    way=one_of_ledger order=-n
    touch "$FUZZ_LEDGER" || exit 1
    export FUZZ_LEDGER
fi
export ASAN_OPTIONS=malloc_context_size=2:quarantine_size_mb=2:thread_local_quarantine_size_kb=64

# said_of TABLE NAME DEFAULT [COLUMN]
said_of() { awk -v name="$2" -v value="$3" -v column="${4:-2}" '$1 == name { value = $column } END { print value }' "tests/fuzz/$1"; }

one() { # FUZZER SECONDS [RUNS COLUMN]: 0 seconds: as long as it takes; the column of tests/fuzz/length
    local name seeds log status words=()
    name=$(basename "$1") seeds=tests/fuzz/corpus/$(basename "$1") log=$corpus/$(basename "$1").log
    mkdir -p "$corpus/$name"
    local runs=${3:-$runs}
    [ -d "$seeds" ] || seeds=
    [ -e "tests/fuzz/dict/$name" ] && words=(-dict="tests/fuzz/dict/$name")
    "$1" -runs="$runs" -max_total_time="$2" -max_len="$(said_of length "$name" 4096 "${4:-2}")" "${words[@]}" \
        -rss_limit_mb=4096 -timeout=20 -detect_leaks=0 -artifact_prefix="$corpus/$name." -print_final_stats=1 \
        "$corpus/$name" $seeds >"$log" 2>&1 </dev/null
    status=$?
    if [ $status = 0 ] && grep -aq '^Done' "$log"; then
        awk -v name="$name" '/^stat::number_of_executed_units/ { done = $2 } /^stat::average_exec_per_sec/ { rate = $2 }
            /DONE / { for (i = 1; i < NF; i++) { if ($i == "cov:") cov = $(i + 1); if ($i == "ft:") ft = $(i + 1) } }
            END { printf "ok      %-22s %9d executions %8d/s  %5d edges %6d features\n", name, done, rate, cov, ft }' "$log"
    else
        printf 'FAILED  %s (status %d); again: %s %s\n' "$name" $status "$1" "$(ls -t "$corpus/$name".*-* 2>/dev/null | head -n 1)"
        tail -n 40 "$log"
    fi
}

# noted_of NAME: "EXECUTIONS SANITIZED", SANITIZED being those under the sanitizers
noted_of() {
    awk -v name="$1" '$1 == name { sum += $2; if ($5 != "plain") sanitized += $2 }
        END { print sum + 0, sanitized + 0 }' "$FUZZ_LEDGER"
}

one_of_ledger() { # FUZZER
    local name said so_far sanitized left made fuzzer how column
    name=$(basename "$1")
    while read -r so_far sanitized <<<"$(noted_of "$name")" && [ "$so_far" -lt "$runs" ]; do
        fuzzer=$1 how= left=$((runs - so_far))
        [ "$sanitized" -gt $((so_far / 20)) ] && [ $left -gt 1000000 ] &&
            fuzzer=${1/\/fuzz\//\/fuzzplain\/} how=plain
        column=$((so_far < 1000000 ? 2 : 3))
        said=$(one "$fuzzer" 0 $((left < 1000000 ? left : 1000000)) $column)
        made=$(awk '/^ok / { print $3 }' <<<"$said")
        [ "${made:-0}" -gt 0 ] || { echo "$said"; return; }
        echo "$name $made $(git rev-parse --short HEAD) $(date -I) $how" >>"$FUZZ_LEDGER" ||
            { echo "FAILED  $name: cannot write to $FUZZ_LEDGER"; return; }
    done
    printf 'ok      %-22s %9d executions, %d of them under the sanitizers, as %s says\n' \
        "$name" "$so_far" "$sanitized" "$FUZZ_LEDGER"
}
export -f one said_of noted_of one_of_ledger

# "SECONDS FUZZER", the longest first. The seconds are those of a million on one core: their sum, by the cores, is how
# long all take, and by how much that is too long, each has less.
for fuzzer in "$@"; do
    echo "$(said_of seconds "$(basename "$fuzzer")" 30) $fuzzer"
done | sort $order | awk -v most="${FUZZ_SECONDS:-0}" -v cores="$(nproc)" '
    { seconds[NR] = $1; name[NR] = $2; sum += $1 }
    END {
        for (i = 1; i <= NR; i++) {
            share = most * cores * seconds[i] / sum
            printf "%s %d\n", name[i], most ? (share < 2 ? 2 : share) : 0
        }
    }' | xargs -P "$(nproc)" -L 1 bash -c "$way"' "$@"' _ | tee "$corpus/figures"
awk -v fuzzers=$# -v runs="$runs" '
    /^ok / { good++; sum += $3; if ($3 < runs) { few++; if (!least || $3 < least) least = $3 } }
    END {
        printf "%d fuzzers, %d executions", fuzzers, sum
        if (few) printf " (%d of them fewer than %d, %d at least: their time was up)", few, runs, least
        printf "; %d failed\n", fuzzers - good
        exit good < fuzzers
    }' "$corpus/figures"
