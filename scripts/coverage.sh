#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# `coverage.sh BUILD [PERCENT]`: which branches of the ring, the stage transaction, the journal and its recovery the
# tests take. Runs the unit and stress tests, the single-stepper and, where that build has its program, the end-to-end
# tests about the loader, kills, halts, power cuts and bad shared memory, its stages being the program that counts.
# Then prints each file's share and each group's, and ends in one line with the figure; fails below PERCENT (95).
#
# Every branch counts, also those that only a failing system call takes. A process that is killed has counted nothing.
set -uo pipefail
cd "$(dirname "$0")/.."
build=${1:?usage: coverage.sh BUILD [PERCENT]}
percent=${2:-95}
command -v gcovr >/dev/null || { echo "gcovr: command not found (package gcovr)"; exit 1; }
counted=(ringbuf/ core/pipeline/stage core/pipeline/undo core/pipeline/session core/journal core/file_lock
    consumers/loader/journal consumers/loader/segment_ consumers/loader/intake consumers/loader/checkpoint
    consumers/loader/output_file)
find "$build" -name '*.gcda' -delete
words=(unit/ringbuf unit/pipeline unit/core unit/loader tests/stress)
[ -x "$build/millrace" ] &&
    words+=(e2e/loader e2e/killed e2e/halts e2e/resume e2e/bad_sink e2e/bad_shm e2e/processes e2e/repair)
export MILLRACE_STRESS_RECORDS=${MILLRACE_STRESS_RECORDS:-200000}
status=0
MILLRACE_TEST_SECONDS_MAX=600 scripts/test.sh "$build" "${words[@]}" || status=1
for part in create produce transform padding roll-back resume journal; do
    [ -x "$build/tests/faults/singlestep" ] || break
    "$build/tests/faults/singlestep" --part "$part" --points 20 --samples 0 || status=1
done
filters=()
for name in "${counted[@]}"; do filters+=(-f "$name"); done
# Of what another process was writing at that moment, gcovr says that it cannot be read: it goes on without.
gcovr -r . --object-directory "$build" "${filters[@]}" --branches --exclude-unreachable-branches -j 2 \
    --gcov-ignore-parse-errors --json-summary "$build/coverage.json" --txt "$build/coverage.txt" "$build" || exit 1
python3 - "$build/coverage.json" "$percent" <<'PY' || status=1
import json, sys
summary = json.load(open(sys.argv[1]))
percent = float(sys.argv[2])
groups = {"ring": ["ringbuf/"], "stage transaction": ["core/pipeline/stage", "core/pipeline/undo"],
          "session": ["core/pipeline/session"], "journal and recovery": ["core/journal", "core/file_lock"],
          "loader's share": ["consumers/loader/"]}
files = [f for f in summary["files"] if f["branch_total"]]
for f in files:
    print(f"{f['filename']:40} {f['branch_covered']:5} of {f['branch_total']:5} branches {f['branch_percent']:6.1f} %")
for group, starts in groups.items():
    of_it = [f for f in files if f["filename"].startswith(tuple(starts))]
    taken, total = sum(f["branch_covered"] for f in of_it), sum(f["branch_total"] for f in of_it)
    print(f"{group:40} {taken:5} of {total:5} branches {100 * taken / total:6.1f} %")
below = [f for f in files if f["branch_percent"] < percent]
print(f"coverage: {summary['branch_percent']:.1f} % of {summary['branch_total']} branches in {len(files)} files"
      f" ({summary['line_percent']:.1f} % of lines); {len(below)} files below {percent:g} %")
sys.exit(summary["branch_percent"] < percent)
PY
[ $status = 0 ] || echo "coverage: a test failed, or the figure is below $percent %"
exit $status
