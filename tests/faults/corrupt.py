#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Journals damaged by seed, read by the program and by tests/model/journal_reader.py: both must find the same.

    corrupt.py BUILD_DIR [--program JUDGE] [--journals N] [--seed S] [--jobs J] [--work DIR] [--keep DIR]

Journal i of a run is made from seed S + i alone, so `--journals 1 --seed THAT` makes it again. Each is a small journal
(several segments, schemas and runs, with and without durable mark; some written by `millrace run`) with one to three
faults put in. Compared: the verdict, the end, every record before it, what is wrong and at which byte; then what a
loader does that appends (cut at that end, or refuse and touch nothing), or what `verify --repair` makes of it: whole
again, with all those records, and no byte destroyed.
Journals that were judged differently stay below --keep.
"""
import argparse
import collections
import concurrent.futures
import os
import select
import shutil
import struct
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "model"))
import journal_reader as reader  # noqa: E402
from journal_damage import damage, header_bytes, load, segments, set_mark, store  # noqa: E402

ANSWER_SECONDS_MAX = 20


# ---- the program under test -------------------------------------------------------------------------
class Died(Exception):
    """No answer: it crashed, or it hangs."""


class Program:
    def __init__(self, path):
        self.path = path
        self.start()

    def start(self):
        self.errors = tempfile.TemporaryFile()
        self.process = subprocess.Popen([self.path, "judge"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.errors, bufsize=0)

    def tell(self, line):
        self.process.stdin.write(line.encode() + b"\n")

    def answer(self):
        line = b""
        while not line.endswith(b"\n"):
            ready, _, _ = select.select([self.process.stdout], [], [], ANSWER_SECONDS_MAX)
            part = os.read(self.process.stdout.fileno(), 4096) if ready else b""
            if not part:
                self.process.kill()
                status = self.process.wait()
                self.errors.seek(0)
                said = self.errors.read().decode(errors="replace")[-3000:]
                self.start()
                raise Died(f"{'ended with ' + str(status) if ready else 'hangs'}: {said}")
            line += part
        return line.decode().split()

    def ask(self, line):
        try:
            self.tell(line)
        except BrokenPipeError:
            pass
        return self.answer()

    def end(self):
        self.process.stdin.close()
        return self.process.wait()


# ---- one journal -------------------------------------------------------------------------------------
def expected_reading(finding):
    if finding.state == "refused":
        return ["refused", "8"]
    return [finding.state, str(finding.end_pos), str(finding.records), f"{finding.digest:016x}", finding.fault,
            finding.file or "-", str(finding.byte)]  # fmt: skip


def tail_of(directory):
    """What the last segment alone is; None where there is no segment."""
    names = [name for name in sorted(os.listdir(directory)) if reader.is_segment_name(name)]
    return (names[-1], reader.read_journal(os.path.join(directory, names[-1]))) if names else None


def expected_tail(tail):
    if tail is None:
        return ["0", "0", "0"]
    if tail[1].state in ("damaged", "refused"):
        return ["8", "0", "0"]
    return ["0", str(tail[1].end_pos), str(int(tail[1].state == "torn"))]


def differ(what, found, expected):
    return None if found == expected else f"{what}: the program found {' '.join(found)}, the reference {' '.join(expected)}"


def check_opened(files, directory, tail, code):
    """A loader that appends cuts the last segment at its end and marks it there, or refuses and touches nothing."""
    now = load(directory)
    expected = dict(files)
    expected.pop(".next", None)  # a dead loader's, for which there is no use
    if tail and tail[1].state not in ("damaged", "refused"):
        name, finding = tail
        raw = bytearray(files[name])
        base = struct.unpack_from("<Q", raw, 16)[0]
        del raw[header_bytes(raw) + finding.end_pos - base :]
        set_mark(raw, finding.end_pos)
        expected[name] = raw
    problem = differ("open", [code], ["8" if tail and tail[1].state in ("damaged", "refused") else "0"])
    if not problem and now != expected:
        problem = f"open: found other bytes in {[n for n in set(now) | set(expected) if now.get(n) != expected.get(n)]}"
    return problem


def check_resync(found, finding):
    """The records before the damage are those of the reading; behind a whole journal there is nothing."""
    if finding.state == "refused":
        return differ("resync", found, ["0", "0", "0"])
    problem = differ("resync", found[:1], [str(finding.records)])
    if not problem and finding.state == "whole":
        problem = differ("resync", found[1:], ["0", "0"])
    return problem


def cut_parts(files, directory_now):
    """The .cut files that were not there before, by the position in their names."""
    return [(name, raw) for name, raw in directory_now.items() if ".mrj.cut" in name and name not in files]


def is_kept(name, raw, now, parts):
    """Whether every byte of a segment is still somewhere: in its place, or in a .cut file."""
    here = now.get(name)
    if here is None:
        return any(part.startswith(name) and kept == raw for part, kept in parts)
    size = header_bytes(here)
    header = [kept for part, kept in now.items() if part.startswith(name + ".header.cut")]
    if here[: size - 16] != raw[: size - 16] and not any(kept == raw[: len(kept)] for kept in header):
        return False
    rest = raw[len(here) :]
    if here[size:] != raw[size : len(here)]:
        return False
    base = struct.unpack_from("<Q", here, 16)[0]
    cuts = [kept for part, kept in parts if part.startswith(f"{base + len(here) - size:020d}.mrj.cut")]
    return not any(rest) or any(kept[header_bytes(kept) :].rstrip(b"\0") == rest.rstrip(b"\0") for kept in cuts)


def check_repaired(files, directory, finding, code):
    """Whole, with at least the records that were readable, and nothing destroyed."""
    now = load(directory)
    problem = differ("repair", [code], ["0"])
    if problem or finding.state == "whole":
        same = now == {name: raw for name, raw in files.items() if name != ".next"}
        return problem or (None if same else "repair: a whole journal was changed")
    after = reader.read_journal(directory) if segments(now) else reader.Finding()
    if after.state != "whole":
        return f"repair: left {after}"
    same = after.records != finding.records or after.records == 0 or after.digest == finding.digest
    if after.records < finding.records or not same:
        return f"repair: {finding.records} records before, {after.records} after"
    if finding.fault in ("record", "zero", "short", "chain", "schemas", "mark") and after.records != finding.records:
        return f"repair: {finding.records} records before, {after.records} after"
    parts = cut_parts(files, now)
    lost = [name for name in segments(files) if not is_kept(name, files[name], now, parts)]
    return f"repair: bytes of {lost} are gone" if lost else None


def judge(program, bases, seed, directory):
    """(state, what was done, problem or None)"""
    files, done = damage(bases, seed)
    store(files, directory)
    program.tell(f"read {directory}")
    finding = reader.read_journal(directory) if segments(files) else None
    tail = tail_of(directory)
    found = program.answer()
    if finding is None:
        return "none", done, differ("read", found, ["refused", "4"] + expected_tail(tail))
    problem = differ("read", found, expected_reading(finding) + expected_tail(tail))
    if not problem and seed % 2 == 0:
        problem = check_opened(files, directory, tail, program.ask(f"open {directory}")[0])
    elif not problem:
        problem = check_resync(program.ask(f"resync {directory}"), finding)
        if not problem:
            problem = check_repaired(files, directory, finding, program.ask(f"repair {directory}")[0])
    return finding.state, done, problem


def judge_range(binary, bases_dir, first, count, work, keep):
    """One worker: the tally of states, and the seeds that failed."""
    bases = {name: load(os.path.join(bases_dir, name)) for name in sorted(os.listdir(bases_dir))}
    program = Program(binary)
    states, failed, crashes = collections.Counter(), [], 0
    directory = tempfile.mkdtemp(prefix="corrupt-", dir=work)
    target = os.path.join(directory, "journal")
    for seed in range(first, first + count):
        try:
            state, done, problem = judge(program, bases, seed, target)
        except Died as end:
            state, done, problem = "none", ["?"], f"the program {end}"
            crashes += 1
        states[state] += 1
        if problem:
            kept = os.path.join(keep, f"seed-{seed}")
            store(damage(bases, seed)[0], kept) if os.path.isdir(keep) else None
            failed.append((seed, done, problem, kept))
            if len(failed) >= 5:
                break
    if program.end() != 0:
        program.errors.seek(0)
        said = program.errors.read().decode(errors="replace")[:3000]
        failed.append((first, ["?"], f"the program did not end well: {said}", "-"))
    shutil.rmtree(directory)
    return states, failed, crashes


# ---- all of them ---------------------------------------------------------------------------------------
PIPELINE = """name: corrupt-base-{name}
shm: {shm}
source: {{type: {source}, path: {feed}}}
ring: {{size: 64KiB}}
sink: {{type: journal, path: {out}, segment_size: 64KiB, durability: {durability}}}
"""


def run_pipeline(millrace, work, out, name, source, feed, durability, runs):
    path = os.path.join(work, f"{name}.yaml")
    with open(path, "w", encoding="utf-8") as file:
        file.write(PIPELINE.format(name=name, shm=os.path.join(work, "shm"), source=source, feed=feed, out=os.path.join(out, f"run-{name}"), durability=durability))
    for _ in range(runs):
        subprocess.run([millrace, "run", path], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def make_bases(build, binary, work):
    """Small journals by the test program, and real ones by whole runs."""
    out = os.path.join(work, "bases")
    subprocess.run([binary, "make", out], check=True)
    millrace = os.path.join(build, "millrace")
    feed = os.path.join(work, "20200130-feed.itch")
    os.mkdir(os.path.join(work, "shm"))
    subprocess.run([millrace, "gen", "itch", "--messages", "1500", "--out", feed], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    run_pipeline(millrace, work, out, "itch", "itch_file", feed, "batch", 2)
    run_pipeline(millrace, work, out, "none", "itch_file", feed, "none", 1)
    shutil.rmtree(os.path.join(out, "run-itch.dead"), ignore_errors=True)
    return out


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("build", help="where the program is")
    parser.add_argument("--program", help="the judge, if not BUILD/tests/faults/corrupt")
    parser.add_argument("--journals", type=int, default=10000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--work", default="/dev/shm" if os.access("/dev/shm", os.W_OK) else None)
    parser.add_argument("--keep", default="build/corrupt")
    args = parser.parse_args()
    binary = args.program or os.path.join(args.build, "tests/faults/corrupt")
    os.makedirs(args.keep, exist_ok=True)
    states, failed, crashes = collections.Counter(), [], 0
    with tempfile.TemporaryDirectory(prefix="millrace-corrupt-", dir=args.work) as work:
        bases = make_bases(args.build, binary, work)
        share = -(-args.journals // args.jobs)
        parts = [(first, min(share, args.seed + args.journals - first)) for first in range(args.seed, args.seed + args.journals, share)]
        with concurrent.futures.ProcessPoolExecutor(args.jobs) as pool:
            for tally, bad, died in pool.map(judge_range, *zip(*[(binary, bases, *part, work, args.keep) for part in parts])):
                states += tally
                failed += bad
                crashes += died
    for seed, done, problem, kept in failed:
        print(f"seed {seed} ({', '.join(done)}): {problem}\n  kept: {kept}\n  again: make corrupt N=1 SEED={seed}")
    damaged = states["damaged"] + states["refused"]
    print(f"corrupt: {sum(states.values())} journals, {len(failed)} disagreements, {crashes} crashes "
          f"(whole {states['whole']}, torn {states['torn']}, damaged {damaged}); seed {args.seed}")  # fmt: skip
    return 1 if failed or sum(states.values()) < args.journals else 0


if __name__ == "__main__":
    sys.exit(main())
