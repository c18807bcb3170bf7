# SPDX-License-Identifier: Apache-2.0
"""How long from the start of `millrace run` to the first record out, as a user sees it: from before the program
is executed until the first line of its output can be read.

    first_record.py BUILD_DIR [--rounds N]

Prints one JSON object."""
import argparse
import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

PIPELINE = """
name: first
shm: {shm}
source: {{type: mock, rate: 1000, count: 1000}}
sink: {{type: ndjson, path: "-"}}
"""


def one_round(millrace, pipeline):
    start = time.monotonic()
    run = subprocess.Popen([millrace, "run", pipeline], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    line = os.read(run.stdout.fileno(), 1)
    taken = time.monotonic() - start
    run.terminate()
    run.stdout.read()
    run.wait()
    if line != b"{":
        raise SystemExit(f"first_record: found {line!r}, expected a record")
    return taken * 1000


def main():
    args = argparse.ArgumentParser()
    args.add_argument("build")
    args.add_argument("--rounds", type=int, default=11)
    asked = args.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    folder = tempfile.mkdtemp(prefix="millrace-bench.", dir="/dev/shm")
    try:
        with open(f"{folder}/first.yaml", "w") as file:
            file.write(PIPELINE.format(shm=folder))
        taken = sorted(one_round(f"{asked.build}/millrace", f"{folder}/first.yaml") for _ in range(asked.rounds))
    finally:
        shutil.rmtree(folder)
    print(json.dumps({"bench": "first-record", "rounds": asked.rounds,
                      "ms": {"min": taken[0], "median": statistics.median(taken), "max": taken[-1]}}))


if __name__ == "__main__":
    main()
