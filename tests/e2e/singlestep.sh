#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Killed in every world that a batch, its commit, a stage's opening, its roll-back and a journal's taking up go through, and
# at a few further instructions of each (the short form of `make singlestep`).
# any-build: no
. "$(dirname "$0")/../support/e2e.sh"
for part in produce transform open roll-back journal resume; do
    check "singlestep: $part" "$BUILD/tests/faults/singlestep" --part "$part" --samples 2 --seed 1
done
finish
