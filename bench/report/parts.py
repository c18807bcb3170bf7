# SPDX-License-Identifier: Apache-2.0
"""The parts of a full run: name, heading, command. Each prints one JSON object."""
import os


def peers(build, quick):
    """Text goes to stderr, the object to stdout. A hundred seconds; half a minute where quick."""
    limits = "--rounds 3 --ms 20 --seconds 30" if quick else "--rounds 5 --ms 50 --seconds 100"
    return ["sh", "-c", f'exec "$0" {limits} --json /dev/fd/3 3>&1 >&2', f"{build}/bench/peers/peers"]


def parts(build, out, quick):
    """[(name, heading, command)] for the build in `build`, files below `out`; quick: to see that it works."""
    millrace, here = f"{build}/millrace", os.path.dirname(__file__)
    trio = [millrace, "bench", "trio", "--json"]

    def n(full, small):
        return str(small if quick else full)

    rates, seconds = ("10000,100000,1000000", n(2, 0.3))
    found = [
        ("hop", "Ring: from core to core", [millrace, "bench", "hop", "--json", "--rounds", n(5, 1)]),
        ("trio", "Trio at rates, durability none, wait auto, placed",
         trio + ["--rate", rates, "--seconds", seconds, "--rounds", n(5, 1), "--durability", "none",
                 "--set", "placement=auto", "--hgrm", f"{out}/hgrm"]),
        ("trio-compare", "Trio at rates, durability none, each way of waiting",
         trio + ["--compare", "--rate", rates, "--seconds", seconds, "--rounds", n(3, 1), "--durability", "none",
                 "--hgrm", f"{out}/hgrm/compare"]),
        ("trio-batch", "Trio at rates, synced in groups as by default, wait auto, placed",
         trio + ["--rate", rates, "--seconds", seconds, "--rounds", n(3, 1), "--set", "placement=auto",
                 "--hgrm", f"{out}/hgrm/batch"]),
        ("trio-flat", "Trio flat out",
         trio + ["--rate", "0", "--records", n(20000000, 300000), "--rounds", n(5, 1), "--hgrm", f"{out}/hgrm/flat"]),
        ("trio-idle", "Trio with next to nothing to do",
         trio + ["--rate", "1,1000", "--seconds", n(6, 1), "--rounds", n(3, 1)]),
        ("itch", "ITCH: decode and book on one core; file to book to journal",
         [millrace, "bench", "itch", "--json", "--rounds", n(5, 1), "--messages", n(5000000, 300000)]),
    ]
    for durability in ("none", "batch"):
        found.append((f"sink-{durability}", f"Journal sink, durability {durability}",
                      [millrace, "bench", "sink", "--json", "--durability", durability, "--rounds", n(9, 1),
                       "--mib", n(256, 32)]))
    found.append(("sink-long", "Journal sink, durability none, records of 1 KiB",
                  [millrace, "bench", "sink", "--json", "--durability", "none", "--rounds", n(9, 1),
                   "--mib", n(256, 32), "--record-bytes", "1024"]))
    found.append(("sink-direct", "Journal sink, past the page cache",
                  [millrace, "bench", "sink", "--json", "--durability", "batch", "--direct", "--rounds", n(5, 1),
                   "--mib", n(256, 32)]))
    if os.path.exists(f"{build}/bench/lines"):
        found.append(("lines", "CSV and NDJSON to records", [f"{build}/bench/lines", "--json"]))
    if os.path.exists(f"{build}/bench/peers/peers"):
        found.append(("peers", "Ring beside its peers", peers(build, quick)))
    found += [
        ("first-record", "From `run` to the first record out",
         ["python3", f"{here}/first_record.py", build, "--rounds", n(11, 3)]),
        ("scaling", "How cost grows",
         ["python3", f"{here}/scaling.py", build, "--quick" if quick else "--short", "--out", f"{out}/scaling"]),
        ("steady", "Steady state",
         ["python3", f"{here}/steady.py", build, "--records", n(2000000, 200000), "--json"]),
    ]
    return found
