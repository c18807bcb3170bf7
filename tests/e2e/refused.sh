#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Where the kernel refuses io_uring, or to lock memory for it, the loader goes on with what is left, says so once,
# and leaves the same bytes, killed or not. `make test-refused` runs every test so.
messages=100000
. "$(dirname "$0")/../support/loader_runs.sh"
export MILLRACE_IO=auto
refused=$BUILD/tests/faults/refused
millrace=$MILLRACE
pipeline whole "type: journal, path: $WORK/whole, segment_size: 2MiB"
check "undisturbed" run whole

# The program in a place: MILLRACE is a command of one word for the functions above.
enter() { # COMMAND... that runs another command there
    printf '#!/bin/sh\nexec %s "%s" "$@"\n' "$*" "$millrace" >"$WORK/there"
    chmod +x "$WORK/there"
    MILLRACE=$WORK/there
}

place() { # NAME BACKEND LINE STATUS: what it uses there, what it says once, how a run ends that asks for io_uring
    local name=$1 backend=$2 line=$3 direct
    for direct in false true; do
        pipeline one "type: journal, path: $WORK/one, segment_size: 2MiB, existing: replace, direct: $direct"
        check "$name, direct $direct: a run" run one
        check_equal "$name, direct $direct: the status names the backend" "$(jq -r .sink.io_backend "$WORK/one.json")" "$backend"
        check "$name, direct $direct: the same bytes" same "$WORK/whole" "$WORK/one"
        # Only direct writes come from registered memory.
        local expected=1
        [ "$backend$direct" = io_uringfalse ] && expected=0
        check_equal "$name, direct $direct: why is said once" "$(grep -cE "$line" "$WORK/one.err")" $expected
    done
    pipeline killed "type: journal, path: $WORK/killed, segment_size: 2MiB, existing: replace"
    check "$name: the loader is killed, and taken up again" run_killing killed 5 2 8 3 6
    check "$name: the same bytes after that" same "$WORK/whole" "$WORK/killed"
    rm -rf "$WORK/one"
    MILLRACE_IO=uring check_status "$name: asked for by name" "$4" "$MILLRACE" run "$WORK/one.yaml"
    check_equal "$name: asked for by name: the loader says why it cannot, and does not die" \
        "$(grep -cE 'run: loader: io_uring cannot' "$WORK/out") $(grep -c 'was killed by' "$WORK/out")" "$(($4 > 0)) 0"
    rm -rf "${SHM:?}"/*
}

if [ "$("$refused" --look)" = granted ]; then
    enter "$refused" eperm
    place eperm pwrite 'loader: writing with pwrite: io_uring cannot be had here: Operation not permitted' 5
    enter "$refused" enosys
    place enosys pwrite 'loader: writing with pwrite: io_uring cannot be had here: Function not implemented' 5
    enter "$refused" probe
    place probe pwrite 'loader: writing with pwrite: io_uring cannot be asked what it can do: Cannot allocate memory' 5
    enter "$refused" enomem
    place enomem io_uring 'loader: writing from memory that is not registered .*: Cannot allocate memory' 0
    # It is waited for about a second: what a killed loader had locked is given free by then.
    pipeline one "type: journal, path: $WORK/one, segment_size: 2MiB, existing: replace, direct: true"
    begun=${EPOCHREALTIME/./}
    run one
    check "enomem: not at once" test $((${EPOCHREALTIME/./} - begun)) -gt 1000000
    # Without root's right to lock what it likes.
    [ "$(id -u)" = 0 ] && enter setpriv --bounding-set=-ipc_lock prlimit --memlock=65536 || enter prlimit --memlock=65536
    place "64 KiB to lock" io_uring 'loader: writing from memory that is not registered .*: Cannot allocate memory' 0
else
    MILLRACE=$millrace
    pipeline one "type: journal, path: $WORK/one, segment_size: 2MiB, existing: replace"
    check "refused here: a run" run one
    check_equal "refused here: the status names the backend" "$(jq -r .sink.io_backend "$WORK/one.json")" pwrite
    check_equal "refused here: why is said once" "$(grep -c 'writing with pwrite: io_uring cannot be' "$WORK/one.err")" 1
fi
MILLRACE=$millrace
finish
