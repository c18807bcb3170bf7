#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A disk that fails, in three forms: `fault.sh BUILD_DIR [SEED] [EACH] [SEEDS]`.
#   the loader's code on a simulated disk (tests/faults/fault.c);
#   the real loader, on pwrite, with the k-th pwrite64 or fdatasync made to fail by strace: it stops, names file,
#   byte and cause, does not sync again, and the run that follows ends with the journal of an undisturbed one.
set -euo pipefail
build=${1:?usage: fault.sh BUILD_DIR [SEED] [EACH] [SEEDS]}
seed=${2:-1} each=${3:-1000} seeds=${4:-10000}
millrace=$build/millrace
command -v strace >/dev/null || { echo "strace is not installed"; exit 1; }
figure=$("$build/tests/faults/fault" --each "$each" --seeds "$seeds" --uring "$seeds" --seed "$seed" | tee /dev/stderr | tail -n 1)
[[ $figure == "fault: EIO"* ]] || exit 1
work=$(mktemp -d)
name=fault-$$
trap 'rm -rf "$work"; "$millrace" clean "$name" >/dev/null 2>&1 || true' EXIT

pipeline() { # DIRECTORY
    cat >"$work/p.yaml" <<YAML
name: $name
source: {type: itch_file, path: $work/day.itch, date: 2020-01-30}
transform: [order_book: {pass: true, orders_max: 100000}]
ring: {size: 256KiB}
supervise: {restart: never}
sink: {type: journal, path: $1, durability: record, existing: replace, segment_size: 1MiB, io: pwrite}
YAML
}
"$millrace" gen itch --messages 20000 --out "$work/day.itch" >/dev/null 2>&1
bytes() { cat "$1"/*.mrj | sha256sum; }

pipeline "$work/whole"
"$millrace" run "$work/p.yaml" >"$work/log" 2>&1 || { cat "$work/log"; exit 1; }
expected=$(bytes "$work/whole")
cases=0
for call in pwrite64 fdatasync; do
    for k in 2 3 5; do
        rm -rf "$work/cut"
        pipeline "$work/cut"
        strace -f -o "$work/trace" -e trace=pwrite64,fdatasync -e inject="$call:error=EIO:when=$k" \
            "$millrace" run "$work/p.yaml" >"$work/log" 2>&1 && { echo "$call $k: no error"; exit 1; }
        grep -q "$work/cut.*Input/output error" "$work/log" || { cat "$work/log"; exit 1; }
        "$millrace" run "$work/p.yaml" >"$work/log" 2>&1 || { cat "$work/log"; exit 1; }
        [ "$(bytes "$work/cut")" = "$expected" ] || { echo "$call $k: another journal"; exit 1; }
        cases=$((cases + 1))
    done
done
echo "$figure; $cases faults of the real system calls: stopped, named, the next run exact"
