#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""ITCH 5.0 read a second time, from the specification's tables; nothing shared with the C code.

    itch_reader.py counts FILE                  SCHEMA COUNT lines, references never announced
    itch_reader.py packets CAPTURE              packets, messages, heartbeats, gaps, messages lost
    itch_reader.py compare FILE TEXT [DATE]     every line of TEXT (what `cat` printed, or the ndjson
                                                sink with its envelope) against the bytes of FILE

FILE is framed by 2-byte lengths, or a pcap capture of MoldUDP64 in UDP where its name ends so. DATE is
YYYY-MM-DD; without it the one in FILE's name, or the day of capture. TEXT is NDJSON, compared
character by character, or CSV, compared column by column; rows of schemas that are no messages (quotes,
trades and alerts of the book) are passed over. Ends with 1 at the first difference.
"""
import collections
import csv
import datetime
import gzip
import json
import re
import struct
import sys
import zoneinfo

# Per type: schema, then (field, kind) as they stand in the message behind its 11 bytes of type, locate,
# tracking number and time. Kinds: an integer's bytes, sN text, p price of 1/10,000 in 4 bytes, l level of
# 1/100,000,000 in 8, t time in 8 bytes of ns, T time in 4 bytes of seconds.
ORDER = [("order_ref", 8)]
TYPES = {
    "S": ("system_event", [("event_code", "s1")]),
    "R": ("stock_directory", [
        ("symbol", "s8"), ("market_category", "s1"), ("financial_status", "s1"), ("round_lot_size", 4),
        ("round_lots_only", "s1"), ("issue_classification", "s1"), ("issue_subtype", "s2"),
        ("authenticity", "s1"), ("short_sale_threshold", "s1"), ("ipo_flag", "s1"), ("luld_tier", "s1"),
        ("etp_flag", "s1"), ("etp_leverage_factor", 4), ("inverse_indicator", "s1")]),
    "H": ("trading_action", [("symbol", "s8"), ("trading_state", "s1"), (None, "s1"), ("reason", "s4")]),
    "Y": ("reg_sho", [("symbol", "s8"), ("action", "s1")]),
    "L": ("market_participant", [
        ("mpid", "s4"), ("symbol", "s8"), ("primary_market_maker", "s1"), ("market_maker_mode", "s1"),
        ("participant_state", "s1")]),
    "V": ("mwcb_levels", [("level_1", "l"), ("level_2", "l"), ("level_3", "l")]),
    "W": ("mwcb_status", [("breached_level", "s1")]),
    "K": ("ipo_quote", [
        ("symbol", "s8"), ("release_time_ns", "T"), ("release_qualifier", "s1"), ("ipo_price", "p")]),
    "J": ("luld_collar", [
        ("symbol", "s8"), ("reference_price", "p"), ("upper_price", "p"), ("lower_price", "p"), ("extension", 4)]),
    "h": ("operational_halt", [("symbol", "s8"), ("market_code", "s1"), ("action", "s1")]),
    "A": ("order_add", ORDER + [("side", "s1"), ("shares", 4), ("symbol", "s8"), ("price", "p")]),
    "F": ("order_add_mpid", ORDER + [
        ("side", "s1"), ("shares", 4), ("symbol", "s8"), ("price", "p"), ("attribution", "s4")]),
    "E": ("order_executed", ORDER + [("shares", 4), ("match_number", 8)]),
    "C": ("order_executed_price", ORDER + [
        ("shares", 4), ("match_number", 8), ("printable", "s1"), ("price", "p")]),
    "X": ("order_cancel", ORDER + [("shares", 4)]),
    "D": ("order_delete", ORDER),
    "U": ("order_replace", ORDER + [("new_order_ref", 8), ("shares", 4), ("price", "p")]),
    "P": ("trade", ORDER + [
        ("side", "s1"), ("shares", 4), ("symbol", "s8"), ("price", "p"), ("match_number", 8)]),
    "Q": ("cross_trade", [
        ("shares", 8), ("symbol", "s8"), ("price", "p"), ("match_number", 8), ("cross_type", "s1")]),
    "B": ("broken_trade", [("match_number", 8)]),
    "I": ("noii", [
        ("paired_shares", 8), ("imbalance_shares", 8), ("direction", "s1"), ("symbol", "s8"), ("far_price", "p"),
        ("near_price", "p"), ("reference_price", "p"), ("cross_type", "s1"), ("price_variation", "s1")]),
    "N": ("retail_interest", [("symbol", "s8"), ("interest", "s1")]),
    "O": ("direct_listing", [
        ("symbol", "s8"), ("open_eligibility", "s1"), ("minimum_price", "p"), ("maximum_price", "p"),
        ("near_price", "p"), ("near_execution_time_ns", "t"), ("lower_collar", "p"), ("upper_collar", "p")]),
}
SCHEMAS = {schema for schema, _ in TYPES.values()} | {"gap"}


# ---- bytes into messages ----
def framed(path):
    """(sequence, message, None) of a file framed by lengths, up to a zero length or its end."""
    content = (gzip.open if path.endswith(".gz") else open)(path, "rb").read()
    at = sequence = 0
    while at + 2 <= len(content):
        (length,) = struct.unpack_from(">H", content, at)
        if length == 0 or at + 2 + length > len(content):
            return
        sequence += 1
        yield sequence, content[at + 2 : at + 2 + length], None
        at += 2 + length


def packets(path):
    """(capture time in ns, session, sequence, count, messages) of each UDP packet of a pcap capture."""
    content = open(path, "rb").read()
    order, unit_ns = {
        b"\xd4\xc3\xb2\xa1": ("<", 1000), b"\xa1\xb2\xc3\xd4": (">", 1000),
        b"\x4d\x3c\xb2\xa1": ("<", 1), b"\xa1\xb2\x3c\x4d": (">", 1)}[content[:4]]
    at = 24
    while at < len(content):
        seconds, fraction, captured, _ = struct.unpack_from(order + "IIII", content, at)
        frame = content[at + 16 : at + 16 + captured]
        at += 16 + captured
        network = 12
        while frame[network : network + 2] in (b"\x81\x00", b"\x88\xa8"):
            network += 4
        assert frame[network : network + 2] == b"\x08\x00" and frame[network + 2 + 9] == 17, "IPv4 and UDP"
        datagram = frame[network + 2 + (frame[network + 2] & 15) * 4 + 8 :]
        sequence, count = struct.unpack_from(">QH", datagram, 10)
        messages, place = [], 20
        for _ in range(0 if count == 0xFFFF else count):
            (length,) = struct.unpack_from(">H", datagram, place)
            messages.append(datagram[place + 2 : place + 2 + length])
            place += 2 + length
        yield seconds * 10**9 + fraction * unit_ns, datagram[:10].decode(), sequence, count, messages


def captured(path):
    """(sequence, message or gap, capture time); a gap is (from, to, session)."""
    expected = {}
    for time_ns, session, sequence, _, messages in packets(path):
        wanted = expected.get(session, sequence)
        if sequence > wanted:
            yield wanted, (wanted, sequence - 1, session), time_ns
        for number, message in enumerate(messages, sequence):
            if number >= wanted:
                yield number, message, time_ns
        expected[session] = max(wanted, sequence + len(messages))


def feed(path):
    return captured(path) if path.endswith(".pcap") else framed(path)


# ---- messages into what is printed ----
def clock(time_ns):
    moment = datetime.datetime.fromtimestamp(time_ns // 10**9, datetime.timezone.utc)
    return moment.strftime("%Y-%m-%dT%H:%M:%S") + f".{time_ns % 10**9:09d}Z"


def midnight_ns(day):
    return int(datetime.datetime(*day, tzinfo=zoneinfo.ZoneInfo("America/New_York")).timestamp()) * 10**9


def decimal(value, digits):
    return f"{value // 10**digits}.{value % 10**digits:0{digits}d}"


def value(kind, raw, midnight):
    """A field's bytes as (text, JSON)."""
    if isinstance(kind, str) and kind[0] == "s":
        text = raw.decode().rstrip(" ") if len(raw) > 1 else raw.decode()  # a blank code is a code
        return text, json.dumps(text)
    number = int.from_bytes(raw, "big")
    if kind in ("t", "T"):
        moment = number * (1 if kind == "t" else 10**9)
        text = clock(moment + midnight if moment else 0)
        return text, json.dumps(text)
    text = decimal(number, 4) if kind == "p" else decimal(number, 8) if kind == "l" else str(number)
    return text, text


def width(kind):
    return kind if isinstance(kind, int) else {"p": 4, "l": 8, "t": 8, "T": 4}.get(kind) or int(kind[1:])


def decode(message, midnight):
    """Schema, event time and {field: (text, JSON)} of a message."""
    schema, fields = TYPES[chr(message[0])]
    found = {"locate": value(2, message[1:3], midnight)}
    at = 11
    for name, kind in fields:
        if name:
            found[name] = value(kind, message[at : at + width(kind)], midnight)
        at += width(kind)
    assert at == len(message), f"{schema}: {len(message)} bytes, expected {at}"
    return schema, midnight + int.from_bytes(message[5:11], "big"), found


def records(path, date):
    """What the records of the file are: dictionaries of column -> (text, JSON), in order."""
    if not date and not path.endswith(".pcap"):
        date = re.search(r"(\d{4})-?(\d\d)-?(\d\d)", path.rsplit("/", 1)[-1]).groups()
    midnight = midnight_ns([int(part) for part in date]) if date else None
    symbols, gap_before = {}, False
    for sequence, message, captured_ns in feed(path):
        if midnight is None:
            local = datetime.datetime.fromtimestamp(captured_ns // 10**9, zoneinfo.ZoneInfo("America/New_York"))
            midnight = midnight_ns([local.year, local.month, local.day])
        flags = ["gap_before"] if gap_before else []
        gap_before = isinstance(message, tuple)
        if gap_before:
            first, last, session = message
            schema, event_ns = "gap", captured_ns
            fields = {"from_sequence": first, "to_sequence": last, "lost": last - first + 1}
            fields = {name: (str(number), str(number)) for name, number in fields.items()}
            fields["session"] = session, json.dumps(session)
        else:
            schema, event_ns, fields = decode(message, midnight)
            locate = fields["locate"][0]
            if "symbol" in fields and locate != "0":
                symbols[locate] = fields["symbol"]
            if "symbol" not in fields and schema not in ("system_event", "mwcb_levels", "mwcb_status"):
                fields["symbol"] = symbols.get(locate, ("", '""'))
                flags += [] if locate in symbols else ["unknown_ref"]
        row = {"schema": schema, "sequence": sequence, "event_time": clock(event_ns)}
        row["ingest_time"] = clock(captured_ns) if captured_ns else row["event_time"]
        row = {name: (str(cell), json.dumps(cell)) for name, cell in row.items()}
        if flags:
            row["flags"] = "|".join(flags), json.dumps(flags)
        yield row | fields


def as_found(text):
    """Rows of what was printed, as {column: text or JSON} and which of the two."""
    with open(text, newline="") as file:
        if file.read(1) == "{":
            file.seek(0)
            raw = json.JSONDecoder(parse_float=lambda t: t, parse_int=lambda t: t)
            for line in file:
                row = raw.decode(line)
                # The same characters: numbers as they stand, everything else as JSON says it.
                cells = {n: json.dumps(v, separators=(", ", ": ")) for n, v in row.items()}
                for name in re.findall(r'"(\w+)":-?\d', line):
                    cells[name] = row[name]
                yield row["schema"], cells, 1
        else:
            file.seek(0)
            for row in csv.DictReader(file):
                yield row["schema"], {name: cell for name, cell in row.items() if cell != ""}, 0


def compare(path, text, date=None):
    date = date.split("-") if date else None
    found = ((cells, form) for schema, cells, form in as_found(text) if schema in SCHEMAS)
    compared = 0
    for row in records(path, date):
        cells, form = next(found, (None, 0))
        expected = {name: cell[form] for name, cell in row.items()}
        if form == 0:  # in CSV an empty text and no value look the same
            expected = {name: cell for name, cell in expected.items() if cell != ""}
        if cells != expected:
            sys.exit(f"record {compared + 1}: found {cells}, expected {expected}")
        compared += 1
    if next(found, None):
        sys.exit(f"more than {compared} records")
    print(f"{compared} agree")


def counts(path):
    types, announced, unknown = collections.Counter(), set(), collections.Counter()
    for _, message, _ in feed(path):
        letter = chr(message[0])
        types[letter] += 1
        reference = message[11:19]
        if letter in "AF":
            announced.add(reference)
        elif letter in "EXDCU":
            if reference not in announced:
                unknown[reference] += 1
            if letter == "U":
                announced.add(message[19:27])
    for letter, count in types.most_common():
        print("schema", TYPES[letter][0], count)
    print("unknown_reference", sum(unknown.values()))
    print("unknown_orders", len(unknown))


def summary(path):
    found = [(session, sequence, count, messages) for _, session, sequence, count, messages in packets(path)]
    gaps = [message for _, message, _ in captured(path) if isinstance(message, tuple)]
    print("packets", len(found))
    print("heartbeats", sum(count == 0 for _, _, count, _ in found))
    print("sessions", len({session for session, _, _, _ in found}))
    print("gaps", len(gaps))
    print("gap_messages", sum(last - first + 1 for first, last, _ in gaps))
    print("largest", max(len(messages) for _, _, _, messages in found))
    print("messages", sum(len(messages) for _, _, _, messages in found))


if __name__ == "__main__":
    {"counts": counts, "packets": summary, "compare": compare}[sys.argv[1]](*sys.argv[2:])
