#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Model checking: `model.sh OUT [--short]`. Each tests/model/*.pml is searched to its last state; then, with each of
# its seeded errors (every BUG_... it names), until the error is found. Fails where a search is not complete, finds
# an error, or does not find a seeded one. Ends in one line with the figure.
#
# --short: a ring whose writer's buffer holds two stores (tests/model/ring.pml); else three.
set -uo pipefail
cd "$(dirname "$0")/.."
out=${1:?usage: model.sh OUT [--short]}
flags=(-DSTORES=3)
[ "${2:-}" = --short ] && flags=(-DSTORES=2)
command -v spin >/dev/null || { echo "spin: command not found (package spin)"; exit 1; }
rm -rf "$out"
mkdir -p "$out"

# check MODEL BUG|none FLAG...: searches; the report in OUT/MODEL.BUG/report.
check() {
    local model=$1 bug=$2 place=$out/$1.$2
    shift 2
    mkdir -p "$place"
    cp "tests/model/$model.pml" "$place/"
    (
        cd "$place" || exit
        [ "$bug" != none ] && set -- "$@" "-D$bug"
        # No partial-order reduction: it is not proven for d_step with else. Verifiers of seeded errors end soon,
        # so they are compiled with less care.
        level=-O2
        [ "$bug" != none ] && level=-O0
        spin -a "$@" "$model.pml" && ${CC:-gcc} $level -DSAFETY -DNOREDUCE -DMEMLIM=6000 -o pan pan.c &&
            ./pan -m2000000 -w24
    ) >"$place/report" 2>&1
}
export -f check
export out

models=$(cd tests/model && ls ./*.pml | sed 's,^\./,,; s,\.pml$,,')
{
    for model in $models; do
        echo "$model none ${flags[*]}"
    done
    for model in $models; do
        grep -oE '\bBUG_[A-Z_]+' "tests/model/$model.pml" | sort -u | grep -v 'BUG_$' | sed "s/^/$model /; s/\$/ ${flags[*]}/"
    done
} >"$out/list"
xargs -P "${JOBS:-2}" -L 1 bash -c 'check "$@"' model <"$out/list"

number() { sed -nE "s/^(.*[^0-9.])?$1.*/\\2/p" "$2" | head -n 1; }
states=0 depth=0 found=0 seeded=0 wrong=0
while read -r model bug _; do
    report=$out/$model.$bug/report
    errors=$(number 'errors: ([0-9]+)' "$report")
    if [ "$bug" != none ]; then
        seeded=$((seeded + 1))
        if [ "${errors:-0}" -gt 0 ] && ! grep -q 'max search depth too small\|invalid array index' "$report"; then
            found=$((found + 1))
            echo "found    $model: $bug: $(number 'pan:1: (.*)' "$report")"
        else
            echo "MISSED   $model: $bug"
            tail -n 20 "$report"
        fi
        continue
    fi
    if [ "${errors:-1}" != 0 ] || grep -qiE 'max search depth|out of memory|not completed|resource' "$report"; then
        echo "FAILED   $model"
        tail -n 40 "$report"
        wrong=$((wrong + 1))
        continue
    fi
    stored=$(number '([0-9]+) states, stored' "$report")
    deep=$(number 'depth reached ([0-9]+)' "$report")
    echo "complete $model: $stored states, depth $deep, 0 errors, $(number 'elapsed time ([0-9.]+)' "$report") s"
    states=$((states + stored))
    [ "$deep" -gt "$depth" ] && depth=$deep
done <"$out/list"
echo "model: $states states, depth $depth, $wrong errors; $found of $seeded seeded bugs found"
[ $wrong = 0 ] && [ $found = $seeded ] && [ $seeded -gt 0 ]
