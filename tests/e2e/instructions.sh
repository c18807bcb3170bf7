#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# No part takes more instructions a record than is recorded in bench/instructions.txt, and the gate that says so
# shuts.
# any-build: no
. "$(dirname "$0")/../support/e2e.sh"
gate() { INSTRUCTIONS_FILE=$1 scripts/bench-instructions.sh "$BUILD"; }

check "instructions: none grew by more than 3 %" gate bench/instructions.txt
if ! grep -qxF "# compiler: $(uname -m), $(${CC:-gcc} --version | head -n 1)" bench/instructions.txt; then
    skip "instructions: the gate" "the counts were recorded with another compiler"
    finish
fi
awk -F '\t' -v OFS='\t' '$1 == "book add" { $2 = $2 / 1.05 } { print }' bench/instructions.txt >"$WORK/fewer"
check_status "instructions: growth by 5 % fails" 1 gate "$WORK/fewer"
check_match "instructions: and is named" "$(cat "$WORK/out")" 'book add: found [0-9.]+ instructions, expected at most [0-9.]+ '
grep -v '^book add' bench/instructions.txt >"$WORK/without"
check_status "instructions: a case that is not recorded fails" 1 gate "$WORK/without"
sed 's/^# compiler: .*/# compiler: another/' "$WORK/fewer" >"$WORK/another"
check_status "instructions: another compiler's counts judge nothing" 0 gate "$WORK/another"
check_match "instructions: and it is said" "$(cat "$WORK/out")" 'not judged: .* recorded with another'
finish
