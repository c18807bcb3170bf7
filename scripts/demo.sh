#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The main job, from nothing: `demo.sh PATH/TO/millrace`. Makes a synthetic exchange session, runs it through
# every symbol's order book into a journal, and looks at what came out; then the textbook loop. Leaves its
# files in out/demo.
set -euo pipefail
cd "$(dirname "$0")/.."
millrace=${1:?usage: demo.sh PATH/TO/millrace}
out=out/demo
mkdir -p "$out"

say() { printf '\n\033[1m%s\033[0m\n' "$*"; }
# Shows the command and runs it.
show() {
    printf '\033[36m$ millrace %s\033[0m\n' "$*"
    "$millrace" "$@"
}

say "1. A synthetic Nasdaq session: two million ITCH 5.0 messages"
show gen itch --messages 2000000 --seed 1 --date 2026-01-05 --out $out/session.itch

say "2. The trio: file, order books, journal"
show run pipelines/demo.yaml

say "3. What stands in the journal"
show verify $out/journal
show cat $out/journal --schema best_quote --where "ask_shares > 0 and bid_shares > 0" --limit 4 \
    --fields event_time,symbol,bid_price,bid_shares,ask_price,ask_shares

say "4. The counts of that run once more, checked"
show balance demo

say "5. The textbook loop, at a pace, then flat out for a second"
show run pipelines/mock.yaml --set source.interval=0.2s --set source.run_time=1s
show run pipelines/mock.yaml --set source.interval=0 --set source.run_time=1s \
    --set sink.path=$out/mock.ndjson

say "What to try next"
cat <<TEXT
  $millrace run pipelines/demo.yaml --set source.path=YOUR.itch --set source.date=YYYY-MM-DD
  $millrace run pipelines/demo.yaml --set source.pace=10x     and in another terminal: $millrace top
  $millrace help source lines                                 NDJSON and CSV; pipelines/ has examples
  $millrace bench hop                                         what this machine's cores can do
TEXT
