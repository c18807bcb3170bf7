#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The command from outside: what it says, how it ends, and that no record is lost however it ends.
. "$(dirname "$0")/../support/e2e.sh"
export MILLRACE_SHM=$SHM
runs=$SHM/millrace-$(id -u)

# A pipeline that always makes the same bytes: $1 its name, $2 more of its source's options.
pipeline() {
    cat >"$WORK/$1.yaml" <<END
name: $1
supervise: {restart: never}
source: {type: mock, clock: steps, $2}
sink: {type: journal, path: $WORK/$1.journal, existing: replace}
END
}
# records_at_least NAME COUNT: so many have arrived, and it goes on (the last run's status does not count).
records_at_least() {
    [ "$("$MILLRACE" stat "$1" --json | jq '.stages.loader | select(.alive) | .out')" -ge "$2" ]
}
pid_of() { "$MILLRACE" stat "$1" --json | jq -e ".stages.$2 | select(.alive) | .pid"; }

# ---- what it says --------------------------------------------------------------------------------
commands=$("$MILLRACE" | sed -nE 's/^  ([a-z]+) .*/\1/p')
check_equal "the overview lists the commands" "$(tr '\n' ' ' <<<"$commands")" \
    "run check produce transform load top stat tap cat verify replay balance bench gen clean help version "
check_equal "help without a word is the overview" "$("$MILLRACE" help)" "$("$MILLRACE")"
check_status "an unknown command" 2 "$MILLRACE" rnu
check_match "the nearest command is named" "$("$MILLRACE" rnu 2>&1)" 'did you mean "run"'
check_status "an unknown option" 2 "$MILLRACE" run --jsno x.yaml
check_match "the nearest option is named" "$("$MILLRACE" run --jsno x.yaml 2>&1)" 'expected --json\?'
check_status "a missing argument" 2 "$MILLRACE" run
check_status "an argument too many" 2 "$MILLRACE" check a.yaml b.yaml
check_match "the version" "$("$MILLRACE" version)" '^millrace [0-9]+\.[0-9]+\.[0-9]+$'
# Its --help, and those of the benchmarks behind `bench`.
all_help() {
    "$MILLRACE" "$1" --help
    [ "$1" = bench ] || return 0
    local bench
    for bench in $("$MILLRACE" bench --help | sed -nE '/^WHICH/,/^$/s/^  ([a-z]+) .*/\1/p'); do
        "$MILLRACE" bench "$bench" --help
    done
}
for command in $commands; do
    check_status "$command --help" 0 "$MILLRACE" "$command" --help
    page=man/millrace-$command.1
    [ -f "$page" ] || { not_ok "$command has a manual page"; continue; }
    in_help=$(all_help "$command" | sed -nE 's/^  --([a-z-]+).*/\1/p' | sort -u)
    in_page=$(sed -nE 's/^\.It Fl -([a-z-]+).*/\1/p' "$page" | sort -u)
    check_equal "$command: help and manual have the same options" "$in_page" "$in_help"
    check "$command: the manual has examples and exit codes" \
        awk '/^.Sh EXAMPLES/ { a = 1 } /^.Sh EXIT STATUS/ { b = 1 } END { exit !(a && b) }' "$page"
    check "$command: it is in millrace(1)" grep -q "^.It Xr millrace-$command 1" man/millrace.1
done
check_equal "manuals pass mandoc's lint" "$(mandoc -Tlint -W warning man/*.1 2>&1)" ""
for kind in source operator sink; do
    for name in $("$MILLRACE" help $kind | awk '{ print $1 }'); do
        check_match "help $kind $name" "$("$MILLRACE" help $kind "$name")" "^$kind $name: [a-zA-Z]"
    done
done
check_status "help for a plugin that is not there" 2 "$MILLRACE" help source itch_fil
check_match "the nearest plugin is named" "$("$MILLRACE" help source itch_fil 2>&1)" '"itch_file"'

# ---- check ---------------------------------------------------------------------------------------
pipeline small "count: 1000"
check_match "check prints the plan" "$("$MILLRACE" check "$WORK/small.yaml")" 'good.*rings.*ingress.*16 MiB.*mock'
check_equal "check --json" "$("$MILLRACE" check "$WORK/small.yaml" --json | jq -r '.schemas_out[0].fields[1].name')" value
check_equal "check --set" "$("$MILLRACE" check "$WORK/small.yaml" --json --set ring.size=1MiB | jq .rings.ingress.capacity_bytes)" 1048576
check_status "a pipeline file that is not there" 3 "$MILLRACE" check "$WORK/absent.yaml"
printf 'source: {type: mock}\nsnik: {type: csv}\n' >"$WORK/wrong.yaml"
check_status "an unknown key" 3 "$MILLRACE" check "$WORK/wrong.yaml"
check_match "file, line and key are named" "$(cat "$WORK/out")" 'wrong.yaml:2: .*snik'
check_status "run says the same and starts nothing" 3 "$MILLRACE" run "$WORK/wrong.yaml"
check_status "--set of an unknown key" 3 "$MILLRACE" run "$WORK/small.yaml" --set source.cuont=3
check_match "an override that is wrong is named as such" "$(cat "$WORK/out")" '--set.*source.cuont'

# ---- run -----------------------------------------------------------------------------------------
final=$("$MILLRACE" run "$WORK/small.yaml" --json)
check_equal "run --json: exit code in the object" "$(jq .exit_code <<<"$final")" 0
check_equal "run --json: balance" "$(jq .balance <<<"$final")" true
check_equal "run --json: every count of every stage" \
    "$(jq -c '[.stages[] | .in, .out, .filtered, .duplicate, .late, .rejected, .dropped, .in_flight]' <<<"$final")" \
    '[1000,1000,0,0,0,0,0,0,1000,1000,0,0,0,0,0,0,1000,1000,0,0,0,0,0,0]'
check_equal "run --json: counts by schema" "$(jq .stages.transform.schemas_in.mock <<<"$final")" 1000
check_equal "run --json: latencies" \
    "$(jq -c '[.latency_ns[] | .count]' <<<"$final")" '[1000,1000,1000,1000,1000,1000]'
check_equal "run --json: the percentiles" "$(jq -c '.latency_ns.end_to_end | keys_unsorted' <<<"$final")" \
    '["p50","p90","p99","p99.9","p99.99","max","count"]'
check_equal "run --json: percentiles rise" \
    "$(jq '.latency_ns.end_to_end | [.p50, .p90, .p99, ."p99.9", ."p99.99", .max] | . == sort' <<<"$final")" true
check_equal "run --json: the sink's files" "$(jq -r '.sink.files[0]' <<<"$final")" "$WORK/small.journal"
check_equal "the segments are gone" "$(ls "$runs/small" | grep -cE 'ring|stage$')" 0
check_equal "stat of an ended run is its final status" "$("$MILLRACE" stat small --json)" "$final"
check_status "balance of an ended run" 0 "$MILLRACE" balance small
check_status "stat of a run that never was" 2 "$MILLRACE" stat never
text=$("$MILLRACE" run "$WORK/small.yaml")
check_match "run prints counts, balance, latencies, results" "$text" \
    '1,000 records.*balance: exact.*latency.*p99\.9.*end_to_end.*results'
"$MILLRACE" run "$WORK/small.yaml" --set sink.type=csv --set sink.path=- >"$WORK/stdout" 2>"$WORK/stderr"
check_equal "a sink on standard output has it for itself" "$(wc -l <"$WORK/stdout")" 1001
check_match "the summary then goes to standard error" "$(cat "$WORK/stderr")" 'balance: exact'
check_status "shared memory that cannot be written" 6 env MILLRACE_SHM=/proc "$MILLRACE" run "$WORK/small.yaml"

# ---- while it runs -------------------------------------------------------------------------------
port=$((20000 + $$ % 20000))
pipeline live "rate: 5000, run_time: 60s"
"$MILLRACE" run "$WORK/live.yaml" --json --set metrics.port=$port >"$WORK/final" 2>"$WORK/log" &
run=$!
check "records arrive" wait_for 10 records_at_least live 1000
emulated "ps shows the stages" "stands first in their command lines" || for stage in produce transform load; do
    check "ps shows millrace $stage" pgrep -P $run -f "^millrace $stage $WORK/live.yaml"
done
check_equal "stat has the object of run --json" \
    "$("$MILLRACE" stat live --json | jq -c '[.stages, .rings, .latency_ns, .sink | keys]')" \
    "$(jq -c '[.stages, .rings, .latency_ns, .sink | keys]' <<<"$final")"
check_equal "stat by the pipeline file" "$("$MILLRACE" stat "$WORK/live.yaml" --json | jq -r .name)" live
check_equal "stat without a name" "$("$MILLRACE" stat --json | jq -r '.name + " " + .phase')" "live running"
for i in 1 2 3 4 5; do check_status "balance while records pass, look $i" 0 "$MILLRACE" balance live; done
metrics=$(curl -s "http://127.0.0.1:$port/metrics")
check_match "metrics" "$metrics" 'millrace_stage_records_in_total\{stage="producer"\} [1-9]'
check_equal "/stat" "$(curl -s "http://127.0.0.1:$port/stat" | jq .balance)" true
check_equal "tap, text" "$("$MILLRACE" tap egress --limit 3 | grep -c '^mock #')" 3
check_equal "tap, CSV, fields, condition" \
    "$("$MILLRACE" tap transform live --format csv --fields id,value --where 'id > 500' --limit 20 |
        awk -F, 'NR == 1 { bad += $0 != "id,value" } NR > 1 { bad += $1 <= 500 } END { print NR - 1, bad + 0 }')" "20 0"
check_equal "tap, NDJSON" "$("$MILLRACE" tap producer live --format ndjson --limit 2 | jq -s 'length')" 2
check_status "tap of what is no ring" 2 "$MILLRACE" tap sideways live
check_status "tap with a field that no schema has" 2 "$MILLRACE" tap egress live --fields colour
check_status "tap with a condition that is none" 2 "$MILLRACE" tap egress live --where 'id >'
check_status "a second run at once" 7 "$MILLRACE" run "$WORK/live.yaml"
check_match "it names the first one's pid" "$(cat "$WORK/out")" "pid $run"
check_status "a second stage at once" 7 "$MILLRACE" load "$WORK/live.yaml"
check_status "clean leaves what runs alone" 7 "$MILLRACE" clean live
check_status "a port in use" 7 "$MILLRACE" run "$WORK/small.yaml" --set metrics.port=$port
check_match "it names the port" "$(cat "$WORK/out")" "127.0.0.1:$port"
kill -TERM $run
wait $run
check_equal "SIGTERM drains" "$? $(jq -c '[.phase, .balance, .exit_code]' "$WORK/final")" '0 ["done",true,0]'
check_equal "everything accepted is in the journal" \
    "$("$MILLRACE" cat "$WORK/live.journal" --format ndjson | wc -l)" "$(jq .stages.producer.in "$WORK/final")"

# ---- when a stage dies ---------------------------------------------------------------------------
pipeline whole "count: 30000, rate: 8000"
"$MILLRACE" run "$WORK/whole.yaml" --json >/dev/null
for victim in producer transform loader; do
    pipeline part "count: 30000, rate: 8000"
    "$MILLRACE" run "$WORK/part.yaml" --json >"$WORK/final" 2>"$WORK/log" &
    run=$!
    wait_for 10 records_at_least part 3000
    kill -9 "$(pid_of part $victim)"
    wait $run
    check_equal "$victim killed: the run ends with 9" "$?" 9
    check_match "$victim killed: it is named" "$(cat "$WORK/log")" "$victim \(pid [0-9]+\) was killed by signal 9"
    check_equal "$victim killed: no stage is left" "$(pgrep -cf "^millrace [a-z]+ $WORK/part.yaml")" 0
    check_status "$victim killed: every record is accounted for" 0 "$MILLRACE" balance part
    "$MILLRACE" clean >"$WORK/out"
    check_match "$victim killed: clean keeps it" "$(cat "$WORK/out")" 'part .*unfinished.*kept'
    "$MILLRACE" run "$WORK/part.yaml" --json >"$WORK/final" 2>"$WORK/log"
    check_equal "$victim killed: the next run finishes it" \
        "$? $(jq -c '[.balance, .stages.loader.out]' "$WORK/final")" '0 [true,30000]'
    check_match "$victim killed: and says that it resumes" "$(cat "$WORK/log")" 'resuming'
    check "$victim killed: the journal is as if nothing had happened" \
        diff -r "$WORK/whole.journal" "$WORK/part.journal"
done

# A second signal halts; what waits in the rings is finished by the next run.
"$MILLRACE" run "$WORK/part.yaml" --json >"$WORK/final" 2>"$WORK/log" &
run=$!
wait_for 10 records_at_least part 3000
kill -STOP "$(pid_of part loader)" # so that there is something in the rings
sleep 0.3
kill -TERM $run
sleep 0.1
kill -TERM $run
wait $run
check_equal "a second signal halts" "$? $(jq .balance "$WORK/final")" "9 true"
check_status "halted: every record is accounted for" 0 "$MILLRACE" balance part
check_match "clean --dry-run only says" "$("$MILLRACE" clean part --dry-run)" 'would be removed, unfinished'
check "and removes nothing" test -e "$runs/part/ingress.ring"
check_status "clean of a named run" 0 "$MILLRACE" clean part
check_equal "its directory is gone" "$(ls "$runs" | grep -cx part)" 0

# The stages outlive their supervisor.
pipeline orphan "count: 20000, rate: 5000"
"$MILLRACE" run "$WORK/orphan.yaml" --json >/dev/null 2>&1 &
run=$!
wait_for 10 records_at_least orphan 1000
kill -9 $run
wait $run 2>/dev/null
check "they finish without it" wait_for 20 sh -c "'$MILLRACE' stat orphan --json | jq -e '.phase == \"done\"'"
check_equal "and everything is there" "$("$MILLRACE" stat orphan --json | jq .stages.loader.out)" 20000

# ---- by hand, in any order -----------------------------------------------------------------------
order=0
for stages in "produce transform load" "load transform produce" "transform load produce"; do
    order=$((order + 1))
    pipeline hand$order "count: 30000"
    pids=
    for stage in $stages; do
        "$MILLRACE" $stage "$WORK/hand$order.yaml" >/dev/null 2>>"$WORK/log" &
        pids="$pids $!"
        sleep 0.2
    done
    codes=
    for pid in $pids; do
        wait "$pid"
        codes="$codes$?"
    done
    check_equal "$stages: all end well" "$codes" 000
    check_equal "$stages: everything arrives" "$("$MILLRACE" cat "$WORK/hand$order.journal" --format ndjson | wc -l)" 30000
    check_equal "$stages: balance" "$("$MILLRACE" balance hand$order --json | jq .balance)" true
done

# ---- on a terminal -------------------------------------------------------------------------------
check_status "top without a terminal" 2 "$MILLRACE" top
pipeline screen "rate: 1000, run_time: 3s"
script -qec "stty cols 100; '$MILLRACE' run '$WORK/screen.yaml'" /dev/null </dev/null >"$WORK/screen" 2>&1 &
run=$!
wait_for 10 records_at_least screen 100
top=$( (sleep 1.5; echo q) | TERM=xterm script -qec "'$MILLRACE' top" /dev/null)
check_match "top shows the run" "$top" 'screen.*producer.*ingress.*balance'
wait $run
check_match "run shows live progress" "$(cat "$WORK/screen")" 'ingress +\[.*egress +\[.*latency \(p50 / p99\)'
check_match "and the balance at the end" "$(cat "$WORK/screen")" 'balance: exact'

"$MILLRACE" clean >"$WORK/out"
check_equal "clean leaves nothing of what has ended" "$(ls "$runs" 2>/dev/null | wc -l)" 0
check_match "and says so" "$("$MILLRACE" clean)" 'nothing to clean'
finish
