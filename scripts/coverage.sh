#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# `coverage.sh BUILD [PERCENT]`: which branches of the ring, the stage transaction, the journal and its recovery the
# tests take. Runs the unit and stress tests and the fault tests of that build (its objects count branches), then
# prints each file's share and ends in one line with the figure; fails below PERCENT (95). End-to-end tests about
# the loader, kills and halts come in where that build has its program.
#
# Every branch counts, also those that only a failing system call takes. A process that is killed has counted nothing.
set -uo pipefail
cd "$(dirname "$0")/.."
build=${1:?usage: coverage.sh BUILD [PERCENT]}
percent=${2:-95}
command -v gcovr >/dev/null || { echo "gcovr: command not found (package gcovr)"; exit 1; }
counted=(ringbuf/ core/pipeline/stage core/pipeline/undo core/journal consumers/loader/journal
    consumers/loader/segment_files consumers/loader/intake)
find "$build" -name '*.gcda' -delete
words=(unit/ringbuf unit/pipeline unit/core unit/loader tests/stress)
[ -x "$build/millrace" ] && words+=(e2e/loader e2e/killed e2e/halts e2e/bad_sink e2e/bad_shm e2e/processes)
export MILLRACE_STRESS_RECORDS=${MILLRACE_STRESS_RECORDS:-200000}
MILLRACE_TEST_SECONDS_MAX=600 scripts/test.sh "$build" "${words[@]}" || exit 1
for part in produce transform roll-back resume journal; do
    [ -x "$build/tests/faults/singlestep" ] || break
    "$build/tests/faults/singlestep" --part "$part" --points 20 || exit 1
done
filters=()
for name in "${counted[@]}"; do filters+=(-f "$name"); done
gcovr -r . --object-directory "$build" "${filters[@]}" --branches --exclude-unreachable-branches -j 2 \
    --gcov-ignore-parse-errors --json-summary "$build/coverage.json" "$build" || exit 1
python3 - "$build/coverage.json" "$percent" <<'PY'
import json, sys
summary = json.load(open(sys.argv[1]))
share = summary["branch_percent"]
files = [f for f in summary["files"] if f["branch_total"]]
for f in files:
    print(f"{f['filename']:40} {f['branch_covered']:5} of {f['branch_total']:5} branches {f['branch_percent']:6.1f} %")
below = [f for f in files if f["branch_percent"] < float(sys.argv[2])]
print(f"coverage: {share:.1f} % of {summary['branch_total']} branches in {len(files)} files"
      f" ({summary['line_percent']:.1f} % of lines); {len(below)} files below {sys.argv[2]} %")
sys.exit(share < float(sys.argv[2]))
PY
