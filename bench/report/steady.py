# SPDX-License-Identifier: Apache-2.0
"""What the trio asks of the system per record once it runs: nothing.

    steady.py BUILD_DIR [--records N] [--json]

The trio runs flat out over N and over 2 N records: under strace, which counts each stage's system calls; with a
preloaded library that counts what each asks of the allocator; and once more over 2 N records, by itself, watching
each stage's resident memory from when the first quarter is through until the end. What N more records cost must be
far below one call a record, no allocation at all, and no memory.

Exit code 1 where it is not so."""
import argparse
import collections
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

STAGES = {"produce": "producer", "transform": "transform", "load": "loader"}
CALLS_A_RECORD_MAX = 0.02
ALLOCATIONS_MORE_MAX = 100  # over all N more records: a segment of the journal rolled, a line logged
MEMORY_MORE_KIB_MAX = 1024
MEMORY_RECORDS_MIN = 8000000  # so that the rings are full long before the first quarter is over

PIPELINE = """
name: steady
shm: {folder}/shm
schemas:
  - name: tick
    fields:
      - {{name: a, type: u32}}
      - {{name: b, type: u64}}
      - {{name: c, type: u64}}
      - {{name: d, type: u64}}
source: {{type: mock, schema: tick, count: {records}}}
transform:
  - filter: b >= 0
ring: {{size: 4MiB}}
sink: {{type: journal, path: {folder}/journal, durability: batch, existing: replace, segment_size: 64MiB}}
"""


def write_pipeline(folder, records):
    with open(f"{folder}/steady.yaml", "w") as file:
        file.write(PIPELINE.format(folder=folder, records=records))
    return f"{folder}/steady.yaml"


def run(command, records, **more):
    done = subprocess.run(command, capture_output=True, text=True, **more)
    if done.returncode != 0:
        sys.exit(f"steady: {' '.join(command)} ended with {done.returncode}: {done.stderr.strip()[-500:]}")
    found = json.loads(done.stdout)
    if not found["balance"] or found["stages"]["loader"]["out"] != records:
        sys.exit(f"steady: {found['stages']['loader']['out']} records came out, expected {records}")
    return found


def count_calls(millrace, folder, records):
    """{stage: {name: calls}} over a whole run."""
    trace = f"{folder}/trace"
    os.mkdir(trace)
    run(["strace", "-ff", "-qq", "-o", f"{trace}/t", millrace, "run", write_pipeline(folder, records), "--json"], records)
    found = {}
    for name in os.listdir(trace):
        with open(f"{trace}/{name}") as file:
            lines = file.readlines()
        stage = next((word.group(1) for line in lines
                      if (word := re.match(r'execve\("[^"]*", \["millrace", "(\w+)"', line))), None)
        if stage in STAGES:
            names = collections.Counter(line.split("(", 1)[0] for line in lines if re.match(r"\w+\(", line))
            found[STAGES[stage]] = found.get(STAGES[stage], collections.Counter()) + names
    shutil.rmtree(trace)
    return found


def count_allocations(millrace, build, folder, records):
    counts = f"{folder}/counts"
    os.mkdir(counts)
    library = os.path.abspath(f"{build}/bench/preload/count_allocations.so")
    run([millrace, "run", write_pipeline(folder, records), "--json"], records,
        env=dict(os.environ, LD_PRELOAD=library, COUNT_ALLOCATIONS=counts))
    found = {}
    for name in os.listdir(counts):
        with open(f"{counts}/{name}") as file:
            calls, stage = file.read().split()
        if stage in STAGES:
            found[STAGES[stage]] = int(calls)
    shutil.rmtree(counts)
    return found


def children(pid):
    try:
        with open(f"/proc/{pid}/task/{pid}/children") as file:
            return file.read().split()
    except OSError:
        return []


def resident_kib(pid):
    with open(f"/proc/{pid}/status") as file:
        return int(re.search(r"^VmRSS:\s+(\d+)", file.read(), re.M).group(1))


def watch_memory(millrace, folder, records):
    """{stage: (KiB after the first quarter, greatest since)}"""
    run_of = subprocess.Popen([millrace, "run", write_pipeline(folder, records), "--json"], stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL, text=True)
    pids, seen = {}, {}
    while run_of.poll() is None:
        for pid in children(run_of.pid):
            try:
                with open(f"/proc/{pid}/cmdline") as file:
                    word = file.read().split("\0")[1]
                if word in STAGES:
                    pids[pid] = STAGES[word]
                    seen.setdefault(STAGES[word], []).append((time.monotonic(), resident_kib(pid)))
            except (OSError, IndexError, AttributeError):
                pass  # just started, or just ended
        time.sleep(0.005)
    if run_of.wait() != 0:
        sys.exit(f"steady: the run ended with {run_of.returncode}")
    found = {}
    for stage, looks in seen.items():
        quarter = looks[0][0] + (looks[-1][0] - looks[0][0]) / 4
        later = [kib for at, kib in looks if at >= quarter]
        if len(later) >= 4:
            found[stage] = {"after_quarter_kib": later[0], "greatest_kib": max(later), "more_kib": max(later) - later[0]}
    return found


def measure(asked, folder):
    millrace, n = f"{asked.build}/millrace", asked.records
    once, twice = (count_calls(millrace, folder, k * n) for k in (1, 2))
    first, second = (count_allocations(millrace, asked.build, folder, k * n) for k in (1, 2))
    memory = watch_memory(millrace, folder, max(2 * n, MEMORY_RECORDS_MIN))
    stages = {}
    for stage in STAGES.values():
        more = {name: calls - once[stage].get(name, 0) for name, calls in twice[stage].items()}
        stages[stage] = {
            "calls": sum(once[stage].values()), "calls_twice": sum(twice[stage].values()),
            "calls_a_record": (sum(twice[stage].values()) - sum(once[stage].values())) / n,
            "most_of_them": dict(sorted(more.items(), key=lambda item: -item[1])[:4]),
            "allocations": first[stage], "allocations_twice": second[stage],
            "memory": memory.get(stage)}
    return {"bench": "steady", "n": n, "stages": stages}


def problems(found):
    for stage, of in found["stages"].items():
        if of["calls_a_record"] > CALLS_A_RECORD_MAX:
            yield f"{stage}: {of['calls_a_record']:.4f} system calls a record ({of['most_of_them']})"
        if of["allocations_twice"] - of["allocations"] > ALLOCATIONS_MORE_MAX:
            yield f"{stage}: {of['allocations']} allocations for N records, {of['allocations_twice']} for 2 N"
        if of["memory"] is None:
            yield f"{stage}: its memory was not seen, the run was too short"
        elif of["memory"]["more_kib"] > MEMORY_MORE_KIB_MAX:
            yield f"{stage}: {of['memory']['more_kib']} KiB more after the first quarter"


def main():
    args = argparse.ArgumentParser()
    args.add_argument("build")
    args.add_argument("--records", type=int, default=2000000)
    args.add_argument("--json", action="store_true")
    asked = args.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    folder = tempfile.mkdtemp(prefix="millrace-bench.", dir=os.environ.get("TMPDIR", "/tmp"))
    shm = tempfile.mkdtemp(prefix="millrace-bench.", dir="/dev/shm")
    os.symlink(shm, f"{folder}/shm")
    try:
        found = measure(asked, folder)
    finally:
        shutil.rmtree(folder)
        shutil.rmtree(shm)
    found["problems"] = list(problems(found))
    if asked.json:
        print(json.dumps(found))
    else:
        for stage, of in found["stages"].items():
            memory = of["memory"] or {"after_quarter_kib": 0, "more_kib": 0}
            print(f"{stage:10} {of['calls_a_record']:.6f} system calls a record, {of['allocations']} allocations for "
                  f"{asked.records:,} records and {of['allocations_twice']} for twice as many, "
                  f"{memory['after_quarter_kib']} KiB after the first quarter and {memory['more_kib']} KiB more since")
        print("\n".join(found["problems"]) or "steady: ok")
    sys.exit(bool(found["problems"]))


if __name__ == "__main__":
    main()
