#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Lines that are no records: each goes to the dead letters with its line, what was found and what was expected, and
# the lines around it arrive.
. "$(dirname "$0")/../support/bad_input.sh"
cd "$WORK" || exit 1
cat >p.yaml <<END
name: bad
schemas:
  - name: s
    time: t
    fields:
      - {name: a, type: u8, from: a}
      - {name: v, type: f64, from: v}
      - {name: n, type: "char[8]", from: n, missing: reject}
      - {name: t, type: timestamp, from: t, format: ms}
source: {type: lines, path: in, format: ndjson, schema: s}
sink: {type: ndjson, path: out}
dead_letter: {path: dead}
END
good='{"a":1,"v":2.5,"n":"x","t":1580000000000}'

# ---- NDJSON --------------------------------------------------------------------------------------
repeat() { head -c "$2" /dev/zero | tr '\0' "$1"; }
{
    echo "$good"
    echo '{"a":1,"v":'
    echo '{"a":1,"v":2,"t":1}'
    echo '{"a":300,"v":2,"n":"x","t":1}'
    echo '{"a":-1,"v":2,"n":"x","t":1}'
    echo '{"a":1,"v":1e999,"n":"x","t":1}'
    echo '{"a":"q","v":1,"n":"x","t":1}'
    echo '{"a":1,"v":1,"n":"too long for it","t":1}'
    printf '{"a":1,"v":1,"n":"'; repeat z 10000000; echo '","t":1}'
    printf '{"a":1,"v":1,"n":"\377\376","t":1}\n'
    printf '{"a":1,"v":1,"n":'; repeat '[' 1000; repeat ']' 1000; echo ',"t":1}'
    printf '{"a":1,"v":1,"n":"x\0y","t":1}\n'
    printf '\0\0\0\n'
    echo '[]'
    echo
    echo '{"a":1.5,"v":1,"n":"x","t":1}'
    echo '{"a":1,"v":1,"n":"x","t":99999999999999999999}'
    echo "$good trailing"
    repeat '[' 100000; echo
    echo "$good"
    printf '%s' "$good" # the last line has no end
} >in
cat >expected <<'END'
2 syntax in:2: byte 11: found the end of the text, expected a value
3 missing_field in:3: field n: found nothing, expected char[8]
4 bad_value in:4: field a: found "300", expected u8
5 bad_value in:5: field a: found "-1", expected u8
6 bad_value in:6: field v: found "1e999", expected f64
7 bad_value in:7: field a: found "q", expected u8
8 too_long in:8: field n: found 15 bytes, expected char[8]
9 too_long in:9: found a line longer than 1048576 bytes, expected at most line_max
10 syntax in:10: byte 18: found a byte that is not UTF-8, expected UTF-8 text
11 syntax in:11: byte 272: found [[[[[[[[[[[[[[[[[[[[[[[[, expected at most 256 levels of nesting
12 syntax in:12: byte 19: found a control character in a string, expected it escaped
13 syntax in:13: byte 0: found a byte 0x00, expected a value
14 missing_field in:14: field a: found nothing, expected u8
16 bad_value in:16: field a: found "1.5", expected u8
17 bad_value in:17: field t: found "99999999999999999999", expected a number of ms since the epoch
18 syntax in:18: byte 42: found trailing, expected the end of the text
19 syntax in:19: byte 256: found [[[[[[[[[[[[[[[[[[[[[[[[, expected at most 256 levels of nesting
END
said() { letters dead/producer | jq -r '"\(.sequence) \(.reason) \(.detail)"'; }
run p.yaml
finished "NDJSON: all that can be wrong in a line" 20 3 17
check_equal "NDJSON: each letter says where, what and what was expected" "$(said)" "$(cat expected)"
check_equal "NDJSON: the good lines are there" "$(jq -c .a out | tr '\n' ' ')" "1 1 1 "
check_equal "NDJSON: a letter keeps the line" \
    "$("$MILLRACE" cat dead/producer --raw --where 'sequence == 5' 2>&1)" '{"a":-1,"v":2,"n":"x","t":1}'
run p.yaml --set source.line_max=16MiB
check_match "NDJSON: 10 MB in a field of 8" "$(said | sed -n 8p)" '^9 too_long in:9: field n: found 10000000 bytes, expected char\[8\]$'

{ echo "$good"; repeat x 50000000; } >long
run p.yaml --set source.path=long
finished "50 MB without a line end" 2 1 1
check_equal "50 MB: the letter" "$(said)" "2 too_long long:2: found a line longer than 1048576 bytes, expected at most line_max"
check "50 MB: the letter keeps no more than its ring takes" test "$(du -sb dead | cut -f1)" -lt 2000000
head -c 300000 /dev/urandom >random
run p.yaml --set source.path=random
check_equal "random bytes: balanced, nothing of it a record" "$status $(jq -c '[.balance, .stages.producer.out]' final)" "0 [true,0]"
check_equal "random bytes: as many letters as lines that are not blank" "$(letters dead/producer | wc -l)" "$(count producer.in)"
: >empty
run p.yaml --set source.path=empty
finished "an empty file" 0 0 0
check "the letters of the replaced run are gone" test ! -e dead/producer

# ---- CSV -----------------------------------------------------------------------------------------
# csv NAME IN OUT REJECTED LETTERS TEXT
csv() {
    printf "$6" >in.csv
    run p.yaml --set source.path=in.csv --set source.format=csv
    finished "CSV: $1" "$2" "$3" "$4"
    [ -n "$5" ] && check_equal "CSV: $1: the letters" "$(said)" "$5"
}
row='1,2,x,1580000000000\n'
csv "too few and too many columns" 4 2 2 \
    '3 missing_field in.csv:3: field t: found nothing, expected a number of ms since the epoch
4 syntax in.csv:4: found 5 columns, expected 4 as in the header' "a,v,n,t\n${row}1,2,x\n1,2,x,1,9\n$row"
csv "a quote that is not closed takes one line" 3 2 1 \
    '3 syntax in.csv:3: the quote that opens column 3 at byte 4 is never closed, expected a closing "' \
    "a,v,n,t\n${row}1,2,\"x,1\n$row"
csv "text behind a quote" 3 2 1 \
    "3 syntax in.csv:3: column 3: found 'y' at byte 7 behind the closing quote, expected ',' or the end of the line" \
    "a,v,n,t\n${row}1,2,\"x\"y,1\n$row"
csv "a value that overflows" 2 1 1 '3 bad_value in.csv:3: field a: found "256", expected u8' "a,v,n,t\n${row}256,2,x,1\n"
csv "a header only" 0 0 0 '' 'a,v,n,t\n'
csv "an empty file" 0 0 0 '' ''
check_match "CSV: an empty file: it is said" "$(cat log)" 'in.csv: found no line, expected a header line'
{ printf 'a,v,n,t\n"'; repeat x 3000000; printf "\n$row"; } >long.csv
run p.yaml --set source.path=long.csv --set source.format=csv
finished "CSV: a quote and 3 MB" 2 1 1

cp out before
printf "$row$row" >in.csv
refused "CSV: no header" 4 'in.csv:1: found the columns 1,2,x,1580000000000, expected one called a' \
    p.yaml --set source.path=in.csv --set source.format=csv
printf "a,v,t\n1,2,3\n" >in.csv
refused "CSV: a column that is missing" 4 'in.csv:1: found the columns a,v,t, expected one called n' \
    p.yaml --set source.path=in.csv --set source.format=csv
repeat x 3000000 >in.csv
refused "CSV: 3 MB for a header" 4 'in.csv:1: found no header line that is CSV' \
    p.yaml --set source.path=in.csv --set source.format=csv
refused "a directory for a file" 4 'source.path' p.yaml --set source.path=/proc/1/nowhere
check "a refused run leaves earlier results alone" cmp before out

# ---- ports ---------------------------------------------------------------------------------------
port=$((20000 + $$ % 20000))
"${PYTHON:-python3}" -c "
import socket, time
s = socket.create_server(('127.0.0.1', $port)); print('listening', flush=True); time.sleep(60)" >listening &
for i in $(seq 100); do [ -s listening ] && break; sleep 0.05; done
sed -i "s/path: in, /listen: '127.0.0.1:$port', /" p.yaml
refused "the lines' port in use" 7 "127.0.0.1:$port: the port is in use" p.yaml
printf 'name: bad\nsource: {type: mock, count: 10}\nsink: {type: ndjson, path: out}\n' >p.yaml
refused "the metrics' port in use" 7 "metrics.port: cannot listen on 127.0.0.1:$port: Address already in use" \
    p.yaml --set metrics.port=$port
check "and earlier results are still there" cmp before out
finish
