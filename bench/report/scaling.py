# SPDX-License-Identifier: Apache-2.0
"""How cost grows: one thing varied at a time, everything else as by default.

    scaling.py BUILD_DIR [--short | --quick] [--rounds N] [--only CURVE] [--out DIR]

record bytes 40 to 4096, 1 to 8 operators, 0 to 4 taps, rings of 64 KiB to 64 MiB, 1 to 4 producers that share the
records, taken by arrival and by event time: the trio flat out (`millrace bench trio`, which compares every record, of
several producers each one's in its own order). 1 to 4 producers that share 100,000 records/s: from the moment a record
was due until the kernel has it. 10 to 10,000 symbols: an exchange session, file to book to journal. The points of a
curve are run in turn (A B C A B C), medians over the rounds. Writes a .tsv for each curve into DIR and prints one JSON
object."""
import argparse
import json
import os
import statistics
import subprocess
import sys

MISSED = 12  # exit code of a run that fell behind its rate
# Operators that let everything pass: each looks at a field of every record.
FILTERS = ["b >= 0", "c >= 0", "d >= 0", "a >= 0"]


def chain(count):
    return "[" + ", ".join(f"{{filter: {FILTERS[i % len(FILTERS)]}}}" for i in range(count)) + "]"


PACED = 100000  # records a second, of all producers together


def curves(records, messages, seconds):
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
        "producers": ("producers", [(n, trio("--producers", str(n))) for n in range(1, 5)]),
        "producers-by-time": ("producers, merged by event time", [
            (n, trio("--producers", str(n), "--set", "merge=time")) for n in range(1, 5)]),
        "producers-paced": (f"producers, {PACED:,} records/s in all", [
            (n, ["bench", "trio", "--json", "--rate", str(PACED), "--seconds", str(seconds), "--durability", "none",
                 "--producers", str(n)]) for n in range(1, 5)]),
        "symbols": ("symbols", [(n, ["bench", "itch", "--json", "--symbols", str(n), "--messages", str(messages),
                                     "--rounds", "1"]) for n in (10, 100, 1000, 10000)]),
    }


def measure(build, name, command):
    """{figure: value}: records (messages) a second, and bytes; or latency at a rate, and whether that was missed."""
    full = [f"{build}/millrace", *command]
    done = subprocess.run(full, capture_output=True, text=True)
    paced = name.endswith("-paced")
    if done.returncode != 0 and not (paced and done.returncode == MISSED):
        sys.exit(f"scaling: {' '.join(full)} ended with {done.returncode}: {done.stderr.strip()}")
    found = json.loads(done.stdout)
    if name == "symbols":
        return {"per_second": found["trio_per_second"]}
    run = found["runs"][0]
    rate = run["records_per_second"]["median"]
    if not paced:
        return {"per_second": rate, "bytes_per_second": rate * found["record_bytes"]}
    hand_over = run["latency_ns"]["hand_over"]
    return {"per_second": rate, "hand_over_p50_ns": hand_over["p50"], "hand_over_p99_ns": hand_over["p99"],
            "cores": run["cores"]["median"], "missed": run["missed_rounds"]}


def row_of(x, each):
    """One point of a curve over its rounds."""
    row = {"x": x, "per_second": spread([of["per_second"] for of in each])}
    row["bytes_per_second"] = statistics.median([of["bytes_per_second"] for of in each]) if "bytes_per_second" in each[0] else None
    if "missed" in each[0]:
        for key in ("hand_over_p50_ns", "hand_over_p99_ns", "cores"):
            row[key] = spread([of[key] for of in each])
        row["missed"] = sum(of["missed"] for of in each)
    return row


def save(path, what, rows):
    paced = "missed" in rows[0]
    with open(path, "w") as file:
        print(f"# {what}", *(("hand-over p50, ns: median", "min", "max", "p99, ns") if paced
                             else ("per second: median", "min", "max", "bytes/s")), sep="\t", file=file)
        for row in rows:
            of = row["hand_over_p50_ns" if paced else "per_second"]
            last = row["hand_over_p99_ns"]["median"] if paced else row["bytes_per_second"] or 0
            print(row["x"], of["median"], of["min"], of["max"], last, sep="\t", file=file)


def spread(values):
    return {"min": min(values), "median": statistics.median(values), "max": max(values)}


def main():
    args = argparse.ArgumentParser()
    args.add_argument("build")
    args.add_argument("--short", action="store_true")
    args.add_argument("--quick", action="store_true")
    args.add_argument("--out", default="out/scaling")
    args.add_argument("--only", help="one curve")
    args.add_argument("--rounds", type=int, help="instead of as many as the form has")
    asked = args.parse_args()
    records, messages, rounds, seconds = (200000, 200000, 1, 0.3) if asked.quick else (
        4000000, 1000000, 3, 1) if asked.short else (20000000, 5000000, 7, 2)
    rounds = asked.rounds or rounds
    os.makedirs(asked.out, exist_ok=True)
    result = {"bench": "scaling", "records": records, "rounds": rounds, "curves": {}}
    for name, (what, points) in curves(records, messages, seconds).items():
        if asked.only and name != asked.only:
            continue
        found = {x: [] for x, _ in points}
        for _ in range(rounds):
            for x, command in points:
                found[x].append(measure(asked.build, name, command))
        rows = [row_of(x, each) for x, each in found.items()]
        result["curves"][name] = {"varies": what, "points": rows}
        save(f"{asked.out}/{name}.tsv", what, rows)
    print(json.dumps(result))


if __name__ == "__main__":
    main()
