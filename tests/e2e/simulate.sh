#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The journal on a simulated disk: the short forms of `make simulate` and of the first part of `make fault`.
. "$(dirname "$0")/../support/e2e.sh"
"$BUILD/tests/faults/simulate" --seeds 20000 --seed 1 >"$WORK/out" 2>&1
check_match "crashes at any operation" "$(tail -n 3 "$WORK/out")" '^simulate: 20000 seeds, .* 0 lost, 0 twice'
"$BUILD/tests/faults/fault" --each 200 --seeds 2000 --uring 200 --seed 1 >"$WORK/out" 2>&1
check_match "a disk that fails" "$(tail -n 1 "$WORK/out")" '^fault: EIO on each of 200 writes and 200 syncs, 2[0-9]* seeds .* 0 lost'
finish
