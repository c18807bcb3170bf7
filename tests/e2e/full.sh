#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# any-build: no
# The short form of `make full`: no room at some of the calls that need it, on two real file systems, and in shared
# memory.
. "$(dirname "$0")/../support/e2e.sh"
if figure=$("${PYTHON:-python3}" tests/faults/full.py "$BUILD" --every 41 2>&1); then
    ok "$(tail -n 1 <<<"$figure")"
else
    not_ok "no room at some calls" "$figure"
fi
bash tests/faults/full_disk.sh 1 || failures=$((failures + 1))
bash tests/faults/full_shm.sh || failures=$((failures + 1))
finish
