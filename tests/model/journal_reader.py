#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A second reader of journals, written from the description in core/journal.h and docs/MEMORY_LAYOUT.md.

    journal_reader.py JOURNAL...     the findings of each, one JSON object a line

    finding = read_journal(directory)
    finding.state      "whole", "torn", "damaged"; "refused" where the first segment is not sound
    finding.end_pos, .records, .digest          of the longest valid prefix
    finding.fault, .file, .byte      what is wrong, in which file, at which of its bytes
"""
import dataclasses
import json
import os
import re
import struct
import sys

import xxhash

MAGIC = b"MLLJRNL1"
PAGE = 4096
HEADER_MAX = 1 << 20
HEADER = struct.Struct("<8sIIQQ32sQQ")
MARK_BYTES = 16
ENVELOPE_BYTES = 36
PADDING_FLAG = 1
SEGMENT_NAME = re.compile(r"[0-9]{20}\.mrj")
U64_MAX = (1 << 64) - 1

FIELD_BYTES = 128
SCHEMA_BYTES = 48
SCHEMAS_MAX = 64
FIELDS_MAX = 63
RECORD_BYTES_MAX = 1 << 23
VALUE_BYTES = {1: 1, 2: 2, 3: 4, 4: 8, 5: 1, 6: 2, 7: 4, 8: 8, 9: 4, 10: 8, 11: 8, 12: 4, 13: 8, 14: 1, 16: 1, 17: 0}
CHAR, ENUM, BYTES = 15, 16, 17
SCHEMA_NAME = re.compile(rb"[A-Za-z0-9_-][A-Za-z0-9_.-]{0,30}\0")
FIELD_NAME = re.compile(rb"[A-Za-z_][A-Za-z0-9_]{0,30}\0")


class Unsound(Exception):
    """A header block that is not one."""


@dataclasses.dataclass
class Finding:
    state: str = "whole"
    end_pos: int = 0
    records: int = 0
    digest: int = 0
    fault: str = "none"
    file: str = ""
    byte: int = 0

    def stop(self, state, fault, path, byte):
        self.state, self.fault, self.file, self.byte = state, fault, os.path.basename(path), byte


# ---- the schema table ------------------------------------------------------------------------------
def label_list(raw):
    if b"\0" not in raw:
        raise Unsound("labels without an end")
    text = raw.split(b"\0")[0]
    labels = text.split(b",")
    if any(byte <= 0x20 or byte in (0x22, 0x7F) for byte in text) or b"" in labels or len(set(labels)) < len(labels):
        raise Unsound("labels")
    return labels


def read_field(raw, record_bytes, null_offset, last):
    name, kind, scale, size, offset, null_bit = struct.unpack_from("<32sBBHIh", raw)
    if not FIELD_NAME.match(name) or b"\0" not in raw[48:64]:
        raise Unsound("a field's name or unit")
    if kind == CHAR:
        if size == 0:
            raise Unsound("char[0]")
    else:
        if kind not in VALUE_BYTES or size != VALUE_BYTES[kind] or scale > 18:
            raise Unsound("a field's type")
        if kind == ENUM:
            label_list(raw[64:128])
    if offset < ENVELOPE_BYTES or offset + size > record_bytes:
        raise Unsound("a field outside of the record")
    if kind == BYTES and not (last and offset == record_bytes):
        raise Unsound("bytes that are not the record's end")
    if null_bit != -1 and not (0 <= null_bit < 64 and null_offset):
        raise Unsound("a null bit that does not exist")
    if null_offset and offset < null_offset + 8 and null_offset < offset + size:
        raise Unsound("a field on the null word")
    return name.split(b"\0")[0], offset, size, null_bit


def read_schema(raw, at, end):
    """(name, id, record_bytes) and where the next one begins."""
    if end - at < SCHEMA_BYTES:
        raise Unsound("a table that is cut")
    name, number, count, record_bytes, null_offset = struct.unpack_from("<32sHHII", raw, at)
    at += SCHEMA_BYTES
    if count > FIELDS_MAX or end - at < count * FIELD_BYTES:
        raise Unsound("fields")
    if not SCHEMA_NAME.match(name) or not ENVELOPE_BYTES <= record_bytes <= RECORD_BYTES_MAX:
        raise Unsound("a schema's name or size")
    if null_offset and not (ENVELOPE_BYTES <= null_offset and null_offset + 8 <= record_bytes):
        raise Unsound("a null word outside of the record")
    fields = []
    for i in range(count):
        field = read_field(raw[at : at + FIELD_BYTES], record_bytes, null_offset, i + 1 == count)
        for other in fields:
            crossed = other[1] < field[1] + field[2] and field[1] < other[1] + other[2]
            if other[0] == field[0] or crossed or (field[3] >= 0 and field[3] == other[3]):
                raise Unsound("two fields that meet")
        fields.append(field)
        at += FIELD_BYTES
    return (name.split(b"\0")[0], number, record_bytes), at


def read_schemas(raw, limit):
    """{id: record_bytes} and the table's bytes."""
    count, size = struct.unpack_from("<II", raw, 80)
    if count > SCHEMAS_MAX or size < 8 or 80 + size > limit:
        raise Unsound("the table's size")
    at, end, found, names = 88, 80 + size, {}, set()
    for _ in range(count):
        (name, number, record_bytes), at = read_schema(raw, at, end)
        if number in found or name in names:
            raise Unsound("a schema that stands twice")
        found[number] = record_bytes
        names.add(name)
    if at != end:
        raise Unsound("a table longer than its schemas")
    return found, bytes(raw[80:end])


# ---- a segment -------------------------------------------------------------------------------------
class Segment:
    def __init__(self, path):
        self.path = path
        with open(path, "rb") as file:
            self.raw = raw = file.read()
        if len(raw) < HEADER.size:
            raise Unsound("a header that is cut")
        magic, version, self.header_bytes, self.base_pos, self.segment_bytes, _, self.previous_end, crc = HEADER.unpack_from(raw)
        if magic != MAGIC or version != 1:
            raise Unsound("magic or version")
        size = self.header_bytes
        if size < PAGE or size % PAGE or size > HEADER_MAX or size > len(raw):
            raise Unsound("header_bytes")
        block = bytearray(raw[:size])
        block[72:80] = bytes(8)
        block[size - MARK_BYTES :] = bytes(MARK_BYTES)
        if xxhash.xxh3_64_intdigest(bytes(block)) != crc:
            raise Unsound("crc")
        if self.base_pos % 8 or self.previous_end > self.base_pos or self.base_pos + self.segment_bytes > U64_MAX:
            raise Unsound("base_pos")
        name = os.path.basename(path)
        if is_segment_name(name) and int(name[:20]) != self.base_pos:
            raise Unsound("name")
        self.schemas, self.table = read_schemas(raw, size - MARK_BYTES)
        self.durable_pos, check = struct.unpack_from("<QQ", raw, size - MARK_BYTES)
        self.marked = self.durable_pos != 0 or check != 0
        expected = xxhash.xxh3_64_intdigest(struct.pack("<Q", self.durable_pos), seed=self.base_pos)
        self.mark_is_bad = self.marked and check != expected
        self.end_byte = min(len(raw), size + self.segment_bytes)

    def byte_of(self, position):
        return self.header_bytes + position - self.base_pos

    def examine(self, at):
        """What begins at this byte: "record", "padding", "zero", "bad"; and its stride."""
        raw, left = self.raw, self.end_byte - at
        if left < 8:
            return ("bad" if any(raw[at : self.end_byte]) else "zero"), 0
        length, checksum = struct.unpack_from("<II", raw, at)
        stride = (length + 7) & ~7
        if length == 0:
            return "zero", 0
        if stride > left:
            return "bad", 0
        if length < ENVELOPE_BYTES:
            sound = length % 8 == 0 and not any(raw[at + 4 : at + length])
            return ("padding" if sound else "bad"), stride
        position = self.base_pos + at - self.header_bytes
        if xxhash.xxh3_64_intdigest(raw[at + 8 : at + length], seed=position) & 0xFFFFFFFF != checksum:
            return "bad", 0
        if any(raw[at + length : at + stride]):
            return "bad", 0
        schema, flags = struct.unpack_from("<HH", raw, at + 32)
        if flags & PADDING_FLAG:
            return "padding", stride
        if length < self.schemas.get(schema, length + 1):
            return "bad", 0
        return "record", stride

    def valid_follows(self, at):
        """Whether a record, or a padding with a checksum, stands anywhere behind this byte."""
        for place in range(at + 8, self.end_byte - ENVELOPE_BYTES + 1, 8):
            length = int.from_bytes(self.raw[place : place + 4], "little")
            if length >= ENVELOPE_BYTES and place + length <= self.end_byte:
                if self.examine(place)[0] in ("record", "padding"):
                    return True
        return False


def is_segment_name(name):
    return SEGMENT_NAME.fullmatch(name) is not None and int(name[:20]) <= U64_MAX


# ---- the journal -----------------------------------------------------------------------------------
def segment_paths(path):
    if not os.path.isdir(path):
        return [path]
    return [os.path.join(path, name) for name in sorted(os.listdir(path)) if is_segment_name(name)]


def judge_bad(finding, segment, at, fault, last, marks_bad):
    position = segment.base_pos + at - segment.header_bytes
    if not last or marks_bad:
        damaged = True
    elif segment.marked:
        damaged = position < segment.durable_pos
    else:
        damaged = segment.valid_follows(at)
    finding.stop("damaged" if damaged else "torn", fault, segment.path, at)


def read_segment(finding, segment, last, marks_bad, digest):
    """True where its stream was used up."""
    at = segment.header_bytes
    while at < segment.end_byte:
        kind, stride = segment.examine(at)
        if kind == "record":
            finding.records += 1
            digest.update(segment.raw[at : at + stride])
        elif kind != "padding":
            break
        at += stride
    finding.end_pos = position = segment.base_pos + at - segment.header_bytes
    missing = segment.marked and not segment.mark_is_bad and position < segment.durable_pos
    if at == segment.end_byte:
        if missing:
            finding.stop("damaged", "short", segment.path, at)
        return not missing
    if kind == "zero" and last and not missing and not any(segment.raw[at : segment.end_byte]):
        return True
    judge_bad(finding, segment, at, "zero" if kind == "zero" else "record", last, marks_bad)
    return False


def read_journal(path):
    """Reads a directory, or one segment file."""
    finding, digest = Finding(), xxhash.xxh3_64()
    paths, before, bad_mark = segment_paths(path), None, None
    for index, name in enumerate(paths):
        try:
            segment = Segment(name)
        except Unsound:
            finding.stop("damaged" if before else "refused", "header", name, 0)
            break
        if before and segment.previous_end != finding.end_pos:
            finding.stop("damaged", "chain", name, 64)
            break
        if before and segment.table != before.table:
            finding.stop("damaged", "schemas", name, 80)
            break
        if segment.mark_is_bad and not bad_mark:
            bad_mark = segment
        if not read_segment(finding, segment, index + 1 == len(paths), bad_mark is not None, digest):
            break
        before = segment
    if finding.state == "whole" and bad_mark:
        finding.stop("damaged", "mark", bad_mark.path, bad_mark.header_bytes - MARK_BYTES)
    finding.digest = digest.intdigest()
    return finding


def main():
    for path in sys.argv[1:]:
        print(json.dumps({"journal": path} | dataclasses.asdict(read_journal(path))))


if __name__ == "__main__":
    main()
