#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Each stage, and the supervisor, stopped by SIGSTOP while records come: `stop.sh SECONDS`, each for so long, in
# runs of their own side by side. Nobody takes the place of a process that lives; log, status and metrics raise the
# alarm; what waits, waits; after SIGCONT all goes on, and the journal is that of an undisturbed run. The last line
# is the figure.
. "$(dirname "$0")/../support/e2e.sh"
stop_s=${1:?usage: stop.sh SECONDS}
export MILLRACE_SHM=$SHM
rate=2000
count=$((rate * (stop_s + 6)))
cd "$WORK" || exit 1

pipeline() { # NAME
    cat >"$1.yaml" <<END
name: $1
source: {type: mock, clock: steps, count: $count, rate: $rate}
transform: [{filter: "id % 10 != 3"}]
ring: {size: 64KiB}
sink: {type: journal, path: $1, existing: replace, segment_size: 1MiB}
END
}
now() { echo $((${EPOCHREALTIME/./} / 1000)); } # ms
wait_for() { # MILLISECONDS COMMAND...: until it succeeds
    local until=$(($(now) + $1))
    shift
    until "$@" >/dev/null 2>&1; do
        [ "$(now)" -lt $until ] || return 1
        sleep 0.05
    done
}
stat() { "$MILLRACE" stat "$1" --json 2>/dev/null; }
loaded() { stat "$1" | jq -e ".stages.loader.alive and .stages.loader.out > $2"; }
metric() { curl -sf "http://127.0.0.1:$1/metrics" | grep -qxF "$2"; }
seen_in_stat() { stat "$1" | jq -e ".stages.$2.stalled and .stages.$2.stall_cause == \"stopped\""; }

# alarm SOURCE COMMAND...: notes how long after the stop it succeeded, in ms.
alarm() {
    local source=$1
    shift
    if wait_for 5000 "$@"; then echo $(($(now) - stopped_ms)) >"$name.$source.ms"; else echo never >"$name.$source.ms"; fi
}

# Two of one pipeline: whoever comes is refused, and told who is there.
refused() { # NAME COMMAND
    check_status "$1: a second \`$2\` is refused" 7 timeout -k 3 30 "$MILLRACE" "$2" "$1.yaml"
}

# stopped VICTIM: a run with its victim stopped. The figures go to files of its name.
stopped() {
    local victim=$1 name=stop-$1 run pid before after
    failures=0
    pipeline "$name"
    "$MILLRACE" run "$name.yaml" --json --set metrics.port=$port >"$name.final" 2>"$name.log" &
    run=$!
    check "$victim: records arrive" wait_for 20000 loaded "$name" 1000
    before=$(stat "$name" | jq -c '[.stages[].pid]')
    pid=$run
    [ "$victim" != run ] && pid=$(stat "$name" | jq ".stages.$victim.pid")
    kill -STOP "$pid"
    stopped_ms=$(now)
    if [ "$victim" != run ]; then
        alarm log grep -q "$victim .*no sign of life.*stopped by a signal" "$name.log" &
        alarm stat seen_in_stat "$name" "$victim" &
        alarm metrics metric "$port" "millrace_stage_stalled{stage=\"$victim\",cause=\"stopped\"} 1" &
    fi
    sleep 2.5
    for command in run produce transform load; do refused "$name" $command; done
    while [ "$(now)" -lt $((stopped_ms + stop_s * 1000 - 300)) ]; do sleep 0.1; done
    after=$(stat "$name")
    check_equal "$victim: nobody took its place" "$(jq -c '[.stages[].pid]' <<<"$after")" "$before"
    check_equal "$victim: all live" "$(jq -c '[.stages[].alive]' <<<"$after")" "[true,true,true]"
    [ "$victim" = run ] || check_match "$victim: at the end of the chain stands the cause" "$(jq -r .waits.chain <<<"$after")" \
        "the $victim \(pid $pid\) has shown no sign of life for .*stopped by a signal\$"
    [ "$victim" != loader ] || check_match "loader: it is felt up to the source" "$(jq -r .waits.chain <<<"$after")" \
        '^the producer waits .* for room in the ingress ring: the transform waits .* for room in the egress ring: the loader'
    kill -CONT "$pid"
    wait $run
    check_equal "$victim: it goes on to the end" "$? $(jq -c '[.balance, .stages.producer.in]' "$name.final")" "0 [true,$count]"
    for source in log stat metrics; do
        [ "$victim" = run ] || check "$victim: alarm in $source within 2 s, after $(cat "$name.$source.ms") ms" test "$(cat "$name.$source.ms")" -le 2000
    done
    return $failures
}

pipeline whole
"$MILLRACE" run whole.yaml --json >whole.final 2>&1 &
jobs=()
whole=$!
first_port=$((20000 + $$ % 12000))
for victim in producer transform loader run; do
    port=$((first_port++))
    (
        trap - EXIT
        stopped $victim
    ) >"$victim.out" 2>&1 &
    jobs+=($!)
done
for job in "${jobs[@]}"; do wait "$job" || failures=$((failures + $?)); done
cat {producer,transform,loader,run}.out
check "an undisturbed run beside them" wait $whole
for victim in producer transform loader run; do
    check "$victim: the journal is that of the undisturbed run" diff -r whole stop-$victim
done
figure="each stage and the supervisor stopped for $stop_s s: $failures failed; ms to the alarm (log, status, metrics):"
for victim in producer transform loader; do figure="$figure $victim $(cat stop-$victim.{log,stat,metrics}.ms | xargs)"; done
echo "$figure"
finish
