#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The tests in other places than this one: `places.sh BUILD_DIR refused|user [WORD...]`, words as in test.sh.
#
#   refused   the kernel refuses io_uring: EPERM, ENOSYS at its set-up, ENOMEM at registering buffers ($PLACES
#             chooses of eperm, enosys, enomem)
#   user      an ordinary user (nobody) with 8 MiB of lockable memory, from a copy of the tree that is his; what
#             only root may do skips with its reason. For root: who is none already runs `make test` so.
#
# The last line is the figure.
set -uo pipefail
cd "$(dirname "$0")/.."
build=${1:?usage: places.sh BUILD_DIR refused|user [WORD...]}
place=${2:?usage: places.sh BUILD_DIR refused|user [WORD...]}
shift 2
passed=0 failed=0
memlock=$((8 << 20))

# tests COMMAND...: runs it, shows what it says, and adds up its last line.
tests() {
    local last
    exec 3>&1
    last=$("$@" | tee /dev/fd/3 | tail -n 1)
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

case $place in
refused | user) "$place" "$@" ;;
*)
    echo "places: found '$place', expected refused or user" >&2
    exit 2
    ;;
esac
echo "$figure: $passed passed, $failed failed"
[ $failed = 0 ] && [ $passed -gt 0 ]
