# SPDX-License-Identifier: Apache-2.0
"""Journals in memory, and what can happen to their bytes: damage(bases, seed) is what corrupt.py reads."""
import os
import random
import shutil
import struct
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "model"))
import journal_reader as reader  # noqa: E402
import xxhash  # noqa: E402

SECTOR = 512


# ---- journals in memory: {name: bytearray} ----------------------------------------------------------
def load(directory):
    return {name: bytearray(open(os.path.join(directory, name), "rb").read()) for name in sorted(os.listdir(directory))}


def store(files, directory):
    shutil.rmtree(directory, ignore_errors=True)
    os.mkdir(directory)
    for name, raw in files.items():
        with open(os.path.join(directory, name), "wb") as file:
            file.write(raw)


def segments(files):
    return [name for name in sorted(files) if reader.is_segment_name(name)]


def header_bytes(raw):
    return struct.unpack_from("<I", raw, 12)[0] if len(raw) >= 16 else 0


def stream_start(raw):
    start = header_bytes(raw)
    return start if reader.PAGE <= start < len(raw) else 0


def seal_header(raw):
    """Makes the checksum right, whatever stands there now."""
    size = header_bytes(raw)
    if reader.PAGE <= size <= len(raw):
        block = bytearray(raw[:size])
        block[72:80] = bytes(8)
        block[size - 16 :] = bytes(16)
        struct.pack_into("<Q", raw, 72, xxhash.xxh3_64_intdigest(bytes(block)))


def set_mark(raw, position, base=None):
    if not reader.PAGE <= header_bytes(raw) <= len(raw):
        return
    position &= reader.U64_MAX
    if base is None:
        base = struct.unpack_from("<Q", raw, 16)[0]
    check = xxhash.xxh3_64_intdigest(struct.pack("<Q", position), seed=base)
    struct.pack_into("<QQ", raw, header_bytes(raw) - 16, position, check)


def records(raw):
    """(byte, length) of what stands in a segment that was not damaged yet."""
    at, found = stream_start(raw), []
    while at and at + 8 <= len(raw):
        length = struct.unpack_from("<I", raw, at)[0]
        if length == 0 or at + length > len(raw):
            break
        found.append((at, length))
        at += (length + 7) & ~7
    return found


def seal_record(raw, at, length):
    if 36 <= length and at + length <= len(raw):
        position = struct.unpack_from("<Q", raw, 16)[0] + at - header_bytes(raw)
        struct.pack_into("<I", raw, at + 4, xxhash.xxh3_64_intdigest(bytes(raw[at + 8 : at + length]), seed=position) & 0xFFFFFFFF)


# ---- faults: each gets (files, rng); what it cannot do here it leaves -----------------------------
def one(files, rng):
    names = segments(files)
    return files[rng.choice(names)] if names else bytearray()


def last(files):
    names = segments(files)
    return files[names[-1]] if names else bytearray()


def any_of(files, rng):
    return last(files) if rng.random() < 0.5 else one(files, rng)


def flip_bits(files, rng):
    raw = any_of(files, rng)
    for _ in range(rng.choice((1, 1, 1, 2, 5))):
        low = stream_start(raw) if rng.random() < 0.8 else 0
        if low < len(raw):
            raw[rng.randrange(low, len(raw))] ^= 1 << rng.randrange(8)


def change_bytes(files, rng):
    raw = any_of(files, rng)
    low = stream_start(raw)
    if low < len(raw):
        at = rng.randrange(low, len(raw))
        for i in range(at, min(at + rng.choice((1, 2, 4, 8, 40)), len(raw))):
            raw[i] = rng.choice((0, 0xFF, rng.randrange(256)))


def truncate(files, rng):
    raw = any_of(files, rng)
    if raw:
        low = stream_start(raw) if rng.random() < 0.9 else 0
        unit = rng.choice((1, 8, SECTOR, 4096))
        del raw[rng.randrange(low, len(raw) + 1) // unit * unit :]


def tear(files, rng):
    """Sectors old (nothing was there yet), zero, of elsewhere, or noise."""
    raw, other = any_of(files, rng), one(files, rng)
    low = stream_start(raw) // SECTOR if rng.random() < 0.9 else 0
    count = len(raw) // SECTOR
    kind = rng.randrange(4)
    for _ in range(rng.choice((1, 1, 2, 4))):
        if low >= count:
            return
        at = rng.randrange(low, count) * SECTOR
        source = rng.randrange(max(1, len(other) // SECTOR)) * SECTOR
        fresh = (bytes(SECTOR), bytes(SECTOR), bytes(other[source : source + SECTOR]), rng.randbytes(SECTOR))[kind]
        raw[at : at + len(fresh)] = fresh


def tear_tail(files, rng):
    """What a power cut leaves of the last segment: of its last sectors some are there."""
    raw = last(files)
    end = max((at + length for at, length in records(raw)), default=0)
    low = max(stream_start(raw), end - rng.choice((SECTOR, 2048, 8192))) // SECTOR
    for sector in range(low, (end + SECTOR - 1) // SECTOR):
        if rng.random() < 0.5:
            begin = max(sector * SECTOR, stream_start(raw))
            size = min((sector + 1) * SECTOR, len(raw)) - begin
            raw[begin : begin + size] = bytes(size)
    if rng.random() < 0.7:
        set_mark(raw, struct.unpack_from("<Q", raw, 16)[0] + max(0, low * SECTOR - stream_start(raw)) if len(raw) > 80 else 0)


def stale_block(files, rng):
    """A block of an earlier lap or segment, where a later one should be."""
    raw, other = any_of(files, rng), one(files, rng)
    found, olds = records(raw), records(other)
    if found and olds:
        at, source = rng.choice(found)[0], rng.choice(olds)[0]
        size = rng.choice((8, 64, SECTOR, 2048)) if rng.random() < 0.7 else rng.choice(olds)[1]
        size = min(size, len(raw) - at, len(other) - source)
        raw[at : at + size] = other[source : source + size]


def repeat_block(files, rng):
    raw = any_of(files, rng)
    found = records(raw)
    if found:
        first = rng.randrange(len(found))
        begin, (end, length) = found[first][0], rng.choice(found[first : first + 8])
        block = bytes(raw[begin : end + (length + 7) // 8 * 8])
        if rng.random() < 0.5:
            raw[begin + len(block) : begin + len(block)] = block
        else:
            del raw[begin : begin + len(block)]


def hole(files, rng):
    raw = any_of(files, rng)
    low = stream_start(raw)
    if low < len(raw):
        unit = rng.choice((1, 8, SECTOR, 4096))
        at = max(low, rng.randrange(low, len(raw)) // unit * unit)
        size = min(rng.choice((1, 8, 64, SECTOR, 4096)), len(raw) - at)
        raw[at : at + size] = bytes(size)


def record_to_zero(files, rng):
    raw = any_of(files, rng)
    found = records(raw)
    if found:
        first = rng.randrange(len(found))
        if rng.random() < 0.3:
            at = found[first][0]
            raw[at:] = bytes(len(raw) - at)
        else:
            at, length = found[first]
            raw[at : at + length] = bytes(length)


def reseal(files, rng):
    """A record that checks, and is still not one: unknown schema, too short, odd flags, dirt behind it."""
    raw = any_of(files, rng)
    found = records(raw)
    if not found:
        return
    at, length = rng.choice(found)
    what = rng.randrange(5)
    if length < 36:
        struct.pack_into("<I", raw, at, rng.choice((1, 4, 7, 9, 12, 16, 35)))
        return
    if what == 0:
        struct.pack_into("<H", raw, at + 32, rng.choice((0, 7, 8, 9, 100, 101, 65535)))
    elif what == 1:
        struct.pack_into("<H", raw, at + 34, rng.choice((0, 1, 2, 3, 32, 255)))
    elif what == 2:
        length = rng.choice((36, length - 1, length - 4, length + 1, length + 7, 0xFFFFFFF9, 0x80000000 | length))
        struct.pack_into("<I", raw, at, length)
    elif what == 3:
        raw[at + rng.randrange(8, length)] ^= 0x40
    elif length % 8 and at + length < len(raw):
        raw[at + length] = 1
    if length < len(raw):
        seal_record(raw, at, length)


def swap_segments(files, rng):
    names = segments(files)
    if len(names) > 1:
        a, b = rng.sample(names, 2)
        if rng.random() < 0.5:
            files[a], files[b] = files[b], files[a]
        else:  # only the streams
            start = min(stream_start(files[a]), stream_start(files[b]))
            files[a][start:], files[b][start:] = files[b][start:], files[a][start:]


def lose_segment(files, rng):
    names = segments(files)
    if len(names) > 1:
        del files[rng.choice(names)]


def double_segment(files, rng):
    names = segments(files)
    if names:
        base = rng.choice((0, 8, 2048, 4096, 65536, 10**19, int(names[-1][:20]) + 4096, reader.U64_MAX // 8 * 8))
        raw = bytearray(files[rng.choice(names)])
        if rng.random() < 0.5 and len(raw) > 80:
            struct.pack_into("<Q", raw, 16, base)
            seal_header(raw)
        files[f"{base:020d}.mrj"] = raw


def append_segment(files, rng):
    """A later run's segment, whose header tells the truth about the one before it, or does not."""
    names = segments(files)
    if not names or len(files[names[-1]]) < 80:
        return
    before = files[names[-1]]
    base = struct.unpack_from("<Q", before, 16)[0]
    found = records(before)
    end = base + ((found[-1][0] + (found[-1][1] + 7) // 8 * 8 - header_bytes(before)) if found else 0)
    raw = bytearray(before[: header_bytes(before)])
    new_base = (end // 2048 + rng.randrange(1, 4)) * 2048
    if len(raw) < 80 or new_base > reader.U64_MAX:
        return
    struct.pack_into("<Q", raw, 16, new_base)
    struct.pack_into("<Q", raw, 64, rng.choice((end, end, end, end - 8 if end else 0, end + 8, base, new_base)))
    for at, length in found[: rng.randrange(6)]:
        place = len(raw)
        raw += before[at : at + (length + 7) // 8 * 8]
        seal_record(raw, place, length)
    set_mark(raw, new_base + len(raw) - header_bytes(raw))
    seal_header(raw)
    files[f"{new_base:020d}.mrj"] = raw


def damage_header(files, rng):
    raw = any_of(files, rng)
    if len(raw) >= 80:
        raw[rng.randrange(min(len(raw), header_bytes(raw) or 80))] ^= 1 << rng.randrange(8)


def lie_in_header(files, rng):
    """A sound checksum over something else than what was written."""
    raw = any_of(files, rng)
    if len(raw) < reader.PAGE:
        return
    what = rng.randrange(7)
    u64 = rng.choice((0, 1, 8, 512, 2048, 4096, 65536, 1 << 40, reader.U64_MAX))
    if what == 0:
        struct.pack_into("<Q", raw, 16, u64)
    elif what == 1:
        struct.pack_into("<Q", raw, 64, u64)
    elif what == 2:
        struct.pack_into("<Q", raw, 24, u64)
    elif what == 3:
        struct.pack_into("<I", raw, 12, rng.choice((0, 80, 4095, 4096, 8192, 12288, 1 << 20, 1 << 31)))
    elif what == 4:
        struct.pack_into("<I", raw, rng.choice((8, 80, 84)), rng.choice((0, 1, 2, 3, 64, 65, 4096)))
    elif what == 5:
        raw[32 + rng.randrange(32)] = rng.randrange(256)
    else:
        raw[88 + rng.randrange(500)] ^= 1 << rng.randrange(8)
    seal_header(raw)


def damage_mark(files, rng):
    raw = any_of(files, rng)
    size = header_bytes(raw)
    if not reader.PAGE <= size <= len(raw):
        return
    base = struct.unpack_from("<Q", raw, 16)[0]
    what = rng.randrange(6)
    if what == 0:
        raw[size - 16 : size] = bytes(16)
    elif what == 1:
        raw[size - 16 + rng.randrange(16)] ^= 1 << rng.randrange(8)
    elif what == 2:
        raw[size - 16 : size] = rng.randbytes(16)
    elif what == 3:
        set_mark(raw, base, base + 8)
    else:
        found = records(raw)
        at = rng.choice(found)[0] - size if found else 0
        set_mark(raw, rng.choice((base, base + at, base + at + 4, base + len(raw) - size, base + len(raw) - size + 8, reader.U64_MAX)))


def grow(files, rng):
    raw = any_of(files, rng)
    size = rng.choice((1, 4, 7, 8, 100, SECTOR, 4096, 5000))
    raw += bytes(size) if rng.random() < 0.5 else rng.randbytes(size)


def strangers(files, rng):
    """What else may lie in the directory, and is no part of the journal."""
    names = segments(files)
    if names:
        raw = bytearray(files[rng.choice(names)])
        name = rng.choice((".next", names[-1] + ".cut", "session", names[-1][1:], "1" + names[-1], names[-1] + "~", "99999999999999999999.mrj"))
        files[name] = raw if rng.random() < 0.5 else bytearray(rng.randbytes(100))


def nothing(files, rng):
    del files, rng


FAULTS = [(flip_bits, 8), (change_bytes, 4), (truncate, 6), (tear, 6), (tear_tail, 8), (stale_block, 5), (repeat_block, 4),
          (hole, 4), (record_to_zero, 4), (reseal, 5), (swap_segments, 2), (lose_segment, 2), (double_segment, 2),
          (append_segment, 4), (damage_header, 2), (lie_in_header, 3), (damage_mark, 4), (grow, 3), (strangers, 3),
          (nothing, 1)]  # fmt: skip


def damage(bases, seed):
    """The damaged journal of this seed, and what was done to it."""
    rng = random.Random(seed)
    small = [name for name in bases if not name.startswith("run-")]
    large = [name for name in bases if name.startswith("run-")]
    base = rng.choice(large if large and rng.random() < 0.04 else small)
    files = {name: bytearray(raw) for name, raw in bases[base].items()}
    done = [base]
    for _ in range(rng.choice((1, 1, 1, 1, 2, 2, 3))):
        fault = rng.choices([f for f, _ in FAULTS], [w for _, w in FAULTS])[0]
        fault(files, rng)
        done.append(fault.__name__)
    return files, done
