# SPDX-License-Identifier: Apache-2.0
"""How cost grows: one thing varied at a time, everything else as by default.

    scaling.py BUILD_DIR [--short | --quick] [--out DIR]

record bytes 40 to 4096, 1 to 8 operators, 0 to 4 taps, rings of 64 KiB to 64 MiB: the trio flat out (`millrace bench
trio`, which compares every record). 10 to 10,000 symbols: an exchange session, file to book to journal. The points
of a curve are run in turn (A B C A B C), medians over the rounds. Writes a .tsv for each curve into DIR and prints
one JSON object. A transform has one producer in this version: there is no curve over producers."""
import argparse
import json
import os
import statistics
import subprocess
import sys

# Operators that let everything pass: each looks at a field of every record.
FILTERS = ["b >= 0", "c >= 0", "d >= 0", "a >= 0"]


def chain(count):
    return "[" + ", ".join(f"{{filter: {FILTERS[i % len(FILTERS)]}}}" for i in range(count)) + "]"


def curves(records, messages):
    """{name: (what varies, [(x, command behind BUILD/millrace)])}"""
    def trio(*more, count=records):
        return ["bench", "trio", "--json", "--rate", "0", "--durability", "none", "--no-raw-write", "--records",
                str(count), *more]

    sizes = [40, 64, 128, 256, 512, 1024, 2048, 4096]
    return {
        "record-bytes": ("record, bytes", [
            (size, trio("--record-bytes", str(size), count=records * 64 // size)) for size in sizes]),
        "operators": ("operators", [(n, trio("--set", f"transform={chain(n)}")) for n in (1, 2, 4, 8)]),
        "taps": ("taps", [(n, trio("--taps", str(n))) for n in range(5)]),
        "ring": ("ring, KiB", [(kib, trio("--set", f"ring.size={kib}KiB", "--set", f"batch={min(16, kib // 8)}KiB"))
                               for kib in (64, 256, 1024, 4096, 16384, 65536)]),
        "symbols": ("symbols", [(n, ["bench", "itch", "--json", "--symbols", str(n), "--messages", str(messages),
                                     "--rounds", "1"]) for n in (10, 100, 1000, 10000)]),
    }


def measure(build, name, command):
    """Records (messages) a second, bytes a second."""
    full = [f"{build}/millrace", *command]
    done = subprocess.run(full, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"scaling: {' '.join(full)} ended with {done.returncode}: {done.stderr.strip()}")
    found = json.loads(done.stdout)
    if name == "symbols":
        return found["trio_per_second"], None
    rate = found["runs"][0]["records_per_second"]["median"]
    return rate, rate * found["record_bytes"]


def spread(values):
    return {"min": min(values), "median": statistics.median(values), "max": max(values)}


def main():
    args = argparse.ArgumentParser()
    args.add_argument("build")
    args.add_argument("--short", action="store_true")
    args.add_argument("--quick", action="store_true")
    args.add_argument("--out", default="out/scaling")
    args.add_argument("--only", help="one curve")
    asked = args.parse_args()
    records, messages, rounds = (200000, 200000, 1) if asked.quick else (4000000, 1000000, 3) if asked.short else (
        20000000, 5000000, 7)
    os.makedirs(asked.out, exist_ok=True)
    result = {"bench": "scaling", "records": records, "rounds": rounds, "curves": {}}
    for name, (what, points) in curves(records, messages).items():
        if asked.only and name != asked.only:
            continue
        found = {x: [] for x, _ in points}
        for _ in range(rounds):
            for x, command in points:
                found[x].append(measure(asked.build, name, command))
        rows = [{"x": x, "per_second": spread([rate for rate, _ in each]),
                 "bytes_per_second": statistics.median([b for _, b in each]) if each[0][1] else None}
                for x, each in found.items()]
        result["curves"][name] = {"varies": what, "points": rows}
        with open(f"{asked.out}/{name}.tsv", "w") as file:
            print(f"# {what}\tper second: median\tmin\tmax\tbytes/s", file=file)
            for row in rows:
                of = row["per_second"]
                print(row["x"], of["median"], of["min"], of["max"], row["bytes_per_second"] or 0, sep="\t", file=file)
    print(json.dumps(result))


if __name__ == "__main__":
    main()
