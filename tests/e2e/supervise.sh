#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What `run` does about stages that die, that stand still, that outlive it: they are started again, waited for,
# adopted; and in the end the journal is that of an undisturbed run. Sinks append: what was done twice would show.
. "$(dirname "$0")/../support/bad_input.sh"
cd "$WORK" || exit 1
stages="producer transform loader"
pipeline() { # NAME RECORDS-A-SECOND [MORE]
    cat >"$1.yaml" <<END
name: $1
source: {type: mock, clock: steps, count: 30000, rate: $2}
sink: {type: journal, path: $1.journal, segment_size: 4MiB}
${3:-}
END
}
start() { # NAME: in the background
    rm -rf "$1.journal"
    "$MILLRACE" run "$1.yaml" --json >"$1.final" 2>"$1.log" &
    run=$!
}
look() { "$MILLRACE" stat "$1" --json 2>/dev/null | jq -r "$2"; }
loaded() { [ "$(look "$1" '.stages.loader | select(.alive) | .out')" -ge "$2" ]; }
is() { [ "$(look "$1" "$2")" = "$3" ]; }
pid_of() { look "$1" ".stages.$2 | select(.alive) | .pid"; }
ended() { # NAME WHAT: the run that was started last, and its journal
    wait $run
    check_equal "$2" "$? $(jq -c '[.balance, .stages.loader.out]' "$1.final")" "0 [true,30000]"
    check "$2: the journal is that of an undisturbed run" diff -r whole.journal "$1.journal"
    check_equal "$2: nothing is left in shared memory" \
        "$(find "$SHM" -name '*.ring' -o -name '*.stage' -o -name '*.state' | wc -l)" 0
}
pipeline whole 10000
start whole
wait $run

# ---- dead: started again -------------------------------------------------------------------------
for victim in $stages; do
    pipeline one 10000
    start one
    wait_for 10 loaded one 3000
    kill -9 "$(pid_of one $victim)"
    wait_for 10 is one ".stages.$victim.restarts" 1
    wait_for 10 loaded one 10000
    kill -9 "$(pid_of one $victim)"
    ended one "$victim killed twice"
    check_equal "$victim killed twice: the report says so" "$(jq -c '[.stages[].restarts]' one.final)" \
        "$(for stage in $stages; do [ $stage = $victim ] && echo 2 || echo 0; done | jq -sc .)"
    check_match "$victim killed twice: and the log why" "$(cat one.log)" \
        "$victim \(pid [0-9]+\) was killed by signal 9.*starting it again in 0.0 s.*1. of 5.*starting it again in 0.1 s.*2. of 5"
done
check_match "restarts in the text" "$("$MILLRACE" stat one)" "loader restarts: 2"

pipeline all 10000
start all
wait_for 10 loaded all 5000
kill -9 $(for stage in $stages; do pid_of all $stage; done)
ended all "all at once"

pipeline draining 10000
sed -i 's/count: 30000, rate: 10000/interval: 1ms/' draining.yaml
start draining
wait_for 10 loaded draining 500
kill -STOP "$(pid_of draining loader)"
kill -TERM $run
wait_for 10 is draining .stages.producer.phase done
kill -9 "$(pid_of draining loader)"
wait $run
check_equal "killed while it drains: it is drained all the same" "$? $(jq -c '[.balance, .phase,
    .stages.loader.in == .stages.producer.out]' draining.final)" '0 [true,"done",true]'

# ---- too often, or not at all ------------------------------------------------------------------------
pipeline often 10000 "supervise: {limit: 2, within: 30s, backoff: 10ms}"
start often
wait_for 10 loaded often 1000
for i in 0 1 2; do
    wait_for 10 is often ".stages.loader | select(.alive) | .restarts" $i
    kill -9 "$(pid_of often loader)"
done
wait $run
check_equal "a limit: the run ends" "$? $(jq .balance often.final)" "9 true"
check_match "it says how often, in what time, and why" "$(jq -r .problem often.final)" \
    'loader \(pid [0-9]+\) was killed by signal 9 \(Killed\); it was started again 2 times within 30 s and is not started any more'
"$MILLRACE" run often.yaml --json >often.final 2>often.log
check_equal "and the next run finishes it" "$? $(jq -c '[.balance, .stages.loader.out]' often.final)" "0 [true,30000]"
check "with the same journal" diff -r whole.journal often.journal

pipeline never 10000 "supervise: {restart: never}"
start never
wait_for 10 loaded never 1000
kill -9 "$(pid_of never loader)"
wait $run
check_equal "restart: never" "$? $(jq .stages.loader.restarts never.final)" "9 0"
"$MILLRACE" clean never >/dev/null

# ---- an error that may pass: the sink's directory is gone for a while ------------------------------------
pipeline moved 10000 "supervise: {limit: 100, backoff: 50ms, backoff_max: 50ms}"
sed -i 's/path: moved.journal/path: box\/moved.journal/' moved.yaml
mkdir box
start moved
wait_for 10 loaded moved 3000
mv box away
wait_for 10 grep -q "moved.journal.*starting it again.*2. of 100" moved.log
until rm -rf box && mv -T away box; do :; done 2>/dev/null # the loader that tries makes one
wait $run
check_equal "a directory that is gone: tried again until it is back" "$? $(jq .balance moved.final)" "0 true"
check "a directory that is gone: the journal is that of an undisturbed run" diff -r whole.journal box/moved.journal

# ---- stalled: waited for ----------------------------------------------------------------------------
pipeline still 10000
start still
wait_for 10 loaded still 3000
pid=$(pid_of still transform)
kill -STOP "$pid"
stopped=$EPOCHREALTIME
wait_for 10 grep -q "no sign of life" still.log
late=$(awk -v a="$stopped" -v b="$EPOCHREALTIME" 'BEGIN { print b - a }')
check "stopped: an alarm within 2 s, it took $late" awk -v late="$late" 'BEGIN { exit !(late < 2) }'
check_match "stopped: it says who and why" "$(cat still.log)" \
    "transform \(pid $pid, running\) has shown no sign of life for 1\.[0-9] s: it is stopped by a signal"
sleep 1
check_equal "stopped: no one takes its place" "$(look still '[.stages.transform | .pid, .restarts] | @csv')" "$pid,0"
kill -CONT "$pid"
wait_for 10 grep -q "goes on" still.log
check_match "stopped: it says that it goes on" "$(cat still.log)" "transform \(pid $pid\) goes on, after [2-9]\.[0-9] s"
check_equal "stopped: one alarm, and one for its end" "$(grep -c "sign of life" still.log)" 2
ended still "stopped for a while"

# ---- dead behind a source that has failed for good ---------------------------------------------------
# What that had written is finished, whoever dies over it; a run that comes after all of them goes on with the source.
seq 4000 | gzip -c >lines.gz
head -c $(($(stat -c %s lines.gz) * 3 / 4)) lines.gz >cut.gz
slow_script 60000 >slow.lua # there is time to kill behind the damage
damaged() { # NAME
    cp cut.gz "$1.gz"
    cat >"$1.yaml" <<END
name: $1
source: {type: lines, path: $1.gz, format: csv, header: false, schema: line}
schemas: [{name: line, fields: [{name: n, type: u64}]}]
transform: [script: {path: slow.lua}]
sink: {type: journal, path: $1.journal}
END
    start "$1"
}
behind_damage() { # NAME: its producer has failed, and the others are still at what it had written
    wait_for 20 is "$1" .stages.producer.phase failed && wait_for 20 loaded "$1" 1
}
start_again() { # NAME
    "$MILLRACE" run "$1.yaml" --json >"$1.final" 2>"$1.log" &
    run=$!
}
numbers() { "$MILLRACE" cat "$1.journal" --schema line --format csv --fields n | tail -n +2; }
damaged calm
wait $run
check_equal "a damaged input: exit code, balance, phases" "$? $(jq -c '[.balance, .stages[].phase]' calm.final)" \
    '4 [true,"failed","done","done"]'
check "a damaged input: there is something before the damage" test "$(jq .stages.loader.out calm.final)" -gt 1000
finished_up_to_damage() { # NAME WHAT RESTARTS
    wait $run
    check_equal "$2: ends as if nobody had been killed" "$? $(jq -c '[.balance, .stages[].phase], [.stages[].out]' "$1.final")" \
        "4 $(jq -c '[.balance, .stages[].phase], [.stages[].out]' calm.final)"
    check_equal "$2: each record once, in order" "$(numbers "$1" | md5sum)" "$(numbers calm | md5sum)"
    check_equal "$2: it was started again" "$(jq -c '[.stages[].restarts]' "$1.final")" "$3"
    check_equal "$2: nothing is left in shared memory" "$(find "$SHM" -path "*/$1/*.ring" -o -path "*/$1/*.stage" | wc -l)" 0
}
damaged behind
behind_damage behind
kill -9 "$(pid_of behind transform)"
finished_up_to_damage behind "transform killed behind a damaged input" "[0,1,0]"

damaged end
behind_damage end
kill -9 "$(pid_of end loader)"
finished_up_to_damage end "loader killed behind a damaged input" "[0,0,1]"

damaged taken
behind_damage taken
kill -9 $run
wait $run 2>/dev/null
kill -9 "$(pid_of taken transform)"
start_again taken
finished_up_to_damage taken "supervisor and transform killed behind a damaged input" "[0,1,0]"

damaged mended
behind_damage mended
kill -9 $run
wait $run 2>/dev/null
kill -9 $(for stage in transform loader; do pid_of mended $stage; done)
wait_for 10 is mended '[.stages[] | select(.alive)] | length' 0
cp lines.gz mended.gz
start_again mended
wait $run
check_equal "all killed behind a damaged input that is mended then" \
    "$? $(jq -c '[.balance, .stages.loader.out]' mended.final)" "0 [true,4000]"
check_equal "all killed behind a damaged input: each record once, in order" \
    "$(numbers mended | md5sum)" "$(seq 4000 | md5sum)"

# ---- the supervisor itself --------------------------------------------------------------------------
pipeline orphan 10000
start orphan
wait_for 10 loaded orphan 2000
pids=$(look orphan '[.stages[].pid] | @csv')
check_status "a second run while the supervisor lives" 7 "$MILLRACE" run orphan.yaml
kill -9 $run
wait $run 2>/dev/null
check_status "other settings are refused" 6 "$MILLRACE" run orphan.yaml --set source.rate=20000
check_match "it says which" "$(cat "$WORK/out")" "the producer of \"orphan\" runs \(pid [0-9]+\) with another .source:."
check_status "so are other rings" 6 "$MILLRACE" run orphan.yaml --set ring.size=1MiB
"$MILLRACE" run orphan.yaml --json >orphan.final 2>orphan.log &
run=$!
wait_for 10 grep -q "adopted the loader" orphan.log
check_equal "the living stages are adopted" "$(look orphan '[.stages[].pid] | @csv') $(grep -c adopted orphan.log)" "$pids 3"
kill -9 "$(pid_of orphan transform)"
wait_for 10 is orphan .stages.transform.restarts 1
ended orphan "adopted, and one killed then"

for victim in $stages; do
    pipeline pair 10000
    start pair
    wait_for 10 loaded pair 2000
    kill -9 $run "$(pid_of pair $victim)"
    wait $run 2>/dev/null
    "$MILLRACE" run pair.yaml --json >pair.final 2>pair.log &
    run=$!
    ended pair "supervisor and $victim killed"
    # Three, where the dying supervisor had still started it.
    check_match "supervisor and $victim killed: two are adopted, one is started" \
        "$(grep -c adopted pair.log) $(jq -c '[.stages[].restarts] | add' pair.final)" "^[23] 1$"
done

pipeline over 10000
start over
wait_for 10 loaded over 2000
kill -9 $run
wait $run 2>/dev/null
wait_for 20 is over '.phase' done
check_equal "supervisor killed: the stages end well without it" "$(look over .stages.loader.out)" 30000
"$MILLRACE" run over.yaml --json >over.final 2>over.log &
run=$!
ended over "all had ended: the run is reported, not repeated"
"$MILLRACE" run over.yaml --json >over.final 2>over.log
check_equal "and the run after it is another one" "$? $("$MILLRACE" verify over.journal --json | jq .records)" "0 60000"
finish
