#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Runs the tests of one build: `test.sh build/release [WORD...]`. With words, only the tests whose path
# contains one of them. The last line is `N passed, N failed`.
#
# Unit tests count one by one (criterion says how many); a stress test is one (`ok`, or `skip - NAME: REASON`,
# last); an end-to-end script prints `ok - NAME`, `not ok - NAME` or `skip - NAME: REASON` for each of its
# cases (tests/support/e2e.sh). Each has 300 s, a script that says `# seconds: N` has so many. A skip for want of a package or program is a failure: the tests' packages are
# installed by `make test`.
set -uo pipefail
cd "$(dirname "$0")/.."
build=${1:?usage: test.sh BUILD_DIR [WORD...]}
shift
words=("$@")
logs=$build/test-logs
mkdir -p "$logs"
export BUILD=$build MILLRACE=$PWD/$build/millrace
MILLRACE_SAMPLES=$(realpath -m "${MILLRACE_SAMPLES:-../shared/data}")
export MILLRACE_SAMPLES
passed=0 failed=0 skipped=()

wanted() {
    [ ${#words[@]} = 0 ] && return 0
    local word
    for word in "${words[@]}"; do
        [[ $1 == *"$word"* ]] && return 0
    done
    return 1
}

# report NAME SECONDS GOOD BAD LOG: one line, and the log's end where something is bad.
report() {
    local mark=ok
    [ "$4" -gt 0 ] && mark=FAILED
    [ "$3$4" = 00 ] && mark=skipped
    printf '%-8s %-36s %4d passed %3d failed  %6.1f s\n' "$mark" "$1" "$3" "$4" "$2"
    if [ "$4" -gt 0 ]; then
        echo "--- $5 (its last 60 lines)"
        grep -avE '^\[(RUN |PASS)\]' "$5" | tail -n 60
        echo "---"
    fi
    passed=$((passed + $3))
    failed=$((failed + $4))
}

note_skips() { # NAME LOG PATTERN: remembers what was skipped, counts those that are failures
    local line
    missing=0
    while IFS= read -r line; do
        skipped+=("$1: $line")
        [[ $line =~ (package|not\ installed|command\ not\ found) ]] && missing=$((missing + 1))
    done < <(grep -aE "$3" "$2")
}

# Runs "$@" with its output in a log; sets status, seconds, log.
timed() {
    local name=$1
    shift
    log=$logs/${name//\//_}.log
    local start=$EPOCHREALTIME most=${seconds_max:-${MILLRACE_TEST_SECONDS_MAX:-300}}
    timeout -k 10 "$most" "$@" >"$log" 2>&1 </dev/null
    status=$?
    seconds=$(awk -v a="$start" -v b="$EPOCHREALTIME" 'BEGIN { print b - a }')
    [ $status = 124 ] && echo "stopped: longer than $most s" >>"$log"
}

number() { # WORD SYNTHESIS: 0 where there is none, as when the program did not start
    local found
    found=$(sed -nE "s/.*$1: ([0-9]+).*/\\1/p" <<<"$2")
    echo "${found:-0}"
}

run_unit() {
    local name=$1 bin=$build/$1
    timed "$name" "$bin" --color=never --verbose # or it keeps to itself what was skipped
    local synthesis good bad
    synthesis=$(grep -a 'Synthesis:' "$log" | tail -n 1)
    good=$(number Passing "$synthesis")
    bad=$(($(number Failing "$synthesis") + $(number Crashing "$synthesis")))
    note_skips "$name" "$log" '^\[SKIP\]'
    if [ "$bad" = 0 ] && [ $status != 0 ]; then
        bad=1
    elif [ "$bad" = 0 ] && [ "$(number Tested "$synthesis")" = 0 ] && ! grep -aq '^\[SKIP\]' "$log"; then
        bad=1 # a program that tested nothing
    fi
    report "$name" "$seconds" "$good" $((bad + missing)) "$log"
}

run_stress() {
    timed "$1" "$build/$1"
    note_skips "$1" "$log" '^skip '
    if [ "$missing" = 0 ] && tail -n 1 "$log" | grep -q '^skip '; then
        report "$1" "$seconds" 0 0 "$log"
    elif [ $status = 0 ] && [ "$(tail -n 1 "$log")" = ok ]; then
        report "$1" "$seconds" 1 0 "$log"
    else
        report "$1" "$seconds" 0 1 "$log"
    fi
}

run_e2e() {
    local seconds_max
    seconds_max=$(sed -n 's/^# seconds: //p' "$1")
    timed "$1" bash "$1"
    local good bad
    good=$(grep -acE '^ok( |$)' "$log")
    bad=$(grep -acE '^not ok( |$)' "$log")
    note_skips "$1" "$log" '^skip '
    bad=$((bad + missing))
    [ "$bad" = 0 ] && [ $status != 0 ] && bad=1
    [ "$good$bad" = 00 ] && ! grep -aq '^skip ' "$log" && bad=1 # a script that checked nothing
    report "$1" "$seconds" "$good" "$bad" "$log"
}

for source in tests/unit/*.c tests/unit/*/*.c; do
    [ -f "$source" ] && wanted "$source" && run_unit "${source%.c}"
done
for source in tests/stress/*.c; do
    [ -f "$source" ] && wanted "$source" && run_stress "${source%.c}"
done
for script in tests/e2e/*.sh; do
    [ -f "$script" ] && wanted "$script" || continue
    # Scripts about the tree, not about the program, say so; another build of it tells nothing new.
    [ "$(basename "$build")" != release ] && grep -q '^# any-build: no' "$script" && continue
    run_e2e "$script"
done

if [ ${#skipped[@]} -gt 0 ]; then
    echo "skipped:"
    printf '  %s\n' "${skipped[@]}"
fi
[ $passed = 0 ] && [ $failed = 0 ] && failed=1 && echo "no test ran"
echo "$passed passed, $failed failed"
[ $failed = 0 ]
