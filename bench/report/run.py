# SPDX-License-Identifier: Apache-2.0
"""Runs every benchmark and writes a dated report.

    run.py BUILD_DIR [--quick] [--only PART[,PART...]] [--results DIR]

bench/results/<UTC date>/ gets report.md, json/ (what each part printed; probes.json: what was probed around
each), hgrm/ (distributions), plots/ (SVG and PNG). The idle-jitter profile of the same cores is taken before and after, and a short one, with a probe of the bare cache
line, around each part. --quick: tiny sizes, to see that it works; its figures mean nothing.

Exit code 1 where a part failed. A goal that was not reached is no failure: it stands in the summary."""
import argparse
import datetime
import json
import os
import signal
import subprocess
import sys
import time

import goals
import machine
import parts
import plots

PART_SECONDS_MAX = 300
MISSED_RATE = 12  # exit code of `millrace bench trio`


def run_json(command):
    """What the command prints, and None; or what it printed before it failed, and why."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=PART_SECONDS_MAX)
    except subprocess.TimeoutExpired:
        return None, f"took longer than {PART_SECONDS_MAX} s"
    said = done.stderr.strip().splitlines()
    try:
        found = json.loads(done.stdout)
    except ValueError:
        found = None
    if found is not None and done.returncode == MISSED_RATE:
        return found, None  # the tables say which
    return found, None if done.returncode == 0 else f"exit code {done.returncode}: {said[-1] if said else ''}"


def profile(millrace, seconds, *more):
    found, problem = run_json([millrace, "bench", "hiccup", "--json", "--seconds", str(seconds), *more])
    if problem:
        sys.exit(f"bench: {problem}")
    return found


def worst_core(jitter):
    return max(jitter["cores"], key=lambda core: core["p99.9"])


# ---- the report ------------------------------------------------------------------------------------------------------
def table(head, rows):
    yield "| " + " | ".join(head) + " |"
    yield "|" + "---|" * len(head)
    for row in rows:
        yield "| " + " | ".join(str(cell) for cell in row) + " |"
    yield ""


def us(ns):
    return f"{ns / 1000:,.2f}" if ns < 1e5 else f"{ns / 1000:,.0f}"


def trio_tables(found):
    for run in found["runs"]:
        rate = f"{run['rate']:,.0f}/s" if run["rate"] else "flat out"
        failed = "" if run["missed_rounds"] == 0 else f", **FAILED: missed its rate in {run['missed_rounds']} rounds**"
        per = run["records_per_second"]
        placement = f", placement {run['placement']}" if "placement" in run else ""
        yield (f"**{rate}**, wait {run['wait']}{placement}, durability {run['durability']}: {per['median']:,.0f} records/s "
               f"({per['min']:,.0f} to {per['max']:,.0f}), {run['cores']['median']:.2f} cores, {run['verified']:,} of "
               f"{run['n']:,} records verified{failed}")
        if "ratio" in run:
            ratio = run["ratio"]
            yield (f"; {ratio['median']:.2f} ({ratio['min']:.2f} to {ratio['max']:.2f}) of the best raw loop of writes, "
                   f"{run['raw_bytes_per_second']['median'] / 1e6:,.0f} MB/s")
        yield ""
        yield from table(["us", "p50", "p90", "p99", "p99.9", "p99.99", "max", "n", "p50 over the rounds", "p50 by the bare round trip"],
                         [[hop] + [us(of[p]) for p in ("p50", "p90", "p99", "p99.9", "p99.99", "max")]
                          + [f"{of['n']:,}", f"{us(of['p50_rounds']['min'])} to {us(of['p50_rounds']['max'])}",
                             f"{of['p50_by_raw_rtt']:.1f}" if "p50_by_raw_rtt" in of else ""]
                          for hop, of in run["latency_ns"].items()])


def scaling_tables(found):
    for name, curve in found["curves"].items():
        yield f"**{name}** ({found['rounds']} rounds, in turn)"
        yield ""
        if "missed" in curve["points"][0]:
            yield from table([curve["varies"], "due to handed to the kernel, us: p50, median", "min", "max", "p99, median", "min", "max",
                              "cores", "rounds that missed the rate"],
                             [[row["x"]] + [us(row[key][k]) for key in ("hand_over_p50_ns", "hand_over_p99_ns")
                                            for k in ("median", "min", "max")]
                              + [f"{row['cores']['median']:.2f}", row["missed"]] for row in curve["points"]])
            continue
        yield from table([curve["varies"], "a second, median", "min", "max", "MB/s"],
                         [[row["x"]] + [f"{row['per_second'][k]:,.0f}" for k in ("median", "min", "max")]
                          + [f"{row['bytes_per_second'] / 1e6:,.0f}" if row["bytes_per_second"] else ""]
                          for row in curve["points"]])


def steady_table(found):
    yield from table(["stage", "system calls a record", "which", "allocations, N records", "2 N records",
                      "KiB after a quarter", "KiB more since"],
                     [[stage, f"{of['calls_a_record']:.6f}", ", ".join(f"{k} {v}" for k, v in of["most_of_them"].items()),
                       of["allocations"], of["allocations_twice"],
                       *((of["memory"]["after_quarter_kib"], of["memory"]["more_kib"]) if of["memory"] else ("", ""))]
                      for stage, of in found["stages"].items()])


PERCENTILES = ("p50", "p90", "p99", "p99.9", "p99.99", "max", "n")
NOT_SHOWN = ("bench", "machine", "digest", "goals")


def is_scalar(value):
    return isinstance(value, (int, float, str))


def cell(value):
    if value is None:
        return ""
    return goals.text(value) if not isinstance(value, bool) else "yes" if value else "no"


def duration(ns):
    for unit, size in (("s", 1e9), ("ms", 1e6), ("us", 1e3)):
        if ns >= size:
            return f"{ns / size:,.4g} {unit}"
    return f"{ns:.4g} ns"


def percentile_cells(of):
    for column in PERCENTILES:
        value = of.get(column)
        yield cell(value) if value is None or column == "n" else duration(value)


def rows_table(title, rows):
    """Dicts of scalars; a column for each key that one of them has."""
    head = list(dict.fromkeys(key for row in rows for key, value in row.items() if is_scalar(value)))
    yield f"{title}:"
    yield ""
    yield from table(head, [[cell(row.get(key)) for key in head] for row in rows])


def flat_table(found):
    """Whatever the object holds: figures, distributions in ns, spreads, and rows of figures."""
    shown = {key: value for key, value in found.items() if key not in NOT_SHOWN}
    scalars = {key: value for key, value in shown.items() if is_scalar(value)}
    dicts = {key: value for key, value in shown.items() if isinstance(value, dict)}
    spread = {key: of for key, of in dicts.items() if {"min", "median", "max"} <= of.keys()}
    percentiles = {key: of for key, of in dicts.items() if "p50" in of}
    if scalars:
        yield from table(["what", "found"], [[key, cell(value)] for key, value in scalars.items()])
    if spread:
        yield from table(["what", "min", "median", "max"],
                         [[key] + [cell(of[k]) for k in ("min", "median", "max")] for key, of in spread.items()])
    if percentiles:
        yield from table(["what", *PERCENTILES], [[key, *percentile_cells(of)] for key, of in percentiles.items()])
    for key, of in dicts.items():
        if key not in spread and key not in percentiles:
            yield from rows_table(key, [of])
    for key, value in shown.items():
        if isinstance(value, list) and value and isinstance(value[0], dict) and key != "rounds":
            yield from rows_table(key, value)


def instructions_table():
    """As recorded; `make bench-instructions` counts again."""
    with open(f"{os.path.dirname(__file__)}/../instructions.txt") as file:
        lines = file.read().splitlines()
    yield from (line.lstrip("# ") for line in lines if line.startswith("# compiler"))
    yield ""
    yield from table(["what", "instructions a record"], [line.split("\t") for line in lines if not line.startswith("#")])


def section(name, found):
    if name.startswith("trio"):
        return trio_tables(found)
    return {"scaling": scaling_tables, "steady": steady_table}.get(name, flat_table)(found)


def write_report(out, started, seconds, about, found, problems, probes, jitter, drawn, headings):
    rows = goals.goals(found, probes)
    lines = [f"# Benchmarks of {started:%Y-%m-%d %H:%M} UTC", "",
             f"Took {seconds / 60:.1f} minutes. Figures of other machines, or of this one on another day, do not compare: the "
             "ratios do.", "", "## Goals", ""]
    lines += table(["what", "goal", "found", "reached"],
                   [[row.goal, row.wanted, row.found, goals.verdict(row, "**no**")] for row in rows])
    lines += ["## Machine", ""] + list(table(["what", "found"], about))
    lines += ["## Idle jitter", "", "How late an idle loop was for a call due each microsecond, in us.", ""]
    lines += table(["when", "core", "p50", "p99", "p99.9", "p99.99", "max", "gaps > 10 us a second"],
                   [[when, core["core"]] + [us(core[p]) for p in ("p50", "p99", "p99.9", "p99.99", "max")]
                    + [f"{core['gaps_per_second']:.0f}"] for when, of in jitter.items() for core in of["cores"]])
    lines += ["Around each part: the bare cache line there and back, and the idle loop's p99.9 on the worse core.", ""]
    lines += table(["part", "before, ns", "after, ns", "p99.9 before, us", "after, us"],
                   [[name, before["raw_rtt_ns"], after["raw_rtt_ns"], us(worst_core(before)["p99.9"]), us(worst_core(after)["p99.9"])]
                    for name, (before, after) in probes.items()])
    for name, heading in headings.items():
        lines += [f"## {heading}", ""]
        if name in problems:
            lines += [f"**{problems[name]}**", ""]
        if name in found:
            lines += section(name, found[name])
    lines += ["## Instructions a record, as recorded", ""] + list(instructions_table())
    lines += ["## Plots", ""] + [f"![{name}](plots/{name}.svg)" for name in drawn] + [""]
    with open(f"{out}/report.md", "w") as file:
        file.write("\n".join(lines))
    return rows


def summary(rows, problems):
    width = max(len(row.goal) for row in rows)
    print(f"\n{'what':{width}}  {'goal':>12}  {'found':>14}  reached")
    for row in rows:
        print(f"{row.goal:{width}}  {row.wanted:>12}  {row.found:>14}  {goals.verdict(row)}")
    for name, problem in problems.items():
        print(f"{name}: {problem}")


def main():
    args = argparse.ArgumentParser()
    args.add_argument("build")
    args.add_argument("--quick", action="store_true")
    args.add_argument("--only")
    args.add_argument("--results", default="bench/results")
    asked = args.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    started, clock = datetime.datetime.now(datetime.timezone.utc), time.monotonic()
    out = f"{asked.results}/{started:%Y-%m-%dT%H%M%SZ}"
    for folder in ("json", "hgrm"):
        os.makedirs(f"{out}/{folder}")
    millrace = f"{asked.build}/millrace"
    about, idle = machine.describe(asked.build), 0.3 if asked.quick else 5
    jitter = {"before": profile(millrace, idle, "--hgrm", f"{out}/hgrm/idle-before")}
    found, problems, probes, headings = {}, {}, {}, {}
    for name, heading, command in parts.parts(asked.build, out, asked.quick):
        if asked.only and name not in asked.only.split(","):
            continue
        print(f"{time.monotonic() - clock:6.1f} s  {heading}", flush=True)
        headings[name] = heading
        before = profile(millrace, 0.2)
        result, problem = run_json(command)
        probes[name] = (before, profile(millrace, 0.2))
        if result is not None:
            found[name] = result
            with open(f"{out}/json/{name}.json", "w") as file:
                json.dump(result, file, indent=1)
        if problem:
            problems[name] = problem
    jitter["after"] = profile(millrace, idle, "--hgrm", f"{out}/hgrm/idle-after")
    with open(f"{out}/json/probes.json", "w") as file:
        json.dump(probes, file, indent=1)
    drawn = plots.draw(out, found)
    rows = write_report(out, started, time.monotonic() - clock, about, found, problems, probes, jitter, drawn, headings)
    summary(rows, problems)
    print(f"took {(time.monotonic() - clock) / 60:.1f} minutes; report in {out}/report.md")
    sys.exit(bool(problems))


if __name__ == "__main__":
    main()
