#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What `make bench` reports (bench/report) of made-up figures: goals judged, not judged and not reached, tables. And
# that docs/PERFORMANCE.md has each heading that the goals name.
. "$(dirname "$0")/../support/e2e.sh"
check "goals and tables" python3 tests/support/report_check.py
heading() { python3 -B -c 'import sys; sys.path.insert(0, "bench/report"); import goals; print(*goals.SECTIONS.values(), sep="\n")'; }
while IFS= read -r name; do
    check "docs/PERFORMANCE.md has the section: $name" grep -qE "^##+ $name\$" docs/PERFORMANCE.md
done < <(heading)
check "whether the peers are here: an answer, no word" \
    bash -c '[ -z "$(scripts/deps.sh peers only-ask 2>&1)" ]'
finish
