#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Stages that are halted or fail while the others run: the run ends, says so, and the next one goes on.
. "$(dirname "$0")/../support/e2e.sh"
export MILLRACE_SHM=$SHM

loaded() { [ "$("$MILLRACE" stat "$1" --json | jq '.stages.loader | select(.alive) | .out')" -ge "$2" ]; }
pid_of() { "$MILLRACE" stat "$1" --json | jq ".stages.$2.pid"; }

# ---- a stage that is halted by hand, on its own ------------------------------------------------------
for stage in producer transform loader; do
    cat >"$WORK/$stage.yaml" <<END
name: $stage
supervise: {restart: never}
source: {type: mock, interval: 1ms}
sink: {type: ndjson, path: $WORK/$stage.ndjson}
END
    timeout -k 1 20 "$MILLRACE" run "$WORK/$stage.yaml" --json >"$WORK/$stage.run" 2>"$WORK/$stage.log" &
    run=$!
    check "$stage: records arrive" wait_for 10 loaded $stage 100
    # A producer would drain at the first signal, and be done: it is killed.
    victim=$(pid_of $stage $stage)
    if [ $stage = producer ]; then
        kill -KILL "$victim"
    else
        kill -TERM "$victim"
        sleep 0.5
        kill -TERM "$victim"
    fi
    wait $run
    check_equal "$stage: one that stops before its work is done ends the run" $? 9
    check_equal "$stage: every record is accounted for" "$(jq .balance "$WORK/$stage.run")" true
    timeout -k 1 20 "$MILLRACE" run "$WORK/$stage.yaml" --json >"$WORK/$stage.run" 2>"$WORK/$stage.log" &
    run=$!
    sleep 1
    kill -TERM $(pgrep -P $run) 2>/dev/null || kill -TERM $run
    wait $run
    check_equal "$stage: the next run finishes it" $? 0
    check_equal "$stage: no line is missing, none is twice" \
        "$(jq -s length "$WORK/$stage.ndjson")" "$(jq .stages.producer.out "$WORK/$stage.run")"
done

# ---- a terminal that hangs up: every process of the group gets the signal ------------------------------
hang_up() { # NAME COMMAND...
    local name=$1
    shift
    cat >"$WORK/$name.yaml" <<END
name: $name
source: {type: mock, interval: 1ms}
sink: {type: ndjson, path: $WORK/$name.ndjson}
END
    setsid "$@" "$MILLRACE" run "$WORK/$name.yaml" --json >"$WORK/$name.run" 2>"$WORK/$name.log" &
    run=$!
    check "$name: records arrive" wait_for 10 loaded "$name" 100
    kill -HUP -- -$run
}
hang_up hangup
wait $run
check_equal "hang-up: drained" "$? $(jq -c '[.balance, .phase]' "$WORK/hangup.run")" '0 [true,"done"]'
check_equal "hang-up: no line is missing" "$(wc -l <"$WORK/hangup.ndjson")" "$(jq .stages.producer.out "$WORK/hangup.run")"
hang_up nohup nohup
if emulated "nohup: it runs on" "does not pass on which signals are ignored"; then
    wait $run
else
    check "nohup: it runs on" wait_for 10 loaded nohup 1500
    kill -TERM $run
    wait $run
    check_equal "nohup: drained when told to" $? 0
fi

# ---- a batch of long records in a small ring ---------------------------------------------------------
cat >"$WORK/long.yaml" <<END
name: long
ring: {size: 64KiB}
batch: 16KiB
schemas:
  - name: blob
    fields: [{name: n, type: u64}, {name: raw, type: bytes, length: 4000}]
source: {type: mock, schema: blob, count: 2000}
sink: {type: ndjson, path: $WORK/long.ndjson}
END
check_status "long records in a small ring" 0 timeout -k 1 20 "$MILLRACE" run "$WORK/long.yaml"
check_equal "all of them arrive" "$(wc -l <"$WORK/long.ndjson")" 2000
finish
