#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Captures that are cut, of another kind, or none.
. "$(dirname "$0")/../support/bad_input.sh"
cd "$WORK" || exit 1
cat >p.yaml <<END
name: bad
source: {type: pcap, path: good.pcap, date: 2020-01-30}
sink: {type: journal, path: out, existing: replace}
END
"$MILLRACE" gen itch --messages 2000 --out day.itch >/dev/null 2>&1
# Twenty packets of ten messages each, and captures made of them with something wrong.
"${PYTHON:-python3}" - <<'END'
from struct import pack
day = open('day.itch', 'rb').read()
messages, at = [], 0
while at < len(day):
    length = 2 + int.from_bytes(day[at:at + 2], 'big')
    messages.append(day[at:at + length])
    at += length
def mold(sequence, some):
    return b'SESSION001' + pack('>QH', sequence, len(some)) + b''.join(some)
def frame(payload):
    udp = pack('>HHHH', 1234, 26477, 8 + len(payload), 0) + payload
    ip = pack('>BBHHHBBH4s4s', 0x45, 0, 20 + len(udp), 0, 0, 1, 17, 0, bytes([10, 0, 0, 1]), bytes([233, 54, 12, 111]))
    return b'\1\0\x5e\0\0\1' + b'\2' * 6 + b'\x08\0' + ip + udp
def capture(name, packets, link=1, original=0):
    out = pack('<IHHiIII', 0xa1b2c3d4, 2, 4, 0, 0, 65535, link)
    for second, bytes in enumerate(packets):
        out += pack('<IIII', 1580394600 + second, 0, len(bytes), max(len(bytes), original)) + bytes
    open(name, 'wb').write(out)
    return out
packets = [frame(mold(1 + 10 * i, messages[10 * i:10 * i + 10])) for i in range(20)]
good = capture('good.pcap', packets)
open('cut.pcap', 'wb').write(good[:-25])
open('cut-header.pcap', 'wb').write(good[:30])
open('cut-start.pcap', 'wb').write(good[:10])
open('huge.pcap', 'wb').write(good[:24] + pack('<IIII', 1, 0, 0x7fffffff, 0x7fffffff) + good[24:])
capture('wireless.pcap', packets, link=105)
capture('other.pcap', [frame(b'a name server speaks here')] * 5)
capture('mixed.pcap', packets[:5] + [frame(b'abc'), b'\0\1', b'', packets[5][:40]] + packets[5:])
capture('snapped.pcap', packets[:5] + [packets[5][:-60]] + packets[6:])
wrong = mold(201, [b'\0\x1eA' + b'\0' * 29, b'\0\x0cz' + b'\0' * 11])
capture('wrong.pcap', packets + [frame(wrong)])
capture('empty.pcap', [])
END

run p.yaml
finished "the whole capture" 200 200 0
cp -r out whole
run p.yaml --set source.path=cut.pcap
check_equal "a cut capture ends the run with 4" "$status $(jq -c '[.balance, .stages.loader.out]' final)" "4 [true,190]"
check_match "it names byte and packet" "$(cat log)" 'cut.pcap: byte [0-9]+: packet 20: truncated .*the 19 packets before it were taken'
# A run that an error ended goes on with the same file only: what it has written is given up.
another() { # CAPTURE
    rm -rf out out.dead
    run p.yaml --set source.path="$1"
}
another cut-header.pcap
check_equal "cut in a packet's header" "$status $(count loader.out)" "4 0"
another huge.pcap
check_equal "a packet of 2 GiB" "$status $(count loader.out)" "4 0"
check_match "it is named" "$(cat log)" 'huge.pcap: byte 40: packet 1: .*2147483647'
another mixed.pcap
finished "packets of other kinds among them" 200 200 0
check_equal "they are counted" "$(count 'producer.counters."pcap.other_packets"')" 4
another other.pcap
finished "nothing but other packets" 0 0 0
check_match "is said" "$(cat log)" 'other.pcap: found no MoldUDP64 in its 5 packets'
another snapped.pcap
check_equal "a packet cut by the capture: balance, the packet counted" \
    "$status $(jq -c '[.balance, .stages.producer.counters["pcap.cut_packets", "pcap.gaps"]]' final)" "0 [true,1,1]"
check_match "it is named" "$(cat log)" 'snapped.pcap: packet 6: ends after [0-9] of 10 messages'
check_equal "what it lost is a gap in the journal" \
    "$("$MILLRACE" cat out --schema gap --format ndjson | jq .lost)" "$(count 'producer.counters."pcap.gap_messages"')"
another wrong.pcap
finished "messages of a wrong length and an unknown type" 202 200 2
check_equal "are in the dead letters" "$(letters out.dead/producer | jq -r '"\(.sequence) \(.reason) \(.detail)"')" \
    "201 bad_length wrong.pcap: packet 21: found 30 bytes of message type 'A', expected 36
202 unknown_type wrong.pcap: packet 21: found message type 'z' (12 bytes), expected one of SRHYLVWKJhAFECXDUPQBINO"
another empty.pcap
finished "a capture without packets" 0 0 0

# ---- not a capture -------------------------------------------------------------------------------
rm -rf out out.dead
cp -r whole out
head -c 100000 /dev/zero >zeros
head -c 100000 /dev/urandom >random
seq 1 20000 >text
: >nothing
for file in zeros random text nothing day.itch cut-start.pcap; do
    refused "$file" 4 "$file: byte 0: expected a pcap or pcapng capture" p.yaml --set source.path=$file
done
refused "a directory" 4 'expected a pcap or pcapng capture.*Is a directory' p.yaml --set source.path="$WORK"
refused "another link type" 4 'wireless.pcap: found link type 105 .*expected Ethernet' p.yaml --set source.path=wireless.pcap
check "a refused run leaves earlier results alone" diff -r whole out
finish
