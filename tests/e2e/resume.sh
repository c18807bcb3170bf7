#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A run that is cut off with all its memory: every process killed, the run directory removed, and of the journal
# what had not been durable cut back or spoilt. The next run ends with the journal of an undisturbed one.
. "$(dirname "$0")/../support/bad_input.sh"
cd "$WORK" || exit 1
PYTHON=${PYTHON:-python3}
# Paced, so that there is time to cut: a session of 23,400 s takes 0.9 s.
pipeline() { # NAME CHAIN [SINK...]
    cat >"$1.yaml" <<END
name: $1
source: {type: itch_file, path: day.itch, date: 2020-01-30, pace: 25000x}
transform: $2
ring: {size: 256KiB}
sink: {type: journal, path: $1, segment_size: 1MiB, checkpoint_interval: 5ms${3:+, $3}}
END
}
books='[order_book: {pass: true, orders_max: 50000}]'
bars='[order_book: {quotes: false, alerts: false, orders_max: 50000}, bars: {key: symbol, price: price, volume: shares, every: 1s, pass: true}]'
plain="[filter: {where: 'shares > 100', on: [order_add], others: pass}]"
"$MILLRACE" gen itch --messages 200000 --out good.itch >/dev/null 2>&1
"$PYTHON" - <<'END'
day, out, at, count = open('good.itch', 'rb').read(), bytearray(), 0, 0
while at < len(day):
    length = 2 + int.from_bytes(day[at:at + 2], 'big')
    out += day[at:at + length]
    at += length
    count += 1
    if count % 5000 == 0:
        out += b'\0\x1eA' + bytes(29)
open('day.itch', 'wb').write(out)
END

# cut_off PIPELINE BYTES: starts it, and kills it with all its memory once so much is written.
cut_off() {
    local name=$1 run i position=0
    rm -rf "$SHM/millrace-$(id -u)/$name" # the figures of the run before
    setsid "$MILLRACE" run "$name.yaml" --json >/dev/null 2>&1 &
    run=$!
    for i in $(seq 1000); do
        position=$("$MILLRACE" stat "$name" --json 2>/dev/null | jq '.sink.durable_position // 0')
        [ "${position:-0}" -ge "$2" ] && break
        kill -0 $run 2>/dev/null || break
    done
    kill -9 -- -$run 2>/dev/null
    wait $run 2>/dev/null
    rm -rf "$SHM/millrace-$(id -u)/$name"
    [ -e "$name/.session" ]
}
checkpoints() { echo $(od -An -tu4 -j208 -N4 part/.session) $(od -An -tu4 -j$((8192 + 208)) -N4 part/.session); }
# Whether it was cut off behind its second checkpoint, where it is to go on from one.
is_far_enough() { [ $chain$durability$cuts != plainrecord1 ] || [ "$(checkpoints)" = "1 1" ]; }
# spoil DIRECTORY SEED SYNCED: what a power cut may do to what was not durable. Where nothing was synced, to anything.
spoil() {
    "$PYTHON" - "$@" <<'END'
import os, random, struct, sys
directory, rng, synced = sys.argv[1], random.Random(int(sys.argv[2])), sys.argv[3] == 'synced'
if not os.path.isdir(directory):
    sys.exit()
names = sorted(name for name in os.listdir(directory) if name.endswith('.mrj'))
victims = names[-1:] if synced else rng.sample(names, min(2, len(names)))
for name in victims:
    with open(os.path.join(directory, name), 'r+b') as file:
        header = struct.unpack('<QIIQQ', file.read(32))
        header_bytes, base = header[2], header[3]
        file.seek(header_bytes - 16)
        mark = max(struct.unpack('<Q', file.read(8))[0], base) if synced else base
        start, end = header_bytes + mark - base, os.path.getsize(file.name)
        at = rng.randrange(0 if not synced else start, end + 1) if end > start else end
        kind = rng.randrange(3)
        if kind == 0:
            file.truncate(at)
        else: # a part that never reached the disk
            at = at if not synced else max(start, at & ~511)
            file.seek(at)
            length = min(end - at, rng.randrange(1, 65536))
            file.write(bytes(length) if kind == 1 else rng.randbytes(length))
END
}
fates() { jq -c '[.stages[] | .in, .out, .filtered, .rejected, .emitted]' "$WORK/final"; }

for chain in books bars plain; do
    pipeline "whole-$chain" "${!chain}"
    run "whole-$chain.yaml"
    check_equal "$chain: undisturbed" "$status $(jq .balance final)" "0 true"
    expected=$(fates)
    check_equal "$chain: its end leaves no session" "$(ls -A "whole-$chain" | grep -cv '^0.*mrj$')" 0
    end=$("$MILLRACE" verify "whole-$chain" --json | jq .end_pos)
    for durability in batch none; do
        [ $chain$durability = plainbatch ] && durability=record
        pipeline part "${!chain}" "durability: $durability"
        rm -rf part part.dead
        synced=synced
        [ $durability = none ] && synced=no
        cuts=0
        for try in $(seq 12); do # and again while it goes on
            if cut_off part $((end * (cuts + 1) / 5)) && is_far_enough; then
                cuts=$((cuts + 1))
                spoil part $try $synced
                spoil part.dead/producer $try synced
                [ $cuts = 2 ] && break
            else # it was too fast
                rm -rf part part.dead
                cuts=0
            fi
        done
        check_equal "$chain, $durability: cut off twice" $cuts 2
        [ $chain$durability = plainrecord ] && check_equal "plain: from a checkpoint" "$(checkpoints)" "1 1"
        run part.yaml
        check_equal "$chain, $durability: goes on, with every count" "$status $(jq .balance final) $(fates)" \
            "0 true $expected"
        check "$chain, $durability: the journal of an undisturbed run" diff -r "whole-$chain" part
        check "$chain, $durability: and its dead letters" diff -r "whole-$chain.dead" part.dead
    done
done

# A source that fails in the middle and is mended: nothing twice.
gzip -kc day.itch >day.gz
head -c $(($(stat -c %s day.gz) / 2)) day.gz >part.gz
pipeline part "$bars"
sed -i 's/day.itch/part.gz/' part.yaml
rm -rf part part.dead
run part.yaml
check_equal "a cut input: exit code" "$status" 4
half=$("$MILLRACE" verify part --json | jq .end_pos)
check "a cut input: some of it is written" test "$half" -gt 100000
run part.yaml
check_equal "a cut input again: nothing twice" "$status $("$MILLRACE" verify part --json | jq .end_pos)" "4 $half"
cp day.gz part.gz
run part.yaml
check_equal "mended: goes on" "$status $(jq .balance final)" "0 true"
check "mended: the journal of an undisturbed run" diff -r whole-bars part

# So it is with lines, where it may be cut in the middle of one.
{ echo n,text; seq 40000 | awk '{ print ($1 % 1000 ? $1 : "bad") ",text " $1 }'; } >lines.csv
gzip -kc lines.csv >whole.gz
lines() { # NAME
    cat >"$1.yaml" <<END
name: $1
source: {type: lines, format: csv, path: $1.gz, schema: l}
schemas: [{name: l, fields: [{name: n, type: u64}, {name: text, type: "char[16]"}]}]
sink: {type: journal, path: $1, segment_size: 1MiB, checkpoint_interval: 5ms}
END
}
rm -rf part part.dead
lines whole
run whole.yaml
lines part
for part in 3 2; do # of it is there
    head -c $(($(stat -c %s whole.gz) / part)) whole.gz >part.gz
    run part.yaml
    check_equal "cut lines: exit code" "$status $(jq .balance final)" "4 true"
done
cp whole.gz part.gz
run part.yaml
check_equal "mended lines: go on" "$status $(jq -c '[.balance, .stages.producer.in, .stages.loader.out]' final)" "0 [true,40000,39960]"
check "mended lines: the journal of an undisturbed run" diff -r whole part
check_equal "mended lines: no line was taken in halves" "$(letters part.dead/producer | sed 's/part.gz/whole.gz/' | md5sum)" \
    "$(letters whole.dead/producer | md5sum)"

# Stopped, and run again.
for chain in books plain; do
    pipeline part "${!chain}"
    rm -rf part part.dead "$SHM/millrace-$(id -u)/part"
    "$MILLRACE" run part.yaml --json >final 2>log &
    stopped=$!
    for i in $(seq 1000); do
        position=$("$MILLRACE" stat part --json 2>/dev/null | jq '.sink.durable_position // 0')
        [ "${position:-0}" -gt 300000 ] && break
    done
    kill -TERM $stopped
    wait $stopped
    check_equal "$chain, stopped: ends well" "$?" 0
    run part.yaml
    check_equal "$chain, stopped: goes on" "$status $(jq .balance final)" "0 true"
    check "$chain, stopped: the journal of an undisturbed run" diff -r "whole-$chain" part
done

# What is refused, and how to go on.
pipeline part "$books"
rm -rf part part.dead
cut_off part 500000
before=$(md5sum part/*.mrj)
run part.yaml --set sink.sync_bytes=1MiB
check_equal "other settings: refused" "$status" 5
check_match "other settings: how to go on" "$(cat log)" "cut off, with other settings.*millrace clean part.yaml"
check_equal "other settings: nothing was touched" "$(md5sum part/*.mrj)" "$before"
cp day.itch kept.itch
printf 'x' | dd of=day.itch bs=1 seek=40000 conv=notrunc 2>/dev/null
run part.yaml
check_equal "another input: refused" "$status" 4
check_match "another input: where" "$(cat log)" "part/0+.mrj: byte [0-9]+ \(position [0-9]+\): found .* in the journal"
mv kept.itch day.itch
"$MILLRACE" clean part >/dev/null 2>&1
pipeline part "$books"
rm -rf part part.dead
cut_off part 500000
for slot in 0 8192; do printf 'xxxx' | dd of=part/.session bs=1 seek=$((slot + 40)) conv=notrunc 2>/dev/null; done
run part.yaml
check_equal "a damaged session: refused" "$status" 8
check_match "a damaged session: how to go on" "$(cat log)" "millrace clean part.yaml.*no slot that checks"
check_match "given up, by the file" "$("$MILLRACE" clean part.yaml --dry-run 2>&1; "$MILLRACE" clean part.yaml)" "given up"
run part.yaml
check_equal "given up: a new run behind it" "$status $("$MILLRACE" verify part --json | jq -r .state)" "0 whole"
check "given up: behind what was there" test "$("$MILLRACE" verify part --json | jq .records)" -gt \
    "$("$MILLRACE" verify whole-books --json | jq .records)"

# What cannot be read again: behind the journal's end, and the gap is flagged.
cat >pipe.yaml <<END
name: pipe
source: {type: lines, path: "-", format: csv, header: false, schema: number}
schemas: [{name: number, fields: [{name: n, type: u64}]}]
ring: {size: 64KiB}
sink: {type: journal, path: pipe}
END
mkfifo numbers
setsid "$MILLRACE" run pipe.yaml --json <numbers >/dev/null 2>&1 &
piped=$!
exec 9>numbers
seq 1000 >&9
for i in $(seq 500); do
    [ "$("$MILLRACE" stat pipe --json 2>/dev/null | jq .stages.loader.out)" = 1000 ] && break
done
kill -9 -- -$piped
wait $piped 2>/dev/null
exec 9>&-
rm -rf "$SHM/millrace-$(id -u)/pipe"
seq 2001 2500 | "$MILLRACE" run pipe.yaml --json >final 2>log
check_equal "standard input: goes on behind it" "$? $(jq .balance final)" "0 true"
check_equal "standard input: each record once" "$("$MILLRACE" cat pipe --format csv --fields n 2>/dev/null | tail -n +2 | md5sum)" \
    "$( (seq 1000; seq 2001 2500) | md5sum)"
check_equal "standard input: one record behind a gap" \
    "$("$MILLRACE" cat pipe --format csv --fields n,flags 2>/dev/null | grep gap)" 2001,gap_before
check_equal "standard input: no session is left" "$(ls -A pipe | grep -c session)" 0
finish
