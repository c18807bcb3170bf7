#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The textbook loop: records made at half-second intervals for ten seconds, transformed, loaded; the same
# pipeline flat out; and a declared schema.
. "$(dirname "$0")/../support/e2e.sh"
export MILLRACE_SHM=$SHM

# right FILE: how many records are wrong: id, value, and the product as Python's doubles have it.
wrong() {
    python3 - "$1" <<'PYTHON'
import json, sys
rows = [json.loads(line) for line in open(sys.argv[1])]
print(sum(not (list(row) == ["id", "value", "transformed_value"] and isinstance(row["id"], int)
               and 1 <= row["id"] <= 1000 and 0 <= row["value"] <= 100
               and row["transformed_value"] == row["value"] * 1.1) for row in rows))
PYTHON
}

# At its pace, in the background of everything below; the records come one by one, not at the end.
"$MILLRACE" run pipelines/mock.yaml >"$WORK/paced" 2>"$WORK/paced.log" &
paced=$!
sleep 3
early=$(wc -l <"$WORK/paced")

flat() { # RUN_TIME and more options
    "$MILLRACE" run pipelines/mock.yaml --json --set name=flat --set source.interval=0 --set "source.run_time=$1" \
        --set "sink.path=$WORK/flat" "${@:2}" >"$WORK/run" 2>"$WORK/log"
}
flat 0.5s
check_equal "flat out: ends well, balanced" "$? $(jq .balance "$WORK/run")" "0 true"
check_equal "flat out: every record is in the file" "$(wc -l <"$WORK/flat")" "$(jq .stages.producer.in "$WORK/run")"
check "flat out: far more than the paced loop" test "$(wc -l <"$WORK/flat")" -gt 10000
head -n 20000 "$WORK/flat" >"$WORK/some"
check_equal "flat out: transformed_value = value * 1.1, as doubles have it" "$(wrong "$WORK/some")" 0
check_equal "flat out: ids over the whole range" "$(jq -s 'map(.id) | [min, max]' -c "$WORK/some")" '[1,1000]'
cp "$WORK/some" "$WORK/first"
flat 0 --set source.count=20000
check_equal "the same seed, the same records; count ends it" "$(cmp "$WORK/flat" "$WORK/first" 2>&1)" ""
flat 0 --set source.count=20000 --set source.seed=2
check_fails "another seed, other records" cmp "$WORK/flat" "$WORK/first"

cat >"$WORK/declared.yaml" <<END
name: declared
schemas:
  - name: trade
    time: at
    fields:
      - {name: symbol,   type: "char[8]",  values: [AAPL, MSFT, NVDA]}
      - {name: price,    type: decimal(2), min: 10, max: 500}
      - {name: quantity, type: u32,        min: 1, max: 5000}
      - {name: at,       type: timestamp}
source: {type: mock, schema: trade, count: 20000, rate: 20000, clock: steps}
transform:
  - set: {notional: {expr: price * quantity, type: decimal(2)}}
sink: {type: csv, path: $WORK/declared.csv}
END
start=$EPOCHREALTIME
"$MILLRACE" run "$WORK/declared.yaml" --json >"$WORK/run" 2>"$WORK/log"
check_equal "declared: ends well, balanced" "$? $(jq .balance "$WORK/run")" "0 true"
check "declared: at the rate that was asked for" awk -v a="$start" -v b="$EPOCHREALTIME" 'BEGIN { exit !(b - a > 0.95) }'
check_equal "declared: bounds, values, the product, the steps of time" "$(python3 - "$WORK/declared.csv" <<'PYTHON'
import csv, sys
from decimal import Decimal as D
rows = list(csv.DictReader(open(sys.argv[1])))
good = sum(r["symbol"] in ("AAPL", "MSFT", "NVDA") and 10 <= D(r["price"]) <= 500 and 1 <= int(r["quantity"]) <= 5000
           and D(r["notional"]) == D(r["price"]) * int(r["quantity"]) for r in rows)
print(good, len({r["symbol"] for r in rows}), len({r["at"] for r in rows}), [r["at"] for r in rows] == sorted(r["at"] for r in rows))
PYTHON
)" "20000 3 20000 True"

wait $paced
check_equal "textbook loop: ends with 0" $? 0
check_match "textbook loop: balanced" "$(cat "$WORK/paced.log")" "balance: exact"
check_match "textbook loop: after 3 s the first have arrived" "$early" '^[3-7]$'
check_match "textbook loop: 20 records in 10 s" "$(wc -l <"$WORK/paced")" '^(19|20|21)$'
check_equal "textbook loop: transformed_value = value * 1.1" "$(wrong "$WORK/paced")" 0
finish
