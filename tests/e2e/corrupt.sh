#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Journals damaged by seed: the program and a reader written from the format's description find the same (the short
# form of `make corrupt`).
. "$(dirname "$0")/../support/e2e.sh"
for python in "${PYTHON:-python3}" /usr/bin/python3; do
    "$python" -c 'import xxhash' 2>/dev/null && break
    python=
done
[ -n "$python" ] || { skip "damaged journals" "package python3-xxhash not installed"; finish; }
journals=${MILLRACE_CORRUPT_JOURNALS:-4000}
"$python" tests/faults/corrupt.py "$BUILD" --journals "$journals" --seed 1 --keep "$BUILD/corrupt" >"$WORK/out" 2>&1
status=$?
tail -n 20 "$WORK/out"
check_equal "damaged journals: exit code" $status 0
check_match "damaged journals: none is judged differently" "$(tail -n 1 "$WORK/out")" \
    "^corrupt: $journals journals, 0 disagreements, 0 crashes \(whole [1-9][0-9]*, torn [1-9][0-9]*, damaged [1-9]"
finish
