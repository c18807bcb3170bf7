# SPDX-License-Identifier: Apache-2.0
# What end-to-end scripts share. A script sources this, then runs cases:
#
#     . "$(dirname "$0")/../support/e2e.sh"
#     check "counts agree" test "$in" = 12932           # ok - / not ok - by the command's status
#     check_equal "messages" "$found" "$expected"       # says both where they differ
#     need_sample itch/20200130-0400-premarket.itch || finish
#     finish                                            # at the end; exits 1 if a case failed
#
# $MILLRACE is the program, $BUILD the build directory, $SAMPLES the sample files, $WORK a directory of this
# script alone, removed at the end; $SHM a directory for shared memory, likewise.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
BUILD=${BUILD:-build/release}
MILLRACE=${MILLRACE:-$PWD/$BUILD/millrace}
SAMPLES=$(realpath -m "${MILLRACE_SAMPLES:-../shared/data}")
WORK=$(mktemp -d "${TMPDIR:-/tmp}/millrace-test.XXXXXX")
SHM=$(mktemp -d "/dev/shm/millrace-test.XXXXXX")
failures=0

leave() {
    local left
    left=$(jobs -pr)
    [ -n "$left" ] && kill $left 2>/dev/null
    rm -rf "$WORK" "$SHM"
}
trap leave EXIT

ok() { echo "ok - $1"; }
not_ok() { # NAME [WHAT WAS FOUND]
    echo "not ok - $1${2:+: $2}"
    failures=$((failures + 1))
}
skip() { echo "skip - $1: $2"; }
finish() {
    [ $failures = 0 ]
    exit
}

check() { # NAME COMMAND...
    local name=$1 output
    shift
    if output=$("$@" 2>&1); then ok "$name"; else not_ok "$name" "$* failed: $(tail -n 15 <<<"$output")"; fi
}
check_fails() { # NAME COMMAND...: it must fail, and not by a signal
    local name=$1 status
    shift
    "$@" >"$WORK/out" 2>&1
    status=$?
    if [ $status -gt 0 ] && [ $status -lt 126 ]; then ok "$name"; else
        not_ok "$name" "$* ended with $status: $(tail -n 5 "$WORK/out")"
    fi
}
check_status() { # NAME STATUS COMMAND...: the documented exit code
    local name=$1 expected=$2 status
    shift 2
    "$@" >"$WORK/out" 2>&1
    status=$?
    if [ $status = "$expected" ]; then ok "$name"; else
        not_ok "$name" "exit $status, expected $expected: $(tail -n 5 "$WORK/out")"
    fi
}
check_equal() { # NAME FOUND EXPECTED
    if [ "$2" = "$3" ]; then ok "$1"; else not_ok "$1" "found '$2', expected '$3'"; fi
}
check_match() { # NAME TEXT REGEX
    if [[ $2 =~ $3 ]]; then ok "$1"; else not_ok "$1" "found '$2', expected a match of '$3'"; fi
}
# emulated NAME REASON: whether an emulator of programs stands between the program and the kernel
# (MILLRACE_EMULATED, set by scripts/places.sh), and cannot do what is tested: then that is skipped.
emulated() {
    [ -n "${MILLRACE_EMULATED:-}" ] || return 1
    skip "$1" "the emulator $2"
}
# MILLRACE_IO's word for the best way to write that there is: io_uring itself, or, where the kernel refuses it
# (tests/faults/refused.c), what is chosen in its place.
best_io() { [ "$("$BUILD/tests/faults/refused" --look)" = granted ] && echo uring || echo auto; }
need_sample() { # PATH: below the samples; skips the case where it is not there
    [ -e "$SAMPLES/$1" ] && return 0
    skip "$(basename "$0" .sh)" "no sample file $1 in $SAMPLES (MILLRACE_SAMPLES)"
    return 1
}

wait_for() { # SECONDS COMMAND...: until it succeeds
    local until=$((SECONDS + $1))
    shift
    until "$@" >/dev/null 2>&1; do
        [ $SECONDS -lt $until ] || return 1
        sleep 0.02
    done
}
slow_script() { # STEPS: of an operator that is busy for so long with each record, and passes it
    cat <<END
function apply(record, emit)
    local x = 0
    for i = 1, $1 do
        x = (x * 31 + i) % 65521
    end
    if x >= 0 then
        emit(record)
    end
end
END
}
