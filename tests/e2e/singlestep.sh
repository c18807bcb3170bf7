#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Killed in a part of the worlds that a stage's opening, its batches, their commits, its roll-back and a journal's taking up go
# through (the short form of `make singlestep`).
# any-build: no
. "$(dirname "$0")/../support/e2e.sh"
for part in create produce transform padding open roll-back journal resume; do
    check "singlestep: $part" "$BUILD/tests/faults/singlestep" --part "$part" --points 100 --samples 1 --seed 1
done
finish
