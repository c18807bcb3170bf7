#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Power cuts, for real but for the plug: a write-back cache in front of an image (nbdkit), a file system on it, a
pipeline into a journal there; at a random moment the cache is killed with everything that it had not written down,
then the pipeline, and its shared memory is taken away. What the loader had called durable before must be there
when the image is mounted again, and a run of the same pipeline must end with the journal of an undisturbed one.

    powercut.py BUILD [--cuts N] [--seed S] [--only K]     the last line is the figure

Every fourth cut comes while the run goes on from the cut before it. A cut that fails is printed with the
command that repeats its settings and its moment (the scheduler's part in it cannot be repeated)."""
import argparse
import filecmp
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time

IMAGE_BYTES = 96 << 20
SECONDS_MAX = 60

PIPELINE = """\
name: {name}
shm: {shm}
source: {{type: itch_file, path: {feed}, date: 2020-01-30, pace: {pace}}}
transform: {transform}
ring: {{size: 256KiB}}
sink: {{type: journal, path: {journal}, durability: {durability}, segment_size: 2MiB, io: {io},
  checkpoint_interval: 20ms}}
"""
CHAINS = {
    "books": "[order_book: {pass: true, orders_max: 50000}]",
    "bars": "[order_book: {quotes: false, alerts: false, orders_max: 50000}, "
            "bars: {key: symbol, price: price, volume: shares, every: 1s, pass: true}]",
    "plain": "[filter: {where: 'shares > 100', on: [order_add], others: pass}]",
}


class Failed(Exception):
    pass


def sh(*command, check=True):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if check and done.returncode:
        raise Failed(f"{' '.join(command)}: {done.stdout.strip()}")
    return done.stdout.strip()


def until(what, seconds=10):
    end = time.monotonic() + seconds
    while not what():
        if time.monotonic() > end:
            return False
        time.sleep(0.002)
    return True


class Device:
    """The image behind a write-back cache, mounted; cut() is the power cut."""

    def __init__(self, work, image):
        self.mount = os.path.join(work, "disk")
        self.fuse = os.path.join(work, "fuse")
        self.socket = os.path.join(work, "nbd.sock")
        for directory in (self.mount, self.fuse):
            os.makedirs(directory, exist_ok=True)
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        self.loop = None
        self.servers = [subprocess.Popen(["nbdkit", "-f", "-U", self.socket, "--filter=cache", "file", image,
                                          "cache=writeback"], **quiet)]
        try:
            if not until(lambda: os.path.exists(self.socket)):
                raise Failed("nbdkit does not serve")
            self.servers.append(subprocess.Popen(["nbdfuse", self.fuse, "--unix", self.socket], **quiet))
            if not until(lambda: os.path.exists(os.path.join(self.fuse, "nbd"))):
                raise Failed("nbdfuse does not serve")
            self.loop = sh("losetup", "--find", "--show", os.path.join(self.fuse, "nbd"))
            sh("mount", self.loop, self.mount)
        except Failed:
            self.cut()
            raise

    def cut(self):
        for server in self.servers:
            server.kill()
        for server in self.servers:
            server.wait()

    def take_away(self):
        sh("umount", "-l", self.mount, check=False)
        if self.loop:
            sh("losetup", "-d", self.loop, check=False)
        sh("umount", "-l", self.fuse, check=False)
        if os.path.exists(self.socket):
            os.unlink(self.socket)


class Mounted:
    """The image itself, after the cut."""

    def __init__(self, work, image):
        self.mount = os.path.join(work, "disk")
        self.image = image

    def __enter__(self):
        sh("mount", "-o", "loop", self.image, self.mount)
        return self

    def __exit__(self, *_):
        sh("umount", self.mount)


class Bench:
    def __init__(self, build, work, shm):
        self.millrace = os.path.join(os.path.abspath(build), "millrace")
        self.work, self.shm = work, shm
        self.image = os.path.join(work, "image")
        self.feed = os.path.join(work, "day.itch")
        self.template = os.path.join(work, "template")
        self.lost_of = {}

    def prepare(self, messages):
        sh(self.millrace, "gen", "itch", "--messages", str(messages), "--out", self.feed)
        self.spoil()
        with open(self.template, "wb") as image:
            image.truncate(IMAGE_BYTES)
        sh("mkfs.ext4", "-q", "-F", "-E", "lazy_itable_init=0,lazy_journal_init=0", self.template)

    def spoil(self):
        """Every 5,000th message is followed by one whose length its type has not: dead letters."""
        day, out, at, count = open(self.feed, "rb").read(), bytearray(), 0, 0
        while at < len(day):
            length = 2 + int.from_bytes(day[at:at + 2], "big")
            out += day[at:at + length]
            at += length
            count += 1
            if count % 5000 == 0:
                out += b"\0\x1eA" + bytes(29)
        with open(self.feed, "wb") as feed:
            feed.write(out)

    def write_pipeline(self, name, journal, chain, durability, io):
        path = os.path.join(self.work, name + ".yaml")
        with open(path, "w") as out:
            out.write(PIPELINE.format(name=name, shm=self.shm, feed=self.feed, pace="asap", journal=journal,
                                      transform=CHAINS[chain], durability=durability, io=io))
        return path

    def run(self, pipeline):
        done = subprocess.run([self.millrace, "run", pipeline, "--json"], stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True, timeout=SECONDS_MAX)
        if done.returncode:
            raise Failed(f"run ended with {done.returncode}: {done.stderr.strip()[-600:]}")
        status = json.loads(done.stdout)
        if not status["balance"]:
            raise Failed("the counts do not balance: " + status.get("imbalance", ""))
        return {stage: {kind: status["stages"][stage][kind] for kind in ("in", "out", "rejected", "emitted")}
                for stage in ("producer", "transform", "loader")}

    def start(self, pipeline):
        return subprocess.Popen([self.millrace, "run", pipeline, "--json"], stdout=subprocess.DEVNULL,
                                stderr=subprocess.DEVNULL, start_new_session=True)

    def durable_position(self, name):
        text = sh(self.millrace, "stat", name, "--shm", self.shm, "--json", check=False)
        try:
            return json.loads(text)["sink"]["durable_position"]
        except (ValueError, KeyError, TypeError):
            return 0

    def forget(self, name):
        shutil.rmtree(os.path.join(self.shm, f"millrace-{os.getuid()}", name), ignore_errors=True)

    def whole_end(self, journal):
        """Where what is there of the journal ends, and what is wrong with it."""
        done = subprocess.run([self.millrace, "verify", journal, "--json"], stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True)
        try:
            found = json.loads(done.stdout)
        except ValueError:
            return 0, done.stdout.strip()
        return found["end_pos"], found["problem"] if done.returncode else None

    # One run that is cut at a random moment; the position that it had called durable before.
    def cut_once(self, pipeline, name, total, rng):
        device = Device(self.work, self.image)
        process = None
        acknowledged, goal, delay = 0, rng.random() * 0.9 * total, rng.random() * 0.03
        try:
            process = self.start(pipeline)
            end = time.monotonic() + SECONDS_MAX
            while process.poll() is None and time.monotonic() < end:
                acknowledged = max(acknowledged, self.durable_position(name))
                if acknowledged >= goal:
                    break
            if process.poll() is None:
                time.sleep(delay)
                acknowledged = max(acknowledged, self.durable_position(name))
            finished = process.poll() is not None
        finally:
            device.cut()
            if process:
                try:
                    os.killpg(process.pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
                process.wait()
            device.take_away()
        self.forget(name)
        return acknowledged, finished


def difference(left, right):
    """Of two directories, file by file and byte for byte; None where there is none."""
    names, others = sorted(os.listdir(left)), sorted(os.listdir(right))
    if names != others:
        return f"files {set(names) ^ set(others)}"
    differ = filecmp.cmpfiles(left, right, names, shallow=False)[1]
    return f"the bytes of {differ}" if differ else None


class Figures:
    def __init__(self):
        self.cuts = {"batch": 0, "record": 0, "none": 0}
        self.positions = self.missing = self.lost = self.differ = self.resumed = 0


def one(bench, case, figures, references):
    rng = random.Random(case["seed"])
    chain, durability = case["chain"], case["durability"]
    journal = os.path.join(bench.work, "disk", "journal")
    pipeline = bench.write_pipeline("cut", journal, chain, durability, case["io"])
    reference = references[chain]
    shutil.copyfile(bench.template, bench.image)
    for again in range(2 if case["twice"] else 1):
        acknowledged, finished = bench.cut_once(pipeline, "cut", reference["end_pos"], rng)
        figures.resumed += again
        with Mounted(bench.work, bench.image):
            end_pos, problem = bench.whole_end(journal) if os.path.isdir(journal) else (0, None)
            # The run may have come to its end before its process did.
            finished |= os.path.isdir(journal) and not os.path.exists(os.path.join(journal, ".session"))
            missing = max(0, acknowledged - end_pos)
            figures.positions += acknowledged
            if durability == "none":
                figures.lost += missing > 0 or problem is not None
            else:
                figures.missing += missing
                if missing or (problem and acknowledged):
                    raise Failed(f"acknowledged {acknowledged}, found {end_pos}: {problem}")
        figures.cuts[durability] += 1
        if finished:
            break
    with Mounted(bench.work, bench.image):
        if not finished:
            counts = bench.run(pipeline)
            if counts != reference["counts"]:
                raise Failed(f"counts {counts}, expected {reference['counts']}")
        if durability == "none" and finished:
            return
        for part in ("", ".dead/producer"):
            found = difference(reference["journal"] + part, journal + part)
            if found:
                figures.differ += 1
                raise Failed(f"the journal{part} is not that of an undisturbed run: {found}"
                             f"{', finished before the cut' if finished else ''}")
    bench.forget("cut")


def make_references(bench):
    references = {}
    for chain in CHAINS:
        journal = os.path.join(bench.work, "whole-" + chain)
        pipeline = bench.write_pipeline("whole", journal, chain, "batch", "auto")
        counts = bench.run(pipeline)
        bench.forget("whole")
        references[chain] = {"journal": journal, "counts": counts, "end_pos": bench.whole_end(journal)[0]}
    return references


def why_not():
    """What is missing here for the test; None where nothing is."""
    if os.geteuid() != 0:
        return "not root: no right to mount"
    for program in ("nbdkit", "nbdfuse", "losetup", "mkfs.ext4"):
        if not shutil.which(program):
            return f"{program} is not installed (a package of scripts/packages.txt)"
    if not os.path.exists("/dev/fuse"):
        return "no /dev/fuse"
    if subprocess.run(["losetup", "--find"], capture_output=True).returncode:
        return "no loop device"
    return None


def cases(arguments):
    rng = random.Random(arguments.seed)
    every = 5 if arguments.cuts < 8 else 10
    for number in range(arguments.cuts + (arguments.cuts + every - 1) // every):
        case = {"number": number, "seed": rng.randrange(1 << 48), "chain": rng.choice(sorted(CHAINS)),
                "io": rng.choice(["auto", "auto", "pwrite"]), "twice": number % 4 == 3,
                "durability": ("batch" if number % 2 else "record") if number < arguments.cuts else "none"}
        if arguments.only is None or arguments.only == number:
            yield case


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("build")
    parser.add_argument("--cuts", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", type=int)
    parser.add_argument("--messages", type=int, default=250000)
    arguments = parser.parse_args()
    reason = why_not()
    if reason:
        print(f"skip - powercut: {reason}")
        return 0
    figures, failures = Figures(), 0
    with tempfile.TemporaryDirectory(prefix="millrace-powercut.") as work, \
            tempfile.TemporaryDirectory(prefix="millrace-powercut.", dir="/dev/shm") as shm:
        bench = Bench(arguments.build, work, shm)
        bench.prepare(arguments.messages)
        references = make_references(bench)
        for case in cases(arguments):
            try:
                one(bench, case, figures, references)
            except (Failed, subprocess.TimeoutExpired) as problem:
                failures += 1
                print(f"powercut: cut {case['number']} ({case['durability']}, {case['chain']}, io {case['io']}): "
                      f"{problem}\n  {sys.argv[0]} {arguments.build} --cuts {arguments.cuts} --seed "
                      f"{arguments.seed} --only {case['number']}", flush=True)
                sh("umount", "-l", os.path.join(work, "disk"), check=False)
                bench.forget("cut")
    cuts = figures.cuts
    print(f"powercut: {cuts['batch'] + cuts['record']} cuts batch/record ({figures.resumed} of them and of none during "
          f"a resume), {figures.missing} of {figures.positions} acknowledged positions missing; none: {figures.lost} "
          f"of {cuts['none']} cuts lost acknowledged bytes; {figures.differ} journals differ after the resume")
    if arguments.only is None and cuts["none"] and not figures.lost:
        print("powercut: nothing was lost with durability none: the cut does not cut")
        failures += 1
    return 1 if failures or figures.missing or figures.differ else 0


if __name__ == "__main__":
    sys.exit(main())
