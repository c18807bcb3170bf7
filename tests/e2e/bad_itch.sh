#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# ITCH files that are cut, damaged or none: what can be read is, each bad message goes to the dead letters with its
# byte offset, what is not ITCH is refused before anything is touched.
. "$(dirname "$0")/../support/bad_input.sh"
cd "$WORK" || exit 1
cat >p.yaml <<END
name: bad
source: {type: itch_file, path: day.itch, date: 2020-01-30}
transform: [order_book: {pass: true, orders_max: 10000}]
sink: {type: journal, path: out, existing: replace}
END
"$MILLRACE" gen itch --messages 20000 --out day.itch >/dev/null 2>&1
run p.yaml --set source.path=day.itch
finished "the whole file" 20000 20000 0
cp -r out whole

# ---- cut and damaged -----------------------------------------------------------------------------
# offsets FILE: where each message's length stands.
offsets() { "${PYTHON:-python3}" -c '
import sys
at, bytes = 0, open(sys.argv[1], "rb").read()
while at < len(bytes): print(at); at += 2 + int.from_bytes(bytes[at:at + 2], "big")' "$1"; }
offsets day.itch >offsets
last=$(tail -n 1 offsets)
head -c $((last + 7)) day.itch >cut.itch
gzip -k cut.itch
for file in cut.itch cut.itch.gz; do
    run p.yaml --set source.path=$file
    finished "$file: cut in a message" 20000 19999 1
    check_match "$file: the dead letter says where" "$(letters out.dead/producer)" \
        "\"sequence\":20000,\"reason\":\"truncated\",\"detail\":\"$file: byte $last: the file ends after 5 bytes of a message, expected [0-9]+\""
done
head -c $((last + 1)) day.itch >cut.itch
run p.yaml --set source.path=cut.itch
finished "cut in a length" 20000 19999 1

half=$(sed -n 10001p offsets)
{ head -c "$half" day.itch; printf '\0\036A'; head -c 29 /dev/zero; printf '\0\014z'; head -c 11 /dev/zero
    tail -c +$((half + 1)) day.itch; } >bad.itch
run p.yaml --set source.path=bad.itch
finished "a wrong length and an unknown type" 20002 20000 2
check_equal "both are in the dead letters, with offset, found and expected" \
    "$(letters out.dead/producer | jq -r '"\(.sequence) \(.reason) \(.detail)"')" \
    "10001 bad_length bad.itch: byte $half: found 30 bytes of message type 'A', expected 36
10002 unknown_type bad.itch: byte $((half + 32)): found message type 'z' (12 bytes), expected one of SRHYLVWKJhAFECXDUPQBINO"
# A line end each behind 30 and 12 bytes.
check_equal "and their bytes too" "$("$MILLRACE" cat out.dead/producer --raw | wc -c)" 44
run p.yaml --set source.path=day.itch
finished "the whole file again" 20000 20000 0
check "its journal is the first one's" diff -r whole out
check "the dead letters of the replaced run are gone" test ! -e out.dead/producer

gzip -c day.itch >day.itch.gz
head -c $(($(stat -c %s day.itch.gz) * 2 / 3)) day.itch.gz >cutgz.itch.gz
run p.yaml --set source.path=cutgz.itch.gz
check_equal "a cut gzip stream ends the run with 4" "$status" 4
check_match "it names the byte" "$(cat log)" 'cutgz.itch.gz: byte [0-9]+ of the uncompressed file: the compressed file is cut'
check_equal "what came before it is in the journal" "$(jq .balance final) $("$MILLRACE" cat out --format ndjson | wc -l)" \
    "true $(count loader.out)"
check "and is not a little" test "$(count loader.out)" -gt 5000

# ---- not ITCH ------------------------------------------------------------------------------------
rm -rf out out.dead
cp -r whole out
head -c 100000 /dev/zero >zeros
head -c 100000 /dev/urandom >random
seq 1 20000 >text
: >empty
printf '\324\303\262\241\2\0\4\0\0\0\0\0\0\0\0\0\377\377\0\0\1\0\0\0' >capture
cp day.itch.gz damaged.gz
printf '\377\377\377\377' | dd of=damaged.gz bs=1 seek=400 conv=notrunc status=none
for file in zeros random text capture; do
    refused "$file" 4 "$file: byte 0: found( [0-9a-f]{2}){8}, expected the length and type of an ITCH 5.0 message" \
        p.yaml --set source.path=$file
done
refused "an empty file" 4 'empty: byte 0: found no bytes, expected ITCH messages' p.yaml --set source.path=empty
refused "damaged gzip" 4 'damaged.gz: byte 0: found (in|un)[a-z ]+, expected ITCH' p.yaml --set source.path=damaged.gz
refused "a directory" 4 'found a directory, expected an ITCH file' p.yaml --set source.path="$WORK"
check "a refused run leaves earlier results alone" diff -r whole out
printf '\0\0' >nothing
run p.yaml --set source.path=nothing
finished "a session without messages" 0 0 0
finish
