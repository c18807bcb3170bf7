# SPDX-License-Identifier: Apache-2.0
"""A synthetic exchange session through the whole pipeline: file, decode, order book, journal, three processes.

    itch_trio.py BUILD_DIR [--messages N] [--symbols N] [--rounds N]

Messages a second over each whole run, its last record written and synced. The counts must balance and the
journal must verify. Prints one JSON object."""
import argparse
import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile


def run(command):
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"itch_trio: {' '.join(command)} ended with {done.returncode}: {done.stderr.strip()}")
    return done.stdout


def one_round(millrace, folder, sets):
    found = json.loads(run([millrace, "run", "pipelines/demo.yaml", "--json", "--set", "name=bench-itch",
                            "--set", f"source.path={folder}/session.itch", "--set", f"sink.path={folder}/journal",
                            "--set", f"shm={folder}/shm"] + sets))
    if found["balance"] is not True:
        sys.exit("itch_trio: the counts do not balance")
    checked = json.loads(run([millrace, "verify", f"{folder}/journal", "--json"]))
    if checked["state"] != "whole" or checked["records"] != found["stages"]["loader"]["out"]:
        sys.exit(f"itch_trio: the journal is {checked['state']}, {checked['records']} records")
    shutil.rmtree(f"{folder}/journal")
    return found["stages"]["producer"]["in"], found["stages"]["producer"]["in"] / found["seconds"], checked["records"]


def main():
    args = argparse.ArgumentParser()
    args.add_argument("build")
    args.add_argument("--messages", type=int, default=5000000)
    args.add_argument("--symbols", type=int, default=8000)
    args.add_argument("--rounds", type=int, default=5)
    args.add_argument("--set", action="append", default=[])
    asked = args.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    millrace = f"{asked.build}/millrace"
    sets = [word for value in asked.set for word in ("--set", value)]
    folder = tempfile.mkdtemp(prefix="millrace-bench.")
    shm = tempfile.mkdtemp(prefix="millrace-bench.", dir="/dev/shm")
    os.symlink(shm, f"{folder}/shm")
    try:
        run([millrace, "gen", "itch", "--messages", str(asked.messages), "--symbols", str(asked.symbols), "--seed",
             "1", "--date", "2026-01-05", "--out", f"{folder}/session.itch"])
        rounds = [one_round(millrace, folder, sets) for _ in range(asked.rounds)]
    finally:
        shutil.rmtree(folder)
        shutil.rmtree(shm)
    rates = sorted(rate for _, rate, _ in rounds)
    print(json.dumps({"bench": "itch-trio", "symbols": asked.symbols, "n": rounds[0][0], "journal_records": rounds[0][2],
                      "rounds": asked.rounds,
                      "messages_per_second": {"min": rates[0], "median": statistics.median(rates), "max": rates[-1]}}))


main()
