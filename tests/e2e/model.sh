#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The models of ring, stage transaction and sleep hold in every state, and errors seeded in them are found.
# any-build: no
. "$(dirname "$0")/../support/e2e.sh"
command -v spin >/dev/null || { skip "model" "spin is not installed (package spin)"; finish; }
check "model: every state, every seeded error" scripts/model.sh "$BUILD/model" --short
finish
