#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Several sources merged by event time: the same bytes, whoever dies, whatever is stopped, and with the power gone. A
# source that says nothing holds the others up, and nothing hangs over it.
. "$(dirname "$0")/../support/bad_input.sh"
cd "$WORK" || exit 1
run_directory=$SHM/millrace-$(id -u)
for k in 0 1 2; do
    awk -v k=$k 'BEGIN { srand(k + 1); print "at,who,n"; for (i = 0; i < 60000 - 15000 * k; i++) {
        t += int(rand() * (3 + k)); print t "," k "," i } }' >$k.csv
done
# Busy for a while with each record, so that there is time to stop.
slow_script 1200 >slow.lua
pipeline() { # NAME FIRST_SOURCE [MORE]
    cat >"$1.yaml" <<END
name: $1
merge: time
schemas:
  - name: tick
    time: at
    fields: [{name: at, type: timestamp, format: s}, {name: who, type: u32}, {name: n, type: u64}]
source:
  - {type: lines, format: csv, schema: tick, $2}
  - {type: lines, format: csv, schema: tick, path: 1.csv}
  - {type: lines, format: csv, schema: tick, path: 2.csv}
transform: [script: {path: slow.lua}]
ring: {size: 256KiB}
sink: {type: journal, path: $1, segment_size: 4MiB}
${3:-}
END
}
start() { # NAME: in the background; a run that hangs is ended
    timeout -s KILL 60 "$MILLRACE" run "$1.yaml" --json >"$1.final" 2>"$1.log" &
    run=$!
}
stop_in() { # SECONDS NAME: one SIGTERM to the supervisor
    sleep "$1"
    pkill -TERM -f "^$MILLRACE run $2.yaml"
    wait $run
}
stop_at() { # RECORDS NAME: when the transform has taken them, for how far a run is by the clock is the machine's
    until "$MILLRACE" stat "$2" --json 2>/dev/null | jq -e ".stages.transform | .alive and .in >= $1" >/dev/null; do sleep 0.005; done
    stop_in 0 "$2"
}
text() { "$MILLRACE" cat "$1" --format csv; }

pipeline whole "path: 0.csv"
check_status "undisturbed" 0 "$MILLRACE" run whole.yaml
expected=$(cat whole/*.mrj | md5sum)
check_equal "in the order of their times" "$(text whole | tail -n +2 | cut -d, -f3,7 | sort -c -t, -k1,1 2>&1)" ""
check_equal "of equal times the lower source first" \
    "$(text whole | tail -n +2 | awk -F, '$3 == t && $7 < w { n++ } { t = $3; w = $7 } END { print n + 0 }')" 0
check_equal "each record once" "$(text whole | tail -n +2 | cut -d, -f7,8 | sort | uniq -d | wc -l) $(text whole | wc -l)" \
    "0 135001"

# ---- stopped, and run again --------------------------------------------------------------------------
for how in kept gone; do # the shared memory, in between
    pipeline stopped "path: 0.csv"
    rm -rf stopped
    for after in 2000 20000 40000 60000; do
        start stopped
        stop_at $after stopped
        check_equal "$how, stopped after $after records" \
            "$? $(jq .balance stopped.final) $(ls -A stopped | grep -c session)" "0 true 1"
        [ $how = gone ] && rm -rf "$run_directory/stopped"
    done
    check_status "$how: run to its end" 0 "$MILLRACE" run stopped.yaml
    check_equal "$how: the same bytes" "$(cat stopped/*.mrj | md5sum)" "$expected"
    check_equal "$how: nothing is left" "$(ls -A stopped | grep -c session) $(find "$SHM" -name '*.ring' | wc -l)" "0 0"
done

# ---- a producer that nobody starts again --------------------------------------------------------------
for victim in producer producer-2 producer-3; do
    pipeline never "path: 0.csv" "supervise: {restart: never}"
    rm -rf never
    start never
    until pid=$("$MILLRACE" stat never --json 2>/dev/null | jq -er ".stages[\"$victim\"] | select(.alive and .out > 0) | .pid"); do
        sleep 0.01
    done
    kill -9 "$pid"
    wait $run
    check_equal "$victim dies for good" "$? $(jq .balance never.final)" "9 true"
    check_status "$victim: gone on with" 0 "$MILLRACE" run never.yaml
    check_equal "$victim: the same bytes" "$(cat never/*.mrj | md5sum)" "$expected"
done

# ---- a source that says nothing ------------------------------------------------------------------------
head -n 1 0.csv >silent.csv
pipeline silent "path: silent.csv, follow: true"
start silent
until "$MILLRACE" stat silent --json 2>/dev/null | jq -e '.waits.state == "pressed"' >/dev/null; do sleep 0.05; done
check_match "it is said who is waited for" "$("$MILLRACE" stat silent --json | jq -r .waits.chain)" \
    "the producer-[23] waits .* for room in the ingress-[23] ring: the transform waits .* for records of the producer"
stop_in 0 silent
check_equal "stopped all the same" "$? $(jq -c '[.balance, .stages.transform.in]' silent.final)" "0 [true,0]"
tail -n +2 0.csv >>silent.csv
start silent
until "$MILLRACE" stat silent --json 2>/dev/null | jq -e '.stages.producer.in == 60000' >/dev/null; do sleep 0.05; done
stop_in 0.2 silent
check_equal "when it speaks they go on" "$? $(jq -c '[.balance, .stages.transform.in > 0]' silent.final)" "0 [true,true]"
check_equal "and what is written is the beginning of the whole" "$(text silent | cut -d, -f1-3,5- | md5sum)" \
    "$(text whole | head -n "$(text silent | wc -l)" | cut -d, -f1-3,5- | md5sum)"
check_match "given up" "$("$MILLRACE" clean silent.yaml)" "given up"

# ---- refused -------------------------------------------------------------------------------------------
sed 's/path: [12].csv/path: "-"/' whole.yaml >twice.yaml
check_status "standard input twice" 3 "$MILLRACE" check twice.yaml
check_match "it is said of the second" "$(cat out)" "source\[2\].path: found -, standard input, which another source reads"
sed 's/path: 1.csv/path: "-"/' whole.yaml >piped.yaml
expected=$(text whole | cut -d, -f1-3,5- | md5sum)
rm -rf whole
check_status "a source that is not the first from standard input" 0 "$MILLRACE" run piped.yaml <1.csv
check_equal "standard input: the same records" "$(text whole | cut -d, -f1-3,5- | md5sum)" "$expected"
finish
