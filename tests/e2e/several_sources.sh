#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A run of several sources: each record of each of them once, in its source's order, whoever dies on the way; dead
# letters of each producer by themselves; what is refused, and what is gone on with.
. "$(dirname "$0")/../support/bad_input.sh"
cd "$WORK" || exit 1
records=20000
stages="producer producer-2 producer-3 transform loader"
run_directory=$SHM/millrace-$(id -u)
seq $records | sed 's/.*/{"a":&}/' >a.ndjson
seq $records | awk '{ if ($1 % 1000 == 0) print "bad,bad"; print $1 "," 2 * $1 }' >b.csv
# Busy for a while with each record, so that there is time to kill.
slow_script 2000 >slow.lua
pipeline() { # NAME [SOURCES [MORE]]
    cat >"$1.yaml" <<END
name: $1
source:
${2:-  - {type: lines, path: a.ndjson, format: ndjson, schema: a\}
  - {type: lines, path: b.csv, format: csv, header: false, schema: b\}
  - {type: mock, schema: c, clock: steps, count: $records\}}
schemas:
  - {name: a, fields: [{name: a, type: u64}]}
  - {name: b, fields: [{name: b, type: u64}, {name: twice, type: u64}]}
  - {name: c, fields: [{name: c, type: u32}]}
transform: [script: {path: slow.lua}]
ring: {size: 64KiB}
sink: {type: journal, path: $1, segment_size: 1MiB}
supervise: {limit: 100, backoff: 10ms}
${3:-}
END
}
start() { # NAME: in the background, without a journal from before
    rm -rf "$1" "$1.dead"
    "$MILLRACE" run "$1.yaml" --json >"$1.final" 2>"$1.log" &
    run=$!
}
look() { "$MILLRACE" stat "$1" --json 2>/dev/null | jq -r "$2"; }
loaded() { [ "$(look "$1" '.stages.loader | select(.alive) | .out')" -ge "$2" ] 2>/dev/null; }
reached() { # NAME RECORDS: waits until so many are loaded; false where the run is over before
    until loaded "$1" "$2"; do
        kill -0 $run 2>/dev/null || return 1
        sleep 0.01
    done
}
stop_drain() { # a run of it, after a tenth
    pipeline drain
    start drain
    reached drain $((records / 10))
    kill -TERM $run
    wait $run
}
pid_of() { look "$1" ".stages[\"$2\"] | select(.alive) | .pid"; }
pid_is() { [ "$(pid_of "$1" "$2")" = "$3" ]; }
is_failed() { [ "$(look "$1" ".stages[\"$2\"].phase")" = failed ]; }
fields() { "$MILLRACE" cat "$1" --schema "$2" --format csv --fields "$3" 2>/dev/null | tail -n +2; }
digest() { # JOURNAL: of each source's records, and of the dead letters
    { fields "$1" a a; echo; fields "$1" b b,twice; echo; fields "$1" c c,sequence; echo; ls "$1.dead"
        letters "$1.dead/producer-2" | sed 's/cut.gz/b.csv/'; } | md5sum
}
segments() { find "$SHM" -name '*.ring' -o -name '*.stage' -o -name '*.state' | wc -l; }
ended() { # NAME WHAT: the run that was started last
    wait $run
    check_equal "$2: ends well, balanced" "$? $(jq -c '[.balance, .records, .stages.loader.out]' "$1.final")" \
        "0 [true,$((3 * records + records / 1000)),$((3 * records))]"
    check_equal "$2: each record and each letter once, in order" "$(digest "$1")" "$expected"
    check_equal "$2: nothing is left in shared memory" "$(segments)" 0
}

# ---- undisturbed -----------------------------------------------------------------------------------
pipeline single "  {type: mock, schema: c, clock: steps, count: $records}"
run single.yaml
pipeline whole
check_equal "check names the sources" \
    "$("$MILLRACE" check whole.yaml --json | jq -c '[.sources, .rings | length], .after_power_cut')" $'[3,8]\n"refused"'
run whole.yaml
check_equal "undisturbed: balanced, phase" "$status $(jq -c '[.balance, .phase, .records]' final)" \
    "0 [true,\"done\",$((3 * records + records / 1000))]"
check_equal "a page for each producer" "$(jq -c '[.stages | to_entries[] | .key, .value.out]' final)" \
    "[\"producer\",$records,\"producer-2\",$records,\"producer-3\",$records,\"transform\",$((3 * records)),\"loader\",$((3 * records))]"
check_equal "the first source, in order" "$(fields whole a a | md5sum)" "$(seq $records | md5sum)"
check_equal "the second one" "$(fields whole b b,twice | md5sum)" \
    "$(seq $records | awk '{ print $1 "," 2 * $1 }' | md5sum)"
check_equal "the third one is that of a run by itself" "$(fields whole c c,sequence | md5sum)" \
    "$(fields single c c,sequence | md5sum)"
check_equal "dead letters of the second producer, and of no other" "$(ls whole.dead) $(letters whole.dead/producer-2 |
    jq -r .sequence | md5sum)" "producer-2 $(seq 1000 1001 $((1001 * records / 1000 - 1)) | md5sum)"
check_match "they say where" "$(letters whole.dead/producer-2 | sed -n 2p)" 'b.csv:2001: field b: found .*bad'
check_equal "its end leaves no session" "$(ls -A whole | grep -c session)" 0
expected=$(digest whole)

# Four, none of which has much to do: hardened, however the stages wait, and where one of them gives nothing.
touch nothing
for how in "harden: true" "wait: park" "wait: [yield, park, auto]" "placement: auto"; do
    pipeline four "  - {type: lines, path: nothing, format: ndjson, schema: a}
  - {type: lines, path: b.csv, format: csv, header: false, schema: b}
  - {type: lines, path: a.ndjson, format: ndjson, schema: a}
  - {type: mock, schema: c, rate: 1000, clock: steps, count: 500}" "$how"
    sed -i '/^transform/d' four.yaml
    rm -rf four four.dead
    leaks= # a sanitizer looks for them from another process, which the filter refuses
    [ "$how" = "harden: true" ] && leaks=:detect_leaks=0
    ASAN_OPTIONS="${ASAN_OPTIONS:-}$leaks" run four.yaml
    check_equal "four sources, $how" "$status $(jq -c '[.balance] + [.stages[].out]' final) $(ls four.dead)" \
        "0 [true,0,$records,$records,500,$((2 * records + 500)),$((2 * records + 500))] producer-2"
    check_equal "four sources, $how: in order" "$(fields four a a | md5sum) $(fields four c sequence | md5sum)" \
        "$(seq $records | md5sum) $(seq 500 | md5sum)"
done
run four.yaml --set sink="{type: csv, path: four.csv}"
check_equal "into text files, one a schema" "$status $(jq .balance final) $(tail -n +2 four.a.csv | md5sum) $(wc -l <four.c.csv)" \
    "0 true $(seq $records | md5sum) 501"

# ---- killed ----------------------------------------------------------------------------------------
# Again and again, as the loader gets on.
for victim in $stages; do
    pipeline part
    start part
    kills=0
    for at in 2000 9000 16000 23000 30000; do
        reached part $((at * records / 20000)) || break
        pid=$(pid_of part "$victim")
        [ -n "$pid" ] && kill -9 "$pid" && kills=$((kills + 1))
    done
    ended part "$victim killed $kills times"
    check "$victim: it was killed" test $kills -ge 2
    check_equal "$victim: the report says so, of no other" \
        "$(jq -c '[.stages[].restarts]' part.final)" \
        "$(for stage in $stages; do [ $stage = $victim ] && echo $kills || echo 0; done | jq -sc .)"
done

pipeline all
start all
reached all $((records / 2))
kill -9 $(for stage in $stages; do pid_of all $stage; done)
ended all "all at once"

# Whoever comes next, the supervisor too.
pipeline turns
sed 's/2000/6000/' slow.lua >slower.lua
sed -i 's/slow.lua/slower.lua/' turns.yaml
start turns
kills=0
for at in $(seq 2500 2500 42500); do
    set -- $stages run
    shift $((kills % $#))
    reached turns $((at * records / 20000)) || break
    if [ "$1" = run ]; then
        kill -9 $run
        wait $run 2>/dev/null
        "$MILLRACE" run turns.yaml --json >turns.final 2>turns.log &
        run=$!
    else
        pid=$(pid_of turns "$1")
        [ -n "$pid" ] && kill -9 "$pid"
    fi
    kills=$((kills + 1))
done
ended turns "each in turn, $kills times in all"
check "it was often enough" test $kills -ge 12

pipeline orphan
start orphan
reached orphan $((records / 2))
kill -9 $run
wait $run 2>/dev/null
check_status "other settings are refused" 6 "$MILLRACE" run orphan.yaml --set source.2.count=5
"$MILLRACE" run orphan.yaml --json >orphan.final 2>orphan.log &
run=$!
wait_for 20 grep -q "adopted the loader" orphan.log
kill -9 "$(pid_of orphan producer-2)"
ended orphan "supervisor killed, then the second producer"
check_equal "each living stage was adopted" "$(grep -c adopted orphan.log)" 5

# ---- looked at, and told to drain -------------------------------------------------------------------
pipeline drain
start drain
reached drain $((records / 10))
check_match "tap a producer" "$(timeout 10 "$MILLRACE" tap producer-2 drain --format csv --limit 3)" \
    $'b,twice\nb(,[0-9]*)+\nb(,[0-9]*)+\nb(,[0-9]*)+$'
check_equal "tap its ring" "$(timeout 10 "$MILLRACE" tap ingress-3 drain --format csv --fields c --limit 5 | wc -l)" 6
check_status "a balance while it runs" 0 "$MILLRACE" balance drain
kill -TERM $run
wait $run
check_equal "SIGTERM drains all" "$? $(jq -c '[.balance, .phase, .stages.loader.out ==
    (.stages | .producer.out + .["producer-2"].out + .["producer-3"].out)]' drain.final)" '0 [true,"done",true]'
check "before the end of each source" test "$(jq '.stages[].out' drain.final | head -n 3 | sort -n | tail -n 1)" -lt $records
for source in a:producer b:producer-2; do
    count=$(jq ".stages[\"${source#*:}\"].out" drain.final)
    check_equal "${source#*:}: its first $count records" "$(fields drain ${source%:*} ${source%:*} | md5sum)" \
        "$(seq "$count" | md5sum)"
done
# The next run goes on with it, and may be stopped as well; nothing is in the rings, but where each source was stands there.
start_again() { # NAME
    "$MILLRACE" run "$1.yaml" --json >"$1.final" 2>"$1.log" &
    run=$!
}
start_again drain
reached drain $((records / 2))
kill -TERM $run
wait $run
check_equal "gone on with, and stopped once more" "$? $(jq .balance drain.final)" "0 true"
check_match "it is said where it waits" "$(cat drain.log)" "stopped before its sources ended; where they were.*$run_directory/drain"
check_match "clean without a name leaves it" "$("$MILLRACE" clean)" "drain.*kept: run it again"
rm -rf kept drain.gone
cp -a "$run_directory/drain" kept
cp -a drain drain.gone
start_again drain
ended drain "gone on with to the end"

# A stage is there already when the next run comes, started by hand or by one that was killed.
rm -rf drain && cp -a drain.gone drain && rm -rf "$run_directory/drain" && cp -a kept "$run_directory/drain"
"$MILLRACE" produce drain.yaml --source 2 --after-others 2>/dev/null &
by_hand=$!
wait_for 20 pid_is drain producer-2 $by_hand
start_again drain
ended drain "gone on with beside a stage by hand"
wait $by_hand

# Its memory is gone.
mv drain drain.whole && mv drain.gone drain
run drain.yaml
check_equal "without its memory: refused, not twice" "$status" 4
check_match "it says why" "$(cat log)" "several sources that ended before they did.*millrace clean drain.yaml"
sed 's/a.ndjson/b.ndjson/' drain.yaml >other.yaml
cp a.ndjson b.ndjson
rm -rf "$run_directory/drain" && cp -a kept "$run_directory/drain"
run other.yaml
check_equal "with other sources: a run of its own, behind it" "$status $(jq -c '[.balance, .stages.producer.out]' final)" "0 [true,$records]"
rm -rf drain drain.dead

# Cut off after it was gone on with: that is no stop any more.
stop_drain
setsid "$MILLRACE" run drain.yaml >/dev/null 2>&1 &
run=$!
reached drain $((records / 2))
kill -9 -- -$run
wait $run 2>/dev/null
rm -rf "${run_directory:?}/drain"
refused "stopped, gone on with and cut off: other settings" 5 "was cut off, with other settings" other.yaml
refused "stopped, gone on with and cut off" 4 "several sources that was cut off" drain.yaml
rm -rf drain drain.dead

# Stages by hand: the first that comes has it go on.
stop_drain
pids=
"$MILLRACE" load drain.yaml 2>hand.load &
pids="$pids $!"
sleep 0.1
"$MILLRACE" transform drain.yaml 2>hand.transform &
pids="$pids $!"
sleep 0.1
for number in 1 2 3; do
    "$MILLRACE" produce drain.yaml --source $number 2>"hand.$number" &
    pids="$pids $!"
done
for pid in $pids; do wait "$pid" || not_ok "a stage by hand" "exit $?: $(cat hand.*)"; done
check_equal "stopped, gone on with by hand: each record and each letter once" "$(digest drain)" "$expected"
"$MILLRACE" clean drain >/dev/null

# Files that grow are stopped and gone on with again and again.
grow() { # FIRST LAST: so many lines more of each
    sed -n "$1,$2p" a.ndjson >>a.growing
    sed -n "$1,$2p" b.csv >>b.growing
}
grown() { echo $(($(wc -l <a.growing) + $(grep -cv bad b.growing))); }
all_loaded() { [ "$(look growing .stages.loader.out)" = "$(grown)" ]; }
pipeline growing "  - {type: lines, path: a.growing, follow: true, format: ndjson, schema: a}
  - {type: lines, path: b.growing, follow: true, format: csv, header: false, schema: b}"
grow 1 $((records / 2))
start growing
for part in 1 2 3; do
    wait_for 20 all_loaded
    kill -TERM $run
    wait $run
    check_equal "files that grow: stopped for the $part. time" "$? $(jq -c '[.balance, .stages.loader.out]' growing.final)" \
        "0 [true,$(grown)]"
    grow $((records / 2 + part * 1000 - 999)) $((records / 2 + part * 1000))
    [ $part = 3 ] || start_again growing
done
check_equal "files that grow: each line once" "$(fields growing a a | md5sum) $(fields growing b b,twice | md5sum)" \
    "$(jq .a a.growing | head -n -1000 | md5sum) $(grep -v bad b.growing | head -n -999 | md5sum)"
check_match "given up by its name" "$("$MILLRACE" clean growing.yaml)" "given up"

# ---- by hand -----------------------------------------------------------------------------------------
pipeline hand
for number in 0 4 x; do
    check_status "there is no source $number" 2 "$MILLRACE" produce hand.yaml --source $number
done
pids=
for number in 3 1 2; do
    "$MILLRACE" produce hand.yaml --source $number 2>"hand.$number" &
    pids="$pids $!"
done
"$MILLRACE" transform hand.yaml 2>hand.transform &
pids="$pids $!"
check_status "stages by hand: the loader" 0 "$MILLRACE" load hand.yaml
for pid in $pids; do wait "$pid" || not_ok "a stage by hand" "exit $?: $(cat hand.*)"; done
check_status "stages by hand: balance" 0 "$MILLRACE" balance hand
check_equal "stages by hand: each record and each letter once" "$(digest hand)" "$expected"
"$MILLRACE" clean hand >/dev/null

# One that comes when the others are through already.
pipeline late
rm -rf late
pids=
for number in 1 2; do
    "$MILLRACE" produce late.yaml --source $number 2>/dev/null &
    pids="$pids $!"
done
"$MILLRACE" transform late.yaml 2>/dev/null &
pids="$pids $!"
"$MILLRACE" load late.yaml 2>/dev/null &
pids="$pids $!"
sleep 0.5
check_status "the last producer" 0 "$MILLRACE" produce late.yaml --source 3
wait $pids
check_equal "a producer that comes late: each record once" "$(digest late)" "$expected"
"$MILLRACE" clean late >/dev/null

# ---- one source fails ----------------------------------------------------------------------------------
gzip -kc b.csv >b.gz
head -c $(($(stat -c %s b.gz) / 4)) b.gz >cut.gz
pipeline failing
sed -i 's/b.csv/cut.gz/' failing.yaml
start failing
wait $run
check_equal "a cut file: exit code, balance, phases" "$? $(jq -c '[.balance] + [.stages[].phase]' failing.final)" \
    '4 [true,"done","failed","done","done","done"]'
check_match "it is named" "$(cat failing.log)" "millrace run: producer-2: cut.gz: compressed data damaged or cut"
for source in a:producer b:producer-2; do
    count=$(jq ".stages[\"${source#*:}\"].out" failing.final)
    check_equal "what the ${source#*:} had given is kept" "$(fields failing ${source%:*} ${source%:*} | md5sum)" \
        "$(seq "$count" | md5sum)"
done
check_equal "all of them" "$(jq '.stages | .loader.out == .producer.out + .["producer-2"].out + .["producer-3"].out' \
    failing.final)" true
cp b.gz cut.gz
start_again failing
ended failing "mended, and gone on with"

# The transform dies behind the damage: what had been written is finished all the same. It is stopped before, and the
# rings have room, so that it is not through.
head -c $(($(stat -c %s b.gz) / 4)) b.gz >cut.gz
slow_script 20000 >behind.lua
pipeline behind
sed -i 's/b.csv/cut.gz/; s/slow.lua/behind.lua/; s/64KiB/1MiB/' behind.yaml
start behind
reached behind 1
transform=$(pid_of behind transform)
kill -STOP "$transform"
wait_for 20 is_failed behind producer-2
kill -9 "$transform"
wait $run
check_equal "transform killed behind a cut file: exit code, balance, phases, restarts" \
    "$? $(jq -c '[.balance] + [.stages[].phase], [.stages[].restarts]' behind.final | tr '\n' ' ')" \
    '4 [true,"done","failed","done","done","done"] [0,0,0,1,0] '
check_equal "transform killed behind a cut file: all that was written" \
    "$(jq '.stages | .loader.out == .producer.out + .["producer-2"].out + .["producer-3"].out' behind.final)" true
cp b.gz cut.gz
cp slow.lua behind.lua
start_again behind
ended behind "transform killed behind a cut file: mended, and gone on with"

# ---- refused -------------------------------------------------------------------------------------------
pipeline twins "  - {type: journal, path: one}
  - {type: journal, path: two}"
for name in one two; do
    echo '{"v":1}' >v.ndjson
    printf 'name: %s\nsource: {type: lines, path: v.ndjson, format: ndjson, schema: %s}\nschemas: [{name: %s, fields: [{name: v, type: u64}]}]\nsink: {type: journal, path: %s}\n' \
        $name $name $name $name >$name.yaml
    run $name.yaml
done
check_status "two schemas of one number" 3 "$MILLRACE" check twins.yaml
check_match "it is said where, and which" "$(cat out)" \
    "twins.yaml:4: source\[1\]: found schema two \(id 100\) beside another schema one \(id 100\)"
refused "so does a run" 3 "found schema two" twins.yaml
pipeline five "$(for i in 1 2 3 4 5; do echo '  - {type: mock}'; done)"
refused "five sources" 3 "five.yaml:2: source: found a list of 5 sources, expected 1 to 4" five.yaml

# ---- the power goes --------------------------------------------------------------------------------------
cut_off() { # NAME RECORDS: kills it, with all its memory, once so many are loaded
    rm -rf "$1" "$1.dead" "${run_directory:?}/$1"
    setsid "$MILLRACE" run "$1.yaml" --json >/dev/null 2>&1 &
    run=$!
    reached "$1" "$2"
    kill -9 -- -$run
    wait $run 2>/dev/null
    rm -rf "${run_directory:?}/$1"
    check "$1: cut off in the middle" test -e "$1/.session"
}
pipeline power
cut_off power $((records / 2))
before=$(md5sum power/*.mrj)
refused "cut off: the order is lost" 4 "several sources that was cut off.*in which order.*millrace clean power.yaml" power.yaml
check_equal "cut off: nothing was touched" "$(md5sum power/*.mrj)" "$before"
check_match "cut off: given up" "$("$MILLRACE" clean power.yaml)" "given up"
run power.yaml
check_equal "given up: a new run" "$status $(jq .balance final) $("$MILLRACE" verify power --json | jq -r .state)" "0 true whole"
kept=$(($(fields power a a | wc -l) - records))
check "given up: the part from before stays, $kept records of the first source" test $kept -gt 0
check_equal "given up: and the new run's are behind it" "$(fields power a a | md5sum)" \
    "$( (seq $kept; seq $records) | md5sum)"

pipeline clocks "  - {type: mock, schema: a, rate: 1500, count: 3000, seed: 2}
  - {type: mock, schema: c, rate: 1500, count: 3000}"
cut_off clocks 1000
run clocks.yaml
check_equal "none can be read again: it goes on behind" \
    "$status $(jq -c '[.balance, .records]' final) $("$MILLRACE" verify clocks --json | jq -r .state)" "0 [true,6000] whole"
check "none can be read again: what was there stays" test "$("$MILLRACE" verify clocks --json | jq .records)" -gt 6500
check_equal "none can be read again: no session is left" "$(ls -A clocks | grep -c session)" 0
finish
