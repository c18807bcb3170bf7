#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Three processes that make one pipeline: seen in ps, started by hand in every order, ended by signals from
# an endless feed, watched by stat, top, tap and metrics, and on every I/O backend.
. "$(dirname "$0")/../support/e2e.sh"
export MILLRACE_SHM=$SHM
prometheus=tests/support/prometheus.py
port=$((20000 + ($$ + 7919) % 12000))

loaded() { [ "$("$MILLRACE" stat "$1" --json | jq '.stages.loader | select(.alive) | .out')" -ge "$2" ]; }

# ---- a feed to work on: real where it is, else made -----------------------------------------------
feed=$SAMPLES/itch/20200130-0400-premarket.itch
if [ ! -e "$feed" ]; then
    feed=$WORK/20200130-made.itch
    "$MILLRACE" gen itch --messages 12932 --out "$feed" >/dev/null 2>&1
fi
pipeline() { # NAME
    cat >"$WORK/$1.yaml" <<END
name: $1
source: {type: itch_file, path: $feed}
transform: [{order_book: {pass: true}}]
sink: {type: journal, path: $WORK/$1}
END
}
pipeline one
"$MILLRACE" run "$WORK/one.yaml" --json >"$WORK/one.run" 2>"$WORK/log" || not_ok "run" "$(cat "$WORK/log")"

for command in $("$MILLRACE" | sed -nE 's/^  ([a-z]+) .*/\1/p'); do
    "$MILLRACE" "$command" --help >"$WORK/help"
    grep -qE '^usage: .*PIPELINE' "$WORK/help" && check "$command takes a pipeline file, and --set" grep -q '^  --set KEY=VALUE' "$WORK/help"
done

# ---- by hand, in all six orders; the options are the same for each ----------------------------------
for order in "produce transform load" "produce load transform" "transform produce load" \
    "transform load produce" "load produce transform" "load transform produce"; do
    name=hand-${order// /-}
    pipeline "$name"
    pids=()
    for stage in $order; do
        "$MILLRACE" "$stage" "$WORK/$name.yaml" --set ring.size=16MiB >"$WORK/$stage.out" 2>&1 &
        pids+=($!)
        sleep 0.1
    done
    codes=
    for pid in "${pids[@]}"; do
        wait "$pid"
        codes=$codes$?
    done
    check_equal "$order: all end with 0" "$codes" 000
    check "$order: the journal that run makes" diff -r "$WORK/one" "$WORK/$name"
    check_equal "$order: balance, by the pipeline file and --set" \
        "$("$MILLRACE" balance "$WORK/$name.yaml" --set ring.size=16MiB --json | jq .balance)" true
done

# ---- an endless feed, watched, then told to end -----------------------------------------------------
endless() { # NAME OPTION...: in the background; its object goes to $WORK/NAME.run
    cat >"$WORK/$1.yaml" <<END
name: $1
source: {type: mock, interval: 1ms}
transform: [{filter: "id > 100"}, {set: {transformed_value: value * 1.1}}]
sink: {type: journal, path: $WORK/$1}
END
    "$MILLRACE" run "$WORK/$1.yaml" --json "${@:2}" >"$WORK/$1.run" 2>"$WORK/$1.log" &
    run=$!
}
whole() { # NAME: after its end
    check_equal "$1: one JSON object on standard output" "$(jq -s length "$WORK/$1.run")" 1
    check_equal "$1: balance, exit code, phase" "$(jq -c '[.balance, .exit_code, .phase]' "$WORK/$1.run")" '[true,0,"done"]'
    check_equal "$1: the journal is whole, all that was accepted" \
        "$("$MILLRACE" verify "$WORK/$1" --json | jq -c '[.state, .records]')" \
        "[\"whole\",$(jq '.stages.producer.out - .stages.transform.filtered' "$WORK/$1.run")]"
}
endless watched --set metrics.port=$port
check "the first scrape of metrics" curl -s --retry 50 --retry-delay 0 --retry-connrefused -o "$WORK/first.metrics" \
    "http://127.0.0.1:$port/metrics"
check "it is well formed" python3 $prometheus series "$WORK/first.metrics"
check "records arrive" wait_for 10 loaded watched 100
emulated "ps: three processes, children of run" "stands first in their command lines" ||
    check_equal "ps: three processes, children of run" \
    "$(ps --ppid $run -o args= | awk '{ print $1, $2 }' | sort | xargs)" "millrace load millrace produce millrace transform"
check_equal "their pids are those of stat" "$(ps --ppid $run -o pid= | sort -n | xargs)" \
    "$("$MILLRACE" stat watched --json | jq '.stages[].pid' | sort -n | xargs)"
"$MILLRACE" stat "$WORK/watched.yaml" --json --set ring.size=16MiB >"$WORK/stat"
check_equal "stat --json: running, balanced" "$(jq -c '[.phase, .balance]' "$WORK/stat")" '["running",true]'
for place in "egress" "transform" "ingress"; do
    check_equal "tap $place" "$("$MILLRACE" tap $place "$WORK/watched.yaml" --set ring.size=16MiB --format ndjson \
        --limit 3 | jq -s 'map(has("transformed_value")) | unique' -c)" \
        "$([ $place = ingress ] && echo '[false]' || echo '[true]')"
done
screen=$( (sleep 1.2; echo q) | TERM=xterm script -qec "stty rows 40 cols 120; '$MILLRACE' top '$WORK/watched.yaml' --set ring.size=16MiB" /dev/null)
check_match "top, in a terminal" "$screen" 'watched.*producer.*transform.*loader'
kill -TERM $run
wait $run
check_equal "SIGTERM: exit code" $? 0
whole watched
check_equal "stat --json: the same keys while it runs and at the end" "$(jq -c '[paths(type != "array") | map(tostring) |
    join(".")] | map(select(startswith("exit_code") or startswith("sink.files") | not)) | sort' "$WORK/stat")" \
    "$(jq -c '[paths(type != "array") | map(tostring) | join(".")] | map(select(startswith("exit_code") or
    startswith("sink.files") | not)) | sort' "$WORK/watched.run")"
endless interrupted
check "records arrive" wait_for 10 loaded interrupted 100
kill -INT $run
wait $run
check_equal "SIGINT: exit code" $? 0
whole interrupted

# ---- the object at the end ------------------------------------------------------------------------
check_equal "run --json: nothing but one object" "$(jq -s length "$WORK/one.run")" 1
check_equal "run --json: the documented keys" "$(jq -r '
    [.stages[] | has("in", "out", "filtered", "duplicate", "late", "rejected", "dropped", "in_flight",
        "schemas_in", "schemas_out")] +
    [.latency_ns | .ingress, .egress, .hand_over, .end_to_end | has("p50", "p90", "p99", "p99.9", "p99.99", "max", "count")] +
    [has("balance", "seconds", "records", "records_per_second")] + [.sink | has("files", "io_backend")] | all' "$WORK/one.run")" true
sed -n '/^## The status object/,/^## /p' docs/OPERATIONS.md >"$WORK/section"
check_equal "run --json: every key is in docs/OPERATIONS.md" "$(jq -r 'del(.stages[].counters, .stages[].schemas_in,
    .stages[].schemas_out, .stages[].rejected_by_reason) | [paths[] | strings] | unique[]' "$WORK/one.run" |
    while read -r key; do grep -qF "\`$key\`" "$WORK/section" || echo "$key"; done)" ""
check_equal "run --json: rate = records / seconds" \
    "$(jq '.records / .seconds / .records_per_second | . * 1000 | round' "$WORK/one.run")" 1000
check_equal "run --json: the sink's files are there" \
    "$(jq -r '.sink.files[]' "$WORK/one.run" | xargs ls -d)" "$WORK/one"

# ---- metrics, stat and the final object agree --------------------------------------------------------
# A file that is followed: all its lines go through, good, filtered and bad, and the run stays.
seq 1 3000 | awk 'BEGIN { print "id,value" } { print $1 "," ($1 % 10 ? $1 / 7 : "bad") }' >"$WORK/lines.csv"
cat >"$WORK/idle.yaml" <<END
name: idle
schemas:
  - name: reading
    fields: [{name: id, type: u32}, {name: value, type: f64}]
source: {type: lines, path: $WORK/lines.csv, format: csv, schema: reading, follow: true}
transform: [{filter: "id <= 2000"}]
sink: {type: journal, path: $WORK/idle}
metrics: {port: $port}
END
"$MILLRACE" run "$WORK/idle.yaml" --json >"$WORK/idle.run" 2>"$WORK/log" &
run=$!
curl -s --retry 50 --retry-delay 0 --retry-connrefused -o "$WORK/first.metrics" "http://127.0.0.1:$port/metrics"
check "idle: all lines are through" wait_for 10 loaded idle 1800
curl -s -o "$WORK/last.metrics" "http://127.0.0.1:$port/metrics"
"$MILLRACE" stat idle --json >"$WORK/stat"
check_equal "idle: metrics and stat --json agree" "$(python3 $prometheus agree "$WORK/last.metrics" "$WORK/stat" 2>&1)" "True agree"
check_equal "idle: every series was there in the first scrape" \
    "$(python3 $prometheus series "$WORK/first.metrics" 2>&1)" "$(python3 $prometheus series "$WORK/last.metrics" 2>&1)"
check_equal "idle: they are different scrapes" "$(cmp -s "$WORK/first.metrics" "$WORK/last.metrics" && echo same)" ""
kill -TERM $run
wait $run
check_equal "idle: SIGTERM: exit code" $? 0
check_equal "idle: metrics and the final object agree" \
    "$(python3 $prometheus agree "$WORK/last.metrics" "$WORK/idle.run" 2>&1)" "True agree"
check_equal "idle: counts" "$(jq -c '[.stages.producer.in, .stages.producer.rejected, .stages.transform.filtered,
    .stages.loader.out]' "$WORK/idle.run")" '[3000,300,900,1800]'

# ---- without io_uring ------------------------------------------------------------------------------
backend() { # NAME BACKEND COMMAND...: the same bytes by another way
    pipeline "$1"
    "${@:3}" run "$WORK/$1.yaml" --json >"$WORK/run" 2>"$WORK/log" || not_ok "$1" "$(cat "$WORK/log")"
    check_equal "$1: the status names the backend" "$(jq -r .sink.io_backend "$WORK/run")" "$2"
    check "$1: the same journal" diff -r "$WORK/one" "$WORK/$1"
    for sink in csv ndjson; do
        "${@:3}" run "$WORK/$1.yaml" --set sink.type=$sink --set "sink.path=$WORK/$1.{schema}.$sink" >/dev/null 2>&1
        "$MILLRACE" run "$WORK/$1.yaml" --set sink.type=$sink --set "sink.path=$WORK/usual.{schema}.$sink" >/dev/null 2>&1
        check_equal "$1: the same $sink files" "$(cd "$WORK" && for file in usual.*.$sink; do
            cmp "$file" "$1${file#usual}" 2>&1; done)" ""
    done
}
backend by-environment pwrite env MILLRACE_IO=pwrite "$MILLRACE"
if command -v strace >/dev/null && strace -qq -o /dev/null true 2>/dev/null; then
    # A sanitizer's leak check cannot run under strace.
    ASAN_OPTIONS="${ASAN_OPTIONS:-}:detect_leaks=0"
    export ASAN_OPTIONS
    backend forbidden pwrite strace -qq -f -o /dev/null -e trace=io_uring_setup -e inject=io_uring_setup:error=EPERM "$MILLRACE"
else
    skip "io_uring forbidden" "strace is not there or may not trace; MILLRACE_IO=pwrite is tested all the same"
fi
finish
