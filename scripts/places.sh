#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The tests in other places than this one: `places.sh BUILD_DIR refused|user|aarch64 [WORD...]`, words as in
# test.sh.
#
#   refused   the kernel refuses io_uring: EPERM, ENOSYS at its set-up, ENOMEM at registering buffers ($PLACES
#             chooses of eperm, enosys, enomem)
#   user      an ordinary user (nobody) with 8 MiB of lockable memory, from a copy of the tree that is his; what
#             only root may do skips with its reason. For root: who is none already runs `make test` so.
#   aarch64   a build for that machine under qemu's user emulation, its libraries in BUILD_DIR/root
#             (aarch64-root.sh). The kernel is told to run such programs so (binfmt_misc), where it is not yet:
#             for the time of the tests, and with root's rights. What is long for its own sake is shorter there.
#
# The last line is the figure.
set -uo pipefail
cd "$(dirname "$0")/.."
build=${1:?usage: places.sh BUILD_DIR refused|user|aarch64 [WORD...]}
place=${2:?usage: places.sh BUILD_DIR refused|user|aarch64 [WORD...]}
shift 2
passed=0 failed=0
memlock=$((8 << 20))
# Fuzzers read bytes the same way in any place: here they only show that they run.
export MILLRACE_FUZZ_SECONDS=${MILLRACE_FUZZ_SECONDS:-2}

# tests COMMAND...: runs it, shows what it says, and adds up its last line.
tests() {
    local line last=
    while IFS= read -r line; do
        printf '%s\n' "$line"
        last=$line
    done < <("$@")
    if [[ $last =~ ^([0-9]+)\ passed,\ ([0-9]+)\ failed$ ]]; then
        passed=$((passed + BASH_REMATCH[1])) failed=$((failed + BASH_REMATCH[2]))
    else
        failed=$((failed + 1))
    fi
}

refused() {
    local kinds=${PLACES:-eperm enosys enomem} kind
    for kind in $kinds; do
        echo "== io_uring refused: $kind"
        tests "$build/tests/faults/refused" "$kind" scripts/test.sh "$build" "$@"
    done
    figure="io_uring refused ($kinds)"
}

# What the tests need of the tree: the files it is made of, and what was built of them.
copy_tree() { # DIRECTORY
    mkdir -p "$1" && git ls-files -z | xargs -0 cp -a --parents -t "$1" &&
        mkdir -p "$1/$build" && cp -a "$build/." "$1/$build" && git -C "$1" init -q && chown -R "$owner" "$1"
}

user() {
    owner=$(id -u nobody):$(id -g nobody)
    if [ "$(id -u)" != 0 ]; then
        echo "places: only root can become another user; here \`make test\` does the same" >&2
        exit 2
    fi
    tree=$(mktemp -d)
    trap 'rm -rf "$tree"' EXIT
    chmod 755 "$tree" && chown "$owner" "$tree"
    copy_tree "$tree/millrace" || exit 1
    samples=$(realpath -m "${MILLRACE_SAMPLES:-../shared/data}")
    tests setpriv --reuid "${owner%:*}" --regid "${owner#*:}" --clear-groups --bounding-set=-all \
        prlimit --memlock=$memlock env -C "$tree/millrace" HOME="$tree" TMPDIR="$tree" DEPS=skip \
        MILLRACE_SAMPLES="$samples" scripts/test.sh "$build" "$@"
    figure="an ordinary user with 8 MiB of lockable memory"
}

formats=/proc/sys/fs/binfmt_misc
format=qemu-aarch64
registered= mounted=
forget_format() {
    [ -n "$registered" ] && echo -1 >"$formats/$format"
    [ -n "$mounted" ] && umount "$formats"
}
teach_kernel() {
    [ -e "$formats/$format" ] && return
    trap forget_format EXIT
    [ -e "$formats/register" ] || { mount -t binfmt_misc binfmt_misc "$formats" && mounted=1; } || return
    cat "/usr/lib/binfmt.d/$format.conf" >"$formats/register" && registered=1
}

aarch64() {
    if [ "$(uname -m)" != aarch64 ]; then
        if ! teach_kernel; then
            echo "places: the kernel cannot be told to run programs for aarch64 (binfmt_misc); root can tell it:" \
                "systemd-binfmt, or update-binfmts --enable $format" >&2
            exit 1
        fi
        export QEMU_LD_PREFIX=$PWD/$build/root MILLRACE_EMULATED=aarch64
    fi
    export MILLRACE_STRESS_RECORDS=${MILLRACE_STRESS_RECORDS:-300000}
    export MILLRACE_TEST_SECONDS_MAX=${MILLRACE_TEST_SECONDS_MAX:-900}
    tests scripts/test.sh "$build" "$@"
    # Kernels for this machine may have larger pages. The emulator then wants segments of whole ones.
    [ $# -gt 0 ] || QEMU_PAGESIZE=65536 tests scripts/test.sh "$build" unit/core/segment
    figure="aarch64 (qemu $(qemu-aarch64-static --version | sed -nE '1s/.*version ([0-9.]+).*/\1/p'), $((SECONDS / 60)) min)"
}

case $place in
refused | user | aarch64) "$place" "$@" ;;
*)
    echo "places: found '$place', expected refused, user or aarch64" >&2
    exit 2
    ;;
esac
echo "$figure: $passed passed, $failed failed"
[ $failed = 0 ] && [ $passed -gt 0 ]
