#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Real CSV and NDJSON into a journal and into CSV: every row and every count against Python's own csv, json
# and decimal modules (tests/model/lines_reader.py).
. "$(dirname "$0")/../support/e2e.sh"
export MILLRACE_SHM=$SHM
reader=tests/model/lines_reader.py

# into_journal and into_csv: NAME PIPELINE PATH [OPTION...]: the run's object is in $WORK/NAME.run then.
into_journal() {
    "$MILLRACE" run "$2" --json --set "source.path=$3" --set sink.type=journal --set "sink.path=$WORK/$1" "${@:4}" \
        >"$WORK/$1.run" 2>"$WORK/log" || not_ok "$1: run into a journal" "$(cat "$WORK/log")"
}
into_csv() {
    "$MILLRACE" run "$2" --json --set "source.path=$3" --set sink.type=csv --set "sink.path=$WORK/$1.csv" "${@:4}" \
        >"$WORK/$1.run" 2>"$WORK/log" || not_ok "$1: run into CSV" "$(cat "$WORK/log")"
}
figure() { jq "$2" "$WORK/$1.run"; } # NAME JQ
total() { awk -v key="$1" '$1 == key { print $2 }' "$WORK/totals"; }

# both NAME KIND PIPELINE PATH: into both sinks, every row compared in both.
both() {
    local name=$1 kind=$2
    python3 $reader "$kind" totals "$4" >"$WORK/totals"
    for into in into_journal into_csv; do
        $into "$name" "$3" "$4"
        check_equal "$name, $into: balance, exit code, rows out" "$(figure "$name" '[.balance, .exit_code,
            .stages.loader.out]' | jq -c .)" "[true,0,$(total rows)]"
        check_equal "$name, $into: nothing is rejected" "$(figure "$name" '[.stages[].rejected] | add')" 0
    done
    check_equal "$name: the journal is whole" "$("$MILLRACE" verify "$WORK/$name" --json |
        jq -c '[.state, .records]')" "[\"whole\",$(total rows)]"
    check_equal "$name: every row of the CSV file" \
        "$(python3 $reader "$kind" compare "$WORK/$name.csv" "$4" 2>&1)" "$(total rows) agree"
    "$MILLRACE" cat "$WORK/$name" --fields "$(head -n 1 "$WORK/$name.csv")" >"$WORK/text"
    check "$name: cat of the journal prints the same bytes" cmp "$WORK/text" "$WORK/$name.csv"
}
counted_lines() { # NAME: lines read and rows let through, by the run and by Python
    check_equal "$1: lines in, of other kinds, out" \
        "$(figure "$1" '.stages.producer | [.in, .filtered, .out]' | jq -c .)" \
        "[$(total lines),$(($(total lines) - $(total rows))),$(total rows)]"
}

# ---- a crypto exchange's stream ------------------------------------------------------------------
crypto=crypto/binance-usdm-btcusdt-20240808.ndjson.gz
if need_sample $crypto; then
    both trades trades pipelines/crypto-trades.yaml "$SAMPLES/$crypto"
    counted_lines trades
    check_equal "trades: the sum of their quantities" "$("$MILLRACE" cat "$WORK/trades" --format ndjson |
        jq -s 'map(.quantity) | add * 1000 | round')" "$(awk '$1 == "units" { printf "%.0f", $2 * 1000 }' "$WORK/totals")"
    check_equal "trades: as many as jq finds in the file" "$(figure trades .stages.loader.out)" \
        "$(gzip -dc "$SAMPLES/$crypto" | cut -d' ' -f2- | grep -F '"trade"' | jq -c 'select(.data.e == "trade")' | wc -l)"
    check_equal "trades: what a file of the sink says of the sides" \
        "$(awk -F, 'NR > 1 { n[$4]++ } END { print n["buy"] + n["sell"] }' "$WORK/trades.csv")" "$(total rows)"
    cat >"$WORK/tickers.yaml" <<END
name: tickers
schemas:
  - name: ticker
    time: event
    fields:
      - {name: update,   type: u64,         from: data.u}
      - {name: symbol,   type: "char[16]",  from: data.s}
      - {name: bid,      type: decimal(2),  from: data.b}
      - {name: bid_size, type: decimal(3),  from: data.B}
      - {name: ask,      type: decimal(2),  from: data.a}
      - {name: ask_size, type: decimal(3),  from: data.A}
      - {name: event,    type: timestamp,   from: data.T, format: ms}
      - {name: received, type: timestamp,   from: "@prefix", format: ns}
source:
  type: lines
  path: stream.ndjson
  format: ndjson
  prefix: true
  schema: ticker
  select: data.e=bookTicker
  ingest: received
sink: {type: journal, path: out/tickers}
END
    both tickers tickers "$WORK/tickers.yaml" "$SAMPLES/$crypto"
    counted_lines tickers
fi

# ---- a shop's invoices: 305 files, quoted fields, returns, missing customers ------------------------
retail=ecommerce/online-retail-by-day.tar.gz
if need_sample $retail; then
    tar -xzf "$SAMPLES/$retail" -C "$WORK"
    days="$WORK/retail_by_day/*.csv"
    both retail retail pipelines/retail.yaml "$days"
    check_equal "retail: files, rows" "$(ls "$WORK/retail_by_day" | wc -l) $(total rows)" "305 541909"
    check_equal "retail: lines in" "$(figure retail .stages.producer.in)" "$(total rows)"
    check_equal "retail: missing values filled in" "$(figure retail '.stages.transform.counters."default.filled"')" \
        "$(($(total missing_customers) + $(total missing_descriptions)))"
    check_equal "retail: returns" "$(grep -c ',true$' "$WORK/retail.csv")" "$(total returns)"
    check_equal "retail: quoted fields" "$(python3 -c "import csv, sys
print(sum(any(c in row['description'] for c in '\",\n') for row in csv.DictReader(sys.stdin)))" \
        <"$WORK/retail.csv")" "$(total quoted)"
    into_journal returns pipelines/retail.yaml "$days" --set 'transform=[{filter: "quantity < 0"}]'
    check_equal "retail: only the returns" "$(figure returns '.stages.transform | [.in, .filtered, .out]' | jq -c .)" \
        "[$(total rows),$(($(total rows) - $(total returns))),$(total returns)]"
    into_journal known pipelines/retail.yaml "$days" --set 'transform=[{filter: "not is_null(customer)"}]'
    check_equal "retail: lines with a customer" "$(figure known '.stages.transform.out')" \
        "$(($(total rows) - $(total missing_customers)))"
    sed '/missing: null}/s/, missing: null//' pipelines/retail.yaml | sed '/^  - default/d' >"$WORK/strict.yaml"
    into_journal strict "$WORK/strict.yaml" "$days" --set "dead_letter.path=$WORK/strict.dead"
    check_equal "retail: missing values rejected where they are required" \
        "$(figure strict '[.balance, .stages.producer.rejected_by_reason.missing_field]' | jq -c .)" \
        "[true,$(python3 - "$WORK/retail_by_day" <<'PYTHON'
import csv, glob, sys
rows = (row for path in glob.glob(sys.argv[1] + "/*.csv") for row in csv.DictReader(open(path, newline="")))
print(sum(row["CustomerID"] == "" or row["Description"] == "" for row in rows))
PYTHON
        )]"
    check_equal "retail: and each is a dead letter with its line" \
        "$("$MILLRACE" cat "$WORK/strict.dead/producer" --raw | wc -l)" \
        "$(figure strict .stages.producer.rejected)"
    rejected=$(figure strict .stages.producer.rejected)
    {
        head -n 1 "$WORK/retail_by_day/2010-12-01.csv"
        "$MILLRACE" cat "$WORK/strict.dead/producer" --raw | sed 's/,,/,0,/g'
    } | "$MILLRACE" run "$WORK/strict.yaml" --json --set source.path=- --set sink.type=journal \
        --set "sink.path=$WORK/strict" >"$WORK/mended.run" 2>"$WORK/log"
    check_equal "retail: dead letters, mended and fed in again, complete the journal" \
        "$(figure mended '[.balance, .stages.loader.out]' | jq -c .) $("$MILLRACE" verify "$WORK/strict" --json | jq .records)" \
        "[true,$rejected] $(total rows)"
fi

# ---- a machine's temperature, positions, card payments ---------------------------------------------
# table NAME SAMPLE FIELDS: a CSV file whose columns are fields of the same names.
table() {
    need_sample "$2" || return
    cat >"$WORK/$1.yaml" <<END
name: $1
schemas:
  - name: row
    fields:
$3
source: {type: lines, path: rows.csv, format: csv, schema: row}
sink: {type: csv, path: out.csv}
END
    both "$1" "$1" "$WORK/$1.yaml" "$SAMPLES/$2"
}
table temperature iot/machine-temperature.csv '
      - {name: timestamp, type: timestamp, format: "%Y-%m-%d %H:%M:%S"}
      - {name: value, type: f64}'
table gps gps/geolife-sample.txt.gz '
      - {name: lat, type: f64}
      - {name: lng, type: f64}
      - {name: datetime, type: timestamp, format: "%Y-%m-%d %H:%M:%S"}
      - {name: uid, type: "char[3]"}'
table cards cards/creditcard-subset.csv '
      - {name: Time, type: u32}
      - {name: V1, type: f64}
      - {name: V14, type: f64}
      - {name: V27, type: f64}
      - {name: V28, type: f64}
      - {name: Amount, type: decimal(2)}
      - {name: Class, type: u8}'
finish
