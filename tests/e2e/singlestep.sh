#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Killed at some instructions of a batch, its commit, of roll-back and of a journal's resume (the short form of
# `make singlestep`).
# any-build: no
. "$(dirname "$0")/../support/e2e.sh"
for part in produce transform roll-back resume; do
    check "singlestep: $part" "$BUILD/tests/faults/singlestep" --part "$part" --points 40 --seed 1
done
finish
