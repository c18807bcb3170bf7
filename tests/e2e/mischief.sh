#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A peer that writes anything anywhere into shared memory: no crash, nothing out of bounds, no hang (the short form
# of `make mischief`), and a whole run with its tap and its lookers ends each time with a documented code and a
# sentence, and can be given up.
. "$(dirname "$0")/../support/e2e.sh"
build=$(realpath "$BUILD")
cd "$WORK" || exit 1
sanitized=$(dirname "$build")/asan/mischief
[ -x "$sanitized" ] || sanitized=$build/tests/faults/mischief # another build than `make test` makes
"$sanitized" --writes "${MILLRACE_MISCHIEF_WRITES:-150000}" --seed 1 >out 2>&1
check_equal "random writes: exit code" $? 0
tail -n 20 out
check_match "random writes: noticed, nothing worse" "$(tail -n 1 out)" \
    'errors: [1-9][0-9]* \(corrupt [1-9].*longest time to an error [0-9]{1,3} ms; 0 crashes, out of bounds or hangs$'

# ---- a whole run ---------------------------------------------------------------------------------
"$MILLRACE" gen itch --messages 1000000 --out day.itch >/dev/null 2>&1
cat >p.yaml <<END
name: mischief
source: {type: itch_file, path: day.itch, date: 2020-01-30}
transform:
  - order_book: {pass: true, orders_max: 200000, levels_max: 1000}
  - dedupe: {key: [locate, order_ref], on: [order_executed], within: 1ns, max: 1000}
  - bars: {on: book_trade, key: symbol, price: price, volume: shares, every: 1s, keys_max: 100, pass: true}
ring: {size: 1MiB}
sink: {type: journal, path: journal, existing: replace}
END
export MILLRACE_SHM=$SHM
directory=$SHM/millrace-$(id -u)/mischief

bad=() ended=()
judge() { # WHAT CODE [LOG]: documented, and with a sentence where it is not 0
    [ "$2" -le 12 ] && [ "$2" != 1 ] && { [ "$2" = 0 ] || [ ! -e "$3" ] || grep -q . "$3"; } && return
    bad+=("seed $seed: $1: $2: $(tail -n 3 "$3")")
}
# Few writes and many, from the first stage on and when some have ended.
for seed in ${MILLRACE_MISCHIEF_SEEDS:-1 2 3 4 5 6 7 8}; do
    rm -rf journal journal.dead
    timeout -k 1 20 "$MILLRACE" run p.yaml --json >final 2>log &
    run=$!
    for i in $(seq 200); do [ -e "$directory/loader.stage" ] && break; sleep 0.01; done
    timeout -k 1 20 "$MILLRACE" tap egress mischief --oldest >/dev/null 2>tap.log &
    tap=$!
    (sleep "0.$((seed * 3 % 8))" && "$build/tests/faults/mischief" --into "$directory" \
        --writes $((10 ** (seed % 5))) --seed "$seed") >writes 2>&1 &
    writer=$!
    "$MILLRACE" stat mischief --json >/dev/null 2>stat.log
    judge stat $? stat.log
    wait $run
    code=$?
    ended+=("$code")
    judge run $code log
    kill -INT $tap 2>/dev/null
    wait $tap
    judge tap $? tap.log
    wait $writer
    "$MILLRACE" balance mischief >balance.log 2>&1
    judge balance $? balance.log
    "$MILLRACE" clean mischief >clean.log 2>&1
    judge clean $? clean.log
    rm -rf "$directory"
done
check_equal "whole runs (ended with ${ended[*]}): a documented code and a sentence each" "${bad[*]}" ""
finish
