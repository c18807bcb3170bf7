#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Instructions a record, counted by callgrind, beside those recorded in bench/instructions.txt:
# `bench-instructions.sh BUILD_DIR`. Exit code 1 where one has grown by more than 3 %, or a case is not
# recorded, or is recorded and gone. UPDATE=1 records what is found. Counts are a compiler's: with another
# than the recorded ones were made with, the table is printed and nothing is judged.
set -uo pipefail
cd "$(dirname "$0")/.."
build=${1:?usage: bench-instructions.sh BUILD_DIR}
file=${INSTRUCTIONS_FILE:-bench/instructions.txt}
growth_percent_max=3
compiler="$(uname -m), $(${CC:-gcc} --version | head -n 1)"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# A kernel's answers may differ from host to host; what valgrind presents as the CPU does not.
if ! valgrind --tool=callgrind --collect-atstart=no --combine-dumps=yes --callgrind-out-file="$work/counts" \
    "$build/bench/instructions/instructions" "$build" >"$work/log" 2>&1; then
    echo "bench-instructions: the run failed:" >&2
    tail -n 15 "$work/log" >&2
    exit 1
fi
# Each part of the file: `desc: Trigger: Client Request: COUNT NAME`, then its `totals: INSTRUCTIONS`.
awk '/^desc: Trigger: Client Request: / { count = $5; name = substr($0, index($0, " " count " ") + length(count) + 2) }
     /^totals: / && name != "" { printf "%s\t%.1f\n", name, $2 / count; name = "" }' "$work/counts" >"$work/found"
if [ ! -s "$work/found" ]; then
    echo "bench-instructions: callgrind counted nothing" >&2
    exit 1
fi

if [ -n "${UPDATE:-}" ]; then
    {
        echo "# Instructions a record. Written by \`make bench-instructions UPDATE=1\`."
        echo "# compiler: $compiler"
        cat "$work/found"
    } >"$file"
    echo "recorded in $file"
fi
if [ ! -f "$file" ]; then
    echo "bench-instructions: no file $file, expected the recorded counts (UPDATE=1 writes it)" >&2
    exit 1
fi

awk -F '\t' -v max="$growth_percent_max" -v file="$file" '
    /^#/ { next }
    NR == FNR { recorded[$1] = $2; next }
    FNR == 1 { printf "%-46s %10s %10s %8s\n", "instructions a record", "found", "recorded", "change" }
    {
        seen[$1] = 1
        if (!($1 in recorded)) {
            printf "%-46s %10.1f %10s\n", $1, $2, "-"
            wrong[++count] = $1 ": found " $2 ", expected a recorded count in " file
            next
        }
        change = recorded[$1] > 0 ? ($2 / recorded[$1] - 1) * 100 : 0
        printf "%-46s %10.1f %10.1f %+7.1f %%\n", $1, $2, recorded[$1], change
        if (change > max)
            wrong[++count] = sprintf("%s: found %.1f instructions, expected at most %.1f (%.1f and %d %%)",
                                     $1, $2, recorded[$1] * (1 + max / 100), recorded[$1], max)
    }
    END {
        for (name in recorded)
            if (!(name in seen))
                wrong[++count] = name ": found no such case, expected one: it is recorded in " file
        for (i = 1; i <= count; i++)
            print "bench-instructions: " wrong[i]
        if (count > 0)
            print "bench-instructions: to accept this: make bench-instructions UPDATE=1"
        exit count > 0
    }' "$file" "$work/found"
status=$?
recorded=$(sed -n 's/^# compiler: //p' "$file")
if [ "$recorded" != "$compiler" ]; then
    echo "bench-instructions: not judged: the counts were recorded with $recorded; this is $compiler"
    exit 0
fi
exit $status
