#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A file system without room at every point: full.py BUILD_DIR [--every N] [--jobs N] [--sink NAME --at K]

A run is repeated once for each call of its loader that needs room: making a file, a directory or a name,
preallocating a segment, writing. That call finds none, nor does any other for a moment
(tests/faults/preload/no_room.c); then there is room again. Each time the files must be those of an
undisturbed run, byte for byte, the status must have said which file, and the loader must go on within a second.
A run that finds no room for its very first files is refused (exit code 5) before a record is accepted, and the
loader is started again. --every N takes about each N-th call only; the kinds of refusal alternate (ENOSPC, EDQUOT).

The last line is the figure; a failure is printed with what repeats it.
"""
import argparse
import concurrent.futures
import errno
import filecmp
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

MESSAGES = 12000
REFUSED_MS = 120
SINKS = {
    "journal": "type: journal, path: {out}/out, segment_size: 64KiB, existing: replace, io: pwrite",
    "uring": "type: journal, path: {out}/out, segment_size: 64KiB, existing: replace, io: auto",
    "csv": "type: csv, path: {out}/out.csv, io: pwrite",
    "ndjson": "type: ndjson, path: {out}/deep/out.ndjson, io: pwrite",
}
STAGES = ("produce", "transform", "load")


def feed(program, path):
    """An exchange session in which every 2,000th message has a length that its type has not."""
    made = path.with_suffix(".made")
    subprocess.run([program, "gen", "itch", "--messages", str(MESSAGES), "--out", made], check=True, capture_output=True)
    day, out, at, count = made.read_bytes(), bytearray(), 0, 0
    while at < len(day):
        length = 2 + int.from_bytes(day[at : at + 2], "big")
        out += day[at : at + length]
        at += length
        count += 1
        if count % 2000 == 0:
            out += b"\0\x1eA" + bytes(29)
    path.write_bytes(out)


def same(a, b):
    """Two trees, name by name and byte by byte."""
    pair = filecmp.dircmp(a, b)
    if pair.left_only or pair.right_only or pair.funny_files:
        return False
    _, mismatch, errors = filecmp.cmpfiles(a, b, pair.common_files, shallow=False)
    return not mismatch and not errors and all(same(f"{a}/{d}", f"{b}/{d}") for d in pair.common_dirs)


class Run:
    """One run of a sink, in directories of its own, its stages started by hand."""

    def __init__(self, args, work, sink, name):
        self.args, self.name = args, name
        self.directory = work / name
        self.out, self.shm = self.directory / "files", args.shm / name
        self.report = self.directory / "report"
        self.out.mkdir(parents=True)
        self.shm.mkdir()
        self.file = self.directory / "p.yaml"
        self.file.write_text(
            f"name: {name}\nshm: {self.shm}\nring: {{size: 64KiB}}\ndead_letter: {{size: 64KiB}}\n"
            f"source: {{type: itch_file, path: {work}/day.itch, date: 2020-01-30}}\n"
            f"sink: {{{SINKS[sink].format(out=self.out)}}}\n"
        )

    def start(self, stage, **fault):
        environment = dict(os.environ)
        if fault:
            environment.update({"LD_PRELOAD": str(self.args.preload), "NO_ROOM_REPORT": str(self.report)})
            environment.update({f"NO_ROOM_{key}": str(value) for key, value in fault.items()})
        log = open(self.directory / f"{stage}.log", "ab")
        return subprocess.Popen([self.args.program, stage, self.file], env=environment, stdout=log, stderr=log)

    def stat(self):
        done = subprocess.run([self.args.program, "stat", self.file, "--json"], capture_output=True, text=True)
        return json.loads(done.stdout) if done.returncode == 0 and done.stdout else None

    def events(self):
        lines = self.report.read_text().splitlines() if self.report.exists() else []
        return {words[0]: words for words in (line.split() for line in lines)}

    def remove(self):
        shutil.rmtree(self.directory, ignore_errors=True)
        shutil.rmtree(self.shm, ignore_errors=True)


def look(run, loader):
    """What the status says of the device while there is no room; None: it was over before."""
    until = time.monotonic() + 20
    while loader.poll() is None and time.monotonic() < until:
        if "refused" not in run.events():
            time.sleep(0.005)
            continue
        found = run.stat()
        if found and found["sink"]["device"]["no_room"]:
            return found["sink"]["device"]
        if "granted" in run.events() or "calls" in run.events():
            return None
    return None


def judge(run, reference, refused_to_open, device):
    """What is wrong; None: nothing."""
    final, events = run.stat(), run.events()
    if not same(reference.out, run.out):
        return "the files are not those of an undisturbed run"
    if not final or not final["balance"] or final["phase"] != "done":
        return f"it has not ended well: {final and final['phase']}"
    if refused_to_open:
        return None
    if final["sink"]["device"]["refusals"] < 1:
        return "nobody was told of the refusal"
    if device and (not device["no_room_what"] or device["no_room_since"] == ""):
        return f"the status does not say what: {device}"
    if "granted" not in events:
        return "it was never asked again"
    return None


def disturb(args, work, sink, reference, at):
    """(what is wrong or None, refused to open, seen in the status, milliseconds to go on); None: it had fewer calls."""
    run = Run(args, work, sink, f"full-{sink}-{at}")
    kind = errno.ENOSPC if at % 2 else errno.EDQUOT
    loader = run.start("load", BELOW=run.out, AT=at, ERRNO=kind, MS=REFUSED_MS)
    others = [run.start("transform"), run.start("produce")]
    device, refused_to_open, wrong = look(run, loader), False, None
    try:
        code = loader.wait(30)
        if code == 5:
            refused_to_open = True
            found = run.stat()
            if found["stages"]["loader"]["in"] > 0:
                wrong = "refused after records were taken in"
            code = run.start("load").wait(30)
        codes = [code] + [other.wait(30) for other in others]
        if any(codes):
            wrong = f"exit codes {codes}"
    except subprocess.TimeoutExpired:
        wrong = "it hangs"
        for process in [loader, *others]:
            process.kill()
    if not wrong and "refused" not in run.events() and "calls" in run.events():
        run.remove()
        return None
    wrong = wrong or judge(run, reference, refused_to_open, device)
    events = run.events()
    later_ms = 0
    if "granted" in events and "refused" in events:
        later_ms = int(events["granted"][3]) - int(events["refused"][3]) - REFUSED_MS
    if later_ms > 1000:
        wrong = wrong or f"it went on {later_ms} ms after there was room"
    if wrong:
        print(f"{sink}, call {at} ({' '.join(events.get('refused', ['?'])[1:3])}, {errno.errorcode[kind]}): {wrong}; kept in "
              f"{run.directory}\n  again: tests/faults/full.py {args.build} --sink {sink} --at {at}", flush=True)
    else:
        run.remove()
    return wrong, refused_to_open, device is not None, later_ms


def undisturbed(args, work, sink):
    """The run to compare with, and how many of its calls need room."""
    run = Run(args, work, sink, f"full-{sink}")
    processes = [run.start("load", BELOW=run.out, AT=0), run.start("transform"), run.start("produce")]
    codes = [process.wait(60) for process in processes]
    calls = int(run.events().get("calls", ["", 0])[1])
    if any(codes) or calls < 3:
        sys.exit(f"{sink}: an undisturbed run ended with {codes}, {calls} calls; see {run.directory}")
    return run, calls


def choose(calls, every):
    """Each N-th call; closer together where the files begin and where they end."""
    near = max(1, every // 8)
    points = set(range(1, calls + 1, every)) | set(range(1, min(calls, 20), near)) | set(range(max(1, calls - 4), calls + 1, near))
    return sorted(points)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--sink", choices=SINKS)
    parser.add_argument("--at", type=int)
    args = parser.parse_args()
    args.program = (args.build / "millrace").resolve()
    args.preload = (args.build / "tests/faults/preload/no_room.so").resolve()
    work = pathlib.Path(tempfile.mkdtemp(prefix="millrace-full."))
    args.shm = pathlib.Path(tempfile.mkdtemp(prefix="millrace-full.", dir="/dev/shm"))
    feed(args.program, work / "day.itch")
    results, calls_in_all = [], 0
    with concurrent.futures.ThreadPoolExecutor(args.jobs) as pool:
        for sink in [args.sink] if args.sink else SINKS:
            reference, calls = undisturbed(args, work, sink)
            calls_in_all += calls
            points = [args.at] if args.at else choose(calls, args.every)
            results += pool.map(lambda at, s=sink, r=reference: disturb(args, work, s, r, at), points)
    results = [result for result in results if result]
    failed = sum(1 for wrong, *_ in results if wrong)
    later = sorted(result[3] for result in results)
    shutil.rmtree(args.shm, ignore_errors=True)
    if not failed:
        shutil.rmtree(work, ignore_errors=True)
    print(f"no room at {len(results)} of {calls_in_all} calls ({', '.join([args.sink] if args.sink else SINKS)}): {failed} failed; "
          f"{sum(r[1] for r in results)} refused to begin, {sum(r[2] for r in results)} seen in the status while it lasted; "
          f"went on {later[len(later) // 2]} ms (median), {later[-1]} ms (longest) after there was room")
    sys.exit(failed > 0)


if __name__ == "__main__":
    main()
